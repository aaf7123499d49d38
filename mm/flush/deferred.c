/* One flush after the last page-table lock was dropped: the lazy end-of-range
 * flush that Linux does for protection changes and the NUMA scanner (F3, F6).
 * Ranged up to the kernel's ceiling, full above. */
#include "mm/flush.h"

static void nothing(struct flush_batch *b)
{
}

static void finish(struct flush_batch *b)
{
	flush_batch_flush(b, false);
}

extern const struct flush_ops flush_deferred;
const struct flush_ops flush_deferred = {
	.name = "deferred",
	.summary = "one flush at the end of the range, after the locks",
	.source = "Linux change_protection_range, task_numa_work",
	.defers = "old rights stay usable until the end of the range",
	.legal = FLUSH_ALL_OPS,
	.changed = flush_batch_add,
	.unlock = nothing,
	.finish = finish,
};
