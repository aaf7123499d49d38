/* get_user_pages for a device: the fast path takes no lock and holds off
 * flushes by keeping interrupts off; the slow one faults and takes the
 * page-table lock. */
#include <errno.h>

#include "mm/mm.h"
#include "mm/oracle.h"

/* The table that @pmd names may be unhooked meanwhile, but not freed: interrupts
 * are off. A page that was unmapped before its reference was taken is given
 * back. */
static struct page *gup_pte(u64 pmd, u64 vpn, u64 *pfn)
{
	u64 *table = the_sys->mem.table[pte_pfn(pmd)];
	u64 *p = &table[paging_index(&the_sys->mem.paging, vpn, 0)], e;
	struct page *page;

	e = pte_load(p);
	oracle_walks(pte_pfn(pmd));
	if (!(e & PTE_P) || !(e & PTE_RW))
		return NULL;
	page = page_of(pte_pfn(e));
	if (!get_page_unless_zero(page))
		return NULL;
	if (pte_load(p) != e) {
		put_page(page);
		return NULL;
	}
	*pfn = pte_pfn(e);
	NOTE("GUP-fast: pin frame %llu", (unsigned long long)*pfn);
	return page;
}

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
	if (!page && (pmd & PTE_P) && !(pmd & PTE_PS))
		page = gup_pte(pmd, vpn, pfn);
	local_irq_enable();
	return page;
}

bool gup_fast_only(struct mm *mm, u64 vpn)
{
	u64 obs = obs_save(), pfn;
	struct page *page = gup_fast(mm, vpn, &pfn);

	if (page)
		put_page(page);
	obs_restore(obs);
	observe(page != NULL);
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
