/* R17: khugepaged makes two small pages a huge one while a device takes a
 * reference to one of them by GUP-fast, which only interrupts wait for. */
#include <errno.h>
#include <string.h>

#include "mm/oracle.h"
#include "workloads/race.h"

enum { KHUGEPAGED = 0, DEVICE = 1 };

static void collapse(struct task *t)
{
	collapse_huge_page(current()->mm, 2);
}

static void device(struct task *t)
{
	gup_fast_dma(current()->mm, 2, 0, 21);
}

/* Until then it runs there; its upper entries stay cached. */
static void idle(struct task *t)
{
	enter_lazy_tlb();
}

static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *sys)
{
	struct mm *mm = race_space(2, 2, VM_READ | VM_WRITE);
	int rc;

	if (!mm)
		return -ENOMEM;
	rc = strcmp(row->stage, "idle")
		? race_task(DEVICE, "B device", mm, device, 0)
		: race_task(DEVICE, "C idles", mm, idle, 0);
	if (!rc)
		rc = race_touch(DEVICE, 2, 1);
	if (!rc)
		rc = race_touch(DEVICE, 3, 2);
	return rc ? rc : race_task(KHUGEPAGED, "A khugepaged", mm, collapse, 0);
}

#define LOST (O1_LOST_STORE | O2_WRITE_AFTER_FREE | O16_PIN)
#define ROW(i, k, e, watch_, how, tag_) \
	{ .id = i, .kernel = k, .memory = MEM_TSO, .changers = 1, \
	  .expected = VERDICT_##e, .expected_oracles = \
	  VERDICT_##e == VERDICT_FAIL ? watch_ : 0, \
	  .watch = watch_, .tag = tag_, .stage = "4k", .flush = how }

#define IDLE(i, k, e, o) \
	{ .id = i, .kernel = k, .memory = MEM_TSO, .changers = 1, \
	  .expected = VERDICT_##e, .expected_oracles = o, .watch = o, \
	  .tag = "S", .stage = "idle" }

/* What is lost and what is read from where no table is are two races: a row
 * watches one of them, or all. */
static const struct race_row rows[] = {
	ROW("R17a", "v5.14", FAIL, LOST, "tlbi", "S"),
	ROW("R17a-fix", "v6.0", PASS, LOST, "tlbi", "T"),
	ROW("R17b", "v6.0", FAIL, O8_PTPAGE, "tlbi", "S"),
	ROW("R17b-fix", "v6.1", PASS, 0, "tlbi", "S"),
	ROW("R17-ipi", "v5.14", PASS, 0, "deferred", "S"),
	ROW("R17-6.1", "v6.1", PASS, 0, "deferred", "T"),
	IDLE("R17d", "v6.12.22", FAIL, O8_PTPAGE),
	IDLE("R17d-fix", "v6.1", PASS, 0),
};

static const struct race_fix fixes[] = {
	{ "v6.0", { "gup-recheck" } },
	{ "v6.1", { "collapse-sync", "gup-recheck", "range-frees" } },
	{ NULL, { NULL } }
};

static const struct race_harmless harmless[] = {
	{ "v6.1", "gup-recheck",
	  "khugepaged interrupts all CPUs before it counts references, so none "
	  "is between its two looks any more" },
	{ NULL, NULL, NULL }
};

extern const struct race race_collapse;
const struct race race_collapse = {
	.name = "collapse",
	.id = "R17",
	.summary = "khugepaged copies a page that GUP-fast has just got",
	.story =
"khugepaged unhooks a page table, flushes, and then looks whether anybody else has\n"
"a reference to the pages. On x86 the flush interrupts every CPU, and so waits for\n"
"GUP-fast, which has interrupts off. A flush by broadcast does not: GUP-fast may\n"
"have read the table's address before it was unhooked and take its reference after\n"
"the count. 6.0 has it look at the PMD again; but by then it may have read a table\n"
"that is freed, so 6.1 interrupts all CPUs once the table is unhooked.\n"
"A CPU that idles with the address space loaded may walk that table, too: until\n"
"6.12.22 the flush left it out (R17d).",
	.bounds = "2 CPUs on 2 nodes, one range of two small pages collapsed "
		  "once, one device store through GUP-fast; flushes by TLBI, or "
		  "(R17-ipi, R17-6.1, and R17d with a CPU that idles) by "
		  "interrupts. Anonymous memory only: R17c is file-tables",
	.rows = rows,
	.nr_rows = ARRAY_LEN(rows),
	.fixes = fixes,
	.harmless = harmless,
	.nr_cpus = 2,
	.stage = stage,
	.paging = { .levels = 2, .bits = 1 },
	.frames_per_node = 12,
	.has_switches = true,
};
