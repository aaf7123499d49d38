/* Mappings of files one after another on the direct driver: what programs see,
 * what the disk gets, counts of flushes; a random program of calls against a
 * naive file. The TLB keeps every stale entry for as long as it may. What happens
 * when they meet is test_race.c's.
 */
#include "tests/stage.h"

#include <errno.h>

#include "base/rng.h"
#include "cpu/direct.h"
#include "emu/race_run.h"
#include "mm/file.h"
#include "mm/oracle.h"
#include "mm/reclaim.h"
#include "mm/swap.h"
#include "mm/truth.h"
#include "mm/watch.h"
#include "workloads/race.h"

#define RW (VM_READ | VM_WRITE)
#define SHARED (RW | VM_SHARED)
#define T 3             /* threads of the process                            */
#define OTHER 3         /* the CPU of another one                            */
#define FILE_PAGES 8
#define AT 8            /* where it is mapped: one table of eight entries    */

static struct mm *mm, *other;
static struct address_space *f;
static u32 file_flags;

static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *s)
{
	mm = mm_create();
	other = mm_create();
	if (!mm || !other || swapon(8))
		return -ENOMEM;
	f = file_create(FILE_PAGES, file_flags);
	if (!f)
		return -ENOMEM;
	f->readahead = 0;
	for (u64 i = 0; file_flags == FILE_DISK && i < FILE_PAGES; i++)
		truth_set_file(f, i, 100 + i);
	for (u32 i = 0; i < T; i++)
		if (race_task(i, "thread", mm, nobody, 0))
			return -ENOMEM;
	return race_task(OTHER, "other", other, nobody, 0);
}

static const struct race small = {
	.name = "file", .nr_cpus = 4, .stage = stage,
	.paging = { .levels = 2, .bits = 3 }, .frames_per_node = 400,
};

static void open_as(const char *kernel, u32 flags)
{
	file_flags = flags;
	open_stage(&small, kernel);
}

static void store(u32 cpu, u64 vpn, u64 v)
{
	this_cpu = &sys->cpu[cpu];
	assert_int_equal(try_store(vpn, v), 0);
	this_cpu = &sys->cpu[0];
}

static void expect(u32 cpu, u64 vpn, u64 want)
{
	u64 v = ~0ull;

	this_cpu = &sys->cpu[cpu];
	assert_int_equal(cpu_access(vpn, 0, false, &v), 0);
	assert_int_equal(v, want);
	this_cpu = &sys->cpu[0];
}

static void gone(u32 cpu, u64 vpn)
{
	u64 v;

	this_cpu = &sys->cpu[cpu];
	assert_int_equal(cpu_access(vpn, 0, false, &v), -EFAULT);
	this_cpu = &sys->cpu[0];
}

static u64 entry(struct mm *m, u64 vpn)
{
	u64 *p = pgtable_entry(m, vpn, 0);

	return p ? *p : 0;
}

static bool is_dirty(u64 index)
{
	return page_of(f->cache[index])->is_dirty;
}

static u64 counted(u32 id)
{
	static u64 last[NR_COUNTERS];
	u64 n = 0, d;

	for (u32 i = 0; i < sys->nr_cpus; i++)
		n += sys->cpu[i].count.v[id];
	d = n - last[id];
	last[id] = n;
	return d;
}

static void forget_counts(void)
{
	for (u32 i = 0; i < NR_COUNTERS; i++)
		counted(i);
}

/* @n flushes of all threads' CPUs, @pages entries together on each. */
static void flushes(u64 n, u64 pages)
{
	assert_int_equal(counted(CTR_TLB_FLUSH), n);
	assert_int_equal(counted(CTR_IPIS_SENT), n * (T - 1));
	assert_int_equal(counted(CTR_LOCAL_FLUSH_ONE), pages * T);
	forget_counts();
}

/* ---- sharing --------------------------------------------------------------------------- */

/* Both see the file, and what either stores; a private mapping sees it until it
 * stores, and nobody sees what it stored. */
