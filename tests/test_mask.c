/* test_mask.c - who stays in mm_cpumask, and how long. */
#include "tests/point.h"

static struct mm *mm_of[2];
static bool is_in[3];

static int setup(struct wl *w, struct err *e)
{
	int rc = 0;

	for (u32 i = 0; i < 2; i++)
		mm_of[i] = mm_create();
	for (u32 i = 0; i < 2 && !rc; i++)
		rc = wl_start(w, i, mm_of[0], e);
	return rc;
}

static void flush_once(u32 nr)
{
	flush_tlb_page(mm_of[0], 1, FLUSH_DEBT);
	is_in[nr] = mm_of[0]->cpumask[0] >> 1 & 1;
}

/* CPU 1 goes to another address space at once. CPU 0 flushes the first after half a
 * second, after more than one, and again. */
static void body(struct wl *w, u32 i)
{
	const u64 second = the_sys->m->hz;

	if (i) {
		switch_mm(mm_of[1]);
		the_sys->drv.delay(second * 2);
		switch_mm(mm_of[0]);
		return;
	}
	the_sys->drv.delay(second / 2);
	flush_once(0);
	the_sys->drv.delay(second + second / 10);
	flush_once(1);
	the_sys->drv.delay(second + second / 5);
	flush_once(2);
}

static u64 interrupts(const char *kernel)
{
	const struct workload w = {
		.name = "mask", .setup = setup, .body = body, .cfg_bytes = 1,
	};
	struct timed_result *r;
	struct setup s;
	u64 n;

	point_make(&s, &w, PAIRS("machine", "pack:1 core:2 pu:1", "kernel",
				 kernel, "threads", "2"));
	r = point_run(&s);
	n = r->count.v[CTR_IPIS_SENT];
	point_free(&s);
	free(r);
	return n;
}

/* Out of it at once; told by the next flush, and out of it; told once a second. */
static void test_who_has_left_is_told_once(void **state)
{
	assert_int_equal(interrupts("v6.1"), 0);
	assert_false(is_in[0]);
	assert_int_equal(interrupts("v6.13+lazy-mask"), 1);
	assert_false(is_in[0]);
	assert_int_equal(interrupts("v6.13+trim"), 1);
	assert_true(is_in[0]);
	assert_false(is_in[1]);
	assert_false(is_in[2]);
	assert_int_equal(interrupts("v6.18"), 1);
	assert_true(is_in[0]);
	assert_false(is_in[1]);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_who_has_left_is_told_once),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
