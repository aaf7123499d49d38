/* tlb.h - one translation, as hardware caches it, and the words that go with
 * it. What caches them: array.h (sets, ways, replacement; timed runs) and
 * envelope.h (whatever the manual allows; explored runs).
 *
 * Units:   vpn, pfn are numbers of base pages: 4 KiB, or Arm's granule of 16
 *          or 64 KiB. A table has 2^@bits entries (9, 11, 13), so that a large
 *          page is 2^@bits base pages (2M, 32M, 512M), and one more level up
 *          (1G, 64G, 4T) 2^(2 * @bits). An entry's vpn and pfn are multiples of
 *          its size (see @order).
 */
#ifndef TLB_TLB_H
#define TLB_TLB_H

#include "base/types.h"

enum tlb_flag {
	TLB_W = 1,              /* stores allowed (AND over the levels)       */
	TLB_D = 2,              /* leaf was dirty: stores need no walk        */
	TLB_G = 4,              /* global: survives a PCID flush              */
	TLB_U = 8,              /* user accesses allowed; cpu/mmu.h only      */
	TLB_TABLE = 16,         /* envelopes only: a paging-structure cache's
				 * member, @pfn is the next table             */
	TLB_FAULTS = 32,        /* what is cached is an entry that gives a
				 * fault; only where arch_rules.caches_invalid */
	TLB_ONCE = 64,          /* from a walker: for this access alone, not to
				 * be cached (arch_rules.has_nt)              */
};

struct tlb_entry {
	u64 vpn;                /* first page of the entry                    */
	u64 pfn;                /* frame of @vpn                              */
	u16 pcid;
	u8 order;               /* log2 of base pages: 0 = 4K, 9 = 2M, 18 = 1G */
	u8 flags;               /* enum tlb_flag                              */
	/* From the walker, of a leaf of the lowest two levels: log2 of the base
	 * pages of the aligned block around @vpn whose leaves, all of this size,
	 * map an aligned block of frames, in order and with the same flags. No
	 * more than @order: this leaf alone. Arrays that coalesce keep such a
	 * block as one entry of that order. */
	u8 contig;
	/* 0: it is whole. Set by arrays: the order of the leaf that this entry is
	 * a piece of. Set by a walker, with TLB_FRACTURED: the order of the
	 * guest's page, of which nested paging allows so much as this entry. */
	u8 piece_of;
	u16 zero;               /* no padding: entries are hashed as bytes;
				 * cpu/mmu.h: pfn of the table it was made
				 * from, 0 elsewhere                          */
};

/* Where a lookup ended. */
enum tlb_level { TLB_MISS = 0, TLB_HIT_L1 = 1, TLB_HIT_L2 = 2 };

static inline u64 tlb_order_mask(u8 order)
{
	return (1ull << order) - 1;
}

static inline bool tlb_entry_covers(const struct tlb_entry *e, u64 vpn)
{
	return (vpn & ~tlb_order_mask(e->order)) == e->vpn;
}

#define TLB_FRACTURED 0x80u     /* in piece_of                                */

/* The size of a leaf, or of a block of leaves, of @order: 0 4K, 1 2M, 2 1G. */
static inline u32 tlb_leaf_size(u32 order, u32 bits)
{
	return order >= 2 * bits ? 2 : order >= bits ? 1 : 0;
}

/* The order of the page-table leaf behind @e: 0, @bits or twice that. Of a
 * fractured page what there is of it counts as a leaf: it is not put together
 * again. */
static inline u8 tlb_entry_leaf(const struct tlb_entry *e, u32 bits)
{
	return e->piece_of && !(e->piece_of & TLB_FRACTURED) ? e->piece_of :
	       (u8)(bits * tlb_leaf_size(e->order, bits));
}

/* The order of the pages that name @e when one of them is invalidated: those of
 * the leaf, or of the guest's page, that it is from. */
static inline u8 tlb_entry_named(const struct tlb_entry *e)
{
	u8 whole = (u8)(e->piece_of & ~TLB_FRACTURED);

	return whole > e->order ? whole : e->order;
}

#endif
