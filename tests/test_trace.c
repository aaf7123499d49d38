/* test_trace.c - traces come back exactly as recorded, appear by rename, and say what
 * they hold. */
#include "tests/access_seq.h"

#include <dirent.h>
#include <errno.h>

/* Whatever is appended comes back, twice, and the header tells the truth. */
static void test_round_trip(void **state)
{
	static const size_t len[] = { 0, 1, 2, 3, 100, 5000, 70000, 300000 };
	const char *path = in_dir("round.tlbt");
	struct rng base, r;

	rng_init(&base, seed);
	for (size_t i = 0; i < 3 * ARRAY_LEN(len); i++) {
		struct seq in = { 0 }, want = { 0 }, got = { 0 };
		struct trace *t;

		rng_split(&base, i, &r);
		random_seq(&r, &in, len[i % ARRAY_LEN(len)], 700);
		seq_split(&in, &want);
		write_seq(path, &in);
		OK(trace_open(&t, path, &err));
		OK(read_open(t, &got, &err));
		expect_same(&want, &got);
		expect_info(path, &want, want.nr - in.nr);
		assert_string_equal(trace_info(t)->program, "test");
		got.nr = 0;
		OK(trace_rewind(t, &err));
		OK(read_open(t, &got, &err));
		expect_same(&want, &got);
		trace_close(t);
		seq_free(&in);
		seq_free(&want);
		seq_free(&got);
	}
}

/* Appending runs, in a page or across pages, is appending their accesses. */
static void test_append_run(void **state)
{
	const char *path = in_dir("runs.tlbt");
	struct seq in = { 0 }, want = { 0 }, got = { 0 };
	struct trace_writer *w;
	struct rng r;

	rng_init(&r, seed + 1);
	OK(trace_writer_create(&w, path, &err));
	for (int i = 0; i < 20000; i++) {
		struct run run = {
			.va = (1ull << 40) + rng_below(&r, 1 << 20),
			.count = rng_between(&r, 1, 20),
			.bytes = rng_between(&r, 1, 64),
			.op = rng_below(&r, 4),
		};

		run.stride = rng_chance(&r, 1, 2) ?
			     (s64)rng_between(&r, 0, 64) - 32 :
			     (s64)rng_between(&r, 0, 20000) - 10000;
		OK(trace_writer_append_run(w, &run, &err));
		for (u32 k = 0; k < run.count; k++)
			seq_add(&in, run.va + (u64)run.stride * k, run.bytes,
				run.op);
	}
	OK(trace_writer_close(w, &err));
	seq_split(&in, &want);
	OK(read_path(path, &got, &err));
	expect_same(&want, &got);
	expect_info(path, &want, want.nr - in.nr);
	seq_free(&in);
	seq_free(&want);
	seq_free(&got);
}

/* A sweep is one run a page; two streams in different pages stay apart. */
static void test_coalescing(void **state)
{
	const char *path = in_dir("coal.tlbt");
	struct seq s = { 0 };
	struct trace *t;

	for (u64 i = 0; i < 4096; i++)
		seq_add(&s, 0x10000 + 8 * i, 8, RUN_READ);
	write_seq(path, &s);
	OK(trace_open(&t, path, &err));
	assert_int_equal(trace_info(t)->nr_runs, 8);
	trace_close(t);
	s.nr = 0;
	for (u64 i = 0; i < 100; i++) {
		seq_add(&s, 0x10000 + 8 * i, 8, RUN_READ);
		seq_add(&s, 0x20000 + 8 * i, 8, RUN_READ);
	}
	write_seq(path, &s);
	OK(trace_open(&t, path, &err));
	assert_int_equal(trace_info(t)->nr_runs, 200);
	trace_close(t);
	s.nr = 0;
	for (u64 i = 0; i < 100; i++)
		seq_add(&s, 0x10000, 8, i < 50 ? RUN_READ : RUN_WRITE);
	write_seq(path, &s);
	OK(trace_open(&t, path, &err));
	assert_int_equal(trace_info(t)->nr_runs, 2);
	trace_close(t);
	seq_free(&s);
}

static size_t files_in_dir(void)
{
	DIR *d = opendir(dir);
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* The name appears at close; abort and errors leave nothing. */
static void test_appears_by_rename(void **state)
{
	const char *path = in_dir("late.tlbt");
	size_t before = files_in_dir();
	struct trace_writer *w;
	int ret = 0;

	OK(trace_writer_create(&w, path, &err));
	OK(trace_writer_append(w, 4096, 8, RUN_READ, &err));
	assert_int_equal(access(path, F_OK), -1);
	trace_writer_abort(w);
	assert_int_equal(files_in_dir(), before);

	OK(trace_writer_create(&w, path, &err));
	assert_int_equal(trace_writer_append(w, 1, 0, RUN_READ, &err),
			 -EINVAL);
	assert_int_equal(trace_writer_append(w, ~0ull, 2, RUN_READ, &err),
			 -EINVAL);
	OK(trace_writer_append(w, ~0ull, 1, RUN_READ, &err));
	OK(trace_writer_close(w, &err));
	assert_int_equal(files_in_dir(), before + 1);
	OK(read_path(path, NULL, &err));
	unlink(path);

	assert_int_not_equal(trace_writer_create(&w, in_dir("no/such.tlbt"),
						 &err), 0);
	if (access("/dev/full", W_OK))
		return;
	for (u64 nr = 1; nr <= 4000000; nr *= 4000000) {
		struct rng r;

		rng_init(&r, seed);
		OK(trace_writer_create(&w, "/dev/full", &err));
		for (u64 i = 0; i < nr && !ret; i++)
			ret = trace_writer_append(w, rng_u64(&r) >> 1, 8,
						  RUN_READ, &err);
		if (!ret)
			ret = trace_writer_close(w, &err);
		else
			trace_writer_abort(w);
		assert_int_equal(ret, -ENOSPC);
		assert_non_null(strstr(err.text, "/dev/full"));
		ret = 0;
	}
}

/* The recordings kept in the repository are whole and say what they hold. */
static void test_kept_traces(void **state)
{
	static const char *const path[] = {
		"tests/data/ls.tlbt", "tests/data/sort.tlbt",
		"tests/data/xz.tlbt", "tests/data/chase.tlbt",
		"tests/data/stream.tlbt",
	};

	for (size_t i = 0; i < ARRAY_LEN(path); i++) {
		struct seq s = { 0 };
		struct trace *t;

		OK(trace_open(&t, path[i], &err));
		OK(read_open(t, &s, &err));
		assert_true(trace_info(t)->nr_accesses > 100000);
		assert_true(trace_info(t)->program[0]);
		expect_info(path[i], &s, trace_info(t)->nr_splits);
		trace_close(t);
		seq_free(&s);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_round_trip),
	cmocka_unit_test(test_append_run),
	cmocka_unit_test(test_coalescing),
	cmocka_unit_test(test_appears_by_rename),
	cmocka_unit_test(test_kept_traces),
};

ACCESS_MAIN(tests)
