/* cache_set.h - how a data cache keeps a set: its tags in the order in which they
 * were used, youngest first. An access moves one to the front, from wherever it was
 * or, on a miss, from the end, which falls off: so hit and miss are one operation.
 *
 * Sets of up to CACHE_NARROW ways are moved side by side, and begin where none of
 * them is on two lines of the host.
 *
 * For cache.c, and for those who have looks compiled into them.
 */
#ifndef CPU_CACHE_SET_H
#define CPU_CACHE_SET_H

#include <string.h>

#include "cpu/cache.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define CACHE_NARROW 16u
#define HOST_LINE 64u

/* tag << 1 | owned, plus 2 so that 0 is an empty way. */
#define OWNED 1u
#define FIRST_TAG 2u

struct cache {
	u32 *set;               /* [index * set_words]                        */
	void *room;             /* where that is                              */
	u64 reciprocal;         /* 2^64 / nr_sets, rounded up                 */
	u32 nr_sets, nr_ways;
	u32 set_words;
	u32 stride;             /* ways, rounded up to four; 0: not narrow    */
	bool has_owned;         /* ever had one                               */
	bool is_quick;          /* narrow, several sets, nothing ever owned   */
};

struct place {
	u32 *set;
	u64 index;
	u32 key;
};

/* place_of(), where there is more than one set. line / nr_sets by a product, which
 * is exact while line * nr_sets < 2^64: lines are below 2^MAX_LINE_BITS, sets at
 * most 2^MAX_SET_BITS. */
static inline struct place quick_place(const struct cache *c, u64 line)
{
	u64 tag = (u64)((unsigned __int128)line * c->reciprocal >> 64);
	u64 index = line - tag * c->nr_sets;

	return (struct place){ c->set + index * c->set_words, index,
			       (u32)(tag << 1) + FIRST_TAG };
}

/* ---- narrow sets ------------------------------------------------------------------ */

#ifdef __SSE2__
/* The first @nr of @eq, which are four ways each: a bit a way. */
static inline __attribute__((always_inline)) u32
narrow_bits(const __m128i eq[4], u32 nr)
{
	const __m128i none = _mm_setzero_si128();
	__m128i low, high;

	if (nr == 1)
		return (u32)_mm_movemask_ps(_mm_castsi128_ps(eq[0]));
	low = _mm_packs_epi32(eq[0], eq[1]);
	high = nr == 2 ? none : _mm_packs_epi32(eq[2], nr == 3 ? none : eq[3]);
	return (u32)_mm_movemask_epi8(_mm_packs_epi16(low, high));
}

#define MOVES(age, way) ((way) <= (age) ? ~0u : 0)
#define MOVES4(age, way) MOVES(age, way), MOVES(age, (way) + 1), \
			 MOVES(age, (way) + 2), MOVES(age, (way) + 3)
#define YOUNGER(age) { MOVES4(age, 0), MOVES4(age, 4), MOVES4(age, 8), \
		       MOVES4(age, 12) }

/* [age][way] all ones for each way that is not older. */
static const __attribute__((aligned(16))) u32
narrow_younger[CACHE_NARROW][CACHE_NARROW] = {
	YOUNGER(0), YOUNGER(1), YOUNGER(2), YOUNGER(3), YOUNGER(4), YOUNGER(5),
	YOUNGER(6), YOUNGER(7), YOUNGER(8), YOUNGER(9), YOUNGER(10), YOUNGER(11),
	YOUNGER(12), YOUNGER(13), YOUNGER(14), YOUNGER(15),
};

/* @set with @key before its first three. */
static inline __m128i narrow_first(__m128i set, __m128i key)
{
	__m128i next = _mm_shuffle_epi32(set, _MM_SHUFFLE(2, 1, 0, 0));

	return _mm_castps_si128(_mm_move_ss(_mm_castsi128_ps(next),
					    _mm_castsi128_ps(key)));
}

/* Of a set of @nr times four ways. @has_owned: some may be. */
static inline __attribute__((always_inline)) bool
narrow_to_front(u32 *set, u32 nr, u32 nr_ways, u32 key, bool has_owned)
{
	const __m128i marks = _mm_set1_epi32(has_owned ? OWNED : 0);
	__m128i want = _mm_set1_epi32((int)key), *at = (__m128i *)(void *)set;
	__m128i old[4], next[4], eq[4];
	const __m128i *moves;
	u32 bits, age;

#pragma GCC unroll 4
	for (u32 i = 0; i < nr; i++) {
		old[i] = _mm_load_si128(at + i);
		eq[i] = _mm_cmpeq_epi32(_mm_andnot_si128(marks, old[i]), want);
	}
	bits = narrow_bits(eq, nr);
	age = bits ? (u32)__builtin_ctz(bits) : nr_ways - 1;
	if (has_owned && bits)
		want = _mm_cvtsi32_si128((int)set[age]);
	next[0] = narrow_first(old[0], want);
#pragma GCC unroll 4
	for (u32 i = 1; i < nr; i++)
		next[i] = _mm_loadu_si128((__m128i *)(void *)(set + 4 * i - 1));
	moves = (const __m128i *)(const void *)narrow_younger[age];
#pragma GCC unroll 4
	for (u32 i = 0; i < nr; i++)
		_mm_store_si128(at + i, _mm_xor_si128(old[i],
			_mm_and_si128(moves[i],
				      _mm_xor_si128(old[i], next[i]))));
	return bits;
}
#else
static inline bool narrow_to_front(u32 *set, u32 nr, u32 nr_ways, u32 key,
				   bool has_owned)
{
	u32 age = 0;

	while (age < nr_ways && (set[age] & ~OWNED) != key)
		age++;
	if (age < nr_ways)
		key = set[age];
	memmove(set + 1, set,
		(age < nr_ways ? age : nr_ways - 1) * sizeof(*set));
	set[0] = key;
	return age < nr_ways;
}
#endif

static inline __attribute__((always_inline)) bool
narrow_access(const struct cache *c, struct place p, bool has_owned)
{
	switch (c->stride) {
	case 4:
		return narrow_to_front(p.set, 1, c->nr_ways, p.key, has_owned);
	case 8:
		return narrow_to_front(p.set, 2, c->nr_ways, p.key, has_owned);
	case 12:
		return narrow_to_front(p.set, 3, c->nr_ways, p.key, has_owned);
	}
	return narrow_to_front(p.set, 4, c->nr_ways, p.key, has_owned);
}

/* ---- compiled in ------------------------------------------------------------------- */

/* cache_look - cache_access() of a cache that is quick, of a line whose victim nobody
 * asks for. */
static inline __attribute__((always_inline)) bool
cache_look(struct cache *c, u64 line)
{
	return narrow_access(c, quick_place(c, line), false);
}

/* cache_prefetch_host - the host's memory for @line's set, soon needed. Always inline:
 * else gcc takes it for a function without effect, and leaves out its calls. */
static inline __attribute__((always_inline)) void
cache_prefetch_host(const struct cache *c, u64 line)
{
	if (likely(c->nr_sets > 1))
		__builtin_prefetch(quick_place(c, line).set, 1);
}

#endif
