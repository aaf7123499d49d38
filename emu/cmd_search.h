/* cmd_search.h - what the subcommands that explore (race, mutate, litmus) share:
 * the options that bound a search, and how they complain of names.
 */
#ifndef EMU_CMD_SEARCH_H
#define EMU_CMD_SEARCH_H

#include "emu/cmd.h"

struct search_budget {
	u64 states;
	double seconds;         /* 0: no limit                                */
	u64 memory;             /* bytes of visited states                    */
};

/* Entries of an option table: member @m of struct @cfg, for one @what at a
 * time; so many @states by default. */
#define OPTS_BUDGET(cfg, m, what, states_) \
	{ .name = "states", .kind = OPT_U64, .def = states_, .min = 1, \
	  .help = "give up a " what " after so many states", \
	  .offset = offsetof(struct cfg, m.states), .group = "search" }, \
	{ .name = "seconds", .kind = OPT_DOUBLE, .def = "0", \
	  .help = "give up a " what " after so many host seconds; 0: never", \
	  .offset = offsetof(struct cfg, m.seconds), .group = "search" }, \
	{ .name = "memory", .kind = OPT_SIZE, .def = "2G", .min = 1, \
	  .help = "give up a " what " when its visited states take so much", \
	  .offset = offsetof(struct cfg, m.memory), .group = "search" }

#define OPTS_PLAIN(cfg, m) \
	{ .name = "plain", .kind = OPT_BOOL, \
	  .help = "no reduction: every step alone, every order", \
	  .offset = offsetof(struct cfg, m), .group = "search" }

#define OPTS_JOBS(cfg, m, help_) \
	{ .name = "jobs", .kind = OPT_U32, .letter = 'j', .def = "0", \
	  .max = 256, .help = help_ "; 0: one per host CPU", \
	  .offset = offsetof(struct cfg, m), .group = "search", \
	  .no_echo = true }

#define OPTS_OUTPUT(cfg, m, help_) \
	{ .name = "output", .kind = OPT_STRING, .letter = 'o', \
	  .metavar = "FILE", .help = help_, \
	  .offset = offsetof(struct cfg, m), .group = "output", \
	  .no_echo = true }

#define OPTS_PROGRESS(cfg, m) \
	{ .name = "progress", .kind = OPT_ENUM, .def = "auto", \
	  .names = progress_modes, .help = "progress on stderr", \
	  .offset = offsetof(struct cfg, m), .group = "output", \
	  .no_echo = true }

#define OPTS_DRY_RUN(cfg, m, help_) \
	{ .name = "dry-run", .kind = OPT_BOOL, .help = help_, \
	  .offset = offsetof(struct cfg, m), .group = "output", \
	  .no_echo = true }

#define OPTS_HELP(cfg, m) \
	{ .name = "help", .kind = OPT_BOOL, .letter = 'h', .help = "this text", \
	  .offset = offsetof(struct cfg, m), .group = "output", \
	  .no_echo = true }

/* One line on stderr, with near names. Return: EXIT_USAGE. */
int search_no_race(const char *cmd, const char *name);
int search_no_kernel(const char *cmd, const char *name);

#endif
