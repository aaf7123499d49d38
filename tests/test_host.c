/* test_host.c - what is read of this host, on made-up registers and files; the
 * profile that calibration writes, whatever it found. */
#include <errno.h>

#include "cpu/profile.h"
#include "emu/host_profile.h"
#include "emu/mut_emulated.h"
#include "host/clock.h"
#include "host/cpuid.h"
#include "host/events.h"
#include "host/kernel_counts.h"
#include "host/native.h"
#include "tests/check.h"

struct leaf {
	u32 leaf, r[4];
};

static void made_up(void *arg, u32 leaf, u32 subleaf, u32 r[4])
{
	memset(r, 0, 4 * sizeof(*r));
	for (const struct leaf *l = arg; l->leaf != ~0u; l++)
		if (l->leaf == leaf)
			memcpy(r, l->r, sizeof(l->r));
}

#define AMD { 0, { 13, 0x68747541, 0x444d4163, 0x69746e65 } }
#define INTEL { 0, { 22, 0x756e6547, 0x6c65746e, 0x49656e69 } }

/* Turin as a hypervisor shows it: sizes in units of 32, the bit hidden. */
static void test_cpuid_zen5(void **state)
{
	struct leaf leaves[] = {
		AMD, { 1, { 0x00b00f21, 0, 0, 0 } },
		{ 0x80000000, { 0x80000021, 0, 0, 0 } },
		{ 0x80000005, { 0xff60ff40, 0xff60ff40, 0, 0 } },
		{ 0x80000006, { 0x40804080, 0x60804080, 0, 0 } },
		{ ~0u, { 0 } },
	};
	struct cpuid_info info;
	struct cpuid_tlb t;
	const char *prefix;

	cpuid_decode(&info, made_up, leaves);
	assert_string_equal(info.vendor, "AuthenticAMD");
	assert_int_equal(info.family, 0x1a);
	assert_true(cpuid_find(&info, 1, 0, &t));
	assert_int_equal(t.entries, 96);
	assert_int_equal(t.ways, CPUID_FULL);
	assert_true(cpuid_find(&info, 2, 0, &t));
	assert_int_equal(t.entries, 4096);
	assert_int_equal(t.ways, 8);
	assert_int_equal(host_pmu_of(info.vendor, info.family, info.model,
				     &prefix), PMU_ZEN);
	assert_string_equal(prefix, "amd64_fam1ah_zen5");
}

/* Skylake-SP by leaf 2: descriptors 03, 63, C3. */
static void test_cpuid_leaf2(void **state)
{
	struct leaf leaves[] = {
		INTEL, { 1, { 0x00050654, 0, 0, 0 } },
		{ 2, { 0x0003c363 << 8 | 1, 0x80000000, 0, 0 } },
		{ ~0u, { 0 } },
	};
	struct cpuid_info info;
	struct cpuid_tlb t;

	cpuid_decode(&info, made_up, leaves);
	assert_true(cpuid_find(&info, 1, 0, &t));
	assert_true(t.entries == 64 && t.ways == 4);
	assert_true(cpuid_find(&info, 1, 1, &t));
	assert_true(t.entries == 32);
	assert_true(cpuid_find(&info, 2, 0, &t));
	assert_true(t.entries == 1536);
	assert_false(cpuid_find(&info, 3, 0, &t));
}

static void test_kernel_files(void **state)
{
	static const char rows[] = "           CPU0       CPU1\n"
		" 24:          1          0  IO-APIC\n"
		"TLB:         12         30   TLB shootdowns\n";
	char dir[64], path[96];
	struct err e;
	u64 v;

	snprintf(path, sizeof(path), "%s/rows", check_tmpdir(dir));
	check_write(path, rows, sizeof(rows) - 1);
	assert_int_equal(kernel_row_of(path, "TLB", &v, &e), 0);
	assert_int_equal(v, 42);
	assert_int_equal(kernel_row_of(path, "CAL", &v, &e), -ENOENT);
	assert_contains(e.text, "has no row 'CAL'");
	assert_int_equal(kernel_row_of("/nonexistent", "TLB", &v, &e), -ENOENT);
	check_rmdir(dir);
}

