/* cmd_record.c - record a program into a .tlbt file, in one step. */
#include "emu/cmd_record.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/opt.h"
#include "base/progress.h"
#include "base/units.h"
#include "emu/cmd.h"
#include "emu/common_opts.h"
#include "emu/record.h"

struct cfg {
	char **command;                 /* behind "--", NULL: none            */
	const char *out, *limit, *name;
	int progress;
	bool with_fetch, help;
};

#define FIELD(f, g) .offset = offsetof(struct cfg, f), .group = g

static const struct opt opts[] = {
	{ .name = "limit", .kind = OPT_STRING, .metavar = "N|SIZE",
	  .help = "end the program after N accesses (10M), or when the trace "
		  "has SIZE bytes (64MB: with a B)", FIELD(limit, "input") },
	{ .name = "fetch", .kind = OPT_BOOL, .def = "yes",
	  .help = "keep instruction fetches", FIELD(with_fetch, "input") },
	{ .name = "name", .kind = OPT_STRING, .metavar = "PROG",
	  .help = "the program's name, to keep in the trace; without it CMD "
		  "ARGS", FIELD(name, "input") },
	OPTS_OUT(cfg, "FILE.tlbt", "the trace to write, appears when "
		 "complete; without it CMD's name with .tlbt, here"),
	OPTS_PROGRESS(cfg),
	OPTS_HELP(cfg),
};

/* "10M" accesses or "10MB" of trace. */
static int parse_limit(const char *text, struct record_cfg *rc, struct err *e)
{
	size_t n = text ? strlen(text) : 0;
	bool is_bytes = n && (text[n - 1] == 'B' || text[n - 1] == 'b');
	int ret;

	if (!text)
		return 0;
	ret = units_parse_in(is_bytes ? UNIT_BYTES : UNIT_COUNT, text, 1,
			     UINT64_MAX, is_bytes ? &rc->max_bytes
			     : &rc->max_accesses, e);
	return ret ? err_prefix(e, ret, "record: --limit: ") : 0;
}

/* "CMD ARG ARG", cut to what a trace keeps. */
static void join(char **words, char *buf, size_t bytes)
{
	size_t n = 0;

	buf[0] = '\0';
	for (; *words && n < bytes - 1; words++)
		n += (size_t)snprintf(buf + n, bytes - n, "%s%s",
				      n ? " " : "", *words);
}

static char *default_output(const char *command)
{
	const char *base = strrchr(command, '/');
	char *out;

	base = base ? base + 1 : command;
	return asprintf(&out, "%s.tlbt", base) < 0 ? NULL : out;
}

static void print_ending(const struct record_job *job,
			 const struct record_result *r)
{
	char num[UNITS_MAX_TEXT];

	switch (r->ending) {
	case RECORD_EXITED:
		fprintf(stderr, "'%s' %s %d\n", job->argv[0],
			r->stats.is_execed ? "became another program, which is "
			"not recorded; that ended with status"
			: "ended with status", r->status);
		break;
	case RECORD_KILLED:
		fprintf(stderr, "'%s' was killed by signal %d (%s)\n",
			job->argv[0], r->status, strsignal(r->status));
		break;
	case RECORD_INTERRUPTED:
		fprintf(stderr, "interrupted; what was recorded until then is "
			"kept\n");
		break;
	case RECORD_LIMIT:
		fprintf(stderr, "'%s' was ended at --limit, after %s accesses\n",
			job->argv[0],
			units_format_grouped(r->stats.nr_accesses, num));
		break;
	}
}

static void print_events(const struct trace_info *in)
{
	const char *sep = " ";

	if (!in->nr_events)
		return;
	fprintf(stderr, "events:");
	for (u32 k = 1; k < TRACE_NR_EVENT_KINDS; k++) {
		char num[UNITS_MAX_TEXT];

		if (!in->nr_by_kind[k])
			continue;
		fprintf(stderr, "%s%s %s", sep,
			units_format_grouped(in->nr_by_kind[k], num),
			trace_event_name(k));
		sep = ", ";
	}
	fputc('\n', stderr);
}

/* To stderr: stdout is the program's. */
static void print_recorded(const char *out, const struct record_job *job,
			   const struct trace_info *in,
			   const struct record_result *r)
{
	char acc[UNITS_MAX_TEXT], runs[UNITS_MAX_TEXT], pages[UNITS_MAX_TEXT];

	fprintf(stderr, "%s: %s accesses in %s runs on %s pages of '%s', %u "
		"thread%s\n", out, units_format_grouped(in->nr_accesses, acc),
		units_format_grouped(in->nr_runs, runs),
		units_format_grouped(in->nr_pages, pages), in->program,
		r->stats.nr_threads, r->stats.nr_threads == 1 ? "" : "s");
	print_events(in);
	print_ending(job, r);
}

