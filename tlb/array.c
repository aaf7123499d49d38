#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tlb/array.h"

#ifdef __SSE4_1__
#include <smmintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#endif

#define TLB_NO_WAY (~0u)

/* On the path of an L2 hit calls cost more than what they do. */
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))

/* Replacement
 *
 * Tree-PLRU state: node 0 is the root, node n has children 2n+1 and 2n+2; a
 * bit that is set sends the victim search to the right half. An access makes
 * every node on its path point away from it, so for each way the bits to keep
 * and the bits to set are constants. The other policies' states have the same
 * form, or need none.
 *
 *   (MRU+1)%3PLRU4   bits 3g+2..3g: tree of group g; bits 10..9: m
 *   NRU              bit w: way w was referenced
 */
#define MRU_SHIFT 9
#define MRU_MASK (3ull << MRU_SHIFT)

static struct tlb_touch tree_touch(u32 nr_ways, u32 way)
{
	struct tlb_touch t = { .keep = ~0ull };
	u32 node = 0;

	for (u32 half = nr_ways / 2; half; half /= 2) {
		bool is_right = way & half;

		t.keep &= ~(1ull << node);
		if (!is_right)
			t.set |= 1ull << node;
		node = 2 * node + 1 + is_right;
	}
	return t;
}

static ALWAYS_INLINE u32 tree_victim(u32 nr_ways, u64 state)
{
	u32 node = 0, way = 0;

	/* The way's bits, high to low, are the turns taken. */
	for (u32 half = nr_ways / 2; half; half /= 2) {
		u32 right = state >> node & 1;

		way = 2 * way + right;
		node = 2 * node + 1 + right;
	}
	return way;
}

static struct tlb_touch mru1_touch(u32 way)
{
	struct tlb_touch t = tree_touch(4, way % 4);
	u32 group = way / 4;

	t.keep = ~(~t.keep << 3 * group) & ~MRU_MASK;
	t.set = t.set << 3 * group | (u64)group << MRU_SHIFT;
	return t;
}

static u32 mru1_victim(u64 state)
{
	/* 9 is (0 + 1), (1 + 1), (2 + 1) modulo 3, two bits each. */
	u32 group = 9 >> 2 * (state >> MRU_SHIFT & 3) & 3;

	return 4 * group + tree_victim(4, state >> 3 * group);
}

static u32 oldest_way(const struct tlb_unit *u, u32 base)
{
	u32 oldest = 0;

	for (u32 way = 1; way < u->geo.nr_ways; way++)
		if (u->stamp[base + way] < u->stamp[base + oldest])
			oldest = way;
	return oldest;
}

static struct tlb_touch policy_touch(const struct tlb_geometry *geo, u32 way)
{
	switch (geo->replacement) {
	case TLB_REPL_TREE_PLRU:
		return tree_touch(geo->nr_ways, way);
	case TLB_REPL_MRU1_3PLRU4:
		return mru1_touch(way);
	case TLB_REPL_NRU:
		return (struct tlb_touch){ ~0ull, 1ull << way };
	default:
		return (struct tlb_touch){ ~0ull, 0 };
	}
}

/* Who leaves a full set. */
static NOINLINE u32 policy_victim_slow(struct tlb_unit *u, u32 set)
{
	switch (u->geo.replacement) {
	case TLB_REPL_TREE_PLRU:
		return tree_victim(u->geo.nr_ways, u->state[set]);
	case TLB_REPL_MRU1_3PLRU4:
		return mru1_victim(u->state[set]);
	case TLB_REPL_NRU:
		/* One way: the only bit is always set. */
		if (u->geo.nr_ways == 1)
			return 0;
		return (u32)__builtin_ctzll(~u->state[set]);
	case TLB_REPL_RANDOM:
		return (u32)rng_below(&u->rng, u->geo.nr_ways);
	default:
		return oldest_way(u, set * u->stride);
	}
}

