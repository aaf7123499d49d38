/* numa-migrate - threads on several nodes share memory under NUMA balancing.
 * What to look at: hint faults, pages migrated, the copying; with --check what
 * is stored through translations that the scanner has already made stale. */
#include <errno.h>

#include "workloads/numa/numa.h"

#define BATCH 32u

struct cfg {
	u64 bytes;
	u64 time_ns;
	u32 writes;
	u32 accesses;
	u32 span;
	u32 drift;
};

#define FIELD(f) .offset = offsetof(struct cfg, f), .group = "workload"

static const struct opt params[] = {
	{ .name = "working-set", .kind = OPT_SIZE, .def = "64M",
	  .min = 4096, .max = 1ull << 40, .unit = "bytes",
	  .help = "memory that all threads share", FIELD(bytes) },
	{ .name = "time", .kind = OPT_TIME_NS, .def = "50ms", .min = 1000,
	  .unit = "ns", .help = "modelled time that the threads run",
	  FIELD(time_ns) },
	{ .name = "writes", .kind = OPT_U32, .def = "50", .max = 100,
	  .unit = "%", .help = "share of page visits that store",
	  FIELD(writes) },
	{ .name = "accesses", .kind = OPT_U32, .def = "64", .min = 1,
	  .max = 1u << 20, .help = "accesses per visit to a page",
	  FIELD(accesses) },
	{ .name = "span", .kind = OPT_U32, .def = "4", .min = 1, .max = 512,
	  .unit = "pages",
	  .help = "of each 2M only the first N pages are visited",
	  FIELD(span) },
	{ .name = "drift", .kind = OPT_U32, .def = "50", .max = 100,
	  .unit = "%",
	  .help = "share of visits outside the thread's own slice: 0 is "
		  "partitioned, 100 shared by all", FIELD(drift) },
};

struct state {
	u64 vpn, nr_huge;
};

static int setup(struct wl *w, struct err *e)
{
	static struct state st;         /* one run at a time, as the_sys */
	const struct cfg *cfg = w->cfg;
	u64 huge = hpage_pages() << PAGE_SHIFT;
	struct mm *mm = mm_create();
	int n = wl_thread_count(w, the_sys->nr_cpus, e);

	if (n < 0)
		return n;
	st.nr_huge = (cfg->bytes + huge - 1) / huge;
	st.vpn = mm ? wl_map(mm, st.nr_huge * hpage_pages(),
			     VM_READ | VM_WRITE | VM_HUGE | VM_MIGRATABLE) : 0;
	if (!st.vpn)
		return err_set(e, -ENOMEM, "out of memory");
	w->priv = &st;
	for (u32 i = 0; i < w->nr_threads; i++) {
		int rc = wl_start(w, i, mm, e);

		if (rc)
			return rc;
	}
	w->end = wl_cycles(cfg->time_ns);
	/* All of it starts where the first thread is, as a program that
	 * initialises its data in one place. */
	return wl_populate(w, 0, st.vpn, st.nr_huge * hpage_pages(), e);
}

static void body(struct wl *w, u32 i)
{
	const struct cfg *cfg = w->cfg;
	const struct state *st = w->priv;
	u64 slice = st->nr_huge / w->nr_threads, first = slice * i;
	struct run run[BATCH];
	struct rng rng, seed;
	int rc;

	rng_init(&seed, w->seed);
	rng_split(&seed, i, &rng);
	while (this_cpu->now < w->end && !w->error) {
		for (u32 k = 0; k < BATCH; k++) {
			bool is_own = slice && !rng_chance(&rng, cfg->drift, 100);
			u64 huge = is_own ? first + rng_below(&rng, slice)
					  : rng_below(&rng, st->nr_huge);

			run[k] = (struct run){
				.va = (st->vpn + huge * hpage_pages() +
				       rng_below(&rng, cfg->span)) << PAGE_SHIFT,
				.stride = 0,
				.count = cfg->accesses,
				.bytes = 8,
				.op = rng_chance(&rng, cfg->writes, 100)
					? RUN_WRITE : RUN_READ,
			};
		}
		rc = wl_runs(run, BATCH);
		wl_failed(w, rc);
		w->done += (u64)BATCH * cfg->accesses;
	}
}

static const char *const defaults[] = {
	"scan-period", "100us", "scan-size", "256M", NULL
};

extern const struct workload workload_numa_migrate;
const struct workload workload_numa_migrate = {
	.name = "numa-migrate",
	.summary = "threads on several nodes share memory under NUMA balancing",
	.mirrors = "a multi-threaded database buffer pool, SPECjbb in one JVM",
	.watch = "numa_hint_faults, numa_pages_migrated, copy; --check: lost_stores",
	.unit = "accesses",
	.params = params,
	.nr_params = ARRAY_LEN(params),
	.cfg_bytes = sizeof(struct cfg),
	.defaults = defaults,
	.setup = setup,
	.body = body,
};
