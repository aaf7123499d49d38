/* Accesses by programs: lookup, walk, A and D bits, faults, store buffer. */
#include <string.h>

#include "cpu/entry.h"
#include "cpu/mmu.h"
#include "cpu/overlap.h"
#include "cpu/step.h"
#include "cpu/walk_lone.h"
#include "tlb/lane.h"

static void count_kind(enum walk_verdict v)
{
	COUNT(SPURIOUS_FAULTS, v == WALK_ALLOWS);
	COUNT(ACCESSED_FAULTS, v == WALK_LACKS_A);
	COUNT(DIRTY_FAULTS, v == WALK_LACKS_D);
}

static int fault(u64 vpn, bool is_write)
{
	enum cycle_cat cat = cat_enter(CYC_FAULT);
	int rc;

	COUNT(PAGE_FAULTS, 1);
	if (!the_sys->is_explored)
		count_kind(walk_verdict(vpn, is_write));
	charge(cost_of(COST_FAULT_ENTRY) + entry_cycles(true));
	if (!the_sys->is_by_manual)     /* mmu.c did what the fault drops */
		cpu_fault_drops(vpn);
	smp_rmb();
	rc = the_sys->os.fault(vpn, is_write);
	charge(cost_of(COST_FAULT_EXIT));
	cat_leave(cat);
	return rc;
}

/* ---- explored: one access, hardware choices in the open ------------------- */

/* What an entry in the TLB says to an access. */
enum use_of_entry { USE_IT, USE_FAULTS, USE_ASSIST };

/* A store through an entry whose D bit is clear reads the entry in memory again,
 * where hardware sets D: if the page is no longer writable it faults. */
static enum use_of_entry may_use(const struct tlb_entry *e, bool is_write)
{
	if (e->flags & TLB_FAULTS || (is_write && !(e->flags & TLB_W)))
		return USE_FAULTS;
	if (!is_write || e->flags & TLB_D)
		return USE_IT;
	return the_sys->m->rules.hw_sets_d ? USE_ASSIST : USE_FAULTS;
}

/* The store found @used, with D clear, and @used is gone from memory by now: A and D
 * may be set there all the same. Return: it goes on. */
static bool strays(u64 vpn, struct tlb_entry *used)
{
	if (!the_sys->stray_bits || !the_sys->drv.choose(2) || !walk_stray(vpn))
		return false;
	NOTE("A and D set in an entry that is not present");
	used->flags |= TLB_D;
	return the_sys->stray_bits == STRAY_STORES;
}

/* *@called: the CPUs whose broadcasts name the entry used, or the table that the
 * walk begins at. */
static bool translate(u64 vpn, bool is_write, struct tlb_entry *e, u32 *called)
{
	struct cpu_state *s = this_cpu->s;
	struct tlb_entry used = { 0 }, table = { 0 };
	u32 index[ENVELOPE_MAX], upper[ENVELOPE_MAX], n, m, pick;
	bool may_walk;

	*called = 0;
	step(s->env, true, 0);
	n = envelope_candidates(s->env, s->pcid, vpn, index);
	m = envelope_tables(s->env, s->pcid, vpn, upper);
	may_walk = the_sys->may_evict || !(n + m) || the_sys->may_speculate;
	pick = the_sys->drv.choose(n + may_walk + m);
	if (pick < n) {
		*e = s->env->e[index[pick]];
		*called = s->env->called[index[pick]];
		envelope_collapse(s->env, s->pcid, vpn, (int)index[pick]);
		switch (may_use(e, is_write)) {
		case USE_IT:
			NOTE("TLB hit: %s pfn %llu",
			     e->order ? "huge entry," : "entry,",
			     (unsigned long long)e->pfn);
			return true;
		case USE_FAULTS:
			return false;
		case USE_ASSIST:        /* read the entry again, now */
			used = *e;
			break;
		}
	}
	if (pick >= n + may_walk) {
		table = s->env->e[upper[pick - n - may_walk]];
		*called = s->env->called[upper[pick - n - may_walk]];
		NOTE("walk begins at frame %llu, from a paging-structure cache",
		     (unsigned long long)table.pfn);
	} else if (m) {
		envelope_collapse_tables(s->env, s->pcid, vpn, -1);
	}
	envelope_collapse(s->env, s->pcid, vpn, -1);
	if (!walk_explored(vpn, is_write, table.pfn ? &table : NULL, e)) {
		if (used.pfn && strays(vpn, &used)) {
			*e = used;
			return true;
		}
		/* The assist failed; no fault drops what it was for. */
		if (pick < n && !the_sys->m->rules.fault_drops_page) {
			touch(s->env, true);
			envelope_retire(s->env, &used);
		}
		return false;
	}
	NOTE("page walk: load TLB entry%s, pfn %llu", e->order ? " (huge)" : "",
	     (unsigned long long)e->pfn);
	if (!the_sys->may_speculate && !(e->flags & TLB_ONCE)) {
		touch(s->env, true);
		envelope_retire(s->env, e);
	}
	return true;
}

