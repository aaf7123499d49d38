/* What is known of a machine under test before anything is measured. */
#include <string.h>

#include "emu/mut_emulated.h"

_Static_assert(MUT_MAX_CPUS >= MACHINE_MAX_CPUS, "os_cpu holds all");

/* Those of @m that count: into @cpu, by the machine's number. */
static u32 list_cpus(const struct machine *m, bool (*may_use)(u32 os_cpu),
		     u32 *cpu)
{
	u32 n = 0;

	for (u32 i = 0; i < m->nr_cpus; i++)
		if (!may_use || may_use(m->cpu[i].os_index))
			cpu[n++] = i;
	return n;
}

void mut_shape_of(struct mut_shape *shape, const struct machine *m,
		  bool (*may_use)(u32 os_cpu))
{
	u32 cpu[MUT_MAX_CPUS];

	memset(shape, 0, sizeof(*shape));
	shape->nr_cpus = list_cpus(m, may_use, cpu);
	shape->nr_nodes = m->nr_nodes < MUT_MAX_NODES ? m->nr_nodes
						      : MUT_MAX_NODES;
	for (u32 i = 0; i < shape->nr_nodes; i++) {
		shape->os_node[i] = m->node_os_index[i];
		shape->node_cpu[i] = MUT_NO_CPU;
	}
	for (u32 i = shape->nr_cpus; i-- > 0; ) {
		const struct machine_cpu *c = &m->cpu[cpu[i]];

		shape->os_cpu[i] = c->os_index;
		if (c->node < MUT_MAX_NODES)
			shape->node_cpu[c->node] = i;
	}
	for (u32 b = 1; b < shape->nr_cpus; b++) {
		enum hop hop = machine_hop(m, cpu[0], cpu[b]);

		if (shape->has_pair[hop])
			continue;
		shape->has_pair[hop] = true;
		shape->pair[hop][1] = b;
	}
	for (u32 i = 0; i < NR_CACHE_LEVELS; i++)
		shape->cache_bytes[i] = m->cache[i].bytes;
	shape->hz = (double)m->hz;
}
