#include "mm/file.h"
#include "mm/gather.h"
#include "mm/hugetlb.h"
#include "mm/lru.h"
#include "mm/mlock.h"
#include "mm/oracle.h"
#include "mm/pieces.h"
#include "mm/reclaim.h"
#include "mm/swap.h"

static struct gather *queue(void)
{
	return &mms()->gather[this_cpu->id];
}

/* Since 4.13 whoever puts a flush off says so (56236a59556c, 0a2dd266dd6b,
 * assumed ids). */
void gather_begin(struct mmu_gather *g, struct mm *mm, enum flush_op op)
{
	flush_batch_begin(&g->b, mm, op);
	g->is_full_mm = false;
	g->has_tables = false;
	g->kept_start = g->kept_end = 0;
	g->spares_anon = g->must_flush = g->has_rmaps = false;
	g->nr_index = 0;
	if (kern()->gather_announces)
		set_tlb_flush_pending(mm);
	g->was_nested = kern()->nested_looks_early && mm_tlb_flush_nested(mm);
}

/* In the queue: the page is still to be taken off the count of its mappings. */
#define DELAYED_RMAP (1u << 31)
/* The queue's batches: what is on the stack, then pages full of pointers
 * (MMU_GATHER_BUNDLE, MAX_GATHER_BATCH). */
#define GATHER_BUNDLE 8u
#define GATHER_BATCH 510u

/* No place for one more (tlb_next_batch()): while rmaps are delayed no batch but
 * that on the stack is followed by another. */
static bool is_full(const struct mmu_gather *g)
{
	u32 n = queue()->n;

	if (n == queue()->capacity)
		return true;
	if (!g->has_rmaps || n < GATHER_BUNDLE)
		return false;
	if (n == GATHER_BUNDLE)
		return kern()->delayed_rmap_ends_batch;
	return (n - GATHER_BUNDLE) % GATHER_BATCH == 0;
}

/* The flush is over, the page-table lock still held (5df397dec7c4): who asks
 * whether the page is mapped is told so until now. */
static void drop_delayed_rmaps(struct mmu_gather *g)
{
	struct gather *q = queue();

	for (u32 i = 0; i < q->n && g->has_rmaps; i++) {
		struct page *page = page_of(q->pfn[i] & ~DELAYED_RMAP);

		if (!(q->pfn[i] & DELAYED_RMAP))
			continue;
		q->pfn[i] &= ~DELAYED_RMAP;
		step(&page->mapcount, true, cost_of(COST_LOCK));
		page->mapcount--;
		if (page->is_mlocked && !page->mapcount)
			clear_page_mlock(page);
	}
	g->has_rmaps = false;
}

/* Under the page-table lock: stores through what was there until now are over,
 * before somebody finds it gone. */
static void flush_under_lock(struct mmu_gather *g)
{
	flusher()->finish(&g->b);
	drop_delayed_rmaps(g);
}

/* release_pages: off the LRU lists many at a time, then to the allocator. */
static void release(const u32 *pfn, u32 n)
{
	struct page *gone[LRU_RELEASE];
	u32 nr = 0;

	for (u32 i = 0; i < n; i++) {
		struct page *page = compound_head(page_of(pfn[i]));

		free_swap_cache(page);
		if (!atomic_add_return(&page->refcount, -1))
			gone[nr++] = page;
		if (nr && (nr == LRU_RELEASE || i == n - 1)) {
			lru_del_many(gone, nr);
			for (u32 k = 0; k < nr; k++)
				free_page_to(gone[k]);
			nr = 0;
		}
	}
}

void flush_free_pages(const u32 *pfn, u32 n)
{
	if (mms()->lru) {
		lru_drain_zap();
		release(pfn, n);
		return;
	}
	for (u32 i = 0; i < n; i++) {
		free_swap_cache(compound_head(page_of(pfn[i])));
		put_page(page_of(pfn[i]));
	}
}

static void free_queued(void)
{
	struct gather *q = queue();

	flush_free_pages(q->pfn, q->n);
	q->n = 0;
}

void flush_let_go(struct mm *mm, u64 start, u64 end, const u32 *pfn, u32 n)
{
	oracle_discard_end(mm, start, end, true);
	oracle_rights(mm, start, end, 0);
	flush_free_pages(pfn, n);
}

/* Of anonymous pages each reference is one of the queue's: nobody else maps them, or
 * will again from the swap cache or a migration. Who is left alone with a page
 * writes to it in place, and is not to be read by who had it cached. */
static bool are_ours(const u32 *pfn, u32 n)
{
	for (u32 i = 0, next; i < n; i = next) {
		struct page *page = compound_head(page_of(pfn[i]));

		for (next = i + 1; next < n; next++)
			if (compound_head(page_of(pfn[next])) != page)
				break;
		touch(&page->refcount, false);
		touch_flags(page, false);
		observe(page->is_file || page->refcount == next - i);
		if (!page->is_file && page->refcount != next - i)
			return false;
	}
	return true;
}

