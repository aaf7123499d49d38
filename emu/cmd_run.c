/* tlbemu run - one workload on one machine: what it counted, where the cycles
 * went, and with --check what went through stale translations. */
#include "emu/cmd_run.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/units.h"
#include "emu/cmd.h"
#include "emu/common_opts.h"
#include "emu/experiment.h"
#include "emu/explain.h"
#include "emu/timeline.h"

/* ORDER table */
enum {
	TABLE_COUNTERS, TABLE_CYCLES, TABLE_CPUS, TABLE_WINDOW, TABLE_SAMPLES,
	TABLE_EXPLAIN,
	TABLE_EXPLAIN_FLUSHES, TABLE_EXPLAIN_CPUS, TABLE_EXPLAIN_DEAREST
};
static const char *const table_names[] = {
	"counters", "cycles", "cpus", "window", "samples", "explain", "explain-flushes",
	"explain-cpus", "explain-dearest", NULL
};

static const struct opt run_opts[] = {
	OPTS_OUT_TABLE(output_cfg),
	{ .name = "table", .kind = OPT_ENUM, .def = "counters",
	  .names = table_names, .help = "the table that a .csv shows",
	  .offset = offsetof(struct output_cfg, table), .group = "output",
	  .no_echo = true },
	{ .name = "explain", .kind = OPT_BOOL,
	  .help = "every cycle by what the CPU was to flushes, page walks by "
		  "why, what each flush cost whom, and what dominates",
	  .offset = offsetof(struct output_cfg, explain), .group = "output",
	  .no_echo = true },
	{ .name = "timeline", .kind = OPT_STRING, .metavar = "FILE",
	  .help = "write what each CPU did when, as Chrome trace events for "
		  "ui.perfetto.dev",
	  .offset = offsetof(struct output_cfg, timeline), .group = "output",
	  .no_echo = true },
	{ .name = "timeline-events", .kind = OPT_U64, .def = "100000",
	  .min = 1, .max = 1u << 30,
	  .help = "after so many events nothing more is kept (about 130 bytes "
		  "each); the file says what was dropped",
	  .offset = offsetof(struct output_cfg, timeline_events),
	  .group = "output", .no_echo = true },
	OPTS_PROGRESS(output_cfg),
	OPTS_DRY_RUN(output_cfg, "print the whole configuration as an INI "
		 "file, run nothing"),
	OPTS_HELP_OF(output_cfg, "this text; with a WORKLOAD its options, too"),
};

static const char usage[] =
	"usage: tlbemu run [options] WORKLOAD|FILE.ini [FILE...]\n"
	"run - one workload on one modelled machine: counters, cycles, checks\n\n";
static const char examples[] =
	"\nexamples:\n"
	"  tlbemu run mprotect-storm --threads 8 --pages 40\n"
	"  tlbemu run numa-migrate --time 40ms --kernel v3.12 --check\n"
	"  tlbemu run replay sort.tlbt ls.tlbt --as processes -o replay.csv\n"
	"  tlbemu run tlb_flush2 --threads 8 --explain --timeline storm.json\n"
	"  tlbemu run numa-migrate --dry-run > m.ini; tlbemu run m.ini --seed 2\n"
	"exit status: 0 done, 1 ran and --check found lost stores or writes after\n"
	"free, or output could not be written, 2 usage or bad input\n";

static void show_help(const struct experiment *x)
{
	fputs(usage, stdout);
	if (x->workload)
		printf("%s: %s\n  stands for: %s\n  look at: %s\n\n",
		       x->workload->name, x->workload->summary,
		       x->workload->mirrors, x->workload->watch);
	opt_help(x->set, stdout);
	fputs(examples, stdout);
}

/* ---- tables --------------------------------------------------------------------- */

