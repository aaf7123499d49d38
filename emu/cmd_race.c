/* tlbemu race - explore every interleaving of a race under every kernel that
 * the catalogue names, and say which can lose. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/emit.h"
#include "base/opt.h"
#include "base/progress.h"
#include "base/suggest.h"
#include "emu/cmd_race.h"
#include "emu/cmd_search.h"
#include "emu/common_opts.h"
#include "emu/pool.h"
#include "emu/race_show.h"
#include "emu/race_table.h"
#include "emu/version.h"
#include "mm/flush.h"

struct race_cfg {
	const char *kernel;
	const char *row;
	const char *replay;
	const char *flush;
	const char *out;
	const char *html;
	const char *timeline;
	const char *fixed;
	int model;
	u32 jobs;
	struct search_budget budget;
	const char *preemptions;
	int mode;
	u64 seed;
	u64 runs;
	u32 depth;
	const char *save;
	const char *resume;
	double save_seconds;
	int progress;
	bool explain;
	bool plain;
	bool demand_only;
	bool livelock;
	bool dry_run;
	bool help;
};

#define AT(field) .offset = offsetof(struct race_cfg, field)

static const char *const model_names[] = { "row", "sc", "tso", "weak", NULL };

/* ORDER explore_mode */
static const char *const mode_names[] = { "all", "random", "pct", NULL };

static const struct opt race_opts[] = {
	{ .name = "kernel", .kind = OPT_STRING, .metavar = "NAME",
	  .help = "only rows of this kernel variant", AT(kernel),
	  .see = "tlbemu list kernels", .group = "what" },
	{ .name = "row", .kind = OPT_STRING, .metavar = "ID",
	  .help = "only this row of the table, such as V3-2", AT(row),
	  .group = "what" },
	{ .name = "flush", .kind = OPT_STRING, .metavar = "NAME",
	  .help = "another flush strategy for protection changes than the "
		  "kernel's deferred one", AT(flush),
	  .see = "tlbemu list flush", .group = "what" },
	{ .name = "model", .kind = OPT_ENUM, .def = "row",
	  .names = model_names,
	  .help = "memory model, instead of each row's own", AT(model),
	  .group = "hardware" },
	{ .name = "demand-only", .kind = OPT_BOOL,
	  .help = "TLBs hold only what their own CPU walked",
	  AT(demand_only), .group = "hardware" },
	OPTS_BUDGET(race_cfg, budget, "row", "200000000"),
	OPTS_PLAIN(race_cfg, plain),
	{ .name = "preemptions", .kind = OPT_STRING, .metavar = "N",
	  .help = "only schedules that leave a CPU which could go on at most N "
		  "times: what passes, passes within N preemptions",
	  AT(preemptions), .group = "search" },
	{ .name = "mode", .kind = OPT_ENUM, .def = "all", .names = mode_names,
	  .help = "all schedules; or some, at random or by changing priorities "
		  "(PCT), which proves nothing", AT(mode), .group = "search" },
	{ .name = "seed", .kind = OPT_U64, .def = "1",
	  .help = "of --mode random and pct", AT(seed), .group = "search" },
	{ .name = "runs", .kind = OPT_U64, .def = "10000", .min = 1,
	  .help = "schedules that --mode random and pct try", AT(runs),
	  .group = "search" },
	{ .name = "depth", .kind = OPT_U32, .letter = 'd', .def = "3", .min = 1,
	  .max = 64, .help = "ordering constraints that --mode pct aims at",
	  AT(depth), .group = "search" },
	{ .name = "livelock", .kind = OPT_BOOL,
	  .help = "look for a livelock (O14), too; always done for races in "
		  "which code starts over", AT(livelock), .group = "search" },
	{ .name = "save", .kind = OPT_STRING, .metavar = "FILE",
	  .help = "leave there what is left of the one row when a budget runs "
		  "out, and now and then before", AT(save), .group = "search",
	  .no_echo = true },
	{ .name = "save-every", .kind = OPT_DOUBLE, .def = "60", .dmin = 0.01,
	  .dmax = 1e6, .help = "host seconds between", AT(save_seconds),
	  .group = "search", .no_echo = true },
	{ .name = "resume", .kind = OPT_STRING, .metavar = "FILE",
	  .help = "go on from there: the same race, row and options, the same "
		  "build of the program", AT(resume), .group = "search",
	  .no_echo = true },
	{ .name = "replay", .kind = OPT_STRING, .metavar = "SCHEDULE",
	  .help = "run this schedule of --row and print its table",
	  AT(replay), .group = "output" },
	{ .name = "explain", .kind = OPT_BOOL,
	  .help = "also tell the story, and print every losing table",
	  AT(explain), .group = "output", .no_echo = true },
	{ .name = "html", .kind = OPT_STRING, .metavar = "FILE",
	  .help = "the counterexample of the one row that loses as a page to "
		  "step through", AT(html), .group = "output", .no_echo = true },
	{ .name = "fixed", .kind = OPT_STRING, .metavar = "ID",
	  .help = "row whose kernel --html shows beside it; else the next that "
		  "passes on the same stage", AT(fixed), .group = "output",
	  .no_echo = true },
	{ .name = "timeline", .kind = OPT_STRING, .metavar = "FILE",
	  .help = "the same as Chrome trace JSON, for Perfetto", AT(timeline),
	  .group = "output", .no_echo = true },
	OPTS_JOBS(race_cfg, "rows explored at a time, or processes that "
		  "explore one row"),
	OPTS_OUT_TABLE(race_cfg),
	OPTS_PROGRESS(race_cfg),
	OPTS_DRY_RUN(race_cfg, "print the configuration and the rows, "
		     "explore nothing"),
	OPTS_HELP(race_cfg),
};