static int nothing(const struct record_job *job, const struct record_result *r,
		   struct err *e)
{
	if (r->ending == RECORD_INTERRUPTED)
		return err_set(e, -EINTR, "record: interrupted before the first "
			       "access of '%s': nothing is kept", job->argv[0]);
	return err_set(e, -EIO, "record: '%s' ended with %s %d before its first "
		       "access under valgrind%s%s", job->argv[0],
		       r->ending == RECORD_KILLED ? "signal" : "status",
		       r->status, r->stats.complaint[0] ? ": " : "",
		       r->stats.complaint);
}

static void show_progress(void *arg, u64 n)
{
	progress_to(arg, n);
}

static int record(const struct cfg *cfg, struct record_job *job,
		  const char *out)
{
	char name[TRACE_NAME_MAX];
	struct record_result res;
	struct trace_writer *w;
	struct trace_info info;
	struct progress p;
	struct err e;
	int ret;

	if (!strcmp(out, "-")) {
		err_set(&e, -EINVAL, "record: -o -: a trace is written to a "
			"file, not to standard output");
		return complain(EXIT_USAGE, &e);
	}
	if (trace_writer_create(&w, out, &e))
		return complain(EXIT_FAILED, &e);
	join(job->argv, name, sizeof(name));
	trace_writer_set_program(w, cfg->name ? cfg->name : name);
	job->progress = show_progress;
	job->arg = &p;
	progress_start(&p, cfg->progress, "record", "accesses",
		       job->cfg.max_accesses);
	ret = record_run(job, w, &res, &e);
	progress_end(&p);
	if (!ret && !res.stats.nr_accesses)
		ret = nothing(job, &res, &e);
	if (ret) {
		trace_writer_abort(w);
		return complain(EXIT_FAILED, &e);
	}
	info = *trace_writer_info(w);
	if (trace_writer_close(w, &e))
		return complain(EXIT_FAILED, &e);
	print_recorded(out, job, &info, &res);
	return 0;
}

static int find_programs(const struct record_job *job, char *valgrind,
			 size_t bytes)
{
	char path[PATH_MAX];
	struct err e;
	int ret = record_find(job->argv[0], path, sizeof(path));

	if (ret) {
		err_set(&e, ret, "record: %s: %s", job->argv[0],
			ret == -EACCES ? "not an executable file"
			: "no such program");
		return complain(EXIT_USAGE, &e);
	}
	if (record_find("valgrind", valgrind, bytes)) {
		err_set(&e, -ENOENT, "record: cannot run here: valgrind is not "
			"in PATH (Debian: apt-get install valgrind)");
		return complain(EXIT_CANNOT, &e);
	}
	return 0;
}

static int run_command(const struct cfg *cfg, char **command)
{
	char valgrind[PATH_MAX], *made = NULL;
	struct record_job job = {
		.valgrind = valgrind,
		.argv = command,
		.cfg = { .name = "valgrind", .with_fetch = cfg->with_fetch },
	};
	struct err e;
	int status;

	if (parse_limit(cfg->limit, &job.cfg, &e))
		return complain(EXIT_USAGE, &e);
	status = find_programs(&job, valgrind, sizeof(valgrind));
	if (status)
		return status;
	if (!cfg->out)
		made = default_output(command[0]);
	if (!cfg->out && !made) {
		err_set(&e, -ENOMEM, "out of memory");
		return complain(EXIT_FAILED, &e);
	}
	status = record(cfg, &job, made ? made : cfg->out);
	free(made);
	return status;
}

static void print_help(const struct opt_set *set)
{
	printf("usage: tlbemu record [options] -- CMD ARGS...\n"
	       "record - a program's memory accesses, and what it does to its "
	       "address space\n\n");
	opt_help(set, stdout);
	printf("\nCMD runs unmodified under Valgrind, some hundred times slower "
	       "than on its own.\n"
	       "^C ends it and keeps what was recorded. docs/traces.md says "
	       "what is in a trace.\n\n"
	       "examples:\n"
	       "  tlbemu record -- ls -l\n"
	       "  tlbemu record --limit 50M -o sort.tlbt -- sort big.txt\n"
	       "  tlbemu run replay sort.tlbt\n");
}

static int run(void *arg, struct opt_set *set, char **word, u32 n)
{
	const struct cfg *cfg = arg;

	if (!n && cfg->command)
		return run_command(cfg, cfg->command);
	return complain_usage("record", "expected -- CMD ARGS, found %s%s%s "
			      "(usage: tlbemu record [options] -- CMD ARGS)",
			      n ? "'" : "nothing", n ? word[0] : "",
			      n ? "'" : "");
}

int cmd_record(int argc, char **argv)
{
	struct cfg cfg = { 0 };
	int split = 1;

	while (split < argc && strcmp(argv[split], "--"))
		split++;
	if (split + 1 < argc)
		cfg.command = argv + split + 1;
	return cmd_main(&(struct cmd){
		.name = "record", .opts = opts, .nr_opts = ARRAY_LEN(opts),
		.cfg = &cfg, .help = &cfg.help, .takes_words = true,
		.print_help = print_help, .run = run,
	}, split, argv);
}
