/* demote.h - demotion: under memory pressure reclaim moves what a node with CPUs has
 * not used lately to the nearest node without, instead of freeing it. Reads beside
 * kswapd and demote_folio_list() in mm/vmscan.c, and setup_per_zone_wmarks().
 *
 * A node is one zone. kswapd of a node is a kernel thread on one of its CPUs: it is
 * woken when a page that should be promoted finds no room (numamigrate_isolate_page())
 * and goes on until the high watermark is free, with memory tiering the promotion
 * watermark. It takes pages from the tail of the node's LRU list; those whose A bits
 * are set lose them and go to its head (Linux: four lists, and two looks at a page).
 *
 * Pages of files are demoted as anonymous ones are. What finds no room on the slow
 * node is reclaimed, if that is possible at all (swapon()); then the slow nodes have
 * kswapds, too, which reclaim: the tail of their lists is what was demoted first.
 *
 * An allocation takes from the next node first, and wakes nobody. With kswapds for
 * the slow nodes it leaves each node's low watermark alone; then it wakes all, and
 * leaves the min watermark. One whose nodes (membind, a cpuset) have nothing left
 * demotes a batch itself, if there is where to: direct demotion. To it a page goes
 * wherever the policy would have it.
 *
 * Not modelled: where nothing can be reclaimed an allocation goes on until nothing is
 * free, not to the min watermark. min_free_kbytes is the default, as without THP.
 *
 * Timed runs under the scheduler, with NUMA balancing. Units: 4K pages.
 * Source: Linux 6.1 mm/vmscan.c, mm/page_alloc.c, mm/migrate.c.
 */
#ifndef MM_DEMOTE_H
#define MM_DEMOTE_H

#include "base/types.h"

enum wmark { WMARK_MIN, WMARK_LOW, WMARK_HIGH, WMARK_PROMO };

u64 wmark_pages(u32 node, enum wmark w);
u64 node_present_pages(u32 node);
u64 node_free_pages(u32 node);

/* kswapd_boot - a kswapd for each node that has CPUs and a node without to demote
 * to; after sched_boot(). Return: 0, -ENOMEM. */
int kswapd_boot(void);

/* kswapd_boot_slow - the same for nodes without CPUs, if others have theirs: pages
 * can be reclaimed from now on. Return: 0, -ENOMEM. */
int kswapd_boot_slow(void);
/* It did. */
bool has_kswapds(void);

/* wakeup_kswapd - of @node, if it has one. */
void wakeup_kswapd(u32 node);

/* demote_directly - the calling thread found no 4K page free on any of @nodes. No
 * lock is held but mmap's, a page's or an anon_vma's.
 * Return: some were demoted; another thread may have been faster all the same. */
bool demote_directly(u64 nodes);

#endif
