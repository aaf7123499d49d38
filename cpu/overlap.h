/* overlap.h - how much of a program's waiting for translations and data happens
 * at the same time: mlp = N accesses may be under way.
 *
 * Accesses are issued in program order, one in COST_ACCESS cycles. One that has
 * to wait (for a second-level TLB, a walk, a cache miss) takes a slot until it
 * is done; when it has taken the last of the N, issuing stops until the first
 * of them is done. N = 1 is a chain of dependent accesses: each is over before
 * the next begins. What an access changes in TLBs and caches is changed when it
 * is issued, so one to a page whose walk is under way hits and does not wait.
 *
 * Page faults, interrupts, every step of the kernel and the end of the program
 * come after all that was issued before (the fixed cost of entering a system
 * call overlaps).
 *
 * The time stood still is booked on what the awaited access did last.
 */
#ifndef CPU_OVERLAP_H
#define CPU_OVERLAP_H

#include "cpu/cpu.h"

void cpu_drain_slow(struct cpu *c);

/* cpu_drain - wait for all that is under way. */
static inline void cpu_drain(struct cpu *c)
{
	if (unlikely(c->nr_pending))
		cpu_drain_slow(c);
}

/* cpu_issued - an access that is done at @p->done was issued now. */
void cpu_issued(struct cpu *c, const struct pending *p);

static inline void cpu_wait_until(struct cpu *c, u64 at, enum cycle_cat cat)
{
	if (at > c->now) {
		c->cycles[cat] += at - c->now;
		c->now = at;
	}
}

/* cpu_delay - what the current access needs next takes @cycles: at once
 * without overlap, else noted in @p. */
static inline void cpu_delay(struct cpu *c, struct pending *p, u64 cycles,
			     enum cycle_cat cat)
{
	if (likely(c->mlp == 1)) {
		c->now += cycles;
		c->cycles[cat] += cycles;
		return;
	}
	p->done = (p->done > c->now ? p->done : c->now) + cycles;
	p->cat = cat;
}

#endif
