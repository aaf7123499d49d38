/* References to pages of programs, taken by address and used later: pipes that
 * pages were spliced into, devices. Reads next to the slow path of mm/gup.c. */
#include "mm/mm.h"
#include "mm/oracle.h"

static struct page *follow_page(struct mm *mm, u64 vpn, bool is_write)
{
	u64 *pmd = pgtable_entry(mm, vpn, PMD_LEVEL), e;
	struct page *page = NULL;
	struct spinlock *ptl;

	e = pmd ? pte_load(pmd) : 0;
	if (!e || pmd_is_huge(e))
		return NULL;
	ptl = pgtable_lock(mm, vpn, 0);
	spin_lock(ptl);
	e = pte_load(pgtable_entry(mm, vpn, 0));
	if ((e & PTE_P) && (!is_write || (e & PTE_RW))) {
		page = page_of(pte_pfn(e));
		get_page(page);
		NOTE("GUP: refer to frame %llu", (unsigned long long)pte_pfn(e));
	}
	spin_unlock(ptl);
	return page;
}

struct page *get_user_page(struct mm *mm, u64 vpn, bool is_write)
{
	struct page *page;

	if (kern()->gup_read_breaks)
		is_write = true;
	while (!(page = follow_page(mm, vpn, is_write)))
		if (handle_mm_fault(vpn, is_write))
			return NULL;
	return page;
}

static u64 *word_of(const struct page *page)
{
	return &the_sys->mem.line[pfn_of(page) * the_sys->mem.lines_per_frame];
}

void read_pinned(struct mm *mm, u64 vpn, struct page *page, u64 then)
{
	u64 *word = word_of(page);

	step(word, false, 0);
	observe(*word);
	NOTE("read %llu through the reference to frame %llu",
	     (unsigned long long)*word, (unsigned long long)pfn_of(page));
	oracle_pinned_load(mm, vpn, then, *word);
}

void write_pinned(struct mm *mm, u64 vpn, struct page *page, u64 value)
{
	u64 *word = word_of(page);

	step(word, true, 0);
	NOTE("device stores %llu to frame %llu", (unsigned long long)value,
	     (unsigned long long)pfn_of(page));
	oracle_pin_is_home(mm, vpn, page);
	oracle_kernel_stored(mm, vpn, pfn_of(page), value);
	*word = value;
}
