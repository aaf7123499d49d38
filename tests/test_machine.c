/* test_machine.c - machines are what their topology and profile say, every
 * number says where it is from, and a mistake is named with its place. */
#include <errno.h>
#include <hwloc.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/rng.h"
#include "cpu/machine.h"
#include "cpu/profile.h"
#include "cpu/profile_builtin.h"
#include "cpu/topology.h"
#include "tests/check.h"

static struct machine *create(const char *spec, const char *profile)
{
	struct machine *m = NULL;
	struct err e = { "" };

	if (machine_create(&m, spec, profile, &e))
		fail_msg("%s: %s", spec ? spec : "NULL", e.text);
	return m;
}

/* --- topology ------------------------------------------------------------ */

static const struct {
	const char *spec;
	u32 cpus, cores, llcs, packages, nodes;
} shape[] = {
	{ "pu:1", 1, 1, 1, 1, 1 },
	{ "pack:1 core:2 pu:1", 2, 2, 1, 1, 1 },
	{ "pack:2 core:1 pu:1", 2, 2, 2, 2, 2 },
	{ "pack:4 core:8 pu:1", 32, 32, 4, 4, 4 },
	{ "pack:4 [numa] core:2 pu:1", 8, 8, 4, 4, 4 },
	{ "pack:2 core:4 pu:2", 16, 8, 2, 2, 2 },
	{ "pack:2 [numa] l3:4 core:2 pu:2", 32, 16, 8, 2, 2 },
	{ "pack:2 numa:2 core:2 pu:1", 8, 8, 2, 2, 4 },
	{ "numa:4 core:2 pu:1", 8, 8, 1, 1, 4 },
	{ "[numa] pack:4 core:2 pu:1", 8, 8, 4, 4, 1 },
	{ "pack:2 [numa(memory=4GiB)] l2:2 l1d:2 core:1 pu:1",
	  8, 8, 4, 2, 2 },
	{ "pack:16 core:16 pu:1", 256, 256, 16, 16, 16 },
	{ "pack:16 core:32 pu:2", 1024, 512, 16, 16, 16 },
};

static void test_synthetic_shapes(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(shape); i++) {
		struct machine *m = create(shape[i].spec, NULL);

		if (m->nr_cpus != shape[i].cpus ||
		    m->nr_cores != shape[i].cores ||
		    m->nr_llcs != shape[i].llcs ||
		    m->nr_packages != shape[i].packages ||
		    m->nr_nodes != shape[i].nodes)
			fail_msg("%s: got %u cpus %u cores %u llcs %u packages "
				 "%u nodes", shape[i].spec, m->nr_cpus,
				 m->nr_cores, m->nr_llcs, m->nr_packages,
				 m->nr_nodes);
		assert_string_equal(shape[i].spec, m->topology);
		for (u32 c = 0; c < m->nr_cpus; c++) {
			assert_true(m->cpu[c].node < m->nr_nodes);
			assert_true(m->cpu[c].package < m->nr_packages);
			assert_true(m->cpu[c].llc < m->nr_llcs);
			assert_true(m->cpu[c].core < m->nr_cores);
			assert_int_equal(c % (m->nr_cpus / m->nr_cores),
					 m->cpu[c].smt);
		}
		machine_destroy(m);
	}
}

/* Without a NUMA level each package has a node of its own, and the notes say
 * so; with one, they do not. */
static void test_node_per_package(void **state)
{
	struct machine *m = create("pack:4 core:2 pu:1", NULL);

	assert_non_null(strstr(m->notes, "one per package"));
	assert_true(m->is_memory_assumed);
	for (u32 c = 0; c < m->nr_cpus; c++)
		assert_int_equal(c / 2, m->cpu[c].node);
	machine_destroy(m);

	m = create("pack:2 [numa(memory=4GiB)] core:2 pu:1", NULL);
	assert_null(strstr(m->notes, "one per package"));
	assert_false(m->is_memory_assumed);
	assert_int_equal(4ull << 30, m->node_bytes[0]);
	assert_int_equal(4ull << 30, m->node_bytes[1]);
	machine_destroy(m);
}

static void test_assumed_distances(void **state)
{
	static const u32 want[4][4] = {
		{ 10, 20, 21, 21 }, { 20, 10, 21, 21 },
		{ 21, 21, 10, 20 }, { 21, 21, 20, 10 },
	};
	struct machine *m = create("pack:2 numa:2 core:2 pu:1", NULL);

	assert_true(m->is_distance_assumed);
	for (u32 a = 0; a < 4; a++)
		for (u32 b = 0; b < 4; b++)
			assert_int_equal(want[a][b], machine_distance(m, a, b));
	assert_non_null(strstr(m->notes, "distances are assumed"));
	machine_destroy(m);
}

