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

#define SMALL "machine", "pack:1 core:4 pu:1", "chunk", "64K", "time", "1ms"

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
 * touch more pages than the first one's. */
static void test_ebizzy_chunks(void **state)
{
	struct timed_result *r = run("ebizzy", PAIRS(SMALL));
	struct timed_result *q = run("ebizzy", PAIRS(SMALL, "random", "yes"));

	assert_int_equal(r->nr_threads, 8);
	assert_true(q->count.v[CTR_DTLB_LOAD_MISSES] >
		    r->count.v[CTR_DTLB_LOAD_MISSES]);
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
		assert_int_equal(r->count.v[CTR_PGSTEAL], 4 * 64);
		assert_int_equal(r->count.v[CTR_TLB_BROADCAST_SYNCS],
				 4 * syncs[i]);
		free(r);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_ebizzy),
	cmocka_unit_test(test_ebizzy_chunks),
	cmocka_unit_test(test_apache),
	cmocka_unit_test(test_swap_bench),
};
TEST_MAIN(tests)
