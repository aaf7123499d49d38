/* What came of a timed run: counters, what of them is modelled, what the machine's
 * numbers that were used lean on; and what follows from it. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cpu/timed.h"
#include "emu/timed_parts.h"

const char *const cycle_cat_names[NR_CYCLE_CATS] = {
#define CATEGORY(id, name, help) [CYC_##id] = name,
#include "cpu/categories.def"
#undef CATEGORY
};

const char *const cycle_cat_help[NR_CYCLE_CATS] = {
#define CATEGORY(id, name, help) [CYC_##id] = help,
#include "cpu/categories.def"
#undef CATEGORY
};

const char *timed_unit(const struct workload *workload)
{
	return workload->unit ? workload->unit : "steps";
}

/* ---- what is modelled ------------------------------------------------------------- */

static void hide(struct timed_result *r, enum counter c)
{
	r->modelled.word[c / 64] &= ~(1ull << c % 64);
}

static void not_modelled(struct timed_result *r, enum counter from,
			 enum counter to)
{
	for (u32 i = from; i <= to; i++)
		r->modelled.word[i / 64] &= ~(1ull << i % 64);
}

/* What walks meet is counted where it is modelled. */
static void say_walks(const struct sys *sys, struct timed_result *r)
{
	const struct walk_config *w = &sys->walk;
	const u32 *ways = sys->m->psc.nr_ways;

	if (!w->has_psc || !(ways[1] | ways[2] | ways[3] | ways[4]))
		not_modelled(r, CTR_PSC_HIT_PDE, CTR_PSC_MISS);
	for (u32 level = 1; level <= 4; level++)
		if (!ways[level])
			hide(r, CTR_PSC_HIT_PDE + level - 1);
	if (!w->caches)
		not_modelled(r, CTR_PWL_D_L1, CTR_PWL_EI_MEMORY);
	if (!w->ept)
		not_modelled(r, CTR_PWL_ED_L1, CTR_PWL_EI_MEMORY);
	if (!w->ept)
		not_modelled(r, CTR_EPT_LOADS, CTR_EPT_LOADS);
	if (w->caches != CACHES_FULL)
		not_modelled(r, CTR_DATA_L1, CTR_STORE_MISS);
}

static void say_modelled(struct timed_result *r, const struct sys *sys)
{
	static const enum counter checked[] = {
		CTR_STALE_HITS, CTR_LOST_STORES, CTR_WRITE_AFTER_FREE,
	};
	memset(&r->modelled, 0xff, sizeof(r->modelled));
	for (size_t i = 0; !sys->is_checked && i < ARRAY_LEN(checked); i++)
		hide(r, checked[i]);
	if (!sys->bbm) {
		hide(r, CTR_BBM_VIOLATIONS);
		hide(r, CTR_TLB_CONFLICTS);
	}
	if (!flusher() || !flusher()->has_global_asids)
		hide(r, CTR_ASID_ROLLOVERS);
	if (!kern()->numa.counts_stuck)
		hide(r, CTR_SCHED_STICK_NUMA);
	if (sys->m->rules.hw_sets_a)
		hide(r, CTR_ACCESSED_FAULTS);
	if (sys->m->rules.hw_sets_d)
		hide(r, CTR_DIRTY_FAULTS);
	say_walks(sys, r);
}

static bool is_any(const struct counters *c, enum counter from, enum counter to)
{
	for (u32 i = from; i <= to; i++)
		if (c->v[i])
			return true;
	return false;
}

/* Arrays that an access of @serves asked: level 1 if there were any, level 2 if
 * one of those hit there or walked. */
static u32 arrays_of(const struct machine *m, u32 serves, bool is_any_access,
		     bool is_deep)
{
	u32 mask = 0;

	for (u32 i = 0; i < m->tlb.nr_arrays; i++)
		if (m->tlb.array[i].serves & serves && is_any_access &&
		    (m->tlb.array[i].level == 1 || is_deep))
			mask |= 1u << i;
	return mask;
}

static u32 arrays_used(const struct machine *m, const struct counters *c)
{
	return arrays_of(m, TLB_SERVES_LOAD, c->v[CTR_DTLB_LOADS],
			 c->v[CTR_STLB_HIT_LOAD] || c->v[CTR_WALK_BEGUN_LOAD]) |
	       arrays_of(m, TLB_SERVES_STORE, c->v[CTR_DTLB_STORES],
			 c->v[CTR_STLB_HIT_STORE] ||
			 c->v[CTR_WALK_BEGUN_STORE]) |
	       arrays_of(m, TLB_SERVES_FETCH, c->v[CTR_ITLB_LOADS],
			 c->v[CTR_STLB_HIT_FETCH] ||
			 c->v[CTR_WALK_BEGUN_FETCH]);
}

/* Levels of paging-structure caches that walks asked; PML5E with five levels
 * only. Nested, the EPT's have the same sizes. */
static u32 psc_used(const struct sys *sys, const struct counters *c)
{
	u32 levels = (1u << sys->mem.paging.levels) - 2;

	if (!sys->walk.has_psc ||
	    !is_any(c, CTR_PSC_HIT_PDE, CTR_PSC_MISS))
		return 0;
	return levels | (sys->walk.ept ? 1u << PSC_NESTED : 0);
}

