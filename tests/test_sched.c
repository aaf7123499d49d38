/* The scheduler of timed runs: shares of a CPU, sleeping and waking, moves, where
 * threads may run and where their memory comes from. */
#include <string.h>

#include "mm/sched.h"
#include "tests/point.h"

#define MAX 64

/* What each thread of the test's program does and saw. */
static struct {
	void (*body)(struct wl *w, u32 i);
	u32 threads;
	struct mm *mm;
	u64 vpn, pages;
	u64 ran[MAX];           /* CPU time, cycles                           */
	u64 cpus[MAX];          /* bit a CPU it was seen on                   */
	u32 word[MAX * 16];
	u64 on_node[8];         /* pages                                      */
} P;

static int setup(struct wl *w, struct err *e)
{
	int n = wl_thread_count(w, P.threads, e);

	if (n < 0)
		return n;
	P.mm = mm_create();
	P.vpn = wl_map(P.mm, P.pages, VM_READ | VM_WRITE);
	for (u32 i = 0; i < w->nr_threads; i++)
		OK(wl_start(w, i, P.mm, e));
	return 0;
}

static void body(struct wl *w, u32 i)
{
	P.body(w, i);
	if (!sched_is_on())
		return;
	sched_account();
	P.ran[i] = sched_current()->sum_exec;
}

static const struct workload program = {
	.name = "program", .setup = setup, .body = body,
};

static struct timed_result *run(void (*fn)(struct wl *, u32), u32 threads,
				u64 pages, const char *const *pairs)
{
	struct setup s;
	struct timed_result *r;

	memset(&P, 0, sizeof(P));
	P.body = fn;
	P.threads = threads;
	P.pages = pages;
	point_make(&s, &program, pairs);
	r = point_run(&s);
	point_free(&s);
	return r;
}

static void touch_once(u64 page, u32 count)
{
	struct run r = {
		.va = (P.vpn + page) << PAGE_SHIFT, .count = count, .bytes = 8,
		.op = RUN_WRITE,
	};

	OK(wl_runs(&r, 1));
	P.cpus[((struct wl_thread *)(void *)current())->index] |=
		1ull << this_cpu->id;
}

static u64 ms(u64 n)
{
	return machine_ns_to_cycles(the_sys->m, n * 1000000);
}

/* Until all CPUs' clocks say so. */
static void until_100ms(struct wl *w, u32 i)
{
	while (this_cpu->now < ms(100))
		touch_once(i, 20000);
}

/* Until it has worked enough. */
static void work_20ms(struct wl *w, u32 i)
{
	for (u64 done = 0; done < ms(20); done += 20000)
		touch_once(i, 20000);
}

/* Three threads on one CPU get a third each, give or take one slice. */
static void test_fair(void **state)
{
	struct timed_result *r = run(until_100ms, 3, 8, PAIRS(
		"machine", "pack:1 core:1 pu:1", "sched", "fair"));
	u64 third = r->elapsed_cycles / 3, slice = r->hz / 1000 * 8;

	for (u32 i = 0; i < 3; i++) {
		assert_in_range(P.ran[i], third - slice, third + slice);
		assert_int_equal(P.cpus[i], 1);
	}
	assert_true(r->count.v[CTR_CONTEXT_SWITCHES] > 20);
	free(r);
}

/* Six threads of 20 ms each on two CPUs take 60 ms, not more: nobody idles while
 * somebody waits. The same run twice is the same. */
static void test_no_cpu_idles(void **state)
{
	struct timed_result *r[2];

	for (u32 k = 0; k < 2; k++)
		r[k] = run(work_20ms, 6, 8, PAIRS(
			"machine", "pack:1 core:2 pu:1", "sched", "fair"));
	assert_in_range(r[0]->elapsed_cycles, r[0]->hz / 1000 * 60,
			r[0]->hz / 1000 * 62);
	assert_memory_equal(r[0], r[1], sizeof(*r[0]));
	free(r[0]);
	free(r[1]);
}

static void uneven(struct wl *w, u32 i)
{
	if (this_cpu->id % 2)
		work_20ms(w, i);
}

/* Half of the threads end at once: the CPUs that had them pull from the others,
 * also from another node. */
static void test_idle_pulls(void **state)
{
	struct timed_result *r = run(uneven, 8, 8, PAIRS(
		"machine", "pack:2 core:2 pu:1", "sched", "fair"));

	assert_true(r->count.v[CTR_CPU_MIGRATIONS] >= 2);
	/* Four of 20 ms on four CPUs; without pulling, two on two. */
	assert_in_range(r->elapsed_cycles, r->hz / 1000 * 20,
			r->hz / 1000 * 26);
	free(r);
}

