/* tlbemu validate - this host and the emulated machine, side by side, at points
 * that calibration did not use. */
#include "emu/cmd_calibrate.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/emit.h"
#include "base/opt.h"
#include "base/progress.h"
#include "cpu/topology.h"
#include "emu/cmd.h"
#include "emu/common_opts.h"
#include "emu/experiment.h"
#include "emu/mut_emulated.h"
#include "emu/validate_counts.h"
#include "emu/validate_rows.h"
#include "emu/validate_why.h"
#include "emu/version.h"
#include "host/clock.h"
#include "host/native.h"

static const char *const suite_names[] = { "chase", "program", "alone",
					   "together", "all", NULL };
_Static_assert(ARRAY_LEN(suite_names) == NR_SUITES + 2, "ORDER suite, all");

struct cfg {
	const char *machine, *out;
	u64 request_ns, max_bytes;
	int suite, progress;
	bool help;
};

#define FIELD(f, g) .offset = offsetof(struct cfg, f), .group = g

static const struct opt opts[] = {
	{ .name = "machine", .kind = OPT_STRING, .letter = 'm',
	  .metavar = "FILE.ini|NAME", .help = "profile to hold against this "
		  "host, as calibrate writes it", FIELD(machine, "machine") },
	{ .name = "suite", .kind = OPT_ENUM, .def = "all",
	  .names = suite_names, .help = "rows", FIELD(suite, "measuring") },
	{ .name = "time", .kind = OPT_TIME_NS, .def = "60ms", .min = 1000000,
	  .max = 10000000000ull, .unit = "ns",
	  .help = "for the repetitions of one point",
	  FIELD(request_ns, "measuring") },
	{ .name = "memory", .kind = OPT_SIZE, .def = "0", .unit = "bytes",
	  .help = "that it may use; 0: a quarter of what is free",
	  FIELD(max_bytes, "measuring") },
	OPTS_OUT_TABLE(cfg),
	OPTS_PROGRESS(cfg),
	OPTS_HELP(cfg),
};

static void print_help(const struct opt_set *set)
{
	fputs("usage: tlbemu validate --machine FILE.ini [-o FILE]\n"
	      "validate - this host and its model side by side, at points that "
	      "calibration\ndid not use; exit 1 when a summary is outside its "
	      "band or nothing of it could\nbe measured\n\n", stdout);
	opt_help(set, stdout);
	fputs("\nexamples:\n"
	      "  tlbemu calibrate -o here.ini && tlbemu validate --machine ./here.ini\n"
	      "  tlbemu validate --machine ./here.ini -o v.csv && "
	      "gnuplot -c plots/validate.gp v.csv v.svg\n", stdout);
}

/* ---- output ------------------------------------------------------------------------------ */

static const struct emit_col cols[] = {
	{ .name = "suite", .type = EMIT_STRING },
	{ .name = "what", .type = EMIT_STRING },
	{ .name = "pages", .type = EMIT_U64 },
	{ .name = "threads", .type = EMIT_U64 },
	{ .name = "native", .unit = "cycles", .type = EMIT_DOUBLE, .decimals = 1 },
	{ .name = "median from", .type = EMIT_DOUBLE, .decimals = 1 },
	{ .name = "to", .type = EMIT_DOUBLE, .decimals = 1 },
	{ .name = "emulated", .unit = "cycles", .type = EMIT_DOUBLE,
	  .decimals = 1 },
	{ .name = "error", .unit = "%", .type = EMIT_DOUBLE, .decimals = 1 },
};

static void put_row(struct emit *em, const struct row *r)
{
	emit_str(em, validate_suites[r->suite].name);
	emit_str(em, r->what);
	emit_u64(em, row_pages(r));
	emit_u64(em, row_threads(r));
	emit_double(em, r->native);
	emit_double(em, r->lo);
	emit_double(em, r->hi);
	emit_double(em, r->emulated);
	emit_double(em, r->error);
	emit_row(em);
}

static const struct emit_col sum_cols[] = {
	{ .name = "suite", .type = EMIT_STRING },
	{ .name = "rows", .type = EMIT_U64 },
	{ .name = "median error", .unit = "%", .type = EMIT_DOUBLE, .decimals = 1 },
	{ .name = "90th percentile", .unit = "%", .type = EMIT_DOUBLE,
	  .decimals = 1 },
	{ .name = "worst", .unit = "%", .type = EMIT_DOUBLE, .decimals = 1 },
	{ .name = "band", .type = EMIT_STRING },
	{ .name = "verdict", .type = EMIT_STRING },
};

