/* Global ASIDs: one number names an address space on every CPU, so that a
 * broadcast can name it. There are 2^asid_bits - 1 of them; number 0 is the
 * kernel's own. They are handed out in order, and not taken back when an address
 * space ends: when there is none left a new generation begins (a rollover).
 * Address spaces that a CPU has loaded, or is loading, keep their number; all
 * others get another one when they are next switched to, and every CPU drops its
 * whole TLB before it switches the next time.
 * Source: Linux 6.1 arch/arm64/mm/context.c (check_and_switch_context,
 * new_context, flush_context); there a number is kept also where it is free. */
#include "mm/mm.h"
#include "mm/switch.h"

static u64 nr_asids(void)
{
	return 1ull << the_sys->m->rules.asid_bits;
}

/* In the first generation a number that is next was never anybody's. */
static bool is_taken(u64 asid)
{
	if (!mms()->asid_generation)
		return false;
	for (const struct mm *mm = mms()->first_mm; mm; mm = mm->next_mm)
		if (mm->asid == asid &&
		    mm->asid_generation == mms()->asid_generation)
			return true;
	return false;
}

/* One that is entered with a number of an older generation gets another one. */
static void carry_over(u64 loaded, u64 generation)
{
	struct mm *mm = (struct mm *)(uintptr_t)loaded;

	if (loaded && loaded != MM_SWITCHING &&
	    mm->asid_generation == generation - 1)
		mm->asid_generation = generation;
}

static void rollover(void)
{
	u64 generation = mms()->asid_generation + 1;

	for (u32 i = 0; i < the_sys->nr_cpus; i++) {
		struct tlb_state *t = tlb_state_of(i);

		touch(&t->flush_pending, true);
		t->flush_pending = 1;
		carry_over(t->loaded_mm, generation);
		carry_over(t->entering, generation);
	}
	mms()->asid_generation = generation;
	mms()->last_asid = 0;
	COUNT(ASID_ROLLOVERS, 1);
}

u64 asid_new(void)
{
	touch(&mms()->last_asid, true);
	do {
		if (++mms()->last_asid == nr_asids())
			rollover();
	} while (!mms()->last_asid || is_taken(mms()->last_asid));
	return mms()->last_asid;
}

static bool is_current(const struct mm *mm)
{
	return mm->asid_generation == mms()->asid_generation;
}

/* Number and generation are one word in Linux. */
static void renew(struct mm *mm)
{
	cpu_serialise(&mm->asid);
	if (is_current(mm))
		return;
	touch(&mm->asid_generation, true);
	word_store_now(&mm->asid, sizeof(mm->asid), asid_new());
	word_store_now(&mm->asid_generation, sizeof(mm->asid_generation),
		       mms()->asid_generation);
	NOTE("address space %u has ASID %llu now", mm->ctx_id,
	     (unsigned long long)mm->asid);
}

void asid_enter(struct mm *mm)
{
	struct tlb_state *t = tlb_state_of(this_cpu->id);

	/* First, so that a rollover from here on keeps the number. */
	t->entering = (uintptr_t)mm;
	if (READ_ONCE(mm->asid_generation) != mms()->asid_generation)
		renew(mm);
	if (likely(!t->flush_pending))
		return;
	touch(&t->flush_pending, true);
	t->flush_pending = 0;
	charge(cost_of(COST_CR3_FLUSH));
	cpu_invalidate(the_sys->local_op[ARCH_DROP_ALL], 0, 0);
	COUNT(LOCAL_FLUSH_ALL, 1);
	NOTE("flush TLB here, all of it: ASIDs begin anew");
}

void asid_entered(void)
{
	tlb_state_of(this_cpu->id)->entering = 0;
}
