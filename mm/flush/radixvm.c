/* RadixVM (F20): each core has page tables of its own, filled by its own faults,
 * so that the set of cores that may hold a translation is known exactly, and a
 * flush interrupts these alone. The price is a fault for each core and page.
 *
 * Here the entries of all cores are one entry in memory, and a directory says,
 * for each frame, which cores have it: a walk of another core faults, and the
 * fault enters the core there. A frame that is newly mapped begins with the core
 * that faulted.
 * Assumed, or left out: a frame has one set for all address spaces that map it
 * (too large a set, never too small); faults take mmap_lock for reading where
 * the paper locks a range of its radix tree; Refcache and the memory of the
 * tables are not modelled; page tables that go are flushed everywhere. Whole
 * address spaces, fork and mremap are flushed as usual.
 */
#include <errno.h>
#include <string.h>

#include "mm/flush/holders.h"

struct radixvm {
	void *notes;            /* holders.h                                  */
	u64 *mask;              /* [nr_frames][words] cores that have it      */
};

static u32 words(void)
{
	return (the_sys->nr_cpus + 63) / 64;
}

static u64 *mask_of(u64 pfn)
{
	return &((struct radixvm *)mms()->flush_state)->mask[pfn * words()];
}

static bool is_entered(u32 cpu, u64 pfn)
{
	const u64 *w = &mask_of(pfn)[cpu / 64];

	touch(w, false);
	return *w >> cpu % 64 & 1;
}

static bool may_hold(u32 cpu, u64 pte)
{
	return is_entered(cpu, pte_pfn(pte));
}

static bool may_walk(u64 pte)
{
	return is_entered(this_cpu->id, pte_pfn(pte));
}

static int boot(struct sys *sys)
{
	struct radixvm *r = arena_alloc(&sys->arena, sizeof(*r));

	if (!r)
		return -ENOMEM;
	mms()->flush_state = r;
	r->mask = arena_alloc(&sys->arena, sys->mem.nr_frames * words() *
			      sizeof(u64));
	if (!r->mask)
		return -ENOMEM;
	sys->os.may_walk = may_walk;
	sys->os.may_hold = may_hold;
	return holders_boot(sys);
}

static void enter(u64 pfn)
{
	u64 *w = &mask_of(pfn)[this_cpu->id / 64];

	if (!(READ_ONCE(*w) >> this_cpu->id % 64 & 1))
		(void)atomic_add_return(w, 1ull << this_cpu->id % 64);
}

/* Nobody can have a frame that was free a moment ago. */
static u64 mapping(struct mm *mm, u64 vpn, u32 level, u64 e)
{
	u64 *mask = mask_of(pte_pfn(e));

	step(mask, true, cost_of(COST_PTE_SCAN));
	memset(mask, 0, words() * sizeof(*mask));
	mask[this_cpu->id / 64] = 1ull << this_cpu->id % 64;
	return e;
}

/* The entry is there, and the core did not have it; or had it for reading. */
static void spurious(struct mm *mm, u64 vpn)
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
static void revoked(struct mm *mm, u64 vpn, u32 level, u64 old)
{
	u64 mask[MM_CPUMASK_WORDS];

	for (u32 w = 0; w < words(); w++)
		mask[w] = READ_ONCE(mask_of(pte_pfn(old))[w]);
	holders_note(vpn, 1ull << paging_order(&the_sys->mem.paging, level),
		     mask);
}

extern const struct flush_ops flush_radixvm;
const struct flush_ops flush_radixvm = {
	.name = "radixvm",
	.summary = "page tables of each core: only those that faulted a page are told",
	.source = "Clements et al., RadixVM, EuroSys 2013",
	.defers = "old rights stay usable until the end of the range",
	.legal = FLUSH_ALL_OPS,
	FLUSH_AT_THE_END,
	.boot = boot,
	.mapping = mapping,
	.spurious = spurious,
	.revoked = revoked,
	.narrow = holders_narrow,
};
