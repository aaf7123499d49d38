/* NUMA balancing: formulas and rules by era, each switch on and off; queues of
 * memory; self-checks of counters; the published behaviour, scaled down. */
#include <string.h>

#include "cpu/dram.h"
#include "tests/numa_program.h"

/* ---- periods ------------------------------------------------------------------- */

static void periods(struct wl *w, u32 i)
{
	static const struct { u64 mib; u32 min, max; } want[] = {
		{ 256, 1000, 60000 }, { 1024, 250, 15000 }, { 3072, 100, 5000 },
		{ 65536, 100, 234 }, { 262144, 100, 100 },
	};
	struct numa_task *t = me();
	u64 rss = P.mm->rss;

	for (u32 k = 0; k < ARRAY_LEN(want); k++) {
		P.mm->rss = want[k].mib << (20 - PAGE_SHIFT);
		if (numa_rules()->scan_by_rss) {
			assert_int_equal(numa_scan_min_ms(t), want[k].min);
			assert_int_equal(numa_scan_max_ms(t), want[k].max);
		} else {
			assert_int_equal(numa_scan_min_ms(t), 100);
			assert_int_equal(numa_scan_max_ms(t), 5000);
		}
	}
	P.mm->rss = rss;
}

/* Section 1.3's table; until 3.12 memory does not matter. */
static void test_periods(void **state)
{
	static const char *const era[] = { "v3.12", "v3.13", "v6.1", "v6.12" };

	for (u32 i = 0; i < ARRAY_LEN(era); i++) {
		by(era[i]);
		free(run(periods, PAIRS(TWO_NODES)));
	}
}

/* A task of 1000 ms with this in its last pass: its next period. */
static u32 next_period(u64 local, u64 remote, u64 shared, u64 private,
		       u64 failed)
{
	struct numa_task *t = me();

	t->scan_period_ms = 2000;
	t->scan_period_max_ms = 60000;
	t->locality[0] = remote;
	t->locality[1] = local;
	t->locality[2] = failed;
	update_task_scan_period(t, shared, private);
	return t->scan_period_ms;
}

static void adapt(struct wl *w, u32 i)
{
	P.seen[0] = next_period(100, 0, 0, 100, 0);
	P.seen[1] = next_period(100, 0, 100, 0, 0);
	P.seen[2] = next_period(10, 90, 50, 50, 0);
	P.seen[3] = next_period(50, 50, 50, 50, 0);
	P.seen[4] = next_period(0, 100, 0, 100, 0);
	P.seen[5] = next_period(100, 0, 0, 100, 7);
}

/* All private and local: 7 slots more in 3.13, 3 in 6.x. Few local: faster, in
 * 3.13 by 2 slots times the private share. Half: slower in 3.13, faster in 6.x.
 * Nothing local or shared, or (4.0 on) a failed migration: twice. */
static void test_adaption(void **state)
{
	static const struct { const char *era; u64 want[6]; } c[] = {
		{ "v3.12", { 2000, 2000, 2000, 2000, 2000, 2000 } },
		{ "v3.13", { 3400, 3400, 1800, 2400, 4000, 3400 } },
		{ "v3.19", { 3400, 3400, 1800, 2400, 4000, 3400 } },
		{ "v4.0-rc1", { 3400, 3400, 1800, 2400, 4000, 3400 } },
		{ "v4.0-rc+slower", { 3400, 3400, 1800, 2400, 4000, 4000 } },
		{ "v4.0", { 3400, 3400, 1800, 2400, 4000, 4000 } },
		{ "v6.1", { 2600, 2600, 1600, 1600, 4000, 4000 } },
	};

	for (u32 i = 0; i < ARRAY_LEN(c); i++) {
		by(c[i].era);
		free(run(adapt, PAIRS(TWO_NODES)));
		for (u32 k = 0; k < 6; k++)
			if (P.seen[k] != c[i].want[k])
				fail_msg("%s, case %u: want %llu, got %llu",
					 c[i].era, k,
					 (unsigned long long)c[i].want[k],
					 (unsigned long long)P.seen[k]);
	}
	by("v6.1")->failed_slows = false;
	free(run(adapt, PAIRS(TWO_NODES)));
	assert_int_equal(P.seen[5], 2600);
}

/* ---- filters ------------------------------------------------------------------- */

