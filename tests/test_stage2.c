/* test_stage2.c - two stages of translation in one core: what operations on either
 * drop, against a list, and what an access may find afterwards, against all that the
 * manuals allow. */
#include "base/rng.h"
#include "tests/check.h"
#include "tlb/stage2.h"

enum { PAGES = 12, ASIDS = 2, GFNS = 8, STEPS = 60000, FRAMES = 64 };

/* ---- the tables of a guest and of its hypervisor ------------------------------ */

static struct {
	u8 gfn[ASIDS][PAGES];           /* stage 1                            */
	bool is_global[PAGES];
	u8 frame[GFNS];                 /* stage 2                            */
} T;

/* ---- a list of entries --------------------------------------------------------- */

struct cached {
	bool is_there;
	u64 frame;
};

static struct {
	struct cached own[ASIDS][PAGES], global[PAGES], nested[GFNS];
} L;

static struct cached *combined_at(u32 asid, u32 page)
{
	return T.is_global[page] ? &L.global[page] : &L.own[asid][page];
}

static u32 drop(struct cached *c)
{
	u32 nr = c->is_there;

	c->is_there = false;
	return nr;
}

/* The manuals once more, typed apart from tlb/stage2.c and tlb/arch.c: which of the
 * list's an operation names. */
struct said {
	const char *name;
	enum { NO_NESTED, ONE_NESTED, ALL_NESTED } nested;
	enum { NOTHING, PAGE, PAGE_AND_GLOBAL, PAGE_OF_ALL, ASID, OWN, ALL } combined;
};

static const struct said said[] = {
	{ "INVEPT 1", ALL_NESTED, ALL },
	{ "INVEPT 2", ALL_NESTED, ALL },
	{ "INVVPID 0", NO_NESTED, PAGE_OF_ALL },
	{ "INVVPID 1", NO_NESTED, ALL },
	{ "INVVPID 2", NO_NESTED, ALL },
	{ "INVVPID 3", NO_NESTED, OWN },
	{ "EPT violation", ONE_NESTED, PAGE_AND_GLOBAL },
	{ "TLBI IPAS2E1", ONE_NESTED, NOTHING },
	{ "TLBI IPAS2LE1", ONE_NESTED, NOTHING },
	{ "TLBI VMALLS12E1", ALL_NESTED, ALL },
	{ "TLBI IPAS2E1IS", ONE_NESTED, NOTHING },
	{ "TLBI IPAS2LE1IS", ONE_NESTED, NOTHING },
	{ "TLBI VMALLS12E1IS", ALL_NESTED, ALL },
	{ "HFENCE.GVMA gpa", ONE_NESTED, ALL },
	{ "HFENCE.GVMA", ALL_NESTED, ALL },
	{ "HFENCE.VVMA va", NO_NESTED, PAGE_OF_ALL },
	{ "HFENCE.VVMA va,asid", NO_NESTED, PAGE },
	{ "HFENCE.VVMA asid", NO_NESTED, ASID },
	{ "HFENCE.VVMA", NO_NESTED, ALL },
	/* Of stage 1, which are tlb/arch.h's. */
	{ "TLBI VAE1", NO_NESTED, PAGE_AND_GLOBAL },
	{ "TLBI ASIDE1", NO_NESTED, ASID },
	{ "TLBI VMALLE1", NO_NESTED, ALL },
	{ "INVLPG", NO_NESTED, PAGE_AND_GLOBAL },
};

static bool names_combined(const struct said *s, bool is_global, u32 asid_of,
			   u32 page_of, const struct stage2_operand *to)
{
	bool is_page = page_of == to->vpn, is_asid = asid_of == to->asid;

	switch (s->combined) {
	case NOTHING: return false;
	case PAGE: return is_page && is_asid && !is_global;
	case PAGE_AND_GLOBAL: return is_page && (is_asid || is_global);
	case PAGE_OF_ALL: return is_page;
	case ASID: return is_asid && !is_global;
	case OWN: return !is_global;
	default: return true;
	}
}

static bool names_nested(const struct said *s, u32 gfn,
			 const struct stage2_operand *to)
{
	return s->nested == ALL_NESTED ||
	       (s->nested == ONE_NESTED && gfn == to->gfn);
}

static u32 list_invalidate(const struct said *s, const struct stage2_operand *to)
{
	u32 nr = 0;

	for (u32 p = 0; p < PAGES; p++) {
		for (u32 a = 0; a < ASIDS; a++)
			if (names_combined(s, false, a, p, to))
				nr += drop(&L.own[a][p]);
		if (names_combined(s, true, ASIDS, p, to))
			nr += drop(&L.global[p]);
	}
	for (u32 g = 0; g < GFNS; g++)
		if (names_nested(s, g, to))
			nr += drop(&L.nested[g]);
	return nr;
}

/* ---- all that may be cached ------------------------------------------------------ */

/* Bit a frame: of stage 2 alone, and of each page's two stages in one. Whatever can
 * be put together now may be cached from now on. */
