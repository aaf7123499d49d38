/* profile.h - a machine profile: the text file machines/NAME.ini, parsed.
 * docs/machines.md shows how to write one.
 *
 *	[machine]
 *	name = NAME             as it is asked for
 *	summary = one line
 *	topology = an hwloc synthetic string | source
 *	hz = 2.5GHz | source
 *	arch = x86 | source     also arm, riscv
 *	pcid = yes | source     also invpcid, tce, la57 (x86), tlbi_range,
 *	                        hafdbs, bbml1, bbml2 (Arm), svinval, svnapot,
 *	                        svadu, svvptc, sv57 (RISC-V); no when missing
 *	invlpgb = 8 | source    pages per instruction; 0, or missing: none
 *	[tlb]
 *	pcid_slots = 4          address spaces kept apart; 0, or missing: all
 *	pcid_slots_l1i = 1      the same in level 1 for fetches
 *	cr3_empties_l1d = yes
 *	inclusive = yes         what level 2 evicts leaves level 1, too
 *	[tlb.NAME]              one for each array, any name
 *	level = 1
 *	serves = load, store    also fetch; data is load and store
 *	entries = 64
 *	ways = 4                or full; sets = entries / ways, or as given
 *	sizes = 4k, 2m, 1g      of Arm also 16k, 64k, 32m, 512m, for other
 *	                        granules (granule.h)
 *	index = linear          or xor-N, N = log2(sets); not with one set
 *	replacement = tree-plru mru1-3plru4 lru fifo random nru lru-3plru4
 *	hit_cycles = 9          level 2: added to an access that hits here
 *	coalesce = 16k          one entry may map so much contiguous memory, of
 *	                        4K pages
 *	coalesce_2m = 32m       the same, of 2M pages
 *	smt = shared            threads compete; or split, or private
 *	pieces = yes            of larger pages than it holds
 *	[psc]
 *	pde = 32x4              entries x ways; also pdpte, pml4e, pml5e
 *	nested = 32             entries of the nested TLB, guest frame to host
 *	                        frame; 32, and assumed, when missing
 *	[walker]
 *	count = 2
 *	[cache.l1d]             also cache.l2, cache.llc
 *	bytes = 32K
 *	ways = 8
 *	latency = 4             cycles of a load that hits
 *	[memory]                may be missing, as any of its keys
 *	node_bandwidth = 17G    bytes a second of a node's memory; unlimited
 *	link_bandwidth = 12G    the same between two nodes, both ways together
 *	lines_in_flight = 10    of a core; 10, and assumed
 *	[cost]                  names and units: cpu/costs.def
 *	dram_local_ns = 81.4 | source
 *
 * Every value ends in "| source". In [tlb*], [psc], [walker], [memory] and [cache.*] the
 * key "source" stands for those that do not. A source that begins with
 * "assumed" was chosen.
 *
 * Lines are at most PROFILE_MAX_LINE bytes; an indented line continues the text
 * of the one above. ';' and '#' at the start of a line begin a comment.
 */
#ifndef CPU_PROFILE_H
#define CPU_PROFILE_H

#include "base/err.h"
#include "cpu/machine.h"

#define PROFILE_MAX_LINE 190

struct profile {
	char name[64];
	char summary[160];
	char topology[256];
	u64 hz;
	enum arch arch;
	u32 feature[NR_MACHINE_FEATURES];       /* INVLPGB: pages; else 0, 1  */

	/* @source of a geometry is that of its entries, cut to fit; @value has
	 * each key's own. */
	struct tlb_design tlb;
	struct psc_geometry psc;
	u32 nested_entries;
	u32 nr_walkers;
	u64 node_bandwidth, link_bandwidth;     /* bytes a second; 0: none    */
	u32 lines_in_flight;
	struct cache_geometry cache[NR_CACHE_LEVELS];
	double cost[NR_COSTS];                  /* in the cost's own unit     */

	struct machine_value *value;    /* of all of the above; costs last    */
	u32 nr_values;
};

/* profile_parse - @text as a profile; errors begin "LABEL:LINE: ".
 * Return: 0 and *@out is to be freed, -EINVAL, -ENOMEM. */
int profile_parse(struct profile **out, const char *label, const char *text,
		  size_t len, struct err *e);
void profile_free(struct profile *p);

/* profile_load - by path (has a '/' or ends in .ini) or by name, in the order
 * that machine.h gives; what comes before a dash in one name only stands for
 * it ("zen5"). Return: as profile_parse, and -ENOENT. */
int profile_load(struct profile **out, const char *name, struct err *e);

/* Would profile_load() find something, or several, called @name? */
bool profile_exists(const char *name);

/* profile_names - all names, sorted, NULL-terminated, in one block to free();
 * NULL: out of memory. */
char **profile_names(void);

#endif
