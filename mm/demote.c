#include "mm/demote.h"

#include <errno.h>
#include <math.h>

#include "mm/lru.h"
#include "mm/numa_balancing.h"
#include "mm/reclaim.h"

#define NO_TARGET UINT32_MAX

struct kswapd {
	struct thread t;        /* first: what current() finds                */
	u32 node, target;       /* NO_TARGET: it reclaims                     */
	u32 wanted;
	u32 pad[13];            /* who sleeps on a word has its line          */
};

/* ---- watermarks --------------------------------------------------------------------- */

u64 node_present_pages(u32 node)
{
	return mms()->node[node].end - node * mms()->frames_per_node;
}

u64 node_free_pages(u32 node)
{
	return node_present_pages(node) - mms()->node[node].nr_used;
}

/* sqrt(16 times the memory in KiB) KiB, 128 KiB to 256 MiB. */
static u64 min_free_pages(u64 all)
{
	u64 kib = (u64)sqrt(16.0 * (double)(all << (PAGE_SHIFT - 10)));

	kib = kib < 128 ? 128 : kib > 262144 ? 262144 : kib;
	return kib >> (PAGE_SHIFT - 10);
}

u64 wmark_pages(u32 node, enum wmark w)
{
	u64 size = node_present_pages(node), all = 0, min, gap;

	for (u32 n = 0; n < the_sys->m->nr_nodes; n++)
		all += node_present_pages(n);
	min = min_free_pages(all) * size / all;
	/* watermark_scale_factor: 10 of 10000 */
	gap = min / 4 > size / 1000 ? min / 4 : size / 1000;
	return min + w * gap;
}

/* ---- kswapd ------------------------------------------------------------------------- */

static bool is_balanced(u32 node)
{
	return node_free_pages(node) >=
		wmark_pages(node, numa_tiers() ? WMARK_PROMO : WMARK_HIGH);
}

/* How many pages may go to the slow node: down to its min watermark, which is for
 * those who free memory; its kswapd makes room. */
static u64 room_at_target(const struct kswapd *k)
{
	u64 free, min;

	if (k->target == NO_TARGET)
		return 0;
	free = node_free_pages(k->target);
	min = wmark_pages(k->target, WMARK_MIN);
	if (free < wmark_pages(k->target, WMARK_LOW))
		wakeup_kswapd(k->target);
	return free > min ? free - min : 0;
}

static u64 demote(const struct kswapd *k, const u64 *pfn, u32 n)
{
	u64 was = this_cpu->count.v[CTR_PGMIGRATE_SUCCESS];

	migrate_pages(pfn, n, k->target);
	was = this_cpu->count.v[CTR_PGMIGRATE_SUCCESS] - was;
	COUNT(PGSTEAL, was);
	return was;
}

/* Return: 4K pages that left the node, *@nr_demoted of them to the slow one. */
static u64 shrink_tail(const struct kswapd *k, u64 *nr_demoted)
{
	u64 pfn[RECLAIM_BATCH], room, freed = 0;
	u32 n = lru_rotate_tail(k->node, pfn, RECLAIM_BATCH), cold = 0, go;

	for (u32 i = 0; i < n; i++)
		if (page_is_cold(page_of(pfn[i])))
			pfn[cold++] = pfn[i];
	room = room_at_target(k);
	go = cold < room ? cold : (u32)room;
	*nr_demoted = go ? demote(k, pfn, go) : 0;
	if (go < cold && mms()->swap)
		freed = reclaim_frames(pfn + go, cold - go);
	return *nr_demoted + freed;
}

/* All pages were looked at twice, and none was cold. */
static u64 most_tries(const struct kswapd *k)
{
	return 2 * node_present_pages(k->node) / RECLAIM_BATCH;
}

/* Until there is enough. */
static void balance(const struct kswapd *k)
{
	u64 most = most_tries(k), failed = 0, demoted;

	while (!is_balanced(k->node) && failed <= most && sched_has_threads()) {
		failed = shrink_tail(k, &demoted) ? 0 : failed + 1;
		COUNT(PGDEMOTE_KSWAPD, demoted);
		sched_tick();
	}
}

/* Whoever is to be allocated from next has something to give then. */
bool demote_directly(u64 nodes)
{
	for (u32 node = 0; node < numab()->nr_nodes; node++) {
		const struct kswapd *k = numab()->node[node].kswapd;
		u64 n = 0, demoted;

		if (!(nodes >> node & 1) || !k)
			continue;
		wakeup_kswapd(node);
		for (u64 i = 0; i <= most_tries(k) && !n && room_at_target(k);
		     i++) {
			n = shrink_tail(k, &demoted);
			COUNT(PGDEMOTE_DIRECT, demoted);
		}
		if (n)
			return true;
	}
	return false;
}

static void kswapd(struct task *t)
{
	struct kswapd *k = (struct kswapd *)(void *)t;
	enum cycle_cat cat = cat_enter(CYC_KERNEL);

	while (sched_has_threads()) {
		sched_sleep(&k->wanted, 0);
		WRITE_ONCE(k->wanted, 0);
		balance(k);
	}
	cat_leave(cat);
}

void wakeup_kswapd(u32 node)
{
	struct kswapd *k = numab()->node[node].kswapd;

	if (k && !READ_ONCE(k->wanted))
		WRITE_ONCE(k->wanted, 1);
}

/* next_demotion_node() */
static int target_of(u32 node)
{
	u64 slow = 0;

	for (u32 n = 0; n < numab()->nr_nodes; n++)
		if (!numab()->node[n].is_toptier && node_present_pages(n))
			slow |= 1ull << n;
	return nearest_node(node, slow);
}

static int start(u32 node, u32 target)
{
	struct kswapd *k = arena_alloc(&the_sys->arena, sizeof(*k));
	struct cpuset cpus = { 0 };

	if (!k)
		return -ENOMEM;
	k->node = node;
	k->target = target;
	k->t.task.name = "kswapd";
	k->t.task.fn = kswapd;
	numab()->node[node].kswapd = k;
	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		if (the_sys->cpu[i].node == node || !numab()->node[node].has_cpus)
			cpuset_add(&cpus, i);
	return sched_add_daemon(&k->t, &cpus, &k->wanted);
}

int kswapd_boot(void)
{
	int rc = 0;

	for (u32 n = 0; n < numab()->nr_nodes && !rc; n++)
		if (numab()->node[n].has_cpus && node_present_pages(n) &&
		    target_of(n) >= 0)
			rc = start(n, (u32)target_of(n));
	return rc;
}

int kswapd_boot_slow(void)
{
	bool is_tiered = false;
	int rc = 0;

	for (u32 n = 0; numab() && n < numab()->nr_nodes; n++)
		is_tiered |= numab()->node[n].kswapd != NULL;
	for (u32 n = 0; is_tiered && n < numab()->nr_nodes && !rc; n++)
		if (!numab()->node[n].has_cpus && node_present_pages(n) &&
		    !numab()->node[n].kswapd)
			rc = start(n, NO_TARGET);
	if (numab())
		numab()->has_kswapds = is_tiered;
	return rc;
}

bool has_kswapds(void)
{
	return numab() && numab()->has_kswapds;
}
