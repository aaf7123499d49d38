/* Accesses by programs: lookup, walk, A and D bits, faults, store buffer. */
#include <string.h>

#include "cpu/step.h"

/* Walk the tables for @vpn. The caller has stepped for the first load. Sets A,
 * and D for a store, in the leaf with a locked update in the step that read
 * it. Source: Intel SDM vol. 3, "Accessed and Dirty Flags".
 * Return: false is a page fault. */
static bool walk(u64 vpn, bool is_write, struct tlb_entry *e)
{
	const struct memory *mem = &the_sys->mem;
	u64 *table = mem->table[this_cpu->s->root];
	u64 rights = PTE_RW;
	u32 level = mem->paging.levels;

	memset(e, 0, sizeof(*e));
	for (;;) {
		u64 *p, pte, want;

		level--;
		p = &table[paging_index(&mem->paging, vpn, level)];
		touch(p, false);
		pte = *p;
		if (!the_sys->is_explored)
			charge(cost_of(COST_WALK_LOAD));
		rights &= pte;
		if (!(pte & PTE_P))
			return false;
		if (level && !(pte & PTE_PS)) {
			table = mem->table[pte_pfn(pte)];
			if (the_sys->is_explored)
				step(&table[paging_index(&mem->paging, vpn,
							 level - 1)], false, 0);
			continue;
		}
		if (is_write && !rights)
			return false;
		want = pte | PTE_A | (is_write ? PTE_D : 0);
		if (want != pte) {
			touch(p, true);
			*p = want;
			pte = want;
		}
		e->order = (u8)paging_order(&mem->paging, level);
		e->vpn = vpn & ~tlb_order_mask(e->order);
		e->pfn = pte_pfn(pte);
		e->pcid = this_cpu->s->pcid;
		e->flags = (u8)((rights ? TLB_W : 0) | (pte & PTE_D ? TLB_D : 0));
		return true;
	}
}

static int fault(u64 vpn, bool is_write)
{
	enum cycle_cat cat = cat_enter(CYC_FAULT);
	int rc;

	COUNT(PAGE_FAULTS, 1);
	charge(cost_of(COST_FAULT_ENTRY));
	/* The fault drops what this CPU cached for the page. */
	cpu_invlpg(vpn);
	smp_rmb();
	rc = the_sys->os.fault(vpn, is_write);
	charge(cost_of(COST_FAULT_EXIT));
	cat_leave(cat);
	return rc;
}

/* ---- explored: one access, hardware choices in the open ------------------- */

/* A store through an entry whose D bit is clear re-walks: if the page is no
 * longer writable it faults. */
static bool may_use(const struct tlb_entry *e, bool is_write)
{
	return !is_write || (e->flags & TLB_W);
}

