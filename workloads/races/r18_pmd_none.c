/* R18a: the NUMA scanner clears a huge entry and writes it back changed. Both it
 * and MADV_DONTNEED hold the mmap_lock for reading, and MADV_DONTNEED looks
 * without the page-table lock first. */
#include <errno.h>

#include "mm/oracle.h"
#include "workloads/race.h"

enum { DISCARDER = 0, SCANNER = 1 };

#define HUGE 2

static void discard_and_load(struct task *t)
{
	do_madvise(current()->mm, HUGE, 2, MADV_DONTNEED);
	race_load(t);
}

static void scan(struct task *t)
{
	task_numa_work();
}

static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *sys)
{
	struct mm *mm = race_space(HUGE, 2, VM_READ | VM_WRITE | VM_HUGE |
				   VM_MIGRATABLE);
	int rc;

	if (!mm)
		return -ENOMEM;
	rc = race_task(DISCARDER, "CPU discards, loads", mm, discard_and_load,
		       HUGE);
	if (!rc)
		rc = race_touch(DISCARDER, HUGE, 1);
	return rc ? rc : race_task(SCANNER, "scanner", mm, scan, 0);
}

static const struct race_row rows[] = {
	RACE_ROW("R18a", "v4.10", VERDICT_FAIL, O3_STALE_READ, "S", "thp"),
	RACE_ROW("R18a-fix", "v4.12", VERDICT_PASS, 0, "S", "thp"),
	RACE_ROW("R18a-6.1", "v6.1", VERDICT_PASS, 0, "T", "thp"),
};

static const struct race_fix fixes[] = {
	{ "v4.12", { "pmd-never-none" } },
	{ "v6.1", { "pmd-never-none" } },
	{ NULL, { NULL } }
};

extern const struct race race_pmd_none;
const struct race race_pmd_none = {
	.name = "pmd-none",
	.id = "R18",
	.summary = "MADV_DONTNEED passes a huge entry that is none for an instant",
	.story =
"change_huge_pmd cleared the entry and wrote it back with fewer rights. In between\n"
"MADV_DONTNEED, which also holds the mmap_lock for reading, sees nothing there and\n"
"returns; the old contents are still mapped. Fixed in 4.11: the entry goes from one\n"
"value to the other without being none.",
	.bounds = "2 CPUs, one huge page, one MADV_DONTNEED and one load after it, "
		  "one scan (of R18's races this is R18a)",
	.rows = rows,
	.nr_rows = ARRAY_LEN(rows),
	.fixes = fixes,
	.nr_cpus = 2,
	.stage = stage,
	.paging = { .levels = 2, .bits = 1 },
	.frames_per_node = 8,
};
