/* tlbemu tune - which settings of some knobs suit this program on that machine. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/suggest.h"
#include "emu/cmd.h"
#include "emu/cmd_tune.h"
#include "emu/common_opts.h"
#include "emu/tune_files.h"

#define MAX_SETTINGS 20000u

/* ORDER tune_search */
static const char *const search_names[] = {
	"halving", "grid", "random", NULL
};

enum goal { GOAL_AUTO, GOAL_ELAPSED, GOAL_PER_UNIT, GOAL_PER_ACCESS };
static const char *const goal_names[] = {
	"auto", "elapsed", "per-unit", "per-access", NULL
};

struct tune_cfg {
	const char *knobs, *db;
	u32 seeds, tries;
	int search, goal;
};

static const struct opt common_opts[] = {
	OPTS_JOBS(output_cfg, "worker processes"),
	OPTS_OUT(output_cfg, "DIR", "figures, with the CSV of each, and the "
		   "database"),
	OPTS_PROGRESS(output_cfg),
	OPTS_DRY_RUN(output_cfg, "print how many settings and points there "
		 "are, run nothing"),
	OPTS_HELP_OF(output_cfg, "this text; with a WORKLOAD its options, too"),
};

#define OWN(f) .offset = offsetof(struct tune_cfg, f), .group = "tuning", \
	.no_echo = true

static const struct opt tune_opts[] = {
	{ .name = "knobs", .kind = OPT_STRING, .metavar = "FILE",
	  .help = "what may be set to what: section [knobs], lines 'name = "
		  "values' as in a sweep; without it the [knobs] of FILE.ini",
	  OWN(knobs) },
	{ .name = "seeds", .kind = OPT_U32, .def = "5", .min = 1,
	  .max = TUNE_MAX_SEEDS,
	  .help = "runs of a setting, each with a seed of its own", OWN(seeds) },
	{ .name = "search", .kind = OPT_ENUM, .def = "halving",
	  .names = search_names,
	  .help = "halving: all settings with one seed, then the promising "
		  "ones with more; grid: all with all seeds; random: --tries "
		  "of them with all seeds", OWN(search) },
	{ .name = "tries", .kind = OPT_U32, .def = "0",
	  .max = MAX_SETTINGS,
	  .help = "settings at most, drawn at random; 0: all (random: 20)",
	  OWN(tries) },
	{ .name = "goal", .kind = OPT_ENUM, .def = "auto", .names = goal_names,
	  .help = "what run time is: elapsed until the last thread is done, "
		  "elapsed by the units that the program did (transactions, "
		  "lookups), or elapsed of a thread by an access; auto: per-unit "
		  "where --time says how long the program runs, else elapsed",
	  OWN(goal) },
	{ .name = "db", .kind = OPT_STRING, .metavar = "FILE.db",
	  .help = "where the points are kept; without it DIR/tune.db", OWN(db) },
};

/* A knob's line, kept until the command line has been read: it says what the
 * knobs are without tuning. */
struct knob_line {
	char *key, *value;
	const char *path;
	u32 line;
};

struct session {
	struct experiment x;
	struct tune_cfg cfg;
	struct knob_line *lines;
	u32 nr_lines;
	const char *reading;            /* the file that section() is for     */
	struct sweep_grid knobs, base;
	struct tune tune;
	struct sweep_db *db;
	char title[512];        /* of the program as it is                    */
	char db_path[4096];
	bool is_tmp;
	struct err e;
};

/* ---- reading --------------------------------------------------------------------- */

struct base_value {
	const struct opt *o;
	char *value;
};

static void find_base(void *arg, const struct opt *o, const char *value,
		      enum opt_origin origin)
{
	struct base_value *b = arg;

	if (o == b->o)
		b->value = strdup(value);
}

/* What a knob is without tuning, before its values pass through the option. */
static int note_base(struct session *s, const char *key, struct err *e)
{
	struct base_value b = { .o = opt_find(s->x.set, key) };
	int rc = 0;

	if (!b.o)
		return 0;       /* sweep_grid_add() says so */
	for (u32 i = 0; i < s->base.nr_axes; i++)
		if (s->base.axis[i].o == b.o)
			return 0;
	opt_each(s->x.set, find_base, &b);
	if (b.value) {
		char quoted[1024];

		snprintf(quoted, sizeof(quoted), "\"%s\"", b.value);
		rc = sweep_grid_add(&s->base, s->x.set, key, quoted, e);
	}
	free(b.value);
	return rc;
}

