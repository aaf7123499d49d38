#include "workloads/matrix.h"

#include <errno.h>
#include <string.h>

#include "cpu/direct.h"
#include "mm/file.h"
#include "mm/gather.h"
#include "mm/oracle.h"
#include "mm/reclaim.h"
#include "mm/swap.h"
#include "mm/watch.h"
#include "workloads/kernel_page.h"

/* CPU of who does it, of who uses the page, of a third party. */
enum { ACTOR = 0, USER = 1, THIRD = 2 };

/* Under the second page table; with the page after it a huge page. */
#define PAGE 2
/* Under the first, whose other page the user has touched. */
#define FRESH 1

static struct mm *mm(void)
{
	return mms()->first_mm;
}

static struct mm *other(void)
{
	return mm()->next_mm;
}

/* ---- what is done -------------------------------------------------------------------- */

/* The page after it stays, and with it the table. The frame that comes free is the
 * next one's that wants one: of the same program, elsewhere. */
static void unmap(struct task *t)
{
	u64 v = RACE_STORED + 1;

	do_munmap(mm(), PAGE, 1);
	cpu_access(FRESH, 0, true, &v);
}

/* Whom write-back finds mapped nowhere it may call clean. */
static void unmap_dirty(struct task *t)
{
	do_munmap(mm(), PAGE, 1);
}

static void write_back(struct task *t)
{
	do_fdatasync(mms()->first_file);
}

static void unmap_table(struct task *t)
{
	do_munmap(mm(), PAGE, 2);
}

static void end(struct task *t)
{
	exit_mmap(mm());
}

static void protect(struct task *t)
{
	do_mprotect(mm(), PAGE, 1, VM_READ);
}

static void unprotect(struct task *t)
{
	do_mprotect(mm(), PAGE, 1, VM_READ | VM_WRITE);
}

/* What the child must have is looked at in the end. */
static void fork_it(struct task *t)
{
	dup_mm(mm());
}

static void store(struct task *t)
{
	u64 v = RACE_STORED + 1;

	cpu_access(PAGE, 0, true, &v);
}

static void compact(struct task *t)
{
	compact_page(page_of(current()->arg), 1);
}

/* And a mover that trusts the entry; one on another CPU is R07's. */
static void scan_and_move(struct task *t)
{
	change_protection(mm()->first, PAGE, PAGE + 1, mm()->first->flags,
			  CP_NUMA);
	compact_page(page_of(current()->arg), 1);
}

static void reclaim(struct task *t)
{
	reclaim_frames(&current()->arg, 1);
}

/* Another program, which is short of frames, and has this one. */
static void reclaim_and_reuse(struct task *t)
{
	u64 v = RACE_STORED + 1;

	reclaim_frames(&current()->arg, 1);
	cpu_access(FRESH, 0, true, &v);
}

static void discard(struct task *t)
{
	do_madvise(mm(), PAGE, 1, MADV_DONTNEED);
}

/* And reclaim takes it, if it is clean. */
static void free_and_reclaim(struct task *t)
{
	do_madvise(mm(), PAGE, 1, MADV_FREE);
	reclaim_frames(&current()->arg, 1);
}

static void move_and_discard(struct task *t)
{
	do_mremap(mm(), PAGE, 1, 0, 1);
	do_madvise(mm(), 0, 1, MADV_DONTNEED);
}

static void split(struct task *t)
{
	down_read(&mm()->mmap_lock);
	split_huge_pmd_at(mm(), PAGE + 1, SPLIT_PAGE);
	up_read(&mm()->mmap_lock);
}

static void collapse(struct task *t)
{
	collapse_huge_page(mm(), PAGE);
}

/* The scan has found the page, and refers to it. */
static void merge(struct task *t)
{
	u64 arg = current()->arg;

	ksm_try_merge(mm(), PAGE, page_of((u32)arg), page_of(arg >> 32));
}

static void clear(struct task *t)
{
	clear_refs(mm());
}

/* Written out, and dropped if nobody stored to it since. */
static void sync_and_reclaim(struct task *t)
{
	do_fdatasync(mm()->first->file);
	reclaim_frames(&current()->arg, 1);
}

static void age(struct task *t)
{
	do_madvise(mm(), PAGE, 1, MADV_COLD);
}

static void watch(struct task *t)
{
	uffd_writeprotect(mm(), PAGE, 1, true);
}

/* The frame that came free goes to the program, the address to another page. */
static void renew(struct task *t)
{
	kernel_page_renew((struct kernel_page *)current()->arg, PAGE + 1);
}

/* ---- stages -------------------------------------------------------------------------- */

