/* R17c, R12d: page tables of files go while walks that came through the file, or
 * mremap, are on their way to them. */
#include <errno.h>
#include <string.h>

#include "mm/file.h"
#include "mm/oracle.h"
#include "workloads/race.h"

enum { COLLAPSER = 0, WALKER = 1 };

#define PAGE 2          /* the second page table, both its entries    */
#define RW_SHARED (VM_READ | VM_WRITE | VM_SHARED)

static struct address_space *file(void)
{
	return mms()->first_file;
}

static void collapse(struct task *t)
{
	retract_file(file(), mms()->first_mm, PAGE);
}

static void truncate_file(struct task *t)
{
	do_truncate(file(), 0);
}

static void move(struct task *t)
{
	do_mremap(current()->mm, PAGE, 2, 0, 2);
}

static const struct {
	const char *stage;
	void (*walk)(struct task *t);
	const char *name;
	bool is_empty;          /* the table                                  */
} how[] = {
	{ "truncate", truncate_file, "D truncate", false },
	{ "mremap", move, "B mremap", true },
};

static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *sys)
{
	struct address_space *f;
	struct mm *mm;
	u32 i = 0;
	int rc;

	while (strcmp(how[i].stage, row->stage))
		i++;
	mm = mm_create();
	f = file_create(2, FILE_DISK);
	if (!mm || !f || !vma_add_file(mm, PAGE, 2, RW_SHARED, f, 0))
		return -ENOMEM;
	f->readahead = 0;
	rc = race_task(WALKER, how[i].name, mm, how[i].walk, 0);
	if (!rc)
		rc = race_touch(WALKER, PAGE, 1);
	if (!rc && how[i].is_empty)
		unmap_mapping_range(f, 0, 2, true);
	return rc ? rc : race_task(COLLAPSER, "A khugepaged", NULL, collapse,
				   0);
}

#define ROW(i, k, e, o, tag_, stage_) RACE_ROW(i, k, e, o, tag_, stage_)

static const struct race_row rows[] = {
	ROW("R17c", "v5.14", VERDICT_FAIL, O8_PTPAGE, "S", "truncate"),
	ROW("R17c-fix", "v6.1", VERDICT_PASS, 0, "S", "truncate"),
	ROW("R12d-6.1", "v6.1", VERDICT_PASS, 0, "D", "mremap"),
	ROW("R12d", "v6.6+retract", VERDICT_FAIL, O8_PTPAGE, "S", "mremap"),
	ROW("R12d-fix", "v6.12+retract", VERDICT_PASS, 0, "S", "mremap"),
};

static const struct race_fix fixes[] = {
	{ "v6.1", { "retract-locks" } },
	{ "v6.12+retract", { "mremap-recheck" } },
	{ NULL, { NULL } }
};

extern const struct race race_file_tables;
const struct race race_file_tables = {
	.name = "file-tables",
	.id = "R17c",
	.summary = "khugepaged takes a file's page table while somebody is about to walk or move it",
	.story =
"When the pages of a file have become a huge one, the page tables that mapped them\n"
"go. 5.4 to 6.0 did that under mmap_lock and the PMD's lock; who comes through the\n"
"file, to truncate it or to write it back, holds neither, and reads a table that is\n"
"freed. 6.1 takes the file's lock, too. 6.6 takes tables with that lock held for\n"
"reading and without mmap_lock, for which walks were made ready, but mremap was not:\n"
"it decides that an entry names a table, takes its locks, and moves what is there\n"
"by then: nothing, which it makes a table in frame 0 (CVE-2024-50066).",
	.bounds = "2 CPUs, one page table of two entries, one collapse, one "
		  "truncate or mremap; interrupt and store delays unbounded",
	.rows = rows,
	.nr_rows = ARRAY_LEN(rows),
	.fixes = fixes,
	.nr_cpus = 2,
	.stage = stage,
	.paging = { .levels = 2, .bits = 1 },
	.frames_per_node = 12,
};
