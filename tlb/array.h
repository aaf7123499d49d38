/* array.h - a CPU's TLBs as real arrays: sets, ways, an index function and a
 * replacement policy, as measured on real parts. For timed runs.
 *
 * Two levels: an L1 for 4K and one for 2M, and a unified L2 (STLB) for both.
 *  - A walk fills the L1 of its size and the L2. An L2 hit copies the entry
 *    into the L1 and counts as an access of the L2; an L1 hit does not touch
 *    the L2; an L1 victim is not written back. So neither level includes the
 *    other. Source: "TLB;DR" (USENIX Security 2022), its measured properties.
 *  - 2M entries are indexed from VA[21] up, in the L2 as well (assumed: no
 *    published measurement).
 *  - A free way is taken first, the lowest-numbered; the policy decides only
 *    among full sets. Invalidation leaves policy state alone (assumed).
 *  - Several entries may translate one page (two sizes, own and global). A
 *    level answers with the first of: own 4K, own 2M, global 4K, global 2M.
 *  - A fill supersedes what a level holds of that page, in that size, under
 *    its PCID: it takes the way of the own entry, else of the global one (an
 *    access, to the policy), and if both were there the global one goes.
 *  - A 1G leaf is handed in as the 2M piece that was accessed.
 *
 * Units:   as tlb.h. Virtual addresses are canonical with at most 57 bits.
 *          A count of dropped entries counts an entry once for each level
 *          that held it.
 * Errors:  0 or negative errno from tlb_array_create() only. An order other
 *          than 0 or 9, or a pcid of 4096 or more, is the caller's bug: fills
 *          and flushes assert it, lookups are too hot to.
 * Memory:  about 105 KiB (most of it indexed by PCID) and 32 to 40 bytes an
 *          entry, for each CPU.
 * Threads: none; belongs to one modelled CPU.
 */
#ifndef TLB_ARRAY_H
#define TLB_ARRAY_H

#include "base/rng.h"
#include "base/types.h"
#include "tlb/geometry.h"
#include "tlb/tlb.h"

#define TLB_NR_PCIDS 4096

/* A tag is what the hardware compares, in one word:
 *
 *   63           46 45 44                                    0
 *  +---------------+--+---------------------------------------+
 *  |  generation   |2M|                  vpn                  |
 *  +---------------+--+---------------------------------------+
 *
 * The generation names a PCID since its last flush: flushing a PCID takes its
 * generation away, and what is left behind in the arrays matches nothing.
 * Generation 0 is a PCID that holds nothing, 1 is every global entry, and the
 * all-ones word is an empty way. */
#define TLB_TAG_VPN_BITS 45
#define TLB_TAG_VPN ((1ull << TLB_TAG_VPN_BITS) - 1)
#define TLB_TAG_2M (1ull << TLB_TAG_VPN_BITS)
#define TLB_TAG_GEN_SHIFT (TLB_TAG_VPN_BITS + 1)
#define TLB_TAG_GEN (~0ull << TLB_TAG_GEN_SHIFT)
#define TLB_TAG_GLOBAL (1ull << TLB_TAG_GEN_SHIFT)
#define TLB_TAG_EMPTY (~0ull)
#define TLB_TAG_MAX_GEN ((1u << (64 - TLB_TAG_GEN_SHIFT)) - 1)

#define TLB_MAX_VICTIM 128u     /* states of a tree of up to 8 ways            */

enum tlb_unit_id { TLB_L1_4K, TLB_L1_2M, TLB_L2, TLB_NR_UNITS };

/* An access to a way as a change of its set's policy state:
 * state = (state & keep) | set. */
struct tlb_touch {
	u64 keep;
	u64 set;
};

/* One array. A slot is set * stride + way. */
struct tlb_unit {
	u64 *tag;               /* [slot] as above                            */
	struct tlb_entry *entry;        /* [slot]                             */
	u64 *state;             /* [set] policy state                         */
	u64 *stamp;             /* [slot] time of access (LRU) or fill (FIFO) */
	u64 clock;
	u64 saturated;          /* NRU: all ways referenced                   */
	u32 set_mask;
	u32 index_shift;        /* set = (page ^ page >> shift) & set_mask    */
	u32 stride;             /* nr_ways rounded up; the rest stays empty   */
	bool is_special;        /* LRU, NRU: a touch is more than a mask      */

	u32 nr_live;            /* entries that can match                     */
	u32 nr_slots;           /* nr_sets * nr_ways                          */
	u32 id;                 /* enum tlb_unit_id                           */
	struct tlb_touch touch[TLB_MAX_BIT_WAYS];   /* [way]                      */
	u8 victim[TLB_MAX_VICTIM];      /* [state], if is_tabled              */
	bool is_tabled;
	struct rng rng;
	struct tlb_geometry geo;
};

/* A slot of the L1 for 4K: where everything is that a hit needs. */
struct tlb_slot {
	const u64 *tag;
	struct tlb_entry *entry;
	u64 *state;
	struct tlb_touch touch;
};

#define TLB_NR_MEMO 512u        /* covers any 2 MiB of address space          */
#define TLB_NR_MEMO_L2 4096u

struct tlb_array_stats {
	u64 lookups;
	u64 l1_misses;
	u64 l2_hits_4k;
	u64 l2_hits_2m;
	u64 fills;              /* walks installed                            */
	u64 evictions[TLB_NR_UNITS];    /* live entries that made room        */
	u64 dropped_invlpg;     /* entries                                    */
	u64 dropped_flush;      /* entries, by flush_pcid and flush_all       */
};

