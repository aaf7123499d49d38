/* LATR with MADV_DONTNEED put off as well (F23), as the paper counts it among the
 * operations that are free to wait. Frames are kept until all have ticked, and an
 * address is flushed by interrupts before it gets another page, so that two CPUs
 * never have two pages for it. What cannot be kept from the program is the address:
 * it stays mapped, and another thread that touches it after the call has returned
 * reads what was discarded, or stores to a frame that is about to go. Legal for
 * programs alone that leave the address be, or begin anew with the thread that
 * discarded (an allocator's, whose other threads then fault or were flushed).
 *
 * assumed: the flush before an address is used again; the paper's text was not at
 * hand. Pages of files are flushed as usual.
 */
#include "mm/flush/latr.h"

/* Under the page-table lock: who cleared the entry says so until he has written it
 * down, and owes it from before he takes that back. */
static u64 used_again(struct mm *mm, u64 vpn, u32 level, u64 e)
{
	u64 n = 1ull << paging_order(&the_sys->mem.paging, level);

	if (READ_ONCE(mm->tlb_flush_pending)) {
		flush_tlb_range(mm, vpn, vpn + n, 0, FLUSH_DONTNEED);
		return e;
	}
	smp_rmb();
	flush_settle(mm, vpn, vpn + n);
	return e;
}

extern const struct flush_ops flush_latr_discard;
const struct flush_ops flush_latr_discard = {
	.name = "latr-discard",
	.summary = "latr, for MADV_DONTNEED, too: programs may see what they discarded. Unsound",
	.source = "Kumar et al., LATR, ASPLOS 2018 (abstract)",
	.defers = "as latr; what MADV_DONTNEED took stays usable, and its frames are kept, until all CPUs have ticked or the address gets another page",
	.flaw = "MADV_DONTNEED returns while other threads still read and write what it discarded",
	.legal = FLUSH_ALL_OPS & ~FLUSH_BIT(FLUSH_DONTNEED),
	LATR_HOOKS,
	.boot = latr_boot,
	.tick = latr_tick,
	.leave = latr_sweep,
	.keeps_discarded = true,
	.mapping = used_again,
};
