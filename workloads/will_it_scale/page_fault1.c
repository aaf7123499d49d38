/* page_fault1 - every thread maps anonymous memory, stores to each page and
 * unmaps it. */
#include <errno.h>

#include "workloads/will_it_scale/wis.h"

static int one_round(struct wis_task *t)
{
	u64 vpn = do_mmap(t->mm, t->pages, VM_READ | VM_WRITE | VM_HUGE);
	int rc = vpn ? wis_touch(vpn, t->pages, RUN_WRITE) : -ENOMEM;

	t->w->done += t->pages;
	return rc ? rc : do_munmap(t->mm, vpn, t->pages);
}

WIS_CASE(page_fault1, "threads map, fill and unmap anonymous memory",
	 "page-faults, lock_wait of mmap_lock, flushes of munmap",
	 0, WIS_OPT_BYTES("4M"), WIS_OPT_ROUNDS("1"));
