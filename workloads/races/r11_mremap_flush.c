/* R11: mremap drops the page-table locks before it flushes the old address.
 * One page goes from 0 to 2 while a thread stores through 0 and compaction
 * moves the page, which is at 2 by then: it flushes 2. */
#include <errno.h>
#include <string.h>

#include "mm/oracle.h"
#include "workloads/race.h"

enum { MOVER = 0, WRITER = 1, COMPACTION = 2 };

static void move(struct task *t)
{
	do_mremap(current()->mm, 0, 1, 2, 1);
}

/* The first sets D, maybe between mremap's look and its taking the entry. */
static void store_twice(struct task *t)
{
	u64 v = RACE_STORED + 1;

	race_store(t);
	cpu_access(current()->arg, 0, true, &v);
}

static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *sys)
{
	struct mm *mm = race_space(0, 1, VM_READ | VM_WRITE);
	const bool is_dirty = !strcmp(row->stage, "dirty");
	const bool is_read = !strcmp(row->stage, "clean-read");
	int rc;

	if (!mm)
		return -ENOMEM;
	rc = race_task(WRITER, is_read ? "C reader" : "C writer", mm,
		       is_dirty ? race_store : is_read ? race_load : store_twice,
		       0);
	if (!rc)
		rc = race_touch(WRITER, 0, 1);
	if (!rc && !is_dirty)
		*pgtable_entry(mm, 0, 0) &= ~PTE_D;     /* as after write-back */
	if (!rc)
		rc = race_task(MOVER, "A mremap", mm, move, 0);
	if (!rc)
		rc = race_task(COMPACTION, "B compaction", mm, race_compact,
			       race_pfn(mm, 0));
	return rc;
}

#define ROW RACE_ROW
#define O12 (O1_LOST_STORE | O2_WRITE_AFTER_FREE)

static const struct race_row rows[] = {
	ROW("R11", "v3.13", VERDICT_FAIL, O12, "S", "dirty"),
	{ .id = "R11-O2", .kernel = "v3.13", .memory = MEM_TSO, .changers = 1,
	  .expected = VERDICT_FAIL, .expected_oracles = O2_WRITE_AFTER_FREE,
	  .watch = O2_WRITE_AFTER_FREE, .tag = "S", .stage = "dirty" },
	ROW("R11-peeked", "v4.9-rc", VERDICT_FAIL, O12, "S", "clean-write"),
	ROW("R11-4.9", "v4.14", VERDICT_PASS, 0, "D", "dirty"),
	ROW("R11-4.9-write", "v4.14", VERDICT_PASS, 0, "D", "clean-write"),
	ROW("R11-4.9-read", "v4.14", VERDICT_FAIL, O3_STALE_READ, "S", "clean-read"),
	ROW("R11-fix", "v4.19", VERDICT_PASS, 0, "S", "dirty"),
	ROW("R11-fix-read", "v4.19", VERDICT_PASS, 0, "S", "clean-read"),
	ROW("R11-6.1", "v6.1", VERDICT_PASS, 0, "T", "dirty"),
};

static const struct race_fix fixes[] = {
	{ "v4.14", { "mremap-flush-locked" } },
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
"that is somebody else's by then. 4.9 flushed under the locks if the entry was dirty\n"
"(its -rc looked before taking it away), 4.19 whenever it was present.",
	.bounds = "3 CPUs on 2 nodes, one page (clean-*: written back) moved once, "
		  "one compaction of it, one writer with 1 store (clean-write: "
		  "2 stores, clean-read: a reader with 1 load) through the old address; fills, "
		  "evictions, interrupt and store delays unbounded",
	.rows = rows,
	.nr_rows = ARRAY_LEN(rows),
	.fixes = fixes,
	.nr_cpus = 3,
	.stage = stage,
	.paging = { .levels = 2, .bits = 1 },
	.frames_per_node = 8,
};
