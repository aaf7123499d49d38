/* tlbemu validate - this host and the emulated machine, side by side, at points
 * that calibration did not use. */
#include "emu/cmd_calibrate.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/emit.h"
#include "base/opt.h"
#include "base/progress.h"
#include "cpu/topology.h"
#include "emu/cmd.h"
#include "emu/experiment.h"
#include "emu/mut_emulated.h"
#include "emu/version.h"
#include "host/clock.h"
#include "host/kernel_counts.h"
#include "host/native.h"

#define MAX_ROWS 96u

/* What a row belongs to, with the band for median and 90th percentile. */
enum suite { CHASES, ALONE, TOGETHER, NR_SUITES };
static const struct {
	const char *name, *what;
	double median, p90;             /* percent; 0: none                   */
} suites[NR_SUITES] = {
	{ "chase", "chases through pages", 10, 25 },
	{ "alone", "mprotect, munmap, madvise, mremap alone", 20, 0 },
	{ "together", "the same beside running threads", 30, 0 },
};
static const char *const suite_names[] = { "all", "chase", "alone", "together",
					   NULL };

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
	{ .name = "output", .kind = OPT_STRING, .letter = 'o',
	  .metavar = "FILE", .help = "write .txt, .csv or .json instead",
	  FIELD(out, "output"), .no_echo = true },
	{ .name = "progress", .kind = OPT_ENUM, .def = "auto",
	  .names = progress_modes, .help = "progress on stderr",
	  FIELD(progress, "output"), .no_echo = true },
	{ .name = "help", .kind = OPT_BOOL, .letter = 'h', .help = "this text",
	  FIELD(help, "output"), .no_echo = true },
};

static void print_help(const struct opt_set *set)
{
	fputs("usage: tlbemu validate --machine FILE.ini [-o FILE]\n"
	      "validate - this host and its model side by side, at points that "
	      "calibration\ndid not use; exit 1 when a summary is outside its "
	      "band\n\n", stdout);
	opt_help(set, stdout);
	fputs("\nexamples:\n"
	      "  tlbemu calibrate -o here.ini && tlbemu validate --machine ./here.ini\n"
	      "  tlbemu validate --machine ./here.ini -o v.csv && "
	      "gnuplot -c plots/validate.gp v.csv v.svg\n", stdout);
}

/* ---- the rows -------------------------------------------------------------------------- */

struct row {
	enum suite suite;
	char what[32];
	struct mut_chase chase;
	struct mut_work work;
	bool is_chase;
	double native, lo, hi, emulated, error;
	char note[160];                 /* why there is none                  */
};

struct rows {
	struct row row[MAX_ROWS];
	u32 n;
};

static void add_chase(struct rows *r, enum mut_page size, u64 pages, u64 stride)
{
	struct row *row = &r->row[r->n++];

	*row = (struct row){ .suite = CHASES, .is_chase = true,
			     .chase = { .size = size, .nr = pages,
					.stride = stride, .has_data = true } };
	snprintf(row->what, sizeof(row->what), "chase %s stride %u",
		 size == MUT_2M ? "2m" : "4k", (u32)stride);
}

static void add_work(struct rows *r, enum mut_op op, u64 pages, u32 others)
{
	struct row *row = &r->row[r->n++];

	*row = (struct row){ .suite = others ? TOGETHER : ALONE,
			     .work = { .op = op, .pages = pages,
				       .others = others } };
	snprintf(row->what, sizeof(row->what), "%s", mut_op_name(op));
}

/* None of these is a point of calibration: its pages are 8 * 1.12^k and powers
 * of two, its calls have 4, 16, 32, 64 and 256 pages. */
static void list_rows(struct rows *r, int suite, u32 nr_cpus)
{
	static const u64 pages[] = { 11, 27, 53, 77, 91, 113, 163, 269, 419,
				     701, 1009, 1451, 1777, 2333, 3001 };
	static const u64 strided[] = { 37, 83, 149, 331, 599 };
	static const u64 large[] = { 5, 19, 43, 71, 117 };
	static const u64 calls[] = { 2, 7, 13, 22, 45, 110 };
	static const enum mut_op op[] = { MUT_MPROTECT, MUT_MUNMAP,
					  MUT_DONTNEED, MUT_MREMAP };

	for (size_t i = 0; suite < 2 && i < ARRAY_LEN(pages); i++)
		add_chase(r, MUT_4K, pages[i], 1);
	for (size_t i = 0; suite < 2 && i < ARRAY_LEN(strided); i++)
		add_chase(r, MUT_4K, strided[i], 3);
	for (size_t i = 0; suite < 2 && i < ARRAY_LEN(large); i++)
		add_chase(r, MUT_2M, large[i], 1);
	for (u32 others = 0; others < nr_cpus && others < 4; others++)
		for (size_t o = 0; o < ARRAY_LEN(op); o++)
			for (size_t i = 0; i < ARRAY_LEN(calls); i++)
				if ((!suite || suite == (others ? 3 : 2)) &&
				    r->n < MAX_ROWS)
					add_work(r, op[o], calls[i], others);
}

