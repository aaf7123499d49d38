/* R16: KSM, userfaultfd and soft-dirty bits trust an entry that says read-only
 * or clean, while the flush of whoever made it so is still to come. All hold the
 * mmap_lock for reading. */
#include <errno.h>
#include <string.h>

#include "mm/oracle.h"
#include "mm/watch.h"
#include "workloads/race.h"

enum { USER = 0, SECOND = 1, THIRD = 2, FOURTH = 3 };

#define PAGE 2

static void free_page(struct task *t)
{
	do_madvise(current()->mm, PAGE, 1, MADV_FREE);
}

/* The others are not threads of the program: checkpoint, ksmd, the process that
 * holds the userfaultfd. */
static struct mm *target(void)
{
	return (struct mm *)(uintptr_t)current()->arg;
}

static void clear(struct task *t)
{
	clear_refs(target());
}

/* The scan has found this page (and refers to it) and a shared one: */
static u64 candidate, shared;

static void merge(struct task *t)
{
	ksm_try_merge(target(), PAGE, page_of(candidate), page_of(shared));
}

static void protect(struct task *t)
{
	uffd_writeprotect(target(), PAGE, 1, true);
}

static void unprotect(struct task *t)
{
	uffd_writeprotect(target(), PAGE, 1, false);
}

static int other(u32 cpu, const char *name, struct mm *mm,
		 void (*fn)(struct task *t))
{
	return race_task(cpu, name, NULL, fn, (uintptr_t)mm);
}

/* What a device that is to write does first: no store of the program's. */
static void fault_in(struct task *t)
{
	handle_mm_fault(PAGE, true);
}

static void store_and_load(struct task *t)
{
	race_store(t);
	race_load(t);
}

static int stage_ksm(struct mm *mm, bool is_uffd)
{
	struct mm *twin = race_space(PAGE, 1, VM_READ | VM_WRITE);
	int rc;

	if (!twin)
		return -ENOMEM;
	rc = race_task(FOURTH, "KSM", twin, merge, (uintptr_t)mm);
	if (!rc)
		rc = race_touch(FOURTH, PAGE, 1);
	if (!rc)
		rc = ksm_try_merge(twin, PAGE, ksm_get_page(twin, PAGE), NULL);
	candidate = pfn_of(ksm_get_page(mm, PAGE));
	shared = race_pfn(twin, PAGE);
	if (!rc)
		rc = race_task(SECOND, "MADV_FREE", mm, free_page, 0);
	return rc ? rc : is_uffd ? other(THIRD, "uffd unprotect", mm, unprotect)
				 : other(THIRD, "clear_refs", mm, clear);
}

/* A reference besides the mapping's: somebody reads it, or isolated it. */
static int stage_uffd(struct mm *mm, bool is_second_form)
{
	int rc = other(SECOND, "uffd unprotect", mm, unprotect);

	page_of(race_pfn(mm, PAGE))->refcount++;
	if (!rc)
		rc = race_task(THIRD, "write fault", mm, fault_in, 0);
	if (!rc && is_second_form)
		rc = other(FOURTH, "uffd protect", mm, protect);
	return rc;
}

static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *sys)
{
	struct mm *mm = race_space(PAGE, 1, VM_READ | VM_WRITE | VM_UFFD_WP);
	bool is_uffd = !strncmp(row->stage, "uffd", 4);
	int rc;

	if (!mm)
		return -ENOMEM;
	rc = race_task(USER, "user", mm, is_uffd ? store_and_load : race_store,
		       PAGE);
	if (!rc)
		rc = race_touch(USER, PAGE, 1);
	if (rc)
		return rc;
	if (is_uffd)
		return stage_uffd(mm, !strcmp(row->stage, "uffd-both"));
	if (!strncmp(row->stage, "ksm", 3))
		return stage_ksm(mm, !strcmp(row->stage, "ksm-uffd"));
	return other(SECOND, "clear_refs", mm, clear);
}