/* What must be there before, beyond a page that the user stored to. */
enum prop {
	NEED_TWO = 1,           /* the page after it                          */
	NEED_HUGE = 2,
	NEED_SWAP = 4,
	NEED_CHILD = 8,         /* that shares the page                       */
	NEED_READ_ONLY = 16,
	NEED_TWIN = 32,         /* a KSM page with the same contents, whose
				 * program the actor is of                    */
	NEED_LOW = 64,          /* the VMA begins at 0                        */
	NEED_NONE = 128,        /* without rights                             */
	NEED_FILE = 256,        /* a shared mapping of one                    */
	NEED_KERNEL = 512,      /* it is the kernel's, not the program's      */
	NEED_FRESH = 1024,      /* a page that nobody has touched             */
	NEED_CLEAN = 2048,      /* mapped to be read; by the actor's program is
				 * another page                               */
};

struct stage {
	const char *due;
	void (*act)(struct task *t);
	void (*meanwhile)(struct task *t);      /* on a third CPU             */
	u32 needs;
	bool user_loads;                /* a store would change the question  */
	bool is_nobodys;                /* done when nobody runs there        */
	bool is_harmless;               /* a flush that never comes is legal  */
};

static const struct stage stages[NR_FLUSH_OPS] = {
	[FLUSH_MUNMAP] = {
		.due = "before frame and address are used again, or anybody may notice",
		.act = unmap, .needs = NEED_TWO | NEED_LOW | NEED_FRESH,
	},
	[FLUSH_MUNMAP_DIRTY] = {
		.due = "before write-back may find the page unmapped",
		.act = unmap_dirty, .meanwhile = write_back,
		.needs = NEED_FILE | NEED_TWO,
	},
	[FLUSH_EXIT] = {
		.due = "before the frames are free",
		.act = end, .is_nobodys = true,
	},
	[FLUSH_TABLES] = {
		.due = "before the table's frame is used again",
		.act = unmap_table, .needs = NEED_TWO,
	},
	[FLUSH_PROTECT_DOWN] = {
		.due = "before mprotect returns",
		.act = protect,
	},
	[FLUSH_PROTECT_UP] = {
		.due = "never",
		.act = unprotect, .needs = NEED_READ_ONLY, .is_harmless = true,
	},
	[FLUSH_NONE_UP] = {
		.due = "never",
		.act = unprotect, .needs = NEED_NONE,
	},
	[FLUSH_FORK] = {
		.due = "before anybody may see the child",
		.act = fork_it,
	},
	[FLUSH_COW] = {
		.due = "before the new entry is visible",
		.act = store, .needs = NEED_CHILD, .user_loads = true,
	},
	[FLUSH_MIGRATE] = {
		.due = "before the copy begins",
		.act = compact,
	},
	[FLUSH_NUMA_HINT] = {
		.due = "before a mover that trusts the entry copies",
		.act = scan_and_move, .is_harmless = true,
	},
	[FLUSH_RECLAIM] = {
		.due = "before the write-out begins",
		.act = reclaim, .needs = NEED_SWAP,
	},
	[FLUSH_RECLAIM_CLEAN] = {
		.due = "before the frame is free",
		.act = reclaim_and_reuse, .needs = NEED_FILE | NEED_SWAP | NEED_CLEAN,
		.user_loads = true,
	},
	[FLUSH_DONTNEED] = {
		.due = "before madvise returns",
		.act = discard,
	},
	[FLUSH_FREE] = {
		.due = "before reclaim may call the page clean",
		.act = free_and_reclaim, .needs = NEED_SWAP,
	},
	[FLUSH_MREMAP] = {
		.due = "before a page-table lock is dropped",
		.act = move_and_discard, .needs = NEED_LOW,
	},
	[FLUSH_SPLIT] = {
		.due = "before the table is visible",
		.act = split, .needs = NEED_HUGE,
	},
	[FLUSH_COLLAPSE] = {
		.due = "before the small pages are copied",
		.act = collapse, .needs = NEED_TWO,
	},
	[FLUSH_KSM] = {
		.due = "before the contents are compared",
		.act = merge, .needs = NEED_TWIN,
	},
	[FLUSH_SOFT_DIRTY] = {
		.due = "before clear_refs returns",
		.act = clear,
	},
	[FLUSH_DIRTY_CLEAR] = {
		.due = "before the write-out begins",
		.act = sync_and_reclaim, .needs = NEED_FILE | NEED_SWAP,
	},
	[FLUSH_OLD_CLEAR] = {
		.due = "never",
		.act = age, .is_harmless = true,
	},
	[FLUSH_UFFD_WP] = {
		.due = "before a write fault copies the page",
		.act = watch,
	},
	[FLUSH_VUNMAP] = {
		.due = "before the addresses are given out again",
		.act = renew, .needs = NEED_KERNEL,
	},
	[FLUSH_DEBT] = {
		.due = "at once: the payer cannot wait",
		.act = protect, .meanwhile = race_reclaim,
		.needs = NEED_SWAP,
	},
};

