/* tlbemu compare - one workload under several flush strategies and kernels.
 *
 * Every point runs in a process of its own, -j of them at a time; the table is
 * made from their results in order, so it is the same for any -j. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu/cmd_run.h"
#include "emu/cmd.h"
#include "emu/common_opts.h"
#include "emu/experiment.h"
#include "emu/pool.h"

#define MAX_POINTS 1024

static const struct opt compare_opts[] = {
	{ .name = "kernels", .kind = OPT_STRING, .metavar = "A,B|all",
	  .help = "several kernels; without it --kernel alone",
	  .see = "tlbemu list kernels",
	  .offset = offsetof(struct output_cfg, kernels), .group = "kernel" },
	OPTS_JOBS(output_cfg, "worker processes"),
	OPTS_OUT_TABLE(output_cfg),
	OPTS_PROGRESS(output_cfg),
	OPTS_DRY_RUN(output_cfg, "print the whole configuration as an INI "
		 "file, run nothing"),
	OPTS_HELP_OF(output_cfg, "this text; with a WORKLOAD its options, too"),
};

/* What a worker leaves. */
struct slot {
	struct timed_result r;
	struct err err;
	int rc;
	bool is_done;
};

struct points {
	const struct kernel *k[MAX_POINTS];
	const struct flush_ops *f[MAX_POINTS];
	u32 nr;
};

/* ---- lists of names ------------------------------------------------------------- */

/* Each of "a,b" or "all" by @add. */
static int each_name(const char *list, int (*add)(void *arg, const char *name,
						  struct err *e),
		     void *arg, struct err *e)
{
	char *copy = strdup(list), *save, *name;
	int rc = copy ? 0 : err_set(e, -ENOMEM, "out of memory");
	u32 n = 0;

	for (name = copy ? strtok_r(copy, ",", &save) : NULL; name && !rc;
	     name = strtok_r(NULL, ",", &save), n++)
		rc = add(arg, name, e);
	free(copy);
	if (!rc && !n)
		rc = err_set(e, -EINVAL, "'%s': expected names, as in a,b", list);
	return rc;
}

struct names {
	const void *v[MAX_POINTS];
	u32 n;
	const struct machine *m;        /* "all" strategies: that it can run  */
};

/* Of "all", the strategies that this machine cannot run, and those that are known
 * to be wrong, are left out, aloud. */
static bool may_run(const struct machine *m, const struct flush_ops *f)
{
	struct err why;

	if (f->flaw)
		err_set(&why, -EINVAL, "flush %s: unsound, %s; --flush %s "
			"compares it all the same", f->name, f->flaw, f->name);
	else if (!f->can_run || f->can_run(m, &why))
		return true;
	fprintf(stderr, "tlbemu: compare: left out: %s\n", why.text);
	return false;
}

static int full(struct err *e)
{
	return err_set(e, -E2BIG, "more than %u points to compare", MAX_POINTS);
}

static int add_flush(void *arg, const char *name, struct err *e)
{
	struct names *s = arg;
	const struct flush_ops *f;
	int rc;

	if (!strcmp(name, "all")) {
		for (u32 i = 0; flush_strategies[i]; i++) {
			if (!may_run(s->m, flush_strategies[i]))
				continue;
			if (s->n == MAX_POINTS)
				return full(e);
			s->v[s->n++] = flush_strategies[i];
		}
		return 0;
	}
	rc = experiment_flush(name, &f, e);
	if (!rc && s->n == MAX_POINTS)
		rc = full(e);
	if (!rc)
		s->v[s->n++] = f;
	return rc;
}

static int add_kernel(void *arg, const char *name, struct err *e)
{
	struct names *s = arg;
	const struct kernel *k;
	int rc;

	if (!strcmp(name, "all")) {
		for (u32 i = 0; kernels[i]; i++) {
			if (s->n == MAX_POINTS)
				return full(e);
			s->v[s->n++] = kernels[i];
		}
		return 0;
	}
	rc = experiment_kernel(name, &k, e);
	if (!rc && s->n == MAX_POINTS)
		rc = full(e);
	if (!rc)
		s->v[s->n++] = k;
	return rc;
}

