#include <assert.h>
#include <string.h>

#include "tlb/lane.h"

/* On the path of a level-2 hit calls cost more than what they do. */
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))

/* Where something was found. */
struct place {
	const struct tlb_probe *p;
	struct tlb_unit *u;
	u32 set;
	u32 slot;
};

static ALWAYS_INLINE struct tlb_unit *probe_unit(const struct tlb_probe *p,
						 u64 page)
{
	return p->unit[p->is_pair ? unit_twin(p->unit[0], page) : 0];
}

/* The entry of @space that translates @vpn, of the kind that @p looks for; the
 * kind is given apart, so that it can be a constant. */
static ALWAYS_INLINE bool find_kind(const struct tlb_array *a,
				    const struct tlb_probe *p,
				    enum tlb_class cls, u8 order, u64 space,
				    u64 vpn, struct place *at)
{
	u64 page = (vpn & TLB_TAG_VPN) >> order;
	struct tlb_unit *u = p->unit[0];

	if (unlikely(p->is_pair))
		u = probe_unit(p, page);
	at->u = u;
	if (!unit_may_hold(u, space, cls))
		return false;
	at->p = p;
	at->set = unit_set(u, a->thread, page);
	at->slot = unit_find(u, at->set, unit_tag(space, vpn, cls, order));
	return at->slot != UNIT_NONE;
}

static NOINLINE bool find_at(const struct tlb_array *a,
			     const struct tlb_probe *p, u64 space, u64 vpn,
			     struct place *at)
{
	return find_kind(a, p, p->cls, p->order, space, vpn, at);
}

static NOINLINE bool find_global(const struct tlb_array *a,
				 const struct tlb_probe *p, u32 nr, u64 vpn,
				 struct place *at)
{
	for (u32 i = 0; i < nr; i++)
		if (find_at(a, &p[i], a->global, vpn, at))
			return true;
	return false;
}

/* find_level() without own single pages. */
static ALWAYS_INLINE bool find_more(const struct tlb_array *a,
				    const struct tlb_probe *p, u32 nr, u64 own,
				    u64 vpn, struct place *at)
{
	if (a->core->has_more) {
		for (u32 i = 0; i < nr; i++) {
			if (p[i].cls == TLB_4K ||
			    (!p[i].is_pair && !unit_may_hold(p[i].unit[0], own,
							     p[i].cls)))
				continue;
			if (find_kind(a, &p[i], p[i].cls, p[i].order, own, vpn,
				      at))
				return true;
		}
	}
	return unlikely(a->core->has_global) &&
	       find_global(a, p, nr, vpn, at);
}

/* ORDER of answers: own ones by size, then global ones. */
static ALWAYS_INLINE bool find_level(const struct tlb_array *a,
				     const struct tlb_probe *p, u32 nr,
				     u64 own, u64 vpn, struct place *at)
{
	if (likely(nr && p[0].cls == TLB_4K) &&
	    find_kind(a, p, TLB_4K, 0, own, vpn, at))
		return true;
	return find_more(a, p, nr, own, vpn, at);
}

/* ---- memos ---------------------------------------------------------------- */

/* @vpn was found at @at, in level 1, and nothing else answers before it. */
static ALWAYS_INLINE void memo_note(struct tlb_array *a, u32 use, u64 own,
				    u64 vpn, const struct place *at)
{
	struct tlb_memo *m = &a->memo[use][tlb_memo_index(vpn)];
	u64 tag = at->u->tag[at->slot];

	if (unlikely(a->core->is_watched))
		return;
	/* Anything own would come before a global entry, and nobody would
	 * tell. */
	if ((tag ^ own) >> TLB_TAG_SPACE_SHIFT)
		return;
	if (unlikely(at->p->cls == TLB_1G))
		a->memo_1g |= (u8)(1u << a->core->memo_use[use]);
	m->key = unit_tag(own, vpn, TLB_4K, 0);
	m->tag = tag;
	m->unit = at->u;
	m->slot = at->slot;
	m->set = (u16)at->set;
	m->way = (u16)(at->slot - at->set * at->u->stride);
}

