/* test_topology.c - machines are what their topology says, from a spec, a file
 * or the host, and a mistake in one is named with its place. */
#include <errno.h>
#include <hwloc.h>

#include "base/rng.h"
#include "cpu/topology.h"
#include "tests/machine.h"

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

static const struct CMUnitTest tests[] = {
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
};

MACHINE_MAIN(tests)
