/* watch.h - those who take the right to write away in order to learn who writes,
 * or to give several address spaces one page: soft-dirty bits, userfaultfd's
 * write protection, KSM. What they have in common is that entries lose W or D
 * while the mmap_lock is held for reading.
 */
#ifndef MM_WATCH_H
#define MM_WATCH_H

#include "mm/mm.h"

/* clear_refs - "echo 4 > clear_refs": stores that come after it returns set a
 * page's soft-dirty bit. (clear_refs.c) */
void clear_refs(struct mm *mm);
/* "echo 1": A bits go, and nobody is flushed: who has the entry cached is taken
 * for one who does not use the page. */
void clear_refs_young(struct mm *mm);
/* What pagemap tells of @vpn: stored to since. */
bool is_soft_dirty(struct mm *mm, u64 vpn);

/* uffd_writeprotect - the ioctl UFFDIO_WRITEPROTECT of whole VMAs' pages, with
 * UFFD_FEATURE_SIGBUS: stores to what is protected fail. Return: 0, -ENOENT (no
 * VMA there that is registered: VM_UFFD_WP). (uffd.c) */
int uffd_writeprotect(struct mm *mm, u64 start, u64 nr_pages, bool is_on);

/* ksm_get_page - the 4K page at @vpn, with a reference; NULL: none.
 * ksm_try_merge - it gives way to @kpage, if it has the same contents; with
 * @kpage NULL it becomes what others may merge with. Uses the reference up.
 * Return: 0; -EBUSY: it is locked, pinned, changed meanwhile, or differs.
 * Explored runs, which have contents. (ksm.c) */
struct page *ksm_get_page(struct mm *mm, u64 vpn);
int ksm_try_merge(struct mm *mm, u64 vpn, struct page *page,
		  struct page *kpage);

/* ksm_unmerge - madvise(MADV_UNMERGEABLE) of one page: on return it is the
 * program's own, and KSM does not know it any more. Return: 0, -ENOMEM.
 * (ksm_items.c) */
int ksm_unmerge(struct mm *mm, u64 vpn);

#endif
