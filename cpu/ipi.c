/* The initiator's side of cross calls: one interrupt per target (irq.c),
 * acknowledged when its handler ran. */
#include <string.h>

#include "cpu/calls.h"
#include "cpu/irq.h"
#include "cpu/step.h"
#include "cpu/strand.h"
#include "cpu/targets.h"

/* Lines that a core fetches at a time (assumed: Intel's from Nehalem to Skylake,
 * from memory). */
#define FILL_BUFFERS 10u

static bool all_acked(const void *arg)
{
	return !*(const u32 *)arg;
}

/* Timed, an answer counts when it has arrived. */
static void wait_acks(void)
{
	struct cpu_state *s = this_cpu->s;

	the_sys->drv.wait(&s->acks_left, all_acked, &s->acks_left, 0);
	if (this_cpu->acked_at > this_cpu->now)
		the_sys->drv.delay(this_cpu->acked_at);
}

/* A message goes to another socket by way of its first CPU (smp_message). */
static u64 message_flight(u32 from, u32 to)
{
	const struct machine *m = the_sys->m;
	u32 via = to;

	if (m->cpu[from].package != m->cpu[to].package)
		while (via && m->cpu[via - 1].package == m->cpu[to].package)
			via--;
	return machine_line_transfer(m, from, via) +
	       machine_line_transfer(m, via, to);
}

static u64 flight(u32 from, u32 to)
{
	u32 hop = (u32)sys_hop(the_sys, from, to);

	if (unlikely(this_cpu->ctx.call_is_message)) {
		the_sys->cost_used[COST_LINE_TRANSFER_SELF + hop] = true;
		return message_flight(from, to);
	}
	return cost_of((enum cost)(COST_IPI_DELIVER_SELF + hop));
}

u64 ipi_arrival(const struct cpu *to)
{
	u64 at = this_cpu->now + flight(this_cpu->id, to->id);

	return contend_delays_irqs() ? contend_arrival(to, at) : at;
}

static bool is_before(const struct ipi *a, const struct ipi *b)
{
	if (a->at != b->at)
		return a->at < b->at;
	return a->sent != b->sent ? a->sent < b->sent : a->from < b->from;
}

static void post_timed(struct cpu *to)
{
	u32 n = calls_others(to);
	struct ipi new = { ipi_arrival(to), this_cpu->now, this_cpu->id }, *at;

	if (to->ipi_first + n == 2 * the_sys->nr_cpus) {
		memmove(to->ipi, to->ipi + to->ipi_first,
			n * sizeof(*to->ipi));
		to->ipi_first = 0;
	}
	at = to->ipi + to->ipi_first + n;
	to->s->nr_ipis++;
	for (; at > to->ipi + to->ipi_first && is_before(&new, at - 1); at--)
		*at = at[-1];
	*at = new;
	the_sys->drv.ipi_posted(to);
}

/* Explored it is a set: what is pending at one CPU may be taken in any order, so it
 * is kept by number. */
static void post(struct cpu *to, u16 what)
{
	struct cpu_state *s = to->s;
	u32 at;

	if (to->ipi) {
		post_timed(to);
		return;
	}
	touch(&s->nr_ipis, true);
	for (at = s->nr_ipis; at; at--) {
		if (s->ipi_from[at - 1] < this_cpu->id)
			break;
		if (s->ipi_what && s->ipi_from[at - 1] == this_cpu->id &&
		    s->ipi_what[at - 1] <= what)
			break;
		s->ipi_from[at] = s->ipi_from[at - 1];
		if (s->ipi_what)
			s->ipi_what[at] = s->ipi_what[at - 1];
	}
	s->ipi_from[at] = (u16)this_cpu->id;
	if (s->ipi_what)
		s->ipi_what[at] = what;
	s->nr_ipis++;
	the_sys->drv.ipi_posted(to);
}

static bool has_call_lines(void)
{
	return the_sys->contend.has_lines;
}

static struct call_line *my_line_to(u32 cpu)
{
	return call_line_of(the_sys, this_cpu->id, cpu);
}

/* Each target's request is filled and queued before any interrupt is sent; where it
 * joins those that wait (calls.h), at once. */
static void queue_calls(const u64 *mask, struct calling *q)
{
	struct targets t = targets_of(mask);

	while (targets_next(&t)) {
		the_sys->drv.ask(my_line_to(t.cpu), true);
		step(&the_sys->cpu[t.cpu].s->nr_ipis, true,
		     cost_of(COST_PTE_SCAN) + cost_of(COST_LOCK));
		my_line_to(t.cpu)->is_busy = 1;
		if (q)
			calling_queue(q, t.cpu);
	}
}

static bool is_given_back(const void *arg)
{
	return !((const struct call_line *)arg)->is_busy;
}

/* Looked at in turn; those that are back already are fetched together. */
static void wait_calls(const u64 *mask)
{
	struct targets t = targets_of(mask);
	u32 asked = 0;

	while (targets_next(&t)) {
		struct call_line *l = my_line_to(t.cpu);

		if (is_given_back(l) && ++asked < FILL_BUFFERS) {
			the_sys->drv.ask(l, true);
			continue;
		}
		the_sys->drv.wait(l, is_given_back, l, 0);
		asked = 0;
	}
	if (asked)
		step(&this_cpu->s->acks_left, true, 0);
}

/* One line is written for each channel of this CPU's: to its own socket's CPUs, and
 * to others' first that are meant. */
static u64 send_cycles(u32 prev, u32 to, u32 nr)
{
	const struct machine_cpu *cpu = the_sys->m->cpu;

	if (!this_cpu->ctx.call_is_message)
		return contend_send_cycles(prev, to, nr);
	return prev != CONTEND_NONE && cpu[prev].package == cpu[to].package &&
	       cpu[to].package != cpu[this_cpu->id].package
		? 0 : cost_of(COST_PTE_SCAN);
}

