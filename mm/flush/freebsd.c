/* FreeBSD's pmap on amd64 (F17). Per address space and CPU there is a PCID and
 * the generation of that CPU's PCIDs under which it was given out; 0 says that
 * what it tags may be stale. A flush writes 0 for all other CPUs, and only then
 * looks who has the address space active and must be interrupted: whoever makes
 * it active later finds 0, and takes a new PCID.
 *
 * Acknowledged is on a scoreboard, a word for each pair of CPUs, as soon as the
 * responder has read the request: before it has dropped anything. It is in an
 * interrupt and looks at no user address before it has.
 *
 * Kernel threads keep the address space active and are interrupted like others.
 * More than 4096 pages: all. Reclaim does not batch.
 * assumed: the generation is 48 bits and PCIDs are 1 to 4095, without the half
 * that page-table isolation takes; requests for page tables are acknowledged
 * early, too.
 * Sources: FreeBSD sys/amd64/amd64/pmap.c and mp_machdep.c (r363195, 3fd989da);
 * FreeBSD-EN-22:04.pcid for what goes wrong in the other order. */
#include <errno.h>

#include "mm/flush.h"
#include "mm/switch.h"

#define MAX_PAGES 4096
#define MAX_PCID 4095

/* This CPU's PCIDs. */
struct pcids {
	u64 gen;
	u64 next;
	u64 pad[6];
};

struct freebsd {
	struct pcids *pcids;    /* [nr_cpus]                                  */
	u64 *score;             /* [nr_cpus][stride] of a responder, by who
				 * asked: 0 until it has read the request     */
	u32 stride;
};

static struct freebsd *state(void)
{
	return mms()->flush_state;
}

static int boot(struct sys *sys)
{
	struct arena *a = &sys->arena;
	struct freebsd *s = arena_alloc(a, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->stride = (sys->nr_cpus + 7) & ~7u;
	s->pcids = arena_alloc(a, sys->nr_cpus * sizeof(*s->pcids));
	s->score = arena_alloc(a, (u64)sys->nr_cpus * s->stride * sizeof(u64));
	if (!s->pcids || !s->score)
		return -ENOMEM;
	for (u32 i = 0; i < sys->nr_cpus; i++)
		s->pcids[i] = (struct pcids){ .gen = 1, .next = 1 };
	mms()->flush_state = s;
	return 0;
}

/* ---- activation ---------------------------------------------------------------------- */

static u16 new_pcid(struct pcids *p)
{
	touch(p, true);
	if (p->next > MAX_PCID) {
		p->gen++;
		p->next = 1;
	}
	return (u16)p->next++;
}

/* pmap_pcid_alloc_checked. */
static u16 load(struct mm *mm, bool is_back, bool *flush)
{
	struct pcids *p = &state()->pcids[this_cpu->id];
	u64 *w = &mm->cpu_word[this_cpu->id], v;
	u16 pcid;

	*flush = !the_sys->m->has_pcid;
	if (is_back || *flush)
		return this_cpu->s->pcid;
	v = READ_ONCE(*w);
	touch(p, false);
	if (v >> 16 == p->gen)
		return (u16)v;
	pcid = new_pcid(p);
	WRITE_ONCE(*w, p->gen << 16 | pcid);
	*flush = true;
	return pcid;
}

/* pmap_invalidate_preipi: all but a CPU that is about to do it itself. */
static void zero_generations(struct mm *mm)
{
	bool is_mine = my_loaded_mm() == mm;

	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		if (!is_mine || i != this_cpu->id)
			WRITE_ONCE(mm->cpu_word[i], 0);
	smp_mb();       /* 0 before the mask is read; pairs with mask_set() */
	NOTE("other CPUs' PCIDs of it count no more");
}

/* ---- interrupts ---------------------------------------------------------------------- */

static u64 *score_of(u32 responder, u32 initiator)
{
	return &state()->score[(u64)responder * state()->stride + initiator];
}

static void invlop_handler(void *arg)
{
	u64 *score = score_of(this_cpu->id, smp_initiator());
	struct flush_req r;

	COUNT(REMOTE_FLUSH_RECEIVED, 1);
	step(arg, false, cost_of(COST_PTE_SCAN));
	r = *(const struct flush_req *)arg;
	WRITE_ONCE(*score, 1);
	the_sys->drv.wake(score);
	NOTE("request read, acknowledged");
	if (my_loaded_mm() == r.mm)
		flush_own(&r);
}

static bool is_read(const void *arg)
{
	return *(const u64 *)arg;
}

static void wait_for(const u64 *to)
{
	enum cycle_cat cat = cat_enter(CYC_WAIT_ACK);

	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		if (flush_has(to, i)) {
			u64 *score = score_of(i, this_cpu->id);

			the_sys->drv.wait(score, is_read, score, 0);
		}
	cat_leave(cat);
}

/* smp_targeted_tlb_shootdown. */
static void interrupt(struct flush_req *r)
{
	u64 *to = flush_targets();
	bool any = flush_others(r->mm, to);

	if (any) {
		flush_count_sent(r);
		for (u32 i = 0; i < the_sys->nr_cpus; i++)
			if (flush_has(to, i))
				WRITE_ONCE(*score_of(i, this_cpu->id), 0);
		smp_send(to, invlop_handler, r);
	}
	if (my_loaded_mm() == r->mm)
		flush_own(r);
	if (any)
		wait_for(to);
	flush_targets_done();
}

static void shoot(struct flush_req *r)
{
	zero_generations(r->mm);
	interrupt(r);
}

static void shoot_en2204(struct flush_req *r)
{
	smp_mb();
	interrupt(r);
	zero_generations(r->mm);
}

extern const struct flush_ops flush_freebsd, flush_freebsd_en2204;
const struct flush_ops flush_freebsd = {
	.name = "freebsd",
	.summary = "FreeBSD amd64: generations of PCIDs zeroed, then interrupts with early acks",
	.source = "FreeBSD 13, sys/amd64/amd64/pmap.c, r363195",
	.defers = "responders drop after they acknowledged, before any user access",
	/* A collapse interrupts once more, for lookups without locks, after the
	 * flush: what came before is dropped by then. */
	.legal = (FLUSH_ALL_OPS & ~FLUSH_WALKED_OPS) |
		 FLUSH_BIT(FLUSH_COLLAPSE),
	FLUSH_AT_THE_END,
	.shoot = shoot,
	.load = load,
	.boot = boot,
	.ceiling = MAX_PAGES,
};

const struct flush_ops flush_freebsd_en2204 = {
	.name = "freebsd-en2204",
	.summary = "the same before FreeBSD-EN-22:04: generations zeroed after the interrupts",
	.source = "FreeBSD-EN-22:04.pcid, 3fd989da",
	.defers = "who makes the address space active meanwhile keeps what it had",
	.flaw = "a CPU that switches in between interrupt and zero keeps stale entries",
	.legal = FLUSH_BIT(FLUSH_PROTECT_UP) | FLUSH_BIT(FLUSH_NONE_UP) |
		 FLUSH_BIT(FLUSH_OLD_CLEAR) | FLUSH_BIT(FLUSH_VUNMAP),
	FLUSH_AT_THE_END,
	.shoot = shoot_en2204,
	.load = load,
	.boot = boot,
	.ceiling = MAX_PAGES,
};
