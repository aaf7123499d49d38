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

/* One line on stderr, with near names. Return: EXIT_USAGE. */
int search_no_race(const char *cmd, const char *name);
int search_no_kernel(const char *cmd, const char *name);

#endif