static void test_hops(void **state)
{
	/* 8 CPUs a package, 4 an LLC, 2 a core. */
	struct machine *m = create("pack:2 [numa] l3:2 core:2 pu:2", NULL);

	assert_int_equal(HOP_SELF, machine_hop(m, 5, 5));
	assert_int_equal(HOP_SMT, machine_hop(m, 0, 1));
	assert_int_equal(HOP_LLC, machine_hop(m, 1, 2));
	assert_int_equal(HOP_LLC, machine_hop(m, 0, 3));
	assert_int_equal(HOP_PACKAGE, machine_hop(m, 3, 4));
	assert_int_equal(HOP_PACKAGE, machine_hop(m, 0, 7));
	assert_int_equal(HOP_REMOTE, machine_hop(m, 7, 8));
	assert_int_equal(HOP_REMOTE, machine_hop(m, 0, 15));
	assert_int_equal(0x1f, m->hops_present);
	for (u32 a = 0; a < m->nr_cpus; a++)
		for (u32 b = 0; b < m->nr_cpus; b++)
			assert_int_equal(machine_hop(m, a, b),
					 machine_hop(m, b, a));
	assert_int_equal(m->cost[COST_LINE_TRANSFER_REMOTE],
			 machine_line_transfer(m, 0, 15));
	assert_int_equal(m->cost[COST_IPI_DELIVER_PACKAGE],
			 machine_ipi_deliver(m, 0, 7));
	assert_int_equal(m->cost[COST_DRAM_LOCAL], machine_dram(m, 3, 0));
	assert_int_equal(m->cost[COST_DRAM_REMOTE], machine_dram(m, 3, 1));
	machine_destroy(m);
}

/* The lookahead is bounded by the nearest pair that exists, so a machine whose
 * CPUs are all remote looks further than one with neighbours. */
static void test_lookahead(void **state)
{
	struct machine *m = create("pack:4 core:1 pu:1", NULL);

	assert_int_equal(m->cost[COST_IPI_DELIVER_REMOTE],
			 machine_lookahead_cycles(m));
	machine_destroy(m);
	m = create("pack:4 core:2 pu:1", NULL);
	assert_int_equal(m->cost[COST_IPI_DELIVER_LLC],
			 machine_lookahead_cycles(m));
	assert_true(m->cost[COST_IPI_DELIVER_LLC] <
		    m->cost[COST_IPI_DELIVER_REMOTE]);
	machine_destroy(m);
	m = create("pu:1", NULL);
	assert_true(machine_lookahead_cycles(m) == UINT64_MAX);
	machine_destroy(m);
}

static void expect_same_topology(const struct machine *a,
				 const struct machine *b)
{
	assert_int_equal(a->nr_cpus, b->nr_cpus);
	assert_int_equal(a->nr_cores, b->nr_cores);
	assert_int_equal(a->nr_llcs, b->nr_llcs);
	assert_int_equal(a->nr_packages, b->nr_packages);
	assert_int_equal(a->nr_nodes, b->nr_nodes);
	assert_memory_equal(a->cpu, b->cpu, a->nr_cpus * sizeof(*a->cpu));
	assert_memory_equal(a->node_bytes, b->node_bytes,
			    a->nr_nodes * sizeof(*a->node_bytes));
}

/* What hwloc writes for a synthetic machine comes back as the same machine. */
static void test_xml_round_trip(void **state)
{
	static const char *const spec[] = {
		"pack:2 [numa(memory=4GiB)] core:2 pu:2",
		"pack:2 [numa(memory=1GiB)] l3:2 core:4 pu:1",
	};
	char path[] = "/tmp/test_machine_XXXXXX.xml";
	int fd = mkstemps(path, 4);

	assert_true(fd >= 0);
	close(fd);
	for (size_t i = 0; i < ARRAY_LEN(spec); i++) {
		struct machine *a = create(spec[i], NULL), *b;
		hwloc_topology_t t;

		assert_int_equal(0, hwloc_topology_init(&t));
		assert_int_equal(0, hwloc_topology_set_synthetic(t, spec[i]));
		assert_int_equal(0, hwloc_topology_load(t));
		assert_int_equal(0, hwloc_topology_export_xml(t, path, 0));
		hwloc_topology_destroy(t);
		b = create(path, NULL);
		expect_same_topology(a, b);
		machine_destroy(a);
		machine_destroy(b);
	}
	unlink(path);
}

