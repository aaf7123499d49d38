/* tlbemu mutate - take every part of every fix away, one at a time, and see
 * whether a race notices. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/emit.h"
#include "base/opt.h"
#include "base/progress.h"
#include "emu/cmd_race.h"
#include "emu/cmd_search.h"
#include "emu/common_opts.h"
#include "emu/pool.h"
#include "emu/race_run.h"

struct mutate_cfg {
	const char *out;
	const char *kernel;
	u32 jobs;
	struct search_budget budget;
	int progress;
	bool help;
};

#define AT(field) .offset = offsetof(struct mutate_cfg, field)

static const struct opt mutate_opts[] = {
	{ .name = "kernel", .kind = OPT_STRING, .metavar = "NAME",
	  .help = "only this kernel's parts", AT(kernel),
	  .see = "tlbemu list kernels", .group = "what" },
	OPTS_BUDGET(mutate_cfg, budget, "row", "20000000"),
	OPTS_JOBS(mutate_cfg, "mutations at a time"),
	OPTS_OUT_TABLE(mutate_cfg),
	OPTS_PROGRESS(mutate_cfg),
	OPTS_HELP(mutate_cfg),
};

struct mutant {
	const struct race *race;
	const struct kernel *k;
	const struct kernel_switch *sw;
};

/* Plain data: crosses a pipe. */
struct catch {
	int error;
	bool is_caught;
	bool is_unfinished;
	char row[32];
	char oracle[8];
	u32 rows_tried;
	u64 states;
};

struct session {
	struct race_limits lim;
	struct mutant *m;
	u32 n;
	struct catch *result;
	struct progress progress;
};

static const char *harmless(const struct mutant *m)
{
	for (const struct race_harmless *h = m->race->harmless; h && h->part; h++)
		if (!strcmp(h->part, m->sw->name) &&
		    (!h->kernel || !strcmp(h->kernel, m->k->name)))
			return h->reason;
	return NULL;
}

/* Rows of the kernel that must pass: one that fails now caught the mutant. */
static int run_mutant(u32 i, void *result, void *arg)
{
	const struct session *s = arg;
	const struct mutant *m = &s->m[i];
	static struct race_outcome o;
	struct kernel k = *m->k;
	struct catch *c = result;

	memcpy((u8 *)&k + m->sw->offset, &m->sw->off_value, m->sw->bytes);
	for (u32 r = 0; r < m->race->nr_rows && !c->is_caught; r++) {
		const struct race_row *row = &m->race->rows[r];

		if (row->expected != VERDICT_PASS ||
		    strcmp(row->kernel, m->k->name))
			continue;
		race_run(m->race, row, &k, &s->lim, &o);
		c->rows_tried++;
		c->states += o.states;
		if (o.error) {
			c->error = o.error;
			return 0;
		}
		if (o.outcome == EXPLORE_NOT_FINISHED)
			c->is_unfinished = true;
		if (o.outcome != EXPLORE_VIOLATION)
			continue;
		c->is_caught = true;
		snprintf(c->row, sizeof(c->row), "%s", row->id);
		memcpy(c->oracle, o.oracle, sizeof(c->oracle));
	}
	return 0;
}

static void mutant_done(u32 i, const void *result, int status, void *arg)
{
	struct session *s = arg;

	if (result)
		memcpy(&s->result[i], result, sizeof(s->result[i]));
	else
		s->result[i].error = -ECHILD;
}

static void on_progress(u32 ended, u32 nr, void *arg)
{
	progress_to(&((struct session *)arg)->progress, ended);
}

static int collect(struct session *s, const struct race *race,
		   const char *kernel)
{
	for (const struct race_fix *f = race->fixes; f && f->kernel; f++) {
		if (kernel && strcmp(kernel, f->kernel))
			continue;
		for (u32 i = 0; f->part[i]; i++) {
			struct mutant *m = realloc(s->m, (s->n + 1) * sizeof(*m));

			if (!m)
				return -ENOMEM;
			s->m = m;
			m[s->n++] = (struct mutant){
				race, kernel_find(f->kernel),
				kernel_switch_find(f->part[i]),
			};
			assert(m[s->n - 1].k && m[s->n - 1].sw);
		}
	}
	return 0;
}

