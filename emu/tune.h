/* tune.h - which settings of some knobs suit a program: points of a sweep,
 * summed up over seeds, fronts, and a recommendation with how sure it is.
 *
 * A setting is one combination of the knobs' values; a point is a setting with a
 * seed. Everything that has run is in the sweep's database, so a search that is
 * stopped goes on, and a larger one reuses what a smaller one ran.
 *
 * The program as it is (base) is one to be had as well: it is compared, is on the
 * fronts where it belongs, and may be what is recommended.
 *
 * Errors: negative errno with text; -EINTR: stopped.
 */
#ifndef EMU_TUNE_H
#define EMU_TUNE_H

#include "base/rng.h"
#include "emu/metrics.h"
#include "emu/sweep_run.h"

#define TUNE_MAX_SEEDS 100u

/* What is small when a setting is good. */
enum tune_goal { GOAL_TIME, GOAL_OVERHEAD, GOAL_CONVERGED, NR_GOALS };

/* What else figures show, of all seeds. */
enum { TUNE_LOCALITY, TUNE_BUSY, TUNE_SCAN, TUNE_FAULT, TUNE_COPY, TUNE_FLUSH,
       NR_TUNE_SHOWN };

struct tune_setting {
	u32 index;                      /* in the knobs' grid                 */
	bool is_base;                   /* the program as it is               */
	u32 nr_seeds;                   /* that it ran with, from the first   */
	double goal[NR_GOALS][TUNE_MAX_SEEDS];  /* NAN: absent                */
	double shown[NR_TUNE_SHOWN][TUNE_MAX_SEEDS];
	double median[NR_GOALS];
	double shown_median[NR_TUNE_SHOWN];
	bool is_dropped;                /* hopeless after nr_seeds            */
	bool is_failed;
	bool is_on_front;               /* of time against overhead           */
	bool is_on_converged_front;     /* of time against converged          */
};

/* ORDER search_names in cmd_tune.c */
enum tune_search { SEARCH_HALVING, SEARCH_GRID, SEARCH_RANDOM };

struct tune {
	struct sweep sweep;             /* grid: the knobs, then the seeds    */
	struct sweep base_sweep;        /* grid: what the knobs are without   */
	u32 nr_seeds;
	u32 time_metric;                /* METRIC_ELAPSED, _PER_UNIT, _PER_ACCESS */
	enum tune_search search;
	u32 tries;                      /* settings at most; 0: all           */
	u64 seed;                       /* of drawing these, and of bootstrap */
	struct tune_setting base;
	struct tune_setting *setting;   /* those tried, [nr]                  */
	u32 nr;
	u32 nr_ran;                     /* points run just now                */
	struct err first;               /* the first failed point's           */
};

/* Of run times: "ms", "ns per unit", "ns per access". */
const char *tune_time_unit(const struct tune *t);

/* tune_run - the search, then medians and fronts. */
int tune_run(struct tune *t, struct err *e);
void tune_free(struct tune *t);

/* tune_front - mark in @is_on those of @n pairs that no other is better than in
 * one and at least as good in the other, both to four digits: finer differences are
 * no reason to prefer a setting. NAN: is on no front. */
void tune_front(const double *a, const double *b, u32 n, bool *is_on);

/* tune_ratio - mean(@a) / mean(@b), of the same @n seeds, and the interval that
 * holds it in 95 of 100 cases: bootstrap, 2000 resamplings of the seeds, in
 * pairs. Fewer than 3 seeds: lo and hi are NAN. */
struct tune_ratio {
	double ratio, lo, hi;
};
struct tune_ratio tune_ratio(const double *a, const double *b, u32 n,
			     u64 seed);

/* tune_choose - of those that ran with all seeds, the program as it is among
 * them: the fastest by median, and of those that cannot be told from it (the
 * interval of the ratio begins at 1 + TUNE_ALIKE or below) the one with least
 * overhead. So @best is &t->base when nothing pays.
 * Return: 0, -ENOENT: no setting (other than the base) ran to its end. */
#define TUNE_ALIKE 0.01
struct tune_choice {
	const struct tune_setting *fastest, *best;
	const struct tune_setting *rival;       /* best, or, where that is the
						 * base, the fastest other    */
	u32 nr_alike;                   /* as fast as the fastest, with it    */
	struct tune_ratio to_base;      /* rival's time against the base's    */
	u32 seeds_won;                  /* seeds in which rival is faster     */
};
int tune_choose(const struct tune *t, struct tune_choice *c);

/* How many of the grid's axes are knobs: all but the seeds. */
static inline u32 tune_nr_knobs(const struct tune *t)
{
	return t->sweep.grid->nr_axes - 1;
}

/* The value of knob @a in setting @s, as an index. */
static inline u32 tune_knob_index(const struct tune *t,
				  const struct tune_setting *s, u32 a)
{
	return sweep_grid_index(t->sweep.grid, s->index * t->nr_seeds, a);
}

/* The least median time of the settings in which knob @a has its value @x and knob
 * @b (which may be @a) its value @y. NAN: none. */
double tune_best_with(const struct tune *t, u32 a, u32 x, u32 b, u32 y);

/* tune_worth - what setting knob @a wrongly costs: the time with the worst of its
 * values over that with the best, which goes to *@best, all other knobs at their
 * best for each; less 1. NAN: fewer than two of its values ran. */
double tune_worth(const struct tune *t, u32 a, u32 *best);

/* By median time, the fastest first; those without one last. For qsort() of
 * pointers to settings; the base comes before a setting that is as fast. */
int tune_by_time(const void *a, const void *b);

#endif
