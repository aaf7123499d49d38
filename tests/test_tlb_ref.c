/* test_tlb_ref.c - the array TLB against its reference model (ref_tlb.h): random
 * operations on random designs, and three real programs. */
#include "cpu/machine.h"
#include "tests/ref_tlb.h"
#include "tests/tlb_arrays.h"
#include "workloads/trace_file.h"

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

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_agrees_with_reference),
	cmocka_unit_test(test_agrees_on_real_traces),
};

TEST_MAIN(tests)
