/* test_import.c - other tools' traces, line by line: what is read as what, what is left
 * out, what a bad line is told, and that the error stays. */
#include "tests/import_seq.h"

#include <errno.h>

static const char drmemtrace_new[] =
	"Adios world!\n"
	"Output format:\n"
	"<--record#-> <--instr#->: <---tid---> <record details>\n"
	"------------------------------------------------------------\n"
	"           1           0:     2765542 <marker: version 5>\n"
	"           2           0:     2765542 <marker: page size 4096>\n"
	"       47445       37770:     2765543 ifetch       5 byte(s) @ "
	"0x0000000000404a7e 48 8b 5c 24 08       mov    0x08(%rsp) -> %rbx\n"
	"       47446       37770:     2765543 read         8 byte(s) @ "
	"0x00007fdf64e2adc8 by PC 0x0000000000404a7e\n"
	"       47451       37774:     2765543 <marker: system call 273>\n"
	"------------------------------------------------------------\n"
	"       47454       37775:     2765542 ifetch      10 byte(s) @ "
	"0x000000000040257d 48 b8 00 00 00 00 00 mov    $0x0 -> %rax\n"
	"       47454       37775:     2765542             "
	"                               00 00 00\n"
	"       47455       37775:     2765542 write        8 byte(s) @ "
	"0x00007ffd90c13950 by PC 0x000000000040257d\n"
	"       47456       37775:     2765542 pref-r-L1   64 byte(s) @ "
	"0x00007ffd90c13980 by PC 0x000000000040257d\n"
	"       47457       37775:     2765542 iflush       0 byte(s) @ "
	"0x0000000000000000 by PC 0x000000000040257d\n"
	"       47458       37776:     2765542 ifetch       3 byte(s) @ "
	"0x0000000000402680 non-fetched instruction\n"
	"       47459       37776:     2765542 <thread 2765542 exited>\n"
	"View tool results:\n"
	"          37776 : total instructions\n";

static const char drmemtrace_old[] =
	"        1: T1774673 <marker: version 4>\n"
	"   173369: T1774669 ifetch       3 byte(s) @ 0x0000000000402680 f3 48 "
	"a5             rep movsq\n"
	"   173370: T1774669 read         8 byte(s) @ 0x00007f8881e37c70 by PC "
	"0x0000000000402680\n"
	"   173371: T1774669 write        8 byte(s) @ 0x00007f8881e37a70 by PC "
	"0x0000000000402680\n";

static const char drmemtrace_input[] =
	"          10           2: W0.T292 write        8 byte(s) @ 0x2345 by "
	"PC 0x6789\n";

static const char perf_faults[] =
	"# ========\n# captured on    : x\n#\n"
	"              ls 17264/17264  1529.097929: page-faults:     "
	"562e189765c0 __progname ffffffff81775b9a elf_load\n"
	"     my prog 2 17264/17265  1529.097972: page-faults:     "
	"7f0310db5110 _start     7f0310d9bb70 _start\n"
	"              ls 17264/17264  1529.098000: page-faults:                "
	" 0 [unknown]     7f0310d9bb70 _start\n";

static const char perf_mem[] =
	"            sort  4242 [003]   812.123456:          1 "
	"cpu/mem-loads,ldlat=30/P:     7fff12345678         68100142 |OP LOAD|"
	"LVL L1 hit|SNP None|TLB L1 or L2 hit|LCK No  7     55b3c122bffc main\n"
	"            sort  4242 [003]   812.123457:          1 "
	"cpu/mem-stores/P:     7fff12345680          5080184 |OP STORE|LVL L1 "
	"hit|SNP N/A|TLB N/A|LCK N/A  0     55b3c122bffc main\n"
	"            sort  4242 [003]   812.123458:          1 "
	"ibs_op//:     7fff12345690          5080184 |OP STORE|LVL L1 hit|  0 "
	"    55b3c122bffc main\n"
	"            sort  4242 [003]   812.123459:          1 "
	"mem-stores:     7fff123456a0     55b3c122bffc main\n";

static const char perf_chains[] =
	"ls 19767/19767  1675.524521: page-faults:u:     7fc73a19fb70\n"
	"\t           1ab70 _start\n\n"
	"ls 19767/19767  1675.524613: page-faults:u:     7fc73a1a0770\n"
	"\t           1b770 _dl_start\n\t           1ab78 _dl_start_user\n\n";

