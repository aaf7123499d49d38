/* fork and exit: copying an address space, and giving one back. Reads next to
 * dup_mmap() and copy_page_range(). */
#include <errno.h>

#include "mm/file.h"
#include "mm/gather.h"
#include "mm/lru.h"
#include "mm/mlock.h"
#include "mm/oracle.h"
#include "mm/pieces.h"
#include "mm/rmap.h"
#include "mm/switch.h"
#include "mm/swap.h"
#include "mm/vma.h"

/* ---- entries ------------------------------------------------------------------------ */

/* Under both page-table locks. What the child gets; the parent's entry becomes
 * read-only on the way, so that both must ask before they write. */
static u64 share_entry(struct mm *mm, u64 vpn, u32 level, u64 *p,
		       bool is_nonlinear)
{
	u64 e = pte_load(p);
	struct page *page;

	if (e & PTE_MIG) {
		if (e & PTE_MIG_W)
			pte_modify(mm->root, vpn, level, p, PTE_MIG_W, 0);
		return e & ~PTE_MIG_W;
	}
	if (e & PTE_SWAP) {
		swap_duplicate(e);
		return e;
	}
	if (e & PTE_FILE)
		return e;
	if (!(e & (PTE_P | PTE_NUMA)))
		return 0;
	if (is_nonlinear)       /* a fault finds it again */
		return pte_make(page_of(pte_pfn(e))->index, PTE_FILE);
	if ((e & PTE_RW) && !(e & PTE_SPECIAL)) {
		e = pte_modify(mm->root, vpn, level, p, PTE_RW |
			       (kern()->fork_forgets_dirty ? PTE_D : 0), 0);
		if (kern()->fork_forgets_dirty)
			e &= ~PTE_D;
		oracle_stale_from_now(mm, vpn, 1ull << paging_order(
				      &the_sys->mem.paging, level));
	}
	if (e & PTE_SPECIAL)
		return e & ~PTE_A;
	page = page_of(pte_pfn(e));
	get_page(page);
	page_mapped(page, level);
	touch_flags(page, true);
	page->is_shared = 1;
	return e & ~(PTE_RW | PTE_A);
}

static void copy_entry(struct vma *to_vma, struct mm *src, u64 vpn, u32 level,
		       u64 *to, u64 *from)
{
	struct mm *dst = to_vma->mm;
	u64 e = share_entry(src, vpn, level, from,
			    to_vma->flags & VM_NONLINEAR);

	if (!e)
		return;
	pte_store(dst->root, vpn, level, to, e);
	NOTE("child's %s[%llu] := %s of frame %llu", level ? "PMD" : "PTE",
	     (unsigned long long)vpn, e & PTE_MIG ? "migration entry"
	     : e & PTE_SWAP ? "swap entry"
	     : e & PTE_FILE ? "file entry" : "copy",
	     (unsigned long long)pte_pfn(e));
	if (!(e & (PTE_SWAP | PTE_SPECIAL | PTE_FILE))) {
		touch(&dst->rss, true);
		dst->rss += 1ull << paging_order(&the_sys->mem.paging, level);
	}
}

static struct page *splitting(u64 e)
{
	return (e & PTE_SPLITTING) && !kern()->split_unwaited
		? page_of(pte_pfn(e)) : NULL;
}

static struct page *migrating(u64 e)
{
	return e & PTE_MIG ? page_of(pte_pfn(e)) : NULL;
}

/* Why copying stopped at an entry. */
struct stop {
	struct page *migrates;          /* when fork waits for such           */
	struct page *splits;            /* always                             */
	bool is_table;                  /* a huge page no longer              */
};

static bool must_stop(struct stop *s, u64 e, u32 level)
{
	*s = (struct stop){ NULL, NULL, false };
	if (kern()->fork_waits_migration)
		s->migrates = migrating(e);
	if (level) {
		s->splits = splitting(e);
		s->is_table = (e & PTE_P) && !pmd_is_huge(e);
	}
	return s->migrates || s->splits || s->is_table;
}

/* The entries [vpn, end) of one table, or the one huge entry.
 * Return: where it stopped, and in @stop why. */
static u64 copy_locked(struct vma *to, struct mm *src, u64 vpn, u64 end,
		       u32 level, struct stop *stop)
{
	struct mm *dst = to->mm;
	struct spinlock *dl = pgtable_lock(dst, vpn, level);
	struct spinlock *sl = pgtable_lock(src, vpn, level);

	*stop = (struct stop){ NULL, NULL, false };
	spin_lock(dl);
	spin_lock(sl);
	for (; vpn < end; vpn += 1ull << paging_order(&the_sys->mem.paging,
						      level)) {
		u64 *from = pgtable_entry(src, vpn, level);

		if ((level || kern()->fork_waits_migration) &&
		    must_stop(stop, pte_load(from), level))
			break;
		copy_entry(to, src, vpn, level,
			   pgtable_entry(dst, vpn, level), from);
	}
	spin_unlock(sl);
	spin_unlock(dl);
	return vpn;
}

