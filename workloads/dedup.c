/* dedup - a pipeline of threads: one cuts a file into chunks, others find where each
 * is to be cut finer, hash the pieces, compress what is new, and one writes it out.
 * A chunk's memory is given back by whoever compressed it, what it was compressed
 * into by the writer, and each time all other threads are told.
 * What to look at: chunks per second, tlb_flush, ipis_sent; the same with --keep,
 * and canneal, which gives nothing back.
 *
 * As Fragment(), FragmentRefine(), Deduplicate(), Compress() and Reorder(): as many
 * threads for each of the three in the middle, queues between all of them, and at
 * most --in-flight chunks under way. malloc() of a chunk is beyond its threshold: mmap
 * and munmap. What is compressed comes from a thread's heap, whose top is trimmed
 * by MADV_DONTNEED. With --keep, as with an allocator that keeps what it has, chunks
 * and heaps are mapped once.
 *
 * assumed: all but stages and queues: 1 MiB chunks handed over as a whole (PARSEC: its
 * pieces, in batches), compressing 20 us a KiB and to a half, Rabin's fingerprint and
 * SHA-1 a sixth of that each, half of the pieces known already (--unique); writing
 * takes no time beside reading it.
 * Source: PARSEC 3.0, dedup, encoder.c, from memory.
 */
#include <errno.h>
#include <stdlib.h>

#include "workloads/numa/numa.h"

#define RW (VM_READ | VM_WRITE)

struct cfg {
	u64 chunk_bytes, compress_ns;
	u32 chunks, in_flight, unique;
	bool is_keeping;
};

#define FIELD(f) .offset = offsetof(struct cfg, f), .group = "workload"

static const struct opt params[] = {
	{ .name = "chunk", .kind = OPT_SIZE, .def = "1M", .min = 2 * PAGE_BYTES,
	  .max = 1u << 30, .unit = "bytes", .help = "a chunk of the file",
	  FIELD(chunk_bytes) },
	{ .name = "chunks", .kind = OPT_U32, .def = "200", .min = 1,
	  .max = 1u << 20, .help = "of the file (native: 672 MB)",
	  FIELD(chunks) },
	{ .name = "in-flight", .kind = OPT_U32, .def = "32", .min = 1,
	  .max = 1u << 16, .help = "chunks under way at a time",
	  FIELD(in_flight) },
	{ .name = "unique", .kind = OPT_U32, .def = "50", .min = 1, .max = 100,
	  .unit = "%", .help = "of a chunk is new, and compressed",
	  FIELD(unique) },
	{ .name = "compress", .kind = OPT_TIME_NS, .def = "20us", .min = 0,
	  .max = 1000000000ull, .unit = "ns", .help = "for a KiB (assumed)",
	  FIELD(compress_ns) },
	{ .name = "keep", .kind = OPT_BOOL,
	  .help = "the allocator keeps what it has: nothing is flushed",
	  FIELD(is_keeping) },
};

enum { REFINE, HASH, COMPRESS, WRITE, NR_QUEUES };

/* Whoever sleeps on a word has its line. */
struct place {
	u32 chunk;              /* and 1; 0: nothing yet                      */
	u32 pad[15];
};

/* Of all chunks: nothing comes around. */
struct queue {
	u32 put, pad1[15];
	u32 taken, pad2[15];
	struct place *place;    /* [chunks]                                   */
	u64 pad3[7];
};

static struct state {
	struct mm *mm;
	struct queue *queue;    /* [NR_QUEUES]                                */
	struct place *written;  /* chunks                                     */
	u64 pages, out_pages;   /* of a chunk                                 */
	u64 in, out;            /* vpn: for each chunk under way              */
	u32 holes;              /* as many as are under way at most           */
} st;

/* ---- queues ------------------------------------------------------------------------ */

static void put_at(struct queue *q, u32 place, u32 chunk)
{
	WRITE_ONCE(q->place[place].chunk, chunk + 1);
}

static void put(struct queue *q, u32 chunk)
{
	put_at(q, atomic_add_return(&q->put, 1) - 1, chunk);
}

static u32 wait_at(struct queue *q, u32 place)
{
	u32 *word = &q->place[place].chunk, v;

	while (!(v = READ_ONCE(*word)))
		thread_sleep(word, 0);
	return v - 1;
}

/* The next one. false: all are taken. */
static bool take(const struct cfg *cfg, struct queue *q, u32 *chunk)
{
	u32 place = atomic_add_return(&q->taken, 1) - 1;

	if (place >= cfg->chunks)
		return false;
	*chunk = wait_at(q, place);
	return true;
}

/* ---- memory ------------------------------------------------------------------------ */

/* A page behind each keeps its page table. */
static u64 in_of(u32 chunk)
{
	return st.in + chunk % st.holes * (st.pages + 1);
}

static u64 out_of(u32 chunk)
{
	return st.out + chunk % st.holes * st.out_pages;
}

static int give_back_chunk(const struct cfg *cfg, u32 chunk)
{
	return cfg->is_keeping ? 0
		: do_munmap(st.mm, in_of(chunk), st.pages);
}

static int map_holes(struct wl *w, const struct cfg *cfg, struct err *e)
{
	u64 n = st.holes * (st.pages + 1);
	int rc = 0;

	st.in = wl_map(st.mm, n, RW);
	st.out = wl_map(st.mm, st.holes * st.out_pages, RW);
	if (!st.in || !st.out)
		return err_set(e, -ENOMEM, "out of memory");
	for (u32 k = 0; k < st.holes && !rc; k++) {
		rc = wl_populate(w, 0, in_of(k) + st.pages, 1, e);
		if (!rc)
			rc = give_back_chunk(cfg, k);
	}
	return rc;
}

