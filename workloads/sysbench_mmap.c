/* sysbench-mmap - threads store to random blocks of one mapped file; after so many
 * blocks one of them has it written to disk: a flush of one page of everybody for
 * each dirty page, and a fault of whoever stores to it next.
 *
 * Source: sysbench, fileio with --file-io-mode=mmap --file-test-mode=rndwr; the
 * published runs (N. Amit, concurrent TLB flushes, 2019) had a file of 3 GB. Here
 * it is in memory from the beginning, and what the disk takes is the profile's.
 */
#include <errno.h>

#include "base/rng.h"
#include "mm/file.h"
#include "workloads/workload.h"

#define MAX_BLOCK_PAGES 64u

struct cfg {
	u64 bytes;
	u64 block;
	u64 requests;
	u64 fsync_freq;
};

#define FIELD(f) .offset = offsetof(struct cfg, f), .group = "workload"

static const struct opt params[] = {
	{ .name = "bytes", .kind = OPT_SIZE, .def = "16M", .min = PAGE_BYTES,
	  .max = 1ull << 36, .unit = "bytes", .help = "the file", FIELD(bytes) },
	{ .name = "block", .kind = OPT_SIZE, .def = "16K", .min = PAGE_BYTES,
	  .max = MAX_BLOCK_PAGES * PAGE_BYTES, .unit = "bytes",
	  .help = "of one request, whole pages", FIELD(block) },
	{ .name = "requests", .kind = OPT_U64, .def = "200", .min = 1,
	  .help = "of each thread", FIELD(requests) },
	{ .name = "fsync-freq", .kind = OPT_U64, .def = "100", .min = 0,
	  .help = "requests of all threads between two fdatasync; 0: none",
	  FIELD(fsync_freq) },
};

static struct state {
	struct mm *mm;
	struct address_space *f;
	u64 vpn;
	u64 *requests;          /* in the arena: so far                       */
} st;

static int setup(struct wl *w, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	u64 pages = cfg->bytes >> PAGE_SHIFT;
	int n = wl_thread_count(w, the_sys->nr_cpus, e), rc = 0;

	if (n < 0)
		return n;
	if (cfg->block > cfg->bytes)
		return err_set(e, -EINVAL, "--block: larger than --bytes");
	st.mm = mm_create();
	st.f = file_create(pages, FILE_DISK | FILE_SPARSE);
	st.requests = arena_alloc(&the_sys->arena, 64);
	if (!st.mm || !st.f || !st.requests)
		return err_set(e, -ENOMEM, "out of memory");
	for (u32 i = 0; i < w->nr_threads && !rc; i++)
		rc = wl_start(w, i, st.mm, e);
	if (!rc)
		rc = wl_read_file(w, 0, st.f, e);
	st.vpn = wl_map_file(st.mm, pages, VM_READ | VM_WRITE | VM_SHARED, st.f);
	w->unit = "requests";
	w->total = cfg->requests * w->nr_threads;
	return rc;
}

static int write_block(u64 vpn, u64 pages)
{
	struct run run[MAX_BLOCK_PAGES];

	for (u64 p = 0; p < pages; p++)
		run[p] = (struct run){ .va = (vpn + p) << PAGE_SHIFT, .bytes = 8,
				       .stride = 8, .count = PAGE_BYTES / 8,
				       .op = RUN_WRITE };
	return wl_runs(run, pages);
}

static void body(struct wl *w, u32 i)
{
	const struct cfg *cfg = w->cfg;
	u64 pages = cfg->block >> PAGE_SHIFT;
	u64 blocks = (cfg->bytes >> PAGE_SHIFT) / pages, n;
	struct rng all, r;
	int rc = 0;

	rng_init(&all, w->seed);
	rng_split(&all, i, &r);
	for (u64 k = 0; k < cfg->requests && !rc && !w->error; k++) {
		rc = write_block(st.vpn + rng_below(&r, blocks) * pages, pages);
		n = atomic_add_return(st.requests, 1);
		if (!rc && cfg->fsync_freq && !(n % cfg->fsync_freq))
			rc = do_fdatasync(st.f);
		w->done++;
	}
	if (rc)
		wl_fail(w, -E2BIG, "sysbench-mmap: the machine's memory is full");
}

extern const struct workload workload_sysbench_mmap;
const struct workload workload_sysbench_mmap = {
	.name = "sysbench-mmap",
	.summary = "threads store to random blocks of a mapped file, with fdatasync",
	.mirrors = "sysbench fileio, mmap, rndwr, --file-fsync-mode=fdatasync",
	.watch = "tlb_flush, ipis_sent, file_pages_written, page-faults",
	.params = params,
	.nr_params = ARRAY_LEN(params),
	.cfg_bytes = sizeof(struct cfg),
	.setup = setup,
	.body = body,
};
