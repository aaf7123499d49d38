/* cmd_trace.c - the trace subcommands: their options and their help. */
#include "emu/cmd_trace.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/opt.h"
#include "base/progress.h"
#include "base/suggest.h"
#include "base/types.h"
#include "emu/cmd.h"
#include "emu/common_opts.h"
#include "emu/import.h"
#include "emu/trace_cmds.h"
#include "workloads/trace_file.h"

#define FIELD(f, g) .offset = offsetof(struct trace_cfg, f), .group = g

#define OPT_NAME(text) { \
	.name = "name", .kind = OPT_STRING, .metavar = "PROG", .help = text, \
	FIELD(name, "input") }

static const struct opt import_opts[] = {
	{ .name = "format", .kind = OPT_STRING, .metavar = "NAME",
	  .help = "what FILE is, see below; without it, found by content",
	  FIELD(format, "input") },
	OPT_NAME("the program's name, to keep in the trace; without it what "
		 "the recording says, else FILE"),
	{ .name = "limit", .kind = OPT_U64, .metavar = "N",
	  .help = "stop after N accesses; 0: take all",
	  FIELD(limit, "input") },
	{ .name = "fetch", .kind = OPT_BOOL, .def = "yes",
	  .help = "keep instruction fetches; --no-fetch leaves them out",
	  FIELD(with_fetch, "input") },
	{ .name = "threads", .kind = OPT_BOOL, .def = "yes",
	  .help = "where the recording tells threads, keep who runs when; "
		  "--no-threads makes all accesses one thread's",
	  FIELD(with_threads, "input") },
	{ .name = "partial", .kind = OPT_BOOL,
	  .help = "ignore a last line or record that is cut off, instead of "
		  "failing",
	  FIELD(is_partial_ok, "input") },
	OPTS_OUT(trace_cfg, "FILE.tlbt", "the trace to write, appears when complete; "
		"without it FILE's name with .tlbt, here"),
	OPTS_PROGRESS(trace_cfg), OPTS_HELP(trace_cfg),
};

static const struct opt info_opts[] = {
	{ .name = "quick", .kind = OPT_BOOL,
	  .help = "what the header says only; without it the whole trace is "
		  "read, and every checksum and count is checked",
	  FIELD(is_quick, "input") },
	OPTS_OUT_TABLE(trace_cfg),
	OPTS_PROGRESS(trace_cfg), OPTS_HELP(trace_cfg),
};

static const struct opt head_opts[] = {
	{ .name = "lines", .kind = OPT_U64, .letter = 'n', .def = "10",
	  .metavar = "N", .help = "how many accesses, or runs, to print",
	  FIELD(nr, "output") },
	{ .name = "runs", .kind = OPT_BOOL,
	  .help = "print runs as they are kept, not single accesses",
	  FIELD(runs, "output") },
	OPTS_HELP(trace_cfg),
};

static const struct opt cut_opts[] = {
	{ .name = "from", .kind = OPT_U64, .metavar = "N",
	  .help = "leave out the first N accesses", FIELD(from, "input") },
	{ .name = "count", .kind = OPT_U64, .metavar = "M",
	  .help = "M accesses from there; 0: to the end",
	  FIELD(count, "input") },
	{ .name = "va", .kind = OPT_STRING, .metavar = "LO-HI",
	  .help = "of these only what begins in [LO, HI), both hexadecimal",
	  FIELD(range, "input") },
	{ .name = "thread", .kind = OPT_U32, .metavar = "T", .max = TRACE_TID_MAX,
	  .help = "of these only what thread T does (info shows their "
		  "numbers); what others do to the address space stays; 0: all",
	  FIELD(thread, "input") },
	OPT_NAME("the program's name; without it FILE's"),
	OPTS_OUT(trace_cfg, "FILE.tlbt", "the trace to write, appears when "
		 "complete"),
	OPTS_PROGRESS(trace_cfg), OPTS_HELP(trace_cfg),
};

