/* Hyper-V's flush (F12): one hypercall with the address space, the CPUs and a list
 * of addresses, in place of all interrupts. Lazy CPUs are left out unless page
 * tables go. The guest's own generations do not learn of it: a CPU that was
 * flushed so, the initiator's too, is behind, and drops everything the next time
 * that it looks (a flush here, a switch).
 *
 * A list is a page at most, whose entries name up to 4096 pages each; what does
 * not fit is flushed whole, and so is what is above the kernel's ceiling.
 *
 * pvm: the same of a guest whose kernel runs without privilege (PVM): what it
 * drops of its own TLB is a hypercall, too.
 * assumed: a hypercall of PVM costs what one of a guest in hardware does.
 * Sources: Linux 6.1 arch/x86/hyperv/mmu.c; PVM, linux-kernel, February 2024
 * ("KVM: x86/PVM", cover letter). */
#include "mm/flush/hypercall.h"

#define PAGES_OF_ENTRY 4096u
/* (4 KiB - a header of 24 bytes) / 8. */
#define MAX_ENTRIES 509u

static bool fits(const struct flush_req *r)
{
	u64 pages = r->end - r->start;

	return (pages + PAGES_OF_ENTRY - 1) / PAGES_OF_ENTRY <= MAX_ENTRIES;
}

static bool is_any(const u64 *to)
{
	u64 any = 0;

	for (u32 w = 0; w < (the_sys->nr_cpus + 63) / 64; w++)
		any |= to[w];
	return any;
}

static void tell(struct flush_req *r, const u64 *to, bool is_here)
{
	if (is_here || is_any(to))
		hypercall_flush(r, r->is_full || !fits(r), to, is_here);
}

/* Its own TLB by itself. */
static void tell_others(struct flush_req *r, const u64 *to, bool is_here)
{
	tell(r, to, false);
	if (is_here)
		flush_func(r);
}

static bool can_run(const struct machine *m, struct err *e)
{
	return flush_needs_guest(m, "hyperv", e);
}

static bool can_run_pvm(const struct machine *m, struct err *e)
{
	return flush_needs_guest(m, "pvm", e);
}

extern const struct flush_ops flush_hyperv, flush_pvm;
const struct flush_ops flush_hyperv = {
	.name = "hyperv",
	.summary = "a guest of Hyper-V: one hypercall flushes many CPUs",
	.source = "Linux 4.14 and later, arch/x86/hyperv/mmu.c; Hyper-V TLFS",
	FLUSH_BY_HYPERVISOR,
	.tell = tell,
	.can_run = can_run,
};

const struct flush_ops flush_pvm = {
	.name = "pvm",
	.summary = "a guest without privilege: hypercalls flush others and itself",
	.source = "KVM: x86/PVM, linux-kernel, 2024",
	FLUSH_BY_HYPERVISOR,
	.tell = tell_others,
	.can_run = can_run_pvm,
	.local_exits = true,
};
