/* Flushing: which CPUs, what range, who must know that a flush is still to
 * come. Reads next to arch/x86/mm/tlb.c and include/linux/mm_types.h. */
#include <string.h>

#include "mm/flush.h"
#include "mm/kvm.h"
#include "mm/mm.h"
#include "mm/oracle.h"
#include "mm/switch.h"

/* One per CPU, as the kernel's per-CPU flush_tlb_info: an initiator has one
 * flush under way. */
static struct flush_req *my_req(void)
{
	return &mms()->req[this_cpu->id];
}

static void flush_local(const struct flush_req *r, bool is_full)
{
	u64 stride = 1ull << r->order, n = (r->end - r->start) >> r->order;

	charge(cost_of(COST_FLUSH_FIXED));
	if (flusher() && flusher()->local_exits) {
		COUNT(HYPERCALLS, 1);
		charge(cost_of(COST_VM_EXIT));
	}
	if (is_full) {
		cpu_flush_pcid();
		charge(cost_of(COST_CR3_FLUSH));
		COUNT(LOCAL_FLUSH_ALL, 1);
		NOTE("flush TLB");
		flush_emptied(tlb_state_of(this_cpu->id)->slot);
		return;
	}
	for (u64 vpn = r->start; vpn < r->end; vpn += stride) {
		cpu_invlpg(vpn);
		charge(cost_of(COST_INVLPG));
		if (the_sys->mitigations.pti)
			charge(cost_of(COST_INVPCID_USER));
	}
	COUNT(LOCAL_FLUSH_ONE, n);
	NOTE("flush TLB, %llu page%s", (unsigned long long)n, n > 1 ? "s" : "");
}

/* A ranged request is carried out as one only if it is all that is missing
 * here, and the newest there is: a flush brings this CPU up to @gen. */
static bool may_be_partial(const struct flush_req *r, u64 here, u64 gen)
{
	if (r->is_full)
		return false;
	if (kern()->gen_partial_is_next && r->new_gen != here + 1)
		return false;
	return !kern()->gen_partial_is_newest || r->new_gen == gen;
}

u64 flush_pages(const struct flush_req *r)
{
	u64 stride = 1ull << r->order;

	/* The page where a freed table begins is less than a stride. */
	return r->is_full ? 0 : (r->end - r->start + stride - 1) >> r->order;
}

void flush_own(const struct flush_req *r)
{
	struct cpu_state *s = this_cpu->s;

	step(s->env ? (const void *)s->env : (const void *)s, true, 0);
	flush_local(r, r->is_full);
}

/* A batch carries no generation (8f1d56f64f8d). */
static bool is_covered(const struct flush_req *r, u64 here)
{
	return r->new_gen <= here && (r->new_gen != TLB_GENERATION_INVALID ||
				      !kern()->batch_gen_is_invalid);
}

static void catch_up(const struct flush_req *r, struct mm *mm)
{
	struct tlb_state *t = tlb_state_of(this_cpu->id);
	u64 *here = &t->ctx[t->slot].tlb_gen, gen, was = 0;
	const struct flush_ops *f = flusher();

	touch(here, true);
	if (kern()->gen_read_first)
		(void)READ_ONCE(mm->tlb_gen);
	if (is_covered(r, *here))
		return;
	if (f && f->catching_up)
		was = f->catching_up();
	gen = READ_ONCE(mm->tlb_gen);
	if (gen == *here)
		return;
	flush_local(r, !may_be_partial(r, *here, gen));
	touch(here, true);
	*here = gen;
	oracle_tlb_gen(this_cpu->id);
	if (f && f->caught_up)
		f->caught_up(was);
}

static bool mask_is_lazy(void)
{
	return kern()->mask_update == MASK_LAZY ||
	       kern()->mask_update == MASK_LAZY_MB;
}

/* Told of an mm that it left: when it comes back it says so again. */
static void not_loaded(struct mm *mm)
{
	u64 *w = &mm->cpumask[this_cpu->id / 64];
	u64 bit = 1ull << this_cpu->id % 64;

	if (!mask_is_lazy())
		return;
	if (READ_ONCE(*w) & bit)
		(void)atomic_add_return(w, -bit);
}

/* flush_tlb_func: a CPU brings itself up to date. A request for no mm in
 * particular is for whichever is loaded. */
