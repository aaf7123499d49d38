/* test_workloads.c - programs of workloads/ do what the real ones do, a loop at a
 * time: so many faults, calls and flushes for each unit of theirs. */
#include "tests/point.h"

static struct timed_result *run(const char *name, const char *const *pairs)
{
	const struct workload *w = workload_find(name);
	struct timed_result *r;
	struct setup s;

	assert_non_null(w);
	point_make(&s, w, pairs);
	r = point_run(&s);
	point_free(&s);
	assert_true(r->done > 0);
	return r;
}

#define CHUNKS "machine", "pack:1 core:4 pu:1", "chunk", "64K"
#define SMALL CHUNKS, "time", "1ms"
#define LONGER CHUNKS, "time", "16ms"

/* A fault a page and a flush a record, whether the heap shrinks or a mapping
 * goes; neither where the allocator keeps it: then each thread faults once. */
static void test_ebizzy(void **state)
{
	static const char *const alloc[] = { "malloc", "mmap", "keep" };

	for (u32 i = 0; i < ARRAY_LEN(alloc); i++) {
		struct timed_result *r = run("ebizzy", PAIRS(SMALL, "alloc",
					     alloc[i], "threads", "4"));
		u64 n = i < 2 ? r->done : 4;

		assert_int_equal(r->count.v[CTR_PGFAULT], 16 * n);
		assert_int_equal(r->count.v[CTR_TLB_FLUSH], i < 2 ? n : 0);
		assert_true(r->count.v[CTR_IPIS_SENT] <= 3 * n);
		assert_true(!r->count.v[CTR_IPIS_SENT] == (i == 2));
		assert_int_equal(r->count.v[CTR_MUNMAP_CALLS], i == 1 ? n : 0);
		free(r);
	}
}

/* Two threads a CPU, and the published generator that stays at 0: random chunks
 * touch more pages than the first one's, each time. */
static void test_ebizzy_chunks(void **state)
{
	struct timed_result *r = run("ebizzy", PAIRS(LONGER));
	struct timed_result *q = run("ebizzy", PAIRS(LONGER, "random", "yes"));

	assert_int_equal(r->nr_threads, 8);
	assert_true((double)q->count.v[CTR_DTLB_LOAD_MISSES] / (double)q->done >
		    (double)r->count.v[CTR_DTLB_LOAD_MISSES] / (double)r->done);
	free(r);
	free(q);
}

/* A request is a mapping, one fault (its neighbours are mapped around it) and a
 * munmap, whose flush all other threads of the process hear of. */
static void test_apache(void **state)
{
	struct timed_result *r = run("apache", PAIRS("machine",
				     "pack:1 core:4 pu:1", "requests", "40"));
	struct timed_result *q = run("apache", PAIRS("machine",
				     "pack:1 core:4 pu:1", "requests", "40",
				     "processes", "2"));
	u64 n = 4 * 40;

	assert_int_equal(r->done, n);
	/* Two where the file lies across 16 pages, 2 of 16 times. */
	assert_int_equal(r->count.v[CTR_PGFAULT], n + n / 8);
	assert_int_equal(r->count.v[CTR_MUNMAP_CALLS], n);
	/* Early and late on some have not begun, or have ended. */
	assert_in_range(r->count.v[CTR_IPIS_SENT], 3 * n * 9 / 10, 3 * n);
	assert_in_range(q->count.v[CTR_IPIS_SENT], n * 9 / 10, n);
	free(r);
	free(q);
}

/* Pages that ten flushes name, of mappings of which one page was touched; or how many
 * of them were of everything. */
static void flushes_of(const struct kernel *k, const char *flush, const char *entries,
		       const char *shift, u64 *pages, u64 *full)
{
	struct timed_result *r;
	struct setup s;

	point_make(&s, workload_find("tlbflush"), PAIRS("machine",
		   "pack:1 core:2 pu:1", "profile", "ivy-bridge", "bytes", "2M",
		   "maps", "10", "entries", entries, "flush", flush,
		   "rest", "0", "tlb_flushall_shift", shift));
	s.p.kernel = k;
	r = point_run(&s);
	*pages = r->count.v[CTR_TLB_FLUSH_SEND_PAGES];
	*full = r->count.v[CTR_TLB_FLUSH_SEND_ALL];
	assert_int_equal(r->count.v[CTR_MUNMAP_CALLS], 10);
	point_free(&s);
	free(r);
}

/* Up to 3.18 a munmap flushes all that it was asked for, since then what was there;
 * as ranges up to a share of the TLB, which is half of 512 entries here, from 3.14 on
 * a quarter, and before 3.5 as a whole. */
