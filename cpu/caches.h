/* caches.h - the data caches of the whole machine: an L1D and an L2 per core,
 * an LLC per last-level domain, memory behind them. What a load of a line
 * costs, and who else must forget a line that is written.
 *
 *	caches = none	no caches: a page-table load costs COST_WALK_LOAD
 *	caches = walks	page-table entries are cached, program data are not
 *	caches = full	program data as well
 *
 * A load goes to the first level that has the line, costs that level's load
 * latency, and fills every level above; an access of a level makes the line
 * its youngest. No level includes another: a victim of an outer level stays in
 * the inner ones (Skylake-SP, AMD's L3); unlike there, a victim is not moved
 * outwards, since it was filled there when it came (assumed).
 *
 * Memory: COST_DRAM_LOCAL on the CPU's own node, COST_DRAM_REMOTE on the
 * farthest; between, by SLIT distance, see machine_dram().
 *
 * A line that is written leaves the caches of all other cores, and other LLCs:
 * page-table entries in both modes, program data in full. In full a core's
 * store to a line that others have pays the transfer from the farthest of
 * them, and so does a load of a line that another core wrote last and still
 * has. Stores go on to be free until somebody else loads the line.
 *
 * Units:   cycles; physical lines.
 * Threads: none. Shared state: call it inside a shared step.
 */
#ifndef CPU_CACHES_H
#define CPU_CACHES_H

#include "cpu/cache.h"
#include "cpu/memory.h"
#include "cpu/machine.h"

/* ORDER caches_mode: emu/timed_opts.c spells these. */
enum caches_mode { CACHES_NONE, CACHES_WALKS, CACHES_FULL };

struct caches;                  /* opaque                                     */

/* caches_create - empty caches of machine @m, whose nodes have @frames_per_node
 * frames each; physical addresses go up to @nr_frames (more than the nodes' when
 * an EPT's tables are put behind them, which are local to everybody).
 * @cost_used[]: set for costs that were charged; may be NULL.
 * Return: 0, -EINVAL (the machine names no cache), -E2BIG (cache.h), -ENOMEM. */
int caches_create(struct caches **out, const struct machine *m,
		  enum caches_mode mode, u64 frames_per_node, u64 nr_frames,
		  bool *cost_used);
void caches_destroy(struct caches *cs);

static inline u64 caches_line(u64 pfn, u64 byte)
{
	return (pfn << page_shift | byte) >> CACHE_LINE_SHIFT;
}

/* caches_load - CPU @cpu's walker or program loads @line. Return: cycles;
 * *@from says where it was. */
u64 caches_load(struct caches *cs, u32 cpu, u64 line, enum cache_level *from);

/* caches_load_local - the same of a line that the CPU's own node has a copy of. */
u64 caches_load_local(struct caches *cs, u32 cpu, u64 line,
		      enum cache_level *from);

/* caches_store - a program's store: as a load, then the line is this core's
 * alone. */
u64 caches_store(struct caches *cs, u32 cpu, u64 line, enum cache_level *from);

/* caches_written - CPU @cpu's kernel or walker changed @line: other cores and
 * LLCs forget it. Costs nothing here: the line's transfer is the driver's. */
void caches_written(struct caches *cs, u32 cpu, u64 line);

void caches_prefetch_host(const struct caches *cs, u32 cpu, u64 line);

/* What a CPU's loads pass, for those who have them compiled in (caches_look.h). */
struct caches_path {
	struct caches *cs;      /* NULL: not to be                            */
	struct cache *l1, *l2, *llc;
	u32 core;
	u32 hit_cycles[NR_CACHE_LEVELS];
};

/* caches_path - that of @cpu, if all of them are as caches_look.h needs them, and
 * only walks use them: so they stay so. */
void caches_path(struct caches_path *p, struct caches *cs, u32 cpu);

/* For tests. */
bool caches_core_has(const struct caches *cs, u32 cpu, enum cache_level level,
		     u64 line);

#endif
