/* test_walk.c - what walks cost, and count, and who shares what they use. */
#include "tests/chase.h"

/* ---- whole machines -------------------------------------------------------------- */

/* 2 rounds over 20,000 pages, far beyond the second level (1536): every access
 * walks. @per: loads of page tables and of EPT tables a walk, all of them
 * COST_WALK_LOAD (14 cycles on skylake-sp), after 9 of the second level. */
static void expect_loads(const struct timed_result *r, u64 walks, u64 guest,
			 u64 ept)
{
	const u64 *v = r->count.v;

	assert_int_equal(walks, v[CTR_WALK_LOAD]);
	assert_int_equal(walks * guest, v[CTR_WALKER_LOADS]);
	assert_int_equal(walks * ept, v[CTR_EPT_LOADS]);
	assert_int_equal(walks * (guest + ept) * 14, v[CTR_WALK_LOAD_CYCLES]);
	assert_int_equal(v[CTR_WALK_LOAD_CYCLES], r->cycles[CYC_WALK]);
	assert_int_equal(walks * 9, r->cycles[CYC_STLB]);
}

/* (g + 1) * (h + 1) - 1 loads for g levels over h: 24 for four and four. */
static void test_nested_counts(void **state)
{
	static const struct {
		const char *ept, *size;
		u64 guest, nested;
	} rows[] = {
		{ "none", "4k", 4, 0 }, { "4k", "4k", 4, 20 },
		{ "2m", "4k", 4, 15 }, { "1g", "4k", 4, 10 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct timed_result *r = chase(PAIRS("pages", "20000",
			"rounds", "2", "psc", "no", "ept", rows[i].ept,
			"page-size", rows[i].size));

		expect_loads(r, 40000, rows[i].guest, rows[i].nested);
		free(r);
	}
}

static void test_five_levels(void **state)
{
	struct timed_result *r = chase(PAIRS("profile", "ice-lake-sp",
		"machine", "pack:1 core:1 pu:1", "levels", "5", "psc", "no",
		"pages", "20000", "rounds", "2"));

	assert_int_equal(40000, r->count.v[CTR_WALK_LOAD]);
	assert_int_equal(5 * 40000, r->count.v[CTR_WALKER_LOADS]);
	free(r);
	/* Beyond the first walks only the PDE differs from page to page. */
	r = chase(PAIRS("profile", "ice-lake-sp", "machine",
			"pack:1 core:1 pu:1", "levels", "5", "pages", "20000",
			"rounds", "2"));
	assert_in_range(r->count.v[CTR_WALKER_LOADS], 40000, 2 * 40000);
	assert_int_equal(0, r->count.v[CTR_PSC_MISS]);
	free(r);
}

/* A guest's 2M page over 4K of the EPT is cached as 4K pages, and reaches no
 * farther; over 2M it is cached whole. */
static void test_fracturing(void **state)
{
	static const struct {
		const char *ept;
		enum counter size;
		u64 guest, nested;
	} rows[] = {
		{ "4k", CTR_WALK_LOAD_4K, 3, 16 },
		{ "2m", CTR_WALK_LOAD_2M, 3, 12 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		/* 4000 pages of 2M need 8 GB; beyond any TLB. */
		struct timed_result *r = chase(PAIRS("machine",
			"pack:1 [numa(memory=16GiB)] core:1 pu:1",
			"pages", "4000", "rounds", "2", "psc", "no", "ept",
			rows[i].ept, "page-size", "2m"));

		expect_loads(r, 8000, rows[i].guest, rows[i].nested);
		assert_int_equal(8000, r->count.v[rows[i].size]);
		free(r);
	}
}

/* Walks overlap as far as accesses and walkers (2) allow, and no farther. */
static void test_overlap(void **state)
{
	struct timed_result *one, *two, *eight;

	one = chase(PAIRS("pages", "20000", "rounds", "2", "psc", "no"));
	two = chase(PAIRS("pages", "20000", "rounds", "2", "psc", "no",
			  "mlp", "2"));
	eight = chase(PAIRS("pages", "20000", "rounds", "2", "psc", "no",
			    "mlp", "8"));
	/* 40,000 accesses of 1 cycle, 9 of the second level and a walk of 56. */
	assert_int_equal(40000 * 66, one->elapsed_cycles);
	/* Two accesses under way: half, and one cycle to issue the next where a
	 * slot becomes free. Then two walkers, and the second level is looked
	 * up meanwhile: half of the walks alone. */
	assert_in_range(two->elapsed_cycles, 40000 * 65 / 2, 40000 * 67 / 2);
	assert_in_range(eight->elapsed_cycles, 40000 * 28, 40000 * 28 + 1000);
	assert_memory_equal(&one->count, &eight->count, sizeof(one->count));
	free(one);
	free(two);
	free(eight);
}

/* Where PTEs are found adds up, and costs what the profile says. */
static void test_walks_through_caches(void **state)
{
	static const char *const modes[] = { "walks", "full" };

	for (size_t m = 0; m < ARRAY_LEN(modes); m++) {
		struct timed_result *r = chase(PAIRS("pages", "40000",
			"rounds", "2", "caches", modes[m], "machine",
			"pack:1 [numa(memory=4GiB)] core:1 pu:1"));
		const u64 *v = r->count.v;
		/* skylake-sp: L1D 4, L2 14, LLC 75; memory 81.4 ns at
		 * 2.5 GHz. */
		u64 dram = (u64)(81.4 * (double)r->hz / 1e9 + 0.5);

		assert_int_equal(v[CTR_WALKER_LOADS], v[CTR_PWL_D_L1] +
				 v[CTR_PWL_D_L2] + v[CTR_PWL_D_L3] +
				 v[CTR_PWL_D_MEMORY]);
		assert_int_equal(v[CTR_WALK_LOAD_CYCLES],
				 4 * v[CTR_PWL_D_L1] + 14 * v[CTR_PWL_D_L2] +
				 75 * v[CTR_PWL_D_L3] +
				 dram * v[CTR_PWL_D_MEMORY]);
		assert_int_equal(v[CTR_WALK_BEGUN_LOAD], v[CTR_PSC_HIT_PDE] +
				 v[CTR_PSC_HIT_PDPTE] + v[CTR_PSC_HIT_PML4E] +
				 v[CTR_PSC_MISS]);
		if (m)
			assert_int_equal(r->cycles[CYC_DATA],
				10 * v[CTR_DATA_L2] + 71 * v[CTR_DATA_L3] +
				(dram - 4) * v[CTR_DATA_MISS]);
		free(r);
	}
}

/* Threads of one core share TLBs, walk caches, walkers and caches; running
 * ahead changes nothing in any mode. */
static void test_smt_is_exact(void **state)
{
	static const char *const rows[][9] = {
		{ "psc", "yes" }, { "psc", "no" }, { "caches", "walks" },
		{ "caches", "full" }, { "ept", "4k" },
		{ "mlp", "4" }, { "mlp", "4", "caches", "full" },
		{ "mlp", "3", "caches", "walks", "ept", "2m" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *pairs[32] = { "machine", "pack:1 core:2 pu:2",
			"threads", "4", "placement", "pack", "pages", "40",
			"iterations", "6", "initiators", "2" };
		struct timed_result *a, *b;
		u32 n = 12;

		for (u32 k = 0; rows[i][k]; k++)
			pairs[n++] = rows[i][k];
		a = run(workload_find("mprotect-storm"), pairs, false);
		b = run(workload_find("mprotect-storm"), pairs, true);
		forget_samples(a);
		forget_samples(b);
		assert_memory_equal(a, b, sizeof(*a));
		assert_true(a->count.v[CTR_IPIS_SENT] > 0);
		free(a);
		free(b);
	}
}

/* ---- fetches ------------------------------------------------------------------------ */

#define FETCH_PAGES 32u

static u64 fetch_vpn;

static int fetch_setup(struct wl *w, struct err *e)
{
	struct mm *mm = mm_create();
	int rc;

	w->nr_threads = 1;
	fetch_vpn = wl_map(mm, FETCH_PAGES, VM_READ | VM_WRITE);
	rc = wl_start(w, 0, mm, e);
	return rc ? rc : wl_populate(w, 0, fetch_vpn, FETCH_PAGES, e);
}

/* Dropped, then fetched, fetched again, and loaded. */
static void fetch_body(struct wl *w, u32 t)
{
	cpu_flush_pcid();
	for (u32 pass = 0; pass < 3; pass++)
		for (u32 i = 0; i < FETCH_PAGES; i++) {
			struct run r = {
				.va = (fetch_vpn + i) << PAGE_SHIFT, .count = 5,
				.bytes = 4, .stride = 4,
				.op = pass < 2 ? RUN_FETCH : RUN_READ,
			};

			wl_runs(&r, 1);
		}
}

static const struct workload fetch = {
	.name = "fetch", .setup = fetch_setup, .body = fetch_body,
};

static void test_fetches(void **state)
{
	struct timed_result *r = run(&fetch, PAIRS("machine",
						   "pack:1 core:1 pu:1"), false);
	const u64 *v = r->count.v;

	assert_int_equal(10 * FETCH_PAGES, v[CTR_ITLB_LOADS]);
	assert_int_equal(FETCH_PAGES, v[CTR_ITLB_LOAD_MISSES]);
	assert_int_equal(FETCH_PAGES, v[CTR_WALK_FETCH]);
	assert_int_equal(FETCH_PAGES, v[CTR_WALK_FETCH_4K]);
	assert_int_equal(0, v[CTR_STLB_HIT_FETCH]);
	/* What a fetch brought to the second level serves loads, too. */
	assert_int_equal(5 * FETCH_PAGES, v[CTR_DTLB_LOADS]);
	assert_int_equal(FETCH_PAGES, v[CTR_DTLB_LOAD_MISSES]);
	assert_int_equal(FETCH_PAGES, v[CTR_STLB_HIT_LOAD]);
	assert_int_equal(0, v[CTR_WALK_LOAD]);
	free(r);
}

/* ---- contiguity ------------------------------------------------------------------------ */

#define BLOCKS 60u

static u64 block_vpn;

/* Frames come in order; begin where they are aligned as the pages are. */
static int blocks_setup(struct wl *w, struct err *e)
{
	const bool *is_shifted = w->cfg;
	struct mm *mm = mm_create();
	u64 vpn;
	int rc;

	w->nr_threads = 1;
	vpn = wl_map(mm, 512, VM_READ | VM_WRITE);
	rc = wl_start(w, 0, mm, e);
	if (!rc)                /* makes the tables */
		rc = wl_populate(w, 0, vpn + 511, 1, e);
	block_vpn = vpn + 4 + (*is_shifted ? 2 : 0);
	if (!rc)
		rc = wl_populate(w, 0, vpn, 4 - (mms()->node[0].next & 3), e);
	while (!rc && (mms()->node[0].next & 3))
		rc = wl_populate(w, 0, vpn + 500 + (mms()->node[0].next & 3), 1,
				 e);
	return rc ? rc : wl_populate(w, 0, block_vpn, 4 * BLOCKS, e);
}

static void blocks_body(struct wl *w, u32 t)
{
	cpu_flush_pcid();
	for (u32 i = 0; i < 4 * BLOCKS; i++) {
		struct run r = { .va = (block_vpn + i) << PAGE_SHIFT,
				 .count = 1, .bytes = 8, .op = RUN_READ };

		wl_runs(&r, 1);
	}
}

static const struct opt blocks_params[] = {
	{ .name = "shifted", .kind = OPT_BOOL, .offset = 0, .help = "x",
	  .group = "x" },
};

static const struct workload blocks = {
	.name = "blocks", .params = blocks_params, .nr_params = 1,
	.cfg_bytes = sizeof(bool), .setup = blocks_setup, .body = blocks_body,
};

/* On a machine that coalesces, one walk for four pages that map four aligned
 * frames; one each when frames are not aligned, or the machine does not. */
static void test_contiguity(void **state)
{
	static const struct {
		const char *profile, *shifted;
		u64 walks;
	} rows[] = {
		{ "zen3-milan", "no", BLOCKS },
		{ "zen3-milan", "yes", 4 * BLOCKS },
		{ "skylake-sp", "no", 4 * BLOCKS },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct timed_result *r = run(&blocks, PAIRS("profile",
			rows[i].profile, "machine", "pack:1 core:1 pu:1",
			"shifted", rows[i].shifted), false);

		assert_int_equal(rows[i].walks, r->count.v[CTR_WALK_LOAD]);
		free(r);
	}
}

/* ---- SMT --------------------------------------------------------------------------- */

/* Two programs of 64 pages each: 64 entries suffice for one, not for both. On two
 * cores each has its own; on one they compete. */
static void test_smt_siblings_compete(void **state)
{
	static const char *const topology[] = {
		"pack:1 core:2 pu:1", "pack:1 core:1 pu:2",
	};
	u64 misses[2];

	for (u32 i = 0; i < 2; i++) {
		struct timed_result *r = chase(PAIRS("machine", topology[i],
			"threads", "2", "placement", "pack", "pages", "64",
			"rounds", "20"));

		misses[i] = r->count.v[CTR_DTLB_LOAD_MISSES];
		assert_int_equal(0, r->count.v[CTR_WALK_LOAD]);
		assert_int_equal(misses[i], r->count.v[CTR_STLB_HIT_LOAD]);
		free(r);
	}
	assert_int_equal(0, misses[0]);
	assert_in_range(misses[1], 2 * 20 * 64 * 9 / 10, 2 * 20 * 64);
}

/* ---- what a result leans on ---------------------------------------------------------- */

static u32 leans_on(const struct workload *w, const char *const *more)
{
	const char *pairs[16] = { "machine", "pack:1 core:1 pu:1",
				  "profile", "neoverse-v1" };
	struct timed_result *r;
	u32 n = 4, used;

	while (*more)
		pairs[n++] = *more++;
	r = run(w, pairs, false);
	used = r->nr_assumed_used;
	free(r);
	return used;
}

/* A profile whose TLBs, walk caches and data caches are all assumed: each counts
 * when something asked it, and only then. */
static void test_assumed_where_used(void **state)
{
	const struct workload *w = workload_find("chase");
	u32 few = leans_on(w, PAIRS("pages", "8")), walks, full;

	/* Within level 1: no level 2, no walk. Beyond: level 2's six numbers
	 * and its latency and coalescing, three walk caches, walk_load. */
	walks = leans_on(w, PAIRS("pages", "9000", "psc", "no"));
	assert_int_equal(few + 9 + 1, walks);
	assert_int_equal(walks + 3, leans_on(w, PAIRS("pages", "9000")));
	assert_int_equal(walks + 3 + 1,
			 leans_on(w, PAIRS("pages", "9000", "ept", "4k")));
	assert_int_equal(walks, leans_on(w, PAIRS("pages", "9000", "psc", "no",
						  "ept", "4k")));
	assert_int_equal(walks + 3 + 1,
			 leans_on(w, PAIRS("pages", "9000", "mlp", "2")));
	/* Three caches of three numbers, which hold it all; no walk_load. */
	full = leans_on(w, PAIRS("pages", "9000", "caches", "full"));
	assert_int_equal(walks + 3 + 9 - 1, full);
	/* Fetches ask the instruction side, loads do not. */
	assert_int_equal(leans_on(&fetch, PAIRS("psc", "no")),
			 leans_on(&blocks, PAIRS("psc", "no")) + 7);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_nested_counts),
	cmocka_unit_test(test_five_levels),
	cmocka_unit_test(test_fracturing),
	cmocka_unit_test(test_overlap),
	cmocka_unit_test(test_walks_through_caches),
	cmocka_unit_test(test_smt_is_exact),
	cmocka_unit_test(test_fetches),
	cmocka_unit_test(test_contiguity),
	cmocka_unit_test(test_smt_siblings_compete),
	cmocka_unit_test(test_assumed_where_used),
};

TEST_MAIN(tests)
