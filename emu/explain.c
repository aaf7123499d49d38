#include "base/grow.h"
#include "emu/explain.h"

#include <stdlib.h>
#include <string.h>

/* What is known of one translation on one CPU. flush: the row of the flush that
 * dropped it, or NO_ROW. */
struct record {
	u64 page;               /* vpn >> order, order in the low bits; 0: free */
	u32 space;              /* cpu << 16 | pcid                           */
	u32 root;
	u32 flush;
	u16 by;                 /* cpu of that flush                          */
	u8 kind;
	u8 is_dropped : 1, is_named : 1;
};

#define NO_ROW UINT32_MAX
#define NO_CPU UINT16_MAX

/* One flush. */
struct ref {
	u64 vpn, pages;
	u32 row;                /* NO_ROW                                     */
	u16 by;                 /* NO_CPU                                     */
	enum explain_kind kind;
};

static const struct ref nobody = {
	.row = NO_ROW, .by = NO_CPU, .kind = FLUSH_NONE
};

/* Cycles that a CPU spends for a flush when it next looks: a hypervisor's kick, a
 * remote action request. */
struct owed {
	struct ref of;
	u64 cycles;
};

/* A CPU's flush under way, and its interrupt. */
struct under_way {
	struct ref mine;
	u64 own;                /* flush and wait_ack that are booked         */
	bool is_on, has_served;
	/* Whose request is served; its initiator may go on before the end. The
	 * first of an interrupt: entry and exit are its. */
	struct ref of, first;
	u64 respond, served;    /* respond when the interrupt, the request ...*/
	u64 of_requests;
	struct owed *owed;
	u32 nr_owed, room_owed;
};

struct explain {
	struct probe p;
	u32 nr_cpus;
	struct explain_cpu *cpu;
	struct under_way *now;
	struct explain_bill kind[NR_EXPLAIN_KINDS];
	struct explain_flush *flush;
	u32 nr_flushes, room_flushes;
	struct record *record;
	u64 nr_records, room_records;   /* a power of two                     */
	bool is_broken, has_started;
};

/* ---- translations ------------------------------------------------------------- */

static u64 slot_of(u64 page, u32 space, u64 room)
{
	u64 x = (page ^ (u64)space << 40) * 0x9e3779b97f4a7c15ull;

	x ^= x >> 29;
	return (x * 0xbf58476d1ce4e5b9ull >> 20) & (room - 1);
}

static struct record *find(struct record *r, u64 room, u64 page, u32 space)
{
	u64 at = slot_of(page, space, room);

	while (r[at].page && (r[at].page != page || r[at].space != space))
		at = (at + 1) & (room - 1);
	return &r[at];
}

static bool grow(struct explain *x)
{
	u64 room = 2 * x->room_records;
	struct record *more = calloc(room, sizeof(*more));

	if (!more) {
		x->is_broken = true;
		return false;
	}
	for (u64 i = 0; i < x->room_records; i++) {
		const struct record *r = &x->record[i];

		if (r->page)
			*find(more, room, r->page, r->space) = *r;
	}
	free(x->record);
	x->record = more;
	x->room_records = room;
	return true;
}

/* The record of a translation, a new one with root 0; NULL: no memory. */
static struct record *record_of(struct explain *x, const struct cpu *c, u16 pcid,
				u64 vpn, u8 order)
{
	u64 page = (vpn >> order) << 6 | (order + 1u);
	u32 space = c->id << 16 | pcid;
	struct record *r = find(x->record, x->room_records, page, space);

	if (r->page)
		return r;
	if (x->nr_records >= x->room_records / 2) {
		if (!grow(x))
			return NULL;
		r = find(x->record, x->room_records, page, space);
	}
	x->nr_records++;
	*r = (struct record){ .page = page, .space = space };
	return r;
}

/* ---- whose bill ----------------------------------------------------------------- */

/* The flush that @c is working for: its own, or that of who asked by interrupt
 * or broadcast. */
