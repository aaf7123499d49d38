/* Runs of pages, which is what timed runs spend their time with: hits that the memo
 * knows, the misses of a CPU that is alone, and for all else the way through run.c. */
#include "cpu/access.h"
#include "cpu/walk_lone.h"
#include "tlb/lane.h"

/* What runs have come to since it was last added to the counters: in registers,
 * where stores to the arrays cannot reach it. */
struct tally {
	u64 now, accesses;
	u64 stlb, walk;         /* of the time                                */
	const struct run *from; /* the first of them                          */
};

/* The runs before @r. */
static inline __attribute__((always_inline)) void
add_tally(struct cpu *c, struct tally *t, const struct run *r)
{
	c->cycles[CYC_USER] += t->now - c->now - t->stlb - t->walk;
	c->cycles[CYC_STLB] += t->stlb;
	c->cycles[CYC_WALK] += t->walk;
	c->now = t->now;
	c->count.v[CTR_RUNS] += (u64)(r - t->from);
	c->count.v[CTR_ACCESSES] += t->accesses;
	t->accesses = t->stlb = t->walk = 0;
	t->from = r;
}

/* While a step before a walk would do nothing, for nobody else can run and nothing
 * is under way to this CPU, what misses level 1 need not go through the driver,
 * and its time can be added up like that of hits. All else is as above: what is
 * out of the ordinary goes on there, from where it is.
 * Return: until when it is so. */
static u64 alone_until(const struct cpu *c)
{
	u64 until;

	if (c->mlp != 1 || the_sys->probe || !the_sys->drv.alone_until)
		return 0;
	until = the_sys->drv.alone_until(&the_sys->mem.table[c->s->root]);
	return until == c->run_until ? until : 0;
}

/* What need not be asked each time, as long as nothing else is done. */
struct lone {
	struct walk_lone walk;
	struct lone_use {
		struct tlb_lane lane;   /* .array NULL: was not asked for yet */
		u64 *looked, *family;   /* counters                           */
	} use[NR_TLB_USES];
};

static inline void forget_lanes(struct lone *l)
{
	for (u32 i = 0; i < NR_TLB_USES; i++) {
		l->use[i].lane.array = NULL;
		l->use[i].lane.l1 = NULL;
	}
}

/* Do lanes stay open when it comes to the arrays? */
static inline bool is_for_lanes(const struct tlb_entry *e)
{
	return !(e->order | e->piece_of | (e->flags & TLB_G));
}

/* Return: may it be used? */
static __attribute__((noinline)) bool open_lane(struct lone *l, u64 now,
						enum tlb_use use)
{
	struct lone_use *u = &l->use[use];
	struct cpu *c = this_cpu;

	if (u->lane.array)              /* it was asked, and is not open      */
		return false;
	tlb_lane_open(&u->lane, c->tlb, use, c->s->pcid);
	u->looked = lookups_of(c, use);
	u->family = family(c, use);
	walk_lone_open(&l->walk, now);
	c->nr_lanes += u->lane.l1 != NULL;
	c->nr_lone_walkers += l->walk.pde != NULL;
	return u->lane.l1;
}

/* As walk_now(). */
static __attribute__((noinline)) bool
walk_alone(struct cpu *c, struct lone *l, u64 vpn, enum tlb_use use, u64 next,
	   struct tally *t)
{
	u64 cycles, took;
	bool ok;

	walk_prefetch_host(next);
	ok = walk_timed(vpn, use, &c->walked, &cycles);
	took = core_walker(c->core, t->now, cycles) - t->now;
	t->now += took;
	t->walk += took;
	if (likely(ok))
		install_walked(c, vpn, use, cycles);
	else
		install_fault(c, vpn, use);
	if (!ok || !is_for_lanes(&c->walked))
		forget_lanes(l);
	return ok;
}

/* The same, where nothing is out of the ordinary. False: with nothing done. */
static inline __attribute__((always_inline)) bool
walk_in_lane(struct cpu *c, const struct lone *l, enum tlb_use use, u64 vpn,
	     const struct tlb_missed *m, u64 next, struct tally *t)
{
	u64 *count = l->use[use].family, cycles;
	struct tlb_entry e;

	if (unlikely(!l->walk.pde))
		return false;
	walk_lone_ahead(&l->walk, c, next);
	if (unlikely(!walk_lone(&l->walk, c, vpn, use, &e, &cycles)))
		return false;
	t->now += cycles;
	t->walk += cycles;
	*core_first_free(c->core) = t->now;
	count[CTR_WALK_LOAD]++;
	count[CTR_WALK_LOAD_4K]++;
	count[CTR_WALK_LOAD_CYCLES] += cycles;
	tlb_lane_fill(&l->use[use].lane, m, e);
	c->walked = e;
	return true;
}

