/* A full round of interrupts for every page: always legal, the reference (F1).
 */
#include "mm/flush.h"

static void changed(struct flush_batch *b, u64 vpn, u32 order)
{
	flush_batch_add(b, vpn, order);
	flush_batch_flush(b, false);
}

static void nothing(struct flush_batch *b)
{
}

/* What is left are page tables. */
static void finish(struct flush_batch *b)
{
	flush_batch_flush(b, false);
}

extern const struct flush_ops flush_page;
const struct flush_ops flush_page = {
	.name = "page",
	.summary = "a synchronous flush for every page, under its lock",
	.source = "Linux ptep_clear_flush",
	.defers = "nothing",
	.legal = FLUSH_ALL_OPS,
	.changed = changed,
	.unlock = nothing,
	.finish = finish,
};
