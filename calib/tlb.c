/* Capacities, ways and costs of TLBs. */
#include "calib/tlb.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calib/steps.h"

#define MAX_ENTRIES (1u << 16)
#define NO_MISS 1e-7            /* per access                                 */
#define MIN_STEP 1.5            /* cycles; lower steps are no TLB's           */
#define GRID_BEGIN 8.0
#define GRID_RATIO 1.12
#define MAX_GRID 96u
#define MOST_L1 1024.0          /* pages, by the clock                        */
#define MOST_L2 16384.0
#define THRASH 4u               /* times level 1, so that it hides little     */
#define ORDERS 4u
#define FEW_WAYS 32u
#define PDE_PAGES 512u          /* 4K pages behind one page-directory entry   */
#define MAX_PDES 1024u

struct probe {
	struct mut *m;
	struct calib_tlb *out;
	enum mut_page size;
	u32 level;                      /* 0, 1                               */
	double fits, full;              /* cycles without and with misses     */
	double noise;                   /* of the former                      */
	double hit;                     /* level 1's step, by the clock       */
	bool by_events;
	bool is_coarse;                 /* all of a set misses, or none       */
	bool cannot_tell;
	struct err *e;
};

/* ---- one point -------------------------------------------------------------------- */

static double event_of(const struct probe *p, const struct mut_sample *s)
{
	return s->ev[p->level ? MUT_WALKS : MUT_L1_MISS];
}

/* In the end even those few pages are too many for level 1: its share of what
 * they cost, in random order, by as many as do not fit. */
static double share_of_tlb(const struct probe *p, u64 pages)
{
	double fit = (double)p->out->level[p->size][0].entries;

	if (!p->level || (double)pages <= fit)
		return 0;
	return p->hit * (1 - fit / (double)pages);
}

/* As many lines in as few pages: what data cost. */
static int data_cycles(struct probe *p, u64 lines, struct stat_summary *out)
{
	struct mut_chase c = { .size = p->size };
	struct mut_sample s;
	u64 most = p->size == MUT_2M ? 32768 : 64;
	int rc;

	c.nr = (lines + most - 1) / most;
	c.lines = (u32)(lines / c.nr);
	rc = mut_chase(p->m, &c, &s, p->e);
	*out = s.cycles;
	out->low -= share_of_tlb(p, c.nr);
	return rc;
}

static int cycles_of(struct probe *p, const struct mut_chase *c, double *out,
		     double *spread)
{
	struct stat_summary data;
	struct mut_sample s;
	int rc = mut_chase(p->m, c, &s, p->e);

	if (rc)
		return rc;
	rc = data_cycles(p, mut_pages(c) * mut_or_1(c->orders), &data);
	*out = s.cycles.low - data.low;
	if (spread)
		*spread = stat_share(stat_half(&s.cycles) + stat_half(&data),
				     *out);
	return rc;
}

/* Above what one cycle more is no noise; a page too many in one set of many
 * adds little. */
static double threshold(const struct probe *p)
{
	double height = p->full - p->fits;
	double least = (p->is_coarse ? 0.125 : 0.004) * height;
	double clear = 6 * p->noise > least ? 6 * p->noise : least;

	if (clear < p->m->shape.resolution)
		clear = p->m->shape.resolution;

	return clear < height / 4 ? clear : height / 4;
}

/* Does @c miss in the level? 1, 0 or an error. */
static int misses(struct probe *p, const struct mut_chase *c)
{
	struct mut_sample s;
	double cycles;
	int rc;

	if (p->by_events) {
		rc = mut_chase(p->m, c, &s, p->e);
		return rc ? rc : event_of(p, &s) > NO_MISS;
	}
	/* Interruptions only add: what misses does so every time. */
	for (u32 i = 0; i < 3; i++) {
		rc = cycles_of(p, c, &cycles, NULL);
		if (rc || cycles <= p->fits + threshold(p))
			return rc;
	}
	return 1;
}

/* The most that fit in (@lo fits, @hi does not), given a shape for each. */
typedef struct mut_chase shape_fn(const struct probe *p, u64 nr, u64 stride);

static int bisect(struct probe *p, shape_fn *shape, u64 stride, u64 *lo, u64 *hi)
{
	while (*hi - *lo > 1) {
		u64 mid = *lo + (*hi - *lo) / 2;
		struct mut_chase c = shape(p, mid, stride);
		int rc = misses(p, &c);

		if (rc < 0)
			return rc;
		if (rc)
			*hi = mid;
		else
			*lo = mid;
	}
	return 0;
}

