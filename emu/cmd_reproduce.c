/* tlbemu reproduce - published numbers beside the model's, and the error of each.
 *
 * Every point runs in a process of its own; the tables are made from the results
 * in order. */
#include "emu/cmd_reproduce.h"
#include "emu/cmd_reproduce_numa.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/emit.h"
#include "base/suggest.h"
#include "emu/cmd.h"
#include "emu/common_opts.h"
#include "emu/pool.h"
#include "emu/reproduce.h"
#include "emu/version.h"

#define MAX_SETS 64u
#define MAX_POINTS 1024u

struct reproduce_cfg {
	const char *out;
	int table;
	u32 jobs;
	int progress;
	bool help;
};

enum { TABLE_POINTS, TABLE_SETS, TABLE_CONSTANTS };
static const char *const table_names[] = { "points", "sets", "constants", NULL };

#define FIELD(f) .offset = offsetof(struct reproduce_cfg, f), .group = "output"

static const struct opt opts[] = {
	OPTS_JOBS(reproduce_cfg, "worker processes"),
	OPTS_OUT_TABLE(reproduce_cfg),
	{ .name = "table", .kind = OPT_ENUM, .def = "points",
	  .names = table_names, .help = "the table that a .csv shows",
	  FIELD(table) },
	OPTS_PROGRESS(reproduce_cfg),
	OPTS_HELP(reproduce_cfg),
};

/* ---- what was asked for ----------------------------------------------------------- */

struct job {
	const struct repro_set *set;
	const struct repro_point *point;
};

/* What a worker leaves. */
struct outcome {
	double value;
	int rc;
	bool is_done;
	struct err err;
};

struct work {
	const struct repro_set *set[MAX_SETS];
	u32 nr_sets;
	struct job job[MAX_POINTS];
	struct outcome result[MAX_POINTS];
	u32 nr_jobs;
	struct repro_costs costs;
	struct progress progress;
};

static int add_set(struct work *w, const struct repro_set *s)
{
	w->set[w->nr_sets++] = s;
	for (u32 i = 0; i < s->nr; i++)
		w->job[w->nr_jobs++] = (struct job){ s, &s->point[i] };
	return 0;
}

static bool is_asked(const char *word, const struct repro_set *s)
{
	if (!strcasecmp(word, "all"))
		return true;
	if (!strcasecmp(word, "curves"))
		return !s->is_headline;
	if (!strcasecmp(word, "headlines"))
		return s->is_headline;
	return !strcasecmp(word, s->name);
}

static int choose(struct work *w, char **word, u32 n, struct err *e)
{
	const char *names[MAX_SETS + 4] = { "all", "curves", "headlines" };
	char hint[128];

	for (u32 i = 0; repro_sets[i]; i++)
		names[3 + i] = repro_sets[i]->name;
	for (u32 k = 0; k < n; k++) {
		u32 before = w->nr_sets;

		for (u32 i = 0; repro_sets[i]; i++)
			if (is_asked(word[k], repro_sets[i]) &&
			    w->nr_sets < MAX_SETS)
				add_set(w, repro_sets[i]);
		if (w->nr_sets > before || !strcasecmp(word[k], "fit"))
			continue;
		suggest_text(word[k], names, hint, sizeof(hint));
		return err_set(e, -ENOENT, "reproduce: '%s': no such curve or "
			       "headline%s C1 to C6, C8, C9, H01 to H22, curves, "
			       "headlines, fit, all", word[k],
			       hint[0] ? hint : ";");
	}
	return 0;
}

/* ---- running ------------------------------------------------------------------------ */

static int run_one(u32 i, void *result, void *arg)
{
	const struct work *w = arg;
	const struct job *j = &w->job[i];
	struct outcome *o = result;

	o->value = NAN;
	o->is_done = true;
	if (!j->set->missing && !j->point->missing)
		o->rc = j->set->run(j->point, &w->costs, &o->value, &o->err);
	return 0;
}

