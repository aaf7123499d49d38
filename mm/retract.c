/* Page tables of files' mappings that go because a huge page has taken the place of
 * what they mapped. The huge page itself is not modelled: faults find the file's 4K
 * pages again. Reads next to collapse_pte_mapped_thp() and retract_page_tables() in
 * mm/khugepaged.c. */
#include "mm/file.h"
#include "mm/gather.h"
#include "mm/oracle.h"
#include "mm/rmap.h"

static bool covers_table(const struct vma *v, u64 vpn)
{
	return v && v->file && vpn >= v->start && vpn + hpage_pages() <= v->end;
}

/* Under all locks of walks that this kernel takes. Entries that map the file go
 * first, under the table's lock. */
static void drop_entries(struct vma *v, u64 vpn, u64 *table, u32 pfn)
{
	struct spinlock *ptl = &page_of(pfn)->ptl;

	spin_lock(ptl);
	for (u64 i = 0; i < hpage_pages(); i++) {
		u64 e = pte_load(&table[i]);
		struct page *page = page_of(pte_pfn(e));

		if (!(e & PTE_P))
			continue;
		pte_xchg(v->mm->root, vpn + i, 0, &table[i], 0);
		oracle_stale_from_now(v->mm, vpn + i, 1);
		if (e & PTE_D)
			set_page_dirty(page);
		touch(&page->mapcount, true);
		page->mapcount--;
		touch(&v->mm->rss, true);
		v->mm->rss--;
		put_page(page);
	}
	spin_unlock(ptl);
}

/* pmdp_collapse_flush(): nobody begins a walk through it from here on. */
static void unhook(struct vma *v, u64 vpn, u64 *pmdp)
{
	pte_xchg(v->mm->root, vpn, PMD_LEVEL, pmdp, 0);
	NOTE("PMD[%llu] := NONE", (unsigned long long)(vpn >> hpage_order()));
	oracle_stale_from_now(v->mm, vpn, hpage_pages());
	flush_tlb_huge(v->mm, vpn, FLUSH_COLLAPSE);
}

static void collapse_locked(struct vma *v, u64 vpn, u64 *pmdp)
{
	struct spinlock *pl = pgtable_lock(v->mm, vpn, PMD_LEVEL);
	u64 pmd = pte_load(pmdp);

	if (!(pmd & PTE_P) || pmd_is_huge(pmd))
		return;
	drop_entries(v, vpn, the_sys->mem.table[pte_pfn(pmd)],
		     (u32)pte_pfn(pmd));
	spin_lock(pl);
	unhook(v, vpn, pmdp);
	spin_unlock(pl);
	tables_grace_period();
	put_page(page_of(pte_pfn(pmd)));
}

static void collapse_pte_mapped_thp(struct mm *mm, u64 vpn)
{
	bool locks = kern()->retract_locks_rmap;
	u64 *pmdp;
	struct vma *v;

	down_write(&mm->mmap_lock);
	v = find_vma(mm, vpn);
	pmdp = pgtable_entry(mm, vpn, PMD_LEVEL);
	if (covers_table(v, vpn) && pmdp) {
		if (locks) {
			i_mmap_lock_write(v);
			anon_vma_lock(v->anon_vma);
		}
		collapse_locked(v, vpn, pmdp);
		if (locks) {
			anon_vma_unlock(v->anon_vma);
			i_mmap_unlock_write(v);
		}
	}
	up_write(&mm->mmap_lock);
}

/* The table is empty: its pages were unmapped, and are locked. Who walks at the same
 * time, and looks again once it has the lock (pte_offset_map_lock()), is not
 * modelled. */
static void retract_one(struct vma *v, u64 vpn)
{
	u64 *pmdp = pgtable_entry(v->mm, vpn, PMD_LEVEL), pmd;
	struct spinlock *pl, *ptl;

	pmd = pmdp ? pte_load(pmdp) : 0;
	if (!(pmd & PTE_P) || pmd_is_huge(pmd))
		return;
	pl = pgtable_lock(v->mm, vpn, PMD_LEVEL);
	ptl = &page_of(pte_pfn(pmd))->ptl;
	spin_lock(pl);
	if (pte_load(pmdp) != pmd) {
		spin_unlock(pl);
		return;
	}
	spin_lock(ptl);
	unhook(v, vpn, pmdp);
	spin_unlock(ptl);
	spin_unlock(pl);
	tables_grace_period();
	put_page(page_of(pte_pfn(pmd)));
}

static void retract_page_tables(struct address_space *f)
{
	u64 n = hpage_pages();

	down_read(&f->i_mmap_rwsem);
	touch(&f->i_mmap, false);
	for (struct vma *v = f->i_mmap; v; v = v->next_mapping)
		for (u64 vpn = (v->start + n - 1) & ~(n - 1);
		     !v->has_anon && covers_table(v, vpn); vpn += n)
			retract_one(v, vpn);
	up_read(&f->i_mmap_rwsem);
}

void retract_file(struct address_space *f, struct mm *mm, u64 vpn)
{
	u64 obs = obs_save();

	if (kern()->retract_is_shared)
		retract_page_tables(f);
	else
		collapse_pte_mapped_thp(mm, vpn);
	obs_restore(obs);
}