/* ---- entries ------------------------------------------------------------------------ */

static struct mut_chase neighbours(const struct probe *p, u64 nr, u64 stride)
{
	return (struct mut_chase){ .size = p->size, .nr = nr };
}

static int entries_by_events(struct probe *p, struct calib_level *l)
{
	u64 lo = 1, hi = 0;

	for (u64 nr = 4; nr <= MAX_ENTRIES && !hi; nr *= 2) {
		struct mut_chase c = neighbours(p, nr, 1);
		int rc = misses(p, &c);

		if (rc == -E2BIG) {
			snprintf(l->note, sizeof(l->note), "more than %llu: %.110s",
				 (unsigned long long)lo, p->e->text);
			return 0;
		}
		if (rc < 0)
			return rc;
		if (rc)
			hi = nr;
		else
			lo = nr;
	}
	if (!hi) {
		snprintf(l->note, sizeof(l->note), "no miss up to %llu pages",
			 (unsigned long long)lo);
		return 0;
	}
	l->is_found = true;
	if (bisect(p, neighbours, 1, &lo, &hi) < 0)
		return -EIO;
	l->entries = lo;
	l->misses_at = hi;
	return 0;
}

/* A walk costs more than a hit of level 2; what rises by less is something
 * else, such as a cache's end that the subtraction left over. */
static double min_rise(const struct probe *p)
{
	double hit = p->level ? 0.4 * p->hit : 0;

	return hit > MIN_STEP ? hit : MIN_STEP;
}

/* The first point of the grid that is at least @pages: one grid for all
 * machines, so that others can keep off it. */
static double grid_from(double pages)
{
	double at = GRID_BEGIN;

	while (floor(at) < pages)
		at *= GRID_RATIO;
	return at;
}

/* The last that is at most @pages, or the first. */
static double grid_below(double pages)
{
	double at = GRID_BEGIN;

	while (floor(at * GRID_RATIO) <= pages)
		at *= GRID_RATIO;
	return at;
}

bool calib_tlb_on_grid(u64 pages)
{
	return floor(grid_from((double)pages)) == (double)pages;
}

/* From the grid's first point from @from on to well beyond the largest TLBs
 * there are, or until there is no more memory. */
static int measure_grid(struct probe *p, double from, double *x, double *y,
			u32 *n)
{
	double most = p->level ? MOST_L2 : MOST_L1;

	for (double at = grid_from(from); at <= most && *n < MAX_GRID;
	     at *= GRID_RATIO) {
		struct mut_chase c = neighbours(p, (u64)at, 1);
		int rc;

		rc = cycles_of(p, &c, &y[*n], NULL);
		if (rc == -E2BIG)
			return 0;
		if (rc)
			return rc;
		x[(*n)++] = (double)(u64)at;
	}
	return 0;
}

/* Closer, by points between the last that fits and the first that does not,
 * until they are neighbours or 1 % apart. */
static int refine(struct probe *p, struct calib_level *l)
{
	while (l->misses_at - l->entries > 1 + l->entries / 100) {
		u64 mid = l->entries + (l->misses_at - l->entries) / 2;
		struct mut_chase c = neighbours(p, mid, 1);
		int rc;

		rc = misses(p, &c);
		if (rc < 0)
			return rc;
		if (rc)
			l->misses_at = mid;
		else
			l->entries = mid;
	}
	return 0;
}

/* Somebody else's work may look like a step, but not twice. */
static int is_real(struct probe *p, const double *x, u32 n,
		   const struct step *s)
{
	p->fits = s->before;
	p->full = s->after;
	for (u32 i = s->last + 2; i < n && i < s->last + 5; i++) {
		struct mut_chase c = neighbours(p, (u64)x[i], 1);
		int rc = misses(p, &c);

		if (rc <= 0)
			return rc;
	}
	return 1;
}

