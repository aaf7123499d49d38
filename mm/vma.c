/* Address spaces: VMAs, mmap, munmap. */
#include <errno.h>
#include <string.h>

#include "mm/flush.h"
#include "mm/mm.h"
#include "mm/oracle.h"

struct mm *mm_create(void)
{
	struct mm *mm = arena_alloc(&the_sys->arena, sizeof(*mm));

	if (!mm)
		return NULL;
	mm->ctx_id = ++mms()->next_ctx_id;
	mm->tlb_gen = 1;
	mm->brk = 1ull << (the_sys->mem.paging.levels *
			   the_sys->mem.paging.bits - 2);
	mm->root = alloc_table(this_cpu->node);
	return mm->root ? mm : NULL;
}

static bool has_global_asids(void)
{
	return mms()->flush && mms()->flush->has_global_asids;
}

void mm_load(struct mm *mm, u32 cpu)
{
	struct cpu *old = this_cpu;

	this_cpu = &the_sys->cpu[cpu];
	mm->cpumask[cpu / 64] |= 1ull << cpu % 64;
	mm->nr_threads++;
	mms()->seen_gen[cpu] = mm->tlb_gen;
	/* PCID = ASID slot + 1; one address space a CPU uses slot 0. */
	cpu_load_cr3(mm->root, has_global_asids() ? (u16)mm->ctx_id : 1, true);
	this_cpu = old;
}

struct vma *find_vma(struct mm *mm, u64 vpn)
{
	for (struct vma *v = mm->first; v; v = v->next)
		if (vpn < v->end)
			return vpn >= v->start ? v : NULL;
	return NULL;
}

struct vma *vma_add(struct mm *mm, u64 start, u64 nr_pages, u32 flags)
{
	struct vma *v = arena_alloc(&the_sys->arena, sizeof(*v));
	struct anon_vma *av = arena_alloc(&the_sys->arena, sizeof(*av));
	struct vma **p = &mm->first;

	if (!v || !av)
		return NULL;
	v->start = start;
	v->end = start + nr_pages;
	v->flags = flags;
	v->mm = mm;
	v->anon_vma = av;
	av->first = v;
	while (*p && (*p)->start < start)
		p = &(*p)->next;
	v->next = *p;
	*p = v;
	return v;
}

/* Cut @v at @vpn, inside it: what is above becomes a VMA of its own. Pages
 * keep their anon_vma, so both parts are on its list. */
static struct vma *split_vma(struct vma *v, u64 vpn)
{
	struct vma *high = arena_alloc(&the_sys->arena, sizeof(*high));

	if (!high)
		return NULL;
	spin_lock(&v->anon_vma->lock);
	touch(v, true);
	high->start = vpn;
	high->end = v->end;
	high->flags = v->flags;
	high->mm = v->mm;
	high->anon_vma = v->anon_vma;
	high->next = v->next;
	high->anon_next = v->anon_next;
	v->end = vpn;
	v->next = high;
	v->anon_next = high;
	spin_unlock(&v->anon_vma->lock);
	return high;
}

struct vma *find_vma_above(struct mm *mm, u64 vpn)
{
	struct vma *v = mm->first;

	while (v && v->end <= vpn)
		v = v->next;
	return v;
}

int vma_isolate(struct mm *mm, u64 start, u64 end)
{
	struct vma *v = find_vma_above(mm, start);

	if (v && v->start < start && !split_vma(v, start))
		return -ENOMEM;
	v = find_vma_above(mm, end);
	if (v && v->start < end && !split_vma(v, end))
		return -ENOMEM;
	return 0;
}

/* Out of its anon_vma's list: no rmap walk may meet it. */
static void anon_vma_unlink(struct vma *v)
{
	struct vma **p = &v->anon_vma->first;

	spin_lock(&v->anon_vma->lock);
	touch(v, true);
	while (*p != v)
		p = &(*p)->anon_next;
	*p = v->anon_next;
	spin_unlock(&v->anon_vma->lock);
}

static bool can_merge(const struct vma *low, const struct vma *high)
{
	return high && low->end == high->start && low->flags == high->flags &&
	       low->anon_vma == high->anon_vma;
}

void vma_merge(struct mm *mm, u64 start, u64 end)
{
	struct vma *v = find_vma_above(mm, start ? start - 1 : 0);

	while (v && v->start <= end) {
		struct vma *high = v->next;

		if (!can_merge(v, high)) {
			v = high;
			continue;
		}
		anon_vma_unlink(high);
		v->end = high->end;
		v->next = high->next;
	}
}

u64 do_mmap(struct mm *mm, u64 nr_pages, u32 flags)
{
	u64 start, align = flags & VM_HUGE ? hpage_pages() : 1;
	struct vma *v;

	charge(cost_of(COST_SYSCALL));
	down_write(&mm->mmap_lock);
	touch(mm, true);
	start = (mm->brk + align - 1) & ~(align - 1);
	mm->brk = start + nr_pages;
	v = vma_add(mm, start, nr_pages, flags);
	up_write(&mm->mmap_lock);
	return v ? start : 0;
}

