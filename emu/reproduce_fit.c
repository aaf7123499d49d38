/* The constants that everything is computed with, from C1 and C4 alone.
 *
 * C1: the least-squares line through the cycles of flushes of 1 to 35 pages has a
 * slope, which is INVLPG's cost, and an intercept; that less the tracing and less
 * what the model charges for a flush of nothing is the fixed cost. A full flush
 * less both is the cost of the CR3 write as the kernel's path has it.
 * C4: with one thread, what is left of a call is the system call's own; with a
 * second one, the flight of the interrupt is what makes the call as long as
 * published. Both are found by bisection, since parts of them overlap. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "emu/reproduce.h"

/* ORDER repro_cost */
const struct repro_fitted repro_fitted[NR_REPRO_COSTS] = {
	{ "invlpg", "C1: slope of the line through 1 to 35 pages" },
	{ "flush_fixed", "C1: its intercept, less 335 of tracing and the model's own part" },
	{ "cr3_flush", "C1: a full flush, less tracing, the fixed cost and the model's own part" },
	{ "syscall", "C4: what makes a call with one thread as long as published" },
	{ "ipi_deliver", "C4: what makes a call with two threads as long as published" },
};

#define TRACING 335.0

static double full_of_c1(void)
{
	for (u32 i = 0; i < repro_c1.nr; i++)
		if (repro_c1.point[i].x == 0)
			return repro_c1.point[i].published;
	return NAN;
}

static void line_of_c1(double *slope, double *intercept)
{
	double n = 0, sx = 0, sy = 0, sxx = 0, sxy = 0;

	for (u32 i = 0; i < repro_c1.nr; i++) {
		double x = repro_c1.point[i].x, y = repro_c1.point[i].published;

		if (x < 1)
			continue;
		n++;
		sx += x;
		sy += y;
		sxx += x * x;
		sxy += x * y;
	}
	*slope = (n * sxy - sx * sy) / (n * sxx - sx * sx);
	*intercept = (sy - *slope * sx) / n;
}

static int fit_c1(struct repro_costs *c, struct err *e)
{
	const struct repro_point one = { .x = 1 };
	double slope, intercept, own;
	int rc;

	line_of_c1(&slope, &intercept);
	rc = repro_c1.run(&one, c, &own, e);    /* with no costs of flushing */
	if (rc)
		return rc;
	own -= TRACING;
	c->v[REPRO_INVLPG] = (u64)(slope + 0.5);
	c->v[REPRO_FLUSH_FIXED] = (u64)(intercept - TRACING - own + 0.5);
	c->v[REPRO_CR3_FLUSH] = (u64)(full_of_c1() - TRACING - own + 0.5) -
				c->v[REPRO_FLUSH_FIXED];
	return 0;
}

/* The smallest value of @cost with which @p comes out as published; what comes
 * out grows with it. */
static int bisect(const struct repro_point *p, enum repro_cost cost,
		  struct repro_costs *c, struct err *e)
{
	u64 lo = 1, hi = 1u << 14;

	while (lo < hi) {
		double v;
		int rc;

		c->v[cost] = lo + (hi - lo) / 2;
		rc = repro_c4.run(p, c, &v, e);
		if (rc)
			return rc;
		if (v < p->published)
			lo = c->v[cost] + 1;
		else
			hi = c->v[cost];
	}
	c->v[cost] = lo;
	return 0;
}

int repro_fit(struct repro_costs *out, struct err *e)
{
	int rc;

	*out = (struct repro_costs){ .v[REPRO_IPI_DELIVER] = 1000 };
	rc = fit_c1(out, e);
	if (!rc)
		rc = bisect(&repro_c4.point[0], REPRO_SYSCALL, out, e);
	if (!rc)
		rc = bisect(&repro_c4.point[1], REPRO_IPI_DELIVER, out, e);
	return rc;
}
