/* swap-bench - a process reads its memory back from the swap device page by page,
 * then has all of it written out again: an unmapping, and its flush, for each page.
 * What to look at: rounds per second against kernels that batch these flushes.
 *
 * The published program has 1 MiB of shared anonymous memory, each page of one byte
 * repeated, and does 10,000 rounds against a zRAM device.
 *
 * assumed: private memory stands for shared. Both are written out again each time
 * though only read, since what is read from zRAM leaves the device at once. Pages
 * are read in singly.
 * Source: B. Song, Y. Yang, arm64 batched TLB flushes, commit 43b3dfdd0455.
 */
#include <errno.h>
#include <stdlib.h>

#include "mm/swap.h"
#include "workloads/workload.h"

#define RW (VM_READ | VM_WRITE | VM_HUGE)

enum { DEVICE_ZRAM, DEVICE_DISK };

struct cfg {
	u64 bytes, rounds;
	int device;
};

#define FIELD(f) .offset = offsetof(struct cfg, f), .group = "workload"

static const char *const device_names[] = { "zram", "disk", NULL };

static const struct opt params[] = {
	{ .name = "bytes", .kind = OPT_SIZE, .def = "1M", .min = PAGE_BYTES,
	  .max = 1u << 30, .unit = "bytes", .help = "of each process",
	  FIELD(bytes) },
	{ .name = "rounds", .kind = OPT_U64, .def = "10", .min = 1,
	  .help = "in and out (the published program: 10,000)", FIELD(rounds) },
	{ .name = "device", .kind = OPT_ENUM, .def = "zram",
	  .names = device_names, .help = "compressed memory, or a disk that "
		  "the process waits for", FIELD(device) },
};

static struct state {
	struct mm **mm;         /* [threads]                                  */
	u64 *vpn;
	u64 pages;
} st;

static int start_one(struct wl *w, u32 i, struct err *e)
{
	int rc;

	st.mm[i] = mm_create();
	if (!st.mm[i])
		return err_set(e, -ENOMEM, "out of memory");
	rc = wl_start(w, i, st.mm[i], e);
	if (rc)
		return rc;
	st.vpn[i] = wl_map(st.mm[i], st.pages, RW);
	if (!st.vpn[i])
		return err_set(e, -ENOMEM, "out of memory");
	rc = wl_populate(w, i, st.vpn[i], st.pages, e);
	return rc ? rc : do_madvise(st.mm[i], st.vpn[i], st.pages, MADV_PAGEOUT);
}

static int setup(struct wl *w, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	int n = wl_thread_count(w, 1, e), rc;
	u64 slots;

	if (n < 0)
		return n;
	st.pages = (cfg->bytes + PAGE_BYTES - 1) >> PAGE_SHIFT;
	slots = st.pages * (u64)n + 64;
	st.mm = calloc((size_t)n, sizeof(struct mm *));
	st.vpn = calloc((size_t)n, sizeof(*st.vpn));
	if (!st.mm || !st.vpn)
		return err_set(e, -ENOMEM, "out of memory");
	rc = cfg->device == DEVICE_ZRAM ? swapon_zram((u32)slots)
					: swapon((u32)slots);
	if (rc)
		return err_set(e, -ENOMEM, "out of memory");
	for (u32 i = 0; i < w->nr_threads && !rc; i++)
		rc = start_one(w, i, e);
	w->total = cfg->rounds * w->nr_threads;
	return rc;
}

static int one_round(struct mm *mm, u64 vpn)
{
	int rc = 0;

	for (u64 p = 0; p < st.pages && !rc; p++) {
		struct run r = { .va = (vpn + p) << PAGE_SHIFT, .count = 1,
				 .bytes = 1, .op = RUN_READ };

		rc = wl_runs(&r, 1);
	}
	return rc ? rc : do_madvise(mm, vpn, st.pages, MADV_PAGEOUT);
}

static void body(struct wl *w, u32 i)
{
	const struct cfg *cfg = w->cfg;
	int rc = 0;

	for (u64 n = 0; n < cfg->rounds && !rc && !w->error; n++, w->done++)
		rc = one_round(st.mm[i], st.vpn[i]);
	wl_failed(w, rc);
}

static void teardown(struct wl *w)
{
	free(st.mm);
	free(st.vpn);
	st.mm = NULL;
	st.vpn = NULL;
}

static const char *const defaults[] = { "thp", "no", NULL };

extern const struct workload workload_swap_bench;
const struct workload workload_swap_bench = {
	.name = "swap-bench",
	.summary = "processes read their memory from swap and push it out again",
	.mirrors = "the program published with arm64's batched flushes, on zRAM",
	.watch = "rounds per second, pswpin, pswpout, flush and wait_ack",
	.unit = "rounds",
	.params = params,
	.nr_params = ARRAY_LEN(params),
	.cfg_bytes = sizeof(struct cfg),
	.defaults = defaults,
	.setup = setup,
	.body = body,
	.teardown = teardown,
};
