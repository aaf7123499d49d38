/* Results as text, CSV and JSON, and files that appear whole or not at all. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <sys/stat.h>

#include "base/counters.h"
#include "base/emit.h"
#include "base/outfile.h"
#include "tests/check.h"

static const struct emit_col cols[] = {
	{ .name = "strategy", .type = EMIT_STRING },
	{ .name = "flushes", .unit = "flushes", .type = EMIT_U64 },
	{ .name = "change", .type = EMIT_S64 },
	{ .name = "ratio", .type = EMIT_DOUBLE, .decimals = 2 },
	{ .name = "ok", .type = EMIT_BOOL },
};

static void fill(struct emit *em)
{
	emit_meta_u64(em, NULL, "seed", 7);
	emit_meta_str(em, "config", "cpus", "8");
	emit_meta_bool(em, "config", "check", true);
	emit_meta_double(em, "config", "share", 0.1);
	emit_meta_str(em, NULL, "kernel", NULL);
	emit_note(em, "first line");
	emit_table(em, &(struct emit_table){ .name = "compare", .title = "a title",
					     .cols = cols, .nr_cols = ARRAY_LEN(cols) });
	emit_str(em, "ipi");
	emit_u64(em, 10284800);
	emit_s64(em, -1234);
	emit_double(em, 0.1);
	emit_bool(em, true);
	emit_row(em);
	emit_str(em, "a,\"b\"");
	emit_na(em);
	emit_s64(em, 0);
	emit_double(em, NAN);
	emit_bool(em, false);
	emit_row(em);
	emit_table(em, &(struct emit_table){ .name = "second", .cols = cols + 1,
					     .nr_cols = 1, .bare = true });
	emit_u64(em, 5);
	emit_row(em);
}

static char *render(enum emit_kind kind, const char *csv_table,
		    void (*fn)(struct emit *))
{
	char *text = NULL;
	size_t bytes;
	FILE *f = open_memstream(&text, &bytes);
	struct emit *em;
	struct err e;

	assert_int_equal(0, emit_create(&em, &(struct emit_cfg){
		.stream = f, .kind = kind, .csv_table = csv_table }, &e));
	fn(em);
	assert_int_equal(0, emit_close(em, &e));
	fclose(f);
	return text;
}

static void test_text(void **state)
{
	char *text = render(EMIT_TABLE, NULL, fill);

	assert_string_equal(
		"first line\n"
		"\n"
		"a title\n"
		"strategy  flushes [flushes]  change           ratio  ok\n"
		"ipi              10,284,800  -1,234            0.10  yes\n"
		"a,\"b\"        <not modelled>       0  <not modelled>  no\n"
		"\n"
		"  5\n", text);
	free(text);
}

static void test_csv_has_one_table(void **state)
{
	char *text = render(EMIT_CSV, NULL, fill);

	assert_string_equal("strategy,flushes [flushes],change,ratio,ok\n"
			    "ipi,10284800,-1234,0.1,yes\n"
			    "\"a,\"\"b\"\"\",,0,,no\n", text);
	free(text);
	text = render(EMIT_CSV, "second", fill);
	assert_string_equal("flushes [flushes]\n5\n", text);
	free(text);
}

/* Numbers are numbers, absent ones null, and a parser accepts the whole. */
static void test_json(void **state)
{
	char *text = render(EMIT_JSON, NULL, fill);
	json_error_t error;
	json_t *doc = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	json_t *table, *row;

	assert_non_null(doc);
	assert_int_equal(EMIT_SCHEMA, json_integer_value(json_object_get(doc, "schema")));
	assert_int_equal(7, json_integer_value(json_object_get(doc, "seed")));
	assert_true(json_is_null(json_object_get(doc, "kernel")));
	assert_string_equal("8", json_string_value(json_object_get(
		json_object_get(doc, "config"), "cpus")));
	assert_true(json_real_value(json_object_get(
		json_object_get(doc, "config"), "share")) == 0.1);
	assert_string_equal("first line", json_string_value(
		json_array_get(json_object_get(doc, "notes"), 0)));
	table = json_object_get(json_object_get(doc, "tables"), "compare");
	assert_int_equal(2, json_array_size(json_object_get(table, "rows")));
	assert_string_equal("flushes", json_string_value(json_object_get(
		json_array_get(json_object_get(table, "columns"), 1), "unit")));
	row = json_array_get(json_object_get(table, "rows"), 0);
	assert_int_equal(10284800, json_integer_value(json_object_get(row, "flushes")));
	assert_int_equal(-1234, json_integer_value(json_object_get(row, "change")));
	assert_true(json_is_true(json_object_get(row, "ok")));
	row = json_array_get(json_object_get(table, "rows"), 1);
	assert_string_equal("a,\"b\"", json_string_value(json_object_get(row, "strategy")));
	assert_true(json_is_null(json_object_get(row, "flushes")));
	assert_true(json_is_null(json_object_get(row, "ratio")));
	json_decref(doc);
	free(text);
}

