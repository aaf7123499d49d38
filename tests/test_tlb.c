/* test_tlb.c - the array TLB case by case: levels, address spaces, threads, pieces
 * and blocks, invalidations. */
#include <errno.h>

#include "tests/tlb_arrays.h"

/* A walk fills both levels; an L2 hit copies into the L1 and leaves the L2's
 * entry; what leaves the L1 is not written back, what leaves the L2 stays in
 * the L1. */
static void test_levels(void **state)
{
	const struct tlb_geometry geo[3] = {
		geometry(0, 2, TLB_INDEX_LINEAR, TLB_REPL_LRU, TLB_HOLDS_4K),
		geometry(0, 1, TLB_INDEX_LINEAR, TLB_REPL_LRU, TLB_HOLDS_2M),
		geometry(0, 4, TLB_INDEX_LINEAR, TLB_REPL_LRU, ALL_SIZES),
	};
	struct tlb_array *a = create(geo);

	access_or_fill(a, 1);
	assert_true(is_in(a, TLB_L1_4K, 1, 1) && is_in(a, TLB_L2, 1, 1));
	/* L1 hits on 1 between walks keep it in the L1 but not in the L2. */
	for (u64 vpn = 2; vpn <= 5; vpn++) {
		assert_int_equal(TLB_HIT_L1, look(a, 1, 1));
		access_or_fill(a, vpn);
	}
	assert_true(is_in(a, TLB_L1_4K, 1, 1));
	assert_false(is_in(a, TLB_L2, 1, 1));
	/* L2: 5 4 3 2. A hit of 2 there makes 3 the victim. */
	assert_int_equal(TLB_HIT_L2, look(a, 1, 2));
	assert_int_equal(TLB_HIT_L1, look(a, 1, 2));
	assert_true(is_in(a, TLB_L2, 1, 2));
	access_or_fill(a, 6);
	assert_true(is_in(a, TLB_L2, 1, 2));
	assert_false(is_in(a, TLB_L2, 1, 3));
	/* 1 leaves the L1 and is nowhere then. */
	access_or_fill(a, 7);
	assert_int_equal(TLB_MISS, look(a, 1, 1));
	assert_int_equal(a->stats.l2_hits[0], 1);
	finish(a);
}

/* What an inclusive level 2 evicts leaves level 1, though that has it in use; a
 * non-inclusive one leaves level 1 alone. */
static void test_inclusive(void **state)
{
	for (u32 is_inclusive = 0; is_inclusive < 2; is_inclusive++) {
		const struct tlb_geometry geo[3] = {
			geometry(0, 4, TLB_INDEX_LINEAR, TLB_REPL_LRU,
				 TLB_HOLDS_4K),
			geometry(0, 1, TLB_INDEX_LINEAR, TLB_REPL_LRU,
				 TLB_HOLDS_2M),
			geometry(0, 6, TLB_INDEX_LINEAR, TLB_REPL_LRU,
				 ALL_SIZES),
		};
		struct tlb_design d = design_of(geo);
		struct tlb_array *a;

		d.is_inclusive = is_inclusive;
		assert_int_equal(0, tlb_array_create(&a, &d, 1));
		access_or_fill(a, 1);
		for (u64 vpn = 2; vpn <= 7; vpn++) {
			assert_int_equal(TLB_HIT_L1, look(a, 1, 1));
			access_or_fill(a, vpn);
		}
		assert_false(is_in(a, TLB_L2, 1, 1));
		assert_int_equal(!is_inclusive, is_in(a, TLB_L1_4K, 1, 1));
		assert_int_equal(is_inclusive, a->stats.dropped_inclusive);
		/* Dropped, not re-inserted: it walks, and is in both again. */
		assert_int_equal(is_inclusive ? TLB_MISS : TLB_HIT_L1,
				 look(a, 1, 1));
		if (is_inclusive) {
			access_or_fill(a, 1);
			assert_true(is_in(a, TLB_L2, 1, 1));
			assert_true(is_in(a, TLB_L1_4K, 1, 1));
		}
		finish(a);
	}
}

