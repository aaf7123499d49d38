/* ebizzy - each thread allocates a buffer, copies a chunk of records into it,
 * finds one by binary search and frees the buffer: a fault for each page, and a
 * flush of them all for each record.
 * What to look at: records per second, tlb_flush and ipis_sent a record.
 *
 * Which chunk and which key come from a generator that begins at 0 and multiplies:
 * it stays there, so that all threads copy the first of the chunks, and look for
 * its first record. --random is what was meant.
 *
 * malloc: what freeing means depends on the allocator. Threads have heaps of their
 * own, which grow by mprotect once and, when their top is freed, shrink by
 * MADV_DONTNEED: each time until glibc 2.20, and with -M ever after; since 2.21
 * only beyond a threshold which the first buffer, being mapped, has raised above
 * its own size ("keep": nothing is given back). With -m it is mmap and munmap.
 * assumed: these two versions, from memory of glibc's malloc/arena.c, heap_trim().
 *
 * mmap takes the hole that munmap left. A thread has several here, taken in turn,
 * for strategies that keep addresses for a while; their page tables hold other
 * pages, too, and stay.
 *
 * Source: ebizzy 0.3 (V. Henson), as the Linux Test Project has it: 10 chunks of
 * 64 Ki records of 8 bytes, two threads a CPU.
 */
#include <errno.h>
#include <stdlib.h>

#include "workloads/numa/numa.h"

#define RW (VM_READ | VM_WRITE)
#define NR_HOLES 32u
#define STREAM_BYTES (64u << 10)

struct cfg {
	u64 chunk_bytes, time_ns;
	u32 chunks;
	int alloc;
	bool is_random;
};

#define FIELD(f) .offset = offsetof(struct cfg, f), .group = "workload"

enum { ALLOC_MALLOC, ALLOC_KEEP, ALLOC_MMAP };
static const char *const alloc_names[] = { "malloc", "keep", "mmap", NULL };

static const struct opt params[] = {
	{ .name = "chunks", .kind = OPT_U32, .def = "10", .min = 1,
	  .max = 1u << 16, .help = "chunks of records (-n)", FIELD(chunks) },
	{ .name = "chunk", .kind = OPT_SIZE, .def = "512K", .min = PAGE_BYTES,
	  .max = 1u << 30, .unit = "bytes", .help = "a chunk, whole pages (-s)",
	  FIELD(chunk_bytes) },
	{ .name = "alloc", .kind = OPT_ENUM, .def = "malloc",
	  .names = alloc_names,
	  .help = "malloc: of glibc until 2.20, or with -M, which gives a "
		  "freed buffer back by MADV_DONTNEED; keep: of later glibc, "
		  "which does not; mmap: mmap and munmap (-m)", FIELD(alloc) },
	{ .name = "random", .kind = OPT_BOOL,
	  .help = "chunks and keys at random; the published program always "
		  "takes the first", FIELD(is_random) },
	{ .name = "time", .kind = OPT_TIME_NS, .def = "40ms", .min = 10000,
	  .max = 1000000000000ull, .unit = "ns",
	  .help = "modelled time (the program's -S is 10 s)", FIELD(time_ns) },
};

static struct state {
	struct mm *mm;
	u64 pages;              /* of a chunk                                 */
	u64 chunks;             /* va of the first                            */
	u64 *buffer;            /* [threads] vpn: its heap, or its holes      */
} st;

/* A page of each page table that the holes lie in stays mapped. */
static u64 make_holes(struct wl *w, u32 i, struct err *e)
{
	u64 stride = st.pages + 1, n = NR_HOLES * stride;
	u64 vpn = wl_map(st.mm, n, RW);

	for (u64 k = 0; vpn && k < NR_HOLES; k++) {
		if (wl_populate(w, i, vpn + k * stride + st.pages, 1, e) ||
		    do_munmap(st.mm, vpn + k * stride, st.pages))
			return 0;
	}
	return vpn;
}

static int start_one(struct wl *w, u32 i, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	int rc = wl_start(w, i, st.mm, e);

	if (rc)
		return rc;
	if (cfg->alloc == ALLOC_MMAP)
		st.buffer[i] = make_holes(w, i, e);
	else
		st.buffer[i] = wl_map(st.mm, st.pages, RW);
	return st.buffer[i] ? 0 : err_set(e, -ENOMEM, "out of memory");
}

