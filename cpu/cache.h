/* cache.h - data caches of the modelled machine: per-core L1 and L2, one LLC
 * per last-level domain, tags only. Used by page walks (caches = walks) or by
 * every access (caches = full); with caches = none a walk's load costs
 * COST_WALK_LOAD.
 *
 * Units:   physical line numbers (byte address >> 6), cycles.
 * Threads: none; an LLC is shared state, reached only inside shared steps.
 */
#ifndef CPU_CACHE_H
#define CPU_CACHE_H

#include "base/types.h"

enum caches_mode { CACHES_NONE, CACHES_WALKS, CACHES_FULL };

struct cache_geometry {
	u64 bytes;              /* 0: there is no such cache                  */
	u32 nr_ways;
	u32 hit_cycles;         /* total load latency on a hit                */
	char source[128];
};

/* ORDER cache_level: cpu/profile.c spells these [cache.l1d] ... */
enum cache_level { CACHE_L1D, CACHE_L2, CACHE_LLC, CACHE_DRAM,
		   NR_CACHE_LEVELS = CACHE_DRAM };

struct cache;                   /* one cache, opaque; LRU                     */

int cache_create(struct cache **out, const struct cache_geometry *geo);
void cache_destroy(struct cache *c);

/* cache_access - hit, or miss and fill. *victim: the line that left, or ~0. */
bool cache_access(struct cache *c, u64 line, u64 *victim);
/* cache_drop - @line was written elsewhere. Return: was it here? */
bool cache_drop(struct cache *c, u64 line);
u64 cache_lines(const struct cache *c);

#endif