/* One line of the table to come. */
struct job {
	const struct race *race;
	struct race_row row;
	const struct kernel *k;
	const struct race_row *row_in_table;
};

struct session {
	const struct race_cfg *cfg;
	struct race_limits lim;
	struct job *job;
	u32 nr_jobs;
	struct race_outcome *outcome;
	struct emit *em;
	struct progress progress;
	u32 differ, unfinished, errors;
	u32 undecided;          /* should lose, and the part that was searched
				 * does not                                   */
	double seconds;
};


static int usage_error(const char *text)
{
	return complain_usage("race", "%s", text);
}

static void print_help(const struct opt_set *set)
{
	puts("usage: tlbemu race NAME|all [options]\n"
	     "Explores all interleavings of a race, and all that the hardware may do,\n"
	     "within the stage's bounds. FAIL: an oracle fired, the shortest losing\n"
	     "schedule is kept. PASS: the space is exhausted. Anything else is called\n"
	     "not finished.\n");
	opt_help(set, stdout);
	puts("\nexamples:\n"
	     "  tlbemu race thp-numa-migration\n"
	     "  tlbemu race thp-numa-migration --kernel v3.12\n"
	     "  tlbemu race thp-numa-migration --row V3-2 --explain\n"
	     "  tlbemu race thp-numa-migration --row V0 --flush range\n"
	     "  tlbemu race all -j2 -o verdicts.json\n"
	     "exit: 0 as the catalogue expects, 1 some verdict differs, 2 usage,\n"
	     "3 something was not finished within its budget");
}

/* ---- which rows ---------------------------------------------------------------- */

static bool wanted(const struct race_cfg *cfg, const struct race_row *row)
{
	return (!cfg->kernel || !strcmp(cfg->kernel, row->kernel)) &&
	       (!cfg->row || !strcmp(cfg->row, row->id));
}

static int add_race(struct session *s, const struct race *race)
{
	for (u32 i = 0; i < race->nr_rows; i++) {
		struct job *j;

		if (!wanted(s->cfg, &race->rows[i]))
			continue;
		j = realloc(s->job, (s->nr_jobs + 1) * sizeof(*j));
		if (!j)
			return -ENOMEM;
		s->job = j;
		j += s->nr_jobs++;
		j->race = race;
		j->row = race->rows[i];
		j->row_in_table = &race->rows[i];
		j->k = kernel_find(j->row.kernel);
		if (s->cfg->model)
			j->row.memory = (enum memory_model)(s->cfg->model - 1);
	}
	return 0;
}

