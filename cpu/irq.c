/* The target's side of a cross call. */
#include "cpu/irq.h"

#include <assert.h>
#include <string.h>

#include "cpu/calls.h"
#include "cpu/entry.h"
#include "cpu/step.h"

/* Take the request in place @at out of the queue. Return: its initiator. */
static u32 unqueue(struct cpu_state *s, u32 at, u16 *what)
{
	u32 from = s->ipi_from[at];

	*what = s->ipi_what ? s->ipi_what[at] : 0;
	s->nr_ipis--;
	if (s->ipi_what) {
		memmove(s->ipi_what + at, s->ipi_what + at + 1,
			(s->nr_ipis - at) * sizeof(s->ipi_what[0]));
		s->ipi_what[s->nr_ipis] = 0;
	}
	memmove(s->ipi_from + at, s->ipi_from + at + 1,
		(s->nr_ipis - at) * sizeof(s->ipi_from[0]));
	s->ipi_from[s->nr_ipis] = 0;
	return from;
}

static inline u32 unqueue_first(struct cpu *c)
{
	u32 from;

	if (c->calls.batch)
		return calls_take(c);
	from = c->ipi[c->ipi_first++].from;
	c->s->nr_ipis--;
	if (!calls_others(c))
		c->ipi_first = 0;
	return from;
}

static struct call_line *line_of(const struct cpu *initiator)
{
	return call_line_of(the_sys, initiator->id, this_cpu->id);
}

/* ---- acknowledgements ------------------------------------------------------- */

/* On the request's own line. */
static void give_back(struct cpu *initiator)
{
	struct call_line *l = line_of(initiator);

	initiator->s->acks_left--;
	l->is_busy = 0;
	the_sys->drv.wake(l);
}

/* Timed, on the line that all answers to it are counted on. */
static inline void answer(struct cpu *initiator)
{
	u32 *left = &initiator->s->acks_left;

	if (this_cpu->now > initiator->acked_at)
		initiator->acked_at = this_cpu->now;
	if (!--*left)
		the_sys->drv.wake_at(left, initiator->acked_at);
}

static void acknowledge(struct cpu *initiator)
{
	u32 *left = &initiator->s->acks_left;

	if (the_sys->contend.has_lines) {
		give_back(initiator);
	} else if (!the_sys->is_explored) {
		answer(initiator);
	} else {
		touch(left, true);
		--*left;
		the_sys->drv.wake(left);
	}
}

static const void *ack_line(const struct cpu *initiator)
{
	return the_sys->contend.has_lines ? (const void *)line_of(initiator)
					  : &initiator->s->acks_left;
}

static u64 ack_cycles(void)
{
	return the_sys->is_explored ? 0 : cost_of(COST_ACK);
}

void smp_ack(void)
{
	struct cpu *from = &the_sys->cpu[this_cpu->ctx.serves];

	if (this_cpu->ctx.is_acked)
		return;
	this_cpu->ctx.is_acked = true;
	/* A step of its own: the initiator may go on before what follows. */
	step(ack_line(from), true, ack_cycles());
	acknowledge(from);
	NOTE("acknowledged early");
}

u32 smp_initiator(void)
{
	return this_cpu->ctx.serves;
}

/* ---- one request ------------------------------------------------------------ */

/* Return: its line is to be read. Inline: a call saves more registers than it is
 * worth. */
static inline __attribute__((always_inline)) bool take(struct irq *q)
{
	struct cpu *c = this_cpu;
	u32 from;

	q->what = 0;
	if (c->ipi)
		from = unqueue_first(c);
	else
		from = unqueue(c->s, the_sys->drv.choose(c->s->nr_ipis),
			       &q->what);
	if (the_sys->is_explored)
		observe(from);
	q->from = &the_sys->cpu[from];
	c->serving = q->from;
	c->ctx.serves = (u16)from;
	c->ctx.is_acked = !q->what && q->from->ctx.call_unacked;
	PROBE(.what = PROBE_SERVE, .other = q->from);
	return the_sys->contend.has_lines && !c->ctx.is_acked;
}

