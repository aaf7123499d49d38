#include "emu/tlb_tables.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"

/* ---- rows kept ----------------------------------------------------------------- */

static void add_distance(struct trace_rows *t, const struct stack *s,
			 struct distance_row d)
{
	u64 end = stack_depth(s, 0);

	for (u64 i = d.from; !d.is_first && i <= d.to && i < end; i++)
		d.accesses += stack_at(s, 0, i);
	d.misses = d.is_first ? d.accesses : stack_misses(s, 0, d.from);
	d.all = stack_accesses(s);
	t->distance[t->nr_distances++] = d;
}

/* 0, 1, 2-3, 4-7, 8-15 ... to the greatest there is, then first uses. */
static void add_distances(struct trace_rows *t, const struct sweep *sweep,
			  enum uses uses, u32 page)
{
	const struct stack *s = sweep_stack(sweep, uses, page);
	struct distance_row d = { .uses = uses, .page = page };

	if (!s)
		return;
	while (d.from < stack_depth(s, 0)) {
		d.to = d.from ? 2 * d.from - 1 : 0;
		add_distance(t, s, d);
		d.from = d.to + 1;
	}
	d.is_first = true;
	d.accesses = stack_pages(s);
	add_distance(t, s, d);
}

#define MAX_DISTANCES (NR_USES * NR_WHAT_IF_PAGES * 66u)

int tlb_rows_add(struct tlb_rows *rows, const char *path,
		 const struct trace_info *info, const struct sweep *s,
		 const struct what_if *w, struct err *e)
{
	struct trace_rows *t = realloc(rows->trace, (rows->nr + 1) * sizeof(*t));

	if (!t)
		return err_set(e, -ENOMEM, "out of memory");
	rows->trace = t;
	t += rows->nr++;
	*t = (struct trace_rows){
		.path = path,
		.accesses = info->nr_accesses,
		.instructions = info->nr_by_op[RUN_FETCH],
		.point = malloc((w ? w->nr : 1) * sizeof(*t->point)),
		.distance = calloc(MAX_DISTANCES, sizeof(*t->distance)),
	};
	if (!t->point || !t->distance)
		return err_set(e, -ENOMEM, "out of memory");
	if (w)
		memcpy(t->point, w->point, w->nr * sizeof(*t->point));
	for (u32 u = 0; u < USES_ALL; u++)
		for (u32 page = 0; page < NR_WHAT_IF_PAGES; page++)
			add_distances(t, s, (enum uses)u, page);
	return 0;
}

void tlb_rows_release(struct tlb_rows *rows)
{
	for (u32 i = 0; i < rows->nr; i++) {
		free(rows->trace[i].point);
		free(rows->trace[i].distance);
	}
	free(rows->trace);
	memset(rows, 0, sizeof(*rows));
}

/* ---- rates ----------------------------------------------------------------------- */

static const char *rate_unit(u64 instructions)
{
	return instructions ? "per 1000 instructions" : "per 1000 accesses";
}

static double rate(u64 n, u64 instructions, u64 accesses)
{
	u64 of = instructions ? instructions : accesses;

	return of ? 1000.0 * (double)n / (double)of : NAN;
}

/* ---- designs ------------------------------------------------------------------------ */

/* A row of the text table, a column of the others. */
struct metric {
	const char *name, *unit;
	enum counter ctr;       /* this, unless @get                          */
	double (*get)(const struct design_job *j);
	u32 decimals;
};

static u64 ctr(const struct design_job *j, enum counter c)
{
	return j->r.count.v[c];
}

static u64 l1_misses(const struct design_job *j)
{
	return ctr(j, CTR_DTLB_LOAD_MISSES) + ctr(j, CTR_DTLB_STORE_MISSES) +
		ctr(j, CTR_ITLB_LOAD_MISSES);
}

static u64 walks(const struct design_job *j)
{
	return ctr(j, CTR_WALK_LOAD) + ctr(j, CTR_WALK_STORE) +
		ctr(j, CTR_WALK_FETCH);
}

