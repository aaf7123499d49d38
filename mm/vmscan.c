#include "mm/vmscan.h"

#include "mm/deferred_split.h"
#include "mm/demote.h"
#include "mm/flush.h"
#include "mm/kswapd.h"
#include "mm/lru.h"
#include "mm/pieces.h"
#include "mm/reclaim.h"
#include "mm/rmap.h"
#include "mm/sched.h"
#include "mm/swap.h"

/* ---- is it used? ---------------------------------------------------------------------- */

/* Looking at A without a flush: a CPU that has the entry cached does not set it
 * again, and its page is taken for one that is not used. */
static void clear_young(struct page *page, struct vma *vma, u64 vpn, u32 level,
			u64 *p, void *arg)
{
	u64 e = pte_load(p);

	if (!rmap_maps(e, page) || !(e & PTE_A))
		return;
	flush_aged(e);
	pte_modify(vma->mm->root, vpn, level, p, PTE_A, 0);
	++*(u32 *)arg;
}

/* @page is isolated, or looked at where it is. */
static bool is_unused(struct page *page)
{
	u32 young = 0;

	if (page->is_free || page->is_mlocked || page->is_shmem ||
	    (!page->is_file && !page_is_mapped(page)))
		return false;
	walk_mapped(page, clear_young, &young);
	observe(young);
	return !young;
}

bool page_is_cold(struct page *page)
{
	return page->is_lru && is_unused(page);
}

/* A huge page goes to a swap device in 4K pages, of which those that are mapped are
 * looked at again later. Return: pages freed. */
static u32 split_cold(struct page *head)
{
	int rc = 0;

	if (head->is_file || !mms()->swap || !mms()->swap->nr_slots ||
	    !page_is_cold(head) || !get_page_unless_zero(head))
		return 0;
	if (trylock_page(head)) {
		/* It may have been split, or given out anew, meanwhile. */
		if (head->order)
			rc = split_huge_page_locked(head);
		unlock_page(head);
	}
	put_page(head);
	return rc > 0 ? (u32)rc : 0;
}

/* ---- a batch from a list -------------------------------------------------------------- */

static void count_scanned(u64 n)
{
	COUNT(PGSCAN_KSWAPD, current()->is_kswapd ? n : 0);
	COUNT(PGSCAN_DIRECT, current()->is_kswapd ? 0 : n);
}

static void count_freed(u64 n)
{
	COUNT(PGSTEAL_KSWAPD, current()->is_kswapd ? n : 0);
	COUNT(PGSTEAL_DIRECT, current()->is_kswapd ? 0 : n);
}

static bool has_too_many(u32 node, enum lru_list l)
{
	return lru_isolated(node, l) > lru_size(node, l) >> 3;
}

/* too_many_isolated(). Return: still. */
static bool is_throttled(u32 node, enum lru_list l)
{
	bool wakes = kern()->isolated_wakes, has_slept = false;

	if (current()->is_kswapd)
		return false;
	while (has_too_many(node, l)) {
		if (has_slept && kern()->isolated_gives_up)
			return true;
		if (!throttle_isolated(node, wakes ? 20 : 100))
			return false;
		has_slept = true;
	}
	if (wakes)
		wake_throttle_isolated(node);
	return false;
}

/* The first @*n are not used: to a slower node, or to where they came from. @page is
 * used up, but for the last *@n, which can go nowhere. Return: 4K pages that went. */
static u64 shrink_page_list(u32 node, struct page **page, u32 *n)
{
	u64 freed;
	u32 tried = demote_pages(node, page, *n, &freed);

	*n -= tried;
	if (!mms()->swap)
		return freed;
	freed += shrink_pages(page + tried, *n);
	*n = 0;
	return freed;
}

static u64 shrink_huge(const struct lru_taken *t)
{
	u64 freed = 0, n;

	for (u32 i = 0; i < t->nr_huge; i++) {
		if (next_demotion_node(t->huge[i]->node) >= 0 &&
		    page_is_cold(t->huge[i]) && demote_huge(t->huge[i], &n))
			freed += n;
		else
			freed += split_cold(t->huge[i]);
	}
	return freed;
}

