/* sweep_key.h - what a result depends on, as one text, and its hash: the key
 * under which a sweep keeps a point.
 *
 * The text is JSON: every setting with its value (also what was not given), the
 * machine as it was built (a digest of its topology and of every number of its
 * profile), the content of the files that are read, and the program's version.
 * So a profile that is edited, a trace that is recorded anew or a newer program
 * is another point. Numbers are plain: bytes, ns, Hz.
 *
 * A program that was built with changes that are in no commit tells its version
 * by the digest of its executable file as well.
 *
 * Errors: negative errno with text.
 */
#ifndef EMU_SWEEP_KEY_H
#define EMU_SWEEP_KEY_H

#include "emu/experiment.h"
#include "emu/sweep_db.h"
#include "emu/sweep_grid.h"

struct sweep_key {
	char *config;           /* free() it                                  */
	char hash[SWEEP_HASH_TEXT];
};

/* sweep_key_of - of what @x is set to now. */
int sweep_key_of(const struct experiment *x, struct sweep_key *k,
		 struct err *e);

/* sweep_machine - the machine that @cfg names, built once a process and kept:
 * forked workers find it there. NULL: it cannot be built, machine_create() says
 * why. */
const struct machine *sweep_machine(const struct timed_cfg *cfg);

/* sweep_check_names - of what holds for all points of @g, and of every value of its
 * axes: is there such a kernel, flush strategy, machine, profile? A point with a
 * misspelled name would fail, and be kept as failed.
 * Return: 0, or an error with text that begins with the option's name. */
int sweep_check_names(const struct experiment *x, const struct sweep_grid *g,
		      struct err *e);

#endif
