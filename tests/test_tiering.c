/* Memory tiering beyond one fault: watermarks, kswapd's demotion, the rate limit and
 * the threshold that follows from it. */
#include <math.h>
#include <string.h>

#include "mm/file.h"
#include "mm/flush.h"
#include "mm/kswapd.h"
#include "mm/lru.h"
#include "mm/swap.h"
#include "tests/numa_program.h"

/* Node 0 has two CPUs and 8 MiB, node 1 64 MiB. The scanner does not come. */
#define TWO_TIERS "machine", "[numa(memory=8MiB)] [numa(memory=64MiB)] pack:1 " \
	"core:2 pu:1", "numa_balancing", "2", "thp", "no", \
	"numa_balancing_scan_delay_ms", "100000"

static void load_page(u64 page)
{
	struct run r = {
		.va = (P.vpn + page) << PAGE_SHIFT, .count = 1, .bytes = 8,
		.op = RUN_READ,
	};

	OK(cpu_run_many(&r, 1));
}

static bool is_mapped(u64 page)
{
	u64 *p = pgtable_entry(P.mm, P.vpn + page, 0);

	return p && (*p & (PTE_P | PTE_NUMA));
}

static u32 node_at(u64 page)
{
	return page_of(pte_pfn(*pgtable_entry(P.mm, P.vpn + page, 0)))->node;
}

static void mark(u64 page, u64 n)
{
	change_prot_numa(find_vma(P.mm, P.vpn), P.vpn + page, P.vpn + page + n);
}

static void sleep_ms(u64 ms)
{
	the_sys->drv.delay(this_cpu->now + ms * numab()->ms);
}

/* ---- watermarks ------------------------------------------------------------------ */

static void marks(struct wl *w, u32 i)
{
	for (u32 n = 0; n < 4; n++)
		P.seen[n] = wmark_pages(0, n);
	P.seen[4] = node_free_pages(0);
	touch_page(0);
	P.seen[5] = node_free_pages(0);
}

/* Of 72 MiB in all min_free_kbytes is 1086: 271 pages, 30 of them node 0's. */
static void test_watermarks(void **state)
{
	u64 min = (u64)sqrt(16.0 * 72 * 1024) / 4 * 2048 / (2048 + 16384);

	by("v6.1");
	P.pages = 1;
	free(run(marks, PAIRS(TWO_TIERS)));
	assert_int_equal(min, 30);
	for (u32 n = 0; n < 4; n++)
		assert_int_equal(P.seen[n], min + n * (min / 4));
	assert_true(P.seen[5] < P.seen[4]);
}

/* ---- demotion -------------------------------------------------------------------- */

#define HOT 64u                 /* pages that are used all the time           */

/* For a millisecond; without the flush their A bits would stay as they are. */
static void use_hot(void)
{
	for (u32 k = 0; k < 100; k++) {
		flush_tlb_mm(P.mm, FLUSH_DEBT);
		for (u64 p = 0; p < HOT; p++)
			touch_page(p);
		the_sys->drv.delay(this_cpu->now + numab()->ms / 100);
	}
}

/* Fill the fast node and more; what is on the slow one wants to be promoted. */
static void press(struct wl *w, u32 i)
{
	u64 last = P.pages - 1;

	for (u64 p = 0; p < P.pages; p++)
		touch_page(p);
	P.seen[0] = node_at(last);
	P.seen[1] = node_free_pages(0);
	for (u32 k = 0; k < 20; k++) {
		mark(last, 1);
		touch_page(last);
		use_hot();
	}
	P.seen[2] = node_at(last);
	P.seen[3] = node_free_pages(0);
	P.seen[4] = wmark_pages(0, WMARK_PROMO);
	P.seen[5] = 0;
	for (u64 p = 0; p < HOT; p++)
		P.seen[5] += node_at(p) == 0;
	P.seen[6] = lru_check();
}

/* A full node gets room for what is hot from what is not used, up to the promotion
 * watermark; with demotion_enabled only. */
static void test_demotion(void **state)
{
	for (u32 i = 0; i < 2; i++) {
		struct timed_result *r;
		u64 demoted;

		by("v6.1");
		P.pages = 4096;
		r = run(press,
			PAIRS(TWO_TIERS, "demotion_enabled", i ? "1" : "0"));
		demoted = r->count.v[CTR_PGDEMOTE_KSWAPD];
		assert_int_equal(P.seen[0], 1);
		assert_true(P.seen[1] < P.seen[4]);
		assert_int_equal(P.seen[2], !i);
		assert_int_equal(r->count.v[CTR_PGPROMOTE_SUCCESS], i);
		if (i) {
			assert_true(P.seen[3] + 1 >= P.seen[4]);
			assert_in_range(demoted, P.seen[4] - P.seen[1],
					P.seen[4] - P.seen[1] + 64);
			assert_in_range(P.seen[5], HOT - 1, HOT);
		} else {
			assert_int_equal(demoted, 0);
		}
		free(r);
	}
}

