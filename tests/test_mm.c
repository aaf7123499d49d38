/* mm's operations one after another on the direct driver: contents, rights,
 * counts of flushes and interrupts; a random program of them against a naive
 * address space. The TLB keeps every stale entry for as long as it may, and
 * uses it, so a missing flush shows. What happens when they meet is
 * test_race.c's.
 */
#include "tests/stage.h"

#include <errno.h>

#include "base/rng.h"
#include "cpu/direct.h"
#include "emu/race_run.h"
#include "mm/oracle.h"
#include "mm/pieces.h"
#include "mm/truth.h"
#include "workloads/race.h"

#define RW (VM_READ | VM_WRITE)
#define T 3             /* threads of the process                            */
#define CHILD 3         /* the CPU on which a child runs                     */
#define NR_PAGES 64     /* two levels of eight entries                       */

static struct mm *mm;

static int stage(const struct race_row *row, const struct kernel *k,
		 struct sys *s)
{
	mm = mm_create();
	if (!mm)
		return -ENOMEM;
	mm->start_brk = mm->brk = 48;
	for (u32 i = 0; i < T; i++)
		if (race_task(i, "thread", mm, nobody, 0))
			return -ENOMEM;
	return race_task(CHILD, "child", NULL, nobody, 0);
}

static const struct race small = {
	.name = "mm", .nr_cpus = 4, .stage = stage,
	.paging = { .levels = 2, .bits = 3 }, .frames_per_node = 400,
};

static int get(u64 vpn, u64 *v)
{
	return cpu_access(vpn, 0, false, v);
}

static void expect(u64 vpn, u64 want)
{
	u64 v = ~0ull;

	assert_int_equal(get(vpn, &v), 0);
	assert_int_equal(v, want);
}

static void gone(u64 vpn)
{
	u64 v;

	assert_int_equal(get(vpn, &v), -EFAULT);
}

/* ---- counts ------------------------------------------------------------------------- */

/* Since the last call, over all CPUs. */
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

/* @n flushes, each of which interrupts the other threads' CPUs; @full of them
 * dropped everything, the others @pages pages together. */
static void flushes(u64 n, u64 full, u64 pages)
{
	assert_int_equal(counted(CTR_TLB_FLUSH), n);
	assert_int_equal(counted(CTR_IPIS_SENT), n * (T - 1));
	assert_int_equal(counted(CTR_LOCAL_FLUSH_ALL), full * T);
	assert_int_equal(counted(CTR_LOCAL_FLUSH_ONE), pages * T);
}

static void populate(u64 from, u64 n, u64 value)
{
	this_cpu = &sys->cpu[0];
	for (u64 i = 0; i < n; i++)
		assert_int_equal(try_store(from + i, value + i), 0);
	forget_counts();
}

/* ---- madvise -------------------------------------------------------------------------- */

static void test_dontneed(void **state)
{
	open_stage(&small, "v6.1");
	vma_add(mm, 8, 16, RW);
	populate(8, 4, 100);
	assert_int_equal(do_madvise(mm, 9, 2, MADV_DONTNEED), 0);
	flushes(1, 0, 2);
	expect(8, 100);
	expect(9, 0);
	expect(10, 0);
	expect(11, 103);
	forget_counts();
	/* Nothing there, nothing to flush. */
	assert_int_equal(do_madvise(mm, 12, 8, MADV_DONTNEED), 0);
	flushes(0, 0, 0);
	close_stage();
}

static void test_free_keeps_until_reclaimed(void **state)
{
	u64 *p;

	open_stage(&small, "v6.1");
	vma_add(mm, 8, 8, RW);
	populate(8, 2, 100);
	assert_int_equal(do_madvise(mm, 8, 1, MADV_FREE), 0);
	flushes(1, 0, 1);
	p = pgtable_entry(mm, 8, 0);
	assert_int_equal(*p & (PTE_P | PTE_RW | PTE_D), PTE_P | PTE_RW);
	assert_int_equal(page_of(pte_pfn(*p))->is_lazyfree, 1);
	expect(8, 100);
	expect(9, 101);
	/* Another store, and it is wanted again. */
	assert_int_equal(try_store(8, 7), 0);
	assert_true(*p & PTE_D);
	forget_counts();
	close_stage();
}

/* ---- brk, munmap ------------------------------------------------------------------------ */

