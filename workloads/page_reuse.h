/* page_reuse.h - how a program comes back to its pages: which it uses most,
 * and how many others it touches in between.
 *
 * The reuse distance of an access is how many other pages were touched since
 * its page last was; 0 for the page touched just before. An access of distance
 * d hits in a fully associative LRU cache of more than d pages, whatever the
 * cache: this is the trace's property, not a machine's.
 *
 * Units:   accesses and 4 KiB pages.
 * Memory:  about 100 bytes a page touched.
 * Errors:  0 or -ENOMEM.
 * Source:  Mattson et al., "Evaluation techniques for storage hierarchies",
 *          IBM Systems Journal 9(2), 1970; counted with a tree over the time of
 *          last use (Bennett and Kruskal, 1975).
 */
#ifndef WORKLOADS_PAGE_REUSE_H
#define WORKLOADS_PAGE_REUSE_H

#include "base/types.h"

#define REUSE_CLASSES 33        /* distances 0, 1, 2-3, 4-7, ...              */

struct page_reuse;              /* opaque                                     */

struct page_reuse_result {
	u64 nr_accesses;
	u64 nr_pages;
	u64 nr_pages_by_op[4];  /* touched so at least once, by enum run_op   */
	u64 nr_first;           /* accesses to a page never seen before       */
	/* by_distance[0]: distance 0; [k]: 2^(k-1) to 2^k - 1. With nr_first
	 * they add up to nr_accesses. */
	u64 by_distance[REUSE_CLASSES];
	/* The fewest pages that take half, 90 and 99 % of all accesses. */
	u64 nr_pages_half, nr_pages_90, nr_pages_99;
};

int page_reuse_create(struct page_reuse **out);

/* page_reuse_add - @count accesses to page @vpn, nothing in between. */
int page_reuse_add(struct page_reuse *p, u64 vpn, u64 count, enum run_op op);

/* page_reuse_result - of what was added so far. */
int page_reuse_result(struct page_reuse *p, struct page_reuse_result *out);

/* page_reuse_lru_misses - accesses that miss in an LRU cache of @nr_pages, a
 * power of two. */
u64 page_reuse_lru_misses(const struct page_reuse_result *r, u64 nr_pages);

void page_reuse_free(struct page_reuse *p);

#endif
