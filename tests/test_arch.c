/* What each invalidating operation of each architecture must drop, and that
 * nothing else is what it names; that a CPU's arrays never hold what the
 * envelope of its architecture forbids. */
#include "tests/check.h"

#include "base/rng.h"
#include "cpu/bbm.h"
#include "cpu/direct.h"
#include "cpu/step.h"
#include "tlb/arch.h"
#include "tlb/envelope.h"

/* One row of the manuals' tables, typed apart from tlb/arch.c: with operands
 * (asid 5, page 10), which of the entries below go. */
enum { OWN_PAGE = 1, OWN_OTHER = 2, OWN_HUGE = 4, ALIEN_PAGE = 8,
       ALIEN_OTHER = 16, GLOBAL_PAGE = 32, GLOBAL_OTHER = 64, NR_KINDS = 7 };

static const struct tlb_entry kind[NR_KINDS] = {
	{ .vpn = 10, .pfn = 1, .pcid = 5 },
	{ .vpn = 11, .pfn = 2, .pcid = 5 },
	{ .vpn = 0, .pfn = 512, .pcid = 5, .order = 9 },
	{ .vpn = 10, .pfn = 3, .pcid = 6 },
	{ .vpn = 11, .pfn = 4, .pcid = 6 },
	{ .vpn = 10, .pfn = 5, .pcid = 6, .flags = TLB_G },
	{ .vpn = 9, .pfn = 6, .pcid = 5, .flags = TLB_G },
};

#define OWN (OWN_PAGE | OWN_OTHER | OWN_HUGE)
#define ALIEN (ALIEN_PAGE | ALIEN_OTHER)
#define GLOBALS (GLOBAL_PAGE | GLOBAL_OTHER)
#define PAGE (OWN_PAGE | OWN_HUGE)

/* Walk-cache entries: the path to page 10 and another, own and alien. */
enum { PATH = 1, OFF_PATH = 2, ALIEN_PATH = 4, ALIEN_OFF = 8 };

static const struct row {
	const char *name;
	u32 drops, walk;
} rows[] = {
	{ "INVLPG", PAGE | GLOBAL_PAGE, PATH | OFF_PATH },
	{ "INVLPG TCE=0", PAGE | GLOBAL_PAGE, 15 },
	{ "INVLPG TCE=1", PAGE | GLOBAL_PAGE, PATH },
	{ "INVPCID 0", PAGE, PATH },
	{ "INVPCID 1", OWN, PATH | OFF_PATH },
	{ "INVPCID 2", OWN | ALIEN | GLOBALS, 15 },
	{ "INVPCID 3", OWN | ALIEN, 15 },
	{ "MOV CR3", OWN, PATH | OFF_PATH },
	{ "MOV CR4.PGE", OWN | ALIEN | GLOBALS, 15 },
	{ "INVVPID 0", PAGE | ALIEN_PAGE | GLOBAL_PAGE, PATH | ALIEN_PATH },
	{ "INVVPID 1", OWN | ALIEN | GLOBALS, 15 },
	{ "INVLPGB VA+PCID", PAGE, PATH },
	{ "INVLPGB VA+PCID+G", PAGE | GLOBAL_PAGE, PATH },
	{ "INVLPGB VA+PCID+FINAL", PAGE, 0 },
	{ "INVLPGB PCID", OWN, PATH | OFF_PATH },
	{ "INVLPGB ALL", OWN | ALIEN, 15 },
	{ "INVLPGB ALL+G", OWN | ALIEN | GLOBALS, 15 },
	{ "TLBI VAE1", PAGE | GLOBAL_PAGE, PATH },
	{ "TLBI VALE1", PAGE | GLOBAL_PAGE, 0 },
	{ "TLBI VAAE1", PAGE | ALIEN_PAGE | GLOBAL_PAGE, PATH | ALIEN_PATH },
	{ "TLBI VAALE1", PAGE | ALIEN_PAGE | GLOBAL_PAGE, 0 },
	{ "TLBI ASIDE1", OWN, PATH | OFF_PATH },
	{ "TLBI VMALLE1", OWN | ALIEN | GLOBALS, 15 },
	{ "SFENCE.VMA va,asid", PAGE, 0 },
	{ "SFENCE.VMA va", PAGE | ALIEN_PAGE | GLOBAL_PAGE, 0 },
	{ "SFENCE.VMA asid", OWN, PATH | OFF_PATH },
	{ "SFENCE.VMA", OWN | ALIEN | GLOBALS, 15 },
};

