/* R10: two MADV_DONTNEED, or MADV_FREE, of one page. The second finds nothing
 * left to do and returns, the first has not flushed yet. */
#include <errno.h>
#include <string.h>

#include "mm/oracle.h"
#include "mm/swap.h"
#include "workloads/race.h"

enum { FIRST = 0, SECOND = 1, RECLAIM = 2 };

static void discard(struct task *t)
{
	do_madvise(current()->mm, 2, 1, MADV_DONTNEED);
}

static void discard_and_load(struct task *t)
{
	u64 v;

	do_madvise(current()->mm, 2, 1, MADV_DONTNEED);
	cpu_access(2, 0, false, &v);
}

static void free_page(struct task *t)
{
	do_madvise(current()->mm, 2, 1, MADV_FREE);
}

static void free_and_store(struct task *t)
{
	free_page(t);
	race_store(t);
}

static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *sys)
{
	struct mm *mm = race_space(2, 1, VM_READ | VM_WRITE);
	bool is_free = !strcmp(row->stage, "free");
	int rc;

	if (!mm)
		return -ENOMEM;
	rc = race_task(SECOND, is_free ? "T2 frees, stores"
				       : "T2 discards, loads", mm,
		       is_free ? free_and_store : discard_and_load, 2);
	if (!rc)
		rc = race_touch(SECOND, 2, 1);
	if (!rc)
		rc = race_task(FIRST, is_free ? "T1 frees" : "T1 discards", mm,
			       is_free ? free_page : discard, 0);
	if (rc || !is_free)
		return rc;
	rc = swapon(0);
	return rc ? rc : race_task(RECLAIM, "reclaim", NULL, race_reclaim,
				   race_pfn(mm, 2));
}

#define ROW(i, k, e, o, tag_, stage_) \
	{ .id = i, .kernel = k, .memory = MEM_TSO, .changers = 2, \
	  .expected = e, .expected_oracles = o, .tag = tag_, .stage = stage_ }

static const struct race_row rows[] = {
	ROW("R10a", "v4.13-rc+no-gather", VERDICT_FAIL, O3_STALE_READ, "S", "4k"),
	ROW("R10a-fix", "v4.13", VERDICT_PASS, 0, "S", "4k"),
	ROW("R10a-6.1", "v6.1", VERDICT_PASS, 0, "T", "4k"),
	ROW("R10b", "v4.13-rc+no-gather", VERDICT_FAIL, O12_DIRTY_LOSS, "S", "free"),
	ROW("R10b-fix", "v4.13", VERDICT_PASS, 0, "S", "free"),
	ROW("R10b-6.1", "v6.1", VERDICT_PASS, 0, "T", "free"),
};

static const struct race_fix fixes[] = {
	{ "v4.13", { "gather-announce", "gather-nested", "count",
		     "nested-two", "nested-late", "retract-last" } },
	{ "v6.1", { "gather-announce", "gather-nested", "nested-two",
		    "nested-late", "retract-last" } },
	{ NULL, { NULL } }
};

extern const struct race race_dontneed;
const struct race race_dontneed = {
	.name = "parallel-dontneed",
	.id = "R10",
	.summary = "a second MADV_DONTNEED or MADV_FREE returns before the first has flushed",
	.story =
"madvise holds mmap_lock only for reading. Whoever finds an entry cleared has\n"
"nothing to flush, and returns, while the flush of the one who cleared it is\n"
"still to come: its own CPU may go on reading the discarded page. After MADV_FREE\n"
"it may go on writing through an entry that says dirty, where the one in memory\n"
"says clean, and reclaim drops what it wrote. Fixed in 4.13: a gather that is not\n"
"alone flushes everything.",
	.bounds = "2 CPUs, one page, two MADV_DONTNEED of it, one load after the "
		  "second; or 3 CPUs, two MADV_FREE, one store after the second, "
		  "one reclaim; fills, evictions, interrupt and store delays unbounded",
	.rows = rows,
	.nr_rows = ARRAY_LEN(rows),
	.fixes = fixes,
	.nr_cpus = 3,
	.stage = stage,
	.paging = { .levels = 2, .bits = 1 },
	.frames_per_node = 8,
};
