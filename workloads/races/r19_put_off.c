/* R19: flush strategies that put a flush off. Frames and addresses that others
 * may still reach must have no new owner, and what a call promises must be true
 * when it returns. */
#include <errno.h>
#include <string.h>

#include "cpu/direct.h"
#include "mm/file.h"
#include "mm/oracle.h"
#include "mm/reclaim.h"
#include "mm/swap.h"
#include "workloads/kernel_page.h"
#include "workloads/race.h"

enum { CHANGER = 0, USER = 1, MOVER = 2 };

#define PAGE 2          /* under the second page table, with the next one     */

static void store(u64 vpn, u64 v)
{
	cpu_access(vpn, 0, true, &v);
}

static void load(u64 vpn)
{
	u64 v;

	cpu_access(vpn, 0, false, &v);
}

/* ---- the one who takes pages away ------------------------------------------------ */

/* A frame that came free is the next page's. */
static void munmap_and_touch(struct task *t)
{
	do_munmap(current()->mm, PAGE, 1);
	timer_tick();
	store(PAGE + 1, RACE_STORED);
}

/* Another page's flush comes before. */
static void munmap_two(struct task *t)
{
	do_madvise(current()->mm, PAGE + 1, 1, MADV_DONTNEED);
	do_munmap(current()->mm, PAGE, 1);
	store(PAGE + 1, RACE_STORED);
}

static void store_both(struct task *t)
{
	store(PAGE + 1, 21);
	store(PAGE, 22);
}

/* Elsewhere in the address space: a table is wanted first, and has that frame. */
static void munmap_and_touch_far(struct task *t)
{
	do_munmap(current()->mm, PAGE, 1);
	store(0, RACE_STORED);
}

static void only_munmap(struct task *t)
{
	do_munmap(current()->mm, PAGE, 1);
}

/* A file's, whose frame is the page cache's until it is reclaimed. */
static void munmap_drop_and_touch(struct task *t)
{
	do_munmap(current()->mm, PAGE, 1);
	race_reclaim(t);
	store(PAGE + 1, RACE_STORED);
}

static void munmap_and_map(struct task *t)
{
	do_mmap_fixed(current()->mm, PAGE, 1, VM_READ | VM_WRITE);
}

static void protect(struct task *t)
{
	do_mprotect(current()->mm, PAGE, 1, VM_READ);
}

static void discard(struct task *t)
{
	do_madvise(current()->mm, PAGE, 1, MADV_DONTNEED);
}

/* The address is used again, by the one who discarded. */
static void discard_and_store(struct task *t)
{
	discard(t);
	store(PAGE, RACE_STORED);
}

/* A device stores through a reference for which the page was copied. */
static void pin_and_load(struct task *t)
{
	gup_fast_dma(current()->mm, PAGE, 0, RACE_STORED);
	load(PAGE);
}

/* A call about another page in between, or one told in memory which page. */
static void store_call_store(struct task *t)
{
	store(PAGE, 21);
	do_madvise(current()->mm, PAGE + 1, 1, MADV_DONTNEED);
	store(PAGE, 22);
}

static void store_and_tell(struct task *t)
{
	store(PAGE, PAGE + 1);
	do_process_madvise(current()->mm, PAGE, MADV_DONTNEED);
}

/* The NUMA scanner's; its flush may wait for who moves a page, or takes rights. */
static void scan(struct task *t)
{
	task_numa_work();
}

static void scan_and_protect(struct task *t)
{
	task_numa_work();
	protect(t);
}

/* Another program's. */
static void store_there(struct task *t)
{
	store(PAGE, RACE_STORED + 1);
	load(PAGE);
}

/* Read-only pages: a frame that came free is the next page's; the right to write
 * comes back. */
static void touch_next(struct task *t)
{
	store(PAGE + 1, RACE_STORED);
}

static void unprotect_and_store(struct task *t)
{
	do_mprotect(current()->mm, PAGE, 1, VM_READ | VM_WRITE);
	store(PAGE, RACE_STORED);
}

static void move(struct task *t)
{
	const u64 pfn = current()->arg;

	migrate_pages(&pfn, 1, 1);
}

