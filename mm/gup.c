/* get_user_pages for a device: the fast path takes no lock and holds off
 * flushes by keeping interrupts off; the slow one faults and takes the
 * page-table lock. */
#include <errno.h>

#include "mm/mm.h"
#include "mm/oracle.h"

/* Return: the head page with a reference, NULL for the slow path. */
static struct page *gup_fast(struct mm *mm, u64 vpn, u64 *pfn)
{
	struct page *page = NULL;
	u64 pmd;

	local_irq_disable();
	pmd = pte_load(pgtable_entry(mm, vpn, PMD_LEVEL));
	if ((pmd & PTE_PS) && !(pmd & PTE_MIG) &&
	    ((pmd & PTE_P) ||
	     ((pmd & PTE_NUMA) && !kern()->gup_fast_sees_numa))) {
		page = page_of(pte_pfn(pmd));
		get_page(page);
		*pfn = pte_pfn(pmd) + (vpn & (hpage_pages() - 1));
		NOTE("GUP-fast: pin frame %llu", (unsigned long long)*pfn);
	}
	local_irq_enable();
	return page;
}

static struct page *gup_slow(struct mm *mm, u64 vpn, u64 *pfn)
{
	struct page *page = NULL;
	u64 *p, pmd;

	do {
		struct spinlock *ptl = pgtable_lock(mm, vpn, PMD_LEVEL);

		if (handle_mm_fault(vpn, true))
			return NULL;
		p = pgtable_entry(mm, vpn, PMD_LEVEL);
		spin_lock(ptl);
		pmd = pte_load(p);
		if ((pmd & PTE_P) && (pmd & PTE_PS)) {
			page = page_of(pte_pfn(pmd));
			get_page(page);
			*pfn = pte_pfn(pmd) + (vpn & (hpage_pages() - 1));
			NOTE("GUP: pin frame %llu", (unsigned long long)*pfn);
		}
		spin_unlock(ptl);
	} while (!page);
	return page;
}

int gup_fast_dma(struct mm *mm, u64 vpn, u32 line, u64 value)
{
	const struct memory *mem = &the_sys->mem;
	struct page *page;
	u64 pfn = 0, *word;

	page = gup_fast(mm, vpn, &pfn);
	if (!page)
		page = gup_slow(mm, vpn, &pfn);
	if (!page)
		return -EFAULT;
	word = &mem->line[pfn * mem->lines_per_frame + line];
	step(word, true, 0);
	NOTE("device stores %llu to frame %llu", (unsigned long long)value,
	     (unsigned long long)pfn);
	oracle_pinned_store(vpn, pfn, line, value);
	*word = value;
	put_page(page);
	return 0;
}
