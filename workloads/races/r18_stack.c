/* R18k: munmap lets readers of mmap_lock in and frees page tables; a fault, which is
 * one, makes the stack above grow into the gap, and uses them. */
#include <errno.h>

#include "mm/oracle.h"
#include "workloads/race.h"

enum { UNMAPPER = 0, GROWER = 1 };

#define PAGE 7          /* the last one of the second page table      */
#define STACK 8         /* the first one of the third                 */
#define BELOW 6         /* in the second, and nothing is there        */

static void unmap(struct task *t)
{
	do_munmap(current()->mm, PAGE, 1);
}

static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *sys)
{
	struct mm *mm = race_space(PAGE, 1, VM_READ | VM_WRITE);
	int rc;

	if (!mm || !vma_add(mm, STACK, 1, VM_READ | VM_WRITE | VM_GROWSDOWN))
		return -ENOMEM;
	rc = race_task(UNMAPPER, "A unmaps", mm, unmap, 0);
	if (!rc)
		rc = race_touch(UNMAPPER, PAGE, 1);
	if (!rc)
		rc = race_touch(UNMAPPER, STACK, 2);
	return rc ? rc : race_task(GROWER, "B writer", mm, race_store, BELOW);
}

#define ROW(id, kernel, expected, oracles, tag) \
	RACE_ROW(id, kernel, expected, oracles, tag, "grow")

static const struct race_row rows[] = {
	ROW("R18k-4.19", "v4.19", VERDICT_PASS, 0, "D"),
	ROW("R18k", "v5.7", VERDICT_FAIL, O8_PTPAGE, "S"),
	{ .id = "R18k-O1", .kernel = "v5.7", .memory = MEM_TSO, .changers = 1,
	  .expected = VERDICT_FAIL, .expected_oracles = O1_LOST_STORE,
	  .watch = O1_LOST_STORE, .tag = "D", .stage = "grow" },
	ROW("R18k-fix", "v5.8", VERDICT_PASS, 0, "S"),
	ROW("R18k-6.1", "v6.1", VERDICT_PASS, 0, "T"),
	ROW("R18k-6.5", "v6.5", VERDICT_PASS, 0, "D"),
};

static const struct race_fix fixes[] = {
	{ "v5.8", { "downgrade-looks" } },
	{ "v6.1", { "downgrade-looks" } },
	{ "v6.5", { "stack-lock" } },
	{ NULL, { NULL } }
};

extern const struct race race_stack;
const struct race race_stack = {
	.name = "stack-grows",
	.id = "R18",
	.summary = "a stack grows into what a munmap is taking away (CVE-2020-29369)",
	.story =
"Since 4.20 munmap holds mmap_lock for writing only until its VMAs are out of the\n"
"address space: nobody finds them any more, and what lies next to them keeps its\n"
"tables. A stack above does not keep to that: a fault below it, with the lock held\n"
"for reading, moves its start down into the gap, and takes a page table that munmap\n"
"is about to free. 5.8 does not let readers in next to such a VMA; since 6.5 who\n"
"makes a stack grow takes the lock for writing, and munmap need not look.",
	.bounds = "2 CPUs, one munmap of the only page of a page table below a stack, "
		  "one store to another page of that table, by which the stack grows; "
		  "fills, evictions, interrupt and store delays unbounded (of R18's "
		  "races this is R18k)",
	.rows = rows,
	.nr_rows = ARRAY_LEN(rows),
	.fixes = fixes,
	.nr_cpus = 2,
	.stage = stage,
	.paging = { .levels = 2, .bits = 2 },
	.frames_per_node = 12,
};
