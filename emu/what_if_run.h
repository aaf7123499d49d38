/* what_if_run.h - one pass over a trace that fills in every point of a sweep,
 * and stack distances by page size.
 */
#ifndef EMU_WHAT_IF_RUN_H
#define EMU_WHAT_IF_RUN_H

#include "emu/what_if.h"
#include "tlb/stack.h"

struct sweep;                   /* opaque                                     */

struct sweep_config {
	struct what_if *w;              /* whose points are filled in; NULL   */
	const struct tlb_design *behind;        /* w->behind, NULL: none      */
	bool is_histogram;              /* distances of all page sizes, too; of
					 * what gets through, with @behind    */
	u64 seed;                       /* of random replacement              */
};

/* sweep_create - nothing has been accessed. @w and @behind are kept.
 * Return: 0, -EINVAL, -ENOMEM. */
int sweep_create(struct sweep **out, const struct sweep_config *cfg,
		 struct err *e);
void sweep_destroy(struct sweep *s);

/* sweep_runs - the next @n runs of the trace. Return: 0, -ENOMEM. */
int sweep_runs(struct sweep *s, const struct run *run, size_t n,
	       struct err *e);

/* sweep_finish - the points' results. */
void sweep_finish(struct sweep *s);

/* sweep_stack - distances under @uses with pages of @page (WHAT_IF_4K ...);
 * member 0 is fully associative. NULL: not asked for, or nothing there. */
const struct stack *sweep_stack(const struct sweep *s, enum uses uses,
				u32 page);

#endif
