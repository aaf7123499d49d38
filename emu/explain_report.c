/* What was found, as tables and in words. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "emu/explain.h"

static const char *const role_names[] = {
	"initiators", "responders", "bystanders"
};

/* ORDER explain_walk */
static const struct {
	const char *name, *help;
} walk_rows[NR_EXPLAIN_WALKS + 1] = {
	{ "walk.first", "page walks: this CPU had not translated the page before" },
	{ "walk.refill", "page walks: a flush dropped the translation, and named its page" },
	{ "walk.collateral", "page walks: a flush of everything dropped it, asked for other pages" },
	{ "walk.capacity", "page walks: it had made room, or its address space had" },
	{ "walk.dirty", "page walks: to set D" },
	{ "walk.fault", "page walks that ended in a page fault" },
	{ "walk.later", "page walks waited for later (--mlp)" },
};

/* ORDER explain_kind */
static const char *const kind_names[] = {
	"ranged", "above ceiling", "of everything", "no flush"
};

struct sums {
	u32 nr_cpus[NR_EXPLAIN_ROLES];
	u64 cats[NR_CYCLE_CATS][NR_EXPLAIN_ROLES];
	u64 walks[NR_EXPLAIN_WALKS + 1][NR_EXPLAIN_ROLES];
	u64 all[NR_EXPLAIN_ROLES];
};

static void add_cpu(struct sums *s, const struct explain *x,
		    const struct timed_result *r, u32 t)
{
	const struct explain_cpu *c = explain_of_cpu(x, r->cpu[t].cpu);
	enum explain_role role = explain_role(x, r->cpu[t].cpu);
	u64 later = r->cpu[t].cycles[CYC_WALK];

	s->nr_cpus[role]++;
	for (u32 i = 0; i < NR_CYCLE_CATS; i++) {
		s->cats[i][role] += r->cpu[t].cycles[i];
		s->all[role] += r->cpu[t].cycles[i];
	}
	for (u32 i = 0; i < NR_EXPLAIN_WALKS; i++) {
		s->walks[i][role] += c->walk_cycles[i];
		later -= c->walk_cycles[i];
	}
	s->walks[NR_EXPLAIN_WALKS][role] += later;
}

static u64 over_roles(const u64 v[NR_EXPLAIN_ROLES])
{
	u64 n = 0;

	for (u32 i = 0; i < NR_EXPLAIN_ROLES; i++)
		n += v[i];
	return n;
}

/* ---- the cycles ------------------------------------------------------------------ */

static void cycles_row(struct emit *em, const char *name, const char *help,
		       const u64 v[NR_EXPLAIN_ROLES], u64 all)
{
	emit_str(em, name);
	for (u32 i = 0; i < NR_EXPLAIN_ROLES; i++)
		emit_u64(em, v[i]);
	emit_u64(em, over_roles(v));
	emit_double(em, all ? 100.0 * (double)over_roles(v) / (double)all : 0);
	emit_str(em, help);
	emit_row(em);
}

static void cycles_table(struct emit *em, const struct sums *s)
{
	static const struct emit_col cols[] = {
		{ .name = "category", .type = EMIT_STRING },
		{ .name = "initiators", .unit = "cycles", .type = EMIT_U64 },
		{ .name = "responders", .unit = "cycles", .type = EMIT_U64 },
		{ .name = "bystanders", .unit = "cycles", .type = EMIT_U64 },
		{ .name = "total", .unit = "cycles", .type = EMIT_U64 },
		{ .name = "share", .unit = "%", .type = EMIT_DOUBLE,
		  .decimals = 2 },
		{ .name = "what", .type = EMIT_STRING },
	};
	u64 all = over_roles(s->all);

	emit_table(em, &(struct emit_table){
		.name = "explain", .title = "\n cycles by what the CPU's thread was to flushes",
		.cols = cols, .nr_cols = ARRAY_LEN(cols) });
	for (u32 i = 0; i < NR_CYCLE_CATS; i++) {
		if (i != CYC_WALK) {
			cycles_row(em, cycle_cat_names[i], cycle_cat_help[i],
				   s->cats[i], all);
			continue;
		}
		for (u32 k = 0; k <= NR_EXPLAIN_WALKS; k++)
			cycles_row(em, walk_rows[k].name, walk_rows[k].help,
				   s->walks[k], all);
	}
	cycles_row(em, "total", "all of the above", s->all, all);
}

/* ---- flushes ---------------------------------------------------------------------- */

