/* Mappings of files in no order: made by remap_file_pages(), taken apart by
 * reclaim and migration, who cannot tell where in one a page is. */
#include <errno.h>

#include "mm/file.h"
#include "mm/mlock.h"
#include "mm/oracle.h"

/* CLUSTER_SIZE: 32 pages, within one page table. */
#define CLUSTER_PAGES 32u

static u64 linear_index(const struct vma *v, u64 vpn)
{
	return v->pgoff + (vpn - v->start);
}

/* What the entry says once @page is not mapped there any more. */
static u64 entry_of_file(const struct vma *v, u64 vpn, const struct page *page)
{
	return page->index == linear_index(v, vpn)
		? 0 : pte_make(page->index, PTE_FILE);
}

/* Under the page-table lock. */
static void unmap_to(struct vma *v, u64 vpn, u64 *p, u64 e, u64 to,
		     enum flush_op op)
{
	struct page *page = page_of(pte_pfn(e));

	e = ptep_clear_flush(v->mm, vpn, 0, p, to, op);
	NOTE("PTE[%llu] := page %llu of the file", (unsigned long long)vpn,
	     (unsigned long long)page->index);
	if (e & PTE_D)
		set_page_dirty(page);
	touch(&page->mapcount, true);
	page->mapcount--;
	touch(&v->mm->rss, true);
	v->mm->rss--;
	put_page(page);
}

/* ---- the call --------------------------------------------------------------------- */

static void move_to_nonlinear(struct vma *v)
{
	struct address_space *f = v->file;

	if (v->flags & VM_NONLINEAR)
		return;
	vma_unlink_file(v);
	touch(&v->flags, true);
	v->flags |= VM_NONLINEAR;
	vma_link_file(v, f);
	touch(&v->mm->mmap_lock.is_tried, true);
	v->mm->mmap_lock.is_tried = 1;
}

static int set_entry(struct vma *v, u64 vpn, u64 index)
{
	u64 *p = pgtable_alloc(v->mm, vpn, 0), to = pte_make(index, PTE_FILE), e;
	struct spinlock *ptl;

	if (!p)
		return -ENOMEM;
	ptl = pgtable_lock(v->mm, vpn, 0);
	spin_lock(ptl);
	e = pte_load(p);
	if (e & PTE_P)
		unmap_to(v, vpn, p, e, to, FLUSH_MUNMAP);
	else
		pte_store(v->mm->root, vpn, 0, p, to);
	oracle_remapped(v, vpn, index);
	spin_unlock(ptl);
	return 0;
}

static int remap(struct vma *v, u64 start, u64 end, u64 pgoff)
{
	bool was_locked = v->flags & VM_LOCKED;
	int rc = 0;

	if (was_locked)
		munlock_vma_pages(v, start, end);
	move_to_nonlinear(v);
	for (u64 vpn = start; vpn < end && !rc; vpn++)
		rc = set_entry(v, vpn, pgoff + (vpn - start));
	touch(&v->flags, true);
	v->flags |= was_locked ? VM_LOCKED : 0;
	return rc;
}

/* What is on disk must fault when it is stored to (page_mkwrite), which nonlinear
 * entries cannot be made to: Linux maps such pieces anew. */
int do_remap_file_pages(struct mm *mm, u64 start, u64 nr_pages, u64 pgoff)
{
	enum cycle_cat cat = cat_enter(CYC_KERNEL);
	u64 obs = syscall_enter(), end = start + nr_pages;
	int rc = -EINVAL;
	struct vma *v;

	down_write(&mm->mmap_lock);
	v = find_vma(mm, start);
	if (v && end <= v->end && vma_is_shared(v) &&
	    !(v->file->flags & (FILE_DISK | FILE_DEVICE)) &&
	    pgoff + nr_pages <= v->file->nr_pages)
		rc = remap(v, start, end, pgoff);
	up_write(&mm->mmap_lock);
	cat_leave(cat);
	return syscall_leave(obs, rc);
}

