/* swap.h - a swap device, and the cache of pages that are on it and in memory.
 *
 * A slot holds one page. It is free when no entry names it and no page of the
 * cache has it. A page in the cache holds a reference for that. Lock order: page
 * lock, page-table lock, swap lock. Reads next to mm/swapfile.c, mm/swap_state.c.
 */
#ifndef MM_SWAP_H
#define MM_SWAP_H

#include "mm/mm.h"

struct swap_slot {
	u32 count;              /* entries that name it                       */
	u32 cache;              /* pfn + 1 of the page in the cache           */
};

/* A machine whose memory takes the pages, behind a network that is a queue each
 * way. Cycles. */
struct swap_remote {
	u64 latency;            /* of a page, there or back, beside the wire  */
	u64 page;               /* the wire has one in so much time; 0: it is
				 * not remote                                 */
	u32 polls;              /* who waits keeps its CPU busy               */
	u32 zero;
	u64 free_at[2];         /* the wire's, by direction                   */
};

struct swap {
	struct spinlock lock;   /* Linux: of the device, and of the cache     */
	u32 is_zram;            /* memory, compressed: a page that is read in
				 * leaves it at once (SWP_SYNCHRONOUS_IO)     */
	struct swap_remote remote;
	u32 nr_slots;
	u32 lowest;             /* no slot below it is free                   */
	u32 nr_free;
	u32 zero;
	struct swap_slot *slot;
	u64 *line;              /* [nr_slots * lines_per_frame] contents      */
};

/* get_nr_swap_pages(): what is free of the device, if there is one. */
static inline u32 swap_room(void)
{
	return mms()->swap ? mms()->swap->nr_free : 0;
}

/* swapon - set-up: a device of @nr_slots (0: only MADV_FREE pages can be
 * reclaimed), and what reclaim needs. Return: 0, -ENOMEM. */
int swapon(u32 nr_slots);
/* The same of a zRAM device whose pages all have one word repeated, as memset()
 * leaves them: these are kept as that word. */
int swapon_zram(u32 nr_slots);
/* The same of a remote machine's memory, behind frontswap: no block layer, one
 * request a page. Who reads a page in sleeps until it is there; who writes waits for
 * all that he wrote, before the frames are free (swap_wait_written()). */
int swapon_remote(u32 nr_slots, u64 latency, u64 page, bool polls);

static inline u64 swap_entry(u32 slot)
{
	return pte_make(slot, PTE_SWAP);
}

static inline struct swap_slot *swap_slot_of(u64 entry)
{
	return &mms()->swap->slot[pte_pfn(entry)];
}

/* One more entry names the slot; one less. The last one to go takes a page of
 * the cache along that nobody uses. */
void swap_duplicate(u64 entry);
void swap_free(u64 entry);
void free_swap_and_cache(u64 entry);

/* add_to_swap - give the locked @page a slot and a place in the cache; it is
 * dirty then. Return: false when the device is full. */
bool add_to_swap(struct page *page);
/* @page is locked and was read from @entry's. Return: false when another page
 * was faster. */
bool add_to_swap_cache(struct page *page, u64 entry);
void delete_from_swap_cache(struct page *page);
/* Out of the cache and of everybody's reach, if it is clean and has only the
 * caller's reference besides the cache's. Return: done. */
bool take_from_swap_cache(struct page *page);
/* @new takes the place of @page, both locked, if @page has only the caller's
 * reference besides the cache's. Return: done. */
bool replace_in_swap_cache(struct page *page, struct page *new);
/* With a reference, not locked: it may be anything by the time it is. NULL:
 * none. */
struct page *lookup_swap_cache(u64 entry);

/* The device's part: after the write the slot has the page's contents, but for
 * stores that come later. */
void swap_writepage(struct page *page);
void swap_readpage(struct page *page, u64 entry);
/* Until the device has what this thread wrote; in set-up: it has. */
void swap_wait_written(void);
void swap_settle(void);

/* What a device does between a page and its own words: line by line where contents
 * are modelled, elsewhere for the CPU's time. */
void io_transfer(struct page *page, u64 *to, const u64 *from, u64 cycles);

/* For those who check: the first word that would be read. */
u64 swap_contents(u64 entry);

/* Entries that name the slot of @page, which is in the cache. */
u32 page_swapcount(const struct page *page);
/* May the one who maps, or is about to map, the locked @page have it for his
 * own? Then it leaves the cache. */
bool reuse_swap_page(struct page *page);
/* Nobody maps the page and nobody's entry names its slot: out of the cache, as
 * soon as it is not locked. Under no page-table lock. */
void free_swap_cache(struct page *page);

#endif