/* To each CPU of a mask but this one, each by itself. */
struct sending {
	struct strand strand;
	struct targets t;
	u32 prev;               /* NO_TARGET: none                            */
	u32 n;                  /* sent to                                    */
	bool is_acked;
	bool is_queued;         /* by queue_calls()                           */
};

static void send_one(struct sending *q)
{
	struct cpu *to = &the_sys->cpu[q->t.cpu];

	this_cpu->s->acks_left += q->is_acked;
	q->n++;
	q->prev = q->t.cpu;
	PROBE(.what = PROBE_IPI, .other = to, .flag = true);
	post(to, 0);
}

static enum strand_next send_next(struct strand *st)
{
	struct sending *q = (struct sending *)st;

	if (q->t.cpu != NO_TARGET)
		send_one(q);
	while (targets_next(&q->t)) {
		/* Reduced: one step for all. Deliveries come as late as the
		 * explorer likes, and in any order. */
		if (!q->n || !the_sys->is_reduced)
			return strand_step(st, q->is_queued
				? &this_cpu->s->acks_left
				: &the_sys->cpu[q->t.cpu].s->nr_ipis, true,
				the_sys->is_explored ? 0 :
				send_cycles(q->prev, q->t.cpu, q->n));
		send_one(q);
	}
	return STRAND_END;
}

static void note_sent(u32 n)
{
	if (n)
		NOTE("%s to %u CPU%s", this_cpu->ctx.call_is_message ? "message"
		     : "IPI", n, n > 1 ? "s" : "");
}

/* Return: to how many. */
static u32 send(const u64 *mask, bool is_acked, bool is_queued)
{
	struct sending q = {
		.strand.next = send_next, .t = targets_of(mask),
		.prev = NO_TARGET, .is_acked = is_acked,
		.is_queued = is_queued,
	};

	strand_run(&q.strand);
	note_sent(q.n);
	return q.n;
}

/* Linux's cross call: a request to each, and interrupts. Return: to how many. */
static u32 call_others(const u64 *mask)
{
	struct calling q;
	u32 n;

	if (the_sys->is_explored || !the_sys->calls_join) {
		if (has_call_lines())
			queue_calls(mask, NULL);
		n = send(mask, true, has_call_lines());
		COUNT(CSD_QUEUE_CPU, n);
		COUNT(IPIS_SENT, n);
		return n;
	}
	calling_begin(&q, mask, has_call_lines());
	if (has_call_lines())
		queue_calls(mask, &q);
	strand_run(&q.strand);
	COUNT(CSD_QUEUE_CPU, q.nr);
	COUNT(IPIS_SENT, q.nr_rung);
	return q.nr;
}

u32 smp_call(const u64 *mask, void (*fn)(void *arg), void *arg,
	     void (*local)(void *arg))
{
	return smp_call_soon(mask, fn, NULL, arg, local);
}

u32 smp_call_soon(const u64 *mask, void (*fn)(void *arg),
		  bool (*soon)(void *arg), void *arg, void (*local)(void *arg))
{
	struct cpu_state *s = this_cpu->s;
	enum cycle_cat cat;
	u32 n;

	/* The send is ordered after all earlier stores; MFENCE before a
	 * x2APIC ICR write. */
	smp_mb();
	this_cpu->ctx.call_fn = fn;
	this_cpu->ctx.call_arg = arg;
	this_cpu->ctx.call_soon = soon;
	this_cpu->ctx.call_unacked = false;
	this_cpu->ctx.call_is_message = false;
	this_cpu->acked_at = 0;
	n = call_others(mask);
	if (local)
		local(arg);
	if (!n)
		return 0;
	cat = cat_enter(CYC_WAIT_ACK);
	if (has_call_lines())
		wait_calls(mask);
	else
		wait_acks();
	touch(&s->acks_left, true);
	cat_leave(cat);
	return n;
}

static u32 send_unacked(const u64 *mask, void (*fn)(void *arg), void *arg,
			bool is_message)
{
	smp_mb();
	this_cpu->ctx.call_fn = fn;
	this_cpu->ctx.call_arg = arg;
	this_cpu->ctx.call_soon = NULL;
	this_cpu->ctx.call_unacked = true;
	this_cpu->ctx.call_is_message = is_message;
	return send(mask, false, false);
}

u32 smp_send(const u64 *mask, void (*fn)(void *arg), void *arg)
{
	u32 n = send_unacked(mask, fn, arg, false);

	COUNT(IPIS_SENT, n);
	return n;
}

u32 smp_message(const u64 *mask, void (*fn)(void *arg), void *arg)
{
	u32 n = send_unacked(mask, fn, arg, true);

	COUNT(MESSAGES_SENT, n);
	return n;
}

void smp_post(u64 mask, u16 what)
{
	struct cpu_state *s = this_cpu->s;
	bool is_first = true;

	for (u32 i = 0; i < the_sys->nr_cpus; i++) {
		struct cpu *to = &the_sys->cpu[i];

		if (!(mask >> i & 1))
			continue;
		if (is_first)
			cpu_serialise(&to->s->nr_ipis);
		is_first = false;
		assert(to->s->nr_ipis < the_sys->nr_cpus * the_sys->max_posts);
		touch(&s->acks_left, true);
		s->acks_left++;
		post(to, what);
	}
}

void smp_wait_acks(void)
{
	struct cpu_state *s = this_cpu->s;

	the_sys->drv.wait(&s->acks_left, all_acked, &s->acks_left, 0);
}
