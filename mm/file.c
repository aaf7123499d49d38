/* The page cache, and the lists of VMAs that map a file. Reads next to
 * mm/filemap.c and vma_link_file() in mm/mmap.c. */
#include <errno.h>

#include "mm/file.h"
#include "mm/lru.h"
#include "mm/oracle.h"
#include "mm/vmscan.h"
#include "mm/swap.h"
#include "mm/truth.h"
#include "mm/vma.h"

/* VM_READAHEAD_PAGES. */
#define READAHEAD_PAGES 32u

/* ---- making one ------------------------------------------------------------------------ */

static int add_device_frames(struct address_space *f)
{
	for (u64 i = 0; i < f->nr_pages; i++) {
		struct page *page = alloc_page(this_cpu->node, 0);

		if (!page)
			return -ENOMEM;
		f->cache[i] = (u32)pfn_of(page);
	}
	return 0;
}

struct address_space *file_create(u64 nr_pages, u32 flags)
{
	struct arena *a = &the_sys->arena;
	struct address_space *f = arena_alloc(a, sizeof(*f)), **p;

	if (!f)
		return NULL;
	f->flags = flags;
	f->nr_pages = f->max_pages = nr_pages;
	f->readahead = READAHEAD_PAGES;
	f->cache = arena_alloc(a, nr_pages * sizeof(*f->cache));
	f->dirty = arena_alloc(a, (nr_pages / 64 + 1) * sizeof(*f->dirty));
	f->disk = arena_alloc(a, (nr_pages * the_sys->mem.lines_per_frame + 1) *
			      sizeof(*f->disk));
	if (!f->cache || !f->dirty || !f->disk || truth_boot_file(f))
		return NULL;
	if ((flags & FILE_DEVICE) && add_device_frames(f))
		return NULL;
	for (p = &mms()->first_file; *p; p = &(*p)->next)
		;
	*p = f;
	return f;
}

/* ---- who maps it ----------------------------------------------------------------------- */

void i_mmap_lock_write(struct vma *v)
{
	if (v->file)
		down_write(&v->file->i_mmap_rwsem);
}

void i_mmap_unlock_write(struct vma *v)
{
	if (v->file)
		up_write(&v->file->i_mmap_rwsem);
}

static struct vma **list_of(const struct vma *v, struct address_space *f)
{
	return v->flags & VM_NONLINEAR ? &f->i_mmap_nonlinear : &f->i_mmap;
}

/* At the tail; fork's copies come after what they are copies of. */
void vma_link_file(struct vma *v, struct address_space *f)
{
	struct vma **p = list_of(v, f);

	v->file = f;
	i_mmap_lock_write(v);
	touch(p, true);
	while (*p)
		p = &(*p)->next_mapping;
	*p = v;
	i_mmap_unlock_write(v);
}

void vma_unlink_file(struct vma *v)
{
	struct vma **p;

	if (!v->file)
		return;
	p = list_of(v, v->file);
	i_mmap_lock_write(v);
	touch(p, true);
	while (*p != v)
		p = &(*p)->next_mapping;
	*p = v->next_mapping;
	v->next_mapping = NULL;
	NOTE("%llu..%llu leaves the file's list",
	     (unsigned long long)v->start, (unsigned long long)v->end - 1);
	i_mmap_unlock_write(v);
}

struct vma *vma_add_file(struct mm *mm, u64 start, u64 nr_pages, u32 flags,
			 struct address_space *f, u64 pgoff)
{
	struct vma *v = vma_add(mm, start, nr_pages, flags);

	if (!v)
		return NULL;
	v->pgoff = pgoff;
	vma_link_file(v, f);
	oracle_mapped_file(v);
	return v;
}

u64 do_mmap_file(struct mm *mm, u64 nr_pages, u32 flags,
		 struct address_space *f, u64 pgoff)
{
	enum cycle_cat cat = cat_enter(CYC_KERNEL);
	u64 obs = syscall_enter(), start;
	struct vma *v;

