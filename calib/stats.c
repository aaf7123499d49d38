/* Medians and their intervals. */
#include "calib/stats.h"

#include <math.h>
#include <stdlib.h>

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double middle(const double *sorted, u32 n)
{
	return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

double stat_median(double *v, u32 n)
{
	if (!n)
		return NAN;
	qsort(v, n, sizeof(*v), by_value);
	return middle(v, n);
}

double stat_quantile(const double *sorted, u32 n, double q)
{
	double rank = ceil(q * n) - 1;

	if (!n)
		return NAN;
	return sorted[rank < 0 ? 0 : rank >= n ? n - 1 : (u32)rank];
}

struct stat_summary stat_summarise(double *v, u32 n)
{
	struct stat_summary s = { .median = NAN, .n = n };
	double half = 0.98 * sqrt(n);
	s64 lo = (s64)floor(n / 2.0 - half), hi = (s64)ceil(n / 2.0 + half);

	s.lo = s.hi = s.mad = s.low = NAN;
	if (!n)
		return s;
	s.median = stat_median(v, n);
	s.low = stat_quantile(v, n, 0.1);
	s.lo = v[lo < 0 ? 0 : lo];
	s.hi = v[hi >= (s64)n ? n - 1 : hi];
	for (u32 i = 0; i < n; i++)
		v[i] = fabs(v[i] - s.median);
	s.mad = stat_median(v, n);
	return s;
}

double stat_half(const struct stat_summary *s)
{
	return (s->hi - s->lo) / 2;
}

double stat_share(double half, double value)
{
	if (!half)
		return 0;
	return value ? half / fabs(value) : INFINITY;
}

double stat_spread(const struct stat_summary *s)
{
	return s->median ? stat_half(s) / fabs(s->median) : 0;
}

void stat_line(const double *x, const double *y, u32 n, double *a, double *b)
{
	double mx = 0, my = 0, xx = 0, xy = 0;

	for (u32 i = 0; i < n; i++) {
		mx += x[i] / n;
		my += y[i] / n;
	}
	for (u32 i = 0; i < n; i++) {
		xx += (x[i] - mx) * (x[i] - mx);
		xy += (x[i] - mx) * (y[i] - my);
	}
	*b = xy / xx;
	*a = my - *b * mx;
}
