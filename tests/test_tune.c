/* Tuning: fronts and ratios against naive ones, what halving gives up, and that
 * the choice follows from what the points counted. */
#include "tests/check.h"

#include <errno.h>
#include <math.h>

#include "base/rng.h"
#include "emu/tune_time.h"

/* ---- fronts --------------------------------------------------------------------- */

/* By the definition: nobody is at least as good in both and better in one. */
static bool is_beaten(const double *a, const double *b, u32 n, u32 i)
{
	for (u32 k = 0; k < n; k++) {
		bool as_good = !(a[k] > a[i]) && !(b[k] > b[i]) &&
			!isnan(a[k]) && !isnan(b[k]);

		if (as_good && !(a[k] == a[i] && b[k] == b[i]))
			return true;
	}
	return false;
}

static void test_front(void **state)
{
	struct rng rng;
	u32 on_any = 0;

	rng_init(&rng, check_seed("front"));
	for (u32 r = 0; r < 300; r++) {
		double a[12], b[12];
		bool on[12];
		u32 n = (u32)rng_below(&rng, 13);

		for (u32 i = 0; i < n; i++) {
			a[i] = rng_chance(&rng, 1, 10) ? NAN
				: (double)rng_below(&rng, 6);
			b[i] = rng_chance(&rng, 1, 10) ? NAN
				: (double)rng_below(&rng, 6);
		}
		tune_front(a, b, n, on);
		for (u32 i = 0; i < n; i++) {
			bool want = !isnan(a[i]) && !isnan(b[i]) &&
				!is_beaten(a, b, n, i);

			assert_int_equal(on[i], want);
			on_any += on[i];
		}
	}
	assert_true(on_any > 300);
}

/* What four digits do not tell apart, a front does not either. */
static void test_front_digits(void **state)
{
	const double time[3] = { 49.97201, 49.97202, 49.98 };
	const double cost[3] = { 5e6, 4e6, 3e6 };
	bool on[3];

	tune_front(time, cost, 3, on);
	assert_false(on[0]);
	assert_true(on[1]);
	assert_true(on[2]);
}

/* ---- how sure ---------------------------------------------------------------------- */

static void test_ratio(void **state)
{
	const double same[5] = { 7, 7, 7, 7, 7 };
	const double half[5] = { 3.5, 3.5, 3.5, 3.5, 3.5 };
	const double a[6] = { 10, 12, 9, 11, 30, 10 };
	const double b[6] = { 11, 11, 11, 11, 11, 11 };
	struct tune_ratio r = tune_ratio(half, same, 5, 1);

	assert_true(r.ratio == 0.5 && r.lo == 0.5 && r.hi == 0.5);
	r = tune_ratio(half, same, 2, 1);
	assert_true(r.ratio == 0.5 && isnan(r.lo) && isnan(r.hi));
	/* One outlier in six: it cannot be told from 1. */
	r = tune_ratio(a, b, 6, 1);
	assert_true(fabs(r.ratio - 82.0 / 66) < 1e-12);
	assert_true(r.lo < 1 && r.hi > 1.3 && r.lo < r.ratio && r.ratio < r.hi);
	assert_true(r.hi <= 30.0 / 11 && r.lo >= 9.0 / 11);
	/* The same seed, the same interval. */
	assert_true(tune_ratio(a, b, 6, 9).lo == tune_ratio(a, b, 6, 9).lo);
}

/* The interval holds the true ratio nearly as often as it says: 95 of 100 for
 * many seeds, and for ten of them bootstrap is known to be a little short. */
static void test_coverage(void **state)
{
	struct rng rng;
	u32 held = 0;

	rng_init(&rng, check_seed("coverage"));
	for (u32 r = 0; r < 200; r++) {
		double a[12], b[12];
		struct tune_ratio t;

		for (u32 i = 0; i < 12; i++) {
			a[i] = 80 + (double)rng_below(&rng, 41);
			b[i] = 180 + (double)rng_below(&rng, 41);
		}
		t = tune_ratio(a, b, 12, r + 1);
		held += t.lo <= 0.5 && 0.5 <= t.hi;
	}
	printf("# %u of 200 intervals hold the true ratio\n", held);
	assert_in_range(held, 170, 199);
}

/* ---- the choice ------------------------------------------------------------------------ */

