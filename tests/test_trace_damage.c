/* test_trace_damage.c - a damaged trace is always an error, never a crash and never
 * other accesses. */
#include "tests/access_seq.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <xxhash.h>
#include <zstd.h>

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

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_damage),
	cmocka_unit_test(test_pipe_truncation),
	cmocka_unit_test(test_absurd_claims),
	cmocka_unit_test(test_mutation),
	cmocka_unit_test(test_not_a_trace),
};

ACCESS_MAIN(tests)
