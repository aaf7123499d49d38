/* access_seq.h - sequences of accesses, for tests that write a trace and compare
 * what comes back: random ones, what the file must hold of them, what it must say.
 * Each test is a file of its own, with its folder in "dir" and its seed, TEST_SEED or
 * one of its own, in "seed".
 *
 *	ACCESS_MAIN(tests)
 */
#ifndef TESTS_ACCESS_SEQ_H
#define TESTS_ACCESS_SEQ_H

#include "base/grow.h"
#include "base/rng.h"
#include "tests/dir.h"
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

static struct err err;
static u64 seed = 20131217;

#define OK(call) do { \
	int ret_ = (call); \
	if (ret_) \
		fail_msg("%s: %d: %s (seed %llu)", #call, ret_, err.text, \
			 (unsigned long long)seed); \
} while (0)

static inline void seq_add(struct seq *s, u64 va, u32 bytes, u8 op)
{
	assert_int_equal(0, GROW(s->a, s->nr, s->room, 1024));
	s->a[s->nr++] = (struct access){ va, bytes, op };
}

static inline void seq_free(struct seq *s)
{
	free(s->a);
	*s = (struct seq){ 0 };
}

/* What the file must hold: page-crossing accesses cut at each boundary. The
 * cutting is written byte by byte so that it shares no idea with the code. */
static inline void seq_split(const struct seq *in, struct seq *out)
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
static inline int read_open(struct trace *t, struct seq *s, struct err *e)
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

static inline int read_path(const char *path, struct seq *s, struct err *e)
{
	struct trace *t;
	int ret = trace_open(&t, path, e);

	if (ret)
		return ret;
	ret = read_open(t, s, e);
	trace_close(t);
	return ret;
}

static inline void write_seq(const char *path, const struct seq *s)
{
	struct trace_writer *w;

	OK(trace_writer_create(&w, path, &err));
	trace_writer_set_program(w, "test");
	for (size_t i = 0; i < s->nr; i++)
		OK(trace_writer_append(w, s->a[i].va, s->a[i].bytes,
				       s->a[i].op, &err));
	OK(trace_writer_close(w, &err));
}

static inline void expect_same(const struct seq *want, const struct seq *got)
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

static inline int by_number(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static inline u64 distinct_pages(const struct seq *s)
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

static inline void expect_info(const char *path, const struct seq *want, u64 splits)
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
static inline void random_seq(struct rng *r, struct seq *s, size_t nr,
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

static inline int access_set_up(void **state)
{
	const char *text = getenv("TEST_SEED");

	if (text)
		seed = strtoull(text, NULL, 0);
	printf("# TEST_SEED=%llu\n", (unsigned long long)seed);
	return dir_set_up(state);
}

#define ACCESS_MAIN(tests) DIR_MAIN_FROM(tests, access_set_up)

#endif
