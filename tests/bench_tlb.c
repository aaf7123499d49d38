/* Page runs per second that the array TLB takes, on Skylake's geometry, on Zen
 * 2's, and on one large fully associative array. The L1 figure is the slowest of
 * four patterns, each printed as well. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tlb/array.h"

#define NR_PATTERN 4096u
#define NR_RUNS (1u << 25)
#define NR_REPEATS 5

static double host_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

#define SIZES_4K_2M (TLB_HOLDS_4K | TLB_HOLDS_2M)
#define SIZES_ALL (SIZES_4K_2M | TLB_HOLDS_1G)

/* Source: TLB;DR and CPUID of the parts. */
static const struct tlb_design designs[] = {
	{ .name = "", .nr_arrays = 4, .array = {
		{ "dtlb_4k", 16, 4, TLB_HOLDS_4K, TLB_INDEX_LINEAR, 0,
		  TLB_REPL_TREE_PLRU, 0, "", 1, TLB_SERVES_DATA, 0, 0, false },
		{ "dtlb_2m", 8, 4, TLB_HOLDS_2M, TLB_INDEX_LINEAR, 0,
		  TLB_REPL_TREE_PLRU, 0, "", 1, TLB_SERVES_DATA, 0, 0, false },
		{ "dtlb_1g", 1, 4, TLB_HOLDS_1G, TLB_INDEX_LINEAR, 0,
		  TLB_REPL_TREE_PLRU, 0, "", 1, TLB_SERVES_DATA, 0, 0, false },
		{ "stlb", 128, 12, SIZES_4K_2M, TLB_INDEX_XOR, 7,
		  TLB_REPL_MRU1_3PLRU4, 9, "", 2, TLB_SERVES_ALL, 0, 0,
		  false } } },
	{ .name = "zen_", .nr_arrays = 3, .array = {
		{ "dtlb", 1, 64, SIZES_ALL, TLB_INDEX_LINEAR, 0,
		  TLB_REPL_LRU, 0, "", 1, TLB_SERVES_DATA, 2, 0, false },
		{ "l2_4k", 256, 8, TLB_HOLDS_4K, TLB_INDEX_LINEAR, 0,
		  TLB_REPL_TREE_PLRU, 7, "", 2, TLB_SERVES_DATA, 2, 0, false },
		{ "l2_2m", 512, 4, TLB_HOLDS_2M, TLB_INDEX_LINEAR, 0,
		  TLB_REPL_TREE_PLRU, 7, "", 2, TLB_SERVES_DATA, 0, 0,
		  true } } },
	/* What if: one array of thousands. */
	{ .name = "fa4096_", .nr_arrays = 1, .array = {
		{ "dtlb", 1, 4096, SIZES_ALL, TLB_INDEX_LINEAR, 0,
		  TLB_REPL_LRU, 0, "", 1, TLB_SERVES_DATA, 0, 0, false } } },
};

static const struct tlb_design *design = designs;

static struct tlb_array *create(void)
{
	struct tlb_array *a;

	if (tlb_array_create(&a, design, 1))
		exit(1);
	return a;
}

static void fill(struct tlb_array *a, u64 vpn, u8 order)
{
	struct tlb_entry e = {
		.vpn = vpn << order, .pfn = vpn << order, .pcid = 1,
		.order = order, .flags = TLB_W | TLB_D,
	};

	tlb_array_fill(a, TLB_LOAD, e.vpn, &e);
}

/* M runs/s of @vpn[] over and over, best of a few; every run must end at
 * @want. */
static double measure(struct tlb_array *a, const u64 *vpn, bool is_write,
		      enum tlb_level want)
{
	double best = 0;

	for (u32 repeat = 0; repeat < NR_REPEATS; repeat++) {
		u64 sum = 0, nr_wrong = 0;
		double start = host_s(), rate;

		for (u32 i = 0; i < NR_RUNS; i++) {
			struct tlb_entry *e;
			u64 page = vpn[i % NR_PATTERN];
			enum tlb_level got = TLB_HIT_L1;

			if (!is_write || !tlb_array_hit(a, TLB_STORE, 1,
							 page, &e))
				got = tlb_array_access(a, TLB_LOAD, 1, page, &e);
			if (unlikely(got != want)) {
				nr_wrong++;
				continue;
			}
			sum += e->pfn;
		}
		rate = NR_RUNS / (host_s() - start) / 1e6;
		if (rate > best)
			best = rate;
		/* The first round of an L2 pattern may still be in the L1. */
		if (sum == 0 || nr_wrong > NR_PATTERN) {
			fprintf(stderr, "bench_tlb: %llu runs of %u elsewhere\n",
				(unsigned long long)nr_wrong, NR_RUNS);
			exit(1);
		}
	}
	return best;
}

static double show(const char *name, double rate)
{
	printf("%s%s %.1f M/s\n", design->name, name, rate);
	fflush(stdout);
	return rate;
}