const char *matrix_due(enum flush_op op)
{
	return stages[op].due;
}

static void use(void)
{
	u64 v = RACE_STORED, arg = current()->arg;

	if (arg > 1)
		kernel_page_use((struct kernel_page *)arg);
	else
		cpu_access(PAGE, 0, !arg, &v);
}

static void stay(struct task *t)
{
	use();
}

static void go_and_come_back(struct task *t)
{
	switch_mm(other());
	switch_mm(mm());
	use();
}

static void idle_and_come_back(struct task *t)
{
	enter_lazy_tlb();
	switch_mm(mm());
	use();
}

/* Lazy there since before. */
static void go_elsewhere(struct task *t)
{
	switch_mm(other());
}

static void (*const uses[NR_MATRIX_USERS])(struct task *t) = {
	stay, go_and_come_back, idle_and_come_back
};

static bool add_space(const struct stage *g, u64 first, u64 nr, u32 flags)
{
	struct mm *m;

	if (!(g->needs & NEED_FILE))
		return race_space(first, nr, flags);
	m = mm_create();
	return m && vma_add_file(m, first, 1, VM_SHARED | VM_READ |
				 (g->needs & NEED_CLEAN ? 0 : VM_WRITE),
				 file_create(1, FILE_DISK), 0) &&
	       (nr == 1 || vma_add(m, first + 1, nr - 1, flags));
}

static int add_user(const struct stage *g, enum matrix_user user, u64 arg)
{
	static const char *const names[NR_MATRIX_USERS] = {
		"B uses the page", "B away, back, uses it", "B idles, uses it"
	};

	if (g->is_nobodys)
		return race_task(USER, "B lazy, goes elsewhere", mm(),
				 go_elsewhere, 0);
	return race_task(USER, names[user], mm(), uses[user], arg);
}

static int map_clean(void)
{
	int rc;

	this_cpu = &the_sys->cpu[USER];
	rc = handle_mm_fault(PAGE, false);
	direct_settle(the_sys);
	return rc;
}

/* The page as the operation wants to find it. */
static int add_page(const struct stage *g)
{
	int rc = g->needs & NEED_CLEAN ? map_clean() : race_touch(USER, PAGE, 1);

	if (!rc && (g->needs & NEED_TWO))
		rc = race_touch(USER, PAGE + 1, 2);
	if (!rc && (g->needs & NEED_FRESH))
		rc = race_touch(USER, FRESH - 1, 3);
	if (!rc && (g->needs & NEED_CHILD) && !dup_mm(mm()))
		rc = -ENOMEM;
	if (!rc && (g->needs & NEED_READ_ONLY))
		rc = do_mprotect(mm(), PAGE, 1, VM_READ);
	if (!rc && (g->needs & NEED_NONE))
		rc = do_mprotect(mm(), PAGE, 1, 0);
	if (!rc && (g->needs & NEED_SWAP))
		rc = swapon(2);
	if (g->is_nobodys)
		enter_lazy_tlb();
	return rc;
}

static int add_twin(const struct stage *g)
{
	struct mm *twin = race_space(PAGE, 1, VM_READ | VM_WRITE);
	int rc;

	if (!twin)
		return -ENOMEM;
	rc = race_task(ACTOR, "A merges", twin, g->act, 0);
	if (!rc)
		rc = race_touch(ACTOR, PAGE, 1);
	if (!rc)
		rc = ksm_try_merge(twin, PAGE, ksm_get_page(twin, PAGE), NULL);
	if (!rc)
		race_arg(ACTOR, pfn_of(ksm_get_page(mm(), PAGE)) |
			 race_pfn(twin, PAGE) << 32);
	return rc;
}

/* Before there is an address space. Return: 0, -ENOMEM. */
static int add_kernel(const struct stage *g, u64 *page)
{
	struct kernel_page *p = NULL;

	*page = g->user_loads;
	if (!(g->needs & NEED_KERNEL))
		return 0;
	p = kernel_page_stage();
	*page = (uintptr_t)p;
	return p ? 0 : -ENOMEM;
}

static int add_actors(const struct stage *g, enum flush_op op, u64 arg)
{
	bool is_kernels = op == FLUSH_MIGRATE || op == FLUSH_RECLAIM;
	bool is_others = g->is_nobodys || (g->needs & NEED_CLEAN);
	u64 pfn = g->needs & NEED_KERNEL ? arg :
		  g->needs & NEED_HUGE ? 0 : race_pfn(mm(), PAGE);
	int rc;

	if (g->needs & NEED_TWIN)
		return add_twin(g);
	rc = race_task(ACTOR, flush_op_names[op], is_kernels ? NULL :
		       is_others ? other() : mm(), g->act, pfn);
	if (!rc && (g->needs & NEED_CLEAN))
		rc = race_touch(ACTOR, FRESH - 1, 1);
	if (!rc && g->meanwhile)
		rc = race_task(THIRD, "C meanwhile", NULL, g->meanwhile, pfn);
	return rc;
}

