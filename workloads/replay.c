/* replay - recorded traces of real programs as threads or processes.
 *
 * Address space: every 2M-aligned piece that a trace touches (with base pages other
 * than 4K: as much as 512 of them, or a large page, whichever is more) is mapped,
 * pieces that adjoin as one anonymous VMA, found by reading the traces through before
 * the clock starts. Pages come in on first touch, through the modelled kernel.
 * A trace without events says nothing of mmap and munmap, so nothing is ever
 * unmapped; for one with events see replay_events.c.
 * Addresses must be user addresses of the machine, as most traces' are: below
 * 2^47 with four levels of tables. */
#include <errno.h>
#include <stdlib.h>

#include "workloads/footprint.h"
#include "workloads/replay_events.h"
#include "workloads/workload.h"

enum as { AS_THREADS, AS_PROCESSES };
static const char *const as_names[] = { "threads", "processes", NULL };

struct cfg {
	int as;
	u32 loops;
	u32 huge_from;
	bool is_prefaulted;
	bool with_events;
};

#define FIELD(f) .offset = offsetof(struct cfg, f), .group = "workload"

static const struct opt params[] = {
	{ .name = "as", .kind = OPT_ENUM, .def = "threads", .names = as_names,
	  .help = "several traces are threads of one process, or processes",
	  FIELD(as) },
	{ .name = "loops", .kind = OPT_U32, .def = "1", .min = 1,
	  .help = "times each trace is played", FIELD(loops) },
	{ .name = "prefault", .kind = OPT_BOOL,
	  .help = "every page of the traces is mapped and dirty before the "
		  "clock starts, and the TLBs are empty: no faults",
	  FIELD(is_prefaulted) },
	{ .name = "events", .kind = OPT_BOOL, .def = "yes",
	  .help = "what a trace says of mappings and threads happens; "
		  "--no-events: its accesses alone, one thread, mapped from "
		  "the start", FIELD(with_events) },
	{ .name = "huge-from", .kind = OPT_U32, .def = "1", .min = 1,
	  .max = PIECE_PAGES, .unit = "pages",
	  .help = "with --thp, huge pages only where a trace touches so many "
		  "4K pages of the 2M", FIELD(huge_from) },
};

struct state {
	struct trace **trace;   /* [nr_threads] thread i plays file i mod n   */
	u32 nr;
	struct replay_events *events;   /* NULL: the traces have none         */
};

/* The pieces of one large page, or one piece. */
struct lot {
	u64 vpn;
	u32 nr_pieces;
	bool is_huge;
};

static u64 lot_pages(void)
{
	return hpage_pages() > PIECE_PAGES ? hpage_pages() : PIECE_PAGES;
}

/* From piece @i of @f on. */
static struct lot lot_at(const struct footprint *f, u32 i, u32 huge_from)
{
	struct lot l = { .vpn = f->piece[i].vpn & ~(lot_pages() - 1) };
	u32 n = 0;

	for (; i < f->nr && f->piece[i].vpn < l.vpn + lot_pages(); i++) {
		n += piece_pages(&f->piece[i]);
		l.nr_pieces++;
	}
	l.is_huge = n >= huge_from;
	return l;
}

/* Adjoining lots that are all worth a huge page, or all not, are one VMA. */
static int map(struct mm *mm, struct footprint *f, u32 huge_from,
	       struct err *e)
{
	const u32 flags = VM_READ | VM_WRITE | VM_MIGRATABLE;
	u32 i = 0;

	footprint_sort(f);
	while (i < f->nr) {
		struct lot first = lot_at(f, i, huge_from), l = first;
		u64 end = first.vpn;

		do {
			end += lot_pages();
			i += l.nr_pieces;
			if (i < f->nr)
				l = lot_at(f, i, huge_from);
		} while (i < f->nr && l.vpn == end &&
			 l.is_huge == first.is_huge);
		if (!vma_add(mm, first.vpn, end - first.vpn,
			     flags | (first.is_huge ? VM_HUGE : 0)))
			return err_set(e, -ENOMEM, "out of memory");
	}
	return 0;
}

/* Thread @i stores once to each page; what is there already stays. */
static int prefault(struct wl *w, u32 i, const struct footprint *f,
		    struct err *e)
{
	int rc = 0;

