/* numa01, numa01_THREADLOCAL, numa02, numa02_SMT of autonuma-benchmark: threads
 * that clear memory again and again.
 *
 *   numa01              two processes of half the CPUs' threads, 3 GiB each, both
 *                       begun on one node; each thread clears all of it 50 times
 *   numa01_THREADLOCAL  the same, each its own share, 1000 times
 *   numa02              one process, 1 GiB cleared by the main thread first; then
 *                       each thread its own share, 800 times
 *   numa02_SMT          the same with half the threads
 *
 * What to look at: modelled time with numa_balancing 0 and 1; numa_hint_faults and
 * how many of them local; node-store-misses. */
#include <errno.h>
#include <string.h>

#include "workloads/numa/numa.h"

enum { NUMA01 = 1, NUMA02 };

struct cfg {
	u64 bytes, chunk;
	u32 loops;
	u32 is_shared;          /* all clear everything                       */
	u32 smt;
};

#define FIELD(f) .offset = offsetof(struct cfg, f), .group = "workload"
#define PARAMS(memory, times, shared, halved) { \
	{ .name = "memory", .kind = OPT_SIZE, .def = memory, .min = 1u << 21, \
	  .max = 1ull << 42, .unit = "bytes", \
	  .help = "memory of each process", FIELD(bytes) }, \
	{ .name = "loops", .kind = OPT_U32, .def = times, .min = 1, \
	  .max = 1u << 30, .help = "times that a thread clears its memory", \
	  FIELD(loops) }, \
	{ .name = "shared", .kind = OPT_U32, .def = shared, .max = 1, \
	  .help = "1: each thread clears all of its process's memory, not a " \
		  "share", FIELD(is_shared) }, \
	{ .name = "halve", .kind = OPT_U32, .def = halved, .max = 1, \
	  .help = "1: threads for half of the CPUs", FIELD(smt) }, \
	{ .name = "chunk", .kind = OPT_SIZE, .def = "256K", .min = 4096, \
	  .max = 1u << 30, .unit = "bytes", \
	  .help = "cleared in one go: the grain in which threads stand in the " \
		  "queues of memory", FIELD(chunk) }, \
}

static struct state {
	u64 va[2];
	u32 nr_processes, threads_each;
	struct wl_barrier ready;
} S;

static int make_process(struct wl *w, u32 p, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	struct mm *mm = mm_create();
	int rc = wl_areas(mm, &S.va[p], 1, cfg->bytes, e);

	for (u32 i = 0; i < S.threads_each && !rc; i++)
		rc = wl_start(w, p * S.threads_each + i, mm, e);
	return rc;
}

static int setup_of(struct wl *w, u32 nr_processes, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	u32 cpus = the_sys->nr_cpus;
	int rc = wl_thread_count(w, cfg->smt && cpus > 1 ? cpus / 2 : cpus, e);

	if (rc < 0)
		return rc;
	memset(&S, 0, sizeof(S));
	S.nr_processes = nr_processes;
	S.threads_each = w->nr_threads / nr_processes;
	if (!S.threads_each)
		return err_set(e, -EINVAL, "--threads: %u processes need a "
			       "thread each", nr_processes);
	w->nr_threads = S.threads_each * nr_processes;
	w->total = cfg->bytes * cfg->loops * nr_processes *
		(cfg->is_shared ? S.threads_each : 1);
	for (u32 p = 0; p < nr_processes; p++) {
		rc = make_process(w, p, e);
		if (rc)
			return rc;
	}
	return 0;
}

static int setup_numa01(struct wl *w, struct err *e)
{
	return setup_of(w, 2, e);
}

static int setup_numa02(struct wl *w, struct err *e)
{
	return setup_of(w, 1, e);
}

