/* Timed accesses: runs through the arrays, one after another. What a CPU may do that
 * is alone is run_alone.c's. */
#include "cpu/access.h"

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

int access_fault_now(struct cpu *c, u64 vpn, bool is_write, struct pending *p)
{
	cpu_wait_until(c, p->done, p->cat);
	cpu_drain(c);
	return access_fault(vpn, is_write);
}

bool access_act_on(struct cpu *c, u64 vpn, enum tlb_use use, enum tlb_level level,
		   struct tlb_entry **out, struct pending *p, int *rc)
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
	*rc = access_fault_now(c, vpn, is_write, p);
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

/* An access that faults so often in a row is not unlucky: it meets an entry that
 * nothing drops, or a handler that mends nothing. */
#define MAX_FAULTS (1u << 18)

int access_translate(struct cpu *c, u64 vpn, enum tlb_use use,
		     struct tlb_entry **out, struct pending *p)
{
	for (u32 nr_faults = 0;; nr_faults++) {
		enum tlb_level level = look_up(c, vpn, use, out, p);
		int rc;

		assert(nr_faults < MAX_FAULTS);

		if (access_act_on(c, vpn, use, level, out, p, &rc) || rc)
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
	rc = access_translate(c, vpn, use, &e, &p);
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

u32 access_data(struct cpu *c, const struct run *r, u32 left,
		const struct tlb_entry *e, enum tlb_use use, struct pending *p)
{
	data_access(c, r, r->count - left, e, use, p);
	return same_lines(r, r->count - left, left);
}

int access_singly(const struct run *runs, size_t n)
{
	int rc = 0;

	for (const struct run *r = runs, *end = runs + n; r < end && !rc; r++) {
		this_cpu->soon = soon(r, end, page_shift);
		rc = run_left(this_cpu, r, r->count, cost_of(COST_ACCESS), true);
	}
	return rc;
}
