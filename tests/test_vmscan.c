/* What reclaim scans, how much of it, and what it must not lose: frames, slots of the
 * swap device, pages on lists, on small machines too and with all strategies that put
 * frames or flushes off. */
#include "mm/flush.h"
#include "mm/vmscan.h"
#include "tests/reclaim_program.h"

static int use(u64 vpn, enum run_op op)
{
	struct run r = { .va = vpn << PAGE_SHIFT, .count = 1, .bytes = 8, .op = op };

	return wl_runs(&r, 1);
}

/* Until one fails. */
static void use_all(u64 vpn, u64 n, enum run_op op)
{
	for (u64 k = 0; k < n && !P.rc; k++)
		P.rc = use(vpn + k, op);
}

static u64 scanned(const struct timed_result *r)
{
	return r->count.v[CTR_PGSCAN_KSWAPD] + r->count.v[CTR_PGSCAN_DIRECT];
}

static u64 stolen(const struct timed_result *r)
{
	return r->count.v[CTR_PGSTEAL_KSWAPD] + r->count.v[CTR_PGSTEAL_DIRECT];
}

#define MIB(size, cpus) "machine", \
	"pack:1 [numa(memory=" size "MiB)] core:" cpus " pu:1"

/* ---- which pages ------------------------------------------------------------------- */

static void fill_both(u32 i)
{
	use_all(P.file, 800, RUN_WRITE);
	use_all(P.anon, 3000, RUN_WRITE);
}

/* Files in memory alone cannot go: anonymous pages do, 2,000 pages beside 800 of a file's
 * in a memory of 2,048. A disk's go both. */
static void test_files_do_not_hide_anon(void **state)
{
	static const char *const cpus[] = {
		"pack:1 [numa(memory=8MiB)] core:1 pu:1",
		"pack:1 [numa(memory=8MiB)] core:2 pu:1",
	};

	for (u32 k = 0; k < 4; k++) {
		struct timed_result *r;

		P.slots = 8192;
		P.file_flags = k & 1 ? FILE_DISK : 0;
		r = run(1, fill_both, PAIRS("machine", cpus[k / 2], "thp", "no"));
		assert_int_equal(P.rc, 0);
		assert_true(r->count.v[CTR_PSWPOUT] > (k & 1 ? 1000 : 1800));
		assert_true(stolen(r) <= scanned(r));
		assert_true(r->count.v[CTR_ALLOCSTALL_MOVABLE] > 0);
		assert_true(r->count.v[CTR_PGSCAN_DIRECT] >=
			    r->count.v[CTR_ALLOCSTALL_MOVABLE]);
		free(r);
	}
}

static void free_of_both(u32 i)
{
	OK(set_mempolicy(MPOL_INTERLEAVE, 3));
	use_all(P.anon, 500, RUN_WRITE);
	lru_drain();
	P.seen[0] = lru_size(0, LRU_ANON) + lru_size(1, LRU_ANON);
	current()->in_reclaim = true;
	P.seen[1] = try_to_free_pages(3, 500);
	current()->in_reclaim = false;
	P.seen[2] = lru_size(0, LRU_ANON);
	P.seen[3] = lru_size(1, LRU_ANON);
}

/* Who needs as much as both nodes have takes it from both. */
static void test_all_nodes_are_shrunk(void **state)
{
	P.slots = 8192;
	P.file_flags = FILE_DISK;
	free(run(1, free_of_both, PAIRS("machine",
		"pack:2 [numa(memory=8MiB)] core:1 pu:1", "thp", "no")));
	assert_int_equal(P.rc, 0);
	assert_int_equal(P.seen[0], 500);
	assert_in_range(P.seen[2], 1, 249);
	assert_in_range(P.seen[3], 1, 249);
	assert_int_equal(P.seen[1], 500 - P.seen[2] - P.seen[3]);
}

/* What a look at the node scans at @priority; *@file, *@anon: what it would of each list
 * alone. */
