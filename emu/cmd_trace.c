/* cmd_trace.c - the trace subcommands: text in, .tlbt files out, and looks
 * into them. */
#include "emu/cmd_trace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/emit.h"
#include "base/err.h"
#include "base/opt.h"
#include "base/progress.h"
#include "base/suggest.h"
#include "base/types.h"
#include "base/units.h"
#include "emu/import_lackey.h"
#include "workloads/trace_file.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct trace_cfg {
	const char *out;
	const char *name;
	u64 limit;
	u64 nr;
	int progress;
	bool with_fetch;
	bool is_partial_ok;
	bool check;
	bool runs;
	bool help;
};

#define OPT_HELP { \
	.name = "help", .kind = OPT_BOOL, .letter = 'h', \
	.help = "this text", .offset = offsetof(struct trace_cfg, help), \
	.group = "output", .no_echo = true }

static const struct opt import_opts[] = {
	{ .name = "name", .kind = OPT_STRING, .metavar = "PROG",
	  .help = "the program's name, to keep in the trace; without it what "
		  "the recording says, else FILE",
	  .offset = offsetof(struct trace_cfg, name), .group = "input" },
	{ .name = "limit", .kind = OPT_U64, .metavar = "N",
	  .help = "stop after N accesses; 0: take all",
	  .offset = offsetof(struct trace_cfg, limit), .group = "input" },
	{ .name = "fetch", .kind = OPT_BOOL,
	  .help = "keep instruction fetches, too",
	  .offset = offsetof(struct trace_cfg, with_fetch),
	  .group = "input" },
	{ .name = "partial", .kind = OPT_BOOL,
	  .help = "ignore a last line that is cut off, instead of failing",
	  .offset = offsetof(struct trace_cfg, is_partial_ok),
	  .group = "input" },
	{ .name = "output", .kind = OPT_STRING, .letter = 'o',
	  .metavar = "FILE.tlbt",
	  .help = "the trace to write, appears when complete; without it "
		  "FILE's name with .tlbt, here",
	  .offset = offsetof(struct trace_cfg, out), .group = "output",
	  .no_echo = true },
	{ .name = "progress", .kind = OPT_ENUM, .def = "auto",
	  .names = progress_modes, .help = "progress on stderr",
	  .offset = offsetof(struct trace_cfg, progress), .group = "output",
	  .no_echo = true },
	OPT_HELP,
};

static const struct opt info_opts[] = {
	{ .name = "check", .kind = OPT_BOOL,
	  .help = "also read the whole trace: every checksum and count",
	  .offset = offsetof(struct trace_cfg, check), .group = "input" },
	{ .name = "output", .kind = OPT_STRING, .letter = 'o',
	  .metavar = "FILE", .help = "write .txt, .csv or .json instead",
	  .offset = offsetof(struct trace_cfg, out), .group = "output",
	  .no_echo = true },
	OPT_HELP,
};

static const struct opt head_opts[] = {
	{ .name = "lines", .kind = OPT_U64, .letter = 'n', .def = "10",
	  .metavar = "N", .help = "how many accesses, or runs, to print",
	  .offset = offsetof(struct trace_cfg, nr), .group = "output" },
	{ .name = "runs", .kind = OPT_BOOL,
	  .help = "print runs as they are kept, not single accesses",
	  .offset = offsetof(struct trace_cfg, runs), .group = "output" },
	OPT_HELP,
};

struct subcommand {
	const char *name, *args, *summary, *text;
	const struct opt *opts;
	size_t nr_opts;
	int (*run)(const struct trace_cfg *cfg, char **files, int nr_files);
	int max_files;          /* 0: any number                              */
};

/* One line on stderr, and the exit status that goes with it. */
static int complain(int status, const struct err *e)
{
	fprintf(stderr, "tlbemu: %s\n", e->text);
	return status;
}

/* ---- import ---- */

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
			   const struct lackey_result *res)
{
	char acc[UNITS_MAX_TEXT], runs[UNITS_MAX_TEXT], pages[UNITS_MAX_TEXT];

	printf("%s: %s accesses in %s runs on %s pages of '%s'\n", out,
	       units_format_grouped(in->nr_accesses, acc),
	       units_format_grouped(in->nr_runs, runs),
	       units_format_grouped(in->nr_pages, pages), in->program);
	if (res->nr_fetches_skipped)
		printf("%s instruction fetches left out (--fetch keeps them)\n",
		       units_format_grouped(res->nr_fetches_skipped, acc));
	if (in->nr_splits)
		printf("%s accesses crossed a page boundary and count as two\n",
		       units_format_grouped(in->nr_splits, acc));
}

