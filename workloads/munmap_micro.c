/* munmap-micro - one thread maps pages, all store to each of them, and it unmaps
 * them: every thread's TLB has all of them when munmap is called.
 * What to look at: munmap_cycles a call, against threads and pages.
 * Barriers are waited at without sleeping (lock_wait). */
#include <errno.h>

#include "workloads/workload.h"

#define BATCH 64u

enum { CALL_MUNMAP, CALL_DONTNEED };

struct cfg {
	u64 pages;
	u64 rounds;
	int call;
};

#define FIELD(f) .offset = offsetof(struct cfg, f), .group = "workload"

static const char *const call_names[] = { "munmap", "dontneed", NULL };

static const struct opt params[] = {
	{ .name = "pages", .kind = OPT_U64, .def = "1", .min = 1,
	  .max = 1u << 20, .unit = "pages",
	  .help = "4K pages of one call", FIELD(pages) },
	{ .name = "rounds", .kind = OPT_U64, .def = "500", .min = 1,
	  .max = 1u << 20, .help = "calls (the published program: 500,000)",
	  FIELD(rounds) },
	{ .name = "call", .kind = OPT_ENUM, .def = "munmap",
	  .names = call_names,
	  .help = "what takes the pages away: munmap, or MADV_DONTNEED",
	  FIELD(call) },
};

/* In the arena: a word a line. */
struct shared {
	u64 arrived, pad0[7];
	u64 round, pad1[7];     /* barriers passed                            */
	u64 vpn, pad2[7];
};

static struct state {
	struct mm *mm;
	struct shared *s;
	u64 kept;               /* 2M region that has another mapping, + 1    */
} st;

static int setup(struct wl *w, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	int n = wl_thread_count(w, the_sys->nr_cpus, e), rc = 0;

	if (n < 0)
		return n;
	st.kept = 0;
	st.mm = mm_create();
	st.s = arena_alloc(&the_sys->arena, sizeof(*st.s));
	if (!st.mm || !st.s)
		return err_set(e, -ENOMEM, "out of memory");
	rc = wl_start_all(w, st.mm, e);
	w->total = cfg->rounds;
	return rc;
}

struct waiter {
	u64 round;
};

static bool is_passed(const void *arg)
{
	return st.s->round != ((const struct waiter *)arg)->round;
}

static void barrier(u32 nr_threads)
{
	const struct waiter me = { .round = READ_ONCE(st.s->round) };

	if (atomic_add_return(&st.s->arrived, 1) % nr_threads) {
		the_sys->drv.wait(&st.s->round, is_passed, &me, 0);
		return;
	}
	(void)atomic_add_return(&st.s->round, 1);
	the_sys->drv.wake(&st.s->round);
}

/* A page nearby stays mapped, as in a program that has more than this: else
 * munmap frees the page table, too. */
static int keep_table(u64 vpn)
{
	u64 region = (vpn >> hpage_order()) + 1;

	if (region == st.kept)
		return 0;
	st.kept = region;
	return do_mmap(st.mm, 1, VM_READ | VM_WRITE) ? 0 : -ENOMEM;
}

static int map(const struct cfg *cfg)
{
	int rc = keep_table(st.mm->mmap_base);

	if (!rc && (cfg->call == CALL_MUNMAP || !st.s->vpn)) {
		u64 vpn = do_mmap(st.mm, cfg->pages,
				  VM_READ | VM_WRITE | VM_HUGE);

		rc = vpn ? keep_table(vpn + cfg->pages) : -ENOMEM;
		WRITE_ONCE(st.s->vpn, vpn);
	}
	return rc;
}

static int store_all(const struct cfg *cfg)
{
	u64 vpn = READ_ONCE(st.s->vpn);
	int rc = 0;

	for (u64 p = 0; p < cfg->pages && !rc; ) {
		struct run run[BATCH];
		u32 n = 0;

		for (; n < BATCH && p < cfg->pages; n++, p++)
			run[n] = (struct run){ .va = (vpn + p) << PAGE_SHIFT,
					       .count = 1, .bytes = 1,
					       .op = RUN_WRITE };
		rc = wl_runs(run, n);
	}
	return rc;
}

static int unmap(const struct cfg *cfg)
{
	return cfg->call == CALL_MUNMAP
		? do_munmap(st.mm, st.s->vpn, cfg->pages)
		: do_madvise(st.mm, st.s->vpn, cfg->pages, MADV_DONTNEED);
}

static void body(struct wl *w, u32 i)
{
	const struct cfg *cfg = w->cfg;
	int rc = 0;

	for (u64 n = 0; n < cfg->rounds && !rc && !w->error; n++) {
		if (!i)
			rc = map(cfg);
		if (rc)
			break;
		barrier(w->nr_threads);
		rc = store_all(cfg);
		barrier(w->nr_threads);
		if (!rc && !i)
			rc = unmap(cfg);
		w->done += !i;
	}
	wl_failed(w, rc);
}

static const char *const defaults[] = { "thp", "no", NULL };

extern const struct workload workload_munmap_micro;
const struct workload workload_munmap_micro = {
	.name = "munmap-micro",
	.summary = "one thread maps, all store to every page, it unmaps",
	.mirrors = "the microbenchmark published with LATR",
	.watch = "munmap_cycles / munmap_calls, ipis_sent, wait_ack",
	.unit = "calls",
	.params = params,
	.nr_params = ARRAY_LEN(params),
	.cfg_bytes = sizeof(struct cfg),
	.defaults = defaults,
	.setup = setup,
	.body = body,
};
