/* Automatic NUMA balancing: the scanner and the hint faults it causes. */
#include "mm/flush.h"
#include "mm/mm.h"
#include "mm/numa_balancing.h"
#include "mm/oracle.h"
#include "mm/pieces.h"

/* ---- scanner ----------------------------------------------------------------- */

/* numa_tlb_lazy (V2): the barrier stands before the store, where the posting
 * put it. */
static void set_numa_tlb_lazy(struct mm *mm, bool is_lazy)
{
	if (kern()->pending != PENDING_LAZY)
		return;
	smp_wmb();              /* with do_huge_pmd_numa_page */
	WRITE_ONCE(mm->numa_tlb_lazy, is_lazy);
	NOTE("numa_tlb_lazy := %d", is_lazy);
}

u64 numa_mark_clears(void)
{
	return PTE_P | (kern()->numa.marks_lose_write ? PTE_RW : 0);
}

u64 change_prot_numa(struct vma *vma, u64 start, u64 end)
{
	u64 huge = this_cpu->count.v[CTR_NUMA_HUGE_PTE_UPDATES], n;

	if (!kern()->lazy_spans_loop)
		set_numa_tlb_lazy(vma->mm, true);
	n = change_protection(vma, start, end, vma->flags, CP_NUMA);
	if (!kern()->lazy_spans_loop)
		set_numa_tlb_lazy(vma->mm, false);
	COUNT(NUMA_PTE_UPDATES, n);
	/* 0255d491: a huge entry is one. */
	if (numab() && kern()->numa.pmd_counts_one) {
		huge = this_cpu->count.v[CTR_NUMA_HUGE_PTE_UPDATES] - huge;
		COUNT(NUMA_PTE_UPDATES, -(huge * (hpage_pages() - 1)));
	}
	return n;
}

/* One scan step of at most scan_pages, from where the last one of this mm
 * ended. Several threads may be in here when one was slow. */
void task_numa_work(void)
{
	struct mm *mm = current()->mm;
	enum cycle_cat cat = cat_enter(CYC_SCAN);
	u64 pages = mms()->scan_pages, start, changed = 0;
	struct vma *vma;

	down_read(&mm->mmap_lock);
	start = READ_ONCE(mm->numa_scan_offset);
	for (vma = mm->first; vma && vma->end <= start; vma = vma->next)
		;
	if (!vma) {
		atomic_inc(&mm->numa_scan_seq);
		start = 0;
		vma = mm->first;
	}
	if (kern()->lazy_spans_loop)
		set_numa_tlb_lazy(mm, true);
	for (; vma; vma = vma->next) {
		if (!(vma->flags & VM_MIGRATABLE))
			continue;
		if (start < vma->start)
			start = vma->start;
		while (start < vma->end && pages) {
			u64 end = start + pages, n;

			end = (end + hpage_pages() - 1) & ~(hpage_pages() - 1);
			if (end > vma->end)
				end = vma->end;
			changed += change_prot_numa(vma, start, end);
			/* Once something changed, every piece is charged. */
			n = changed ? end - start : 0;
			pages = n < pages ? pages - n : 0;
			start = end;
		}
		if (!pages)
			break;
	}
	if (kern()->lazy_spans_loop)
		set_numa_tlb_lazy(mm, false);
	WRITE_ONCE(mm->numa_scan_offset, vma ? start : 0);
	up_read(&mm->mmap_lock);
	cat_leave(cat);
}

/* ---- policy -------------------------------------------------------------------- */

/* Where the page should be, seen from this CPU, or -1 for where it is. Two
 * faults in a row from one node are needed, except for the first ever. */
static int mpol_misplaced(struct page *page, u64 entry)
{
	u32 me = this_cpu->id + 1, last;

	if (numab())
		return numa_misplaced(page, entry);
	last = xchg(&page->last_cpupid, me);
	if (last && the_sys->m->cpu[last - 1].node != this_cpu->node)
		return -1;
	return page->node == this_cpu->node ? -1 : (int)this_cpu->node;
}

static void count_hint_fault(const struct page *page)
{
	COUNT(NUMA_HINT_FAULTS, 1);
	COUNT(NUMA_HINT_FAULTS_LOCAL, page->node == this_cpu->node);
}

/* ---- PTE ------------------------------------------------------------------------ */

/* numa_rebuild_large_mapping(): all entries of @head around @vpn, of one table. */
static void give_folio_back(struct mm *mm, struct vma *vma, u64 vpn, u64 *ptep,
			    struct page *head, u64 pte)
{
	u64 in_folio = pte_pfn(pte) - pfn_of(head);
	u64 start = vpn & ~(hpage_pages() - 1), end = start + hpage_pages();

