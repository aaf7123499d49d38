/* R14f: address spaces that map the same hugetlb pages share a page table. Who
 * leaves it frees nothing, and must be flushed all the same: entries, paths to the
 * table, and those who walk it without locks. */
#include <errno.h>
#include <string.h>

#include "mm/hugetlb.h"
#include "mm/oracle.h"
#include "workloads/race.h"

enum { LEAVER = 0, OTHER = 1, USER = 2 };

#define START 4         /* all that one table of PMDs covers: two huge pages */
#define NR 4
#define SECOND 6        /* the second of these                        */
#define SECRET 21

static void unmap(struct task *t)
{
	do_munmap(current()->mm, START, NR);
}

static void protect(struct task *t)
{
	do_mprotect(current()->mm, START, NR, VM_READ);
}

/* The table's only user by then, perhaps: what was the file's is his own. */
static void replace(struct task *t)
{
	u64 v = SECRET;

	do_mmap_fixed(current()->mm, SECOND, 2, VM_READ | VM_WRITE | VM_HUGE);
	cpu_access(SECOND, 0, true, &v);
}

static void nothing(struct task *t)
{
}

static void pin(struct task *t)
{
	gup_fast_read(current()->mm, SECOND, 3);
}

static const struct {
	const char *stage;
	void (*leave)(struct task *t);
	void (*other)(struct task *t);
	void (*use)(struct task *t);
	const char *user;
} how[] = {
	{ "store", unmap, nothing, race_store, "C writer" },
	{ "load", unmap, replace, race_load, "C reader" },
	{ "load-ro", protect, replace, race_load, "C reader" },
	{ "gup", unmap, replace, pin, "S GUP-fast" },
	{ "gup-ro", protect, replace, pin, "S GUP-fast" },
};

static struct mm *space(struct address_space *f)
{
	struct mm *mm = mm_create();

	return mm && vma_add_hugetlb(mm, START, NR, VM_READ | VM_WRITE, f, 0)
		? mm : NULL;
}

static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *sys)
{
	struct address_space *f = hugetlb_file_create(NR);
	struct mm *mm, *other;
	u32 i = 0;
	int rc;

	while (strcmp(how[i].stage, row->stage))
		i++;
	mm = f ? space(f) : NULL;
	other = mm ? space(f) : NULL;
	if (!other)
		return -ENOMEM;
	rc = race_task(LEAVER, how[i].leave == unmap ? "A munmap" : "A mprotect",
		       mm, how[i].leave, 0);
	if (!rc)
		rc = race_task(OTHER, "B shares", other, how[i].other, 0);
	if (!rc)
		rc = race_task(USER, how[i].user, mm, how[i].use, SECOND);
	/* Both have the table, and each page is in it. */
	for (u64 v = 0; !rc && v < NR; v++)
		rc = race_touch(v % 2 ? OTHER : LEAVER, START + v, 1 + v);
	return rc;
}

#define FAIL(i, k, o, w, f, t, stage_) \
	{ .id = i, .kernel = k, .memory = MEM_TSO, .changers = 1, \
	  .expected = VERDICT_FAIL, .expected_oracles = o, .watch = w, \
	  .flush = f, .tag = t, .stage = stage_ }
#define PASS(i, k, f, t, stage_) \
	{ .id = i, .kernel = k, .memory = MEM_TSO, .changers = 1, \
	  .expected = VERDICT_PASS, .flush = f, .tag = t, .stage = stage_ }

#define O15 O15_COW_LEAK
#define READ (O8_PTPAGE | O15)
#define LEFT (READ | O9_FLUSH_DONE)

static const struct race_row rows[] = {
	FAIL("R14f1", "v5.15+hugetlb", O4_PERM, 0, NULL, "S", "store"),
	PASS("R14f1-fix", "v6.15+hugetlb", NULL, "S", "store"),
	PASS("R14f1-6.1", "v6.1", NULL, "T", "store"),
	FAIL("R14f2", "v6.15+hugetlb", O8_PTPAGE, 0, "tlbi", "S", "gup"),
	FAIL("R14f2-O15", "v6.15+hugetlb", O15, O15, "tlbi", "S", "gup"),
	FAIL("R14f2-ro", "v6.15+hugetlb", READ, 0, "tlbi", "S", "gup-ro"),
	PASS("R14f2-ipi", "v6.15+hugetlb", NULL, "D", "gup"),
	PASS("R14f2-fix", "v6.16+hugetlb", "tlbi", "S", "gup"),
	PASS("R14f2-fix-ro", "v6.16+hugetlb", "tlbi", "S", "gup-ro"),
	PASS("R14f2-gather", "v6.12.93+hugetlb", "tlbi", "S", "gup"),
	PASS("R14f2-6.1", "v6.1", NULL, "T", "gup"),
	PASS("R14f4-before", "v6.16+hugetlb", "tlbi", "S", "load-ro"),
	FAIL("R14f4", "v6.12.92+hugetlb", LEFT, 0, "tlbi", "S", "load-ro"),
	FAIL("R14f4-O15", "v6.12.92+hugetlb", O15, READ, "tlbi", "S",
	     "load-ro"),
	PASS("R14f4-x86", "v6.12.92+hugetlb", NULL, "D", "load-ro"),
	PASS("R14f4-fix", "v6.12.93+hugetlb", "tlbi", "S", "load-ro"),
	PASS("R14f4-munmap", "v6.12.93+hugetlb", "tlbi", "S", "load"),
	FAIL("R14f4-munmap-leaf", "v6.16+hugetlb-leaf", READ, READ, "tlbi",
	     "D", "load"),
};

static const struct race_fix fixes[] = {
	{ "v6.15+hugetlb", { "unshare-flush" } },
	{ "v6.16+hugetlb", { "unshare-sync" } },
	{ "v6.12.93+hugetlb", { "unshare-walks", "unshare-sync",
				"unshare-flush" } },
	{ NULL, { NULL } }
};

extern const struct race race_hugetlb;
const struct race race_hugetlb = {
	.name = "hugetlb-tables",
	.id = "R14",
	.summary = "an address space leaves a page table to others who share it (CVE-2021-4002)",
	.story =
"Address spaces that map the same hugetlb pages share the table of PMDs. munmap or\n"
"mprotect in one of them takes the table out of its own upper level and leaves it\n"
"to the others. No page and no table is freed, so up to 5.15 nothing was flushed\n"
"(R14f1). When only one is left he may unmap his part and put pages of his own\n"
"there: who still walks the table sees these. Interrupts wait for GUP-fast, flushes\n"
"by broadcast do not, so 6.16 sends an interrupt for that alone (R14f2). Hardware\n"
"may find the table through a cached path: a flush of leaf entries, which is what\n"
"arm64 does where no table is freed, leaves the path (R14f4).",
	.bounds = "3 CPUs, 2 address spaces, two huge pages of two pages, one "
		  "munmap or mprotect of both by one, one mmap over the second "
		  "and one store by the other, one access or one GUP-fast; "
		  "fills, evictions, interrupt and store delays unbounded",
	.rows = rows,
	.nr_rows = ARRAY_LEN(rows),
	.fixes = fixes,
	.nr_cpus = 3,
	.stage = stage,
	.paging = { .levels = 3, .bits = 1 },
	.frames_per_node = 32,
};
