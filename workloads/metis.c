/* metis, psearchy - the threads of one process map blocks of their own: faults and
 * mmap for results that stay (Metis, a MapReduce library, in 8 MiB or 64 KiB at a
 * time), or mmap, loads and munmap of one input file after the other (psearchy's
 * indexer). No two threads share a page, and Linux makes them share mmap_lock.
 * What to look at: blocks per second against --threads, lock_wait, ipis_sent; the
 * same under --flush radixvm, whose munmap tells nobody else.
 *
 * assumed: block sizes (64 KiB to 8 MiB; from memory), each line of a block is
 * touched once, what the programs compute takes no time.
 * Source: MOSBENCH (OSDI'10), as used for RadixVM (EuroSys'13): abstracts only.
 */
#include <errno.h>
#include <stdlib.h>

#include "mm/file.h"
#include "workloads/workload.h"

#define RW (VM_READ | VM_WRITE)

struct cfg {
	u64 block_bytes, blocks;
};

#define FIELD(f) .offset = offsetof(struct cfg, f), .group = "workload"

#define BLOCKS(bytes, n) { \
	{ .name = "block", .kind = OPT_SIZE, .def = bytes, .min = PAGE_BYTES, \
	  .max = 1u << 30, .unit = "bytes", .help = "mapped at a time", \
	  FIELD(block_bytes) }, \
	{ .name = "blocks", .kind = OPT_U64, .def = n, .min = 1, \
	  .max = 1u << 20, .help = "of each thread", FIELD(blocks) }, \
}

static const struct opt metis_params[] = BLOCKS("8M", "2");
static const struct opt psearchy_params[] = BLOCKS("64K", "64");

static struct state {
	struct mm *mm;
	struct address_space **file;    /* [threads]; NULL: Metis             */
	u64 pages;              /* of a block                                 */
} st;

static int setup(struct wl *w, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	int n = wl_thread_count(w, the_sys->nr_cpus, e), rc = 0;

	if (n < 0)
		return n;
	st.pages = (cfg->block_bytes + PAGE_BYTES - 1) >> PAGE_SHIFT;
	st.file = NULL;
	st.mm = mm_create();
	rc = wl_start_all(w, st.mm, e);
	w->total = cfg->blocks * w->nr_threads;
	return rc;
}

static int setup_files(struct wl *w, struct err *e)
{
	int rc = setup(w, e);

	if (rc)
		return rc;
	/* assumed: they are in memory, and one stands for all of a thread. */
	st.file = w->priv = calloc(w->nr_threads, sizeof(*st.file));
	if (!st.file)
		return err_set(e, -ENOMEM, "out of memory");
	for (u32 i = 0; i < w->nr_threads && !rc; i++) {
		st.file[i] = file_create(st.pages, FILE_DISK | FILE_SPARSE);
		rc = st.file[i] ? wl_read_file(w, i, st.file[i], e)
				: err_set(e, -ENOMEM, "out of memory");
	}
	return rc;
}

static void teardown(struct wl *w)
{
	free(w->priv);
	w->priv = NULL;
	st.file = NULL;
}

static int touch_block(u64 vpn, u8 op)
{
	int rc = 0;

	for (u64 p = 0; p < st.pages && !rc; p++) {
		struct run r = { .va = (vpn + p) << PAGE_SHIFT, .bytes = 8,
				 .stride = 64, .count = PAGE_BYTES / 64,
				 .op = op };

		rc = wl_runs(&r, 1);
	}
	return rc;
}

static int one_block(u32 i)
{
	u64 vpn = st.file
		? do_mmap_file(st.mm, st.pages, VM_READ | VM_SHARED, st.file[i],
			       0)
		: do_mmap(st.mm, st.pages, RW | VM_HUGE);
	int rc = vpn ? touch_block(vpn, st.file ? RUN_READ : RUN_WRITE)
		     : -ENOMEM;

	return rc || !st.file ? rc : do_munmap(st.mm, vpn, st.pages);
}

static void body(struct wl *w, u32 i)
{
	const struct cfg *cfg = w->cfg;
	int rc = 0;

	for (u64 n = 0; n < cfg->blocks && !rc && !w->error; n++) {
		rc = one_block(i);
		w->done++;
	}
	wl_failed(w, rc);
}

#define WORKLOAD(name_, params_, setup_, summary_, mirrors_) \
const struct workload workload_##name_ = { \
	.name = #name_, .summary = summary_, .mirrors = mirrors_, \
	.watch = "blocks per second, lock_wait, ipis_sent, page-faults", \
	.unit = "blocks", \
	.params = params_, .nr_params = ARRAY_LEN(params_), \
	.cfg_bytes = sizeof(struct cfg), .setup = setup_, .body = body, .teardown = teardown, \
}

extern const struct workload workload_metis, workload_psearchy;
WORKLOAD(metis, metis_params, setup,
	 "threads map and fill blocks of one process, which stay",
	 "Metis (MOSBENCH), a MapReduce library");
WORKLOAD(psearchy, psearchy_params, setup_files,
	 "threads map, read and unmap files in one process",
	 "psearchy's indexer (MOSBENCH), with threads");
