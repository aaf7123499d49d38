/* hugetlb.h - files of huge pages, and the page tables that address spaces which
 * map the same part of one share: tables of PMDs, found through the file's list of
 * mappings, with a reference for each address space.
 *
 * An entry of such a table is everybody's. Who wants his own leaves the table to
 * the others first (huge_pmd_unshare()), under i_mmap_rwsem for writing: it goes on
 * as it is, and as soon as one is left he may put there what he likes. So it must be
 * flushed although nothing is freed, paths to it, too, and who walks without locks
 * must be waited for (R14f).
 *
 * Small: shared mappings of whole ranges of a PUD or of parts of it, one size of
 * pages. munmap and mprotect leave what is shared; ranges begin and end at huge
 * pages. Not: private mappings, mremap, madvise, truncation, reservations, migration.
 *
 * Reads next to huge_pmd_share() and __unmap_hugepage_range() in mm/hugetlb.c.
 */
#ifndef MM_HUGETLB_H
#define MM_HUGETLB_H

#include "mm/flush_op.h"
#include "mm/gather.h"

/* hugetlb_file_create - set-up: a file of @nr_pages 4K pages' size, a multiple of a
 * huge page's, not in memory. NULL: out of memory. */
struct address_space *hugetlb_file_create(u64 nr_pages);

/* As vma_add_file(): shared, of @f from @pgoff on. NULL: out of memory, or not of
 * whole huge pages. */
struct vma *vma_add_hugetlb(struct mm *mm, u64 start, u64 nr_pages, u32 rights,
			    struct address_space *f, u64 pgoff);

/* Under mmap_lock, nothing is mapped at @vpn. Return: 0, -ENOMEM. */
int hugetlb_fault(struct mm *mm, struct vma *vma, u64 vpn);

/* munmap: tables that are shared are left, others' entries cleared. */
void hugetlb_zap(struct mmu_gather *g, struct vma *v);

/* All tables of @v that are shared are left, before entries change for @op. */
void hugetlb_unshare(struct vma *v, enum flush_op op);

#endif