/* Own 2M pages by 2M page, whichever of their 4K pages is asked for. Right as long
 * as level 1 has no 4K page or block there, which would answer before: nobody
 * tells the memo, so it asks. */
static ALWAYS_INLINE struct tlb_memo *slot_2m(const struct tlb_array *a,
					      u32 use, u64 vpn)
{
	return &a->memo[use][TLB_NR_MEMO + (vpn >> 9 & (TLB_NR_MEMO_2M - 1))];
}

static ALWAYS_INLINE const struct tlb_memo *
find_2m(const struct tlb_array *a, u32 use, u64 own, u64 vpn)
{
	const struct tlb_unit *l1 = a->core->route[use].l1_4k;
	const struct tlb_memo *m = slot_2m(a, use, vpn);
	u64 tag = unit_tag(own, vpn, TLB_2M, (u8)a->core->bits);

	if (m->tag != tag || m->unit->tag[m->slot] != tag || !l1 ||
	    !unit_has_none_near(l1, tag))
		return NULL;
	return m;
}

/* What memo_note() just noted. (A global entry it does not; what is there then
 * may as well be here.) */
static ALWAYS_INLINE void note_2m(struct tlb_array *a, u32 use, u64 vpn)
{
	const struct tlb_memo *m = &a->memo[use][tlb_memo_index(vpn)];

	if (a->core->route[use].l1_2m && !a->core->is_watched)
		*slot_2m(a, use, vpn) = *m;
}

/* A hit of @m, which the memo by 4K page is told of. */
static ALWAYS_INLINE struct tlb_entry *hit_2m(struct tlb_array *a, u32 use,
					      u64 own, u64 vpn,
					      const struct tlb_memo *m)
{
	struct tlb_memo *to = &a->memo[use][tlb_memo_index(vpn)];

	*to = *m;
	to->key = unit_tag(own, vpn, TLB_4K, 0);
	tlb_memo_touch(m);
	a->stats.lookups++;
	return &m->unit->entry[m->slot];
}

static void memo_forget(struct tlb_array *a, u32 use, u64 own, u64 vpn)
{
	struct tlb_memo *m = &a->memo[use][tlb_memo_index(vpn)];

	if (m->key == unit_tag(own, vpn, TLB_4K, 0))
		m->key = 0;
}

static void memo_forget_all(struct tlb_array *a, u32 use)
{
	for (u32 i = 0; i < TLB_NR_MEMO; i++)
		a->memo[use][i].key = 0;
	a->memo_1g &= (u8)~(1u << use);
}

/* An own entry that came to level 1 answers before larger ones of its pages:
 * those must be forgotten, even if they are not there now, for they may come
 * back to the same slot. */
static NOINLINE void memo_outdate(struct tlb_array *a, u32 use, u64 own,
				  const struct place *at)
{
	const struct tlb_entry *e = &at->u->entry[at->slot];
	u64 nr_pages = tlb_order_mask(e->order) + 1;

	if (e->order < a->core->bits)
		for (u64 i = 0; i < nr_pages; i++)
			memo_forget(a, use, own, e->vpn + i);
	else if (e->order < 2 * a->core->bits && a->memo_1g >> use & 1)
		memo_forget_all(a, use);
}

static NOINLINE void memo_installed_any(struct tlb_array *a, u64 own, u64 vpn,
					const struct place *at)
{
	u32 uses = a->core->memo_uses[at->u->id];

	if ((at->u->tag[at->slot] ^ own) >> TLB_TAG_SPACE_SHIFT)
		return;
	for (; uses; uses &= uses - 1) {
		u32 use = (u32)__builtin_ctz(uses);

		if (at->p->cls == TLB_4K)
			memo_note(a, use, own, vpn, at);
		else
			memo_outdate(a, use, own, at);
	}
}