static u32 dropped_by(enum inval_scope scope, u16 asid, u64 vpn)
{
	struct envelope env = { 0 };
	u32 gone = 0, n;

	for (u32 i = 0; i < NR_KINDS; i++)
		envelope_retire(&env, &kind[i]);
	assert_int_equal(env.n, NR_KINDS);
	n = envelope_invalidate(&env, scope, asid, vpn);
	assert_int_equal(env.n, NR_KINDS - n);
	for (u32 i = 0; i < NR_KINDS; i++) {
		bool is_there = false;

		for (u32 k = 0; k < env.n; k++)
			is_there |= !memcmp(&env.e[k], &kind[i],
					    sizeof(kind[i]));
		gone |= is_there ? 0 : 1u << i;
	}
	return gone;
}

static u32 walks_dropped_by(const struct inval_op *op)
{
	u32 gone = 0;

	for (u32 i = 0; i < 4; i++)
		if (inval_drops_walk(op, 5, 10, i & 2 ? 6 : 5,
				     i & 1 ? 512 : 0, 9))
			gone |= 1u << i;
	return gone;
}

/* An operation drops exactly what its manual says it must: neighbours, other
 * address spaces and globals survive where it may leave them. */
static void test_scopes(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct inval_op *op = inval_op_find(rows[i].name);
		u32 drops, walk;

		assert_non_null(op);
		drops = dropped_by(op->scope, 5, 10);
		walk = walks_dropped_by(op);
		if (drops != rows[i].drops || walk != rows[i].walk)
			print_error("# %s: entries 0x%x want 0x%x, walks 0x%x "
				    "want 0x%x\n", op->name, drops,
				    rows[i].drops, walk, rows[i].walk);
		assert_int_equal(drops, rows[i].drops);
		assert_int_equal(walk, rows[i].walk);
	}
}

/* A broadcast form drops what its local form drops; every operation is in the
 * table above, names its source, and is found by name. */
static void test_table_is_whole(void **state)
{
	u32 n = 0;

	for (const struct inval_op *op = inval_ops; op->name; op++) {
		size_t len = strlen(op->name);
		char local[64];
		bool is_listed = false;

		assert_ptr_equal(op, inval_op_find(op->name));
		assert_true(strlen(op->source) > 10);
		snprintf(local, sizeof(local), "%s", op->name);
		if (op->arch == ARCH_ARM && op->is_broadcast) {
			const struct inval_op *other;

			assert_string_equal(op->name + len - 2, "IS");
			local[len - 2] = '\0';
			other = inval_op_find(local);
			assert_non_null(other);
			assert_int_equal(op->scope, other->scope);
			assert_int_equal(op->walk, other->walk);
			assert_false(other->is_broadcast);
		}
		if (!strncmp(local, "SINVAL.VMA", 10)) {
			const struct inval_op *other;

			memcpy(local, "SFENCE", 6);
			other = inval_op_find(local);
			assert_non_null(other);
			assert_int_equal(op->scope, other->scope);
			assert_int_equal(op->walk, other->walk);
		}
		for (size_t i = 0; i < ARRAY_LEN(rows); i++)
			is_listed |= !strcmp(rows[i].name, local);
		assert_true(is_listed);
		n++;
	}
	assert_null(inval_op_find("INVLPG "));
	printf("# %u operations\n", n);
}

static void test_rules(void **state)
{
	for (int i = 0; i < NR_ARCHS; i++) {
		assert_int_equal(arch_find(arch_rules[i].name), i);
		assert_true(arch_rules[i].asid_bits >= 8);
		assert_non_null(arch_rules[i].source);
	}
	assert_int_equal(arch_find("vax"), -1);
	/* Section 3 of the manuals, one by one. */
	assert_true(arch_rules[ARCH_X86].fault_drops_page);
	assert_false(arch_rules[ARCH_ARM].fault_drops_page);
	assert_true(arch_rules[ARCH_RISCV].caches_invalid);
	assert_false(arch_rules[ARCH_X86].caches_invalid);
	assert_true(arch_rules[ARCH_ARM].needs_bbm);
}

static const struct inval_op page_op = { .scope = INVAL_PAGE };

/* A broadcast is complete only at its initiator's sync: until then what it
 * names stays usable, and an entry that became stale anew outlives it. */
