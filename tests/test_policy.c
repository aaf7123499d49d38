/* test_policy.c - replacement and index functions against published measurements.
 *
 * Source: TLB;DR (USENIX Security 2022), artefact: measured permutation vectors and
 * the shortest sequences that tell the policies apart. */
#include "base/rng.h"
#include "tests/tlb_arrays.h"

static const u8 plru4[] = {
	0, 1, 2, 3,
	1, 0, 3, 2,
	2, 1, 0, 3,
	3, 0, 1, 2,
};

static const u8 plru8[] = {
	0, 1, 2, 3, 4, 5, 6, 7,
	1, 0, 3, 2, 5, 4, 7, 6,
	2, 1, 0, 3, 6, 5, 4, 7,
	3, 0, 1, 2, 7, 4, 5, 6,
	4, 1, 2, 3, 0, 5, 6, 7,
	5, 0, 3, 2, 1, 4, 7, 6,
	6, 1, 0, 3, 2, 5, 4, 7,
	7, 0, 1, 2, 3, 4, 5, 6,
};

static const u8 mru1_3plru4[] = {
	0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
	1, 2, 0, 4, 5, 3, 7, 8, 6, 10, 11, 9,
	2, 0, 1, 5, 3, 4, 8, 6, 7, 11, 9, 10,
	3, 1, 2, 0, 4, 5, 9, 7, 8, 6, 10, 11,
	4, 2, 0, 1, 5, 3, 10, 8, 6, 7, 11, 9,
	5, 0, 1, 2, 3, 4, 11, 6, 7, 8, 9, 10,
	6, 1, 2, 3, 4, 5, 0, 7, 8, 9, 10, 11,
	7, 2, 0, 4, 5, 3, 1, 8, 6, 10, 11, 9,
	8, 0, 1, 5, 3, 4, 2, 6, 7, 11, 9, 10,
	9, 1, 2, 0, 4, 5, 3, 7, 8, 6, 10, 11,
	10, 2, 0, 1, 5, 3, 4, 8, 6, 7, 11, 9,
	11, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
};

static const struct published {
	enum tlb_repl repl;
	u32 ways;
	const u8 *vector;
	u8 evicts[12];          /* the last page of it must miss              */
	u32 nr_evicts;
} published[] = {
	{ TLB_REPL_TREE_PLRU, 4, plru4, { 0, 1, 2, 1, 3, 0 }, 6 },
	{ TLB_REPL_TREE_PLRU, 8, plru8, { 0, 1, 2, 1, 3, 2, 1, 4, 0 }, 9 },
	{ TLB_REPL_MRU1_3PLRU4, 12, mru1_3plru4,
	  { 0, 1, 2, 3, 2, 4, 3, 2, 5, 0 }, 10 },
};

/* list[0]: evicted last; list[ways - 1]: evicted next. */
static void permute(const struct published *p, u64 *list, u32 i)
{
	u64 old[12];

	memcpy(old, list, p->ways * sizeof(*list));
	for (u32 j = 0; j < p->ways; j++)
		list[j] = old[p->vector[i * p->ways + j]];
}

/* Return: was it there? */
static bool list_access(const struct published *p, u64 *list, u64 vpn)
{
	for (u32 i = 0; i < p->ways; i++) {
		if (list[i] == vpn) {
			permute(p, list, i);
			return true;
		}
	}
	permute(p, list, p->ways - 1);
	list[0] = vpn;
	return false;
}

/* The list that a set filled with pages 0..ways-1 is: misses alone evict them
 * one by one, in an order that the vectors know by position. */
static void list_after_filling(const struct published *p, u64 *list)
{
	struct tlb_array *a = create_one_set(p->ways, p->repl);
	u64 position[12];

	for (u32 i = 0; i < p->ways; i++) {
		access_or_fill(a, i);
		position[i] = i;
	}
	for (u32 n = 0; n < p->ways; n++) {
		bool was_in[12];
		u64 last = position[p->ways - 1];

		for (u32 i = 0; i < p->ways; i++)
			was_in[i] = is_in(a, TLB_L1_4K, 1, i);
		access_or_fill(a, 100 + n);
		for (u32 i = 0; i < p->ways; i++)
			if (was_in[i] && !is_in(a, TLB_L1_4K, 1, i))
				list[last] = i;
		assert_true(last < p->ways);
		list_access(p, position, 100 + n);
	}
	finish(a);
}

