/* Oracles of what TLBs and paging-structure caches hold: O8, O9, O10, O11. Explored
 * runs only: they look into envelopes. */
#include <errno.h>
#include <string.h>

#include "mm/flush.h"
#include "mm/oracle.h"
#include "mm/switch.h"

/* ---- O8: page-table pages ------------------------------------------------------ */

void oracle_table(struct page *p)
{
	struct ghost *g = mms()->ghost ? &mms()->ghost[pfn_of(p)] : NULL;

	if (!g)
		return;
	touch(g, true);
	/* A program's store to the frame comes before, or after. */
	if (the_sys->is_explored)
		touch(&the_sys->mem.line[pfn_of(p) *
					 the_sys->mem.lines_per_frame], true);
	g->is_table = 1;
}

static bool is_table(u64 pfn)
{
	touch(&mms()->ghost[pfn], false);
	return mms()->ghost[pfn].is_table;
}

void oracle_walks(u64 pfn)
{
	if (the_sys->is_explored && !is_table(pfn))
		FIRE(O8_PTPAGE, "a walk reads frame %llu, which is no page table any more",
		     (unsigned long long)pfn);
}

static u8 sharer(const struct mm *mm)
{
	return (u8)(1u << mm->ctx_id % 8);
}

static struct ghost *shared_table(u64 pfn)
{
	struct ghost *g = mms()->ghost ? &mms()->ghost[pfn] : NULL;

	if (g)
		touch(g, true);
	return g;
}

void oracle_table_shared(u64 pfn, const struct mm *mm)
{
	struct ghost *g = shared_table(pfn);

	if (g)
		g->sharers |= sharer(mm);
}

void oracle_table_left(u64 pfn, const struct mm *mm)
{
	struct ghost *g = shared_table(pfn);

	if (g)
		g->sharers &= (u8)~sharer(mm);
}

void oracle_walks_of(const struct mm *mm, u64 pfn)
{
	oracle_walks(pfn);
	if (the_sys->is_explored && mms()->ghost[pfn].sharers &&
	    !(mms()->ghost[pfn].sharers & sharer(mm)))
		FIRE(O8_PTPAGE, "a walk reads frame %llu, a page table that has become another address space's",
		     (unsigned long long)pfn);
}

/* May hardware of @s walk through @e right now? Speculation needs no program. */
static bool may_walk(const struct cpu_state *s, const struct tlb_entry *e)
{
	return s->root && (e->flags & TLB_TABLE) && e->pcid == s->pcid;
}

void oracle_table_freed(u64 pfn)
{
	if (!the_sys->is_explored || !is_table(pfn))
		return;
	for (u32 c = 0; c < the_sys->nr_cpus; c++) {
		const struct cpu_state *s = the_sys->cpu[c].s;

		touch(&s->root, false);
		touch(s->env, false);
		if (s->root == pfn)
			FIRE(O8_PTPAGE, "frame %llu is freed, which CPU %u has loaded as root",
			     (unsigned long long)pfn, c);
		for (u32 i = 0; i < s->env->n; i++)
			if (may_walk(s, &s->env->e[i]) &&
			    s->env->e[i].pfn == pfn)
				FIRE(O8_PTPAGE, "page table in frame %llu is freed, CPU %u may still walk it",
				     (unsigned long long)pfn, c);
	}
}

/* ---- O10: generations ------------------------------------------------------------ */

/* The slot of @cpu that keeps @mm, -1: none does. */
static int slot_of(const struct tlb_state *t, const struct mm *mm)
{
	for (u32 i = 0; i < NR_ASID_SLOTS; i++)
		if (t->ctx[i].ctx_id == mm->ctx_id)
			return (int)i;
	return -1;
}

static bool overlaps(const struct tlb_entry *e, u64 start, u64 end)
{
	return e->vpn < end && e->vpn + (1ull << e->order) > start;
}

void oracle_flush_gen(struct mm *mm, u64 start, u64 end, u64 gen)
{
	if (!the_sys->is_explored || !gen)
		return;
	for (u32 c = 0; c < the_sys->nr_cpus; c++) {
		struct envelope *env = the_sys->cpu[c].s->env;
		int slot = slot_of(tlb_state_of(c), mm);

		touch(tlb_state_of(c)->ctx, false);
		touch(env, true);
		for (u32 i = 0; slot >= 0 && i < env->n; i++)
			if (env->e[i].pcid == slot + 1 && !env->named[i] &&
			    overlaps(&env->e[i], start, end))
				env->named[i] = (u8)gen;
	}
}