static void test_broadcast_completes_at_sync(void **state)
{
	struct envelope env = { 0 };
	u32 index[ENVELOPE_MAX];

	envelope_retire(&env, &kind[0]);
	envelope_retire(&env, &kind[1]);
	envelope_call(&env, &page_op, 5, 10, 2);
	assert_int_equal(1, envelope_candidates(&env, 5, 10, index));
	envelope_complete(&env, 1);             /* another's sync */
	assert_int_equal(1, envelope_candidates(&env, 5, 10, index));
	envelope_complete(&env, 2);
	assert_int_equal(0, envelope_candidates(&env, 5, 10, index));
	assert_int_equal(1, envelope_candidates(&env, 5, 11, index));

	envelope_retire(&env, &kind[0]);
	envelope_call(&env, &page_op, 5, 10, 2);
	envelope_retire(&env, &kind[0]);        /* valid again, stale again */
	envelope_complete(&env, 2);
	assert_int_equal(1, envelope_candidates(&env, 5, 10, index));
	envelope_call(&env, &page_op, 5, 10, 2);
	envelope_complete(&env, 2);
	assert_int_equal(0, envelope_candidates(&env, 5, 10, index));

	/* Called again after it came back: all of it goes. */
	envelope_retire(&env, &kind[0]);
	envelope_call(&env, &page_op, 5, 10, 2);
	envelope_retire(&env, &kind[0]);
	envelope_call(&env, &page_op, 5, 10, 2);
	envelope_complete(&env, 2);
	assert_int_equal(0, envelope_candidates(&env, 5, 10, index));
}

/* ---- break-before-make ------------------------------------------------------ */

enum { BBM_CPUS = 3, BBM_PAGES = 16, BBM_BITS = 2 };    /* huge: 4 pages */

/* The rule said plainly: what each CPU may still hold is a list per entry. */
struct held {
	u64 vpn, pfn;
	u32 pages, root;
	bool was_table, is_hinted;
	bool by[BBM_CPUS];
};

struct plain {
	const struct arch_rules *r;
	u32 n;
	struct held h[512];
	u64 pte[2][BBM_PAGES], pmd[2][BBM_PAGES / 4];   /* [root - 1] */
};

enum kind { NOTHING, LEAF, TABLE, PASSING };

static enum kind kind_of(const struct plain *p, u32 level, u64 pte)
{
	if (!(pte & PTE_P))
		return NOTHING;
	if (level && !(pte & PTE_PS))
		return TABLE;
	return level && pte & PTE_NT && p->r->has_nt ? PASSING : LEAF;
}

static void plain_note(struct plain *p, u32 root, u64 vpn, u32 pages, u64 old,
		       bool was_table, u64 may_hold)
{
	struct held h = { .vpn = vpn, .pfn = old >> 12 & 0xffffffffff,
			  .pages = pages, .root = root, .was_table = was_table,
			  .is_hinted = old & PTE_CONT };

	if (!may_hold)
		return;
	for (u32 c = 0; c < BBM_CPUS; c++)
		h.by[c] = may_hold >> c & 1;
	/* Another one of the same entry takes the first's place. */
	for (u32 i = 0; i < p->n; i++)
		if (p->h[i].root == root && p->h[i].vpn == vpn &&
		    p->h[i].pages == pages)
			p->h[i] = p->h[--p->n];
	p->h[p->n++] = h;
}

/* Something of @pages at @vpn is there: all that is held of it and must not be.
 * @is_leaf: it maps @pfn, and what overlaps counts, too. */
static bool plain_appears(struct plain *p, u32 root, u64 vpn, u32 pages,
			  bool is_leaf, u64 pfn, bool is_hinted)
{
	bool is_bad = false;

	for (u32 i = p->n; i-- > 0; ) {
		struct held *h = &p->h[i];
		bool is_same = h->vpn == vpn && h->pages == pages;

		if (h->root != root || h->vpn >= vpn + pages ||
		    vpn >= h->vpn + h->pages || (!is_leaf && !is_same))
			continue;
		if (!is_leaf || h->was_table || !is_same)
			is_bad |= !p->r->may_resize;
		if (is_leaf && !h->was_table)
			is_bad |= h->pfn - h->vpn != pfn - vpn ||
				  (h->is_hinted != is_hinted && !p->r->has_nt);
		*h = p->h[--p->n];
	}
	return is_bad;
}

