/* trace_edit.c - `tlbemu trace head|cut|cat`: look at the beginning, take a
 * part, join. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/progress.h"
#include "base/units.h"
#include "emu/cmd.h"
#include "emu/trace_cmds.h"
#include "workloads/run_clip.h"
#include "workloads/trace_file.h"

/* ---- head ---- */

/* As lackey writes it, so that what is printed can be imported again. */
static void print_access(u64 va, u32 bytes, u8 op)
{
	static const char *const mark[TRACE_NR_OPS] = {
		[RUN_READ] = " L", [RUN_WRITE] = " S", [RUN_FETCH] = "I ",
		[RUN_MODIFY] = " M",
	};

	printf("%s %08llx,%u\n", mark[op], (unsigned long long)va, bytes);
}

static void print_run(const struct run *r)
{
	static const char *const name[TRACE_NR_OPS] = {
		[RUN_READ] = "read", [RUN_WRITE] = "write",
		[RUN_FETCH] = "fetch", [RUN_MODIFY] = "modify",
	};

	printf("%16llx  %6s  bytes %4u  count %5u  stride %5lld\n",
	       (unsigned long long)r->va, name[r->op], r->bytes, r->count,
	       (long long)r->stride);
}

/* As Valgrind marks what is not an access, so that import passes over it. */
static void print_event(const struct trace_event *ev)
{
	static const char *const flags[] = { "anon", "shared", "fixed",
		"hugetlb", "stack", "keep", "vfork" };

	printf("==%u== %s", ev->tid, trace_event_name(ev->kind));
	if (ev->start || ev->len)
		printf(" %08llx", (unsigned long long)ev->start);
	if (ev->len)
		printf(",%llu", (unsigned long long)ev->len);
	if (ev->new_start || ev->new_len)
		printf(" to %08llx", (unsigned long long)ev->new_start);
	if (ev->new_len)
		printf(",%llu", (unsigned long long)ev->new_len);
	if (ev->kind == TRACE_MMAP || ev->kind == TRACE_MPROTECT)
		printf(" %c%c%c", ev->prot & TRACE_PROT_READ ? 'r' : '-',
		       ev->prot & TRACE_PROT_WRITE ? 'w' : '-',
		       ev->prot & TRACE_PROT_EXEC ? 'x' : '-');
	if (ev->arg || ev->kind == TRACE_MADVISE)
		printf(" %u", ev->arg);
	for (u32 i = 0; i < ARRAY_LEN(flags); i++)
		if (ev->flags & 1u << i)
			printf(" %s", flags[i]);
	putchar('\n');
}

/* Return: of @left lines, how many more. */
static u64 print_runs(const struct trace_cfg *cfg, const struct run *r,
		      size_t n, u64 left)
{
	for (size_t i = 0; i < n && left; i++) {
		if (cfg->runs) {
			print_run(&r[i]);
			left--;
			continue;
		}
		for (u32 k = 0; k < r[i].count && left; k++, left--)
			print_access(r[i].va + (u64)r[i].stride * k,
				     r[i].bytes, r[i].op);
	}
	return left;
}

/* Events come on top of the lines asked for. */
int trace_head(const struct trace_cfg *cfg, char **files, int nr_files)
{
	u64 left = cfg->nr;
	struct trace_part p;
	struct trace *t;
	struct err e;
	int ret = 0;

	if (trace_open(&t, files[0], &e))
		return complain(EXIT_USAGE, &e);
	while (left && !(ret = trace_next_part(t, &p, &e)) &&
	       (p.nr_runs || p.nr_events)) {
		left = print_runs(cfg, p.runs, p.nr_runs, left);
		for (size_t i = 0; i < p.nr_events && left; i++)
			print_event(&p.events[i]);
		if (ferror(stdout))
			break;
	}
	trace_close(t);
	if (ret)
		return complain(EXIT_USAGE, &e);
	if (fflush(stdout) || ferror(stdout)) {
		err_set(&e, -errno, "standard output: cannot write: %s",
			strerror(errno));
		return complain(EXIT_FAILED, &e);
	}
	return 0;
}

