/* test_vma.c - mmap, munmap and mprotect of arbitrary ranges: after any
 * sequence of them each page has the rights that a table of pages says, an
 * access succeeds exactly when they allow it, and no frame is lost. */
#include <errno.h>

#include "base/rng.h"
#include "emu/timed_point.h"
#include "tests/check.h"

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

static const struct CMUnitTest tests[] = { cmocka_unit_test(test_ranges) };

TEST_MAIN(tests)