static int entries_by_clock(struct probe *p, struct calib_level *l)
{
	const struct steps_cfg cfg = { .min_rise = min_rise(p),
				       .min_tread = 3 };
	double x[MAX_GRID], y[MAX_GRID];
	struct step step[8];
	u32 n = 0, k;
	int rc, nr;

	rc = measure_grid(p, p->level ? 1.5 *
			  (double)p->out->level[p->size][0].entries
			  : GRID_BEGIN, x, y, &n);
	if (rc)
		return rc;
	nr = n > 1 ? steps_find(y, n, &cfg, step, 8) : 0;
	for (k = 0; (int)k < nr; k++) {
		p->noise = step[k].last ? steps_noise(y, step[k].last + 1) : 0;
		rc = is_real(p, x, n, &step[k]);
		if (rc < 0)
			return rc;
		if (rc)
			break;
	}
	if ((int)k >= nr || step[k].last + 1 >= n) {
		snprintf(l->note, sizeof(l->note), "no step up to %.0f pages",
			 n ? x[n - 1] : 0);
		return 0;
	}
	l->is_found = true;
	if (!p->level)
		p->hit = p->full - p->fits;
	for (u32 i = step[k].last + 1; i-- > 0; ) {
		struct mut_chase c = neighbours(p, (u64)x[i], 1);

		/* Seen again, now that it is known what a miss is. */
		l->entries = (u64)x[i];
		l->misses_at = (u64)x[i + 1];
		rc = misses(p, &c);
		if (rc < 0)
			return rc;
		if (!rc)
			break;
	}
	return refine(p, l);
}

/* ---- ways ---------------------------------------------------------------------------- */

/* @nr pages in each of so many sets that level 1 cannot hold them. */
static struct mut_chase one_set(const struct probe *p, u64 nr, u64 stride)
{
	struct mut_chase c = { .size = p->size, .nr = nr, .stride = stride };
	u64 first = p->out->level[p->size][0].entries;

	if (p->level) {
		c.group = (THRASH * first + nr - 1) / nr;
		c.orders = ORDERS;
	}
	return c;
}

/* @l->entries may be off by a little when the clock found them; then so are
 * the strides, and the number of entries is rounded to what is likely. */
static u64 stride_unit(const struct probe *p, u64 entries)
{
	u64 unit = 1;

	if (p->by_events)
		return entries;
	while (unit * 2 <= entries + entries / 8)
		unit *= 2;
	return unit;
}

/* Do @nr pages of one set fit? 0 yes, 1 no, -E2BIG: they cannot be asked for. */
static int one_set_misses(struct probe *p, u64 nr, u64 stride)
{
	struct mut_chase c = one_set(p, nr, stride);

	if (mut_span(&c) > p->m->shape.max_span[p->size])
		return -E2BIG;
	return misses(p, &c);
}

static u32 zeros_of(u64 v)
{
	return v ? (u32)__builtin_ctzll(v) : 0;
}

/* The clock leaves an interval; arrays are whole sets, mostly a round number of
 * them. */
static void whole_sets(struct calib_level *l)
{
	u64 best = 0;

	if (!l->ways || l->ways == l->entries || l->misses_at < l->fits_at + 2)
		return;
	for (u64 n = (l->entries + l->ways - 1) / l->ways * l->ways;
	     n < l->misses_at; n += l->ways)
		if (!best || zeros_of(n / l->ways) > zeros_of(best / l->ways))
			best = n;
	if (best)
		l->entries = best;
}

/* Few ways are the rule, and quick to ask for; many pages in as many tables are
 * slow. */
static int find_ways(struct probe *p, struct calib_level *l)
{
	u64 unit = stride_unit(p, l->entries);

	p->is_coarse = true;
	l->ways = l->entries;
	for (u64 k = 0; k <= 16 && l->ways > 1; k++) {
		u64 lo = 0, hi = l->ways < FEW_WAYS ? l->ways : FEW_WAYS;
		int rc = one_set_misses(p, hi, unit << k);

		if (!rc && hi < l->ways && k < 4) {
			lo = hi;
			hi = l->ways;
			rc = one_set_misses(p, hi, unit << k);
		}
		if (rc == -E2BIG)
			break;
		if (rc > 0) {
			rc = bisect(p, one_set, unit << k, &lo, &hi);
			l->ways = lo;
		}
		if (rc)
			return rc;
	}
	p->is_coarse = false;
	l->ways_seen = l->ways;
	/* By the clock, a few conflicts elsewhere look like the last ways. */
	if (!p->by_events && l->ways > l->entries / 4 * 3)
		l->ways = l->entries;
	whole_sets(l);
	return 0;
}

/* ---- costs --------------------------------------------------------------------------- */

/* Level 2 hits: as many pages as level 1 surely misses. */
static int find_hit(struct probe *p, const struct calib_level *l1,
		    struct calib_level *l2)
{
	u64 nr = 6 * l1->entries, most = l2->entries ? l2->entries * 3 / 4 : nr;
	struct mut_chase c;
	struct mut_sample s;
	double base = p->out->base_cycles[p->size];
	int rc;