/* TLB;DR's measured properties of a Kaby Lake class core, one by one */

#define KBL_NR_ARRAYS 5

static const struct tlb_design kaby_lake = {
	.nr_arrays = KBL_NR_ARRAYS,
	.array = {
		{ .name = "dtlb_4k", .nr_sets = 16, .nr_ways = 4, .level = 1,
		  .page_sizes = TLB_HOLDS_4K, .serves = TLB_SERVES_DATA },
		{ .name = "dtlb_2m", .nr_sets = 8, .nr_ways = 4, .level = 1,
		  .page_sizes = TLB_HOLDS_2M, .serves = TLB_SERVES_DATA },
		{ .name = "itlb_4k", .nr_sets = 16, .nr_ways = 8, .level = 1,
		  .page_sizes = TLB_HOLDS_4K, .serves = TLB_SERVES_FETCH,
		  .smt = TLB_SMT_SPLIT },
		{ .name = "itlb_2m", .nr_sets = 1, .nr_ways = 8, .level = 1,
		  .page_sizes = TLB_HOLDS_2M, .serves = TLB_SERVES_FETCH,
		  .smt = TLB_SMT_PRIVATE },
		{ .name = "stlb", .nr_sets = 128, .nr_ways = 12, .level = 2,
		  .page_sizes = TLB_HOLDS_4K | TLB_HOLDS_2M,
		  .index = TLB_INDEX_XOR, .index_bits = 7,
		  .replacement = TLB_REPL_MRU1_3PLRU4,
		  .serves = TLB_SERVES_ALL },
	},
	.pcid_slots = 4,
	.pcid_slots_l1i = 1,
	.cr3_empties_l1d = true,
};

static enum tlb_level use_page(struct tlb_array *a, enum tlb_use use, u16 pcid,
			       u64 vpn)
{
	struct tlb_entry *e;

	return tlb_array_access(a, use, pcid, vpn, &e);
}

static void walk_for(struct tlb_array *a, enum tlb_use use, u16 pcid, u64 vpn)
{
	struct tlb_entry e = page(pcid, vpn);

	tlb_array_fill(a, use, vpn, &e);
}

/* What a load brought to level 2 serves a fetch, and the other way round; each
 * hit copies into the level-1 array that asked. */
static void test_level_2_is_for_data_and_code(void **state)
{
	struct tlb_array *a;

	assert_int_equal(0, tlb_array_create(&a, &kaby_lake, 1));
	walk_for(a, TLB_LOAD, 1, 5);
	assert_int_equal(TLB_HIT_L2, use_page(a, TLB_FETCH, 1, 5));
	assert_int_equal(TLB_HIT_L1, use_page(a, TLB_FETCH, 1, 5));
	walk_for(a, TLB_FETCH, 1, 6);
	assert_int_equal(TLB_HIT_L2, use_page(a, TLB_STORE, 1, 6));
	assert_int_equal(TLB_HIT_L1, use_page(a, TLB_LOAD, 1, 6));
	finish(a);
}

/* Any MOV CR3, back to the same PCID and with bit 63 set, empties the data
 * L1s; not the fetch L1 of the same PCID, not level 2, not global entries. */
