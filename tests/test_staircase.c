/* The pointer chase finds the sizes of the TLBs that a profile states: misses
 * begin at exactly one page more than a level holds. */
#include "tests/check.h"

#include "cpu/profile.h"
#include "emu/experiment.h"

struct steps {
	u64 accesses, l1_misses, walks, cycles;
};

/* As `tlbemu run chase --pages N ...` on one CPU, true seeds and all. */
static struct steps chase(const char *profile, u64 pages, char *more)
{
	char name[64], nr[40];
	char *argv[] = {
		(char[]){ "run" }, (char[]){ "chase" }, (char[]){ "--machine" },
		(char[]){ "pack:1 core:1 pu:1 [numa(memory=8GB)]" },
		(char[]){ "--profile" }, name, (char[]){ "--pages" }, nr,
		(char[]){ "--warm-up=4" }, more, NULL,
	};
	struct timed_result *r = calloc(1, sizeof(*r));
	struct experiment x;
	struct timed_point p;
	struct steps s;
	struct err e = { "" };

	assert_non_null(r);
	snprintf(name, sizeof(name), "%s", profile);
	snprintf(nr, sizeof(nr), "%llu", (unsigned long long)pages);
	if (experiment_parse(&x, more ? 10 : 9, argv, NULL, 0, &e))
		fail_msg("%s", e.text);
	p = experiment_point(&x, NULL, NULL);
	assert_int_equal(0, experiment_kernel(x.cfg.kernel, &p.kernel, &e));
	assert_int_equal(0, experiment_flush(x.cfg.flush, &p.flush, &e));
	if (timed_point_run(&p, r, &e))
		fail_msg("%s", e.text);
	s = (struct steps){
		.accesses = r->count.v[CTR_ACCESSES],
		.l1_misses = r->count.v[CTR_DTLB_LOAD_MISSES],
		.walks = r->count.v[CTR_WALK_LOAD],
		.cycles = r->elapsed_cycles,
	};
	assert_int_equal(4 * pages, s.accesses);
	assert_int_equal(0, r->count.v[CTR_PAGE_FAULTS]);
	experiment_release(&x);
	free(r);
	return s;
}

static void need(const char *profile)
{
	if (profile_exists(profile))
		return;
	printf("# skipped: there is no profile %s\n", profile);
	skip();
}

/* With @l1 pages all hits, one more begins to miss; with @l2 no walks, one more
 * begins to walk. */
static void check_steps(const char *profile, u64 l1, u64 l2, char *more)
{
	struct steps s = chase(profile, l1, more);

	assert_int_equal(0, s.l1_misses);
	s = chase(profile, l1 + 1, more);
	assert_true(s.l1_misses > 0);
	assert_int_equal(0, s.walks);
	s = chase(profile, l2, more);
	assert_int_equal(0, s.walks);
	s = chase(profile, l2 + 1, more);
	assert_true(s.walks > 0);
}

/* 64 entries in 4 ways, 1536 in 12: published, CPUID of Gold 6154. */
static void test_skylake(void **state)
{
	struct steps s;

	check_steps("skylake-sp", 64, 1536, NULL);
	/* Five pages a set, and policies near LRU: each access misses. */
	s = chase("skylake-sp", 80, NULL);
	assert_int_equal(s.accesses, s.l1_misses);
	s = chase("skylake-sp", 2048, NULL);
	assert_int_equal(s.accesses, s.walks);
}

/* 32 entries of 2M, then the shared second level. */
static void test_skylake_2m(void **state)
{
	char more[] = "--page-size=2m";

	check_steps("skylake-sp", 32, 1536, more);
}

/* 96 entries full, 4096: CPUID, and measured on a guest of such a machine: the
 * first level ends between 96 and 112 pages, the second between 4096 and
 * 5120. */
static void test_zen5(void **state)
{
	struct steps s;

	need("zen5-turin");
	check_steps("zen5-turin", 96, 4096, NULL);
	s = chase("zen5-turin", 112, NULL);
	assert_true(s.l1_misses > s.accesses / 2);
	s = chase("zen5-turin", 5120, NULL);
	assert_true(s.walks > s.accesses / 2);
}

/* The second level is looked up before a walk begins, so that a walk whose loads
 * all hit the L1D (4 cycles on both) is still dearer than a hit there. Published
 * for Skylake-X: 3 to 5 cycles, small footprints. */
static void test_walks_cost_more_than_hits(void **state)
{
	static const struct {
		const char *profile;
		u64 fits, walks;
	} rows[] = {
		{ "skylake-sp", 1536, 2048 }, { "zen5-turin", 4096, 5120 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char more[] = "--caches=full";
		struct steps hit, walk;

		if (!profile_exists(rows[i].profile))
			continue;
		hit = chase(rows[i].profile, rows[i].fits, more);
		walk = chase(rows[i].profile, rows[i].walks, more);
		assert_int_equal(walk.accesses, walk.walks);
		assert_true((double)walk.cycles / (double)walk.accesses >=
			    (double)hit.cycles / (double)hit.accesses + 4);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_skylake),
	cmocka_unit_test(test_skylake_2m),
	cmocka_unit_test(test_zen5),
	cmocka_unit_test(test_walks_cost_more_than_hits),
};

TEST_MAIN(tests)
