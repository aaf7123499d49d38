/* R05: a page moves while compaction's second walk passes its old and its new
 * address: to one before the source on the anon_vma's list (the destination joins
 * a VMA that was there), to a new one after it, or there and back again. */
#include <errno.h>
#include <string.h>

#include "mm/oracle.h"
#include "workloads/race.h"

enum { COMPACTION = 0, MOVER = 1 };

static void move_back(struct task *t)
{
	do_mremap(current()->mm, 3, 1, 1, 1);
}

static void move_away(struct task *t)
{
	do_mremap(current()->mm, 1, 1, 3, 1);
}

static void move_two(struct task *t)
{
	do_mremap(current()->mm, 0, 2, 7, 2);
}

/* Page 1 of [0, 2) is at 3: its VMA comes after what was left at 0. */
static int merge(struct mm *mm)
{
	int rc = race_task(MOVER, "B mremap", mm, move_back, 0);

	if (!rc)
		rc = race_touch(MOVER, 1, 1);
	return rc ? rc : do_mremap(mm, 1, 1, 3, 1);
}

static int fresh(struct mm *mm)
{
	int rc = race_task(MOVER, "B mremap", mm, move_away, 0);

	return rc ? rc : race_touch(MOVER, 1, 1);
}

/* The first page finds a page table at its new address, the second does not get
 * one: mremap moves the first one back. */
static int no_memory(struct mm *mm)
{
	int rc = race_task(MOVER, "B mremap", mm, move_two, 0);

	if (!rc)
		rc = race_touch(MOVER, 0, 1);
	if (!rc && !pgtable_alloc(mm, 7, 0))
		rc = -ENOMEM;
	while (!rc && alloc_page(0, 0))
		;
	return rc;
}

static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *sys)
{
	struct mm *mm = race_space(0, 2, VM_READ | VM_WRITE);
	u64 vpn;
	int rc;

	if (!mm)
		return -ENOMEM;
	if (!strcmp(row->stage, "merge")) {
		rc = merge(mm);
		vpn = 3;
	} else if (!strcmp(row->stage, "fresh")) {
		rc = fresh(mm);
		vpn = 1;
	} else {
		rc = no_memory(mm);
		vpn = 0;
	}
	return rc ? rc : race_task(COMPACTION, "A compaction", mm, race_compact,
				   race_pfn(mm, vpn));
}

#define ROW RACE_ROW
#define PASS VERDICT_PASS
#define FAIL VERDICT_FAIL

static const struct race_row rows[] = {
	ROW("R05a", "v2.6.34", FAIL, O5_MIGENT, "S", "fresh"),
	ROW("R05a-fix", "v3.1", PASS, 0, "S", "fresh"),
	ROW("R05b", "v2.6.34", FAIL, O5_MIGENT, "S", "merge"),
	ROW("R05b-3.1", "v3.1", FAIL, O5_MIGENT, "S", "merge"),
	ROW("R05c", "v3.3", PASS, 0, "S", "merge"),
	ROW("R05d", "v3.3+one-tail", FAIL, O5_MIGENT, "seed", "no-memory"),
	ROW("R05d-merge", "v3.3+one-tail", PASS, 0, "seed", "merge"),
	ROW("R05d-fix", "v3.3", PASS, 0, "seed", "no-memory"),
	ROW("R05d-4.19", "v4.19", PASS, 0, "S", "no-memory"),
	ROW("R05e", "v4.19", PASS, 0, "S", "merge"),
	ROW("R05e-6.1", "v6.1", PASS, 0, "T", "merge"),
};

static const struct race_fix fixes[] = {
	{ "v3.1", { "rmap-ptl" } },
	{ "v3.3", { "mremap-order", "mremap-order-back" } },
	{ "v4.19", { "mremap-order", "mremap-order-back" } },
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
"3.3 moved it to the tail, and the source, too, where mremap has to move back; 3.7\n"
"takes the anon_vma's lock instead. And no order helps a walk that looks at an\n"
"entry before it has the lock: that one is in between (until 3.1).",
	.bounds = "2 CPUs on 2 nodes, one page, one compaction, one mremap: merge "
		  "(the destination joins an older VMA), fresh (a new VMA), "
		  "no-memory (two pages; the second gets no page table)",
	.rows = rows,
	.nr_rows = ARRAY_LEN(rows),
	.fixes = fixes,
	.nr_cpus = 2,
	.stage = stage,
	.paging = { .levels = 2, .bits = 2 },
	.frames_per_node = 8,
};
