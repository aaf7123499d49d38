/* numa_rules.h - how automatic NUMA balancing differs between kernels, as data:
 * part of struct kernel. Each switch names the commit that brought it; those
 * marked (assumed) are remembered, not looked up.
 *
 * Sources: v3.13.0, Debian's linux-source 6.1 and 6.12; mail archives.
 */
#ifndef MM_NUMA_RULES_H
#define MM_NUMA_RULES_H

#include "base/types.h"

/* update_task_scan_period(). */
enum numa_period {
	NUMA_PERIOD_STEP,       /* 10 ms more for a fault that moved nothing;
				 * reset now and then (assumed)               */
	NUMA_PERIOD_3_OF_10,    /* 04bb2f947505 (assumed id): local faults
				 * against a threshold of 3 of 10             */
	NUMA_PERIOD_7_OF_10,    /* 37ec97deb3a8 (assumed id): local or private,
				 * against 7 of 10                            */
};

/* Which faults may move their page. */
enum numa_filter {
	NUMA_FILTER_LAST_NODE,  /* the last fault came from this node, too; not
				 * the first ever (assumed)                   */
	NUMA_FILTER_DEFER,      /* 3.13: as that, the first ever may; after a
				 * refusal the task's next 16 shared ones wait */
	NUMA_FILTER_ACTIVE,     /* 10f39042711b (3.15, assumed id): to nodes
				 * that the group uses, from the busier       */
	NUMA_FILTER_GROUP,      /* should_numa_migrate_memory()               */
};

/* task_numa_migrate(). */
enum numa_move {
	NUMA_MOVE_NONE,
	NUMA_MOVE_3_13,         /* capacity, the better sum of gains          */
	NUMA_MOVE_SPARE,        /* spare, busy, overloaded nodes; small gains
				 * are none (6.x)                             */
};

/* Whose struct page the scanner reads before it marks an entry. */
enum numa_reads {
	NUMA_READS_NONE,        /* 3.13: the zero page is told by its address
				 * (for 4K assumed)                           */
	NUMA_READS_4K,          /* 64a9a34e2289 (3.14, assumed id): PageKsm() */
	NUMA_READS_ALL,         /* 33024536bafd (6.1): a page's tier; until 3.12
				 * how often it is mapped (assumed)           */
};

struct numa_rules {
	const char *commit;     /* what the set stands for; NULL: no balancing */
	const char *evidence;   /* S: source read; A: assumed                 */

	bool scan_by_rss;       /* periods and RSS: 598f0ec0bc99 (assumed id) */
	bool scans_ro_files;    /* until 4591ce4f2d22 (3.13, assumed id): mappings
				 * of files that may only be read, too        */
	bool scan_waits_remote; /* none until the mm ran on a second node
				 * (mm->first_nid; until 3.12, assumed)       */
	bool scan_charges_changed;      /* pieces without change are charged to
				 * a budget of 8 times the size only:
				 * 4620f8c1fda2 (assumed id)                  */
	bool scan_trylock;      /* gives up if mmap_lock is taken for writing:
				 * 8655d5497735 (assumed id)                  */
	enum numa_reads scan_reads;
	bool scan_throttles;    /* 32 times the scanner's CPU time passes:
				 * 51170840fe91 (assumed id)                  */
	bool skips_local;       /* pages of an mm with one thread that are on
				 * its node (3.15 on, assumed)                */
	bool skips_pinned;      /* 4K pages that somebody else refers to, too,
				 * but huge ones are marked: 80d47f5de5e3 (5.17,
				 * assumed id)                                */
	bool large_folios;      /* pages of many 4K entries, huge ones in pieces
				 * and others (mthp.h), are marked and move
				 * whole: d2136d749d76 (6.10)                 */
	bool marks_lose_write;  /* marking takes the right to store as well, and
				 * a hint does not give it back: 8a0516ed8b90
				 * (4.0-rc1, assumed id) to b191f9b106ea      */
	bool pmd_counts_one;    /* 0255d491 (3.12); reverted Nov 2013         */
	bool vma_delay;         /* ef6a22b70f6d (6.4)                         */
	bool vma_pids;          /* fc137c0ddab2 (6.4)                         */
	bool vma_partial;       /* b7a5b537c55c (6.7): one begun is ended     */
	bool vma_retry;         /* f169c62ff7cd (6.7): rather than nothing, one
				 * that nobody accessed; each once a pass     */
	bool vma_starving;      /* f22cde4371f3 (6.12)                        */

	enum numa_period period;
	bool failed_slows;      /* 074c238177a7: failed migrations count as no
				 * faults                                     */
	bool placement_waits;   /* statistics are looked at when a move may be
				 * tried, not at every fault                  */
	bool faults_cpu;        /* 50ec8a401fed (3.15): where the faults came
				 * from, weighted by run time                 */
	bool active_is_local;   /* 792568ec6a31 (3.15): shared among active
				 * nodes is local                             */
	enum numa_filter filter;
	bool waits_migrating;   /* de466bd628e8 (3.13, assumed id): a fault at
				 * a huge page that somebody moves waits, and
				 * is no hint                                 */
	bool has_groups;        /* 8c8a743c5087 (3.13)                        */
	enum numa_move move;
	bool counts_stuck;      /* sched_stick_numa: the series of Dec 2013
				 * (3.14)                                     */
	bool lb_resists;        /* the load balancer asks (3.13 on)           */
	bool lb_resets;         /* and a task it moves scans anew:
				 * 05cbdf4f5c19 (assumed id)                  */
	u32 ratelimit_pages;    /* a node and 100 ms; 0: none, efaffc5e40ae   */
	bool has_tiering;       /* c574bbe91703 (5.18, assumed)               */
	bool tier_threshold;    /* 33024536bafd (6.1, assumed): hot pages only */
	bool tier_limits;       /* c6833e10008f (6.1, assumed): so much a second */
	bool tier_adjusts;      /* c959924b0dc5 (6.1, assumed): the threshold
				 * follows from that                          */
	u32 period_min_ms, period_max_ms;       /* defaults                   */
};