static void ping_pong(struct wl *w, u32 i)
{
	for (u32 k = 0; k < 50; k++) {
		touch_once(i, 1000);
		if (i) {
			thread_sleep(&P.word[0], k);
			WRITE_ONCE(P.word[16], k + 1);
		} else {
			WRITE_ONCE(P.word[0], k + 1);
			thread_sleep(&P.word[16], k);
		}
	}
}

/* Two threads that wait for each other: on one CPU and on two. */
static void test_sleep_and_wake(void **state)
{
	static const char *const machine[] = {
		"pack:1 core:1 pu:1", "pack:2 core:2 pu:1"
	};

	for (u32 k = 0; k < 2; k++) {
		struct timed_result *r = run(ping_pong, 2, 8, PAIRS(
			"machine", machine[k], "sched", "fair"));

		assert_int_equal(P.word[0], 50);
		assert_int_equal(P.word[16], 50);
		assert_true(r->count.v[CTR_CONTEXT_SWITCHES] >= 50);
		free(r);
	}
}

/* More threads than CPUs that they may use: never elsewhere. */
static void test_bound(void **state)
{
	struct timed_result *r = run(work_20ms, 6, 8, PAIRS(
		"machine", "pack:2 core:2 pu:1", "physcpubind", "1,3"));

	for (u32 i = 0; i < 6; i++)
		assert_int_equal(P.cpus[i] & ~0xaull, 0);
	assert_true(r->elapsed_cycles >= r->hz / 1000 * 60);
	free(r);
	r = run(work_20ms, 6, 8, PAIRS(
		"machine", "pack:2 core:2 pu:1", "cpunodebind", "1"));
	for (u32 i = 0; i < 6; i++)
		assert_int_equal(P.cpus[i] & ~0xcull, 0);
	free(r);
}

static void touch_all(struct wl *w, u32 i)
{
	for (u64 p = 0; p < P.pages; p++)
		touch_once(p, 1);
	for (u64 p = 0; p < P.pages; p++)
		P.on_node[pfn_node(pte_pfn(*pgtable_entry(P.mm, P.vpn + p, 0)))]++;
}

/* Who says where memory comes from gets it there; pinned and scheduled alike. */
static void test_mempolicy(void **state)
{
	static const struct {
		const char *option, *value;
		u64 on_node[3];
	} c[] = {
		{ "localalloc", "yes", { 90, 0, 0 } },
		{ "membind", "2", { 0, 0, 90 } },
		{ "preferred", "1", { 0, 90, 0 } },
		{ "interleave", "0,2", { 45, 0, 45 } },
		{ "interleave", "all", { 30, 30, 30 } },
	};

	for (u32 i = 0; i < ARRAY_LEN(c); i++)
		for (u32 k = 0; k < 2; k++) {
			struct timed_result *r = run(touch_all, 1, 90, PAIRS(
				"machine", "pack:3 core:1 pu:1", "thp", "no",
				"sched", k ? "fair" : "pinned",
				c[i].option, c[i].value));

			assert_memory_equal(P.on_node, c[i].on_node,
					    sizeof(c[i].on_node));
			free(r);
		}
}

/* A node without memory: its threads get the nearest's. One that is full: the
 * next takes over, unless bound. */
static void test_small_nodes(void **state)
{
	struct timed_result *r = run(touch_all, 1, 90, PAIRS(
		"machine", "[numa(memory=0)] [numa(memory=1GiB)] pack:1 core:1 "
		"pu:1", "thp", "no"));

	assert_int_equal(P.on_node[1], 90);
	free(r);
	r = run(touch_all, 1, 600, PAIRS("machine",
		"[numa(memory=1MiB)] [numa(memory=1GiB)] pack:1 core:1 pu:1",
		"thp", "no"));
	assert_in_range(P.on_node[0], 200, 256);
	assert_int_equal(P.on_node[0] + P.on_node[1], 600);
	free(r);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_fair),
	cmocka_unit_test(test_no_cpu_idles),
	cmocka_unit_test(test_idle_pulls),
	cmocka_unit_test(test_sleep_and_wake),
	cmocka_unit_test(test_bound),
	cmocka_unit_test(test_mempolicy),
	cmocka_unit_test(test_small_nodes),
};

TEST_MAIN(tests)
