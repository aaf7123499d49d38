#include "emu/shared_set.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#define NR_PARTS 64u
#define FIRST_SLOTS 256u

struct part {
	pthread_mutex_t lock;
	u64 at;                 /* its table, bytes into the mapping          */
	u64 nr_slots;           /* power of two                               */
	u64 n;
};

struct shared_set {
	u64 reserved;           /* of the mapping                             */
	u64 used;               /* handed out to tables; never reused         */
	u64 live, max_bytes;    /* of tables that are not outgrown            */
	struct part part[NR_PARTS];
};

static struct visited_slot *slots_of(struct shared_set *s, const struct part *p)
{
	return (struct visited_slot *)(void *)((u8 *)s + p->at);
}

/* Tables only grow by doubling, so that outgrown ones are half of all. Return: 0
 * or -ENOMEM. */
static int take_table(struct shared_set *s, u64 bytes, u64 *at)
{
	u64 live = __atomic_add_fetch(&s->live, bytes, __ATOMIC_RELAXED);

	if (live <= s->max_bytes) {
		*at = __atomic_fetch_add(&s->used, bytes, __ATOMIC_RELAXED);
		if (*at + bytes <= s->reserved)
			return 0;
	}
	__atomic_sub_fetch(&s->live, bytes, __ATOMIC_RELAXED);
	return -ENOMEM;
}

int shared_set_create(struct shared_set **out, u64 max_bytes)
{
	u64 first = FIRST_SLOTS * sizeof(struct visited_slot);
	u64 room = max_bytes + NR_PARTS * first;
	u64 reserved = 4 * room + (1u << 20);
	struct shared_set *s = mmap(NULL, reserved, PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE,
				    -1, 0);
	pthread_mutexattr_t attr;

	if (s == MAP_FAILED)
		return -ENOMEM;
	s->reserved = reserved;
	s->used = (sizeof(*s) + 4095) & ~4095ull;
	/* The first tables, whatever the limit; half again while one grows. */
	s->max_bytes = room + room / 2;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	for (u32 i = 0; i < NR_PARTS; i++) {
		pthread_mutex_init(&s->part[i].lock, &attr);
		s->part[i].nr_slots = FIRST_SLOTS;
		take_table(s, first, &s->part[i].at);
	}
	pthread_mutexattr_destroy(&attr);
	*out = s;
	return 0;
}

void shared_set_destroy(struct shared_set *s)
{
	if (s)
		munmap(s, s->reserved);
}

static struct visited_slot *find(struct visited_slot *slot, u64 nr_slots,
				 u64 lo, u32 hi)
{
	u64 i = lo & (nr_slots - 1);

	while (slot[i].hi && (slot[i].lo != lo || slot[i].hi != hi))
		i = (i + 1) & (nr_slots - 1);
	return &slot[i];
}

/* Pages of an outgrown table go back to the host. */
static void drop_table(struct shared_set *s, u64 at, u64 bytes)
{
	u64 from = (at + 4095) & ~4095ull, to = (at + bytes) & ~4095ull;

	if (to > from)
		madvise((u8 *)s + from, to - from, MADV_REMOVE);
	__atomic_sub_fetch(&s->live, bytes, __ATOMIC_RELAXED);
}

static int grow(struct shared_set *s, struct part *p)
{
	u64 nr = 2 * p->nr_slots, at, old = p->at;
	struct visited_slot *from = slots_of(s, p), *to;

	if (take_table(s, nr * sizeof(*to), &at))
		return -ENOMEM;
	to = (struct visited_slot *)(void *)((u8 *)s + at);
	for (u64 i = 0; i < p->nr_slots; i++)
		if (from[i].hi)
			*find(to, nr, from[i].lo, from[i].hi) = from[i];
	p->at = at;
	drop_table(s, old, p->nr_slots * sizeof(*to));
	p->nr_slots = nr;
	return 0;
}

/* The part's lock is held. NULL: full. */
static struct visited_slot *slot_of(struct shared_set *s, struct part *p, u64 lo,
				    u32 hi, bool *is_new)
{
	struct visited_slot *slot;

	if (p->n * 4 >= p->nr_slots * 3 && grow(s, p))
		return NULL;
	slot = find(slots_of(s, p), p->nr_slots, lo, hi);
	*is_new = !slot->hi;
	if (*is_new) {
		slot->lo = lo;
		slot->hi = hi;
		p->n++;
	}
	return slot;
}

/* By bits that the place in the table does not use. */
static struct part *part_of(struct shared_set *s, u64 lo)
{
	return &s->part[lo >> 58];
}

enum visited_answer shared_set_meet(struct shared_set *s, struct hash128 h,
				    u32 sleep, u32 *old)
{
	struct part *p = part_of(s, h.lo);
	enum visited_answer answer = VISITED_NO_MEMORY;
	struct visited_slot *slot;
	bool is_new;

	pthread_mutex_lock(&p->lock);
	slot = slot_of(s, p, h.lo, (u32)h.hi | 1, &is_new);
	if (slot) {
		*old = is_new ? 0 : slot->sleep;
		slot->sleep = is_new ? sleep : slot->sleep & sleep;
		answer = is_new ? VISITED_NEW : VISITED_KNOWN;
	}
	pthread_mutex_unlock(&p->lock);
	return answer;
}

u64 shared_set_bytes(const struct shared_set *s)
{
	return __atomic_load_n(&s->live, __ATOMIC_RELAXED);
}

int shared_set_put(struct shared_set *s, const struct visited_slot *slot)
{
	bool is_new;
	struct visited_slot *to = slot_of(s, part_of(s, slot->lo), slot->lo,
					  slot->hi, &is_new);

	if (!to)
		return -ENOMEM;
	*to = *slot;
	return 0;
}

int shared_set_each(struct shared_set *s,
		    int (*fn)(const struct visited_slot *slot, void *arg),
		    void *arg)
{
	for (u32 i = 0; i < NR_PARTS; i++) {
		const struct visited_slot *slot = slots_of(s, &s->part[i]);

		for (u64 j = 0; j < s->part[i].nr_slots; j++) {
			int rc = slot[j].hi ? fn(&slot[j], arg) : 0;

			if (rc)
				return rc;
		}
	}
	return 0;
}
