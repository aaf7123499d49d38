/* trace_import.c - `tlbemu trace import`: what other tools recorded, into a
 * compact trace. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/progress.h"
#include "base/units.h"
#include "emu/cmd.h"
#include "emu/import.h"
#include "emu/trace_cmds.h"
#include "workloads/trace_file.h"

struct importer {
	struct import *im;
	struct trace_writer *w;
	u64 left;               /* accesses still to take                     */
	bool is_write_error;
	bool with_threads;
	u32 running;            /* thread of the last access, from 1; 0: none */
	u32 nr_tids;
	u32 tid[TRACE_TID_MAX]; /* [thread - 1] as the recording has them     */
};

static void show_progress(void *arg, u64 bytes)
{
	progress_to(arg, bytes);
}

/* DIR/ls.lackey.txt becomes ls.lackey.tlbt in the current directory. */
static char *default_output(const char *in)
{
	const char *base = strrchr(in, '/');
	const char *dot;
	char *out;
	int len;

	base = base ? base + 1 : in;
	dot = strrchr(base, '.');
	len = dot && dot != base ? (int)(dot - base) : (int)strlen(base);
	return asprintf(&out, "%.*s.tlbt", len, base) < 0 ? NULL : out;
}

static int check_output(int in, const char *in_path, const char *out,
			struct err *e)
{
	struct stat a, b;

	if (!strcmp(out, "-"))
		return err_set(e, -EINVAL, "trace import: -o -: a trace is "
			       "written to a file, not to standard output");
	if (!fstat(in, &a) && S_ISREG(a.st_mode) && !stat(out, &b) &&
	    a.st_dev == b.st_dev && a.st_ino == b.st_ino)
		return err_set(e, -EINVAL, "trace import: -o %s would replace "
			       "the recording %s", out, in_path);
	return 0;
}

static void print_imported(const char *out, const struct trace_info *in,
			   const struct importer *i)
{
	const struct import_format *f = import_format(i->im);
	const struct import_stats *s = import_stats(i->im);
	char acc[UNITS_MAX_TEXT], runs[UNITS_MAX_TEXT], pages[UNITS_MAX_TEXT];

	printf("%s: %s accesses in %s runs on %s pages of '%s' (%s)\n", out,
	       units_format_grouped(in->nr_accesses, acc),
	       units_format_grouped(in->nr_runs, runs),
	       units_format_grouped(in->nr_pages, pages), in->program, f->name);
	if (f->is_sampled)
		printf("samples, not a trace: some accesses of many, so page "
		       "reuse and rates are not the program's\n");
	if (!f->has_sizes)
		printf("the format tells no sizes: each access counts as one "
		       "byte\n");
	if (s->nr_fetches_skipped)
		printf("%s instruction fetches left out (--fetch keeps them)\n",
		       units_format_grouped(s->nr_fetches_skipped, acc));
	if (s->nr_hints_skipped)
		printf("%s prefetches and cache flushes left out\n",
		       units_format_grouped(s->nr_hints_skipped, acc));
	if (s->nr_unaddressed)
		printf("%s samples without an address left out\n",
		       units_format_grouped(s->nr_unaddressed, acc));
	if (i->nr_tids > 1)
		printf("%u threads, %s switches (--no-threads leaves them out; "
		       "trace cut --thread takes one)\n", i->nr_tids,
		       units_format_grouped(in->nr_by_kind[TRACE_SWITCH], acc));
	if (in->nr_splits)
		printf("%s accesses crossed a page boundary and count as two\n",
		       units_format_grouped(in->nr_splits, acc));
}

/* ---- threads ---- */

/* Threads are numbered in the order in which they appear. */
static int number_of(struct importer *i, u32 tid, struct err *e)
{
	for (u32 k = 0; k < i->nr_tids; k++)
		if (i->tid[k] == tid)
			return (int)k + 1;
	if (i->nr_tids == TRACE_TID_MAX)
		return err_set(e, -EINVAL, "trace import: thread %u is one more "
			       "than the %d that a trace holds; --no-threads "
			       "makes all accesses one thread's", tid,
			       TRACE_TID_MAX);
	i->tid[i->nr_tids++] = tid;
	return (int)i->nr_tids;
}

/* The recording does not say who made a thread, just that it runs now. What
 * comes before any switch is thread 1's. */
static int switch_to(struct importer *i, u32 tid, struct err *e)
{
	int nr, ret = 0;

	if (i->running && i->tid[i->running - 1] == tid)
		return 0;
	nr = number_of(i, tid, e);
	if (nr < 0)
		return nr;
	if (i->running) {
		ret = trace_writer_event(i->w, &(struct trace_event){
			.kind = TRACE_SWITCH, .tid = (u32)nr }, e);
		i->is_write_error = ret != 0;
	}
	i->running = (u32)nr;
	return ret;
}

