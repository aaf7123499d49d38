#include "emu/tune_files.h"

#include <errno.h>
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/outfile.h"
#include "emu/tune_time.h"

#define SCRIPT(id, file)                                                    \
	__asm__(".pushsection .rodata\n"                                    \
		".global tlbemu_gp_" #id "\n"                               \
		"tlbemu_gp_" #id ":\n"                                      \
		".incbin \"plots/" file "\"\n"                              \
		".byte 0\n"                                                 \
		".popsection\n");                                           \
	extern const char tlbemu_gp_##id[];

SCRIPT(style, "style.gp")
SCRIPT(front, "tune_front.gp")
SCRIPT(knob, "tune_knob.gp")
SCRIPT(locality, "tune_locality.gp")
SCRIPT(bandwidth, "tune_bandwidth.gp")
SCRIPT(cost, "tune_cost.gp")
SCRIPT(heat, "tune_heat.gp")

/* As a knobs' file spells it: "" is an option that is not given. */
static const char *value_text(const struct tune *t,
			      const struct tune_setting *s, u32 a)
{
	const char *v = s == &t->base ? t->base_sweep.grid->axis[a].value[0]
		: t->sweep.grid->axis[a].value[tune_knob_index(t, s, a)];

	return *v ? v : "\"\"";
}

/* Whether knob @a tells settings apart; where none does, all are shown. */
static bool is_told(const struct tune *t, u32 a)
{
	const struct sweep_grid *g = t->sweep.grid;
	bool is_any = false;

	for (u32 i = 0; i < tune_nr_knobs(t); i++)
		is_any |= g->axis[i].nr > 1;
	return !is_any || g->axis[a].nr > 1;
}

/* numa_balancing's knobs without what they have in common, as in debugfs. */
static const char *short_name(const char *name)
{
	static const char prefix[] = "numa_balancing_";
	size_t n = sizeof(prefix) - 1;

	return strncmp(name, prefix, n) ? name : name + n;
}

/* @s's values, or, NULL, the knobs' names; @is_short: of knobs that tell settings
 * apart, "1000 / 256" and "scan_period_min_ms / scan_size_mb", else all,
 * "numa_balancing_scan_period_min_ms=1000 numa_balancing_scan_size_mb=256". */
static const char *setting_text(const struct tune *t,
				const struct tune_setting *s, bool is_short,
				char *buf, size_t size)
{
	size_t n = 0;

	snprintf(buf, size, "%s", s == &t->base ? "as it is" : "");
	if (s == &t->base)
		return buf;
	for (u32 a = 0; a < tune_nr_knobs(t) && n < size; a++) {
		const char *name = t->sweep.grid->axis[a].o->name;

		if (is_short && !is_told(t, a))
			continue;
		n += (size_t)snprintf(buf + n, size - n, "%s%s%s%s",
				      !n ? "" : is_short ? " / " : " ",
				      is_short ? "" : name, is_short ? "" : "=",
				      s ? value_text(t, s, a)
					: short_name(name));
	}
	return buf;
}

const char *tune_setting_name(const struct tune *t,
			      const struct tune_setting *s, char *buf,
			      size_t size)
{
	return setting_text(t, s, false, buf, size);
}

/* All of them and the base, fastest first. NULL: no memory. */
static const struct tune_setting **sorted(const struct tune *t)
{
	const struct tune_setting **v = calloc(t->nr + 1, sizeof(*v));

	for (u32 i = 0; v && i <= t->nr; i++)
		v[i] = i < t->nr ? &t->setting[i] : &t->base;
	if (v)
		qsort(v, t->nr + 1, sizeof(*v), tune_by_time);
	return v;
}

/* ---- the table -------------------------------------------------------------------- */

/* Of a failed setting there is none. */
static double lowest(const struct tune_setting *s)
{
	const double *v = s->goal[GOAL_TIME];
	u32 n = s->is_failed ? 0 : s->nr_seeds;
	double x = n ? v[0] : NAN;

	for (u32 i = 1; i < n; i++)
		x = fmin(x, v[i]);
	return x;
}

static double highest(const struct tune_setting *s)
{
	const double *v = s->goal[GOAL_TIME];
	u32 n = s->is_failed ? 0 : s->nr_seeds;
	double x = n ? v[0] : NAN;

	for (u32 i = 1; i < n; i++)
		x = fmax(x, v[i]);
	return x;
}

