/* XNU's pmap on x86 (F18). Per address space and CPU a word says that what its
 * PCID tags there may be stale. A flush sets it for all CPUs, marks as invalid the
 * TLBs of those that have the address space active, and interrupts these alone; a
 * CPU that idles, or has another address space, finds the word when it goes busy
 * or comes back. The initiator flushes itself, and spins until each has cleared its
 * mark. Whatever was asked for, all of the address space is dropped. Flushes wait
 * for the end of a range, as with the DELAY option.
 *
 * assumed: a responder clears its mark before it drops anything (from memory);
 * marks are kept for each pair of CPUs, where XNU has one a CPU; a PCID means the
 * same address space on all CPUs (XNU hands them out for each); the timeout, an NMI
 * and then a panic, is not modelled. Reclaim does not batch.
 * Source: XNU osfmk/x86_64/pmap.c, pmap_flush_tlbs. */
#include <errno.h>

#include "mm/flush/signal.h"
#include "mm/switch.h"

static struct signals *marks(void)
{
	return mms()->flush_state;
}

static int boot(struct sys *sys)
{
	mms()->flush_state = arena_alloc(&sys->arena, sizeof(struct signals));
	return mms()->flush_state ? signals_create(marks(), sys) : -ENOMEM;
}

/* pmap_pcid_activate: it is active already (in the mask, or no longer lazy), and
 * looks at the word now. It sees a flusher's store, or the flusher sees it. */
static u16 load(struct mm *mm, bool is_back, bool *flush)
{
	u64 *stale = &mm->cpu_word[this_cpu->id];

	smp_mb();
	*flush = READ_ONCE(*stale);
	if (*flush)
		WRITE_ONCE(*stale, 0);
	*flush |= !the_sys->m->has_pcid;
	return (u16)mm->asid;
}

static void invalidate_pcids(struct mm *mm)
{
	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		WRITE_ONCE(mm->cpu_word[i], 1);
	smp_mb();       /* before who is active is read; pairs with load() */
	NOTE("its PCID is stale on all CPUs");
}

/* All of what is loaded, which is up to date then: MOV CR3 serialises, so that the
 * word's store does not come after it, over another flusher's. */
static void flush_loaded(void)
{
	struct flush_req r = { .end = UINT64_MAX, .is_full = 1 };
	struct mm *mm = my_loaded_mm();

	if (!mm)
		return;
	(void)xchg(&mm->cpu_word[this_cpu->id], 0);
	flush_own(&r);
}

/* pmap_update_interrupt. */
static void update(void *arg)
{
	COUNT(REMOTE_FLUSH_RECEIVED, 1);
	signals_answer(marks());
	NOTE("mark cleared");
	flush_loaded();
}

static bool is_idle(u32 cpu)
{
	return READ_ONCE(tlb_state_of(cpu)->is_lazy);
}

/* Of @to, those that are busy. Return: there are any. */
static bool keep_busy(u64 *to)
{
	bool any = false;

	for (u32 i = 0; i < the_sys->nr_cpus; i++) {
		if (!flush_has(to, i))
			continue;
		touch(to, true);
		if (is_idle(i))
			to[i / 64] &= ~(1ull << i % 64);
		else
			any = true;
	}
	return any;
}

static void shoot(struct flush_req *r)
{
	u64 *to = flush_targets();
	bool any;

	invalidate_pcids(r->mm);
	any = flush_others(r->mm, to) && keep_busy(to);
	if (any) {
		flush_count_sent(r);
		signals_send(marks(), to, update, r);
	}
	if (my_loaded_mm() == r->mm)
		flush_loaded();
	if (any)
		signals_wait(marks(), to);
	flush_targets_done();
}

extern const struct flush_ops flush_xnu;
const struct flush_ops flush_xnu = {
	.name = "xnu",
	.summary = "XNU: PCIDs marked stale, who is active and busy interrupted, all dropped",
	.source = "XNU osfmk/x86_64/pmap.c, pmap_flush_tlbs",
	.defers = "responders drop after they answered, idle CPUs when they go busy: before any user access",
	/* Who has answered has dropped nothing yet, who idles is not told. */
	.legal = FLUSH_ALL_OPS & ~FLUSH_WALKED_OPS,
	FLUSH_AT_THE_END,
	.boot = boot,
	.load = load,
	.has_global_asids = true,
	.shoot = shoot,
};