static int section(void *arg, const char *name, const char *key,
		   const char *value, u32 line, struct err *e)
{
	static const char *const known[] = { "run", "knobs", NULL };
	struct session *s = arg;
	struct knob_line *more;
	char near[96];

	if (strcmp(name, "knobs"))
		return err_set(e, -EINVAL, "no section [%s] here%s", name,
			       suggest_text(name, known, near, sizeof(near)));
	more = realloc(s->lines, (s->nr_lines + 1) * sizeof(*more));
	if (!more)
		return err_set(e, -ENOMEM, "out of memory");
	s->lines = more;
	more += s->nr_lines++;
	*more = (struct knob_line){ strdup(key), strdup(value), s->reading,
				    line };
	return more->key && more->value ? 0
		: err_set(e, -ENOMEM, "out of memory");
}

static int take_line(struct session *s, const struct knob_line *l,
		     struct err *e)
{
	int rc;

	if (!strcmp(l->key, "seed"))
		rc = err_set(e, -EINVAL, "seed: --seeds N is how many each "
			     "setting runs with");
	else
		rc = note_base(s, l->key, e);
	if (!rc)
		rc = sweep_grid_add(&s->knobs, s->x.set, l->key, l->value, e);
	return rc ? err_prefix(e, rc, "%s:%u: ", l->path ? l->path : s->x.word,
			       l->line) : 0;
}

static int add_seeds(struct session *s, struct err *e)
{
	char text[64];
	u64 first = s->x.cfg.seed;
	int rc;

	snprintf(text, sizeof(text), "%llu..%llu", (unsigned long long)first,
		 (unsigned long long)(first + s->cfg.seeds - 1));
	rc = sweep_grid_add(&s->knobs, s->x.set, "seed", text, e);
	if (!rc)
		rc = sweep_grid_add(&s->base, s->x.set, "seed", text, e);
	return rc;
}

static int read_knobs(struct session *s, struct err *e)
{
	static const char *const none[] = { "run", NULL };

	int rc = 0;

	s->reading = s->cfg.knobs;
	s->knobs.is_after_args = s->base.is_after_args = true;
	if (s->cfg.knobs)
		rc = opt_parse_ini(s->x.set, s->cfg.knobs, &(struct opt_ini){
			.sections = none, .other = section, .arg = s }, e);
	for (u32 i = 0; i < s->nr_lines && !rc; i++)
		rc = take_line(s, &s->lines[i], e);
	return rc;
}

static u32 nr_settings(const struct session *s)
{
	return sweep_grid_points(&s->knobs) / s->cfg.seeds;
}

static int read_tune(struct session *s, int argc, char **argv, struct err *e)
{
	int rc = experiment_parse_how(&s->x, argc, argv,
		&(struct experiment_how){
			.more = common_opts, .nr_more = ARRAY_LEN(common_opts),
			.own = OPT_BIND(tune_opts, &s->cfg),
			.section = section, .section_arg = s }, e);

	if (rc || s->x.output.help)
		return rc;
	snprintf(s->title, sizeof(s->title), "%s, %s, kernel %s",
		 s->x.workload->name, s->x.cfg.machine, s->x.cfg.kernel);
	rc = read_knobs(s, e);
	if (!rc && !s->knobs.nr_axes)
		return err_set(e, -EINVAL, "tune: --knobs FILE with a section "
			       "[knobs] says what may be set to what");
	if (!rc && sweep_check_names(&s->x, &s->knobs, e))
		return err_prefix(e, -EINVAL, "tune: ");
	if (!rc)
		rc = add_seeds(s, e);
	if (!rc && s->cfg.search == SEARCH_RANDOM && !s->cfg.tries)
		s->cfg.tries = 20;
	if (!rc && !s->cfg.tries && nr_settings(s) > MAX_SETTINGS)
		return err_set(e, -E2BIG, "tune: %u settings; --tries N draws "
			       "some of them", nr_settings(s));
	return rc;
}

/* ---- what it says ------------------------------------------------------------------- */

/* Knobs that do nothing, as a scanner's when nobody scans, leave settings alike. */
static bool is_same(const struct tune_setting *a, const struct tune_setting *b,
		    u32 goal)
{
	return a->median[GOAL_TIME] == b->median[GOAL_TIME] &&
	       a->median[goal] == b->median[goal];
}

