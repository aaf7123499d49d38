/* cpusets: where threads run and where their memory comes from, within what they
 * asked for themselves; what moves when that changes; what NUMA balancing makes of
 * it; what is refused. */
#include <errno.h>
#include <string.h>

#include "emu/cpuset_opt.h"
#include "mm/numa_balancing.h"
#include "tests/point.h"

#define MAX 16
#define FOUR "machine", "pack:4 core:2 pu:1", "thp", "no"

/* A program whose threads touch pages of their own until a time. */
static struct {
	u64 until_ms;
	u32 threads;
	u64 each;               /* pages                                      */
	struct mm *mm;
	u64 vpn;
	u64 cpus[MAX];          /* bit a CPU a thread was seen on             */
	u64 last_cpus[MAX];     /* the same of the last tenth of the time     */
	u64 first_nodes[MAX];   /* bit a node that its pages were on at first */
	u64 nodes[MAX];         /* and at the end                             */
	void (*also)(u32 i);    /* at the beginning                           */
} P;

static u64 nodes_of(u32 i)
{
	u64 set = 0;

	for (u64 k = 0; k < P.each; k++) {
		u64 vpn = P.vpn + i * P.each + k;
		u64 *pmd = pgtable_entry(P.mm, vpn, PMD_LEVEL);
		u64 *p = pgtable_entry(P.mm, vpn, pmd_is_huge(*pmd));

		set |= 1ull << page_of(pte_pfn(*p))->node;
	}
	return set;
}

static int setup(struct wl *w, struct err *e)
{
	int n = wl_thread_count(w, P.threads, e);

	if (n < 0)
		return n;
	P.mm = mm_create();
	P.vpn = wl_map(P.mm, P.threads * P.each, VM_READ | VM_WRITE | VM_HUGE |
		       VM_MIGRATABLE);
	for (u32 i = 0; i < w->nr_threads; i++)
		OK(wl_start(w, i, P.mm, e));
	return 0;
}

static void touch_own(u32 i, u32 count)
{
	for (u64 k = 0; k < P.each; k++) {
		struct run r = {
			.va = (P.vpn + i * P.each + k) << PAGE_SHIFT,
			.count = count, .bytes = 8, .op = RUN_WRITE,
		};

		OK(wl_runs(&r, 1));
	}
}

static void body(struct wl *w, u32 i)
{
	u64 end = machine_ns_to_cycles(the_sys->m, P.until_ms * 1000000);

	if (P.also)
		P.also(i);
	touch_own(i, 1);
	P.first_nodes[i] = nodes_of(i);
	while (this_cpu->now < end) {
		touch_own(i, 2000);
		P.cpus[i] |= 1ull << this_cpu->id;
		if (this_cpu->now > end / 10 * 9)
			P.last_cpus[i] |= 1ull << this_cpu->id;
	}
	P.nodes[i] = nodes_of(i);
}

static const struct workload program = {
	.name = "program", .setup = setup, .body = body,
};

static void plan(u32 threads, u64 each, u64 until_ms)
{
	memset(&P, 0, sizeof(P));
	P.threads = threads;
	P.each = each;
	P.until_ms = until_ms;
}

static struct timed_result *run(const char *const *pairs)
{
	struct timed_result *r;
	struct setup s;

	point_make(&s, &program, pairs);
	r = point_run(&s);
	point_free(&s);
	return r;
}

/* ---- where ------------------------------------------------------------------------ */

/* Threads and pages keep to what their group says; without one they do not. */
static void test_groups(void **state)
{
	u64 all = 0;

	plan(8, 8, 30);
	free(run(PAIRS(FOUR, "cpuset",
		       "threads=0-3,cpus=2-4,mems=3:threads=4-7,cpus=0,5,mems=0,2")));
	for (u32 i = 0; i < 8; i++) {
		assert_int_equal(P.cpus[i] & ~(i < 4 ? 0x1cull : 0x21ull), 0);
		assert_int_equal(P.nodes[i] & ~(i < 4 ? 8ull : 5ull), 0);
	}
	plan(8, 8, 30);
	free(run(PAIRS(FOUR, "sched", "fair")));
	for (u32 i = 0; i < 8; i++)
		all |= P.nodes[i];
	assert_int_equal(all, 0xf);
}

/* Memory alone needs no scheduler: pinned threads, node 1 only. */
static void test_mems_alone(void **state)
{
	plan(4, 8, 1);
	free(run(PAIRS(FOUR, "cpuset", "mems=1")));
	for (u32 i = 0; i < 4; i++)
		assert_int_equal(P.nodes[i], 2);
}