static bool has_files(const u32 *pfn, u32 n)
{
	for (u32 i = 0; i < n; i++)
		if (page_of(pfn[i])->is_file)
			return true;
	return false;
}

/* Of MADV_DONTNEED addresses stay mapped. */
static bool may_be_kept(const struct flush_ops *f, enum flush_op op)
{
	const struct gather *q = queue();

	if (op == FLUSH_DONTNEED)
		return f->keeps_discarded && !has_files(q->pfn, q->n);
	return op == FLUSH_MUNMAP;
}

/* One time at most for a gather. */
static bool is_kept(struct mmu_gather *g)
{
	const struct flush_ops *f = flusher();
	struct gather *q = queue();

	if (!f->keep || g->has_tables || !g->b.nr_changed || g->kept_end ||
	    !may_be_kept(f, g->b.op) || !are_ours(q->pfn, q->n) ||
	    !f->keep(&g->b, q->pfn, q->n))
		return false;
	g->kept_start = g->b.start;
	g->kept_end = g->b.end;
	NOTE("pages%s are kept", g->b.op == FLUSH_MUNMAP ? " and addresses" : "");
	q->n = 0;
	flush_batch_begin(&g->b, g->b.mm, g->b.op);
	return true;
}

/* Unhooked by now; flush, then free. */
static void gather_flush(struct mmu_gather *g)
{
	if (g->is_full_mm && (g->b.nr_changed || g->b.freed_tables)) {
		g->b.start = 0;
		g->b.end = UINT64_MAX;
	}
	if (is_kept(g))
		return;
	if (kern()->gather_frees_early)
		free_queued();
	flusher()->finish(&g->b);
	if (g->has_tables && kern()->tables_tell_devices)
		device_flush(g->b.mm);
	if (g->has_tables)
		tables_grace_period();
	g->has_tables = false;
	free_queued();
}

void gather_end_vma(struct mmu_gather *g, const struct vma *v)
{
	if (v->file && (v->file->flags & FILE_DEVICE) && kern()->pfnmap_flushes)
		gather_flush(g);
}

/* Somebody else may have cleared what this one found cleared, and not flushed
 * yet: with two under way everything is flushed (99baac21e458, 7a30df49f63a). */
void gather_end(struct mmu_gather *g)
{
	struct mm *mm = g->b.mm;

	if (kern()->gather_checks_nested &&
	    (kern()->nested_looks_early ? g->was_nested
					: mm_tlb_flush_nested(mm))) {
		NOTE("another gather is open: flush all");
		flush_batch_begin(&g->b, mm, g->b.op);
		flush_tlb_mm(mm, FLUSH_DEBT);
	}
	if (kern()->gather_announces && kern()->retracts_early)
		clear_tlb_flush_pending(mm);
	gather_flush(g);
	if (kern()->gather_announces && !kern()->retracts_early)
		clear_tlb_flush_pending(mm);
}

/* The page must be known to be dirty before write-back can find it unmapped, and
 * nobody may store to it after that (1cf35d47712d). Return: it goes on counting
 * as mapped. */
static bool zap_dirty_file(struct mmu_gather *g, struct page *page, u64 old)
{
	if (!(old & PTE_D))
		return false;
	set_page_dirty(page);
	if (!kern()->zap_flushes_dirty)
		return false;
	g->must_flush = true;
	g->has_rmaps |= kern()->zap_delays_rmap;
	return kern()->zap_delays_rmap;
}

static void zap_present(struct mmu_gather *g, u64 vpn, u32 order, u64 old)
{
	struct mm *mm = g->b.mm;
	struct page *page = page_of(pte_pfn(old));
	struct gather *q = queue();

	if (pte_accessible(mm, old)) {
		flush_revoked(mm, vpn, order ? PMD_LEVEL : 0, old);
		g->b.was_writable |= !(old & PTE_P) || (old & PTE_RW);
		flusher()->changed(&g->b, vpn, order);
	}
	touch(&mm->rss, true);
	mm->rss -= 1ull << order;
	touch(q, true);
	q->pfn[q->n] = (u32)pte_pfn(old);
	/* No disk has hugetlb pages. */
	if (!page->is_file || order || !zap_dirty_file(g, page, old)) {
		page_unmapped(page, order ? PMD_LEVEL : 0);
		if (page->is_mlocked && !page->mapcount)
			clear_page_mlock(page);
	} else {
		q->pfn[q->n] |= DELAYED_RMAP;
	}
	q->n++;
}

void gather_table(struct mmu_gather *g, u64 pfn, u64 vpn, u32 level)
{
	struct gather *q = queue();

	flush_batch_freed(&g->b, vpn, level);
	if (table_free_at_once(g, pfn))
		return;
	g->has_tables = true;
	touch(q, true);
	q->pfn[q->n++] = (u32)pfn;
	if (q->n == q->capacity)
		gather_flush(g);
}

/* A private mapping's own: truncation of a part of the file leaves it. */
static bool is_anon(u64 e)
{
	return (e & PTE_SWAP) || (!(e & (PTE_SPECIAL | PTE_FILE)) &&
				  !page_of(pte_pfn(e))->is_file);
}

