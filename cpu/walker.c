#include <string.h>

#include "cpu/core.h"
#include "cpu/ept.h"
#include "cpu/step.h"
#include "cpu/walker.h"

/* Set what must be set in *@p, which reads @pte. Return: what it reads now. */
static u64 set_bits(u64 *p, u64 pte, u64 bits)
{
	u64 want = pte | bits;

	if (want == pte)
		return pte;
	touch(p, true);
	*p = want;
	return want;
}

static inline __attribute__((always_inline)) void
entry_of(struct tlb_entry *e, u64 vpn, u32 level, u64 pte, u64 rights)
{
	u8 order = (u8)paging_order(&the_sys->mem.paging, level);

	*e = (struct tlb_entry){
		.vpn = vpn & ~tlb_order_mask(order),
		.pfn = pte_pfn(pte),
		.pcid = this_cpu->s->pcid,
		.order = order,
		.flags = (u8)((rights & PTE_RW ? TLB_W : 0) |
			      (pte & PTE_D ? TLB_D : 0) |
			      (pte_is_global(pte) ? TLB_G : 0)),
	};
	if (unlikely(level && pte & PTE_NT) && the_sys->m->rules.has_nt)
		e->flags |= TLB_ONCE;
}

/* Which of A and D keeps @pte from being used? 0: none, or hardware sets it. */
static inline u64 lacks(u64 pte, bool is_write)
{
	const struct arch_rules *r = &the_sys->m->rules;

	if (!(pte & PTE_A) && !r->hw_sets_a)
		return PTE_A;
	return is_write && !(pte & PTE_D) && !r->hw_sets_d ? PTE_D : 0;
}

bool walk_explored(u64 vpn, bool is_write, const struct tlb_entry *from,
		   struct tlb_entry *e)
{
	const struct memory *mem = &the_sys->mem;
	u64 *table = mem->table[from ? from->pfn : this_cpu->s->root];
	u64 rights = from && !(from->flags & TLB_W) ? 0 : PTE_RW;
	u32 level = from ? from->order / mem->paging.bits : mem->paging.levels;

	memset(e, 0, sizeof(*e));
	if (!paging_reaches(&mem->paging, vpn))
		return false;
	for (;;) {
		u64 *p, pte;

		level--;
		p = &table[paging_index(&mem->paging, vpn, level)];
		touch(p, false);
		pte = *p;
		rights &= pte;
		if (!(pte & PTE_P))
			return false;
		if (level && !(pte & PTE_PS)) {
			table = mem->table[pte_pfn(pte)];
			continue;
		}
		if ((is_write && !rights) || lacks(pte, is_write) ||
		    (the_sys->os.may_walk && !pte_is_global(pte) &&
		     !the_sys->os.may_walk(pte)))
			return false;
		pte = set_bits(p, pte, PTE_A | (is_write ? PTE_D : 0));
		entry_of(e, vpn, level, pte, rights);
		return true;
	}
}

bool walk_stray(u64 vpn)
{
	const struct memory *mem = &the_sys->mem;
	u64 frame = walk_table_of(this_cpu->s->root, vpn, 0), *p;

	if (!frame)
		return false;
	p = &mem->table[frame][paging_index(&mem->paging, vpn, 0)];
	touch(p, false);
	if (*p & PTE_P)
		return false;
	set_bits(p, *p, PTE_A | PTE_D);
	return true;
}

/* ---- without a walk ------------------------------------------------------------ */

void cpu_insert(u64 vpn, u32 level, u64 pte)
{
	struct tlb_entry e;

	entry_of(&e, vpn, level, pte, pte);
	if (this_cpu->s->env) {
		touch(this_cpu->s->env, true);
		envelope_retire(this_cpu->s->env, &e);
	} else {
		tlb_array_fill(this_cpu->tlb, pte & PTE_D ? TLB_STORE : TLB_LOAD,
			       vpn, &e);
	}
}

/* ---- timed ---------------------------------------------------------------- */

/* One load of the walker. @kind: the first of four counters by place. */
static inline u64 load(u64 line, enum counter kind)
{
	struct caches *cs = the_sys->caches;
	enum cache_level from;
	u64 cycles;

	if (!cs)
		return cost_of(COST_WALK_LOAD);
	cycles = the_sys->has_local_tables
		? caches_load_local(cs, this_cpu->id, line, &from)
		: caches_load(cs, this_cpu->id, line, &from);
	this_cpu->count.v[kind + from]++;
	return cycles;
}

/* The host address of guest frame @gfn. Return: cycles. */
static u64 nested(u64 gfn, enum tlb_use use)
{
	u64 line[EPT_MAX_LOADS], cycles = 0;
	u32 n = ept_translate(this_cpu->core->ept, gfn, line);

	COUNT(EPT_LOADS, n);
	for (u32 i = 0; i < n; i++)
		cycles += load(line[i], use == TLB_FETCH ? CTR_PWL_EI_L1
						       : CTR_PWL_ED_L1);
	return cycles;
}

