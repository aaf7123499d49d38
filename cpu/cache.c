/* A set is its ways in order of age, youngest first: an access moves its line
 * to the front, and what falls off the end is the least recently used. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/cache.h"

/* tag << 1 | owned, plus 2 so that 0 is an empty way. */
#define OWNED 1u
#define FIRST_TAG 2u

#define MAX_SET_BITS 24
#define MAX_LINE_BITS 40

struct cache {
	u32 *way;               /* [set * nr_ways + age]                      */
	u64 reciprocal;         /* 2^64 / nr_sets, rounded up                 */
	u32 nr_sets, nr_ways;
};

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
	c->nr_sets = (u32)nr_sets;
	c->nr_ways = geo->nr_ways;
	c->reciprocal = nr_sets == 1 ? 0 : ~0ull / nr_sets + 1;
	c->way = calloc(nr_sets * geo->nr_ways, sizeof(*c->way));
	if (!c->way) {
		free(c);
		return -ENOMEM;
	}
	*out = c;
	return 0;
}

void cache_destroy(struct cache *c)
{
	if (!c)
		return;
	free(c->way);
	free(c);
}

struct place {
	u32 *set;
	u32 key;
};

/* line / nr_sets by a product, which is exact while line * nr_sets < 2^64: lines
 * are below 2^MAX_LINE_BITS, sets at most 2^MAX_SET_BITS. */
static inline struct place place_of(const struct cache *c, u64 line)
{
	u64 tag = c->nr_sets == 1 ? line
		: (u64)((unsigned __int128)line * c->reciprocal >> 64);
	u64 set = line - tag * c->nr_sets;

	return (struct place){ c->way + set * c->nr_ways,
			       (u32)(tag << 1) + FIRST_TAG };
}

static u64 line_of(const struct cache *c, const u32 *set, u32 key)
{
	u64 tag = (key - FIRST_TAG) >> 1;

	return tag * c->nr_sets + (u64)(set - c->way) / c->nr_ways;
}

bool cache_access(struct cache *c, u64 line, u64 *victim)
{
	struct place p = place_of(c, line);
	u32 carry = p.key;

	if (victim)
		*victim = CACHE_NO_LINE;
	if ((p.set[0] & ~OWNED) == p.key)
		return true;
	/* Everything moves one back until the hole it left, or off the end. */
	for (u32 i = 0; i < c->nr_ways; i++) {
		u32 here = p.set[i];

		p.set[i] = carry;
		if ((here & ~OWNED) == p.key) {
			p.set[0] = here;
			return true;
		}
		if (!here)
			return false;
		carry = here;
	}
	if (victim)
		*victim = line_of(c, p.set, carry);
	return false;
}

static u32 *find(const struct cache *c, u64 line)
{
	struct place p = place_of(c, line);

	for (u32 i = 0; i < c->nr_ways; i++)
		if ((p.set[i] & ~OWNED) == p.key)
			return &p.set[i];
	return NULL;
}

bool cache_has(const struct cache *c, u64 line)
{
	return find(c, line) != NULL;
}

bool cache_drop(struct cache *c, u64 line)
{
	u32 *at = find(c, line), *end;

	if (!at)
		return false;
	end = place_of(c, line).set + c->nr_ways - 1;
	memmove(at, at + 1, (size_t)(end - at) * sizeof(*at));
	*end = 0;
	return true;
}

void cache_set_owned(struct cache *c, u64 line, bool is_owned)
{
	u32 *at = find(c, line);

	if (at)
		*at = (*at & ~OWNED) | (is_owned ? OWNED : 0);
}

bool cache_is_owned(const struct cache *c, u64 line)
{
	const u32 *at = find(c, line);

	return at && (*at & OWNED);
}

void cache_prefetch_host(const struct cache *c, u64 line)
{
	__builtin_prefetch(place_of(c, line).set, 1);
}

u64 cache_lines(const struct cache *c)
{
	return (u64)c->nr_sets * c->nr_ways;
}
