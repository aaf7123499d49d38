/* kswapd.h - reclaim in the background: a node's watermarks, and its kswapd, a kernel
 * thread on the node's CPUs (any CPU, if it has none) that an allocation wakes which
 * finds less than the low watermark on all nodes that it may take from. It goes on until
 * the high one is free, with memory tiering the promotion watermark, or for 16 times
 * nothing was found. Reads beside kswapd() in mm/vmscan.c, setup_per_zone_wmarks() and
 * wake_all_kswapds() in mm/page_alloc.c.
 *
 * A node is one zone, and has a kswapd if something of it can be freed: all nodes after
 * swapon(), and before that nodes with a slower one to demote to (demote.h). Where
 * only those have one, allocations look at no watermark, and go on until nothing is
 * free. min_free_kbytes is the default, as without THP.
 *
 * As a thread without an address space it is lazy in the one that its CPU has loaded,
 * and its flushes interrupt whose pages it unmaps, in batches of its own.
 *
 * Timed runs under the scheduler. Units: 4K pages.
 */
#ifndef MM_KSWAPD_H
#define MM_KSWAPD_H

#include "base/types.h"

enum wmark { WMARK_MIN, WMARK_LOW, WMARK_HIGH, WMARK_PROMO, NR_WMARK };

u64 wmark_pages(u32 node, enum wmark w);
u64 node_present_pages(u32 node);
u64 node_free_pages(u32 node);

/* kswapd_boot - for each node that has none and from which pages can go somewhere by
 * now; without a scheduler none. Return: 0, -ENOMEM. */
int kswapd_boot(void);

/* Every node has one: allocations look at watermarks. */
bool has_kswapds(void);

/* wakeup_kswapd - of @node, if it has one, and the node is not balanced. */
void wakeup_kswapd(u32 node);

/* kswapd_progress - something of @node was freed: its kswapd, if it had given up, may try
 * again. */
void kswapd_progress(u32 node);

/* throttle_direct_reclaim - the current thread is about to reclaim @node first. */
void throttle_direct_reclaim(u32 node);

/* reclaim_throttle(VMSCAN_THROTTLE_ISOLATED): sleep for so long, or until somebody finds
 * that fewer pages are isolated. Return: slept; false: must not sleep. */
bool throttle_isolated(u32 node, u32 ms);
void wake_throttle_isolated(u32 node);

#endif