static bool has_argument(const struct irq *q)
{
	return the_sys->contend.has_lines && !this_cpu->ctx.is_acked &&
	       !q->from->ctx.call_is_inline;
}

/* Is it carried out without a step, and so without a stack? */
static bool is_soon(const struct irq *q)
{
	const struct cpu_ctx *call = &q->from->ctx;

	return !q->what && call->call_soon && !the_sys->is_explored &&
	       call->call_soon(call->call_arg);
}

static void call(struct strand *s)
{
	struct irq *q = (struct irq *)s;

	if (q->what)
		the_sys->os.posted(q->what);
	else
		q->from->ctx.call_fn(q->from->ctx.call_arg);
}

static void served(const struct irq *q)
{
	PROBE(.what = PROBE_SERVED, .other = q->from);
	this_cpu->serving = NULL;
	/* The initiator may go on before the next handler begins. */
	if (!q->is_poll)
		this_cpu->ctx.glide = false;
}

/* ---- the interrupt ---------------------------------------------------------- */

/* The first to be taken is a message: a poll finds it, and what comes with it. */
static bool has_message(const struct cpu *c)
{
	u32 from;

	if (!calls_others(c))
		return false;
	from = c->ipi ? c->ipi[c->ipi_first].from : c->s->ipi_from[0];
	return the_sys->cpu[from].ctx.call_is_message;
}

static void enter(struct irq *q)
{
	struct cpu *c = this_cpu;
	struct cpu_state *s = c->s;

	q->is_rung = c->calls.rung_at <= c->now;
	if (q->is_rung)
		c->calls.rung_at = UINT64_MAX;
	q->is_message = !q->is_rung && has_message(c);
	q->obs = obs_save();
	q->cat = cat_enter_in(CYC_RESPOND, "cpu_take_irqs");
	q->glide = c->ctx.glide;
	PROBE(.what = PROBE_IRQ);
	if (!q->is_message)
		charge(cost_of(COST_IRQ_ENTRY) +
		       entry_cycles(is_user_cat(q->cat)));
	COUNT(IRQS, !q->is_message);
	s->irq_off++;
	c->ctx.in_irq++;
	/* Entering is private, so the handler's first step may be merged; but
	 * under the weak model it is a read barrier, see is_right_mover(). */
	c->ctx.glide = the_sys->is_reduced &&
		       the_sys->memory_model != MEM_WEAK;
	touch(&s->nr_ipis, true);
}

static bool has_more(const struct cpu *c)
{
	if (c->calls.batch)
		return true;
	return calls_others(c) &&
	       (!c->ipi || c->ipi[c->ipi_first].at <= c->now);
}

/* After a request: posted ones are interrupts each; and where an explorer says
 * when they come, the next may be one of its own, as it is when it comes later. */
static bool is_last(const struct irq *q)
{
	const struct cpu_state *s = this_cpu->s;

	return q->is_poll || s->ipi_what ||
	       (the_sys->is_explored && s->nr_ipis && the_sys->drv.choose(2));
}

static enum strand_next leave(const struct irq *q)
{
	struct cpu *c = this_cpu;

	if (q->is_poll)
		return STRAND_END;
	c->irq_at = c->ipi ? calls_irq_at(c) : UINT64_MAX;
	c->s->irq_off--;
	if (!q->is_message)
		charge(cost_of(COST_IRQ_EXIT));
	PROBE(.what = PROBE_IRQ_END);
	cat_leave(q->cat);
	c->ctx.in_irq--;
	c->ctx.glide = q->glide;
	obs_restore(q->obs);
	return STRAND_END;
}

/* From IRQ_ACKED on until the next step, where what is asked there is the same each
 * time (is_plain): most of what a storm does. */
