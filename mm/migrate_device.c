/* A driver moves pages of one range to memory of its own (migrate_vma_*()): unlike
 * other migration it clears the entries on its way through the tables, a table at
 * a time, and looks for other mappings later. Here the driver's memory is that of
 * another node. Reads next to mm/migrate_device.c. */
#include "mm/flush.h"
#include "mm/migrate.h"
#include "mm/mm.h"
#include "mm/oracle.h"
#include "mm/pieces.h"
#include "mm/rmap.h"

/* At a time. assumed: of a larger table (Arm, 16K and 64K pages) no more. */
#define MOST 512u

struct collect {
	u32 n;
	bool has_unmapped;
	struct page *page[MOST];        /* referenced and locked              */
};

/* Under the page-table lock. */
static void collect_one(struct mm *mm, u64 vpn, u64 *p, struct collect *c)
{
	u64 e = pte_load(p), mig;
	struct page *page = page_of(pte_pfn(e));

	if (!(e & PTE_P) || (e & PTE_SPECIAL) || page->is_file ||
	    is_piece(page))
		return;
	get_page(page);
	if (!trylock_page(page)) {
		put_page(page);
		return;
	}
	c->page[c->n++] = page;
	mig = pte_make(pfn_of(page), PTE_MIG | (e & PTE_RW ? PTE_MIG_W : 0) |
		       (e & (PTE_NX | PTE_SOFTWARE)));
	e = pte_xchg(mm->root, vpn, 0, p, mig);
	NOTE("PTE[%llu] := migration entry", (unsigned long long)vpn);
	oracle_stale_from_now(mm, vpn, 1);
	flush_revoked(mm, vpn, 0, e);
	c->has_unmapped = true;
	touch(&page->mapcount, true);
	page->mapcount--;
	atomic_dec(&page->refcount);
}

/* [@vpn, @end), MOST pages at most. Who finds the entries of it changed has nothing to flush: it must be
 * done by the time he can (60bae7370896). */
static void collect_table(struct mm *mm, u64 vpn, u64 end, struct collect *c)
{
	struct spinlock *ptl = pgtable_lock(mm, vpn, 0);
	bool is_late = !kern()->device_flushes_locked;

	spin_lock(ptl);
	for (u64 v = vpn; v < end; v++)
		collect_one(mm, v, pgtable_entry(mm, v, 0), c);
	if (c->has_unmapped && !is_late)
		flush_tlb_range(mm, vpn, end, 0, FLUSH_MIGRATE);
	spin_unlock(ptl);
	if (c->has_unmapped && is_late)
		flush_tlb_range(mm, vpn, end, 0, FLUSH_MIGRATE);
}

/* mmap_lock is held, so that the anon_vma stays. Return: it went. */
static bool move_one(struct page *page, u32 node)
{
	struct move m = { .page = page, .is_mapped = true };

	if (!isolate_lru_page(page)) {
		remove_migration_ptes(page, page, 0);
		unlock_page(page);
		put_page(page);
		return false;
	}
	put_page(page);         /* the collector's */
	m.left = READ_ONCE(page->mapcount);
	if (m.left)
		m.left = try_to_migrate(page, &m.entries, false);
	m.new = alloc_page(node, 0);
	if (!m.new)
		remove_migration_ptes(page, page, 0);
	return move_end(&m);
}

u32 migrate_vma(struct mm *mm, u64 start, u64 nr, u32 node)
{
	u64 obs = obs_save(), end = start + nr;
	struct collect c;
	u32 moved = 0;

	down_read(&mm->mmap_lock);
	for (u64 vpn = start, next; vpn < end; vpn = next) {
		u64 *pmd = pgtable_entry(mm, vpn, PMD_LEVEL), e;

		next = (vpn | (hpage_pages() - 1)) + 1;
		if (next > vpn + MOST)
			next = vpn + MOST;
		if (next > end)
			next = end;
		e = pmd ? pte_load(pmd) : 0;
		if (!e || pmd_is_huge(e))
			continue;
		c.n = 0;
		c.has_unmapped = false;
		collect_table(mm, vpn, next, &c);
		for (u32 i = 0; i < c.n; i++)
			moved += move_one(c.page[i], node);
	}
	up_read(&mm->mmap_lock);
	obs_restore(obs);
	observe(moved);
	return moved;
}
