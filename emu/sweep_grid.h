/* sweep_grid.h - lists and ranges of option values, and the grid they span.
 *
 *	cpus = 1, 2, 4, 8	a list
 *	seed = 1..25		every whole number, both ends included
 *	pages = 1..100:10	every tenth: 1, 11, ... 91
 *	pages = 1..64*2		each twice the one before: 1, 2, ... 64
 *	machine = "a, b", c	an item in quotes may hold commas
 *
 * Lists and ranges may be mixed in one line, and the same name on a further
 * line adds values. Ranges are for whole numbers: counts, sizes, times.
 *
 * Every value is checked against the option when it is read. Two spellings of
 * one value (1K, 1024) are an error: a point would be there twice.
 *
 * Errors: negative errno, the text has no file and line yet.
 */
#ifndef EMU_SWEEP_GRID_H
#define EMU_SWEEP_GRID_H

#include "base/err.h"
#include "base/opt.h"
#include "base/types.h"

#define SWEEP_MAX_POINTS 1000000u
#define SWEEP_MAX_VALUES 10000u         /* of one axis                        */

struct sweep_axis {
	const struct opt *o;
	char **value;           /* [nr], as opt_each() spells them            */
	u32 nr;
};

struct sweep_grid {
	struct sweep_axis *axis;
	u32 nr_axes;
	bool is_after_args;     /* values are read when the command line has
				 * been: what it set must not hide them       */
};

/* sweep_grid_add - the values of @text to the axis @name. Each is stored in @s
 * on the way, as a file's or, is_after_args, as the command line's: what @s
 * holds afterwards says nothing.
 * -ENOENT: no such option (with the nearest name); -EINVAL, -ERANGE: a value;
 * -E2BIG: more than SWEEP_MAX_POINTS, SWEEP_MAX_VALUES. */
int sweep_grid_add(struct sweep_grid *g, struct opt_set *s, const char *name,
		   const char *text, struct err *e);

/* sweep_grid_drop - the axis @name goes, if there is one. */
void sweep_grid_drop(struct sweep_grid *g, const char *name);

/* How many points: 1 without an axis. */
u32 sweep_grid_points(const struct sweep_grid *g);

/* The value of axis @a at @point; the last axis changes first. */
u32 sweep_grid_index(const struct sweep_grid *g, u32 point, u32 a);

/* sweep_grid_apply - the values of @point into @s, over all others. */
int sweep_grid_apply(const struct sweep_grid *g, u32 point, struct opt_set *s,
		     struct err *e);

void sweep_grid_free(struct sweep_grid *g);

#endif
