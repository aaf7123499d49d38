/* file.h - files in memory: which frame holds which page of a file (the page
 * cache), which VMAs map it (i_mmap), and what the disk has.
 *
 * A page of the cache holds a reference for that; ->mapping and ->index name it,
 * and both change only while it is locked. It is dirty (is_dirty) when it is
 * newer than the disk, as far as the kernel has been told; that an entry that
 * maps it has D is told when the entry goes, or when write-back asks.
 *
 * Lock order: mmap_lock, page lock, i_mmap_rwsem, anon_vma lock, page-table lock,
 * a file's own lock. Reads next to mm/filemap.c, mm/memory.c (do_fault()),
 * mm/page-writeback.c, mm/truncate.c.
 *
 * Units: pages of the file (index), half-open ranges.
 */
#ifndef MM_FILE_H
#define MM_FILE_H

#include "mm/mm.h"

enum file_flags {
	FILE_DISK = 1,          /* written back; a store to a page that is
				 * mapped clean faults (page_mkwrite). Else
				 * the file is nowhere but in memory (tmpfs)  */
	FILE_SPARSE = 2,        /* FILE_DISK: all of it holes, no device reads */
	FILE_DEVICE = 4,        /* frames of a driver's, which nobody counts:
				 * VM_PFNMAP                                  */
	FILE_DAX = 8,           /* FILE_DISK: its pages are the storage (fsdax,
				 * no write cache). Writing one back finds its
				 * entries and flushes, nothing is transferred */
};

struct address_space {
	struct rwsem i_mmap_rwsem;
	struct vma *i_mmap;
	struct vma *i_mmap_nonlinear;   /* VM_NONLINEAR: no walk finds a page
				 * there                                      */
	struct spinlock lock;   /* of ->cache                                 */
	u32 flags;
	u64 nr_pages;           /* i_size                                     */
	u32 *cache;             /* [] pfn, 0: not in memory                   */
	u64 *dirty;             /* bit a page: write-back looks at it         */
	u64 *disk;              /* explored: [] what it has, a word a page    */
	u32 readahead;          /* pages read at a time, 0: the one asked for */
	u64 ra_end;             /* of the newest window (readahead.c)         */
	u64 ra_mark;            /* PG_readahead: its page + 1 that asks for
				 * the next one; 0: none                      */
	u32 truth;              /* explored: its first page's, file_truth     */
	u64 max_pages;          /* room in ->cache                            */
	u32 is_kept;            /* a flush strategy put flushes of its pages
				 * off                                        */
	u32 pad;
	struct address_space *next;
};

/* file_create - set-up: a file that is not in memory. FILE_DEVICE: its frames
 * are. NULL: out of memory. */
struct address_space *file_create(u64 nr_pages, u32 flags);

/* vma_add_file - as vma_add(), of @nr_pages of @f from @pgoff on: set-up, or
 * mmap_lock is held for writing. @flags: VM_SHARED, or else private. */
struct vma *vma_add_file(struct mm *mm, u64 start, u64 nr_pages, u32 flags,
			 struct address_space *f, u64 pgoff);
/* mmap() of a file. 0: out of memory. */
u64 do_mmap_file(struct mm *mm, u64 nr_pages, u32 flags,
		 struct address_space *f, u64 pgoff);

/* ---- the cache (file.c) ---- */
/* With a reference, not locked: it may be anything by the time it is. */
struct page *find_get_page(struct address_space *f, u64 index);
/* Locked and referenced, read in if need be. NULL: *@rc says why, -ENOMEM or
 * -EFAULT: behind the end of the file. */
struct page *find_lock_page(struct address_space *f, u64 index, int *rc);
/* The page @index is read in, locked and referenced. NULL: somebody else was faster,
 * or *@rc, -ENOMEM. */
struct page *read_page(struct address_space *f, u64 index, int *rc);
void set_page_dirty(struct page *page);
/* The locked @page leaves the cache, whoever else refers to it. */
void delete_from_page_cache(struct page *page);
/* The same of one that is clean and that nobody but the caller refers to.
 * Return: done. */
bool remove_mapping(struct page *page);
/* @new takes its place, both locked, under the same conditions but that it be
 * clean; walks still find @page's entries, until the caller clears ->mapping. */
bool replace_in_page_cache(struct page *page, struct page *new);

/* ---- reading more than was asked for (readahead.c) ---- */
/* The page @index is not in the cache. As read_page(), but NULL also: it is now, to
 * be looked up again. */
struct page *read_missing(struct address_space *f, u64 index, int *rc);
/* It is, and somebody is about to use it. */
void readahead_hit(struct address_space *f, u64 index);
/* Fault-around leaves it to a fault of its own, which sees the mark. */
static inline bool is_readahead_mark(const struct address_space *f, u64 index)
{
	return f->ra_mark == index + 1;
}

/* ---- mappings (file.c) ---- */
void vma_link_file(struct vma *v, struct address_space *f);
void vma_unlink_file(struct vma *v);
void i_mmap_lock_write(struct vma *v);          /* of an anonymous VMA: nothing */
void i_mmap_unlock_write(struct vma *v);
/* A private mapping has its own copies of what it wrote to. */
static inline bool vma_is_shared(const struct vma *v)
{
	return v->file && (v->flags & VM_SHARED);
}

/* ---- faults (filemap.c), under mmap_lock ---- */
int do_file_fault(struct mm *mm, struct vma *vma, u64 vpn, bool is_write);
/* The same of an entry that says which page: PTE_FILE. */
int do_nonlinear_fault(struct mm *mm, struct vma *vma, u64 vpn, u64 e,
		       bool is_write);
/* A store to a present page of a shared mapping that is mapped read-only. */
int wp_page_shared(struct mm *mm, struct vma *vma, u64 vpn, u64 *p);
/* May entries of the VMA be writable as soon as they exist? */
bool vma_wants_writenotify(const struct vma *v);

/* ---- write-back (writeback.c) ---- */
/* The locked @page: all entries that map it become read-only and clean, flushed.
 * Return: some was dirty or writable. */
bool page_mkclean(struct page *page);
/* Write what is dirty of [@first, @first + @nr) and wait for the disk. Return:
 * pages written. */
u64 filemap_write_and_wait(struct address_space *f, u64 first, u64 nr);
/* The system calls. fdatasync: of the whole file. */
int do_fdatasync(struct address_space *f);
int do_msync(struct mm *mm, u64 start, u64 nr_pages);
/* Write the locked @page, which is dirty no longer. */
void write_page(struct page *page);

/* ---- truncate (truncate.c) ---- */
/* Unmap [@first, @first + @nr) wherever it is mapped, private copies, too, if
 * @even_cows. */
void unmap_mapping_range(struct address_space *f, u64 first, u64 nr,
			 bool even_cows);
/* ftruncate() to at most the size it was made with. Return: 0, -EINVAL. */
int do_truncate(struct address_space *f, u64 nr_pages);
/* khugepaged made the pages of @f one, and who maps them is to find that. Up to 6.5:
 * at @vpn of @mm, under its mmap_lock, entries go, and their page table
 * (collapse_pte_mapped_thp()); from 6.6 on tables, empty by then, in all address
 * spaces and without mmap_lock (retract_page_tables()). (retract.c) */
void retract_file(struct address_space *f, struct mm *mm, u64 vpn);

/* A driver takes its frames back: unmapped, then freed. */
void device_release(struct address_space *f);

#endif
