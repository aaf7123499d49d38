/* lane.h - the short way through the arrays: accesses of one use by one address
 * space while level 1 and 2 hold nothing but single 4K pages, none of them global,
 * and are plain (unit.h, nr_odd). What is always so need not be asked each time.
 *
 * Everything is as tlb_array_access() and tlb_array_fill() would leave it, but for
 * what only guesses: memos, and the note of the last miss.
 *
 * A lane is open until somebody else changes the core: then open it anew.
 */
#ifndef TLB_LANE_H
#define TLB_LANE_H

#include "tlb/array.h"

struct tlb_lane {
	struct tlb_array *array;
	struct tlb_unit *l1, *l2;       /* NULL: not open                     */
	u64 space;
	u32 first[2];                   /* sets of its thread begin here      */
	u32 hit_cycles, miss_cycles;    /* level 2's                          */
	bool is_own[2];                 /* full, of pages that are counted as
					 * its own: so nothing is to be found
					 * or counted where one is put        */
	enum tlb_use use;
};

/* Where a page is to be put that neither level has. */
struct tlb_missed {
	u64 key;                        /* its tag                            */
	u32 set[2];
};

/* tlb_lane_open - for accesses with @use in @pcid. @l->l1 says whether it is. */
void tlb_lane_open(struct tlb_lane *l, struct tlb_array *a, enum tlb_use use,
		   u16 pcid);

/* The miss @m, as the core notes its last one: the fill that follows is
 * tlb_array_fill()'s. */
void tlb_lane_leave(const struct tlb_lane *l, const struct tlb_missed *m);

/* The victim of a set of an array with a plain policy, and an access to @way. */
static inline u32 tlb_lane_victim(const struct tlb_unit *u, u32 set)
{
	return u->repl.victim[u->repl.bits[set]];
}

static inline void tlb_lane_touch(struct tlb_unit *u, u32 set, u32 way)
{
	u64 *bits = &u->repl.bits[set];

	*bits = (*bits & u->repl.touch[way].keep) | u->repl.touch[way].set;
}

/* unit_put(), of a single page. Return: its slot. @e is a value, and the rare ones
 * get a copy: so it can be in registers. */
static inline __attribute__((always_inline)) u32
tlb_lane_put(const struct tlb_lane *l, struct tlb_unit *u, bool is_own, u32 set,
	     u64 key, struct tlb_entry e)
{
	u32 way, slot;

	if (unlikely(!is_own && u->nr_live != u->nr_slots)) {
		way = unit_free_way(u, set);
		if (way != UNIT_NONE) {
			const struct tlb_entry copy = e;

			return unit_put_free(u, set, way, key, &copy);
		}
	}
	way = tlb_lane_victim(u, set);
	slot = set * u->stride + way;
	if (unlikely(!is_own && !unit_is_alike(u->tag[slot], key))) {
		const struct tlb_entry copy = e;

		unit_recount(u, slot, key, &copy);
	}
	u->tag[slot] = key;
	u->entry[slot] = e;
	if (u->guess)
		u->guess[unit_guess(u, key)] = slot;
	tlb_lane_touch(u, set, way);
	l->array->stats.evictions[u->id]++;
	return slot;
}

static inline u32 tlb_lane_set(const struct tlb_unit *u, u32 first, u64 page)
{
	return ((u32)(page ^ page >> u->index_shift) & u->index_mask) + first;
}

/* Of an array that is not hashed. */
static inline __attribute__((always_inline)) u32
tlb_lane_find(const struct tlb_unit *u, u32 set, u64 key)
{
	u32 first = set * u->stride, way;

	if (u->guess) {
		u32 slot = u->guess[unit_guess(u, key)];

		if (u->tag[slot] == key)
			return slot;
	}
	way = match_way(u->tag + first, u->stride, key);
	return way != MATCH_NONE ? first + way : UNIT_NONE;
}

/* tlb_lane_access - one lookup. Return: where it ended, with *@out what it found,
 * or *@m. */
static inline __attribute__((always_inline)) enum tlb_level
tlb_lane_access(const struct tlb_lane *l, u64 vpn, struct tlb_entry **out,
		struct tlb_missed *m)
{
	struct tlb_array_stats *stats = &l->array->stats;
	u64 page = vpn & TLB_TAG_VPN, key = l->space | page << 1;
	struct tlb_unit *l1 = l->l1, *l2 = l->l2;
	u32 set = tlb_lane_set(l1, l->first[0], page), set2, slot;

	stats->lookups++;
	slot = tlb_lane_find(l1, set, key);
	if (slot != UNIT_NONE) {
		tlb_array_memo_note(l->array, l->use, key, vpn, l1, set, slot);
		tlb_lane_touch(l1, set, slot - set * l1->stride);
		*out = &l1->entry[slot];
		return TLB_HIT_L1;
	}
	stats->l1_misses++;
	set2 = tlb_lane_set(l2, l->first[1], page);
	slot = tlb_lane_find(l2, set2, key);
	if (unlikely(slot == UNIT_NONE)) {
		*m = (struct tlb_missed){ key, { set, set2 } };
		return TLB_MISS;
	}
	stats->l2_hits[0]++;
	tlb_lane_touch(l2, set2, slot - set2 * l2->stride);
	slot = tlb_lane_put(l, l1, l->is_own[0], set, key,
			    l2->entry[slot]);
	*out = &l1->entry[slot];
	return TLB_HIT_L2;
}

/* tlb_lane_fill - what a walk for the page of @m found, a single 4K page of the
 * lane's space. */
static inline __attribute__((always_inline)) void
tlb_lane_fill(const struct tlb_lane *l, const struct tlb_missed *m,
	      struct tlb_entry e)
{
	l->array->stats.fills++;
	tlb_lane_put(l, l->l2, l->is_own[1], m->set[1], m->key, e);
	tlb_lane_put(l, l->l1, l->is_own[0], m->set[0], m->key, e);
}

#endif
