/* test_thp_modes.c - every workload with 4K pages, with huge ones, and with both,
 * split and collapsed as it runs (--thp-churn): it ends, each mode does what it
 * says, and what is counted agrees with what is there at the end.
 */
#include "mm/lru.h"
#include "tests/point.h"

enum mode { NEVER, ALWAYS, MIXED, NR_MODES };

/* What of it may be huge. */
enum what_is_huge {
	NONE,                   /* files, or too little: 4K whatever is asked */
	HUGE,
	HUGE_SPLIT,             /* and the program changes parts of 2M        */
	HUGE_BRIEF,             /* it is gone before anybody collapses it, or
				 * cannot be collapsed                        */
	HUGE_FULL,              /* and memory ends, so that 4K must do        */
};

static const struct {
	const char *name;
	enum what_is_huge memory;
	const char *const pairs[9];
} row[] = {
	{ "numa01", HUGE, { "memory", "8M", "loops", "2" } },
	{ "numa01_THREADLOCAL", HUGE, { "memory", "8M", "loops", "2" } },
	{ "numa02", HUGE, { "memory", "8M", "loops", "4" } },
	{ "numa02_SMT", HUGE, { "memory", "8M", "loops", "4" } },
	{ "stream", HUGE, { "array", "4M", "loops", "1" } },
	{ "pmbench", HUGE, { "map", "8M", "time", "2ms" } },
	{ "kv-store", HUGE, { "store", "8M", "time", "2ms" } },
	{ "producers-consumers", HUGE, { "buffer", "1M", "rounds", "8" } },
	{ "java-heap", HUGE, { "tree", "2M", "buffer", "2M", "time", "2ms" } },
	/* The guest's memory is left alone by who splits and collapses. */
	{ "kvm-guest", HUGE_BRIEF, { "memory", "8M", "time", "2ms" } },
	{ "xfs-repair", HUGE, { "cache", "4M", "trees", "2M", "clusters", "32" } },
	{ "numa-migrate", HUGE, { "working-set", "8M", "time", "1ms" } },
	{ "mprotect-storm", HUGE, { "pages", "600", "iterations", "4" } },
	{ "fork-compact", NONE, { "children", "20" } },
	{ "mremap-compact", NONE, { "moves", "20" } },
	{ "chase", HUGE, { "pages", "40", "rounds", "4000" } },
	{ "tlb_flush2", HUGE_SPLIT, { "bytes", "2M", "threads", "2" } },
	{ "page_fault1", HUGE_BRIEF, { "bytes", "2M", "threads", "2" } },
	{ "mmap1", NONE, { "rounds", "10" } },
	{ "malloc1", HUGE_BRIEF, { "bytes", "4M", "rounds", "4" } },
	{ "malloc2", NONE, { "rounds", "100" } },
	{ "brk1", NONE, { "rounds", "20" } },
	{ "tlb_flush1", NONE, { "bytes", "128K" } },
	{ "tlb_flush3", NONE, { "bytes", "128K" } },
	{ "page_fault2", NONE, { "bytes", "256K" } },
	{ "page_fault3", NONE, { "bytes", "256K" } },
	{ "mmap2", NONE, { "rounds", "10" } },
	{ "sysbench-mmap", NONE, { "bytes", "1M", "requests", "50" } },
	{ "mapped-read", NONE, { "bytes", "1M" } },
	{ "munmap-micro", HUGE_BRIEF, { "pages", "512", "rounds", "4",
					  "threads", "2" } },
	{ "pmbench-migrate", HUGE, { "pages", "1024" } },
	{ "ebizzy", HUGE, { "chunk", "256K", "time", "1ms", "threads", "2" } },
	{ "apache", NONE, { "requests", "20" } },
	/* What was split is on the device, and not collapsed. */
	{ "swap-bench", HUGE_BRIEF, { "bytes", "2M", "rounds", "1" } },
	{ "remote-swap", NONE, { "bytes", "40M", "requests", "20",
				 "threads", "3" } },
	{ "thpscale", HUGE_FULL, { "machine",
		"pack:1 [numa(memory=32MiB)] core:4 pu:1", "threads", "2" } },
	{ "kernel-build", HUGE_SPLIT, { "pages", "1024", "processes", "1",
					"threads", "2", "compute", "20us" } },
	{ "memcached", HUGE, { "store", "4M", "requests", "40" } },
	{ "tlbflush", HUGE, { "bytes", "4M", "maps", "40" } },
	{ "canneal", HUGE_BRIEF, { "moves", "500" } },
	{ "metis", HUGE_BRIEF, { "block", "2M", "blocks", "2" } },
	{ "psearchy", NONE, { "blocks", "8" } },
	{ "dedup", NONE, { "chunk", "64K", "chunks", "20", "in-flight", "8" } },
	{ "llama-cpp", NONE, { "model", "1M", "tensor", "256K", "processes", "2",
			       "tokens", "2" } },
	{ "vmalloc-test", NONE, { "loops", "20" } },
};