static u64 look(int priority, u64 *file, u64 *anon)
{
	struct scan_control sc = { .priority = priority, .nr_to_reclaim = 1u << 20 };

	lru_drain();
	*file = lru_size(0, LRU_FILE) >> priority;
	*anon = lru_size(0, LRU_ANON) >> priority;
	current()->in_reclaim = true;
	shrink_node(0, &sc);
	current()->in_reclaim = false;
	return sc.nr_scanned;
}

/* Room for files, then hardly any free, for lack of which nobody reclaims. */
static void look_at_both(u32 i)
{
	u64 file, anon, p = 0;

	current()->in_reclaim = true;
	use_all(P.file, 100, RUN_READ);
	for (; p < 1000; p++)
		P.rc |= use(P.anon + p, RUN_WRITE);
	P.seen[0] = look(2, &file, &anon) == file && file;
	P.seen[1] = look(8, &file, &anon) == anon * 60 / 200 && anon && !file;
	P.seen[2] = look(0, &file, &anon) == file + anon;
	current()->in_reclaim = true;
	use_all(P.file, 100, RUN_READ);
	while (node_free_pages(0) > 5)
		P.rc |= use(P.anon + p++, RUN_WRITE);
	P.seen[3] = look(2, &file, &anon) == anon && file;
	P.seen[4] = look(0, &file, &anon) == file + anon;
}

/* Files alone while their list has a share; else anonymous ones by swappiness; these
 * alone where free pages and files together are less than the high watermark; both at
 * the last priority. */
static void test_scan_balance(void **state)
{
	P.slots = 8192;
	P.file_flags = FILE_DISK;
	free(run(1, look_at_both, PAIRS(MIB("8", "1"), "thp", "no")));
	assert_int_equal(P.rc, 0);
	for (u32 k = 0; k < 5; k++)
		assert_true(P.seen[k]);
}

/* ---- how many ---------------------------------------------------------------------- */

static void fill_huge(u32 i)
{
	u64 base = (P.anon + hpage_pages() - 1) & ~(hpage_pages() - 1);

	use_all(base, 4 * hpage_pages(), RUN_WRITE);
	lru_drain();
	P.seen[0] = lru_size(0, LRU_ANON);
	P.seen[1] = lru_check();
	use_all(base, 24 * hpage_pages(), RUN_WRITE);
	(void)lru_check();
}

/* A huge page counts as 512 on a list, and as 512 scanned: no more comes free than was
 * looked at. */
static void test_huge_pages_count(void **state)
{
	struct timed_result *r;

	P.slots = 16384;
	P.file_flags = FILE_DISK;
	r = run(1, fill_huge, PAIRS(MIB("32", "2")));
	assert_int_equal(P.rc, 0);
	assert_int_equal(P.seen[1], 4);
	assert_int_equal(P.seen[0], 2048);
	assert_true(r->count.v[CTR_THP_SPLIT_PAGE] > 0);
	assert_true(stolen(r) > 0 && stolen(r) <= scanned(r));
	free(r);
}

static void overfill(u32 i)
{
	use_all(P.anon, 3000, RUN_WRITE);
	P.seen[0] = swap_room();
	P.seen[1] = this_cpu->count.v[CTR_PGSCAN_DIRECT];
	P.rc = 0;
	for (u32 k = 0; k < 10; k++)
		P.seen[2] += use(P.anon + 3000 + k, RUN_WRITE) != 0;
	P.seen[3] = this_cpu->count.v[CTR_PGSCAN_DIRECT] - P.seen[1];
	OK(do_munmap(P.mm, P.anon, ROOM));
	P.seen[4] = swap_room();
}

/* A device that is full: anonymous pages are not looked at any more, and who wants one
 * hears so; all slots are free again when nothing names them. */
