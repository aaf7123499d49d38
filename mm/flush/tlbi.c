/* Arm's broadcast (F15): an instruction a page, performed by every CPU of the
 * domain without its help, then one barrier that waits for all of them. No
 * interrupts, no masks, no lazy CPUs. Pages of one flush go out back to back;
 * 512 and more are one operation for the whole ASID, as the range forms of
 * FEAT_TLBIRANGE are not used. Leaf only, unless page tables are freed. */
#include <errno.h>

#include "mm/flush.h"

static void shoot(struct flush_req *r)
{
	u16 asid;

	/* DSB ISHST: the entries are seen before they are invalidated, and
	 * before it is asked as what (5e10f9887ed8). */
	if (!kern()->asid_read_early)
		smp_mb();
	asid = (u16)READ_ONCE(r->mm->asid);
	smp_mb();
	if (r->is_full)
		cpu_broadcast(inval_op_find("TLBI ASIDE1IS"), asid, 0, 1, 0);
	else
		for (u64 vpn = r->start; vpn < r->end; vpn += 1ull << r->order)
			cpu_broadcast(inval_op_find(r->freed_tables
				      ? "TLBI VAE1IS" : "TLBI VALE1IS"), asid,
				      vpn, 1, 0);
	cpu_broadcast_sync();
}

/* 6.6: a page that reclaim or migration unmaps is on its way at once; who needs
 * all of them gone waits once. */
static bool batch_start(struct mm *mm, u64 vpn)
{
	smp_mb();
	cpu_broadcast(inval_op_find("TLBI VALE1IS"), mm_pcid(mm), vpn, 1, 0);
	return true;
}

/* Of every ASID, last level: tables of the kernel's stay. */
static void shoot_kernel(const struct flush_req *r)
{
	smp_mb();
	if (r->is_full)
		cpu_broadcast(inval_op_find("TLBI VMALLE1IS"), 0, 0, 1, 0);
	for (u64 vpn = r->start; !r->is_full && vpn < r->end; vpn++)
		cpu_broadcast(inval_op_find("TLBI VAALE1IS"), 0, vpn, 1, 0);
	cpu_broadcast_sync();
}

static bool can_run(const struct machine *m, struct err *e)
{
	if (m->arch == ARCH_ARM)
		return true;
	err_set(e, -EINVAL, "flush tlbi: an instruction of Arm, and %s is %s; "
		"try --profile neoverse-n1, or --flush deferred", m->name,
		arch_rules[m->arch].name);
	return false;
}

static void nothing(struct flush_batch *b)
{
}

static void finish(struct flush_batch *b)
{
	flush_batch_flush(b, false);
}

extern const struct flush_ops flush_tlbi;
const struct flush_ops flush_tlbi = {
	.name = "tlbi",
	.summary = "Arm: broadcast TLBI a page, one DSB, at the end of the range",
	.source = "Linux 6.1 arch/arm64/include/asm/tlbflush.h",
	.defers = "old rights stay usable until the end of the range",
	.needs = "Arm's broadcast TLBI",
	.legal = FLUSH_ALL_OPS,
	.changed = flush_batch_add,
	.unlock = nothing,
	.finish = finish,
	.shoot = shoot,
	.shoot_kernel = shoot_kernel,
	.has_broadcasts = true,
	.batch_start = batch_start,
	.ceiling = 511,
	.can_run = can_run,
	.has_global_asids = true,
};
