/* Entries of page tables: stores to them, and what TLBs may hold of what was there
 * (step.h). */
#include "cpu/order.h"
#include "cpu/walker.h"

/* An entry of a table, as a TLB keeps it. */
static struct tlb_entry cached(u64 vpn, u32 level, u64 pte, u8 flags)
{
	struct tlb_entry e;

	memset(&e, 0, sizeof(e));
	e.order = (u8)paging_order(&the_sys->mem.paging, level);
	e.vpn = vpn & ~tlb_order_mask(e.order);
	e.flags = flags;
	if (flags & TLB_FAULTS)
		return e;
	e.pfn = pte_pfn(pte);
	e.flags |= (u8)(pte & PTE_RW ? TLB_W : 0);
	if (!(flags & TLB_TABLE) && (pte & PTE_D))
		e.flags |= TLB_D;
	if (!(flags & TLB_TABLE) && pte_is_global(pte))
		e.flags |= TLB_G;
	return e;
}

/* A large page that is used but never cached. */
static bool is_never_cached(u64 pte, u32 level)
{
	return level && pte & PTE_NT && the_sys->m->rules.has_nt;
}

/* Accesses through it fault: some architectures cache that. */
static bool gives_fault(u64 pte)
{
	return !(pte & PTE_P) ||
	       (!(pte & PTE_A) && !the_sys->m->rules.hw_sets_a);
}

static void may_hold(struct cpu_state *s, struct tlb_entry e)
{
	e.pcid = s->pcid;
	touch(s->env, true);
	envelope_retire(s->env, &e);
}

static u32 number_of(const struct cpu_state *s)
{
	u32 i = 0;

	while (the_sys->cpu[i].s != s)
		i++;
	return i;
}

/* What one entry said, and all that was reached through it. */
static void subtree_retire(struct cpu_state *s, u64 vpn, u32 level, u64 old)
{
	const struct paging *pg = &the_sys->mem.paging;
	bool is_table = level && (old & PTE_P) && !(old & PTE_PS);
	u64 *table;

	if ((gives_fault(old) && !the_sys->m->rules.caches_invalid) ||
	    is_never_cached(old, level))
		return;
	if (!is_table && the_sys->os.may_hold && !pte_is_global(old) &&
	    !the_sys->os.may_hold(number_of(s), old))
		return;
	may_hold(s, cached(vpn, level, old, gives_fault(old) ? TLB_FAULTS :
			   is_table ? TLB_TABLE : 0));
	if (!is_table)
		return;
	table = the_sys->mem.table[pte_pfn(old)];
	vpn &= ~tlb_order_mask((u8)paging_order(pg, level));
	for (u32 i = 0; i < paging_entries(pg); i++) {
		touch(&table[i], false);
		subtree_retire(s, vpn + ((u64)i << paging_order(pg, level - 1)),
			       level - 1, table[i]);
	}
}

/* The entry is in a table that a CPU may still find through an upper entry
 * which is no longer in memory. */
static void retire_unhooked(struct cpu_state *s, u32 root, u64 vpn, u32 level,
			    u64 old)
{
	const struct envelope *env = s->env;
	u32 order = paging_order(&the_sys->mem.paging, level + 1);
	u64 low = vpn & tlb_order_mask((u8)order), at[ENVELOPE_MAX], table;
	u32 n = 0;

	for (u32 i = 0; i < env->n; i++)
		if ((env->e[i].flags & TLB_TABLE) && env->e[i].order == order &&
		    env->e[i].pcid == s->pcid)
			at[n++] = i;
	table = n ? walk_table_of(root, vpn, level) : 0;
	for (u32 i = 0; i < n; i++)
		if (env->e[at[i]].pfn == table)
			at[i] = env->e[at[i]].vpn + low;
		else
			at[i] = UINT64_MAX;
	for (u32 i = 0; i < n; i++)
		if (at[i] != UINT64_MAX && (!the_sys->os.may_hold ||
		    the_sys->os.may_hold(number_of(s), old)))
			may_hold(s, cached(at[i], level, old, 0));
}

static bool is_in(u64 vpn, u32 level, u32 table, const u64 *pte)
{
	return table && &the_sys->mem.table[table][paging_index(
			       &the_sys->mem.paging, vpn, level)] == pte;
}

/* Below @table, whose entries are of level @at. */
static bool find_entry(u32 table, u32 at, u32 level, const u64 *pte, u64 *vpn)
{
	const struct paging *pg = &the_sys->mem.paging;
	const u64 *t = the_sys->mem.table[table];
	u64 first = *vpn;

	for (u32 i = 0; i < paging_entries(pg); i++) {
		*vpn = first + ((u64)i << paging_order(pg, at));
		touch(&t[i], false);
		if (&t[i] == pte)
			return at == level;
		if (at > level && (t[i] & PTE_P) && !(t[i] & PTE_PS) &&
		    find_entry((u32)pte_pfn(t[i]), at - 1, level, pte, vpn))
			return true;
	}
	return false;
}

u64 pte_vpn(u32 root, u64 vpn, u32 level, const u64 *pte)
{
	u64 found = 0;

	if (!the_sys->is_explored || !the_sys->may_speculate ||
	    is_in(vpn, level, (u32)walk_table_of(root, vpn, level), pte))
		return vpn;
	return find_entry(root, the_sys->mem.paging.levels - 1u, level, pte,
			  &found) ? found : UINT64_MAX;
}

