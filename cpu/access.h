/* access.h - what the files of accesses by programs have in common: access.c (one
 * access, explored), run.c (runs through the arrays, timed), run_alone.c (the same of
 * a CPU that is alone). Others want cpu.h.
 */
#ifndef CPU_ACCESS_H
#define CPU_ACCESS_H

#include "cpu/overlap.h"
#include "cpu/step.h"
#include "cpu/walker.h"

/* access_fault - the kernel's part of a page fault, with what it costs. Return: as the
 * handler's. */
int access_fault(u64 vpn, bool is_write);

/* What an entry in the TLB says to an access. */
enum use_of_entry { USE_IT, USE_FAULTS, USE_ASSIST };

/* A store through an entry whose D bit is clear reads the entry in memory again,
 * where hardware sets D: if the page is no longer writable it faults. */
static inline enum use_of_entry
may_use(const struct tlb_entry *e, bool is_write)
{
	if (e->flags & TLB_FAULTS || (is_write && !(e->flags & TLB_W)))
		return USE_FAULTS;
	if (!is_write || e->flags & TLB_D)
		return USE_IT;
	return the_sys->m->rules.hw_sets_d ? USE_ASSIST : USE_FAULTS;
}

/* ---- timed ------------------------------------------------------------------ */

static inline enum tlb_use use_of(const struct run *r)
{
	static const u8 use[] = {
		[RUN_READ] = TLB_LOAD, [RUN_WRITE] = TLB_STORE,
		[RUN_FETCH] = TLB_FETCH, [RUN_MODIFY] = TLB_STORE,
	};

	return (enum tlb_use)use[r->op];
}

/* What an entry must allow. */
static inline u32 wanted(enum tlb_use use)
{
	return use == TLB_STORE ? TLB_W | TLB_D : 0;
}

/* Counters come in families of one form, one for each use. ORDER tlb_use */
#define WALK_FAMILY (CTR_STLB_HIT_STORE - CTR_STLB_HIT_LOAD)
_Static_assert(TLB_STORE == TLB_LOAD + 1 && TLB_FETCH == TLB_LOAD + 2 &&
	       CTR_STLB_HIT_FETCH - CTR_STLB_HIT_LOAD == 2 * WALK_FAMILY &&
	       CTR_WALK_FETCH_CYCLES - CTR_WALK_LOAD_CYCLES == 2 * WALK_FAMILY &&
	       CTR_DTLB_STORES - CTR_DTLB_LOADS == 2 &&
	       CTR_ITLB_LOADS - CTR_DTLB_LOADS == 4, "ORDER tlb_use");

static inline u64 *lookups_of(struct cpu *c, enum tlb_use use)
{
	return &c->count.v[CTR_DTLB_LOADS + 2 * (u32)use];
}

/* Indexed by the load's counter of the family. */
static inline u64 *family(struct cpu *c, enum tlb_use use)
{
	return &c->count.v[(u32)use * WALK_FAMILY];
}

/* What a walk of @cycles that ended found goes into the TLBs. */
static inline void install_walked(struct cpu *c, u64 vpn, enum tlb_use use,
				  u64 cycles)
{
	u64 *count = family(c, use);

	count[CTR_WALK_LOAD]++;
	count[CTR_WALK_LOAD_4K + walk_size(c->walked.order)]++;
	count[CTR_WALK_LOAD_CYCLES] += cycles;
	if (likely(!(c->walked.flags & TLB_ONCE)))
		tlb_array_fill(c->tlb, use, vpn, &c->walked);
	if (unlikely(the_sys->os.filled != NULL))
		the_sys->os.filled(&c->walked);
}

static inline void install_fault(struct cpu *c, u64 vpn, enum tlb_use use)
{
	if (unlikely(c->walked.flags & TLB_FAULTS))
		tlb_array_fill(c->tlb, use, vpn, &c->walked);
}

/* May @e, which was found, be used as it is? */
static inline bool is_usable(const struct tlb_entry *e, enum tlb_use use)
{
	const u32 want = wanted(use);

	return (e->flags & (want | TLB_FAULTS)) == want;
}

/* run.c: what is seldom needed, or is not worth being compiled in. A struct pending is
 * what the run waits for. */

/* What follows a lookup that ended at @level, with *@out if it found something.
 * Return: true with *@out usable, or, *@rc being 0, to be looked up again. */
bool access_act_on(struct cpu *c, u64 vpn, enum tlb_use use, enum tlb_level level,
		   struct tlb_entry **out, struct pending *p, int *rc);

/* The fault of an access for which the walk found nothing. */
int access_fault_now(struct cpu *c, u64 vpn, bool is_write, struct pending *p);

/* The first access of a run, or of what is left of one; the memo was asked, or
 * is not worth it.
 * Return: 0 with *out usable for the rest of the run, or the fault's error. */
int access_translate(struct cpu *c, u64 vpn, enum tlb_use use,
		     struct tlb_entry **out, struct pending *p);

/* Of the last @left accesses of @r, through @e: the first, and those that touch no
 * other lines, go to the data caches. Return: how many. */
u32 access_data(struct cpu *c, const struct run *r, u32 left,
		const struct tlb_entry *e, enum tlb_use use, struct pending *p);

/* Somebody wants to see the accesses. */
int access_singly(const struct run *runs, size_t n);

/* Of @left accesses of @r, for which @e is usable: those up to where an interrupt
 * or another CPU must come first. @is_watched: accesses go to the data caches, or
 * somebody wants to see them. Return: how many. */
static inline __attribute__((always_inline)) u32
take(struct cpu *c, const struct run *r, u32 left, u64 per, bool is_watched,
     const struct tlb_entry *e, struct pending *p)
{
	const enum tlb_use use = use_of(r);
	u64 room, n = left;

	if (is_watched && the_sys->walk.caches == CACHES_FULL &&
	    use != TLB_FETCH)
		n = access_data(c, r, left, e, use, p);
	if (unlikely(e->flags & TLB_ONCE))
		n = 1;
	if (n > 1) {
		room = c->now < c->run_until ? c->run_until - c->now : 1;
		room = room / per + (room % per != 0);
		if (n > room)
			n = room;
	}
	if (is_watched && the_sys->os.used != NULL)
		the_sys->os.used(e, r->va >> page_shift, use == TLB_STORE,
				 (u32)n);
	if (unlikely(p->done > c->now))
		cpu_issued(c, p);
	c->now += n * per;
	c->cycles[CYC_USER] += n * per;
	c->count.v[CTR_ACCESSES] += n;
	*lookups_of(c, use) += n;
	return (u32)n;
}

/* The last @left accesses of @r, cut so that it equals feeding them one by
 * one. */
static inline __attribute__((always_inline)) int
run_left(struct cpu *c, const struct run *r, u32 left, u64 per, bool is_watched)
{
	while (left) {
		struct pending p = { 0 };
		struct tlb_entry *e;
		int rc;

		if (unlikely(c->now >= c->run_until))
			the_sys->drv.wait(NULL, NULL, NULL, 0);
		rc = access_translate(c, r->va >> page_shift, use_of(r), &e, &p);
		if (unlikely(rc))
			return rc;
		left -= take(c, r, left, per, is_watched, e, &p);
	}
	c->count.v[CTR_RUNS]++;
	return 0;
}

/* Walks come in a row, and the host waits for what they read: each tells it what
 * the walk of so many runs later would need. */
#define LOOK_AHEAD 4

static inline u64 soon(const struct run *r, const struct run *end, u32 shift)
{
	return r[end - r > LOOK_AHEAD ? LOOK_AHEAD : 0].va >> shift;
}

#endif
