/* cache.h - one data cache of the modelled machine: tags only, sets of ways,
 * true LRU. Who has which, and what an access costs, is caches.h.
 *
 * Units:   physical line numbers: byte address >> 6.
 * Memory:  4 bytes a way, of up to 16 ways rounded up to a power of two; taken when
 *          a set is first used.
 * Threads: none.
 */
#ifndef CPU_CACHE_H
#define CPU_CACHE_H

#include "base/types.h"

#define CACHE_LINE_SHIFT 6
#define CACHE_NO_LINE (~0ull)
#define CACHE_MAX_WAYS 1024u

/* ORDER cache_level: cpu/profile.c spells these [cache.l1d] ... */
enum cache_level { CACHE_L1D, CACHE_L2, CACHE_LLC, CACHE_DRAM,
		   NR_CACHE_LEVELS = CACHE_DRAM };

struct cache_geometry {
	u64 bytes;              /* 0: there is no such cache                  */
	u32 nr_ways;
	u32 hit_cycles;         /* total load latency on a hit                */
	char source[128];
};

struct cache;                   /* opaque                                     */

/* cache_create - empty. The number of sets, bytes / (64 * ways), need not be a
 * power of two (slices are summed up); a line's set is its number modulo that.
 * @nr_lines: lines are below this.
 * Return: 0, -EINVAL (bad shape), -E2BIG (a tag would need more than 31 bits:
 * 8 TiB behind a cache of 64 sets), -ENOMEM. */
int cache_create(struct cache **out, const struct cache_geometry *geo,
		 u64 nr_lines);
void cache_destroy(struct cache *c);

/* cache_access - hit, or miss and fill; either way @line is the youngest of its
 * set. *@victim (may be NULL): the line that left for it, or CACHE_NO_LINE. */
bool cache_access(struct cache *c, u64 line, u64 *victim);

/* cache_has - without touching anything. */
bool cache_has(const struct cache *c, u64 line);

/* cache_drop - @line was written elsewhere. Return: was it here? */
bool cache_drop(struct cache *c, u64 line);

/* A mark on a line that is present, lost with it: "nobody else has it". */
void cache_set_owned(struct cache *c, u64 line, bool is_owned);
bool cache_is_owned(const struct cache *c, u64 line);

/* Lines it can hold. */
u64 cache_lines(const struct cache *c);

#endif
