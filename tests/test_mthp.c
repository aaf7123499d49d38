/* test_mthp.c - pages of four 4K entries: what a fault takes, that they are unmapped,
 * copied, protected and split 4K at a time and moved as a whole, and that no byte is
 * lost, whatever the order. On the direct driver, whose TLBs keep what is stale for as
 * long as they may; tables of eight entries, so that a huge page has eight.
 */
#include "tests/stage.h"

#include <errno.h>
#include <string.h>

#include "base/rng.h"
#include "cpu/direct.h"
#include "emu/mthp_opt.h"
#include "mm/deferred_split.h"
#include "mm/mthp.h"
#include "mm/pieces.h"
#include "mm/reclaim.h"
#include "mm/swap.h"

#define RW (VM_READ | VM_WRITE)
#define CHILD 2         /* the CPU on which a child runs                     */
#define ORDER 2
#define FOUR 4

static struct mm *mm;

static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *s)
{
	mm = mm_create();
	if (!mm || split_queue_boot() || swapon(4) || mthp_boot(1u << ORDER))
		return -ENOMEM;
	if (race_task(0, "thread", mm, nobody, 0) ||
	    race_task(1, "thread", mm, nobody, 0))
		return -ENOMEM;
	return race_task(CHILD, "child", NULL, nobody, 0);
}

static void open_mm(const char *kernel, u64 frames)
{
	const struct race r = {
		.name = "mthp", .nr_cpus = 3, .stage = stage,
		.paging = { .levels = 2, .bits = 3 }, .frames_per_node = frames,
	};
	static struct race kept;

	kept = r;
	open_stage(&kept, kernel);
}

static struct page *page_at(u64 vpn)
{
	return page_of(race_pfn(mm, vpn));
}

/* One of four at @vpn, its i-th 4K holds @value + i. Return: its head. */
static struct page *four(u64 vpn, u64 value)
{
	for (u64 i = 0; i < FOUR; i++)
		must_store(vpn + i, value + i);
	assert_int_equal(page_at(vpn)->order, ORDER);
	return page_at(vpn);
}

static void in_child(struct mm *child)
{
	this_cpu = &sys->cpu[CHILD];
	switch_mm(child);
}

/* ---- what a fault takes ------------------------------------------------------------- */

/* One fault, four entries of the same page, aligned in both; each counts, and each is
 * a reference. */
static void test_fault_maps_all(void **state)
{
	struct page *head;

	open_mm("v6.8", 400);
	vma_add(mm, 8, 8, RW);
	must_store(10, 7);
	head = compound_head(page_at(10));
	assert_int_equal(head->order, ORDER);
	assert_int_equal(pfn_of(head) % FOUR, 0);
	assert_int_equal(head->refcount, FOUR);
	assert_int_equal(head->mapcount, 0);
	for (u64 i = 0; i < FOUR; i++) {
		assert_ptr_equal(page_at(8 + i), head + i);
		assert_int_equal(page_mapcount(head + i, 0), 1);
		must_load(8 + i, i == 2 ? 7 : 0);
	}
	assert_int_equal(total(CTR_PGFAULT), 1);
	assert_int_equal(total(CTR_ANON_FAULT_ALLOC), 1);
	assert_int_equal(total(CTR_ANON_FAULT_FALLBACK), 0);
	assert_int_equal(total(CTR_THP_FAULT_ALLOC), 0);
	assert_int_equal(mm->rss, FOUR);
	close_stage();
}

/* Not over the edge of a VMA, not where something is mapped, not of a file's or
 * of what userfaultfd protects. */
static void test_fits_and_is_empty(void **state)
{
	open_mm("v6.8", 400);
	vma_add(mm, 8, 8, RW);
	vma_add(mm, 18, 7, RW);
	vma_add(mm, 32, 4, RW | VM_UFFD_WP);
	assert_int_equal(mthp_order(mm, find_vma(mm, 18), 18, 3), 0);
	assert_int_equal(mthp_order(mm, find_vma(mm, 18), 20, 3), ORDER);
	assert_int_equal(mthp_order(mm, find_vma(mm, 18), 20, ORDER), 0);
	assert_int_equal(mthp_order(mm, find_vma(mm, 18), 24, 3), 0);
	assert_int_equal(mthp_order(mm, find_vma(mm, 32), 33, 3), 0);
	four(8, 1);
	assert_int_equal(do_munmap(mm, 9, 1), 0);
	vma_add(mm, 9, 1, RW);
	must_store(9, 5);
	assert_int_equal(page_at(9)->order, 0);
	assert_int_equal(total(CTR_ANON_FAULT_ALLOC), 1);
	must_load(8, 1);
	must_load(10, 3);
	close_stage();
}