/* Traces of real programs: test_timed.c, and their huge pages test_digest.c. */
static bool is_elsewhere(const char *name)
{
	return !strcmp(name, "replay");
}

/* ---- at the end, before all goes ---------------------------------------------------- */

static int (*real_setup)(struct wl *w, struct err *e);
static void (*real_teardown)(struct wl *w);
static const char *now;
static u64 nr_huge;             /* before anything is counted                 */

/* 4K pages that are mapped, by huge entries in @huge. */
static u64 mapped_pages(struct mm *mm, u64 start, u64 end, u64 *huge)
{
	u64 n = 0;

	for (u64 vpn = start; vpn < end; vpn++) {
		u64 *pmd = pgtable_entry(mm, vpn, PMD_LEVEL), *p, e;
		bool is_huge = pmd && pmd_is_huge(*pmd);

		p = is_huge ? pmd : pgtable_entry(mm, vpn, 0);
		e = p ? *p : 0;
		n += e && !(e & (PTE_SPECIAL | PTE_SWAP | PTE_FILE));
		*huge += is_huge;
	}
	return n;
}

/* What an address space counts as its own is what its entries map. */
static void check_rss(struct mm *mm)
{
	u64 n = 0, huge = 0;

	for (struct vma *v = mm->first; v; v = v->next)
		n += mapped_pages(mm, v->start, v->end, &huge);
	nr_huge += huge / hpage_pages();
	if (n != mm->rss)
		fail_msg("%s: %llu pages are mapped, %llu counted", now,
			 (unsigned long long)n, (unsigned long long)mm->rss);
}

/* Frames given out are those that are not free. */
static void check_frames(u32 node)
{
	const struct node_mem *m = &mms()->node[node];
	u64 pfn = node ? node * mms()->frames_per_node : 1, n = 0;

	while (pfn < m->next) {
		const struct page *p = page_of(pfn);
		u64 pages = 1ull << p->order;

		n += p->is_free ? 0 : pages;
		pfn += pages;
	}
	if (n != m->nr_used)
		fail_msg("%s: %llu frames of node %u are in use, %llu counted",
			 now, (unsigned long long)n, node,
			 (unsigned long long)m->nr_used);
}

static int set_up_and_count(struct wl *w, struct err *e)
{
	int rc = real_setup(w, e);

	nr_huge = 0;
	for (struct mm *mm = mms()->first_mm; mm; mm = mm->next_mm)
		check_rss(mm);
	return rc;
}

static void check_and_tear_down(struct wl *w)
{
	u64 before = nr_huge;

	lru_check();
	for (struct mm *mm = mms()->first_mm; mm; mm = mm->next_mm)
		check_rss(mm);
	for (u32 n = 0; n < the_sys->m->nr_nodes; n++)
		check_frames(n);
	nr_huge = before;
	if (real_teardown)
		real_teardown(w);
}

/* ---- a run ---------------------------------------------------------------------------- */

static struct timed_result *run(u32 i, enum mode mode)
{
	static const char *const of_mode[NR_MODES][4] = {
		{ "thp", "no", "thp-churn", "0" },
		{ "thp", "yes", "thp-churn", "0" },
		{ "thp", "yes", "thp-churn", "10us" },
	};
	const char *pairs[20] = {
		"machine", "pack:2 [numa(memory=128MiB)] core:4 pu:1",
		of_mode[mode][0], of_mode[mode][1],
		of_mode[mode][2], of_mode[mode][3],
	};
	struct workload w = *workload_find(row[i].name);
	struct timed_result *r;
	struct setup s;
	u32 n = 6;

	for (u32 k = 0; row[i].pairs[k]; k++)
		pairs[n++] = row[i].pairs[k];
	if (mode != NEVER && !strcmp(row[i].name, "chase")) {
		pairs[n++] = "page-size";
		pairs[n++] = "2m";
	}
	real_setup = w.setup;
	real_teardown = w.teardown;
	w.setup = set_up_and_count;
	w.teardown = check_and_tear_down;
	now = w.name;
	point_make(&s, &w, pairs);
	r = point_run(&s);
	point_free(&s);
	if (!r->done)
		fail_msg("%s: nothing was done", now);
	return r;
}

static u64 walks(const struct timed_result *r, bool is_2m)
{
	const u64 *v = r->count.v;

	return is_2m ? v[CTR_WALK_LOAD_2M] + v[CTR_WALK_STORE_2M] +
		       v[CTR_WALK_FETCH_2M]
		     : v[CTR_WALK_LOAD_4K] + v[CTR_WALK_STORE_4K] +
		       v[CTR_WALK_FETCH_4K];
}

static void is_zero(const struct timed_result *r, u32 id)
{
	if (r->count.v[id])
		fail_msg("%s: %s is %llu", now, counter_info[id].name,
			 (unsigned long long)r->count.v[id]);
}

