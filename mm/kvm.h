/* kvm.h - a virtual machine as a program of the modelled host: its memory is one
 * address space's, the VMM's, and a secondary MMU translates guest frames to host
 * frames by tables of its own (EPT), which must never map what the VMM's do not.
 *
 * Threads that are vCPUs walk those tables. Where they have no entry the access
 * leaves the guest (EPT violation): the page is looked up in the VMM's tables, by a
 * page fault on its behalf if need be, NUMA's hint faults included, and an entry of
 * the same size is made, unless something was invalidated meanwhile: then again.
 *
 * Whoever changes the VMM's tables first takes the range out of the EPT (MMU
 * notifier), and if anything was there, all vCPUs in the guest are kicked out of
 * it and drop the guest's translations, all of them (KVM_REQ_TLB_FLUSH), and
 * entries are not made until it is done. NUMA's scanner does so for all of what it
 * goes through, also if no entry then changes. After that the host's own TLB flush
 * goes to the same CPUs, which run the VMM's threads.
 *
 * Guest frames are the VMM's virtual page numbers, and what the guest's own tables
 * do is free: an identity map of large pages. assumed: a violation costs a page
 * fault and a VM exit, a kick an interrupt and a VM exit.
 *
 * Timed runs on x86, with flushes by interrupts (--flush deferred), without --check.
 * Source: Linux 6.1 virt/kvm/kvm_main.c (kvm_mmu_notifier_invalidate_range_start(),
 * kvm_flush_remote_tlbs()), arch/x86/kvm/mmu/mmu.c, mm/mprotect.c.
 */
#ifndef MM_KVM_H
#define MM_KVM_H

#include "mm/mm.h"

struct kvm {
	struct mm *mm;                  /* the VMM's                          */
	struct mm *ept;                 /* of its tables alone                */
	struct spinlock mmu_lock;
	u32 in_progress;                /* invalidations                      */
	u64 seq;                        /* of these, ended                    */
};

/* Some machine of this process has had a guest: without one nobody need ask whether a
 * CPU is in it. */
extern bool kvm_is_used;

/* kvm_create - in set-up; freed with the machine. NULL: out of memory. */
struct kvm *kvm_create(struct mm *mm);

/* kvm_vcpu_enter - this CPU's thread, one of the VMM's, is in the guest from now
 * on. kvm_vcpu_leave - it is the VMM's again, before it ends. */
void kvm_vcpu_enter(struct kvm *kvm);
void kvm_vcpu_leave(void);

/* An access of a vCPU that its tables do not allow. Return: 0; as handle_mm_fault(). */
int kvm_mmu_page_fault(u64 vpn, bool is_write);

/* kvm_load - this CPU's thread is a vCPU that goes on. */
void kvm_load(void);

/* mmu_notifier_start - entries of [@start, @end) are about to change;
 * mmu_notifier_end - they have, and TLBs are flushed. They nest. mmu_notifier_range - they are
 * about to be flushed, whoever changed them. Nothing without a guest. */
void mmu_notifier_start(struct mm *mm, u64 start, u64 end);
void mmu_notifier_end(struct mm *mm);
void mmu_notifier_range(struct mm *mm, u64 start, u64 end);

#endif
