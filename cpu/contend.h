/* contend.h - what CPUs that flush at the same time take from each other, beyond
 * what one flush costs alone. Options of the machine, timed runs; all zero is
 * none of it, and what cpu/costs.def says of a shootdown.
 *
 * has_lines. A cache line that is moving makes the next who wants it wait until
 *   it has arrived: ownership goes from one to the next (tlb_gen, page-table
 *   locks, queue heads). And a cross call's own lines are there, as Linux has
 *   them: a request for each pair of CPUs (struct call_single_data), which the
 *   initiator fills, the target reads and gives back, and the initiator looks at
 *   in order of CPU; the target's queue head; the initiator's flush_tlb_info,
 *   which each target reads. An initiator asks for a request and its target's
 *   queue head together, and for up to ten requests that are back by then.
 *   Without it there is one line of acknowledgements for each initiator. What of
 *   reading holds others up: lines.h.
 *   Who finds a lock taken takes its line away from the holder, whose releasing
 *   store fetches it back; the first in the queue is told, looks, and stores.
 *   Spinlocks are taken in turn; of other locks who comes by meanwhile may be
 *   first (assumed: Linux's rwsems and page locks queue those that sleep).
 *   Source: Linux kernel/smp.c, smp_call_function_many_cond, csd_lock_wait;
 *   kernel/locking/qspinlock.c.
 *
 * send. One ICR write for each target (xAPIC, x2APIC physical), or for each group
 *   of 16 consecutive CPUs of a package (x2APIC cluster mode; assumed: APIC ids
 *   are given out in the CPUs' order). All of a group are sent to at its write.
 *   Source: Intel SDM vol. 3, "Extended XAPIC (x2APIC)".
 *
 * guest. In a virtual machine each ICR write exits (COST_VM_EXIT) and the
 *   hypervisor kicks the targets one by one (COST_VM_KICK) before the guest goes
 *   on; or one hypercall names all targets, 128 at a time (KVM_HC_SEND_IPI).
 *   Deliveries are by posted interrupts: they and their EOI cause no exits.
 *
 * irqs_off. Interrupts are off on every CPU for that long once in irqs_every, at
 *   times that only the seed decides, for what nobody models (other interrupts,
 *   locks of drivers). Nothing else happens to the CPU, but what arrives waits.
 */
#ifndef CPU_CONTEND_H
#define CPU_CONTEND_H

#include "base/types.h"

struct cpu;
struct sys;

/* ORDER ipi_send, ORDER guest: emu/timed_opts.c spells these. */
enum ipi_send { SEND_EACH, SEND_CLUSTER };
enum guest { GUEST_NONE, GUEST_EXITS, GUEST_HYPERCALL };

struct contend_config {
	bool has_lines;
	enum ipi_send send;
	enum guest guest;
	u64 irqs_off, irqs_every;       /* cycles; 0: never                   */
};

/* One cross call's request, on a line of its own. In the arena. */
struct call_line {
	u32 is_busy;
	u32 zero[15];
};

/* contend_create - @sys's lines. Return: 0, -ENOMEM. */
int contend_create(struct sys *sys);

struct call_line *call_line_of(struct sys *sys, u32 from, u32 to);

/* What the initiator pays before the target @to, the one after @prev (or
 * CONTEND_NONE), is sent to; @nr: targets before it. */
#define CONTEND_NONE UINT32_MAX
u64 contend_send_cycles(u32 prev, u32 to, u32 nr);

/* Each period of @every cycles has a window of @length at a place of its own:
 * where that of period @nr begins on @cpu. @what: windows of several kinds. */
enum contend_what { CONTEND_IRQS_OFF, CONTEND_STOLEN };
u64 contend_window(enum contend_what what, u32 cpu, u64 nr, u64 length,
		   u64 every);

/* When an interrupt that arrives at @to at @at finds them on, and the CPU there
 * (vcpu.h). contend_delays_irqs - it may be later than @at. */
bool contend_delays_irqs(void);
u64 contend_arrival(const struct cpu *to, u64 at);

#endif
