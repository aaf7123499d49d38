#include "mm/flush/entered.h"

#include <errno.h>
#include <string.h>

struct entered {
	void *notes;            /* holders.h                                  */
	u64 *mask;              /* [nr_frames][words] units                   */
	u32 *unit;              /* [nr_cpus]                                  */
	u32 words, zero;
};

static struct entered *dir(void)
{
	return mms()->flush_state;
}

static u64 *mask_of(u64 pfn)
{
	return &dir()->mask[pfn * dir()->words];
}

static bool is_entered(u32 unit, u64 pfn)
{
	const u64 *w = &mask_of(pfn)[unit / 64];

	touch(w, false);
	return *w >> unit % 64 & 1;
}

static bool may_hold(u32 cpu, u64 pte)
{
	return is_entered(dir()->unit[cpu], pte_pfn(pte));
}

static bool may_walk(u64 pte)
{
	return may_hold(this_cpu->id, pte);
}

int entered_boot(struct sys *sys, u32 nr_units, u32 (*unit_of)(u32 cpu))
{
	struct arena *a = &sys->arena;
	struct entered *d = arena_alloc(a, sizeof(*d));

	if (!d)
		return -ENOMEM;
	mms()->flush_state = d;
	d->words = (nr_units + 63) / 64;
	d->mask = arena_alloc(a, sys->mem.nr_frames * d->words * sizeof(u64));
	d->unit = arena_alloc(a, sys->nr_cpus * sizeof(u32));
	if (!d->mask || !d->unit)
		return -ENOMEM;
	for (u32 i = 0; i < sys->nr_cpus; i++)
		d->unit[i] = unit_of(i);
	sys->os.may_walk = may_walk;
	sys->os.may_hold = may_hold;
	return holders_boot(sys);
}

u64 entered_units(u64 pfn)
{
	return READ_ONCE(mask_of(pfn)[0]);
}

/* Two CPUs of one unit may come at the same time. */
static void enter(u64 pfn)
{
	u32 unit = dir()->unit[this_cpu->id];
	u64 *w = &mask_of(pfn)[unit / 64], bit = 1ull << unit % 64;

	for (u64 had = READ_ONCE(*w); !(had & bit); had = READ_ONCE(*w))
		if (cmpxchg_ok(w, had, had | bit))
			break;
}

/* Nobody can have a frame that was free a moment ago. */
u64 entered_mapping(struct mm *mm, u64 vpn, u32 level, u64 e)
{
	u32 unit = dir()->unit[this_cpu->id];
	u64 *mask = mask_of(pte_pfn(e));

	step(mask, true, cost_of(COST_PTE_SCAN));
	memset(mask, 0, dir()->words * sizeof(*mask));
	mask[unit / 64] = 1ull << unit % 64;
	return e;
}

/* The entry is there, and this CPU did not have it; or had it for reading. */
void entered_spurious(struct mm *mm, u64 vpn)
{
	u64 *p = pgtable_entry(mm, vpn, PMD_LEVEL), e = p ? pte_load(p) : 0;

	if (e && !pmd_is_huge(e)) {
		p = pgtable_entry(mm, vpn, 0);
		e = p ? pte_load(p) : 0;
	}
	if (e & PTE_P)
		enter(pte_pfn(e));
}

/* The entry has changed, and then it is asked who has it: who enters later walks
 * later. */
void entered_revoked(struct mm *mm, u64 vpn, u32 level, u64 old)
{
	u64 cpus[MM_CPUMASK_WORDS] = { 0 }, units = 0;

	for (u32 i = 0; i < the_sys->nr_cpus; i++) {
		u32 unit = dir()->unit[i];

		if (!i || unit / 64 != dir()->unit[i - 1] / 64)
			units = READ_ONCE(mask_of(pte_pfn(old))[unit / 64]);
		if (units >> unit % 64 & 1)
			cpus[i / 64] |= 1ull << i % 64;
	}
	holders_note(vpn, 1ull << paging_order(&the_sys->mem.paging, level),
		     cpus);
}
