/* tlb_flush2 - every thread throws away, page by page, what it has just written
 * in a small anonymous mapping: a flush of one page of everybody, from
 * everybody. */
#include "workloads/will_it_scale/wis.h"

static int one_round(struct wis_task *t)
{
	return wis_flush_pages(t);
}

WIS_CASE(tlb_flush2, "threads write, MADV_DONTNEED and read one page at a time",
	 "ipis_sent, wait_ack and respond against threads",
	 VM_READ | VM_WRITE | VM_HUGE, WIS_OPT_BYTES("1M"), WIS_OPT_ROUNDS("1"),
	 WIS_OPT_REMAP);
