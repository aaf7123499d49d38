/* NUMA balancing: formulas and rules by era, each switch on and off; queues of
 * memory; self-checks of counters; the published behaviour, scaled down. */
#include <string.h>

#include "cpu/dram.h"
#include "mm/numa_balancing.h"
#include "tests/point.h"

static struct {
	void (*body)(struct wl *w, u32 i);
	struct kernel k;
	u32 threads;
	struct mm *mm;
	u64 vpn, pages;
	u32 flags;
	u64 seen[16];
} P;

static int setup(struct wl *w, struct err *e)
{
	int n = wl_thread_count(w, P.threads, e);

	if (n < 0)
		return n;
	P.mm = mm_create();
	P.vpn = wl_map(P.mm, P.pages, P.flags);
	for (u32 i = 0; i < w->nr_threads; i++)
		OK(wl_start(w, i, P.mm, e));
	return 0;
}

static void body(struct wl *w, u32 i)
{
	P.body(w, i);
}

static const struct workload program = {
	.name = "program", .setup = setup, .body = body,
};

/* The rules to run by; a test may change them before it runs. */
static struct numa_rules *by(const char *kernel)
{
	memset(&P, 0, sizeof(P));
	P.k = *kernel_find(kernel);
	P.threads = 1;
	P.pages = 64;
	P.flags = VM_READ | VM_WRITE | VM_MIGRATABLE;
	return &P.k.numa;
}

static struct timed_result *run(void (*fn)(struct wl *, u32),
				const char *const *pairs)
{
	struct timed_result *r;
	struct setup s;

	P.body = fn;
	point_make(&s, &program, pairs);
	s.p.kernel = &P.k;
	r = point_run(&s);
	point_free(&s);
	return r;
}

#define TWO_NODES "machine", "pack:2 core:2 pu:1", "numa_balancing", "1"

static struct numa_task *me(void)
{
	struct numa_task *t = numa_current();

	memset(t->f, 0, sizeof(t->f));
	memset(t->locality, 0, sizeof(t->locality));
	t->total_faults = 0;
	return t;
}

static void touch_page(u64 page)
{
	struct run r = {
		.va = (P.vpn + page) << PAGE_SHIFT, .count = 1, .bytes = 8,
		.op = RUN_WRITE,
	};

	OK(cpu_run_many(&r, 1));
}

/* Fault page @page's NUMA hint by hand: mark it, touch it. */
static void hint(u64 page)
{
	struct vma *v = find_vma(P.mm, P.vpn + page);

	touch_page(page);
	change_prot_numa(v, P.vpn + page, P.vpn + page + 1);
	touch_page(page);
}

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

static void at_ms(u64 ms, u64 and_us)
{
	the_sys->drv.delay((ms * 1000 + and_us) * numab()->ms / 1000);
}

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

/* ---- scans --------------------------------------------------------------------- */

/* Pages first touched in steps of seen[0]: cycles of a scan of them all. */
static void timed_scan(struct wl *w, u32 i)
{
	struct vma *v = find_vma(P.mm, P.vpn);
	u64 from;

	for (u64 p = 0; p < P.pages; p++)
		touch_page(p * P.seen[0] % P.pages);
	(void)me();
	from = this_cpu->now;
	P.seen[2] = change_prot_numa(v, v->start, v->end);
	P.seen[1] = this_cpu->now - from;
	P.seen[3] = machine_dram(the_sys->m, this_cpu->id, this_cpu->node);
	P.seen[4] = the_sys->m->lines_in_flight;
}

/* A struct page comes from memory: ahead of time if frames follow one another. */
static void test_scan_reads_pages(void **state)
{
	u64 cycles[2];

	for (u32 i = 0; i < 2; i++) {
		by("v6.1")->skips_local = false;
		P.pages = 512;
		P.seen[0] = i ? 17 : 1;
		free(run(timed_scan, PAIRS(TWO_NODES, "thp", "no")));
		assert_int_equal(P.seen[2], 512);
		cycles[i] = P.seen[1];
	}
	assert_true(cycles[0] > 512 * P.seen[3] / P.seen[4]);
	assert_true(cycles[1] > 512 * P.seen[3]);
	assert_true(cycles[1] - cycles[0] > 500 * (P.seen[3] - P.seen[3] /
						   P.seen[4]));
}

