/* remote-swap - a server whose items do not fit into its machine's memory: cold pages
 * go to another machine's, and come back when a request wants them. kswapd reclaims in
 * the background (kswapd.h), on the server's CPUs.
 * What to look at: requests per second, ipis_sent, pswpin, pswpout, pgsteal_kswapd,
 * pgsteal_direct.
 *
 * The device is frontswap's (swapon_remote()): a page is read for a fault, while its
 * thread sleeps (--wait sleep, as on Infiniswap's block device) or polls (--wait poll,
 * as in Fastswap's published driver); pages that were written are free when the
 * remote machine has them. Fastswap's CPU for reclaim is not modelled. Linux flushes
 * for each dirty page, that is 1 page; kernel v6.1+pageout-batch for a batch; --flush
 * ecotlb interrupts nobody while kswapd finds enough.
 *
 * assumed: what a request takes, 10 us, is memcached's here; one in --cold requests
 * wants any item, the others one of the hot ones, an eighth of the memory; a quarter of
 * requests store (Infiniswap's SYS mix, from memory). 4 us and 56 Gbit/s are an RDMA
 * read of 4 KiB and the link of ConnectX-3 adapters (from memory; Infiniswap asks for
 * ConnectX-3 or 4). The default machine has two packages of 8, half of what the items
 * need, and a thousandth of a real one's memory.
 * Sources: J. Gu et al., Infiniswap, NSDI 2017; E. Amaro et al., Fastswap, EuroSys
 * 2020, its published driver; S. Maass et al., ecoTLB, TACO 2020 (abstracts).
 */
#include <errno.h>
#include <stdlib.h>

#include "mm/kswapd.h"
#include "mm/swap.h"
#include "workloads/numa/numa.h"

#define RW (VM_READ | VM_WRITE)
#define OWN_PAGES 16u

enum { WAIT_SLEEP, WAIT_POLL };

struct cfg {
	u64 bytes, requests, work_ns, latency_ns, bandwidth;
	u32 cold, stores;
	int wait;
};

#define FIELD(f) .offset = offsetof(struct cfg, f), .group = "workload"

static const char *const wait_names[] = { "sleep", "poll", NULL };

static const struct opt params[] = {
	{ .name = "bytes", .kind = OPT_SIZE, .def = "64M", .min = 1u << 20,
	  .max = 1ull << 36, .unit = "bytes", .help = "all items",
	  FIELD(bytes) },
	{ .name = "requests", .kind = OPT_U64, .def = "1500", .min = 1,
	  .help = "that each worker answers", FIELD(requests) },
	{ .name = "work", .kind = OPT_TIME_NS, .def = "10us",
	  .max = 1000000000ull, .unit = "ns", .help = "of a request",
	  FIELD(work_ns) },
	{ .name = "cold", .kind = OPT_U32, .def = "8", .min = 1,
	  .max = 1u << 30, .help = "one request in so many wants any item",
	  FIELD(cold) },
	{ .name = "stores", .kind = OPT_U32, .def = "25", .max = 100,
	  .unit = "percent", .help = "of requests that change their item",
	  FIELD(stores) },
	{ .name = "latency", .kind = OPT_TIME_NS, .def = "4us",
	  .max = 1000000000ull, .unit = "ns",
	  .help = "of a page to or from the remote machine", FIELD(latency_ns) },
	{ .name = "bandwidth", .kind = OPT_SIZE, .def = "7000000000",
	  .min = 1u << 20, .max = 1ull << 40, .unit = "bytes a second",
	  .help = "of the link, each way", FIELD(bandwidth) },
	{ .name = "wait", .kind = OPT_ENUM, .def = "sleep", .names = wait_names,
	  .help = "for the device: its CPU idles, or polls", FIELD(wait) },
};

static struct state {
	struct mm *mm;
	u64 store, pages, hot;
	u64 *own;               /* [threads] vpn                              */
} st;

/* ---- set-up ------------------------------------------------------------------------- */

static int start_one(struct wl *w, u32 i, struct err *e)
{
	int rc = wl_start(w, i, st.mm, e);

	if (rc)
		return rc;
	st.own[i] = wl_map(st.mm, OWN_PAGES, RW);
	return st.own[i] ? 0 : err_set(e, -ENOMEM, "out of memory");
}

