/* Arm's broadcast (F15): an instruction a page, performed by every CPU of the
 * domain without its help, then one barrier that waits for all of them. No
 * interrupts, no masks, no lazy CPUs. Pages of one flush go out back to back;
 * 512 and more are one operation for the whole ASID. Leaf only, unless page tables
 * are freed.
 *
 * With FEAT_TLBIRANGE (tlbi_range of a profile) an instruction names
 * (num + 1) * 2^(5 * scale + 1) pages of 4K, and the whole ASID goes from 8 GiB on.
 * assumed: one costs what that of a page does; kernels before 5.9, which do not use
 * it, do here. What reclaim unmaps, and the kernel's own, goes page by page.
 * Sources: Linux 6.1 __flush_tlb_range(); Arm ARM, TLBI RVAE1IS. */
#include <errno.h>

#include "mm/flush.h"

#define MAX_OPS 512u            /* MAX_TLBI_OPS                               */
#define NUM_BITS 5u
#define MAX_RANGE_PAGES (1ull << (4 * NUM_BITS + 1))    /* above scale 3      */

static bool has_ranges(void)
{
	return !the_sys->is_explored && the_sys->m->has_tlbi_range;
}

/* An odd page by itself, then by scale: of each, as many pages as its bits say. */
static void by_range(const struct inval_op *op, u16 asid, u64 vpn, u64 pages,
		     u32 order)
{
	if (pages & 1)
		cpu_broadcast(op, asid, vpn++, 1, order);
	for (u32 bit = 1; bit < 4 * NUM_BITS; bit += NUM_BITS) {
		u64 n = pages & ((1ull << NUM_BITS) - 1) << bit;

		if (n)
			cpu_broadcast(op, asid, vpn, n >> order, order);
		vpn += n;
	}
}

static void by_page(const struct inval_op *op, u16 asid, u64 vpn, u64 pages,
		    u32 order)
{
	for (u64 end = vpn + pages; vpn < end; vpn += 1ull << order)
		cpu_broadcast(op, asid, vpn, 1, 0);
}

static void some(const struct flush_req *r, u16 asid)
{
	const struct inval_op *op = inval_op_find(r->freed_tables ?
						  "TLBI VAE1IS" : "TLBI VALE1IS");
	u64 rest = (1ull << r->order) - 1, start = r->start & ~rest;
	u64 pages = ((r->end + rest) & ~rest) - start;

	if (has_ranges())
		by_range(op, asid, start, pages, r->order);
	else
		by_page(op, asid, start, pages, r->order);
}

static void shoot(struct flush_req *r)
{
	u16 asid;

	/* DSB ISHST: the entries are seen before they are invalidated, and
	 * before it is asked as what (5e10f9887ed8). */
	if (!kern()->asid_read_early)
		smp_mb();
	asid = (u16)READ_ONCE(r->mm->asid);
	smp_mb();
	if (r->is_full || r->end - r->start >= MAX_RANGE_PAGES)
		cpu_broadcast(inval_op_find("TLBI ASIDE1IS"), asid, 0, 1, 0);
	else
		some(r, asid);
	cpu_broadcast_sync();
}

static u64 ceiling_for(const struct mm *mm)
{
	return has_ranges() ? MAX_RANGE_PAGES - 1 : MAX_OPS - 1;
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

extern const struct flush_ops flush_tlbi;
const struct flush_ops flush_tlbi = {
	.name = "tlbi",
	.summary = "Arm: broadcast TLBI a page, or by range, one DSB, at the end",
	.source = "Linux 6.1 arch/arm64/include/asm/tlbflush.h",
	.defers = "old rights stay usable until the end of the range",
	.needs = "Arm's broadcast TLBI",
	.legal = FLUSH_ALL_OPS,
	FLUSH_AT_THE_END,
	.shoot = shoot,
	.shoot_kernel = shoot_kernel,
	.has_broadcasts = true,
	.batch_start = batch_start,
	.ceiling_for = ceiling_for,
	.can_run = can_run,
	.has_global_asids = true,
};
