/* entry.h - what mitigations of Meltdown, Spectre and MDS add to each way into the
 * kernel and out again, in timed runs.
 *
 * pti. Page-table isolation: user code has a root and a PCID of its own, so a
 *   system call, a fault and an interrupt of user code write CR3 twice, without a
 *   flush (COST_CR3_SWITCH each); one that meets the kernel does not. A page that is
 *   flushed is flushed under both PCIDs (COST_INVPCID_USER); where everything is, the
 *   other half goes with the write of CR3 on the way out, which is paid for anyway.
 *   Entries are kept once, not under two tags. Needs PCIDs.
 * mds. Buffers that the kernel's loads and stores went through are emptied on each
 *   way back to user code (COST_VERW), as Linux does since 5.2 on parts that need it.
 * retpoline. Indirect branches of the way in and out are returns that the CPU
 *   predicts wrongly (COST_RETPOLINE for all of them). Those of what the kernel does
 *   in between are not counted.
 */
#ifndef CPU_ENTRY_H
#define CPU_ENTRY_H

#include "cpu/cpu.h"

/* Beyond the profile's cost of entry and exit. */
static inline u64 entry_cycles(bool is_from_user)
{
	const struct mitigations *m = &the_sys->mitigations;

	return (m->pti && is_from_user ? 2 * cost_of(COST_CR3_SWITCH) : 0) +
	       (m->mds && is_from_user ? cost_of(COST_VERW) : 0) +
	       (m->retpoline ? cost_of(COST_RETPOLINE) : 0);
}

static inline void charge_syscall(void)
{
	charge(cost_of(COST_SYSCALL) + entry_cycles(true));
}

/* What an interrupt meets. */
static inline bool is_user_cat(enum cycle_cat cat)
{
	return cat == CYC_USER || cat == CYC_STLB || cat == CYC_WALK ||
	       cat == CYC_DATA;
}

#endif
