/* RadixVM (F20): each core has page tables of its own, filled by its own faults,
 * so that the set of cores that may hold a translation is known exactly, and a
 * flush interrupts these alone. The price is a fault for each core and page.
 *
 * Assumed, or left out: faults take mmap_lock for reading where the paper locks a
 * range of its radix tree; Refcache and the memory of the tables are not modelled;
 * page tables that go are flushed everywhere, and so is what a kernel flushes
 * because another gather is open (4.13 and later, gather_checks_nested), which the
 * paper's range locks make needless. Fork and mremap are flushed as usual.
 */
#include "mm/flush/entered.h"

static u32 core(u32 cpu)
{
	return cpu;
}

static int boot(struct sys *sys)
{
	return entered_boot(sys, sys->nr_cpus, core);
}

extern const struct flush_ops flush_radixvm;
const struct flush_ops flush_radixvm = {
	.name = "radixvm",
	.summary = "page tables of each core: only those that faulted a page are told",
	.source = "Clements et al., RadixVM, EuroSys 2013",
	.defers = "old rights stay usable until the end of the range",
	.legal = FLUSH_ALL_OPS,
	FLUSH_AT_THE_END,
	.boot = boot,
	.mapping = entered_mapping,
	.spurious = entered_spurious,
	.revoked = entered_revoked,
	.narrow = holders_narrow,
};
