/* test_import.c - other tools' traces come in exactly as they were written, in
 * whatever wrapping and pieces; what is damaged is one clear line, never other
 * accesses. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <lzma.h>
#include <sys/wait.h>
#include <zlib.h>
#include <zstd.h>

#include "base/grow.h"
#include "base/rng.h"
#include "emu/import.h"
#include "tests/check.h"
#include "workloads/trace_file.h"

struct seq {
	struct import_access *a;
	size_t nr, room;
};

struct text {
	u8 *p;
	size_t n, room;
};

static char dir[64];
static struct err err;

static void seq_add(struct seq *s, u64 va, u32 bytes, u8 op, u32 tid)
{
	assert_int_equal(0, GROW(s->a, s->nr, s->room, 1024));
	s->a[s->nr++] = (struct import_access){
		.va = va, .bytes = bytes, .tid = tid, .op = op,
	};
}

static void text_add(struct text *t, const void *p, size_t n)
{
	if (t->n + n > t->room) {
		t->room = 2 * (t->n + n) + 4096;
		t->p = realloc(t->p, t->room);
		assert_non_null(t->p);
	}
	memcpy(t->p + t->n, p, n);
	t->n += n;
}

static void text_printf(struct text *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void text_printf(struct text *t, const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	assert_true(n > 0 && n < (int)sizeof(line));
	text_add(t, line, n);
}

/* ---- reading ---- */

static int drain(struct import *im, struct seq *s)
{
	const struct import_access *a;
	size_t n;
	int ret;

	while (!(ret = import_next(im, &a, &n, &err)) && n)
		for (size_t i = 0; i < n; i++) {
			assert_true(a[i].bytes && a[i].op <= RUN_MODIFY);
			assert_true(a[i].va + (a[i].bytes - 1) >= a[i].va);
			seq_add(s, a[i].va, a[i].bytes, a[i].op, a[i].tid);
		}
	return ret;
}

static int read_fd(int fd, struct import_cfg cfg, struct seq *s,
		   struct import_stats *stats, const char **format)
{
	struct import *im;
	int ret;

	if (!cfg.name)
		cfg.name = "input";
	ret = import_open(&im, fd, &cfg, &err);
	if (ret)
		return ret;
	if (format)
		*format = import_format(im)->name;
	ret = drain(im, s);
	if (stats)
		*stats = *import_stats(im);
	import_close(im);
	return ret;
}

static int read_bytes(const void *p, size_t n, struct import_cfg cfg,
		      struct seq *s, struct import_stats *stats,
		      const char **format)
{
	char path[128];
	int fd, ret;

	snprintf(path, sizeof(path), "%s/in", dir);
	check_write(path, p, n);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	ret = read_fd(fd, cfg, s, stats, format);
	close(fd);
	return ret;
}

/* Through a pipe, in pieces of at most @piece bytes. */
static int read_pipe(const u8 *p, size_t n, size_t piece, struct seq *s)
{
	int fds[2], ret;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (!pid) {
		close(fds[0]);
		while (n) {
			ssize_t got = write(fds[1], p, n < piece ? n : piece);

			if (got < 0)
				_exit(1);
			p += got;
			n -= got;
		}
		_exit(0);
	}
	close(fds[1]);
	ret = read_fd(fds[0], (struct import_cfg){ 0 }, s, NULL, NULL);
	close(fds[0]);
	waitpid(pid, NULL, 0);
	return ret;
}

static void expect_same(const struct seq *want, const struct seq *got,
			const char *what)
{
	for (size_t i = 0; i < want->nr && i < got->nr; i++) {
		const struct import_access *a = &want->a[i], *b = &got->a[i];

		if (a->va != b->va || a->bytes != b->bytes || a->op != b->op ||
		    a->tid != b->tid)
			fail_msg("%s: access %zu: want %llx,%u op %u tid %u, "
				 "got %llx,%u op %u tid %u", what, i,
				 (unsigned long long)a->va, a->bytes, a->op,
				 a->tid, (unsigned long long)b->va, b->bytes,
				 b->op, b->tid);
	}
	if (want->nr != got->nr)
		fail_msg("%s: want %zu accesses, got %zu", what, want->nr,
			 got->nr);
}

/* ---- hand-written samples ---- */

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

/* ---- generated ---- */

static struct import_access random_access(struct rng *r, bool has_sizes)
{
	return (struct import_access){
		.va = 1 + (rng_chance(r, 1, 4) ? rng_u64(r) >> 17 :
			   0x7f0000000000 + rng_below(r, 1 << 20)),
		.bytes = has_sizes ? rng_between(r, 1, 64) : 1,
		.tid = 1000 + rng_below(r, 3),
	};
}