/* More than the fast node holds, from there alone. */
static void bound(struct wl *w, u32 i)
{
	set_mempolicy(MPOL_BIND, 1);
	P.seen[0] = P.seen[1] = 0;
	for (u64 p = 0; p < P.pages && !P.seen[0]; p++) {
		struct run r = {
			.va = (P.vpn + p) << PAGE_SHIFT, .count = 1,
			.bytes = 8, .op = RUN_WRITE,
		};

		P.seen[0] = cpu_run_many(&r, 1) != 0;
	}
	for (u64 p = 0; p < P.pages && !P.seen[0]; p++)
		P.seen[1] += node_at(p) == 1;
	(void)lru_check();
}

/* A thread that may allocate from the full node alone demotes what is in its way;
 * without demotion_enabled there is no memory, and with a policy that lets it go to
 * the slow node nobody demotes. */
static void test_direct_demotion(void **state)
{
	for (u32 i = 0; i < 3; i++) {
		struct timed_result *r;
		u64 direct, kswapd;

		by("v6.1");
		P.pages = 3000;
		r = run(i < 2 ? bound : press,
			PAIRS(TWO_TIERS, "demotion_enabled", i ? "1" : "0"));
		direct = r->count.v[CTR_PGDEMOTE_DIRECT];
		kswapd = r->count.v[CTR_PGDEMOTE_KSWAPD];
		assert_int_equal(direct > 0, i == 1);
		if (i < 2) {
			assert_int_equal(P.seen[0], !i);
			assert_int_equal(P.seen[1], direct + kswapd);
			assert_true(i == 0 || P.seen[1] >= 3000 - 2048);
		}
		free(r);
	}
}

/* ---- files ------------------------------------------------------------------------ */

/* All pages of a mapped file are loaded; the last one, on the slow node, is then
 * marked by the scanner and used, @to_promote. */
static void use_file(u32 flags, bool to_promote)
{
	struct address_space *f = file_create(P.pages, FILE_DISK);

	P.vpn = wl_map_file(P.mm, P.pages, flags | VM_SHARED | VM_MIGRATABLE, f);
	for (u64 p = 0; p < P.pages; p++)
		load_page(p);
	P.seen[0] = node_at(P.pages - 1);
	P.seen[1] = node_free_pages(0);
	for (u32 k = 0; k < 20 && to_promote; k++) {
		mark(P.pages - 1, 1);
		load_page(P.pages - 1);
		the_sys->drv.delay(this_cpu->now + numab()->ms);
	}
	P.seen[2] = node_at(P.pages - 1);
}

static void hot_file(struct wl *w, u32 i)
{
	use_file(VM_READ | VM_WRITE, true);
	P.seen[3] = 0;
	for (u64 p = 0; p < P.pages; p++)
		P.seen[3] += is_mapped(p);
}

/* Pages of files are demoted for one that is hot, which is promoted; all stay mapped. */
static void test_files_move(void **state)
{
	struct timed_result *r;

	by("v6.1");
	P.pages = 4096;
	r = run(hot_file, PAIRS(TWO_TIERS, "demotion_enabled", "1"));
	assert_int_equal(P.seen[0], 1);
	assert_int_equal(P.seen[2], 0);
	assert_int_equal(P.seen[3], P.pages);
	assert_int_equal(r->count.v[CTR_PGPROMOTE_SUCCESS], 1);
	assert_true(r->count.v[CTR_PGDEMOTE_KSWAPD] > 0);
	free(r);
}

/* For 200 ms one page is used. */
static void be_scanned(struct wl *w, u32 i)
{
	use_file(P.seen[7] ? VM_READ | VM_WRITE : VM_READ, false);
	for (u32 k = 0; k < 200; k++) {
		load_page(P.pages - 1);
		the_sys->drv.delay(this_cpu->now + numab()->ms);
		the_sys->os.user_tick();
	}
}