static const struct ref *cause(const struct explain *x, const struct cpu *c,
			       const struct cpu *asked)
{
	const struct under_way *w = &x->now[(asked ? asked : c)->id];
	const struct under_way *me = &x->now[c->id];

	if (asked && asked != c && me->of.by == asked->id)
		return &me->of;
	return w->is_on ? &w->mine : &nobody;
}

/* Each of the bills that a flush's costs go to. */
struct bills {
	struct explain_bill *b[3];
	u32 nr;
};

static struct bills bills_of(struct explain *x, enum explain_kind kind, u16 by,
			     u32 row)
{
	struct bills s = { .b = { &x->kind[kind] }, .nr = 1 };

	if (by != NO_CPU)
		s.b[s.nr++] = &x->cpu[by].bill;
	if (row != NO_ROW)
		s.b[s.nr++] = &x->flush[row].bill;
	return s;
}

static struct bills bills_of_ref(struct explain *x, const struct ref *f)
{
	return bills_of(x, f->kind, f->by, f->row);
}

#define ADD(s, field, n) do { \
	for (u32 i_ = 0; i_ < (s).nr; i_++) \
		(s).b[i_]->field += (n); \
} while (0)

/* ---- events --------------------------------------------------------------------- */

static u32 add_row(struct explain *x, const struct explain_flush *f)
{
	if (x->nr_flushes == EXPLAIN_MAX_FLUSHES)
		return NO_ROW;
	if (GROW(x->flush, x->nr_flushes, x->room_flushes, 1024))
		return NO_ROW;
	x->flush[x->nr_flushes] = *f;
	return x->nr_flushes++;
}

static u64 own_cycles(const struct cpu *c)
{
	return c->cycles[CYC_FLUSH] + c->cycles[CYC_WAIT_ACK];
}

/* Such as waiting for lockless walkers. */
static void own_of_no_flush(struct explain *x, const struct probe_event *e)
{
	struct under_way *w = &x->now[e->cpu->id];

	if (w->is_on)
		return;
	x->kind[FLUSH_NONE].own_cycles += own_cycles(e->cpu) - w->own;
	w->own = own_cycles(e->cpu);
}

static void flush_begins(struct explain *x, const struct probe_event *e)
{
	struct under_way *w = &x->now[e->cpu->id];
	struct bills s;

	own_of_no_flush(x, e);
	w->is_on = true;
	w->mine = (struct ref){
		.vpn = e->vpn, .pages = e->n, .by = (u16)e->cpu->id,
		.kind = !e->n ? FLUSH_WHOLE : e->flag ? FLUSH_CEILING
						      : FLUSH_RANGED };
	w->mine.row = add_row(x, &(struct explain_flush){
		.at = e->cpu->now, .vpn = e->vpn, .pages = e->n,
		.cpu = e->cpu->id, .kind = w->mine.kind });
	s = bills_of_ref(x, &w->mine);
	ADD(s, flushes, 1);
	x->cpu[e->cpu->id].flushes++;
}

static void flush_ends(struct explain *x, const struct probe_event *e)
{
	struct under_way *w = &x->now[e->cpu->id];
	struct bills s = bills_of_ref(x, &w->mine);

	ADD(s, own_cycles, own_cycles(e->cpu) - w->own);
	w->own = own_cycles(e->cpu);
	w->is_on = false;
}

static void ipi_goes(struct explain *x, const struct probe_event *e)
{
	struct bills s = bills_of_ref(x, cause(x, e->cpu, NULL));

	ADD(s, ipis, e->flag);
}

static void irq_begins(struct explain *x, const struct probe_event *e)
{
	struct under_way *w = &x->now[e->cpu->id];

	w->respond = e->cpu->cycles[CYC_RESPOND];
	w->has_served = false;
	w->of_requests = 0;
}

static void serves(struct explain *x, const struct probe_event *e)
{
	struct under_way *w = &x->now[e->cpu->id];
	struct bills s;

	w->served = e->cpu->cycles[CYC_RESPOND];
	w->of = nobody;
	w->of = *cause(x, e->cpu, e->other);
	if (w->has_served)
		return;
	w->has_served = true;
	w->first = w->of;
	s = bills_of_ref(x, &w->of);
	ADD(s, interrupts, 1);
}

