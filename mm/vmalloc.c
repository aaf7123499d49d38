#include "mm/vmalloc.h"

#include <errno.h>

#include "mm/flush.h"
#include "mm/oracle.h"
#include "mm/truth.h"

static struct vmap *vmap(void)
{
	return mms()->vmap;
}

static u32 top(void)
{
	return the_sys->mem.paging.levels - 1u;
}

static u64 *top_entry(const struct mm *mm)
{
	return &the_sys->mem.table[mm->root][
		paging_index(&the_sys->mem.paging, vmap()->first, top())];
}

int vmalloc_boot(u64 first, u64 nr)
{
	struct vmap *v = arena_alloc(&the_sys->arena, sizeof(*v));
	struct vmap_area *all = arena_alloc(&the_sys->arena, sizeof(*all));

	if (!v || !all)
		return -ENOMEM;
	mms()->vmap = v;
	v->first = all->start = first;
	v->end = all->end = first + nr;
	v->guard = !the_sys->is_explored;
	v->free = all;
	v->mm.ctx_id = UINT32_MAX - 1;
	v->mm.root = alloc_table(this_cpu->node);
	if (!v->mm.root || truth_boot(&v->mm) || !pgtable_alloc(&v->mm, first, 0))
		return -ENOMEM;
	the_sys->kernel_root = v->mm.root;
	for (struct mm *mm = mms()->first_mm; mm; mm = mm->next_mm)
		vmalloc_join(mm);
	return 0;
}

int vmalloc_boot_timed(void)
{
	const struct paging *p = &the_sys->mem.paging;
	u32 below = p->bits * (p->levels - 1u);

	/* One entry of the top table: the first of the canonical upper half. */
	return vmalloc_boot(1ull << (below + p->bits - 1u), 1ull << below);
}

void vmalloc_join(struct mm *mm)
{
	if (vmap())
		*top_entry(mm) = *top_entry(&vmap()->mm);
}

/* ---- addresses ---------------------------------------------------------------- */

/* Under the lock, as what follows. NULL: out of memory. */
static struct vmap_area *new_area(u64 start, u64 end)
{
	struct vmap_area *a = vmap()->spare;

	if (a) {
		touch(a, true);
		vmap()->spare = a->next;
	} else {
		a = arena_alloc(&the_sys->arena, sizeof(*a));
	}
	if (a)
		*a = (struct vmap_area){ .start = start, .end = end };
	return a;
}

static void drop_area(struct vmap_area *a)
{
	*a = (struct vmap_area){ .next = vmap()->spare };
	vmap()->spare = a;
}

/* The lowest that fits. NULL: none does. */
static struct vmap_area *take(u64 nr)
{
	struct vmap_area **p = &vmap()->free, *f, *a = NULL;

	touch(p, true);
	while (*p && (*p)->end - (*p)->start < nr)
		p = &(*p)->next;
	f = *p;
	if (!f)
		return NULL;
	touch(f, true);
	if (f->end - f->start == nr) {
		*p = f->next;
		f->next = NULL;
		return f;
	}
	a = new_area(f->start, f->start + nr);
	if (a)
		f->start += nr;
	return a;
}

static struct vmap_area *take_locked(u64 nr)
{
	struct vmap_area *a;

	spin_lock(&vmap()->lock);
	a = take(nr);
	spin_unlock(&vmap()->lock);
	return a;
}

/* Both by address. */
static struct vmap_area *merge(struct vmap_area *a, struct vmap_area *b)
{
	struct vmap_area *first = NULL, **p = &first;

	while (a && b) {
		struct vmap_area **low = a->start < b->start ? &a : &b;

		touch(*low, true);
		*p = *low;
		p = &(*low)->next;
		*low = *p;
	}
	*p = a ? a : b;
	return first;
}

static struct vmap_area *sort(struct vmap_area *a)
{
	struct vmap_area *half = a, *end, *b;

	if (!a || !a->next)
		return a;
	for (end = a->next; end && end->next; end = end->next->next)
		half = half->next;
	b = half->next;
	touch(half, true);
	half->next = NULL;
	return merge(sort(a), sort(b));
}

static void join_neighbours(struct vmap_area *a)
{
	while (a && a->next) {
		struct vmap_area *b = a->next;

		if (a->end != b->start) {
			a = b;
			continue;
		}
		touch(a, true);
		touch(b, true);
		a->end = b->end;
		a->next = b->next;
		drop_area(b);
	}
}

void vmap_release(struct vmap_area *a)
{
	struct vmap *v = vmap();

	a = sort(a);
	spin_lock(&v->lock);
	touch(&v->free, true);
	v->free = merge(v->free, a);
	join_neighbours(v->free);
	spin_unlock(&v->lock);
}

/* ---- pages --------------------------------------------------------------------- */

static void unmap(u64 vpn)
{
	struct mm *mm = &vmap()->mm;
	u64 old = pte_xchg(mm->root, vpn, 0, pgtable_entry(mm, vpn, 0), 0);

	oracle_stale_from_now(mm, vpn, 1);
	NOTE("kernel PTE[%llu] := NONE", (unsigned long long)vpn);
	put_page(page_of(pte_pfn(old)));
}

/* Their frames go back at once: by these addresses nobody reaches them until they
 * have been flushed and have a new owner. */
static void unmap_all(u64 start, u64 end)
{
	for (u64 vpn = start; vpn < end; vpn++)
		unmap(vpn);
}

static int map(u64 vpn)
{
	struct mm *mm = &vmap()->mm;
	struct page *page = alloc_page(this_cpu->node, 0);
	u64 *p = page ? pgtable_alloc(mm, vpn, 0) : NULL;

	if (!p) {
		if (page)
			put_page(page);
		return -ENOMEM;
	}
	pte_store(mm->root, vpn, 0, p, pte_make(pfn_of(page),
		  PTE_P | PTE_RW | PTE_A | PTE_D | PTE_G | PTE_NX));
	NOTE("kernel PTE[%llu] := frame %llu", (unsigned long long)vpn,
	     (unsigned long long)pfn_of(page));
	return 0;
}

struct vmap_area *do_vmalloc(u64 nr)
{
	struct vmap *v = vmap();
	struct vmap_area *a = take_locked(nr + v->guard);

	if (!a) {
		vm_unmap_aliases();
		a = take_locked(nr + v->guard);
	}
	if (!a)
		return NULL;
	for (u64 i = 0; i < nr; i++)
		if (map(a->start + i)) {
			unmap_all(a->start, a->start + i);
			if (i)
				flush_tlb_kernel_range(a->start, a->start + i);
			vmap_release(a);
			return NULL;
		}
	COUNT(VMALLOC_PAGES, nr);
	oracle_mapped(&v->mm, a->start, a->start + nr, VM_READ | VM_WRITE);
	return a;
}

void do_vfree(struct vmap_area *a)
{
	const struct flush_ops *f = flusher();
	u64 start = a->start, end = a->end - vmap()->guard;

	oracle_mapped(&vmap()->mm, start, end, 0);
	unmap_all(start, end);
	if (f && f->vunmapped) {
		f->vunmapped(a);
		return;
	}
	flush_tlb_kernel_range(start, end);
	vmap_release(a);
}

void vm_unmap_aliases(void)
{
	if (flusher() && flusher()->vunmap_now)
		flusher()->vunmap_now();
}
