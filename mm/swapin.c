/* Faults on swap entries. Reads next to do_swap_page() in mm/memory.c. */
#include <errno.h>

#include "mm/flush.h"
#include "mm/lru.h"
#include "mm/mm.h"
#include "mm/oracle.h"
#include "mm/reclaim.h"
#include "mm/swap.h"
#include "mm/vmscan.h"

/* Read the slot into a page of the cache. Locked and referenced. NULL: try
 * again; or out of memory, *@rc says. */
static struct page *read_swap_cache(u64 e, int *rc)
{
	struct page *page = alloc_page_or_reclaim();

	if (!page) {
		*rc = -ENOMEM;
		return NULL;
	}
	(void)trylock_page(page);
	if (!add_to_swap_cache(page, e)) {
		unlock_page(page);
		put_page(page);
		return NULL;
	}
	swap_readpage(page, e);
	lru_add(page);
	return page;
}

/* What was looked up without a lock, and is locked now, may have left the cache
 * (4969c1192d15), and come back for another slot (31c4a3d3a0f8, assumed id). */
static bool is_still(struct page *page, u64 e)
{
	touch(&page->swap_slot, false);
	observe(page->swap_slot);
	switch (kern()->swapin_recheck) {
	case RECHECK_NONE:
		return true;
	case RECHECK_CACHED:
		return page->swap_slot;
	case RECHECK_SLOT:
		return page->swap_slot == pte_pfn(e) + 1;
	}
	return true;
}

static u64 prot_of(const struct vma *vma, u64 e, bool is_mine)
{
	u64 f = PTE_US | PTE_A | PTE_NX | (e & PTE_SOFTWARE);

	f |= vma->flags & (VM_READ | VM_WRITE) ? PTE_P : PTE_NUMA;
	if (is_mine && (vma->flags & VM_WRITE) && !(e & PTE_UFFD_WP))
		f |= PTE_RW | PTE_D | PTE_SOFT_DIRTY;
	return f;
}

/* Under both locks, the entry is still @e. */
static void map_page(struct mm *mm, struct vma *vma, u64 vpn, u64 *p, u64 e,
		     struct page *page, bool is_write)
{
	bool leaves = is_write || mms()->swap->is_zram;
	bool is_free = leaves && reuse_swap_page(page);
	bool is_mine = is_write && is_free;

	if (pageout_marks()) {
		touch_flags(page, false);
		observe(page->is_unflushed);
		if (page->is_unflushed && kern()->swapin_flushes)
			flush_tlb_range(mm, vpn, vpn + 1, 0, FLUSH_DEBT);
	}
	touch(&page->index, true);
	touch(&page->anon_vma, true);
	/* Somebody else's page stays under the anon_vma that both have. */
	if (!page->anon_vma) {
		page->anon_vma = is_mine ? vma->anon_vma : vma->anon_vma->root;
		page->index = vma->pgoff + (vpn - vma->start);
	}
	get_page(page);
	touch_flags(page, true);
	page->mapcount++;
	page->is_shared = !is_mine;
	touch(&mm->rss, true);
	mm->rss++;
	if (is_mine)
		flush_writable(mm, vpn);
	pte_store(mm->root, vpn, 0, p, pte_make(pfn_of(page),
						prot_of(vma, e, is_mine)));
	NOTE("PTE[%llu] := %s, frame %llu from swap", (unsigned long long)vpn,
	     is_mine ? "RW" : "RO", (unsigned long long)pfn_of(page));
	swap_free(e);
}

int do_swap_page(struct mm *mm, struct vma *vma, u64 vpn, u64 *p, u64 e,
		 bool is_write)
{
	struct spinlock *ptl = pgtable_lock(mm, vpn, 0);
	struct page *page = lookup_swap_cache(e);
	int rc = 0;

	if (page)
		lock_page(page);
	else
		page = read_swap_cache(e, &rc);
	if (!page)
		return rc;
	if (is_still(page, e)) {
		spin_lock(ptl);
		if (pte_load(p) == e)
			map_page(mm, vma, vpn, p, e, page, is_write);
		spin_unlock(ptl);
	}
	unlock_page(page);
	put_page(page);
	return 0;
}
