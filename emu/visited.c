#include <errno.h>
#include <sys/mman.h>

#include "emu/visited.h"

#define FIRST_SLOTS 1024

/* Each lookup is at a random place: with large pages, where the host has them, it
 * costs it one miss and not two. NULL: no memory. */
static struct visited_slot *take_table(u64 nr)
{
	size_t bytes = nr * sizeof(struct visited_slot);
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	madvise(p, bytes, MADV_HUGEPAGE);
	return p;
}

static void drop_table(struct visited_slot *slot, u64 nr)
{
	if (slot)
		munmap(slot, nr * sizeof(*slot));
}

int visited_create(struct visited *v)
{
	v->n = 0;
	v->nr_slots = FIRST_SLOTS;
	v->slot = take_table(v->nr_slots);
	return v->slot ? 0 : -ENOMEM;
}

void visited_destroy(struct visited *v)
{
	drop_table(v->slot, v->nr_slots);
	v->slot = NULL;
	v->nr_slots = v->n = 0;
}

static struct visited_slot *find(struct visited_slot *slot, u64 nr_slots,
				 u64 lo, u32 hi)
{
	u64 i = lo & (nr_slots - 1);

	while (slot[i].hi && (slot[i].lo != lo || slot[i].hi != hi))
		i = (i + 1) & (nr_slots - 1);
	return &slot[i];
}

static int grow(struct visited *v)
{
	u64 nr = 2 * v->nr_slots;
	struct visited_slot *slot = take_table(nr);

	if (!slot)
		return -ENOMEM;
	for (u64 i = 0; i < v->nr_slots; i++)
		if (v->slot[i].hi)
			*find(slot, nr, v->slot[i].lo, v->slot[i].hi) =
				v->slot[i];
	drop_table(v->slot, v->nr_slots);
	v->slot = slot;
	v->nr_slots = nr;
	return 0;
}

/* The slot of @h, taken if it is new; NULL without memory. */
static struct visited_slot *slot_of(struct visited *v, struct hash128 h,
				    bool *is_new)
{
	u32 hi = (u32)h.hi | 1;
	struct visited_slot *s;

	if (v->n * 4 >= v->nr_slots * 3 && grow(v))
		return NULL;
	s = find(v->slot, v->nr_slots, h.lo, hi);
	*is_new = !s->hi;
	if (*is_new) {
		s->lo = h.lo;
		s->hi = hi;
		v->n++;
	}
	return s;
}

enum visited_answer visited_meet(struct visited *v, struct hash128 h,
				 u32 sleep, u32 *old)
{
	bool is_new;
	struct visited_slot *s = slot_of(v, h, &is_new);

	if (!s)
		return VISITED_NO_MEMORY;
	*old = is_new ? 0 : s->sleep;
	s->sleep = is_new ? sleep : s->sleep & sleep;
	return is_new ? VISITED_NEW : VISITED_KNOWN;
}

enum visited_answer visited_lower(struct visited *v, struct hash128 h,
				  u32 cost)
{
	bool is_new;
	struct visited_slot *s = slot_of(v, h, &is_new);

	if (!s)
		return VISITED_NO_MEMORY;
	if (!is_new && s->sleep <= cost)
		return VISITED_KNOWN;
	s->sleep = cost;
	return VISITED_NEW;
}

enum visited_answer visited_number(struct visited *v, struct hash128 h,
				   u32 *number)
{
	bool is_new;
	struct visited_slot *s = slot_of(v, h, &is_new);

	if (!s)
		return VISITED_NO_MEMORY;
	if (is_new)
		s->sleep = (u32)v->n - 1;
	*number = s->sleep;
	return is_new ? VISITED_NEW : VISITED_KNOWN;
}

int visited_put(struct visited *v, const struct visited_slot *slot)
{
	bool is_new;
	struct visited_slot *s = slot_of(v, (struct hash128){ slot->lo, slot->hi },
					 &is_new);

	if (!s)
		return -ENOMEM;
	*s = *slot;
	return 0;
}