static void test_full_device(void **state)
{
	P.slots = 100;
	P.file_flags = FILE_DISK;
	free(run(1, overfill, PAIRS(MIB("8", "1"), "thp", "no")));
	assert_int_equal(P.seen[0], 0);
	assert_int_equal(P.seen[2], 10);
	assert_int_equal(P.seen[3], 0);
	assert_int_equal(P.seen[4], 100);
}

/* ---- who waits for a flush --------------------------------------------------------- */

#define BUSY_MS 50u

/* Thread 1 takes interrupts and does not tick, as who waits for a lock; thread 0 takes
 * all but a few pages with the rights of one who reclaims, and is throttled. */
static void throttled_by_one_who_does_not_tick(u32 i)
{
	u64 ms = machine_ns_to_cycles(the_sys->m, 1000000), p = 0, from;

	if (i) {
		while (!*(volatile u32 *)&P.word)
			wl_work(P.own[i], 1, 1000);
		the_sys->drv.delay(this_cpu->now + BUSY_MS * ms);
		P.seen[1] = this_cpu->now;
		return;
	}
	current()->in_reclaim = true;
	while (node_free_pages(0) > 5)
		use(P.anon + p++, RUN_WRITE);
	current()->in_reclaim = false;
	P.word = 1;
	from = this_cpu->now;
	P.rc = use(P.anon + p, RUN_WRITE);
	P.seen[0] = (this_cpu->now - from) / ms;
	P.seen[2] = this_cpu->count.v[CTR_PGSCAN_DIRECT_THROTTLE];
}

/* kswapd interrupts him: who is throttled may hold the lock. */
static void test_throttled_are_not_kept_by_flushes(void **state)
{
	P.slots = 8192;
	P.file_flags = FILE_DISK;
	free(run(2, throttled_by_one_who_does_not_tick,
		 PAIRS(MIB("8", "3"), "thp", "no", "flush", "ecotlb")));
	assert_int_equal(P.rc, 0);
	assert_int_equal(P.seen[2], 1);
	assert_true(P.seen[0] < BUSY_MS / 5);
}

#define TABLES 3u

/* 1,533 of 2,048 pages, one in a table staying, so that it does; what one pass unmapped
 * is still kept in the next. */
static void map_and_unmap(u32 i)
{
	if (i) {
		while (!*(volatile u32 *)&P.word)
			wl_work(P.own[i], 1, 1000);
		return;
	}
	for (u32 k = 0; k < 4; k++) {
		u64 n = hpage_pages();
		u64 vpn = do_mmap(P.mm, (TABLES + 1) * n, VM_READ | VM_WRITE);

		vpn = (vpn + n - 1) & ~(n - 1);
		use_all(vpn, TABLES * n, RUN_WRITE);
		for (u32 t = 0; t < TABLES; t++)
			OK(do_munmap(P.mm, vpn + t * n + 1, n - 1));
		P.seen[k] = node_free_pages(0);
	}
	P.word = 1;
}

/* Nor is memory that LATR keeps: who finds none has it flushed at once. */
static void test_kept_frames_come_back(void **state)
{
	static const char *const flush[] = { "latr", "ecotlb" };

	P.slots = 0;
	for (u32 k = 0; k < 2; k++) {
		free(run(2, map_and_unmap, PAIRS(MIB("8", "3"), "thp", "no",
						 "flush", flush[k])));
		assert_int_equal(P.rc, 0);
		assert_true(P.seen[0] < 2048 - TABLES * 511);
	}
}

/* ---- nothing is lost ----------------------------------------------------------------- */

#define AREA 1024u

/* Frames that neither the file has nor, in memory, the threads' own pages: tables. */
static u64 others(void)
{
	u64 n = 0;

	for (u32 k = 0; k < the_sys->m->nr_nodes; k++)
		n += mms()->node[k].nr_used;
	for (u64 k = 0; k < ROOM; k++)
		n -= P.f->cache[k] != 0;
	for (u32 i = 0; i < P.threads; i++) {
		u64 *p = pgtable_entry(P.mm, P.own[i], 0);

		n -= p && (*p & PTE_P);
	}
	return n;
}

