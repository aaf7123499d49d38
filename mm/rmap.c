/* Walking an anon_vma: each VMA that may map the page, its entry under its
 * page-table lock. */
#include "mm/file.h"
#include "mm/flush.h"
#include "mm/kvm.h"
#include "mm/mm.h"
#include "mm/oracle.h"
#include "mm/pieces.h"
#include "mm/reclaim.h"
#include "mm/rmap.h"

/* Where @vma would map page @index: false when outside. Two loads of what
 * vma_adjust() stores, see there. */
static bool vma_address(struct vma *vma, u64 index, u64 *vpn)
{
	u64 start = READ_ONCE(vma->start), pgoff = READ_ONCE(vma->pgoff);

	touch(&vma->end, false);
	*vpn = start + (index - pgoff);
	return *vpn >= start && *vpn < vma->end;
}

/* The same, again and again while somebody changes what it is made of. */
static bool vma_address_retry(struct vma *vma, const struct page *page,
			      u64 *vpn)
{
	bool is_inside;
	u32 seq;

	u64 obs = obs_save();

	for (;;) {
		seq = READ_ONCE(vma->seq);
		is_inside = vma_address(vma, page->index, vpn);
		if (!(seq & 1) && READ_ONCE(vma->seq) == seq)
			return is_inside;
		obs_restore(obs);       /* nothing learnt */
	}
}

struct walk {
	struct page *page;
	struct anon_vma *av;
	u32 level;              /* of the entries that map it                 */
	rmap_visit *visit;
	bool leaves_temp_stacks;
	/* May the entry be passed over, seen without its lock? NULL: no. */
	bool (*peek)(u64 e, const struct page *page);
	void *arg;
	const u32 *count;       /* what @visit keeps in @arg, NULL: nothing   */
};

/* The entry and its lock. Where tables move and walks are not kept out, what is
 * above the entry is read step by step. */
static u64 *find_entry(struct mm *mm, u64 vpn, u32 level, struct spinlock **ptl)
{
	const struct paging *pg = &the_sys->mem.paging;
	u64 pfn = mm->root, e, *p;

	if (!kern()->mremap_moves_tables || kern()->mremap_table_locks_rmap) {
		p = pgtable_entry(mm, vpn, level);
		*ptl = p ? pgtable_lock(mm, vpn, level) : NULL;
		return p;
	}
	for (u32 l = pg->levels - 1u; l > level; l--) {
		e = pte_load(&the_sys->mem.table[pfn][paging_index(pg, vpn, l)]);
		if (!(e & PTE_P) || (e & PTE_PS))
			return NULL;
		pfn = pte_pfn(e);
	}
	*ptl = &page_of(pfn)->ptl;
	return &the_sys->mem.table[pfn][paging_index(pg, vpn, level)];
}

static void visit_entry(const struct walk *w, struct vma *v, struct page *page,
			u64 vpn, u32 level)
{
	struct spinlock *ptl;
	u64 *p = find_entry(v->mm, vpn, level, &ptl);

	if (!p || (w->peek && w->peek(pte_load(p), page)))
		return;
	spin_lock(ptl);
	w->visit(page, v, vpn, level, p, w->arg);
	spin_unlock(ptl);
}

/* Where @v maps the page 4K by 4K, or parts of it: huge ones since 4.5. */
static void visit_pieces(const struct walk *w, struct vma *v)
{
	u64 vpn, i = 0, end = folio_pages(w->page);

	if (!the_sys->is_explored) {
		u64 first = v->pgoff - w->page->index, n = v->end - v->start;

		if (v->pgoff > w->page->index)
			i = first;
		if (first + n < end)
			end = first + n;
	}
	for (; i < end; i++)
		if (vma_address(v, w->page->index + i, &vpn))
			visit_entry(w, v, w->page + i, vpn, 0);
}

/* Lists are trees of ranges since 3.7: a walk does not come by what lies elsewhere.
 * Explored, the list is short, and looking at it is what may go wrong. */
static bool is_elsewhere(const struct vma *v, const struct page *page)
{
	u64 n = 1ull << page->order;

	return !the_sys->is_explored && kern()->huge_in_pieces &&
	       (page->index + n <= v->pgoff ||
		page->index >= v->pgoff + (v->end - v->start));
}

static void visit_vma(const struct walk *w, struct vma *v)
{
	bool retries = kern()->rmap_lock == RMAP_LOCK_SEQ &&
		       v->anon_vma != w->av;
	u64 vpn;

	if (is_elsewhere(v, w->page))
		return;
	/* What never was exec's is none; the bit that says so never changes. */
	if (w->leaves_temp_stacks && (v->flags & VM_STACK) &&
	    (READ_ONCE(v->flags) & VM_TEMP_STACK))
		return;
	if (!has_one_entry(w->page)) {
		visit_pieces(w, v);
		return;
	}
	if (retries ? vma_address_retry(v, w->page, &vpn)
		    : vma_address(v, w->page->index, &vpn))
		visit_entry(w, v, w->page, vpn, w->level);
	if (w->level && is_in_pieces(w->page))
		visit_pieces(w, v);
}

