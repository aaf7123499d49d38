/* geometry.h - the shape of one TLB array, and of a core's whole hierarchy, as
 * a machine profile states them.
 *
 * Plain data: read by cpu/profile.c, checked here, handed to
 * tlb_array_create().
 *
 * An array that a machine does not have keeps nr_ways == 0.
 */
#ifndef TLB_GEOMETRY_H
#define TLB_GEOMETRY_H

#include "base/types.h"

/* Bits of tlb_geometry.page_sizes: what leaf sizes the array holds whole, named
 * as where the base page is 4K (tlb_design.leaf_bits). */
#define TLB_HOLDS_4K (1u << 0)
#define TLB_HOLDS_2M (1u << 1)
#define TLB_HOLDS_1G (1u << 2)
#define TLB_NR_SIZES 3u

/* Bits of tlb_geometry.arm_sizes: what else it holds, with other base pages.
 * ORDER arm_sizes: cpu/profile_tlb.c, cpu/machine.c, cpu/granule.c. */
#define TLB_HOLDS_16K (1u << 0)
#define TLB_HOLDS_64K (1u << 1)
#define TLB_HOLDS_32M (1u << 2)
#define TLB_HOLDS_512M (1u << 3)

/* How a page number picks its set, with vpn counted in pages of the entry's
 * own size and cut to the 57 bits of an address:
 *   linear  set = vpn mod nr_sets, any number of sets
 *   xor     set = vpn[k-1:0] ^ vpn[2k-1:k], k = index_bits, 2^k sets        */
enum tlb_index { TLB_INDEX_LINEAR, TLB_INDEX_XOR, NR_TLB_INDEX };

/* ORDER tlb_repl: cpu/profile.c spells these for profiles.
 * What each does exactly is in repl.h. */
enum tlb_repl {
	TLB_REPL_TREE_PLRU,     /* ways: a power of two, at most 64           */
	TLB_REPL_MRU1_3PLRU4,   /* (MRU+1)%3PLRU4, 12 ways: three PLRU trees of
				 * four, victim from the group after the one
				 * used last                                  */
	TLB_REPL_LRU,           /* true LRU, any ways                         */
	TLB_REPL_FIFO,          /* any ways                                   */
	TLB_REPL_RANDOM,        /* any ways                                   */
	TLB_REPL_NRU,           /* bit-PLRU, at most 64 ways                  */
	TLB_REPL_LRU_3PLRU4,    /* LRU3PLRU4, 12 ways: victim from the group
				 * used longest ago                           */
	NR_TLB_REPL
};

/* What an access is to a TLB, and bits of tlb_geometry.serves. */
enum tlb_use { TLB_LOAD, TLB_STORE, TLB_FETCH, NR_TLB_USES };
#define TLB_SERVES_LOAD (1u << TLB_LOAD)
#define TLB_SERVES_STORE (1u << TLB_STORE)
#define TLB_SERVES_FETCH (1u << TLB_FETCH)
#define TLB_SERVES_DATA (TLB_SERVES_LOAD | TLB_SERVES_STORE)
#define TLB_SERVES_ALL (TLB_SERVES_DATA | TLB_SERVES_FETCH)

/* How the threads of a core share an array. Only a core whose threads are on
 * (more than one) shares anything. */
enum tlb_smt {
	TLB_SMT_COMPETE,        /* all sets and ways are everyone's           */
	TLB_SMT_SPLIT,          /* each thread has nr_sets / threads sets; with
				 * one set, nr_ways / threads ways            */
	TLB_SMT_PRIVATE,        /* each thread has an array of this shape     */
	NR_TLB_SMT
};

#define TLB_MAX_SETS 65536u
#define TLB_MAX_WAYS 32768u     /* LRU, FIFO, random                          */
#define TLB_MAX_BIT_WAYS 64u    /* policies whose state is bits               */
#define TLB_MAX_ENTRIES (1u << 20)