	down_write(&mm->mmap_lock);
	touch(mm, true);
	start = mm->mmap_base;
	mm->mmap_base = start + nr_pages;
	v = vma_add_file(mm, start, nr_pages, flags, f, pgoff);
	up_write(&mm->mmap_lock);
	cat_leave(cat);
	syscall_leave(obs, (int)start);
	return v ? start : 0;
}

/* ---- looking up ------------------------------------------------------------------------ */

/* Not frozen by somebody who takes it out of the cache, or not there. */
static bool is_settled(const void *arg)
{
	u32 pfn = *(const u32 *)arg;

	return !pfn || page_of(pfn)->refcount;
}

struct page *find_get_page(struct address_space *f, u64 index)
{
	u32 *slot = &f->cache[index];

	for (;;) {
		u32 pfn = READ_ONCE(*slot);
		struct page *page;

		if (!pfn)
			return NULL;
		page = page_of(pfn);
		if (get_page_unless_zero(page)) {
			if (READ_ONCE(*slot) == pfn)
				return page;
			put_page(page);
			continue;
		}
		the_sys->drv.wait(slot, is_settled, slot, cost_of(COST_PTE_SCAN));
		touch(&page->refcount, false);
	}
}

/* ---- reading in ------------------------------------------------------------------------ */

/* Return: false, somebody else was faster. */
static bool add_to_page_cache(struct address_space *f, u64 index,
			      struct page *page)
{
	bool ok;

	spin_lock(&f->lock);
	ok = !f->cache[index];
	touch(&f->cache[index], true);
	observe(ok);
	if (ok) {
		touch(page, true);
		touch_flags(page, true);
		page->mapping = f;
		page->index = index;
		page->is_file = 1;
		page->is_shmem = !(f->flags & FILE_DISK);
		lru_add(page);
		f->cache[index] = (u32)pfn_of(page);
		page->refcount++;
		NOTE("page cache: page %llu of the file is frame %llu",
		     (unsigned long long)index,
		     (unsigned long long)pfn_of(page));
	}
	spin_unlock(&f->lock);
	return ok;
}

static u64 *disk_of(struct address_space *f, u64 index)
{
	return &f->disk[index * the_sys->mem.lines_per_frame];
}

struct page *read_page(struct address_space *f, u64 index, int *rc)
{
	struct page *page = alloc_page_or_reclaim();

	if (!page) {
		*rc = -ENOMEM;
		return NULL;
	}
	(void)trylock_page(page);
	if (!add_to_page_cache(f, index, page)) {
		unlock_page(page);
		put_page(page);
		return NULL;
	}
	if (f->flags & FILE_DISK && !(f->flags & FILE_SPARSE))
		io_transfer(page, &the_sys->mem.line[
			    pfn_of(page) * the_sys->mem.lines_per_frame],
			    disk_of(f, index), 0);
	else
		zero_page(page);
	return page;
}

static bool is_still(struct page *page, const struct address_space *f, u64 index)
{
	touch(&page->mapping, false);
	touch(&page->index, false);
	observe(page->mapping == f && page->index == index);
	return page->mapping == f && page->index == index;
}

struct page *find_lock_page(struct address_space *f, u64 index, int *rc)
{
	*rc = 0;
	while (index < READ_ONCE(f->nr_pages)) {
		struct page *page = find_get_page(f, index);

		if (page) {
			readahead_hit(f, index);
			lock_page(page);
		} else {
			page = read_missing(f, index, rc);
		}
		if (*rc)
			return NULL;
		if (!page)
			continue;
		/* Truncated or reclaimed before it was locked. */
		if (is_still(page, f, index) && index < READ_ONCE(f->nr_pages))
			return page;
		unlock_page(page);
		put_page(page);
	}
	*rc = -EFAULT;
	return NULL;
}

/* ---- dirty ----------------------------------------------------------------------------- */