/* What the walker's load of entry @index of table @frame costs, with data
 * caches or nested paging. */
static u64 load_of(u64 frame, u32 index, enum tlb_use use)
{
	u64 line = caches_line(frame, index * sizeof(u64)), cycles = 0;

	if (this_cpu->core->ept)
		cycles = nested(frame, use);
	return cycles + load(line, use == TLB_FETCH ? CTR_PWL_I_L1
						    : CTR_PWL_D_L1);
}

/* Where the walk begins: *@level is that of the table above; 0: nowhere. */
static inline u64 start(struct cpu *c, u32 space, u64 vpn, u32 *level,
			u64 *rights)
{
	struct psc_hit hit;

	if (likely(c->core->psc != NULL)) {
		if (likely(psc_lookup(c->core->psc, space, vpn, &hit))) {
			c->count.v[CTR_PSC_HIT_PDE + hit.level - 1]++;
			*level = hit.level;
			*rights &= hit.rights;
			return hit.table;
		}
		c->count.v[CTR_PSC_MISS]++;
	}
	*level = the_sys->mem.paging.levels;
	/* No walk cache has anything of where the tables do not reach. */
	if (unlikely(!paging_reaches(&the_sys->mem.paging, vpn)))
		*level = 0;
	return c->s->root;
}

/* A locked update of a table's entry: other cores' copies of the line go. */
static u64 update(u64 *p, u64 pte, u64 bits, u64 frame, u32 index)
{
	COUNT(WALK_AD_UPDATES, 1);
	if (the_sys->caches && !the_sys->has_local_tables)
		caches_written(the_sys->caches, this_cpu->id,
			       caches_line(frame, index * sizeof(u64)));
	return set_bits(p, pte, bits);
}

/* Nested, the TLB gets the smaller page: a 2M page of the guest over 4K of the
 * EPT is in the TLB as so many 4K pages, and INVLPG names them all. */
static void fracture(struct tlb_entry *e, u64 vpn)
{
	u8 order = (u8)ept_order(this_cpu->core->ept);
	u64 first;

	if (order >= e->order)
		return;
	e->piece_of = (u8)(TLB_FRACTURED | e->order);
	first = vpn & ~tlb_order_mask(order);
	e->pfn += first - e->vpn;
	e->vpn = first;
	e->order = order;
}

/* log2 of the aligned block of leaves of @table around @index that maps an
 * aligned block of frames with the same bits everywhere, A and D included, in
 * pages of which a leaf has 2^@leaf. */
static u8 contig_of(const u64 *table, u32 index, u64 pte, u8 leaf, u8 most)
{
	const u64 step = 1ull << leaf << PAGE_SHIFT;
	u8 order = 0;

	while (order < most) {
		u32 n = 2u << order, first = index & ~(n - 1);
		u64 base = pte - (index - first) * step;

		if (pte_pfn(base) & (((u64)n << leaf) - 1))
			break;
		for (u32 i = 0; i < n; i++)
			if (table[first + i] != base + i * step)
				return leaf + order;
		order++;
	}
	return leaf + order;
}

/* A walk for @vpn ended at an entry that gives a fault (@gives_fault), or that
 * forbids the access. Of the first, a page is cached; assumed: how much of an
 * upper entry's range is not known. */
static bool fault_at(struct tlb_entry *e, u64 vpn, bool gives_fault)
{
	entry_of(e, vpn, 0, 0, 0);
	if (gives_fault && the_sys->m->rules.caches_invalid)
		e->flags = TLB_FAULTS;
	return false;
}

/* Finds what walk_near has. Tables are never given back to the host, and a wrong
 * guess only reads in vain: so nobody tells it of changes. */
static const u64 *find_near(const struct memory *mem, const u64 *root, u64 vpn,
			    u64 part)
{
	const u64 *table = root;

	for (u32 level = mem->paging.levels - 1; level > 1; level--) {
		u64 pte = table[paging_index(&mem->paging, vpn, level)];

		table = mem->table[pte_pfn(pte)];
		if ((pte & (PTE_P | PTE_PS)) != PTE_P || !table)
			return NULL;
	}
	this_cpu->near = (struct walk_near){ table, root, part };
	return table;
}

void walk_near_check(void)
{
	struct walk_near *near = &this_cpu->near;

	if (near->root != the_sys->mem.table[this_cpu->s->root])
		near->part = ~0ull;
}

