/* unit.h - one TLB array: sets of ways with tags, a policy, and where to look
 * for a page. What an entry's page, size and address space are worth is
 * array.h's business; here they are a tag.
 *
 * A tag is what the hardware compares, in one word:
 *
 *   63          46 45                                       1 0
 *  +--------------+------------------------------------------+-+
 *  |    space     |                   vpn                    |L|
 *  +--------------+------------------------------------------+-+
 *
 * space  numbers the address spaces of all threads of the core, and for each
 *        thread one more that global entries are in; never 0, so that a word of
 *        zeroes is an empty way.
 * L      0: a single 4K page. 1: the low bits of the vpn, zero in such entries,
 *        say which: 01 with L: a coalesced block, 0011: 2M, 1011: a coalesced
 *        block of 2M pages, 0111: 1G.
 *
 * Small sets are compared side by side (match.h); sets of more than UNIT_MAX_SCAN ways are
 * found through a hash of the tag.
 *
 * Memory: 32 bytes an entry (tag and entry) and the policy's; hashed 12 to 20
 * more, else up to 16 more. Taken zeroed from calloc(), so that what is never used is not touched.
 */
#ifndef TLB_UNIT_H
#define TLB_UNIT_H

#include "tlb/match.h"
#include "tlb/repl.h"
#include "tlb/tlb.h"

#define TLB_TAG_SPACE_SHIFT 46
#define TLB_TAG_SPACES (1u << (64 - TLB_TAG_SPACE_SHIFT))
#define TLB_TAG_VPN ((1ull << 45) - 1)

/* What an entry is, by the leaf sizes of 4K pages. ORDER tlb_class: unit_code. */
enum tlb_class { TLB_4K, TLB_BLOCK, TLB_2M, TLB_2M_BLOCK, TLB_1G,
		 NR_TLB_CLASSES };

static inline bool tlb_class_is_block(enum tlb_class cls)
{
	return cls == TLB_BLOCK || cls == TLB_2M_BLOCK;
}

#define UNIT_NONE (~0u)
#define UNIT_MAX_SCAN 16u
#define UNIT_NR_BUCKETS 16u
#define UNIT_NR_NEAR 256u

struct tlb_unit {
	/* A slot is set * stride + way. */
	u64 *tag;               /* [slot] 0: free, or padding                 */
	struct tlb_entry *entry;        /* [slot]                             */
	u64 *valid;             /* [set * words] bit a way                    */
	u64 *used;              /* bit a set that holds anything              */
	u32 stride;             /* ways, rounded up to four                   */
	u32 words;
	u32 nr_sets;            /* of all threads                             */
	u32 nr_ways;
	u32 index_sets;         /* what a thread indexes                      */
	u32 thread_sets;        /* from one thread's sets to the next's; 0:
				 * they compete                               */
	u32 index_mask;
	bool is_modulo;         /* index_sets is no power of two              */
	u32 index_shift;        /* xor: k; linear: 63                         */
	u32 twin_shift;         /* first bit that the index does not use; 0:
				 * divide by index_sets                       */
	u32 nr_slots;
	u32 nr_live;
	u32 nr_pieces;          /* live entries with piece_of                 */
	u32 nr_odd;             /* 0: lane.h may be used. Pieces, whether it
				 * counts_near, and whether its shape is not
				 * plain: hashed, not indexed by bits, a policy
				 * that is not bits with a table of victims   */
	u32 hash_shift;         /* 0: not hashed                              */
	u32 *bucket;            /* [hash of a tag] slot + 1, or 0             */
	u32 *chain;             /* [slot] the same, next of its bucket        */
	u32 *guess;             /* [tag & guess_mask] a slot it may be in: large
				 * arrays that are not hashed; else NULL      */
	u32 guess_mask;
	u32 id;                 /* which of the design's arrays               */
	u8 order[NR_TLB_CLASSES];
	u8 near_shift;          /* of a tag: to the large page it is in       */
	u64 evicted;            /* by the last unit_put(): its tag, or 0      */
	bool keeps_victim;      /* set by those who ask for it:               */
	struct tlb_entry victim;        /* and its entry                      */
	/* Live entries by class and by space modulo the number of buckets:
	 * zero says that there are none of a space. */
	u32 live[UNIT_NR_BUCKETS][NR_TLB_CLASSES];
	/* The same of single 4K pages and blocks, by a hash of the space and the
	 * 2 MiB they are in, once counts_near: before there are larger pages
	 * nobody asks. NULL: nobody ever will. */
	u32 *near;
	bool counts_near;
	struct tlb_replacer repl;
	struct tlb_geometry geo;
};

