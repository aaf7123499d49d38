/* Frames: per-node free lists of 4K and huge blocks, references, locks. */
#include "mm/flush.h"
#include "cpu/dram.h"
#include "mm/lru.h"
#include "mm/mm.h"
#include "mm/mthp.h"
#include "mm/oracle.h"
#include "mm/page_wait.h"
#include "mm/pieces.h"
#include "mm/rmap.h"

/* Moved in one go, where memory has queues. */
#define COPY_PAGES 64u

u32 pfn_node(u64 pfn)
{
	return (u32)(pfn / mms()->frames_per_node);
}

/* What a flush strategy has yet to flush of a huge block it has of each piece. */
static void free_piece(struct node_mem *n, u64 head, u64 pfn)
{
	struct page *p = page_of(pfn);

	p->next = n->free_4k;
	p->is_free = 1;
	p->is_unflushed = page_of(head)->is_unflushed;
	p->index = page_of(head)->index;
	n->free_4k = (u32)pfn;
}

/* The pending list of those whose flush was put off. */
static u64 take_late(struct node_mem *n)
{
	u64 pfn = n->late_first;

	n->late_first = page_of(pfn)->next;
	return pfn;
}

static void free_late(struct node_mem *n, struct page *p)
{
	p->next = 0;
	if (n->late_first)
		page_of(n->late_last)->next = (u32)pfn_of(p);
	else
		n->late_first = (u32)pfn_of(p);
	n->late_last = (u32)pfn_of(p);
}

static struct page *take(struct node_mem *n, u32 order)
{
	u32 *list = mms()->mthp ? mthp_free_list(n, order)
				: order ? &n->free_huge : &n->free_4k;
	u64 pfn = *list, pages = 1ull << order;

	if (!pfn && !order && n->late_first && n->next >= n->end)
		return page_of(take_late(n));
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
			if (mms()->mthp)
				return mthp_break(n, order);
			if (order || !n->free_huge)
				return NULL;
			/* Break a huge block up. */
			pfn = n->free_huge;
			n->free_huge = page_of(pfn)->next;
			for (u64 i = hpage_pages(); --i > 0; )
				free_piece(n, pfn, pfn + i);
		} else {
			n->next = pfn + pages;
		}
	}
	return page_of(pfn);
}

/* Any frame, or the one set aside. */
static struct page *take_for(u32 node, u32 order, u64 vpn)
{
	struct node_mem *n = &mms()->node[node];
	struct page *p = NULL;
	u64 pfn;

	if (likely(!mms()->run))
		return take(n, order);
	pfn = order || vpn == ANY_VPN ? 0 : run_take(node, vpn);
	if (pfn)
		return page_of(pfn);
	p = take(n, order);
	if (!p && !order) {
		runs_release(node);
		p = take(n, order);
	}
	return p;
}

/* 4K pages come from, and go to, a list of this CPU's: its line, and only now and
 * then the node's, for many at once. Which frame it is the node's lists say. */
static const void *list_line(u32 node, u32 order, int more)
{
	struct node_mem *n = &mms()->node[node];
	struct page_list *l = mms()->lists;

	if (!l || order)
		return n;
	l += this_cpu->id * the_sys->m->nr_nodes + node;
	l->n += more;
	if (l->n < 0) {
		l->n += PCP_BATCH;
		return n;
	}
	if (l->n > PCP_HIGH) {
		l->n -= PCP_BATCH;
		return n;
	}
	return l;
}

struct page *alloc_page(u32 node, u32 order)
{
	return alloc_page_for(node, order, ANY_VPN);
}

struct page *alloc_page_for(u32 node, u32 order, u64 vpn)
{
	struct page *p;

	step(list_line(node, order, -1), true, cost_of(COST_PAGE_ALLOC));
	p = take_for(node, order, vpn);
	observe(p ? pfn_of(p) : 0);
	if (!p)
		return NULL;
	if (flusher() && flusher()->given_out)
		flusher()->given_out(p, vpn);
	if (!the_sys->is_explored)
		mms()->node[node].nr_used += 1ull << order;
	touch(p, true);
	p->is_free = 0;
	p->order = (u8)order & 31;
	p->is_dirty = 0;
	p->is_lazyfree = 0;
	p->is_large = 0;
	p->is_ksm = 0;
	p->is_shared = 0;
	p->is_file = 0;
	p->is_shmem = 0;
	p->is_mlocked = 0;
	p->is_tail = 0;
	p->swap_slot = 0;
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
	bool is_put_off;

