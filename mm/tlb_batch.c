/* One flush for many unmapped pages, and who pays for it early. */
#include <errno.h>
#include <string.h>

#include "mm/flush.h"
#include "mm/oracle.h"
#include "mm/reclaim.h"

int batch_boot(void)
{
	if (mms()->batch)
		return 0;
	mms()->batch = arena_alloc(&the_sys->arena,
				   the_sys->nr_cpus * sizeof(*mms()->batch));
	return mms()->batch ? 0 : -ENOMEM;
}

static struct tlb_batch *mine(void)
{
	return &mms()->batch[this_cpu->id];
}

/* Interrupts at the end reach what CPUs have loaded. Where tags are global, what
 * else they hold is behind no generation: such a strategy starts each flush
 * itself, or does not wait. */
static bool may_batch(void)
{
	const struct flush_ops *f = flusher();

	return !flush_is_own() && (!f->has_global_asids || f->batch_start ||
				   kern()->batch_broadcasts);
}

/* If no other CPU may hold the entry there is nothing to save; arm64 does not ask. */
bool should_defer_flush(struct mm *mm)
{
	return kern()->reclaim_batches && may_batch() &&
	       (kern()->batch_broadcasts || mm_has_other_cpus(mm));
}

/* ---- the debt -------------------------------------------------------------------- */

/* Bits 0 to 14: batches announced, 16 to 30: of these, flushed. */
#define FLUSHED_SHIFT 16
#define PENDING_MASK ((1u << (FLUSHED_SHIFT - 1)) - 1)

/* Before it wraps around, it begins anew as "one, not flushed". */
static void announce_count(struct mm *mm)
{
	u32 seen = READ_ONCE(mm->tlb_flush_batched);

	while ((seen & PENDING_MASK) > PENDING_MASK / 2 && kern()->debt_resets) {
		if (cmpxchg_ok(&mm->tlb_flush_batched, seen, 1))
			return;
		seen = READ_ONCE(mm->tlb_flush_batched);
	}
	atomic_inc(&mm->tlb_flush_batched);
}

static void pay_count(struct mm *mm)
{
	u32 seen = READ_ONCE(mm->tlb_flush_batched);
	u32 pending = seen & PENDING_MASK;

	if (pending == seen >> FLUSHED_SHIFT)
		return;
	NOTE("reclaim's flush is still to come");
	if (kern()->debt_waits_only)
		cpu_broadcast_sync();
	else
		flush_tlb_mm(mm, FLUSH_DEBT);
	/* What was announced meanwhile stays owed. */
	(void)cmpxchg_ok(&mm->tlb_flush_batched, seen,
			 pending | pending << FLUSHED_SHIFT);
}

static void pay_bool(struct mm *mm)
{
	if (!READ_ONCE(mm->tlb_flush_batched))
		return;
	NOTE("reclaim's flush is still to come");
	flush_tlb_mm(mm, FLUSH_DEBT);
	WRITE_ONCE(mm->tlb_flush_batched, 0);
	NOTE("tlb_flush_batched := 0");
}

void flush_tlb_batched_pending(struct mm *mm)
{
	if (flusher() && flusher()->owed)
		flusher()->owed(mm);
	if (!mms()->batch)
		return;
	switch (kern()->batch_debt) {
	case DEBT_NONE:
		break;
	case DEBT_BOOL:
		pay_bool(mm);
		break;
	case DEBT_COUNT:
		pay_count(mm);
		break;
	}
}

/* ---- the batch --------------------------------------------------------------------- */

/* On Arm the flush is under way at once, and only its end is waited for. */
static void start_broadcast(struct mm *mm, u64 vpn)
{
	smp_mb();
	cpu_broadcast(inval_op_find("TLBI VALE1IS"), mm_pcid(mm), vpn, 1, 0);
}

/* Return: interrupts are not needed. */
static bool start_now(struct mm *mm, u64 vpn)
{
	if (flusher()->batch_start)
		return flusher()->batch_start(mm, vpn);
	if (kern()->batch_broadcasts)
		start_broadcast(mm, vpn);
	return kern()->batch_broadcasts;
}

void set_tlb_ubc_flush_pending(struct mm *mm, u64 vpn, bool is_dirty)
{
	struct tlb_batch *b = mine();

	if (!start_now(mm, vpn)) {
		if (kern()->has_tlb_gen)
			(void)atomic_add_return(&mm->tlb_gen, 1);
		for (u32 w = 0; w < MM_CPUMASK_WORDS; w++)
			b->cpumask[w] |= mm->cpumask[w];
		b->needs_ipi = 1;
	}
	b->is_required = 1;
	b->nr_noted++;
	b->is_writable |= is_dirty;
	if (kern()->batch_debt == DEBT_BOOL)
		WRITE_ONCE(mm->tlb_flush_batched, 1);
	else if (kern()->batch_debt == DEBT_COUNT)
		announce_count(mm);
	NOTE("flush of page %llu put off", (unsigned long long)vpn);
}

u32 batch_noted(void)
{
	return mine()->nr_noted;
}

bool batch_hand_over(struct page *const *page, u32 n)
{
	struct tlb_batch *b = mine();

	if (!flusher()->swap_out(page, n, b->cpumask))
		return false;
	memset(b, 0, sizeof(*b));
	return true;
}

void try_to_unmap_flush(void)
{
	struct tlb_batch *b = mine();

	if (!b->is_required)
		return;
	NOTE("flush what reclaim unmapped");
	if (kern()->batch_broadcasts || flusher()->batch_start)
		cpu_broadcast_sync();
	if (b->needs_ipi && kern()->batch_flushes)
		flush_tlb_batch(b->cpumask);
	memset(b, 0, sizeof(*b));
}

/* What is read by the device must not be written to any more. A CPU can write
 * through a clean entry only after it has looked at the page table again. */
void try_to_unmap_flush_dirty(void)
{
	if (mine()->is_writable && kern()->batch_flush_dirty)
		try_to_unmap_flush();
}
