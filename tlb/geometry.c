#include "tlb/geometry.h"

static bool is_power_of_two(u32 n)
{
	return n && !(n & (n - 1));
}

static const char *policy_error(enum tlb_repl repl, u32 nr_ways)
{
	switch (repl) {
	case TLB_REPL_TREE_PLRU:
		if (!is_power_of_two(nr_ways) || nr_ways > TLB_MAX_BIT_WAYS)
			return "tree-plru takes a power of two of ways, at "
			       "most 64";
		return NULL;
	case TLB_REPL_MRU1_3PLRU4:
	case TLB_REPL_LRU_3PLRU4:
		if (nr_ways != 12)
			return "mru1-3plru4 and lru-3plru4 take 12 ways";
		return NULL;
	case TLB_REPL_NRU:
		if (nr_ways > TLB_MAX_BIT_WAYS)
			return "nru takes at most 64 ways";
		return NULL;
	default:
		return repl < NR_TLB_REPL ? NULL : "no such replacement";
	}
}

const char *tlb_geometry_error(const struct tlb_geometry *geo)
{
	if (geo->nr_ways < 1 || geo->nr_ways > TLB_MAX_WAYS)
		return "ways are from 1 to 32768";
	if (geo->nr_sets < 1 || geo->nr_sets > TLB_MAX_SETS)
		return "sets are from 1 to 65536";
	if ((u64)geo->nr_sets * geo->nr_ways > TLB_MAX_ENTRIES)
		return "entries are at most 1048576";
	if (!geo->page_sizes || geo->page_sizes >> TLB_NR_SIZES)
		return "it holds no page size";
	if (geo->index >= NR_TLB_INDEX)
		return "no such index";
	if (geo->index == TLB_INDEX_XOR &&
	    (geo->index_bits > 16 || geo->nr_sets != 1u << geo->index_bits))
		return "index xor-k takes 2^k sets";
	if (geo->coalesce > 8)
		return "one entry maps at most 256 contiguous 4K pages";
	if (geo->coalesce && !(geo->page_sizes & TLB_HOLDS_4K))
		return "only an array of 4K pages coalesces";
	if (geo->coalesce_2m > 8)
		return "one entry maps at most 256 contiguous 2M pages";
	if (geo->coalesce_2m && !(geo->page_sizes & TLB_HOLDS_2M))
		return "only an array of 2M pages coalesces these";
	return policy_error(geo->replacement, geo->nr_ways);
}

/* What a thread's part of a split array is. */
static const char *split_error(const struct tlb_geometry *geo, u32 nr_threads)
{
	if (geo->smt >= NR_TLB_SMT)
		return "no such way for threads to share it";
	if (geo->smt != TLB_SMT_SPLIT || nr_threads < 2)
		return NULL;
	if (geo->nr_sets == 1) {
		if (geo->nr_ways % nr_threads)
			return "its ways do not divide among the threads";
		return policy_error(geo->replacement,
				    geo->nr_ways / nr_threads);
	}
	if (geo->nr_sets % nr_threads)
		return "its sets do not divide among the threads";
	if (geo->index == TLB_INDEX_XOR && !is_power_of_two(nr_threads))
		return "xor cannot index what a thread gets of it";
	return NULL;
}

/* Arrays of @level that hold @size whole for @use. */
static u32 nr_takers(const struct tlb_design *d, u32 level, u32 use, u32 size)
{
	u32 nr = 0;

	for (u32 i = 0; i < d->nr_arrays; i++)
		nr += d->array[i].level == level &&
		      (d->array[i].serves >> use & 1) &&
		      (d->array[i].page_sizes >> size & 1);
	return nr;
}

/* Arrays of level 2 that take the same uses and both hold @size: a pair. */
static bool is_pair(const struct tlb_geometry *x, const struct tlb_geometry *y,
		    u32 size)
{
	return x->level == 2 && y->level == 2 && (x->serves & y->serves) &&
	       (x->page_sizes & y->page_sizes & size);
}

static const char *list_error(const struct tlb_design *d)
{
	for (u32 use = 0; use < NR_TLB_USES; use++) {
		for (u32 size = 0; size < TLB_NR_SIZES; size++) {
			if (nr_takers(d, 1, use, size) > 1)
				return "two arrays of level 1 take one use and "
				       "page size";
			if (nr_takers(d, 2, use, size) > 2)
				return "three arrays of level 2 take one use "
				       "and page size";
		}
		if (use != TLB_FETCH && !nr_takers(d, 1, use, 0))
			return "no array of level 1 takes loads or stores of "
			       "4K pages";
		if (use == TLB_FETCH && !nr_takers(d, 1, use, 0) &&
		    (nr_takers(d, 1, use, 1) || nr_takers(d, 1, use, 2)))
			return "no array of level 1 takes fetches from 4K "
			       "pages";
	}
	for (u32 i = 0; i < d->nr_arrays; i++)
		for (u32 j = 0; j < i; j++)
			if ((is_pair(&d->array[i], &d->array[j], TLB_HOLDS_4K) &&
			     d->array[i].coalesce != d->array[j].coalesce) ||
			    (is_pair(&d->array[i], &d->array[j], TLB_HOLDS_2M) &&
			     d->array[i].coalesce_2m != d->array[j].coalesce_2m))
				return "a pair of arrays of level 2 coalesces "
				       "unlike";
	if (d->pcid_slots > TLB_MAX_PCID_SLOTS ||
	    d->pcid_slots_l1i > TLB_MAX_PCID_SLOTS)
		return "at most 64 address spaces are kept apart";
	return NULL;
}

const char *tlb_design_error(const struct tlb_design *d, u32 nr_threads,
			     int *array)
{
	int none;

	array = array ? array : &none;
	*array = -1;
	if (!d->nr_arrays || d->nr_arrays > TLB_MAX_ARRAYS)
		return "a design has from 1 to 12 arrays";
	if (tlb_design_bits(d) < 9 || tlb_design_bits(d) > 13)
		return "a table has from 512 to 8192 entries";
	if (!nr_threads || nr_threads > TLB_MAX_THREADS)
		return "a core has from 1 to 8 threads";
	for (u32 i = 0; i < d->nr_arrays; i++) {
		const struct tlb_geometry *geo = &d->array[i];
		const char *wrong = tlb_geometry_error(geo);

		*array = (int)i;
		if (wrong)
			return wrong;
		if (geo->level < 1 || geo->level > 2)
			return "its level is neither 1 nor 2";
		if (!geo->serves || geo->serves & ~TLB_SERVES_ALL)
			return "it serves neither loads, stores nor fetches";
		wrong = split_error(geo, nr_threads);
		if (wrong)
			return wrong;
	}
	*array = -1;
	return list_error(d);
}