static struct {
	u64 nested[GFNS], own[ASIDS][PAGES], global[PAGES];
} M;

static u64 *may_at(u32 asid, u32 page)
{
	return T.is_global[page] ? &M.global[page] : &M.own[asid][page];
}

static void fill_all(void)
{
	for (u32 g = 0; g < GFNS; g++)
		M.nested[g] |= 1ull << T.frame[g];
	for (u32 p = 0; p < PAGES; p++)
		for (u32 a = 0; a < ASIDS; a++)
			*may_at(a, p) |= M.nested[T.gfn[a][p]];
}

static void may_invalidate(const struct said *s, const struct stage2_operand *to)
{
	for (u32 p = 0; p < PAGES; p++) {
		for (u32 a = 0; a < ASIDS; a++)
			if (names_combined(s, false, a, p, to))
				M.own[a][p] = 0;
		if (names_combined(s, true, ASIDS, p, to))
			M.global[p] = 0;
	}
	for (u32 g = 0; g < GFNS; g++)
		if (names_nested(s, g, to))
			M.nested[g] = 0;
	fill_all();
}

/* ---- hardware: two arrays and a walker -------------------------------------------- */

static struct {
	struct tlb_array *combined, *nested;
	u64 hits, stale;                /* of combined entries                */
} H;

static struct tlb_array *create(u32 ways)
{
	const struct tlb_design d = {
		.nr_arrays = 1,
		.array[0] = {
			.level = 1, .nr_sets = 1, .nr_ways = ways,
			.page_sizes = TLB_HOLDS_4K | TLB_HOLDS_2M,
			.serves = TLB_SERVES_DATA, .replacement = TLB_REPL_LRU,
		},
	};
	struct tlb_array *a;

	assert_int_equal(0, tlb_array_create(&a, &d, 1));
	return a;
}

/* Ways so many that nothing is ever evicted, or so few that things are. */
static void power_on(u32 ways, struct rng *g)
{
	memset(&L, 0, sizeof(L));
	memset(&M, 0, sizeof(M));
	memset(&H, 0, sizeof(H));
	H.combined = create(ways);
	H.nested = create(ways);
	for (u32 p = 0; p < PAGES; p++) {
		T.is_global[p] = p % 4 == 3;
		for (u32 a = 0; a < ASIDS; a++)
			T.gfn[a][p] = (u8)(T.is_global[p] && a
					   ? T.gfn[0][p] : rng_below(g, GFNS));
	}
	for (u32 i = 0; i < GFNS; i++)
		T.frame[i] = (u8)rng_below(g, FRAMES);
	fill_all();
}

static void power_off(void)
{
	assert_null(tlb_array_check(H.combined));
	assert_null(tlb_array_check(H.nested));
	tlb_array_destroy(H.combined);
	tlb_array_destroy(H.nested);
}

static u64 host_frame(u64 gfn, bool *is_hit)
{
	struct tlb_entry *e, fill = { .vpn = gfn, .pfn = T.frame[gfn] };

	*is_hit = tlb_array_access(H.nested, TLB_LOAD, 0, gfn, &e) != TLB_MISS;
	if (!*is_hit)
		e = tlb_array_fill(H.nested, TLB_LOAD, gfn, &fill);
	return e->pfn;
}

/* Return: the host frame; which of both caches had it. */
static u64 hw_access(u16 asid, u64 page, bool *combined, bool *nested)
{
	struct tlb_entry *e, fill = {
		.vpn = page, .pcid = asid,
		.flags = T.is_global[page] ? TLB_G : 0,
	};

	*nested = false;
	*combined = tlb_array_access(H.combined, TLB_LOAD, asid, page, &e) !=
		    TLB_MISS;
	if (*combined)
		return e->pfn;
	fill.pfn = host_frame(T.gfn[asid][page], nested);
	tlb_array_fill(H.combined, TLB_LOAD, page, &fill);
	return fill.pfn;
}

static u64 list_access(u32 asid, u32 page, bool *combined, bool *nested)
{
	struct cached *c = combined_at(asid, page);
	struct cached *n = &L.nested[T.gfn[asid][page]];

	*combined = c->is_there;
	*nested = !*combined && n->is_there;
	if (!*combined && !*nested)
		*n = (struct cached){ true, T.frame[T.gfn[asid][page]] };
	if (!*combined)
		*c = *n;
	return c->frame;
}

static void hw_invalidate(const char *name, const struct stage2_operand *to,
			  u32 *nr)
{
	const struct stage2_op *op = stage2_op_find(name);
	const struct inval_op *stage1 = inval_op_find(name);

	*nr = op ? stage2_invalidate(op, H.combined, H.nested, to)
		 : tlb_array_invalidate(H.combined, stage1->scope, to->asid,
					to->vpn);
}

/* ---- both, step by step ------------------------------------------------------------ */

