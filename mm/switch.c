/* A CPU goes from one address space to another. Reads next to
 * switch_mm_irqs_off() on a machine without PCIDs: loading CR3 drops all. */
#include "mm/mm.h"

void switch_mm(struct mm *next)
{
	struct thread *t = current();
	struct mm *prev = t->mm;
	u32 cpu = this_cpu->id;
	u64 bit = 1ull << cpu % 64;

	charge(cost_of(COST_CR3_FLUSH));
	COUNT(CONTEXT_SWITCHES, 1);
	if (prev)
		(void)atomic_add_return(&prev->cpumask[cpu / 64], -bit);
	/* In the mask before any entry can be cached. */
	if (next) {
		(void)atomic_add_return(&next->cpumask[cpu / 64], bit);
		touch(&mms()->seen_gen[cpu], true);
		mms()->seen_gen[cpu] = READ_ONCE(next->tlb_gen);
	}
	t->mm = next;
	cpu_load_cr3(next ? next->root : 0, next ? mm_pcid(next) : 1, true);
	NOTE("CR3 := address space %u", next ? next->ctx_id : 0);
}
