/* tlbemu matrix - is a strategy correct, and for what? Every strategy on every
 * operation that flushes, explored; held against what the strategy claims. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/emit.h"
#include "base/progress.h"
#include "base/suggest.h"
#include "emu/cmd_matrix.h"
#include "emu/cmd_search.h"
#include "emu/common_opts.h"
#include "emu/experiment.h"
#include "emu/pool.h"
#include "emu/race_run.h"
#include "emu/version.h"
#include "mm/flush.h"
#include "workloads/matrix.h"

struct matrix_cfg {
	const char *flush, *op;
	const char *out;
	u32 jobs;
	struct search_budget budget;
	int progress;
	bool help;
};

#define AT(field) .offset = offsetof(struct matrix_cfg, field)

static const struct opt matrix_opts[] = {
	{ .name = "flush", .kind = OPT_STRING, .letter = 'f', .def = "all",
	  .metavar = "NAMES", .help = "strategies, as in a,b", AT(flush),
	  .see = "tlbemu list flush", .group = "what" },
	{ .name = "op", .kind = OPT_STRING, .def = "all", .metavar = "NAMES",
	  .help = "operations, as in cow-break,fork", AT(op),
	  .see = "tlbemu list flush NAME", .group = "what" },
	OPTS_BUDGET(matrix_cfg, budget, "stage", "3000000"),
	OPTS_JOBS(matrix_cfg, "cells at a time"),
	OPTS_OUT_TABLE(matrix_cfg),
	OPTS_PROGRESS(matrix_cfg),
	OPTS_HELP(matrix_cfg),
};

enum found { FOUND_LEGAL, FOUND_ILLEGAL, FOUND_OPEN, FOUND_ERROR };
static const char *const found_names[] = {
	"legal", "illegal", "not finished", "error"
};

/* One strategy on one operation. Plain data: crosses a pipe. */
struct cell {
	const struct flush_ops *f;      /* the same in every process          */
	enum flush_op op;
	enum found found;
	enum matrix_user user;          /* ILLEGAL: on which stage            */
	char oracle[8];
	char text[256];
	u64 states;
};

struct session {
	const struct matrix_cfg *cfg;
	struct race_limits lim;
	struct cell *cell;              /* by strategy, then by operation     */
	u32 n;
	struct progress progress;
};

static bool is_claimed(const struct cell *c)
{
	return c->f->legal & FLUSH_BIT(c->op);
}

static bool agrees(const struct cell *c)
{
	return c->found == (is_claimed(c) ? FOUND_LEGAL : FOUND_ILLEGAL);
}

/* ---- exploring ----------------------------------------------------------------------- */

static void explore_cell(struct cell *c, const struct race_limits *common)
{
	static struct race_outcome o;
	struct race_limits lim = *common;

	lim.flush = c->f;
	for (u32 user = 0; user < NR_MATRIX_USERS; user++) {
		const struct race *race = matrix_races[user];
		const struct race_row *row = matrix_row(race, c->op);

		if (!row)
			continue;
		race_run(race, row, kernel_find(row->kernel), &lim, &o);
		c->states += o.states;
		if (!o.error && o.outcome == EXPLORE_PROVED)
			continue;
		c->user = (enum matrix_user)user;
		c->found = o.error ? FOUND_ERROR
			 : o.outcome == EXPLORE_VIOLATION ? FOUND_ILLEGAL
			 : FOUND_OPEN;
		snprintf(c->oracle, sizeof(c->oracle), "%s", o.oracle);
		snprintf(c->text, sizeof(c->text), "%s",
			 o.error ? o.remark : o.text);
		if (c->found != FOUND_OPEN)
			return;
	}
}

static int run_cell(u32 i, void *result, void *arg)
{
	const struct session *s = arg;
	struct cell *c = result;

	*c = s->cell[i];
	explore_cell(c, &s->lim);
	return 0;
}

static void cell_done(u32 i, const void *result, int status, void *arg)
{
	struct session *s = arg;

	if (result)
		s->cell[i] = *(const struct cell *)result;
	else
		s->cell[i].found = FOUND_ERROR;
	if (!result)
		snprintf(s->cell[i].text, sizeof(s->cell[i].text),
			 "the process died, wait status %d", status);
}

static void on_progress(u32 ended, u32 nr, void *arg)
{
	progress_to(&((struct session *)arg)->progress, ended);
}

/* ---- output -------------------------------------------------------------------------- */

