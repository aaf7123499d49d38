/* steps.h - where a noisy staircase steps.
 *
 * A curve of cycles against pages is flat, rises where a level ends, is flat
 * again. This finds the treads as the piecewise-constant fit that explains the
 * points best for its number of pieces: exact, by dynamic programming, with a
 * loss that is capped, so that a point which was interrupted costs no more than
 * any other bad one. Then each riser's foot, where the points leave the tread.
 *
 * Source: penalised optimal partitioning (Jackson et al. 2005) with the bounded
 * loss of Fearnhead and Rigaill (2019), absolute instead of squared.
 * Cost:   n^2 log n; n is at most STEPS_MAX_POINTS.
 */
#ifndef CALIB_STEPS_H
#define CALIB_STEPS_H

#include "base/types.h"

#define STEPS_MAX_POINTS 1024u
#define STEPS_MIN_TREAD 5u

struct step {
	u32 last;               /* index of the tread's last point            */
	double before, after;   /* heights of the treads around it            */
};

struct steps_cfg {
	double noise;           /* one standard deviation; 0: estimated from
				 * neighbours                                 */
	double min_rise;        /* lower steps are not worth a name           */
	u32 min_tread;          /* points; fewer between two treads are their
				 * riser. 0: STEPS_MIN_TREAD                  */
};

/* steps_find - the rising steps of @y, left to right.
 * Return: how many are in @out, at most @max; -EINVAL (too many points, or
 * fewer than 2), -ENOMEM. */
int steps_find(const double *y, u32 n, const struct steps_cfg *cfg,
	       struct step *out, u32 max);

/* steps_noise - one standard deviation, from differences of neighbours. */
double steps_noise(const double *y, u32 n);

#endif
