/* repl.h - who leaves a full set of a TLB array.
 *
 * A policy sees accesses (hits and fills) to ways and names victims; what ways
 * hold is not its business. Exactly:
 *
 *   tree-plru     ways - 1 bits, a complete binary tree; each bit points to the
 *                 half to replace next. An access makes every bit on its path
 *                 point away from it; the victim is where the bits lead.
 *   mru1-3plru4   (MRU+1)%3PLRU4: three trees of four ways and the group m of
 *                 the last access; victim: the tree's of group (m + 1) mod 3.
 *   lru-3plru4    LRU3PLRU4: three trees of four ways and the order of use of
 *                 the groups; victim: the tree's of the group used longest ago.
 *   lru           victim: the way accessed longest ago.
 *   fifo          victim: the way filled longest ago.
 *   random        victim: uniform, one draw a victim.
 *   nru           bit-PLRU: a bit a way, set by an access; when all are set the
 *                 others are cleared. Victim: the lowest way with a clear bit.
 *
 * Source: TLB;DR (USENIX Security 2022) for the first three, whose published
 * permutation vectors and eviction sequences tests/test_policy.c holds them to;
 * the order of groups of lru-3plru4 before any access is 0, 1, 2 (assumed).
 *
 * A new state is all zeroes. Memory: 8 bytes a set and up to 4 KiB of answers,
 * or, for lru and fifo, 4 bytes a way.
 */
#ifndef TLB_REPL_H
#define TLB_REPL_H

#include "base/rng.h"
#include "tlb/geometry.h"

/* An access to a way as a change of its set's bits:
 * bits = (bits & keep) | set. */
struct tlb_touch {
	u64 keep;
	u64 set;
};

/* A way in its set's list, 0 being the ends: next of 0 is the newest, prev of 0
 * the oldest. A way that was never in the list is all zeroes. */
struct tlb_link {
	u16 prev;
	u16 next;
};

#define REPL_TABLE_BITS 12u     /* of a tree of up to 8 ways, or of three of 4 */

enum tlb_repl_form {
	REPL_BITS,              /* an access is a tlb_touch, no more          */
	REPL_NRU,
	REPL_LRU,               /* lists */
	REPL_FIFO,
	REPL_NONE,              /* random */
};

struct tlb_replacer {
	enum tlb_repl_form form;
	enum tlb_repl repl;
	u32 nr_ways;
	const u8 *victim;       /* [bits] the answer, shared; NULL: too many  */
	u64 *bits;              /* [set]                                      */
	struct tlb_link *link;  /* [set][nr_ways + 1]                         */
	struct rng rng;
	u64 saturated;          /* NRU: all ways referenced                   */
	struct tlb_touch touch[TLB_MAX_BIT_WAYS];       /* [way]              */
};

/* Return: 0 or -ENOMEM. @r is all zeroes, @repl and @nr_ways fit. */
int repl_init(struct tlb_replacer *r, enum tlb_repl repl, u32 nr_sets,
	      u32 nr_ways);
void repl_free(struct tlb_replacer *r);

/* What repl_victim() does where no table answers. */
u32 repl_victim_slow(struct tlb_replacer *r, u32 set);

/* Way @way of the list of @set becomes the newest. */
static inline void repl_to_front(struct tlb_replacer *r, u32 set, u32 way)
{
	struct tlb_link *l = r->link + (size_t)set * (r->nr_ways + 1);
	u16 me = (u16)(way + 1), first = l[0].next;

	if (first == me)
		return;
	if (l[me].prev) {               /* it is in the list, and not first   */
		l[l[me].prev].next = l[me].next;
		l[l[me].next].prev = l[me].prev;
	}
	l[me].prev = 0;
	l[me].next = first;
	l[first].prev = me;
	l[0].next = me;
}

static inline void repl_nru(struct tlb_replacer *r, u32 set, u32 way)
{
	u64 bits = r->bits[set] | r->touch[way].set;

	r->bits[set] = bits == r->saturated ? r->touch[way].set : bits;
}

/* repl_hit - @way of @set was accessed; repl_fill - and given a new page. */
static inline __attribute__((always_inline)) void
repl_hit(struct tlb_replacer *r, u32 set, u32 way)
{
	if (likely(r->form == REPL_BITS))
		r->bits[set] = (r->bits[set] & r->touch[way].keep) |
			       r->touch[way].set;
	else if (r->form == REPL_LRU)
		repl_to_front(r, set, way);
	else if (r->form == REPL_NRU)
		repl_nru(r, set, way);
}

/* Are only the last hits of each way of consequence, if they are of @way, among
 * others for which this is true? */
static inline bool repl_only_last_counts(const struct tlb_replacer *r, u32 set,
					u32 way)
{
	return r->form != REPL_NRU ||
	       (r->bits[set] | r->touch[way].set) == r->bits[set];
}

static inline __attribute__((always_inline)) void
repl_fill(struct tlb_replacer *r, u32 set, u32 way)
{
	if (unlikely(r->form == REPL_FIFO))
		repl_to_front(r, set, way);
	else
		repl_hit(r, set, way);
}

/* repl_victim - who leaves @set, all ways of which were filled. */
static inline u32 repl_victim(struct tlb_replacer *r, u32 set)
{
	if (likely(r->victim != NULL))
		return r->victim[r->bits[set]];
	if (r->form == REPL_LRU || r->form == REPL_FIFO)
		return r->link[(size_t)set * (r->nr_ways + 1)].prev - 1u;
	return repl_victim_slow(r, set);
}

#endif
