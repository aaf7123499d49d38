/* xfs-repair - one process repairs many allocation groups at once: threads read
 * blocks ahead into buffers of a cache that all share, others check them and enter
 * what they find into trees.
 *
 * A buffer is filled by one thread, read by another, and goes to whichever group
 * asks next: its memory is near its last user by chance alone, and NUMA balancing
 * moves it for ever. Two threads often fault at one page at a time, and one of the
 * two cannot move it.
 *
 * What to look at: system time; numa_pages_migrated, pgmigrate_fail, pgfault beside
 * numa_hint_faults; interrupts by migration.
 *
 * assumed: two readers for each checker, 8 KiB a buffer (an inode cluster), 64 read
 * ahead, four entries into trees a buffer, and all times: of xfs_repair's source
 * only the shape was taken. Disks are not modelled: a read takes CPU time. */
#include <errno.h>
#include <string.h>

#include "workloads/numa/numa.h"

#define LINE_WORDS 16u
#define ENTRIES 4u

struct cfg {
	u64 cache, buffer, trees, read_ns, check_ns;
	u32 readers, window, clusters;
};

#define FIELD(f) .offset = offsetof(struct cfg, f), .group = "workload"

static const struct opt params[] = {
	{ .name = "cache", .kind = OPT_SIZE, .def = "128M", .min = 1u << 21,
	  .max = 1ull << 42, .unit = "bytes", .help = "all buffers",
	  FIELD(cache) },
	{ .name = "buffer", .kind = OPT_SIZE, .def = "8K", .min = 64,
	  .max = 1u << 20, .unit = "bytes", .help = "a buffer",
	  FIELD(buffer) },
	{ .name = "trees", .kind = OPT_SIZE, .def = "4M", .min = 4096,
	  .max = 1ull << 40, .unit = "bytes",
	  .help = "what a group's checker enters things into", FIELD(trees) },
	{ .name = "readers", .kind = OPT_U32, .def = "2", .min = 1, .max = 64,
	  .help = "threads of a group that read ahead", FIELD(readers) },
	{ .name = "window", .kind = OPT_U32, .def = "64", .min = 1,
	  .max = 1u << 16, .help = "buffers that a group reads ahead",
	  FIELD(window) },
	{ .name = "clusters", .kind = OPT_U32, .def = "20000", .min = 1,
	  .max = 1u << 30, .help = "buffers' worth of blocks in a group",
	  FIELD(clusters) },
	{ .name = "read-time", .kind = OPT_TIME_NS, .def = "10us",
	  .unit = "ns", .help = "to read a buffer's blocks", FIELD(read_ns) },
	{ .name = "check-time", .kind = OPT_TIME_NS, .def = "5us",
	  .unit = "ns", .help = "to check a buffer", FIELD(check_ns) },
};

/* Numbers of buffers + 1 on their way, in modelled memory; 0: an empty slot. */
struct queue {
	u32 put, pad1[LINE_WORDS - 1];
	u32 taken, pad2[LINE_WORDS - 1];
	u32 slot[];
};

struct group {
	u32 begun, pad[LINE_WORDS - 1];         /* reads                      */
	struct queue *ready;
};

static struct {
	u64 va[2];              /* cache, trees                               */
	u32 nr_groups, nr_buffers;
	struct queue *unused;
	struct group *group;
} S;

static struct queue *queue_of(u32 nr)
{
	return arena_alloc(&the_sys->arena, sizeof(struct queue) + nr * 4ull);
}

/* Waits while the slot whose turn it is has not been emptied yet. */
static void put(struct queue *q, u32 nr, u32 buffer)
{
	u32 *slot = &q->slot[(atomic_add_return(&q->put, 1) - 1) % nr], v;

	/* Who has the same slot a round later may be here, too. */
	while (!cmpxchg_ok(slot, 0, buffer + 1))
		if ((v = READ_ONCE(*slot)))
			thread_sleep(slot, v);
}

/* Waits while there is none. */
static u32 take(struct queue *q, u32 nr)
{
	u32 *slot = &q->slot[(atomic_add_return(&q->taken, 1) - 1) % nr], v;

	while (!(v = READ_ONCE(*slot)) || !cmpxchg_ok(slot, v, 0))
		if (!v)
			thread_sleep(slot, 0);
	return v - 1;
}

