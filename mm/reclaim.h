/* reclaim.h - taking pages back that nobody uses now: anonymous ones go to the
 * swap device, MADV_FREE ones are dropped while they are clean.
 *
 * Unmapping is batched: entries are cleared and the CPUs to flush noted; one
 * flush comes before a page that was dirty is written, and before any is freed.
 * Whoever finds an entry cleared meanwhile owes that flush (batch debt). Reads
 * next to mm/vmscan.c, mm/rmap.c, arch/x86/include/asm/tlbbatch.h.
 */
#ifndef MM_RECLAIM_H
#define MM_RECLAIM_H

#include "mm/rmap.h"

/* SWAP_CLUSTER_MAX: pages unmapped for one flush. */
#define RECLAIM_BATCH 32

/* What a CPU has unmapped and not flushed. In the arena. */
struct tlb_batch {
	u64 cpumask[MM_CPUMASK_WORDS];
	u32 is_required;
	u32 is_writable;        /* some entry was dirty                       */
	u32 needs_ipi;          /* and some flush has not been started        */
	u32 zero;
};

/* shrink_pages - reclaim the @n pages of @page, which the caller has isolated:
 * unmap all, write the dirty, one flush, free. What is in use goes back to the
 * LRU; the array is used up. After swapon(). Return: pages freed. */
u32 shrink_pages(struct page **page, u32 n);

/* The same for frames that somebody else may have isolated or freed. */
u32 reclaim_frames(const u64 *pfn, u32 n);

/* All mappings of a page that somebody may be unmapping. */
void walk_mapped(struct page *page, rmap_visit *visit, void *arg);

/* ---- batch of flushes (tlb_batch.c) ---- */
int batch_boot(void);
/* Under the page-table lock, after an entry of @mm was cleared. Pairs with
 * flush_tlb_batched_pending(). */
void set_tlb_ubc_flush_pending(struct mm *mm, u64 vpn, bool is_dirty);
bool should_defer_flush(struct mm *mm);
/* All of this CPU's batch; only if something in it could be written to. */
void try_to_unmap_flush(void);
void try_to_unmap_flush_dirty(void);

/* Under the page-table lock, before entries are looked at: an entry that is not
 * there may have been cleared by reclaim, and its flush is still to come. */
void flush_tlb_batched_pending(struct mm *mm);

#endif
