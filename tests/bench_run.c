/* bench_run.c - how fast the timed machine runs: page runs that hit the TLB,
 * recorded traces with their decoding (with digests, and run by run), flushes.
 * One figure a line: NAME VALUE UNIT; the best of a few passes, since others use
 * this host as well. With an argument, only the figure of that name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cpu/timed.h"
#include "emu/timed_point.h"
#include "workloads/trace_file.h"

#define RUNS 4096u
#define PASSES 4000u
#define WALK_PASSES 8u

static struct err err;
static const char *only;                /* NULL: all                          */

static bool is_wanted(const char *name)
{
	return !only || !strcmp(name, only);
}

static void check(int rc)
{
	if (!rc)
		return;
	fprintf(stderr, "bench_run: %s\n", err.text);
	exit(1);
}

static double host_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- workloads of the benchmark's own ------------------------------------------ */

struct hit_cfg {
	u32 pages;
};

static double started, took;
static u64 vpn;

static int hit_setup(struct wl *w, struct err *e)
{
	const struct hit_cfg *cfg = w->cfg;
	struct mm *mm = mm_create();
	int rc;

	vpn = wl_map(mm, cfg->pages, VM_READ | VM_WRITE);
	w->nr_threads = 1;
	rc = wl_start(w, 0, mm, e);
	return rc ? rc : wl_populate(w, 0, vpn, cfg->pages, e);
}

static void hit_body(struct wl *w, u32 t)
{
	const struct hit_cfg *cfg = w->cfg;
	static struct run run[RUNS];

	for (u32 i = 0; i < RUNS; i++)
		run[i] = (struct run){
			.va = (vpn + i % cfg->pages) << PAGE_SHIFT,
			.count = 1, .bytes = 8,
			.op = i % 4 ? RUN_READ : RUN_WRITE,
		};
	wl_runs(run, RUNS);
	started = host_seconds();
	for (u32 i = 0; i < PASSES; i++)
		wl_runs(run, RUNS);
	took = host_seconds() - started;
}

static const struct opt hit_params[] = {
	{ .name = "pages", .kind = OPT_U32, .def = "32",
	  .offset = offsetof(struct hit_cfg, pages), .help = "x",
	  .group = "x" },
};

static const struct workload hit = {
	.name = "hit", .params = hit_params, .nr_params = 1,
	.cfg_bytes = sizeof(struct hit_cfg), .setup = hit_setup,
	.body = hit_body,
};

/* Random 4K pages over @mib: nearly every access walks. */
struct walk_cfg {
	u32 mib;
};

static int walk_setup(struct wl *w, struct err *e)
{
	const struct walk_cfg *cfg = w->cfg;
	struct mm *mm = mm_create();
	u64 pages = (u64)cfg->mib << (20 - PAGE_SHIFT);
	int rc;

	vpn = wl_map(mm, pages, VM_READ | VM_WRITE);
	w->nr_threads = 1;
	rc = wl_start(w, 0, mm, e);
	return rc ? rc : wl_populate(w, 0, vpn, pages, e);
}

static void walk_body(struct wl *w, u32 t)
{
	const struct walk_cfg *cfg = w->cfg;
	u64 pages = (u64)cfg->mib << (20 - PAGE_SHIFT);
	static struct run run[RUNS * 64];
	struct rng rng;

	rng_init(&rng, w->seed + t);
	for (u32 i = 0; i < ARRAY_LEN(run); i++)
		run[i] = (struct run){
			.va = (vpn + rng_below(&rng, pages)) << PAGE_SHIFT,
			.count = 1, .bytes = 8, .op = RUN_READ,
		};
	wl_runs(run, ARRAY_LEN(run));
	started = host_seconds();
	for (u32 i = 0; i < WALK_PASSES; i++)
		for (u32 k = 0; k < ARRAY_LEN(run); k += RUNS)
			wl_runs(run + k, RUNS);
	took = host_seconds() - started;
}

static const struct opt walk_params[] = {
	{ .name = "mib", .kind = OPT_U32, .def = "1024",
	  .offset = offsetof(struct walk_cfg, mib), .help = "x",
	  .group = "x" },
};

static const struct workload walk = {
	.name = "walk", .params = walk_params, .nr_params = 1,
	.cfg_bytes = sizeof(struct walk_cfg), .setup = walk_setup,
	.body = walk_body,
};

/* ---- points ----------------------------------------------------------------------- */

static struct timed_result result;

static void point(const struct workload *w, const char *const *pairs,
		  const char *file)
{
	struct timed_cfg cfg = { 0 };
	void *wl_cfg = calloc(1, w->cfg_bytes);
	const struct opt_bind binds[] = {
		{ .table = timed_opts, .nr = nr_timed_opts, .base = &cfg },
		{ .table = w->params, .nr = w->nr_params, .base = wl_cfg },
	};
	struct opt_set *set;
	struct timed_point p;

	check(opt_set_create(&set, binds, 2));
	for (const char *const *d = w->defaults; d && d[0]; d += 2)
		check(opt_assign(set, d[0], d[1], OPT_FROM_DEFAULT, &err));
	for (; pairs[0]; pairs += 2)
		check(opt_assign(set, pairs[0], pairs[1], OPT_FROM_CMDLINE,
				 &err));
	p = (struct timed_point){
		.cfg = &cfg, .kernel = kernel_find(cfg.kernel),
		.flush = cfg.flush ? flush_find(cfg.flush) : NULL, .workload = w,
		.workload_cfg = wl_cfg, .files = &file, .nr_files = !!file,
		.progress = PROGRESS_NEVER,
	};
	check(timed_point_run(&p, &result, &err));
	opt_set_free(set);
	free(wl_cfg);
}

