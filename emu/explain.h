/* explain.h - where the cycles of a timed run went, by who spent them and for
 * whose sake: a probe (cpu/probe.h) that books page walks on what made them
 * necessary, and interrupts and refills on the flush that caused them.
 *
 *	struct explain *x = explain_create(nr_cpus);
 *	point.probe = explain_probe(x);
 *	timed_point_run(&point, r, &e);
 *	explain_report(x, r, em);
 *
 * A walk is booked as
 *   first     this CPU had not translated the page before
 *   refill    a flush dropped the translation, and named its page
 *   collateral  a flush of everything dropped it, which was asked for other pages
 *   capacity  no flush dropped it: it made room, or an address space did
 *   dirty     the translation was there, the store had to set D
 *   fault     it ended in a page fault
 * A translation that a flush dropped counts as dropped even if it would have had
 * to make room before its next use: refills are an upper bound where the working
 * set exceeds the TLB.
 *
 * Roles: an initiator began a flush; a responder began none and was interrupted
 * by one; a bystander is neither. A CPU has one role for the whole run.
 *
 * Sums: over roles and rows, the cycles of the run; over flushes, those of the
 * categories flush, wait_ack and respond. Flushes beyond EXPLAIN_MAX_FLUSHES
 * have no row of their own and are in every sum.
 */
#ifndef EMU_EXPLAIN_H
#define EMU_EXPLAIN_H

#include "emu/timed_point.h"

#define EXPLAIN_MAX_FLUSHES (1u << 18)
#define EXPLAIN_TOP 10u

enum explain_walk {
	WALK_FIRST, WALK_REFILL, WALK_COLLATERAL, WALK_CAPACITY, WALK_DIRTY,
	WALK_FAULT, NR_EXPLAIN_WALKS
};

/* How a flush was asked for. NONE: what was dropped, and who was interrupted,
 * while no flush was under way: address spaces switched, lockless walkers waited
 * for. */
enum explain_kind {
	FLUSH_RANGED, FLUSH_CEILING, FLUSH_WHOLE, FLUSH_NONE, NR_EXPLAIN_KINDS
};

enum explain_role {
	ROLE_INITIATOR, ROLE_RESPONDER, ROLE_BYSTANDER, NR_EXPLAIN_ROLES
};

/* What flushes, one or many, came to. */
struct explain_bill {
	u64 flushes, ipis, served;
	u64 interrupts;                 /* taken, by the first request served */
	u64 dropped;                    /* entries, by array that held them   */
	u64 own_cycles;                 /* flush and wait_ack                 */
	u64 stolen_cycles;              /* respond, on other CPUs             */
	u64 refill_walks, refill_cycles;        /* refill and collateral      */
	u64 own_refill_cycles;          /* of these on the initiator          */
};

struct explain_flush {
	struct explain_bill bill;
	u64 at;                         /* cycles, the initiator's clock      */
	u64 vpn, pages;                 /* pages 0: all                       */
	u32 cpu;
	enum explain_kind kind;
};

struct explain_cpu {
	u64 walks[NR_EXPLAIN_WALKS], walk_cycles[NR_EXPLAIN_WALKS];
	u64 flushes, served;
	struct explain_bill bill;       /* of what it began                   */
};

struct explain;

/* NULL: out of memory. */
struct explain *explain_create(u32 nr_cpus);
void explain_destroy(struct explain *x);
struct probe *explain_probe(struct explain *x);

/* Out of memory on the way: what follows is not to be trusted. */
bool explain_is_broken(const struct explain *x);

const struct explain_cpu *explain_of_cpu(const struct explain *x, u32 cpu);
const struct explain_bill *explain_of_kind(const struct explain *x,
					   enum explain_kind kind);
/* Those with a row of their own. */
const struct explain_flush *explain_flushes(const struct explain *x, u32 *nr);

enum explain_role explain_role(const struct explain *x, u32 cpu);

/* The tables explain, explain-flushes, explain-cpus, explain-dearest, and what
 * they say in words (explain_report.c). */
void explain_report(const struct explain *x, const struct timed_result *r,
		    struct emit *em);

#endif
