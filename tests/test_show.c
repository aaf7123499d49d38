/* What --timeline and --html write: JSON that a parser takes, about the run that
 * was found, with nothing from elsewhere.
 */
#include "tests/check.h"

#include "emu/race_show.h"

static struct race_outcome found;
static char dir[64];

static struct race_show show_of(const char *race, const char *row_id,
				struct race_limits *lim)
{
	struct race_show s = { .race = race_find(race), .lim = lim,
			       .o = &found, .replay = "tlbemu race <&>" };

	for (u32 i = 0; i < s.race->nr_rows; i++)
		if (!strcmp(s.race->rows[i].id, row_id))
			s.row = &s.race->rows[i];
	assert_non_null(s.row);
	s.k = kernel_find(s.row->kernel);
	s.fixed = race_fixed_row(s.race, s.row, NULL);
	*lim = (struct race_limits){ .want_shortest = true };
	race_run(s.race, s.row, s.k, lim, &found);
	assert_int_equal(found.outcome, EXPLORE_VIOLATION);
	return s;
}

static const char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static const char *str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static double num(const json_t *o, const char *key)
{
	assert_true(json_is_number(json_object_get(o, key)));
	return json_number_value(json_object_get(o, key));
}

/* A slice a move, in order, on the track of its CPU; every arrow begins at one
 * CPU and ends at another, later. */
static void test_timeline(void **state)
{
	struct race_limits lim;
	struct race_show s = show_of("R07", "V0", &lim);
	double last = -1, began[64] = { 0 };
	u32 slices = 0, tracks = 0, sent = 0, arrived = 0, lost = 0;
	json_t *t, *events, *e;
	size_t i;
	struct err er;

	assert_int_equal(race_timeline(&s, path_of("t.json"), &er), 0);
	t = json_load_file(path_of("t.json"), JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(t);
	events = json_object_get(t, "traceEvents");
	json_array_foreach(events, i, e) {
		const char *ph = str(e, "ph");

		assert_true(num(e, "pid") == 1 && num(e, "tid") < s.race->nr_cpus);
		if (!strcmp(ph, "M")) {
			tracks += !strcmp(str(e, "name"), "thread_name");
		} else if (!strcmp(ph, "X")) {
			assert_int_equal(num(e, "tid"),
					 found.moves[slices].cpu);
			slices++;
			assert_true(num(e, "ts") > last && num(e, "dur") > 0);
			last = num(e, "ts");
		} else if (!strcmp(ph, "s")) {
			began[(int)num(e, "id")] = num(e, "ts");
			sent++;
		} else if (!strcmp(ph, "f")) {
			double at = began[(int)num(e, "id")];

			assert_true(at > 0 && num(e, "ts") > at);
			assert_string_equal(str(e, "bp"), "e");
			arrived++;
		} else {
			assert_string_equal(str(e, "name"), "this store is lost");
			lost++;
		}
	}
	assert_int_equal(slices, found.nr_moves);
	assert_int_equal(tracks, 3);
	assert_int_equal(lost, 1);
	assert_true(sent >= 2 && arrived >= 1 && arrived <= sent);
	json_decref(t);
}

static json_t *data_of(const char *html)
{
	const char *tag = "<script type=\"application/json\" id=\"data\">";
	const char *from = strstr(html, tag), *to;
	json_t *data;

	assert_non_null(from);
	from += strlen(tag);
	to = strstr(from, "</script>");
	assert_non_null(to);
	data = json_loadb(from, (size_t)(to - from), JSON_REJECT_DUPLICATES,
			  NULL);
	assert_non_null(data);
	return data;
}

static void check_steps(const json_t *run, size_t nr_moves)
{
	json_t *steps = json_object_get(run, "steps"), *s;
	size_t i, cpus = json_array_size(json_object_get(run, "cpus"));

	assert_true(json_array_size(steps) >= nr_moves + 1);
	json_array_foreach(steps, i, s) {
		json_t *now = json_object_get(s, "state");

		assert_int_equal(json_array_size(json_object_get(now, "cpus")),
				 cpus);
		assert_true(json_object_size(json_object_get(now, "pte")) > 0);
		assert_true(json_object_size(json_object_get(now, "frame")) > 0);
	}
}

/* Everything is in the page; the losing run ends in what was found, with the
 * store marked, and the fixed one in nothing. */
static void test_html(void **state)
{
	static const struct { const char *race, *row; } of[] = {
		{ "R07", "V0" }, { "R01", "HEAD" }, { "R10", "R10a" },
	};

	for (u32 n = 0; n < ARRAY_LEN(of); n++) {
		struct race_limits lim;
		struct race_show s = show_of(of[n].race, of[n].row, &lim);
		json_t *data, *runs, *run, *step;
		u32 lost = 0;
		struct err er;
		char *html;
		size_t i;

		assert_int_equal(race_html(&s, path_of("r.html"), &er), 0);
		html = check_slurp(path_of("r.html"));
		assert_null(strstr(html, "http:"));
		assert_null(strstr(html, "https:"));
		assert_null(strstr(html, "src="));
		assert_null(strstr(html, "@TITLE@"));
		assert_contains(html, "tlbemu race &lt;&amp;&gt;");
		assert_contains(html, "prefers-color-scheme: dark");
		data = data_of(html);
		runs = json_object_get(data, "runs");
		run = json_array_get(runs, 0);
		assert_string_equal(str(run, "oracle"), found.oracle);
		check_steps(run, found.nr_moves);
		assert_int_equal(json_array_size(json_object_get(run, "steps")),
				 found.nr_moves + 1);
		json_array_foreach(json_object_get(run, "steps"), i, step)
			lost += json_object_get(step, "lost") != NULL;
		assert_int_equal(lost, !strcmp(found.oracle, "O1"));
		assert_int_equal(json_array_size(runs), 2);
		run = json_array_get(runs, 1);
		assert_string_not_equal(str(run, "kernel"), s.k->name);
		assert_string_equal(str(run, "oracle"), "");
		check_steps(run, 1);
		json_decref(data);
		free(html);
	}
}

/* A full disk leaves no page. */
static void test_no_room(void **state)
{
	struct race_limits lim;
	struct race_show s = show_of("R01", "HEAD", &lim);
	struct err er;

	assert_true(race_html(&s, "/dev/full", &er) < 0);
	assert_true(race_timeline(&s, path_of("none/t.json"), &er) < 0);
	assert_contains(er.text, "none");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_timeline),
	cmocka_unit_test(test_html),
	cmocka_unit_test(test_no_room),
};

int main(int argc, char **argv)
{
	int failed;

	check_tmpdir(dir);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	check_rmdir(dir);
	return failed ? 1 : 0;
}
