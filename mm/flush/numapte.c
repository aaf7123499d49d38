/* numaPTE (F26): each node has page tables of its own, to which an entry is copied
 * when a CPU of the node first faults on it. An entry that changes is changed in
 * all copies, and only CPUs of nodes that have one are interrupted.
 *
 * Assumed, or left out: the set of nodes is kept for each page (the paper keeps it
 * for each table, which is a larger set); one entry is copied at a fault; a copy is
 * changed at the price of a line from the farthest node. That walks find a table on
 * their own node is not modelled (mitosis, which is about that alone). Page
 * tables that go are flushed everywhere, and so is what a kernel flushes because
 * another gather is open.
 */
#include "mm/flush/entered.h"

static u32 node(u32 cpu)
{
	return the_sys->cpu[cpu].node;
}

static int boot(struct sys *sys)
{
	return entered_boot(sys, sys->m->nr_nodes, node);
}

static void revoked(struct mm *mm, u64 vpn, u32 level, u64 old)
{
	u64 others = entered_units(pte_pfn(old)) &
		     ~(1ull << this_cpu->node % 64);

	charge((u64)__builtin_popcountll(others) *
	       cost_of(COST_LINE_TRANSFER_REMOTE));
	entered_revoked(mm, vpn, level, old);
}

extern const struct flush_ops flush_numapte;
const struct flush_ops flush_numapte = {
	.name = "numapte",
	.summary = "page tables of each node: only nodes that faulted a page are told",
	.source = "numaPTE, arXiv 2401.15558 (abstract)",
	.defers = "old rights stay usable until the end of the range",
	.legal = FLUSH_ALL_OPS,
	FLUSH_AT_THE_END,
	.boot = boot,
	.mapping = entered_mapping,
	.spurious = entered_spurious,
	.revoked = revoked,
	.narrow = holders_narrow,
};