static double instructions(const struct design_job *j)
{
	return j->instructions ? (double)j->instructions : NAN;
}

static double l1_rate(const struct design_job *j)
{
	return rate(l1_misses(j), j->instructions, ctr(j, CTR_ACCESSES));
}

static double walk_rate(const struct design_job *j)
{
	return rate(walks(j), j->instructions, ctr(j, CTR_ACCESSES));
}

static double l1_share(const struct design_job *j)
{
	u64 all = ctr(j, CTR_ACCESSES);

	return all ? 100.0 * (double)l1_misses(j) / (double)all : NAN;
}

static double walk_cycles(const struct design_job *j)
{
	return (double)(ctr(j, CTR_WALK_LOAD_CYCLES) +
			ctr(j, CTR_WALK_STORE_CYCLES) +
			ctr(j, CTR_WALK_FETCH_CYCLES));
}

static double cycles_per_walk(const struct design_job *j)
{
	return walks(j) ? walk_cycles(j) / (double)walks(j) : NAN;
}

static double elapsed(const struct design_job *j)
{
	return (double)j->r.elapsed_cycles;
}

static double translation_share(const struct design_job *j)
{
	u64 all = j->r.elapsed_cycles;

	return all ? 100.0 * (double)(j->r.cycles[CYC_WALK] +
				      j->r.cycles[CYC_STLB]) / (double)all
		   : NAN;
}

static double stlb_cycles(const struct design_job *j)
{
	return (double)j->r.cycles[CYC_STLB];
}

static double walks_4k(const struct design_job *j)
{
	return (double)(ctr(j, CTR_WALK_LOAD_4K) + ctr(j, CTR_WALK_STORE_4K) +
			ctr(j, CTR_WALK_FETCH_4K));
}

static double walks_2m(const struct design_job *j)
{
	return (double)(ctr(j, CTR_WALK_LOAD_2M) + ctr(j, CTR_WALK_STORE_2M) +
			ctr(j, CTR_WALK_FETCH_2M));
}

static double l2_hits_4k(const struct design_job *j)
{
	return (double)j->r.l2_hits[0];
}

static double l2_hits_2m(const struct design_job *j)
{
	return (double)j->r.l2_hits[1];
}

static double l1_misses_4k(const struct design_job *j)
{
	return walks_4k(j) + l2_hits_4k(j);
}

static double l1_misses_2m(const struct design_job *j)
{
	return walks_2m(j) + l2_hits_2m(j);
}

#define ONE(x) .ctr = CTR_##x

static const struct metric metrics[] = {
	{ "accesses", "accesses", ONE(ACCESSES) },
	{ "instructions", "instructions", .get = instructions },
	{ "l1_load_misses", "accesses", ONE(DTLB_LOAD_MISSES) },
	{ "l1_store_misses", "accesses", ONE(DTLB_STORE_MISSES) },
	{ "l1_fetch_misses", "accesses", ONE(ITLB_LOAD_MISSES) },
	{ "l1_misses_4k", "accesses", .get = l1_misses_4k },
	{ "l1_misses_2m", "accesses", .get = l1_misses_2m },
	{ "l1_miss_share", "%", .get = l1_share, .decimals = 3 },
	{ "l2_load_hits", "accesses", ONE(STLB_HIT_LOAD) },
	{ "l2_store_hits", "accesses", ONE(STLB_HIT_STORE) },
	{ "l2_fetch_hits", "accesses", ONE(STLB_HIT_FETCH) },
	{ "l2_hits_4k", "accesses", .get = l2_hits_4k },
	{ "l2_hits_2m", "accesses", .get = l2_hits_2m },
	{ "load_walks", "walks", ONE(WALK_LOAD) },
	{ "store_walks", "walks", ONE(WALK_STORE) },
	{ "fetch_walks", "walks", ONE(WALK_FETCH) },
	{ "walks_4k", "walks", .get = walks_4k },
	{ "walks_2m", "walks", .get = walks_2m },
	{ "psc_pde_hits", "walks", ONE(PSC_HIT_PDE) },
	{ "psc_pdpte_hits", "walks", ONE(PSC_HIT_PDPTE) },
	{ "psc_pml4e_hits", "walks", ONE(PSC_HIT_PML4E) },
	{ "psc_misses", "walks", ONE(PSC_MISS) },
	{ "walker_loads", "loads", ONE(WALKER_LOADS) },
	{ "walk_cycles", "cycles", .get = walk_cycles },
	{ "cycles_per_walk", "cycles", .get = cycles_per_walk, .decimals = 1 },
	{ "l2_lookup_cycles", "cycles", .get = stlb_cycles },
	{ "elapsed_cycles", "cycles", .get = elapsed },
	{ "translation_share", "%", .get = translation_share, .decimals = 2 },
	{ "l1_miss_rate", NULL, .get = l1_rate, .decimals = 3 },
	{ "walk_rate", NULL, .get = walk_rate, .decimals = 3 },
};

