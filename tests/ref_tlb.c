#include <stdlib.h>

#include "tests/ref_tlb.h"

enum { L1_4K, L1_2M, L2 };

/* Replacement, each as its definition reads */

static void tree_access(bool *right_is_next, u32 node, u32 lo, u32 hi, u32 way)
{
	u32 middle = (lo + hi) / 2;

	if (hi - lo == 1)
		return;
	if (way < middle) {
		right_is_next[node] = true;
		tree_access(right_is_next, 2 * node, lo, middle, way);
	} else {
		right_is_next[node] = false;
		tree_access(right_is_next, 2 * node + 1, middle, hi, way);
	}
}

static u32 tree_victim(const bool *right_is_next, u32 node, u32 lo, u32 hi)
{
	u32 middle = (lo + hi) / 2;

	if (hi - lo == 1)
		return lo;
	if (right_is_next[node])
		return tree_victim(right_is_next, 2 * node + 1, middle, hi);
	return tree_victim(right_is_next, 2 * node, lo, middle);
}

static void list_move_to_front(struct ref_set *s, u32 way)
{
	u32 i = 0;

	while (i < s->nr_order && s->order[i] != way)
		i++;
	if (i == s->nr_order)
		s->nr_order++;
	for (; i > 0; i--)
		s->order[i] = s->order[i - 1];
	s->order[0] = way;
}

static void nru_access(struct ref_set *s, u32 nr_ways, u32 way)
{
	bool is_all = true;

	s->referenced[way] = true;
	for (u32 i = 0; i < nr_ways; i++)
		is_all = is_all && s->referenced[i];
	if (!is_all)
		return;
	for (u32 i = 0; i < nr_ways; i++)
		s->referenced[i] = i == way;
}

static void way_access(struct ref_unit *u, struct ref_set *s, u32 way,
		       bool is_fill)
{
	u32 nr_ways = u->geo.nr_ways;

	switch (u->geo.replacement) {
	case TLB_REPL_TREE_PLRU:
		tree_access(s->right_is_next[0], 1, 0, nr_ways, way);
		break;
	case TLB_REPL_MRU1_3PLRU4:
		tree_access(s->right_is_next[way / 4], 1, 0, 4, way % 4);
		s->last_group = way / 4;
		break;
	case TLB_REPL_LRU:
		list_move_to_front(s, way);
		break;
	case TLB_REPL_FIFO:
		if (is_fill)
			list_move_to_front(s, way);
		break;
	case TLB_REPL_NRU:
		nru_access(s, nr_ways, way);
		break;
	default:
		break;
	}
}

static u32 way_victim(struct ref_unit *u, struct ref_set *s)
{
	u32 nr_ways = u->geo.nr_ways, group;

	switch (u->geo.replacement) {
	case TLB_REPL_TREE_PLRU:
		return tree_victim(s->right_is_next[0], 1, 0, nr_ways);
	case TLB_REPL_MRU1_3PLRU4:
		group = (s->last_group + 1) % 3;
		return 4 * group + tree_victim(s->right_is_next[group], 1, 0,
					       4);
	case TLB_REPL_LRU:
	case TLB_REPL_FIFO:
		return s->order[s->nr_order - 1];
	case TLB_REPL_RANDOM:
		return (u32)rng_below(&u->rng, nr_ways);
	default:
		for (u32 i = 0; i < nr_ways; i++)
			if (!s->referenced[i])
				return i;
		return 0;       /* one way */
	}
}

/* Arrays */

static struct ref_set *set_of(struct ref_unit *u, u64 vpn, u8 order)
{
	u64 page = vpn >> order, set = 0;
	u32 n = u->geo.index_bits;

	for (u32 bit = 0; bit < n; bit++) {
		u64 value = page >> bit & 1;

		if (u->geo.index == TLB_INDEX_XOR)
			value ^= page >> (n + bit) & 1;
		set |= value << bit;
	}
	return &u->set[set];
}

