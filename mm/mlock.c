/* mlock() and munlock(), and what keeps PG_mlocked and NR_MLOCK true. */
#include <errno.h>

#include "mm/file.h"
#include "mm/mlock.h"
#include "mm/oracle.h"
#include "mm/pieces.h"
#include "mm/rmap.h"
#include "mm/vma.h"

/* Pages that munlock takes together. */
#define PAGEVEC_SIZE 14

/* ---- one page --------------------------------------------------------------------- */

static bool test_and_set(struct page *page, bool value)
{
	bool was;

	step(&page->mapcount, true, cost_of(COST_LOCK));
	was = page->is_mlocked;
	observe(was);
	page->is_mlocked = value;
	if (was != value)
		NOTE("PG_mlocked of frame %llu %s",
		     (unsigned long long)pfn_of(page), value ? "set" : "cleared");
	return was;
}

static void count_mlocked(int n)
{
	(void)atomic_add_return(&mms()->nr_mlock, (u64)(s64)n);
}

void mlock_vma_page(struct page *page)
{
	oracle_mlocks(page);
	if (test_and_set(page, true))
		return;
	count_mlocked(1);
	/* So that it lands where its flags say; who has it isolated does that. */
	if (isolate_lru_page(page))
		putback_lru_page(page);
}

void mlock_new_page(struct page *page)
{
	if (!test_and_set(page, true))
		count_mlocked(1);
}

void clear_page_mlock(struct page *page)
{
	touch_flags(page, false);
	observe(page->is_mlocked);
	if (page->is_mlocked && test_and_set(page, false))
		count_mlocked(-1);
}

/* Without a step's worth of doubt: whoever could set it needs @page's lock. */
void mlock_migrate_page(struct page *new, struct page *page)
{
	touch_flags(page, false);
	observe(page->is_mlocked);
	if (!page->is_mlocked || !kern()->migrate_moves_mlock)
		return;
	if (!test_and_set(page, false))
		return;
	count_mlocked(-1);
	(void)test_and_set(new, true);
	count_mlocked(1);
}

bool vma_is_locked(const struct vma *v)
{
	touch(&v->flags, false);
	observe(v->flags & VM_LOCKED);
	return v->flags & VM_LOCKED;
}

/* Who changes the flag holds mmap_lock; here other locks are held, and it can only
 * be tried. The kernel has dropped the page-table lock by then. */
void mlock_if_still(struct vma *v, struct page *page)
{
	if (!down_read_trylock(&v->mm->mmap_lock))
		return;
	if (vma_is_locked(v))
		mlock_vma_page(page);
	up_read(&v->mm->mmap_lock);
}

/* ---- munlock ---------------------------------------------------------------------- */

static void munlock_one(struct page *page, struct vma *vma, u64 vpn, u32 level,
			u64 *p, void *arg)
{
	if (rmap_maps(pte_load(p), page) && vma_is_locked(vma))
		mlock_if_still(vma, page);
}

/* The locked page: does another VMA want it to stay? Nonlinear ones are not
 * searched: reclaim will find that. */
static void munlock_isolated(struct page *page)
{
	if (READ_ONCE(page->mapcount) > 1)
		rmap_walk(page, munlock_one, NULL);
}

void munlock_vma_page(struct page *page)
{
	if (!test_and_set(page, false))
		return;
	count_mlocked(-1);
	if (!isolate_lru_page(page))
		return;
	munlock_isolated(page);
	putback_lru_page(page);
}

/* Under the page-table lock. NULL: no 4K page there. */
static struct page *follow_page(struct mm *mm, u64 vpn, bool mlocks)
{
	u64 *p = pgtable_entry(mm, vpn, 0), e;
	struct page *page = NULL;
	struct spinlock *ptl;

	if (!p)
		return NULL;
	ptl = pgtable_lock(mm, vpn, 0);
	spin_lock(ptl);
	e = pte_load(p);
	if ((e & PTE_P) && !(e & PTE_SPECIAL) && !is_piece(page_of(pte_pfn(e)))) {
		page = page_of(pte_pfn(e));
		get_page(page);
		/* Locked by somebody else: reclaim will find it. */
		if (mlocks && trylock_page(page)) {
			mlock_vma_page(page);
			unlock_page(page);
		}
	}
	spin_unlock(ptl);
	return page;
}

/* The flag first, without the page's lock, under the LRU's; then each page is
 * locked and others are asked (7225522bb429, assumed id). */