static int make_points(const struct experiment *x, struct points *p,
		       struct err *e)
{
	static struct names f, k;
	struct machine *m;
	int rc = machine_create(&m, x->cfg.machine, x->cfg.profile, e);

	if (rc)
		return rc;
	timed_propose(&x->cfg, m);
	f.n = k.n = 0;
	f.m = m;
	if (x->cfg.flush)
		rc = each_name(x->cfg.flush, add_flush, &f, e);
	else
		f.v[f.n++] = NULL;      /* each kernel's own */
	if (!rc)
		rc = each_name(x->output.kernels ? x->output.kernels
			       : x->cfg.kernel, add_kernel, &k, e);
	if (!rc && (u64)f.n * k.n > MAX_POINTS)
		rc = full(e);
	for (u32 i = 0; i < k.n && !rc; i++)
		for (u32 j = 0; j < f.n; j++, p->nr++) {
			p->k[p->nr] = k.v[i];
			p->f[p->nr] = f.v[j] ? f.v[j] : flush_default(k.v[i], m);
		}
	machine_destroy(m);
	return rc;
}

/* ---- workers --------------------------------------------------------------------- */

struct work {
	const struct experiment *x;
	const struct points *p;
	struct slot *slot;
	struct progress progress;
};

static int run_one(u32 i, void *result, void *arg)
{
	const struct work *w = arg;
	struct timed_point point = experiment_point(w->x, w->p->k[i],
						    w->p->f[i]);
	struct slot *s = result;

	s->rc = timed_point_run(&point, &s->r, &s->err);
	s->is_done = true;
	return 0;
}

static void keep(u32 i, const void *result, int status, void *arg)
{
	const struct work *w = arg;

	if (result)
		memcpy(&w->slot[i], result, sizeof(w->slot[i]));
}

static void show(u32 ended, u32 nr_jobs, void *arg)
{
	struct work *w = arg;

	progress_to(&w->progress, ended);
}

static int run_all(const struct experiment *x, const struct points *p,
		   struct slot *slot, struct err *e)
{
	struct work w = { .x = x, .p = p, .slot = slot };
	int rc;

	progress_start(&w.progress, x->output.progress, "compare", "points",
		       p->nr);
	rc = pool_run(&(struct pool){
		.nr_jobs = p->nr, .nr_workers = x->output.jobs,
		.result_bytes = sizeof(*slot), .run = run_one, .done = keep,
		.progress = show, .arg = &w,
	});
	progress_end(&w.progress);
	if (rc < 0)
		return err_set(e, rc, "cannot start workers: %s",
			       strerror(-rc));
	for (u32 i = 0; i < p->nr; i++) {
		if (!slot[i].is_done)
			return err_set(e, -EIO, "the worker of kernel %s, "
				       "flush %s died", p->k[i]->name,
				       p->f[i]->name);
		if (slot[i].rc)
			return err_set(e, slot[i].rc, "%s", slot[i].err.text);
	}
	return 0;
}

/* ---- the table -------------------------------------------------------------------- */

#define NR_HEAD 9
#define NR_TAIL 3