/* Sorted by run time: down the list overhead falls. */
static void say_front(struct tune *t, struct emit *em, bool converged)
{
	const struct tune_setting **v = calloc(t->nr + 1, sizeof(*v));
	u32 g = converged ? GOAL_CONVERGED : GOAL_OVERHEAD, n = 0;
	char name[512];

	for (u32 i = 0; v && i <= t->nr; i++) {
		const struct tune_setting *s = i ? &t->setting[i - 1] : &t->base;

		if (converged ? s->is_on_converged_front : s->is_on_front)
			v[n++] = s;
	}
	if (n) {
		qsort(v, n, sizeof(*v), tune_by_time);
		emit_note(em, "\nPareto front, run time against %s: no setting "
			  "is better in both", converged ? "time to converge"
							 : "overhead");
	}
	for (u32 i = 0, same; i < n; i += same) {
		char more[48] = "";

		same = 1;
		while (i + same < n && is_same(v[i], v[i + same], g))
			same++;
		if (same > 1)
			snprintf(more, sizeof(more), " (and %u that came out the "
				 "same)", same - 1);
		emit_note(em, "  %9.3f %s  %10.3f %s  %s%s",
			  v[i]->median[GOAL_TIME], tune_time_unit(t),
			  converged ? v[i]->median[g] : v[i]->median[g] / 1e6,
			  converged ? "ms" : "M cycles",
			  tune_setting_name(t, v[i], name, sizeof(name)), more);
	}
	free(v);
}

/* Where attention pays. */
static void say_worth(struct tune *t, struct emit *em)
{
	bool is_any = false;

	for (u32 a = 0; a < tune_nr_knobs(t); a++) {
		const struct sweep_axis *axis = &t->sweep.grid->axis[a];
		u32 best;
		double w = tune_worth(t, a, &best);

		if (isnan(w))
			continue;
		if (!is_any)
			emit_note(em, "\nwhat a knob's worst value costs against "
				  "its best, all others at their best");
		is_any = true;
		emit_note(em, "  %8.1f %%  %s (best: %s)", 100 * w,
			  axis->o->name, *axis->value[best]
			  ? axis->value[best] : "\"\"");
	}
}

static void say_sure(const struct tune *t, const struct tune_choice *c,
		     struct emit *em)
{
	const struct tune_ratio *r = &c->to_base;
	char name[512];

	if (t->base.is_failed) {
		emit_note(em, "  as it is, it does not run: %s", t->first.text);
		return;
	}
	tune_setting_name(t, c->rival, name, sizeof(name));
	emit_note(em, "  how sure: %s%sfaster than as it is with %u of %u seeds",
		  c->rival == c->best ? "" : name, c->rival == c->best ? ""
		  : ", the fastest other, is ", c->seeds_won, t->nr_seeds);
	if (isnan(r->lo))
		emit_note(em, "  its time against as it is: %.3f; too few seeds "
			  "to say more (--seeds 3 or more)", r->ratio);
	else
		emit_note(em, "  its time against as it is: %.3f, in 95 of 100 "
			  "resamplings of the seeds %.3f to %.3f%s", r->ratio,
			  r->lo, r->hi, r->lo <= 1 && r->hi >= 1
			  ? ": no difference that these seeds could show" : "");
}

/* Which of the settings, or none of them. */
static void say_which(const struct tune *t, const struct tune_choice *c,
		      struct emit *em)
{
	char name[512];

	if (c->best == &t->base)
		emit_note(em, "\nrecommended: leave it as it is");
	else
		emit_note(em, "\nrecommended: %s", tune_setting_name(t, c->best,
			  name, sizeof(name)));
}

static void say_choice(const struct tune *t, const struct tune_choice *c,
		       struct emit *em)
{
	const struct tune_setting *b = c->best, *f = c->fastest;
	char name[512];