static int no_such_row(const struct race_cfg *cfg, const char *name)
{
	const char *names[512] = { NULL };
	char hint[128], text[256];
	u32 n = 0;

	if (cfg->kernel && !kernel_find(cfg->kernel))
		return search_no_kernel("race", cfg->kernel);
	for (u32 i = 0; races[i]; i++)
		for (u32 r = 0; r < races[i]->nr_rows && n < 511; r++)
			names[n++] = races[i]->rows[r].id;
	hint[0] = 0;
	if (cfg->row)
		suggest_text(cfg->row, names, hint, sizeof(hint));
	snprintf(text, sizeof(text), "%s%s%s%s: %s has no such row%s; "
		 "'tlbemu race %s --dry-run' shows them",
		 cfg->row ? "--row=" : "--kernel=",
		 cfg->row ? cfg->row : cfg->kernel,
		 cfg->row && cfg->kernel ? " with --kernel=" : "",
		 cfg->row && cfg->kernel ? cfg->kernel : "", name, hint, name);
	return usage_error(text);
}

static int no_such_fixed(const struct race *race, const char *id)
{
	const char *names[512] = { NULL };
	char hint[128], text[256];

	for (u32 r = 0; r < race->nr_rows && r < 511; r++)
		names[r] = race->rows[r].id;
	suggest_text(id, names, hint, sizeof(hint));
	snprintf(text, sizeof(text), "--fixed=%s: %s has no such row%s; "
		 "'tlbemu race %s --dry-run' shows them", id, race->name, hint,
		 race->name);
	return usage_error(text);
}

static int choose(struct session *s, const char *name)
{
	if (!race_find(name))
		return search_no_race("race", name);
	for (u32 i = 0; races[i]; i++)
		if (race_is(races[i], name) && add_race(s, races[i]))
			return EXIT_FAILED;
	/* Those of `tlbemu matrix` are in no list. */
	if (!s->nr_jobs && strcmp(name, "all") && add_race(s, race_find(name)))
		return EXIT_FAILED;
	if (s->nr_jobs && s->cfg->fixed &&
	    !race_fixed_row(s->job[0].race, s->job[0].row_in_table,
			    s->cfg->fixed))
		return no_such_fixed(s->job[0].race, s->cfg->fixed);
	return s->nr_jobs ? 0 : no_such_row(s->cfg, name);
}

/* ---- exploring ------------------------------------------------------------------- */

static int run_job(u32 i, void *result, void *arg)
{
	const struct session *s = arg;
	const struct job *j = &s->job[i];

	race_run(j->race, &j->row, j->k, &s->lim, result);
	return 0;
}

static const char *memory_name(const struct job *j)
{
	return memory_model_names[j->row.memory];
}

/* The catalogue speaks of its own hardware and of the kernel's own flushing. */
static bool has_expectation(const struct session *s)
{
	return !s->cfg->flush && !s->cfg->model && !s->cfg->demand_only;
}

static void emit_outcome(struct session *s, const struct job *j,
			 const struct race_outcome *o)
{
	struct emit *em = s->em;
	bool is_text = emit_kind_of(em) == EMIT_TABLE;
	bool agrees = race_is_expected(&j->row, o);

	if (!is_text)
		emit_str(em, j->race->name);
	emit_str(em, j->row.id);
	emit_str(em, j->k->name);
	emit_str(em, j->k->commit);
	emit_str(em, memory_name(j));
	emit_u64(em, j->row.changers);
	emit_str(em, !has_expectation(s) ? "-" : j->row.expected == VERDICT_PASS
		 ? "PASS" : "FAIL");
	emit_str(em, o->verdict);
	emit_str(em, o->oracle[0] ? o->oracle : is_text ? "" : NULL);
	emit_str(em, !has_expectation(s) || race_is_open(&j->row, o) ||
		 o->outcome == EXPLORE_NOT_FINISHED ? "-"
		 : agrees ? "yes" : "NO");
	emit_str(em, j->row.tag);
	emit_u64(em, o->states);
	/* Several processes: who met a state first decides. */
	if (s->lim.nr_workers > 1)
		emit_na(em);
	else
		emit_u64(em, o->transitions);
	emit_double(em, o->host_seconds);
	emit_row(em);
}

static void job_done(u32 i, const void *result, int status, void *arg)
{
	struct session *s = arg;
	const struct job *j = &s->job[i];
	struct race_outcome *o = &s->outcome[i];

	if (result)
		memcpy(o, result, sizeof(*o));
	else
		o->error = -ECHILD;
	if (o->error && o->remark[0])
		fprintf(stderr, "tlbemu: race: %s\n", o->remark);
	s->seconds += o->host_seconds;
	if (o->error)
		s->errors++;
	else if (o->outcome == EXPLORE_NOT_FINISHED)
		s->unfinished++;
	else if (has_expectation(s) && race_is_open(&j->row, o))
		s->undecided++;
	else if (has_expectation(s) && !race_is_expected(&j->row, o))
		s->differ++;
}