static bool plain_changed(struct plain *p, u32 root, u64 vpn, u32 level, u64 old,
			  u64 new, const u64 *may_hold)
{
	enum kind was = kind_of(p, level, old), is = kind_of(p, level, new);
	u64 was_pfn = old >> 12 & 0xffffffffff, pfn = new >> 12 & 0xffffffffff;
	bool maps_both = was % 2 && is % 2;
	u32 pages = level ? 4 : 1;

	/* Frames that change, and sizes that change with nothing between. */
	if (maps_both && was_pfn != pfn && *may_hold)
		return true;
	/* Hints: with level 0 a reason of their own. */
	if (was == LEAF && is == LEAF && (old ^ new) >> 52 & 1 && !p->r->has_nt)
		return *may_hold;
	if (((was == LEAF && is == TABLE) || (was == TABLE && is == LEAF)) &&
	    !p->r->may_resize)
		return *may_hold;
	if (was == LEAF && is != LEAF)
		plain_note(p, root, vpn, pages, old, false, *may_hold);
	if (was == TABLE && is == PASSING)
		plain_note(p, root, vpn, pages, old, true, *may_hold);
	if (is == LEAF && was != LEAF)
		return plain_appears(p, root, vpn, pages, true, pfn,
				     new >> 52 & 1);
	if (is == TABLE && was == PASSING)
		return plain_appears(p, root, vpn, pages, false, pfn, false);
	return false;
}

static void plain_invalidated(struct plain *p, u32 cpu, u32 root, bool is_all,
			      u64 vpn)
{
	for (u32 i = p->n; i-- > 0; ) {
		struct held *h = &p->h[i];
		bool is_held = false;

		if (h->root != root)
			continue;
		if (is_all || (!h->was_table && vpn >= h->vpn &&
			       vpn < h->vpn + h->pages))
			h->by[cpu] = false;
		for (u32 c = 0; c < BBM_CPUS; c++)
			is_held |= h->by[c];
		if (!is_held)
			*h = p->h[--p->n];
	}
}

/* An entry of @level that may come next. Frames are such that a size that
 * follows another may map the same. */
static u64 random_entry(struct rng *g, u32 level, u64 vpn)
{
	u64 bits = PTE_P | PTE_PS;

	if (rng_chance(g, 1, 3))
		return 0;
	if (level && rng_chance(g, 1, 4))
		return pte_make(77, PTE_P);             /* a table */
	if (level && rng_chance(g, 1, 3))
		bits |= PTE_NT;
	if (rng_chance(g, 1, 3))
		bits |= PTE_CONT;
	return pte_make(1 + rng_below(g, 2) + (vpn & 3), bits);
}

/* @level: of FEAT_BBM. */
static void bbm_equals_the_rule(u32 level_of_bbm)
{
	const struct arch_rules rules = {
		.needs_bbm = true, .has_nt = level_of_bbm >= 1,
		.may_resize = level_of_bbm >= 2,
	};
	static struct plain p;
	u64 bad = 0, changes = 0, most = 0;
	struct bbm *b;
	struct rng g;

	rng_init(&g, check_seed("bbm"));
	memset(&p, 0, sizeof(p));
	p.r = &rules;
	assert_int_equal(bbm_create(&b, BBM_CPUS, BBM_BITS, &rules), 0);
	for (u32 i = 0; i < 400000; i++) {
		u32 root = 1 + (u32)rng_below(&g, 2), level = rng_chance(&g, 1, 3);
		u64 vpn = rng_below(&g, BBM_PAGES), mask = rng_below(&g, 8);
		u64 *slot, new;

		if (rng_chance(&g, 1, 3)) {
			u32 cpu = (u32)rng_below(&g, BBM_CPUS);
			bool is_all = rng_chance(&g, 1, 16);

			plain_invalidated(&p, cpu, root, is_all, vpn);
			if (is_all)
				bbm_invalidated_all(b, cpu, root + 7);
			else
				rng_chance(&g, 1, 2) ?
				bbm_invalidated_page(b, cpu, root + 7, vpn) :
				bbm_invalidated_loaded(b, cpu, root, vpn);
		} else {
			bool want;

			if (level)
				vpn &= ~3ull;
			slot = level ? &p.pmd[root - 1][vpn / 4]
				     : &p.pte[root - 1][vpn];
			new = random_entry(&g, level, vpn);
			want = plain_changed(&p, root, vpn, level, *slot, new,
					     &mask);
			assert_int_equal(want, bbm_changed(b, root,
					 (u16)(root + 7), vpn, level, *slot, new,
					 &mask));
			*slot = new;
			bad += want;
			changes++;
		}
		assert_int_equal(p.n, bbm_nr_open(b));
		if (p.n > most)
			most = p.n;
	}
	bbm_destroy(b);
	printf("# bbm level %u: %llu changes, %llu violations, at most %llu "
	       "open\n", level_of_bbm, (unsigned long long)changes,
	       (unsigned long long)bad, (unsigned long long)most);
	assert_true(bad > 1000 && most > 10);
}

