/* apache - worker threads of a web server answer requests for a file: it is
 * mapped, sent and unmapped, and as all threads share one address space each
 * munmap flushes the file's pages from all their CPUs.
 * What to look at: requests per second against --flush, ipis_sent a request.
 *
 * A request, as a trace of httpd 2.4's system calls has it: read, stat, open, mmap
 * (shared, for reading), writev of header and mapping, munmap, close, and the next
 * read. That the file is mapped is the default (EnableMMAP) for files from 8 KiB,
 * APR_MMAP_THRESHOLD, to 4 MiB; smaller ones are read. The kernel's copy in writev
 * is what touches the pages.
 *
 * assumed: what a request takes besides, --work, half of it before the file is
 * mapped: a dozen system calls, 10 KB through TCP and parsing, of the order of
 * 30 us. Requests never run out: no thread sleeps. One process: a server with
 * several has a flush reach fewer CPUs (--processes).
 * Source: Apache httpd 2.4, mpm_event; apr_buckets_file.c.
 */
#include <errno.h>
#include <stdlib.h>

#include "mm/file.h"
#include "workloads/numa/numa.h"

#define OWN_PAGES 64u           /* as mprotect-storm's readers                */

struct cfg {
	u64 file_bytes, work_ns, requests;
	u32 processes;
};

#define FIELD(f) .offset = offsetof(struct cfg, f), .group = "workload"

static const struct opt params[] = {
	{ .name = "file", .kind = OPT_SIZE, .def = "10K", .min = PAGE_BYTES,
	  .max = 4u << 20, .unit = "bytes", .help = "the file that is served",
	  FIELD(file_bytes) },
	{ .name = "work", .kind = OPT_TIME_NS, .def = "30us", .max = 1000000000,
	  .unit = "ns", .help = "of a request, beside what maps and unmaps",
	  FIELD(work_ns) },
	{ .name = "requests", .kind = OPT_U64, .def = "200", .min = 1,
	  .help = "that each thread answers", FIELD(requests) },
	{ .name = "processes", .kind = OPT_U32, .def = "1", .min = 1,
	  .max = MACHINE_MAX_CPUS, .help = "that the threads are spread over",
	  FIELD(processes) },
};

static struct state {
	struct mm **mm;         /* [processes]                                */
	u64 *own;               /* [threads] vpn                              */
	struct address_space *f;
	u64 pages;
} st;

static int start_one(struct wl *w, u32 i, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	struct mm **mm = &st.mm[i % cfg->processes];
	int rc;

	if (!*mm)
		*mm = mm_create();
	if (!*mm)
		return err_set(e, -ENOMEM, "out of memory");
	rc = wl_start(w, i, *mm, e);
	if (rc)
		return rc;
	st.own[i] = wl_map(*mm, OWN_PAGES, VM_READ | VM_WRITE);
	if (!st.own[i])
		return err_set(e, -ENOMEM, "out of memory");
	return wl_populate(w, i, st.own[i], OWN_PAGES, e);
}

static int setup(struct wl *w, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	int n = wl_thread_count(w, the_sys->nr_cpus, e), rc = 0;

	if (n < 0)
		return n;
	st.pages = (cfg->file_bytes + PAGE_BYTES - 1) >> PAGE_SHIFT;
	st.mm = calloc(cfg->processes, sizeof(struct mm *));
	st.own = calloc((size_t)n, sizeof(*st.own));
	if (!st.mm || !st.own)
		return err_set(e, -ENOMEM, "out of memory");
	for (u32 i = 0; i < w->nr_threads && !rc; i++)
		rc = start_one(w, i, e);
	st.f = rc ? NULL : file_create(st.pages, FILE_DISK | FILE_SPARSE);
	if (!rc && !st.f)
		return err_set(e, -ENOMEM, "out of memory");
	w->total = cfg->requests * w->nr_threads;
	return rc ? rc : wl_read_file(w, 0, st.f, e);
}

/* writev() out of the mapping: the kernel reads every line. */
static int send_file(u64 vpn, u64 bytes)
{
	int rc = 0;

	for (u64 at = 0; at < bytes && !rc; at += PAGE_BYTES) {
		u64 n = bytes - at < PAGE_BYTES ? bytes - at : PAGE_BYTES;
		struct run r = { .va = (vpn << PAGE_SHIFT) + at, .bytes = 8,
				 .stride = 64, .count = (u32)((n + 63) / 64),
				 .op = RUN_READ };

		rc = wl_runs(&r, 1);
	}
	return rc;
}

static int answer(const struct cfg *cfg, struct mm *mm, u64 own)
{
	u64 half = wl_cycles(cfg->work_ns) / 2, vpn;
	int rc = wl_work(own, OWN_PAGES, half);

	if (rc)
		return rc;
	vpn = do_mmap_file(mm, st.pages, VM_READ | VM_SHARED, st.f, 0);
	if (!vpn)
		return -ENOMEM;
	rc = send_file(vpn, cfg->file_bytes);
	if (!rc)
		rc = wl_work(own, OWN_PAGES, half);
	return rc ? rc : do_munmap(mm, vpn, st.pages);
}

static void body(struct wl *w, u32 i)
{
	const struct cfg *cfg = w->cfg;
	struct mm *mm = st.mm[i % cfg->processes];
	int rc = 0;

	for (u64 n = 0; n < cfg->requests && !rc && !w->error; n++) {
		rc = answer(cfg, mm, st.own[i]);
		w->done++;
	}
	wl_failed(w, rc);
}

static void teardown(struct wl *w)
{
	free(st.mm);
	free(st.own);
	st.mm = NULL;
	st.own = NULL;
}

extern const struct workload workload_apache;
const struct workload workload_apache = {
	.name = "apache",
	.summary = "a web server's threads map, send and unmap a file a request",
	.mirrors = "Apache httpd 2.4, mpm_event, serving static files (wrk)",
	.watch = "requests per second, ipis_sent, munmap_cycles / munmap_calls",
	.unit = "requests",
	.params = params,
	.nr_params = ARRAY_LEN(params),
	.cfg_bytes = sizeof(struct cfg),
	.setup = setup,
	.body = body,
	.teardown = teardown,
};