static void test_cr3_empties_l1d(void **state)
{
	struct tlb_entry global = page(1, 9);
	struct tlb_array *a;

	global.flags |= TLB_G;
	assert_int_equal(0, tlb_array_create(&a, &kaby_lake, 1));
	tlb_array_load_cr3(a, 1, true);
	walk_for(a, TLB_LOAD, 1, 5);
	walk_for(a, TLB_FETCH, 1, 6);
	tlb_array_fill(a, TLB_LOAD, 9, &global);
	assert_int_equal(1, tlb_array_load_cr3(a, 1, true));
	assert_int_equal(1, a->stats.dropped_cr3);
	assert_int_equal(TLB_HIT_L2, use_page(a, TLB_LOAD, 1, 5));
	assert_int_equal(TLB_HIT_L1, use_page(a, TLB_FETCH, 1, 6));
	assert_int_equal(TLB_HIT_L1, use_page(a, TLB_LOAD, 1, 9));
	/* Another PCID, and the fetch L1 has lost its entry as well. */
	tlb_array_load_cr3(a, 2, true);
	tlb_array_load_cr3(a, 1, true);
	assert_int_equal(TLB_HIT_L2, use_page(a, TLB_FETCH, 1, 6));
	/* Without bit 63 level 2 goes too. */
	tlb_array_load_cr3(a, 1, false);
	assert_int_equal(TLB_MISS, use_page(a, TLB_LOAD, 1, 5));
	assert_int_equal(TLB_HIT_L1, use_page(a, TLB_LOAD, 1, 9));
	finish(a);
}

/* Four PCIDs coexist in level 2; a fifth evicts the entries of the one used
 * least recently, with and without bit 63. */
static void test_pcid_slots_are_lru(void **state)
{
	for (u32 bit63 = 0; bit63 < 2; bit63++) {
		struct tlb_array *a;

		assert_int_equal(0, tlb_array_create(&a, &kaby_lake, 1));
		for (u16 pcid = 1; pcid <= 4; pcid++) {
			tlb_array_load_cr3(a, pcid, bit63);
			walk_for(a, TLB_LOAD, pcid, pcid);
		}
		for (u16 pcid = 1; pcid <= 4; pcid++)
			assert_true(is_in_array(a, 4, pcid, pcid));
		/* 1 again: now 2 is the oldest. */
		tlb_array_load_cr3(a, 1, true);
		tlb_array_load_cr3(a, 5, bit63);
		assert_true(is_in_array(a, 4, 1, 1));
		assert_false(is_in_array(a, 4, 2, 2));
		assert_true(is_in_array(a, 4, 3, 3));
		assert_true(is_in_array(a, 4, 4, 4));
		finish(a);
	}
}

/* A sibling that goes through all PCIDs evicts nothing of this thread's, in no
 * array; and siblings do not see each other's entries of one PCID. */
static void test_pcid_slots_are_per_thread(void **state)
{
	struct tlb_array *a[2];

	assert_int_equal(0, tlb_array_create(a, &kaby_lake, 2));
	tlb_array_load_cr3(a[0], 7, true);
	walk_for(a[0], TLB_LOAD, 7, 5);
	walk_for(a[0], TLB_FETCH, 7, 6);
	for (u32 pcid = 0; pcid < 4096; pcid++)
		tlb_array_load_cr3(a[1], (u16)pcid, false);
	assert_int_equal(TLB_MISS, use_page(a[1], TLB_LOAD, 7, 5));
	assert_int_equal(TLB_HIT_L1, use_page(a[0], TLB_LOAD, 7, 5));
	assert_int_equal(TLB_HIT_L1, use_page(a[0], TLB_FETCH, 7, 6));
	assert_true(is_in_array(a[0], 4, 7, 5));
	tlb_array_destroy(a[0]);
	finish(a[1]);
}

/* Siblings compete for the data L1, and have halves of the fetch L1. */
static void test_threads_share_as_designed(void **state)
{
	for (u32 other = 0; other < 2; other++) {
		struct tlb_array *a[2];

		assert_int_equal(0, tlb_array_create(a, &kaby_lake, 2));
		walk_for(a[0], TLB_LOAD, 1, 0);
		walk_for(a[0], TLB_FETCH, 1, 0);
		for (u64 i = 1; other && i <= 8; i++) {
			walk_for(a[1], TLB_LOAD, 1, 16 * i);
			walk_for(a[1], TLB_FETCH, 1, 16 * i);
		}
		assert_int_equal(other ? TLB_HIT_L2 : TLB_HIT_L1,
				 use_page(a[0], TLB_LOAD, 1, 0));
		assert_int_equal(TLB_HIT_L1, use_page(a[0], TLB_FETCH, 1, 0));
		tlb_array_destroy(a[0]);
		finish(a[1]);
	}
}

