/* test_reuse.c - page reuse against a list that is searched, parts of runs
 * against their accesses one by one. */
#include "base/rng.h"
#include "tests/check.h"
#include "workloads/page_reuse.h"
#include "workloads/page_set.h"
#include "workloads/run_clip.h"

/* ---- page reuse ---- */

/* Most recently used first. */
struct naive {
	u64 vpn[4096], count[4096];
	u8 ops[4096];
	u32 nr;
	u64 nr_first, nr_accesses, by_distance[REUSE_CLASSES];
};

static u32 class_of(u32 distance)
{
	u32 k = 0;

	while (distance >> k)
		k++;
	return k;
}

static void naive_add(struct naive *n, u64 vpn, u64 count, enum run_op op)
{
	u32 at = 0;
	u64 had = 0;
	u8 ops = 0;

	while (at < n->nr && n->vpn[at] != vpn)
		at++;
	if (at == n->nr) {
		assert_true(n->nr < ARRAY_LEN(n->vpn));
		n->nr++;
		n->nr_first++;
	} else {
		n->by_distance[class_of(at)]++;
		had = n->count[at];
		ops = n->ops[at];
	}
	n->by_distance[0] += count - 1;
	n->nr_accesses += count;
	for (; at; at--) {
		n->vpn[at] = n->vpn[at - 1];
		n->count[at] = n->count[at - 1];
		n->ops[at] = n->ops[at - 1];
	}
	n->vpn[0] = vpn;
	n->count[0] = had + count;
	n->ops[0] = ops | 1 << op;
}

static u64 naive_pages_for(const struct naive *n, double share)
{
	static u64 count[4096];
	u64 sum = 0, taken = 0;

	memcpy(count, n->count, sizeof(count));
	while ((double)sum < share * (double)n->nr_accesses - 1e-6) {
		u32 best = 0;

		for (u32 i = 1; i < n->nr; i++)
			if (count[i] > count[best])
				best = i;
		sum += count[best];
		count[best] = 0;
		taken++;
	}
	return taken;
}

static void expect_result(const struct naive *n,
			  const struct page_reuse_result *r)
{
	assert_int_equal(n->nr, r->nr_pages);
	assert_int_equal(n->nr_first, r->nr_first);
	assert_int_equal(n->nr_accesses, r->nr_accesses);
	for (u32 k = 0; k < REUSE_CLASSES; k++)
		assert_int_equal(n->by_distance[k], r->by_distance[k]);
	for (u32 op = 0; op < 4; op++) {
		u64 pages = 0;

		for (u32 i = 0; i < n->nr; i++)
			pages += n->ops[i] >> op & 1;
		assert_int_equal(pages, r->nr_pages_by_op[op]);
	}
	assert_int_equal(naive_pages_for(n, 0.5), r->nr_pages_half);
	assert_int_equal(naive_pages_for(n, 0.9), r->nr_pages_90);
	assert_int_equal(naive_pages_for(n, 0.99), r->nr_pages_99);
}

/* Enough visits that times run out and are given anew several times, and
 * enough pages that the table grows. */
static void test_reuse_is_exact(void **state)
{
	u64 seed = check_seed("reuse");
	struct rng base, r;

	rng_init(&base, seed);
	for (u32 round = 0; round < 4; round++) {
		static const u32 pages[] = { 1, 7, 900, 4096 };
		static struct naive n;
		struct page_reuse_result got;
		struct page_reuse *p;

		memset(&n, 0, sizeof(n));
		rng_split(&base, round, &r);
		assert_int_equal(page_reuse_create(&p), 0);
		for (u32 i = 0; i < 40000; i++) {
			u64 vpn = rng_chance(&r, 1, 3) ?
				rng_below(&r, 1 + pages[round] / 64) :
				rng_below(&r, pages[round]);
			u64 count = rng_chance(&r, 1, 5) ?
				rng_between(&r, 1, 500) : 1;
			enum run_op op = rng_below(&r, 4);

			vpn += round == 3 ? 0xffffffffff000ull : 0;
			naive_add(&n, vpn, count, op);
			assert_int_equal(page_reuse_add(p, vpn, count, op), 0);
		}
		assert_int_equal(page_reuse_result(p, &got), 0);
		expect_result(&n, &got);
		page_reuse_free(p);
	}
}

/* A loop over N pages misses always in an LRU cache of fewer, and never, but
 * for the first time, in one of N. */
static void test_lru_misses(void **state)
{
	struct page_reuse_result r;
	struct page_reuse *p;

	assert_int_equal(page_reuse_create(&p), 0);
	for (u32 i = 0; i < 64 * 100; i++)
		assert_int_equal(page_reuse_add(p, i % 64, 1, RUN_READ), 0);
	assert_int_equal(page_reuse_result(p, &r), 0);
	assert_int_equal(page_reuse_lru_misses(&r, 1), 6400);
	assert_int_equal(page_reuse_lru_misses(&r, 32), 6400);
	assert_int_equal(page_reuse_lru_misses(&r, 64), 64);
	assert_int_equal(page_reuse_lru_misses(&r, 1024), 64);
	page_reuse_free(p);
}

/* ---- parts of runs ---- */

static struct run random_run(struct rng *r)
{
	struct run run = {
		.count = rng_between(r, 1, 40), .bytes = 1,
		.op = rng_below(r, 4),
	};
	s64 most = run.count > 1 ? 4095 / (run.count - 1) : 0;

	run.stride = (s64)rng_between(r, 0, 2 * most) - most;
	run.va = (rng_u64(r) & ~4095ull) + (run.stride < 0 ?
		(u64)-run.stride * (run.count - 1) : 0);
	return run;
}

static void expect_part(const struct run *whole, u32 from, u32 count,
			const struct run *got, u32 ret)
{
	assert_int_equal(ret, count);
	if (!count) {
		assert_memory_equal(whole, got, sizeof(*whole));
		return;
	}
	assert_int_equal(got->count, count);
	assert_int_equal(got->op, whole->op);
	assert_int_equal(got->bytes, whole->bytes);
	for (u32 k = 0; k < count; k++)
		assert_true(got->va + (u64)got->stride * k ==
			    whole->va + (u64)whole->stride * (from + k));
}

static void test_run_clip(void **state)
{
	struct rng r;

	rng_init(&r, check_seed("clip"));
	for (u32 i = 0; i < 20000; i++) {
		struct run whole = random_run(&r), part = whole;
		u64 from = rng_below(&r, 50), count = rng_below(&r, 50);
		u64 lo = (whole.va & ~4095ull) + rng_below(&r, 6000) - 1000;
		u64 bytes = rng_below(&r, 5000);
		u32 first = 0, n = 0, ret;

		ret = run_clip_count(&part, from, count);
		for (u32 k = 0; k < whole.count; k++)
			n += k >= from && k < from + count;
		expect_part(&whole, from, n, &part, ret);

		part = whole;
		n = 0;
		ret = run_clip_va(&part, lo, bytes);
		for (u32 k = whole.count; k-- > 0; ) {
			u64 va = whole.va + (u64)whole.stride * k;

			if (va >= lo && va - lo < bytes) {
				first = k;
				n++;
			}
		}
		expect_part(&whole, first, n, &part, ret);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_reuse_is_exact),
	cmocka_unit_test(test_lru_misses),
	cmocka_unit_test(test_run_clip),
};
TEST_MAIN(tests)