	if (vpn - start > in_folio)
		start = vpn - in_folio;
	if (end - vpn > folio_pages(head) - in_folio)
		end = vpn + folio_pages(head) - in_folio;
	start = start > vma->start ? start : vma->start;
	end = end < vma->end ? end : vma->end;
	for (u64 v = start; v < end; v++) {
		u64 *p = ptep + (s64)(v - vpn), e = pte_load(p);

		if ((e & PTE_NUMA) && compound_head(page_of(pte_pfn(e))) == head)
			pte_modify(mm->root, v, 0, p, PTE_NUMA, PTE_P | PTE_A);
	}
}

/* Under the page-table lock; @pte is what is there. */
static void give_pte_back(struct mm *mm, struct vma *vma, u64 vpn, u64 *ptep,
			  u64 pte)
{
	struct page *head = compound_head(page_of(pte_pfn(pte)));

	if (kern()->numa.large_folios && head->order)
		give_folio_back(mm, vma, vpn, ptep, head, pte);
	else
		pte_modify(mm->root, vpn, 0, ptep, PTE_NUMA, PTE_P | PTE_A);
}

int do_numa_page(struct mm *mm, struct vma *vma, u64 vpn, u64 *ptep, u64 pte)
{
	struct spinlock *ptl = pgtable_lock(mm, vpn, 0);
	struct page *page = compound_head(page_of(pte_pfn(pte)));
	int target = -1;

	spin_lock(ptl);
	if (pte_load(ptep) != pte) {
		spin_unlock(ptl);
		return 0;
	}
	/* Of pieces one program does not know how many map them; Linux, too,
	 * leaves them where they are until 6.10, and does not count. */
	if (!page->order || kern()->numa.large_folios)
		count_hint_fault(page);
	if (kern()->numa_pte_present_first) {
		give_pte_back(mm, vma, vpn, ptep, pte);
		NOTE("PTE[%llu] := present", (unsigned long long)vpn);
	}
	if (!page->order || kern()->numa.large_folios)
		target = mpol_misplaced(page, pte);
	if (target >= 0)
		get_page(page);
	else if (!kern()->numa_pte_present_first)
		give_pte_back(mm, vma, vpn, ptep, pte);
	spin_unlock(ptl);
	if (target < 0)
		return 0;
	flush_settle(mm, vpn, vpn + 1);
	if (numa_hint_moved(migrate_misplaced_page(page, (u32)target), target) ||
	    kern()->numa_pte_present_first)
		return 0;
	/* Not moved and still PROT_NONE: give it back. */
	spin_lock(ptl);
	pte = pte_load(ptep);
	if ((pte & PTE_NUMA) && compound_head(page_of(pte_pfn(pte))) == page)
		give_pte_back(mm, vma, vpn, ptep, pte);
	spin_unlock(ptl);
	return 0;
}

/* ---- PMD ------------------------------------------------------------------------ */

/* Under the PMD lock and, but for old kernels, the page lock: the page stays. */
static void clear_pmd_numa(struct mm *mm, u64 vpn, u64 *pmdp, u64 pmd)
{
	pte_store(mm->root, vpn, PMD_LEVEL, pmdp,
		  (pmd & ~PTE_NUMA) | PTE_P | PTE_A);
	NOTE("PMD[%llu] := present, frame %llu",
	     (unsigned long long)(vpn >> hpage_order()),
	     (unsigned long long)pte_pfn(pmd));
}

/* Before 3f926ab945b6: the page lock was dropped before NUMA was cleared, and
 * the entry written was the one read first. */
static void clear_pmd_numa_unlocked(struct mm *mm, u64 vpn, u64 *pmdp, u64 pmd,
				    struct page *page, struct spinlock *ptl)
{
	unlock_page(page);
	spin_lock(ptl);
	clear_pmd_numa(mm, vpn, pmdp, pmd);
	spin_unlock(ptl);
}

static void numa_check_pending(struct mm *mm, u64 vpn)
{
	if (mm_tlb_flush_pending(mm))
		flush_tlb_huge(mm, vpn, FLUSH_DEBT);
}

/* Since 5.14: the page is isolated by generic migration, the entry stays NUMA
 * until then. */
static int do_huge_pmd_numa_page_generic(struct mm *mm, u64 vpn, u64 *pmdp,
					 u64 pmd)
{
	struct spinlock *ptl = pgtable_lock(mm, vpn, PMD_LEVEL);
	struct page *page = page_of(pte_pfn(pmd));
	int target;

	spin_lock(ptl);
	if (pte_load(pmdp) != pmd)
		goto out;
	count_hint_fault(page);
	target = mpol_misplaced(page, pmd);
	if (target >= 0) {
		get_page(page);
		spin_unlock(ptl);
		flush_settle(mm, vpn, vpn + hpage_pages());
		if (numa_hint_moved(migrate_misplaced_page(page, (u32)target),
				    target))
			return 0;
		spin_lock(ptl);
		if (pte_load(pmdp) != pmd)
			goto out;
	}
	clear_pmd_numa(mm, vpn, pmdp, pmd);
out:
	spin_unlock(ptl);
	return 0;
}