static ALWAYS_INLINE u32 policy_victim(struct tlb_unit *u, u32 set)
{
	if (likely(u->is_tabled))
		return u->victim[u->state[set]];
	return policy_victim_slow(u, set);
}

/* One array */

static ALWAYS_INLINE u32 unit_set(const struct tlb_unit *u, u64 vpn, u32 size)
{
	u64 page = size ? vpn >> 9 : vpn;

	return (u32)(page ^ page >> u->index_shift) & u->set_mask;
}

/* Bit i: tag[i] == @want, for four tags. */
static ALWAYS_INLINE u32 match4(const u64 *tag, u64 want)
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

/* The way of @set that holds @want, or TLB_NO_WAY. At most one way can
 * (tlb_array_check). */
static ALWAYS_INLINE u32 find_way(const struct tlb_unit *u, u32 set, u64 want)
{
	const u64 *tag = u->tag + set * u->stride;
	u32 m = match4(tag, want);

	if (u->stride == 4)
		return m ? (u32)__builtin_ctz(m) : TLB_NO_WAY;
	for (u32 way = 0;;) {
		u32 left = u->stride - way;

		/* Up to 16 ways without a branch on the outcome. */
		if (left > 4)
			m |= match4(tag + way + 4, want) << 4;
		if (left > 8)
			m |= match4(tag + way + 8, want) << 8;
		if (left > 12)
			m |= match4(tag + way + 12, want) << 12;
		if (m)
			return way + (u32)__builtin_ctz(m);
		way += 16;
		if (way >= u->stride)
			return TLB_NO_WAY;
		m = match4(tag + way, want);
	}
}

void tlb_unit_touch_special(struct tlb_unit *u, u32 slot)
{
	u32 set, way;

	if (u->geo.replacement == TLB_REPL_LRU) {
		u->stamp[slot] = ++u->clock;
		return;
	}
	/* NRU: when all are referenced, the others no longer are. */
	set = slot / u->stride;
	way = slot % u->stride;
	if (u->state[set] == u->saturated)
		u->state[set] = u->touch[way].set;
}

static ALWAYS_INLINE void unit_touch(struct tlb_unit *u, u32 set, u32 way)
{
	const struct tlb_touch *t = &u->touch[way];

	u->state[set] = (u->state[set] & t->keep) | t->set;
	if (u->is_special)
		tlb_unit_touch_special(u, set * u->stride + way);
}

static int unit_init(struct tlb_unit *u, const struct tlb_geometry *geo)
{
	size_t nr_sets = geo->nr_ways ? geo->nr_sets : 1;
	size_t nr_padded, nr_ways = geo->nr_ways;
	bool has_stamps;

	if (nr_ways && (!tlb_geometry_is_valid(geo) ||
			nr_ways > TLB_MAX_BIT_WAYS ||
			geo->nr_sets != 1u << geo->index_bits ||
			geo->replacement == TLB_REPL_LRU_3PLRU4))
		return -EINVAL;
	u->geo = *geo;
	/* An array that is absent is one empty set, so that a lookup need not
	 * ask. */
	u->stride = nr_ways ? (u32)(nr_ways + 3) & ~3u : 4;
	u->set_mask = (u32)nr_sets - 1;
	u->index_shift = geo->index == TLB_INDEX_XOR ? geo->index_bits : 63;
	if (!nr_ways)
		u->index_shift = 63;
	u->nr_slots = (u32)(nr_sets * nr_ways);
	u->is_special = geo->replacement == TLB_REPL_LRU ||
			geo->replacement == TLB_REPL_NRU;
	has_stamps = geo->replacement == TLB_REPL_LRU ||
		     geo->replacement == TLB_REPL_FIFO;
	u->saturated = nr_ways < 64 ? (1ull << nr_ways) - 1 : ~0ull;

	nr_padded = nr_sets * u->stride;
	u->tag = malloc(nr_padded * sizeof(*u->tag));
	u->entry = calloc(nr_padded, sizeof(*u->entry));
	u->state = calloc(nr_sets, sizeof(*u->state));
	if (has_stamps)
		u->stamp = calloc(nr_padded, sizeof(*u->stamp));
	if (!u->tag || !u->entry || !u->state ||
	    (has_stamps && !u->stamp))
		return -ENOMEM;
	memset(u->tag, 0xff, nr_padded * sizeof(*u->tag));
	for (u32 way = 0; way < nr_ways; way++)
		u->touch[way] = policy_touch(geo, way);
	u->is_tabled = geo->replacement == TLB_REPL_TREE_PLRU && nr_ways <= 8;
	for (u32 bits = 0; u->is_tabled && bits < TLB_MAX_VICTIM; bits++)
		u->victim[bits] = (u8)tree_victim((u32)nr_ways, bits);
	return 0;
}

