/* Address spaces: VMAs, mmap, munmap, brk. */
#include <errno.h>
#include <string.h>

#include "mm/file.h"
#include "mm/gather.h"
#include "mm/lru.h"
#include "mm/mlock.h"
#include "mm/oracle.h"
#include "mm/rmap.h"
#include "mm/vma.h"

struct vma **vma_slot(struct mm *mm, u64 vpn)
{
	struct vma **p = &mm->first;

	while (*p && (*p)->end <= vpn)
		p = &(*p)->next;
	return p;
}

struct vma *find_vma_above(struct mm *mm, u64 vpn)
{
	return *vma_slot(mm, vpn);
}

struct vma *find_vma(struct mm *mm, u64 vpn)
{
	struct vma *v = find_vma_above(mm, vpn);

	return v && vpn >= v->start ? v : NULL;
}

struct vma *vma_alloc(struct mm *mm, u64 start, u64 end, u32 flags)
{
	struct vma *v = pool_get(POOL_VMA);

	if (!v)
		return NULL;
	touch(v, true);
	v->start = start;
	v->end = end;
	v->pgoff = start;
	v->flags = flags;
	v->mm = mm;
	return v;
}

void vma_free(struct vma *v)
{
	pool_put(POOL_VMA, v);
}

void vma_insert(struct mm *mm, struct vma *v)
{
	struct vma **p = vma_slot(mm, v->start);

	touch(mm, true);
	v->next = *p;
	*p = v;
}

struct vma *vma_add(struct mm *mm, u64 start, u64 nr_pages, u32 flags)
{
	struct vma *v;

	if (nr_pages > task_size() || start > task_size() - nr_pages)
		return NULL;
	v = vma_alloc(mm, start, start + nr_pages, flags);
	/* Linux waits with the anon_vma until the first fault. */
	if (!v || anon_vma_prepare(v))
		return NULL;
	if (flags & VM_GROWSDOWN)
		mm->has_stack = 1;
	vma_insert(mm, v);
	oracle_mapped(mm, start, start + nr_pages, flags);
	return v;
}

/* ---- changing them --------------------------------------------------------------- */

/* Visible at once: its own CPU goes on reading it without a step. */
static void set_bound(u64 *bound, u64 vpn)
{
	if (*bound != vpn)
		(void)word_xchg(bound, sizeof(*bound), vpn,
				cost_of(COST_PTE_SCAN));
}

/* Two stores: in between, pages of @v are looked for at wrong addresses. Since
 * 012f18004da3 walkers are kept out. */
void vma_adjust(struct vma *v, u64 start, u64 end, u64 pgoff)
{
	bool is_locked = kern()->adjust_locks;
	bool has_seq = kern()->rmap_lock == RMAP_LOCK_SEQ;

	i_mmap_lock_write(v);
	if (is_locked)
		anon_vma_lock(v->anon_vma);
	if (has_seq)
		(void)xchg(&v->seq, v->seq + 1);
	set_bound(&v->start, start);
	set_bound(&v->end, end);
	set_bound(&v->pgoff, pgoff);
	if (has_seq)
		(void)xchg(&v->seq, v->seq + 1);
	NOTE("VMA is %llu..%llu, first index %llu", (unsigned long long)start,
	     (unsigned long long)end - 1, (unsigned long long)pgoff);
	if (is_locked)
		anon_vma_unlock(v->anon_vma);
	i_mmap_unlock_write(v);
}

int vma_split(struct mm *mm, struct vma *v, u64 at, bool new_below)
{
	u64 pgoff = v->pgoff + (at - v->start);
	struct vma *n;
	int rc;

	if ((v->flags & VM_HUGETLB) && (at & (hpage_pages() - 1)))
		return -EINVAL;
	rc = split_huge_pmd_at(mm, at, SPLIT_MAPPING);
	if (rc)
		return rc;
	n = new_below ? vma_alloc(mm, v->start, at, v->flags)
		      : vma_alloc(mm, at, v->end, v->flags);
	if (!n)
		return -ENOMEM;
	n->pgoff = new_below ? v->pgoff : pgoff;
	rc = anon_vma_clone(n, v, false);
	if (rc)
		return rc;
	if (v->file)
		vma_link_file(n, v->file);
	n->has_anon = v->has_anon;
	if (new_below)
		vma_adjust(v, at, v->end, pgoff);
	else
		vma_adjust(v, v->start, at, v->pgoff);
	vma_insert(mm, n);
	return 0;
}

int vma_isolate(struct mm *mm, u64 start, u64 end)
{
	struct vma *v = find_vma(mm, start);
	int rc = 0;

	if (v && start > v->start)
		rc = vma_split(mm, v, start, false);
	v = find_vma(mm, end);
	if (!rc && v && end > v->start)
		rc = vma_split(mm, v, end, true);
	return rc;
}

