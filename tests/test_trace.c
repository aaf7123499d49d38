/* test_trace.c - traces come back exactly as recorded, and a damaged file is
 * always an error, never a crash and never other accesses. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <xxhash.h>
#include <zstd.h>

#include "base/grow.h"
#include "base/rng.h"
#include "emu/import.h"
#include "tests/check.h"
#include "workloads/trace_file.h"

struct access {
	u64 va;
	u32 bytes;
	u8 op;
};

struct seq {
	struct access *a;
	size_t nr, room;
};

static char dir[64];
static u64 seed = 20131217;

static const char *in_dir(const char *name)
{
	static char path[4][128];
	static int turn;

	turn = (turn + 1) % 4;
	snprintf(path[turn], sizeof(path[0]), "%s/%s", dir, name);
	return path[turn];
}

#define OK(call) do {							\
	struct err *e_ = &err;						\
	int ret_ = (call);						\
	if (ret_)							\
		fail_msg("%s: %d: %s (seed %llu)", #call, ret_,		\
			 e_->text, (unsigned long long)seed);		\
} while (0)

static struct err err;

static void seq_add(struct seq *s, u64 va, u32 bytes, u8 op)
{
	assert_int_equal(0, GROW(s->a, s->nr, s->room, 1024));
	s->a[s->nr++] = (struct access){ va, bytes, op };
}

static void seq_free(struct seq *s)
{
	free(s->a);
	*s = (struct seq){ 0 };
}

/* What the file must hold: page-crossing accesses cut at each boundary. The
 * cutting is written byte by byte so that it shares no idea with the code. */
static void seq_split(const struct seq *in, struct seq *out)
{
	for (size_t i = 0; i < in->nr; i++) {
		u64 start = in->a[i].va;
		u32 len = 0;

		for (u32 b = 0; b < in->a[i].bytes; b++) {
			len++;
			if (b + 1 == in->a[i].bytes ||
			    (in->a[i].va + b + 1) % 4096 == 0) {
				seq_add(out, start, len, in->a[i].op);
				start += len;
				len = 0;
			}
		}
	}
}

/* Read all of @path into @s. Every run must keep struct run's contract,
 * whatever the file holds. */
static int read_open(struct trace *t, struct seq *s, struct err *e)
{
	const struct run *r;
	size_t n;
	int ret;

	while (!(ret = trace_next(t, &r, &n, e)) && n) {
		for (size_t i = 0; i < n; i++) {
			assert_true(r[i].count >= 1);
			assert_true(r[i].bytes >= 1 && r[i].op <= RUN_MODIFY);
			for (u32 k = 0; k < r[i].count; k++) {
				u64 va = r[i].va + (u64)r[i].stride * k;

				assert_true(va >> 12 == r[i].va >> 12);
				assert_true((va & 4095) + r[i].bytes <= 4096);
				/* Enough: counts of one address may be huge. */
				if (k > 100000)
					break;
				if (s)
					seq_add(s, va, r[i].bytes, r[i].op);
			}
		}
	}
	return ret;
}

static int read_path(const char *path, struct seq *s, struct err *e)
{
	struct trace *t;
	int ret = trace_open(&t, path, e);

	if (ret)
		return ret;
	ret = read_open(t, s, e);
	trace_close(t);
	return ret;
}

static void write_seq(const char *path, const struct seq *s)
{
	struct trace_writer *w;

	OK(trace_writer_create(&w, path, &err));
	trace_writer_set_program(w, "test");
	for (size_t i = 0; i < s->nr; i++)
		OK(trace_writer_append(w, s->a[i].va, s->a[i].bytes,
				       s->a[i].op, &err));
	OK(trace_writer_close(w, &err));
}

static void expect_same(const struct seq *want, const struct seq *got)
{
	for (size_t i = 0; i < want->nr && i < got->nr; i++) {
		const struct access *a = &want->a[i], *b = &got->a[i];

		if (a->va != b->va || a->bytes != b->bytes || a->op != b->op)
			fail_msg("access %zu: want %llx,%u op %u, got "
				 "%llx,%u op %u (seed %llu)", i,
				 (unsigned long long)a->va, a->bytes, a->op,
				 (unsigned long long)b->va, b->bytes, b->op,
				 (unsigned long long)seed);
	}
	assert_int_equal(want->nr, got->nr);
}