/* Caches that a load or a walker asked, and those asked before. */
static u32 caches_used(const struct counters *c)
{
	static const enum counter first[] = {
		CTR_PWL_D_L1, CTR_PWL_I_L1, CTR_PWL_ED_L1, CTR_PWL_EI_L1,
		CTR_DATA_L1, CTR_STORE_L1,
	};
	u32 mask = 0;

	for (size_t i = 0; i < ARRAY_LEN(first); i++)
		for (u32 level = 0; level <= NR_CACHE_LEVELS; level++)
			if (c->v[first[i] + level])
				mask |= (2u << level) - 1;
	return mask & ((1u << NR_CACHE_LEVELS) - 1);
}

/* Do two threads run on one core? */
static bool shares_cores(const struct sys *sys)
{
	for (u32 i = 0; i < sys->nr_cpus; i++)
		for (u32 k = 0; k < i; k++)
			if (sys->cpu[i].task && sys->cpu[k].task &&
			    sys->cpu[i].core == sys->cpu[k].core)
				return true;
	return false;
}

static void count_assumed(struct sys *sys, struct timed_result *r)
{
	const struct machine_use use = {
		.tlb = arrays_used(sys->m, &r->count),
		.psc = psc_used(sys, &r->count),
		.cache = sys->walk.caches ? caches_used(&r->count) : 0,
		.walker = (sys->walk.mlp > 1 || shares_cores(sys)) &&
			  is_any(&r->count, CTR_WALKER_LOADS, CTR_WALKER_LOADS),
		.memory = r->count.v[CTR_NODE_LOADS] ||
			  r->count.v[CTR_NODE_STORES],
		.cost = sys->cost_used,
	};

	r->nr_assumed = sys->m->nr_assumed;
	r->nr_assumed_used = machine_count_assumed(sys->m, &use);
}

void timed_gather(struct sys *sys, const struct wl *w, struct timed_result *r)
{
	r->elapsed_cycles = timed_elapsed(sys);
	r->hz = sys->m->hz;
	r->nr_cpus = sys->nr_cpus;
	r->nr_threads = w->nr_threads;
	r->done = w->done;
	snprintf(r->unit, sizeof(r->unit), "%s", timed_unit(w->workload));
	r->is_checked = sys->is_checked;
	snprintf(r->profile, sizeof(r->profile), "%s", sys->m->name);
	snprintf(r->topology, sizeof(r->topology), "%s", sys->m->topology);
	r->nr_rows = sched_is_on() ? sys->nr_cpus : w->nr_threads;
	for (u32 i = 0; i < r->nr_rows; i++) {
		const struct cpu *c = &sys->cpu[sched_is_on() ? i
							      : w->cpu_of[i]];

		r->cpu[i].cpu = c->id;
		r->cpu[i].node = c->node;
		r->cpu[i].done_at = c->done_at;
		r->cpu[i].count = c->count;
		r->cpu[i].count.v[CTR_TLB_CONFLICTS] = c->tlb->stats.conflicts;
		memcpy(r->cpu[i].cycles, c->cycles, sizeof(c->cycles));
		counters_add(&r->count, &r->cpu[i].count);
		for (u32 k = 0; k < TLB_NR_SIZES; k++)
			r->l2_hits[k] += c->tlb->stats.l2_hits[k];
		for (u32 k = 0; k < NR_CYCLE_CATS; k++)
			r->cycles[k] += c->cycles[k];
	}
	if (mms()->window)
		r->window = *mms()->window;
	for (u32 n = 0; n < sys->m->nr_nodes; n++)
		r->frames += mms()->node[n].next - n * mms()->frames_per_node;
	say_modelled(r, sys);
	count_assumed(sys, r);
}

/* ---- what follows from a result -------------------------------------------------- */

u64 timed_busy_cycles(const struct timed_result *r)
{
	u64 n = 0;

	for (u32 i = 0; i < NR_CYCLE_CATS; i++)
		if (i != CYC_IDLE)
			n += r->cycles[i];
	return n;
}

u64 timed_overhead(const u64 cycles[NR_CYCLE_CATS])
{
	static const enum cycle_cat cats[] = {
		CYC_FAULT, CYC_SCAN, CYC_COPY, CYC_FLUSH, CYC_WAIT_ACK,
		CYC_RESPOND, CYC_LOCK_WAIT,
	};
	u64 n = 0;

	for (u32 i = 0; i < ARRAY_LEN(cats); i++)
		n += cycles[cats[i]];
	return n;
}

double timed_flush_cycles(const struct timed_result *r)
{
	u64 n = r->count.v[CTR_TLB_FLUSH];

	return n ? (double)(r->cycles[CYC_FLUSH] + r->cycles[CYC_WAIT_ACK]) /
		(double)n : NAN;
}

double timed_cycles_to_ms(const struct timed_result *r, u64 cycles)
{
	return (double)cycles / (double)r->hz * 1e3;
}
