/* test_walk.c - what a page walk meets: paging-structure caches and data caches
 * against naive ones, and what walks cost, count and leave behind. */
#include <errno.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/rng.h"
#include "cpu/cache.h"
#include "cpu/direct.h"
#include "tests/point.h"
#include "tlb/psc.h"

/* ---- paging-structure caches: against a list ----------------------------------- */

struct ref_psc_entry {
	u32 space, level;
	u64 page, table, rights;
	u64 used;               /* time of the last use                       */
	bool is_live;
};

struct ref_psc {
	const struct psc_geometry *geo;
	u32 bits;
	struct ref_psc_entry e[4096];
	u32 n;
	u64 clock;
};

static struct ref_psc_entry *ref_psc_find(struct ref_psc *r, u32 space,
					  u32 level, u64 page)
{
	for (u32 i = 0; i < r->n; i++)
		if (r->e[i].is_live && r->e[i].space == space &&
		    r->e[i].level == level && r->e[i].page == page)
			return &r->e[i];
	return NULL;
}

static bool ref_psc_lookup(struct ref_psc *r, u32 space, u64 vpn,
			   struct psc_hit *hit)
{
	for (u32 level = 1; level < PSC_MAX_LEVELS; level++) {
		struct ref_psc_entry *e = ref_psc_find(r, space, level,
						       vpn >> r->bits * level);

		if (!e)
			continue;
		e->used = ++r->clock;
		*hit = (struct psc_hit){ level, e->table, e->rights };
		return true;
	}
	return false;
}

static void ref_psc_fill(struct ref_psc *r, u32 space, u64 vpn, u32 level,
			 u64 table, u64 rights)
{
	u32 nr_sets = r->geo->nr_sets[level], n = 0;
	u64 page = vpn >> r->bits * level;
	struct ref_psc_entry *e = ref_psc_find(r, space, level, page);
	struct ref_psc_entry *oldest = NULL;

	if (!r->geo->nr_ways[level])
		return;
	if (!e) {
		for (u32 i = 0; i < r->n; i++) {
			struct ref_psc_entry *o = &r->e[i];

			if (!o->is_live || o->level != level ||
			    o->page % nr_sets != page % nr_sets)
				continue;
			n++;
			if (!oldest || o->used < oldest->used)
				oldest = o;
		}
		if (n == r->geo->nr_ways[level])
			oldest->is_live = false;
		for (e = r->e; e < r->e + r->n && e->is_live; e++)
			;
		assert_true(e < r->e + ARRAY_LEN(r->e));
		if (e == r->e + r->n)
			r->n++;
	}
	*e = (struct ref_psc_entry){ space, level, page, table, rights,
				     ++r->clock, true };
}

/* What @keep says no to leaves. */
static u32 ref_psc_drop(struct ref_psc *r, s64 space, bool one, u64 vpn)
{
	u32 n = 0;

	for (u32 i = 0; i < r->n; i++) {
		struct ref_psc_entry *e = &r->e[i];

		if (!e->is_live || (space >= 0 && e->space != (u32)space) ||
		    (one && e->page != vpn >> r->bits * e->level))
			continue;
		e->is_live = false;
		n++;
	}
	return n;
}

static u32 ref_psc_live(const struct ref_psc *r)
{
	u32 n = 0;

	for (u32 i = 0; i < r->n; i++)
		n += r->e[i].is_live;
	return n;
}

