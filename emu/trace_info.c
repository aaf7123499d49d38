/* trace_info.c - `tlbemu trace info`: what the header says and, unless --quick,
 * what reading it all adds: every checksum and count checked, pages by use, and
 * how soon the program comes back to them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/emit.h"
#include "base/err.h"
#include "base/progress.h"
#include "base/units.h"
#include "emu/cmd.h"
#include "emu/trace_cmds.h"
#include "workloads/page_reuse.h"
#include "workloads/page_set.h"
#include "workloads/trace_file.h"

/* Sizes of LRU caches whose misses are told, in pages. */
static const u32 lru_pages[] = { 16, 64, 512, 2048, 16384 };

struct facts {
	bool is_known;          /* the whole trace was read                   */
	u64 nr_huge;            /* distinct 2 MiB pages                       */
	u32 nr_threads;         /* that accessed anything                     */
	u64 by_thread[TRACE_TID_MAX + 1];       /* accesses                   */
	struct page_reuse_result reuse;
};

/* ---- reading ---- */

struct counts {
	u64 by_op[TRACE_NR_OPS];
	u32 tid;                /* who runs                                   */
	struct page_set huge;
	struct page_reuse *reuse;
};

static int count_run(struct counts *c, struct facts *f, const struct run *r)
{
	int is_new = page_set_add(&c->huge, r->va >> 21);

	f->nr_threads += !f->by_thread[c->tid];
	f->by_thread[c->tid] += r->count;
	c->by_op[r->op] += r->count;
	f->nr_huge += is_new > 0;
	return is_new < 0 ? is_new :
		page_reuse_add(c->reuse, r->va >> PAGE_SHIFT, r->count, r->op);
}

static int count_events(struct counts *c, const struct trace_part *part,
			const char *path, struct err *e)
{
	for (size_t i = 0; i < part->nr_events; i++) {
		u32 tid = part->events[i].tid;

		if (part->events[i].kind != TRACE_SWITCH)
			continue;
		if (tid > TRACE_TID_MAX)
			return err_set(e, -EINVAL, "%s: thread %u: expected "
				       "numbers up to %u", path, tid,
				       TRACE_TID_MAX);
		c->tid = tid;
	}
	return 0;
}

/* The reader checks blocks and sums; the header's other counts are here. */
static int compare(const char *path, const struct trace_info *in,
		   const struct counts *c, const struct facts *f,
		   struct err *e)
{
	if (memcmp(c->by_op, in->nr_by_op, sizeof(c->by_op)))
		return err_set(e, -EINVAL, "%s: byte 64: the header counts "
			       "%llu reads and %llu writes, the blocks hold "
			       "%llu and %llu", path,
			       (unsigned long long)in->nr_by_op[RUN_READ],
			       (unsigned long long)in->nr_by_op[RUN_WRITE],
			       (unsigned long long)c->by_op[RUN_READ],
			       (unsigned long long)c->by_op[RUN_WRITE]);
	if (f->reuse.nr_pages != in->nr_pages)
		return err_set(e, -EINVAL, "%s: byte 48: the header counts "
			       "%llu pages, the blocks touch %llu", path,
			       (unsigned long long)in->nr_pages,
			       (unsigned long long)f->reuse.nr_pages);
	return 0;
}

static int read_all(struct trace *t, const char *path, int mode,
		    struct facts *f, struct err *e)
{
	struct counts c = { .tid = 1 };
	struct trace_part part;
	struct progress p;
	u64 done = 0;
	int ret;