void walk_prefetch_host(u64 vpn)
{
	const struct memory *mem = &the_sys->mem;
	const struct walk_near *near = &this_cpu->near;
	const u64 *root = mem->table[this_cpu->s->root], *table = near->table;
	u64 part = vpn >> 2 * mem->paging.bits, pte, frame;
	u32 index;

	if (unlikely(near->root != root || near->part != part))
		table = find_near(mem, root, vpn, part);
	if (unlikely(!table))
		return;
	pte = table[paging_index(&mem->paging, vpn, 1)];
	frame = pte_pfn(pte);
	if (unlikely((pte & (PTE_P | PTE_PS)) != PTE_P ||
		     frame >= mem->nr_frames || !mem->table[frame]))
		return;
	index = paging_index(&mem->paging, vpn, 0);
	__builtin_prefetch(&mem->table[frame][index]);
	if (the_sys->caches)
		caches_prefetch_host(the_sys->caches, this_cpu->id,
				     caches_line(frame, index * sizeof(u64)));
}

bool walk_timed(u64 vpn, enum tlb_use use, struct tlb_entry *e, u64 *cycles)
{
	const struct memory *mem = &the_sys->mem;
	struct cpu *c = this_cpu;
	struct core *core = c->core;
	struct psc *psc = core->psc;
	const u32 space = psc_space(c->thread, c->s->pcid);
	const bool is_plain = core->is_plain;
	const u64 bits = use == TLB_STORE ? PTE_A | PTE_D : PTE_A;
	u64 *const *tables = mem->table;
	u64 rights = PTE_RW, sum = 0, frame, pte, *p;
	u32 level, index, nr_loads = 0;

	frame = start(c, space, vpn, &level, &rights);
	if (unlikely(!level)) {
		*cycles = 0;
		return fault_at(e, vpn, false);
	}
	for (;;) {
		u64 *table = tables[frame];

		level--;
		if (unlikely(!table)) {
			/* A table that was freed, cached for too long. */
			psc_invlpg_one(psc, space, vpn);
			frame = c->s->root;
			level = mem->paging.levels;
			rights = PTE_RW;
			continue;
		}
		index = paging_index(&mem->paging, vpn, level);
		p = &table[index];
		if (unlikely(!is_plain))
			sum += load_of(frame, index, use);
		nr_loads++;
		pte = *p;
		rights &= pte;
		if (!level || (pte & (PTE_P | PTE_PS)) != PTE_P)
			break;
		if (unlikely(!(pte & PTE_A)))
			update(p, pte, PTE_A, frame, index);
		frame = pte_pfn(pte);
		if (likely(psc != NULL))
			psc_fill(psc, space, vpn, level, frame, rights);
	}
	c->count.v[CTR_WALKER_LOADS] += nr_loads;
	*cycles = likely(is_plain) ? nr_loads * cost_of(COST_WALK_LOAD) : sum;
	if (unlikely(!(pte & PTE_P)))
		return fault_at(e, vpn, true);
	if (unlikely(the_sys->os.may_walk && !pte_is_global(pte) &&
		     !the_sys->os.may_walk(pte)))
		return fault_at(e, vpn, false);
	if (unlikely((use == TLB_STORE && !(rights & PTE_RW)) ||
		     ((pte & bits) != bits && lacks(pte, use == TLB_STORE))))
		return fault_at(e, vpn, lacks(pte, use == TLB_STORE) == PTE_A);
	if (unlikely((pte & bits) != bits))
		pte = update(p, pte, bits, frame, index);
	entry_of(e, vpn, level, pte, rights);
	if (unlikely(core->ept != NULL)) {
		*cycles += nested(e->pfn + (vpn - e->vpn), use);
		fracture(e, vpn);
	} else if (level < 2 && core->contig[level]) {
		e->contig = contig_of(mem->table[frame], index, pte, e->order,
				      core->contig[level]);
	}
	return true;
}

/* ---- looking without touching -------------------------------------------------- */

enum walk_verdict walk_verdict(u64 vpn, bool is_write)
{
	const struct memory *mem = &the_sys->mem;
	u64 frame = this_cpu->s->root, rights = PTE_RW;

	if (!paging_reaches(&mem->paging, vpn))
		return WALK_FORBIDS;
	for (u32 level = mem->paging.levels; level-- > 0; ) {
		u64 pte = mem->table[frame][paging_index(&mem->paging, vpn,
							 level)];

		rights &= pte;
		if (!(pte & PTE_P))
			return WALK_FORBIDS;
		frame = pte_pfn(pte);
		if (level && !(pte & PTE_PS))
			continue;
		if (is_write && !(rights & PTE_RW))
			return WALK_FORBIDS;
		switch (lacks(pte, is_write)) {
		case PTE_A:
			return WALK_LACKS_A;
		case PTE_D:
			return WALK_LACKS_D;
		}
		return WALK_ALLOWS;
	}
	return WALK_FORBIDS;
}

u64 walk_table_of(u32 root, u64 vpn, u32 level)
{
	const struct memory *mem = &the_sys->mem;
	u64 frame = root;

	for (u32 l = mem->paging.levels; --l > level; ) {
		u64 pte = mem->table[frame][paging_index(&mem->paging, vpn, l)];

		if (!(pte & PTE_P) || (pte & PTE_PS))
			return 0;
		frame = pte_pfn(pte);
	}
	return frame;
}
