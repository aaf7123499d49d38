/* R02: vma_adjust() moves a VMA's start and its first index in two stores while
 * migration looks for the VMA's pages. The VMA is a child's, its page came from
 * the parent, so that the page's anon_vma is not the VMA's own. */
#include <errno.h>
#include <string.h>

#include "mm/oracle.h"
#include "mm/rmap.h"
#include "workloads/race.h"

#define RW (VM_READ | VM_WRITE)

enum { WALKER = 0, CHANGER = 1 };

/* [2, 4) is split, page 3 stays in the upper part. */
static void split(struct task *t)
{
	do_mprotect(current()->mm, 2, 1, VM_READ);
}

static void join(struct task *t)
{
	do_mprotect(current()->mm, 2, 1, RW);
}

static void split_and_load(struct task *t)
{
	u64 v;

	split(t);
	cpu_access(3, 0, false, &v);
}

static void take_all_locks(struct task *t)
{
	struct mm *mm = current()->mm;

	down_write(&mm->mmap_lock);
	mm_take_all_locks(mm);
	mm_drop_all_locks(mm);
	up_write(&mm->mmap_lock);
}

static void unmap(struct task *t)
{
	do_munmap(current()->mm, 2, 2);
}

/* ---- stages ------------------------------------------------------------------------- */

/* @child is the parent of it all, or a fork of it; its task does @fn. */
static int with_child(bool is_forked, void (*fn)(struct task *t))
{
	struct mm *parent = race_space(2, 2, RW), *child = parent;
	int rc;

	if (!parent)
		return -ENOMEM;
	rc = race_task(WALKER, "A compaction", parent, race_compact, 0);
	if (!rc)
		rc = race_touch(WALKER, 3, 1);
	if (rc)
		return rc;
	race_arg(WALKER, race_pfn(parent, 3));
	if (is_forked)
		child = dup_mm(parent);
	return child ? race_task(CHANGER, "B changes the child", child, fn, 0)
		     : -ENOMEM;
}

/* The child's VMA has been split already, and is joined again. */
static int with_split_child(void)
{
	int rc = with_child(true, join);
	struct mm *child = mms()->first_mm->next_mm;

	return rc ? rc : do_mprotect(child, 2, 1, VM_READ);
}

/* A page of the child's own, whose anon_vma has the parent's for its root; the
 * parent is gone. */
static int orphan(void)
{
	struct mm *parent = race_space(2, 2, RW), *child;
	int rc;

	child = parent ? dup_mm(parent) : NULL;
	if (!child)
		return -ENOMEM;
	rc = race_task(CHANGER, "B unmaps", child, unmap, 0);
	if (!rc)
		rc = race_touch(CHANGER, 3, 1);
	if (rc)
		return rc;
	exit_mmap(parent);
	return race_task(WALKER, "A compaction", NULL, race_compact,
			 race_pfn(child, 3));
}

/* Two walks: of a page that the parent shares with the child, of one that is the
 * child's own. With a third generation the parent is gone, and the grandchild
 * takes over its anon_vma where that is allowed. */
static int two_walkers(bool has_grandchild)
{
	struct mm *oldest = race_space(2, 2, RW), *parent, *child;
	int rc;

	parent = oldest && has_grandchild ? dup_mm(oldest) : oldest;
	if (!parent)
		return -ENOMEM;
	rc = race_task(WALKER, "W1 compaction", parent, race_compact, 0);
	if (!rc)
		rc = race_touch(WALKER, 2, 1);
	child = rc ? NULL : dup_mm(parent);
	if (!child)
		return -ENOMEM;
	race_arg(WALKER, race_pfn(child, 2));
	rc = race_task(CHANGER, "W2 compaction", child, race_compact, 0);
	if (!rc)
		rc = race_touch(CHANGER, 3, 2);
	if (rc)
		return rc;
	race_arg(CHANGER, race_pfn(child, 3));
	if (!has_grandchild)
		return 0;
	rc = do_munmap(parent, 2, 2);
	return rc || dup_mm(child) ? rc : -ENOMEM;
}

static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *sys)
{
	const char *s = row->stage;

	if (!strcmp(s, "merge"))
		return with_split_child();
	if (!strcmp(s, "own"))
		return with_child(false, split);
	if (!strcmp(s, "touch"))
		return with_child(true, split_and_load);
	if (!strcmp(s, "hole"))
		return with_child(true, unmap);
	if (!strcmp(s, "all-locks"))
		return with_child(true, take_all_locks);
	if (!strcmp(s, "orphan"))
		return orphan();
	if (!strcmp(s, "walkers"))
		return two_walkers(false);
	if (!strcmp(s, "walkers-3"))
		return two_walkers(true);
	return with_child(true, split);
}

