/* R12: mremap moves a whole page table while compaction, which came to it by the
 * anon_vma, holds the table's lock and flushes the address it knows: the old one.
 * A thread stores through the new one. */
#include <errno.h>
#include <string.h>

#include "mm/oracle.h"
#include "workloads/race.h"

enum { MOVER = 0, WRITER = 1, COMPACTION = 2 };

/* The argument: pages from 0 on that move to behind themselves. */
static void move(struct task *t)
{
	u64 n = current()->arg;

	do_mremap(current()->mm, 0, n, n, n);
}

static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *sys)
{
	bool is_huge = !strcmp(row->stage, "huge");
	u64 n = strcmp(row->stage, "pud") ? 2 : 4;
	struct mm *mm = race_space(0, n, VM_READ | VM_WRITE |
				   (is_huge ? VM_HUGE : 0));
	int rc;

	if (!mm)
		return -ENOMEM;
	rc = race_task(WRITER, "C writer", mm, race_store,
		       is_huge || !strcmp(row->stage, "table-old") ? 0 : n);
	if (!rc)
		rc = race_touch(WRITER, 0, 1);
	if (!rc)
		rc = race_task(MOVER, "A mremap", mm, move, n);
	if (!rc)
		rc = race_task(COMPACTION, "B compaction", mm, race_compact,
			       is_huge ? pte_pfn(*pgtable_entry(mm, 0, PMD_LEVEL))
				       : race_pfn(mm, 0));
	return rc;
}

#define ROW RACE_ROW
#define PASS VERDICT_PASS
#define FAIL VERDICT_FAIL
#define O12 (O1_LOST_STORE | O2_WRITE_AFTER_FREE)

static const struct race_row rows[] = {
	ROW("R12b", "v3.13", FAIL, O12, "T", "huge"),
	ROW("R12b-4.9", "v4.14", PASS, 0, "D", "huge"),
	ROW("R12b-fix", "v4.19", PASS, 0, "T", "huge"),
	ROW("R12b-6.1", "v6.1", PASS, 0, "T", "huge"),
	ROW("R12c-before", "v4.19", PASS, 0, "S", "table"),
	ROW("R12c", "v5.10+tables", FAIL, O12, "S", "table"),
	{ .id = "R12c-O2", .kernel = "v5.10+tables", .memory = MEM_TSO, .changers = 1,
	  .expected = FAIL, .expected_oracles = O2_WRITE_AFTER_FREE,
	  .watch = O2_WRITE_AFTER_FREE, .tag = "S", .stage = "table" },
	{ .id = "R12c-O5", .kernel = "v5.10+tables", .memory = MEM_TSO, .changers = 1,
	  .expected = FAIL, .expected_oracles = O5_MIGENT,
	  .watch = O5_MIGENT, .tag = "D", .stage = "table" },
	ROW("R12c-fix", "v5.14", PASS, 0, "S", "table"),
	ROW("R12c-old", "v5.14", PASS, 0, "D", "table-old"),
	ROW("R12c-6.1", "v6.1", PASS, 0, "T", "table"),
	ROW("R12c-pud", "v5.11+tables", FAIL, O12, "S", "pud"),
	ROW("R12c-pud-fix", "v5.14", PASS, 0, "S", "pud"),
	ROW("R12c-pud-6.1", "v6.1", PASS, 0, "T", "pud"),
};

static const struct race_fix fixes[] = {
	{ "v4.19", { "mremap-flush-locked", "mremap-flush" } },
	{ "v5.14", { "mremap-table-locks", "mremap-flush" } },
	{ "v6.1", { "mremap-table-locks", "mremap-flush" } },
	{ NULL, { NULL } }
};

extern const struct race race_mremap_tables;
const struct race race_mremap_tables = {
	.name = "mremap-tables",
	.id = "R12",
	.summary = "mremap moves a page table under a walk of the mappings (CVE-2022-41222)",
	.story =
"Since 4.20 mremap moves a page table as a whole where it can, since 5.11 a table\n"
"of tables. Its lock goes along with it: who holds it, having come by the old\n"
"address, goes on, takes the page away, and flushes the old address. By then a\n"
"CPU may have the page at its new one. Fixed in 5.14: such moves take the\n"
"anon_vma's lock.",
	.bounds = "3 CPUs on 2 nodes, one page (huge: of two) whose table (pud: "
		  "the table above it) moves once, one compaction of it, one "
		  "writer with 1 store through the new address (huge, "
		  "table-old: the old one); fills, evictions, interrupt and store delays unbounded; "
		  "the file mappings of R12d and R12e are not modelled",
	.rows = rows,
	.nr_rows = ARRAY_LEN(rows),
	.fixes = fixes,
	.nr_cpus = 3,
	.stage = stage,
	.paging = { .levels = 3, .bits = 1 },
	.frames_per_node = 16,
};
