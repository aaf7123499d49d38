/* Flushing: which CPUs, what range, who must know that a flush is still to
 * come. Reads next to arch/x86/mm/tlb.c and include/linux/mm_types.h. */
#include <string.h>

#include "mm/flush.h"
#include "mm/mm.h"
#include "mm/oracle.h"

/* One per CPU, as the kernel's per-CPU flush_tlb_info: an initiator has one
 * flush under way. */
static struct flush_req *my_req(void)
{
	return &mms()->req[this_cpu->id];
}

static void flush_local(const struct flush_req *r)
{
	u64 stride = 1ull << r->order, n = 0;

	charge(cost_of(COST_FLUSH_FIXED));
	if (r->is_full) {
		cpu_flush_pcid();
		charge(cost_of(COST_CR3_FLUSH));
		COUNT(LOCAL_FLUSH_ALL, 1);
		NOTE("flush TLB");
		return;
	}
	for (u64 vpn = r->start; vpn < r->end; vpn += stride, n++)
		cpu_invlpg(vpn);
	charge(n * cost_of(COST_INVLPG));
	COUNT(LOCAL_FLUSH_ONE, n);
	NOTE("flush TLB, %llu page%s", (unsigned long long)n, n > 1 ? "s" : "");
}

/* flush_tlb_func: a CPU brings itself up to date. With generations, a request
 * that is exactly the next one may be partial; anything else catches up with
 * all of them at once. */
static void flush_func(void *arg)
{
	struct flush_req *r = arg;
	struct mm *mm = r->mm ? r->mm : current()->mm;
	struct cpu_state *s = this_cpu->s;

	touch(s->env ? (const void *)s->env : (const void *)s, true);
	if (!mm || s->root != mm->root)
		return;
	if (kern()->has_tlb_gen) {
		u64 *seen = &mms()->seen_gen[this_cpu->id];
		u64 gen;

		/* A batch carries no generation (8f1d56f64f8d). */
		if (r->new_gen <= *seen &&
		    (r->new_gen != TLB_GENERATION_INVALID ||
		     !kern()->batch_gen_is_invalid))
			return;
		gen = READ_ONCE(mm->tlb_gen);
		if (gen == *seen)
			return;
		if (r->new_gen != *seen + 1 || r->new_gen != gen) {
			struct flush_req all = *r;

			all.is_full = 1;
			flush_local(&all);
		} else {
			flush_local(r);
		}
		touch(seen, true);
		*seen = gen;
		return;
	}
	flush_local(r);
}

static void flush_remote(void *arg)
{
	COUNT(REMOTE_FLUSH_RECEIVED, 1);
	flush_func(arg);
}

static void flush_here(void *arg)
{
	const struct mm *mm = ((struct flush_req *)arg)->mm;

	if (this_cpu->s->root == mm->root)
		flush_func(arg);
}

bool mm_has_other_cpus(struct mm *mm)
{
	for (u32 w = 0; w < MM_CPUMASK_WORDS; w++) {
		u64 bits = mm->cpumask[w];

		if (w == this_cpu->id / 64)
			bits &= ~(1ull << this_cpu->id % 64);
		if (bits)
			return true;
	}
	return false;
}

void flush_by_ipi(struct flush_req *r)
{
	if (mm_has_other_cpus(r->mm)) {
		COUNT(REMOTE_FLUSH, 1);
		smp_call(r->mm->cpumask, flush_remote, r, flush_here);
	} else {
		flush_here(r);
	}
}

void flush_tlb_req(struct mm *mm, u64 start, u64 end, u32 order, bool is_full)
{
	const struct flush_ops *f = mms()->flush;
	u32 ceiling = f && f->ceiling ? f->ceiling : arch_flush_ceiling();
	struct flush_req *r = my_req();
	enum cycle_cat cat = cat_enter(CYC_FLUSH);
	u64 n = (end - start) >> order;

	COUNT(TLB_FLUSH, 1);
	oracle_flush_begin(mm, start, end);
	r->mm = mm;
	r->start = start;
	r->end = end;
	r->order = (u8)order;
	r->is_full = is_full || n > ceiling;
	if (kern()->has_tlb_gen)
		/* A full barrier: entries changed before it, masks read after. */
		r->new_gen = atomic_add_return(&mm->tlb_gen, 1);
	if (f && f->shoot)
		f->shoot(r);
	else
		flush_by_ipi(r);
	oracle_flush_end(mm, start, end);
	cat_leave(cat);
}

static bool is_in(const u64 *mask, u32 cpu)
{
	return mask[cpu / 64] >> cpu % 64 & 1;
}

void flush_tlb_batch(const u64 *mask)
{
	struct flush_req *r = my_req();
	enum cycle_cat cat = cat_enter(CYC_FLUSH);

	COUNT(TLB_FLUSH, 1);
	COUNT(REMOTE_FLUSH, 1);
	memset(r, 0, sizeof(*r));
	r->end = UINT64_MAX;
	r->new_gen = TLB_GENERATION_INVALID;
	r->is_full = 1;
	smp_call(mask, flush_remote, r, is_in(mask, this_cpu->id) ? flush_func
								  : NULL);
	cat_leave(cat);
}

/* Generic code counts in 4K pages, whatever is mapped: a huge page is above
 * the ceiling, and flushed by flushing everything. */
void flush_tlb_range(struct mm *mm, u64 start, u64 end, u32 order)
{
	NOTE("flush_tlb_range [%llu, %llu)", (unsigned long long)start,
	     (unsigned long long)end);
	flush_tlb_req(mm, start, end, order, false);
}

void flush_tlb_huge(struct mm *mm, u64 vpn)
{
	flush_tlb_range(mm, vpn, vpn + hpage_pages(), 0);
}

void flush_tlb_page(struct mm *mm, u64 vpn)
{
	NOTE("flush_tlb_page %llu", (unsigned long long)vpn);
	flush_tlb_req(mm, vpn, vpn + 1, 0, false);
}

void flush_tlb_mm(struct mm *mm)
{
	NOTE("flush_tlb_mm");
	flush_tlb_req(mm, 0, UINT64_MAX, 0, true);
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

bool mm_tlb_flush_pending(struct mm *mm)
{
	if (kern()->pending == PENDING_LAZY)
		return READ_ONCE(mm->numa_tlb_lazy);
	if (kern()->pending == PENDING_NONE)
		return false;
	return READ_ONCE(mm->tlb_flush_pending);
}

/* Besides the caller's own. */
bool mm_tlb_flush_nested(struct mm *mm)
{
	return kern()->pending != PENDING_NONE &&
	       READ_ONCE(mm->tlb_flush_pending) > 1;
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

u64 ptep_clear_flush(struct mm *mm, u64 vpn, u32 level, u64 *pte, u64 new_pte)
{
	u32 order = paging_order(&the_sys->mem.paging, level);
	u64 old = pte_xchg(mm->root, vpn, level, pte, new_pte);

	oracle_stale_from_now(mm, vpn, 1ull << order);
	if (kern()->migrate_flushes && pte_accessible(mm, old))
		flush_tlb_range(mm, vpn, vpn + (1ull << order), 0);
	return old;
}
