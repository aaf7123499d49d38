/* R01: fork copies a migration entry to where the second walk has been. No TLB
 * is needed: only the order of the anon_vma's list. */
#include <errno.h>

#include "mm/oracle.h"
#include "workloads/race.h"

enum { COMPACTION = 0, FORK = 1 };

static void fork_once(struct task *t)
{
	dup_mm(current()->mm);
}

static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *sys)
{
	struct mm *mm = race_space(2, 1, VM_READ | VM_WRITE);
	int rc;

	if (!mm)
		return -ENOMEM;
	rc = race_task(FORK, "B fork", mm, fork_once, 0);
	if (!rc)
		rc = race_touch(FORK, 2, 1);
	if (!rc)
		rc = race_task(COMPACTION, "A compaction", mm, race_compact,
			       race_pfn(mm, 2));
	return rc;
}

#define ROW(i, k, e, o, tag) RACE_ROW(i, k, e, o, tag, "4k")

static const struct race_row rows[] = {
	ROW("HEAD", "v2.6.34+fork-head", VERDICT_FAIL, O5_MIGENT, "S"),
	ROW("TAIL", "v2.6.34", VERDICT_PASS, 0, "S"),
	ROW("HEAD+WAIT", "v2.6.34+fork-head-wait", VERDICT_PASS, 0, "D"),
	ROW("TAIL+WAIT", "v2.6.34+fork-wait", VERDICT_PASS, 0, "S"),
	ROW("TAIL-6.1", "v6.1", VERDICT_PASS, 0, "T"),
};

extern const struct race race_fork_migration;
const struct race race_fork_migration = {
	.name = "fork-migration",
	.id = "R01",
	.summary = "fork copies a migration entry that nobody will remove",
	.story =
"Migration replaces every mapping of a page by a migration entry, copies the\n"
"page, and walks the mappings again to put the new one in. If the child's VMA\n"
"comes before the parent's, the second walk can pass the child while it is still\n"
"empty; fork then copies the parent's migration entry, and the walk restores the\n"
"parent's only. Reported in April 2010; closed by linking the child at the tail.",
	.bounds = "2 CPUs on 2 nodes, one page, one compaction, one fork",
	.rows = rows,
	.nr_rows = ARRAY_LEN(rows),
	.nr_cpus = 2,
	.stage = stage,
	.paging = { .levels = 2, .bits = 1 },
	.frames_per_node = 8,
};
