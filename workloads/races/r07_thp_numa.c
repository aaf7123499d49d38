/* R07: THP NUMA migration against the scanner's deferred flush, and its
 * relatives. Four CPUs on two nodes, one address space of four pages (two-level
 * tables of two entries, so a huge page is two 4K pages), one word of contents
 * per page. Here is only who is on stage; what they do is mm's. */
#include <errno.h>
#include <string.h>

#include "mm/flush.h"
#include "mm/mm.h"
#include "mm/oracle.h"
#include "workloads/race.h"

/* CPUs 0 and 1 are on node 0, CPUs 2 and 3 on node 1. */
enum { SCANNER = 0, WRITER = 1, TOUCHER = 2, FOURTH = 3 };

#define H 2             /* first page of the huge page at stake       */

static void scan(struct task *t)
{
	task_numa_work();
}

static void scan_twice(struct task *t)
{
	task_numa_work();
	task_numa_work();
}

static void store_both(struct task *t)
{
	u64 v = 11;

	cpu_access(H, 0, true, &v);
	v = 12;
	cpu_access(H + 1, 0, true, &v);
}

/* Both pages, then the first again; who stored shows in the values. */
static void store_thrice(struct task *t)
{
	for (u32 i = 0; i < 3; i++) {
		u64 v = 10 * t->cpu + i + 1;

		cpu_access(H + (i & 1), 0, true, &v);
	}
}

static void device(struct task *t)
{
	gup_fast_dma(current()->mm, H, 0, 21);
}

static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *sys)
{
	const u32 rw = VM_READ | VM_WRITE | VM_MIGRATABLE;
	const bool is_4k = !strncmp(row->stage, "4k", 2);
	const bool is_large = !strncmp(row->stage, "large", 5);
	struct mm *mm = mm_create();
	u64 first = row->changers > 1 ? 0 : H;
	int rc;

	if (!mm)
		return -ENOMEM;
	/* Two scanners: the first one's piece is the pages before H. */
	if (!vma_add(mm, first, 4 - first, rw | (is_4k ? 0 : VM_HUGE)))
		return -ENOMEM;
	rc = race_task(WRITER, "C writer", mm, is_large ? store_thrice :
		       strcmp(row->stage, "thp") ? race_store : store_both, H);
	for (u64 v = first; v < 4 && !rc; v++)
		if (v >= H || !(v & 1))
			rc = race_touch(WRITER, v, v >= H ? 1 : 0);
	if (rc)
		return rc;
	if (!strcmp(row->stage, "clear") || !strcmp(row->stage, "gup") ||
	    !strcmp(row->stage, "movers")) {
		/* The scan is over, flush and all. */
		this_cpu = &sys->cpu[WRITER];
		change_protection(mm->first, H, 4, mm->first->flags, CP_NUMA);
	} else {
		rc = race_task(SCANNER, "A scanner", mm,
			       is_large || !strcmp(row->stage, "4k-rescan")
			       ? scan_twice : scan, 0);
	}
	if (!rc && !strcmp(row->stage, "4k-compaction")) {
		rc = race_task(TOUCHER, "B compaction", mm, race_compact,
			       race_pfn(mm, H));
	} else if (!rc && is_large) {
		rc = race_task(TOUCHER, "B writer", mm, store_thrice, 0);
	} else if (!rc) {
		rc = race_task(TOUCHER, "B hint fault", mm, race_load, H);
	}
	if (!rc && !strcmp(row->stage, "movers"))
		rc = race_task(FOURTH, "B2 hint fault", mm, race_load, H);
	else if (!rc && !strcmp(row->stage, "large-reader"))
		rc = race_task(FOURTH, "D hint fault", mm, race_load, H);
	else if (!rc && row->changers > 1)
		rc = race_task(FOURTH, "A2 scanner", mm, scan, 0);
	else if (!rc && !strncmp(row->stage, "gup", 3))
		rc = race_task(FOURTH, "D device", mm, device, 0);
	return rc;
}

#define O12 (O1_LOST_STORE | O2_WRITE_AFTER_FREE)
#define THP(i, k, m, n, e, o, tag_) \
	{ .id = i, .kernel = k, .memory = m, .changers = n, .expected = e, \
	  .expected_oracles = o, .tag = tag_, .stage = "thp" }