static void keep(u32 i, const void *result, int status, void *arg)
{
	struct work *w = arg;

	if (result)
		memcpy(&w->result[i], result, sizeof(w->result[i]));
}

static void show(u32 ended, u32 nr_jobs, void *arg)
{
	struct work *w = arg;

	progress_to(&w->progress, ended);
}

static int run_all(struct work *w, const struct reproduce_cfg *cfg,
		   struct err *e)
{
	int rc = repro_fit(&w->costs, e);

	if (rc || !w->nr_jobs)
		return rc;
	progress_start(&w->progress, cfg->progress, "reproduce", "points",
		       w->nr_jobs);
	rc = pool_run(&(struct pool){
		.nr_jobs = w->nr_jobs, .nr_workers = cfg->jobs,
		.result_bytes = sizeof(struct outcome), .run = run_one,
		.done = keep, .progress = show, .arg = w });
	progress_end(&w->progress);
	if (rc < 0)
		return err_set(e, rc, "cannot start workers: %s", strerror(-rc));
	for (u32 i = 0; i < w->nr_jobs; i++) {
		if (!w->result[i].is_done)
			return err_set(e, -EIO, "the worker of %s died",
				       w->job[i].set->name);
		if (w->result[i].rc)
			return err_set(e, w->result[i].rc, "%s: %s",
				       w->job[i].set->name,
				       w->result[i].err.text);
	}
	return 0;
}

/* ---- verdicts ------------------------------------------------------------------------ */

static double error_of(const struct repro_point *p, double value)
{
	if (!p->published)
		return value ? INFINITY : 0;
	return 100 * (value - p->published) / p->published;
}

struct verdict {
	u32 nr, nr_missing;
	double median, worst;
	bool is_modelled, is_in_band, is_wrong_way, is_too_small;
};

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static struct verdict judge(const struct work *w, const struct repro_set *s)
{
	struct verdict v = { 0 };
	double err[MAX_POINTS];

	for (u32 i = 0; i < w->nr_jobs; i++) {
		const struct repro_point *p = w->job[i].point;
		double x = w->result[i].value;

		if (w->job[i].set != s)
			continue;
		if (!isfinite(x)) {
			v.nr_missing++;
			continue;
		}
		err[v.nr++] = fabs(error_of(p, x));
		if (!s->neutral)
			continue;
		x = (x - s->neutral) / (p->published - s->neutral);
		v.is_wrong_way |= x <= 0;
		v.is_too_small |= x < 0.5;
	}
	v.is_modelled = v.nr;
	if (!v.nr)
		return v;
	qsort(err, v.nr, sizeof(*err), by_value);
	v.median = v.nr % 2 ? err[v.nr / 2]
			    : (err[v.nr / 2 - 1] + err[v.nr / 2]) / 2;
	v.worst = err[v.nr - 1];
	v.is_in_band = s->is_headline
		? v.worst <= REPRO_HEADLINE && !v.is_too_small
		: v.median <= REPRO_MEDIAN && v.worst <= REPRO_WORST;
	return v;
}

static const char *verdict_text(const struct repro_set *s,
				const struct verdict *v)
{
	if (!v->is_modelled)
		return "not modelled";
	if (v->is_wrong_way)
		return "outside: the other way";
	if (v->is_too_small)
		return "outside: too small an effect";
	if (!v->is_in_band)
		return "outside";
	return s->is_fitted ? "within (fitted)" : "within";
}

/* ---- tables --------------------------------------------------------------------------- */

static void constants_table(struct emit *em, const struct work *w)
{
	static const struct emit_col cols[] = {
		{ .name = "constant", .type = EMIT_STRING },
		{ .name = "value", .unit = "cycles", .type = EMIT_U64 },
		{ .name = "how", .type = EMIT_STRING },
	};

	emit_table(em, &(struct emit_table){
		.name = "constants", .title = " fitted on C1 and C4, used on every machine",
		.cols = cols, .nr_cols = ARRAY_LEN(cols) });
	for (u32 i = 0; i < NR_REPRO_COSTS; i++) {
		emit_str(em, repro_fitted[i].name);
		emit_u64(em, w->costs.v[i]);
		emit_str(em, repro_fitted[i].how);
		emit_row(em);
	}
}

