/* Frames for pages that are first touched in order of address: a block of 16
 * frames, aligned as its pages are, is set aside when the first of 16 pages is
 * touched, and each of the others finds its own there. So TLBs that coalesce, or
 * take contiguous entries, may.
 *
 * assumed: Linux promises no such thing. Its per-CPU lists are refilled in order
 * of address from blocks that the buddy allocator split, so that while large
 * blocks are free, pages touched in order get frames in order; that these are
 * aligned as the pages are is luck there, one in four for four pages. AMD parts
 * of one generation were seen to coalesce and not to (InstLatx64).
 *
 * Blocks come from memory that was never used, one a CPU at a time. What is left
 * of one when the next is begun, or memory runs out, goes to the free list.
 */
#include "mm/mm.h"

static void give_back(struct node_mem *n, u64 pfn)
{
	page_of(pfn)->next = n->free_4k;
	page_of(pfn)->is_free = 1;
	n->free_4k = (u32)pfn;
}

static void release(struct page_run *r)
{
	for (u32 i = 0; i < RUN_PAGES; i++)
		if (r->left >> i & 1)
			give_back(&mms()->node[r->node], r->first + i);
	r->left = 0;
}

u64 run_take(u32 node, u64 vpn)
{
	struct page_run *r = &mms()->run[this_cpu->id];
	struct node_mem *n = &mms()->node[node];
	u32 at = (u32)vpn & (RUN_PAGES - 1);
	u64 first;

	if (at) {
		if (r->root != this_cpu->s->root || r->node != node ||
		    r->block != vpn / RUN_PAGES || !(r->left >> at & 1))
			return 0;
		r->left &= ~(1u << at);
		return r->first + at;
	}
	release(r);
	first = (n->next + RUN_PAGES - 1) & ~(u64)(RUN_PAGES - 1);
	if (first + RUN_PAGES > n->end)
		return 0;
	while (n->next < first)
		give_back(n, n->next++);
	n->next = first + RUN_PAGES;
	*r = (struct page_run){
		.block = vpn / RUN_PAGES, .first = first, .node = node,
		.root = this_cpu->s->root, .left = (1u << RUN_PAGES) - 2,
	};
	return first;
}

void runs_release(u32 node)
{
	for (u32 i = 0; mms()->run && i < the_sys->nr_cpus; i++)
		if (mms()->run[i].node == node)
			release(&mms()->run[i]);
}
