/* What Linux 6.1.192 was seen to count, law by law: flushes, interrupts and
 * entries of one operation by one thread while the others of the program run,
 * sleep, or are in another program. docs/counters.md lists the laws.
 */
#include <errno.h>
#include <stdarg.h>

#include "emu/timed_point.h"
#include "mm/flush.h"
#include "mm/swap.h"
#include "mm/switch.h"
#include "mm/watch.h"
#include "tests/check.h"

#define RW (VM_READ | VM_WRITE)
#define HUGE_PAGES 512
#define MAX_T 8

enum others { RUN, SLEEP, ELSEWHERE };

static struct {
	enum others others;
	void (*script)(void);
	u32 t;                  /* threads                                    */
	struct mm *mm, *elsewhere;
	u64 page;               /* what the others read                       */
	u32 *word;              /* [0] others at their place, [16] end,
				 * [32] others back                           */
	u64 before[NR_COUNTERS];
	char wrong[512];
} L;

/* ---- in the modelled program -------------------------------------------------------- */

static u64 sum(u32 id)
{
	u64 n = 0;

	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		n += the_sys->cpu[i].count.v[id];
	return n;
}

static void forget(void)
{
	for (u32 i = 0; i < NR_COUNTERS; i++)
		L.before[i] = sum(i);
}

static void same(const char *what, u32 id, u64 want)
{
	u64 got = sum(id) - L.before[id];

	if (got != want && !L.wrong[0])
		snprintf(L.wrong, sizeof(L.wrong), "%s, %u threads: %s is %llu, "
			 "not %llu", what, L.t, counter_info[id].name,
			 (unsigned long long)got, (unsigned long long)want);
}

/* Since the last call: @n flushes, each of which interrupted @ipis CPUs; @full
 * of them dropped everything, the others @entries together, on 1 + @ipis CPUs.
 * Sent: the ranges in 4K pages. */
static void counts(const char *what, u64 n, u64 ipis, u64 full, u64 entries,
		   u64 pages_sent)
{
	u64 cpus = 1 + ipis;

	same(what, CTR_TLB_FLUSH, n);
	same(what, CTR_IPIS_SENT, n * ipis);
	same(what, CTR_REMOTE_FLUSH_RECEIVED, n * ipis);
	same(what, CTR_LOCAL_FLUSH_ALL, full * cpus);
	same(what, CTR_LOCAL_FLUSH_ONE, entries * cpus);
	/* Sent even if all are lazy and none is interrupted. */
	same(what, CTR_REMOTE_FLUSH, L.t > 1 && L.others != ELSEWHERE ? n : 0);
	if (L.t > 1 && L.others != ELSEWHERE) {
		same(what, CTR_TLB_FLUSH_SEND_ALL, full);
		same(what, CTR_TLB_FLUSH_SEND_PAGES, pages_sent);
	}
	forget();
}

/* Pages that share their page tables with others of the same VMA: none is freed. */
static u64 map(u64 pages, u32 flags)
{
	u64 align = HUGE_PAGES, at = (L.mm->mmap_base + align - 1) & -align;

	pages = (pages + 2 * align - 1) & -align;
	L.mm->mmap_base = at + pages + align;
	vma_add(L.mm, at, pages, flags);
	return flags & VM_HUGE ? at : at + 1;
}

static void touch_pages(u64 vpn, u64 n, u8 op)
{
	for (u64 i = 0; i < n; i++) {
		struct run r = { .va = (vpn + i) << PAGE_SHIFT, .count = 1,
				 .bytes = 8, .op = op };

		if (cpu_run_many(&r, 1) && !L.wrong[0])
			snprintf(L.wrong, sizeof(L.wrong), "a fault failed");
	}
}

/* 4K pages, all there and dirty. */
static u64 populated(u64 pages)
{
	u64 vpn = map(pages, RW);

	touch_pages(vpn, pages, RUN_WRITE);
	forget();
	return vpn;
}

static u64 huge(u64 n)
{
	u64 vpn = map(n * HUGE_PAGES, RW | VM_HUGE);

	for (u64 i = 0; i < n; i++)
		touch_pages(vpn + i * HUGE_PAGES, 1, RUN_WRITE);
	forget();
	return vpn;
}

static u64 ipis(void)
{
	return L.others == RUN ? L.t - 1 : 0;
}