static const char *missing_of(const struct job *j)
{
	return j->set->missing ? j->set->missing : j->point->missing;
}

static void points_table(struct emit *em, const struct work *w)
{
	static const struct emit_col cols[] = {
		{ .name = "set", .type = EMIT_STRING },
		{ .name = "series", .type = EMIT_STRING },
		{ .name = "x", .type = EMIT_DOUBLE, .decimals = 0 },
		{ .name = "unit", .type = EMIT_STRING },
		{ .name = "published", .type = EMIT_DOUBLE, .decimals = 2 },
		{ .name = "emulated", .type = EMIT_DOUBLE, .decimals = 2 },
		{ .name = "error", .unit = "%", .type = EMIT_DOUBLE,
		  .decimals = 1 },
		{ .name = "note", .type = EMIT_STRING },
	};

	emit_table(em, &(struct emit_table){
		.name = "points", .title = "\n published and emulated",
		.cols = cols, .nr_cols = ARRAY_LEN(cols), .missing = "-" });
	for (u32 i = 0; i < w->nr_jobs; i++) {
		const struct job *j = &w->job[i];
		const char *missing = missing_of(j);
		char text[256] = "";

		if (missing)
			snprintf(text, sizeof(text), "not modelled: %s", missing);
		emit_str(em, j->set->name);
		emit_str(em, j->point->series);
		emit_double(em, j->set->is_headline ? NAN : j->point->x);
		emit_str(em, j->set->unit);
		emit_double(em, j->point->published);
		emit_double(em, w->result[i].value);
		emit_double(em, missing ? NAN : error_of(j->point,
							 w->result[i].value));
		emit_str(em, text);
		emit_row(em);
	}
}

static void sets_table(struct emit *em, const struct work *w)
{
	static const struct emit_col cols[] = {
		{ .name = "set", .type = EMIT_STRING },
		{ .name = "what", .type = EMIT_STRING },
		{ .name = "points", .type = EMIT_U64 },
		{ .name = "median", .unit = "%", .type = EMIT_DOUBLE,
		  .decimals = 1 },
		{ .name = "worst", .unit = "%", .type = EMIT_DOUBLE,
		  .decimals = 1 },
		{ .name = "verdict", .type = EMIT_STRING },
		{ .name = "note", .type = EMIT_STRING },
	};

	emit_table(em, &(struct emit_table){
		.name = "sets", .title = "\n verdicts",
		.cols = cols, .nr_cols = ARRAY_LEN(cols) });
	for (u32 i = 0; i < w->nr_sets; i++) {
		const struct repro_set *s = w->set[i];
		struct verdict v = judge(w, s);

		emit_str(em, s->name);
		emit_str(em, s->title);
		emit_u64(em, v.nr);
		emit_double(em, v.nr ? v.median : NAN);
		emit_double(em, v.nr ? v.worst : NAN);
		emit_str(em, verdict_text(s, &v));
		emit_str(em, s->missing ? s->missing : s->note ? s->note : "");
		emit_row(em);
	}
}

static void sources(struct emit *em, const struct work *w)
{
	for (u32 i = 0; i < w->nr_sets; i++)
		if (!w->set[i]->is_headline && !w->set[i]->missing)
			emit_note(em, " %s: %s; emulated on %s", w->set[i]->name,
				  w->set[i]->source, w->set[i]->machine);
}