/* Before 2.6.36 a VMA is changed under the lock of its own anon_vma, which need
 * not be the list's. Return: false when the lock cannot be had. */
static bool lock_also(const struct walk *w, const struct vma *v)
{
	if (v->anon_vma == w->av)
		return true;
	if (kern()->rmap_lock == RMAP_LOCK_TRY)
		return anon_vma_trylock(v->anon_vma);
	if (kern()->rmap_lock == RMAP_LOCK_NESTED)
		anon_vma_lock(v->anon_vma);
	return true;
}

static void unlock_also(const struct walk *w, const struct vma *v)
{
	if (v->anon_vma != w->av && (kern()->rmap_lock == RMAP_LOCK_TRY ||
				     kern()->rmap_lock == RMAP_LOCK_NESTED))
		anon_vma_unlock(v->anon_vma);
}

/* Of an object in the pool only this says so. */
static void must_live(const struct anon_vma *av)
{
	touch(&av->root, false);
	oracle_object_used(av->root != NULL, "anon_vma");
}

/* Return: false when it must begin again. */
static bool walk_once(const struct walk *w)
{
	bool is_done = true;

	must_live(w->av);
	anon_vma_lock(w->av);
	must_live(w->av);
	for (struct anon_vma_chain *c = w->av->first; c && is_done;
	     c = c->next) {
		is_done = lock_also(w, c->vma);
		if (!is_done)
			break;
		visit_vma(w, c->vma);
		unlock_also(w, c->vma);
	}
	anon_vma_unlock(w->av);
	return is_done;
}

/* A walk is over: of what it saw only the count matters any more. */
static void forget(u64 obs, const u32 *count)
{
	obs_restore(obs);
	if (count)
		observe(*count);
}

/* Everybody who maps the file there. The page is locked, or else taken off the
 * LRU, so that it stays where it is. */
static void walk_file(struct walk *w)
{
	struct address_space *f = w->page->mapping;

	touch(&w->page->mapping, false);
	if (!f)
		return;
	down_read(&f->i_mmap_rwsem);
	touch(&f->i_mmap, false);
	for (struct vma *v = f->i_mmap; v; v = v->next_mapping)
		visit_vma(w, v);
	up_read(&f->i_mmap_rwsem);
}

static void visit_item(struct vma *v, u64 vpn, void *arg)
{
	const struct walk *w = arg;

	visit_entry(w, v, w->page, vpn, 0);
}

static void walk(struct walk *w)
{
	u64 obs = obs_save();

	charge(cost_of(COST_RMAP_WALK));
	w->level = w->page->order ? PMD_LEVEL : 0;
	if (w->page->is_ksm) {
		ksm_walk(w->page, visit_item, w);
		return;
	}
	if (w->page->is_file) {
		walk_file(w);
		return;
	}
	w->av = w->page->anon_vma;
	while (w->av && !walk_once(w)) {
		forget(obs, w->count);
		NOTE("another anon_vma's lock is taken: from the beginning");
	}
}

void rmap_walk_locked(struct page *page, u32 level, rmap_visit *visit, void *arg)
{
	const struct walk w = {
		.page = page, .av = page->anon_vma, .level = level,
		.visit = visit, .arg = arg,
	};

	for (struct anon_vma_chain *c = w.av->first; c; c = c->next)
		visit_vma(&w, c->vma);
}

void rmap_walk(struct page *page, rmap_visit *visit, void *arg)
{
	walk(&(struct walk){ .page = page, .visit = visit, .arg = arg });
}

bool rmap_maps(u64 e, const struct page *page)
{
	return e && !(e & PTE_MIG) && (e & (PTE_P | PTE_NUMA)) &&
	       pte_pfn(e) == pfn_of(page);
}

/* set_pmd_migration_entry: pmdp_invalidate and the entry after it in one, flushed
 * whatever it was. @seen: the entry as it was read first. */
static void migrate_huge_entry(struct page *page, struct mm *mm, u64 vpn,
			       u64 *p, u64 seen, u64 mig)
{
	u64 old = pte_xchg(mm->root, vpn, PMD_LEVEL, p, mig);

	NOTE("PMD[%llu] := migration entry",
	     (unsigned long long)(vpn >> hpage_order()));
	oracle_stale_from_now(mm, vpn, hpage_pages());
	if (kern()->pmd_migration_flushes)
		flush_tlb_huge(mm, vpn, FLUSH_MIGRATE);
	if (!((kern()->pmd_migrate_peeks ? seen : old) & PTE_D))
		return;
	touch_flags(page, true);
	page->is_dirty = 1;
}

/* As ptep_clear_flush(), the flush with others' (try_to_unmap_flush). */
static u64 clear_defer(struct mm *mm, u64 vpn, u64 *p, u64 mig)
{
	u64 old = pte_xchg(mm->root, vpn, 0, p, mig);

	oracle_stale_from_now(mm, vpn, 1);
	if (pte_accessible(mm, old) &&
	    !flush_is_put_off(mm, vpn, old, FLUSH_MIGRATE))
		set_tlb_ubc_flush_pending(mm, vpn, old & PTE_D);
	return old;
}

