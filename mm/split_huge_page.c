/* Splitting a huge page that any number of entries map, whole or in pieces (4.5):
 * all of them become migration entries, so that nobody gets another reference;
 * with exactly the splitter's left the page becomes small ones, which the entries
 * then map. Readers of an entry wait for the page's lock. Reads next to
 * split_huge_page_to_list() in mm/huge_memory.c. */
#include <errno.h>

#include "mm/deferred_split.h"
#include "mm/kvm.h"
#include "mm/lru.h"
#include "mm/oracle.h"
#include "mm/pieces.h"
#include "mm/reclaim.h"
#include "mm/rmap.h"

/* A PMD that maps all of it: the table that takes its place has migration entries
 * from the start (split_huge_pmd() with freeze), so one flush does. */
static void freeze_pmd(struct page *head, struct vma *vma, u64 vpn, u32 level,
		       u64 *pmdp, void *arg)
{
	u64 *pte, old, flags;
	u32 table;

	if (!level || !rmap_maps(pte_load(pmdp), head))
		return;
	table = alloc_table(this_cpu->node);
	if (!table) {
		*(int *)arg = -ENOMEM;
		return;
	}
	mmu_notifier_start(vma->mm, vpn, vpn + hpage_pages());
	old = pmdp_invalidate(vma->mm, vpn, pmdp, FLUSH_SPLIT);
	if (old & PTE_D) {
		touch_flags(head, true);
		head->is_dirty = 1;
	}
	flags = PTE_MIG | (old & PTE_RW ? PTE_MIG_W : 0) |
		(old & (PTE_NX | PTE_SOFTWARE));
	pte = the_sys->mem.table[table];
	for (u64 i = 0; i < hpage_pages(); i++) {
		touch(&pte[i], true);
		pte[i] = pte_make(pfn_of(head) + i, flags);
	}
	pte_store(vma->mm->root, vpn, PMD_LEVEL, pmdp,
		  pte_make(table, PTE_P | PTE_RW | PTE_US | PTE_A));
	NOTE("PMD[%llu] := table of migration entries",
	     (unsigned long long)(vpn >> hpage_order()));
	COUNT(THP_SPLIT_PMD, 1);
	page_unmapped(head, PMD_LEVEL);
	atomic_dec(&head->refcount);
	mmu_notifier_end(vma->mm);
}

/* Return: 0, or an error with some of it done; remap() undoes that. */
static int unmap(struct page *head)
{
	bool batches = kern()->split_batches && mms()->batch;
	int rc = 0;

	if (has_one_entry(head))
		rmap_walk_locked(head, PMD_LEVEL, freeze_pmd, &rc);
	if (rc)
		return rc;
	charge(cost_of(COST_RMAP_WALK));
	try_to_migrate_locked(head, batches);
	if (batches)
		try_to_unmap_flush();
	return 0;
}

/* A walk for each page, as Linux makes. @n: 4K there; @step: a page's. */
static void remap(struct page *head, u64 n, u64 step)
{
	for (u64 i = 0; i < n; i += step) {
		charge(cost_of(COST_RMAP_WALK));
		remove_migration_ptes_locked(head + i);
	}
}

/* The caller has all references there are: none is left to be counted. Tails get one
 * each, and the lock, so that who waits for the page goes on waiting. */
static void make_small(struct page *head)
{
	u64 n = folio_pages(head);
	struct anon_vma *av = head->anon_vma;

	split_queue_del(head);
	lru_split(head);
	COUNT(THP_SPLIT_PAGE, has_one_entry(head));
	for (u64 i = n; i-- > 0; ) {
		struct page *p = head + i;

		touch(p, true);
		touch_flags(p, true);
		if (i) {
			p->lock = head->lock;
			p->refcount = 1;
			p->mapcount = 0;
			p->node = head->node;
			p->last_cpupid = head->last_cpupid;
			p->anon_vma = av;
			p->index = head->index + i;
			p->swap_slot = 0;
			p->is_free = 0;
		}
		p->is_tail = 0;
		p->order = 0;
		p->is_lazyfree = head->is_lazyfree;
		p->is_dirty = head->is_dirty;
		lru_add_split(p);
		charge(cost_of(COST_LRU_PAGE));
	}
	NOTE("frame %llu: %llu pages", (unsigned long long)pfn_of(head),
	     (unsigned long long)n);
}

/* Return: how many are mapped by nobody, and free now. */
static int release_tails(struct page *head, u64 n)
{
	int freed = 0;

	for (u64 i = 1; i < n; i++) {
		unlock_page(head + i);
		if (!atomic_add_return(&head[i].refcount, -1)) {
			free_page_to(head + i);
			freed++;
		}
	}
	return freed;
}

static int split(struct page *head)
{
	u64 n = folio_pages(head);
	int rc;

	/* Before anything is touched: would it do? */
	if (READ_ONCE(head->refcount) != total_mapcount(head) + 1)
		return -EAGAIN;
	pieces_begin(head);
	rc = unmap(head);
	if (rc || !page_ref_freeze(head, 1)) {
		remap(head, n, n);
		return rc ? rc : -EAGAIN;
	}
	make_small(head);
	page_ref_unfreeze(head, 1);
	remap(head, n, 1);
	return release_tails(head, n);
}

int split_huge_page_locked(struct page *head)
{
	struct anon_vma *av = page_get_anon_vma(head);
	bool was_in_reclaim = current()->in_reclaim, is_huge = has_one_entry(head);
	int rc;

	if (!av)
		return -EBUSY;
	anon_vma_lock(av);
	/* Kernels have put tables by when they mapped huge pages. */
	current()->in_reclaim = true;
	rc = split(head);
	current()->in_reclaim = was_in_reclaim;
	anon_vma_unlock(av);
	put_anon_vma(av);
	COUNT(THP_SPLIT_PAGE_FAILED, is_huge && rc < 0);
	return rc;
}

bool split_piece(struct mm *mm, struct spinlock *ptl, u64 e)
{
	struct page *page, *head;

	if (!(e & PTE_P) || (e & PTE_SPECIAL) || !kern()->split_keeps_page)
		return false;
	page = page_of(pte_pfn(e));
	if (!is_piece(page) || page->is_file ||
	    page_mapcount_read(page, 0) != 1 || !trylock_page(page))
		return false;
	head = compound_head(page);
	get_page(head);
	spin_unlock(ptl);
	(void)split_huge_page_locked(head);
	unlock_page(head);
	put_page(head);
	spin_lock(ptl);
	if (kern()->debt_after_relock)
		flush_tlb_batched_pending(mm);
	return true;
}