/* A file with a distance matrix: it is used as it is, not assumed. */
static void test_xml_distances(void **state)
{
	static const u32 first[4] = { 10, 16, 22, 16 };
	struct machine *m = create("tests/data/ring4.xml", NULL);
	struct machine *s = create("pack:4 [numa(memory=8GiB)] l3:1 core:2 pu:2",
				   NULL);

	expect_same_topology(s, m);
	assert_false(m->is_distance_assumed);
	assert_true(s->is_distance_assumed);
	for (u32 a = 0; a < 4; a++)
		for (u32 b = 0; b < 4; b++)
			assert_int_equal(first[(b - a) & 3],
					 machine_distance(m, a, b));
	/* Three distances: memory is the farther the dearer, in proportion;
	 * 16 is half way between 10 and 22. */
	for (u32 cpu = 0; cpu < m->nr_cpus; cpu++)
		for (u32 b = 0; b < 4; b++) {
			u64 local = m->cost[COST_DRAM_LOCAL];
			u64 remote = m->cost[COST_DRAM_REMOTE];
			u32 d = first[(b - m->cpu[cpu].node) & 3];

			assert_in_range(machine_dram(m, cpu, b),
				(local * 12 + (remote - local) * (d - 10)) / 12,
				(local * 12 + (remote - local) * (d - 10) + 11)
				/ 12);
		}
	assert_true(machine_dram(m, 0, 0) < machine_dram(m, 0, 1));
	assert_true(machine_dram(m, 0, 1) < machine_dram(m, 0, 2));
	assert_int_equal(machine_dram(m, 0, 1), machine_dram(m, 0, 3));
	machine_destroy(m);
	machine_destroy(s);
}

static void test_host(void **state)
{
	struct machine *m = create("host", NULL);

	assert_true(m->nr_cpus >= 1 && m->nr_nodes >= 1);
	machine_destroy(m);
}

/* --- what the caller got wrong ------------------------------------------- */

static void expect_error(int want, const char *spec, const char *profile,
			 const char *part, const char *part2)
{
	struct machine *m = NULL;
	struct err e = { "" };
	int got = machine_create(&m, spec, profile, &e);

	if (got != want || !strstr(e.text, part) || !strstr(e.text, part2))
		fail_msg("'%s': got %d '%s', wanted %d with '%s' and '%s'",
			 spec ? spec : profile, got, e.text, want, part, part2);
	assert_null(m);
}

static void test_bad_specs(void **state)
{
	static const char eg[] = TOPOLOGY_EXAMPLE;
	char big[600];

	expect_error(-EINVAL, "pack:4 cores_of:2 pu:1", NULL, "'cores_of:2'", eg);
	expect_error(-EINVAL, "pack:4 core:0 pu:1", NULL, "'core:0'", eg);
	expect_error(-EINVAL, "pack:4 core:x pu:1", NULL, "'core:x'", eg);
	expect_error(-EINVAL, "pack:-4 pu:1", NULL, "'pack:-4'", eg);
	expect_error(-EINVAL, "pack:4 [nma] pu:1", NULL, "'[nma]'", eg);
	expect_error(-EINVAL, "pack:2 pu:2 core:2", NULL, "'core:2'", eg);
	expect_error(-EINVAL, "pack:4 core:8", NULL, "last level", eg);
	expect_error(-EINVAL, "", NULL, "hwloc", eg);
	expect_error(-EINVAL, "pack:2 (", NULL, "hwloc", eg);
	expect_error(-E2BIG, "pack:64 core:64 pu:1", NULL, "4096", "1024");
	expect_error(-E2BIG, "pack:33 core:16 pu:2", NULL, "1056", "1024");
	expect_error(-E2BIG, "pack:1000000 core:1000000 pu:9", NULL,
		     "million", "1024");
	expect_error(-EINVAL, "skylake-ps", NULL, "did you mean", "skylake-sp");
	expect_error(-EINVAL, "qqqqqq", NULL, "qqqqqq", eg);
	expect_error(-ENOENT, "pu:1", "zen3-millan", "zen3-millan",
		     "did you mean 'zen3-milan'?");
	expect_error(-ENOENT, "no/such.xml", NULL, "no/such.xml", "No such file");
	expect_error(-ENOENT, "no/such.ini", NULL, "no/such.ini", "No such file");

	/* Long texts are cut, not overrun. */
	memset(big, 'x', sizeof(big));
	memcpy(big, "pack:", 5);
	big[sizeof(big) - 1] = '\0';
	expect_error(-EINVAL, big, NULL, "hwloc", "pack:xxx");
}