void flush_func(void *arg)
{
	struct flush_req *r = arg;
	struct cpu_state *s = this_cpu->s;
	struct mm *mm;

	touch(s->env ? (const void *)s->env : (const void *)s, true);
	if (kern()->ipi_by_active_mm && r->mm) {
		flush_by_active_mm(r->mm);
		return;
	}
	mm = my_loaded_mm();
	if (r->mm && r->mm != mm) {
		not_loaded(r->mm);
		return;
	}
	if (!mm)
		return;
	if (am_lazy())
		leave_mm();
	else if (adopt_global_tag(mm))
		;       /* broadcast */
	else if (kern()->has_tlb_gen)
		catch_up(r, mm);
	else
		flush_local(r, r->is_full);
}

/* A vCPU leaves the guest for an interrupt. */
static bool is_in_guest(void)
{
	return this_cpu->task && current()->kvm;
}

/* As flush_func() will find: others have brought this CPU up to date already. */
static bool is_behind(const struct flush_req *r)
{
	const struct tlb_state *t = tlb_state_of(this_cpu->id);

	return !kern()->has_tlb_gen || kern()->gen_read_first ||
	       kern()->ipi_by_active_mm || !r->mm ||
	       t->loaded_mm != (uintptr_t)r->mm || t->is_lazy ||
	       (flusher() && flusher()->global_tag) ||
	       !is_covered(r, t->ctx[t->slot].tlb_gen);
}

static bool flush_remote_soon(void *arg)
{
	if (is_in_guest() || is_behind(arg))
		return false;
	COUNT(REMOTE_FLUSH_RECEIVED, 1);
	return true;
}

/* All of is_behind() that is the same for all who are asked. */
static bool may_be_simple(const struct flush_req *r)
{
	return kern()->has_tlb_gen && !kern()->gen_read_first &&
	       !kern()->ipi_by_active_mm && r->mm && !kvm_is_used &&
	       !(flusher() && flusher()->global_tag) &&
	       (r->new_gen != TLB_GENERATION_INVALID ||
		!kern()->batch_gen_is_invalid);
}

/* The rest. */
static bool flush_simple_soon(void *arg)
{
	const struct flush_req *r = arg;
	const struct tlb_state *t = tlb_state_of(this_cpu->id);

	if (t->loaded_mm != (uintptr_t)r->mm || t->is_lazy || kvm_is_used ||
	    r->new_gen > t->ctx[t->slot].tlb_gen)
		return false;
	COUNT(REMOTE_FLUSH_RECEIVED, 1);
	return true;
}

static void flush_remote(void *arg)
{
	COUNT(REMOTE_FLUSH_RECEIVED, 1);
	if (unlikely(!the_sys->is_explored && is_in_guest()))
		charge(cost_of(COST_VM_EXIT));
	flush_func(arg);
}

/* ---- who is told ---------------------------------------------------------------- */

#define WORDS ((the_sys->nr_cpus + 63) / 64)

/* What may change under the flusher's eyes is read in steps. */
static u64 read_shared(const u64 *p)
{
	if (mms()->masks_vary)
		return READ_ONCE(*p);
	touch(p, false);
	return *p;
}

/* In the line of its queue it comes along with what is written there. */
static bool read_lazy(u32 cpu)
{
	const struct tlb_state *t = tlb_state_of(cpu);

	if (!flusher()->packs_lines)
		return read_shared(&t->is_lazy);
	step(&the_sys->cpu[cpu].s->nr_ipis, true, cost_of(COST_PTE_SCAN));
	touch(&t->is_lazy, false);
	observe(t->is_lazy);
	return t->is_lazy;
}

/* Whatever they have loaded, lazy or not. */
static bool tells_all(const struct flush_req *r)
{
	return r->freed_tables && kern()->lazy_tlb != LAZY_TLB_SKIP;
}

/* should_trim_cpumask (6db2526c1d69): once a second whoever is in a mask that is left
 * set and has something else loaded is told, too, and leaves it. next_trim lies
 * beside tlb_gen, in the line that this CPU has just written. Explored, there are no
 * seconds. */
static bool should_trim(struct mm *mm)
{
	u64 second = the_sys->m->hz;

	if (the_sys->is_explored || !mm || !mask_is_lazy() ||
	    kern()->flush_filter == FILTER_MASK ||
	    this_cpu->now < mm->last_trim + second)
		return false;
	mm->last_trim = this_cpu->now;
	return true;
}

/* should_flush_tlb: loaded_mm first, is_lazy after, as switch_mm writes the
 * one after the other. */
