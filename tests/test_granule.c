/* test_granule.c - Arm's base pages of 16K and 64K: real traces through the whole
 * machine, against counts made from the trace alone; walks; refusals. */
#include <errno.h>

#include "cpu/granule.h"
#include "emu/tlb_designs.h"
#include "tests/check.h"
#include "workloads/trace_file.h"

#define TRACE "tests/data/xz.tlbt"

static const u32 shift_of[NR_GRANULES] = { 12, 14, 16 };
/* Of large pages. */
static const u32 large_of[NR_GRANULES] = { 21, 25, 29 };

/* ---- from the trace alone ------------------------------------------------------- */

/* Numbers, the one used last first. */
struct list {
	u64 *v;
	u32 nr, room;
};

/* @v moves to the front. Return: how many were in front of it; nr: it is new. */
static u32 use(struct list *l, u64 v)
{
	u32 i = 0, at;

	while (i < l->nr && l->v[i] != v)
		i++;
	at = i;
	if (i == l->nr) {
		if (l->nr == l->room) {
			l->room = l->room ? 2 * l->room : 64;
			l->v = realloc(l->v, l->room * sizeof(*l->v));
			assert_non_null(l->v);
		}
		l->nr++;
	}
	for (; i; i--)
		l->v[i] = l->v[i - 1];
	l->v[0] = v;
	return at;
}

/* Uses of @entries LRU entries, each of 2^@shift bytes, that miss; *distinct: how
 * many such pieces there are. */
static u64 lru_misses(u32 shift, u32 entries, u64 *distinct)
{
	struct list l = { 0 };
	const struct run *r;
	struct trace *t;
	struct err e;
	u64 misses = 0;
	size_t n;

	assert_int_equal(0, trace_open(&t, TRACE, &e));
	do {
		assert_int_equal(0, trace_next(t, &r, &n, &e));
		for (size_t i = 0; i < n; i++) {
			u32 nr = l.nr, at = use(&l, r[i].va >> shift);

			misses += at == nr || at >= entries;
		}
	} while (n);
	trace_close(t);
	*distinct = l.nr;
	free(l.v);
	return misses;
}

/* ---- through the machine ----------------------------------------------------------- */

static struct design_job job;

static const u64 *play(enum granule g, enum mapping mapping, bool has_psc,
		       const char *caches)
{
	const struct design_run d = {
		.job = &job, .nr_jobs = 1, .mapping = mapping, .huge_from = 1,
		.granule = (int)g, .caches = caches, .has_psc = has_psc,
		.seed = 1, .nr_workers = 1, .progress = PROGRESS_NEVER,
	};
	struct err e;

	memset(&job, 0, sizeof(job));
	job.trace = TRACE;
	job.design = "cortex-a76";
	if (designs_run(&d, &e))
		fail_msg("%s", e.text);
	return job.r.count.v;
}

static u64 l1_misses(const u64 *v)
{
	return v[CTR_DTLB_LOAD_MISSES] + v[CTR_DTLB_STORE_MISSES];
}

static u64 walks(const u64 *v)
{
	return v[CTR_WALK_LOAD] + v[CTR_WALK_STORE];
}

/* Cortex-A76's level 1 for data is 48 entries, any page in any of them, LRU, and what
 * is larger than a base page is kept in such pieces: so its misses are those of a
 * list, with pages of 4K, 16K and 64K, however the program is mapped. (4K pages:
 * mapped small alone, level 1 has 2M pages whole.) */
static void test_level_1_equals_a_list(void **state)
{
	u64 before = ~0ull, distinct;

	for (u32 g = 0; g < NR_GRANULES; g++) {
		u64 want = lru_misses(shift_of[g], 48, &distinct);
		const u64 *v = play((enum granule)g, MAP_4K, true, "none");

		print_message("%s: %llu misses, %llu pages, %llu walks\n",
			      granule_names[g], (unsigned long long)want,
			      (unsigned long long)distinct,
			      (unsigned long long)walks(v));
		assert_int_equal(want, l1_misses(v));
		assert_true(want < before);
		assert_true(walks(v) < want);
		before = want;
	}
}

/* Without walk caches a walk loads an entry of each level: four with 4K, three with
 * the larger ones; a large page ends it one earlier. */
static void test_walks_load_three(void **state)
{
	static const u32 loads[NR_GRANULES][2] = { { 4, 3 }, { 3, 2 }, { 3, 2 } };

	for (u32 g = 0; g < NR_GRANULES; g++)
		for (u32 large = 0; large < 2; large++) {
			const u64 *v = play((enum granule)g,
					    large ? MAP_2M : MAP_4K, false,
					    "none");

			assert_true(walks(v) > 0);
			assert_int_equal(loads[g][large] * walks(v),
					 v[CTR_WALKER_LOADS]);
		}
}