#define ROW(i, k, m, n, e, o, tag_, stage_) \
	{ .id = i, .kernel = k, .memory = m, .changers = n, .expected = e, \
	  .expected_oracles = o, .tag = tag_, .stage = stage_ }
#define PASS VERDICT_PASS
#define FAIL VERDICT_FAIL

static const struct race_row rows[] = {
	THP("V0", "v3.12", MEM_TSO, 1, FAIL, O1_LOST_STORE, "seed"),
	THP("V0-early", "v3.8", MEM_TSO, 1, FAIL, O12, "S"),
	{ .id = "V0-early-O2", .kernel = "v3.8", .memory = MEM_TSO,
	  .changers = 1, .expected = VERDICT_FAIL,
	  .expected_oracles = O2_WRITE_AFTER_FREE,
	  .watch = O2_WRITE_AFTER_FREE, .tag = "D", .stage = "thp" },
	{ .id = "V0-O2", .kernel = "v3.12", .memory = MEM_TSO, .changers = 1,
	  .expected = VERDICT_PASS, .watch = O2_WRITE_AFTER_FREE, .tag = "D",
	  .stage = "thp" },
	THP("V1", "v3.12+too-late", MEM_TSO, 1, FAIL, O1_LOST_STORE, "seed"),
	THP("V2", "v3.12+numa_tlb_lazy", MEM_TSO, 1, PASS, 0, "D"),
	THP("V2-2", "v3.12+numa_tlb_lazy", MEM_TSO, 2, FAIL, O1_LOST_STORE, "D"),
	THP("V2'", "v3.12+numa_tlb_lazy-v2", MEM_TSO, 1, PASS, 0, "seed"),
	THP("V2'-2", "v3.12+numa_tlb_lazy-v2", MEM_TSO, 2, FAIL, O1_LOST_STORE, "D"),
	THP("V3", "v3.13-rc+pending", MEM_TSO, 1, PASS, 0, "S"),
	THP("V3-2", "v3.13-rc+pending", MEM_TSO, 2, FAIL, O1_LOST_STORE, "S"),
	THP("V3-weak", "v3.13-rc+pending", MEM_WEAK, 1, PASS, 0, "D"),
	THP("V3-weak-noptl", "v3.13-rc+pending-noptl", MEM_WEAK, 1, FAIL, O1_LOST_STORE, "D"),
	THP("V3-tso-noptl", "v3.13-rc+pending-noptl", MEM_TSO, 1, PASS, 0, "D"),
	THP("V4", "v3.13-rc+barrier", MEM_TSO, 1, PASS, 0, "S"),
	THP("V4-2", "v3.13-rc+barrier", MEM_TSO, 2, FAIL, O1_LOST_STORE, "S"),
	THP("V4-weak-noptl", "v3.13-rc+barrier-noptl", MEM_WEAK, 1, PASS, 0, "D"),
	THP("V5", "v3.13", MEM_TSO, 1, PASS, 0, "S"),
	THP("V5-2", "v3.13", MEM_TSO, 2, FAIL, O1_LOST_STORE, "S"),
	THP("V5-posted", "v3.13-posted", MEM_TSO, 1, PASS, 0, "S"),
	THP("V5-weak", "v3.13-nomb", MEM_WEAK, 1, PASS, 0, "D"),
	THP("V5-weak-noptl", "v3.13-nomb-noptl", MEM_WEAK, 1, FAIL, O1_LOST_STORE, "D"),
	THP("V6", "v4.13", MEM_TSO, 1, PASS, 0, "S"),
	THP("V6-2", "v4.13", MEM_TSO, 2, PASS, 0, "S"),
	THP("V7", "v4.14", MEM_TSO, 1, PASS, 0, "S"),
	THP("V7-2", "v4.14", MEM_TSO, 2, PASS, 0, "S"),
	THP("V7-weak", "v4.14", MEM_WEAK, 1, PASS, 0, "S"),
	THP("V7-weak-noptl", "v4.14-noptl", MEM_WEAK, 1, FAIL, O1_LOST_STORE, "D"),
	THP("V8", "v5.14", MEM_TSO, 1, PASS, 0, "S"),
	THP("V8-2", "v5.14", MEM_TSO, 2, PASS, 0, "S"),
	THP("V8-gen", "v6.1", MEM_TSO, 1, PASS, 0, "T"),
	ROW("movers-V5", "v3.13", MEM_TSO, 1, PASS, 0, "D", "movers"),
	ROW("movers-V8", "v6.1", MEM_TSO, 1, PASS, 0, "D", "movers"),
	ROW("R07c", "v3.12", MEM_TSO, 1, FAIL, O12, "S", "4k-compaction"),
	ROW("R07c-V2", "v3.12+numa_tlb_lazy", MEM_TSO, 1, FAIL, O12, "S", "4k-compaction"),
	ROW("R07c-V3", "v3.13-rc+pending", MEM_TSO, 1, PASS, 0, "S", "4k-compaction"),
	ROW("R07c-V7", "v4.14", MEM_TSO, 1, PASS, 0, "S", "4k-compaction"),
	ROW("R07c-6.1", "v6.1", MEM_TSO, 1, PASS, 0, "T", "4k-compaction"),
	ROW("4K", "v3.12", MEM_TSO, 1, PASS, 0, "seed", "4k-fault"),
	ROW("4K-2", "v3.12", MEM_TSO, 2, PASS, 0, "D", "4k-fault"),
	{ .id = "4K-rescan", .kernel = "v3.12", .memory = MEM_TSO,
	  .changers = 1, .expected = VERDICT_FAIL, .expected_oracles = O12,
	  .watch = O12, .tag = "D", .stage = "4k-rescan" },
	ROW("4K-rescan-V3", "v3.13-rc+pending", MEM_TSO, 1, PASS, 0, "D", "4k-rescan"),
	ROW("4K-6.1", "v6.1", MEM_TSO, 1, PASS, 0, "T", "4k-fault"),
	{ .id = "R07e", .kernel = "v3.12-rc5", .memory = MEM_TSO,
	  .changers = 1, .expected = VERDICT_FAIL, .expected_oracles = O12,
	  .watch = O12, .tag = "S", .stage = "clear" },
	ROW("R07e-fix", "v3.12", MEM_TSO, 1, PASS, 0, "S", "clear"),
	ROW("R07f", "v3.12-gup", MEM_TSO, 1, FAIL, O16_PIN | O12, "S", "gup"),
	{ .id = "R07f-O16", .kernel = "v3.12-gup", .memory = MEM_TSO,
	  .changers = 1, .expected = VERDICT_FAIL,
	  .expected_oracles = O16_PIN, .watch = O16_PIN, .tag = "S",
	  .stage = "gup" },
	ROW("R07f-fix", "v3.13", MEM_TSO, 1, PASS, 0, "S", "gup"),
	ROW("R07f-V4", "v3.13-rc+barrier", MEM_TSO, 1, PASS, 0, "D", "gup-scan"),
	ROW("R07f-V5", "v3.13", MEM_TSO, 1, FAIL, O12 | O16_PIN, "D", "gup-scan"),
	ROW("R07f-V7", "v4.14", MEM_TSO, 1, PASS, 0, "D", "gup-scan"),
	ROW("R07f-V8", "v5.14", MEM_TSO, 1, PASS, 0, "D", "gup"),
};

