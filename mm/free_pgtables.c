/* Page tables that nothing is left to map through are unhooked, from the bottom
 * up, and queued behind the pages: unhook, flush, free. mmap_lock is held, no VMA
 * and no anon_vma leads here any more, so what may still read them is
 * hardware, which the flush stops, and who walks without locks. Reads next to
 * free_pgd_range() in mm/memory.c. */
#include "mm/gather.h"
#include "mm/vmalloc.h"

struct span {
	u64 start, end;         /* unmapped                                   */
	u64 floor, last;        /* nothing is mapped in [floor, last]         */
};

static bool is_free_around(const struct span *s, u64 base, u32 order)
{
	return base >= s->floor && base + (tlb_order_mask((u8)order)) <= s->last;
}

/* The table @pfn, whose entries are of @level, and which begins at @base. */
static void free_below(struct mmu_gather *g, u64 pfn, u32 level, u64 base,
		       const struct span *s)
{
	const struct paging *pg = &the_sys->mem.paging;
	u32 order = paging_order(pg, level);
	u64 *table = the_sys->mem.table[pfn];

	for (u32 i = 0; i < paging_entries(pg); i++) {
		u64 at = base + ((u64)i << order), e;

		if (at >= s->end || at + (1ull << order) <= s->start ||
		    vmalloc_has(at))
			continue;
		e = pte_load(&table[i]);
		if (!(e & PTE_P) || (e & PTE_PS))
			continue;
		if (level > 1)
			free_below(g, pte_pfn(e), level - 1, at, s);
		if (!is_free_around(s, at, order))
			continue;
		pte_store(g->b.mm->root, at, level, &table[i], 0);
		NOTE("%s[%llu] := NONE, table frame %llu unhooked",
		     level == PMD_LEVEL ? "PMD" : "upper entry",
		     (unsigned long long)(at >> order),
		     (unsigned long long)pte_pfn(e));
		gather_table(g, pte_pfn(e), at, level);
	}
}

void free_pgtables(struct mmu_gather *g, u64 start, u64 end, u64 floor,
		   u64 ceiling)
{
	const struct span s = { start, end, floor, ceiling - 1 };

	free_below(g, g->b.mm->root, the_sys->mem.paging.levels - 1u, 0, &s);
}