/* Without four frames in a row there is one; and 4K come out of what is larger. */
static void test_falls_back(void **state)
{
	u64 n = 0;

	open_mm("v6.8", 20);
	vma_add(mm, 8, 40, RW);
	while (n < 40 && !total(CTR_ANON_FAULT_FALLBACK)) {
		must_store(8 + n, n);
		n += page_at(8 + n)->order ? FOUR : 1;
	}
	assert_true(total(CTR_ANON_FAULT_FALLBACK) > 0);
	assert_int_equal(page_at(8 + n - 1)->order, 0);
	/* One is given back, and its four frames serve one by one. */
	assert_int_equal(do_munmap(mm, 8, FOUR), 0);
	vma_add(mm, 52, 3, RW);
	for (u64 i = 0; i < 3; i++) {
		must_store(52 + i, 90 + i);
		assert_int_equal(page_at(52 + i)->order, 0);
	}
	for (u64 i = 0; i < 3; i++)
		must_load(52 + i, 90 + i);
	close_stage();
}

/* ---- a part of it ---------------------------------------------------------------------- */

/* Two of four unmapped: no memory comes back until somebody wants it. */
static void test_waits_to_be_split(void **state)
{
	struct page *head;

	open_mm("v6.8", 400);
	vma_add(mm, 8, 8, RW);
	head = four(8, 1);
	assert_int_equal(do_munmap(mm, 8, 2), 0);
	assert_int_equal(head->refcount, 2);
	assert_false(head->is_free);
	oracle_quiescent();
	assert_int_equal(shrink_split_queue(0), 1);
	assert_int_equal(head[1].is_free, 1);
	for (u64 i = 2; i < FOUR; i++) {
		assert_int_equal(head[i].order, 0);
		assert_int_equal(head[i].is_tail, 0);
		assert_int_equal(head[i].refcount, 1);
		must_load(8 + i, 1 + i);
	}
	/* vmstat's are huge pages'. */
	assert_int_equal(total(CTR_THP_SPLIT_PAGE), 0);
	assert_int_equal(total(CTR_THP_DEFERRED_SPLIT_PAGE), 0);
	close_stage();
}

/* A child shares it; who writes gets 4K of its own, the rest stays shared. */
static void test_copies_4k(void **state)
{
	struct page *head;
	struct mm *child;

	open_mm("v6.8", 400);
	vma_add(mm, 8, 8, RW);
	head = four(8, 1);
	child = dup_mm(mm);
	assert_non_null(child);
	assert_int_equal(head->refcount, 2 * FOUR);
	must_store(9, 50);
	assert_int_equal(page_at(9)->order, 0);
	assert_ptr_equal(page_at(10), head + 2);
	in_child(child);
	must_load(9, 2);
	must_store(10, 60);
	must_load(10, 60);
	this_cpu = &sys->cpu[0];
	must_load(10, 3);
	oracle_quiescent();
	in_child(child);
	switch_mm(NULL);
	exit_mmap(child);
	this_cpu = &sys->cpu[0];
	must_load(9, 50);
	must_load(8, 1);
	close_stage();
}

/* Rights of a part: the rest may still be written, and so may all afterwards,
 * without a copy. */
static void test_protects_a_part(void **state)
{
	struct page *head;
	u64 v = 9;

	open_mm("v6.8", 400);
	vma_add(mm, 8, 8, RW);
	head = four(8, 1);
	assert_int_equal(do_mprotect(mm, 9, 2, VM_READ), 0);
	must_store(8, 10);
	must_store(11, 40);
	assert_int_equal(cpu_access(9, 0, true, &v), -EFAULT);
	assert_int_equal(do_mprotect(mm, 9, 2, RW), 0);
	must_store(9, 20);
	assert_ptr_equal(page_at(9), head + 1);
	assert_int_equal(head->refcount, FOUR);
	must_load(8, 10);
	must_load(10, 3);
	close_stage();
}

/* ---- all of it --------------------------------------------------------------------------- */

/* It moves whole, also what is left of one; and who shares a piece goes on sharing
 * that one alone. */
static void test_moves_whole(void **state)
{
	struct page *head, *new;
	struct mm *child;

	open_mm("v6.8", 400);
	vma_add(mm, 8, 8, RW);
	head = four(8, 1);
	assert_true(compact_page(head, 0));
	new = page_at(8);
	assert_ptr_not_equal(new, head);
	assert_true(head->is_free);
	assert_int_equal(new->order, ORDER);
	assert_int_equal(new->refcount, FOUR);
	for (u64 i = 0; i < FOUR; i++) {
		assert_ptr_equal(page_at(8 + i), new + i);
		must_load(8 + i, 1 + i);
	}
	assert_int_equal(total(CTR_PGMIGRATE_SUCCESS), FOUR);
	assert_int_equal(total(CTR_THP_MIGRATION_SUCCESS), 0);
	/* The child has the upper half only. */
	assert_int_equal(do_munmap(mm, 8, 1), 0);
	child = dup_mm(mm);
	in_child(child);
	assert_int_equal(do_munmap(child, 9, 1), 0);
	this_cpu = &sys->cpu[0];
	assert_true(compact_page(new, 0));
	must_store(10, 77);
	must_store(9, 66);
	oracle_quiescent();
	in_child(child);
	must_load(10, 3);
	must_load(11, 4);
	switch_mm(NULL);
	exit_mmap(child);
	this_cpu = &sys->cpu[0];
	must_load(10, 77);
	close_stage();
}

