/* Which hint faults move their page, and where: mpol_misplaced(),
 * should_numa_migrate_memory() and the rate limit; which pages the scanner leaves
 * alone. */
#include "cpu/dram.h"
#include "mm/numa_balancing.h"
#include "mm/pieces.h"

#define ACTIVE_FRACTION 3u      /* ACTIVE_NODE_FRACTION                       */
#define EARLY_PASSES 4u

/* ---- by era ------------------------------------------------------------------------ */

static u32 node_of_cpupid(u32 cpupid)
{
	return the_sys->cpu[cpupid_cpu(cpupid)].node;
}

/* Until 3.12: twice in a row from this node. */
static bool filter_last_node(u32 last)
{
	return last && node_of_cpupid(last) == this_cpu->node;
}

static bool filter_defer(struct numa_task *t, u32 last)
{
	bool is_mine = cpupid_is_mine(last, t->t->sched->pid);

	if (last && node_of_cpupid(last) != this_cpu->node) {
		if (!is_mine)
			t->migrate_deferred = numab()->knobs.migrate_deferred;
		return false;
	}
	/* An unset one is nobody's: the first ever waits as well. */
	if (!(last && is_mine) && t->migrate_deferred) {
		t->migrate_deferred--;
		return false;
	}
	return true;
}

static bool filter_group(struct numa_task *t, u32 last, u32 src, u32 dst)
{
	const struct numa_group *g = t->group;
	bool is_mine = cpupid_is_mine(last, t->t->sched->pid);
	u64 cpu_src, cpu_dst;

	/* Two passes of the filter below, early in a task's life. */
	if ((t->preferred_nid < 0 || t->scan_seq <= EARLY_PASSES) &&
	    (!last || is_mine))
		return true;
	if (last && node_of_cpupid(last) != dst)
		return false;
	if (!last || is_mine || !g)
		return true;
	cpu_src = numa_sum(&g->cpu, src);
	cpu_dst = numa_sum(&g->cpu, dst);
	if (cpu_dst > cpu_src * ACTIVE_FRACTION)
		return true;
	/* With a hysteresis of a quarter: memory in proportion to CPU use. */
	return cpu_dst * numa_sum(&g->mem, src) * 3 >
		cpu_src * numa_sum(&g->mem, dst) * 4;
}

/* 3.15 to 4.5: not to a node that the group does not use, and among those from
 * where its memory is to where it is not, by a quarter at least. */
static bool filter_active(struct numa_task *t, u32 last, u32 src, u32 dst)
{
	const struct numa_group *g = t->group;

	if (last && node_of_cpupid(last) != dst)
		return false;
	if ((last && cpupid_is_mine(last, t->t->sched->pid)) || !g)
		return true;
	if (!numa_is_active(g, dst))
		return false;
	if (!numa_is_active(g, src))
		return true;
	return numa_sum(&g->mem, dst) * 4 < numa_sum(&g->mem, src) * 3;
}

/* So many pages to a node in 100 ms; 3.8 to 4.18. */
static bool is_limited(struct numa_task *t, u32 node)
{
	struct numa_node *n = &numab()->node[node];
	u32 limit = numa_rules()->ratelimit_pages;

	if (!limit)
		return false;
	if (this_cpu->now >= n->window_end) {
		n->window_pages = 0;
		n->window_end = this_cpu->now + 100 * numab()->ms;
	}
	if (n->window_pages > limit) {
		t->hint.is_failed = true;
		return true;
	}
	n->window_pages += t->hint.pages;
	return false;
}

static bool should_migrate(struct numa_task *t, struct page *page, u32 dst)
{
	bool is_slow = !numab()->node[page->node].is_toptier;
	u32 last;

	if (numa_tiers() && is_slow)
		return numa_promotes(page, dst);
	last = xchg(&page->last_cpupid,
		    make_cpupid(t->t->sched->pid, this_cpu->id));
	t->hint.last_cpupid = last;
	switch (numa_rules()->filter) {
	case NUMA_FILTER_LAST_NODE:
		return filter_last_node(last);
	case NUMA_FILTER_DEFER:
		return filter_defer(t, last);
	case NUMA_FILTER_ACTIVE:
		return filter_active(t, last, page->node, dst);
	case NUMA_FILTER_GROUP:
		return filter_group(t, last, page->node, dst);
	}
	return false;
}

