/* Frames: per-node free lists of 4K and huge blocks, references, locks. */
#include "mm/mm.h"
#include "mm/oracle.h"

u32 pfn_node(u64 pfn)
{
	return (u32)(pfn / mms()->frames_per_node);
}

static struct page *take(struct node_mem *n, u32 order)
{
	u32 *list = order ? &n->free_huge : &n->free_4k;
	u64 pfn = *list, pages = 1ull << order;

	if (pfn) {
		*list = page_of(pfn)->next;
	} else {
		pfn = n->next;
		if (order) {            /* keep huge blocks aligned */
			u64 at = (pfn + pages - 1) & ~(pages - 1);

			for (; pfn < at && at + pages <= n->end; pfn++) {
				page_of(pfn)->next = n->free_4k;
				page_of(pfn)->is_free = 1;
				n->free_4k = (u32)pfn;
			}
			pfn = at;
		}
		if (pfn + pages > n->end) {
			if (order || !n->free_huge)
				return NULL;
			/* Break a huge block up. */
			pfn = n->free_huge;
			n->free_huge = page_of(pfn)->next;
			for (u64 i = hpage_pages(); --i > 0; ) {
				page_of(pfn + i)->next = n->free_4k;
				page_of(pfn + i)->is_free = 1;
				n->free_4k = (u32)(pfn + i);
			}
		} else {
			n->next = pfn + pages;
		}
	}
	return page_of(pfn);
}

struct page *alloc_page(u32 node, u32 order)
{
	struct page *p;

	step(&mms()->node[node], true, cost_of(COST_PAGE_ALLOC));
	p = take(&mms()->node[node], order);
	observe(p ? pfn_of(p) : 0);
	if (!p)
		return NULL;
	touch(p, true);
	p->is_free = 0;
	p->order = (u8)order;
	p->node = (u8)node;
	p->refcount = 1;
	p->mapcount = 0;
	p->lock = 0;
	p->is_lru = 0;
	p->last_cpupid = 0;
	p->anon_vma = NULL;
	oracle_alloc(p);
	return p;
}

void free_page_to(struct page *p)
{
	struct node_mem *n = &mms()->node[p->node];

	step(n, true, cost_of(COST_PAGE_FREE));
	touch(p, true);
	NOTE("free %s, frame %llu", p->order ? "huge page" : "page",
	     (unsigned long long)pfn_of(p));
	oracle_free(p);
	p->is_free = 1;
	p->anon_vma = NULL;
	p->index = 0;
	if (p->order) {
		p->next = n->free_huge;
		n->free_huge = (u32)pfn_of(p);
	} else {
		p->next = n->free_4k;
		n->free_4k = (u32)pfn_of(p);
	}
}

void get_page(struct page *p)
{
	atomic_inc(&p->refcount);
}

void put_page(struct page *p)
{
	if (!atomic_add_return(&p->refcount, -1))
		free_page_to(p);
}

bool trylock_page(struct page *p)
{
	return bit_trylock(&p->lock);
}

void lock_page(struct page *p)
{
	bit_lock(&p->lock);
	NOTE("lock page, frame %llu", (unsigned long long)pfn_of(p));
}

void unlock_page(struct page *p)
{
	bit_unlock(&p->lock);
}

void wait_on_page_locked(struct page *p)
{
	bit_wait(&p->lock);
}

/* The LRU lock is held for one flag: one locked operation. */
bool isolate_lru_page(struct page *p)
{
	charge(cost_of(COST_ISOLATE));
	if (!xchg(&p->is_lru, 0) && kern()->isolation_is_exclusive)
		return false;
	get_page(p);
	return true;
}

void putback_lru_page(struct page *p)
{
	(void)xchg(&p->is_lru, 1);
	put_page(p);
}

/* Line by line where contents are modelled; the read is what moves the truth
 * (see oracle.c). Elsewhere page by page, for its time. */
void copy_page(struct page *dst, struct page *src)
{
	const struct memory *mem = &the_sys->mem;
	enum cycle_cat cat = cat_enter(CYC_COPY);
	u64 n = 1ull << src->order, s = pfn_of(src), d = pfn_of(dst);
	bool is_local = pfn_node(s) == pfn_node(d);
	u64 cycles;

	if (src->order)
		cycles = cost_of(is_local ? COST_COPY_2M_LOCAL
					  : COST_COPY_2M_REMOTE) >> src->order;
	else
		cycles = cost_of(is_local ? COST_COPY_4K_LOCAL
					  : COST_COPY_4K_REMOTE);
	for (u64 i = 0; i < n; i++) {
		u64 *from = mem->line + (s + i) * mem->lines_per_frame;
		u64 *to = mem->line + (d + i) * mem->lines_per_frame;

		if (!the_sys->is_explored) {
			step(&mms()->page[s], false, cycles);
			oracle_copied(s + i, d + i);
		}
		for (u32 l = 0; l < mem->lines_per_frame; l++) {
			if (the_sys->is_explored) {
				step(&from[l], true, 0);
				touch(&to[l], true);
				NOTE("copy line %u: frame %llu -> %llu", l,
				     (unsigned long long)(s + i),
				     (unsigned long long)(d + i));
				/* One line a frame in explored runs. */
				oracle_copied(s + i, d + i);
			}
			to[l] = from[l];
		}
	}
	cat_leave(cat);
}
