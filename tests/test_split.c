/* test_split.c - huge pages of which a part is unmapped: they stay whole and wait on
 * a queue, from which they are split when memory is wanted; how often that flushes;
 * who keeps it from happening; and that no byte is lost, whatever the order. On the
 * direct driver, whose TLBs keep what is stale for as long as they may.
 */
#include "tests/stage.h"

#include <errno.h>

#include "base/rng.h"
#include "cpu/direct.h"
#include "mm/deferred_split.h"
#include "mm/pieces.h"
#include "mm/reclaim.h"
#include "mm/swap.h"

#define RW (VM_READ | VM_WRITE)
#define CHILD 2         /* the CPU on which a child runs                     */
#define HUGE 8          /* pages: two levels of eight entries                */

static struct mm *mm;

static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *s)
{
	mm = mm_create();
	if (!mm || split_queue_boot() || swapon(4))
		return -ENOMEM;
	if (race_task(0, "thread", mm, nobody, 0) ||
	    race_task(1, "thread", mm, nobody, 0))
		return -ENOMEM;
	return race_task(CHILD, "child", NULL, nobody, 0);
}

static const struct race small = {
	.name = "split", .nr_cpus = 3, .stage = stage,
	.paging = { .levels = 2, .bits = 3 }, .frames_per_node = 400,
};

static void open_mm(const char *kernel)
{
	open_stage(&small, kernel);
}

/* A huge page at @vpn, its i-th 4K holds @value + i. Return: its head. */
static struct page *huge(u64 vpn, u64 value)
{
	for (u64 i = 0; i < HUGE; i++)
		must_store(vpn + i, value + i);
	assert_true(pmd_is_huge(*pgtable_entry(mm, vpn, PMD_LEVEL)));
	return page_of(race_pfn(mm, vpn));
}

static void in_child(struct mm *child)
{
	this_cpu = &sys->cpu[CHILD];
	switch_mm(child);
}

static u64 nr_free(const struct page *head)
{
	u64 n = 0;

	for (u64 i = 0; i < HUGE; i++)
		n += head[i].is_free;
	return n;
}

/* munmap of a half gives no memory back, until the shrinker comes by. */
static void test_waits_for_the_shrinker(void **state)
{
	struct page *head;

	open_mm("v6.1");
	vma_add(mm, 8, 16, RW | VM_HUGE);
	head = huge(8, 1);
	huge(16, 50);
	assert_int_equal(do_munmap(mm, 8, 4), 0);
	assert_int_equal(head->order, 3);
	assert_int_equal(head->refcount, 4);
	assert_int_equal(nr_free(head), 0);
	assert_int_equal(total(CTR_THP_SPLIT_PMD), 1);
	assert_int_equal(total(CTR_THP_DEFERRED_SPLIT_PAGE), 1);
	assert_int_equal(total(CTR_THP_SPLIT_PAGE), 0);
	oracle_quiescent();

	/* The first is freed by who holds it, three by splitting. */
	assert_int_equal(shrink_split_queue(0), 3);
	assert_int_equal(total(CTR_THP_SPLIT_PAGE), 1);
	assert_int_equal(nr_free(head), 4);
	for (u64 i = 4; i < HUGE; i++) {
		assert_int_equal(head[i].order, 0);
		assert_int_equal(head[i].refcount, 1);
		assert_int_equal(head[i].mapcount, 1);
		assert_int_equal(head[i].lock, 0);
		must_load(8 + i, 1 + i);
	}
	assert_int_equal(shrink_split_queue(0), 0);
	must_load(16, 50);
	close_stage();
}

/* Before 4.5 page and mapping go together, and nothing waits. */
static void test_split_at_once_before_4_5(void **state)
{
	struct page *head;

	open_mm("v4.2");
	vma_add(mm, 8, 8, RW | VM_HUGE);
	head = huge(8, 1);
	assert_int_equal(do_munmap(mm, 8, 4), 0);
	assert_int_equal(head[4].order, 0);
	assert_int_equal(nr_free(head), 4);
	assert_int_equal(total(CTR_THP_SPLIT_PAGE), 1);
	assert_int_equal(total(CTR_THP_DEFERRED_SPLIT_PAGE), 0);
	close_stage();
}

/* A page that the last mapping frees is on no queue any more; one that is freed as
 * it waits neither. */
