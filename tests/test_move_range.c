/* test_move_range.c - migrate_vma(): all of a range goes, however many entries a
 * table has. */
#include "tests/point.h"

#define PAGES 1300u     /* more than the 512 that it moves at a time          */
#define AT (1u << 20)   /* vpn, where a table begins, of any size             */

static struct {
	struct mm *mm;
	u64 moved, there;
} T;

static int setup(struct wl *w, struct err *e)
{
	T.mm = mm_create();
	assert_non_null(vma_add(T.mm, AT, PAGES, VM_READ | VM_WRITE));
	w->nr_threads = 1;
	return wl_start(w, 0, T.mm, e);
}

static void body(struct wl *w, u32 t)
{
	for (u64 i = 0; i < PAGES; i++)
		assert_int_equal(0, handle_mm_fault(AT + i, true));
	T.moved = migrate_vma(T.mm, AT, PAGES, 1);
	for (u64 i = 0; i < PAGES; i++) {
		u64 e = pte_load(pgtable_entry(T.mm, AT + i, 0));

		T.there += (e & PTE_P) && pfn_node(pte_pfn(e)) == 1;
	}
}

/* By the name of the one that may have other base pages than 4K. */
static const struct workload move = {
	.name = "replay", .setup = setup, .body = body,
};

static void run(const char *profile, const char *granule)
{
	struct setup s;

	memset(&T, 0, sizeof(T));
	point_make(&s, &move,
		   PAIRS("machine", "pack:2 [numa(memory=256MiB)] core:1 pu:1",
			 "profile", profile, "granule", granule, "thp", "no"));
	free(point_run(&s));
	point_free(&s);
	assert_int_equal(PAGES, T.moved);
	assert_int_equal(PAGES, T.there);
}

/* 512, 2048 and 8192 entries a table. */
static void test_every_page_goes(void **state)
{
	run("skylake-sp", "4k");
	run("neoverse-n1", "16k");
	run("neoverse-n1", "64k");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_every_page_goes),
};

TEST_MAIN(tests)