static int make_queues(const struct cfg *cfg, struct err *e)
{
	S.unused = queue_of(S.nr_buffers);
	S.group = arena_alloc(&the_sys->arena, S.nr_groups * sizeof(*S.group));
	for (u32 g = 0; S.group && g < S.nr_groups; g++) {
		S.group[g].ready = queue_of(cfg->window);
		if (!S.group[g].ready)
			return err_set(e, -ENOMEM, "out of memory");
	}
	if (!S.unused || !S.group)
		return err_set(e, -ENOMEM, "out of memory");
	for (u32 k = 0; k < S.nr_buffers; k++)
		S.unused->slot[k] = k + 1;
	S.unused->put = S.nr_buffers;
	return 0;
}

static int setup(struct wl *w, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	u32 each = 1 + cfg->readers;
	u64 in_flight;
	int n = wl_thread_count(w, the_sys->nr_cpus / each * each, e);

	if (n < 0)
		return n;
	memset(&S, 0, sizeof(S));
	S.nr_groups = w->nr_threads / each;
	if (!S.nr_groups)
		return err_set(e, -EINVAL, "xfs-repair: a group is %u threads "
			       "(--threads, --readers, --machine)", each);
	/* Each group may hold its window and a buffer a thread. */
	in_flight = (u64)S.nr_groups * (cfg->window + each);
	if (cfg->cache / cfg->buffer < in_flight ||
	    cfg->cache / cfg->buffer > 1u << 24)
		return err_set(e, -EINVAL, "xfs-repair: %llu buffers; from %llu, "
			       "which %u groups may hold at a time, to 2^24 "
			       "(--cache, --buffer, --window)", (unsigned long
			       long)(cfg->cache / cfg->buffer), (unsigned long
			       long)in_flight, S.nr_groups);
	S.nr_buffers = (u32)(cfg->cache / cfg->buffer);
	w->nr_threads = S.nr_groups * each;
	w->total = (u64)S.nr_groups * cfg->clusters;
	n = wl_process(w, w->nr_threads, &S.va[0], 1, cfg->cache, e);
	if (!n)
		n = wl_areas(w->thread[0].t.mm, &S.va[1], 1, S.nr_groups *
			     cfg->trees, e);
	return n ? n : make_queues(cfg, e);
}

static void read_ahead(struct wl *w, struct group *g)
{
	const struct cfg *cfg = w->cfg;

	while (atomic_add_return(&g->begun, 1) <= cfg->clusters && !w->error) {
		u32 k = take(S.unused, S.nr_buffers);

		wl_think(wl_cycles(cfg->read_ns));
		wl_stream(w, S.va[0] + k * cfg->buffer, cfg->buffer, RUN_WRITE,
			  0, cfg->buffer);
		put(g->ready, cfg->window, k);
	}
}

static void check(struct wl *w, struct group *g, u32 i)
{
	const struct cfg *cfg = w->cfg;
	u64 trees = S.va[1] + i * cfg->trees;
	struct rng rng, seed;

	rng_init(&seed, w->seed);
	rng_split(&seed, i, &rng);
	for (u32 n = 0; n < cfg->clusters && !w->error; n++) {
		u32 k = take(g->ready, cfg->window);

		wl_stream(w, S.va[0] + k * cfg->buffer, cfg->buffer, RUN_READ,
			  0, cfg->buffer);
		for (u32 t = 0; t < ENTRIES; t++)
			wl_failed(w, cpu_probe(trees + (rng_below(&rng, cfg->trees) &
							~7ull), RUN_WRITE));
		wl_think(wl_cycles(cfg->check_ns));
		put(S.unused, S.nr_buffers, k);
		w->done++;
	}
}

static void body(struct wl *w, u32 i)
{
	struct group *g = &S.group[i % S.nr_groups];

	if (i < S.nr_groups)
		check(w, g, i);
	else
		read_ahead(w, g);
}

static const char *const defaults[] = {
	"machine", "westmere-ex", "sched", "fair", NULL
};

extern const struct workload workload_xfs_repair;
const struct workload workload_xfs_repair = {
	.name = "xfs-repair",
	.summary = "readers fill buffers that others check, all of one process",
	.mirrors = "xfs_repair of many allocation groups at once",
	.watch = "numa_pages_migrated, pgmigrate_fail, pgfault, system time",
	.unit = "buffers",
	.params = params,
	.nr_params = ARRAY_LEN(params),
	.cfg_bytes = sizeof(struct cfg),
	.defaults = defaults,
	.setup = setup,
	.body = body,
};
