/* counted.h - what the machine's own events say of TLBs that were found by the
 * clock: a second opinion, and the cycles of a walk where they are counted.
 *
 * Counting takes more than a step of the clock's for granted (other programs
 * miss, too, and processors count what they only tried), so that it confirms
 * and does not decide.
 *
 * Errors: as mut.h; what cannot be counted or asked for stays NAN.
 */
#ifndef CALIB_COUNTED_H
#define CALIB_COUNTED_H

#include "calib/tlb.h"

struct calib_counted {
	/* Misses an access: through 3/4 of the entries, through twice as many
	 * as there are. Level 2: walks. */
	double below[NR_MUT_PAGES][2], above[NR_MUT_PAGES][2];
	double walk_cycles;             /* of a walk                          */
};

int calib_counted(struct mut *m, const struct calib_tlb *t,
		  struct calib_counted *out, struct err *e);

#endif