static void fill_odd(struct emit *em)
{
	emit_table(em, &(struct emit_table){ .name = "odd", .cols = cols,
					     .nr_cols = 2 });
	emit_str(em, "caf\xc3\xa9");
	emit_u64(em, UINT64_MAX);
	emit_row(em);
	emit_str(em, "bad\xff\nline");
	emit_u64(em, INT64_MAX);
	emit_row(em);
	emit_str(em, NULL);
	emit_u64(em, 0);
	emit_row(em);
}

static void test_odd_strings_and_large_numbers(void **state)
{
	char *text = render(EMIT_JSON, NULL, fill_odd);
	json_t *doc = json_loads(text, 0, NULL);

	assert_non_null(doc);
	assert_contains(text, "bad?\\nline");
	assert_contains(text, "9223372036854775807");
	assert_contains(text, "1.8446744073709552e19");
	json_decref(doc);
	free(text);
	text = render(EMIT_CSV, NULL, fill_odd);
	assert_contains(text, "caf\xc3\xa9,18446744073709551615\n");
	assert_contains(text, "\"bad\xff\nline\",9223372036854775807\n");
	assert_contains(text, "\n,0\n");
	free(text);
	/* Two bytes, one column: both numbers end in the same place. */
	text = render(EMIT_TABLE, NULL, fill_odd);
	assert_contains(text, "\ncaf\xc3\xa9            18,446,744,073,709,551,615\n");
	assert_contains(text, "\n<not modelled>                           0\n");
	free(text);
}

/* All counters in the order of the list; what is not in the mask is absent. */
static void fill_counters(struct emit *em)
{
	struct counters c = { { 0 } };
	struct counter_mask m = { { 0 } };

	c.v[CTR_RUNS] = 1048576;
	c.v[CTR_IRQS] = 3;
	counter_mask_set(&m, CTR_RUNS);
	counter_mask_set(&m, CTR_STALE_HITS);
	counters_emit(em, "counters", "emulated counters", &c, &m);
}

static void test_counters_not_modelled_are_not_zero(void **state)
{
	char *text = render(EMIT_TABLE, NULL, fill_counters);

	assert_contains(text, "emulated counters\n");
	assert_contains(text, "       1,048,576  runs   ");
	assert_contains(text, "               0  stale_hits   ");
	assert_contains(text, "  <not modelled>  irqs   ");
	free(text);
	text = render(EMIT_CSV, NULL, fill_counters);
	assert_contains(text, "value,counter,unit\n,accesses,accesses\n1048576,runs,runs\n");
	assert_contains(text, "\n,irqs,interrupts\n");
	free(text);
}

static void fill_nothing(struct emit *em)
{
}

static void test_empty_document(void **state)
{
	char *text = render(EMIT_JSON, NULL, fill_nothing);
	json_t *doc = json_loads(text, 0, NULL);

	assert_non_null(doc);
	assert_int_equal(0, json_object_size(json_object_get(doc, "tables")));
	json_decref(doc);
	free(text);
	text = render(EMIT_CSV, NULL, fill_nothing);
	assert_string_equal("", text);
	free(text);
}

/* --- files ----------------------------------------------------------- */

static int nr_files(const char *dir)
{
	DIR *d = opendir(dir);
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void test_kind_comes_from_the_suffix(void **state)
{
	static const struct {
		const char *name;
		enum emit_kind kind;
	} rows[] = { { "a.txt", EMIT_TABLE }, { "a.csv", EMIT_CSV },
		     { "a.json", EMIT_JSON }, { "a.b.CSV", EMIT_CSV } };
	char dir[64], path[128];
	struct emit *em;
	struct err e;

	check_tmpdir(dir);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, rows[i].name);
		assert_int_equal(0, emit_create(&em, &(struct emit_cfg){
			.path = path }, &e));
		assert_int_equal(rows[i].kind, emit_kind_of(em));
		emit_discard(em);
	}
	snprintf(path, sizeof(path), "%s/a.xml", dir);
	assert_int_equal(-EINVAL, emit_create(&em, &(struct emit_cfg){
		.path = path }, &e));
	assert_contains(e.text, "must end in .txt, .csv or .json");
	assert_int_equal(0, nr_files(dir));
	check_rmdir(dir);
}