static void on_progress(u32 ended, u32 nr, void *arg)
{
	struct session *s = arg;

	progress_to(&s->progress, ended);
}

static void begin_table(struct session *s)
{
	const struct emit_col cols[] = {
		{ .name = "race", .type = EMIT_STRING },
		{ .name = "row", .type = EMIT_STRING },
		{ .name = "kernel", .type = EMIT_STRING },
		{ .name = "commit", .type = EMIT_STRING },
		{ .name = "memory", .type = EMIT_STRING },
		{ .name = "changers", .type = EMIT_U64 },
		{ .name = "expected", .type = EMIT_STRING },
		{ .name = "found", .type = EMIT_STRING },
		{ .name = "oracle", .type = EMIT_STRING },
		{ .name = "agrees", .type = EMIT_STRING },
		{ .name = "tag", .type = EMIT_STRING },
		{ .name = "states", .type = EMIT_U64 },
		{ .name = "transitions", .type = EMIT_U64 },
		{ .name = "seconds", .unit = "s", .type = EMIT_DOUBLE,
		  .decimals = 2 },
	};
	u32 skip = emit_kind_of(s->em) == EMIT_TABLE ? 1 : 0;

	emit_table(s->em, &(struct emit_table){
		.name = "verdicts", .cols = cols + skip,
		.nr_cols = ARRAY_LEN(cols) - skip, .missing = "-" });
}

static void echo_one(void *arg, const struct opt *o, const char *value,
		     enum opt_origin origin)
{
	emit_meta_str(arg, "config", o->name, value);
}

static void replay_command(const struct session *s, const struct job *j,
			   const struct race_outcome *o, char *out, size_t size)
{
	char schedule[8 * RACE_MAX_MOVES];

	if (explore_format(o->moves, o->nr_moves, schedule, sizeof(schedule))) {
		snprintf(out, size, "(schedule too long to print)");
		return;
	}
	snprintf(out, size, "tlbemu race %s --row \"%s\" --model %s%s%s%s%s "
		 "--replay %s", j->race->name, j->row.id,
		 memory_model_names[o->shown_memory],
		 s->cfg->flush ? " --flush " : "",
		 s->cfg->flush ? s->cfg->flush : "",
		 s->cfg->plain ? " --plain" : "",
		 o->shown_demand_only ? " --demand-only" : "", schedule);
}

static void print_tables(struct session *s)
{
	static char command[8 * RACE_MAX_MOVES + 256];

	for (u32 i = 0; i < s->nr_jobs; i++) {
		const struct race_outcome *o = &s->outcome[i];

		if (o->error || o->outcome != EXPLORE_VIOLATION)
			continue;
		replay_command(s, &s->job[i], o, command, sizeof(command));
		race_table(stdout, s->job[i].race, &s->job[i].row,
			   s->job[i].k, &s->lim, o, command);
	}
}

/* The files that show @o, the outcome of job @j. */
static int show(const struct session *s, const struct job *j,
		const struct race_outcome *o)
{
	static char command[8 * RACE_MAX_MOVES + 256];
	struct race_show show = { .race = j->race, .row = &j->row, .k = j->k,
				  .lim = &s->lim, .o = o, .replay = command };
	struct err e;
	int rc = 0;

	replay_command(s, j, o, command, sizeof(command));
	show.fixed = race_fixed_row(j->race, j->row_in_table, s->cfg->fixed);
	if (s->cfg->html)
		rc = race_html(&show, s->cfg->html, &e);
	if (!rc && s->cfg->timeline)
		rc = race_timeline(&show, s->cfg->timeline, &e);
	if (rc)
		fprintf(stderr, "tlbemu: race: %s\n", e.text);
	return rc ? EXIT_FAILED : 0;
}

/* --html and --timeline are about one counterexample. */
static int show_the_one(const struct session *s)
{
	u32 n = 0, at = 0;

	if (!s->cfg->html && !s->cfg->timeline)
		return 0;
	for (u32 i = 0; i < s->nr_jobs; i++)
		if (s->outcome[i].outcome == EXPLORE_VIOLATION) {
			at = i;
			n++;
		}
	if (n > 1)
		return usage_error("--html and --timeline show one row, and "
				   "more than one loses: add --row ID");
	if (!n)
		fprintf(stderr, "tlbemu: race: nothing loses, so there is "
			"nothing to show: no file written\n");
	return n ? show(s, &s->job[at], &s->outcome[at]) : 0;
}

