/* pmbench - random accesses to pages, some hotter than others: each access waits
 * for memory.
 * What to look at: accesses per second of modelled time; with memory on a node
 * without CPUs, pgpromote_success and how fast it gets better. */
#include <errno.h>
#include <string.h>

#include "workloads/numa/numa.h"

enum { UNIFORM, NORMAL };
static const char *const pattern_names[] = { "uniform", "normal", NULL };

struct cfg {
	u64 bytes, time_ns, think_ns;
	int pattern;
	u32 reads;
};

#define FIELD(f) .offset = offsetof(struct cfg, f), .group = "workload"

static const struct opt params[] = {
	{ .name = "map", .kind = OPT_SIZE, .def = "256M", .min = 1u << 21,
	  .max = 1ull << 42, .unit = "bytes", .help = "memory that threads share",
	  FIELD(bytes) },
	{ .name = "time", .kind = OPT_TIME_NS, .def = "1s", .min = 1000000,
	  .unit = "ns", .help = "modelled time", FIELD(time_ns) },
	{ .name = "pattern", .kind = OPT_ENUM, .def = "normal",
	  .names = pattern_names,
	  .help = "which pages: all alike, or most near the middle (the sum of "
		  "four draws)", FIELD(pattern) },
	{ .name = "reads", .kind = OPT_U32, .def = "80", .max = 100,
	  .unit = "%", .help = "share of accesses that load", FIELD(reads) },
	{ .name = "think", .kind = OPT_TIME_NS, .def = "1us", .unit = "ns",
	  .help = "between two accesses", FIELD(think_ns) },
};

static u64 base;

static int setup(struct wl *w, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	int rc = wl_process(w, the_sys->nr_cpus, &base, 1, cfg->bytes, e);

	w->unit = "accesses";
	return rc ? rc : wl_populate(w, 0, base >> PAGE_SHIFT,
				     cfg->bytes >> PAGE_SHIFT, e);
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

static void body(struct wl *w, u32 i)
{
	const struct cfg *cfg = w->cfg;
	u64 end = wl_cycles(cfg->time_ns), pages = cfg->bytes >> PAGE_SHIFT;
	struct rng rng, seed;

	rng_init(&seed, w->seed);
	rng_split(&seed, i, &rng);
	while (this_cpu->now < end && !w->error) {
		u64 va = base + (draw(&rng, pages, cfg->pattern) << PAGE_SHIFT);
		enum run_op op = rng_chance(&rng, cfg->reads, 100) ? RUN_READ
								   : RUN_WRITE;

		if (cpu_probe(va + rng_below(&rng, 64) * 64, op))
			wl_fail(w, -E2BIG, "pmbench: the machine's memory is "
				"full");
		w->done++;
		wl_think(wl_cycles(cfg->think_ns));
	}
}

static const char *const defaults[] = { "sched", "fair", NULL };

extern const struct workload workload_pmbench;
const struct workload workload_pmbench = {
	.name = "pmbench",
	.summary = "threads load and store random pages, the middle ones most",
	.mirrors = "pmbench, as used for memory tiering and delayed mapping",
	.watch = "accesses per second, node-load-misses, pgpromote_success",
	.params = params,
	.nr_params = ARRAY_LEN(params),
	.cfg_bytes = sizeof(struct cfg),
	.defaults = defaults,
	.setup = setup,
	.body = body,
};