static void cycles_table(struct emit *em, const struct timed_result *r)
{
	static const struct emit_col cols[] = {
		{ .name = "cycles", .type = EMIT_U64 },
		{ .name = "category", .type = EMIT_STRING },
		{ .name = "share", .unit = "%", .type = EMIT_DOUBLE,
		  .decimals = 2 },
		{ .name = "what", .type = EMIT_STRING },
		{ .name = "per_flush", .unit = "cycles", .type = EMIT_DOUBLE,
		  .decimals = 1 },
	};
	u64 all = timed_busy_cycles(r) + r->cycles[CYC_IDLE];
	u64 flushes = r->count.v[CTR_TLB_FLUSH];
	bool has_per = flushes || emit_kind_of(em) != EMIT_TABLE;

	emit_table(em, &(struct emit_table){
		.name = "cycles", .title = "\n cycles of all threads' CPUs",
		.cols = cols, .nr_cols = ARRAY_LEN(cols) - !has_per });
	for (u32 i = 0; i < NR_CYCLE_CATS; i++) {
		emit_u64(em, r->cycles[i]);
		emit_str(em, cycle_cat_names[i]);
		emit_double(em, all ? 100.0 * (double)r->cycles[i] /
			    (double)all : 0);
		emit_str(em, cycle_cat_help[i]);
		if (has_per)
			emit_double(em, flushes ? (double)r->cycles[i] /
				    (double)flushes : NAN);
		emit_row(em);
	}
}

static void cpus_table(struct emit *em, const struct timed_result *r)
{
	struct emit_col cols[3 + NR_CYCLE_CATS] = {
		{ .name = "thread", .type = EMIT_U64 },
		{ .name = "cpu", .type = EMIT_U64 },
		{ .name = "node", .type = EMIT_U64 },
	};

	for (u32 i = 0; i < NR_CYCLE_CATS; i++)
		cols[3 + i] = (struct emit_col){ .name = cycle_cat_names[i],
			.unit = "cycles", .type = EMIT_U64 };
	emit_table(em, &(struct emit_table){
		.name = "cpus", .title = "\n cycles by thread",
		.cols = cols, .nr_cols = ARRAY_LEN(cols) });
	for (u32 t = 0; t < r->nr_rows; t++) {
		emit_u64(em, t);
		emit_u64(em, r->cpu[t].cpu);
		emit_u64(em, r->cpu[t].node);
		for (u32 i = 0; i < NR_CYCLE_CATS; i++)
			emit_u64(em, r->cpu[t].cycles[i]);
		emit_row(em);
	}
}

static void window_table(struct emit *em, const struct timed_result *r)
{
	static const struct emit_col cols[] = {
		{ .name = "from", .unit = "ns", .type = EMIT_DOUBLE,
		  .decimals = 0 },
		{ .name = "to", .unit = "ns", .type = EMIT_DOUBLE,
		  .decimals = 0 },
		{ .name = "stale_hits", .type = EMIT_U64 },
		{ .name = "of_these_stores", .type = EMIT_U64 },
	};
	const struct window_stat *w = &r->window;
	double ns = 1e9 / (double)r->hz;
	u32 first = 0, last = 0;

	for (u32 i = WINDOW_BUCKETS; i-- > 0; )
		if (w->hits[i]) {
			first = i;
			last = last ? last : i;
		}
	emit_table(em, &(struct emit_table){
		.name = "window",
		.title = "\n vulnerability window: time from the change of an entry to a use of the old one",
		.cols = cols, .nr_cols = ARRAY_LEN(cols) });
	if (!r->count.v[CTR_STALE_HITS])
		return;
	for (u32 i = first; i <= last; i++) {
		emit_double(em, i ? ldexp(ns, (int)i) : 0);
		emit_double(em, ldexp(ns, (int)i + 1));
		emit_u64(em, w->hits[i]);
		emit_u64(em, w->store_hits[i]);
		emit_row(em);
	}
}

static double units_per_second(const struct timed_result *r)
{
	return (double)r->done / (double)r->elapsed_cycles * (double)r->hz;
}

static void note_convergence(struct emit *em, const struct timed_result *r)
{
	double since = series_converged(&r->series, r->hz, 90);

	if (since < 0)
		emit_note(em, "%11s nine lines of ten from the own node: not "
			  "for good", "");
	else
		emit_note(em, "%11.3f s until nine lines of ten came from the "
			  "own node, for good", since);
}

