/* mremap: moving entries from one address to another. Reads next to
 * mm/mremap.c; who else looks for the pages meanwhile is rmap.c.
 *
 * A moved page is not mremap's: whoever gets the new entry's lock may free it,
 * and knows nothing of TLB entries for the old address.
 */
#include <assert.h>
#include <errno.h>

#include "mm/file.h"
#include "mm/flush.h"
#include "mm/mm.h"
#include "mm/oracle.h"
#include "mm/reclaim.h"
#include "mm/rmap.h"
#include "mm/vma.h"

struct move {
	struct mm *mm;
	struct vma *vma;        /* where the pages are looked for: the old    */
	u64 flush_from, flush_end;      /* old addresses still to be flushed  */
	bool need_rmap_locks;
	int error;              /* why it stopped                             */
};

static void lock_two(struct spinlock *a, struct spinlock *b)
{
	spin_lock(a);
	if (a != b)
		spin_lock(b);
}

static void unlock_two(struct spinlock *a, struct spinlock *b)
{
	if (a != b)
		spin_unlock(b);
	spin_unlock(a);
}

static void rmap_lock(const struct move *m)
{
	if (!m->need_rmap_locks)
		return;
	i_mmap_lock_write(m->vma);
	anon_vma_lock(m->vma->anon_vma);
}

static void rmap_unlock(const struct move *m)
{
	if (!m->need_rmap_locks)
		return;
	anon_vma_unlock(m->vma->anon_vma);
	i_mmap_unlock_write(m->vma);
}

/* ---- when the old address is flushed ----------------------------------------------- */

static void must_flush(struct move *m, u64 vpn, u64 nr_pages)
{
	if (vpn < m->flush_from)
		m->flush_from = vpn;
	if (vpn + nr_pages > m->flush_end)
		m->flush_end = vpn + nr_pages;
}

static void flush_old(struct move *m)
{
	if (m->flush_from < m->flush_end && kern()->mremap_flushes)
		flush_tlb_range(m->mm, m->flush_from, m->flush_end, 0,
				FLUSH_MREMAP);
	m->flush_from = UINT64_MAX;
	m->flush_end = 0;
}

/* Which entries may not wait until the locks are gone: none before 4.9, the
 * dirty ones (5d1904204c99, for page_mkclean), all that were present
 * (eb66ae030829). @peeked: as read before it was taken away. */
static bool flush_under_lock(u64 peeked, u64 removed)
{
	switch (kern()->mremap_flush) {
	case MREMAP_FLUSH_LATE:
		return false;
	case MREMAP_FLUSH_DIRTY_PEEKED:
		return peeked & PTE_D;
	case MREMAP_FLUSH_DIRTY:
		return removed & PTE_D;
	case MREMAP_FLUSH_LOCKED:
		return true;
	}
	return true;
}

/* ---- entries ------------------------------------------------------------------------ */

/* Under both locks. Return: flush before they are dropped. */
static bool move_entry(struct move *m, u64 old_vpn, u64 new_vpn, u32 level)
{
	u32 order = paging_order(&the_sys->mem.paging, level);
	u64 *from = pgtable_entry(m->mm, old_vpn, level);
	u64 *to = pgtable_entry(m->mm, new_vpn, level);
	u64 peeked = pte_load(from), e;

	if (!peeked)
		return false;
	e = pte_xchg(m->mm->root, old_vpn, level, from, 0);
	oracle_stale_from_now(m->mm, old_vpn, 1ull << order);
	oracle_pages_move(m->mm, old_vpn, new_vpn, 1ull << order);
	pte_store(m->mm->root, new_vpn, level, to, e);
	NOTE("%s[%llu] moves to [%llu]", level ? "PMD" : "PTE",
	     (unsigned long long)(old_vpn >> order),
	     (unsigned long long)(new_vpn >> order));
	if (!pte_accessible(m->mm, e))
		return false;
	must_flush(m, old_vpn, 1ull << order);
	return flush_under_lock(peeked, e);
}

/* exec: walks look for its page at the new address already, so nobody else is
 * going to restore a migration entry that is still at the old one. Both locks
 * are held, and dropped to wait. */
static void clean_entry(struct move *m, u64 vpn, struct spinlock *a,
			struct spinlock *b)
{
	u64 *p = pgtable_entry(m->mm, vpn, 0), e;

