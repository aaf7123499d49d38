/* timed_parts.h - what the files of a timed point share, and nobody else:
 * timed_point.c (machine, kernel, the run), timed_refuse.c and timed_result.c.
 */
#ifndef EMU_TIMED_PARTS_H
#define EMU_TIMED_PARTS_H

#include "emu/timed_point.h"

/* ---- timed_refuse.c: -EINVAL with text ---------------------------------------------- */

int timed_refuse(const struct timed_point *p, const struct machine *m,
		 struct err *e);
int timed_check_asid_bits(const struct timed_point *p, const struct machine *m,
			  struct err *e);
/* Of --mthp, a bit an order. */
int timed_mthp_orders(const struct timed_point *p, const struct machine *m,
		      u32 *orders, struct err *e);
u64 timed_nr_frames(const struct machine *m);

/* ---- timed_result.c ------------------------------------------------------------------ */

/* The clocks have stopped; @sys is still there. */
void timed_gather(struct sys *sys, const struct wl *w, struct timed_result *r);

#endif