/* 4K: the entry was @old, and will not say so any more. */
static void keep_dirty(struct page *page, u64 old)
{
	if (!(old & PTE_D))
		return;
	if (page->is_file) {
		set_page_dirty(page);
		return;
	}
	page = compound_head(page);
	touch_flags(page, true);
	if (page->is_lazyfree)
		page->is_dirty = 1;
}

/* What MADV_FREE offers may go as long as it is clean; of other anonymous pages
 * entries may say that they are dirty. */
static bool is_clean_offer(struct page *page)
{
	page = compound_head(page);
	touch_flags(page, false);
	return page->is_lazyfree && !page->is_dirty;
}

struct unmapping {
	u32 entries;
	bool may_defer;
};

static void unmap_one(struct page *page, struct vma *vma, u64 vpn, u32 level,
		      u64 *p, void *arg)
{
	struct mm *mm = vma->mm;
	struct unmapping *u = arg;
	u64 e = pte_load(p), mig;

	if (!rmap_maps(e, page))
		return;
	u->entries++;
	mmu_notifier_start(mm, vpn, vpn + (level ? hpage_pages() : 1));
	mig = pte_make(pfn_of(page), PTE_MIG |
		       (e & PTE_RW ? PTE_MIG_W : 0) |
		       (e & (PTE_NX | PTE_SOFTWARE)));
	if (level) {
		migrate_huge_entry(page, mm, vpn, p, e, mig);
	} else {
		if (u->may_defer && should_defer_flush(mm))
			e = clear_defer(mm, vpn, p, mig);
		else
			e = ptep_clear_flush(mm, vpn, 0, p, mig, FLUSH_MIGRATE);
		NOTE("PTE[%llu] := migration entry", (unsigned long long)vpn);
	}
	mmu_notifier_end(mm);
	/* From here on only the page says so. */
	if (!level)
		keep_dirty(page, e);
	page_unmapped(page, level);
	atomic_dec(&compound_head(page)->refcount);
}

u32 try_to_migrate(struct page *page, u32 *entries, bool may_defer)
{
	struct unmapping u = { .may_defer = may_defer };

	walk(&(struct walk){ .page = page, .visit = unmap_one, .arg = &u,
			     .count = &u.entries,
			     .leaves_temp_stacks = true });
	*entries = u.entries;
	return total_mapcount(page);
}

void try_to_migrate_locked(struct page *page, bool may_defer)
{
	struct unmapping u = { .may_defer = may_defer };

	rmap_walk_locked(page, page->order ? PMD_LEVEL : 0, unmap_one, &u);
}

static bool is_migration_entry_of(u64 e, const struct page *page)
{
	return (e & PTE_MIG) && pte_pfn(e) == pfn_of(page);
}

static bool nothing_to_restore(u64 e, const struct page *page)
{
	return !is_migration_entry_of(e, page);
}

bool remove_migration_pte(struct page *old, struct vma *vma, u64 vpn,
			  u32 level, u64 *p, struct page *new)
{
	u64 e = pte_load(p), flags;

	if (!is_migration_entry_of(e, old))
		return false;
	/* Of a huge page, and of a file's, the page knows whether it is dirty. */
	flags = PTE_US | PTE_A | (e & (PTE_NX | PTE_SOFTWARE)) |
		(level ? PTE_PS : 0) | (e & PTE_MIG_W ? PTE_RW : 0);
	if (!level && !old->is_file && !is_clean_offer(new))
		flags |= PTE_D;
	flags |= vma->flags & (VM_READ | VM_WRITE) ? PTE_P : PTE_NUMA;
	get_page(new);
	page_mapped(new, level);
	pte_store(vma->mm->root, vpn, level, p, pte_make(pfn_of(new), flags));
	NOTE("%s[%llu] := frame %llu", level ? "PMD" : "PTE",
	     (unsigned long long)vpn, (unsigned long long)pfn_of(new));
	return true;
}

struct restore {
	struct page *old, *new;
	u32 entries;            /* still to be met                            */
};

static void restore_one(struct page *page, struct vma *vma, u64 vpn, u32 level,
			u64 *p, void *arg)
{
	struct restore *r = arg;

	if (remove_migration_pte(page, vma, vpn, level, p,
				 r->new + (page - r->old)) &&
	    r->entries)
		r->entries--;
}

void remove_migration_ptes(struct page *old, struct page *new, u32 entries)
{
	struct restore r = { .old = old, .new = new, .entries = entries };
	struct walk w = {
		.page = old, .visit = restore_one, .arg = &r,
		.count = &r.entries,
		.peek = kern()->rmap_peeks ? nothing_to_restore : NULL,
	};
	u64 obs = obs_save();

	walk(&w);
	while (r.entries && kern()->rmap_counts) {
		forget(obs, w.count);
		walk(&w);
	}
	if (old != new)
		oracle_moved(old);
}

void remove_migration_ptes_locked(struct page *page)
{
	struct restore r = { .old = page, .new = page };

	rmap_walk_locked(page, page->order ? PMD_LEVEL : 0, restore_one, &r);
}