static void change(struct rng *g)
{
	u32 page = (u32)rng_below(g, PAGES), asid = (u32)rng_below(g, ASIDS);
	u8 gfn = (u8)rng_below(g, GFNS);

	if (rng_chance(g, 1, 2)) {
		T.frame[gfn] = (u8)rng_below(g, FRAMES);
	} else {
		T.gfn[asid][page] = gfn;
		if (T.is_global[page])
			T.gfn[!asid][page] = gfn;
	}
	fill_all();
}

static void access_both(struct rng *g, bool is_exact)
{
	u32 page = (u32)rng_below(g, PAGES), asid = (u32)rng_below(g, ASIDS);
	bool combined[2], nested[2];
	u64 now = T.frame[T.gfn[asid][page]];
	u64 got = hw_access((u16)asid, page, &combined[0], &nested[0]), want;

	assert_true(*may_at(asid, page) >> got & 1);
	H.hits += combined[0];
	H.stale += combined[0] && got != now;
	if (!is_exact)
		return;
	want = list_access(asid, page, &combined[1], &nested[1]);
	assert_int_equal(want, got);
	assert_int_equal(combined[1], combined[0]);
	assert_int_equal(nested[1], nested[0]);
}

static void run(u32 ways, bool is_exact)
{
	struct rng g;

	rng_init(&g, check_seed("stage 2"));
	power_on(ways, &g);
	for (u32 i = 0; i < STEPS; i++) {
		u32 what = (u32)rng_below(&g, 16);
		const struct said *s = &said[rng_below(&g, ARRAY_LEN(said))];
		struct stage2_operand to = {
			.gfn = rng_below(&g, GFNS), .vpn = rng_below(&g, PAGES),
			.asid = (u16)rng_below(&g, ASIDS),
		};
		u32 nr;

		if (what == 0) {
			change(&g);
		} else if (what == 1) {
			hw_invalidate(s->name, &to, &nr);
			may_invalidate(s, &to);
			if (is_exact)
				assert_int_equal(list_invalidate(s, &to), nr);
		} else {
			access_both(&g, is_exact);
		}
	}
	assert_true(H.hits > STEPS / 20 && H.stale > 100);
	power_off();
}

static void test_equals_the_list(void **state)
{
	run(64, true);
}

static void test_within_the_envelope(void **state)
{
	run(64, false);
	run(3, false);
}

/* Every operation of the table is in the list above, and the other way round. */
static void test_table_is_whole(void **state)
{
	u32 nr = 0, found = 0;

	for (u32 i = 0; stage2_ops[i].name; i++, nr++)
		for (size_t k = 0; k < ARRAY_LEN(said); k++)
			found += !strcmp(said[k].name, stage2_ops[i].name);
	assert_int_equal(nr, found);
	for (size_t k = 0; k < ARRAY_LEN(said); k++)
		assert_true(stage2_op_find(said[k].name) ||
			    inval_op_find(said[k].name));
}

/* The hypervisor gives guest frame 5 another host frame. TLBI IPAS2E1 alone: who has
 * the page cached goes on with the old frame, another page of the same guest frame
 * gets the new one. With TLBI VMALLE1 after it nobody sees the old one; without
 * IPAS2E1, VMALLE1 leaves it in the nested TLB, from where it comes back. */
static void test_ipas2_alone(void **state)
{
	static const struct {
		const char *op[2];
		u64 first, second;      /* frames of pages 0 and 1 afterwards */
	} row[] = {
		{ { NULL, NULL }, 10, 10 },
		{ { "TLBI IPAS2E1IS", NULL }, 10, 20 },
		{ { "TLBI VMALLE1", NULL }, 10, 10 },
		{ { "TLBI IPAS2E1IS", "TLBI VMALLE1" }, 20, 20 },
		{ { "TLBI VMALLS12E1IS", NULL }, 20, 20 },
		{ { "INVEPT 1", NULL }, 20, 20 },
		{ { "INVVPID 1", NULL }, 10, 10 },
		{ { "HFENCE.GVMA gpa", NULL }, 20, 20 },
	};
	const struct stage2_operand to = { .gfn = 5, .vpn = 7, .asid = 0 };
	bool a, b;
	u32 nr;

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct rng g;

		rng_init(&g, 1);
		power_on(64, &g);
		T.gfn[0][0] = T.gfn[0][1] = 5;
		T.frame[5] = 10;
		assert_int_equal(10, hw_access(0, 0, &a, &b));
		T.frame[5] = 20;
		for (u32 k = 0; k < 2 && row[i].op[k]; k++)
			hw_invalidate(row[i].op[k], &to, &nr);
		assert_int_equal(row[i].first, hw_access(0, 0, &a, &b));
		assert_int_equal(row[i].second, hw_access(0, 1, &a, &b));
		power_off();
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_table_is_whole),
	cmocka_unit_test(test_ipas2_alone),
	cmocka_unit_test(test_equals_the_list),
	cmocka_unit_test(test_within_the_envelope),
};

TEST_MAIN(tests)
