/* geometry.h - the shape of one TLB array, as a machine profile states it.
 *
 * Plain data: read by cpu/machine.c from a profile, checked by
 * tlb_geometry_is_valid(), handed to whoever builds a TLB from it.
 *
 * An array that a machine does not have keeps nr_ways == 0.
 */
#ifndef TLB_GEOMETRY_H
#define TLB_GEOMETRY_H

#include "base/types.h"

/* Bits of tlb_geometry.page_sizes: what leaf sizes the array may hold. */
#define TLB_HOLDS_4K (1u << 0)
#define TLB_HOLDS_2M (1u << 1)
#define TLB_HOLDS_1G (1u << 2)

/* How a page number picks its set, with n = index_bits and vpn counted in
 * pages of the entry's own size:
 *   linear  set = vpn[n-1:0]
 *   xor     set = vpn[n-1:0] ^ vpn[2n-1:n]                                  */
enum tlb_index { TLB_INDEX_LINEAR, TLB_INDEX_XOR, NR_TLB_INDEX };

/* ORDER tlb_repl: cpu/profile.c spells these for profiles. */
enum tlb_repl {
	TLB_REPL_TREE_PLRU,     /* ways: a power of two                       */
	TLB_REPL_MRU1_3PLRU4,   /* (MRU+1)%3PLRU4, 12 ways: three PLRU trees of
				 * four, victim from the group after the one
				 * used last                                  */
	TLB_REPL_LRU,
	TLB_REPL_FIFO,
	TLB_REPL_RANDOM,
	TLB_REPL_NRU,
	NR_TLB_REPL
};

/* What an access is to a TLB, and bits of tlb_geometry.serves. */
enum tlb_use { TLB_LOAD, TLB_STORE, TLB_FETCH, NR_TLB_USES };
#define TLB_SERVES_LOAD (1u << TLB_LOAD)
#define TLB_SERVES_STORE (1u << TLB_STORE)
#define TLB_SERVES_FETCH (1u << TLB_FETCH)
#define TLB_SERVES_DATA (TLB_SERVES_LOAD | TLB_SERVES_STORE)

#define TLB_MAX_SETS 65536u
#define TLB_MAX_WAYS 64u

struct tlb_geometry {
	char name[32];          /* "stlb": prefix of its counters             */
	u32 nr_sets;            /* power of two, 1..TLB_MAX_SETS              */
	u32 nr_ways;            /* 1..TLB_MAX_WAYS; 0: there is no such array */
	u32 page_sizes;         /* TLB_HOLDS_*                                */
	enum tlb_index index;
	u32 index_bits;         /* log2(nr_sets)                              */
	enum tlb_repl replacement;
	u32 hit_cycles;         /* added to an access that hits here          */
	char source[128];       /* where the shape is from, or "assumed: why" */
	u8 level;               /* 1 or 2                                     */
	u8 serves;              /* TLB_SERVES_*                               */
	u8 coalesce;            /* log2 of the contiguous, aligned 4K pages that
				 * one entry may map; 0: one page             */
	bool is_smt_split;      /* each SMT thread has nr_sets / threads sets
				 * of its own; else threads compete           */
};

/* The TLBs of one core: a list of arrays. At level 1 at most one array takes
 * a given use and page size, at level 2 at most two (Ice Lake's pair A, B). */
#define TLB_MAX_ARRAYS 12u

struct tlb_design {
	char name[64];
	u32 nr_arrays;
	struct tlb_geometry array[TLB_MAX_ARRAYS];
	u32 pcid_slots;         /* address spaces that level 2 keeps apart per
				 * thread, true LRU; 0: as many as there are  */
	bool cr3_empties_l1d;   /* any MOV CR3 drops the data L1s             */
};

/* Entries in all: 0 when the machine has no such array. */
static inline u32 tlb_geometry_entries(const struct tlb_geometry *geo)
{
	return geo->nr_sets * geo->nr_ways;
}

/* Could a TLB be built from @geo? One test for profiles and for tlb_create. */
static inline bool tlb_geometry_is_valid(const struct tlb_geometry *geo)
{
	if (geo->nr_ways < 1 || geo->nr_ways > TLB_MAX_WAYS)
		return false;
	if (geo->nr_sets < 1 || geo->nr_sets > TLB_MAX_SETS ||
	    geo->index_bits > 16 || geo->nr_sets != 1u << geo->index_bits)
		return false;
	if (!geo->page_sizes || geo->page_sizes > 7)
		return false;
	if (geo->index >= NR_TLB_INDEX || geo->replacement >= NR_TLB_REPL)
		return false;
	if (geo->replacement == TLB_REPL_TREE_PLRU &&
	    (geo->nr_ways & (geo->nr_ways - 1)))
		return false;
	return geo->replacement != TLB_REPL_MRU1_3PLRU4 || geo->nr_ways == 12;
}

#endif
