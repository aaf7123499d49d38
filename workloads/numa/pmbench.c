/* pmbench - random accesses to pages, some hotter than others: each access waits
 * for memory. Beside its processes there may be a memory eater, which is killed
 * after a while: what it had on the near node can then be moved to.
 * What to look at: accesses per second of modelled time; with memory on a node
 * without CPUs, pgpromote_success and how fast it gets better. */
#include <errno.h>
#include <string.h>

#include "workloads/numa/numa.h"

enum { UNIFORM, NORMAL };
static const char *const pattern_names[] = { "uniform", "normal", NULL };

struct cfg {
	u64 bytes, time_ns, think_ns, eater_bytes, eater_ns;
	int pattern;
	u32 reads, processes;
};

#define FIELD(f) .offset = offsetof(struct cfg, f), .group = "workload"

static const struct opt params[] = {
	{ .name = "map", .kind = OPT_SIZE, .def = "256M", .min = 1u << 21,
	  .max = 1ull << 42, .unit = "bytes",
	  .help = "memory that a process's threads share", FIELD(bytes) },
	{ .name = "processes", .kind = OPT_U32, .def = "1", .min = 1,
	  .max = 256, .help = "that divide the threads among them",
	  FIELD(processes) },
	{ .name = "time", .kind = OPT_TIME_NS, .def = "1s", .min = 1000000,
	  .unit = "ns", .help = "modelled time", FIELD(time_ns) },
	{ .name = "pattern", .kind = OPT_ENUM, .def = "normal",
	  .names = pattern_names,
	  .help = "which pages: all alike, or most near the middle (the sum of "
		  "four draws)", FIELD(pattern) },
	{ .name = "reads", .kind = OPT_U32, .def = "80", .max = 100,
	  .unit = "%", .help = "share of accesses that load", FIELD(reads) },
	{ .name = "eater", .kind = OPT_SIZE, .def = "0", .max = 1ull << 42,
	  .unit = "bytes", .help = "memory that one more process, which sleeps, "
		  "took before the others began; 0: there is none",
	  FIELD(eater_bytes) },
	{ .name = "eater-time", .kind = OPT_TIME_NS, .def = "100ms",
	  .unit = "ns", .help = "when it is killed", FIELD(eater_ns) },
	{ .name = "think", .kind = OPT_TIME_NS, .def = "1us", .unit = "ns",
	  .help = "between two accesses", FIELD(think_ns) },
};

/* Threads 0 to nr - 1 access pages; the last one, if any, is the eater. */
static struct state {
	u32 nr, each;
	u64 base[256];          /* [processes]                                */
	struct mm *eater;
	u64 eaten;
	u32 killed;
} S;

/* What it took is the kernel's to free: on its own CPU, when it is killed. */
static int make_eater(struct wl *w, const struct cfg *cfg, struct err *e)
{
	int rc;

	S.eater = mm_create();
	rc = wl_areas(S.eater, &S.eaten, 1, cfg->eater_bytes, e);
	if (!rc)
		rc = wl_start(w, S.nr, S.eater, e);
	return rc ? rc : wl_populate(w, S.nr, S.eaten >> PAGE_SHIFT,
				     cfg->eater_bytes >> PAGE_SHIFT, e);
}

static int make_process(struct wl *w, u32 p, const struct cfg *cfg,
			struct err *e)
{
	struct mm *mm = mm_create();
	int rc = wl_areas(mm, &S.base[p], 1, cfg->bytes, e);

	for (u32 i = 0; i < S.each && !rc; i++)
		rc = wl_start(w, p * S.each + i, mm, e);
	return rc ? rc : wl_populate(w, p * S.each, S.base[p] >> PAGE_SHIFT,
				     cfg->bytes >> PAGE_SHIFT, e);
}

static int setup(struct wl *w, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	int rc = wl_thread_count(w, the_sys->nr_cpus, e);

	if (rc < 0)
		return rc;
	memset(&S, 0, sizeof(S));
	S.each = w->nr_threads / cfg->processes;
	S.nr = S.each * cfg->processes;
	if (!S.each)
		return err_set(e, -EINVAL, "--threads: %u processes need a "
			       "thread each", cfg->processes);
	w->nr_threads = S.nr + !!cfg->eater_bytes;
	if (w->nr_threads > w->max_threads)
		return err_set(e, -EINVAL, "--threads: the eater is one more "
			       "than the %u that are modelled", w->max_threads);
	w->end = wl_cycles(cfg->time_ns);
	rc = cfg->eater_bytes ? make_eater(w, cfg, e) : 0;
	for (u32 p = 0; p < cfg->processes && !rc; p++)
		rc = make_process(w, p, cfg, e);
	return rc;
}

static u64 draw(struct rng *rng, u64 pages, int pattern)
{
	u64 n = 0;

	if (pattern == UNIFORM)
		return rng_below(rng, pages);
	for (u32 k = 0; k < 4; k++)
		n += rng_below(rng, pages);
	return n / 4;
}

static void eat(struct wl *w)
{
	const struct cfg *cfg = w->cfg;

	thread_sleep(&S.killed, 0);
	do_munmap(S.eater, S.eaten >> PAGE_SHIFT,
		  (cfg->eater_bytes + PAGE_BYTES - 1) >> PAGE_SHIFT);
}

static void body(struct wl *w, u32 i)
{
	const struct cfg *cfg = w->cfg;
	u64 pages = cfg->bytes >> PAGE_SHIFT;
	u64 kill = i ? UINT64_MAX : wl_cycles(cfg->eater_ns);
	u64 base = S.base[i < S.nr ? i / S.each : 0];
	struct rng rng, seed;

	if (i == S.nr) {
		eat(w);
		return;
	}
	rng_init(&seed, w->seed);
	rng_split(&seed, i, &rng);
	while (this_cpu->now < w->end && !w->error) {
		u64 va = base + (draw(&rng, pages, cfg->pattern) << PAGE_SHIFT);
		enum run_op op = rng_chance(&rng, cfg->reads, 100) ? RUN_READ
								   : RUN_WRITE;

		wl_failed(w, cpu_probe(va + rng_below(&rng, 64) * 64, op));
		w->done++;
		wl_think(wl_cycles(cfg->think_ns));
		if (this_cpu->now >= kill) {
			kill = UINT64_MAX;
			WRITE_ONCE(S.killed, 1);
		}
	}
	if (!i)
		WRITE_ONCE(S.killed, 1);
}

static const char *const defaults[] = { "sched", "fair", NULL };

extern const struct workload workload_pmbench;
const struct workload workload_pmbench = {
	.name = "pmbench",
	.summary = "threads load and store random pages, the middle ones most",
	.mirrors = "pmbench, as used for memory tiering and delayed mapping",
	.watch = "accesses per second, node-load-misses, pgpromote_success",
	.unit = "accesses",
	.params = params,
	.nr_params = ARRAY_LEN(params),
	.cfg_bytes = sizeof(struct cfg),
	.defaults = defaults,
	.setup = setup,
	.body = body,
};