static void test_shared_and_private(void **state)
{
	static const u32 flags[] = { FILE_DISK, FILE_DISK | FILE_SPARSE, 0 };

	for (u32 i = 0; i < ARRAY_LEN(flags); i++) {
		u64 base = flags[i] == FILE_DISK ? 100 : 0;

		open_as("v6.1", flags[i]);
		vma_add_file(mm, AT, FILE_PAGES, SHARED, f, 0);
		vma_add_file(mm, AT + 8, 4, RW, f, 2);
		vma_add_file(other, 40, FILE_PAGES, SHARED, f, 0);
		expect(0, AT + 3, base + (base ? 3 : 0));
		store(OTHER, 40 + 3, 7);
		expect(0, AT + 3, 7);
		expect(0, AT + 8 + 1, 7);
		store(0, AT + 3, 8);
		expect(OTHER, 40 + 3, 8);
		expect(1, AT + 8 + 1, 8);
		store(1, AT + 8 + 1, 9);
		expect(0, AT + 3, 8);
		expect(2, AT + 8 + 1, 9);
		store(0, AT + 3, 10);
		expect(2, AT + 8 + 1, 9);
		/* A store is the first access. */
		store(1, AT + 8 + 2, 11);
		expect(OTHER, 40 + 4, base + (base ? 4 : 0));
		store(0, AT + 5, 12);
		expect(OTHER, 40 + 5, 12);
		close_stage();
	}
}

/* What is on disk faults once more for the first store, so that it is known to
 * be dirty; what is only in memory does not. */
static void test_writenotify(void **state)
{
	open_as("v6.1", FILE_DISK);
	vma_add_file(mm, AT, FILE_PAGES, SHARED, f, 0);
	expect(0, AT, 100);
	assert_int_equal(entry(mm, AT) & (PTE_P | PTE_RW | PTE_D), PTE_P);
	assert_false(is_dirty(0));
	forget_counts();
	store(0, AT, 1);
	/* Or more: the old entry may be used once again. */
	assert_true(counted(CTR_PGFAULT) > 0);
	flushes(0, 0);
	assert_int_equal(entry(mm, AT) & (PTE_RW | PTE_D), PTE_RW | PTE_D);
	assert_true(is_dirty(0));
	close_stage();

	open_as("v6.1", 0);
	vma_add_file(mm, AT, FILE_PAGES, SHARED, f, 0);
	expect(0, AT, 0);
	assert_int_equal(entry(mm, AT) & (PTE_P | PTE_RW | PTE_D),
			 PTE_P | PTE_RW);
	forget_counts();
	store(0, AT, 1);
	assert_int_equal(counted(CTR_PGFAULT), 0);
	close_stage();
}

/* A read fault maps what is in memory around it, up to 3.14 only itself; not what
 * is locked, nor past the end of the file. */
static void test_fault_around(void **state)
{
	static const struct { const char *kernel; bool around; } era[] = {
		{ "v6.1", true }, { "v3.15", true }, { "v3.13", false },
	};

	for (u32 i = 0; i < ARRAY_LEN(era); i++) {
		open_as(era[i].kernel, FILE_DISK);
		vma_add_file(mm, AT, FILE_PAGES, SHARED, f, 0);
		vma_add_file(other, AT, FILE_PAGES, SHARED, f, 0);
		for (u64 p = 0; p < 4; p++)
			expect(OTHER, AT + p, 100 + p);
		(void)trylock_page(page_of(f->cache[2]));
		expect(0, AT, 100);
		assert_int_equal(!!entry(mm, AT + 1), era[i].around);
		assert_int_equal(!!entry(mm, AT + 3), era[i].around);
		assert_int_equal(entry(mm, AT + 2), 0);
		assert_int_equal(entry(mm, AT + 4), 0);
		unlock_page(page_of(f->cache[2]));
		close_stage();
	}
}

static void cached(u64 first, u64 end)
{
	for (u64 p = 0; p < FILE_PAGES; p++)
		assert_int_equal(!!f->cache[p], p >= first && p < end);
}

/* A missing page has the window around it read, the one page marked three quarters
 * on the next window; the marked one is left out of fault-around. */