static void test_tlbflush_ranges(void **state)
{
	static const struct { const char *flush, *entries; u64 pages, full;
			      const char *shift; }
	c[] = {
		{ "shift-2012", "200", 2000, 0, "machine" },
		{ "shift-2012", "256", 2560, 0, "machine" },
		{ "shift-2012", "257", 0, 10, "machine" },
		{ "no-range", "200", 0, 10, "machine" },
		{ "no-range", "1", 0, 10, "machine" },
		{ "shift-2012", "1", 10, 0, "machine" },
		{ "shift-2014", "128", 1280, 0, "machine" },
		{ "shift-2014", "129", 0, 10, "machine" },
		{ "shift-2012", "64", 640, 0, "3" },
		{ "shift-2012", "65", 0, 10, "3" },
		{ "shift-2014", "400", 4000, 0, "0" },
		{ "shift-2014", "1", 0, 10, "-1" },
	};
	struct kernel k = *kernel_find("v3.13");
	u64 pages, full;

	assert_true(k.flushes_as_asked);
	assert_false(kernel_find("v3.19")->flushes_as_asked);
	for (u32 i = 0; i < ARRAY_LEN(c); i++) {
		flushes_of(&k, c[i].flush, c[i].entries, c[i].shift, &pages,
			   &full);
		assert_int_equal(pages, c[i].pages);
		assert_int_equal(full, c[i].full);
	}
	k.flushes_as_asked = false;
	flushes_of(&k, "shift-2012", "200", "machine", &pages, &full);
	assert_int_equal(pages, 10);
	assert_int_equal(full, 0);
}

/* Two groups of three threads. All buffers go round: each of their pages and each
 * tree faults once, and then no more; with fewer blocks than buffers what is filled
 * is what there was to read. */
static void test_xfs_repair(void **state)
{
	static const struct { const char *clusters; u64 done, faults; } c[] = {
		{ "512", 1024, 512 + 2 }, { "100", 200, 2 * 200 + 2 },
	};

	for (u32 i = 0; i < ARRAY_LEN(c); i++) {
		struct timed_result *r = run("xfs-repair", PAIRS("machine",
			"pack:2 core:3 pu:1", "sched", "fair", "thp", "no",
			"cache", "2M", "window", "4", "trees", "4K",
			"clusters", c[i].clusters));

		assert_int_equal(r->nr_threads, 6);
		assert_int_equal(r->done, c[i].done);
		assert_int_equal(r->count.v[CTR_PGFAULT], c[i].faults);
		free(r);
	}
}

/* In and out, each page each round; one by one each page is waited for once
 * unmapped, in a batch once a round, besides what ageing and the debt take. */
static void test_swap_bench(void **state)
{
	static const char *const kernel[] = { "v6.5-arm64", "v6.6-arm64" };
	static const u64 syncs[] = { 64 + 1, 3 };

	for (u32 i = 0; i < 2; i++) {
		struct timed_result *r = run("swap-bench", PAIRS("kernel",
				kernel[i], "flush", "tlbi", "machine",
				"pack:1 core:2 pu:1", "profile", "neoverse-n1",
				"bytes", "256K", "rounds", "4"));

		assert_int_equal(r->count.v[CTR_PSWPIN], 4 * 64);
		assert_int_equal(r->count.v[CTR_PSWPOUT], 4 * 64);
		assert_int_equal(r->count.v[CTR_TLB_BROADCAST_SYNCS],
				 4 * syncs[i]);
		free(r);
	}
}

/* A task that waits for the device sleeps: the 32 pages of a round take its time
 * once each, in which its CPU idles once it has switched. Nobody waits for writes. */
static void test_swap_sleeps(void **state)
{
	struct timed_result *r = run("swap-bench", PAIRS("device", "disk",
			"machine", "pack:1 core:1 pu:1", "bytes", "128K",
			"rounds", "2"));
	u64 read = r->hz / 1000000 * 80;

	assert_int_equal(r->count.v[CTR_PSWPIN], 2 * 32);
	assert_in_range(r->cycles[CYC_IDLE], 61 * read, 64 * read);
	assert_true(r->cycles[CYC_FAULT] < 32 * read);
	free(r);
}

/* To a remote machine: everybody's requests are answered; a flush for each dirty page,
 * one for a batch, or few: where kswapd finds too little, and pages are wanted back. */
static void test_remote_swap(void **state)
{
	static const struct {
		const char *kernel, *flush;
		u32 nr, of;             /* flushes, of so many pages written  */
	} c[] = {
		{ "v6.1", "deferred", 9, 10 },
		{ "v6.1+pageout-batch", "deferred", 1, 8 },
		{ "v6.1", "ecotlb", 1, 2 },
	};

	for (u32 i = 0; i < ARRAY_LEN(c); i++) {
		struct timed_result *r = run("remote-swap", PAIRS("kernel",
				c[i].kernel, "flush", c[i].flush,
				"machine", "pack:2 [numa(memory=64MiB)] core:8 pu:1",
				"bytes", "256M", "requests", "1500"));
		u64 out = r->count.v[CTR_PSWPOUT], n = r->count.v[CTR_TLB_FLUSH];

		assert_int_equal(r->done, 16 * 1500);
		assert_true(out >= 100 && r->count.v[CTR_PSWPIN] >= 100);
		assert_int_equal(i == 0, n * c[i].of >= out * c[i].nr);
		free(r);
	}
}

/* What a CPU may have stale is nobody else's yet. */
static void test_remote_swap_loses_nothing(void **state)
{
	struct timed_result *r = run("remote-swap", PAIRS("flush", "ecotlb",
			"machine", "pack:2 [numa(memory=4MiB)] core:2 pu:1",
			"bytes", "16M", "requests", "800", "check", "yes"));

	assert_in_range(r->count.v[CTR_PSWPOUT], 50, 800);
	free(r);
}

