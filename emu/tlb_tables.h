/* tlb_tables.h - what `tlbemu tlb` prints: designs side by side, sweeps, reuse
 * distances.
 *
 * Rates are per 1000 instructions when the trace has instruction fetches (one
 * is one instruction), else per 1000 accesses; every table says which.
 */
#ifndef EMU_TLB_TABLES_H
#define EMU_TLB_TABLES_H

#include "base/emit.h"
#include "emu/tlb_designs.h"
#include "emu/what_if_run.h"
#include "workloads/trace_file.h"

/* Accesses to pages at a stack distance in [from, to]; the first to each page
 * have none. */
struct distance_row {
	enum uses uses;
	u32 page;               /* WHAT_IF_4K ...                             */
	bool is_first;
	u64 from, to;
	u64 accesses;
	u64 misses;             /* of a full LRU TLB with @from entries; first:
				 * of any                                     */
	u64 all;                /* accesses under @uses                       */
};

struct trace_rows {
	const char *path;
	u64 accesses, instructions;
	struct what_if_point *point;    /* [w->nr]                            */
	struct distance_row *distance;
	u32 nr_distances;
};

struct tlb_rows {
	struct trace_rows *trace;
	u32 nr;
};

/* tlb_rows_add - keep what @s found on the trace @path. @w may be NULL.
 * Return: 0, -ENOMEM. */
int tlb_rows_add(struct tlb_rows *rows, const char *path,
		 const struct trace_info *info, const struct sweep *s,
		 const struct what_if *w, struct err *e);
void tlb_rows_release(struct tlb_rows *rows);

/* @job[trace * @nr_designs + design]. */
void designs_table(struct emit *em, const struct design_job *job,
		   u32 nr_traces, u32 nr_designs, enum mapping mapping);
void what_if_table(struct emit *em, const struct tlb_rows *rows,
		   const struct what_if *w);
void histogram_table(struct emit *em, const struct tlb_rows *rows);

#endif
