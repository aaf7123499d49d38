/* Queues of controllers and links; see dram.h. */
#include "cpu/dram.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LINE 64u

struct dram {
	const struct machine *m;
	u64 frames_per_node;
	u32 nr_nodes;
	u64 *latency;                   /* [nodes * nodes] cycles             */
	struct dram_node *node;         /* [nodes]                            */
	u64 *link_free;                 /* [nodes * nodes], a < b             */
	u64 *core_free;                 /* [cores]                            */
};

static u32 cpu_of_node(const struct machine *m, u32 node)
{
	for (u32 i = 0; i < m->nr_cpus; i++)
		if (m->cpu[i].node == node)
			return i;
	return UINT32_MAX;
}

int dram_create(struct dram **out, const struct machine *m, u64 nr_frames)
{
	u32 n = m->nr_nodes;
	struct dram *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->m = m;
	d->nr_nodes = n;
	d->frames_per_node = nr_frames / n;
	d->latency = calloc((size_t)n * n, sizeof(*d->latency));
	d->node = calloc(n, sizeof(*d->node));
	d->link_free = calloc((size_t)n * n, sizeof(*d->link_free));
	d->core_free = calloc(m->nr_cores, sizeof(*d->core_free));
	if (!d->latency || !d->node || !d->link_free || !d->core_free) {
		dram_destroy(d);
		return -ENOMEM;
	}
	for (u32 a = 0; a < n; a++)
		for (u32 b = 0; b < n; b++) {
			u32 cpu = cpu_of_node(m, a);

			if (cpu != UINT32_MAX)
				d->latency[a * n + b] = machine_dram(m, cpu, b);
		}
	*out = d;
	return 0;
}

void dram_destroy(struct dram *d)
{
	if (!d)
		return;
	free(d->latency);
	free(d->node);
	free(d->link_free);
	free(d->core_free);
	free(d);
}

void dram_reset(struct dram *d)
{
	u32 n = d->nr_nodes;

	memset(d->node, 0, n * sizeof(*d->node));
	memset(d->link_free, 0, (size_t)n * n * sizeof(*d->link_free));
	memset(d->core_free, 0, d->m->nr_cores * sizeof(*d->core_free));
}

const struct dram_node *dram_node_of(const struct dram *d, u32 node)
{
	return &d->node[node];
}

u32 dram_home(const struct dram *d, u64 pfn)
{
	return (u32)(pfn / d->frames_per_node);
}

/* One server: it works from when it is free, or from @now. */
static u64 serve(u64 *free_at, u64 now, u64 cycles)
{
	*free_at = (*free_at > now ? *free_at : now) + cycles;
	return *free_at;
}

static u64 cycles_at(const struct dram *d, u64 bytes, u64 bandwidth)
{
	return (u64)((unsigned __int128)bytes * d->m->hz / bandwidth);
}

/* A server of @bytes. One line waits for those that cores have under way, not for
 * all that they will ask for until a transfer is over. */
static u64 serve_bytes(const struct dram *d, u64 *free_at, u64 bytes,
		       u64 bandwidth)
{
	u64 now = this_cpu->now;
	u64 done = serve(free_at, now, cycles_at(d, bytes, bandwidth));
	u64 most = now + cycles_at(d, (d->m->nr_cores * d->m->lines_in_flight +
				       1ull) * LINE, bandwidth);

	return bytes <= LINE && done > most ? most : done;
}

static u64 later(u64 a, u64 b)
{
	return a > b ? a : b;
}

u64 dram_transfer(struct dram *d, u32 node, u64 bytes, u32 in_flight)
{
	const struct cpu *c = this_cpu;
	u32 own = c->node, low = own < node ? own : node;
	u32 high = own < node ? node : own;
	u64 lines = (bytes + LINE - 1) / LINE;
	u64 core = lines * d->latency[own * d->nr_nodes + node];
	u64 done;

	the_sys->cost_used[own == node ? COST_DRAM_LOCAL
				       : COST_DRAM_REMOTE] = true;
	core /= in_flight ? in_flight : d->m->lines_in_flight;
	done = serve(&d->core_free[d->m->cpu[c->id].core], c->now, core);
	if (d->m->node_bandwidth)
		done = later(done, serve_bytes(d, &d->node[node].free_at, bytes,
					       d->m->node_bandwidth));
	if (d->m->link_bandwidth && own != node)
		done = later(done, serve_bytes(d, &d->link_free[low * d->nr_nodes +
								high], bytes,
					       d->m->link_bandwidth));
	d->node[node].bytes += bytes;
	return done;
}
