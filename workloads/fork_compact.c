/* fork-compact - families of processes under constant compaction, as the races
 * of April 2010 were found: parents that fork children which fault what they
 * inherit, punch a hole into it and fault the rest, or exec.
 * What to look at: stray_migration_entries, which must be 0: each is a kernel
 * BUG. Compare --kernel v2.6.34 with v2.6.36. */
#include <errno.h>

#include "workloads/compactor.h"
#include "workloads/workload.h"

#define RW (VM_READ | VM_WRITE)
#define MAX_PAGES 512u

struct cfg {
	u32 pages;
	u32 children;
	u32 stack_pages;
	u32 holes;
	u32 compactors;
	int family;
};

enum { ALL, FAULT, HOLE, EXEC };
static const char *const families[] = { "all", "fault", "hole", "exec", NULL };

#define FIELD(f) .offset = offsetof(struct cfg, f), .group = "workload"

static const struct opt params[] = {
	{ .name = "pages", .kind = OPT_U32, .def = "16", .min = 4,
	  .max = MAX_PAGES, .unit = "pages",
	  .help = "one mapping of each parent", FIELD(pages) },
	{ .name = "children", .kind = OPT_U32, .def = "100", .min = 1,
	  .help = "forked by each parent, one after the other",
	  FIELD(children) },
	{ .name = "stack", .kind = OPT_U32, .def = "8", .min = 1, .max = 32,
	  .unit = "pages", .help = "arguments of a program that is executed",
	  FIELD(stack_pages) },
	{ .name = "holes", .kind = OPT_U32, .def = "8", .min = 1,
	  .max = MAX_PAGES, .help = "of one page, at every second page",
	  FIELD(holes) },
	{ .name = "compactors", .kind = OPT_U32, .def = "2", .min = 1,
	  .help = "threads that compact, spread over all, as one a node is",
	  FIELD(compactors) },
	{ .name = "family", .kind = OPT_ENUM, .def = "all", .names = families,
	  .help = "what children do: fault all, punch holes and fault the "
		  "rest, exec; all: parents take turns", FIELD(family) },
};

struct state {
	u32 *left;              /* in the arena: parents not done yet         */
	u64 vpn[MACHINE_MAX_CPUS];
};

/* Compactor @k is thread k * threads / compactors. Return: how many come before
 * thread @i. */
static u32 compactors_before(const struct wl *w, u32 i)
{
	const struct cfg *cfg = w->cfg;

	return (i * cfg->compactors + w->nr_threads - 1) / w->nr_threads;
}

static bool is_compactor(const struct wl *w, u32 i)
{
	return compactors_before(w, i + 1) != compactors_before(w, i);
}

static int setup(struct wl *w, struct err *e)
{
	static struct state st;
	const struct cfg *cfg = w->cfg;
	int n = wl_thread_count(w, cfg->compactors + 3, e), rc = 0;

	if (n < 0)
		return n;
	if (cfg->compactors >= w->nr_threads)
		return err_set(e, -EINVAL, "--compactors: of %u threads at least "
			       "one must fork", w->nr_threads);
	w->priv = &st;
	st.left = arena_alloc(&the_sys->arena, 64);
	if (!st.left)
		return err_set(e, -ENOMEM, "out of memory");
	*st.left = w->nr_threads - cfg->compactors;
	for (u32 i = 0; i < w->nr_threads && !rc; i++) {
		struct mm *mm = mm_create();

		if (!mm)
			return err_set(e, -ENOMEM, "out of memory");
		rc = wl_start(w, i, mm, e);
		if (is_compactor(w, i) || rc)
			continue;
		st.vpn[i] = wl_map(mm, cfg->pages, RW);
		if (!st.vpn[i])
			return err_set(e, -ENOMEM, "out of memory");
		rc = wl_populate(w, i, st.vpn[i], cfg->pages, e);
	}
	w->total = (u64)cfg->children * *st.left;
	return rc;
}

