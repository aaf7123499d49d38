/* The array TLB against its reference model, against published measurements,
 * and case by case. `test_tlb NAME` runs one case. */
#include <errno.h>

#include "cpu/machine.h"
#include "tests/check.h"
#include "tests/ref_tlb.h"
#include "tlb/array.h"
#include "workloads/trace_file.h"

#define ALL_SIZES (TLB_HOLDS_4K | TLB_HOLDS_2M | TLB_HOLDS_1G)

static struct tlb_geometry geometry(u32 bits, u32 ways, enum tlb_index index,
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
static struct tlb_design design_of(const struct tlb_geometry geo[3])
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
static u32 array_of(const struct tlb_array *a, u32 id)
{
	for (u32 i = 0; i < a->core->nr_units; i++)
		if (id == (a->core->unit[i].geo.level == 2 ? TLB_L2 :
			   i ? TLB_L1_2M : TLB_L1_4K))
			return i;
	return TLB_MAX_ARRAYS;
}

static struct tlb_array *create(const struct tlb_geometry geo[3])
{
	struct tlb_array *a = NULL;
	struct tlb_design d = design_of(geo);

	assert_int_equal(0, tlb_array_create(&a, &d, 1));
	return a;
}

/* Skylake's data side. Source: tlb-hardware facts, Intel geometry. */
static struct tlb_array *create_skylake(void)
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
static struct tlb_array *create_one_set(u32 ways, enum tlb_repl repl)
{
	const struct tlb_geometry geo[3] = {
		geometry(0, ways, TLB_INDEX_LINEAR, repl, TLB_HOLDS_4K),
	};

	return create(geo);
}

static struct tlb_entry page(u16 pcid, u64 vpn)
{
	return (struct tlb_entry){
		.vpn = vpn, .pfn = vpn + 1000, .pcid = pcid, .flags = TLB_W,
	};
}

static enum tlb_level look(struct tlb_array *a, u16 pcid, u64 vpn)
{
	struct tlb_entry *e;

	return tlb_array_access(a, TLB_LOAD, pcid, vpn, &e);
}

/* Return: was it there? Fills it if not. */
static bool access_or_fill(struct tlb_array *a, u64 vpn)
{
	struct tlb_entry e = page(1, vpn);

	if (look(a, 1, vpn) != TLB_MISS)
		return true;
	tlb_array_fill(a, TLB_LOAD, e.vpn, &e);
	return false;
}

static bool is_in(const struct tlb_array *a, u32 id, u16 pcid,
		  u64 vpn)
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

static bool is_in_array(const struct tlb_array *a, u32 id, u16 pcid, u64 vpn)
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

static void finish(struct tlb_array *a)
{
	const char *wrong = tlb_array_check(a);

	if (wrong)
		fail_msg("tlb_array_check: %s", wrong);
	tlb_array_destroy(a);
}

/* Random operations on both models, on random designs */

struct pair {
	struct tlb_array *a[TLB_MAX_THREADS];
	struct ref_tlb *r;
	struct rng rng;
	struct tlb_design d;
	u32 nr_threads;
	u32 nr_slots;
	u32 span;               /* pages in use, 4K and 2M each               */
	bool has_fractures;     /* nested: some entries are of larger pages   */
	u64 seed;
	u32 op;
};

static const u16 pcids[] = { 0, 1, 7, 4095, 65535 };

static u32 any(struct rng *g, u32 lo, u32 hi)
{
	return (u32)rng_between(g, lo, hi);
}

static void random_array(struct rng *g, struct tlb_design *d, u8 level,
			 u8 serves, u32 sizes, bool is_fa)
{
	static const u32 sets[] = { 1, 2, 3, 4, 5, 8, 12, 16 };
	struct tlb_geometry *geo = &d->array[d->nr_arrays++];

	*geo = (struct tlb_geometry){
		.name = "test", .level = level, .serves = serves,
		.page_sizes = sizes, .source = "assumed: test",
		.replacement = (enum tlb_repl)rng_below(g, NR_TLB_REPL),
		.nr_sets = is_fa ? 1 : sets[rng_below(g, ARRAY_LEN(sets))],
		.smt = (u8)rng_below(g, NR_TLB_SMT),
		.takes_pieces = rng_chance(g, 1, 2),
	};
	geo->nr_ways = is_fa ? any(g, 4, 150) : any(g, 1, 18);
	if (geo->replacement == TLB_REPL_TREE_PLRU)
		geo->nr_ways = 1u << any(g, 0, is_fa ? 6 : 4);
	else if (geo->replacement == TLB_REPL_MRU1_3PLRU4 ||
		 geo->replacement == TLB_REPL_LRU_3PLRU4)
		geo->nr_ways = 12;
	else if (geo->replacement == TLB_REPL_NRU && geo->nr_ways > 64)
		geo->nr_ways = 64;
	if (!(geo->nr_sets & (geo->nr_sets - 1)) && rng_chance(g, 1, 2)) {
		geo->index = TLB_INDEX_XOR;
		geo->index_bits = (u32)__builtin_ctz(geo->nr_sets);
	}
	if ((sizes & TLB_HOLDS_4K) && rng_chance(g, 1, 3))
		geo->coalesce = (u8)any(g, 1, 4);
	if ((sizes & TLB_HOLDS_2M) && rng_chance(g, 1, 3))
		geo->coalesce_2m = (u8)any(g, 1, 5);
}

static void random_level_1(struct rng *g, struct tlb_design *d, u8 serves)
{
	bool is_fa = rng_chance(g, 1, 3);

	if (is_fa || rng_chance(g, 1, 6)) {
		random_array(g, d, 1, serves, ALL_SIZES, is_fa);
		return;
	}
	random_array(g, d, 1, serves, TLB_HOLDS_4K, false);
	if (rng_chance(g, 3, 4))
		random_array(g, d, 1, serves, TLB_HOLDS_2M, false);
	if (rng_chance(g, 1, 2))
		random_array(g, d, 1, serves, TLB_HOLDS_1G, false);
}

static void random_level_2(struct rng *g, struct tlb_design *d, u8 serves)
{
	u32 dice = any(g, 0, 5);
	struct tlb_geometry *b;

	if (dice == 0) {
		random_array(g, d, 2, serves, ALL_SIZES, rng_chance(g, 1, 2));
	} else if (dice == 1) {
		random_array(g, d, 2, serves, TLB_HOLDS_4K, false);
		random_array(g, d, 2, serves, TLB_HOLDS_2M, false);
	} else if (dice <= 3) {
		random_array(g, d, 2, serves, TLB_HOLDS_4K | TLB_HOLDS_2M,
			     false);
		if (rng_chance(g, 1, 2))
			random_array(g, d, 2, serves, TLB_HOLDS_1G, false);
	} else if (dice == 4) {         /* Ice Lake's pair */
		random_array(g, d, 2, serves, TLB_HOLDS_4K | TLB_HOLDS_2M,
			     false);
		b = &d->array[d->nr_arrays];
		*b = d->array[d->nr_arrays++ - 1];
		b->page_sizes = TLB_HOLDS_4K | TLB_HOLDS_1G;
		b->coalesce_2m = 0;
	}
}

static void random_design(struct rng *g, struct tlb_design *d)
{
	memset(d, 0, sizeof(*d));
	switch (any(g, 0, 3)) {
	case 0:
		random_level_1(g, d, TLB_SERVES_DATA);
		random_level_1(g, d, TLB_SERVES_FETCH);
		break;
	case 1:
		random_level_1(g, d, TLB_SERVES_LOAD);
		random_level_1(g, d, TLB_SERVES_STORE);
		break;
	case 2:
		random_level_1(g, d, TLB_SERVES_ALL);
		break;
	default:
		random_level_1(g, d, TLB_SERVES_DATA);
		break;
	}
	if (rng_chance(g, 3, 4)) {
		random_level_2(g, d, TLB_SERVES_ALL);
	} else {
		random_level_2(g, d, TLB_SERVES_DATA);
		random_level_2(g, d, TLB_SERVES_FETCH);
	}
	d->pcid_slots = rng_chance(g, 1, 3) ? any(g, 1, 4) : 0;
	d->pcid_slots_l1i = rng_chance(g, 1, 3) ? any(g, 1, 2) : 0;
	d->cr3_empties_l1d = rng_chance(g, 1, 3);
	d->is_inclusive = rng_chance(g, 1, 4);
	/* Arm's granules, for a third of the designs. */
	d->leaf_bits = (u8)(rng_chance(g, 1, 3) ? 9 + 2 * any(g, 1, 2) : 0);
}

static u64 random_vpn(struct pair *p)
{
	/* User and kernel half, neighbours, and bits that XOR folds in. */
	static const u64 region[] = { 0, 1ull << 20, 0xfffff80000000ull };
	u64 vpn = region[rng_below(&p->rng, ARRAY_LEN(region))];
	u32 bits = tlb_design_bits(&p->d);

	vpn += rng_below(&p->rng, p->span);
	if (rng_chance(&p->rng, 1, 4))
		vpn += rng_below(&p->rng, p->span) << bits;
	if (rng_chance(&p->rng, 1, 16))
		vpn += rng_below(&p->rng, 4) << 2 * bits;
	return vpn;
}

static struct tlb_entry random_entry(struct pair *p, u16 pcid, u64 vpn)
{
	static const u8 sizes[] = { 0, 0, 0, 0, 0, 1, 1, 2 };
	u8 bits = (u8)tlb_design_bits(&p->d);
	u8 order = (u8)(bits * sizes[rng_below(&p->rng, ARRAY_LEN(sizes))]);
	struct tlb_entry e = {
		.vpn = vpn & ~tlb_order_mask(order),
		.pfn = rng_u64(&p->rng) >> 40 << 2 * bits,
		.pcid = pcid,
		.order = order,
		.flags = (u8)rng_below(&p->rng, 4),
	};

	e.pfn += (vpn & ~tlb_order_mask(order)) & tlb_order_mask(2 * bits);
	if (order <= bits && rng_chance(&p->rng, 1, 2))
		e.contig = (u8)(order + any(&p->rng, 0, 5));
	if (rng_chance(&p->rng, 1, 10))
		e.flags |= TLB_G;
	if (order <= bits && p->has_fractures && rng_chance(&p->rng, 1, 6)) {
		e.piece_of = (u8)(TLB_FRACTURED |
				  bits << (order || rng_chance(&p->rng, 1, 8)));
		e.contig = 0;
	}
	return e;
}

/* What an entry still knows of the pages around it is nobody's business; what
 * came of it is its order. */
static bool same_entry(const struct tlb_entry *x, const struct tlb_entry *y)
{
	struct tlb_entry a = *x, b = *y;

	a.contig = b.contig = 0;
	return !memcmp(&a, &b, sizeof(a));
}

static void describe(const struct pair *p)
{
	print_error("threads %u, slots %u, l1i slots %u, cr3 empties %d, "
		    "inclusive %d, bits %u\n", p->nr_threads, p->d.pcid_slots,
		    p->d.pcid_slots_l1i, p->d.cr3_empties_l1d,
		    p->d.is_inclusive, tlb_design_bits(&p->d));
	for (u32 i = 0; i < p->d.nr_arrays; i++) {
		const struct tlb_geometry *g = &p->d.array[i];

		print_error("array %u: level %u serves %u sizes %u, %u x %u, "
			    "index %u, policy %u, coalesce %u and %u, smt %u, "
			    "pieces %d\n", i, g->level, g->serves,
			    g->page_sizes, g->nr_sets, g->nr_ways, g->index,
			    g->replacement, g->coalesce, g->coalesce_2m, g->smt,
			    g->takes_pieces);
	}
}

#define FAIL_PAIR(p, fmt, ...) \
	do { \
		describe(p); \
		fail_msg("TEST_SEED=%llu, operation %u: " fmt, \
			 (unsigned long long)(p)->seed, (p)->op, __VA_ARGS__); \
	} while (0)

static void expect(struct pair *p, const char *of, u64 want, u64 got)
{
	if (want != got)
		FAIL_PAIR(p, "%s: want %llu, got %llu", of,
			  (unsigned long long)want, (unsigned long long)got);
}

static void expect_entry(struct pair *p, const struct tlb_entry *want,
			 const struct tlb_entry *got)
{
	if (!same_entry(want, got))
		FAIL_PAIR(p, "want vpn %llx pfn %llx order %u piece of %u, got "
			  "vpn %llx pfn %llx order %u piece of %u",
			  (unsigned long long)want->vpn,
			  (unsigned long long)want->pfn, want->order,
			  want->piece_of, (unsigned long long)got->vpn,
			  (unsigned long long)got->pfn, got->order,
			  got->piece_of);
}

/* Same entry, or none, in the same way of the same set: so victims agree. */
static void compare_contents(struct pair *p)
{
	for (u32 id = 0; id < p->d.nr_arrays; id++) {
		const struct ref_array *u = &p->r->array[id];

		for (u32 i = 0; i < u->nr_sets * u->nr_ways; i++) {
			u32 set = i / u->nr_ways, way = i % u->nr_ways, thread;
			const struct ref_way *w = &u->set[set].way[way];
			const struct tlb_entry *e = tlb_array_slot(
				p->a[0], id, set, way, &thread);

			if (w->is_valid == (e != NULL) &&
			    (!e || (same_entry(e, &w->e) &&
				    thread == w->thread)))
				continue;
			FAIL_PAIR(p, "array %u set %u way %u: want vpn %llx "
				  "(valid %d), got %llx (%d)", id, set, way,
				  (unsigned long long)w->e.vpn, w->is_valid,
				  e ? (unsigned long long)e->vpn : 0, e != NULL);
		}
	}
}

static void compare_stats(struct pair *p)
{
	for (u32 t = 0; t < p->nr_threads; t++) {
		const struct tlb_array_stats *got = &p->a[t]->stats;
		const struct ref_stats *want = &p->r->stats[t];

		expect(p, "lookups", want->lookups, got->lookups);
		expect(p, "l1_misses", want->l1_misses, got->l1_misses);
		for (u32 i = 0; i < 3; i++)
			expect(p, "l2_hits", want->l2_hits[i], got->l2_hits[i]);
		expect(p, "fills", want->fills, got->fills);
		for (u32 id = 0; id < p->d.nr_arrays; id++)
			expect(p, "evictions", want->evictions[id],
			       got->evictions[id]);
		expect(p, "dropped_inclusive", want->dropped_inclusive,
		       got->dropped_inclusive);
		expect(p, "dropped_invlpg", want->dropped_invlpg,
		       got->dropped_invlpg);
		expect(p, "dropped_flush", want->dropped_flush,
		       got->dropped_flush);
		expect(p, "dropped_cr3", want->dropped_cr3, got->dropped_cr3);
	}
}

static void fill_both(struct pair *p, u32 t, enum tlb_use use, u16 pcid,
		      u64 vpn)
{
	struct tlb_entry e = random_entry(p, pcid, vpn), want, *got;
	bool is_held = ref_tlb_fill(p->r, t, use, vpn, &e, &want);

	got = tlb_array_fill(p->a[t], use, vpn, &e);
	expect(p, "filled", is_held, got != NULL);
	if (got)
		expect_entry(p, &want, got);
}

static void random_lookup(struct pair *p, u32 t, enum tlb_use use, u16 pcid,
			  u64 vpn)
{
	struct tlb_entry want, *got;
	enum tlb_level level = ref_tlb_lookup(p->r, t, use, pcid, vpn, &want);
	bool is_usable;

	/* Half of them by the short way first, as a CPU would. */
	is_usable = level == TLB_HIT_L1 &&
		    (use != TLB_STORE || (want.flags & 3) == (TLB_W | TLB_D));
	if (rng_chance(&p->rng, 1, 2)) {
		bool is_hit = tlb_array_hit(p->a[t], use, pcid, vpn, &got);

		expect(p, "tlb_array_hit", is_usable, is_hit);
		if (is_hit) {
			expect_entry(p, &want, got);
			return;
		}
	}
	expect(p, "hit level", level,
	       tlb_array_access(p->a[t], use, pcid, vpn, &got));
	expect(p, "an entry", level != TLB_MISS, got != NULL);
	if (got)
		expect_entry(p, &want, got);
	if (level == TLB_HIT_L2)
		expect(p, "array of level 2", p->r->l2_array, p->a[t]->l2_unit);
	if (level == TLB_MISS && rng_chance(&p->rng, 9, 10))
		fill_both(p, t, use, pcid, vpn);
}

static void random_operation(struct pair *p)
{
	u16 pcid = pcids[rng_below(&p->rng, ARRAY_LEN(pcids))];
	enum tlb_use use = (enum tlb_use)rng_below(&p->rng, NR_TLB_USES);
	u32 dice = (u32)rng_below(&p->rng, 1000);
	u32 t = (u32)rng_below(&p->rng, p->nr_threads);
	enum inval_scope scope = (enum inval_scope)rng_below(&p->rng, 3);
	u64 vpn = random_vpn(p);

	if (dice < 820) {
		random_lookup(p, t, use, pcid, vpn);
	} else if (dice < 900) {
		fill_both(p, t, use, pcid, vpn);
	} else if (dice < 960) {
		expect(p, "dropped of a page",
		       ref_tlb_invalidate(p->r, t, scope, pcid, vpn),
		       tlb_array_invalidate(p->a[t], scope, pcid, vpn));
	} else if (dice < 980) {
		u8 order = (u8)(tlb_design_bits(&p->d) * (dice % 3));

		expect(p, "set dirty",
		       ref_tlb_set_dirty(p->r, t, pcid, vpn, order),
		       tlb_array_set_dirty(p->a[t], pcid, vpn, order));
	} else if (dice < 996) {
		expect(p, "dropped by load_cr3",
		       ref_tlb_load_cr3(p->r, t, pcid, dice % 2),
		       tlb_array_load_cr3(p->a[t], pcid, dice % 2));
	} else {
		scope = dice == 996 ? INVAL_ALL : dice == 997 ?
			INVAL_ALL_BUT_GLOBAL : INVAL_ASID;
		expect(p, "dropped of all",
		       ref_tlb_invalidate(p->r, t, scope, pcid, vpn),
		       tlb_array_invalidate(p->a[t], scope, pcid, vpn));
	}
}

static void run_pair(struct pair *p, u32 nr_ops)
{
	for (p->op = 0; p->op < nr_ops; p->op++) {
		const char *wrong;

		/* Small working sets in turn with ones that overflow. */
		if (p->op % 1000 == 0)
			p->span = 2 + any(&p->rng, 0, p->nr_slots / 2);
		random_operation(p);
		if (p->op % 128)
			continue;
		compare_contents(p);
		for (u32 t = 0; t < p->nr_threads; t++) {
			wrong = tlb_array_check(p->a[t]);
			if (wrong)
				FAIL_PAIR(p, "%s", wrong);
		}
	}
	compare_contents(p);
	compare_stats(p);
}

/* Of how many arrays of the designs so far: policy by index in several sets, and
 * policy by the page sizes that one array holds. */
struct met {
	u32 index[NR_TLB_REPL][NR_TLB_INDEX];
	u32 sizes[NR_TLB_REPL][ALL_SIZES + 1];
};

static void note_met(struct met *met, const struct tlb_design *d)
{
	for (u32 i = 0; i < d->nr_arrays; i++) {
		const struct tlb_geometry *g = &d->array[i];

		met->index[g->replacement][g->index] += g->nr_sets > 1;
		met->sizes[g->replacement][g->page_sizes]++;
	}
}

static void expect_all_met(const struct met *met)
{
	static const u32 sizes[] = { TLB_HOLDS_4K, TLB_HOLDS_2M, TLB_HOLDS_1G,
				     ALL_SIZES };

	for (u32 policy = 0; policy < NR_TLB_REPL; policy++) {
		for (u32 i = 0; i < NR_TLB_INDEX; i++)
			assert_true(met->index[policy][i]);
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
			assert_true(met->sizes[policy][sizes[i]]);
	}
}

/* Every design has a seed of its own, and a failure names it: TEST_SEED then
 * begins there. */
static void test_agrees_with_reference(void **state)
{
	u64 seed = check_seed("designs"), nr_ops = 0;
	struct met met = { 0 };
	u32 nr_designs = 0;

	for (u64 n = 0; nr_designs < 700; n++) {
		struct pair p = { .seed = seed + n };

		rng_init(&p.rng, p.seed);
		random_design(&p.rng, &p.d);
		p.nr_threads = any(&p.rng, 1, 3);
		p.has_fractures = rng_chance(&p.rng, 1, 4);
		if (tlb_design_error(&p.d, p.nr_threads, NULL))
			continue;       /* an odd number of sets to split */
		assert_int_equal(0, tlb_array_create(p.a, &p.d, p.nr_threads));
		p.r = ref_tlb_create(&p.d, p.nr_threads, p.seed);
		tlb_array_seed(p.a[0], p.seed);
		for (u32 i = 0; i < p.d.nr_arrays; i++)
			p.nr_slots += tlb_geometry_entries(&p.d.array[i]);
		run_pair(&p, 5000);
		note_met(&met, &p.d);
		nr_ops += 5000;
		nr_designs++;
		ref_tlb_destroy(p.r);
		for (u32 t = 0; t < p.nr_threads; t++)
			tlb_array_destroy(p.a[t]);
	}
	expect_all_met(&met);
	print_message("%llu operations on %u designs\n",
		      (unsigned long long)nr_ops, nr_designs);
}

/* ---- the same over real programs --------------------------------------------- */

static const char *const real_traces[] = {
	"tests/data/ls.tlbt", "tests/data/sort.tlbt", "tests/data/xz.tlbt",
};

/* Real parts, and random designs that between them have every policy. */
static const char *const real_parts[] = {
	"skylake-sp", "ice-lake-sp", "zen2-rome", "zen5-turin", "cortex-a76",
	"riscv-sv48",
};

#ifdef __SANITIZE_ADDRESS__
enum { PART_PAGES = 800, DESIGN_PAGES = 6000 };
#else
enum { PART_PAGES = 3000, DESIGN_PAGES = 30000 };
#endif

/* What the page tables of a trace's program say of @vpn: regions of 2M are mapped
 * by small pages, contiguous or not, or by a large one. */
static struct tlb_entry mapped_at(u64 vpn, u16 pcid)
{
	u64 h = (vpn >> 13) * 0x9e3779b97f4a7c15ull >> 56;
	struct tlb_entry e = { .vpn = vpn, .pcid = pcid, .flags = TLB_W };

	e.order = h % 4 == 3 ? 9 : 0;
	e.vpn &= ~tlb_order_mask(e.order);
	e.pfn = e.vpn & tlb_order_mask(30);
	e.contig = (u8)(e.order ? 9 + h % 8 : h % 4 * 2);
	return e;
}

static void trace_access(struct pair *p, enum tlb_use use, u16 pcid, u64 vpn)
{
	struct tlb_entry want, *got, e = mapped_at(vpn, pcid);
	enum tlb_level level = ref_tlb_lookup(p->r, 0, use, pcid, vpn, &want);
	bool needs_d = use == TLB_STORE && !(want.flags & TLB_D);

	expect(p, "hit level", level,
	       tlb_array_access(p->a[0], use, pcid, vpn, &got));
	if (level != TLB_MISS)
		expect_entry(p, &want, got);
	if (level != TLB_MISS && !needs_d)
		return;
	/* A walk, or what a store does to a clean entry. */
	e.flags |= use == TLB_STORE ? TLB_D : 0;
	expect(p, "filled", ref_tlb_fill(p->r, 0, use, vpn, &e, &want),
	       (got = tlb_array_fill(p->a[0], use, vpn, &e)) != NULL);
	if (got)
		expect_entry(p, &want, got);
}

/* Now and then the system gets in between. */
static void trace_event(struct pair *p, u16 *pcid, u64 vpn)
{
	if (p->op % 701 == 0)
		expect(p, "dropped of a page",
		       ref_tlb_invalidate(p->r, 0, INVAL_PAGE_GLOBAL, *pcid,
					  vpn),
		       tlb_array_invlpg(p->a[0], *pcid, vpn));
	if (p->op % 2503)
		return;
	*pcid = 1 + p->op / 2503 % 3;
	expect(p, "dropped by load_cr3",
	       ref_tlb_load_cr3(p->r, 0, *pcid, p->op % 2),
	       tlb_array_load_cr3(p->a[0], *pcid, p->op % 2));
}

/* @nr_pages changes of page or of use in @path, the first @skip left out. */
static u64 run_trace(struct pair *p, const char *path, u32 skip, u32 nr_pages)
{
	const struct run *r;
	struct trace *t;
	struct err e;
	u64 last = 0, page, use;
	u16 pcid = 1;
	size_t n;

	assert_int_equal(0, trace_open(&t, path, &e));
	for (p->op = 0; p->op < nr_pages; ) {
		assert_int_equal(0, trace_next(t, &r, &n, &e));
		assert_true(n);
		for (size_t i = 0; i < n && p->op < nr_pages; i++) {
			use = r[i].op == RUN_READ ? TLB_LOAD :
			      r[i].op == RUN_FETCH ? TLB_FETCH : TLB_STORE;
			page = r[i].va >> PAGE_SHIFT << 2 | use;
			if (page == last)
				continue;
			last = page;
			if (skip) {
				skip--;
				continue;
			}
			trace_access(p, (enum tlb_use)use, pcid,
				     r[i].va >> PAGE_SHIFT);
			p->op++;
			trace_event(p, &pcid, r[i].va >> PAGE_SHIFT);
			if (p->op % 1024 == 0)
				compare_contents(p);
		}
	}
	trace_close(t);
	compare_contents(p);
	compare_stats(p);
	assert_null(tlb_array_check(p->a[0]));
	return p->op;
}

static u64 run_design(const struct tlb_design *d, u64 seed, u32 trace, u32 skip,
		      u32 nr_pages)
{
	struct pair p = { .seed = seed, .d = *d, .nr_threads = 1 };
	u64 nr;

	assert_int_equal(0, tlb_array_create(p.a, d, 1));
	p.r = ref_tlb_create(d, 1, seed);
	tlb_array_seed(p.a[0], seed);
	nr = run_trace(&p, real_traces[trace], skip, nr_pages);
	ref_tlb_destroy(p.r);
	tlb_array_destroy(p.a[0]);
	return nr;
}

static bool has_policy(const struct tlb_design *d, enum tlb_repl repl)
{
	for (u32 i = 0; i < d->nr_arrays; i++)
		if (d->array[i].replacement == repl)
			return true;
	return false;
}

static void test_agrees_on_real_traces(void **state)
{
	u64 seed = check_seed("real traces"), nr = 0;

	for (u32 t = 0; t < ARRAY_LEN(real_traces); t++) {
		for (u32 i = 0; i < ARRAY_LEN(real_parts); i++) {
			struct machine *m;
			struct err e;

			assert_int_equal(0, machine_create(&m,
				"pack:1 core:1 pu:1", real_parts[i], &e));
			nr += run_design(&m->tlb, seed, t, 20000 * i, PART_PAGES);
			machine_destroy(m);
		}
		for (u32 policy = 0; policy < NR_TLB_REPL; policy++) {
			struct tlb_design d;
			struct rng g;
			u64 n = seed + 1000 * t + 100 * policy;

			do {
				rng_init(&g, n++);
				random_design(&g, &d);
			} while (tlb_design_error(&d, 1, NULL) ||
				 !has_policy(&d, (enum tlb_repl)policy));
			nr += run_design(&d, n, t, 5000 * policy, DESIGN_PAGES);
		}
	}
	print_message("%llu changes of page\n", (unsigned long long)nr);
}

/* Published measurements
 *
 * Source: TLB;DR (USENIX Security 2022), artefact: measured permutation
 * vectors and the shortest sequences that tell the policies apart. */

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

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_agrees_with_reference),
		cmocka_unit_test(test_agrees_on_real_traces),
		cmocka_unit_test(test_policies_equal_published_vectors),
		cmocka_unit_test(test_shortest_evictions),
		cmocka_unit_test(test_plru4_keeps_the_other_half),
		cmocka_unit_test(test_index_functions),
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

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