/* Would a fault here move a page of the other node whose last fault was @last? */
static bool moves(u32 last)
{
	struct page *page = page_of(pte_pfn(*pgtable_entry(P.mm, P.vpn, 0)));
	bool yes;

	page->node = !this_cpu->node;
	page->last_cpupid = last;
	yes = numa_misplaced(page, PTE_P | PTE_RW) == (int)this_cpu->node;
	page->node = (u8)this_cpu->node;
	numa_current()->hint.is_set = false;
	return yes;
}

static void filters(struct wl *w, u32 i)
{
	u32 pid = current()->sched->pid, here = this_cpu->id;
	u32 there = this_cpu->node ? 0 : 2;

	touch_page(0);
	me()->preferred_nid = 1;
	numa_current()->scan_seq = 9;
	P.seen[0] = moves(0);
	P.seen[1] = moves(make_cpupid(pid, here));
	P.seen[2] = moves(make_cpupid(pid + 1, here));
	P.seen[3] = moves(make_cpupid(pid, there));
	P.seen[4] = numa_current()->migrate_deferred;
	P.seen[5] = moves(make_cpupid(pid + 1, there));
	P.seen[6] = numa_current()->migrate_deferred;
	P.seen[7] = moves(make_cpupid(pid + 1, here));
	/* Early in its life, from anywhere, if it is mine. */
	numa_current()->scan_seq = 4;
	P.seen[8] = moves(make_cpupid(pid, there));
	/* The first ever of a task that waits after a refusal. */
	P.seen[9] = moves(0);
}

/* The first fault ever; twice from here, by me, by another; from there. */
static void test_filters(void **state)
{
	static const struct { const char *era; u64 want[10]; } c[] = {
		{ "v3.12", { 0, 1, 1, 0, 0, 0, 0, 1, 0, 0 } },
		{ "v3.13", { 1, 1, 1, 0, 0, 0, 16, 0, 0, 0 } },
		{ "v3.19", { 1, 1, 1, 0, 0, 0, 0, 1, 0, 1 } },
		{ "v6.1", { 1, 1, 1, 0, 0, 0, 0, 1, 1, 1 } },
	};

	for (u32 i = 0; i < ARRAY_LEN(c); i++) {
		by(c[i].era);
		free(run(filters, PAIRS(TWO_NODES, "thp", "no")));
		for (u32 k = 0; k < 10; k++)
			if (P.seen[k] != c[i].want[k])
				fail_msg("%s, case %u: want %llu, got %llu",
					 c[i].era, k,
					 (unsigned long long)c[i].want[k],
					 (unsigned long long)P.seen[k]);
	}
}

/* May a shared page move to where this thread is, if its group uses the nodes so? */
static bool group_moves(u64 cpu_here, u64 cpu_there, u64 mem_here, u64 mem_there)
{
	u32 here = this_cpu->node, pid = current()->sched->pid;
	struct numa_group g = { .nr_tasks = 2, .max_faults_cpu = 100 };
	bool yes;

	g.cpu.n[here][0] = cpu_here;
	g.cpu.n[!here][0] = cpu_there;
	g.mem.n[here][0] = mem_here;
	g.mem.n[!here][0] = mem_there;
	numa_current()->group = &g;
	yes = moves(make_cpupid(pid + 1, this_cpu->id));
	numa_current()->group = NULL;
	return yes;
}

static void group_filter(struct wl *w, u32 i)
{
	touch_page(0);
	me()->preferred_nid = 1;
	numa_current()->scan_seq = 9;
	P.seen[0] = group_moves(10, 100, 0, 100);
	P.seen[1] = group_moves(100, 10, 100, 0);
	P.seen[2] = group_moves(90, 100, 74, 100);
	P.seen[3] = group_moves(90, 100, 76, 100);
	P.seen[4] = group_moves(50, 100, 74, 100);
}

/* 3.15: not to where the group does hardly run; from there in any case; among its
 * nodes from where three quarters of its memory are more than there are here. 6.x
 * weighs by CPU use: with half of it here three quarters are too many. */
static void test_group_filter(void **state)
{
	static const struct { const char *era; u64 want[5]; } c[] = {
		{ "v3.13", { 1, 1, 1, 1, 1 } },
		{ "v3.19", { 0, 1, 1, 0, 1 } },
		{ "v6.1", { 1, 1, 0, 0, 0 } },
	};

	for (u32 i = 0; i < ARRAY_LEN(c); i++) {
		by(c[i].era);
		free(run(group_filter, PAIRS(TWO_NODES, "thp", "no")));
		for (u32 k = 0; k < 5; k++)
			if (P.seen[k] != c[i].want[k])
				fail_msg("%s, case %u: want %llu, got %llu",
					 c[i].era, k,
					 (unsigned long long)c[i].want[k],
					 (unsigned long long)P.seen[k]);
	}
}

