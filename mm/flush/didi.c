/* DiDi (F25): a directory of what all TLBs hold, beside a second level that they
 * share, sends an invalidation only to those that have the page, and no interrupt.
 * Proposed; no machine has it: --proposal tlb-directory.
 *
 * Assumed: the directory is exact and never full (the paper's evicts, and takes
 * TLB entries along); an operation costs its CPU what INVLPGB does, a message a
 * line's way there and back; address spaces have the same tag everywhere; what a
 * paging-structure cache may hold goes with the page. Explored, all CPUs are told:
 * the directory only leaves out those that have nothing.
 */
#include <errno.h>

#include "mm/flush.h"

static void one(const struct inval_op *op, u16 pcid, u64 vpn, u64 n, u32 order)
{
	if (the_sys->is_explored) {
		cpu_broadcast(op, pcid, vpn, n, order);
		return;
	}
	step(this_cpu->s, true, cost_of(COST_BROADCAST));
	cpu_invalidate_sharers(op, pcid, vpn, n, order);
}

static void shoot(struct flush_req *r)
{
	u16 pcid = (u16)r->mm->asid;

	smp_mb();
	if (r->is_full)
		one(inval_op_find("INVLPGB PCID"), pcid, 0, 1, 0);
	for (u64 vpn = r->start; !r->is_full && vpn < r->end;
	     vpn += 1ull << r->order)
		one(inval_op_find("INVLPGB VA+PCID"), pcid, vpn, 1, r->order);
	if (the_sys->is_explored)
		cpu_broadcast_sync();
	else
		cpu_sharers_sync();
}

/* What reclaim unmaps; waited for as any broadcast. */
static bool batch_start(struct mm *mm, u64 vpn)
{
	smp_mb();
	one(inval_op_find("INVLPGB VA+PCID"), mm_pcid(mm), vpn, 1, 0);
	return true;
}

static bool can_run(const struct machine *m, struct err *e)
{
	if (m->has_tlb_directory)
		return true;
	err_set(e, -EINVAL, "flush didi: no machine has a directory of TLBs; it "
		"is a proposal: add --proposal tlb-directory, or try --flush "
		"deferred");
	return false;
}

extern const struct flush_ops flush_didi;
const struct flush_ops flush_didi = {
	.name = "didi",
	.summary = "proposed: a directory of TLBs tells those that have the page",
	.source = "Villavieja et al., DiDi, PACT 2011 (abstract)",
	.defers = "old rights stay usable until the end of the range",
	.needs = "a proposal: --proposal tlb-directory; page tables freed by RCU (R14b)",
	.legal = FLUSH_ALL_OPS,
	FLUSH_AT_THE_END,
	.shoot = shoot,
	.batch_start = batch_start,
	.has_global_asids = true,
	.has_broadcasts = true,
	.can_run = can_run,
};
