/* Xen's assisted flush (F13a), of a hypervisor that is a guest itself: the one
 * below is asked to flush, which ignores whom and what, and drops all that all
 * virtual CPUs hold. Worth it where there are many CPUs, most of them away.
 *
 * assumed: this kernel calls it where Xen does, for whatever needs other CPUs;
 * its own TLB it flushes itself, before. The hypervisor stops all that run at the
 * same time; here each when its kick arrives.
 * Source: Xen e9aca9470ed8, "x86/tlb: use Xen L0 assisted TLB flush when
 * available". */
#include <string.h>

#include "mm/flush/hypercall.h"

static void tell(struct flush_req *r, const u64 *to, bool is_here)
{
	u64 all[MM_CPUMASK_WORDS];

	memset(all, 0xff, sizeof(all));
	all[this_cpu->id / 64] &= ~(1ull << this_cpu->id % 64);
	if (is_here)
		flush_func(r);
	hypercall_flush(r, true, all, false);
}

static bool can_run(const struct machine *m, struct err *e)
{
	return flush_needs_guest(m, "xen-l0", e);
}

extern const struct flush_ops flush_xen_l0;
const struct flush_ops flush_xen_l0 = {
	.name = "xen-l0",
	.summary = "a nested guest: one hypercall drops all that all CPUs hold",
	.source = "Xen 4.14, commit e9aca9470ed8",
	FLUSH_BY_HYPERVISOR,
	.tell = tell,
	.can_run = can_run,
};
