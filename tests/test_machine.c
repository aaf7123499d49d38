/* test_machine.c - the machines that are shipped are the parts of the data
 * sheets, and every number says where it is from. */
#include "cpu/profile.h"
#include "cpu/profile_builtin.h"
#include "tests/machine.h"

/* The tables of the data sheet, typed anew: sets x ways of each array, by
 * level, use (l: load, s: store, f: fetch) and page sizes (bits as TLB_HOLDS_*).
 * Zen 4: 3072 entries in 8 ways are 384 sets; C1 to C4 are as resolved there. */
struct part_array {
	u32 level;
	const char *use;
	u32 sizes, sets, ways;
};

static const struct {
	const char *name;
	struct part_array array[12];
} part[] = {
#define OLD_L1D { 1, "ls", 1, 16, 4 }, { 1, "ls", 2, 8, 4 }, { 1, "ls", 4, 1, 4 }
#define NEW_L1D(sets, ways) { 1, "l", 1, sets, ways }, { 1, "l", 2, 8, 4 }, \
	{ 1, "l", 4, 1, 8 }, { 1, "s", 7, 1, 16 }
#define NEW_STLB { 2, "lsf", 3, 128, 8 }, { 2, "lsf", 5, 128, 8 }
#define ITLB(a, b) { 1, "f", 1, a, 8 }, { 1, "f", 2, b, 8 }
#define SKYLAKE_STLB { 2, "lsf", 3, 128, 12 }, { 2, "ls", 4, 4, 4 }
	{ "westmere-ex", { { 1, "ls", 1, 16, 4 }, { 1, "ls", 2, 8, 4 },
			   { 1, "f", 1, 16, 4 }, { 1, "f", 2, 1, 7 },
			   { 2, "lsf", 1, 128, 4 } } },
	{ "ivy-bridge", { { 1, "ls", 1, 16, 4 }, { 1, "ls", 2, 8, 4 },
			  { 1, "f", 1, 16, 4 }, { 1, "f", 2, 1, 8 },
			  { 2, "lsf", 1, 128, 4 } } },
	{ "haswell-ep", { OLD_L1D, ITLB(8, 1), { 2, "lsf", 3, 128, 8 } } },
	{ "broadwell-e", { OLD_L1D, ITLB(8, 1), { 2, "lsf", 3, 256, 6 },
			   { 2, "ls", 4, 4, 4 } } },
	{ "skylake-client", { OLD_L1D, ITLB(16, 1), SKYLAKE_STLB } },
	{ "skylake-sp", { OLD_L1D, ITLB(16, 1), SKYLAKE_STLB } },
	{ "cascade-lake-sp", { OLD_L1D, ITLB(16, 1), SKYLAKE_STLB } },
	{ "ice-lake-client", { NEW_L1D(16, 4), ITLB(16, 2), NEW_STLB } },
	{ "ice-lake-sp", { NEW_L1D(16, 4), ITLB(16, 2), NEW_STLB } },
	{ "tiger-lake", { NEW_L1D(16, 4), ITLB(16, 2), NEW_STLB } },
	{ "alder-lake-p", { NEW_L1D(16, 6), ITLB(32, 4), NEW_STLB } },
	{ "sapphire-rapids", { NEW_L1D(16, 6), ITLB(32, 4), NEW_STLB } },
	{ "emerald-rapids", { NEW_L1D(16, 6), ITLB(32, 4), NEW_STLB } },
	{ "granite-rapids", { NEW_L1D(16, 6), ITLB(32, 4), NEW_STLB } },
	{ "lunar-lake-p", { NEW_L1D(16, 8), ITLB(32, 4), NEW_STLB } },
#define AMD_L1(d) { 1, "ls", 7, 1, d }, { 1, "f", 7, 1, 64 }
#define AMD_L2(use, size, sets, ways) { 2, use, size, sets, ways }
	{ "zen1-naples", { AMD_L1(64), AMD_L2("ls", 1, 256, 6),
			   AMD_L2("ls", 2, 512, 3), AMD_L2("f", 1, 128, 8),
			   AMD_L2("f", 2, 128, 8) } },
	{ "zen2-rome", { AMD_L1(64), AMD_L2("ls", 1, 256, 8),
			 AMD_L2("ls", 2, 512, 4), AMD_L2("f", 1, 128, 8),
			 AMD_L2("f", 2, 128, 8) } },
	{ "zen3-milan", { AMD_L1(64), AMD_L2("ls", 1, 256, 8),
			  AMD_L2("ls", 2, 512, 4), AMD_L2("ls", 4, 1, 64),
			  AMD_L2("f", 1, 128, 4), AMD_L2("f", 2, 256, 2) } },
	{ "zen4-genoa", { AMD_L1(72), AMD_L2("ls", 1, 384, 8),
			  AMD_L2("ls", 2, 512, 6), AMD_L2("ls", 4, 1, 64),
			  AMD_L2("f", 1, 128, 4), AMD_L2("f", 2, 256, 2) } },
	{ "zen5-turin", { AMD_L1(96), AMD_L2("ls", 1, 512, 8),
			  AMD_L2("ls", 2, 1024, 4), AMD_L2("ls", 4, 256, 4),
			  AMD_L2("f", 1, 512, 4), AMD_L2("f", 2, 1024, 2) } },
#define ARM_L1(d) { 1, "ls", 3, 1, d }, { 1, "f", 3, 1, 48 }
	{ "cortex-a76", { ARM_L1(48), { 2, "lsf", 7, 256, 5 } } },
	{ "neoverse-n1", { ARM_L1(48), { 2, "lsf", 7, 256, 5 } } },
	{ "neoverse-v1", { ARM_L1(40), { 2, "lsf", 7, 256, 8 } } },
	{ "neoverse-v2", { ARM_L1(48), { 2, "lsf", 7, 256, 8 } } },
	{ "riscv-sv48", { { 1, "ls", 7, 1, 40 }, { 1, "f", 7, 1, 40 },
			  { 2, "lsf", 3, 256, 4 } } },
};

