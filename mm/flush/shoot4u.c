/* Shoot4U (F13), of a guest of KVM: a hypercall names the CPUs and the pages, and
 * the hypervisor drops them by tag on the cores where these CPUs run, or ran last:
 * whether one is away or not takes the same time, and one that was away finds what
 * nobody named still there when it comes back. The guest flushes its own TLB itself.
 * Beside that it is hyperv.
 *
 * assumed, as only a short description was at hand: a core that runs something else
 * is kicked like others, at no price to this guest; how many pages a call may name
 * is not limited below the kernel's ceiling.
 * Source: Ouyang, Lange, Zheng, "Shoot4U: Using VMM Assists to Optimize TLB
 * Operations on Preempted vCPUs", VEE 2016 (its repository's readme). */
#include "mm/flush/hypercall.h"

static void tell(struct flush_req *r, const u64 *to, bool is_here)
{
	u64 any = 0;

	for (u32 w = 0; w < (the_sys->nr_cpus + 63) / 64; w++)
		any |= to[w];
	if (any)
		hypercall_flush_by_tag(r, to);
	if (is_here)
		flush_func(r);
}

static bool can_run(const struct machine *m, struct err *e)
{
	return flush_needs_guest(m, "shoot4u", e);
}

extern const struct flush_ops flush_shoot4u;
const struct flush_ops flush_shoot4u = {
	.name = "shoot4u",
	.summary = "a guest of KVM: a hypercall drops pages by tag, of CPUs that are away, too",
	.source = "Ouyang, Lange, Zheng, Shoot4U, VEE 2016 (readme)",
	.defers = "old rights stay usable until the end of the range",
	.needs = "a guest: --guest; page tables freed by RCU (R14b)",
	.legal = FLUSH_ALL_OPS,
	FLUSH_AT_THE_END,
	.tell = tell,
	.has_broadcasts = true,
	.is_guests = true,
	.can_run = can_run,
	.keeps_lazy_roots = true,
};