/* Level 2 has large pages whole: each is walked for once, whatever part of it was
 * asked for. Counted as such, not as base pages. With 64K level 1 has 512M pages
 * whole, too, with 16K pieces of 16K. */
static void test_large_pages(void **state)
{
	for (u32 g = GRANULE_16K; g < NR_GRANULES; g++) {
		u64 pages, large, misses = lru_misses(shift_of[g], 48, &pages);
		const u64 *v = play((enum granule)g, MAP_2M, true, "none");

		lru_misses(large_of[g], 48, &large);
		assert_int_equal(large, walks(v));
		assert_int_equal(large, v[CTR_WALK_LOAD_2M] +
				 v[CTR_WALK_STORE_2M]);
		assert_int_equal(g == GRANULE_16K ? misses : large,
				 l1_misses(v));
	}
}

/* Entries of larger tables have lines of their own in the data caches: no walk that
 * loads from memory more lines than there are entries in use, and the translations
 * are those of the run without caches. */
static void test_tables_in_caches(void **state)
{
	for (u32 g = 0; g < NR_GRANULES; g++) {
		u64 plain = walks(play((enum granule)g, MAP_4K, true, "none"));
		const u64 *v = play((enum granule)g, MAP_4K, true, "walks");
		u64 loads = 0;

		for (u32 i = 0; i < 4; i++)
			loads += v[CTR_PWL_D_L1 + i];
		assert_int_equal(plain, walks(v));
		assert_int_equal(v[CTR_WALKER_LOADS], loads);
		assert_true(v[CTR_PWL_D_L1] > 0);
		play((enum granule)g, MAP_4K, true, "full");
		assert_int_equal(plain, walks(job.r.count.v));
	}
}

/* ---- shapes ------------------------------------------------------------------------------ */

static struct machine *machine(const char *profile)
{
	struct machine *m;
	struct err e;

	if (machine_create(&m, "pack:1 core:1 pu:1", profile, &e))
		fail_msg("%s", e.text);
	return m;
}

static void test_shapes(void **state)
{
	static const struct {
		enum granule g;
		u32 levels, bits, shift;
		u64 user_bits;          /* of an address */
	} row[] = {
		{ GRANULE_4K, 4, 9, 12, 47 },
		{ GRANULE_16K, 3, 11, 14, 47 },
		{ GRANULE_64K, 3, 13, 16, 48 },
	};

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct machine *m = machine("cortex-a76");
		struct paging p;
		struct err e;

		assert_int_equal(0, granule_use(m, row[i].g, &e));
		p = granule_paging(m, 4);
		assert_int_equal(row[i].levels, p.levels);
		assert_int_equal(row[i].bits, p.bits);
		assert_int_equal(row[i].bits, tlb_design_bits(&m->tlb));
		assert_int_equal(row[i].shift, m->page_shift);
		assert_int_equal(1ull << (row[i].user_bits - row[i].shift),
				 paging_user_pages(&p));
		machine_destroy(m);
	}
}

/* Every shipped Arm machine has them, no other, and what is refused stays as it
 * was. */
static void test_who_has_them(void **state)
{
	static const char *const arm[] = {
		"cortex-a76", "neoverse-n1", "neoverse-v1", "neoverse-v2",
	};
	static const char *const other[] = { "zen5-turin", "riscv-sv48" };
	struct machine *m;
	struct err e;

	for (size_t i = 0; i < 2 * ARRAY_LEN(arm); i++) {
		m = machine(arm[i / 2]);
		assert_int_equal(0, granule_use(m, GRANULE_16K + i % 2, &e));
		machine_destroy(m);
	}
	for (size_t i = 0; i < 2 * ARRAY_LEN(other); i++) {
		m = machine(other[i / 2]);
		assert_int_equal(-EINVAL,
				 granule_use(m, GRANULE_16K + i % 2, &e));
		assert_contains(e.text, "only Arm has others");
		assert_int_equal(12, m->page_shift);
		assert_int_equal(9, tlb_design_bits(&m->tlb));
		machine_destroy(m);
	}
	m = machine("cortex-a76");
	m->tlb.array[0].arm_sizes = 0;
	assert_int_equal(-EINVAL, granule_use(m, GRANULE_64K, &e));
	assert_contains(e.text, "[tlb.l1d] does not say that it holds 64k pages");
	machine_destroy(m);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_shapes),
	cmocka_unit_test(test_who_has_them),
	cmocka_unit_test(test_level_1_equals_a_list),
	cmocka_unit_test(test_walks_load_three),
	cmocka_unit_test(test_large_pages),
	cmocka_unit_test(test_tables_in_caches),
};

TEST_MAIN(tests)
