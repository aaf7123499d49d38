/* R14: pages and page tables are unhooked, flushed, freed, in this order; who
 * may still find them: TLBs, paging-structure caches of CPUs that idle, and
 * software that walks without locks. */
#include <errno.h>
#include <string.h>

#include "mm/oracle.h"
#include "workloads/race.h"

enum { UNMAPPER = 0, OTHER = 1 };

#define PAGE 2          /* under the second page table                */

static struct mm *mm(void)
{
	return mms()->first_mm;
}

static void unmap(struct task *t)
{
	do_munmap(mm(), PAGE, 1);
}

static void discard_two(struct task *t)
{
	do_madvise(mm(), PAGE, 2, MADV_DONTNEED);
}

static void idle(struct task *t)
{
	enter_lazy_tlb();
}

static void leave(struct task *t)
{
	switch_mm(mm()->next_mm);
}

static void pin(struct task *t)
{
	gup_fast_only(mm(), PAGE);
}

/* A device that has the address space bound: what it may walk is what counts. */
static void device(struct task *t)
{
}

static const struct {
	const char *stage;
	void (*unmap)(struct task *t);
	void (*use)(struct task *t);
	const char *user;
	u64 arg;
	u32 room;               /* of the gather, 0: for all                  */
} how[] = {
	{ "run", unmap, race_store, "C writer", PAGE, 0 },
	{ "idle", unmap, idle, "C idles", 0, 0 },
	{ "leave", unmap, leave, "C leaves", 0, 0 },
	{ "gup", unmap, pin, "S GUP-fast", 0, 0 },
	{ "device", unmap, device, "C device", 0, 0 },
	{ "full", discard_two, race_store, "C writer", PAGE + 1, 2 },
};

static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *sys)
{
	u32 i = 0;
	struct mm *m;
	int rc;

	while (strcmp(how[i].stage, row->stage))
		i++;
	m = race_space(PAGE, how[i].room ? 2 : 1, VM_READ | VM_WRITE);
	if (!m || !mm_create())
		return -ENOMEM;
	rc = race_task(OTHER, how[i].user, m, how[i].use, how[i].arg);
	for (u64 v = 0; !rc && v < m->first->end - PAGE; v++)
		rc = race_touch(OTHER, PAGE + v, 1 + v);
	if (!rc && how[i].use == device)
		device_bind(m, OTHER);
	if (!rc)
		rc = race_task(UNMAPPER, "A unmaps", m, how[i].unmap, 0);
	if (how[i].room)
		mms()->gather[UNMAPPER].capacity = how[i].room;
	/* Whoever idles there came from elsewhere. */
	if (!strcmp(row->stage, "idle"))
		m->nr_threads = 1;
	return rc;
}

#define FAIL(i, k, o, tag_, stage_) \
	RACE_ROW(i, k, VERDICT_FAIL, o, tag_, stage_)
#define PASS(i, k, tag_, stage_) \
	RACE_ROW(i, k, VERDICT_PASS, 0, tag_, stage_)
#define BY(f, i, k, e, o, tag_) \
	{ .id = i, .kernel = k, .flush = f, .memory = MEM_TSO, \
	  .changers = 1, .expected = e, .expected_oracles = o, .tag = tag_, \
	  .stage = "gup" }

static const struct race_row rows[] = {
	FAIL("R14a", "v4.18+rcu-tables", O8_PTPAGE, "S", "run"),
	PASS("R14a-fix", "v4.19+invalidate", "S", "run"),
	FAIL("R14a-alone", "v4.18+alone", O8_PTPAGE, "S", "idle"),
	PASS("R14a-alone-fix", "v4.19+invalidate", "S", "idle"),
	PASS("R14a-6.1", "v6.1", "T", "run"),
	PASS("R14b-ipi", "v5.14", "T", "gup"),
	BY("tlbi", "R14b", "v5.14", VERDICT_FAIL, O8_PTPAGE, "S"),
	BY("tlbi", "R14b-rcu", "v5.14+rcu-tables", VERDICT_PASS, 0, "S"),
	BY("tlbi", "R14b-sync", "v5.14+sync-tables", VERDICT_PASS, 0, "S"),
	BY("kvm-pv", "R14b-kvm", "v5.14", VERDICT_FAIL, O8_PTPAGE, "D"),
	BY("kvm-pv", "R14b-kvm-rcu", "v5.14+rcu-tables", VERDICT_PASS, 0, "S"),
	BY("hyperv", "R14b-hyperv", "v5.14", VERDICT_FAIL, O8_PTPAGE, "D"),
	BY("hyperv", "R14b-hyperv-rcu", "v5.14+rcu-tables", VERDICT_PASS, 0,
	   "S"),
	BY("rar", "R14b-rar", "v5.14", VERDICT_FAIL, O8_PTPAGE, "D"),
	BY("rar", "R14b-rar-rcu", "v5.14+rcu-tables", VERDICT_PASS, 0, "D"),
	PASS("R14b-6.1", "v6.1", "T", "gup"),
	PASS("R14d-4.14", "v4.14", "S", "idle"),
	FAIL("R14d", "v4.19+lazy", O8_PTPAGE, "S", "idle"),
	PASS("R14d-fix", "v4.20", "S", "idle"),
	PASS("R14d-6.1", "v6.1", "T", "idle"),
	PASS("R14d-leave-6.13", "v6.13+lazy-mask", "D", "leave"),
	FAIL("R14d-leave-6.1", "v6.1", O8_PTPAGE, "D", "leave"),
	FAIL("R18i", "v6.18", O8_PTPAGE, "S", "device"),
	PASS("R18i-fix", "v6.19+sva", "S", "device"),
	FAIL("R14e1", "v3.10", O2_WRITE_AFTER_FREE, "S", "full"),
	PASS("R14e1-fix", "v3.12", "S", "full"),
	PASS("R14e1-6.1", "v6.1", "T", "full"),
};

static const struct race_fix fixes[] = {
	{ "v3.12", { "flush-before-free" } },
	{ "v4.19+invalidate", { "table-flush" } },
	{ "v4.20", { "freed-tables", "flush-before-free" } },
	{ "v5.14+rcu-tables", { "table-rcu" } },
	{ "v6.1", { "freed-tables", "flush-before-free" } },
	{ "v6.19+sva", { "iommu-told" } },
	{ NULL, { NULL } }
};

extern const struct race race_free;
const struct race race_free = {
	.name = "free-tables",
	.id = "R14",
	.summary = "pages and page tables are freed while somebody may still walk them",
	.story =
"Unhook, flush, free. A processor may keep upper entries, and walk from there\n"
"what used to be a page table, for no program at all: so CPUs that idle with an\n"
"address space loaded must be told when tables go, though not when pages do\n"
"(4.20). A flush by interrupts also waits for those who walk with interrupts off\n"
"and without locks; a flush by broadcast does not, and needs RCU or an interrupt\n"
"of its own. An IOMMU takes no interrupts, and is told of pages of programs; of the\n"
"kernel's own tables it is not, though it may walk them (R18i; the address space on\n"
"stage stands for the kernel's half).",
	.bounds = "2 CPUs and two address spaces, one munmap of the only page of "
		  "a page table (full: MADV_DONTNEED of two pages, a gather with "
		  "room for two), one store, GUP-fast, idling, leaving or a device; fills, "
		  "evictions, interrupt and store delays unbounded",
	.rows = rows,
	.nr_rows = ARRAY_LEN(rows),
	.fixes = fixes,
	.nr_cpus = 2,
	.stage = stage,
	.paging = { .levels = 2, .bits = 1 },
	.frames_per_node = 12,
	.has_switches = true,
};