/* *@called: the CPUs whose broadcasts name the entry used. */
static bool translate(u64 vpn, bool is_write, struct tlb_entry *e, u32 *called)
{
	struct cpu_state *s = this_cpu->s;
	u32 index[ENVELOPE_MAX], n, pick;
	bool may_walk;

	*called = 0;
	step(s->env, true, 0);
	n = envelope_candidates(s->env, s->pcid, vpn, index);
	may_walk = the_sys->may_evict || !n || the_sys->may_speculate;
	pick = the_sys->drv.choose(n + may_walk);
	if (pick < n) {
		*e = s->env->e[index[pick]];
		*called = s->env->called[index[pick]];
		envelope_collapse(s->env, s->pcid, vpn, (int)index[pick]);
		if (may_use(e, is_write) && (!is_write || (e->flags & TLB_D))) {
			NOTE("TLB hit: %s pfn %llu",
			     e->order ? "huge entry," : "entry,",
			     (unsigned long long)e->pfn);
			return true;
		}
		if (!may_use(e, is_write))
			return false;
		/* D assist: read the entry again, now. */
	}
	envelope_collapse(s->env, s->pcid, vpn, -1);
	if (!walk(vpn, is_write, e))
		return false;
	NOTE("page walk: load TLB entry%s, pfn %llu", e->order ? " (huge)" : "",
	     (unsigned long long)e->pfn);
	if (!the_sys->may_speculate) {
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

int cpu_access(u64 vpn, u32 line, bool is_write, u64 *value)
{
	u64 obs = obs_save();
	struct tlb_entry e;
	u32 called;
	u64 pfn;
	int rc;

	while (!translate(vpn, is_write, &e, &called)) {
		NOTE("page fault (%s)", is_write ? "store" : "load");
		rc = fault(vpn, is_write);
		obs_restore(obs);       /* back in user mode, nothing learnt */
		if (rc) {
			observe((u64)rc);
			return rc;
		}
	}
	pfn = e.pfn + (vpn - e.vpn);
	obs_restore(obs);
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

static bool is_store(const struct run *r)
{
	return r->op == RUN_WRITE || r->op == RUN_MODIFY;
}

static void count_walk(bool is_write, u32 order, u64 cycles)
{
	if (is_write) {
		COUNT(WALK_STORE, 1);
		COUNT(WALK_STORE_4K, !order);
		COUNT(WALK_STORE_2M, !!order);
		COUNT(WALK_STORE_CYCLES, cycles);
	} else {
		COUNT(WALK_LOAD, 1);
		COUNT(WALK_LOAD_4K, !order);
		COUNT(WALK_LOAD_2M, !!order);
		COUNT(WALK_LOAD_CYCLES, cycles);
	}
}

/* The first access of a run, or of what is left of one.
 * Return: 0 with *out usable for the rest of the run, or the fault's error. */
static int translate_slow(u64 vpn, bool is_write, struct tlb_entry **out)
{
	struct cpu *c = this_cpu;
	struct cpu_state *s = c->s;
	enum cycle_cat cat;
	struct tlb_entry e;
	u64 t0;
	bool ok;

	for (;;) {
		u32 want = is_write ? TLB_W | TLB_D : 0;
		enum tlb_use use = is_write ? TLB_STORE : TLB_LOAD;
		enum tlb_level level = tlb_array_access(c->tlb, use, s->pcid,
							vpn, out);
		bool found = level != TLB_MISS;

		if (level != TLB_HIT_L1) {
			if (is_write)
				COUNT(DTLB_STORE_MISSES, 1);
			else
				COUNT(DTLB_LOAD_MISSES, 1);
		}
		if (level == TLB_HIT_L2) {
			if (is_write)
				COUNT(STLB_HIT_STORE, 1);
			else
				COUNT(STLB_HIT_LOAD, 1);
			c->now += tlb_array_l2_geometry(c->tlb)->hit_cycles;
			c->cycles[CYC_STLB] +=
				tlb_array_l2_geometry(c->tlb)->hit_cycles;
		}
		if (found && ((*out)->flags & want) == want)
			return 0;
		ok = false;
		if (!found || ((*out)->flags & TLB_W) || !is_write) {
			cat = cat_enter(CYC_WALK);
			step(&the_sys->mem.table[s->root], false, 0);
			t0 = c->now;
			ok = walk(vpn, is_write, &e);
			if (ok)
				count_walk(is_write, e.order, c->now - t0);
			cat_leave(cat);
		}
		if (ok) {
			tlb_array_fill(c->tlb, use, vpn, &e);
			continue;
		}
		{
			int rc = fault(vpn, is_write);

			if (rc)
				return rc;
		}
	}
}

/* One run, cut where an interrupt or another CPU must come first, so that it
 * equals feeding its accesses one by one. */
static int run_one(const struct run *r)
{
	struct cpu *c = this_cpu;
	const u64 per = cost_of(COST_ACCESS);
	const u64 vpn = r->va >> PAGE_SHIFT;
	const bool is_write = is_store(r);
	u32 left = r->count;

	while (left) {
		struct tlb_entry *e;
		u64 room, n = left;
		int rc;

		if (unlikely(c->now >= c->run_until))
			the_sys->drv.wait(NULL, NULL, NULL, 0);
		rc = translate_slow(vpn, is_write, &e);
		if (rc)
			return rc;
		if (n > 1) {
			room = c->now < c->run_until ? c->run_until - c->now : 1;
			room = room / per + (room % per != 0);
			if (n > room)
				n = room;
		}
		if (unlikely(the_sys->os.used != NULL))
			the_sys->os.used(e, vpn, is_write, (u32)n);
		c->now += n * per;
		c->cycles[CYC_USER] += n * per;
		left -= (u32)n;
		c->count.v[CTR_ACCESSES] += n;
		c->count.v[is_write ? CTR_DTLB_STORES : CTR_DTLB_LOADS] += n;
	}
	c->count.v[CTR_RUNS]++;
	return 0;
}

int cpu_run_many(const struct run *runs, size_t n)
{
	struct cpu *c = this_cpu;
	const u64 per = cost_of(COST_ACCESS);
	const bool is_checked = the_sys->os.used != NULL;

	for (size_t i = 0; i < n; i++) {
		const struct run *r = &runs[i];
		bool is_write = is_store(r);
		u64 cycles = r->count * per;
		struct tlb_entry *e;
		int rc;

		/* Nearly always: private, and over before anything else can
		 * happen here. */
		if (likely(c->now + cycles <= c->run_until && !is_checked &&
			   tlb_array_hit(c->tlb, is_write ? TLB_STORE : TLB_LOAD,
					 c->s->pcid, r->va >> PAGE_SHIFT,
					 &e))) {
			c->now += cycles;
			c->cycles[CYC_USER] += cycles;
			c->count.v[CTR_RUNS]++;
			c->count.v[CTR_ACCESSES] += r->count;
			c->count.v[is_write ? CTR_DTLB_STORES
					    : CTR_DTLB_LOADS] += r->count;
			continue;
		}
		rc = run_one(r);
		if (rc)
			return rc;
	}
	return 0;
}
