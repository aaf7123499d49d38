#include "mm/deferred_split.h"
#include "mm/pieces.h"

/* A flag of its own would do; the second piece has it in any case. */
bool is_in_pieces(struct page *head)
{
	touch_flags(head + 1, false);
	observe(head[1].is_tail);
	return head[1].is_tail;
}

void pieces_begin(struct page *head)
{
	if (head[1].is_tail)
		return;
	for (u64 i = 1; i < folio_pages(head); i++) {
		struct page *p = head + i;

		touch(p, true);
		touch_flags(p, true);
		p->is_tail = 1;
		p->order = head->order;
		p->lock = p->refcount = p->mapcount = 0;
		p->is_lru = p->is_free = p->is_file = p->is_ksm = 0;
		p->is_mlocked = p->is_large = 0;
		p->swap_slot = 0;
		p->anon_vma = NULL;     /* and on no queue */
		p->is_shared = head->is_shared;
		p->index = head->index + i;
	}
	head[1].first_mapcount = 0;
}

void pieces_end(struct page *head)
{
	touch_flags(head + 1, false);
	if (head[1].is_tail)
		split_queue_del(head);
	for (u64 i = 1; i < folio_pages(head) && head[i].is_tail; i++) {
		touch_flags(head + i, true);
		head[i].is_tail = 0;
		head[i].order = 0;
	}
}

void pieces_move(struct page *new, struct page *head)
{
	if (!is_in_pieces(head))
		return;
	pieces_begin(new);
	for (u64 i = 1; i < folio_pages(head); i++) {
		touch_flags(head + i, false);
		new[i].is_shared = head[i].is_shared;
	}
}

/* ---- counts -------------------------------------------------------------------------- */

/* Where entries of @level that map @page are counted. */
static u32 *count_of(struct page *page, u32 level)
{
	return !level && page->order && !page->is_tail
		? &page[1].first_mapcount : &page->mapcount;
}

void page_mapped(struct page *page, u32 level)
{
	u32 *n = count_of(page, level);

	touch(n, true);
	++*n;
}

/* The whole is mapped no more: are some pieces, and some not? */
static bool is_mapped_in_part(struct page *head)
{
	u64 nr = 0;

	if (!is_in_pieces(head))
		return false;
	for (u64 i = 0; i < folio_pages(head); i++)
		nr += !*count_of(head + i, 0);
	return nr && nr < folio_pages(head);
}

void page_unmapped(struct page *page, u32 level)
{
	u32 *n = count_of(page, level);

	touch(n, true);
	if (--*n || !mms()->split_queue)
		return;
	if (level ? is_mapped_in_part(page) : is_piece(page))
		deferred_split_huge_page(compound_head(page));
}

static u32 get(const u32 *n)
{
	touch(n, false);
	return *n;
}

static u32 read(const u32 *n)
{
	return READ_ONCE(*n);
}

/* The pieces' counts: their sum, or the greatest. */
static u32 of_pieces(struct page *head, u32 (*value)(const u32 *n), bool is_sum)
{
	u32 all = 0;

	for (u64 i = 0; i < folio_pages(head); i++) {
		u32 n = value(count_of(head + i, 0));

		all = is_sum ? all + n : n > all ? n : all;
	}
	return all;
}

static u32 mapcount(struct page *page, u32 level, u32 (*value)(const u32 *n))
{
	u32 n = 0;

	if (!level && !is_piece(page))
		return value(&page->mapcount);
	if (!level)
		n = value(count_of(page, 0));
	else if (is_in_pieces(page))
		n = of_pieces(page, value, false);
	/* Last: who splits a mapping adds to the pieces and takes from here. */
	return n + value(&compound_head(page)->mapcount);
}

u32 page_mapcount(struct page *page, u32 level)
{
	return mapcount(page, level, get);
}

u32 page_mapcount_read(struct page *page, u32 level)
{
	return mapcount(page, level, read);
}

u32 total_mapcount(struct page *page)
{
	u32 n = page->order && is_in_pieces(page)
		? of_pieces(page, read, true) : 0;

	return n + READ_ONCE(page->mapcount);
}

bool page_is_mapped(struct page *page)
{
	return get(&page->mapcount) ||
	       (page->order && is_in_pieces(page) &&
		of_pieces(page, get, true));
}

/* ---- splitting a mapping ------------------------------------------------------------- */

/* One mapping becomes many, each with a reference; then it is none itself. */
void split_mapping(struct mm *mm, u64 vpn, u64 *pmdp, struct page *head,
		   u32 table)
{
	u64 n = hpage_pages();

	(void)atomic_add_return(&head->refcount, n - 1);
	pieces_begin(head);
	for (u64 i = 0; i < n; i++)
		(void)atomic_add_return(count_of(head + i, 0), 1);
	NOTE("frame %llu: one mapping more of each piece",
	     (unsigned long long)pfn_of(head));
	(void)atomic_add_return(&head->mapcount, -1);
	NOTE("frame %llu: one mapping less of the whole",
	     (unsigned long long)pfn_of(head));
	split_pmd_to(mm, vpn, pmdp, table);
}
