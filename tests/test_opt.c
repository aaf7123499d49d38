/* The option table: command line, files, help and echo. */
#include <errno.h>

#include "base/opt.h"
#include "base/rng.h"
#include "tests/check.h"

static const char *const flushes[] = { "ipi", "batched", "range", NULL };

struct cfg {
	u32 cpus;
	bool check, warm;
	u64 size, delay_ns, freq_hz, count;
	double share;
	const char *out, *machine;
	int flush;
};

static const struct opt main_opts[] = {
	{ .name = "cpus", .kind = OPT_U32, .def = "8", .min = 1, .max = 1024,
	  .help = "modelled CPUs", .group = "machine",
	  .offset = offsetof(struct cfg, cpus) },
	{ .name = "machine", .kind = OPT_STRING, .metavar = "NAME",
	  .def = "skylake-sp", .see = "tlbemu list machines",
	  .help = "preset, file or hwloc string to model", .group = "machine",
	  .offset = offsetof(struct cfg, machine) },
	{ .name = "check", .kind = OPT_BOOL, .help = "turn the oracles on",
	  .group = "run", .offset = offsetof(struct cfg, check) },
	{ .name = "warm", .kind = OPT_BOOL, .def = "yes", .help = "warm up first",
	  .group = "run", .offset = offsetof(struct cfg, warm) },
	{ .name = "out", .kind = OPT_STRING, .letter = 'o', .metavar = "FILE",
	  .help = "format from the suffix", .group = "output", .no_echo = true,
	  .offset = offsetof(struct cfg, out) },
};

static const struct opt more_opts[] = {
	{ .name = "size", .kind = OPT_SIZE, .def = "2M", .min = 4096,
	  .group = "run", .offset = offsetof(struct cfg, size) },
	{ .name = "scan-delay", .kind = OPT_TIME_NS, .def = "1s", .unit = "ns",
	  .group = "run", .offset = offsetof(struct cfg, delay_ns) },
	{ .name = "freq", .kind = OPT_HZ, .def = "3.2GHz", .group = "machine",
	  .offset = offsetof(struct cfg, freq_hz) },
	{ .name = "count", .kind = OPT_U64, .letter = 'n', .def = "10k",
	  .group = "run", .offset = offsetof(struct cfg, count) },
	{ .name = "share", .kind = OPT_DOUBLE, .def = "0.5", .dmin = 0, .dmax = 1,
	  .group = "run", .offset = offsetof(struct cfg, share) },
	{ .name = "flush", .kind = OPT_ENUM, .names = flushes, .def = "ipi",
	  .help = "shootdown strategy", .see = "tlbemu list flush",
	  .group = "machine", .offset = offsetof(struct cfg, flush) },
};

static struct opt_set *bind(struct cfg *cfg)
{
	const struct opt_bind binds[] = { OPT_BIND(main_opts, cfg),
					  OPT_BIND(more_opts, cfg) };
	struct opt_set *s;

	assert_int_equal(0, opt_set_create(&s, binds, ARRAY_LEN(binds)));
	return s;
}

/* Words of @line, blanks between, as an argv. */
static int words(char *line, char **argv)
{
	int n = 0;

	for (char *w = strtok(line, " "); w; w = strtok(NULL, " "))
		argv[n++] = w;
	return n;
}

static int parse(struct opt_set *s, const char *text, char **argv, char *line,
		 struct err *e)
{
	strcpy(line, text);
	return opt_parse_args(s, words(line, argv), argv, e);
}

static void test_defaults(void **state)
{
	struct cfg cfg;
	struct opt_set *s;

	memset(&cfg, 0xaa, sizeof(cfg));
	s = bind(&cfg);
	assert_int_equal(8, cfg.cpus);
	assert_string_equal("skylake-sp", cfg.machine);
	assert_false(cfg.check);
	assert_true(cfg.warm);
	assert_null(cfg.out);
	assert_int_equal(2097152, cfg.size);
	assert_int_equal(1000000000, cfg.delay_ns);
	assert_int_equal(3200000000, cfg.freq_hz);
	assert_int_equal(10000, cfg.count);
	assert_true(cfg.share == 0.5);
	assert_int_equal(0, cfg.flush);
	assert_int_equal(OPT_FROM_DEFAULT, opt_origin_of(s, "cpus"));
	opt_set_free(s);
}