/* What numactl asked for holds within. */
static void test_composes(void **state)
{
	static const struct { const char *option, *value; u64 nodes; } c[] = {
		{ "membind", "1,2", 4 },
		{ "interleave", "all", 0xc },
		{ "preferred", "3", 8 },
		{ "localalloc", "yes", 4 },     /* the nearest, the first */
	};

	for (u32 k = 0; k < ARRAY_LEN(c); k++) {
		plan(1, 16, 1);
		free(run(PAIRS(FOUR, "cpuset", "cpus=0-1,mems=2-3",
			       "physcpubind", "1-7", c[k].option, c[k].value)));
		assert_int_equal(P.nodes[0], c[k].nodes);
		assert_int_equal(P.cpus[0], 2);
	}
}

static void bind_elsewhere(u32 i)
{
	assert_int_equal(set_mempolicy(MPOL_BIND, 3), -EINVAL);
	assert_int_equal(current()->mpol.mode, MPOL_DEFAULT);
	assert_int_equal(set_mempolicy(MPOL_BIND, 6), 0);
	assert_int_equal(current()->mpol.nodes, 4);
}

/* set_mempolicy(): EINVAL where nothing is left, else what is. */
static void test_set_mempolicy(void **state)
{
	plan(1, 4, 1);
	P.also = bind_elsewhere;
	free(run(PAIRS(FOUR, "cpuset", "mems=2-3")));
	assert_int_equal(P.nodes[0], 4);
}

/* ---- changes ---------------------------------------------------------------------- */

/* With memory_migrate pages go from old to new; without, they stay. Huge pages
 * whole, marked ones of NUMA balancing as well. */
static void test_memory_migrate(void **state)
{
	for (u32 k = 0; k < 4; k++) {
		struct timed_result *r;
		bool migrates = k & 1, is_huge = k & 2;

		plan(2, 1024, 40);
		r = run(PAIRS("machine", "pack:4 core:2 pu:1", "thp",
			      is_huge ? "yes" : "no", "kernel", "v6.1",
			      "cpuset", migrates
			      ? "cpus=0-1,mems=0,memory_migrate=1,at=20ms,mems=3"
			      : "cpus=0-1,mems=0,at=20ms,mems=3"));
		for (u32 i = 0; i < 2; i++) {
			assert_int_equal(P.first_nodes[i], 1);
			assert_int_equal(P.nodes[i], migrates ? 8 : 1);
		}
		assert_int_equal(r->count.v[CTR_PGMIGRATE_SUCCESS],
				 migrates ? 2048 : 0);
		assert_int_equal(r->count.v[CTR_THP_MIGRATION_SUCCESS],
				 migrates && is_huge ? 4 : 0);
		free(r);
	}
}

/* ---- changes, and other programs ------------------------------------------------------ */

/* Thread 0's program is there for the tick that carries out the change; Q.other is
 * what thread 1 does, in a program of its own, with pages on node 0 at first. */
#define PAGES 4096u
#define CHANGES "machine", "pack:2 [numa(memory=64MiB)] core:1 pu:1", "thp", "no", \
	"cpuset", "mems=0,memory_migrate=1,at=5ms,mems=1"

static struct {
	struct mm *mm[2];
	u64 vpn[2], left, seen, users;
	void (*other)(void);
} Q;

static u64 pages_on(u32 node)
{
	u64 n = 0;

	for (u64 k = 0; k < PAGES; k++) {
		u64 e = *pgtable_entry(Q.mm[1], Q.vpn[1] + k, 0);

		n += (e & PTE_P) && page_of(pte_pfn(e))->node == node;
	}
	return n;
}

static int setup_two(struct wl *w, struct err *e)
{
	int rc = wl_thread_count(w, 2, e) < 0 ? -EINVAL : 0;

	for (u32 i = 0; i < 2 && !rc; i++) {
		Q.mm[i] = mm_create();
		Q.vpn[i] = wl_map(Q.mm[i], PAGES, VM_READ | VM_WRITE |
				  VM_MIGRATABLE);
		rc = wl_start(w, i, Q.mm[i], e);
		if (!rc)
			rc = wl_populate(w, i, Q.vpn[i], i ? PAGES : 1, e);
	}
	return rc;
}

