/* kernel-build - many short processes: each is forked, executes a program, touches
 * its memory, changes rights of pieces of it and ends.
 * What to look at: processes per second, tlb_flush by size; as a Xen guest the
 * cycles beside user ones, by --flush.
 *
 * What a call flushes is drawn from the sizes that were counted in a kernel build:
 * 56.9 % one page, 97.8 % at most 33, the rest everything (D. Hansen 2014, i5-3320M).
 * A change of rights of so many pages stands for whatever call flushed them.
 *
 * A paravirtual guest of Xen (--xen): the hypervisor lets no page become a page
 * table, or an ordinary page again, while some CPU may have it cached as what it
 * was: get_page_type() flushes all CPUs of the guest, one flush at a time, since
 * flush_area_mask() holds a lock meanwhile; asked for by the hypervisor below
 * (--flush xen-l0) it returns before it takes that.
 *
 * assumed: what the counts do not say: the memory of a process, how long it
 * computes (exponentially distributed: a build runs scripts as well as compilers,
 * and equal times would have all jobs fork in step), how many calls flush, and that
 * each page table changes twice, when it is pinned and when it is freed, 11 tables a
 * program (one top, two, three, five: text, heap, stack). Time stamps that spare flushes are not looked at. With no
 * --xen fork and exit flush as Linux does. Tools run one after the other.
 * Sources: D. Hansen, x86 TLB documentation, 2014; Xen arch/x86/mm.c, smp.c and
 * commit e9aca9470ed8.
 */
#include <errno.h>
#include <stdlib.h>

#include "mm/flush.h"
#include "workloads/numa/numa.h"

#define RW (VM_READ | VM_WRITE)
#define AREA 64u                /* pages whose rights change                  */
#define FULL 40u                /* above every ceiling                        */
#define TABLES 11u

struct cfg {
	u64 processes, pages, flushes, parent_pages, compute_ns;
	bool is_xen;
};

#define FIELD(f) .offset = offsetof(struct cfg, f), .group = "workload"

static const struct opt params[] = {
	{ .name = "processes", .kind = OPT_U64, .def = "10", .min = 1,
	  .help = "times the jobs: whoever is done takes the next one, as of make -j",
	  FIELD(processes) },
	{ .name = "pages", .kind = OPT_U64, .def = "256", .min = AREA,
	  .max = 1u << 20, .unit = "pages", .help = "a process touches",
	  FIELD(pages) },
	{ .name = "parent-pages", .kind = OPT_U64, .def = "128", .min = 1,
	  .max = 1u << 20, .unit = "pages", .help = "of who forks it",
	  FIELD(parent_pages) },
	{ .name = "flushes", .kind = OPT_U64, .def = "30", .max = 1u << 20,
	  .help = "calls of a process that flush", FIELD(flushes) },
	{ .name = "compute", .kind = OPT_TIME_NS, .def = "1ms",
	  .max = 1000000000ull, .unit = "ns",
	  .help = "of a process, the mean of an exponential distribution",
	  FIELD(compute_ns) },
	{ .name = "xen", .kind = OPT_BOOL,
	  .help = "as a paravirtual guest of Xen: page tables flush all CPUs "
		  "when they begin and when they end", FIELD(is_xen) },
};

/* Of 10,000 calls; those whose share is not published, 2 % in all, evenly. */
static const u16 share[FULL + 1] = {
	[1] = 5692, 1378, 826, 741, 173, 132, 114, 62, 10, 43, 20,
	[12] = 10, 10, 10, 10, 10, [17] = 57, 10, 10, 10, [21] = 18, 10, 10, 12,
	[25] = 10, 10, 10, 10, 10, 10, 10, 10, [33] = 311, [FULL] = 220,
};

struct shared {
	struct spinlock flush_lock;
	u32 pad[14];
};

static struct state {
	u64 *vpn;               /* [threads] the parent's memory              */
	struct mm **mm;
	struct shared *s;
	u64 all[MM_CPUMASK_WORDS];
	u64 nr_calls;           /* sum of share[]                             */
	u64 nr_started;
} st;

static int start_one(struct wl *w, u32 i, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	int rc;

	st.mm[i] = mm_create();
	if (!st.mm[i])
		return err_set(e, -ENOMEM, "out of memory");
	rc = wl_start(w, i, st.mm[i], e);
	if (rc)
		return rc;
	st.vpn[i] = wl_map(st.mm[i], cfg->parent_pages, RW);
	if (!st.vpn[i])
		return err_set(e, -ENOMEM, "out of memory");
	return wl_populate(w, i, st.vpn[i], cfg->parent_pages, e);
}

