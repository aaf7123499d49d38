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
