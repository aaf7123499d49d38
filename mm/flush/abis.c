/* ABIS (F21): a fault puts the new translation into its core's TLB through a
 * table of that core's own, and leaves A clear in the shared entry. Whoever walks
 * the shared table sets A, so an entry that lost its rights with A clear is in
 * the TLB of that one core at most, and only that core is interrupted; nobody, if
 * that core has dropped all it had under that tag since (its epoch has moved on).
 *
 * Assumed, or left out: the core's name is kept beside the page, where the paper
 * has spare bits of the entry, and so is its epoch (from memory that there is one);
 * filling through the private table costs two loads of CR3 and a walk. Where the
 * kernel clears A itself (ageing, MADV_FREE, MADV_COLD) the page counts as anybody's.
 * A page that its own core has to walk for again, once evicted, counts as shared, too.
 * Entries with A clear are cached by no walk: SDM vol. 3, "Accessed and dirty
 * flags".
 */
#include <errno.h>
#include <string.h>

#include "mm/flush/abis.h"
#include "mm/flush/holders.h"
#include "mm/switch.h"

/* Of a page's owner: core + 1 | slot << 16 | epoch << 32. */
struct abis {
	void *notes;            /* holders.h                                  */
	u64 *owner;             /* [nr_frames] 0: anybody                     */
	u32 *epoch;             /* [nr_cpus][NR_ASID_SLOTS]                   */
	u32 *flushed;           /* ghost: the same at the flush itself, before
				 * the kernel has counted it                  */
};

static struct abis *abis(void)
{
	return mms()->flush_state;
}

static u64 *owner_of(u64 pfn)
{
	return &abis()->owner[pfn];
}

static u32 cpu_of(u64 owner)
{
	return (u32)(owner & 0xffff) - 1;
}

static u32 at(u32 cpu, u32 slot)
{
	return cpu * NR_ASID_SLOTS + slot;
}

static u32 owners_at(u64 owner)
{
	return at(cpu_of(owner), owner >> 16 & 0xffff);
}

static bool may_hold(u32 cpu, u64 pte)
{
	const u64 *owner = owner_of(pte_pfn(pte));
	const u32 *flushed;

	touch(owner, false);
	if ((pte & PTE_A) || !*owner)
		return true;
	flushed = &abis()->flushed[owners_at(*owner)];
	touch(flushed, false);
	return cpu_of(*owner) == cpu && *flushed == *owner >> 32;
}

static int boot(struct sys *sys)
{
	struct arena *m = &sys->arena;
	struct abis *a = arena_alloc(m, sizeof(*a));

	if (!a)
		return -ENOMEM;
	mms()->flush_state = a;
	a->owner = arena_alloc(m, sys->mem.nr_frames * sizeof(u64));
	a->epoch = arena_alloc(m, (u64)sys->nr_cpus * NR_ASID_SLOTS *
			       sizeof(u32));
	a->flushed = arena_alloc(m, (u64)sys->nr_cpus * NR_ASID_SLOTS *
				 sizeof(u32));
	if (!a->owner || !a->epoch || !a->flushed)
		return -ENOMEM;
	sys->os.may_hold = may_hold;
	return holders_boot(sys);
}

static u64 me_now(void)
{
	u32 slot = tlb_state_of(this_cpu->id)->slot;
	const u32 *epoch = &abis()->epoch[at(this_cpu->id, slot)];

	touch(epoch, false);
	return (this_cpu->id + 1) | (u64)slot << 16 | (u64)*epoch << 32;
}

static u64 mapping(struct mm *mm, u64 vpn, u32 level, u64 e)
{
	if (!the_sys->m->rules.hw_sets_a)
		return e;
	(void)xchg(owner_of(pte_pfn(e)), me_now());
	return e & ~PTE_A;
}

/* Once all see it, A clear: as usual into the TLB here. The epoch is read after
 * that: what an interrupt dropped in between only counts as held. */
static void mapped(struct mm *mm, u64 vpn, u32 level, u64 e)
{
	if (!the_sys->m->rules.hw_sets_a)
		return;
	smp_mb();
	cpu_insert(vpn, level, e);
	WRITE_ONCE(*owner_of(pte_pfn(e)), me_now());
	charge(2 * cost_of(COST_CR3_FLUSH) + cost_of(COST_WALK_LOAD) *
	       the_sys->mem.paging.levels);
	NOTE("page %llu in the TLB here, A clear", (unsigned long long)vpn);
}

void abis_count_flush(u32 slot)
{
	u32 *epoch = &abis()->epoch[at(this_cpu->id, slot)];

	WRITE_ONCE(*epoch, *epoch + 1);
}

/* The tag is empty by then. */
static void emptied(u32 slot)
{
	u32 i = at(this_cpu->id, slot);

	if (slot == SLOT_GLOBAL)
		return;
	touch(&abis()->flushed[i], true);
	abis()->flushed[i]++;
	abis_count_flush(slot);
}

static void aged(u64 e)
{
	u64 *owner = owner_of(pte_pfn(e));

	if (READ_ONCE(*owner))
		WRITE_ONCE(*owner, 0);
}

static void revoked(struct mm *mm, u64 vpn, u32 level, u64 old)
{
	u64 mask[MM_CPUMASK_WORDS] = { 0 };
	u64 owner = READ_ONCE(*owner_of(pte_pfn(old)));
	u32 cpu = cpu_of(owner);

	if (owner && !(old & PTE_A) &&
	    READ_ONCE(abis()->epoch[owners_at(owner)]) == owner >> 32)
		mask[cpu / 64] = 1ull << cpu % 64;
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
	.emptied = emptied,
	.aged = aged,
	.revoked = revoked,
	.narrow = holders_narrow,
};
