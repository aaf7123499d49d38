/* Page faults: first touch (4K or huge), spurious, NUMA hints, migration. */
#include <errno.h>
#include <stddef.h>

#include "mm/file.h"
#include "mm/flush.h"
#include "mm/hugetlb.h"
#include "mm/lru.h"
#include "mm/mlock.h"
#include "mm/mm.h"
#include "mm/mthp.h"
#include "mm/numa_balancing.h"
#include "mm/oracle.h"
#include "mm/pieces.h"
#include "mm/vmscan.h"
#include "mm/rmap.h"
#include "mm/vma.h"

/* The bits of a page mapped with the VMA's rights for a store or a load. */
static u64 prot_of(const struct vma *vma, bool is_write)
{
	u64 f = PTE_P | PTE_US | PTE_A | PTE_NX;

	if ((vma->flags & VM_WRITE) && (is_write || !(vma->flags & VM_TRACKED)))
		f |= PTE_RW;
	return is_write ? f | PTE_D | PTE_SOFT_DIRTY : f;
}

/* An entry each, and a reference for each; nobody else knows of @page yet. */
static void map_pieces(struct page *page)
{
	pieces_begin(page);
	page->refcount = 1u << page->order;
	for (u64 i = 0; i < folio_pages(page); i++)
		page_mapped(page + i, 0);
}

static void map_new(struct mm *mm, struct vma *vma, struct page *page, u64 vpn)
{
	touch(page, true);
	page->mapcount = has_one_entry(page);
	page->index = vma->pgoff + (vpn - vma->start);
	page->anon_vma = vma->anon_vma;
	if (!has_one_entry(page))
		map_pieces(page);
	lru_add(page);
	if ((vma->flags & VM_LOCKED) && !page->order)
		mlock_new_page(page);
	touch(&mm->rss, true);
	mm->rss += 1ull << page->order;
}

static bool huge_fits(const struct vma *vma, u64 vpn)
{
	u64 head = vpn & ~(hpage_pages() - 1);

	return mms()->thp_enabled && (vma->flags & VM_HUGE) && !vma->file &&
	       head >= vma->start && head + hpage_pages() <= vma->end;
}

/* Of all address spaces. 0: no memory. */
static u32 zero_pfn(void)
{
	struct mm_state *s = mms();

	if (!s->zero_pfn) {
		struct page *page = alloc_page(this_cpu->node, 0);

		if (page && !s->zero_pfn)
			s->zero_pfn = (u32)pfn_of(page);
		else if (page)
			put_page(page);
	}
	return s->zero_pfn;
}

/* A load, and nobody has stored: the page of zeros, read-only. Return: 0,
 * -ENOMEM. */
static int map_zero_page(struct mm *mm, struct vma *vma, u64 vpn)
{
	u64 *p = pgtable_alloc(mm, vpn, 0), pfn = zero_pfn();
	struct spinlock *ptl;

	if (!p || !pfn)
		return -ENOMEM;
	ptl = pgtable_lock(mm, vpn, 0);
	spin_lock(ptl);
	if (!pte_load(p))
		pte_store(mm->root, vpn, 0, p,
			  pte_make(pfn, (prot_of(vma, false) & ~PTE_RW) |
				   PTE_SPECIAL));
	spin_unlock(ptl);
	return 0;
}

static bool are_none(u64 *p, u64 nr)
{
	for (u64 i = 0; i < nr; i++)
		if (pte_load(&p[i]))
			return false;
	return true;
}

static void map_entry(struct mm *mm, struct vma *vma, struct page *page, u64 vpn,
		      u32 level, u64 *p, bool is_write)
{
	u64 e;

	if (vma->flags & VM_WRITE)
		flush_writable(mm, vpn);
	e = pte_make(pfn_of(page), prot_of(vma, is_write) | (level ? PTE_PS : 0));
	pte_store(mm->root, vpn, level, p, flush_mapping(mm, vpn, level, e));
	flush_mapped(mm, vpn, level, e);
}

/* The frame of the table whose lock @ptl is. */
static u64 table_of(struct spinlock *ptl)
{
	char *page = (char *)ptl - offsetof(struct page, ptl);

	return pfn_of((struct page *)(void *)page);
}

/* Map a fresh page of @order at the entries of @level for @vpn, unless somebody was
 * faster. Return: 0, -ENOMEM. */
