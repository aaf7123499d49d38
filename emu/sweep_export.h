/* sweep_export.h - points of a database as one wide table, a row each: settings,
 * state, then every number as a column of its own.
 *
 * With a sweep at hand (@s): its points in the grid's order, what varies as the
 * first columns; a point that is not there yet is a row as well. Without one:
 * every point of the file, in order of configuration, with the settings that
 * are not the same in all of them.
 *
 * The table holds nothing of when, where or in how many pieces it came about:
 * the same points give the same bytes.
 */
#ifndef EMU_SWEEP_EXPORT_H
#define EMU_SWEEP_EXPORT_H

#include "emu/sweep_run.h"

struct sweep_export {
	struct sweep_db *db;
	const struct sweep *s;          /* NULL: all that is in the file      */
	const u32 *point;               /* with @s                            */
	u32 nr_points;
	const char *columns;            /* "elapsed,ipis_sent"; NULL: all     */
};

/* sweep_export - -EINVAL: no such column (with the nearest name). */
int sweep_export(const struct sweep_export *x, struct emit *em, struct err *e);

#endif