static bool stream(struct wl *w, u64 vpn, u64 pages, enum run_op op)
{
	return wl_stream(w, vpn << PAGE_SHIFT, pages << PAGE_SHIFT, op,
			 pages << PAGE_SHIFT, 64 * PAGE_BYTES);
}

static void work(const struct cfg *cfg, u64 bytes, u32 part)
{
	wl_compute(wl_cycles((bytes >> 10) * cfg->compress_ns / part));
}

/* ---- stages ------------------------------------------------------------------------ */

/* After an error the others still wait for the chunks. */
static int fragment(struct wl *w, const struct cfg *cfg)
{
	int rc = 0;

	for (u32 k = 0; k < cfg->chunks; k++) {
		u32 n;

		while ((n = READ_ONCE(st.written->chunk)) + cfg->in_flight <= k)
			thread_sleep(&st.written->chunk, n);
		if (!rc && !cfg->is_keeping)
			rc = do_mmap_fixed(st.mm, in_of(k), st.pages, RW);
		if (!rc)
			stream(w, in_of(k), st.pages, RUN_WRITE);
		put(&st.queue[REFINE], k);
	}
	return rc;
}

static int look_through(struct wl *w, const struct cfg *cfg, u32 from)
{
	u32 k;

	while (take(cfg, &st.queue[from], &k)) {
		stream(w, in_of(k), st.pages, RUN_READ);
		work(cfg, cfg->chunk_bytes, 6);
		put(&st.queue[from + 1], k);
	}
	return 0;
}

static int compress(struct wl *w, const struct cfg *cfg)
{
	int rc = 0;
	u32 k;

	while (take(cfg, &st.queue[COMPRESS], &k)) {
		u64 in = st.pages * cfg->unique / 100;

		stream(w, in_of(k), in, RUN_READ);
		stream(w, out_of(k), st.out_pages, RUN_WRITE);
		work(cfg, in << PAGE_SHIFT, 1);
		if (!rc)
			rc = give_back_chunk(cfg, k);
		put_at(&st.queue[WRITE], k, k);
	}
	return rc;
}

/* In the file's order. */
static int write_out(struct wl *w, const struct cfg *cfg)
{
	int rc = 0;

	for (u32 k = 0; k < cfg->chunks; k++) {
		wait_at(&st.queue[WRITE], k);
		stream(w, out_of(k), st.out_pages, RUN_READ);
		if (!rc && !cfg->is_keeping)
			rc = do_madvise(st.mm, out_of(k), st.out_pages,
					MADV_DONTNEED);
		WRITE_ONCE(st.written->chunk, k + 1);
		w->done++;
	}
	return rc;
}

static void body(struct wl *w, u32 i)
{
	const struct cfg *cfg = w->cfg;
	int rc;

	if (i < 2)
		rc = i ? write_out(w, cfg) : fragment(w, cfg);
	else if ((i - 2) % 3 == COMPRESS)
		rc = compress(w, cfg);
	else
		rc = look_through(w, cfg, (i - 2) % 3);
	wl_failed(w, rc);
}

/* ---- set-up ------------------------------------------------------------------------ */

static int make_queues(const struct cfg *cfg)
{
	struct arena *a = &the_sys->arena;

	st.queue = arena_alloc(a, NR_QUEUES * sizeof(*st.queue));
	st.written = arena_alloc(a, sizeof(*st.written));
	for (u32 q = 0; st.queue && q < NR_QUEUES; q++) {
		st.queue[q].place = arena_alloc(a, cfg->chunks *
						sizeof(struct place));
		if (!st.queue[q].place)
			return -ENOMEM;
	}
	return st.queue && st.written ? 0 : -ENOMEM;
}

static int setup(struct wl *w, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	int n = wl_thread_count(w, 3 * the_sys->nr_cpus + 2, e), rc = 0;

	if (n < 0)
		return n;
	if (n < 5)
		return err_set(e, -EINVAL, "%d threads, but five stages need one each "
			       "(--threads)", n);
	st = (struct state){ .mm = mm_create(),
			     .pages = cfg->chunk_bytes >> PAGE_SHIFT,
			     .holes = cfg->in_flight < cfg->chunks
				? cfg->in_flight : cfg->chunks };
	st.out_pages = st.pages * cfg->unique / 200 + 1;
	if (!st.mm || make_queues(cfg))
		return err_set(e, -ENOMEM, "out of memory");
	rc = wl_start_all(w, st.mm, e);
	w->total = cfg->chunks;
	return rc ? rc : map_holes(w, cfg, e);
}

static const char *const defaults[] = { "sched", "fair", NULL };

extern const struct workload workload_dedup;
const struct workload workload_dedup = {
	.name = "dedup",
	.summary = "a pipeline of threads gives each buffer's memory back",
	.mirrors = "PARSEC 3.0, dedup",
	.watch = "chunks per second, tlb_flush, ipis_sent, page-faults",
	.unit = "chunks",
	.params = params,
	.nr_params = ARRAY_LEN(params),
	.cfg_bytes = sizeof(struct cfg),
	.defaults = defaults,
	.setup = setup,
	.body = body,
};
