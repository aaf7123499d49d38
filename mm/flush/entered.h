/* entered.h - page tables that not all share: a directory says, for each frame,
 * who has an entry for it in tables of its own; others' walks fault, and the fault
 * enters them. Who may hold a translation is then known, and a flush interrupts
 * these alone (holders.h). What radixvm (by core) and numapte (by node) share.
 *
 * In memory there is one entry for all. A frame that is newly mapped begins with
 * who faulted. One set for all address spaces that map a frame: too large a set,
 * never too small. In the arena.
 */
#ifndef MM_FLUSH_ENTERED_H
#define MM_FLUSH_ENTERED_H

#include "mm/flush/holders.h"

/* @unit_of: whose tables @cpu uses, below @nr_units. */
int entered_boot(struct sys *sys, u32 nr_units, u32 (*unit_of)(u32 cpu));
/* Who has entered @pfn: a bit a unit, up to 64 of them. */
u64 entered_units(u64 pfn);
/* flush_ops.mapping, .spurious, .revoked */
u64 entered_mapping(struct mm *mm, u64 vpn, u32 level, u64 e);
void entered_spurious(struct mm *mm, u64 vpn);
void entered_revoked(struct mm *mm, u64 vpn, u32 level, u64 old);

#endif
