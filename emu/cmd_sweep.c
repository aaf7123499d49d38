/* tlbemu sweep - every point of a grid of settings, once, into a database. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/suggest.h"
#include "emu/cmd.h"
#include "emu/cmd_sweep.h"
#include "emu/common_opts.h"
#include "emu/sweep_export.h"
#include "emu/sweep_slurm.h"

enum export_kind { EXPORT_NONE, EXPORT_CSV, EXPORT_JSON, EXPORT_TXT };
static const char *const export_names[] = {
	"none", "csv", "json", "txt", NULL
};

struct sweep_cfg {
	const char *db, *columns, *share, *collect, *slurm, *sbatch;
	u32 tasks;
	int export;             /* enum export_kind                           */
	bool status, retry_failed;
};

static const struct opt common_opts[] = {
	OPTS_JOBS(output_cfg, "worker processes"),
	OPTS_OUT(output_cfg, "FILE", "where --export writes; without it stdout"),
	OPTS_PROGRESS(output_cfg),
	OPTS_DRY_RUN(output_cfg, "print the grid and how many points it has, "
		 "run nothing"),
	OPTS_HELP_OF(output_cfg, "this text; with a FILE.ini its workload's "
		 "options, too"),
};

#define OWN(f) .offset = offsetof(struct sweep_cfg, f), .group = "sweep", \
	.no_echo = true

static const struct opt sweep_opts[] = {
	{ .name = "db", .kind = OPT_STRING, .metavar = "FILE.db",
	  .help = "where the results are kept, made if it is not there", OWN(db) },
	{ .name = "export", .kind = OPT_ENUM, .def = "none",
	  .names = export_names,
	  .help = "then one table of all points, a column each number; without "
		  "a FILE.ini of all that is in the database", OWN(export) },
	{ .name = "columns", .kind = OPT_STRING, .metavar = "A,B",
	  .help = "of the numbers, --export shows these only", OWN(columns) },
	{ .name = "status", .kind = OPT_BOOL,
	  .help = "how many points are there, run nothing", OWN(status) },
	{ .name = "retry-failed", .kind = OPT_BOOL,
	  .help = "run again what failed", OWN(retry_failed) },
	{ .name = "share", .kind = OPT_STRING, .metavar = "I/N",
	  .help = "every Nth point from number I on, I from 0: one of N "
		  "machines' shares", OWN(share) },
	{ .name = "collect", .kind = OPT_STRING, .metavar = "DIR",
	  .help = "take over the points of all databases DIR/*.db first, run "
		  "nothing", OWN(collect) },
	{ .name = "slurm", .kind = OPT_STRING, .metavar = "DIR",
	  .help = "submit a Slurm job array that does it, a database in DIR "
		  "each task; again: the tasks that are not complete",
	  OWN(slurm) },
	{ .name = "tasks", .kind = OPT_U32, .def = "4", .min = 1, .max = 10000,
	  .help = "tasks of --slurm; the same when submitting again",
	  OWN(tasks) },
	{ .name = "sbatch", .kind = OPT_STRING, .metavar = "ARGS",
	  .help = "further words for sbatch, such as '-p long --time 60'",
	  OWN(sbatch) },
};

struct session {
	struct experiment x;
	struct sweep_cfg cfg;
	struct sweep_grid grid;
	struct sweep sweep;
	struct sweep_db *db;
	u32 *point;             /* this call's share                          */
	u32 nr_points;
	bool has_section;
	struct err e;
};

/* ---- reading ------------------------------------------------------------------------ */

static int section(void *arg, const char *name, const char *key,
		   const char *value, u32 line, struct err *e)
{
	static const char *const known[] = { "run", "sweep", NULL };
	struct session *s = arg;
	char near[96];

	if (strcmp(name, "sweep"))
		return err_set(e, -EINVAL, "no section [%s] here%s", name,
			       suggest_text(name, known, near, sizeof(near)));
	s->has_section = true;
	return sweep_grid_add(&s->grid, s->x.set, key, value, e);
}

/* What the command line says holds for all points. */
static void drop_given(void *arg, const struct opt *o, const char *value,
		       enum opt_origin origin)
{
	if (origin == OPT_FROM_CMDLINE)
		sweep_grid_drop(arg, o->name);
}

static int take_share(struct session *s, struct err *e)
{
	u32 n = sweep_grid_points(&s->grid), i = 0, of = 1;
	char rest;

	if (s->cfg.share && (sscanf(s->cfg.share, "%u/%u%c", &i, &of, &rest) !=
			     2 || !of || i >= of))
		return err_set(e, -EINVAL, "--share: '%s' is not I/N with I "
			       "from 0 to N-1", s->cfg.share);
	s->point = calloc(n / of + 1, sizeof(*s->point));
	if (!s->point)
		return err_set(e, -ENOMEM, "out of memory");
	for (u32 p = i; p < n; p += of)
		s->point[s->nr_points++] = p;
	return 0;
}

