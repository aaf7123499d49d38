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
	bool is_full_mm;        /* exit: everything goes, one flush of all    */
	bool has_tables;        /* in the queue                               */
	bool was_nested;        /* nested_looks_early: when it began          */
	u64 kept_start, kept_end;       /* the strategy's; equal: nothing     */
	bool spares_anon;       /* only the file's own pages go               */
	u64 first_index, nr_index;      /* nonlinear: only these of the file's;
					 * 0: all                             */
	u64 linear;             /* what added to a vpn gives the page that would
				 * be there without remap_file_pages()        */
	bool must_flush;        /* before the page-table lock is dropped      */
	bool has_rmaps;         /* queued pages still count as mapped         */
};

void gather_begin(struct mmu_gather *g, struct mm *mm, enum flush_op op);
void gather_end(struct mmu_gather *g);
/* @v is unmapped, and about to leave its file's list. Frames that nobody counts may
 * be freed by who finds no mapping there: they are flushed before (b67fbebd4cf9). */
void gather_end_vma(struct mmu_gather *g, const struct vma *v);
/* Clear all entries of [start, end). */
void zap_range(struct mmu_gather *g, u64 start, u64 end);
/* All of @v's. */
void unmap_vma(struct mmu_gather *g, struct vma *v);
/* The range is unmapped, and no VMA that is left reaches into [floor, ceiling):
 * unhook the tables that lie there wholly, to be freed with the pages. Nobody
 * may find them through an anon_vma any more. @ceiling 0 is the top. */
void free_pgtables(struct mmu_gather *g, u64 start, u64 end, u64 floor,
		   u64 ceiling);
/* cold.c: MADV_COLD, and with @is_pageout MADV_PAGEOUT (after swapon(); huge
 * pages only age). The huge entry at @vpn stops being valid, and is flushed.
 * Return: what it was. */
void age_range(struct mmu_gather *g, u64 start, u64 end, bool is_pageout);
/* table_free.c: some kernels free a table before the gather's flush. Return:
 * done. What the others wait for after it. */
bool table_free_at_once(struct mmu_gather *g, u64 pfn);
void tables_grace_period(void);
/* An interrupt for all: who walked without locks has finished. */
void tables_sync(void);
/* The table @pfn, until now named by the entry of @level for @vpn. */
void gather_table(struct mmu_gather *g, u64 pfn, u64 vpn, u32 level);

#endif