/* Cycles of a scan of one huge page, or of one of 4K. */
static u64 scan_of_one(bool is_huge)
{
	P.pages = is_huge ? 512 : 1;
	P.flags |= is_huge ? VM_HUGE : 0;
	P.seen[0] = 1;
	P.k.numa.skips_local = false;
	free(run(timed_scan, PAIRS(TWO_NODES, "thp", is_huge ? "yes" : "no")));
	return P.seen[1];
}

/* Marking is arithmetic on entries where nothing of the page is asked for. */
static void test_scan_reads_by_era(void **state)
{
	static const struct { const char *era; bool small, huge; } c[] = {
		{ "v3.12", true, true }, { "v3.13", false, false },
		{ "v3.19", true, false }, { "v4.0", true, false },
		{ "v4.14", true, false }, { "v5.14", true, false },
		{ "v6.0-numa", true, false }, { "v6.0-numa+hot", true, true },
		{ "v6.1", true, true }, { "v6.12", true, true },
	};

	for (u32 i = 0; i < ARRAY_LEN(c); i++)
		for (u32 huge = 0; huge < 2; huge++) {
			bool reads = huge ? c[i].huge : c[i].small;
			u64 with, without;

			by(c[i].era);
			with = scan_of_one(huge);
			by(c[i].era)->scan_reads = NUMA_READS_NONE;
			without = scan_of_one(huge);
			if (with < without + (reads ? P.seen[3] : 0) ||
			    (!reads && with != without))
				fail_msg("%s, %s: %llu cycles, %llu without",
					 c[i].era, huge ? "huge" : "4K",
					 (unsigned long long)with,
					 (unsigned long long)without);
		}
}

/* One 4K page and one huge one, referred to by somebody else as well. */
static void scan_pinned(struct wl *w, u32 i)
{
	struct vma *v = find_vma(P.mm, P.vpn);
	u32 level;

	touch_page(0);
	level = pmd_is_huge(*pgtable_entry(P.mm, P.vpn, PMD_LEVEL));
	get_page(page_of(pte_pfn(*pgtable_entry(P.mm, P.vpn, level))));
	P.seen[0] = change_prot_numa(v, P.vpn, P.vpn + P.pages);
}

/* Since 5.17 4K pages that could not move anyway are left alone; huge ones are
 * not. */
static void test_skips_pinned(void **state)
{
	for (u32 i = 0; i < 4; i++) {
		bool is_huge = i & 2;

		by("v6.1")->skips_pinned = i & 1;
		P.k.numa.skips_local = false;
		P.pages = 512;
		P.flags |= VM_HUGE;
		free(run(scan_pinned, PAIRS(TWO_NODES, "thp",
					    is_huge ? "yes" : "no")));
		assert_int_equal(P.seen[0], is_huge ? 512 : !(i & 1));
	}
	assert_true(kernel_find("v6.1")->numa.skips_pinned);
	assert_false(kernel_find("v5.14")->numa.skips_pinned);
}

static void scan_and_move(struct wl *w, u32 i)
{
	struct vma *v = find_vma(P.mm, P.vpn);
	struct counters before;

	/* The second thread is the other node's. */
	if (i != 1) {
		for (u64 p = 0; p < P.pages && !i; p++)
			touch_page(p);
		at_ms(10, 0);
		if (!i)
			change_prot_numa(v, v->start, v->end);
		at_ms(30, 0);
		return;
	}
	/* Its hint is there, the rest of the piece is not yet. */
	at_ms(10, P.seen[0]);
	before = this_cpu->count;
	touch_page(0);
	P.seen[1] = this_cpu->count.v[CTR_NUMA_PAGES_MIGRATED] -
		before.v[CTR_NUMA_PAGES_MIGRATED];
	P.seen[2] = this_cpu->count.v[CTR_IPIS_SENT] - before.v[CTR_IPIS_SENT];
}

/* Since 5.13 a page that moves costs interrupts only while the flush of a scan is
 * still to come; before, always. */