/* Every spelling the header promises; what is no option keeps its order. */
static void test_command_line_spellings(void **state)
{
	struct cfg cfg;
	struct opt_set *s = bind(&cfg);
	char line[256], *argv[32];
	struct err e = { "" };
	int n = parse(s, "storm --cpus=2 -o a.csv --size 64K file --check --no-warm "
		      "--scan_delay=10us --set flush=batched -n5 --set=share=.25 "
		      "--freq 3GHz -- --cpus=7", argv, line, &e);

	assert_string_equal("", e.text);
	assert_int_equal(3, n);
	assert_string_equal("storm", argv[0]);
	assert_string_equal("file", argv[1]);
	assert_string_equal("--cpus=7", argv[2]);
	assert_int_equal(2, cfg.cpus);
	assert_string_equal("a.csv", cfg.out);
	assert_int_equal(65536, cfg.size);
	assert_true(cfg.check);
	assert_false(cfg.warm);
	assert_int_equal(10000, cfg.delay_ns);
	assert_int_equal(1, cfg.flush);
	assert_int_equal(5, cfg.count);
	assert_true(cfg.share == 0.25);
	assert_int_equal(3000000000, cfg.freq_hz);
	assert_int_equal(OPT_FROM_CMDLINE, opt_origin_of(s, "scan-delay"));
	assert_int_equal(2, parse(s, "--cpus=3 - --check=no x", argv, line, &e));
	assert_string_equal("-", argv[0]);
	assert_false(cfg.check);
	assert_int_equal(3, cfg.cpus);
	/* A text that begins as none may be none again. */
	assert_int_equal(0, parse(s, "--machine=", argv, line, &e));
	assert_string_equal("", cfg.machine);
	/* A boolean takes a word only if it is yes or no. */
	assert_int_equal(2, parse(s, "--check yes --warm no yes --check none",
				  argv, line, &e));
	assert_string_equal("yes", argv[0]);
	assert_string_equal("none", argv[1]);
	assert_true(cfg.check);
	assert_false(cfg.warm);
	assert_int_equal(1, parse(s, "--check no --no-warm no", argv, line, &e));
	assert_string_equal("no", argv[0]);
	assert_false(cfg.check);
	opt_set_free(s);
}

static const struct {
	const char *args;
	int ret;
	const char *text;
} error_rows[] = {
	{ "--cpus=0", -ERANGE, "--cpus: 0 is out of range 1..1024" },
	{ "--cpus=1025", -ERANGE, "--cpus: 1025 is out of range" },
	{ "--cpus=x", -EINVAL, "--cpus: 'x' is not a whole number" },
	{ "--cpus=", -EINVAL, "--cpus: '' is not a whole number" },
	{ "--cpus=-1", -EINVAL, "'-1' is not a whole number" },
	{ "--cpus=99999999999999999999", -ERANGE, "too large" },
	{ "--size=4095", -ERANGE, "--size: 4095 is less than 4K" },
	{ "--size=2q", -EINVAL, "'2q' is not a size" },
	{ "--scan-delay=10", 0, "" },
	{ "--scan-delay=1.5ns", -EINVAL, "not a whole number of ns" },
	{ "--share=1.01", -ERANGE, "--share: 1.01 is out of range 0..1" },
	{ "--share=nan", -EINVAL, "'nan' is not a number" },
	{ "--flush=bached", -EINVAL, "--flush: 'bached' is not ipi, batched or range;"
	  " did you mean 'batched'? ('tlbemu list flush' shows all)" },
	{ "--flush=zzz", -EINVAL, "--flush: 'zzz' is not ipi, batched or range ('" },
	{ "--check=perhaps", -EINVAL, "--check: 'perhaps' is neither yes nor no" },
	{ "--no-check=yes", -EINVAL, "--no-check takes no value" },
	{ "--no-cpus", -ENOENT, "no option '--no-cpus'" },
	{ "--cpu=4", -ENOENT, "no option '--cpu'; did you mean '--cpus'?" },
	{ "--chekc", -ENOENT, "did you mean '--check'?" },
	{ "--frobnicate", -ENOENT, "no option '--frobnicate'" },
	{ "--=3", -ENOENT, "no option '--'" },
	{ "-x", -ENOENT, "no option '-x'" },
	{ "--cpus", -EINVAL, "--cpus: needs a value (--cpus=N)" },
	{ "-o", -EINVAL, "-o: needs a value (-o FILE)" },
	{ "-o --check", -EINVAL, "-o: needs a value (-o FILE), but '--check' follows" },
	{ "--set", -EINVAL, "--set: needs a value (--set=KEY=VALUE)" },
	{ "--set cpus", -EINVAL, "--set: 'cpus' is not KEY=VALUE" },
	{ "--set =4", -EINVAL, "'=4' is not KEY=VALUE" },
	{ "--set cpu=4", -ENOENT, "--set: no option 'cpu'; did you mean 'cpus'?" },
	{ "--set cpus=0", -ERANGE, "--set cpus: 0 is out of range" },
};

