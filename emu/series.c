/* Samples on the way, and what is told of them; see series.h. */
#include "emu/series.h"

#include <math.h>
#include <string.h>

#include "cpu/dram.h"
#include "cpu/timed.h"
#include "emu/timed_point.h"

#define FIRST_PERIOD 4096u

const enum counter series_counter[NR_SERIES_COUNTERS] = {
	CTR_NUMA_HUGE_PTE_UPDATES, CTR_THP_MIGRATION_SUCCESS,
	CTR_PGMIGRATE_SUCCESS, CTR_PGMIGRATE_FAIL, CTR_PGPROMOTE_CANDIDATE,
	CTR_PGPROMOTE_SUCCESS, CTR_PGDEMOTE_KSWAPD, CTR_REMOTE_FLUSH,
	CTR_REMOTE_FLUSH_RECEIVED,
};

static void take(struct series_sample *s, u64 at)
{
	u32 nodes = the_sys->m->nr_nodes;

	memset(s, 0, sizeof(*s));
	s->at = at;
	for (u32 i = 0; i < the_sys->nr_cpus; i++) {
		const struct cpu *c = &the_sys->cpu[i];
		const u64 *v = c->count.v;

		s->accesses += v[CTR_ACCESSES];
		s->faults += v[CTR_NUMA_HINT_FAULTS];
		s->local_faults += v[CTR_NUMA_HINT_FAULTS_LOCAL];
		s->migrated += v[CTR_NUMA_PAGES_MIGRATED];
		s->updates += v[CTR_NUMA_PTE_UPDATES];
		s->lines += v[CTR_NODE_LOADS] + v[CTR_NODE_STORES];
		s->remote_lines += v[CTR_NODE_LOAD_MISSES] +
			v[CTR_NODE_STORE_MISSES];
		s->moves += v[CTR_CPU_MIGRATIONS];
		s->scan_cycles += c->cycles[CYC_SCAN];
		s->overhead_cycles += timed_overhead(c->cycles);
		for (u32 k = 0; k < NR_SERIES_COUNTERS; k++)
			s->counter[k] += v[series_counter[k]];
	}
	for (u32 n = 0; n < nodes && n < SERIES_NODES; n++)
		s->node_bytes[n] = dram_node_of(the_sys->dram, n)->bytes;
}

static u64 on_time(u64 cycles, void *arg)
{
	struct series *s = arg;

	if (s->nr == s->max) {
		for (u32 i = 1; i < s->max; i += 2)
			s->s[i / 2] = s->s[i];
		s->nr /= 2;
		s->period *= 2;
	}
	take(&s->s[s->nr++], cycles);
	return cycles - cycles % s->period + s->period;
}

void series_begin(struct series *s, u64 period_cycles)
{
	memset(s, 0, sizeof(*s));
	s->period = period_cycles ? period_cycles : FIRST_PERIOD;
	s->max = period_cycles ? SERIES_MAX : SERIES_OWN_MAX;
	s->nr_nodes = the_sys->m->nr_nodes < SERIES_NODES
		? the_sys->m->nr_nodes : SERIES_NODES;
	timed_set_sampler(s->period, on_time, s);
}

void series_end(struct series *s, u64 at)
{
	take(&s->end, at);
}

static double share(u64 part, u64 all)
{
	return all ? 100 * (double)part / (double)all : NAN;
}

static void row(struct emit *em, const struct series *s,
		const struct series_sample *a, const struct series_sample *b,
		u64 hz)
{
	double seconds = (double)(b->at - a->at) / (double)hz;

	emit_double(em, (double)b->at / (double)hz * 1e3);
	emit_u64(em, b->updates - a->updates);
	emit_u64(em, b->faults - a->faults);
	emit_double(em, share(b->local_faults - a->local_faults,
			      b->faults - a->faults));
	emit_u64(em, b->migrated - a->migrated);
	emit_u64(em, b->moves - a->moves);
	emit_u64(em, b->scan_cycles - a->scan_cycles);
	emit_double(em, share(b->lines - a->lines -
			      (b->remote_lines - a->remote_lines),
			      b->lines - a->lines));
	for (u32 n = 0; n < s->nr_nodes; n++)
		emit_double(em, (double)(b->node_bytes[n] - a->node_bytes[n]) /
			    seconds / (1 << 20));
	for (u32 k = 0; k < NR_SERIES_COUNTERS; k++)
		if (s->end.counter[k])
			emit_u64(em, b->counter[k] - a->counter[k]);
	emit_row(em);
}

static void rows(struct emit *em, const struct series *s, u64 hz)
{
	static const struct series_sample zero;
	const struct series_sample *last = s->nr ? &s->s[s->nr - 1] : &zero;

	for (u32 i = 0; i < s->nr; i++)
		row(em, s, i ? &s->s[i - 1] : &zero, &s->s[i], hz);
	if (s->end.at > last->at)
		row(em, s, last, &s->end, hz);
}

void series_table(struct emit *em, const struct series *s, u64 hz)
{
	static const char *const node[SERIES_NODES] = {
		"node0", "node1", "node2", "node3", "node4", "node5", "node6",
		"node7"
	};
	struct emit_col cols[8 + SERIES_NODES + NR_SERIES_COUNTERS] = {
		{ .name = "time", .unit = "ms", .type = EMIT_DOUBLE,
		  .decimals = 1 },
		{ .name = "numa_pte_updates", .type = EMIT_U64 },
		{ .name = "numa_hint_faults", .type = EMIT_U64 },
		{ .name = "local_faults", .unit = "%", .type = EMIT_DOUBLE,
		  .decimals = 1 },
		{ .name = "numa_pages_migrated", .type = EMIT_U64 },
		{ .name = "cpu_migrations", .type = EMIT_U64 },
		{ .name = "scan", .unit = "cycles", .type = EMIT_U64 },
		{ .name = "local_lines", .unit = "%", .type = EMIT_DOUBLE,
		  .decimals = 1 },
	};
	u32 nr = 8;

	for (u32 n = 0; n < s->nr_nodes; n++)
		cols[nr++] = (struct emit_col){ .name = node[n],
			.unit = "MiB/s", .type = EMIT_DOUBLE, .decimals = 0 };
	for (u32 k = 0; k < NR_SERIES_COUNTERS; k++)
		if (s->end.counter[k])
			cols[nr++] = (struct emit_col){ .type = EMIT_U64,
				.name = counter_info[series_counter[k]].name };
	emit_table(em, &(struct emit_table){
		.name = "samples", .title = "\n over time, each since the one before",
		.cols = cols, .nr_cols = nr });
	rows(em, s, hz);
}

double series_converged(const struct series *s, u64 hz, u32 percent)
{
	static const struct series_sample zero;
	double since = -1;

	for (u32 i = 0; i < s->nr; i++) {
		const struct series_sample *a = i ? &s->s[i - 1] : &zero;
		const struct series_sample *b = &s->s[i];
		u64 lines = b->lines - a->lines;
		u64 remote = b->remote_lines - a->remote_lines;

		if (!lines)
			continue;
		if ((lines - remote) * 100 < lines * percent)
			since = -1;
		else if (since < 0)
			since = (double)a->at / (double)hz;
	}
	return since;
}
