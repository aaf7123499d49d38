/* Pages shared since a fork: whoever writes gets a copy, the last one keeps
 * the page. Reads next to do_wp_page() in mm/memory.c. */
#include <errno.h>

#include "mm/flush.h"
#include "mm/lru.h"
#include "mm/mlock.h"
#include "mm/mm.h"
#include "mm/oracle.h"
#include "mm/pieces.h"
#include "mm/vmscan.h"
#include "mm/swap.h"

/* Nobody else maps it, and no swap entry names it. Until 5.8 that is enough;
 * then nobody may have a reference, either (09854ba94c6a); unless it is known since
 * 5.19 that the page was never shared (6c287605fd56, assumed id). A page of the swap
 * cache must be locked: if somebody else has it locked, a copy will do (2.6.36
 * waited for him). */
static bool is_mine(struct page *page, u32 level)
{
	bool ok = true;

	touch(&page->swap_slot, false);
	touch_flags(page, false);
	observe(page->swap_slot | (u64)page->is_ksm << 32 |
		(u64)page->is_shared << 33 | (u64)page->is_file << 34);
	if (page->is_ksm || page->is_file)
		return false;
	if (kern()->cow_knows_exclusive && !page->is_shared)
		return true;
	if (page->swap_slot) {
		if (!trylock_page(page))
			return false;
		ok = reuse_swap_page(page);
		unlock_page(page);
	}
	return ok && page_mapcount_read(page, level) == 1 &&
	       (!kern()->cow_counts_refs ||
		READ_ONCE(compound_head(page)->refcount) == 1);
}

/* Under the page-table lock. Nobody else may be given what this one writes;
 * more rights need no flush on x86. */
static bool reuse(struct mm *mm, u64 vpn, u32 level, u64 *p, struct page *page)
{
	if (!is_mine(page, level))
		return false;
	touch_flags(page, true);
	page->is_shared = 0;
	flush_writable(mm, vpn);
	pte_modify(mm->root, vpn, level, p, 0,
		   PTE_RW | PTE_D | PTE_A | PTE_SOFT_DIRTY);
	flush_tlb_upgraded(mm, vpn);
	NOTE("%s[%llu] := RW, the only mapping", level ? "PMD" : "PTE",
	     (unsigned long long)vpn);
	return true;
}

/* Under the page-table lock, @old still mapped (NULL: the zero page): put @new in its place. The
 * entry goes through nothing, so that two CPUs never see two pages. */
static void install_copy(struct mm *mm, struct vma *vma, u64 vpn, u32 level,
			 u64 *p, struct page *old, struct page *new)
{
	u32 order = paging_order(&the_sys->mem.paging, level);

	touch(new, true);
	new->mapcount = 1;
	new->index = vma->pgoff + (vpn - vma->start);
	new->anon_vma = vma->anon_vma;
	if (vma->file) {
		touch(&vma->has_anon, true);
		vma->has_anon = 1;
	}
	flush_revoked(mm, vpn, level,
		      pte_xchg(mm->root, vpn, level, p, 0));
	oracle_stale_from_now(mm, vpn, 1ull << order);
	if (kern()->cow_flushes) {
		if (level)
			flush_tlb_huge(mm, vpn, FLUSH_COW);
		else
			flush_tlb_page(mm, vpn, FLUSH_COW);
	}
	pte_store(mm->root, vpn, level, p,
		  pte_make(pfn_of(new), PTE_P | PTE_RW | PTE_US | PTE_A |
			   PTE_D | PTE_SOFT_DIRTY | PTE_NX |
			   (level ? PTE_PS : 0)));
	NOTE("%s[%llu] := frame %llu, a copy", level ? "PMD" : "PTE",
	     (unsigned long long)vpn, (unsigned long long)pfn_of(new));
	if (kern()->cow_flushes)
		flush_cow_installed(mm, vpn, level);
	touch(new, true);
	lru_add(new);
	if (!old) {
		touch(&mm->rss, true);
		mm->rss++;
		return;
	}
	page_unmapped(old, level);
}

/* NULL: of the zero page. */
static struct page *alloc_copy(struct page *old, u32 order)
{
	struct page *new = alloc_user_page(order, ANY_VPN);

	if (!new && !order)
		new = alloc_page_or_reclaim();
	if (new && old)
		copy_user_page(new, old);
	else if (new)
		zero_page(new);
	return new;
}

/* Mappings of a huge page are counted while none is split (cow_locks_huge): under
 * its lock, which comes before the page-table lock @ptl. Return: locked, or there
 * is no need, and *@p still is @e; else nothing is locked but @ptl. */
static bool lock_to_count(struct page *page, u32 level, struct spinlock *ptl,
			  u64 *p, u64 e)
{
	bool is_same;

	if (!kern()->cow_locks_huge || (!level && !is_piece(page)) ||
	    trylock_page(page))
		return true;
	get_page(page);
	spin_unlock(ptl);
	lock_page(page);
	spin_lock(ptl);
	is_same = pte_load(p) == e;
	if (!is_same)
		unlock_page(page);
	put_page(page);
	return is_same;
}

static void unlock_counted(struct page *page, u32 level)
{
	if (kern()->cow_locks_huge && (level || is_piece(page)))
		unlock_page(page);
}

int do_wp_page(struct mm *mm, struct vma *vma, u64 vpn, u32 level, u64 *p)
{
	u32 order = paging_order(&the_sys->mem.paging, level);
	struct spinlock *ptl = pgtable_lock(mm, vpn, level);
	struct page *old, *new;
	bool is_reused, splits;
	u64 e;

	vpn &= ~tlb_order_mask((u8)order);
	spin_lock(ptl);
	e = pte_load(p);
	if (!(e & PTE_P) || (e & (PTE_RW | PTE_UFFD_WP))) {
		spin_unlock(ptl);
		return 0;
	}
	/* Somebody took the right to write, and goes on to flush it: others
	 * may write to @old until then (6ce64428d620). */
	if ((vma->flags & VM_UFFD_WP) && kern()->wp_checks_pending &&
	    mm_tlb_flush_pending(mm))
		flush_tlb_page(mm, vpn, FLUSH_DEBT);
	old = e & PTE_SPECIAL ? NULL : page_of(pte_pfn(e));
	if (old && !lock_to_count(old, level, ptl, p, e)) {
		spin_unlock(ptl);
		return 0;
	}
	is_reused = old && reuse(mm, vpn, level, p, old);
	splits = level && !is_reused && kern()->cow_splits_huge;
	if (old) {
		unlock_counted(old, level);
		if (!is_reused && !splits)
			get_page(old);
	}
	spin_unlock(ptl);
	if (is_reused)
		return 0;
	if (splits) {
		int rc = split_huge_pmd_at(mm, vpn + 1, SPLIT_MAPPING);

		return rc ? rc : FAULT_FALLBACK;
	}

	new = alloc_copy(old, order);
	if (!new) {
		if (old)
			put_page(old);
		return -ENOMEM;
	}
	spin_lock(ptl);
	if (pte_load(p) == e) {
		if ((vma->flags & VM_LOCKED) && !level)
			mlock_new_page(new);
		install_copy(mm, vma, vpn, level, p, old, new);
		spin_unlock(ptl);
		if (old && (vma->flags & VM_LOCKED) && !level) {
			/* The lock keeps migration away. */
			lock_page(old);
			munlock_vma_page(old);
			unlock_page(old);
		}
		if (old)
			put_page(old);  /* the mapping's */
	} else {
		spin_unlock(ptl);
		put_page(new);
	}
	if (old)
		put_page(old);
	return 0;
}