static void test_bbm_equals_the_rule(void **state)
{
	for (u32 level = 0; level <= 2; level++)
		bbm_equals_the_rule(level);
}

/* A large page and a table of the same frames follow each other at once, through
 * nT without and with an invalidation: what each level of FEAT_BBM allows. */
static void test_bbm_levels(void **state)
{
	static const struct {
		bool by_nt, invalidates;
		bool is_bad[3];         /* [level]                            */
	} ways[] = {
		{ false, false, { true, true, false } },
		{ true, false, { true, true, false } },
		{ true, true, { true, false, false } },
	};
	const u64 block = pte_make(512, PTE_P | PTE_PS), table = pte_make(9, PTE_P);

	for (size_t i = 0; i < ARRAY_LEN(ways); i++)
		for (u32 level = 0; level <= 2; level++)
			for (u32 merge = 0; merge < 2; merge++) {
				const struct arch_rules rules = {
					.has_nt = level >= 1,
					.may_resize = level >= 2,
				};
				u64 from = merge ? table : block, all = 1;
				u64 to = merge ? block : table;
				bool is_bad = false;
				struct bbm *b;

				assert_int_equal(0, bbm_create(&b, 1, 9, &rules));
				if (ways[i].by_nt) {
					is_bad |= bbm_changed(b, 1, 8, 512, 1, from,
						block | PTE_NT, &all);
					from = block | PTE_NT;
				}
				if (ways[i].invalidates)
					bbm_invalidated_all(b, 0, 8);
				is_bad |= bbm_changed(b, 1, 8, 512, 1, from, to,
						      &all);
				assert_int_equal(ways[i].is_bad[level], is_bad);
				bbm_destroy(b);
			}
}

/* R_DDMVT: each step left out is a violation, all three are none. A frame that
 * comes back, or an entry nobody had loaded, needs none of them. */
static void test_bbm_steps(void **state)
{
	const u64 a = pte_make(7, PTE_P | PTE_RW), c = pte_make(8, PTE_P);
	const u64 both = 3, nobody = 0;
	struct bbm *b;

	assert_int_equal(bbm_create(&b, 2, 9, &arch_rules[ARCH_ARM]), 0);
	assert_true(bbm_changed(b, 1, 8, 5, 0, a, c, &both));      /* no break */
	assert_false(bbm_changed(b, 1, 8, 5, 0, a, 0, &both));
	assert_true(bbm_changed(b, 1, 8, 5, 0, 0, c, &both));      /* no TLBI */
	assert_false(bbm_changed(b, 1, 8, 5, 0, c, 0, &both));
	bbm_invalidated_page(b, 0, 8, 5);
	assert_true(bbm_changed(b, 1, 8, 5, 0, 0, a, &both));      /* half of it */
	assert_false(bbm_changed(b, 1, 8, 5, 0, a, 0, &both));
	bbm_invalidated_page(b, 0, 8, 5);
	bbm_invalidated_page(b, 1, 8, 5);
	assert_false(bbm_changed(b, 1, 8, 5, 0, 0, c, &both));     /* the rule */
	assert_false(bbm_changed(b, 1, 8, 5, 0, c, 0, &both));
	assert_false(bbm_changed(b, 1, 8, 5, 0, 0, c, &both));     /* came back */
	assert_false(bbm_changed(b, 1, 8, 5, 0, c, a, &nobody));
	/* Rights alone may change in place. */
	assert_false(bbm_changed(b, 1, 8, 5, 0, a, a & ~PTE_RW, &both));
	/* A huge page split at once, and with the steps. */
	assert_true(bbm_changed(b, 1, 8, 512, 1, pte_make(512, PTE_P | PTE_PS),
				pte_make(9, PTE_P | PTE_RW), &both));
	assert_false(bbm_changed(b, 1, 8, 512, 1, pte_make(512, PTE_P | PTE_PS), 0,
				 &both));
	bbm_invalidated_all(b, 0, 8);
	bbm_invalidated_all(b, 1, BBM_ANY_ASID);
	assert_int_equal(bbm_nr_open(b), 0);
	assert_false(bbm_changed(b, 1, 8, 700, 0, 0, pte_make(700, PTE_P), &both));
	bbm_destroy(b);
}

