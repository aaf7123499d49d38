/* vmalloc-test - each thread maps pages of the kernel's, stores to the first of
 * them and gives them back: what flushing the kernel's own translations costs, of
 * every CPU that is online.
 * What to look at: vfree's flushes (tlb_flush), interrupts (ipis_sent) and purges
 * (vmap_purges) by --flush, cycles a round.
 *
 * The loop of fix_size_alloc_test; the module's other tests differ by size and by
 * how long areas live. Its threads are kernel threads, bound to a CPU each, which
 * borrow an address space; here all have the same one. --pages is the module's
 * nr_pages, --loops its test_loop_count (1,000,000 there).
 *
 * assumed: what kmalloc, the page array and the tree of free areas take (nothing).
 * Source: Linux lib/test_vmalloc.c, from memory.
 */
#include <errno.h>

#include "mm/vmalloc.h"
#include "workloads/workload.h"

struct cfg {
	u64 pages, loops;
};

#define FIELD(f) .offset = offsetof(struct cfg, f), .group = "workload"

static const struct opt params[] = {
	{ .name = "pages", .kind = OPT_U64, .def = "1", .min = 1,
	  .max = 1u << 16, .unit = "pages", .help = "of an area (nr_pages)",
	  FIELD(pages) },
	{ .name = "loops", .kind = OPT_U64, .def = "2000", .min = 1,
	  .max = 1u << 30, .unit = "rounds", .help = "of each thread",
	  FIELD(loops) },
};

static int setup(struct wl *w, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	int n = wl_thread_count(w, the_sys->nr_cpus, e), rc = 0;
	struct mm *mm;

	if (n < 0)
		return n;
	mm = vmalloc_boot_timed() ? NULL : mm_create();
	rc = wl_start_all(w, mm, e);
	w->total = cfg->loops * w->nr_threads;
	return rc;
}

static void body(struct wl *w, u32 thread)
{
	const struct cfg *cfg = w->cfg;

	for (u64 i = 0; i < cfg->loops && !w->error; i++) {
		struct vmap_area *a = do_vmalloc(cfg->pages);
		struct run r = { .bytes = 1, .count = 1, .op = RUN_WRITE };
		int rc = a ? 0 : -ENOMEM;

		if (a) {
			r.va = a->start << PAGE_SHIFT;
			rc = wl_runs(&r, 1);
			do_vfree(a);
		}
		wl_failed(w, rc);
		w->done++;
	}
}

extern const struct workload workload_vmalloc_test;
const struct workload workload_vmalloc_test = {
	.name = "vmalloc-test",
	.summary = "kernel threads vmalloc, store and vfree",
	.mirrors = "Linux lib/test_vmalloc.c, fix_size_alloc_test",
	.watch = "tlb_flush, ipis_sent, vmap_purges, cycles a round",
	.unit = "rounds",
	.params = params,
	.nr_params = ARRAY_LEN(params),
	.cfg_bytes = sizeof(struct cfg),
	.setup = setup,
	.body = body,
};
