/* Where a thread's memory comes from. */
#include "mm/mempolicy.h"
#include "mm/mm.h"

static u64 all_nodes(void)
{
	u32 n = the_sys->m->nr_nodes;

	return n >= MPOL_MAX_NODES ? ~0ull : (1ull << n) - 1;
}

int nearest_node(u32 near, u64 nodes)
{
	const struct machine *m = the_sys->m;
	int best = -1;

	for (u32 n = 0; n < m->nr_nodes && n < MPOL_MAX_NODES; n++) {
		if (!(nodes >> n & 1))
			continue;
		if (best < 0 || machine_distance(m, near, n) <
				machine_distance(m, near, (u32)best))
			best = (int)n;
	}
	return best;
}

/* @first, then the others of @nodes, the nearest to it first. */
static struct page *alloc_from(u32 first, u64 nodes, u32 order, u64 vpn)
{
	struct page *page = NULL;
	int n = (int)first;

	if (nodes >> first & 1)
		page = alloc_page_for(first, order, vpn);
	for (nodes &= ~(1ull << first); !page; nodes &= ~(1ull << n)) {
		n = nearest_node(first, nodes);
		if (n < 0)
			break;
		page = alloc_page((u32)n, order);
	}
	return page;
}

static u32 next_interleaved(struct mempolicy *p)
{
	u64 from = p->nodes >> p->next;
	u32 n = from ? p->next + (u32)__builtin_ctzll(from)
		     : (u32)__builtin_ctzll(p->nodes);

	p->next = n + 1 < MPOL_MAX_NODES ? n + 1 : 0;
	return n;
}

struct page *alloc_user_page(u32 order, u64 vpn)
{
	struct mempolicy *p = &current()->mpol;
	u32 here = this_cpu->node;

	switch (p->mode) {
	case MPOL_BIND:
		if (!(p->nodes >> here & 1))
			here = (u32)nearest_node(here, p->nodes);
		return alloc_from(here, p->nodes, order, vpn);
	case MPOL_PREFERRED:
		here = (u32)__builtin_ctzll(p->nodes);
		break;
	case MPOL_INTERLEAVE:
		here = next_interleaved(p);
		break;
	case MPOL_DEFAULT:
	case MPOL_LOCAL:
		break;
	}
	return alloc_from(here, all_nodes(), order, vpn);
}

void set_mempolicy(enum mpol_mode mode, u64 nodes)
{
	enum cycle_cat cat = cat_enter(CYC_KERNEL);

	charge_syscall();
	current()->mpol = (struct mempolicy){ .mode = mode, .nodes = nodes };
	cat_leave(cat);
}

bool mpol_moves_on_fault(const struct thread *t)
{
	return t->mpol.mode == MPOL_DEFAULT || t->mpol.mode == MPOL_LOCAL;
}