/* Zen 2: of a 1G page level 2 keeps the 2M piece that was accessed, level 1
 * gets the whole page back; an invalidation anywhere in it drops every piece. */
static void test_large_page_in_pieces(void **state)
{
	const struct tlb_design d = {
		.nr_arrays = 2,
		.array = {
			{ .nr_sets = 1, .nr_ways = 2, .level = 1,
			  .replacement = TLB_REPL_LRU, .page_sizes = ALL_SIZES,
			  .serves = TLB_SERVES_DATA },
			{ .nr_sets = 8, .nr_ways = 4, .level = 2,
			  .page_sizes = TLB_HOLDS_4K | TLB_HOLDS_2M,
			  .serves = TLB_SERVES_DATA, .takes_pieces = true },
		},
	};
	struct tlb_entry e = page(1, 1 << 18), *got;
	struct tlb_array *a;

	e.order = 18;
	e.pfn = 5 << 18;
	assert_int_equal(0, tlb_array_create(&a, &d, 1));
	tlb_array_fill(a, TLB_LOAD, (1 << 18) + 513, &e);
	for (u64 i = 1; i <= 2; i++)            /* out of level 1 */
		walk_for(a, TLB_LOAD, 1, i);
	assert_int_equal(TLB_MISS, use_page(a, TLB_LOAD, 1, 1 << 18));
	assert_int_equal(TLB_HIT_L2,
			 tlb_array_access(a, TLB_LOAD, 1, (1 << 18) + 600,
					  &got));
	assert_int_equal(18, got->order);
	assert_int_equal(5 << 18, got->pfn);
	assert_int_equal(TLB_HIT_L1, use_page(a, TLB_LOAD, 1, 1 << 18));
	assert_int_equal(2, tlb_array_invlpg(a, 1, (1 << 19) - 1));
	assert_int_equal(TLB_MISS, use_page(a, TLB_LOAD, 1, (1 << 18) + 600));
	finish(a);
}

/* One entry for four contiguous pages: all of them hit, the fifth does not; an
 * invalidation of one takes all four. Less contiguity is a page alone. */
static void test_coalescing(void **state)
{
	const struct tlb_design d = {
		.nr_arrays = 1,
		.array[0] = { .nr_sets = 1, .nr_ways = 64, .level = 1,
			      .page_sizes = ALL_SIZES, .coalesce = 2,
			      .serves = TLB_SERVES_DATA },
	};
	struct tlb_entry e = page(1, 42), *got;
	struct tlb_array *a;

	e.pfn = 1002;
	e.contig = 3;
	assert_int_equal(0, tlb_array_create(&a, &d, 1));
	tlb_array_fill(a, TLB_LOAD, 42, &e);
	for (u64 vpn = 39; vpn < 45; vpn++) {
		enum tlb_level level = tlb_array_access(a, TLB_LOAD, 1, vpn,
							&got);

		assert_int_equal(vpn >= 40 && vpn < 44 ? TLB_HIT_L1 : TLB_MISS,
				 level);
		if (got)
			assert_int_equal(1000 + vpn - 40,
					 got->pfn + vpn - got->vpn);
	}
	assert_int_equal(1, tlb_array_invlpg(a, 1, 43));
	assert_int_equal(TLB_MISS, use_page(a, TLB_LOAD, 1, 42));
	e.contig = 1;
	tlb_array_fill(a, TLB_LOAD, 42, &e);
	assert_int_equal(TLB_MISS, use_page(a, TLB_LOAD, 1, 43));
	finish(a);
}