/* unit_init - empty; @geo was checked. @bits: as in tlb.h.
 * Return: 0 or -ENOMEM. */
int unit_init(struct tlb_unit *u, const struct tlb_geometry *geo, u32 id,
	      u32 nr_threads, u32 bits);
void unit_free(struct tlb_unit *u);

/* ORDER tlb_class */
static inline u64 unit_code(enum tlb_class cls)
{
	static const u8 code[NR_TLB_CLASSES] = { 0, 1, 3, 11, 7 };

	return code[cls];
}

static inline enum tlb_class unit_class(u64 tag)
{
	/* [low four bits]; a block's vpn is even. */
	static const u8 cls[16] = {
		TLB_4K, TLB_BLOCK, TLB_4K, TLB_2M,
		TLB_4K, TLB_BLOCK, TLB_4K, TLB_1G,
		TLB_4K, TLB_BLOCK, TLB_4K, TLB_2M_BLOCK,
		TLB_4K, TLB_BLOCK, TLB_4K, TLB_1G,
	};

	return (enum tlb_class)cls[tag & 15];
}

/* @space: its number, in place. */
static inline u64 unit_tag(u64 space, u64 vpn, enum tlb_class cls, u8 order)
{
	return space | (vpn & TLB_TAG_VPN & ~tlb_order_mask(order)) << 1 |
	       unit_code(cls);
}

static inline u32 unit_bucket(u64 tag)
{
	return tag >> TLB_TAG_SPACE_SHIFT & (UNIT_NR_BUCKETS - 1);
}

/* May @u hold entries of @cls in the space of @tag? */
static inline bool unit_may_hold(const struct tlb_unit *u, u64 tag,
				 enum tlb_class cls)
{
	return u->live[unit_bucket(tag)][cls];
}

static inline u32 unit_near(const struct tlb_unit *u, u64 tag)
{
	u64 large = tag >> u->near_shift;

	return (u32)(large ^ large >> 8 ^ tag >> TLB_TAG_SPACE_SHIFT) &
	       (UNIT_NR_NEAR - 1);
}

/* Does @u hold no 4K page or block in the 2 MiB of @tag? False says nothing. */
static inline bool unit_has_none_near(const struct tlb_unit *u, u64 tag)
{
	return u->counts_near && !u->near[unit_near(u, tag)];
}

static inline void unit_count_near(struct tlb_unit *u, u64 tag, u32 delta)
{
	if (unit_class(tag) <= TLB_BLOCK)
		u->near[unit_near(u, tag)] += delta;
}

/* @page: the vpn in pages of the entry's own size. */
static inline u32 unit_set(const struct tlb_unit *u, u32 thread, u64 page)
{
	u32 set = (u32)(page ^ page >> u->index_shift) & u->index_mask;

	if (unlikely(u->is_modulo))
		set = (u32)(page % u->index_sets);
	return set + thread * u->thread_sets;
}

/* Which of a pair of like arrays takes @page. */
static inline u32 unit_twin(const struct tlb_unit *u, u64 page)
{
	return (u->twin_shift ? page >> u->twin_shift :
		page / u->index_sets) & 1;
}

static inline u32 unit_hash(const struct tlb_unit *u, u64 tag)
{
	return (u32)((tag * 0x9e3779b97f4a7c15ull) >> u->hash_shift);
}

static inline u32 unit_guess(const struct tlb_unit *u, u64 tag)
{
	return (u32)(tag >> 1 ^ tag >> 13) & u->guess_mask;
}

/* unit_find - the slot that holds @tag, whose page indexes @set; at most one
 * does (unit_check). Return: it, or UNIT_NONE. */
