/* demote.h - demotion: reclaim moves what a node with CPUs has not used lately to the
 * nearest node without, instead of freeing it. Reads beside demote_folio_list() in
 * mm/vmscan.c and next_demotion_node() in mm/migrate.c.
 *
 * kswapd demotes (kswapd.h), which is woken for it by a page that should be promoted and
 * finds no room (numamigrate_isolate_page()), and so does who reclaims directly: one
 * whose nodes (membind, a cpuset) have nothing left. To it a page goes wherever the
 * policy would have it. Pages of files are demoted as anonymous ones are. What finds no
 * room on the slow node is reclaimed, if that is possible at all (swapon()): the tail of
 * that node's lists is what was demoted first.
 *
 * Timed runs under the scheduler, with NUMA balancing. Source: Linux 6.1.
 */
#ifndef MM_DEMOTE_H
#define MM_DEMOTE_H

#include "base/types.h"

struct page;

/* next_demotion_node - where @node's pages go; -1: nowhere. */
int next_demotion_node(u32 node);

/* demote_pages - as many of the @n isolated pages of @node as there is room for, from
 * the first one on. *@freed: 4K pages that went. Return: how many of @page were tried;
 * they are isolated no more. */
u32 demote_pages(u32 node, struct page *const *page, u32 n, u64 *freed);

/* The same of one huge page, which is on its list. Return: it was tried. */
bool demote_huge(struct page *head, u64 *freed);

#endif