static const char *remark(const struct tune_setting *s)
{
	if (s->is_failed)
		return s->is_base ? "as it is: failed" : "failed";
	if (s->is_dropped)
		return "hopeless";
	if (s->is_base)
		return s->is_on_front ? "as it is, front" : "as it is";
	return s->is_on_front ? s->is_on_converged_front ? "front, converges"
							 : "front"
			      : s->is_on_converged_front ? "converges" : "";
}

static void table_row(const struct tune *t, const struct tune_setting *s,
		      struct emit *em)
{
	for (u32 a = 0; a < tune_nr_knobs(t); a++)
		emit_str(em, value_text(t, s, a));
	emit_double(em, s->median[GOAL_TIME]);
	emit_double(em, lowest(s));
	emit_double(em, highest(s));
	emit_double(em, s->median[GOAL_TIME] / t->base.median[GOAL_TIME]);
	emit_double(em, 100 * s->median[GOAL_OVERHEAD] /
		    s->shown_median[TUNE_BUSY]);
	emit_double(em, s->median[GOAL_OVERHEAD] / 1e6);
	emit_double(em, s->median[GOAL_CONVERGED]);
	emit_double(em, s->shown_median[TUNE_LOCALITY]);
	emit_u64(em, s->nr_seeds);
	emit_str(em, remark(s));
	emit_row(em);
}

void tune_table(struct tune *t, struct emit *em)
{
	const char *unit = tune_time_unit(t);
	const struct emit_col tail[] = {
		{ .name = "time", .unit = unit, .type = EMIT_DOUBLE,
		  .decimals = 3 },
		{ .name = "lowest", .unit = unit, .type = EMIT_DOUBLE,
		  .decimals = 3 },
		{ .name = "highest", .unit = unit, .type = EMIT_DOUBLE,
		  .decimals = 3 },
		{ .name = "ratio", .type = EMIT_DOUBLE, .decimals = 3 },
		{ .name = "overhead", .unit = "%", .type = EMIT_DOUBLE,
		  .decimals = 1 },
		{ .name = "overhead_cycles", .unit = "M", .type = EMIT_DOUBLE,
		  .decimals = 1 },
		{ .name = "converged", .unit = "ms", .type = EMIT_DOUBLE,
		  .decimals = 2 },
		{ .name = "locality", .unit = "%", .type = EMIT_DOUBLE,
		  .decimals = 1 },
		{ .name = "seeds", .type = EMIT_U64 },
		{ .name = "remark", .type = EMIT_STRING },
	};
	u32 k = tune_nr_knobs(t);
	struct emit_col *col = calloc(k + ARRAY_LEN(tail), sizeof(*col));
	const struct tune_setting **v = sorted(t);

	for (u32 a = 0; col && a < k; a++)
		col[a] = (struct emit_col){
			.name = t->sweep.grid->axis[a].o->name,
			.type = EMIT_STRING };
	if (col && v) {
		memcpy(col + k, tail, sizeof(tail));
		emit_table(em, &(struct emit_table){ .name = "tune",
			   .cols = col, .nr_cols = k + ARRAY_LEN(tail),
			   .missing = "-" });
		table_row(t, &t->base, em);
		for (u32 i = 0; i <= t->nr; i++)
			if (v[i] != &t->base)
				table_row(t, v[i], em);
	}
	free(col);
	free(v);
}

/* ---- figures --------------------------------------------------------------------------- */

static int put_text(const struct tune_files *f, const char *name,
		    const char *text, struct err *e)
{
	struct outfile o;
	char path[4096];
	int rc;

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	rc = outfile_open(&o, path, e);
	if (rc)
		return rc;
	fputs(text, o.f);
	return outfile_commit(&o, e);
}

static int open_as(const struct tune_files *f, const char *name,
		   const char *suffix, struct emit **em, struct err *e)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s.%s", f->dir, name, suffix);
	return emit_create(em, &(struct emit_cfg){ .path = path }, e);
}

static int open_csv(const struct tune_files *f, const char *name,
		    struct emit **em, struct err *e)
{
	return open_as(f, name, "csv", em, e);
}