/* The tag by which write-back finds it follows under the file's lock. */
void set_page_dirty(struct page *page)
{
	struct address_space *f = page->mapping;
	bool was;

	step(&page->mapcount, true, cost_of(COST_LOCK));
	was = page->is_dirty;
	observe(was);
	page->is_dirty = 1;
	NOTE("frame %llu is dirty", (unsigned long long)pfn_of(page));
	if (was || !f || !(f->flags & FILE_DISK))
		return;
	spin_lock(&f->lock);
	touch(&page->mapping, false);
	touch(&f->dirty[page->index / 64], true);
	if (page->mapping == f)
		f->dirty[page->index / 64] |= 1ull << page->index % 64;
	spin_unlock(&f->lock);
}

void write_page(struct page *page)
{
	struct address_space *f = page->mapping;
	u64 *tag = &f->dirty[page->index / 64];
	bool was;

	if (page_mkclean(page))
		set_page_dirty(page);
	step(&page->mapcount, true, cost_of(COST_LOCK));
	was = page->is_dirty;
	observe(was);
	page->is_dirty = 0;
	if (!was)
		return;
	NOTE("frame %llu is clean", (unsigned long long)pfn_of(page));
	spin_lock(&f->lock);
	touch(tag, true);
	touch_flags(page, false);
	if (!page->is_dirty)
		*tag &= ~(1ull << page->index % 64);
	spin_unlock(&f->lock);
	COUNT(FILE_WRITES, 1);
	io_transfer(page, disk_of(f, page->index),
		    &the_sys->mem.line[pfn_of(page) *
				       the_sys->mem.lines_per_frame],
		    f->flags & FILE_DAX ? 0 : cost_of(COST_SWAP_WRITE));
	NOTE("frame %llu is written to page %llu of the file",
	     (unsigned long long)pfn_of(page), (unsigned long long)page->index);
}

/* ---- leaving --------------------------------------------------------------------------- */

static void remove_page(struct address_space *f, struct page *page)
{
	u64 i = page->index;

	touch(&f->cache[i], true);
	touch(&page->mapping, true);
	touch(&f->dirty[i / 64], true);
	f->cache[i] = 0;
	f->dirty[i / 64] &= ~(1ull << i % 64);
	page->mapping = NULL;
	NOTE("page cache: frame %llu leaves page %llu of the file",
	     (unsigned long long)pfn_of(page), (unsigned long long)i);
}

void delete_from_page_cache(struct page *page)
{
	struct address_space *f = page->mapping;

	spin_lock(&f->lock);
	remove_page(f, page);
	touch_flags(page, true);
	page->is_dirty = 0;
	spin_unlock(&f->lock);
	put_page(page);
}

bool remove_mapping(struct page *page)
{
	struct address_space *f = page->mapping;
	bool ok;

	spin_lock(&f->lock);
	ok = page_ref_freeze(page, 2);
	touch_flags(page, false);
	if (ok && page->is_dirty) {
		page_ref_unfreeze(page, 2);
		ok = false;
	}
	observe(ok);
	if (ok) {
		oracle_file_dropped(page);
		remove_page(f, page);
		page_ref_unfreeze(page, 1);
	}
	spin_unlock(&f->lock);
	return ok;
}

bool replace_in_page_cache(struct page *page, struct page *new)
{
	struct address_space *f = page->mapping;
	bool ok;

	spin_lock(&f->lock);
	ok = page_ref_freeze(page, 2);
	observe(ok);
	if (ok) {
		touch(new, true);
		touch_flags(new, true);
		touch_flags(page, true);
		touch(&f->cache[page->index], true);
		new->mapping = f;
		new->index = page->index;
		new->is_file = 1;
		new->is_shmem = page->is_shmem;
		new->is_dirty = page->is_dirty;
		page->is_dirty = 0;
		new->refcount++;
		f->cache[page->index] = (u32)pfn_of(new);
		page_ref_unfreeze(page, 1);
	}
	spin_unlock(&f->lock);
	return ok;
}