struct errors {
	double *v;              /* amounts, sorted                            */
	u32 n;
};

static void band_text(const struct suite_info *k, char *buf, size_t size)
{
	if (k->p90)
		snprintf(buf, size, "%.0f %%, %.0f %%", k->median, k->p90);
	else
		snprintf(buf, size, "%.0f %%", k->median);
}

/* Return: is it inside its band? What was not measured is not. */
static bool put_summary(struct emit *em, const struct suite_info *k,
			const struct errors *v)
{
	double median = stat_median(v->v, v->n);        /* sorts */
	double p90 = stat_quantile(v->v, v->n, 0.9);
	bool is_inside = v->n && median <= k->median &&
		(!k->p90 || p90 <= k->p90);
	char band[64];

	band_text(k, band, sizeof(band));
	emit_str(em, k->what);
	emit_u64(em, v->n);
	emit_double(em, median);
	emit_double(em, p90);
	emit_double(em, v->n ? v->v[v->n - 1] : NAN);
	emit_str(em, band);
	emit_str(em, !v->n ? "NOT MEASURED" : is_inside ? "inside" : "OUTSIDE");
	emit_row(em);
	return is_inside;
}

static bool put_suite(struct emit *em, const struct rows *r, enum suite suite,
		      double *tmp)
{
	struct errors v = { .v = tmp };
	bool is_asked = false;

	for (u32 i = 0; i < r->n; i++) {
		if (r->row[i].suite != suite)
			continue;
		is_asked = true;
		if (!isnan(r->row[i].error))
			v.v[v.n++] = fabs(r->row[i].error);
	}
	return !is_asked || put_summary(em, &validate_suites[suite], &v);
}

/* ---- all of it ------------------------------------------------------------------------------ */

/* Of each call the fewest threads with which the host does otherwise than the
 * model: one line says it. */
static void put_why(struct emit *em, const struct rows *r)
{
	for (u32 op = 0; op < NR_MUT_OPS; op++)
		for (u32 others = 1; others <= MUT_MAX_OTHERS; others++) {
			struct added a;

			if (!added_by_threads(r, (enum mut_op)op, others, &a))
				continue;
			emit_note(em, " %s: %u other thread%s add%s %.0f "
				  "cycles to a call of %llu pages and %.0f to "
				  "one of %llu, in the model %.0f and %.0f: a "
				  "flush of many pages is many rounds to other "
				  "CPUs here, one in the model",
				  mut_op_name((enum mut_op)op), others,
				  others == 1 ? "" : "s", others == 1 ? "s" : "",
				  a.native[0], (unsigned long long)row_pages(a.few),
				  a.native[1], (unsigned long long)row_pages(a.most),
				  a.emulated[0], a.emulated[1]);
			break;
		}
}

static void put_notes(struct emit *em, const struct rows *r)
{
	for (u32 k = 0; k < r->n; k++)
		if (*r->row[k].note)
			emit_note(em, " %s, %llu pages, %u threads: %s",
				  r->row[k].what,
				  (unsigned long long)row_pages(&r->row[k]),
				  row_threads(&r->row[k]), r->row[k].note);
}

static bool put_all(struct emit *em, const struct cfg *cfg,
		    const struct rows *r, const struct interference *i,
		    double *tmp)
{
	char text[256];
	bool is_inside = true;

	emit_meta_str(em, NULL, "machine", cfg->machine);
	emit_meta_str(em, NULL, "revision", tlbemu_revision);
	emit_table(em, &(struct emit_table){
		.name = "rows", .title = " this host and its model, cycles per "
		"access or call; native: fastest tenth of the repetitions, "
		"beside threads their median",
		.cols = cols, .nr_cols = ARRAY_LEN(cols) });
	for (u32 k = 0; k < r->n; k++)
		put_row(em, &r->row[k]);
	put_notes(em, r);
	is_inside = put_counts(em, r, tmp);
	put_why(em, r);
	if (*interference_text(i, text, sizeof(text)))
		emit_note(em, " meanwhile: %s", text);
	emit_note(em, " summary of the errors, as amounts");
	emit_table(em, &(struct emit_table){
		.name = "summary", .cols = sum_cols,
		.nr_cols = ARRAY_LEN(sum_cols) });
	for (u32 k = 0; k < NR_SUITES; k++)
		is_inside &= put_suite(em, r, (enum suite)k, tmp);
	return is_inside;
}

