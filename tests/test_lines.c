/* What of an address space lies in one cache line, and what does not, is as in
 * Linux's struct mm_struct: costs of contention follow from it. */
#include <stddef.h>

#include "tests/check.h"

#include "mm/mm.h"

#define LINE(f) (offsetof(struct mm, f) / 64)

/* Compiled from Debian's headers, 6.1.176: pgd 72, mmap_lock.count 112, rss_stat 720,
 * context.tlb_gen 768, tlb_flush_pending 972, tlb_flush_batched 976, mm_cpumask
 * 1088; numa_next_scan 952, in the line before. */
static void test_layout(void **state)
{
	assert_int_equal(LINE(root), LINE(mmap_lock));
	assert_int_equal(LINE(mmap_lock.waiting), LINE(mmap_lock.readers));
	assert_int_not_equal(LINE(mmap_lock.has_owner), LINE(mmap_lock));
	assert_int_not_equal(LINE(rss), LINE(mmap_lock.has_owner));
	assert_int_not_equal(LINE(rss), LINE(tlb_gen));
	assert_int_not_equal(LINE(tlb_gen), LINE(mmap_lock));
	assert_int_not_equal(LINE(tlb_gen), LINE(tlb_flush_pending));
	assert_int_equal(LINE(tlb_flush_pending), LINE(tlb_flush_batched));
	assert_int_not_equal(LINE(cpumask), LINE(tlb_flush_pending));
	assert_int_equal(offsetof(struct mm, cpumask) % 64, 0);
	assert_int_equal(sizeof(struct mm) % 64, 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_layout),
};

TEST_MAIN(tests)