static u32 unit_nr_padded(const struct tlb_unit *u)
{
	return (u->set_mask + 1) * u->stride;
}

static void unit_free(struct tlb_unit *u)
{
	free(u->tag);
	free(u->entry);
	free(u->state);
	free(u->stamp);
}

/* Tags */

static ALWAYS_INLINE u64 tag_of(const struct tlb_array *a, u16 pcid, u64 vpn, u32 size)
{
	u64 tag = a->gen[pcid] | (vpn & TLB_TAG_VPN);

	return size ? (tag & ~0x1ffull) | TLB_TAG_2M : tag;
}

static u64 as_global(u64 tag)
{
	return (tag & ~TLB_TAG_GEN) | TLB_TAG_GLOBAL;
}

static bool is_global(u64 tag)
{
	return (tag & TLB_TAG_GEN) == TLB_TAG_GLOBAL;
}

static bool slot_is_live(const struct tlb_array *a, const struct tlb_unit *u,
			 u32 slot)
{
	u64 tag = u->tag[slot];

	if (tag == TLB_TAG_EMPTY)
		return false;
	return is_global(tag) ||
	       (tag & TLB_TAG_GEN) == a->gen[u->entry[slot].pcid];
}

static void count_live(struct tlb_array *a, struct tlb_unit *u, u32 slot,
		       u32 delta)
{
	u->nr_live += delta;
	if (!is_global(u->tag[slot]))
		a->nr_live[u->entry[slot].pcid][u->id] += delta;
	else if (u->id != TLB_L2)
		a->nr_global_l1 += delta;
}

static void slot_drop(struct tlb_array *a, struct tlb_unit *u, u32 slot)
{
	count_live(a, u, slot, -1u);
	u->tag[slot] = TLB_TAG_EMPTY;
}

/* Another entry in the place of a live one. */
static ALWAYS_INLINE void slot_replace(struct tlb_array *a, struct tlb_unit *u, u32 slot,
			 const struct tlb_entry *e, u64 tag)
{
	bool is_counted = !((u->tag[slot] ^ tag) & TLB_TAG_GEN);

	if (!is_counted)
		count_live(a, u, slot, -1u);
	u->tag[slot] = tag;
	u->entry[slot] = *e;
	if (!is_counted)
		count_live(a, u, slot, 1);
}

/* A free way of @set, the lowest. What a flushed PCID left behind is as free
 * as what was never filled. */
static NOINLINE u32 free_way(const struct tlb_array *a, const struct tlb_unit *u,
		    u32 set)
{
	for (u32 way = 0; way < u->geo.nr_ways; way++)
		if (!slot_is_live(a, u, set * u->stride + way))
			return way;
	return TLB_NO_WAY;
}

static u32 memo_l2_index(u64 vpn)
{
	return (u32)(vpn ^ vpn >> 12) & (TLB_NR_MEMO_L2 - 1);
}