static const struct race_fix fixes[] = {
	{ "v3.12", { "page-lock", "install-flush", "pte-present-first",
		     "clear-flush", "recheck-pmd" } },
	{ "v3.12+numa_tlb_lazy", { "announce", "check", "check-in-time",
				   "protect-flush" } },
	{ "v3.12+numa_tlb_lazy-v2", { "announce", "check", "check-in-time",
				      "protect-flush" } },
	{ "v3.13-rc+pending", { "announce", "check", "check-in-time",
				"pte-accessible", "clear-flush",
				"protect-flush" } },
	{ "v3.13-rc+barrier-noptl", { "barrier", "recheck-pmd" } },
	{ "v3.13-rc+barrier", { "check-locked", "gup-numa", "isolate-count", "recheck-count",
				"recheck-count-after" } },
	{ "v3.13", { "announce", "check", "check-in-time", "gup-numa",
		     "page-lock", "isolate-exclusive", "recheck-after-lock" } },
	{ "v4.13", { "count", "announce", "check" } },
	{ "v4.14", { "count", "announce", "check", "check-in-time",
		     "pte-accessible", "isolate-count", "gup-numa",
		     "install-flush", "announce-first", "retract-last",
		     "check-locked" } },
	{ "v5.14", { "pmd-invalidate-flush", "migrate-count" } },
	{ "v6.1", { "announce", "pte-accessible", "pmd-invalidate-flush",
		    "clear-flush", "protect-flush", "announce-first",
		    "retract-last" } },
	{ NULL, { NULL } }
};