static bool must_tell(const struct flush_req *r, u32 cpu, bool trims)
{
	const struct tlb_state *t = tlb_state_of(cpu);
	u64 loaded = 0;

	if (tells_all(r))
		return true;
	if (kern()->flush_filter != FILTER_MASK)
		loaded = read_shared(&t->loaded_mm);
	smp_rmb();
	if (kern()->lazy_tlb != LAZY_TLB_IPI && read_lazy(cpu))
		return false;
	switch (kern()->flush_filter) {
	case FILTER_MASK:
		break;
	case FILTER_SWITCHING:
		if (loaded == MM_SWITCHING)
			return true;
		/* fallthrough */
	case FILTER_LOADED:
		return trims || !r->mm || loaded == (uintptr_t)r->mm ||
		       (r->mm->kvm && loaded == (uintptr_t)r->mm->kvm->ept);
	}
	return true;
}

/* The CPUs of @mask that must be interrupted, in *@to.
 * Return: are there others than this one in @mask? */
static bool targets(const struct flush_req *r, const u64 *mask, u64 *to)
{
	bool others = false, trims;

	touch(to, true);
	for (u32 w = 0; w < WORDS; w++) {
		to[w] = read_shared(&mask[w]);
		/* vCPUs run with both: the VMM's tables and the guest's. */
		if (r->mm && r->mm->kvm)
			to[w] |= r->mm->kvm->ept->cpumask[w];
		if (w == this_cpu->id / 64)
			to[w] &= ~(1ull << this_cpu->id % 64);
		others |= to[w] != 0;
	}
	trims = others && should_trim(r->mm);
	for (u32 w = 0; w < WORDS && !tells_all(r); w++)
		for (u64 left = to[w]; left; left &= left - 1) {
			u32 bit = (u32)__builtin_ctzll(left);

			if (!must_tell(r, 64 * w + bit, trims))
				to[w] &= ~(1ull << bit);
		}
	if (flusher() && flusher()->narrow)
		flusher()->narrow(r, to);
	return others;
}

bool mm_has_other_cpus(struct mm *mm)
{
	u64 *to = flush_targets();
	bool any = flush_others(mm, to);

	flush_targets_done();
	return any;
}

void flush_count_sent(const struct flush_req *r)
{
	COUNT(REMOTE_FLUSH, 1);
	if (r->is_full)
		COUNT(TLB_FLUSH_SEND_ALL, 1);
	else
		COUNT(TLB_FLUSH_SEND_PAGES, r->end - r->start);
}

static bool pick(const struct flush_req *r, const u64 *mask, u64 *to,
		 bool *is_here)
{
	bool others;

	*is_here = flush_has(mask, this_cpu->id);
	others = targets(r, mask, to);
	if (others && *is_here)
		*is_here = must_tell(r, this_cpu->id, false);
	return others;
}

bool flush_pick(const struct flush_req *r, u64 *to, bool *is_here)
{
	return pick(r, r->mm->cpumask, to, is_here);
}

u64 *flush_targets(void)
{
	u64 *to = &mms()->targets[this_cpu->id * WORDS];

	touch(to, true);
	return to;
}

void flush_targets_done(void)
{
	u64 *to = flush_targets();

	memset(to, 0, WORDS * sizeof(*to));
}

bool flush_others(struct mm *mm, u64 *to)
{
	bool any = false;

	for (u32 w = 0; w < WORDS; w++) {
		to[w] = read_shared(&mm->cpumask[w]);
		if (w == this_cpu->id / 64)
			to[w] &= ~(1ull << this_cpu->id % 64);
		any |= to[w] != 0;
	}
	return any;
}

static void tell(struct flush_req *r, const u64 *to, bool is_here)
{
	if (flusher() && flusher()->tell)
		flusher()->tell(r, to, is_here);
	else
		smp_call_soon(to, flush_remote, may_be_simple(r) ?
			      flush_simple_soon : flush_remote_soon, r,
			      is_here ? flush_func : NULL);
}

/* Counted as sent even if all turn out to be lazy, as Linux does. */
static void flush_cpus(struct flush_req *r, const u64 *mask)
{
	u64 *to = flush_targets();
	bool is_here;

	if (pick(r, mask, to, &is_here)) {
		flush_count_sent(r);
		if (is_here && kern()->flush_is_sequential) {
			flush_func(r);
			is_here = false;
		}
		tell(r, to, is_here);
	} else if (is_here || r->mm) {
		flush_func(r);
	}
	flush_targets_done();
}

void flush_by_ipi(struct flush_req *r)
{
	flush_cpus(r, r->mm->cpumask);
}

static u64 ceiling_of(const struct flush_ops *f, const struct mm *mm)
{
	if (f && f->ceiling_for)
		return f->ceiling_for(mm);
	return f && f->ceiling ? f->ceiling : arch_flush_ceiling();
}