/* Every proper prefix of an XML file is refused with its name. */
static void test_damaged_xml(void **state)
{
	char text[16384], path[] = "/tmp/test_machine_XXXXXX.xml";
	FILE *f = fopen("tests/data/ring4.xml", "r");
	size_t len, last;
	int fd = mkstemps(path, 4);

	assert_non_null(f);
	assert_true(fd >= 0);
	close(fd);
	len = fread(text, 1, sizeof(text), f);
	fclose(f);
	assert_true(len > 1000 && len < sizeof(text));
	last = len - strlen("</topology>\n");
	for (size_t cut = 0; cut <= last; cut += last - cut > 997 ? 997 :
	     cut == last ? 1 : last - cut) {
		f = fopen(path, "w");
		fwrite(text, 1, cut, f);
		fclose(f);
		expect_error(-EINVAL, path, NULL, path, cut > 100 ?
			     "truncated" : "not an hwloc topology");
	}
	f = fopen(path, "w");
	fputs("<topology version=\"2.0\"><object type=\"Cheese\"/></topology>\n",
	      f);
	fclose(f);
	expect_error(-EINVAL, path, NULL, path, "does not accept");
	unlink(path);
}

/* --- costs and profiles -------------------------------------------------- */

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

/* --- malformed profiles -------------------------------------------------- */

static const char good[] =
	"[machine]\n"                                   /*  1 */
	"name = tiny\n"
	"summary = a test\n"
	"topology = pack:2 core:1 pu:1 | assumed: small\n"
	"hz = 1GHz | assumed: round number\n"           /*  5 */
	"arch = x86 | assumed: why not\n"
	"invlpgb = 8 | assumed: all have it\n"
	"[tlb]\n"
	"pcid_slots = 4 | assumed: four\n"
	"[tlb.l1d_4k]\n"                                /* 10 */
	"level = 1\n"
	"serves = data\n"
	"entries = 16\n"
	"ways = 4\n"
	"sizes = 4k, 2m\n"                              /* 15 */
	"index = linear\n"
	"replacement = lru | assumed: it is the best\n"
	"source = assumed: small\n"
	"[tlb.stlb]\n"
	"level = 2\n"                                   /* 20 */
	"serves = load, store, fetch\n"
	"entries = 1536\n"
	"ways = 12\n"
	"sets = 128\n"
	"sizes = 4k, 2m\n"                              /* 25 */
	"index = xor-7\n"
	"replacement = mru1-3plru4\n"
	"hit_cycles = 9\n"
	"coalesce = 16k\n"
	"smt = split\n"                                 /* 30 */
	"source = assumed: large\n"
	"[psc]\n"
	"pde = 32x4\n"
	"pdpte = 3 | assumed: odd\n"
	"source = assumed: psc\n"                       /* 35 */
	"[walker]\n"
	"count = 2 | assumed: two\n"
	"[cache.l2]\n"
	"bytes = 1M\n"
	"ways = 16\n"                                   /* 40 */
	"latency = 14\n"
	"source = assumed: cache\n"
	"[cost]\n"
	"invlpg = 100 | assumed: round\n"
	"dram_local_ns = 80.5 | assumed: two\n"         /* 45 */
	"  lines of text\n";