	lru_del(p);
	step(list_line(p->node, p->order, 1), true, cost_of(COST_PAGE_FREE));
	touch(p, true);
	touch_flags(p, true);
	p->is_lru = 0;
	NOTE("free %s, frame %llu", p->order ? "huge page" : "page",
	     (unsigned long long)pfn_of(p));
	p->index = 0;
	if (p->order)
		pieces_end(p);
	if (p->is_ksm)
		ksm_forget_page(p);
	oracle_mlocked_free(p);
	is_put_off = flusher() && flusher()->freed && flusher()->freed(p);
	if (!is_put_off)
		oracle_free(p);
	if (!the_sys->is_explored)
		n->nr_used -= 1ull << p->order;
	p->is_free = 1;
	p->is_file = 0;
	p->anon_vma = NULL;
	if (p->order) {
		u32 *list = mms()->mthp ? mthp_free_list(n, p->order)
					: &n->free_huge;

		p->next = *list;
		*list = (u32)pfn_of(p);
	} else if (is_put_off && flusher()->reuses_late && !the_sys->is_explored) {
		free_late(n, p);
	} else {
		p->next = n->free_4k;
		n->free_4k = (u32)pfn_of(p);
	}
}

void get_page(struct page *p)
{
	atomic_inc(&compound_head(p)->refcount);
}

bool get_page_unless_zero(struct page *p)
{
	return atomic_inc_not_zero(&p->refcount);
}

bool page_ref_freeze(struct page *p, u32 count)
{
	return cmpxchg_ok(&p->refcount, count, 0);
}

void page_ref_unfreeze(struct page *p, u32 count)
{
	(void)xchg(&p->refcount, count);
}

void put_page(struct page *p)
{
	p = compound_head(p);
	if (!atomic_add_return(&p->refcount, -1))
		free_page_to(p);
}

bool trylock_page(struct page *p)
{
	return bit_trylock(&compound_head(p)->lock);
}

void lock_page(struct page *p)
{
	p = compound_head(p);
	bit_lock(&p->lock);
	NOTE("lock page, frame %llu", (unsigned long long)pfn_of(p));
}

void unlock_page(struct page *p)
{
	p = compound_head(p);
	bit_unlock(&p->lock);
	page_wake(p);
}

void wait_on_page_locked(struct page *p)
{
	u32 place;

	p = compound_head(p);
	place = page_wait_begin(p);
	bit_wait(&p->lock);
	page_wait_end(p, place);
}

/* Explored: the LRU lock is held for one flag, one locked operation. */
static bool isolate(struct page *p)
{
	charge(cost_of(COST_ISOLATE));
	if (!xchg(&p->is_lru, 0) && kern()->isolation_is_exclusive)
		return false;
	get_page(p);
	return true;
}

bool isolate_lru_page(struct page *p)
{
	bool ok = isolate(p);

	if (ok)
		lru_del(p);
	return ok;
}

u32 isolate_frames(const u64 *pfn, u32 n, struct page **page)
{
	u32 nr = 0;

	for (u32 i = 0; i < n; i++) {
		struct page *p = page_of(pfn[i]);

		if (!get_page_unless_zero(p))
			continue;
		if (isolate(p))
			page[nr++] = p;
		put_page(p);
	}
	lru_del_many(page, nr);
	return nr;
}

bool isolate_frame(u64 pfn)
{
	struct page *page;

	return isolate_frames(&pfn, 1, &page);
}

void putback_lru_page(struct page *p)
{
	(void)xchg(&p->is_lru, 1);
	if (mms()->lru)
		lru_add(p);
	put_page(p);
}

/* Zeroed and copied as a whole; what lies between is as so many of 4K. */
static bool is_huge_order(u32 order)
{
	return order >= hpage_order();
}

