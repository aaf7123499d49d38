/* sweep_run.h - points of a grid in worker processes, each kept in a database as
 * soon as it ends.
 *
 * Stopped at any moment (^C, SIGKILL, power) it has lost only the points that
 * were running; the same call goes on with these. A point that fails is kept
 * with its error and does not stop the others.
 *
 * Errors: negative errno with text; -EINTR: stopped by INT or TERM. What ended
 * before is kept.
 */
#ifndef EMU_SWEEP_RUN_H
#define EMU_SWEEP_RUN_H

#include "emu/experiment.h"
#include "emu/sweep_db.h"
#include "emu/sweep_grid.h"
#include "emu/sweep_key.h"

struct sweep {
	struct experiment *x;   /* its options are changed, point by point    */
	const struct sweep_grid *grid;
	struct sweep_db *db;
	u32 jobs;               /* worker processes; 0: one per host CPU      */
	int progress;           /* enum progress_mode                         */
	const char *label;      /* of the progress line                       */
	bool retry_failed;
};

/* What became of a list of points. */
struct sweep_tally {
	u32 total, done, failed;        /* in the database, after the run     */
	u32 ran;                        /* of these, just now                 */
	struct err first;               /* the first failed point's error     */
};

/* sweep_run - those of @point[0 .. nr) that are not in the database yet. */
int sweep_run(const struct sweep *s, const u32 *point, u32 nr,
	      struct sweep_tally *tally, struct err *e);

/* sweep_look - the tally without running anything. */
int sweep_look(const struct sweep *s, const u32 *point, u32 nr,
	       struct sweep_tally *tally, struct err *e);

/* sweep_point_key - the configuration of @point; x is set to it. */
int sweep_point_key(const struct sweep *s, u32 point, struct sweep_key *k,
		    struct err *e);

#endif
