/* MADV_COLD: nobody needs these pages soon; MADV_PAGEOUT: take them now. Reads
 * next to madvise_cold_or_pageout_pte_range() in mm/madvise.c. */
#include "mm/deferred_split.h"
#include "mm/gather.h"
#include "mm/oracle.h"
#include "mm/pieces.h"
#include "mm/reclaim.h"

#define MAX_TABLE 512

static void make_old(struct mmu_gather *g, u64 vpn, u32 level, u64 *p, u64 e)
{
	struct mm *mm = g->b.mm;

	if (!(e & PTE_A))
		return;
	if (level) {
		e = pmdp_invalidate(mm, vpn, p, FLUSH_OLD_CLEAR);
		pte_store(mm->root, vpn, level, p, e & ~PTE_A);
	} else {
		flush_aged(e);
		pte_modify(mm->root, vpn, level, p, PTE_A, 0);
	}
	flusher()->changed(&g->b, vpn, paging_order(&the_sys->mem.paging,
						       level));
}

/* The entries [vpn, end) of one table, or the one huge entry. */
static void age_entries(struct mmu_gather *g, u64 vpn, u64 end, u32 level,
			bool is_pageout)
{
	struct spinlock *ptl = pgtable_lock(g->b.mm, vpn, level);
	struct page *page[MAX_TABLE];
	u32 n = 0;

	spin_lock(ptl);
	if (!level)
		flush_tlb_batched_pending(g->b.mm);
	for (; vpn < end; vpn += 1ull << paging_order(&the_sys->mem.paging,
						      level)) {
		u64 *p = pgtable_entry(g->b.mm, vpn, level), e = pte_load(p);

		if (!level && split_piece(g->b.mm, ptl, e))
			e = pte_load(p);
		/* What others map, too, is not this program's to judge; nor are
		 * pieces that could not be split: a page ages as a whole. */
		if (!(e & PTE_P) || (!level && is_piece(page_of(pte_pfn(e)))) ||
		    READ_ONCE(page_of(pte_pfn(e))->mapcount) != 1)
			continue;
		make_old(g, vpn, level, p, e);
		if (is_pageout && !level && isolate_lru_page(page_of(pte_pfn(e))))
			page[n++] = page_of(pte_pfn(e));
	}
	flusher()->unlock(&g->b);
	spin_unlock(ptl);
	if (n)
		shrink_pages(page, n);
}

void age_range(struct mmu_gather *g, u64 start, u64 end, bool is_pageout)
{
	for (u64 vpn = start, next; vpn < end; vpn = next) {
		u64 *pmd = pgtable_entry(g->b.mm, vpn, PMD_LEVEL), old;

		next = (vpn | (hpage_pages() - 1)) + 1;
		if (next > end)
			next = end;
		old = pmd ? pte_load(pmd) : 0;
		if (old)
			age_entries(g, vpn, next,
				    pmd_is_huge(old) ? PMD_LEVEL : 0,
				    is_pageout);
	}
}
