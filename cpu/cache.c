/* Tags of sets in order of age. Of up to ROW_WAYS ways the order is a word (row.h)
 * beside tags that stay where they are; in larger sets the tags themselves are in
 * order, youngest first: an access moves one to the front, and what falls off the end
 * is the least recently used. Empty ways are the oldest. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/cache_row.h"

/* What is seldom needed does not cost the rest its registers. */
#define NOINLINE __attribute__((noinline))

#define MAX_SET_BITS 24
#define MAX_LINE_BITS 40

/* ---- creation ------------------------------------------------------------------ */

static void shape(struct cache *c, u32 nr_sets, u32 nr_ways)
{
	c->nr_sets = nr_sets;
	c->nr_ways = nr_ways;
	c->reciprocal = nr_sets == 1 ? 0 : ~0ull / nr_sets + 1;
	c->set_words = nr_ways;
	if (nr_ways > ROW_WAYS)
		return;
	c->stride = (nr_ways + 3) & ~3u;
	c->set_words = ROW_WORDS + c->stride;
	c->oldest_shift = row_oldest_shift(nr_ways);
	c->new_row = row_first(nr_ways);
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
	c->set = calloc(nr_sets, c->set_words * sizeof(*c->set));
	c->owned = calloc(nr_sets, sizeof(*c->owned));
	if (!c->set || !c->owned) {
		cache_destroy(c);
		return -ENOMEM;
	}
	*out = c;
	return 0;
}

void cache_destroy(struct cache *c)
{
	if (!c)
		return;
	free(c->set);
	free(c->owned);
	free(c);
}

/* ---- rows ----------------------------------------------------------------------- */

static bool row_drop(struct cache *c, struct place p)
{
	u32 way = row_way(c, p);

	if (way == MATCH_NONE)
		return false;
	p.set[ROW_WORDS + way] = 0;
	c->owned[p.index] &= (u16)~(1u << way);
	set_row(p.set, row_to_back(row_begun(c, row_of(p.set)), way,
				   c->oldest_shift));
	return true;
}

/* ---- tags in order of age --------------------------------------------------------- */

/* The age of @p's line in its set, or of the first empty way; nr_ways: neither is
 * there. */
static u32 age_of(const struct cache *c, struct place p)
{
	u32 i = 0;

	while (i < c->nr_ways && p.set[i] && (p.set[i] & ~OWNED) != p.key)
		i++;
	return i;
}

static NOINLINE bool age_access(struct cache *c, struct place p, u64 *victim)
{
	u32 age = age_of(c, p), here = 0;

	if (age == c->nr_ways) {
		age--;
		if (victim)
			*victim = line_of(c, p, p.set[age]);
	} else {
		here = p.set[age];
	}
	/* Everything younger moves one back. */
	memmove(p.set + 1, p.set, age * sizeof(*p.set));
	p.set[0] = here ? here : p.key;
	return here;
}

static u32 *age_find(const struct cache *c, struct place p)
{
	u32 age = age_of(c, p);

	return age < c->nr_ways && p.set[age] ? &p.set[age] : NULL;
}

static bool age_drop(struct cache *c, struct place p)
{
	u32 *at = age_find(c, p), *end = p.set + c->nr_ways - 1;

	if (!at)
		return false;
	memmove(at, at + 1, (size_t)(end - at) * sizeof(*at));
	*end = 0;
	return true;
}

/* ---- either ----------------------------------------------------------------------- */

bool cache_access(struct cache *c, u64 line, u64 *victim)
{
	struct place p = place_of(c, line);

	if (victim)
		*victim = CACHE_NO_LINE;
	return likely(c->stride) ? row_access(c, p, victim)
				 : age_access(c, p, victim);
}

bool cache_has(const struct cache *c, u64 line)
{
	struct place p = place_of(c, line);

	return c->stride ? row_way(c, p) != MATCH_NONE : age_find(c, p) != NULL;
}

bool cache_drop(struct cache *c, u64 line)
{
	struct place p = place_of(c, line);

	return c->stride ? row_drop(c, p) : age_drop(c, p);
}

void cache_set_owned(struct cache *c, u64 line, bool is_owned)
{
	struct place p = place_of(c, line);
	u32 way, *at;

	c->has_owned |= is_owned;
	if (!c->stride) {
		at = age_find(c, p);
		if (at)
			*at = (*at & ~OWNED) | (is_owned ? OWNED : 0);
		return;
	}
	way = row_way(c, p);
	if (way == MATCH_NONE)
		return;
	c->owned[p.index] &= (u16)~(1u << way);
	c->owned[p.index] |= (u16)((u32)is_owned << way);
}

bool cache_is_owned(const struct cache *c, u64 line)
{
	struct place p;
	const u32 *at;
	u32 way;

	if (!c->has_owned)
		return false;
	p = place_of(c, line);
	if (!c->stride) {
		at = age_find(c, p);
		return at && (*at & OWNED);
	}
	way = row_way(c, p);
	return way != MATCH_NONE && (c->owned[p.index] >> way & 1);
}

u64 cache_lines(const struct cache *c)
{
	return (u64)c->nr_sets * c->nr_ways;
}