/* What a flush strategy has yet to flush of a free huge block it has of each half that
 * is given out, and of each 4K of it: whose, and since when. */
static void test_halves_owe_what_the_block_does(void **state)
{
	struct node_mem *n;
	struct page *block, *p;

	open_mm("v6.10", 64);
	block = alloc_page(0, hpage_order());
	put_page(block);
	block->is_unflushed = 1;
	block->index = 77;
	n = &mms()->node[0];
	n->next = n->end;               /* nothing else is free */
	n->free_4k = 0;
	for (u32 i = 0; i <= FOUR; i++) {
		p = alloc_page(0, i ? 0 : ORDER);
		assert_in_range(p - block, 0, hpage_pages() - 1);
		assert_true(p->is_unflushed);
		assert_int_equal(p->index, 77);
	}
	assert_null(alloc_page(0, 0));
	close_stage();
}

/* A reference from elsewhere: it stays. */
static void test_pinned_stays(void **state)
{
	struct page *head, *pin;

	open_mm("v6.8", 400);
	vma_add(mm, 8, 8, RW);
	head = four(8, 1);
	pin = get_user_page(mm, 10, true);
	assert_ptr_equal(pin, head + 2);
	assert_false(compact_page(head, 0));
	for (u64 i = 0; i < FOUR; i++)
		must_load(8 + i, 1 + i);
	put_page(pin);
	assert_true(compact_page(head, 0));
	close_stage();
}

/* ---- any order ------------------------------------------------------------------------ */

#define REGION 8
#define NR 16

/* Unmaps, moves, forks, changes of rights, stores and splits, against a plain array;
 * UINT64_MAX: nothing is mapped. */
static void one_program(struct rng *rng, const char *kernel)
{
	u64 want[NR];

	open_mm(kernel, 400);
	vma_add(mm, REGION, NR, RW);
	for (u64 i = 0; i < NR; i++)
		must_store(REGION + i, want[i] = 1 + i);
	for (u32 n = 0; n < 24; n++) {
		u64 at = rng_below(rng, NR), len = 1 + rng_below(rng, NR - at);
		struct mm *child;

		switch (rng_below(rng, 11)) {
		case 0:
			len = len > 3 ? 3 : len;
			assert_int_equal(do_munmap(mm, REGION + at, len), 0);
			for (u64 i = 0; i < len; i++)
				want[at + i] = UINT64_MAX;
			break;
		case 1:
			(void)do_madvise(mm, REGION + at, len, MADV_COLD);
			break;
		case 2:
			(void)shrink_split_queue(0);
			break;
		case 3:
			if (want[at] == UINT64_MAX)
				break;
			assert_int_equal(do_madvise(mm, REGION + at, 1,
						    MADV_DONTNEED), 0);
			want[at] = 0;
			break;
		case 4:
			if (want[at] != UINT64_MAX && want[at])
				(void)compact_page(compound_head(
						page_at(REGION + at)), 0);
			break;
		case 8:
			(void)do_madvise(mm, REGION + at, len, MADV_PAGEOUT);
			break;
		case 5:
			child = dup_mm(mm);
			assert_non_null(child);
			if (want[at] != UINT64_MAX)
				must_store(REGION + at, want[at] = 200 + n);
			in_child(child);
			switch_mm(NULL);
			exit_mmap(child);
			this_cpu = &sys->cpu[0];
			break;
		default:
			if (want[at] != UINT64_MAX)
				must_store(REGION + at, want[at] = 100 + n);
		}
		oracle_quiescent();
	}
	for (u64 i = 0; i < NR; i++)
		if (want[i] != UINT64_MAX)
			must_load(REGION + i, want[i]);
	assert_int_equal(do_munmap(mm, REGION, NR), 0);
	assert_int_equal(shrink_split_queue(0), 0);
	close_stage();
}

static void test_any_order(void **state)
{
	static const char *const kernel[] = { "v6.8", "v6.10", "v6.12" };
	struct rng rng;

	rng_init(&rng, check_seed("mthp programs"));
	for (u32 i = 0; i < 300; i++)
		one_program(&rng, kernel[i % ARRAY_LEN(kernel)]);
}

/* ---- any interleaving ------------------------------------------------------------------ */

