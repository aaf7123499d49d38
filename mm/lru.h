/* lru.h - what it costs to be on the lists from which reclaim takes pages: a list
 * and a lock for each node, and each CPU's batch of new pages, which waits for the
 * lock once for all of them.
 *
 * A page is added to its CPU's batch; a batch of LRU_BATCH pages, or one with a
 * huge page, goes to the lists, under the lock of each page's node. Unmapping
 * sends off what is in the batch first, and again before it frees (unless the
 * kernel has zap_spares_lru): pages are then taken off their list one by one, up to
 * LRU_RELEASE of a node under one lock. So a page that comes and goes alone takes
 * the lock twice. Interrupts are off from before the lock is waited for.
 *
 * Lines: lock, list heads and size of a node are a line each, as in struct lruvec
 * and its memory group's counters; a page that joins or leaves writes to those of
 * its neighbours on the list, whoever used them last.
 *
 * Costs alone: whether a page may be isolated is page->is_lru, and a page in a
 * batch may be (Linux: not before the batch is drained). One that is freed while it
 * is in a batch leaves it at once; its place there still pays for being added and
 * taken off, as the batch's own reference makes Linux do. A node has a list of
 * anonymous pages, and of those of files in memory alone, and one of disks' files'
 * (Linux: two of each; their heads share the line). A page's neighbours are those of
 * the moment at which the lock is asked for. Reclaim (vmscan.h) takes from the tails;
 * what was used since goes to the head, as it does on Linux's inactive lists.
 *
 * Of a node's pages the first TiB can be on a list.
 *
 * Timed runs only; elsewhere all of this does nothing.
 * Source: Linux 6.1 mm/swap.c, include/linux/mm_inline.h.
 */
#ifndef MM_LRU_H
#define MM_LRU_H

#include "mm/mm.h"

#define LRU_BATCH 15u           /* PAGEVEC_SIZE                               */
#define LRU_RELEASE 32u         /* SWAP_CLUSTER_MAX                           */

/* lru_boot - Return: 0, -ENOMEM. */
int lru_boot(void);

/* folio_add_lru: to this CPU's batch. Sets is_lru. */
void lru_add(struct page *page);

/* A huge page is split: @head, which stays where it is, counts as one page from now on,
 * before it is one; another part joins the list, at no price of its own. */
void lru_split(struct page *head);
void lru_add_split(struct page *page);

/* lru_add_drain: this CPU's batch to the lists. */
void lru_drain(void);

/* The same where kernels do so for no need of theirs, before they unmap or free
 * what was mapped. */
void lru_drain_zap(void);

/* folio_isolate_lru: off the list, under its lock. is_lru is the caller's. */
void lru_del(struct page *page);

/* Pages nobody refers to any more, about to be freed: off their lists, at most
 * LRU_RELEASE of them. */
void lru_del_many(struct page *const *page, u32 n);

enum lru_list { LRU_ANON, LRU_FILE, NR_LRU_LISTS };

/* What isolate_lru_folios() took. .nr_scanned counts 4K pages. */
struct lru_taken {
	u32 nr_scanned, n, nr_huge;
	struct page *page[LRU_RELEASE];         /* off the list, with a
						 * reference; is_lru is off   */
	struct page *huge[LRU_RELEASE];         /* left there, at its head    */
};

/* lru_isolate_tail - from the tail of a list of @node, under its lock, until @n 4K pages,
 * at most LRU_RELEASE, or more by the last huge one, were looked at; they count as
 * isolated until lru_putback(). Whom somebody else isolates or frees goes to the head. */
void lru_isolate_tail(u32 node, enum lru_list l, u32 n, struct lru_taken *out);

/* lru_putback - @nr_taken of a list are isolated no more; those in @back go to its head,
 * under the lock, and the references are dropped. */
void lru_putback(u32 node, enum lru_list l, struct page *const *back, u32 n,
		 u32 nr_taken);

/* 4K pages on the list; those that reclaim has isolated. */
u64 lru_size(u32 node, enum lru_list l);
u64 lru_isolated(u32 node, enum lru_list l);

/* lru_check - links go both ways, and what is on a list or in a batch is a page in
 * use of that node; asserts that. Return: pages on lists. */
u64 lru_check(void);

#endif
