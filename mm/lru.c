#include "mm/lru.h"

#include <assert.h>
#include <errno.h>

#define NO_NODE UINT32_MAX
#define GONE 0u                 /* in a batch: freed meanwhile                */

/* Seven bytes a frame, as there is no room for more (64 a touched frame): a page's
 * neighbours by their number within the node, from 1 on. */
struct lru_link {
	u64 prev : 28, next : 28;
} __attribute__((packed));
_Static_assert(sizeof(struct lru_link) == 7, "no holes");

/* ->prev and ->next, besides a number. */
#define NOWHERE 0u              /* as the arena has it                        */
#define HEAD 0xfffffffu
#define IN_BATCH 0xffffffeu     /* ->prev; next: the CPU's                    */
#define MAX_NR 0xffffffdu       /* a TiB of a node: pages behind are on no list */

static bool is_listed(const struct lru_link *k)
{
	return k->prev != NOWHERE && k->prev != IN_BATCH;
}

/* One a node. */
struct lruvec {
	struct list {
		u32 first, last;        /* numbers; HEAD: none                */
	} list[NR_LRU_LISTS];
	u32 pad[12];
	struct spinlock lock;
	u32 pad2[15];
	u64 size[NR_LRU_LISTS], isolated[NR_LRU_LISTS];
	u64 pad3[4];
};

struct lru_batch {
	u32 n;
	u32 pfn[LRU_BATCH];
};

struct lru {
	struct lruvec *vec;     /* [nr_nodes]                                 */
	struct lru_batch *batch;        /* [nr_cpus]                          */
	struct lru_link *link;  /* [nr_frames]                                */
};

/* What one page writes to under the lock. */
struct change {
	const void *line[3];
	u32 node;
};

