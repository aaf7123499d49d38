/* R09: reclaim unmaps a page and puts the flush off. Who looks at the entry
 * before that flush finds nothing to change and nothing to flush. */
#include <errno.h>
#include <string.h>

#include "mm/oracle.h"
#include "mm/swap.h"
#include "workloads/race.h"

enum { RECLAIM = 0, CHANGER = 1, USER = 2 };

#define PAGE 2          /* under the second page table                */

static void protect(struct task *t)
{
	do_mprotect(current()->mm, PAGE, 1, VM_READ);
}

static void protect_all(struct task *t)
{
	do_mprotect(current()->mm, 0, 4, VM_READ);
}

static void replace(struct task *t)
{
	do_mmap_fixed(current()->mm, PAGE, 1, VM_READ | VM_WRITE);
}

static void move(struct task *t)
{
	do_mremap(current()->mm, PAGE, 1, 0, 1);
}

static void discard(struct task *t)
{
	do_madvise(current()->mm, PAGE, 1, MADV_DONTNEED);
}

static void free_all(struct task *t)
{
	do_madvise(current()->mm, PAGE, 2, MADV_FREE);
}

static const struct {
	const char *stage;
	void (*change)(struct task *t);
	void (*use)(struct task *t);
	const char *name;
	u64 first;              /* of the VMA, which ends at 4                */
	u32 debt;               /* batches announced before                   */
} how[] = {
	{ "reclaim", NULL, race_store, NULL, PAGE, 0 },
	{ "clean", NULL, race_load, NULL, PAGE, 0 },
	{ "mprotect", protect, race_store, "B mprotect", PAGE, 0 },
	{ "munmap", replace, race_store, "B munmap, mmap", PAGE, 0 },
	{ "mremap", move, race_store, "B mremap", PAGE, 0 },
	{ "dontneed", discard, race_load, "B MADV_DONTNEED", PAGE, 0 },
	{ "two-tables", protect_all, race_store, "B mprotect", 0, 0 },
	{ "wrap", protect, race_store, "B mprotect", PAGE, (1 << 15) - 1 },
	{ "relock", free_all, race_store, "B MADV_FREE", PAGE, 0 },
};

/* The page after PAGE is reclaimed; PAGE itself was freed before, and is split
 * off a larger one on the way. */
static int stage_relock(struct mm *mm)
{
	int rc = race_touch(USER, PAGE + 1, 1);

	if (rc)
		return rc;
	*pgtable_entry(mm, PAGE, 0) &= ~(PTE_A | PTE_D);
	page_of(race_pfn(mm, PAGE))->is_large = 1;
	return 0;
}

static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *sys)
{
	struct mm *mm;
	u64 first, frames;
	size_t i = 0;
	int rc;

	while (strcmp(how[i].stage, row->stage))
		i++;
	first = how[i].first;
	mm = race_space(first, 4 - first, VM_READ | VM_WRITE);
	if (!mm || swapon(2))
		return -ENOMEM;
	rc = race_task(USER, "C user", mm, how[i].use,
		       strcmp(row->stage, "relock") ? PAGE : PAGE + 1);
	if (!rc)
		rc = race_touch(USER, PAGE, 1);
	if (!rc && how[i].change)
		rc = race_task(CHANGER, how[i].name, mm, how[i].change, 0);
	if (rc)
		return rc;
	frames = race_pfn(mm, PAGE);
	if (!first) {
		rc = race_touch(USER, 0, 2);
		frames = race_pfn(mm, 0) | frames << 32;
	}
	mm->tlb_flush_batched = how[i].debt;
	if (!strcmp(row->stage, "clean"))
		race_clean(mm, PAGE);
	if (!strcmp(row->stage, "relock")) {
		rc = stage_relock(mm);
		frames = race_pfn(mm, PAGE + 1);
	}
	return rc ? rc : race_task(RECLAIM, "A reclaim", NULL, race_reclaim,
				   frames);
}

#define FAIL VERDICT_FAIL
#define PASS VERDICT_PASS
#define O14 (O1_LOST_STORE | O4_PERM)
#define O12 (O1_LOST_STORE | O2_WRITE_AFTER_FREE)
#define ARM(i, k, e, o, stage_) \
	{ .id = i, .kernel = k, .memory = MEM_TSO, .changers = 1, \
	  .expected = e, .expected_oracles = o, .tag = "S", .stage = stage_, \
	  .flush = "tlbi" }

