/* What each invalidating operation of each architecture must drop, and that
 * nothing else is what it names; that a CPU's arrays never hold what the
 * envelope of its architecture forbids. */
#include "tests/check.h"

#include "base/rng.h"
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
	assert_false(arch_rules[ARCH_RISCV].has_shared_asids);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_scopes),
	cmocka_unit_test(test_table_is_whole),
	cmocka_unit_test(test_rules),
};

TEST_MAIN(tests)
