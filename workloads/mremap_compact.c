/* mremap-compact - a buffer's upper half moves away and back, where it joins the
 * lower half again, while its pages are compacted: the program that came with the
 * fix of 3.3. What to look at: stray_migration_entries, which must be 0. Compare
 * --kernel v3.1 with v3.3. */
#include <errno.h>

#include "workloads/compactor.h"
#include "workloads/workload.h"

#define RW (VM_READ | VM_WRITE)

struct cfg {
	u32 pages;
	u32 moves;
};

#define FIELD(f) .offset = offsetof(struct cfg, f), .group = "workload"

static const struct opt params[] = {
	{ .name = "pages", .kind = OPT_U32, .def = "32", .min = 2,
	  .max = 1u << 20, .unit = "pages", .help = "the buffer of each process",
	  FIELD(pages) },
	{ .name = "moves", .kind = OPT_U32, .def = "200", .min = 1,
	  .help = "times each upper half goes away and back", FIELD(moves) },
};

struct state {
	u32 *left;              /* in the arena: movers not done yet          */
	u64 vpn[MACHINE_MAX_CPUS], away[MACHINE_MAX_CPUS];
};

static int map_buffers(struct wl *w, u32 i, struct state *st, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	struct mm *mm = mm_create();
	int rc;

	if (!mm)
		return err_set(e, -ENOMEM, "out of memory");
	rc = wl_start(w, i, mm, e);
	if (!i || rc)
		return rc;
	st->vpn[i] = wl_map(mm, cfg->pages, RW);
	st->away[i] = wl_map(mm, cfg->pages, RW);
	if (!st->vpn[i] || !st->away[i])
		return err_set(e, -ENOMEM, "out of memory");
	return wl_populate(w, i, st->vpn[i], cfg->pages, e);
}

static int setup(struct wl *w, struct err *e)
{
	static struct state st;
	const struct cfg *cfg = w->cfg;
	int n = wl_thread_count(w, 2, e), rc = 0;

	if (n < 0)
		return n;
	if (n < 2)
		return err_set(e, -EINVAL, "--threads: one compacts, at least "
			       "one more moves");
	w->priv = &st;
	st.left = arena_alloc(&the_sys->arena, 64);
	if (!st.left)
		return err_set(e, -ENOMEM, "out of memory");
	*st.left = w->nr_threads - 1;
	for (u32 i = 0; i < w->nr_threads && !rc; i++)
		rc = map_buffers(w, i, &st, e);
	w->total = (u64)cfg->moves * (w->nr_threads - 1);
	return rc;
}

/* The comparison: read and store every page. */
static int visit(u64 vpn, u64 n)
{
	int rc = 0;

	for (u64 i = 0; i < n && !rc; i++) {
		struct run r = { .va = (vpn + i) << PAGE_SHIFT, .count = 64,
				 .bytes = 8, .stride = 64, .op = RUN_READ };

		rc = wl_runs(&r, 1);
		r.op = RUN_WRITE;
		if (!rc)
			rc = wl_runs(&r, 1);
	}
	return rc;
}

static int away_and_back(const struct cfg *cfg, u64 vpn, u64 away)
{
	struct mm *mm = current()->mm;
	u64 half = cfg->pages / 2, upper = vpn + cfg->pages - half;
	int rc = do_mremap(mm, upper, half, away, half);

	if (!rc)
		rc = do_mremap(mm, away, half, upper, half);
	return rc ? rc : visit(vpn, cfg->pages);
}

static int renew(const struct cfg *cfg, u64 vpn)
{
	int rc = do_mmap_fixed(current()->mm, vpn, cfg->pages, RW);

	return rc ? rc : visit(vpn, cfg->pages);
}

static void body(struct wl *w, u32 i)
{
	const struct cfg *cfg = w->cfg;
	struct state *st = w->priv;
	int rc = 0;

	if (!i) {
		compact_while(st->left, 0, 1);
		return;
	}
	for (u32 n = 0; n < cfg->moves && !rc; n++, w->done++) {
		rc = away_and_back(cfg, st->vpn[i], st->away[i]);
		/* Killed; the next one begins anew. */
		while (rc == -EFAULT)
			rc = renew(cfg, st->vpn[i]);
	}
	word_add(st->left, sizeof(*st->left), (u64)-1, cost_of(COST_LOCK));
	wl_failed(w, rc);
}

static const char *const defaults[] = { "thp", "no", NULL };

extern const struct workload workload_mremap_compact;
const struct workload workload_mremap_compact = {
	.name = "mremap-compact",
	.summary = "half of a buffer moves away and back while its pages are compacted",
	.mirrors = "the program posted with anon_vma_moveto_tail (3.3), next to a "
		   "loop of compact_memory",
	.watch = "stray_migration_entries: kernel BUGs; pgmigrate_success",
	.unit = "moves",
	.params = params,
	.nr_params = ARRAY_LEN(params),
	.cfg_bytes = sizeof(struct cfg),
	.defaults = defaults,
	.setup = setup,
	.body = body,
};