/* Swap-out: what was unmapped is written once all have dropped it, and its frame is
 * the next page's. */
static void reclaim_and_touch(struct task *t)
{
	const u64 pfn = current()->arg;

	reclaim_frames(&pfn, 1);
	pageout_ready(false);
	store(PAGE + 1, RACE_STORED);
}

/* The page is wanted back: by a load first, then by a store. */
static void reclaim_and_use(struct task *t)
{
	const u64 pfn = current()->arg;

	reclaim_frames(&pfn, 1);
	load(PAGE);
	store(PAGE, RACE_STORED);
}

static void reclaim_and_protect(struct task *t)
{
	const u64 pfn = current()->arg;

	reclaim_frames(&pfn, 1);
	protect(t);
}

static void munmap_once(struct task *t)
{
	do_munmap(current()->mm, PAGE, 1);
}

/* A page of the kernel's; the frame that comes free is the next page's. */
static struct kernel_page *given_page(void)
{
	return (struct kernel_page *)current()->arg;
}

static void renew(struct task *t)
{
	kernel_page_renew(given_page(), PAGE + 1);
}

static void renew_and_purge(struct task *t)
{
	renew(t);
	vm_unmap_aliases();
}

/* ---- the one who uses them ----------------------------------------------------------- */

static void store_tick_store(struct task *t)
{
	store(PAGE, 21);
	timer_tick();
	store(PAGE, 22);
}

/* What it reads is not older than what it stored. */
static void store_load(struct task *t)
{
	store(PAGE, 21);
	store(PAGE, 22);
	load(PAGE);
}

static void store_ticks_store(struct task *t)
{
	store(PAGE, 21);
	timer_tick();
	timer_tick();
	store(PAGE, 22);
}

static void store_leave_store(struct task *t)
{
	struct mm *mm = current()->mm;

	store(PAGE, 21);
	enter_lazy_tlb();
	switch_mm(mm);
	store(PAGE, 22);
}

static void load_once(struct task *t)
{
	load(PAGE);
}

/* It keeps to what it still has. */
static void store_next(struct task *t)
{
	store(PAGE + 1, 21);
	load(PAGE + 1);
}

static void load_tick_load(struct task *t)
{
	load(PAGE);
	timer_tick();
	load(PAGE);
}

static void use_kernels(struct task *t)
{
	kernel_page_use(given_page());
}

static void use_lazily(struct task *t)
{
	enter_lazy_tlb();
	use_kernels(t);
	use_kernels(t);
}

enum {
	READ_ONLY = 1, MOVED = 2,
	A_FILE = 4,             /* mapped to be read                          */
	DROPPED = 8,            /* reclaimed, instead of moved                */
	ANOTHERS = 16,          /* the changer has mapped the file himself    */
	SHARED = 32,            /* another program has the page, too          */
	GIVES_UP = 64,          /* and unmaps it, and has its frame for the next
				 * one if it may                              */
	SWAPPED = 128,          /* the changer reclaims it                    */
	SCANNED = 256,          /* it may be marked for hints                 */
	FAULTED = 512,          /* a CPU of another node faults on it         */
	ASIDE = 1024,           /* there is another program                   */
};