/* ---- the right to store ---------------------------------------------------------- */

/* Marked after a store, then one more store (seen[1]: a load): the faults it takes;
 * whether the entry allows stores and the task was told that it did. */
static void mark_and_touch(struct wl *w, u32 i)
{
	struct run r = { .va = P.vpn << PAGE_SHIFT, .count = 1, .bytes = 8,
			 .op = P.seen[1] ? RUN_READ : RUN_WRITE };
	struct vma *v = find_vma(P.mm, P.vpn);
	u64 faults, *p;

	touch_page(0);
	(void)me();
	p = pgtable_entry(P.mm, P.vpn, PMD_LEVEL);
	if (!pmd_is_huge(*p))
		p = pgtable_entry(P.mm, P.vpn, 0);
	change_prot_numa(v, v->start, v->end);
	P.seen[2] = *p & PTE_NUMA && !(*p & PTE_P);
	P.seen[3] = *p & PTE_RW;
	faults = this_cpu->count.v[CTR_PGFAULT];
	OK(cpu_run_many(&r, 1));
	P.seen[4] = this_cpu->count.v[CTR_PGFAULT] - faults;
	P.seen[5] = *p & PTE_RW;
	P.seen[6] = numa_current()->hint.is_read_only;
}

/* 4.0-rc1 loses the right to store, so that a store after the hint faults twice
 * and what is only loaded stays read-only; 3.19 and 4.0 keep it. */
static void test_marks_lose_write(void **state)
{
	static const char *const era[] = { "v3.19", "v4.0-rc1", "v4.0-rc+slower",
					   "v4.0" };

	for (u32 i = 0; i < 16; i++) {
		bool is_huge = i & 1, is_load = i & 2;
		bool loses = i >> 2 == 1 || i >> 2 == 2;
		bool known = by(era[i >> 2])->marks_lose_write;

		assert_int_equal(known, loses);
		P.k.numa.skips_local = false;
		P.pages = 512;
		P.flags |= VM_HUGE;
		P.seen[1] = is_load;
		free(run(mark_and_touch, PAIRS(TWO_NODES, "thp",
					       is_huge ? "yes" : "no")));
		assert_true(P.seen[2]);
		assert_int_equal(!P.seen[3], loses);
		assert_int_equal(P.seen[4], loses && !is_load ? 2 : 1);
		assert_int_equal(!P.seen[5], loses && is_load);
		assert_int_equal(P.seen[6], loses);
	}
	for (u32 i = 0; i < 2; i++) {
		by("v6.1")->marks_lose_write = i;
		P.k.numa.skips_local = false;
		free(run(mark_and_touch, PAIRS(TWO_NODES, "thp", "no")));
		assert_int_equal(P.seen[4], i ? 2 : 1);
	}
}

/* ---- huge pages on the move ------------------------------------------------------ */

/* The first thread has a huge page, the second, of the other node, takes it away,
 * and meanwhile the others want it. */
static void meet(struct wl *w, u32 i)
{
	if (!i) {
		touch_page(0);
		at_ms(2, 0);
		change_prot_numa(find_vma(P.mm, P.vpn), P.vpn, P.vpn + 512);
		at_ms(20, 0);
		P.seen[0] = page_of(pte_pfn(*pgtable_entry(P.mm, P.vpn, 1)))->node;
		return;
	}
	at_ms(5, 20 * i);
	touch_page(0);
}

/* Since 3.13 who finds a huge page on its way waits, and nothing is learnt from
 * it; before, each was a hint fault. */
static void test_waits_migrating(void **state)
{
	for (u32 i = 0; i < 2; i++) {
		struct timed_result *r;

		by("v3.13")->waits_migrating = i;
		P.threads = 4;
		P.pages = 512;
		P.flags |= VM_HUGE;
		r = run(meet, PAIRS(TWO_NODES));
		assert_int_equal(r->count.v[CTR_NUMA_HINT_FAULTS], i ? 1 : 3);
		free(r);
	}
	assert_false(kernel_find("v3.12")->numa.waits_migrating);
	assert_true(kernel_find("v6.1")->numa.waits_migrating);
}

