/* tlbemu reproduce numa - see reproduce_numa.h. Every run is a process of its own. */
#include "emu/cmd_reproduce_numa.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/emit.h"
#include "emu/cmd.h"
#include "emu/common_opts.h"
#include "emu/pool.h"
#include "emu/reproduce_numa.h"
#include "emu/timed_point.h"
#include "emu/version.h"

struct cfg {
	const char *out, *only;
	u32 jobs;
	int progress;
	bool help;
};

#define FIELD(f) .offset = offsetof(struct cfg, f), .group = "output"

static const struct opt opts[] = {
	{ .name = "only", .kind = OPT_STRING, .metavar = "T1|T2|...",
	  .help = "rows of one published result, and the runs these need",
	  FIELD(only) },
	OPTS_JOBS(cfg, "worker processes"),
	OPTS_OUT_TABLE(cfg),
	OPTS_PROGRESS(cfg),
	OPTS_HELP(cfg),
};

/* ---- one run --------------------------------------------------------------------- */

static int set_up(const struct numa_run_of *run, struct timed_point *p,
		  struct timed_cfg *cfg, struct opt_set **set, struct err *e)
{
	const struct workload *w = workload_find(run->workload);
	void *wl_cfg = calloc(1, w->cfg_bytes);
	const struct opt_bind binds[2] = {
		{ .table = timed_opts, .nr = nr_timed_opts, .base = cfg },
		{ .table = w->params, .nr = w->nr_params, .base = wl_cfg },
	};
	int rc = wl_cfg ? opt_set_create(set, binds, 2) : -ENOMEM;

	if (rc)
		return err_set(e, rc, "out of memory");
	for (const char *const *d = w->defaults; d && d[0] && !rc; d += 2)
		rc = opt_assign(*set, d[0], d[1], OPT_FROM_DEFAULT, e);
	for (const char *const *d = run->pairs; d[0] && !rc; d += 2)
		rc = opt_assign(*set, d[0], d[1], OPT_FROM_CMDLINE, e);
	*p = (struct timed_point){
		.cfg = cfg, .kernel = kernel_find(cfg->kernel),
		.flush = cfg->flush ? flush_find(cfg->flush) : NULL, .workload = w,
		.workload_cfg = wl_cfg, .progress = PROGRESS_NEVER,
	};
	return rc;
}

static double seconds(const struct timed_result *r, u64 cycles)
{
	return (double)cycles / (double)r->hz;
}

static void keep_result(struct numa_outcome *o, const struct timed_result *r)
{
	u64 user = r->cycles[CYC_USER] + r->cycles[CYC_STLB] +
		r->cycles[CYC_WALK] + r->cycles[CYC_DATA];

	o->seconds = seconds(r, r->elapsed_cycles);
	o->user_seconds = seconds(r, user);
	o->system_seconds = seconds(r, timed_busy_cycles(r) - user);
	o->lock_seconds = seconds(r, r->cycles[CYC_LOCK_WAIT]);
	o->count = r->count;
	o->done = (double)r->done;
}

/* In a process of its own, which ends soon. */
static int run_one(u32 job, void *result, void *arg)
{
	const u32 *run_of = arg;
	struct timed_result *r = calloc(1, sizeof(*r));
	struct numa_outcome *o = result;
	struct opt_set *set = NULL;
	struct timed_point p;
	struct timed_cfg cfg;
	struct err e = { "out of memory" };

	o->is_done = true;
	o->rc = r ? set_up(&numa_runs[run_of[job]], &p, &cfg, &set, &e)
		  : -ENOMEM;
	if (!o->rc)
		o->rc = timed_point_run(&p, r, &e);
	if (o->rc)
		snprintf(o->error, sizeof(o->error), "%.255s", e.text);
	else
		keep_result(o, r);
	free(r);
	return 0;
}

/* ---- all of them ------------------------------------------------------------------ */

struct work {
	u32 run_of[NR_NUMA_RUNS];       /* by job                             */
	struct numa_outcome out[NR_NUMA_RUNS];
	struct progress progress;
};

static void keep(u32 job, const void *result, int status, void *arg)
{
	u32 *run_of = arg;
	struct work *w = (struct work *)(void *)run_of;

	if (result)
		memcpy(&w->out[run_of[job]], result, sizeof(w->out[0]));
}

static struct progress *shown;

static void show(u32 ended, u32 nr_jobs, void *arg)
{
	progress_to(shown, ended);
}

static bool is_asked(const struct cfg *cfg, const struct numa_row *row)
{
	return !cfg->only || !strcmp(cfg->only, row->test);
}

static bool is_needed(const struct cfg *cfg, u32 run)
{
	for (u32 i = 0; i < nr_numa_rows; i++)
		if (is_asked(cfg, &numa_rows[i]) &&
		    numa_row_needs(&numa_rows[i], run))
			return true;
	return false;
}

static int run_all(struct work *w, const struct cfg *cfg, struct err *e)
{
	u32 n = 0;
	int rc;

	for (u32 i = 0; i < NR_NUMA_RUNS; i++)
		if (is_needed(cfg, i))
			w->run_of[n++] = i;
	if (!n)
		return 0;
	shown = &w->progress;
	progress_start(&w->progress, cfg->progress, "reproduce numa", "runs", n);
	rc = pool_run(&(struct pool){
		.nr_jobs = n, .nr_workers = cfg->jobs,
		.result_bytes = sizeof(struct numa_outcome), .run = run_one,
		.done = keep, .progress = show, .arg = w->run_of });
	progress_end(&w->progress);
	if (rc)
		return err_set(e, rc < 0 ? rc : -EIO, "cannot run the workers");
	for (u32 i = 0; i < n; i++) {
		const struct numa_outcome *o = &w->out[w->run_of[i]];
		const char *what = numa_runs[w->run_of[i]].what;

		if (!o->is_done)
			return err_set(e, -EIO, "%s: its worker died", what);
		if (o->rc)
			return err_set(e, o->rc, "%s: %s", what, o->error);
	}
	return 0;
}