/* One anon_vma: the same chain, as all copies of a VMA have. */
static bool can_merge(const struct vma *low, const struct vma *high)
{
	return high && low->end == high->start && low->flags == high->flags &&
	       low->anon_vma == high->anon_vma && low->file == high->file &&
	       low->pgoff + (low->end - low->start) == high->pgoff;
}

void vma_merge(struct mm *mm, u64 start, u64 end)
{
	struct vma *v = find_vma_above(mm, start ? start - 1 : 0);

	while (v && v->start <= end) {
		struct vma *high = v->next;

		if (!can_merge(v, high)) {
			v = high;
			continue;
		}
		touch(mm, true);
		vma_adjust(v, v->start, high->end, v->pgoff);
		v->next = high->next;
		v->has_anon |= high->has_anon;
		vma_unlink_file(high);
		unlink_anon_vmas(high);
		vma_free(high);
	}
}

/* ---- stacks that grow -------------------------------------------------------------- */

bool is_below_stack(struct mm *mm, u64 vpn)
{
	struct vma *v = find_vma_above(mm, vpn);

	return v && vpn < v->start && (v->flags & VM_GROWSDOWN);
}

/* expand_downwards: the anon_vma's lock keeps others who grow it, and walks, out. Right
 * up to what is mapped below: stages have no room for a guard gap. */
void expand_stack(struct mm *mm, u64 vpn)
{
	struct vma *v = find_vma_above(mm, vpn);
	u64 start;

	anon_vma_lock(v->anon_vma);
	start = READ_ONCE(v->start);
	if (vpn < start) {
		oracle_mapped(mm, vpn, start, v->flags);
		set_bound(&v->start, vpn);
		set_bound(&v->pgoff, v->pgoff - (start - vpn));
		NOTE("the stack grows to %llu..%llu", (unsigned long long)vpn,
		     (unsigned long long)v->end - 1);
	}
	anon_vma_unlock(v->anon_vma);
}

/* ---- system calls ------------------------------------------------------------------ */

/* Anonymous memory at @start: more of the VMA that ends there, if its rights are the
 * same (vma_merge()), or one of its own. Threads that map next to each other thus
 * share a VMA, and its lock. Return: 0, -ENOMEM. */
static int map_anonymous(struct mm *mm, u64 start, u64 nr_pages, u32 flags)
{
	struct vma *v = start ? find_vma(mm, start - 1) : NULL;

	if (!v || v->end != start || v->flags != flags || v->file ||
	    v->pgoff + (start - v->start) != start)
		return vma_add(mm, start, nr_pages, flags) ? 0 : -ENOMEM;
	if (nr_pages > task_size() - start)
		return -ENOMEM;
	vma_adjust(v, v->start, start + nr_pages, v->pgoff);
	oracle_mapped(mm, start, start + nr_pages, flags);
	return 0;
}

u64 do_mmap(struct mm *mm, u64 nr_pages, u32 flags)
{
	u64 obs = syscall_enter(), start, align;
	int rc;

	align = flags & VM_HUGE && nr_pages >= hpage_pages() ? hpage_pages() : 1;
	down_write(&mm->mmap_lock);
	touch(mm, true);
	start = (mm->mmap_base + align - 1) & ~(align - 1);
	mm->mmap_base = start + nr_pages;
	rc = map_anonymous(mm, start, nr_pages, flags);
	up_write(&mm->mmap_lock);
	syscall_leave(obs, (int)start);
	return rc ? 0 : start;
}

static void unmapped(struct mm *mm, u64 start, u64 end)
{
	oracle_discard_end(mm, start, end, true);
	oracle_rights(mm, start, end, 0);
}

/* What munmap took out of the mm. */
struct detached {
	u64 start, end;
	struct vma *first;      /* NULL: nothing was there                    */
	u64 floor, ceiling;     /* its neighbours; 0: none                    */
	bool may_be_grown_into; /* by the one above                           */
};

static int detach_vmas(struct mm *mm, u64 start, u64 end, struct detached *d)
{
	struct vma **p, *v = find_vma_above(mm, start);
	int rc;

	*d = (struct detached){ .start = start, .end = end };
	if (!v || v->start >= end)
		return 0;
	rc = vma_isolate(mm, start, end);
	if (rc)
		return rc;
	flush_settle(mm, start, end);
	touch(mm, true);
	p = vma_slot(mm, start);
	d->first = *p;
	for (v = d->first; v->next && v->next->start < end; v = v->next)
		;
	*p = v->next;
	if (v->next) {
		d->ceiling = v->next->start;
		d->may_be_grown_into = v->next->flags & VM_GROWSDOWN;
	}
	v->next = NULL;
	for (v = mm->first; v && v->end <= start; v = v->next)
		d->floor = v->end;
	for (v = d->first; v; v = v->next)
		if (v->flags & VM_LOCKED)
			munlock_vma_pages(v, v->start, v->end);
	oracle_discard_begin(mm, start, end);
	return 0;
}

