/* R13: copy-on-write counts the mappings of a huge page while another address
 * space splits its own. No TLB is needed. */
#include <errno.h>
#include <string.h>

#include "mm/oracle.h"
#include "workloads/race.h"

enum { PARENT = 0, CHILD = 1, MOVER = 2 };

#define HEAD 2          /* the huge page's two                        */
#define SECRET 21

static void store_secret(struct task *t)
{
	u64 v = SECRET;

	cpu_access(HEAD + 1, 0, true, &v);
}

/* Half of the huge page goes, so that the other half is mapped by itself. */
static void split_and_read(struct task *t)
{
	u64 v;

	do_madvise(current()->mm, HEAD, 1, MADV_DONTNEED);
	cpu_access(HEAD + 1, 0, false, &v);
}

static void discard(struct task *t)
{
	do_madvise(current()->mm, HEAD, 1, MADV_DONTNEED);
}

static const struct {
	const char *stage;
	void (*parent)(struct task *t);
	void (*child)(struct task *t);
	bool is_moved;
} how[] = {
	{ "read", store_secret, split_and_read, false },
	{ "both", discard, split_and_read, false },
	{ "move", NULL, split_and_read, true },
};

static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *sys)
{
	struct mm *mm = race_space(HEAD, 2, VM_READ | VM_WRITE | VM_HUGE);
	struct mm *child;
	u32 i = 0;
	int rc;

	while (strcmp(how[i].stage, row->stage))
		i++;
	if (!mm)
		return -ENOMEM;
	rc = race_task(PARENT, "A parent", mm, how[i].parent
		       ? how[i].parent : race_load, HEAD + 1);
	for (u64 v = HEAD; !rc && v < HEAD + 2; v++)
		rc = race_touch(PARENT, v, v - 1);
	if (rc)
		return rc;
	child = dup_mm(mm);
	if (!child)
		return -ENOMEM;
	rc = race_task(CHILD, "B child", child, how[i].child, 0);
	if (!rc && how[i].is_moved)
		rc = race_task(MOVER, "C compaction", NULL, race_compact,
			       race_pfn(mm, HEAD));
	return rc;
}

#define FAIL VERDICT_FAIL
#define PASS VERDICT_PASS

static const struct race_row rows[] = {
	RACE_ROW("R13a", "v5.7", FAIL, O15_COW_LEAK, "S", "read"),
	RACE_ROW("R13a-fix", "v5.8", PASS, 0, "S", "read"),
	RACE_ROW("R13a-count", "v5.14", PASS, 0, "S", "read"),
	RACE_ROW("R13a-6.1", "v6.1", PASS, 0, "T", "read"),
	RACE_ROW("R13a-both", "v5.7", PASS, 0, "D", "both"),
	RACE_ROW("R13a-both-fix", "v5.8", PASS, 0, "D", "both"),
	RACE_ROW("R13a-move", "v5.7", PASS, 0, "D", "move"),
	RACE_ROW("R13a-move-fix", "v5.8", PASS, 0, "D", "move"),
};

static const struct race_fix fixes[] = {
	{ "v5.8", { "split-page-lock", "cow-page-lock" } },
	{ "v5.14", { "split-page-lock", "cow-page-lock" } },
	{ NULL, { NULL } }
};

#define COUNTED "references are counted, and each mapping of either kind has one"

static const struct race_harmless harmless[] = {
	{ "v5.14", "split-page-lock", COUNTED },
	{ "v5.14", "cow-page-lock", COUNTED },
	{ NULL, NULL, NULL }
};

extern const struct race race_cow_huge;
const struct race race_cow_huge = {
	.name = "cow-huge",
	.id = "R13",
	.summary = "copy-on-write counts a huge page's mappings while one is split (CVE-2020-29368)",
	.story =
"Since 4.5 an address space that gives back a part of a huge page maps the rest\n"
"4K by 4K, and others go on mapping it whole. Mappings of pieces are counted piece\n"
"by piece: splitting one adds to each of these counts, then takes one from the\n"
"count of the whole. Another address space's write adds up both: it reads no\n"
"mapping of a piece, the split does its two steps, and there is one mapping of the\n"
"whole, its own. It keeps a page that the other one still maps, and its store is\n"
"read there. Each is under a page-table lock, of its own address space; 5.8 splits\n"
"under the page's lock, which copy-on-write holds while it counts.",
	.bounds = "2 address spaces on a CPU each, one huge page of two pages, one "
		  "MADV_DONTNEED of one, one access (move: and one migration of the "
		  "huge page by a third CPU)",
	.rows = rows,
	.nr_rows = ARRAY_LEN(rows),
	.fixes = fixes,
	.harmless = harmless,
	.nr_cpus = 3,
	.stage = stage,
	.paging = { .levels = 3, .bits = 1 },
	.frames_per_node = 24,
};