void flush_here(struct flush_req *r)
{
	enum cycle_cat cat = cat_enter(CYC_FLUSH);

	flush_func(r);
	cat_leave(cat);
}

/* What is asked for, and its generation: entries were changed before, masks are
 * read after. */
static void begin_req(struct flush_req *r, struct mm *mm, u64 start, u64 end,
		      u32 order, bool is_full, bool freed_tables,
		      enum flush_op op)
{
	const struct flush_ops *f = flusher();
	u64 ceiling = ceiling_of(f, mm);
	u64 n = (end - start) >> order;

	r->mm = mm;
	r->start = start;
	r->end = end;
	r->order = (u8)order;
	r->is_full = is_full || n > ceiling;
	r->freed_tables = freed_tables;
	r->op = (u8)op;
	PROBE(.what = PROBE_FLUSH, .vpn = start,
	      .n = end == UINT64_MAX ? 0 : end - start, .flag = r->is_full);
	r->new_gen = TLB_GENERATION_INVALID;
	if (kern()->has_tlb_gen && !flush_is_own())
		/* A full barrier; pairs with switch_mm. */
		r->new_gen = atomic_add_return(&mm->tlb_gen, 1);
	else if (!kern()->flush_is_unordered && !(f && f->shoot))
		smp_mb();       /* .shoot has its own */
	oracle_flush_gen(mm, start, end, r->new_gen);
}

void flush_tlb_later(const struct flush_batch *b, struct flush_req *r, u64 *to)
{
	u64 *mine = flush_targets();
	enum cycle_cat cat = cat_enter(CYC_FLUSH);

	COUNT(TLB_FLUSH, 1);
	begin_req(r, b->mm, b->start, b->end, b->order, false, false, b->op);
	(void)targets(r, b->mm->cpumask, mine);
	if (flush_has(b->mm->cpumask, this_cpu->id))
		flush_func(r);
	/* All at once: who finds its bit there takes it away. */
	step(to, true, cost_of(COST_PTE_SCAN));
	memcpy(to, mine, WORDS * sizeof(*to));
	flush_targets_done();
	PROBE(.what = PROBE_FLUSH_END);
	cat_leave(cat);
}

void flush_tlb_alone(const struct flush_batch *b)
{
	struct flush_req *r = my_req();
	enum cycle_cat cat = cat_enter(CYC_FLUSH);

	COUNT(TLB_FLUSH, 1);
	begin_req(r, b->mm, b->start, b->end, b->order, false, false, b->op);
	flush_func(r);
	PROBE(.what = PROBE_FLUSH_END);
	cat_leave(cat);
}

void flush_catch_up(void)
{
	struct flush_req r = { .end = UINT64_MAX, .is_full = 1,
			       .new_gen = TLB_GENERATION_INVALID };

	if (kern()->has_tlb_gen)
		flush_here(&r);
}

void flush_tlb_req(struct mm *mm, u64 start, u64 end, u32 order, bool is_full,
		   bool freed_tables, enum flush_op op)
{
	const struct flush_ops *f = flusher();
	struct flush_req *r = my_req();
	enum cycle_cat cat;

	mmu_notifier_range(mm, start, end);
	cat = cat_enter(CYC_FLUSH);
	COUNT(TLB_FLUSH, 1);
	oracle_flush_begin(mm, start, end, op == FLUSH_DEBT);
	begin_req(r, mm, start, end, order, is_full, freed_tables, op);
	if (f && f->shoot)
		f->shoot(r);
	else
		flush_by_ipi(r);
	oracle_flush_end(mm, start, end, flush_spares_own(start, end, op));
	PROBE(.what = PROBE_FLUSH_END);
	cat_leave(cat);
}

void flush_tlb_batch(const u64 *mask)
{
	struct flush_req *r = my_req();
	enum cycle_cat cat = cat_enter(CYC_FLUSH);

	COUNT(TLB_FLUSH, 1);
	memset(r, 0, sizeof(*r));
	r->end = UINT64_MAX;
	r->new_gen = TLB_GENERATION_INVALID;
	r->is_full = 1;
	r->op = FLUSH_RECLAIM;
	PROBE(.what = PROBE_FLUSH, .flag = true);
	flush_cpus(r, mask);
	PROBE(.what = PROBE_FLUSH_END);
	cat_leave(cat);
}

/* Generic code counts in 4K pages, whatever is mapped: a huge page is above
 * the ceiling, and flushed by flushing everything. */