static void test_reads_around(void **state)
{
	open_as("v6.1", FILE_DISK);
	f->readahead = 4;
	vma_add_file(mm, AT, FILE_PAGES, SHARED, f, 0);
	forget_counts();
	expect(0, AT + 3, 103);
	cached(1, 5);
	assert_int_equal(counted(CTR_FILE_READS), 1);
	for (u64 p = 1; p < 4; p++)
		expect(0, AT + p, 100 + p);
	assert_int_equal(entry(mm, AT + 4), 0);
	cached(1, 5);
	assert_int_equal(counted(CTR_FILE_READS), 0);
	expect(0, AT + 4, 104);
	cached(1, FILE_PAGES);
	assert_int_equal(counted(CTR_FILE_READS), 1);
	close_stage();
}

/* From the beginning: the first page is missing, no other, and a window is asked for
 * once. Not of files in memory. */
static void test_reads_ahead(void **state)
{
	open_as("v6.1", FILE_DISK);
	f->readahead = 4;
	vma_add_file(mm, AT, FILE_PAGES, SHARED, f, 0);
	expect(0, AT, 100);
	cached(0, 4);
	forget_counts();
	for (u64 p = 1; p < FILE_PAGES; p++) {
		assert_true(f->cache[p]);
		expect(0, AT + p, 100 + p);
		cached(0, p < 3 ? 4 : FILE_PAGES);
	}
	assert_int_equal(counted(CTR_FILE_READS), 1);
	close_stage();

	open_as("v6.1", 0);
	f->readahead = 4;
	vma_add_file(mm, AT, FILE_PAGES, SHARED, f, 0);
	expect(0, AT, 0);
	for (u64 p = 0; p < 4; p++)
		expect(0, AT + p, 0);
	cached(0, 4);
	close_stage();
}

/* ---- write-back ------------------------------------------------------------------------- */

static void test_fdatasync(void **state)
{
	open_as("v6.1", FILE_DISK);
	vma_add_file(mm, AT, FILE_PAGES, SHARED, f, 0);
	vma_add_file(other, 40, FILE_PAGES, SHARED, f, 0);
	for (u64 p = 0; p < 3; p++)
		store((u32)p, AT + p, 10 + p);
	expect(OTHER, 40, 10);
	forget_counts();
	do_fdatasync(f);
	/* One flush of one page each: nobody else's entry could be stored to. */
	flushes(3, 3);
	for (u64 p = 0; p < 3; p++) {
		assert_int_equal(f->disk[p], 10 + p);
		assert_false(is_dirty(p));
		assert_int_equal(entry(mm, AT + p) & (PTE_P | PTE_RW | PTE_D),
				 PTE_P);
	}
	assert_int_equal(f->disk[3], 103);
	do_fdatasync(f);
	flushes(0, 0);
	/* Seen again, by another thread's stale entry, too. */
	store(2, AT, 20);
	assert_true(is_dirty(0));
	assert_int_equal(f->disk[0], 10);
	assert_int_equal(do_msync(mm, AT + 1, 4), 0);
	assert_int_equal(f->disk[0], 10);
	assert_int_equal(do_msync(mm, 0, 64), 0);
	assert_int_equal(f->disk[0], 20);
	/* In memory only: nothing to do. */
	close_stage();
}

/* What was stored to is known to be dirty once it is no longer mapped. */
static void test_munmap_of_dirty(void **state)
{
	static const char *const era[] = { "v3.13", "v3.15", "v6.1", "v6.14" };

	for (u32 i = 0; i < ARRAY_LEN(era); i++) {
		open_as(era[i], FILE_DISK);
		vma_add_file(mm, AT, FILE_PAGES, SHARED, f, 0);
		for (u64 p = 0; p < 3; p++)
			store(0, AT + p, 10 + p);
		expect(1, AT + 4, 104);
		for (u64 p = 0; p < 3; p++)
			page_of(f->cache[p])->is_dirty = 0;
		forget_counts();
		assert_int_equal(do_munmap(mm, AT + 1, 7), 0);
		assert_int_equal(counted(CTR_TLB_FLUSH), 1);
		gone(0, AT + 1);
		assert_false(is_dirty(0));
		assert_true(is_dirty(1));
		assert_true(is_dirty(2));
		assert_false(is_dirty(4));
		assert_int_equal(page_of(f->cache[1])->mapcount, 0);
		assert_int_equal(page_of(f->cache[1])->refcount, 1);
		set_page_dirty(page_of(f->cache[0]));
		do_fdatasync(f);
		assert_int_equal(f->disk[2], 12);
		close_stage();
	}
}

