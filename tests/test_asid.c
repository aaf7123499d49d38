/* test_asid.c - global ASIDs that run out: more address spaces than numbers, on
 * a few CPUs, while pages go and broadcasts name them. The oracles look at every
 * access, so a number with two meanings, or one that a broadcast misses, is a
 * stale hit or an entry of somebody else's. */
#include <errno.h>

#include "mm/switch.h"
#include "tests/point.h"

enum { SPACES = 60, CPUS = 4, PAGES = 6, ROUNDS = 150 };

static struct mm *space[SPACES];
static u64 first[SPACES];
static bool is_busy[SPACES];
static bool goes_anywhere;

static int setup(struct wl *w, struct err *e)
{
	int rc = 0;

	for (u32 i = 0; i < SPACES; i++) {
		space[i] = mm_create();
		assert_non_null(space[i]);
		first[i] = wl_map(space[i], PAGES, VM_READ | VM_WRITE);
		assert_int_equal(first[0], first[i]);
	}
	w->nr_threads = CPUS;
	for (u32 i = 0; i < CPUS && !rc; i++)
		rc = wl_start(w, i, space[i], e);
	return rc;
}

/* The few address spaces at the front are used by several CPUs at a time. A page
 * that goes there (@goes_anywhere) is stale for a moment on other CPUs, as it may
 * be, but not free. */
static void body(struct wl *w, u32 t)
{
	struct rng g;

	rng_init(&g, w->seed + t);
	for (u32 i = 0; i < ROUNDS; i++) {
		u32 k = (u32)rng_below(&g, rng_chance(&g, 1, 3) ? CPUS : SPACES);
		u32 page = (u32)rng_below(&g, PAGES);
		struct run r = {
			.va = first[k] << PAGE_SHIFT, .count = PAGES, .bytes = 8,
			.op = RUN_WRITE,
		};

		if (is_busy[k])
			continue;
		is_busy[k] = k >= CPUS;
		switch_mm(space[k]);
		for (u32 p = 0; p < PAGES; p++) {
			r.va = (first[k] + p) << PAGE_SHIFT;
			wl_runs(&r, 1);
		}
		if (k >= CPUS || goes_anywhere)
			do_madvise(space[k], first[k] + page, 1, MADV_DONTNEED);
		r.va = (first[k] + page) << PAGE_SHIFT;
		wl_runs(&r, 1);
		is_busy[k] = false;
	}
}

static const struct workload spaces = {
	.name = "spaces", .setup = setup, .body = body,
};

static void run_seed(const char *profile, const char *flush, const char *bits,
		     bool rolls_over, const char *seed)
{
	struct timed_result *r;
	struct setup s;
	const u64 *v;

	point_make(&s, &spaces, PAIRS("machine", "pack:1 core:4 pu:1",
		   "profile", profile, "flush", flush, "asid-bits", bits,
		   "check", "yes", "thp", "no", "seed", seed));
	r = point_run(&s);
	v = r->count.v;
	assert_true(goes_anywhere || !v[CTR_STALE_HITS]);
	assert_int_equal(0, v[CTR_BBM_VIOLATIONS]);
	assert_int_equal(0, v[CTR_LOST_STORES]);
	assert_int_equal(0, v[CTR_WRITE_AFTER_FREE]);
	assert_true(v[CTR_TLB_BROADCASTS] > 100);
	/* 56 numbers more than there are: at least one for each 15 of them. */
	if (rolls_over)
		assert_in_range(v[CTR_ASID_ROLLOVERS], 4, 600);
	else
		assert_int_equal(0, v[CTR_ASID_ROLLOVERS]);
	free(r);
	point_free(&s);
}

static void run(const char *profile, const char *flush, const char *bits,
		bool rolls_over)
{
	static const char *const seeds[] = { "1", "2", "3", "4", "5" };

	for (size_t i = 0; i < ARRAY_LEN(seeds); i++)
		for (u32 k = 0; k < 2; k++) {
			goes_anywhere = k;
			run_seed(profile, flush, bits, rolls_over, seeds[i]);
		}
}

static void test_rollover(void **state)
{
	run("neoverse-n1", "tlbi", "4", true);
	run("neoverse-n1", "tlbi", "5", true);
	run("zen4-genoa", "invlpgb", "4", true);
}

static void test_enough(void **state)
{
	run("neoverse-n1", "tlbi", "0", false);
	run("neoverse-n1", "tlbi", "8", false);
	run("zen4-genoa", "invlpgb", "0", false);
}

/* What is refused, and why. */
static void test_refused(void **state)
{
	static const struct {
		const char *profile, *flush, *bits, *want;
	} rows[] = {
		{ "zen4-genoa", "invlpgb", "13", "at most 12 on x86" },
		{ "neoverse-n1", "page", "8", "numbers of its own" },
		{ "neoverse-n1", "tlbi", "3", "7 numbers are too few" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct timed_result r;
		struct setup s;

		point_make(&s, &spaces, PAIRS("machine", "pack:1 core:4 pu:1",
			   "profile", rows[i].profile, "flush", rows[i].flush,
			   "asid-bits", rows[i].bits));
		assert_int_equal(-EINVAL, timed_point_run(&s.p, &r, &err));
		assert_contains(err.text, rows[i].want);
		point_free(&s);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_rollover),
	cmocka_unit_test(test_enough),
	cmocka_unit_test(test_refused),
};

TEST_MAIN(tests)
