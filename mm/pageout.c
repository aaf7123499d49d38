/* Pages that reclaim has unmapped and not written yet, since others may still write to
 * them: a flush for all of them comes first, now or, where the strategy can wait for
 * it (flush_ops.swap_out), later. Meanwhile a page is in the swap cache, isolated, not
 * locked and marked: who faults on it flushes that address and has it back (swapin.c),
 * and then it stays in memory. Who changes entries of its address space otherwise pays
 * reclaim's debt (tlb_batch.c), and fork flushes. */
#include "mm/flush.h"
#include "mm/oracle.h"
#include "mm/reclaim.h"
#include "mm/swap.h"

static bool is_handed_over(void)
{
	return kern()->has_tlb_gen && flusher() && flusher()->swap_out;
}

/* Direct reclaim cannot wait for others' ticks: it is memory that is waited for. kswapd
 * can. */
static bool can_hand_over(void)
{
	return is_handed_over() &&
		(!current()->in_reclaim || current()->is_kswapd);
}

bool pageout_may_wait(void)
{
	return kern()->pageout_batches || can_hand_over();
}

bool pageout_marks(void)
{
	return kern()->pageout_batches || is_handed_over();
}

bool pageout_put_off(struct page *page)
{
	if (!pageout_may_wait() || !batch_noted())
		return false;
	touch_flags(page, true);
	page->is_unflushed = 1;
	return true;
}

bool pageout_locked(struct page *page)
{
	bool is_dirty = page->is_dirty;

	observe(is_dirty);
	if (is_dirty) {
		try_to_unmap_flush_dirty();
		/* Cleared first: who makes it dirty meanwhile is seen. */
		step(&page->mapcount, true, 0);
		page->is_dirty = 0;
		swap_writepage(page);
	}
	return take_from_swap_cache(page);
}

/* Nobody can write to it any more but who has it back, or who gave it up. */
static bool write_and_take(struct page *page)
{
	bool is_there;

	touch_flags(page, true);
	touch(&page->swap_slot, false);
	page->is_unflushed = 0;
	is_there = page->swap_slot && !page->is_mlocked;
	observe(is_there);
	return is_there && !READ_ONCE(page->mapcount) && pageout_locked(page);
}

/* @page is locked by others for a moment at most: a fault's, or zap's. */
static u32 pageout_pages(struct page **page, u32 n)
{
	u32 nr_gone = 0;

	for (u32 i = 0; i < n; i++) {
		struct page *p = page[i];
		bool ok;

		lock_page(p);
		ok = write_and_take(p);
		unlock_page(p);
		if (ok)
			page[nr_gone++] = p;
		else
			putback_lru_page(p);
	}
	swap_wait_written();
	for (u32 i = 0; i < nr_gone; i++)
		put_page(page[i]);
	return nr_gone;
}

u32 pageout_later(struct page **page, u32 n, bool is_urgent)
{
	if (!n)
		return 0;
	if (!is_urgent && can_hand_over() && batch_hand_over(page, n)) {
		(void)atomic_add_return(&mms()->nr_put_off, n);
		return n;
	}
	try_to_unmap_flush();
	return pageout_pages(page, n);
}

u32 pageout_ready(bool is_urgent)
{
	struct page *page[RECLAIM_BATCH];
	u32 n, freed = 0;

	if (!is_handed_over())
		return 0;
	while ((n = flusher()->swapped(page, is_urgent && !freed))) {
		(void)atomic_add_return(&mms()->nr_put_off, -(u64)n);
		freed += pageout_pages(page, n);
	}
	return freed;
}

u64 pageout_waits(void)
{
	return is_handed_over() ? READ_ONCE(mms()->nr_put_off) : 0;
}
