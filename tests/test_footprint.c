/* The pages that a trace touches, by 2M piece, against plain lists. */
#include "tests/check.h"

#include <errno.h>

#include "base/rng.h"
#include "workloads/footprint.h"

static int by_value(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

/* Pages in order, each once; a list sorted by libc is the reference. */
static void test_random(void **state)
{
	enum { N = 20000 };
	u64 *want = malloc(N * sizeof(*want)), nr = 0;
	struct footprint f = { 0 };
	u64 at = 0, base = 0;
	struct rng r;

	rng_init(&r, check_seed("footprint"));
	for (u32 i = 0; i < N; i++) {
		if (rng_chance(&r, 1, 8))
			base = rng_u64(&r) >> rng_between(&r, 20, 50);
		want[i] = base + rng_below(&r, 1500);
		assert_int_equal(0, footprint_add(&f, want[i]));
	}
	qsort(want, N, sizeof(*want), by_value);
	for (u32 i = 0; i < N; i++)
		if (!nr || want[nr - 1] != want[i])
			want[nr++] = want[i];
	footprint_sort(&f);
	assert_int_equal(nr, footprint_pages(&f));
	for (u32 k = 0; k < f.nr; k++) {
		u32 n = 0;

		assert_int_equal(0, f.piece[k].vpn % PIECE_PAGES);
		for (u32 p = 0; p < PIECE_PAGES; p++) {
			if (!piece_has(&f.piece[k], p))
				continue;
			assert_true(at < nr);
			assert_int_equal(want[at++], f.piece[k].vpn + p);
			n++;
		}
		assert_int_equal(n, piece_pages(&f.piece[k]));
	}
	assert_int_equal(nr, at);
	footprint_release(&f);
	assert_int_equal(0, f.nr);
	free(want);
}

/* A trace's footprint has as many pages as its header says, and the trace can
 * be played from the start afterwards. */
static void test_trace(void **state)
{
	static const char path[] = "tests/data/ls.tlbt";
	struct footprint f = { 0 };
	const struct run *run;
	struct trace *t;
	struct err e;
	u64 first;
	size_t n;

	assert_int_equal(0, trace_open(&t, path, &e));
	assert_int_equal(0, trace_next(t, &run, &n, &e));
	first = run[0].va;
	assert_int_equal(0, trace_rewind(t, &e));
	assert_int_equal(0, footprint_add_trace(&f, t, path, 1ull << 35, &e));
	assert_int_equal(trace_info(t)->nr_pages, footprint_pages(&f));
	assert_int_equal(0, trace_next(t, &run, &n, &e));
	assert_int_equal(first, run[0].va);
	footprint_release(&f);
	trace_close(t);
}

/* Addresses that no user program has are refused, with the file's name. */
static void test_kernel_address(void **state)
{
	struct footprint f = { 0 };
	char dir[64], path[96];
	struct trace_writer *w;
	struct trace *t;
	struct err e;

	snprintf(path, sizeof(path), "%s/k.tlbt", check_tmpdir(dir));
	assert_int_equal(0, trace_writer_create(&w, path, &e));
	assert_int_equal(0, trace_writer_append(w, 0xffff888000000000ull, 8,
						RUN_READ, &e));
	assert_int_equal(0, trace_writer_close(w, &e));
	assert_int_equal(0, trace_open(&t, path, &e));
	assert_int_equal(-EINVAL, footprint_add_trace(&f, t, path, 1ull << 35,
						      &e));
	assert_contains(e.text, "k.tlbt");
	assert_contains(e.text, "0xffff888000000000");
	trace_close(t);
	footprint_release(&f);
	check_rmdir(dir);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_random),
	cmocka_unit_test(test_trace),
	cmocka_unit_test(test_kernel_address),
};

TEST_MAIN(tests)
