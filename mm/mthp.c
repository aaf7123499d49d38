#include "mm/mthp.h"

#include <errno.h>

#define MAX_ORDERS 16u

struct mthp {
	u32 orders;
	u32 (*free)[MAX_ORDERS];        /* [nr_nodes] pfn lists, 0 ends       */
};

int mthp_boot(u32 orders)
{
	struct arena *a = &the_sys->arena;
	struct mthp *t;

	if (!orders)
		return 0;
	if ((orders & ((1u << MTHP_MIN_ORDER) - 1)) || orders >> hpage_order())
		return -EINVAL;
	t = arena_alloc(a, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->orders = orders;
	t->free = arena_alloc(a, the_sys->m->nr_nodes * sizeof(*t->free));
	mms()->mthp = t;
	return t->free ? 0 : -ENOMEM;
}

/* ---- what a fault takes ------------------------------------------------------------- */

/* pte_range_none() */
static bool is_empty(struct mm *mm, u64 vpn, u64 nr)
{
	u64 *p = pgtable_entry(mm, vpn, 0);

	for (u64 i = 0; p && i < nr; i++)
		if (pte_load(&p[i]))
			return false;
	return true;
}

/* Userfaultfd wants to hear of each 4K; exec moves its stack by entries. */
static bool may_have_large(const struct vma *vma)
{
	return !vma->file && !(vma->flags & (VM_UFFD_WP | VM_TEMP_STACK));
}

u32 mthp_order(struct mm *mm, const struct vma *vma, u64 vpn, u32 below)
{
	const struct mthp *t = mms()->mthp;

	if (!t || !may_have_large(vma))
		return 0;
	for (u32 order = below; order-- > MTHP_MIN_ORDER; ) {
		u64 first = vpn & ~tlb_order_mask((u8)order);

		if ((t->orders >> order & 1) && first >= vma->start &&
		    first + (1ull << order) <= vma->end &&
		    is_empty(mm, first, 1ull << order))
			return order;
	}
	return 0;
}

/* ---- frames -------------------------------------------------------------------------- */

u32 *mthp_free_list(struct node_mem *n, u32 order)
{
	if (!order)
		return &n->free_4k;
	if (order >= hpage_order())
		return &n->free_huge;
	return &mms()->mthp->free[n - mms()->node][order];
}

/* The upper half of a block that is halved. */
static void give(struct node_mem *n, struct page *block, u32 order)
{
	struct page *half = block + (1ull << order);
	u32 *list = mthp_free_list(n, order);

	half->is_free = 1;
	half->is_unflushed = block->is_unflushed;
	half->index = block->index;
	half->next = *list;
	*list = (u32)pfn_of(half);
}

struct page *mthp_break(struct node_mem *n, u32 order)
{
	u32 of = order + 1;
	struct page *block;
	u32 *list;

	while (of <= hpage_order() && !*mthp_free_list(n, of))
		of++;
	if (of > hpage_order())
		return NULL;
	list = mthp_free_list(n, of);
	block = page_of(*list);
	*list = block->next;
	while (of-- > order)
		give(n, block, of);
	return block;
}
