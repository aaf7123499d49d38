/* R15h: an address space gets a tag of its own on all CPUs (INVLPGB), while some of
 * them still use one of their slots, or are on their way to. */
#include <errno.h>
#include <string.h>

#include "mm/oracle.h"
#include "mm/reclaim.h"
#include "mm/swap.h"
#include "workloads/race.h"

enum { FLUSHER = 0, SWITCHER = 1, FLUSHER2 = 2 };

#define PAGE 2          /* and the next one                                   */

static void store(void)
{
	u64 v = RACE_STORED;

	cpu_access(PAGE + 1, 0, true, &v);
}

static void stay_and_store(struct task *t)
{
	store();
}

/* What it may do is enough. */
static void stay(struct task *t)
{
}

static void there_and_back(struct task *t)
{
	switch_mm(mms()->first_mm->next_mm);
	switch_mm(mms()->first_mm);
	store();
}

static void discard(u64 vpn)
{
	do_madvise(mms()->first_mm, vpn, 1, MADV_DONTNEED);
}

/* The first flush may give it a global ASID, the second uses it. */
static void discard_both(struct task *t)
{
	discard(PAGE);
	discard(PAGE + 1);
}

/* The second is reclaim's. */
static void discard_and_reclaim(struct task *t)
{
	discard(PAGE);
	race_reclaim(t);
}

/* By a kernel thread, who does not use the address space. */
static void compact_both(struct task *t)
{
	const u64 arg = current()->arg;

	compact_page(page_of((u32)arg), 1);
	compact_page(page_of(arg >> 32), 1);
}

static void discard_first(struct task *t)
{
	discard(PAGE);
}

static void discard_second(struct task *t)
{
	discard(PAGE + 1);
}

static const struct {
	const char *stage;
	void (*flush)(struct task *t);
	const char *flusher;
	void (*flush2)(struct task *t);         /* on another CPU             */
	void (*use)(struct task *t);
	const char *user;
} how[] = {
	{ "stay", discard_both, "A two MADV_DONTNEED", NULL, stay_and_store,
	  "C stores" },
	{ "back", discard_both, "A two MADV_DONTNEED", NULL, there_and_back,
	  "B away, back, stores" },
	{ "reclaim", discard_and_reclaim, "A MADV_DONTNEED, reclaim", NULL,
	  stay_and_store, "C stores" },
	{ "kernel", compact_both, "A compaction", NULL, there_and_back,
	  "B away, back, stores" },
	{ "two", discard_first, "A1 MADV_DONTNEED", discard_second, stay,
	  "C runs there" },
};

static u64 frames(struct mm *mm, const char *stage)
{
	u64 last = race_pfn(mm, PAGE + 1);

	return strcmp(stage, "kernel") ? last : race_pfn(mm, PAGE) | last << 32;
}

static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *sys)
{
	struct mm *mm = race_space(PAGE, 2, VM_READ | VM_WRITE);
	u32 i = 0;
	int rc;

	while (strcmp(how[i].stage, row->stage))
		i++;
	if (!mm || !mm_create() || swapon(1))
		return -ENOMEM;
	rc = race_task(SWITCHER, how[i].user, mm, how[i].use, 0);
	for (u32 n = 0; n < 2 && !rc; n++)
		rc = race_touch(SWITCHER, PAGE + n, 1 + n);
	if (!rc && how[i].flush2)
		rc = race_task(FLUSHER2, "A2 MADV_DONTNEED", mm, how[i].flush2,
			       0);
	if (rc)
		return rc;
	return race_task(FLUSHER, how[i].flusher,
			 how[i].flush == compact_both ? NULL : mm, how[i].flush,
			 frames(mm, row->stage));
}

#define STALE (O1_LOST_STORE | O2_WRITE_AFTER_FREE | O3_STALE_READ | O4_PERM | \
	       O9_FLUSH_DONE | O12_DIRTY_LOSS)
#define ROW(i, k, e, o, tag_, stage_) \
	{ .id = i, .kernel = k, .flush = "invlpgb-asid", .memory = MEM_TSO, \
	  .changers = 1, .expected = e, .expected_oracles = o, .tag = tag_, \
	  .stage = stage_ }

static const struct race_row rows[] = {
	ROW("stay", "v6.18", VERDICT_PASS, 0, "S", "stay"),
	ROW("back", "v6.18", VERDICT_PASS, 0, "S", "back"),
	ROW("reclaim", "v6.18", VERDICT_PASS, 0, "S", "reclaim"),
	ROW("kernel", "v6.18", VERDICT_PASS, 0, "S", "kernel"),
	ROW("two", "v6.18", VERDICT_PASS, 0, "S", "two"),
	ROW("reclaim-v1", "v6.14+invlpgb-v1", VERDICT_FAIL, STALE, "S",
	    "reclaim"),
};

static const struct race_fix fixes[] = {
	{ "v6.18", { "asid-mark-first", "asid-wait", "asid-ipi",
		     "asid-batch-ipi", "asid-sync-here" } },
	{ NULL, { NULL } }
};

extern const struct race race_global_asid;
const struct race race_global_asid = {
	.name = "global-asid",
	.id = "R15h",
	.summary = "an address space gets an ASID that all CPUs share, and some still use their own",
	.story =
"On AMD a busy address space gets one ASID for all CPUs, so that a flush is a\n"
"broadcast (INVLPGB, and TLBSYNC to wait for it). CPUs change over when they load it\n"
"next, or when they are interrupted; until all have, a flush must do both. Whoever\n"
"finds that all have looks at what each CPU has loaded, and must wait for those that\n"
"are about to load something: they may have looked for the ASID before there was\n"
"one. Reclaim's batches broadcast page by page and wait once, and at first forgot the\n"
"interrupts.",
	.bounds = "2 CPUs (two: 3) and two address spaces, two flushes of a page each "
		  "(the first may give the ASID), by MADV_DONTNEED, reclaim or a "
		  "kernel thread's compaction, one store (two: none), after going "
		  "away and back or not; fills, evictions, interrupt, broadcast and store delays "
		  "unbounded",
	.rows = rows,
	.nr_rows = ARRAY_LEN(rows),
	.fixes = fixes,
	.nr_cpus = 3,
	.stage = stage,
	.paging = { .levels = 2, .bits = 1 },
	.frames_per_node = 12,
	.has_switches = true,
};