	for (u32 k = 0; k < f->nr && !rc; k++)
		for (u32 page = 0; page < PIECE_PAGES && !rc; page++)
			if (piece_has(&f->piece[k], page))
				rc = wl_populate(w, i, f->piece[k].vpn + page,
						 1, e);
	this_cpu = &the_sys->cpu[w->cpu_of[i]];
	cpu_load_cr3(this_cpu->s->root, this_cpu->s->pcid, true);
	return rc;
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

/* An address space of its own for each trace. */
static int setup_processes(struct wl *w, struct state *st, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	int rc = 0;

	for (u32 i = 0; i < w->nr_threads && !rc; i++) {
		struct footprint f = { 0 };
		struct mm *mm = mm_create();

		rc = mm ? wl_start(w, i, mm, e)
			: err_set(e, -ENOMEM, "out of memory");
		if (!rc)
			rc = footprint_add_trace(&f, st->trace[i],
						 w->files[i % w->nr_files],
						 task_size(), e);
		if (!rc)
			rc = map(mm, &f, cfg->huge_from, e);
		if (!rc && cfg->is_prefaulted)
			rc = prefault(w, i, &f, e);
		footprint_release(&f);
	}
	return rc;
}

/* One for all; each file is read once. With prefaults thread 0 touches all of
 * it first, so it all lies on that thread's node while there is room. */
static int setup_threads(struct wl *w, struct state *st, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	struct footprint f = { 0 };
	struct mm *mm = mm_create();
	int rc = mm ? 0 : err_set(e, -ENOMEM, "out of memory");

	for (u32 i = 0; i < w->nr_threads && !rc; i++) {
		rc = wl_start(w, i, mm, e);
		if (!rc && i < w->nr_files)
			rc = footprint_add_trace(&f, st->trace[i], w->files[i],
						 task_size(), e);
	}
	if (!rc)
		rc = map(mm, &f, cfg->huge_from, e);
	if (!rc && cfg->is_prefaulted)
		rc = prefault(w, 0, &f, e);
	footprint_release(&f);
	return rc;
}

static int setup_events(struct wl *w, struct state *st, struct err *e)
{
	const struct cfg *cfg = w->cfg;

	if (page_shift != PAGE_SHIFT)
		return err_set(e, -EINVAL, "replay: the program mapped 4K pages, "
			       "which a larger granule does not have: "
			       "--no-events plays its accesses alone");
	if (cfg->as == AS_THREADS && w->nr_files > 1)
		return err_set(e, -EINVAL, "replay: a trace with events is a "
			       "process of its own: --as processes");
	if (cfg->is_prefaulted)
		return err_set(e, -EINVAL, "replay: --prefault: a trace with "
			       "events maps and unmaps as it goes; "
			       "--no-events plays its accesses alone");
	return replay_events_setup(&st->events, w, cfg->loops, e);
}

static int setup(struct wl *w, struct err *e)
{
	const struct cfg *cfg = w->cfg;
	struct state *st = calloc(1, sizeof(*st));
	int rc;

	w->priv = st;
	if (!st)
		return err_set(e, -ENOMEM, "out of memory");
	rc = cfg->with_events ? replay_has_events(w, e) : 0;
	if (rc)
		return rc < 0 ? rc : setup_events(w, st, e);
	rc = wl_thread_count(w, w->nr_files, e);
	if (rc > 0)
		rc = open_traces(w, st, e);
	if (!rc)
		rc = cfg->as == AS_PROCESSES ? setup_processes(w, st, e)
					     : setup_threads(w, st, e);
	for (u32 i = 0; i < st->nr && !rc; i++)
		w->total += trace_info(st->trace[i])->nr_accesses * cfg->loops;
	return rc;
}

static int play_runs(struct wl *w, const struct run *r, size_t n,
		     struct err *e)
{
	int rc = cpu_run_many(r, n);

	return rc ? err_set(e, -E2BIG, "replay: after %llu pages " WL_FULL,
			    (unsigned long long)current()->mm->rss) : 0;
}

/* The runs that @d sums up; they are @at of the part. */
static int play_digest(struct wl *w, struct trace *t, struct trace_part *p,
		       const struct run_digest *d, size_t at, struct err *e)
{
	int rc = 0;

	if (d->lead.count)
		rc = play_runs(w, &d->lead, 1, e);
	if (rc || !d->nr_runs || cpu_run_digest(d))
		return rc;
	rc = trace_part_runs(t, p, e);
	return rc ? rc : play_runs(w, p->runs + at + (d->lead.count != 0),
				   d->nr_runs, e);
}

/* By batches of TRACE_BATCH runs, which digests do not cross. */
static int play_part(struct wl *w, struct trace *t, struct trace_part *p,
		     struct err *e)
{
	const struct run_digest *d = p->digests;
	const u64 *accesses = &this_cpu->count.v[CTR_ACCESSES];
	size_t at = 0;
	int rc = 0;

	while (at < p->nr_runs && !rc && !w->error) {
		size_t end = at + TRACE_BATCH - at % TRACE_BATCH;
		u64 before = *accesses;

		if (end > p->nr_runs)
			end = p->nr_runs;
		if (!p->nr_digests) {
			rc = play_runs(w, p->runs + at, end - at, e);
			at = end;
		}
		for (; at < end && !rc; at += digest_runs(d++))
			rc = play_digest(w, t, p, d, at, e);
		the_sys->os.user_tick();
		w->done += *accesses - before;
	}
	return rc;
}

static int play(struct wl *w, struct trace *t, struct err *e)
{
	int (*next)(struct trace *, struct trace_part *, struct err *) =
		cpu_takes_digests() ? trace_next_digests : trace_next_part;
	struct trace_part p;
	int rc;

	while (!(rc = next(t, &p, e)) && !w->error &&
	       (p.nr_runs || p.nr_events)) {
		rc = play_part(w, t, &p, e);
		if (rc)
			return rc;
	}
	return rc ? rc : trace_rewind(t, e);
}

static void body(struct wl *w, u32 i)
{
	const struct cfg *cfg = w->cfg;
	struct state *st = w->priv;
	struct err e;

	if (st->events) {
		replay_events_body(st->events, w, i);
		return;
	}
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
	if (st) {
		replay_events_free(st->events);
		free(st->trace);
	}
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
	.unit = "accesses",
	.params = params,
	.nr_params = ARRAY_LEN(params),
	.cfg_bytes = sizeof(struct cfg),
	.defaults = defaults,
	.takes_files = "TRACE.tlbt...",
	.setup = setup,
	.body = body,
	.teardown = teardown,
};
