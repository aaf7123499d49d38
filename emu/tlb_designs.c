#include "emu/tlb_designs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/granule.h"
#include "emu/experiment.h"
#include "emu/pool.h"
#include "workloads/trace_file.h"

const char *const mapping_names[] = { "4k", "2m", "mixed", NULL };

#define ONE_CPU "pack:1 core:1 pu:1 [numa(memory=%lluMB)]"

/* Address space of the host only; see arena_bytes(). A 2M page for each 4K page
 * touched is the most that any mapping takes. */
static u64 memory_mib(enum mapping mapping, u64 pages, int granule)
{
	u64 mib = mapping == MAP_4K ? (pages >> 7) + 256 : 2 * pages + 256;

	/* A page of the trace may need one of 16 times, or 256 times, as much. */
	mib <<= 2 * granule * (mapping == MAP_4K ? 1 : 2);

	return mib < 1u << 20 ? mib : 1u << 20;
}

int design_load(const char *name, struct tlb_design *out, struct err *e)
{
	struct machine *m;
	char spec[96];
	int rc;

	snprintf(spec, sizeof(spec), ONE_CPU, 256ull);
	rc = machine_create(&m, spec, name, e);
	if (rc)
		return rc;
	if (out)
		*out = m->tlb;
	machine_destroy(m);
	return 0;
}

static int read_header(struct design_job *job, struct err *e)
{
	struct trace *t;
	int rc = trace_open(&t, job->trace, e);

	if (rc)
		return rc;
	snprintf(job->program, sizeof(job->program), "%.63s",
		 trace_info(t)->program);
	job->instructions = trace_info(t)->nr_by_op[RUN_FETCH];
	job->pages = trace_info(t)->nr_pages;
	trace_close(t);
	return 0;
}

/* As `tlbemu run replay TRACE ...` would be typed. */
static int run_job(const struct design_run *d, struct design_job *job,
		   struct err *e)
{
	char spec[96], profile[512], seed[40], huge_from[40], caches[40];
	char trace[4096], granule[24];
	char *argv[] = {
		(char[]){ "tlb" }, (char[]){ "replay" },
		(char[]){ "--machine" }, spec, (char[]){ "--profile" }, profile,
		(char[]){ "--prefault" }, (char[]){ "--no-events" }, seed, huge_from, caches, granule,
		d->has_psc ? (char[]){ "--psc" } : (char[]){ "--no-psc" },
		d->mapping == MAP_4K ? (char[]){ "--no-thp" }
				     : (char[]){ "--thp" },
		(char[]){ "--" }, trace, NULL,
	};
	struct experiment x;
	struct timed_point p;
	int rc = read_header(job, e);

	if (rc)
		return rc;
	snprintf(spec, sizeof(spec), ONE_CPU, (unsigned long long)
		 memory_mib(d->mapping, job->pages, d->granule));
	snprintf(profile, sizeof(profile), "%s", job->design);
	snprintf(trace, sizeof(trace), "%s", job->trace);
	snprintf(seed, sizeof(seed), "--seed=%llu", (unsigned long long)d->seed);
	snprintf(caches, sizeof(caches), "--caches=%s", d->caches);
	snprintf(granule, sizeof(granule), "--granule=%s",
		 granule_names[d->granule]);
	snprintf(huge_from, sizeof(huge_from), "--huge-from=%u",
		 d->mapping == MAP_MIXED ? d->huge_from : 1);
	rc = experiment_parse(&x, ARRAY_LEN(argv) - 1, argv, NULL, 0, e);
	if (!rc) {
		p = experiment_point(&x, NULL, NULL);
		p.progress = d->nr_jobs == 1 ? d->progress : PROGRESS_NEVER;
		rc = experiment_kernel(x.cfg.kernel, &p.kernel, e);
		if (!rc)
			rc = timed_point_run(&p, &job->r, e);
	}
	experiment_release(&x);
	return rc;
}

/* ---- workers ------------------------------------------------------------------ */

struct work {
	const struct design_run *d;
	struct progress progress;
};

static int run_one(u32 i, void *result, void *arg)
{
	const struct work *w = arg;
	struct design_job *job = result;

	*job = w->d->job[i];
	job->rc = run_job(w->d, job, &job->err);
	job->is_done = true;
	return 0;
}

static void keep(u32 i, const void *result, int status, void *arg)
{
	const struct work *w = arg;

	if (result)
		w->d->job[i] = *(const struct design_job *)result;
}

static void show(u32 ended, u32 nr_jobs, void *arg)
{
	struct work *w = arg;

	progress_to(&w->progress, ended);
}

int designs_run(const struct design_run *d, struct err *e)
{
	struct work w = { .d = d };
	int rc;

	progress_start(&w.progress, d->nr_jobs == 1 ? PROGRESS_NEVER
		       : d->progress, "tlb", "designs", d->nr_jobs);
	rc = pool_run(&(struct pool){
		.nr_jobs = d->nr_jobs, .nr_workers = d->nr_workers,
		.result_bytes = sizeof(struct design_job), .run = run_one,
		.done = keep, .progress = show, .arg = &w,
	});
	progress_end(&w.progress);
	if (rc < 0)
		return err_set(e, rc, "cannot start workers: %s",
			       strerror(-rc));
	for (u32 i = 0; i < d->nr_jobs; i++) {
		const struct design_job *job = &d->job[i];

		if (!job->is_done)
			return err_set(e, -EIO, "the worker of %s, %s died",
				       job->trace, job->design);
		if (job->rc)
			return err_set(e, job->rc, "%s", job->err.text);
	}
	return 0;
}