static void table(struct emit *em, const struct experiment *x,
		  const struct points *p, const struct slot *slot)
{
	struct emit_col cols[NR_HEAD + NR_CYCLE_CATS + NR_TAIL] = {
		{ .name = "kernel", .type = EMIT_STRING },
		{ .name = "flush", .type = EMIT_STRING },
		{ .name = "elapsed", .unit = "ms", .type = EMIT_DOUBLE,
		  .decimals = 3 },
		{ .name = "ratio", .type = EMIT_DOUBLE, .decimals = 3 },
		{ .name = "busy", .unit = "cycles", .type = EMIT_U64 },
		{ .name = "busy_ratio", .type = EMIT_DOUBLE, .decimals = 3 },
		{ .name = "tlb_flush", .unit = "flushes", .type = EMIT_U64 },
		{ .name = "ipis_sent", .unit = "IPIs", .type = EMIT_U64 },
		{ .name = "per_flush", .unit = "cycles", .type = EMIT_DOUBLE,
		  .decimals = 1 },
	};
	static const enum counter tail[NR_TAIL] = {
		CTR_STALE_HITS, CTR_LOST_STORES, CTR_WRITE_AFTER_FREE,
	};
	const struct timed_result *first = &slot[0].r;

	for (u32 i = 0; i < NR_CYCLE_CATS; i++)
		cols[NR_HEAD + i] = (struct emit_col){
			.name = cycle_cat_names[i], .unit = "cycles",
			.type = EMIT_U64 };
	for (u32 i = 0; i < NR_TAIL; i++)
		cols[NR_HEAD + NR_CYCLE_CATS + i] = (struct emit_col){
			.name = counter_info[tail[i]].name, .type = EMIT_U64 };
	emit_table(em, &(struct emit_table){ .name = "compare", .cols = cols,
		   .nr_cols = ARRAY_LEN(cols) -
			      (x->cfg.check ? 0 : NR_TAIL) });
	for (u32 i = 0; i < p->nr; i++) {
		const struct timed_result *r = &slot[i].r;

		emit_str(em, p->k[i]->name);
		emit_str(em, p->f[i]->name);
		emit_double(em, timed_cycles_to_ms(r, r->elapsed_cycles));
		emit_double(em, (double)r->elapsed_cycles /
			    (double)first->elapsed_cycles);
		emit_u64(em, timed_busy_cycles(r));
		emit_double(em, (double)timed_busy_cycles(r) /
			    (double)timed_busy_cycles(first));
		emit_u64(em, r->count.v[CTR_TLB_FLUSH]);
		emit_u64(em, r->count.v[CTR_IPIS_SENT]);
		emit_double(em, timed_flush_cycles(r));
		for (u32 k = 0; k < NR_CYCLE_CATS; k++)
			emit_u64(em, r->cycles[k]);
		for (u32 k = 0; k < NR_TAIL && x->cfg.check; k++)
			counters_emit_value(em, &r->count, &r->modelled,
					    tail[k]);
		emit_row(em);
	}
}

static void notes(struct emit *em, const struct experiment *x,
		  const struct points *p, const struct slot *slot)
{
	const struct timed_result *r = &slot[0].r;
	u32 most = 0;

	for (u32 i = 0; i < p->nr; i++)
		if (slot[i].r.nr_assumed_used > most)
			most = slot[i].r.nr_assumed_used;
	emit_note(em, "\n ratio: against the first row; elapsed: until the last "
		  "thread was done; busy: all cycles but idle; per_flush: the "
		  "initiator's");
	emit_note(em, " leans on at most %u of %u assumed numbers of profile %s "
		  "('tlbemu list machines %s')", most, r->nr_assumed,
		  r->profile, r->profile);
}

/* Text wants few columns: what differs and what it costs, not 24 numbers. */
static void text_table(struct emit *em, const struct experiment *x,
		       const struct points *p, const struct slot *slot)
{
	static const enum cycle_cat shown[] = {
		CYC_USER, CYC_WALK, CYC_FAULT, CYC_KERNEL, CYC_SCAN, CYC_COPY,
		CYC_FLUSH, CYC_WAIT_ACK, CYC_RESPOND, CYC_LOCK_WAIT,
	};
	struct emit_col cols[7 + ARRAY_LEN(shown) + 1] = {
		{ .name = "kernel", .type = EMIT_STRING },
		{ .name = "flush", .type = EMIT_STRING },
		{ .name = "elapsed", .unit = "ms", .type = EMIT_DOUBLE,
		  .decimals = 3 },
		{ .name = "ratio", .type = EMIT_DOUBLE, .decimals = 3 },
		{ .name = "flushes", .type = EMIT_U64 },
		{ .name = "IPIs", .type = EMIT_U64 },
		{ .name = "per flush", .unit = "cycles", .type = EMIT_DOUBLE,
		  .decimals = 0 },
	};

	for (u32 i = 0; i < ARRAY_LEN(shown); i++)
		cols[7 + i] = (struct emit_col){
			.name = cycle_cat_names[shown[i]], .unit = "%",
			.type = EMIT_DOUBLE, .decimals = 1 };
	cols[7 + ARRAY_LEN(shown)] = (struct emit_col){
		.name = "lost stores", .type = EMIT_U64 };
	emit_table(em, &(struct emit_table){ .name = "compare", .cols = cols,
		   .nr_cols = ARRAY_LEN(cols) - !x->cfg.check });
	for (u32 i = 0; i < p->nr; i++) {
		const struct timed_result *r = &slot[i].r;
		double busy = (double)timed_busy_cycles(r);

		emit_str(em, p->k[i]->name);
		emit_str(em, p->f[i]->name);
		emit_double(em, timed_cycles_to_ms(r, r->elapsed_cycles));
		emit_double(em, (double)r->elapsed_cycles /
			    (double)slot[0].r.elapsed_cycles);
		emit_u64(em, r->count.v[CTR_TLB_FLUSH]);
		emit_u64(em, r->count.v[CTR_IPIS_SENT]);
		emit_double(em, timed_flush_cycles(r));
		for (u32 k = 0; k < ARRAY_LEN(shown); k++)
			emit_double(em, 100.0 * (double)r->cycles[shown[k]] /
				    busy);
		if (x->cfg.check)
			emit_u64(em, r->count.v[CTR_LOST_STORES]);
		emit_row(em);
	}
}