static u64 shrink_inactive_list(u32 node, enum lru_list l, u32 nr,
				struct scan_control *sc)
{
	struct page *stays[LRU_RELEASE];
	u32 nr_staying = 0, cold = 0, left;
	struct lru_taken t;
	u64 freed;

	if (is_throttled(node, l))
		return 0;
	lru_drain();
	lru_isolate_tail(node, l, nr, &t);
	count_scanned(t.nr_scanned);
	sc->nr_scanned += t.nr_scanned;
	for (u32 i = 0; i < t.n; i++)
		if (is_unused(t.page[i]))
			t.page[cold++] = t.page[i];
		else
			stays[nr_staying++] = t.page[i];
	left = cold;
	freed = shrink_page_list(node, t.page, &left);
	while (left)
		stays[nr_staying++] = t.page[cold - left--];
	lru_putback(node, l, stays, nr_staying, t.n);
	freed += shrink_huge(&t);
	count_freed(freed);
	return freed;
}

/* ---- a node --------------------------------------------------------------------------- */

/* can_reclaim_anon_pages(), and what MADV_FREE offered. */
static bool may_scan_anon(u32 node)
{
	return swap_room() || mms()->has_lazyfree || next_demotion_node(node) >= 0;
}

static bool may_scan_files(u32 node)
{
	return mms()->swap || next_demotion_node(node) >= 0;
}

u64 node_reclaimable_pages(u32 node)
{
	return (may_scan_files(node) ? lru_size(node, LRU_FILE) : 0) +
	       (may_scan_anon(node) ? lru_size(node, LRU_ANON) : 0);
}

#define SWAPPINESS 60u

/* get_scan_count(), without the cost of what came back. */
static void get_scan_count(u32 node, int priority, u64 nr[NR_LRU_LISTS])
{
	u64 file = lru_size(node, LRU_FILE);

	nr[LRU_FILE] = may_scan_files(node) ? file >> priority : 0;
	nr[LRU_ANON] = may_scan_anon(node) ? lru_size(node, LRU_ANON) >> priority
					   : 0;
	if (!nr[LRU_ANON] || !priority)         /* SCAN_FILE, SCAN_EQUAL */
		return;
	if (node_free_pages(node) + file <= wmark_pages(node, WMARK_HIGH))
		nr[LRU_FILE] = 0;               /* file_is_tiny */
	else if (nr[LRU_FILE])
		nr[LRU_ANON] = 0;               /* cache_trim_mode */
	else
		nr[LRU_ANON] = nr[LRU_ANON] * SWAPPINESS / 200;
}

static void shrink_lruvec(u32 node, struct scan_control *sc)
{
	/* In one go, so that both lists get their share (e82e0561dae9, 3.15). */
	bool is_proportional = sc->priority == DEF_PRIORITY &&
			       !current()->is_kswapd;
	u64 nr[NR_LRU_LISTS], freed = 0;

	get_scan_count(node, sc->priority, nr);
	while (nr[LRU_ANON] || nr[LRU_FILE]) {
		for (u32 l = 0; l < NR_LRU_LISTS; l++) {
			u32 n = nr[l] < LRU_RELEASE ? (u32)nr[l] : LRU_RELEASE;

			nr[l] -= n;
			if (n)
				freed += shrink_inactive_list(node, l, n, sc);
		}
		if (current()->is_kswapd)
			sched_tick();
		if (freed >= sc->nr_to_reclaim && !is_proportional)
			break;
	}
	sc->nr_reclaimed += freed;
}

void shrink_node(u32 node, struct scan_control *sc)
{
	u64 was = sc->nr_reclaimed;

	shrink_lruvec(node, sc);
	sc->nr_reclaimed += shrink_split_queue(node);
	if (sc->nr_reclaimed != was)
		kswapd_progress(node);
}

/* ---- directly ------------------------------------------------------------------------- */

