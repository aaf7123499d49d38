/* pmbench-migrate - threads of one program touch its pages at random while
 * another process moves all of them from one node to the other and back.
 * What to look at: pgmigrate_success and ipis_sent per time, by kernel: v6.1
 * flushes for every page, v6.3 for 512. */
#include <errno.h>

#include "workloads/workload.h"

#define BATCH 32u
#define LIST 512u

struct cfg {
	u64 pages;
	u32 rounds;
	u32 writes;
	u32 accesses;
	bool is_read_only;
};

#define FIELD(f) .offset = offsetof(struct cfg, f), .group = "workload"

static const struct opt params[] = {
	{ .name = "pages", .kind = OPT_U64, .def = "4096", .min = 1,
	  .max = 1ull << 28, .unit = "pages",
	  .help = "4K pages that are touched and moved", FIELD(pages) },
	{ .name = "rounds", .kind = OPT_U32, .def = "2", .min = 1,
	  .max = 1u << 20, .help = "times that all pages move",
	  FIELD(rounds) },
	{ .name = "writes", .kind = OPT_U32, .def = "50", .max = 100,
	  .unit = "%", .help = "share of touches that store",
	  FIELD(writes) },
	{ .name = "accesses", .kind = OPT_U32, .def = "1", .min = 1,
	  .max = 1u << 20, .help = "accesses per touch", FIELD(accesses) },
	{ .name = "read-only", .kind = OPT_BOOL,
	  .help = "mprotect takes the right to write first, nobody stores: "
		  "what flushes put off until reuse are for",
	  FIELD(is_read_only) },
};

static struct state {
	struct mm *mm;
	u64 vpn;
	u32 *left;              /* in the arena                               */
} st;

enum { MOVER = 0, FIRST_USER = 1 };

static int setup(struct wl *w, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	int n = wl_thread_count(w, the_sys->nr_cpus, e), rc = 0;

	if (n < 0)
		return n;
	if (n < 2 || the_sys->m->nr_nodes < 2)
		return err_set(e, -EINVAL, "pmbench-migrate: takes two threads "
			       "or more and two nodes (--threads, --machine)");
	st.mm = mm_create();
	st.left = arena_alloc(&the_sys->arena, 64);
	if (!st.mm || !st.left)
		return err_set(e, -ENOMEM, "out of memory");
	*st.left = 1;
	for (u32 i = 0; i < w->nr_threads && !rc; i++) {
		struct mm *mm = i == MOVER ? mm_create() : st.mm;

		rc = mm ? wl_start(w, i, mm, e)
			: err_set(e, -ENOMEM, "out of memory");
	}
	st.vpn = rc ? 0 : wl_map(st.mm, cfg->pages,
			       VM_READ | VM_WRITE | VM_HUGE);
	if (!rc && !st.vpn)
		rc = err_set(e, -ENOMEM, "out of memory");
	w->total = cfg->pages * cfg->rounds;
	return rc ? rc : wl_populate(w, FIRST_USER, st.vpn, cfg->pages, e);
}

static u64 entry_of(u64 vpn)
{
	u64 *p = pgtable_entry(st.mm, vpn, PMD_LEVEL);

	if (!p || !pmd_is_huge(*p))
		p = pgtable_entry(st.mm, vpn, 0);
	return p ? pte_load(p) : 0;
}

/* As move_pages() finds them: what is there, table by table; a huge page once. */
static u32 collect(u64 *from, u64 end, u64 *pfn)
{
	u32 n = 0;

	for (; *from < end && n < LIST; ++*from) {
		u64 e = entry_of(*from), head;

		if (!(e & PTE_P))
			continue;
		head = pfn_of(compound_head(page_of(pte_pfn(e))));
		if (!n || pfn[n - 1] != head)
			pfn[n++] = head;
		if (e & PTE_PS)
			*from |= hpage_pages() - 1;
	}
	return n;
}

static void move_all(struct wl *w)
{
	const struct cfg *cfg = w->cfg;
	u32 node = page_of(pte_pfn(entry_of(st.vpn)))->node;
	const u64 *moved = &this_cpu->count.v[CTR_PGMIGRATE_SUCCESS];
	u64 pfn[LIST];

	for (u32 r = 0; r < cfg->rounds; r++) {
		u64 at = st.vpn;

		node = (node + 1) % the_sys->m->nr_nodes;
		while (at < st.vpn + cfg->pages) {
			u32 n = collect(&at, st.vpn + cfg->pages, pfn);

			u64 before = *moved;

			(void)migrate_pages(pfn, n, node);
			w->done += *moved - before;
		}
	}
	word_add(st.left, sizeof(*st.left), (u64)-1, cost_of(COST_LOCK));
}

static int touch_all(const struct cfg *cfg, struct rng *rng)
{
	struct run run[BATCH];
	int rc = 0;

	while (READ_ONCE(*st.left) && !rc) {
		for (u32 k = 0; k < BATCH; k++)
			run[k] = (struct run){
				.va = (st.vpn + rng_below(rng, cfg->pages)) <<
				      PAGE_SHIFT,
				.count = cfg->accesses, .bytes = 8,
				.op = !cfg->is_read_only &&
				      rng_chance(rng, cfg->writes, 100)
					? RUN_WRITE : RUN_READ,
			};
		rc = wl_runs(run, BATCH);
	}
	return rc;
}

static void body(struct wl *w, u32 i)
{
	const struct cfg *cfg = w->cfg;
	struct rng rng, seed;
	int rc = 0;

	if (i == MOVER) {
		move_all(w);
		return;
	}
	rng_init(&seed, w->seed);
	rng_split(&seed, i, &rng);
	if (cfg->is_read_only && i == FIRST_USER)
		rc = do_mprotect(st.mm, st.vpn, cfg->pages, VM_READ);
	if (!rc)
		rc = touch_all(cfg, &rng);
	if (rc)
		wl_fail(w, rc, "pmbench-migrate: a page fault failed");
}

static const char *const defaults[] = { "thp", "no", NULL };

extern const struct workload workload_pmbench_migrate;
const struct workload workload_pmbench_migrate = {
	.name = "pmbench-migrate",
	.summary = "threads touch pages at random, all of which move between nodes",
	.mirrors = "pmbench beside migratepages(8), as in the commit that batched migration",
	.watch = "pgmigrate_success per second, ipis_sent, by kernel",
	.unit = "pages moved",
	.params = params,
	.nr_params = ARRAY_LEN(params),
	.cfg_bytes = sizeof(struct cfg),
	.defaults = defaults,
	.setup = setup,
	.body = body,
};
