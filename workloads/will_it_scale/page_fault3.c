/* page_fault3 - every thread maps a file of its own shared, stores to each page and
 * unmaps it: dirty entries, for which munmap flushes table by table (3.15), before
 * the pages count as unmapped (6.2). */
#include "workloads/will_it_scale/wis.h"

static int one_round(struct wis_task *t)
{
	return wis_fill_file(t, VM_READ | VM_WRITE | VM_SHARED);
}

WIS_CASE(page_fault3, "threads map a file shared, fill and unmap it",
	 "page-faults, tlb_flush and lock_wait against --kernel v3.13, v6.1, v6.14",
	 WIS_FILE, WIS_OPT_BYTES("4M"), WIS_OPT_ROUNDS("1"));
