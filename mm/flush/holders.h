/* holders.h - of the changes that a CPU's next flush is for: which CPUs may hold
 * what was there. What radixvm and abis share.
 *
 * Every entry that loses rights is noted, under its page-table lock; the flush
 * that comes for a range within what was noted goes to these CPUs alone, and
 * whatever flush comes, the notes are done with. A flush of what nobody noted
 * (fork, mremap, huge pages that split) goes to all, as without. In the arena.
 */
#ifndef MM_FLUSH_HOLDERS_H
#define MM_FLUSH_HOLDERS_H

#include "mm/flush.h"

int holders_boot(struct sys *sys);
/* @nr_pages from @vpn: @mask, a bit a CPU; NULL: anybody. */
void holders_note(u64 vpn, u64 nr_pages, const u64 *mask);
/* flush_ops.narrow */
void holders_narrow(const struct flush_req *r, u64 *to);

#endif