/* Level 2 keeps single pages, level 1 would join four: it does after a walk, not
 * after a hit in level 2, where the neighbour may have been invalidated since. */
static void test_not_joined_again(void **state)
{
	const struct tlb_design d = {
		.nr_arrays = 2,
		.array = {
			{ .nr_sets = 1, .nr_ways = 2, .level = 1,
			  .page_sizes = ALL_SIZES, .coalesce = 2,
			  .serves = TLB_SERVES_DATA, .replacement = TLB_REPL_LRU },
			{ .nr_sets = 1, .nr_ways = 64, .level = 2,
			  .page_sizes = ALL_SIZES, .serves = TLB_SERVES_DATA },
		},
	};
	struct tlb_entry e = page(1, 41);
	struct tlb_array *a;

	e.pfn = 1001;
	e.contig = 2;
	assert_int_equal(0, tlb_array_create(&a, &d, 1));
	tlb_array_fill(a, TLB_LOAD, 41, &e);
	assert_int_equal(TLB_HIT_L1, use_page(a, TLB_LOAD, 1, 40));
	assert_int_equal(1, tlb_array_invlpg(a, 1, 40));
	assert_int_equal(TLB_HIT_L2, use_page(a, TLB_LOAD, 1, 41));
	assert_int_equal(TLB_MISS, use_page(a, TLB_LOAD, 1, 40));
	finish(a);
}

/* Arm's contiguous hint on 2M pages: one entry for 16 of them, with a 4K page and
 * a 2M page of other numbers beside it; an operation that names any page of any of
 * them takes all. Where level 1 holds 2M pages alone, it gets the one that was
 * asked for. */
static void test_contiguous_2m(void **state)
{
	const struct tlb_design d = {
		.nr_arrays = 2,
		.array = {
			{ .nr_sets = 1, .nr_ways = 8, .level = 1,
			  .page_sizes = ALL_SIZES, .serves = TLB_SERVES_DATA,
			  .replacement = TLB_REPL_LRU },
			{ .nr_sets = 1, .nr_ways = 64, .level = 2,
			  .page_sizes = ALL_SIZES, .coalesce_2m = 4,
			  .serves = TLB_SERVES_DATA },
		},
	};
	const u64 first = 32 << 9;              /* 64M: 32M-aligned */
	struct tlb_entry e = page(1, first + (5 << 9)), *got;
	struct tlb_array *a;

	e.order = 9;
	e.pfn = (96 + 5) << 9;
	e.contig = 13;
	assert_int_equal(0, tlb_array_create(&a, &d, 1));
	tlb_array_fill(a, TLB_LOAD, e.vpn + 7, &e);
	for (u64 i = 0; i < 18; i++) {
		u64 vpn = first + (i << 9) - 512 + 3;
		enum tlb_level level = tlb_array_access(a, TLB_LOAD, 1, vpn,
							&got);

		assert_int_equal(i == 0 || i == 17 ? TLB_MISS : i == 6 ?
				 TLB_HIT_L1 : TLB_HIT_L2, level);
		if (!got)
			continue;
		assert_int_equal(9, got->order);
		assert_int_equal((96 << 9) + vpn - first,
				 got->pfn + vpn - got->vpn);
	}
	/* One of level 2 and its copies in level 1, of which that is full. */
	assert_int_equal(2, tlb_array_invlpg(a, 1, first + (15 << 9) + 511));
	for (u64 i = 0; i < 8; i++)
		assert_int_equal(TLB_MISS,
				 use_page(a, TLB_LOAD, 1, first + (i << 9)));
	/* Eight contiguous ones are not enough; the next aligned eight, with these,
	 * are. */
	e.contig = 12;
	tlb_array_fill(a, TLB_LOAD, e.vpn, &e);
	assert_int_equal(TLB_MISS, use_page(a, TLB_LOAD, 1, first));
	e.contig = 14;
	tlb_array_fill(a, TLB_LOAD, e.vpn, &e);
	assert_int_equal(TLB_HIT_L2, use_page(a, TLB_LOAD, 1, first));
	/* A 2M page that is not contiguous supersedes the whole block. */
	e.contig = 0;
	tlb_array_fill(a, TLB_LOAD, e.vpn, &e);
	assert_int_equal(TLB_MISS, use_page(a, TLB_LOAD, 1, first + (3 << 9)));
	finish(a);
}

