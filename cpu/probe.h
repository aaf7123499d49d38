/* probe.h - what happens in a timed run, told while it happens, to those who
 * explain it or draw it. A probe reads clocks and counters; it changes nothing
 * that a result depends on, and without one each place costs a test.
 *
 *	struct mine { struct probe p; ... } m = { .p.event = on_event };
 *	sys->probe = &m.p;
 *
 * Units: cycles of the CPU's own clock, cpu->now. A CPU's events come in the
 * order of its clock; those of different CPUs do not.
 */
#ifndef CPU_PROBE_H
#define CPU_PROBE_H

#include "base/types.h"

struct cpu;
struct sys;
struct tlb_entry;

enum probe_what {
	PROBE_START,            /* set-up is over, clocks and counters are 0  */
	PROBE_ENTER,            /* .cat begins, in the function .name         */
	PROBE_LEAVE,            /* what PROBE_ENTER began ends, .cat goes on  */
	PROBE_BEGIN, PROBE_END, /* kernel work with a name: .name             */
	PROBE_WAITED,           /* slept for .cat, [.from, now)               */
	PROBE_FLUSH,            /* a flush of .n 4K pages from .vpn begins, n 0:
				 * of all there is; .flag: asked for as ALL,
				 * because there are too many                 */
	PROBE_FLUSH_END,
	PROBE_IPI,              /* a request for .other; .flag: and an interrupt,
				 * or a message (calls.h)                     */
	PROBE_IRQ,              /* an interrupt is taken, before its requests */
	PROBE_IRQ_END,
	PROBE_SERVE,            /* .other's request is carried out            */
	PROBE_SERVED,
	PROBE_STALL,            /* .cpu owes .n cycles to what .other had done
				 * to its TLB without its software            */
	PROBE_STALLED,          /* all that it owed, .n, was booked on respond */
	PROBE_DROP,             /* .entry of .cpu goes, for the flush that .other
				 * has under way; NULL: no other CPU asked for it */
	PROBE_WALK,             /* of .vpn, .n cycles booked at once; .entry found,
				 * or NULL: a fault. .flag: to set D          */
};

struct probe_event {
	enum probe_what what;
	bool flag;
	struct cpu *cpu, *other;
	u32 cat;                /* enum cycle_cat                             */
	u64 from, n, vpn;
	const struct tlb_entry *entry;
	const char *name;
};

struct probe {
	void (*event)(struct probe *p, const struct probe_event *e);
	struct probe *next;     /* who hears of it too                        */
};

void probe_tell(const struct probe_event *e);

#define PROBE(...) do { \
	if (unlikely(the_sys->probe)) \
		probe_tell(&(struct probe_event){ .cpu = this_cpu, \
						  __VA_ARGS__ }); \
} while (0)

/* Kernel work that a timeline shows under its own name. */
#define PROBE_SPAN_BEGIN(text) PROBE(.what = PROBE_BEGIN, .name = (text))
#define PROBE_SPAN_END(text) PROBE(.what = PROBE_END, .name = (text))

/* probe_drops - before @c's arrays perform an invalidation: tell of what it
 * must drop. */
struct inval_op;
void probe_drops(struct cpu *c, const struct inval_op *op, u16 asid, u64 vpn);

#endif