static void setting(struct tune_setting *s, double time, double noise,
		    double overhead)
{
	*s = (struct tune_setting){ .nr_seeds = 4 };
	for (u32 i = 0; i < 4; i++) {
		s->goal[GOAL_TIME][i] = time + (i % 2 ? noise : -noise);
		s->goal[GOAL_OVERHEAD][i] = overhead;
	}
	s->median[GOAL_TIME] = time;
	s->median[GOAL_OVERHEAD] = overhead;
}

static void test_choice(void **state)
{
	struct tune_setting v[4];
	struct tune t = { .setting = v, .nr = 4, .nr_seeds = 4, .seed = 1 };
	struct tune_choice c;

	setting(&t.base, 200, 1, 0);
	setting(&v[0], 100, 1, 50);
	setting(&v[1], 100.5, 1, 5);    /* as fast, with less overhead        */
	setting(&v[2], 120, 1, 0);      /* slower                             */
	setting(&v[3], 90, 1, 0);       /* given up, so not to be had         */
	v[3].is_dropped = true;
	assert_int_equal(tune_choose(&t, &c), 0);
	assert_ptr_equal(c.fastest, &v[0]);
	assert_ptr_equal(c.best, &v[1]);
	assert_int_equal(c.nr_alike, 2);
	assert_int_equal(c.seeds_won, 4);
	assert_true(c.to_base.hi < 0.52 && c.to_base.lo > 0.49);
	v[3].is_dropped = false;
	assert_int_equal(tune_choose(&t, &c), 0);
	assert_ptr_equal(c.best, &v[3]);
	for (u32 i = 0; i < 4; i++)
		v[i].is_failed = true;
	assert_true(tune_choose(&t, &c) < 0);
}

/* The program as it is takes part: nothing faster, and it is what is recommended,
 * beside how the fastest other compares with it. */
static void test_base_is_chosen(void **state)
{
	struct tune_setting v[2];
	struct tune t = { .setting = v, .nr = 2, .nr_seeds = 4, .seed = 1 };
	struct tune_choice c;

	setting(&t.base, 100, 1, 3);
	setting(&v[0], 120, 1, 0);
	setting(&v[1], 110, 1, 9);
	assert_int_equal(tune_choose(&t, &c), 0);
	assert_ptr_equal(c.best, &t.base);
	assert_ptr_equal(c.fastest, &t.base);
	assert_ptr_equal(c.rival, &v[1]);
	assert_int_equal(c.seeds_won, 0);
	assert_true(c.to_base.lo > 1.05 && c.to_base.hi < 1.15);
	/* As fast, with less overhead: then it is the setting. */
	setting(&v[1], 100.2, 1, 2);
	assert_int_equal(tune_choose(&t, &c), 0);
	assert_ptr_equal(c.best, &v[1]);
	assert_ptr_equal(c.rival, &v[1]);
	/* Failed, it is no choice; and alone it is none. */
	t.base.is_failed = true;
	setting(&v[1], 110, 1, 9);
	assert_int_equal(tune_choose(&t, &c), 0);
	assert_ptr_equal(c.best, &v[1]);
	v[0].is_failed = v[1].is_failed = true;
	t.base.is_failed = false;
	assert_int_equal(tune_choose(&t, &c), -ENOENT);
}

/* Fastest first, those without a time last, the base before its equals. */
static void test_by_time(void **state)
{
	static const double time[5] = { 5, NAN, 4, 5, 5 };
	static const u32 want[5] = { 2, 4, 0, 3, 1 };
	struct tune_setting v[5];
	const struct tune_setting *p[5];

	for (u32 i = 0; i < 5; i++) {
		setting(&v[i], time[i], 0, 1);
		v[i].index = i;
		p[i] = &v[i];
	}
	v[4].is_base = true;
	v[4].index = 0;
	qsort(p, 5, sizeof(*p), tune_by_time);
	for (u32 i = 0; i < 5; i++)
		assert_ptr_equal(p[i], &v[want[i]]);
}

/* ---- a search ------------------------------------------------------------------------------- */

struct search {
	struct experiment x;
	struct sweep_grid knobs, base;
	struct sweep_db *db;
	struct tune t;
	struct err e;
	char dir[64];
};