#define NUMA_V3_12 { \
	.commit = "v3.12", .evidence = "A", .scan_waits_remote = true, \
	.scans_ro_files = true, \
	.pmd_counts_one = true, .ratelimit_pages = 32768, \
	.scan_reads = NUMA_READS_ALL, .period_min_ms = 100, .period_max_ms = 5000 }

#define NUMA_V3_13 { \
	.commit = "v3.13", .evidence = "S", .scan_by_rss = true, \
	.period = NUMA_PERIOD_3_OF_10, .filter = NUMA_FILTER_DEFER, \
	.waits_migrating = true, \
	.has_groups = true, .move = NUMA_MOVE_3_13, .lb_resists = true, \
	.ratelimit_pages = 32768, \
	.period_min_ms = 1000, .period_max_ms = 60000 }

/* 3.15 to 4.3; its filter, placement and moves are remembered. */
#define NUMA_SINCE_3_19 \
	.scan_by_rss = true, .scan_reads = NUMA_READS_4K, \
	.skips_local = true, \
	.period = NUMA_PERIOD_3_OF_10, .faults_cpu = true, \
	.active_is_local = true, .filter = NUMA_FILTER_ACTIVE, \
	.waits_migrating = true, .has_groups = true, \
	.move = NUMA_MOVE_3_13, .counts_stuck = true, .lb_resists = true, \
	.ratelimit_pages = 32768, \
	.period_min_ms = 1000, .period_max_ms = 60000
#define NUMA_V3_19 { .commit = "v3.19", .evidence = "A", NUMA_SINCE_3_19 }
/* 4.0's two steps. */
#define NUMA_V4_0_RC1 { .commit = "v4.0-rc1", .evidence = "A", \
	NUMA_SINCE_3_19, .marks_lose_write = true }
#define NUMA_V4_0_SLOWS { .commit = "074c238177a7", .evidence = "A", \
	NUMA_SINCE_3_19, .marks_lose_write = true, .failed_slows = true }
#define NUMA_V4_0 { .commit = "b191f9b106ea", .evidence = "A", \
	NUMA_SINCE_3_19, .failed_slows = true }

#define NUMA_SINCE_4_14 \
	.scan_by_rss = true, .scan_charges_changed = true, \
	.scan_trylock = true, .scan_throttles = true, .skips_local = true, \
	.period = NUMA_PERIOD_7_OF_10, .failed_slows = true, \
	.placement_waits = true, .faults_cpu = true, .active_is_local = true, \
	.filter = NUMA_FILTER_GROUP, .waits_migrating = true, \
	.has_groups = true, \
	.move = NUMA_MOVE_SPARE, .counts_stuck = true, .lb_resists = true, \
	.period_min_ms = 1000, .period_max_ms = 60000

/* 4.10 to 4.18, with 4.14's periods. */
#define NUMA_V4 { \
	.commit = "v4.14", .evidence = "A", NUMA_SINCE_4_14, \
	.scan_reads = NUMA_READS_4K, .ratelimit_pages = 32768 }
#define NUMA_V5 { \
	.commit = "v5.14", .evidence = "A", NUMA_SINCE_4_14, \
	.scan_reads = NUMA_READS_4K, .lb_resets = true }

#define NUMA_TIERED_5_18 \
	NUMA_SINCE_4_14, .lb_resets = true, .has_tiering = true, \
	.skips_pinned = true
#define NUMA_TIERED \
	NUMA_TIERED_5_18, .scan_reads = NUMA_READS_ALL, \
	.tier_threshold = true, .tier_limits = true, .tier_adjusts = true
/* 6.1's three steps. */
#define NUMA_V6_0 { .commit = "33024536bafd^", .evidence = "A", \
	NUMA_TIERED_5_18, .scan_reads = NUMA_READS_4K }
#define NUMA_V6_0_HOT { .commit = "33024536bafd", .evidence = "A", \
	NUMA_TIERED_5_18, .scan_reads = NUMA_READS_ALL, \
	.tier_threshold = true }
#define NUMA_V6_0_LIMIT { .commit = "c6833e10008f", .evidence = "A", \
	NUMA_TIERED_5_18, .scan_reads = NUMA_READS_ALL, \
	.tier_threshold = true, .tier_limits = true }
#define NUMA_V6_1 { .commit = "v6.1", .evidence = "S", NUMA_TIERED }
#define NUMA_V6_3 { .commit = "v6.3", .evidence = "S", NUMA_TIERED }
#define NUMA_V6_4 { \
	.commit = "fc137c0ddab2, ef6a22b70f6d", .evidence = "S", NUMA_TIERED, \
	.vma_delay = true, .vma_pids = true }
#define NUMA_V6_7 { \
	.commit = "b7a5b537c55c, f169c62ff7cd", .evidence = "S", NUMA_TIERED, \
	.vma_delay = true, .vma_pids = true, .vma_partial = true, \
	.vma_retry = true }
#define NUMA_V6_10 { \
	.commit = "d2136d749d76", .evidence = "S", NUMA_TIERED, \
	.vma_delay = true, .vma_pids = true, .vma_partial = true, \
	.vma_retry = true, .large_folios = true }
#define NUMA_V6_12 { \
	.commit = "f22cde4371f3", .evidence = "S", NUMA_TIERED, \
	.vma_delay = true, .vma_pids = true, .vma_partial = true, \
	.vma_retry = true, .large_folios = true, .vma_starving = true }

#endif
