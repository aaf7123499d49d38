/* Cross calls: one interrupt per target, acknowledged when its handler ran. */
#include <string.h>

#include "cpu/entry.h"
#include "cpu/step.h"

/* Lines that a core fetches at a time (assumed: Intel's from Nehalem to Skylake,
 * from memory). */
#define FILL_BUFFERS 10u

static bool all_acked(const void *arg)
{
	return !*(const u32 *)arg;
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
	u32 hop = (u32)machine_hop(the_sys->m, from, to);

	if (this_cpu->ctx.call_is_message) {
		the_sys->cost_used[COST_LINE_TRANSFER_SELF + hop] = true;
		return message_flight(from, to);
	}
	the_sys->cost_used[COST_IPI_DELIVER_SELF + hop] = true;
	return machine_ipi_deliver(the_sys->m, from, to);
}

/* Queued in order of arrival; explored, as a set: what is pending at one CPU
 * may be taken in any order, so it is kept by number. */
static void post(struct cpu *to, u16 what)
{
	struct cpu_state *s = to->s;
	u64 arrival = contend_arrival(to, this_cpu->now +
				      flight(this_cpu->id, to->id));
	u32 at;

	touch(&s->nr_ipis, true);
	for (at = s->nr_ipis; at; at--) {
		if (to->ipi_at ? to->ipi_at[at - 1] <= arrival
			       : s->ipi_from[at - 1] < this_cpu->id)
			break;
		if (s->ipi_what && s->ipi_from[at - 1] == this_cpu->id &&
		    s->ipi_what[at - 1] <= what)
			break;
		s->ipi_from[at] = s->ipi_from[at - 1];
		if (s->ipi_what)
			s->ipi_what[at] = s->ipi_what[at - 1];
		if (to->ipi_at)
			to->ipi_at[at] = to->ipi_at[at - 1];
	}
	s->ipi_from[at] = (u16)this_cpu->id;
	if (s->ipi_what)
		s->ipi_what[at] = what;
	if (to->ipi_at)
		to->ipi_at[at] = arrival;
	s->nr_ipis++;
	the_sys->drv.ipi_posted(to);
}

/* Take the request in place @at out of the queue. Return: its initiator. */
static struct cpu *unqueue(struct cpu *c, u32 at, u16 *what)
{
	struct cpu_state *s = c->s;
	struct cpu *from = &the_sys->cpu[s->ipi_from[at]];

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
	if (c->ipi_at)
		memmove(c->ipi_at + at, c->ipi_at + at + 1,
			(s->nr_ipis - at) * sizeof(c->ipi_at[0]));
	return from;
}

static bool is_target(const u64 *mask, u32 cpu)
{
	return cpu != this_cpu->id && (mask[cpu / 64] >> (cpu % 64) & 1);
}

static bool has_call_lines(void)
{
	return the_sys->contend.has_lines;
}

static struct call_line *my_line_to(u32 cpu)
{
	return call_line_of(the_sys, this_cpu->id, cpu);
}

/* Each target's request is filled and queued before any interrupt is sent. */
static void queue_calls(const u64 *mask)
{
	for (u32 i = 0; i < the_sys->nr_cpus; i++) {
		if (!is_target(mask, i))
			continue;
		the_sys->drv.ask(my_line_to(i), true);
		step(&the_sys->cpu[i].s->nr_ipis, true,
		     cost_of(COST_PTE_SCAN) + cost_of(COST_LOCK));
		my_line_to(i)->is_busy = 1;
	}
}

static bool is_given_back(const void *arg)
{
	return !((const struct call_line *)arg)->is_busy;
}