static void test_errors_say_what_was_expected(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(error_rows); i++) {
		struct cfg cfg;
		struct opt_set *s = bind(&cfg);
		char line[256], *argv[32];
		struct err e = { "" };
		int ret = parse(s, error_rows[i].args, argv, line, &e);

		if (ret != error_rows[i].ret)
			fail_msg("%s: got %d, %s", error_rows[i].args, ret, e.text);
		assert_contains(e.text, error_rows[i].text);
		/* A bad value changes nothing. */
		assert_int_equal(8, cfg.cpus);
		assert_int_equal(0, cfg.flush);
		parse(s, error_rows[i].args, argv, line, NULL);
		opt_set_free(s);
	}
}

/* With known options only, the others come back as they were typed. */
static void test_unknown_options_can_be_left(void **state)
{
	struct cfg cfg;
	struct opt_set *s = bind(&cfg);
	char line[] = "--pages=5 storm --set pages=6 --cpus=2 -z --set cpus=3 -- -o x";
	static const char *const want[] = { "--pages=5", "storm", "--set",
					    "pages=6", "-z", "--", "-o", "x" };
	char *argv[32];
	struct err e = { "" };
	int n = opt_parse_known(s, words(line, argv), argv, &e);

	assert_int_equal(ARRAY_LEN(want), n);
	for (int i = 0; i < n; i++)
		assert_string_equal(want[i], argv[i]);
	assert_int_equal(3, cfg.cpus);
	opt_set_free(s);
}

/* --- files ----------------------------------------------------------- */

static int take_sweep(void *arg, const char *section, const char *key,
		      const char *value, u32 line, struct err *e)
{
	char *log = arg;

	if (strcmp(section, "sweep") != 0)
		return err_set(e, -ENOENT, "no section [%s]", section);
	sprintf(log + strlen(log), "%u:%s=%s;", line, key, value);
	return 0;
}

static int parse_file(struct opt_set *s, const char *text, size_t bytes,
		      const struct opt_ini *how, struct err *e)
{
	char dir[64], path[96];
	int ret;

	snprintf(path, sizeof(path), "%s/exp.ini", check_tmpdir(dir));
	check_write(path, text, bytes);
	ret = opt_parse_ini(s, path, how, e);
	check_rmdir(dir);
	return ret;
}

static const char *const run_sections[] = { "run", "machine", NULL };

static void test_file_sets_options(void **state)
{
	static const char text[] =
		"# an experiment\n"
		"cpus = 4\n"
		"[run]\n"
		"  size = 64K   ; indented, with a comment\n"
		"\tscan_delay = 10us\n"
		"check = yes\n"
		"\n"
		"[sweep]\n"
		"cpus = 1, 2, 4\n"
		"seed = 1..25\n"
		"[machine]\r\n"
		"machine = \"pack:4 core:2 pu:2\"\r\n"
		"flush = range\n"
		"out = \"a\" \"b\"";
	char log[256] = "";
	struct opt_ini how = { .sections = run_sections, .other = take_sweep,
			       .arg = log };
	struct cfg cfg;
	struct opt_set *s = bind(&cfg);
	struct err e = { "" };

	assert_int_equal(0, parse_file(s, text, strlen(text), &how, &e));
	assert_string_equal("", e.text);
	assert_int_equal(4, cfg.cpus);
	assert_int_equal(65536, cfg.size);
	assert_int_equal(10000, cfg.delay_ns);
	assert_true(cfg.check);
	assert_string_equal("pack:4 core:2 pu:2", cfg.machine);
	assert_int_equal(2, cfg.flush);
	assert_string_equal("\"a\" \"b\"", cfg.out);
	assert_string_equal("9:cpus=1, 2, 4;10:seed=1..25;", log);
	assert_int_equal(OPT_FROM_FILE, opt_origin_of(s, "cpus"));
	opt_set_free(s);
}