/* NAN: not modelled, or nothing to divide by. */
static double value_of(const struct metric *m, const struct design_job *j)
{
	if (m->get)
		return m->get(j);
	if (!counter_mask_has(&j->r.modelled, m->ctr))
		return NAN;
	return (double)ctr(j, m->ctr);
}

static void designs_rows(struct emit *em, const struct design_job *job,
			 u32 nr_jobs, enum mapping mapping)
{
	struct emit_col cols[5 + ARRAY_LEN(metrics)] = {
		{ .name = "trace", .type = EMIT_STRING },
		{ .name = "program", .type = EMIT_STRING },
		{ .name = "design", .type = EMIT_STRING },
		{ .name = "page", .type = EMIT_STRING },
		{ .name = "rates", .type = EMIT_STRING },
	};

	for (u32 i = 0; i < ARRAY_LEN(metrics); i++)
		cols[5 + i] = (struct emit_col){
			.name = metrics[i].name, .unit = metrics[i].unit,
			.type = metrics[i].decimals ? EMIT_DOUBLE : EMIT_U64,
			.decimals = metrics[i].decimals };
	emit_table(em, &(struct emit_table){ .name = "designs", .cols = cols,
					     .nr_cols = ARRAY_LEN(cols) });
	for (u32 k = 0; k < nr_jobs; k++) {
		emit_str(em, job[k].trace);
		emit_str(em, job[k].program);
		emit_str(em, job[k].design);
		emit_str(em, mapping_names[mapping]);
		emit_str(em, rate_unit(job[k].instructions));
		for (u32 i = 0; i < ARRAY_LEN(metrics); i++) {
			double v = value_of(&metrics[i], &job[k]);

			if (!isfinite(v))
				emit_na(em);
			else if (metrics[i].decimals)
				emit_double(em, v);
			else
				emit_u64(em, (u64)v);
		}
		emit_row(em);
	}
}

/* Cells of one column are of one type, and rows here are not: text, aligned by
 * hand. */
#define CELL 18

static void text_cell(struct emit *em, const struct metric *m, double v)
{
	char num[UNITS_MAX_TEXT], cell[UNITS_MAX_TEXT + CELL];

	if (!isfinite(v))
		snprintf(num, sizeof(num), "-");
	else if (m->decimals)
		units_format_fixed(v, m->decimals, num, sizeof(num));
	else
		units_format_grouped((u64)v, num);
	snprintf(cell, sizeof(cell), "%*s", CELL, num);
	emit_str(em, cell);
}

#define TEXT_DESIGNS 4u

