/* caches_look.h - loads through a core's caches without a call for what level 1 has
 * (caches_path(), caches.h): as caches_load().
 */
#ifndef CPU_CACHES_LOOK_H
#define CPU_CACHES_LOOK_H

#include "cpu/cache_set.h"
#include "cpu/caches.h"

/* The load of a line that level 1 has not, but has now. */
u64 caches_beyond_l1(const struct caches_path *p, u64 line,
		     enum cache_level *from);

static inline __attribute__((always_inline)) u64
caches_look(const struct caches_path *p, u64 line, enum cache_level *from)
{
	if (cache_look(p->l1, line)) {
		*from = CACHE_L1D;
		return p->hit_cycles[CACHE_L1D];
	}
	return caches_beyond_l1(p, line, from);
}

/* caches_prefetch_host(), for the same. */
static inline __attribute__((always_inline)) void
caches_look_ahead(const struct caches_path *p, u64 line)
{
	__builtin_prefetch(quick_place(p->l2, line).set, 1);
	__builtin_prefetch(quick_place(p->llc, line).set, 1);
}

#endif
