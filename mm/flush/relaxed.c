/* Relaxed flushes of added rights (F9): the generation goes up, the caller's own
 * TLB is flushed, and nobody is interrupted. A CPU that still has the old entry
 * faults, which drops it, finds that the entry allows the access, and if it is
 * behind catches up with everything at once. All else is as deferred. Without
 * generations (before 4.14) only the fault repairs.
 * Assumed: which page tables of a gather go is not looked at, as none do in
 * mprotect. */
#include "mm/flush.h"

static void finish(struct flush_batch *b)
{
	if (b->op == FLUSH_PROTECT_UP && b->nr_changed) {
		flush_tlb_alone(b);
		flush_batch_begin(b, b->mm, b->op);
	}
	flush_batch_flush(b, false);
}

static void spurious(struct mm *mm, u64 vpn)
{
	flush_catch_up();
}

extern const struct flush_ops flush_relaxed;
const struct flush_ops flush_relaxed = {
	.name = "relaxed",
	.summary = "rights added by mprotect interrupt nobody; who faults catches up",
	.source = "N. Amit, RFC \"relaxed TLB flushes\", July 2022; not merged",
	.defers = "added rights are not used by others until they fault; else as deferred",
	.legal = FLUSH_ALL_OPS,
	.changed = flush_batch_add,
	.unlock = flush_batch_wait,
	.finish = finish,
	.spurious = spurious,
};