static int map_anonymous(struct mm *mm, struct vma *vma, u64 vpn, u32 level,
			 u32 order, bool is_write)
{
	u64 first = vpn & ~tlb_order_mask((u8)order), *p, nr;
	struct spinlock *ptl;
	struct page *page;
	bool is_mine;

	p = pgtable_alloc(mm, first, level);
	if (!p)
		return -ENOMEM;
	page = alloc_user_page(order, mm == current()->mm ? vpn : ANY_VPN);
	if (!page && !order)
		page = alloc_page_or_reclaim();
	if (!page)
		return -ENOMEM;
	zero_page(page);
	nr = level ? 1 : folio_pages(page);
	ptl = pgtable_lock(mm, first, level);
	spin_lock(ptl);
	is_mine = are_none(p, nr);
	if (is_mine) {
		map_new(mm, vma, page, first);
		for (u64 i = 0; i < nr; i++)
			map_entry(mm, vma, page + i, first + i, level, p + i,
				  is_write);
		if (vma->flags & VM_GROWSDOWN)
			oracle_walks(table_of(ptl));
	}
	spin_unlock(ptl);
	if (!is_mine) {
		put_page(page);
		return 0;
	}
	COUNT(THP_FAULT_ALLOC, order && level);
	COUNT(ANON_FAULT_ALLOC, order && !level);
	return 0;
}

/* The largest page that there is for the place. */
static int do_anonymous_page(struct mm *mm, struct vma *vma, u64 vpn,
			     bool is_write)
{
	u32 order = hpage_order();

	while ((order = mthp_order(mm, vma, vpn, order))) {
		int rc = map_anonymous(mm, vma, vpn, 0, order, is_write);

		COUNT(ANON_FAULT_FALLBACK, !!rc);
		if (!rc)
			return 0;
	}
	return map_anonymous(mm, vma, vpn, 0, 0, is_write);
}

/* A migration entry: wait until the page is unlocked, then retry. Met when it is
 * unlocked already, the kernel stops itself (BUG): the program ends here. */
static int migration_entry_wait(struct mm *mm, struct vma *vma, u64 vpn,
				u32 level, u64 *p)
{
	struct spinlock *ptl = pgtable_lock(mm, vpn, level);
	struct page *page;
	u64 e;

	spin_lock(ptl);
	e = pte_load(p);
	if (!(e & PTE_MIG)) {
		spin_unlock(ptl);
		return 0;
	}
	page = compound_head(page_of(pte_pfn(e)));
	touch(&page->lock, false);
	if (!page->lock && kern()->fault_repairs) {
		remove_migration_pte(page, vma, vpn, level, p, page);
		spin_unlock(ptl);
		return 0;
	}
	if (!page->lock) {
		COUNT(STRAY_MIGRATION_ENTRIES, 1);
		oracle_migration_entry(page);
		spin_unlock(ptl);
		return -EFAULT;
	}
	spin_unlock(ptl);
	NOTE("wait for migration of frame %llu",
	     (unsigned long long)pfn_of(page));
	wait_on_page_locked(page);
	return 0;
}

/* Present, and yet it faulted: another CPU was faster, the TLB had something
 * older, or the page may be shared with a child. */
static int do_present(struct mm *mm, struct vma *vma, u64 vpn, u32 level,
		      u64 *p, u64 e, bool is_write)
{
	if (!is_write || (e & PTE_RW)) {
		fix_spurious_fault(mm, vpn, level, p, is_write);
		return 0;
	}
	/* UFFD_FEATURE_SIGBUS: the program hears of it at once. */
	if (!(vma->flags & VM_WRITE) || (e & PTE_UFFD_WP))
		return -EFAULT;
	return vma_is_shared(vma) ? wp_page_shared(mm, vma, vpn, p)
				  : do_wp_page(mm, vma, vpn, level, p);
}

static int fault_at(struct mm *mm, struct vma *vma, u64 vpn, u32 level, u64 *p,
		    u64 e, bool is_write)
{
	int rc;

	if (e & PTE_P)
		return do_present(mm, vma, vpn, level, p, e, is_write);
	if (e & PTE_NUMA) {
		if (!(vma->flags & (VM_READ | VM_WRITE)))
			return -EFAULT;
		rc = level ? do_huge_pmd_numa_page(mm, vma, vpn, p, e)
			   : do_numa_page(mm, vma, vpn, p, e);
		if (numab()) {
			numa_vma_accessed(vma);
			numa_fault_done();
		}
		return rc;
	}
	if (e & PTE_MIG)
		return migration_entry_wait(mm, vma, vpn, level, p);
	if (e & PTE_SWAP)
		return do_swap_page(mm, vma, vpn, p, e, is_write);
	if (e & PTE_FILE)
		return do_nonlinear_fault(mm, vma, vpn, e, is_write);
	if (e) {                /* print_bad_pte() */
		oracle_bad_entry(vpn, e);
		return -EFAULT;
	}
	if (vma->file)
		return do_file_fault(mm, vma, vpn, is_write);
	if (!is_write && !level && mms()->has_zero_page)
		return map_zero_page(mm, vma, vpn);
	return do_anonymous_page(mm, vma, vpn, is_write);
}