static void test_pending_scan(void **state)
{
	static const struct { const char *era; u64 us; bool sends; } c[] = {
		{ "v5.14", 20, true }, { "v5.14", 9000, false },
		{ "v4.14", 20, true }, { "v4.14", 9000, true },
	};

	for (u32 i = 0; i < ARRAY_LEN(c); i++) {
		by(c[i].era);
		P.threads = 3;
		P.pages = 8192;
		P.seen[0] = c[i].us;
		free(run(scan_and_move, PAIRS("machine", "pack:2 core:2 pu:1",
					      "numa_balancing", "1", "thp", "no",
					      "numa_balancing_scan_delay_ms",
					      "100000")));
		assert_int_equal(P.seen[1], 1);
		if ((P.seen[2] > 0) != c[i].sends)
			fail_msg("%s, after %llu us: %llu interrupts", c[i].era,
				 (unsigned long long)c[i].us,
				 (unsigned long long)P.seen[2]);
	}
}

static void two_mib(struct wl *w, u32 i)
{
	struct vma *v = find_vma(P.mm, P.vpn);

	numa_current();
	for (u64 p = 0; p < 512; p++)
		touch_page(p);
	change_prot_numa(v, v->start, v->end);
}

/* A huge entry is 512 updates, in 3.12 it was one; and one of those of the other
 * counter either way. */
static void test_huge_counts(void **state)
{
	for (u32 i = 0; i < 2; i++) {
		struct timed_result *r;

		by("v3.13")->pmd_counts_one = i;
		P.pages = 512;
		P.flags |= VM_HUGE;
		r = run(two_mib, PAIRS(TWO_NODES));
		assert_int_equal(r->count.v[CTR_NUMA_PTE_UPDATES], i ? 1 : 512);
		assert_int_equal(r->count.v[CTR_NUMA_HUGE_PTE_UPDATES], 1);
		free(r);
	}
	assert_true(kernel_find("v3.12")->numa.pmd_counts_one);
}

/* Of one thread, 4K pages beside it stay as they are from 3.15 on. */
static void test_skips_local(void **state)
{
	for (u32 i = 0; i < 2; i++) {
		struct timed_result *r;

		by("v6.1")->skips_local = i;
		P.pages = 512;
		r = run(two_mib, PAIRS(TWO_NODES));
		assert_int_equal(r->count.v[CTR_NUMA_PTE_UPDATES], i ? 0 : 512);
		free(r);
	}
	assert_false(kernel_find("v3.13")->numa.skips_local);
}

/* Until its time is up, by this thread; the scanner's work, then, and nothing
 * else is due. */
static void scan_now(void)
{
	struct numa_task *t = numa_current();

	P.mm->numa_next_scan = 1;
	t->scan_period_ms = 1;
	t->node_stamp = 1;
	t->t->sched->sum_exec += 100 * numab()->ms;
	numa_tick();
}

static u64 updates(void)
{
	return this_cpu->count.v[CTR_NUMA_PTE_UPDATES];
}

static void gap(struct wl *w, u32 i)
{
	u64 far = wl_map(P.mm, 64 << 8, P.flags), last;

	(void)far;
	last = wl_map(P.mm, 1024, P.flags);
	for (u64 p = 0; p < 1024; p++)
		touch_page(p);
	for (u64 p = 0; p < 1024; p++)
		touch_page(last - P.vpn + p);
	scan_now();
	P.seen[0] = updates();
}

/* 4 MiB, 64 MiB that nobody touched, 4 MiB; a scan of 16 MiB. Until 4.2 or so what
 * comes after the first change is charged: the second part is not reached. */
static void test_charges_changed(void **state)
{
	for (u32 i = 0; i < 2; i++) {
		by("v6.1")->scan_charges_changed = i;
		P.k.numa.skips_local = false;
		P.pages = 1024;
		free(run(gap, PAIRS(TWO_NODES, "thp", "no",
				    "numa_balancing_scan_size_mb", "16")));
		assert_int_equal(P.seen[0], i ? 2048 : 1024);
	}
	assert_false(kernel_find("v3.13")->numa.scan_charges_changed);
}