static void set_up(struct search *s, enum tune_search how, u32 tries)
{
	char cmd[] = "tune", wl[] = "mprotect-storm", a[] = "--iterations=4",
		b[] = "--own-pages=1", m[] = "--machine=pack:1 core:4 pu:1",
		d[] = "--pages=40";
	char *argv[] = { cmd, wl, a, b, m, d, NULL };
	char path[128];
	struct sweep sw = { .x = &s->x, .jobs = 2, .progress = PROGRESS_NEVER,
			    .label = "test" };

	memset(s, 0, sizeof(*s));
	s->knobs.is_after_args = s->base.is_after_args = true;
	check_tmpdir(s->dir);
	snprintf(path, sizeof(path), "%s/t.db", s->dir);
	if (experiment_parse(&s->x, 6, argv, NULL, 0, &s->e))
		fail_msg("%s", s->e.text);
	assert_int_equal(sweep_grid_add(&s->base, s->x.set, "pages", "40",
					&s->e), 0);
	assert_int_equal(sweep_grid_add(&s->knobs, s->x.set, "pages",
					"1, 5, 10, 20", &s->e), 0);
	assert_int_equal(sweep_grid_add(&s->knobs, s->x.set, "threads",
					"2, 4", &s->e), 0);
	assert_int_equal(sweep_grid_add(&s->base, s->x.set, "seed", "1..4",
					&s->e), 0);
	assert_int_equal(sweep_grid_add(&s->knobs, s->x.set, "seed", "1..4",
					&s->e), 0);
	assert_int_equal(sweep_db_open(&s->db, path, SWEEP_DB_WRITE, &s->e), 0);
	sw.db = s->db;
	s->t = (struct tune){ .sweep = sw, .base_sweep = sw, .nr_seeds = 4,
			      .time_metric = METRIC_ELAPSED, .search = how,
			      .tries = tries, .seed = 1 };
	s->t.sweep.grid = &s->knobs;
	s->t.base_sweep.grid = &s->base;
}

static void tear_down(struct search *s)
{
	tune_free(&s->t);
	sweep_db_close(s->db);
	sweep_grid_free(&s->knobs);
	sweep_grid_free(&s->base);
	experiment_release(&s->x);
	check_rmdir(s->dir);
}

/* Fewer pages are quicker to flush: halving and grid agree on who is best, and
 * halving gives up some of the slow ones, none of the front. */
static void test_search(void **state)
{
	struct search h, g;
	struct tune_choice by_halving, by_grid;
	u32 dropped = 0, again, best;

	set_up(&h, SEARCH_HALVING, 0);
	assert_int_equal(tune_run(&h.t, &h.e), 0);
	assert_int_equal(tune_choose(&h.t, &by_halving), 0);
	set_up(&g, SEARCH_GRID, 0);
	assert_int_equal(tune_run(&g.t, &g.e), 0);
	assert_int_equal(tune_choose(&g.t, &by_grid), 0);
	assert_int_equal(g.t.nr, 8);
	assert_int_equal(g.t.nr_ran, 9 * 4);
	assert_true(h.t.nr_ran < g.t.nr_ran);
	assert_int_equal(by_halving.best->index, by_grid.best->index);
	assert_true(by_grid.best->index < 2);           /* pages = 1 */
	for (u32 i = 0; i < 8; i++) {
		const struct tune_setting *s = &h.t.setting[i];

		dropped += s->is_dropped;
		assert_false(s->is_dropped && s->is_on_front);
		assert_false(s->is_dropped && g.t.setting[i].is_on_front);
		assert_int_equal(s->nr_seeds == 4, !s->is_dropped);
	}
	assert_true(dropped >= 2);
	/* Pages matter, and the more the worse; threads less. */
	assert_true(tune_worth(&g.t, 0, &best) > tune_worth(&g.t, 1, &best));
	assert_true(tune_worth(&g.t, 0, &best) > 0);
	assert_int_equal(best, 0);
	assert_true(fabs(tune_best_with(&g.t, 0, 3, 0, 3) /
			 tune_best_with(&g.t, 0, 0, 0, 0) - 1 -
			 tune_worth(&g.t, 0, &best)) < 1e-9);
	/* All is there: a second search runs nothing. */
	tune_free(&h.t);
	again = h.t.nr_ran;
	h.t.nr_ran = 0;
	assert_int_equal(tune_run(&h.t, &h.e), 0);
	assert_true(again > 0);
	assert_int_equal(h.t.nr_ran, 0);
	tear_down(&h);
	tear_down(&g);
}

