/* AMD's broadcast (F14): INVLPGB for up to eight pages at a time of one PCID,
 * issued without waiting, then TLBSYNC for all that this CPU issued. Every
 * address space has a global ASID from the start; Linux gives one to a busy
 * process after a while and uses interrupts until then (not modelled). The
 * kernel's ceiling and generations stay. */
#include "mm/flush/invlpgb.h"

/* Where the machine does not say: CPUID 8000_0008 EDX is 7, one less, on EPYC
 * 7713 to 9965 (InstLatx64). */
#define PAGES_AT_ONCE 8u

u64 invlpgb_at_once(void)
{
	u64 most = the_sys->m->invlpgb_max_pages;

	return most ? most : PAGES_AT_ONCE;
}

void invlpgb_kernel(const struct flush_req *r)
{
	const u64 most = invlpgb_at_once();

	smp_mb();
	if (r->is_full)
		cpu_broadcast(inval_op_find("INVLPGB ALL+G"), 0, 0, 1, 0);
	for (u64 vpn = r->start, n; !r->is_full && vpn < r->end; vpn += n) {
		n = r->end - vpn < most ? r->end - vpn : most;
		cpu_broadcast(inval_op_find("INVLPGB VA+PCID+G"), 0, vpn, n, 0);
	}
	cpu_broadcast_sync();
}

void invlpgb_user(const struct flush_req *r, u16 pcid, u64 most)
{
	if (r->is_full)
		cpu_broadcast(inval_op_find("INVLPGB PCID"), pcid, 0, 1, 0);
	for (u64 vpn = r->start, n; !r->is_full && vpn < r->end;
	     vpn += n << r->order) {
		n = (r->end - vpn + (1ull << r->order) - 1) >> r->order;
		if (n > most)
			n = most;
		cpu_broadcast(inval_op_find("INVLPGB VA+PCID"), pcid, vpn, n,
			      r->order);
	}
}

static void shoot(struct flush_req *r)
{
	u16 pcid = (u16)r->mm->asid;

	smp_mb();
	invlpgb_user(r, pcid, invlpgb_at_once());
	cpu_broadcast_sync();
}

/* arch_tlbbatch_add_pending of 6.15; TLBSYNC at the end. */
static bool batch_start(struct mm *mm, u64 vpn)
{
	smp_mb();
	cpu_broadcast(inval_op_find("INVLPGB VA+PCID"), mm_pcid(mm), vpn, 1, 0);
	return true;
}

static bool can_run(const struct machine *m, struct err *e)
{
	return flush_needs(m, FEATURE_INVLPGB, "invlpgb",
			   "--profile zen3-milan", e);
}

extern const struct flush_ops flush_invlpgb;
const struct flush_ops flush_invlpgb = {
	.name = "invlpgb",
	.summary = "AMD: INVLPGB for 8 pages at a time, one TLBSYNC, at the end",
	.source = "Linux 6.15 arch/x86/mm/tlb.c, broadcast_tlb_flush",
	.defers = "old rights stay usable until the end of the range",
	.needs = "AMD with INVLPGB (Zen 3 and later)",
	.legal = FLUSH_ALL_OPS,
	FLUSH_AT_THE_END,
	.shoot = shoot,
	.shoot_kernel = invlpgb_kernel,
	.has_broadcasts = true,
	.batch_start = batch_start,
	.has_global_asids = true,
	.can_run = can_run,
};
