#include "emu/series.h"

#include <math.h>
#include <string.h>

#include "cpu/dram.h"

static struct {
	struct series *to;
	u64 next;
	void (*user_tick)(void);
} T;

static void take(struct series_sample *s)
{
	u32 nodes = the_sys->m->nr_nodes;

	memset(s, 0, sizeof(*s));
	s->at = this_cpu->now;
	for (u32 i = 0; i < the_sys->nr_cpus; i++) {
		const struct cpu *c = &the_sys->cpu[i];
		const u64 *v = c->count.v;

		s->faults += v[CTR_NUMA_HINT_FAULTS];
		s->local_faults += v[CTR_NUMA_HINT_FAULTS_LOCAL];
		s->migrated += v[CTR_NUMA_PAGES_MIGRATED];
		s->updates += v[CTR_NUMA_PTE_UPDATES];
		s->lines += v[CTR_NODE_LOADS] + v[CTR_NODE_STORES];
		s->remote_lines += v[CTR_NODE_LOAD_MISSES] +
			v[CTR_NODE_STORE_MISSES];
		s->moves += v[CTR_CPU_MIGRATIONS];
		s->scan_cycles += c->cycles[CYC_SCAN];
	}
	for (u32 n = 0; n < nodes && n < SERIES_NODES; n++)
		s->node_bytes[n] = dram_node_of(the_sys->dram, n)->bytes;
}

static void thin(struct series *s)
{
	for (u32 i = 0; i < SERIES_MAX / 2; i++)
		s->s[i] = s->s[2 * i + 1];
	s->nr = SERIES_MAX / 2;
	s->period *= 2;
}

static void tick(void)
{
	struct series *s = T.to;

	T.user_tick();
	if (likely(this_cpu->now < T.next))
		return;
	if (s->nr == SERIES_MAX)
		thin(s);
	take(&s->s[s->nr++]);
	T.next = (this_cpu->now / s->period + 1) * s->period;
}

void series_begin(struct series *s, u64 period_cycles)
{
	memset(s, 0, sizeof(*s));
	s->period = period_cycles;
	if (!period_cycles)
		return;
	s->nr_nodes = the_sys->m->nr_nodes < SERIES_NODES
		? the_sys->m->nr_nodes : SERIES_NODES;
	T.to = s;
	T.next = period_cycles;
	T.user_tick = the_sys->os.user_tick;
	the_sys->os.user_tick = tick;
}

void series_end(void)
{
	if (T.to)
		the_sys->os.user_tick = T.user_tick;
	memset(&T, 0, sizeof(T));
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
