/* brk1 - every thread moves the end of the heap up one page and down again:
 * nothing is touched, nothing to flush. Threads share the heap. */
#include "workloads/will_it_scale/wis.h"

static int one_round(struct wis_task *t)
{
	u64 end = READ_ONCE(t->mm->brk) + 1;
	int rc = do_brk(t->mm, end);

	t->w->done += 2;
	return rc ? rc : do_brk(t->mm, end - 1);
}

WIS_CASE(brk1, "threads grow and shrink the heap by one page",
	 "lock_wait of mmap_lock; tlb_flush stays 0",
	 0, WIS_OPT_ROUNDS("100"));
