/* java-heap - warehouses of SPECjbb: each thread works on objects of its own, now
 * and then on another's, and allocates; a parallel collector stops them all and
 * goes through the whole heap.
 *
 * Of each thread the heap holds a tree of live objects (published: SPECjbb2005's
 * white paper, a warehouse is about 25 MB and has one thread). New objects are
 * written to eden, which all threads of the process share: each takes a piece for
 * itself, and the next when that is full (assumed: HotSpot's allocation buffers, 50
 * a thread and collection). When eden is full all stop, the collector's threads go
 * through all trees together, whoever comes next takes the next piece, and eden
 * begins anew: its pieces are then other threads'. The collector has threads of its
 * own, which sleep meanwhile, or the warehouses' do its work (--collectors 0).
 * Before the program begins the collector lays the trees out in the same way, so
 * that they lie all over the machine.
 *
 * What to look at: transactions per second of modelled time, node-load-misses;
 * whether the collector's shared faults undo what the warehouses' private ones do. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/numa/numa.h"

/* A huge page: of two pieces in one, threads that alternate would give all pages to
 * the node of those that take the even ones. */
#define PIECE (2ull << 20)
#define REFILLS 50u

struct cfg {
	u64 tree, buffer, visit, allocate, time_ns, ramp_ns, think_ns;
	u32 jvms, cross, chase, collectors;
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
	  .help = "share of a thread in what is allocated between two collections",
	  FIELD(buffer) },
	{ .name = "visit", .kind = OPT_SIZE, .def = "32K", .min = 64,
	  .max = 1u << 20, .unit = "bytes",
	  .help = "of the tree that a transaction reads", FIELD(visit) },
	{ .name = "chase", .kind = OPT_U32, .def = "0", .max = 64,
	  .unit = "lines", .help = "of these under way at a time, where one object "
		  "leads to the next; 0: as many as the core can", FIELD(chase) },
	{ .name = "allocate", .kind = OPT_SIZE, .def = "16K", .min = 64,
	  .max = 1u << 20, .unit = "bytes",
	  .help = "that a transaction allocates", FIELD(allocate) },
	{ .name = "collectors", .kind = OPT_U32, .def = "0", .max = 1024,
	  .help = "threads of each process's collector, beside --threads; 0: its "
		  "warehouses' (HotSpot: 8, and 5 of 8 CPUs beyond 8, of those that "
		  "the process may use)", FIELD(collectors) },
	{ .name = "cross", .kind = OPT_U32, .def = "10", .max = 100, .unit = "%",
	  .help = "share of transactions on another thread's tree",
	  FIELD(cross) },
	{ .name = "time", .kind = OPT_TIME_NS, .def = "1s", .min = 1000000,
	  .unit = "ns", .help = "modelled time", FIELD(time_ns) },
	{ .name = "ramp", .kind = OPT_TIME_NS, .def = "0", .unit = "ns",
	  .help = "of it: before transactions count", FIELD(ramp_ns) },
	{ .name = "think", .kind = OPT_TIME_NS, .def = "5us", .unit = "ns",
	  .help = "that a transaction computes", FIELD(think_ns) },
};

struct jvm {
	u64 trees, eden;                /* addresses                          */
	u64 buffer;                     /* a piece of eden                    */
	u32 nr_buffers, next_buffer;
	u32 next_piece;
	u32 is_wanted;                  /* a safepoint                        */
	u32 is_ending;                  /* the next is the last               */
	u32 is_over;                    /* it was                             */
	u32 nr_stopped, nr_done;        /* warehouses, collectors             */
	struct wl_barrier barrier;      /* --collectors 0                     */
	struct { u32 round, pad[15]; } begun, ended;    /* collections so far */
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

