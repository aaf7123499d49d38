/* A profile of this host as text. */
#include "emu/host_profile.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "base/units.h"

#define WIDTH 78u
#define SMEARED 0.25            /* a step that far from CPUID's may be it     */

void host_profile_note(struct host_profile *p, const char *fmt, ...)
{
	size_t n = strlen(p->notes);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->notes + n, sizeof(p->notes) - n, fmt, ap);
	va_end(ap);
	n = strlen(p->notes);
	if (n + 1 < sizeof(p->notes))
		strcpy(p->notes + n, "\n");
}

const char *host_profile_spread(double spread, char *buf, size_t size)
{
	if (!(spread < 10))
		snprintf(buf, size, "clock: less than its noise, unstable");
	else
		snprintf(buf, size, "clock: +- %.1f %%%s", 100 * spread,
			 spread > UNSTABLE ? ", unstable" : "");
	return buf;
}

const char *host_profile_source(u32 n, double spread, char *buf, size_t size)
{
	char how[64];

	host_profile_spread(spread, how, sizeof(how));
	snprintf(buf, size, "clock: %u repetitions,%s", n,
		 how + strlen("clock:"));
	return buf;
}

/* ---- lines ------------------------------------------------------------------------ */

/* @text (which is cut up) in lines of words that begin with @first, then
 * @next. */
static void wrap(FILE *f, char *text, const char *first, const char *next)
{
	char *word, *save;
	size_t col = 0;

	for (word = strtok_r(text, " ", &save); word;
	     word = strtok_r(NULL, " ", &save)) {
		size_t len = strlen(word);

		if (!col || col + 1 + len > WIDTH) {
			fprintf(f, "%s%s", col ? "\n" : "", col ? next : first);
			col = strlen(col ? next : first);
		} else {
			fputc(' ', f);
			col++;
		}
		fputs(word, f);
		col += len;
	}
	fputc('\n', f);
}

/* "key = value | source", continued on indented lines. */
static void put(FILE *f, const char *key, const char *value, const char *source)
{
	char text[1024];

	snprintf(text, sizeof(text), "%s = %s%s%s", key, value,
		 *source ? " | " : "", source);
	wrap(f, text, "", "  ");
}

static void put_u64(FILE *f, const char *key, u64 value, const char *source)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	put(f, key, text, source);
}

/* ---- which array --------------------------------------------------------------------- */

static bool is_within(double a, double b, double share)
{
	return a > b ? a - b <= share * b : b - a <= share * b;
}

static const char *reason(const struct calib_level *l)
{
	return *l->note ? l->note : "calibration did not come to it";
}

/* What was seen, and what was made of it. */
static void measured_entries(const struct host_profile *p,
			     const struct calib_level *l,
			     const struct cpuid_tlb *told, const char *runs,
			     struct chosen_array *c)
{
	char made[48] = "";

	c->entries = l->entries;
	if (l->fits_at != l->entries)
		snprintf(made, sizeof(made), "; rounded to whole sets of %llu",
			 (unsigned long long)l->ways);
	snprintf(c->entries_source, sizeof(c->entries_source), "%s: %llu pages "
		 "fit, %llu do not%s%s%s", p->tlb.by_events ? "papi" : "clock",
		 (unsigned long long)l->fits_at,
		 (unsigned long long)l->misses_at, made,
		 !told ? "" : told->entries == l->entries ? ", as CPUID says" :
		 "; CPUID says otherwise", runs);
}

/* CPUID hides the unit of its sizes of level 2. */
static bool is_guess(const struct host_profile *p, const struct cpuid_tlb *told)
{
	return told->level == 2 && p->cpuid.guesses_unit;
}

static void told_entries(const struct host_profile *p,
			 const struct calib_level *l,
			 const struct cpuid_tlb *told, struct chosen_array *c)
{
	char why[160];

	c->entries = told->entries;
	if (l->is_found)
		snprintf(why, sizeof(why), "the clock's step at %llu is near",
			 (unsigned long long)l->fits_at);
	else
		snprintf(why, sizeof(why), "not measured, %.120s", reason(l));
	if (is_guess(p, told))
		snprintf(c->entries_source, sizeof(c->entries_source),
			 "assumed: CPUID's field, if it counts in units of 32, "
			 "which this hypervisor hides; %s", why);
	else
		snprintf(c->entries_source, sizeof(c->entries_source),
			 "cpuid: %s", why);
}

static void choose_entries(const struct host_profile *p,
			   const struct calib_level *l,
			   const struct cpuid_tlb *told, const char *runs,
			   struct chosen_array *c)
{
	bool is_same = l->is_found && told && told->entries == l->entries;