static void note_slot(struct tlb_array *a, const struct tlb_unit *u, u32 slot)
{
	u64 vpn = u->entry[slot].vpn;

	if (u->id == TLB_L1_4K)
		a->memo[tlb_memo_index(vpn)] = &a->slot[slot];
	else if (u->id == TLB_L2)
		a->memo_l2[memo_l2_index(vpn)] = slot;
}

/* @e, which the set does not hold, takes a way. Return: its slot. */
static ALWAYS_INLINE u32 unit_install(struct tlb_array *a, struct tlb_unit *u, u32 set,
			const struct tlb_entry *e, u64 tag)
{
	u32 way = TLB_NO_WAY, slot;

	if (u->nr_live != u->nr_slots)
		way = free_way(a, u, set);
	if (way != TLB_NO_WAY) {
		slot = set * u->stride + way;
		u->tag[slot] = tag;
		u->entry[slot] = *e;
		count_live(a, u, slot, 1);
	} else {
		way = policy_victim(u, set);
		slot = set * u->stride + way;
		slot_replace(a, u, slot, e, tag);
		a->stats.evictions[u->id]++;
	}
	if (u->stamp)
		u->stamp[slot] = ++u->clock;
	unit_touch(u, set, way);
	note_slot(a, u, slot);
	return slot;
}

/* A walk's result supersedes whatever its page had under its PCID: it takes
 * that way, and where an own and a global entry were both there, one goes. */
static void unit_fill(struct tlb_array *a, struct tlb_unit *u,
		      const struct tlb_entry *e, u32 size, u64 tag)
{
	u32 set = unit_set(u, e->vpn, size);
	u32 own = find_way(u, set, tag_of(a, e->pcid, e->vpn, size));
	u32 global = find_way(u, set, as_global(tag));
	u32 way = own != TLB_NO_WAY ? own : global;

	if (way == TLB_NO_WAY) {
		unit_install(a, u, set, e, tag);
		return;
	}
	if (own != TLB_NO_WAY && global != TLB_NO_WAY)
		slot_drop(a, u, set * u->stride + global);
	slot_replace(a, u, set * u->stride + way, e, tag);
	unit_touch(u, set, way);
	note_slot(a, u, set * u->stride + way);
}

/* Generations */

/* All generations are used up: clear what flushes left behind and number the
 * PCIDs that hold something anew. Once in 2^18 flushes. */
static void renumber(struct tlb_array *a)
{
	static const u32 nothing[TLB_NR_UNITS];

	for (u32 id = 0; id < TLB_NR_UNITS; id++) {
		struct tlb_unit *u = &a->unit[id];

		for (u32 slot = 0; slot < unit_nr_padded(u); slot++)
			if (!slot_is_live(a, u, slot))
				u->tag[slot] = TLB_TAG_EMPTY;
	}
	a->next_gen = 2;
	for (u32 i = 0; i < TLB_NR_PCIDS; i++) {
		bool is_used = memcmp(a->nr_live[i], nothing, sizeof(nothing));

		a->gen[i] = is_used ?
			    (u64)a->next_gen++ << TLB_TAG_GEN_SHIFT : 0;
	}
	for (u32 id = 0; id < TLB_NR_UNITS; id++) {
		struct tlb_unit *u = &a->unit[id];

		for (u32 slot = 0; slot < unit_nr_padded(u); slot++) {
			u64 tag = u->tag[slot];

			if (tag != TLB_TAG_EMPTY && !is_global(tag))
				u->tag[slot] = (tag & ~TLB_TAG_GEN) |
					       a->gen[u->entry[slot].pcid];
		}
	}
}

static void give_generation(struct tlb_array *a, u16 pcid)
{
	if (a->next_gen == TLB_TAG_MAX_GEN)
		renumber(a);
	a->gen[pcid] = (u64)a->next_gen++ << TLB_TAG_GEN_SHIFT;
}

/* The hierarchy */

static u32 size_of_order(u8 order)
{
	assert(order == 0 || order == 9);
	return order == 9;
}

