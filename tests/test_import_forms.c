/* test_import_forms.c - other tools' traces come in exactly as they were written, in
 * whatever wrapping and pieces; what is damaged is one clear line, never other
 * accesses. */
#include "tests/import_seq.h"

#include <endian.h>
#include <errno.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

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

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_generated),
	cmocka_unit_test(test_members),
	cmocka_unit_test(test_compressed_damage),
	cmocka_unit_test(test_huge_claims),
	cmocka_unit_test(test_text_cut),
	cmocka_unit_test(test_champsim_damage),
	cmocka_unit_test(test_endless_line),
	cmocka_unit_test(test_mutation),
};

DIR_MAIN(tests)