static void psc_differ(const struct psc_geometry *geo, u32 bits, u64 seed)
{
	struct ref_psc *r = calloc(1, sizeof(*r));
	static const u16 pcids[] = { 1, 4095, 4097, 65535 };
	struct psc *p;
	struct rng rng;

	rng_init(&rng, seed);
	r->geo = geo;
	r->bits = bits;
	assert_int_equal(0, psc_create(&p, geo, bits));
	for (u32 i = 0; i < 20000; i++) {
		/* Two threads, two PCIDs, addresses that collide at some
		 * levels and not at others; up to 57 bits. */
		u32 space = psc_space((u32)rng_below(&rng, 2),
				      pcids[rng_below(&rng, ARRAY_LEN(pcids))]);
		u64 vpn = rng_below(&rng, 6) << 4 * bits |
			  rng_below(&rng, 3) << 3 * bits |
			  rng_below(&rng, 5) << 2 * bits |
			  rng_below(&rng, 9) << bits | rng_below(&rng, 2);
		u64 op = rng_below(&rng, 1000);
		struct psc_hit a, b;

		vpn &= (1ull << 45) - 1;
		if (op < 500) {
			bool hit = ref_psc_lookup(r, space, vpn, &b);

			assert_int_equal(hit, psc_lookup(p, space, vpn, &a));
			if (!hit)
				continue;
			assert_int_equal(b.level, a.level);
			assert_int_equal(b.table, a.table);
			assert_int_equal(b.rights, a.rights);
		} else if (op < 960) {
			u32 level = 1 + (u32)rng_below(&rng, 4);
			u64 table = rng_below(&rng, 1000);

			psc_fill(p, space, vpn, level, table, op & 2);
			ref_psc_fill(r, space, vpn, level, table, op & 2);
		} else if (op < 985) {
			assert_int_equal(ref_psc_drop(r, space, true, vpn),
					 psc_invlpg_one(p, space, vpn));
		} else if (op < 998) {
			assert_int_equal(ref_psc_drop(r, space, false, 0),
					 psc_flush_space(p, space));
		} else if (op < 999) {
			u32 thread = (u32)rng_below(&rng, 2), n = 0;

			for (size_t k = 0; k < ARRAY_LEN(pcids); k++)
				n += ref_psc_drop(r, psc_space(thread, pcids[k]),
						  false, 0);
			assert_int_equal(n, psc_flush_thread(p, thread));
		} else {
			assert_int_equal(ref_psc_drop(r, -1, false, 0),
					 psc_flush_all(p));
		}
		assert_int_equal(ref_psc_live(r), psc_nr_live(p));
		if (i % 16 == 0 && psc_check(p))
			fail_msg("%s", psc_check(p));
	}
	psc_destroy(p);
	free(r);
}

static void test_psc_differential(void **state)
{
	static const struct psc_geometry geo[] = {
		{ .nr_sets = { 0, 4, 2, 1, 1 }, .nr_ways = { 0, 8, 4, 4, 2 } },
		{ .nr_sets = { 0, 1, 1 }, .nr_ways = { 0, 32, 4 } },
		{ .nr_sets = { 0, 3, 1, 0, 1 }, .nr_ways = { 0, 4, 1, 0, 16 } },
		{ .nr_sets = { 0, 1 }, .nr_ways = { 0, 1 } },
		{ .nr_ways = { 0 } },
	};
	u64 seed = check_seed("psc");

	for (size_t i = 0; i < ARRAY_LEN(geo); i++) {
		psc_differ(&geo[i], 9, seed + i);
		psc_differ(&geo[i], 3, seed + i + 100);
	}
}

static void test_psc_shapes(void **state)
{
	struct psc *p;

	assert_int_equal(-EINVAL, psc_create(&p, &(struct psc_geometry){
		.nr_sets = { 0, 0 }, .nr_ways = { 0, 4 } }, 9));
	assert_int_equal(-EINVAL, psc_create(&p, &(struct psc_geometry){
		.nr_sets = { 0, 64 }, .nr_ways = { 0, 65 } }, 9));
}

/* ---- data caches: against lists -------------------------------------------------- */

/* A set is a list, oldest first. */
struct ref_cache {
	u32 nr_sets, nr_ways;
	struct {
		u64 line[64];
		bool is_owned[64];
		u32 n;
	} set[64];
};

static s64 ref_cache_at(struct ref_cache *r, u64 line)
{
	u32 s = (u32)(line % r->nr_sets);

	for (u32 i = 0; i < r->set[s].n; i++)
		if (r->set[s].line[i] == line)
			return i;
	return -1;
}

static void ref_cache_remove(struct ref_cache *r, u32 s, u32 at)
{
	for (u32 i = at; i + 1 < r->set[s].n; i++) {
		r->set[s].line[i] = r->set[s].line[i + 1];
		r->set[s].is_owned[i] = r->set[s].is_owned[i + 1];
	}
	r->set[s].n--;
}

static bool ref_cache_access(struct ref_cache *r, u64 line, u64 *victim)
{
	u32 s = (u32)(line % r->nr_sets);
	s64 at = ref_cache_at(r, line);
	bool is_owned = at >= 0 && r->set[s].is_owned[at];

	*victim = CACHE_NO_LINE;
	if (at >= 0) {
		ref_cache_remove(r, s, (u32)at);
	} else if (r->set[s].n == r->nr_ways) {
		*victim = r->set[s].line[0];
		ref_cache_remove(r, s, 0);
	}
	r->set[s].line[r->set[s].n] = line;
	r->set[s].is_owned[r->set[s].n++] = is_owned;
	return at >= 0;
}