static const struct {
	const char *stage;
	void (*change)(struct task *t);
	void (*use)(struct task *t);
	const char *changer, *user;
	u32 flags;
} how[] = {
	{ "file-move", touch_next, load_tick_load, "A store to the next page",
	  "B load, tick, load", MOVED | A_FILE },
	{ "file-move-write", unprotect_and_store, load_once,
	  "A mprotect, store", "B load", MOVED | A_FILE | ANOTHERS },
	{ "file-drop", touch_next, load_once, "A store to the next page",
	  "B load", A_FILE | DROPPED },
	{ "file-drop-munmap", munmap_once, load_once, "A munmap",
	  "B load", A_FILE | DROPPED },
	{ "file-both", only_munmap, load_once, "A munmap", "B load",
	  A_FILE | SHARED | GIVES_UP },
	{ "move", touch_next, load_tick_load, "A store to the next page",
	  "B load, tick, load", READ_ONLY | MOVED },
	{ "move-write", unprotect_and_store, load_once,
	  "A mprotect, store", "B load", READ_ONLY | MOVED },
	{ "move-stored", NULL, store_tick_store, NULL, "B store, tick, store",
	  MOVED },
	{ "swap", reclaim_and_touch, store_ticks_store,
	  "A reclaim, store to the next page", "B store, two ticks, store",
	  SWAPPED },
	{ "swap-leave", reclaim_and_touch, store_leave_store,
	  "A reclaim, store to the next page", "B store, idle, store", SWAPPED },
	{ "swap-use", reclaim_and_use, store_load,
	  "A reclaim, load, store", "B store, store, load", SWAPPED },
	{ "swap-mprotect", reclaim_and_protect, store_tick_store,
	  "A reclaim, mprotect", "B store, tick, store", SWAPPED },
	{ "munmap-ro", munmap_and_touch, load_tick_load,
	  "A munmap, tick, store", "B load, tick, load", READ_ONLY },
	{ "mmap-ro", munmap_and_map, load_tick_load, "A mmap over it",
	  "B load, tick, load", READ_ONLY },
	{ "unprotect", unprotect_and_store, store_tick_store,
	  "A mprotect, store", "B store, tick, store", READ_ONLY },
	{ "munmap", munmap_and_touch, store_tick_store,
	  "A munmap, tick, store", "B store, tick, store", 0 },
	{ "munmap-next", munmap_and_touch, store_next,
	  "A munmap, tick, store", "B store to the next page", 0 },
	{ "munmap-two", munmap_two, store_both,
	  "A MADV_DONTNEED, munmap, store", "B store to both", 0 },
	{ "munmap-far", munmap_and_touch_far, store_tick_store,
	  "A munmap, store far away", "B store, tick, store", 0 },
	{ "munmap-others", only_munmap, store_tick_store, "A munmap",
	  "B store, tick, store", 0 },
	{ "munmap-shared", only_munmap, load_once, "A munmap", "B load",
	  SHARED },
	{ "munmap-both", only_munmap, load_once, "A munmap", "B load",
	  SHARED | GIVES_UP },
	{ "munmap-leave", munmap_and_touch, store_leave_store,
	  "A munmap, tick, store", "B store, idle, store", 0 },
	{ "mmap", munmap_and_map, load_tick_load, "A mmap over it",
	  "B load, tick, load", 0 },
	{ "mprotect", protect, store_tick_store, "A mprotect",
	  "B store, tick, store", 0 },
	{ "vfree", renew, use_kernels, "A vfree, vmalloc", "B uses it",
	  0 },
	{ "vfree-lazy", renew_and_purge, use_lazily,
	  "A vfree, vmalloc, purge", "B idles, uses it", 0 },
	{ "dontneed", discard, load_tick_load, "A MADV_DONTNEED",
	  "B load, tick, load", 0 },
	{ "dontneed-use", discard_and_store, load_tick_load,
	  "A MADV_DONTNEED, store", "B load, tick, load", 0 },
	{ "dontneed-others", discard, store_tick_store, "A MADV_DONTNEED",
	  "B store, tick, store", ASIDE },
	{ "mprotect-three", protect, store_tick_store, "A mprotect",
	  "B store, tick, store", FAULTED },
	{ "mprotect-call", protect, store_call_store, "A mprotect",
	  "B store, MADV_DONTNEED, store", 0 },
	{ "move-told", NULL, store_and_tell, NULL, "B store, process_madvise",
	  MOVED },
	{ "cow-pin", pin_and_load, load_once, "A device's store, load", "B load",
	  SHARED },
	{ "hint-move", scan, store_tick_store, "A scan",
	  "B store, tick, store", SCANNED | MOVED },
	{ "hint-fault", scan, store_tick_store, "A scan",
	  "B store, tick, store", SCANNED | FAULTED },
	{ "hint-mprotect", scan_and_protect, store_tick_store,
	  "A scan, mprotect", "B store, tick, store", SCANNED },
};

/* Its table is there, so that it wants one frame, for a page, of the node of the
 * others. */