#define PASS VERDICT_PASS
#define FAIL VERDICT_FAIL
#define ROW RACE_ROW

static const struct race_row rows[] = {
	ROW("R02", "v2.6.34", FAIL, O5_MIGENT, "S", "child"),
	ROW("R02-own", "v2.6.34", FAIL, O5_MIGENT, "S", "own"),
	ROW("own-lock", "v2.6.34+adjust", PASS, 0, "D", "own"),
	ROW("own-lock-child", "v2.6.34+adjust", FAIL, O5_MIGENT, "D", "child"),
	ROW("V1", "v2.6.34+adjust-try", PASS, 0, "S", "child"),
	ROW("V1-all", "v2.6.34+adjust-try", PASS, 0, "D", "all-locks"),
	ROW("V1-2", "v2.6.34+adjust-try", PASS, 0, "D", "walkers"),
	ROW("V1-3", "v2.6.34+adjust-try", PASS, 0, "D", "walkers-3"),
	ROW("V1-2-reuse", "v2.6.34+adjust-try-reuse", FAIL, O14_LIVELOCK, "D", "walkers-3"),
	ROW("V1'", "v2.6.34+adjust-nested", PASS, 0, "S", "child"),
	ROW("V1'-all", "v2.6.34+adjust-nested", FAIL, O13_DEADLOCK, "S", "all-locks"),
	ROW("V1'-2", "v2.6.34+adjust-nested", PASS, 0, "D", "walkers"),
	ROW("V1'-2-reuse", "v2.6.34+adjust-nested-reuse", FAIL, O13_DEADLOCK, "D", "walkers-3"),
	ROW("V1'-3", "v2.6.34+adjust-nested", PASS, 0, "D", "walkers-3"),
	ROW("V2", "v2.6.34+adjust-seq", PASS, 0, "D", "child"),
	ROW("V2-merge", "v2.6.34+adjust-seq", PASS, 0, "D", "merge"),
	ROW("V3", "v2.6.34+root-handover", PASS, 0, "S", "child"),
	ROW("V3-orphan", "v2.6.34+root-handover", FAIL, O8_PTPAGE, "S", "orphan"),
	ROW("V4", "v2.6.36", PASS, 0, "S", "child"),
	ROW("V4-merge", "v2.6.36", PASS, 0, "S", "merge"),
	ROW("V4-own", "v2.6.36", PASS, 0, "S", "own"),
	ROW("V4-all", "v2.6.36", PASS, 0, "S", "all-locks"),
	ROW("V4-2", "v2.6.36", PASS, 0, "S", "walkers"),
	ROW("V4-3", "v2.6.36", PASS, 0, "S", "walkers-3"),
	ROW("V4-orphan", "v2.6.36", PASS, 0, "S", "orphan"),
	ROW("V4-6.1", "v6.1", PASS, 0, "T", "child"),
	ROW("V5", "v2.6.34+repair", FAIL, 0, "D", "touch"),
	ROW("V6", "v2.6.34+count", PASS, 0, "seed", "child"),
	ROW("V6-hole", "v2.6.34+count", FAIL, O14_LIVELOCK, "seed", "hole"),
};

static const struct race_fix fixes[] = {
	{ "v2.6.34+adjust-try", { "adjust-lock" } },
	{ "v2.6.36", { "adjust-lock", "rmap-root" } },
	{ "v6.1", { "adjust-lock", "rmap-root" } },
	{ NULL, { NULL } }
};

extern const struct race race_vma_adjust;
const struct race race_vma_adjust = {
	.name = "vma-adjust",
	.id = "R02",
	.summary = "a split VMA's pages are looked for at a wrong address",
	.story =
"A page's address in a VMA follows from the VMA's start and first index. Who cuts\n"
"off the lower part of a VMA stores both, one after the other; in between, the\n"
"walk that makes migration entries pages again looks at a wrong address, finds it\n"
"outside, and leaves an entry behind. The lock that would keep it out is no\n"
"longer one: since April 2010 (2.6.34-rc) a forked VMA has an anon_vma of its own.\n"
"Fixed in 2.6.36: the oldest anon_vma's lock stands for the whole family.",
	.bounds = "2 CPUs on 2 nodes, one address space or a parent with its "
		  "child (walkers-3: a grandchild, too), one compaction of one "
		  "page (walkers: two, of two pages) against one mprotect that "
		  "splits (all-locks: mm_take_all_locks; orphan, hole: munmap)",
	.may_restart = true,
	.rows = rows,
	.nr_rows = ARRAY_LEN(rows),
	.fixes = fixes,
	.nr_cpus = 2,
	.stage = stage,
	.paging = { .levels = 2, .bits = 1 },
	.frames_per_node = 16,
};
