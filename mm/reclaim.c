#include "mm/file.h"
#include "mm/flush.h"
#include "mm/mlock.h"
#include "mm/oracle.h"
#include "mm/reclaim.h"
#include "mm/rmap.h"
#include "mm/swap.h"

/* ---- unmapping ------------------------------------------------------------------------ */

/* Under the page-table lock, the entry is gone. Where its contents are to be
 * found from now on; or, if they are newer than anything saved, back. */
static bool replace_entry(struct page *page, struct vma *vma, u64 vpn, u64 *p,
			  u64 old)
{
	u32 root = vma->mm->root;

	if (!page->is_lazyfree) {
		swap_duplicate(swap_entry(page->swap_slot - 1));
		pte_store(root, vpn, 0, p, swap_entry(page->swap_slot - 1) |
			  (old & PTE_SOFTWARE));
		NOTE("PTE[%llu] := slot %u", (unsigned long long)vpn,
		     page->swap_slot - 1);
		return true;
	}
	if (!page->is_dirty) {
		oracle_dropped_clean(vma->mm, vpn);
		NOTE("PTE[%llu] := NONE, the page is clean",
		     (unsigned long long)vpn);
		return true;
	}
	pte_store(root, vpn, 0, p, old);
	page->is_lazyfree = 0;
	NOTE("PTE[%llu]: dirty, stays", (unsigned long long)vpn);
	return false;
}

static void unmap_one(struct page *page, struct vma *vma, u64 vpn, u32 level,
		      u64 *p, void *arg)
{
	struct mm *mm = vma->mm;
	u64 old = pte_load(p);

	/* A page offered by MADV_FREE was found dirty by an earlier mapping: it
	 * stays, and has no slot. */
	if (!rmap_maps(old, page) ||
	    (!page->is_file && !page->is_lazyfree && !page->swap_slot))
		return;
	if (vma_is_locked(vma)) {
		mlock_if_still(vma, page);
		return;
	}
	if (should_defer_flush(mm)) {
		old = pte_xchg(mm->root, vpn, 0, p, 0);
		oracle_stale_from_now(mm, vpn, 1);
		if (pte_accessible(mm, old) &&
		    !flush_is_put_off(mm, vpn, old, FLUSH_RECLAIM))
			set_tlb_ubc_flush_pending(mm, vpn, old & PTE_D);
	} else {
		old = ptep_clear_flush(mm, vpn, 0, p, 0, FLUSH_RECLAIM);
	}
	touch_flags(page, true);
	if ((old & PTE_D) && page->is_file)
		set_page_dirty(page);
	else if (old & PTE_D)
		page->is_dirty = 1;
	if (!page->is_file && !replace_entry(page, vma, vpn, p, old))
		return;
	touch(&page->mapcount, true);
	page->mapcount--;
	touch(&mm->rss, true);
	mm->rss--;
	atomic_dec(&page->refcount);
}

/* Unmapped by somebody else meanwhile, the page's list may go away. */
void walk_mapped(struct page *page, rmap_visit *visit, void *arg)
{
	struct anon_vma *av;

	if (page->is_file) {
		if (READ_ONCE(page->mapcount))
			rmap_walk(page, visit, arg);
		return;
	}
	av = page_get_anon_vma(page);
	if (!av)
		return;
	rmap_walk(page, visit, arg);
	put_anon_vma(av);
}

/* ---- one page ------------------------------------------------------------------------ */

/* A MADV_FREE page that nobody maps, refers to, or has written to since. */
static bool drop_lazyfree(struct page *page)
{
	bool ok = page_ref_freeze(page, 1);

	touch_flags(page, false);
	observe(page->is_dirty);
	if (!ok)
		return false;
	page_ref_unfreeze(page, 1);
	COUNT(PGLAZYFREED, !page->is_dirty);
	return !page->is_dirty;
}

/* The same of a file's page: the disk has it, or is given it now. */
static bool shrink_file(struct page *page)
{
	touch(&page->mapping, false);
	observe(page->mapping != NULL);
	if (!page->mapping)
		return false;
	touch_flags(page, false);
	observe(page->is_mlocked);
	if (page->is_mlocked)
		return false;
	walk_mapped(page, unmap_one, NULL);
	unmap_nonlinear(page, FLUSH_RECLAIM);
	if (READ_ONCE(page->mapcount) || !(page->mapping->flags & FILE_DISK))
		return false;
	touch_flags(page, false);
	observe(page->is_dirty);
	if (page->is_dirty) {
		try_to_unmap_flush_dirty();
		write_page(page);
	}
	return remove_mapping(page);
}

enum fate { KEPT, FREED_AFTER_FLUSH, WRITTEN_AFTER_FLUSH };

/* Locked and isolated. */
static enum fate shrink_locked(struct page *page)
{
	if (page->is_file)
		return shrink_file(page) ? FREED_AFTER_FLUSH : KEPT;

	touch_flags(page, false);
	touch(&page->swap_slot, false);
	observe(page->is_lazyfree | (u64)page->swap_slot << 1 |
		(u64)page->is_mlocked << 63);
	if (page->is_mlocked)
		return KEPT;
	if (!page->is_lazyfree && !page->swap_slot && !add_to_swap(page))
		return KEPT;
	walk_mapped(page, unmap_one, NULL);
	if (READ_ONCE(page->mapcount))
		return KEPT;
	if (page->is_lazyfree)
		return drop_lazyfree(page) ? FREED_AFTER_FLUSH : KEPT;
	if (pageout_put_off(page))
		return WRITTEN_AFTER_FLUSH;
	return pageout_locked(page) ? FREED_AFTER_FLUSH : KEPT;
}

/* *@is_urgent: entries were cleared whose flush cannot wait. */
static enum fate shrink_one(struct page *page, bool *is_urgent)
{
	u32 noted = batch_noted();
	enum fate fate;

	if (!trylock_page(page))
		return KEPT;
	fate = shrink_locked(page);
	unlock_page(page);
	*is_urgent |= fate != WRITTEN_AFTER_FLUSH && batch_noted() != noted;
	return fate;
}

u32 shrink_pages(struct page **page, u32 n)
{
	struct page **gone = page, *later[RECLAIM_BATCH];
	u32 nr_gone = 0, nr_later = 0, freed = 0;
	bool is_urgent = false;

	(void)pageout_ready(false);
	for (u32 i = 0; i < n; i++) {
		struct page *p = page[i];

		switch (shrink_one(p, &is_urgent)) {
		case KEPT:
			putback_lru_page(p);
			break;
		case FREED_AFTER_FLUSH:
			gone[nr_gone++] = p;
			break;
		case WRITTEN_AFTER_FLUSH:
			later[nr_later++] = p;
			if (nr_later < RECLAIM_BATCH)
				break;
			freed += pageout_later(later, nr_later, is_urgent);
			nr_later = 0;
		}
	}
	freed += pageout_later(later, nr_later, is_urgent);
	try_to_unmap_flush();
	swap_wait_written();
	for (u32 i = 0; i < nr_gone; i++)
		put_page(gone[i]);
	return freed + nr_gone;
}

u32 reclaim_frames(const u64 *pfn, u32 n)
{
	struct page *page[RECLAIM_BATCH];

	return shrink_pages(page, isolate_frames(pfn, n, page));
}
