/* mprotect-storm - threads that change the rights of pages which others read.
 * What to look at: cycles of the initiator per flush against the number of
 * other threads, and against the number of pages. */
#include <errno.h>

#include "workloads/workload.h"

#define BATCH 32u
#define MAX_INITIATORS 64

struct cfg {
	u64 pages;
	u64 iterations;
	u64 pause_cycles;
	u64 own_pages;
	u32 initiators;
	u32 accesses;
	bool is_dirtied;
};

#define FIELD(f) .offset = offsetof(struct cfg, f), .group = "workload"

static const struct opt params[] = {
	{ .name = "pages", .kind = OPT_U64, .def = "16", .min = 1,
	  .max = 1ull << 28, .unit = "pages",
	  .help = "4K pages of one mprotect call", FIELD(pages) },
	{ .name = "iterations", .kind = OPT_U64, .def = "200", .min = 1,
	  .help = "times each initiator goes read-only and back",
	  FIELD(iterations) },
	{ .name = "initiators", .kind = OPT_U32, .def = "1", .min = 1,
	  .max = MAX_INITIATORS,
	  .help = "threads that call mprotect, each on its own pages; the "
		  "others read all of them", FIELD(initiators) },
	{ .name = "accesses", .kind = OPT_U32, .def = "16", .min = 1,
	  .max = 1u << 20, .help = "reads per visit to a page",
	  FIELD(accesses) },
	{ .name = "own-pages", .kind = OPT_U64, .def = "64", .unit = "pages",
	  .max = 1u << 20,
	  .help = "working set of each reader beside these: what a flush of "
		  "everything makes it refill", FIELD(own_pages) },
	{ .name = "pause", .kind = OPT_U64, .def = "2000", .unit = "cycles",
	  .max = 1ull << 32,
	  .help = "own work of an initiator between two calls",
	  FIELD(pause_cycles) },
	{ .name = "dirty", .kind = OPT_BOOL, .def = "yes",
	  .help = "initiators store to each page while they may",
	  FIELD(is_dirtied) },
};

struct state {
	u64 vpn[MAX_INITIATORS];
	u64 own[MACHINE_MAX_CPUS];      /* by thread; readers only            */
	u32 *left;              /* in the arena: initiators not done yet      */
	struct mm *mm;
};

static int setup(struct wl *w, struct err *e)
{
	static struct state st;
	const struct cfg *cfg = w->cfg;
	int n = wl_thread_count(w, the_sys->nr_cpus, e), rc;

	if (n < 0)
		return n;
	if (cfg->initiators > w->nr_threads)
		return err_set(e, -EINVAL, "--initiators: %u is more than the "
			       "%u threads", cfg->initiators, w->nr_threads);
	w->priv = &st;
	st.mm = mm_create();
	st.left = arena_alloc(&the_sys->arena, 64);
	if (!st.mm || !st.left)
		return err_set(e, -ENOMEM, "out of memory");
	*st.left = cfg->initiators;
	for (u32 i = 0; i < w->nr_threads; i++) {
		rc = wl_start(w, i, st.mm, e);
		if (rc)
			return rc;
	}
	for (u32 i = 0; i < cfg->initiators; i++) {
		st.vpn[i] = wl_map(st.mm, cfg->pages,
				   VM_READ | VM_WRITE | VM_HUGE);
		if (!st.vpn[i])
			return err_set(e, -ENOMEM, "out of memory");
		rc = wl_populate(w, i, st.vpn[i], cfg->pages, e);
		if (rc)
			return rc;
	}
	for (u32 i = cfg->initiators; cfg->own_pages && i < w->nr_threads; i++) {
		st.own[i] = wl_map(st.mm, cfg->own_pages,
				   VM_READ | VM_WRITE | VM_HUGE);
		if (!st.own[i])
			return err_set(e, -ENOMEM, "out of memory");
		rc = wl_populate(w, i, st.own[i], cfg->own_pages, e);
		if (rc)
			return rc;
	}
	w->total = cfg->iterations * cfg->initiators;
	return 0;
}

static int visit(const struct cfg *cfg, u64 vpn, u32 count, u8 op)
{
	struct run run[BATCH];
	int rc = 0;

	for (u64 p = 0; p < cfg->pages && !rc; ) {
		u32 n = 0;

		for (; n < BATCH && p < cfg->pages; n++, p++)
			run[n] = (struct run){
				.va = (vpn + p) << PAGE_SHIFT, .count = count,
				.bytes = 8, .op = op,
			};
		rc = wl_runs(run, n);
	}
	return rc;
}

static int once(const struct cfg *cfg, struct state *st, u64 vpn)
{
	/* Work that touches no memory of its own but this page: private. */
	struct run own = {
		.va = vpn << PAGE_SHIFT, .bytes = 8, .op = RUN_READ,
	};
	int rc = do_mprotect(st->mm, vpn, cfg->pages, VM_READ);

	for (u64 left = cfg->pause_cycles; left && !rc; left -= own.count) {
		own.count = left < 256 ? (u32)left : 256;
		rc = wl_runs(&own, 1);
	}
	if (!rc)
		rc = do_mprotect(st->mm, vpn, cfg->pages, VM_READ | VM_WRITE);
	if (!rc && cfg->is_dirtied)
		rc = visit(cfg, vpn, 1, RUN_WRITE);
	return rc;
}

/* Round all pages, and its own; between batches a look at the flag, as a real
 * program would poll it. */
static int read_all(const struct cfg *cfg, struct state *st, u32 thread)
{
	struct run run[2 * BATCH];
	u64 page = 0, own = 0;
	u32 k = 0, nr;
	int rc = 0;

	while (READ_ONCE(*st->left) && !rc) {
		for (nr = 0; nr < BATCH; ) {
			run[nr++] = (struct run){
				.va = (st->vpn[k] + page) << PAGE_SHIFT,
				.count = cfg->accesses, .bytes = 8,
				.op = RUN_READ,
			};
			if (++page == cfg->pages) {
				page = 0;
				k = (k + 1) % cfg->initiators;
			}
			if (!cfg->own_pages)
				continue;
			run[nr++] = (struct run){
				.va = (st->own[thread] + own) << PAGE_SHIFT,
				.count = cfg->accesses, .bytes = 8,
				.op = RUN_READ,
			};
			own = (own + 1) % cfg->own_pages;
		}
		rc = wl_runs(run, nr);
	}
	return rc;
}

static void body(struct wl *w, u32 i)
{
	const struct cfg *cfg = w->cfg;
	struct state *st = w->priv;
	int rc = 0;

	if (i < cfg->initiators) {
		for (u64 n = 0; n < cfg->iterations && !rc; n++, w->done++)
			rc = once(cfg, st, st->vpn[i]);
		word_add(st->left, sizeof(*st->left), (u64)-1,
			 cost_of(COST_LOCK));
	} else {
		rc = read_all(cfg, st, i);
	}
	if (rc)
		wl_fail(w, rc, "mprotect-storm: a system call or page fault "
			"failed");
}

static const char *const defaults[] = { "thp", "no", NULL };

extern const struct workload workload_mprotect_storm;
const struct workload workload_mprotect_storm = {
	.name = "mprotect-storm",
	.summary = "initiators loop mprotect read-only and back, others read the pages",
	.mirrors = "garbage collectors' and checkpointers' write barriers; will-it-scale mprotect",
	.watch = "cycles per flush of the initiator, ipis_sent, respond",
	.unit = "iterations",
	.params = params,
	.nr_params = ARRAY_LEN(params),
	.cfg_bytes = sizeof(struct cfg),
	.defaults = defaults,
	.setup = setup,
	.body = body,
};