#define PAIRS(...) (const char *const[]){ __VA_ARGS__, NULL }

static void hits(const char *name, const char *pages)
{
	double best = 1e9;

	if (!is_wanted(name))
		return;
	for (int i = 0; i < 3; i++) {
		point(&hit, PAIRS("pages", pages), NULL);
		if (took < best)
			best = took;
	}
	printf("%s %.1f M/s\n", name, (double)RUNS * PASSES / best / 1e6);
}

static void walks(const char *name, const char *caches)
{
	double best = 1e9;

	if (!is_wanted(name))
		return;
	for (int i = 0; i < 3; i++) {
		point(&walk, PAIRS("machine", "pack:1 [numa(memory=4GiB)] "
				   "core:1 pu:1", "caches", caches), NULL);
		if (took < best)
			best = took;
	}
	printf("%s %.1f M/s\n", name,
	       (double)RUNS * 64 * WALK_PASSES / best / 1e6);
}

/* The trace as the writer has it today. */
static void rewrite(const char *from, const char *to)
{
	struct trace_writer *w;
	struct trace_part p;
	struct trace *t;

	check(trace_open(&t, from, &err));
	check(trace_writer_create(&w, to, &err));
	for (;;) {
		check(trace_next_part(t, &p, &err));
		if (!p.nr_runs)
			break;
		for (size_t i = 0; i < p.nr_runs; i++)
			check(trace_writer_append_run(w, &p.runs[i], &err));
	}
	check(trace_writer_close(w, &err));
	trace_close(t);
}

/* Steady state: the same trace over and over, less the run of one loop. */
static void play(const char *name, const char *file)
{
	double best = 1e9;
	u64 n = 0;

	for (int i = 0; i < 3; i++) {
		u64 once_ns, once_n;
		double s;

		point(workload_find("replay"), PAIRS("loops", "1"), file);
		once_ns = result.host_ns;
		once_n = result.count.v[CTR_ACCESSES];
		point(workload_find("replay"), PAIRS("loops", "41"), file);
		s = (double)(result.host_ns - once_ns) * 1e-9;
		n = result.count.v[CTR_ACCESSES] - once_n;
		if (s < best)
			best = s;
	}
	printf("%s %.1f M/s\n", name, (double)n / best / 1e6);
}

/* As shipped, which is run by run, and with digests. */
static void replay(const char *name, const char *file)
{
	char path[] = "/tmp/bench_run.XXXXXX", runs[64];
	int fd;

	if (!is_wanted(name))
		return;
	fd = mkstemp(path);
	if (fd < 0) {
		perror(path);
		exit(1);
	}
	close(fd);
	rewrite(file, path);
	play(name, path);
	unlink(path);
	snprintf(runs, sizeof(runs), "%s_by_run", name);
	play(runs, file);
}

static void flushes(const char *name, const char *threads)
{
	double best = 1e9;

	if (!is_wanted(name))
		return;
	for (int i = 0; i < 3; i++) {
		point(workload_find("mprotect-storm"),
		      PAIRS("threads", threads, "iterations", "5000",
			    "accesses", "64"), NULL);
		if ((double)result.host_ns * 1e-9 < best)
			best = (double)result.host_ns * 1e-9;
	}
	printf("%s %.0f /s\n", name,
	       (double)result.count.v[CTR_TLB_FLUSH] / best);
}

/* All flush all: flushes, and requests that other CPUs answered, a second of this
 * host. (Most requests find an interrupt on its way.) */
static void storm(const char *name, const char *machine, const char *bytes)
{
	double best = 1e9;

	if (!is_wanted(name))
		return;
	for (int i = 0; i < 3; i++) {
		point(workload_find("tlb_flush2"),
		      PAIRS("machine", machine, "bytes", bytes, "thp", "no"),
		      NULL);
		if ((double)result.host_ns * 1e-9 < best)
			best = (double)result.host_ns * 1e-9;
	}
	printf("%s %.0f /s\n%s_requests %.2f M/s\n", name,
	       (double)result.count.v[CTR_TLB_FLUSH] / best, name,
	       (double)result.count.v[CTR_CSD_QUEUE_CPU] / best / 1e6);
}

int main(int argc, char **argv)
{
	only = argc > 1 ? argv[1] : NULL;

	hits("hit_runs", "32");
	hits("hit_runs_l2", "1024");
	walks("walk_runs", "none");
	walks("walk_runs_cached", "walks");
	replay("replay_sort", "tests/data/sort.tlbt");
	replay("replay_ls", "tests/data/ls.tlbt");
	replay("replay_xz", "tests/data/xz.tlbt");
	replay("replay_chase", "tests/data/chase.tlbt");
	replay("replay_stream", "tests/data/stream.tlbt");
	flushes("flushes_2_cpus", "2");
	flushes("flushes_8_cpus", "8");
	storm("storm_56_cpus", "pack:2 core:28 pu:1", "256K");
	storm("storm_256_cpus", "pack:8 core:32 pu:1", "16K");
	return 0;
}
