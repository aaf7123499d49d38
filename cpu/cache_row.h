/* cache_row.h - how a data cache keeps a set of up to ROW_WAYS ways: the order in
 * which they were used, as a word (row.h), beside tags that stay where they are.
 *
 * For cache.c, and for caches.c, which has looks compiled into it.
 */
#ifndef CPU_CACHE_ROW_H
#define CPU_CACHE_ROW_H

#include <string.h>

#include "cpu/cache.h"
#include "tlb/match.h"
#include "tlb/row.h"

/* tag << 1 | owned, plus 2 so that 0 is an empty way. With rows the bit is never
 * set; it is in owned[]. */
#define OWNED 1u
#define FIRST_TAG 2u

#define ROW_WORDS 2u            /* before a set's tags                        */

struct cache {
	u32 *set;               /* [set * set_words], with rows: row and tags */
	u16 *owned;             /* [set] bit a way; with rows                 */
	u64 new_row;            /* way 0 is the youngest                      */
	u64 reciprocal;         /* 2^64 / nr_sets, rounded up                 */
	u32 nr_sets, nr_ways;
	u32 set_words;
	u32 stride;             /* ways, rounded up to four; 0: no rows       */
	u32 oldest_shift;
	bool has_owned;         /* ever had one                               */
};

struct place {
	u32 *set;
	u64 index;
	u32 key;
};

static inline u64 row_of(const u32 *set)
{
	u64 row;

	memcpy(&row, set, sizeof(row));
	return row;
}

static inline void set_row(u32 *set, u64 row)
{
	memcpy(set, &row, sizeof(row));
}

/* line / nr_sets by a product, which is exact while line * nr_sets < 2^64: lines
 * are below 2^MAX_LINE_BITS, sets at most 2^MAX_SET_BITS. */
static inline struct place place_of(const struct cache *c, u64 line)
{
	u64 tag = c->nr_sets == 1 ? line
		: (u64)((unsigned __int128)line * c->reciprocal >> 64);
	u64 index = line - tag * c->nr_sets;

	return (struct place){ c->set + index * c->set_words, index,
			       (u32)(tag << 1) + FIRST_TAG };
}

static inline u64 line_of(const struct cache *c, struct place p, u32 key)
{
	return (u64)((key - FIRST_TAG) >> 1) * c->nr_sets + p.index;
}

/* A set that was never used is all zeroes, which is no row of more than one way:
 * so memory that nobody needs is not touched. */
static inline u64 row_begun(const struct cache *c, u64 row)
{
	return likely(row) ? row : c->new_row;
}

static inline u32 row_way(const struct cache *c, struct place p)
{
	u32 m = match_words(p.set + ROW_WORDS, c->stride, p.key);

	return m ? (u32)__builtin_ctz(m) : MATCH_NONE;
}

static inline bool row_access(struct cache *c, struct place p, u64 *victim)
{
	u32 *tag = p.set + ROW_WORDS, way;
	u64 row = row_of(p.set);

	if (tag[row & 15] == p.key)
		return true;
	row = row_begun(c, row);
	way = row_way(c, p);
	if (way != MATCH_NONE) {
		set_row(p.set, row_to_front(row, way));
		return true;
	}
	way = row_oldest(row, c->oldest_shift);
	if (victim && tag[way])
		*victim = line_of(c, p, tag[way]);
	tag[way] = p.key;
	if (unlikely(c->has_owned))
		c->owned[p.index] &= (u16)~(1u << way);
	set_row(p.set, row_renew(row, c->oldest_shift));
	return false;
}

/* cache_access() of a line whose victim nobody asks for. */
static inline __attribute__((always_inline)) bool
cache_look(struct cache *c, u64 line)
{
	return likely(c->stride) ? row_access(c, place_of(c, line), NULL)
				 : cache_access(c, line, NULL);
}

/* cache_prefetch_host - the host's memory for @line's set, soon needed. Always inline:
 * else gcc takes it for a function without effect, and leaves out its calls. */
static inline __attribute__((always_inline)) void
cache_prefetch_host(const struct cache *c, u64 line)
{
	const u32 *set = place_of(c, line).set;

	__builtin_prefetch(set, 1);
	__builtin_prefetch(set + c->set_words - 1, 1);
}

#endif
