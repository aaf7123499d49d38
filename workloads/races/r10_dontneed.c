/* R10: two MADV_DONTNEED of one page. The second finds it gone and returns,
 * the first has not flushed yet. */
#include <errno.h>

#include "mm/oracle.h"
#include "workloads/race.h"

enum { FIRST = 0, SECOND = 1 };

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

static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *sys)
{
	struct mm *mm = race_space(2, 1, VM_READ | VM_WRITE);
	int rc;

	if (!mm)
		return -ENOMEM;
	rc = race_task(SECOND, "T2 discards, loads", mm, discard_and_load, 0);
	if (!rc)
		rc = race_touch(SECOND, 2, 1);
	if (!rc)
		rc = race_task(FIRST, "T1 discards", mm, discard, 0);
	return rc;
}

#define ROW(i, k, e, o, tag_) \
	{ .id = i, .kernel = k, .memory = MEM_TSO, .changers = 2, \
	  .expected = e, .expected_oracles = o, .tag = tag_, .stage = "4k" }

static const struct race_row rows[] = {
	ROW("R10a", "v4.13-rc+no-gather", VERDICT_FAIL, O3_STALE_READ, "S"),
	ROW("R10a-fix", "v4.13", VERDICT_PASS, 0, "S"),
	ROW("R10a-6.1", "v6.1", VERDICT_PASS, 0, "T"),
};

static const struct race_fix fixes[] = {
	{ "v4.13", { "gather-announce", "gather-nested", "count" } },
	{ NULL, { NULL } }
};

extern const struct race race_dontneed;
const struct race race_dontneed = {
	.name = "parallel-dontneed",
	.id = "R10",
	.summary = "a second MADV_DONTNEED returns before the first has flushed",
	.story =
"madvise holds mmap_lock only for reading. Whoever finds an entry cleared has\n"
"nothing to flush, and returns, while the flush of the one who cleared it is\n"
"still to come: its own CPU may go on reading the discarded page. Fixed in 4.13:\n"
"a gather that is not alone flushes everything.",
	.bounds = "2 CPUs, one page, two MADV_DONTNEED of it, one load after the "
		  "second; fills, evictions, interrupt and store delays unbounded",
	.rows = rows,
	.nr_rows = ARRAY_LEN(rows),
	.fixes = fixes,
	.nr_cpus = 2,
	.stage = stage,
	.paging = { .levels = 2, .bits = 1 },
	.frames_per_node = 8,
};