static const struct {
	const char *from, *to;  /* edit of the good text                      */
	const char *want, *also;        /* parts of the error                 */
} bad[] = {
	/* [machine] and [cost] */
	{ "invlpg = 100", "invlgp = 100", "p:44: [cost] has no key 'invlgp'",
	  "did you mean 'invlpg'?" },
	{ "invlpg = 100", "invlpg = -1", "p:44: invlpg: '-1'",
	  "from 0 to 1000000000 cycles" },
	{ "invlpg = 100", "invlpg = nan", "p:44: invlpg: 'nan'", "from 0 to" },
	{ "invlpg = 100", "invlpg = 2e9", "p:44: invlpg: '2e9'", "from 0 to" },
	{ "invlpg = 100", "invlpg = 10q", "p:44: invlpg: '10q'", "from 0 to" },
	{ "= 80.5", "= much", "p:45: dram_local_ns: 'much'",
	  "from 0 to 1000000000 ns" },
	{ "100 | assumed: round", "100", "p:44: 'invlpg' needs",
	  "VALUE | where" },
	{ "100 | assumed: round", "100 |", "p:44: 'invlpg' needs", "assumed" },
	{ "100 | assumed: round", "| assumed: round", "p:44: 'invlpg' needs",
	  "VALUE | where" },
	{ "100 | assumed: round", "100 | published: x; assumed: y",
	  "p:44: 'invlpg': a source that holds 'assumed:' must begin", "own" },
	{ "dram_local_ns", "invlpg", "p:45: 'invlpg' was given in line 44", "" },
	{ "dram_local_ns = 80.5 | assumed: two", "dram_local_ns 80.5", "p:45: ",
	  "'KEY = VALUE'" },
	{ "[cost]", "[costs]", "p:44: no section [costs]",
	  "did you mean 'cost'?" },
	{ "[cost]", "[cost", "p:43: ", "'[section]'" },
	{ "1GHz", "1kHz", "p:5: hz: '1kHz'", "from 1MHz to 100GHz" },
	{ "1GHz", "fast", "p:5: hz: 'fast'", "from 1MHz to 100GHz" },
	{ "1GHz | assumed: round number", "1GHz", "p:5: 'hz' needs", "VALUE" },
	{ "pu:1 | assumed: small", "pu:1", "p:4: 'topology' needs", "VALUE" },
	{ "name = tiny\n", "", "the file ends and [machine] has no 'name'",
	  "p:45:" },
	{ "arch = x86 | assumed: why not\n", "",
	  "the file ends and [machine] has no 'arch'", "p:45:" },
	{ "name = tiny", "nmae = tiny", "p:2: [machine] has no key 'nmae'",
	  "'name'" },
	{ "summary = a test", "summary =", "p:3: 'summary' is empty", "" },
	{ "= x86", "= x68", "p:6: arch: 'x68'", "x86, arm, riscv" },
	{ "invlpgb = 8", "invlpgb = -1", "p:7: invlpgb: '-1'",
	  "from 0 to 65536" },
	{ "invlpgb = 8", "pcid = perhaps", "p:7: pcid: 'perhaps'",
	  "yes nor no" },
	{ "invlpgb = 8", "invplgb = 8", "[machine] has no key 'invplgb'",
	  "did you mean 'invlpgb'?" },
	/* [tlb] and [tlb.NAME] */
	{ "pcid_slots = 4", "pcid_slots = 65", "p:9: pcid_slots: '65'",
	  "from 0 to 64" },
	{ "pcid_slots = 4", "pcid_slot = 4", "p:9: [tlb] has no key",
	  "did you mean 'pcid_slots'?" },
	{ "pcid_slots = 4 | assumed: four", "pcid_slots = 4",
	  "p:9: [tlb] ends without 'source'", "'pcid_slots' has no" },
	{ "level = 1", "level = 3", "p:11: level: '3'", "from 1 to 2" },
	{ "= data", "= loads", "p:12: serves: 'loads'", "did you mean 'load'?" },
	{ "= data", "= load", "level 1 that serves a store and holds 4k", "p:46" },
	{ "[tlb.l1d_4k]", "[tlb.L1]", "[tlb.L1]: a name has 1 to 24 of a-z",
	  "p:11" },
	{ "[tlb.l1d_4k]", "[tlb.]", "[tlb.]: a name has 1 to 24", "p:11" },
	{ "ways = 4\n", "ways = 32769\n", "p:14: ways: '32769'",
	  "from 1 to 32768" },
	{ "ways = 4\n", "ways = 0\n", "p:14: ways: '0'", "from 1 to 32768" },
	{ "ways = 4\n", "ways = 5\n", "p:13: [tlb.l1d_4k] entries = 16",
	  "sets * ways" },
	{ "ways = 4\n", "", "p:17: [tlb.l1d_4k] ends without 'ways'",
	  "1 to 32768, or full" },
	{ "ways = 4\n", "wasy = 4\n", "p:14: [tlb.l1d_4k] has no key 'wasy'",
	  "did you mean 'ways'?" },
	{ "sets = 128", "sets = 64", "p:22: [tlb.stlb] entries = 1536", "" },
	{ "xor-7", "xor-6", "p:26: [tlb.stlb] index = xor-6",
	  "expected xor-7" },
	{ "xor-7", "xor", "p:26: index: 'xor'", "N from 1 to 16" },
	{ "= lru", "= mru1-3plru4", "p:17: [tlb.l1d_4k] replacement",
	  "take 12" },
	{ "= lru", "= lru-3plru4", "p:17: [tlb.l1d_4k] replacement",
	  "take 12" },
	{ "= mru1-3plru4", "= tree-plru", "p:27: [tlb.stlb] replacement",
	  "power of two" },
	{ "= lru", "= fifi", "p:17: replacement: 'fifi'",
	  "did you mean 'fifo'?" },
	{ "4k, 2m\nindex = linear", "4k, 3m\nindex = linear",
	  "p:15: sizes: '3m'", "4k, 2m, 1g" },
	{ "4k, 2m\nindex = linear", "4k\nindex = linear",
	  "serves a load and holds 2m pages", "p:46" },
	{ "index = linear\n", "", "p:17: [tlb.l1d_4k] ends without 'index'",
	  "4 sets" },
	{ "replacement = lru | assumed: it is the best\n", "",
	  "p:17: [tlb.l1d_4k] ends without", "'replacement'" },
	{ "source = assumed: large\n", "",
	  "p:20: [tlb.stlb] ends without 'source'", "'level' has no" },
	{ "hit_cycles = 9\n", "", "p:30: [tlb.stlb] ends without 'hit_cycles'",
	  "0 to 10000" },
	{ "index = linear", "index = linear\nhit_cycles = 1",
	  "p:17: [tlb.l1d_4k] hit_cycles is for level 2", "" },
	{ "coalesce = 16k", "coalesce = 12k", "p:29: coalesce: '12k'",
	  "power of two from 4k to 1m" },
	{ "smt = split", "smt = divided", "p:30: smt: 'divided'",
	  "shared, split, private" },
	{ "level = 2\n", "level = 1\n",
	  "p:28: [tlb.stlb] hit_cycles is for level 2", "" },
	{ "[psc]", "[tlb.x]\nlevel = 1\nserves = load\nentries = 4\n"
	  "ways = full\nsizes = 4k\nreplacement = lru\nsource = assumed: x\n"
	  "[psc]", "p:39: [tlb.x] is one array too many of level 1 for a load "
	  "of 4k pages", "" },
	/* [psc], [walker], [cache.NAME] */
	{ "32x4", "32x5", "p:33: pde: '32x5'", "divisor" },
	{ "32x4", "0", "p:33: pde: '0'", "1 to 4096 entries" },
	{ "32x4", "4097", "p:33: pde: '4097'", "1 to 4096 entries" },
	{ "32x4", "32x", "p:33: pde: '32x'", "ENTRIESxWAYS" },
	{ "pde", "pdee", "p:33: [psc] has no key 'pdee'",
	  "did you mean 'pde'?" },
	{ "count = 2", "count = 0", "p:37: count: '0'", "from 1 to 64" },
	{ "count = 2", "counts = 2", "p:37: [walker] has no key 'counts'",
	  "did you mean 'count'?" },
	{ "[walker]\ncount = 2 | assumed: two\n", "",
	  "the file ends and [walker] has no 'count'", "1 to 64" },
	{ "bytes = 1M", "bytes = 1", "p:39: bytes: '1'", "from 64 to 16G" },
	{ "bytes = 1M", "bytes = 1000", "p:39: [cache.l2] bytes",
	  "whole number of sets of 16 ways" },
	{ "latency = 14\n", "", "p:41: [cache.l2] ends without 'latency'",
	  "1 to 100000 cycles" },
	{ "latency = 14", "latency = 83", "p:45: dram_local_ns: 80.5 ns are 80",
	  "at least 83 are possible" },
	{ "latency = 14", "latency = 0", "p:41: latency: '0'", "from 1 to" },
	{ "[cache.l2]", "[cache.l4]", "p:39: no section [cache.l4]",
	  "did you mean 'cache.l2'?" },
	{ "[cache.l2]", "[cache.l1d]\nbytes = 32K\nways = 8\nlatency = 15\n"
	  "source = assumed: slow\n[cache.l2]",
	  "p:46: [cache.l2] latency = 14 is below that of the level before",
	  "15" },
};

