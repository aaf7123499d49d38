/* Who else may be reading a page table that is about to be freed. Hardware is
 * stopped by the flush. Who walks without locks (GUP-fast) has interrupts off:
 * a flush by interrupts waits for him, one by broadcast does not. Reads next to
 * tlb_remove_table() in mm/mmu_gather.c. */
#include <string.h>

#include "mm/gather.h"
#include "mm/oracle.h"

static void nothing(void *arg)
{
}

/* tlb_remove_table_sync_one: an interrupt for everybody. */
void tables_sync(void)
{
	u32 words = (the_sys->nr_cpus + 63) / 64;
	u64 *to = &mms()->targets[this_cpu->id * words];

	touch(to, true);
	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		if (the_sys->cpu[i].task)
			to[i / 64] |= 1ull << i % 64;
	NOTE("an interrupt for all, so that nobody walks without locks");
	smp_call(to, nothing, NULL, NULL);
	touch(to, true);
	memset(to, 0, words * sizeof(*to));
}

static bool nobody_has_irqs_off(const void *arg)
{
	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		if (the_sys->cpu[i].task && the_sys->cpu[i].s->irq_off)
			return false;
	return true;
}

/* call_rcu, sched flavour. Nobody waits for it: in timed runs it costs nothing;
 * explored, the freeing task ends with it, so it may as well wait. */
void tables_grace_period(void)
{
	if (!the_sys->is_explored || kern()->table_free != TABLE_FREE_RCU)
		return;
	the_sys->drv.wait(this_cpu->s, nobody_has_irqs_off, NULL, 0);
	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		touch(the_sys->cpu[i].s, false);
	NOTE("grace period");
}

bool table_free_at_once(struct mmu_gather *g, u64 pfn)
{
	switch (kern()->table_free) {
	case TABLE_FREE_GATHERED:
	case TABLE_FREE_RCU:
		return false;
	case TABLE_FREE_IF_ALONE:
		if (READ_ONCE(g->b.mm->nr_threads) > 1)
			return false;
		NOTE("nobody else uses the address space");
		break;
	case TABLE_FREE_NO_BATCH_FLUSHED:
		flusher()->finish(&g->b);
		/* fallthrough */
	case TABLE_FREE_NO_BATCH:
		tables_sync();
		break;
	}
	put_page(page_of(pfn));
	return true;
}
