/* Faults on files: a page of the cache, or a copy of one. Reads next to
 * do_fault() in mm/memory.c, filemap_map_pages() in mm/filemap.c. */
#include <errno.h>

#include "mm/file.h"
#include "mm/flush.h"
#include "mm/lru.h"
#include "mm/oracle.h"
#include "mm/vmscan.h"

/* fault_around_bytes, 64 KiB. */
#define FAULT_AROUND_PAGES 16u

bool vma_wants_writenotify(const struct vma *v)
{
	return (v->flags & VM_TRACKED) || (v->file->flags & FILE_DISK);
}

static u64 prot_of(const struct vma *v, bool is_write)
{
	u64 f = PTE_P | PTE_US | PTE_A | PTE_NX;

	if (is_write)
		return f | PTE_RW | PTE_D | PTE_SOFT_DIRTY;
	if (vma_is_shared(v) && (v->flags & VM_WRITE) &&
	    !vma_wants_writenotify(v))
		f |= PTE_RW;
	return f;
}

static void count_rss(struct mm *mm)
{
	touch(&mm->rss, true);
	mm->rss++;
}

/* Under the page-table lock; the caller's reference is the mapping's now. */
static void set_pte(struct mm *mm, struct vma *vma, u64 vpn, u64 *p,
		    struct page *page, bool is_write)
{
	u64 prot = prot_of(vma, is_write);

	touch_flags(page, true);
	page->mapcount++;
	count_rss(mm);
	if (prot & PTE_RW) {
		flush_writable(mm, vpn);
		flush_file_changes(vma->file);
	}
	pte_store(mm->root, vpn, 0, p, pte_make(pfn_of(page), prot));
	NOTE("PTE[%llu] := %s, frame %llu of the file", (unsigned long long)vpn,
	     is_write ? "RW" : "clean", (unsigned long long)pfn_of(page));
}

/* The locked @page at @vpn, unless somebody was faster: @e was there. Return: done. */
static bool finish_fault(struct mm *mm, struct vma *vma, u64 vpn, u64 e,
			 struct page *page, bool is_write)
{
	struct spinlock *ptl = pgtable_lock(mm, vpn, 0);
	u64 *p = pgtable_entry(mm, vpn, 0);
	bool is_mine;

	spin_lock(ptl);
	is_mine = pte_load(p) == e;
	if (is_mine)
		set_pte(mm, vma, vpn, p, page, is_write);
	spin_unlock(ptl);
	return is_mine;
}

static u64 index_of(const struct vma *v, u64 vpn)
{
	return v->pgoff + (vpn - v->start);
}

/* ---- loads ----------------------------------------------------------------------------- */

/* Under the page-table lock: the page at @vpn, if it is there and nobody has it
 * locked. What is mapped already is referenced and locked as well, before that is
 * seen: each fault pays for all of its neighbours. */
static void map_cached(struct mm *mm, struct vma *vma, u64 vpn)
{
	struct address_space *f = vma->file;
	struct page *page = is_readahead_mark(f, index_of(vma, vpn))
		? NULL : find_get_page(f, index_of(vma, vpn));
	u64 *p = pgtable_entry(mm, vpn, 0);
	bool is_mine;

	if (!page)
		return;
	if (!trylock_page(page)) {
		put_page(page);
		return;
	}
	touch(&page->mapping, false);
	observe(page->mapping == f);
	is_mine = page->mapping == f && !pte_load(p);
	if (is_mine)
		set_pte(mm, vma, vpn, p, page, false);
	unlock_page(page);
	if (!is_mine)
		put_page(page);
}

/* Neighbours that are in memory are mapped, too. Return: @vpn is. */
static bool do_fault_around(struct mm *mm, struct vma *vma, u64 vpn)
{
	u64 mask = (hpage_pages() < FAULT_AROUND_PAGES ? hpage_pages()
						       : FAULT_AROUND_PAGES) - 1;
	u64 first = vpn & ~mask, end = (vpn | mask) + 1, last;
	struct spinlock *ptl = pgtable_lock(mm, vpn, 0);
	bool is_mapped;

	if (!READ_ONCE(vma->file->cache[index_of(vma, vpn)]))
		return false;
	if (first < vma->start)
		first = vma->start;
	if (end > vma->end)
		end = vma->end;
	last = READ_ONCE(vma->file->nr_pages);
	if (end - vma->start + vma->pgoff > last)
		end = last > vma->pgoff ? last - vma->pgoff + vma->start : first;
	spin_lock(ptl);
	for (u64 v = first; v < end; v++)
		map_cached(mm, vma, v);
	is_mapped = pte_load(pgtable_entry(mm, vpn, 0));
	spin_unlock(ptl);
	return is_mapped;
}

static int do_read_fault(struct mm *mm, struct vma *vma, u64 vpn, u64 index,
			 u64 e)
{
	struct page *page;
	int rc;

	page = find_lock_page(vma->file, index, &rc);
	if (!page)
		return rc;
	if (finish_fault(mm, vma, vpn, e, page, false)) {
		unlock_page(page);
		return 0;
	}
	unlock_page(page);
	put_page(page);
	return 0;
}

/* ---- stores ---------------------------------------------------------------------------- */

/* The file system is told before the entry is writable: the page is dirty, and
 * stays locked until the entry is there, so that write-back does not come in
 * between. */