/* All items are there, the last of them, the hot ones, in memory, kswapds have what they
 * keep free, and no other CPU has used any: before the run nobody takes interrupts. */
static int fill(struct wl *w, struct err *e)
{
	u64 nr = 0, cold = st.pages - st.hot;
	int rc;

	st.store = wl_map(st.mm, st.pages, RW);
	if (!st.store)
		return err_set(e, -ENOMEM, "out of memory");
	rc = wl_populate(w, 0, st.store, st.pages, e);
	for (u32 n = 0; n < the_sys->m->nr_nodes; n++)
		nr += wmark_pages(n, WMARK_HIGH);
	if (nr > cold)
		nr = cold;
	if (!rc && nr)
		rc = do_madvise(st.mm, st.store + cold - nr, nr, MADV_PAGEOUT);
	swap_settle();
	return rc;
}

static int attach(const struct cfg *cfg, u64 slots)
{
	u64 page_ns = PAGE_BYTES * 1000000000ull / cfg->bandwidth;

	return swapon_remote((u32)slots, wl_cycles(cfg->latency_ns),
			     wl_cycles(page_ns) + 1, cfg->wait == WAIT_POLL);
}

static int setup(struct wl *w, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	int n = wl_thread_count(w, the_sys->nr_cpus, e), rc = 0;
	u64 present = node_present_pages(0);

	if (n < 0)
		return n;
	st = (struct state){
		.mm = mm_create(),
		.pages = cfg->bytes >> PAGE_SHIFT,
		.hot = present * the_sys->m->nr_nodes / 8,
		.own = calloc((size_t)n, sizeof(*st.own)),
	};
	if (st.hot > st.pages)
		st.hot = st.pages;
	if (!st.mm || !st.own ||
	    attach(cfg, st.pages + OWN_PAGES * (u64)n + 64))
		return err_set(e, -ENOMEM, "out of memory");
	w->total = cfg->requests * w->nr_threads;
	rc = start_one(w, 0, e);
	if (!rc)
		rc = fill(w, e);
	for (u32 i = 1; i < w->nr_threads && !rc; i++)
		rc = start_one(w, i, e);
	return rc;
}

/* ---- the server ---------------------------------------------------------------------- */

static int answer(const struct cfg *cfg, struct rng *r, u64 own)
{
	bool is_cold = rng_chance(r, 1, cfg->cold);
	u64 half = wl_cycles(cfg->work_ns) / 2;
	u64 item = is_cold ? rng_below(r, st.pages)
			   : st.pages - 1 - rng_below(r, st.hot);
	struct run run = { .bytes = 8, .stride = 64, .count = 16,
			   .va = (st.store + item) << PAGE_SHIFT,
			   .op = rng_chance(r, cfg->stores, 100) ? RUN_WRITE
								  : RUN_READ };
	int rc = wl_work(own, OWN_PAGES, half);

	if (!rc)
		rc = wl_runs(&run, 1);
	return rc ? rc : wl_work(own, OWN_PAGES, half);
}

static void body(struct wl *w, u32 i)
{
	const struct cfg *cfg = w->cfg;
	struct rng all, r;
	int rc = 0;

	rng_init(&all, w->seed);
	rng_split(&all, i, &r);
	for (u64 n = 0; n < cfg->requests && !rc && !w->error; n++, w->done++)
		rc = answer(cfg, &r, st.own[i]);
	if (rc)
		wl_fail(w, rc, "remote-swap: nothing left to reclaim");
}

static void teardown(struct wl *w)
{
	free(st.own);
	st.own = NULL;
}

static const char *const defaults[] = {
	"machine", "pack:2 [numa(memory=16MiB)] core:8 pu:1", "thp", "no",
	"sched", "fair", NULL
};

extern const struct workload workload_remote_swap;
const struct workload workload_remote_swap = {
	.name = "remote-swap",
	.summary = "a server whose cold pages go to a remote machine's memory",
	.mirrors = "memcached on Infiniswap or Fastswap, as run for ecoTLB",
	.watch = "requests per second, ipis_sent, pswpin, pswpout",
	.unit = "requests",
	.params = params,
	.nr_params = ARRAY_LEN(params),
	.cfg_bytes = sizeof(struct cfg),
	.defaults = defaults,
	.setup = setup,
	.body = body,
	.teardown = teardown,
};
