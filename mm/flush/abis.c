/* ABIS (F21): a fault puts the new translation into its core's TLB through a
 * table of that core's own, and leaves A clear in the shared entry. Whoever walks
 * the shared table sets A, so an entry that lost its rights with A clear is in
 * the TLB of that one core at most, and only that core is interrupted.
 *
 * Assumed, or left out: the core's name is kept beside the page, where the paper
 * has spare bits of the entry; filling through the private table costs two loads
 * of CR3 and a walk; the epochs that prove that not even that core has it (paper)
 * are not modelled. Where the kernel clears A itself (ageing, MADV_FREE,
 * MADV_COLD) the page counts as anybody's. A page that its own core has to walk
 * for again, once evicted, counts as shared, too.
 * Entries with A clear are cached by no walk: SDM vol. 3, "Accessed and dirty
 * flags".
 */
#include <errno.h>
#include <string.h>

#include "mm/flush/holders.h"

struct abis {
	void *notes;            /* holders.h                                  */
	u32 *owner;             /* [nr_frames] core + 1; 0: anybody           */
};

static u32 *owner_of(u64 pfn)
{
	return &((struct abis *)mms()->flush_state)->owner[pfn];
}

static bool may_hold(u32 cpu, u64 pte)
{
	const u32 *owner = owner_of(pte_pfn(pte));

	touch(owner, false);
	return (pte & PTE_A) || !*owner || *owner == cpu + 1;
}

static int boot(struct sys *sys)
{
	struct abis *a = arena_alloc(&sys->arena, sizeof(*a));

	if (!a)
		return -ENOMEM;
	mms()->flush_state = a;
	a->owner = arena_alloc(&sys->arena, sys->mem.nr_frames * sizeof(u32));
	if (!a->owner)
		return -ENOMEM;
	sys->os.may_hold = may_hold;
	return holders_boot(sys);
}

static u64 mapping(struct mm *mm, u64 vpn, u32 level, u64 e)
{
	if (!the_sys->m->rules.hw_sets_a)
		return e;
	(void)xchg(owner_of(pte_pfn(e)), this_cpu->id + 1);
	return e & ~PTE_A;
}

/* Once all see it, A clear: as usual into the TLB here. */
static void mapped(struct mm *mm, u64 vpn, u32 level, u64 e)
{
	if (!the_sys->m->rules.hw_sets_a)
		return;
	smp_mb();
	cpu_insert(vpn, level, e);
	charge(2 * cost_of(COST_CR3_FLUSH) + cost_of(COST_WALK_LOAD) *
	       the_sys->mem.paging.levels);
	NOTE("page %llu in the TLB here, A clear", (unsigned long long)vpn);
}

static void aged(u64 e)
{
	u32 *owner = owner_of(pte_pfn(e));

	if (READ_ONCE(*owner))
		WRITE_ONCE(*owner, 0);
}

static void revoked(struct mm *mm, u64 vpn, u32 level, u64 old)
{
	u64 mask[MM_CPUMASK_WORDS] = { 0 };
	u32 owner = READ_ONCE(*owner_of(pte_pfn(old)));

	if (owner)
		mask[(owner - 1) / 64] = 1ull << (owner - 1) % 64;
	holders_note(vpn, 1ull << paging_order(&the_sys->mem.paging, level),
		     (old & PTE_A) || !owner ? NULL : mask);
}

static bool can_run(const struct machine *m, struct err *e)
{
	if (m->rules.hw_sets_a)
		return true;
	err_set(e, -EINVAL, "flush abis: asks whether hardware set A, and that "
		"of %s does not; try --profile skylake-sp, or --flush deferred",
		m->name);
	return false;
}

extern const struct flush_ops flush_abis;
const struct flush_ops flush_abis = {
	.name = "abis",
	.summary = "an entry whose A is clear is in one TLB at most: tell that core",
	.source = "N. Amit, USENIX ATC 2017",
	.defers = "old rights stay usable until the end of the range",
	.needs = "hardware that sets A",
	.legal = FLUSH_ALL_OPS,
	FLUSH_AT_THE_END,
	.can_run = can_run,
	.boot = boot,
	.mapping = mapping,
	.mapped = mapped,
	.aged = aged,
	.revoked = revoked,
	.narrow = holders_narrow,
};
