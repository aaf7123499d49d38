/* Accesses by programs: faults, and one access of an explored run. Those of timed
 * runs are run.c's. */
#include <string.h>

#include "cpu/access.h"
#include "cpu/entry.h"
#include "cpu/mmu.h"
#include "cpu/step.h"

static void count_kind(enum walk_verdict v)
{
	COUNT(SPURIOUS_FAULTS, v == WALK_ALLOWS);
	COUNT(ACCESSED_FAULTS, v == WALK_LACKS_A);
	COUNT(DIRTY_FAULTS, v == WALK_LACKS_D);
}

int access_fault(u64 vpn, bool is_write)
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
		rc = access_fault(vpn, is_write);
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