static void make_lackey(struct rng *r, u32 nr, struct text *t, struct seq *s)
{
	static const char *const mark[] = { " L", " S", "I ", " M" };

	text_printf(t, "==1== Command: x\n");
	for (u32 i = 0; i < nr; i++) {
		struct import_access a = random_access(r, true);

		a.op = rng_below(r, 4);
		text_printf(t, "%s %08llx,%u\n", mark[a.op],
			    (unsigned long long)a.va, a.bytes);
		seq_add(s, a.va, a.bytes, a.op, 0);
		if (rng_chance(r, 1, 50))
			text_printf(t, "--1-- note\n\n");
	}
}

static void make_drmemtrace(struct rng *r, u32 nr, struct text *t,
			    struct seq *s)
{
	static const char *const kind[] = { "read", "write", "ifetch" };

	text_printf(t, "noise: 7f11\n");
	text_printf(t, "Output format:\n<--record#-> <--instr#->: "
		    "<---tid---> <record details>\n-----------\n");
	for (u32 i = 0; i < nr; i++) {
		struct import_access a = random_access(r, true);

		a.op = rng_below(r, 3);
		if (rng_chance(r, 1, 20))
			text_printf(t, "%12u%12u: %11u <marker: timestamp %u>"
				    "\n", i, i, a.tid, i);
		text_printf(t, "%12u%12u: %11u %-12s%2u byte(s) @ 0x%016llx%s"
			    "\n", i, i, a.tid, kind[a.op], a.bytes,
			    (unsigned long long)a.va, a.op == RUN_FETCH ?
			    " 90    nop" : " by PC 0x0000000000401000");
		seq_add(s, a.va, a.bytes, a.op, a.tid);
	}
	text_printf(t, "View tool results:\n%15u : total instructions\n", nr);
}

static void make_perf(struct rng *r, u32 nr, struct text *t, struct seq *s)
{
	for (u32 i = 0; i < nr; i++) {
		struct import_access a = random_access(r, false);

		a.op = rng_below(r, 2);
		text_printf(t, "%16s %5u/%-5u %5u.%06u: %s: %16llx %16llx\n",
			    "prog", a.tid, a.tid, i / 100, i % 100 * 10000,
			    a.op ? "cpu/mem-stores/P" : "cpu/mem-loads/P",
			    (unsigned long long)a.va, 0x55b3c122bffcull);
		seq_add(s, a.va, a.bytes, a.op, a.tid);
	}
}

static void make_champsim(struct rng *r, u32 nr, struct text *t, struct seq *s)
{
	for (u32 i = 0; i < nr; i++) {
		u64 word[8] = { 0 };

		word[0] = htole64(0x400000 + rng_below(r, 1 << 16));
		word[1] = htole64(rng_below(r, 2) | rng_below(r, 2) << 8 |
				  rng_u64(r) << 16);
		seq_add(s, le64toh(word[0]), 1, RUN_FETCH, 0);
		for (u32 k = 0; k < 4; k++) {
			u64 va = rng_chance(r, 1, 4) ?
				random_access(r, false).va : 0;

			word[4 + k] = htole64(va);
			if (va)
				seq_add(s, va, 1, RUN_READ, 0);
		}
		for (u32 k = 0; k < 2; k++) {
			u64 va = rng_chance(r, 1, 6) ?
				random_access(r, false).va : 0;

			word[2 + k] = htole64(va);
			if (va)
				seq_add(s, va, 1, RUN_WRITE, 0);
		}
		text_add(t, word, sizeof(word));
	}
}

static const struct maker {
	const char *name;
	void (*make)(struct rng *r, u32 nr, struct text *t, struct seq *s);
} makers[] = {
	{ "lackey", make_lackey }, { "drmemtrace", make_drmemtrace },
	{ "perf", make_perf }, { "champsim", make_champsim },
};

static void wrap_gzip(const struct text *in, struct text *out)
{
	z_stream z = { 0 };

	out->room = compressBound(in->n) + 64;
	out->p = malloc(out->room);
	assert_non_null(out->p);
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8,
				      Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = in->p;
	z.avail_in = in->n;
	z.next_out = out->p;
	z.avail_out = out->room;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	out->n = out->room - z.avail_out;
	deflateEnd(&z);
}

