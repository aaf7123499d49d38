/* R18c, R18j: a page moves, and the flush that must come before the copy, or before
 * anybody finds the entry changed, comes late or not at all. */
#include <errno.h>
#include <string.h>

#include "mm/oracle.h"
#include "workloads/race.h"

enum { MOVER = 0, USER = 1, OTHER = 2 };

#define PAGE 2

static void move_to_device(struct task *t)
{
	migrate_vma(current()->mm, PAGE, 1, 1);
}

static void discard_and_load(struct task *t)
{
	do_madvise(current()->mm, PAGE, 1, MADV_DONTNEED);
	race_load(t);
}

static const struct {
	const char *stage;
	void (*move)(struct task *t);
	const char *mover;
	void (*use)(struct task *t);
	const char *user;
	bool has_writer;
} how[] = {
	{ "compact", race_compact, "B compaction", race_store, "C writer",
	  false },
	{ "device", move_to_device, "B migrate_vma", race_store, "C writer",
	  false },
	{ "discard", move_to_device, "B migrate_vma", discard_and_load,
	  "D discards, loads", false },
	{ "discard-store", move_to_device, "B migrate_vma", discard_and_load,
	  "D discards, loads", true },
};

static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *sys)
{
	struct mm *mm = race_space(PAGE, 2, VM_READ | VM_WRITE);
	u32 i = 0;
	int rc;

	if (!mm)
		return -ENOMEM;
	while (strcmp(how[i].stage, row->stage))
		i++;
	rc = race_task(USER, how[i].user, mm, how[i].use, PAGE);
	if (!rc)
		rc = race_touch(USER, PAGE, 1);
	if (!rc && how[i].has_writer)
		rc = race_task(OTHER, "C writer", mm, race_store, PAGE);
	if (rc)
		return rc;
	return race_task(MOVER, how[i].mover,
			 how[i].move == race_compact ? NULL : mm, how[i].move,
			 race_pfn(mm, PAGE));
}

#define STALE (O3_STALE_READ | O4_PERM)
#define FAIL(i, k, o, tag_, stage_) \
	RACE_ROW(i, k, VERDICT_FAIL, o, tag_, stage_)
#define PASS(i, k, tag_, stage_) \
	RACE_ROW(i, k, VERDICT_PASS, 0, tag_, stage_)

/* Strategies that leave out who cannot hold what was taken away. */
#define HOLDERS(i, f) \
	{ .id = i, .kernel = "v6.1", .flush = f, .memory = MEM_TSO, \
	  .changers = 1, .expected = VERDICT_PASS, .tag = "D", \
	  .stage = "discard-store" }

static const struct race_row rows[] = {
	PASS("device-alone", "v6.0", "D", "device"),
	FAIL("device", "v6.0", STALE, "S", "discard"),
	PASS("device-fix", "v6.1", "S", "discard"),
	PASS("device-fix-store", "v6.1", "S", "discard-store"),
	HOLDERS("device-radixvm", "radixvm"),
	HOLDERS("device-numapte", "numapte"),
	HOLDERS("device-abis", "abis"),
	{ .id = "alpha", .kernel = "v6.18-alpha", .memory = MEM_TSO,
	  .changers = 1, .expected = VERDICT_FAIL,
	  .expected_oracles = O1_LOST_STORE, .watch = O1_LOST_STORE,
	  .tag = "S", .stage = "compact" },
	FAIL("alpha-O2", "v6.18-alpha", O2_WRITE_AFTER_FREE, "S", "compact"),
	PASS("alpha-fix", "v6.19-alpha", "S", "compact"),
};

static const struct race_fix fixes[] = {
	{ "v6.1", { "device-flush-locked" } },
	{ "v6.19-alpha", { "migrate-shootdown", "clear-flush" } },
	{ NULL, { NULL } }
};

extern const struct race race_migrate_flush;
const struct race race_migrate_flush = {
	.name = "migrate-flush",
	.id = "R18",
	.summary = "migration to a device's memory flushes after its locks; alpha's flush is a new context number",
	.story =
"A driver that moves pages to its own memory makes them migration entries a table\n"
"at a time and flushes once for the table, up to 6.0 when it had dropped the\n"
"page-table lock. MADV_DONTNEED that finds such an entry throws it away, has no\n"
"reason to flush, and returns, while a processor may still read the page. alpha's\n"
"flush of one page gives the address space a new context number, which a processor\n"
"uses from its next switch on; until then it stores to a page that compaction has\n"
"copied.",
	.bounds = "2 CPUs (device-fix-store: 3), one page, one migrate_vma or one "
		  "compaction, one MADV_DONTNEED and a load, or a store; fills, "
		  "evictions, interrupt and store delays unbounded (of R18's races "
		  "these are R18c's last and R18j's first)",
	.rows = rows,
	.nr_rows = ARRAY_LEN(rows),
	.fixes = fixes,
	.nr_cpus = 3,
	.stage = stage,
	.paging = { .levels = 2, .bits = 1 },
	.frames_per_node = 8,
};
