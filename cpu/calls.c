#include "cpu/calls.h"

#include "cpu/irq.h"
#include "cpu/step.h"

static inline void queue_at(struct calling *q, u32 to)
{
	struct cpu *target = &the_sys->cpu[to];
	bool is_first = calls_put(target, this_cpu->id);

	this_cpu->s->acks_left++;
	q->nr++;
	q->first[to / 64] |= (u64)is_first << to % 64;
	PROBE(.what = PROBE_IPI, .other = target, .flag = is_first);
}

void calling_queue(struct calling *q, u32 to)
{
	queue_at(q, to);
}

static void ring(struct calling *q, u32 to)
{
	struct cpu *target = &the_sys->cpu[to];
	u64 at = ipi_arrival(target);

	if (at < target->calls.rung_at)
		target->calls.rung_at = at;
	the_sys->drv.ipi_posted(target);
	q->prev = to;
	q->nr_rung++;
}

/* Private work, since nothing arrives at once: as far as the driver lets it go. */
static __attribute__((noinline)) enum strand_next ring_next(struct calling *q)
{
	if (q->t.cpu != NO_TARGET)
		ring(q, q->t.cpu);
	while (targets_next(&q->t)) {
		charge(contend_send_cycles(q->prev, q->t.cpu, q->nr_rung));
		if (this_cpu->now >= this_cpu->run_until)
			return strand_step(&q->strand, NULL, false, 0);
		ring(q, q->t.cpu);
	}
	return STRAND_END;
}

static enum strand_next calling_next(struct strand *s)
{
	struct calling *q = (struct calling *)s;

	if (unlikely(q->is_ringing))
		return ring_next(q);
	if (likely(q->t.cpu != NO_TARGET))
		queue_at(q, q->t.cpu);
	if (targets_next(&q->t))
		return strand_post(s, &the_sys->cpu[q->t.cpu].s->nr_ipis, 0);
	q->is_ringing = true;
	q->t = targets_of(q->first);
	return ring_next(q);
}

void calling_begin(struct calling *q, const u64 *mask, bool is_queued)
{
	*q = (struct calling){
		.strand.next = calling_next, .prev = NO_TARGET,
		.t = is_queued ? targets_none() : targets_of(mask),
	};
}