int lru_boot(void)
{
	struct arena *a = &the_sys->arena;
	struct lru *l;

	if (the_sys->is_explored)
		return 0;
	l = arena_alloc(a, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->vec = arena_alloc(a, the_sys->m->nr_nodes * sizeof(*l->vec));
	l->batch = arena_alloc(a, the_sys->nr_cpus * sizeof(*l->batch));
	l->link = arena_alloc(a, the_sys->mem.nr_frames * sizeof(*l->link));
	if (!l->vec || !l->batch || !l->link)
		return -ENOMEM;
	for (u32 i = 0; i < the_sys->m->nr_nodes; i++)
		for (u32 k = 0; k < NR_LRU_LISTS; k++)
			l->vec[i].list[k] = (struct list){ HEAD, HEAD };
	mms()->lru = l;
	return 0;
}

/* ---- the lists, without steps ---------------------------------------------------- */

static u64 first_of(u32 node)
{
	return node * mms()->frames_per_node;
}

static u64 nr_of(const struct page *page)
{
	return pfn_of(page) - first_of(page->node) + 1;
}

static struct lru_link *link_of(const struct page *page)
{
	return &mms()->lru->link[pfn_of(page)];
}

static struct page *page_at(u32 node, u32 nr)
{
	return page_of(first_of(node) + nr - 1);
}

static struct lru_link *link_at(u32 node, u32 nr)
{
	return link_of(page_at(node, nr));
}

static const void *line_of(const struct lruvec *v, u32 node, u32 nr)
{
	return nr == HEAD ? (const void *)v : (const void *)page_at(node, nr);
}

/* As long as it is on one: a page becomes a file's before it is added. */
static enum lru_list list_of(const struct page *page)
{
	return page->is_file && !page->is_shmem ? LRU_FILE : LRU_ANON;
}

/* At the head. */
static struct change put_on(struct page *page)
{
	u32 node = page->node, nr = (u32)nr_of(page);
	struct lruvec *v = &mms()->lru->vec[node];
	struct list *l = &v->list[list_of(page)];
	struct change c = { { page, v, line_of(v, node, l->first) }, node };

	*link_of(page) = (struct lru_link){ HEAD, l->first };
	if (l->first != HEAD)
		link_at(node, l->first)->prev = nr;
	else
		l->last = nr;
	l->first = nr;
	v->size[list_of(page)] += 1ull << page->order;
	return c;
}

static struct change take_off(struct page *page)
{
	u32 node = page->node;
	struct lruvec *v = &mms()->lru->vec[node];
	struct list *l = &v->list[list_of(page)];
	struct lru_link *k = link_of(page);
	struct change c = {
		{ page, line_of(v, node, k->prev), line_of(v, node, k->next) },
		node
	};

	if (k->prev != HEAD)
		link_at(node, k->prev)->next = k->next;
	else
		l->first = k->next;
	if (k->next != HEAD)
		link_at(node, k->next)->prev = k->prev;
	else
		l->last = k->prev;
	v->size[list_of(page)] -= 1ull << page->order;
	*k = (struct lru_link){ NOWHERE, 0 };
	return c;
}

/* Out of the batch of the CPU that added it; its place stays. */
static void leave_batch(struct page *page)
{
	struct lru_link *k = link_of(page);
	struct lru_batch *b = &mms()->lru->batch[k->next];

	for (u32 i = 0; i < b->n; i++)
		if (b->pfn[i] == pfn_of(page))
			b->pfn[i] = GONE;
	*k = (struct lru_link){ NOWHERE, 0 };
}

/* ---- what that takes -------------------------------------------------------------- */

static void carry_out(const struct change *c, u32 n)
{
	enum cycle_cat cat = cat_enter(CYC_KERNEL);
	u32 node = NO_NODE;

	local_irq_disable();
	for (u32 i = 0; i < n; i++) {
		struct lruvec *v = &mms()->lru->vec[c[i].node];

		if (node != c[i].node) {
			if (node != NO_NODE)
				spin_unlock(&mms()->lru->vec[node].lock);
			spin_lock(&v->lock);
			node = c[i].node;
		}
		step(v->size, true, cost_of(COST_LRU_PAGE));
		for (u32 k = 0; k < ARRAY_LEN(c[i].line); k++)
			step(c[i].line[k], true, 0);
	}
	if (node != NO_NODE)
		spin_unlock(&mms()->lru->vec[node].lock);
	local_irq_enable();
	cat_leave(cat);
}

void lru_drain(void)
{
	struct change add[LRU_BATCH], del[LRU_BATCH];
	struct lru *l = mms()->lru;
	struct lru_batch *b;
	u32 n, nr_gone = 0;

	if (!l || !l->batch[this_cpu->id].n)
		return;
	b = &l->batch[this_cpu->id];
	n = b->n;
	for (u32 i = 0; i < n; i++) {
		const struct lruvec *v = &l->vec[this_cpu->node];

		if (b->pfn[i] != GONE) {
			add[i] = put_on(page_of(b->pfn[i]));
			continue;
		}
		add[i] = (struct change){ { b, v, v }, this_cpu->node };
		del[nr_gone++] = add[i];
	}
	b->n = 0;
	carry_out(add, n);
	if (nr_gone)
		carry_out(del, nr_gone);
}

/* ---- the kernel's ------------------------------------------------------------------- */

void lru_add(struct page *page)
{
	struct lru *l = mms()->lru;
	struct lru_batch *b;

	page->is_lru = 1;
	if (!l || link_of(page)->prev != NOWHERE || nr_of(page) > MAX_NR)
		return;
	b = &l->batch[this_cpu->id];
	charge(cost_of(COST_PTE_SCAN));
	*link_of(page) = (struct lru_link){ IN_BATCH, this_cpu->id };
	b->pfn[b->n++] = (u32)pfn_of(page);
	if (b->n == LRU_BATCH || page->order)
		lru_drain();
}

void lru_split(struct page *head)
{
	if (mms()->lru && is_listed(link_of(head)))
		mms()->lru->vec[head->node].size[list_of(head)] -=
			(1ull << head->order) - 1;
}

void lru_add_split(struct page *page)
{
	page->is_lru = 1;
	if (mms()->lru && link_of(page)->prev == NOWHERE &&
	    nr_of(page) <= MAX_NR)
		(void)put_on(page);
}

void lru_drain_zap(void)
{
	if (!kern()->zap_spares_lru)
		lru_drain();
}

void lru_del_many(struct page *const *page, u32 n)
{
	struct change del[LRU_RELEASE];
	u32 nr = 0;

	if (!mms()->lru)
		return;
	for (u32 i = 0; i < n; i++) {
		const struct lru_link *k = link_of(page[i]);

		if (is_listed(k))
			del[nr++] = take_off(page[i]);
		else if (k->prev == IN_BATCH)
			leave_batch(page[i]);
	}
	if (nr)
		carry_out(del, nr);
}

void lru_del(struct page *page)
{
	lru_del_many(&page, 1);
}

static void isolate(struct page *page, struct lru_taken *out)
{
	page->is_lru = 0;
	page->refcount++;
	out->page[out->n++] = page;
}

/* Those that stay, too, are unlinked and linked once: each is one change. */
void lru_isolate_tail(u32 node, enum lru_list l, u32 n, struct lru_taken *out)
{
	struct lruvec *v = mms()->lru ? &mms()->lru->vec[node] : NULL;
	struct change c[LRU_RELEASE];
	u32 nr = 0, until = HEAD;

	*out = (struct lru_taken){ .nr_scanned = 0 };
	for (; v && out->nr_scanned < n && v->list[l].last != HEAD; nr++) {
		u32 last = v->list[l].last;
		struct page *page = page_at(node, last);

		if (last == until)      /* once round */
			break;
		out->nr_scanned += 1u << page->order;
		c[nr] = take_off(page);
		if (!page->order && page->is_lru && page->refcount) {
			isolate(page, out);
			continue;
		}
		if (page->order)
			out->huge[out->nr_huge++] = page;
		(void)put_on(page);
		if (until == HEAD)
			until = last;
	}
	if (!nr)
		return;
	v->isolated[l] += out->n;
	charge(out->n * cost_of(COST_ISOLATE));
	carry_out(c, nr);
}

void lru_putback(u32 node, enum lru_list l, struct page *const *back, u32 n,
		 u32 nr_taken)
{
	struct change c[LRU_RELEASE];

	mms()->lru->vec[node].isolated[l] -= nr_taken;
	for (u32 i = 0; i < n; i++) {
		back[i]->is_lru = 1;
		c[i] = put_on(back[i]);
	}
	if (n)
		carry_out(c, n);
	for (u32 i = 0; i < n; i++)
		put_page(back[i]);
}

u64 lru_size(u32 node, enum lru_list l)
{
	return mms()->lru->vec[node].size[l];
}

u64 lru_isolated(u32 node, enum lru_list l)
{
	return mms()->lru->vec[node].isolated[l];
}

/* ---- checking ------------------------------------------------------------------------ */

static u64 check_list(const struct lruvec *v, u32 node, enum lru_list l)
{
	u32 prev = HEAD;
	u64 n = 0, size = 0;

	for (u32 nr = v->list[l].first; nr != HEAD; n++) {
		const struct page *page = page_at(node, nr);

		assert(link_of(page)->prev == prev);
		assert(!page->is_free && page->node == node && list_of(page) == l);
		size += 1ull << page->order;
		prev = nr;
		nr = link_of(page)->next;
	}
	assert(v->list[l].last == prev && v->size[l] == size);
	return n;
}

u64 lru_check(void)
{
	const struct lru *l = mms()->lru;
	u64 n = 0;

	for (u32 i = 0; l && i < the_sys->m->nr_nodes; i++)
		for (u32 k = 0; k < NR_LRU_LISTS; k++)
			n += check_list(&l->vec[i], i, k);
	for (u32 i = 0; l && i < the_sys->nr_cpus; i++) {
		const struct lru_batch *b = &l->batch[i];

		assert(b->n < LRU_BATCH);
		for (u32 k = 0; k < b->n; k++)
			assert(b->pfn[k] == GONE ||
			       (l->link[b->pfn[k]].prev == IN_BATCH &&
				l->link[b->pfn[k]].next == i));
	}
	return n;
}
