/* page_fault2 - every thread maps a file of its own privately, stores to each page
 * and unmaps it: a copy of each page of the file. */
#include "workloads/will_it_scale/wis.h"

static int one_round(struct wis_task *t)
{
	return wis_fill_file(t, VM_READ | VM_WRITE);
}

WIS_CASE(page_fault2, "threads map a file privately, fill and unmap it",
	 "page-faults, zero and copy, flushes of munmap",
	 WIS_FILE, WIS_OPT_BYTES("4M"), WIS_OPT_ROUNDS("1"));
