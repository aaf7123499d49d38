/* Moving pages: the private THP NUMA migration (3.8 to 5.13), and migration
 * through entries (4K always; huge pages since 5.14 here). */
#include "mm/file.h"
#include "mm/flush.h"
#include "mm/lru.h"
#include "mm/migrate.h"
#include "mm/mlock.h"
#include "mm/mm.h"
#include "mm/numa_balancing.h"
#include "mm/oracle.h"
#include "mm/pieces.h"
#include "mm/rmap.h"
#include "mm/swap.h"

static void count_result(bool ok, u32 order)
{
	if (ok) {
		COUNT(PGMIGRATE_SUCCESS, 1ull << order);
		COUNT(THP_MIGRATION_SUCCESS, order >= hpage_order());
	} else {
		COUNT(PGMIGRATE_FAIL, 1ull << order);
	}
}

/* ---- private THP NUMA migration -------------------------------------------------- */

/* What the fixes ask between isolating and copying. */
static void check_before_copy(struct mm *mm, u64 vpn)
{
	struct spinlock *ptl = pgtable_lock(mm, vpn, PMD_LEVEL);

	switch (kern()->thp_check) {
	case CHECK_IN_ISOLATE:
		smp_rmb();      /* with task_numa_work */
		break;
	case CHECK_LOCKLESS:
		break;
	case CHECK_LOCK_CYCLE:
		spin_lock(ptl);
		if (mm_tlb_flush_pending(mm))
			flush_tlb_huge(mm, vpn, FLUSH_DEBT);
		spin_unlock(ptl);
		return;
	default:
		return;
	}
	if (mm_tlb_flush_pending(mm))
		flush_tlb_huge(mm, vpn, FLUSH_DEBT);
}

/* The references that the page may have: its mapping's and the isolator's. */
#define EXPECTED_COUNT 2

/* Under the PMD lock. Return: false when the page gained a reference. */
static bool install_new_pmd(struct mm *mm, struct vma *vma, u64 *pmdp, u64 pmd,
			    u64 vpn, struct page *page, struct page *new)
{
	u64 entry = pte_make(pfn_of(new), PTE_P | PTE_US | PTE_A | PTE_D |
			     PTE_PS | PTE_NX |
			     (vma->flags & VM_WRITE ? PTE_RW : 0));

	touch(new, true);
	new->mapcount = 1;
	new->index = page->index;
	new->anon_vma = page->anon_vma;
	if (mms()->numa)
		new->last_cpupid = numa_moved_cpupid(page, new);
	if (kern()->thp_install_flushes) {
		pte_xchg(mm->root, vpn, PMD_LEVEL, pmdp, 0);
		oracle_stale_from_now(mm, vpn, hpage_pages());
		flush_tlb_huge(mm, vpn, FLUSH_MIGRATE);
	}
	pte_store(mm->root, vpn, PMD_LEVEL, pmdp, entry);
	NOTE("PMD[%llu] := frame %llu", (unsigned long long)(vpn >> hpage_order()),
	     (unsigned long long)pfn_of(new));
	if (kern()->thp_recheck_count_after &&
	    READ_ONCE(page->refcount) != EXPECTED_COUNT) {
		pte_store(mm->root, vpn, PMD_LEVEL, pmdp, pmd);
		flush_tlb_huge(mm, vpn, FLUSH_MIGRATE);
		new->mapcount = 0;
		return false;
	}
	touch(page, true);
	page->mapcount--;
	oracle_moved(page);
	return true;
}

/* Before anything is copied: mapping, isolator and the caller, nobody else. A
 * device that holds a pin may write at any time. (340ef3902cf2) */
static bool isolate_huge(struct page *page)
{
	if (!isolate_lru_page(page))
		return false;
	if (!kern()->isolate_checks_count ||
	    READ_ONCE(page->refcount) == EXPECTED_COUNT + 1)
		return true;
	putback_lru_page(page);
	return false;
}

