/* match.h - which of a set's tags is the one wanted, all of them at once.
 *
 * Tags differ nearly always in their low halves, where the page number is. So
 * those are compared side by side, and the whole tag only of ways whose half is
 * right.
 *
 * @tag: the set's, on a 16-byte boundary; @stride: 4, 8, 12 or 16 of them, ways
 * that are not there being 0, which nobody wants.
 */
#ifndef TLB_MATCH_H
#define TLB_MATCH_H

#include "base/types.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define MATCH_NONE (~0u)

#ifdef __SSE2__
/* All ones where the low half of one of four tags is that of @want. */
static inline __m128i match_low4(const u64 *tag, __m128i want)
{
	const float *t = (const float *)(const void *)tag;
	__m128 low = _mm_shuffle_ps(_mm_load_ps(t), _mm_load_ps(t + 4),
				    _MM_SHUFFLE(2, 0, 2, 0));

	return _mm_cmpeq_epi32(_mm_castps_si128(low), want);
}

/* Of ways that are two bytes each, in @a and @b: a bit each. */
static inline u32 match_narrow(__m128i a, __m128i b)
{
	return (u32)_mm_movemask_epi8(_mm_packs_epi16(a, b));
}
#endif

/* Bit i: tag[i] has the low half of @want. */
static inline __attribute__((always_inline)) u32
match_low(const u64 *tag, u32 stride, u64 want)
{
#ifdef __SSE2__
	const __m128i w = _mm_set1_epi32((int)want);
	__m128i a = match_low4(tag, w), b, c, d;

	if (stride == 4)
		return (u32)_mm_movemask_ps(_mm_castsi128_ps(a));
	b = _mm_packs_epi32(a, match_low4(tag + 4, w));
	if (stride == 8)
		return match_narrow(b, _mm_setzero_si128());
	c = match_low4(tag + 8, w);
	d = stride == 12 ? _mm_setzero_si128() : match_low4(tag + 12, w);
	return match_narrow(b, _mm_packs_epi32(c, d));
#else
	u32 m = 0;

	for (u32 i = 0; i < stride; i++)
		m |= (u32)((u32)tag[i] == (u32)want) << i;
	return m;
#endif
}

/* match_words - bit i: tag[i] is @want, of tags that are words of 32 bits, at any
 * place. */
static inline __attribute__((always_inline)) u32
match_words(const u32 *tag, u32 stride, u32 want)
{
#ifdef __SSE2__
	const __m128i *t = (const __m128i *)(const void *)tag;
	const __m128i w = _mm_set1_epi32((int)want);
	__m128i a = _mm_cmpeq_epi32(_mm_loadu_si128(t), w), b, c, d;

	if (stride == 4)
		return (u32)_mm_movemask_ps(_mm_castsi128_ps(a));
	b = _mm_packs_epi32(a, _mm_cmpeq_epi32(_mm_loadu_si128(t + 1), w));
	if (stride == 8)
		return match_narrow(b, _mm_setzero_si128());
	c = _mm_cmpeq_epi32(_mm_loadu_si128(t + 2), w);
	d = stride == 12 ? _mm_setzero_si128()
			 : _mm_cmpeq_epi32(_mm_loadu_si128(t + 3), w);
	return match_narrow(b, _mm_packs_epi32(c, d));
#else
	u32 m = 0;

	for (u32 i = 0; i < stride; i++)
		m |= (u32)(tag[i] == want) << i;
	return m;
#endif
}

/* match_way - the way that has @want; at most one does. MATCH_NONE: none. */
static inline __attribute__((always_inline)) u32
match_way(const u64 *tag, u32 stride, u64 want)
{
	for (u32 m = match_low(tag, stride, want); m; m &= m - 1) {
		u32 way = (u32)__builtin_ctz(m);

		if (likely(tag[way] == want))
			return way;
	}
	return MATCH_NONE;
}

#endif
