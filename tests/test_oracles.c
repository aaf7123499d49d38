/* Oracles O2 to O6, O9 and O12 can fire: mprotect and munmap against a writer, on a
 * kernel that flushes and on ones that do not; O15: fork. O1, O8 and O16 fire in
 * test_race.c, O13 in test_explore.c, O10 when parts of R15's fixes are taken
 * away (`ninja mutants`).
 */
#include "tests/check.h"

#include <errno.h>
#include <string.h>

#include "emu/race_run.h"
#include "mm/oracle.h"
#include "mm/swap.h"

enum { CHANGER = 0, WRITER = 1, RECLAIM = 2 };

#define PAGE 2

static void store(struct task *t)
{
	u64 v = 11;

	cpu_access(PAGE, 0, true, &v);
}

static void load_twice(struct task *t)
{
	u64 v;

	cpu_access(PAGE, 0, false, &v);
	cpu_access(PAGE, 0, false, &v);
}

static void make_read_only(struct task *t)
{
	do_mprotect(current()->mm, PAGE, 2, VM_READ);
}

static void unmap(struct task *t)
{
	do_munmap(current()->mm, PAGE, 2);
}

static void fork_once(struct task *t)
{
	dup_mm(current()->mm);
}

static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *sys)
{
	struct mm *mm = mm_create();
	bool is_unmap = !strncmp(row->stage, "munmap", 6);
	bool is_load = strstr(row->stage, "load");
	int rc;

	if (!mm || !vma_add(mm, PAGE, 2, VM_READ | VM_WRITE))
		return -ENOMEM;
	rc = race_task(WRITER, "writer", mm, is_load ? load_twice : store, 0);
	if (!rc)
		rc = race_touch(WRITER, PAGE, 1);
	if (!rc)
		rc = race_task(CHANGER, "changer", mm,
			       !strncmp(row->stage, "fork", 4) ? fork_once :
			       is_unmap ? unmap : make_read_only, 0);
	if (!rc && !strncmp(row->stage, "stray", 5)) {
		u64 *p = pgtable_entry(mm, PAGE, 0);

		/* Left behind: no migration is under way. */
		*p = pte_make(pte_pfn(*p), PTE_MIG);
	}
	if (!rc && strstr(row->stage, "reclaim")) {
		rc = swapon(1);
		if (!rc)
			rc = race_task(RECLAIM, "reclaim", NULL, race_reclaim,
				       race_pfn(mm, PAGE));
		/* A slot that no entry names. */
		if (strstr(row->stage, "miscounted"))
			mms()->swap->slot[0].count = 1;
	}
	if (strstr(row->stage, "forgotten"))
		mm->cpumask[0] &= ~(1ull << WRITER);
	return rc;
}

static const struct race race = {
	.name = "oracles", .nr_cpus = 3, .stage = stage,
	.paging = { .levels = 2, .bits = 1 }, .frames_per_node = 8,
};

static struct race_outcome run(const char *how, u32 watch, const char *without)
{
	const struct race_row row = {
		.id = how, .kernel = "v6.1", .memory = MEM_TSO, .watch = watch,
		.stage = how,
	};
	const struct race_limits lim = { .max_states = 2000000 };
	struct kernel k = *kernel_find("v6.1");
	struct race_outcome o;

	if (without) {
		const struct kernel_switch *sw = kernel_switch_find(without);

		memcpy((u8 *)&k + sw->offset, &sw->off_value, sw->bytes);
	}
	race_run(&race, &row, &k, &lim, &o);
	assert_int_equal(o.error, 0);
	return o;
}

static void passes(const char *how)
{
	struct race_outcome o = run(how, 0, NULL);

	if (o.outcome != EXPLORE_PROVED)
		fail_msg("%s: %s %s", how, o.oracle, o.text);
}

static void fires(const char *how, u32 oracle, const char *without)
{
	struct race_outcome o = run(how, oracle, without);

	assert_int_equal(o.outcome, EXPLORE_VIOLATION);
	assert_string_equal(o.oracle, oracle_name((enum oracle)oracle));
}

static void test_flushing_passes(void **state)
{
	passes("mprotect");
	passes("mprotect load");
	passes("munmap");
	passes("munmap load");
}

/* Without the flush a store goes through after mprotect has returned. */
static void test_o4_fires(void **state)
{
	fires("mprotect", O4_PERM, "protect-flush");
	fires("munmap", O4_PERM, "protect-flush");
}

/* Without the flush the page is free and still written, or read. */
static void test_o2_and_o3_fire(void **state)
{
	fires("munmap", O2_WRITE_AFTER_FREE, "protect-flush");
	fires("munmap load", O3_STALE_READ, "protect-flush");
}

/* A CPU that mm_cpumask forgot keeps its entry: the flush did not do what it
 * promised. */
static void test_o9_fires(void **state)
{
	fires("mprotect forgotten", O9_FLUSH_DONE, NULL);
	fires("munmap load forgotten", O9_FLUSH_DONE, NULL);
}

/* A migration entry whose page nobody has locked is met by a fault. */
static void test_o5_fires(void **state)
{
	fires("stray load", O5_MIGENT, NULL);
}

/* What is stored after the device has read the page is in no slot; a slot that
 * an entry names, and none does, or the reverse. */
static void test_o12_and_o6_fire(void **state)
{
	passes("munmap reclaim");
	fires("munmap reclaim", O12_DIRTY_LOSS, "batch-flush-dirty");
	fires("munmap reclaim miscounted", O6_COUNT, NULL);
}

/* Without fork's flush the parent goes on storing to what is the child's, too. */
static void test_o15_fires(void **state)
{
	passes("fork");
	fires("fork", O15_COW_LEAK, "fork-flush");
}

/* Reading is no loss of rights by mprotect to read-only. */
static void test_read_only_still_reads(void **state)
{
	struct race_outcome o = run("mprotect load", 0, "protect-flush");

	assert_int_equal(o.outcome, EXPLORE_PROVED);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_flushing_passes),
	cmocka_unit_test(test_o4_fires),
	cmocka_unit_test(test_o2_and_o3_fire),
	cmocka_unit_test(test_o9_fires),
	cmocka_unit_test(test_o5_fires),
	cmocka_unit_test(test_o15_fires),
	cmocka_unit_test(test_o12_and_o6_fire),
	cmocka_unit_test(test_read_only_still_reads),
};
TEST_MAIN(tests)
