/* memcached - worker threads answer requests and sleep when there is none; now and
 * then one gives the pages of a buffer back, which flushes them from the CPUs of
 * all others, or not of those that sleep.
 * What to look at: requests per second, ipis_sent a flush, tlb_flush.on_task_switch,
 * context-switches.
 *
 * With --idle thread 0 is the network: it has a request for each worker in turn, so
 * that each gets one in that time; a worker that has none sleeps, and its CPU idles
 * in lazy TLB mode. Without it there is always a request.
 *
 * How often buffers go, one in 8 requests, is what was counted on servers of such
 * a load, 19,000 flushes and 300,000 context switches a second, two switches a
 * request. A buffer is memcached's READ_BUFFER_SIZE, 16 KiB.
 * assumed: what a request takes, 10 us, system calls and network included; that
 * buffers go by MADV_DONTNEED, as its allocator does, each in one thread.
 * Sources: memcached 1.6 (memcached.h); R. van Riel, lazy TLB series, 2018.
 */
#include <errno.h>
#include <stdlib.h>

#include "workloads/numa/numa.h"

#define RW (VM_READ | VM_WRITE)
#define BUFFER_PAGES 4u
#define OWN_PAGES 64u           /* as mprotect-storm's readers                */

struct cfg {
	u64 store_bytes, requests, work_ns, idle_ns, flush_every;
};

#define FIELD(f) .offset = offsetof(struct cfg, f), .group = "workload"

static const struct opt params[] = {
	{ .name = "store", .kind = OPT_SIZE, .def = "16M", .min = PAGE_BYTES,
	  .max = 1ull << 40, .unit = "bytes", .help = "all items",
	  FIELD(store_bytes) },
	{ .name = "requests", .kind = OPT_U64, .def = "200", .min = 1,
	  .help = "that each worker answers", FIELD(requests) },
	{ .name = "work", .kind = OPT_TIME_NS, .def = "10us",
	  .max = 1000000000ull, .unit = "ns", .help = "of a request",
	  FIELD(work_ns) },
	{ .name = "idle", .kind = OPT_TIME_NS, .def = "0", .max = 1000000000ull,
	  .unit = "ns", .help = "time in which each worker gets one request; "
		  "0: there is always one", FIELD(idle_ns) },
	{ .name = "flush-every", .kind = OPT_U64, .def = "8", .max = 1u << 30,
	  .help = "requests of a worker until it gives a buffer back; 0: never",
	  FIELD(flush_every) },
};

struct inbox {                  /* in the arena, a line each                  */
	u32 arrived;
	u32 pad[15];
};

static struct state {
	struct mm *mm;
	u64 store, pages;       /* vpn                                        */
	u64 *own;               /* [threads] vpn: work, then the buffer       */
	struct inbox *inbox;    /* [threads]                                  */
} st;

static int start_one(struct wl *w, u32 i, struct err *e)
{
	int rc = wl_start(w, i, st.mm, e);

	if (rc)
		return rc;
	st.own[i] = wl_map(st.mm, OWN_PAGES + BUFFER_PAGES, RW);
	if (!st.own[i])
		return err_set(e, -ENOMEM, "out of memory");
	return wl_populate(w, i, st.own[i], OWN_PAGES + BUFFER_PAGES, e);
}

static u32 node_of(const struct wl *w, u32 i)
{
	return the_sys->cpu[w->cpu_of[i]].node;
}

/* It has been up for a while: each node has met each item. */
static int warm_up(struct wl *w, struct err *e)
{
	int rc = 0;

	for (u32 i = 0; i < w->nr_threads && !rc; i++) {
		bool is_first = true;

		for (u32 k = 0; k < i; k++)
			is_first &= node_of(w, k) != node_of(w, i);
		if (is_first)
			rc = wl_populate(w, i, st.store, st.pages, e);
	}
	return rc;
}

