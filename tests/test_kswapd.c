/* Reclaim in the background: who wakes kswapd and how far it goes, who reclaims besides,
 * who is made to wait, and what a CPU is interrupted for whose thread sleeps. */
#include "tests/reclaim_program.h"

static void use(u64 vpn, enum run_op op)
{
	struct run r = { .va = vpn << PAGE_SHIFT, .count = 1, .bytes = 8, .op = op };

	OK(wl_runs(&r, 1));
}

/* ---- watermarks ------------------------------------------------------------------ */

#define ONE_NODE(cpus) "machine", "pack:1 [numa(memory=8MiB)] core:" cpus " pu:1", \
	"thp", "no"

static void see_marks(u32 i)
{
	for (u32 w = 0; w < NR_WMARK; w++)
		P.seen[w] = wmark_pages(0, w);
}

/* 8 MiB: 362 KiB, 90 pages; they lie a quarter of that apart, or a thousandth of the
 * node from 4.6 on where that is more. */
static void test_watermarks(void **state)
{
	static const struct { const char *kernel, *machine; u64 min, gap; } c[] = {
		{ "v6.1", "pack:1 [numa(memory=8MiB)] core:2 pu:1", 90, 22 },
		{ "v4.2", "pack:1 [numa(memory=8MiB)] core:2 pu:1", 90, 22 },
		/* 32 MiB and 8192 MiB: 11585 KiB in all, 2896 pages */
		{ "v4.2", "pack:1 [numa(memory=8GiB)] core:2 pu:1", 2896, 724 },
		{ "v4.12", "pack:1 [numa(memory=8GiB)] core:2 pu:1", 2896, 2097 },
	};

	for (u32 i = 0; i < ARRAY_LEN(c); i++) {
		free(run(1, see_marks, PAIRS("kernel", c[i].kernel, "machine",
					     c[i].machine)));
		for (u32 w = 0; w < NR_WMARK; w++)
			assert_int_equal(P.seen[w], c[i].min + w * c[i].gap);
	}
}

/* ---- kswapd ---------------------------------------------------------------------- */

static void read_slowly(u32 i)
{
	P.seen[0] = UINT64_MAX;
	for (u64 p = 0; p < ROOM; p++) {
		use(P.file + p, RUN_READ);
		if (node_free_pages(0) < P.seen[0])
			P.seen[0] = node_free_pages(0);
		the_sys->drv.delay(this_cpu->now + 200000);
	}
	P.seen[1] = wmark_pages(0, WMARK_MIN);
	P.seen[2] = lru_check();
}

/* Who reads slowly, a window of 32 pages at a time, never reclaims: kswapd, which is woken below the low watermark, runs
 * on the other CPU, is there before the min watermark is, 45 pages on; whether the
 * program's threads may move or not. */
static void test_it_is_enough(void **state)
{
	static const char *const how[] = { "pinned", "fair" };

	for (u32 i = 0; i < 2; i++) {
		struct timed_result *r = run(1, read_slowly, PAIRS("machine",
			"pack:1 [numa(memory=32MiB)] core:2 pu:1", "sched",
			how[i]));

		assert_true(r->count.v[CTR_PGSTEAL_KSWAPD] > ROOM - 8192);
		assert_int_equal(r->count.v[CTR_PGSTEAL_DIRECT], 0);
		assert_int_equal(r->count.v[CTR_ALLOCSTALL_MOVABLE], 0);
		assert_true(P.seen[0] >= P.seen[1]);
		assert_true(r->count.v[CTR_PAGEOUTRUN] > 10);
		assert_in_range(r->count.v[CTR_KSWAPD_LOW_WMARK_HIT_QUICKLY],
				r->count.v[CTR_PAGEOUTRUN] - 2,
				r->count.v[CTR_PAGEOUTRUN]);
		assert_true(r->cpu[1].count.v[CTR_PGSTEAL_KSWAPD] > 0);
		free(r);
	}
}

/* On one CPU the program has to let it in, and reclaims itself until it does. */
static void test_on_one_cpu(void **state)
{
	struct timed_result *r = run(1, read_slowly, PAIRS(ONE_NODE("1")));

	assert_true(r->count.v[CTR_PGSTEAL_KSWAPD] > 0);
	assert_true(r->count.v[CTR_PGSTEAL_KSWAPD] +
		    r->count.v[CTR_PGSTEAL_DIRECT] > ROOM - 2048);
	assert_true(P.seen[2] > 1000);
	free(r);
}

/* ---- throttling ------------------------------------------------------------------- */

/* With the rights of one who reclaims, all but a few pages are taken. */
static void hold_reserve(u32 i)
{
	u64 p = 0;

	for (u64 k = 0; k < 512; k++)
		use(P.file + k, RUN_READ);
	current()->in_reclaim = true;
	while (node_free_pages(0) > 5)
		use(P.anon + p++, RUN_WRITE);
	current()->in_reclaim = false;
	P.seen[0] = this_cpu->count.v[CTR_PGSCAN_DIRECT_THROTTLE];
	use(P.anon + p, RUN_WRITE);
	P.seen[1] = node_free_pages(0);
	P.seen[2] = wmark_pages(0, WMARK_MIN);
}

/* Below half of the min watermark who reclaims sleeps first, until kswapd has freed
 * some; no sooner. */
static void test_reserve_is_kept(void **state)
{
	struct timed_result *r = run(1, hold_reserve, PAIRS(ONE_NODE("2")));

	assert_int_equal(P.seen[0], 0);
	assert_int_equal(r->count.v[CTR_PGSCAN_DIRECT_THROTTLE], 1);
	assert_true(r->count.v[CTR_PGSTEAL_KSWAPD] > 0);
	assert_true(P.seen[1] > P.seen[2] / 2);
	free(r);
}

