/* R18c: migrate_pages of many unmaps them all, flushes once, copies then. What
 * the NUMA scanner made inaccessible and has not flushed yet is still in use. */
#include <errno.h>
#include <string.h>

#include "mm/oracle.h"
#include "workloads/race.h"

enum { MOVER = 0, WRITER = 1, OTHER = 2 };

#define PAGE 2          /* and the next one                                   */

static void move_both(struct task *t)
{
	const u64 arg = current()->arg, pfn[2] = { (u32)arg, arg >> 32 };

	migrate_pages(pfn, 2, 1);
}

static void scan(struct task *t)
{
	task_numa_work();
}

static void discard_and_load(struct task *t)
{
	do_madvise(current()->mm, PAGE + 1, 1, MADV_DONTNEED);
	current()->arg = PAGE + 1;
	race_load(t);
}

static const struct {
	const char *stage;
	void (*fn)(struct task *t);
	const char *name;
} how[] = {
	{ "alone", NULL, NULL },
	{ "scan", scan, "A scanner" },
	{ "discard", discard_and_load, "D discards, loads" },
};

static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *sys)
{
	struct mm *mm = race_space(PAGE, 2, VM_READ | VM_WRITE |
				   VM_MIGRATABLE);
	size_t i = 0;
	int rc;

	if (!mm)
		return -ENOMEM;
	while (strcmp(how[i].stage, row->stage))
		i++;
	rc = race_task(WRITER, "C writer", mm, race_store, PAGE);
	for (u32 n = 0; n < 2 && !rc; n++)
		rc = race_touch(WRITER, PAGE + n, 1 + n);
	if (!rc && how[i].fn)
		rc = race_task(OTHER, how[i].name, mm, how[i].fn, 0);
	return rc ? rc : race_task(MOVER, "B migrate_pages", NULL, move_both,
				   race_pfn(mm, PAGE) |
				   race_pfn(mm, PAGE + 1) << 32);
}

static const struct race_row rows[] = {
	RACE_ROW("R18c", "v6.3", VERDICT_PASS, 0, "T", "alone"),
	RACE_ROW("R18c-scan", "v6.3", VERDICT_PASS, 0, "S", "scan"),
	RACE_ROW("R18c-discard", "v6.3", VERDICT_PASS, 0, "S", "discard"),
};

static const struct race_fix fixes[] = {
	{ "v6.3", { "batch-flush", "migrate-batch-in-time",
		    "pte-accessible" } },
	{ NULL, { NULL } }
};

extern const struct race race_migrate_batch;
const struct race race_migrate_batch = {
	.name = "migrate-batch",
	.id = "R18",
	.summary = "pages are unmapped together, flushed once, then copied",
	.story =
"Since 6.3 migrate_pages unmaps up to 512 pages before it flushes once. Stores in\n"
"between go to the old frames, which have not been copied yet. The flush must be\n"
"over before the first copy, and name those CPUs, too, that may still use a page\n"
"which the NUMA scanner has made inaccessible: its own flush is still to come.",
	.bounds = "3 CPUs, a batch of two pages moved once, one store, and one scan "
		  "or one MADV_DONTNEED and a load (of R18's races this is R18c)",
	.rows = rows,
	.nr_rows = ARRAY_LEN(rows),
	.fixes = fixes,
	.nr_cpus = 3,
	.stage = stage,
	.paging = { .levels = 2, .bits = 1 },
	.frames_per_node = 8,
};
