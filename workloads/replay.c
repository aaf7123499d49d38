/* replay - recorded traces of real programs as threads or processes.
 *
 * Address space: every 2M-aligned piece that a trace touches is mapped, pieces
 * that adjoin as one anonymous VMA, found by reading the traces through before
 * the clock starts. Pages come in on first touch, through the modelled kernel.
 * A trace says nothing of mmap and munmap, so nothing is ever unmapped.
 * Addresses must be below 2^47, as user addresses are. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/trace_file.h"
#include "workloads/workload.h"

/* Runs between two looks at the timer. */
#define BATCH 256u
#define PIECE_SHIFT 21u

enum as { AS_THREADS, AS_PROCESSES };
static const char *const as_names[] = { "threads", "processes", NULL };

struct cfg {
	int as;
	u32 loops;
};

#define FIELD(f) .offset = offsetof(struct cfg, f), .group = "workload"

static const struct opt params[] = {
	{ .name = "as", .kind = OPT_ENUM, .def = "threads", .names = as_names,
	  .help = "several traces are threads of one process, or processes",
	  FIELD(as) },
	{ .name = "loops", .kind = OPT_U32, .def = "1", .min = 1,
	  .help = "times each trace is played", FIELD(loops) },
};

struct state {
	struct trace **trace;   /* [nr_threads] thread i plays file i mod n   */
	u32 nr;
};

struct pieces {
	u64 *v;
	size_t n, room;
};

static int piece_add(struct pieces *p, u64 piece)
{
	/* Programs stay where they are for a while. */
	for (size_t i = p->n; i-- > 0 && i + 8 >= p->n; )
		if (p->v[i] == piece)
			return 0;
	if (p->n == p->room) {
		size_t room = p->room ? 2 * p->room : 1024;
		u64 *v = realloc(p->v, room * sizeof(*v));

		if (!v)
			return -ENOMEM;
		p->v = v;
		p->room = room;
	}
	p->v[p->n++] = piece;
	return 0;
}

static int by_value(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static void pieces_sort(struct pieces *p)
{
	size_t n = 0;

	qsort(p->v, p->n, sizeof(*p->v), by_value);
	for (size_t i = 0; i < p->n; i++)
		if (!n || p->v[n - 1] != p->v[i])
			p->v[n++] = p->v[i];
	p->n = n;
}

static int pieces_of(struct trace *t, const char *path, struct pieces *p,
		     struct err *e)
{
	const struct run *r;
	size_t n;
	int rc;

	while (!(rc = trace_next(t, &r, &n, e)) && n) {
		for (size_t i = 0; i < n; i++) {
			if (r[i].va >> 47)
				return err_set(e, -EINVAL, "%s: address 0x%llx "
					       "is not a user address (below "
					       "2^47)", path,
					       (unsigned long long)r[i].va);
			if (piece_add(p, r[i].va >> PIECE_SHIFT))
				return err_set(e, -ENOMEM, "out of memory");
		}
		if (p->n > 1u << 20)
			pieces_sort(p);
	}
	return rc ? rc : trace_rewind(t, e);
}

static int map(struct mm *mm, struct pieces *p, struct err *e)
{
	u64 per = 1ull << (PIECE_SHIFT - PAGE_SHIFT);

	pieces_sort(p);
	for (size_t i = 0, k; i < p->n; i = k) {
		for (k = i + 1; k < p->n && p->v[k] == p->v[k - 1] + 1; k++)
			;
		if (!vma_add(mm, p->v[i] * per, (k - i) * per, VM_READ |
			     VM_WRITE | VM_HUGE | VM_MIGRATABLE))
			return err_set(e, -ENOMEM, "out of memory");
	}
	return 0;
}

static int open_traces(struct wl *w, struct state *st, struct err *e)
{
	st->trace = calloc(w->nr_threads, sizeof(*st->trace));
	if (!st->trace)
		return err_set(e, -ENOMEM, "out of memory");
	st->nr = w->nr_threads;
	for (u32 i = 0; i < st->nr; i++) {
		int rc = trace_open(&st->trace[i], w->files[i % w->nr_files], e);

		if (rc)
			return rc;
	}
	return 0;
}

static int setup(struct wl *w, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	struct state *st = calloc(1, sizeof(*st));
	struct pieces p = { 0 };
	struct mm *mm = NULL;
	int rc;

	w->priv = st;
	if (!st)
		return err_set(e, -ENOMEM, "out of memory");
	rc = wl_thread_count(w, w->nr_files, e);
	if (rc > 0)
		rc = open_traces(w, st, e);
	for (u32 i = 0; i < w->nr_threads && !rc; i++) {
		/* Threads share one set of pieces, each file read once. */
		if (cfg->as == AS_PROCESSES)
			p.n = 0;
		if (cfg->as == AS_PROCESSES || i < w->nr_files)
			rc = pieces_of(st->trace[i], w->files[i % w->nr_files],
				       &p, e);
		if (!rc && (!mm || cfg->as == AS_PROCESSES)) {
			mm = mm_create();
			if (!mm)
				rc = err_set(e, -ENOMEM, "out of memory");
		}
		if (!rc && cfg->as == AS_PROCESSES)
			rc = map(mm, &p, e);
		if (!rc)
			rc = wl_start(w, i, mm, e);
		if (!rc)
			w->total += trace_info(st->trace[i])->nr_accesses *
				cfg->loops;
	}
	if (!rc && cfg->as == AS_THREADS)
		rc = map(mm, &p, e);
	w->unit = "accesses";
	free(p.v);
	return rc;
}

static int play(struct wl *w, struct trace *t, struct err *e)
{
	const struct run *r;
	size_t n;
	int rc;

	while (!(rc = trace_next(t, &r, &n, e)) && n) {
		for (size_t i = 0; i < n; i += BATCH) {
			size_t k = n - i < BATCH ? n - i : BATCH;
			u64 before = this_cpu->count.v[CTR_ACCESSES];

			rc = wl_runs(r + i, k);
			if (rc || w->error)
				return rc ? err_set(e, -E2BIG, "replay: the "
						    "machine's memory is full "
						    "after %llu pages",
						    (unsigned long long)
						    current()->mm->rss) : 0;
			w->done += this_cpu->count.v[CTR_ACCESSES] - before;
		}
	}
	return rc ? rc : trace_rewind(t, e);
}

static void body(struct wl *w, u32 i)
{
	const struct cfg *cfg = w->cfg;
	struct state *st = w->priv;
	struct err e;

	for (u32 n = 0; n < cfg->loops && !w->error; n++) {
		int rc = play(w, st->trace[i], &e);

		if (rc)
			wl_fail(w, rc, "%s", e.text);
	}
}

static void teardown(struct wl *w)
{
	struct state *st = w->priv;

	for (u32 i = 0; st && st->trace && i < st->nr; i++)
		if (st->trace[i])
			trace_close(st->trace[i]);
	if (st)
		free(st->trace);
	free(st);
	w->priv = NULL;
}

/* Whole 2M pieces are mapped, so huge pages would reach beyond what the program
 * had. */
static const char *const defaults[] = { "thp", "no", NULL };

extern const struct workload workload_replay;
const struct workload workload_replay = {
	.name = "replay",
	.summary = "recorded memory traces of real programs",
	.mirrors = "the recorded program, less its system calls",
	.watch = "dTLB misses, walks, faults",
	.params = params,
	.nr_params = ARRAY_LEN(params),
	.cfg_bytes = sizeof(struct cfg),
	.defaults = defaults,
	.takes_files = "TRACE.tlbt...",
	.setup = setup,
	.body = body,
	.teardown = teardown,
};
