/* test_expiry.c - TLB entries that expire (site): when a change of page tables has
 * returned, nobody has an entry that disagrees, whether somebody was told or not;
 * in the general way of the timed driver and in the short one of a CPU that is
 * alone; huge pages beside small ones, CPUs that are behind others. */
#include "tests/point.h"

#include "mm/flush.h"

enum { PAGES = 2048, MOST = 600 };       /* above a flush that names its pages */

static struct {
	struct mm *mm;
	u64 first;
	u32 rounds;
	bool sleeps;            /* some are idle for longer than entries live */
	u64 nr_changes;
} T;

/* ---- what TLBs hold -------------------------------------------------------------------- */

static u64 frame_of(u64 vpn, bool *is_writable)
{
	u64 *p = pgtable_entry(T.mm, vpn, PMD_LEVEL), e = p ? pte_load(p) : 0;
	u64 in_page = 0;

	if (pmd_is_huge(e))
		in_page = vpn & (hpage_pages() - 1);
	else
		e = e ? pte_load(pgtable_entry(T.mm, vpn, 0)) : 0;
	*is_writable = e & PTE_RW;
	return e & PTE_P ? pte_pfn(e) + in_page : 0;
}

/* Of the pages from @vpn to @end. */
static void assert_agrees(const struct tlb_entry *e, u64 vpn, u64 end, u32 cpu)
{
	bool is_writable;

	if (e->vpn > vpn)
		vpn = e->vpn;
	for (; vpn < end && tlb_entry_covers(e, vpn); vpn++)
		if (frame_of(vpn, &is_writable) != e->pfn + (vpn - e->vpn) ||
		    (e->flags & TLB_W && !is_writable))
			fail_msg("CPU %u has page %llu, frame %llu, at %llu", cpu,
				 (unsigned long long)vpn,
				 (unsigned long long)e->pfn,
				 (unsigned long long)this_cpu->now);
}

static void assert_all_agree(u64 vpn, u64 nr)
{
	for (u32 c = 0; c < the_sys->nr_cpus; c++) {
		const struct tlb_array *a = the_sys->cpu[c].tlb;

		for (u32 id = 0; id < a->core->design.nr_arrays; id++) {
			const struct tlb_geometry *g = &a->core->unit[id].geo;

			for (u32 i = 0; i < g->nr_sets * g->nr_ways; i++) {
				const struct tlb_entry *e = tlb_array_slot(a,
					id, i / g->nr_ways, i % g->nr_ways, NULL);

				if (e)
					assert_agrees(e, vpn, vpn + nr, c);
			}
		}
	}
}

/* ---- a program ------------------------------------------------------------------------- */

static int setup(struct wl *w, struct err *e)
{
	T.mm = mm_create();
	assert_non_null(T.mm);
	T.first = wl_map(T.mm, (u64)w->nr_threads * PAGES,
			 VM_READ | VM_WRITE | VM_HUGE);
	return wl_start_all(w, T.mm, e);
}

static void touch_pages(u64 vpn, u32 n, enum run_op op)
{
	struct run r[PAGES];

	for (u32 i = 0; i < n; i++)
		r[i] = (struct run){ .va = (vpn + i) << PAGE_SHIFT, .count = 1,
				     .bytes = 8, .op = op };
	assert_int_equal(0, wl_runs(r, n));
}

/* Each changes what is its own; all read it. */
static void body(struct wl *w, u32 t)
{
	u64 mine = T.first + (u64)t * PAGES, most = PAGES - 2 * MOST;
	struct rng g;

	rng_init(&g, w->seed * 1000 + t);
	touch_pages(mine, PAGES, RUN_WRITE);
	for (u32 i = 0; i < T.rounds; i++) {
		u64 at = mine + rng_below(&g, most), n = rng_between(&g, 1, 40);
		u64 other = T.first + rng_below(&g, w->nr_threads) * PAGES;

		if (rng_chance(&g, 1, 4))
			n = rng_between(&g, 1, MOST);
		if (rng_chance(&g, 1, 4)) {
			n = hpage_pages();
			at = (at + n - 1) & ~(n - 1);
		}
		touch_pages(mine, PAGES, RUN_READ);
		touch_pages(at, (u32)n, RUN_WRITE);
		touch_pages(other + rng_below(&g, most), 20, RUN_READ);
		if (rng_chance(&g, 1, 2)) {
			do_madvise(T.mm, at, n, MADV_DONTNEED);
			assert_all_agree(at, n);
		} else {
			do_mprotect(T.mm, at, n, VM_READ);
			assert_all_agree(at, n);
			do_mprotect(T.mm, at, n, VM_READ | VM_WRITE);
		}
		T.nr_changes++;
		if (T.sleeps && rng_chance(&g, 1, 4))
			charge(rng_below(&g, 100000));
	}
}

