/* NUMA balancing's scanner: what it reads, marks, skips and waits for, by era. */
#include "tests/numa_program.h"

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

/* A page of four 4K entries on the other node; its second entry's hint. seen[0]:
 * somebody else refers to it. */
static void scan_folio(struct wl *w, u32 i)
{
	struct vma *v = find_vma(P.mm, P.vpn);
	struct page *page;
	u64 *p;

	touch_page(0);
	p = pgtable_entry(P.mm, P.vpn, 0);
	page = page_of(pte_pfn(*p));
	assert_int_equal(page->order, 2);
	assert_true(compact_page(page, !this_cpu->node));
	if (P.seen[0])
		get_page(page_of(pte_pfn(*p)));
	P.seen[1] = change_prot_numa(v, P.vpn, P.vpn + 4);
	me()->preferred_nid = (int)this_cpu->node;
	touch_page(1);
	page = compound_head(page_of(pte_pfn(*p)));
	P.seen[2] = page->node == this_cpu->node;
	for (u32 k = 0; k < 4; k++)
		P.seen[3] += !!(p[k] & PTE_P);
	P.seen[4] = this_cpu->count.v[CTR_NUMA_HINT_FAULTS];
	P.seen[5] = this_cpu->count.v[CTR_NUMA_PAGES_MIGRATED];
}

/* d2136d749d76: marked, counted once, moved whole and given back whole; before, its
 * references are taken for pins, and where these are not asked about a hint is none,
 * and gives back one of the four. */
static void test_large_folios(void **state)
{
	static const struct {
		const char *era; bool skips, large; u64 want[5];
	} c[] = {
		{ "v6.8", true, false, { 0, 0, 4, 0, 0 } },
		{ "v6.8", false, false, { 4, 0, 1, 0, 0 } },
		{ "v6.10", true, true, { 4, 1, 4, 1, 4 } },
		{ "v6.12", true, true, { 4, 1, 4, 1, 4 } },
		{ "v6.10", true, false, { 0, 0, 4, 0, 0 } },
	};

	for (u32 i = 0; i < ARRAY_LEN(c); i++) {
		by(c[i].era)->skips_pinned = c[i].skips;
		P.k.numa.large_folios = c[i].large;
		P.k.numa.skips_local = false;
		free(run(scan_folio, PAIRS(TWO_NODES, "thp", "no", "mthp", "16K",
					   "kernel", c[i].era)));
		for (u32 k = 0; k < 5; k++)
			if (P.seen[k + 1] != c[i].want[k])
				fail_msg("case %u, %u: want %llu, got %llu", i, k,
					 (unsigned long long)c[i].want[k],
					 (unsigned long long)P.seen[k + 1]);
	}
	/* Who is pinned still stays where it is. */
	by("v6.10")->skips_local = false;
	P.seen[0] = 1;
	free(run(scan_folio, PAIRS(TWO_NODES, "thp", "no", "mthp", "16K",
				   "kernel", "v6.10")));
	assert_int_equal(P.seen[1], 0);
	assert_false(kernel_find("v6.8")->numa.large_folios);
	assert_true(kernel_find("v6.10")->numa.large_folios);
	assert_true(kernel_find("v6.12")->numa.large_folios);
}

/* Two of four entries each, on this node, all marked; a hint of the second's third. */
static void hint_at_home(struct wl *w, u32 i)
{
	u64 *p;

	touch_page(0);
	touch_page(4);
	p = pgtable_entry(P.mm, P.vpn, 0);
	P.seen[0] = change_prot_numa(find_vma(P.mm, P.vpn), P.vpn, P.vpn + 8);
	me()->preferred_nid = (int)this_cpu->node;
	touch_page(6);
	for (u32 k = 0; k < 8; k++)
		P.seen[1] |= (u64)!!(p[k] & PTE_P) << k;
	touch_page(4);
	P.seen[2] = this_cpu->count.v[CTR_NUMA_HINT_FAULTS];
}

/* numa_rebuild_large_mapping(): what stays where it is comes back whole, before it and
 * behind it nothing else. */
static void test_folio_given_back(void **state)
{
	by("v6.10")->skips_local = false;
	P.pages = 8;
	free(run(hint_at_home, PAIRS(TWO_NODES, "thp", "no", "mthp", "16K",
				     "kernel", "v6.10")));
	assert_int_equal(P.seen[0], 8);
	assert_int_equal(P.seen[1], 0xf0);
	assert_int_equal(P.seen[2], 1);
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

/* Who scanned waits two ticks longer, however long ticks are. */
static void test_two_ticks(void **state)
{
	static const char *const tick[] = { "1ms", "4ms" };
	u64 stamp[2];

	for (u32 i = 0; i < 2; i++) {
		by("v6.1")->scan_throttles = false;
		P.pages = 16;
		free(run(throttle, PAIRS(TWO_NODES, "thp", "no", "tick", tick[i])));
		stamp[i] = P.seen[0];
	}
	assert_int_equal(stamp[1] - stamp[0], 2 * (4 - 1));
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

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_scan_reads_pages),
	cmocka_unit_test(test_scan_reads_by_era),
	cmocka_unit_test(test_skips_pinned),
	cmocka_unit_test(test_large_folios),
	cmocka_unit_test(test_folio_given_back),
	cmocka_unit_test(test_pending_scan),
	cmocka_unit_test(test_huge_counts),
	cmocka_unit_test(test_skips_local),
	cmocka_unit_test(test_charges_changed),
	cmocka_unit_test(test_trylock),
	cmocka_unit_test(test_throttle),
	cmocka_unit_test(test_two_ticks),
	cmocka_unit_test(test_waits_remote),
	cmocka_unit_test(test_vma_pids),
	cmocka_unit_test(test_vma_partial),
	cmocka_unit_test(test_vma_delay),
};

TEST_MAIN(tests)