static int explore_all(struct session *s, const struct opt_set *set)
{
	const struct pool pool = {
		.nr_jobs = s->nr_jobs, .nr_workers = s->cfg->jobs,
		.result_bytes = sizeof(struct race_outcome),
		.run = run_job, .done = job_done, .progress = on_progress,
		.arg = s,
	};
	struct err e;
	int rc;

	s->outcome = calloc(s->nr_jobs, sizeof(*s->outcome));
	if (!s->outcome)
		return usage_error("out of memory");
	rc = emit_create(&s->em, &(struct emit_cfg){ .path = s->cfg->out }, &e);
	if (rc) {
		fprintf(stderr, "tlbemu: race: %s\n", e.text);
		return rc == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
	}
	progress_start(&s->progress, (enum progress_mode)s->cfg->progress,
		       "race", "rows", s->nr_jobs);
	rc = pool_run(&pool);
	progress_end(&s->progress);
	if (rc < 0) {
		fprintf(stderr, "tlbemu: race: %s\n", strerror(-rc));
		emit_discard(s->em);
		return EXIT_FAILED;
	}
	emit_meta_str(s->em, NULL, "program", "tlbemu " TLBEMU_VERSION);
	emit_meta_str(s->em, NULL, "revision", tlbemu_revision);
	opt_each(set, echo_one, s->em);
	begin_table(s);
	for (u32 i = 0; i < s->nr_jobs; i++)
		emit_outcome(s, &s->job[i], &s->outcome[i]);
	emit_note(s->em, "%u rows: %u as expected, %u differ, %u not finished, "
		  "%u could not run", s->nr_jobs, s->nr_jobs - s->differ -
		  s->unfinished - s->undecided - s->errors, s->differ,
		  s->unfinished + s->undecided, s->errors);
	for (u32 i = 0; i < s->nr_jobs; i++)
		if (!i || s->job[i].race != s->job[i - 1].race)
			emit_note(s->em, "bounds of %s: %s",
				  s->job[i].race->id, s->job[i].race->bounds);
	for (u32 i = 0; i < s->nr_jobs; i++)
		if (s->outcome[i].remark[0])
			emit_note(s->em, "%s: %s", s->job[i].row.id,
				  s->outcome[i].remark);
	rc = emit_close(s->em, &e);
	if (rc) {
		fprintf(stderr, "tlbemu: race: %s\n", e.text);
		return EXIT_FAILED;
	}
	if (s->cfg->explain || (!s->cfg->out && (s->cfg->kernel || s->cfg->row)))
		print_tables(s);
	rc = show_the_one(s);
	if (rc)
		return rc;
	if (s->errors && s->cfg->resume)
		return EXIT_USAGE;
	if (s->differ || s->errors)
		return EXIT_FAILED;
	return s->unfinished || s->undecided ? EXIT_NOT_FINISHED : 0;
}

static int replay(struct session *s)
{
	static struct race_outcome o;
	struct explore_move *moves;
	u32 n;
	int rc;

	if (s->nr_jobs != 1)
		return usage_error("--replay wants exactly one row: add --row ID");
	if (explore_parse(s->cfg->replay, &moves, &n) || n > RACE_MAX_MOVES)
		return usage_error("--replay: not a schedule: expected moves such "
				   "as 0s.2s1.1i, each CPU, kind (s step, i "
				   "interrupt, d drain) and picks");
	o.nr_moves = n;
	memcpy(o.moves, moves, n * sizeof(*moves));
	o.shown_memory = s->job[0].row.memory;
	o.shown_demand_only = s->cfg->demand_only;
	free(moves);
	rc = race_table(stdout, s->job[0].race, &s->job[0].row, s->job[0].k,
			&s->lim, &o, NULL);
	return rc ? EXIT_FAILED : show(s, &s->job[0], &o);
}

static void dry_run(const struct session *s, const struct opt_set *set)
{
	opt_echo(set, stdout);
	for (u32 i = 0; i < s->nr_jobs; i++)
		printf("# row %-14s kernel %-26s memory %-4s expected %s\n",
		       s->job[i].row.id, s->job[i].k->name,
		       memory_name(&s->job[i]),
		       s->job[i].row.expected == VERDICT_PASS ? "PASS" : "FAIL");
}

