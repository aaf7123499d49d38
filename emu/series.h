/* series.h - a timed run over time: what NUMA balancing did in each period of
 * modelled time, how local accesses were, what each node's memory served. `run
 * --sample` prints it, sweeps keep a part of it in their database.
 *
 * A sample is taken when the slowest clock has passed the period's end; other CPUs
 * may be ahead by then (timed_set_sampler()). When there is no room for more, every
 * other one goes and the period doubles.
 */
#ifndef EMU_SERIES_H
#define EMU_SERIES_H

#include "base/emit.h"
#include "cpu/cpu.h"

#define SERIES_MAX 256u
#define SERIES_OWN_MAX 64u              /* where nobody named a period        */
#define SERIES_NODES 8u                 /* the first ones                     */

/* Counters that each sample has besides; the table shows those that moved. */
enum { NR_SERIES_COUNTERS = 9 };
extern const enum counter series_counter[NR_SERIES_COUNTERS];

/* Totals since the beginning. */
struct series_sample {
	u64 at;                         /* cycles                             */
	u64 accesses;
	u64 overhead_cycles;            /* timed_overhead()                   */
	u64 faults, local_faults;       /* NUMA hints                         */
	u64 migrated, updates;          /* 4K pages                           */
	u64 scan_cycles;
	u64 lines, remote_lines;        /* of streams and probes              */
	u64 moves;                      /* tasks, between CPUs                */
	u64 node_bytes[SERIES_NODES];
	u64 counter[NR_SERIES_COUNTERS];        /* ORDER series_counter       */
};

struct series {
	u64 period;                     /* cycles                             */
	u32 nr, max, nr_nodes;
	struct series_sample s[SERIES_MAX];
	struct series_sample end;       /* by series_end()                    */
};

/* series_begin - before timed_run(), clocks are at 0: @s is filled by it. Every
 * @period_cycles, at most SERIES_MAX samples; 0: about evenly, SERIES_OWN_MAX at
 * most and, once there were as many, never less than half of that. */
void series_begin(struct series *s, u64 period_cycles);

/* series_end - after timed_run(): totals of the whole run, which ended @at. */
void series_end(struct series *s, u64 at);

/* The table "samples": differences from sample to sample, and to the end. */
void series_table(struct emit *em, const struct series *s, u64 hz);

/* series_converged - the time from which on at least @percent of all lines came
 * from the own node in every sample; -1: never, or none was counted. Seconds. */
double series_converged(const struct series *s, u64 hz, u32 percent);

#endif