static void sleep_on_page(struct wl *w, u32 i)
{
	struct page *page;

	if (!i) {
		touch_page(0);
		page = page_of(pte_pfn(*pgtable_entry(P.mm, P.vpn, 0)));
		lock_page(page);
		at_ms(9, 0);
		unlock_page(page);
		return;
	}
	at_ms(i, 0);
	page = page_of(pte_pfn(*pgtable_entry(P.mm, P.vpn, 0)));
	wait_on_page_locked(page);
	P.seen[P.seen[0]++ + 1] = i;
}

/* Sleepers on a page go on one after another: the first to have come first since
 * 4.14, last before. */
static void test_page_wait(void **state)
{
	for (u32 i = 0; i < 2; i++) {
		by("v6.1");
		P.k.page_wait_fifo = i;
		P.threads = 4;
		free(run(sleep_on_page, PAIRS(TWO_NODES, "thp", "no")));
		assert_int_equal(P.seen[0], 3);
		for (u32 k = 1; k <= 3; k++)
			assert_int_equal(P.seen[k], i ? k : 4 - k);
	}
	assert_false(kernel_find("v3.13")->page_wait_fifo);
	assert_true(kernel_find("v4.14")->page_wait_fifo);
}

/* ---- faults, placement, groups --------------------------------------------------- */

static void place(struct wl *w, u32 i)
{
	struct numa_task *t = me();

	t->f[NUMA_MEMBUF].n[1][1] = 100;
	t->f[NUMA_CPUBUF].n[0][1] = 100;
	t->locality[0] = 100;
	the_sys->drv.delay(this_cpu->now + 10 * numab()->ms);
	P.mm->numa_scan_seq = 7;
	task_numa_placement(t);
	P.seen[0] = (u64)t->preferred_nid;
	P.seen[1] = numa_sum(&t->f[NUMA_MEM], 1);
	P.seen[2] = numa_sum(&t->f[NUMA_CPU], 0) > 0;
	P.mm->numa_scan_seq = 8;
	task_numa_placement(t);
	P.seen[3] = numa_sum(&t->f[NUMA_MEM], 1);
	P.seen[4] = t->migrate_retry > 0;
}

/* The node with most faults is preferred; what was counts half a pass later. CPU
 * faults from 3.15; a move is tried at once in 3.13. None of it in 3.12. */
static void test_placement(void **state)
{
	static const struct { const char *era; u64 want[5]; } c[] = {
		{ "v3.12", { (u64)-1, 0, 0, 0, 0 } },
		{ "v3.13", { 1, 100, 0, 50, 1 } },
		{ "v6.1", { 1, 100, 1, 50, 0 } },
	};

	for (u32 i = 0; i < ARRAY_LEN(c); i++) {
		by(c[i].era);
		free(run(place, PAIRS(TWO_NODES)));
		assert_memory_equal(P.seen, c[i].want, sizeof(c[i].want));
	}
	by("v6.1")->faults_cpu = false;
	free(run(place, PAIRS(TWO_NODES)));
	assert_int_equal(P.seen[2], 0);
}

static void share(struct wl *w, u32 i)
{
	(void)numa_current();
	if (!i) {
		the_sys->drv.delay(20 * numab()->ms);
		return;
	}
	the_sys->drv.delay(5 * numab()->ms);
	for (struct sched_task *s = sched_first_of_all(); s; s = s->next_of_all)
		if (s != current()->sched) {
			int priv = 0;

			task_numa_group(numa_of(s), make_cpupid(
				current()->sched->pid, this_cpu->id), false,
				&priv);
			touch_page(0);
			page_of(pte_pfn(*pgtable_entry(P.mm, P.vpn, 0)))->
				last_cpupid = make_cpupid(s->pid, s->cpu);
		}
	change_prot_numa(find_vma(P.mm, P.vpn), P.vpn, P.vpn + 1);
	touch_page(0);
	P.seen[0] = numa_current()->group ? numa_current()->group->nr_tasks : 0;
}

/* Two threads that fault on one page form a group, from 3.13 on; not if the entry
 * allows no stores, which in 4.0-rc1 a mark sees to. */