static void test_policies_equal_published_vectors(void **state)
{
	struct rng rng;

	rng_init(&rng, 1);
	for (u32 n = 0; n < ARRAY_LEN(published); n++) {
		const struct published *p = &published[n];
		struct tlb_array *a = create_one_set(p->ways, p->repl);
		u64 list[12] = { 0 };
		u64 nr_misses = 0;

		list_after_filling(p, list);
		for (u32 i = 0; i < p->ways; i++)
			access_or_fill(a, i);
		for (u32 i = 0; i < 300000; i++) {
			u64 vpn = rng_below(&rng, p->ways + 3);
			bool is_hit = list_access(p, list, vpn);

			assert_int_equal(is_hit, access_or_fill(a, vpn));
			nr_misses += !is_hit;
			for (u32 j = 0; i % 16 == 0 && j < p->ways; j++)
				assert_true(is_in(a, TLB_L1_4K, 1, list[j]));
		}
		assert_in_range(nr_misses, 20000, 200000);
		finish(a);
	}
}

/* A full set of other pages in a random state of its policy. */
static struct tlb_array *create_random_state(const struct published *p,
					     struct rng *rng)
{
	struct tlb_array *a = create_one_set(p->ways, p->repl);
	u32 nr = 20 + (u32)rng_below(rng, 40);

	for (u32 i = 0; i < p->ways; i++)
		access_or_fill(a, 100 + i);
	for (u32 i = 0; i < nr; i++)
		access_or_fill(a, 100 + rng_below(rng, p->ways + 4));
	return a;
}

static void test_shortest_evictions(void **state)
{
	struct rng rng;

	rng_init(&rng, 2);
	for (u32 n = 0; n < ARRAY_LEN(published) * 2000; n++) {
		const struct published *p = &published[n / 2000];
		struct tlb_array *a = create_random_state(p, &rng);

		for (u32 i = 0; i < p->nr_evicts - 1; i++)
			access_or_fill(a, p->evicts[i]);
		assert_int_equal(TLB_MISS, look(a, 1, 0));
		tlb_array_destroy(a);
	}
}

/* Tree-PLRU is not LRU: with page 2 in use between any two new pages, page 0
 * outlives them all. */
static void test_plru4_keeps_the_other_half(void **state)
{
	struct rng rng;

	rng_init(&rng, 3);
	for (u32 n = 0; n < 500; n++) {
		struct tlb_array *a = create_random_state(&published[0], &rng);
		u64 fresh = 1000;

		for (u32 i = 0; i < 4; i++)
			access_or_fill(a, i);
		for (u32 i = 0; i < 50; i++) {
			access_or_fill(a, 2);
			access_or_fill(a, fresh++);
		}
		assert_int_equal(TLB_HIT_L1, look(a, 1, 0));
		tlb_array_destroy(a);
	}
}

/* Index functions, case by case: pages that share a set push each other out,
 * others do not. */
static void test_index_functions(void **state)
{
	static const struct {
		enum tlb_index index;
		u64 vpn;
		u8 order;
		u32 set;        /* of 128 */
	} row[] = {
		{ TLB_INDEX_LINEAR, 0x00, 0, 0 },
		{ TLB_INDEX_LINEAR, 0x7f, 0, 127 },
		{ TLB_INDEX_LINEAR, 0x80, 0, 0 },
		{ TLB_INDEX_LINEAR, 0x12345, 0, 0x45 },
		{ TLB_INDEX_LINEAR, 0x200, 9, 1 },
		{ TLB_INDEX_LINEAR, 0x200ull * 129, 9, 1 },
		{ TLB_INDEX_XOR, 0x00, 0, 0 },
		{ TLB_INDEX_XOR, 0x80, 0, 1 },
		{ TLB_INDEX_XOR, 0x81, 0, 0 },
		{ TLB_INDEX_XOR, 0x4000, 0, 0 },
		{ TLB_INDEX_XOR, 0x3fff, 0, 0 },
		{ TLB_INDEX_XOR, 0x2a55, 0, 0x55 ^ 0x54 },
		{ TLB_INDEX_XOR, 0x200, 9, 1 },
		{ TLB_INDEX_XOR, 0x200ull * 0x81, 9, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		const struct tlb_geometry geo[3] = {
			geometry(4, 4, TLB_INDEX_LINEAR, TLB_REPL_LRU,
				 TLB_HOLDS_4K),
			geometry(3, 4, TLB_INDEX_LINEAR, TLB_REPL_LRU,
				 TLB_HOLDS_2M),
			geometry(7, 4, row[i].index, TLB_REPL_LRU, ALL_SIZES),
		};
		struct tlb_array *a = create(geo);
		struct tlb_entry e = page(1, row[i].vpn);

		e.order = row[i].order;
		tlb_array_fill(a, TLB_LOAD, e.vpn, &e);
		for (u32 set = 0; set < 128; set++)
			assert_int_equal(set == row[i].set,
					 tlb_array_slot(a, 2, set, 0, NULL) !=
					 NULL);
		finish(a);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_policies_equal_published_vectors),
	cmocka_unit_test(test_shortest_evictions),
	cmocka_unit_test(test_plru4_keeps_the_other_half),
	cmocka_unit_test(test_index_functions),
};

TEST_MAIN(tests)