/* How far a run has come; where its lookup ended, and with what. */
enum stage { LOOKED_UP, HAS_FAULTED, IS_USABLE, IS_OVER };

struct progress {
	enum stage stage;
	enum tlb_level level;
	struct tlb_entry *e;
};

/* The rest of @r, the time so far being charged. */
static __attribute__((noinline)) int
run_rest(struct cpu *c, const struct run *r, u64 per, struct progress at)
{
	const u64 vpn = r->va >> page_shift;
	const enum tlb_use use = use_of(r);
	struct pending p = { 0 };
	bool done = at.stage == IS_USABLE;
	int rc = 0;

	if (at.stage == LOOKED_UP)
		done = access_act_on(c, vpn, use, at.level, &at.e, &p, &rc);
	else if (at.stage == HAS_FAULTED)
		rc = access_fault_now(c, vpn, use == TLB_STORE, &p);
	if (!done && !rc)
		rc = access_translate(c, vpn, use, &at.e, &p);
	if (rc)
		return rc;
	return run_left(c, r, r->count - take(c, r, r->count, per, false, at.e,
					      &p), per, false);
}

/* What a lookup that ended at @level charges. */
static inline __attribute__((always_inline)) void
charge_lookup(const struct lone_use *u, struct tally *t, enum tlb_level level,
	      u64 hit_cycles)
{
	u64 cycles = level == TLB_MISS ? u->lane.miss_cycles : hit_cycles;

	u->looked[1]++;
	if (level == TLB_HIT_L2)
		u->family[CTR_STLB_HIT_LOAD]++;
	t->now += cycles;
	t->stlb += cycles;
}

/* The accesses of @r, whose entry may be used. */
static inline __attribute__((always_inline)) enum stage
take_alone(const struct run *r, u64 cycles, u64 until,
	   const struct lone_use *u, const struct tlb_entry *e, struct tally *t)
{
	if (unlikely(r->count > 1 && (t->now + cycles > until ||
				      e->flags & TLB_ONCE)))
		return IS_USABLE;
	t->now += cycles;
	t->accesses += r->count;
	u->looked[0] += r->count;
	return IS_OVER;
}

/* run_alone() by the general way through arrays and tables. */
static __attribute__((noinline)) struct progress
run_alone_any(struct cpu *c, struct lone *l, const struct run *r, u64 next,
	      u64 cycles, u64 until, struct tally *t)
{
	const u64 vpn = r->va >> page_shift;
	const enum tlb_use use = use_of(r);
	const struct lone_use *u = &l->use[use];
	struct progress at = { .stage = LOOKED_UP };

	at.level = tlb_array_access_scan(c->tlb, use, c->s->pcid, vpn, &at.e);
	if (at.level != TLB_HIT_L1)
		charge_lookup(u, t, at.level,
			      tlb_array_l2_geometry(c->tlb)->hit_cycles);
	if (at.level == TLB_MISS) {
		if (t->now >= until)
			return at;
		at.stage = HAS_FAULTED;
		u->family[CTR_WALK_BEGUN_LOAD]++;
		if (!walk_alone(c, l, vpn, use, next, t))
			return at;
		at.e = &c->walked;
	} else if (!is_usable(at.e, use)) {
		return at;
	}
	at.stage = take_alone(r, cycles, until, u, at.e, t);
	return at;
}

/* All of @r, of page @vpn, which costs @cycles itself, or as much as does not need
 * others. @next: a page that may be walked for soon. */
static inline __attribute__((always_inline)) struct progress
run_alone(struct cpu *c, struct lone *l, const struct run *r, u64 vpn,
	  enum tlb_use use, u64 next, u64 cycles, u64 until, struct tally *t)
{
	const struct lone_use *u = &l->use[use];
	struct progress at = { .stage = LOOKED_UP };
	struct tlb_missed m;

