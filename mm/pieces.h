/* pieces.h - huge pages that some entries map 4K by 4K while others may map them
 * whole: since 4.5 an address space that changes a part of one splits its own
 * mapping, and the page stays what it is (__split_huge_pmd()).
 *
 * A huge page in pieces has one reference count and one lock, of its first 4K
 * page, the head (compound_head()), and many counts of mappings: of entries that
 * map all of it (the head's ->mapcount), and of entries that map one piece. Each
 * mapping of either kind holds a reference. Counts change one by one, under the
 * page-table lock of the entry, which differs from one address space to another:
 * who adds them up sees them at different times (R13a).
 *
 * It stays in pieces until it is freed or split (deferred_split.h).
 *
 * Reads next to __split_huge_pmd_locked() and page_trans_huge_mapcount() in
 * mm/huge_memory.c.
 */
#ifndef MM_PIECES_H
#define MM_PIECES_H

#include "mm/mm.h"

/* @page, which a 4K entry maps, is a piece of a larger page. */
static inline bool is_piece(const struct page *page)
{
	return page->is_tail || page->order;
}

/* May one entry map all of @page? Those between 4K and huge are in pieces from the
 * beginning (mthp.h). */
static inline bool has_one_entry(const struct page *page)
{
	return !page->order || page->order >= hpage_order();
}

static inline u64 folio_pages(const struct page *head)
{
	return 1ull << head->order;
}

/* Has the huge page @head been in pieces since it was allocated? */
bool is_in_pieces(struct page *head);

/* It may be mapped in pieces from now on; that nobody finds any does not change. */
void pieces_begin(struct page *head);
/* It is freed, or becomes small pages. */
void pieces_end(struct page *head);
/* @new, which takes the place of @head, is in pieces, too, if that is; whose pieces
 * may be shared one and not the other. */
void pieces_move(struct page *new, struct page *head);

/* An entry of @level maps @page, a piece or all of it; or does no longer. Under
 * the page-table lock. */
void page_mapped(struct page *page, u32 level);
void page_unmapped(struct page *page, u32 level);

/* Entries that map @page, which one of @level does: the most that any 4K of it
 * has. Without a step. */
u32 page_mapcount(struct page *page, u32 level);
/* Does any? Without a step. */
bool page_is_mapped(struct page *page);
/* The same number, and that of all entries, count by count: steps. @page of
 * total_mapcount() is a head. */
u32 page_mapcount_read(struct page *page, u32 level);
u32 total_mapcount(struct page *page);

/* split_mapping - the huge page that @pmdp maps at @vpn goes on as pieces there;
 * @table is the empty table that takes its place. Under the PMD's lock. */
void split_mapping(struct mm *mm, u64 vpn, u64 *pmdp, struct page *head,
		   u32 table);

#endif
