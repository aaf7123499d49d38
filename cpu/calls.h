/* calls.h - timed runs: the requests of cross calls that wait at a CPU, as Linux's
 * call_single_queue has them. Whoever finds the queue empty sends an interrupt for
 * all that come until its handler takes the queue over, as one batch; what comes
 * after that is the next interrupt's.
 *
 *	 ipi_from:  [ batch: being served | waits for rung_at ]
 *	            ^first                                     first + nr
 *
 * A CPU has one request under way at most, so there is room for one of each.
 * Source: Linux kernel/smp.c, smp_call_function_many_cond and
 * __flush_smp_call_function_queue; from 4.13 on (3fc5b3b6a80b, from memory).
 */
#ifndef CPU_CALLS_H
#define CPU_CALLS_H

#include <assert.h>

#include "cpu/cpu.h"
#include "cpu/strand.h"
#include "cpu/targets.h"

/* calls_put - @from's, at the end. Return: it has to send an interrupt. */
static inline bool calls_put(struct cpu *c, u32 from)
{
	struct calls *q = &c->calls;
	u32 at = q->first + q->nr;

	if (at >= the_sys->nr_cpus)
		at -= the_sys->nr_cpus;
	assert(q->nr < the_sys->nr_cpus);
	c->s->ipi_from[at] = (u16)from;
	c->s->nr_ipis++;
	return q->nr++ == q->batch;
}

/* calls_begin - the interrupt's handler takes over what is there. */
static inline void calls_begin(struct cpu *c)
{
	c->calls.batch = c->calls.nr;
}

/* calls_take - the next of the batch. Return: its initiator. */
static inline u32 calls_take(struct cpu *c)
{
	struct calls *q = &c->calls;
	u32 from = c->s->ipi_from[q->first];

	if (++q->first == the_sys->nr_cpus)
		q->first = 0;
	q->nr--;
	q->batch--;
	c->s->nr_ipis--;
	return from;
}

/* Requests with an interrupt, or a message, of their own. */
static inline u32 calls_others(const struct cpu *c)
{
	return c->s->nr_ipis - c->calls.nr;
}

/* When the next interrupt of either kind arrives. */
static inline u64 calls_irq_at(const struct cpu *c)
{
	u64 own = calls_others(c) ? c->ipi[c->ipi_first].at : UINT64_MAX;

	return own < c->calls.rung_at ? own : c->calls.rung_at;
}

/* ---- the initiator's side (calls.c) ------------------------------------------ */

#define CALL_WORDS (MACHINE_MAX_CPUS / 64)

/* First a request is queued at each target, then interrupts go to those where none
 * waited, of each CPU's own. */
struct calling {
	struct strand strand;
	struct targets t;       /* to be queued at, then to be rung           */
	u32 nr, nr_rung;
	u32 prev;               /* rung before; NO_TARGET: none               */
	bool is_ringing;
	u64 first[CALL_WORDS];  /* where none waited                          */
} __attribute__((aligned(64)));

/* calling_begin - to the CPUs of @mask but this one; @is_queued: calling_queue() is
 * called for each before the strand runs, else the strand does it. */
void calling_begin(struct calling *q, const u64 *mask, bool is_queued);

/* calling_queue - this CPU has the line of @to's queue. */
void calling_queue(struct calling *q, u32 to);

#endif
