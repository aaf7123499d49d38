/* tlb.h - one CPU's translation caches, behind one interface with two
 * implementations: arrays (array.h: sets, ways, replacement; timed runs) and
 * the architectural envelope (envelope.h: whatever the manual allows; explored
 * runs).
 *
 * Passive hardware: it never walks, never sends IPIs, never decides to flush.
 * cpu/ fills it, mm/ decides what to invalidate.
 *
 * Units:   vpn, pfn are 4 KiB page numbers. A 2 MiB entry has a vpn and a pfn
 *          that are multiples of its size (see @order).
 * Errors:  a miss is an outcome, not an error.
 * Threads: none; a struct tlb belongs to exactly one modelled CPU.
 */
#ifndef TLB_TLB_H
#define TLB_TLB_H

#include "base/types.h"

enum tlb_flag {
	TLB_W = 1,              /* stores allowed (AND over the levels)       */
	TLB_D = 2,              /* leaf was dirty: stores need no walk        */
	TLB_G = 4,              /* global: survives a PCID flush              */
};

struct tlb_entry {
	u64 vpn;                /* first page of the entry                    */
	u64 pfn;                /* frame of @vpn                              */
	u16 pcid;
	u8 order;               /* log2 of pages: 0 = 4K, 9 = 2M, 18 = 1G     */
	u8 flags;               /* enum tlb_flag                              */
	u32 zero;               /* no padding: entries are hashed as bytes    */
};

/* Where a lookup ended. */
enum tlb_level { TLB_MISS = 0, TLB_HIT_L1 = 1, TLB_HIT_L2 = 2 };

struct tlb;

struct tlb_ops {
	const char *name;
	/* The entry that translates @vpn under @pcid (or a global one). A hit
	 * in a lower level refills the upper one.
	 * @is_write: an entry without TLB_W, or without TLB_D, is returned as
	 * found; what that means is the walker's business. */
	enum tlb_level (*lookup)(struct tlb *tlb, u16 pcid, u64 vpn,
				 struct tlb_entry *out);
	/* Install @e after a walk; replaces an entry of the same page. */
	void (*fill)(struct tlb *tlb, const struct tlb_entry *e);
	/* INVLPG: entries of any size that cover @vpn under @pcid, and global
	 * ones under any. Return: entries dropped. Source: Intel SDM vol. 3,
	 * "Operations that Invalidate TLBs and Paging-Structure Caches". */
	u32 (*invlpg)(struct tlb *tlb, u16 pcid, u64 vpn);
	/* MOV CR3 / INVPCID type 1: non-global entries of @pcid.
	 * Return: entries dropped. */
	u32 (*flush_pcid)(struct tlb *tlb, u16 pcid);
	/* INVPCID type 2 / CR4.PGE: everything. Return: entries dropped. */
	u32 (*flush_all)(struct tlb *tlb);
};

struct tlb {
	const struct tlb_ops *ops;
};

static inline u64 tlb_order_mask(u8 order)
{
	return (1ull << order) - 1;
}

static inline bool tlb_entry_covers(const struct tlb_entry *e, u64 vpn)
{
	return (vpn & ~tlb_order_mask(e->order)) == e->vpn;
}

#endif
