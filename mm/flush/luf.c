/* LUF (F24): a page whose entry was read-only is moved or reclaimed without a
 * flush. Others may go on reading the old frame, which nobody writes to, until
 * it leaves the allocator; who has not flushed by then is made to. Before an
 * entry of that address space may be written through, all that is owed is
 * flushed: else some would read the old frame, and some the new one.
 *
 * Assumed, as the posted series was read in part: an address space owes as a
 * whole (the series keeps keys by folio and address range); while a change of
 * rights is under way, or somebody holds mmap_lock for writing (fork), an entry
 * that reads read-only may be cached writable, and is flushed as usual. Pages of
 * files, which the series is for, are flushed as usual, too: who writes to a file
 * is not asked here whether somebody still reads an old frame.
 */
#include "mm/flush/clock.h"

static bool is_settled(struct mm *mm)
{
	return !mm_tlb_flush_pending(mm) && !READ_ONCE(mm->mmap_lock.writer);
}

static bool unmapped(struct mm *mm, u64 vpn, u64 old, enum flush_op op)
{
	struct page *page = page_of(pte_pfn(old));

	if ((op != FLUSH_MIGRATE && op != FLUSH_RECLAIM) ||
	    !(old & PTE_P) || (old & PTE_RW) || page->is_file ||
	    !is_settled(mm))
		return false;
	if (kern()->has_tlb_gen)
		(void)atomic_add_return(&mm->tlb_gen, 1);
	flush_clock_owe(page, mm);
	return true;
}

static void writable(struct mm *mm, u64 vpn)
{
	if (!READ_ONCE(mm->nr_kept))
		return;
	(void)xchg(&mm->nr_kept, 0);
	NOTE("page %llu will be written to: pay what is owed",
	     (unsigned long long)vpn);
	flush_clock_pay();
}

extern const struct flush_ops flush_luf;
const struct flush_ops flush_luf = {
	.name = "luf",
	.summary = "read-only pages are moved and reclaimed; frames flushed when reused",
	.source = "B. Park, LUF, RFC v10 to v12, 2024",
	.defers = "old read-only entries stay usable until their frame is reused or the program may write; else as deferred",
	.legal = FLUSH_ALL_OPS,
	FLUSH_AT_THE_END,
	.boot = flush_clock_boot,
	.freed = flush_clock_freed,
	.given_out = flush_clock_given_out,
	.unmapped = unmapped,
	.writable = writable,
	.catching_up = flush_clock_catching_up,
	.caught_up = flush_clock_caught_up,
};
