/* migrate.h - one page's way to another frame, in the pieces that a batch does
 * for all its pages before it goes on to the next piece. */
#ifndef MM_MIGRATE_H
#define MM_MIGRATE_H

#include "mm/mm.h"

/* On its way. */
struct move {
	struct page *page;      /* isolated and locked                        */
	struct page *new;       /* NULL: it stays                             */
	struct anon_vma *av;
	u32 entries, left;      /* migration entries; mappings that stayed    */
	u8 is_cached, is_mapped;
	u8 zero[6];
};

/* Lock @page, isolated with the isolator's reference, and find a frame.
 * false: it stays, the reference is used up. */
bool move_begin(struct move *m, struct page *page, u32 node);
/* Its entries become migration entries. @may_defer: the flush may wait for the
 * caller's try_to_unmap_flush(). */
void move_unmap(struct move *m, bool may_defer);
/* After the flush: copy, map, free; all is unlocked. Return: moved. */
bool move_end(struct move *m);

#endif
