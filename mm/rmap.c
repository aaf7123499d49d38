/* Walking an anon_vma: each VMA that may map the page, its entry under its
 * page-table lock. */
#include "mm/flush.h"
#include "mm/mm.h"
#include "mm/oracle.h"
#include "mm/rmap.h"

/* Where @vma would map @page: false when outside. Two loads of what
 * vma_adjust() stores, see there. */
static bool vma_address(struct vma *vma, const struct page *page, u64 *vpn)
{
	u64 start = READ_ONCE(vma->start), pgoff = READ_ONCE(vma->pgoff);

	touch(&vma->end, false);
	*vpn = start + (page->index - pgoff);
	return *vpn >= start && *vpn < vma->end;
}

static void visit_vma(struct page *page, struct vma *v, rmap_visit *visit,
		      void *arg)
{
	u32 level = page->order ? PMD_LEVEL : 0;
	struct spinlock *ptl;
	u64 vpn, *p;

	if (!vma_address(v, page, &vpn))
		return;
	p = pgtable_entry(v->mm, vpn, level);
	if (!p)
		return;
	ptl = pgtable_lock(v->mm, vpn, level);
	spin_lock(ptl);
	visit(page, v, vpn, level, p, arg);
	spin_unlock(ptl);
}

void rmap_walk(struct page *page, rmap_visit *visit, void *arg)
{
	struct anon_vma *av = page->anon_vma;

	charge(cost_of(COST_RMAP_WALK));
	if (!av)
		return;
	anon_vma_lock(av);
	for (struct anon_vma_chain *c = av->first; c; c = c->next)
		visit_vma(page, c->vma, visit, arg);
	anon_vma_unlock(av);
}

bool rmap_maps(u64 e, const struct page *page)
{
	return e && !(e & PTE_MIG) && (e & (PTE_P | PTE_NUMA)) &&
	       pte_pfn(e) == pfn_of(page);
}

static void unmap_one(struct page *page, struct vma *vma, u64 vpn, u32 level,
		      u64 *p, void *arg)
{
	struct mm *mm = vma->mm;
	u64 e = pte_load(p), mig;

	if (!rmap_maps(e, page))
		return;
	mig = pte_make(pfn_of(page), PTE_MIG |
		       (e & PTE_RW ? PTE_MIG_W : 0) | (e & PTE_NX));
	if (level) {
		/* pmdp_invalidate: exchanged, and flushed whatever it was. */
		pte_xchg(mm->root, vpn, level, p, mig);
		NOTE("PMD[%llu] := migration entry",
		     (unsigned long long)(vpn >> hpage_order()));
		oracle_stale_from_now(mm, vpn, hpage_pages());
		if (kern()->pmd_migration_flushes)
			flush_tlb_huge(mm, vpn);
	} else {
		ptep_clear_flush(mm, vpn, 0, p, mig);
		NOTE("PTE[%llu] := migration entry", (unsigned long long)vpn);
	}
	touch(&page->mapcount, true);
	page->mapcount--;
	atomic_dec(&page->refcount);
}

u32 try_to_migrate(struct page *page)
{
	rmap_walk(page, unmap_one, NULL);
	return READ_ONCE(page->mapcount);
}

static void restore_one(struct page *page, struct vma *vma, u64 vpn, u32 level,
			u64 *p, void *arg)
{
	struct page *new = arg;
	u64 e = pte_load(p), flags;

	if (!(e & PTE_MIG) || pte_pfn(e) != pfn_of(page))
		return;
	flags = PTE_US | PTE_A | PTE_D | (e & PTE_NX) | (level ? PTE_PS : 0) |
		(e & PTE_MIG_W ? PTE_RW : 0);
	flags |= vma->flags & (VM_READ | VM_WRITE) ? PTE_P : PTE_NUMA;
	atomic_inc(&new->refcount);
	touch(&new->mapcount, true);
	new->mapcount++;
	pte_store(vma->mm->root, vpn, level, p, pte_make(pfn_of(new), flags));
	NOTE("%s[%llu] := frame %llu", level ? "PMD" : "PTE",
	     (unsigned long long)vpn, (unsigned long long)pfn_of(new));
}

void remove_migration_ptes(struct page *old, struct page *new)
{
	rmap_walk(old, restore_one, new);
	if (old != new)
		oracle_moved(old);
}