/* gnuplot -c SCRIPT.gp NAME.csv NAME.svg, in the directory. 127: not there. */
static int gnuplot(const char *dir, const char *script, const char *name,
		   const char *title, const char *more)
{
	char gp[64], csv[96], svg[96];
	int status;
	pid_t pid;

	snprintf(gp, sizeof(gp), "%s.gp", script);
	snprintf(csv, sizeof(csv), "%s.csv", name);
	snprintf(svg, sizeof(svg), "%s.svg", name);
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		if (chdir(dir))
			_exit(126);
		execlp("gnuplot", "gnuplot", "-c", gp, csv, svg, title, more,
		       (char *)NULL);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static int draw(struct tune_files *f, const char *script, const char *name,
		const char *more, struct err *e)
{
	int status;

	if (f->lacks_gnuplot)
		return 0;
	status = gnuplot(f->dir, script, name, f->title, more);
	if (status == 127)
		f->lacks_gnuplot = true;
	else if (status)
		return err_set(e, -EIO, "%s/%s.svg: gnuplot ended with status "
			       "%d", f->dir, name, status);
	else
		f->nr_figures++;
	return 0;
}

/* ---- one CSV each -------------------------------------------------------------------------- */

static const char *role(const struct tune_files *f,
			const struct tune_setting *s)
{
	return s == &f->t->base ? "as it is"
		: s == f->choice->best ? "recommended" : "other";
}

static void front_row(const struct tune_files *f, const struct tune_setting *s,
		      struct emit *em)
{
	char name[512];

	emit_str(em, role(f, s));
	emit_double(em, s->median[GOAL_TIME]);
	emit_double(em, s->median[GOAL_OVERHEAD] / 1e6);
	emit_u64(em, s->is_on_front);
	emit_str(em, tune_setting_name(f->t, s, name, sizeof(name)));
	emit_row(em);
}

/* Those on the front first, in order of time: a line from row to row. */
static void front_csv(struct tune_files *f, struct emit *em)
{
	const char *unit = tune_time_unit(f->t);
	const struct emit_col cols[] = {
		{ .name = "role", .type = EMIT_STRING },
		{ .name = "time", .unit = unit, .type = EMIT_DOUBLE },
		{ .name = "overhead", .unit = "M cycles", .type = EMIT_DOUBLE },
		{ .name = "front", .type = EMIT_U64 },
		{ .name = "setting", .type = EMIT_STRING },
	};
	const struct tune_setting **v = sorted(f->t);

	emit_table(em, &(struct emit_table){ .name = "front", .cols = cols,
		   .nr_cols = ARRAY_LEN(cols) });
	for (u32 k = 0; v && k < 2; k++)
		for (u32 i = 0; i <= f->t->nr; i++)
			if (v[i]->is_on_front == !k &&
			    !isnan(v[i]->median[GOAL_TIME]))
				front_row(f, v[i], em);
	free(v);
}

static void knob_csv(struct tune_files *f, u32 a, struct emit *em)
{
	const struct sweep_axis *axis = &f->t->sweep.grid->axis[a];
	const char *unit = tune_time_unit(f->t);
	const struct emit_col cols[] = {
		{ .name = "position", .type = EMIT_U64 },
		{ .name = "value", .type = EMIT_STRING },
		{ .name = "time", .unit = unit, .type = EMIT_DOUBLE },
		{ .name = "best", .unit = unit, .type = EMIT_DOUBLE },
		{ .name = "as_it_is", .unit = unit, .type = EMIT_DOUBLE },
	};

	emit_table(em, &(struct emit_table){ .name = "knob", .cols = cols,
		   .nr_cols = ARRAY_LEN(cols) });
	for (u32 x = 0; x < axis->nr; x++)
		for (u32 i = 0; i < f->t->nr; i++) {
			const struct tune_setting *s = &f->t->setting[i];

			if (tune_knob_index(f->t, s, a) != x ||
			    isnan(s->median[GOAL_TIME]))
				continue;
			emit_u64(em, x);
			emit_str(em, axis->value[x]);
			emit_double(em, s->median[GOAL_TIME]);
			emit_double(em, tune_best_with(f->t, a, x, a, x));
			emit_double(em, f->t->base.median[GOAL_TIME]);
			emit_row(em);
		}
}

/* As it is, what is recommended, and the fastest where that is another one. */
static u32 roles(const struct tune_files *f, struct tune_role who[3])
{
	const struct tune_choice *c = f->choice;
	u32 n = 0;

	who[n++] = (struct tune_role){ &f->t->base, "as it is" };
	if (c->best != &f->t->base)
		who[n++] = (struct tune_role){ c->best, "recommended" };
	if (c->fastest != c->best && c->fastest != &f->t->base)
		who[n++] = (struct tune_role){ c->fastest, "fastest" };
	else if (c->best == &f->t->base)
		who[n++] = (struct tune_role){ c->rival, "best other" };
	return n;
}

static void locality_csv(struct tune_files *f, struct emit *em)
{
	struct tune_role who[3];

	tune_locality_table(f->t, who, roles(f, who), em);
}

/* As it is and one other: more lines cannot be told apart. */
static void bandwidth_csv(struct tune_files *f, struct emit *em)
{
	struct tune_role who[3];

	roles(f, who);
	tune_bandwidth_table(f->t, who, 2, em);
}

static void cost_row(struct tune_files *f, const struct tune_setting *s,
		     struct emit *em)
{
	static const u32 part[] = { TUNE_SCAN, TUNE_FAULT, TUNE_COPY,
				    TUNE_FLUSH };
	char name[512];

	emit_str(em, role(f, s));
	emit_str(em, setting_text(f->t, s, true, name, sizeof(name)));
	for (u32 i = 0; i < ARRAY_LEN(part); i++)
		emit_double(em, 100 * s->shown_median[part[i]] /
			    s->shown_median[TUNE_BUSY]);
	emit_row(em);
}

#define COST_ROWS 10u

/* As it is, and the fastest. */
static void cost_csv(struct tune_files *f, struct emit *em)
{
	char names[512];
	const struct emit_col cols[] = {
		{ .name = "role", .type = EMIT_STRING },
		{ .name = setting_text(f->t, NULL, true, names,
					 sizeof(names)),
		  .type = EMIT_STRING },
		{ .name = "scan", .unit = "%", .type = EMIT_DOUBLE },
		{ .name = "fault", .unit = "%", .type = EMIT_DOUBLE },
		{ .name = "copy", .unit = "%", .type = EMIT_DOUBLE },
		{ .name = "flush", .unit = "%", .type = EMIT_DOUBLE },
	};
	const struct tune_setting **v = sorted(f->t);

	emit_table(em, &(struct emit_table){ .name = "cost", .cols = cols,
		   .nr_cols = ARRAY_LEN(cols) });
	cost_row(f, &f->t->base, em);
	for (u32 i = 0, n = 0; v && i <= f->t->nr && n < COST_ROWS; i++)
		if (v[i] != &f->t->base && !isnan(v[i]->median[GOAL_TIME])) {
			cost_row(f, v[i], em);
			n++;
		}
	free(v);
}

static void heat_csv(struct tune_files *f, u32 a, u32 b, struct emit *em)
{
	const struct sweep_axis *x = &f->t->sweep.grid->axis[a];
	const struct sweep_axis *y = &f->t->sweep.grid->axis[b];
	const struct emit_col cols[] = {
		{ .name = "x", .type = EMIT_U64 },
		{ .name = "y", .type = EMIT_U64 },
		{ .name = x->o->name, .type = EMIT_STRING },
		{ .name = y->o->name, .type = EMIT_STRING },
		{ .name = "time", .unit = tune_time_unit(f->t),
		  .type = EMIT_DOUBLE },
	};

	emit_table(em, &(struct emit_table){ .name = "heat", .cols = cols,
		   .nr_cols = ARRAY_LEN(cols) });
	for (u32 i = 0; i < x->nr; i++)
		for (u32 k = 0; k < y->nr; k++) {
			double v = tune_best_with(f->t, a, i, b, k);

			if (isnan(v))
				continue;
			emit_u64(em, i);
			emit_u64(em, k);
			emit_str(em, x->value[i]);
			emit_str(em, y->value[k]);
			emit_double(em, v);
			emit_row(em);
		}
}

/* ---- all of it ---------------------------------------------------------------------------- */

static int put_scripts(const struct tune_files *f, struct err *e)
{
	static const struct {
		const char *name, *text;
	} s[] = {
		{ "style.gp", tlbemu_gp_style },
		{ "tune_front.gp", tlbemu_gp_front },
		{ "tune_knob.gp", tlbemu_gp_knob },
		{ "tune_locality.gp", tlbemu_gp_locality },
		{ "tune_bandwidth.gp", tlbemu_gp_bandwidth },
		{ "tune_cost.gp", tlbemu_gp_cost },
		{ "tune_heat.gp", tlbemu_gp_heat },
	};
	int rc = 0;

	for (size_t i = 0; i < ARRAY_LEN(s) && !rc; i++)
		rc = put_text(f, s[i].name, s[i].text, e);
	return rc;
}

static int knobs(struct tune_files *f, struct err *e)
{
	int rc = 0;

	for (u32 a = 0; a < tune_nr_knobs(f->t) && !rc; a++) {
		const struct sweep_axis *axis = &f->t->sweep.grid->axis[a];
		struct emit *em;
		char name[80];

		if (axis->nr < 2)
			continue;
		snprintf(name, sizeof(name), "knob_%.64s", axis->o->name);
		rc = open_csv(f, name, &em, e);
		if (rc)
			return rc;
		knob_csv(f, a, em);
		rc = emit_close(em, e);
		if (!rc)
			rc = draw(f, "tune_knob", name, axis->o->name, e);
	}
	return rc;
}

static bool has_moments(struct tune_files *f)
{
	const char *const name[] = {
		counter_info[CTR_NUMA_HINT_FAULTS].name, "lines",
	};
	struct tune_moments *m = malloc(sizeof(*m));
	bool is_any = m && (tune_moments(f->t, &f->t->base, name, 2, m) ||
			    tune_moments(f->t, f->choice->rival, name, 2, m));

	free(m);
	return is_any;
}

static bool has_bandwidth(struct tune_files *f)
{
	const char *const name[] = { "lines" };
	struct tune_moments *m = malloc(sizeof(*m));
	bool is_any = m && tune_moments(f->t, f->choice->rival, name, 1, m);

	free(m);
	return is_any;
}

static int figure(struct tune_files *f, const char *script, const char *name,
		  void (*fill)(struct tune_files *f, struct emit *em),
		  struct err *e)
{
	struct emit *em;
	int rc = open_csv(f, name, &em, e);

	if (rc)
		return rc;
	fill(f, em);
	rc = emit_close(em, e);
	return rc ? rc : draw(f, script, name, "", e);
}

int tune_files_open(const struct tune_files *f, struct err *e)
{
	struct stat st;

	if (!strcmp(f->dir, "-"))
		return err_set(e, -EINVAL, "-o: figures go into a directory, "
			       "not to stdout");
	if (mkdir(f->dir, 0777) && errno != EEXIST)
		return err_set(e, -errno, "cannot make '%s': %s", f->dir,
			       strerror(errno));
	if (stat(f->dir, &st) || !S_ISDIR(st.st_mode))
		return err_set(e, -ENOTDIR, "'%s': not a directory", f->dir);
	return put_scripts(f, e);
}

#define NO_KNOB UINT32_MAX

/* The knob that is worth most, @but left out. */
static u32 worth_most(const struct tune *t, u32 but)
{
	double most = -1;
	u32 best, at = NO_KNOB;

	for (u32 a = 0; a < tune_nr_knobs(t); a++) {
		double w = a == but ? NAN : tune_worth(t, a, &best);

		if (w > most) {
			most = w;
			at = a;
		}
	}
	return at;
}

static int heat(struct tune_files *f, struct err *e)
{
	u32 a = worth_most(f->t, NO_KNOB), b = worth_most(f->t, a);
	struct emit *em;
	int rc;

	if (a == NO_KNOB || b == NO_KNOB)
		return 0;
	rc = open_csv(f, "heat", &em, e);
	if (rc)
		return rc;
	heat_csv(f, a < b ? a : b, a < b ? b : a, em);
	rc = emit_close(em, e);
	return rc ? rc : draw(f, "tune_heat", "heat", "", e);
}

static int table_as(struct tune_files *f, const char *suffix, struct err *e)
{
	struct emit *em;
	int rc = open_as(f, "tune", suffix, &em, e);

	if (rc)
		return rc;
	tune_table(f->t, em);
	return emit_close(em, e);
}

/* Figures of an earlier search with other knobs. */
static void remove_old(const struct tune_files *f)
{
	static const char *const pattern[] = {
		"knob_*.csv", "knob_*.svg", "heat.csv", "heat.svg",
		"locality.csv", "locality.svg", "bandwidth.csv", "bandwidth.svg",
	};

	for (size_t i = 0; i < ARRAY_LEN(pattern); i++) {
		char path[4096];
		glob_t g;

		snprintf(path, sizeof(path), "%s/%s", f->dir, pattern[i]);
		if (glob(path, 0, NULL, &g))
			continue;
		for (size_t k = 0; k < g.gl_pathc; k++)
			unlink(g.gl_pathv[k]);
		globfree(&g);
	}
}

int tune_files_write(struct tune_files *f, struct err *e)
{
	int rc;

	remove_old(f);
	rc = table_as(f, "csv", e);

	if (!rc)
		rc = table_as(f, "json", e);
	if (!rc)
		rc = figure(f, "tune_front", "front", front_csv, e);
	if (!rc)
		rc = knobs(f, e);
	if (!rc && has_moments(f))
		rc = figure(f, "tune_locality", "locality", locality_csv, e);
	if (!rc)
		rc = figure(f, "tune_cost", "cost", cost_csv, e);
	if (!rc && has_bandwidth(f))
		rc = figure(f, "tune_bandwidth", "bandwidth", bandwidth_csv, e);
	return rc ? rc : heat(f, e);
}