/* Dirty pages of a file are flushed table by table from 3.15, clean ones and
 * anonymous ones once. */
static void test_zap_counts(void **state)
{
	static const struct { const char *kernel; u64 dirty, clean; } era[] = {
		{ "v3.13", 1, 1 }, { "v6.1", 2, 1 }, { "v6.14", 2, 1 },
	};

	for (u32 i = 0; i < ARRAY_LEN(era); i++) {
		open_as(era[i].kernel, 0);
		vma_add_file(mm, AT + 4, FILE_PAGES, SHARED, f, 0);
		vma_add(mm, AT + 12, 20, RW);
		for (u64 p = 0; p < FILE_PAGES; p++)
			store(0, AT + 4 + p, 1 + p);
		forget_counts();
		assert_int_equal(do_madvise(mm, AT + 4, FILE_PAGES,
					    MADV_DONTNEED), 0);
		assert_int_equal(counted(CTR_TLB_FLUSH), era[i].dirty);
		for (u64 p = 0; p < FILE_PAGES; p++)
			expect(1, AT + 4 + p, 1 + p);
		forget_counts();
		assert_int_equal(do_madvise(mm, AT + 4, FILE_PAGES,
					    MADV_DONTNEED), 0);
		assert_int_equal(counted(CTR_TLB_FLUSH), era[i].clean);
		close_stage();
	}
}

/* ---- discarding, truncating ------------------------------------------------------------- */

static void test_dontneed(void **state)
{
	open_as("v6.1", FILE_DISK);
	vma_add_file(mm, AT, FILE_PAGES, SHARED, f, 0);
	vma_add_file(mm, AT + 8, FILE_PAGES, RW, f, 0);
	store(0, AT, 1);
	store(0, AT + 8, 2);
	expect(0, AT + 9, 101);
	assert_int_equal(do_madvise(mm, AT, 16, MADV_FREE), -EINVAL);
	expect(1, AT + 8, 2);
	assert_int_equal(do_madvise(mm, AT, 16, MADV_DONTNEED), 0);
	expect(1, AT, 1);
	expect(1, AT + 8, 1);
	expect(1, AT + 9, 101);
	close_stage();
}

static void test_truncate(void **state)
{
	open_as("v6.1", FILE_DISK);
	vma_add_file(mm, AT, FILE_PAGES, SHARED, f, 0);
	vma_add_file(mm, AT + 8, FILE_PAGES, RW, f, 0);
	vma_add_file(other, 40, 4, SHARED, f, 4);
	for (u64 p = 0; p < FILE_PAGES; p++)
		store(0, AT + p, 1 + p);
	store(1, AT + 8 + 5, 60);
	store(1, AT + 8 + 1, 61);
	expect(OTHER, 41, 6);
	assert_int_equal(do_truncate(f, FILE_PAGES + 1), -EINVAL);
	assert_int_equal(do_truncate(f, 5), 0);
	expect(0, AT + 4, 5);
	gone(0, AT + 5);
	gone(1, AT + 8 + 5);
	expect(1, AT + 8 + 1, 61);
	expect(OTHER, 40, 5);
	gone(OTHER, 41);
	for (u64 p = 5; p < FILE_PAGES; p++)
		assert_int_equal(f->cache[p], 0);
	/* Longer again: holes. */
	assert_int_equal(do_truncate(f, 7), 0);
	expect(0, AT + 5, 0);
	store(OTHER, 41, 9);
	expect(0, AT + 5, 9);
	gone(0, AT + 7);
	close_stage();
}

