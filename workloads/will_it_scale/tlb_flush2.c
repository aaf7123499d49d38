/* tlb_flush2 - every thread throws away, page by page, what it has just written
 * in a small anonymous mapping: a flush of one page of everybody, from
 * everybody. */
#include "workloads/will_it_scale/wis.h"

static int one_round(struct wis_task *t)
{
	int rc = 0;

	for (u64 p = 0; p < t->pages && !rc; p++) {
		rc = wis_touch(t->vpn + p, 1, RUN_WRITE);
		if (!rc)
			rc = do_madvise(t->mm, t->vpn + p, 1, MADV_DONTNEED);
		if (!rc)
			rc = wis_touch(t->vpn + p, 1, RUN_READ);
		t->w->done++;
	}
	return rc;
}

WIS_CASE(tlb_flush2, "threads write, MADV_DONTNEED and read one page at a time",
	 "ipis_sent, wait_ack and respond against threads",
	 VM_READ | VM_WRITE | VM_HUGE, WIS_OPT_BYTES("1M"), WIS_OPT_ROUNDS("1"));