static const struct opt cat_opts[] = {
	OPT_NAME("the program's name; without it the first FILE's"),
	OPTS_OUT(trace_cfg, "FILE.tlbt", "the trace to write, appears when "
		 "complete"),
	OPTS_PROGRESS(trace_cfg), OPTS_HELP(trace_cfg),
};

struct subcommand {
	const char *name, *args, *summary, *text;
	const struct opt *opts;
	size_t nr_opts;
	int (*run)(const struct trace_cfg *cfg, char **files, int nr_files);
	int max_files;          /* 0: any number                              */
	bool lists_formats;
};

static const struct subcommand subcommands[] = {
	{
		"import", "[options] FILE|-",
		"other tools' traces and samples into a compact trace",
		"FILE may be compressed by gzip, xz or zstd; - reads a pipe.\n"
		"An access that crosses a page boundary becomes one for each "
		"page.\n\n"
		"examples:\n"
		"  valgrind --tool=lackey --trace-mem=yes "
		"--log-file=ls.lackey ls -l\n"
		"  tlbemu trace import ls.lackey\n"
		"  valgrind --tool=lackey --trace-mem=yes --log-fd=9 sort big \\\n"
		"    9>&1 >/dev/null | tlbemu trace import -o sort.tlbt -\n"
		"  drrun -t drmemtrace -offline -- ls -l\n"
		"  drrun -t drmemtrace -tool view -indir drmemtrace.*.dir 2>&1 "
		"|\n"
		"    tlbemu trace import --no-fetch --name 'ls -l' -o ls.tlbt "
		"-\n"
		"  tlbemu trace import --limit 100M 605.mcf_s-472B."
		"champsimtrace.xz -o mcf.tlbt\n"
		"  perf mem record -U -- ls -l && perf script -F "
		"comm,tid,time,event,addr,ip |\n"
		"    tlbemu trace import -o ls.tlbt -\n",
		import_opts, ARRAY_LEN(import_opts), trace_import, 1, true,
	},
	{
		"info", "[options] FILE...",
		"what traces hold: operations, footprint, page reuse",
		"examples:\n"
		"  tlbemu trace info ls.tlbt\n"
		"  tlbemu trace info --quick -o traces.csv *.tlbt\n",
		info_opts, ARRAY_LEN(info_opts), trace_info_of, 0, false,
	},
	{
		"head", "[options] FILE",
		"the first accesses, as lackey writes them",
		"examples:\n"
		"  tlbemu trace head -n 20 ls.tlbt\n"
		"  tlbemu trace head --runs ls.tlbt\n",
		head_opts, ARRAY_LEN(head_opts), trace_head, 1, false,
	},
	{
		"cut", "[options] -o OUT.tlbt FILE",
		"a part of a trace",
		"examples:\n"
		"  tlbemu trace cut --from 1M --count 100k ls.tlbt "
		"-o part.tlbt\n"
		"  tlbemu trace cut --va 1ffe000000-2000000000 ls.tlbt "
		"-o stack.tlbt\n"
		"  tlbemu trace cut --thread 2 threads.tlbt -o second.tlbt\n",
		cut_opts, ARRAY_LEN(cut_opts), trace_cut, 1, false,
	},
	{
		"cat", "[options] -o OUT.tlbt FILE...",
		"traces one after the other; of one alone, a copy in today's format",
		"examples:\n"
		"  tlbemu trace cat ls.tlbt sort.tlbt -o both.tlbt\n"
		"  tlbemu trace cat old.tlbt -o new.tlbt    # replays faster\n",
		cat_opts, ARRAY_LEN(cat_opts), trace_cat, 0, false,
	},
};

static void print_formats(void)
{
	printf("\nformats:\n");
	for (const struct import_format *const *f = import_formats; *f; f++)
		printf("  %-11s %s\n  %-11s %s\n", (*f)->name, (*f)->summary,
		       "", (*f)->hint);
	printf("\n");
}

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
		if (sc->lists_formats)
			print_formats();
		printf("%s%s", sc->lists_formats ? "" : "\n", sc->text);
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