/* ---- unmapping -------------------------------------------------------------------- */

/* Under the page-table lock, in a VMA that is locked: a page that reclaim comes by.
 * Only @check is known to be locked. */
static void mlock_neighbour(struct page *page, struct page *check)
{
	enum cluster_lock how = kern()->cluster_lock;

	if (page == check || how == CLUSTER_UNLOCKED) {
		mlock_vma_page(page);
		return;
	}
	touch_flags(page, false);
	observe(page->is_mlocked);
	if (how == CLUSTER_TRIES_UNLESS_MLOCKED && page->is_mlocked)
		return;
	if (how == CLUSTER_WAITS) {
		NOTE("wants the lock of frame %llu",
		     (unsigned long long)pfn_of(page));
		lock_page(page);
	} else if (!trylock_page(page)) {
		NOTE("frame %llu is locked by another: left alone",
		     (unsigned long long)pfn_of(page));
		return;
	}
	mlock_vma_page(page);
	unlock_page(page);
}

/* Return: the VMA is locked, and mmap_lock held so that it stays so. If it cannot
 * be had at once it counts as not locked. */
static bool keep_locked(struct vma *v)
{
	if (!down_read_trylock(&v->mm->mmap_lock))
		return false;
	if (vma_is_locked(v))
		return true;
	up_read(&v->mm->mmap_lock);
	return false;
}

static void unmap_cluster(struct vma *v, u64 vpn, u64 end, struct page *check,
			  enum flush_op op)
{
	bool is_locked = keep_locked(v);
	struct spinlock *ptl = pgtable_lock(v->mm, vpn, 0);

	spin_lock(ptl);
	NOTE("has frame %llu locked: all pages from %llu on%s",
	     (unsigned long long)pfn_of(check), (unsigned long long)vpn,
	     is_locked ? ", which are to stay" : "");
	for (; vpn < end; vpn++) {
		u64 *p = pgtable_entry(v->mm, vpn, 0), e = pte_load(p);
		struct page *page = page_of(pte_pfn(e));

		if (!(e & PTE_P))
			continue;
		if (is_locked) {
			mlock_neighbour(page, check);
		} else if (e & PTE_A) {
			/* In use: next time. */
			pte_modify(v->mm->root, vpn, 0, p, PTE_A, 0);
			flush_tlb_page(v->mm, vpn, FLUSH_OLD_CLEAR);
		} else {
			unmap_to(v, vpn, p, e, entry_of_file(v, vpn, page), op);
		}
	}
	spin_unlock(ptl);
	if (is_locked)
		up_read(&v->mm->mmap_lock);
}

static void unmap_vma(struct vma *v, struct page *page, enum flush_op op)
{
	u64 mask = (hpage_pages() < CLUSTER_PAGES ? hpage_pages()
						  : CLUSTER_PAGES) - 1;

	for (u64 vpn = v->start, next; vpn < v->end; vpn = next) {
		next = (vpn | mask) + 1;
		if (next > v->end)
			next = v->end;
		if (pgtable_entry(v->mm, vpn, 0))
			unmap_cluster(v, vpn, next, page, op);
		if (!READ_ONCE(page->mapcount))
			return;
	}
}

void unmap_nonlinear(struct page *page, enum flush_op op)
{
	struct address_space *f = page->mapping;

	touch(&page->mapping, false);
	if (!f)
		return;
	touch(&f->i_mmap_nonlinear, false);
	observe(f->i_mmap_nonlinear != NULL);
	if (!f->i_mmap_nonlinear || !READ_ONCE(page->mapcount))
		return;
	down_read(&f->i_mmap_rwsem);
	for (struct vma *v = f->i_mmap_nonlinear; v; v = v->next_mapping)
		unmap_vma(v, page, op);
	up_read(&f->i_mmap_rwsem);
}