static int by_number(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static u64 distinct_pages(const struct seq *s)
{
	u64 *vpn = malloc((s->nr + 1) * sizeof(*vpn)), nr = 0;

	assert_non_null(vpn);
	for (size_t i = 0; i < s->nr; i++)
		vpn[i] = s->a[i].va >> 12;
	qsort(vpn, s->nr, sizeof(*vpn), by_number);
	for (size_t i = 0; i < s->nr; i++)
		nr += !i || vpn[i] != vpn[i - 1];
	free(vpn);
	return nr;
}

static void expect_info(const char *path, const struct seq *want, u64 splits)
{
	u64 by_op[4] = { 0 }, lo = ~0ull, hi = 0;
	const struct trace_info *in;
	struct trace *t;

	OK(trace_open(&t, path, &err));
	in = trace_info(t);
	for (size_t i = 0; i < want->nr; i++) {
		const struct access *a = &want->a[i];

		by_op[a->op]++;
		if (a->va < lo)
			lo = a->va;
		if (a->va + a->bytes - 1 > hi)
			hi = a->va + a->bytes - 1;
	}
	assert_int_equal(in->nr_accesses, want->nr);
	assert_int_equal(in->nr_pages, distinct_pages(want));
	assert_int_equal(in->nr_splits, splits);
	for (int i = 0; i < 4; i++)
		assert_int_equal(in->nr_by_op[i], by_op[i]);
	if (want->nr) {
		assert_int_equal(in->va_min, lo);
		assert_int_equal(in->va_last, hi);
	}
	trace_close(t);
}

/* Bursts of what programs do, and of what none does. */
static void random_seq(struct rng *r, struct seq *s, size_t nr,
		       u64 max_burst)
{
	while (s->nr < nr) {
		u64 burst = rng_between(r, 1, max_burst);
		u64 va = rng_chance(r, 1, 8) ? rng_u64(r) :
			 0x7f0000000000 + rng_below(r, 1 << 24);
		u64 vb = 0x1ffe000000 + rng_below(r, 1 << 14);
		s64 stride = (s64)rng_between(r, 0, 200) - 100;
		u32 bytes = 1u << rng_below(r, 6);
		u8 op = rng_below(r, 4);
		u64 kind = rng_below(r, 6);

		for (u64 i = 0; i < burst; i++) {
			u64 at = va, size = bytes;

			switch (kind) {
			case 0:         /* a constant stride */
				va += stride;
				break;
			case 1:         /* two streams in turn */
				at = i & 1 ? vb : va;
				*(i & 1 ? &vb : &va) += bytes;
				break;
			case 2:         /* anywhere, any size */
				at = rng_u64(r);
				size = rng_between(r, 1, 65535) >>
				       rng_below(r, 16);
				size += !size;
				break;
			case 3:         /* one page, any order */
				at = (va & ~4095ull) + rng_below(r, 4096);
				break;
			case 4:         /* the same again */
				break;
			case 5:         /* a random page of 1 GiB */
				at = rng_below(r, 1 << 30) & ~7ull;
				op = rng_below(r, 4);
				break;
			}
			if (at + (size - 1) < at)
				at = 0 - size;  /* the very last bytes */
			seq_add(s, at, size, op);
		}
	}
}

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

static u8 *slurp(const char *path, size_t *bytes)
{
	FILE *f = fopen(path, "rb");
	u8 *buf = malloc(1 << 22);

	assert_non_null(buf);
	if (!f)
		fail_msg("%s: %s", path, strerror(errno));
	*bytes = fread(buf, 1, 1 << 22, f);
	fclose(f);
	return buf;
}

static void expect_bad(const char *path, const char *what, size_t at)
{
	int ret = read_path(path, NULL, &err);

	if (ret != -EINVAL)
		fail_msg("%s at %zu: got %d, want -EINVAL", what, at, ret);
	if (!strstr(err.text, path) || !strstr(err.text, "byte "))
		fail_msg("%s at %zu: unclear: %s", what, at, err.text);
}

static u8 *small_file(const char *path, size_t *bytes)
{
	struct seq s = { 0 };
	struct rng r;

	rng_init(&r, seed + 2);
	random_seq(&r, &s, 300, 20);
	write_seq(path, &s);
	seq_free(&s);
	return slurp(path, bytes);
}

/* Cut anywhere, any bit flipped, anything appended: an error that names file
 * and offset. */
static void test_damage(void **state)
{
	const char *path = in_dir("damage.tlbt");
	size_t bytes;
	u8 *buf = small_file(path, &bytes);

	assert_true(bytes < 16384);
	for (size_t i = 0; i < bytes; i++) {
		check_write(path, buf, i);
		expect_bad(path, "cut", i);
	}
	for (size_t i = 0; i < 8 * bytes; i++) {
		buf[i / 8] ^= 1 << i % 8;
		check_write(path, buf, bytes);
		buf[i / 8] ^= 1 << i % 8;
		expect_bad(path, "bit flip", i);
	}
	buf[bytes] = 0;
	check_write(path, buf, bytes + 1);
	expect_bad(path, "extra byte", bytes);
	check_write(path, buf, bytes);
	OK(read_path(path, NULL, &err));
	free(buf);
}

/* A trace through a pipe has no size to compare, so only the end tells. */
static void test_pipe_truncation(void **state)
{
	const char *path = in_dir("pipe.tlbt"), *fifo = in_dir("fifo");
	size_t bytes;
	u8 *buf = small_file(path, &bytes);

	assert_int_equal(mkfifo(fifo, 0600), 0);
	for (int cut = 0; cut < 2; cut++) {
		struct trace *t;
		pid_t pid = fork();
		int ret;

		if (!pid) {
			int fd = open(fifo, O_WRONLY);

			_exit(write(fd, buf, bytes - 2 * cut) < 0);
		}
		OK(trace_open(&t, fifo, &err));
		ret = read_open(t, NULL, &err);
		assert_int_equal(ret, cut ? -EINVAL : 0);
		if (cut)
			assert_non_null(strstr(err.text, "truncated"));
		assert_int_equal(trace_rewind(t, &err), -ESPIPE);
		trace_close(t);
		waitpid(pid, NULL, 0);
	}
	free(buf);
}

static void put(u8 *p, u64 v, int bytes)
{
	for (int i = 0; i < bytes; i++)
		p[i] = v >> 8 * i;
}

static u64 get(const u8 *p, int bytes)
{
	u64 v = 0;

	for (int i = 0; i < bytes; i++)
		v |= (u64)p[i] << 8 * i;
	return v;
}

/* Make the checksums right again, so that what lies behind them is tested. */
static void reseal(u8 *f, size_t bytes)
{
	put(f + 16, 0, 8);
	put(f + 16, XXH64(f, 256, 0), 8);
	if (bytes > 304)
		put(f + 256 + 40, XXH64(f + 304, bytes - 304,
					XXH64(f + 256, 40, 0)), 8);
}

/* Claims that no writer makes, under a correct checksum. */
static void test_absurd_claims(void **state)
{
	static const struct {
		const char *what;
		size_t at;
		int bytes;
		u64 value;
	} row[] = {
		{ "version", 8, 4, 2 },
		{ "byte order", 12, 4, 0x04030201 },
		{ "file bytes", 24, 8, ~0ull },
		{ "file bytes", 24, 8, 100000000000ull },
		{ "stored bytes", 264, 4, 100000000 },
		{ "runs", 32, 8, ~0ull },
		{ "runs", 32, 8, 1 },
		{ "accesses", 40, 8, ~0ull },
		{ "accesses", 40, 8, 0 },
		{ "pages", 48, 8, ~0ull },
		{ "blocks", 56, 8, ~0ull },
		{ "blocks", 56, 8, 0 },
		{ "blocks", 56, 8, 2 },
		{ "name without end", 128 + 127, 1, 'x' },
		{ "block magic", 256, 4, 0 },
		{ "sequence number", 260, 4, 1 },
		{ "stored bytes", 264, 4, 0 },
		{ "stored bytes", 264, 4, 0xffffffff },
		{ "stored bytes", 264, 4, 1 },
		{ "raw bytes", 268, 4, 0xffffffff },
		{ "raw bytes", 268, 4, 0 },
		{ "plain bytes", 272, 4, 1 },
		{ "plain bytes", 272, 4, 0xffffffff },
		{ "block runs", 276, 4, 0xffffffff },
		{ "block runs", 276, 4, 65537 },
		{ "block runs", 276, 4, 0 },
		{ "shapes", 280, 4, 0xffffffff },
		{ "shapes", 280, 4, 0 },
		{ "block accesses", 288, 8, ~0ull },
		{ "frame", 304, 4, 0 },
	};
	const char *path = in_dir("absurd.tlbt");
	size_t bytes;
	u8 *buf = small_file(path, &bytes);
	u8 *copy = malloc(bytes + 1);

	assert_non_null(copy);
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		memcpy(copy, buf, bytes);
		put(copy + row[i].at, row[i].value, row[i].bytes);
		reseal(copy, bytes);
		check_write(path, copy, bytes);
		expect_bad(path, row[i].what, row[i].at);
	}
	memcpy(copy, buf, bytes);
	reseal(copy, bytes);
	check_write(path, copy, bytes);
	OK(read_path(path, NULL, &err));
	/* One delta byte more than the control bytes ask for. */
	copy[bytes] = 0;
	put(copy + 24, bytes + 1, 8);
	put(copy + 272, get(copy + 272, 4) + 1, 4);
	reseal(copy, bytes + 1);
	check_write(path, copy, bytes + 1);
	expect_bad(path, "delta left over", bytes);
	free(copy);
	free(buf);
}

