/* R04: pages of the swap cache, looked up without a lock by a fault that then
 * waits for the page, move away or come back for another slot meanwhile. No TLB
 * is needed. */
#include <errno.h>
#include <string.h>

#include "mm/oracle.h"
#include "mm/reclaim.h"
#include "mm/swap.h"
#include "workloads/race.h"

enum { FIRST = 0, SECOND = 1, THIRD = 2 };

#define PAGE 2

static void unmap(struct task *t)
{
	do_munmap(current()->mm, PAGE, 1);
}

static void page_out(void)
{
	do_madvise(current()->mm, PAGE, 1, MADV_PAGEOUT);
}

static void store_and_page_out(struct task *t)
{
	race_store(t);
	page_out();
}

static void store_other_and_page_out(struct task *t)
{
	u64 v = 21;

	cpu_access(PAGE, 0, true, &v);
	page_out();
}

/* Swapped out, and still in the cache: somebody referred to it. */
static int swap_out(u64 pfn)
{
	page_of(pfn)->refcount++;
	reclaim_frames(&pfn, 1);
	page_of(pfn)->refcount--;
	return page_of(pfn)->swap_slot ? 0 : -EINVAL;
}

/* A page that is pinned, so that it outlives its mapping. */
static int stage_unmapped(struct mm *mm)
{
	int rc = race_task(SECOND, "B munmap", mm, unmap, 0);

	page_of(race_pfn(mm, PAGE))->refcount++;
	return rc ? rc : race_task(FIRST, "A compaction", NULL, race_compact,
				   race_pfn(mm, PAGE));
}

/* Two address spaces share the page since a fork. */
static int stage_shared(struct mm *mm, struct mm **child)
{
	u64 pfn = race_pfn(mm, PAGE);

	*child = dup_mm(mm);
	return !*child || swapon(2) ? -ENOMEM : swap_out(pfn);
}

static int stage_move(struct mm *mm)
{
	u64 pfn = race_pfn(mm, PAGE);
	struct mm *child;
	int rc = stage_shared(mm, &child);

	if (!rc)
		rc = race_task(SECOND, "B swap fault", mm, race_store, PAGE);
	if (!rc)
		rc = race_task(THIRD, "C another mapper", child, race_load,
			       PAGE);
	return rc ? rc : race_task(FIRST, "A compaction", NULL, race_compact,
				   pfn);
}

/* The child has the page mapped again; the parent's entry names the slot. */
static int stage_aba(struct mm *mm)
{
	struct mm *child;
	int rc = stage_shared(mm, &child);

	if (!rc)
		rc = race_task(THIRD, "C other mm", child,
			       store_other_and_page_out, 0);
	if (rc)
		return rc;
	this_cpu = &the_sys->cpu[THIRD];
	rc = handle_mm_fault(PAGE, false);
	if (!rc)
		rc = race_task(FIRST, "A store", mm, store_and_page_out,
			       PAGE);
	return rc ? rc : race_task(SECOND, "B load", mm, race_load, PAGE);
}

static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *sys)
{
	struct mm *mm = race_space(PAGE, 1, VM_READ | VM_WRITE);
	int rc;

	if (!mm)
		return -ENOMEM;
	rc = race_task(SECOND, "B", mm, race_load, PAGE);
	if (!rc)
		rc = race_touch(SECOND, PAGE, 1);
	if (rc)
		return rc;
	if (!strcmp(row->stage, "unmapped"))
		return stage_unmapped(mm);
	return strcmp(row->stage, "move") ? stage_aba(mm) : stage_move(mm);
}

#define FAIL VERDICT_FAIL
#define PASS VERDICT_PASS
#define O1 O1_LOST_STORE
#define O15 O15_COW_LEAK

static const struct race_row rows[] = {
	RACE_ROW("unmapped", "v2.6.34+unmapped", FAIL, O8_PTPAGE, "S", "unmapped"),
	RACE_ROW("unmapped-fix", "v2.6.36", PASS, 0, "S", "unmapped"),
	RACE_ROW("R04a", "v2.6.36-rc3+no-freeze", FAIL, O1_LOST_STORE, "S", "move"),
	RACE_ROW("R04a-freeze", "v2.6.36-rc3", PASS, 0, "D", "move"),
	RACE_ROW("R04a-fix", "v2.6.36", PASS, 0, "S", "move"),
	RACE_ROW("R04b-none", "v2.6.36-rc3", FAIL, O1 | O15, "S", "aba"),
	RACE_ROW("R04b", "v2.6.36-rc4", FAIL, O1 | O15, "S", "aba"),
	RACE_ROW("R04b-fix", "v2.6.36", PASS, 0, "S", "aba"),
};

static const struct race_fix fixes[] = {
	{ "v2.6.36", { "swapin-recheck", "swapin-recheck-slot", "swap-freeze",
		       "migrate-mapped" } },
	{ NULL, { NULL } }
};

static const struct race_harmless harmless[] = {
	{ "v2.6.36", "swap-freeze",
	  "who looked the page up looks again once it is locked, and finds that "
	  "it has left the cache; each covers for the other (R04a-freeze)" },
	{ NULL, NULL, NULL }
};

extern const struct race race_swap_cache;
const struct race race_swap_cache = {
	.name = "swap-cache",
	.id = "R04",
	.summary = "a fault waits for a page of the swap cache that moves or changes its slot",
	.story =
"A fault on a swap entry looks the page up without a lock, then waits for it.\n"
"Meanwhile compaction may put another page in its place; or the page is given to\n"
"somebody for good, its slot to another page, and both are swapped out again: the\n"
"entry reads as before, the page is in the swap cache as before, and they do not\n"
"belong together. Fixed in 2.6.36 in two steps: look whether the page is still in\n"
"the cache, and whether for the same slot.",
	.bounds = "unmapped: 2 CPUs; move: 3 CPUs, 2 address spaces, one "
		  "compaction; slot reused: 3 CPUs, 2 address spaces, 2 slots, one "
		  "access each, each address space pages itself out once",
	.rows = rows,
	.nr_rows = ARRAY_LEN(rows),
	.fixes = fixes,
	.harmless = harmless,
	.nr_cpus = 3,
	.stage = stage,
	.paging = { .levels = 2, .bits = 1 },
	.frames_per_node = 12,
};