static int setup(struct wl *w, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	int n = wl_thread_count(w, the_sys->nr_cpus, e), rc = 0;

	if (n < 0)
		return n;
	if (cfg->idle_ns && n < 2)
		return err_set(e, -EINVAL, "memcached: with --idle one thread is "
			       "the network, so two are needed (--threads)");
	st.pages = (cfg->store_bytes + PAGE_BYTES - 1) >> PAGE_SHIFT;
	st.mm = mm_create();
	st.own = calloc((size_t)n, sizeof(*st.own));
	st.inbox = arena_alloc(&the_sys->arena, (u64)n * sizeof(*st.inbox));
	if (!st.mm || !st.own || !st.inbox)
		return err_set(e, -ENOMEM, "out of memory");
	for (u32 i = 0; i < w->nr_threads && !rc; i++)
		rc = start_one(w, i, e);
	if (rc)
		return rc;
	st.store = wl_map(st.mm, st.pages, RW | VM_HUGE);
	w->total = cfg->requests * (w->nr_threads - (cfg->idle_ns ? 1 : 0));
	if (!st.store)
		return err_set(e, -ENOMEM, "out of memory");
	return warm_up(w, e);
}

static void network(struct wl *w)
{
	const struct cfg *cfg = w->cfg;
	u64 gap = wl_cycles(cfg->idle_ns) / (w->nr_threads - 1);

	for (u64 n = 0; n < cfg->requests && !w->error; n++)
		for (u32 i = 1; i < w->nr_threads; i++) {
			wl_think(gap);
			WRITE_ONCE(st.inbox[i].arrived, (u32)n + 1);
		}
}

/* Until request @n is there. */
static void wait_for(u32 i, u64 n)
{
	for (;;) {
		u32 arrived = READ_ONCE(st.inbox[i].arrived);

		if (arrived > n)
			return;
		thread_sleep(&st.inbox[i].arrived, arrived);
	}
}

/* Read into the buffer, fill it as requests behind each other do, look the item
 * up, send it. */
static int answer(const struct cfg *cfg, struct rng *r, u64 own)
{
	u64 half = wl_cycles(cfg->work_ns) / 2;
	struct run run[BUFFER_PAGES + 1];
	int rc = wl_work(own, OWN_PAGES, half);

	for (u32 k = 0; k < BUFFER_PAGES; k++)
		run[k] = (struct run){ .bytes = 8, .stride = 64, .count = 64,
				       .va = (own + OWN_PAGES + k) << PAGE_SHIFT,
				       .op = RUN_WRITE };
	run[BUFFER_PAGES] = (struct run){ .bytes = 8, .stride = 64, .count = 16,
		.va = (st.store + rng_below(r, st.pages)) << PAGE_SHIFT,
		.op = RUN_READ };
	if (!rc)
		rc = wl_runs(run, BUFFER_PAGES + 1);
	return rc ? rc : wl_work(own, OWN_PAGES, half);
}

static void body(struct wl *w, u32 i)
{
	const struct cfg *cfg = w->cfg;
	u64 own = st.own[i];
	struct rng all, r;
	int rc = 0;

	if (cfg->idle_ns && !i) {
		network(w);
		return;
	}
	rng_init(&all, w->seed);
	rng_split(&all, i, &r);
	for (u64 n = 0; n < cfg->requests && !rc && !w->error; n++) {
		if (cfg->idle_ns)
			wait_for(i, n);
		rc = answer(cfg, &r, own);
		/* Not all at the same time. */
		if (!rc && cfg->flush_every &&
		    !((n + i) % cfg->flush_every))
			rc = do_madvise(st.mm, own + OWN_PAGES, BUFFER_PAGES,
					MADV_DONTNEED);
		w->done++;
	}
	wl_failed(w, rc);
}

static void teardown(struct wl *w)
{
	free(st.own);
	st.own = NULL;
}

static const char *const defaults[] = { "thp", "no", NULL };

extern const struct workload workload_memcached;
const struct workload workload_memcached = {
	.name = "memcached",
	.summary = "workers answer requests, sleep when idle, give buffers back",
	.mirrors = "memcached 1.6, and the counts of servers in its style (2018)",
	.watch = "requests per second, ipis_sent, tlb_flush.on_task_switch",
	.unit = "requests",
	.params = params,
	.nr_params = ARRAY_LEN(params),
	.cfg_bytes = sizeof(struct cfg),
	.defaults = defaults,
	.setup = setup,
	.body = body,
	.teardown = teardown,
};
