/* test_shapes.c - what any right model of flushing shows, whatever its constants:
 * shapes V1 to V7. */
#include "tests/point.h"

static struct timed_result *run_named(const char *name,
				      const char *const *pairs)
{
	struct timed_result *r;
	struct setup s;

	point_make(&s, workload_find(name), pairs);
	r = point_run(&s);
	point_free(&s);
	return r;
}

static double flush_cycles(const char *const *pairs)
{
	struct timed_result *r = run_named("mprotect-storm", pairs);
	double n = timed_flush_cycles(r);

	free(r);
	return n;
}

#define PACKED "machine", "pack:2 core:8 pu:1", "placement", "pack", \
	"iterations", "10"

/* V1: linear in targets within a socket, a step when the second joins, linear
 * again there. */
static void test_v1_targets(void **state)
{
	double at[17], first, step;

	for (u32 t = 2; t <= 16; t++) {
		char threads[8];

		snprintf(threads, sizeof(threads), "%u", t);
		at[t] = flush_cycles(PAIRS(PACKED, "pages", "1", "threads",
					   threads));
	}
	first = (at[8] - at[2]) / 6;
	assert_true(first > 0);
	for (u32 t = 3; t <= 8; t++)
		assert_in_range((u64)(at[t] - at[t - 1]), (u64)(first / 2),
				(u64)(first * 2));
	step = at[9] - at[8];
	assert_true(step > 5 * first);
	for (u32 t = 10; t <= 16; t++)
		assert_true(at[t] > at[t - 1] && at[t] - at[t - 1] < step / 2);
}

/* V2: linear in pages up to the ceiling of 33, then it drops. */
static void test_v2_pages(void **state)
{
	static const char *const pages[] = { "1", "9", "17", "25", "33" };
	double at[ARRAY_LEN(pages)], above, slope;

	for (u32 i = 0; i < ARRAY_LEN(pages); i++)
		at[i] = flush_cycles(PAIRS(PACKED, "threads", "2", "pages",
					   pages[i]));
	slope = (at[4] - at[0]) / 4;
	assert_true(slope > 0);
	for (u32 i = 1; i < ARRAY_LEN(pages); i++)
		assert_in_range((u64)(at[i] - at[i - 1]), (u64)(0.9 * slope),
				(u64)(1.1 * slope));
	above = flush_cycles(PAIRS(PACKED, "threads", "2", "pages", "34"));
	assert_true(above < at[4] / 2);
}

static u64 walks(const struct timed_result *r)
{
	return r->count.v[CTR_WALK_LOAD] + r->count.v[CTR_WALK_STORE];
}

/* V3: a flush of everything is cheaper for who asks, dearer for who must refill. */
static void test_v3_full(void **state)
{
	struct timed_result *ranged = run_named("mprotect-storm", PAIRS(
		PACKED, "threads", "3", "pages", "30"));
	struct timed_result *full = run_named("mprotect-storm", PAIRS(
		PACKED, "threads", "3", "pages", "30", "flush", "full"));

	assert_true(timed_flush_cycles(full) < timed_flush_cycles(ranged) / 2);
	assert_true(walks(full) > 2 * walks(ranged) * full->elapsed_cycles /
		    ranged->elapsed_cycles);
	free(ranged);
	free(full);
}

/* What flushing side by side saves, as a share. */
static double concurrent_gain(const char *threads, const char *pages,
			      const char *pti)
{
	double before = flush_cycles(PAIRS(PACKED, "threads", threads, "pages",
					   pages, "pti", pti, "kernel", "v5.12"));
	double after = flush_cycles(PAIRS(PACKED, "threads", threads, "pages",
					  pages, "pti", pti, "kernel", "v5.17"));

	return 1 - after / before;
}

/* V4: most where the own flush and the round take equally long, little where the
 * round takes much longer, and less where page-table isolation makes the own flush
 * no longer. */
static void test_v4_concurrent(void **state)
{
	double even = concurrent_gain("2", "16", "no");
	double round = concurrent_gain("16", "1", "no");

	assert_true(even > 0.3 && even < 0.55);
	assert_true(round < even / 2);
	assert_true(round >= 0);
	assert_true(concurrent_gain("2", "4", "no") <
		    0.9 * concurrent_gain("2", "4", "yes"));
}

/* V5: sixteen pages a flush send a sixteenth of the IPIs, and save less time. */
static void test_v5_batching(void **state)
{
	struct timed_result *one = run_named("mprotect-storm", PAIRS(
		PACKED, "threads", "4", "pages", "16", "flush", "page"));
	struct timed_result *all = run_named("mprotect-storm", PAIRS(
		PACKED, "threads", "4", "pages", "16"));

	assert_int_equal(one->count.v[CTR_IPIS_SENT],
			 16 * all->count.v[CTR_IPIS_SENT]);
	assert_true(all->elapsed_cycles < one->elapsed_cycles);
	assert_true(8 * all->elapsed_cycles > one->elapsed_cycles);
	free(one);
	free(all);
}

static u64 flushing(const struct timed_result *r)
{
	return r->cycles[CYC_FLUSH] + r->cycles[CYC_WAIT_ACK] +
	       r->cycles[CYC_RESPOND];
}

/* V6: broadcasts take the flush away; the lock stays, and is then the most. */
static void test_v6_broadcast(void **state)
{
	const char *const ipi[] = { "machine", "pack:1 core:8 pu:1", "profile",
		"zen3-milan", "bytes", "64K", "rounds", "4", NULL };
	const char *const bcast[] = { "machine", "pack:1 core:8 pu:1",
		"profile", "zen3-milan", "bytes", "64K", "rounds", "4",
		"flush", "invlpgb", NULL };
	struct timed_result *a = run_named("page_fault1", ipi);
	struct timed_result *b = run_named("page_fault1", bcast);

	assert_true(flushing(b) < flushing(a) / 2);
	assert_true(b->cycles[CYC_LOCK_WAIT] > flushing(b));
	assert_true(b->cycles[CYC_LOCK_WAIT] * a->elapsed_cycles >
		    a->cycles[CYC_LOCK_WAIT] * b->elapsed_cycles / 2);
	free(a);
	free(b);
}

/* V7: 2M as one page is one unit to flush and one entry to refill. */
static void test_v7_huge(void **state)
{
	struct timed_result *small = run_named("mprotect-storm", PAIRS(
		PACKED, "threads", "2", "pages", "512", "own-pages", "0"));
	struct timed_result *huge = run_named("mprotect-storm", PAIRS(
		PACKED, "threads", "2", "pages", "512", "own-pages", "0",
		"thp", "yes"));

	/* 512 units are above the ceiling, one is not. */
	assert_int_equal(0, small->count.v[CTR_LOCAL_FLUSH_ONE]);
	assert_int_equal(0, huge->count.v[CTR_LOCAL_FLUSH_ALL]);
	assert_int_equal(2 * huge->count.v[CTR_TLB_FLUSH],
			 huge->count.v[CTR_LOCAL_FLUSH_ONE]);
	assert_true(walks(huge) <= 4 * huge->count.v[CTR_TLB_FLUSH]);
	assert_true(walks(small) > 100 * small->count.v[CTR_TLB_FLUSH]);
	free(small);
	free(huge);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_v1_targets),
	cmocka_unit_test(test_v2_pages),
	cmocka_unit_test(test_v3_full),
	cmocka_unit_test(test_v4_concurrent),
	cmocka_unit_test(test_v5_batching),
	cmocka_unit_test(test_v6_broadcast),
	cmocka_unit_test(test_v7_huge),
};

TEST_MAIN(tests)
