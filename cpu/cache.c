/* Sets, wide and narrow (cache_set.h). Empty ways are the oldest. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/cache_set.h"

#define MAX_SET_BITS 24
#define MAX_LINE_BITS 40

/* ---- creation ------------------------------------------------------------------ */

static void shape(struct cache *c, u32 nr_sets, u32 nr_ways)
{
	c->nr_sets = nr_sets;
	c->nr_ways = nr_ways;
	c->reciprocal = nr_sets == 1 ? 0 : ~0ull / nr_sets + 1;
	c->set_words = nr_ways;
	if (nr_ways > CACHE_NARROW)
		return;
	c->stride = (nr_ways + 3) & ~3u;
	c->is_quick = nr_sets > 1;
	/* A power of two, so that none is on two of the host's lines. */
	for (c->set_words = 4; c->set_words < nr_ways; )
		c->set_words *= 2;
}

int cache_create(struct cache **out, const struct cache_geometry *geo,
		 u64 nr_lines)
{
	u64 lines = geo->bytes >> CACHE_LINE_SHIFT;
	u64 nr_sets = geo->nr_ways ? lines / geo->nr_ways : 0;
	struct cache *c;

	if (!nr_sets || geo->nr_ways > CACHE_MAX_WAYS || nr_sets > 1u << MAX_SET_BITS ||
	    nr_sets * geo->nr_ways << CACHE_LINE_SHIFT != geo->bytes)
		return -EINVAL;
	if (nr_lines > 1ull << MAX_LINE_BITS ||
	    nr_lines / nr_sets >= (1ull << 31) - FIRST_TAG)
		return -E2BIG;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	shape(c, (u32)nr_sets, geo->nr_ways);
	/* From calloc(), so that what is never used is not touched. */
	c->room = calloc(1, nr_sets * c->set_words * sizeof(*c->set) +
			    HOST_LINE - 1);
	if (!c->room) {
		cache_destroy(c);
		return -ENOMEM;
	}
	c->set = (u32 *)(((uintptr_t)c->room + HOST_LINE - 1) &
			 ~(uintptr_t)(HOST_LINE - 1));
	*out = c;
	return 0;
}

void cache_destroy(struct cache *c)
{
	if (!c)
		return;
	free(c->room);
	free(c);
}

/* ---- sets ------------------------------------------------------------------------ */

static struct place place_of(const struct cache *c, u64 line)
{
	return c->nr_sets == 1
		? (struct place){ c->set, 0, (u32)(line << 1) + FIRST_TAG }
		: quick_place(c, line);
}

static u64 line_of(const struct cache *c, struct place p, u32 tag)
{
	return (u64)((tag - FIRST_TAG) >> 1) * c->nr_sets + p.index;
}

static u32 *find(const struct cache *c, struct place p)
{
	for (u32 i = 0; i < c->nr_ways && p.set[i]; i++)
		if ((p.set[i] & ~OWNED) == p.key)
			return &p.set[i];
	return NULL;
}

static bool wide_access(const struct cache *c, struct place p)
{
	u32 *at = find(c, p), tag = at ? *at : p.key;
	u32 age = at ? (u32)(at - p.set) : c->nr_ways - 1;

	memmove(p.set + 1, p.set, age * sizeof(*p.set));
	p.set[0] = tag;
	return at;
}

bool cache_access(struct cache *c, u64 line, u64 *victim)
{
	struct place p = place_of(c, line);
	u32 last = p.set[c->nr_ways - 1];
	bool is_hit = !c->stride ? wide_access(c, p)
		: c->has_owned ? narrow_access(c, p, true)
			       : narrow_access(c, p, false);

	if (victim)
		*victim = last && !is_hit ? line_of(c, p, last) : CACHE_NO_LINE;
	return is_hit;
}

bool cache_has(const struct cache *c, u64 line)
{
	return find(c, place_of(c, line));
}

bool cache_drop(struct cache *c, u64 line)
{
	struct place p = place_of(c, line);
	u32 *at = find(c, p), *last = p.set + c->nr_ways - 1;

	if (!at)
		return false;
	memmove(at, at + 1, (size_t)(last - at) * sizeof(*at));
	*last = 0;
	return true;
}

void cache_set_owned(struct cache *c, u64 line, bool is_owned)
{
	u32 *at = find(c, place_of(c, line));

	if (!at)
		return;
	*at = (*at & ~OWNED) | (is_owned ? OWNED : 0);
	c->has_owned |= is_owned;
	c->is_quick = c->is_quick && !c->has_owned;
}

bool cache_is_owned(const struct cache *c, u64 line)
{
	u32 *at = c->has_owned ? find(c, place_of(c, line)) : NULL;

	return at && (*at & OWNED);
}

u64 cache_lines(const struct cache *c)
{
	return (u64)c->nr_sets * c->nr_ways;
}