	while ((e = pte_load(p)) & PTE_MIG) {
		struct page *page = page_of(pte_pfn(e));

		unlock_two(a, b);
		wait_on_page_locked(page);
		lock_two(a, b);
		remove_migration_pte(page, m->vma, vpn, 0, p, page);
	}
}

/* A huge page that is not being split. Return: false, it is, or was meanwhile. */
static bool move_huge(struct move *m, u64 from, u64 to)
{
	struct spinlock *ol = pgtable_lock(m->mm, from, PMD_LEVEL);
	struct spinlock *nl = pgtable_lock(m->mm, to, PMD_LEVEL);
	bool had_locks = m->need_rmap_locks;
	u64 pmd;

	m->need_rmap_locks = had_locks && !kern()->mremap_huge_unlocked;
	rmap_lock(m);
	lock_two(ol, nl);
	pmd = pte_load(pgtable_entry(m->mm, from, PMD_LEVEL));
	if ((pmd & PTE_SPLITTING) && kern()->split_unwaited)
		pmd &= ~PTE_SPLITTING;
	if (pmd_is_huge(pmd) && !(pmd & PTE_SPLITTING) &&
	    move_entry(m, from, to, PMD_LEVEL))
		flush_old(m);
	unlock_two(ol, nl);
	rmap_unlock(m);
	m->need_rmap_locks = had_locks;
	if (pmd & PTE_SPLITTING)
		wait_split_huge_page(page_of(pte_pfn(pmd)));
	return pmd_is_huge(pmd) && !(pmd & PTE_SPLITTING);
}

static void move_entries(struct move *m, u64 from, u64 to, u64 nr, u32 level)
{
	struct spinlock *ol = pgtable_lock(m->mm, from, level);
	struct spinlock *nl = pgtable_lock(m->mm, to, level);
	u64 step = 1ull << paging_order(&the_sys->mem.paging, level);
	bool is_urgent = false;

	rmap_lock(m);
	lock_two(ol, nl);
	if (!level)
		flush_tlb_batched_pending(m->mm);
	for (u64 i = 0; i < nr; i += step) {
		if (kern()->exec_stack == EXEC_STACK_CLEANS && !level)
			clean_entry(m, from + i, ol, nl);
		is_urgent |= move_entry(m, from + i, to + i, level);
	}
	if (is_urgent)
		flush_old(m);
	unlock_two(ol, nl);
	rmap_unlock(m);
}

/* A whole page table changes its place in the tree: one flush, whatever is in
 * it. Walkers that came through the anon_vma hold the table's own lock, which
 * goes along with it and so keeps nobody out (97113eb39fa7). Return: 0; -EAGAIN:
 * there is none any more. */
static int move_table(struct move *m, u64 from, u64 to, u32 level)
{
	struct spinlock *ol = pgtable_lock(m->mm, from, level);
	struct spinlock *nl = pgtable_lock(m->mm, to, level);
	u32 order = paging_order(&the_sys->mem.paging, level);
	bool had_locks = m->need_rmap_locks;
	u64 e;

	m->need_rmap_locks = kern()->mremap_table_locks_rmap || had_locks;
	rmap_lock(m);
	lock_two(ol, nl);
	if (kern()->mremap_rechecks_table &&
	    !pte_load(pgtable_entry(m->mm, from, level))) {
		unlock_two(ol, nl);
		rmap_unlock(m);
		m->need_rmap_locks = had_locks;
		return -EAGAIN;
	}
	e = pte_xchg(m->mm->root, from, level,
		     pgtable_entry(m->mm, from, level), 0);
	oracle_stale_from_now(m->mm, from, 1ull << order);
	oracle_pages_move(m->mm, from, to, 1ull << order);
	oracle_walks(pte_pfn(e));       /* pmd_populate() takes it for one    */
	pte_store(m->mm->root, to, level, pgtable_entry(m->mm, to, level), e);
	NOTE("table of %s[%llu] moves to [%llu]", level > PMD_LEVEL ? "PUD" :
	     "PMD", (unsigned long long)(from >> order),
	     (unsigned long long)(to >> order));
	if (kern()->mremap_flushes)
		flush_tlb_range(m->mm, from, from + (1ull << order), 0,
				FLUSH_MREMAP);
	unlock_two(ol, nl);
	rmap_unlock(m);
	m->need_rmap_locks = had_locks;
	return 0;
}