/* ---- arrays within the envelope ---------------------------------------------- */

enum { AE_PAGES = 1024, AE_ASIDS = 2, AE_STEPS = 300000 };

/* Two address spaces of two huge regions; a leaf is 4K, or 2M for a region. */
struct tables {
	struct tlb_entry leaf[AE_ASIDS][AE_PAGES];      /* vpn, pfn, flags    */
	bool valid[AE_ASIDS][AE_PAGES];
	struct tlb_entry huge[AE_ASIDS][2];
	bool is_huge[AE_ASIDS][2];
};

/* What memory says of (@asid, @vpn) now. */
static const struct tlb_entry *memory_leaf(const struct tables *t, u32 asid,
					   u64 vpn)
{
	if (t->is_huge[asid][vpn / 512])
		return &t->huge[asid][vpn / 512];
	return t->valid[asid][vpn] ? &t->leaf[asid][vpn] : NULL;
}

static bool says_the_same(const struct tlb_entry *e, const struct tlb_entry *m,
			  u64 vpn)
{
	return e->pfn + (vpn - e->vpn) == m->pfn + (vpn - m->vpn) &&
	       !((e->flags ^ m->flags) & (TLB_W | TLB_D));
}

/* The naive envelope: every leaf that was ever replaced, until an operation
 * that must drop it. */
struct ever {
	u32 n;
	struct tlb_entry e[4096];
};

static void retire(struct ever *v, const struct tlb_entry *e, u32 asid)
{
	struct tlb_entry old = *e;

	old.pcid = (u16)asid;
	for (u32 i = 0; i < v->n; i++)
		if (!memcmp(&v->e[i], &old, sizeof(old)))
			return;
	assert_true(v->n < ARRAY_LEN(v->e));
	v->e[v->n++] = old;
}

static void change(struct tables *t, struct ever *v, struct rng *g)
{
	u32 asid = (u32)rng_below(g, AE_ASIDS);
	u64 vpn = rng_chance(g, 1, 2) ? rng_below(g, 8) * 100
				      : rng_below(g, AE_PAGES);
	u32 region = (u32)(vpn / 512);
	u8 flags = (u8)(rng_chance(g, 1, 2) ? TLB_W | TLB_D : 0);

	if (rng_chance(g, 1, 40)) {             /* another size */
		if (t->is_huge[asid][region])
			retire(v, &t->huge[asid][region], asid);
		for (u64 p = region * 512ull; p < region * 512ull + 512; p++)
			if (!t->is_huge[asid][region] && t->valid[asid][p])
				retire(v, &t->leaf[asid][p], asid);
		t->is_huge[asid][region] = !t->is_huge[asid][region];
		t->huge[asid][region] = (struct tlb_entry){
			.vpn = region * 512ull, .order = 9, .flags = flags,
			.pfn = 512 * (2 + region + 2 * rng_below(g, 4)),
		};
		return;
	}
	if (t->is_huge[asid][region])
		return;
	if (t->valid[asid][vpn])
		retire(v, &t->leaf[asid][vpn], asid);
	t->leaf[asid][vpn] = (struct tlb_entry){
		.vpn = vpn, .pfn = rng_chance(g, 1, 2) ? 4096 + vpn
			: 1 + rng_below(g, 1000), .flags = flags,
	};
	t->valid[asid][vpn] = !rng_chance(g, 1, 4);
}

/* Half of the small pages, neighbours of those that are changed among them, begin
 * in frames of their own numbers. */
static void begin(struct tables *t, struct rng *g)
{
	for (u32 i = 0; i < AE_ASIDS * AE_PAGES; i++) {
		u64 vpn = i % AE_PAGES;

		t->valid[i / AE_PAGES][vpn] = rng_chance(g, 1, 2) || vpn % 100 < 8;
		t->leaf[i / AE_PAGES][vpn] = (struct tlb_entry){
			.vpn = vpn, .pfn = 4096 + vpn, .flags = TLB_W | TLB_D,
		};
	}
}

