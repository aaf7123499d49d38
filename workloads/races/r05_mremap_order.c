/* R05: a page moves back to an address before the source on the anon_vma's
 * list (the destination merges with a VMA that was there), while compaction's
 * second walk passes the two. */
#include <errno.h>

#include "mm/oracle.h"
#include "workloads/race.h"

enum { COMPACTION = 0, MOVER = 1 };

static void move_back(struct task *t)
{
	do_mremap(current()->mm, 3, 1, 1, 1);
}

/* Page 1 of [0, 2) is at 3: its VMA comes after what was left at 0. */
static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *sys)
{
	struct mm *mm = race_space(0, 2, VM_READ | VM_WRITE);
	int rc;

	if (!mm)
		return -ENOMEM;
	rc = race_task(MOVER, "B mremap", mm, move_back, 0);
	if (!rc)
		rc = race_touch(MOVER, 1, 1);
	if (!rc)
		rc = do_mremap(mm, 1, 1, 3, 1);
	if (!rc)
		rc = race_task(COMPACTION, "A compaction", mm, race_compact,
			       race_pfn(mm, 3));
	return rc;
}

#define ROW(i, k, e, o, tag) RACE_ROW(i, k, e, o, tag, "merge")

static const struct race_row rows[] = {
	ROW("R05b", "v2.6.34", VERDICT_FAIL, O5_MIGENT, "S"),
	ROW("R05c", "v3.3", VERDICT_PASS, 0, "S"),
	ROW("R05e", "v4.19", VERDICT_PASS, 0, "S"),
	ROW("R05e-6.1", "v6.1", VERDICT_PASS, 0, "T"),
};

static const struct race_fix fixes[] = {
	{ "v3.3", { "mremap-order" } },
	{ "v4.19", { "mremap-order" } },
	{ NULL, { NULL } }
};

extern const struct race race_mremap_order;
const struct race race_mremap_order = {
	.name = "mremap-order",
	.id = "R05",
	.summary = "mremap moves a migration entry past the walk that removes it",
	.story =
"A walk of the mappings takes one page-table lock after the other. An entry that\n"
"moves from a VMA not yet visited to one that was is met nowhere. A new VMA is\n"
"last on the list; a destination that merges with an older one may be first.\n"
"3.3 moved it to the tail, 3.7 takes the anon_vma's lock instead.",
	.bounds = "2 CPUs on 2 nodes, one page, one compaction, one mremap into a "
		  "merged destination (no error path: R05d is not on stage)",
	.rows = rows,
	.nr_rows = ARRAY_LEN(rows),
	.fixes = fixes,
	.nr_cpus = 2,
	.stage = stage,
	.paging = { .levels = 2, .bits = 1 },
	.frames_per_node = 8,
};
