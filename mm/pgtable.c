/* Page tables in modelled frames. They go only under mmap_lock, where no VMA leads
 * any more, and out of rmap's reach (free_pgtables.c), so whoever holds it or an
 * anon_vma's lock reads upper levels without a step. What is read matters to others
 * only where a stack may grow into what munmap takes away (R18k). */
#include <string.h>

#include "mm/mm.h"
#include "mm/oracle.h"
#include "mm/reclaim.h"
#include "mm/vmscan.h"

static u32 top(void)
{
	return the_sys->mem.paging.levels - 1u;
}

u32 alloc_table(u32 node)
{
	size_t bytes = paging_entries(&the_sys->mem.paging) * sizeof(u64);
	struct page *p = alloc_page(node, 0);
	u64 **entries, left = ~(1ull << node % 64);
	int n;

	/* Explored stages end where their node does. */
	while (!p && !the_sys->is_explored &&
	       (n = nearest_node(node, left)) >= 0) {
		p = alloc_page((u32)n, 0);
		left &= ~(1ull << n);
	}
	if (!p && mms()->batch)
		p = alloc_page_or_reclaim();
	if (!p)
		return 0;
	/* A frame that was a table once keeps the room for it. */
	entries = &the_sys->mem.table[pfn_of(p)];
	touch(entries, true);
	if (*entries)
		memset(*entries, 0, bytes);
	else
		*entries = arena_alloc(&the_sys->arena, bytes);
	if (*entries)
		oracle_table(p);
	return *entries ? (u32)pfn_of(p) : 0;
}

/* As this CPU sees it: its own store may still be buffered. */
static u64 peek(const struct mm *mm, const u64 *e)
{
	const struct storebuf *sb = this_cpu->s->sb;
	u64 v = sb ? sb_forward(sb, arena_offset(&the_sys->arena, e), *e) : *e;

	if (mm->has_stack) {
		touch(e, false);
		observe(v);
	}
	return v;
}

u64 *pgtable_entry(struct mm *mm, u64 vpn, u32 level)
{
	const struct paging *pg = &the_sys->mem.paging;
	u64 *table = the_sys->mem.table[mm->root];

	for (u32 l = top(); l > level; l--) {
		u64 e = peek(mm, &table[paging_index(pg, vpn, l)]);

		if (!(e & PTE_P) || (e & PTE_PS))
			return NULL;
		table = the_sys->mem.table[pte_pfn(e)];
	}
	return &table[paging_index(pg, vpn, level)];
}

struct spinlock *pgtable_lock(struct mm *mm, u64 vpn, u32 level)
{
	u64 pfn = mm->root;

	if (level < top())
		pfn = pte_pfn(peek(mm, pgtable_entry(mm, vpn, level + 1)));
	return &page_of(pfn)->ptl;
}

u64 *pgtable_alloc(struct mm *mm, u64 vpn, u32 level)
{
	for (u32 l = top(); l > level; l--) {
		u64 *e = pgtable_entry(mm, vpn, l);
		struct spinlock *ptl;
		bool is_mine;
		u32 pfn;

		if (peek(mm, e) & PTE_P)
			continue;
		pfn = alloc_table(this_cpu->node);
		if (!pfn)
			return NULL;
		ptl = pgtable_lock(mm, vpn, l);
		spin_lock(ptl);
		is_mine = !(pte_load(e) & PTE_P);
		if (is_mine)
			pte_store(mm->root, vpn, l, e,
				  pte_make(pfn, PTE_P | PTE_RW | PTE_US | PTE_A));
		spin_unlock(ptl);
		if (!is_mine)
			put_page(page_of(pfn));
	}
	return pgtable_entry(mm, vpn, level);
}

bool pmd_is_huge(u64 pmd)
{
	return pmd & (PTE_PS | PTE_NUMA | PTE_MIG);
}