static void body_two(struct wl *w, u32 i)
{
	u64 end = machine_ns_to_cycles(the_sys->m, 10000000);

	if (i)
		Q.other();
	while (!i && this_cpu->now < end)
		wl_work(Q.vpn[i], 1, 1000);
	if (!i && Q.mm[1]->root)
		Q.left = pages_on(0);
}

static const struct workload two_programs = {
	.name = "two", .setup = setup_two, .body = body_two,
};

static void run_two(void (*other)(void), const char *const *pairs)
{
	struct setup s;

	memset(&Q, 0, sizeof(Q));
	Q.other = other;
	point_make(&s, &two_programs, pairs);
	free(point_run(&s));
	point_free(&s);
}

static void wait_for_device(void)
{
	io_schedule_until(machine_ns_to_cycles(the_sys->m, 10000000));
}

static void end_at_once(void)
{
}

/* Who sleeps within the kernel has its pages moved nevertheless; who has ended has
 * none that count. */
static void test_migrate_sleepers(void **state)
{
	run_two(wait_for_device, PAIRS(CHANGES));
	assert_int_equal(Q.left, 0);
	run_two(wait_for_device, PAIRS(CHANGES, "sched", "fair"));
	assert_int_equal(Q.left, 0);
	run_two(end_at_once, PAIRS(CHANGES));
	assert_int_equal(Q.left, PAGES);
}

/* In the middle of the change. */
static void exit_meanwhile(void)
{
	while (!pages_on(1))
		wl_work(Q.vpn[1] + PAGES - 1, 1, 100);
	Q.seen = pages_on(1);
	switch_mm(Q.mm[0]);
	exit_mmap(Q.mm[1]);
	Q.users = Q.mm[1]->nr_users;
}

/* A program does not end, and its lists with it, under who moves its pages. */
static void test_exit_waits_for_migration(void **state)
{
	run_two(exit_meanwhile, PAIRS(CHANGES));
	assert_in_range(Q.seen, 1, PAGES - 1);
	assert_int_equal(Q.users, 0);
}

/* cpus that change take their threads along, whether they run or wait. */
static void test_cpus_change(void **state)
{
	plan(6, 2, 60);
	free(run(PAIRS(FOUR, "cpuset", "cpus=0-1,at=20ms,cpus=4-6")));
	for (u32 i = 0; i < 6; i++) {
		assert_int_equal(P.cpus[i] & ~0x73ull, 0);
		assert_int_equal(P.last_cpus[i] & ~0x70ull, 0);
		assert_true(P.last_cpus[i] != 0);
	}
}

/* node_remap(), as Linux has it. */
static void test_node_remap(void **state)
{
	assert_int_equal(node_remap(4, 0x1c, 0x38), 5); /* 2-4 to 3-5 */
	assert_int_equal(node_remap(2, 0x1c, 0x38), 3);
	assert_int_equal(node_remap(3, 0xff, 0x38), 3); /* the fourth of three */
	assert_int_equal(node_remap(0, 0x1c, 0x38), 0);
}

static const char *rebound;
static u64 bound_at_end;

static void note_policy(u32 i)
{
	if (rebound)
		OK(set_mempolicy(!strcmp(rebound, "bind") ? MPOL_BIND :
				 MPOL_PREFERRED, 2));
}

static void body_rebound(struct wl *w, u32 i)
{
	body(w, i);
	bound_at_end = current()->mpol.nodes;
}

static const struct workload program_rebound = {
	.name = "program", .setup = setup, .body = body_rebound,
};

/* A bind keeps its place in mems, a preferred node its number. */
static void test_rebind(void **state)
{
	for (u32 k = 0; k < 2; k++) {
		struct setup s;

		rebound = k ? "preferred" : "bind";
		plan(1, 8, 20);
		P.also = note_policy;
		point_make(&s, &program_rebound,
			   PAIRS(FOUR, "cpuset", "mems=0-1,at=10ms,mems=2-3"));
		free(point_run(&s));
		point_free(&s);
		assert_int_equal(bound_at_end, k ? 2 : 8);
	}
}

/* ---- NUMA balancing ---------------------------------------------------------------- */

/* CPUs of one node, memory of another: hint faults, none of them local, and not a
 * page moves; each try fails. With its own node in mems all of them move. */
