/* R14c: 32-bit x86 with PAE. The four entries of the top table are registers, which
 * loading CR3 fills; INVLPG leaves them alone. */
#include <errno.h>

#include "mm/oracle.h"
#include "workloads/race.h"

enum { UNMAPPER = 0, USER = 1 };

#define PAGE 4          /* the first that the second top entry leads to       */

static void unmap(struct task *t)
{
	do_munmap(current()->mm, PAGE, 1);
}

static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *sys)
{
	struct mm *mm = race_space(PAGE, 1, VM_READ | VM_WRITE);
	int rc;

	if (!mm)
		return -ENOMEM;
	rc = race_task(USER, "C writer", mm, race_store, PAGE);
	if (!rc)
		rc = race_touch(USER, PAGE, 1);
	return rc ? rc : race_task(UNMAPPER, "A munmap", mm, unmap, 0);
}

static const struct race_row rows[] = {
	RACE_ROW("R14c", "v3.8-pae", VERDICT_FAIL, O8_PTPAGE, "S", "munmap"),
	RACE_ROW("R14c-fix", "v3.9-pae", VERDICT_PASS, 0, "S", "munmap"),
	RACE_ROW("R14c-64", "v3.12", VERDICT_PASS, 0, "D", "munmap"),
};

static const struct race_fix fixes[] = {
	{ "v3.9-pae", { "gather-top", "flush-before-free" } },
	{ NULL, { NULL } }
};

extern const struct race race_free_pae;
const struct race race_free_pae = {
	.name = "free-pae",
	.id = "R14c",
	.summary = "munmap frees a table that the processor has in a register",
	.story =
"32-bit x86 with PAE has four entries at the top, and reads them when CR3 is loaded.\n"
"munmap clears one, flushes the pages that it unmapped one by one by INVLPG, which\n"
"drops what is cached below but not those four, and frees the table. The processor\n"
"goes on walking it. Since 3.9 whoever clears a top entry flushes everything, which\n"
"loads CR3.",
	.bounds = "2 CPUs, three levels of tables, one munmap of the only page under "
		  "a top entry, one store; fills, evictions, interrupt and store "
		  "delays unbounded",
	.rows = rows,
	.nr_rows = ARRAY_LEN(rows),
	.fixes = fixes,
	.nr_cpus = 2,
	.stage = stage,
	.paging = { .levels = 3, .bits = 1 },
	.frames_per_node = 12,
};
