#include "emu/sweep_run.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "emu/metrics.h"
#include "emu/pool.h"

/* Numbers of each sample, at most. */
enum { NR_SAMPLED = 10 + SERIES_NODES + NR_SERIES_COUNTERS };

/* What a worker hands over. */
struct result {
	int rc;
	struct err err;
	u64 host_ns;
	struct metrics m;
	u32 nr_samples;
	struct sweep_sample sample[(SERIES_MAX + 1) * NR_SAMPLED];
};

struct work {
	const struct sweep *s;
	const u32 *point;               /* of job i                           */
	struct progress progress;
	struct sweep_tally *tally;
	int rc;                         /* the database refused               */
	struct err *e;
};

/* By a signal, or because the database refused. */
static volatile bool is_stopped;

static void on_stop(int sig)
{
	is_stopped = true;
}

/* ---- in a worker ---------------------------------------------------------------- */

static u64 host_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

/* Numbers of a sample, as metrics. */
static void sample_values(const struct series_sample *s, double v[NR_METRICS])
{
	for (u32 i = 0; i < NR_METRICS; i++)
		v[i] = NAN;
	v[METRIC_COUNTERS + CTR_ACCESSES] = (double)s->accesses;
	v[METRIC_COUNTERS + CTR_NUMA_HINT_FAULTS] = (double)s->faults;
	v[METRIC_COUNTERS + CTR_NUMA_HINT_FAULTS_LOCAL] =
		(double)s->local_faults;
	v[METRIC_COUNTERS + CTR_NUMA_PAGES_MIGRATED] = (double)s->migrated;
	v[METRIC_COUNTERS + CTR_NUMA_PTE_UPDATES] = (double)s->updates;
	v[METRIC_COUNTERS + CTR_CPU_MIGRATIONS] = (double)s->moves;
	v[METRIC_CYCLES + CYC_SCAN] = (double)s->scan_cycles;
	v[METRIC_OVERHEAD] = (double)s->overhead_cycles;
	v[METRIC_LINES] = (double)s->lines;
	v[METRIC_REMOTE_LINES] = (double)s->remote_lines;
	for (u32 n = 0; n < SERIES_NODES; n++)
		v[METRIC_NODES + n] = (double)s->node_bytes[n];
	for (u32 k = 0; k < NR_SERIES_COUNTERS; k++)
		v[METRIC_COUNTERS + series_counter[k]] = (double)s->counter[k];
}

/* What never happens in a run has no samples, nor has a run without hint faults
 * and traffic of memory any. */
static void keep_samples(const struct timed_result *r, struct result *out)
{
	double end[NR_METRICS], v[NR_METRICS];
	const struct series *s = &r->series;

	if (!s->end.faults && !s->end.lines)
		return;
	sample_values(&s->end, end);
	for (u32 i = 0; i <= s->nr; i++) {
		const struct series_sample *x = i < s->nr ? &s->s[i] : &s->end;
		u64 ns = (u64)(timed_cycles_to_ms(r, x->at) * 1e6);

		if (i == s->nr && s->nr && x->at <= s->s[s->nr - 1].at)
			break;
		sample_values(x, v);
		for (u32 m = 0; m < NR_METRICS; m++)
			if (end[m] > 0)
				out->sample[out->nr_samples++] =
					(struct sweep_sample){ .at_ns = ns,
					.metric = m, .value = v[m] };
	}
}

static int run_experiment(const struct experiment *x, struct result *out)
{
	struct timed_point p = experiment_point(x, NULL, NULL);
	const struct machine *m = sweep_machine(&x->cfg);
	struct timed_result *r = calloc(1, sizeof(*r));
	u64 from = host_ns();
	int rc = r ? 0 : err_set(&out->err, -ENOMEM, "out of memory");

	if (!rc)
		rc = experiment_kernel(x->cfg.kernel, &p.kernel, &out->err);
	if (!rc)
		rc = experiment_flush(x->cfg.flush, &p.flush, &out->err);
	if (!rc)
		rc = m ? timed_point_run_on(&p, m, r, &out->err)
		       : timed_point_run(&p, r, &out->err);
	if (!rc) {
		metrics_of(r, &out->m);
		keep_samples(r, out);
	}
	out->host_ns = host_ns() - from;
	free(r);
	return rc;
}

static int apply(const struct sweep *s, u32 point, struct err *e)
{
	int rc = sweep_grid_apply(s->grid, point, s->x->set, e);

	return rc ? rc : experiment_settle(s->x, sweep_machine(&s->x->cfg), e);
}

static int run_one(u32 job, void *result, void *arg)
{
	const struct work *w = arg;
	struct result *out = result;

	sweep_db_in_child(w->s->db);
	out->rc = apply(w->s, w->point[job], &out->err);
	if (!out->rc)
		out->rc = run_experiment(w->s->x, out);
	return 0;
}

/* ---- in the parent ---------------------------------------------------------------- */

static void name_metric(u32 i, char name[64], const char **unit)
{
	struct metric_info m = metric_info(i);

	snprintf(name, 64, "%s", m.name);
	*unit = m.unit;
}

