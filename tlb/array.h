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
 *          than 0 or 9, or a pcid of 4096 or more, is the caller's bug and
 *          asserts.
 * Threads: none; belongs to one modelled CPU.
 */
#ifndef TLB_ARRAY_H
#define TLB_ARRAY_H

#include "base/rng.h"
#include "base/types.h"
#include "tlb/geometry.h"
#include "tlb/tlb.h"

#ifdef __SSE4_1__
#include <smmintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#endif

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

#define TLB_NO_SLOT (~0u)

enum tlb_unit_id { TLB_L1_4K, TLB_L1_2M, TLB_L2, TLB_NR_UNITS };

/* An access to a way as a change of its set's policy state:
 * state = (state & keep) | set. */
struct tlb_touch {
	u64 keep;
	u64 set;
};

/* One array. A slot is set * stride + way. */
struct tlb_unit {
	u64 *tag;               /* [slot]                                     */
	struct tlb_entry *entry;        /* [slot]                             */
	u64 *state;             /* [set] policy state                         */
	struct tlb_touch *touch;        /* [way]                              */
	u64 *stamp;             /* [slot] time of access (LRU) or fill (FIFO) */
	u64 clock;
	u64 saturated;          /* NRU: all ways referenced; others: never    */
	u32 set_mask;
	u32 index_shift;        /* set = (page ^ page >> shift) & set_mask    */
	u32 stride;             /* nr_ways rounded up; the rest stays empty   */
	bool is_lru;            /* a hit renews the stamp                     */

	u32 nr_live;            /* entries that can match                     */
	u32 nr_slots;           /* nr_sets * nr_ways                          */
	struct rng rng;
	struct tlb_geometry geo;
};

struct tlb_pcid {
	u64 gen;                /* in place, as in a tag; 0: holds nothing    */
	u32 nr_live[TLB_NR_UNITS];      /* entries, global ones apart         */
};

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
	struct tlb_pcid *pcid;  /* [TLB_NR_PCIDS]                             */
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

/* The rest of tlb_array_access(), after tlb_array_hit() said no. */
enum tlb_level tlb_array_access_slow(struct tlb_array *a, u16 pcid, u64 vpn,
				     bool is_write, struct tlb_entry **out);

static inline u32 tlb_unit_set(const struct tlb_unit *u, u64 page)
{
	return (u32)(page ^ page >> u->index_shift) & u->set_mask;
}

/* Bit i: tag[i] == @want, for four tags. */
static inline u32 tlb_match4(const u64 *tag, u64 want)
{
#if defined(__SSE4_1__)
	const __m128i w = _mm_set1_epi64x((long long)want);
	const __m128i *t = (const __m128i *)(const void *)tag;
	__m128i lo = _mm_cmpeq_epi64(_mm_loadu_si128(t), w);
	__m128i hi = _mm_cmpeq_epi64(_mm_loadu_si128(t + 1), w);

	return (u32)_mm_movemask_pd(_mm_castsi128_pd(lo)) |
	       (u32)_mm_movemask_pd(_mm_castsi128_pd(hi)) << 2;
#elif defined(__SSE2__)
	/* No 64-bit compare: compare halves, bring low and high halves of the
	 * four together, and both. */
	const __m128i w = _mm_set1_epi64x((long long)want);
	const __m128i *t = (const __m128i *)(const void *)tag;
	__m128 a = _mm_castsi128_ps(_mm_cmpeq_epi32(_mm_loadu_si128(t), w));
	__m128 b = _mm_castsi128_ps(_mm_cmpeq_epi32(_mm_loadu_si128(t + 1), w));
	__m128 lo = _mm_shuffle_ps(a, b, _MM_SHUFFLE(2, 0, 2, 0));
	__m128 hi = _mm_shuffle_ps(a, b, _MM_SHUFFLE(3, 1, 3, 1));

	return (u32)_mm_movemask_ps(_mm_and_ps(lo, hi));
#else
	return (u32)(tag[0] == want) | (u32)(tag[1] == want) << 1 |
	       (u32)(tag[2] == want) << 2 | (u32)(tag[3] == want) << 3;
#endif
}

/* The way that holds @want, in the set whose tags begin at @tag, or
 * TLB_NO_SLOT. At most one way can (tlb_array_check). */
static inline u32 tlb_unit_find(const struct tlb_unit *u, const u64 *tag,
				u64 want)
{
	u32 m = tlb_match4(tag, want);

	if (likely(u->stride == 4))
		return m ? (u32)__builtin_ctz(m) : TLB_NO_SLOT;
	for (u32 way = 0;;) {
		u32 left = u->stride - way;

		/* Up to 16 ways without a branch on the outcome. */
		if (left > 4)
			m |= tlb_match4(tag + way + 4, want) << 4;
		if (left > 8)
			m |= tlb_match4(tag + way + 8, want) << 8;
		if (left > 12)
			m |= tlb_match4(tag + way + 12, want) << 12;
		if (m)
			return way + (u32)__builtin_ctz(m);
		way += 16;
		if (way >= u->stride)
			return TLB_NO_SLOT;
		m = tlb_match4(tag + way, want);
	}
}

static inline void tlb_unit_touch(struct tlb_unit *u, u32 set, u32 way)
{
	const struct tlb_touch *t = &u->touch[way];
	u64 state = (u->state[set] & t->keep) | t->set;

	u->state[set] = state == u->saturated ? t->set : state;
	if (u->is_lru)
		u->stamp[set * u->stride + way] = ++u->clock;
}

/* tlb_array_hit - the path of nearly every access: an entry of @pcid in an L1,
 * that a store, if @is_write, may use as it is (TLB_W and TLB_D).
 * Return: true with *@out set and the access accounted; false with nothing
 * changed at all. */
static inline bool tlb_array_hit(struct tlb_array *a, u16 pcid, u64 vpn,
				 bool is_write, struct tlb_entry **out)
{
	const u32 may_store = TLB_W | TLB_D;
	u64 tag = a->pcid[pcid].gen | (vpn & TLB_TAG_VPN);
	struct tlb_unit *u = a->l1[0];
	u32 set = tlb_unit_set(u, vpn);
	u32 base = set * u->stride;
	u32 way = tlb_unit_find(u, u->tag + base, tag);
	struct tlb_entry *e;

	if (way == TLB_NO_SLOT) {
		u = a->l1[1];
		set = tlb_unit_set(u, vpn >> 9);
		base = set * u->stride;
		tag = (tag & ~0x1ffull) | TLB_TAG_2M;
		way = tlb_unit_find(u, u->tag + base, tag);
		if (way == TLB_NO_SLOT)
			return false;
	}
	e = &u->entry[base + way];
	if (is_write && (e->flags & may_store) != may_store)
		return false;
	tlb_unit_touch(u, set, way);
	a->stats.lookups++;
	*out = e;
	return true;
}

/* tlb_array_access - one lookup, whatever comes of it. The entry is returned
 * as found: for a store without TLB_W or TLB_D the walker must act.
 * *@out stays valid until the next call that may change the arrays, and is
 * NULL on a miss. */
static inline enum tlb_level tlb_array_access(struct tlb_array *a, u16 pcid,
					      u64 vpn, bool is_write,
					      struct tlb_entry **out)
{
	if (likely(tlb_array_hit(a, pcid, vpn, is_write, out)))
		return TLB_HIT_L1;
	return tlb_array_access_slow(a, pcid, vpn, is_write, out);
}

#endif
