/* record.h - run a program under Valgrind and keep what it does.
 *
 * The program is unmodified and keeps its standard streams and its terminal.
 * One process is recorded, with all its threads; a child that it forks runs on
 * its own, and so does a program that it becomes by exec.
 *
 * Errors: 0 or negative errno with text in @e.
 * Source: pidfd_open(2), ppoll(2); Valgrind's --log-fd.
 */
#ifndef EMU_RECORD_H
#define EMU_RECORD_H

#include "emu/record_parse.h"

struct record_job {
	const char *valgrind;   /* path of the program                        */
	char **argv;            /* what to record, NULL-terminated            */
	struct record_cfg cfg;
	/* Called now and then; may be NULL. */
	void (*progress)(void *arg, u64 nr_accesses);
	void *arg;
};

enum record_ending {
	RECORD_EXITED,          /* .status: exit status                       */
	RECORD_KILLED,          /* .status: signal, not one we sent           */
	RECORD_INTERRUPTED,     /* we were asked to stop, by a signal         */
	RECORD_LIMIT,           /* a limit of .cfg was reached                */
};

struct record_result {
	struct record_stats stats;
	enum record_ending ending;
	int status;
};

/* record_find - an executable file by name, as execvp finds it.
 * Return: 0 with the path, or -ENOENT, -EACCES. */
int record_find(const char *name, char *path, size_t bytes);

/* record_run - append the program's life to @w. Returns when the program has
 * ended: by itself; after INT, TERM or HUP, which are passed on; or ended by
 * us at a limit. One that does not end on its own then is killed. */
int record_run(const struct record_job *job, struct trace_writer *w,
	       struct record_result *res, struct err *e);

#endif