static void tell(const struct session *s)
{
	for (u32 i = 0; i < s->nr_jobs; i++)
		if (!i || s->job[i].race != s->job[i - 1].race)
			printf("%s %s: %s\n\n%s\n\n", s->job[i].race->id,
			       s->job[i].race->name, s->job[i].race->summary,
			       s->job[i].race->story);
}

static int set_preemptions(const struct race_cfg *cfg, struct race_limits *lim)
{
	char *end;
	unsigned long n;

	if (!cfg->preemptions)
		return 0;
	n = strtoul(cfg->preemptions, &end, 10);
	if (*end || end == cfg->preemptions || n > 1000)
		return complain_usage("race", "--preemptions=%s: expected a "
				    "number, 0..1000", cfg->preemptions);
	if (cfg->mode)
		return usage_error("--preemptions bounds a search of all "
				   "schedules, --mode draws some: one of them");
	lim->is_bounded = true;
	lim->max_preemptions = (u32)n;
	return 0;
}

/* As many processes as there are for each row; what is saved is one row's. */
static int set_workers(const struct race_cfg *cfg, struct session *s)
{
	long host = sysconf(_SC_NPROCESSORS_ONLN);
	u32 jobs = cfg->jobs ? cfg->jobs : host > 0 ? (u32)host : 1;

	s->lim.nr_workers = jobs / s->nr_jobs;
	s->lim.save = cfg->save;
	s->lim.resume = cfg->resume;
	s->lim.save_seconds = cfg->save_seconds;
	if (!cfg->save && !cfg->resume)
		return 0;
	if (s->nr_jobs != 1)
		return usage_error("--save and --resume are about one row: add "
				   "--row ID");
	if (cfg->mode || cfg->preemptions)
		return usage_error("--save and --resume go with a search of all "
				   "schedules: not with --mode or --preemptions");
	return 0;
}

static int with_options(void *arg, struct opt_set *set, char **operand, u32 n)
{
	const struct race_cfg *cfg = arg;
	const char *name = n ? operand[0] : NULL;
	struct session s = { .cfg = cfg };
	int status;

	if (n != 1)
		return usage_error(n ? "one race at a time, or 'all'"
			: "name a race, or 'all'; 'tlbemu list races' shows them");

	s.lim = (struct race_limits){
		.max_states = cfg->budget.states,
		.max_seconds = cfg->budget.seconds,
		.max_bytes = cfg->budget.memory,
		.mode = (enum explore_mode)cfg->mode,
		.seed = cfg->seed,
		.runs = cfg->runs,
		.pct_depth = cfg->depth,
		.is_plain = cfg->plain,
		.is_demand_only = cfg->demand_only,
		.find_livelock = cfg->livelock,
		.want_shortest = cfg->explain || cfg->kernel || cfg->row ||
				 cfg->html || cfg->timeline,
	};
	status = set_preemptions(cfg, &s.lim);
	if (status)
		return status;
	if (cfg->flush) {
		const char *names[32] = { NULL };
		char hint[128], text[256];

		s.lim.flush = flush_find(cfg->flush);
		for (u32 i = 0; flush_strategies[i] && i < 31; i++)
			names[i] = flush_strategies[i]->name;
		suggest_text(cfg->flush, names, hint, sizeof(hint));
		snprintf(text, sizeof(text), "--flush=%s: no such strategy%s; "
			 "'tlbemu list flush' shows all", cfg->flush, hint);
		if (!s.lim.flush)
			return usage_error(text);
	}
	status = choose(&s, name);
	if (!status)
		status = set_workers(cfg, &s);
	if (!status && cfg->dry_run) {
		dry_run(&s, set);
	} else if (!status && cfg->replay) {
		status = replay(&s);
	} else if (!status) {
		if (cfg->explain && !cfg->out)
			tell(&s);
		status = explore_all(&s, set);
	}
	free(s.job);
	free(s.outcome);
	return status;
}

int cmd_race(int argc, char **argv)
{
	struct race_cfg cfg;

	memset(&cfg, 0, sizeof(cfg));
	return cmd_main(&(struct cmd){
		.name = "race", .opts = race_opts,
		.nr_opts = ARRAY_LEN(race_opts), .cfg = &cfg,
		.help = &cfg.help, .takes_words = true,
		.print_help = print_help,
		.run = with_options,
	}, argc, argv);
}
