/* R15: a CPU loads an address space while another one flushes it. Three words
 * on one side (loaded_mm, mm_cpumask, tlb_gen), two on the other (the entry,
 * tlb_gen): who reads too early misses what the other has just said. */
#include <errno.h>
#include <string.h>

#include "mm/oracle.h"
#include "workloads/race.h"

enum { FLUSHER = 0, SWITCHER = 1, FLUSHER2 = 2 };

#define PAGE 2          /* under the second page table                */

static struct mm *other(void)
{
	return mms()->first_mm->next_mm;
}

static void store(void)
{
	u64 v = RACE_STORED;

	cpu_access(PAGE, 0, true, &v);
}

/* It runs there from the beginning on. */
static void come_and_store(struct task *t)
{
	switch_mm(mms()->first_mm);
	store();
}

/* Away and back: with PCIDs, what was cached is still there. */
static void there_and_back(struct task *t)
{
	switch_mm(other());
	switch_mm(mms()->first_mm);
	store();
}

static void away_and_adopt(struct task *t)
{
	switch_mm(other());
	kthread_use_mm(mms()->first_mm);
	store();
}

static void idle_and_store(struct task *t)
{
	enter_lazy_tlb();
	switch_mm(mms()->first_mm);
	store();
}

static void discard(struct task *t)
{
	do_madvise(mms()->first_mm, PAGE, 1, MADV_DONTNEED);
}

static void protect(struct task *t)
{
	do_mprotect(mms()->first_mm, PAGE, 1, VM_READ);
}

static const struct {
	const char *stage;
	void (*use)(struct task *t);
	void (*flush)(struct task *t);
	const char *user, *flusher;
	bool begins_in_other;
} how[] = {
	{ "come", come_and_store, discard, "B switches in, stores",
	  "A MADV_DONTNEED", true },
	{ "back", there_and_back, discard, "B away, back, stores",
	  "A MADV_DONTNEED", false },
	{ "adopt", away_and_adopt, discard, "B away, adopts, stores",
	  "A MADV_DONTNEED", false },
	{ "idle", idle_and_store, discard, "B idles, stores",
	  "A MADV_DONTNEED", false },
	{ "idle-protect", idle_and_store, protect, "B idles, stores",
	  "A mprotect", false },
};

/* Two write faults on pages shared with a child flush one page each, under no
 * common lock. */
static int stage_two(struct mm *mm)
{
	int rc = race_task(SWITCHER, "B load", mm, race_load, PAGE);

	if (!rc)
		rc = race_touch(SWITCHER, 0, 1);
	if (!rc)
		rc = race_touch(SWITCHER, PAGE, 2);
	if (!rc && !dup_mm(mm))
		rc = -ENOMEM;
	if (!rc)
		rc = race_task(FLUSHER, "A1 store", mm, race_store, 0);
	if (!rc)
		rc = race_task(FLUSHER2, "A2 store", mm, race_store, PAGE);
	return rc;
}

/* The mm has not run since the rollover; compaction finds its page. */
static int stage_rollover(struct mm *mm, struct mm *two)
{
	int rc = race_task(SWITCHER, "B switches in, stores", mm,
			   come_and_store, 0);

	if (!rc)
		rc = race_touch(SWITCHER, PAGE, 1);
	if (rc)
		return rc;
	this_cpu = &the_sys->cpu[SWITCHER];
	switch_mm(two);
	mms()->asid_generation++;
	two->asid_generation++;
	return race_task(FLUSHER, "A compaction", NULL, race_compact,
			 race_pfn(mm, PAGE));
}

static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *sys)
{
	struct mm *mm = race_space(0, 4, VM_READ | VM_WRITE), *two;
	u32 i = 0;
	int rc;

	if (mm && !strcmp(row->stage, "two"))
		return stage_two(mm);
	two = mm_create();
	if (!mm || !two)
		return -ENOMEM;
	if (!strcmp(row->stage, "rollover"))
		return stage_rollover(mm, two);
	while (strcmp(how[i].stage, row->stage))
		i++;
	rc = race_task(FLUSHER, how[i].flusher, mm, how[i].flush, 0);
	if (!rc)
		rc = race_touch(FLUSHER, PAGE, 1);
	if (!rc)
		rc = race_task(SWITCHER, how[i].user,
			       how[i].begins_in_other ? two : mm, how[i].use, 0);
	return rc;
}

#define STALE (O2_WRITE_AFTER_FREE | O3_STALE_READ | O4_PERM | O9_FLUSH_DONE | \
	       O10_TLBGEN)
#define FAIL(i, k, tag_, stage_) \
	RACE_ROW(i, k, VERDICT_FAIL, STALE, tag_, stage_)
