/* kv-store - threads look up records; some are hot, and which ones changes.
 * What to look at: lookups per second of modelled time, node-load-misses; whether
 * NUMA balancing follows the hot set or runs after it. */
#include <string.h>

#include "workloads/numa/numa.h"

struct cfg {
	u64 bytes, record, time_ns, drift_ns, think_ns;
	u32 hot, hot_share, writes, affinity;
};

#define FIELD(f) .offset = offsetof(struct cfg, f), .group = "workload"

static const struct opt params[] = {
	{ .name = "store", .kind = OPT_SIZE, .def = "512M", .min = 1u << 21,
	  .max = 1ull << 42, .unit = "bytes", .help = "all records",
	  FIELD(bytes) },
	{ .name = "record", .kind = OPT_SIZE, .def = "1K", .min = 64,
	  .max = 1u << 20, .unit = "bytes", .help = "a record", FIELD(record) },
	{ .name = "time", .kind = OPT_TIME_NS, .def = "1s", .min = 1000000,
	  .unit = "ns", .help = "modelled time", FIELD(time_ns) },
	{ .name = "hot", .kind = OPT_U32, .def = "10", .min = 1, .max = 100,
	  .unit = "%", .help = "share of the records that are hot",
	  FIELD(hot) },
	{ .name = "hot-share", .kind = OPT_U32, .def = "90", .max = 100,
	  .unit = "%", .help = "share of lookups that go there",
	  FIELD(hot_share) },
	{ .name = "drift", .kind = OPT_TIME_NS, .def = "0", .unit = "ns",
	  .help = "time after which other records are hot; 0: never",
	  FIELD(drift_ns) },
	{ .name = "writes", .kind = OPT_U32, .def = "10", .max = 100,
	  .unit = "%", .help = "share of lookups that change the record",
	  FIELD(writes) },
	{ .name = "affinity", .kind = OPT_U32, .def = "0", .max = 100,
	  .unit = "%", .help = "share of lookups in the thread's own part of "
		  "the store", FIELD(affinity) },
	{ .name = "think", .kind = OPT_TIME_NS, .def = "1us", .unit = "ns",
	  .help = "between two lookups", FIELD(think_ns) },
};

static struct {
	u64 va, nr_records;
} S;

static int setup(struct wl *w, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	int rc = wl_process(w, the_sys->nr_cpus, &S.va, 1, cfg->bytes, e);

	w->end = wl_cycles(cfg->time_ns);
	S.nr_records = cfg->bytes / cfg->record;
	/* Loaded by one thread, as from a dump. */
	return rc ? rc : wl_populate(w, 0, S.va >> PAGE_SHIFT,
			   (cfg->bytes + PAGE_BYTES - 1) >> PAGE_SHIFT, e);
}

/* Of @n records, from @first on. */
static u64 draw(struct rng *rng, const struct cfg *cfg, u64 n, u64 turn)
{
	u64 nr_hot = n * cfg->hot / 100;

	if (!nr_hot || !rng_chance(rng, cfg->hot_share, 100))
		return rng_below(rng, n);
	return (turn * nr_hot + rng_below(rng, nr_hot)) % n;
}

static void body(struct wl *w, u32 i)
{
	const struct cfg *cfg = w->cfg;
	u64 drift = wl_cycles(cfg->drift_ns);
	u64 part = S.nr_records / w->nr_threads;
	struct rng rng, seed;

	rng_init(&seed, w->seed);
	rng_split(&seed, i, &rng);
	while (this_cpu->now < w->end && !w->error) {
		bool is_own = part && rng_chance(&rng, cfg->affinity, 100);
		u64 turn = drift ? this_cpu->now / drift : 0;
		u64 k = is_own ? i * part + draw(&rng, cfg, part, turn)
			       : draw(&rng, cfg, S.nr_records, turn);
		enum run_op op = rng_chance(&rng, cfg->writes, 100) ? RUN_WRITE
								    : RUN_READ;
		u64 va = S.va + k * cfg->record;

		/* The first line is waited for, the others are prefetched. */
		if (!wl_failed(w, cpu_probe(va, RUN_READ)) && cfg->record > 64)
			wl_failed(w, cpu_stream(va + 64, cfg->record - 64, op, 0));
		w->done++;
		wl_think(wl_cycles(cfg->think_ns));
	}
}

static const char *const defaults[] = { "sched", "fair", NULL };

extern const struct workload workload_kv_store;
const struct workload workload_kv_store = {
	.name = "kv-store",
	.summary = "threads look up records, of which a changing part is hot",
	.mirrors = "a key-value store with a hot set, loaded by one thread",
	.watch = "lookups per second, node-load-misses, numa_pages_migrated",
	.unit = "lookups",
	.params = params,
	.nr_params = ARRAY_LEN(params),
	.cfg_bytes = sizeof(struct cfg),
	.defaults = defaults,
	.setup = setup,
	.body = body,
};
