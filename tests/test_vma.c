/* test_vma.c - mmap, munmap and mprotect of arbitrary ranges: after any
 * sequence of them each page has the rights that a table of pages says, an
 * access succeeds exactly when they allow it, and no frame is lost. Who gets
 * mmap_lock while memory is unmapped. */
#include <errno.h>

#include "base/rng.h"
#include "emu/timed_point.h"
#include "tests/point.h"

#define BASE 0x12300ull         /* vpn; not aligned to a huge page            */
#define NR_PAGES 48u
#define NR_OPS 4000

static struct err err;

/* What each page should be: rights, or unmapped. */
enum { UNMAPPED = -1 };
static int rights[NR_PAGES];
static bool is_touched[NR_PAGES];

static u64 nr_touched(void)
{
	u64 n = 0;

	for (u32 i = 0; i < NR_PAGES; i++)
		n += is_touched[i];
	return n;
}

static void set(u32 from, u32 n, int to, bool forget)
{
	for (u32 i = from; i < from + n; i++) {
		rights[i] = to;
		if (forget)
			is_touched[i] = false;
	}
}

static bool is_all_mapped(u32 from, u32 n)
{
	for (u32 i = from; i < from + n; i++)
		if (rights[i] == UNMAPPED)
			return false;
	return true;
}

static void one_op(struct wl *w, struct mm *mm, struct rng *rng)
{
	static const int some[] = { 0, VM_READ, VM_READ | VM_WRITE };
	u32 from = (u32)rng_below(rng, NR_PAGES);
	u32 n = 1 + (u32)rng_below(rng, NR_PAGES - from);
	int to = some[rng_below(rng, 3)], rc, want = 0;

	switch (rng_below(rng, 3)) {
	case 0:
		rc = do_mmap_fixed(mm, BASE + from, n, (u32)to);
		set(from, n, to, true);
		break;
	case 1:
		rc = do_munmap(mm, BASE + from, n);
		set(from, n, UNMAPPED, true);
		break;
	default:
		rc = do_mprotect(mm, BASE + from, n, (u32)to);
		want = is_all_mapped(from, n) ? 0 : -ENOMEM;
		if (!want)
			set(from, n, to, false);
	}
	if (rc != want)
		wl_fail(w, -EINVAL, "%d, expected %d", rc, want);
}

static void one_access(struct wl *w, struct rng *rng)
{
	u32 i = (u32)rng_below(rng, NR_PAGES);
	bool is_write = rng_below(rng, 2);
	struct run r = { .va = (BASE + i) << PAGE_SHIFT, .count = 1,
			 .bytes = 8, .op = is_write ? RUN_WRITE : RUN_READ };
	bool is_ok = rights[i] != UNMAPPED &&
		(rights[i] & (is_write ? VM_WRITE : VM_READ));
	int rc = cpu_run_many(&r, 1);

	if (rc != (is_ok ? 0 : -EFAULT))
		wl_fail(w, -EINVAL, "page %u, write %d, rights %d: %d", i,
			is_write, rights[i], rc);
	/* Of what is only read there is one page of zeros for all, if at all. */
	is_touched[i] |= is_ok && (is_write || !mms()->has_zero_page);
}

static void compare(struct wl *w, struct mm *mm)
{
	u64 end = 0;

	for (struct vma *v = mm->first; v; v = v->next) {
		if (v->start < end || v->start >= v->end)
			wl_fail(w, -EINVAL, "VMAs overlap");
		end = v->end;
	}
	for (u32 i = 0; i < NR_PAGES; i++) {
		struct vma *v = find_vma(mm, BASE + i);

		if ((v ? (int)v->flags : UNMAPPED) != rights[i])
			wl_fail(w, -EINVAL, "page %u: rights differ", i);
	}
	if (mm->rss != nr_touched())
		wl_fail(w, -EINVAL, "rss %llu, expected %llu",
			(unsigned long long)mm->rss,
			(unsigned long long)nr_touched());
}

static int setup(struct wl *w, struct err *e)
{
	struct mm *mm = mm_create();

	set(0, NR_PAGES, UNMAPPED, true);
	if (wl_thread_count(w, 1, e) < 0)
		return -EINVAL;
	w->priv = mm;
	return wl_start(w, 0, mm, e);
}

static void body(struct wl *w, u32 t)
{
	struct rng rng;

	rng_init(&rng, w->seed);
	for (u32 i = 0; i < NR_OPS && !w->error; i++) {
		one_op(w, w->priv, &rng);
		for (u32 k = 0; k < 6; k++)
			one_access(w, &rng);
		compare(w, w->priv);
	}
}

static const struct workload random_ranges = {
	.name = "random-ranges", .setup = setup, .body = body,
};