#define PASS(i, k, tag_, stage_) \
	RACE_ROW(i, k, VERDICT_PASS, 0, tag_, stage_)

#define ROLLOVER(i, k, m, e, tag_) \
	{ .id = i, .kernel = k, .flush = "tlbi", .memory = m, .changers = 1, \
	  .expected = e, .expected_oracles = e == VERDICT_FAIL ? \
	  STALE | O1_LOST_STORE : 0, .tag = tag_, .stage = "rollover" }

static const struct race_row rows[] = {
	FAIL("R15a", "v4.4", "S", "come"),
	{ .id = "R15a-O2", .kernel = "v4.4", .memory = MEM_TSO, .changers = 1,
	  .expected = VERDICT_FAIL, .expected_oracles = O2_WRITE_AFTER_FREE,
	  .watch = O2_WRITE_AFTER_FREE, .tag = "S", .stage = "come" },
	PASS("R15a-fix", "v4.5", "S", "come"),
	PASS("R15b", "v4.20", "S", "back"),
	PASS("R15b-idle", "v4.20", "S", "idle"),
	PASS("R15b-two", "v4.20", "T", "two"),
	PASS("R15d-1", "v6.13+lazy-mask", "D", "back"),
	FAIL("R15d-2", "v6.13+trim", "S", "back"),
	FAIL("R15d-3", "v6.15", "S", "back"),
	PASS("R15d-4", "v6.18", "S", "back"),
	FAIL("R15d-stable-2", "v6.12+trim", "S", "back"),
	FAIL("R15d-stable-3", "v6.12.96", "S", "back"),
	PASS("R15d-6.1", "v6.1", "T", "back"),
	FAIL("R15e", "v5.8+active-mm", "S", "adopt"),
	PASS("R15e-fix", "v5.9+active-mm", "S", "adopt"),
	ROLLOVER("R15f", "v5.14-arm64", MEM_WEAK, VERDICT_FAIL, "S"),
	ROLLOVER("R15f-tso", "v5.14-arm64", MEM_TSO, VERDICT_PASS, "D"),
	ROLLOVER("R15f-fix", "v5.15-arm64", MEM_WEAK, VERDICT_PASS, "S"),
	PASS("R15-come-6.1", "v6.1", "T", "come"),
	PASS("R15-idle-6.1", "v6.1", "T", "idle"),
	PASS("R15-protect-6.1", "v6.1", "T", "idle-protect"),
	PASS("R15-two-6.1", "v6.1", "T", "two"),
};

static const struct race_fix fixes[] = {
	{ "v4.5", { "switch-order", "flush-order" } },
	{ "v4.20", { "mask-before-gen", "partial-next", "partial-newest",
		     "lazy-return-order" } },
	{ "v6.1", { "switch-mark", "mask-before-gen", "partial-next",
		    "partial-newest", "lazy-return-order" } },
	{ "v6.18", { "switch-order" } },
	{ "v5.9+active-mm", { "use-mm-irqs" } },
	{ "v5.15-arm64", { "asid-order" } },
	{ NULL, { NULL } }
};

extern const struct race race_switch_mm;
const struct race race_switch_mm = {
	.name = "switch-mm",
	.id = "R15",
	.summary = "a CPU loads an address space while it is flushed (CVE-2016-2069, CVE-2025-37964)",
	.story =
"Whoever flushes changes the entry, increments tlb_gen, and then looks whom to\n"
"interrupt: the CPUs of mm_cpumask that have the address space loaded and are\n"
"not lazy. Whoever loads it says so in loaded_mm and mm_cpumask, and then reads\n"
"tlb_gen, to see whether what the TLB still holds under its PCID is current. One\n"
"of them must see the other. In 4.4 the barriers were missing; in 6.13 mm_cpumask\n"
"stopped being written on every switch, and with the locked operation its barrier\n"
"went; the next fix looked at loaded_mm, which says nothing until CR3 is loaded,\n"
"the one after at a mark that on stable kernels came after tlb_gen had been read.",
	.bounds = "2 CPUs and two address spaces, one MADV_DONTNEED or mprotect "
		  "of a page, one switch to it (back: away and back; idle: a "
		  "kernel thread in between) and one store; two: 3 CPUs, two "
		  "write faults on shared pages, one load; rollover: one "
		  "compaction, one switch to the page's address space, one "
		  "store; fills, evictions, "
		  "interrupt and store delays unbounded",
	.rows = rows,
	.nr_rows = ARRAY_LEN(rows),
	.fixes = fixes,
	.nr_cpus = 3,
	.stage = stage,
	.paging = { .levels = 2, .bits = 1 },
	.frames_per_node = 12,
	.has_switches = true,
};