static void served(struct explain *x, const struct probe_event *e)
{
	struct under_way *w = &x->now[e->cpu->id];
	u64 n = e->cpu->cycles[CYC_RESPOND] - w->served;
	struct bills s = bills_of_ref(x, &w->of);

	ADD(s, served, 1);
	ADD(s, stolen_cycles, n);
	w->of_requests += n;
	x->cpu[e->cpu->id].served += w->of.kind != FLUSH_NONE;
	w->of = nobody;
}

/* Entry and exit. */
static void irq_ends(struct explain *x, const struct probe_event *e)
{
	struct under_way *w = &x->now[e->cpu->id];
	struct bills s = bills_of_ref(x, w->has_served ? &w->first : &nobody);

	ADD(s, stolen_cycles, e->cpu->cycles[CYC_RESPOND] - w->respond -
	    w->of_requests);
}

static void owes(struct explain *x, const struct probe_event *e)
{
	struct under_way *w = &x->now[e->cpu->id];

	if (GROW(w->owed, w->nr_owed, w->room_owed, 16)) {
		x->is_broken = true;
		return;
	}
	w->owed[w->nr_owed++] = (struct owed){
		.of = *cause(x, e->cpu, e->other), .cycles = e->n };
}

/* Amid an interrupt it is no part of what that took. */
static void pays(struct explain *x, const struct probe_event *e)
{
	struct under_way *w = &x->now[e->cpu->id];

	for (u32 i = 0; i < w->nr_owed; i++) {
		struct bills s = bills_of_ref(x, &w->owed[i].of);

		ADD(s, served, 1);
		ADD(s, stolen_cycles, w->owed[i].cycles);
		x->cpu[e->cpu->id].served += w->owed[i].of.kind != FLUSH_NONE;
	}
	w->nr_owed = 0;
	w->respond += e->n;
	w->served += e->n;
}

static void drop_one(struct explain *x, const struct probe_event *e,
		     const struct ref *f, u64 vpn, u8 order)
{
	struct record *r = record_of(x, e->cpu, e->entry->pcid, vpn, order);

	if (!r)
		return;
	r->is_dropped = true;
	r->flush = f->row;
	r->by = f->by;
	r->kind = (u8)f->kind;
	r->is_named = f->kind != FLUSH_NONE &&
		      (!f->pages || (vpn < f->vpn + f->pages &&
				     f->vpn < vpn + (1ull << order)));
}

static u8 leaf_of(const struct tlb_entry *e)
{
	return tlb_entry_leaf(e, the_sys->mem.paging.bits);
}

/* An array may keep a block of pages as one entry: each of them went. */
static void dropped(struct explain *x, const struct probe_event *e)
{
	const struct ref *f = cause(x, e->cpu, e->other);
	struct bills s = bills_of_ref(x, f);
	u8 leaf = leaf_of(e->entry), order = e->entry->order;
	u64 nr = order > leaf ? 1ull << (order - leaf) : 1;
	u64 vpn = e->entry->vpn & ~tlb_order_mask(leaf);

	ADD(s, dropped, 1);
	for (u64 i = 0; i < nr; i++)
		drop_one(x, e, f, vpn + (i << leaf), leaf);
}

static enum explain_walk class_of(const struct probe_event *e,
				  const struct record *r)
{
	if (e->flag)
		return WALK_DIRTY;
	/* Root 0: dropped, and never walked for since set-up. */
	if (r->is_dropped && (!r->root || r->root == e->cpu->s->root))
		return r->kind == FLUSH_NONE || r->is_named ? WALK_REFILL
							   : WALK_COLLATERAL;
	return r->root == e->cpu->s->root ? WALK_CAPACITY : WALK_FIRST;
}