	nr = nr < most ? nr : most;
	if (!p->by_events)
		nr = (u64)grid_below((double)nr);
	c = neighbours(p, nr, 1);
	if (p->by_events) {
		rc = mut_chase(p->m, &c, &s, p->e);
		if (!rc && s.ev[MUT_L1_MISS] > NO_MISS)
			l2->hit_cycles = (s.cycles.median - base) /
				s.ev[MUT_L1_MISS];
		l2->spread = stat_share(stat_half(&s.cycles),
					s.cycles.median - base);
		return rc;
	}
	return cycles_of(p, &c, &l2->hit_cycles, &l2->spread);
}

static int find_walk(struct probe *p, u64 reach)
{
	struct calib_walk *w = &p->out->walk;
	struct mut_chase c = neighbours(p, 2 * reach, 1);
	struct mut_sample s;
	int rc;

	if (!p->by_events) {
		c.nr = (u64)grid_from((double)c.nr);
		/* The clock has the lookup of level 2 in it as well. */
		rc = cycles_of(p, &c, &w->cycles, &w->spread);
		w->cycles = fmax(0, w->cycles -
				 p->out->level[MUT_4K][1].hit_cycles);
		w->is_found = !rc;
		w->load_cycles = w->cycles;
		return rc;
	}
	rc = mut_chase(p->m, &c, &s, p->e);
	if (rc || s.ev[MUT_WALKS] < NO_MISS)
		return rc;
	w->is_found = true;
	w->cycles = s.ev[MUT_WALK_CYCLES] / s.ev[MUT_WALKS];
	w->load_cycles = isnan(s.ev[MUT_WALK_LOADS]) ? w->cycles
		: s.ev[MUT_WALK_CYCLES] / s.ev[MUT_WALK_LOADS];
	w->spread = stat_spread(&s.cycles);
	return 0;
}

/* ---- the cache of page-directory entries ------------------------------------------ */

/* @nr directory entries, stride @stride of them apart, each in front of so many
 * pages that together they are twice what the TLBs hold. */
static struct mut_chase directory(const struct probe *p, u64 nr, u64 stride)
{
	u64 reach = p->out->level[MUT_4K][1].entries;
	u64 group = (2 * reach + nr - 1) / nr;

	return (struct mut_chase){
		.size = MUT_4K, .nr = nr, .stride = stride * PDE_PAGES,
		.group = group < PDE_PAGES ? group : PDE_PAGES,
		.orders = ORDERS,
	};
}

/* Do walks load more than the entry of the page? 1, 0 or an error. */
static int loads_more(struct probe *p, u64 nr, u64 stride)
{
	struct mut_chase c = directory(p, nr, stride);
	struct mut_sample s;
	int rc = mut_chase(p->m, &c, &s, p->e);

	if (rc)
		return rc;
	if (s.ev[MUT_WALKS] < NO_MISS) {
		p->cannot_tell = true;
		return 0;
	}
	return s.ev[MUT_WALK_LOADS] / s.ev[MUT_WALKS] > 1 + 1e-6;
}

static int bisect_directory(struct probe *p, u64 stride, u64 *lo, u64 hi)
{
	while (hi - *lo > 1) {
		u64 mid = *lo + (hi - *lo) / 2;
		int rc = loads_more(p, mid, stride);

		if (rc < 0)
			return rc;
		if (rc)
			hi = mid;
		else
			*lo = mid;
	}
	return 0;
}

static int pde_by_events(struct probe *p)
{
	struct calib_walk *w = &p->out->walk;
	u64 lo = 1, hi = 0;
	int rc;

	for (u64 nr = 2; nr <= MAX_PDES && !hi; nr *= 2) {
		rc = loads_more(p, nr, 1);
		if (rc < 0)
			return rc;
		if (rc)
			hi = nr;
		else
			lo = nr;
	}
	if (!hi || lo == 1) {
		snprintf(w->note, sizeof(w->note), hi ? "walks load more than "
			 "one entry at once: no such cache" : "no limit up to "
			 "%u directory entries", MAX_PDES);
		return 0;
	}
	rc = bisect_directory(p, 1, &lo, hi);
	w->pde_entries = w->pde_ways = lo;
	for (u64 k = 0; k < 4 && !rc; k++) {
		rc = loads_more(p, w->pde_ways, w->pde_entries << k);
		if (rc > 0) {
			lo = 0;
			rc = bisect_directory(p, w->pde_entries << k, &lo,
					      w->pde_ways);
			w->pde_ways = lo;
		}
	}
	return rc == -E2BIG ? 0 : rc;
}

