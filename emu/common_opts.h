/* common_opts.h - entries of option tables that commands share, each for the member
 * of that name (jobs, out, progress, dry_run, help) of struct @cfg.
 */
#ifndef EMU_COMMON_OPTS_H
#define EMU_COMMON_OPTS_H

#include "base/opt.h"
#include "base/progress.h"

#define OPTS_OF(cfg, m) .offset = offsetof(struct cfg, m), .group = "output", \
	.no_echo = true

/* @what_: "rows at a time" */
#define OPTS_JOBS(cfg, what_) \
	{ .name = "jobs", .kind = OPT_U32, .letter = 'j', .def = "0", \
	  .max = 256, .help = what_ "; 0: one per host CPU", \
	  OPTS_OF(cfg, jobs) }

#define OPTS_OUT(cfg, metavar_, help_) \
	{ .name = "output", .kind = OPT_STRING, .letter = 'o', \
	  .metavar = metavar_, .help = help_, OPTS_OF(cfg, out) }
/* The same, of a command that prints tables. */
#define OPTS_OUT_TABLE(cfg) \
	OPTS_OUT(cfg, "FILE", "write .txt, .csv or .json instead")

#define OPTS_PROGRESS(cfg) \
	{ .name = "progress", .kind = OPT_ENUM, .def = "auto", \
	  .names = progress_modes, .help = "progress on stderr", \
	  OPTS_OF(cfg, progress) }

#define OPTS_DRY_RUN(cfg, help_) \
	{ .name = "dry-run", .kind = OPT_BOOL, .help = help_, \
	  OPTS_OF(cfg, dry_run) }

#define OPTS_HELP_OF(cfg, help_) \
	{ .name = "help", .kind = OPT_BOOL, .letter = 'h', .help = help_, \
	  OPTS_OF(cfg, help) }
#define OPTS_HELP(cfg) OPTS_HELP_OF(cfg, "this text")

#endif