static const u64 nr_4k[] = { 1, 2, 3, 8, 16, 31, 32, 33, 34, 64, 511, 512 };
static const u64 nr_huge[] = { 1, 3, 33, 34 };

/* ---- laws ------------------------------------------------------------------------------ */

/* "4K simple op: one flush, ranged up to the ceiling, full above; T-1 IPIs";
 * "4K mprotect RO->RW also flushes". */
static void simple_4k(void)
{
	for (u32 i = 0; i < ARRAY_LEN(nr_4k); i++) {
		u64 n = nr_4k[i], full = n > 33, one = full ? 0 : n;
		u64 vpn = populated(n);

		do_mprotect(L.mm, vpn, n, VM_READ);
		counts("mprotect", 1, ipis(), full, one, one);
		do_mprotect(L.mm, vpn, n, RW);
		counts("mprotect up", 1, ipis(), full, one, one);
		do_madvise(L.mm, vpn, n, MADV_DONTNEED);
		counts("dontneed", 1, ipis(), full, one, one);
		vpn = populated(n);
		do_munmap(L.mm, vpn, n);
		counts("munmap", 1, ipis(), full, one, one);
	}
}

/* "THP simple op: one flush whose entry count is the number of THPs; the send
 * side counts 4K pages"; "THP mprotect RO->RW does not flush". */
static void simple_huge(void)
{
	for (u32 i = 0; i < ARRAY_LEN(nr_huge); i++) {
		u64 k = nr_huge[i], full = k > 33, one = full ? 0 : k;
		u64 n = k * HUGE_PAGES, sent = one * HUGE_PAGES;
		u64 vpn = huge(k);

		do_mprotect(L.mm, vpn, n, VM_READ);
		counts("THP mprotect", 1, ipis(), full, one, sent);
		do_mprotect(L.mm, vpn, n, RW);
		counts("THP mprotect up", 0, ipis(), 0, 0, 0);
		do_madvise(L.mm, vpn, n, MADV_DONTNEED);
		counts("THP dontneed", 1, ipis(), full, one, sent);
		vpn = huge(k);
		do_munmap(L.mm, vpn, n);
		counts("THP munmap", 1, ipis(), full, one, sent);
	}
}

/* "operation on one 4K page of a THP: split = one full flush, plus one
 * single-page flush". */
static void one_of_huge(void)
{
	u64 vpn = huge(1), all = L.others == SLEEP ? L.t - 1 : ipis();

	do_mprotect(L.mm, vpn + 7, 1, VM_READ);
	/* The split's flush_tlb_range tells lazy CPUs, too, and they leave. */
	same("mprotect of a piece", CTR_TLB_FLUSH, 2);
	same("mprotect of a piece", CTR_IPIS_SENT, all + ipis());
	same("mprotect of a piece", CTR_LOCAL_FLUSH_ALL, 1 + ipis());
	same("mprotect of a piece", CTR_LOCAL_FLUSH_ONE, 1 + ipis());
	vpn = huge(1);
	do_madvise(L.mm, vpn + 7, 1, MADV_DONTNEED);
	same("dontneed of a piece", CTR_TLB_FLUSH, 2);
	same("dontneed of a piece", CTR_LOCAL_FLUSH_ALL, 1 + ipis());
	same("dontneed of a piece", CTR_LOCAL_FLUSH_ONE, 1 + ipis());
	vpn = huge(1);
	do_munmap(L.mm, vpn + 7, 1);
	same("munmap of a piece", CTR_TLB_FLUSH, 2);
	same("munmap of a piece", CTR_LOCAL_FLUSH_ONE, 1 + ipis());
}

/* "nothing to flush: unpopulated range, COW reuse (sole owner)". */
static void nothing(void)
{
	u64 vpn = map(64, RW), mine = populated(4), mine_rss;
	struct mm *child;

	do_mprotect(L.mm, vpn, 40, VM_READ);
	do_mprotect(L.mm, vpn, 40, RW);
	do_madvise(L.mm, vpn, 40, MADV_DONTNEED);
	do_munmap(L.mm, vpn, 40);
	counts("unpopulated", 0, ipis(), 0, 0, 0);
	child = dup_mm(L.mm);
	exit_mmap(child);
	forget();
	touch_pages(mine, 4, RUN_WRITE);
	mine_rss = L.mm->rss;
	counts("COW reuse", 0, ipis(), 0, 0, 0);
	clear_refs_young(L.mm);
	counts("clear_refs 1", 0, ipis(), 0, 0, 0);
	/* The entries are there, read-only before and after. */
	vpn = map(40, RW);
	touch_pages(vpn, 40, RUN_READ);
	if (L.mm->rss != mine_rss && !L.wrong[0])
		snprintf(L.wrong, sizeof(L.wrong), "zero pages count as memory");
	do_mprotect(L.mm, vpn, 40, VM_READ);
	do_mprotect(L.mm, vpn, 40, RW);
	counts("zero pages", 0, ipis(), 0, 0, 0);
	touch_pages(vpn, 3, RUN_WRITE);
	counts("zero page to page", 3, ipis(), 0, 3, 3);
	if (L.mm->rss != mine_rss + 3 && !L.wrong[0])
		snprintf(L.wrong, sizeof(L.wrong), "copies of the zero page do not");
}