/* Order: no VMA, so that no fault comes; entries; flush; pages. */
static void unmap_detached(struct mm *mm, const struct detached *d)
{
	struct vma *gone = d->first, *v;
	struct mmu_gather g;

	lru_drain_zap();
	gather_begin(&g, mm, FLUSH_MUNMAP);
	flush_batch_asked(&g.b, d->start, d->end);
	for (v = gone; v; v = v->next) {
		unmap_vma(&g, v);
		gather_end_vma(&g, v);
	}
	for (v = gone; v; v = v->next) {
		vma_unlink_file(v);
		unlink_anon_vmas(v);
	}
	free_pgtables(&g, d->start, d->end, d->floor, d->ceiling);
	gather_end(&g);
	unmapped(mm, d->start, g.kept_end ? g.kept_start : d->end);
	if (g.kept_end)
		unmapped(mm, g.kept_end, d->end);
	while (gone) {
		v = gone;
		gone = v->next;
		vma_free(v);
	}
}

int munmap_locked(struct mm *mm, u64 start, u64 end)
{
	struct detached d;
	int rc = detach_vmas(mm, start, end, &d);

	if (!rc && d.first)
		unmap_detached(mm, &d);
	return rc;
}

static bool may_downgrade(const struct detached *d)
{
	switch (kern()->munmap_lock) {
	case MUNMAP_DOWNGRADES:
		return true;
	case MUNMAP_DOWNGRADES_UNLESS_GROWN:
		return !d->may_be_grown_into;
	default:
		return false;
	}
}

/* The same, and let go of mmap_lock, held for writing: for reading is enough once
 * nobody can find the VMAs. Return: 0; -ENOMEM, and it is still held. */
static int munmap_unlock(struct mm *mm, u64 start, u64 end)
{
	struct detached d;
	int rc = detach_vmas(mm, start, end, &d);

	if (rc)
		return rc;
	if (!d.first || !may_downgrade(&d)) {
		if (d.first)
			unmap_detached(mm, &d);
		up_write(&mm->mmap_lock);
		return 0;
	}
	downgrade_write(&mm->mmap_lock);
	unmap_detached(mm, &d);
	up_read(&mm->mmap_lock);
	return 0;
}

int do_mmap_fixed(struct mm *mm, u64 start, u64 nr_pages, u32 flags)
{
	enum cycle_cat cat = cat_enter(CYC_KERNEL);
	u64 obs = syscall_enter();
	int rc;

	down_write(&mm->mmap_lock);
	rc = munmap_locked(mm, start, start + nr_pages);
	flush_claim(mm, start, start + nr_pages);
	if (!rc && !vma_add(mm, start, nr_pages, flags))
		rc = -ENOMEM;
	up_write(&mm->mmap_lock);
	cat_leave(cat);
	return syscall_leave(obs, rc);
}

int do_munmap(struct mm *mm, u64 start, u64 nr_pages)
{
	enum cycle_cat cat = cat_enter(CYC_KERNEL);
	u64 from = this_cpu->now, obs = syscall_enter();
	int rc = -EINVAL;

	flush_call_begin(mm);
	down_write(&mm->mmap_lock);
	if (nr_pages)
		rc = munmap_unlock(mm, start, start + nr_pages);
	if (rc)
		up_write(&mm->mmap_lock);
	flush_call_end();
	COUNT(MUNMAP_CALLS, 1);
	COUNT(MUNMAP_CYCLES, this_cpu->now - from);
	cat_leave(cat);
	return syscall_leave(obs, rc);
}

static int grow_heap(struct mm *mm, u64 from, u64 end)
{
	struct vma *next = find_vma_above(mm, from);

	if (next && next->start < end)
		return -ENOMEM;
	flush_claim(mm, from, end);
	return map_anonymous(mm, from, end - from, VM_READ | VM_WRITE);
}

int do_brk(struct mm *mm, u64 end)
{
	enum cycle_cat cat = cat_enter(CYC_KERNEL);
	u64 obs = syscall_enter(), old;
	bool shrinks;
	int rc = 0;

	down_write(&mm->mmap_lock);
	touch(mm, true);
	old = mm->brk;
	shrinks = end >= mm->start_brk && end < old;
	/* Before readers come in. */
	if (end >= mm->start_brk)
		mm->brk = end;
	if (shrinks)
		rc = munmap_unlock(mm, end, old);
	else if (end < mm->start_brk)
		rc = -EINVAL;
	else if (end > old)
		rc = grow_heap(mm, old, end);
	if (rc)
		mm->brk = old;
	if (rc || !shrinks)
		up_write(&mm->mmap_lock);
	cat_leave(cat);
	return syscall_leave(obs, rc);
}