	say_which(t, c, em);
	if (b == f)
		emit_note(em, "  why: the fastest, %.3f %s%s",
			  b->median[GOAL_TIME], tune_time_unit(t), c->nr_alike > 1
			  ? ", and of those as fast the one with least overhead"
			  : "");
	else
		emit_note(em, "  why: %u settings cannot be told from the "
			  "fastest (%s, %.3f %s) by their seeds; of these it "
			  "has the least overhead: %.3f M cycles against %.3f",
			  c->nr_alike, tune_setting_name(t, f, name,
							 sizeof(name)),
			  f->median[GOAL_TIME], tune_time_unit(t),
			  b->median[GOAL_OVERHEAD] / 1e6,
			  f->median[GOAL_OVERHEAD] / 1e6);
	say_sure(t, c, em);
}

static void report(struct session *s, const struct tune_choice *c,
		   struct emit *em)
{
	struct tune *t = &s->tune;
	u32 dropped = 0, failed = 0;

	for (u32 i = 0; i < t->nr; i++) {
		dropped += t->setting[i].is_dropped;
		failed += t->setting[i].is_failed;
	}
	emit_note(em, "%s: %u settings, %u seeds\n", s->title, t->nr, t->nr_seeds);
	tune_table(t, em);
	emit_note(em, "\ntime: median over seeds, with the lowest and highest; "
		  "ratio: against the first row; overhead: scanning,\nfaults, "
		  "copying, flushes, of busy cycles; converged -: never; "
		  "hopeless: given up after so many seeds");
	if (t->time_metric == METRIC_PER_UNIT)
		emit_note(em, "a unit: what the program did, all threads "
			  "together; of '%s': %s", s->x.workload->name,
			  timed_unit(s->x.workload));
	say_front(t, em, false);
	say_front(t, em, true);
	say_worth(t, em);
	say_choice(t, c, em);
	emit_note(em, "%u settings given up early, %u failed; %u points run "
		  "now, the others were there", dropped, failed, t->nr_ran);
	if (failed)
		emit_note(em, "the first that failed: %s", t->first.text);
}

/* ---- doing -------------------------------------------------------------------------- */

static void set_up(struct session *s)
{
	const struct sweep common = {
		.x = &s->x, .db = s->db, .jobs = s->x.output.jobs,
		.progress = s->x.output.progress, .label = "tune",
	};
	static const u32 metric_of[] = {
		[GOAL_ELAPSED] = METRIC_ELAPSED, [GOAL_PER_UNIT] = METRIC_PER_UNIT,
		[GOAL_PER_ACCESS] = METRIC_PER_ACCESS,
	};
	int goal = s->cfg.goal != GOAL_AUTO ? s->cfg.goal
		: opt_find(s->x.set, "time") ? GOAL_PER_UNIT : GOAL_ELAPSED;

	s->tune = (struct tune){
		.sweep = common, .base_sweep = common,
		.nr_seeds = s->cfg.seeds,
		.time_metric = metric_of[goal],
		.search = (enum tune_search)s->cfg.search,
		.tries = s->cfg.tries, .seed = s->x.cfg.seed,
	};
	s->tune.sweep.grid = &s->knobs;
	s->tune.base_sweep.grid = &s->base;
}

static int write_files(struct session *s, struct tune_files *f)
{
	int rc = tune_files_write(f, &s->e);

	if (rc)
		return complain(EXIT_FAILED, &s->e);
	printf("\n%s: %u figures%s\n", f->dir, f->nr_figures,
	       f->lacks_gnuplot ? "; gnuplot is not installed, so CSV and "
	       "scripts only" : "");
	return 0;
}

static int say(struct session *s, struct tune_files *f)
{
	struct tune_choice c;
	struct emit *em;
	int rc = tune_choose(&s->tune, &c);

	if (rc) {
		err_set(&s->e, rc, "tune: no setting ran to the end%s%s",
			s->tune.first.text[0] ? ": " : "", s->tune.first.text);
		return complain(EXIT_FAILED, &s->e);
	}
	rc = emit_create(&em, &(struct emit_cfg){ .kind = EMIT_TABLE }, &s->e);
	if (!rc) {
		report(s, &c, em);
		rc = emit_close(em, &s->e);
	}
	if (rc)
		return complain(EXIT_FAILED, &s->e);
	f->choice = &c;
	return f->dir ? write_files(s, f) : 0;
}