struct tlb_geometry {
	char name[32];          /* "stlb": prefix of its counters             */
	u32 nr_sets;            /* 1..TLB_MAX_SETS; xor: 2^index_bits         */
	u32 nr_ways;            /* 1..TLB_MAX_WAYS; 0: there is no such array */
	u32 page_sizes;         /* TLB_HOLDS_*                                */
	enum tlb_index index;
	u32 index_bits;         /* xor: k; linear: not used                   */
	enum tlb_repl replacement;
	u32 hit_cycles;         /* added to an access that hits here, or is
				 * looked up here in vain before it walks     */
	char source[128];       /* where the shape is from, or "assumed: why" */
	u8 level;               /* 1 or 2                                     */
	u8 serves;              /* TLB_SERVES_*                               */
	u8 coalesce;            /* log2 of the contiguous, aligned 4K pages that
				 * one entry may map (AMD 2, Arm contiguous 4);
				 * 0: one page. Needs TLB_HOLDS_4K            */
	u8 coalesce_2m;         /* the same of 2M pages (Arm contiguous 4).
				 * Needs TLB_HOLDS_2M                         */
	u8 smt;                 /* enum tlb_smt                               */
	u8 arm_sizes;           /* TLB_HOLDS_16K ...: of no use until they are
				 * page_sizes (cpu/granule.h)                 */
	bool takes_pieces;      /* of a larger page than it holds, keeps the
				 * accessed piece of its own largest size (1G
				 * as 2M in AMD Zen 2's level 2)              */
};

/* The TLBs of one core: a list of arrays. At level 1 at most one array takes
 * a given use and page size whole, at level 2 at most two (Ice Lake's pair A,
 * B; which of them takes a page is the next bit of its number above those that
 * index the first: assumed, no published measurement). */
#define TLB_MAX_ARRAYS 12u

struct tlb_design {
	char name[64];
	u32 nr_arrays;
	struct tlb_geometry array[TLB_MAX_ARRAYS];
	u32 pcid_slots;         /* address spaces that level 2 keeps apart per
				 * thread, true LRU; 0: as many as there are.
				 * Skylake 4 (TLB;DR)                         */
	u32 pcid_slots_l1i;     /* the same of the level-1 arrays that serve
				 * fetches alone. Skylake 1                   */
	bool cr3_empties_l1d;   /* any MOV CR3 drops the thread's entries, but
				 * not global ones, in the level-1 arrays that
				 * serve data. Skylake: true                  */
	bool is_inclusive;      /* what level 2 evicts leaves level 1 too     */
	u8 leaf_bits;           /* log2 of base pages in a "2M" page, and of
				 * these in a "1G" one: 9, which 0 stands for,
				 * 11 with base pages of 16K, 13 with 64K     */
};

static inline u32 tlb_design_bits(const struct tlb_design *d)
{
	return d->leaf_bits ? d->leaf_bits : 9;
}

#define TLB_MAX_PCID_SLOTS 64u
#define TLB_MAX_THREADS 8u      /* hardware threads of one core               */

/* Entries in all: 0 when the machine has no such array. */
static inline u32 tlb_geometry_entries(const struct tlb_geometry *geo)
{
	return geo->nr_sets * geo->nr_ways;
}

/* tlb_geometry_error - could an array be built from @geo? Level and uses are
 * the design's business. Return: NULL, or what is wrong, a static text that
 * goes on after "NAME: ". */
const char *tlb_geometry_error(const struct tlb_geometry *geo);

/* tlb_design_error - could a core be built from @d, with @nr_threads threads?
 * @array: which array the text is about; -1: the design as a whole. NULL when
 * nobody asks. Return: as above. */
const char *tlb_design_error(const struct tlb_design *d, u32 nr_threads,
			     int *array);

static inline bool tlb_geometry_is_valid(const struct tlb_geometry *geo)
{
	return !tlb_geometry_error(geo);
}

#endif
