#include "emu/tune.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "calib/stats.h"

/* ---- results of points --------------------------------------------------------- */

static const u32 goal_metric[NR_GOALS] = {
	[GOAL_OVERHEAD] = METRIC_OVERHEAD, [GOAL_CONVERGED] = METRIC_CONVERGED,
};

static const u32 shown_metric[NR_TUNE_SHOWN] = {
	[TUNE_LOCALITY] = METRIC_LOCALITY, [TUNE_BUSY] = METRIC_BUSY,
	[TUNE_SCAN] = METRIC_CYCLES + CYC_SCAN,
	[TUNE_FAULT] = METRIC_CYCLES + CYC_FAULT,
	[TUNE_COPY] = METRIC_CYCLES + CYC_COPY,
	[TUNE_FLUSH] = METRIC_CYCLES + CYC_FLUSH,
};

struct reading {
	struct tune *t;
	struct tune_setting *s;
	u32 seed;
	bool is_found;
};

static double value_of(const struct reading *r, const struct sweep_row *row,
		       u32 metric)
{
	struct metric_info m = metric_info(metric);

	for (u32 i = 0; i < row->nr_values; i++)
		if (!strcmp(sweep_db_metric(r->t->sweep.db, i, NULL), m.name))
			return row->value[i];
	return NAN;
}

static int take_row(void *arg, const struct sweep_row *row, struct err *e)
{
	struct reading *r = arg;

	r->is_found = true;
	if (row->error) {
		if (!r->s->is_failed && !r->t->first.text[0])
			err_set(&r->t->first, -1, "%s", row->error);
		r->s->is_failed = true;
		for (u32 g = 0; g < NR_GOALS; g++)
			r->s->goal[g][r->seed] = NAN;
		for (u32 i = 0; i < NR_TUNE_SHOWN; i++)
			r->s->shown[i][r->seed] = NAN;
		return 0;
	}
	for (u32 g = 0; g < NR_GOALS; g++)
		r->s->goal[g][r->seed] = value_of(r, row, g == GOAL_TIME
			? r->t->time_metric : goal_metric[g]);
	for (u32 i = 0; i < NR_TUNE_SHOWN; i++)
		r->s->shown[i][r->seed] = value_of(r, row, shown_metric[i]);
	/* A flush is what sending, waiting and answering cost. */
	r->s->shown[TUNE_FLUSH][r->seed] +=
		value_of(r, row, METRIC_CYCLES + CYC_WAIT_ACK) +
		value_of(r, row, METRIC_CYCLES + CYC_RESPOND);
	return 0;
}

static int read_point(struct tune *t, struct tune_setting *s, u32 seed,
		      struct err *e)
{
	const struct sweep *sw = s == &t->base ? &t->base_sweep : &t->sweep;
	struct reading r = { .t = t, .s = s, .seed = seed };
	struct sweep_key k;
	int rc = sweep_point_key(sw, s->index * t->nr_seeds + seed, &k, e);

	if (rc)
		return rc;
	rc = sweep_db_read(sw->db, k.hash, take_row, &r, e);
	free(k.config);
	return rc || r.is_found ? rc : err_set(e, -EIO, "a point that was just "
					       "run is not in the database");
}

const char *tune_time_unit(const struct tune *t)
{
	return t->time_metric == METRIC_ELAPSED ? "ms"
		: t->time_metric == METRIC_PER_UNIT ? "ns per unit"
						    : "ns per access";
}

/* Medians leave out what is absent. */
static double median_of(const double *v, u32 n)
{
	double copy[TUNE_MAX_SEEDS];
	u32 k = 0;

	for (u32 i = 0; i < n; i++)
		if (!isnan(v[i]))
			copy[k++] = v[i];
	return k * 2 > n ? stat_median(copy, k) : NAN;
}

/* Of what failed with some seed there are none. */
static void sum_up(struct tune_setting *s)
{
	for (u32 g = 0; g < NR_GOALS; g++)
		s->median[g] = s->is_failed ? NAN
			: median_of(s->goal[g], s->nr_seeds);
	for (u32 i = 0; i < NR_TUNE_SHOWN; i++)
		s->shown_median[i] = s->is_failed ? NAN
			: median_of(s->shown[i], s->nr_seeds);
}

