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
	u32 nr_noted;
};

/* shrink_pages - reclaim the @n pages of @page, which the caller has isolated:
 * unmap all, write the dirty, one flush, free. What is in use goes back to the
 * LRU; the array is used up. After swapon(). Return: pages that are free, or that
 * will be (pageout.c): each is counted once. */
u32 shrink_pages(struct page **page, u32 n);

/* The same for frames that somebody else may have isolated or freed. */
u32 reclaim_frames(const u64 *pfn, u32 n);

/* All mappings of a page that somebody may be unmapping. */
void walk_mapped(struct page *page, rmap_visit *visit, void *arg);

/* ---- unmapped, not flushed, not written yet (pageout.c) ---- */

/* Does reclaim put flushes off in this way: at all; of this thread? */
bool pageout_marks(void);
bool pageout_may_wait(void);
/* The locked @page of the swap cache was unmapped: is its flush in the batch, to wait
 * there? Then it is marked, and pageout_later()'s. */
bool pageout_put_off(struct page *page);
/* Otherwise: it is written out, if it is dirty, by the batch's flush if need be, and
 * leaves the cache. Return: done, the caller's reference is the last. */
bool pageout_locked(struct page *page);
/* At most RECLAIM_BATCH pages, not locked: handed over to the strategy, or flushed
 * and written now. @is_urgent: something else of the batch must be flushed now.
 * Return: pages that are free, or that will be. */
u32 pageout_later(struct page **page, u32 n, bool is_urgent);
/* What was handed over and is flushed by now is written and freed; @is_urgent: if
 * there is none, something is flushed for that. Return: pages freed. */
u32 pageout_ready(bool is_urgent);
/* Pages that were handed over, and are not free yet. */
u64 pageout_waits(void);

/* ---- batch of flushes (tlb_batch.c) ---- */
int batch_boot(void);
/* Under the page-table lock, after an entry of @mm was cleared. Pairs with
 * flush_tlb_batched_pending(). */
void set_tlb_ubc_flush_pending(struct mm *mm, u64 vpn, bool is_dirty);
bool should_defer_flush(struct mm *mm);
/* How many entries this CPU's batch has. */
u32 batch_noted(void);
/* They become the strategy's, with the @n pages that they mapped. Return: done, the
 * batch is empty. */
bool batch_hand_over(struct page *const *page, u32 n);
/* All of this CPU's batch; only if something in it could be written to. */
void try_to_unmap_flush(void);
void try_to_unmap_flush_dirty(void);

/* Under the page-table lock, before entries are looked at: an entry that is not
 * there may have been cleared by reclaim, and its flush is still to come. */
void flush_tlb_batched_pending(struct mm *mm);

#endif