static const struct workload changes = {
	.name = "changes", .setup = setup, .body = body,
};

static void run(const char *threads, const char *flush, const char *thp,
		const char *profile)
{
	struct timed_result *r;
	struct setup s;

	point_make(&s, &changes, PAIRS("machine", "pack:2 core:2 pu:1",
		   "threads", threads, "flush", flush, "thp", thp, "profile",
		   profile, "frames", "aligned", "proposal", "tlb-expiry"));
	T.nr_changes = 0;
	r = point_run(&s);
	printf("# %s threads, %s, thp %s: %llu changes, %llu spared, %llu "
	       "waited, %llu interrupts\n", threads, flush, thp,
	       (unsigned long long)T.nr_changes,
	       (unsigned long long)r->count.v[CTR_FLUSHES_SPARED],
	       (unsigned long long)r->count.v[CTR_FLUSHES_WAITED],
	       (unsigned long long)r->count.v[CTR_IPIS_SENT]);
	assert_true(r->count.v[CTR_TLB_EXPIRED]);
	free(r);
	point_free(&s);
}

static void test_nobody_has_stale_entries(void **state)
{
	static const char *const flush[] = { "site:1", "site:7", "site:100",
					     "site:wait=3" };
	static const char *const threads[] = { "1", "2", "4" };

	T.rounds = 20;
	for (u32 i = 0; i < ARRAY_LEN(flush); i++)
		for (u32 k = 0; k < ARRAY_LEN(threads); k++) {
			T.sleeps = k == 1;
			run(threads[k], flush[i], k & 1 ? "yes" : "no",
			    i & 1 ? "zen3-milan" : "skylake-sp");
		}
}

/* ---- CPUs that are not equally far ----------------------------------------------------- */

static void fill_on(u32 cpu, u64 vpn)
{
	const struct tlb_entry e = { .vpn = vpn };
	struct cpu *me = this_cpu;

	this_cpu = &the_sys->cpu[cpu];
	the_sys->os.filled(&e);
	this_cpu = me;
}

static void walk_on_two(struct wl *w, u32 t)
{
	struct cpu *me = this_cpu, *ahead = &the_sys->cpu[1];
	u64 spared = me->count.v[CTR_FLUSHES_SPARED], every = the_sys->expire_every;

	touch_pages(T.first, 1, RUN_WRITE);
	if (t)
		return;
	ahead->expire_at += every;
	fill_on(1, T.first);
	ahead->expire_at -= every;
	fill_on(0, T.first);
	charge(every);
	do_mprotect(T.mm, T.first, 1, VM_READ);
	assert_int_equal(spared, me->count.v[CTR_FLUSHES_SPARED]);
	charge(2 * every);
	do_mprotect(T.mm, T.first, 1, 0);
	assert_int_equal(spared + 1, me->count.v[CTR_FLUSHES_SPARED]);
}

static const struct workload two_walks = {
	.name = "two walks", .setup = setup, .body = walk_on_two,
};

/* Of two CPUs that walked for a page the one that keeps it longer counts, also if the
 * other comes after it. */
static void test_the_later_end_counts(void **state)
{
	struct setup s;

	point_make(&s, &two_walks, PAIRS("machine", "pack:1 core:2 pu:1",
		   "threads", "2", "flush", "site:50", "proposal", "tlb-expiry"));
	free(point_run(&s));
	point_free(&s);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_nobody_has_stale_entries),
	cmocka_unit_test(test_the_later_end_counts),
};

TEST_MAIN(tests)