/* What a policy that was asked for says of a page that faulted all the same:
 * another thread of the process, without one, had it scanned. */
static int wanted_by_policy(const struct mempolicy *p, u32 node)
{
	switch (p->mode) {
	case MPOL_BIND:
		return p->nodes >> node & 1 ? (int)node
			: nearest_node(this_cpu->node, p->nodes);
	case MPOL_PREFERRED:
		return __builtin_ctzll(p->nodes);
	case MPOL_INTERLEAVE:
		return (int)node;       /* no offset of a policy of no VMA */
	case MPOL_DEFAULT:
	case MPOL_LOCAL:
		break;
	}
	return (int)this_cpu->node;
}

int numa_misplaced(struct page *page, u64 entry)
{
	struct numa_task *t = numa_current();
	u32 node = page->node;
	int dst;

	t->hint = (struct numa_hint){
		.is_set = true, .node = node, .pages = 1u << page->order,
		.is_local = node == this_cpu->node,
		.is_read_only = !(entry & PTE_RW),
	};
	/* Of a slow tier's it is a time. */
	if (!numa_tiers() || numab()->node[node].is_toptier)
		t->hint.last_cpupid = page->last_cpupid;
	dst = wanted_by_policy(&t->t->mpol, node);
	if (mpol_moves_on_fault(t->t) &&
	    !should_migrate(t, page, this_cpu->node))
		return -1;
	if (dst < 0 || dst == (int)node || is_limited(t, (u32)dst))
		return -1;
	if (!numa_has_space((u32)dst, t->hint.pages)) {
		t->hint.is_failed = true;
		return -1;
	}
	return dst;
}

/* ---- the scanner's side ------------------------------------------------------------ */

/* Those of all memory fit no cache: a line from the page's node each, ahead of time
 * where frames follow one another and hardware prefetches, else waited for. The
 * flush that is pending meanwhile is what migrations of other threads pay for
 * (pte_accessible()). */
static void read_struct_page(struct page *page, bool is_huge)
{
	struct numa_task *t = numa_current();
	enum numa_reads reads = numa_rules()->scan_reads;
	u64 pfn = pfn_of(page);
	bool is_next = pfn == t->scanned_pfn + 1;

	/* 5.18 asks for a huge page's tier only if it matters. */
	if (reads == NUMA_READS_4K && is_huge && numa_tiers() &&
	    !(numab()->knobs.mode & NUMA_BALANCING_NORMAL))
		reads = NUMA_READS_ALL;
	if (reads == NUMA_READS_NONE || (reads == NUMA_READS_4K && is_huge))
		return;
	step(page, false, 0);
	t->scanned_pfn = pfn;
	the_sys->drv.delay(dram_transfer(the_sys->dram, page->node, 64,
					 is_next ? 0 : 1));
}

/* Somebody else reaches it: a device, a child. Of pages that many entries map by
 * design (6.10) Linux has a guess: more references than one for each 4K, or the first
 * is mapped twice. */
static bool is_pinned(const struct page *head)
{
	if (!head->order || !numa_rules()->large_folios)
		return head->refcount != 1;
	return head->refcount > folio_pages(head) ||
	       head[1].first_mapcount + head->mapcount > 1;
}

bool numa_scan_skips(struct page *page, bool is_huge, const struct mm *mm)
{
	bool is_toptier;

	read_struct_page(page, is_huge);
	page = compound_head(page);
	is_toptier = numab()->node[page->node].is_toptier;
	if (page->is_ksm)
		return true;
	/* It could not move. */
	if (numa_rules()->skips_pinned && !is_huge && !page->is_file &&
	    is_pinned(page))
		return true;
	/* Of one thread: what is beside it may stay. */
	if (numa_rules()->skips_local && !is_huge && mm->nr_threads == 1 &&
	    page->node == this_cpu->node)
		return true;
	if (!numa_tiers())
		return false;
	if (is_toptier)
		return !(numab()->knobs.mode & NUMA_BALANCING_NORMAL);
	page->last_cpupid = numa_now_ms();
	return false;
}