/* Stores, loads, gives back, pages out, at random; whatever fails, fails. */
static void churn(u32 i)
{
	u64 at = P.anon + i * AREA, end;
	struct rng r;

	rng_init(&r, i + 1);
	for (u32 k = 0; k < 400; k++) {
		u64 p = rng_below(&r, AREA), n = rng_below(&r, 64) + 1;

		if (p + n > AREA)
			n = AREA - p;
		switch (rng_below(&r, 16)) {
		case 0:
			(void)do_munmap(P.mm, at + p, n);
			OK(vma_add(P.mm, at + p, n, VM_READ | VM_WRITE | VM_HUGE)
			   ? 0 : -1);
			break;
		case 1:
			(void)do_madvise(P.mm, at + p, n, MADV_PAGEOUT);
			break;
		case 2: case 3: case 4:
			(void)use(P.file + p, RUN_WRITE);
			break;
		default:
			for (u64 j = 0; j < n; j++)
				(void)use(at + p + j, j & 1 ? RUN_READ : RUN_WRITE);
		}
	}
	(void)atomic_add_return(&P.nr_ended, 1);
	if (i)
		return;
	while (*(volatile u32 *)&P.nr_ended < P.threads)
		wl_work(P.own[0], 1, 10000);
	OK(do_munmap(P.mm, P.anon, ROOM));
	/* As when the program ends. */
	flush_claim(P.mm, 0, UINT64_MAX);
	end = this_cpu->now + machine_ns_to_cycles(the_sys->m, 30000000);
	while (this_cpu->now < end)
		wl_work(P.own[0], 1, 100000);
	P.seen[0] = others();
	P.seen[1] = swap_room();
	(void)lru_check();
}

/* Two threads on one or two CPUs and on nodes of 2 to 8 MiB, a device that is soon full
 * or never: when all is unmapped, frames are the file's and those of three to eight
 * tables, slots are free, no more came free or in than was looked at or out, and a
 * second run does the same. */
static void test_nothing_is_lost(void **state)
{
	static const char *const flush[] = { "deferred", "ecotlb", "latr", "fpr",
					     "luf", "xen-filter" };
	static const char *const machine[] = {
		"pack:1 [numa(memory=4MiB)] core:1 pu:1",
		"pack:1 [numa(memory=8MiB)] core:2 pu:1",
		"pack:2 [numa(memory=2MiB)] core:2 pu:1",
	};
	u64 first = 0;

	P.file_flags = FILE_DISK;
	for (u32 k = 0; k <= ARRAY_LEN(flush) * ARRAY_LEN(machine); k++) {
		struct timed_result *r;

		P.slots = k & 1 ? 16 : 8192;
		r = run(2, churn, PAIRS("flush", flush[k / 3 % ARRAY_LEN(flush)],
					"machine", machine[k % 3], "thp",
					k & 1 ? "no" : "yes", "sched", "fair"));
		assert_in_range(P.seen[0], 3, 8);
		assert_int_equal(P.seen[1], P.slots);
		assert_true(stolen(r) <= scanned(r));
		assert_true(r->count.v[CTR_PSWPOUT] > 0);
		if (!k)
			first = r->elapsed_cycles;
		if (k == ARRAY_LEN(flush) * ARRAY_LEN(machine))
			assert_int_equal(r->elapsed_cycles, first);
		free(r);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_files_do_not_hide_anon),
	cmocka_unit_test(test_all_nodes_are_shrunk),
	cmocka_unit_test(test_scan_balance),
	cmocka_unit_test(test_huge_pages_count),
	cmocka_unit_test(test_full_device),
	cmocka_unit_test(test_throttled_are_not_kept_by_flushes),
	cmocka_unit_test(test_kept_frames_come_back),
	cmocka_unit_test(test_nothing_is_lost),
};

TEST_MAIN(tests)
