/* vmscan.h - which pages are reclaimed, by whom, and who waits meanwhile: from the tails
 * of a node's LRU lists (lru.h), 32 at a time, a greater share of a list the less is
 * found (priority 12 to 0: its size >> priority). Reads beside mm/vmscan.c.
 *
 * Who finds no page above the min watermark (kswapd.h) reclaims directly, until 32 pages
 * came of all nodes that it may use; and is throttled, as Linux has it:
 *   - while less than half of the min watermarks is free, until the node's kswapd says
 *     that it is more (throttle_direct_reclaim());
 *   - while reclaim has isolated more than an eighth of a list (too_many_isolated()):
 *     until 4.13 again and again for 100 ms, then once (db73ee0d4637), from 5.16 on for
 *     20 ms at most, and woken as soon as it is fewer (8cd7c588decf; versions assumed).
 * Who is throttled sleeps: its CPU has nothing else to do, and keeps its address space
 * lazily. Linux's other two throttles ask for pages under write-back, which are none
 * here: writes are done when submitted (VMSCAN_THROTTLE_WRITEBACK, _CONGESTED;
 * _NOPROGRESS goes on where less than half of what can be reclaimed is to be written.
 * wait_iff_congested() of 2.6.36 to 5.15 asks for the same).
 *
 * Anonymous pages only where they can go anywhere. Then files first (cache_trim_mode),
 * until their list is so short that it has no share: anonymous ones by swappiness 60; of
 * a node whose free pages and files together are no more than the high watermark these
 * alone (file_is_tiny), at priority 0 both. Files in memory alone (tmpfs) are among the
 * anonymous ones, and stay. Not modelled: active lists, so all of a list is inactive,
 * refaults, what is left of the longer list's share when enough was found; NR_ISOLATED
 * counts reclaim's pages, not those of migration.
 */
#ifndef MM_VMSCAN_H
#define MM_VMSCAN_H

#include "mm/mm.h"

#define DEF_PRIORITY 12
#define MAX_RECLAIM_RETRIES 16u

struct scan_control {
	int priority;
	u64 nr_to_reclaim;
	u64 nr_scanned, nr_reclaimed;
};

/* shrink_node - a share of @node's lists, by sc->priority, then what keeps memory for no
 * use (deferred_split.h). kswapd lets others on its CPU between two batches. */
void shrink_node(u32 node, struct scan_control *sc);

/* zone_reclaimable_pages(): 4K pages that reclaim would look at. */
u64 node_reclaimable_pages(u32 node);

/* page_is_cold - mapped, or a file's, on the LRU and not used since somebody looked last:
 * its A bits are cleared. */
bool page_is_cold(struct page *page);

/* try_to_free_pages - a second chance for each page of the @nodes that this thread may
 * use, until @nr are free or nothing is left to look at. Return: pages freed. */
u64 try_to_free_pages(u64 nodes, u64 nr);

/* A 4K page wherever there is one. If need be huge pages are split for it that are
 * mapped in part (deferred_split.h), and pages are reclaimed: demoted, or after swapon()
 * freed; explored, frame by frame. NULL: none. The caller holds no page-table lock, no
 * list of mappings. */
struct page *alloc_page_or_reclaim(void);

#endif