	if (unlikely(!u->lane.l1) && !open_lane(l, t->now, use)) {
		struct tally copy = *t;

		at = run_alone_any(c, l, r, next, cycles, until, &copy);
		*t = copy;
		return at;
	}
	at.level = tlb_lane_access(&u->lane, vpn, &at.e, &m);
	if (at.level != TLB_HIT_L1)
		charge_lookup(u, t, at.level, u->lane.hit_cycles);
	if (at.level == TLB_MISS) {
		if (unlikely(t->now >= until)) {
			tlb_lane_leave(&u->lane, &m);
			return at;
		}
		u->family[CTR_WALK_BEGUN_LOAD]++;
		if (unlikely(!walk_in_lane(c, l, use, vpn, &m, next, t))) {
			struct tally copy = *t;
			bool ok;

			tlb_lane_leave(&u->lane, &m);
			ok = walk_alone(c, l, vpn, use, next, &copy);
			*t = copy;
			at.stage = HAS_FAULTED;
			if (!ok)
				return at;
		}
		at.e = &c->walked;
	} else if (unlikely(!is_usable(at.e, use))) {
		return at;
	}
	at.stage = take_alone(r, cycles, until, u, at.e, t);
	return at;
}

/* ---- hits -------------------------------------------------------------------- */

struct hits {
	const struct run *end;
	u64 now, accesses;
};

/* Nearly all runs of most programs: private, over before anything else can happen
 * here, and where the memo says. A function of its own, whose registers are for
 * nothing else. Return: those from @r on, at @now, up to one that is not so. */
static __attribute__((noinline)) struct hits
take_hits(struct cpu *c, const struct run *r, const struct run *end, u64 now,
	  u64 until)
{
	const u64 per = cost_of(COST_ACCESS);
	struct tlb_array *tlb = c->tlb;
	const struct run *first = r;
	const u32 shift = page_shift;
	const u16 pcid = c->s->pcid;
	u64 accesses = 0;

	for (; r < end; r++) {
		const enum tlb_use use = use_of(r);
		const u64 cycles = r->count * per;
		const struct tlb_memo *m;

		if (unlikely(now + cycles > until))
			break;
		m = tlb_array_memo_find(tlb, use, pcid, r->va >> shift,
					wanted(use));
		if (unlikely(!m))
			break;
		tlb_memo_touch(m);
		now += cycles;
		accesses += r->count;
		*lookups_of(c, use) += r->count;
	}
	tlb->stats.lookups += (u64)(r - first);
	return (struct hits){ r, now, accesses };
}

/* So many more runs that the lane did not find in level 1 than it did say that the
 * next is not there either: the memo is not worth asking. */
#define MEMO_MISSES 2
#define MANY_MISSES 8

/* @shift: page_shift, where it is nearly always a constant. */
static inline __attribute__((always_inline)) int
run_many(const struct run *runs, size_t n, u32 shift)
{
	struct cpu *c = this_cpu;
	const u64 per = cost_of(COST_ACCESS);
	struct tally t = { .now = c->now, .from = runs };
	u64 until = c->run_until, alone = 0;
	bool is_asked = false;          /* is it alone?                       */
	u32 nr_missed = 0;              /* of late, if it is                  */
	const struct run *r = runs, *end = runs + n;
	struct lone lone;

	for (; r < end; r++) {
		enum tlb_use use;
		struct progress at;
		u64 vpn, cycles;
		int rc;

		if (nr_missed < MEMO_MISSES) {
			struct hits h = take_hits(c, r, end, t.now, until);

			t.now = h.now;
			t.accesses += h.accesses;
			r = h.end;
			if (r == end)
				break;
		}
		vpn = r->va >> shift;
		use = use_of(r);
		cycles = r->count * per;
		if (!is_asked) {
			alone = alone_until(c);
			is_asked = true;
			forget_lanes(&lone);
		}
		if (t.now < alone) {
			at = run_alone(c, &lone, r, vpn, use,
				       soon(r, end, shift), cycles, alone, &t);
			if (likely(at.stage == IS_OVER)) {
				nr_missed = at.level == TLB_HIT_L1
					? nr_missed / 2
					: nr_missed + (nr_missed < MANY_MISSES);
				continue;
			}
			add_tally(c, &t, r);
			rc = run_rest(c, r, per, at);
		} else {
			add_tally(c, &t, r);
			c->soon = soon(r, end, shift);
			rc = run_left(c, r, r->count, per, false);
		}
		if (unlikely(rc))
			return rc;
		is_asked = false;
		nr_missed = 0;
		t.now = c->now;
		t.from = r + 1;
		until = c->run_until;
	}
	add_tally(c, &t, r);
	return 0;
}

int cpu_run_many(const struct run *runs, size_t n)
{
	/* With caches_invalid a load must look at what it hits. */
	if (the_sys->os.used != NULL || the_sys->walk.caches == CACHES_FULL ||
	    the_sys->m->rules.caches_invalid)
		return access_singly(runs, n);
	return likely(page_shift == PAGE_SHIFT)
		? run_many(runs, n, PAGE_SHIFT)
		: run_many(runs, n, page_shift);
}