static bool l2_holds(const struct tlb_array *a, u32 size)
{
	const struct tlb_geometry *geo = &a->unit[TLB_L2].geo;

	return geo->nr_ways &&
	       (geo->page_sizes & (size ? TLB_HOLDS_2M : TLB_HOLDS_4K));
}

/* Where @vpn is found, by one kind of entry. */
struct place {
	struct tlb_unit *u;
	u32 set;
	u32 way;
};

static ALWAYS_INLINE bool find_place(struct tlb_array *a, struct tlb_unit *u, u16 pcid,
		       u64 vpn, u32 size, bool want_global, struct place *at)
{
	u64 tag = tag_of(a, pcid, vpn, size);

	at->u = u;
	at->set = unit_set(u, vpn, size);
	at->way = find_way(u, at->set, want_global ? as_global(tag) : tag);
	return at->way != TLB_NO_WAY;
}

static u32 place_slot(const struct place *at)
{
	return at->set * at->u->stride + at->way;
}

static NOINLINE bool find_l1_global(struct tlb_array *a, u64 vpn,
				    struct place *at)
{
	return find_place(a, a->l1[0], 0, vpn, 0, true, at) ||
	       find_place(a, a->l1[1], 0, vpn, 1, true, at);
}

static ALWAYS_INLINE bool find_l1(struct tlb_array *a, u16 pcid, u64 vpn,
				  struct place *at)
{
	if (find_place(a, a->l1[0], pcid, vpn, 0, false, at)) {
		note_slot(a, at->u, place_slot(at));
		return true;
	}
	if (a->nr_live[pcid][a->l1[1]->id] &&
	    find_place(a, a->l1[1], pcid, vpn, 1, false, at))
		return true;
	return unlikely(a->nr_global_l1) && find_l1_global(a, vpn, at);
}

bool tlb_array_hit_scan(struct tlb_array *a, u16 pcid, u64 vpn, bool is_write,
			struct tlb_entry **out)
{
	const u32 may_store = TLB_W | TLB_D;
	struct tlb_entry *e;
	struct place at;

	if (!find_l1(a, pcid, vpn, &at))
		return false;
	e = &at.u->entry[place_slot(&at)];
	if (is_write && (e->flags & may_store) != may_store)
		return false;
	unit_touch(at.u, at.set, at.way);
	a->stats.lookups++;
	*out = e;
	return true;
}

/* An L2 hit: to the L1, unless no L1 takes its size. */
static ALWAYS_INLINE struct tlb_entry *l2_hit(struct tlb_array *a, const struct place *at,
				u32 size)
{
	struct tlb_unit *l1 = a->l1[size];
	u32 slot = place_slot(at);
	struct tlb_entry *e = &at->u->entry[slot];

	if (size)
		a->stats.l2_hits_2m++;
	else
		a->stats.l2_hits_4k++;
	unit_touch(at->u, at->set, at->way);
	if (!l1->nr_slots)
		return e;
	slot = unit_install(a, l1, unit_set(l1, e->vpn, size), e,
			    at->u->tag[slot]);
	return &l1->entry[slot];
}

static ALWAYS_INLINE bool find_l2_4k(struct tlb_array *a, u16 pcid, u64 vpn,
				     struct place *at)
{
	struct tlb_unit *l2 = &a->unit[TLB_L2];
	u32 slot = a->memo_l2[memo_l2_index(vpn)];

	if (likely(l2->tag[slot] == tag_of(a, pcid, vpn, 0))) {
		at->u = l2;
		at->set = unit_set(l2, vpn, 0);
		at->way = slot - at->set * l2->stride;
		return true;
	}
	if (!find_place(a, l2, pcid, vpn, 0, false, at))
		return false;
	note_slot(a, l2, place_slot(at));
	return true;
}

/* All but own 4K entries. */
static NOINLINE enum tlb_level l2_access_others(struct tlb_array *a, u16 pcid,
						u64 vpn,
						struct tlb_entry **out)
{
	struct tlb_unit *l2 = &a->unit[TLB_L2];
	struct place at;