void pte_retire(u32 root, u64 vpn, u32 level, u64 old)
{
	bool is_leaf = !gives_fault(old) && (!level || (old & PTE_PS)) &&
		       !is_never_cached(old, level);

	if (!the_sys->is_explored || !the_sys->may_speculate)
		return;
	if (vpn == UINT64_MAX ||
	    (gives_fault(old) && !the_sys->m->rules.caches_invalid))
		return;
	for (u32 i = 0; i < the_sys->nr_cpus; i++) {
		struct cpu_state *s = the_sys->cpu[i].s;

		touch(&s->root, false);
		if (s->root == root || (root == the_sys->kernel_root &&
					the_sys->cpu[i].task))
			subtree_retire(s, vpn, level, old);
		if (s->root && s->env->n && is_leaf)
			retire_unhooked(s, root, vpn, level, old);
	}
}

void tables_retire(u32 root)
{
	const struct paging *pg = &the_sys->mem.paging;
	u64 *table = the_sys->mem.table[root];
	u32 level = pg->levels - 1u;

	if (!the_sys->may_speculate || the_sys->is_by_manual)
		return;
	for (u32 i = 0; i < paging_entries(pg); i++) {
		touch(&table[i], false);
		subtree_retire(this_cpu->s, (u64)i << paging_order(pg, level),
			       level, table[i]);
	}
}

/* Entries of two sizes may be cached from now on. */
static void watch_conflicts(void)
{
	if (the_sys->cpu[0].tlb->core->is_watched)
		return;
	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		tlb_array_watch(the_sys->cpu[i].tlb);
}

/* An entry was replaced: did its architecture allow that in one step? */
static void check_bbm(u32 root, u64 vpn, u32 level, u64 old, u64 new)
{
	u64 may_hold[MACHINE_MAX_CPUS / 64] = { 0 };
	bool is_resize = level && old & new & PTE_P && (old ^ new) & PTE_PS;
	u16 asid = 0;

	/* Where break-before-make is needed all have one tag for it. */
	for (u32 i = 0; old & PTE_P && i < the_sys->nr_cpus; i++)
		if (the_sys->cpu[i].s->root == root) {
			may_hold[i / 64] |= 1ull << i % 64;
			asid = the_sys->cpu[i].s->pcid;
		}
	if (bbm_changed(the_sys->bbm, root, asid, vpn, level, old, new,
			may_hold)) {
		COUNT(BBM_VIOLATIONS, 1);
		watch_conflicts();
	} else if (is_resize) {
		watch_conflicts();
	}
}

/* The kernel here changed an entry: other cores' caches forget its line. */
static void pte_line_written(u32 root, u64 vpn, u32 level)
{
	u64 table;

	if (unlikely(the_sys->os.pte_stored && !the_sys->is_explored))
		the_sys->os.pte_stored(root, vpn, level);
	if (likely(!the_sys->caches))
		return;
	table = walk_table_of(root, vpn, level);
	if (table)
		caches_written(the_sys->caches, this_cpu->id,
			       caches_line(table, sizeof(u64) *
					   paging_index(&the_sys->mem.paging,
							vpn, level)));
}

static void retire(u32 root, u64 vpn, u32 level, const u64 *pte)
{
	if (the_sys->is_by_manual)
		mmu_retire(root, vpn, level, pte, false);
	else
		pte_retire(root, pte_vpn(root, vpn, level, pte), level, *pte);
}

void pte_store(u32 root, u64 vpn, u32 level, u64 *pte, u64 v)
{
	struct sb_entry e;

	if (!this_cpu->s->sb) {
		step(pte, true, cost_of(COST_PTE_OP));
		retire(root, vpn, level, pte);
		if (unlikely(the_sys->bbm != NULL))
			check_bbm(root, vpn, level, *pte, v);
		*pte = v;
		pte_line_written(root, vpn, level);
		return;
	}
	e = entry(pte, sizeof(*pte), SB_PTE, v);
	e.root = root;
	e.vpn = vpn;
	e.level = (u8)level;
	buffer(&e);
}

/* This CPU has no store to the word under way. */
static bool word_is_settled(const void *p)
{
	const struct storebuf *sb = this_cpu->s->sb;
	u64 off = arena_offset(&the_sys->arena, p);

	for (u32 i = 0; i < sb->n; i++)
		if (sb->e[i].off == off)
			return false;
	return true;
}

u64 pte_modify(u32 root, u64 vpn, u32 level, u64 *pte, u64 clear, u64 set)
{
	u64 old;

	if (this_cpu->s->sb && is_weak()) {
		the_sys->drv.wait(pte, word_is_settled, pte, 0);
		touch(pte, true);
		touch(this_cpu->s->sb, false);
	} else {
		ordered_step(pte, cost_of(COST_PTE_OP));
	}
	old = *pte;
	retire(root, vpn, level, pte);
	*pte = (old & ~clear) | set;
	if (unlikely(the_sys->bbm != NULL))
		check_bbm(root, vpn, level, old, *pte);
	pte_line_written(root, vpn, level);
	if (this_cpu->s->sb && is_weak()) {
		sb_forget(this_cpu->s->sb, arena_offset(&the_sys->arena, pte));
		if (*pte != old)
			sb_word_became(pte, old);
	}
	observe(old);
	return old;
}

u64 pte_load(u64 *pte)
{
	u64 e = word_read(pte, sizeof(*pte), cost_of(COST_PTE_SCAN));

	return e & ~the_sys->none_mask ? e : 0;
}