static int import_into(const struct trace_cfg *cfg, int fd, const char *in,
		       const char *out)
{
	struct progress p;
	struct lackey_cfg lc = {
		.name = in,
		.with_fetch = cfg->with_fetch,
		.is_partial_ok = cfg->is_partial_ok,
		.limit = cfg->limit,
		.progress = show_progress,
		.arg = &p,
	};
	struct lackey_result res;
	struct trace_writer *w;
	struct trace_info info;
	struct stat st;
	struct err e;
	int ret;

	if (check_output(fd, in, out, &e))
		return complain(EXIT_USAGE, &e);
	if (trace_writer_create(&w, out, &e))
		return complain(EXIT_FAILED, &e);
	progress_start(&p, cfg->progress, "import", "bytes",
		       !fstat(fd, &st) && S_ISREG(st.st_mode) ?
		       (u64)st.st_size : 0);
	ret = lackey_import(fd, &lc, w, &res, &e);
	progress_end(&p);
	if (!ret && !res.nr_accesses)
		ret = err_set(&e, -EINVAL, "%s: no accesses in %llu lines: "
			      "expected the output of valgrind --tool=lackey "
			      "--trace-mem=yes", in,
			      (unsigned long long)res.nr_lines);
	if (ret) {
		trace_writer_abort(w);
		return complain(res.is_write_error ? EXIT_FAILED : EXIT_USAGE,
				&e);
	}
	trace_writer_set_program(w, cfg->name ? cfg->name :
				 res.command[0] ? res.command : in);
	info = *trace_writer_info(w);
	if (trace_writer_close(w, &e))
		return complain(EXIT_FAILED, &e);
	print_imported(out, &info, &res);
	return 0;
}

static int run_import(const struct trace_cfg *cfg, char **files, int nr_files)
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
		status = import_into(cfg, fd, is_stdin ? "standard input" :
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

/* ---- info ---- */

/* Read it all: the reader checks blocks and sums, here go the rest. */
static int check_trace(struct trace *t, const char *path, struct err *e)
{
	const struct trace_info *in = trace_info(t);
	u64 by_op[TRACE_NR_OPS] = { 0 };
	const struct run *r;
	size_t n;
	int ret;

	while (!(ret = trace_next(t, &r, &n, e)) && n)
		for (size_t i = 0; i < n; i++)
			by_op[r[i].op] += r[i].count;
	if (!ret && memcmp(by_op, in->nr_by_op, sizeof(by_op)))
		ret = err_set(e, -EINVAL, "%s: byte 64: the header counts "
			      "%llu reads and %llu writes, the blocks hold "
			      "%llu and %llu", path,
			      (unsigned long long)in->nr_by_op[RUN_READ],
			      (unsigned long long)in->nr_by_op[RUN_WRITE],
			      (unsigned long long)by_op[RUN_READ],
			      (unsigned long long)by_op[RUN_WRITE]);
	return ret;
}

static void info_line(struct emit *em, u64 value, const char *what)
{
	char num[UNITS_MAX_TEXT];

	emit_note(em, "%18s      %s", units_format_grouped(value, num), what);
}

static void info_text(struct emit *em, const char *path,
		      const struct trace_info *in)
{
	char num[UNITS_MAX_TEXT];

	emit_note(em, " trace '%s' of '%s'", path, in->program);
	info_line(em, in->nr_accesses, "accesses");
	info_line(em, in->nr_by_op[RUN_READ], "reads");
	info_line(em, in->nr_by_op[RUN_WRITE], "writes");
	info_line(em, in->nr_by_op[RUN_MODIFY], "modifies (read, then write)");
	info_line(em, in->nr_by_op[RUN_FETCH], "instruction fetches");
	info_line(em, in->nr_runs, "runs");
	info_line(em, in->nr_pages, "distinct 4 KiB pages");
	info_line(em, in->nr_splits, "accesses added by page crossings");
	emit_note(em, "  %016llx      lowest byte touched",
		  (unsigned long long)in->va_min);
	emit_note(em, "  %016llx      highest byte touched",
		  (unsigned long long)in->va_last);
	info_line(em, in->file_bytes, "bytes of file");
	emit_note(em, "%18s      bytes per access",
		  units_format_fixed(in->nr_accesses ? (double)in->file_bytes /
				     in->nr_accesses : 0, 3, num, sizeof(num)));
}

static void info_row(struct emit *em, const char *path,
		     const struct trace_info *in)
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
	emit_row(em);
}

static int run_info(const struct trace_cfg *cfg, char **files, int nr_files)
{
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
	};
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
		struct trace *t;

		ret = trace_open(&t, files[i], &e);
		if (!ret) {
			if (cfg->check)
				ret = check_trace(t, files[i], &e);
			if (!ret && emit_kind_of(em) == EMIT_TABLE)
				info_text(em, files[i], trace_info(t));
			else if (!ret)
				info_row(em, files[i], trace_info(t));
			trace_close(t);
		}
		if (ret) {
			emit_discard(em);
			return complain(EXIT_USAGE, &e);
		}
	}
	ret = emit_close(em, &e);
	return ret ? complain(EXIT_FAILED, &e) : 0;
}

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