/* ---- the command ----------------------------------------------------------------------- */

static int measure(const struct cfg *cfg, struct rows *r, struct machine *m,
		   struct err *e)
{
	const struct native_cfg nc = { .request_ns = cfg->request_ns,
				       .max_bytes = cfg->max_bytes };
	struct mut *host = NULL, *model = NULL;
	struct mut_shape shape;
	struct machine *here;
	struct progress p;
	int rc = machine_create(&here, "host", NULL, e);

	if (rc)
		return rc;
	mut_shape_of(&shape, here, clock_may_use);
	machine_destroy(here);
	rc = mut_native_create(&host, &shape, &nc, e);
	if (!rc)
		rc = mut_emulated_create(&model, m, MUT_BY_HAND, e);
	if (!rc)
		rc = rows_list(r, (u32)cfg->suite,
			       host->shape.nr_cpus < m->nr_cpus
			       ? host->shape.nr_cpus : m->nr_cpus, e);
	if (!rc && !r->n)
		rc = err_set(e, -ENOTSUP, "nothing can run beside others on "
			     "%u CPU%s", host->shape.nr_cpus,
			     host->shape.nr_cpus == 1 ? "" : "s");
	progress_start(&p, (enum progress_mode)cfg->progress, "validate",
		       "rows", r->n);
	for (u32 i = 0; i < r->n && !rc; i++) {
		rc = row_measure(&r->row[i], host, model, e);
		progress_to(&p, i + 1);
	}
	progress_end(&p);
	mut_native_destroy(host);
	mut_emulated_destroy(model);
	return rc;
}

static int validate(const struct cfg *cfg, struct emit *em, bool *is_inside,
		    struct err *e)
{
	struct disturbance before, after;
	struct rows r = { .n = 0 };
	struct interference i;
	struct machine *m;
	double *tmp = NULL;
	int rc = machine_create(&m, cfg->machine, NULL, e);

	if (rc)
		return rc;
	disturbance_now(&before);
	rc = measure(cfg, &r, m, e);
	disturbance_now(&after);
	interference_between(&before, &after, &i);
	if (!rc) {
		tmp = malloc(r.n * sizeof(*tmp));
		rc = tmp ? 0 : err_set(e, -ENOMEM, "out of memory");
	}
	if (!rc)
		*is_inside = put_all(em, cfg, &r, &i, tmp);
	machine_destroy(m);
	rows_free(&r);
	free(tmp);
	return rc;
}

static int run(void *arg, struct opt_set *set, char **words, u32 n)
{
	const struct cfg *cfg = arg;
	struct err e = { "" };
	bool is_inside = false;
	struct emit *em;
	int rc;

	if (!cfg->machine) {
		err_set(&e, -EINVAL, "validate: --machine FILE.ini is missing; "
			"'tlbemu calibrate -o FILE.ini' writes one");
		return complain(EXIT_USAGE, &e);
	}
	rc = emit_create(&em, &(struct emit_cfg){ .path = cfg->out,
						  .csv_table = "rows" }, &e);
	if (rc)
		return complain(rc == -EINVAL ? EXIT_USAGE : EXIT_FAILED, &e);
	rc = validate(cfg, em, &is_inside, &e);
	if (rc) {
		emit_discard(em);
		err_prefix(&e, rc, "validate: ");
		return complain(rc == -ENOTSUP ? EXIT_CANNOT
				: exit_status_of(rc), &e);
	}
	rc = emit_close(em, &e);
	if (rc)
		return complain(EXIT_FAILED, &e);
	return is_inside ? 0 : EXIT_FAILED;
}

int cmd_validate(int argc, char **argv)
{
	struct cfg cfg = { 0 };

	return cmd_main(&(struct cmd){
		.name = "validate", .opts = opts, .nr_opts = ARRAY_LEN(opts),
		.cfg = &cfg, .help = &cfg.help, .print_help = print_help,
		.run = run,
	}, argc, argv);
}
