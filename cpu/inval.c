/* Invalidations on this CPU: what an operation must drop, and no more. */
#include "cpu/step.h"

static void note_for_bbm(const struct cpu *c, const struct inval_op *op,
			 u16 asid, u64 vpn)
{
	bool is_one_asid = op->scope == INVAL_PAGE ||
			   op->scope == INVAL_PAGE_GLOBAL ||
			   op->scope == INVAL_ASID;

	if (!inval_names_page(op->scope))
		bbm_invalidated_all(the_sys->bbm, c->id,
				    is_one_asid ? asid : BBM_ANY_ASID);
	else if (is_one_asid && asid == c->s->pcid)
		bbm_invalidated_loaded(the_sys->bbm, c->id, c->s->root, vpn);
	else
		bbm_invalidated_page(the_sys->bbm, c->id,
				     is_one_asid ? asid : BBM_ANY_ASID, vpn);
}

/* Source: Intel SDM vol. 3, "Invalidation of TLBs and Paging-Structure Caches",
 * page faults. */
static const struct inval_op page_fault = {
	"#PF", ARCH_X86, INVAL_PAGE_GLOBAL, INVAL_WALK_PATH, false, ""
};

/* AMD, EFER.TCE clear: operations that name a page take the walk-cache entries
 * of all others along, unless they leave upper levels alone. A fault is none. */
static enum inval_walk walk_of(const struct inval_op *op)
{
	const struct machine *m = the_sys->m;

	if (m->has_tce && !the_sys->walk.uses_tce &&
	    inval_names_page(op->scope) && op->walk != INVAL_WALK_NONE &&
	    op != &page_fault)
		return INVAL_WALK_ALL;
	return op->walk;
}

/* Of the paging-structure caches, this thread's part. */
static void drop_walk(struct cpu *c, const struct inval_op *op, u16 asid,
		      u64 vpn)
{
	struct psc *psc = c->core->psc;
	u32 space = psc_space(c->thread, asid);

	switch (walk_of(op)) {
	case INVAL_WALK_NONE:
		break;
	case INVAL_WALK_PATH:
		/* In every address space: rather too much than too little. */
		if (op->scope == INVAL_PAGE_ALL)
			psc_flush_thread(psc, c->thread);
		else
			psc_invlpg_one(psc, space, vpn);
		break;
	case INVAL_WALK_ASID:
		psc_flush_space(psc, space);
		break;
	case INVAL_WALK_ALL:
		psc_flush_thread(psc, c->thread);
		break;
	}
}

static u32 top_order(void)
{
	const struct paging *pg = &the_sys->mem.paging;

	return paging_order(pg, pg->levels - 1u);
}

u32 cpu_invalidate_on(struct cpu *c, const struct inval_op *op, u16 asid,
		      u64 vpn)
{
	struct cpu_state *s = c->s;

	if (s->env) {
		touch(s->env, true);
		if (the_sys->latches_top)
			return envelope_perform_below(s->env, op, asid, vpn,
						      top_order());
		return envelope_perform(s->env, op, asid, vpn);
	}
	if (unlikely(the_sys->probe != NULL) && op != &page_fault)
		probe_drops(c, op, asid, vpn);
	if (unlikely(the_sys->bbm != NULL))
		note_for_bbm(c, op, asid, vpn);
	if (c->core->psc)
		drop_walk(c, op, asid, vpn);
	return tlb_array_invalidate(c->tlb, op->scope, asid, vpn);
}

u32 cpu_invalidate(const struct inval_op *op, u16 asid, u64 vpn)
{
	return cpu_invalidate_on(this_cpu, op, asid, vpn);
}

void cpu_load_cr3(u32 root, u16 pcid, bool flush)
{
	struct cpu_state *s = this_cpu->s;

	assert(!(pcid >> the_sys->m->rules.asid_bits));
	touch(&s->root, true);
	/* What it may have cached of the old one stays, under its PCID. */
	if (s->env && s->root && s->pcid != pcid)
		tables_retire(s->root);
	s->root = root;
	s->pcid = pcid;
	if (s->env) {
		if (flush)
			cpu_flush_pcid();
		return;
	}
	if (unlikely(the_sys->probe != NULL) && flush)
		probe_drops(this_cpu, the_sys->local_op[ARCH_DROP_ASID], pcid,
			    0);
	tlb_array_load_cr3(this_cpu->tlb, pcid, !flush);
	if (!flush)
		return;
	if (unlikely(the_sys->bbm != NULL))
		note_for_bbm(this_cpu, the_sys->local_op[ARCH_DROP_ASID], pcid,
			     0);
	if (this_cpu->core->psc)
		psc_flush_space(this_cpu->core->psc,
				psc_space(this_cpu->thread, pcid));
}

u32 cpu_fault_drops(u64 vpn)
{
	if (!the_sys->m->rules.fault_drops_page)
		return 0;
	return cpu_invalidate_on(this_cpu, &page_fault, this_cpu->s->pcid, vpn);
}

u32 cpu_invlpg(u64 vpn)
{
	return cpu_invalidate_on(this_cpu, the_sys->local_op[ARCH_DROP_PAGE],
				 this_cpu->s->pcid, vpn);
}

u32 cpu_flush_pcid(void)
{
	return cpu_invalidate_on(this_cpu, the_sys->local_op[ARCH_DROP_ASID],
				 this_cpu->s->pcid, 0);
}
