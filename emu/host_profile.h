/* host_profile.h - a machine profile of this host, from what was measured.
 *
 * Every value names its source: "clock" (the tenth percentile of N repetitions,
 * since interruptions only add; with half the 95 % interval of their median in
 * percent, of a difference those of both in percent of what is written;
 * and never less than how far apart several runs came out; "unstable" above
 * 10 %), "papi" (counted events), "hwloc", "cpuid",
 * or "assumed" and why.
 */
#ifndef EMU_HOST_PROFILE_H
#define EMU_HOST_PROFILE_H

#include <stdio.h>

#include "calib/memory.h"
#include "calib/tlb.h"
#include "cpu/machine.h"
#include "host/cpuid.h"

#define UNSTABLE 0.1            /* spread                                     */
#define HOST_MAX_RUNS 16u

/* A cost as found; source empty: not found, the default stays. */
struct found_cost {
	double value;           /* in the key's unit                          */
	char source[280];
};

struct host_profile {
	char name[64];
	char topology[256];
	struct cache_geometry cache[NR_CACHE_LEVELS];
	struct cpuid_info cpuid;
	double hz;
	struct calib_tlb tlb;
	struct calib_memory memory;
	struct found_cost cost[NR_COSTS];
	char entries_runs[NR_MUT_PAGES][2][64]; /* what several runs found    */
	char notes[8192];       /* lines for people: disagreements, what went
				 * on meanwhile                               */
};

/* host_profile_write - as text; @p is as calibration left it. */
void host_profile_write(const struct host_profile *p, FILE *f);

/* A line to p->notes. */
void host_profile_note(struct host_profile *p, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* "clock: +- 3 %" and "clock: 9 repetitions, +- 3 %", to @buf; @spread as
 * stat_share() has it. */
const char *host_profile_spread(double spread, char *buf, size_t size);
const char *host_profile_source(u32 n, double spread, char *buf, size_t size);

/* The array that the profile will have for data of @size at @level, and why. */
struct chosen_array {
	u64 entries, ways;
	char entries_source[320], ways_source[200];
	char disagreement[200];         /* ""                                 */
};
void host_profile_choose(const struct host_profile *p, u32 level, u32 size,
			 struct chosen_array *out);

#endif
