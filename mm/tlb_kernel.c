/* Flushing the kernel's own translations: flush_tlb_kernel_range() of
 * arch/x86/mm/tlb.c and of arm64's tlbflush.h. No mm_cpumask, no lazy CPUs, no
 * generations: every CPU that is online is interrupted, whatever it runs, or a
 * broadcast reaches it (flush_ops.shoot_kernel). More pages than the ceiling, and
 * all of the TLB goes, global entries included. */
#include <string.h>

#include "mm/flush.h"
#include "mm/vmalloc.h"

static void flush_kernel(void *arg)
{
	const struct flush_req *r = arg;
	struct cpu_state *s = this_cpu->s;

	touch(s->env ? (const void *)s->env : (const void *)s, true);
	charge(cost_of(COST_FLUSH_FIXED));
	if (r->is_full) {
		cpu_invalidate(the_sys->local_op[ARCH_DROP_ALL], 0, 0);
		charge(cost_of(COST_CR3_FLUSH));
		COUNT(LOCAL_FLUSH_ALL, 1);
		NOTE("flush TLB, global entries too");
		return;
	}
	for (u64 vpn = r->start; vpn < r->end; vpn++) {
		cpu_invalidate(the_sys->local_op[ARCH_DROP_KERNEL_PAGE],
			       this_cpu->s->pcid, vpn);
		charge(cost_of(COST_INVLPG));
	}
	COUNT(LOCAL_FLUSH_ONE, r->end - r->start);
	NOTE("flush TLB, kernel pages %llu to %llu",
	     (unsigned long long)r->start, (unsigned long long)r->end - 1);
}

static void flush_kernel_remote(void *arg)
{
	COUNT(REMOTE_FLUSH_RECEIVED, 1);
	flush_kernel(arg);
}

static void flush_kernel_here(void *arg)
{
	struct cpu_state *s = this_cpu->s;

	step(s->env ? (const void *)s->env : (const void *)s, true, 0);
	flush_kernel(arg);
}

/* The entries are seen before anybody is interrupted. */
static void interrupt_all(struct flush_req *r)
{
	u64 *to = flush_targets();

	smp_mb();
	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		if (i != this_cpu->id && the_sys->cpu[i].task)
			to[i / 64] |= 1ull << i % 64;
	flush_count_sent(r);
	smp_call(to, flush_kernel_remote, r, flush_kernel_here);
	flush_targets_done();
}

void flush_tlb_kernel_range(u64 start, u64 end)
{
	struct flush_req *r = &mms()->req[this_cpu->id];
	enum cycle_cat cat = cat_enter(CYC_FLUSH);

	COUNT(TLB_FLUSH, 1);
	memset(r, 0, sizeof(*r));
	r->start = start;
	r->end = end;
	r->is_full = end - start > arch_kernel_flush_ceiling();
	r->op = FLUSH_VUNMAP;
	PROBE(.what = PROBE_FLUSH, .vpn = start, .n = end - start,
	      .flag = r->is_full);
	if (flusher()->shoot_kernel)
		flusher()->shoot_kernel(r);
	else
		interrupt_all(r);
	PROBE(.what = PROBE_FLUSH_END);
	cat_leave(cat);
}