static int keep(struct work *w, u32 job, const struct result *r,
		const char *error)
{
	struct sweep_key k;
	int rc = sweep_point_key(w->s, w->point[job], &k, w->e);

	if (rc)
		return rc;
	rc = sweep_db_put(w->s->db, &(struct sweep_record){
		.hash = k.hash, .config = k.config, .error = error,
		.host_ns = r ? r->host_ns : 0,
		.nr_values = error ? 0 : NR_METRICS,
		.value = error ? NULL : r->m.v,
		.name = name_metric,
		.nr_samples = error ? 0 : r->nr_samples,
		.sample = error ? NULL : r->sample,
	}, w->e);
	free(k.config);
	return rc;
}

static void on_done(u32 job, const void *result, int status, void *arg)
{
	struct work *w = arg;
	const struct result *r = result;
	char text[128];
	const char *error = NULL;

	if (w->rc)
		return;
	if (!r) {
		snprintf(text, sizeof(text), WIFSIGNALED(status) ?
			 "the worker died of signal %d" :
			 "the worker ended with status %d",
			 WIFSIGNALED(status) ? WTERMSIG(status)
					     : WEXITSTATUS(status));
		error = text;
	} else if (r->rc) {
		error = r->err.text;
	}
	w->rc = keep(w, job, r, error);
	if (w->rc) {
		is_stopped = true;
		return;
	}
	w->tally->ran++;
	if (!error) {
		w->tally->done++;
	} else if (!w->tally->failed++) {
		err_set(&w->tally->first, -1, "%s", error);
	}
}

static void on_progress(u32 ended, u32 nr_jobs, void *arg)
{
	struct work *w = arg;

	progress_to(&w->progress, ended);
}

/* A signal during the run stops it; what is written is whole either way. */
static void catch_signals(struct sigaction old[2])
{
	struct sigaction act = { .sa_handler = on_stop };
	static const int sigs[2] = { SIGINT, SIGTERM };

	for (int i = 0; i < 2; i++) {
		sigaction(sigs[i], NULL, &old[i]);
		if (old[i].sa_handler != SIG_IGN)
			sigaction(sigs[i], &act, NULL);
	}
}

static void restore_signals(const struct sigaction old[2])
{
	sigaction(SIGINT, &old[0], NULL);
	sigaction(SIGTERM, &old[1], NULL);
}

static int run_list(const struct sweep *s, const u32 *point, u32 nr,
		    struct sweep_tally *tally, struct err *e)
{
	struct work w = { .s = s, .point = point, .tally = tally, .e = e };
	struct sigaction old[2];
	int rc;

	is_stopped = false;
	catch_signals(old);
	progress_start(&w.progress, s->progress, s->label, "points", nr);
	rc = pool_run(&(struct pool){
		.nr_jobs = nr, .nr_workers = s->jobs, .any_order = true,
		.result_bytes = sizeof(struct result), .run = run_one,
		.done = on_done, .progress = on_progress,
		.stop = &is_stopped, .arg = &w,
	});
	progress_end(&w.progress);
	restore_signals(old);
	if (w.rc)
		return w.rc;
	if (rc == -EINTR)
		return err_set(e, rc, "stopped");
	/* A worker's exit status is in the tally, with its point. */
	return rc < 0 ? err_set(e, rc, "cannot start workers: %s",
				strerror(-rc)) : 0;
}

/* ---- what is there already ----------------------------------------------------------- */

int sweep_point_key(const struct sweep *s, u32 point, struct sweep_key *k,
		    struct err *e)
{
	int rc = apply(s, point, e);

	return rc ? rc : sweep_key_of(s->x, k, e);
}

static int take_error(void *arg, const struct sweep_row *row, struct err *e)
{
	err_set(arg, -1, "%s", row->error ? row->error : "");
	return 0;
}

static int look_at(const struct sweep *s, u32 point, enum sweep_state *state,
		   struct sweep_tally *tally, struct err *e)
{
	struct sweep_key k;
	int rc = sweep_point_key(s, point, &k, e);

	if (rc)
		return rc;
	rc = sweep_db_state(s->db, k.hash, state, e);
	if (!rc && *state == SWEEP_FAILED && !tally->failed)
		rc = sweep_db_read(s->db, k.hash, take_error, &tally->first, e);
	free(k.config);
	return rc;
}

/* The points that are to run go to the front of @todo. */
static int sort_out(const struct sweep *s, const u32 *point, u32 nr, u32 *todo,
		    u32 *nr_todo, struct sweep_tally *tally, struct err *e)
{
	*nr_todo = 0;
	*tally = (struct sweep_tally){ .total = nr };
	for (u32 i = 0; i < nr; i++) {
		enum sweep_state state;
		int rc = look_at(s, point[i], &state, tally, e);

		if (rc)
			return rc;
		if (state == SWEEP_DONE)
			tally->done++;
		else if (state == SWEEP_FAILED && (!todo || !s->retry_failed))
			tally->failed++;
		else if (todo)
			todo[(*nr_todo)++] = point[i];
	}
	return 0;
}

int sweep_look(const struct sweep *s, const u32 *point, u32 nr,
	       struct sweep_tally *tally, struct err *e)
{
	u32 none;

	return sort_out(s, point, nr, NULL, &none, tally, e);
}

int sweep_run(const struct sweep *s, const u32 *point, u32 nr,
	      struct sweep_tally *tally, struct err *e)
{
	u32 *todo = calloc(nr ? nr : 1, sizeof(*todo)), n;
	int rc = todo ? sort_out(s, point, nr, todo, &n, tally, e)
		      : err_set(e, -ENOMEM, "out of memory");

	if (!rc)
		rc = run_list(s, todo, n, tally, e);
	free(todo);
	return rc;
}