/* What a frame costs where 4K, or 2M of pages of an @order, cost @cycles. */
static u64 per_frame(u64 cycles, u32 order)
{
	u32 scale = page_shift - PAGE_SHIFT;

	return is_huge_order(order) ? cycles << scale >> 9 : cycles << scale;
}

/* Page by page: interrupts come in between. */
void zero_page(struct page *page)
{
	enum cycle_cat cat = cat_enter(CYC_COPY);
	u64 cycles = per_frame(cost_of(is_huge_order(page->order)
				       ? COST_ZERO_2M : COST_ZERO_4K),
			       page->order);

	for (u64 i = 0; i < 1ull << page->order; i++) {
		const struct memory *mem = &the_sys->mem;
		u64 *line = mem->line + (pfn_of(page) + i) * mem->lines_per_frame;

		/* Nobody else has it yet: its contents are no steps. */
		if (!the_sys->is_explored)
			step(page, true, cycles);
		for (u32 l = 0; l < mem->lines_per_frame; l++) {
			touch(&line[l], true);
			line[l] = 0;
		}
	}
	cat_leave(cat);
}

static u64 copy_cycles(u64 dst, u64 src, u32 order)
{
	bool is_local = pfn_node(src) == pfn_node(dst);

	if (is_huge_order(order))
		return per_frame(cost_of(is_local ? COST_COPY_2M_LOCAL
						  : COST_COPY_2M_REMOTE),
				 order);
	return per_frame(cost_of(is_local ? COST_COPY_4K_LOCAL
					  : COST_COPY_4K_REMOTE), 0);
}

/* One frame, line by line where contents are modelled; elsewhere for its time.
 * Explored runs have one line a frame. */
static void copy_frame(u64 dst, u64 src, u64 cycles, bool is_move)
{
	const struct memory *mem = &the_sys->mem;
	u64 *from = mem->line + src * mem->lines_per_frame;
	u64 *to = mem->line + dst * mem->lines_per_frame;

	if (!the_sys->is_explored) {
		step(page_of(src), false, cycles);
		if (is_move)
			oracle_copied(src, dst);
	}
	for (u32 l = 0; l < mem->lines_per_frame; l++) {
		if (the_sys->is_explored) {
			step(&from[l], true, 0);
			touch(&to[l], true);
			NOTE("copy line %u: frame %llu -> %llu", l,
			     (unsigned long long)src, (unsigned long long)dst);
			if (is_move)
				oracle_copied(src, dst);
		}
		to[l] = from[l];
	}
}

/* Where memory has queues, copies stand in them, a part after the other, so that
 * others get their turn. false: there are none. */
static bool copy_takes_bandwidth(u64 src, u64 dst, u64 pages)
{
	struct dram *d = the_sys->dram;
	u32 a = pfn_node(src), b = pfn_node(dst);

	if (the_sys->is_explored || !the_sys->m->node_bandwidth)
		return false;
	for (u64 n; pages; pages -= n) {
		u64 read, written;

		n = pages < COPY_PAGES ? pages : COPY_PAGES;
		step(page_of(src), false, 0);
		read = dram_transfer(d, a, n << page_shift, 0);
		written = dram_transfer(d, b, n << page_shift, 0);
		the_sys->drv.delay(read > written ? read : written);
	}
	return true;
}

static void copy_all(struct page *dst, struct page *src, u32 order, bool is_move)
{
	enum cycle_cat cat = cat_enter(CYC_COPY);
	u64 s = pfn_of(src), d = pfn_of(dst), n = 1ull << order;
	u64 cycles = copy_cycles(d, s, order);

	if (copy_takes_bandwidth(s, d, n))
		cycles = 0;
	/* Only its time matters where no contents are modelled. */
	for (u64 i = 0; i < n && (cycles || the_sys->mem.lines_per_frame ||
				  the_sys->is_checked); i++)
		copy_frame(d + i, s + i, cycles, is_move);
	cat_leave(cat);
}

void copy_page(struct page *dst, struct page *src)
{
	copy_all(dst, src, src->order, true);
}

void copy_user_page(struct page *dst, struct page *src)
{
	copy_all(dst, src, dst->order, false);
}