/* ---- the table -------------------------------------------------------------------- */

struct tally {
	u32 inside, outside, unjudged, missing;
};

static const char *judge(const struct numa_row *row, double v, struct tally *t)
{
	if (row->missing) {
		t->missing++;
		return row->missing;
	}
	if (row->low == 0 && row->high == 0) {
		t->unjudged++;
		return "no band";
	}
	if (v >= row->low && v <= row->high) {
		t->inside++;
		return "inside";
	}
	t->outside++;
	return "OUTSIDE";
}

static void emit_rows(struct emit *em, const struct cfg *cfg,
		      const struct numa_outcome *out, struct tally *t)
{
	static const struct emit_col cols[] = {
		{ .name = "test", .type = EMIT_STRING },
		{ .name = "what", .type = EMIT_STRING },
		{ .name = "unit", .type = EMIT_STRING },
		{ .name = "published", .type = EMIT_DOUBLE, .decimals = 3 },
		{ .name = "emulated", .type = EMIT_DOUBLE, .decimals = 3 },
		{ .name = "error", .unit = "%", .type = EMIT_DOUBLE,
		  .decimals = 1 },
		{ .name = "verdict", .type = EMIT_STRING },
	};

	emit_table(em, &(struct emit_table){
		.name = "numa", .title = " published results on NUMA balancing, "
		"and the model's", .cols = cols, .nr_cols = ARRAY_LEN(cols) });
	for (u32 i = 0; i < nr_numa_rows; i++) {
		const struct numa_row *row = &numa_rows[i];
		double v = row->value ? row->value(out) : NAN;

		if (!is_asked(cfg, row))
			continue;
		emit_str(em, row->test);
		emit_str(em, row->what);
		emit_str(em, row->unit);
		emit_double(em, row->published);
		emit_double(em, v);
		emit_double(em, row->published ? 100 * (v - row->published) /
			    row->published : NAN);
		emit_str(em, judge(row, v, t));
		emit_row(em);
	}
}

static int write_table(const struct cfg *cfg, const struct numa_outcome *out,
		       struct emit *em, struct err *e)
{
	struct tally t = { 0 };

	emit_meta_str(em, NULL, "command", "reproduce numa");
	emit_meta_str(em, NULL, "revision", tlbemu_revision);
	emit_rows(em, cfg, out, &t);
	emit_note(em, "\nreproduce numa: %u inside their band, %u outside, %u "
		  "without one, %u not modelled", t.inside, t.outside,
		  t.unjudged, t.missing);
	if (emit_close(em, e))
		return complain(EXIT_FAILED, e);
	return t.outside ? EXIT_FAILED : 0;
}

static int reproduce(const struct cfg *cfg, struct err *e)
{
	struct work *w = calloc(1, sizeof(*w));
	struct emit *em;
	int rc;

	if (!w) {
		err_set(e, -ENOMEM, "out of memory");
		return complain(EXIT_FAILED, e);
	}
	rc = emit_create(&em, &(struct emit_cfg){ .path = cfg->out }, e);
	if (rc) {
		free(w);
		return complain(rc == -EINVAL ? EXIT_USAGE : EXIT_FAILED, e);
	}
	rc = run_all(w, cfg, e);
	if (rc) {
		emit_discard(em);
		rc = complain(EXIT_FAILED, e);
	} else {
		rc = write_table(cfg, w->out, em, e);
	}
	free(w);
	return rc;
}

static bool is_known(const char *test)
{
	for (u32 i = 0; i < nr_numa_rows; i++)
		if (!strcmp(numa_rows[i].test, test))
			return true;
	return false;
}

int cmd_reproduce_numa(int argc, char **argv)
{
	struct cfg cfg = { 0 };
	const struct opt_bind binds[] = { OPT_BIND(opts, &cfg) };
	struct opt_set *set;
	struct err e;
	int n, status;

	if (opt_set_create(&set, binds, 1)) {
		err_set(&e, -ENOMEM, "out of memory");
		return complain(EXIT_FAILED, &e);
	}
	n = opt_parse_args(set, argc - 1, argv + 1, &e);
	if (n > 0)
		n = err_set(&e, -EINVAL, "reproduce numa: '%s' is not expected",
			    argv[1]);
	if (!n && cfg.only && !is_known(cfg.only))
		n = err_set(&e, -EINVAL, "reproduce numa: --only: '%s' is none "
			    "of T1 to T14, laws", cfg.only);
	if (!n && cfg.help) {
		fputs("usage: tlbemu reproduce numa [options]\n"
		      "reproduce numa - published results on NUMA balancing "
		      "beside the model's\n\n", stdout);
		opt_help(set, stdout);
		fputs("\nexit status: 0 all rows that have a band are inside; 1 "
		      "one is not, or a run\nfailed; 2 usage. All of it takes a "
		      "few minutes.\n", stdout);
		status = 0;
	} else {
		status = n ? complain(EXIT_USAGE, &e) : reproduce(&cfg, &e);
	}
	opt_set_free(set);
	return status;
}