static void wrap_xz(const struct text *in, struct text *out)
{
	/* Who unpacks it needs memory for all of the dictionary. */
	lzma_options_lzma lzma2;
	lzma_filter filters[] = {
		{ LZMA_FILTER_LZMA2, &lzma2 }, { LZMA_VLI_UNKNOWN, NULL },
	};

	out->room = lzma_stream_buffer_bound(in->n);
	out->p = malloc(out->room);
	assert_non_null(out->p);
	assert_false(lzma_lzma_preset(&lzma2, 1));
	lzma2.dict_size = 64 << 10;
	assert_int_equal(lzma_stream_buffer_encode(filters, LZMA_CHECK_CRC64,
						   NULL, in->p, in->n, out->p,
						   &out->n, out->room),
			 LZMA_OK);
}

static void wrap_zstd(const struct text *in, struct text *out)
{
	ZSTD_CCtx *z = ZSTD_createCCtx();

	out->room = ZSTD_compressBound(in->n);
	out->p = malloc(out->room);
	assert_true(z && out->p);
	ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1);
	out->n = ZSTD_compress2(z, out->p, out->room, in->p, in->n);
	assert_false(ZSTD_isError(out->n));
	ZSTD_freeCCtx(z);
}

static void wrap_none(const struct text *in, struct text *out)
{
	text_add(out, in->p, in->n);
}

static void (*const wraps[])(const struct text *, struct text *) = {
	wrap_none, wrap_gzip, wrap_xz, wrap_zstd,
};
static const char *const wrap_names[] = { "plain", "gzip", "xz", "zstd" };

/* Every format, in every wrapping, as a file and through a pipe in odd
 * pieces. */
static void test_generated(void **state)
{
	static const u32 nr[] = { 1, 7, 2000, 60000 };
	u64 seed = check_seed("generated");
	struct rng base, r;

	rng_init(&base, seed);
	for (size_t m = 0; m < ARRAY_LEN(makers); m++) {
		for (size_t i = 0; i < ARRAY_LEN(nr); i++) {
			struct text plain = { 0 };
			struct seq want = { 0 };

			rng_split(&base, m * 100 + i, &r);
			makers[m].make(&r, nr[i], &plain, &want);
			for (size_t k = 0; k < ARRAY_LEN(wraps); k++) {
				struct text t = { 0 };
				struct seq got = { 0 };
				const char *format = NULL;
				char what[64];

				snprintf(what, sizeof(what), "%s, %s, %u",
					 makers[m].name, wrap_names[k], nr[i]);
				wraps[k](&plain, &t);
				if (read_bytes(t.p, t.n, (struct import_cfg){
						0 }, &got, NULL, &format))
					fail_msg("%s: %s", what, err.text);
				assert_string_equal(format, makers[m].name);
				expect_same(&want, &got, what);
				got.nr = 0;
				if (read_pipe(t.p, t.n, nr[i] > 2000 ? 8191 :
					      13, &got))
					fail_msg("%s: %s", what, err.text);
				expect_same(&want, &got, what);
				free(got.a);
				free(t.p);
			}
			free(plain.p);
			free(want.a);
		}
	}
}

/* Compressed inputs one after the other are their contents one after the
 * other. */
static void test_members(void **state)
{
	struct rng r;

	rng_init(&r, check_seed("members"));
	for (size_t k = 1; k < ARRAY_LEN(wraps); k++) {
		struct text a = { 0 }, b = { 0 }, za = { 0 }, zb = { 0 };
		struct seq want = { 0 }, got = { 0 };

		make_lackey(&r, 3000, &a, &want);
		make_lackey(&r, 3000, &b, &want);
		/* Cut within a line: the members join it again. */
		text_add(&a, b.p, 100);
		memmove(b.p, b.p + 100, b.n -= 100);
		wraps[k](&a, &za);
		wraps[k](&b, &zb);
		text_add(&za, zb.p, zb.n);
		assert_int_equal(read_bytes(za.p, za.n, (struct import_cfg){
				0 }, &got, NULL, NULL), 0);
		expect_same(&want, &got, wrap_names[k]);
		free(a.p);
		free(b.p);
		free(za.p);
		free(zb.p);
		free(want.a);
		free(got.a);
	}
}

/* A compressed input cut anywhere is refused; one with any bit flipped is
 * refused or, where the bit says nothing (a time stamp), read as before. */
