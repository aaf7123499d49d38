/* test_caches.c - paging-structure caches and data caches against naive ones. */
#include <errno.h>

#include "base/rng.h"
#include "cpu/cache.h"
#include "tests/check.h"
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

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_psc_differential),
	cmocka_unit_test(test_psc_shapes),
	cmocka_unit_test(test_cache_differential),
	cmocka_unit_test(test_cache_shapes),
};

TEST_MAIN(tests)