static bool is_whole_pmd(u64 from, u64 to, u64 nr)
{
	return !((from | to) & (hpage_pages() - 1)) && nr == hpage_pages();
}

/* Pages under one PMD, source and destination. Return: 0, -ENOMEM; -EAGAIN: it
 * was split meanwhile. */
static int move_pmd(struct move *m, u64 from, u64 to, u64 nr)
{
	u64 *old = pgtable_entry(m->mm, from, PMD_LEVEL), *new;
	u64 pmd = old ? pte_load(old) : 0;
	bool is_whole = is_whole_pmd(from, to, nr);

	if (!pmd)
		return 0;
	new = pgtable_alloc(m->mm, to, PMD_LEVEL);
	if (!new)
		return -ENOMEM;
	if (pmd_is_huge(pmd) && is_whole && !pte_load(new))
		return move_huge(m, from, to) ? 0 : -EAGAIN;
	if (!pmd_is_huge(pmd) && is_whole && kern()->mremap_moves_tables &&
	    !pte_load(new)) {
		return move_table(m, from, to, PMD_LEVEL);
	}
	if (pmd_is_huge(pmd)) {
		/* Not aligned alike: in small pieces. */
		int rc = split_huge_pmd_at(m->mm, from |
					   (hpage_pages() >> 1),
					   SPLIT_MAPPING);

		if (rc)
			return rc;
	}
	if (!pgtable_alloc(m->mm, to, 0))
		return -ENOMEM;
	move_entries(m, from, to, nr, 0);
	return 0;
}

/* A table of PMDs as a whole (c49dd3401802). Return: pages moved, 0 for not this
 * way; m->error when memory ran out. */
static u64 move_pud(struct move *m, u64 from, u64 to, u64 nr)
{
	const u32 level = PMD_LEVEL + 1;
	u64 size, *old, *new;

	if (!kern()->mremap_moves_puds || the_sys->mem.paging.levels <= level)
		return 0;
	size = 1ull << paging_order(&the_sys->mem.paging, level);
	if (((from | to) & (size - 1)) || nr < size)
		return 0;
	old = pgtable_entry(m->mm, from, level);
	if (!old || !pte_load(old))
		return size;
	new = pgtable_alloc(m->mm, to, level);
	if (!new) {
		m->error = -ENOMEM;
		return 0;
	}
	if (pte_load(new))
		return 0;
	(void)move_table(m, from, to, level);
	return size;
}

/* Return: pages dealt with before memory ran out. */
static u64 move_range(struct move *m, u64 from, u64 to, u64 nr)
{
	const u64 mask = hpage_pages() - 1;
	u64 done = 0, n, whole;

	m->error = 0;
	while (done < nr) {
		u64 room_from = mask + 1 - ((from + done) & mask);
		u64 room_to = mask + 1 - ((to + done) & mask);

		n = nr - done;
		if (n > room_from)
			n = room_from;
		if (n > room_to)
			n = room_to;
		whole = move_pud(m, from + done, to + done, nr - done);
		if (!whole && !m->error)
			do {
				m->error = move_pmd(m, from + done, to + done,
						    n);
			} while (m->error == -EAGAIN);
		if (m->error)
			break;
		done += whole ? whole : n;
	}
	flush_old(m);
	return done;
}

u64 move_page_tables(struct vma *v, u64 from, u64 to, u64 nr)
{
	struct move m = { .mm = v->mm, .vma = v, .flush_from = UINT64_MAX };

	return move_range(&m, from, to, nr);
}

/* ---- VMAs ---------------------------------------------------------------------------- */

static bool can_merge(const struct vma *a, const struct vma *b, u64 pgoff,
		      u64 at, u32 flags)
{
	return a && a->anon_vma == b->anon_vma && a->flags == flags &&
	       a->file == b->file &&
	       a->pgoff + (at - a->start) == pgoff;
}

/* copy_vma: a VMA at the new address whose pages have the same indices. An
 * existing neighbour grows if it can. */