void flush_tlb_range(struct mm *mm, u64 start, u64 end, u32 order,
		     enum flush_op op)
{
	NOTE("flush_tlb_range [%llu, %llu)", (unsigned long long)start,
	     (unsigned long long)end);
	flush_tlb_req(mm, start, end, order, false, kern()->range_flush_frees,
		      op);
}

void flush_tlb_huge(struct mm *mm, u64 vpn, enum flush_op op)
{
	flush_tlb_range(mm, vpn, vpn + hpage_pages(), 0, op);
}

void flush_tlb_page(struct mm *mm, u64 vpn, enum flush_op op)
{
	NOTE("flush_tlb_page %llu", (unsigned long long)vpn);
	flush_tlb_req(mm, vpn, vpn + 1, 0, false, false, op);
}

void flush_tlb_mm(struct mm *mm, enum flush_op op)
{
	NOTE("flush_tlb_mm");
	flush_tlb_req(mm, 0, UINT64_MAX, 0, true, true, op);
}

/* ---- a flush is still to come -------------------------------------------------- */

/* V3 to V7 of the fix. Pairs with mm_tlb_flush_pending() in the movers. */
void set_tlb_flush_pending(struct mm *mm)
{
	switch (kern()->pending) {
	case PENDING_NONE:
	case PENDING_LAZY:
		return;
	case PENDING_BOOL:
		WRITE_ONCE(mm->tlb_flush_pending, 1);
		break;
	case PENDING_COUNT:
		atomic_inc(&mm->tlb_flush_pending);
		break;
	}
	NOTE("tlb_flush_pending set");
	if (kern()->pending_order == ORDER_MB)
		smp_mb();
}

void clear_tlb_flush_pending(struct mm *mm)
{
	switch (kern()->pending) {
	case PENDING_NONE:
	case PENDING_LAZY:
		return;
	case PENDING_BOOL:
		WRITE_ONCE(mm->tlb_flush_pending, 0);
		break;
	case PENDING_COUNT:
		atomic_dec(&mm->tlb_flush_pending);
		break;
	}
	NOTE("tlb_flush_pending cleared");
}

/* A strategy owes before who changed the entries takes back what it announced. */
bool mm_tlb_flush_pending(struct mm *mm)
{
	if (kern()->pending == PENDING_LAZY)
		return READ_ONCE(mm->numa_tlb_lazy);
	if (kern()->pending == PENDING_NONE)
		return false;
	if (READ_ONCE(mm->tlb_flush_pending))
		return true;
	if (!flusher() || !flusher()->owes)
		return false;
	smp_rmb();
	return READ_ONCE(mm->nr_owed);
}

/* Besides the caller's own. */
bool mm_tlb_flush_nested(struct mm *mm)
{
	return kern()->pending != PENDING_NONE &&
	       READ_ONCE(mm->tlb_flush_pending) >
	       (kern()->nested_wants_three ? 2 : 1);
}

/* May some TLB hold this entry? Not present says no, unless its flush was put
 * off. */
bool pte_accessible(struct mm *mm, u64 pte)
{
	if (pte & PTE_P)
		return true;
	if (!(pte & PTE_NUMA) || !kern()->pte_accessible_pending)
		return false;
	return mm_tlb_flush_pending(mm);
}

/* The mm gets new context numbers: what TLBs hold under the old ones is not used
 * any more by whoever loads it from now on. */
static void roll_over(struct mm *mm, u64 vpn)
{
	const struct flush_batch b = {
		.mm = mm, .start = vpn, .end = vpn + 1, .op = FLUSH_MIGRATE,
	};

	NOTE("new context number");
	flush_tlb_alone(&b);
}

u64 ptep_clear_flush(struct mm *mm, u64 vpn, u32 level, u64 *pte, u64 new_pte,
		     enum flush_op op)
{
	u32 order = paging_order(&the_sys->mem.paging, level);
	u64 old = pte_xchg(mm->root, vpn, level, pte, new_pte);

	oracle_stale_from_now(mm, vpn, 1ull << order);
	if (!kern()->migrate_flushes || !pte_accessible(mm, old))
		return old;
	flush_revoked(mm, vpn, level, old);
	if (op == FLUSH_MIGRATE && kern()->migrate_rolls_over) {
		roll_over(mm, vpn);
		return old;
	}
	if (!flush_is_put_off(mm, vpn, old, op)) {
		if (level)
			flush_tlb_huge(mm, vpn, op);
		else
			flush_tlb_page(mm, vpn, op);
	}
	return old;
}