/* Holds something under @pcid that a flush up to @gen has named. */
static void check_slot(u32 cpu, u32 pcid, u64 gen)
{
	const struct envelope *env = the_sys->cpu[cpu].s->env;

	for (u32 i = 0; i < env->n; i++)
		if (env->e[i].pcid == pcid && env->named[i] &&
		    env->named[i] <= gen)
			FIRE(O10_TLBGEN, "CPU %u has caught up with flush %llu, and may hold page %llu, which flush %u named",
			     cpu, (unsigned long long)gen,
			     (unsigned long long)env->e[i].vpn, env->named[i]);
}

static void check_tables(u32 cpu)
{
	const struct cpu_state *s = the_sys->cpu[cpu].s;

	for (u32 i = 0; i < s->env->n; i++)
		if (may_walk(s, &s->env->e[i]) && !is_table(s->env->e[i].pfn))
			FIRE(O8_PTPAGE, "CPU %u may walk frame %llu, which is no page table any more",
			     cpu, (unsigned long long)s->env->e[i].pfn);
}

/* ---- O11: sizes --------------------------------------------------------------------- */

static bool holds_other_size(const struct cpu_state *s, u64 vpn, u32 order)
{
	const struct envelope *env = s->env;

	touch(env, false);
	for (u32 i = 0; i < env->n; i++)
		if (env->e[i].pcid == s->pcid &&
		    !(env->e[i].flags & TLB_TABLE) &&
		    env->e[i].order != order &&
		    overlaps(&env->e[i], vpn, vpn + hpage_pages()))
			return true;
	return false;
}

void oracle_one_size(struct mm *mm, u64 vpn, const u64 *pmdp, u32 level)
{
	u32 order = paging_order(&the_sys->mem.paging, level);
	/* In memory: the store may be under way, and until it is visible the
	 * other size is filled. */
	bool is_filled = (*pmdp & PTE_P) && pmd_is_huge(*pmdp) != !!level;

	touch(pmdp, false);
	for (u32 c = 0; the_sys->is_explored && c < the_sys->nr_cpus; c++) {
		const struct cpu_state *s = the_sys->cpu[c].s;

		touch(&s->root, false);
		if (s->root != mm->root)
			continue;
		if (is_filled || holds_other_size(s, vpn, order))
			FIRE(O11_MIXED_SIZE, "CPU %u may hold page %llu as %s, and load it as %s",
			     c, (unsigned long long)vpn,
			     level ? "small ones" : "a huge one",
			     level ? "a huge one" : "small ones");
	}
}

void oracle_tlb_gen(u32 cpu)
{
	const struct tlb_state *t = tlb_state_of(cpu);

	if (!the_sys->is_explored)
		return;
	touch(the_sys->cpu[cpu].s->env, false);
	if (kern()->has_tlb_gen)
		for (u32 i = 0; i < NR_ASID_SLOTS; i++)
			if (t->ctx[i].ctx_id)
				check_slot(cpu, i + 1, t->ctx[i].tlb_gen);
	check_tables(cpu);
}

/* ---- O9: what a synchronous flush promised ---------------------------------------- */

/* A CPU in lazy mode, or on its way from one address space to another with
 * interrupts off, runs no program, and catches up before it does. As it sees
 * itself. */
static bool runs(u32 cpu, const struct mm *mm)
{
	const struct cpu_state *s = the_sys->cpu[cpu].s;
	struct cpu *me = this_cpu;
	bool yes;

	this_cpu = &the_sys->cpu[cpu];
	yes = my_loaded_mm() == mm && !am_lazy();
	this_cpu = me;
	if (flusher() && flusher()->is_away && flusher()->is_away(cpu))
		return false;
	return yes && s->root == mm->root && !s->irq_off;
}

/* The flusher's own store to it may still be buffered. */
static u64 as_flusher_sees(const u64 *e)
{
	const struct storebuf *sb = this_cpu->s->sb;

	touch(e, false);
	return sb ? sb_forward(sb, arena_offset(&the_sys->arena, e), *e) : *e;
}

/* A path to a table that stays is no reason to flush. */
static bool is_current_path(struct mm *mm, const struct tlb_entry *e)
{
	const struct paging *pg = &the_sys->mem.paging;

	for (u32 l = PMD_LEVEL; l < pg->levels; l++) {
		u64 *p, pte;

		if (paging_order(pg, l) != e->order)
			continue;
		p = pgtable_entry(mm, e->vpn, l);
		pte = p ? as_flusher_sees(p) : 0;
		return (pte & PTE_P) && !(pte & PTE_PS) &&
		       pte_pfn(pte) == e->pfn;
	}
	return false;
}

/* A strategy that leaves CPUs out by what they may hold leaves out those that
 * walked since the entry changed: what they have is what memory says. */
