/* migrate_pages of many (6.3): up to 512 pages are unmapped, their flushes put
 * off as reclaim's are; one flush; then each is copied and mapped. What is
 * stored between unmapping and flush goes to the old frame, and is copied. Huge
 * pages are flushed one by one. Only with MIGRATE_ASYNC: who finds a page locked
 * goes on. Reads next to migrate_pages_batch() in mm/migrate.c. */
#include <errno.h>

#include "mm/migrate.h"
#include "mm/reclaim.h"

#define BATCH 512u              /* NR_MAX_BATCHED_MIGRATION, HPAGE_PMD_NR     */

static u32 batch_size(void)
{
	return the_sys->is_explored ? 2 : BATCH;
}

int migrate_boot(void)
{
	int rc;

	if (!kern()->migrate_batches)
		return 0;
	rc = batch_boot();
	mms()->move = arena_alloc(&the_sys->arena, the_sys->nr_cpus *
				  batch_size() * sizeof(struct move));
	return mms()->move ? rc : -ENOMEM;
}

static struct move *my_moves(void)
{
	struct move *m = (struct move *)mms()->move +
			 (u64)this_cpu->id * batch_size();

	touch(m, true);
	return m;
}

/* The @nr of @m, which have begun. */
static u32 move_all(struct move *m, u32 nr)
{
	u32 moved = 0;

	for (u32 i = 0; i < nr; i++)
		move_unmap(&m[i], true);
	if (!kern()->migrate_flushes_late)
		try_to_unmap_flush();
	for (u32 i = 0; i < nr; i++)
		moved += move_end(&m[i]);
	if (kern()->migrate_flushes_late)
		try_to_unmap_flush();
	return moved;
}

static u32 migrate_batch(const u64 *pfn, u32 n, u32 node)
{
	struct move *m = my_moves();
	u32 nr = 0;

	for (u32 i = 0; i < n; i++)
		if (isolate_frame(pfn[i]) &&
		    move_begin(&m[nr], page_of(pfn[i]), node))
			nr++;
	return move_all(m, nr);
}

static u32 migrate_batch_of(struct page *const *page, u32 n, u32 node)
{
	struct move *m = my_moves();
	u32 nr = 0;

	for (u32 i = 0; i < n; i++)
		nr += move_begin(&m[nr], page[i], node);
	return move_all(m, nr);
}

u32 migrate_isolated(struct page *const *page, u32 n, u32 node)
{
	enum cycle_cat cat = cat_enter(CYC_KERNEL);
	u32 moved = 0, most = mms()->move ? batch_size() : 1;

	for (u32 k; n; page += k, n -= k) {
		k = n < most ? n : most;
		moved += mms()->move ? migrate_batch_of(page, k, node)
				     : migrate_page(page[0], node);
	}
	cat_leave(cat);
	return moved;
}

u32 migrate_pages(const u64 *pfn, u32 n, u32 node)
{
	enum cycle_cat cat = cat_enter(CYC_KERNEL);
	u32 moved = 0, most = mms()->move ? batch_size() : 1;

	for (u32 k; n; pfn += k, n -= k) {
		k = n < most ? n : most;
		moved += mms()->move ? migrate_batch(pfn, k, node)
				     : compact_page(page_of(*pfn), node);
	}
	cat_leave(cat);
	return moved;
}