	j->buffer = cfg->buffer / REFILLS > cfg->allocate
		? cfg->buffer / REFILLS & ~63ull : cfg->allocate;
	j->nr_buffers = (u32)(S.threads_each * cfg->buffer / j->buffer);
	if (!j->nr_buffers)
		return err_set(e, -EINVAL, "--buffer: all threads' together hold "
			       "not one --allocate");
	rc = wl_areas(mm, &j->trees, 1, S.threads_each * cfg->tree, e);
	if (!rc)
		rc = wl_areas(mm, &j->eden, 1, S.threads_each * cfg->buffer, e);
	for (u32 k = 0; k < S.threads_each && !rc; k++)
		rc = wl_start(w, p * S.threads_each + k, mm, e);
	for (u32 k = 0; k < cfg->collectors && !rc; k++)
		rc = wl_start(w, S.nr_jvms * S.threads_each +
			      p * cfg->collectors + k, mm, e);
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
	w->nr_threads = (S.threads_each + cfg->collectors) * S.nr_jvms;
	if (w->nr_threads > w->max_threads)
		return err_set(e, -EINVAL, "--collectors: %u threads are more than "
			       "the %u that are modelled", w->nr_threads,
			       w->max_threads);
	w->end = wl_cycles(cfg->time_ns);
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

/* Through all trees, together with others that do so. */
static void walk(struct wl *w, struct jvm *j, enum run_op op)
{
	const struct cfg *cfg = w->cfg;
	u64 bytes = S.threads_each * cfg->tree;

	while (!w->error) {
		u64 at = (atomic_add_return(&j->next_piece, 1) - 1) * PIECE;

		if (at >= bytes)
			return;
		wl_stream(w, j->trees + at,
			  bytes - at < PIECE ? bytes - at : PIECE, op, 0, PIECE);
	}
}

static void begin_eden(struct jvm *j)
{
	WRITE_ONCE(j->next_piece, 0);
	WRITE_ONCE(j->next_buffer, 0);
	WRITE_ONCE(j->is_over, READ_ONCE(j->is_ending));
	WRITE_ONCE(j->is_wanted, 0);
}

/* By the warehouses' threads. */
static void collect_ourselves(struct wl *w, struct jvm *j, u32 round)
{
	wl_barrier_wait(&j->barrier, S.threads_each);
	walk(w, j, round ? RUN_READ : RUN_WRITE);
	wl_barrier_wait(&j->barrier, S.threads_each);
	begin_eden(j);
	wl_barrier_wait(&j->barrier, S.threads_each);
}

/* A warehouse at its safepoint: asleep until the collection is over. Return: it was
 * the last one; all are told the same. */
static bool stop_for(struct wl *w, struct jvm *j, u32 round)
{
	const struct cfg *cfg = w->cfg;

	if (!cfg->collectors) {
		collect_ourselves(w, j, round);
		return READ_ONCE(j->is_over);
	}
	if (atomic_add_return(&j->nr_stopped, 1) == S.threads_each) {
		WRITE_ONCE(j->nr_stopped, 0);
		WRITE_ONCE(j->begun.round, round + 1);
	}
	thread_sleep(&j->ended.round, round);
	return READ_ONCE(j->is_over);
}

static void collector(struct wl *w, struct jvm *j)
{
	const struct cfg *cfg = w->cfg;

	for (u32 round = 0; !w->error; round++) {
		thread_sleep(&j->begun.round, round);
		walk(w, j, round ? RUN_READ : RUN_WRITE);
		if (atomic_add_return(&j->nr_done, 1) == cfg->collectors) {
			begin_eden(j);
			WRITE_ONCE(j->nr_done, 0);
			WRITE_ONCE(j->ended.round, round + 1);
		} else {
			thread_sleep(&j->ended.round, round);
		}
		if (READ_ONCE(j->is_over))
			return;
	}
}

/* What a thread allocates from. */
struct buffer {
	u64 va, left;
};

/* Return: false, eden is full. */
static bool refill(struct jvm *j, struct buffer *b)
{
	u32 n = atomic_add_return(&j->next_buffer, 1) - 1;

	if (n >= j->nr_buffers)
		return false;
	b->va = j->eden + n * j->buffer;
	b->left = j->buffer;
	return true;
}

static void visit(struct wl *w, u64 va, u64 bytes)
{
	const struct cfg *cfg = w->cfg;

	if (!cfg->chase)
		wl_stream(w, va, bytes, RUN_READ, 0, cfg->visit);
	else
		wl_failed(w, cpu_chase(va, bytes, RUN_READ, cfg->chase));
}

static void transaction(struct wl *w, struct jvm *j, u32 k, struct rng *rng,
			struct buffer *b)
{
	const struct cfg *cfg = w->cfg;
	u32 whose = rng_chance(rng, cfg->cross, 100)
		? (u32)rng_below(rng, S.threads_each) : k;
	u64 object = rng_below(rng, cfg->tree / 64) * 64, left = cfg->tree - object;

	visit(w, j->trees + whose * cfg->tree + object,
	      left < cfg->visit ? left : cfg->visit);
	if (w->error)
		return;
	wl_stream(w, b->va, cfg->allocate, RUN_WRITE, 0, cfg->allocate);
	b->va += cfg->allocate;
	b->left -= cfg->allocate;
	wl_think(wl_cycles(cfg->think_ns));
	w->done += this_cpu->now >= wl_cycles(cfg->ramp_ns);
}

static void warehouse(struct wl *w, struct jvm *j, u32 i)
{
	const struct cfg *cfg = w->cfg;
	struct buffer b = { 0 };
	struct rng rng, seed;
	u32 round = 0;

	rng_init(&seed, w->seed);
	rng_split(&seed, i, &rng);
	stop_for(w, j, round++);
	while (!w->error) {
		if (READ_ONCE(j->is_wanted)) {
			if (stop_for(w, j, round++))
				return;
			b.left = 0;
		} else if (this_cpu->now >= w->end) {
			WRITE_ONCE(j->is_ending, 1);
			WRITE_ONCE(j->is_wanted, 1);
		} else if (b.left < cfg->allocate && !refill(j, &b)) {
			WRITE_ONCE(j->is_wanted, 1);
		} else {
			transaction(w, j, i % S.threads_each, &rng, &b);
		}
	}
}

static void body(struct wl *w, u32 i)
{
	const struct cfg *cfg = w->cfg;
	u32 nr = S.nr_jvms * S.threads_each;

	if (i < nr)
		warehouse(w, &S.jvm[i / S.threads_each], i);
	else
		collector(w, &S.jvm[(i - nr) / cfg->collectors]);
}

static const char *const defaults[] = { "sched", "fair", NULL };

extern const struct workload workload_java_heap;
const struct workload workload_java_heap = {
	.name = "java-heap",
	.summary = "threads work on objects of their own and allocate, a parallel "
		   "collector goes through all of it",
	.mirrors = "SPECjbb: a JVM a node, a warehouse a thread (its shape is assumed)",
	.watch = "transactions per second, node-load-misses, numa_hint_faults_local",
	.unit = "transactions",
	.params = params,
	.nr_params = ARRAY_LEN(params),
	.cfg_bytes = sizeof(struct cfg),
	.defaults = defaults,
	.setup = setup,
	.body = body,
};
