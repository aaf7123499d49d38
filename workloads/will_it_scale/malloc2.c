/* malloc2 - every thread allocates 1 KiB and frees it, which its own arena in user
 * space serves: no system call, no fault after the first. */
#include "workloads/will_it_scale/wis.h"

#define ACCESSES 24u            /* of a malloc and a free that hit a thread's
				 * cache: assumed, about as many as glibc 2.36's
				 * tcache_get and tcache_put                  */

static int one_round(struct wis_task *t)
{
	struct run run = { .va = t->vpn << PAGE_SHIFT, .count = ACCESSES,
			   .bytes = 8, .op = RUN_MODIFY };

	t->w->done++;
	return wl_runs(&run, 1);
}

WIS_CASE(malloc2, "threads malloc and free 1 KiB in user space",
	 "a control: no flush, no fault after the first",
	 VM_READ | VM_WRITE, WIS_OPT_BYTES("4K"), WIS_OPT_ROUNDS("10000"));