/* "fork: exactly one full flush of the parent mm"; "4K COW copy: one
 * single-page flush per page written". */
static void forked(void)
{
	u64 vpn = populated(40), all = L.t > 1 && L.others != ELSEWHERE ?
			     L.t - 1 : 0;
	struct mm *child = dup_mm(L.mm);

	same("fork", CTR_TLB_FLUSH, 1);
	same("fork", CTR_IPIS_SENT, all);
	same("fork", CTR_LOCAL_FLUSH_ALL, 1 + ipis());
	forget();
	for (u64 i = 0; i < 40; i++) {
		touch_pages(vpn + i, 1, RUN_WRITE);
		if (L.others == RUN)
			counts("COW copy", 1, ipis(), 0, 1, 1);
		else
			same("COW copy", CTR_TLB_FLUSH, i + 1);
	}
	exit_mmap(child);
	forget();
}

/* "THP COW copy: per THP one full flush (split) and one single-page flush". */
static void forked_huge(void)
{
	u64 vpn = huge(3);
	struct mm *child = dup_mm(L.mm);

	forget();
	for (u64 k = 0; k < 3; k++) {
		touch_pages(vpn + k * HUGE_PAGES + 5 * k, 1, RUN_WRITE);
		same("THP COW copy", CTR_PGFAULT, 1);
		counts("THP COW copy", 2, ipis(), 1, 1, 1);
	}
	/* The rest 4K by 4K. */
	touch_pages(vpn + 9, 1, RUN_WRITE);
	counts("COW copy of a piece", 1, ipis(), 0, 1, 1);
	exit_mmap(child);
	forget();
}

/* "collapse: one full flush per 2M", of 4K pages all there; by the program's own
 * thread, as madvise(MADV_COLLAPSE) does. */
static void collapsed(void)
{
	u64 vpn = populated(3 * HUGE_PAGES);

	vpn = (vpn + HUGE_PAGES - 1) & -(u64)HUGE_PAGES;
	for (u64 k = 0; k < 2; k++) {
		int rc = collapse_huge_page(L.mm, vpn + k * HUGE_PAGES);

		if (rc && !L.wrong[0])
			snprintf(L.wrong, sizeof(L.wrong), "no collapse: %d", rc);
		same("collapse", CTR_TLB_FLUSH, 1);
		same("collapse", CTR_LOCAL_FLUSH_ALL, 1 + ipis());
		same("collapse", CTR_LOCAL_FLUSH_ONE, 0);
		forget();
	}
}

/* "clear_refs 4 on 4K pages: one full flush". */
static void soft_dirty(void)
{
	populated(40);
	clear_refs(L.mm);
	same("clear_refs 4", CTR_TLB_FLUSH, 1);
	same("clear_refs 4", CTR_LOCAL_FLUSH_ALL, 1 + ipis());
	forget();
}

static void move_to_other_node(u64 vpn, u32 level)
{
	struct page *page = page_of(pte_pfn(*pgtable_entry(L.mm, vpn, level)));

	if (!compact_page(page, !page->node) && !L.wrong[0])
		snprintf(L.wrong, sizeof(L.wrong), "a page did not move");
}

/* "4K move_pages/mbind(MF_MOVE): one single-page flush per page"; "THP: one full
 * flush per THP". */
static void moved(void)
{
	u64 vpn = populated(40), big = huge(2);

	for (u64 i = 0; i < 40; i++)
		move_to_other_node(vpn + i, 0);
	counts("move_pages", 40, ipis(), 0, 40, 40);
	for (u64 i = 0; i < 2; i++)
		move_to_other_node(big + i * HUGE_PAGES, PMD_LEVEL);
	if (L.others == RUN)
		counts("THP move_pages", 2, ipis(), 2, 0, 0);
	forget();
}