/* What may only be read of a file is not scanned; until 3.12 it was. */
static void test_read_only_files_are_left_alone(void **state)
{
	for (u32 i = 0; i < 3; i++) {
		struct timed_result *r;

		by("v6.1")->scans_ro_files = i == 2;
		P.pages = 4096;
		P.seen[7] = i == 1;
		r = run(be_scanned,
			PAIRS("machine", "[numa(memory=8MiB)] [numa(memory=64MiB)] "
			      "pack:1 core:2 pu:1", "numa_balancing", "2",
			      "thp", "no", "demotion_enabled", "1",
			      "numa_balancing_scan_delay_ms", "5",
			      "numa_balancing_scan_period_min_ms", "10"));
		assert_int_equal(r->count.v[CTR_NUMA_PTE_UPDATES] > 0, i > 0);
		free(r);
	}
	assert_true(kernel_find("v3.12")->numa.scans_ro_files);
	assert_false(kernel_find("v3.13")->numa.scans_ro_files);
}

/* More than both nodes hold: what is demoted first is dropped, and at the end each
 * node has its watermark free. */
static void stream(struct wl *w, u32 i)
{
	OK(swapon(0));
	use_file(VM_READ, false);
	P.seen[3] = 0;
	for (u64 p = 0; p < P.pages; p++)
		P.seen[3] += is_mapped(p);
	P.seen[4] = node_free_pages(0) >= wmark_pages(0, WMARK_MIN) &&
		    node_free_pages(1) >= wmark_pages(1, WMARK_MIN);
	P.seen[5] = lru_check();
}

static void test_slow_node_is_reclaimed(void **state)
{
	struct timed_result *r;

	by("v6.1");
	P.pages = 3 * (2048 + 16384);
	r = run(stream, PAIRS(TWO_TIERS, "demotion_enabled", "1"));
	assert_in_range(P.seen[3], 10000, 2048 + 16384);
	assert_int_equal(P.seen[4], 1);
	assert_true(r->count.v[CTR_PGDEMOTE_KSWAPD] > 1000);
	assert_true(r->count.v[CTR_PGSTEAL_KSWAPD] +
		    r->count.v[CTR_PGSTEAL_DIRECT] -
		    r->count.v[CTR_PGDEMOTE_KSWAPD] -
		    r->count.v[CTR_PGDEMOTE_DIRECT] > 30000);
	free(r);
}

/* ---- limit and threshold --------------------------------------------------------- */

/* 400 pages of the slow node are marked and used at once, again and again. */
static void all_hot(struct wl *w, u32 i)
{
	for (u64 p = 0; p < P.pages; p++)
		touch_page(p);
	mark(P.pages - 1, 1);
	touch_page(P.pages - 1);
	sleep_ms(50);
	for (u32 k = 0; k < 60; k++) {
		mark(P.pages - 400, 400);
		for (u64 p = P.pages - 400; p < P.pages; p++)
			touch_page(p);
		sleep_ms(10);
	}
	P.seen[0] = numab()->node[0].threshold_ms;
}

/* At most 1 MB, 256 pages, a second are promoted since c6833e10008f; and since
 * c959924b0dc5 so many candidates mean a lower threshold. */
static void test_limit_and_threshold(void **state)
{
	static const struct { const char *era; bool limits, adjusts; } c[] = {
		{ "v6.0-numa", false, false }, { "v6.0-numa+hot", false, false },
		{ "v6.0-numa+limit", true, false }, { "v6.1", true, true },
	};

	for (u32 i = 0; i < ARRAY_LEN(c); i++) {
		struct timed_result *r;
		u64 promoted;

		by(c[i].era);
		P.pages = 4096;
		r = run(all_hot,
			PAIRS(TWO_TIERS, "demotion_enabled", "1",
			      "numa_balancing_promote_rate_limit_MBps", "1",
			      "numa_balancing_scan_period_max_ms", "50"));
		promoted = r->count.v[CTR_PGPROMOTE_SUCCESS];
		if (c[i].limits)
			assert_in_range(promoted, 1, 256);
		else
			assert_in_range(promoted, 300, 400);
		if (c[i].adjusts)
			assert_in_range(P.seen[0], 1, 999);
		else
			assert_int_equal(P.seen[0], 0);
		free(r);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_watermarks),
	cmocka_unit_test(test_demotion),
	cmocka_unit_test(test_direct_demotion),
	cmocka_unit_test(test_files_move),
	cmocka_unit_test(test_read_only_files_are_left_alone),
	cmocka_unit_test(test_slow_node_is_reclaimed),
	cmocka_unit_test(test_limit_and_threshold),
};

TEST_MAIN(tests)