static void hold_lock(struct wl *w, u32 i)
{
	u64 from;

	if (i) {
		down_write(&P.mm->mmap_lock);
		the_sys->drv.delay(10 * numab()->ms);
		up_write(&P.mm->mmap_lock);
		return;
	}
	the_sys->drv.delay(5 * numab()->ms);
	from = this_cpu->now;
	scan_now();
	P.seen[0] = this_cpu->now - from > numab()->ms;
}

/* Since 4.18 a scan does not wait for mmap_lock. */
static void test_trylock(void **state)
{
	for (u32 i = 0; i < 2; i++) {
		by("v6.1")->scan_trylock = i;
		P.threads = 2;
		free(run(hold_lock, PAIRS(TWO_NODES)));
		assert_int_equal(P.seen[0], !i);
	}
}

static void throttle(struct wl *w, u32 i)
{
	for (u64 p = 0; p < P.pages; p++)
		touch_page(p);
	scan_now();
	P.seen[0] = numa_current()->node_stamp / numab()->ms;
}

/* Time spent scanning is paid for, 32 times. */
static void test_throttle(void **state)
{
	u64 stamp[2];

	for (u32 i = 0; i < 2; i++) {
		by("v6.1")->scan_throttles = i;
		P.k.numa.skips_local = false;
		P.pages = 4096;
		free(run(throttle, PAIRS(TWO_NODES, "thp", "no")));
		stamp[i] = P.seen[0];
	}
	assert_true(stamp[1] > stamp[0]);
}

static void one_node(struct wl *w, u32 i)
{
	touch_page(0);
	scan_now();
	P.seen[0] = updates();
	sched_move_current(2);
	scan_now();
	P.seen[1] = this_cpu->count.v[CTR_NUMA_PTE_UPDATES];
}

/* Until 3.12 an mm that stayed on one node was not scanned. */
static void test_waits_remote(void **state)
{
	for (u32 i = 0; i < 2; i++) {
		by("v3.13")->scan_waits_remote = i;
		free(run(one_node, PAIRS(TWO_NODES, "thp", "no")));
		assert_int_equal(P.seen[0], !i);
		assert_int_equal(P.seen[1], i);
	}
	assert_true(kernel_find("v3.12")->numa.scan_waits_remote);
}

/* ---- VMAs that nobody of the scanner's threads accessed ------------------------- */

/* @n passes by a thread that touched one page once. */
static void many_passes(struct wl *w, u32 i)
{
	touch_page(0);
	for (u32 k = 0; k < 12; k++) {
		scan_now();
		P.seen[k] = updates();
		/* Another thread takes the fault: this one's PID stays out. */
		if (k >= 1)
			find_vma(P.mm, P.vpn)->numab
				? (void)(find_vma(P.mm, P.vpn)->numab->pids[0] =
					 find_vma(P.mm, P.vpn)->numab->pids[1] = 0)
				: (void)0;
		*pgtable_entry(P.mm, P.vpn, 0) |= PTE_P;
	}
}

static u64 passes_that_scan(const char *era, void (*change)(struct numa_rules *))
{
	struct numa_rules *r = by(era);
	u64 n = 0;

	r->skips_local = false;
	if (change)
		change(r);
	free(run(many_passes, PAIRS(TWO_NODES, "thp", "no",
				    "numa_balancing_scan_delay_ms", "0")));
	for (u32 k = 1; k < 12; k++)
		n += P.seen[k] > P.seen[k - 1];
	return n;
}

static void no_pids(struct numa_rules *r)
{
	r->vma_pids = false;
}

static void no_retry(struct numa_rules *r)
{
	r->vma_retry = false;
}

static void no_starving(struct numa_rules *r)
{
	r->vma_retry = false;
	r->vma_starving = false;
}

static void only_starving(struct numa_rules *r)
{
	r->vma_retry = false;
}

/* 6.3 scans in every pass, 6.4 in the first two, 6.7 rather than nothing; without
 * that, 6.12 as soon as it was left out for more passes than there are threads. */
static void test_vma_pids(void **state)
{
	u64 all = passes_that_scan("v6.3", NULL);

	assert_true(all >= 10);
	assert_true(passes_that_scan("v6.4", NULL) <= 2);
	assert_true(passes_that_scan("v6.4", no_pids) >= 10);
	assert_true(passes_that_scan("v6.7", NULL) >= 4);
	assert_true(passes_that_scan("v6.7", no_retry) <= 2);
	assert_true(passes_that_scan("v6.12", only_starving) >= 3);
	assert_true(passes_that_scan("v6.12", no_starving) <= 2);
}