static int add_other_program(void)
{
	struct mm *mm = race_space(PAGE, 2, VM_READ | VM_WRITE);
	int rc;

	if (!mm)
		return -ENOMEM;
	rc = race_task(MOVER, "C another program stores", mm, store_there, 0);
	if (!rc)
		rc = race_touch(MOVER, PAGE + 1, 1);
	return rc ? rc : set_mempolicy(MPOL_PREFERRED, 1);
}

/* PAGE is a file's, which @cpu has loaded; the next one is anonymous. */
static struct mm *file_space(void)
{
	struct mm *mm = race_space(PAGE + 1, 1, VM_READ | VM_WRITE);
	struct address_space *f = file_create(1, FILE_DISK);

	if (!mm || !f || swapon(0) ||
	    !vma_add_file(mm, PAGE, 1, VM_READ | VM_SHARED, f, 0))
		return NULL;
	f->readahead = 0;
	return mm;
}

static struct mm *another_space(void)
{
	struct mm *mm = mm_create();

	return mm && vma_add_file(mm, PAGE, 1, VM_READ | VM_SHARED,
				  mms()->first_file, 0) ? mm : NULL;
}

static int touch_file(u32 cpu)
{
	int rc;

	this_cpu = &the_sys->cpu[cpu];
	rc = handle_mm_fault(PAGE, false);
	direct_settle(the_sys);
	return rc;
}

/* A child of @mm's program. It writes to the page, or lets go of it. */
static int add_child(struct mm *mm, bool gives_up)
{
	struct mm *child = dup_mm(mm);

	if (!child)
		return -ENOMEM;
	return gives_up
		? race_task(MOVER, "C munmap, store to the next page", child,
			    munmap_and_touch, 0)
		: race_task(MOVER, "C another program stores", child,
			    store_there, 0);
}

static int add_reader(u64 pfn)
{
	struct mm *mm = another_space();
	int rc;

	if (!mm || !vma_add(mm, PAGE + 1, 1, VM_READ | VM_WRITE))
		return -ENOMEM;
	rc = race_task(MOVER, "C munmap, reclaim, store to the next page", mm,
		       munmap_drop_and_touch, pfn);
	return rc ? rc : touch_file(MOVER);
}

/* Its frames are of the node of the others. */
static int add_sharer(struct mm *mm, u32 flags)
{
	int rc = flags & A_FILE ? add_reader(race_pfn(mm, PAGE))
				: add_child(mm, flags & GIVES_UP);

	this_cpu = &the_sys->cpu[MOVER];
	return rc ? rc : set_mempolicy(MPOL_PREFERRED, 1);
}

static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *sys)
{
	struct kernel_page *page = NULL;
	u64 first = PAGE;
	struct mm *mm, *changers;
	size_t i = 0;
	int rc;

	while (strcmp(how[i].stage, row->stage))
		i++;
	if (!strncmp(row->stage, "vfree", 5) && !(page = kernel_page_stage()))
		return -ENOMEM;
	if (how[i].change == munmap_and_touch_far)
		first = 0;
	mm = how[i].flags & A_FILE
		? file_space()
		: race_space(first, PAGE + 2 - first, VM_READ | VM_WRITE |
			     (how[i].flags & SCANNED ? VM_MIGRATABLE : 0));
	if (!mm)
		return -ENOMEM;
	rc = race_task(USER, how[i].user, mm, how[i].use, (uintptr_t)page);
	if (!rc)
		rc = how[i].flags & A_FILE ? touch_file(USER)
					   : race_touch(USER, PAGE, 1);
	if (!rc && (how[i].flags & READ_ONLY))
		rc = do_mprotect(mm, PAGE, 1, VM_READ);
	changers = how[i].flags & ANOTHERS ? another_space() : mm;
	if (!changers)
		return -ENOMEM;
	if (!rc && how[i].change)
		rc = race_task(CHANGER, how[i].changer, changers, how[i].change,
			       how[i].flags & SWAPPED ? race_pfn(mm, PAGE)
						      : (uintptr_t)page);
	if (!rc && (how[i].flags & SWAPPED))
		rc = swapon(2);
	if (!rc && (how[i].flags & SHARED))
		rc = add_sharer(mm, how[i].flags);
	else if (!rc && (how[i].change == only_munmap ||
			 (how[i].flags & ASIDE)))
		rc = add_other_program();
	if (!rc && (how[i].flags & FAULTED))
		rc = race_task(MOVER, "C load", mm, load_once, 0);
	if (!rc && (how[i].flags & DROPPED))
		rc = race_task(MOVER, "C reclaim", NULL, race_reclaim,
			       race_pfn(mm, PAGE));
	if (!rc && (how[i].flags & MOVED))
		rc = race_task(MOVER, "C migrate_pages", NULL, move,
			       race_pfn(mm, PAGE));
	return rc;
}