static void test_freed_while_it_waits(void **state)
{
	struct page *head;

	open_mm("v6.1");
	vma_add(mm, 8, 24, RW | VM_HUGE);
	head = huge(8, 1);
	huge(16, 20);
	huge(24, 40);
	assert_int_equal(do_munmap(mm, 24, 4), 0);
	assert_int_equal(do_munmap(mm, 8, 2), 0);
	assert_int_equal(do_munmap(mm, 16, 2), 0);
	assert_int_equal(do_munmap(mm, 8, 8), 0);
	assert_true(head->is_free);
	assert_int_equal(nr_free(head), 1);     /* whole */
	/* Head of the queue, and its tail. */
	assert_int_equal(do_munmap(mm, 24, 8), 0);
	assert_int_equal(shrink_split_queue(0), 1);
	assert_int_equal(shrink_split_queue(0), 0);
	assert_int_equal(total(CTR_THP_SPLIT_PAGE), 1);
	for (u64 i = 2; i < HUGE; i++)
		must_load(16 + i, 20 + i);
	close_stage();
}

/* The child has half of it in pieces, the parent all of it, by one entry: each reads
 * what it read before, and each 4K is counted once for each. */
static void test_shared_with_a_child(void **state)
{
	struct page *head;
	struct mm *child;

	open_mm("v6.1");
	vma_add(mm, 8, 8, RW | VM_HUGE);
	head = huge(8, 1);
	child = dup_mm(mm);
	assert_non_null(child);
	in_child(child);
	assert_int_equal(do_munmap(child, 8, 4), 0);
	this_cpu = &sys->cpu[0];
	/* All of it is mapped still, so nothing can be had. */
	assert_int_equal(shrink_split_queue(0), 0);
	for (u64 i = 0; i < HUGE; i++) {
		must_load(8 + i, 1 + i);
		assert_int_equal(head[i].mapcount, 1 + (i >= 4));
		assert_int_equal(head[i].refcount, 1 + (i >= 4));
	}
	assert_int_equal(total(CTR_THP_SPLIT_PAGE), 1);
	assert_int_equal(total(CTR_THP_SPLIT_PMD), 2);
	oracle_quiescent();
	must_store(13, 77);
	in_child(child);
	must_load(13, 6);
	must_load(14, 7);
	switch_mm(NULL);
	exit_mmap(child);
	close_stage();
}

/* Somebody holds a piece: all is as it was, and it goes on waiting. */
static void test_held_by_a_reference(void **state)
{
	struct page *head, *pin;

	open_mm("v6.1");
	vma_add(mm, 8, 8, RW | VM_HUGE);
	head = huge(8, 1);
	assert_int_equal(do_munmap(mm, 8, 4), 0);
	pin = get_user_page(mm, 14, true);
	assert_non_null(pin);
	assert_int_equal(shrink_split_queue(0), 0);
	assert_int_equal(head->order, 3);
	assert_int_equal(head->refcount, 5);
	assert_int_equal(total(CTR_THP_SPLIT_PAGE), 0);
	assert_int_equal(total(CTR_THP_SPLIT_PAGE_FAILED), 1);
	for (u64 i = 4; i < HUGE; i++)
		must_load(8 + i, 1 + i);
	put_page(pin);
	assert_int_equal(shrink_split_queue(0), 3);
	assert_int_equal(total(CTR_THP_SPLIT_PAGE), 1);
	close_stage();
}

static u64 flushes_of_a_split(const char *kernel)
{
	u64 n;

	open_mm(kernel);
	vma_add(mm, 8, 8, RW | VM_HUGE);
	huge(8, 1);
	assert_int_equal(do_munmap(mm, 8, 3), 0);
	n = total(CTR_TLB_FLUSH);
	assert_int_equal(shrink_split_queue(0), 2);
	n = total(CTR_TLB_FLUSH) - n;
	for (u64 i = 3; i < HUGE; i++)
		must_load(8 + i, 1 + i);
	close_stage();
	return n;
}

/* One for each 4K that is mapped; since 3027c6f8eb9d one. */
static void test_flushes(void **state)
{
	assert_int_equal(flushes_of_a_split("v6.1"), 5);
	assert_int_equal(flushes_of_a_split("v6.3"), 5);
	assert_int_equal(flushes_of_a_split("v6.8"), 1);
}

/* Who offers a piece to reclaim splits its page: the one that is offered may go,
 * the others stay. */
static void test_madv_free_of_a_piece(void **state)
{
	struct page *head;
	u64 pfn;

	open_mm("v6.1");
	vma_add(mm, 8, 8, RW | VM_HUGE);
	head = huge(8, 1);
	assert_int_equal(do_mprotect(mm, 8, 2, VM_READ), 0);
	assert_int_equal(head->order, 3);
	assert_int_equal(do_madvise(mm, 13, 1, MADV_FREE), 0);
	assert_int_equal(total(CTR_THP_SPLIT_PAGE), 1);
	assert_int_equal(head[5].is_lazyfree, 1);
	assert_int_equal(head[6].is_lazyfree, 0);
	pfn = pfn_of(head + 5);
	assert_int_equal(reclaim_frames(&pfn, 1), 1);
	must_load(13, 0);
	must_load(14, 7);
	must_load(8, 1);
	close_stage();
}

