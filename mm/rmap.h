/* rmap.h - from a page to the entries that map it. */
#ifndef MM_RMAP_H
#define MM_RMAP_H

#include "mm/mm.h"

/* try_to_migrate - replace every entry that maps the locked @page by a
 * migration entry, flushing. Return: mappings left. */
u32 try_to_migrate(struct page *page);

/* remove_migration_ptes - make migration entries for @old map @new. */
void remove_migration_ptes(struct page *old, struct page *new);

#endif