static int append(struct importer *i, const struct import_access *a,
		  struct err *e)
{
	int ret = i->with_threads ? switch_to(i, a->tid, e) : 0;

	if (ret)
		return ret;
	ret = trace_writer_append(i->w, a->va, a->bytes, a->op, e);
	i->is_write_error = ret != 0;
	return ret;
}

static int copy_all(struct importer *i, struct err *e)
{
	const struct import_access *a;
	size_t n;
	int ret = 0;

	while (i->left && !(ret = import_next(i->im, &a, &n, e)) && n) {
		if (n > i->left)
			n = i->left;
		i->left -= n;
		for (size_t k = 0; k < n; k++) {
			ret = append(i, &a[k], e);
			if (ret)
				return ret;
		}
	}
	return i->left ? ret : 0;
}

static int finish(struct importer *i, const struct trace_cfg *cfg,
		  const char *in, const char *out)
{
	const struct import_stats *s = import_stats(i->im);
	struct trace_info info;
	struct err e;

	trace_writer_set_program(i->w, cfg->name ? cfg->name :
				 s->command[0] ? s->command : in);
	info = *trace_writer_info(i->w);
	if (trace_writer_close(i->w, &e))
		return complain(EXIT_FAILED, &e);
	print_imported(out, &info, i);
	return 0;
}

static int import_into(const struct trace_cfg *cfg, struct importer *i,
		       const char *in, const char *out)
{
	const struct import_stats *s = import_stats(i->im);
	struct err e;
	int ret;

	if (trace_writer_create(&i->w, out, &e))
		return complain(EXIT_FAILED, &e);
	i->with_threads &= import_format(i->im)->has_threads;
	ret = copy_all(i, &e);
	if (!ret && !trace_writer_info(i->w)->nr_accesses)
		ret = err_set(&e, -EINVAL, "%s: no accesses in %llu %s "
			      "(expected: %s)", in,
			      (unsigned long long)s->nr_records,
			      import_format(i->im)->has_sizes ||
			      import_format(i->im)->is_sampled ? "lines" :
			      "records", import_format(i->im)->hint);
	if (!ret)
		return finish(i, cfg, in, out);
	trace_writer_abort(i->w);
	return complain(i->is_write_error ? EXIT_FAILED : EXIT_USAGE, &e);
}

static int import_fd(const struct trace_cfg *cfg, int fd, const char *in,
		     const char *out)
{
	struct importer i = {
		.left = cfg->limit ? cfg->limit : ~0ull,
		.with_threads = cfg->with_threads,
	};
	struct progress p;
	struct import_cfg ic = {
		.name = in,
		.format = cfg->format,
		.without_fetch = !cfg->with_fetch,
		.is_partial_ok = cfg->is_partial_ok,
		.progress = show_progress,
		.arg = &p,
	};
	struct stat st;
	struct err e;
	int ret, status;

	if (check_output(fd, in, out, &e))
		return complain(EXIT_USAGE, &e);
	progress_start(&p, cfg->progress, "import", "bytes",
		       !fstat(fd, &st) && S_ISREG(st.st_mode) ?
		       (u64)st.st_size : 0);
	ret = import_open(&i.im, fd, &ic, &e);
	if (ret) {
		progress_end(&p);
		if (ret == -ENOENT)
			err_prefix(&e, ret, "trace import: --format: ");
		return complain(ret == -ENOMEM ? EXIT_FAILED : EXIT_USAGE, &e);
	}
	status = import_into(cfg, &i, in, out);
	progress_end(&p);
	import_close(i.im);
	return status;
}

int trace_import(const struct trace_cfg *cfg, char **files, int nr_files)
{
	bool is_stdin = !strcmp(files[0], "-");
	char *made = NULL;
	const char *out = cfg->out;
	struct err e;
	int fd, status;

	if (!out && is_stdin) {
		err_set(&e, -EINVAL, "trace import: reading standard input "
			"needs -o FILE.tlbt");
		return complain(EXIT_USAGE, &e);
	}
	fd = is_stdin ? STDIN_FILENO : open(files[0], O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		err_set(&e, -errno, "%s: cannot open: %s", files[0],
			strerror(errno));
		return complain(EXIT_USAGE, &e);
	}
	if (!out)
		out = made = default_output(files[0]);
	if (out) {
		status = import_fd(cfg, fd, is_stdin ? "standard input" :
				   files[0], out);
	} else {
		err_set(&e, -ENOMEM, "out of memory");
		status = complain(EXIT_FAILED, &e);
	}
	free(made);
	if (!is_stdin)
		close(fd);
	return status;
}
