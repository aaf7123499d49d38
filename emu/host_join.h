/* host_join.h - several calibrations of one host as one profile.
 *
 * Each number is that of the run in the middle. Where the runs lie farther
 * apart than UNSTABLE of it, the number is marked unstable and says how far;
 * its spread is never less than the runs'.
 */
#ifndef EMU_HOST_JOIN_H
#define EMU_HOST_JOIN_H

#include "emu/host_profile.h"

/* host_join - @run[0 .. n), n >= 1, into @out, but for its notes. */
void host_join(struct host_profile *out, const struct host_profile *const *run,
	       u32 n);

/* host_join_notes - lines of all runs, those they share once; to @out. */
void host_join_notes(struct host_profile *out,
		     const struct host_profile *const *run, u32 n);

#endif