	if (find_place(a, l2, pcid, vpn, 1, false, &at)) {
		*out = l2_hit(a, &at, 1);
		return TLB_HIT_L2;
	}
	for (u32 size = 0; size < 2; size++) {
		if (find_place(a, l2, pcid, vpn, size, true, &at)) {
			*out = l2_hit(a, &at, size);
			return TLB_HIT_L2;
		}
	}
	*out = NULL;
	return TLB_MISS;
}

enum tlb_level tlb_array_access_scan(struct tlb_array *a, u16 pcid, u64 vpn,
				     struct tlb_entry **out)
{
	struct place at;

	a->stats.lookups++;
	if (find_l1(a, pcid, vpn, &at)) {
		unit_touch(at.u, at.set, at.way);
		*out = &at.u->entry[place_slot(&at)];
		return TLB_HIT_L1;
	}
	a->stats.l1_misses++;
	if (find_l2_4k(a, pcid, vpn, &at)) {
		*out = l2_hit(a, &at, 0);
		return TLB_HIT_L2;
	}
	return l2_access_others(a, pcid, vpn, out);
}

void tlb_array_fill(struct tlb_array *a, const struct tlb_entry *e)
{
	u32 size = size_of_order(e->order);
	u64 tag;

	assert(e->pcid < TLB_NR_PCIDS);
	assert(!(e->vpn & tlb_order_mask(e->order)));
	if (!(e->flags & TLB_G) && !a->gen[e->pcid])
		give_generation(a, e->pcid);
	tag = tag_of(a, e->pcid, e->vpn, size);
	if (e->flags & TLB_G)
		tag = as_global(tag);
	a->stats.fills++;
	if (a->l1[size]->nr_slots)
		unit_fill(a, a->l1[size], e, size, tag);
	if (l2_holds(a, size))
		unit_fill(a, &a->unit[TLB_L2], e, size, tag);
}

/* Calls @fn on every entry, in any level, that covers @vpn for @pcid. */
static u32 for_each_match(struct tlb_array *a, u16 pcid, u64 vpn, u32 sizes,
			  void (*fn)(struct tlb_array *, struct tlb_unit *,
				     u32 slot))
{
	u32 nr = 0;

	for (u32 size = 0; size < 2; size++) {
		struct tlb_unit *unit[2] = { a->l1[size], &a->unit[TLB_L2] };

		if (!(sizes & 1u << size))
			continue;
		for (u32 i = 0; i < 4; i++) {
			struct place at;

			if (!find_place(a, unit[i / 2], pcid, vpn, size, i % 2,
					&at))
				continue;
			fn(a, at.u, place_slot(&at));
			nr++;
		}
	}
	return nr;
}

u32 tlb_array_invlpg(struct tlb_array *a, u16 pcid, u64 vpn)
{
	u32 nr = for_each_match(a, pcid, vpn, 3, slot_drop);

	a->stats.dropped_invlpg += nr;
	return nr;
}

static void slot_set_dirty(struct tlb_array *a, struct tlb_unit *u, u32 slot)
{
	u->entry[slot].flags |= TLB_D;
}

u32 tlb_array_set_dirty(struct tlb_array *a, u16 pcid, u64 vpn, u8 order)
{
	return for_each_match(a, pcid, vpn, 1u << size_of_order(order),
			      slot_set_dirty);
}

u32 tlb_array_flush_pcid(struct tlb_array *a, u16 pcid)
{
	u32 *nr_live, nr = 0;

	assert(pcid < TLB_NR_PCIDS);
	nr_live = a->nr_live[pcid];
	for (u32 id = 0; id < TLB_NR_UNITS; id++) {
		nr += nr_live[id];
		a->unit[id].nr_live -= nr_live[id];
		nr_live[id] = 0;
	}
	/* With nothing left behind the generation can serve on. */
	if (nr)
		a->gen[pcid] = 0;
	a->stats.dropped_flush += nr;
	return nr;
}

