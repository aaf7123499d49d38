/* machine.h - the modelled machine: who its CPUs are, how far apart they sit,
 * what its TLBs look like and what each event costs.
 *
 * A machine is a topology (hwloc synthetic string, hwloc XML, this host) plus a
 * profile (machines/NAME.ini: TLB geometry and costs). It is built once and
 * read by everybody; nothing here changes while a model runs.
 *
 * Units:   cost[] is in cycles of the modelled core, whatever the profile said
 *          (entries whose name ends in _ns are converted by hz on load).
 *          Everything else carries its unit in its name.
 * Errors:  0 or negative errno, with a sentence in @e that names the file, the
 *          line, the value and what was expected.
 * Sources: every cost and every TLB array has a source text; one that begins
 *          with "assumed" was chosen, not measured or published.
 * Threads: a struct machine is constant after machine_create().
 */
#ifndef CPU_MACHINE_H
#define CPU_MACHINE_H

#include "base/types.h"
#include "cpu/cache.h"
#include "tlb/arch.h"
#include "tlb/geometry.h"
#include "tlb/psc.h"

struct err;

#define MACHINE_MAX_CPUS 1024u
#define MACHINE_DEFAULT_PROFILE "skylake-sp"

/* Where two CPUs meet: the first of these that is true for the pair. Without a
 * cache level named by the topology a package counts as one LLC. */
enum hop {
	HOP_SELF,               /* the same CPU                               */
	HOP_SMT,                /* same core                                  */
	HOP_LLC,                /* same last-level cache                      */
	HOP_PACKAGE,            /* same package, other last-level cache       */
	HOP_REMOTE,             /* other package                              */
	NR_HOPS
};

/* Costs, see cpu/costs.def. ORDER hop: the per-hop families hold one entry for
 * each enum hop, in that order, so that COST_IPI_DELIVER_SELF + hop works. */
enum cost {
#define COST(id, name, unit, value, source) COST_##id,
#include "cpu/costs.def"
#undef COST
	NR_COSTS
};

/* What a processor may be able to do. ORDER machine_feature: machine.c */
enum machine_feature {
	FEATURE_PCID,           /* x86: address-space tags, CR4.PCIDE         */
	FEATURE_INVPCID,
	FEATURE_INVLPGB,        /* AMD: INVLPGB and TLBSYNC                   */
	FEATURE_TCE,            /* AMD: EFER.TCE                              */
	FEATURE_LA57,           /* x86: five levels of tables                 */
	FEATURE_RAR,            /* Intel: remote action requests              */
	FEATURE_TLBI_RANGE,     /* Arm: FEAT_TLBIRANGE                        */
	FEATURE_HAFDBS,         /* Arm: hardware sets A and D                 */
	FEATURE_BBML1,          /* Arm: FEAT_BBM level 1, the nT bit          */
	FEATURE_BBML2,          /* Arm: FEAT_BBM level 2                      */
	FEATURE_SVINVAL,        /* RISC-V                                     */
	FEATURE_SVNAPOT,        /* RISC-V                                     */
	FEATURE_SVADU,          /* RISC-V: hardware sets A and D              */
	FEATURE_SVVPTC,         /* RISC-V: entries with V=0 are not cached for
				 * long; here, not at all                     */
	FEATURE_SV57,           /* RISC-V: five levels of tables; Sv39 and Sv48
				 * come with it                               */
	NR_MACHINE_FEATURES
};

/* The parts of a machine that a result may lean on. */
enum machine_part {
	PART_MACHINE,           /* topology, clock, features                  */
	PART_TLB,               /* [index]: of tlb.array; NR_..: all of it    */
	PART_PSC,               /* [index]: level, or PSC_NESTED              */
	PART_WALKER,
	PART_CACHE,             /* [index]: enum cache_level                  */
	PART_MEMORY,
	PART_COST,              /* [index]: enum cost                         */
	NR_MACHINE_PARTS
};

#define PSC_NESTED 0u           /* the nested TLB; level 0 has no cache       */

/* One number of the machine, as its profile gives it. */
struct machine_value {
	char key[48];           /* "tlb.stlb.ways", "dram_local_ns"           */
	char text[256];
	const char *unit;       /* "" when not apt                            */
	char *source;
	enum machine_part part;
	u32 index;
};

