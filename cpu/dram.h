/* dram.h - memory controllers and the links between nodes, as queues: what one
 * program takes of their bandwidth another waits for. Timed runs.
 *
 * A transfer of B bytes by a CPU of node a to memory of node b is over when
 *   its core could have asked for it: B / 64 lines, each under way for the
 *     latency of b, [memory] lines_in_flight of them at a time, SMT siblings
 *     together,
 *   the controller of b has served it, after all that came before:
 *     B / [memory] node_bandwidth,
 *   and the link between a and b has: B / [memory] link_bandwidth.
 * The three overlap; the last one counts. Transfers are served whole and in the
 * order of their beginning, so a transfer should be small against what anybody
 * looks at; a single line waits at most for what all cores can have under way.
 * Nothing else of a DRAM is modelled (banks, pages, turn-around).
 * A profile without bandwidths has no queues: the first rule alone is left.
 *
 * Streams of stores are taken to write whole lines without reading them first.
 */
#ifndef CPU_DRAM_H
#define CPU_DRAM_H

#include "cpu/cpu.h"

struct dram_node {
	u64 free_at;
	u64 bytes;                      /* served so far                      */
};

/* Return: 0 with *@out, -ENOMEM. */
int dram_create(struct dram **out, const struct machine *m, u64 nr_frames);
void dram_destroy(struct dram *d);
void dram_reset(struct dram *d);

const struct dram_node *dram_node_of(const struct dram *d, u32 node);

/* The node of @pfn. */
u32 dram_home(const struct dram *d, u64 pfn);

/* dram_transfer - this CPU moves @bytes to or from @node, @in_flight lines at a
 * time (0: as many as it can). In order of time: the caller has caught up.
 * Return: when it is over. */
u64 dram_transfer(struct dram *d, u32 node, u64 bytes, u32 in_flight);

/* ---- programs (stream.c) ---- */

/* cpu_stream - go once through @bytes from @va, each line once, as memset() or a
 * sum does: what is not in the caches comes from memory at the speed of the
 * hardware's prefetching.
 * @footprint: bytes that the program goes through again and again; what fits into
 * its share of the last-level cache does not come from memory. 0: nothing does.
 * Return: 0, or the fault handler's error. */
int cpu_stream(u64 va, u64 bytes, enum run_op op, u64 footprint);

/* cpu_chase - the same of objects that lead to each other: @in_flight lines at a
 * time, and none of them is in a cache. */
int cpu_chase(u64 va, u64 bytes, enum run_op op, u32 in_flight);

/* cpu_probe - one access that misses all caches and depends on the one before. */
int cpu_probe(u64 va, enum run_op op);

#endif