/* Load the text that @p becomes. */
static struct profile *reread(const struct host_profile *p)
{
	struct profile *out = NULL;
	struct err e = { "" };
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	host_profile_write(p, f);
	fclose(f);
	if (profile_parse(&out, "written", text, len, &e))
		fail_msg("%s\n%s", e.text, text);
	free(text);
	return out;
}

static struct host_profile *blank(void)
{
	struct host_profile *p = calloc(1, sizeof(*p));

	strcpy(p->name, "made-up");
	strcpy(p->topology, "pack:1 core:2 pu:1");
	p->hz = 3e9;
	return p;
}

/* Nothing could be measured: all is assumed, and the profile loads. */
static void test_profile_of_nothing(void **state)
{
	struct host_profile *p = blank();
	struct profile *q = reread(p);

	for (u32 i = 0; i < q->nr_values; i++)
		if (q->value[i].part == PART_TLB &&
		    strstr(q->value[i].key, "entries"))
			assert_true(machine_is_assumed(q->value[i].source));
	profile_free(q);
	free(p);
}

/* Measured values go in with their source; a step near CPUID's place takes
 * CPUID's, one far from it stays, and both are told apart. */
static void test_profile_chooses(void **state)
{
	struct host_profile *p = blank();
	struct chosen_array a;
	struct profile *q;

	p->cpuid.tlb[0] = (struct cpuid_tlb){ 1, true, false, 1, 96, CPUID_FULL };
	p->cpuid.tlb[1] = (struct cpuid_tlb){ 2, true, false, 1, 4096, 8 };
	p->cpuid.nr_tlbs = 2;
	p->tlb.level[0][0] = (struct calib_level){ .is_found = true,
		.entries = 92, .misses_at = 93, .ways = 92 };
	p->tlb.level[0][1] = (struct calib_level){ .is_found = true,
		.entries = 2048, .misses_at = 2049, .ways = 16,
		.hit_cycles = 6.9, .spread = 0.5 };
	host_profile_choose(p, 1, 0, &a);
	assert_int_equal(a.entries, 96);
	assert_int_equal(a.ways, 96);
	assert_contains(a.disagreement, "measured 92 entries, CPUID says 96");
	host_profile_choose(p, 2, 0, &a);
	assert_int_equal(a.entries, 2048);
	assert_int_equal(a.ways, 16);
	assert_contains(a.entries_source, "CPUID says otherwise");
	p->cost[COST_SYSCALL].value = 1234.5;
	strcpy(p->cost[COST_SYSCALL].source, "clock: by hand");
	q = reread(p);
	assert_true(q->cost[COST_SYSCALL] == 1234.5);
	for (u32 i = 0; i < q->nr_values; i++)
		if (!strcmp(q->value[i].key, "tlb.l2d_4k.hit_cycles")) {
			assert_string_equal(q->value[i].text, "7");
			assert_contains(q->value[i].source, "unstable");
		}
	profile_free(q);
	free(p);
}

/* The first CPU that may be used. */
static u32 a_cpu(void)
{
	u32 i = 0;

	while (!clock_may_use(i))
		i++;
	return i;
}

/* A CPU that may not be used: nothing is measured beside it, and no thread is
 * left. */