static void test_groups(void **state)
{
	by("v6.1")->marks_lose_write = true;
	P.threads = 2;
	free(run(share, PAIRS(TWO_NODES, "thp", "no")));
	assert_int_equal(P.seen[0], 0);
	for (u32 i = 0; i < 2; i++) {
		by("v6.1")->has_groups = i;
		P.threads = 2;
		free(run(share, PAIRS(TWO_NODES, "thp", "no")));
		assert_int_equal(P.seen[0], i ? 2 : 0);
	}
	assert_false(kernel_find("v3.12")->numa.has_groups);
}

static void active(struct wl *w, u32 i)
{
	struct numa_task *t = me();
	struct numa_group g = { .nr_tasks = 2, .active_nodes = 2,
				.max_faults_cpu = 10 };

	touch_page(0);
	g.cpu.n[0][0] = g.cpu.n[1][0] = 10;
	t->group = &g;
	t->migrate_retry = UINT64_MAX;
	t->hint = (struct numa_hint){
		.is_set = true, .node = 1, .pages = 1,
		.last_cpupid = make_cpupid(99, this_cpu->id),
	};
	numa_fault_done();
	P.seen[0] = t->locality[1];
	t->group = NULL;
}

/* 3.15: a shared fault among a group's active nodes is local. */
static void test_active_is_local(void **state)
{
	for (u32 i = 0; i < 2; i++) {
		by("v6.1")->active_is_local = i;
		free(run(active, PAIRS(TWO_NODES)));
		assert_int_equal(P.seen[0], i);
	}
}

static void waits(struct wl *w, u32 i)
{
	struct numa_task *t = me();

	touch_page(0);
	t->f[NUMA_MEMBUF].n[1][1] = 100;
	t->migrate_retry = UINT64_MAX;
	P.mm->numa_scan_seq = 7;
	t->hint = (struct numa_hint){ .is_set = true, .pages = 1 };
	numa_fault_done();
	P.seen[0] = t->scan_seq;
}

/* 3.13 places at every fault that is the first of a pass, 6.x only when a move may
 * be tried again. */
static void test_placement_waits(void **state)
{
	for (u32 i = 0; i < 2; i++) {
		by("v6.1")->placement_waits = i;
		free(run(waits, PAIRS(TWO_NODES)));
		assert_int_equal(P.seen[0], i ? 0 : 7);
	}
	assert_false(kernel_find("v3.13")->numa.placement_waits);
}

/* ---- moves --------------------------------------------------------------------- */

static void wrong_places(struct wl *w, u32 i)
{
	struct numa_task *t = me();
	u32 other = !this_cpu->node;

	t->f[NUMA_MEM].n[other][1] = 1000;
	t->total_faults = 1000;
	t->preferred_nid = (int)other;
	P.seen[i] = this_cpu->id;
	the_sys->drv.delay(5 * numab()->ms);
	if (!i)
		numa_migrate_preferred(t);
	for (u32 k = 0; k < 40; k++) {
		touch_page(i);
		the_sys->drv.delay(this_cpu->now + numab()->ms);
		the_sys->os.user_tick();
	}
	P.seen[i + 2] = this_cpu->id;
}

/* Two threads, each on the node where the other's memory is. Without a free CPU 6.x
 * lets them change places, and 3.13 does not look at a node that is full. With one
 * 3.13 prefers the exchange to a move that makes one node emptier, and 6.x leaves
 * two strangers alone while there is room. Who looked in vain is counted once, by
 * kernels that count it at all. */
static void test_swap(void **state)
{
	static const struct {
		const char *era, *machine; bool swaps, counts;
	} c[] = {
		{ "v3.12", "pack:2 core:1 pu:1", false, false },
		{ "v3.12", "pack:2 core:2 pu:1", false, false },
		{ "v3.13", "pack:2 core:1 pu:1", false, false },
		{ "v3.13", "pack:2 core:2 pu:1", true, false },
		{ "v3.19", "pack:2 core:1 pu:1", false, true },
		{ "v6.1", "pack:2 core:1 pu:1", true, true },
		{ "v6.1", "pack:2 core:2 pu:1", false, true },
	};

	for (u32 i = 0; i < ARRAY_LEN(c); i++) {
		struct timed_result *r;

		by(c[i].era);
		P.threads = 2;
		r = run(wrong_places, PAIRS("machine", c[i].machine,
					    "numa_balancing", "1", "thp", "no"));
		assert_int_equal(P.seen[2] == P.seen[1] &&
				 P.seen[3] == P.seen[0], c[i].swaps);
		assert_int_equal(r->count.v[CTR_NUMA_TASK_SWAPPED],
				 c[i].swaps);
		assert_int_equal(r->count.v[CTR_SCHED_STICK_NUMA],
				 !c[i].swaps && c[i].counts);
		free(r);
	}
}

