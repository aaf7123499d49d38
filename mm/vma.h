/* vma.h - VMAs of one address space, for those who change them: mmap_lock is
 * held for writing. */
#ifndef MM_VMA_H
#define MM_VMA_H

#include "mm/mm.h"

/* A VMA not yet in the mm. NULL: out of memory. */
struct vma *vma_alloc(struct mm *mm, u64 start, u64 end, u32 flags);
void vma_free(struct vma *v);
/* The link that leads to the first VMA that ends above @vpn. */
struct vma **vma_slot(struct mm *mm, u64 vpn);
void vma_insert(struct mm *mm, struct vma *v);

/* vma_adjust - new bounds, with whatever locks the kernel takes for it. */
void vma_adjust(struct vma *v, u64 start, u64 end, u64 pgoff);

/* vma_split - @v ends or begins at @at, a new VMA has the rest; @new_below: the
 * new one is the low part. Return: 0, -ENOMEM. */
int vma_split(struct mm *mm, struct vma *v, u64 at, bool new_below);

/* vma_isolate - make [start, end) consist of whole VMAs. Return: 0, -ENOMEM. */
int vma_isolate(struct mm *mm, u64 start, u64 end);

/* Join VMAs of one anon_vma and the same rights that meet in [start, end]. */
void vma_merge(struct mm *mm, u64 start, u64 end);

/* move_page_tables - entries of [from, from + nr) go to @to, pages being looked
 * for in @v, which covers both. mremap.c has its own way in. Return: pages dealt
 * with before memory ran out. */
u64 move_page_tables(struct vma *v, u64 from, u64 to, u64 nr);

/* Nothing is mapped at @vpn, and what lies above may grow. */
bool is_below_stack(struct mm *mm, u64 vpn);
/* expand_stack - it reaches down to @vpn; mmap_lock held for reading is enough. */
void expand_stack(struct mm *mm, u64 vpn);

/* Unmap [start, end), whatever is there. Return: 0, -ENOMEM. */
int munmap_locked(struct mm *mm, u64 start, u64 end);

#endif
