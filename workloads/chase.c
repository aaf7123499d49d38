/* chase - a random cyclic pointer chase: one line in each of so many pages, in
 * an order drawn once, round and round. What calibration of a real machine
 * runs: cycles per access against the number of pages is a staircase with a
 * step where each level of the TLB, and of the data caches, ends.
 *
 * Lines are spread over the page offsets (page i uses line i mod 64), so that
 * they spread over the sets of a first-level cache, too. */
#include <errno.h>
#include <stdlib.h>

#include "workloads/workload.h"

#define BATCH 256u
#define LINE_BYTES 64u

/* ORDER page_names */
enum { CHASE_4K, CHASE_2M };
static const char *const page_names[] = { "4k", "2m", NULL };

struct cfg {
	u64 pages;
	u64 stride;
	u64 rounds;
	u64 warm_up;
	int page_size;
	bool is_storing;
	bool is_contiguous;
};

#define FIELD(f) .offset = offsetof(struct cfg, f), .group = "workload"

static const struct opt params[] = {
	{ .name = "pages", .kind = OPT_U64, .def = "1024", .min = 1,
	  .max = 1ull << 24, .unit = "pages",
	  .help = "pages that each thread goes round, one line in each",
	  FIELD(pages) },
	{ .name = "stride", .kind = OPT_U64, .def = "1", .min = 1,
	  .max = 1ull << 12, .unit = "pages",
	  .help = "distance of neighbours", FIELD(stride) },
	{ .name = "page-size", .kind = OPT_ENUM, .def = "4k",
	  .names = page_names, .help = "how the pages are mapped",
	  FIELD(page_size) },
	{ .name = "rounds", .kind = OPT_U64, .def = "4", .min = 1,
	  .help = "times round that are counted", FIELD(rounds) },
	{ .name = "warm-up", .kind = OPT_U64, .def = "2",
	  .help = "times round before that", FIELD(warm_up) },
	{ .name = "store", .kind = OPT_BOOL,
	  .help = "store to the lines instead of loading", FIELD(is_storing) },
	{ .name = "contiguous", .kind = OPT_BOOL,
	  .help = "pages are first touched in order of address, so that their "
		  "frames adjoin and TLBs that coalesce may; else in the order "
		  "of visits", FIELD(is_contiguous) },
};

struct state {
	u64 **va;               /* [nr_threads][pages] in the order of visits */
};

static u32 order_of(const struct cfg *cfg)
{
	return cfg->page_size == CHASE_2M ? hpage_order() : 0;
}

static int go_round(const struct wl *w, u32 thread)
{
	const struct cfg *cfg = w->cfg;
	const struct state *st = w->priv;
	struct run run[BATCH];
	int rc = 0;

	for (u64 i = 0; i < cfg->pages && !rc; ) {
		u32 n = 0;

		for (; n < BATCH && i < cfg->pages; n++, i++)
			run[n] = (struct run){
				.va = st->va[thread][i], .count = 1,
				.bytes = 8,
				.op = cfg->is_storing ? RUN_WRITE : RUN_READ,
			};
		rc = cpu_run_many(run, n);
	}
	return rc;
}

static int prepare(struct wl *w, u32 thread, struct mm *mm, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	struct state *st = w->priv;
	u32 order = order_of(cfg);
	u64 step = cfg->stride << order, vpn;
	struct rng all, r;
	int rc;

	vpn = wl_map(mm, ((cfg->pages - 1) * cfg->stride + 1) << order,
		     VM_READ | VM_WRITE | (order ? VM_HUGE : 0));
	st->va[thread] = malloc(cfg->pages * sizeof(u64));
	if (!vpn || !st->va[thread])
		return err_set(e, -ENOMEM, "out of memory");
	for (u64 i = 0; i < cfg->pages; i++)
		st->va[thread][i] = ((vpn + i * step) << PAGE_SHIFT) +
			i * LINE_BYTES % PAGE_BYTES;
	rng_init(&all, w->seed);
	rng_split(&all, thread, &r);
	if (!cfg->is_contiguous)
		rng_shuffle(&r, st->va[thread], cfg->pages, sizeof(u64));
	for (u64 i = 0; i < cfg->pages; i++) {
		rc = wl_populate(w, thread, st->va[thread][i] >> PAGE_SHIFT, 1,
				 e);
		if (rc)
			return rc;
	}
	if (cfg->is_contiguous)
		rng_shuffle(&r, st->va[thread], cfg->pages, sizeof(u64));
	for (u64 i = 0; i < cfg->warm_up; i++)
		if (go_round(w, thread))
			return err_set(e, -EFAULT, "chase: a page fault failed");
	return 0;
}

static int setup(struct wl *w, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	struct state *st = calloc(1, sizeof(*st));
	struct mm *mm = mm_create();
	int rc = wl_thread_count(w, 1, e);

	w->priv = st;
	if (rc < 0)
		return rc;
	if (cfg->page_size == CHASE_2M && !mms()->thp_enabled)
		return err_set(e, -EINVAL, "chase: --page-size=2m needs --thp");
	if (st)
		st->va = calloc(w->nr_threads, sizeof(*st->va));
	if (!mm || !st || !st->va)
		return err_set(e, -ENOMEM, "out of memory");
	rc = 0;
	for (u32 i = 0; i < w->nr_threads && !rc; i++) {
		rc = wl_start(w, i, mm, e);
		if (!rc)
			rc = prepare(w, i, mm, e);
	}
	w->total = cfg->rounds * cfg->pages * w->nr_threads;
	return rc;
}

static void body(struct wl *w, u32 i)
{
	const struct cfg *cfg = w->cfg;

	for (u64 n = 0; n < cfg->rounds && !w->error; n++) {
		int rc = go_round(w, i);

		the_sys->os.user_tick();
		w->done += cfg->pages;
		if (rc)
			wl_fail(w, rc, "chase: a page fault failed");
	}
}

static void teardown(struct wl *w)
{
	struct state *st = w->priv;

	for (u32 i = 0; st && st->va && i < w->nr_threads; i++)
		free(st->va[i]);
	if (st)
		free(st->va);
	free(st);
	w->priv = NULL;
}

extern const struct workload workload_chase;
const struct workload workload_chase = {
	.name = "chase",
	.summary = "a random cyclic pointer chase, one line in each page",
	.mirrors = "latency chases: lmbench lat_mem_rd, AIDA64",
	.watch = "cycles per access (elapsed cycles by accesses), dTLB misses, walks",
	.unit = "accesses",
	.params = params,
	.nr_params = ARRAY_LEN(params),
	.cfg_bytes = sizeof(struct cfg),
	.setup = setup,
	.body = body,
	.teardown = teardown,
};
