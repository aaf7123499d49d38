/* As range, but each flush drops the whole address space: cheap for the
 * initiator, refills for everybody (F3, ceiling 0). */
#include "mm/flush.h"

static void flush(struct flush_batch *b)
{
	flush_batch_flush(b, true);
}

extern const struct flush_ops flush_full;
const struct flush_ops flush_full = {
	.name = "full",
	.summary = "one full flush per page table under its lock",
	.source = "Linux flush_tlb_mm_range above the ceiling",
	.defers = "nothing",
	.legal = FLUSH_ALL_OPS,
	.changed = flush_batch_add,
	.unlock = flush,
	.finish = flush,
};
