/* profile_range.c - what a key that is missing could have said, and numbers that
 * are impossible together.
 */
#include <stdio.h>
#include <string.h>

#include "cpu/profile_parse.h"

static const struct {
	const char *section;            /* begins with                        */
	const char *key, *unit;
	u32 min, max;                   /* 0, 0: no numbers, @unit says all   */
} ranges[] = {
	{ "machine", "name", "a name", 0, 0 },
	{ "machine", "summary", "a line of text", 0, 0 },
	{ "machine", "topology", "an hwloc synthetic string", 0, 0 },
	{ "machine", "hz", "1MHz to 100GHz", 0, 0 },
	{ "machine", "arch", "x86, arm, riscv", 0, 0 },
	{ "tlb.", "level", "", 1, 2 },
	{ "tlb.", "serves", "some of load, store, fetch, data", 0, 0 },
	{ "tlb.", "entries", "", 1, TLB_MAX_ENTRIES },
	{ "tlb.", "ways", ", or full", 1, TLB_MAX_WAYS },
	{ "tlb.", "sizes", "some of 4k, 2m, 1g", 0, 0 },
	{ "tlb.", "replacement", "tree-plru, mru1-3plru4, lru, fifo, random, "
	  "nru, lru-3plru4", 0, 0 },
	{ "walker", "count", "", 1, PARSE_MAX_WALKERS },
	{ "cache.", "bytes", "64 to 16G", 0, 0 },
	{ "cache.", "ways", "", 1, CACHE_MAX_WAYS },
	{ "cache.", "latency", " cycles", 1, PARSE_MAX_LATENCY },
};

static void range_of(const char *section, const char *key, char *buf,
		     size_t size)
{
	*buf = '\0';
	for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
		if (strncmp(section, ranges[i].section,
			    strlen(ranges[i].section)) ||
		    strcmp(key, ranges[i].key))
			continue;
		if (ranges[i].max)
			snprintf(buf, size, ": %u to %u%s", ranges[i].min,
				 ranges[i].max, ranges[i].unit);
		else
			snprintf(buf, size, ": %s", ranges[i].unit);
	}
}

void parse_missing(struct parse *ps, u32 line, const char *section,
		   const char *key)
{
	char range[128];

	range_of(section, key, range, sizeof(range));
	if (!strcmp(section, "machine") || !strcmp(section, "walker"))
		parse_fail(ps, line, "the file ends and [%s] has no '%s'%s",
			   section, key, range);
	else
		parse_fail(ps, line, "[%s] ends without '%s'%s", section, key,
			   range);
}

/* Memory is no faster than the cache before it; what was rounded on the way is
 * no mistake. A profile that leaves memory to costs.def says nothing of it. */
void parse_check_memory(struct parse *ps, const char *section, u32 latency)
{
	u32 line = parse_line_of(ps, "cost", "dram_local_ns");
	double cycles = ps->p->cost[COST_DRAM_LOCAL] * (double)ps->p->hz / 1e9;

	if (line && !ps->err && latency > cycles * 1.01 + 1)
		parse_fail(ps, line, "dram_local_ns: %.4g ns are %.0f cycles, "
			   "below [%s] latency = %u; at least %.4g are possible",
			   ps->p->cost[COST_DRAM_LOCAL], cycles, section, latency,
			   latency / ((double)ps->p->hz / 1e9));
}
