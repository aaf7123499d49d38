/* profile.h - a machine profile: the text file machines/NAME.ini, parsed.
 *
 *	[machine]
 *	name = NAME             as it is asked for
 *	summary = one line
 *	topology = an hwloc synthetic string
 *	hz = 2.5GHz | source
 *	[tlb.l1d_4k]            also tlb.l1d_2m, tlb.stlb; a missing section
 *	entries = 64            means that the machine has no such array
 *	ways = 4
 *	sets = 16               optional, entries / ways
 *	sizes = 4k, 2m, 1g
 *	index = linear | xor-7  xor-N: N = log2(sets)
 *	replacement = tree-plru | mru1-3plru4 | lru | fifo | random | nru
 *	source = where it is from, or "assumed: why"
 *	[cost]                  names and units: cpu/costs.def
 *	dram_local_ns = 81.4 | source
 *
 * Lines are at most PROFILE_MAX_LINE bytes; an indented line continues the text
 * of the one above. ';' and '#' at the start of a line begin a comment.
 */
#ifndef CPU_PROFILE_H
#define CPU_PROFILE_H

#include "base/err.h"
#include "cpu/machine.h"

#define PROFILE_MAX_LINE 190

enum profile_tlb { PROFILE_L1D_4K, PROFILE_L1D_2M, PROFILE_STLB,
		   NR_PROFILE_TLBS };

struct profile_cost {
	double value;           /* in the cost's own unit                     */
	char *source;           /* NULL: the default of costs.def holds       */
};

struct profile {
	char name[64];
	char summary[160];
	char topology[256];
	u64 hz;
	char *hz_source;
	struct tlb_geometry tlb[NR_PROFILE_TLBS];
	struct profile_cost cost[NR_COSTS];
};

/* profile_parse - @text as a profile; errors begin "LABEL:LINE: ".
 * Return: 0 and *@out is to be freed, -EINVAL, -ENOMEM. */
int profile_parse(struct profile **out, const char *label, const char *text,
		  size_t len, struct err *e);
void profile_free(struct profile *p);

/* profile_load - by path (has a '/' or ends in .ini) or by name, in the order
 * that machine.h gives. Return: as profile_parse, and -ENOENT. */
int profile_load(struct profile **out, const char *name, struct err *e);

/* Would profile_load() find something called @name? */
bool profile_exists(const char *name);

/* profile_names - all names, sorted, NULL-terminated, in one block to free();
 * NULL: out of memory. */
char **profile_names(void);

#endif