static void limit(struct wl *w, u32 i)
{
	struct page *page;

	touch_page(0);
	page = page_of(pte_pfn(*pgtable_entry(P.mm, P.vpn, 0)));
	for (u32 k = 0; k < 300; k++) {
		page->node = !this_cpu->node;
		page->last_cpupid = 0;
		P.seen[0] += numa_misplaced(page, PTE_P | PTE_RW) >= 0;
	}
	page->node = (u8)this_cpu->node;
	the_sys->drv.delay(this_cpu->now + 101 * numab()->ms);
	page->node = !this_cpu->node;
	page->last_cpupid = 0;
	P.seen[1] = numa_misplaced(page, PTE_P | PTE_RW) >= 0;
	page->node = (u8)this_cpu->node;
}

/* So many pages to a node in 100 ms; none from 4.19 on. */
static void test_rate_limit(void **state)
{
	by("v3.13")->ratelimit_pages = 100;
	free(run(limit, PAIRS(TWO_NODES, "thp", "no")));
	assert_int_equal(P.seen[0], 101);
	assert_int_equal(P.seen[1], 1);
	by("v6.1");
	free(run(limit, PAIRS(TWO_NODES, "thp", "no")));
	assert_int_equal(P.seen[0], 300);
	assert_int_equal(kernel_find("v3.13")->numa.ratelimit_pages, 32768);
}

static void balancer(struct wl *w, u32 i)
{
	struct numa_task *t = me();

	t->preferred_nid = (int)this_cpu->node;
	t->f[NUMA_MEM].n[this_cpu->node][1] = 1000;
	t->total_faults = 1000;
	t->scan_seq = 3;
	t->scan_period_ms = 7777;
	P.seen[0] = sched_resists != NULL;
	sched_moved(t->t->sched, this_cpu->id, this_cpu->node ? 0 : 2);
	P.seen[1] = t->scan_period_ms;
}

/* The load balancer asks; and who it took from its memory scans anew. */
static void test_balancer(void **state)
{
	for (u32 i = 0; i < 2; i++) {
		struct numa_rules *r = by("v6.12");

		r->lb_resets = i;
		r->lb_resists = i;
		free(run(balancer, PAIRS(TWO_NODES)));
		assert_int_equal(P.seen[0], i);
		assert_int_equal(P.seen[1], i ? 1000 : 7777);
	}
}

/* ---- queues of memory ------------------------------------------------------------ */

#define QUEUED_PAGES 1024u      /* two huge ones, both of node 0              */

/* One streams 2 MiB; the other wants some of the same node meanwhile. */
static void queued(struct wl *w, u32 i)
{
	u64 va = P.vpn << PAGE_SHIFT, from;

	if (!i)
		for (u64 p = 0; p < QUEUED_PAGES; p += 512)
			touch_page(p);
	at_ms(10, 10 * i);
	from = this_cpu->now;
	if (!i)
		OK(cpu_stream(va, 2 << 20, RUN_READ, 0));
	else if (P.seen[0] == 1)
		OK(cpu_probe(va + (2 << 20), RUN_READ));
	else
		OK(cpu_stream(va + (2 << 20), P.seen[0] * 64, RUN_READ, 0));
	P.seen[1 + i] = this_cpu->now - from;
}

/* Who streams waits for all that was asked for before; one line only for what all
 * cores can have under way. */
static void test_queue_of_a_line(void **state)
{
	u64 lines[] = { 1, 64 }, took[2];

	for (u32 i = 0; i < 2; i++) {
		by("v6.1");
		P.threads = 2;
		P.pages = QUEUED_PAGES;
		P.flags |= VM_HUGE;
		P.seen[0] = lines[i];
		free(run(queued, PAIRS(TWO_NODES, "profile", "westmere-ex")));
		took[i] = P.seen[2];
	}
	assert_true(took[1] > P.seen[1] / 2);
	assert_true(took[0] < P.seen[1] / 50);
}

/* ---- tiering ------------------------------------------------------------------- */

