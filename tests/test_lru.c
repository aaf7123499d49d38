/* test_lru.c - the LRU lists' lock and batches: how often it is taken, what that
 * costs alone and with many, and lists that stay sound whatever programs do. */
#include <errno.h>

#include "mm/file.h"
#include "mm/lru.h"
#include "mm/reclaim.h"
#include "mm/vmscan.h"
#include "mm/swap.h"
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

/* ---- reclaim follows them ------------------------------------------------------------ */

#define NR_READERS 3
#define NR_PAGES (4 * LRU_BATCH)        /* nothing stays in a batch */
#define NR_RECLAIMS 5u

static struct {
	struct address_space *f[NR_READERS];
	u64 vpn[NR_READERS], own[NR_READERS + 1];
	u32 ready;
	bool is_over;
	u64 ipis[NR_RECLAIMS];
} rec;

/* The files are in memory, one after the other, before anyone maps them. */
static int readers_setup(struct wl *w, struct err *e)
{
	int n = wl_thread_count(w, NR_READERS + 1, e), rc = 0;

	memset(&rec, 0, sizeof(rec));
	if (n < 0)
		return n;
	if (swapon(0))
		return -ENOMEM;
	for (u32 i = 0; i <= NR_READERS && !rc; i++) {
		struct mm *mm = mm_create();

		rc = mm ? wl_start(w, i, mm, e) : -ENOMEM;
		if (rc)
			break;
		rec.own[i] = wl_map(mm, 1, VM_READ | VM_WRITE);
		if (i == NR_READERS)
			break;
		rec.f[i] = file_create(NR_PAGES, FILE_DISK | FILE_SPARSE);
		if (!rec.f[i])
			return -ENOMEM;
		rec.vpn[i] = wl_map_file(mm, NR_PAGES, VM_READ | VM_SHARED,
					 rec.f[i]);
		rc = wl_read_file(w, i, rec.f[i], e);
	}
	return rc;
}

static u64 in_cache(const struct address_space *f)
{
	u64 n = 0;

	for (u64 p = 0; p < f->nr_pages; p++)
		n += f->cache[p] != 0;
	return n;
}

/* Looked at once, all pages are cold; who was read first goes first. */
static void reclaim_some(void)
{
	for (u32 k = 0; k < NR_READERS; k++)
		for (u64 p = 0; p < NR_PAGES; p++)
			assert_false(page_is_cold(page_of(rec.f[k]->cache[p])));
	for (u32 i = 0; i < NR_RECLAIMS; i++) {
		u64 was = this_cpu->count.v[CTR_IPIS_SENT];
		u32 gone = (i + 1) * RECLAIM_BATCH;
		struct scan_control sc = { .nr_to_reclaim = RECLAIM_BATCH };

		shrink_node(0, &sc);
		assert_int_equal(sc.nr_reclaimed, RECLAIM_BATCH);
		rec.ipis[i] = this_cpu->count.v[CTR_IPIS_SENT] - was;
		for (u32 k = 0; k < NR_READERS; k++) {
			u32 n = gone < NR_PAGES ? gone : NR_PAGES;

			assert_int_equal(in_cache(rec.f[k]), NR_PAGES - n);
			gone -= n;
		}
	}
}

static void readers_body(struct wl *w, u32 i)
{
	if (i == NR_READERS) {
		while (rec.ready < NR_READERS)
			wl_work(rec.own[i], 1, 1000);
		reclaim_some();
		rec.is_over = true;
		return;
	}
	for (u64 p = 0; p < NR_PAGES; p++)
		wl_runs(&(struct run){ .va = (rec.vpn[i] + p) << PAGE_SHIFT,
				       .bytes = 8, .count = 1,
				       .op = RUN_READ }, 1);
	rec.ready++;
	while (!rec.is_over)
		wl_work(rec.own[i], 1, 1000);
	w->done += NR_PAGES;
}

/* Three processes' pages lie on the list one process's after the other's: who takes 32
 * interrupts the one or two whose they are, once; one by one, for each page. */
static void test_reclaim_follows_them(void **state)
{
	static const struct { const char *kernel; u64 ipis[NR_RECLAIMS]; } era[] = {
		{ "v4.2", { 32, 32, 32, 32, 32 } },
		{ "v4.12", { 1, 2, 1, 2, 1 } },
		{ "v6.1", { 1, 2, 1, 2, 1 } },
	};
	struct workload w = *workload_find("mapped-read");

	w.setup = readers_setup;
	w.body = readers_body;
	for (u32 i = 0; i < ARRAY_LEN(era); i++) {
		free(run_with(&w, PAIRS("kernel", era[i].kernel, "machine",
			"pack:1 [numa(memory=8MiB)] core:4 pu:1")));
		for (u32 k = 0; k < NR_RECLAIMS; k++)
			assert_int_equal(rec.ipis[k], era[i].ipis[k]);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_batches_take_the_lock_once),
	cmocka_unit_test(test_lock_limits_many),
	cmocka_unit_test(test_vma_lock_limits_neighbours),
	cmocka_unit_test(test_lists_are_sound),
	cmocka_unit_test(test_reclaim_follows_them),
};

TEST_MAIN(tests)
