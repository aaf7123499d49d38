/* thp_churn.h - both page sizes in one program, all the time: every so often one
 * 2M range of each address space, in turn, is split if a huge page is there, and
 * collapsed into one if not. Debugfs' split_huge_pages and khugepaged do this in
 * Linux; here whichever thread comes by its tick first does, and khugepaged asks
 * for no number of pages and waits for no scan.
 *
 * Anonymous memory that may have huge pages at all (VM_HUGE), not locked, tracked or
 * a virtual machine's. Timed runs.
 */
#ifndef MM_THP_CHURN_H
#define MM_THP_CHURN_H

#include "mm/mm.h"

/* From a tick of the current thread, which is in user mode. */
void thp_churn(void);

#endif