static struct ref_unit *l1_of(struct ref_tlb *r, u8 order)
{
	if (order == 0)
		return &r->unit[L1_4K];
	if (r->unit[L1_2M].geo.nr_ways)
		return &r->unit[L1_2M];
	if (r->unit[L1_4K].geo.page_sizes & TLB_HOLDS_2M)
		return &r->unit[L1_4K];
	return NULL;
}

static struct ref_unit *l2_of(struct ref_tlb *r, u8 order)
{
	struct ref_unit *u = &r->unit[L2];

	if (!u->geo.nr_ways)
		return NULL;
	if (!(u->geo.page_sizes & (order ? TLB_HOLDS_2M : TLB_HOLDS_4K)))
		return NULL;
	return u;
}

/* The way that translates @vpn at @order: own entries of @pcid, or global
 * ones. -1: none. */
static int find(struct ref_unit *u, u16 pcid, u64 vpn, u8 order, bool is_global)
{
	struct ref_set *s;

	if (!u)
		return -1;
	s = set_of(u, vpn, order);
	for (u32 i = 0; i < u->geo.nr_ways; i++) {
		const struct tlb_entry *e = &s->way[i].e;

		if (s->way[i].is_valid && e->order == order &&
		    tlb_entry_covers(e, vpn) &&
		    (is_global ? (e->flags & TLB_G) != 0 :
		     !(e->flags & TLB_G) && e->pcid == pcid))
			return (int)i;
	}
	return -1;
}

static void install(struct ref_tlb *r, struct ref_unit *u,
		    const struct tlb_entry *e)
{
	struct ref_set *s = set_of(u, e->vpn, e->order);
	u32 way = 0;

	while (way < u->geo.nr_ways && s->way[way].is_valid)
		way++;
	if (way == u->geo.nr_ways) {
		way = way_victim(u, s);
		r->stats.evictions[u - r->unit]++;
	}
	s->way[way].is_valid = true;
	s->way[way].e = *e;
	way_access(u, s, way, true);
}

static void fill(struct ref_tlb *r, struct ref_unit *u,
		 const struct tlb_entry *e)
{
	struct ref_set *s;
	int own, global;

	if (!u)
		return;
	s = set_of(u, e->vpn, e->order);
	own = find(u, e->pcid, e->vpn, e->order, false);
	global = find(u, e->pcid, e->vpn, e->order, true);
	if (own < 0 && global < 0) {
		install(r, u, e);
		return;
	}
	if (own >= 0 && global >= 0)
		s->way[global].is_valid = false;
	if (own < 0)
		own = global;
	s->way[own].e = *e;
	way_access(u, s, (u32)own, false);
}

struct ref_tlb *ref_tlb_create(const struct tlb_geometry geo[REF_NR_UNITS],
			       u64 seed)
{
	struct ref_tlb *r = calloc(1, sizeof(*r));
	struct rng root;
	u32 nr = 0;

	rng_init(&root, seed);
	for (u32 i = 0; r && i < REF_NR_UNITS; i++) {
		struct ref_unit *u = &r->unit[i];

		u->geo = geo[i];
		if (u->geo.nr_ways)
			rng_split(&root, nr++, &u->rng);
		u->set = calloc(u->geo.nr_ways ? u->geo.nr_sets : 1,
				sizeof(*u->set));
		if (!u->set)
			abort();
	}
	return r;
}

void ref_tlb_destroy(struct ref_tlb *r)
{
	for (u32 i = 0; i < REF_NR_UNITS; i++)
		free(r->unit[i].set);
	free(r);
}

/* ORDER of answers: own 4K, own 2M, global 4K, global 2M. */
static const struct {
	u8 order;
	bool is_global;
} answer[] = { { 0, false }, { 9, false }, { 0, true }, { 9, true } };