/* Looked at in turn; those that are back already are fetched together. */
static void wait_calls(const u64 *mask)
{
	u32 asked = 0;

	for (u32 i = 0; i < the_sys->nr_cpus; i++) {
		if (!is_target(mask, i))
			continue;
		if (is_given_back(my_line_to(i)) && ++asked < FILL_BUFFERS) {
			the_sys->drv.ask(my_line_to(i), true);
			continue;
		}
		the_sys->drv.wait(my_line_to(i), is_given_back, my_line_to(i), 0);
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

/* To each CPU of @mask but this one; @is_queued: by queue_calls().
 * Return: how many. */
static u32 send(const u64 *mask, bool is_acked, bool is_queued)
{
	struct cpu_state *s = this_cpu->s;
	u32 n = 0, prev = CONTEND_NONE;

	for (u32 i = 0; i < the_sys->nr_cpus; i++) {
		if (!is_target(mask, i))
			continue;
		/* Reduced: one step for all. Deliveries come as late as the
		 * explorer likes, and in any order. */
		if (!n || !the_sys->is_reduced)
			step(is_queued ? &s->acks_left
				       : &the_sys->cpu[i].s->nr_ipis, true,
			     the_sys->is_explored ? 0
					: send_cycles(prev, i, n));
		s->acks_left += is_acked;
		n++;
		prev = i;
		PROBE(.what = PROBE_IPI, .other = &the_sys->cpu[i]);
		post(&the_sys->cpu[i], 0);
	}
	if (n)
		NOTE("%s to %u CPU%s", this_cpu->ctx.call_is_message ? "message"
		     : "IPI", n, n > 1 ? "s" : "");
	return n;
}

u32 smp_call(const u64 *mask, void (*fn)(void *arg), void *arg,
	     void (*local)(void *arg))
{
	struct cpu_state *s = this_cpu->s;
	enum cycle_cat cat;
	u32 n;

	/* The send is ordered after all earlier stores; MFENCE before a
	 * x2APIC ICR write. */
	smp_mb();
	this_cpu->ctx.call_fn = fn;
	this_cpu->ctx.call_arg = arg;
	this_cpu->ctx.call_unacked = false;
	this_cpu->ctx.call_is_message = false;
	if (has_call_lines())
		queue_calls(mask);
	n = send(mask, true, has_call_lines());
	if (local)
		local(arg);
	if (!n)
		return 0;
	cat = cat_enter(CYC_WAIT_ACK);
	if (has_call_lines())
		wait_calls(mask);
	else
		the_sys->drv.wait(&s->acks_left, all_acked, &s->acks_left, 0);
	touch(&s->acks_left, true);
	cat_leave(cat);
	COUNT(IPIS_SENT, n);
	return n;
}

static u32 send_unacked(const u64 *mask, void (*fn)(void *arg), void *arg,
			bool is_message)
{
	smp_mb();
	this_cpu->ctx.call_fn = fn;
	this_cpu->ctx.call_arg = arg;
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

/* On the request's own line. */
static void give_back(struct cpu *initiator)
{
	struct call_line *l = call_line_of(the_sys, initiator->id, this_cpu->id);

	step(l, true, cost_of(COST_ACK));
	initiator->s->acks_left--;
	l->is_busy = 0;
	the_sys->drv.wake(l);
}

static void ack(struct cpu *initiator)
{
	if (has_call_lines()) {
		give_back(initiator);
		return;
	}
	/* Reduced, the acknowledgement belongs to the handler's last step. */
	if (!the_sys->is_explored || !the_sys->is_reduced)
		step(&initiator->s->acks_left, true,
		     the_sys->is_explored ? 0 : cost_of(COST_ACK));
	touch(&initiator->s->acks_left, true);
	initiator->s->acks_left--;
	the_sys->drv.wake(&initiator->s->acks_left);
}

void smp_ack(void)
{
	struct cpu *from = &the_sys->cpu[this_cpu->ctx.serves];

	if (this_cpu->ctx.is_acked)
		return;
	this_cpu->ctx.is_acked = true;
	if (has_call_lines()) {
		give_back(from);
		return;
	}
	/* A step of its own: the initiator may go on before what follows. */
	step(&from->s->acks_left, true, the_sys->is_explored ? 0 :
	     cost_of(COST_ACK));
	from->s->acks_left--;
	the_sys->drv.wake(&from->s->acks_left);
	NOTE("acknowledged early");
}

u32 smp_initiator(void)
{
	return this_cpu->ctx.serves;
}

static void take_one(struct cpu *c)
{
	u16 what;
	struct cpu *from = unqueue(c, the_sys->drv.choose(c->s->nr_ipis), &what);

	observe(from->id);
	c->serving = from;
	c->ctx.serves = (u16)from->id;
	c->ctx.is_acked = !what && from->ctx.call_unacked;
	PROBE(.what = PROBE_SERVE, .other = from);
	if (has_call_lines() && !c->ctx.is_acked) {
		step(call_line_of(the_sys, from->id, c->id), false, 0);
		if (!from->ctx.call_is_inline)
			step(from->ctx.call_arg, false, 0);
	}
	if (what)
		the_sys->os.posted(what);
	else
		from->ctx.call_fn(from->ctx.call_arg);
	if (!c->ctx.is_acked)
		ack(from);
	PROBE(.what = PROBE_SERVED, .other = from);
	c->serving = NULL;
}

/* The first to be taken is a message: a poll finds it, and what comes with it. */
static bool has_message(const struct cpu_state *s)
{
	return s->nr_ipis &&
	       the_sys->cpu[s->ipi_from[0]].ctx.call_is_message;
}

void cpu_take_irqs(void)
{
	struct cpu *c = this_cpu;
	struct cpu_state *s = c->s;
	u64 obs = obs_save();
	enum cycle_cat cat = cat_enter(CYC_RESPOND);
	bool glide = c->ctx.glide;

	bool is_polled = has_message(s);

	PROBE(.what = PROBE_IRQ);
	if (!is_polled)
		charge(cost_of(COST_IRQ_ENTRY) +
		       entry_cycles(is_user_cat(cat)));
	COUNT(IRQS, !is_polled);
	s->irq_off++;
	c->ctx.in_irq++;
	/* Entering is private, so the handler's first step may be merged; but
	 * under the weak model it is a read barrier, see is_right_mover(). */
	c->ctx.glide = the_sys->is_reduced &&
		       the_sys->memory_model != MEM_WEAK;
	touch(&s->nr_ipis, true);
	if (has_call_lines())
		step(&s->nr_ipis, true, cost_of(COST_LOCK));
	smp_rmb();
	while (s->nr_ipis && (!c->ipi_at || c->ipi_at[0] <= c->now)) {
		take_one(c);
		/* The initiator may go on before the next handler begins. */
		c->ctx.glide = false;
		/* Posted requests: the others are further interrupts. */
		if (s->ipi_what)
			break;
		/* So may this CPU's task: the next request may be an interrupt
		 * of its own, as it is when it comes later. */
		if (the_sys->is_explored && s->nr_ipis &&
		    the_sys->drv.choose(2))
			break;
	}
	c->irq_at = c->ipi_at && s->nr_ipis ? c->ipi_at[0] : UINT64_MAX;
	s->irq_off--;
	if (!is_polled)
		charge(cost_of(COST_IRQ_EXIT));
	PROBE(.what = PROBE_IRQ_END);
	cat_leave(cat);
	c->ctx.in_irq--;
	c->ctx.glide = glide;
	obs_restore(obs);
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

static bool may_poll(const void *arg)
{
	const struct cpu_state *s = arg;

	return s->nr_ipis && (!s->sb || !s->sb->n);
}

void cpu_poll_irq(void)
{
	struct cpu_state *s = this_cpu->s;

	the_sys->drv.wait(&s->nr_ipis, may_poll, s, 0);
	if (s->sb)
		touch(s->sb, false);
	smp_rmb();
	take_one(this_cpu);
}