static void test_driver_takes_back(void **state)
{
	u64 pfn;

	open_as("v6.1", FILE_DEVICE);
	vma_add_file(mm, AT, 2, SHARED, f, 0);
	store(0, AT, 1);
	expect(1, AT, 1);
	pfn = pte_pfn(entry(mm, AT));
	assert_int_equal(page_of(pfn)->mapcount, 0);
	assert_int_equal(page_of(pfn)->refcount, 1);
	forget_counts();
	device_release(f);
	flushes(1, 1);
	assert_true(page_of(pfn)->is_free);
	gone(0, AT);
	race_close(sys);        /* what was stored is the driver's */
}

/* ---- VMAs ------------------------------------------------------------------------------- */

static void test_vmas(void **state)
{
	u32 n = 0;

	open_as("v6.1", FILE_DISK);
	vma_add_file(mm, AT, FILE_PAGES, SHARED, f, 0);
	for (u64 p = 0; p < FILE_PAGES; p++)
		store(0, AT + p, 1 + p);
	assert_int_equal(do_munmap(mm, AT + 3, 2), 0);
	assert_int_equal(do_mprotect(mm, AT, 2, VM_READ), 0);
	for (struct vma *v = f->i_mmap; v; v = v->next_mapping)
		n++;
	assert_int_equal(n, 3);
	assert_int_equal(try_store(AT, 9), -EFAULT);
	assert_int_equal(do_mprotect(mm, AT, 2, RW), 0);
	assert_true(find_vma(mm, AT)->flags & VM_SHARED);
	store(0, AT, 21);
	assert_int_equal(do_mremap(mm, AT + 5, 3, 44, 3), 0);
	expect(0, 46, 8);
	gone(0, AT + 7);
	store(1, 46, 9);
	do_fdatasync(f);
	assert_int_equal(f->disk[0], 21);
	assert_int_equal(f->disk[7], 9);
	/* Clean: mprotect does not make it writable behind write-back's back. */
	assert_int_equal(do_mprotect(mm, 44, 3, VM_READ), 0);
	assert_int_equal(do_mprotect(mm, 44, 3, RW), 0);
	store(1, 46, 10);
	assert_true(is_dirty(7));
	close_stage();
}

static void test_fork(void **state)
{
	struct mm *child;

	open_as("v6.1", FILE_DISK);
	vma_add_file(mm, AT, FILE_PAGES, SHARED, f, 0);
	vma_add_file(mm, AT + 8, FILE_PAGES, RW, f, 0);
	vma_add_file(mm, AT + 16, FILE_PAGES, RW, f, 0);
	store(0, AT, 1);
	store(0, AT + 9, 2);
	expect(0, AT + 16, 1);
	child = dup_mm(mm);
	assert_non_null(child);
	/* What a fault finds again is not copied. */
	assert_null(pgtable_entry(child, AT, 0) ? (void *)1 : NULL);
	assert_int_equal(entry(child, AT + 9) & (PTE_P | PTE_RW), PTE_P);
	assert_int_equal(entry(child, AT + 16), 0);
	this_cpu = &sys->cpu[OTHER];
	switch_mm(child);
	expect(OTHER, AT, 1);
	expect(OTHER, AT + 9, 2);
	store(OTHER, AT + 9, 3);
	store(OTHER, AT, 4);
	expect(0, AT + 9, 2);
	expect(0, AT, 4);
	this_cpu = &sys->cpu[OTHER];
	switch_mm(other);
	this_cpu = &sys->cpu[0];
	exit_mmap(child);
	expect(0, AT, 4);
	close_stage();
}

/* ---- pages that go elsewhere ------------------------------------------------------------- */

static void test_reclaim(void **state)
{
	u64 pfn[3];

	open_as("v6.1", FILE_DISK);
	vma_add_file(mm, AT, FILE_PAGES, SHARED, f, 0);
	expect(0, AT, 100);
	store(0, AT + 1, 7);
	(void)trylock_page(page_of(f->cache[1]));
	for (u64 p = 0; p < 2; p++)
		pfn[p] = f->cache[p];
	/* Not what somebody has locked. */
	assert_int_equal(reclaim_frames(pfn, 2), 1);
	unlock_page(page_of(f->cache[1]));
	assert_int_equal(f->cache[0], 0);
	/* That it is dirty may be known from its entry alone. */
	page_of(f->cache[1])->is_dirty = 0;
	assert_int_equal(reclaim_frames(pfn + 1, 1), 1);
	assert_int_equal(f->disk[1], 7);
	assert_int_equal(entry(mm, AT) | entry(mm, AT + 1), 0);
	expect(1, AT, 100);
	expect(1, AT + 1, 7);
	close_stage();

	/* Nowhere to go. */
	open_as("v6.1", 0);
	vma_add_file(mm, AT, FILE_PAGES, SHARED, f, 0);
	store(0, AT, 7);
	pfn[0] = f->cache[0];
	assert_int_equal(reclaim_frames(pfn, 1), 0);
	expect(1, AT, 7);
	close_stage();
}