/* Explored: there is no list; frames one after the other. */
static u64 free_in_turn(u32 node, u64 nr)
{
	struct node_mem *m = &mms()->node[node];
	u64 first = node * mms()->frames_per_node, nr_frames = m->next - first;
	u64 batch[RECLAIM_BATCH];
	u64 freed = 0;
	u32 n = 0;

	for (u64 i = 0; i < 2 * nr_frames && freed < nr; i++) {
		struct page *page = page_of(first + m->hand);

		if (page->order)
			freed += split_cold(page);
		else if (page_is_cold(page))
			batch[n++] = pfn_of(page);
		m->hand = (m->hand + 1) % nr_frames;
		if (n == RECLAIM_BATCH || (n && freed + n >= nr)) {
			freed += reclaim_frames(batch, n);
			n = 0;
		}
	}
	return freed + reclaim_frames(batch, n);
}

static u64 reclaim_explored(void)
{
	u32 nr_nodes = the_sys->m->nr_nodes;
	u64 freed = 0;

	for (u32 n = 0; n < nr_nodes && !freed; n++) {
		u32 node = (this_cpu->node + n) % nr_nodes;

		if (!mempolicy_allows(current(), node))
			continue;
		if (mms()->swap)
			freed = free_in_turn(node, RECLAIM_BATCH);
		freed += shrink_split_queue(node);
	}
	return freed;
}

static u64 usable_nodes(void)
{
	u64 nodes = 0;

	for (u32 n = 0; n < the_sys->m->nr_nodes && n < MPOL_MAX_NODES; n++)
		if (mempolicy_allows(current(), n) && node_present_pages(n))
			nodes |= 1ull << n;
	return nodes;
}

/* Each node once, the nearest first. */
static void shrink_zones(u64 nodes, struct scan_control *sc)
{
	for (int n; nodes && (n = nearest_node(this_cpu->node, nodes)) >= 0;
	     nodes &= ~(1ull << n))
		shrink_node((u32)n, sc);
}

u64 try_to_free_pages(u64 nodes, u64 nr)
{
	struct scan_control sc = { .priority = DEF_PRIORITY, .nr_to_reclaim = nr };
	int first = nearest_node(this_cpu->node, nodes);

	if (first < 0)
		return 0;
	throttle_direct_reclaim((u32)first);
	COUNT(ALLOCSTALL_MOVABLE, 1);
	do {
		shrink_zones(nodes, &sc);
	} while (sc.nr_reclaimed < nr && --sc.priority >= 0);
	return sc.nr_reclaimed;
}

/* should_reclaim_retry(): would there be enough if all went that can? */
static bool may_retry(u64 nodes)
{
	for (u32 n = 0; n < the_sys->m->nr_nodes && n < MPOL_MAX_NODES; n++) {
		if ((nodes >> n & 1) && has_kswapds() &&
		    node_free_pages(n) + node_reclaimable_pages(n) >
		    wmark_pages(n, WMARK_MIN))
			return true;
	}
	return false;
}

/* What one frees others may take. */
struct page *alloc_page_or_reclaim(void)
{
	struct page *page = alloc_user_page(0, ANY_VPN);
	u32 nr_failed = 0;

	while (!page && !current()->in_reclaim) {
		u64 nodes = usable_nodes(), freed;

		current()->in_reclaim = true;
		freed = mms()->lru ? try_to_free_pages(nodes, RECLAIM_BATCH)
				   : reclaim_explored();
		if (!freed)
			freed = pageout_ready(true);
		if (!freed && flusher() && flusher()->reclaim)
			freed = flusher()->reclaim();
		if (!freed && split_queue_wait())
			freed = 1;
		current()->in_reclaim = false;
		nr_failed = freed ? 0 : nr_failed + 1;
		page = alloc_user_page(0, ANY_VPN);
		if (nr_failed && (nr_failed > MAX_RECLAIM_RETRIES ||
				  !mms()->lru || !may_retry(nodes)))
			break;
	}
	return page;
}
