/* coherent.h - proposed hardware by which a store to a page-table entry takes
 * translations out of all TLBs: what unitd and hatric share. Software flushes nothing;
 * explored, what the stores did has to be said, as broadcasts that end.
 */
#ifndef MM_FLUSH_COHERENT_H
#define MM_FLUSH_COHERENT_H

#include "mm/flush.h"

#define LINE_ENTRIES 8u         /* of a cache line                            */

/* Whose top-level table @root is. NULL: nobody's. */
struct mm *coherent_mm(u32 root);

/* flush_ops.shoot, .batch_start. */
void coherent_shoot(struct flush_req *r);
bool coherent_batch_start(struct mm *mm, u64 vpn);

#endif