/* ---- fronts ---------------------------------------------------------------------- */

/* To four digits. */
static double told(double v)
{
	double unit = v ? pow(10, floor(log10(fabs(v))) - 3) : 1;

	return rint(v / unit) * unit;
}

static bool is_beaten(double a, double b, double by_a, double by_b)
{
	return told(by_a) <= told(a) && told(by_b) <= told(b) &&
		(told(by_a) < told(a) || told(by_b) < told(b));
}

void tune_front(const double *a, const double *b, u32 n, bool *is_on)
{
	for (u32 i = 0; i < n; i++) {
		is_on[i] = !isnan(a[i]) && !isnan(b[i]);
		for (u32 k = 0; k < n && is_on[i]; k++)
			is_on[i] = !is_beaten(a[i], b[i], a[k], b[k]);
	}
}

static bool is_in(const struct tune_setting *s)
{
	return !s->is_dropped && !s->is_failed;
}

/* Setting @i, and after the last the base. */
static struct tune_setting *nth(struct tune *t, u32 i)
{
	return i < t->nr ? &t->setting[i] : &t->base;
}

/* Of the settings that are still in, and the base. */
static int mark_fronts(struct tune *t, struct err *e)
{
	u32 n = t->nr + 1;
	double *v = calloc(n * NR_GOALS, sizeof(*v));
	bool *on = calloc(n * 2, sizeof(*on));

	if (!v || !on) {
		free(v);
		free(on);
		return err_set(e, -ENOMEM, "out of memory");
	}
	for (u32 i = 0; i < n; i++)
		for (u32 g = 0; g < NR_GOALS; g++)
			v[g * n + i] = is_in(nth(t, i)) ? nth(t, i)->median[g]
							: NAN;
	tune_front(v, v + GOAL_OVERHEAD * n, n, on);
	tune_front(v, v + GOAL_CONVERGED * n, n, on + n);
	for (u32 i = 0; i < n; i++) {
		nth(t, i)->is_on_front = on[i];
		nth(t, i)->is_on_converged_front = on[n + i];
	}
	free(v);
	free(on);
	return 0;
}

/* ---- the search --------------------------------------------------------------------- */

static void add_tally(struct tune *t, const struct sweep_tally *tally)
{
	t->nr_ran += tally->ran;
	if (tally->failed && !t->first.text[0])
		t->first = tally->first;
}

/* Everyone who is in gets seeds up to @seeds. */
static int run_rung(struct tune *t, u32 seeds, struct err *e)
{
	u32 *point = calloc((size_t)t->nr * seeds + 1, sizeof(*point)), n = 0;
	struct sweep_tally tally;
	int rc;

	if (!point)
		return err_set(e, -ENOMEM, "out of memory");
	for (u32 i = 0; i < t->nr; i++)
		for (u32 k = t->setting[i].nr_seeds;
		     is_in(&t->setting[i]) && k < seeds; k++)
			point[n++] = t->setting[i].index * t->nr_seeds + k;
	rc = sweep_run(&t->sweep, point, n, &tally, e);
	free(point);
	if (rc)
		return rc;
	add_tally(t, &tally);
	for (u32 i = 0; i < t->nr; i++) {
		struct tune_setting *s = &t->setting[i];

		if (!is_in(s))
			continue;
		for (u32 k = s->nr_seeds; k < seeds && !rc; k++)
			rc = read_point(t, s, k, e);
		if (rc)
			return rc;
		s->nr_seeds = seeds;
		sum_up(s);
	}
	return mark_fronts(t, e);
}