static ALWAYS_INLINE void memo_installed(struct tlb_array *a, enum tlb_use use,
					 u64 own, u64 vpn,
					 const struct place *at)
{
	u32 first = a->core->memo_use[use];

	if (likely(at->p->cls == TLB_4K &&
		   a->core->memo_uses[at->u->id] == 1u << first))
		memo_note(a, first, own, vpn, at);
	else
		memo_installed_any(a, own, vpn, at);
}

/* ---- filling -------------------------------------------------------------- */

/* What an entry of @order is of @e around @vpn. */
static ALWAYS_INLINE void cut(struct tlb_entry *out, const struct tlb_entry *e,
			      u64 vpn, u8 order, u32 bits)
{
	u8 leaf = tlb_entry_leaf(e, bits);

	*out = *e;
	if (likely(order == e->order))
		return;
	out->vpn = vpn & ~tlb_order_mask(order);
	out->pfn = e->pfn + (out->vpn - e->vpn);
	out->order = order;
	if (!(e->piece_of & TLB_FRACTURED))
		out->piece_of = order < leaf ? leaf : 0;
}

/* Does level-1 entry @e hold pages of what level 2 evicted, from the same
 * leaf? */
static bool is_copy(const struct tlb_entry *e, const struct tlb_entry *victim,
		    u32 bits)
{
	u8 order = e->order > victim->order ? e->order : victim->order;

	return tlb_entry_leaf(e, bits) == tlb_entry_leaf(victim, bits) &&
	       e->vpn >> order == victim->vpn >> order;
}

struct eviction {
	u64 tag;
	struct tlb_entry e;
	u32 nr, bits;
};

static bool drop_copy(struct tlb_unit *u, u32 slot, void *arg)
{
	struct eviction *ev = arg;

	if ((u->tag[slot] ^ ev->tag) >> TLB_TAG_SPACE_SHIFT ||
	    !is_copy(&u->entry[slot], &ev->e, ev->bits))
		return true;
	unit_drop(u, slot);
	ev->nr++;
	return true;
}

/* Inclusive designs: what @l2 just evicted leaves level 1. */
static NOINLINE void evict_copies(struct tlb_array *a,
				  const struct tlb_unit *l2)
{
	struct eviction ev = { .tag = l2->evicted, .e = l2->victim,
			       .bits = a->core->bits };

	for (u32 i = 0; i < a->core->nr_units; i++) {
		struct tlb_unit *u = &a->core->unit[i];

		if (u->geo.level == 1 && (u->geo.serves & l2->geo.serves))
			unit_each(u, drop_copy, &ev);
	}
	a->stats.dropped_inclusive += ev.nr;
}

static ALWAYS_INLINE void put(struct tlb_array *a, struct place *at, u64 tag,
			      const struct tlb_entry *e)
{
	at->slot = unit_put(at->u, at->set, tag, e);
	if (at->u->evicted) {
		a->stats.evictions[at->u->id]++;
		if (unlikely(a->core->design.is_inclusive) &&
		    at->u->geo.level == 2)
			evict_copies(a, at->u);
	}
}

/* Of one space: what a fill of kind @p at @vpn finds of its pages. The entry of
 * exactly these pages stays, the others go.
 * Return: its slot, or UNIT_NONE. */
static u32 clear_pages(struct tlb_array *a, const struct tlb_home *home,
		       const struct tlb_probe *p, u64 space, u64 vpn)
{
	struct place at;

	if (tlb_class_is_block(p->cls)) {
		u64 first = vpn & ~tlb_order_mask(p->order);

		for (u64 i = 0; i <= tlb_order_mask(p->order);
		     i += 1ull << home->page.order)
			if (find_at(a, &home->page, space, first + i, &at))
				unit_drop(at.u, at.slot);
	} else if (home->block.unit[0] &&
		   find_at(a, &home->block, space, vpn, &at)) {
		unit_drop(at.u, at.slot);
	}
	return find_at(a, p, space, vpn, &at) ? at.slot : UNIT_NONE;
}