static char *edited(const char *from, const char *to)
{
	const char *at = strstr(good, from);
	char *text = malloc(sizeof(good) + strlen(to));

	assert_non_null(at);
	sprintf(text, "%.*s%s%s", (int)(at - good), good, to,
		at + strlen(from));
	return text;
}

static void test_malformed_profiles(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char *text = edited(bad[i].from, bad[i].to);
		struct profile *p = NULL;
		struct err e = { "" };
		int err = profile_parse(&p, "p", text, strlen(text), &e);

		if (err != -EINVAL || !strstr(e.text, bad[i].want) ||
		    !strstr(e.text, bad[i].also))
			fail_msg("'%s': got %d '%s', wanted '%s' and '%s'",
				 bad[i].to, err, e.text, bad[i].want,
				 bad[i].also);
		free(text);
	}
}

static const char *value_source(const struct profile *p, const char *key)
{
	for (u32 i = 0; i < p->nr_values; i++)
		if (!strcmp(p->value[i].key, key))
			return p->value[i].source;
	fail_msg("no value '%s'", key);
	return NULL;
}

static void test_good_profile(void **state)
{
	struct profile *p = NULL;
	struct err e = { "" };

	assert_int_equal(0, profile_parse(&p, "p", good, strlen(good), &e));
	assert_int_equal(1000000000, p->hz);
	assert_int_equal(ARCH_X86, p->arch);
	assert_int_equal(8, p->feature[FEATURE_INVLPGB]);
	assert_int_equal(0, p->feature[FEATURE_PCID]);
	assert_int_equal(4, p->tlb.pcid_slots);
	assert_int_equal(2, p->tlb.nr_arrays);
	assert_int_equal(4, p->tlb.array[0].nr_sets);
	assert_int_equal(TLB_SERVES_DATA, p->tlb.array[0].serves);
	assert_int_equal(TLB_SERVES_ALL, p->tlb.array[1].serves);
	assert_int_equal(9, p->tlb.array[1].hit_cycles);
	assert_int_equal(2, p->tlb.array[1].coalesce);
	assert_int_equal(TLB_SMT_SPLIT, p->tlb.array[1].smt);
	assert_int_equal(8, p->psc.nr_sets[1]);
	assert_int_equal(4, p->psc.nr_ways[1]);
	assert_int_equal(1, p->psc.nr_sets[2]);
	assert_int_equal(3, p->psc.nr_ways[2]);
	assert_int_equal(0, p->psc.nr_ways[3]);
	assert_int_equal(2, p->nr_walkers);
	assert_int_equal(0, p->cache[CACHE_L1D].bytes);
	assert_int_equal(1 << 20, p->cache[CACHE_L2].bytes);
	assert_int_equal(14, p->cache[CACHE_L2].hit_cycles);
	assert_string_equal("assumed: two lines of text",
			    value_source(p, "dram_local_ns"));
	assert_string_equal("assumed: it is the best",
			    value_source(p, "tlb.l1d_4k.replacement"));
	assert_string_equal("assumed: small",
			    value_source(p, "tlb.l1d_4k.entries"));
	assert_string_equal("assumed: odd", value_source(p, "psc.pdpte"));
	assert_true(p->cost[COST_DRAM_LOCAL] == 80.5);
	/* What is not given is costs.def's. */
	assert_true(p->cost[COST_DRAM_REMOTE] == 131.1);
	assert_non_null(strstr(value_source(p, "dram_remote_ns"), "Skylake"));
	profile_free(p);
}