static void test_brk(void **state)
{
	open_stage(&small, "v6.1");
	gone(48);
	assert_int_equal(do_brk(mm, 47), -EINVAL);
	assert_int_equal(do_brk(mm, 52), 0);
	populate(48, 4, 1);
	gone(52);
	assert_int_equal(do_brk(mm, 54), 0);
	assert_ptr_equal(find_vma(mm, 48), find_vma(mm, 53));
	populate(52, 2, 5);
	assert_int_equal(do_brk(mm, 50), 0);
	flushes(1, 0, 4);
	gone(50);
	expect(49, 2);
	assert_int_equal(do_brk(mm, 52), 0);
	expect(50, 0);
	vma_add(mm, 56, 1, RW);
	assert_int_equal(do_brk(mm, 57), -ENOMEM);
	assert_int_equal(mm->brk, 52);
	close_stage();
}

/* mmap continues the VMA that ends where it begins, with the same rights only; what
 * is unmapped in between is split off, and not joined by what comes above it. */
static void test_mmap_continues(void **state)
{
	u64 at;

	open_stage(&small, "v6.1");
	at = do_mmap(mm, 2, RW);
	assert_true(at > 0);
	assert_int_equal(do_mmap(mm, 3, RW), at + 2);
	assert_ptr_equal(find_vma(mm, at), find_vma(mm, at + 4));
	populate(at, 5, 1);
	assert_int_equal(do_mmap(mm, 1, VM_READ), at + 5);
	assert_ptr_not_equal(find_vma(mm, at), find_vma(mm, at + 5));
	assert_int_equal(do_mmap(mm, 1, RW), at + 6);
	assert_ptr_not_equal(find_vma(mm, at + 5), find_vma(mm, at + 6));
	forget_counts();
	assert_int_equal(do_munmap(mm, at + 1, 2), 0);
	flushes(1, 0, 2);
	gone(at + 1);
	expect(at, 1);
	expect(at + 4, 5);
	assert_ptr_not_equal(find_vma(mm, at), find_vma(mm, at + 3));
	close_stage();
}

/* The middle of one VMA, and across two. */
static void test_munmap_splits(void **state)
{
	open_stage(&small, "v6.1");
	vma_add(mm, 8, 6, RW);
	vma_add(mm, 14, 4, RW);
	populate(8, 10, 1);
	assert_int_equal(do_munmap(mm, 10, 2), 0);
	flushes(1, 0, 2);
	assert_int_equal(do_munmap(mm, 13, 3), 0);
	flushes(1, 0, 3);
	for (u64 v = 8; v < 18; v++)
		if (v == 10 || v == 11 || (v >= 13 && v < 16))
			gone(v);
		else
			expect(v, v - 7);
	/* Nothing there is no error. */
	assert_int_equal(do_munmap(mm, 10, 2), 0);
	assert_int_equal(do_munmap(mm, 10, 0), -EINVAL);
	close_stage();
}

/* ---- mremap ------------------------------------------------------------------------------ */

static void test_mremap_moves(void **state)
{
	open_stage(&small, "v6.1");
	vma_add(mm, 8, 8, RW);
	vma_add(mm, 33, 3, RW);
	populate(8, 8, 1);
	populate(33, 3, 50);
	/* Onto something, not aligned: one table at a time, one flush each,
	 * after the one of what was there. */
	assert_int_equal(do_mremap(mm, 9, 4, 34, 4), 0);
	flushes(2, 0, 2 + 4);
	expect(8, 1);
	for (u64 i = 0; i < 4; i++) {
		gone(9 + i);
		expect(34 + i, 2 + i);
	}
	expect(13, 6);
	expect(33, 50);
	assert_int_equal(do_mremap(mm, 9, 1, 40, 1), -EFAULT);
	assert_int_equal(do_mremap(mm, 34, 4, 36, 4), -EINVAL);
	/* Longer: the rest is fresh. And back, shorter. */
	assert_int_equal(do_mremap(mm, 34, 4, 20, 6), 0);
	expect(23, 5);
	expect(25, 0);
	assert_int_equal(do_mremap(mm, 20, 6, 9, 2), 0);
	expect(10, 3);
	gone(20);
	gone(24);
	close_stage();
}

/* Linux 6.1: a whole table goes with one full flush; before 4.20 entry by
 * entry, with one flush a table, ranged up to the ceiling, and one more for the
 * two tables that are left and freed: a page at the beginning of each, so nine
 * with what is between. */