static void summary(struct emit *em, const struct experiment *x,
		    const struct timed_result *r)
{
	char cyc[UNITS_MAX_TEXT], hz[UNITS_MAX_TEXT], done[UNITS_MAX_TEXT];
	double per = timed_flush_cycles(r);

	emit_note(em, "\n%11.3f ms modelled (%s cycles at %s), %u thread%s on %u CPUs",
		  timed_cycles_to_ms(r, r->elapsed_cycles),
		  units_format_grouped(r->elapsed_cycles, cyc),
		  units_format(UNIT_HZ, r->hz, hz), r->nr_threads,
		  r->nr_threads == 1 ? "" : "s", r->nr_cpus);
	if (r->done)
		emit_note(em, "%11.0f %s per second of modelled time (%s)",
			  units_per_second(r), r->unit,
			  units_format_grouped(r->done, done));
	if (isfinite(per))
		emit_note(em, "%11.1f cycles (%.0f ns) of the initiator per "
			  "flush: sending, its own flush, waiting", per,
			  per / (double)r->hz * 1e9);
	emit_note(em, "%11s leans on %u of %u assumed numbers of profile %s "
		  "('tlbemu list machines %s')", "", r->nr_assumed_used,
		  r->nr_assumed, r->profile, r->profile);
	if (x->cfg.sample_ns)
		note_convergence(em, r);
	if (r->is_checked)
		emit_note(em, "%11s %s", "", r->count.v[CTR_LOST_STORES] ||
			  r->count.v[CTR_WRITE_AFTER_FREE]
			  ? "CHECK FAILED: data was lost"
			  : "check passed: no store was lost, none went to a free frame");
	if (r->is_checked && r->count.v[CTR_STALE_HITS])
		emit_note(em, "%11.0f ns is the oldest translation that was used",
			  (double)r->window.max_cycles / (double)r->hz * 1e9);
	if (!x->output.out && isatty(STDOUT_FILENO))
		emit_note(em, "%11.3f s on this host", (double)r->host_ns / 1e9);
}

static void metas(struct emit *em, const struct timed_result *r)
{
	emit_meta_str(em, "machine", "topology", r->topology);
	emit_meta_str(em, "machine", "profile", r->profile);
	emit_meta_u64(em, "machine", "cpus", r->nr_cpus);
	emit_meta_u64(em, "machine", "hz", r->hz);
	emit_meta_u64(em, "machine", "assumed_numbers", r->nr_assumed);
	emit_meta_u64(em, "result", "assumed_numbers_used", r->nr_assumed_used);
	emit_meta_u64(em, "result", "threads", r->nr_threads);
	emit_meta_u64(em, "result", "elapsed_cycles", r->elapsed_cycles);
	emit_meta_double(em, "result", "elapsed_ms",
			 timed_cycles_to_ms(r, r->elapsed_cycles));
	emit_meta_u64(em, "result", r->unit, r->done);
	emit_meta_double(em, "result", "flush_cycles", timed_flush_cycles(r));
	if (r->is_checked)
		emit_meta_u64(em, "result", "window_max_cycles",
			      r->window.max_cycles);
}

/* Those who look on; NULL where nobody asked. */
struct watchers {
	struct explain *why;
	struct timeline *tl;
};

static void say_timeline(struct emit *em, const struct experiment *x,
			 const struct timeline *tl)
{
	char kept[UNITS_MAX_TEXT], dropped[UNITS_MAX_TEXT];

	emit_note(em, "%11s timeline %s: %s events, %s dropped%s", "",
		  x->output.timeline,
		  units_format_grouped(timeline_kept(tl), kept),
		  units_format_grouped(timeline_dropped(tl), dropped),
		  timeline_dropped(tl) ? " after them (--timeline-events)" : "");
}

static void report(const struct experiment *x, const struct timed_result *r,
		   const struct watchers *w, struct emit *em)
{
	char title[512];

	experiment_meta(x, em);
	metas(em, r);
	snprintf(title, sizeof(title), " emulated counters for '%s' on '%s', "
		 "kernel %s, flush %s, seed %llu\n", x->word, r->topology,
		 x->cfg.kernel, x->cfg.flush, (unsigned long long)x->cfg.seed);
	counters_emit(em, "counters", title, &r->count, &r->modelled);
	cycles_table(em, r);
	if (x->cfg.sample_ns)
		series_table(em, &r->series, r->hz);
	if (emit_kind_of(em) != EMIT_TABLE)
		cpus_table(em, r);
	if (r->is_checked)
		window_table(em, r);
	if (w->why)
		explain_report(w->why, r, em);
	summary(em, x, r);
	if (w->tl)
		say_timeline(em, x, w->tl);
}

/* ---- the command ------------------------------------------------------------------ */

static bool is_lossy(const struct timed_result *r)
{
	return r->is_checked && (r->count.v[CTR_LOST_STORES] ||
				 r->count.v[CTR_WRITE_AFTER_FREE]);
}