static const struct {
	const char *text, *format;
	size_t nr;
	struct import_access want[5];
	const char *command;
} sample[] = {
	{ "==7== Command: x -y\nI  04001000,3\n L 1000,8\n S 1ffc,8\n M 2,4\n",
	  "lackey", 4, { { 0x4001000, 3, 0, RUN_FETCH },
	  { 0x1000, 8, 0, RUN_READ }, { 0x1ffc, 8, 0, RUN_WRITE },
	  { 2, 4, 0, RUN_MODIFY } }, "x -y" },
	{ drmemtrace_new, "drmemtrace", 4, {
	  { 0x404a7e, 5, 2765543, RUN_FETCH },
	  { 0x7fdf64e2adc8, 8, 2765543, RUN_READ },
	  { 0x40257d, 10, 2765542, RUN_FETCH },
	  { 0x7ffd90c13950, 8, 2765542, RUN_WRITE } }, "" },
	{ drmemtrace_old, "drmemtrace", 3, {
	  { 0x402680, 3, 1774669, RUN_FETCH },
	  { 0x7f8881e37c70, 8, 1774669, RUN_READ },
	  { 0x7f8881e37a70, 8, 1774669, RUN_WRITE } }, "" },
	{ drmemtrace_input, "drmemtrace", 1,
	  { { 0x2345, 8, 292, RUN_WRITE } }, "" },
	{ perf_faults, "perf", 2, { { 0x562e189765c0, 1, 17264, RUN_READ },
	  { 0x7f0310db5110, 1, 17265, RUN_READ } }, "ls" },
	{ perf_mem, "perf", 4, { { 0x7fff12345678, 1, 4242, RUN_READ },
	  { 0x7fff12345680, 1, 4242, RUN_WRITE },
	  { 0x7fff12345690, 1, 4242, RUN_WRITE },
	  { 0x7fff123456a0, 1, 4242, RUN_WRITE } }, "sort" },
	{ perf_chains, "perf", 2, { { 0x7fc73a19fb70, 1, 19767, RUN_READ },
	  { 0x7fc73a1a0770, 1, 19767, RUN_READ } }, "ls" },
	{ "page-faults:     562e189765c0\n", "perf", 1,
	  { { 0x562e189765c0, 1, 0, RUN_READ } }, "" },
	{ "ls 1/2  1529.097929:     562e189765c0\n", "perf", 1,
	  { { 0x562e189765c0, 1, 2, RUN_READ } }, "ls" },
};

/* Samples as the tools print them: found by content, every field taken. */
static void test_samples(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(sample); i++) {
		struct seq want = { 0 }, got = { 0 };
		struct import_stats stats;
		const char *format;
		int ret = read_bytes(sample[i].text, strlen(sample[i].text),
				     (struct import_cfg){ 0 }, &got, &stats,
				     &format);

		if (ret)
			fail_msg("sample %zu: %s", i, err.text);
		for (size_t k = 0; k < sample[i].nr; k++)
			seq_add(&want, sample[i].want[k].va,
				sample[i].want[k].bytes, sample[i].want[k].op,
				sample[i].want[k].tid);
		assert_string_equal(format, sample[i].format);
		assert_string_equal(stats.command, sample[i].command);
		assert_int_equal(stats.nr_accesses, want.nr);
		expect_same(&want, &got, sample[i].text);
		free(want.a);
		free(got.a);
	}
}

/* What is left out is counted. */
static void test_left_out(void **state)
{
	struct import_cfg cfg = { .without_fetch = true };
	struct import_stats stats;
	struct seq got = { 0 };

	assert_int_equal(read_bytes(drmemtrace_new, sizeof(drmemtrace_new) - 1,
				    cfg, &got, &stats, NULL), 0);
	assert_int_equal(stats.nr_fetches_skipped, 2);
	assert_int_equal(stats.nr_hints_skipped, 2);
	assert_int_equal(got.nr, 2);
	got.nr = 0;
	assert_int_equal(read_bytes(perf_faults, sizeof(perf_faults) - 1, cfg,
				    &got, &stats, NULL), 0);
	assert_int_equal(stats.nr_unaddressed, 1);
	free(got.a);
}

#define REC "  7  3: 42 "

