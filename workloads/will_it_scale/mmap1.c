/* mmap1 - every thread maps memory and unmaps it untouched: nothing to flush. */
#include <errno.h>

#include "workloads/will_it_scale/wis.h"

static int one_round(struct wis_task *t)
{
	u64 vpn = do_mmap(t->mm, t->pages, VM_READ | VM_WRITE | VM_HUGE);

	t->w->done++;
	return vpn ? do_munmap(t->mm, vpn, t->pages) : -ENOMEM;
}

WIS_CASE(mmap1, "threads map and unmap memory that nobody touches",
	 "lock_wait of mmap_lock; tlb_flush stays 0",
	 0, WIS_OPT_BYTES("128M"), WIS_OPT_ROUNDS("100"));