static void cache_differ(u32 nr_sets, u32 nr_ways, u64 nr_lines, u64 seed)
{
	struct ref_cache *r = calloc(1, sizeof(*r));
	const struct cache_geometry geo = {
		.bytes = (u64)nr_sets * nr_ways << CACHE_LINE_SHIFT,
		.nr_ways = nr_ways,
	};
	struct cache *c;
	struct rng rng;

	rng_init(&rng, seed);
	r->nr_sets = nr_sets;
	r->nr_ways = nr_ways;
	assert_int_equal(0, cache_create(&c, &geo, nr_lines));
	assert_int_equal((u64)nr_sets * nr_ways, cache_lines(c));
	for (u32 i = 0; i < 40000; i++) {
		/* Near the top of memory, twice what fits. */
		u64 line = nr_lines - 1 - rng_below(&rng, 2ull * nr_sets *
						    nr_ways);
		u32 s = (u32)(line % nr_sets);
		u64 op = rng_below(&rng, 100), a, b;
		s64 at = ref_cache_at(r, line);

		assert_int_equal(at >= 0, cache_has(c, line));
		assert_int_equal(at >= 0 && r->set[s].is_owned[at],
				 cache_is_owned(c, line));
		if (op < 70) {
			assert_int_equal(ref_cache_access(r, line, &a),
					 cache_access(c, line, &b));
			assert_int_equal(a, b);
		} else if (op < 85) {
			assert_int_equal(at >= 0, cache_drop(c, line));
			if (at >= 0)
				ref_cache_remove(r, s, (u32)at);
		} else {
			cache_set_owned(c, line, op & 1);
			if (at >= 0)
				r->set[s].is_owned[at] = op & 1;
		}
	}
	cache_destroy(c);
	free(r);
}

static void test_cache_differential(void **state)
{
	static const struct {
		u32 nr_sets, nr_ways;
		u64 nr_lines;
	} rows[] = {
		{ 64, 8, 1ull << 36 }, { 1, 4, 1 << 20 }, { 16, 1, 1 << 20 },
		/* Sets that are no power of two, memory as large as can be. */
		{ 11, 12, 1ull << 33 }, { 63, 16, 1ull << 36 },
		{ 64, 12, (1ull << 37) - 256 },
		/* Ways that fill no vector; sets that are too wide. */
		{ 64, 2, 1 << 20 }, { 57, 11, 1ull << 33 }, { 32, 7, 1 << 20 },
		{ 1, 14, 1 << 20 }, { 9, 17, 1ull << 33 }, { 1, 64, 1 << 20 },
	};
	u64 seed = check_seed("cache");

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cache_differ(rows[i].nr_sets, rows[i].nr_ways,
			     rows[i].nr_lines, seed + i);
}

