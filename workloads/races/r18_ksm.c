/* R18m: a page that KSM shares migrates while a program takes its own back. No TLB
 * is needed. */
#include <errno.h>

#include "mm/oracle.h"
#include "mm/watch.h"
#include "workloads/race.h"

enum { OWNER = 0, MOVER = 1, TWIN = 2 };

#define PAGE 2

static void unmerge(struct task *t)
{
	ksm_unmerge(current()->mm, PAGE);
}

static void nothing(struct task *t)
{
}

static int share(u32 cpu, struct mm *mm, struct page *kpage)
{
	int rc = race_touch(cpu, PAGE, 1);

	return rc ? rc : ksm_try_merge(mm, PAGE, ksm_get_page(mm, PAGE), kpage);
}

static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *sys)
{
	struct mm *twin = race_space(PAGE, 1, VM_READ | VM_WRITE);
	struct mm *mm = race_space(PAGE, 1, VM_READ | VM_WRITE);
	int rc;

	if (!twin || !mm)
		return -ENOMEM;
	rc = race_task(OWNER, "A unmerges", mm, unmerge, 0);
	if (!rc)
		rc = race_task(TWIN, "C shares it", twin, nothing, 0);
	if (!rc)
		rc = share(TWIN, twin, NULL);
	if (!rc)
		rc = share(OWNER, mm, page_of(race_pfn(twin, PAGE)));
	return rc ? rc : race_task(MOVER, "B compaction", NULL, race_compact,
				   race_pfn(mm, PAGE));
}

static const struct race_row rows[] = {
	RACE_ROW("R18m", "v3.9-rc+ksm", VERDICT_FAIL, O6_COUNT, "S", "unmerge"),
	RACE_ROW("R18m-fix", "v3.12", VERDICT_PASS, 0, "S", "unmerge"),
	RACE_ROW("R18m-6.1", "v6.1", VERDICT_PASS, 0, "T", "unmerge"),
};

static const struct race_fix fixes[] = {
	{ "v3.12", { "ksm-waits-migration" } },
	{ "v6.1", { "ksm-waits-migration" } },
	{ NULL, { NULL } }
};

extern const struct race race_ksm_unmerge;
const struct race race_ksm_unmerge = {
	.name = "ksm-unmerge",
	.id = "R18",
	.summary = "a page of KSM migrates while its owner takes it back",
	.story =
"KSM finds the mappings of a page that it shares by its own list. A program that\n"
"wants its pages back gets a copy by a write fault, and is taken off the list.\n"
"While the page migrates its entry is none that maps a page; KSM took that for a\n"
"page that was gone, made no copy and forgot the place. Then migration puts the\n"
"shared page back, which from then on is mapped where no walk finds it: it cannot\n"
"be unmapped, nor moved. Since 3.9 KSM waits for the migration and looks again.",
	.bounds = "3 CPUs, one of which only shares, 2 address spaces, one page, one unmerge, one "
		  "migration; fills, evictions, interrupt and "
		  "store delays unbounded (of R18's races this is R18m)",
	.rows = rows,
	.nr_rows = ARRAY_LEN(rows),
	.fixes = fixes,
	.nr_cpus = 3,
	.stage = stage,
	.paging = { .levels = 2, .bits = 1 },
	.frames_per_node = 12,
};
