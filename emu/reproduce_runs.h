/* reproduce_runs.h - how each reproduced number is measured on the model.
 * All: 0 with *@value, or negative errno with text in @e. */
#ifndef EMU_REPRODUCE_RUNS_H
#define EMU_REPRODUCE_RUNS_H

#include "emu/reproduce.h"

#define REPRO_VALUE(name) \
	int repro_##name##_value(const struct repro_point *p, \
				 const struct repro_costs *c, double *value, \
				 struct err *e)

/* repro_ratio - what @of says of two runs, the second's over the first's. */
int repro_ratio(const struct repro_run *before, const struct repro_run *after,
		const struct repro_costs *c,
		double (*of)(const struct timed_result *r), double *value,
		struct err *e);

/* What @of says of one run. */
int repro_of(const struct repro_run *run, const struct repro_costs *c,
	     double (*of)(const struct timed_result *r), double *value,
	     struct err *e);

REPRO_VALUE(c1);        /* x pages, 0: everything; cycles with tracing        */
REPRO_VALUE(c2);        /* x threads, series: kernel; iterations a second     */
REPRO_VALUE(c4);        /* x threads; cycles of a call                        */
REPRO_VALUE(c5);        /* series: strategy; iterations a second              */
REPRO_VALUE(c8);        /* x cores; us                                        */
REPRO_VALUE(h1);        /* slope, intercept and full flush of C1              */
REPRO_VALUE(h2);        /* us less at 34 pages than at 33                     */
REPRO_VALUE(h3);        /* cycles more with a remote target                   */
REPRO_VALUE(h4);        /* C2: us an iteration at 55 threads against 1        */
REPRO_VALUE(h5);        /* C2: patched against 5.17 at 55                     */
REPRO_VALUE(c3);        /* series, x threads; operations a second             */
REPRO_VALUE(h6);        /* C3 at 16 threads: the ratio                        */
REPRO_VALUE(h7);        /* time, or IPIs a second: the ratio                  */
REPRO_VALUE(h8);
REPRO_VALUE(h16);       /* swap_bench: the time of a round, the ratio        */
REPRO_VALUE(c9);        /* series: kernel, x threads; us                      */
REPRO_VALUE(h17);       /* C9 at 1 or 30 threads: the ratio                   */
REPRO_VALUE(h18);       /* system time: the ratio                            */
REPRO_VALUE(h19);       /* requests a second: the ratio                      */
REPRO_VALUE(h21);       /* throughput: the ratio                              */
REPRO_VALUE(h9);        /* % of IPIs that go, or pages a second: the ratio    */
REPRO_VALUE(h11);       /* IPIs or time, with LUF to without                  */
REPRO_VALUE(h10);       /* share of flushing, and throughput's ratio          */
REPRO_VALUE(h12);       /* munmap under LATR against Linux                    */
REPRO_VALUE(h13);       /* requests a second: the ratio                     */
REPRO_VALUE(h14);       /* C8: the ratio                                      */
REPRO_VALUE(h22);       /* how many of four seeds lose stores                 */

#endif
