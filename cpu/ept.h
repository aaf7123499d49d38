/* ept.h - nested paging: the modelled machine is a guest, and each address that
 * its page tables hold is translated once more (Intel: EPT, AMD: nested page
 * tables).
 *
 * The hypervisor maps every guest frame to the host frame of the same number,
 * with pages of one size, and never changes that. So there is nothing to look
 * up, only to pay for: each guest table entry that the walker loads, and the
 * page it ends at, needs the host address of a guest frame. That is
 *  - free when the nested TLB (guest frame to host frame) has it,
 *  - else a walk of the EPT from the lowest level that the EPT's own
 *    paging-structure caches hold.
 * Without any of these caches a walk of g guest levels over h EPT levels takes
 * (g + 1) * (h + 1) - 1 loads: 24 for 4 and 4.
 *
 * The EPT's tables lie behind the guest's memory, local to every node; their
 * entries go through the data caches as others do.
 *
 * One of these is shared by the threads of a core.
 */
#ifndef CPU_EPT_H
#define CPU_EPT_H

#include "base/types.h"
#include "tlb/psc.h"

struct ept;

/* ept_create - @order: log2 of 4K pages that one EPT leaf maps, 0, 9 or 18.
 * @psc: shape of its paging-structure caches; NULL: neither these nor a nested
 * TLB, which has @nested_entries, fully associative.
 * Return: 0, -EINVAL, -ENOMEM. */
int ept_create(struct ept **out, u64 nr_frames, u32 order,
	       const struct psc_geometry *psc, u32 nested_entries);
void ept_destroy(struct ept *ept);

u32 ept_order(const struct ept *ept);

/* Frames of memory and of the tables behind it. */
u64 ept_end_frame(u64 nr_frames);

#define EPT_MAX_LOADS 4u

/* ept_translate - the host frame of @gfn is needed: the table entries to load
 * for it, as physical lines. Return: how many. */
u32 ept_translate(struct ept *ept, u64 gfn, u64 line[EPT_MAX_LOADS]);

#endif