int handle_fault_locked(struct mm *mm, u64 vpn, bool is_write)
{
	struct vma *vma = find_vma_above(mm, vpn);
	u64 *p, e;

	/* It may be growing. */
	if (vma && (vma->flags & VM_GROWSDOWN)) {
		touch(&vma->start, false);
		observe(vma->start);
	}
	if (!vma || vpn < vma->start ||
	    !(vma->flags & (is_write ? VM_WRITE : VM_READ)))
		return -EFAULT;
	p = pgtable_entry(mm, vpn, PMD_LEVEL);
	e = p ? pte_load(p) : 0;
	if (pmd_is_huge(e)) {
		int rc = fault_at(mm, vma, vpn, PMD_LEVEL, p, e, is_write);

		if (rc != FAULT_FALLBACK)
			return rc;
		e = pte_load(p);
	}
	if (vma->flags & VM_HUGETLB)
		return hugetlb_fault(mm, vma, vpn);
	if (!e && huge_fits(vma, vpn)) {
		if (!map_anonymous(mm, vma, vpn, PMD_LEVEL, hpage_order(), is_write))
			return 0;
		COUNT(THP_FAULT_FALLBACK, 1);
	}
	p = pgtable_entry(mm, vpn, 0);
	e = p ? pte_load(p) : 0;
	return fault_at(mm, vma, vpn, 0, p, e, is_write);
}

/* down_read_trylock() of a VMA's lock, as of 6.4 to 6.14: a cmpxchg that expects it
 * unlocked, without a look before; if others have it, one more that expects what
 * the first one found, before the line is taken away (assumed). The owner is in
 * the count's line, the lock being an object of its own. vm_refcnt of 6.15 is read
 * first, not modelled. Source: Linux 6.1 kernel/locking/rwsem.c,
 * __down_read_trylock. */
static void count_fault(struct vma *vma)
{
	if (atomic_add_return(&vma->nr_faults, 1) != 1)
		charge(cost_of(COST_LOCK));
}

/* lock_vma_under_rcu: its own lock in place of mmap_lock, which matters for the
 * lines alone: who takes mmap_lock for writing waits for all faults (Linux: for those
 * of the VMAs it changes). mm_lock_seq, next to mmap_lock, is read before and after.
 * Return: got it. */
static struct vma *lock_vma(struct mm *mm, u64 vpn)
{
	struct vma *vma;

	if (!kern()->fault_locks_vma || the_sys->is_explored)
		return NULL;
	vma = find_vma(mm, vpn);
	if (!vma)
		return NULL;
	touch(&mm->mmap_lock, false);
	count_fault(vma);
	touch(&mm->mmap_lock, false);
	if (mm->mmap_lock.writer) {
		(void)atomic_add_return(&vma->nr_faults, -1);
		return NULL;
	}
	mm->mmap_lock.readers++;
	return vma;
}

static void unlock_vma(struct mm *mm, struct vma *vma)
{
	(void)atomic_add_return(&vma->nr_faults, -1);
	if (!--mm->mmap_lock.readers)
		the_sys->drv.wake(&mm->mmap_lock);
}

/* Nothing is at @vpn, but a stack above it. Return: it is now; mmap_lock, which is
 * held for reading, may have been dropped. */
static bool grow_stack(struct mm *mm, u64 vpn)
{
	bool has_grown;

	if (!is_below_stack(mm, vpn))
		return false;
	if (!kern()->stack_grows_locked) {
		expand_stack(mm, vpn);
		return true;
	}
	up_read(&mm->mmap_lock);
	down_write(&mm->mmap_lock);
	has_grown = find_vma(mm, vpn);
	if (!has_grown && is_below_stack(mm, vpn)) {
		expand_stack(mm, vpn);
		has_grown = true;
	}
	downgrade_write(&mm->mmap_lock);
	return has_grown;
}

static int fault_in_mm(struct mm *mm, u64 vpn, bool is_write)
{
	struct vma *vma = lock_vma(mm, vpn);
	int rc;

	if (!vma)
		down_read(&mm->mmap_lock);
	rc = handle_fault_locked(mm, vpn, is_write);
	if (rc == -EFAULT && grow_stack(mm, vpn))
		rc = handle_fault_locked(mm, vpn, is_write);
	if (!rc)
		update_mmu_cache(vpn);
	if (vma)
		unlock_vma(mm, vma);
	else
		up_read(&mm->mmap_lock);
	COUNT(PGFAULT, 1);
	return rc;
}

int handle_mm_fault(u64 vpn, bool is_write)
{
	return fault_in_mm(current()->mm, vpn, is_write);
}

/* What maps it may be gone again by the time it is looked at. */
struct page *fault_in_page(struct mm *mm, u64 vpn)
{
	struct page *page = NULL;

	do {
		struct spinlock *ptl;
		u64 e;

		if (fault_in_mm(mm, vpn, true))
			return NULL;
		ptl = pgtable_lock(mm, vpn, 0);
		spin_lock(ptl);
		e = pte_load(pgtable_entry(mm, vpn, 0));
		if ((e & (PTE_P | PTE_RW)) == (PTE_P | PTE_RW)) {
			page = page_of(pte_pfn(e));
			get_page(page);
		}
		spin_unlock(ptl);
	} while (!page);
	return page;
}
