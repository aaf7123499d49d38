/* test_reproduce.c - published numbers: each set has points or says why not, and
 * the constants follow from C1 and C4. */
#include <errno.h>
#include <math.h>

#include "emu/reproduce.h"
#include "tests/check.h"

static struct err err;

static struct repro_costs fitted(void)
{
	struct repro_costs c;

	if (repro_fit(&c, &err))
		fail_msg("%s", err.text);
	return c;
}

/* 8 curves and 22 headlines, each once, each with numbers or with a reason. */
static void test_sets_are_complete(void **state)
{
	u32 curves = 0, headlines = 0;

	for (u32 i = 0; repro_sets[i]; i++) {
		const struct repro_set *s = repro_sets[i];

		for (u32 k = 0; k < i; k++)
			assert_string_not_equal(s->name, repro_sets[k]->name);
		assert_true(!s->missing == (s->nr && s->run));
		assert_true(s->title && s->source && s->unit);
		assert_true(s->is_headline || s->missing || s->machine);
		curves += !s->is_headline;
		headlines += s->is_headline;
		for (u32 k = 0; k < s->nr; k++)
			assert_true(!s->neutral ||
				    s->point[k].published != s->neutral);
	}
	assert_int_equal(8, curves);
	assert_int_equal(22, headlines);
}

/* The published fit through the same points is 994 + 262 p. */
static void test_constants_follow(void **state)
{
	struct repro_costs c = fitted(), again = fitted();

	assert_memory_equal(&c, &again, sizeof(c));
	assert_in_range(c.v[REPRO_INVLPG], 261, 263);
	assert_in_range(c.v[REPRO_FLUSH_FIXED], 994 - 335 - 100, 994 - 335);
	/* 2283 of everything, of which 335 are tracing. */
	assert_in_range(c.v[REPRO_FLUSH_FIXED] + c.v[REPRO_CR3_FLUSH],
			2283 - 335 - 100, 2283 - 335);
	assert_in_range(c.v[REPRO_SYSCALL], 1, 2499);
	assert_in_range(c.v[REPRO_IPI_DELIVER], 1, 2156);
}

/* C4 comes out; without the fit, or with another constant, it does not. */
static void test_c4(void **state)
{
	struct repro_costs c = fitted();
	double v;

	for (u32 i = 0; i < 2; i++) {
		const struct repro_point *p = &repro_c4.point[i];

		assert_int_equal(0, repro_c4.run(p, &c, &v, &err));
		assert_true(fabs(v - p->published) < 0.01 * p->published);
		assert_int_equal(0, repro_c4.run(p, NULL, &v, &err));
		assert_true(fabs(v - p->published) > 0.02 * p->published);
	}
	c.v[REPRO_IPI_DELIVER] += 1000;
	assert_int_equal(0, repro_c4.run(&repro_c4.point[1], &c, &v, &err));
	assert_true(fabs(v - 5655) < 0.05 * 5655);
}

/* Both ends of the line and the full flush, though none of them is fitted by
 * itself. */
static void test_c1(void **state)
{
	struct repro_costs c = fitted();

	for (u32 i = 0; i < repro_c1.nr; i++) {
		const struct repro_point *p = &repro_c1.point[i];
		double v;

		assert_int_equal(0, repro_c1.run(p, &c, &v, &err));
		if (fabs(v - p->published) > 0.2 * p->published)
			fail_msg("%g pages: %g, published %g", p->x, v,
				 p->published);
	}
}

static void test_names_what_is_wrong(void **state)
{
	const struct repro_run bad = {
		.machine = "pack:1 core:1 pu:1", .workload = "mprotect-strom"
	};
	struct timed_result *r = calloc(1, sizeof(*r));

	assert_int_equal(-ENOENT, repro_measure(&bad, NULL, r, &err));
	assert_contains(err.text, "mprotect-strom");
	free(r);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_sets_are_complete),
	cmocka_unit_test(test_constants_follow),
	cmocka_unit_test(test_c1),
	cmocka_unit_test(test_c4),
	cmocka_unit_test(test_names_what_is_wrong),
};

TEST_MAIN(tests)
