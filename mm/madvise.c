/* madvise: give pages back now, or let reclaim have them when it wants. */
#include <errno.h>

#include "mm/deferred_split.h"
#include "mm/gather.h"
#include "mm/lru.h"
#include "mm/oracle.h"
#include "mm/pieces.h"
#include "mm/reclaim.h"
#include "mm/swap.h"

/* Under the page-table lock. Clean from now on: a store says that the page is
 * wanted again, if the CPU that stores learns of it. */
static void free_entry(struct mmu_gather *g, u64 vpn, u32 level, u64 *p)
{
	u32 order = paging_order(&the_sys->mem.paging, level);
	struct mm *mm = g->b.mm;
	u64 e = pte_load(p);
	struct page *page;

	if (e & PTE_SWAP) {
		pte_store(mm->root, vpn, level, p, 0);
		NOTE("PTE[%llu] := NONE", (unsigned long long)vpn);
		free_swap_and_cache(e);
	}
	if (!(e & PTE_P) || (e & PTE_SPECIAL))
		return;
	page = page_of(pte_pfn(e));
	if (!level && is_piece(page))   /* it could not be split (split_piece) */
		return;
	if (e & (PTE_A | PTE_D)) {
		if (level && kern()->free_invalidates_huge) {
			e = pmdp_invalidate(mm, vpn, p, FLUSH_FREE);
			pte_store(mm->root, vpn, level, p,
				  e & ~(PTE_A | PTE_D));
		} else {
			flush_aged(e);
			pte_modify(mm->root, vpn, level, p, PTE_A | PTE_D, 0);
		}
		NOTE("%s[%llu] := clean", level ? "PMD" : "PTE",
		     (unsigned long long)(vpn >> order));
		oracle_stale_from_now(mm, vpn, 1ull << order);
		flush_revoked(mm, vpn, level, e);
		flusher()->changed(&g->b, vpn, order);
	}
	touch(&page->mapcount, true);
	page->is_lazyfree = 1;
	mms()->has_lazyfree = !the_sys->is_explored;
}

/* A page that is part of a larger one must be split off first: without the
 * page-table lock. What splitting takes is not modelled. */
static void split_large(struct mm *mm, struct spinlock *ptl, u64 e)
{
	struct page *page = page_of(pte_pfn(e));

	if (!(e & PTE_P) || (e & PTE_SPECIAL))
		return;
	touch_flags(page, false);
	observe(page->is_large);
	if (!page->is_large || !trylock_page(page))
		return;
	get_page(page);
	spin_unlock(ptl);
	step(&page->mapcount, true, 0);
	page->is_large = 0;
	NOTE("frame %llu split off its folio", (unsigned long long)pfn_of(page));
	unlock_page(page);
	put_page(page);
	spin_lock(ptl);
	/* Reclaim may have been there meanwhile (383c4613c67c). */
	if (kern()->debt_after_relock)
		flush_tlb_batched_pending(mm);
}

static void free_entries(struct mmu_gather *g, u64 vpn, u64 end, u32 level)
{
	u64 step = 1ull << paging_order(&the_sys->mem.paging, level);
	struct spinlock *ptl = pgtable_lock(g->b.mm, vpn, level);

	spin_lock(ptl);
	if (!level)
		flush_tlb_batched_pending(g->b.mm);
	for (; vpn < end; vpn += step) {
		u64 *p = pgtable_entry(g->b.mm, vpn, level);

		if (!level && !split_piece(g->b.mm, ptl, pte_load(p)))
			split_large(g->b.mm, ptl, pte_load(p));
		free_entry(g, vpn, level, p);
		oracle_may_drop(g->b.mm, vpn, step < end - vpn ? step
							       : end - vpn);
	}
	flusher()->unlock(&g->b);
	spin_unlock(ptl);
}