u32 tlb_array_flush_all(struct tlb_array *a)
{
	u32 nr = 0;

	for (u32 id = 0; id < TLB_NR_UNITS; id++) {
		struct tlb_unit *u = &a->unit[id];

		for (u32 slot = 0; u->nr_live && slot < unit_nr_padded(u);
		     slot++) {
			if (!slot_is_live(a, u, slot))
				continue;
			slot_drop(a, u, slot);
			nr++;
		}
	}
	a->stats.dropped_flush += nr;
	return nr;
}

const struct tlb_entry *tlb_array_slot(const struct tlb_array *a,
				       enum tlb_unit_id id, u32 set, u32 way)
{
	const struct tlb_unit *u = &a->unit[id];
	u32 slot = set * u->stride + way;

	if (!u->nr_slots || set > u->set_mask || way >= u->geo.nr_ways)
		return NULL;
	return slot_is_live(a, u, slot) ? &u->entry[slot] : NULL;
}

/* What tlb_array_check() counts anew, to compare with what is kept. */
struct recount {
	u32 nr_global_l1;
	u32 nr_live[TLB_NR_PCIDS][TLB_NR_UNITS];
};

static const char *check_slot(const struct tlb_array *a, u32 id, u32 slot,
			      struct recount *re)
{
	const struct tlb_unit *u = &a->unit[id];
	const struct tlb_entry *e = &u->entry[slot];
	u64 tag = u->tag[slot];
	u32 set = slot / u->stride, size = e->order == 9;

	if (!slot_is_live(a, u, slot))
		return NULL;
	if (slot % u->stride >= u->geo.nr_ways)
		return "an entry in the padding";
	if (e->order != 0 && e->order != 9)
		return "an entry neither 4K nor 2M";
	if (is_global(tag) != !!(e->flags & TLB_G))
		return "tag and entry disagree on global";
	if ((tag & ~TLB_TAG_GEN) != ((e->vpn & TLB_TAG_VPN) |
				     (size ? TLB_TAG_2M : 0)))
		return "tag and entry disagree on the page";
	if (unit_set(u, e->vpn, size) != set)
		return "an entry in a set of others";
	if (id != TLB_L2 ? u != a->l1[size] : !l2_holds(a, size))
		return "an entry in an array of another size";
	for (u32 other = set * u->stride; other < slot; other++)
		if (u->tag[other] == tag)
			return "two entries of one page";
	if (!is_global(tag))
		re->nr_live[e->pcid][id]++;
	else if (id != TLB_L2)
		re->nr_global_l1++;
	return NULL;
}

static const char *check_units(const struct tlb_array *a, struct recount *re)
{
	for (u32 id = 0; id < TLB_NR_UNITS; id++) {
		const struct tlb_unit *u = &a->unit[id];
		u32 nr_live = 0;

		for (u32 slot = 0; slot < unit_nr_padded(u); slot++) {
			const char *wrong = check_slot(a, id, slot, re);

			if (wrong)
				return wrong;
			nr_live += slot_is_live(a, u, slot);
		}
		if (nr_live != u->nr_live || nr_live > u->nr_slots)
			return "live entries miscounted";
	}
	return NULL;
}

const char *tlb_array_check(const struct tlb_array *a)
{
	struct recount *re = calloc(1, sizeof(*re));
	const char *wrong;

	if (!re)
		return "no memory to check in";
	wrong = check_units(a, re);
	if (!wrong && re->nr_global_l1 != a->nr_global_l1)
		wrong = "global entries miscounted";
	if (!wrong && memcmp(re->nr_live, a->nr_live, sizeof(a->nr_live)) != 0)
		wrong = "entries of a PCID miscounted";
	free(re);
	return wrong;
}

/* Behind tlb.h */

