/* R13: who may keep a page that is written to after a fork, when somebody refers
 * to it without mapping it. No TLB is needed. */
#include <errno.h>
#include <string.h>

#include "mm/oracle.h"
#include "mm/watch.h"
#include "workloads/race.h"

enum { FIRST = 0, SECOND = 1, THIRD = 2 };

#define PAGE 2
#define SECRET 21

static void store_secret(struct task *t)
{
	u64 v = SECRET;

	cpu_access(PAGE, 0, true, &v);
}

/* vmsplice into a pipe, munmap, read from the pipe. */
static void splice(struct task *t)
{
	struct mm *mm = current()->mm;
	struct page *page = get_user_page(mm, PAGE, false);

	do_munmap(mm, PAGE, 1);
	read_pinned(mm, PAGE, page, 1);
	put_page(page);
}

static void device(struct task *t)
{
	struct mm *mm = current()->mm;
	struct page *page = get_user_page(mm, PAGE, true);

	write_pinned(mm, PAGE, page, 31);
	put_page(page);
}

static void clear(struct task *t)
{
	clear_refs((struct mm *)(uintptr_t)current()->arg);
}

static int stage_splice(struct mm *mm)
{
	struct mm *child = dup_mm(mm);

	return child ? race_task(SECOND, "B child", child, splice, 0) : -ENOMEM;
}

static int stage_device(struct mm *mm)
{
	int rc = race_task(SECOND, "B device", mm, device, 0);

	return rc ? rc : race_task(THIRD, "C clear_refs", NULL, clear,
				   (uintptr_t)mm);
}

static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *sys)
{
	struct mm *mm = race_space(PAGE, 1, VM_READ | VM_WRITE);
	int rc;

	if (!mm)
		return -ENOMEM;
	rc = race_task(FIRST, "A store", mm, store_secret, 0);
	if (!rc)
		rc = race_touch(FIRST, PAGE, 1);
	if (rc)
		return rc;
	return strcmp(row->stage, "splice") ? stage_device(mm)
					    : stage_splice(mm);
}

#define FAIL VERDICT_FAIL
#define PASS VERDICT_PASS

static const struct race_row rows[] = {
	RACE_ROW("R13b", "v5.7", FAIL, O15_COW_LEAK, "S", "splice"),
	RACE_ROW("R13b-gup", "v5.8", PASS, 0, "S", "splice"),
	RACE_ROW("R13b-count", "v5.14", PASS, 0, "S", "splice"),
	RACE_ROW("R13b-6.1", "v6.1", PASS, 0, "T", "splice"),
	RACE_ROW("pin", "v5.7", PASS, 0, "S", "device"),
	RACE_ROW("pin-count", "v5.14", FAIL, O16_PIN, "D", "device"),
	RACE_ROW("pin-6.1", "v6.1", PASS, 0, "D", "device"),
};

static const struct race_fix fixes[] = {
	{ "v5.8", { "gup-read-breaks" } },
	{ "v5.14", { "cow-count-refs" } },
	{ "v6.1", { "cow-exclusive", "cow-count-refs" } },
	{ NULL, { NULL } }
};

extern const struct race race_cow_pin;
const struct race race_cow_pin = {
	.name = "cow-pin",
	.id = "R13",
	.summary = "copy-on-write keeps a page that somebody refers to, or copies one (CVE-2020-29374)",
	.story =
"A child takes a reference to a page that it shares with its parent, and unmaps\n"
"it. The parent's write finds the only mapping, keeps the page, and the child\n"
"reads through its reference what the parent stores. 5.8 broke the sharing when\n"
"the reference was taken; 5.9 copies whenever there is a reference, and so takes\n"
"a page from under its owner's own device once the entry has become read-only,\n"
"as clear_refs makes it. Since 5.19 pages that were never shared are known.",
	.bounds = "splice: 2 CPUs, 2 address spaces, one page, one store, one read; "
		  "device: 3 CPUs, one page, one store by the program and one by "
		  "the device",
	.rows = rows,
	.nr_rows = ARRAY_LEN(rows),
	.fixes = fixes,
	.nr_cpus = 3,
	.stage = stage,
	.paging = { .levels = 2, .bits = 1 },
	.frames_per_node = 8,
};