/* @e supersedes what there is of its pages. */
static NOINLINE void supersede(struct tlb_array *a, const struct tlb_home *home,
			       struct place *at, u64 own_space, u64 tag,
			       const struct tlb_entry *e, u64 vpn)
{
	u32 own = clear_pages(a, home, at->p, own_space, vpn);
	u32 global = clear_pages(a, home, at->p, a->global, vpn);

	at->slot = own != UNIT_NONE ? own : global;
	if (at->slot == UNIT_NONE) {
		put(a, at, tag, e);
		return;
	}
	if (own != UNIT_NONE && global != UNIT_NONE)
		unit_drop(at->u, global);
	unit_replace(at->u, at->slot, tag, e);
}

/* The first of more than single pages comes. */
static NOINLINE void begin_more(struct tlb_core *core)
{
	core->has_more = true;
	for (u32 i = 0; i < core->nr_units; i++)
		unit_begin_near(&core->unit[i]);
}

/* install(), of everything but new single pages. */
static NOINLINE bool install_any(struct tlb_array *a,
				 const struct tlb_home *home, u64 own, u64 vpn,
				 const struct tlb_entry *e, bool is_new,
				 struct place *at)
{
	const struct tlb_probe *p = &home->page;
	struct tlb_entry piece;
	u64 page, tag;

	if (!p->unit[0])
		return false;
	if (home->block.unit[0] && e->contig >= home->block.order &&
	    tlb_entry_leaf(e, a->core->bits) == home->page.order)
		p = &home->block;
	if (unlikely(!a->core->has_more && p->cls != TLB_4K))
		begin_more(a->core);
	cut(&piece, e, vpn, p->order, a->core->bits);
	page = (vpn & TLB_TAG_VPN) >> p->order;
	at->p = p;
	at->u = probe_unit(p, page);
	at->set = unit_set(at->u, a->thread, page);
	tag = unit_tag(e->flags & TLB_G ? a->global : own, vpn, p->cls,
		       p->order);
	if (is_new && !tlb_class_is_block(p->cls))
		put(a, at, tag, &piece);
	else
		supersede(a, home, at, own, tag, &piece, vpn);
	return true;
}

/* Put of @e what @home's array holds. @is_new: nothing there translates @vpn.
 * Return: false when nothing there takes it. */
static ALWAYS_INLINE bool install(struct tlb_array *a,
				  const struct tlb_home *home, u64 own, u64 vpn,
				  const struct tlb_entry *e, bool is_new,
				  struct place *at)
{
	const struct tlb_probe *p = &home->page;
	u64 page = vpn & TLB_TAG_VPN;

	if (unlikely(!is_new || e->order || e->contig || e->piece_of || p->is_pair ||
		     !p->unit[0]))
		return install_any(a, home, own, vpn, e, is_new, at);
	at->p = p;
	at->u = p->unit[0];
	at->set = unit_set(at->u, a->thread, page);
	put(a, at, unit_tag(e->flags & TLB_G ? a->global : own, vpn, TLB_4K, 0),
	    e);
	return true;
}

/* The short way of own single 4K pages, which are found first and replace
 * nothing when nothing was found. @key: the page's tag. The memo learns of them
 * when they are hit, or at once where it may name something larger. */
static ALWAYS_INLINE u32 short_put(struct tlb_array *a, struct tlb_unit *u,
				   u32 set, u64 key, const struct tlb_entry *e)
{
	u32 slot = unit_put(u, set, key, e);

	a->stats.evictions[u->id] += u->evicted != 0;
	return slot;
}

