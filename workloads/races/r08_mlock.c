/* R08: reclaim comes by a page of a locked mapping on its way to another one, and
 * marks it as mlocked, while its neighbour migrates or is munlocked. No TLB is
 * needed. */
#include <errno.h>
#include <string.h>

#include "mm/file.h"
#include "mm/mlock.h"
#include "mm/oracle.h"
#include "mm/swap.h"
#include "workloads/race.h"

enum { RECLAIMER = 0, OTHER = 1, THIRD = 2 };

#define PAGE 2          /* the locked mapping, in reverse order, of two pages */
#define LINEAR 0        /* and another one, of the first of these             */
#define RW_SHARED (VM_READ | VM_WRITE | VM_SHARED)

static void munlock(struct task *t)
{
	do_munlock(current()->mm, LINEAR, 1);
}

/* Of nothing: for a moment nobody else gets the mmap_lock. */
static void unmap_nothing(struct task *t)
{
	do_munmap(current()->mm, LINEAR, 2);
}

static const struct {
	const char *stage;
	void (*other)(struct task *t);
	const char *name;
	void (*third)(struct task *t);
	const char *third_name;
	bool has_linear;
} how[] = {
	{ "migrate", race_compact, "B compaction", unmap_nothing, "D munmap",
	  false },
	{ "two", race_reclaim, "B reclaim", unmap_nothing, "D munmap", false },
	{ "munlock", race_compact, "B compaction", munlock, "D munlock", true },
};

/* Both pages are mapped by the locked VMA, and neither is marked: who munlocked a
 * linear mapping of them did not look for it there. */
static int lose_marks(struct mm *mm, struct address_space *f)
{
	int rc;

	if (!vma_add_file(mm, LINEAR, 2, RW_SHARED, f, 0))
		return -ENOMEM;
	rc = do_mlock(mm, LINEAR, 2);
	if (!rc)
		rc = do_munlock(mm, LINEAR, 2);
	return rc ? rc : do_munmap(mm, LINEAR, 2);
}

/* One more mapping of what is at PAGE, which marks it. */
static int map_linear(struct mm *mm, struct address_space *f)
{
	return vma_add_file(mm, LINEAR, 1, RW_SHARED, f, 1)
		? do_mlock(mm, LINEAR, 1) : -ENOMEM;
}

static int map_locked(struct mm *mm, struct address_space *f)
{
	int rc = 0;

	if (!vma_add_file(mm, PAGE, 2, RW_SHARED, f, 0))
		return -ENOMEM;
	for (u32 i = 0; i < 2 && !rc; i++)
		rc = race_touch(THIRD, PAGE + i, 1 + i);
	for (u32 i = 0; i < 2 && !rc; i++)
		rc = do_remap_file_pages(mm, PAGE + i, 1, 1 - i);
	return rc ? rc : do_mlock(mm, PAGE, 2);
}

/* Used long ago. */
static void make_old(struct mm *mm)
{
	for (u64 v = PAGE; v < PAGE + 2; v++)
		*pgtable_entry(mm, v, 0) &= ~PTE_A;
}

static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *sys)
{
	struct mm *mm = mm_create();
	struct address_space *f = file_create(2, 0);
	u32 i = 0;
	int rc;

	while (strcmp(how[i].stage, row->stage))
		i++;
	if (!mm || !f || swapon(0))
		return -ENOMEM;
	f->readahead = 0;
	rc = race_task(THIRD, how[i].third_name, mm, how[i].third, 0);
	if (!rc)
		rc = map_locked(mm, f);
	if (!rc)
		rc = lose_marks(mm, f);
	if (!rc && how[i].has_linear)
		rc = map_linear(mm, f);
	if (rc)
		return rc;
	make_old(mm);
	rc = race_task(OTHER, how[i].name, NULL, how[i].other,
		       race_pfn(mm, PAGE));
	return rc ? rc : race_task(RECLAIMER, "A reclaim", NULL, race_reclaim,
				   race_pfn(mm, PAGE + 1));
}

#define FAIL(i, k, o, tag_, stage_) \
	RACE_ROW(i, k, VERDICT_FAIL, o, tag_, stage_)
#define PASS(i, k, tag_, stage_) \
	RACE_ROW(i, k, VERDICT_PASS, 0, tag_, stage_)

/* buggy-counts: without the rule that the page must be locked, what does the
 * unlocked mark do? Nothing (docs/findings.md). */
static const struct race_row rows[] = {
	FAIL("buggy", "v3.14", O7_UNLOCKED, "S", "migrate"),
	FAIL("buggy-two", "v3.14", O7_UNLOCKED, "S", "two"),
	{ .id = "buggy-counts", .kernel = "v3.14", .memory = MEM_TSO,
	  .changers = 1, .expected = VERDICT_PASS, .watch = ~O7_UNLOCKED,
	  .tag = "S", .stage = "migrate" },
	FAIL("lock", "v3.14+cluster-lock", O13_DEADLOCK, "S", "two"),
	PASS("fix", "v3.15", "S", "migrate"),
	PASS("fix-two", "v3.15", "S", "two"),
	PASS("fix-munlock", "v3.15", "S", "munlock"),
	PASS("skip", "v3.14+cluster-skip", "S", "migrate"),
	PASS("skip-two", "v3.14+cluster-skip", "S", "two"),
};

static const struct race_fix fixes[] = {
	{ "v3.15", { "cluster-trylock", "cluster-try", "migrate-mlock" } },
	{ NULL, { NULL } }
};

extern const struct race race_mlock;
const struct race race_mlock = {
	.name = "mlock",
	.id = "R08",
	.summary = "reclaim marks a neighbour as mlocked without having it locked",
	.story =
"A page of a file that remap_file_pages() put into some order is found by no walk:\n"
"reclaim unmaps whole clusters of such a mapping until the page is gone. If the\n"
"mapping is locked it marks what it meets as mlocked instead, holding the lock of\n"
"the one page that it came for. The neighbours may be migrating: whoever sets the\n"
"mark must have the page locked, and the kernel stops itself if he has not\n"
"(CVE-2014-3122). To wait for that lock with another page's in hand deadlocks; 3.15\n"
"tries it, and leaves the page to a later scan.",
	.bounds = "3 CPUs, one mapping of two pages in reverse order, reclaim of one, "
		  "migration or reclaim of the other, one munmap or munlock; no "
		  "stores, interrupt and store delays unbounded",
	.rows = rows,
	.nr_rows = ARRAY_LEN(rows),
	.fixes = fixes,
	.nr_cpus = 3,
	.stage = stage,
	.paging = { .levels = 2, .bits = 1 },
	.frames_per_node = 12,
};
