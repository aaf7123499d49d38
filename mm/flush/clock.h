/* clock.h - frames that are free while some TLB may still translate to them are
 * flushed when they are given out again: by then most CPUs have flushed for
 * other reasons. What luf, xen-filter and fpr share.
 *
 * One clock counts flushes. A frame is stamped when it is freed, and a CPU notes
 * when its last flush began: what it had then, it has no more. Frames whose
 * stamp is not older than a CPU's note may still be cached there. A flush takes
 * its number before it does anything else, so that what is freed meanwhile is
 * not thought covered. In the arena.
 */
#ifndef MM_FLUSH_CLOCK_H
#define MM_FLUSH_CLOCK_H

#include "mm/flush.h"

int flush_clock_boot(struct sys *sys);
/* @p, mapped by @mm until now, is not to be used by others before a flush: CPUs
 * that have @mm loaded may have it cached. Others catch up when they load it:
 * its generation has gone up before. */
void flush_clock_owe(struct page *p, struct mm *mm);
/* flush_ops.freed, .given_out, .catching_up, .caught_up. Nothing is noted until
 * somebody owes a flush. */
bool flush_clock_freed(struct page *p);
void flush_clock_given_out(struct page *p, u64 vpn);
u64 flush_clock_catching_up(void);
void flush_clock_caught_up(u64 was);
/* All that is owed, now; and as flush_ops.claim: if @mm owes any. */
void flush_clock_pay(void);
void flush_clock_claim(struct mm *mm, u64 start, u64 end);
/* For stamps of their own: the time; who has not flushed since @stamp does. And
 * what a strategy keeps besides, in the arena. */
u64 flush_clock_now(void);
void flush_clock_older(u64 stamp);
void **flush_clock_own(void);

#endif
