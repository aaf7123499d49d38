/* What operations that are no accesses do to a core: invalidations, MOV CR3,
 * D-bit assists; and the whole-structure check. */
#include <string.h>

#include "tlb/array.h"

/* Only what level 1 or 2 has, or what serves data or fetches alone. */
static bool is_data_l1(const struct tlb_geometry *geo)
{
	return geo->level == 1 && (geo->serves & TLB_SERVES_DATA);
}

static bool is_fetch_l1(const struct tlb_geometry *geo)
{
	return geo->level == 1 && !(geo->serves & TLB_SERVES_DATA);
}

static bool is_l2(const struct tlb_geometry *geo)
{
	return geo->level == 2;
}

static bool is_any(const struct tlb_geometry *geo)
{
	return true;
}

static u32 drop_spaces(struct tlb_array *a, u64 lo, u64 hi,
		       bool (*is_it)(const struct tlb_geometry *geo))
{
	u32 nr = 0;

	for (u32 i = 0; i < a->core->nr_units; i++) {
		struct tlb_unit *u = &a->core->unit[i];

		if (is_it(&u->geo))
			nr += unit_drop_spaces(u, lo, hi);
	}
	return nr;
}

static u32 drop_pcid(struct tlb_array *a, u16 pcid,
		     bool (*is_it)(const struct tlb_geometry *geo))
{
	u64 space = tlb_array_space(a, pcid);

	return drop_spaces(a, space, space + (1ull << TLB_TAG_SPACE_SHIFT),
			   is_it);
}

/* ---- one page ------------------------------------------------------------- */

struct page_drop {
	u64 lo, hi;             /* of tags: one address space, or all         */
	u64 global;             /* tags of global entries, 0: they stay       */
	u64 vpn;
	u32 nr;
};

static bool drop_if_named(struct tlb_unit *u, u32 slot, void *arg)
{
	struct page_drop *d = arg;
	const struct tlb_entry *e = &u->entry[slot];
	u64 tag = u->tag[slot];

	if ((d->vpn ^ e->vpn) >> tlb_entry_named(e))
		return true;
	if ((tag < d->lo || tag >= d->hi) &&
	    tag >> TLB_TAG_SPACE_SHIFT << TLB_TAG_SPACE_SHIFT != d->global)
		return true;
	unit_drop(u, slot);
	d->nr++;
	return true;
}

/* Of class @cls; the sets that matter are few, but all of them where pieces
 * are. */
static void drop_page(struct tlb_array *a, struct tlb_unit *u,
		      enum tlb_class cls, struct page_drop *d)
{
	u64 page = (d->vpn & TLB_TAG_VPN) >> u->order[cls];
	u32 set = unit_set(u, a->thread, page), slot;

	if (u->hash_shift && d->hi - d->lo == 1ull << TLB_TAG_SPACE_SHIFT) {
		u64 space[2] = { d->lo, d->global };

		for (u32 i = 0; i < 2; i++) {
			if (!space[i] || !unit_may_hold(u, space[i], cls))
				continue;
			slot = unit_find(u, set, unit_tag(space[i], d->vpn, cls,
							  u->order[cls]));
			if (slot == UNIT_NONE)
				continue;
			unit_drop(u, slot);
			d->nr++;
		}
		return;
	}
	unit_each_of_set(u, set, drop_if_named, d);
}

static bool holds_any(const struct tlb_unit *u, enum tlb_class cls)
{
	for (u32 i = 0; i < UNIT_NR_BUCKETS; i++)
		if (u->live[i][cls])
			return true;
	return false;
}

static u32 invalidate_page(struct tlb_array *a, struct page_drop *d)
{
	for (u32 i = 0; i < a->core->nr_units; i++) {
		struct tlb_unit *u = &a->core->unit[i];

		if (!u->nr_live)
			continue;
		if (u->nr_pieces) {
			unit_each(u, drop_if_named, d);
			continue;
		}
		for (u32 cls = 0; cls < NR_TLB_CLASSES; cls++)
			if (holds_any(u, (enum tlb_class)cls))
				drop_page(a, u, (enum tlb_class)cls, d);
	}
	a->stats.dropped_invlpg += d->nr;
	return d->nr;
}

