/* java-heap - warehouses of SPECjbb: each thread works on objects of its own, now
 * and then on another's, and allocates; a parallel collector stops them all and
 * goes through the whole heap.
 *
 * Of each thread the heap holds a tree of live objects and a buffer that new ones
 * are written to. When one buffer is full all threads of the process stop, go
 * through all trees together, whoever comes next takes the next piece (the
 * collector's threads: as many as warehouses), and begin their buffers anew.
 * Before the program begins the collector lays the trees out in the same way, so
 * that they lie all over the machine.
 *
 * What to look at: transactions per second of modelled time, node-load-misses;
 * whether the collector's shared faults undo what the warehouses' private ones do. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/numa/numa.h"

#define PIECE (1ull << 20)

struct cfg {
	u64 tree, buffer, visit, allocate, time_ns, think_ns;
	u32 jvms, cross;
};

#define FIELD(f) .offset = offsetof(struct cfg, f), .group = "workload"

static const struct opt params[] = {
	{ .name = "jvms", .kind = OPT_U32, .def = "0", .max = 256,
	  .help = "processes; 0: one a node with CPUs", FIELD(jvms) },
	{ .name = "tree", .kind = OPT_SIZE, .def = "25M", .min = 1u << 20,
	  .max = 1ull << 40, .unit = "bytes", .help = "live objects of a thread",
	  FIELD(tree) },
	{ .name = "buffer", .kind = OPT_SIZE, .def = "16M", .min = 1u << 16,
	  .max = 1ull << 40, .unit = "bytes",
	  .help = "that a thread allocates from between two collections",
	  FIELD(buffer) },
	{ .name = "visit", .kind = OPT_SIZE, .def = "32K", .min = 64,
	  .max = 1u << 20, .unit = "bytes",
	  .help = "of the tree that a transaction reads", FIELD(visit) },
	{ .name = "allocate", .kind = OPT_SIZE, .def = "16K", .min = 64,
	  .max = 1u << 16, .unit = "bytes",
	  .help = "that a transaction allocates", FIELD(allocate) },
	{ .name = "cross", .kind = OPT_U32, .def = "10", .max = 100, .unit = "%",
	  .help = "share of transactions on another thread's tree",
	  FIELD(cross) },
	{ .name = "time", .kind = OPT_TIME_NS, .def = "1s", .min = 1000000,
	  .unit = "ns", .help = "modelled time", FIELD(time_ns) },
	{ .name = "think", .kind = OPT_TIME_NS, .def = "5us", .unit = "ns",
	  .help = "that a transaction computes", FIELD(think_ns) },
};

struct jvm {
	u64 trees, buffers;             /* addresses; thread after thread     */
	u32 next_piece;
	u32 is_wanted;                  /* a safepoint                        */
	u32 is_ending;
	struct wl_barrier barrier;
};

static struct {
	struct jvm *jvm;
	u32 nr_jvms, threads_each;
} S;

static u32 nodes_with_cpus(void)
{
	u32 n = 0;

	for (u32 node = 0; node < the_sys->m->nr_nodes; node++)
		for (u32 i = 0; i < the_sys->nr_cpus; i++)
			if (the_sys->cpu[i].node == node) {
				n++;
				break;
			}
	return n;
}

static int make_jvm(struct wl *w, u32 p, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	struct mm *mm = mm_create();
	struct jvm *j = &S.jvm[p];
	int rc;

	rc = wl_areas(mm, &j->trees, 1, S.threads_each * cfg->tree, e);
	if (!rc)
		rc = wl_areas(mm, &j->buffers, 1, S.threads_each * cfg->buffer, e);
	for (u32 k = 0; k < S.threads_each && !rc; k++)
		rc = wl_start(w, p * S.threads_each + k, mm, e);
	return rc;
}

