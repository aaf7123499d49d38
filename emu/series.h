/* series.h - a timed run over time: what NUMA balancing did in each period of
 * modelled time, how local accesses were, what each node's memory served.
 *
 * Samples are taken by whichever CPU first ends a batch of accesses after the
 * period is over, so they are a batch late at most. At most SERIES_MAX are kept:
 * when they are full every other one goes and the period doubles.
 */
#ifndef EMU_SERIES_H
#define EMU_SERIES_H

#include "base/emit.h"
#include "cpu/cpu.h"

#define SERIES_MAX 256u
#define SERIES_NODES 8u                 /* the first ones                     */

/* Totals since the beginning. */
struct series_sample {
	u64 at;                         /* cycles                             */
	u64 faults, local_faults;       /* NUMA hints                         */
	u64 migrated, updates;          /* 4K pages                           */
	u64 scan_cycles;
	u64 lines, remote_lines;        /* of streams and probes              */
	u64 moves;                      /* tasks, between CPUs                */
	u64 node_bytes[SERIES_NODES];
};

struct series {
	u64 period;                     /* cycles; 0: none                    */
	u32 nr, nr_nodes;
	struct series_sample s[SERIES_MAX];
};

/* series_begin - clocks are at 0; @s is filled until series_end(). */
void series_begin(struct series *s, u64 period_cycles);
void series_end(void);

/* The table "samples": differences from sample to sample. */
void series_table(struct emit *em, const struct series *s, u64 hz);

/* series_converged - the time from which on at least @percent of all lines came
 * from the own node in every sample; -1: never, or none was counted. Seconds. */
double series_converged(const struct series *s, u64 hz, u32 percent);

#endif