static void is_some(const struct timed_result *r, u32 id)
{
	if (!r->count.v[id])
		fail_msg("%s: %s is 0", now, counter_info[id].name);
}

/* What holds whatever the mode. */
static void check_balance(const struct timed_result *r)
{
	const u64 *v = r->count.v;
	u64 huge = v[CTR_NUMA_HUGE_PTE_UPDATES];

	assert_true(v[CTR_THP_SPLIT_PAGE] <=
		    nr_huge + v[CTR_THP_FAULT_ALLOC] + v[CTR_THP_COLLAPSE_ALLOC]);
	assert_true(v[CTR_NUMA_HINT_FAULTS_LOCAL] <= v[CTR_NUMA_HINT_FAULTS]);
	assert_true(v[CTR_NUMA_PTE_UPDATES] >= 512 * huge);
	assert_true(v[CTR_PGMIGRATE_SUCCESS] >=
		    512 * v[CTR_THP_MIGRATION_SUCCESS]);
	assert_true(v[CTR_PGMIGRATE_SUCCESS] >= v[CTR_NUMA_PAGES_MIGRATED]);
}

static const u32 of_huge_pages[] = {
	CTR_THP_FAULT_ALLOC, CTR_THP_FAULT_FALLBACK, CTR_THP_COLLAPSE_ALLOC,
	CTR_THP_SPLIT_PAGE, CTR_THP_SPLIT_PAGE_FAILED,
	CTR_THP_DEFERRED_SPLIT_PAGE, CTR_THP_SPLIT_PMD,
	CTR_THP_MIGRATION_SUCCESS, CTR_NUMA_HUGE_PTE_UPDATES,
};

static void check_no_huge(const struct timed_result *r)
{
	for (u32 k = 0; k < ARRAY_LEN(of_huge_pages); k++)
		is_zero(r, of_huge_pages[k]);
	assert_int_equal(nr_huge, 0);
	assert_int_equal(walks(r, true), 0);
	assert_int_equal(r->l2_hits[1], 0);     /* by 2M pages */
}

static void check_always(const struct timed_result *r, enum what_is_huge memory)
{
	if (!nr_huge)
		is_some(r, CTR_THP_FAULT_ALLOC);
	is_zero(r, CTR_THP_COLLAPSE_ALLOC);
	if (!walks(r, true) && !r->l2_hits[1])
		fail_msg("%s: no huge page was in a TLB", now);
	if (memory != HUGE_FULL)
		is_zero(r, CTR_THP_FAULT_FALLBACK);
	if (memory == HUGE || memory == HUGE_BRIEF) {
		is_zero(r, CTR_THP_SPLIT_PMD);
		is_zero(r, CTR_THP_SPLIT_PAGE);
		is_zero(r, CTR_THP_DEFERRED_SPLIT_PAGE);
	} else {
		is_some(r, CTR_THP_SPLIT_PMD);
	}
}

static void check_mixed(const struct timed_result *r, enum what_is_huge memory)
{
	if (!nr_huge)
		is_some(r, CTR_THP_FAULT_ALLOC);
	if (memory == HUGE_BRIEF)
		return;
	is_some(r, CTR_THP_SPLIT_PMD);
	is_some(r, CTR_THP_SPLIT_PAGE);
	if (memory == HUGE_FULL)
		return;         /* there is nothing to collapse into */
	is_some(r, CTR_THP_COLLAPSE_ALLOC);
	if (!walks(r, false) || !walks(r, true))
		fail_msg("%s: walks end at one size only", now);
}

static void all_workloads(enum mode mode)
{
	for (u32 i = 0; i < ARRAY_LEN(row); i++) {
		struct timed_result *r = run(i, mode);

		check_balance(r);
		if (mode == NEVER || row[i].memory == NONE)
			check_no_huge(r);
		else if (mode == ALWAYS)
			check_always(r, row[i].memory);
		else
			check_mixed(r, row[i].memory);
		free(r);
	}
}

static void test_4k(void **state)
{
	all_workloads(NEVER);
}

static void test_2m(void **state)
{
	all_workloads(ALWAYS);
}

static void test_mixed(void **state)
{
	all_workloads(MIXED);
}

/* A workload that has no row here is one that nobody has tried. */
static void test_all_are_listed(void **state)
{
	for (const struct workload *const *w = workloads; *w; w++) {
		bool is_there = is_elsewhere((*w)->name);

		for (u32 i = 0; i < ARRAY_LEN(row); i++)
			is_there |= !strcmp(row[i].name, (*w)->name);
		if (!is_there)
			fail_msg("%s is not in test_thp_modes.c", (*w)->name);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_4k),
	cmocka_unit_test(test_2m),
	cmocka_unit_test(test_mixed),
	cmocka_unit_test(test_all_are_listed),
};

TEST_MAIN(tests)