enum tlb_level ref_tlb_lookup(struct ref_tlb *r, u16 pcid, u64 vpn,
			      struct tlb_entry *out)
{
	r->stats.lookups++;
	for (u32 i = 0; i < ARRAY_LEN(answer); i++) {
		struct ref_unit *u = l1_of(r, answer[i].order);
		int way = find(u, pcid, vpn, answer[i].order,
			       answer[i].is_global);

		if (way >= 0) {
			struct ref_set *s = set_of(u, vpn, answer[i].order);

			way_access(u, s, (u32)way, false);
			*out = s->way[way].e;
			return TLB_HIT_L1;
		}
	}
	r->stats.l1_misses++;
	for (u32 i = 0; i < ARRAY_LEN(answer); i++) {
		struct ref_unit *u = l2_of(r, answer[i].order);
		int way = find(u, pcid, vpn, answer[i].order,
			       answer[i].is_global);

		if (way >= 0) {
			struct ref_set *s = set_of(u, vpn, answer[i].order);

			way_access(u, s, (u32)way, false);
			*out = s->way[way].e;
			if (answer[i].order)
				r->stats.l2_hits_2m++;
			else
				r->stats.l2_hits_4k++;
			if (l1_of(r, answer[i].order))
				install(r, l1_of(r, answer[i].order), out);
			return TLB_HIT_L2;
		}
	}
	return TLB_MISS;
}

void ref_tlb_fill(struct ref_tlb *r, const struct tlb_entry *e)
{
	r->stats.fills++;
	fill(r, l1_of(r, e->order), e);
	fill(r, l2_of(r, e->order), e);
}

/* Every way of every array, asked one by one. */
static u32 for_all(struct ref_tlb *r,
		   bool (*is_it)(const struct tlb_entry *e, u16 pcid, u64 vpn,
				 u8 order),
		   u16 pcid, u64 vpn, u8 order, bool is_drop)
{
	u32 nr = 0;

	for (u32 id = 0; id < REF_NR_UNITS; id++) {
		struct ref_unit *u = &r->unit[id];

		for (u32 set = 0; u->geo.nr_ways && set < u->geo.nr_sets; set++)
			for (u32 i = 0; i < u->geo.nr_ways; i++) {
				struct ref_way *w = &u->set[set].way[i];

				if (!w->is_valid ||
				    !is_it(&w->e, pcid, vpn, order))
					continue;
				nr++;
				if (is_drop)
					w->is_valid = false;
				else
					w->e.flags |= TLB_D;
			}
	}
	return nr;
}

static bool is_page(const struct tlb_entry *e, u16 pcid, u64 vpn, u8 order)
{
	return tlb_entry_covers(e, vpn) &&
	       ((e->flags & TLB_G) || e->pcid == pcid);
}

static bool is_page_of_order(const struct tlb_entry *e, u16 pcid, u64 vpn,
			     u8 order)
{
	return e->order == order && is_page(e, pcid, vpn, order);
}

static bool is_own(const struct tlb_entry *e, u16 pcid, u64 vpn, u8 order)
{
	return !(e->flags & TLB_G) && e->pcid == pcid;
}

static bool is_any(const struct tlb_entry *e, u16 pcid, u64 vpn, u8 order)
{
	return true;
}

u32 ref_tlb_set_dirty(struct ref_tlb *r, u16 pcid, u64 vpn, u8 order)
{
	return for_all(r, is_page_of_order, pcid, vpn, order, false);
}

u32 ref_tlb_invlpg(struct ref_tlb *r, u16 pcid, u64 vpn)
{
	u32 nr = for_all(r, is_page, pcid, vpn, 0, true);

	r->stats.dropped_invlpg += nr;
	return nr;
}

u32 ref_tlb_flush_pcid(struct ref_tlb *r, u16 pcid)
{
	u32 nr = for_all(r, is_own, pcid, 0, 0, true);

	r->stats.dropped_flush += nr;
	return nr;
}

u32 ref_tlb_flush_all(struct ref_tlb *r)
{
	u32 nr = for_all(r, is_any, 0, 0, 0, true);

	r->stats.dropped_flush += nr;
	return nr;
}