/* "mremap of whole 2M extents: one full flush per 2M (page table moved)";
 * "mremap of THPs: one full flush per THP". */
static void remapped(void)
{
	u64 from = populated(3 * HUGE_PAGES) - 1, to = map(4 * HUGE_PAGES, RW);
	u64 big = huge(3);

	do_munmap(L.mm, to - 1, 4 * HUGE_PAGES);
	touch_pages(from, 1, RUN_WRITE);
	forget();
	do_mremap(L.mm, from, 3 * HUGE_PAGES, to - 1, 3 * HUGE_PAGES);
	if (L.others == RUN)
		counts("mremap of tables", 3, ipis(), 3, 0, 0);
	do_munmap(L.mm, to - 1, 3 * HUGE_PAGES);
	forget();
	do_mremap(L.mm, big, 3 * HUGE_PAGES, to - 1, 3 * HUGE_PAGES);
	if (L.others == RUN)
		counts("mremap of THPs", 3, ipis(), 3, 0, 0);
	else
		same("mremap of THPs", CTR_TLB_FLUSH, 3);
	forget();
}

/* "THP madv_free/madv_cold: one full flush per THP plus the gather flush". */
static void aged(void)
{
	u64 vpn = huge(3);

	for (u32 i = 0; i < 2; i++) {
		do_madvise(L.mm, vpn, 3 * HUGE_PAGES, i ? MADV_FREE : MADV_COLD);
		same("THP madv_free, madv_cold", CTR_TLB_FLUSH, 3 + 1);
		same("THP madv_free, madv_cold", CTR_LOCAL_FLUSH_ALL,
		     3 * (1 + ipis()));
		same("THP madv_free, madv_cold", CTR_LOCAL_FLUSH_ONE,
		     3 * (1 + ipis()));
		for (u64 k = 0; k < 3; k++)
			touch_pages(vpn + k * HUGE_PAGES, 1, RUN_WRITE);
		forget();
	}
}

/* "dontneed of many pages: one flush per 9698 pages gathered"; "munmap: freed
 * page-table pages take slots in the same 9698". */
static void gathered(void)
{
	static const struct {
		u64 pages, dontneed, munmap;
	} row[] = {
		{ 9679, 1, 1 }, { 9680, 1, 2 }, { 9698, 1, 2 },
		{ 9699, 2, 2 }, { 19396, 2, 3 }, { 19397, 3, 3 },
	};

	for (u32 i = 0; i < ARRAY_LEN(row); i++) {
		u64 n = row[i].pages, vpn = map(n, RW);
		struct vma *v = find_vma(L.mm, vpn);

		/* Alone in its page tables. */
		vpn = v->start;
		touch_pages(vpn, n, RUN_WRITE);
		forget();
		do_madvise(L.mm, vpn, n, MADV_DONTNEED);
		same("dontneed of many", CTR_TLB_FLUSH, row[i].dontneed);
		touch_pages(vpn, n, RUN_WRITE);
		forget();
		do_munmap(L.mm, vpn, v->end - vpn);
		same("munmap of many", CTR_TLB_FLUSH, row[i].munmap);
	}
}

/* "clean reclaim, T>1: young-bit flush + one deferred batch"; "T=1: not
 * deferred, one local flush per page"; "first PTE operation after a deferred
 * batch pays one extra full flush"; "mremap that moves a whole page table does
 * not pay it". */
static void reclaimed_clean(void)
{
	u64 vpn = populated(20), other = populated(8);
	bool defers = L.t > 1;

	do_madvise(L.mm, vpn, 20, MADV_FREE);
	touch_pages(vpn, 20, RUN_READ);
	forget();
	do_madvise(L.mm, vpn, 20, MADV_PAGEOUT);
	same("clean reclaim", CTR_TLB_FLUSH, defers ? 1 + 1 : 1 + 20);
	same("clean reclaim", CTR_IPIS_SENT, 2 * ipis());
	same("clean reclaim", CTR_PGLAZYFREED, 20);
	forget();
	do_mprotect(L.mm, other, 8, VM_READ);
	same("after a batch", CTR_TLB_FLUSH, defers ? 2 : 1);
	same("after a batch", CTR_LOCAL_FLUSH_ALL, defers ? 1 + ipis() : 0);
	forget();
	do_mprotect(L.mm, other, 8, RW);
	same("paid", CTR_TLB_FLUSH, 1);
	forget();
}

