/* llama-cpp - processes stream through models, files mapped to be read, which do not
 * fit into the fast memory and together not into all: token for token the threads of
 * a process read their rows of each tensor. Pages are read from the disk into the
 * fast node, demoted to the slow one and dropped from there, and each time unmapped
 * while the other threads read on.
 * What to look at: elapsed, ipis_received, pgdemote_kswapd against --flush luf.
 *
 * Nothing is promoted: since 3.13 the NUMA scanner leaves mappings of files that may
 * only be read alone (numa_scan.c), --kernel v3.12 had no tiers.
 *
 * As llama.cpp's llama_mmap() (PROT_READ, MAP_SHARED) and ggml's graph threads: an
 * operation's rows are dealt out evenly, and all meet at a barrier after it.
 *
 * assumed: what a page takes to be computed with (--work): 30 us are what 882 s leave
 * for each of 70 GB, three times, read by 15 threads for 20 tokens and the prompt (the
 * number of tokens from memory); all tensors are of one size; threads sleep at the
 * barrier (ggml's spin); no MAP_POPULATE; a disk's read keeps its thread on the CPU.
 *
 * Source: the run published with LUF (RFC v10 to v12, 2024-25): three processes of 15
 * threads, models of 70 GB, 42 GB of DRAM and 98 GB of CXL memory, Xeon 6430 with 64
 * CPUs. The default machine has a thousandth of its memory, and models of a thousandth.
 */
#include <errno.h>
#include <stdlib.h>

#include "mm/file.h"
#include "mm/swap.h"
#include "workloads/numa/numa.h"

#define OWN_PAGES 4u            /* activations of a thread                    */

struct cfg {
	u64 model_bytes, tensor_bytes, tokens, work_ns;
	u32 processes;
};

#define FIELD(f) .offset = offsetof(struct cfg, f), .group = "workload"

static const struct opt params[] = {
	{ .name = "processes", .kind = OPT_U32, .def = "3", .min = 1,
	  .max = 4096, .help = "with a model each, and --threads dealt out",
	  FIELD(processes) },
	{ .name = "model", .kind = OPT_SIZE, .def = "70M", .min = PAGE_BYTES,
	  .max = 1ull << 40, .unit = "bytes",
	  .help = "of a model's file (published: 70G)", FIELD(model_bytes) },
	{ .name = "tensor", .kind = OPT_SIZE, .def = "1M", .min = PAGE_BYTES,
	  .max = 1ull << 40, .unit = "bytes",
	  .help = "read between two barriers", FIELD(tensor_bytes) },
	{ .name = "tokens", .kind = OPT_U64, .def = "3", .min = 1,
	  .max = 1u << 20, .help = "each reads all of the model",
	  FIELD(tokens) },
	{ .name = "work", .kind = OPT_TIME_NS, .def = "30us", .min = 0,
	  .max = 1000000000ull, .unit = "ns",
	  .help = "computing with 4K of the model (assumed)",
	  FIELD(work_ns) },
};

struct process {
	struct mm *mm;
	u64 model;              /* va                                         */
	u32 nr_threads;
	struct wl_barrier *barrier;
};

static struct state {
	struct process *process;
	u64 *own;               /* [threads] vpn                              */
	u64 pages, tensor_pages;
} st;

static int start_process(struct process *p, struct err *e)
{
	struct address_space *f = file_create(st.pages, FILE_DISK);
	u64 vpn;

	p->mm = mm_create();
	p->barrier = arena_alloc(&the_sys->arena, sizeof(*p->barrier));
	if (!p->mm || !p->barrier || !f)
		return err_set(e, -ENOMEM, "out of memory");
	vpn = wl_map_file(p->mm, st.pages, VM_READ | VM_SHARED | VM_MIGRATABLE,
			  f);
	p->model = vpn << PAGE_SHIFT;
	return vpn ? 0 : err_set(e, -ENOMEM, "out of memory");
}

static int start_thread(struct wl *w, u32 i, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	struct process *p = &st.process[i % cfg->processes];
	int rc = wl_start(w, i, p->mm, e);

	if (rc)
		return rc;
	p->nr_threads++;
	st.own[i] = wl_map(p->mm, OWN_PAGES, VM_READ | VM_WRITE);
	if (!st.own[i])
		return err_set(e, -ENOMEM, "out of memory");
	return wl_populate(w, i, st.own[i], OWN_PAGES, e);
}

