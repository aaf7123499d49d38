/* memory.h - latencies of the data caches and of memory, and of lines that go
 * from one CPU to another.
 *
 * Caches:   chases through half of a level, or four times the one below; in
 *           large pages where there are any, so that TLBs do not matter, else
 *           what level 2 of the TLB costs is subtracted. Sizes are not
 *           measured: the machine's shape has them.
 * Memory:   a chase through lines that are in no cache; bandwidth by one core
 *           that reads such lines in turn.
 *
 * Units:   cycles. Errors: as mut.h; what a machine cannot do is not found.
 */
#ifndef CALIB_MEMORY_H
#define CALIB_MEMORY_H

#include "calib/mut.h"
#include "calib/tlb.h"

struct calib_latency {
	bool is_found;
	double cycles;
	double spread;
	char note[160];
};

struct calib_memory {
	struct calib_latency cache[MUT_NR_CACHES];
	/* [from a CPU of this node][memory of that one] */
	struct calib_latency dram[MUT_MAX_NODES][MUT_MAX_NODES];
	/* The same, cycles for each line that one core reads in turn. */
	struct calib_latency stream[MUT_MAX_NODES][MUT_MAX_NODES];
	struct calib_latency transfer[MUT_NR_HOPS];
};

int calib_memory(struct mut *m, const struct calib_tlb *tlb,
		 struct calib_memory *out, calib_progress *progress, void *arg,
		 struct err *e);

#endif
