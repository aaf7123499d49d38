/* visited.h - the set of visited states: 95 bits of hash and the sleep set the
 * state was left with, 16 bytes each, open addressing. */
#ifndef EMU_VISITED_H
#define EMU_VISITED_H

#include "base/hash.h"

struct visited_slot {
	u64 lo;
	u32 hi;                 /* 0: free                                    */
	u32 sleep;
};

struct visited {
	struct visited_slot *slot;
	u64 nr_slots;           /* power of two                               */
	u64 n;
};

enum visited_answer { VISITED_NEW, VISITED_KNOWN, VISITED_NO_MEMORY };

int visited_create(struct visited *v);          /* 0 or -ENOMEM               */
void visited_destroy(struct visited *v);

/* visited_meet - the search reaches state @h with @sleep. A known state keeps
 * the intersection; *@old is what it was left with before. */
enum visited_answer visited_meet(struct visited *v, struct hash128 h,
				 u32 sleep, u32 *old);

/* visited_prefetch - @h will be met soon. */
static inline void visited_prefetch(const struct visited *v, struct hash128 h)
{
	__builtin_prefetch(&v->slot[h.lo & (v->nr_slots - 1)], 1);
}

/* visited_lower - the search reaches @h at @cost (< 2^31); the slot's other use.
 * Return: VISITED_NEW when that is cheaper than ever before. */
enum visited_answer visited_lower(struct visited *v, struct hash128 h,
				  u32 cost);

/* visited_number - states by number, from 0 in the order they are met; the
 * slot's third use. */
enum visited_answer visited_number(struct visited *v, struct hash128 h,
				   u32 *number);

/* visited_put - a slot of another such set. Return: 0 or -ENOMEM. */
int visited_put(struct visited *v, const struct visited_slot *slot);

static inline u64 visited_bytes(const struct visited *v)
{
	return v->nr_slots * sizeof(struct visited_slot);
}

#endif