static void lazyfree_range(struct mmu_gather *g, u64 start, u64 end)
{
	for (u64 vpn = start, next; vpn < end; vpn = next) {
		u64 *pmd = pgtable_entry(g->b.mm, vpn, PMD_LEVEL), old;

		next = (vpn | (hpage_pages() - 1)) + 1;
		if (next > end)
			next = end;
		old = pmd ? pte_load(pmd) : 0;
		if (old)
			free_entries(g, vpn, next,
				     pmd_is_huge(old) ? PMD_LEVEL : 0);
		else
			oracle_may_drop(g->b.mm, vpn, next - vpn);
	}
}

static void advise(struct mm *mm, u64 start, u64 end, enum madvice advice)
{
	bool is_zap = advice == MADV_DONTNEED;
	struct mmu_gather g;

	if (is_zap)
		lru_drain_zap();
	else
		lru_drain();
	if (advice == MADV_COLD || advice == MADV_PAGEOUT) {
		gather_begin(&g, mm, FLUSH_OLD_CLEAR);
		age_range(&g, start, end, advice == MADV_PAGEOUT);
		gather_end(&g);
		return;
	}
	oracle_discard_begin(mm, start, end);
	gather_begin(&g, mm, is_zap ? FLUSH_DONTNEED : FLUSH_FREE);
	flush_batch_asked(&g.b, start, end);
	if (is_zap)
		zap_range(&g, start, end);
	else
		lazyfree_range(&g, start, end);
	gather_end(&g);
	oracle_discard_end(mm, start, end, is_zap);
}

/* What MADV_FREE lets go can be had from nowhere. */
static bool has_file(struct mm *mm, u64 start, u64 end)
{
	for (struct vma *v = find_vma_above(mm, start); v && v->start < end;
	     v = v->next)
		if (v->file)
			return true;
	return false;
}

static bool has_vma(struct mm *mm, u64 start, u64 end, u32 flags)
{
	for (struct vma *v = find_vma_above(mm, start); v && v->start < end;
	     v = v->next)
		if (v->flags & flags)
			return true;
	return false;
}

static int madvise_range(struct mm *mm, u64 start, u64 end, enum madvice advice)
{
	enum split_what what = advice == MADV_DONTNEED ? SPLIT_MAPPING
						       : SPLIT_PAGE;
	int rc;

	down_read(&mm->mmap_lock);
	/* Huge pages that are covered only in part. */
	rc = split_huge_pmd_at(mm, start, what);
	if (!rc)
		rc = split_huge_pmd_at(mm, end, what);
	if (!rc && advice == MADV_FREE && has_file(mm, start, end))
		rc = -EINVAL;
	if (!rc && has_vma(mm, start, end, VM_LOCKED | VM_HUGETLB))
		rc = -EINVAL;
	for (struct vma *v = find_vma_above(mm, start); v && v->start < end && !rc;
	     v = v->next)
		advise(mm, v->start > start ? v->start : start,
		       v->end < end ? v->end : end, advice);
	up_read(&mm->mmap_lock);
	return rc;
}

int do_madvise(struct mm *mm, u64 start, u64 nr_pages, enum madvice advice)
{
	enum cycle_cat cat = cat_enter(CYC_KERNEL);
	u64 obs = syscall_enter();
	int rc;

	if (advice != MADV_PAGEOUT)     /* it may sleep */
		flush_call_begin(mm);
	rc = madvise_range(mm, start, start + nr_pages, advice);
	flush_call_end();
	cat_leave(cat);
	return syscall_leave(obs, rc);
}

int do_process_madvise(struct mm *mm, u64 vec, enum madvice advice)
{
	enum cycle_cat cat = cat_enter(CYC_KERNEL);
	u64 obs = syscall_enter(), start = 0;
	int rc;

	flush_call_begin(mm);
	flush_uaccess_begin();
	rc = cpu_access(vec, 0, false, &start);
	flush_uaccess_end(mm);
	if (!rc)
		rc = madvise_range(mm, start, start + 1, advice);
	flush_call_end();
	cat_leave(cat);
	return syscall_leave(obs, rc);
}
