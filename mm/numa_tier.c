/* Memory tiering: pages of nodes without CPUs are promoted when they are hot, by
 * the time between scan and fault (5.18; threshold and limit 6.1). Room for them
 * comes from demotion (demote.h). */
#include "mm/kswapd.h"
#include "mm/numa_balancing.h"

#define TIME_BITS 20            /* LAST_CPUPID_SHIFT leaves about as many     */
#define STEPS 16u               /* NUMA_MIGRATION_ADJUST_STEPS                */

u32 numa_now_ms(void)
{
	return (u32)(this_cpu->now / numab()->ms) & ((1u << TIME_BITS) - 1);
}

/* pgdat_free_space_enough(): 1 GiB or a sixteenth above the promotion watermark. */
static bool has_room(u32 node)
{
	u64 size = node_present_pages(node), enough = 1ull << (30 - PAGE_SHIFT);

	if (size / 16 > enough)
		enough = size / 16;
	return node_free_pages(node) > wmark_pages(node, WMARK_PROMO) + enough;
}

bool numa_has_space(u32 node, u32 pages)
{
	if (node_free_pages(node) > wmark_pages(node, WMARK_HIGH) + pages)
		return true;
	if (numa_tiers())
		wakeup_kswapd(node);
	return false;
}

u32 numa_moved_cpupid(const struct page *page, const struct page *new)
{
	const struct numa_node *n = numab()->node;

	if (numa_tiers() &&
	    n[page->node].is_toptier != n[new->node].is_toptier)
		return 0;
	return page->last_cpupid;
}

static void adjust_threshold(struct numa_node *n, u64 limit_pages)
{
	u32 ref = numab()->knobs.hot_threshold_ms, unit = 2 * ref / STEPS;
	u64 period = numab()->knobs.scan_period_max_ms, want, got;
	u32 th = n->threshold_ms ? n->threshold_ms : ref;

	if (this_cpu->now - n->th_start <= period * numab()->ms)
		return;
	n->th_start = this_cpu->now;
	want = limit_pages * period / 1000;
	got = n->candidates - n->th_candidates;
	if (got > want * 11 / 10)
		th = th - unit > unit ? th - unit : unit;
	else if (got < want * 9 / 10)
		th = th + unit < 2 * ref ? th + unit : 2 * ref;
	n->th_candidates = n->candidates;
	n->threshold_ms = th;
}

static bool is_over_limit(struct numa_node *n, u64 limit_pages, u32 pages)
{
	n->candidates += pages;
	COUNT(PGPROMOTE_CANDIDATE, pages);
	if (this_cpu->now - n->rl_start > 1000 * numab()->ms) {
		n->rl_start = this_cpu->now;
		n->rl_candidates = n->candidates;
	}
	return n->candidates - n->rl_candidates >= limit_pages;
}

bool numa_promotes(struct page *page, u32 node)
{
	struct numa_node *n = &numab()->node[node];
	u64 limit = (u64)numab()->knobs.promote_rate_limit_MBps <<
		(20 - PAGE_SHIFT);
	u32 now = numa_now_ms(), age, pages = 1u << page->order;

	if (has_room(node)) {
		n->threshold_ms = 0;
		return true;
	}
	if (!numa_rules()->tier_threshold)
		return true;
	if (numa_rules()->tier_adjusts)
		adjust_threshold(n, limit);
	age = (now - xchg(&page->last_cpupid, now)) & ((1u << TIME_BITS) - 1);
	if (age >= (n->threshold_ms ? n->threshold_ms
				    : numab()->knobs.hot_threshold_ms))
		return false;
	return !numa_rules()->tier_limits || !is_over_limit(n, limit, pages);
}