	if (page_reuse_create(&c.reuse))
		return err_set(e, -ENOMEM, "%s: out of memory", path);
	progress_start(&p, mode, "info", "runs", trace_info(t)->nr_runs);
	while (!(ret = trace_next_digests(t, &part, e)) &&
	       !(ret = trace_part_runs(t, &part, e)) &&
	       (part.nr_runs || part.nr_events)) {
		if (!trace_part_check(&part)) {
			ret = err_set(e, -EINVAL, "%s: run %llu: a digest of "
				      "the next %zu runs says something else "
				      "than they do", path,
				      (unsigned long long)done, part.nr_runs);
			break;
		}
		for (size_t i = 0; i < part.nr_runs && !ret; i++)
			ret = count_run(&c, f, &part.runs[i]);
		if (!ret)
			ret = count_events(&c, &part, path, e);
		else
			err_set(e, ret, "%s: out of memory", path);
		if (ret)
			break;
		progress_to(&p, done += part.nr_runs);
	}
	progress_end(&p);
	if (!ret && page_reuse_result(c.reuse, &f->reuse))
		ret = err_set(e, -ENOMEM, "%s: out of memory", path);
	if (!ret)
		ret = compare(path, trace_info(t), &c, f, e);
	f->is_known = !ret;
	page_reuse_free(c.reuse);
	page_set_free(&c.huge);
	return ret;
}

/* ---- text ---- */

static void line(struct emit *em, u64 value, const char *what)
{
	char num[UNITS_MAX_TEXT];

	emit_note(em, "%18s      %s", units_format_grouped(value, num), what);
}

static double percent(u64 part, u64 of)
{
	return of ? 100.0 * (double)part / (double)of : 0;
}

static void share(struct emit *em, u64 value, u64 of, const char *what)
{
	char num[UNITS_MAX_TEXT], pct[UNITS_MAX_TEXT];

	emit_note(em, "%18s      %-44s # %6s %%",
		  units_format_grouped(value, num), what,
		  units_format_fixed(percent(value, of), 2, pct, sizeof(pct)));
}

static void header_text(struct emit *em, const char *path,
			const struct trace_info *in)
{
	char num[UNITS_MAX_TEXT];
	u64 all = in->nr_accesses;

	emit_note(em, " trace '%s' of '%s'", path, in->program);
	line(em, all, "accesses");
	share(em, in->nr_by_op[RUN_READ], all, "reads");
	share(em, in->nr_by_op[RUN_WRITE], all, "writes");
	share(em, in->nr_by_op[RUN_MODIFY], all, "modifies (read, then write)");
	share(em, in->nr_by_op[RUN_FETCH], all, "instruction fetches");
	line(em, in->nr_runs, "runs");
	line(em, in->nr_splits, "accesses added by page crossings");
	line(em, in->nr_pages, "distinct 4 KiB pages");
	emit_note(em, "  %016llx      lowest byte touched",
		  (unsigned long long)in->va_min);
	emit_note(em, "  %016llx      highest byte touched",
		  (unsigned long long)in->va_last);
	if (in->nr_events)
		line(em, in->nr_events, "events");
	for (u32 k = 1; k < TRACE_NR_EVENT_KINDS; k++)
		if (in->nr_by_kind[k])
			share(em, in->nr_by_kind[k], in->nr_events,
			      trace_event_name(k));
	line(em, in->file_bytes, "bytes of file");
	emit_note(em, "%18s      bytes per access",
		  units_format_fixed(all ? (double)in->file_bytes / all : 0, 3,
				     num, sizeof(num)));
}