static void emit_cells(struct emit *em, const struct session *s)
{
	static const struct emit_col cols[] = {
		{ .name = "flush", .type = EMIT_STRING },
		{ .name = "operation", .type = EMIT_STRING },
		{ .name = "claims", .type = EMIT_STRING },
		{ .name = "found", .type = EMIT_STRING },
		{ .name = "oracle", .type = EMIT_STRING },
		{ .name = "user", .type = EMIT_STRING },
		{ .name = "agrees", .type = EMIT_STRING },
		{ .name = "states", .type = EMIT_U64 },
		{ .name = "due", .type = EMIT_STRING },
		{ .name = "what", .type = EMIT_STRING },
	};

	emit_table(em, &(struct emit_table){ .name = "matrix", .cols = cols,
					     .nr_cols = ARRAY_LEN(cols) });
	for (u32 i = 0; i < s->n; i++) {
		const struct cell *c = &s->cell[i];
		bool is_lost = c->found == FOUND_ILLEGAL;

		emit_str(em, c->f->name);
		emit_str(em, flush_op_names[c->op]);
		emit_str(em, is_claimed(c) ? "legal" : "illegal");
		emit_str(em, found_names[c->found]);
		emit_str(em, is_lost ? c->oracle : NULL);
		emit_str(em, is_lost ? matrix_user_names[c->user] : NULL);
		emit_str(em, agrees(c) ? "yes" : "NO");
		emit_u64(em, c->states);
		emit_str(em, matrix_due(c->op));
		emit_str(em, c->text[0] ? c->text : NULL);
		emit_row(em);
	}
}

/* One character a cell: . legal, the oracle's number where something is lost. */
static void mark(const struct cell *c, char out[16])
{
	const char *wrong = agrees(c) ? "" : "!";

	switch (c->found) {
	case FOUND_LEGAL:
		snprintf(out, 16, ".%s", wrong);
		break;
	case FOUND_ILLEGAL:
		snprintf(out, 16, "%s%s", c->oracle, wrong);
		break;
	case FOUND_OPEN:
		snprintf(out, 16, "?");
		break;
	case FOUND_ERROR:
		snprintf(out, 16, "error");
		break;
	}
}

/* A line a strategy, a column an operation. */
static void emit_picture(struct emit *em, const struct session *s, u32 per_row)
{
	struct emit_col cols[NR_FLUSH_OPS + 1] = {
		{ .name = "flush", .type = EMIT_STRING },
	};
	char text[16];

	for (u32 i = 0; i < per_row; i++)
		cols[i + 1] = (struct emit_col){
			.name = flush_op_names[s->cell[i].op],
			.type = EMIT_STRING };
	emit_table(em, &(struct emit_table){ .name = "matrix", .cols = cols,
					     .nr_cols = per_row + 1 });
	for (u32 i = 0; i < s->n; i++) {
		if (i % per_row == 0)
			emit_str(em, s->cell[i].f->name);
		mark(&s->cell[i], text);
		emit_str(em, text);
		if (i % per_row == per_row - 1)
			emit_row(em);
	}
}

static void explain(struct emit *em, const struct session *s)
{
	emit_note(em, ".: legal; On: the oracle that fired, see docs/oracles.md; "
		  "!: not as the strategy claims; ?: not finished");
	for (u32 i = 0; i < s->n; i++) {
		const struct cell *c = &s->cell[i];

		if (agrees(c) && c->found == FOUND_LEGAL)
			continue;
		emit_note(em, "%s, %s%s: %s; tlbemu race matrix-%s --row %s "
			  "--flush %s", c->f->name, flush_op_names[c->op],
			  agrees(c) ? "" : is_claimed(c) ? " (claimed legal)"
			  : " (not claimed)", c->found == FOUND_LEGAL
			  ? "nothing is lost" : c->text,
			  matrix_user_names[c->user], flush_op_names[c->op],
			  c->f->name);
	}
}

static int print(const struct session *s, u32 per_row)
{
	u32 legal = 0, illegal = 0, differ = 0, open = 0;
	struct emit *em;
	struct err e;
	int rc = emit_create(&em, &(struct emit_cfg){ .path = s->cfg->out }, &e);

	if (rc)
		return complain(rc == -EINVAL ? EXIT_USAGE : EXIT_FAILED, &e);
	for (u32 i = 0; i < s->n; i++) {
		legal += s->cell[i].found == FOUND_LEGAL;
		illegal += s->cell[i].found == FOUND_ILLEGAL;
		open += s->cell[i].found == FOUND_OPEN;
		differ += !agrees(&s->cell[i]);
	}
	emit_meta_str(em, NULL, "program", "tlbemu " TLBEMU_VERSION);
	emit_meta_str(em, NULL, "revision", tlbemu_revision);
	if (emit_kind_of(em) == EMIT_TABLE) {
		emit_picture(em, s, per_row);
		explain(em, s);
	} else {
		emit_cells(em, s);
	}
	emit_note(em, "%u cells: %u legal, %u illegal, %u not finished; %u not as "
		  "claimed", s->n, legal, illegal, open, differ - open);
	rc = emit_close(em, &e);
	if (rc)
		return complain(EXIT_FAILED, &e);
	return differ > open ? EXIT_FAILED : open ? EXIT_NOT_FINISHED : 0;
}

/* ---- which cells ---------------------------------------------------------------------- */

