#include "emu/metrics.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ORDER the enum */
static const struct {
	const char *name, *unit;
	bool is_whole;
} own_metrics[NR_OWN_METRICS] = {
	{ "elapsed", "ms", false },     /* until the last thread was done     */
	{ "per_unit", "ns", false },    /* elapsed, by what the workload did  */
	{ "per_access", "ns", false },  /* elapsed of a thread, by an access  */
	{ "busy", "cycles", true },
	{ "overhead", "cycles", true }, /* what balancing and faults cost     */
	{ "locality", "%", false },     /* hint faults on the page's own node */
	{ "converged", "ms", false },   /* see metrics_converged_ms()         */
	{ "per_flush", "cycles", false },
	{ "done", NULL, true },
	{ "nr_threads", NULL, true },
	{ "assumed_numbers_used", NULL, true },
	{ "lines", "lines", true },     /* from and to memory                 */
	{ "lines_remote", "lines", true },      /* of these, another node's   */
};

struct metric_info metric_info(u32 i)
{
	struct metric_info m = { .is_whole = true, .unit = "cycles" };

	if (i < NR_OWN_METRICS) {
		snprintf(m.name, sizeof(m.name), "%s", own_metrics[i].name);
		m.unit = own_metrics[i].unit;
		m.is_whole = own_metrics[i].is_whole;
	} else if (i >= METRIC_NODES && i < METRIC_COUNTERS) {
		snprintf(m.name, sizeof(m.name), "node%u_bytes",
			 i - METRIC_NODES);
		m.unit = "bytes";
	} else if (i < METRIC_COUNTERS) {
		snprintf(m.name, sizeof(m.name), "cycles_%s",
			 cycle_cat_names[i - METRIC_CYCLES]);
	} else {
		snprintf(m.name, sizeof(m.name), "%s",
			 counter_info[i - METRIC_COUNTERS].name);
		m.unit = counter_info[i - METRIC_COUNTERS].unit;
	}
	return m;
}

u32 metric_find(const char *name)
{
	u32 i = 0;

	while (i < NR_METRICS && strcmp(metric_info(i).name, name))
		i++;
	return i;
}

static double ratio(double a, u64 b)
{
	return b ? a / (double)b : NAN;
}

/* Of the hint faults between two samples: were enough on the page's own node? */
static bool is_local(const struct series_sample *from,
		     const struct series_sample *to)
{
	u64 faults = to->faults - from->faults;
	u64 local = to->local_faults - from->local_faults;

	return local * 100 >= faults * METRIC_CONVERGED_PERCENT;
}

static double converged_ms(const struct timed_result *r)
{
	static const struct series_sample none;
	const struct series *s = &r->series;
	u32 i = s->nr;

	if (!r->count.v[CTR_NUMA_HINT_FAULTS])
		return NAN;
	while (i && is_local(i > 1 ? &s->s[i - 2] : &none, &s->s[i - 1]))
		i--;
	if (i == s->nr)
		return NAN;
	return i ? timed_cycles_to_ms(r, s->s[i - 1].at) : 0;
}

/* What is not modelled has no traffic. */
static void memory_metrics(const struct timed_result *r, double *v)
{
	const struct series_sample *end = &r->series.end;
	bool is_modelled = counter_mask_has(&r->modelled, CTR_NODE_LOADS);

	v[METRIC_LINES] = is_modelled ? (double)end->lines : NAN;
	v[METRIC_REMOTE_LINES] = is_modelled ? (double)end->remote_lines : NAN;
	for (u32 n = 0; n < SERIES_NODES; n++)
		v[METRIC_NODES + n] = is_modelled && n < r->series.nr_nodes
			? (double)end->node_bytes[n] : NAN;
}

void metrics_of(const struct timed_result *r, struct metrics *m)
{
	const u64 *c = r->count.v;
	double *v = m->v;

	v[METRIC_ELAPSED] = timed_cycles_to_ms(r, r->elapsed_cycles);
	v[METRIC_PER_UNIT] = ratio(v[METRIC_ELAPSED] * 1e6, r->done);
	v[METRIC_PER_ACCESS] = ratio(v[METRIC_ELAPSED] * 1e6 * r->nr_threads,
				     c[CTR_ACCESSES]);
	v[METRIC_BUSY] = (double)timed_busy_cycles(r);
	v[METRIC_OVERHEAD] = (double)timed_overhead(r->cycles);
	v[METRIC_LOCALITY] = ratio(100.0 * (double)c[CTR_NUMA_HINT_FAULTS_LOCAL],
				   c[CTR_NUMA_HINT_FAULTS]);
	v[METRIC_CONVERGED] = converged_ms(r);
	v[METRIC_PER_FLUSH] = timed_flush_cycles(r);
	v[METRIC_DONE] = (double)r->done;
	v[METRIC_THREADS] = r->nr_threads;
	v[METRIC_ASSUMED] = r->nr_assumed_used;
	memory_metrics(r, v);
	for (u32 i = 0; i < NR_CYCLE_CATS; i++)
		v[METRIC_CYCLES + i] = (double)r->cycles[i];
	for (u32 i = 0; i < NR_COUNTERS; i++)
		v[METRIC_COUNTERS + i] =
			counter_mask_has(&r->modelled, (enum counter)i)
			? (double)c[i] : NAN;
}