static void test_mremap_of_a_table(void **state)
{
	/* 6.1 moves the two tables whole, 4.9 to 4.18 flush the dirty entries of
	 * each under its locks, earlier ones all at the end, and more than 8
	 * pages by dropping everything. munmap's flush of the tables, 9 pages
	 * where entries moved one by one, comes on top. */
	static const struct {
		const char *kernel;
		u64 flushes, full, pages;
	} era[] = {
		{ "v6.1", 2, 0, 16 },
		{ "v4.14", 2 + 1, 0, 16 + 9 },
		{ "v3.13", 1 + 1, 2, 0 },
	};

	for (u32 i = 0; i < ARRAY_LEN(era); i++) {
		open_stage(&small, era[i].kernel);
		vma_add(mm, 8, 16, RW);
		populate(8, 16, 1);
		assert_int_equal(do_mremap(mm, 8, 16, 32, 16), 0);
		flushes(era[i].flushes, era[i].full, era[i].pages);
		for (u64 v = 0; v < 16; v++)
			expect(32 + v, 1 + v);
		gone(8);
		close_stage();
	}
}

static void test_mremap_of_huge_pages(void **state)
{
	open_stage(&small, "v6.1");
	vma_add(mm, 8, 16, RW | VM_HUGE);
	populate(8, 16, 1);
	assert_true(pmd_is_huge(*pgtable_entry(mm, 8, PMD_LEVEL)));
	assert_int_equal(do_mremap(mm, 8, 8, 32, 8), 0);
	assert_true(pmd_is_huge(*pgtable_entry(mm, 32, PMD_LEVEL)));
	assert_int_equal(counted(CTR_TLB_FLUSH), 1);
	for (u64 v = 0; v < 8; v++)
		expect(32 + v, 1 + v);
	/* Not aligned: split first. */
	assert_int_equal(do_mremap(mm, 16, 8, 41, 8), 0);
	for (u64 v = 0; v < 8; v++)
		expect(41 + v, 9 + v);
	gone(16);
	close_stage();
}

/* ---- fork --------------------------------------------------------------------------------- */

static void in_child(struct mm *child)
{
	this_cpu = &sys->cpu[CHILD];
	switch_mm(child);
}

static void test_fork_counts(void **state)
{
	struct mm *child;

	open_stage(&small, "v6.1");
	vma_add(mm, 8, 16, RW);
	populate(8, 8, 1);
	child = dup_mm(mm);
	assert_non_null(child);
	flushes(1, 1, 0);
	in_child(child);
	for (u64 v = 0; v < 8; v++)
		expect(8 + v, 1 + v);
	/* The parent's store: a copy, one page flushed. */
	this_cpu = &sys->cpu[0];
	forget_counts();
	assert_int_equal(try_store(8, 77), 0);
	flushes(1, 0, 1);
	/* The child is the only one left: no copy, no flush. */
	in_child(child);
	forget_counts();
	expect(8, 1);
	assert_int_equal(try_store(8, 88), 0);
	assert_int_equal(counted(CTR_TLB_FLUSH), 0);
	this_cpu = &sys->cpu[0];
	expect(8, 77);
	in_child(child);
	expect(8, 88);
	oracle_quiescent();
	switch_mm(NULL);
	exit_mmap(child);
	this_cpu = &sys->cpu[0];
	forget_counts();
	assert_int_equal(try_store(9, 5), 0);
	flushes(0, 0, 0);
	expect(9, 5);
	close_stage();
}

static void test_fork_huge(void **state)
{
	struct mm *child;

	open_stage(&small, "v6.1");
	vma_add(mm, 8, 8, RW | VM_HUGE);
	populate(8, 8, 1);
	child = dup_mm(mm);
	assert_non_null(child);
	assert_int_equal(try_store(9, 70), 0);
	in_child(child);
	expect(9, 2);
	assert_int_equal(try_store(10, 80), 0);
	this_cpu = &sys->cpu[0];
	expect(10, 3);
	oracle_quiescent();
	in_child(NULL);
	exit_mmap(child);
	close_stage();
}

/* A child gives back half of a huge page: it maps the rest 4K by 4K, the parent all
 * of it whole. It moves with all its mappings, and a page that is mapped no more in
 * one place is in another. The last reference frees it, whole. What the parent's
 * store copies is the whole page or, where @splits, 4K of it. */