static void facts_text(struct emit *em, const struct facts *f)
{
	const struct page_reuse_result *r = &f->reuse;
	char what[64];

	emit_note(em, " footprint");
	line(em, f->nr_huge, "distinct 2 MiB pages");
	share(em, r->nr_pages_by_op[RUN_READ], r->nr_pages, "pages read");
	share(em, r->nr_pages_by_op[RUN_WRITE], r->nr_pages, "pages written");
	share(em, r->nr_pages_by_op[RUN_MODIFY], r->nr_pages, "pages modified");
	share(em, r->nr_pages_by_op[RUN_FETCH], r->nr_pages, "pages fetched "
	      "from");
	share(em, r->nr_pages_half, r->nr_pages, "pages take half of all "
	      "accesses");
	share(em, r->nr_pages_90, r->nr_pages, "pages take 90 %");
	share(em, r->nr_pages_99, r->nr_pages, "pages take 99 %");
	for (u32 i = 0; i <= TRACE_TID_MAX && f->nr_threads > 1; i++) {
		snprintf(what, sizeof(what), "accesses by thread %u", i);
		if (f->by_thread[i])
			share(em, f->by_thread[i], r->nr_accesses, what);
	}
	emit_note(em, " page reuse");
	share(em, r->by_distance[0], r->nr_accesses, "accesses to the page "
	      "touched just before");
	for (size_t i = 0; i < ARRAY_LEN(lru_pages); i++) {
		snprintf(what, sizeof(what), "miss in the last %u pages",
			 lru_pages[i]);
		share(em, page_reuse_lru_misses(r, lru_pages[i]),
		      r->nr_accesses, what);
	}
	share(em, r->nr_first, r->nr_accesses, "first touches");
}

/* ---- CSV and JSON ---- */

static const struct emit_col cols[] = {
	{ .name = "file", .type = EMIT_STRING },
	{ .name = "program", .type = EMIT_STRING },
	{ .name = "version", .type = EMIT_U64 },
	{ .name = "accesses", .type = EMIT_U64 },
	{ .name = "reads", .type = EMIT_U64 },
	{ .name = "writes", .type = EMIT_U64 },
	{ .name = "modifies", .type = EMIT_U64 },
	{ .name = "fetches", .type = EMIT_U64 },
	{ .name = "runs", .type = EMIT_U64 },
	{ .name = "nr_pages", .type = EMIT_U64 },
	{ .name = "splits", .type = EMIT_U64 },
	{ .name = "va_min", .type = EMIT_U64 },
	{ .name = "va_last", .type = EMIT_U64 },
	{ .name = "file_bytes", .unit = "bytes", .type = EMIT_U64 },
	{ .name = "events", .type = EMIT_U64 },
	/* ORDER trace_event_kind, from mmap to switch */
	{ .name = "mmap", .unit = "events", .type = EMIT_U64 },
	{ .name = "munmap", .unit = "events", .type = EMIT_U64 },
	{ .name = "mprotect", .unit = "events", .type = EMIT_U64 },
	{ .name = "madvise", .unit = "events", .type = EMIT_U64 },
	{ .name = "mremap", .unit = "events", .type = EMIT_U64 },
	{ .name = "brk", .unit = "events", .type = EMIT_U64 },
	{ .name = "fork", .unit = "events", .type = EMIT_U64 },
	{ .name = "exec", .unit = "events", .type = EMIT_U64 },
	{ .name = "clone", .unit = "events", .type = EMIT_U64 },
	{ .name = "exit", .unit = "events", .type = EMIT_U64 },
	{ .name = "switch", .unit = "events", .type = EMIT_U64 },
	{ .name = "threads", .type = EMIT_U64 },
	{ .name = "nr_pages_2m", .type = EMIT_U64 },
	{ .name = "nr_pages_read", .type = EMIT_U64 },
	{ .name = "nr_pages_written", .type = EMIT_U64 },
	{ .name = "nr_pages_modified", .type = EMIT_U64 },
	{ .name = "nr_pages_fetched", .type = EMIT_U64 },
	{ .name = "nr_pages_50", .type = EMIT_U64 },
	{ .name = "nr_pages_90", .type = EMIT_U64 },
	{ .name = "nr_pages_99", .type = EMIT_U64 },
	{ .name = "same_page", .unit = "accesses", .type = EMIT_U64 },
	{ .name = "first_touches", .unit = "accesses", .type = EMIT_U64 },
	/* ORDER lru_pages */
	{ .name = "lru_misses_16", .unit = "accesses", .type = EMIT_U64 },
	{ .name = "lru_misses_64", .unit = "accesses", .type = EMIT_U64 },
	{ .name = "lru_misses_512", .unit = "accesses", .type = EMIT_U64 },
	{ .name = "lru_misses_2048", .unit = "accesses", .type = EMIT_U64 },
	{ .name = "lru_misses_16384", .unit = "accesses", .type = EMIT_U64 },
};