static enum tlb_level op_lookup(struct tlb *tlb, u16 pcid, u64 vpn,
				struct tlb_entry *out)
{
	struct tlb_entry *e;
	enum tlb_level level = tlb_array_access(tlb_to_array(tlb), pcid, vpn,
						&e);

	if (level != TLB_MISS)
		*out = *e;
	return level;
}

static void op_fill(struct tlb *tlb, const struct tlb_entry *e)
{
	tlb_array_fill(tlb_to_array(tlb), e);
}

static u32 op_invlpg(struct tlb *tlb, u16 pcid, u64 vpn)
{
	return tlb_array_invlpg(tlb_to_array(tlb), pcid, vpn);
}

static u32 op_flush_pcid(struct tlb *tlb, u16 pcid)
{
	return tlb_array_flush_pcid(tlb_to_array(tlb), pcid);
}

static u32 op_flush_all(struct tlb *tlb)
{
	return tlb_array_flush_all(tlb_to_array(tlb));
}

static const struct tlb_ops array_ops = {
	.name = "arrays",
	.lookup = op_lookup,
	.fill = op_fill,
	.invlpg = op_invlpg,
	.flush_pcid = op_flush_pcid,
	.flush_all = op_flush_all,
};

static int slots_init(struct tlb_array *a)
{
	struct tlb_unit *u = &a->unit[TLB_L1_4K];

	a->slot = calloc(unit_nr_padded(u), sizeof(*a->slot));
	if (!a->slot)
		return -ENOMEM;
	for (u32 i = 0; i < unit_nr_padded(u); i++)
		a->slot[i] = (struct tlb_slot){
			.tag = &u->tag[i],
			.entry = &u->entry[i],
			.state = &u->state[i / u->stride],
			.touch = u->touch[i % u->stride],
		};
	for (u32 i = 0; i < TLB_NR_MEMO; i++)
		a->memo[i] = &a->slot[0];
	return 0;
}

int tlb_array_create(struct tlb_array **out, const struct tlb_geometry *l1_4k,
		     const struct tlb_geometry *l1_2m,
		     const struct tlb_geometry *l2)
{
	const struct tlb_geometry *geo[TLB_NR_UNITS] = { l1_4k, l1_2m, l2 };
	struct tlb_array *a = calloc(1, sizeof(*a));
	int err = -EINVAL;

	if (!a)
		return -ENOMEM;
	/* Every machine has an L1 for 4K; that it holds 4K is what it is. */
	if (!l1_4k->nr_ways || !(l1_4k->page_sizes & TLB_HOLDS_4K))
		goto err_destroy;
	if (l1_2m->nr_ways && !(l1_2m->page_sizes & TLB_HOLDS_2M))
		goto err_destroy;
	for (u32 id = 0; id < TLB_NR_UNITS; id++) {
		a->unit[id].id = id;
		err = unit_init(&a->unit[id], geo[id]);
		if (err)
			goto err_destroy;
	}
	err = slots_init(a);
	if (err)
		goto err_destroy;
	a->tlb.ops = &array_ops;
	a->next_gen = 2;
	a->l1[0] = &a->unit[TLB_L1_4K];
	a->l1[1] = &a->unit[TLB_L1_2M];
	if (!l1_2m->nr_ways && (l1_4k->page_sizes & TLB_HOLDS_2M))
		a->l1[1] = a->l1[0];
	tlb_array_seed(a, 0);
	*out = a;
	return 0;

err_destroy:
	tlb_array_destroy(a);
	return err;
}

void tlb_array_seed(struct tlb_array *a, u64 seed)
{
	struct rng root;

	rng_init(&root, seed);
	for (u32 id = 0; id < TLB_NR_UNITS; id++)
		rng_split(&root, id, &a->unit[id].rng);
}

void tlb_array_destroy(struct tlb_array *a)
{
	if (!a)
		return;
	for (u32 id = 0; id < TLB_NR_UNITS; id++)
		unit_free(&a->unit[id]);
	free(a->slot);
	free(a);
}