/* All ids count from 0 over the whole machine. */
struct machine_cpu {
	u32 node;
	u32 package;
	u32 core;
	u32 llc;
	u32 smt;                /* rank among the CPUs of its core            */
	u32 os_index;           /* what the kernel numbers it, if it is real  */
};

struct machine {
	char name[64];          /* the profile's                              */
	char summary[160];
	char topology[256];     /* as built: synthetic string, path or "host" */
	char notes[512];        /* what had to be assumed, sentences          */

	u32 nr_cpus, nr_cores, nr_llcs, nr_packages, nr_nodes;
	u32 hops_present;       /* bit (1 << hop) for each hop that occurs    */
	struct machine_cpu *cpu;        /* [nr_cpus]                          */

	u32 *distance;          /* [nr_nodes * nr_nodes], SLIT: local = 10    */
	bool is_distance_assumed;
	u64 *node_bytes;        /* [nr_nodes] memory                          */
	u32 *node_os_index;     /* [nr_nodes] what the kernel numbers it      */
	bool is_memory_assumed;

	u64 hz;                 /* cycles per second of every core            */
	const char *hz_source;

	enum arch arch;
	bool has_pcid, has_invpcid, has_invlpgb, has_tce, has_la57, has_rar;
	bool has_tlbi_range, has_hafdbs, has_bbml1, has_bbml2;
	bool has_svinval, has_svnapot, has_svadu, has_svvptc, has_sv57;
	/* What no machine has: proposals, for who asks for them. */
	bool has_tlb_directory;         /* knows which TLBs have a page       */
	bool has_coherent_tlbs;         /* see stores to page-table entries   */
	bool has_cotags;                /* the same by a few bits of address  */
	bool has_tlb_expiry;            /* entries vanish after a while       */
	bool is_guest;                  /* a hypervisor is there to be asked  */
	struct arch_rules rules;        /* with these features                */
	u32 invlpgb_max_pages;          /* per instruction                    */

	u8 page_shift;                  /* of the base page: 12, but for Arm's
					 * granules, see granule.h            */
	struct tlb_design tlb;
	struct psc_geometry psc;
	u32 nested_entries;             /* of the nested TLB (cpu/ept.h)      */
	u32 nr_walkers;                 /* walks that a core does at a time   */
	struct cache_geometry cache[NR_CACHE_LEVELS];   /* bytes 0: none      */
	u64 node_bandwidth, link_bandwidth;     /* bytes a second; 0: no limit */
	u32 lines_in_flight;            /* of a core, from memory             */

	u64 cost[NR_COSTS];             /* cycles                             */
	double cost_given[NR_COSTS];    /* before rounding, in
					 * machine_cost_unit()                */
	const char *cost_source[NR_COSTS];

	/* Every number of the profile; the costs come last, all of them. */
	struct machine_value *value;
	u32 nr_values;
	u32 nr_assumed;                 /* of those, see machine_is_assumed() */
};

/* machine_create - build the machine that @spec and @profile describe.
 * @spec:    an hwloc synthetic string ("pack:4 [numa] core:2 pu:1"), the path
 *           of an hwloc XML file (has a '/' or ends in .xml), "host", or a
 *           profile's name or path, which stands for its default topology.
 *           NULL: the default topology of @profile.
 *           A synthetic string that names no NUMA node gets one per package.
 * @profile: name, or path (has a '/' or ends in .ini), of the profile for costs
 *           and TLB geometry. NULL: that of @spec if it names one, else
 *           MACHINE_DEFAULT_PROFILE.
 * Profiles are looked for in $TLBEMU_MACHINES, ./machines, machines/ beside the
 * program and beside its parent folder, and last among those compiled in.
 * Return: 0 with *@out set; -EINVAL (rejected text), -ENOENT (no such file or
 * profile), -E2BIG (more than MACHINE_MAX_CPUS), -ENOMEM; @e says more. */
int machine_create(struct machine **out, const char *spec, const char *profile,
		   struct err *e);
void machine_destroy(struct machine *m);

static inline enum hop machine_hop(const struct machine *m, u32 a, u32 b)
{
	const struct machine_cpu *x = &m->cpu[a], *y = &m->cpu[b];

	if (a == b)
		return HOP_SELF;
	if (x->core == y->core)
		return HOP_SMT;
	if (x->llc == y->llc)
		return HOP_LLC;
	return x->package == y->package ? HOP_PACKAGE : HOP_REMOTE;
}