/* ---- cut and cat ---- */

struct range {
	u64 lo, bytes;
};

struct edit {
	struct trace_writer *w;
	struct progress p;
	u64 at;                 /* accesses of this source passed             */
	u64 from, count;        /* the window to keep                         */
	const struct range *va; /* NULL: any                                  */
	u32 tid;                /* who runs, by this source's events; 0: the
				 * first thread, of a trace without switches  */
	u32 thread;             /* whose accesses to keep; 0: everyone's      */
	bool is_started;        /* something of this source is kept           */
	bool is_write_error;
};

/* Addresses as head prints them, "0x" or not: LO-HI, HI not included. */
static int parse_range(const char *text, struct range *out, struct err *e)
{
	u64 hi;
	char *end;

	errno = 0;
	out->lo = strtoull(text, &end, 16);
	if (end == text || *end != '-' || strchr(text, ' ') || *text == '-')
		goto bad;
	text = end + 1;
	hi = strtoull(text, &end, 16);
	if (end == text || *end || *text == '-' || errno || hi <= out->lo)
		goto bad;
	out->bytes = hi - out->lo;
	return 0;
bad:
	return err_set(e, -EINVAL, "trace cut: --va: expected LO-HI, two "
		       "hexadecimal addresses, LO below HI");
}

static int keep_run(struct edit *ed, struct run r, struct err *e)
{
	u64 before = ed->at, skip = ed->from > before ? ed->from - before : 0;
	u64 taken = before + skip - ed->from;   /* of the window              */

	ed->at += r.count;
	if (ed->thread && ed->thread != (ed->tid ? ed->tid : 1))
		return 0;
	if (taken >= ed->count || !run_clip_count(&r, skip, ed->count - taken))
		return 0;
	if (ed->va && !run_clip_va(&r, ed->va->lo, ed->va->bytes))
		return 0;
	ed->is_write_error = trace_writer_append_run(ed->w, &r, e) != 0;
	return ed->is_write_error ? -EIO : 0;
}

static int keep_event(struct edit *ed, const struct trace_event *ev,
		      struct err *e)
{
	ed->is_write_error = trace_writer_event(ed->w, ev, e) != 0;
	return ed->is_write_error ? -EIO : 0;
}

static bool is_behind(const struct edit *ed)
{
	return ed->count < ~0ull && ed->at >= ed->from &&
	       ed->at - ed->from >= ed->count;
}

/* One thread alone is thread 1 for who reads its trace; what others do to the
 * address space it shares with them stays. */
static bool keeps_event(const struct edit *ed, const struct trace_event *ev)
{
	bool is_of_threads = ev->kind == TRACE_SWITCH ||
			     ev->kind == TRACE_CLONE ||
			     (ev->kind == TRACE_EXIT && !ev->arg);

	return ed->at >= ed->from && !(ed->thread && is_of_threads);
}

/* Events at the window's very beginning and end are in it. What came before
 * leaves one trace: which thread runs. */
static int copy_events(struct edit *ed, const struct trace_part *p,
		       struct err *e)
{
	int ret = 0;

	for (size_t i = 0; i < p->nr_events && !ret; i++) {
		if (keeps_event(ed, &p->events[i]))
			ret = keep_event(ed, &p->events[i], e);
		if (p->events[i].kind == TRACE_SWITCH)
			ed->tid = p->events[i].tid;
	}
	return ret;
}

static int copy_runs(struct edit *ed, const struct trace_part *p,
		     struct err *e)
{
	u64 after = ed->at;
	int ret = 0;

	for (size_t i = 0; i < p->nr_runs; i++)
		after += p->runs[i].count;
	if (!ed->is_started && after > ed->from) {
		ed->is_started = true;
		if (ed->tid && ed->from && !ed->thread)
			ret = keep_event(ed, &(struct trace_event){
				.kind = TRACE_SWITCH, .tid = ed->tid }, e);
	}
	for (size_t i = 0; i < p->nr_runs && !ret; i++)
		ret = keep_run(ed, p->runs[i], e);
	return ret;
}

