/* tlb_flush3 - as tlb_flush2, of a shared mapping of a file: the page stays in the
 * file, and the dirty entry is flushed under the page-table lock. */
#include "workloads/will_it_scale/wis.h"

static int one_round(struct wis_task *t)
{
	return wis_flush_pages(t);
}

WIS_CASE(tlb_flush3, "tlb_flush2 in a shared mapping of a file",
	 "ipis_sent, wait_ack and respond against threads",
	 WIS_FILE | VM_READ | VM_WRITE | VM_SHARED, WIS_OPT_BYTES("1M"),
	 WIS_OPT_ROUNDS("1"),
	 WIS_OPT_REMAP);