static ALWAYS_INLINE struct tlb_entry *
short_fill(struct tlb_array *a, const struct tlb_route *r, u64 key, u64 vpn,
	   const struct tlb_entry *e)
{
	u32 l1_set = a->core->missed_set[0], slot;

	short_put(a, r->l2_4k, a->core->missed_set[1], key, e);
	slot = short_put(a, r->l1_4k, l1_set, key, e);
	if (unlikely(a->core->has_more))
		tlb_array_memo_note(a, (enum tlb_use)r->memo, key, vpn,
				    r->l1_4k, l1_set, slot);
	return &r->l1_4k->entry[slot];
}

static NOINLINE struct tlb_entry *fill_any(struct tlb_array *a,
					   enum tlb_use use, u64 vpn,
					   const struct tlb_entry *e,
					   bool is_new)
{
	const struct tlb_route *r = &a->core->route[use];
	u64 own = tlb_array_space(a, e->pcid);
	u32 size = tlb_leaf_size(e->order, a->core->bits);
	struct place l1, l2;
	bool in_l2;

	assert(e->order == a->core->bits * size);
	assert(!e->piece_of || e->piece_of & TLB_FRACTURED);
	assert(!(e->vpn & tlb_order_mask(e->order)));
	assert(tlb_entry_covers(e, vpn));
	a->core->has_global |= (e->flags & TLB_G) != 0;
	in_l2 = install(a, &r->home[1][size], own, vpn, e, is_new, &l2);
	if (install(a, &r->home[0][size], own, vpn, e, is_new, &l1)) {
		memo_installed(a, use, own, vpn, &l1);
		return &l1.u->entry[l1.slot];
	}
	return in_l2 ? &l2.u->entry[l2.slot] : NULL;
}

struct tlb_entry *tlb_array_fill(struct tlb_array *a, enum tlb_use use, u64 vpn,
				 const struct tlb_entry *e)
{
	struct tlb_core *core = a->core;
	const struct tlb_route *r = &core->route[use];
	u64 key = unit_tag(tlb_array_space(a, e->pcid), vpn, TLB_4K, 0);
	bool is_new = core->missed == key && core->missed_use == use;

	assert(e->pcid < core->nr_pcids);
	core->missed = 0;
	a->stats.fills++;
	if (unlikely(e->pcid + 1u != a->kept_pcid) && !(e->flags & TLB_G))
		tlb_array_fill_pcid(a, e->pcid);
	if (likely(is_new && e->vpn == vpn && e->contig < r->min_contig &&
		   !(e->order | e->piece_of | (e->flags & TLB_G))))
		return short_fill(a, r, key, vpn, e);
	return fill_any(a, use, vpn, e, is_new);
}

/* ---- looking up ----------------------------------------------------------- */

static NOINLINE bool hit_scan(struct tlb_array *a, enum tlb_use use, u64 own,
			      u64 vpn, struct tlb_entry **out)
{
	const struct tlb_route *r = &a->core->route[use];
	const u32 may_store = TLB_W | TLB_D;
	struct tlb_entry *e;
	struct place at;

	if (!find_level(a, r->l1, r->nr_l1, own, vpn, &at))
		return false;
	memo_note(a, use, own, vpn, &at);
	e = &at.u->entry[at.slot];
	if (at.p->cls == TLB_2M)
		note_2m(a, use, vpn);
	if (use == TLB_STORE && (e->flags & may_store) != may_store)
		return false;
	unit_hit(at.u, at.set, at.slot);
	a->stats.lookups++;
	*out = e;
	return true;
}

/* ---- two answers ---------------------------------------------------------- */

static u32 nr_answers(const struct tlb_array *a, const struct tlb_probe *p,
		      u32 nr, u64 own, u64 vpn)
{
	struct place at;
	u32 n = 0;

	for (u32 i = 0; i < nr; i++)
		n += find_at(a, &p[i], own, vpn, &at) +
		     find_at(a, &p[i], a->global, vpn, &at);
	return n;
}