/* INVLPG drops the page under its PCID, in every level and size, and global
 * entries of it: neighbours and other PCIDs survive. */
static void test_invlpg_is_exact(void **state)
{
	static const struct {
		u16 pcid;
		u64 vpn;
		u8 order, flags;
		bool survives;
	} row[] = {
		{ 1, 0x40000, 0, TLB_W, false },
		{ 1, 0x3ffff, 0, TLB_W, true },
		{ 1, 0x40001, 0, TLB_W, true },
		{ 1, 0x40080, 0, TLB_W, true },         /* same L1 set        */
		{ 2, 0x40000, 0, TLB_W, true },
		{ 1, 0x40000, 9, TLB_W, false },
		{ 2, 0x40000, 9, TLB_W, true },
		{ 1, 0x40200, 9, TLB_W, true },
		{ 1, 0x3fe00, 9, TLB_W, true },
		{ 3, 0x40000, 0, TLB_W | TLB_G, false },
		{ 3, 0x40002, 0, TLB_W | TLB_G, true },
	};
	struct tlb_array *a = create_skylake();

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct tlb_entry e = page(row[i].pcid, row[i].vpn);

		e.order = row[i].order;
		e.flags = row[i].flags;
		tlb_array_fill(a, TLB_LOAD, e.vpn, &e);
	}
	assert_int_equal(6, tlb_array_invlpg(a, 1, 0x40000));
	assert_int_equal(0, tlb_array_invlpg(a, 1, 0x40000));
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		u32 nr = 0;

		for (u32 id = 0; id < TLB_NR_UNITS; id++)
			for (u32 s = 0; s < a->core->unit[id].nr_sets; s++)
				for (u32 way = 0; way < 12; way++) {
					const struct tlb_entry *e;

					e = tlb_array_slot(a, id, s, way, NULL);
					nr += e && e->vpn == row[i].vpn &&
					      e->order == row[i].order &&
					      e->pcid == row[i].pcid;
				}
		assert_int_equal(row[i].survives ? 2 : 0, nr);
	}
	assert_int_equal(6, a->stats.dropped_invlpg);
	finish(a);
}

static void test_flush_pcid_is_exact(void **state)
{
	struct tlb_array *a = create_skylake();
	struct tlb_entry global = page(1, 5000);

	for (u64 vpn = 0; vpn < 40; vpn++) {
		struct tlb_entry e = page(1 + vpn % 2, vpn);

		tlb_array_fill(a, TLB_LOAD, e.vpn, &e);
	}
	global.flags |= TLB_G;
	tlb_array_fill(a, TLB_LOAD, global.vpn, &global);
	assert_int_equal(40, tlb_array_flush_pcid(a, 1));
	assert_int_equal(0, tlb_array_flush_pcid(a, 1));
	for (u64 vpn = 0; vpn < 40; vpn++) {
		assert_int_equal(TLB_MISS, look(a, 1, vpn));
		assert_int_equal(vpn % 2 ? TLB_HIT_L1 : TLB_MISS,
				 look(a, 2, vpn));
	}
	for (u16 pcid = 0; pcid < 4; pcid++)
		assert_int_equal(TLB_HIT_L1, look(a, pcid, 5000));
	assert_int_equal(42, tlb_array_flush_all(a));
	assert_int_equal(TLB_MISS, look(a, 2, 5000));
	finish(a);
}