static void test_compressed_damage(void **state)
{
	struct rng r;

	rng_init(&r, check_seed("damage"));
	for (size_t k = 1; k < ARRAY_LEN(wraps); k++) {
		struct text plain = { 0 }, t = { 0 };
		struct seq want = { 0 }, got = { 0 };
		size_t refused = 0;

		make_drmemtrace(&r, 20, &plain, &want);
		wraps[k](&plain, &t);
		for (size_t cut = 0; cut < t.n; cut++) {
			int ret = read_bytes(t.p, cut, (struct import_cfg){ 0 },
					     &got, NULL, NULL);

			if (ret != -EINVAL || strncmp(err.text, "input: ", 7))
				fail_msg("%s cut at %zu: %d '%s'",
					 wrap_names[k], cut, ret, err.text);
		}
		for (size_t bit = 0; bit < 8 * t.n; bit++) {
			int ret;

			got.nr = 0;
			t.p[bit / 8] ^= 1 << bit % 8;
			ret = read_bytes(t.p, t.n, (struct import_cfg){ 0 },
					 &got, NULL, NULL);
			t.p[bit / 8] ^= 1 << bit % 8;
			if (ret == 0)
				expect_same(&want, &got, wrap_names[k]);
			else if (ret != -EINVAL)
				fail_msg("%s bit %zu: %d '%s'", wrap_names[k],
					 bit, ret, err.text);
			refused += ret != 0;
		}
		assert_true(refused > 6 * t.n);
		free(plain.p);
		free(t.p);
		free(want.a);
		free(got.a);
	}
}

/* A few bytes that claim to be 100 GB, or to need 4 GiB to be read. */
static void test_huge_claims(void **state)
{
	static const u8 zstd[] = { 0x28, 0xb5, 0x2f, 0xfd,
		0xe0,                           /* one segment, 8 bytes of size */
		0x00, 0xe8, 0x76, 0x48, 0x17, 0, 0, 0,  /* 100,000,000,000    */
		0x01, 0, 0 };
	struct text plain = { 0 }, t = { 0 };
	struct seq want = { 0 }, got = { 0 };
	size_t crc_at;
	struct rng r;
	u8 *lzma2;
	u32 crc;

	assert_int_equal(-EINVAL, read_bytes(zstd, sizeof(zstd),
		(struct import_cfg){ 0 }, &got, NULL, NULL));
	assert_contains(err.text, "input: ");
	assert_contains(err.text, "zstd data: ");
	assert_contains(err.text, "memory");

	rng_init(&r, check_seed("claims"));
	make_lackey(&r, 20, &plain, &want);
	wrap_xz(&plain, &t);
	/* The block's header: its size, flags, sizes, LZMA2's number, one byte,
	 * the dictionary's size. */
	crc_at = 12 + 4u * t.p[12];
	lzma2 = memmem(t.p + 14, crc_at - 14, "\x21\x01", 2);
	assert_non_null(lzma2);
	lzma2[2] = 40;
	crc = lzma_crc32(t.p + 12, crc_at - 12, 0);
	for (u32 i = 0; i < 4; i++)
		t.p[crc_at + i] = (u8)(crc >> 8 * i);
	assert_int_equal(-EINVAL, read_bytes(t.p, t.n, (struct import_cfg){ 0 },
					     &got, NULL, NULL));
	assert_contains(err.text, "more than 256 MiB of memory");
	free(plain.p);
	free(t.p);
	free(want.a);
	free(got.a);
}

/* Text cut anywhere: between lines it is a shorter trace, which is all that can
 * be known; within one it is refused, or left out with is_partial_ok. */
static void test_text_cut(void **state)
{
	struct rng r;

	rng_init(&r, check_seed("cut"));
	for (size_t m = 0; m < ARRAY_LEN(makers); m++) {
		struct text t = { 0 };
		struct seq want = { 0 }, got = { 0 };
		bool is_binary = !strcmp(makers[m].name, "champsim");
		const u8 *heading;

		makers[m].make(&r, 8, &t, &want);
		/* Without the heading, the noise before it is no record. */
		heading = memmem(t.p, t.n, "Output format:\n", 15);
		for (size_t cut = heading ? heading + 15 - t.p : 1; cut < t.n;
		     cut++) {
			struct import_cfg cfg = { .format = makers[m].name };
			bool whole = is_binary ? cut % 64 == 0 :
				t.p[cut - 1] == '\n';
			int ret;

			got.nr = 0;
			ret = read_bytes(t.p, cut, cfg, &got, NULL, NULL);
			assert_int_equal(ret, whole ? 0 : -EINVAL);
			assert_true(got.nr <= want.nr);
			got.nr = 0;
			cfg.is_partial_ok = true;
			ret = read_bytes(t.p, cut, cfg, &got, NULL, NULL);
			assert_int_equal(ret, 0);
			assert_true(got.nr <= want.nr);
			expect_same(&(struct seq){ want.a, got.nr, 0 }, &got,
				    makers[m].name);
		}
		free(t.p);
		free(want.a);
		free(got.a);
	}
}

