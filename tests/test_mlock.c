/* mlock() and mappings of files in no order, one call after another on the direct
 * driver: which page is where, which are marked, and how many. What happens when
 * they meet is race R08's.
 */
#include "tests/stage.h"

#include <errno.h>

#include "cpu/direct.h"
#include "emu/race_run.h"
#include "mm/file.h"
#include "mm/mlock.h"
#include "mm/oracle.h"
#include "mm/reclaim.h"
#include "mm/rmap.h"
#include "mm/swap.h"
#include "workloads/race.h"

#define RW (VM_READ | VM_WRITE)
#define SHARED (RW | VM_SHARED)
#define PAGES 8
#define AT 8            /* the file: one table of eight entries               */
#define ANON 16
#define OTHER 1         /* the CPU of another process                         */

static struct mm *mm, *other;
static struct address_space *f;

static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *s)
{
	mm = mm_create();
	other = mm_create();
	f = file_create(PAGES, 0);
	if (!mm || !other || !f || swapon(8))
		return -ENOMEM;
	f->readahead = 0;
	if (!vma_add_file(mm, AT, PAGES, SHARED, f, 0) ||
	    !vma_add_file(other, AT, PAGES, SHARED, f, 0) ||
	    !vma_add(mm, ANON, 2, RW))
		return -ENOMEM;
	return race_task(0, "program", mm, nobody, 0) ||
	       race_task(OTHER, "other", other, nobody, 0) ? -ENOMEM : 0;
}

static const struct race small = {
	.name = "mlock", .nr_cpus = 2, .stage = stage,
	.paging = { .levels = 2, .bits = 3 }, .frames_per_node = 200,
};

static int open_it(void **state)
{
	open_stage(&small, "v3.15");
	return 0;
}

/* Contents, mapcounts, NR_MLOCK: the oracles' own accounts. */
static int close_it(void **state)
{
	close_stage();
	return 0;
}

static int access_as(u32 cpu, u64 vpn, bool is_write, u64 *v)
{
	int rc;

	this_cpu = &sys->cpu[cpu];
	rc = cpu_access(vpn, 0, is_write, v);
	/* Seen by all before the next one acts. */
	the_sys->drv.wait(NULL, NULL, NULL, 0);
	this_cpu = &sys->cpu[0];
	return rc;
}

static void store(u32 cpu, u64 vpn, u64 v)
{
	assert_int_equal(0, access_as(cpu, vpn, true, &v));
}

static void expect(u32 cpu, u64 vpn, u64 want)
{
	u64 v = ~0ull;

	assert_int_equal(0, access_as(cpu, vpn, false, &v));
	assert_int_equal(want, v);
}

static u64 entry(struct mm *m, u64 vpn)
{
	return *pgtable_entry(m, vpn, 0);
}

static struct page *page_at(u64 vpn)
{
	assert_true(entry(mm, vpn) & PTE_P);
	return page_of(pte_pfn(entry(mm, vpn)));
}

/* Page i of the file holds 100 + i, and is mapped at the reverse place. */
static void map_reversed(void)
{
	for (u64 i = 0; i < PAGES; i++)
		store(OTHER, AT + i, 100 + i);
	for (u64 i = 0; i < PAGES; i++)
		assert_int_equal(0, do_remap_file_pages(mm, AT + i, 1,
							PAGES - 1 - i));
}

static void test_order(void **state)
{
	map_reversed();
	for (u64 i = 0; i < PAGES; i++)
		expect(0, AT + i, 100 + PAGES - 1 - i);
	store(0, AT + 1, 7);
	expect(OTHER, AT + PAGES - 2, 7);
	/* Not behind the file's end, not of memory without a file. */
	assert_int_equal(-EINVAL, do_remap_file_pages(mm, AT, 2, PAGES - 1));
	assert_int_equal(-EINVAL, do_remap_file_pages(mm, ANON, 1, 0));
}

/* The child's entries say where their pages are. */
static void test_fork(void **state)
{
	struct mm *child;

	map_reversed();
	expect(0, AT, 100 + PAGES - 1);
	child = dup_mm(mm);
	assert_non_null(child);
	for (u64 i = 0; i < PAGES; i++)
		assert_int_equal(pte_make(PAGES - 1 - i, PTE_FILE),
				 entry(child, AT + i));
	exit_mmap(child);
	expect(0, AT, 100 + PAGES - 1);
}

/* What is cut off goes wherever it was mapped; the others stay. */
static void test_truncate(void **state)
{
	u64 v;

	map_reversed();
	for (u64 i = 0; i < PAGES; i++)
		expect(0, AT + i, 100 + PAGES - 1 - i);
	assert_int_equal(0, do_truncate(f, PAGES / 2));
	for (u64 i = 0; i < PAGES / 2; i++)
		assert_int_equal(-EFAULT, access_as(0, AT + i, false, &v));
	for (u64 i = PAGES / 2; i < PAGES; i++)
		assert_true(entry(mm, AT + i) & PTE_P);
	expect(0, AT + PAGES - 1, 100);
}

/* Reclaim of one page unmaps its whole cluster: the first time what was used is
 * only made old. */