static void store_second(struct task *t)
{
	u64 v = 11;

	cpu_access(9, 0, true, &v);
}

static void load_third(struct task *t)
{
	u64 v;

	cpu_access(10, 0, false, &v);
}

static void dma_to_second(struct task *t)
{
	(void)gup_fast_dma(current()->mm, 9, 0, 12);
}

static void unmap_half(struct task *t)
{
	do_munmap(current()->mm, 8, 2);
}

static void compact(struct task *t)
{
	compact_page(page_of(((struct thread *)(void *)t)->arg), 1);
}

/* One task of two names, beside compaction of the page or another fault at it. */
static int two_tasks(const struct race_row *row, const struct kernel *k,
		     struct sys *s)
{
	static const struct { const char *name; void (*fn)(struct task *t); }
	tasks[] = {
		{ "store", store_second }, { "dma", dma_to_second },
		{ "unmap", unmap_half }, { "fault", store_second },
	};
	struct mm *m = mm_create();
	u32 i = 0;
	int rc;

	if (!m || mthp_boot(1u << ORDER) || !vma_add(m, 8, 8, RW))
		return -ENOMEM;
	while (strcmp(tasks[i].name, row->stage))
		i++;
	rc = race_task(0, "program", m, tasks[i].fn, 0);
	if (rc || !strcmp(row->stage, "fault"))
		return rc ? rc : race_task(2, "other", m, load_third, 0);
	rc = race_touch(0, 8, 1);
	return rc ? rc : race_task(2, "compaction", NULL, compact,
				   race_pfn(m, 8));
}

static void explored(const char *how, bool checks_count, enum explore_outcome want)
{
	static const struct race race = {
		.name = "mthp", .nr_cpus = 3, .stage = two_tasks,
		.paging = { .levels = 2, .bits = 3 }, .frames_per_node = 32,
	};
	const struct race_row row = {
		.id = how, .kernel = "v6.8", .memory = MEM_TSO, .stage = how,
	};
	const struct race_limits lim = { .max_states = 3000000 };
	struct kernel k = *kernel_find("v6.8");
	struct race_outcome o;

	k.migrate_checks_count = checks_count;
	race_run(&race, &row, &k, &lim, &o);
	assert_int_equal(o.error, 0);
	if (o.outcome != want)
		fail_msg("%s: outcome %d, %s %s", how, (int)o.outcome, o.oracle,
			 o.text);
}

/* Whatever the order, and whatever TLBs keep: no byte is lost, no count is wrong. A
 * reference that compaction does not ask for would lose a device's store. */
static void test_any_interleaving(void **state)
{
	explored("fault", true, EXPLORE_PROVED);
	explored("store", true, EXPLORE_PROVED);
	explored("unmap", true, EXPLORE_PROVED);
	explored("dma", true, EXPLORE_PROVED);
	explored("dma", false, EXPLORE_VIOLATION);
}

/* ---- the option ------------------------------------------------------------------------- */

static void test_option(void **state)
{
	const struct kernel *k = kernel_find("v6.8");
	struct err e;
	u32 orders = 9;

	assert_int_equal(mthp_parse("none", kernel_find("v6.1"), 12, 9, &orders,
				    &e), 0);
	assert_int_equal(orders, 0);
	assert_int_equal(mthp_parse("16K,1M", k, 12, 9, &orders, &e), 0);
	assert_int_equal(orders, 1u << 2 | 1u << 8);
	assert_int_equal(mthp_parse("64K", k, 14, 11, &orders, &e), 0);
	assert_int_equal(orders, 1u << 2);
	assert_int_equal(mthp_parse("8K", k, 12, 9, &orders, &e), -EINVAL);
	assert_int_equal(mthp_parse("2M", k, 12, 9, &orders, &e), -EINVAL);
	assert_int_equal(mthp_parse("16K,", k, 12, 9, &orders, &e), -EINVAL);
	assert_int_equal(mthp_parse(",", k, 12, 9, &orders, &e), -EINVAL);
	assert_int_equal(mthp_parse("16K", kernel_find("v6.7"), 12, 9, &orders,
				    &e), -EINVAL);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_fault_maps_all),
	cmocka_unit_test(test_fits_and_is_empty),
	cmocka_unit_test(test_falls_back),
	cmocka_unit_test(test_waits_to_be_split),
	cmocka_unit_test(test_copies_4k),
	cmocka_unit_test(test_protects_a_part),
	cmocka_unit_test(test_moves_whole),
	cmocka_unit_test(test_halves_owe_what_the_block_does),
	cmocka_unit_test(test_pinned_stays),
	cmocka_unit_test(test_any_order),
	cmocka_unit_test(test_any_interleaving),
	cmocka_unit_test(test_option),
};

TEST_MAIN_ON(machine, RACE_STAGE_TOPOLOGY, tests)
