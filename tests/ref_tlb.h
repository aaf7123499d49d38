/* ref_tlb.h - what tlb/array.h must do, said as plainly as possible: lists
 * that are searched from end to end and policies in their textbook form. Slow,
 * and sharing nothing with array.c but the geometry and the random stream.
 */
#ifndef TESTS_REF_TLB_H
#define TESTS_REF_TLB_H

#include "base/rng.h"
#include "tlb/geometry.h"
#include "tlb/tlb.h"

#define REF_NR_UNITS 3          /* L1 for 4K, L1 for 2M, L2                   */

struct ref_stats {
	u64 lookups, l1_misses, l2_hits_4k, l2_hits_2m, fills;
	u64 evictions[REF_NR_UNITS];
	u64 dropped_invlpg, dropped_flush;
};

struct ref_way {
	bool is_valid;
	struct tlb_entry e;
};

struct ref_set {
	struct ref_way way[TLB_MAX_BIT_WAYS];
	/* Ways, the one used (LRU) or filled (FIFO) last first. */
	u32 order[TLB_MAX_BIT_WAYS];
	u32 nr_order;
	bool referenced[TLB_MAX_BIT_WAYS];
	/* Per tree (three for 3PLRU4) and node (children 2n, 2n+1; root 1):
	 * is the right half next to go? */
	bool right_is_next[3][TLB_MAX_BIT_WAYS];
	u32 last_group;
};

struct ref_unit {
	struct tlb_geometry geo;
	struct ref_set *set;
	struct rng rng;
};

struct ref_tlb {
	struct ref_unit unit[REF_NR_UNITS];
	struct ref_stats stats;
};

struct ref_tlb *ref_tlb_create(const struct tlb_geometry geo[REF_NR_UNITS],
			       u64 seed);
void ref_tlb_destroy(struct ref_tlb *r);
enum tlb_level ref_tlb_lookup(struct ref_tlb *r, u16 pcid, u64 vpn,
			      struct tlb_entry *out);
void ref_tlb_fill(struct ref_tlb *r, const struct tlb_entry *e);
u32 ref_tlb_set_dirty(struct ref_tlb *r, u16 pcid, u64 vpn, u8 order);
u32 ref_tlb_invlpg(struct ref_tlb *r, u16 pcid, u64 vpn);
u32 ref_tlb_flush_pcid(struct ref_tlb *r, u16 pcid);
u32 ref_tlb_flush_all(struct ref_tlb *r);

#endif