/* tlb_array_hit() refuses a store through an entry that is not dirty, and has
 * then changed nothing; the assist sets D in both levels. */
static void test_stores_need_d(void **state)
{
	struct tlb_array *a = create_skylake();
	struct tlb_entry e = page(1, 10), *got;

	tlb_array_fill(a, TLB_LOAD, e.vpn, &e);
	assert_false(tlb_array_hit(a, TLB_STORE, 1, 10, &got));
	assert_int_equal(0, a->stats.lookups);
	assert_int_equal(TLB_HIT_L1, tlb_array_access(a, TLB_LOAD, 1, 10, &got));
	assert_int_equal(TLB_W, got->flags);
	assert_int_equal(2, tlb_array_set_dirty(a, 1, 10, 0));
	assert_true(tlb_array_hit(a, TLB_STORE, 1, 10, &got));
	/* Out of the L1: the L2's copy is dirty too. */
	for (u64 i = 1; i < 8; i++)
		access_or_fill(a, 10 + 16 * i);
	assert_int_equal(TLB_HIT_L2, tlb_array_access(a, TLB_LOAD, 1, 10, &got));
	assert_int_equal(TLB_W | TLB_D, got->flags);
	/* A fill in place replaces it in both. */
	e.flags = 0;
	tlb_array_fill(a, TLB_LOAD, e.vpn, &e);
	assert_false(tlb_array_hit(a, TLB_STORE, 1, 10, &got));
	assert_int_equal(4, a->core->unit[0].nr_live);
	finish(a);
}

static void expect_bad(const struct tlb_geometry geo[3])
{
	struct tlb_design d = design_of(geo);
	struct tlb_array *a = NULL;

	assert_int_equal(-EINVAL, tlb_array_create(&a, &d, 1));
	assert_null(a);
}

static void test_bad_shapes(void **state)
{
	const struct tlb_geometry none = { .nr_ways = 0 };
	const struct tlb_geometry l1 = geometry(
		4, 4, TLB_INDEX_LINEAR, TLB_REPL_TREE_PLRU, TLB_HOLDS_4K);
	const struct tlb_geometry row[] = {
		geometry(4, 6, TLB_INDEX_LINEAR, TLB_REPL_TREE_PLRU,
			 ALL_SIZES),
		geometry(4, 8, TLB_INDEX_LINEAR, TLB_REPL_MRU1_3PLRU4,
			 ALL_SIZES),
		geometry(4, 32769, TLB_INDEX_LINEAR, TLB_REPL_LRU, ALL_SIZES),
		geometry(4, 4, TLB_INDEX_LINEAR, TLB_REPL_LRU, 0),
	};
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		const struct tlb_geometry first[3] = { row[i] };
		const struct tlb_geometry last[3] = { l1, none, row[i] };

		expect_bad(first);
		expect_bad(last);
	}
	expect_bad((const struct tlb_geometry[3]){ none, none, none });
	expect_bad((const struct tlb_geometry[3]){ l1, l1, none });
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_levels),
	cmocka_unit_test(test_inclusive),
	cmocka_unit_test(test_level_2_is_for_data_and_code),
	cmocka_unit_test(test_cr3_empties_l1d),
	cmocka_unit_test(test_pcid_slots_are_lru),
	cmocka_unit_test(test_pcid_slots_are_per_thread),
	cmocka_unit_test(test_threads_share_as_designed),
	cmocka_unit_test(test_large_page_in_pieces),
	cmocka_unit_test(test_coalescing),
	cmocka_unit_test(test_not_joined_again),
	cmocka_unit_test(test_contiguous_2m),
	cmocka_unit_test(test_invlpg_is_exact),
	cmocka_unit_test(test_flush_pcid_is_exact),
	cmocka_unit_test(test_stores_need_d),
	cmocka_unit_test(test_bad_shapes),
};

TEST_MAIN(tests)