static u32 serves_of(const char *use)
{
	return (strchr(use, 'l') ? TLB_SERVES_LOAD : 0) |
		(strchr(use, 's') ? TLB_SERVES_STORE : 0) |
		(strchr(use, 'f') ? TLB_SERVES_FETCH : 0);
}

static void test_geometry_of_parts(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(part); i++) {
		struct machine *m = create(NULL, part[i].name);
		u32 nr = 0;

		for (; nr < 12 && part[i].array[nr].level; nr++) {
			const struct part_array *want = &part[i].array[nr];
			u32 found = 0;

			for (u32 k = 0; k < m->tlb.nr_arrays; k++) {
				const struct tlb_geometry *geo =
					&m->tlb.array[k];

				found += geo->level == want->level &&
					geo->serves == serves_of(want->use) &&
					geo->page_sizes == want->sizes &&
					geo->nr_sets == want->sets &&
					geo->nr_ways == want->ways;
			}
			if (found != 1)
				fail_msg("%s: %u arrays as row %u of the table",
					 part[i].name, found, nr);
		}
		assert_int_equal(nr, m->tlb.nr_arrays);
		machine_destroy(m);
	}
}

/* PCIDs, INVLPGB and LA57 as section 1.6 has them, and a refusal that says why. */
static void test_features(void **state)
{
	static const struct {
		const char *name;
		bool pcid, invpcid, invlpgb, la57, tlbi_range;
	} row[] = {
		{ "ivy-bridge", true, false, false, false, false },
		{ "haswell-ep", true, true, false, false, false },
		{ "broadwell-e", true, true, false, false, false },
		{ "skylake-sp", true, true, false, false, false },
		{ "ice-lake-client", true, true, false, false, false },
		{ "ice-lake-sp", true, true, false, true, false },
		{ "tiger-lake", true, true, false, false, false },
		{ "alder-lake-p", true, true, false, false, false },
		{ "sapphire-rapids", true, true, false, true, false },
		{ "emerald-rapids", true, true, false, true, false },
		{ "granite-rapids", true, true, false, true, false },
		{ "lunar-lake-p", true, true, false, false, false },
		{ "zen1-naples", false, false, false, false, false },
		{ "zen2-rome", false, false, false, false, false },
		{ "zen3-milan", true, true, true, false, false },
		{ "zen4-genoa", true, true, true, true, false },
		{ "zen5-turin", true, true, true, true, false },
		{ "neoverse-n1", false, false, false, false, false },
		{ "neoverse-v1", false, false, false, false, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct machine *m = create(NULL, row[i].name);
		struct err e = { "" };

		assert_int_equal(row[i].pcid, m->has_pcid);
		assert_int_equal(row[i].invpcid, m->has_invpcid);
		assert_int_equal(row[i].la57, m->has_la57);
		assert_int_equal(row[i].tlbi_range, m->has_tlbi_range);
		assert_int_equal(row[i].invlpgb ? 8 : 0, m->invlpgb_max_pages);
		assert_int_equal(row[i].invlpgb,
				 machine_has(m, FEATURE_INVLPGB, &e));
		assert_int_equal(row[i].invlpgb, !*e.text);
		if (!row[i].invlpgb && !strstr(e.text, "has no invlpgb"))
			fail_msg("%s", e.text);
		assert_int_equal(strncmp(row[i].name, "neov", 4) ? ARCH_X86
								 : ARCH_ARM,
				 m->arch);
		machine_destroy(m);
	}
}

/* Only what was used counts, and each number once. */
static void test_count_assumed(void **state)
{
	struct machine *m = create(NULL, "zen3-milan");
	bool cost[NR_COSTS] = { false };
	struct machine_use use = { .cost = cost };
	u32 base = machine_count_assumed(m, &use), before;

	assert_int_equal(2, base);              /* topology and clock */
	use.tlb = 1;                            /* l1d: policy, 16K, SMT */
	assert_int_equal(base + 3, machine_count_assumed(m, &use));
	use.psc = 1u << 1;
	assert_int_equal(base + 4, machine_count_assumed(m, &use));
	use.walker = true;                      /* six walkers are published */
	assert_int_equal(base + 4, machine_count_assumed(m, &use));
	use.cache = 1u << CACHE_L2;             /* the latency */
	assert_int_equal(base + 5, machine_count_assumed(m, &use));
	before = machine_count_assumed(m, &use);
	cost[COST_DRAM_LOCAL] = true;
	cost[COST_LINE_TRANSFER_LLC] = true;    /* published */
	assert_int_equal(before + 1, machine_count_assumed(m, &use));
	use.tlb = use.psc = use.cache = ~0u;
	memset(cost, true, sizeof(cost));
	/* All but the features, of which none is assumed here. */
	assert_int_equal(m->nr_assumed, machine_count_assumed(m, &use));
	machine_destroy(m);
}

/* A number is sourced, or says that and why it is assumed: nothing else. */
static void expect_sourced(const struct machine *m, const char *what,
			   const char *source)
{
	if (strncmp(source, "published: ", 11) &&
	    strncmp(source, "assumed: ", 9) &&
	    strncmp(source, "clock: ", 7) && strncmp(source, "papi: ", 6))
		fail_msg("%s: %s has source '%s'", m->name, what, source);
	assert_true(strlen(source) > strlen("published: ") + 8);
}

static void check_profile(const char *name)
{
	struct machine *m = create(NULL, name);
	u32 assumed = 0;

	assert_string_equal(name, m->name);
	assert_true(*m->summary && m->nr_cpus > 1);
	assert_false(m->is_memory_assumed);
	expect_sourced(m, "hz", m->hz_source);
	for (u32 i = 0; i < NR_COSTS; i++) {
		const char *key = machine_cost_name((enum cost)i);
		const char *end = key + strlen(key) - 3;

		expect_sourced(m, key, m->cost_source[i]);
		assumed += machine_cost_is_assumed(m, (enum cost)i);
		/* The unit is in the name. */
		assert_int_equal(!strcmp(machine_cost_unit((enum cost)i), "ns"),
				 end > key && !strcmp(end, "_ns"));
	}
	assert_true(assumed > 0 && assumed <= NR_COSTS);
	assumed = 0;
	for (u32 i = 0; i < m->nr_values; i++) {
		expect_sourced(m, m->value[i].key, m->value[i].source);
		assumed += machine_is_assumed(m->value[i].source);
	}
	assert_int_equal(assumed, m->nr_assumed);
	for (u32 i = 0; i < m->tlb.nr_arrays; i++)
		assert_true(tlb_geometry_is_valid(&m->tlb.array[i]));

	/* Farther is never cheaper; a modified line, DRAM and IPIs alike. */
	for (u32 h = HOP_SELF; h < HOP_REMOTE; h++) {
		assert_true(m->cost[COST_LINE_TRANSFER_SELF + h] <=
			    m->cost[COST_LINE_TRANSFER_SELF + h + 1]);
		assert_true(m->cost[COST_IPI_DELIVER_SELF + h] <=
			    m->cost[COST_IPI_DELIVER_SELF + h + 1]);
	}
	assert_true(m->cost[COST_DRAM_LOCAL] < m->cost[COST_DRAM_REMOTE]);
	/* The rule in costs.def by which a remote copy is derived, per mille. */
	assert_in_range(m->cost[COST_COPY_4K_REMOTE] * 1000 *
			m->cost[COST_DRAM_LOCAL] / m->cost[COST_DRAM_REMOTE] /
			m->cost[COST_COPY_4K_LOCAL], 990, 1010);
	assert_in_range(m->cost[COST_COPY_2M_REMOTE] * 1000 *
			m->cost[COST_DRAM_LOCAL] / m->cost[COST_DRAM_REMOTE] /
			m->cost[COST_COPY_2M_LOCAL], 990, 1010);
	machine_destroy(m);
}

static int collect(void *arg, const struct machine_brief *b)
{
	u32 *nr = arg;

	if (!b->is_usable)
		fail_msg("%s", b->summary);
	assert_true(*b->summary && *b->arch && *b->l1d && *b->l2);
	check_profile(b->name);
	(*nr)++;
	return 0;
}

static void test_shipped_profiles(void **state)
{
	u32 nr = 0;

	assert_int_equal(0, machine_list(collect, &nr));
	assert_int_equal(ARRAY_LEN(part), nr);
}

/* Each file of machines/ is compiled in, byte for byte, and loads from there. */
static void test_builtin_profiles(void **state)
{
	assert_int_equal(ARRAY_LEN(part), nr_profile_builtin);
	for (size_t i = 0; i < nr_profile_builtin; i++) {
		const struct profile_builtin *b = &profile_builtin[i];
		size_t len = (size_t)(b->end - b->start);
		struct profile *p = NULL;
		struct err e = { "" };
		char path[128], *text = malloc(len + 1);
		FILE *f;

		snprintf(path, sizeof(path), "machines/%s.ini", b->name);
		f = fopen(path, "r");
		assert_non_null(f);
		assert_int_equal(len, fread(text, 1, len + 1, f));
		fclose(f);
		assert_memory_equal(text, b->start, len);
		free(text);
		assert_int_equal(0, profile_parse(&p, b->name, b->start, len,
						  &e));
		assert_string_equal(b->name, p->name);
		profile_free(p);
	}
}

static void expect_tlb(const struct tlb_geometry *geo, u32 sets, u32 ways,
		       u32 sizes, enum tlb_index index, u32 bits,
		       enum tlb_repl repl)
{
	assert_int_equal(sets, geo->nr_sets);
	assert_int_equal(ways, geo->nr_ways);
	assert_int_equal(sizes, geo->page_sizes);
	assert_int_equal(index, geo->index);
	assert_int_equal(bits, geo->index_bits);
	assert_int_equal(repl, geo->replacement);
}

static const struct tlb_geometry *array_of(const struct machine *m,
					   const char *name)
{
	for (u32 i = 0; i < m->tlb.nr_arrays; i++)
		if (!strcmp(m->tlb.array[i].name, name))
			return &m->tlb.array[i];
	fail_msg("%s has no array %s", m->name, name);
	return NULL;
}

static void test_skylake_geometry(void **state)
{
	struct machine *m = create("skylake-sp", NULL);

	expect_tlb(array_of(m, "l1d_4k"), 16, 4, TLB_HOLDS_4K, TLB_INDEX_LINEAR,
		   4, TLB_REPL_TREE_PLRU);
	expect_tlb(array_of(m, "l1d_2m"), 8, 4, TLB_HOLDS_2M, TLB_INDEX_LINEAR,
		   3, TLB_REPL_TREE_PLRU);
	expect_tlb(array_of(m, "stlb"), 128, 12, TLB_HOLDS_4K | TLB_HOLDS_2M,
		   TLB_INDEX_XOR, 7, TLB_REPL_MRU1_3PLRU4);
	assert_int_equal(9, array_of(m, "stlb")->hit_cycles);
	assert_int_equal(2500000000, m->hz);
	assert_int_equal(204, m->cost[COST_DRAM_LOCAL]);    /* 203.5 rounds up */
	assert_int_equal(715, m->cost[COST_FAULT_ENTRY]);
	machine_destroy(m);
}

/* The two published shootdown figures that costs.def derives deliveries from
 * must come out of the sum again, within 1 %. */
static void test_ipi_costs_add_up(void **state)
{
	struct machine *m = create(NULL, "haswell-ep");
	const u64 *c = m->cost;
	u64 near = c[COST_ICR_WRITE] + c[COST_IPI_DELIVER_LLC] +
		   c[COST_IRQ_ENTRY] + 2 * c[COST_LINE_TRANSFER_LLC] +
		   c[COST_ACK];
	u64 far = 15 * c[COST_ICR_WRITE] + c[COST_IPI_DELIVER_REMOTE] +
		  c[COST_IRQ_ENTRY] + 2 * c[COST_LINE_TRANSFER_REMOTE] +
		  c[COST_ACK];

	assert_in_range(near, 2150 * 99 / 100, 2150 * 101 / 100);
	assert_in_range(machine_cycles_to_ns(m, far), 2700 * 99 / 100,
			2700 * 101 / 100);
	machine_destroy(m);
}

static void test_time_conversion(void **state)
{
	struct machine *m = create("pu:1", "skylake-sp");

	assert_int_equal(2500, machine_ns_to_cycles(m, 1000));
	assert_int_equal(1000, machine_cycles_to_ns(m, 2500));
	/* A century does not overflow. */
	assert_int_equal(3155760000ull * 2500000000ull,
			 machine_ns_to_cycles(m, 3155760000000000000ull));
	machine_destroy(m);
}

/* A profile gives costs, another machine the topology. */
static void test_spec_and_profile_mix(void **state)
{
	struct machine *m = create("haswell-ep", "skylake-sp");

	assert_string_equal("skylake-sp", m->name);
	assert_int_equal(2, m->nr_packages);
	assert_int_equal(2500000000, m->hz);
	machine_destroy(m);
	m = create("haswell-ep", NULL);
	assert_string_equal("haswell-ep", m->name);
	assert_int_equal(2600000000, m->hz);
	machine_destroy(m);
	m = create("machines/haswell-ep.ini", NULL);
	assert_string_equal("haswell-ep", m->name);
	machine_destroy(m);
}

struct seen {
	u32 nr, costs;
	bool has_stlb;
};

static int see(void *arg, const struct machine_row *row)
{
	struct seen *s = arg;

	s->nr++;
	assert_true(*row->key && *row->value && row->source);
	for (u32 i = 0; i < NR_COSTS; i++) {
		if (strcmp(row->key, machine_cost_name((enum cost)i)))
			continue;
		s->costs++;
		assert_string_equal(machine_cost_unit((enum cost)i), row->unit);
		assert_true(*row->source);
	}
	if (!strcmp(row->key, "tlb.stlb.hit_cycles"))
		assert_string_equal("9", row->value);
	if (!strcmp(row->key, "dram_local_ns"))
		assert_string_equal("81.4", row->value);
	if (!strcmp(row->key, "tlb.stlb")) {
		s->has_stlb = true;
		assert_string_equal("1536 (128 sets x 12 ways, 4k,2m, index "
				    "xor-7, mru1-3plru4)", row->value);
	}
	return 0;
}

static int stop_at_second(void *arg, const struct machine_row *row)
{
	return ++*(u32 *)arg == 2 ? 5 : 0;
}

static void test_describe(void **state)
{
	struct machine *m = create("skylake-sp", NULL);
	struct seen s = { 0 };
	u32 calls = 0;

	assert_int_equal(0, machine_describe(m, see, &s));
	assert_int_equal(NR_COSTS, s.costs);
	assert_true(s.has_stlb);
	assert_int_equal(5, machine_describe(m, stop_at_second, &calls));
	assert_int_equal(2, calls);
	machine_destroy(m);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_shipped_profiles),
	cmocka_unit_test(test_geometry_of_parts),
	cmocka_unit_test(test_features),
	cmocka_unit_test(test_count_assumed),
	cmocka_unit_test(test_builtin_profiles),
	cmocka_unit_test(test_skylake_geometry),
	cmocka_unit_test(test_ipi_costs_add_up),
	cmocka_unit_test(test_time_conversion),
	cmocka_unit_test(test_spec_and_profile_mix),
	cmocka_unit_test(test_describe),
};

MACHINE_MAIN(tests)
