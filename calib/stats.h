/* stats.h - what many measurements of one thing say: robust, since others run
 * on the machine, too.
 *
 * The median is the figure. Its confidence interval comes from order statistics
 * (distribution-free: the ranks n/2 -+ 1.96 sqrt(n)/2), so a few long
 * interruptions do not move it.
 *
 * Errors: none. NAN in, or no value at all: NAN out.
 */
#ifndef CALIB_STATS_H
#define CALIB_STATS_H

#include "base/types.h"

struct stat_summary {
	double median;
	double lo, hi;          /* 95 % confidence interval of the median     */
	double mad;             /* median absolute deviation from it          */
	double low;             /* a tenth is at most this: interruptions only
				 * add                                        */
	u32 n;
};

/* stat_summarise - sorts @v. */
struct stat_summary stat_summarise(double *v, u32 n);

double stat_median(double *v, u32 n);   /* sorts @v */

/* Half the interval's width as a share of the median; 0 for one value. */
double stat_spread(const struct stat_summary *s);

/* The same in the values' unit, and as a share of @value, which was made from
 * them: of a difference both halves count and the difference is the value. */
double stat_half(const struct stat_summary *s);
double stat_share(double half, double value);

/* stat_quantile - @q in 0..1 of sorted @v, nearest rank. */
double stat_quantile(const double *sorted, u32 n, double q);

/* stat_line - least squares y = *a + *b * x; two different x at least. */
void stat_line(const double *x, const double *y, u32 n, double *a, double *b);

#endif