/* Until close the old file stands; then the new one, whole, with its mode. */
static void test_file_appears_by_rename(void **state)
{
	char dir[64], path[128], link_path[128], *text;
	struct emit *em;
	struct stat st;
	struct err e;

	check_tmpdir(dir);
	snprintf(path, sizeof(path), "%s/r.csv", dir);
	snprintf(link_path, sizeof(link_path), "%s/link.csv", dir);
	check_write(path, "old", 3);
	assert_int_equal(0, chmod(path, 0640));
	assert_int_equal(0, symlink("r.csv", link_path));
	assert_int_equal(0, emit_create(&em, &(struct emit_cfg){
		.path = link_path }, &e));
	fill(em);
	text = check_slurp(path);
	assert_string_equal("old", text);
	free(text);
	assert_int_equal(0, emit_close(em, &e));
	text = check_slurp(path);
	assert_contains(text, "ipi,10284800");
	free(text);
	assert_int_equal(0, stat(path, &st));
	assert_int_equal(0640, st.st_mode & 07777);
	assert_int_equal(0, lstat(link_path, &st));
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(2, nr_files(dir));

	assert_int_equal(0, emit_create(&em, &(struct emit_cfg){ .path = path }, &e));
	fill(em);
	emit_discard(em);
	text = check_slurp(path);
	assert_contains(text, "ipi,10284800");
	free(text);
	assert_int_equal(2, nr_files(dir));
	check_rmdir(dir);
}

/* A full disk is an error in every format, as file and as stream, small (found
 * by the flush at the end) and large (found by a write before). */
static void test_full_disk_is_an_error(void **state)
{
	static const enum emit_kind kinds[] = { EMIT_TABLE, EMIT_CSV, EMIT_JSON };
	struct stat st;

	if (access("/dev/full", W_OK) < 0)
		skip();
	for (int i = 0; i < 12; i++) {
		FILE *f = i % 2 ? fopen("/dev/full", "w") : NULL;
		struct emit_cfg cfg = { .kind = kinds[i / 4], .stream = f,
					.path = f ? NULL : "/dev/full" };
		struct emit *em;
		struct err e = { "" };

		assert_int_equal(0, emit_create(&em, &cfg, &e));
		for (int k = 0; k < (i & 2 ? 20000 : 1); k++) {
			if (k == 0)
				emit_table(em, &(struct emit_table){ .name = "t",
					.cols = cols + 1, .nr_cols = 1 });
			emit_u64(em, 12345);
			emit_row(em);
		}
		assert_int_equal(-ENOSPC, emit_close(em, &e));
		assert_contains(e.text, "No space left");
		if (f)
			fclose(f);
	}
	/* It is still the device it was. */
	assert_int_equal(0, stat("/dev/full", &st));
	assert_true(S_ISCHR(st.st_mode));
}

static void test_unwritable_places_are_errors(void **state)
{
	struct emit *em;
	struct err e;
	char dir[64], path[128];

	assert_int_equal(-ENOENT, emit_create(&em, &(struct emit_cfg){
		.path = "/nonexistent/a.csv" }, &e));
	assert_contains(e.text, "cannot write '/nonexistent/a.csv': No such file");
	assert_int_equal(-EINVAL, emit_create(&em, &(struct emit_cfg){
		.path = "" }, &e));
	check_tmpdir(dir);
	snprintf(path, sizeof(path), "%s/d.csv", dir);
	assert_int_equal(0, mkdir(path, 0777));
	assert_int_equal(-EISDIR, emit_create(&em, &(struct emit_cfg){
		.path = path }, &e));
	check_rmdir(dir);
}

/* The rename can fail too: the target became a directory meanwhile. */
static void test_failed_rename_leaves_nothing(void **state)
{
	struct outfile o;
	struct err e;
	char dir[64], path[128];

	check_tmpdir(dir);
	snprintf(path, sizeof(path), "%s/x.bin", dir);
	assert_int_equal(0, outfile_open(&o, path, &e));
	fputs("data", o.f);
	assert_int_equal(0, mkdir(path, 0777));
	assert_int_equal(-EISDIR, outfile_commit(&o, &e));
	assert_contains(e.text, path);
	assert_int_equal(1, nr_files(dir));
	outfile_discard(&o);
	check_rmdir(dir);
}

/* Same calls, same bytes. */
static void test_output_is_repeatable(void **state)
{
	static const enum emit_kind kinds[] = { EMIT_TABLE, EMIT_CSV, EMIT_JSON };

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		char *a = render(kinds[i], NULL, fill);
		char *b = render(kinds[i], NULL, fill);

		assert_string_equal(a, b);
		free(a);
		free(b);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_text),
	cmocka_unit_test(test_csv_has_one_table),
	cmocka_unit_test(test_json),
	cmocka_unit_test(test_odd_strings_and_large_numbers),
	cmocka_unit_test(test_counters_not_modelled_are_not_zero),
	cmocka_unit_test(test_empty_document),
	cmocka_unit_test(test_kind_comes_from_the_suffix),
	cmocka_unit_test(test_file_appears_by_rename),
	cmocka_unit_test(test_full_disk_is_an_error),
	cmocka_unit_test(test_unwritable_places_are_errors),
	cmocka_unit_test(test_failed_rename_leaves_nothing),
	cmocka_unit_test(test_output_is_repeatable),
};

TEST_MAIN(tests)