static int read_sweep(struct session *s, int argc, char **argv, struct err *e)
{
	int rc = experiment_parse_how(&s->x, argc, argv,
		&(struct experiment_how){
			.more = common_opts, .nr_more = ARRAY_LEN(common_opts),
			.own = OPT_BIND(sweep_opts, &s->cfg),
			.section = section, .section_arg = s,
			.may_lack_workload = true }, e);

	if (rc || s->x.output.help || !s->x.workload)
		return rc;
	if (!s->has_section)
		return err_set(e, -EINVAL, "%s: no section [sweep] with lists "
			       "of values, such as cpus = 1, 2, 4", s->x.word);
	opt_each(s->x.set, drop_given, &s->grid);
	rc = sweep_check_names(&s->x, &s->grid, e);
	return rc ? err_prefix(e, rc, "sweep: ") : take_share(s, e);
}

static int check_usage(const struct session *s)
{
	const struct sweep_cfg *c = &s->cfg;

	if (!s->x.workload && !c->status && !c->export && !c->collect)
		return complain_usage("sweep", "which FILE.ini? (without one: "
				      "--status, --export or --collect)");
	if (c->slurm && (!s->x.workload || c->status || c->export ||
			 c->collect || c->share))
		return complain_usage("sweep", "--slurm submits a FILE.ini, "
				      "and nothing else at a time");
	if (!c->db && !s->x.output.dry_run && !c->slurm)
		return complain_usage("sweep", "--db FILE.db is where the "
				      "results are kept");
	if (s->x.output.out && !c->export)
		return complain_usage("sweep", "-o is for --export");
	if (c->columns && !c->export)
		return complain_usage("sweep", "--columns is for --export");
	return 0;
}

/* ---- what it prints ------------------------------------------------------------------- */

struct echo {
	const struct sweep_grid *g;
	FILE *f;
};

static void echo_base(void *arg, const struct opt *o, const char *value,
		      enum opt_origin origin)
{
	const struct echo *e = arg;

	for (u32 i = 0; i < e->g->nr_axes; i++)
		if (e->g->axis[i].o == o)
			return;
	if (strcmp(o->name, "workload") && *value)
		fprintf(e->f, "%s = %s\n", o->name, value);
}

#define AXIS_COLUMNS 70         /* an INI line holds less than 200 characters */

/* In several lines of the same name, if need be. */
static void print_axis(const struct sweep_axis *a, FILE *f)
{
	int n = 0;

	for (u32 i = 0; i < a->nr; i++) {
		const char *v = a->value[i];
		bool needs = !*v || strpbrk(v, ",\"") || strchr(" \t", *v) ||
			strstr(v, "..");

		if (n > AXIS_COLUMNS) {
			fputc('\n', f);
			n = 0;
		}
		n += n ? fprintf(f, ", ") : fprintf(f, "%s = ", a->o->name);
		n += fprintf(f, needs ? "\"%s\"" : "%s", v);
	}
	fputc('\n', f);
}

/* A file that `tlbemu sweep` reads back as the same grid. */
static void print_grid(const struct session *s, FILE *f)
{
	struct echo e = { &s->grid, f };

	fprintf(f, "# %u points\nworkload = %s\n", s->nr_points,
		s->x.workload->name);
	opt_each(s->x.set, echo_base, &e);
	fputs("\n[sweep]\n", f);
	for (u32 i = 0; i < s->grid.nr_axes; i++)
		print_axis(&s->grid.axis[i], f);
}

/* Return: the exit status that @t means. */
static int print_tally(const struct session *s, const struct sweep_tally *t,
		       FILE *f)
{
	u32 missing = t->total - t->done - t->failed;

	fprintf(f, "%s: %u points, %u done", s->cfg.db, t->total, t->done);
	if (t->ran)
		fprintf(f, " (%u just now)", t->ran);
	if (t->failed)
		fprintf(f, ", %u failed", t->failed);
	if (missing)
		fprintf(f, ", %u missing", missing);
	fputc('\n', f);
	if (t->failed) {
		fprintf(stderr, "tlbemu: %u of %u points failed, such as: %s "
			"(--retry-failed tries again)\n", t->failed, t->total,
			t->first.text);
		return EXIT_FAILED;
	}
	return missing ? EXIT_NOT_FINISHED : 0;
}

/* ---- doing ----------------------------------------------------------------------------- */

