/* Linux before 3.5 (F3a): a range of any length is flushed by flushing all that is
 * mapped, once, at its end; INVLPG is for single pages of a fault or a migration.
 * Source: flush_tlb_range() and tlb_flush() of x86 up to 3.4, which were
 * flush_tlb_mm(); e7b52ffd45a6 (A. Shi, 2012) gave them ranges. */
#include "mm/flush.h"

static void finish(struct flush_batch *b)
{
	flush_batch_flush(b, true);
}

extern const struct flush_ops flush_norange;
const struct flush_ops flush_norange = {
	.name = "no-range",
	.summary = "one full flush at the end of the range, after the locks",
	.source = "Linux 3.4 flush_tlb_range, flush_tlb_mm",
	.defers = "old rights stay usable until the end of the range",
	.legal = FLUSH_ALL_OPS,
	.changed = flush_batch_add,
	.unlock = flush_batch_wait,
	.finish = finish,
};
