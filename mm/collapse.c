/* khugepaged: small pages of one huge page's range become it. Reads next to
 * collapse_huge_page() in mm/khugepaged.c. */
#include <errno.h>

#include "mm/flush.h"
#include "mm/lru.h"
#include "mm/mm.h"
#include "mm/oracle.h"
#include "mm/rmap.h"

static void nothing(void *arg)
{
}

/* All CPUs have interrupts on for a moment, so that none is in GUP-fast any
 * more; flushes by broadcast do not see to that (tlb_remove_table_sync_one). */
static void sync_with_gup_fast(void)
{
	u64 all[MM_CPUMASK_WORDS] = { 0 };

	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		if (the_sys->cpu[i].task)
			all[i / 64] |= 1ull << i % 64;
	NOTE("IPI to all: nobody is in GUP-fast");
	smp_call(all, nothing, NULL, nothing);
}

/* Nobody but the one mapping has it, and nobody is to get it. */
static bool isolate_page(struct page *page)
{
	if (!trylock_page(page))
		return false;
	if (READ_ONCE(page->mapcount) == 1 &&
	    READ_ONCE(page->refcount) == 1 && xchg(&page->is_lru, 0)) {
		lru_del(page);
		return true;
	}
	unlock_page(page);
	return false;
}

/* Nothing of the program's is there: the huge page has zeros there already. */
static bool is_none(u64 e)
{
	return !e || (e & PTE_SPECIAL);
}

static void release(u64 *table, u64 n)
{
	for (u64 i = 0; i < n; i++) {
		struct page *page = page_of(pte_pfn(table[i]));

		if (is_none(table[i]))
			continue;
		(void)xchg(&page->is_lru, 1);
		if (mms()->lru)
			lru_add(page);
		unlock_page(page);
	}
}

/* Under the table's lock; it is detached. Return: pages isolated, all or stopped
 * at one that somebody has. */
static u64 isolate_all(u64 *table)
{
	u64 i = 0;

	for (; i < hpage_pages(); i++) {
		u64 e = pte_load(&table[i]);

		if (!is_none(e) && (!(e & PTE_P) || !isolate_page(page_of(pte_pfn(e)))))
			break;
	}
	return i;
}

static void copy_all(struct mm *mm, u64 vpn, u64 *table, struct page *new)
{
	for (u64 i = 0; i < hpage_pages(); i++) {
		struct page *page = page_of(pte_pfn(table[i]));

		if (is_none(table[i])) {
			touch(&mm->rss, true);
			mm->rss++;
			if (table[i])
				pte_store(mm->root, vpn + i, 0, &table[i], 0);
			continue;
		}
		copy_page(new + i, page);
		pte_store(mm->root, vpn + i, 0, &table[i], 0);
		oracle_moved(page);
		touch(&page->mapcount, true);
		page->mapcount--;
		unlock_page(page);
		put_page(page);
	}
}

static void map_huge(struct vma *vma, u64 vpn, u64 *pmdp, struct page *new)
{
	u64 flags = PTE_P | PTE_US | PTE_A | PTE_D | PTE_PS | PTE_NX |
		    (vma->flags & VM_WRITE ? PTE_RW : 0);

	touch(new, true);
	new->mapcount = 1;
	new->index = vma->pgoff + (vpn - vma->start);
	new->anon_vma = vma->anon_vma;
	lru_add(new);
	pte_store(vma->mm->root, vpn, PMD_LEVEL, pmdp,
		  pte_make(pfn_of(new), flags));
	NOTE("PMD[%llu] := huge page, frame %llu",
	     (unsigned long long)(vpn >> hpage_order()),
	     (unsigned long long)pfn_of(new));
	oracle_one_size(vma->mm, vpn, pmdp, PMD_LEVEL);
}

/* mmap_lock and the anon_vma lock keep faults and walks out; what is left are
 * hardware and GUP-fast. */
static int collapse_locked(struct vma *vma, u64 vpn, u64 *pmdp,
			   struct page *new)
{
	struct spinlock *pl = pgtable_lock(vma->mm, vpn, PMD_LEVEL), *ptl;
	u64 pmd = pte_load(pmdp), *table, n;

	if (!(pmd & PTE_P) || pmd_is_huge(pmd))
		return -EAGAIN;
	table = the_sys->mem.table[pte_pfn(pmd)];
	ptl = &page_of(pte_pfn(pmd))->ptl;
	anon_vma_lock(vma->anon_vma);
	spin_lock(pl);
	pmd = pte_xchg(vma->mm->root, vpn, PMD_LEVEL, pmdp, 0);
	NOTE("PMD[%llu] := NONE", (unsigned long long)(vpn >> hpage_order()));
	oracle_stale_from_now(vma->mm, vpn, hpage_pages());
	flush_tlb_huge(vma->mm, vpn, FLUSH_COLLAPSE);
	spin_unlock(pl);
	if (kern()->collapse_syncs)
		sync_with_gup_fast();

	spin_lock(ptl);
	n = isolate_all(table);
	spin_unlock(ptl);
	if (n < hpage_pages()) {
		release(table, n);
		spin_lock(pl);
		pte_store(vma->mm->root, vpn, PMD_LEVEL, pmdp, pmd);
		spin_unlock(pl);
		anon_vma_unlock(vma->anon_vma);
		return -EBUSY;
	}
	anon_vma_unlock(vma->anon_vma);

	copy_all(vma->mm, vpn, table, new);
	spin_lock(pl);
	map_huge(vma, vpn, pmdp, new);
	spin_unlock(pl);
	put_page(page_of(pte_pfn(pmd)));
	return 0;
}

int collapse_huge_page(struct mm *mm, u64 vpn)
{
	struct page *new = alloc_page(this_cpu->node, hpage_order());
	struct vma *vma;
	int rc = -EINVAL;
	u64 *pmdp;

	if (!new)
		return -ENOMEM;
	COUNT(THP_COLLAPSE_ALLOC, 1);
	zero_page(new);
	down_write(&mm->mmap_lock);
	vma = find_vma(mm, vpn);
	pmdp = pgtable_entry(mm, vpn, PMD_LEVEL);
	if (vma && vpn >= vma->start && vpn + hpage_pages() <= vma->end && pmdp)
		rc = collapse_locked(vma, vpn, pmdp, new);
	up_write(&mm->mmap_lock);
	if (rc)
		put_page(new);
	return rc;
}