int tune_by_time(const void *a, const void *b)
{
	const struct tune_setting *x = *(struct tune_setting *const *)a;
	const struct tune_setting *y = *(struct tune_setting *const *)b;
	double p = x->median[GOAL_TIME], q = y->median[GOAL_TIME];

	if (isnan(p) || isnan(q))
		return isnan(p) - isnan(q);
	if (p != q)
		return p < q ? -1 : 1;
	if (x->is_base != y->is_base)
		return x->is_base ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* Slower than @best with every seed so far. */
static bool is_slower(const struct tune_setting *s,
		      const struct tune_setting *best)
{
	for (u32 i = 0; i < s->nr_seeds; i++)
		if (!(s->goal[GOAL_TIME][i] > best->goal[GOAL_TIME][i]))
			return false;
	return true;
}

/* Hopeless: in the slower half, slower than the fastest with every seed, and on
 * no front. */
static int drop_hopeless(struct tune *t, struct err *e)
{
	struct tune_setting **v = calloc(t->nr + 1, sizeof(*v));
	u32 n = 0;

	if (!v)
		return err_set(e, -ENOMEM, "out of memory");
	for (u32 i = 0; i < t->nr; i++)
		if (is_in(&t->setting[i]))
			v[n++] = &t->setting[i];
	qsort(v, n, sizeof(*v), tune_by_time);
	for (u32 i = (n + 1) / 2; i < n; i++)
		v[i]->is_dropped = !v[i]->is_on_front &&
			!v[i]->is_on_converged_front && is_slower(v[i], v[0]);
	free(v);
	return 0;
}

static int halve(struct tune *t, struct err *e)
{
	int rc = 0;

	for (u32 seeds = 1; !rc; seeds *= 2) {
		bool is_last = seeds >= t->nr_seeds;

		rc = run_rung(t, is_last ? t->nr_seeds : seeds, e);
		if (is_last)
			break;
		if (!rc)
			rc = drop_hopeless(t, e);
	}
	return rc;
}

/* All settings, or so many drawn without putting back; in the grid's order. */
static int choose_settings(struct tune *t, struct err *e)
{
	u32 all = sweep_grid_points(t->sweep.grid) / t->nr_seeds;
	u32 want = t->tries && t->tries < all ? t->tries : all, left = want;
	struct rng rng;

	t->setting = calloc(want + 1, sizeof(*t->setting));
	if (!t->setting)
		return err_set(e, -ENOMEM, "out of memory");
	rng_init(&rng, t->seed);
	for (u32 i = 0; i < all && left; i++)
		if (rng_below(&rng, all - i) < left) {
			t->setting[t->nr++].index = i;
			left--;
		}
	return 0;
}

static int run_base(struct tune *t, struct err *e)
{
	u32 point[TUNE_MAX_SEEDS];
	struct sweep_tally tally;
	int rc;

	for (u32 i = 0; i < t->nr_seeds; i++)
		point[i] = i;
	rc = sweep_run(&t->base_sweep, point, t->nr_seeds, &tally, e);
	if (rc)
		return rc;
	add_tally(t, &tally);
	for (u32 i = 0; i < t->nr_seeds && !rc; i++)
		rc = read_point(t, &t->base, i, e);
	t->base.nr_seeds = t->nr_seeds;
	sum_up(&t->base);
	return rc;
}

int tune_run(struct tune *t, struct err *e)
{
	int rc = choose_settings(t, e);

	t->base.is_base = true;
	if (!rc)
		rc = run_base(t, e);
	if (!rc)
		rc = t->search == SEARCH_HALVING ? halve(t, e)
						 : run_rung(t, t->nr_seeds, e);
	return rc;
}

void tune_free(struct tune *t)
{
	free(t->setting);
	t->setting = NULL;
	t->nr = 0;
}

/* ---- the choice ------------------------------------------------------------------------- */

#define RESAMPLINGS 2000u

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double mean_ratio(const double *a, const double *b, u32 n,
			 struct rng *rng)
{
	double sa = 0, sb = 0;

	for (u32 i = 0; i < n; i++) {
		u32 k = rng ? (u32)rng_below(rng, n) : i;

		sa += a[k];
		sb += b[k];
	}
	return sa / sb;
}

struct tune_ratio tune_ratio(const double *a, const double *b, u32 n,
			     u64 seed)
{
	struct tune_ratio r = { mean_ratio(a, b, n, NULL), NAN, NAN };
	double v[RESAMPLINGS];
	struct rng rng;

	if (n < 3)
		return r;
	rng_init(&rng, seed);
	for (u32 i = 0; i < RESAMPLINGS; i++)
		v[i] = mean_ratio(a, b, n, &rng);
	qsort(v, RESAMPLINGS, sizeof(*v), by_value);
	r.lo = stat_quantile(v, RESAMPLINGS, 0.025);
	r.hi = stat_quantile(v, RESAMPLINGS, 0.975);
	return r;
}

static bool is_whole(const struct tune *t, const struct tune_setting *s)
{
	return is_in(s) && s->nr_seeds == t->nr_seeds &&
		!isnan(s->median[GOAL_TIME]);
}

static bool is_alike(const struct tune *t, const struct tune_setting *s,
		     const struct tune_setting *fastest)
{
	struct tune_ratio r = tune_ratio(s->goal[GOAL_TIME],
					 fastest->goal[GOAL_TIME], t->nr_seeds,
					 t->seed);

	return (isnan(r.lo) ? r.ratio : r.lo) <= 1 + TUNE_ALIKE;
}

/* The fastest by median of those that ran to their end; @but: not that one. */
static const struct tune_setting *fastest(const struct tune *t,
					  const struct tune_setting *but)
{
	const struct tune_setting *best = NULL;

	for (u32 i = 0; i <= t->nr; i++) {
		const struct tune_setting *s = i ? &t->setting[i - 1] : &t->base;

		if (s != but && is_whole(t, s) &&
		    (!best || s->median[GOAL_TIME] < best->median[GOAL_TIME]))
			best = s;
	}
	return best;
}

/* How the choice, or what comes nearest to it, compares with the base. */
static void against_base(const struct tune *t, struct tune_choice *c)
{
	const double *base = t->base.goal[GOAL_TIME];

	c->rival = c->best == &t->base ? fastest(t, &t->base) : c->best;
	if (t->base.is_failed)
		return;
	c->to_base = tune_ratio(c->rival->goal[GOAL_TIME], base, t->nr_seeds,
				t->seed);
	for (u32 i = 0; i < t->nr_seeds; i++)
		c->seeds_won += c->rival->goal[GOAL_TIME][i] < base[i];
}

int tune_choose(const struct tune *t, struct tune_choice *c)
{
	*c = (struct tune_choice){ .fastest = fastest(t, NULL) };
	if (!fastest(t, &t->base))
		return -ENOENT;
	for (u32 i = 0; i <= t->nr; i++) {
		const struct tune_setting *s = i ? &t->setting[i - 1] : &t->base;

		if (!is_whole(t, s) || !is_alike(t, s, c->fastest))
			continue;
		c->nr_alike++;
		if (!c->best || s->median[GOAL_OVERHEAD] <
				c->best->median[GOAL_OVERHEAD])
			c->best = s;
	}
	against_base(t, c);
	return 0;
}

/* ---- knobs ------------------------------------------------------------------------------ */

double tune_best_with(const struct tune *t, u32 a, u32 x, u32 b, u32 y)
{
	double best = NAN;

	for (u32 i = 0; i < t->nr; i++) {
		const struct tune_setting *s = &t->setting[i];

		if (tune_knob_index(t, s, a) == x && tune_knob_index(t, s, b) == y)
			best = fmin(best, s->median[GOAL_TIME]);
	}
	return best;
}

double tune_worth(const struct tune *t, u32 a, u32 *best)
{
	double lo = NAN, hi = NAN;
	u32 n = 0;

	for (u32 x = 0; x < t->sweep.grid->axis[a].nr; x++) {
		double v = tune_best_with(t, a, x, a, x);

		if (isnan(v))
			continue;
		n++;
		hi = fmax(hi, v);
		if (!(lo <= v)) {
			lo = v;
			*best = x;
		}
	}
	return n > 1 ? hi / lo - 1 : NAN;
}
