/* metrics.h - the numbers of a timed run as one flat list of names: what a sweep
 * stores and exports, what tuning compares.
 *
 * First what `compare` shows (elapsed, busy, per_flush), then cycles by
 * category (cycles_NAME), what each node's memory served (nodeN_bytes), then
 * every counter under its own name. A number that
 * the configuration does not model is absent, never 0.
 */
#ifndef EMU_METRICS_H
#define EMU_METRICS_H

#include "emu/timed_point.h"

/* ORDER own_metrics in metrics.c */
enum {
	METRIC_ELAPSED, METRIC_PER_UNIT, METRIC_PER_ACCESS, METRIC_BUSY,
	METRIC_OVERHEAD, METRIC_LOCALITY, METRIC_CONVERGED, METRIC_PER_FLUSH,
	METRIC_DONE, METRIC_THREADS, METRIC_ASSUMED,
	METRIC_LINES, METRIC_REMOTE_LINES,
	NR_OWN_METRICS,
	METRIC_CYCLES = NR_OWN_METRICS,
	METRIC_NODES = METRIC_CYCLES + NR_CYCLE_CATS,   /* bytes of memory    */
	METRIC_COUNTERS = METRIC_NODES + SERIES_NODES,
	NR_METRICS = METRIC_COUNTERS + NR_COUNTERS
};

/* `converged`: from this modelled time to the end, in each span between two
 * samples (timed_result.sample), that share of the NUMA hint faults was on the
 * page's own node; a span without faults counts as such. Absent without faults,
 * or when the last span has too few. */
#define METRIC_CONVERGED_PERCENT 90

struct metrics {
	double v[NR_METRICS];   /* NAN: absent. Counts are exact up to 2^53   */
};

struct metric_info {
	char name[64];
	const char *unit;
	bool is_whole;          /* a count: no fraction                       */
};

/* metric_info - of metric @i. */
struct metric_info metric_info(u32 i);

/* metric_find - NR_METRICS when none has that name. */
u32 metric_find(const char *name);

void metrics_of(const struct timed_result *r, struct metrics *m);

#endif
