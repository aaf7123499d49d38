/* Xen's timestamp filter (F13b) for munmap: pages whose entries were all
 * read-only are freed without a flush, stamped, and flushed when they are given
 * out again, by CPUs that have not flushed since. Addresses that are mapped again
 * are flushed first.
 *
 * Assumed: Xen lets go of writable pages in the same way, since a guest gives
 * them up itself and their contents are scrubbed afterwards; here a store to a
 * frame that is free counts as one (O2), so those are flushed at once.
 */
#include "mm/flush/clock.h"

/* Whoever makes entries read-only has flushed before munmap has mmap_lock. */
static bool keep(struct flush_batch *b, const u32 *pfn, u32 n)
{
	if (b->was_writable)
		return false;
	flush_tlb_alone(b);
	for (u32 i = 0; i < n; i++)
		flush_clock_owe(page_of(pfn[i]), b->mm);
	flush_free_pages(pfn, n);
	return true;
}

extern const struct flush_ops flush_xen_filter;
const struct flush_ops flush_xen_filter = {
	.name = "xen-filter",
	.summary = "munmap of read-only pages: frames are stamped, flushed when reused",
	.source = "Xen, tlbflush_filter: commits a902c12ee45f, bbb17f6f1273",
	.defers = "read-only entries that munmap took stay usable until their frame or address is reused; else as deferred",
	.legal = FLUSH_ALL_OPS,
	FLUSH_AT_THE_END,
	.boot = flush_clock_boot,
	.keep = keep,
	.claim = flush_clock_claim,
	.freed = flush_clock_freed,
	.given_out = flush_clock_given_out,
	.catching_up = flush_clock_catching_up,
	.caught_up = flush_clock_caught_up,
};