/* Mutate what zstd holds and seal it again: the reader may refuse it or find
 * another valid trace in it, but every run must keep its contract (read_open
 * asserts it) and the counts must add up. */
static void test_mutation(void **state)
{
	const char *path = in_dir("mutant.tlbt");
	size_t bytes, refused = 0, taken = 0;
	u8 *buf = small_file(path, &bytes);
	/* Frame and plain bytes as the one frame that they might have been. */
	u32 framed = get(buf + 268, 4), plain = get(buf + 272, 4);
	u32 raw_bytes = framed + plain;
	u8 *raw = malloc(raw_bytes), *bad = malloc(raw_bytes);
	u8 *out = malloc(304 + ZSTD_COMPRESSBOUND(raw_bytes));
	struct rng r;

	assert_true(raw && bad && out);
	assert_int_equal(ZSTD_decompress(raw, raw_bytes, buf + 304,
					 bytes - 304 - plain), framed);
	memcpy(raw + framed, buf + bytes - plain, plain);
	rng_init(&r, seed + 3);
	for (int i = 0; i < 3000; i++) {
		size_t z;
		int ret;

		memcpy(bad, raw, raw_bytes);
		for (u64 k = rng_between(&r, 1, 4); k; k--) {
			u64 at = rng_below(&r, raw_bytes);

			bad[at] = rng_chance(&r, 1, 4) ? 0xff :
				  bad[at] ^ 1u << rng_below(&r, 8);
		}
		memcpy(out, buf, 304);
		z = ZSTD_compress(out + 304, ZSTD_COMPRESSBOUND(raw_bytes),
				  bad, raw_bytes, 1);
		assert_false(ZSTD_isError(z));
		put(out + 24, 304 + z, 8);
		put(out + 264, z, 4);
		put(out + 268, raw_bytes, 4);
		put(out + 272, 0, 4);
		reseal(out, 304 + z);
		check_write(path, out, 304 + z);
		ret = read_path(path, NULL, &err);
		if (ret && ret != -EINVAL)
			fail_msg("mutant %d: %d: %s", i, ret, err.text);
		ret ? refused++ : taken++;
	}
	print_message("%zu mutants refused, %zu read as other valid traces\n",
		      refused, taken);
	assert_true(refused && taken);
	free(raw);
	free(bad);
	free(out);
	free(buf);
}

