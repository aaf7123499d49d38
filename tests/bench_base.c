/* What the hot loops above take from base/. Prints "NAME VALUE UNIT" lines. */
#include <stdio.h>
#include <time.h>

#include "base/hash.h"
#include "base/rng.h"

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static void print_rate(const char *name, u64 nr, double since)
{
	printf("%s %.1f M/s\n", name, (double)nr / (now_s() - since) / 1e6);
}

/* Results go here, so that the loops are not optimised away. */
static volatile u64 sink;

int main(void)
{
	enum { NR = 20000000 };
	u64 sum = 0, key[8] = { 0 };
	struct rng r;
	double t;

	rng_init(&r, 1);
	t = now_s();
	for (u64 i = 0; i < NR; i++)
		sum += rng_u64(&r);
	print_rate("rng_u64", NR, t);
	t = now_s();
	for (u64 i = 0; i < NR; i++)
		sum += rng_below(&r, 1000);
	print_rate("rng_below", NR, t);
	t = now_s();
	for (u64 i = 0; i < NR / 2; i++) {
		key[0] = i;
		sum += hash64(key, sizeof(key));
	}
	print_rate("hash64_64_bytes", NR / 2, t);
	t = now_s();
	for (u64 i = 0; i < NR / 2; i++) {
		key[0] = i;
		sum += hash128(key, sizeof(key)).lo;
	}
	print_rate("hash128_64_bytes", NR / 2, t);
	sink = sum;
	return 0;
}
