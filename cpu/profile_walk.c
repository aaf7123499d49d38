/* profile_walk.c - the sections [psc], [walker] and [cache.NAME] of a profile:
 * what a page walk meets.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "cpu/profile_parse.h"

#define CACHE_LINE (1u << CACHE_LINE_SHIFT)

static const char *const psc_keys[] = {
	"pde", "pdpte", "pml4e", "pml5e", "nested", "source", NULL
};
#define KEY_NESTED 4

/* Enough for the tables of a walk and the pages of a few, far from the reach of
 * the TLBs. */
#define NESTED_DEFAULT 32u

/* ORDER cache_level */
static const char *const cache_sections[] = {
	"cache.l1d", "cache.l2", "cache.llc", NULL
};
_Static_assert(ARRAY_LEN(cache_sections) == NR_CACHE_LEVELS + 1,
	       "ORDER cache_level");

/* "32" is fully associative, "32x4" has 4 ways. */
void parse_psc(struct parse *ps)
{
	struct psc_geometry *psc = &ps->p->psc;
	int key = parse_find(psc_keys, ps->key);
	char text[64], *x;
	u64 entries, ways;

	if (key < 0) {
		parse_unknown_key(ps, psc_keys);
		return;
	}
	if (key == KEY_NESTED) {
		if (parse_u32(ps, 1, 64, &ps->p->nested_entries))
			parse_keep(ps, PART_PSC, PSC_NESTED, "entries");
		return;
	}
	snprintf(text, sizeof(text), "%.63s", ps->value);
	x = strchr(text, 'x');
	if (x)
		*x = '\0';
	if (units_parse_in(UNIT_COUNT, text, 1, PSC_MAX_ENTRIES, &entries, NULL) ||
	    units_parse_in(UNIT_COUNT, x ? x + 1 : text, 1, entries, &ways,
			   NULL) || entries % ways) {
		parse_fail(ps, ps->key_line, "%s: '%s' is neither ENTRIES nor "
			   "ENTRIESxWAYS, with 1 to %u entries and a divisor of "
			   "it as ways", ps->key, ps->value, PSC_MAX_ENTRIES);
		return;
	}
	psc->nr_sets[key + 1] = (u32)(entries / ways);
	psc->nr_ways[key + 1] = (u32)ways;
	parse_keep(ps, PART_PSC, (u32)key + 1, "entries");
}

void parse_walker(struct parse *ps)
{
	static const char *const keys[] = { "count", "source", NULL };

	if (parse_find(keys, ps->key) < 0) {
		parse_unknown_key(ps, keys);
		return;
	}
	if (parse_u32(ps, 1, PARSE_MAX_WALKERS, &ps->p->nr_walkers))
		parse_keep(ps, PART_WALKER, 0, "walks");
}

/* Ten line fill buffers, as Intel's cores had from Nehalem to Broadwell. */
#define IN_FLIGHT_DEFAULT 10u

void parse_memory(struct parse *ps)
{
	static const char *const keys[] = {
		"node_bandwidth", "link_bandwidth", "lines_in_flight", "source",
		NULL
	};
	int key = parse_find(keys, ps->key);
	u64 *bw = key ? &ps->p->link_bandwidth : &ps->p->node_bandwidth;

	if (key < 0) {
		parse_unknown_key(ps, keys);
		return;
	}
	if (key == 2)
		parse_u32(ps, 1, 1024, &ps->p->lines_in_flight);
	else if (units_parse_in(UNIT_BYTES, ps->value, 1u << 20, 1ull << 44, bw,
				NULL))
		parse_fail(ps, ps->key_line, "%s: '%s' is not a number of bytes "
			   "a second from 1M to 16T", ps->key, ps->value);
	if (!ps->err)
		parse_keep(ps, PART_MEMORY, (u32)key, key == 2 ? "lines"
			   : "bytes/s");
}