/* Store to each page. Return: 0, or the error that ends the program. */
static int fault_all(u64 vpn, u64 n)
{
	int rc = 0;

	for (u64 i = 0; i < n && !rc; i++) {
		struct run r = { .va = (vpn + i) << PAGE_SHIFT, .count = 1,
				 .bytes = 8, .op = RUN_WRITE };

		rc = wl_runs(&r, 1);
	}
	return rc;
}

/* From below: each hole cuts a piece off what is left above. */
static int punch_and_fault(u64 vpn, u64 n, u32 holes)
{
	u64 i = 0;
	int rc = 0;

	for (; i + 1 < n && i < 2 * holes && !rc; i += 2) {
		rc = do_munmap(current()->mm, vpn + i + 1, 1);
		if (!rc)
			rc = fault_all(vpn + i, 1);
	}
	return rc ? rc : fault_all(vpn + i, n - i);
}

static int exec_and_fault(u64 n)
{
	u64 stack;
	int rc = do_exec(n, n, &stack);

	return rc ? rc : fault_all(stack, n);
}

/* What met an entry that nobody removed is killed; that is counted. */
static int child(const struct cfg *cfg, int family, u64 vpn)
{
	int rc;

	switch (family) {
	case HOLE:
		rc = punch_and_fault(vpn, cfg->pages, cfg->holes);
		break;
	case EXEC:
		rc = exec_and_fault(cfg->stack_pages);
		break;
	default:
		rc = fault_all(vpn, cfg->pages);
	}
	return rc == -EFAULT ? 0 : rc;
}

/* fork(), and wait() for the child, which has this CPU meanwhile. */
static int fork_one(const struct cfg *cfg, int family, u64 vpn)
{
	struct mm *parent = current()->mm, *mm = dup_mm(parent);
	int rc;

	if (!mm)
		return -ENOMEM;
	switch_mm(mm);
	rc = child(cfg, family, vpn);
	mm = current()->mm;             /* exec has replaced it */
	switch_mm(parent);
	exit_mmap(mm);
	return rc;
}

/* A parent that is hit itself begins anew. */
static int renew(const struct cfg *cfg, u64 vpn)
{
	int rc = do_mmap_fixed(current()->mm, vpn, cfg->pages, RW);

	if (!rc)
		rc = fault_all(vpn, cfg->pages);
	return rc;
}

static void body(struct wl *w, u32 i)
{
	const struct cfg *cfg = w->cfg;
	struct state *st = w->priv;
	u32 compactor = compactors_before(w, i), parent = i - compactor;
	int family = cfg->family ? cfg->family : 1 + (int)(parent % 3), rc = 0;

	if (is_compactor(w, i)) {
		compact_while(st->left, compactor, cfg->compactors);
		return;
	}
	for (u32 n = 0; n < cfg->children && !rc; n++, w->done++) {
		rc = fork_one(cfg, family, st->vpn[i]);
		if (!rc)
			rc = fault_all(st->vpn[i], cfg->pages);
		while (rc == -EFAULT)
			rc = renew(cfg, st->vpn[i]);
	}
	word_add(st->left, sizeof(*st->left), (u64)-1, cost_of(COST_LOCK));
	wl_failed(w, rc);
}

static const char *const defaults[] = { "thp", "no", NULL };

extern const struct workload workload_fork_compact;
const struct workload workload_fork_compact = {
	.name = "fork-compact",
	.summary = "fork and fault, fork and punch a hole, fork and exec, under compaction",
	.mirrors = "the reproduction of April 2010 that found the races of migration "
		   "with fork, vma_adjust and exec",
	.watch = "stray_migration_entries: kernel BUGs; pgmigrate_success",
	.unit = "children",
	.params = params,
	.nr_params = ARRAY_LEN(params),
	.cfg_bytes = sizeof(struct cfg),
	.defaults = defaults,
	.setup = setup,
	.body = body,
};