static void munlock_pagevec(struct page **page, u32 n)
{
	bool is_isolated[PAGEVEC_SIZE];
	int cleared = 0;

	for (u32 i = 0; i < n; i++) {
		bool was = test_and_set(page[i], false);

		cleared += was;
		is_isolated[i] = was && isolate_lru_page(page[i]);
	}
	if (cleared)
		count_mlocked(-cleared);
	for (u32 i = 0; i < n; i++) {
		if (is_isolated[i]) {
			lock_page(page[i]);
			munlock_isolated(page[i]);
			unlock_page(page[i]);
			putback_lru_page(page[i]);
		}
		put_page(page[i]);
	}
}

void munlock_vma_pages(struct vma *v, u64 start, u64 end)
{
	struct page *page[PAGEVEC_SIZE];
	u32 n = 0;

	touch(&v->flags, true);
	v->flags &= ~(u32)VM_LOCKED;
	for (u64 vpn = start; vpn < end; vpn++) {
		page[n] = follow_page(v->mm, vpn, false);
		n += page[n] != NULL;
		if (n == PAGEVEC_SIZE || (n && vpn + 1 == end)) {
			munlock_pagevec(page, n);
			n = 0;
		}
	}
}

/* ---- system calls ----------------------------------------------------------------- */

/* A huge page, the zero page, a driver's frame: there, and never marked. */
static bool is_unmarkable(struct mm *mm, u64 vpn)
{
	u64 *p = pgtable_entry(mm, vpn, PMD_LEVEL), e = p ? pte_load(p) : 0;

	if (!e || pmd_is_huge(e))
		return e & PTE_P;
	e = pte_load(pgtable_entry(mm, vpn, 0));
	return (e & PTE_P) &&
	       ((e & PTE_SPECIAL) || is_piece(page_of(pte_pfn(e))));
}

static int populate(struct mm *mm, u64 start, u64 end)
{
	int rc = 0;

	for (u64 vpn = start; vpn < end && !rc; ) {
		struct page *page = NULL;
		bool is_write, is_done;
		struct vma *v;

		down_read(&mm->mmap_lock);
		v = find_vma(mm, vpn);
		is_write = v && (v->flags & (VM_WRITE | VM_SHARED)) == VM_WRITE;
		/* Munlocked or unmapped meanwhile: not ours any more. */
		is_done = !v || !vma_is_locked(v);
		if (!is_done) {
			page = follow_page(mm, vpn, true);
			is_done = page || is_unmarkable(mm, vpn);
		}
		up_read(&mm->mmap_lock);
		if (page)
			put_page(page);
		if (is_done)
			vpn++;
		else
			rc = handle_mm_fault(vpn, is_write);
	}
	return rc;
}

static int set_locked(struct mm *mm, u64 start, u64 end, bool is_on)
{
	int rc = vma_isolate(mm, start, end);
	u64 covered = start;
	struct vma *v;

	/* From here on others may try the lock (mlock_if_still()). */
	touch(&mm->mmap_lock.is_tried, true);
	mm->mmap_lock.is_tried = 1;
	for (v = find_vma_above(mm, start); v && v->start < end && !rc;
	     v = v->next) {
		if (v->start > covered)
			return -ENOMEM;
		covered = v->end;
		touch(&v->flags, true);
		if (is_on)
			v->flags |= VM_LOCKED;
		else if (v->flags & VM_LOCKED)
			munlock_vma_pages(v, v->start, v->end);
	}
	return rc || covered >= end ? rc : -ENOMEM;
}

int do_mlock(struct mm *mm, u64 start, u64 nr_pages)
{
	enum cycle_cat cat = cat_enter(CYC_KERNEL);
	u64 obs = syscall_enter();
	int rc;

	down_write(&mm->mmap_lock);
	rc = set_locked(mm, start, start + nr_pages, true);
	up_write(&mm->mmap_lock);
	if (!rc)
		rc = populate(mm, start, start + nr_pages);
	cat_leave(cat);
	return syscall_leave(obs, rc);
}

int do_munlock(struct mm *mm, u64 start, u64 nr_pages)
{
	enum cycle_cat cat = cat_enter(CYC_KERNEL);
	u64 obs = syscall_enter();
	int rc;

	down_write(&mm->mmap_lock);
	rc = set_locked(mm, start, start + nr_pages, false);
	if (!rc)
		vma_merge(mm, start, start + nr_pages);
	up_write(&mm->mmap_lock);
	cat_leave(cat);
	return syscall_leave(obs, rc);
}