/* A page of a nonlinear mapping is gone, and which it was is not forgotten. */
static u64 entry_after(const struct mmu_gather *g, u64 vpn, u64 old)
{
	const struct page *page = page_of(pte_pfn(old));

	return !g->nr_index || page->index == g->linear + vpn
		? 0 : pte_make(page->index, PTE_FILE);
}

/* Of a nonlinear mapping only pages of a part of the file go; entries that say
 * which page they were stay. */
static bool is_spared(const struct mmu_gather *g, u64 e)
{
	const struct page *page = page_of(pte_pfn(e));

	if (!g->nr_index)
		return g->spares_anon && is_anon(e);
	if (!(e & PTE_P))
		return true;
	touch(&page->index, false);
	return page->index - g->first_index >= g->nr_index;
}

static void zap_entry(struct mmu_gather *g, u64 vpn, u32 level, u64 *p)
{
	u32 order = paging_order(&the_sys->mem.paging, level);
	struct mm *mm = g->b.mm;
	u64 old = pte_load(p);

	if (!old || is_spared(g, old))
		return;
	if (kern()->zap_is_plain)
		pte_store(mm->root, vpn, level, p, entry_after(g, vpn, old));
	else
		old = pte_xchg(mm->root, vpn, level, p,
			       entry_after(g, vpn, old));
	NOTE("%s[%llu] := NONE", level ? "PMD" : "PTE",
	     (unsigned long long)(vpn >> order));
	oracle_stale_from_now(mm, vpn, 1ull << order);
	if (old & PTE_SPECIAL) {
		if (pte_accessible(mm, old)) {
			flush_revoked(mm, vpn, level, old);
			flusher()->changed(&g->b, vpn, order);
		}
	} else if (old & (PTE_P | PTE_NUMA)) {
		zap_present(g, vpn, order, old);
	} else if (old & PTE_SWAP) {
		free_swap_and_cache(old);
	} else if (old & PTE_MIG) {
		/* The migration finds nothing to restore. */
		touch(&mm->rss, true);
		mm->rss -= 1ull << order;
	}
}

static void zap_pmd(struct mmu_gather *g, u64 vpn, u64 *pmd)
{
	struct spinlock *ptl = pgtable_lock(g->b.mm, vpn, PMD_LEVEL);

	spin_lock(ptl);
	zap_entry(g, vpn, PMD_LEVEL, pmd);
	flusher()->unlock(&g->b);
	spin_unlock(ptl);
	if (queue()->n == queue()->capacity)
		gather_flush(g);
}

/* One locked addition for all; per-CPU counters since 6.2. Faults count in their
 * thread, and add up every 64 (not charged). */
static void add_mm_rss_vec(struct mm *mm)
{
	if (!kern()->rss_is_percpu)
		step_timed(&mm->rss, true, cost_of(COST_LOCK));
}

/* The entries of the table that @pmd named when it was read. */
static void zap_ptes(struct mmu_gather *g, u64 pmd, u64 vpn, u64 end)
{
	const struct paging *pg = &the_sys->mem.paging;
	struct spinlock *ptl = &page_of(pte_pfn(pmd))->ptl;
	u64 *table = the_sys->mem.table[pte_pfn(pmd)];
	struct gather *q = queue();
	u32 was;

	while (vpn < end) {
		was = q->n;
		spin_lock(ptl);
		oracle_walks(pte_pfn(pmd));
		flush_tlb_batched_pending(g->b.mm);
		for (; vpn < end && !is_full(g); vpn++)
			zap_entry(g, vpn, 0, &table[paging_index(pg, vpn, 0)]);
		if (q->n != was)
			add_mm_rss_vec(g->b.mm);
		if (g->must_flush)
			flush_under_lock(g);
		flusher()->unlock(&g->b);
		spin_unlock(ptl);
		if (g->must_flush) {
			g->must_flush = false;
			gather_flush(g);
		} else if (q->n == q->capacity) {
			/* 2b047252d087^: the page that filled it is left out. */
			if (kern()->gather_range_short && g->b.nr_changed)
				g->b.end--;
			gather_flush(g);
		}
	}
}

void zap_range(struct mmu_gather *g, u64 start, u64 end)
{
	for (u64 vpn = start, next; vpn < end; vpn = next) {
		u64 *pmd = pgtable_entry(g->b.mm, vpn, PMD_LEVEL), old;

		next = (vpn | (hpage_pages() - 1)) + 1;
		if (next > end)
			next = end;
		old = pmd ? pte_load(pmd) : 0;
		if (pmd_is_huge(old))
			zap_pmd(g, vpn, pmd);
		else if (old)
			zap_ptes(g, old, vpn, next);
	}
}

void unmap_vma(struct mmu_gather *g, struct vma *v)
{
	if (v->flags & VM_HUGETLB)
		hugetlb_zap(g, v);
	else
		zap_range(g, v->start, v->end);
}
