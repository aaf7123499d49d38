/* Costs of the kernel's work. */
#include "emu/host_fit.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "emu/mut_emulated.h"

#define PROBE 1000u             /* cycles added to see what a cost does       */
#define MAX_CYCLES 1e8

/* cost is set so that work - less takes as long on both. */
struct fit {
	enum cost cost;
	const char *what;
	struct mut_work work, less;
	bool has_less;
};

#define DIRECT(c, text, o, s, n) \
	{ .cost = COST_##c, .what = text, .work = { MUT_##o, MUT_##s, n, 0 } }
#define BEYOND(c, text, o, n, k, other) \
	{ .cost = COST_##c, .what = text, .work = { MUT_##o, MUT_4K, n, other }, \
	  .less = { MUT_##o, MUT_4K, k, 0 }, .has_less = true }

/* The order matters. 33 pages: Linux's ceiling of single-page flushes. */
static const struct fit fits[] = {
	DIRECT(SYSCALL, "getppid", SYSCALL, 4K, 1),
	DIRECT(ZERO_4K, "memset", ZERO, 4K, 1),
	DIRECT(COPY_4K_LOCAL, "memcpy", COPY, 4K, 1),
	DIRECT(ZERO_2M, "memset", ZERO, 2M, 1),
	DIRECT(COPY_2M_LOCAL, "memcpy", COPY, 2M, 1),
	DIRECT(FAULT_ENTRY, "first touch, less what else the model charges",
	       FAULT, 4K, 16),
	BEYOND(PTE_OP, "mprotect of 256 pages against 64", MPROTECT, 256, 64, 0),
	BEYOND(INVLPG, "mprotect of 32 pages against 4", MPROTECT, 32, 4, 0),
	DIRECT(FLUSH_FIXED, "mprotect of 4 pages, less what else the model "
	       "charges", MPROTECT, 4K, 4),
	DIRECT(CR3_FLUSH, "mprotect of 64 pages, less what else the model "
	       "charges", MPROTECT, 4K, 64),
	DIRECT(PAGE_FREE, "madvise(DONTNEED) of 64 pages, less what else the "
	       "model charges", DONTNEED, 4K, 64),
	/* Above the ceiling, where a call repeats best. */
	BEYOND(IPI_DELIVER_LLC, "mprotect of 64 pages beside one running thread "
	       "against alone, medians", MPROTECT, 64, 64, 1),
};

/* Where a ceiling of single-page flushes is looked for. */
static const u64 ceiling_pages[] = { 24, 28, 31, 32, 33, 34, 35, 36, 40, 48 };

bool host_fit_uses(u64 pages)
{
	for (size_t i = 0; i < ARRAY_LEN(fits); i++)
		if (fits[i].work.pages == pages ||
		    (fits[i].has_less && fits[i].less.pages == pages))
			return true;
	for (size_t i = 0; i < ARRAY_LEN(ceiling_pages); i++)
		if (ceiling_pages[i] == pages)
			return true;
	return false;
}

u32 host_fit_steps(void)
{
	return ARRAY_LEN(fits);
}

/* Cycles of work - less; half the intervals of both together. */
struct span {
	double cycles, half;
	u32 n;
};

static int measure(struct mut *m, const struct fit *f, struct span *out,
		   struct err *e)
{
	struct mut_sample s;
	int rc = mut_work(m, &f->work, &s, e);

	if (rc)
		return rc;
	*out = (struct span){ mut_figure(&f->work, &s), stat_half(&s.cycles),
			      s.cycles.n };
	if (!f->has_less)
		return 0;
	rc = mut_work(m, &f->less, &s, e);
	out->cycles -= mut_figure(&f->less, &s);
	out->half += stat_half(&s.cycles);
	return rc;
}

/* Where the pair of the measured threads, CPUs 0 and 1, meets. */
static enum cost cost_of_fit(const struct fit *f, const struct mut_shape *sh)
{
	for (u32 hop = 1; f->cost == COST_IPI_DELIVER_LLC && hop < NR_HOPS; hop++)
		if (sh->has_pair[hop] && sh->pair[hop][1] == 1)
			return (enum cost)(COST_IPI_DELIVER_SELF + hop);
	return f->cost;
}

/* Cycles of @cost with which the model takes @want, and their half interval;
 * NAN: it has no part. */
static int invert(struct mut *model, struct machine *m, const struct fit *f,
		  enum cost cost, const struct span *want, struct span *out,
		  struct err *e)
{
	u64 now = m->cost[cost];
	struct span with, without;
	double slope;
	int rc = measure(model, f, &without, e);

	if (rc)
		return rc;
	m->cost[cost] = now + PROBE;
	rc = measure(model, f, &with, e);
	m->cost[cost] = now;
	if (rc)
		return rc;
	slope = (with.cycles - without.cycles) / PROBE;
	*out = (struct span){ .cycles = NAN, .n = want->n };
	if (slope <= 0)
		return 0;
	out->cycles = (double)now + (want->cycles - without.cycles) / slope;
	out->half = want->half / slope;
	return 0;
}

void host_fit_keep(struct host_profile *p, const struct machine *m,
		   enum cost cost, double cycles, double half, u32 n,
		   const char *what)
{
	struct found_cost *c = &p->cost[cost];
	bool is_ns = !strcmp(machine_cost_unit(cost), "ns");
	double possible = cycles < 0 ? 0 : cycles > MAX_CYCLES ? MAX_CYCLES
							       : cycles;
	char how[80];

	c->value = is_ns ? possible / (double)m->hz * 1e9 : possible;
	if (cycles == possible)
		host_profile_source(n, stat_share(half, cycles), how,
				    sizeof(how));
	else
		snprintf(how, sizeof(how), "assumed: %.0f cycles would come out, "
			 "impossible", cycles);
	snprintf(c->source, sizeof(c->source), "%s; %s", how, what);
}

static int fit(struct host_profile *p, struct mut *host, struct mut *model,
	       struct machine *m, const struct fit *f, struct err *e)
{
	enum cost cost = cost_of_fit(f, &host->shape);
	struct span want, found;
	int rc = measure(host, f, &want, e);

	if (rc == -ENOTSUP || rc == -E2BIG) {
		host_profile_note(p, "%s was not measured: %.150s",
				  machine_cost_name(cost), e->text);
		return 0;
	}
	if (!rc)
		rc = invert(model, m, f, cost, &want, &found, e);
	if (rc)
		return rc;
	if (isnan(found.cycles)) {
		host_profile_note(p, "%s was not found: the model does not "
				  "charge it for this; CPUs 0 and 1 of the "
				  "model are not those that may be used here",
				  machine_cost_name(cost));
		return 0;
	}
	if (found.cycles < 0)
		host_profile_note(p, "%s would be negative (%.0f cycles): the "
				  "model charges more for %s than this host "
				  "takes", machine_cost_name(cost),
				  found.cycles, mut_op_name(f->work.op));
	host_fit_keep(p, m, cost, found.cycles, found.half, found.n, f->what);
	m->cost[cost] = found.cycles < 0 ? 0 : found.cycles > MAX_CYCLES ?
		(u64)MAX_CYCLES : (u64)(found.cycles + 0.5);
	return 0;
}

/* Up to how many pages does the kernel flush one by one? Where one page more
 * makes the call cheaper. */
static int ceiling(struct host_profile *p, struct mut *host, struct err *e)
{
	double best = 0.05, before = 0;
	u64 at = 0;

	for (size_t i = 0; i < ARRAY_LEN(ceiling_pages); i++) {
		const struct mut_work w = { .op = MUT_MPROTECT,
					    .pages = ceiling_pages[i] };
		struct mut_sample s;
		int rc = mut_work(host, &w, &s, e);

		if (rc == -E2BIG) {
			host_profile_note(p, "no ceiling of single-page flushes "
					  "was looked for: %.150s", e->text);
			return 0;
		}
		if (rc)
			return rc;
		if (i && 1 - s.cycles.low / before > best) {
			best = 1 - s.cycles.low / before;
			at = ceiling_pages[i - 1];
		}
		before = s.cycles.low;
	}
	if (at)
		host_profile_note(p, "mprotect of more than %llu pages is %.0f "
				  "%% cheaper: the single-page flush ceiling",
				  (unsigned long long)at, best * 100);
	else
		host_profile_note(p, "no single-page flush ceiling was found "
				  "between 24 and 48 pages");
	return 0;
}

int host_fit(struct host_profile *p, struct mut *host, struct machine *m,
	     calib_progress *progress, void *arg, struct err *e)
{
	struct mut *model;
	int rc = mut_emulated_create(&model, m, MUT_BY_HAND, e);

	if (rc)
		return rc;
	for (size_t i = 0; i < ARRAY_LEN(fits) && !rc; i++) {
		if (progress)
			progress(arg, machine_cost_name(fits[i].cost));
		rc = fit(p, host, model, m, &fits[i], e);
	}
	if (!rc)
		rc = ceiling(p, host, e);
	mut_emulated_destroy(model);
	return rc;
}
