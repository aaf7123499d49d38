/* The run in the middle, number by number. */
#include "emu/host_join.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_RUNS HOST_MAX_RUNS

/* One number in each run that has it. */
struct runs {
	double v[MAX_RUNS];
	u32 of[MAX_RUNS];               /* which run                          */
	u32 n, of_all;
};

static void have(struct runs *r, double v, u32 run)
{
	u32 at = r->n++;

	for (; at && r->v[at - 1] > v; at--) {
		r->v[at] = r->v[at - 1];
		r->of[at] = r->of[at - 1];
	}
	r->v[at] = v;
	r->of[at] = run;
}

static u32 middle(const struct runs *r)
{
	return r->of[(r->n - 1) / 2];
}

/* How far apart, as a share of the one in the middle. */
static double apart(const struct runs *r)
{
	return stat_share(r->v[r->n - 1] - r->v[0], r->v[(r->n - 1) / 2]);
}

/* "; 2 of 3 runs: 84 to 96, unstable" */
static void say(const struct runs *r, bool is_marked, char *buf, size_t size)
{
	bool is_far = apart(r) > UNSTABLE;
	char who[32];

	if (r->n == r->of_all)
		snprintf(who, sizeof(who), "%u runs", r->n);
	else if (r->n == 1)
		snprintf(who, sizeof(who), "one of %u runs", r->of_all);
	else
		snprintf(who, sizeof(who), "%u of %u runs", r->n, r->of_all);
	if (r->of_all < 2)
		*buf = '\0';
	else if (r->n == 1)
		snprintf(buf, size, "; %s found it", who);
	else if (!apart(r))
		snprintf(buf, size, "; %s agree", who);
	else if (!is_far)
		snprintf(buf, size, "; %s within %.1f %%", who,
			 100 * apart(r));
	else
		snprintf(buf, size, "; %s: %.6g to %.6g%s", who, r->v[0],
			 r->v[r->n - 1], is_marked ? "" : ", unstable");
}

static void join_latency(struct calib_latency *out, const struct runs *r)
{
	if (r->n && apart(r) > out->spread)
		out->spread = apart(r);
}

/* ---- arrays ----------------------------------------------------------------------- */

static void join_level(struct host_profile *out,
		       const struct host_profile *const *run, u32 n, u32 size,
		       u32 level)
{
	struct runs entries = { .of_all = n }, hit = { .of_all = n };
	struct calib_level *l = &out->tlb.level[size][level];

	for (u32 i = 0; i < n; i++) {
		const struct calib_level *of = &run[i]->tlb.level[size][level];

		if (of->is_found)
			have(&entries, (double)of->entries, i);
		if (of->hit_cycles > 0)
			have(&hit, of->hit_cycles, i);
	}
	if (entries.n) {
		*l = run[middle(&entries)]->tlb.level[size][level];
		say(&entries, false, out->entries_runs[size][level],
		    sizeof(out->entries_runs[size][level]));
	}
	if (hit.n) {
		const struct calib_level *of =
			&run[middle(&hit)]->tlb.level[size][level];

		l->hit_cycles = of->hit_cycles;
		l->spread = of->spread > apart(&hit) ? of->spread : apart(&hit);
	}
}

static void join_walk(struct host_profile *out,
		      const struct host_profile *const *run, u32 n)
{
	struct runs r = { .of_all = n };

	for (u32 i = 0; i < n; i++)
		if (run[i]->tlb.walk.is_found)
			have(&r, run[i]->tlb.walk.cycles, i);
	if (!r.n)
		return;
	out->tlb.walk = run[middle(&r)]->tlb.walk;
	if (apart(&r) > out->tlb.walk.spread)
		out->tlb.walk.spread = apart(&r);
}

/* ---- latencies, costs ---------------------------------------------------------------- */

/* @at: where in a profile. */
static void join_at(struct host_profile *out,
		    const struct host_profile *const *run, u32 n, size_t at)
{
	struct calib_latency *l =
		(struct calib_latency *)(void *)((char *)out + at);
	struct runs r = { .of_all = n };

	for (u32 i = 0; i < n; i++) {
		const struct calib_latency *of = (const void *)
			((const char *)run[i] + at);

		if (of->is_found)
			have(&r, of->cycles, i);
	}
	if (!r.n)
		return;
	memcpy(l, (const char *)run[middle(&r)] + at, sizeof(*l));
	join_latency(l, &r);
}

static void join_memory(struct host_profile *out,
			const struct host_profile *const *run, u32 n)
{
	for (u32 i = 0; i < MUT_NR_CACHES; i++)
		join_at(out, run, n, offsetof(struct host_profile,
					      memory.cache[i]));
	for (u32 a = 0; a < MUT_MAX_NODES; a++)
		for (u32 b = 0; b < MUT_MAX_NODES; b++) {
			join_at(out, run, n, offsetof(struct host_profile,
						      memory.dram[a][b]));
			join_at(out, run, n, offsetof(struct host_profile,
						      memory.stream[a][b]));
		}
	for (u32 i = 0; i < MUT_NR_HOPS; i++)
		join_at(out, run, n, offsetof(struct host_profile,
					      memory.transfer[i]));
}

static void join_cost(struct host_profile *out,
		      const struct host_profile *const *run, u32 n, u32 cost)
{
	struct found_cost *c = &out->cost[cost];
	struct runs r = { .of_all = n };
	char text[80];
	size_t len;

	for (u32 i = 0; i < n; i++)
		if (*run[i]->cost[cost].source)
			have(&r, run[i]->cost[cost].value, i);
	if (!r.n)
		return;
	*c = run[middle(&r)]->cost[cost];
	len = strlen(c->source);
	say(&r, strstr(c->source, "unstable"), text, sizeof(text));
	snprintf(c->source + len, sizeof(c->source) - len, "%s", text);
}

void host_join(struct host_profile *out, const struct host_profile *const *run,
	       u32 n)
{
	struct runs hz = { .of_all = n };

	*out = *run[0];
	out->notes[0] = '\0';
	for (u32 i = 0; i < n; i++)
		have(&hz, run[i]->hz, i);
	out->hz = run[middle(&hz)]->hz;
	for (u32 size = 0; size < NR_MUT_PAGES; size++)
		for (u32 level = 0; level < 2; level++)
			join_level(out, run, n, size, level);
	join_walk(out, run, n);
	join_memory(out, run, n);
	for (u32 i = 0; i < NR_COSTS; i++)
		join_cost(out, run, n, i);
}

/* ---- notes ---------------------------------------------------------------------------- */

static bool has_line(const char *notes, const char *line, size_t len)
{
	for (const char *p = notes; (p = strstr(p, line)); p++)
		if ((p == notes || p[-1] == '\n') && p[len] == '\n')
			return true;
	return false;
}

void host_join_notes(struct host_profile *out,
		     const struct host_profile *const *run, u32 n)
{
	for (u32 i = 0; i < n; i++) {
		const char *p = run[i]->notes;

		while (*p) {
			const char *end = strchrnul(p, '\n');
			char line[512];
			bool is_shared = true;

			snprintf(line, sizeof(line), "%.*s", (int)(end - p), p);
			for (u32 k = 0; k < n; k++)
				is_shared &= has_line(run[k]->notes, line,
						      strlen(line));
			if (!is_shared)
				host_profile_note(out, "run %u: %s", i + 1,
						  line);
			else if (!i)
				host_profile_note(out, "%s", line);
			p = *end ? end + 1 : end;
		}
	}
}