static void walked(struct explain *x, const struct probe_event *e)
{
	struct explain_cpu *c = &x->cpu[e->cpu->id];
	enum explain_walk class = WALK_FAULT;
	struct record *r;

	if (e->entry) {
		r = record_of(x, e->cpu, e->cpu->s->pcid, e->vpn,
			      leaf_of(e->entry));
		if (!r)
			return;
		class = class_of(e, r);
		if (class == WALK_REFILL || class == WALK_COLLATERAL) {
			struct bills s = bills_of(x, (enum explain_kind)r->kind,
						  r->by, r->flush);

			ADD(s, refill_walks, 1);
			ADD(s, refill_cycles, e->n);
			if (r->by == e->cpu->id)
				ADD(s, own_refill_cycles, e->n);
		}
		r->is_dropped = false;
		r->root = e->cpu->s->root;
	}
	c->walks[class]++;
	c->walk_cycles[class] += e->n;
}

/* What set-up translated is known; what it cost is not of this run. */
static void start(struct explain *x)
{
	memset(x->cpu, 0, x->nr_cpus * sizeof(*x->cpu));
	for (u32 i = 0; i < x->nr_cpus; i++) {
		free(x->now[i].owed);
		x->now[i] = (struct under_way){ .of = nobody };
	}
	memset(x->kind, 0, sizeof(x->kind));
	x->nr_flushes = 0;
	for (u64 i = 0; i < x->room_records; i++)
		x->record[i].flush = NO_ROW;
}

static void on_event(struct probe *p, const struct probe_event *e)
{
	struct explain *x = (struct explain *)p;

	switch (e->what) {
	case PROBE_START:
		start(x);
		break;
	case PROBE_LEAVE:
		own_of_no_flush(x, e);
		break;
	case PROBE_FLUSH:
		flush_begins(x, e);
		break;
	case PROBE_FLUSH_END:
		flush_ends(x, e);
		break;
	case PROBE_IPI:
		ipi_goes(x, e);
		break;
	case PROBE_IRQ:
		irq_begins(x, e);
		break;
	case PROBE_SERVE:
		serves(x, e);
		break;
	case PROBE_SERVED:
		served(x, e);
		break;
	case PROBE_IRQ_END:
		irq_ends(x, e);
		break;
	case PROBE_STALL:
		owes(x, e);
		break;
	case PROBE_STALLED:
		pays(x, e);
		break;
	case PROBE_DROP:
		dropped(x, e);
		break;
	case PROBE_WALK:
		walked(x, e);
		break;
	default:
		break;
	}
}

/* ---- the object ------------------------------------------------------------------ */

struct explain *explain_create(u32 nr_cpus)
{
	struct explain *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->p.event = on_event;
	x->nr_cpus = nr_cpus;
	x->room_records = 1u << 12;
	x->cpu = calloc(nr_cpus, sizeof(*x->cpu));
	x->now = calloc(nr_cpus, sizeof(*x->now));
	x->record = calloc(x->room_records, sizeof(*x->record));
	if (x->cpu && x->now && x->record) {
		start(x);
		return x;
	}
	explain_destroy(x);
	return NULL;
}

void explain_destroy(struct explain *x)
{
	if (!x)
		return;
	for (u32 i = 0; x->now && i < x->nr_cpus; i++)
		free(x->now[i].owed);
	free(x->cpu);
	free(x->now);
	free(x->flush);
	free(x->record);
	free(x);
}

struct probe *explain_probe(struct explain *x)
{
	return &x->p;
}

bool explain_is_broken(const struct explain *x)
{
	return x->is_broken;
}

const struct explain_cpu *explain_of_cpu(const struct explain *x, u32 cpu)
{
	return &x->cpu[cpu];
}

const struct explain_bill *explain_of_kind(const struct explain *x,
					   enum explain_kind kind)
{
	return &x->kind[kind];
}

const struct explain_flush *explain_flushes(const struct explain *x, u32 *nr)
{
	*nr = x->nr_flushes;
	return x->flush;
}

enum explain_role explain_role(const struct explain *x, u32 cpu)
{
	if (x->cpu[cpu].flushes)
		return ROLE_INITIATOR;
	return x->cpu[cpu].served ? ROLE_RESPONDER : ROLE_BYSTANDER;
}