static void test_balancing(void **state)
{
	static const char *const kernel[] = { "v3.13", "v6.1" };

	for (u32 k = 0; k < 4; k++) {
		struct timed_result *r;
		bool may = k & 1;

		plan(2, 256, 300);
		r = run(PAIRS("machine", "pack:4 core:2 pu:1", "thp", "no",
			      "kernel", kernel[k / 2], "numa_balancing", "1",
			      "numa_balancing_scan_delay_ms", "10",
			      "numa_balancing_scan_period_min_ms", "100",
			      "cpuset", may ? "cpus=2-3,mems=0,at=5ms,mems=0-1"
					    : "cpus=2-3,mems=0"));
		assert_true(r->count.v[CTR_NUMA_HINT_FAULTS] > 0);
		assert_int_equal(P.nodes[0], may ? 2 : 1);
		assert_int_equal(!r->count.v[CTR_NUMA_PAGES_MIGRATED], !may);
		assert_int_equal(!r->count.v[CTR_PGMIGRATE_FAIL], may);
		if (!may)
			assert_int_equal(0, r->count.v[CTR_NUMA_HINT_FAULTS_LOCAL]);
		free(r);
	}
}

/* ---- refusals ---------------------------------------------------------------------- */

/* One line each. */
static void test_refusals(void **state)
{
	static const struct { const char *text, *option, *value, *why; } c[] = {
		{ "cpus=8", NULL, NULL, "cpus: '8' is no list of CPUs" },
		{ "mems=4", NULL, NULL, "this machine has 4, from 0 to 3" },
		{ "mems=", NULL, NULL, "mems= is empty (Linux: No space left" },
		{ "mem=0", NULL, NULL, "did you mean 'mems'" },
		{ "mems=0,mems=1", NULL, NULL, "mems is given twice" },
		{ "memory_migrate=1", NULL, NULL, "neither cpus= nor mems=" },
		{ "mems=0,memory_migrate=2", NULL, NULL, "0 or 1 is expected" },
		{ "mems=0,at=now,mems=1", NULL, NULL, "a time such as 500ms" },
		{ "mems=0,at=2s,mems=1,at=1s,mems=0", NULL, NULL, "not after" },
		{ "mems=0,at=2s", NULL, NULL, "after its last at=" },
		{ "mems=0:mems=1", NULL, NULL, "groups 1 and 2 have threads in" },
		{ "threads=0-1,mems=0:threads=1,mems=1", NULL, NULL,
		  "a thread is in one cpuset" },
		{ "threads=2,mems=0", NULL, NULL, "no thread 2 in this run" },
		{ "mems=0", "membind", "1", "set_mempolicy: Invalid argument" },
		{ "cpus=0", "physcpubind", "1", "sched_setaffinity: Invalid" },
	};

	for (u32 i = 0; i < ARRAY_LEN(c); i++) {
		struct timed_result r;
		struct setup s;

		plan(2, 1, 1);
		point_make(&s, &program, c[i].option ?
			   PAIRS(FOUR, "cpuset", c[i].text, c[i].option,
				 c[i].value) : PAIRS(FOUR, "cpuset", c[i].text));
		err.text[0] = '\0';
		assert_int_equal(timed_point_run(&s.p, &r, &err), -EINVAL);
		assert_contains(err.text, c[i].why);
		point_free(&s);
	}
}

/* A node without memory is none to allow; 'all' leaves it out. */
static void test_memoryless(void **state)
{
	struct timed_result r;
	struct setup s;

	plan(1, 4, 1);
	point_make(&s, &program, PAIRS(
		"machine", "[numa(memory=0)] [numa(memory=1GiB)] pack:1 core:1 pu:1",
		"thp", "no", "cpuset", "mems=0-1"));
	assert_int_equal(timed_point_run(&s.p, &r, &err), -EINVAL);
	assert_contains(err.text, "node 0 has no memory");
	point_free(&s);
	plan(1, 4, 1);
	free(run(PAIRS("machine",
		"[numa(memory=0)] [numa(memory=1GiB)] pack:1 core:1 pu:1",
		"thp", "no", "cpuset", "mems=all")));
	assert_int_equal(P.nodes[0], 2);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_groups),
	cmocka_unit_test(test_mems_alone),
	cmocka_unit_test(test_composes),
	cmocka_unit_test(test_set_mempolicy),
	cmocka_unit_test(test_memory_migrate),
	cmocka_unit_test(test_migrate_sleepers),
	cmocka_unit_test(test_exit_waits_for_migration),
	cmocka_unit_test(test_cpus_change),
	cmocka_unit_test(test_node_remap),
	cmocka_unit_test(test_rebind),
	cmocka_unit_test(test_balancing),
	cmocka_unit_test(test_refusals),
	cmocka_unit_test(test_memoryless),
};

TEST_MAIN(tests)