static int run_head(const struct trace_cfg *cfg, char **files, int nr_files)
{
	u64 left = cfg->nr;
	const struct run *r;
	struct trace *t;
	struct err e;
	size_t n = 0;
	int ret;

	if (trace_open(&t, files[0], &e))
		return complain(EXIT_USAGE, &e);
	while (left && !(ret = trace_next(t, &r, &n, &e)) && n) {
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
		if (ferror(stdout))
			break;
	}
	ret = left && !n ? ret : 0;
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

/* ---- the subcommands ---- */

static const struct subcommand subcommands[] = {
	{
		"import", "[options] FILE|-",
		"lackey's output into a compact trace",
		"FILE is what `valgrind --tool=lackey --trace-mem=yes` writes; "
		"- reads a pipe.\n"
		"An access that crosses a page boundary becomes one for each "
		"page.\n\n"
		"examples:\n"
		"  valgrind --tool=lackey --trace-mem=yes "
		"--log-file=ls.lackey ls -l\n"
		"  tlbemu trace import ls.lackey\n"
		"  valgrind --tool=lackey --trace-mem=yes --log-fd=9 sort big \\\n"
		"    9>&1 >/dev/null | tlbemu trace import -o sort.tlbt -\n",
		import_opts, ARRAY_LEN(import_opts), run_import, 1,
	},
	{
		"info", "[options] FILE...",
		"what traces hold",
		"examples:\n"
		"  tlbemu trace info ls.tlbt\n"
		"  tlbemu trace info --check -o traces.csv *.tlbt\n",
		info_opts, ARRAY_LEN(info_opts), run_info, 0,
	},
	{
		"head", "[options] FILE",
		"the first accesses, as lackey writes them",
		"examples:\n"
		"  tlbemu trace head -n 20 ls.tlbt\n"
		"  tlbemu trace head --runs ls.tlbt\n",
		head_opts, ARRAY_LEN(head_opts), run_head, 1,
	},
};

static void print_usage(FILE *f)
{
	fprintf(f, "usage: tlbemu trace <subcommand> [options] FILE...\n");
	for (size_t i = 0; i < ARRAY_LEN(subcommands); i++)
		fprintf(f, "  %-8s %s\n", subcommands[i].name,
			subcommands[i].summary);
	fprintf(f, "`tlbemu trace <subcommand> --help` tells more.\n"
		"examples:\n"
		"  valgrind --tool=lackey --trace-mem=yes "
		"--log-file=ls.lackey ls -l\n"
		"  tlbemu trace import ls.lackey\n"
		"  tlbemu trace info ls.tlbt\n");
}

static int run_subcommand(const struct subcommand *sc, int argc, char **argv)
{
	struct trace_cfg cfg = { 0 };
	const struct opt_bind bind = {
		.table = sc->opts, .nr = sc->nr_opts, .base = &cfg,
	};
	struct opt_set *set;
	struct err e;
	int nr, status;

	if (opt_set_create(&set, &bind, 1)) {
		err_set(&e, -ENOMEM, "out of memory");
		return complain(EXIT_FAILED, &e);
	}
	nr = opt_parse_args(set, argc, argv, &e);
	if (nr < 0) {
		err_prefix(&e, nr, "trace %s: ", sc->name);
		status = complain(EXIT_USAGE, &e);
	} else if (cfg.help) {
		printf("usage: tlbemu trace %s %s\n%s - %s\n\n", sc->name,
		       sc->args, sc->name, sc->summary);
		opt_help(set, stdout);
		printf("\n%s", sc->text);
		status = 0;
	} else if (!nr || (sc->max_files && nr > sc->max_files)) {
		err_set(&e, -EINVAL, "trace %s: expected %s, found %d "
			"(usage: tlbemu trace %s %s)", sc->name,
			sc->max_files ? "one FILE" : "a FILE", nr, sc->name,
			sc->args);
		status = complain(EXIT_USAGE, &e);
	} else {
		status = sc->run(&cfg, argv, nr);
	}
	opt_set_free(set);
	return status;
}

int cmd_trace(int argc, char **argv)
{
	const char *names[ARRAY_LEN(subcommands) + 1] = { NULL };
	const char *word = argc > 1 ? argv[1] : NULL;
	char hint[128];
	struct err e;

	if (!word) {
		print_usage(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(word, "--help") || !strcmp(word, "-h") ||
	    !strcmp(word, "help")) {
		print_usage(stdout);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(subcommands); i++) {
		names[i] = subcommands[i].name;
		if (!strcmp(word, names[i]))
			return run_subcommand(&subcommands[i], argc - 2,
					      argv + 2);
	}
	suggest_text(word, names, hint, sizeof(hint));
	err_set(&e, -EINVAL, "trace: '%s': no such subcommand%s 'tlbemu trace "
		"--help' shows all", word, hint[0] ? hint : ";");
	return complain(EXIT_USAGE, &e);
}