static void test_ranges(void **state)
{
	u64 seed = check_seed("ranges");

	for (u64 i = 0; i < 5; i++) {
		struct timed_cfg cfg = { 0 };
		const struct opt_bind bind = {
			.table = timed_opts, .nr = nr_timed_opts, .base = &cfg,
		};
		struct timed_result *r = calloc(1, sizeof(*r));
		struct timed_point p = {
			.cfg = &cfg, .workload = &random_ranges,
			.progress = PROGRESS_NEVER,
		};
		struct opt_set *opts;

		assert_non_null(r);
		assert_int_equal(0, opt_set_create(&opts, &bind, 1));
		cfg.seed = seed + i;
		cfg.check = i & 1;
		cfg.zero_page = i != 2;
		p.kernel = kernel_find(i & 2 ? "v3.13" : "v6.1");
		p.flush = flush_find("deferred");
		if (timed_point_run(&p, r, &err))
			fail_msg("seed %llu: %s", (unsigned long long)cfg.seed,
				 err.text);
		assert_true(r->count.v[CTR_TLB_FLUSH] > NR_OPS / 4);
		assert_int_equal(0, r->count.v[CTR_STALE_HITS]);
		assert_int_equal(0, r->count.v[CTR_WRITE_AFTER_FREE]);
		opt_set_free(opts);
		free(r);
	}
}

/* ---- who gets mmap_lock while memory is unmapped --------------------------------- */

#define BIG 1024u               /* pages                                      */
#define OWN (BASE + 65536)      /* the other thread's                         */

static struct {
	int (*unmap)(struct mm *mm);
	bool maps;              /* the other thread asks for memory, in place
				 * of touching it                             */
	bool has_stack;         /* right above what goes                      */
	u64 begin, end;         /* cycles                                     */
	u32 nr_between;         /* the other's calls or faults that ended     */
} U;

static int unmap_range(struct mm *mm)
{
	return do_munmap(mm, BASE, BIG);
}

static int shrink_heap(struct mm *mm)
{
	return do_brk(mm, BASE);
}

static int map_over(struct mm *mm)
{
	return do_mmap_fixed(mm, BASE, BIG, VM_READ);
}

static int unmapping_setup(struct wl *w, struct err *e)
{
	struct mm *mm = mm_create();
	int rc;

	if (wl_thread_count(w, 2, e) < 0)
		return -EINVAL;
	mm->start_brk = mm->brk = BASE;
	U.begin = U.end = U.nr_between = 0;
	if (!vma_add(mm, OWN, 4 * BIG, VM_READ | VM_WRITE) ||
	    (U.has_stack && !vma_add(mm, BASE + BIG, 1, VM_READ | VM_WRITE |
				     VM_GROWSDOWN)) ||
	    !vma_add(mm, BASE, BIG, VM_READ | VM_WRITE))
		return -ENOMEM;
	mm->brk = BASE + BIG;
	w->priv = mm;
	rc = wl_start_all(w, mm, e);
	return rc ? rc : wl_populate(w, 0, BASE, BIG, e);
}

static int touch_page(u64 vpn)
{
	struct run r = { .va = vpn << PAGE_SHIFT, .count = 1, .bytes = 8,
			 .op = RUN_WRITE };

	return cpu_run_many(&r, 1);
}

static void unmapping_body(struct wl *w, u32 t)
{
	struct mm *mm = w->priv;
	int rc = 0;

	if (!t) {
		U.begin = this_cpu->now;
		rc = U.unmap(mm);
		U.end = this_cpu->now;
	}
	for (u32 i = 0; t && i < 4 * BIG && !rc && !U.end; i++) {
		rc = U.maps ? !do_mmap(mm, 1, VM_READ) : touch_page(OWN + i);
		U.nr_between += !U.end;
	}
	/* A stack grows right into the gap, nothing else does. */
	if (!t && !rc && touch_page(BASE + BIG - 2) != (U.has_stack ? 0 : -EFAULT))
		rc = -EFAULT;
	if (!rc && U.has_stack && !t)
		rc = find_vma(mm, BASE + BIG - 1)->start != BASE + BIG - 2;
	if (rc)
		wl_fail(w, -EINVAL, "%d", rc);
}

static const struct workload unmapping = {
	.name = "unmapping", .setup = unmapping_setup, .body = unmapping_body,
};

/* Of the other thread's faults, or calls, one may come first, and one may have begun:
 * the rest waits, unless it reads and the kernel lets readers in. */
static void test_readers(void **state)
{
	static const struct {
		const char *kernel;
		int (*unmap)(struct mm *mm);
		bool maps, has_stack, is_let_in;
	} rows[] = {
		{ "v4.19", unmap_range, false, false, false },
		{ "v4.20", unmap_range, false, false, true },
		{ "v6.1", unmap_range, false, false, true },
		{ "v6.14", unmap_range, false, false, true },
		{ "v6.1", unmap_range, true, false, false },
		{ "v6.1", unmap_range, false, true, false },
		{ "v5.7", unmap_range, false, true, true },
		{ "v6.5", unmap_range, false, true, true },
		{ "v4.19", shrink_heap, false, false, false },
		{ "v6.1", shrink_heap, false, false, true },
		{ "v6.1", map_over, false, false, false },
	};

	for (u32 i = 0; i < ARRAY_LEN(rows); i++) {
		struct timed_result *r;
		struct setup s;

		U.unmap = rows[i].unmap;
		U.maps = rows[i].maps;
		U.has_stack = rows[i].has_stack;
		point_make(&s, &unmapping, PAIRS("machine", "pack:1 core:2 pu:1",
						 "kernel", rows[i].kernel));
		r = point_run(&s);
		print_message("# %u: %s: %u\n", i, rows[i].kernel, U.nr_between);
		if (rows[i].is_let_in)
			assert_true(U.nr_between > 20);
		else
			assert_true(U.nr_between <= 2);
		free(r);
		point_free(&s);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_ranges),
	cmocka_unit_test(test_readers),
};

TEST_MAIN(tests)