	if (l->is_found && told && !is_same)
		snprintf(c->disagreement, sizeof(c->disagreement), "measured "
			 "%llu entries, CPUID says %u%s",
			 (unsigned long long)l->fits_at, told->entries,
			 is_guess(p, told) ? " (if in units of 32)" : "");
	if (l->is_found && (!told || is_same || p->tlb.by_events ||
			    !is_within((double)l->entries, told->entries,
				       SMEARED)))
		measured_entries(p, l, told, runs, c);
	else if (told)
		told_entries(p, l, told, c);
}

static void choose_ways(const struct host_profile *p,
			const struct calib_level *l,
			const struct cpuid_tlb *told, struct chosen_array *c)
{
	const char *by = p->tlb.by_events ? "papi" : "clock";
	u64 ways = told ? told->ways == CPUID_FULL ? c->entries : told->ways : 0;
	bool is_full = l->ways && l->ways == l->entries;
	char made[64] = "";

	if (l->is_found && (is_full || (l->ways > 1 &&
					c->entries % l->ways == 0))) {
		c->ways = is_full ? c->entries : l->ways;
		if (l->ways_seen && l->ways_seen != l->ways)
			snprintf(made, sizeof(made), ", %llu seen, taken as "
				 "full", (unsigned long long)l->ways_seen);
		snprintf(c->ways_source, sizeof(c->ways_source), "%s: pages of "
			 "one set%s%s", by, made, c->ways == ways ?
			 ", as CPUID says" :
			 ways ? "; CPUID's field says otherwise" : "");
		return;
	}
	if (ways && c->entries % ways == 0) {
		c->ways = ways;
		snprintf(c->ways_source, sizeof(c->ways_source), "cpuid: "
			 "associativity field, not measured");
		return;
	}
	c->ways = c->entries;
	snprintf(c->ways_source, sizeof(c->ways_source), "assumed: not found, "
		 "taken as full");
}

void host_profile_choose(const struct host_profile *p, u32 level, u32 size,
			 struct chosen_array *out)
{
	const struct calib_level *l = &p->tlb.level[size][level - 1];
	struct cpuid_tlb t;
	const struct cpuid_tlb *told =
		cpuid_find(&p->cpuid, level, size, &t) ? &t : NULL;

	memset(out, 0, sizeof(*out));
	choose_entries(p, l, told, p->entries_runs[size][level - 1], out);
	if (!out->entries && size) {
		/* Nothing told, nothing found: as for 4K pages. */
		host_profile_choose(p, level, 0, out);
		snprintf(out->entries_source, sizeof(out->entries_source),
			 "assumed: not found, as for 4K pages");
		out->disagreement[0] = '\0';
	} else if (!out->entries) {
		out->entries = level == 1 ? 64 : 1024;
		snprintf(out->entries_source, sizeof(out->entries_source),
			 "assumed: neither measured nor told");
	}
	if (!out->ways)
		choose_ways(p, l, told, out);
}

/* ---- sections ------------------------------------------------------------------------ */

static void write_machine(const struct host_profile *p, FILE *f)
{
	static const char by_cpuid[] = "cpuid: feature bits";
	const struct cpuid_info *c = &p->cpuid;
	char text[128];

	fputs("\n[machine]\n", f);
	put(f, "name", p->name, "");
	snprintf(text, sizeof(text), "this host, calibrated: %.80s",
		 *c->brand ? c->brand : "unnamed processor");
	put(f, "summary", text, "");
	put(f, "topology", p->topology, "hwloc");
	snprintf(text, sizeof(text), "%.0fMHz", p->hz / 1e6);
	put(f, "hz", text, "clock: a chain of additions, one a cycle");
#if defined(__aarch64__)
	put(f, "arch", "arm", "published: what this program was built for");
#elif defined(__riscv)
	put(f, "arch", "riscv", "published: what this program was built for");
#else
	put(f, "arch", "x86", "cpuid");
	put(f, "pcid", c->has_pcid ? "yes" : "no", by_cpuid);
	put(f, "invpcid", c->has_invpcid ? "yes" : "no", by_cpuid);
	put(f, "la57", c->has_la57 ? "yes" : "no", by_cpuid);
	put(f, "tce", c->has_tce ? "yes" : "no", by_cpuid);
	put_u64(f, "invlpgb", c->invlpgb_pages, by_cpuid);
#endif
}

