/* sde.h - the emulated machine as a component of PAPI: its counters as
 * software-defined events, "sde:::tlbemu::dTLB-load-misses" and so on for all
 * of base/counters.def, and "sde:::tlbemu::cycles", "...::cycles.copy" and the
 * other categories of cpu/categories.def. docs/papi.md has a client.
 *
 * Every event goes on counting from one emulated run to the next. Read within
 * a run (by a workload) it says what is so far: counts are of all CPUs, cycles
 * are the reading CPU's clock and time in each category.
 *
 * libsde is loaded when asked for. Errors: -ENOENT with text: it is not there.
 */
#ifndef EMU_SDE_H
#define EMU_SDE_H

#include "base/counters.h"
#include "base/err.h"
#include "cpu/cpu.h"

/* sde_export - register all events, once per process. */
int sde_export(struct err *e);

/* sde_retire - a run has ended with these sums: they stay. */
void sde_retire(const struct counters *count, u64 elapsed_cycles,
		const u64 *cycles);

/* What an event would be read as; @nr counts through counters, then cycles,
 * then categories. */
#define SDE_CYCLES ((u32)NR_COUNTERS)
#define SDE_CATEGORY(c) (SDE_CYCLES + 1u + (u32)(c))
#define NR_SDE_EVENTS SDE_CATEGORY(NR_CYCLE_CATS)
s64 sde_value(u32 nr);
const char *sde_name(u32 nr, char *buf, size_t size);

#endif
