/* mmap2 - every thread maps a file of its own and unmaps it untouched: nothing to
 * flush. */
#include <errno.h>

#include "workloads/will_it_scale/wis.h"

static int one_round(struct wis_task *t)
{
	u64 vpn = do_mmap_file(t->mm, t->pages, VM_READ | VM_WRITE, t->file, 0);

	t->w->done++;
	return vpn ? do_munmap(t->mm, vpn, t->pages) : -ENOMEM;
}

WIS_CASE(mmap2, "threads map and unmap a file that nobody touches",
	 "lock_wait of mmap_lock; tlb_flush stays 0",
	 WIS_FILE, WIS_OPT_BYTES("128M"), WIS_OPT_ROUNDS("100"));
