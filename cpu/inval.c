/* Invalidations on this CPU: what an operation must drop, and no more. */
#include "cpu/step.h"

/* Of the address space that @c has loaded. */
static void note_for_bbm(const struct cpu *c, const struct inval_op *op,
			 u16 asid, u64 vpn)
{
	bool is_one_asid = op->scope == INVAL_PAGE ||
			   op->scope == INVAL_PAGE_GLOBAL ||
			   op->scope == INVAL_ASID;

	if (is_one_asid && asid != c->s->pcid)
		return;
	if (inval_names_page(op->scope))
		bbm_invalidated_page(the_sys->bbm, c->id, c->s->root, vpn);
	else
		bbm_invalidated_all(the_sys->bbm, c->id, c->s->root);
}

u32 cpu_invalidate_on(struct cpu *c, const struct inval_op *op, u16 asid,
		      u64 vpn)
{
	struct cpu_state *s = c->s;

	if (s->env) {
		touch(s->env, true);
		return envelope_invalidate(s->env, op->scope, asid, vpn);
	}
	if (unlikely(the_sys->bbm != NULL))
		note_for_bbm(c, op, asid, vpn);
	return tlb_array_invalidate(c->tlb, op->scope, asid, vpn);
}

u32 cpu_invalidate(const struct inval_op *op, u16 asid, u64 vpn)
{
	return cpu_invalidate_on(this_cpu, op, asid, vpn);
}

static const struct inval_op invlpg = {
	"INVLPG", ARCH_X86, INVAL_PAGE_GLOBAL, INVAL_WALK_ASID, false, ""
};

static const struct inval_op mov_cr3 = {
	"MOV CR3", ARCH_X86, INVAL_ASID, INVAL_WALK_ASID, false, ""
};

void cpu_load_cr3(u32 root, u16 pcid, bool flush)
{
	struct cpu_state *s = this_cpu->s;

	touch(&s->root, true);
	s->root = root;
	s->pcid = pcid;
	if (!s->env)
		tlb_array_load_cr3(this_cpu->tlb, pcid, !flush);
	else if (flush)
		cpu_flush_pcid();
}

u32 cpu_invlpg(u64 vpn)
{
	return cpu_invalidate_on(this_cpu, &invlpg, this_cpu->s->pcid, vpn);
}

u32 cpu_flush_pcid(void)
{
	return cpu_invalidate_on(this_cpu, &mov_cr3, this_cpu->s->pcid, 0);
}