static bool is_current(struct mm *mm, const struct tlb_entry *e)
{
	u64 *p = pgtable_entry(mm, e->vpn, PMD_LEVEL), pte;

	if (e->flags & TLB_TABLE)
		return is_current_path(mm, e);
	if (!flusher() || !flusher()->narrow || (e->flags & TLB_FAULTS))
		return false;
	pte = p ? as_flusher_sees(p) : 0;
	if (!e->order && (pte & PTE_P) && !(pte & PTE_PS)) {
		p = pgtable_entry(mm, e->vpn, 0);
		pte = as_flusher_sees(p);
	}
	return (pte & PTE_P) && pte_pfn(pte) == e->pfn &&
	       (!(e->flags & TLB_W) || (pte & PTE_RW)) &&
	       (!(e->flags & TLB_D) || (pte & PTE_D));
}

/* What a CPU took away since its last flush. */
struct revoked {
	u32 n;                  /* more than there is room for: unknown       */
	struct {
		u32 vpn, end, pfn;
	} of[4];
};

int oracle_boot_tlb(struct sys *sys)
{
	mms()->revoked = arena_alloc(&sys->arena, sys->nr_cpus *
				     sizeof(*mms()->revoked));
	return mms()->revoked ? 0 : -ENOMEM;
}

static struct revoked *revoked(void)
{
	struct revoked *r = &mms()->revoked[this_cpu->id];

	touch(r, true);
	return r;
}

void oracle_revoked(u64 vpn, u32 level, u64 old)
{
	struct revoked *r = mms()->revoked ? revoked() : NULL;
	u32 order = paging_order(&the_sys->mem.paging, level);

	if (!r)
		return;
	if (r->n < ARRAY_LEN(r->of)) {
		r->of[r->n].vpn = (u32)(vpn & ~tlb_order_mask((u8)order));
		r->of[r->n].end = r->of[r->n].vpn + (1u << order);
		r->of[r->n].pfn = (u32)pte_pfn(old);
	}
	r->n++;
}

/* This CPU took the page's entry away, and @e names another frame: who has it walked
 * later, or kept it from before, and whoever took that away tells him. */
static bool is_others(const struct tlb_entry *e)
{
	const struct revoked *r = mms()->revoked ? revoked() : NULL;
	bool is_noted = false;

	if (!r || r->n > ARRAY_LEN(r->of) || (e->flags & TLB_TABLE))
		return false;
	for (u32 i = 0; i < r->n; i++) {
		if (!overlaps(e, r->of[i].vpn, r->of[i].end))
			continue;
		is_noted = true;
		if (e->pfn - r->of[i].pfn == e->vpn - r->of[i].vpn)
			return false;
	}
	return is_noted;
}

void oracle_flush_begin(struct mm *mm, u64 start, u64 end, bool is_debt)
{
	if (!the_sys->is_explored)
		return;
	for (u32 c = 0; c < the_sys->nr_cpus; c++) {
		struct cpu_state *s = the_sys->cpu[c].s;

		if (s->root != mm->root)
			continue;
		touch(s->env, true);
		for (u32 i = 0; i < s->env->n; i++)
			if (s->env->e[i].pcid == s->pcid &&
			    overlaps(&s->env->e[i], start, end) &&
			    !is_current(mm, &s->env->e[i]) &&
			    (is_debt || !is_others(&s->env->e[i])))
				s->env->marked[i] |= (u8)(1u << this_cpu->id);
	}
}

static void check_dropped(u32 cpu, struct mm *mm)
{
	struct cpu_state *s = the_sys->cpu[cpu].s;

	touch(s->env, true);
	for (u32 i = 0; i < s->env->n; i++) {
		if (!(s->env->marked[i] >> this_cpu->id & 1))
			continue;
		if (runs(cpu, mm) && s->env->e[i].pcid == s->pcid)
			FIRE(O9_FLUSH_DONE, "flush returned, CPU %u may still hold page %llu",
			     cpu, (unsigned long long)s->env->e[i].vpn);
		s->env->marked[i] &= (u8)~(1u << this_cpu->id);
	}
}

void oracle_flush_end(struct mm *mm, u64 start, u64 end, bool spares_own)
{
	if (!the_sys->is_explored)
		return;
	if (mms()->revoked)
		memset(revoked(), 0, sizeof(struct revoked));
	for (u32 c = 0; c < the_sys->nr_cpus; c++)
		if (!spares_own || c != this_cpu->id)
			check_dropped(c, mm);
}

void oracle_own_dropped(struct mm *mm)
{
	if (the_sys->is_explored)
		check_dropped(this_cpu->id, mm);
}