static int export(struct session *s)
{
	static const enum emit_kind kinds[] = {
		EMIT_BY_SUFFIX, EMIT_CSV, EMIT_JSON, EMIT_TABLE
	};
	struct emit *em;
	int rc = emit_create(&em, &(struct emit_cfg){
		.path = s->x.output.out, .kind = kinds[s->cfg.export] }, &s->e);

	if (rc)
		return complain(rc == -EINVAL ? EXIT_USAGE : EXIT_FAILED,
				&s->e);
	rc = sweep_export(&(struct sweep_export){
		.db = s->db, .s = s->x.workload ? &s->sweep : NULL,
		.point = s->point, .nr_points = s->nr_points,
		.columns = s->cfg.columns }, em, &s->e);
	if (rc) {
		emit_discard(em);
		return complain(exit_status_of(rc), &s->e);
	}
	return emit_close(em, &s->e) ? complain(EXIT_FAILED, &s->e) : 0;
}

static int is_database(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return n > 3 && !strcmp(d->d_name + n - 3, ".db");
}

static int collect_one(struct session *s, const char *name,
		       struct sweep_merge *sum)
{
	struct sweep_merge m;
	char path[4096];
	int rc;

	snprintf(path, sizeof(path), "%s/%s", s->cfg.collect, name);
	rc = sweep_db_merge(s->db, path, &m, &s->e);
	if (rc)
		return rc;
	sum->added += m.added;
	sum->known += m.known;
	sum->differ += m.differ;
	return 0;
}

/* The database itself may be in DIR. */
static bool is_same_file(const char *a, const char *b)
{
	char *x = realpath(a, NULL), *y = realpath(b, NULL);
	bool is_same = x && y && !strcmp(x, y);

	free(x);
	free(y);
	return is_same;
}

static int collect(struct session *s)
{
	struct dirent **entry;
	struct sweep_merge sum = { 0 };
	int n = scandir(s->cfg.collect, &entry, is_database, alphasort);
	u32 files = 0;
	int rc = 0;

	if (n < 0)
		return complain(EXIT_USAGE, (err_set(&s->e, -errno,
			"--collect: %s: cannot open: %s", s->cfg.collect,
			strerror(errno)), &s->e));
	for (int i = 0; i < n; i++) {
		char path[4096];

		snprintf(path, sizeof(path), "%s/%s", s->cfg.collect,
			 entry[i]->d_name);
		if (!rc && !is_same_file(path, s->cfg.db)) {
			rc = collect_one(s, entry[i]->d_name, &sum);
			files++;
		}
		free(entry[i]);
	}
	free(entry);
	if (rc)
		return complain(exit_status_of(rc), &s->e);
	if (!files)
		return complain_usage("sweep", "--collect: %s: no *.db there",
				      s->cfg.collect);
	fprintf(stderr, "%u files, %u points taken over, %u were known\n",
		files, sum.added, sum.known);
	if (sum.differ) {
		err_set(&s->e, -EINVAL, "--collect: %u points have other "
			"results there than here: the same configuration and "
			"program must not", sum.differ);
		return complain(EXIT_FAILED, &s->e);
	}
	return 0;
}

/* Without a FILE.ini there is no total. */
static int file_status(struct session *s)
{
	struct err error = { "" };
	u32 done = 0, failed = 0;
	int rc = sweep_db_count(s->db, &done, &failed, &error, &s->e);

	if (rc)
		return complain(exit_status_of(rc), &s->e);
	return print_tally(s, &(struct sweep_tally){
		.total = done + failed, .done = done, .failed = failed,
		.first = error }, s->cfg.export ? stderr : stdout);
}

static int work(struct session *s)
{
	bool runs = s->x.workload && !s->cfg.status && !s->cfg.collect;
	struct sweep_tally t = { 0 };
	int rc, status;

	if (!s->x.workload)
		return file_status(s);
	rc = runs ? sweep_run(&s->sweep, s->point, s->nr_points, &t, &s->e)
		  : sweep_look(&s->sweep, s->point, s->nr_points, &t, &s->e);
	if (rc && rc != -EINTR)
		return complain(exit_status_of(rc), &s->e);
	/* Tables go to stdout. */
	status = print_tally(s, &t, s->cfg.export ? stderr : stdout);
	if (rc == -EINTR) {
		err_set(&s->e, rc, "sweep: stopped; the same command goes on");
		return complain(EXIT_NOT_FINISHED, &s->e);
	}
	return status;
}