/* Return: 0, -ENOMEM; -EAGAIN: what was a huge page is not one any more. */
static int copy_entries(struct vma *to, struct mm *src, u64 vpn, u64 end,
			u32 level)
{
	struct stop stop;

	if (!pgtable_alloc(to->mm, vpn, level))
		return -ENOMEM;
	while (vpn < end) {
		vpn = copy_locked(to, src, vpn, end, level, &stop);
		if (stop.splits)
			wait_split_huge_page(stop.splits);
		else if (stop.migrates)
			wait_on_page_locked(stop.migrates);
		if (stop.splits || stop.is_table)
			return -EAGAIN;
	}
	return 0;
}

static int copy_page_range(struct vma *dst, struct vma *src)
{
	int rc = 0;

	for (u64 vpn = src->start, next; vpn < src->end && !rc; vpn = next) {
		u64 *pmd = pgtable_entry(src->mm, vpn, PMD_LEVEL), old;

		next = (vpn | (hpage_pages() - 1)) + 1;
		if (next > src->end)
			next = src->end;
		old = pmd ? pte_load(pmd) : 0;
		if (!old)
			continue;
		rc = copy_entries(dst, src->mm, vpn, next,
				  pmd_is_huge(old) ? PMD_LEVEL : 0);
		if (rc == -EAGAIN) {
			next = vpn;
			rc = 0;
		}
	}
	return rc;
}

/* ---- address spaces ------------------------------------------------------------------ */

/* What a fault finds again in the file is not copied. */
static bool needs_copy(const struct vma *v)
{
	return !v->file || v->has_anon || (v->flags & VM_NONLINEAR) ||
	       (v->file->flags & FILE_DEVICE);
}

static int copy_vmas(struct mm *new, struct mm *old)
{
	int rc = 0;

	for (struct vma *v = old->first; v && !rc; v = v->next) {
		struct vma *n = vma_alloc(new, v->start, v->end,
					  v->flags & ~(u32)VM_LOCKED);

		if (!n)
			return -ENOMEM;
		n->pgoff = v->pgoff;
		n->has_anon = v->has_anon;
		rc = anon_vma_fork(n, v);
		vma_insert(new, n);
		if (v->file)
			vma_link_file(n, v->file);
		if (!rc && needs_copy(v))
			rc = copy_page_range(n, v);
	}
	return rc;
}

/* A page-table lock is enough for the entries; that CPUs of the parent may go
 * on writing until the one flush at the end makes these writes the parent's
 * last before the fork. */
struct mm *dup_mm(struct mm *old)
{
	enum cycle_cat cat = cat_enter(CYC_KERNEL);
	u64 obs = syscall_enter();
	struct mm *new = mm_create();
	int rc = 0;

	if (new) {
		down_write(&old->mmap_lock);
		touch(new, true);
		new->mmap_base = old->mmap_base;
		new->start_brk = old->start_brk;
		new->brk = old->brk;
		rc = copy_vmas(new, old);
		if (kern()->fork_flushes)
			flush_tlb_mm(old, FLUSH_FORK);
		oracle_forked(new, old);
		up_write(&old->mmap_lock);
	}
	if (rc) {
		exit_mmap(new);
		new = NULL;
	}
	cat_leave(cat);
	syscall_leave(obs, new ? (int)new->ctx_id : -ENOMEM);
	return new;
}

static bool is_unused(const void *mm)
{
	return !((const struct mm *)mm)->nr_users;
}

/* The last flush also makes CPUs that idle with the tables loaded leave them. */
void exit_mmap(struct mm *mm)
{
	struct mmu_gather g;
	struct mm **p = &mms()->first_mm;
	struct vma *v, *next;

	/* Linux: the last one to use it ends it. */
	if (unlikely(mm->nr_users))
		the_sys->drv.wait(&mm->nr_users, is_unused, mm, 0);
	touch(mm, true);
	ksm_forget_mm(mm);
	flush_claim(mm, 0, UINT64_MAX);
	lru_drain_zap();
	gather_begin(&g, mm, FLUSH_EXIT);
	g.is_full_mm = true;
	for (v = mm->first; v; v = v->next)
		if (v->flags & VM_LOCKED)
			munlock_vma_pages(v, v->start, v->end);
	for (v = mm->first; v; v = v->next)
		unmap_vma(&g, v);
	for (v = mm->first; v; v = next) {
		next = v->next;
		vma_unlink_file(v);
		unlink_anon_vmas(v);
		vma_free(v);
	}
	free_pgtables(&g, 0, UINT64_MAX, 0, 0);
	gather_end(&g);
	shoot_lazies(mm);
	touch(mm, true);
	mm->first = NULL;
	put_page(page_of(mm->root));
	mm->root = 0;
	touch(p, true);
	while (*p != mm)
		p = &(*p)->next_mm;
	*p = mm->next_mm;
	mm_free_words(mm);
	pool_put(POOL_MM, mm);
}
