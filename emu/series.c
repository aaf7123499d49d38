/* Samples on the way, and what is told of them; see series.h. */
#include "emu/series.h"

#include <math.h>
#include <string.h>

#include "cpu/dram.h"
#include "cpu/timed.h"
#include "emu/timed_point.h"

#define FIRST_PERIOD 4096u

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

static double share(u64 part, u64 all)
{
	return all ? 100 * (double)part / (double)all : NAN;
}

static void row(struct emit *em, const struct series_sample *a,
		const struct series_sample *b, u32 nr_nodes, u64 hz)
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
	for (u32 n = 0; n < nr_nodes; n++)
		emit_double(em, (double)(b->node_bytes[n] - a->node_bytes[n]) /
			    seconds / (1 << 20));
	emit_row(em);
}

void series_table(struct emit *em, const struct series *s, u64 hz)
{
	static const char *const node[SERIES_NODES] = {
		"node0", "node1", "node2", "node3", "node4", "node5", "node6",
		"node7"
	};
	static const struct series_sample zero;
	struct emit_col cols[8 + SERIES_NODES] = {
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

	for (u32 n = 0; n < s->nr_nodes; n++)
		cols[8 + n] = (struct emit_col){ .name = node[n],
			.unit = "MiB/s", .type = EMIT_DOUBLE, .decimals = 0 };
	emit_table(em, &(struct emit_table){
		.name = "samples", .title = "\n over time, each since the one before",
		.cols = cols, .nr_cols = 8 + s->nr_nodes });
	for (u32 i = 0; i < s->nr; i++)
		row(em, i ? &s->s[i - 1] : &zero, &s->s[i], s->nr_nodes, hz);
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
