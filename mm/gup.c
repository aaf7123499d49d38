/* get_user_pages for a device: the fast path takes no lock and holds off
 * flushes by keeping interrupts off; the slow one faults and takes the
 * page-table lock. */
#include <errno.h>

#include "mm/mm.h"
#include "mm/oracle.h"

/* The table that @pmd names may be unhooked meanwhile, but not freed: interrupts
 * are off. A page that was unmapped before its reference was taken is given
 * back. */
static struct page *gup_pte(u64 *pmdp, u64 pmd, u64 vpn, u64 *pfn)
{
	u64 *table = the_sys->mem.table[pte_pfn(pmd)];
	u64 *p = &table[paging_index(&the_sys->mem.paging, vpn, 0)], e;
	struct page *page;

	e = pte_load(p);
	oracle_walks(pte_pfn(pmd));
	if (!(e & PTE_P) || !(e & PTE_RW))
		return NULL;
	page = compound_head(page_of(pte_pfn(e)));
	if (!get_page_unless_zero(page))
		return NULL;
	/* Nor is it known that the table is still in place (70cbc3cc78a9). */
	if (pte_load(p) != e ||
	    (kern()->gup_rechecks_pmd && pte_load(pmdp) != pmd)) {
		put_page(page);
		return NULL;
	}
	*pfn = pte_pfn(e);
	NOTE("GUP-fast: pin frame %llu", (unsigned long long)*pfn);
	return page;
}

/* Where the PMD for @vpn is, and where tables of those may go from under this
 * reader (hugetlb.h), so that upper levels are read step by step, in which table;
 * else 0. */
static u64 *gup_pmd(struct mm *mm, u64 vpn, u64 *table)
{
	const struct memory *mem = &the_sys->mem;
	u64 *pudp, pud;

	*table = 0;
	if (!mms()->has_hugetlb)
		return pgtable_entry(mm, vpn, PMD_LEVEL);
	pudp = pgtable_entry(mm, vpn, PMD_LEVEL + 1);
	pud = pudp ? pte_load(pudp) : 0;
	if (!(pud & PTE_P))
		return NULL;
	*table = pte_pfn(pud);
	return &mem->table[*table][paging_index(&mem->paging, vpn, PMD_LEVEL)];
}

/* Return: the head page with a reference, NULL for the slow path. */
static struct page *gup_fast(struct mm *mm, u64 vpn, u64 *pfn)
{
	struct page *page = NULL;
	u64 *pmdp, pmd, table;

	local_irq_disable();
	pmdp = gup_pmd(mm, vpn, &table);
	if (!pmdp) {
		local_irq_enable();
		return NULL;
	}
	pmd = pte_load(pmdp);
	if (table)
		oracle_walks_of(mm, table);
	if ((pmd & PTE_PS) && !(pmd & PTE_MIG) &&
	    ((pmd & PTE_P) ||
	     ((pmd & PTE_NUMA) && !kern()->gup_fast_sees_numa))) {
		page = page_of(pte_pfn(pmd));
		get_page(page);
		*pfn = pte_pfn(pmd) + (vpn & (hpage_pages() - 1));
		NOTE("GUP-fast: pin frame %llu", (unsigned long long)*pfn);
	}
	if (!page && (pmd & PTE_P) && !(pmd & PTE_PS))
		page = gup_pte(pmdp, pmd, vpn, pfn);
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

bool gup_fast_read(struct mm *mm, u64 vpn, u64 then)
{
	const struct memory *mem = &the_sys->mem;
	u64 pfn, *word;
	struct page *page = gup_fast(mm, vpn, &pfn);

	if (!page)
		return false;
	word = &mem->line[pfn * mem->lines_per_frame];
	step(word, false, 0);
	observe(*word);
	NOTE("read %llu through the reference to frame %llu",
	     (unsigned long long)*word, (unsigned long long)pfn);
	oracle_pinned_load(mm, vpn, then, *word);
	put_page(page);
	return true;
}

/* What maps @vpn writable, with a reference: under mmap_lock. */
static struct page *follow_page(struct mm *mm, u64 vpn, u64 *pfn)
{
	u64 *p = pgtable_entry(mm, vpn, PMD_LEVEL), e = p ? pte_load(p) : 0;
	u32 level = (e & PTE_P) && !(e & PTE_PS) ? 0 : PMD_LEVEL;
	struct page *page = NULL;
	struct spinlock *ptl;

	if (!e)
		return NULL;
	p = pgtable_entry(mm, vpn, level);
	ptl = pgtable_lock(mm, vpn, level);
	spin_lock(ptl);
	e = pte_load(p);
	if ((e & PTE_P) && (e & PTE_RW) && (!level || (e & PTE_PS))) {
		page = page_of(pte_pfn(e));
		get_page(page);
		*pfn = pte_pfn(e) + (level ? vpn & (hpage_pages() - 1) : 0);
		NOTE("GUP: pin frame %llu", (unsigned long long)*pfn);
	}
	spin_unlock(ptl);
	return page;
}

static struct page *gup_slow(struct mm *mm, u64 vpn, u64 *pfn)
{
	struct page *page;

	do {
		if (handle_mm_fault(vpn, true))
			return NULL;
		down_read(&mm->mmap_lock);
		page = follow_page(mm, vpn, pfn);
		up_read(&mm->mmap_lock);
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
