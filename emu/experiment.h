/* experiment.h - a command line or an INI file turned into one timed run: the
 * machine's options, the workload's, and its files.
 *
 *	tlbemu run [options] WORKLOAD|FILE.ini [FILES...]
 *
 * In an INI file the keys are the same options, before any header or under
 * [run]; `workload = NAME` names the workload.
 */
#ifndef EMU_EXPERIMENT_H
#define EMU_EXPERIMENT_H

#include "base/opt.h"
#include "emu/timed_point.h"

/* What commands that run workloads have besides. */
struct output_cfg {
	const char *out;
	int table;              /* run only: which one CSV shows */
	bool explain;           /* run only */
	const char *timeline;   /* run only */
	u64 timeline_events;    /* run only */
	const char *kernels;    /* compare only */
	u32 jobs;               /* not run */
	int progress;
	bool dry_run;
	bool help;
};

struct experiment {
	const char *command;            /* "run", "compare"                   */
	struct timed_cfg cfg;
	struct output_cfg output;
	const struct workload *workload;
	void *workload_cfg;
	char *word;                     /* as typed: a workload or FILE.ini   */
	char **files;
	u32 nr_files;
	struct opt_set *set;
};

/* experiment_parse - @argv[0] is the command. --help without a workload leaves
 * x->workload NULL. Return: 0 or negative errno; release it either way. */
int experiment_parse(struct experiment *x, int argc, char **argv,
		     const struct opt *more, size_t nr_more, struct err *e);
void experiment_release(struct experiment *x);

/* The same for a command with options and sections of its own. */
struct experiment_how {
	const struct opt *more;         /* into x->output, as above           */
	size_t nr_more;
	struct opt_bind own;            /* into a struct of the command's     */
	opt_section_fn *section;        /* further sections of an INI file    */
	void *section_arg;              /* x->set is there when it is called  */
	bool may_lack_workload;         /* then x->workload is NULL           */
};
int experiment_parse_how(struct experiment *x, int argc, char **argv,
			 const struct experiment_how *how, struct err *e);

/* kernel and flush strategy by name, or a text with the nearest one. Without a
 * name, NULL: the kernel's own. */
int experiment_kernel(const char *name, const struct kernel **out,
		      struct err *e);
int experiment_flush(const char *name, const struct flush_ops **out,
		     struct err *e);
/* experiment_settle - without --flush it is set to what the kernel does on @m (NULL:
 * on the machine that @x names); again for each point of a sweep. */
int experiment_settle(struct experiment *x, const struct machine *m,
		      struct err *e);
int experiment_workload(const char *name, const struct workload **out,
			struct err *e);

/* The point that @x describes with this kernel and strategy. */
struct timed_point experiment_point(const struct experiment *x,
				    const struct kernel *k,
				    const struct flush_ops *f);

/* Seed, configuration and revision, for JSON. */
void experiment_meta(const struct experiment *x, struct emit *em);

/* --dry-run: what would run, as an INI file. */
void experiment_echo(const struct experiment *x, FILE *f);

/* 2 for what the user typed, 1 for what the host refused. */
int exit_status_of(int rc);

#endif