/* Big-endian ChampSim records, and ones that break off or go bad. */
static void test_champsim_damage(void **state)
{
	struct text t = { 0 }, swapped = { 0 };
	struct seq want = { 0 }, got = { 0 };
	struct rng r;

	rng_init(&r, check_seed("champsim"));
	make_champsim(&r, 500, &t, &want);
	text_add(&swapped, t.p, t.n);
	for (size_t i = 0; i < t.n; i += 64)
		for (size_t k = 0; k < 64; k += k ? 8 : 16)
			for (size_t b = 0; b < 8; b++)
				swapped.p[i + k + b] = t.p[i + k + 7 - b];
	assert_int_equal(read_bytes(swapped.p, swapped.n, (struct import_cfg){
			0 }, &got, NULL, NULL), -EINVAL);
	assert_contains(err.text, "little-endian");
	assert_int_equal(read_bytes(swapped.p, swapped.n, (struct import_cfg){
			.format = "champsim" }, &got, NULL, NULL), -EINVAL);
	assert_contains(err.text, "expected a canonical address, little-endian");

	t.p[64 * 400 + 9] = 2;
	got.nr = 0;
	assert_int_equal(read_bytes(t.p, t.n, (struct import_cfg){
			.format = "champsim" }, &got, NULL, NULL), -EINVAL);
	assert_contains(err.text, "byte 25609: record 401: expected 0 or 1");
	assert_true(got.nr > 400);
	t.p[64 * 400 + 9] = 1;
	assert_int_equal(read_bytes(t.p, t.n - 1, (struct import_cfg){ 0 },
				    &got, NULL, NULL), -EINVAL);
	assert_contains(err.text, "byte 31936: truncated");
	free(t.p);
	free(swapped.p);
	free(want.a);
	free(got.a);
}

/* A line without an end does not make memory grow. */
static void test_endless_line(void **state)
{
	struct text t = { 0 }, z = { 0 };
	struct seq got = { 0 };
	int ret;

	t.n = t.room = 8 << 20;
	t.p = malloc(t.n);
	assert_non_null(t.p);
	memset(t.p, 'x', t.n);
	wrap_gzip(&t, &z);
	ret = read_bytes(z.p, z.n, (struct import_cfg){ .format = "lackey" },
			 &got, NULL, NULL);
	assert_int_equal(ret, -EINVAL);
	assert_contains(err.text, "line 1, column 1: expected a line of at "
			"most 1 MiB");
	free(t.p);
	free(z.p);
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

/* Random bytes in good text: accepted or refused, never anything else; what is
 * accepted keeps its contract (drain asserts it). */
static void test_mutation(void **state)
{
	u64 seed = check_seed("mutation");
	struct rng r;

	rng_init(&r, seed);
	for (size_t m = 0; m < ARRAY_LEN(makers); m++) {
		struct text good = { 0 }, t = { 0 };
		struct seq want = { 0 }, got = { 0 };
		u32 refused = 0;

		makers[m].make(&r, 12, &good, &want);
		for (int i = 0; i < 1500; i++) {
			struct import_cfg cfg = {
				.format = rng_chance(&r, 1, 2) ?
					makers[m].name : NULL,
			};
			int ret;

			t.n = got.nr = 0;
			text_add(&t, good.p, good.n);
			for (u64 k = rng_between(&r, 1, 4); k; k--)
				t.p[rng_below(&r, t.n)] = rng_u64(&r);
			ret = read_bytes(t.p, t.n, cfg, &got, NULL, NULL);
			assert_true(ret == 0 || ret == -EINVAL);
			refused += ret != 0;
		}
		assert_true(refused > 0);
		free(good.p);
		free(t.p);
		free(want.a);
		free(got.a);
	}
}

static int setup(void **state)
{
	check_tmpdir(dir);
	return 0;
}

static int teardown(void **state)
{
	check_rmdir(dir);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_left_out),
		cmocka_unit_test(test_bad_input),
		cmocka_unit_test(test_directory_and_format),
		cmocka_unit_test(test_generated),
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_compressed_damage),
		cmocka_unit_test(test_huge_claims),
		cmocka_unit_test(test_text_cut),
		cmocka_unit_test(test_champsim_damage),
		cmocka_unit_test(test_endless_line),
		cmocka_unit_test(test_error_stays),
		cmocka_unit_test(test_mutation),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, setup, teardown) ? 1 : 0;
}
