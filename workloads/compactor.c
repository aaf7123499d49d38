#include "workloads/compactor.h"

#include "mm/mm.h"

/* A look without a lock, as the kernel's: what is free is passed over. */
static u64 compact_node(u32 node, u64 from, const u32 *left)
{
	const struct node_mem *mem = &mms()->node[node];
	u64 pfn = node * mms()->frames_per_node + !node + from, moved = 0;

	for (; pfn < mem->next && *left; pfn++) {
		struct page *page = page_of(pfn);

		charge(cost_of(COST_PTE_SCAN));
		if (!page->is_free && page->is_lru)
			moved += compact_page(page, node);
	}
	return moved;
}

static u64 used_frames(u32 node)
{
	return mms()->node[node].next - node * mms()->frames_per_node;
}

u64 compact_while(u32 *left, u32 i, u32 n)
{
	u64 moved = 0;
	bool is_first = true;

	while (READ_ONCE(*left)) {
		for (u32 node = 0; node < the_sys->m->nr_nodes; node++)
			moved += compact_node(node, is_first ? used_frames(node) *
					      i / n : 0, left);
		is_first = false;
	}
	return moved;
}