static void test_migration(void **state)
{
	u32 pfn;

	open_as("v6.1", FILE_DISK);
	vma_add_file(mm, AT, FILE_PAGES, SHARED, f, 0);
	vma_add_file(mm, AT + 8, FILE_PAGES, RW, f, 0);
	store(0, AT, 7);
	expect(1, AT + 8, 7);
	expect(1, AT + 9, 101);
	page_of(f->cache[0])->is_dirty = 0;
	for (u64 p = 0; p < 2; p++) {
		pfn = f->cache[p];
		assert_true(compact_page(page_of(pfn), 1));
		assert_int_not_equal(f->cache[p], pfn);
		assert_true(page_of(pfn)->is_free);
	}
	assert_true(is_dirty(0));
	assert_false(is_dirty(1));
	expect(2, AT, 7);
	expect(2, AT + 8, 7);
	do_fdatasync(f);
	store(2, AT, 8);
	assert_true(is_dirty(0));
	/* Not mapped, but in memory. */
	do_munmap(mm, AT, 16);
	pfn = f->cache[0];
	assert_true(compact_page(page_of(pfn), 0));
	vma_add_file(mm, AT, FILE_PAGES, SHARED, f, 0);
	expect(0, AT, 8);
	close_stage();
}

/* ---- a random program ---------------------------------------------------------------------- */

#define NR_MAPS 3

static const struct { u32 cpu; u64 at; bool is_private; } map_of[NR_MAPS] = {
	{ 0, 8, false }, { 1, 16, true }, { OTHER, 40, false },
};

/* The naive file: what it has, what of it each private mapping has its own of. */
static struct {
	u64 size, value[FILE_PAGES], own[FILE_PAGES];
	bool is_own[FILE_PAGES], is_mapped[NR_MAPS][FILE_PAGES];
} ref;

static struct mm *mm_of(u32 i)
{
	return map_of[i].cpu == OTHER ? other : mm;
}

static void ref_access(struct rng *r, u32 m, u64 p, u64 stamp)
{
	bool is_write = rng_below(r, 2), ok;
	u64 v = stamp, *want = &ref.value[p];
	int rc;

	this_cpu = &sys->cpu[map_of[m].cpu == OTHER ? OTHER : rng_below(r, T)];
	if (is_write)
		rc = try_store(map_of[m].at + p, v);
	else
		rc = cpu_access(map_of[m].at + p, 0, false, &v);
	ok = ref.is_mapped[m][p] &&
	     (p < ref.size || (map_of[m].is_private && ref.is_own[p]));
	assert_int_equal(rc, ok ? 0 : -EFAULT);
	if (!ok)
		return;
	if (map_of[m].is_private && is_write && !ref.is_own[p])
		ref.is_own[p] = true;
	if (map_of[m].is_private && ref.is_own[p])
		want = &ref.own[p];
	if (is_write)
		*want = stamp;
	else
		assert_int_equal(v, *want);
}

static void drop_own(u64 first, u64 end)
{
	for (u64 p = first; p < end; p++)
		ref.is_own[p] = false;
}

static void ref_unmap(u32 m, u64 p, u64 n)
{
	this_cpu = &sys->cpu[map_of[m].cpu];
	assert_int_equal(do_munmap(mm_of(m), map_of[m].at + p, n), 0);
	for (u64 i = p; i < p + n; i++)
		ref.is_mapped[m][i] = false;
	if (map_of[m].is_private)
		drop_own(p, p + n);
}

