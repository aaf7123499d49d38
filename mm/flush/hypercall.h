/* hypercall.h - a guest asks its hypervisor to flush the TLBs of many of its CPUs:
 * one exit, and on return all have dropped what was asked for. The hypervisor
 * makes those that run leave the guest, interrupts on or off; one that is away
 * drops all it has before it is back. What is dropped is dropped of all address
 * spaces, as tags of guests are the CPU's own.
 *
 * Assumed: the hypervisor sends its kicks as a host does interrupts, one ICR write
 * each; a kicked CPU loses an exit and an invalidation for each page, or one for
 * all.
 * Sources: Hyper-V TLFS, HvCallFlushVirtualAddressList; Linux 6.1
 * arch/x86/hyperv/mmu.c, arch/x86/kvm/hyperv.c (kvm_hv_flush_tlb).
 */
#ifndef MM_FLUSH_HYPERCALL_H
#define MM_FLUSH_HYPERCALL_H

#include "mm/flush.h"

/* hypercall_flush - on the CPUs of @to, and on this one if @is_here, what @r
 * names; @is_full: all of the guest. */
void hypercall_flush(const struct flush_req *r, bool is_full, const u64 *to,
		     bool is_here);
/* hypercall_flush_by_tag - what @r names on the CPUs of @to; of one that is away the
 * same, and no more, on the core where it ran. */
void hypercall_flush_by_tag(const struct flush_req *r, const u64 *to);

/* What strategies that do so have in common. */
#define FLUSH_BY_HYPERVISOR \
	.defers = "old rights stay usable until the end of the range", \
	.needs = "a guest: --guest; page tables freed by RCU (R14b)", \
	.legal = FLUSH_ALL_OPS, \
	FLUSH_AT_THE_END, \
	.has_broadcasts = true, \
	.is_guests = true, \
	.keeps_lazy_roots = true

#endif
