/* KVM's paravirtual flush (F11), of a guest that knows which of its CPUs are away:
 * it leaves those a flush, which the hypervisor does before they run again, and
 * interrupts the others. Leaving is one locked operation, as the CPU may come
 * back meanwhile; then it is interrupted like the others.
 *
 * A CPU that is away may be walking page tables without a lock: nobody waits for
 * it, and tables must be freed by RCU (R14b-kvm). One that idles with the address
 * space loaded keeps it.
 * Source: Linux 6.1 arch/x86/kernel/kvm.c, kvm_flush_tlb_multi. */
#include "mm/flush.h"

static void leave_to_host(const struct flush_req *r, u64 *to)
{
	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		if (flush_has(to, i) && vcpu_may_be_away(i) && vcpu_flush_later(i)) {
			touch(to, true);
			to[i / 64] &= ~(1ull << i % 64);
		}
}

static bool can_run(const struct machine *m, struct err *e)
{
	return flush_needs_guest(m, "kvm-pv", e);
}

extern const struct flush_ops flush_kvm_pv;
const struct flush_ops flush_kvm_pv = {
	.name = "kvm-pv",
	.summary = "a guest of KVM: CPUs that are away flush before they come back",
	.source = "Linux 4.16 and later, arch/x86/kernel/kvm.c (858a43aae236)",
	.defers = "old rights stay usable until the end of the range",
	.needs = "a guest: --guest; page tables freed by RCU (R14b)",
	.legal = FLUSH_ALL_OPS,
	FLUSH_AT_THE_END,
	.narrow = leave_to_host,
	.is_guests = true,
	.can_run = can_run,
	.keeps_lazy_roots = true,
};
