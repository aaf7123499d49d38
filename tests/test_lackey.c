/* test_lackey.c - Valgrind's lackey's text becomes the trace that it says, also that of
 * a program recorded just now. */
#include "tests/access_seq.h"

#include <errno.h>
#include <fcntl.h>

#include "emu/import.h"

/* @left accesses of @fd, or all, into a trace at @path. */
static int import_fd(int fd, const char *path, const struct import_cfg *cfg,
		     u64 left, struct import_stats *stats)
{
	const struct import_access *a;
	struct trace_writer *w;
	struct import *im;
	size_t n;
	int ret = import_open(&im, fd, cfg, &err);

	if (ret)
		return ret;
	OK(trace_writer_create(&w, path, &err));
	while (left && !(ret = import_next(im, &a, &n, &err)) && n)
		for (size_t i = 0; i < n && left; i++, left--)
			OK(trace_writer_append(w, a[i].va, a[i].bytes, a[i].op,
					       &err));
	*stats = *import_stats(im);
	import_close(im);
	if (left && ret)
		trace_writer_abort(w);
	else
		OK(trace_writer_close(w, &err));
	return left ? ret : 0;
}

static int import_text(const char *text, size_t bytes, const char *path,
		       struct import_cfg cfg, u64 limit,
		       struct import_stats *stats)
{
	const char *in = in_dir("in.lackey");
	int fd, ret;

	check_write(in, text, bytes);
	fd = open(in, O_RDONLY);
	assert_true(fd >= 0);
	cfg.name = "in.lackey";
	cfg.format = "lackey";
	ret = import_fd(fd, path, &cfg, limit ? limit : ~0ull, stats);
	close(fd);
	return ret;
}

static void test_lackey_lines(void **state)
{
	static const struct {
		const char *text, *want;        /* NULL: fine                 */
	} row[] = {
		{ " L 1000,8\n", NULL },
		{ " L ffffffffffffffff,1\n", NULL },
		{ "==1== x\n--1-- y\n**1** z\n\n L 1ffeFFF0,8\n", NULL },
		{ "", NULL },
		{ " L 1000,8", "line 1: the input ends within it" },
		{ " L 1000,8\n S 1000,1", "line 2: the input ends within it" },
		{ " L 1000,8\nhello\n", "line 2, column 1: expected 'I  ADDR" },
		{ " L 1000\n", "column 8: expected ','" },
		{ " L 1000,\n", "column 9: expected a size" },
		{ " L 1000,0\n", "expected a size" },
		{ " L 1000,70000\n", "expected a size" },
		{ " L 1000,99999999999999999999\n", "expected a size" },
		{ " L ,8\n", "column 4: expected an address" },
		{ " L xyz,8\n", "column 4: expected an address" },
		{ " L 11111111111111111,8\n", "expected an address" },
		{ " L ffffffffffffffff,2\n", "64-bit address space" },
		{ " L 1000,8 \n", "column 10: expected the end" },
		{ " L 1000,8\r\n", "column 10: expected the end" },
		{ " X 1000,8\n", "column 1: expected 'I" },
		{ "L 1000,8\n", "column 1" },
		{ "I 1000,8\n", "column 1" },
		{ "=1= x\n", "column 1" },
		{ "==1= x\n", "column 1" },
		{ " \n", "column 1" },
		{ "I\n", "column 1" },
	};
	struct import_stats res;

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		int ret = import_text(row[i].text, strlen(row[i].text),
				      in_dir("l.tlbt"),
				      (struct import_cfg){ 0 }, 0, &res);

		if (!row[i].want) {
			assert_int_equal(ret, 0);
			continue;
		}
		if (ret != -EINVAL || !strstr(err.text, row[i].want) ||
		    !strstr(err.text, "in.lackey: line "))
			fail_msg("'%s': got %d '%s', want '%s'", row[i].text,
				 ret, ret ? err.text : "", row[i].want);
	}
}

