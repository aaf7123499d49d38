/* R06: split_huge_page() walks the mappings twice, while fork copies one or
 * mremap moves it. */
#include <errno.h>
#include <string.h>

#include "mm/oracle.h"
#include "workloads/race.h"

#define RW (VM_READ | VM_WRITE | VM_HUGE)

enum { SPLITTER = 0, OTHER = 1 };

static void split(struct task *t)
{
	split_huge_page(page_of(current()->arg));
}

static void fork_once(struct task *t)
{
	dup_mm(current()->mm);
}

static void move_back(struct task *t)
{
	do_mremap(current()->mm, 6, 2, 2, 2);
}

/* One huge page, at 2; for mremap at 6, where it went from 2. */
static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *sys)
{
	bool is_fork = !strcmp(row->stage, "fork");
	struct mm *mm = is_fork ? race_space(2, 2, RW) : race_space(0, 4, RW);
	int rc;

	if (!mm)
		return -ENOMEM;
	rc = race_task(OTHER, is_fork ? "B fork" : "B mremap", mm,
		       is_fork ? fork_once : move_back, 0);
	if (!rc)
		rc = race_touch(OTHER, 2, 1);
	if (!rc && !is_fork)
		rc = do_mremap(mm, 2, 2, 6, 2);
	return rc ? rc : race_task(SPLITTER, "A split", mm, split,
		pte_pfn(*pgtable_entry(mm, is_fork ? 2 : 6, PMD_LEVEL)));
}

#define ROW RACE_ROW
#define PASS VERDICT_PASS
#define FAIL VERDICT_FAIL

static const struct race_row rows[] = {
	ROW("R06-HEAD", "v2.6.38+fork-head", FAIL, O6_COUNT, "S", "fork"),
	ROW("R06-TAIL", "v2.6.38", PASS, 0, "S", "fork"),
	ROW("R12a", "v3.14", FAIL, O6_COUNT, "S", "mremap"),
	ROW("R12a-fix", "v3.15", PASS, 0, "S", "mremap"),
};

static const struct race_fix fixes[] = {
	{ "v2.6.38", { "fork-tail", "split-wait" } },
	{ "v3.15", { "mremap-huge-locks" } },
	{ NULL, { NULL } }
};

extern const struct race race_split;
const struct race race_split = {
	.name = "split-huge-page",
	.id = "R06",
	.summary = "splitting a huge page misses a mapping that is copied or moved",
	.story =
"Splitting a huge page marks all its mappings, makes the page small ones, and\n"
"walks the mappings again. Fork waits for a mapping that is marked. If the child\n"
"is first on the list, the first walk passes it while it is still empty; fork then\n"
"copies the parent's mapping, which is not marked yet: the walk has marked one\n"
"mapping of a page that has two. Waiting does not help, order does: the child is\n"
"linked at the tail. mremap of a huge page takes the anon_vma's lock since 3.15.",
	.bounds = "2 CPUs on 2 nodes, one huge page of two pages, one split, one "
		  "fork (mremap: one, into a merged destination)",
	.rows = rows,
	.nr_rows = ARRAY_LEN(rows),
	.fixes = fixes,
	.nr_cpus = 2,
	.stage = stage,
	.paging = { .levels = 3, .bits = 1 },
	.frames_per_node = 20,
};