static int named_ops(const char *list, bool *is_in)
{
	char *copy = strdup(list), *save, *name;
	int status = 0;

	for (name = copy ? strtok_r(copy, ",", &save) : NULL; name && !status;
	     name = strtok_r(NULL, ",", &save)) {
		u32 op = 0;
		char hint[128];

		while (op < NR_FLUSH_OPS && strcmp(flush_op_names[op], name))
			op++;
		suggest_text(name, flush_op_names, hint, sizeof(hint));
		if (!strcmp(name, "all"))
			memset(is_in, true, NR_FLUSH_OPS);
		else if (op < NR_FLUSH_OPS)
			is_in[op] = true;
		else
			status = complain_usage("matrix", "--op=%s: no such "
					"operation%s; 'tlbemu list flush NAME' "
					"shows all", name, hint);
	}
	free(copy);
	return status;
}

static int add(struct session *s, const struct flush_ops *f, const bool *is_in)
{
	struct cell *c = realloc(s->cell, (s->n + NR_FLUSH_OPS) * sizeof(*c));

	if (!c)
		return -ENOMEM;
	s->cell = c;
	for (u32 op = 0; op < NR_FLUSH_OPS; op++)
		if (is_in[op])
			c[s->n++] = (struct cell){ .f = f,
						   .op = (enum flush_op)op };
	return 0;
}

static int choose(struct session *s, const bool *is_in)
{
	char *copy = strdup(s->cfg->flush), *save, *name;
	const struct flush_ops *f;
	struct err e;
	int rc = 0;

	for (name = copy ? strtok_r(copy, ",", &save) : NULL; name && !rc;
	     name = strtok_r(NULL, ",", &save)) {
		if (!strcmp(name, "all")) {
			for (u32 i = 0; flush_strategies[i] && !rc; i++)
				rc = add(s, flush_strategies[i], is_in);
			continue;
		}
		rc = experiment_flush(name, &f, &e);
		if (rc)
			rc = complain(EXIT_USAGE, &e);
		else
			rc = add(s, f, is_in);
	}
	free(copy);
	return rc < 0 ? complain_usage("matrix", "out of memory") : rc;
}

static int matrix(const struct matrix_cfg *cfg)
{
	bool is_in[NR_FLUSH_OPS] = { false };
	struct session s = { .cfg = cfg, .lim = {
		.max_states = cfg->budget.states,
		.max_seconds = cfg->budget.seconds,
		.max_bytes = cfg->budget.memory,
	} };
	struct pool pool = {
		.nr_workers = cfg->jobs, .result_bytes = sizeof(struct cell),
		.run = run_cell, .done = cell_done, .progress = on_progress,
		.arg = &s,
	};
	u32 per_row = 0;
	int rc = named_ops(cfg->op, is_in);

	if (!rc)
		rc = choose(&s, is_in);
	for (u32 op = 0; op < NR_FLUSH_OPS; op++)
		per_row += is_in[op];
	if (!rc && !s.n)
		rc = complain_usage("matrix", "no strategy, or no operation");
	if (!rc) {
		pool.nr_jobs = s.n;
		progress_start(&s.progress, (enum progress_mode)cfg->progress,
			       "matrix", "cells", s.n);
		rc = pool_run(&pool);
		progress_end(&s.progress);
		/* A worker that died is a cell with an error. */
		rc = rc < 0 ? EXIT_FAILED : print(&s, per_row);
	}
	free(s.cell);
	return rc;
}

static void print_help(const struct opt_set *set)
{
	puts("usage: tlbemu matrix [options]\n"
	     "Runs each flush strategy on each operation that takes rights away, on a\n"
	     "small stage in the explorer: a thread that uses the page, one that went\n"
	     "away and comes back, one that idled. legal: proved within the stage's\n"
	     "bounds; else the oracle that fired. Held against what the strategy claims.\n");
	opt_help(set, stdout);
	puts("\nexamples:\n"
	     "  tlbemu matrix\n"
	     "  tlbemu matrix --flush freebsd,freebsd-en2204 --op cow-break,fork\n"
	     "  tlbemu matrix -o matrix.csv\n"
	     "  tlbemu race matrix-back --row cow-break --flush freebsd-en2204\n"
	     "exit: 0 all as claimed, 1 not, 2 usage, 3 a stage was not finished");
}

static int run(void *cfg, struct opt_set *set, char **arg, u32 n)
{
	return matrix(cfg);
}

int cmd_matrix(int argc, char **argv)
{
	struct matrix_cfg cfg;

	memset(&cfg, 0, sizeof(cfg));
	return cmd_main(&(struct cmd){
		.name = "matrix", .opts = matrix_opts,
		.nr_opts = ARRAY_LEN(matrix_opts), .cfg = &cfg,
		.help = &cfg.help, .print_help = print_help, .run = run,
	}, argc, argv);
}