static void report(const struct experiment *x, const struct points *p,
		   const struct slot *slot, struct emit *em)
{
	const struct timed_result *r = &slot[0].r;

	experiment_meta(x, em);
	emit_meta_str(em, "machine", "topology", r->topology);
	emit_meta_str(em, "machine", "profile", r->profile);
	emit_meta_u64(em, "machine", "hz", r->hz);
	if (emit_kind_of(em) == EMIT_TABLE) {
		emit_note(em, " '%s' on '%s', %u threads, seed %llu; shares of "
			  "busy cycles\n", x->word, r->topology, r->nr_threads,
			  (unsigned long long)x->cfg.seed);
		text_table(em, x, p, slot);
	} else {
		table(em, x, p, slot);
	}
	notes(em, x, p, slot);
}

/* ---- the command -------------------------------------------------------------------- */

static int compare_to(const struct experiment *x, const struct points *p,
		      struct slot *slot, struct err *e)
{
	struct emit *em;
	int rc = emit_create(&em, &(struct emit_cfg){ .path = x->output.out },
			     e);

	if (rc)
		return complain(rc == -EINVAL ? EXIT_USAGE : EXIT_FAILED, e);
	rc = run_all(x, p, slot, e);
	if (rc) {
		emit_discard(em);
		return complain(exit_status_of(rc), e);
	}
	report(x, p, slot, em);
	rc = emit_close(em, e);
	return rc ? complain(EXIT_FAILED, e) : 0;
}

static int compare(const struct experiment *x, struct err *e)
{
	static struct points p;
	struct slot *slot;
	int status;

	p.nr = 0;
	if (make_points(x, &p, e)) {
		err_prefix(e, -1, "compare: ");
		return complain(EXIT_USAGE, e);
	}
	if (x->output.dry_run) {
		experiment_echo(x, stdout);
		return 0;
	}
	slot = calloc(p.nr, sizeof(*slot));
	if (!slot) {
		err_set(e, -ENOMEM, "out of memory");
		return complain(EXIT_FAILED, e);
	}
	status = compare_to(x, &p, slot, e);
	free(slot);
	return status;
}

static void show_help(const struct experiment *x)
{
	fputs("usage: tlbemu compare [options] WORKLOAD|FILE.ini [FILE...]\n"
	      "compare - one row for each flush strategy and kernel, ratio against the first\n"
	      "--flush takes a list, or all; without it each kernel has its own.\n\n", stdout);
	opt_help(x->set, stdout);
	fputs("\nexamples:\n"
	      "  tlbemu compare mprotect-storm --flush all --pages 40 -j 2\n"
	      "  tlbemu compare numa-migrate --flush deferred,range --kernels v3.12,v3.13,v6.1 --check\n"
	      "  tlbemu compare replay sort.tlbt --flush all -o compare.csv\n"
	      "exit status: 0 done, 1 the output could not be written, 2 usage or bad input\n",
	      stdout);
}

int cmd_compare(int argc, char **argv)
{
	struct experiment x;
	struct err e;
	int status = 0;

	if (experiment_parse(&x, argc, argv, compare_opts,
			     ARRAY_LEN(compare_opts), &e))
		status = complain(EXIT_USAGE, &e);
	else if (x.output.help)
		show_help(&x);
	else
		status = compare(&x, &e);
	experiment_release(&x);
	return status;
}