/* A program of its own, whose address space begins empty. */
static int begin_source(struct edit *ed, const struct trace *t, struct err *e)
{
	if (!trace_writer_info(ed->w)->program[0])
		trace_writer_set_program(ed->w, trace_info(t)->program);
	ed->at = 0;
	ed->tid = 0;
	ed->is_started = false;
	if (!trace_info(t)->nr_events || !trace_writer_info(ed->w)->nr_accesses)
		return 0;
	return keep_event(ed, &(struct trace_event){ .kind = TRACE_EXEC,
						     .tid = 1 }, e);
}

/* What the edit wants of one file. */
static int copy_part(struct edit *ed, const char *path, struct err *e)
{
	u64 done = ed->p.done;
	struct trace_part p;
	struct trace *t;
	int ret = trace_open(&t, path, e);

	if (ret)
		return ret;
	ret = begin_source(ed, t, e);
	while (!ret && !is_behind(ed)) {
		ret = trace_next_part(t, &p, e);
		if (ret || (!p.nr_runs && !p.nr_events))
			break;
		ret = copy_runs(ed, &p, e);
		if (!ret)
			ret = copy_events(ed, &p, e);
		progress_to(&ed->p, done + ed->at);
	}
	trace_close(t);
	return ret;
}

static void print_result(const char *out, const struct trace_info *in)
{
	char acc[UNITS_MAX_TEXT], runs[UNITS_MAX_TEXT], pages[UNITS_MAX_TEXT];

	printf("%s: %s accesses in %s runs on %s pages of '%s'\n", out,
	       units_format_grouped(in->nr_accesses, acc),
	       units_format_grouped(in->nr_runs, runs),
	       units_format_grouped(in->nr_pages, pages), in->program);
}

static int edit(const struct trace_cfg *cfg, struct edit *ed, const char *what,
		char **files, int nr)
{
	struct trace_info info;
	struct err e;
	int ret = 0;

	if (!cfg->out || !strcmp(cfg->out, "-")) {
		err_set(&e, -EINVAL, "trace %s: expected -o FILE.tlbt", what);
		return complain(EXIT_USAGE, &e);
	}
	if (trace_writer_create(&ed->w, cfg->out, &e))
		return complain(EXIT_FAILED, &e);
	progress_start(&ed->p, cfg->progress, what, "accesses", 0);
	for (int i = 0; i < nr && !ret; i++)
		ret = copy_part(ed, files[i], &e);
	progress_end(&ed->p);
	info = *trace_writer_info(ed->w);
	if (!ret && !info.nr_accesses)
		ret = err_set(&e, -EINVAL, "trace %s: %s: no access is left%s",
			      what, files[0], !cfg->thread ? "" : " ('tlbemu "
			      "trace info' shows the threads)");
	if (ret) {
		trace_writer_abort(ed->w);
		return complain(ed->is_write_error ? EXIT_FAILED : EXIT_USAGE,
				&e);
	}
	if (cfg->name)
		trace_writer_set_program(ed->w, cfg->name);
	snprintf(info.program, sizeof(info.program), "%s",
		 trace_writer_info(ed->w)->program);
	if (trace_writer_close(ed->w, &e))
		return complain(EXIT_FAILED, &e);
	print_result(cfg->out, &info);
	return 0;
}

int trace_cut(const struct trace_cfg *cfg, char **files, int nr_files)
{
	struct range va;
	struct edit ed = {
		.from = cfg->from, .count = cfg->count ? cfg->count : ~0ull,
		.thread = cfg->thread,
	};
	struct err e;

	if (cfg->range) {
		if (parse_range(cfg->range, &va, &e))
			return complain(EXIT_USAGE, &e);
		ed.va = &va;
	}
	return edit(cfg, &ed, "cut", files, 1);
}

int trace_cat(const struct trace_cfg *cfg, char **files, int nr_files)
{
	struct edit ed = { .count = ~0ull };

	return edit(cfg, &ed, "cat", files, nr_files);
}
