/* tlb_flush1 - as tlb_flush2, of a private mapping of a file: the store makes a
 * copy of the file's page, and the load after it shows that one again. */
#include "workloads/will_it_scale/wis.h"

static int one_round(struct wis_task *t)
{
	return wis_flush_pages(t);
}

WIS_CASE(tlb_flush1, "tlb_flush2 in a private mapping of a file",
	 "ipis_sent, wait_ack and respond against threads; zero and copy",
	 WIS_FILE | VM_READ | VM_WRITE, WIS_OPT_BYTES("1M"),
	 WIS_OPT_ROUNDS("1"),
	 WIS_OPT_REMAP);
