#include <errno.h>
#include <string.h>

#include "mm/kswapd.h"
#include "mm/oracle.h"
#include "mm/reclaim.h"
#include "mm/swap.h"

int swapon(u32 nr_slots)
{
	struct arena *a = &the_sys->arena;
	struct swap *s = arena_alloc(a, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->nr_slots = s->nr_free = nr_slots;
	s->slot = arena_alloc(a, (nr_slots + 1) * sizeof(*s->slot));
	s->line = arena_alloc(a, (nr_slots + 1) * sizeof(*s->line) *
			      (the_sys->mem.lines_per_frame + 1));
	if (!s->slot || !s->line)
		return -ENOMEM;
	mms()->swap = s;
	return batch_boot() ? -ENOMEM : kswapd_boot();
}

int swapon_zram(u32 nr_slots)
{
	int rc = swapon(nr_slots);

	if (!rc)
		mms()->swap->is_zram = 1;
	return rc;
}

int swapon_remote(u32 nr_slots, u64 latency, u64 page, bool polls)
{
	int rc = swapon(nr_slots);

	if (!rc)
		mms()->swap->remote = (struct swap_remote){
			.latency = latency, .page = page, .polls = polls };
	return rc;
}

static struct swap *lock(void)
{
	struct swap *s = mms()->swap;

	spin_lock(&s->lock);
	return s;
}

static void unlock(struct swap *s)
{
	spin_unlock(&s->lock);
}

/* ---- slots ------------------------------------------------------------------------ */

static void slot_emptied(struct swap *s, u32 i)
{
	touch(&s->nr_slots, true);
	if (s->slot[i].count || s->slot[i].cache)
		return;
	s->nr_free++;
	if (i < s->lowest)
		s->lowest = i;
}

void swap_duplicate(u64 entry)
{
	struct swap *s = lock();

	touch(swap_slot_of(entry), true);
	swap_slot_of(entry)->count++;
	unlock(s);
}

void swap_free(u64 entry)
{
	u32 i = (u32)pte_pfn(entry);
	struct swap *s = lock();

	touch(&s->slot[i], true);
	s->slot[i].count--;
	slot_emptied(s, i);
	unlock(s);
}

/* Only the last entry gone and nobody maps it: whoever has it locked looks
 * himself. Under the page-table lock of the entry, or none. */
static void try_to_drop(struct page *page, u32 i)
{
	if (!trylock_page(page))
		return;
	touch(&page->swap_slot, false);
	if (page->swap_slot == i + 1 && !READ_ONCE(page->mapcount) &&
	    !page_swapcount(page))
		delete_from_swap_cache(page);
	unlock_page(page);
}

void free_swap_and_cache(u64 entry)
{
	u32 i = (u32)pte_pfn(entry);
	struct page *page = NULL;
	struct swap *s = lock();

	touch(&s->slot[i], true);
	if (!--s->slot[i].count && s->slot[i].cache)
		page = page_of(s->slot[i].cache - 1);
	observe(page ? pfn_of(page) : 0);
	slot_emptied(s, i);
	if (page)
		get_page(page);
	unlock(s);
	if (!page)
		return;
	try_to_drop(page, i);
	put_page(page);
}

void free_swap_cache(struct page *page)
{
	u32 slot;

	if (!mms()->swap)
		return;
	touch(&page->swap_slot, false);
	slot = page->swap_slot;
	observe(slot);
	if (slot && !READ_ONCE(page->mapcount))
		try_to_drop(page, slot - 1);
}

bool reuse_swap_page(struct page *page)
{
	u32 n = READ_ONCE(page->mapcount);

	touch(&page->swap_slot, false);
	if (page->swap_slot)
		n += page_swapcount(page);
	if (n > 1)
		return false;
	if (page->swap_slot) {
		delete_from_swap_cache(page);
		touch_flags(page, true);
		page->is_dirty = 1;
	}
	return true;
}

u32 page_swapcount(const struct page *page)
{
	struct swap *s = lock();
	u32 n;

	touch(&page->swap_slot, false);
	n = s->slot[page->swap_slot - 1].count;
	touch(&s->slot[page->swap_slot - 1], false);
	observe(n);
	unlock(s);
	return n;
}

/* ---- cache ------------------------------------------------------------------------ */

static void insert(struct swap *s, struct page *page, u32 i)
{
	touch(&s->slot[i], true);
	touch(&page->swap_slot, true);
	s->nr_free -= !s->slot[i].count;
	s->slot[i].cache = (u32)pfn_of(page) + 1;
	page->swap_slot = i + 1;
	get_page(page);
	NOTE("swap cache: slot %u is frame %llu", i,
	     (unsigned long long)pfn_of(page));
}

bool add_to_swap(struct page *page)
{
	struct swap *s = lock();
	u32 i = s->lowest;

	touch(&s->nr_slots, true);
	for (; i < s->nr_slots; i++) {
		touch(&s->slot[i], false);
		if (!s->slot[i].count && !s->slot[i].cache)
			break;
	}
	s->lowest = i;
	observe(i);
	if (i < s->nr_slots)
		insert(s, page, i);
	touch_flags(page, true);
	if (i < s->nr_slots)
		page->is_dirty = 1;
	unlock(s);
	return i < s->nr_slots;
}

bool add_to_swap_cache(struct page *page, u64 entry)
{
	u32 i = (u32)pte_pfn(entry);
	struct swap *s = lock();
	bool ok = s->slot[i].count && !s->slot[i].cache;

	touch(&s->slot[i], true);
	observe(ok);
	if (ok)
		insert(s, page, i);
	unlock(s);
	return ok;
}

static void remove_page(struct swap *s, struct page *page)
{
	u32 i = page->swap_slot - 1;

	touch(&s->slot[i], true);
	touch(&page->swap_slot, true);
	s->slot[i].cache = 0;
	page->swap_slot = 0;
	slot_emptied(s, i);
	NOTE("swap cache: frame %llu leaves slot %u",
	     (unsigned long long)pfn_of(page), i);
}

void delete_from_swap_cache(struct page *page)
{
	struct swap *s = lock();

	remove_page(s, page);
	unlock(s);
	put_page(page);
}

bool take_from_swap_cache(struct page *page)
{
	struct swap *s = lock();
	bool ok = page_ref_freeze(page, 2);

	touch_flags(page, false);
	if (ok && page->is_dirty) {
		page_ref_unfreeze(page, 2);
		ok = false;
	}
	observe(ok);
	if (ok) {
		oracle_dropped_saved(page, swap_entry(page->swap_slot - 1));
		remove_page(s, page);
		page_ref_unfreeze(page, 1);
	}
	unlock(s);
	return ok;
}

bool replace_in_swap_cache(struct page *page, struct page *new)
{
	struct swap *s = lock();
	u32 i = page->swap_slot - 1;
	bool ok = !kern()->swap_move_freezes || page_ref_freeze(page, 2);

	if (ok) {
		remove_page(s, page);
		insert(s, new, i);
		touch_flags(new, true);
		touch_flags(page, false);
		new->is_dirty = page->is_dirty;
		if (kern()->swap_move_freezes)
			page_ref_unfreeze(page, 1);
		else
			atomic_dec(&page->refcount);
	}
	unlock(s);
	return ok;
}

/* Not frozen by somebody who takes it out of the cache, or not there. */
static bool is_settled(const void *arg)
{
	u32 cache = ((const struct swap_slot *)arg)->cache;

	return !cache || page_of(cache - 1)->refcount;
}

struct page *lookup_swap_cache(u64 entry)
{
	struct swap_slot *slot = swap_slot_of(entry);

	for (;;) {
		u32 cache = READ_ONCE(slot->cache);
		struct page *page;

		if (!cache)
			return NULL;
		page = page_of(cache - 1);
		if (get_page_unless_zero(page)) {
			if (READ_ONCE(slot->cache) == cache)
				return page;
			put_page(page);
			continue;
		}
		the_sys->drv.wait(slot, is_settled, slot, cost_of(COST_PTE_SCAN));
		touch(&page->refcount, false);
	}
}

/* ---- the device ------------------------------------------------------------------- */

static u64 *slot_lines(u32 i)
{
	return &mms()->swap->line[i * the_sys->mem.lines_per_frame];
}

void io_transfer(struct page *page, u64 *to, const u64 *from, u64 cycles)
{
	if (!the_sys->is_explored)
		step(page, true, cycles);
	for (u32 l = 0; l < the_sys->mem.lines_per_frame; l++) {
		if (the_sys->is_explored)
			step(&from[l], true, 0);
		touch(&to[l], true);
		to[l] = from[l];
	}
}

enum { TO_DEVICE, FROM_DEVICE };

/* Of a request that is made now. Return: when it is done. */
static u64 remote_request(struct swap_remote *r, int way)
{
	step(&r->free_at[way], true, cost_of(COST_LOCK));
	if (r->free_at[way] < this_cpu->now)
		r->free_at[way] = this_cpu->now;
	r->free_at[way] += r->page;
	return r->free_at[way] + r->latency;
}

/* Interrupts are on. */
static void wait_until(u64 at)
{
	if (!mms()->swap->remote.polls)
		io_schedule_until(at);
	else if (the_sys->drv.delay)
		the_sys->drv.delay(at);
}

static u64 write_cycles(const struct swap *s)
{
	return cost_of(s->is_zram ? COST_ZRAM_WRITE : COST_SWAP_WRITE);
}

void swap_writepage(struct page *page)
{
	u64 pfn = pfn_of(page);
	u32 i = page->swap_slot - 1;
	struct swap *s = mms()->swap;

	COUNT(PSWPOUT, 1);
	io_transfer(page, slot_lines(i),
		 &the_sys->mem.line[pfn * the_sys->mem.lines_per_frame],
		 s->remote.page ? 0 : write_cycles(s));
	if (s->remote.page)
		current()->written_at = remote_request(&s->remote, TO_DEVICE);
	NOTE("write frame %llu to slot %u", (unsigned long long)pfn, i);
}

void swap_wait_written(void)
{
	if (mms()->swap && mms()->swap->remote.page)
		wait_until(current()->written_at);
}

void swap_settle(void)
{
	memset(mms()->swap->remote.free_at, 0, sizeof(mms()->swap->remote.free_at));
	current()->written_at = 0;
}

/* Whoever wants the page meanwhile waits for its lock. */
void swap_readpage(struct page *page, u64 entry)
{
	u32 i = (u32)pte_pfn(entry);
	u64 pfn = pfn_of(page);
	struct swap *s = mms()->swap;

	COUNT(PSWPIN, 1);
	if (s->remote.page)
		wait_until(remote_request(&s->remote, FROM_DEVICE));
	else if (!s->is_zram)
		io_schedule_until(this_cpu->now + cost_of(COST_SWAP_READ));
	io_transfer(page, &the_sys->mem.line[pfn * the_sys->mem.lines_per_frame],
		 slot_lines(i), s->is_zram ? cost_of(COST_ZRAM_READ) : 0);
	NOTE("read slot %u into frame %llu", i, (unsigned long long)pfn);
}

u64 swap_contents(u64 entry)
{
	touch(slot_lines((u32)pte_pfn(entry)), false);
	return *slot_lines((u32)pte_pfn(entry));
}
