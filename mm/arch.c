/* What x86 leaves to hardware and other architectures to their kernels: A and D
 * bits, entries that a fault left in the TLB, and how many pages are flushed one
 * by one.
 * Sources: Linux arch/arm64/mm/fault.c (ptep_set_access_flags), tlbflush.h
 * (MAX_DVM_OPS); arch/riscv/include/asm/pgtable.h (update_mmu_cache),
 * arch/riscv/mm/tlbflush.c (tlb_flush_all_threshold: version 6.8 assumed; remote fences by
 * interrupts or by SBI).
 */
#include "mm/flush.h"

static const struct arch_rules *rules(void)
{
	return &the_sys->m->rules;
}

u32 arch_flush_ceiling(void)
{
	switch (the_sys->m->arch) {
	case ARCH_ARM:
		return 511;
	case ARCH_RISCV:
		return 64;
	default:
		return kern()->flush_ceiling;
	}
}

/* arm64 drops a program's pages all at once from MAX_TLBI_OPS on, its own only
 * beyond (6.1: >= and >). */
u32 arch_kernel_flush_ceiling(void)
{
	return the_sys->m->arch == ARCH_ARM ? 512 : arch_flush_ceiling();
}

static void local_flush_tlb_page(u64 vpn)
{
	enum cycle_cat cat = cat_enter(CYC_FLUSH);
	const struct cpu_state *s = this_cpu->s;

	if (the_sys->is_explored)
		step(s->env, true, 0);
	cpu_invlpg(vpn);
	charge(cost_of(COST_INVLPG));
	COUNT(LOCAL_FLUSH_ONE, 1);
	NOTE("flush TLB here, page %llu", (unsigned long long)vpn);
	cat_leave(cat);
}

void update_mmu_cache(u64 vpn)
{
	if (rules()->caches_invalid)
		local_flush_tlb_page(vpn);
}

/* Nothing to do where the fault did it; done later by update_mmu_cache(). */
static bool is_stale_entry_gone(void)
{
	return rules()->fault_drops_page || rules()->caches_invalid;
}

void flush_tlb_upgraded(struct mm *mm, u64 vpn)
{
	if (is_stale_entry_gone())
		return;
	if (the_sys->m->arch == ARCH_ARM)
		flush_tlb_page(mm, vpn, FLUSH_PROTECT_UP);
	else
		local_flush_tlb_page(vpn);
}

/* The bits that software must set for this access, and did. */
static u64 set_access_flags(struct mm *mm, u64 vpn, u32 level, u64 *p,
			    bool is_write)
{
	u64 want = (rules()->hw_sets_a ? 0 : PTE_A) |
		   (is_write && !rules()->hw_sets_d ? PTE_D : 0), set = 0, e;
	struct spinlock *ptl;

	if (!want)
		return 0;
	ptl = pgtable_lock(mm, vpn, level);
	spin_lock(ptl);
	e = pte_load(p);
	if (e & PTE_P && (!is_write || e & PTE_RW))
		set = want & ~e;
	if (set)
		pte_modify(mm->root, vpn, level, p, 0, set);
	spin_unlock(ptl);
	return set;
}

void fix_spurious_fault(struct mm *mm, u64 vpn, u32 level, u64 *p,
			bool is_write)
{
	u64 set = set_access_flags(mm, vpn, level, p, is_write);

	if (flusher() && flusher()->spurious)
		flusher()->spurious(mm, vpn);
	if (set & PTE_D)
		flush_tlb_upgraded(mm, vpn);
	else if (!set && !is_stale_entry_gone())
		local_flush_tlb_page(vpn);
}