static int sample(struct mut *m, const struct row *row, struct mut_sample *s,
		  struct err *e)
{
	return row->is_chase ? mut_chase(m, &row->chase, s, e)
			     : mut_work(m, &row->work, s, e);
}

static int fill(struct row *row, struct mut *host, struct mut *model,
		struct err *e)
{
	struct mut_sample s;
	int rc = sample(host, row, &s, e);

	row->native = s.cycles.low;
	row->lo = s.cycles.lo;
	row->hi = s.cycles.hi;
	if (!rc)
		rc = sample(model, row, &s, e);
	row->emulated = s.cycles.median;
	row->error = 100 * (row->emulated - row->native) / row->native;
	if (!rc)
		return 0;
	row->error = NAN;
	snprintf(row->note, sizeof(row->note), "%.150s", e->text);
	return rc == -ENOTSUP || rc == -E2BIG ? 0 : rc;
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
	emit_str(em, suites[r->suite].name);
	emit_str(em, r->what);
	emit_u64(em, r->is_chase ? r->chase.nr : r->work.pages);
	emit_u64(em, r->is_chase ? 1 : 1 + r->work.others);
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

/* Return: is it inside its band? */
static bool put_summary(struct emit *em, const struct rows *r, enum suite suite)
{
	double v[MAX_ROWS], median, p90;
	char band[64];
	bool is_inside;
	u32 n = 0;

	for (u32 i = 0; i < r->n; i++)
		if (r->row[i].suite == suite && !isnan(r->row[i].error))
			v[n++] = fabs(r->row[i].error);
	if (!n)
		return true;
	median = stat_median(v, n);             /* sorts */
	p90 = stat_quantile(v, n, 0.9);
	is_inside = median <= suites[suite].median &&
		(!suites[suite].p90 || p90 <= suites[suite].p90);
	if (suites[suite].p90)
		snprintf(band, sizeof(band), "%.0f %%, %.0f %%",
			 suites[suite].median, suites[suite].p90);
	else
		snprintf(band, sizeof(band), "%.0f %%", suites[suite].median);
	emit_str(em, suites[suite].what);
	emit_u64(em, n);
	emit_double(em, median);
	emit_double(em, p90);
	emit_double(em, v[n - 1]);
	emit_str(em, band);
	emit_str(em, is_inside ? "inside" : "OUTSIDE");
	emit_row(em);
	return is_inside;
}

static void note_shootdowns(struct emit *em)
{
	double per_call;
	struct err e;

	if (kernel_counts_shootdowns(&per_call, &e))
		emit_note(em, " shootdowns cannot be compared: %s", e.text);
	else
		emit_note(em, " shootdowns per flush beside one other thread: "
			  "native %.3f, modelled 1", per_call);
}

static bool put_all(struct emit *em, const struct cfg *cfg,
		    const struct rows *r, const struct interference *i)
{
	char text[256];
	bool is_inside = true;

	emit_meta_str(em, NULL, "machine", cfg->machine);
	emit_meta_str(em, NULL, "revision", tlbemu_revision);
	emit_table(em, &(struct emit_table){
		.name = "rows", .title = " this host and its model, cycles per "
		"access or call; native: fastest tenth of the repetitions",
		.cols = cols, .nr_cols = ARRAY_LEN(cols) });
	for (u32 k = 0; k < r->n; k++)
		put_row(em, &r->row[k]);
	for (u32 k = 0; k < r->n; k++)
		if (*r->row[k].note)
			emit_note(em, " %s, %llu pages: %s", r->row[k].what,
				  (unsigned long long)(r->row[k].is_chase
				  ? r->row[k].chase.nr : r->row[k].work.pages),
				  r->row[k].note);
	note_shootdowns(em);
	if (*interference_text(i, text, sizeof(text)))
		emit_note(em, " meanwhile: %s", text);
	emit_note(em, " summary of the errors, as amounts");
	emit_table(em, &(struct emit_table){
		.name = "summary", .cols = sum_cols,
		.nr_cols = ARRAY_LEN(sum_cols) });
	for (u32 k = 0; k < NR_SUITES; k++)
		is_inside &= put_summary(em, r, (enum suite)k);
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
		list_rows(r, cfg->suite, host->shape.nr_cpus < m->nr_cpus
			  ? host->shape.nr_cpus : m->nr_cpus);
	progress_start(&p, (enum progress_mode)cfg->progress, "validate",
		       "rows", r->n);
	for (u32 i = 0; i < r->n && !rc; i++) {
		rc = fill(&r->row[i], host, model, e);
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
	struct rows *r = calloc(1, sizeof(*r));
	struct interference i;
	struct machine *m;
	int rc = r ? machine_create(&m, cfg->machine, NULL, e)
		   : err_set(e, -ENOMEM, "out of memory");

	if (rc) {
		free(r);
		return rc;
	}
	disturbance_now(&before);
	rc = measure(cfg, r, m, e);
	disturbance_now(&after);
	interference_between(&before, &after, &i);
	if (!rc)
		*is_inside = put_all(em, cfg, r, &i);
	machine_destroy(m);
	free(r);
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