/* The command line wins, whether it is read before the file or after. */
static void test_command_line_beats_file(void **state)
{
	static const char text[] = "cpus = 4\nsize = 8K\ncpus = 5\n";
	char line[256], *argv[32];
	struct err e = { "" };
	struct cfg cfg;
	struct opt_set *s = bind(&cfg);

	assert_int_equal(0, parse(s, "--cpus=2", argv, line, &e));
	assert_int_equal(0, parse_file(s, text, strlen(text), NULL, &e));
	assert_int_equal(2, cfg.cpus);
	assert_int_equal(8192, cfg.size);
	opt_set_free(s);

	s = bind(&cfg);
	assert_int_equal(0, parse_file(s, text, strlen(text), NULL, &e));
	assert_int_equal(5, cfg.cpus);
	assert_int_equal(0, parse(s, "--cpus=2", argv, line, &e));
	assert_int_equal(2, cfg.cpus);
	opt_set_free(s);
}

#define ROW(ret, text, want) { text, sizeof(text) - 1, ret, want }

static void test_file_errors_name_the_line(void **state)
{
	static const struct {
		const char *text;
		size_t bytes;
		int ret;
		const char *want;
	} rows[] = {
		ROW(-ERANGE, "\n\ncpus = 0\n", "exp.ini:3: cpus: 0 is out of range"),
		ROW(-ENOENT, "cpu = 4\n", "exp.ini:1: no option 'cpu'; did you mean 'cpus'?"),
		ROW(-EINVAL, "cpus = 4\n[run\n", "exp.ini:2: expected '[section]' or"),
		ROW(-EINVAL, "cpus\n", "exp.ini:1: expected"),
		ROW(-EINVAL, "cpus = 4\nwhat\ncpus = 0\n", "exp.ini:2: expected"),
		ROW(-ERANGE, "cpus = 0\nwhat\n", "exp.ini:1: cpus: 0"),
		ROW(-EINVAL, "[rum]\ncpus = 4\n", "exp.ini:2: no section [rum] here; did you mean 'run'?"),
		ROW(-EINVAL, "cpus = 4\n\0\n", "exp.ini:2: not a text file"),
	};
	const struct opt_ini how = { .sections = run_sections };
	char text[2000];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct cfg cfg;
		struct opt_set *s = bind(&cfg);
		struct err e = { "" };
		int ret = parse_file(s, rows[i].text, rows[i].bytes, &how, &e);

		if (ret != rows[i].ret)
			fail_msg("row %zu: got %d, %s", i, ret, e.text);
		assert_contains(e.text, rows[i].want);
		opt_set_free(s);
	}

	struct cfg cfg;
	struct opt_set *s = bind(&cfg);
	struct err e = { "" };

	memset(text, 'x', sizeof(text));
	memcpy(text, "\nmachine =", 10);
	assert_int_equal(-EINVAL, parse_file(s, text, sizeof(text), &how, &e));
	assert_contains(e.text, "exp.ini:2: line longer than");
	assert_int_equal(-ENOENT, opt_parse_ini(s, "/nonexistent/a.ini", NULL, &e));
	assert_contains(e.text, "cannot read '/nonexistent/a.ini': No such file");
	assert_int_equal(-EIO, opt_parse_ini(s, "/", NULL, &e));
	opt_set_free(s);
}