/* Any prefix, and any single damaged byte, ends in a profile or a message with
 * the label and a line; never in a crash. */
static void test_damaged_profiles(void **state)
{
	size_t len = strlen(good);
	char text[sizeof(good)];

	for (size_t i = 0; i < 2 * len; i++) {
		struct profile *p = NULL;
		struct err e = { "" };
		size_t n = i < len ? i : len;
		int err;

		memcpy(text, good, sizeof(good));
		if (i >= len)
			text[i - len] = (char)(i % 3 ? '=' : i % 2 ? 0 : '\n');
		err = profile_parse(&p, "p", text, n, &e);
		if (err)
			assert_int_equal(0, strncmp(e.text, "p:", 2));
		else
			profile_free(p);
	}
}

/* Many mistakes at once, in a shipped profile: bytes changed, runs of text cut
 * out or doubled. It loads or says where; the san build watches the rest. */
static void mutate(struct rng *rng, char *text, size_t *len, size_t room)
{
	static const char alphabet[] = "0123456789=|[].,-x \n\tkmg;#\377";
	size_t at = rng_below(rng, *len), n = 1 + rng_below(rng, 40);

	n = n > *len - at ? *len - at : n;
	switch (rng_below(rng, 3)) {
	case 0:
		text[at] = alphabet[rng_below(rng, sizeof(alphabet))];
		break;
	case 1:
		memmove(text + at, text + at + n, *len - at - n);
		*len -= n;
		break;
	default:
		if (*len + n > room)
			break;
		memmove(text + at + n, text + at, *len - at);
		*len += n;
	}
}

static void test_mutated_profiles(void **state)
{
	u64 seed = check_seed("mutated profiles");
	u32 nr_good = 0, nr_bad = 0;
	struct rng rng;

	rng_init(&rng, seed);
	for (u32 i = 0; i < 3000; i++) {
		const struct profile_builtin *b =
			&profile_builtin[i % nr_profile_builtin];
		size_t len = (size_t)(b->end - b->start), room = len + 400;
		char *text = malloc(room);
		struct profile *p = NULL;
		struct err e = { "" };
		u32 line;

		memcpy(text, b->start, len);
		for (u64 n = 1 + rng_below(&rng, 6); n && len > 1; n--)
			mutate(&rng, text, &len, room);
		if (!profile_parse(&p, "p", text, len, &e)) {
			assert_null(tlb_design_error(&p->tlb, 1, NULL));
			assert_true(p->nr_walkers && p->hz);
			profile_free(p);
			nr_good++;
		} else {
			assert_int_equal(1, sscanf(e.text, "p:%u: ", &line));
			nr_bad++;
		}
		free(text);
	}
	/* Some mutations hit comments and sources; most do not. */
	assert_true(nr_good > 100 && nr_bad > 1000);
}

