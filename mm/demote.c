#include "mm/demote.h"

#include "mm/kswapd.h"
#include "mm/migrate.h"
#include "mm/numa_balancing.h"

int next_demotion_node(u32 node)
{
	u64 slow = 0;

	if (!numab() || !numab()->knobs.demotion_enabled ||
	    !numa_rules()->has_tiering || !numab()->node[node].is_toptier)
		return -1;
	for (u32 n = 0; n < numab()->nr_nodes; n++)
		if (!numab()->node[n].is_toptier && node_present_pages(n))
			slow |= 1ull << n;
	return nearest_node(node, slow);
}

/* How many pages may go to the slow node: down to its min watermark, which is for
 * those who free memory; its kswapd makes room. */
static u64 room_at(u32 target)
{
	u64 free = node_free_pages(target), min = wmark_pages(target, WMARK_MIN);

	if (free < wmark_pages(target, WMARK_LOW))
		wakeup_kswapd(target);
	return free > min ? free - min : 0;
}

static u64 success(void)
{
	return this_cpu->count.v[CTR_PGMIGRATE_SUCCESS];
}

static u64 count(u64 n)
{
	COUNT(PGDEMOTE_KSWAPD, current()->is_kswapd ? n : 0);
	COUNT(PGDEMOTE_DIRECT, current()->is_kswapd ? 0 : n);
	return n;
}

u32 demote_pages(u32 node, struct page *const *page, u32 n, u64 *freed)
{
	int target = next_demotion_node(node);
	u64 room = target < 0 ? 0 : room_at((u32)target), was = success();

	n = n < room ? n : (u32)room;
	if (n)
		(void)migrate_isolated(page, n, (u32)target);
	*freed = count(success() - was);
	return n;
}

bool demote_huge(struct page *head, u64 *freed)
{
	int target = next_demotion_node(head->node);
	u64 pfn = pfn_of(head), was = success();

	*freed = 0;
	if (target < 0 || room_at((u32)target) < 1ull << head->order)
		return false;
	(void)migrate_pages(&pfn, 1, (u32)target);
	*freed = count(success() - was);
	return true;
}
