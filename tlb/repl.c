#include <errno.h>
#include <stdlib.h>

#include "tlb/repl.h"

/* Tree-PLRU bits: node 0 is the root, node n has children 2n+1 and 2n+2; a bit
 * that is set sends the victim search to the right half. An access makes every
 * node on its path point away from it, so for each way the bits to keep and the
 * bits to set are constants.
 *
 *   three trees of four   bits 3g+2..3g: tree of group g
 *   mru1-3plru4           bits 10..9: m
 *   lru-3plru4            bits 9, 10, 11: group 0 newer than 1, 0 than 2,
 *                         1 than 2
 *   nru                   bit w: way w was referenced
 */
#define GROUP_SHIFT 9
#define GROUP_MASK (7ull << GROUP_SHIFT)

static struct tlb_touch tree_touch(u32 nr_ways, u32 way)
{
	struct tlb_touch t = { .keep = ~0ull };
	u32 node = 0;

	for (u32 half = nr_ways / 2; half; half /= 2) {
		bool is_right = way & half;

		t.keep &= ~(1ull << node);
		if (!is_right)
			t.set |= 1ull << node;
		node = 2 * node + 1 + is_right;
	}
	return t;
}

static u32 tree_victim(u32 nr_ways, u64 bits)
{
	u32 node = 0, way = 0;

	/* The way's bits, high to low, are the turns taken. */
	for (u32 half = nr_ways / 2; half; half /= 2) {
		u32 right = bits >> node & 1;

		way = 2 * way + right;
		node = 2 * node + 1 + right;
	}
	return way;
}

static struct tlb_touch mru1_touch(u32 way)
{
	struct tlb_touch t = tree_touch(4, way % 4);
	u32 group = way / 4;

	t.keep = ~(~t.keep << 3 * group) & ~GROUP_MASK;
	t.set = t.set << 3 * group | (u64)group << GROUP_SHIFT;
	return t;
}

static u32 mru1_victim(u64 bits)
{
	/* 9 is (0 + 1), (1 + 1), (2 + 1) modulo 3, two bits each. */
	u32 group = 9 >> 2 * (bits >> GROUP_SHIFT & 3) & 3;

	return 4 * group + tree_victim(4, bits >> 3 * group);
}

static struct tlb_touch lru3_touch(u32 way)
{
	/* [group]: which of the three comparisons it takes part in, and which
	 * of those say it is the newer one. */
	static const struct { u8 part, newer; } order[] = {
		{ 3, 3 }, { 5, 4 }, { 6, 0 },
	};
	struct tlb_touch t = tree_touch(4, way % 4);
	u32 group = way / 4;

	t.keep = ~(~t.keep << 3 * group) &
		 ~((u64)order[group].part << GROUP_SHIFT);
	t.set = t.set << 3 * group | (u64)order[group].newer << GROUP_SHIFT;
	return t;
}

static u32 lru3_victim(u64 bits)
{
	/* [comparisons] the oldest; 2 and 5 contradict themselves. */
	static const u8 oldest[8] = { 0, 1, 0, 1, 0, 0, 2, 2 };
	u32 group = oldest[bits >> GROUP_SHIFT & 7];

	return 4 * group + tree_victim(4, bits >> 3 * group);
}

static struct tlb_touch policy_touch(enum tlb_repl repl, u32 nr_ways, u32 way)
{
	switch (repl) {
	case TLB_REPL_TREE_PLRU:
		return tree_touch(nr_ways, way);
	case TLB_REPL_MRU1_3PLRU4:
		return mru1_touch(way);
	case TLB_REPL_LRU_3PLRU4:
		return lru3_touch(way);
	case TLB_REPL_NRU:
		return (struct tlb_touch){ ~0ull, 1ull << way };
	default:
		return (struct tlb_touch){ ~0ull, 0 };
	}
}

static enum tlb_repl_form form_of(enum tlb_repl repl)
{
	switch (repl) {
	case TLB_REPL_NRU:
		return REPL_NRU;
	case TLB_REPL_LRU:
		return REPL_LRU;
	case TLB_REPL_FIFO:
		return REPL_FIFO;
	case TLB_REPL_RANDOM:
		return REPL_NONE;
	default:
		return REPL_BITS;
	}
}

static u32 victim_of(const struct tlb_replacer *r, u64 bits)
{
	switch (r->repl) {
	case TLB_REPL_MRU1_3PLRU4:
		return mru1_victim(bits);
	case TLB_REPL_LRU_3PLRU4:
		return lru3_victim(bits);
	case TLB_REPL_NRU:
		/* One way: the only bit is always set. */
		return r->nr_ways == 1 ? 0 : (u32)__builtin_ctzll(~bits);
	default:
		return tree_victim(r->nr_ways, bits);
	}
}

u32 repl_victim_slow(struct tlb_replacer *r, u32 set)
{
	if (r->form == REPL_NONE)
		return (u32)rng_below(&r->rng, r->nr_ways);
	return victim_of(r, r->bits[set]);
}

/* All answers, where there are few enough states. They depend on the policy and the
 * ways alone, so arrays share them: of a machine of many cores, thousands do.
 * Made once in a process, and kept. */
static int tabulate(struct tlb_replacer *r)
{
	static u8 *known[NR_TLB_REPL][REPL_TABLE_BITS + 2];
	u8 **t;
	u32 nr_bits = r->repl == TLB_REPL_TREE_PLRU ? r->nr_ways - 1
						    : REPL_TABLE_BITS;

	if (r->form != REPL_BITS || nr_bits > REPL_TABLE_BITS)
		return 0;
	t = &known[r->repl][r->nr_ways];
	if (!*t) {
		*t = malloc(1ull << nr_bits);
		for (u64 bits = 0; *t && bits < 1ull << nr_bits; bits++)
			(*t)[bits] = (u8)victim_of(r, bits);
	}
	r->victim = *t;
	return *t ? 0 : -ENOMEM;
}

int repl_init(struct tlb_replacer *r, enum tlb_repl repl, u32 nr_sets,
	      u32 nr_ways)
{
	r->repl = repl;
	r->form = form_of(repl);
	r->nr_ways = nr_ways;
	if (r->form == REPL_LRU || r->form == REPL_FIFO) {
		r->link = calloc((size_t)nr_sets * (nr_ways + 1),
				 sizeof(*r->link));
		return r->link ? 0 : -ENOMEM;
	}
	r->bits = calloc(nr_sets, sizeof(*r->bits));
	if (!r->bits)
		return -ENOMEM;
	if (r->form == REPL_NONE)
		return 0;
	r->saturated = nr_ways < 64 ? (1ull << nr_ways) - 1 : ~0ull;
	for (u32 way = 0; way < nr_ways; way++)
		r->touch[way] = policy_touch(repl, nr_ways, way);
	return tabulate(r);
}

void repl_free(struct tlb_replacer *r)
{
	free(r->bits);
	free(r->link);
}
