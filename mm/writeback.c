/* Writing dirty pages of files back: who can still store to a page must be
 * noticed when he does. Reads next to folio_mkclean() in mm/rmap.c,
 * write_cache_pages() in mm/page-writeback.c. */
#include <errno.h>

#include "mm/file.h"
#include "mm/flush.h"
#include "mm/oracle.h"
#include "mm/rmap.h"

static void mkclean_one(struct page *page, struct vma *vma, u64 vpn, u32 level,
			u64 *p, void *arg)
{
	u64 e = pte_load(p);

	if (!(vma->flags & VM_SHARED) || !rmap_maps(e, page) ||
	    !(e & (PTE_RW | PTE_D)))
		return;
	e = ptep_clear_flush(vma->mm, vpn, level, p, 0, FLUSH_DIRTY_CLEAR);
	pte_store(vma->mm->root, vpn, level, p, e & ~(PTE_RW | PTE_D));
	NOTE("PTE[%llu] := clean", (unsigned long long)vpn);
	++*(u32 *)arg;
}

/* Without a lock: who unmaps the page has flushed by the time it counts as
 * unmapped, or this goes wrong (5df397dec7c4). */
bool page_mkclean(struct page *page)
{
	u32 cleaned = 0;

	if (!kern()->mkclean_walks && !READ_ONCE(page->mapcount))
		return false;
	rmap_walk(page, mkclean_one, &cleaned);
	observe(cleaned);
	return cleaned;
}

/* Pages that are tagged; who is tagged behind the scan's back comes next time. */
static u64 write_tagged(struct address_space *f, u64 index)
{
	struct page *page = find_get_page(f, index);
	u64 n = 0;

	if (!page)
		return 0;
	lock_page(page);
	touch(&page->mapping, false);
	touch_flags(page, false);
	observe(page->mapping == f && page->is_dirty);
	if (page->mapping == f && page->is_dirty) {
		write_page(page);
		n = 1;
	}
	unlock_page(page);
	put_page(page);
	return n;
}

u64 filemap_write_and_wait(struct address_space *f, u64 first, u64 nr)
{
	u64 end = first + nr, n = 0;

	if (end > f->max_pages)
		end = f->max_pages;
	for (u64 i = first; i < end; ) {
		u64 word = READ_ONCE(f->dirty[i / 64]) >> i % 64;

		if (!word) {
			i = (i | 63) + 1;
			continue;
		}
		i += (u64)__builtin_ctzll(word);
		if (i < end)
			n += write_tagged(f, i++);
	}
	if (n && !(f->flags & FILE_DAX))
		charge(cost_of(COST_FILE_SYNC));
	return n;
}

int do_fdatasync(struct address_space *f)
{
	enum cycle_cat cat = cat_enter(CYC_KERNEL);
	u64 obs = syscall_enter();

	filemap_write_and_wait(f, 0, f->max_pages);
	cat_leave(cat);
	return syscall_leave(obs, 0);
}

int do_msync(struct mm *mm, u64 start, u64 nr_pages)
{
	enum cycle_cat cat = cat_enter(CYC_KERNEL);
	u64 obs = syscall_enter(), end = start + nr_pages;

	flush_call_begin(mm);
	down_read(&mm->mmap_lock);
	for (struct vma *v = find_vma_above(mm, start); v && v->start < end;
	     v = v->next) {
		u64 from = v->start > start ? v->start : start;
		u64 to = v->end < end ? v->end : end;

		if (vma_is_shared(v))
			filemap_write_and_wait(v->file, v->pgoff + (from - v->start),
					       to - from);
	}
	up_read(&mm->mmap_lock);
	flush_call_end();
	cat_leave(cat);
	return syscall_leave(obs, 0);
}