/* Up to four designs beside each other, their names as the first row. */
static void designs_text(struct emit *em, const struct design_job *job, u32 nr)
{
	struct emit_col cols[1 + TEXT_DESIGNS + 1];
	char cell[64 + CELL];

	for (u32 i = 0; i < ARRAY_LEN(cols); i++)
		cols[i] = (struct emit_col){ .name = "", .type = EMIT_STRING };
	emit_table(em, &(struct emit_table){ .name = "designs", .cols = cols,
					     .nr_cols = nr + 2, .bare = true });
	emit_str(em, "");
	for (u32 k = 0; k < nr; k++) {
		const char *base = strrchr(job[k].design, '/');

		snprintf(cell, sizeof(cell), "%*.63s", CELL,
			 base ? base + 1 : job[k].design);
		emit_str(em, cell);
	}
	emit_str(em, "unit");
	emit_row(em);
	for (u32 i = 0; i < ARRAY_LEN(metrics); i++) {
		const struct metric *m = &metrics[i];

		emit_str(em, m->name);
		for (u32 k = 0; k < nr; k++)
			text_cell(em, m, value_of(m, &job[k]));
		emit_str(em, m->unit ? m->unit
				     : rate_unit(job[0].instructions));
		emit_row(em);
	}
}

static void about_trace(struct emit *em, const struct design_job *j,
			enum mapping mapping)
{
	char num[UNITS_MAX_TEXT];

	emit_note(em, " trace '%s' of '%s': %s 4K pages, mapped %s; %s",
		  j->trace, j->program, units_format_grouped(j->pages, num),
		  mapping_names[mapping],
		  j->instructions ? "one instruction a fetch"
		  : "no instruction fetches in it, so rates are per 1000 "
		    "accesses");
}

void designs_table(struct emit *em, const struct design_job *job,
		   u32 nr_traces, u32 nr_designs, enum mapping mapping)
{
	if (emit_kind_of(em) != EMIT_TABLE) {
		designs_rows(em, job, nr_traces * nr_designs, mapping);
		return;
	}
	for (u32 t = 0; t < nr_traces; t++) {
		const struct design_job *j = job + (size_t)t * nr_designs;

		about_trace(em, j, mapping);
		for (u32 k = 0; k < nr_designs; k += TEXT_DESIGNS)
			designs_text(em, j + k, nr_designs - k < TEXT_DESIGNS
				     ? nr_designs - k : TEXT_DESIGNS);
	}
}

/* ---- sweeps ---------------------------------------------------------------------------- */

static void point_row(struct emit *em, const struct trace_rows *t,
		      const struct what_if_point *p)
{
	emit_str(em, t->path);
	emit_str(em, what_if_page_names[p->page]);
	emit_str(em, uses_names[p->uses]);
	emit_str(em, tlb_repl_name(p->replacement));
	emit_str(em, p->sets == 1 ? "full" : tlb_index_name(p->index));
	emit_u64(em, p->entries);
	emit_u64(em, p->ways);
	emit_u64(em, p->sets);
	emit_u64(em, p->accesses);
	emit_u64(em, p->misses);
	emit_double(em, p->accesses ? 100.0 * (double)p->misses /
		    (double)p->accesses : NAN);
	emit_double(em, rate(p->misses, t->instructions, t->accesses));
	emit_str(em, p->is_stack ? "stack" : "TLB");
	emit_row(em);
}

void what_if_table(struct emit *em, const struct tlb_rows *rows,
		   const struct what_if *w)
{
	static const struct emit_col cols[] = {
		{ .name = "trace", .type = EMIT_STRING },
		{ .name = "page", .type = EMIT_STRING },
		{ .name = "uses", .type = EMIT_STRING },
		{ .name = "replacement", .type = EMIT_STRING },
		{ .name = "index", .type = EMIT_STRING },
		{ .name = "entries", .type = EMIT_U64 },
		{ .name = "ways", .type = EMIT_U64 },
		{ .name = "sets", .type = EMIT_U64 },
		{ .name = "accesses", .type = EMIT_U64 },
		{ .name = "misses", .type = EMIT_U64 },
		{ .name = "share", .unit = "%", .type = EMIT_DOUBLE,
		  .decimals = 3 },
		{ .name = "rate", .type = EMIT_DOUBLE, .decimals = 3 },
		{ .name = "by", .type = EMIT_STRING },
	};
	u32 nr_tlbs = 0;

	emit_table(em, &(struct emit_table){ .name = "what-if",
		   .title = " what if: misses of one level of this shape",
		   .cols = cols, .nr_cols = ARRAY_LEN(cols) });
	for (u32 t = 0; t < rows->nr; t++)
		for (u32 i = 0; i < w->nr; i++)
			point_row(em, &rows->trace[t], &rows->trace[t].point[i]);
	for (u32 i = 0; i < w->nr; i++)
		nr_tlbs += !w->point[i].is_stack;
	for (u32 t = 0; t < rows->nr; t++)
		emit_note(em, " rate of '%s': %s", rows->trace[t].path,
			  rate_unit(rows->trace[t].instructions));
	if (w->nr > nr_tlbs)
		emit_note(em, " by stack: LRU, %u points from the stack "
			  "distances of one pass", w->nr - nr_tlbs);
	if (nr_tlbs)
		emit_note(em, " by TLB: the policy is no stack algorithm, so "
			  "%u points were emulated one by one", nr_tlbs);
	if (w->nr_left_out)
		emit_note(em, " left out: %u combinations that are no TLB, "
			  "the first: %s", w->nr_left_out, w->left_out);
}