/* A row's stage: "back/cow-break". */
static enum flush_op op_of(const struct race_row *row)
{
	u32 op = 0;

	while (strcmp(flush_op_names[op], row->id))
		op++;
	return (enum flush_op)op;
}

static enum matrix_user user_of(const struct race_row *row)
{
	u32 user = 0;

	while (strncmp(row->stage, matrix_user_names[user],
		       strlen(matrix_user_names[user])))
		user++;
	return (enum matrix_user)user;
}

/* O9 and O10 ask whether a flush does what it says; the others, whether anything
 * is lost. */
#define EFFECTS (~(u32)(O9_FLUSH_DONE | O10_TLBGEN))

static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *sys)
{
	enum flush_op op = op_of(row);
	const struct stage *g = &stages[op];
	u64 first = g->needs & NEED_LOW ? 0 : PAGE;
	u32 flags = VM_READ | VM_WRITE | VM_MIGRATABLE | VM_UFFD_WP;
	u64 end = g->needs & (NEED_TWO | NEED_HUGE | NEED_KERNEL)
		? PAGE + 2 : PAGE + 1, arg;
	int rc;

	if (g->needs & NEED_HUGE)
		flags |= VM_HUGE;
	if (add_kernel(g, &arg) || !add_space(g, first, end - first, flags) ||
	    !(g->needs & NEED_CLEAN ? race_space(0, PAGE, flags) : mm_create()))
		return -ENOMEM;
	if (g->is_harmless)
		mms()->oracles &= EFFECTS;
	rc = add_user(g, user_of(row), arg);
	if (!rc)
		rc = add_page(g);
	return rc ? rc : add_actors(g, op, arg);
}

/* ---- the races ----------------------------------------------------------------------- */

/* Earlier ones leave mm_cpumask before CR3 is loaded, and who frees tables or
 * changes sizes in between tells nobody; or lack the barrier between saying that
 * CR3 is about to change and reading what it should become (docs/findings.md).
 * That is no strategy's doing. */
#define KERNEL "v6.18"

#define ROW(name_, user_) \
	{ .id = name_, .kernel = KERNEL, .memory = MEM_TSO, .changers = 1, \
	  .expected = VERDICT_PASS, .tag = "D", .stage = user_ "/" name_ },

static const struct race_row rows[NR_MATRIX_USERS][NR_FLUSH_OPS] = {
	[MATRIX_STAY] = {
#define FLUSH_OP(id_, name_, help_) ROW(name_, "stay")
#include "mm/flush_op.def"
#undef FLUSH_OP
	},
	[MATRIX_BACK] = {
#define FLUSH_OP(id_, name_, help_) ROW(name_, "back")
#include "mm/flush_op.def"
#undef FLUSH_OP
	},
	[MATRIX_IDLE] = {
#define FLUSH_OP(id_, name_, help_) ROW(name_, "idle")
#include "mm/flush_op.def"
#undef FLUSH_OP
	},
};

#define RACE(user_, name_, has_switches_, summary_) { \
	.name = "matrix-" name_, .id = "M-" name_, .summary = summary_, \
	.story = \
"One CPU does an operation that takes rights away, another one uses the page: the\n" \
"smallest stage on which a flush that comes too late for that operation is met.\n" \
"`tlbemu matrix` runs every strategy on every operation.", \
	.bounds = "2 CPUs (3 where a mover is needed), one page, one operation, " \
		  "one access; fills, evictions, interrupt and store delays " \
		  "unbounded", \
	.rows = rows[user_], .nr_rows = NR_FLUSH_OPS, .nr_cpus = 3, \
	.stage = stage, .paging = { .levels = 2, .bits = 1 }, \
	.frames_per_node = 12, .has_switches = has_switches_, \
}

static const struct race stay_race = RACE(MATRIX_STAY, "stay", false,
	"each operation, while the page's user runs");
static const struct race back_race = RACE(MATRIX_BACK, "back", true,
	"each operation, while the page's user is elsewhere and comes back");
static const struct race idle_race = RACE(MATRIX_IDLE, "idle", true,
	"each operation, while the page's user idles and comes back");

const struct race *const matrix_races[] = {
	&stay_race, &back_race, &idle_race, NULL
};
const char *const matrix_user_names[] = { "stay", "back", "idle", NULL };

const struct race_row *matrix_row(const struct race *race, enum flush_op op)
{
	/* Nobody's address space has one kind of user only. */
	if (stages[op].is_nobodys && race != &idle_race)
		return NULL;
	return &race->rows[op];
}