static void test_cache_shapes(void **state)
{
	static const struct {
		int want;
		struct cache_geometry geo;
		u64 nr_lines;
	} rows[] = {
		{ -EINVAL, { .bytes = 4096, .nr_ways = 0 }, 100 },
		{ -EINVAL, { .bytes = 64, .nr_ways = 2 }, 100 },
		{ -EINVAL, { .bytes = 4096 + 64, .nr_ways = 2 }, 100 },
		{ -E2BIG, { .bytes = 4096, .nr_ways = 64 }, 1ull << 32 },
		{ -E2BIG, { .bytes = 1 << 20, .nr_ways = 1 }, 1ull << 41 },
		{ 0, { .bytes = 3 * 192, .nr_ways = 3 }, 1ull << 30 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct cache *c = NULL;

		assert_int_equal(rows[i].want, cache_create(&c, &rows[i].geo,
							    rows[i].nr_lines));
		cache_destroy(c);
	}
}

/* ---- whole machines -------------------------------------------------------------- */

/* @in_order: no running ahead. */
static struct timed_result *run(const struct workload *w,
				const char *const *pairs, bool in_order)
{
	struct timed_result *r;
	struct setup s;

	point_make(&s, w, pairs);
	s.p.is_in_order = in_order;
	r = point_run(&s);
	point_free(&s);
	return r;
}

static struct timed_result *chase(const char *const *pairs)
{
	return run(workload_find("chase"), pairs, false);
}

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

/* ---- who sets A and D ---------------------------------------------------------------- */

#define AD_PAGES 40u

static u64 ad_vpn;

static int ad_setup(struct wl *w, struct err *e)
{
	struct mm *mm = mm_create();

	w->nr_threads = 1;
	ad_vpn = wl_map(mm, AD_PAGES, VM_READ | VM_WRITE);
	return wl_start(w, 0, mm, e);
}

/* Each page is read first, and stored to twice later. */
static void ad_body(struct wl *w, u32 t)
{
	for (u32 pass = 0; pass < 3; pass++)
		for (u32 i = 0; i < AD_PAGES; i++) {
			struct run r = {
				.va = (ad_vpn + i) << PAGE_SHIFT, .count = 3,
				.bytes = 8, .stride = 8,
				.op = pass ? RUN_WRITE : RUN_READ,
			};

			wl_runs(&r, 1);
		}
}

static const struct workload ad = {
	.name = "ad", .setup = ad_setup, .body = ad_body,
};

/* A copy of @profile with @feature the other way round; "": the profile. */
static void toggled(const char *profile, const char *feature, const char *dir,
		    char *path, size_t size)
{
	char from[128], key[64], *text, *at;
	size_t len;

	snprintf(from, sizeof(from), "machines/%s.ini", profile);
	snprintf(path, size, "%s/p.ini", dir);
	text = check_slurp(from);
	assert_non_null(text);
	text = realloc(text, strlen(text) + 2);
	if (*feature) {
		snprintf(key, sizeof(key), "\n%s = ", feature);
		at = strstr(text, key);
		assert_non_null(at);
		at += strlen(key);
		len = strlen(at);
		if (!strncmp(at, "yes", 3)) {
			memmove(at + 2, at + 3, len - 2);
			memcpy(at, "no", 2);
		} else {
			memmove(at + 3, at + 2, len - 1);
			memcpy(at, "yes", 3);
		}
	}
	check_write(path, text, strlen(text));
	free(text);
}

/* By hardware: an assist a page. By the kernel: a fault a page, flushed here on
 * RISC-V, everywhere on Arm. A page that appears needs a local flush on RISC-V
 * alone; no fault is spurious anywhere. */
static void test_dirty_pages(void **state)
{
	static const struct {
		const char *profile, *feature, *flush;
		u64 assists, dirty_faults, local_flushes, broadcasts;
	} rows[] = {
		{ "skylake-sp", "", "deferred", AD_PAGES, 0, 0, 0 },
		{ "neoverse-n1", "", "tlbi", AD_PAGES, 0, 0, 0 },
		{ "neoverse-n1", "hafdbs", "tlbi", 0, AD_PAGES, 0, AD_PAGES },
		{ "neoverse-n1", "hafdbs", "page", 0, AD_PAGES, AD_PAGES, 0 },
		{ "riscv-sv48", "", "deferred", 0, AD_PAGES, 2 * AD_PAGES, 0 },
		{ "riscv-sv48", "svadu", "deferred", AD_PAGES, 0, AD_PAGES, 0 },
		{ "riscv-sv48", "svvptc", "deferred", 0, AD_PAGES, AD_PAGES, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char dir[64], path[128];
		struct timed_result *r;
		const u64 *v;

		toggled(rows[i].profile, rows[i].feature, check_tmpdir(dir),
			path, sizeof(path));
		r = run(&ad, PAIRS("machine", "pack:1 core:1 pu:1", "profile",
				   path, "flush", rows[i].flush, "thp", "no",
				   "zero-page", "no"),
			false);
		v = r->count.v;
		assert_int_equal(9 * AD_PAGES, v[CTR_ACCESSES]);
		assert_int_equal(AD_PAGES + rows[i].dirty_faults,
				 v[CTR_PAGE_FAULTS]);
		assert_int_equal(rows[i].assists, v[CTR_DIRTY_ASSISTS]);
		assert_int_equal(rows[i].dirty_faults, v[CTR_DIRTY_FAULTS]);
		assert_int_equal(0, v[CTR_ACCESSED_FAULTS]);
		assert_int_equal(0, v[CTR_SPURIOUS_FAULTS]);
		assert_int_equal(rows[i].local_flushes, v[CTR_LOCAL_FLUSH_ONE]);
		assert_int_equal(rows[i].broadcasts, v[CTR_TLB_BROADCASTS]);
		free(r);
		check_rmdir(dir);
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

/* ---- RISC-V's table depths -------------------------------------------------------------- */

/* Sv39, Sv48 and Sv57: loads of a walk without walk caches, and with them at
 * most one a walk once all but page tables is cached. */
static void test_riscv_levels(void **state)
{
	static const char *const levels[] = { "3", "4", "5" };
	char dir[64], path[128];

	toggled("riscv-sv48", "sv57", check_tmpdir(dir), path, sizeof(path));
	for (u32 i = 0; i < ARRAY_LEN(levels); i++) {
		struct timed_result *r;

		r = chase(PAIRS("profile", path, "machine", "pack:1 core:1 pu:1",
				"levels", levels[i], "psc", "no", "pages",
				"9000", "rounds", "2"));
		assert_int_equal(18000, r->count.v[CTR_WALK_LOAD]);
		assert_int_equal((3 + i) * 18000, r->count.v[CTR_WALKER_LOADS]);
		free(r);
		r = chase(PAIRS("profile", path, "machine", "pack:1 core:1 pu:1",
				"levels", levels[i], "pages", "9000", "rounds",
				"2"));
		assert_in_range(r->count.v[CTR_WALKER_LOADS], 18000, 18100);
		free(r);
	}
	check_rmdir(dir);
}

static int edge_setup(struct wl *w, struct err *e)
{
	struct mm *mm = mm_create();

	w->nr_threads = 1;
	/* The last page of the program's half, and none of the other. */
	assert_non_null(vma_add(mm, task_size() - 1, 1, VM_READ | VM_WRITE));
	assert_null(vma_add(mm, task_size(), 1, VM_READ | VM_WRITE));
	assert_null(vma_add(mm, task_size() - 1, 2, VM_READ | VM_WRITE));
	return wl_start(w, 0, mm, e);
}

static void edge_body(struct wl *w, u32 t)
{
	/* The page; what has no address; what is the kernel's; and an address
	 * whose low bits are the page's. */
	const u64 va[] = { first_va - PAGE_BYTES, first_va, -first_va,
			   first_va * 2 + first_va - PAGE_BYTES };

	/* TLB arrays want no more than 57 bits. */
	for (u32 i = 0; i < ARRAY_LEN(va) - (first_va >> 56); i++) {
		struct run r = { .va = va[i], .count = 1, .bytes = 8,
				 .op = RUN_WRITE };

		assert_int_equal(i ? -EFAULT : 0, wl_runs(&r, 1));
	}
}

static const struct workload edge = {
	.name = "edge", .setup = edge_setup, .body = edge_body,
};

/* Canonical addresses: half of what the tables reach is the program's. */
static void test_canonical(void **state)
{
	static const struct {
		const char *profile, *levels;
		u32 bits;
	} rows[] = {
		{ "riscv-sv48", "3", 38 }, { "riscv-sv48", "4", 47 },
		{ "skylake-sp", "4", 47 }, { "ice-lake-sp", "5", 56 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		first_va = 1ull << rows[i].bits;
		free(run(&edge, PAIRS("machine", "pack:1 core:1 pu:1",
				      "profile", rows[i].profile, "levels",
				      rows[i].levels), false));
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_psc_differential),
	cmocka_unit_test(test_psc_shapes),
	cmocka_unit_test(test_cache_differential),
	cmocka_unit_test(test_cache_shapes),
	cmocka_unit_test(test_nested_counts),
	cmocka_unit_test(test_five_levels),
	cmocka_unit_test(test_riscv_levels),
	cmocka_unit_test(test_canonical),
	cmocka_unit_test(test_contiguity),
	cmocka_unit_test(test_aligned_frames),
	cmocka_unit_test(test_aligned_frames_fill_memory),
	cmocka_unit_test(test_fracturing),
	cmocka_unit_test(test_overlap),
	cmocka_unit_test(test_walks_through_caches),
	cmocka_unit_test(test_smt_is_exact),
	cmocka_unit_test(test_fetches),
	cmocka_unit_test(test_smt_siblings_compete),
	cmocka_unit_test(test_large_machine_is_small),
	cmocka_unit_test(test_frames_are_small),
	cmocka_unit_test(test_dirty_pages),
	cmocka_unit_test(test_assumed_where_used),
};

TEST_MAIN(tests)
