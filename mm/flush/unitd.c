/* UNITD (F25): TLB entries take part in cache coherence by the address of the
 * page-table entry they came from. A store to an entry takes all translations out
 * of all TLBs that came from its cache line, eight 4K pages or 2M ones; software
 * flushes nothing. Proposed; no machine has it: --proposal coherent-tlbs.
 *
 * Assumed: the store waits until all TLBs that had some have answered, a line's
 * way there and back; a CPU answers once stores that used them are visible
 * (explored: as after a broadcast); the table's lines that a paging-structure
 * cache came from take part, too.
 */
#include <errno.h>

#include "mm/flush/coherent.h"

static void pte_stored(u32 root, u64 vpn, u32 level)
{
	u32 order = paging_order(&the_sys->mem.paging, level);
	struct mm *mm = coherent_mm(root);

	if (!mm || level > PMD_LEVEL)
		return;
	vpn &= ~(((u64)LINE_ENTRIES << order) - 1);
	if (cpu_invalidate_sharers(inval_op_find("INVLPGB VA+PCID"),
				   (u16)mm->asid, vpn, LINE_ENTRIES, order))
		cpu_sharers_sync();
}

static int boot(struct sys *sys)
{
	sys->os.pte_stored = pte_stored;
	return 0;
}

static bool can_run(const struct machine *m, struct err *e)
{
	if (m->has_coherent_tlbs)
		return true;
	err_set(e, -EINVAL, "flush unitd: no machine's TLBs see stores to page "
		"tables; it is a proposal: add --proposal coherent-tlbs, or "
		"try --flush deferred");
	return false;
}

extern const struct flush_ops flush_unitd;
const struct flush_ops flush_unitd = {
	.name = "unitd",
	.summary = "proposed: a store to an entry takes it out of all TLBs",
	.source = "Romanescu et al., UNITD, HPCA 2010 (abstract)",
	.defers = "nothing",
	.needs = "a proposal: --proposal coherent-tlbs; page tables freed by RCU (R14b)",
	.legal = FLUSH_ALL_OPS,
	FLUSH_AT_THE_END,
	.boot = boot,
	.shoot = coherent_shoot,
	.batch_start = coherent_batch_start,
	.has_global_asids = true,
	.has_broadcasts = true,
	.can_run = can_run,
};