static void fork_huge_in_pieces(const char *kernel, bool splits)
{
	u64 pfn, nr_free = 0, left = 0, kept = splits ? 7 : 0;
	struct page *head;
	struct mm *child;

	open_stage(&small, kernel);
	vma_add(mm, 8, 8, RW | VM_HUGE);
	populate(8, 8, 1);
	child = dup_mm(mm);
	assert_non_null(child);
	in_child(child);
	assert_int_equal(do_munmap(child, 8, 4), 0);
	pfn = race_pfn(mm, 8);
	head = page_of(pfn);
	assert_true(pmd_is_huge(*pgtable_entry(mm, 8, PMD_LEVEL)));
	assert_false(pmd_is_huge(*pgtable_entry(child, 12, PMD_LEVEL)));
	assert_int_equal(race_pfn(child, 12), pfn + 4);
	assert_int_equal(head->refcount, 5);
	assert_int_equal(head->mapcount, 1);
	assert_int_equal(page_mapcount(head + 3, 0), 1);
	assert_int_equal(page_mapcount(head + 4, 0), 2);
	assert_int_equal(page_mapcount(head, PMD_LEVEL), 2);
	oracle_quiescent();

	assert_true(compact_page(head, 1));
	assert_true(page_of(pfn)->is_free);
	pfn = race_pfn(mm, 8);
	head = page_of(pfn);
	assert_int_equal(pfn_node(pfn), 1);
	assert_int_equal(race_pfn(child, 13), pfn + 5);
	assert_int_equal(head->refcount, 5);
	for (u64 v = 12; v < 16; v++)
		expect(v, v - 7);
	oracle_quiescent();

	/* The child's store is its own: a copy of 4K. */
	assert_int_equal(try_store(13, 99), 0);
	assert_int_equal(head->refcount, 4);
	assert_int_equal(page_mapcount(head + 5, 0), 1);
	this_cpu = &sys->cpu[0];
	expect(13, 6);
	/* And so is the parent's. */
	assert_int_equal(try_store(14, 77), 0);
	assert_int_equal(head->refcount, 3 + kept);
	assert_int_equal(pmd_is_huge(*pgtable_entry(mm, 14, PMD_LEVEL)),
			 !splits);
	oracle_quiescent();
	in_child(child);
	expect(14, 7);
	assert_int_equal(do_munmap(child, 12, 3), 0);
	assert_int_equal(head->refcount, 1 + kept);
	expect(15, 8);
	switch_mm(NULL);
	exit_mmap(child);
	this_cpu = &sys->cpu[0];
	assert_int_equal(head->refcount, kept);
	expect(8, 1);
	expect(14, 77);
	assert_int_equal(do_munmap(mm, 8, 8), 0);
	for (u64 i = 0; i < 8; i++) {
		nr_free += page_of(pfn + i)->is_free;
		left += page_of(pfn + i)->is_tail;
	}
	assert_true(head->is_free);
	assert_int_equal(left, 0);
	assert_int_equal(nr_free, 1);   /* as a huge page is */
	close_stage();
}

static void test_fork_huge_in_pieces(void **state)
{
	fork_huge_in_pieces("v5.7", false);
}

static void test_fork_huge_splits(void **state)
{
	fork_huge_in_pieces("v5.8", true);
	fork_huge_in_pieces("v6.1", true);
}

/* ---- against a naive address space -------------------------------------------------------- */

struct naive {
	struct mm *mm;
	u8 rights[NR_PAGES];
	u64 value[NR_PAGES];
};

static void check_all(const struct naive *n)
{
	for (u64 v = 0; v < NR_PAGES; v++) {
		u64 got = 0;
		int rc = get(v, &got);

		if (n->rights[v] & VM_READ ? rc || got != n->value[v]
					   : rc != -EFAULT)
			fail_msg("page %llu: %d, %llu instead of %u, %llu",
				 (unsigned long long)v, rc,
				 (unsigned long long)got, n->rights[v],
				 (unsigned long long)n->value[v]);
	}
}

static void forget(struct naive *n, u64 at, u64 nr, u32 rights)
{
	for (u64 i = 0; i < nr; i++) {
		n->value[at + i] = 0;
		n->rights[at + i] = (u8)rights;
	}
}

static void do_move(struct naive *n, u64 from, u64 to, u64 nr)
{
	struct vma *v = find_vma(n->mm, from);
	struct naive old = *n;
	int rc;

	if (!v || from + nr > v->end || (to < from + nr && from < to + nr))
		return;
	rc = do_mremap(n->mm, from, nr, to, nr);
	/* A huge page that a child shares does not split before 4.5. What was
	 * at the destination may be gone by then. */
	if (rc == -EBUSY && !kern()->huge_in_pieces) {
		for (u64 i = 0; i < nr; i++)
			if (!find_vma(n->mm, to + i))
				forget(n, to + i, 1, 0);
		return;
	}
	assert_int_equal(rc, 0);
	forget(n, from, nr, 0);
	memcpy(n->value + to, old.value + from, nr * sizeof(u64));
	memcpy(n->rights + to, old.rights + from, nr);
}

static bool is_free(const struct naive *n, u64 at, u64 nr)
{
	for (struct vma *v = n->mm->first; v; v = v->next)
		if (v->start < at + nr && v->end > at)
			return false;
	return true;
}

