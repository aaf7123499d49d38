/* test_tables.c - what tables say to a walk: who sets A and D in them, how deep they
 * are, and where they end. */
#include <errno.h>

#include "tests/chase.h"

/* ---- who sets A and D ---------------------------------------------------------------- */

#define AD_PAGES 40u

static u64 ad_vpn;

static int ad_setup(struct wl *w, struct err *e)
{
	struct mm *mm = mm_create();

	w->nr_threads = 1;
	ad_vpn = wl_map(mm, AD_PAGES, VM_READ | VM_WRITE);
	return wl_start(w, 0, mm, e);
}

/* Each page is read first, and stored to twice later. */
static void ad_body(struct wl *w, u32 t)
{
	for (u32 pass = 0; pass < 3; pass++)
		for (u32 i = 0; i < AD_PAGES; i++) {
			struct run r = {
				.va = (ad_vpn + i) << PAGE_SHIFT, .count = 3,
				.bytes = 8, .stride = 8,
				.op = pass ? RUN_WRITE : RUN_READ,
			};

			wl_runs(&r, 1);
		}
}

static const struct workload ad = {
	.name = "ad", .setup = ad_setup, .body = ad_body,
};

/* A copy of @profile with @feature the other way round; "": the profile. */
static void toggled(const char *profile, const char *feature, const char *dir,
		    char *path, size_t size)
{
	char from[128], key[64], *text, *at;
	size_t len;

	snprintf(from, sizeof(from), "machines/%s.ini", profile);
	snprintf(path, size, "%s/p.ini", dir);
	text = check_slurp(from);
	assert_non_null(text);
	text = realloc(text, strlen(text) + 2);
	if (*feature) {
		snprintf(key, sizeof(key), "\n%s = ", feature);
		at = strstr(text, key);
		assert_non_null(at);
		at += strlen(key);
		len = strlen(at);
		if (!strncmp(at, "yes", 3)) {
			memmove(at + 2, at + 3, len - 2);
			memcpy(at, "no", 2);
		} else {
			memmove(at + 3, at + 2, len - 1);
			memcpy(at, "yes", 3);
		}
	}
	check_write(path, text, strlen(text));
	free(text);
}

/* By hardware: an assist a page. By the kernel: a fault a page, flushed here on
 * RISC-V, everywhere on Arm. A page that appears needs a local flush on RISC-V
 * alone; no fault is spurious anywhere. */
