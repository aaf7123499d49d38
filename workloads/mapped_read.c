/* mapped-read - each process reads a mapped file once, from beginning to end, and
 * together the files do not fit into memory: reclaim unmaps clean pages of files as
 * fast as they are read.
 *
 * Source: vm-scalability, case-lru-file-mmap-read, as M. Gorman ran it for the
 * series that batches reclaim's flushes (4.3): sparse files, so that no disk is
 * read, and the memory of 64 GB ten times over; here the default machine has little.
 * The program loads each word; a page took it 2.8 and 3.4 us there (--compute;
 * derived: user time over pages).
 */
#include <errno.h>

#include "mm/file.h"
#include "mm/swap.h"
#include "workloads/numa/numa.h"

#define BATCH 64u

struct cfg {
	u64 bytes;
	int as;
	u64 compute_ns;
};

#define FIELD(f) .offset = offsetof(struct cfg, f), .group = "workload"

enum { AS_PROCESSES, AS_THREADS };
static const char *const as_names[] = { "processes", "threads", NULL };

static const struct opt params[] = {
	{ .name = "bytes", .kind = OPT_SIZE, .def = "32M", .min = PAGE_BYTES,
	  .max = 1ull << 40, .unit = "bytes", .help = "of each one's file",
	  FIELD(bytes) },
	{ .name = "compute", .kind = OPT_TIME_NS, .def = "0", .max = 1000000000,
	  .unit = "ns", .help = "that the program takes with a page, beside a load from "
	  "each of its lines", FIELD(compute_ns) },
	{ .name = "as", .kind = OPT_ENUM, .def = "processes", .names = as_names,
	  .help = "processes, or threads of one process", FIELD(as) },
};

static struct state {
	u64 *vpn;               /* [threads]                                  */
	struct mm *mm;
} st;

static int start_one(struct wl *w, u32 i, u64 pages, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	struct address_space *f = file_create(pages, FILE_DISK | FILE_SPARSE);
	int rc;

	if (!st.mm || cfg->as == AS_PROCESSES)
		st.mm = mm_create();
	if (!st.mm || !f)
		return err_set(e, -ENOMEM, "out of memory");
	rc = wl_start(w, i, st.mm, e);
	if (!rc)
		st.vpn[i] = wl_map_file(st.mm, pages, VM_READ | VM_SHARED, f);
	return rc;
}

static int setup(struct wl *w, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	int n = wl_thread_count(w, the_sys->nr_cpus, e), rc = 0;

	if (n < 0)
		return n;
	st.mm = NULL;
	st.vpn = arena_alloc(&the_sys->arena, (u64)n * sizeof(*st.vpn));
	if (!st.vpn || swapon(0))
		return err_set(e, -ENOMEM, "out of memory");
	for (u32 i = 0; i < w->nr_threads && !rc; i++)
		rc = start_one(w, i, cfg->bytes >> PAGE_SHIFT, e);
	w->total = w->nr_threads * (cfg->bytes >> PAGE_SHIFT);
	return rc;
}

static void body(struct wl *w, u32 i)
{
	const struct cfg *cfg = w->cfg;
	u64 pages = cfg->bytes >> PAGE_SHIFT;
	u64 cycles = wl_cycles(cfg->compute_ns);
	int rc = 0;

	for (u64 p = 0; p < pages && !rc && !w->error; ) {
		struct run run[BATCH];
		u32 n = 0;

		for (; n < (cycles ? 1 : BATCH) && p < pages; n++, p++)
			run[n] = (struct run){ .va = (st.vpn[i] + p) << PAGE_SHIFT,
					       .bytes = 8, .stride = 64,
					       .count = PAGE_BYTES / 64,
					       .op = RUN_READ };
		rc = wl_runs(run, n);
		if (!rc && cycles)
			wl_compute(cycles);
		w->done += n;
	}
	if (rc)
		wl_fail(w, -E2BIG, "mapped-read: nothing left to reclaim");
}

static const char *const defaults[] = {
	"machine", "pack:2 [numa(memory=16MiB)] core:4 pu:1", NULL
};

extern const struct workload workload_mapped_read;
const struct workload workload_mapped_read = {
	.name = "mapped-read",
	.summary = "files larger than memory are read through mappings, once",
	.mirrors = "vm-scalability, case-lru-file-mmap-read",
	.watch = "elapsed, ipis_sent, pgsteal_direct, pgsteal_kswapd against --kernel v4.2, v4.12, v6.1",
	.unit = "pages",
	.params = params,
	.nr_params = ARRAY_LEN(params),
	.cfg_bytes = sizeof(struct cfg),
	.defaults = defaults,
	.reclaims = true,
	.setup = setup,
	.body = body,
};