static int setup(struct wl *w, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	u32 cpus = the_sys->nr_cpus, most = 15 * cfg->processes;
	int n = wl_thread_count(w, most < cpus ? most : cpus, e), rc = 0;

	if (n < 0)
		return n;
	if (cfg->processes > (u32)n)
		return err_set(e, -EINVAL, "%u processes, but %d thread%s: each "
			       "has one at least (--processes, --threads)",
			       cfg->processes, n, n > 1 ? "s" : "");
	st.pages = (cfg->model_bytes + PAGE_BYTES - 1) >> PAGE_SHIFT;
	st.tensor_pages = (cfg->tensor_bytes + PAGE_BYTES - 1) >> PAGE_SHIFT;
	st.process = w->priv = calloc(cfg->processes, sizeof(*st.process));
	st.own = calloc((size_t)n, sizeof(*st.own));
	if (!st.process || !st.own || swapon(0))
		return err_set(e, -ENOMEM, "out of memory");
	for (u32 i = 0; i < cfg->processes && !rc; i++)
		rc = start_process(&st.process[i], e);
	for (u32 i = 0; i < w->nr_threads && !rc; i++)
		rc = start_thread(w, i, e);
	w->total = cfg->processes * cfg->tokens * st.pages;
	return rc;
}

/* With what is read, and what of its own the thread keeps in the TLB. */
static int work_with(const struct cfg *cfg, u64 own)
{
	struct run r = { .va = own << PAGE_SHIFT, .stride = PAGE_BYTES,
			 .count = OWN_PAGES, .bytes = 8, .op = RUN_WRITE };

	wl_compute(wl_cycles(cfg->work_ns));
	return wl_runs(&r, 1);
}

/* Pages [first, end) of the model. */
static int compute(struct wl *w, u32 i, const struct process *p, u64 first,
		   u64 end)
{
	const struct cfg *cfg = w->cfg;
	int rc = 0;

	for (u64 k = first; k < end && !rc && !w->error; k++) {
		if (!wl_stream(w, p->model + (k << PAGE_SHIFT), PAGE_BYTES,
			       RUN_READ, st.pages << PAGE_SHIFT, PAGE_BYTES))
			break;
		rc = work_with(cfg, st.own[i]);
		w->done++;
	}
	return rc;
}

static void body(struct wl *w, u32 i)
{
	const struct cfg *cfg = w->cfg;
	struct process *p = &st.process[i % cfg->processes];
	u64 rank = i / cfg->processes, n = p->nr_threads;
	int rc = 0;

	for (u64 t = 0; t < cfg->tokens; t++) {
		for (u64 k = 0; k < st.pages; k += st.tensor_pages) {
			u64 rows = st.pages - k < st.tensor_pages
				? st.pages - k : st.tensor_pages;

			if (!rc && !w->error)
				rc = compute(w, i, p, k + rows * rank / n,
					     k + rows * (rank + 1) / n);
			wl_barrier_wait(p->barrier, p->nr_threads);
		}
	}
	wl_failed(w, rc);
}

static void teardown(struct wl *w)
{
	free(w->priv);
	free(st.own);
	w->priv = NULL;
	st = (struct state){ 0 };
}

static const char *const defaults[] = {
	"machine", "[numa(memory=42MiB)] [numa(memory=98MiB)] pack:1 core:32 pu:2",
	"sched", "fair", "numa_balancing", "2", "demotion_enabled", "1",
	"thp", "no", NULL
};

extern const struct workload workload_llama_cpp;
const struct workload workload_llama_cpp = {
	.name = "llama-cpp",
	.summary = "processes stream mapped models larger than the fast memory tier",
	.mirrors = "llama.cpp, three processes on tiered memory, as run for LUF",
	.unit = "pages",
	.watch = "elapsed, ipis_received, pgdemote_kswapd, pgsteal_kswapd",
	.params = params,
	.nr_params = ARRAY_LEN(params),
	.cfg_bytes = sizeof(struct cfg),
	.defaults = defaults,
	.reclaims = true,
	.setup = setup,
	.body = body,
	.teardown = teardown,
};