static void test_native_refuses(void **state)
{
	const struct mut_shape shape = { .nr_cpus = 2, .nr_nodes = 1,
					 .os_cpu = { a_cpu(), 1u << 20 } };
	const struct native_cfg cfg = { .request_ns = 1000000 };
	const struct mut_work w = { .op = MUT_SYSCALL, .others = 1 };
	const struct mut_chase c = { .nr = 16, .cpu = 1 };
	struct mut_sample s;
	struct err e = { "" };
	struct mut *m;

	assert_int_equal(mut_native_create(&m, &shape, &cfg, &e), 0);
	assert_int_equal(mut_transfer(m, 0, 1, &s, &e), -ENOTSUP);
	assert_contains(e.text, "CPU 1048576 may not be used");
	assert_int_equal(mut_transfer(m, 1, 0, &s, &e), -ENOTSUP);
	assert_int_equal(mut_transfer(m, 0, 2, &s, &e), -ENOTSUP);
	assert_contains(e.text, "CPU 2 of the 2");
	e.text[0] = '\0';
	assert_int_equal(mut_work(m, &w, &s, &e), -ENOTSUP);
	assert_contains(e.text, "CPU 1048576 may not be used");
	assert_int_equal(mut_chase(m, &c, &s, &e), -ENOTSUP);
	mut_native_destroy(m);
}

static bool is_odd(u32 os_cpu)
{
	return os_cpu % 2;
}

/* A kernel that numbers packages in turn and hyperthreads last: the pairs are
 * where the tree says, whatever their numbers. */
static void test_interleaved_numbers(void **state)
{
	static const char spec[] = "pack:2 [numa(indexes=1,0)] l3:1 core:2 "
		"pu:2(indexes=0,4,2,6,1,5,3,7)";
	static const u32 os[] = { 0, 4, 2, 6, 1, 5, 3, 7 };
	struct mut_shape s;
	struct machine *m;
	struct err e = { "" };

	if (machine_create(&m, spec, NULL, &e))
		fail_msg("%s", e.text);
	mut_shape_of(&s, m, NULL);
	assert_int_equal(s.nr_cpus, 8);
	assert_memory_equal(s.os_cpu, os, sizeof(os));
	assert_int_equal(s.os_cpu[s.pair[HOP_SMT][1]], 4);
	assert_int_equal(s.os_cpu[s.pair[HOP_LLC][1]], 2);
	assert_int_equal(s.os_cpu[s.pair[HOP_REMOTE][1]], 1);
	assert_int_equal(s.os_node[0], 1);
	assert_int_equal(s.os_node[1], 0);
	assert_int_equal(s.os_cpu[s.node_cpu[1]], 1);
	/* The second package only: no pair reaches beyond it. */
	mut_shape_of(&s, m, is_odd);
	assert_int_equal(s.nr_cpus, 4);
	assert_int_equal(s.os_cpu[0], 1);
	assert_int_equal(s.os_cpu[s.pair[HOP_SMT][1]], 5);
	assert_false(s.has_pair[HOP_REMOTE]);
	assert_int_equal(s.node_cpu[0], MUT_NO_CPU);
	machine_destroy(m);
}

/* This host under test, at points so small that it can always do them: no time
 * is asserted, but that there is one. */
static void test_native(void **state)
{
	const struct mut_shape shape = { .nr_cpus = 1, .nr_nodes = 1,
					 .os_cpu = { a_cpu() } };
	const struct native_cfg cfg = { .request_ns = 1000000 };
	const struct mut_chase c = { .nr = 16 };
	struct mut_sample s;
	struct err e = { "" };
	struct mut *m;

	assert_int_equal(mut_native_create(&m, &shape, &cfg, &e), 0);
	assert_int_equal(mut_chase(m, &c, &s, &e), 0);
	assert_true(s.cycles.low > 0 && s.cycles.n >= 9);
	for (u32 op = 0; op < NR_MUT_OPS; op++) {
		const struct mut_work w = { .op = (enum mut_op)op, .pages = 2 };

		if (mut_work(m, &w, &s, &e))
			fail_msg("%s: %s", mut_op_name(w.op), e.text);
		assert_true(s.cycles.n >= 9);
	}
	mut_native_destroy(m);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_cpuid_zen5),
	cmocka_unit_test(test_cpuid_leaf2),
	cmocka_unit_test(test_kernel_files),
	cmocka_unit_test(test_profile_of_nothing),
	cmocka_unit_test(test_profile_chooses),
	cmocka_unit_test(test_native_refuses),
	cmocka_unit_test(test_interleaved_numbers),
	cmocka_unit_test(test_native),
};

TEST_MAIN(tests)
