/* Page tables that address spaces share, one call after another on the direct
 * driver: who has one, how many references it has, what the others see. What
 * happens when calls meet is test_race.c's. */
#include "tests/stage.h"

#include <errno.h>

#include "cpu/direct.h"
#include "emu/race_run.h"
#include "mm/hugetlb.h"
#include "mm/oracle.h"
#include "workloads/race.h"

#define RW (VM_READ | VM_WRITE)
#define PUD_LEVEL (PMD_LEVEL + 1)
#define START 16        /* one table of four huge pages of four              */
#define NR 16
#define NR_CPUS 3

static struct address_space *file;
static struct mm *mm[NR_CPUS];

static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *s)
{
	file = hugetlb_file_create(NR);
	for (u32 i = 0; i < NR_CPUS; i++) {
		mm[i] = mm_create();
		if (!mm[i] || race_task(i, "program", mm[i], nobody, 0))
			return -ENOMEM;
	}
	return file ? 0 : -ENOMEM;
}

static const struct race small = {
	.name = "hugetlb", .nr_cpus = NR_CPUS, .stage = stage,
	.paging = { .levels = 3, .bits = 2 }, .frames_per_node = 200,
};

static void put(u32 cpu, u64 vpn, u64 v)
{
	on(cpu);
	assert_int_equal(try_store(vpn, v), 0);
}

static void expect(u32 cpu, u64 vpn, u64 want)
{
	u64 v = ~0ull;

	on(cpu);
	assert_int_equal(cpu_access(vpn, 0, false, &v), 0);
	assert_int_equal(v, want);
}

static u64 table_of(u32 i)
{
	u64 e = *pgtable_entry(mm[i], START, PUD_LEVEL);

	return e & PTE_P ? pte_pfn(e) : 0;
}

static void map_all(void)
{
	for (u32 i = 0; i < NR_CPUS; i++) {
		on(i);
		assert_non_null(vma_add_hugetlb(mm[i], START, NR, RW, file, 0));
		put(i, START + 4 * i, 10 + i);
	}
}

/* One table for all, with a reference for each; entries of it are everybody's. */
static void test_table_is_shared(void **state)
{
	u64 table;

	open_stage(&small, "v6.1");
	map_all();
	table = table_of(0);
	assert_true(table);
	assert_int_equal(table_of(1), table);
	assert_int_equal(table_of(2), table);
	assert_int_equal(page_of(table)->refcount, 3);
	for (u32 i = 0; i < NR_CPUS; i++)
		for (u32 k = 0; k < NR_CPUS; k++)
			expect(i, START + 4 * k, 10 + k);
	assert_int_equal(page_of(race_pfn(mm[0], START))->mapcount, 1);
	close_stage();
}

/* munmap leaves it, whole, to the others; the last one clears and frees it. */
static void test_munmap_leaves_it(void **state)
{
	u64 table, pfn;
	u64 v;

	open_stage(&small, "v6.1");
	map_all();
	table = table_of(0);
	pfn = race_pfn(mm[0], START);
	on(0);
	assert_int_equal(do_munmap(mm[0], START, NR), 0);
	assert_int_equal(table_of(0), 0);
	assert_int_equal(cpu_access(START, 0, false, &v), -EFAULT);
	assert_int_equal(page_of(table)->refcount, 2);
	expect(1, START, 10);
	/* A part: the rest is found again, in a table of its own. */
	on(1);
	assert_int_equal(do_munmap(mm[1], START + 8, 8), 0);
	assert_int_equal(page_of(table)->refcount, 1);
	expect(1, START + 4, 11);
	assert_int_not_equal(table_of(1), table);
	on(1);
	assert_int_equal(cpu_access(START + 8, 0, false, &v), -EFAULT);
	expect(2, START + 8, 12);
	assert_int_equal(page_of(pfn)->mapcount, 1);
	on(2);
	assert_int_equal(do_munmap(mm[2], START, NR), 0);
	assert_true(page_of(table)->is_free);
	assert_int_equal(page_of(pfn)->mapcount, 0);
	assert_int_equal(page_of(pfn)->refcount, 1);    /* the file's */
	close_stage();
}

/* Rights are the address space's own: it leaves the table before it changes any,
 * and does not come back to one whose entries allow more. */
static void test_mprotect_leaves_it(void **state)
{
	u64 v = 99, table;

	open_stage(&small, "v6.1");
	map_all();
	table = table_of(0);
	on(0);
	assert_int_equal(do_mprotect(mm[0], START, NR, VM_READ), 0);
	assert_int_equal(table_of(0), 0);
	expect(0, START + 4, 11);
	assert_int_not_equal(table_of(0), table);
	assert_int_equal(cpu_access(START, 0, true, &v), -EFAULT);
	put(1, START, 77);
	expect(0, START, 77);
	close_stage();
}

/* A child finds the file's pages by faults, and the table with them; exit leaves
 * it, too. */
static void test_fork_and_exit(void **state)
{
	struct mm *child;
	u64 table;

	open_stage(&small, "v6.1");
	map_all();
	table = table_of(0);
	on(2);
	switch_mm(NULL);
	exit_mmap(mm[2]);
	assert_int_equal(page_of(table)->refcount, 2);
	on(0);
	child = dup_mm(mm[0]);
	assert_non_null(child);
	mm[2] = child;
	assert_int_equal(table_of(2), 0);
	on(2);
	switch_mm(child);
	expect(2, START + 8, 12);
	assert_int_equal(table_of(2), table);
	put(2, START, 5);
	expect(0, START, 5);
	close_stage();
}

/* What is not of whole huge pages, or not modelled, is refused. */
static void test_refused(void **state)
{
	open_stage(&small, "v6.1");
	map_all();
	on(0);
	assert_int_equal(do_munmap(mm[0], START + 1, 4), -EINVAL);
	assert_int_equal(do_mprotect(mm[0], START, 3, VM_READ), -EINVAL);
	assert_int_equal(do_madvise(mm[0], START, 4, MADV_DONTNEED), -EINVAL);
	assert_int_equal(do_mremap(mm[0], START, 4, 0, 4), -EFAULT);
	assert_null(vma_add_hugetlb(mm[0], 2, 4, RW, file, 0));
	expect(0, START, 10);
	close_stage();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_table_is_shared),
	cmocka_unit_test(test_munmap_leaves_it),
	cmocka_unit_test(test_mprotect_leaves_it),
	cmocka_unit_test(test_fork_and_exit),
	cmocka_unit_test(test_refused),
};

TEST_MAIN_ON(machine, RACE_STAGE_TOPOLOGY, tests)