static int setup(struct wl *w, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	int nr = wl_thread_count(w, the_sys->nr_cpus, e), rc = 0;

	if (nr < 0)
		return nr;
	st.vpn = calloc((size_t)nr, sizeof(*st.vpn));
	st.mm = calloc((size_t)nr, sizeof(struct mm *));
	st.s = arena_alloc(&the_sys->arena, sizeof(*st.s));
	if (!st.vpn || !st.mm || !st.s)
		return err_set(e, -ENOMEM, "out of memory");
	for (u32 k = 0; k < MM_CPUMASK_WORDS; k++)
		st.all[k] = 0;
	for (u32 k = 0; k < the_sys->nr_cpus; k++)
		st.all[k / 64] |= 1ull << k % 64;
	st.nr_started = 0;
	st.nr_calls = 0;
	for (u32 n = 1; n <= FULL; n++)
		st.nr_calls += share[n];
	for (u32 i = 0; i < w->nr_threads && !rc; i++)
		rc = start_one(w, i, e);
	w->total = cfg->processes * w->nr_threads;
	return rc;
}

/* Xen's flush_area_mask() for the page tables of one program. */
static void change_types(const struct cfg *cfg)
{
	u64 to[MM_CPUMASK_WORDS];

	for (u32 k = 0; cfg->is_xen && k < TABLES; k++) {
		for (u32 i = 0; i < MM_CPUMASK_WORDS; i++)
			to[i] = st.all[i];
		to[this_cpu->id / 64] &= ~(1ull << this_cpu->id % 64);
		if (!flusher()->is_guests)
			spin_lock(&st.s->flush_lock);
		flush_tlb_batch(to);
		if (!flusher()->is_guests)
			spin_unlock(&st.s->flush_lock);
	}
}

static u64 draw_size(struct rng *r)
{
	u64 at = rng_below(r, st.nr_calls);

	for (u32 n = 1; n < FULL; n++) {
		if (at < share[n])
			return n;
		at -= share[n];
	}
	return FULL;
}

static int touch_all(u64 vpn, u64 pages)
{
	int rc = 0;

	for (u64 p = 0; p < pages && !rc; p++) {
		struct run r = { .va = (vpn + p) << PAGE_SHIFT, .count = 1,
				 .bytes = 8, .op = RUN_WRITE };

		rc = wl_runs(&r, 1);
	}
	return rc;
}

/* What is taken from these pages they get back, by turns. */
static int change_rights(u64 area, u64 n, bool is_taken)
{
	return do_mprotect(current()->mm, area, n, is_taken ? VM_READ : RW);
}

/* The program: its memory, its calls, its computing in between. */
static int run_program(const struct cfg *cfg, struct rng *r)
{
	u64 vpn = do_mmap(current()->mm, cfg->pages, RW | VM_HUGE);
	u64 compute = rng_exponential(r, (u32)cfg->compute_ns);
	u64 part = wl_cycles(compute) / (cfg->flushes / 2 + 1);
	int rc = vpn ? touch_all(vpn, cfg->pages) : -ENOMEM;

	for (u64 k = 0; k < cfg->flushes && !rc; k += 2) {
		u64 n = draw_size(r);

		rc = wl_work(vpn, AREA, part);
		if (!rc)
			rc = change_rights(vpn, n, true);
		if (!rc && k + 1 < cfg->flushes)
			rc = change_rights(vpn, n, false);
		else if (!rc)
			rc = do_mprotect(current()->mm, vpn, AREA, RW);
	}
	return rc ? rc : wl_work(vpn, AREA, part);
}

static int one_process(const struct cfg *cfg, struct rng *r)
{
	struct mm *parent = current()->mm, *mm = dup_mm(parent);
	u64 stack;
	int rc;

	if (!mm)
		return -ENOMEM;
	change_types(cfg);
	switch_mm(mm);
	rc = do_exec(2, 1, &stack);
	/* The copy's tables have ended, the program's begin. */
	change_types(cfg);
	change_types(cfg);
	if (!rc)
		rc = run_program(cfg, r);
	mm = current()->mm;
	switch_mm(parent);
	exit_mmap(mm);
	change_types(cfg);
	return rc;
}

static void body(struct wl *w, u32 i)
{
	const struct cfg *cfg = w->cfg;
	struct rng all, r;
	int rc = 0;

	rng_init(&all, w->seed);
	rng_split(&all, i, &r);
	while (st.nr_started < w->total && !rc && !w->error) {
		st.nr_started++;
		rc = one_process(cfg, &r);
		w->done++;
	}
	wl_failed(w, rc);
}

static void teardown(struct wl *w)
{
	free(st.vpn);
	free(st.mm);
	st.vpn = NULL;
	st.mm = NULL;
}

static const char *const defaults[] = { "thp", "no", NULL };

extern const struct workload workload_kernel_build;
const struct workload workload_kernel_build = {
	.name = "kernel-build",
	.summary = "jobs fork, execute, touch, change rights and exit",
	.mirrors = "a kernel build's processes by the flushes counted in one; "
		   "make -j32 in a guest of Xen",
	.watch = "processes per second, tlb_flush, the cycles that are not user's",
	.unit = "processes",
	.params = params,
	.nr_params = ARRAY_LEN(params),
	.cfg_bytes = sizeof(struct cfg),
	.defaults = defaults,
	.setup = setup,
	.body = body,
	.teardown = teardown,
};