struct tlb_array {
	struct tlb tlb;         /* ops: what tlb.h's callers see              */
	struct tlb_array_stats stats;
	struct tlb_unit unit[TLB_NR_UNITS];
	struct tlb_unit *l1[2]; /* for 4K, for 2M; may be the same one        */
	u32 nr_global_l1;
	u32 next_gen;
	struct tlb_slot *slot;  /* [slot] of the L1 for 4K                    */

	/* Where such a page was last seen in the L1 for 4K. Only a guess: the
	 * slot's tag decides, and what does not match is searched for. */
	const struct tlb_slot *memo[TLB_NR_MEMO];
	u32 memo_l2[TLB_NR_MEMO_L2];    /* the same, of the L2: slots         */

	u64 gen[TLB_NR_PCIDS];  /* in place, as in a tag; 0: holds nothing    */
	u32 nr_live[TLB_NR_PCIDS][TLB_NR_UNITS];    /* global ones apart      */
};

/* tlb_array_create - an empty hierarchy; the geometries are checked and
 * copied. nr_ways == 0 leaves out @l1_2m or @l2. Without @l1_2m, 2M entries
 * live in @l1_4k if its page_sizes say so, otherwise in the L2 alone. An L2
 * takes the sizes that its page_sizes say.
 * Return: 0 with *@out set, -EINVAL (bad shape), -ENOMEM. */
int tlb_array_create(struct tlb_array **out, const struct tlb_geometry *l1_4k,
		     const struct tlb_geometry *l1_2m,
		     const struct tlb_geometry *l2);
void tlb_array_destroy(struct tlb_array *a);

/* tlb_array_seed - restart random replacement, unit i from stream i of @seed.
 * A new hierarchy has seed 0; no other policy draws. */
void tlb_array_seed(struct tlb_array *a, u64 seed);

static inline struct tlb_array *tlb_to_array(struct tlb *tlb)
{
	/* tlb is the first member */
	return (struct tlb_array *)(void *)tlb;
}

/* As tlb_ops, without the table. */
void tlb_array_fill(struct tlb_array *a, const struct tlb_entry *e);
u32 tlb_array_invlpg(struct tlb_array *a, u16 pcid, u64 vpn);
u32 tlb_array_flush_pcid(struct tlb_array *a, u16 pcid);
u32 tlb_array_flush_all(struct tlb_array *a);

/* tlb_array_set_dirty - after a D-bit assist: sets TLB_D in what both levels
 * hold of @vpn at @order for @pcid, global entries included. Not an access:
 * replacement does not see it.
 * Return: entries changed or already dirty. */
u32 tlb_array_set_dirty(struct tlb_array *a, u16 pcid, u64 vpn, u8 order);

/* tlb_array_slot - what a way holds, NULL if it is free. For tests, oracles
 * and dumps. */
const struct tlb_entry *tlb_array_slot(const struct tlb_array *a,
				       enum tlb_unit_id id, u32 set, u32 way);

/* tlb_array_check - the invariants of the whole structure.
 * Return: NULL, or what is broken. */
const char *tlb_array_check(const struct tlb_array *a);

/* The rest of the inline functions below. */
bool tlb_array_hit_scan(struct tlb_array *a, u16 pcid, u64 vpn, bool is_write,
			struct tlb_entry **out);
enum tlb_level tlb_array_access_scan(struct tlb_array *a, u16 pcid, u64 vpn,
				     struct tlb_entry **out);
void tlb_unit_touch_special(struct tlb_unit *u, u32 slot);

static inline u32 tlb_memo_index(u64 vpn)
{
	return (u32)(vpn ^ vpn >> 9) & (TLB_NR_MEMO - 1);
}

/* A hit of an own 4K entry, which comes before all others, where the memo says
 * it is. False says nothing. */
static inline bool tlb_array_memo_hit(struct tlb_array *a, u16 pcid, u64 vpn,
				      bool is_write, struct tlb_entry **out)
{
	const struct tlb_slot *s = a->memo[tlb_memo_index(vpn)];
	const u32 may_store = TLB_W | TLB_D;

	if (unlikely(*s->tag != (a->gen[pcid] | (vpn & TLB_TAG_VPN))))
		return false;
	if (is_write && (s->entry->flags & may_store) != may_store)
		return false;
	*s->state = (*s->state & s->touch.keep) | s->touch.set;
	if (unlikely(a->unit[TLB_L1_4K].is_special))
		tlb_unit_touch_special(&a->unit[TLB_L1_4K],
				       (u32)(s - a->slot));
	a->stats.lookups++;
	*out = s->entry;
	return true;
}

/* tlb_array_hit - the path of nearly every access: an L1 entry of @pcid,
 * or a global one, that a store, if @is_write, may use as it is (TLB_W and
 * TLB_D).
 * Return: true with *@out set and the access accounted; false with nothing
 * changed at all. */
static inline bool tlb_array_hit(struct tlb_array *a, u16 pcid, u64 vpn,
				 bool is_write, struct tlb_entry **out)
{
	return likely(tlb_array_memo_hit(a, pcid, vpn, is_write, out)) ||
	       tlb_array_hit_scan(a, pcid, vpn, is_write, out);
}

/* tlb_array_access - one lookup, whatever comes of it. The entry is returned
 * as found: for a store without TLB_W or TLB_D the walker must act.
 * *@out stays valid until the next call that may change the arrays, and is
 * NULL on a miss. */
static inline enum tlb_level tlb_array_access(struct tlb_array *a, u16 pcid,
					      u64 vpn, struct tlb_entry **out)
{
	if (likely(tlb_array_memo_hit(a, pcid, vpn, false, out)))
		return TLB_HIT_L1;
	return tlb_array_access_scan(a, pcid, vpn, out);
}

#endif
