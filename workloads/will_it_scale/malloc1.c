/* malloc1 - every thread allocates 128 MiB and frees it. The allocator maps that
 * much by itself, writes its header to the first page, and unmaps it. */
#include <errno.h>

#include "workloads/will_it_scale/wis.h"

static int one_round(struct wis_task *t)
{
	u64 vpn = do_mmap(t->mm, t->pages + 1, VM_READ | VM_WRITE | VM_HUGE);
	int rc = vpn ? wis_touch(vpn, 1, RUN_WRITE) : -ENOMEM;

	t->w->done++;
	return rc ? rc : do_munmap(t->mm, vpn, t->pages + 1);
}

WIS_CASE(malloc1, "threads malloc and free 128 MiB",
	 "one page touched and flushed in each munmap",
	 0, WIS_OPT_BYTES("128M"), WIS_OPT_ROUNDS("100"));
