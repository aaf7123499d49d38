/* page_reuse.c - every page has the time of its last use; a Fenwick tree has a
 * one at each such time, so that the ones after a page's own are the pages
 * touched since. Times are renumbered when they run out. */
#include "workloads/page_reuse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_TIMES 4096u

struct page {
	u64 key;                /* vpn + 1; 0: free                           */
	u64 count;
	u32 last;
	u8 ops;                 /* bit by enum run_op                         */
};

struct page_reuse {
	struct page *slot;
	u32 shift;              /* 64 - log2(slots)                           */
	u32 nr_pages;
	struct page *current;   /* of the access before                       */
	u64 current_vpn;
	u32 *tree;              /* [nr_times + 1]                             */
	u32 nr_times, now;
	u64 nr_first, by_distance[REUSE_CLASSES];
};

static struct page *page_of(const struct page_reuse *p, u64 vpn)
{
	u64 mask = ~0ull >> p->shift;
	u64 i = (vpn * 0x9e3779b97f4a7c15ull) >> p->shift;

	while (p->slot[i].key && p->slot[i].key != vpn + 1)
		i = (i + 1) & mask;
	return &p->slot[i];
}

static int grow_slots(struct page_reuse *p)
{
	struct page_reuse big = *p;
	u64 nr = (~0ull >> p->shift) + 1;

	big.shift--;
	big.slot = calloc(2 * nr, sizeof(*big.slot));
	if (!big.slot)
		return -ENOMEM;
	for (u64 i = 0; i < nr; i++)
		if (p->slot[i].key)
			*page_of(&big, p->slot[i].key - 1) = p->slot[i];
	free(p->slot);
	p->slot = big.slot;
	p->shift = big.shift;
	p->current = NULL;
	return 0;
}

static void tree_add(struct page_reuse *p, u32 time, u32 delta)
{
	for (u32 i = time + 1; i <= p->nr_times; i += i & -i)
		p->tree[i] += delta;
}

/* Ones at times before @time. */
static u32 tree_before(const struct page_reuse *p, u32 time)
{
	u32 sum = 0;

	for (u32 i = time; i; i -= i & -i)
		sum += p->tree[i];
	return sum;
}

static int by_last(const void *pa, const void *pb)
{
	const struct page *const *a = pa, *const *b = pb;

	return (*a)->last < (*b)->last ? -1 : (*a)->last > (*b)->last;
}

/* Give the pages the times 0, 1, ... in the order of their last use. */
static int renumber(struct page_reuse *p)
{
	u64 nr = (~0ull >> p->shift) + 1;
	struct page **order = malloc((p->nr_pages + 1ul) * sizeof(*order));
	u32 n = 0, times = p->nr_times;
	u32 *tree;

	while (times / 2 < p->nr_pages)
		times *= 2;
	tree = order ? calloc(times + 1ul, sizeof(*tree)) : NULL;
	if (!tree) {
		free(order);
		return -ENOMEM;
	}
	for (u64 i = 0; i < nr; i++)
		if (p->slot[i].key)
			order[n++] = &p->slot[i];
	qsort(order, n, sizeof(*order), by_last);
	free(p->tree);
	p->tree = tree;
	p->nr_times = times;
	for (p->now = 0; p->now < n; p->now++) {
		order[p->now]->last = p->now;
		tree_add(p, p->now, 1);
	}
	free(order);
	return 0;
}

int page_reuse_create(struct page_reuse **out)
{
	struct page_reuse *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->shift = 64 - 10;
	p->nr_times = FIRST_TIMES;
	p->slot = calloc(1 << 10, sizeof(*p->slot));
	p->tree = calloc(FIRST_TIMES + 1, sizeof(*p->tree));
	if (!p->slot || !p->tree) {
		page_reuse_free(p);
		return -ENOMEM;
	}
	*out = p;
	return 0;
}

static u32 class_of(u32 distance)
{
	return distance ? 32u - (u32)__builtin_clz(distance) : 0;
}

/* The page of a first access after others. */
static int visit(struct page_reuse *p, u64 vpn)
{
	struct page *page;

	if (p->nr_pages > UINT32_MAX / 8)
		return -ENOMEM;
	if (p->nr_pages > (~0ull >> p->shift) / 2 && grow_slots(p))
		return -ENOMEM;
	if (p->now == p->nr_times && renumber(p))
		return -ENOMEM;
	page = page_of(p, vpn);
	if (page->key) {
		/* All pages have a one; those up to its own are not since. */
		u32 since = p->nr_pages - tree_before(p, page->last + 1);

		p->by_distance[class_of(since)]++;
		tree_add(p, page->last, -1u);
	} else {
		page->key = vpn + 1;
		p->nr_pages++;
		p->nr_first++;
	}
	tree_add(p, p->now, 1);
	page->last = p->now++;
	p->current = page;
	p->current_vpn = vpn;
	return 0;
}

int page_reuse_add(struct page_reuse *p, u64 vpn, u64 count, enum run_op op)
{
	u64 again = count;

	if (!p->current || p->current_vpn != vpn) {
		int ret = visit(p, vpn);

		if (ret)
			return ret;
		again--;
	}
	p->by_distance[0] += again;
	p->current->count += count;
	p->current->ops |= 1u << op;
	return 0;
}

static int by_count(const void *pa, const void *pb)
{
	const u64 *a = pa, *b = pb;

	return *a > *b ? -1 : *a < *b;
}

/* The fewest pages that take @percent of all accesses, @count sorted. */
static u64 pages_for(const u64 *count, u64 nr, u64 total, u32 percent)
{
	u64 want = total / 100 * percent + (total % 100 * percent + 99) / 100;
	u64 n = 0, sum = 0;

	while (n < nr && sum < want)
		sum += count[n++];
	return n;
}

int page_reuse_result(struct page_reuse *p, struct page_reuse_result *out)
{
	u64 nr = (~0ull >> p->shift) + 1, n = 0;
	u64 *count = malloc((p->nr_pages + 1ul) * sizeof(*count));

	if (!count)
		return -ENOMEM;
	*out = (struct page_reuse_result){
		.nr_pages = p->nr_pages, .nr_first = p->nr_first,
	};
	memcpy(out->by_distance, p->by_distance, sizeof(p->by_distance));
	for (u64 i = 0; i < nr; i++) {
		if (!p->slot[i].key)
			continue;
		count[n++] = p->slot[i].count;
		out->nr_accesses += p->slot[i].count;
		for (int op = 0; op < 4; op++)
			out->nr_pages_by_op[op] += p->slot[i].ops >> op & 1;
	}
	qsort(count, n, sizeof(*count), by_count);
	out->nr_pages_half = pages_for(count, n, out->nr_accesses, 50);
	out->nr_pages_90 = pages_for(count, n, out->nr_accesses, 90);
	out->nr_pages_99 = pages_for(count, n, out->nr_accesses, 99);
	free(count);
	return 0;
}

u64 page_reuse_lru_misses(const struct page_reuse_result *r, u64 nr_pages)
{
	u64 misses = r->nr_first;

	/* Class k begins at distance 2^(k-1): those from nr_pages on miss. */
	for (u32 k = class_of((u32)nr_pages); k < REUSE_CLASSES; k++)
		misses += r->by_distance[k];
	return misses;
}

void page_reuse_free(struct page_reuse *p)
{
	if (!p)
		return;
	free(p->slot);
	free(p->tree);
	free(p);
}
