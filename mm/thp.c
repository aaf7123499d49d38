/* Splitting a huge page, page and mapping at once, as kernels before 4.5 did
 * for all mappings (thp_split.c), and as later ones come to do for a page that one
 * mm maps and that is to become small ones; a mapping alone: pieces.c; a page by
 * itself, whoever maps it: split_huge_page.c. */
#include <errno.h>

#include "mm/deferred_split.h"
#include "mm/lru.h"
#include "mm/mm.h"
#include "mm/oracle.h"
#include "mm/pieces.h"

/* One page becomes many, each with the mappings' references. Its lock and
 * reference are the caller's, on the first of them. */
void split_page(struct page *head)
{
	u64 n = 1ull << head->order;
	u32 mappings = head->mapcount;

	COUNT(THP_SPLIT_PAGE, 1);
	if (head[1].is_tail)
		split_queue_del(head);
	lru_split(head);
	for (u64 i = n; i-- > 0; ) {
		struct page *p = head + i;

		touch(p, true);
		if (i) {
			p->lock = 0;
			p->refcount = mappings;
			p->node = head->node;
			p->last_cpupid = head->last_cpupid;
			p->anon_vma = head->anon_vma;
			p->index = head->index + i;
			p->is_free = 0;
		}
		p->mapcount = mappings;
		p->is_tail = 0;
		lru_add_split(p);
		p->is_lazyfree = head->is_lazyfree;
		p->is_dirty = head->is_dirty;
		p->is_shared = head->is_shared;
		p->order = 0;
	}
}

u64 pmdp_invalidate(struct mm *mm, u64 vpn, u64 *pmdp, enum flush_op op)
{
	u64 old;

	if (kern()->pmd_invalidate_peeks) {
		old = pte_load(pmdp);
		pte_store(mm->root, vpn, PMD_LEVEL, pmdp,
			  (old & ~PTE_P) | PTE_NUMA);
	} else {
		old = pte_modify(mm->root, vpn, PMD_LEVEL, pmdp, PTE_P,
				 PTE_NUMA);
	}
	NOTE("PMD[%llu] := invalid", (unsigned long long)(vpn >> hpage_order()));
	oracle_stale_from_now(mm, vpn, hpage_pages());
	flush_tlb_huge(mm, vpn, op);
	return old;
}

/* Invalid, flush, table: a CPU must never find both sizes (R18e). */
void split_pmd_to(struct mm *mm, u64 vpn, u64 *pmdp, u32 table)
{
	u64 *pte = the_sys->mem.table[table], n = hpage_pages(), old;

	COUNT(THP_SPLIT_PMD, 1);
	old = kern()->split_mixes_sizes ? pte_load(pmdp)
					: pmdp_invalidate(mm, vpn, pmdp, FLUSH_SPLIT);
	/* Bits that hardware set until just now are in @old. */
	for (u64 i = 0; i < n; i++) {
		touch(&pte[i], true);
		pte[i] = pte_make(pte_pfn(old) + i, old & ~(PTE_PS |
				  PTE_SPLITTING | PTE_PFN_MASK));
	}
	pte_store(mm->root, vpn, PMD_LEVEL, pmdp,
		  pte_make(table, PTE_P | PTE_RW | PTE_US | PTE_A));
	NOTE("PMD[%llu] := table, huge page split",
	     (unsigned long long)(vpn >> hpage_order()));
	oracle_one_size(mm, vpn, pmdp, 0);
	if (kern()->split_mixes_sizes)
		flush_tlb_huge(mm, vpn, FLUSH_SPLIT);
}

/* The page goes first: by the time the table is there, its pages are small. */
static void split_pmd(struct mm *mm, u64 vpn, u64 *pmdp, struct page *page,
		      u32 table)
{
	split_page(page);
	split_pmd_to(mm, vpn, pmdp, table);
}

/* What @pmdp maps there; with @with_page the page, too, if this is the only mapping
 * and there cannot be another: it is locked. Return: 0; -EBUSY; -EAGAIN: it must be. */
static int split_what_it_maps(struct mm *mm, u64 vpn, u64 *pmdp,
			      struct page *page, u32 table, bool with_page,
			      bool is_locked)
{
	if (with_page && total_mapcount(page) == 1) {
		if (!is_locked)
			return -EAGAIN;
		split_pmd(mm, vpn, pmdp, page, table);
		return 0;
	}
	if (!kern()->huge_in_pieces)
		return -EBUSY;
	split_mapping(mm, vpn, pmdp, page, table);
	return 0;
}

static int split_locked(struct mm *mm, u64 vpn, u64 *pmdp, struct page *page,
			u32 table, bool with_page, bool is_locked)
{
	struct spinlock *ptl = pgtable_lock(mm, vpn, PMD_LEVEL);
	int rc = -EAGAIN;
	u64 pmd;

	spin_lock(ptl);
	pmd = pte_load(pmdp);
	if (pmd_is_huge(pmd) && !(pmd & PTE_MIG) &&
	    page_of(pte_pfn(pmd)) == page)
		rc = split_what_it_maps(mm, vpn, pmdp, page, table, with_page,
					is_locked);
	spin_unlock(ptl);
	return rc;
}

/* Migration is kept out, and since 5.8 copy-on-write in other address spaces, which
 * counts mappings (c444eb564fb1). */
static bool must_lock(struct page *page, bool with_page)
{
	return !kern()->huge_in_pieces || kern()->split_locks_page ||
	       (with_page && READ_ONCE(page->mapcount) == 1);
}

int split_huge_pmd_at(struct mm *mm, u64 vpn, enum split_what what)
{
	bool with_page = what == SPLIT_PAGE || !kern()->split_keeps_page;
	u64 head = vpn & ~(hpage_pages() - 1), *pmdp, pmd;
	int rc = -EAGAIN;

	while (rc == -EAGAIN) {
		struct page *page;
		bool is_locked;
		u32 table;

		pmdp = head == vpn ? NULL : pgtable_entry(mm, head, PMD_LEVEL);
		pmd = pmdp ? pte_load(pmdp) : 0;
		if (!pmd_is_huge(pmd))
			return 0;
		page = page_of(pte_pfn(pmd));
		if (pmd & PTE_MIG) {
			wait_on_page_locked(page);
			continue;
		}
		table = alloc_table(this_cpu->node);
		if (!table)
			return -ENOMEM;
		is_locked = must_lock(page, with_page);
		if (is_locked)
			lock_page(page);
		rc = split_locked(mm, head, pmdp, page, table, with_page,
				  is_locked);
		if (is_locked)
			unlock_page(page);
		if (rc)
			put_page(page_of(table));
	}
	return rc;
}
