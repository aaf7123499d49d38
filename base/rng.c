#include <string.h>

#include "base/rng.h"

/* splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
 * generators", 2014): a bijection of its counter, so four outputs are never
 * all zero, which is the one state xoshiro must not have. */
static u64 splitmix64(u64 *state)
{
	u64 z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

void rng_init(struct rng *r, u64 seed)
{
	u64 state = seed;

	r->seed = seed;
	for (int i = 0; i < 4; i++)
		r->s[i] = splitmix64(&state);
}

/* The seed goes through the mixer before the stream number is added: else
 * (seed 1, stream 2) and (seed 2, stream 1) would be one stream. */
void rng_split(const struct rng *parent, u64 stream, struct rng *child)
{
	u64 state = parent->seed ^ 0x5bf03635d1e2a7c9ull;

	state = splitmix64(&state) + stream;
	rng_init(child, splitmix64(&state));
}

/* A run of numbers that fall has an odd length with probability exp(-first):
 * then first is the fraction of a sample whose integer part is the number of
 * runs that were refused. */
u64 rng_exponential(struct rng *r, u32 mean)
{
	for (u64 whole = 0; whole < 63; whole++) {
		u32 first = (u32)(rng_u64(r) >> 32), last = first, next;
		bool is_odd = true;

		while ((next = (u32)(rng_u64(r) >> 32)) < last) {
			last = next;
			is_odd = !is_odd;
		}
		if (is_odd)
			return whole * mean + ((u64)first * mean >> 32);
	}
	return 64ull * mean;
}

static void swap_bytes(char *a, char *b, size_t size)
{
	char tmp[64];

	while (size) {
		size_t n = size < sizeof(tmp) ? size : sizeof(tmp);

		memcpy(tmp, a, n);
		memcpy(a, b, n);
		memcpy(b, tmp, n);
		a += n;
		b += n;
		size -= n;
	}
}

void rng_shuffle(struct rng *r, void *base, size_t nr, size_t size)
{
	char *p = base;

	for (size_t i = nr; i > 1; i--) {
		size_t j = rng_below(r, i);

		if (j != i - 1)
			swap_bytes(p + j * size, p + (i - 1) * size, size);
	}
}