static int sweep(struct session *s)
{
	bool writes = s->x.workload ? !s->cfg.status : s->cfg.collect != NULL;
	int status = 0, more;
	int rc = sweep_db_open(&s->db, s->cfg.db, writes || s->cfg.collect
			       ? SWEEP_DB_WRITE : SWEEP_DB_READ, &s->e);

	if (rc)
		return complain(exit_status_of(rc), &s->e);
	s->sweep = (struct sweep){
		.x = &s->x, .grid = &s->grid, .db = s->db,
		.jobs = s->x.output.jobs, .progress = s->x.output.progress,
		.label = "sweep", .retry_failed = s->cfg.retry_failed,
	};
	if (s->cfg.collect)
		status = collect(s);
	if (!status || status == EXIT_FAILED) {
		more = work(s);
		status = status ? status : more;
	}
	if (s->cfg.export && (status == 0 || status == EXIT_FAILED)) {
		more = export(s);
		status = more ? more : status;
	}
	sweep_db_close(s->db);
	return status;
}

static void print_to(const void *arg, FILE *f)
{
	print_grid(arg, f);
}

static int slurm(struct session *s)
{
	struct sweep_slurm j = {
		.s = &s->sweep, .dir = s->cfg.slurm, .nr_tasks = s->cfg.tasks,
		.cpus_per_task = s->x.output.jobs ? s->x.output.jobs : 1,
		.args = s->cfg.sbatch, .print_grid = print_to, .arg = s,
	};
	int rc;

	s->sweep = (struct sweep){ .x = &s->x, .grid = &s->grid,
				   .retry_failed = s->cfg.retry_failed };
	if (j.nr_tasks > s->nr_points)
		j.nr_tasks = s->nr_points;
	rc = sweep_slurm(&j, &s->e);
	if (rc)
		return complain(rc == -ENOSYS ? EXIT_CANNOT
				: exit_status_of(rc), &s->e);
	if (j.job[0])
		printf("job %s: %u task%s\n", j.job, j.nr_submitted,
		       j.nr_submitted == 1 ? "" : "s");
	if (j.nr_running || j.nr_complete)
		printf("not submitted: %u tasks complete, %u running\n",
		       j.nr_complete, j.nr_running);
	return 0;
}

static void show_help(const struct session *s)
{
	fputs("usage: tlbemu sweep FILE.ini --db FILE.db [options]\n"
	      "       tlbemu sweep --db FILE.db --status | --export csv | --collect DIR\n"
	      "sweep - every point of a grid of settings, once, into an SQLite database\n\n"
	      "FILE.ini is an experiment ('tlbemu run --help') with one section more:\n"
	      "  workload = mprotect-storm\n"
	      "  [sweep]\n"
	      "  threads = 2, 4, 8            a list\n"
	      "  seed = 1..25                 a range; 1..100:10 by tens, 1..64*2 doubling\n"
	      "  machine = \"pack:2 core:4 pu:1\", skylake-sp\n"
	      "Any option of 'run' may stand there. One given on the command line holds\n"
	      "for all points instead. A point is kept as soon as it ends: stopped at any\n"
	      "moment, the same command goes on. docs/sweep.md tells what is in the file.\n\n",
	      stdout);
	opt_help(s->x.set, stdout);
	fputs("\nexamples:\n"
	      "  tlbemu sweep storm.ini --db storm.db -j 4\n"
	      "  tlbemu sweep storm.ini --db storm.db --export csv -o storm.csv\n"
	      "  tlbemu sweep --db storm.db --export txt --columns elapsed,ipis_sent\n"
	      "  tlbemu sweep storm.ini --db a/0.db --share 0/2   (and 1/2 elsewhere), then\n"
	      "  tlbemu sweep storm.ini --db storm.db --collect a\n"
	      "  tlbemu sweep storm.ini --slurm a --tasks 50 -j 8, and when these have ended,\n"
	      "  tlbemu sweep storm.ini --db storm.db --collect a\n"
	      "exit status: 0 all points done, 1 some failed or the host refused, 2 usage or\n"
	      "bad input (also a damaged database), 3 stopped before the end, 77 no Slurm\n",
	      stdout);
}

int cmd_sweep(int argc, char **argv)
{
	struct session s = { 0 };
	int status;

	if (read_sweep(&s, argc, argv, &s.e)) {
		status = complain(EXIT_USAGE, &s.e);
	} else if (s.x.output.help) {
		show_help(&s);
		status = 0;
	} else {
		status = check_usage(&s);
		if (!status && s.x.output.dry_run)
			print_grid(&s, stdout);
		else if (!status)
			status = s.cfg.slurm ? slurm(&s) : sweep(&s);
	}
	sweep_grid_free(&s.grid);
	free(s.point);
	experiment_release(&s.x);
	return status;
}