static NOINLINE u32 nr_conflicting(const struct tlb_array *a, enum tlb_use use,
				   u64 own, u64 vpn)
{
	const struct tlb_route *r = &a->core->route[use];
	u32 n = nr_answers(a, r->l1, r->nr_l1, own, vpn);

	return n ? n : nr_answers(a, r->l2, r->nr_l2, own, vpn);
}

void tlb_array_watch(struct tlb_array *a)
{
	const size_t bytes = (TLB_NR_MEMO + TLB_NR_MEMO_2M) *
			     sizeof(struct tlb_memo);

	/* A zeroed memo is of no page, and of no unit: find_2m() asks for the
	 * tag first. */
	for (u32 use = 0; use < NR_TLB_USES; use++)
		memset(a->memo[use], 0, bytes);
	a->core->is_watched = true;
}

bool tlb_array_hit_scan(struct tlb_array *a, enum tlb_use use, u16 pcid,
			u64 vpn, struct tlb_entry **out)
{
	u64 own = tlb_array_space(a, pcid);
	const struct tlb_memo *m;

	if (unlikely(a->core->is_watched)) {
		bool is_two = nr_conflicting(a, use, own, vpn) > 1;
		bool is_hit = hit_scan(a, use, own, vpn, out);

		a->stats.conflicts += is_hit && is_two;
		return is_hit;
	}
	if (!a->core->has_more)
		return hit_scan(a, use, own, vpn, out);
	m = find_2m(a, use, own, vpn);
	if (!m)
		return hit_scan(a, use, own, vpn, out);
	if (use == TLB_STORE && (~m->unit->entry[m->slot].flags &
				 (TLB_W | TLB_D)))
		return false;
	*out = hit_2m(a, use, own, vpn, m);
	return true;
}

const struct tlb_memo *tlb_array_memo_make(struct tlb_array *a,
					   enum tlb_use use, u16 pcid, u64 vpn)
{
	const struct tlb_route *r = &a->core->route[use];
	u64 own = tlb_array_space(a, pcid);
	struct place at;

	if (!find_level(a, r->l1, r->nr_l1, own, vpn, &at))
		return NULL;
	memo_note(a, use, own, vpn, &at);
	return tlb_array_memo_find(a, use, pcid, vpn, 0);
}

/* A level-2 hit: to level 1, unless nothing there takes it. */
static ALWAYS_INLINE struct tlb_entry *l2_hit(struct tlb_array *a,
					      enum tlb_use use, u64 own,
					      u64 vpn, const struct place *at)
{
	struct tlb_entry *e = &at->u->entry[at->slot], known = *e;
	u32 bits = a->core->bits;
	u32 size = tlb_leaf_size(tlb_entry_leaf(e, bits), bits);
	struct place l1;

	/* Pages around it may have changed, and been invalidated, since it was
	 * walked for. */
	if (known.contig > known.order)
		known.contig = known.order;

	a->stats.l2_hits[size]++;
	a->l2_unit = at->u->id;
	unit_hit(at->u, at->set, at->slot);
	if (!install(a, &a->core->route[use].home[0][size], own, vpn, &known,
		     true, &l1))
		return e;
	memo_installed(a, use, own, vpn, &l1);
	return &l1.u->entry[l1.slot];
}

static NOINLINE struct tlb_entry *l2_hit_any(struct tlb_array *a,
					     enum tlb_use use, u64 own, u64 vpn,
					     const struct place *at)
{
	return l2_hit(a, use, own, vpn, at);
}

static NOINLINE enum tlb_level access_any(struct tlb_array *a, enum tlb_use use,
					  u64 own, u64 vpn,
					  struct tlb_entry **out)
{
	const struct tlb_route *r = &a->core->route[use];
	struct place at;

