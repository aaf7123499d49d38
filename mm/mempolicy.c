/* Where a thread's memory comes from. */
#include "mm/mempolicy.h"

#include <errno.h>

#include "mm/kswapd.h"
#include "mm/mm.h"
#include "mm/numa_balancing.h"

u64 all_nodes(void)
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

/* zone_watermark_fast(): down to a watermark, where kswapds and direct reclaim do
 * something about it (kswapd.h). */
static bool may_take(u32 node, u32 order, enum wmark w)
{
	return !has_kswapds() || current()->in_reclaim ||
	       node_free_pages(node) >= wmark_pages(node, w) + (1ull << order);
}

/* @first, then the others of @nodes, the nearest to it first. */
static struct page *alloc_from(u32 first, u64 nodes, u32 order, u64 vpn,
			       enum wmark w)
{
	struct page *page = NULL;
	int n = (int)first;

	if ((nodes >> first & 1) && may_take(first, order, w))
		page = alloc_page_for(first, order, vpn);
	for (nodes &= ~(1ull << first); !page; nodes &= ~(1ull << n)) {
		n = nearest_node(first, nodes);
		if (n < 0)
			break;
		if (may_take((u32)n, order, w))
			page = alloc_page((u32)n, order);
	}
	return page;
}

/* Nobody is woken for a huge page, whose fault falls back (GFP_TRANSHUGE_LIGHT). */
static struct page *alloc_pages(u32 first, u64 nodes, u32 order, u64 vpn)
{
	struct page *page = alloc_from(first, nodes, order, vpn, WMARK_LOW);

	if (page || !has_kswapds())
		return page;
	for (u32 n = 0; n < the_sys->m->nr_nodes && !order; n++)
		if (nodes >> n & 1)
			wakeup_kswapd(n);
	return alloc_from(first, nodes, order, vpn, WMARK_MIN);
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
	u64 mems = current()->mems ? current()->mems : all_nodes();
	u32 here = this_cpu->node;

	switch (p->mode) {
	case MPOL_BIND:
		if (!(p->nodes >> here & 1))
			here = (u32)nearest_node(here, p->nodes);
		return alloc_pages(here, p->nodes, order, vpn);
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
	return alloc_pages(here, mems, order, vpn);
}

int set_mempolicy(enum mpol_mode mode, u64 nodes)
{
	enum cycle_cat cat = cat_enter(CYC_KERNEL);
	struct thread *t = current();
	u64 within = t->mems ? nodes & t->mems : nodes;
	bool is_empty = nodes && !within;

	charge_syscall();
	if (!is_empty)
		t->mpol = (struct mempolicy){ .mode = mode, .nodes = within };
	cat_leave(cat);
	return is_empty ? -EINVAL : 0;
}

/* ---- within a cpuset --------------------------------------------------------------- */

bool cpuset_has_node(const struct thread *t, u32 node)
{
	return !t->mems || (node < MPOL_MAX_NODES && t->mems >> node & 1);
}

bool mempolicy_allows(const struct thread *t, u32 node)
{
	return cpuset_has_node(t, node) &&
	       (t->mpol.mode != MPOL_BIND || t->mpol.nodes >> node & 1);
}

static u64 nth_bit(u64 set, u32 n)
{
	while (n--)
		set &= set - 1;
	return (u64)__builtin_ctzll(set);
}

u32 node_remap(u32 node, u64 from, u64 to)
{
	u32 place, n = (u32)__builtin_popcountll(to);

	if (!(from >> node & 1) || !n)
		return node;
	place = (u32)__builtin_popcountll(from & ((1ull << node) - 1));
	return (u32)nth_bit(to, place % n);
}

void mempolicy_confine(struct thread *t, u64 mems)
{
	t->mems = mems;
	if (mems)
		t->mpol.nodes &= mems;
}

void mempolicy_rebind(struct thread *t, u64 mems)
{
	u64 from = t->mems ? t->mems : all_nodes(), nodes = 0;

	t->mems = mems;
	/* One that is preferred stays so (mpol_rebind_preferred()). */
	if (t->mpol.mode != MPOL_BIND && t->mpol.mode != MPOL_INTERLEAVE)
		return;
	for (u64 m = t->mpol.nodes; m; m &= m - 1)
		nodes |= 1ull << node_remap((u32)__builtin_ctzll(m), from, mems);
	t->mpol.nodes = nodes;
}

bool mpol_moves_on_fault(const struct thread *t)
{
	return t->mpol.mode == MPOL_DEFAULT || t->mpol.mode == MPOL_LOCAL;
}
