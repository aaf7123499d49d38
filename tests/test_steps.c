/* test_steps.c - where staircases step, on thousands that were made up; the
 * statistics beneath. */
#include <errno.h>
#include <math.h>

#include "base/rng.h"
#include "calib/stats.h"
#include "calib/steps.h"
#include "tests/check.h"

#define NR_STAIRCASES 4000u
#define REPEATS 7u
#define MAX_STEPS 4u

struct stairs {
	double y[256];
	u32 n, nr_steps;
	u32 last[MAX_STEPS];
};

static double normal(struct rng *r)
{
	double u = 1 - rng_double(r), v = rng_double(r);

	return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

/* What a measurement is: the median of a few runs, one in twelve of which was
 * interrupted. */
static double measured(struct rng *r, double truth, double noise)
{
	double v[REPEATS];

	for (u32 i = 0; i < REPEATS; i++) {
		v[i] = truth + noise * normal(r);
		if (rng_below(r, 12) == 0)
			v[i] += noise * (5 + 60 * rng_double(r));
	}
	return stat_median(v, REPEATS);
}

/* 1 to 4 steps, 7 to 37 points a tread; risers of one point, or of up to five
 * whose first already is well above the tread. */
static void make(struct rng *r, struct stairs *s)
{
	double noise = 0.01 + 2 * rng_double(r), level = 1 + 100 * rng_double(r);
	u32 treads = 2 + (u32)rng_below(r, MAX_STEPS);

	s->n = s->nr_steps = 0;
	for (u32 t = 0; t < treads; t++) {
		u32 len = 7 + (u32)rng_below(r, 31);
		u32 riser = (u32)rng_below(r, 5);
		double rise = noise * (8 + 40 * rng_double(r));

		for (u32 i = 0; i < len; i++)
			s->y[s->n++] = measured(r, level, noise);
		if (t + 1 == treads)
			break;
		s->last[s->nr_steps++] = s->n - 1;
		if (rise < 12 * noise)
			riser = 0;
		for (u32 i = 0; i < riser; i++)
			s->y[s->n++] = measured(r, level + noise * 8 +
				(rise - noise * 8) * i / riser, noise);
		level += rise;
	}
}

static bool is_found(const struct stairs *s)
{
	const struct steps_cfg cfg = { 0 };
	struct step found[MAX_STEPS + 2];
	int n = steps_find(s->y, s->n, &cfg, found, MAX_STEPS + 2);
	bool is_same = n == (int)s->nr_steps;

	for (u32 i = 0; is_same && i < s->nr_steps; i++)
		is_same = found[i].last == s->last[i];
	return is_same;
}

/* The number of steps and every foot, in at least 99 of 100 staircases. */
static void test_random_staircases(void **state)
{
	u64 seed = check_seed("staircases");
	u32 good = 0;
	struct rng r;

	rng_init(&r, seed);
	for (u32 i = 0; i < NR_STAIRCASES; i++) {
		struct stairs s;

		make(&r, &s);
		good += is_found(&s);
	}
	printf("# %u of %u staircases exact\n", good, NR_STAIRCASES);
	assert_true(good >= NR_STAIRCASES / 100 * 99);
}

/* Noise alone has no steps, whatever its size; nor has a slope downwards. */
static void test_flat(void **state)
{
	u64 seed = check_seed("flat");
	u32 bad = 0;
	struct rng r;

	rng_init(&r, seed);
	for (u32 i = 0; i < 1000; i++) {
		const struct steps_cfg cfg = { 0 };
		struct step out[4];
		double y[100];

		for (u32 k = 0; k < 100; k++)
			y[k] = measured(&r, 50 - (i % 2 ? k * 0.5 : 0), 0.5);
		bad += steps_find(y, 100, &cfg, out, 4) != 0;
	}
	printf("# %u of 1000 flat curves with a step\n", bad);
	assert_true(bad <= 10);
}

/* Without noise: a point belongs to the tread or it does not. */
static void test_exact(void **state)
{
	const double y[] = { 1, 1, 1, 1, 8, 8, 8, 8, 8, 9.5, 22, 22, 22 };
	const struct steps_cfg cfg = { .min_rise = 2 };
	struct step out[4];

	assert_int_equal(steps_find(y, ARRAY_LEN(y), &cfg, out, 4), 2);
	assert_int_equal(out[0].last, 3);
	assert_true(out[0].before == 1 && out[0].after == 8);
	assert_int_equal(out[1].last, 8);
	assert_true(out[1].before == 8 && out[1].after == 22);
	assert_int_equal(steps_find(y, 1, &cfg, out, 4), -EINVAL);
}

/* One outlier in the middle of a tread is no step; three points are. */
static void test_outlier(void **state)
{
	double y[40];
	const struct steps_cfg cfg = { .noise = 1 };
	struct step out[4];

	for (u32 i = 0; i < 40; i++)
		y[i] = 10 + (i % 2);
	y[20] = 500;
	assert_int_equal(steps_find(y, 40, &cfg, out, 4), 0);
	for (u32 i = 21; i < 40; i++)
		y[i] = 500;
	assert_int_equal(steps_find(y, 40, &cfg, out, 4), 1);
	assert_int_equal(out[0].last, 19);
}

static void test_summary(void **state)
{
	double v[] = { 9, 1, 3, 2, 1000, 4, 6, 5, 8, 7, 10 };
	struct stat_summary s = stat_summarise(v, ARRAY_LEN(v));
	double x[] = { 1, 2, 4 }, y[] = { 5, 7, 11 }, a, b, one = 3;

	assert_true(s.median == 6);
	assert_true(s.lo == 3 && s.hi == 10);   /* ranks 5.5 -+ 3.25 */
	assert_true(s.mad == 3 && s.low == 2);
	stat_line(x, y, 3, &a, &b);
	assert_true(fabs(a - 3) < 1e-12 && fabs(b - 2) < 1e-12);
	s = stat_summarise(&one, 1);
	assert_true(s.median == 3 && stat_spread(&s) == 0);
	s = stat_summarise(&one, 0);
	assert_true(isnan(s.median));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_random_staircases),
	cmocka_unit_test(test_flat),
	cmocka_unit_test(test_exact),
	cmocka_unit_test(test_outlier),
	cmocka_unit_test(test_summary),
};

TEST_MAIN(tests)