static void test_cluster(void **state)
{
	u64 pfn;

	map_reversed();
	assert_int_equal(0, do_munmap(other, AT, PAGES));
	for (u64 i = 0; i < PAGES; i++)
		expect(0, AT + i, 100 + PAGES - 1 - i);
	pfn = pte_pfn(entry(mm, AT + PAGES - 1));
	reclaim_frames(&pfn, 1);
	for (u64 i = 0; i < PAGES; i++)
		assert_int_equal(PTE_P, entry(mm, AT + i) & (PTE_P | PTE_A));
	reclaim_frames(&pfn, 1);
	for (u64 i = 0; i < PAGES; i++)
		assert_int_equal(pte_make(PAGES - 1 - i, PTE_FILE),
				 entry(mm, AT + i));
	for (u64 i = 0; i < PAGES; i++)
		expect(0, AT + i, 100 + PAGES - 1 - i);
}

static void test_mlock(void **state)
{
	u64 pfn;

	assert_int_equal(0, do_mlock(mm, ANON, 2));
	assert_int_equal(2, mms()->nr_mlock);
	pfn = pfn_of(page_at(ANON));
	assert_true(page_of(pfn)->is_mlocked);
	assert_int_equal(-EINVAL, do_madvise(mm, ANON, 1, MADV_DONTNEED));
	assert_int_equal(0, reclaim_frames(&pfn, 1));
	assert_int_equal(pfn, pte_pfn(entry(mm, ANON)));
	/* It goes along with the page. */
	assert_true(compact_page(page_of(pfn), 1));
	assert_int_not_equal(pfn, pte_pfn(entry(mm, ANON)));
	assert_true(page_at(ANON)->is_mlocked);
	assert_int_equal(2, mms()->nr_mlock);
	assert_int_equal(0, do_munlock(mm, ANON + 1, 1));
	assert_int_equal(1, mms()->nr_mlock);
	assert_true(page_at(ANON)->is_mlocked);
	assert_false(page_at(ANON + 1)->is_mlocked);
	/* A hole. */
	assert_int_equal(-ENOMEM, do_mlock(mm, ANON, 4));
	assert_int_equal(0, do_munmap(mm, ANON, 2));
	assert_int_equal(0, mms()->nr_mlock);
}

/* Nothing to mark, and no end to wait for. */
static void test_huge(void **state)
{
	assert_non_null(vma_add(mm, 24, 8, RW | VM_HUGE));
	assert_int_equal(0, do_mlock(mm, 24, 8));
	assert_true(pmd_is_huge(*pgtable_entry(mm, 24, PMD_LEVEL)));
	assert_int_equal(0, mms()->nr_mlock);
	assert_int_equal(0, do_munlock(mm, 24, 8));
	/* No right to read. */
	assert_int_equal(0, do_mprotect(mm, ANON, 1, 0));
	assert_int_equal(-EFAULT, do_mlock(mm, ANON, 1));
}

/* Another process wants the page to stay, too. */
static void test_two(void **state)
{
	struct cpu *me = this_cpu;
	struct page *page;

	assert_int_equal(0, do_mlock(mm, AT, 1));
	this_cpu = &sys->cpu[OTHER];
	assert_int_equal(0, do_mlock(other, AT, 1));
	this_cpu = me;
	page = page_at(AT);
	assert_int_equal(1, mms()->nr_mlock);
	assert_int_equal(0, do_munlock(mm, AT, 1));
	assert_true(page->is_mlocked);
	assert_int_equal(1, mms()->nr_mlock);
	this_cpu = &sys->cpu[OTHER];
	assert_int_equal(0, do_munlock(other, AT, 1));
	this_cpu = me;
	assert_false(page->is_mlocked);
}

/* The child's is not locked; the parent's copy is, the old page no longer. */
static void test_copy(void **state)
{
	struct page *old;
	struct mm *child;

	assert_int_equal(0, do_mlock(mm, ANON, 1));
	old = page_at(ANON);
	child = dup_mm(mm);
	assert_non_null(child);
	assert_int_equal(0, find_vma(child, ANON)->flags & VM_LOCKED);
	store(0, ANON, 5);
	assert_ptr_not_equal(old, page_at(ANON));
	assert_true(page_at(ANON)->is_mlocked);
	assert_false(old->is_mlocked);
	assert_int_equal(1, mms()->nr_mlock);
	exit_mmap(child);
	expect(0, ANON, 5);
}

/* munlock does not search mappings in no order: reclaim finds the page there, and
 * marks it and its neighbours again. */
static void test_found_again(void **state)
{
	u64 pfn;

	map_reversed();
	assert_int_equal(0, do_mlock(mm, AT, PAGES));
	this_cpu = &sys->cpu[OTHER];
	assert_int_equal(0, do_mlock(other, AT, PAGES));
	assert_int_equal(0, do_munlock(other, AT, PAGES));
	assert_int_equal(0, do_munmap(other, AT, PAGES));
	this_cpu = &sys->cpu[0];
	assert_int_equal(0, mms()->nr_mlock);
	pfn = pfn_of(page_at(AT));
	assert_int_equal(0, reclaim_frames(&pfn, 1));
	assert_int_equal(PAGES, mms()->nr_mlock);
	for (u64 i = 0; i < PAGES; i++)
		assert_true(page_at(AT + i)->is_mlocked);
}

#define CASE(t) cmocka_unit_test_setup_teardown(t, open_it, close_it)

static const struct CMUnitTest tests[] = {
	CASE(test_order),
	CASE(test_fork),
	CASE(test_truncate),
	CASE(test_cluster),
	CASE(test_mlock),
	CASE(test_huge),
	CASE(test_two),
	CASE(test_copy),
	CASE(test_found_again),
};

TEST_MAIN_ON(machine, RACE_STAGE_TOPOLOGY, tests)
