/* import_lackey.h - memory traces from Valgrind's lackey tool:
 *
 *	valgrind --tool=lackey --trace-mem=yes --log-file=ls.lackey ls -l
 *
 * A line is an access: "I  04001000,3" (instruction fetch), " L 1ffefff0,8"
 * (load), " S addr,size" (store) or " M addr,size" (load, then store, of the
 * same bytes): the address in hexadecimal, the size in decimal bytes.
 * Valgrind's own lines ("==pid== ...", "--pid-- ...", "**pid** ...") and
 * empty lines are skipped; anything else is an error, since a line lost is an
 * access lost.
 * Source: Valgrind manual, "Lackey: an example tool", and lk_main.c's output.
 */
#ifndef EMU_IMPORT_LACKEY_H
#define EMU_IMPORT_LACKEY_H

#include "base/err.h"
#include "base/types.h"
#include "workloads/trace_file.h"

struct lackey_cfg {
	const char *name;       /* of the input, for error texts              */
	bool with_fetch;        /* keep instruction fetches                   */
	bool is_partial_ok;     /* ignore a last line without line end, which
				 * is what an interrupted recording leaves    */
	u64 limit;              /* stop after this many accesses; 0: none     */
	/* Called now and then with the input bytes read; may be NULL. */
	void (*progress)(void *arg, u64 bytes);
	void *arg;
};

struct lackey_result {
	u64 nr_lines;           /* read, of any kind                          */
	u64 nr_accesses;        /* appended, before page-crossing splits      */
	u64 nr_fetches_skipped;
	bool is_write_error;    /* the error came from the trace writer       */
	char command[TRACE_NAME_MAX];   /* from valgrind's "Command:" line,
					 * "" when there is none              */
};

/* lackey_import - append what @fd (a file or a pipe) holds to @w.
 * Return: 0, -EINVAL with the text naming input, line and what was expected,
 * or what reading or trace_writer_append() gave. */
int lackey_import(int fd, const struct lackey_cfg *cfg,
		  struct trace_writer *w, struct lackey_result *res,
		  struct err *e);

#endif
