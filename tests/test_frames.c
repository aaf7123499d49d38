/* test_frames.c - how the frames of a page's neighbours lie, and what a page, and a
 * large machine, take of our memory. */
#include <sys/resource.h>
#include <sys/wait.h>

#include "cpu/direct.h"
#include "tests/chase.h"

/* ---- where frames are -------------------------------------------------------------- */

/* With frames aligned as pages are, TLBs that coalesce do, without help: a fourth
 * of the walks, four times the reach. A machine that does not sees no change. */
static void test_aligned_frames(void **state)
{
	static const struct {
		const char *profile, *frames, *pages;
		u64 l1_misses;          /* a round                            */
	} rows[] = {
		/* Level 1 has 64 entries, of 4K or 16K. */
		{ "zen3-milan", "in-order", "128", 128 },
		{ "zen3-milan", "aligned", "128", 0 },
		{ "zen3-milan", "aligned", "256", 0 },
		{ "zen3-milan", "aligned", "512", 512 },
		{ "skylake-sp", "aligned", "128", 128 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct timed_result *r = chase(PAIRS("profile", rows[i].profile,
			"machine", "pack:1 core:1 pu:1", "contiguous", "yes",
			"rounds", "10", "pages", rows[i].pages,
			"frames", rows[i].frames));
		u64 got = r->count.v[CTR_DTLB_LOAD_MISSES];

		if (!rows[i].l1_misses)
			assert_int_equal(0, got);
		else
			assert_in_range(got, 5 * rows[i].l1_misses,
					10 * rows[i].l1_misses);
		free(r);
	}
}

/* How many frames two CPUs get, in order and out of it, until there are none;
 * no frame twice. */
static u32 frames_given(bool is_aligned, u64 seed)
{
	enum { FRAMES = 1000 };
	struct sys_config cfg = {
		.arena_bytes = 4u << 20, .nr_cpus = 2,
		.paging = { .levels = 4, .bits = 9 }, .frames_per_node = FRAMES,
	};
	const struct mm_config mc = {
		.kernel = kernel_find("v6.1"), .flush = flush_find("deferred"),
		.aligns_frames = is_aligned,
	};
	bool is_given[FRAMES] = { false };
	u64 vpn[2] = { 5, 1000 };
	struct machine *m;
	struct sys *sys;
	struct rng g;
	u32 n = 0;

	rng_init(&g, seed);
	OK(machine_create(&m, "pack:1 core:2 pu:1", NULL, &err));
	cfg.m = m;
	OK(sys_create(&sys, &cfg));
	direct_install(sys);
	OK(mm_boot(sys, &mc));
	for (;; n++) {
		u32 cpu = (u32)rng_below(&g, 2);
		struct page *p;

		this_cpu = &sys->cpu[cpu];
		vpn[cpu] += rng_chance(&g, 1, 20) ? rng_below(&g, 40) : 1;
		p = rng_chance(&g, 1, 30) ? alloc_page(0, 0)
					  : alloc_page_for(0, 0, vpn[cpu]);
		if (!p)
			break;
		assert_false(is_given[pfn_of(p)]);
		is_given[pfn_of(p)] = true;
	}
	mm_shutdown(sys);
	sys_destroy(sys);
	machine_destroy(m);
	return n;
}

static void test_aligned_frames_fill_memory(void **state)
{
	u64 seed = check_seed("frames");

	for (u32 i = 0; i < 20; i++) {
		assert_int_equal(999, frames_given(false, seed + i));
		assert_int_equal(999, frames_given(true, seed + i));
	}
}

/* ---- large machines -------------------------------------------------------------------- */

#ifdef __SANITIZE_ADDRESS__
#define HAS_ASAN 1
#else
#define HAS_ASAN 0
#endif

/* In a child, whose peak of memory is its own, with what this process has. */
static struct rusage in_child(const struct workload *w, const char *const *pairs,
			      u64 accesses)
{
	struct rusage use;
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (!child)
		_exit(run(w, pairs, false)->count.v[CTR_ACCESSES] != accesses);
	assert_int_equal(child, wait4(child, &status, 0, &use));
	assert_int_equal(0, status);
	return use;
}

/* 1 TiB and 256 CPUs, each with a program, fit in 200 MB of ours and are there
 * in a second of a CPU's time. */
static void test_large_machine_is_small(void **state)
{
	static const char *const caches[] = { "none", "walks" };

	for (u32 i = 0; i < 2; i++) {
		struct rusage use = in_child(workload_find("chase"), PAIRS(
			"machine", "pack:4 [numa(memory=256GiB)] core:32 pu:2",
			"threads", "256", "pages", "64", "rounds", "1",
			"caches", caches[i]), 256 * 64);
		double seconds = (double)use.ru_utime.tv_sec +
			(double)use.ru_stime.tv_sec +
			(double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) /
			1e6;

		printf("# 1 TiB, 256 CPUs, caches %s: %ld KiB, %.2f s\n",
		       caches[i], use.ru_maxrss, seconds);
		assert_true(HAS_ASAN || use.ru_maxrss <= 200000000 / 1024);
		assert_true(HAS_ASAN || seconds < 1);
	}
}

static u64 first_va;
static u32 nr_touched;

static int touch_setup(struct wl *w, struct err *e)
{
	struct mm *mm = mm_create();

	w->nr_threads = 1;
	first_va = wl_map(mm, nr_touched, VM_READ | VM_WRITE) << PAGE_SHIFT;
	return wl_start(w, 0, mm, e);
}

static void touch_body(struct wl *w, u32 t)
{
	for (u64 i = 0; i < nr_touched; i++) {
		struct run r = { .va = first_va + (i << PAGE_SHIFT), .count = 1,
				 .bytes = 8, .op = RUN_WRITE };

		wl_runs(&r, 1);
	}
}

static const struct workload toucher = {
	.name = "toucher", .setup = touch_setup, .body = touch_body,
};

/* What one more 4K page that a program touches costs us: at most 64 bytes.
 * (With data caches their tags come on top, as far as lines were in them.) */
static void test_frames_are_small(void **state)
{
	enum { FEW = 100000, MANY = 400000 };
	double each;
	long peak[2];

	for (u32 i = 0; i < 2; i++) {
		nr_touched = i ? MANY : FEW;
		peak[i] = in_child(&toucher, PAIRS("machine",
			"pack:1 [numa(memory=16GiB)] core:1 pu:1", "thp", "no"),
			nr_touched).ru_maxrss;
	}
	each = (double)(peak[1] - peak[0]) * 1024 / (MANY - FEW);
	printf("# %.1f bytes per touched 4K frame\n", each);
	assert_true(each > 8);
	assert_true(HAS_ASAN || each <= 64);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_aligned_frames),
	cmocka_unit_test(test_aligned_frames_fill_memory),
	cmocka_unit_test(test_large_machine_is_small),
	cmocka_unit_test(test_frames_are_small),
};

TEST_MAIN(tests)