/* Without both R07f-V4 passes, too. */
#define FLUSHED_FIRST \
	"no reference can be taken while the PMD is NUMA and flushed, as it is " \
	"before isolation counts the older ones"

static const struct race_harmless harmless[] = {
	{ "v3.12", "recheck-pmd",
	  "page lock and mmap_lock exclude all who change this PMD here; what "
	  "they do not exclude, MADV_DONTNEED, is not on stage" },
	{ "v3.13-rc+barrier", "recheck-count", FLUSHED_FIRST },
	{ "v3.13-rc+barrier", "recheck-count-after", FLUSHED_FIRST },
	{ "v3.13", "isolate-exclusive",
	  "the page lock lets one mover in at a time, and the next one sees "
	  "that the entry has changed" },
	{ "v3.13", "recheck-after-lock",
	  "a page that was moved is on no LRU, so isolating it fails" },
	{ "v4.14", "install-flush",
	  "the entry has been non-present since before the check's flush, so "
	  "no TLB holds it" },
	{ NULL, NULL, NULL }
};

static const char story[] =
"The NUMA scanner makes huge pages inaccessible so that the next access tells\n"
"which node wants them. It flushes TLBs late, after the page-table lock: a CPU\n"
"that still has the old entry simply goes on, as if it had come earlier. That\n"
"holds as long as the page stays where it is. A hint fault on another node\n"
"copies the page to its own node meanwhile, and what the first CPU writes\n"
"through its old entry after the copy is gone. Reported in December 2013 as\n"
"crashes of two SPECjbb2005 under extreme scanning on four nodes; fixed in\n"
"3.13 by announcing the pending flush (tlb_flush_pending), for several changers\n"
"at a time in 4.13 by counting, and for good by migration entries in 5.14.";

extern const struct race race_thp_numa;
const struct race race_thp_numa = {
	.name = "thp-numa-migration",
	.id = "R07",
	.summary = "THP NUMA migration loses writes while the scanner's flush is deferred",
	.bounds = "4 CPUs on 2 nodes, one address space of 4 pages. Tasks: one "
		  "scanner per changer with 1 scan (4k-rescan: 2; clear, gup, "
		  "movers: none, the scan is over), one hint fault by a load (4k-"
		  "compaction: one compaction instead), one writer with 1 store "
		  "(thp: 2), gup*: one device store, movers: a second hint fault. 16 frames of 1 word, 2-level "
		  "tables of 2 entries; fills, evictions, interrupt and store "
		  "delays unbounded",
	.story = story,
	.rows = rows,
	.nr_rows = ARRAY_LEN(rows),
	.fixes = fixes,
	.harmless = harmless,
	.nr_cpus = 4,
	.stage = stage,
	.paging = { .levels = 2, .bits = 1 },
	.frames_per_node = 8,
};

/* In no list, but race_find() knows it: what is too large for every day. */
#define LARGE(i, m, stage_) ROW(i, "v3.13-rc+pending", m, 1, PASS, 0, "D", stage_)
static const struct race_row large_rows[] = {
	LARGE("large", MEM_SC, "large"),
	LARGE("large-tso", MEM_TSO, "large"),
	LARGE("large-reader", MEM_SC, "large-reader"),
};

extern const struct race race_thp_numa_large;
const struct race race_thp_numa_large = {
	.name = "thp-numa-large",
	.id = "R07-large",
	.summary = "the first fix of R07 with two writers, three stores each, two scans",
	.bounds = "as R07's, but: one scanner with 2 scans and two writers, one on "
		  "each node, with 3 stores each to both pages; so the hint fault is "
		  "a store's. large-reader: and a load's, of a fourth task on the "
		  "second node",
	.story = story,
	.rows = large_rows,
	.nr_rows = ARRAY_LEN(large_rows),
	.nr_cpus = 4,
	.stage = stage,
	.paging = { .levels = 2, .bits = 1 },
	.frames_per_node = 8,
};