static void test_dirty_pages(void **state)
{
	static const struct {
		const char *profile, *feature, *flush;
		u64 assists, dirty_faults, local_flushes, broadcasts;
	} rows[] = {
		{ "skylake-sp", "", "deferred", AD_PAGES, 0, 0, 0 },
		{ "neoverse-n1", "", "tlbi", AD_PAGES, 0, 0, 0 },
		{ "neoverse-n1", "hafdbs", "tlbi", 0, AD_PAGES, 0, AD_PAGES },
		{ "neoverse-n1", "hafdbs", "page", 0, AD_PAGES, AD_PAGES, 0 },
		{ "riscv-sv48", "", "deferred", 0, AD_PAGES, 2 * AD_PAGES, 0 },
		{ "riscv-sv48", "svadu", "deferred", AD_PAGES, 0, AD_PAGES, 0 },
		{ "riscv-sv48", "svvptc", "deferred", 0, AD_PAGES, AD_PAGES, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char dir[64], path[128];
		struct timed_result *r;
		const u64 *v;

		toggled(rows[i].profile, rows[i].feature, check_tmpdir(dir),
			path, sizeof(path));
		r = run(&ad, PAIRS("machine", "pack:1 core:1 pu:1", "profile",
				   path, "flush", rows[i].flush, "thp", "no",
				   "zero-page", "no"),
			false);
		v = r->count.v;
		assert_int_equal(9 * AD_PAGES, v[CTR_ACCESSES]);
		assert_int_equal(AD_PAGES + rows[i].dirty_faults,
				 v[CTR_PAGE_FAULTS]);
		assert_int_equal(rows[i].assists, v[CTR_DIRTY_ASSISTS]);
		assert_int_equal(rows[i].dirty_faults, v[CTR_DIRTY_FAULTS]);
		assert_int_equal(0, v[CTR_ACCESSED_FAULTS]);
		assert_int_equal(0, v[CTR_SPURIOUS_FAULTS]);
		assert_int_equal(rows[i].local_flushes, v[CTR_LOCAL_FLUSH_ONE]);
		assert_int_equal(rows[i].broadcasts, v[CTR_TLB_BROADCASTS]);
		free(r);
		check_rmdir(dir);
	}
}

/* ---- RISC-V's table depths -------------------------------------------------------------- */

/* Sv39, Sv48 and Sv57: loads of a walk without walk caches, and with them at
 * most one a walk once all but page tables is cached. */
static void test_riscv_levels(void **state)
{
	static const char *const levels[] = { "3", "4", "5" };
	char dir[64], path[128];

	toggled("riscv-sv48", "sv57", check_tmpdir(dir), path, sizeof(path));
	for (u32 i = 0; i < ARRAY_LEN(levels); i++) {
		struct timed_result *r;

		r = chase(PAIRS("profile", path, "machine", "pack:1 core:1 pu:1",
				"levels", levels[i], "psc", "no", "pages",
				"9000", "rounds", "2"));
		assert_int_equal(18000, r->count.v[CTR_WALK_LOAD]);
		assert_int_equal((3 + i) * 18000, r->count.v[CTR_WALKER_LOADS]);
		free(r);
		r = chase(PAIRS("profile", path, "machine", "pack:1 core:1 pu:1",
				"levels", levels[i], "pages", "9000", "rounds",
				"2"));
		assert_in_range(r->count.v[CTR_WALKER_LOADS], 18000, 18100);
		free(r);
	}
	check_rmdir(dir);
}

static u64 first_va;

static int edge_setup(struct wl *w, struct err *e)
{
	struct mm *mm = mm_create();

	w->nr_threads = 1;
	/* The last page of the program's half, and none of the other. */
	assert_non_null(vma_add(mm, task_size() - 1, 1, VM_READ | VM_WRITE));
	assert_null(vma_add(mm, task_size(), 1, VM_READ | VM_WRITE));
	assert_null(vma_add(mm, task_size() - 1, 2, VM_READ | VM_WRITE));
	return wl_start(w, 0, mm, e);
}

static void edge_body(struct wl *w, u32 t)
{
	/* The page; what has no address; what is the kernel's; and an address
	 * whose low bits are the page's. */
	const u64 va[] = { first_va - PAGE_BYTES, first_va, -first_va,
			   first_va * 2 + first_va - PAGE_BYTES };

	/* TLB arrays want no more than 57 bits. */
	for (u32 i = 0; i < ARRAY_LEN(va) - (first_va >> 56); i++) {
		struct run r = { .va = va[i], .count = 1, .bytes = 8,
				 .op = RUN_WRITE };

		assert_int_equal(i ? -EFAULT : 0, wl_runs(&r, 1));
	}
}

static const struct workload edge = {
	.name = "edge", .setup = edge_setup, .body = edge_body,
};

/* Canonical addresses: half of what the tables reach is the program's. */
static void test_canonical(void **state)
{
	static const struct {
		const char *profile, *levels;
		u32 bits;
	} rows[] = {
		{ "riscv-sv48", "3", 38 }, { "riscv-sv48", "4", 47 },
		{ "skylake-sp", "4", 47 }, { "ice-lake-sp", "5", 56 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		first_va = 1ull << rows[i].bits;
		free(run(&edge, PAIRS("machine", "pack:1 core:1 pu:1",
				      "profile", rows[i].profile, "levels",
				      rows[i].levels), false));
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_dirty_pages),
	cmocka_unit_test(test_riscv_levels),
	cmocka_unit_test(test_canonical),
};

TEST_MAIN(tests)
