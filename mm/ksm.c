/* Pages with the same contents become one. Reads next to
 * try_to_merge_one_page() in mm/ksm.c; what finds them is not modelled. */
#include <errno.h>

#include "mm/flush.h"
#include "mm/mm.h"
#include "mm/oracle.h"
#include "mm/pieces.h"
#include "mm/rmap.h"
#include "mm/watch.h"

/* May a CPU still write through an entry that it cached? @e says no, unless what
 * took these rights has not flushed yet (b3a81d0841a9). */
static bool may_be_written(struct mm *mm, u64 e)
{
	return (e & (PTE_RW | PTE_D)) ||
	       (kern()->ksm_checks_pending && mm_tlb_flush_pending(mm));
}

/* By an address that it once had, and a flush strategy has not flushed? */
static bool is_unflushed(struct page *page)
{
	touch_flags(page, false);
	observe(page->is_unflushed);
	return page->is_unflushed;
}

/* From here on a store must fault. Return: the entry, 0 when it cannot be. */
static u64 write_protect_page(struct mm *mm, u64 vpn, u64 *p, struct page *page)
{
	struct spinlock *ptl = pgtable_lock(mm, vpn, 0);
	u64 e, old;

	spin_lock(ptl);
	e = pte_load(p);
	if (is_unflushed(page))
		flush_tlb_mm(mm, FLUSH_KSM);
	if (!(e & PTE_P) || page_of(pte_pfn(e)) != page) {
		e = 0;
	} else if (may_be_written(mm, e)) {
		/* Cleared first, so that nobody can take a reference after the
		 * count. The caller has one. */
		old = ptep_clear_flush(mm, vpn, 0, p, 0, FLUSH_KSM);
		touch(&page->swap_slot, false);
		e = 0;
		if (READ_ONCE(page->refcount) ==
		    page->mapcount + 1 + !!page->swap_slot)
			e = old & ~(PTE_RW | PTE_D);
		if (e && (old & PTE_D)) {
			touch_flags(page, true);
			page->is_dirty = 1;
		}
		pte_store(mm->root, vpn, 0, p, e ? e : old);
		NOTE("PTE[%llu] := %s", (unsigned long long)vpn,
		     e ? "RO, clean" : "what it was");
	} else {
		NOTE("PTE[%llu] is RO and clean: no flush",
		     (unsigned long long)vpn);
	}
	spin_unlock(ptl);
	return e;
}

static bool pages_identical(struct page *a, struct page *b)
{
	const struct memory *mem = &the_sys->mem;
	bool is_same = true;

	for (u32 l = 0; l < mem->lines_per_frame; l++) {
		u64 *x = &mem->line[pfn_of(a) * mem->lines_per_frame + l];
		u64 *y = &mem->line[pfn_of(b) * mem->lines_per_frame + l];

		step(x, false, 0);
		touch(y, false);
		is_same &= *x == *y;
		observe(is_same);
	}
	NOTE("contents are %s", is_same ? "the same" : "different");
	return is_same;
}

static int replace_page(struct mm *mm, u64 vpn, u64 *p, u64 e,
			struct page *page, struct page *kpage)
{
	struct spinlock *ptl = pgtable_lock(mm, vpn, 0);
	int rc = -EBUSY;

	spin_lock(ptl);
	if (pte_load(p) == e) {
		get_page(kpage);
		touch_flags(kpage, true);
		kpage->mapcount++;
		ptep_clear_flush(mm, vpn, 0, p, 0, FLUSH_KSM);
		pte_store(mm->root, vpn, 0, p,
			  pte_make(pfn_of(kpage), e & ~PTE_PFN_MASK));
		NOTE("PTE[%llu] := frame %llu, shared", (unsigned long long)vpn,
		     (unsigned long long)pfn_of(kpage));
		touch_flags(page, true);
		page->mapcount--;
		rc = 0;
	}
	spin_unlock(ptl);
	if (!rc)
		put_page(page);         /* the mapping's */
	return rc;
}

static int merge_locked(struct mm *mm, u64 vpn, u64 *p, struct page *page,
			struct page *kpage)
{
	u64 e = write_protect_page(mm, vpn, p, page);

	if (!e)
		return -EBUSY;
	if (kpage) {
		int rc = pages_identical(page, kpage)
			? replace_page(mm, vpn, p, e, page, kpage) : -EBUSY;

		return rc ? rc : ksm_add_item(kpage, find_vma(mm, vpn), vpn);
	}
	/* Found by its contents from now on, no longer through an anon_vma. */
	touch_flags(page, true);
	page->is_ksm = 1;
	page->anon_vma = NULL;
	return ksm_add_item(page, find_vma(mm, vpn), vpn);
}

int ksm_try_merge(struct mm *mm, u64 vpn, struct page *page, struct page *kpage)
{
	int rc = -EBUSY;

	down_read(&mm->mmap_lock);
	if (find_vma(mm, vpn) && pgtable_entry(mm, vpn, 0) &&
	    trylock_page(page)) {
		rc = merge_locked(mm, vpn, pgtable_entry(mm, vpn, 0), page,
				  kpage);
		unlock_page(page);
	}
	up_read(&mm->mmap_lock);
	put_page(page);
	return rc;
}

/* follow_page(): the scan's reference. */
struct page *ksm_get_page(struct mm *mm, u64 vpn)
{
	struct page *page = NULL;
	struct spinlock *ptl;
	u64 *p, e;

	down_read(&mm->mmap_lock);
	p = find_vma(mm, vpn) ? pgtable_entry(mm, vpn, 0) : NULL;
	if (p) {
		ptl = pgtable_lock(mm, vpn, 0);
		spin_lock(ptl);
		e = pte_load(p);
		if ((e & PTE_P) && !(e & PTE_SPECIAL) &&
		    !is_piece(page_of(pte_pfn(e)))) {
			page = page_of(pte_pfn(e));
			get_page(page);
		}
		spin_unlock(ptl);
	}
	up_read(&mm->mmap_lock);
	return page;
}
