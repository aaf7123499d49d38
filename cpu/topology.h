/* topology.h - who sits where, from hwloc. The only user of hwloc.
 *
 * Fills the topology part of a struct machine (counts, cpu[], distance[],
 * node_bytes[], node_os_index[], notes). CPUs are numbered by hwloc's logical
 * index of their PU, so neighbours share caches; os_index has the kernel's.
 */
#ifndef CPU_TOPOLOGY_H
#define CPU_TOPOLOGY_H

#include "base/err.h"
#include "cpu/machine.h"

#define TOPOLOGY_EXAMPLE "pack:4 [numa] core:8 pu:1"

/* Memory of a node when the topology does not say. */
#define TOPOLOGY_NODE_BYTES (16ull << 30)

enum topology_kind { TOPOLOGY_SYNTHETIC, TOPOLOGY_XML, TOPOLOGY_HOST };

/* topology_load - read @spec (ignored for TOPOLOGY_HOST) into @m.
 * Return: 0, -EINVAL (rejected by hwloc), -ENOENT and other errnos of open(),
 * -E2BIG (more than MACHINE_MAX_CPUS), -ENOMEM. On error @m owns nothing new. */
int topology_load(struct machine *m, enum topology_kind kind, const char *spec,
		  struct err *e);
void topology_unload(struct machine *m);

/* topology_describe_host - this host as an hwloc synthetic string, and the
 * caches of its first CPU: bytes and ways, latencies left 0.
 * Return: 0; -EIO, -ENOMEM; -E2BIG: it is not regular enough for a string. */
int topology_describe_host(char *synthetic, size_t size,
			   struct cache_geometry cache[NR_CACHE_LEVELS],
			   struct err *e);

#endif
