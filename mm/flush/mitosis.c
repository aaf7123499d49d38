/* Mitosis (F26): each node has a copy of all page tables, and its CPUs walk that
 * one. Whoever changes an entry changes all copies, under the same page-table lock;
 * flushes are what they were.
 *
 * What it saves is seen where page tables come from memory: --caches walks or full.
 * What it costs: for each other node a line from there and a store, at every store
 * to an entry.
 *
 * Assumed, or left out: A and D, which hardware sets in the copy that it walks, are
 * gathered by the kernel at no price, and no other copy's line goes for them; the
 * copies' memory, and the time to make them, are not modelled. Explored, all copies
 * change in one step, since nobody flushes before the last has.
 * Source: Achermann et al., "Mitosis", ASPLOS 2020 (abstract). */
#include "mm/flush.h"

/* On this CPU, which has the lock. */
static void pte_stored(u32 root, u64 vpn, u32 level)
{
	u64 others = the_sys->m->nr_nodes - 1;

	charge(others * (cost_of(COST_PTE_OP) +
			 cost_of(COST_LINE_TRANSFER_REMOTE)));
	COUNT(PTE_COPIES_STORED, others);
}

static int boot(struct sys *sys)
{
	sys->os.pte_stored = pte_stored;
	sys->has_local_tables = !sys->is_explored;
	return 0;
}

extern const struct flush_ops flush_mitosis;
const struct flush_ops flush_mitosis = {
	.name = "mitosis",
	.summary = "a copy of all page tables on each node, flushed as by deferred",
	.source = "Achermann et al., Mitosis, ASPLOS 2020 (abstract)",
	.defers = "old rights stay usable until the end of the range",
	.legal = FLUSH_ALL_OPS,
	FLUSH_AT_THE_END,
	.boot = boot,
};