static void store_line(u64 vpn, u64 pfn, u32 line, u64 value, u32 called)
{
	const struct memory *mem = &the_sys->mem;
	u64 *word = &mem->line[pfn * mem->lines_per_frame + line];
	struct storebuf *sb = this_cpu->s->sb;
	struct sb_entry e;

	if (!sb) {
		touch(word, true);
		the_sys->os.commit_store(this_cpu->id, vpn, pfn, line, value);
		*word = value;
		return;
	}
	memset(&e, 0, sizeof(e));
	e.off = arena_offset(&the_sys->arena, word);
	e.value = value;
	e.vpn = vpn;
	e.bytes = sizeof(u64);
	e.kind = SB_LINE;
	e.called = called;
	e.level = (u8)line;
	touch(sb, true);
	assert(sb->n < SB_MAX);         /* programs store a few words */
	sb_push(sb, &e);
}

static u64 load_line(u64 vpn, u64 pfn, u32 line)
{
	const struct memory *mem = &the_sys->mem;
	u64 *word = &mem->line[pfn * mem->lines_per_frame + line];
	u64 v;

	touch(word, false);
	v = *word;
	if (this_cpu->s->sb)
		v = sb_forward(this_cpu->s->sb,
			       arena_offset(&the_sys->arena, word), v);
	the_sys->os.loaded(vpn, pfn, line, v);
	return v;
}

/* @called: see envelope_call. */
static int to_frame(u64 vpn, bool is_write, u64 *pfn, u32 *called)
{
	u64 obs = obs_save();
	struct tlb_entry e;
	int rc;

	*called = 0;
	while (!(the_sys->is_by_manual
		 ? mmu_translate(vpn, is_write, &e)
		 : translate(vpn, is_write, &e, called))) {
		NOTE("page fault (%s)", is_write ? "store" : "load");
		rc = fault(vpn, is_write);
		obs_restore(obs);       /* back in user mode, nothing learnt */
		if (rc) {
			observe((u64)rc);
			return rc;
		}
	}
	*pfn = e.pfn + (vpn - e.vpn);
	obs_restore(obs);
	return 0;
}

int cpu_translate(u64 vpn, bool is_write, u64 *pfn)
{
	u32 called;

	return to_frame(vpn, is_write, pfn, &called);
}

int cpu_access(u64 vpn, u32 line, bool is_write, u64 *value)
{
	u32 called;
	u64 pfn;
	int rc = to_frame(vpn, is_write, &pfn, &called);

	if (rc)
		return rc;
	if (is_write) {
		NOTE("store %llu to line %u of page %llu: frame %llu%s",
		     (unsigned long long)*value, line, (unsigned long long)vpn,
		     (unsigned long long)pfn, this_cpu->s->sb ? " (buffered)" : "");
		store_line(vpn, pfn, line, *value, called);
		observe(1);
	} else {
		*value = load_line(vpn, pfn, line);
		NOTE("load line %u of page %llu: %llu", line,
		     (unsigned long long)vpn, (unsigned long long)*value);
		observe(*value);
	}
	return 0;
}

/* ---- timed: runs through the arrays --------------------------------------- */

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
}

static inline void install_fault(struct cpu *c, u64 vpn, enum tlb_use use)
{
	if (unlikely(c->walked.flags & TLB_FAULTS))
		tlb_array_fill(c->tlb, use, vpn, &c->walked);
}

/* One walk, for the current access. Return: true with c->walked in the TLBs,
 * false for a fault. */
static bool walk_now(struct cpu *c, u64 vpn, enum tlb_use use, struct pending *p,
		     bool is_assist)
{
	enum cycle_cat cat = cat_enter(CYC_WALK);
	u64 cycles, from, done;
	u64 before = c->cycles[CYC_WALK];
	bool ok;

	walk_prefetch_host(c->soon);
	family(c, use)[CTR_WALK_BEGUN_LOAD]++;
	step(&the_sys->mem.table[c->s->root], false, 0);
	ok = walk_timed(vpn, use, &c->walked, &cycles);
	from = p->done > c->now ? p->done : c->now;
	done = core_walker(c->core, from, cycles);
	cpu_delay(c, p, done - from, CYC_WALK);
	PROBE(.what = PROBE_WALK, .vpn = vpn, .flag = is_assist,
	      .n = c->cycles[CYC_WALK] - before,
	      .entry = ok ? &c->walked : NULL);
	cat_leave(cat);
	if (likely(ok))
		install_walked(c, vpn, use, cycles);
	else
		install_fault(c, vpn, use);
	return ok;
}