/* Any file of any bytes: an error or not, but no crash, and text on error. */
static void test_random_files_do_no_harm(void **state)
{
	static const char *const bits[] = { "[", "]", "=", "\n", " ", "cpus", "run",
					    ";", "#", "\\", "\t", ":", "0", "9", "K",
					    "flush", "\xef\xbb\xbf", "\r", "\xff" };
	struct rng r;

	rng_init(&r, check_seed("files"));
	for (int i = 0; i < 300; i++) {
		struct cfg cfg;
		struct opt_set *s = bind(&cfg);
		struct err e = { "" };
		char text[512] = "";

		for (u64 k = rng_below(&r, 80); k; k--)
			strcat(text, bits[rng_below(&r, ARRAY_LEN(bits))]);
		if (parse_file(s, text, strlen(text), NULL, &e))
			assert_contains(e.text, "exp.ini:");
		assert_in_range(cfg.cpus, 1, 1024);
		opt_set_free(s);
	}
}

/* --- echo and help --------------------------------------------------- */

static char *print(const struct opt_set *s,
		   void (*how)(const struct opt_set *, FILE *))
{
	/* Static, since gcc 12 takes what fclose() stores for a local. */
	static char *text;
	static size_t bytes;
	FILE *f = open_memstream(&text, &bytes);

	how(s, f);
	fclose(f);
	return text;
}

/* An echoed configuration, read as a file, gives that configuration. */
static void test_echo_reads_back(void **state)
{
	struct rng r;

	rng_init(&r, check_seed("echo"));
	for (int i = 0; i < 200; i++) {
		struct cfg cfg, back;
		struct opt_set *s = bind(&cfg), *t = bind(&back);
		struct err e = { "" };
		char *text, *again;

		cfg.cpus = (u32)rng_between(&r, 1, 1024);
		cfg.check = rng_chance(&r, 1, 2);
		cfg.warm = rng_chance(&r, 1, 2);
		cfg.size = 4096 + (rng_u64(&r) >> rng_between(&r, 1, 63));
		cfg.delay_ns = rng_u64(&r) >> rng_below(&r, 64);
		cfg.freq_hz = rng_u64(&r) >> rng_below(&r, 64);
		cfg.count = rng_u64(&r);
		cfg.share = rng_double(&r);
		cfg.flush = (int)rng_below(&r, 3);
		text = print(s, opt_echo);
		if (parse_file(t, text, strlen(text), NULL, &e))
			fail_msg("%s\n%s", e.text, text);
		again = print(t, opt_echo);
		assert_string_equal(text, again);
		assert_true(cfg.size == back.size && cfg.share == back.share);
		assert_null(strstr(text, "out"));
		free(text);
		free(again);
		opt_set_free(s);
		opt_set_free(t);
	}
}

/* Runs of blanks and line breaks become one blank. */
static char *unwrap(const char *text)
{
	char *flat = calloc(1, strlen(text) + 1), *out = flat;

	for (; *text; text++) {
		bool blank = *text == ' ' || *text == '\n';

		if (!blank)
			*out++ = *text;
		else if (out > flat && out[-1] != ' ')
			*out++ = ' ';
	}
	return flat;
}

static void test_help_shows_groups_units_and_defaults(void **state)
{
	struct cfg cfg;
	struct opt_set *s = bind(&cfg);
	char *text = print(s, opt_help), *flat = unwrap(text);
	static const char *const want[] = {
		"--cpus=N modelled CPUs, 1..1024 [8]", "machine: ", "run: ",
		"output: -o, --out=FILE", "[skylake-sp] (tlbemu list machines)",
		"strategy: ipi, batched or range [ipi] (", "at least 4K [2M]",
		"in ns [1s]", "0..1 [0.5]", "warm up first [yes; --no-warm]",
	};

	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		assert_contains(flat, want[i]);
	free(flat);
	/* One heading per group, no line over 80 columns. */
	assert_null(strstr(strstr(text, "machine:\n") + 1, "machine:\n"));
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		assert_true(strlen(line) <= 80);
	free(text);
	opt_set_free(s);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_defaults),
	cmocka_unit_test(test_command_line_spellings),
	cmocka_unit_test(test_errors_say_what_was_expected),
	cmocka_unit_test(test_unknown_options_can_be_left),
	cmocka_unit_test(test_file_sets_options),
	cmocka_unit_test(test_command_line_beats_file),
	cmocka_unit_test(test_file_errors_name_the_line),
	cmocka_unit_test(test_random_files_do_no_harm),
	cmocka_unit_test(test_echo_reads_back),
	cmocka_unit_test(test_help_shows_groups_units_and_defaults),
};

TEST_MAIN(tests)