static void ref_map(u32 m)
{
	ref_unmap(m, 0, FILE_PAGES);
	this_cpu = &sys->cpu[map_of[m].cpu];
	assert_non_null(vma_add_file(mm_of(m), map_of[m].at, FILE_PAGES,
				     map_of[m].is_private ? RW : SHARED, f, 0));
	for (u64 p = 0; p < FILE_PAGES; p++)
		ref.is_mapped[m][p] = true;
}

static void ref_dontneed(u32 m, u64 p, u64 n)
{
	this_cpu = &sys->cpu[map_of[m].cpu];
	assert_int_equal(do_madvise(mm_of(m), map_of[m].at + p, n,
				    MADV_DONTNEED), 0);
	if (map_of[m].is_private)
		drop_own(p, p + n);
}

static void ref_truncate(u64 size)
{
	assert_int_equal(do_truncate(f, size), 0);
	/* Seen by all before the next one acts. */
	the_sys->drv.wait(NULL, NULL, NULL, 0);
	for (u64 p = size; p < ref.size; p++)
		ref.value[p] = 0;
	if (size < ref.size)
		drop_own(size, ref.size);
	ref.size = size;
}

static void ref_sync(void)
{
	do_fdatasync(f);
	for (u64 p = 0; p < ref.size; p++)
		if (f->cache[p])
			assert_int_equal(f->disk[p], ref.value[p]);
}

static void ref_reclaim(u64 p)
{
	u64 pfn = f->cache[p];

	if (pfn)
		reclaim_frames(&pfn, 1);
}

static void random_call(struct rng *r, u64 stamp)
{
	u32 m = (u32)rng_below(r, NR_MAPS);
	u64 p = rng_below(r, FILE_PAGES), n = 1 + rng_below(r, FILE_PAGES - p);
	u32 what = (u32)rng_below(r, 40);

	if (what < 28)
		ref_access(r, m, p, stamp);
	else if (what < 30)
		ref_map(m);
	else if (what < 31)
		ref_unmap(m, p, n);
	else if (what < 33)
		ref_dontneed(m, p, n);
	else if (what < 34)
		ref_truncate(p ? p : 1);
	else if (what < 35)
		ref_truncate(FILE_PAGES);
	else if (what < 37)
		ref_sync();
	else if (what < 39)
		ref_reclaim(p);
	else if (f->cache[p])
		compact_page(page_of(f->cache[p]), (u32)rng_below(r, 2));
}

static void test_random(void **state)
{
	static const char *const era[] = { "v3.13", "v4.14", "v6.1", "v6.14" };
	u64 seed = check_seed("test_random");

	for (u32 i = 0; i < 24; i++) {
		struct rng r;

		rng_init(&r, seed * 100 + i);
		open_as(era[i % ARRAY_LEN(era)], FILE_DISK);
		memset(&ref, 0, sizeof(ref));
		ref.size = FILE_PAGES;
		for (u64 p = 0; p < FILE_PAGES; p++)
			ref.value[p] = 100 + p;
		for (u32 m = 0; m < NR_MAPS; m++)
			ref_map(m);
		for (u64 s = 1; s < 600; s++)
			random_call(&r, 1000 + s);
		this_cpu = &sys->cpu[0];
		ref_sync();
		close_stage();
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_shared_and_private),
	cmocka_unit_test(test_writenotify),
	cmocka_unit_test(test_fault_around),
	cmocka_unit_test(test_reads_around),
	cmocka_unit_test(test_reads_ahead),
	cmocka_unit_test(test_fdatasync),
	cmocka_unit_test(test_munmap_of_dirty),
	cmocka_unit_test(test_zap_counts),
	cmocka_unit_test(test_dontneed),
	cmocka_unit_test(test_truncate),
	cmocka_unit_test(test_driver_takes_back),
	cmocka_unit_test(test_vmas),
	cmocka_unit_test(test_fork),
	cmocka_unit_test(test_reclaim),
	cmocka_unit_test(test_migration),
	cmocka_unit_test(test_random),
};

TEST_MAIN_ON(machine, RACE_STAGE_TOPOLOGY, tests)
