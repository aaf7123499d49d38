/* tlb.h - one translation, as hardware caches it, and the words that go with
 * it. What caches them: array.h (sets, ways, replacement; timed runs) and
 * envelope.h (whatever the manual allows; explored runs).
 *
 * Units:   vpn, pfn are 4 KiB page numbers. An entry's vpn and pfn are
 *          multiples of its size (see @order).
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
	u8 order;               /* log2 of pages: 0 = 4K, 9 = 2M, 18 = 1G     */
	u8 flags;               /* enum tlb_flag                              */
	/* From the walker, of a 4K leaf: log2 of the pages of the aligned block
	 * around @vpn whose leaves map an aligned block of frames, in order and
	 * with the same flags. 0: this page alone. Arrays that coalesce keep
	 * such a block as one entry of that order. */
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

/* The order of the page-table leaf behind @e: 0, 9 or 18. Of a fractured page
 * what there is of it counts as a leaf: it is not put together again. */
static inline u8 tlb_entry_leaf(const struct tlb_entry *e)
{
	return e->piece_of && !(e->piece_of & TLB_FRACTURED) ? e->piece_of :
	       e->order < 9 ? 0 : e->order;
}

/* The order of the pages that name @e when one of them is invalidated: those of
 * the leaf, or of the guest's page, that it is from. */
static inline u8 tlb_entry_named(const struct tlb_entry *e)
{
	u8 whole = (u8)(e->piece_of & ~TLB_FRACTURED);

	return whole > e->order ? whole : e->order;
}

#endif
