/* Who hears what happens, and what an invalidation is about to drop. */
#include "cpu/probe.h"

#include "cpu/cpu.h"

void probe_tell(const struct probe_event *e)
{
	for (struct probe *p = the_sys->probe; p; p = p->next)
		p->event(p, e);
}

static void tell_unit(struct cpu *c, const struct tlb_unit *u, u32 id,
		      const struct inval_op *op, u16 asid, u64 vpn)
{
	u32 thread;

	if (!u->nr_live)
		return;
	for (u32 set = 0; set < u->nr_sets; set++)
		for (u32 way = 0; way < u->nr_ways; way++) {
			const struct tlb_entry *e =
				tlb_array_slot(c->tlb, id, set, way, &thread);

			if (!e || thread != c->thread || e->flags & TLB_FAULTS ||
			    !inval_drops(op->scope, asid, vpn, e))
				continue;
			probe_tell(&(struct probe_event){
				.what = PROBE_DROP, .cpu = c,
				.other = c->serving, .entry = e });
		}
}

/* Every slot is looked at: a flush is rare beside what it costs to emulate. */
void probe_drops(struct cpu *c, const struct inval_op *op, u16 asid, u64 vpn)
{
	for (u32 i = 0; i < c->tlb->core->nr_units; i++)
		tell_unit(c, &c->tlb->core->unit[i], i, op, asid, vpn);
}
