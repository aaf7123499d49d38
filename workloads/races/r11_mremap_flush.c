/* R11: mremap drops the page-table locks before it flushes the old address.
 * One page goes from 0 to 2 while a thread stores through 0 and compaction
 * moves the page, which is at 2 by then: it flushes 2. */
#include <errno.h>

#include "mm/oracle.h"
#include "workloads/race.h"

enum { MOVER = 0, WRITER = 1, COMPACTION = 2 };

static void move(struct task *t)
{
	do_mremap(current()->mm, 0, 1, 2, 1);
}

static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *sys)
{
	struct mm *mm = race_space(0, 1, VM_READ | VM_WRITE);
	int rc;

	if (!mm)
		return -ENOMEM;
	rc = race_task(WRITER, "C writer", mm, race_store, 0);
	if (!rc)
		rc = race_touch(WRITER, 0, 1);
	if (!rc)
		rc = race_task(MOVER, "A mremap", mm, move, 0);
	if (!rc)
		rc = race_task(COMPACTION, "B compaction", mm, race_compact,
			       race_pfn(mm, 0));
	return rc;
}

#define ROW(i, k, e, o, tag) RACE_ROW(i, k, e, o, tag, "4k")

static const struct race_row rows[] = {
	ROW("R11", "v4.14", VERDICT_FAIL, O1_LOST_STORE | O2_WRITE_AFTER_FREE, "S"),
	{ .id = "R11-O2", .kernel = "v4.14", .memory = MEM_TSO, .changers = 1,
	  .expected = VERDICT_FAIL, .expected_oracles = O2_WRITE_AFTER_FREE,
	  .watch = O2_WRITE_AFTER_FREE, .tag = "S", .stage = "4k" },
	ROW("R11-fix", "v4.19", VERDICT_PASS, 0, "S"),
	ROW("R11-6.1", "v6.1", VERDICT_PASS, 0, "T"),
};

static const struct race_fix fixes[] = {
	{ "v4.19", { "mremap-flush-locked", "mremap-flush" } },
	{ NULL, { NULL } }
};

extern const struct race race_mremap_flush;
const struct race race_mremap_flush = {
	.name = "mremap-flush",
	.id = "R11",
	.summary = "mremap flushes the old address after its locks (CVE-2018-18281)",
	.story =
"mremap does not own the page it moves: whoever gets the lock of the new entry\n"
"may free it or move it on, and flushes only the new address. If mremap flushes\n"
"the old one after dropping that lock, a CPU still stores through it into a page\n"
"that is somebody else's by then. Fixed in 4.19 by flushing under the locks.",
	.bounds = "3 CPUs on 2 nodes, one page moved once, one compaction of it, "
		  "one writer with 1 store through the old address; fills, "
		  "evictions, interrupt and store delays unbounded",
	.rows = rows,
	.nr_rows = ARRAY_LEN(rows),
	.fixes = fixes,
	.nr_cpus = 3,
	.stage = stage,
	.paging = { .levels = 2, .bits = 1 },
	.frames_per_node = 8,
};
