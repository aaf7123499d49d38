#include "mm/kswapd.h"

#include <errno.h>
#include <math.h>

#include "mm/demote.h"
#include "mm/numa_balancing.h"
#include "mm/reclaim.h"
#include "mm/vmscan.h"

#define SHORT_SLEEP_MS 100u     /* HZ / 10                                    */

/* Who sleeps on a word has its line. */
struct kswapd {
	struct thread t;        /* first: what current() finds                */
	u32 node;
	u32 failures;
	u64 wmark[NR_WMARK];
	u32 wanted;             /* kswapd_wait                                */
	u32 pad[15];
	u32 nr_throttled;       /* pfmemalloc_wait: asleep on ->wakeups       */
	u32 wakeups;
	u32 pad2[14];
	u32 nr_isolating;       /* reclaim_wait: asleep on ->isolated_wakeups */
	u32 isolated_wakeups;
	u32 pad3[14];
};

static struct kswapd *kswapd_of(u32 node)
{
	return mms()->kswapd ? mms()->kswapd[node] : NULL;
}

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

static u64 setup_wmark(u32 node, enum wmark w)
{
	u64 size = node_present_pages(node), all = 0, min, gap;

	for (u32 n = 0; n < the_sys->m->nr_nodes; n++)
		all += node_present_pages(n);
	min = min_free_pages(all) * size / all;
	/* watermark_scale_factor: 10 of 10000 (795ae7a0de6b, 4.6, assumed id) */
	gap = min / 4 > size / 1000 || kern()->wmark_gap_is_quarter
		? min / 4 : size / 1000;
	return min + w * gap;
}

u64 wmark_pages(u32 node, enum wmark w)
{
	return kswapd_of(node) ? kswapd_of(node)->wmark[w] : setup_wmark(node, w);
}

/* pgdat_balanced() */
static bool is_balanced(u32 node)
{
	return node_free_pages(node) >
		wmark_pages(node, numab() && numa_tiers() ? WMARK_PROMO
							  : WMARK_HIGH);
}

/* ---- throttling ---------------------------------------------------------------------- */

static bool is_hopeless(const struct kswapd *k)
{
	return k->failures >= MAX_RECLAIM_RETRIES;
}

/* allow_direct_reclaim() */
static bool has_reserve(struct kswapd *k)
{
	bool ok = is_hopeless(k) || !node_reclaimable_pages(k->node) ||
		  node_free_pages(k->node) > k->wmark[WMARK_MIN] / 2;

	/* It must be awake while others wait for it. */
	if (!ok && !READ_ONCE(k->wanted))
		WRITE_ONCE(k->wanted, 1);
	return ok;
}

static void wake_throttled(struct kswapd *k)
{
	if (READ_ONCE(k->nr_throttled))
		WRITE_ONCE(k->wakeups, k->wakeups + 1);
}

/* Not in set-up, and no kernel thread. */
static bool may_sleep(void)
{
	return sched_is_on() && sched_current() && current()->mm;
}

void throttle_direct_reclaim(u32 node)
{
	struct kswapd *k = kswapd_of(node);

	if (!k || !has_kswapds() || !may_sleep() || has_reserve(k))
		return;
	COUNT(PGSCAN_DIRECT_THROTTLE, 1);
	atomic_inc(&k->nr_throttled);
	for (;;) {
		u32 seen = READ_ONCE(k->wakeups);

		if (has_reserve(k))
			break;
		sched_throttle(&k->wakeups, seen, UINT64_MAX);
	}
	atomic_dec(&k->nr_throttled);
}

bool throttle_isolated(u32 node, u32 ms)
{
	struct kswapd *k = kswapd_of(node);

	if (!k || !may_sleep())
		return false;
	COUNT(RECLAIM_THROTTLED, 1);
	atomic_inc(&k->nr_isolating);
	sched_throttle(&k->isolated_wakeups, k->isolated_wakeups, this_cpu->now +
		       machine_ns_to_cycles(the_sys->m, ms * 1000000ull));
	atomic_dec(&k->nr_isolating);
	return true;
}

void wake_throttle_isolated(u32 node)
{
	struct kswapd *k = kswapd_of(node);

	if (k && READ_ONCE(k->nr_isolating))
		WRITE_ONCE(k->isolated_wakeups, k->isolated_wakeups + 1);
}

/* ---- kswapd ------------------------------------------------------------------------- */

/* Enough waits for its flush (pageout.c), so nothing more need be found. Of all nodes
 * it is assumed to be as much. Return: it slept over a tick for that. */
static bool waits_for_flushes(struct kswapd *k)
{
	u64 soon = pageout_waits() / the_sys->m->nr_nodes;

	if (!soon || READ_ONCE(k->nr_throttled) ||
	    node_free_pages(k->node) + soon <= k->wmark[WMARK_HIGH])
		return false;
	(void)sched_sleep_until(&k->wanted, READ_ONCE(k->wanted),
				this_cpu->now + sched_tick_cycles());
	return true;
}