static inline enum strand_next from_answer_to_answer(struct irq *q)
{
	struct cpu *c = this_cpu;

	do {
		if (!c->ctx.is_acked)
			answer(q->from);
		served(q);
		if (!has_more(c))
			return leave(q);
		take(q);
		q->at = IRQ_ACK;
		if (!is_soon(q))
			return STRAND_CALL;
	} while (c->ctx.is_acked);
	q->at = IRQ_ACKED;
	return strand_post(&q->strand, &q->from->s->acks_left,
			   cost_of(COST_ACK));
}

/* Each case is what follows a step, or a call, and goes on into the next one. */
static __attribute__((noinline)) enum strand_next next_of_any(struct irq *q)
{
	struct strand *st = &q->strand;
	struct cpu *c = this_cpu;

	switch (q->at) {
	case IRQ_ENTER:
		q->at = IRQ_FENCE;
		enter(q);
		if (the_sys->contend.has_lines)
			return strand_step(st, &c->s->nr_ipis, true,
					   cost_of(COST_LOCK));
		if (q->is_rung)
			return strand_step(st, NULL, false, 0);
		/* fallthrough */
	case IRQ_FENCE:
		smp_rmb();
		if (q->is_rung)
			calls_begin(c);
		/* fallthrough */
	case IRQ_TAKE:
take:
		if (!q->is_poll && !has_more(c))
			return leave(q);
		q->at = IRQ_ARG;
		if (take(q))
			return strand_step(st, line_of(q->from), false, 0);
		/* fallthrough */
	case IRQ_ARG:
		q->at = IRQ_CALL;
		if (has_argument(q))
			return strand_step(st, q->from->ctx.call_arg, false, 0);
		/* fallthrough */
	case IRQ_CALL:
		q->at = IRQ_ACK;
		if (!is_soon(q))
			return STRAND_CALL;
		/* fallthrough */
	case IRQ_ACK:
		q->at = IRQ_ACKED;
		if (c->ctx.is_acked)
			goto served;
		if (!the_sys->is_explored && !the_sys->contend.has_lines)
			return strand_post(st, ack_line(q->from), ack_cycles());
		/* Reduced, it belongs to the handler's last step. */
		if (!the_sys->is_explored || !the_sys->is_reduced)
			return strand_step(st, ack_line(q->from), true,
					   ack_cycles());
		/* fallthrough */
	case IRQ_ACKED:
		acknowledge(q->from);
served:
		served(q);
		if (is_last(q))
			return leave(q);
		goto take;
	}
	return STRAND_END;
}

static enum strand_next next(struct strand *st)
{
	struct irq *q = (struct irq *)st;

	if (likely(q->at == IRQ_ACKED && q->is_plain && !q->is_poll))
		return from_answer_to_answer(q);
	return next_of_any(q);
}

void irq_begin(struct irq *q)
{
	q->strand.next = next;
	q->strand.call = call;
	q->at = IRQ_ENTER;
	q->is_poll = q->is_rung = false;
	q->is_plain = !the_sys->is_explored && !the_sys->contend.has_lines &&
		      !this_cpu->s->ipi_what;
}

void cpu_take_irqs(void)
{
	struct irq q;

	irq_begin(&q);
	strand_run(&q.strand);
}

static bool may_poll(const void *arg)
{
	const struct cpu_state *s = arg;

	return s->nr_ipis && (!s->sb || !s->sb->n);
}

void cpu_poll_irq(void)
{
	struct cpu_state *s = this_cpu->s;
	struct irq q;

	the_sys->drv.wait(&s->nr_ipis, may_poll, s, 0);
	/* What joined (calls.h) is an interrupt's. */
	assert(calls_others(this_cpu));
	if (s->sb)
		touch(s->sb, false);
	smp_rmb();
	irq_begin(&q);
	q.at = IRQ_TAKE;
	q.is_poll = true;
	strand_run(&q.strand);
}
