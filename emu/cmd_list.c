/* tlbemu list - the names that options take, and what is behind one. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/suggest.h"
#include "emu/cmd_run.h"
#include "emu/cmd.h"
#include "emu/common_opts.h"
#include "emu/experiment.h"
#include "emu/list_counters.h"
#include "emu/race_run.h"

struct list_cfg {
	const char *out;
	bool help;
};

static const struct opt list_opts[] = {
	OPTS_OUT_TABLE(list_cfg),
	OPTS_HELP(list_cfg),
};

/* @name NULL: all. Return: 0 or negative errno. */
struct thing {
	const char *name;
	const char *summary;
	int (*list)(struct emit *em, const char *name, struct err *e);
};

/* Rows of strings: most lists are. */
static void row(struct emit *em, const char *const *cells, size_t n)
{
	for (size_t i = 0; i < n; i++)
		emit_str(em, cells[i]);
	emit_row(em);
}

#define ROW(em, ...) \
	row((em), (const char *const[]){ __VA_ARGS__ }, \
	    sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

static void begin(struct emit *em, const char *name, const char *const *heads)
{
	struct emit_col cols[8] = { 0 };
	size_t n = 0;

	for (; heads[n]; n++)
		cols[n] = (struct emit_col){ .name = heads[n],
					     .type = EMIT_STRING };
	emit_table(em, &(struct emit_table){ .name = name, .cols = cols,
					     .nr_cols = n });
}

#define BEGIN(em, name, ...) \
	begin((em), (name), (const char *const[]){ __VA_ARGS__, NULL })

/* ---- machines -------------------------------------------------------------------- */

static const struct emit_col machine_cols[] = {
	{ .name = "name", .type = EMIT_STRING },
	{ .name = "arch", .type = EMIT_STRING },
	{ .name = "L1D", .unit = "entries", .type = EMIT_STRING },
	{ .name = "L2", .unit = "entries", .type = EMIT_STRING },
	{ .name = "assumed", .type = EMIT_U64 },
	{ .name = "numbers", .type = EMIT_U64 },
	{ .name = "summary", .type = EMIT_STRING },
};

static int machine_line(void *arg, const struct machine_brief *b)
{
	struct emit *em = arg;

	emit_str(em, b->name);
	if (b->is_usable) {
		emit_str(em, b->arch);
		emit_str(em, b->l1d);
		emit_str(em, b->l2);
		emit_u64(em, b->nr_assumed);
		emit_u64(em, b->nr_values);
	} else {
		for (u32 i = 0; i < 5; i++)
			emit_na(em);
	}
	emit_str(em, b->summary);
	emit_row(em);
	return 0;
}

static int machine_row_out(void *arg, const struct machine_row *r)
{
	ROW(arg, r->key, r->value, *r->unit ? r->unit : "-",
	    *r->source ? r->source : "-");
	return 0;
}

static int list_machines(struct emit *em, const char *name, struct err *e)
{
	struct machine *m;
	int rc;

	if (!name) {
		emit_table(em, &(struct emit_table){
			.name = "machines", .cols = machine_cols,
			.nr_cols = ARRAY_LEN(machine_cols) });
		return machine_list(machine_line, em);
	}
	rc = machine_create(&m, name, NULL, e);
	if (rc)
		return rc;
	BEGIN(em, "machine", "key", "value", "unit", "source");
	machine_describe(m, machine_row_out, em);
	machine_destroy(m);
	return 0;
}

/* ---- kernels ----------------------------------------------------------------------- */

static int list_kernels(struct emit *em, const char *name, struct err *e)
{
	const struct kernel *k = NULL;
	int rc = name ? experiment_kernel(name, &k, e) : 0;

	if (rc)
		return rc;
	if (!k) {
		BEGIN(em, "kernels", "name", "commit", "summary");
		for (u32 i = 0; kernels[i]; i++)
			ROW(em, kernels[i]->name, kernels[i]->commit,
			    kernels[i]->summary);
		return 0;
	}
	emit_note(em, " %s (%s): %s\n without --flush: tlbi on Arm%s, else "
		  "deferred\n", k->name, k->commit, k->summary, k->uses_invlpgb
		  ? ", invlpgb-asid where there is INVLPGB" : "");
	BEGIN(em, "kernel", "switch", "here", "without_it");
	for (const struct kernel_switch *s = kernel_switches; s->name; s++) {
		u64 v = word_get((const u8 *)k + s->offset, (u32)s->bytes);
		char number[24];

		snprintf(number, sizeof(number), "%llu", (unsigned long long)v);
		ROW(em, s->name, v == s->off_value ? "off" : s->bytes == 1 ?
		    "on" : number, s->help);
	}
	return 0;
}

/* ---- flush strategies ---------------------------------------------------------------- */

/* "all", "none", "all but a, b", "a, b". */
static void legal_text(flush_ops_set legal, char *out, size_t size)
{
	u32 n = (u32)__builtin_popcount(legal & FLUSH_ALL_OPS);
	bool is_but = n > NR_FLUSH_OPS / 2;
	size_t at;

	at = (size_t)snprintf(out, size, "%s", n == NR_FLUSH_OPS ? "all" :
			      !n ? "none" : is_but ? "all but " : "");
	for (u32 op = 0, shown = 0; op < NR_FLUSH_OPS && at < size; op++)
		if (!!(legal & FLUSH_BIT(op)) != is_but)
			at += (size_t)snprintf(out + at, size - at, "%s%s",
					       shown++ ? ", " : "",
					       flush_op_names[op]);
}

static void flush_row(struct emit *em, const struct flush_ops *f)
{
	char legal[512];

	legal_text(f->legal, legal, sizeof(legal));
	ROW(em, f->name, f->summary, f->defers, legal,
	    f->needs ? f->needs : "-", f->source);
}

/* For eyes: all of it is 400 columns. */
static void flush_text(struct emit *em)
{
	BEGIN(em, "flush", "name", "summary", "legal_for", "source");
	for (u32 i = 0; flush_strategies[i]; i++) {
		const struct flush_ops *f = flush_strategies[i];
		u32 n = (u32)__builtin_popcount(f->legal & FLUSH_ALL_OPS);
		char legal[32] = "all";

		if (n < NR_FLUSH_OPS)
			snprintf(legal, sizeof(legal), "%u of %u", n,
				 NR_FLUSH_OPS);
		ROW(em, f->name, f->summary, legal, f->source);
	}
	emit_note(em, " legal for so many operations; 'tlbemu list flush NAME' "
		  "says for which, what is put off until when,\n and what it "
		  "needs of machine and kernel");
}

static void flush_notes(struct emit *em, const struct flush_ops *f)
{
	char legal[512];

	legal_text(f->legal, legal, sizeof(legal));
	emit_note(em, " %s: %s\n defers: %s\n legal for: %s\n needs: %s\n "
		  "source: %s\n", f->name, f->summary, f->defers, legal,
		  f->needs ? f->needs : "-", f->source);
}

static void flush_table(struct emit *em, const struct flush_ops *only)
{
	BEGIN(em, "flush", "name", "summary", "defers", "legal_for", "needs",
	      "source");
	for (u32 i = 0; flush_strategies[i]; i++)
		if (!only || only == flush_strategies[i])
			flush_row(em, flush_strategies[i]);
}

static int list_flush(struct emit *em, const char *name, struct err *e)
{
	const struct flush_ops *f = NULL;
	int rc = name ? experiment_flush(name, &f, e) : 0;

	if (rc)
		return rc;
	if (emit_kind_of(em) != EMIT_TABLE)
		flush_table(em, f);
	else if (f)
		flush_notes(em, f);
	else
		flush_text(em);
	if (!f) {
		emit_note(em, " without --flush: what the kernel does on the "
			  "machine ('tlbemu list kernels NAME')\n");
		return 0;
	}
	BEGIN(em, "operations", "operation", "legal", "what_for");
	for (u32 op = 0; op < NR_FLUSH_OPS; op++)
		ROW(em, flush_op_names[op], f->legal & FLUSH_BIT(op) ? "yes"
		    : "no", flush_op_help[op]);
	return 0;
}

/* ---- workloads -------------------------------------------------------------------------- */

static void workload_params(struct emit *em, const struct workload *w)
{
	BEGIN(em, "options", "option", "default", "unit", "help");
	for (size_t i = 0; i < w->nr_params; i++)
		ROW(em, w->params[i].name,
		    w->params[i].def ? w->params[i].def : "0",
		    w->params[i].unit ? w->params[i].unit : "-",
		    w->params[i].help);
	for (const char *const *d = w->defaults; d && d[0]; d += 2)
		ROW(em, d[0], d[1], "-", "other default here than elsewhere");
}

static int list_workloads(struct emit *em, const char *name, struct err *e)
{
	const struct workload *w = NULL;
	int rc = name ? experiment_workload(name, &w, e) : 0;

	if (rc)
		return rc;
	if (!w) {
		BEGIN(em, "workloads", "name", "summary", "stands for");
		for (u32 i = 0; workloads[i]; i++)
			ROW(em, workloads[i]->name, workloads[i]->summary,
			    workloads[i]->mirrors);
		return 0;
	}
	emit_note(em, " %s: %s\n stands for: %s\n look at: %s\n", w->name,
		  w->summary, w->mirrors, w->watch);
	workload_params(em, w);
	return 0;
}

/* ---- races -------------------------------------------------------------------------------- */

static void race_rows(struct emit *em, const struct race *race)
{
	emit_note(em, " %s %s: %s\n\n%s\n\n bounds: %s\n", race->id,
		  race->name, race->summary, race->story, race->bounds);
	BEGIN(em, "rows", "row", "kernel", "memory", "stage", "expected",
	      "tag");
	for (u32 i = 0; i < race->nr_rows; i++)
		ROW(em, race->rows[i].id, race->rows[i].kernel,
		    memory_model_names[race->rows[i].memory],
		    race->rows[i].stage,
		    race->rows[i].expected == VERDICT_PASS ? "PASS" : "FAIL",
		    race->rows[i].tag);
}

static int list_races(struct emit *em, const char *name, struct err *e)
{
	const char *names[32] = { NULL };
	char hint[128];

	if (!name) {
		BEGIN(em, "races", "name", "id", "summary");
		for (u32 i = 0; races[i]; i++)
			ROW(em, races[i]->name, races[i]->id,
			    races[i]->summary);
		return 0;
	}
	for (u32 i = 0; races[i]; i++)
		if (race_is(races[i], name))
			race_rows(em, races[i]);
	if (race_find(name))
		return 0;
	for (u32 i = 0; races[i] && i < 31; i++)
		names[i] = races[i]->name;
	suggest_text(name, names, hint, sizeof(hint));
	return err_set(e, -EINVAL, "list races: '%s': no such race%s", name,
		       hint);
}

/* ---- the command ------------------------------------------------------------------------------ */

static const struct thing things[] = {
	{ "machines", "profiles; with NAME every number, its unit and source",
	  list_machines },
	{ "kernels", "kernel versions and patches; with NAME its switches",
	  list_kernels },
	{ "flush", "flush strategies; with NAME what it defers, needs and is legal for",
	  list_flush },
	{ "workloads", "workloads; with NAME its options", list_workloads },
	{ "races", "races; with NAME its story and rows", list_races },
	{ "counters", "what is counted, and what of it this host counts, too",
	  list_counters },
};

static void usage(FILE *f, const struct opt_set *set)
{
	fputs("usage: tlbemu list WHAT [NAME] [-o FILE]\n"
	      "list - the names that options take\n\n", f);
	for (size_t i = 0; i < ARRAY_LEN(things); i++)
		fprintf(f, "  %-10s %s\n", things[i].name, things[i].summary);
	fputs("\n", f);
	opt_help(set, f);
	fputs("\nexamples:\n"
	      "  tlbemu list flush\n"
	      "  tlbemu list machines skylake-sp -o skylake.csv\n", f);
}

static int no_thing(const char *name, struct err *e)
{
	const char *names[ARRAY_LEN(things) + 1] = { NULL };
	char hint[128];

	for (size_t i = 0; i < ARRAY_LEN(things); i++)
		names[i] = things[i].name;
	suggest_text(name, names, hint, sizeof(hint));
	err_set(e, -EINVAL, "list: '%s': no such list%s 'tlbemu list --help' "
		"shows all", name, hint[0] ? hint : ";");
	return complain(EXIT_USAGE, e);
}

static int list(const struct list_cfg *cfg, const struct thing *t,
		const char *name, struct err *e)
{
	struct emit *em;
	int rc = emit_create(&em, &(struct emit_cfg){ .path = cfg->out }, e);

	if (rc)
		return complain(rc == -EINVAL ? EXIT_USAGE : EXIT_FAILED, e);
	rc = t->list(em, name, e);
	if (rc) {
		emit_discard(em);
		return complain(exit_status_of(rc), e);
	}
	rc = emit_close(em, e);
	return rc ? complain(EXIT_FAILED, e) : 0;
}

static int dispatch(const struct list_cfg *cfg, char **word, int n,
		    struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(things); i++)
		if (!strcmp(things[i].name, word[0]))
			return list(cfg, &things[i], n > 1 ? word[1] : NULL, e);
	return no_thing(word[0], e);
}

static void print_help(const struct opt_set *set)
{
	usage(stdout, set);
}

static int run(void *cfg, struct opt_set *set, char **word, u32 n)
{
	struct err e;

	if (n && n <= 2)
		return dispatch(cfg, word, (int)n, &e);
	usage(stderr, set);
	return EXIT_USAGE;
}

int cmd_list(int argc, char **argv)
{
	struct list_cfg cfg = { 0 };

	return cmd_main(&(struct cmd){
		.name = "list", .opts = list_opts,
		.nr_opts = ARRAY_LEN(list_opts), .cfg = &cfg, .help = &cfg.help,
		.takes_words = true, .print_help = print_help, .run = run,
	}, argc, argv);
}