#define NR_HEADER_COLS (14u + TRACE_NR_EVENT_KINDS)

static void facts_cells(struct emit *em, const struct facts *f)
{
	const struct page_reuse_result *r = &f->reuse;
	static const u8 ops[] = { RUN_READ, RUN_WRITE, RUN_MODIFY, RUN_FETCH };

	if (!f->is_known) {
		for (size_t i = NR_HEADER_COLS; i < ARRAY_LEN(cols); i++)
			emit_na(em);
		return;
	}
	emit_u64(em, f->nr_threads);
	emit_u64(em, f->nr_huge);
	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		emit_u64(em, r->nr_pages_by_op[ops[i]]);
	emit_u64(em, r->nr_pages_half);
	emit_u64(em, r->nr_pages_90);
	emit_u64(em, r->nr_pages_99);
	emit_u64(em, r->by_distance[0]);
	emit_u64(em, r->nr_first);
	for (size_t i = 0; i < ARRAY_LEN(lru_pages); i++)
		emit_u64(em, page_reuse_lru_misses(r, lru_pages[i]));
}

static void row(struct emit *em, const char *path,
		const struct trace_info *in, const struct facts *f)
{
	emit_str(em, path);
	emit_str(em, in->program);
	emit_u64(em, in->version);
	emit_u64(em, in->nr_accesses);
	emit_u64(em, in->nr_by_op[RUN_READ]);
	emit_u64(em, in->nr_by_op[RUN_WRITE]);
	emit_u64(em, in->nr_by_op[RUN_MODIFY]);
	emit_u64(em, in->nr_by_op[RUN_FETCH]);
	emit_u64(em, in->nr_runs);
	emit_u64(em, in->nr_pages);
	emit_u64(em, in->nr_splits);
	emit_u64(em, in->va_min);
	emit_u64(em, in->va_last);
	emit_u64(em, in->file_bytes);
	emit_u64(em, in->nr_events);
	for (u32 k = 1; k < TRACE_NR_EVENT_KINDS; k++)
		emit_u64(em, in->nr_by_kind[k]);
	facts_cells(em, f);
	emit_row(em);
}

static int one_file(const struct trace_cfg *cfg, const char *path,
		    struct emit *em, struct err *e)
{
	struct facts f = { 0 };
	struct trace *t;
	int ret = trace_open(&t, path, e);

	if (ret)
		return ret;
	if (!cfg->is_quick)
		ret = read_all(t, path, cfg->progress, &f, e);
	if (!ret && emit_kind_of(em) != EMIT_TABLE) {
		row(em, path, trace_info(t), &f);
	} else if (!ret) {
		header_text(em, path, trace_info(t));
		if (f.is_known)
			facts_text(em, &f);
	}
	trace_close(t);
	return ret;
}

int trace_info_of(const struct trace_cfg *cfg, char **files, int nr_files)
{
	const struct emit_cfg ec = { .path = cfg->out };
	struct emit *em;
	struct err e;
	int ret;

	ret = emit_create(&em, &ec, &e);
	if (ret)
		return complain(ret == -EINVAL ? EXIT_USAGE : EXIT_FAILED, &e);
	if (emit_kind_of(em) != EMIT_TABLE)
		emit_table(em, &(struct emit_table){
			.name = "traces", .cols = cols,
			.nr_cols = ARRAY_LEN(cols),
		});
	for (int i = 0; i < nr_files; i++) {
		ret = one_file(cfg, files[i], em, &e);
		if (ret) {
			emit_discard(em);
			return complain(ret == -ENOMEM ? EXIT_FAILED :
					EXIT_USAGE, &e);
		}
	}
	ret = emit_close(em, &e);
	return ret ? complain(EXIT_FAILED, &e) : 0;
}
