#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tlb/array.h"

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

static u32 tree_victim(u32 nr_ways, u64 state)
{
	u32 node = 0, way = 0;

	for (u32 half = nr_ways / 2; half; half /= 2) {
		u32 right = state >> node & 1;

		way += right ? half : 0;
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
	u32 group = ((state >> MRU_SHIFT & 3) + 1) % 3;

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
static u32 policy_victim(struct tlb_unit *u, u32 set)
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

/* One array */

static int unit_init(struct tlb_unit *u, const struct tlb_geometry *geo)
{
	size_t nr_sets = geo->nr_ways ? geo->nr_sets : 1;
	size_t nr_padded, nr_ways = geo->nr_ways;
	bool has_stamps;

	if (nr_ways && !tlb_geometry_is_valid(geo))
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
	u->is_lru = geo->replacement == TLB_REPL_LRU;
	has_stamps = u->is_lru || geo->replacement == TLB_REPL_FIFO;
	u->saturated = ~0ull;
	if (geo->replacement == TLB_REPL_NRU && nr_ways < 64)
		u->saturated = (1ull << nr_ways) - 1;

	nr_padded = nr_sets * u->stride;
	u->tag = malloc(nr_padded * sizeof(*u->tag));
	u->entry = calloc(nr_padded, sizeof(*u->entry));
	u->state = calloc(nr_sets, sizeof(*u->state));
	u->touch = calloc(u->stride, sizeof(*u->touch));
	if (has_stamps)
		u->stamp = calloc(nr_padded, sizeof(*u->stamp));
	if (!u->tag || !u->entry || !u->state || !u->touch ||
	    (has_stamps && !u->stamp))
		return -ENOMEM;
	memset(u->tag, 0xff, nr_padded * sizeof(*u->tag));
	for (u32 way = 0; way < nr_ways; way++)
		u->touch[way] = policy_touch(geo, way);
	return 0;
}

static void unit_free(struct tlb_unit *u)
{
	free(u->tag);
	free(u->entry);
	free(u->state);
	free(u->touch);
	free(u->stamp);
}

static u64 tag_of(const struct tlb_array *a, u16 pcid, u64 vpn, u32 size)
{
	u64 tag = a->pcid[pcid].gen | (vpn & TLB_TAG_VPN);

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

static u32 unit_find(const struct tlb_unit *u, u64 vpn, u32 size, u64 tag)
{
	u32 base = tlb_unit_set(u, size ? vpn >> 9 : vpn) * u->stride;
	u32 way = tlb_unit_find(u, u->tag + base, tag);

	return way == TLB_NO_SLOT ? way : base + way;
}

static bool slot_is_live(const struct tlb_array *a, const struct tlb_unit *u,
			 u32 slot)
{
	u64 tag = u->tag[slot];

	if (tag == TLB_TAG_EMPTY)
		return false;
	return is_global(tag) ||
	       (tag & TLB_TAG_GEN) == a->pcid[u->entry[slot].pcid].gen;
}

static void count_live(struct tlb_array *a, struct tlb_unit *u, u32 slot,
		       u32 delta)
{
	u32 id = (u32)(u - a->unit);

	u->nr_live += delta;
	if (!is_global(u->tag[slot]))
		a->pcid[u->entry[slot].pcid].nr_live[id] += delta;
	else if (id != TLB_L2)
		a->nr_global_l1 += delta;
}

static void slot_drop(struct tlb_array *a, struct tlb_unit *u, u32 slot)
{
	count_live(a, u, slot, -1u);
	u->tag[slot] = TLB_TAG_EMPTY;
}

/* A free way of @set, or the policy's victim, counted out. What a flushed
 * PCID left behind is as free as what was never filled. */
static u32 unit_make_room(struct tlb_array *a, struct tlb_unit *u, u32 set)
{
	u32 base = set * u->stride;
	u32 way;

	if (u->nr_live != u->nr_slots)
		for (way = 0; way < u->geo.nr_ways; way++)
			if (!slot_is_live(a, u, base + way))
				return way;
	way = policy_victim(u, set);
	count_live(a, u, base + way, -1u);
	a->stats.evictions[u - a->unit]++;
	return way;
}

/* @e, which the set does not hold, takes a way. Return: its slot. */
static u32 unit_install(struct tlb_array *a, struct tlb_unit *u, u32 set,
			const struct tlb_entry *e, u64 tag)
{
	u32 way = unit_make_room(a, u, set);
	u32 slot = set * u->stride + way;

	u->tag[slot] = tag;
	u->entry[slot] = *e;
	count_live(a, u, slot, 1);
	if (u->stamp)
		u->stamp[slot] = ++u->clock;
	tlb_unit_touch(u, set, way);
	return slot;
}

/* A walk's result supersedes whatever its page had under its PCID: it takes
 * that way, and where an own and a global entry were both there, one goes. */
static void unit_fill(struct tlb_array *a, struct tlb_unit *u,
		      const struct tlb_entry *e, u32 size, u64 tag)
{
	u32 set = tlb_unit_set(u, size ? e->vpn >> 9 : e->vpn);
	u64 own_tag = tag_of(a, e->pcid, e->vpn, size);
	u32 own = unit_find(u, e->vpn, size, own_tag);
	u32 global = unit_find(u, e->vpn, size, as_global(tag));
	u32 slot = own != TLB_NO_SLOT ? own : global;

	if (slot == TLB_NO_SLOT) {
		unit_install(a, u, set, e, tag);
		return;
	}
	if (own != TLB_NO_SLOT && global != TLB_NO_SLOT)
		slot_drop(a, u, global);
	count_live(a, u, slot, -1u);
	u->tag[slot] = tag;
	u->entry[slot] = *e;
	count_live(a, u, slot, 1);
	tlb_unit_touch(u, set, slot - set * u->stride);
}

/* Generations */

/* All generations are used up: clear what flushes left behind and number the
 * PCIDs that hold something anew. Once in 2^18 flushes. */
static void renumber(struct tlb_array *a)
{
	for (u32 id = 0; id < TLB_NR_UNITS; id++) {
		struct tlb_unit *u = &a->unit[id];

		for (u32 slot = 0; slot <= u->set_mask * u->stride +
		     u->stride - 1; slot++)
			if (!slot_is_live(a, u, slot))
				u->tag[slot] = TLB_TAG_EMPTY;
	}
	a->next_gen = 2;
	for (u32 i = 0; i < TLB_NR_PCIDS; i++) {
		struct tlb_pcid *p = &a->pcid[i];
		u32 nr = 0;

		for (u32 id = 0; id < TLB_NR_UNITS; id++)
			nr += p->nr_live[id];
		p->gen = nr ? (u64)a->next_gen++ << TLB_TAG_GEN_SHIFT : 0;
	}
	for (u32 id = 0; id < TLB_NR_UNITS; id++) {
		struct tlb_unit *u = &a->unit[id];

		for (u32 slot = 0; slot <= u->set_mask * u->stride +
		     u->stride - 1; slot++) {
			u64 tag = u->tag[slot];

			if (tag == TLB_TAG_EMPTY || is_global(tag))
				continue;
			u->tag[slot] = (tag & ~TLB_TAG_GEN) |
				       a->pcid[u->entry[slot].pcid].gen;
		}
	}
}

static void give_generation(struct tlb_array *a, u16 pcid)
{
	if (a->next_gen == TLB_TAG_MAX_GEN)
		renumber(a);
	a->pcid[pcid].gen = (u64)a->next_gen++ << TLB_TAG_GEN_SHIFT;
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

/* The slot of @u that answers for @vpn with an entry of one kind. */
static u32 unit_lookup(const struct tlb_array *a, const struct tlb_unit *u,
		       u16 pcid, u64 vpn, u32 size, bool want_global)
{
	u64 tag = tag_of(a, pcid, vpn, size);

	return unit_find(u, vpn, size, want_global ? as_global(tag) : tag);
}

static void slot_access(struct tlb_unit *u, u32 slot)
{
	u32 set = slot / u->stride;

	tlb_unit_touch(u, set, slot - set * u->stride);
}

static struct tlb_entry *l1_lookup(struct tlb_array *a, u16 pcid, u64 vpn)
{
	for (u32 want_global = 0; want_global < 2; want_global++) {
		if (want_global && !a->nr_global_l1)
			break;
		for (u32 size = 0; size < 2; size++) {
			struct tlb_unit *u = a->l1[size];
			u32 slot = unit_lookup(a, u, pcid, vpn, size,
					       want_global);

			if (slot == TLB_NO_SLOT)
				continue;
			slot_access(u, slot);
			return &u->entry[slot];
		}
	}
	return NULL;
}

/* An L2 hit: to the L1, unless no L1 takes its size. */
static struct tlb_entry *l2_hit(struct tlb_array *a, u32 slot, u32 size)
{
	struct tlb_unit *l2 = &a->unit[TLB_L2], *l1 = a->l1[size];
	struct tlb_entry *e = &l2->entry[slot];

	if (size)
		a->stats.l2_hits_2m++;
	else
		a->stats.l2_hits_4k++;
	slot_access(l2, slot);
	if (!l1->nr_slots)
		return e;
	slot = unit_install(a, l1, tlb_unit_set(l1, size ? e->vpn >> 9 :
						e->vpn), e, l2->tag[slot]);
	return &l1->entry[slot];
}

enum tlb_level tlb_array_access_slow(struct tlb_array *a, u16 pcid, u64 vpn,
				     bool is_write, struct tlb_entry **out)
{
	struct tlb_unit *l2 = &a->unit[TLB_L2];

	a->stats.lookups++;
	/* A load that tlb_array_hit() refused can hit a global entry only. */
	if (is_write || a->nr_global_l1) {
		*out = l1_lookup(a, pcid, vpn);
		if (*out)
			return TLB_HIT_L1;
	}
	a->stats.l1_misses++;
	for (u32 want_global = 0; want_global < 2; want_global++) {
		for (u32 size = 0; size < 2; size++) {
			u32 slot = unit_lookup(a, l2, pcid, vpn, size,
					       want_global);

			if (slot == TLB_NO_SLOT)
				continue;
			*out = l2_hit(a, slot, size);
			return TLB_HIT_L2;
		}
	}
	*out = NULL;
	return TLB_MISS;
}

void tlb_array_fill(struct tlb_array *a, const struct tlb_entry *e)
{
	u32 size = size_of_order(e->order);
	u64 tag;

	assert(e->pcid < TLB_NR_PCIDS);
	assert(!(e->vpn & tlb_order_mask(e->order)));
	if (!(e->flags & TLB_G) && !a->pcid[e->pcid].gen)
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
			u32 slot = unit_lookup(a, unit[i / 2], pcid, vpn, size,
					       i % 2);

			if (slot == TLB_NO_SLOT)
				continue;
			fn(a, unit[i / 2], slot);
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
	struct tlb_pcid *p = &a->pcid[pcid];
	u32 nr = 0;

	for (u32 id = 0; id < TLB_NR_UNITS; id++) {
		nr += p->nr_live[id];
		a->unit[id].nr_live -= p->nr_live[id];
		p->nr_live[id] = 0;
	}
	/* With nothing left behind the generation can serve on. */
	if (nr)
		p->gen = 0;
	a->stats.dropped_flush += nr;
	return nr;
}

u32 tlb_array_flush_all(struct tlb_array *a)
{
	u32 nr = 0;

	for (u32 id = 0; id < TLB_NR_UNITS; id++) {
		struct tlb_unit *u = &a->unit[id];
		u32 nr_padded = (u->set_mask + 1) * u->stride;

		for (u32 slot = 0; slot < nr_padded && u->nr_live; slot++) {
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
	struct tlb_pcid *pcid;
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
	if (tlb_unit_set(u, size ? e->vpn >> 9 : e->vpn) != set)
		return "an entry in a set of others";
	if (id != TLB_L2 ? &a->unit[id] != a->l1[size] : !l2_holds(a, size))
		return "an entry in an array of another size";
	for (u32 other = set * u->stride; other < slot; other++)
		if (u->tag[other] == tag)
			return "two entries of one page";
	if (!is_global(tag))
		re->pcid[e->pcid].nr_live[id]++;
	else if (id != TLB_L2)
		re->nr_global_l1++;
	return NULL;
}

static const char *check_units(const struct tlb_array *a, struct recount *re)
{
	for (u32 id = 0; id < TLB_NR_UNITS; id++) {
		const struct tlb_unit *u = &a->unit[id];
		u32 nr_padded = (u->set_mask + 1) * u->stride, nr_live = 0;

		for (u32 slot = 0; slot < nr_padded; slot++) {
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
	struct recount re = {
		.pcid = calloc(TLB_NR_PCIDS, sizeof(*re.pcid)),
	};
	const char *wrong;

	if (!re.pcid)
		return "no memory to check in";
	wrong = check_units(a, &re);
	if (!wrong && re.nr_global_l1 != a->nr_global_l1)
		wrong = "global entries miscounted";
	for (u32 i = 0; !wrong && i < TLB_NR_PCIDS; i++)
		if (memcmp(re.pcid[i].nr_live, a->pcid[i].nr_live,
			   sizeof(re.pcid[i].nr_live)) != 0)
			wrong = "entries of a PCID miscounted";
	free(re.pcid);
	return wrong;
}

/* Behind tlb.h */

static enum tlb_level op_lookup(struct tlb *tlb, u16 pcid, u64 vpn,
				struct tlb_entry *out)
{
	struct tlb_entry *e;
	enum tlb_level level = tlb_array_access(tlb_to_array(tlb), pcid, vpn,
						false, &e);

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
		err = unit_init(&a->unit[id], geo[id]);
		if (err)
			goto err_destroy;
	}
	err = -ENOMEM;
	a->pcid = calloc(TLB_NR_PCIDS, sizeof(*a->pcid));
	if (!a->pcid)
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
	free(a->pcid);
	free(a);
}