/* May @e, which was found, be used as it is? */
static inline bool is_usable(const struct tlb_entry *e, enum tlb_use use)
{
	const u32 want = wanted(use);

	return (e->flags & (want | TLB_FAULTS)) == want;
}

static int fault_now(struct cpu *c, u64 vpn, bool is_write, struct pending *p)
{
	cpu_wait_until(c, p->done, p->cat);
	cpu_drain(c);
	return fault(vpn, is_write);
}

/* What follows a lookup that ended at @level, with *@out if it found something.
 * Return: true with *@out usable, or, *@rc being 0, to be looked up again. */
static bool act_on(struct cpu *c, u64 vpn, enum tlb_use use,
		   enum tlb_level level, struct tlb_entry **out,
		   struct pending *p, int *rc)
{
	const bool is_write = use == TLB_STORE, found = level != TLB_MISS;

	*rc = 0;
	if (found && is_usable(*out, use))
		return true;
	if (!found || may_use(*out, is_write) == USE_ASSIST) {
		COUNT(DIRTY_ASSISTS, found);
		if (walk_now(c, vpn, use, p, found)) {
			*out = &c->walked;
			return true;
		}
	}
	*rc = fault_now(c, vpn, is_write, p);
	return false;
}

static inline enum tlb_level look_up(struct cpu *c, u64 vpn, enum tlb_use use,
				     struct tlb_entry **out, struct pending *p)
{
	enum tlb_level level = tlb_array_access_scan(c->tlb, use, c->s->pcid,
						     vpn, out);

	if (level != TLB_HIT_L1)
		++lookups_of(c, use)[1];
	if (level == TLB_HIT_L2) {
		family(c, use)[CTR_STLB_HIT_LOAD]++;
		cpu_delay(c, p, tlb_array_l2_geometry(c->tlb)->hit_cycles,
			  CYC_STLB);
	} else if (level == TLB_MISS) {
		cpu_delay(c, p, tlb_array_miss_cycles(c->tlb, use), CYC_STLB);
	}
	return level;
}

/* The first access of a run, or of what is left of one; the memo was asked, or
 * is not worth it.
 * Return: 0 with *out usable for the rest of the run, or the fault's error. */
static int translate_slow(struct cpu *c, u64 vpn, enum tlb_use use,
			  struct tlb_entry **out, struct pending *p)
{
	for (;;) {
		enum tlb_level level = look_up(c, vpn, use, out, p);
		int rc;

		if (act_on(c, vpn, use, level, out, p, &rc) || rc)
			return rc;
	}
}

int cpu_entry_for(u64 vpn, bool is_write, struct tlb_entry *out)
{
	enum tlb_use use = is_write ? TLB_STORE : TLB_LOAD;
	struct cpu *c = this_cpu;
	struct pending p = { 0 };
	struct tlb_entry *e;
	int rc;

	if (unlikely(c->now >= c->run_until))
		the_sys->drv.wait(NULL, NULL, NULL, 0);
	rc = translate_slow(c, vpn, use, &e, &p);
	if (rc)
		return rc;
	cpu_wait_until(c, p.done, p.cat);
	++*lookups_of(c, use);
	if (unlikely(the_sys->os.used != NULL))
		the_sys->os.used(e, vpn, is_write, 1);
	*out = *e;
	return 0;
}

/* ---- program data in the caches (caches = full) ------------------------------- */

/* How many accesses of @r from number @i on touch just the lines that it
 * touches. */
static u32 same_lines(const struct run *r, u32 i, u32 left)
{
	u64 va = r->va + (u64)r->stride * i, n;
	u64 first = va >> CACHE_LINE_SHIFT;
	u64 last = (va + (r->bytes ? r->bytes - 1u : 0)) >> CACHE_LINE_SHIFT;

	if (!r->stride)
		return left;
	if (first != last)
		return 1;
	if (r->stride > 0)
		n = (((first + 1) << CACHE_LINE_SHIFT) - r->bytes - va) /
			(u64)r->stride + 1;
	else
		n = (va - (first << CACHE_LINE_SHIFT)) / (u64)-r->stride + 1;
	return n < left ? (u32)n : left;
}

/* Access number @i of @r, through @e. Cycles beyond those of an L1D hit are
 * waited for. Fetches do not use the data caches. */
