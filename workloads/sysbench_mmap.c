/* sysbench-mmap - threads store to random blocks of mapped files; after so many
 * blocks each file is written to its disk, as a request of its own of whichever
 * thread is next: a flush of one page of everybody for each dirty page, and a fault
 * of whoever stores to it then.
 *
 * Source: sysbench, fileio with --file-io-mode=mmap --file-test-mode=rndwr, where
 * msync() is what synchronises, and counts as an event like a block. The published
 * runs (N. Amit, concurrent TLB flushes, 2019) had 128 files, 3 GB together, on ext4
 * over emulated persistent memory without a write cache (--dax). Here they are in
 * memory from the beginning; what a disk takes is the profile's.
 */
#include <errno.h>

#include "base/rng.h"
#include "mm/file.h"
#include "mm/sched.h"
#include "workloads/workload.h"

#define MAX_BLOCK_PAGES 64u
#define MAX_FILES 1024u

struct cfg {
	u64 bytes;
	u64 files;
	bool dax;
	u64 block;
	u64 requests;
	u64 fsync_freq;
};

#define FIELD(f) .offset = offsetof(struct cfg, f), .group = "workload"

static const struct opt params[] = {
	{ .name = "bytes", .kind = OPT_SIZE, .def = "16M", .min = PAGE_BYTES,
	  .max = 1ull << 36, .unit = "bytes", .help = "the files together",
	  FIELD(bytes) },
	{ .name = "files", .kind = OPT_U64, .def = "1", .min = 1,
	  .max = MAX_FILES, .help = "so many, of the same size", FIELD(files) },
	{ .name = "dax", .kind = OPT_BOOL,
	  .help = "their memory is the storage: nothing is transferred",
	  FIELD(dax) },
	{ .name = "block", .kind = OPT_SIZE, .def = "16K", .min = PAGE_BYTES,
	  .max = MAX_BLOCK_PAGES * PAGE_BYTES, .unit = "bytes",
	  .help = "of one request, whole pages", FIELD(block) },
	{ .name = "requests", .kind = OPT_U64, .def = "200", .min = 1,
	  .help = "of each thread, events that synchronise included",
	  FIELD(requests) },
	{ .name = "fsync-freq", .kind = OPT_U64, .def = "100", .min = 0,
	  .help = "blocks of all threads between two rounds of msync of all "
		  "files; 0: none",
	  FIELD(fsync_freq) },
};

/* What threads share under sysbench's mutex, one line of the arena. */
struct shared {
	u64 blocks;             /* asked for so far                           */
	u64 to_sync;            /* of the round that is on: files left        */
};

static struct state {
	struct mm *mm;
	struct address_space *f[MAX_FILES];
	u64 vpn[MAX_FILES];
	u64 pages;              /* of each                                    */
	struct shared *shared;
} st;

static int add_file(struct wl *w, u64 i, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	int rc;

	st.f[i] = file_create(st.pages, FILE_DISK | FILE_SPARSE |
					(cfg->dax ? FILE_DAX : 0));
	if (!st.f[i])
		return err_set(e, -ENOMEM, "out of memory");
	rc = wl_read_file(w, 0, st.f[i], e);
	if (rc)
		return rc;
	st.vpn[i] = wl_map_file(st.mm, st.pages, VM_READ | VM_WRITE | VM_SHARED,
				st.f[i]);
	return st.vpn[i] ? 0 : err_set(e, -ENOMEM, "out of memory");
}

static int setup(struct wl *w, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	int n = wl_thread_count(w, the_sys->nr_cpus, e), rc = 0;

	if (n < 0)
		return n;
	st.pages = (cfg->bytes / cfg->files) >> PAGE_SHIFT;
	if (cfg->block > cfg->bytes / cfg->files)
		return err_set(e, -EINVAL, "--block: larger than a file "
			       "(--bytes / --files)");
	st.mm = mm_create();
	st.shared = arena_alloc(&the_sys->arena, 64);
	if (!st.mm || !st.shared)
		return err_set(e, -ENOMEM, "out of memory");
	rc = wl_start_all(w, st.mm, e);
	for (u64 i = 0; i < cfg->files && !rc; i++)
		rc = add_file(w, i, e);
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

/* The next event: a file to synchronise, or cfg->files for a block. */
static u64 next_event(const struct cfg *cfg)
{
	struct shared *s = st.shared;

	step(s, true, cost_of(COST_LOCK));
	if (s->to_sync)
		return cfg->files - s->to_sync--;
	if (cfg->fsync_freq && !(++s->blocks % cfg->fsync_freq))
		s->to_sync = cfg->files;
	return cfg->files;
}

static void body(struct wl *w, u32 i)
{
	const struct cfg *cfg = w->cfg;
	u64 pages = cfg->block >> PAGE_SHIFT, blocks = st.pages / pages;
	struct rng all, r;
	int rc = 0;

	rng_init(&all, w->seed);
	rng_split(&all, i, &r);
	for (u64 k = 0; k < cfg->requests && !rc && !w->error; k++) {
		u64 file = next_event(cfg), block;

		if (file < cfg->files) {
			rc = do_msync(st.mm, st.vpn[file], st.pages);
		} else {
			block = rng_below(&r, blocks * cfg->files);
			rc = write_block(st.vpn[block / blocks] +
					 block % blocks * pages, pages);
		}
		w->done++;
	}
	wl_failed(w, rc);
}

extern const struct workload workload_sysbench_mmap;
const struct workload workload_sysbench_mmap = {
	.name = "sysbench-mmap",
	.summary = "threads store to random blocks of mapped files, with msync",
	.mirrors = "sysbench fileio, mmap, rndwr, --file-fsync-mode=fdatasync",
	.watch = "tlb_flush, ipis_sent, file_pages_written, page-faults",
	.unit = "events",
	.params = params,
	.nr_params = ARRAY_LEN(params),
	.cfg_bytes = sizeof(struct cfg),
	.setup = setup,
	.body = body,
};