static void batch_and_mremap(void)
{
	u64 vpn = populated(20), from = populated(HUGE_PAGES) - 1;
	u64 to = map(HUGE_PAGES, RW) - 1;

	do_munmap(L.mm, to, 2 * HUGE_PAGES);
	do_madvise(L.mm, vpn, 20, MADV_FREE);
	do_madvise(L.mm, vpn, 20, MADV_PAGEOUT);
	forget();
	do_mremap(L.mm, from, HUGE_PAGES, to, HUGE_PAGES);
	same("mremap of a table after a batch", CTR_TLB_FLUSH, 1);
	forget();
	/* The debt was there, and is: the next change of rights pays it. */
	do_mprotect(L.mm, to, HUGE_PAGES, VM_READ);
	same("still owed", CTR_TLB_FLUSH, L.t > 1 ? 2 : 1);
	forget();
}

/* "dirty anon reclaim to swap, T>1: the batch is flushed before every page
 * write". */
static void reclaimed_dirty(void)
{
	u64 vpn = populated(20);

	do_madvise(L.mm, vpn, 20, MADV_PAGEOUT);
	same("dirty reclaim", CTR_TLB_FLUSH, 20 + 1);
	same("dirty reclaim", CTR_IPIS_SENT, 21 * ipis());
	forget();
}

/* "sleeping threads: no IPI unless page tables are freed; then T-1 and the CPUs
 * leave the mm"; "three page-table-freeing munmaps in a row on lazy CPUs: only
 * the first interrupts them". */
static void tables_freed(void)
{
	for (u32 i = 0; i < 3; i++) {
		u64 vpn = populated(4) - 1;

		do_munmap(L.mm, vpn, HUGE_PAGES);
		same("munmap with its table", CTR_TLB_FLUSH, 1);
		same("munmap with its table", CTR_IPIS_SENT, i ? 0 : L.t - 1);
		forget();
	}
	for (u32 c = 0; c < L.t; c++)
		if (!!tlb_state_of(c)->loaded_mm != !c && !L.wrong[0])
			snprintf(L.wrong, sizeof(L.wrong), "CPU %u did not leave",
				 c);
}

/* ---- the machine ------------------------------------------------------------------------ */

static int setup(struct wl *w, struct err *e)
{
	L.mm = mm_create();
	L.elsewhere = mm_create();
	L.word = arena_alloc(&the_sys->arena, 64 * sizeof(u32));
	assert_int_equal(swapon(1000), 0);
	w->nr_threads = L.t;
	for (u32 i = 0; i < L.t; i++)
		if (wl_start(w, i, L.mm, e))
			return -ENOMEM;
	L.page = wl_map(L.mm, 1, RW);
	vma_add(L.elsewhere, L.page, 1, RW);
	return wl_populate(w, 0, L.page, 1, e);
}

static void add(u32 *word)
{
	(void)atomic_add_return(word, 1);
}

static void wait_for(const u32 *word, u32 value)
{
	struct run r = { .va = L.page << PAGE_SHIFT, .count = 20, .bytes = 8,
			 .op = RUN_READ };

	while (READ_ONCE(*word) != value)
		cpu_run_many(&r, 1);
}

static void other(void)
{
	if (L.others == ELSEWHERE)
		switch_mm(L.elsewhere);
	add(&L.word[0]);
	if (L.others == SLEEP)
		thread_sleep(&L.word[16], 0);
	else
		wait_for(&L.word[16], 1);
	if (L.others == ELSEWHERE)
		switch_mm(L.mm);
	add(&L.word[32]);
}

static bool all_lazy(void)
{
	for (u32 i = 1; i < L.t; i++)
		if (!READ_ONCE(tlb_state_of(i)->is_lazy))
			return false;
	return true;
}

/* "sleeping threads: the skipped flush happens at wake-up, once per CPU". Who
 * was made to leave loads the mm anew, which also flushes, without PCIDs. */
static void body(struct wl *w, u32 t)
{
	if (t) {
		other();
		return;
	}
	wait_for(&L.word[0], L.t - 1);
	while (L.others == SLEEP && !all_lazy())
		;
	forget();
	L.script();
	forget();
	WRITE_ONCE(L.word[16], 1);
	wait_for(&L.word[32], L.t - 1);
	same("wake-up", CTR_IPIS_SENT, 0);
	if (L.others == SLEEP)
		same("wake-up", CTR_TASK_SWITCH_FLUSH, L.t - 1);
}

