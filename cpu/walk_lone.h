/* walk_lone.h - the walk of a CPU that is alone (run_alone.c), when it is what nearly
 * all walks are: for a 4K page whose table, or the table above that, is in a
 * paging-structure cache, with nothing to set, and nothing that forbids the access.
 * It looks before it touches: whatever else a walk may turn out to be is
 * walk_timed()'s, from the beginning.
 */
#ifndef CPU_WALK_LONE_H
#define CPU_WALK_LONE_H

#include "cpu/caches_look.h"
#include "cpu/walker.h"
#include "tlb/psc_level.h"

#define WALK_LONE_BITS 9u       /* tables have 512 entries                    */

/* What does not change from one walk to the next. */
struct walk_lone {
	struct psc_level *pde, *pdpte;  /* NULL: not open                     */
	u64 *const *table;
	u64 load_cycles;                /* of a load, without data caches     */
	u32 space;
	u16 pcid;
	struct caches_path caches;      /* .cs NULL: none                     */
};

/* walk_lone_open - for this_cpu, at @now, as long as nobody else does anything. */
static inline void walk_lone_open(struct walk_lone *w, u64 now)
{
	const struct cpu *c = this_cpu;
	struct core *core = c->core;
	struct psc *psc = core->psc;

	w->pde = NULL;
	w->caches.cs = NULL;
	if (the_sys->caches)
		caches_path(&w->caches, the_sys->caches, c->id);
	if (!psc || !psc_has_rows(psc, 1) || !psc_has_rows(psc, 2) ||
	    core->ept || core->contig[0] || core->contig[1] ||
	    the_sys->os.may_walk || the_sys->os.filled ||
	    (the_sys->caches &&
	     (!w->caches.cs || the_sys->has_local_tables)) ||
	    the_sys->mem.paging.bits != WALK_LONE_BITS ||
	    !core_is_idle(core, now))
		return;
	w->pde = &psc->level[1];
	w->pdpte = &psc->level[2];
	w->table = the_sys->mem.table;
	w->space = psc_space(c->thread, c->s->pcid);
	w->pcid = c->s->pcid;
	w->load_cycles = w->caches.cs ? 0 : cost_of(COST_WALK_LOAD);
	walk_near_check();
}

static inline u32 walk_lone_index(u64 vpn, u32 level)
{
	return (u32)(vpn >> WALK_LONE_BITS * level) &
	       ((1u << WALK_LONE_BITS) - 1);
}

/* caches_line(), of pages of 4K: others' tables are not of WALK_LONE_BITS. */
static inline u64 walk_lone_line(u64 frame, u32 index)
{
	return frame << (PAGE_SHIFT - CACHE_LINE_SHIFT) |
	       index >> (CACHE_LINE_SHIFT - 3);
}

/* walk_prefetch_host(), for the same. */
static inline void walk_lone_ahead(const struct walk_lone *w,
				   const struct cpu *c, u64 vpn)
{
	const struct walk_near *near = &c->near;
	const u64 *table;
	u64 pte;

	if (unlikely(near->part != vpn >> 2 * WALK_LONE_BITS)) {
		walk_prefetch_host(vpn);
		return;
	}
	pte = near->table[walk_lone_index(vpn, 1)];
	if (unlikely((pte & (PTE_P | PTE_PS)) != PTE_P ||
		     pte_pfn(pte) >= the_sys->mem.nr_frames))
		return;
	table = w->table[pte_pfn(pte)];
	if (unlikely(!table))
		return;
	__builtin_prefetch(&table[walk_lone_index(vpn, 0)]);
	if (w->caches.cs)
		caches_look_ahead(&w->caches,
				  walk_lone_line(pte_pfn(pte),
						 walk_lone_index(vpn, 0)));
}

/* One load of the walker, as in walker.c. */
static inline __attribute__((always_inline)) u64
walk_lone_load(const struct walk_lone *w, struct cpu *c, u64 frame, u32 index,
	       enum tlb_use use)
{
	enum cache_level from;
	u64 cycles;

	if (likely(!w->caches.cs))
		return w->load_cycles;
	cycles = caches_look(&w->caches, walk_lone_line(frame, index), &from);
	c->count.v[(use == TLB_FETCH ? CTR_PWL_I_L1 : CTR_PWL_D_L1) + from]++;
	return cycles;
}

/* walk_lone - as walk_timed(), but false also says: with nothing done. */
static inline __attribute__((always_inline)) bool
walk_lone(const struct walk_lone *w, struct cpu *c, u64 vpn, enum tlb_use use,
	  struct tlb_entry *e, u64 *cycles)
{
	const u64 want = use == TLB_STORE ? PTE_P | PTE_A | PTE_D : PTE_P | PTE_A;
	const u32 index = walk_lone_index(vpn, 0);
	u64 tag = psc_tag(w->pde, w->space, vpn), above = 0;
	u64 dir = 0, frame, rights, pte;
	u16 at = psc_peek(w->pde, tag), from = PSC_NONE;
	const u64 *table;

	if (likely(at == PSC_NONE)) {
		const struct psc_slot *s;

		above = psc_tag(w->pdpte, w->space, vpn);
		from = psc_peek(w->pdpte, above);
		if (unlikely(from == PSC_NONE))
			return false;
		s = &w->pdpte->slot[from];
		dir = s->table;
		table = w->table[dir];
		if (unlikely(!table))
			return false;
		pte = table[walk_lone_index(vpn, 1)];
		if (unlikely((pte & (PTE_P | PTE_PS | PTE_A)) !=
			     (PTE_P | PTE_A)))
			return false;
		frame = pte_pfn(pte);
		rights = s->rights & pte & PTE_RW;
	} else {
		frame = w->pde->slot[at].table;
		rights = w->pde->slot[at].rights & PTE_RW;
	}
	table = w->table[frame];
	if (unlikely(!table))
		return false;
	pte = table[index];
	if (unlikely((pte & (want | PTE_G)) != want ||
		     (use == TLB_STORE && !(rights & pte))))
		return false;

	/* It is one. */
	*cycles = 0;
	if (likely(at == PSC_NONE)) {
		psc_use(w->pdpte, above, from);
		psc_row_put(w->pde, tag, frame, rights);
		c->count.v[CTR_PSC_HIT_PDPTE]++;
		c->count.v[CTR_WALKER_LOADS]++;
		*cycles = walk_lone_load(w, c, dir, walk_lone_index(vpn, 1),
					 use);
	} else {
		psc_use(w->pde, tag, at);
		c->count.v[CTR_PSC_HIT_PDE]++;
	}
	c->count.v[CTR_WALKER_LOADS]++;
	*cycles += walk_lone_load(w, c, frame, index, use);
	*e = (struct tlb_entry){
		.vpn = vpn,
		.pfn = pte_pfn(pte),
		.pcid = w->pcid,
		.flags = (u8)((rights & pte ? TLB_W : 0) |
			      (pte & PTE_D ? TLB_D : 0)),
	};
	return true;
}

#endif