/* Not moved: the entry must not stay NUMA for ever. Under the PMD lock. */
static void give_pmd_back(struct mm *mm, u64 *pmdp, u64 pmd, u64 vpn)
{
	if (pte_load(pmdp) == pmd)
		pte_modify(mm->root, vpn, PMD_LEVEL, pmdp, PTE_NUMA,
			   PTE_P | PTE_A);
}

/* On @node and nowhere else; nowhere, if the thread's cpuset leaves it out. */
static struct page *alloc_misplaced_dst_page(u32 node, u32 order)
{
	return cpuset_has_node(current(), node) ? alloc_page(node, order) : NULL;
}

bool migrate_misplaced_transhuge_page(struct mm *mm, struct vma *vma,
				      u64 *pmdp, u64 pmd, u64 vpn,
				      struct page *page, u32 node)
{
	struct spinlock *ptl = pgtable_lock(mm, vpn, PMD_LEVEL);
	struct page *new = alloc_misplaced_dst_page(node, hpage_order());
	bool ok;

	if (!new || !isolate_huge(page)) {
		if (new)
			put_page(new);
		spin_lock(ptl);
		give_pmd_back(mm, pmdp, pmd, vpn);
		spin_unlock(ptl);
		unlock_page(page);
		put_page(page);
		count_result(false, hpage_order());
		return false;
	}
	put_page(page);         /* isolation holds one of its own */
	check_before_copy(mm, vpn);

	PROBE_SPAN_BEGIN("migrate_misplaced_transhuge_page");
	copy_page(new, page);

	spin_lock(ptl);
	ok = !kern()->thp_recheck_pmd || pte_load(pmdp) == pmd;
	if (ok && kern()->thp_recheck_count)
		ok = READ_ONCE(page->refcount) == EXPECTED_COUNT;
	if (ok)
		ok = install_new_pmd(mm, vma, pmdp, pmd, vpn, page, new);
	PROBE_SPAN_END("migrate_misplaced_transhuge_page");
	if (!ok) {
		oracle_move_aborted(page);
		give_pmd_back(mm, pmdp, pmd, vpn);
		spin_unlock(ptl);
		put_page(new);
		unlock_page(page);
		putback_lru_page(page);
		count_result(false, hpage_order());
		return false;
	}
	spin_unlock(ptl);
	if (kern()->thp_check == CHECK_AFTER_INSTALL && mm_tlb_flush_pending(mm))
		flush_tlb_huge(mm, vpn, FLUSH_DEBT);
	touch(new, true);
	lru_add(new);
	unlock_page(page);
	put_page(page);         /* the mapping's */
	put_page(page);         /* the isolator's: frees it */
	count_result(true, hpage_order());
	return true;
}

/* ---- through migration entries ------------------------------------------------------ */

/* In the swap cache, or a file's. */
static bool is_cached(struct page *page)
{
	if (page->is_file) {
		touch(&page->mapping, false);
		observe(page->mapping != NULL);
		return page->mapping;
	}
	touch(&page->swap_slot, false);
	observe(page->swap_slot);
	return page->swap_slot;
}

/* @page is unmapped and locked, @new locked if it is to be found. From here on
 * who looks the page up finds @new. Return: false when somebody else holds it
 * (GUP, another fault). */
static bool move_mapping(struct page *page, struct page *new)
{
	if (page->is_file)
		return page->mapping && replace_in_page_cache(page, new);
	if (page->swap_slot) {
		if (!replace_in_swap_cache(page, new))
			return false;
	} else if (kern()->migrate_checks_count &&
		   READ_ONCE(page->refcount) != 1) {
		return false;
	}
	touch(new, true);
	new->index = page->index;
	new->anon_vma = page->anon_vma;
	if (mms()->numa)
		new->last_cpupid = numa_moved_cpupid(page, new);
	touch_flags(page, false);
	touch_flags(new, true);
	new->is_shared = page->is_shared;
	new->is_lazyfree = page->is_lazyfree;
	new->is_dirty |= page->is_dirty;
	new->is_ksm = page->is_ksm;
	if (page->order)
		pieces_move(new, page);
	return true;
}

