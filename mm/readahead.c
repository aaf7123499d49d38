/* Reading files ahead of who maps them, window by window. Reads next to
 * do_sync_mmap_readahead(), do_async_mmap_readahead() in mm/filemap.c and
 * ondemand_readahead() in mm/readahead.c.
 *
 * A page that is missing has the window around it read. A page three quarters on is
 * marked; who comes to it has the next window read while there is still something
 * to use, marked at its first page, so that a file that is read in order is missing
 * a page once. All of a window is added to the LRU lists in a row.
 *
 * One reader a file, as each has a struct file of its own where it opens it itself;
 * the newest window's mark is the only one. A device's time is charged to who asks,
 * of the next window, too. Not modelled: that readers of pages at random are found
 * out, and no more read around (mmap_miss). tmpfs reads nothing ahead in Linux; here
 * what is around a page is there once it is used, as it is after a first pass over a
 * file, which no program is watched for.
 *
 * Source: Linux 4.2 and 6.1, which do the same here.
 */
#include "mm/file.h"

#define NO_MARK UINT64_MAX
#define READAHEAD_MAX 256u      /* pages of a window                          */

/* Of the device. */
static void request(const struct address_space *f)
{
	if (!(f->flags & FILE_DISK) || (f->flags & FILE_SPARSE))
		return;
	COUNT(FILE_READS, 1);
	/* The CPU takes interrupts meanwhile. */
	if (the_sys->is_explored)
		charge(cost_of(COST_SWAP_READ));
	else
		the_sys->drv.delay(this_cpu->now + cost_of(COST_SWAP_READ));
}

/* @nr pages from @first on, those that are there already left out, the one at @mark
 * marked if it was read. One request, until which they are locked. */
static void read_window(struct address_space *f, u64 first, u64 nr, u64 mark)
{
	struct page *read[READAHEAD_MAX];
	u64 end = READ_ONCE(f->nr_pages);
	u32 n = 0;
	int nothing;            /* without it the others go on as well        */

	end = first + nr < end ? first + nr : end;
	f->ra_end = first + nr;
	f->ra_mark = 0;
	for (u64 i = first; i < end && n < READAHEAD_MAX; i++) {
		struct page *page = READ_ONCE(f->cache[i])
			? NULL : read_page(f, i, &nothing);

		if (!page)
			continue;
		read[n++] = page;
		if (i == mark)
			f->ra_mark = i + 1;
	}
	if (n)
		request(f);
	for (u32 k = 0; k < n; k++) {
		unlock_page(read[k]);
		put_page(read[k]);
	}
}

struct page *read_missing(struct address_space *f, u64 index, int *rc)
{
	u64 half = f->readahead / 2, first = index > half ? index - half : 0;
	bool is_disk = f->flags & FILE_DISK;
	struct page *page;

	if (f->readahead && is_disk) {
		read_window(f, first, f->readahead,
			    first + f->readahead - f->readahead / 4);
		if (READ_ONCE(f->cache[index]))
			return NULL;
	}
	page = read_page(f, index, rc);
	if (page && is_disk)
		request(f);
	else if (page && f->readahead)
		read_window(f, first, f->readahead, NO_MARK);
	return page;
}

void readahead_hit(struct address_space *f, u64 index)
{
	if (f->readahead && is_readahead_mark(f, index))
		read_window(f, f->ra_end, f->readahead, f->ra_end);
}