static int setup(struct wl *w, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	u32 cpus = the_sys->nr_cpus;
	int n = wl_thread_count(w, sched_is_on() ? 2 * cpus : cpus, e), rc = 0;
	u64 all;

	if (n < 0)
		return n;
	w->end = wl_cycles(cfg->time_ns);
	st.pages = cfg->chunk_bytes >> PAGE_SHIFT;
	all = st.pages * cfg->chunks;
	st.mm = mm_create();
	st.buffer = w->priv = calloc((size_t)n, sizeof(*st.buffer));
	if (!st.mm || !st.buffer)
		return err_set(e, -ENOMEM, "out of memory");
	for (u32 i = 0; i < w->nr_threads && !rc; i++)
		rc = start_one(w, i, e);
	if (rc)
		return rc;
	st.chunks = wl_map(st.mm, all, RW | VM_HUGE) << PAGE_SHIFT;
	if (!st.chunks)
		return err_set(e, -ENOMEM, "out of memory");
	return wl_populate(w, 0, st.chunks >> PAGE_SHIFT, all, e);
}

static u64 alloc_mem(const struct cfg *cfg, u32 i, u64 nr)
{
	u64 hole = st.buffer[i] + nr % NR_HOLES * (st.pages + 1);

	if (cfg->alloc != ALLOC_MMAP)
		return st.buffer[i];
	return do_mmap_fixed(st.mm, hole, st.pages, RW) ? 0 : hole;
}

static int free_mem(const struct cfg *cfg, u64 vpn)
{
	if (cfg->alloc == ALLOC_MMAP)
		return do_munmap(st.mm, vpn, st.pages);
	if (cfg->alloc == ALLOC_KEEP)
		return 0;
	return do_madvise(st.mm, vpn, st.pages, MADV_DONTNEED);
}

/* memcpy: as much is read as written; what both sides take fits a last-level
 * cache, or comes from memory. */
static bool copy(struct wl *w, u64 from, u64 to, u64 bytes)
{
	for (u64 n = 0; n < bytes; n += STREAM_BYTES) {
		u64 k = bytes - n < STREAM_BYTES ? bytes - n : STREAM_BYTES;

		if (!wl_stream(w, from + n, k, RUN_READ, 2 * bytes, k) ||
		    !wl_stream(w, to + n, k, RUN_WRITE, 2 * bytes, k))
			return false;
	}
	return true;
}

/* bsearch() of record @key among @n. */
static int search(u64 va, u64 n, u64 key)
{
	u64 low = 0, high = n;
	int rc = 0;

	while (low < high && !rc) {
		u64 mid = (low + high) / 2;
		struct run r = { .va = va + 8 * mid, .bytes = 8, .count = 1,
				 .op = RUN_READ };

		rc = wl_runs(&r, 1);
		if (mid == key)
			break;
		if (mid < key)
			low = mid + 1;
		else
			high = mid;
	}
	return rc;
}

static void body(struct wl *w, u32 i)
{
	const struct cfg *cfg = w->cfg;
	u64 bytes = st.pages << PAGE_SHIFT;
	struct rng all, r;
	int rc = 0;

	rng_init(&all, w->seed);
	rng_split(&all, i, &r);
	for (u64 n = 0; this_cpu->now < w->end && !rc && !w->error; n++) {
		u64 chunk = cfg->is_random ? rng_below(&r, cfg->chunks) : 0;
		u64 key = cfg->is_random ? rng_below(&r, bytes / 8) : 0;
		u64 vpn = alloc_mem(cfg, i, n), va = vpn << PAGE_SHIFT;

		if (!vpn || !copy(w, st.chunks + chunk * bytes, va, bytes))
			break;
		rc = search(va, bytes / 8, key);
		if (!rc)
			rc = free_mem(cfg, vpn);
		w->done++;
	}
	wl_failed(w, rc);
}

static void teardown(struct wl *w)
{
	free(w->priv);
	w->priv = NULL;
}

static const char *const defaults[] = { "sched", "fair", NULL };

extern const struct workload workload_ebizzy;
const struct workload workload_ebizzy = {
	.name = "ebizzy",
	.summary = "threads allocate, copy a chunk, search it and free",
	.mirrors = "ebizzy 0.3, as mmtests and the Linux Test Project run it",
	.watch = "records per second, tlb_flush, ipis_sent, page-faults",
	.unit = "records",
	.params = params,
	.nr_params = ARRAY_LEN(params),
	.cfg_bytes = sizeof(struct cfg),
	.defaults = defaults,
	.setup = setup,
	.body = body,
	.teardown = teardown,
};