/* An anonymous page that nobody maps is found by its swap slot alone. If it has
 * none there is nothing to move, and its anon_vma may be gone (67b9509b2c68). */
static bool may_move(struct page *page, const struct anon_vma *av, bool cached)
{
	return av || cached || !kern()->migrate_wants_mapped;
}

bool move_begin(struct move *m, struct page *page, u32 node)
{
	if (!trylock_page(page)) {
		count_result(false, page->order);
		putback_lru_page(page);
		return false;
	}
	/* Unmapped in the middle, the page's list could go away (3f6c82728f4e). */
	m->page = page;
	m->new = NULL;
	m->av = page_get_anon_vma(page);
	m->is_cached = is_cached(page);
	m->is_mapped = 0;
	m->entries = m->left = 0;
	if (page->is_ksm || may_move(page, m->av, m->is_cached))
		m->new = alloc_page(node, page->order);
	if (m->new && m->is_cached)
		(void)trylock_page(m->new);
	return true;
}

void move_unmap(struct move *m, bool may_defer)
{
	if (!m->new)
		return;
	m->is_mapped = m->page->is_file ? READ_ONCE(m->page->mapcount) != 0
					: m->av || m->page->is_ksm || !m->is_cached;
	if (m->is_mapped)
		m->left = try_to_migrate(m->page, &m->entries, may_defer);
	if (m->left && m->page->is_file) {
		unmap_nonlinear(m->page, FLUSH_MIGRATE);
		m->left = READ_ONCE(m->page->mapcount);
	}
}

/* Both are locked. Return: moved. */
static bool move_to(const struct move *m)
{
	struct page *page = m->page, *new = m->new;

	/* One mapping stayed, or somebody refers to it. */
	if (m->left || !move_mapping(page, new)) {
		if (m->is_mapped)
			remove_migration_ptes(page, page, m->entries);
		return false;
	}
	copy_page(new, page);
	mlock_migrate_page(new, page);
	if (m->is_mapped)
		remove_migration_ptes(page, new, m->entries);
	else
		oracle_moved(page);
	if (page->is_file) {
		touch(&page->mapping, true);
		page->mapping = NULL;
	}
	if (page->is_ksm)
		ksm_migrated(new, page);
	return true;
}

bool move_end(struct move *m)
{
	struct page *page = m->page, *new = m->new;
	u32 order = page->order;
	bool ok = new && move_to(m);

	if (m->av)
		put_anon_vma(m->av);
	touch_flags(new ? new : page, true);
	if (ok)
		lru_add(new);
	unlock_page(page);
	if (new && m->is_cached)
		unlock_page(new);
	if (new)
		put_page(new);  /* the allocation's; its mappings keep it */
	if (ok)
		put_page(page);
	else
		putback_lru_page(page);
	count_result(ok, order);
	return ok;
}

/* @page: isolated, with the isolator's reference. Both are used up. */
bool migrate_page(struct page *page, u32 node)
{
	struct move m;
	bool ok;

	if (!move_begin(&m, page, node))
		return false;
	PROBE_SPAN_BEGIN("migrate_page");
	move_unmap(&m, false);
	ok = move_end(&m);
	PROBE_SPAN_END("migrate_page");
	return ok;
}

bool migrate_misplaced_page(struct page *page, u32 node)
{
	u32 order = page->order;
	bool ok;

	/* Not every file system moves a dirty page at once (09a913a7a947, 4.17,
	 * assumed id). */
	if ((page->is_file && page->is_dirty) || !isolate_lru_page(page)) {
		put_page(page);
		return false;
	}
	put_page(page);         /* the fault's */
	if (!cpuset_has_node(current(), node)) {
		count_result(false, order);
		putback_lru_page(page);
		return false;
	}
	ok = migrate_page(page, node);
	if (ok)
		COUNT(NUMA_PAGES_MIGRATED, 1ull << order);
	return ok;
}

bool compact_page(struct page *page, u32 node)
{
	if (!isolate_frame(pfn_of(page)))
		return false;
	NOTE("compaction isolates frame %llu", (unsigned long long)pfn_of(page));
	return migrate_page(page, node);
}
