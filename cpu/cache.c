/* A set is its ways in order of age, youngest first: an access moves its line
 * to the front, and what falls off the end is the least recently used. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/cache.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* tag << 1 | owned, plus 2 so that 0 is an empty way. */
#define OWNED 1u
#define FIRST_TAG 2u

#define WAYS_STEP 4u            /* compared at a time; so many behind the last */

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
	c->way = calloc(nr_sets * geo->nr_ways + WAYS_STEP, sizeof(*c->way));
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

/* Bit i: way[i] is empty, or has @key; of WAYS_STEP ways. */
static inline u32 match(const u32 *way, u32 key)
{
#ifdef __SSE2__
	__m128i w = _mm_loadu_si128((const __m128i *)(const void *)way);
	__m128i bare = _mm_andnot_si128(_mm_set1_epi32(OWNED), w);
	__m128i is = _mm_or_si128(_mm_cmpeq_epi32(bare, _mm_set1_epi32((int)key)),
				  _mm_cmpeq_epi32(w, _mm_setzero_si128()));

	return (u32)_mm_movemask_ps(_mm_castsi128_ps(is));
#else
	u32 m = 0;

	for (u32 i = 0; i < WAYS_STEP; i++)
		m |= (u32)((way[i] & ~OWNED) == key || !way[i]) << i;
	return m;
#endif
}

/* The age of @p's line in its set, or of the first empty way, since those are
 * last; nr_ways: neither is there. */
static u32 age_of(const struct cache *c, struct place p)
{
	for (u32 i = 0; i < c->nr_ways; i += WAYS_STEP) {
		u32 m = match(p.set + i, p.key);

		if (m) {
			i += (u32)__builtin_ctz(m);
			return i < c->nr_ways ? i : c->nr_ways;
		}
	}
	return c->nr_ways;
}

bool cache_access(struct cache *c, u64 line, u64 *victim)
{
	struct place p = place_of(c, line);
	u32 age, here = 0;

	if (victim)
		*victim = CACHE_NO_LINE;
	if ((p.set[0] & ~OWNED) == p.key)
		return true;
	age = age_of(c, p);
	if (age == c->nr_ways) {
		age--;
		if (victim)
			*victim = line_of(c, p.set, p.set[age]);
	} else {
		here = p.set[age];
	}
	/* Everything younger moves one back. */
	memmove(p.set + 1, p.set, age * sizeof(*p.set));
	p.set[0] = here ? here : p.key;
	return here;
}

static u32 *find(const struct cache *c, u64 line)
{
	struct place p = place_of(c, line);
	u32 age = age_of(c, p);

	return age < c->nr_ways && p.set[age] ? &p.set[age] : NULL;
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
