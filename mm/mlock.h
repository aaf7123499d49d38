/* mlock.h - pages that must stay in memory (PG_mlocked), and mappings of files in
 * no order (remap_file_pages(), until 4.0), where reclaim meets the two together.
 *
 * PG_mlocked of a page says that some VM_LOCKED VMA maps it, as far as is known:
 * it is set while the page is locked, and NR_MLOCK counts the pages that have it.
 * munlock clears it without the page's lock: mmap_lock keeps others of the same
 * address space away, and whoever has another one is asked.
 *
 * A nonlinear VMA's pages are found by no walk of the file: reclaim unmaps all of
 * a cluster in turn and leaves which page of the file it was in the entry
 * (PTE_FILE). Reads next to mm/mlock.c, mm/fremap.c, try_to_unmap_cluster() of
 * 3.14; reclaim's cursor, which goes on where the last one stopped, is not
 * modelled.
 */
#ifndef MM_MLOCK_H
#define MM_MLOCK_H

#include "mm/mm.h"

/* mlock(), munlock(): of whole pages, which are faulted in; huge ones are not
 * marked. Return: 0; -ENOMEM (a hole), -EFAULT (no right to read). (mlock.c) */
int do_mlock(struct mm *mm, u64 start, u64 nr_pages);
int do_munlock(struct mm *mm, u64 start, u64 nr_pages);

/* The VMA's entries go, or it stops being locked. mmap_lock is held for writing. */
void munlock_vma_pages(struct vma *v, u64 start, u64 end);

/* The locked @page: PG_mlocked, and off to the pages that reclaim leaves alone. */
void mlock_vma_page(struct page *page);
/* The same of a page that nobody else has yet. */
void mlock_new_page(struct page *page);
void munlock_vma_page(struct page *page);
/* Its last mapping goes without munlock. */
void clear_page_mlock(struct page *page);
/* @new takes the place of @page, both locked. */
void mlock_migrate_page(struct page *new, struct page *page);
/* Somebody found the locked @page in @v, which was VM_LOCKED: if it still is. */
void mlock_if_still(struct vma *v, struct page *page);
/* Under the page-table lock or mmap_lock; no step of its own. */
bool vma_is_locked(const struct vma *v);

/* remap_file_pages(): [@start, @start + @nr_pages) of a shared mapping of a file
 * that is not on disk maps pages from @pgoff on. Return: 0, -EINVAL, -ENOMEM.
 * (nonlinear.c) */
int do_remap_file_pages(struct mm *mm, u64 start, u64 nr_pages, u64 pgoff);
/* try_to_unmap_file(), after the walk of the linear ones: until the locked @page
 * is mapped no more, or all has been seen. */
void unmap_nonlinear(struct page *page, enum flush_op op);

#endif