static inline u32 machine_distance(const struct machine *m, u32 from, u32 to)
{
	return m->distance[from * m->nr_nodes + to];
}

/* From the send of an IPI (after COST_ICR_WRITE) to the target's interrupt
 * pin, in cycles. */
static inline u64 machine_ipi_deliver(const struct machine *m, u32 a, u32 b)
{
	return m->cost[COST_IPI_DELIVER_SELF + (u32)machine_hop(m, a, b)];
}

/* One modified cache line moving from CPU @a to CPU @b, in cycles. */
static inline u64 machine_line_transfer(const struct machine *m, u32 a, u32 b)
{
	return m->cost[COST_LINE_TRANSFER_SELF + (u32)machine_hop(m, a, b)];
}

/* Memory latency of CPU @cpu for a frame on @node, in cycles: COST_DRAM_LOCAL
 * on its own node, COST_DRAM_REMOTE at the machine's largest distance. Between
 * (more than two distances) in proportion to the distance:
 *	local + (remote - local) * (d - d_own) / (d_largest - d_own)
 * assumed: nobody publishes latency by distance, and SLIT values are meant to
 * be proportional to it (ACPI, "System Locality Information Table"). */
u64 machine_dram(const struct machine *m, u32 cpu, u32 node);

/* The shortest flight of an IPI between two different CPUs of this machine, in
 * cycles: how far private work may run ahead. UINT64_MAX with one CPU. */
u64 machine_lookahead_cycles(const struct machine *m);

static inline u64 machine_ns_to_cycles(const struct machine *m, u64 ns)
{
	return (u64)(((unsigned __int128)ns * m->hz + 500000000u) /
		     1000000000u);
}

static inline u64 machine_cycles_to_ns(const struct machine *m, u64 cycles)
{
	return (u64)(((unsigned __int128)cycles * 1000000000u + m->hz / 2) /
		     m->hz);
}

/* Texts for tables. cost_name is the profile's key ("dram_local_ns"). */
const char *machine_hop_name(enum hop hop);
const char *machine_cost_name(enum cost cost);
const char *machine_cost_unit(enum cost cost);  /* of the key, not of cost[]  */
bool machine_cost_is_assumed(const struct machine *m, enum cost cost);
const char *machine_feature_name(enum machine_feature feature);

/* Was a number with this source chosen, not measured or published? */
bool machine_is_assumed(const char *source);

/* machine_has - can this machine do that?
 * Return: true; false, with "INVLPGB: not on skylake-sp (...)" in @e. */
bool machine_has(const struct machine *m, enum machine_feature feature,
		 struct err *e);

/* What a result leans on: bits are indexes as in enum machine_part. */
struct machine_use {
	u32 tlb, psc, cache;
	bool walker, memory;
	const bool *cost;               /* [NR_COSTS]                         */
};

/* machine_count_assumed - how many of the machine's assumed numbers @use takes
 * in. Topology and clock always count, features do not. */
u32 machine_count_assumed(const struct machine *m,
			  const struct machine_use *use);

const char *tlb_index_name(enum tlb_index index);
const char *tlb_repl_name(enum tlb_repl repl);

/* One line of `tlbemu list machines NAME`. */
struct machine_row {
	char key[48];
	char value[256];
	char unit[16];
	const char *source;     /* valid during the call; "" when not apt     */
};

/* Costs are in the unit of their key, as a profile would give them.
 * machine_describe - call @fn for every row, in order, until it returns
 * non-zero. Return: what the last call returned. */
int machine_describe(const struct machine *m,
		     int (*fn)(void *arg, const struct machine_row *row),
		     void *arg);

/* One line of `tlbemu list machines`. */
struct machine_brief {
	const char *name;
	const char *summary;    /* or why it does not load                    */
	bool is_usable;
	const char *arch;       /* "" unless usable, and so on                */
	char l1d[64], l2[64];   /* "64 4k + 32 2m + 4 1g"                     */
	u32 nr_assumed, nr_values;
};

/* machine_list - call @fn for every profile that machine_create() would find,
 * sorted by name; of two with one name the first in search order counts. A
 * profile that does not load is listed, too.
 * Return: what the last call of @fn returned, or -ENOMEM. */
int machine_list(int (*fn)(void *arg, const struct machine_brief *b),
		 void *arg);

#endif
