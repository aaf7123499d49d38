/* rng.h - seeded random numbers, the same on every host, splittable.
 *
 * Generator: xoshiro256** (Blackman and Vigna, "Scrambled linear pseudorandom
 * number generators", 2021), its state filled by splitmix64 from a 64-bit
 * seed. Not for secrets.
 *
 * Splitting: rng_split() derives a child from the parent's *seed* and a stream
 * number, never from how many numbers the parent has given out. So a CPU, a
 * task or a test draws the same numbers whatever the others do.
 *
 * Errors:  none.
 * Threads: none; one struct rng, one user.
 */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include "base/types.h"

struct rng {
	u64 s[4];
	u64 seed;               /* what it was seeded with; rng_split() only  */
};

void rng_init(struct rng *r, u64 seed);

/* rng_split - @child becomes stream number @stream of @parent's seed. */
void rng_split(const struct rng *parent, u64 stream, struct rng *child);

static inline u64 rng_rotl(u64 x, int k)
{
	return (x << k) | (x >> (64 - k));
}

/* rng_u64 - the next 64 random bits. */
static inline u64 rng_u64(struct rng *r)
{
	u64 *s = r->s;
	u64 result = rng_rotl(s[1] * 5, 7) * 9;
	u64 t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rng_rotl(s[3], 45);
	return result;
}

/* rng_below - unbiased in [0, @n); @n = 0 means the full 64 bits.
 * Multiply and reject (Lemire, "Fast random integer generation in an
 * interval", 2019): a division only when the first draw is borderline. */
static inline u64 rng_below(struct rng *r, u64 n)
{
	unsigned __int128 m;
	u64 x = rng_u64(r);

	if (n == 0)
		return x;
	m = (unsigned __int128)x * n;
	if (unlikely((u64)m < n)) {
		u64 floor = -n % n;

		while ((u64)m < floor)
			m = (unsigned __int128)rng_u64(r) * n;
	}
	return (u64)(m >> 64);
}

/* rng_between - unbiased in [@lo, @hi], both included; needs lo <= hi. */
static inline u64 rng_between(struct rng *r, u64 lo, u64 hi)
{
	return lo + rng_below(r, hi - lo + 1);
}

/* rng_double - uniform in [0, 1), 53 bits. */
static inline double rng_double(struct rng *r)
{
	return (double)(rng_u64(r) >> 11) * 0x1.0p-53;
}

/* rng_chance - true with probability @num / @den, exactly; @den > 0. */
static inline bool rng_chance(struct rng *r, u64 num, u64 den)
{
	return rng_below(r, den) < num;
}

/* rng_exponential - exponentially distributed with mean @mean, at most 64 times
 * that. By comparing uniform numbers only (von Neumann, "Various techniques used
 * in connection with random digits", 1951), so the same on every host. */
u64 rng_exponential(struct rng *r, u32 mean);

/* rng_shuffle - a uniform permutation of @nr elements of @size bytes. */
void rng_shuffle(struct rng *r, void *base, size_t nr, size_t size);

#endif