static void data_access(struct cpu *c, const struct run *r, u32 i,
			const struct tlb_entry *e, enum tlb_use use,
			struct pending *p)
{
	u64 va = r->va + (u64)r->stride * i;
	u64 last = va + (r->bytes ? r->bytes - 1u : 0);
	u64 pfn = e->pfn + ((va >> page_shift) - e->vpn);
	u64 hit = the_sys->m->cache[CACHE_L1D].hit_cycles;

	for (u64 at = va; at <= last; at = (at | 63) + 1) {
		u64 line = caches_line(pfn, 0) +
			((at & (page_bytes() - 1)) >> CACHE_LINE_SHIFT);
		enum cache_level from;
		u64 cycles = use == TLB_STORE
			? caches_store(the_sys->caches, c->id, line, &from)
			: caches_load(the_sys->caches, c->id, line, &from);

		COUNT(DATA_L1 + (use == TLB_STORE ? NR_CACHE_LEVELS + 1 : 0) +
		      from, 1);
		if (cycles > hit)
			cpu_delay(c, p, cycles - hit, CYC_DATA);
	}
}

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
	    use != TLB_FETCH) {
		data_access(c, r, r->count - left, e, use, p);
		n = same_lines(r, r->count - left, left);
	}
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
		rc = translate_slow(c, r->va >> page_shift, use_of(r), &e, &p);
		if (unlikely(rc))
			return rc;
		left -= take(c, r, left, per, is_watched, e, &p);
	}
	c->count.v[CTR_RUNS]++;
	return 0;
}

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

/* Walks come in a row, and the host waits for what they read: each tells it what
 * the walk of so many runs later would need. */
#define LOOK_AHEAD 4

static inline u64 soon(const struct run *r, const struct run *end, u32 shift)
{
	return r[end - r > LOOK_AHEAD ? LOOK_AHEAD : 0].va >> shift;
}

/* Somebody wants to see the accesses. */
static int run_singly(const struct run *runs, size_t n)
{
	int rc = 0;

	for (const struct run *r = runs, *end = runs + n; r < end && !rc; r++) {
		this_cpu->soon = soon(r, end, page_shift);
		rc = run_left(this_cpu, r, r->count, cost_of(COST_ACCESS), true);
	}
	return rc;
}

/* ---- a CPU that is alone ------------------------------------------------------- */

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
		done = act_on(c, vpn, use, at.level, &at.e, &p, &rc);
	else if (at.stage == HAS_FAULTED)
		rc = fault_now(c, vpn, use == TLB_STORE, &p);
	if (!done && !rc)
		rc = translate_slow(c, vpn, use, &at.e, &p);
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
	struct progress at = { LOOKED_UP };

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
	struct progress at = { LOOKED_UP };
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

/* So many runs in a row that the lane did not find in level 1 say that the next is
 * not there either: the memo is not worth asking. */
#define MEMO_MISSES 2

/* @shift: page_shift, where it is nearly always a constant. */
static inline __attribute__((always_inline)) int
run_many(const struct run *runs, size_t n, u32 shift)
{
	struct cpu *c = this_cpu;
	struct tlb_array *tlb = c->tlb;
	const u64 per = cost_of(COST_ACCESS);
	struct tally t = { .now = c->now, .from = runs };
	u64 until = c->run_until, alone = 0;
	bool is_asked = false;          /* is it alone?                       */
	u32 nr_missed = 0;              /* in a row, if it is                 */
	u16 pcid = c->s->pcid;
	const struct run *r = runs, *end = runs + n;
	struct lone lone;

	for (; r < end; r++) {
		const u64 vpn = r->va >> shift;
		enum tlb_use use = use_of(r);
		u64 cycles = r->count * per;
		struct tlb_entry *e;
		struct progress at;
		int rc;

		/* Nearly always: private, and over before anything else can
		 * happen here. */
		if (likely(nr_missed < MEMO_MISSES &&
			   t.now + cycles <= until &&
			   tlb_array_memo_hit(tlb, use, pcid, vpn,
					      wanted(use), &e))) {
			t.now += cycles;
			t.accesses += r->count;
			*lookups_of(c, use) += r->count;
			continue;
		}
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
					? 0 : nr_missed + 1;
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
		pcid = c->s->pcid;
	}
	add_tally(c, &t, r);
	return 0;
}

int cpu_run_many(const struct run *runs, size_t n)
{
	/* With caches_invalid a load must look at what it hits. */
	if (the_sys->os.used != NULL || the_sys->walk.caches == CACHES_FULL ||
	    the_sys->m->rules.caches_invalid)
		return run_singly(runs, n);
	return likely(page_shift == PAGE_SHIFT)
		? run_many(runs, n, PAGE_SHIFT)
		: run_many(runs, n, page_shift);
}