static void bench_l1(u64 *vpn, struct rng *rng)
{
	static const char *const name[] = {
		"l1_hit_runs_random", "l1_hit_runs_sequential",
		"l1_hit_runs_one_page", "l1_hit_runs_2m",
	};
	double worst = 1e9;

	for (u32 pattern = 0; pattern < ARRAY_LEN(name); pattern++) {
		struct tlb_array *a = create();
		u8 order = pattern == 3 ? 9 : 0;
		double rate;

		for (u64 i = 0; i < 64u >> (order / 9); i++)
			fill(a, i + 1, order);
		for (u32 i = 0; i < NR_PATTERN; i++) {
			if (pattern == 1)
				vpn[i] = 1 + i % 64;
			else if (pattern == 2)
				vpn[i] = 17;
			else if (pattern == 3)
				vpn[i] = 512 + rng_below(rng, 32 * 512);
			else
				vpn[i] = 1 + rng_below(rng, 64);
		}
		rate = show(name[pattern], measure(a, vpn, pattern == 0,
						   TLB_HIT_L1));
		if (rate < worst)
			worst = rate;
		tlb_array_destroy(a);
	}
	show("l1_hit_runs", worst);
}

/* A tour that comes to each set of the L1 with more pages than it has ways,
 * and stays inside the L2: nothing hits the L1. */
static void bench_l2(u64 *vpn, struct rng *rng)
{
	static const char *const name[] = {
		"l2_hit_runs_tour", "l2_hit_runs_scattered",
	};
	double worst = 1e9;

	for (u32 pattern = 0; pattern < ARRAY_LEN(name); pattern++) {
		struct tlb_array *a = create();
		double rate;

		/* 1024 pages, each once, in an order of their own. */
		for (u32 i = 0; i < NR_PATTERN; i++)
			vpn[i] = 1 + i % 1024;
		if (pattern == 1)
			rng_shuffle(rng, vpn, 1024, sizeof(*vpn));
		for (u32 i = 1024; i < NR_PATTERN; i++)
			vpn[i] = vpn[i - 1024];
		for (u64 i = 0; i < 1024; i++)
			fill(a, vpn[i], 0);
		rate = show(name[pattern], measure(a, vpn, false, TLB_HIT_L2));
		if (rate < worst)
			worst = rate;
		tlb_array_destroy(a);
	}
	show("l2_hit_runs", worst);
}

/* A random page of 1 GiB each time, nearly always a miss in both levels and
 * then a fill of both; the walk itself is not here. */
static void bench_random_miss(struct rng *rng)
{
	struct tlb_array *a = create();
	u32 nr = NR_RUNS / 4;
	struct tlb_entry *e;
	double start;

	for (u32 warm = 0; warm < 2; warm++) {
		start = host_s();
		for (u32 i = 0; i < nr; i++) {
			u64 page = rng_u64(rng) >> 46;

			if (tlb_array_access(a, TLB_LOAD, 1, page, &e) ==
			    TLB_MISS)
				fill(a, page, 0);
		}
	}
	show("tlb_random_miss_and_fill", nr / (host_s() - start) / 1e6);
	tlb_array_destroy(a);
}

/* Every run misses: two failed lookups, a fill and an eviction in both
 * levels; the walk itself is not here. */
static void bench_fill(void)
{
	struct tlb_array *a = create();
	double start = host_s();
	u32 nr = NR_RUNS / 4;
	struct tlb_entry *e;

	for (u32 i = 0; i < nr; i++)
		if (tlb_array_access(a, TLB_LOAD, 1, i & 0xffff, &e) == TLB_MISS)
			fill(a, i & 0xffff, 0);
	show("tlb_miss_and_fill", nr / (host_s() - start) / 1e6);
	tlb_array_destroy(a);
}

static void bench_invalidate(void)
{
	struct tlb_array *a = create();
	u32 nr = NR_RUNS / 8;
	double start;

	start = host_s();
	for (u32 i = 0; i < nr; i++) {
		fill(a, i % 1024, 0);
		tlb_array_invlpg(a, 1, i % 1024);
	}
	show("tlb_fill_invlpg", nr / (host_s() - start) / 1e6);
	start = host_s();
	for (u32 i = 0; i < nr; i++) {
		fill(a, i % 1024, 0);
		tlb_array_flush_pcid(a, 1);
	}
	show("tlb_fill_flush_pcid", nr / (host_s() - start) / 1e6);
	tlb_array_destroy(a);
}

int main(void)
{
	static u64 vpn[NR_PATTERN];
	struct rng rng;

	for (u32 i = 0; i < ARRAY_LEN(designs); i++) {
		design = &designs[i];
		rng_init(&rng, 1);
		bench_l1(vpn, &rng);
		if (design->nr_arrays > 1)
			bench_l2(vpn, &rng);
		bench_fill();
		bench_random_miss(&rng);
		bench_invalidate();
	}
	return 0;
}