/* Listed with the profile's numbers only where it says something of memory. */
static void default_memory(struct parse *ps)
{
	if (ps->p->lines_in_flight)
		return;
	ps->p->lines_in_flight = IN_FLIGHT_DEFAULT;
	if (parse_last_line(ps, "memory"))
		parse_default(ps, PART_MEMORY, 2, "memory.lines_in_flight", "10",
			      "lines", "assumed: ten line fill buffers, as "
			      "Nehalem to Broadwell have");
}

void parse_cache(struct parse *ps)
{
	static const char *const keys[] = {
		"bytes", "ways", "latency", "source", NULL
	};
	u32 level = (u32)parse_find(cache_sections, ps->section);
	struct cache_geometry *c = &ps->p->cache[level];
	int key = parse_find(keys, ps->key);

	if (key < 0) {
		parse_unknown_key(ps, keys);
		return;
	}
	if (key == 0 && units_parse_in(UNIT_BYTES, ps->value, CACHE_LINE,
				       1ull << 34, &c->bytes, NULL))
		parse_fail(ps, ps->key_line, "bytes: '%s' is not a size from 64 "
			   "to 16G", ps->value);
	else if (key == 1)
		parse_u32(ps, 1, CACHE_MAX_WAYS, &c->nr_ways);
	else if (key == 2)
		parse_u32(ps, 1, PARSE_MAX_LATENCY, &c->hit_cycles);
	if (!ps->err)
		parse_keep(ps, PART_CACHE, level, key == 0 ? "bytes" :
			   key == 1 ? "ways" : "cycles");
}

static void check_cache(struct parse *ps, u32 level)
{
	static const char *const needed[] = { "bytes", "ways", "latency" };
	struct cache_geometry *c = &ps->p->cache[level];
	const char *section = cache_sections[level];
	u32 last = parse_last_line(ps, section);

	if (!last)
		return;                 /* there is no such cache */
	for (size_t i = 0; i < ARRAY_LEN(needed) && !ps->err; i++)
		if (!parse_line_of(ps, section, needed[i]))
			parse_missing(ps, last, section, needed[i]);
	if (!ps->err && c->bytes % (CACHE_LINE * c->nr_ways))
		parse_fail(ps, parse_line_of(ps, section, "bytes"), "[%s] bytes "
			   "= %llu is not a whole number of sets of %u ways of "
			   "%u bytes", section, (unsigned long long)c->bytes,
			   c->nr_ways, CACHE_LINE);
	snprintf(c->source, sizeof(c->source), "%.127s",
		 parse_source_of(ps, section, "bytes"));
}

/* Farther is never smaller and never faster. */
static void check_order(struct parse *ps)
{
	const struct cache_geometry *near = NULL;

	for (u32 i = 0; i < NR_CACHE_LEVELS && !ps->err; i++) {
		const struct cache_geometry *c = &ps->p->cache[i];

		if (!c->bytes)
			continue;
		if (near && c->hit_cycles < near->hit_cycles)
			parse_fail(ps, parse_line_of(ps, cache_sections[i],
						     "latency"),
				   "[%s] latency = %u is below that of the level "
				   "before, %u", cache_sections[i],
				   c->hit_cycles, near->hit_cycles);
		near = c;
	}
	if (near)
		parse_check_memory(ps, cache_sections[near - ps->p->cache],
				   near->hit_cycles);
}

void parse_check_walks(struct parse *ps)
{
	struct psc_geometry *psc = &ps->p->psc;

	if (!ps->p->nr_walkers)
		parse_missing(ps, ps->line, "walker", "count");
	if (!ps->err && !ps->p->nested_entries) {
		ps->p->nested_entries = NESTED_DEFAULT;
		parse_default(ps, PART_PSC, PSC_NESTED, "psc.nested", "32",
			      "entries", "assumed: no vendor publishes it");
	}
	if (!ps->err)
		default_memory(ps);
	for (u32 i = 1; i < PSC_MAX_LEVELS; i++)
		snprintf(psc->source[i], sizeof(psc->source[i]), "%.127s",
			 parse_source_of(ps, "psc", psc_keys[i - 1]));
	for (u32 i = 0; i < NR_CACHE_LEVELS && !ps->err; i++)
		check_cache(ps, i);
	check_order(ps);
}