static void tier(struct wl *w, u32 i)
{
	/* Until the slow node has it: the fast one is full. */
	for (u64 p = 0; p < P.pages; p++)
		touch_page(p);
	P.seen[3] = pfn_node(pte_pfn(*pgtable_entry(P.mm, P.vpn + P.pages - 1,
						    0)));
	hint(P.pages - 1);
	P.seen[0] = this_cpu->count.v[CTR_PGPROMOTE_CANDIDATE];
	change_prot_numa(find_vma(P.mm, P.vpn), P.vpn + P.pages - 2,
			 P.vpn + P.pages - 1);
	the_sys->drv.delay(this_cpu->now + 1500 * numab()->ms);
	touch_page(P.pages - 2);
	P.seen[1] = this_cpu->count.v[CTR_PGPROMOTE_CANDIDATE];
	P.seen[2] = this_cpu->count.v[CTR_NUMA_PTE_UPDATES];
}

static void late(struct wl *w, u32 i)
{
	struct page *page;

	for (u64 p = 0; p < P.pages; p++)
		touch_page(p);
	(void)me();
	page = page_of(pte_pfn(*pgtable_entry(P.mm, P.vpn + P.pages - 1, 0)));
	page->last_cpupid = numa_now_ms();
	the_sys->drv.delay(this_cpu->now + 1500 * numab()->ms);
	P.seen[0] = numa_promotes(page, 0);
}

/* A page that faults soon after it was marked is hot and a candidate; one that
 * takes longer than the threshold is not. Before 5.18 nothing is tiered. */
static void test_tiering(void **state)
{
	for (u32 i = 0; i < 2; i++) {
		by("v6.12")->has_tiering = i;
		P.k.numa.skips_local = false;
		P.pages = 600;
		free(run(tier, PAIRS("machine", "[numa(memory=2MiB)] "
				     "[numa(memory=1GiB)] pack:1 core:1 pu:1",
				     "numa_balancing", "2", "thp", "no")));
		assert_int_equal(P.seen[3], 1);
		assert_int_equal(P.seen[0], i);
		assert_int_equal(P.seen[1], i);
	}
	/* Of 5.18 any page of the slow node is hot. */
	for (u32 i = 0; i < 2; i++) {
		by("v6.12")->tier_threshold = i;
		P.pages = 600;
		free(run(late, PAIRS("machine", "[numa(memory=2MiB)] "
				     "[numa(memory=1GiB)] pack:1 core:1 pu:1",
				     "numa_balancing", "2", "thp", "no")));
		assert_int_equal(P.seen[0], !i);
	}
}

/* Share of stores that went to the other node, in percent. */
static u64 heap_remote_stores(const char *time, const char *collectors)
{
	struct timed_result *r;
	struct setup s;
	u64 share;

	point_make(&s, workload_find("java-heap"),
		   PAIRS("machine", "pack:2 core:2 pu:1", "jvms", "1", "tree", "1M",
			 "buffer", "4M", "time", time, "collectors", collectors, "thp",
			 "no"));
	r = point_run(&s);
	point_free(&s);
	assert_true(r->done > 100);
	share = r->count.v[CTR_NODE_STORE_MISSES] * 100 /
		r->count.v[CTR_NODE_STORES];
	free(r);
	return share;
}

/* Eden is handed out anew after each collection: of two nodes half of it is remote
 * then, whoever collects. */
static void test_eden_changes_hands(void **state)
{
	assert_in_range(heap_remote_stores("2ms", "0"), 0, 5);
	assert_in_range(heap_remote_stores("20ms", "0"), 25, 60);
	assert_in_range(heap_remote_stores("20ms", "3"), 25, 60);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_periods),
	cmocka_unit_test(test_adaption),
	cmocka_unit_test(test_filters),
	cmocka_unit_test(test_group_filter),
	cmocka_unit_test(test_marks_lose_write),
	cmocka_unit_test(test_waits_migrating),
	cmocka_unit_test(test_page_wait),
	cmocka_unit_test(test_placement),
	cmocka_unit_test(test_groups),
	cmocka_unit_test(test_active_is_local),
	cmocka_unit_test(test_placement_waits),
	cmocka_unit_test(test_swap),
	cmocka_unit_test(test_rate_limit),
	cmocka_unit_test(test_balancer),
	cmocka_unit_test(test_queue_of_a_line),
	cmocka_unit_test(test_tiering),
	cmocka_unit_test(test_eden_changes_hands),
};

TEST_MAIN(tests)
