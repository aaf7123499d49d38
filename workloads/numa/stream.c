/* stream - McCalpin's STREAM: copy, scale, add and triad over three arrays.
 * What to look at: bytes per second of modelled time with memory on one node, where
 * each thread is, or interleaved; how soon NUMA balancing gets there. */
#include <errno.h>
#include <string.h>

#include "workloads/numa/numa.h"

enum { INIT_SERIAL, INIT_PARALLEL };
static const char *const init_names[] = { "serial", "parallel", NULL };

struct cfg {
	u64 bytes, chunk;
	u32 loops;
	int init;
};

#define FIELD(f) .offset = offsetof(struct cfg, f), .group = "workload"

static const struct opt params[] = {
	{ .name = "array", .kind = OPT_SIZE, .def = "1G", .min = 1u << 16,
	  .max = 1ull << 42, .unit = "bytes", .help = "each of the three arrays",
	  FIELD(bytes) },
	{ .name = "loops", .kind = OPT_U32, .def = "10", .min = 1,
	  .max = 1u << 30, .help = "rounds of the four kernels", FIELD(loops) },
	{ .name = "init", .kind = OPT_ENUM, .def = "serial",
	  .names = init_names,
	  .help = "who touches the arrays first: the main thread, or each its "
		  "own share", FIELD(init) },
	{ .name = "chunk", .kind = OPT_SIZE, .def = "256K", .min = 4096,
	  .max = 1u << 30, .unit = "bytes",
	  .help = "grain in which threads stand in the queues of memory",
	  FIELD(chunk) },
};

static struct {
	u64 va[3];
	struct wl_barrier barrier;
} S;

static int setup(struct wl *w, struct err *e)
{
	const struct cfg *cfg = w->cfg;

	memset(&S, 0, sizeof(S));
	/* copy and scale move two arrays, add and triad three */
	w->total = 10 * cfg->bytes * cfg->loops;
	return wl_process(w, the_sys->nr_cpus, S.va, 3, cfg->bytes, e);
}

/* @reads arrays into one: in turn, chunk by chunk. */
static bool kernel(struct wl *w, u64 from, u64 bytes, u32 a, int b, u32 to)
{
	const struct cfg *cfg = w->cfg;

	for (u64 at = from, n; bytes; at += n, bytes -= n) {
		n = bytes < cfg->chunk ? bytes : cfg->chunk;
		if (!wl_stream(w, S.va[a] + at, n, RUN_READ, 0, n) ||
		    (b >= 0 && !wl_stream(w, S.va[b] + at, n, RUN_READ, 0, n)) ||
		    !wl_stream(w, S.va[to] + at, n, RUN_WRITE, 0, n))
			return false;
		w->done += n * (b < 0 ? 2 : 3);
	}
	return true;
}

static void body(struct wl *w, u32 i)
{
	const struct cfg *cfg = w->cfg;
	u64 each = cfg->bytes / w->nr_threads & ~63ull, from = i * each;
	bool is_mine = cfg->init == INIT_PARALLEL;

	for (u32 k = 0; k < 3; k++)
		if ((is_mine || !i) &&
		    !wl_stream(w, S.va[k] + (is_mine ? from : 0),
			       is_mine ? each : cfg->bytes, RUN_WRITE, 0,
			       cfg->chunk))
			return;
	wl_barrier_wait(&S.barrier, w->nr_threads);
	for (u32 k = 0; k < cfg->loops; k++)
		if (!kernel(w, from, each, 0, -1, 2) ||
		    !kernel(w, from, each, 2, -1, 1) ||
		    !kernel(w, from, each, 0, 1, 2) ||
		    !kernel(w, from, each, 1, 2, 0))
			return;
}

static const char *const defaults[] = {
	"machine", "westmere-ex", "sched", "fair", NULL
};

extern const struct workload workload_stream;
const struct workload workload_stream = {
	.name = "stream",
	.summary = "threads copy, scale and add arrays from memory",
	.mirrors = "J. McCalpin's STREAM with OpenMP",
	.watch = "bytes per second, node-store-misses, numa_pages_migrated",
	.unit = "bytes",
	.params = params,
	.nr_params = ARRAY_LEN(params),
	.cfg_bytes = sizeof(struct cfg),
	.defaults = defaults,
	.setup = setup,
	.body = body,
};