/* Of 8 pages that MADV_FREE offered as a huge page, split @whole: at once by who has
 * it, or a half is unmapped first. @at: stored to in between; 0: none is. Return: how
 * many of the last four reclaim takes. */
static u32 taken_of_offered(bool is_whole, u64 at)
{
	struct page *head;
	u32 taken = 0;

	open_mm("v6.1");
	vma_add(mm, 8, 8, RW | VM_HUGE);
	head = huge(8, 1);
	assert_int_equal(do_madvise(mm, 8, 8, MADV_FREE), 0);
	assert_int_equal(head->is_lazyfree, 1);
	if (!is_whole)
		assert_int_equal(do_munmap(mm, 8, 4), 0);
	if (at)
		must_store(at, 70);
	if (is_whole) {
		get_page(head);
		lock_page(head);
		assert_int_equal(split_huge_page_locked(head), 0);
		unlock_page(head);
		put_page(head);
	} else {
		assert_int_equal(shrink_split_queue(0), 3);
	}
	assert_int_equal(total(CTR_THP_SPLIT_PAGE), 1);
	for (u64 i = 4; i < HUGE; i++) {
		u64 pfn = pfn_of(head + i);

		assert_int_equal(head[i].order, 0);
		assert_int_equal(head[i].is_lazyfree, 1);
		assert_int_equal(head[i].is_dirty, at != 0);
		taken += reclaim_frames(&pfn, 1);
	}
	if (at)
		must_load(at, 70);
	close_stage();
	return taken;
}

/* What was offered is on offer after the split, and clean as it was: it goes without
 * being written out. Who stored to a part of it meanwhile has made all of it dirty,
 * as flags are the whole page's until it is split. */
static void test_what_was_offered_stays_clean(void **state)
{
	assert_int_equal(taken_of_offered(true, 0), 4);
	assert_int_equal(taken_of_offered(false, 0), 4);
	assert_int_equal(taken_of_offered(true, 14), 0);
	assert_int_equal(taken_of_offered(false, 14), 0);
}

/* The same of a page that moves. */
static void test_what_was_offered_moves_clean(void **state)
{
	for (u64 is_stored = 0; is_stored < 2; is_stored++) {
		u64 pfn;

		open_mm("v6.1");
		vma_add(mm, 8, 8, RW);
		must_store(8, 1);
		assert_int_equal(do_madvise(mm, 8, 1, MADV_FREE), 0);
		if (is_stored)
			must_store(8, 2);
		pfn = race_pfn(mm, 8);
		assert_int_equal(migrate_pages(&pfn, 1, 1), 1);
		pfn = race_pfn(mm, 8);
		assert_int_equal(pfn_node(pfn), 1);
		assert_int_equal(reclaim_frames(&pfn, 1), !is_stored);
		must_load(8, is_stored ? 2 : 0);
		close_stage();
	}
}

/* ---- any order ------------------------------------------------------------------------ */

#define REGION 8
#define NR 16           /* two huge pages                                    */

/* Unmaps, changes of rights, stores and splits, against a plain array; UINT64_MAX:
 * nothing is mapped. */
static void one_program(struct rng *rng, const char *kernel)
{
	u64 want[NR];

	open_mm(kernel);
	vma_add(mm, REGION, NR, RW | VM_HUGE);
	for (u64 i = 0; i < NR; i++)
		must_store(REGION + i, want[i] = 1 + i);
	for (u32 n = 0; n < 24; n++) {
		u64 at = rng_below(rng, NR), len = 1 + rng_below(rng, NR - at);

		switch (rng_below(rng, 6)) {
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
	static const char *const kernel[] = { "v4.2", "v5.8", "v6.1", "v6.8" };
	struct rng rng;

	rng_init(&rng, check_seed("split programs"));
	for (u32 i = 0; i < 400; i++)
		one_program(&rng, kernel[i % ARRAY_LEN(kernel)]);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_waits_for_the_shrinker),
	cmocka_unit_test(test_split_at_once_before_4_5),
	cmocka_unit_test(test_freed_while_it_waits),
	cmocka_unit_test(test_shared_with_a_child),
	cmocka_unit_test(test_held_by_a_reference),
	cmocka_unit_test(test_flushes),
	cmocka_unit_test(test_madv_free_of_a_piece),
	cmocka_unit_test(test_what_was_offered_stays_clean),
	cmocka_unit_test(test_what_was_offered_moves_clean),
	cmocka_unit_test(test_any_order),
};

TEST_MAIN_ON(machine, RACE_STAGE_TOPOLOGY, tests)
