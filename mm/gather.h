/* gather.h - unmapping in the only right order: unhook, flush, free.
 *
 * One CPU has at most one gather open. Entries are cleared under their
 * page-table lock and what they mapped is queued; the flush comes when the
 * queue is full and at the end, and only then are pages freed. Reads next to
 * mm/mmu_gather.c and mm/memory.c.
 */
#ifndef MM_GATHER_H
#define MM_GATHER_H

#include "mm/flush.h"
#include "mm/mm.h"

struct mmu_gather {
	struct flush_batch b;
};

void gather_begin(struct mmu_gather *g, struct mm *mm);
void gather_end(struct mmu_gather *g);
/* Clear all entries of [start, end). */
void zap_range(struct mmu_gather *g, u64 start, u64 end);

#endif