/* So many settings, all different, the same for the same seed; what cannot run
 * is said and does not stop the others. */
static void test_random(void **state)
{
	struct search s;

	set_up(&s, SEARCH_RANDOM, 3);
	s.x.cfg.levels = 5;     /* no such machine: all of them fail */
	assert_int_equal(tune_run(&s.t, &s.e), 0);
	assert_int_equal(s.t.nr, 3);
	for (u32 i = 0; i < 3; i++) {
		assert_true(s.t.setting[i].is_failed);
		assert_true(!i || s.t.setting[i].index >
				  s.t.setting[i - 1].index);
	}
	assert_contains(s.t.first.text, "--levels=5");
	tear_down(&s);
}

/* ---- over time ------------------------------------------------------------------ */

/* Totals only rise, the last are the run's own; what the nodes' memory served are
 * the lines, all on node 0, which one thread filled. */
static void check_moments(struct tune *t, const struct tune_setting *s)
{
	static const char *const name[] = { "lines", "lines_remote",
		"node0_bytes", "node1_bytes", "numa_hint_faults" };
	struct tune_moments *m = calloc(1, sizeof(*m));
	u32 n = tune_moments(t, s, name, 5, m), last = n - 1;

	assert_in_range(n, 33, 66);
	for (u32 i = 1; i < n; i++) {
		assert_true(m->ms[i] > m->ms[i - 1]);
		for (u32 k = 0; k < 5; k++)
			assert_true(m->v[k][i] >= m->v[k][i - 1]);
	}
	assert_true(fabs(m->ms[last] - s->goal[GOAL_TIME][0]) < 1e-5);
	assert_true(m->v[0][last] > 0);
	assert_true(m->v[0][last] * 64 == m->v[2][last]);
	assert_true(m->v[3][last] == 0);
	assert_true(m->v[1][last] > 0 && m->v[1][last] < m->v[0][last]);
	assert_true(m->v[4][last] == 0);
	free(m);
}

static void test_moments(void **state)
{
	char cmd[] = "tune", wl[] = "stream", a[] = "--array=8M",
		m[] = "--machine=pack:2 [numa(memory=1GB)] core:2 pu:1",
		l[] = "--loops=2";
	char *argv[] = { cmd, wl, a, m, l, NULL };
	struct search s = { 0 };
	struct sweep sw = { .x = &s.x, .jobs = 1, .progress = PROGRESS_NEVER,
			    .label = "test" };
	char path[128];

	check_tmpdir(s.dir);
	snprintf(path, sizeof(path), "%s/t.db", s.dir);
	s.knobs.is_after_args = s.base.is_after_args = true;
	if (experiment_parse(&s.x, 5, argv, NULL, 0, &s.e) ||
	    sweep_grid_add(&s.base, s.x.set, "seed", "1", &s.e) ||
	    sweep_grid_add(&s.knobs, s.x.set, "threads", "4", &s.e) ||
	    sweep_grid_add(&s.knobs, s.x.set, "seed", "1", &s.e) ||
	    sweep_db_open(&s.db, path, SWEEP_DB_WRITE, &s.e))
		fail_msg("%s", s.e.text);
	sw.db = s.db;
	s.t = (struct tune){ .sweep = sw, .base_sweep = sw, .nr_seeds = 1,
			     .search = SEARCH_GRID, .seed = 1 };
	s.t.sweep.grid = &s.knobs;
	s.t.base_sweep.grid = &s.base;
	assert_int_equal(tune_run(&s.t, &s.e), 0);
	assert_string_equal(s.t.first.text, "");
	check_moments(&s.t, &s.t.setting[0]);
	tear_down(&s);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_front),
		cmocka_unit_test(test_front_digits),
	cmocka_unit_test(test_ratio),
	cmocka_unit_test(test_coverage),
	cmocka_unit_test(test_choice),
	cmocka_unit_test(test_search),
	cmocka_unit_test(test_random),
	cmocka_unit_test(test_base_is_chosen),
	cmocka_unit_test(test_by_time),
	cmocka_unit_test(test_moments),
};
TEST_MAIN(tests)