/* Without -o and --db the database is for this call only. */
static int open_db(struct session *s)
{
	const char *dir = s->x.output.out;

	if (s->cfg.db) {
		snprintf(s->db_path, sizeof(s->db_path), "%s", s->cfg.db);
	} else if (dir) {
		snprintf(s->db_path, sizeof(s->db_path), "%s/tune.db", dir);
	} else {
		const char *tmp = getenv("TMPDIR");
		int fd;

		snprintf(s->db_path, sizeof(s->db_path), "%s/tlbemu-tune-XXXXXX",
			 tmp && *tmp ? tmp : "/tmp");
		fd = mkstemp(s->db_path);
		if (fd < 0)
			return err_set(&s->e, -errno, "cannot make '%s': %s",
				       s->db_path, strerror(errno));
		close(fd);
		s->is_tmp = true;
	}
	return sweep_db_open(&s->db, s->db_path, SWEEP_DB_WRITE, &s->e);
}

static void close_db(struct session *s)
{
	sweep_db_close(s->db);
	if (s->is_tmp)
		unlink(s->db_path);
}

static int tune(struct session *s)
{
	struct tune_files f = { .t = &s->tune, .dir = s->x.output.out,
				.title = s->title };
	int rc, status;

	rc = f.dir ? tune_files_open(&f, &s->e) : 0;
	if (!rc)
		rc = open_db(s);
	if (rc)
		return complain(exit_status_of(rc), &s->e);
	set_up(s);
	rc = tune_run(&s->tune, &s->e);
	if (rc == -EINTR) {
		err_set(&s->e, rc, "tune: stopped%s", s->is_tmp
			? "" : "; the same command goes on");
		status = complain(EXIT_NOT_FINISHED, &s->e);
	} else {
		status = rc ? complain(exit_status_of(rc), &s->e) : say(s, &f);
	}
	tune_free(&s->tune);
	close_db(s);
	return status;
}

static void dry_run(const struct session *s)
{
	u32 n = nr_settings(s);

	if (s->cfg.tries && s->cfg.tries < n)
		n = s->cfg.tries;
	printf("# %u settings, %u seeds: %s%u points\n", n, s->cfg.seeds,
	       s->cfg.search == SEARCH_HALVING ? "at most " : "",
	       (n + 1) * s->cfg.seeds);
	for (u32 i = 0; i + 1 < s->knobs.nr_axes; i++) {
		const struct sweep_axis *a = &s->knobs.axis[i];

		printf("%s =", a->o->name);
		for (u32 k = 0; k < a->nr; k++)
			printf(!*a->value[k] || strchr(a->value[k], ',')
			       ? "%s \"%s\"" : "%s %s", k ? "," : "", a->value[k]);
		putchar('\n');
	}
}

static void show_help(const struct session *s)
{
	fputs("usage: tlbemu tune WORKLOAD|FILE.ini --knobs FILE [options]\n"
	      "tune - which settings of some knobs suit this program on that machine\n\n"
	      "The knobs' file, of any options that 'tlbemu run' takes:\n"
	      "  [knobs]\n"
	      "  scan-period = 0, 1ms..64ms*4\n"
	      "  thp = yes, no\n"
	      "Each setting runs with several seeds, beside the program as it is. It prints\n"
	      "all settings, those that nothing beats in run time and overhead both, and one\n"
	      "recommendation: why, and how sure. docs/tuning.md explains.\n\n", stdout);
	opt_help(s->x.set, stdout);
	fputs("\nexamples:\n"
	      "  tlbemu tune numa-migrate --knobs knobs.ini --machine 'pack:4 [numa] core:2 pu:1' -j 2\n"
	      "  tlbemu tune pool.ini --knobs knobs.ini -o pool.out\n"
	      "  tlbemu tune pool.ini --knobs many.ini --search random --tries 40 --seeds 3\n"
	      "exit status: 0 done, 1 nothing ran to its end or the host refused, 2 usage or\n"
	      "bad input, 3 stopped before the end\n", stdout);
}

int cmd_tune(int argc, char **argv)
{
	struct session s = { 0 };
	int status = 0;

	if (read_tune(&s, argc, argv, &s.e))
		status = complain(EXIT_USAGE, &s.e);
	else if (s.x.output.help)
		show_help(&s);
	else if (s.x.output.dry_run)
		dry_run(&s);
	else
		status = tune(&s);
	for (u32 i = 0; i < s.nr_lines; i++) {
		free(s.lines[i].key);
		free(s.lines[i].value);
	}
	free(s.lines);
	sweep_grid_free(&s.knobs);
	sweep_grid_free(&s.base);
	experiment_release(&s.x);
	return status;
}