static const struct race_row rows[] = {
	RACE_ROW("alone", "v4.12", PASS, 0, "S", "reclaim"),
	RACE_ROW("alone-6.1", "v6.1", PASS, 0, "T", "reclaim"),
	RACE_ROW("clean", "v4.12", PASS, 0, "S", "clean"),
	RACE_ROW("clean-6.1", "v6.1", PASS, 0, "T", "clean"),
	RACE_ROW("buggy", "v4.12", FAIL, O4_PERM, "S", "mprotect"),
	RACE_ROW("bool", "v4.13", PASS, 0, "S", "mprotect"),
	RACE_ROW("count", "v6.1", PASS, 0, "T", "mprotect"),
	{ .id = "munmap-buggy", .kernel = "v4.12", .memory = MEM_TSO,
	  .changers = 1, .expected = FAIL, .expected_oracles = O1_LOST_STORE,
	  .watch = O1_LOST_STORE, .tag = "S", .stage = "munmap" },
	RACE_ROW("munmap-bool", "v4.13", PASS, 0, "S", "munmap"),
	RACE_ROW("munmap-count", "v6.1", PASS, 0, "T", "munmap"),
	RACE_ROW("mremap-buggy", "v4.12", FAIL, O14, "S", "mremap"),
	RACE_ROW("mremap-bool", "v4.19", PASS, 0, "S", "mremap"),
	RACE_ROW("mremap-count", "v6.1", PASS, 0, "T", "mremap"),
	RACE_ROW("dontneed-buggy", "v4.12", FAIL, O3_STALE_READ, "S", "dontneed"),
	RACE_ROW("dontneed-bool", "v4.13", PASS, 0, "S", "dontneed"),
	RACE_ROW("dontneed-count", "v6.1", PASS, 0, "T", "dontneed"),
	RACE_ROW("bool-hole", "v4.13", FAIL, O14, "S", "two-tables"),
	RACE_ROW("bool-hole-5.14", "v5.14", FAIL, O14, "S", "two-tables"),
	RACE_ROW("count-hole", "v6.1", PASS, 0, "T", "two-tables"),
	RACE_ROW("count-wrap", "v6.1", PASS, 0, "T", "wrap"),
	RACE_ROW("relock", "v6.1", FAIL, O12, "S", "relock"),
	RACE_ROW("relock-fix", "v6.14", PASS, 0, "S", "relock"),
	RACE_ROW("gen-0", "v5.19+gen-0", FAIL, O12, "S", "reclaim"),
	ARM("arm64", "v6.6-arm64", FAIL, O4_PERM, "mprotect"),
	ARM("arm64-fix", "v6.16-arm64", PASS, 0, "mprotect"),
	ARM("arm64-alone", "v6.6-arm64", PASS, 0, "reclaim"),
};

static const struct race_fix fixes[] = {
	{ "v4.13", { "batch-debt", "batch-flush", "batch-flush-dirty" } },
	{ "v6.1", { "batch-debt", "batch-debt-count", "batch-flush",
		    "batch-flush-dirty", "batch-gen", "batch-debt-reset" } },
	{ "v6.14", { "batch-debt-again" } },
	{ "v6.16-arm64", { "batch-debt", "batch-debt-flush" } },
	{ NULL, { NULL } }
};

extern const struct race race_reclaim_batch;
const struct race race_reclaim_batch = {
	.name = "reclaim-batch",
	.id = "R09",
	.summary = "mprotect or munmap finds an entry that reclaim cleared and has not flushed",
	.story =
"Since 4.3 reclaim clears the entries of many pages and flushes once. Between the\n"
"two, mprotect of such a page finds nothing present, changes nothing, flushes\n"
"nothing and returns, while another CPU still writes through its old entry. Fixed\n"
"in 4.13 by a flag that the next operation under a page-table lock pays for with\n"
"a flush; under another lock, a second batch could be forgotten with the first,\n"
"so 5.17 counts.",
	.bounds = "3 CPUs, reclaim of one batch of 1 page (two-tables: 2), one "
		  "call, one access by a third CPU; fills, evictions, interrupt "
		  "and store delays unbounded",
	.rows = rows,
	.nr_rows = ARRAY_LEN(rows),
	.fixes = fixes,
	.nr_cpus = 3,
	.stage = stage,
	.paging = { .levels = 2, .bits = 1 },
	.frames_per_node = 8,
};
