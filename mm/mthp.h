/* mthp.h - multi-size THP (6.8): anonymous pages of orders between 4K and huge, from
 * 16K up, as an administrator enables them one by one (hugepages-16kB/enabled =
 * always). A fault takes the largest that lies in the VMA and where nothing is mapped
 * yet, and maps all of it by 4K entries; there is no other entry for it, so that it is
 * a page in pieces (pieces.h) from its first day: one reference count, one lock, one
 * place on the LRU, many counts of mappings. It is unmapped and protected piece by
 * piece, copied on write 4K at a time, migrated and reclaimed as a whole; what remains
 * of one that is unmapped in part waits to be split (deferred_split.h).
 *
 * NUMA balancing passes them over until 6.10, and then moves them whole
 * (numa_rules.large_folios).
 *
 * What is left out: reclaim splits them (6.10 on: not, if the swap device has room in
 * one place); munmap takes pieces off one by one, as 6.8 does (6.9 on: at once, so that
 * they never queue to be split); MADV_FREE and MADV_COLD leave alone what they cannot
 * split; free ones are never merged again, by khugepaged neither.
 *
 * Reads next to alloc_anon_folio() in mm/memory.c; 19eaf44954df, dc68badcede4 (assumed
 * id), d2136d749d76.
 */
#ifndef MM_MTHP_H
#define MM_MTHP_H

#include "mm/mm.h"

/* Linux has no anonymous ones of order 1. */
#define MTHP_MIN_ORDER 2

/* At boot: bits of @orders, MTHP_MIN_ORDER and more, less than a huge page's.
 * Return: 0, -EINVAL (others), -ENOMEM. */
int mthp_boot(u32 orders);

/* The largest order below @below that is enabled and fits @vma around @vpn, where
 * nothing is mapped. 0: none. */
u32 mthp_order(struct mm *mm, const struct vma *vma, u64 vpn, u32 below);

/* Frames, as page.c asks. A free block's is_unflushed stays with all of it. */
u32 *mthp_free_list(struct node_mem *n, u32 order);
/* Out of a larger block that is free. NULL: none. */
struct page *mthp_break(struct node_mem *n, u32 order);

#endif
