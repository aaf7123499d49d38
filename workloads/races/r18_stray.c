/* R18f: a processor that sets A and D in entries that were cleared while it looked. */
#include <errno.h>
#include <string.h>

#include "mm/oracle.h"
#include "mm/swap.h"
#include "workloads/race.h"

enum { KERNEL = 0, WRITER = 1 };

#define PAGE 2

static void discard(struct task *t)
{
	do_madvise(current()->mm, PAGE, 1, MADV_DONTNEED);
}

static const struct {
	const char *stage;
	void (*fn)(struct task *t);
	const char *name;
	bool is_offered;
} how[] = {
	{ "offered", race_reclaim, "A reclaims", true },
	{ "cleared", discard, "A MADV_DONTNEED", false },
};

/* Clean: a store of the program's must look at the entry in memory. */
static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *sys)
{
	struct mm *mm = race_space(PAGE, 1, VM_READ | VM_WRITE);
	u32 i = 0;
	int rc;

	while (strcmp(how[i].stage, row->stage))
		i++;
	if (!mm || swapon(2))
		return -ENOMEM;
	rc = race_task(WRITER, "C writer", mm, race_store, PAGE);
	if (!rc)
		rc = race_touch(WRITER, PAGE, 1);
	if (!rc && how[i].is_offered)
		rc = do_madvise(mm, PAGE, 1, MADV_FREE);
	else if (!rc)
		race_clean(mm, PAGE);
	return rc ? rc : race_task(KERNEL, how[i].name, mm, how[i].fn,
				   race_pfn(mm, PAGE));
}

#define ROW(i, k, e, o, t, stage_, bits) \
	{ .id = i, .kernel = k, .memory = MEM_TSO, .changers = 1, \
	  .expected = e, .expected_oracles = o, .tag = t, .stage = stage_, \
	  .stray_bits = bits }
#define FAIL VERDICT_FAIL
#define PASS VERDICT_PASS
#define LOSS (O1_LOST_STORE | O2_WRITE_AFTER_FREE | O12_DIRTY_LOSS)

static const struct race_row rows[] = {
	ROW("R18f-sound", "v6.1", PASS, 0, "T", "offered", STRAY_NONE),
	ROW("R18f-dirty", "v6.1", FAIL, LOSS, "T", "offered", STRAY_STORES),
	ROW("R18f-dirty-faults", "v6.1", PASS, 0, "D", "offered", STRAY_FAULTS),
	ROW("R18f-none", "v4.2", FAIL, O6_COUNT, "T", "cleared", STRAY_FAULTS),
	ROW("R18f-none-sound", "v4.2", PASS, 0, "T", "cleared", STRAY_NONE),
	ROW("R18f-mask", "v4.14", PASS, 0, "T", "cleared", STRAY_FAULTS),
	ROW("R18f-mask-6.1", "v6.1", PASS, 0, "T", "cleared", STRAY_FAULTS),
};

static const struct race_fix fixes[] = {
	{ "v4.14", { "none-mask" } },
	{ "v6.1", { "none-mask" } },
	{ NULL, { NULL } }
};

extern const struct race race_stray;
const struct race race_stray = {
	.name = "stray-bits",
	.id = "R18",
	.summary = "a processor sets A and D in an entry that was cleared while it looked (Knights Landing)",
	.story =
"A store through a translation with D clear looks at the entry in memory, and sets\n"
"D if the page may be written. Xeon Phi x200 looks and sets in two steps: an entry\n"
"that is cleared in between has A and D, and nothing else. The store faults, so what\n"
"reclaim relies on holds, that a clean page needs no flush before it is dropped;\n"
"should the store go on, it would not. But the fault finds an entry that is not\n"
"zero and means nothing. Since 4.8 one with these bits alone counts as none.",
	.bounds = "2 CPUs, one page, one reclaim of it after MADV_FREE or one "
		  "MADV_DONTNEED, one store; stray bits or none, fills, evictions, "
		  "interrupt and store delays unbounded (of R18's races this is R18f)",
	.rows = rows,
	.nr_rows = ARRAY_LEN(rows),
	.fixes = fixes,
	.nr_cpus = 2,
	.stage = stage,
	.paging = { .levels = 2, .bits = 1 },
	.frames_per_node = 8,
};