/* The same pages in all, in more and more directories: only the path to them
 * changes. */
static int pde_by_clock(struct probe *p)
{
	const struct steps_cfg cfg = { .min_rise = MIN_STEP, .min_tread = 3 };
	struct calib_walk *w = &p->out->walk;
	double y[48];
	u64 x[48];
	struct step step[4];
	u32 n = 0;
	int nr;

	for (u64 at = 8; at <= MAX_PDES && n < ARRAY_LEN(y); at += at / 4) {
		struct mut_chase c = directory(p, at, 1);
		struct mut_sample s;
		int rc;

		c.orders = 1;
		rc = mut_chase(p->m, &c, &s, p->e);
		if (rc == -E2BIG)
			break;
		if (rc)
			return rc;
		x[n] = at;
		y[n++] = s.cycles.low;
	}
	nr = n > 1 ? steps_find(y, n, &cfg, step, 4) : 0;
	if (nr > 0)
		snprintf(w->note, sizeof(w->note), "walks become %.1f cycles "
			 "dearer between %llu and %llu directory entries",
			 step[0].after - step[0].before,
			 (unsigned long long)x[step[0].last],
			 (unsigned long long)x[step[0].last + 1]);
	else
		snprintf(w->note, sizeof(w->note), "no step between 8 and %llu "
			 "directory entries",
			 n ? (unsigned long long)x[n - 1] : 0);
	return 0;
}

/* ---- all of it ------------------------------------------------------------------------ */

static int find_base(struct probe *p)
{
	struct mut_chase c = { .size = p->size, .nr = 8 };
	struct mut_sample s;
	int rc = mut_chase(p->m, &c, &s, p->e);

	p->out->base_cycles[p->size] = s.cycles.median;
	p->by_events = !rc && !p->m->by_clock && !isnan(s.ev[MUT_L1_MISS]);
	return rc;
}

static int find_level(struct probe *p, struct calib_level *l)
{
	int rc = p->by_events ? entries_by_events(p, l)
			      : entries_by_clock(p, l);

	if (rc || !l->is_found)
		return rc;
	l->fits_at = l->entries;
	return find_ways(p, l);
}

static int find_size(struct probe *p, calib_progress *progress, void *arg)
{
	static const char *const names[NR_MUT_PAGES] = { "4K", "2M" };
	struct calib_level *l = p->out->level[p->size];
	char what[64];
	int rc = find_base(p);

	for (p->level = 0; p->level < 2 && !rc; p->level++) {
		snprintf(what, sizeof(what), "TLB level %u, %s pages",
			 p->level + 1, names[p->size]);
		if (progress)
			progress(arg, what);
		rc = find_level(p, &l[p->level]);
		if (!l[p->level].is_found)
			break;
	}
	if (!rc && !l[0].is_found)
		snprintf(l[1].note, sizeof(l[1].note), "level 1 was not found");
	if (!rc && l[0].is_found)
		rc = find_hit(p, &l[0], &l[1]);
	if (rc == -E2BIG && l[0].is_found) {
		snprintf(l[1].note, sizeof(l[1].note), "%.150s", p->e->text);
		rc = 0;
	}
	return rc;
}

int calib_tlb(struct mut *m, struct calib_tlb *out, calib_progress *progress,
	      void *arg, struct err *e)
{
	struct err own;
	struct probe p = { .m = m, .out = out, .e = e ? e : &own };
	int rc;

	memset(out, 0, sizeof(*out));
	rc = find_size(&p, progress, arg);
	if (rc)
		return rc;
	out->by_events = p.by_events;
	if (progress)
		progress(arg, "page walks");
	if (out->level[MUT_4K][1].is_found) {
		p.level = 1;
		rc = find_walk(&p, out->level[MUT_4K][1].entries);
		if (!rc)
			rc = p.by_events ? pde_by_events(&p) : pde_by_clock(&p);
		if (rc == -E2BIG)
			snprintf(out->walk.note, sizeof(out->walk.note),
				 "%.150s", p.e->text);
		else if (rc)
			return rc;
	}
	p.size = MUT_2M;
	rc = find_size(&p, progress, arg);
	/* Without large pages the rest is worth having. */
	if (rc == -ENOTSUP || rc == -E2BIG) {
		for (u32 i = 0; i < 2; i++)
			if (!out->level[MUT_2M][i].is_found)
				snprintf(out->level[MUT_2M][i].note,
					 sizeof(out->level[MUT_2M][i].note),
					 "%.150s", p.e->text);
		rc = 0;
	}
	return rc;
}