#define BILL_COLS \
	{ .name = "flushes", .type = EMIT_U64 }, \
	{ .name = "ipis_sent", .unit = "IPIs", .type = EMIT_U64 }, \
	{ .name = "interrupts", .unit = "CPUs", .type = EMIT_U64 }, \
	{ .name = "dropped", .unit = "entries", .type = EMIT_U64 }, \
	{ .name = "own", .unit = "cycles", .type = EMIT_U64 }, \
	{ .name = "others", .unit = "cycles", .type = EMIT_U64 }, \
	{ .name = "refills", .unit = "walks", .type = EMIT_U64 }, \
	{ .name = "refill", .unit = "cycles", .type = EMIT_U64 }, \
	{ .name = "per_flush", .unit = "cycles", .type = EMIT_DOUBLE, \
	  .decimals = 1 }

static u64 bill_total(const struct explain_bill *b)
{
	return b->own_cycles + b->stolen_cycles + b->refill_cycles;
}

static void bill_cells(struct emit *em, const struct explain_bill *b)
{
	emit_u64(em, b->flushes);
	emit_u64(em, b->ipis);
	emit_u64(em, b->interrupts);
	emit_u64(em, b->dropped);
	emit_u64(em, b->own_cycles);
	emit_u64(em, b->stolen_cycles);
	emit_u64(em, b->refill_walks);
	emit_u64(em, b->refill_cycles);
	emit_double(em, b->flushes ? (double)bill_total(b) / (double)b->flushes
				   : NAN);
	emit_row(em);
}

static void kinds_table(struct emit *em, const struct explain *x)
{
	static const struct emit_col cols[] = {
		{ .name = "kind", .type = EMIT_STRING }, BILL_COLS
	};

	emit_table(em, &(struct emit_table){
		.name = "explain-flushes",
		.title = "\n what flushes cost: own, the initiator's; others, of those interrupted; refill, walks for what it dropped",
		.cols = cols, .nr_cols = ARRAY_LEN(cols), .missing = "-" });
	for (u32 i = 0; i < NR_EXPLAIN_KINDS; i++) {
		emit_str(em, kind_names[i]);
		bill_cells(em, explain_of_kind(x, (enum explain_kind)i));
	}
}

static void cpus_table(struct emit *em, const struct explain *x,
		       const struct timed_result *r)
{
	static const struct emit_col cols[] = {
		{ .name = "thread", .type = EMIT_U64 },
		{ .name = "cpu", .type = EMIT_U64 },
		{ .name = "role", .type = EMIT_STRING }, BILL_COLS
	};

	emit_table(em, &(struct emit_table){
		.name = "explain-cpus", .title = "\n the same by who began them",
		.cols = cols, .nr_cols = ARRAY_LEN(cols), .missing = "-" });
	for (u32 t = 0; t < r->nr_rows; t++) {
		u32 cpu = r->cpu[t].cpu;

		emit_u64(em, t);
		emit_u64(em, cpu);
		emit_str(em, role_names[explain_role(x, cpu)]);
		bill_cells(em, &explain_of_cpu(x, cpu)->bill);
	}
}

static void dearest_table(struct emit *em, const struct explain *x,
			  const struct timed_result *r)
{
	static const struct emit_col cols[] = {
		{ .name = "at", .unit = "us", .type = EMIT_DOUBLE,
		  .decimals = 3 },
		{ .name = "cpu", .type = EMIT_U64 },
		{ .name = "kind", .type = EMIT_STRING },
		{ .name = "vpn", .type = EMIT_U64 },
		{ .name = "range", .unit = "pages", .type = EMIT_U64 }, BILL_COLS
	};
	u32 nr, n = 0, top[EXPLAIN_TOP];
	const struct explain_flush *f = explain_flushes(x, &nr);

	for (u32 i = 0; i < nr; i++) {
		u32 at = n;

		while (at && bill_total(&f[top[at - 1]].bill) <
			     bill_total(&f[i].bill))
			at--;
		if (at == EXPLAIN_TOP)
			continue;
		n += n < EXPLAIN_TOP;
		memmove(&top[at + 1], &top[at], (n - at - 1) * sizeof(*top));
		top[at] = i;
	}
	emit_table(em, &(struct emit_table){
		.name = "explain-dearest", .title = "\n the dearest flushes",
		.cols = cols, .nr_cols = ARRAY_LEN(cols), .missing = "-" });
	for (u32 i = 0; i < n; i++) {
		const struct explain_flush *d = &f[top[i]];

		emit_double(em, timed_cycles_to_ms(r, d->at) * 1e3);
		emit_u64(em, d->cpu);
		emit_str(em, kind_names[d->kind]);
		emit_u64(em, d->vpn);
		if (d->pages)
			emit_u64(em, d->pages);
		else
			emit_na(em);
		bill_cells(em, &d->bill);
	}
}

/* ---- in words ---------------------------------------------------------------------- */

static struct explain_bill all_flushes(const struct explain *x)
{
	struct explain_bill b = { 0 };