/* The example of docs/machines.md is a profile as it stands. */
static void test_documented_profile(void **state)
{
	char text[65536], *from, *to;
	struct profile *p = NULL;
	struct err e = { "" };
	FILE *f = fopen("docs/machines.md", "r");
	size_t len;

	assert_non_null(f);
	len = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[len] = '\0';
	from = strstr(text, "```ini\n");
	assert_non_null(from);
	from += strlen("```ini\n");
	to = strstr(from, "```");
	assert_non_null(to);
	if (profile_parse(&p, "docs/machines.md", from, (size_t)(to - from), &e))
		fail_msg("%s", e.text);
	assert_string_equal("desk", p->name);
	assert_int_equal(3, p->tlb.nr_arrays);
	assert_int_equal(12, p->tlb.array[2].nr_ways);
	profile_free(p);
}

static void test_long_lines_and_binary(void **state)
{
	char text[400];
	struct profile *p = NULL;
	struct err e = { "" };

	memset(text, 'x', sizeof(text));
	memcpy(text, "[machine]\nname = ", 17);
	assert_int_equal(-EINVAL, profile_parse(&p, "p", text, sizeof(text),
						&e));
	assert_non_null(strstr(e.text, "p:2: the line has 390 bytes"));
	memset(text, 0, sizeof(text));
	assert_int_equal(-EINVAL, profile_parse(&p, "p", text, 100, &e));
	assert_non_null(strstr(e.text, "p:1: a NUL byte"));
}

/* --- where profiles are found -------------------------------------------- */

static void write_file(const char *dir, const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int find_broken(void *arg, const struct machine_brief *b)
{
	if (strcmp(b->name, "broken"))
		return 0;
	assert_false(b->is_usable);
	assert_non_null(strstr(b->summary, "broken.ini:1:"));
	*(bool *)arg = true;
	return 7;
}

static void test_search_order(void **state)
{
	char dir[] = "/tmp/test_machine_XXXXXX", path[256];
	char *text = edited("tiny", "skylake-sp"), cwd[4096];
	bool found = false;
	struct machine *m;

	assert_non_null(mkdtemp(dir));
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	write_file(dir, "skylake-sp.ini", text);
	write_file(dir, "broken.ini", "[machine]\n");
	setenv("TLBEMU_MACHINES", dir, 1);
	m = create("skylake-sp", NULL);
	assert_int_equal(1000000000, m->hz);
	machine_destroy(m);
	assert_int_equal(7, machine_list(find_broken, &found));
	assert_true(found);
	unsetenv("TLBEMU_MACHINES");

	/* Elsewhere, with nothing around, the compiled-in ones are left. */
	snprintf(path, sizeof(path), "%s/broken.ini", dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/skylake-sp.ini", dir);
	unlink(path);
	assert_int_equal(0, chdir(dir));
	m = create("skylake-sp", NULL);
	assert_int_equal(2500000000, m->hz);
	machine_destroy(m);
	assert_int_equal(0, chdir(cwd));
	rmdir(dir);
	free(text);
}

/* --- description --------------------------------------------------------- */

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

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_synthetic_shapes),
		cmocka_unit_test(test_node_per_package),
		cmocka_unit_test(test_assumed_distances),
		cmocka_unit_test(test_hops),
		cmocka_unit_test(test_lookahead),
		cmocka_unit_test(test_xml_round_trip),
		cmocka_unit_test(test_xml_distances),
		cmocka_unit_test(test_host),
		cmocka_unit_test(test_bad_specs),
		cmocka_unit_test(test_damaged_xml),
		cmocka_unit_test(test_shipped_profiles),
		cmocka_unit_test(test_geometry_of_parts),
		cmocka_unit_test(test_features),
		cmocka_unit_test(test_count_assumed),
		cmocka_unit_test(test_builtin_profiles),
		cmocka_unit_test(test_skylake_geometry),
		cmocka_unit_test(test_ipi_costs_add_up),
		cmocka_unit_test(test_time_conversion),
		cmocka_unit_test(test_spec_and_profile_mix),
		cmocka_unit_test(test_good_profile),
		cmocka_unit_test(test_malformed_profiles),
		cmocka_unit_test(test_damaged_profiles),
		cmocka_unit_test(test_documented_profile),
		cmocka_unit_test(test_mutated_profiles),
		cmocka_unit_test(test_long_lines_and_binary),
		cmocka_unit_test(test_search_order),
		cmocka_unit_test(test_describe),
	};

	unsetenv("TLBEMU_MACHINES");
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