static void random_call(struct naive *n, struct rng *rng, u64 *next_value)
{
	u64 at = rng_below(rng, NR_PAGES), nr = 1 + rng_below(rng, 12);
	struct vma *v = find_vma(n->mm, at);
	int rc;

	if (at + nr > NR_PAGES)
		nr = NR_PAGES - at;
	switch (rng_below(rng, 8)) {
	case 0:
		if (is_free(n, at, nr)) {
			vma_add(n->mm, at, nr, RW | (rng_below(rng, 2)
						     ? VM_HUGE : 0));
			forget(n, at, nr, RW);
		}
		break;
	case 1:
		rc = do_munmap(n->mm, at, nr);
		if (!rc)
			forget(n, at, nr, 0);
		else
			assert_true(rc == -EBUSY && !kern()->huge_in_pieces);
		break;
	case 2:
		do_move(n, at, rng_below(rng, NR_PAGES - nr + 1), nr);
		break;
	case 3:
		if (!v || at + nr > v->end)
			break;
		rc = do_mprotect(n->mm, at, nr, rng_below(rng, 2) ? RW
				 : VM_READ);
		v = find_vma(n->mm, at);
		for (u64 i = 0; i < nr && !rc; i++)
			n->rights[at + i] = v->flags & RW;
		break;
	case 4:
		if (v && at + nr <= v->end &&
		    !do_madvise(n->mm, at, nr, MADV_DONTNEED))
			forget(n, at, nr, n->rights[at]);
		break;
	case 5: {
		u64 *p = pgtable_entry(n->mm, at, PMD_LEVEL);

		if (p && !pmd_is_huge(*p) && *p)
			p = pgtable_entry(n->mm, at, 0);
		if (p && (*p & PTE_P))
			compact_page(compound_head(page_of(pte_pfn(*p))),
				     (u32)rng_below(rng, 2));
		break;
	}
	default:
		rc = try_store(at, *next_value);
		assert_int_equal(rc, n->rights[at] & VM_WRITE ? 0 : -EFAULT);
		if (!rc)
			n->value[at] = (*next_value)++;
	}
}

static void random_program(const char *kernel, struct rng *rng)
{
	struct naive parent = { 0 }, child = { 0 };
	u64 next_value = 1;

	open_stage(&small, kernel);
	parent.mm = mm;
	for (u32 i = 0; i < 120; i++) {
		this_cpu = &sys->cpu[rng_below(rng, T)];
		if (child.mm && rng_below(rng, 2)) {
			this_cpu = &sys->cpu[CHILD];
			random_call(&child, rng, &next_value);
		} else {
			random_call(&parent, rng, &next_value);
		}
		if (rng_below(rng, 24) == 0 && !child.mm) {
			this_cpu = &sys->cpu[0];
			child = parent;
			child.mm = dup_mm(mm);
			assert_non_null(child.mm);
			in_child(child.mm);
		} else if (rng_below(rng, 40) == 0 && child.mm) {
			this_cpu = &sys->cpu[CHILD];
			check_all(&child);
			switch_mm(NULL);
			exit_mmap(child.mm);
			child.mm = NULL;
		}
		if (i % 8 == 7) {
			this_cpu = &sys->cpu[rng_below(rng, T)];
			check_all(&parent);
			if (child.mm) {
				this_cpu = &sys->cpu[CHILD];
				check_all(&child);
			}
		}
		oracle_quiescent();
	}
	close_stage();
}

static void test_random_programs(void **state)
{
	static const char *const kernel[] = { "v3.12", "v4.14", "v6.1", "v5.7" };
	struct rng rng;

	rng_init(&rng, check_seed("mm programs"));
	for (u32 i = 0; i < 300; i++)
		random_program(kernel[i % ARRAY_LEN(kernel)], &rng);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_dontneed),
	cmocka_unit_test(test_free_keeps_until_reclaimed),
	cmocka_unit_test(test_brk),
	cmocka_unit_test(test_mmap_continues),
	cmocka_unit_test(test_munmap_splits),
	cmocka_unit_test(test_mremap_moves),
	cmocka_unit_test(test_mremap_of_a_table),
	cmocka_unit_test(test_mremap_of_huge_pages),
	cmocka_unit_test(test_fork_counts),
	cmocka_unit_test(test_fork_huge),
	cmocka_unit_test(test_fork_huge_in_pieces),
	cmocka_unit_test(test_fork_huge_splits),
	cmocka_unit_test(test_random_programs),
};

TEST_MAIN_ON(machine, RACE_STAGE_TOPOLOGY, tests)