#define FAIL VERDICT_FAIL
#define PASS VERDICT_PASS

/* The two pages that are merged have one value: what is lost looks like a leak
 * of the other's. */
#define LOST (O1_LOST_STORE | O15_COW_LEAK)

static const struct race_row rows[] = {
	RACE_ROW("R16a", "v4.12", FAIL, LOST, "S", "ksm"),
	RACE_ROW("R16a-check", "v4.12+ksm", FAIL, LOST, "S", "ksm"),
	RACE_ROW("R16a-half", "v4.13-rc+ksm", PASS, 0, "D", "ksm"),
	RACE_ROW("R16a-fix", "v4.13", PASS, 0, "S", "ksm"),
	RACE_ROW("R16a-6.1", "v6.1", PASS, 0, "T", "ksm"),
	RACE_ROW("R16a-uffd", "v5.14", PASS, 0, "D", "ksm-uffd"),
	RACE_ROW("R16b", "v5.11", FAIL, O1_LOST_STORE, "S", "uffd"),
	RACE_ROW("R16b-both", "v5.11", FAIL, O1_LOST_STORE, "S", "uffd-both"),
	RACE_ROW("R16b-reuse", "v5.7", PASS, 0, "S", "uffd"),
	RACE_ROW("R16b-fix", "v5.14", PASS, 0, "S", "uffd"),
	RACE_ROW("R16b-both-fix", "v5.14", PASS, 0, "S", "uffd-both"),
	RACE_ROW("R16b-6.1", "v6.1", PASS, 0, "T", "uffd"),
	RACE_ROW("R16c", "v5.11", FAIL, O12_DIRTY_LOSS, "S", "soft-dirty"),
	RACE_ROW("R16c-fix", "v5.14", PASS, 0, "S", "soft-dirty"),
	RACE_ROW("R16c-6.1", "v6.1", PASS, 0, "T", "soft-dirty"),
};

static const struct race_fix fixes[] = {
	{ "v4.13", { "ksm-check", "soft-dirty-announce", "gather-announce" } },
	{ "v5.14", { "ksm-check", "soft-dirty-flush", "wp-check" } },
	{ "v6.1", { "soft-dirty-announce", "soft-dirty-flush" } },
	{ NULL, { NULL } }
};

static const struct race_harmless harmless[] = {
	{ "v4.13", "soft-dirty-announce",
	  "what made the entry clean has announced itself, and until it has "
	  "flushed KSM flushes; after that a store finds the entry clean or "
	  "read-only, and walks" },
	{ "v4.13", "gather-announce",
	  "and the reverse: while clear_refs has not flushed, KSM does" },
	{ "v6.1", "soft-dirty-announce",
	  "clear_refs excludes KSM and faults by the mmap_lock" },
	{ NULL, NULL, NULL }
};

extern const struct race race_watch;
const struct race race_watch = {
	.name = "write-watchers",
	.id = "R16",
	.summary = "KSM, userfaultfd or soft-dirty trust an entry that is not flushed yet",
	.story =
"An entry that MADV_FREE made clean and clear_refs made read-only tells KSM that\n"
"nobody can write to the page: it compares, and puts a shared page in its place,\n"
"while a CPU still writes through what it cached (fixed in 4.13: ask whether some\n"
"flush is still to come). Write protection by userfaultfd is lifted by making the\n"
"entry read-only, too, and a fault copies the page meanwhile (fixed in 5.12 by\n"
"asking the same). And clear_refs itself once forgot to flush at all.",
	.bounds = "4 CPUs, one page and its twin, one call of each kind, one "
		  "store (userfaultfd: and one load after it); fills, evictions, "
		  "interrupt and store delays unbounded",
	.rows = rows,
	.nr_rows = ARRAY_LEN(rows),
	.fixes = fixes,
	.harmless = harmless,
	.nr_cpus = 4,
	.stage = stage,
	.paging = { .levels = 2, .bits = 1 },
	.frames_per_node = 8,
};
