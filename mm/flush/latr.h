/* latr.h - what munmap took is written down for those who still have to drop it,
 * in a ring of each CPU, and kept until they have (latr.c). What latr and ecotlb
 * share.
 */
#ifndef MM_FLUSH_LATR_H
#define MM_FLUSH_LATR_H

#include "mm/flush.h"

/* flush_ops.boot, .tick, .finish, .keep, .claim, .reclaim; a CPU drops all that names it. */
int latr_boot(struct sys *sys);
void latr_tick(void);
void latr_finish(struct flush_batch *b);
bool latr_keep(struct flush_batch *b, const u32 *pfn, u32 n);
void latr_claim(struct mm *mm, u64 start, u64 end);
u64 latr_reclaim(void);
void latr_sweep(void);
#define LATR_HOOKS .changed = flush_batch_add, .unlock = flush_batch_wait, \
	.finish = latr_finish, .keep = latr_keep, .claim = latr_claim, \
	.reclaim = latr_reclaim, .owes = true
/* Who is named and does not run there need not be waited for: its generation is
 * behind, which it finds before it does again. After latr_boot(). */
void latr_abandon_tags(void);
/* A CPU whose program has ended uses nothing any more. */
bool latr_has_ended(u32 cpu);

#endif
