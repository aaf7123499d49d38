/* R14e2, R14e3, R14g: munmap of mappings of files, and who looks for the page
 * meanwhile by the file: write-back, which lets a page that nobody maps count as
 * clean; a driver, which frees frames that it finds mapped nowhere. */
#include <errno.h>
#include <string.h>

#include "mm/file.h"
#include "mm/oracle.h"
#include "workloads/race.h"

enum { UNMAPPER = 0, OTHER = 1, USER = 2 };

#define PAGE 2          /* under the second page table                */
#define RW_SHARED (VM_READ | VM_WRITE | VM_SHARED)

static struct address_space *file(void)
{
	return mms()->first_file;
}

static void unmap(struct task *t)
{
	do_munmap(current()->mm, PAGE, 1);
}

static void discard(struct task *t)
{
	do_madvise(current()->mm, PAGE, 1, MADV_DONTNEED);
}

static void write_back(struct task *t)
{
	do_fdatasync(file());
}

static void take_back(struct task *t)
{
	device_release(file());
}

static const struct {
	const char *stage;
	u32 flags;              /* of the file                                */
	void (*unmap)(struct task *t);
	void (*other)(struct task *t);
	const char *name;
} how[] = {
	{ "sync", FILE_DISK, NULL, write_back, "W write-back" },
	{ "munmap", FILE_DISK, unmap, write_back, "W write-back" },
	{ "dontneed", FILE_DISK, discard, write_back, "W write-back" },
	{ "driver", FILE_DEVICE, unmap, take_back, "B driver frees" },
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
	f = file_create(1, how[i].flags);
	if (!mm || !f || !vma_add_file(mm, PAGE, 1, RW_SHARED, f, 0))
		return -ENOMEM;
	f->readahead = 0;
	rc = race_task(USER, "C writer", mm, race_store, PAGE);
	if (!rc)
		rc = race_touch(USER, PAGE, 1);
	if (!rc && how[i].unmap)
		rc = race_task(UNMAPPER, "A unmaps", mm, how[i].unmap, 0);
	return rc ? rc : race_task(OTHER, how[i].name, NULL, how[i].other, 0);
}

#define FAIL(i, k, o, tag_, stage_) \
	RACE_ROW(i, k, VERDICT_FAIL, o, tag_, stage_)
#define PASS(i, k, tag_, stage_) \
	RACE_ROW(i, k, VERDICT_PASS, 0, tag_, stage_)
#define LOST (O12_DIRTY_LOSS | O1_LOST_STORE)

static const struct race_row rows[] = {
	PASS("sync", "v3.14", "S", "sync"),
	PASS("sync-6.1", "v6.1", "T", "sync"),
	FAIL("R14e2", "v3.14", LOST, "S", "munmap"),
	PASS("R14e2-fix", "v3.15+mkclean-walks", "D", "munmap"),
	FAIL("R14e3", "v3.15", LOST, "S", "munmap"),
	FAIL("R14e3-6.1", "v6.1", LOST, "T", "munmap"),
	PASS("R14e3-fix", "v6.14", "S", "munmap"),
	FAIL("R14e2-dontneed", "v3.14", LOST, "D", "dontneed"),
	FAIL("R14e3-dontneed", "v6.1", LOST, "D", "dontneed"),
	PASS("R14e3-dontneed-fix", "v6.14", "D", "dontneed"),
	FAIL("R14g", "v5.14", O2_WRITE_AFTER_FREE, "S", "driver"),
	PASS("R14g-fix", "v6.1", "S", "driver"),
};

static const struct race_fix fixes[] = {
	{ "v3.15+mkclean-walks", { "zap-dirty-flush", "clear-flush" } },
	{ "v6.14", { "zap-delay-rmap", "zap-dirty-flush", "clear-flush" } },
	{ "v6.1", { "pfnmap-flush" } },
	{ NULL, { NULL } }
};

extern const struct race race_file_zap;
const struct race race_file_zap = {
	.name = "file-zap",
	.id = "R14e",
	.summary = "munmap of a file's pages, and write-back or a driver that finds them unmapped",
	.story =
"munmap clears an entry that was stored through, marks the page dirty and flushes\n"
"at the end. Write-back that comes in between finds the page mapped nowhere, so\n"
"nobody has to be told; it is written and clean. A processor that stores through\n"
"its old entry then marks nothing: the page is dropped one day, and the store with\n"
"it. 3.15 flushes before the page-table lock is dropped; but write-back asks first,\n"
"without any lock, whether the page is mapped, and it no longer counts as mapped\n"
"before the flush. 6.2 counts it until then. Frames of a driver have no count at\n"
"all: he asks the file who maps them, and frees them when nobody does (R14g).",
	.bounds = "3 CPUs, one page of one file, one munmap or MADV_DONTNEED, one "
		  "fdatasync or release of the frame, one store; fills, "
		  "evictions, interrupt and store delays unbounded",
	.rows = rows,
	.nr_rows = ARRAY_LEN(rows),
	.fixes = fixes,
	.nr_cpus = 3,
	.stage = stage,
	.paging = { .levels = 2, .bits = 1 },
	.frames_per_node = 8,
};
