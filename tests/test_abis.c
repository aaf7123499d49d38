/* test_abis.c - whom ABIS interrupts for a page that one CPU has touched. */
#include <errno.h>

#include "tests/point.h"

static struct mm *mm;

enum { BEFORE = 1, AFTER = 2, FLUSHES = 4 };
static u32 does;

#define FIRST 0x1000ull

static int setup(struct wl *w, struct err *e)
{
	int rc = 0;

	mm = mm_create();
	if (!mm || !vma_add(mm, FIRST, 1024, VM_READ | VM_WRITE))
		return -ENOMEM;
	for (u32 i = 0; i < 2 && !rc; i++)
		rc = wl_start(w, i, mm, e);
	return rc;
}

static void touch_page(void)
{
	const struct run r = {
		.va = FIRST << PAGE_SHIFT, .count = 1, .bytes = 8,
		.op = RUN_WRITE,
	};

	wl_runs(&r, 1);
}

/* CPU 0 touches the page before or after it drops all it has, CPU 1 takes it. */
static void body(struct wl *w, u32 i)
{
	const u64 step = the_sys->m->hz / 1000;

	if (i) {
		the_sys->drv.delay(3 * step);
		do_munmap(mm, FIRST, 1);
		return;
	}
	if (does & BEFORE)
		touch_page();
	the_sys->drv.delay(step);
	if (does & FLUSHES)
		flush_tlb_mm(mm, FLUSH_DEBT);
	if (does & AFTER)
		touch_page();
	the_sys->drv.delay(5 * step);
}

/* For the page alone. */
static u64 interrupts(u32 what, bool has_epochs)
{
	const struct workload w = {
		.name = "abis", .setup = setup, .body = body, .cfg_bytes = 1,
	};
	struct flush_ops f = *flush_find("abis");
	struct timed_result *r;
	struct setup s;
	u64 n;

	does = what;
	if (!has_epochs)
		f.emptied = NULL;
	point_make(&s, &w, PAIRS("machine", "pack:1 core:2 pu:1", "threads",
				 "2", "thp", "no"));
	s.p.flush = &f;
	r = point_run(&s);
	n = r->count.v[CTR_IPIS_SENT] - !!(what & FLUSHES);
	point_free(&s);
	free(r);
	return n;
}

/* Nobody, if the one who touched it has dropped everything since; him, if he has not,
 * or touched it again. */
static void test_epochs_spare_the_owner(void **state)
{
	assert_int_equal(interrupts(BEFORE, true), 1);
	assert_int_equal(interrupts(BEFORE | FLUSHES, true), 0);
	assert_int_equal(interrupts(BEFORE | FLUSHES, false), 1);
	assert_int_equal(interrupts(BEFORE | FLUSHES | AFTER, true), 1);
	assert_int_equal(interrupts(FLUSHES | AFTER, true), 1);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_epochs_spare_the_owner),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