#define ROW(i, k, f, e, o, tag_, stage_) \
	{ .id = i, .kernel = k, .flush = f, .memory = MEM_TSO, \
	  .changers = 1, .expected = e, .expected_oracles = o, .watch = o, \
	  .tag = tag_, .stage = stage_ }
#define PASS(i, f, stage_) ROW(i, "v6.1", f, VERDICT_PASS, 0, "D", stage_)
#define FAIL(i, f, o, tag_, stage_) \
	ROW(i, "v6.1", f, VERDICT_FAIL, o, tag_, stage_)
#define WEAK(i, f, stage_) \
	{ .id = i, .kernel = "v6.1", .flush = f, .memory = MEM_WEAK, \
	  .changers = 1, .expected = VERDICT_PASS, .tag = "D", .stage = stage_ }

#define REUSED (O1_LOST_STORE | O2_WRITE_AFTER_FREE | O3_STALE_READ)

static const struct race_row rows[] = {
	PASS("now", "deferred", "munmap"),
	PASS("now-shared", "deferred", "munmap-shared"),
	/* Until 5.8 the one mapping that is left is enough to write in place. */
	ROW("now-shared-old", "v4.19", "deferred", VERDICT_FAIL, O15_COW_LEAK,
	    "D", "munmap-shared"),
	PASS("latr", "latr", "munmap"),
	PASS("latr-leave", "latr", "munmap-leave"),
	PASS("latr-shared", "latr", "munmap-shared"),
	PASS("latr-mmap", "latr", "mmap"),
	PASS("latr-mprotect", "latr", "mprotect"),
	PASS("latr-dontneed", "latr", "dontneed"),
	PASS("latr-hint-move", "latr", "hint-move"),
	PASS("latr-hint-fault", "latr", "hint-fault"),
	PASS("latr-hint-mprotect", "latr", "hint-mprotect"),
	WEAK("latr-weak", "latr", "munmap"),
	WEAK("latr-hint-weak", "latr", "hint-mprotect"),
	FAIL("latr-discard", "latr-discard", O3_STALE_READ, "D", "dontneed"),
	/* What the program itself sees aside: frames, and one page an address. */
	ROW("latr-discard-others", "v6.1", "latr-discard", VERDICT_PASS,
	    O2_WRITE_AFTER_FREE | O15_COW_LEAK, "D", "dontneed-others"),
	ROW("latr-discard-use", "v6.1", "latr-discard", VERDICT_PASS,
	    O1_LOST_STORE, "D", "dontneed-use"),
	FAIL("latr-early", "latr-early", REUSED, "S", "munmap"),
	FAIL("latr-early-mmap", "latr-early", REUSED, "S", "mmap"),
	FAIL("latr-early-mprotect", "latr-early", O4_PERM, "S", "mprotect"),
	PASS("ecotlb", "ecotlb", "munmap"),
	PASS("ecotlb-leave", "ecotlb", "munmap-leave"),
	PASS("ecotlb-mmap", "ecotlb", "mmap"),
	PASS("ecotlb-mprotect", "ecotlb", "mprotect"),
	PASS("ecotlb-dontneed", "ecotlb", "dontneed"),
	PASS("ecotlb-hint-move", "ecotlb", "hint-move"),
	PASS("swap", "deferred", "swap"),
	PASS("swap-use", "deferred", "swap-use"),
	ROW("pageout", "v6.1+pageout-batch", "deferred", VERDICT_PASS, 0, "D",
	    "swap"),
	ROW("pageout-use", "v6.1+pageout-batch", "deferred", VERDICT_PASS, 0,
	    "D", "swap-use"),
	PASS("ecotlb-swap", "ecotlb", "swap"),
	PASS("ecotlb-swap-leave", "ecotlb", "swap-leave"),
	PASS("ecotlb-swap-use", "ecotlb", "swap-use"),
	PASS("ecotlb-swap-mprotect", "ecotlb", "swap-mprotect"),
	PASS("vfree", "deferred", "vfree"),
	PASS("lazy-vmap", "lazy-vmap", "vfree"),
	PASS("lazy-vmap-0", "lazy-vmap:0", "vfree"),
	PASS("lazy-vmap-lazy", "lazy-vmap", "vfree-lazy"),
	FAIL("lazy-vmap-early", "lazy-vmap-early", REUSED | O15_COW_LEAK, "D",
	     "vfree"),
	PASS("vfree-tlbi", "tlbi", "vfree"),
	PASS("vfree-invlpgb", "invlpgb", "vfree"),
	PASS("lazy-vmap-invlpgb", "lazy-vmap:invlpgb", "vfree-lazy"),
	PASS("luf", "luf", "move"),
	WEAK("luf-weak", "luf", "move"),
	PASS("luf-write", "luf", "move-write"),
	PASS("luf-stored", "luf", "move-stored"),
	PASS("luf-file", "luf", "file-move"),
	PASS("luf-file-write", "luf", "file-move-write"),
	/* Under SC: TSO makes four million states of it. */
	{ .id = "luf-drop", .kernel = "v6.1", .flush = "luf", .memory = MEM_SC,
	  .changers = 1, .expected = VERDICT_PASS, .tag = "D",
	  .stage = "file-drop" },
	PASS("luf-drop-munmap", "luf", "file-drop-munmap"),
	PASS("xen", "xen-filter", "munmap-ro"),
	PASS("xen-mmap", "xen-filter", "mmap-ro"),
	PASS("xen-munmap", "xen-filter", "munmap"),
	PASS("xen-shared", "xen-filter", "munmap-shared"),
	PASS("fpr", "fpr", "munmap-next"),
	PASS("fpr-others", "fpr", "munmap-others"),
	WEAK("fpr-weak", "fpr", "munmap-others"),
	PASS("fpr-shared", "fpr", "munmap-shared"),
	PASS("fpr-both", "fpr", "munmap-both"),
	{ .id = "fpr-file", .kernel = "v6.1", .flush = "fpr", .memory = MEM_SC,
	  .changers = 1, .expected = VERDICT_PASS, .tag = "D",
	  .stage = "file-both" },
	PASS("fpr-table", "fpr", "munmap-far"),
	PASS("fpr-mmap", "fpr", "mmap"),
	PASS("fpr-mprotect", "fpr", "mprotect"),
	PASS("fpr-dontneed", "fpr", "dontneed"),
	FAIL("fpr-self", "fpr", REUSED, "D", "munmap"),
	PASS("relaxed", "relaxed", "unprotect"),
	PASS("relaxed-mprotect", "relaxed", "mprotect"),
	PASS("radixvm", "radixvm", "munmap"),
	PASS("radixvm-mprotect", "radixvm", "mprotect"),
	PASS("radixvm-stored", "radixvm", "move-stored"),
	PASS("radixvm-three", "radixvm", "mprotect-three"),
	PASS("numapte", "numapte", "munmap"),
	PASS("numapte-mprotect", "numapte", "mprotect"),
	PASS("numapte-three", "numapte", "mprotect-three"),
	PASS("abis", "abis", "munmap"),
	PASS("abis-mprotect", "abis", "mprotect"),
	PASS("abis-stored", "abis", "move-stored"),
	PASS("abis-two", "abis", "munmap-two"),
	PASS("didi", "didi", "munmap"),
	PASS("hatric-mprotect", "hatric", "mprotect"),
	PASS("mitosis-mprotect", "mitosis", "mprotect"),
	PASS("eurosys20-batch", "eurosys20:concurrent+early-ack+lines+batch",
	     "mprotect-call"),
	PASS("eurosys20-uaccess", "eurosys20:concurrent+early-ack+lines+batch",
	     "move-told"),
	WEAK("eurosys20-batch-weak", "eurosys20:concurrent+early-ack+lines+batch",
	     "mprotect-call"),
	WEAK("eurosys20-uaccess-weak",
	     "eurosys20:concurrent+early-ack+lines+batch", "move-told"),
	PASS("eurosys20-cow", "eurosys20:concurrent+early-ack+lines+cow",
	     "cow-pin"),
	PASS("mach-mprotect", "mach", "mprotect"),
	PASS("mach-leave", "mach", "munmap-leave"),
	PASS("mach-stored", "mach", "move-stored"),
	PASS("xnu-mprotect", "xnu", "mprotect"),
	PASS("xnu-leave", "xnu", "munmap-leave"),
	PASS("xnu-stored", "xnu", "move-stored"),
	PASS("barrelfish-mprotect", "barrelfish", "mprotect"),
	PASS("barrelfish-leave", "barrelfish", "munmap-leave"),
	PASS("kvm-pv", "kvm-pv", "munmap"),
	PASS("kvm-pv-leave", "kvm-pv", "munmap-leave"),
	PASS("kvm-pv-mprotect", "kvm-pv", "mprotect"),
	PASS("kvm-pv-stored", "kvm-pv", "move-stored"),
	PASS("hyperv", "hyperv", "munmap"),
	PASS("hyperv-mprotect", "hyperv", "mprotect"),
	PASS("hyperv-stored", "hyperv", "move-stored"),
	PASS("pvm-mprotect", "pvm", "mprotect"),
	PASS("shoot4u-mprotect", "shoot4u", "mprotect"),
	PASS("shoot4u-leave", "shoot4u", "munmap-leave"),
	PASS("xen-l0-mprotect", "xen-l0", "mprotect"),
	PASS("rar", "rar", "munmap"),
	PASS("rar-leave", "rar", "munmap-leave"),
	PASS("rar-mprotect", "rar", "mprotect"),
	PASS("unitd", "unitd", "munmap"),
	PASS("site", "site", "munmap"),
	PASS("site-leave", "site", "munmap-leave"),
	PASS("site-mprotect", "site", "mprotect"),
	PASS("site-wait", "site:wait=100", "mprotect"),
	ROW("batched", "v6.3", "deferred", VERDICT_PASS, 0, "S", "move-stored"),
	ROW("batched-write", "v6.3", "deferred", VERDICT_PASS, 0, "D",
	    "move-write"),
};

