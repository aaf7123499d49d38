/* thpscale - memory is full of huge pages whose first half was unmapped, and of a
 * mapped file; then each thread faults in, and fills, as much as went. There are no
 * free huge pages, and what is free of the old ones is had by splitting them.
 *
 * Source: mmtests, shellpack_src/src/thpscale/thpscale.c (until April 2023, then
 * thpcompact), its default configuration: 8/10 of memory, no advice.
 *
 * Counted is what the program prints: fault_base_cycles / fault_base (mmtests'
 * fault-base) and fault_huge_cycles / fault_huge; both together are its fault-both.
 * All else, time and flushes, is of the whole program, its start included.
 */
#include <errno.h>

#include "mm/file.h"
#include "mm/swap.h"
#include "workloads/numa/numa.h"

#define RW (VM_READ | VM_WRITE | VM_HUGE)
#define LINES (PAGE_BYTES / 64)
#define BATCH 64u

struct cfg {
	u64 bytes;
};

#define FIELD(f) .offset = offsetof(struct cfg, f), .group = "workload"

static const struct opt params[] = {
	{ .name = "bytes", .kind = OPT_SIZE, .def = "0", .max = 1ull << 46,
	  .unit = "bytes", .help = "of the first mappings together; 0: 8/10 of "
		  "memory, as mmtests has it. All of it is faulted in, some "
		  "seconds for each GiB: a --machine of one's own needs "
		  "memory=, as in [numa(memory=128MiB)]", FIELD(bytes) },
};

static struct state {
	struct mm *mm;
	struct address_space *file;
	struct wl_barrier *ready;
	u64 pages;              /* of each first mapping                      */
	u64 nr_huge;            /* 2M that each thread fills                  */
} st;

static u64 memory_bytes(void)
{
	u64 n = 0;

	for (u32 i = 0; i < the_sys->m->nr_nodes; i++)
		n += the_sys->m->node_bytes[i];
	return n;
}

static int setup(struct wl *w, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	u64 bytes = cfg->bytes ? cfg->bytes : memory_bytes() / 10 * 8;
	int n = wl_thread_count(w, the_sys->nr_cpus, e), rc = 0;

	if (n < 0)
		return n;
	st = (struct state){
		.mm = mm_create(),
		.ready = arena_alloc(&the_sys->arena, sizeof(*st.ready)),
		.nr_huge = (bytes >> PAGE_SHIFT) / (u32)n / hpage_pages() / 2,
		.pages = ((bytes >> PAGE_SHIFT) / (u32)n) & ~(hpage_pages() - 1),
	};
	if (!st.nr_huge)
		return err_set(e, -EINVAL, "--bytes: %llu is less than 4M for each of "
			       "%d threads", (unsigned long long)bytes, n);
	st.file = file_create(st.pages / 4 * (u32)n, FILE_DISK);
	if (!st.mm || !st.ready || !st.file || swapon(0))
		return err_set(e, -ENOMEM, "out of memory");
	rc = wl_start_all(w, st.mm, e);
	w->total = st.nr_huge * w->nr_threads;
	return rc;
}

/* @op of @count lines of each page. */
static int access(u64 vpn, u64 pages, u32 count, enum run_op op)
{
	struct run run[BATCH];
	int rc = 0;

	for (u64 p = 0; p < pages && !rc; ) {
		u32 n = 0;

		for (; n < BATCH && p < pages; n++, p++)
			run[n] = (struct run){ .va = (vpn + p) << PAGE_SHIFT,
					       .bytes = 8, .stride = 64,
					       .count = count, .op = op };
		rc = wl_runs(run, n);
	}
	return rc;
}

/* All of it, then the first half of each 2M is unmapped. Return: 0, an error. */
static int make_holes(void)
{
	u64 half = hpage_pages() / 2, vpn = do_mmap(st.mm, st.pages, RW);
	int rc = vpn ? access(vpn, st.pages, LINES, RUN_WRITE) : -ENOMEM;

	for (u64 p = 0; p + half < st.pages && !rc; p += hpage_pages())
		rc = do_munmap(st.mm, vpn + p, half);
	return rc;
}

static int read_file(u32 i)
{
	u64 pages = st.pages / 4;
	u64 vpn = do_mmap_file(st.mm, pages, VM_READ | VM_SHARED, st.file,
			       pages * i);

	return vpn ? access(vpn, pages, 1, RUN_READ) : -ENOMEM;
}

/* Fault, ask mincore() whether it is a huge page, fill. */
static int fault_and_fill(u64 vpn)
{
	u64 from = this_cpu->now, *pmd;
	int rc = access(vpn, 1, 1, RUN_WRITE);
	bool is_huge;

	charge_syscall();
	pmd = pgtable_entry(st.mm, vpn, PMD_LEVEL);
	is_huge = pmd && pmd_is_huge(*pmd);
	if (!rc)
		rc = access(vpn, hpage_pages(), LINES, RUN_WRITE);
	COUNT(FAULT_BASE, !is_huge);
	COUNT(FAULT_HUGE, is_huge);
	if (is_huge)
		COUNT(FAULT_HUGE_CYCLES, this_cpu->now - from);
	else
		COUNT(FAULT_BASE_CYCLES, this_cpu->now - from);
	/* getcpu() and get_mempolicy(): where it is. */
	charge_syscall();
	charge_syscall();
	return rc;
}

static void body(struct wl *w, u32 i)
{
	int rc = make_holes();
	u64 second = rc ? 0 : do_mmap(st.mm, (st.nr_huge + 1) * hpage_pages(), RW);

	rc = second ? read_file(i) : -ENOMEM;
	wl_barrier_wait(st.ready, w->nr_threads);
	for (u64 k = 0; k < st.nr_huge && !rc && !w->error; k++) {
		rc = fault_and_fill(second + k * hpage_pages());
		w->done++;
	}
	wl_failed(w, rc);
}

static const char *const defaults[] = {
	"machine", "pack:1 [numa(memory=128MiB)] core:4 pu:1", NULL
};

extern const struct workload workload_thpscale;
const struct workload workload_thpscale = {
	.name = "thpscale",
	.summary = "threads fault memory in while all of it is in halves of huge pages",
	.mirrors = "thpscale of mmtests, default configuration",
	.watch = "fault_base_cycles / fault_base, thp_split_page, flush against --kernel v6.6-arm64, v6.8-arm64",
	.unit = "2M",
	.params = params,
	.nr_params = ARRAY_LEN(params),
	.cfg_bytes = sizeof(struct cfg),
	.defaults = defaults,
	.reclaims = true,
	.setup = setup,
	.body = body,
};