static inline __attribute__((always_inline)) u32
unit_find(const struct tlb_unit *u, u32 set, u64 tag)
{
	u32 base, way;

	if (u->hash_shift) {
		for (u32 at = u->bucket[unit_hash(u, tag)]; at;
		     at = u->chain[at - 1])
			if (u->tag[at - 1] == tag)
				return at - 1;
		return UNIT_NONE;
	}
	if (u->guess) {
		u32 slot = u->guess[unit_guess(u, tag)];

		if (u->tag[slot] == tag)
			return slot;
	}
	base = set * u->stride;
	way = match_way(u->tag + base, u->stride, tag);
	return way != MATCH_NONE ? base + way : UNIT_NONE;
}

static inline void unit_hit(struct tlb_unit *u, u32 set, u32 slot)
{
	repl_hit(&u->repl, set, slot - set * u->stride);
}

/* Entries with these tags, single pages both, are counted together. */
static inline bool unit_is_alike(u64 x, u64 y)
{
	return !((x ^ y) & (u64)(UNIT_NR_BUCKETS - 1) << TLB_TAG_SPACE_SHIFT) &&
	       !((x | y) & 1);
}

/* The parts of unit_put() that are seldom needed. */
u32 unit_put_free(struct tlb_unit *u, u32 set, u32 way, u64 tag,
		  const struct tlb_entry *e);
u32 unit_free_way(const struct tlb_unit *u, u32 set);
void unit_recount(struct tlb_unit *u, u32 slot, u64 tag,
		  const struct tlb_entry *e);
void unit_rehash(struct tlb_unit *u, u32 slot, u64 tag);

/* What a slot holds becomes @tag and @e; it held something before. */
static inline __attribute__((always_inline)) void
unit_overwrite(struct tlb_unit *u, u32 slot, u64 tag, const struct tlb_entry *e)
{
	if (unlikely(!unit_is_alike(u->tag[slot], tag) || u->nr_pieces ||
		     e->piece_of))
		unit_recount(u, slot, tag, e);
	if (unlikely(u->counts_near)) {
		unit_count_near(u, u->tag[slot], -1u);
		unit_count_near(u, tag, 1);
	}
	if (u->hash_shift)
		unit_rehash(u, slot, tag);
	u->tag[slot] = tag;
	u->entry[slot] = *e;
}

/* unit_put - @e, whose tag the array does not hold, takes a way of @set: the
 * lowest free one, else the policy's victim. Return: its slot. */
static inline __attribute__((always_inline)) u32
unit_put(struct tlb_unit *u, u32 set, u64 tag, const struct tlb_entry *e)
{
	u32 way, slot;

	if (unlikely(u->nr_live != u->nr_slots)) {
		way = unit_free_way(u, set);
		if (way != UNIT_NONE)
			return unit_put_free(u, set, way, tag, e);
	}
	way = repl_victim(&u->repl, set);
	slot = set * u->stride + way;
	u->evicted = u->tag[slot];
	if (unlikely(u->keeps_victim))
		u->victim = u->entry[slot];
	unit_overwrite(u, slot, tag, e);
	if (u->guess)
		u->guess[unit_guess(u, tag)] = slot;
	repl_fill(&u->repl, set, way);
	return slot;
}

/* unit_replace - @e in the place of the live entry in @slot: an access, not a
 * fill, to the policy. */
void unit_replace(struct tlb_unit *u, u32 slot, u64 tag,
		  const struct tlb_entry *e);

/* unit_drop - @slot becomes free. Policy state stays as it is (assumed). */
void unit_drop(struct tlb_unit *u, u32 slot);

/* unit_each - calls @fn on every live slot until it returns false. @fn may drop
 * the slot it is called on. */
void unit_each(struct tlb_unit *u, bool (*fn)(struct tlb_unit *u, u32 slot,
					      void *arg), void *arg);

/* The same of one set. Return: did @fn always return true? */
bool unit_each_of_set(struct tlb_unit *u, u32 set,
		      bool (*fn)(struct tlb_unit *u, u32 slot, void *arg),
		      void *arg);

/* unit_drop_spaces - drops what has a tag in [@lo, @hi).
 * Return: entries dropped. */
u32 unit_drop_spaces(struct tlb_unit *u, u64 lo, u64 hi);

/* unit_begin_near - from now on unit_has_none_near() may say yes. */
void unit_begin_near(struct tlb_unit *u);

/* unit_check - NULL, or which invariant is broken. */
const char *unit_check(const struct tlb_unit *u);

#endif
