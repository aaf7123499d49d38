/* Cross calls: one interrupt per target, acknowledged when its handler ran. */
#include <string.h>

#include "cpu/step.h"

static bool all_acked(const void *arg)
{
	return !*(const u32 *)arg;
}

/* Queued in order of arrival; explored, as a set: what is pending at one CPU
 * may be taken in any order, so it is kept by number. */
static void post(struct cpu *to)
{
	struct cpu_state *s = to->s;
	u32 hop = (u32)machine_hop(the_sys->m, this_cpu->id, to->id);
	u64 arrival = this_cpu->now +
		      machine_ipi_deliver(the_sys->m, this_cpu->id, to->id);
	u32 at;

	touch(&s->nr_ipis, true);
	the_sys->cost_used[COST_IPI_DELIVER_SELF + hop] = true;
	for (at = s->nr_ipis; at; at--) {
		if (to->ipi_at ? to->ipi_at[at - 1] <= arrival
			       : s->ipi_from[at - 1] < this_cpu->id)
			break;
		s->ipi_from[at] = s->ipi_from[at - 1];
		if (to->ipi_at)
			to->ipi_at[at] = to->ipi_at[at - 1];
	}
	s->ipi_from[at] = (u16)this_cpu->id;
	if (to->ipi_at)
		to->ipi_at[at] = arrival;
	s->nr_ipis++;
	the_sys->drv.ipi_posted(to);
}

/* Take the request in place @at out of the queue. Return: its initiator. */
static struct cpu *unqueue(struct cpu *c, u32 at)
{
	struct cpu_state *s = c->s;
	struct cpu *from = &the_sys->cpu[s->ipi_from[at]];

	s->nr_ipis--;
	memmove(s->ipi_from + at, s->ipi_from + at + 1,
		(s->nr_ipis - at) * sizeof(s->ipi_from[0]));
	s->ipi_from[s->nr_ipis] = 0;
	if (c->ipi_at)
		memmove(c->ipi_at + at, c->ipi_at + at + 1,
			(s->nr_ipis - at) * sizeof(c->ipi_at[0]));
	return from;
}

u32 smp_call(const u64 *mask, void (*fn)(void *arg), void *arg,
	     void (*local)(void *arg))
{
	struct cpu_state *s = this_cpu->s;
	enum cycle_cat cat;
	u32 n = 0;

	/* The send is ordered after all earlier stores; MFENCE before a
	 * x2APIC ICR write. */
	smp_mb();
	this_cpu->ctx.call_fn = fn;
	this_cpu->ctx.call_arg = arg;
	for (u32 i = 0; i < the_sys->nr_cpus; i++) {
		if (i == this_cpu->id || !(mask[i / 64] >> (i % 64) & 1))
			continue;
		/* Reduced: one step for all. Deliveries come as late as the
		 * explorer likes, and in any order. */
		if (!n || !the_sys->is_reduced)
			step(&the_sys->cpu[i].s->nr_ipis, true,
			     cost_of(COST_ICR_WRITE));
		s->acks_left++;
		n++;
		post(&the_sys->cpu[i]);
	}
	if (n)
		NOTE("IPI to %u CPU%s", n, n > 1 ? "s" : "");
	if (local)
		local(arg);
	if (!n)
		return 0;
	cat = cat_enter(CYC_WAIT_ACK);
	the_sys->drv.wait(&s->acks_left, all_acked, &s->acks_left, 0);
	touch(&s->acks_left, true);
	cat_leave(cat);
	COUNT(IPIS_SENT, n);
	return n;
}

static void ack(struct cpu *initiator)
{
	/* Reduced, the acknowledgement belongs to the handler's last step. */
	if (!the_sys->is_explored || !the_sys->is_reduced)
		step(&initiator->s->acks_left, true,
		     the_sys->is_explored ? 0 : cost_of(COST_ACK));
	touch(&initiator->s->acks_left, true);
	initiator->s->acks_left--;
	the_sys->drv.wake(&initiator->s->acks_left);
}

void cpu_take_irqs(void)
{
	struct cpu *c = this_cpu;
	struct cpu_state *s = c->s;
	u64 obs = obs_save();
	enum cycle_cat cat = cat_enter(CYC_RESPOND);
	bool glide = c->ctx.glide;

	charge(cost_of(COST_IRQ_ENTRY));
	COUNT(IRQS, 1);
	s->irq_off++;
	c->ctx.in_irq++;
	/* Entering is private, so the handler's first step may be merged; but
	 * under the weak model it is a read barrier, see is_right_mover(). */
	c->ctx.glide = the_sys->is_reduced &&
		       the_sys->memory_model != MEM_WEAK;
	touch(&s->nr_ipis, true);
	smp_rmb();
	while (s->nr_ipis && (!c->ipi_at || c->ipi_at[0] <= c->now)) {
		struct cpu *from = unqueue(c, the_sys->drv.choose(s->nr_ipis));

		observe(from->id);
		from->ctx.call_fn(from->ctx.call_arg);
		ack(from);
		/* The initiator may go on before the next handler begins. */
		c->ctx.glide = false;
		/* So may this CPU's task: the next request may be an interrupt
		 * of its own, as it is when it comes later. */
		if (the_sys->is_explored && s->nr_ipis &&
		    the_sys->drv.choose(2))
			break;
	}
	c->irq_at = c->ipi_at && s->nr_ipis ? c->ipi_at[0] : UINT64_MAX;
	s->irq_off--;
	charge(cost_of(COST_IRQ_EXIT));
	cat_leave(cat);
	c->ctx.in_irq--;
	c->ctx.glide = glide;
	obs_restore(obs);
}
