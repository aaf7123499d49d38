/* test_host.c - what is read of this host, on made-up registers and files; the
 * profile that calibration writes, whatever it found. */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "calib/programs.h"
#include "cpu/profile.h"
#include "emu/host_fit.h"
#include "emu/host_join.h"
#include "emu/host_profile.h"
#include "emu/mut_emulated.h"
#include "emu/validate_counts.h"
#include "emu/validate_rows.h"
#include "emu/validate_why.h"
#include "host/clock.h"
#include "host/cpuid.h"
#include "host/events.h"
#include "host/kernel_counts.h"
#include "host/native.h"
#include "host/tracepoint.h"
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
	assert_true(info.guesses_unit);
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

/* A trace event's number, and what is missing where there is none. */
static void test_tracepoints(void **state)
{
	char dir[64], path[160];
	struct err e;
	u64 id;

	check_tmpdir(dir);
	assert_int_equal(tracepoint_id(dir, "tlb:tlb_flush", &id, &e), -ENOENT);
	assert_contains(e.text, "root mounts it by 'mount -t tracefs");
	snprintf(path, sizeof(path), "%s/events", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(tracepoint_id(dir, "tlb:tlb_flush", &id, &e), -ENOENT);
	assert_contains(e.text, "tlb_flush/id: No such file");
	strcat(path, "/tlb");
	assert_int_equal(mkdir(path, 0700), 0);
	strcat(path, "/tlb_flush");
	assert_int_equal(mkdir(path, 0700), 0);
	strcat(path, "/id");
	check_write(path, "417\n", 4);
	assert_int_equal(tracepoint_id(dir, "tlb:tlb_flush", &id, &e), 0);
	assert_int_equal(id, 417);
	check_write(path, "?", 1);
	assert_int_equal(tracepoint_id(dir, "tlb:tlb_flush", &id, &e), -ENOENT);
	assert_int_equal(tracepoint_id(dir, "tlb_flush", &id, &e), -EINVAL);
	assert_in_range(-tracepoint_open("tlb:no_such_event", &e), 1, 200);
	assert_int_equal(tracepoint_read(-1), 0);
	check_rmdir(dir);
}

/* Counts of one kind over all rows: what is not counted is no difference. */
static void test_validate_counts(void **state)
{
	double tmp[200], median;
	struct rows r;
	struct err e;

	assert_int_equal(rows_list(&r, NR_SUITES, 2, &e), 0);
	assert_in_range(r.n, 1, ARRAY_LEN(tmp));
	assert_int_equal(counts_differ(&r, ROW_FLUSHES, tmp, &median), 0);
	for (u32 i = 0; i < r.n; i++)
		if (r.row[i].suite == TOGETHER)
			r.row[i].count[ROW_FLUSHES][0] =
				r.row[i].count[ROW_FLUSHES][1] = 1;
	assert_int_equal(counts_differ(&r, ROW_FLUSHES, tmp, &median), 24);
	assert_true(tmp[23] == 0 && median == 0);
	for (u32 i = 0; i < r.n; i++)
		if (r.row[i].suite == TOGETHER && r.row[i].work.pages == 7)
			r.row[i].count[ROW_FLUSHES][0] = 4;
	assert_int_equal(counts_differ(&r, ROW_FLUSHES, tmp, &median), 24);
	assert_true(tmp[23] == 75 && median == 0);
	assert_int_equal(counts_differ(&r, ROW_SHOOTDOWNS, tmp, &median), 0);
	rows_free(&r);
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

static const struct machine_value *value_of(const struct profile *q,
					    const char *key)
{
	for (u32 i = 0; i < q->nr_values; i++)
		if (!strcmp(q->value[i].key, key))
			return &q->value[i];
	fail_msg("the profile has no %s", key);
	return NULL;
}

/* Nothing could be measured: all is assumed and says why, and the profile
 * loads. */
static void test_profile_of_nothing(void **state)
{
	static const char *const keys[] = {
		"tlb.l1d_4k.entries", "tlb.l1d_2m.entries", "tlb.l2d_4k.entries",
		"tlb.l2d_2m.entries", "tlb.l1d_4k.ways", "tlb.l2d_4k.hit_cycles",
		"psc.pde", "walker.count", "cache.l1d.latency",
		"cache.l2.latency", "cache.llc.latency", "syscall", "walk_load",
		"dram_local_ns",
	};
	struct host_profile *p = blank();
	struct profile *q;

	for (u32 i = 0; i < NR_CACHE_LEVELS; i++)
		p->cache[i] = (struct cache_geometry){ .bytes = 32768u << 4 * i,
						       .nr_ways = 8 };
	q = reread(p);
	for (u32 i = 0; i < ARRAY_LEN(keys); i++) {
		const char *source = value_of(q, keys[i])->source;

		if (!machine_is_assumed(source) || strlen(source) < 15)
			fail_msg("%s: %s", keys[i], source);
	}
	profile_free(q);
	free(p);
}

/* Numbers that the clock got wrong are not handed on as measured: a cache that
 * is slower than memory or faster than the one before, a level 2 whose unit
 * CPUID hides, a cost below nothing, a difference within its noise. */
static void test_profile_doubts(void **state)
{
	struct host_profile *p = blank();
	struct machine *m;
	struct err e = { "" };
	struct profile *q;

	for (u32 i = 0; i < NR_CACHE_LEVELS; i++) {
		p->cache[i] = (struct cache_geometry){ .bytes = 32768u << 4 * i,
						       .nr_ways = 8 };
		p->memory.cache[i].is_found = true;
	}
	p->memory.cache[0].cycles = 4;
	p->memory.cache[1].cycles = 3.2;
	p->memory.cache[2].cycles = 412;
	p->memory.cache[2].spread = 0.01;
	p->memory.dram[0][0] = (struct calib_latency){ .is_found = true,
						       .cycles = 295 };
	p->cpuid.tlb[0] = (struct cpuid_tlb){ 2, true, false, 1, 4096, 8 };
	p->cpuid.nr_tlbs = 1;
	p->cpuid.guesses_unit = true;
	if (machine_create(&m, "zen5-turin", NULL, &e))
		fail_msg("%s", e.text);
	host_fit_keep(p, m, COST_PTE_OP, -12, 1, 9, "mprotect");
	host_fit_keep(p, m, COST_INVLPG, 100, 30, 9, "mprotect");
	host_fit_keep(p, m, COST_SYSCALL, 1, 40, 9, "getppid");
	q = reread(p);
	assert_contains(value_of(q, "cache.l2.latency")->source,
			"assumed: as the level before; the clock says 3.2");
	assert_contains(value_of(q, "cache.llc.latency")->source,
			"assumed: as memory; the clock says 412.0");
	assert_int_equal(q->cache[CACHE_L2].hit_cycles, 4);
	assert_int_equal(q->cache[CACHE_LLC].hit_cycles, 295);
	assert_contains(value_of(q, "tlb.l2d_4k.entries")->source,
			"assumed: CPUID's field, if it counts in units of 32");
	assert_contains(value_of(q, "tlb.l2d_4k.entries")->source,
			"not measured, calibration did not come to it");
	assert_contains(value_of(q, "pte_op")->source,
			"assumed: -12 cycles would come out");
	assert_true(q->cost[COST_PTE_OP] == 0);
	assert_contains(value_of(q, "invlpg")->source,
			"clock: 9 repetitions, +- 30.0 %, unstable");
	assert_contains(value_of(q, "syscall")->source,
			"less than its noise, unstable");
	machine_destroy(m);
	profile_free(q);
	free(p);
}

/* What was rounded says what was seen. */
static void test_profile_rounds(void **state)
{
	struct host_profile *p = blank();
	struct chosen_array a;

	p->tlb.level[0][1] = (struct calib_level){ .is_found = true,
		.entries = 1536, .fits_at = 1529, .misses_at = 1544,
		.ways = 6, .ways_seen = 6 };
	host_profile_choose(p, 2, 0, &a);
	assert_int_equal(a.entries, 1536);
	assert_string_equal(a.entries_source, "clock: 1529 pages fit, 1544 do "
			    "not; rounded to whole sets of 6");
	p->tlb.level[0][0] = (struct calib_level){ .is_found = true,
		.entries = 64, .fits_at = 64, .misses_at = 65, .ways = 64,
		.ways_seen = 60 };
	host_profile_choose(p, 1, 0, &a);
	assert_string_equal(a.ways_source, "clock: pages of one set, 60 seen, "
			    "taken as full");
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
		.entries = 92, .fits_at = 92, .misses_at = 93, .ways = 92 };
	p->tlb.level[0][1] = (struct calib_level){ .is_found = true,
		.entries = 2048, .fits_at = 2048, .misses_at = 2049,
		.ways = 16,
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

/* No more memory than it may have, and a reason where that is too little. */
static void test_native_memory(void **state)
{
	const struct mut_shape shape = { .nr_cpus = 1, .nr_nodes = 1,
					 .os_cpu = { a_cpu() } };
	const struct native_cfg cfg = { .request_ns = 1000000,
					.max_bytes = 1 << 20 };
	struct mut_work w = { .op = MUT_COPY, .size = MUT_2M };
	struct mut_sample s;
	struct err e = { "" };
	struct mut *m;

	assert_int_equal(mut_native_create(&m, &shape, &cfg, &e), 0);
	assert_int_equal(mut_work(m, &w, &s, &e), -E2BIG);
	assert_contains(e.text, "a stream of 4194304 bytes is more than the "
			"1048576 that may be used here");
	w = (struct mut_work){ .op = MUT_MUNMAP, .pages = 257 };
	assert_int_equal(mut_work(m, &w, &s, &e), -E2BIG);
	w = (struct mut_work){ .op = MUT_ZERO, .size = MUT_4K };
	assert_int_equal(mut_work(m, &w, &s, &e), 0);
	mut_native_destroy(m);
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
	assert_int_equal(mut_program(m, &programs[0], &s, &e), 0);
	assert_true(s.cycles.low > 0 && s.cycles.n >= 9);
	for (u32 op = 0; op < NR_MUT_OPS; op++) {
		const struct mut_work w = { .op = (enum mut_op)op, .pages = 2 };

		if (mut_work(m, &w, &s, &e))
			fail_msg("%s: %s", mut_op_name(w.op), e.text);
		assert_true(s.cycles.n >= 9);
	}
	mut_native_destroy(m);
}

/* ---- several runs ----------------------------------------------------------------- */

/* Three runs: the one in the middle is taken, number by number; what is within
 * 10 % of it is good, what is not is marked, and nothing else is. */
static void test_runs_are_joined(void **state)
{
	static const u64 entries[] = { 96, 84, 92 };
	static const double hit[] = { 7, 7.2, 7.1 }, dram[] = { 300, 320, 340 };
	static const double syscall[] = { 500, 530, 520 }, pte[] = { 20, 3, 21 };
	struct host_profile *run[3], *p = blank();
	struct profile *q;
	char how[80];

	for (u32 i = 0; i < 3; i++) {
		run[i] = blank();
		run[i]->tlb.level[0][0] = (struct calib_level){
			.is_found = true, .entries = entries[i],
			.fits_at = entries[i], .misses_at = entries[i] + 1,
			.ways = entries[i], .ways_seen = entries[i] };
		run[i]->tlb.level[0][1].hit_cycles = hit[i];
		run[i]->cache[0] = (struct cache_geometry){ .bytes = 32768,
							    .nr_ways = 8 };
		run[i]->memory.cache[0] = (struct calib_latency){
			.is_found = true, .cycles = dram[i] / 75 };
		run[i]->cost[COST_SYSCALL].value = syscall[i];
		run[i]->cost[COST_PTE_OP].value = pte[i];
		snprintf(run[i]->cost[COST_SYSCALL].source, 40, "clock: +- 1 %%");
		snprintf(run[i]->cost[COST_PTE_OP].source, 40, "clock: %u", i);
		host_profile_note(run[i], "the same");
		host_profile_note(run[i], "took %u s", i);
	}
	/* Not every run finds all. */
	strcpy(run[1]->cost[COST_INVLPG].source, "clock: once");
	host_join(p, (const struct host_profile *const *)run, 3);
	host_join_notes(p, (const struct host_profile *const *)run, 3);
	assert_string_equal(p->notes, "the same\nrun 1: took 0 s\n"
			    "run 2: took 1 s\nrun 3: took 2 s\n");
	q = reread(p);
	assert_string_equal(value_of(q, "tlb.l1d_4k.entries")->text, "92");
	assert_contains(value_of(q, "tlb.l1d_4k.entries")->source,
			"3 runs: 84 to 96, unstable");
	assert_contains(value_of(q, "tlb.l2d_4k.hit_cycles")->source,
			"clock: +- 2.8 %");
	assert_contains(value_of(q, "cache.l1d.latency")->source,
			host_profile_spread(40. / 320, how, sizeof(how)));
	assert_contains(how, "unstable");
	assert_true(q->cost[COST_SYSCALL] == 520);
	assert_string_equal(value_of(q, "syscall")->source,
			    "clock: +- 1 %; 3 runs within 5.8 %");
	assert_true(q->cost[COST_PTE_OP] == 20);
	assert_string_equal(value_of(q, "pte_op")->source,
			    "clock: 0; 3 runs: 3 to 21, unstable");
	assert_string_equal(value_of(q, "invlpg")->source,
			    "clock: once; one of 3 runs found it");
	for (u32 i = 0; i < 3; i++)
		free(run[i]);
	profile_free(q);
	free(p);
}

/* ---- validation ------------------------------------------------------------------ */

/* Held-out means held out: no row is a point of calibration, on no machine. */
static void test_rows_are_held_out(void **state)
{
	struct rows r;
	struct err e = { "" };

	assert_int_equal(rows_list(&r, NR_SUITES, 8, &e), 0);
	assert_true(calib_tlb_on_grid(8) && calib_tlb_on_grid(27) &&
		    calib_tlb_on_grid(15874) && !calib_tlb_on_grid(9));
	assert_true(host_fit_uses(64) && host_fit_uses(33));
	for (u32 i = 0; i < r.n; i++) {
		const struct row *row = &r.row[i];

		if (row->kind == ROW_CHASE && row->chase.stride == 1 &&
		    calib_tlb_on_grid(row->chase.nr))
			fail_msg("%s, %llu pages: calibration uses it",
				 row->what, (unsigned long long)row->chase.nr);
		if (row->kind == ROW_WORK && host_fit_uses(row->work.pages))
			fail_msg("%s, %llu pages: calibration uses it",
				 row->what,
				 (unsigned long long)row->work.pages);
	}
	rows_free(&r);
}

/* Beside 1, 2, 3 and 7 others on 8 CPUs, beside none on one; no row is lost
 * where there are many. */
static void test_rows_of_threads(void **state)
{
	static const u32 others[] = { 1, 2, 3, 7 };
	struct rows r;
	struct err e = { "" };
	u32 per, n = 0;

	assert_int_equal(rows_list(&r, ALONE, 8, &e), 0);
	per = r.n;
	rows_free(&r);
	assert_int_equal(rows_list(&r, TOGETHER, 8, &e), 0);
	assert_int_equal(r.n, per * ARRAY_LEN(others));
	for (u32 i = 0; i < r.n; i++)
		n += r.row[i].work.others == others[i / per];
	assert_int_equal(n, r.n);
	rows_free(&r);
	assert_int_equal(rows_list(&r, TOGETHER, 6, &e), 0);
	assert_int_equal(r.row[r.n - 1].work.others, 5);
	rows_free(&r);
	assert_int_equal(rows_list(&r, TOGETHER, 1, &e), 0);
	assert_int_equal(r.n, 0);
	rows_free(&r);
}

/* A machine that says what it is told to. */
struct said {
	struct mut mut;
	int rc;
	double cycles[2];       /* of 1 page, of more                         */
};

static int say(struct mut *m, const struct mut_work *w, struct mut_sample *s,
	       struct err *e)
{
	struct said *said = (struct said *)m;
	double v = said->cycles[w->pages > 1];

	if (said->rc)
		return err_set(e, said->rc, "not today");
	s->cycles = (struct stat_summary){ .median = v, .low = v, .lo = v,
					   .hi = v, .n = 1 };
	return 0;
}

/* What was not measured is no number, and says who refused; a difference below
 * nothing has no error. */
static void test_row_refused(void **state)
{
	static const struct mut_ops ops = { .work = say };
	struct said host = { { .ops = &ops, .shape = { .nr_cpus = 2 } },
			     -ENOTSUP, { 100, 130 } };
	struct said model = { { .ops = &ops, .shape = { .nr_cpus = 2 } },
			      0, { 100, 160 } };
	struct row row = { .kind = ROW_WORK, .work = { .pages = 9 },
			   .native = NAN, .emulated = NAN, .error = NAN };
	struct err e = { "" };

	assert_int_equal(row_measure(&row, &host.mut, &model.mut, &e), 0);
	assert_true(isnan(row.native) && isnan(row.error));
	assert_string_equal(row.note, "this host: not today");
	host.rc = -EIO;
	assert_int_equal(row_measure(&row, &host.mut, &model.mut, &e), -EIO);
	host.rc = 0;
	model.rc = -E2BIG;
	assert_int_equal(row_measure(&row, &host.mut, &model.mut, &e), 0);
	assert_true(row.native == 130 && isnan(row.emulated) &&
		    isnan(row.error));
	assert_string_equal(row.note, "the model: not today");
	model.rc = 0;
	row.less = (struct mut_work){ .pages = 1 };
	row.has_less = true;
	assert_int_equal(row_measure(&row, &host.mut, &model.mut, &e), 0);
	assert_true(row.native == 30 && row.emulated == 60 && row.error == 100);
	host.cycles[0] = 200;
	row.error = NAN;
	assert_int_equal(row_measure(&row, &host.mut, &model.mut, &e), 0);
	assert_true(isnan(row.error));
	assert_contains(row.note, "within its noise");
}

/* A program is the same program when its loads are written down: it finds the
 * same, in as many loads a round, all of them in its arena. */
static void test_programs(void **state)
{
	for (u32 i = 0; i < nr_programs; i++) {
		const struct mut_program *p = &programs[i];
		struct mut_visits v;
		struct err e = { "" };
		u64 seed = 7, n;
		char *arena = aligned_alloc(4096, p->bytes);

		p->build(arena, p->bytes);
		n = p->run(arena, p->bytes, 100, 7, NULL);
		free(arena);
		assert_int_equal(mut_trace(p, 100, &seed, &v, &e), 0);
		assert_true(seed == n);
		assert_int_equal(v.n % 100, 0);
		assert_in_range(v.n / 100, 5, MUT_MOST_LOADS);
		for (u64 k = 0; k < v.n; k++)
			assert_true(v.offset[k] + 8 <= p->bytes);
		free(v.offset);
	}
}

/* What a call takes beside a thread on a host that flushes page by page, as
 * rounds of 140,000 cycles: said. One round for all is not; nor is noise. */
static void test_validate_says_why(void **state)
{
	enum { ONE_ROUND, BY_PAGE, NOISE };
	struct added a;
	struct rows r;
	struct err e;

	for (u32 host = ONE_ROUND; host <= NOISE; host++) {
		assert_int_equal(rows_list(&r, NR_SUITES, 2, &e), 0);
		for (u32 i = 0; i < r.n; i++) {
			struct row *row = &r.row[i];
			double p = (double)row_pages(row), rounds = 1;

			if (host == BY_PAGE && p < 16)
				rounds = p;
			if (host == NOISE)
				rounds = p < 16 ? p / 140000 : 1;
			if (row->suite == TOGETHER) {
				row->native = 10000 * p + 140000 * rounds;
				row->emulated = 10000 * p + 142000;
			} else if (row->suite == ALONE) {
				row->native = row->emulated = 10000 * p;
			}
		}
		assert_int_equal(added_by_threads(&r, MUT_MPROTECT, 1, &a),
				 host == BY_PAGE);
		assert_int_equal(row_pages(a.few), 2);
		if (host == BY_PAGE) {
			assert_true(a.native[0] == 280000);
			assert_int_equal(row_pages(a.most), 13);
		}
		assert_false(added_by_threads(&r, MUT_MPROTECT, 2, &a));
		assert_null(a.few);
		assert_false(added_by_threads(&r, MUT_SYSCALL, 1, &a));
		rows_free(&r);
	}
	assert_int_equal(rows_list(&r, TOGETHER, 2, &e), 0);
	assert_false(added_by_threads(&r, MUT_MPROTECT, 1, &a));
	rows_free(&r);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_runs_are_joined),
	cmocka_unit_test(test_rows_are_held_out),
	cmocka_unit_test(test_rows_of_threads),
	cmocka_unit_test(test_row_refused),
	cmocka_unit_test(test_validate_says_why),
	cmocka_unit_test(test_programs),
	cmocka_unit_test(test_cpuid_zen5),
	cmocka_unit_test(test_cpuid_leaf2),
	cmocka_unit_test(test_kernel_files),
	cmocka_unit_test(test_tracepoints),
	cmocka_unit_test(test_validate_counts),
	cmocka_unit_test(test_profile_of_nothing),
	cmocka_unit_test(test_profile_doubts),
	cmocka_unit_test(test_profile_rounds),
	cmocka_unit_test(test_profile_chooses),
	cmocka_unit_test(test_native_refuses),
	cmocka_unit_test(test_interleaved_numbers),
	cmocka_unit_test(test_native_memory),
	cmocka_unit_test(test_native),
};

TEST_MAIN(tests)