static void clear_again_and_again(struct wl *w, u32 i)
{
	const struct cfg *cfg = w->cfg;
	u32 p = i / S.threads_each, k = i % S.threads_each;
	u64 from = S.va[p], bytes = cfg->bytes, each;

	each = cfg->is_shared ? bytes : bytes / S.threads_each & ~63ull;
	if (!cfg->is_shared)
		from += k * each;
	for (u32 n = 0; n < cfg->loops; n++) {
		if (!wl_stream(w, from, each, RUN_WRITE, each, cfg->chunk))
			return;
		w->done += each;
	}
}

/* Threads are made one after another, and no two runs are alike: this one begins
 * when those before it were made (20 to 40 us each, assumed). */
static void wait_to_be_made(struct wl *w, u32 i)
{
	u32 before = i % S.threads_each + 1;
	struct rng rng, seed;

	rng_init(&seed, w->seed);
	rng_split(&seed, i, &rng);
	wl_think(wl_cycles(before * 20000ull + rng_below(&rng, 20000)));
}

/* Both processes are born on one node and bind themselves there while they clear
 * their memory for the first time. */
static void body_numa01(struct wl *w, u32 i)
{
	const struct cfg *cfg = w->cfg;
	u32 p = i / S.threads_each;
	u32 node = w->seed & 1 && the_sys->m->nr_nodes > 1 &&
		the_sys->m->node_bytes[1] ? 1 : 0;

	wait_to_be_made(w, i);
	if (set_mempolicy(MPOL_BIND, 1ull << node)) {
		wl_fail(w, -EINVAL, "%s: set_mempolicy: Invalid argument: the "
			"program binds itself to node %u to begin with, which its "
			"cpuset does not allow (an even --seed: 0, an odd one: 1)",
			w->workload->name, node);
		return;
	}
	if (!wl_stream(w, S.va[p], cfg->bytes, RUN_WRITE,
		       cfg->bytes, cfg->chunk))
		return;
	set_mempolicy(MPOL_DEFAULT, 0);
	clear_again_and_again(w, i);
}

static void body_numa02(struct wl *w, u32 i)
{
	const struct cfg *cfg = w->cfg;

	if (!i)
		wl_stream(w, S.va[0], cfg->bytes, RUN_WRITE,
			  cfg->bytes, cfg->chunk);
	wl_barrier_wait(&S.ready, w->nr_threads);
	wait_to_be_made(w, i);
	clear_again_and_again(w, i);
}

static const struct opt params_01[] = PARAMS("3G", "50", "1", "0");
static const struct opt params_local[] = PARAMS("3G", "1000", "0", "0");
static const struct opt params_02[] = PARAMS("1G", "800", "0", "0");
static const struct opt params_smt[] = PARAMS("1G", "800", "0", "1");

static const char *const defaults[] = {
	"machine", "westmere-ex", "sched", "fair", "numa_balancing", "1", NULL
};

#define AUTONUMA(id, title, what, opts, set_up, run) \
	extern const struct workload workload_##id; \
	const struct workload workload_##id = { \
		.name = title, .summary = what, \
		.mirrors = "autonuma-benchmark, as mmtests runs it", \
		.watch = "modelled time, numa_hint_faults_local, " \
			 "numa_pages_migrated, node-store-misses", \
		.unit = "bytes", \
		.params = opts, .nr_params = ARRAY_LEN(opts), \
		.cfg_bytes = sizeof(struct cfg), .defaults = defaults, \
		.setup = set_up, .body = run, \
	}

AUTONUMA(numa01, "numa01", "two processes, all threads of each clear all of its "
	 "memory", params_01, setup_numa01, body_numa01);
AUTONUMA(numa01_threadlocal, "numa01_THREADLOCAL", "two processes, each thread "
	 "clears a share of its own", params_local, setup_numa01, body_numa01);
AUTONUMA(numa02, "numa02", "one process whose memory begins on one node, each "
	 "thread clears a share of its own", params_02, setup_numa02,
	 body_numa02);
AUTONUMA(numa02_smt, "numa02_SMT", "numa02 with threads for half of the CPUs",
	 params_smt, setup_numa02, body_numa02);