static u64 crowd(const char *kernel, u64 *sleeps)
{
	struct timed_result *r;
	struct setup s;
	u64 ms;

	point_make(&s, workload_find("mapped-read"), PAIRS("machine",
		"pack:1 [numa(memory=4MiB)] core:12 pu:1", "bytes", "1M",
		"kernel", kernel));
	r = point_run(&s);
	point_free(&s);
	ms = r->elapsed_cycles / (r->hz / 1000);
	*sleeps = r->count.v[CTR_RECLAIM_THROTTLED];
	assert_true(r->count.v[CTR_PGSTEAL_DIRECT] > 0);
	free(r);
	return ms;
}

/* Twelve reclaimers isolate more than an eighth of 1,024 pages: some sleep, 100 ms until
 * 5.15, and at most 20 later. */
static void test_isolated(void **state)
{
	u64 sleeps, ms = crowd("v4.12", &sleeps);

	assert_true(sleeps);
	assert_true(ms >= 100);
	ms = crowd("v6.1", &sleeps);
	assert_true(sleeps);
	assert_true(ms < 100);
}

/* ---- who sleeps is left alone ------------------------------------------------------ */

#define FLUSHES 20u

/* Thread 1 sleeps in the kernel while thread 0 has entries flushed. */
static void one_sleeps(u32 i)
{
	u64 was;

	use(P.own[i], RUN_WRITE);
	if (i) {
		P.word = 1;
		sched_throttle(&P.is_over, 0, UINT64_MAX);
		P.seen[2] = this_cpu->id;
		return;
	}
	while (!*(volatile u32 *)&P.word)
		wl_work(P.own[0], 1, 1000);
	wl_work(P.own[0], 1, 100000);
	was = this_cpu->count.v[CTR_IPIS_SENT];
	for (u32 k = 0; k < FLUSHES; k++) {
		use(P.own[0], RUN_WRITE);
		OK(do_mprotect(P.mm, P.own[0], 1, VM_READ));
		OK(do_mprotect(P.mm, P.own[0], 1, VM_READ | VM_WRITE));
		if (!k)
			P.seen[0] = this_cpu->count.v[CTR_IPIS_SENT] - was;
	}
	P.seen[1] = this_cpu->count.v[CTR_IPIS_SENT] - was;
	WRITE_ONCE(P.is_over, 1);
}

/* Its CPU is idle and keeps the address space: one interrupt has it leave, and there are
 * no more; from 4.14 on not even that one. And it goes on where it slept. */
static void test_sleepers_are_left_alone(void **state)
{
	static const struct { const char *kernel; u64 ipis; } era[] = {
		{ "v4.2", 1 }, { "v4.12", 1 }, { "v6.1", 0 },
	};

	for (u32 i = 0; i < ARRAY_LEN(era); i++) {
		free(run(2, one_sleeps, PAIRS(ONE_NODE("2"), "kernel",
					      era[i].kernel)));
		assert_int_equal(P.seen[0], era[i].ipis);
		assert_int_equal(P.seen[1], era[i].ipis);
		assert_int_equal(P.seen[2], 1);
	}
}

static void sleep_a_while(u32 i)
{
	u64 ms = machine_ns_to_cycles(the_sys->m, 1000000), from = this_cpu->now;

	use(P.own[i], RUN_WRITE);
	if (i) {
		wl_work(P.own[i], 1, 3 * ms);
		WRITE_ONCE(P.word, 1);
		return;
	}
	P.seen[0] = sched_sleep_until(&P.is_over, 0, from + 2 * ms);
	P.seen[1] = (this_cpu->now - from) * 10 / ms;
	P.seen[2] = sched_sleep_until(&P.word, 0, from + 50 * ms);
	P.seen[3] = (this_cpu->now - from) * 10 / ms;
}

/* A sleep ends when its time is over, or when the word is stored to before. */
static void test_sleeps_end(void **state)
{
	free(run(2, sleep_a_while, PAIRS(ONE_NODE("2"))));
	assert_int_equal(P.seen[0], 0);
	assert_int_equal(P.seen[1], 20);
	assert_int_equal(P.seen[2], 1);
	assert_in_range(P.seen[3], 30, 31);
}

/* Thread 0 sleeps with the lock that thread 1, on the same CPU, waits for. */
static void sleep_with_lock(u32 i)
{
	u64 ms = machine_ns_to_cycles(the_sys->m, 1000000);

	use(P.own[i], RUN_WRITE);
	if (i) {
		wl_work(P.own[i], 1, ms);
		OK(do_mprotect(P.mm, P.own[1], 1, VM_READ));
		P.seen[1] = this_cpu->now / ms;
		return;
	}
	down_read(&P.mm->mmap_lock);
	sched_throttle(&P.word, 0, this_cpu->now + 20 * ms);
	P.seen[0] = this_cpu->now / ms;
	up_read(&P.mm->mmap_lock);
	wl_work(P.own[i], 1, ms);
}

/* Who waits for a lock keeps its CPU: so the one that sleeps with it lets nobody on. */
static void test_sleepers_keep_others_off(void **state)
{
	free(run(2, sleep_with_lock, PAIRS(ONE_NODE("1"), "sched", "fair")));
	assert_in_range(P.seen[0], 20, 26);
	assert_true(P.seen[1] >= P.seen[0]);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_watermarks),
	cmocka_unit_test(test_it_is_enough),
	cmocka_unit_test(test_on_one_cpu),
	cmocka_unit_test(test_reserve_is_kept),
	cmocka_unit_test(test_isolated),
	cmocka_unit_test(test_sleepers_are_left_alone),
	cmocka_unit_test(test_sleeps_end),
	cmocka_unit_test(test_sleepers_keep_others_off),
};

TEST_MAIN(tests)