/* What a walker finds around @leaf: leaves of its size, in frames in order. */
static u8 contig_around(const struct tables *t, u32 asid,
			const struct tlb_entry *leaf)
{
	u8 order = leaf->order;

	for (; order < leaf->order + 4; order++) {
		u64 first = leaf->vpn >> (order + 1) << (order + 1);
		u64 pfn = leaf->pfn - (leaf->vpn - first);

		if (pfn >> (order + 1) << (order + 1) != pfn)
			return order;
		for (u64 p = first; p < first + (2ull << order);
		     p += 1ull << leaf->order) {
			const struct tlb_entry *m = p < AE_PAGES ?
				memory_leaf(t, asid, p) : NULL;

			if (!m || m->order != leaf->order || m->vpn != p ||
			    m->pfn != pfn + (p - first) ||
			    m->flags != leaf->flags)
				return order;
		}
	}
	return order;
}

static bool may_hold(const struct ever *v, const struct tables *t, u32 asid,
		     u64 vpn, const struct tlb_entry *e)
{
	const struct tlb_entry *m = memory_leaf(t, asid, vpn);

	if (m && says_the_same(e, m, vpn))
		return true;
	for (u32 i = 0; i < v->n; i++)
		if (v->e[i].pcid == asid && tlb_entry_covers(&v->e[i], vpn) &&
		    says_the_same(e, &v->e[i], vpn))
			return true;
	return false;
}

static void invalidate(struct tlb_array *a, struct ever *v, struct rng *g,
		       enum arch arch)
{
	const struct inval_op *op;
	u16 asid = (u16)rng_below(g, AE_ASIDS);
	u64 vpn = rng_chance(g, 1, 2) ? rng_below(g, 8) * 100
				      : rng_below(g, AE_PAGES);
	u32 nr = 0, pick;

	for (op = inval_ops; op->name; op++)
		nr += op->arch == arch;
	pick = (u32)rng_below(g, nr);
	for (op = inval_ops; op->arch != arch || pick--; op++)
		;
	/* Whole address spaces less often, or nothing is ever stale. */
	if (!inval_names_page(op->scope) && !rng_chance(g, 1, 20))
		return;
	tlb_array_invalidate(a, op->scope, asid, vpn);
	for (u32 i = v->n; i-- > 0; )
		if (inval_drops(op->scope, asid, vpn, &v->e[i]))
			v->e[i] = v->e[--v->n];
}

/* @joins: every array that can keeps two, or four, neighbours as one entry. */
static void arrays_within(const char *profile, enum arch arch, bool joins)
{
	static struct tables t;
	static struct ever v;
	struct tlb_array *a;
	struct machine *m;
	struct err e;
	struct rng g;
	u64 hits = 0, stale = 0, joined[2] = { 0 };

	rng_init(&g, check_seed(profile));
	memset(&t, 0, sizeof(t));
	begin(&t, &g);
	v.n = 0;
	if (machine_create(&m, "pack:1 core:1 pu:1", profile, &e))
		fail_msg("%s", e.text);
	for (u32 i = 0; i < m->tlb.nr_arrays && joins; i++) {
		struct tlb_geometry *geo = &m->tlb.array[i];

		if (geo->page_sizes & TLB_HOLDS_4K)
			geo->coalesce = 2;
		if (geo->page_sizes & TLB_HOLDS_2M)
			geo->coalesce_2m = 1;
	}
	assert_int_equal(tlb_array_create(&a, &m->tlb, 1), 0);
	for (u32 i = 0; i < AE_STEPS; i++) {
		u32 what = (u32)rng_below(&g, 16);
		u16 asid = (u16)rng_below(&g, AE_ASIDS);
		u64 vpn = rng_chance(&g, 1, 2) ? rng_below(&g, 8) * 100
					       : rng_below(&g, AE_PAGES);
		enum tlb_use use = (enum tlb_use)rng_below(&g, NR_TLB_USES);
		const struct tlb_entry *leaf = memory_leaf(&t, asid, vpn);
		struct tlb_entry *got, fill;

		if (what == 0) {
			change(&t, &v, &g);
			continue;
		}
		if (what == 1 || v.n > 3000) {
			invalidate(a, &v, &g, arch);
			continue;
		}
		if (tlb_array_access(a, use, asid, vpn, &got) != TLB_MISS) {
			hits++;
			if (!may_hold(&v, &t, asid, vpn, got))
				fail_msg("%s, step %u: page %llu of %u: frame "
					 "%llu is neither in memory nor allowed",
					 profile, i, (unsigned long long)vpn,
					 asid, (unsigned long long)got->pfn);
			stale += !leaf || !says_the_same(got, leaf, vpn);
			joined[0] += got->order && got->order < 9;
			joined[1] += got->order > 9;
		} else if (leaf) {
			fill = *leaf;
			fill.pcid = asid;
			fill.contig = contig_around(&t, asid, leaf);
			tlb_array_fill(a, use, vpn, &fill);
		}
	}
	assert_null(tlb_array_check(a));
	printf("# %s, %s: %llu hits, %llu of them stale, %llu and %llu through "
	       "joined 4K and 2M pages\n", arch_rules[arch].name, profile,
	       (unsigned long long)hits, (unsigned long long)stale,
	       (unsigned long long)joined[0], (unsigned long long)joined[1]);
	assert_true(stale > 1000);
	assert_true(!joins || (joined[0] > 1000 && joined[1] > 1000));
	tlb_array_destroy(a);
	machine_destroy(m);
}