/* Page locked and referenced, entry checked; the rest of the fixes' looks. */
static int migrate_huge(struct mm *mm, struct vma *vma, u64 vpn, u64 *pmdp,
			u64 pmd, struct page *page, u32 node)
{
	if (kern()->thp_check == CHECK_BEFORE_MIGRATE) {
		smp_rmb();      /* with task_numa_work */
		numa_check_pending(mm, vpn);
	}
	if (numa_hint_moved(migrate_misplaced_transhuge_page(mm, vma, pmdp, pmd,
							     vpn, page, node),
			    (int)node))
		COUNT(NUMA_PAGES_MIGRATED, hpage_pages());
	return 0;
}

/* No kernel did this; the model's question: what if the entry was seen by
 * hardware alone, and no lock of the scanner's was taken since? */
static int numa_fault_without_ptl(struct mm *mm, struct vma *vma, u64 vpn,
				  u64 *pmdp, u64 pmd)
{
	struct spinlock *ptl = pgtable_lock(mm, vpn, PMD_LEVEL);
	struct page *page = page_of(pte_pfn(pmd));
	int target;

	count_hint_fault(page);
	target = mpol_misplaced(page, pmd);
	if (target < 0) {
		spin_lock(ptl);
		if (pte_load(pmdp) == pmd)
			clear_pmd_numa(mm, vpn, pmdp, pmd);
		spin_unlock(ptl);
		return 0;
	}
	get_page(page);
	lock_page(page);
	if (kern()->thp_check == CHECK_UNDER_PTL)
		numa_check_pending(mm, vpn);
	return migrate_huge(mm, vma, vpn, pmdp, pmd, page, (u32)target);
}

/* Under @ptl, which is dropped: somebody moves the page, so this fault is none of
 * the statistics'. Waiting takes no reference, lest the move fail for it. */
static int wait_for_mover(struct page *page, struct spinlock *ptl)
{
	spin_unlock(ptl);
	numa_hint_forget();
	wait_on_page_locked(page);
	return 0;
}

/* pmd_trans_migrating() */
static bool is_migrating(struct page *page)
{
	return kern()->numa.waits_migrating && READ_ONCE(page->lock);
}

int do_huge_pmd_numa_page(struct mm *mm, struct vma *vma, u64 vpn, u64 *pmdp,
			  u64 pmd)
{
	struct spinlock *ptl = pgtable_lock(mm, vpn, PMD_LEVEL);
	struct page *page = page_of(pte_pfn(pmd));
	bool is_locked;
	int target;

	vpn &= ~(hpage_pages() - 1);
	if (kern()->is_thp_migration_generic)
		return do_huge_pmd_numa_page_generic(mm, vpn, pmdp, pmd);
	if (kern()->reader_without_ptl)
		return numa_fault_without_ptl(mm, vma, vpn, pmdp, pmd);

	spin_lock(ptl);
	if (pte_load(pmdp) != pmd) {
		spin_unlock(ptl);
		return 0;
	}
	if (is_migrating(page))
		return wait_for_mover(page, ptl);
	count_hint_fault(page);
	target = mpol_misplaced(page, pmd);
	is_locked = trylock_page(page);
	if (!is_locked && (target < 0 || kern()->numa.waits_migrating))
		return wait_for_mover(page, ptl);
	if (target < 0) {
		if (kern()->numa_clear_holds_page_lock) {
			clear_pmd_numa(mm, vpn, pmdp, pmd);
			spin_unlock(ptl);
			unlock_page(page);
		} else {
			spin_unlock(ptl);
			clear_pmd_numa_unlocked(mm, vpn, pmdp, pmd, page, ptl);
		}
		return 0;
	}
	get_page(page);
	spin_unlock(ptl);
	if (!is_locked)
		lock_page(page);

	spin_lock(ptl);
	if (pte_load(pmdp) != pmd && kern()->thp_recheck_after_lock) {
		spin_unlock(ptl);
		numa_hint_forget();
		unlock_page(page);
		put_page(page);
		return 0;
	}
	if (kern()->thp_check == CHECK_UNDER_PTL)
		numa_check_pending(mm, vpn);
	spin_unlock(ptl);
	return migrate_huge(mm, vma, vpn, pmdp, pmd, page, (u32)target);
}
