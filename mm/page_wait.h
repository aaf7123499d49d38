/* page_wait.h - threads that sleep until a page is unlocked, in timed runs with the
 * scheduler: whoever unlocks it wakes them one after another, and they are running
 * again in that order. Reads beside wait_on_page_bit() and wake_up_page().
 *
 * Who is first afterwards matters: of threads that go through the same memory in
 * step, it takes the next hint fault, and may take the page to its node.
 *
 * Until 4.13 the last to have come is woken first (kern()->page_wait_fifo). The
 * CPU is not given to another thread meanwhile, as for all kernel locks (sched.h).
 * Elsewhere nothing of this is there: all go on when the page is unlocked.
 */
#ifndef MM_PAGE_WAIT_H
#define MM_PAGE_WAIT_H

#include "mm/mm.h"

/* What follows must be the wait itself. Return: its place in the page's queue. */
u32 page_wait_begin(struct page *p);
/* The page was unlocked: until this thread's turn has come. */
void page_wait_end(struct page *p, u32 place);
/* @p was unlocked by this thread, which has sleepers to wake. */
void page_wake(struct page *p);

/* Nobody sleeps. */
void page_wait_reset(void);

#endif