u32 tlb_array_invalidate(struct tlb_array *a, enum inval_scope scope, u16 pcid,
			 u64 vpn)
{
	const u64 one = 1ull << TLB_TAG_SPACE_SHIFT;
	u64 own = tlb_array_space(a, pcid);
	struct page_drop d = { .lo = own, .hi = own + one, .vpn = vpn };
	u32 nr;

	switch (scope) {
	case INVAL_PAGE:
		return invalidate_page(a, &d);
	case INVAL_PAGE_ALL:
		d.lo = a->space0;
		d.hi = a->global;
		d.global = a->global;
		return invalidate_page(a, &d);
	case INVAL_PAGE_GLOBAL:
		d.global = a->global;
		return invalidate_page(a, &d);
	case INVAL_ASID:
		nr = drop_pcid(a, pcid, is_any);
		break;
	case INVAL_ALL_BUT_GLOBAL:
		nr = drop_spaces(a, a->space0, a->global, is_any);
		break;
	default:
		nr = drop_spaces(a, a->space0, a->global + one, is_any);
		break;
	}
	a->stats.dropped_flush += nr;
	return nr;
}

/* ---- address spaces ------------------------------------------------------- */

/* Return: was it among those kept apart? */
static bool list_has(const struct tlb_pcid_list *l, u16 pcid)
{
	for (u32 i = 0; i < l->nr; i++)
		if (l->pcid[i] == pcid)
			return true;
	return false;
}

/* @pcid becomes the one used last of at most @limit.
 * Return: true when *@out had to leave. */
static bool list_use(struct tlb_pcid_list *l, u32 limit, u16 pcid, u16 *out)
{
	bool is_full = false;
	u32 at = 0;

	while (at < l->nr && l->pcid[at] != pcid)
		at++;
	if (at == l->nr) {
		is_full = l->nr == limit;
		if (is_full)
			*out = l->pcid[--at];
		else
			l->nr++;
	}
	memmove(l->pcid + 1, l->pcid, at * sizeof(*l->pcid));
	l->pcid[0] = pcid;
	return is_full;
}

/* Return: entries dropped because too many address spaces were kept apart. */
static u32 use_pcid(struct tlb_array *a, u16 pcid)
{
	const struct tlb_design *d = &a->core->design;
	u16 out;
	u32 nr = 0;

	if (d->pcid_slots && list_use(&a->l2_pcids, d->pcid_slots, pcid, &out))
		nr += drop_pcid(a, out, d->is_inclusive ? is_any : is_l2);
	if (d->pcid_slots_l1i &&
	    list_use(&a->l1i_pcids, d->pcid_slots_l1i, pcid, &out))
		nr += drop_pcid(a, out, is_fetch_l1);
	a->stats.dropped_cr3 += nr;
	a->kept_pcid = pcid + 1u;
	return nr;
}

void tlb_array_fill_pcid(struct tlb_array *a, u16 pcid)
{
	const struct tlb_design *d = &a->core->design;

	if ((d->pcid_slots && !list_has(&a->l2_pcids, pcid)) ||
	    (d->pcid_slots_l1i && !list_has(&a->l1i_pcids, pcid)))
		use_pcid(a, pcid);
	a->kept_pcid = pcid + 1u;
}

u32 tlb_array_load_cr3(struct tlb_array *a, u16 pcid, bool is_noflush)
{
	u32 nr = 0, more = 0;

	if (!is_noflush)
		nr = tlb_array_invalidate(a, INVAL_ASID, pcid, 0);
	if (a->core->design.cr3_empties_l1d)
		more = drop_spaces(a, a->space0, a->global, is_data_l1);
	a->stats.dropped_cr3 += more;
	return nr + more + use_pcid(a, pcid);
}

/* ---- the dirty bit -------------------------------------------------------- */

static u32 set_dirty(struct tlb_unit *u, u32 slot, u8 leaf, u32 bits)
{
	struct tlb_entry *e = &u->entry[slot];

	if (tlb_entry_leaf(e, bits) != leaf)
		return 0;
	if (tlb_class_is_block(unit_class(u->tag[slot])))
		unit_drop(u, slot);
	else
		e->flags |= TLB_D;
	return 1;
}