static void write_array(const struct host_profile *p, u32 level, u32 size,
			FILE *f)
{
	static const char *const names[2][2] = { { "l1d_4k", "l1d_2m" },
						 { "l2d_4k", "l2d_2m" } };
	const struct calib_level *l = &p->tlb.level[size][1];
	struct chosen_array a;
	char text[200], source[64];

	host_profile_choose(p, level, size, &a);
	fprintf(f, "\n[tlb.%s]\n", names[level - 1][size]);
	put_u64(f, "level", level, "");
	put(f, "serves", "data", "");
	put_u64(f, "entries", a.entries, a.entries_source);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)a.ways);
	put(f, "ways", a.ways == a.entries ? "full" : text, a.ways_source);
	put(f, "sizes", size ? "2m" : "4k", "");
	if (a.ways != a.entries)
		put(f, "index", "linear", "assumed: not measured");
	put(f, "replacement", "lru", "assumed: not measured");
	if (level == 2) {
		const struct calib_level *of = l->hit_cycles > 0.5 ? l :
			&p->tlb.level[MUT_4K][1];
		bool is_there = of->hit_cycles > 0.5;

		snprintf(text, sizeof(text), "%.0f",
			 is_there ? of->hit_cycles : 8);
		put(f, "hit_cycles", text, !is_there ?
		    "assumed: not found" : of == l ?
		    host_profile_spread(of->spread, source,
					sizeof(source)) :
		    "assumed: as for 4K pages");
	}
	put(f, "source", "assumed: the shape that calibration asks for", "");
}

static void write_walks(const struct host_profile *p, FILE *f)
{
	const struct calib_walk *w = &p->tlb.walk;
	char text[48];

	fputs("\n[psc]\n", f);
	if (w->pde_entries) {
		snprintf(text, sizeof(text), "%llux%llu",
			 (unsigned long long)w->pde_entries,
			 (unsigned long long)w->pde_ways);
		put(f, "pde", text, "papi: loads of walks");
	} else {
		put(f, "pde", "64", "assumed: without counters of walks");
	}
	fputs("\n[walker]\n", f);
	put(f, "count", "1", "assumed: a chase has one walk at a time");
}

/* A level is no faster than the one before and no slower than memory; what the
 * clock says against that becomes the nearest that can be, and is assumed. */
static double choose_cache(const struct host_profile *p, u32 level,
			   double before, char *source, size_t size)
{
	static const double usual[NR_CACHE_LEVELS] = { 4, 14, 50 };
	const struct calib_latency *l = &p->memory.cache[level];
	const struct calib_latency *memory = &p->memory.dram[0][0];
	double top = memory->is_found && memory->cycles > before ?
		memory->cycles : INFINITY;
	double v = l->is_found ? l->cycles : usual[level];

	if (!l->is_found)
		snprintf(source, size, "assumed: not measured, %.120s",
			 *l->note ? l->note : "calibration did not come to it");
	else if (v < before)
		snprintf(source, size, "assumed: as the level before; the clock "
			 "says %.1f, which is faster", v);
	else if (v > top)
		snprintf(source, size, "assumed: as memory; the clock says %.1f, "
			 "which is slower", v);
	else
		host_profile_spread(l->spread, source, size);
	return v < before ? before : v > top ? top : v;
}

static void write_caches(const struct host_profile *p, FILE *f)
{
	static const char *const names[] = { "l1d", "l2", "llc" };
	char source[200], text[24], size[UNITS_MAX_TEXT];
	double latency = 1;

	for (u32 i = 0; i < NR_CACHE_LEVELS; i++) {
		const struct cache_geometry *g = &p->cache[i];

		if (!g->bytes)
			continue;
		fprintf(f, "\n[cache.%s]\n", names[i]);
		put(f, "bytes", units_format(UNIT_BYTES, g->bytes, size),
		    "hwloc");
		put_u64(f, "ways", g->nr_ways ? g->nr_ways : 16,
			g->nr_ways ? "hwloc" : "assumed: hwloc does not know");
		latency = choose_cache(p, i, latency, source, sizeof(source));
		snprintf(text, sizeof(text), "%.0f", latency);
		put(f, "latency", text, source);
	}
}

static void write_costs(const struct host_profile *p, FILE *f)
{
	char text[UNITS_MAX_TEXT];

	fputs("\n[cost]\n", f);
	for (u32 i = 0; i < NR_COSTS; i++)
		if (*p->cost[i].source)
			put(f, machine_cost_name((enum cost)i),
			    units_format_fixed(p->cost[i].value, 1, text,
					       sizeof(text)),
			    p->cost[i].source);
}

void host_profile_write(const struct host_profile *p, FILE *f)
{
	char notes[sizeof(p->notes)], *line, *save;

	fprintf(f, "; Written by tlbemu calibrate on this host. Sources: clock, "
		"papi, hwloc, cpuid,\n; assumed; the percentage is half the 95 "
		"%% interval of the median, or how far\n; apart the runs came "
		"out, if that is more.\n");
	snprintf(notes, sizeof(notes), "%s", p->notes);
	for (line = strtok_r(notes, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		wrap(f, line, "; ", ";   ");
	write_machine(p, f);
	for (u32 level = 1; level <= 2; level++)
		for (u32 size = 0; size < 2; size++)
			write_array(p, level, size, f);
	write_walks(p, f);
	write_caches(p, f);
	write_costs(p, f);
}