static int out_of_memory(struct err *e)
{
	err_set(e, -ENOMEM, "out of memory");
	return complain(EXIT_FAILED, e);
}

static int write_timeline(const struct experiment *x, struct watchers *w,
			  const struct timed_result *r, struct err *e)
{
	struct timeline *tl = w->tl;

	w->tl = NULL;
	return !tl ? 0 : timeline_commit(tl, &(struct timeline_about){
		.r = r, .workload = x->workload->name, .kernel = x->cfg.kernel,
		.flush = x->cfg.flush, .seed = x->cfg.seed }, e);
}

/* The outputs are opened first: what cannot be written is told before the
 * work. */
static int run_point(const struct experiment *x, const struct timed_point *p,
		     struct timed_result *r, struct watchers *w, struct err *e)
{
	struct emit *em;
	int rc = emit_create(&em, &(struct emit_cfg){
		.path = x->output.out,
		.csv_table = table_names[x->output.table] }, e);

	if (rc)
		return complain(rc == -EINVAL ? EXIT_USAGE : EXIT_FAILED, e);
	rc = timed_point_run(p, r, e);
	if (rc || (w->why && explain_is_broken(w->why))) {
		emit_discard(em);
		return rc ? complain(exit_status_of(rc), e) : out_of_memory(e);
	}
	report(x, r, w, em);
	rc = emit_close(em, e);
	if (!rc)
		rc = write_timeline(x, w, r, e);
	if (rc)
		return complain(EXIT_FAILED, e);
	return is_lossy(r) ? EXIT_FAILED : 0;
}

/* A table that this run does not make. */
static int check_table(const struct experiment *x, struct err *e)
{
	int t = x->output.table;

	if (t == TABLE_SAMPLES && !x->cfg.sample_ns)
		return err_set(e, -EINVAL, "--table=samples: only --sample makes "
			       "it");
	if (t == TABLE_WINDOW && !x->cfg.check)
		return err_set(e, -EINVAL, "--table=window: only --check counts "
			       "it");
	if (t >= TABLE_EXPLAIN && !x->output.explain)
		return err_set(e, -EINVAL, "--table=%s: only --explain makes it",
			       table_names[t]);
	return 0;
}

static void watch(struct timed_point *p, struct probe *by)
{
	by->next = p->probe;
	p->probe = by;
}

static int run_watched(const struct experiment *x, struct timed_point *p,
		       struct timed_result *r, struct err *e)
{
	struct watchers w = { NULL, NULL };
	int status;

	if (x->output.timeline &&
	    timeline_create(&w.tl, x->output.timeline,
			    x->output.timeline_events, e))
		return complain(EXIT_FAILED, e);
	if (w.tl)
		watch(p, timeline_probe(w.tl));
	if (x->output.explain) {
		w.why = explain_create(MACHINE_MAX_CPUS);
		if (!w.why) {
			timeline_discard(w.tl);
			return out_of_memory(e);
		}
		watch(p, explain_probe(w.why));
	}
	status = run_point(x, p, r, &w, e);
	explain_destroy(w.why);
	timeline_discard(w.tl);
	return status;
}

static int run(struct experiment *x, struct err *e)
{
	struct timed_point p = experiment_point(x, NULL, NULL);
	struct timed_result *r;
	int status;

	p.progress = x->output.progress;
	if (experiment_kernel(x->cfg.kernel, &p.kernel, e) ||
	    experiment_settle(x, NULL, e) ||
	    experiment_flush(x->cfg.flush, &p.flush, e))
		return complain(EXIT_USAGE, e);
	if (check_table(x, e))
		return complain(EXIT_USAGE, e);
	if (x->output.dry_run) {
		experiment_echo(x, stdout);
		return 0;
	}
	r = calloc(1, sizeof(*r));
	if (!r)
		return out_of_memory(e);
	status = run_watched(x, &p, r, e);
	free(r);
	return status;
}

int cmd_run(int argc, char **argv)
{
	struct experiment x;
	struct err e;
	int status = 0;

	if (experiment_parse(&x, argc, argv, run_opts, ARRAY_LEN(run_opts), &e))
		status = complain(EXIT_USAGE, &e);
	else if (x.output.help)
		show_help(&x);
	else
		status = run(&x, &e);
	experiment_release(&x);
	return status;
}
