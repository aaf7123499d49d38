/* R18b, R18j: hardware sets D while the kernel replaces the entry, or the kernel
 * forgets D when it makes an entry read-only. Reclaim then takes a page that
 * MADV_FREE offered, and that was written to since, for clean. R18e: a huge page
 * and its small ones at the same time. */
#include <errno.h>
#include <string.h>

#include "mm/oracle.h"
#include "mm/swap.h"
#include "workloads/race.h"

enum { KERNEL = 0, WRITER = 1 };

#define HUGE 2
#define PAGE 3          /* its second half */

/* Reclaim of the second half, which splits the page. */
static void page_out(struct task *t)
{
	do_madvise(current()->mm, PAGE, 1, MADV_PAGEOUT);
}

static void move_and_page_out(struct task *t)
{
	race_compact(t);
	page_out(t);
}

static void fork_and_reclaim(struct task *t)
{
	if (dup_mm(current()->mm))
		race_reclaim(t);
}

static void split(struct task *t)
{
	do_mprotect(current()->mm, HUGE, 1, VM_READ);
}

static const struct {
	const char *stage;
	void (*fn)(struct task *t);
	const char *name;
	bool is_huge, is_offered;
} how[] = {
	{ "split", page_out, "A splits, reclaims", true, true },
	{ "migrate", move_and_page_out, "A moves, splits, reclaims", true,
	  true },
	{ "fork", fork_and_reclaim, "A forks, reclaims", false, true },
	{ "sizes", split, "A splits", true, false },
};

static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *sys)
{
	u32 flags = VM_READ | VM_WRITE;
	struct mm *mm;
	size_t i = 0;
	int rc;

	while (strcmp(how[i].stage, row->stage))
		i++;
	mm = race_space(HUGE, 2, flags | (how[i].is_huge ? VM_HUGE |
						VM_MIGRATABLE : 0));
	if (!mm || swapon(2))
		return -ENOMEM;
	rc = race_task(WRITER, "C writer", mm, race_store, PAGE);
	if (!rc)
		rc = race_touch(WRITER, PAGE, 1);
	if (!rc && how[i].is_offered)
		rc = do_madvise(mm, HUGE, 2, MADV_FREE);
	if (rc)
		return rc;
	return race_task(KERNEL, how[i].name, mm, how[i].fn,
			 race_pfn(mm, how[i].is_huge ? HUGE : PAGE));
}

#define FAIL VERDICT_FAIL
#define PASS VERDICT_PASS

static const struct race_row rows[] = {
	RACE_ROW("R18b-split", "v4.15", FAIL, O12_DIRTY_LOSS, "S", "split"),
	RACE_ROW("R18b-split-fix", "v4.14", PASS, 0, "S", "split"),
	RACE_ROW("R18b-split-6.1", "v6.1", PASS, 0, "T", "split"),
	RACE_ROW("R18b-migrate", "v5.5", FAIL, O12_DIRTY_LOSS, "S", "migrate"),
	RACE_ROW("R18b-migrate-fix", "v5.14", PASS, 0, "S", "migrate"),
	RACE_ROW("R18b-migrate-6.1", "v6.1", PASS, 0, "T", "migrate"),
	RACE_ROW("R18j-loongarch", "v6.1-loongarch", FAIL, O12_DIRTY_LOSS, "S", "fork"),
	RACE_ROW("R18j-6.1", "v6.1", PASS, 0, "T", "fork"),
	{ .id = "R18e", .kernel = "v6.1+mixed-sizes", .memory = MEM_TSO,
	  .changers = 1, .expected = FAIL, .expected_oracles = O11_MIXED_SIZE,
	  .watch = O11_MIXED_SIZE, .tag = "T", .stage = "sizes" },
	RACE_ROW("R18e-6.1", "v6.1", PASS, 0, "T", "sizes"),
};

static const struct race_fix fixes[] = {
	{ "v4.14", { "pmd-invalidate-xchg" } },
	{ "v5.14", { "pmd-migrate-xchg" } },
	{ "v6.1", { "pmd-invalidate-xchg", "pmd-migrate-xchg",
		    "split-invalid-first", "wrprotect-keeps-dirty" } },
	{ NULL, { NULL } }
};

extern const struct race race_dirty_bit;
const struct race race_dirty_bit = {
	.name = "dirty-bit",
	.id = "R18",
	.summary = "D is set while the entry is replaced, or forgotten with the right to write",
	.story =
"Splitting or migrating a huge page read the entry, then replaced it: a store of\n"
"another CPU that set D in between left no trace, and reclaim dropped a page of\n"
"MADV_FREE's that had been written to since. Fixed for splitting in 4.16, for\n"
"migration in 5.6: the exchange returns what it replaced. On LoongArch, making an\n"
"entry read-only lost D until 6.x, so that fork did the same to reclaim.",
	.bounds = "2 CPUs, one huge page of 2 (fork: two small ones), one store; one "
		  "split, migration or fork and one reclaim after it; of R18's "
		  "races these are R18b, R18e and R18j's LoongArch half",
	.rows = rows,
	.nr_rows = ARRAY_LEN(rows),
	.fixes = fixes,
	.nr_cpus = 2,
	.stage = stage,
	.paging = { .levels = 2, .bits = 1 },
	.frames_per_node = 10,
};