static struct vma *copy_vma(struct vma *vma, u64 old, u64 new, u64 nr,
			    bool *is_merged)
{
	u64 pgoff = vma->pgoff + (old - vma->start);
	struct vma *v = new ? find_vma(vma->mm, new - 1) : NULL;

	*is_merged = true;
	/* Not with itself: the pages that are there have other indices. */
	assert(!v || v != vma || v->end != new ||
	       v->pgoff + (new - v->start) != pgoff);
	if (v && v->end == new && can_merge(v, vma, pgoff, new, vma->flags)) {
		vma_adjust(v, v->start, new + nr, v->pgoff);
		return v;
	}
	v = find_vma(vma->mm, new + nr);
	if (v && v->start == new + nr &&
	    can_merge(v, vma, pgoff + nr, new + nr, vma->flags)) {
		vma_adjust(v, new, v->end, pgoff);
		return v;
	}
	*is_merged = false;
	v = vma_alloc(vma->mm, new, new + nr, vma->flags);
	if (!v)
		return NULL;
	v->pgoff = pgoff;
	if (anon_vma_clone(v, vma, false)) {
		unlink_anon_vmas(v);
		vma_free(v);
		return NULL;
	}
	v->has_anon = vma->has_anon;
	vma_insert(vma->mm, v);
	if (vma->file)
		vma_link_file(v, vma->file);
	return v;
}

/* The walk must come by the destination after the source, or be locked out. A
 * new VMA is last on the list; one that was there may be first. */
static void order_before(struct move *m, struct vma *dst, bool is_merged)
{
	switch (kern()->mremap_order) {
	case MREMAP_ORDER_NONE:
		break;
	case MREMAP_ORDER_TAIL:
	case MREMAP_ORDER_TAIL_BOTH:
		if (is_merged)
			anon_vma_to_tail(dst);
		break;
	case MREMAP_ORDER_LOCK:
		m->need_rmap_locks = true;
		break;
	case MREMAP_ORDER_LOCK_NEEDED:
		m->need_rmap_locks = is_merged;
		break;
	}
}

static void order_before_return(struct move *m, struct vma *src)
{
	switch (kern()->mremap_order) {
	case MREMAP_ORDER_NONE:
	case MREMAP_ORDER_TAIL:
		break;
	case MREMAP_ORDER_TAIL_BOTH:
		anon_vma_to_tail(src);
		break;
	case MREMAP_ORDER_LOCK:
	case MREMAP_ORDER_LOCK_NEEDED:
		m->need_rmap_locks = true;
		break;
	}
}

static int move_vma(struct vma *vma, u64 old, u64 new, u64 old_pages,
		    u64 new_pages)
{
	struct mm *mm = vma->mm;
	struct move m = { .mm = mm, .vma = vma, .flush_from = UINT64_MAX };
	struct vma *dst;
	bool is_merged;
	u64 moved;
	int rc;

	flush_claim(mm, new, new + new_pages);
	flush_settle(mm, old, old + old_pages);
	dst = copy_vma(vma, old, new, new_pages, &is_merged);
	if (!dst)
		return -ENOMEM;
	oracle_move_begin(mm, new, new_pages, vma->flags);
	if (vma->file)
		oracle_mapped_file(dst);
	order_before(&m, dst, is_merged);
	moved = move_range(&m, old, new, old_pages);
	rc = m.error;
	if (rc) {
		NOTE("no memory for a table: moving back");
		order_before_return(&m, vma);
		move_range(&m, new, old, moved);
		oracle_move_end(mm, new, new_pages);
		munmap_locked(mm, new, new + new_pages);
		return rc;
	}
	oracle_move_end(mm, old, old_pages);
	return munmap_locked(mm, old, old + old_pages);
}

int do_mremap(struct mm *mm, u64 old, u64 old_pages, u64 new, u64 new_pages)
{
	enum cycle_cat cat = cat_enter(CYC_KERNEL);
	u64 obs = syscall_enter();
	struct vma *vma;
	int rc = -EINVAL;

	down_write(&mm->mmap_lock);
	if (!old_pages || !new_pages || (new < old + old_pages &&
					 old < new + new_pages))
		goto out;
	rc = munmap_locked(mm, new, new + new_pages);
	if (!rc && new_pages < old_pages) {
		rc = munmap_locked(mm, old + new_pages, old + old_pages);
		old_pages = new_pages;
	}
	vma = find_vma(mm, old);
	if (!rc && (!vma || old + old_pages > vma->end ||
		    (vma->flags & VM_HUGETLB)))
		rc = -EFAULT;
	if (!rc)
		rc = move_vma(vma, old, new, old_pages, new_pages);
out:
	up_write(&mm->mmap_lock);
	cat_leave(cat);
	return syscall_leave(obs, rc);
}