static void partial(struct wl *w, u32 i)
{
	struct numa_vma *v;

	for (u64 p = 0; p < P.pages; p++)
		touch_page(p);
	scan_now();
	v = find_vma(P.mm, P.vpn)->numab;
	v->pids[0] = v->pids[1] = 0;
	P.mm->numa_scan_seq = v->start_seq + 5;
	P.seen[0] = updates();
	scan_now();
	P.seen[1] = updates();
}

/* 6.7: one that is half scanned is scanned to its end. */
static void test_vma_partial(void **state)
{
	for (u32 i = 0; i < 2; i++) {
		by("v6.7")->vma_partial = i;
		P.k.numa.vma_retry = false;
		P.k.numa.skips_local = false;
		P.pages = 2048;
		free(run(partial, PAIRS(TWO_NODES, "thp", "no",
					"numa_balancing_scan_size_mb", "4",
					"numa_balancing_scan_delay_ms", "0")));
		assert_int_equal(P.seen[0], 1024);
		assert_int_equal(P.seen[1], i ? 2048 : 1024);
	}
}

static void young(struct wl *w, u32 i)
{
	touch_page(0);
	P.mm->numa_scan_seq = 1;
	scan_now();
	P.seen[0] = updates();
	the_sys->drv.delay(this_cpu->now + 1001 * numab()->ms);
	scan_now();
	P.seen[1] = updates();
}

/* 6.4: a VMA younger than the scan delay is left alone, once the mm had a pass. */
static void test_vma_delay(void **state)
{
	for (u32 i = 0; i < 2; i++) {
		by("v6.4")->vma_delay = i;
		P.k.numa.vma_pids = false;
		P.k.numa.skips_local = false;
		free(run(young, PAIRS(TWO_NODES, "thp", "no")));
		assert_int_equal(P.seen[0], !i);
		assert_int_equal(P.seen[1], 1);
	}
	assert_false(kernel_find("v6.3")->numa.vma_delay);
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
 * two strangers alone while there is room. */
static void test_swap(void **state)
{
	static const struct { const char *era, *machine; bool swaps; } c[] = {
		{ "v3.12", "pack:2 core:1 pu:1", false },
		{ "v3.12", "pack:2 core:2 pu:1", false },
		{ "v3.13", "pack:2 core:1 pu:1", false },
		{ "v3.13", "pack:2 core:2 pu:1", true },
		{ "v6.1", "pack:2 core:1 pu:1", true },
		{ "v6.1", "pack:2 core:2 pu:1", false },
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

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_periods),
	cmocka_unit_test(test_adaption),
	cmocka_unit_test(test_filters),
	cmocka_unit_test(test_group_filter),
	cmocka_unit_test(test_marks_lose_write),
	cmocka_unit_test(test_waits_migrating),
	cmocka_unit_test(test_page_wait),
	cmocka_unit_test(test_scan_reads_pages),
	cmocka_unit_test(test_scan_reads_by_era),
	cmocka_unit_test(test_pending_scan),
	cmocka_unit_test(test_huge_counts),
	cmocka_unit_test(test_skips_local),
	cmocka_unit_test(test_skips_pinned),
	cmocka_unit_test(test_charges_changed),
	cmocka_unit_test(test_trylock),
	cmocka_unit_test(test_throttle),
	cmocka_unit_test(test_waits_remote),
	cmocka_unit_test(test_vma_pids),
	cmocka_unit_test(test_vma_partial),
	cmocka_unit_test(test_vma_delay),
	cmocka_unit_test(test_placement),
	cmocka_unit_test(test_groups),
	cmocka_unit_test(test_active_is_local),
	cmocka_unit_test(test_placement_waits),
	cmocka_unit_test(test_swap),
	cmocka_unit_test(test_rate_limit),
	cmocka_unit_test(test_balancer),
	cmocka_unit_test(test_queue_of_a_line),
	cmocka_unit_test(test_tiering),
};

TEST_MAIN(tests)