static const struct {
	const char *format, *text;
	size_t bytes;           /* 0: strlen                                  */
	const char *want;
} bad[] = {
	{ NULL, "", 0, "input: is empty" },
	{ "lackey", " L 10,8\nL 10,8\n", 0, "line 2, column 1: expected 'I" },
	{ "lackey", " L 10,8", 0, "line 1: the input ends within it" },
	{ NULL, "hello\nworld\n", 0, "line 1: expected the output of" },
	{ NULL, "hello: bad\nworld\n", 0, "line 1: expected the output of" },
	{ NULL, "\x89TLBT\r\n\x1a", 0, "is a .tlbt trace already" },
	{ "drmemtrace", "x\n", 0, "line 1, column 1: expected 'RECORD" },
	{ "drmemtrace", REC "read 8 byte(s) @ 0x10 by\n" REC "red 8 byte(s) @ "
	  "0x10\n", 0, "line 2, column 12: expected ifetch, read" },
	{ "drmemtrace", REC "read x byte(s) @ 0x10\n", 0, "expected a size" },
	{ "drmemtrace", REC "read 0 byte(s) @ 0x10\n", 0, "expected a size" },
	{ "drmemtrace", REC "read 99999 byte(s) @ 0x10\n", 0, "expected a size" },
	{ "drmemtrace", REC "read 8 bytes @ 0x10\n", 0, "' byte(s) @ 0xADDR'" },
	{ "drmemtrace", REC "read 8 byte(s) @ 0xg\n", 0, "expected an address" },
	{ "drmemtrace", REC "read 8 byte(s) @ 0x10", 0, "ends within it" },
	{ "drmemtrace", REC "read 8 byte(s) @ 0xfffffffffffffffe x\n", 0,
	  "64-bit address space" },
	{ "drmemtrace", "7 3 42 read 8 byte(s) @ 0x10\n", 0, "'RECORD INSTR" },
	{ "drmemtrace", REC "\n", 0, "expected" },
	{ "drmemtrace", "1: W0.T1 read 8 byte(s) @ 0x10\n1: W1.T1 read 8 "
	  "byte(s) @ 0x10\n", 0, "line 2, column 1: expected records of one" },
	{ "perf", "ls 1/1 1.0: x: 7f12 a 7fffff12 b\nhello\n", 0,
	  "line 2, column 1: expected a sample" },
	{ "perf", "ls 1/1 1.0: x: xyz\n", 0, "column 16: expected an address" },
	{ "perf", "ls 1/1 1.0: x:\n", 0, "expected an address" },
	{ "perf", "ls 1/1 1.0: x: 11112222333344445\n", 0, "an address" },
	{ "perf", "ls 1/1  1.0: cycles:  ffffffff81775b9a elf_load+0x28a "
	  "([kernel.kallsyms])\n", 0, "expected addr and ip" },
	{ "perf", "ls 1/1  1.0: cycles:      7f0310d9bb70 decade (/usr/lib)\n",
	  0, "expected addr and ip" },
	{ "perf", "ls 1/1  1.0:          1 7f0310d9bb70\n", 0,
	  "expected a sample with" },
	{ "champsim", "0123456", 0, "byte 0: truncated: expected records of 64 "
	  "bytes, found 7" },
	{ NULL, "\0\0\0", 3, "byte 0: expected text, or ChampSim records" },
};

static void test_bad_input(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct import_cfg cfg = { .format = bad[i].format };
		struct seq got = { 0 };
		int ret = read_bytes(bad[i].text, bad[i].bytes ? bad[i].bytes :
				     strlen(bad[i].text), cfg, &got, NULL,
				     NULL);

		if (ret != -EINVAL || !strstr(err.text, bad[i].want) ||
		    strncmp(err.text, "input: ", 7))
			fail_msg("row %zu: got %d '%s', want '%s'", i, ret,
				 ret ? err.text : "", bad[i].want);
		free(got.a);
	}
}

static void test_directory_and_format(void **state)
{
	struct import_cfg cfg = { .name = "input" };
	int fd = open("tests", O_RDONLY);
	struct seq got = { 0 };

	assert_true(fd >= 0);
	assert_int_equal(read_fd(fd, cfg, &got, NULL, NULL), -EISDIR);
	assert_contains(err.text, "input: cannot read at byte 0");
	close(fd);
	cfg.format = "pref";
	assert_int_equal(read_bytes("x\n", 2, cfg, &got, NULL, NULL), -ENOENT);
	assert_contains(err.text, "did you mean 'perf'?");
}

/* What is before a bad line is handed out, then the error, for good. */
static void test_error_stays(void **state)
{
	static const char text[] = " L 10,8\n S 20,8\nbad\n L 30,8\n";
	const struct import_access *a;
	char path[128];
	struct import *im;
	size_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/in", dir);
	check_write(path, text, sizeof(text) - 1);
	fd = open(path, O_RDONLY);
	assert_int_equal(import_open(&im, fd, &(struct import_cfg){
			.name = "input" }, &err), 0);
	assert_int_equal(import_next(im, &a, &n, &err), 0);
	assert_int_equal(n, 2);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(import_next(im, &a, &n, &err), -EINVAL);
		assert_contains(err.text, "line 3");
		assert_int_equal(n, 0);
	}
	import_close(im);
	close(fd);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_samples),
	cmocka_unit_test(test_left_out),
	cmocka_unit_test(test_bad_input),
	cmocka_unit_test(test_directory_and_format),
	cmocka_unit_test(test_error_stays),
};

DIR_MAIN(tests)