/* Calls as asked for, their sizes as published: ranged ones have 3.43 pages on
 * average, those of everything (2.2 %) none. Of Xen: each table flushes, two of
 * three times in a process. */
static void test_kernel_build(void **state)
{
	static const char *const small[] = {
		"machine", "pack:1 core:4 pu:1", "processes", "10", "compute",
		"1us", "pages", "64", "parent-pages", "8", "guest", "exits", NULL
	};
	const char *xen[] = {
		"machine", "pack:1 core:4 pu:1", "processes", "1", "compute",
		"1us", "pages", "64", "parent-pages", "8", "guest", "exits",
		"flush", "xen-l0", "xen", "yes", NULL
	};
	struct timed_result *r = run("kernel-build", small);
	double calls, pages;

	assert_int_equal(r->done, 40);
	assert_in_range(r->count.v[CTR_MPROTECT_CALLS], 40 * 30, 40 * 31);
	calls = 40 * 30 * 0.978;
	pages = (double)r->count.v[CTR_LOCAL_FLUSH_ONE];
	if (pages < 0.7 * 3.43 * calls || pages > 1.3 * 3.43 * calls)
		fail_msg("%g pages in %g calls", pages, calls);
	assert_int_equal(r->count.v[CTR_HYPERCALLS], 0);
	free(r);
	r = run("kernel-build", xen);
	assert_int_equal(r->count.v[CTR_HYPERCALLS], 4 * 4 * 11);
	assert_int_equal(r->count.v[CTR_IPIS_SENT], 0);
	free(r);
}

/* One flush in eight requests, of all others while they work; those that sleep
 * are left alone, and catch up when they wake. */
static void test_memcached(void **state)
{
	struct timed_result *r = run("memcached", PAIRS("machine",
				     "pack:1 core:4 pu:1", "store", "64K",
				     "requests", "80"));
	struct timed_result *q = run("memcached", PAIRS("machine",
				     "pack:1 core:4 pu:1", "store", "64K",
				     "requests", "80", "idle", "100us"));

	assert_int_equal(r->count.v[CTR_TLB_FLUSH], 4 * 10);
	assert_in_range(r->count.v[CTR_IPIS_SENT], 3 * 38, 3 * 40);
	assert_int_equal(r->count.v[CTR_CONTEXT_SWITCHES], 0);
	assert_int_equal(q->done, 3 * 80);
	assert_int_equal(q->count.v[CTR_TLB_FLUSH], 3 * 10);
	/* The network's CPU is never lazy. */
	assert_in_range(q->count.v[CTR_IPIS_SENT], 30, 45);
	assert_in_range(q->count.v[CTR_CONTEXT_SWITCHES], 2 * 3 * 75,
			2 * 3 * 81);
	assert_true(q->count.v[CTR_TASK_SWITCH_FLUSH] >= 30);
	free(r);
	free(q);
}

/* Of each mapping one page is there, and only that is flushed, from all CPUs. */
static void test_tlbflush(void **state)
{
	struct timed_result *r = run("tlbflush", PAIRS("machine",
				     "pack:1 core:4 pu:1", "bytes", "2M",
				     "maps", "20", "entries", "100", "rest", "0")),
		*rested;
	double ms = (double)r->elapsed_cycles * 1e3 / (double)r->hz;

	assert_int_equal(r->count.v[CTR_MUNMAP_CALLS], 20);
	assert_int_equal(r->count.v[CTR_TLB_FLUSH], 20);
	assert_int_equal(r->count.v[CTR_IPIS_SENT], 3 * 20);
	assert_int_equal(r->count.v[CTR_LOCAL_FLUSH_ONE], 4 * 20);
	assert_int_equal(r->done % 512, 0);

	/* They go on loading while nobody unmaps any more. */
	rested = run("tlbflush", PAIRS("machine", "pack:1 core:4 pu:1", "bytes",
				       "2M", "maps", "20", "entries", "100",
				       "rest", "2ms"));
	assert_int_equal(rested->count.v[CTR_TLB_FLUSH], 20);
	assert_true(rested->done > 10 * r->done);
	ms = (double)rested->elapsed_cycles * 1e3 / (double)rested->hz - ms;
	assert_true(ms > 1.9 && ms < 2.1);
	free(rested);
	free(r);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_ebizzy),
	cmocka_unit_test(test_ebizzy_chunks),
	cmocka_unit_test(test_apache),
	cmocka_unit_test(test_tlbflush),
	cmocka_unit_test(test_xfs_repair),
	cmocka_unit_test(test_swap_bench),
	cmocka_unit_test(test_swap_sleeps),
	cmocka_unit_test(test_remote_swap),
	cmocka_unit_test(test_remote_swap_loses_nothing),
	cmocka_unit_test(test_kernel_build),
	cmocka_unit_test(test_memcached),
	cmocka_unit_test(test_tlbflush_ranges),
};
TEST_MAIN(tests)
