/* One flush per page table, before its lock is dropped. Ranged up to the
 * kernel's ceiling (33 entries since 3.16), full above (F3). */
#include "mm/flush.h"

static void flush(struct flush_batch *b)
{
	flush_batch_flush(b, false);
}

extern const struct flush_ops flush_range;
const struct flush_ops flush_range = {
	.name = "range",
	.summary = "one flush per page table under its lock, ceiling 33",
	.source = "Linux flush_tlb_range; rule: flush before dropping the PTL",
	.defers = "nothing",
	.legal = FLUSH_ALL_OPS,
	.changed = flush_batch_add,
	.unlock = flush,
	.finish = flush,
};
