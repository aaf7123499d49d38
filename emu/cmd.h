/* cmd.h - what subcommands share: exit statuses, how they complain, and the way
 * from argv to a configuration.
 */
#ifndef EMU_CMD_H
#define EMU_CMD_H

#include "base/err.h"
#include "base/opt.h"

enum {
	EXIT_FAILED = 1,        /* a verdict differs, the host refused        */
	EXIT_USAGE = 2,         /* what the user typed or gave                */
	EXIT_NOT_FINISHED = 3,
	EXIT_CANNOT = 77,       /* this host has not what it takes            */
};

/* One line on stderr; gives @status back. */
int complain(int status, const struct err *e);

/* The same, of the subcommand @cmd. Return: EXIT_USAGE. */
int complain_usage(const char *cmd, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* cmd_main - parse @argv (the subcommand first) by @opts into @cfg, print the
 * help, or hand what is no option to @run. Return: the exit status. */
struct cmd {
	const char *name;
	const struct opt *opts;
	size_t nr_opts;
	void *cfg;
	const bool *help;               /* in @cfg                            */
	bool takes_words;               /* else what is no option is refused  */
	void (*print_help)(const struct opt_set *set);
	int (*run)(void *cfg, struct opt_set *set, char **arg, u32 n);
};
int cmd_main(const struct cmd *cmd, int argc, char **argv);

#endif
