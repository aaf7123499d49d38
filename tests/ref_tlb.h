/* ref_tlb.h - what tlb/array.h must do, said as plainly as possible: every way
 * of every array is asked one by one, and policies are in their textbook form.
 * Slow, and sharing nothing with the arrays but the design and the random
 * stream.
 */
#ifndef TESTS_REF_TLB_H
#define TESTS_REF_TLB_H

#include "base/rng.h"
#include "tlb/arch.h"
#include "tlb/geometry.h"

#define REF_MAX_WAYS 160

struct ref_stats {
	u64 lookups, l1_misses, l2_hits[3], fills;
	u64 evictions[TLB_MAX_ARRAYS];
	u64 dropped_inclusive, dropped_invlpg, dropped_flush, dropped_cr3;
};

struct ref_way {
	bool is_valid;
	u32 thread;
	struct tlb_entry e;
};

struct ref_set {
	struct ref_way way[REF_MAX_WAYS];
	/* Ways, the one used (LRU) or filled (FIFO) last first. */
	u32 order[REF_MAX_WAYS];
	u32 nr_order;
	bool referenced[REF_MAX_WAYS];
	/* Per tree (three for 3PLRU4) and node (children 2n, 2n+1; root 1):
	 * is the right half next to go? */
	bool right_is_next[3][REF_MAX_WAYS];
	u32 groups[3];          /* the one used last first                    */
};

struct ref_array {
	struct tlb_geometry geo;
	u32 nr_sets, nr_ways;   /* as threads see them: all of them           */
	u32 own_sets;           /* what one thread indexes                    */
	bool is_shared;
	struct ref_set *set;
	struct rng rng;
};

struct ref_pcids {
	u32 nr;
	u16 pcid[64];
};

struct ref_tlb {
	struct tlb_design design;
	u32 nr_threads;
	u32 bits;               /* log2 of pages of a large one               */
	struct ref_array array[TLB_MAX_ARRAYS];
	struct ref_stats stats[TLB_MAX_THREADS];
	struct ref_pcids l2_pcids[TLB_MAX_THREADS], l1i_pcids[TLB_MAX_THREADS];
	u32 l2_array;           /* hit last                                   */
};

struct ref_tlb *ref_tlb_create(const struct tlb_design *d, u32 nr_threads,
			       u64 seed);
void ref_tlb_destroy(struct ref_tlb *r);
enum tlb_level ref_tlb_lookup(struct ref_tlb *r, u32 thread, enum tlb_use use,
			      u16 pcid, u64 vpn, struct tlb_entry *out);
/* Return: is @vpn translated now, by *@out? */
bool ref_tlb_fill(struct ref_tlb *r, u32 thread, enum tlb_use use, u64 vpn,
		  const struct tlb_entry *e, struct tlb_entry *out);
u32 ref_tlb_set_dirty(struct ref_tlb *r, u32 thread, u16 pcid, u64 vpn,
		      u8 order);
u32 ref_tlb_invalidate(struct ref_tlb *r, u32 thread, enum inval_scope scope,
		       u16 pcid, u64 vpn);
u32 ref_tlb_load_cr3(struct ref_tlb *r, u32 thread, u16 pcid, bool is_noflush);

#endif