	a->stats.lookups++;
	if (find_level(a, r->l1, r->nr_l1, own, vpn, &at)) {
		memo_note(a, use, own, vpn, &at);
		unit_hit(at.u, at.set, at.slot);
		*out = &at.u->entry[at.slot];
		return TLB_HIT_L1;
	}
	a->stats.l1_misses++;
	if (find_level(a, r->l2, r->nr_l2, own, vpn, &at)) {
		*out = l2_hit(a, use, own, vpn, &at);
		return TLB_HIT_L2;
	}
	a->core->missed = unit_tag(own, vpn, TLB_4K, 0);
	a->core->missed_use = use;
	*out = NULL;
	return TLB_MISS;
}

/* No own single page in level 1: an own 2M page, and no block before it? */
static ALWAYS_INLINE bool short_2m(struct tlb_array *a,
				   const struct tlb_route *r, u64 own, u64 vpn,
				   struct place *at)
{
	return r->l1_2m && !unit_may_hold(r->l1_4k, own, TLB_BLOCK) &&
	       find_kind(a, r->l1_2m, TLB_2M, r->l1_2m->order, own, vpn,
			 at);
}

/* No own single page in level 1: anything else? */
static NOINLINE bool l1_more(struct tlb_array *a, enum tlb_use use, u64 own,
			     u64 vpn, struct tlb_entry **out)
{
	const struct tlb_route *r = &a->core->route[use];
	struct place at;

	if (!find_more(a, r->l1, r->nr_l1, own, vpn, &at))
		return false;
	memo_note(a, use, own, vpn, &at);
	unit_hit(at.u, at.set, at.slot);
	*out = &at.u->entry[at.slot];
	return true;
}

static NOINLINE bool l2_more(struct tlb_array *a, enum tlb_use use, u64 own,
			     u64 vpn, struct tlb_entry **out)
{
	const struct tlb_route *r = &a->core->route[use];
	struct place at;

	if (!find_more(a, r->l2, r->nr_l2, own, vpn, &at))
		return false;
	*out = l2_hit(a, use, own, vpn, &at);
	return true;
}

/* A level-2 hit of an own single page in @slot. */
static ALWAYS_INLINE struct tlb_entry *
short_l2_hit(struct tlb_array *a, enum tlb_use use, u64 own, u64 key, u64 vpn,
	     u32 set, u32 slot, u32 l1_set)
{
	const struct tlb_route *r = &a->core->route[use];
	struct tlb_unit *l1 = r->l1_4k, *l2 = r->l2_4k;
	struct tlb_entry *e = &l2->entry[slot];

	if (unlikely(e->contig >= r->min_contig || e->piece_of)) {
		struct place at = { &r->l2[0], l2, set, slot };

		return l2_hit_any(a, use, own, vpn, &at);
	}
	a->stats.l2_hits[0]++;
	a->l2_unit = l2->id;
	unit_hit(l2, set, slot);
	slot = short_put(a, l1, l1_set, key, e);
	if (unlikely(a->core->has_more))
		tlb_array_memo_note(a, use, key, vpn, l1, l1_set, slot);
	return &l1->entry[slot];
}

static NOINLINE enum tlb_level access_scan(struct tlb_array *a,
					   enum tlb_use use, u64 own, u64 vpn,
					   struct tlb_entry **out)
{
	const struct tlb_core *core = a->core;
	struct tlb_unit *l1 = core->route[use].l1_4k;
	struct tlb_unit *l2 = core->route[use].l2_4k;
	u64 page = vpn & TLB_TAG_VPN;
	u64 key = unit_tag(own, vpn, TLB_4K, 0);
	u32 l1_set, set, slot;
	bool is_plain;