static int print(struct session *s, const struct mutate_cfg *cfg)
{
	const struct emit_col cols[] = {
		{ .name = "kernel", .type = EMIT_STRING },
		{ .name = "part taken away", .type = EMIT_STRING },
		{ .name = "that is", .type = EMIT_STRING },
		{ .name = "caught", .type = EMIT_STRING },
		{ .name = "by row", .type = EMIT_STRING },
		{ .name = "oracle", .type = EMIT_STRING },
		{ .name = "rows tried", .type = EMIT_U64 },
		{ .name = "states", .type = EMIT_U64 },
		{ .name = "why harmless", .type = EMIT_STRING },
	};
	u32 caught = 0, explained = 0, open = 0;
	struct emit *em;
	struct err e;
	int rc = emit_create(&em, &(struct emit_cfg){ .path = cfg->out }, &e);

	if (rc) {
		fprintf(stderr, "tlbemu: mutate: %s\n", e.text);
		return rc == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
	}
	emit_table(em, &(struct emit_table){ .name = "mutants", .cols = cols,
					     .nr_cols = ARRAY_LEN(cols) });
	for (u32 i = 0; i < s->n; i++) {
		const struct catch *c = &s->result[i];
		const char *why = harmless(&s->m[i]);

		if (c->is_caught)
			caught++;
		else if (why && !c->error && !c->is_unfinished)
			explained++;
		else
			open++;
		emit_str(em, s->m[i].k->name);
		emit_str(em, s->m[i].sw->name);
		emit_str(em, s->m[i].sw->help);
		emit_str(em, c->error ? "could not run" : c->is_caught ? "yes"
			 : c->is_unfinished ? "not finished" : "no");
		emit_str(em, c->is_caught ? c->row : "-");
		emit_str(em, c->is_caught ? c->oracle : "-");
		emit_u64(em, c->rows_tried);
		emit_u64(em, c->states);
		emit_str(em, c->is_caught ? "-" : why ? why : "NOT EXPLAINED");
		emit_row(em);
	}
	emit_note(em, "%u mutants: %u caught, %u harmless for a stated reason, "
		  "%u open", s->n, caught, explained, open);
	rc = emit_close(em, &e);
	if (rc) {
		fprintf(stderr, "tlbemu: mutate: %s\n", e.text);
		return EXIT_FAILED;
	}
	return open ? EXIT_FAILED : 0;
}

static int mutate(const struct mutate_cfg *cfg, const char *name)
{
	struct session s = { .lim = {
		.max_states = cfg->budget.states,
		.max_seconds = cfg->budget.seconds,
		.max_bytes = cfg->budget.memory,
	} };
	struct pool pool = {
		.nr_workers = cfg->jobs,
		.result_bytes = sizeof(struct catch),
		.run = run_mutant, .done = mutant_done, .progress = on_progress,
		.arg = &s,
	};
	int rc = 0;

	if (name && !race_find(name))
		return search_no_race("mutate", name);
	if (cfg->kernel && !kernel_find(cfg->kernel))
		return search_no_kernel("mutate", cfg->kernel);
	for (u32 i = 0; races[i] && !rc; i++)
		if (!name || race_is(races[i], name))
			rc = collect(&s, races[i], cfg->kernel);
	s.result = calloc(s.n ? s.n : 1, sizeof(*s.result));
	if (rc || !s.result) {
		rc = EXIT_FAILED;
	} else if (!s.n) {
		rc = complain_usage("mutate", "%s%s%s: no race lists parts of a "
				  "fix there", cfg->kernel ? "--kernel=" : "'",
				  cfg->kernel ? cfg->kernel : name,
				  cfg->kernel ? "" : "'");
	} else {
		pool.nr_jobs = s.n;
		progress_start(&s.progress, (enum progress_mode)cfg->progress,
			       "mutate", "mutants", s.n);
		rc = pool_run(&pool);
		progress_end(&s.progress);
		rc = rc ? EXIT_FAILED : print(&s, cfg);
	}
	free(s.m);
	free(s.result);
	return rc;
}

static void print_help(const struct opt_set *set)
{
	puts("usage: tlbemu mutate [RACE|all] [options]\n"
	     "Takes each lock, flush, check and barrier away from each fixed kernel, one\n"
	     "at a time, and explores that kernel's rows: a part that carries weight is\n"
	     "missed by some race. What is not caught must have a stated reason.\n");
	opt_help(set, stdout);
	puts("\nexamples:\n"
	     "  tlbemu mutate thp-numa-migration --kernel v4.14\n"
	     "  tlbemu mutate all -o mutants.csv\n"
	     "exit: 0 all caught or explained, 1 something is open, 2 usage");
}

static int run(void *cfg, struct opt_set *set, char **arg, u32 n)
{
	if (n > 1)
		return complain_usage("mutate", "one race at a time, or 'all'");
	return mutate(cfg, n ? arg[0] : NULL);
}

int cmd_mutate(int argc, char **argv)
{
	struct mutate_cfg cfg;

	memset(&cfg, 0, sizeof(cfg));
	return cmd_main(&(struct cmd){
		.name = "mutate", .opts = mutate_opts,
		.nr_opts = ARRAY_LEN(mutate_opts), .cfg = &cfg,
		.help = &cfg.help, .takes_words = true,
		.print_help = print_help, .run = run,
	}, argc, argv);
}
