#include <stdlib.h>

#include "tests/ref_tlb.h"

/* ---- replacement, each as its definition reads ------------------------------ */

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

/* Return: the new length. */
static u32 move_to_front(u32 *list, u32 nr, u32 value)
{
	u32 i = 0;

	while (i < nr && list[i] != value)
		i++;
	if (i == nr)
		nr++;
	for (; i > 0; i--)
		list[i] = list[i - 1];
	list[0] = value;
	return nr;
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

static void way_access(struct ref_array *a, struct ref_set *s, u32 way,
		       bool is_fill)
{
	switch (a->geo.replacement) {
	case TLB_REPL_TREE_PLRU:
		tree_access(s->right_is_next[0], 1, 0, a->nr_ways, way);
		break;
	case TLB_REPL_MRU1_3PLRU4:
	case TLB_REPL_LRU_3PLRU4:
		tree_access(s->right_is_next[way / 4], 1, 0, 4, way % 4);
		move_to_front(s->groups, 3, way / 4);
		break;
	case TLB_REPL_LRU:
		s->nr_order = move_to_front(s->order, s->nr_order, way);
		break;
	case TLB_REPL_FIFO:
		if (is_fill)
			s->nr_order = move_to_front(s->order, s->nr_order, way);
		break;
	case TLB_REPL_NRU:
		nru_access(s, a->nr_ways, way);
		break;
	default:
		break;
	}
}

static u32 way_victim(struct ref_array *a, struct ref_set *s)
{
	u32 group;

	switch (a->geo.replacement) {
	case TLB_REPL_TREE_PLRU:
		return tree_victim(s->right_is_next[0], 1, 0, a->nr_ways);
	case TLB_REPL_MRU1_3PLRU4:
	case TLB_REPL_LRU_3PLRU4:
		group = a->geo.replacement == TLB_REPL_LRU_3PLRU4 ?
			s->groups[2] : (s->groups[0] + 1) % 3;
		return 4 * group + tree_victim(s->right_is_next[group], 1, 0,
					       4);
	case TLB_REPL_LRU:
	case TLB_REPL_FIFO:
		return s->order[s->nr_order - 1];
	case TLB_REPL_RANDOM:
		return (u32)rng_below(&a->rng, a->nr_ways);
	default:
		for (u32 i = 0; i < a->nr_ways; i++)
			if (!s->referenced[i])
				return i;
		return 0;       /* one way */
	}
}

/* ---- arrays ------------------------------------------------------------------ */

struct ref_tlb *ref_tlb_create(const struct tlb_design *d, u32 nr_threads,
			       u64 seed)
{
	struct ref_tlb *r = calloc(1, sizeof(*r));
	struct rng root;

	rng_init(&root, seed);
	r->design = *d;
	r->bits = d->leaf_bits ? d->leaf_bits : 9;
	r->nr_threads = nr_threads;
	for (u32 i = 0; i < d->nr_arrays; i++) {
		struct ref_array *a = &r->array[i];
		u32 smt = nr_threads > 1 ? d->array[i].smt : TLB_SMT_COMPETE;

		a->geo = d->array[i];
		a->nr_ways = a->geo.nr_ways;
		a->own_sets = a->nr_sets = a->geo.nr_sets;
		a->is_shared = smt == TLB_SMT_COMPETE;
		if (smt == TLB_SMT_PRIVATE)
			a->nr_sets *= nr_threads;
		if (smt == TLB_SMT_SPLIT && a->nr_sets > 1)
			a->own_sets /= nr_threads;
		else if (smt == TLB_SMT_SPLIT) {
			a->nr_ways /= nr_threads;
			a->nr_sets = nr_threads;
		}
		a->set = calloc(a->nr_sets, sizeof(*a->set));
		if (!a->set)
			abort();
		for (u32 s = 0; s < a->nr_sets; s++)
			for (u32 g = 0; g < 3; g++)
				a->set[s].groups[g] =
					a->geo.replacement ==
					TLB_REPL_LRU_3PLRU4 ? 2 - g : g;
		rng_split(&root, i, &a->rng);
	}
	return r;
}

void ref_tlb_destroy(struct ref_tlb *r)
{
	for (u32 i = 0; i < r->design.nr_arrays; i++)
		free(r->array[i].set);
	free(r);
}

static u32 log2_of(u32 n)
{
	return n == 1 ? 0 : 1 + log2_of(n / 2);
}

/* Addresses have 57 bits. */
static u64 page_of(u64 vpn, u8 order)
{
	return vpn % (1ull << 45) >> order;
}

static struct ref_set *set_of(struct ref_array *a, u32 thread, u64 page)
{
	u64 set = page % a->own_sets;

	if (a->geo.index == TLB_INDEX_XOR)
		set ^= (page >> log2_of(a->own_sets)) % a->own_sets;
	return &a->set[set + (a->is_shared ? 0 : thread * a->own_sets)];
}

/* Is the bit above those of the index set? */
static bool is_twin_b(const struct ref_array *a, u64 page)
{
	u64 rest = page / a->own_sets;

	if (a->geo.index == TLB_INDEX_XOR)
		rest /= a->own_sets;
	return rest & 1;
}

enum kind { PAGE_4K, BLOCK, PAGE_2M, BLOCK_2M, PAGE_1G };

static enum kind kind_of(const struct ref_tlb *r, const struct tlb_entry *e)
{
	return e->order == 0 ? PAGE_4K : e->order < r->bits ? BLOCK :
	       e->order == r->bits ? PAGE_2M :
	       e->order < 2 * r->bits ? BLOCK_2M : PAGE_1G;
}

static bool is_block(enum kind k)
{
	return k == BLOCK || k == BLOCK_2M;
}

/* What a leaf of the page table is; a block is of so many. */
static u8 leaf_order(const struct ref_tlb *r, const struct tlb_entry *e)
{
	static const u8 times[] = { 0, 0, 1, 1, 2 };

	if (e->piece_of && e->piece_of < TLB_FRACTURED)
		return e->piece_of;
	return (u8)(times[kind_of(r, e)] * r->bits);
}

static bool is_same_family(enum kind x, enum kind y)
{
	return x == y || (x <= BLOCK && y <= BLOCK) ||
	       (x == PAGE_2M && y == BLOCK_2M) ||
	       (x == BLOCK_2M && y == PAGE_2M);
}

static bool overlap(const struct tlb_entry *x, const struct tlb_entry *y)
{
	return x->vpn < y->vpn + (1ull << y->order) &&
	       y->vpn < x->vpn + (1ull << x->order);
}

static u32 size_of(const struct ref_tlb *r, u8 leaf)
{
	return leaf / r->bits;
}

/* Calls @fn on every valid way. */
#define FOR_EACH(r, a, s, w) \
	for (struct ref_array *a = (r)->array; \
	     a < (r)->array + (r)->design.nr_arrays; a++) \
		for (struct ref_set *s = a->set; s < a->set + a->nr_sets; s++) \
			for (struct ref_way *w = s->way; \
			     w < s->way + a->nr_ways; w++) \
				if (w->is_valid)

/* Which arrays of @level hold @size whole for @use? */
static u32 takers(struct ref_tlb *r, u32 level, enum tlb_use use, u32 size,
		  struct ref_array *out[2])
{
	u32 nr = 0;

	for (u32 i = 0; i < r->design.nr_arrays; i++) {
		struct ref_array *a = &r->array[i];

		if (a->geo.level == level && a->geo.serves & 1u << use &&
		    a->geo.page_sizes & 1u << size)
			out[nr++] = a;
	}
	return nr;
}

/* The same of a leaf of *@size, which becomes that of its pieces where the
 * level has no array for the whole. */
static u32 homes(struct ref_tlb *r, u32 level, enum tlb_use use, u32 *size,
		 struct ref_array *out[2])
{
	struct ref_array *other[2];
	u32 nr = takers(r, level, use, *size, out), whole = *size, dummy = whole;

	if (nr)
		return nr;
	while (*size > 0) {
		nr = takers(r, level, use, --*size, out);
		if (nr && out[0]->geo.takes_pieces)
			return nr;
	}
	*size = whole;
	if (level != 1 || homes(r, 2, use, &dummy, other))
		return 0;
	/* Nobody else has it. */
	while (*size > 0) {
		nr = takers(r, level, use, --*size, out);
		if (nr)
			return nr;
	}
	return 0;
}

static struct tlb_entry cut(const struct ref_tlb *r, const struct tlb_entry *e,
			    u64 vpn, u8 order)
{
	u8 leaf = leaf_order(r, e);
	struct tlb_entry piece = *e;

	piece.vpn = vpn >> order << order;
	piece.pfn = e->pfn + piece.vpn - e->vpn;
	piece.order = order;
	if (!(e->piece_of & TLB_FRACTURED))
		piece.piece_of = leaf > order ? leaf : 0;
	return piece;
}

static void evicted(struct ref_tlb *r, struct ref_array *from, u32 thread,
		    const struct ref_way *v)
{
	r->stats[thread].evictions[from - r->array]++;
	if (!r->design.is_inclusive || from->geo.level != 2)
		return;
	FOR_EACH(r, a, s, w) {
		if (a->geo.level != 1 || !(a->geo.serves & from->geo.serves))
			continue;
		if (w->thread != v->thread || !overlap(&w->e, &v->e) ||
		    leaf_order(r, &w->e) != leaf_order(r, &v->e) ||
		    (w->e.flags & TLB_G) != (v->e.flags & TLB_G) ||
		    (!(w->e.flags & TLB_G) && w->e.pcid != v->e.pcid))
			continue;
		w->is_valid = false;
		r->stats[thread].dropped_inclusive++;
	}
}

static struct tlb_entry *put(struct ref_tlb *r, struct ref_array *a,
			     u32 thread, const struct tlb_entry *e)
{
	struct ref_set *s = set_of(a, thread, page_of(e->vpn, e->order));
	struct ref_way old;
	u32 way = 0;

	while (way < a->nr_ways && s->way[way].is_valid)
		way++;
	old.is_valid = way == a->nr_ways;
	if (old.is_valid) {
		way = way_victim(a, s);
		old = s->way[way];
	}
	s->way[way] = (struct ref_way){ true, thread, *e };
	way_access(a, s, way, true);
	if (old.is_valid)
		evicted(r, a, thread, &old);
	return &s->way[way].e;
}

/* @e in @a; what the @nr arrays of @home hold of its pages goes. */
static struct tlb_entry *supersede(struct ref_tlb *r, struct ref_array *a,
				   struct ref_array *const home[2], u32 nr,
				   u32 thread, u16 pcid,
				   const struct tlb_entry *e)
{
	struct ref_way *keep = NULL;
	struct ref_set *keep_set = NULL;

	for (u32 pass = 0; pass < 2; pass++)
		FOR_EACH(r, b, s, w) {
			bool is_global = w->e.flags & TLB_G;

			if (b != home[0] && b != home[nr - 1])
				continue;
			if (w->thread != thread || is_global != (pass == 1) ||
			    (!is_global && w->e.pcid != pcid) ||
			    !is_same_family(kind_of(r, &w->e), kind_of(r, e)) ||
			    !overlap(&w->e, e))
				continue;
			if (b == a && !keep && w->e.order == e->order) {
				keep = w;
				keep_set = s;
			} else {
				w->is_valid = false;
			}
		}
	if (!keep)
		return put(r, a, thread, e);
	keep->e = *e;
	way_access(a, keep_set, (u32)(keep - keep_set->way), false);
	return &keep->e;
}

static struct tlb_entry *install(struct ref_tlb *r, u32 level, u32 thread,
				 enum tlb_use use, u16 pcid, u64 vpn,
				 const struct tlb_entry *e)
{
	const u8 orders[] = { 0, (u8)r->bits, (u8)(2 * r->bits) };
	struct ref_array *home[2];
	u8 leaf = leaf_order(r, e), joined = 0;
	u32 size = size_of(r, leaf);
	u32 nr = homes(r, level, use, &size, home);
	struct tlb_entry piece;
	u8 order;

	if (!nr)
		return NULL;
	order = orders[size];
	if (order == leaf && size < 2)
		joined = size ? home[0]->geo.coalesce_2m
			      : home[0]->geo.coalesce;
	if (joined && e->contig >= order + joined)
		order = (u8)(order + joined);
	piece = cut(r, e, vpn, order);
	return supersede(r, home[nr == 2 && is_twin_b(home[0],
						      page_of(vpn, order))],
			 home, nr, thread, pcid, &piece);
}

/* ---- the hierarchy ------------------------------------------------------------- */

/* ORDER of answers: own by size, then global. */
static struct ref_way *find(struct ref_tlb *r, u32 level, u32 thread,
			    enum tlb_use use, u16 pcid, u64 vpn,
			    struct ref_array **in, struct ref_set **set)
{
	struct ref_way *best = NULL;
	u32 best_rank = ~0u;

	FOR_EACH(r, a, s, w) {
		bool is_global = w->e.flags & TLB_G;
		u32 rank = kind_of(r, &w->e) + 10 * is_global;

		if (a->geo.level != level || !(a->geo.serves & 1u << use) ||
		    w->thread != thread || rank >= best_rank ||
		    (!is_global && w->e.pcid != pcid) ||
		    !tlb_entry_covers(&w->e, vpn))
			continue;
		best = w;
		best_rank = rank;
		*in = a;
		*set = s;
	}
	return best;
}

enum tlb_level ref_tlb_lookup(struct ref_tlb *r, u32 thread, enum tlb_use use,
			      u16 pcid, u64 vpn, struct tlb_entry *out)
{
	struct ref_stats *st = &r->stats[thread];
	struct tlb_entry *e, known;
	struct ref_array *a;
	struct ref_set *s;
	struct ref_way *w = find(r, 1, thread, use, pcid, vpn, &a, &s);

	st->lookups++;
	if (w) {
		way_access(a, s, (u32)(w - s->way), false);
		*out = w->e;
		return TLB_HIT_L1;
	}
	st->l1_misses++;
	w = find(r, 2, thread, use, pcid, vpn, &a, &s);
	if (!w)
		return TLB_MISS;
	way_access(a, s, (u32)(w - s->way), false);
	r->l2_array = (u32)(a - r->array);
	st->l2_hits[size_of(r, leaf_order(r, &w->e))]++;
	*out = w->e;
	known = w->e;
	if (known.contig > known.order)
		known.contig = known.order;
	e = install(r, 1, thread, use, pcid, vpn, &known);
	if (e)
		*out = *e;
	return TLB_HIT_L2;
}

/* ---- address spaces ------------------------------------------------------------ */

static bool is_level_2(const struct tlb_geometry *geo)
{
	return geo->level == 2;
}

static bool is_data_l1(const struct tlb_geometry *geo)
{
	return geo->level == 1 && geo->serves != TLB_SERVES_FETCH;
}

static bool is_fetch_l1(const struct tlb_geometry *geo)
{
	return geo->level == 1 && geo->serves == TLB_SERVES_FETCH;
}

/* Own entries, of @pcid unless it is -1. */
static u32 drop_own(struct ref_tlb *r, u32 thread, int pcid,
		    bool (*is_it)(const struct tlb_geometry *geo))
{
	u32 nr = 0;

	FOR_EACH(r, a, s, w) {
		if (!is_it(&a->geo) || w->thread != thread ||
		    (w->e.flags & TLB_G) || (pcid >= 0 && w->e.pcid != pcid))
			continue;
		w->is_valid = false;
		nr++;
	}
	return nr;
}

static bool has(const struct ref_pcids *l, u16 pcid)
{
	for (u32 i = 0; i < l->nr; i++)
		if (l->pcid[i] == pcid)
			return true;
	return false;
}

/* Return: who leaves, or -1. */
static int use_one(struct ref_pcids *l, u32 limit, u16 pcid)
{
	int out = -1;
	u32 i = 0;

	if (!has(l, pcid)) {
		if (l->nr == limit)
			out = l->pcid[--l->nr];
		l->pcid[l->nr++] = pcid;
	}
	while (l->pcid[i] != pcid)
		i++;
	for (; i > 0; i--)
		l->pcid[i] = l->pcid[i - 1];
	l->pcid[0] = pcid;
	return out;
}

static u32 use_pcid(struct ref_tlb *r, u32 thread, u16 pcid)
{
	const struct tlb_design *d = &r->design;
	u32 nr = 0;
	int out = -1;

	if (d->pcid_slots)
		out = use_one(&r->l2_pcids[thread], d->pcid_slots, pcid);
	if (out >= 0) {
		nr += drop_own(r, thread, out, is_level_2);
		if (d->is_inclusive)
			nr += drop_own(r, thread, out, is_data_l1) +
			      drop_own(r, thread, out, is_fetch_l1);
	}
	out = -1;
	if (d->pcid_slots_l1i)
		out = use_one(&r->l1i_pcids[thread], d->pcid_slots_l1i, pcid);
	if (out >= 0)
		nr += drop_own(r, thread, out, is_fetch_l1);
	r->stats[thread].dropped_cr3 += nr;
	return nr;
}

u32 ref_tlb_load_cr3(struct ref_tlb *r, u32 thread, u16 pcid, bool is_noflush)
{
	u32 nr = 0, more = 0;

	if (!is_noflush)
		nr = ref_tlb_invalidate(r, thread, INVAL_ASID, pcid, 0);
	if (r->design.cr3_empties_l1d)
		more = drop_own(r, thread, -1, is_data_l1);
	r->stats[thread].dropped_cr3 += more;
	return nr + more + use_pcid(r, thread, pcid);
}

bool ref_tlb_fill(struct ref_tlb *r, u32 thread, enum tlb_use use, u64 vpn,
		  const struct tlb_entry *e, struct tlb_entry *out)
{
	const struct tlb_design *d = &r->design;
	struct tlb_entry *l1, *l2;

	r->stats[thread].fills++;
	if (!(e->flags & TLB_G) &&
	    ((d->pcid_slots && !has(&r->l2_pcids[thread], e->pcid)) ||
	     (d->pcid_slots_l1i && !has(&r->l1i_pcids[thread], e->pcid))))
		use_pcid(r, thread, e->pcid);
	l2 = install(r, 2, thread, use, e->pcid, vpn, e);
	l1 = install(r, 1, thread, use, e->pcid, vpn, e);
	if (l1 || l2)
		*out = l1 ? *l1 : *l2;
	return l1 || l2;
}

/* ---- invalidations --------------------------------------------------------------- */

u32 ref_tlb_set_dirty(struct ref_tlb *r, u32 thread, u16 pcid, u64 vpn,
		      u8 order)
{
	u32 nr = 0;

	FOR_EACH(r, a, s, w) {
		if (w->thread != thread || !tlb_entry_covers(&w->e, vpn) ||
		    leaf_order(r, &w->e) != order ||
		    (!(w->e.flags & TLB_G) && w->e.pcid != pcid))
			continue;
		nr++;
		if (is_block(kind_of(r, &w->e)))
			w->is_valid = false;
		else
			w->e.flags |= TLB_D;
	}
	return nr;
}

static bool is_named(enum inval_scope scope, u16 pcid, u64 vpn,
		     const struct tlb_entry *e)
{
	bool is_global = e->flags & TLB_G;
	bool is_own = !is_global && e->pcid == pcid;
	struct tlb_entry whole = *e;

	if (e->piece_of) {
		whole.order = e->piece_of & 31;         /* at most 26 */
		whole.vpn = e->vpn >> whole.order << whole.order;
	}
	switch (scope) {
	case INVAL_PAGE:
		return is_own && tlb_entry_covers(&whole, vpn);
	case INVAL_PAGE_GLOBAL:
		return (is_own || is_global) && tlb_entry_covers(&whole, vpn);
	case INVAL_PAGE_ALL:
		return tlb_entry_covers(&whole, vpn);
	case INVAL_ASID:
		return is_own;
	case INVAL_ALL_BUT_GLOBAL:
		return !is_global;
	default:
		return true;
	}
}

u32 ref_tlb_invalidate(struct ref_tlb *r, u32 thread, enum inval_scope scope,
		       u16 pcid, u64 vpn)
{
	u32 nr = 0;

	FOR_EACH(r, a, s, w) {
		if (w->thread != thread || !is_named(scope, pcid, vpn, &w->e))
			continue;
		w->is_valid = false;
		nr++;
	}
	if (scope <= INVAL_PAGE_ALL)
		r->stats[thread].dropped_invlpg += nr;
	else
		r->stats[thread].dropped_flush += nr;
	return nr;
}