/* Until there is enough, from an ever larger share of the lists. */
static void balance_pgdat(struct kswapd *k)
{
	struct scan_control sc = { .priority = DEF_PRIORITY };

	COUNT(PAGEOUTRUN, 1);
	for (; sc.priority >= 1 && sched_has_threads(); ) {
		u64 was = sc.nr_reclaimed;

		/* Who is throttled needs memory himself, and may hold what others
		 * wait for who would have to tick. */
		(void)pageout_ready(READ_ONCE(k->nr_throttled));
		if (is_balanced(k->node))
			return;
		if (waits_for_flushes(k)) {
			if (has_reserve(k))
				wake_throttled(k);
			continue;
		}
		sc.nr_scanned = 0;
		sc.nr_to_reclaim = k->wmark[WMARK_HIGH];
		if (sc.nr_to_reclaim < RECLAIM_BATCH)
			sc.nr_to_reclaim = RECLAIM_BATCH;
		shrink_node(k->node, &sc);
		if (has_reserve(k))
			wake_throttled(k);
		if (sc.nr_scanned < sc.nr_to_reclaim || sc.nr_reclaimed == was)
			sc.priority--;
	}
	if (!sc.nr_reclaimed)
		k->failures++;
}

/* prepare_kswapd_sleep() */
static bool may_rest(struct kswapd *k)
{
	wake_throttled(k);
	return is_hopeless(k) || is_balanced(k->node) || !sched_has_threads();
}

/* At first for a tenth of a second: who is woken, or finds too little, in that time,
 * had no rest. */
static void try_to_sleep(struct kswapd *k)
{
	bool is_woken = false;

	WRITE_ONCE(k->wanted, 0);
	if (may_rest(k))
		is_woken = sched_sleep_until(&k->wanted, 0, this_cpu->now +
			machine_ns_to_cycles(the_sys->m, SHORT_SLEEP_MS *
							 1000000ull));
	if (!is_woken && may_rest(k))
		sched_sleep(&k->wanted, 0);
	else if (is_woken)
		COUNT(KSWAPD_LOW_WMARK_HIT_QUICKLY, 1);
	else
		COUNT(KSWAPD_HIGH_WMARK_HIT_QUICKLY, 1);
}

static void kswapd(struct task *t)
{
	struct kswapd *k = (struct kswapd *)(void *)t;
	enum cycle_cat cat = cat_enter(CYC_KERNEL);

	k->t.in_reclaim = true;
	while (sched_has_threads()) {
		balance_pgdat(k);
		try_to_sleep(k);
	}
	cat_leave(cat);
}

void wakeup_kswapd(u32 node)
{
	struct kswapd *k = kswapd_of(node);

	if (k && !READ_ONCE(k->wanted) && !is_hopeless(k) && !is_balanced(node))
		WRITE_ONCE(k->wanted, 1);
}

void kswapd_progress(u32 node)
{
	if (kswapd_of(node))
		kswapd_of(node)->failures = 0;
}

/* ---- beginning ----------------------------------------------------------------------- */

static void cpus_of(u32 node, struct cpuset *cpus)
{
	bool has_cpus = false;

	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		has_cpus |= the_sys->cpu[i].node == node;
	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		if (the_sys->cpu[i].node == node || !has_cpus)
			cpuset_add(cpus, i);
}

static int start(u32 node)
{
	struct kswapd *k = arena_alloc(&the_sys->arena, sizeof(*k));
	struct cpuset cpus = { 0 };

	if (!k)
		return -ENOMEM;
	k->node = node;
	k->t.task.name = "kswapd";
	k->t.task.fn = kswapd;
	k->t.is_kswapd = true;
	for (u32 w = 0; w < NR_WMARK; w++)
		k->wmark[w] = setup_wmark(node, w);
	mms()->kswapd[node] = k;
	cpus_of(node, &cpus);
	return sched_add_daemon(&k->t, &cpus, &k->wanted);
}

int kswapd_boot(void)
{
	u32 nr_nodes = the_sys->m->nr_nodes;
	int rc = 0;

	if (!sched_is_on())
		return 0;
	if (!mms()->kswapd)
		mms()->kswapd = arena_alloc(&the_sys->arena, nr_nodes *
					    sizeof(*mms()->kswapd));
	if (!mms()->kswapd)
		return -ENOMEM;
	for (u32 n = 0; n < nr_nodes && !rc; n++)
		if (!kswapd_of(n) && node_present_pages(n) &&
		    (mms()->swap || next_demotion_node(n) >= 0))
			rc = start(n);
	return rc;
}

bool has_kswapds(void)
{
	return mms()->kswapd && mms()->swap;
}