	if (unlikely(!l1))
		return access_any(a, use, own, vpn, out);
	a->stats.lookups++;
	l1_set = unit_set(l1, a->thread, page);
	slot = unit_find(l1, l1_set, key);
	if (slot != UNIT_NONE) {
		tlb_array_memo_note(a, use, key, vpn, l1, l1_set, slot);
		unit_hit(l1, l1_set, slot);
		*out = &l1->entry[slot];
		return TLB_HIT_L1;
	}
	is_plain = !core->has_more && !core->has_global;
	if (!is_plain) {
		struct place at;

		if (short_2m(a, &core->route[use], own, vpn, &at)) {
			memo_note(a, use, own, vpn, &at);
			note_2m(a, use, vpn);
			unit_hit(at.u, at.set, at.slot);
			*out = &at.u->entry[at.slot];
			return TLB_HIT_L1;
		}
		if (l1_more(a, use, own, vpn, out))
			return TLB_HIT_L1;
	}
	a->stats.l1_misses++;
	set = unit_set(l2, a->thread, page);
	slot = unit_find(l2, set, key);
	if (slot != UNIT_NONE) {
		*out = short_l2_hit(a, use, own, key, vpn, set, slot, l1_set);
		return TLB_HIT_L2;
	}
	if (!is_plain && l2_more(a, use, own, vpn, out))
		return TLB_HIT_L2;
	a->core->missed = key;
	a->core->missed_use = use;
	a->core->missed_set[0] = l1_set;
	a->core->missed_set[1] = set;
	*out = NULL;
	return TLB_MISS;
}

/* Past all that would leave a memo, here or when the miss is filled. */
static NOINLINE enum tlb_level access_watched(struct tlb_array *a,
					      enum tlb_use use, u64 own,
					      u64 vpn, struct tlb_entry **out)
{
	u32 nr = nr_conflicting(a, use, own, vpn);
	enum tlb_level level = access_any(a, use, own, vpn, out);

	a->stats.conflicts += nr > 1;
	a->core->missed = 0;
	return level;
}

enum tlb_level tlb_array_access_scan(struct tlb_array *a, enum tlb_use use,
				     u16 pcid, u64 vpn, struct tlb_entry **out)
{
	u64 own = tlb_array_space(a, pcid);
	const struct tlb_memo *m;

	if (unlikely(a->core->is_watched))
		return access_watched(a, use, own, vpn, out);
	if (!a->core->has_more)
		return access_scan(a, use, own, vpn, out);
	m = find_2m(a, use, own, vpn);
	if (!m)
		return access_scan(a, use, own, vpn, out);
	*out = hit_2m(a, use, own, vpn, m);
	return TLB_HIT_L1;
}

/* ---- lanes (lane.h) --------------------------------------------------------- */

/* Is it full of single pages that unit_is_alike() to those of @space? */
static bool is_full_of(const struct tlb_unit *u, u64 space)
{
	return u->nr_live == u->nr_slots &&
	       u->live[unit_bucket(space)][TLB_4K] == u->nr_live;
}

void tlb_lane_open(struct tlb_lane *l, struct tlb_array *a, enum tlb_use use,
		   u16 pcid)
{
	struct tlb_core *core = a->core;
	const struct tlb_route *r = &core->route[use];
	struct tlb_unit *l1 = r->l1_4k, *l2 = r->l2_4k;

	*l = (struct tlb_lane){
		.array = a, .use = use, .miss_cycles = r->l2_cycles,
	};
	if (!l1 || l1->nr_odd || l2->nr_odd || core->has_more ||
	    core->is_watched ||
	    core->has_global || r->min_contig != TLB_CONTIG_NEVER ||
	    a->kept_pcid != pcid + 1u)
		return;
	core->missed = 0;
	l->l1 = l1;
	l->l2 = l2;
	l->space = tlb_array_space(a, pcid);
	l->first[0] = a->thread * l1->thread_sets;
	l->first[1] = a->thread * l2->thread_sets;
	l->hit_cycles = l2->geo.hit_cycles;
	l->is_own[0] = is_full_of(l1, l->space);
	l->is_own[1] = is_full_of(l2, l->space);
}

void tlb_lane_leave(const struct tlb_lane *l, const struct tlb_missed *m)
{
	struct tlb_core *core = l->array->core;

	core->missed = m->key;
	core->missed_use = l->use;
	core->missed_set[0] = m->set[0];
	core->missed_set[1] = m->set[1];
}