/* ---- reuse distances --------------------------------------------------------------------- */

/* "4-7", or "first use". */
static void emit_distance(struct emit *em, const struct distance_row *d)
{
	char text[48];

	if (emit_kind_of(em) != EMIT_TABLE) {
		if (d->is_first) {
			emit_na(em);
			emit_na(em);
		} else {
			emit_u64(em, d->from);
			emit_u64(em, d->to);
		}
		return;
	}
	if (d->is_first)
		snprintf(text, sizeof(text), "first use");
	else if (d->from == d->to)
		snprintf(text, sizeof(text), "%llu",
			 (unsigned long long)d->from);
	else
		snprintf(text, sizeof(text), "%llu-%llu",
			 (unsigned long long)d->from,
			 (unsigned long long)d->to);
	emit_str(em, text);
}

static void distance_table(struct emit *em)
{
	static const struct emit_col text[] = {
		{ .name = "distance", .unit = "pages", .type = EMIT_STRING },
	}, numbers[] = {
		{ .name = "from", .unit = "pages", .type = EMIT_U64 },
		{ .name = "to", .unit = "pages", .type = EMIT_U64 },
	};
	bool is_text = emit_kind_of(em) == EMIT_TABLE;
	struct emit_col cols[8] = {
		{ .name = "trace", .type = EMIT_STRING },
		{ .name = "uses", .type = EMIT_STRING },
		{ .name = "page", .type = EMIT_STRING },
	};
	u32 n = 3;

	for (u32 i = 0; i < (is_text ? ARRAY_LEN(text) : ARRAY_LEN(numbers)); i++)
		cols[n++] = is_text ? text[i] : numbers[i];
	cols[n++] = (struct emit_col){ .name = "accesses", .type = EMIT_U64 };
	cols[n++] = (struct emit_col){ .name = "share", .unit = "%",
				       .type = EMIT_DOUBLE, .decimals = 4 };
	cols[n++] = (struct emit_col){ .name = "lru_misses",
				       .type = EMIT_U64 };
	emit_table(em, &(struct emit_table){ .name = "histogram",
		   .title = " reuse distances: other pages used since the page's last use",
		   .cols = cols, .nr_cols = n });
}

void histogram_table(struct emit *em, const struct tlb_rows *rows)
{
	distance_table(em);
	for (u32 t = 0; t < rows->nr; t++) {
		for (u32 i = 0; i < rows->trace[t].nr_distances; i++) {
			const struct distance_row *d =
				&rows->trace[t].distance[i];

			emit_str(em, rows->trace[t].path);
			emit_str(em, uses_names[d->uses]);
			emit_str(em, what_if_page_names[d->page]);
			emit_distance(em, d);
			emit_u64(em, d->accesses);
			emit_double(em, 100.0 * (double)d->accesses /
				    (double)d->all);
			emit_u64(em, d->misses);
			emit_row(em);
		}
	}
	emit_note(em, " lru_misses: of a fully associative LRU TLB with as many "
		  "entries as the distance begins with; a first use misses in "
		  "any");
}