u32 tlb_array_set_dirty(struct tlb_array *a, u16 pcid, u64 vpn, u8 order)
{
	u64 space[2] = { tlb_array_space(a, pcid), a->global };
	u32 nr = 0;

	for (u32 i = 0; i < a->core->nr_units * 2 * NR_TLB_CLASSES; i++) {
		struct tlb_unit *u = &a->core->unit[i / 2 / NR_TLB_CLASSES];
		enum tlb_class cls = (enum tlb_class)(i / 2 % NR_TLB_CLASSES);
		u64 page = (vpn & TLB_TAG_VPN) >> u->order[cls];
		u32 slot;

		if (!unit_may_hold(u, space[i % 2], cls))
			continue;
		slot = unit_find(u, unit_set(u, a->thread, page),
				 unit_tag(space[i % 2], vpn, cls,
					  u->order[cls]));
		if (slot != UNIT_NONE)
			nr += set_dirty(u, slot, order, a->core->bits);
	}
	return nr;
}

/* ---- for tests ------------------------------------------------------------ */

static u32 tag_thread(const struct tlb_core *c, u64 tag)
{
	return (u32)((tag >> TLB_TAG_SPACE_SHIFT) - 1) / (c->nr_pcids + 1);
}

const struct tlb_entry *tlb_array_slot(const struct tlb_array *a, u32 id,
				       u32 set, u32 way, u32 *thread)
{
	const struct tlb_unit *u;
	u32 slot;

	if (id >= a->core->nr_units)
		return NULL;
	u = &a->core->unit[id];
	slot = set * u->stride + way;
	if (set >= u->nr_sets || way >= u->nr_ways || !u->tag[slot])
		return NULL;
	if (thread)
		*thread = tag_thread(a->core, u->tag[slot]);
	return &u->entry[slot];
}

static const char *check_entry(const struct tlb_core *c,
			       const struct tlb_unit *u, u32 slot)
{
	const struct tlb_entry *e = &u->entry[slot];
	u64 space = (u->tag[slot] >> TLB_TAG_SPACE_SHIFT) - 1;
	u32 pcid = (u32)(space % (c->nr_pcids + 1)), set = slot / u->stride;
	bool is_global = pcid == c->nr_pcids;

	if (tag_thread(c, u->tag[slot]) >= c->nr_threads)
		return "an entry of no thread";
	if (is_global != !!(e->flags & TLB_G) ||
	    (!is_global && pcid != e->pcid))
		return "tag and entry disagree on the address space";
	if (u->thread_sets && set / u->thread_sets !=
			      tag_thread(c, u->tag[slot]))
		return "an entry in another thread's sets";
	if (e->piece_of && tlb_entry_named(e) <= e->order)
		return "a piece of nothing larger";
	return NULL;
}

/* Each memo is a guess, but not a wrong one. */
static const char *check_memos(const struct tlb_array *a, u32 use)
{
	for (u32 i = 0; i < TLB_NR_MEMO; i++) {
		const struct tlb_memo *m = &a->memo[use][i];
		u64 vpn = m->key >> 1 & TLB_TAG_VPN;
		const struct tlb_route *r = &a->core->route[use];

		if (!m->key || m->unit->tag[m->slot] != m->tag)
			continue;
		for (u32 n = 0; n < r->nr_l1; n++) {
			const struct tlb_unit *u = r->l1[n].unit[0];
			u8 order = r->l1[n].order;
			u64 tag = unit_tag(m->key >> TLB_TAG_SPACE_SHIFT <<
					   TLB_TAG_SPACE_SHIFT, vpn,
					   r->l1[n].cls, order);
			u32 slot = unit_find(u, unit_set(u, a->thread,
							 vpn >> order), tag);

			if (slot == UNIT_NONE)
				continue;
			if (u != m->unit || slot != m->slot)
				return "a memo names what does not answer first";
			break;
		}
	}
	return NULL;
}

const char *tlb_array_check(const struct tlb_array *a)
{
	const char *wrong = NULL;

	for (u32 i = 0; i < a->core->nr_units && !wrong; i++) {
		const struct tlb_unit *u = &a->core->unit[i];

		wrong = unit_check(u);
		for (u32 slot = 0; !wrong && slot < u->nr_sets * u->stride;
		     slot++)
			if (u->tag[slot])
				wrong = check_entry(a->core, u, slot);
	}
	for (u32 use = 0; use < NR_TLB_USES && !wrong; use++)
		if (a->core->memo_use[use] == use)
			wrong = check_memos(a, use);
	return wrong;
}
