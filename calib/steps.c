/* Change points of a staircase. */
#include "calib/steps.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "calib/stats.h"

#define CAP 5.0                 /* loss of one point, in noise                */
#define PENALTY 2.5             /* of a piece, times log n                    */
#define FOOT 6.0                /* above the tread by so much: on the riser   */

double steps_noise(const double *y, u32 n)
{
	double *d = malloc(n * sizeof(*d)), noise;

	if (!d)
		return NAN;
	for (u32 i = 0; i + 1 < n; i++)
		d[i] = fabs(y[i + 1] - y[i]);
	/* |difference of two normals|: median 0.6745 * sqrt(2) sigma. */
	noise = n > 1 ? stat_median(d, n - 1) / 0.954 : 0;
	free(d);
	return noise;
}

/* What a tread from @sorted[0 .. n) costs. */
static double loss(const double *sorted, u32 n, double noise)
{
	double mid = sorted[n / 2], sum = 0;

	for (u32 i = 0; i < n; i++) {
		double off = fabs(sorted[i] - mid) / noise;

		sum += off < CAP ? off : CAP;
	}
	return sum;
}

static void insert(double *sorted, u32 n, double v)
{
	u32 at = n;

	while (at && sorted[at - 1] > v)
		at--;
	memmove(&sorted[at + 1], &sorted[at], (n - at) * sizeof(*sorted));
	sorted[at] = v;
}

/* best[j]: cheapest partition of y[0 .. j); from[j]: where its last piece
 * begins. */
static void partition(const double *y, u32 n, double noise, double *sorted,
		      double *best, u32 *from)
{
	const double penalty = PENALTY * log(n);

	best[0] = 0;
	for (u32 j = 1; j <= n; j++) {
		best[j] = INFINITY;
		for (u32 i = j; i-- > 0; ) {
			double cost;

			insert(sorted, j - 1 - i, y[i]);
			cost = loss(sorted, j - i, noise);
			/* Longer pieces only cost more. */
			if (cost > best[j])
				break;
			cost += best[i] + penalty;
			if (cost < best[j]) {
				best[j] = cost;
				from[j] = i;
			}
		}
	}
}

struct tread {
	u32 begin, end;
	double height;
};

static double height_of(const double *y, u32 begin, u32 end, double *tmp)
{
	memcpy(tmp, &y[begin], (end - begin) * sizeof(*tmp));
	return stat_median(tmp, end - begin);
}

/* Neighbours that do not rise by @min are one tread. */
static u32 merge(struct tread *t, u32 n, const double *y, double min,
		 double *tmp)
{
	u32 k = 0;

	for (u32 i = 1; i < n; i++) {
		if (t[i].height - t[k].height >= min) {
			t[++k] = t[i];
			continue;
		}
		t[k].end = t[i].end;
		t[k].height = height_of(y, t[k].begin, t[k].end, tmp);
		while (k && t[k].height - t[k - 1].height < min) {
			k--;
			t[k].end = t[k + 1].end;
			t[k].height = height_of(y, t[k].begin, t[k].end, tmp);
		}
	}
	return k + 1;
}

/* The last point of the lower tread: from the change point back over what is
 * above the tread already (a riser that is not steep), forward over what is
 * still on it. */
static u32 foot(const double *y, const struct tread *low,
		const struct tread *high, double noise)
{
	double top = low->height + FOOT * noise, rise = high->height - low->height;
	double spike = FOOT * noise > rise / 4 ? FOOT * noise : rise / 4;
	u32 at = low->end - 1;

	if (top > low->height + rise / 2)
		top = low->height + rise / 2;
	while (at > low->begin && y[at] > top && y[at - 1] > top)
		at--;
	if (at > low->begin && y[at] > top)
		at--;
	while (at + 1 < high->end && y[at + 1] <= top)
		at++;
	/* Risers rise: a point above the next one was interrupted. */
	while (at + 2 < high->end && y[at + 1] > y[at + 2] + spike)
		at++;
	return at;
}

/* A few points between two treads are their riser. */
static u32 drop_short(struct tread *t, u32 n, u32 min_points)
{
	u32 k = 0;

	for (u32 i = 0; i < n; i++)
		if (!i || i + 1 == n || t[i].end - t[i].begin >= min_points)
			t[k++] = t[i];
	return k;
}

static u32 treads_of(struct tread *t, const double *y, u32 n, const u32 *from,
		     double *tmp)
{
	u32 k = 0, nr;

	for (u32 j = n; j; j = from[j])
		k++;
	nr = k;
	for (u32 j = n; j; j = from[j])
		t[--k] = (struct tread){
			.begin = from[j], .end = j,
			.height = height_of(y, from[j], j, tmp),
		};
	return nr;
}

int steps_find(const double *y, u32 n, const struct steps_cfg *cfg,
	       struct step *out, u32 max)
{
	double noise = cfg->noise > 0 ? cfg->noise : steps_noise(y, n), top = 0;
	double *best, *tmp, min;
	struct tread *t;
	u32 *from, nr;

	if (n < 2 || n > STEPS_MAX_POINTS)
		return -EINVAL;
	for (u32 i = 0; i < n; i++)
		top = fabs(y[i]) > top ? fabs(y[i]) : top;
	/* A model has no noise; then its last digits are. */
	if (!(noise > 1e-6 * top))
		noise = 1e-6 * top + 1e-12;
	min = cfg->min_rise > 2 * noise ? cfg->min_rise : 2 * noise;
	best = malloc((n + 1) * sizeof(*best));
	tmp = malloc((n + 1) * sizeof(*tmp));
	from = malloc((n + 1) * sizeof(*from));
	t = malloc(n * sizeof(*t));
	if (best && tmp && from && t) {
		partition(y, n, noise, tmp, best, from);
		nr = treads_of(t, y, n, from, tmp);
		nr = merge(t, nr, y, min, tmp);
		nr = drop_short(t, nr, cfg->min_tread ? cfg->min_tread
						      : STEPS_MIN_TREAD) - 1;
		nr = nr < max ? nr : max;
		for (u32 i = 0; i < nr; i++)
			out[i] = (struct step){
				.last = foot(y, &t[i], &t[i + 1], noise),
				.before = t[i].height,
				.after = t[i + 1].height,
			};
	} else {
		nr = (u32)-ENOMEM;
	}
	free(best);
	free(tmp);
	free(from);
	free(t);
	return (int)nr;
}
