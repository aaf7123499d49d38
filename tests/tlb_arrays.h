/* tlb_arrays.h - what tests of the arrays begin with: designs of up to three arrays,
 * pages, and where these are.
 */
#ifndef TESTS_TLB_ARRAYS_H
#define TESTS_TLB_ARRAYS_H

#include "tests/check.h"
#include "tlb/array.h"

#define ALL_SIZES (TLB_HOLDS_4K | TLB_HOLDS_2M | TLB_HOLDS_1G)

static inline struct tlb_geometry geometry(u32 bits, u32 ways,
					   enum tlb_index index,
					   enum tlb_repl repl, u32 sizes)
{
	struct tlb_geometry g = {
		.name = "test",
		.nr_sets = 1u << bits,
		.nr_ways = ways,
		.page_sizes = sizes,
		.index = index,
		.index_bits = bits,
		.replacement = repl,
		.source = "assumed: test",
	};

	return g;
}

enum { TLB_L1_4K, TLB_L1_2M, TLB_L2, TLB_NR_UNITS };

/* Level 1 for 4K (all sizes it holds, without the second), for 2M; level 2. */
static inline struct tlb_design design_of(const struct tlb_geometry geo[3])
{
	struct tlb_design d = { .nr_arrays = 0 };

	for (u32 i = 0; i < 3; i++) {
		struct tlb_geometry *g = &d.array[d.nr_arrays];

		if (!geo[i].nr_ways)
			continue;
		*g = geo[i];
		g->level = i == TLB_L2 ? 2 : 1;
		g->serves = TLB_SERVES_ALL;
		d.nr_arrays++;
	}
	return d;
}

/* Where @id is among the arrays that there are. */
static inline u32 array_of(const struct tlb_array *a, u32 id)
{
	for (u32 i = 0; i < a->core->nr_units; i++)
		if (id == (a->core->unit[i].geo.level == 2 ? TLB_L2 :
			   i ? TLB_L1_2M : TLB_L1_4K))
			return i;
	return TLB_MAX_ARRAYS;
}

static inline struct tlb_array *create(const struct tlb_geometry geo[3])
{
	struct tlb_array *a = NULL;
	struct tlb_design d = design_of(geo);

	assert_int_equal(0, tlb_array_create(&a, &d, 1));
	return a;
}

/* Skylake's data side. Source: tlb-hardware facts, Intel geometry. */
static inline struct tlb_array *create_skylake(void)
{
	const struct tlb_geometry geo[3] = {
		geometry(4, 4, TLB_INDEX_LINEAR, TLB_REPL_TREE_PLRU,
			 TLB_HOLDS_4K),
		geometry(3, 4, TLB_INDEX_LINEAR, TLB_REPL_TREE_PLRU,
			 TLB_HOLDS_2M),
		geometry(7, 12, TLB_INDEX_XOR, TLB_REPL_MRU1_3PLRU4,
			 TLB_HOLDS_4K | TLB_HOLDS_2M),
	};

	return create(geo);
}

/* One set of one level. */
static inline struct tlb_array *create_one_set(u32 ways, enum tlb_repl repl)
{
	const struct tlb_geometry geo[3] = {
		geometry(0, ways, TLB_INDEX_LINEAR, repl, TLB_HOLDS_4K),
	};

	return create(geo);
}

static inline struct tlb_entry page(u16 pcid, u64 vpn)
{
	return (struct tlb_entry){
		.vpn = vpn, .pfn = vpn + 1000, .pcid = pcid, .flags = TLB_W,
	};
}

static inline enum tlb_level look(struct tlb_array *a, u16 pcid, u64 vpn)
{
	struct tlb_entry *e;

	return tlb_array_access(a, TLB_LOAD, pcid, vpn, &e);
}

/* Return: was it there? Fills it if not. */
static inline bool access_or_fill(struct tlb_array *a, u64 vpn)
{
	struct tlb_entry e = page(1, vpn);

	if (look(a, 1, vpn) != TLB_MISS)
		return true;
	tlb_array_fill(a, TLB_LOAD, e.vpn, &e);
	return false;
}

static inline bool is_in(const struct tlb_array *a, u32 id, u16 pcid, u64 vpn)
{
	u32 at = array_of(a, id);
	const struct tlb_unit *u = &a->core->unit[at];

	for (u32 set = 0; at < TLB_MAX_ARRAYS && set < u->nr_sets; set++)
		for (u32 way = 0; way < u->geo.nr_ways; way++) {
			const struct tlb_entry *e = tlb_array_slot(a, at, set,
								   way, NULL);

			if (e && tlb_entry_covers(e, vpn) &&
			    (e->pcid == pcid || (e->flags & TLB_G)))
				return true;
		}
	return false;
}

static inline bool is_in_array(const struct tlb_array *a, u32 id, u16 pcid,
			       u64 vpn)
{
	const struct tlb_unit *u = &a->core->unit[id];

	for (u32 i = 0; i < u->nr_sets * u->nr_ways; i++) {
		const struct tlb_entry *e = tlb_array_slot(
			a, id, i / u->nr_ways, i % u->nr_ways, NULL);

		if (e && tlb_entry_covers(e, vpn) && e->pcid == pcid)
			return true;
	}
	return false;
}

static inline void finish(struct tlb_array *a)
{
	const char *wrong = tlb_array_check(a);

	if (wrong)
		fail_msg("tlb_array_check: %s", wrong);
	tlb_array_destroy(a);
}

#endif