static void test_not_a_trace(void **state)
{
	const char *path = in_dir("not.tlbt");
	struct trace *t;

	check_write(path, "", 0);
	expect_bad(path, "empty file", 0);
	assert_non_null(strstr(err.text, "0 of 8"));
	check_write(path, "I  04001000,3\n", 14);
	expect_bad(path, "text", 0);
	assert_int_equal(trace_open(&t, in_dir("none"), &err), -ENOENT);
	assert_int_equal(trace_open(&t, dir, &err), -EISDIR);
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

/* ---- lackey ---- */

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

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_append_run),
		cmocka_unit_test(test_coalescing),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_pipe_truncation),
		cmocka_unit_test(test_absurd_claims),
		cmocka_unit_test(test_mutation),
		cmocka_unit_test(test_not_a_trace),
		cmocka_unit_test(test_appears_by_rename),
		cmocka_unit_test(test_lackey_lines),
		cmocka_unit_test(test_lackey_options),
		cmocka_unit_test(test_lackey_mutation),
		cmocka_unit_test(test_real_program),
		cmocka_unit_test(test_kept_traces),
	};
	const char *tmp = getenv("TMPDIR"), *s = getenv("TLBEMU_SEED");
	char cmd[128];
	int ret;

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	if (s)
		seed = strtoull(s, NULL, 0);
	snprintf(dir, sizeof(dir), "%s/test_trace.XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(dir)) {
		perror(dir);
		return 1;
	}
	printf("seed %llu (TLBEMU_SEED sets it)\n", (unsigned long long)seed);
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	snprintf(cmd, sizeof(cmd), "rm -r '%s'", dir);
	return system(cmd) || ret;
}