static const struct workload wl = {
	.name = "law", .cfg_bytes = 1, .setup = setup, .body = body,
};

static void law_on(const char *machine, void (*script)(void),
		   enum others others, u32 t, bool thp)
{
	struct timed_result *r = calloc(1, sizeof(*r));
	struct timed_cfg cfg;
	const struct opt_bind bind = { .table = timed_opts,
				       .nr = nr_timed_opts, .base = &cfg };
	struct timed_point p = {
		.cfg = &cfg, .kernel = kernel_find("v6.1"),
		.flush = flush_find("deferred"), .workload = &wl,
		.workload_cfg = &cfg, .progress = PROGRESS_NEVER,
	};
	struct opt_set *set;
	struct err err;

	memset(&cfg, 0, sizeof(cfg));
	assert_int_equal(opt_set_create(&set, &bind, 1), 0);
	assert_int_equal(opt_assign(set, "machine", machine, OPT_FROM_CMDLINE,
				    &err), 0);
	assert_int_equal(opt_assign(set, "placement", "pack", OPT_FROM_CMDLINE,
				    &err), 0);
	assert_int_equal(opt_assign(set, "thp", thp ? "yes" : "no",
				    OPT_FROM_CMDLINE, &err), 0);
	memset(&L, 0, sizeof(L));
	L.script = script;
	L.others = others;
	L.t = t;
	if (timed_point_run(&p, r, &err))
		fail_msg("%s", err.text);
	if (L.wrong[0])
		fail_msg("%s", L.wrong);
	opt_set_free(set);
	free(r);
}

static void law(void (*script)(void), enum others others, bool thp)
{
	for (u32 t = others == RUN ? 1 : 2; t <= MAX_T; t++)
		law_on("pack:2 core:4 pu:1", script, others, t, thp);
}

#define LAW(name, script, others, thp) \
	static void test_##name(void **state) { law(script, others, thp); }
LAW(simple_4k, simple_4k, RUN, false)
LAW(simple_4k_asleep, simple_4k, SLEEP, false)
LAW(simple_4k_elsewhere, simple_4k, ELSEWHERE, false)
LAW(simple_huge, simple_huge, RUN, true)
LAW(simple_huge_asleep, simple_huge, SLEEP, true)
LAW(one_of_huge, one_of_huge, RUN, true)
LAW(nothing, nothing, RUN, false)
LAW(fork, forked, RUN, false)
LAW(fork_huge, forked_huge, RUN, true)
LAW(collapse, collapsed, RUN, false)
LAW(fork_asleep, forked, SLEEP, false)
LAW(soft_dirty, soft_dirty, RUN, false)
LAW(moved, moved, RUN, true)
LAW(remapped, remapped, RUN, true)
LAW(aged, aged, RUN, true)
LAW(reclaimed_clean, reclaimed_clean, RUN, false)
LAW(reclaimed_dirty, reclaimed_dirty, RUN, false)
LAW(batch_and_mremap, batch_and_mremap, RUN, false)
LAW(tables_freed, tables_freed, SLEEP, false)

static void test_gathered(void **state)
{
	law_on("pack:2 core:1 pu:1", gathered, RUN, 2, false);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_simple_4k),
	cmocka_unit_test(test_simple_4k_asleep),
	cmocka_unit_test(test_simple_4k_elsewhere),
	cmocka_unit_test(test_simple_huge),
	cmocka_unit_test(test_simple_huge_asleep),
	cmocka_unit_test(test_one_of_huge),
	cmocka_unit_test(test_nothing),
	cmocka_unit_test(test_fork),
	cmocka_unit_test(test_fork_huge),
	cmocka_unit_test(test_collapse),
	cmocka_unit_test(test_fork_asleep),
	cmocka_unit_test(test_soft_dirty),
	cmocka_unit_test(test_moved),
	cmocka_unit_test(test_remapped),
	cmocka_unit_test(test_aged),
	cmocka_unit_test(test_reclaimed_clean),
	cmocka_unit_test(test_reclaimed_dirty),
	cmocka_unit_test(test_batch_and_mremap),
	cmocka_unit_test(test_tables_freed),
	cmocka_unit_test(test_gathered),
};
TEST_MAIN(tests)