static int do_shared_fault(struct mm *mm, struct vma *vma, u64 vpn, u64 index,
			   u64 e)
{
	struct page *page;
	bool is_mine;
	int rc;

	page = find_lock_page(vma->file, index, &rc);
	if (!page)
		return rc;
	is_mine = finish_fault(mm, vma, vpn, e, page, true);
	if (is_mine)
		set_page_dirty(page);
	unlock_page(page);
	if (!is_mine)
		put_page(page);
	return 0;
}

static void map_copy(struct mm *mm, struct vma *vma, u64 vpn, u64 *p,
		     struct page *new)
{
	touch(new, true);
	touch(&vma->has_anon, true);
	vma->has_anon = 1;
	new->mapcount = 1;
	new->index = index_of(vma, vpn);
	new->anon_vma = vma->anon_vma;
	lru_add(new);
	count_rss(mm);
	flush_writable(mm, vpn);
	pte_store(mm->root, vpn, 0, p,
		  pte_make(pfn_of(new), prot_of(vma, true)));
	NOTE("PTE[%llu] := frame %llu, a copy of the file's",
	     (unsigned long long)vpn, (unsigned long long)pfn_of(new));
}

static int do_cow_fault(struct mm *mm, struct vma *vma, u64 vpn)
{
	struct spinlock *ptl = pgtable_lock(mm, vpn, 0);
	struct page *new = alloc_page_or_reclaim(), *page;
	u64 *p = pgtable_entry(mm, vpn, 0);
	bool is_mine;
	int rc;

	if (!new)
		return -ENOMEM;
	page = find_lock_page(vma->file, index_of(vma, vpn), &rc);
	if (!page) {
		put_page(new);
		return rc;
	}
	copy_user_page(new, page);
	spin_lock(ptl);
	is_mine = !pte_load(p);
	if (is_mine)
		map_copy(mm, vma, vpn, p, new);
	spin_unlock(ptl);
	unlock_page(page);
	put_page(page);
	if (!is_mine)
		put_page(new);
	return 0;
}

/* Under the page-table lock. Return: it may be made writable. */
static bool make_writable(struct mm *mm, struct vma *vma, u64 vpn, u64 *p,
			  u64 want)
{
	u64 e = pte_load(p);

	if (!(e & PTE_P) || pte_pfn(e) != want)
		return false;
	if (!(e & PTE_RW)) {
		flush_writable(mm, vpn);
		flush_file_changes(vma->file);
		pte_modify(mm->root, vpn, 0, p, 0,
			   PTE_RW | PTE_D | PTE_A | PTE_SOFT_DIRTY);
		flush_tlb_upgraded(mm, vpn);
		NOTE("PTE[%llu] := RW", (unsigned long long)vpn);
	}
	return true;
}

int wp_page_shared(struct mm *mm, struct vma *vma, u64 vpn, u64 *p)
{
	struct spinlock *ptl = pgtable_lock(mm, vpn, 0);
	struct page *page;
	bool ok;
	u64 e;

	spin_lock(ptl);
	e = pte_load(p);
	if (!(e & PTE_P) || (e & PTE_RW)) {
		spin_unlock(ptl);
		return 0;
	}
	if (e & PTE_SPECIAL) {
		make_writable(mm, vma, vpn, p, pte_pfn(e));
		spin_unlock(ptl);
		return 0;
	}
	page = page_of(pte_pfn(e));
	get_page(page);
	spin_unlock(ptl);

	lock_page(page);
	spin_lock(ptl);
	ok = make_writable(mm, vma, vpn, p, pfn_of(page));
	spin_unlock(ptl);
	if (ok)
		set_page_dirty(page);
	unlock_page(page);
	put_page(page);
	return 0;
}

/* ---- a driver's frames ------------------------------------------------------------------ */

static int map_device(struct mm *mm, struct vma *vma, u64 vpn)
{
	struct address_space *f = vma->file;
	struct spinlock *ptl = pgtable_lock(mm, vpn, 0);
	u64 *p = pgtable_entry(mm, vpn, 0);
	int rc = 0;

	spin_lock(ptl);
	touch(&f->cache[index_of(vma, vpn)], false);
	if (!f->cache[index_of(vma, vpn)])
		rc = -EFAULT;
	else if (!pte_load(p))
		pte_store(mm->root, vpn, 0, p,
			  pte_make(f->cache[index_of(vma, vpn)],
				   prot_of(vma, vma->flags & VM_WRITE) |
				   PTE_SPECIAL));
	spin_unlock(ptl);
	return rc;
}

int do_file_fault(struct mm *mm, struct vma *vma, u64 vpn, bool is_write)
{
	if (!pgtable_alloc(mm, vpn, 0))
		return -ENOMEM;
	if (vma->file->flags & FILE_DEVICE)
		return map_device(mm, vma, vpn);
	if (!is_write && kern()->fault_around && !(vma->flags & VM_NONLINEAR) &&
	    do_fault_around(mm, vma, vpn))
		return 0;
	if (!is_write)
		return do_read_fault(mm, vma, vpn, index_of(vma, vpn), 0);
	return vma_is_shared(vma)
		? do_shared_fault(mm, vma, vpn, index_of(vma, vpn), 0)
		: do_cow_fault(mm, vma, vpn);
}

int do_nonlinear_fault(struct mm *mm, struct vma *vma, u64 vpn, u64 e,
		       bool is_write)
{
	return is_write ? do_shared_fault(mm, vma, vpn, pte_pfn(e), e)
			: do_read_fault(mm, vma, vpn, pte_pfn(e), e);
}