static int setup(struct wl *w, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	int rc = wl_thread_count(w, the_sys->nr_cpus, e);

	if (rc < 0)
		return rc;
	S.nr_jvms = cfg->jvms ? cfg->jvms : nodes_with_cpus();
	S.threads_each = w->nr_threads / S.nr_jvms;
	if (!S.threads_each)
		return err_set(e, -EINVAL, "--threads: %u JVMs need a thread "
			       "each", S.nr_jvms);
	w->nr_threads = S.threads_each * S.nr_jvms;
	w->unit = "transactions";
	S.jvm = arena_alloc(&the_sys->arena, S.nr_jvms * sizeof(*S.jvm));
	if (!S.jvm)
		return err_set(e, -ENOMEM, "out of memory");
	for (u32 p = 0; p < S.nr_jvms; p++) {
		rc = make_jvm(w, p, e);
		if (rc)
			return rc;
	}
	return 0;
}

/* All threads of the JVM, each piece of the trees by one of them. Return: it was
 * the last time; all of them are told the same. */
static bool collect(struct wl *w, struct jvm *j, enum run_op op)
{
	const struct cfg *cfg = w->cfg;
	u64 bytes = S.threads_each * cfg->tree, at;
	bool is_over;

	wl_barrier_wait(&j->barrier, S.threads_each);
	while (!w->error) {
		at = (atomic_add_return(&j->next_piece, 1) - 1) * PIECE;
		if (at >= bytes)
			break;
		wl_stream(w, j->trees + at,
			  bytes - at < PIECE ? bytes - at : PIECE, op, 0, PIECE);
	}
	wl_barrier_wait(&j->barrier, S.threads_each);
	is_over = READ_ONCE(j->is_ending);
	WRITE_ONCE(j->next_piece, 0);
	WRITE_ONCE(j->is_wanted, 0);
	wl_barrier_wait(&j->barrier, S.threads_each);
	return is_over;
}

static void transaction(struct wl *w, struct jvm *j, u32 k, struct rng *rng,
			u64 buffer_at)
{
	const struct cfg *cfg = w->cfg;
	u32 whose = rng_chance(rng, cfg->cross, 100)
		? (u32)rng_below(rng, S.threads_each) : k;
	u64 object = rng_below(rng, cfg->tree / 64) * 64, left = cfg->tree - object;

	if (!wl_stream(w, j->trees + whose * cfg->tree + object,
		       left < cfg->visit ? left : cfg->visit, RUN_READ, 0,
		       cfg->visit))
		return;
	wl_stream(w, j->buffers + k * cfg->buffer + buffer_at, cfg->allocate,
		  RUN_WRITE, 0, cfg->allocate);
	wl_think(wl_cycles(cfg->think_ns));
	w->done++;
}

static void body(struct wl *w, u32 i)
{
	const struct cfg *cfg = w->cfg;
	struct jvm *j = &S.jvm[i / S.threads_each];
	u64 end = wl_cycles(cfg->time_ns), at = 0;
	struct rng rng, seed;

	rng_init(&seed, w->seed);
	rng_split(&seed, i, &rng);
	collect(w, j, RUN_WRITE);
	while (!w->error) {
		if (READ_ONCE(j->is_wanted)) {
			if (collect(w, j, RUN_READ))
				return;
			at = 0;
		} else if (this_cpu->now >= end) {
			WRITE_ONCE(j->is_ending, 1);
			WRITE_ONCE(j->is_wanted, 1);
		} else if (at + cfg->allocate > cfg->buffer) {
			WRITE_ONCE(j->is_wanted, 1);
		} else {
			transaction(w, j, i % S.threads_each, &rng, at);
			at += cfg->allocate;
		}
	}
}

static const char *const defaults[] = { "sched", "fair", NULL };

extern const struct workload workload_java_heap;
const struct workload workload_java_heap = {
	.name = "java-heap",
	.summary = "threads work on objects of their own and allocate, a parallel "
		   "collector goes through all of it",
	.mirrors = "SPECjbb: a JVM a node, a warehouse a thread (its shape is assumed)",
	.watch = "transactions per second, node-load-misses, numa_hint_faults_local",
	.params = params,
	.nr_params = ARRAY_LEN(params),
	.cfg_bytes = sizeof(struct cfg),
	.defaults = defaults,
	.setup = setup,
	.body = body,
};
