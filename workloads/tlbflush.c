/* tlbflush - threads load random bytes of a buffer while the main thread unmaps
 * small mappings, one after the other: what its flushes cost them.
 * What to look at: nanoseconds an access (elapsed time, loads of one thread),
 * against --threads.
 *
 * As the published program: the buffer is written to once; for each mapping only
 * its first page is; a thread goes over the same 512 places, drawn once, again and
 * again until all are unmapped and the main thread has slept for another 10 ms, which
 * is most of the time that counts where mappings are large, hence few. Here the places
 * are one load a page.
 * assumed: as many mappings as --maps says, where the program has 128 MiB of them, and
 * private ones. Kernels of then (v3.13, flushes_as_asked) flush all of a mapping,
 * --entries pages; later ones the page that is present.
 *
 * Source: A. Shi, munmap.c (May 2012), read; as tlbflush in mmtests: 128 MiB, 512
 * places, mappings of 1 to 512 pages.
 */
#include <errno.h>

#include "workloads/workload.h"

#define RW (VM_READ | VM_WRITE)
#define PLACES 512u
#define BATCH 64u

struct cfg {
	u64 bytes, entries, maps, rest_ns;
	bool is_written;
};

#define FIELD(f) .offset = offsetof(struct cfg, f), .group = "workload"

static const struct opt params[] = {
	{ .name = "bytes", .kind = OPT_SIZE, .def = "16M", .min = 1u << 21,
	  .max = 1ull << 40, .unit = "bytes",
	  .help = "the buffer (mmtests: 128 MiB)", FIELD(bytes) },
	{ .name = "entries", .kind = OPT_U64, .def = "32", .min = 1,
	  .max = 512, .unit = "pages", .help = "of a mapping (-n)",
	  FIELD(entries) },
	{ .name = "maps", .kind = OPT_U64, .def = "200", .min = 1,
	  .max = 1u << 20, .help = "mappings that are unmapped", FIELD(maps) },
	{ .name = "rest", .kind = OPT_TIME_NS, .def = "10ms",
	  .max = 1000000000ull, .unit = "ns",
	  .help = "the main thread sleeps once all are unmapped, and the others go "
		  "on loading", FIELD(rest_ns) },
	{ .name = "write", .kind = OPT_BOOL,
	  .help = "threads store in place of loading (-w 1)",
	  FIELD(is_written) },
};

static struct state {
	struct mm *mm;
	u64 buffer, pages, maps, stride;        /* vpn                        */
	u32 *done;              /* in the arena                               */
	u64 end;                /* cycles, once all are unmapped: of the rest */
} st;

static int fill(struct wl *w, const struct cfg *cfg, struct err *e)
{
	int rc = wl_populate(w, 0, st.buffer, st.pages, e);

	for (u64 k = 0; k < cfg->maps && !rc; k++)
		rc = wl_populate(w, 0, st.maps + k * st.stride, 1, e);
	return rc;
}

static int setup(struct wl *w, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	int n = wl_thread_count(w, the_sys->nr_cpus, e), rc = 0;

	if (n < 0)
		return n;
	if (n < 2)
		return err_set(e, -EINVAL, "tlbflush: the main thread unmaps, so "
			       "two are needed (--threads)");
	st.end = 0;
	st.mm = mm_create();
	st.done = arena_alloc(&the_sys->arena, 64);
	if (!st.mm || !st.done)
		return err_set(e, -ENOMEM, "out of memory");
	rc = wl_start_all(w, st.mm, e);
	if (rc)
		return rc;
	st.pages = cfg->bytes >> PAGE_SHIFT;
	/* A page more each, which stays, and with it the page table. */
	st.stride = cfg->entries + 1;
	st.buffer = wl_map(st.mm, st.pages, RW | VM_HUGE);
	st.maps = wl_map(st.mm, cfg->maps * st.stride, RW);
	if (!st.buffer || !st.maps)
		return err_set(e, -ENOMEM, "out of memory");
	return fill(w, cfg, e);
}

/* One round over the thread's places. */
static int visit(const u64 *place, u8 op)
{
	int rc = 0;

	for (u32 p = 0; p < PLACES && !rc; p += BATCH) {
		struct run run[BATCH];

		for (u32 k = 0; k < BATCH; k++)
			run[k] = (struct run){ .va = place[p + k], .bytes = 1,
					       .count = 1, .op = op };
		rc = wl_runs(run, BATCH);
	}
	return rc;
}

static int load_all(struct wl *w, u32 i)
{
	const struct cfg *cfg = w->cfg;
	u64 place[PLACES];
	struct rng all, r;
	int rc = 0;

	rng_init(&all, w->seed);
	rng_split(&all, i, &r);
	for (u32 p = 0; p < PLACES; p++)
		place[p] = (st.buffer << PAGE_SHIFT) +
			   rng_below(&r, st.pages << PAGE_SHIFT);
	while (!READ_ONCE(*st.done) && !rc && !w->error) {
		rc = visit(place, cfg->is_written ? RUN_WRITE : RUN_READ);
		w->done += PLACES;
		/* The main thread's timer, seen by who is awake. */
		if (st.end && this_cpu->now >= st.end)
			WRITE_ONCE(*st.done, 1);
	}
	if (rc)
		WRITE_ONCE(*st.done, 1);
	return rc;
}

static void body(struct wl *w, u32 i)
{
	const struct cfg *cfg = w->cfg;
	int rc = 0;

	if (i) {
		rc = load_all(w, i);
	} else {
		for (u64 k = 0; k < cfg->maps && !rc; k++)
			rc = do_munmap(st.mm, st.maps + k * st.stride,
				       cfg->entries);
		if (cfg->rest_ns && !rc) {
			st.end = this_cpu->now +
				machine_ns_to_cycles(the_sys->m, cfg->rest_ns);
			thread_sleep(st.done, 0);
		}
		WRITE_ONCE(*st.done, 1);
	}
	if (rc)
		wl_fail(w, rc, "tlbflush: a system call or page fault failed");
}

static const char *const defaults[] = { "thp", "no", NULL };

extern const struct workload workload_tlbflush;
const struct workload workload_tlbflush = {
	.name = "tlbflush",
	.summary = "one thread unmaps small mappings, others load from a buffer",
	.mirrors = "A. Shi's munmap.c, which is tlbflush in mmtests",
	.watch = "accesses per second, remote flushes, munmap_cycles, walks",
	.unit = "accesses",
	.params = params,
	.nr_params = ARRAY_LEN(params),
	.cfg_bytes = sizeof(struct cfg),
	.defaults = defaults,
	.setup = setup,
	.body = body,
};
