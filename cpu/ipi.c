/* Cross calls: one interrupt per target, acknowledged when its handler ran. */
#include <string.h>

#include "cpu/step.h"

static bool all_acked(const void *arg)
{
	return !*(const u32 *)arg;
}

static void post(struct cpu *to)
{
	touch(&to->s->nr_ipis, true);
	the_sys->cost_used[COST_IPI_DELIVER_SELF +
			   (u32)machine_hop(the_sys->m, this_cpu->id,
					    to->id)] = true;
	if (to->ipi_at)
		to->ipi_at[to->s->nr_ipis] = this_cpu->now +
			machine_ipi_deliver(the_sys->m, this_cpu->id, to->id);
	to->s->ipi_from[to->s->nr_ipis++] = (u16)this_cpu->id;
	the_sys->drv.ipi_posted(to);
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
		/* One step each: two initiators' requests may be queued in
		 * different orders at two targets. */
		step(&the_sys->cpu[i].s->nr_ipis, true, cost_of(COST_ICR_WRITE));
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
		struct cpu *from = &the_sys->cpu[s->ipi_from[0]];

		s->nr_ipis--;
		memmove(s->ipi_from, s->ipi_from + 1,
			s->nr_ipis * sizeof(s->ipi_from[0]));
		s->ipi_from[s->nr_ipis] = 0;
		if (c->ipi_at)
			memmove(c->ipi_at, c->ipi_at + 1,
				s->nr_ipis * sizeof(c->ipi_at[0]));
		observe(from->id);
		from->ctx.call_fn(from->ctx.call_arg);
		ack(from);
		/* The initiator may go on before the next handler begins. */
		c->ctx.glide = false;
	}
	c->irq_at = UINT64_MAX;
	for (u32 i = 0; c->ipi_at && i < s->nr_ipis; i++)
		if (c->ipi_at[i] < c->irq_at)
			c->irq_at = c->ipi_at[i];
	s->irq_off--;
	charge(cost_of(COST_IRQ_EXIT));
	cat_leave(cat);
	c->ctx.in_irq--;
	c->ctx.glide = glide;
	obs_restore(obs);
}
