/* test_lru.c - the LRU lists' lock and batches: how often it is taken, what that
 * costs alone and with many, and lists that stay sound whatever programs do. */
#include "mm/lru.h"
#include "tests/point.h"

static struct timed_result *run_with(const struct workload *w,
				     const char *const *pairs)
{
	struct timed_result *r;
	struct setup s;

	point_make(&s, w, pairs);
	r = point_run(&s);
	point_free(&s);
	return r;
}

static u64 storm(const char *kernel, const char *threads, const char *lines)
{
	struct timed_result *r = run_with(workload_find("tlb_flush2"), PAIRS(
		"kernel", kernel, "threads", threads, "bytes", "120K", "lines",
		lines, "flush", "invlpgb", "profile", "zen3-milan", "machine",
		"pack:1 l3:4 core:4 pu:1"));
	u64 cycles = r->elapsed_cycles;

	free(r);
	return cycles;
}

/* 30 pages come and go one by one: the lock is taken twice for each. When nothing
 * is sent off before 15 are there, it is taken three times for 15: to put them on
 * the list, to take the 14 off that are free by then, and for the last one. That is
 * 20 and 4 cycles each time with nobody else there. */
static void test_batches_take_the_lock_once(void **state)
{
	u64 each = storm("v6.14", "1", "moved");
	u64 batch = storm("v6.14+no-lru-drain", "1", "moved");

	assert_int_equal(each - batch, (2 * 30 - 3 * 2) * 24);
}

/* With many CPUs the lock is what limits them; moves of its line are paid for
 * only where lines are contended. */
static void test_lock_limits_many(void **state)
{
	double each = (double)storm("v6.14", "16", "contended");
	double batch = (double)storm("v6.14+no-lru-drain", "16", "contended");

	if (each < 1.5 * batch)
		fail_msg("with drains %g cycles, without %g", each, batch);
}

static u64 shared_vma(const char *kernel, const char *remap)
{
	struct timed_result *r = run_with(workload_find("tlb_flush2"), PAIRS(
		"kernel", kernel, "threads", "16", "bytes", "64K", "lines",
		"contended", "flush", "invlpgb", "profile", "zen3-milan",
		"machine", "pack:1 l3:4 core:4 pu:1", "remap", remap));
	u64 cycles = r->elapsed_cycles;

	/* A round more: what it unmaps has the zero page. */
	assert_int_equal(r->count.v[CTR_TLB_FLUSH],
			 16 * (16 + !strcmp(remap, "yes")));
	assert_int_equal(r->count.v[CTR_PAGE_FAULTS], 16 * 32);
	free(r);
	return cycles;
}

/* Mappings of threads that lie next to each other are one VMA, whose lock all their
 * faults take: without the LRU lock that is what limits them. */
static void test_vma_lock_limits_neighbours(void **state)
{
	double apart = (double)shared_vma("v6.14+no-lru-drain", "no");
	double together = (double)shared_vma("v6.14+no-lru-drain", "yes");

	if (together < 1.2 * apart)
		fail_msg("in one VMA %g cycles, apart %g", together, apart);
}

/* ---- sound lists ------------------------------------------------------------------- */

static void (*real_teardown)(struct wl *w);
static u64 nr_listed;

static void check_and_tear_down(struct wl *w)
{
	nr_listed = lru_check();
	if (real_teardown)
		real_teardown(w);
}

static u64 pages_listed_after(const char *name, const char *const *pairs)
{
	struct workload w = *workload_find(name);

	real_teardown = w.teardown;
	w.teardown = check_and_tear_down;
	nr_listed = 0;
	free(run_with(&w, pairs));
	return nr_listed;
}

/* Faults, copies, splits, migration, reclaim, exits: all that adds pages and takes
 * them away. */
static void test_lists_are_sound(void **state)
{
	assert_in_range(pages_listed_after("mprotect-storm", PAIRS(
		"iterations", "2", "pages", "64", "thp", "no")), 40, 2000);
	/* All is given back but what is in batches. */
	assert_int_equal(0, pages_listed_after("page_fault1", PAIRS(
		"bytes", "512K", "threads", "4", "thp", "no")));
	pages_listed_after("tlb_flush1", PAIRS("bytes", "64K", "threads", "4"));
	pages_listed_after("fork-compact", PAIRS("machine",
		"pack:2 [numa] core:4 pu:1"));
	pages_listed_after("mremap-compact", PAIRS("machine",
		"pack:2 [numa] core:4 pu:1"));
	pages_listed_after("numa-migrate", PAIRS("time", "2ms", "machine",
		"pack:2 [numa] core:4 pu:1"));
	assert_true(pages_listed_after("mapped-read", PAIRS("bytes", "4M",
		"machine", "pack:1 [numa(memory=8MiB)] core:4 pu:1")) > 100);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_batches_take_the_lock_once),
	cmocka_unit_test(test_lock_limits_many),
	cmocka_unit_test(test_vma_lock_limits_neighbours),
	cmocka_unit_test(test_lists_are_sound),
};

TEST_MAIN(tests)