static void zap_page(struct mm *mm, struct page *page)
{
	touch(&page->mapcount, true);
	page->mapcount--;
	touch(&mm->rss, true);
	mm->rss -= 1ull << page->order;
}

static void release_zapped(struct flush_batch *b)
{
	struct gather *g = &mms()->gather[this_cpu->id];

	if (!g->n)
		return;
	/* Order: unhook, flush, free. */
	mms()->flush->finish(b);
	for (u32 i = 0; i < g->n; i++)
		put_page(page_of(g->pfn[i]));
	g->n = 0;
}

static void zap_entry(struct flush_batch *b, u64 vpn, u32 level, u64 *p)
{
	struct gather *g = &mms()->gather[this_cpu->id];
	u64 old = pte_load(p);
	u32 order = paging_order(&the_sys->mem.paging, level);

	if (!old)
		return;
	old = pte_xchg(b->mm->root, vpn, level, p, 0);
	oracle_stale_from_now(b->mm, vpn, 1ull << order);
	if (old & PTE_MIG)
		return;         /* the migration finds nothing to restore */
	if (pte_accessible(b->mm, old))
		mms()->flush->changed(b, vpn, order);
	zap_page(b->mm, page_of(pte_pfn(old)));
	g->pfn[g->n++] = (u32)pte_pfn(old);
}

static void zap_range(struct flush_batch *b, u64 start, u64 end)
{
	struct mm *mm = b->mm;
	struct gather *g = &mms()->gather[this_cpu->id];

	for (u64 vpn = start, next; vpn < end; vpn = next) {
		u64 *pmd = pgtable_entry(mm, vpn, PMD_LEVEL), *pte, old;
		struct spinlock *ptl;

		next = (vpn | (hpage_pages() - 1)) + 1;
		if (next > end)
			next = end;
		old = pmd ? pte_load(pmd) : 0;
		if (!old)
			continue;
		if (pmd_is_huge(old)) {
			ptl = pgtable_lock(mm, vpn, PMD_LEVEL);
			spin_lock(ptl);
			zap_entry(b, vpn, PMD_LEVEL, pmd);
			mms()->flush->unlock(b);
			spin_unlock(ptl);
			if (g->n == g->capacity)
				release_zapped(b);
			continue;
		}
		while (vpn < next) {
			ptl = pgtable_lock(mm, vpn, 0);
			spin_lock(ptl);
			for (; vpn < next && g->n < g->capacity; vpn++) {
				pte = pgtable_entry(mm, vpn, 0);
				zap_entry(b, vpn, 0, pte);
			}
			mms()->flush->unlock(b);
			spin_unlock(ptl);
			if (g->n == g->capacity)
				release_zapped(b);
		}
	}
}

/* Take [start, end) out of @mm, which is locked for writing: the VMAs and
 * parts of VMAs in it, with one flush for all. */
static int unmap_region(struct mm *mm, u64 start, u64 end)
{
	struct vma **p = &mm->first, *v;
	struct flush_batch b;
	int rc = vma_isolate(mm, start, end);

	if (rc)
		return rc;
	while ((v = *p) && v->start < start)
		p = &v->next;
	if (!v || v->start >= end)
		return 0;
	flush_batch_begin(&b, mm);
	set_tlb_flush_pending(mm);
	for (v = *p; v && v->start < end; v = v->next)
		zap_range(&b, v->start, v->end);
	mms()->flush->finish(&b);
	release_zapped(&b);
	clear_tlb_flush_pending(mm);
	for (v = *p; v && v->start < end; v = *p) {
		oracle_rights(mm, v->start, v->end, 0);
		anon_vma_unlink(v);
		*p = v->next;
	}
	return 0;
}

int do_mmap_fixed(struct mm *mm, u64 start, u64 nr_pages, u32 flags)
{
	enum cycle_cat cat = cat_enter(CYC_KERNEL);
	int rc;

	charge(cost_of(COST_SYSCALL));
	down_write(&mm->mmap_lock);
	touch(mm, true);
	rc = unmap_region(mm, start, start + nr_pages);
	if (!rc && !vma_add(mm, start, nr_pages, flags))
		rc = -ENOMEM;
	up_write(&mm->mmap_lock);
	cat_leave(cat);
	return rc;
}

int do_munmap(struct mm *mm, u64 start, u64 nr_pages)
{
	enum cycle_cat cat = cat_enter(CYC_KERNEL);
	int rc;

	charge(cost_of(COST_SYSCALL));
	down_write(&mm->mmap_lock);
	touch(mm, true);
	rc = unmap_region(mm, start, start + nr_pages);
	up_write(&mm->mmap_lock);
	cat_leave(cat);
	return rc;
}