/* A CPU's arrays never use what its architecture's envelope forbids, whatever
 * happens to the tables, under the invalidations of each architecture. */
static void test_arrays_are_within(void **state)
{
	static const char *const profiles[] = {
		"skylake-sp", "haswell-ep", "zen3-milan",
	};

	for (size_t i = 0; i < ARRAY_LEN(profiles); i++)
		for (int arch = 0; arch < NR_ARCHS; arch++)
			arrays_within(profiles[i], (enum arch)arch, false);
	arrays_within("cortex-a76", ARCH_ARM, false);
	arrays_within("cortex-a76", ARCH_ARM, true);
	arrays_within("zen3-milan", ARCH_X86, true);
	arrays_within("riscv-sv48", ARCH_RISCV, false);
}

/* ---- break-before-make, in the modelled kernel's hands ------------------------- */

/* pte_store() over a live entry is counted on Arm, and only there; with the
 * three steps it is not. */
static void test_bbm_is_counted(void **state)
{
	const u64 a = pte_make(7, PTE_P | PTE_RW), c = pte_make(8, PTE_P);

	for (int arch = 0; arch < NR_ARCHS; arch++) {
		struct sys_config cfg = {
			.arena_bytes = 1u << 20, .nr_cpus = 1,
			.paging = { .levels = 4, .bits = 9 },
			.frames_per_node = 64,
		};
		struct machine *m;
		struct sys *sys;
		struct err e;
		u64 *pte, want = arch == ARCH_ARM;

		if (machine_create(&m, "pack:1 core:1 pu:1", NULL, &e))
			fail_msg("%s", e.text);
		m->arch = (enum arch)arch;
		m->rules = arch_rules[arch];
		cfg.m = m;
		assert_int_equal(sys_create(&sys, &cfg), 0);
		direct_install(sys);
		pte = arena_alloc(&sys->arena, sizeof(*pte));
		cpu_load_cr3(1, 5, true);
		pte_store(1, 40, 0, pte, a);
		pte_store(1, 40, 0, pte, c);
		assert_int_equal(want, this_cpu->count.v[CTR_BBM_VIOLATIONS]);
		pte_xchg(1, 40, 0, pte, 0);
		cpu_invlpg(40);
		pte_store(1, 40, 0, pte, a);
		assert_int_equal(want, this_cpu->count.v[CTR_BBM_VIOLATIONS]);
		pte_xchg(1, 40, 0, pte, 0);
		cpu_invlpg(41);
		pte_store(1, 40, 0, pte, c);
		assert_int_equal(2 * want,
				 this_cpu->count.v[CTR_BBM_VIOLATIONS]);
		sys_destroy(sys);
		machine_destroy(m);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_scopes),
	cmocka_unit_test(test_table_is_whole),
	cmocka_unit_test(test_rules),
	cmocka_unit_test(test_broadcast_completes_at_sync),
	cmocka_unit_test(test_bbm_steps),
	cmocka_unit_test(test_bbm_equals_the_rule),
	cmocka_unit_test(test_bbm_levels),
	cmocka_unit_test(test_bbm_is_counted),
	cmocka_unit_test(test_arrays_are_within),
};

TEST_MAIN(tests)