static void test_lackey_options(void **state)
{
	static const char text[] =
		"==7== Command: /bin/x -y\n"
		"I  04001000,3\n L 1000,8\n S 1ffc,8\nI  04001003,2\n"
		" M 2000,4\n L 3000,8";
	const char *path = in_dir("opts.tlbt");
	static const struct access all[] = {
		{ 0x4001000, 3, RUN_FETCH }, { 0x1000, 8, RUN_READ },
		{ 0x1ffc, 4, RUN_WRITE }, { 0x2000, 4, RUN_WRITE },
		{ 0x4001003, 2, RUN_FETCH }, { 0x2000, 4, RUN_MODIFY },
	};
	struct import_cfg cfg = { .is_partial_ok = true, .without_fetch = true };
	struct import_stats res;
	struct seq got = { 0 }, want = { 0 };
	u64 limit = 0;

	OK(import_text(text, strlen(text), path, cfg, limit, &res));
	assert_int_equal(res.nr_accesses, 3);
	assert_int_equal(res.nr_fetches_skipped, 2);
	assert_string_equal(res.command, "/bin/x -y");
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (all[i].op != RUN_FETCH)
			seq_add(&want, all[i].va, all[i].bytes, all[i].op);
	OK(read_path(path, &got, &err));
	expect_same(&want, &got);
	expect_info(path, &want, 1);

	cfg.without_fetch = false;
	want.nr = got.nr = 0;
	OK(import_text(text, strlen(text), path, cfg, limit, &res));
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		seq_add(&want, all[i].va, all[i].bytes, all[i].op);
	OK(read_path(path, &got, &err));
	expect_same(&want, &got);

	limit = 2;
	want.nr = 2;
	got.nr = 0;
	OK(import_text(text, strlen(text), path, cfg, limit, &res));
	OK(read_path(path, &got, &err));
	expect_same(&want, &got);
	seq_free(&got);
	seq_free(&want);
}

/* Random bytes into the line parser: accepted or refused, never a crash. */
static void test_lackey_mutation(void **state)
{
	static const char good[] =
		"==7== Command: x\nI  04001000,3\n L 1ffefff0,8\n S 30,16\n"
		" M 2000,4\n--7-- note\n L 3000,8\n";
	struct import_stats res;
	size_t refused = 0;
	struct rng r;

	rng_init(&r, seed + 4);
	for (int i = 0; i < 2000; i++) {
		char text[sizeof(good)];
		size_t n = sizeof(good) - 1;

		memcpy(text, good, sizeof(good));
		for (u64 k = rng_between(&r, 1, 3); k; k--)
			text[rng_below(&r, n)] = rng_u64(&r);
		if (rng_chance(&r, 1, 4))
			n = rng_below(&r, n + 1);
		/* Not to a file, which would be synchronised each time. */
		refused += import_text(text, n, "/dev/null",
				       (struct import_cfg){ 0 }, 0, &res) != 0;
	}
	assert_true(refused > 0);
}

/* A recording made now, through a pipe, against the same text read by
 * sscanf(). */
static void test_real_program(void **state)
{
	const char *log = in_dir("true.lackey"), *path = in_dir("true.tlbt");
	char cmd[256], line[256];
	struct seq in = { 0 }, want = { 0 }, got = { 0 };
	struct import_cfg cfg = { .name = "true" };
	struct import_stats res;
	FILE *f;

	if (system("command -v valgrind >/dev/null 2>&1")) {
		print_message("skipped: valgrind is not installed\n");
		skip();
	}
	snprintf(cmd, sizeof(cmd), "valgrind --tool=lackey --trace-mem=yes "
		 "--log-file=%s /bin/true", log);
	if (system(cmd)) {
		print_message("skipped: valgrind cannot run here\n");
		skip();
	}
	f = fopen(log, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		unsigned long long va;
		unsigned int bytes;
		char op;

		if (line[0] == '=')
			continue;
		assert_int_equal(sscanf(line, " %c %llx,%u", &op, &va, &bytes),
				 3);
		seq_add(&in, va, bytes, op == 'I' ? RUN_FETCH : op == 'L' ?
			RUN_READ : op == 'S' ? RUN_WRITE : RUN_MODIFY);
	}
	fclose(f);
	assert_true(in.nr > 10000);
	snprintf(cmd, sizeof(cmd), "cat %s", log);
	f = popen(cmd, "r");
	assert_non_null(f);
	OK(import_fd(fileno(f), path, &cfg, ~0ull, &res));
	pclose(f);
	assert_string_equal(res.command, "/bin/true");
	assert_int_equal(res.nr_accesses, in.nr);
	seq_split(&in, &want);
	OK(read_path(path, &got, &err));
	expect_same(&want, &got);
	expect_info(path, &want, want.nr - in.nr);
	seq_free(&in);
	seq_free(&want);
	seq_free(&got);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_lackey_lines),
	cmocka_unit_test(test_lackey_options),
	cmocka_unit_test(test_lackey_mutation),
	cmocka_unit_test(test_real_program),
};

ACCESS_MAIN(tests)