	for (u32 i = 0; i < FLUSH_NONE; i++) {
		const struct explain_bill *k =
			explain_of_kind(x, (enum explain_kind)i);

		b.flushes += k->flushes;
		b.ipis += k->ipis;
		b.served += k->served;
		b.interrupts += k->interrupts;
		b.dropped += k->dropped;
		b.own_cycles += k->own_cycles;
		b.stolen_cycles += k->stolen_cycles;
		b.refill_walks += k->refill_walks;
		b.refill_cycles += k->refill_cycles;
		b.own_refill_cycles += k->own_refill_cycles;
	}
	return b;
}

/* The largest share of what is not the program's own. */
static void say_dominant(struct emit *em, const struct sums *s, u64 busy)
{
	const char *name = NULL, *help = NULL;
	u64 most = 0;

	for (u32 i = CYC_WALK + 1; i < CYC_IDLE; i++)
		if (over_roles(s->cats[i]) > most) {
			most = over_roles(s->cats[i]);
			name = cycle_cat_names[i];
			help = cycle_cat_help[i];
		}
	for (u32 i = 0; i <= NR_EXPLAIN_WALKS; i++)
		if (over_roles(s->walks[i]) > most) {
			most = over_roles(s->walks[i]);
			name = walk_rows[i].name;
			help = walk_rows[i].help;
		}
	if (most)
		emit_note(em, " Of what is not the program's own work, %s is the "
			  "most: %.1f %% of busy cycles (%s).", name,
			  100.0 * (double)most / (double)busy, help);
}

static void say_flushes(struct emit *em, const struct explain_bill *b, u64 busy)
{
	double n = (double)b->flushes, all = (double)bill_total(b);

	if (!b->flushes) {
		emit_note(em, " Nothing was flushed.");
		return;
	}
	emit_note(em, " %llu flushes sent %llu IPIs (%.1f each) and interrupted "
		  "CPUs %llu times%s.", (unsigned long long)b->flushes,
		  (unsigned long long)b->ipis, (double)b->ipis / n,
		  (unsigned long long)b->interrupts,
		  b->interrupts < b->ipis ? ", some for several requests at once"
					  : "");
	emit_note(em, " Flushing took %.1f %% of busy cycles: %.0f a flush, %.0f "
		  "of them the initiator's, %.0f of those interrupted, %.0f for "
		  "%.1f refills.", busy ? 100.0 * all / (double)busy : 0,
		  all / n, (double)b->own_cycles / n,
		  (double)b->stolen_cycles / n, (double)b->refill_cycles / n,
		  (double)b->refill_walks / n);
}

static void say_walks(struct emit *em, const struct sums *s)
{
	u64 named = over_roles(s->walks[WALK_REFILL]);
	u64 extra = over_roles(s->walks[WALK_COLLATERAL]);
	u64 room = over_roles(s->walks[WALK_CAPACITY]);

	if (extra > named && extra > room)
		emit_note(em, " Most refilling is for pages that nobody asked to "
			  "flush: flushes of everything dropped them; a higher "
			  "ceiling would keep them.");
	else if (room > named + extra)
		emit_note(em, " The TLB is too small for the program: walks "
			  "for what made room cost more than those that flushes "
			  "caused.");
}

static void say(struct emit *em, const struct explain *x,
		const struct timed_result *r, const struct sums *s)
{
	struct explain_bill b = all_flushes(x);
	u64 busy = timed_busy_cycles(r);
	u32 nr;

	emit_note(em, "\n in words:");
	say_flushes(em, &b, busy);
	if (busy)
		say_dominant(em, s, busy);
	say_walks(em, s);
	(void)explain_flushes(x, &nr);
	if (nr < b.flushes)
		emit_note(em, " Only the first %u flushes were looked at one by "
			  "one for the dearest.", nr);
	if (r->is_checked)
		emit_note(em, " With --check nothing runs ahead, which takes no "
			  "modelled time.");
}

void explain_report(const struct explain *x, const struct timed_result *r,
		    struct emit *em)
{
	struct sums s;

	memset(&s, 0, sizeof(s));
	for (u32 t = 0; t < r->nr_rows; t++)
		add_cpu(&s, x, r, t);
	for (u32 i = 0; i < NR_EXPLAIN_ROLES; i++)
		emit_meta_u64(em, "explain", role_names[i], s.nr_cpus[i]);
	cycles_table(em, &s);
	kinds_table(em, x);
	if (emit_kind_of(em) != EMIT_TABLE)
		cpus_table(em, x, r);
	dearest_table(em, x, r);
	emit_note(em, "\n %u initiators began flushes, %u responders were only "
		  "interrupted, %u bystanders neither", s.nr_cpus[0],
		  s.nr_cpus[1], s.nr_cpus[2]);
	say(em, x, r, &s);
}
