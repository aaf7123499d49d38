/* Taking pages of a file away from all who map them. Reads next to
 * unmap_mapping_range() in mm/memory.c, mm/truncate.c. */
#include <errno.h>

#include "mm/file.h"
#include "mm/gather.h"
#include "mm/lru.h"
#include "mm/oracle.h"

/* The part of @v that maps [@first, @end). */
static void zap_vma(struct vma *v, u64 first, u64 end, bool even_cows)
{
	u64 from = v->pgoff, to = v->pgoff + (v->end - v->start);
	struct mmu_gather g;

	touch(&v->end, false);
	if (from < first)
		from = first;
	if (to > end)
		to = end;
	if (from >= to)
		return;
	from = from - v->pgoff + v->start;
	to = to - v->pgoff + v->start;
	lru_drain_zap();
	gather_begin(&g, v->mm, FLUSH_DONTNEED);
	g.spares_anon = !even_cows;
	zap_range(&g, from, to);
	gather_end(&g);
}

static void zap_nonlinear(struct vma *v, u64 first, u64 nr)
{
	struct mmu_gather g;

	touch(&v->end, false);
	gather_begin(&g, v->mm, FLUSH_DONTNEED);
	g.first_index = first;
	g.nr_index = nr;
	g.linear = v->pgoff - v->start;
	zap_range(&g, v->start, v->end);
	gather_end(&g);
}

/* No mmap_lock: that the VMA is on the list, and the list locked, keeps its page
 * tables (L2, L3 of docs/model.md). */
void unmap_mapping_range(struct address_space *f, u64 first, u64 nr,
			 bool even_cows)
{
	down_read(&f->i_mmap_rwsem);
	touch(&f->i_mmap, false);
	for (struct vma *v = f->i_mmap; v; v = v->next_mapping)
		zap_vma(v, first, first + nr, even_cows);
	for (struct vma *v = f->i_mmap_nonlinear; v; v = v->next_mapping)
		zap_nonlinear(v, first, nr);
	up_read(&f->i_mmap_rwsem);
}

/* Pages may have been mapped again by who saw the old size. */
static void truncate_page(struct address_space *f, u64 index)
{
	struct page *page = find_get_page(f, index);

	if (!page)
		return;
	lock_page(page);
	touch(&page->mapping, false);
	observe(page->mapping == f);
	if (page->mapping == f) {
		if (READ_ONCE(page->mapcount))
			unmap_mapping_range(f, index, 1, false);
		delete_from_page_cache(page);
	}
	unlock_page(page);
	put_page(page);
}

/* The disk has nothing there any more. */
static void punch(struct address_space *f, u64 index)
{
	u32 n = the_sys->mem.lines_per_frame;

	for (u32 l = 0; l < n; l++) {
		touch(&f->disk[index * n + l], true);
		f->disk[index * n + l] = 0;
	}
}

int do_truncate(struct address_space *f, u64 nr_pages)
{
	enum cycle_cat cat = cat_enter(CYC_KERNEL);
	u64 obs = syscall_enter(), old = READ_ONCE(f->nr_pages);

	if (nr_pages > f->max_pages || (f->flags & FILE_DEVICE)) {
		cat_leave(cat);
		return syscall_leave(obs, -EINVAL);
	}
	WRITE_ONCE(f->nr_pages, nr_pages);
	NOTE("the file has %llu pages", (unsigned long long)nr_pages);
	if (nr_pages < old) {
		oracle_truncate(f, nr_pages, false);
		unmap_mapping_range(f, nr_pages, old - nr_pages, true);
		flush_file_changes(f);
		for (u64 i = nr_pages; i < old; i++) {
			truncate_page(f, i);
			punch(f, i);
		}
		oracle_truncate(f, nr_pages, true);
	}
	cat_leave(cat);
	return syscall_leave(obs, 0);
}

/* Faults find nothing from then on; then who had mapped it; then it is freed. */
void device_release(struct address_space *f)
{
	u64 obs = syscall_enter();

	NOTE("the driver takes its frames back");
	for (u64 i = 0; i < f->max_pages; i++) {
		u32 pfn;

		step(&f->cache[i], true, 0);
		pfn = f->cache[i];
		observe(pfn);
		f->cache[i] = 0;
		unmap_mapping_range(f, i, 1, true);
		if (pfn)
			put_page(page_of(pfn));
	}
	syscall_leave(obs, 0);
}