static const struct race_fix fixes[] = {
	{ "v6.3", { "batch-flush" } },
	{ NULL, { NULL } }
};

extern const struct race race_put_off;
const struct race race_put_off = {
	.name = "put-off",
	.id = "R19",
	.summary = "a flush is put off: frames, addresses and promises while it is",
	.story =
"LATR's munmap does not interrupt anybody: it writes down what others still have\n"
"to drop, and they do at their next tick or switch. Until all have, they may use\n"
"the page, and so neither its frame nor its address may have a new owner. In the\n"
"published code the frame is freed at once unless told otherwise: a store through\n"
"an old entry then goes to whoever has the frame next. Calls whose effect programs\n"
"see when they return (mprotect, MADV_DONTNEED) cannot be put off.\n"
"ecoTLB does not wait for who has left meanwhile. A page that another program has,\n"
"too, is not kept: left alone with it, that program writes to it in place.\n"
"LUF moves or drops a page that nobody may write to without a flush: others read the\n"
"old frame until it is given out again, or until somebody may write, to a file by\n"
"whatever mapping. Xen's filter does\n"
"so with what munmap frees. vfree() gives frames back at once, and keeps addresses\n"
"until a purge has flushed all CPUs. Added rights (relaxed) are made good by a fault; what\n"
"migrate_pages unmaps in one go (6.3) by one flush before the first copy.",
	.bounds = "3 CPUs, one call and one access by one, two accesses with a tick "
		  "or a switch between them by another, one migration by a third; "
		  "fills, evictions, interrupt and store delays unbounded",
	.rows = rows,
	.nr_rows = ARRAY_LEN(rows),
	.fixes = fixes,
	.nr_cpus = 3,
	.stage = stage,
	.paging = { .levels = 2, .bits = 1 },
	.frames_per_node = 8,
	.has_switches = true,
};