/* Return: is anything outside? */
static bool summary(struct emit *em, const struct work *w)
{
	u32 in = 0, fitted = 0, out = 0, missing = 0;

	for (u32 i = 0; i < w->nr_sets; i++) {
		struct verdict v = judge(w, w->set[i]);

		in += v.is_modelled && v.is_in_band;
		fitted += v.is_in_band && w->set[i]->is_fitted;
		out += v.is_modelled && !v.is_in_band;
		missing += !v.is_modelled;
	}
	emit_note(em, "\n reproduce: of %u, %u within the band (%u of these were "
		  "fitted), %u outside, %u not modelled", w->nr_sets, in, fitted,
		  out, missing);
	return out;
}

static bool report(const struct work *w, struct emit *em)
{
	bool is_outside;

	emit_meta_str(em, NULL, "command", "reproduce");
	emit_meta_str(em, NULL, "revision", tlbemu_revision);
	constants_table(em, w);
	if (!w->nr_sets)
		return false;
	points_table(em, w);
	sets_table(em, w);
	emit_note(em, "\n where from:");
	sources(em, w);
	emit_note(em, " band: curves median %.0f %%, every point %.0f %%; "
		  "headlines %.0f %% and half of the published effect",
		  REPRO_MEDIAN, REPRO_WORST, REPRO_HEADLINE);
	is_outside = summary(em, w);
	return is_outside;
}

/* ---- the command ------------------------------------------------------------------------ */

static int reproduce(const struct reproduce_cfg *cfg, struct work *w,
		     struct err *e)
{
	struct emit *em;
	bool is_outside;
	int rc = emit_create(&em, &(struct emit_cfg){
		.path = cfg->out, .csv_table = table_names[cfg->table] }, e);

	if (rc)
		return complain(rc == -EINVAL ? EXIT_USAGE : EXIT_FAILED, e);
	rc = run_all(w, cfg, e);
	if (rc) {
		emit_discard(em);
		return complain(EXIT_FAILED, e);
	}
	is_outside = report(w, em);
	if (emit_close(em, e))
		return complain(EXIT_FAILED, e);
	return is_outside ? EXIT_FAILED : 0;
}

static void print_help(const struct opt_set *set)
{
	fputs("usage: tlbemu reproduce [options] NAME...|curves|headlines|all|fit\n"
	      "       tlbemu reproduce numa [options]\n"
	      "reproduce - published curves (C1 to C6, C8, C9) and headline results (H01 to\n"
	      "H22) beside what the model makes of them, with the error of each point\n\n"
	      "One set of cost constants serves all machines. It is fitted on C1 and C4\n"
	      "alone; `reproduce fit` does that and shows how.\n\n", stdout);
	opt_help(set, stdout);
	fputs("\nexamples:\n"
	      "  tlbemu reproduce C2\n"
	      "  tlbemu reproduce all -o reproduce.json\n"
	      "  tlbemu reproduce numa --help\n"
	      "exit status: 0 all that is modelled is within its band, 1 something is\n"
	      "outside or the output could not be written, 2 usage\n", stdout);
}

static int run_cmd(void *arg, struct opt_set *set, char **word, u32 n)
{
	const struct reproduce_cfg *cfg = arg;
	static struct work w;
	struct err e;

	memset(&w, 0, sizeof(w));
	if (!n)
		return complain_usage("reproduce", "which curve or headline? "
				      "tlbemu reproduce all");
	if (choose(&w, word, n, &e))
		return complain(EXIT_USAGE, &e);
	return reproduce(cfg, &w, &e);
}

int cmd_reproduce(int argc, char **argv)
{
	struct reproduce_cfg cfg = { 0 };
	const struct cmd cmd = {
		.name = "reproduce", .opts = opts, .nr_opts = ARRAY_LEN(opts),
		.cfg = &cfg, .help = &cfg.help, .takes_words = true,
		.print_help = print_help, .run = run_cmd,
	};

	if (argc > 1 && !strcmp(argv[1], "numa"))
		return cmd_reproduce_numa(argc - 1, argv + 1);
	return cmd_main(&cmd, argc, argv);
}
