/* test_digest.c - runs that are known in sum: what the sums say, and what damaged ones
 * are told. */
#include <errno.h>

#include "tests/dir.h"
#include "tests/point.h"
#include "workloads/trace_file.h"
#include "workloads/trace_format.h"

static u64 seed;
/* ---- what a trace's digests say ------------------------------------------------ */

static void append(struct trace_writer *w, u64 va, enum run_op op)
{
	OK(trace_writer_append(w, va, 4, op, &err));
}

/* A stack, an array, code, and now and then somewhere else; events between. */
static void write_random(struct rng *g, const char *path, u32 n, bool has_events)
{
	static const struct trace_event ev = {
		.kind = TRACE_MUNMAP, .tid = 1, .start = 1ull << 40, .len = 4096,
	};
	struct trace_writer *w;

	OK(trace_writer_create(&w, path, &err));
	for (u32 i = 0; i < n; i++) {
		u32 dice = (u32)rng_below(g, 100);

		if (has_events && rng_chance(g, 1, 400))
			OK(trace_writer_event(w, &ev, &err));
		if (dice < 50)
			append(w, 0x7ffff000 + 4 * rng_below(g, 3000),
			       rng_chance(g, 1, 3) ? RUN_WRITE : RUN_READ);
		else if (dice < 80)
			append(w, 0x500000 + 4ull * i, RUN_READ);
		else if (dice < 98)
			append(w, 0x400000 + 4 * rng_below(g, 4000), RUN_FETCH);
		else
			append(w, rng_below(g, 1ull << 46) & ~7ull,
			       (enum run_op)rng_below(g, 4));
	}
	OK(trace_writer_close(w, &err));
}

static u32 naive_use(u8 op)
{
	return op == RUN_READ ? 0 : op == RUN_FETCH ? 2 : 1;
}

/* By the definition: for each run, is there a later one of the same page and
 * use? */
static void assert_sums(const struct run_digest *d, const struct run *r, u32 n)
{
	u64 accesses[NR_RUN_USES] = { 0 };
	u32 nr = 0;

	for (u32 i = 0; i < n; i++) {
		bool again = false;

		accesses[naive_use(r[i].op)] += r[i].count;
		for (u32 k = i + 1; k < n && !again; k++)
			again = r[k].va >> 12 == r[i].va >> 12 &&
				naive_use(r[k].op) == naive_use(r[i].op);
		if (again)
			continue;
		assert_true(nr < d->nr_pages);
		assert_int_equal(r[i].va >> 12 << 2 | naive_use(r[i].op),
				 d->page[nr++]);
	}
	assert_int_equal(nr, d->nr_pages);
	assert_memory_equal(accesses, d->accesses, sizeof(accesses));
}

static void assert_digests(const struct trace_part *p)
{
	const struct run *r = p->runs;
	size_t at = 0;

	for (size_t i = 0; i < p->nr_digests; i++) {
		const struct run_digest *d = &p->digests[i];
		u32 n = digest_runs(d), first = d->lead.count != 0;

		assert_true(n && at + n <= p->nr_runs);
		assert_int_equal(at / TRACE_BATCH, (at + n - 1) / TRACE_BATCH);
		if (first) {
			assert_int_equal(r[at].va >> 12, d->lead.va >> 12);
			assert_int_equal(r[at].count, d->lead.count);
			assert_int_equal(r[at].op, d->lead.op);
		}
		assert_sums(d, r + at + first, n - first);
		at += n;
	}
	assert_int_equal(p->nr_runs, at);
	assert_true(trace_part_check(p));
}

/* The same parts as without; the runs of those that are asked for. */
static u64 compare_readers(const char *path, struct rng *g)
{
	struct trace *a, *b;
	struct trace_part p, q;
	u64 nr = 0;

	OK(trace_open(&a, path, &err));
	OK(trace_open(&b, path, &err));
	do {
		OK(trace_next_part(a, &p, &err));
		OK(trace_next_digests(b, &q, &err));
		assert_int_equal(p.nr_runs, q.nr_runs);
		assert_int_equal(p.nr_events, q.nr_events);
		nr += q.nr_digests;
		if (rng_chance(g, 1, 2))
			continue;
		OK(trace_part_runs(b, &q, &err));
		for (size_t i = 0; i < q.nr_runs; i++)
			assert_memory_equal(&p.runs[i], &q.runs[i],
					    offsetof(struct run, op) + 1);
		if (q.nr_digests)
			assert_digests(&q);
	} while (p.nr_runs || p.nr_events);
	trace_close(a);
	trace_close(b);
	return nr;
}

static void test_digests_are_sums(void **state)
{
	u64 first = check_seed("digests_are_sums");

	for (seed = first; seed < first + 6; seed++) {
		const char *path = in_dir("sums.tlbt");
		struct rng g;

		rng_init(&g, seed);
		write_random(&g, path, seed == first ? 200000 : 20000,
			     seed % 2);
		assert_true(compare_readers(path, &g) > 100);
	}
}

/* Where nearly every run misses there are none, and the file is as it was. */
static void test_not_worth_it(void **state)
{
	const char *path = in_dir("chase.tlbt");
	struct trace_writer *w;
	struct trace *t;
	struct rng g;

	rng_init(&g, 1);
	OK(trace_writer_create(&w, path, &err));
	for (u32 i = 0; i < 5000; i++)
		append(w, rng_below(&g, 1 << 20) * 4096, RUN_READ);
	OK(trace_writer_close(w, &err));
	OK(trace_open(&t, path, &err));
	assert_int_equal(1, trace_info(t)->version);
	trace_close(t);
	assert_int_equal(0, compare_readers(path, &g));
}

/* A file of version 3 as it was first written. */
static void test_shipped(void **state)
{
	const char *path = "tests/data/tiny3.tlbt";
	struct rng g;
	struct trace *t;

	rng_init(&g, 1);
	OK(trace_open(&t, path, &err));
	assert_int_equal(3, trace_info(t)->version);
	assert_int_equal(4000, trace_info(t)->nr_accesses);
	assert_int_equal(2730, trace_info(t)->nr_runs);
	assert_int_equal(1, trace_info(t)->nr_by_kind[TRACE_SWITCH]);
	trace_close(t);
	for (u32 i = 0; i < 4; i++)
		assert_true(compare_readers(path, &g) > 50);
}

/* ---- what is none ---------------------------------------------------------------- */

/* A lead of 5 accesses on page 9, then two loads on it: all is well. */
#define GOOD { 5, 3, 0, 5, 2, 0, 0, 1 }

static const struct {
	u32 nr, nr_heads, nr_uses, zero;
	u8 heads[16], uses[4], pages[12];
	u32 nr_pages;           /* bytes                                      */
	const char *expected;   /* NULL: nothing is wrong                     */
} sections[] = {
	{ 1, 8, 1, 0, GOOD, { 3 }, { 18 }, 1, NULL },
	{ 0, 8, 1, 0, GOOD, { 3 }, { 18 }, 1, "number of digests" },
	{ 4, 8, 1, 0, GOOD, { 3 }, { 18 }, 1, "number of digests" },
	{ 1, 8, 1, 1, GOOD, { 3 }, { 18 }, 1, "number of digests" },
	{ 1, 900, 1, 0, GOOD, { 3 }, { 18 }, 1, "number of digests" },
	{ 1, ~0u, ~0u, 0, GOOD, { 3 }, { 18 }, 1, "number of digests" },
	/* Of no runs; of more than there are; of more than 64 bits. */
	{ 1, 1, 0, 0, { 0 }, { 0 }, { 0 }, 0, "one run or more" },
	{ 1, 8, 1, 0, { 7, 3, 0, 5, 2, 0, 0, 1 }, { 3 }, { 18 }, 1,
	  "within a part" },
	{ 1, 11, 0, 0, { 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1 },
	  { 0 }, { 0 }, 0, "one run or more" },
	/* Leads: slot, op, count, page. */
	{ 1, 9, 1, 0, { 5, 128, 1, 0, 5, 2, 0, 0, 1 }, { 3 }, { 18 }, 1,
	  "slot, op" },
	{ 1, 8, 1, 0, { 5, 3, 4, 5, 2, 0, 0, 1 }, { 3 }, { 18 }, 1,
	  "slot, op" },
	{ 1, 8, 1, 0, { 5, 3, 0, 0, 2, 0, 0, 1 }, { 3 }, { 18 }, 1,
	  "slot, op" },
	{ 1, 12, 1, 0, { 5, 3, 0, 128, 128, 128, 128, 16, 2, 0, 0, 1 }, { 3 },
	  { 18 }, 1, "slot, op" },
	{ 1, 8, 1, 0, GOOD, { 3 }, { 17 }, 1, "slot, op" },
	{ 1, 8, 1, 0, GOOD, { 3 }, { 0 }, 0, "slot, op" },
	/* Accesses and uses. */
	{ 1, 8, 1, 0, { 5, 3, 0, 5, 1, 0, 0, 1 }, { 3 }, { 18 }, 1,
	  "access for each run" },
	{ 1, 8, 0, 0, { 5, 3, 0, 5, 2, 0, 0, 0 }, { 0 }, { 18 }, 1,
	  "a use or more" },
	{ 1, 8, 1, 0, { 5, 3, 0, 5, 2, 0, 0, 2 }, { 3 }, { 18 }, 1,
	  "a use or more" },
	{ 1, 8, 3, 0, { 5, 3, 0, 5, 2, 0, 0, 3 }, { 3, 3, 3 }, { 18 }, 1,
	  "a use or more" },
	{ 1, 12, 1, 0, { 5, 3, 0, 5, 128, 128, 128, 128, 16, 0, 0, 1 }, { 3 },
	  { 18 }, 1, "fewer than 2^32" },
	{ 1, 8, 1, 0, GOOD, { 4 }, { 18 }, 1, "slots with a page" },
	{ 1, 8, 2, 0, { 5, 3, 0, 5, 2, 0, 0, 2 }, { 3, 3 }, { 18 }, 1,
	  "each once" },
	{ 1, 8, 1, 0, { 5, 3, 2, 5, 0, 2, 0, 1 }, { 131 }, { 18 }, 1,
	  "slots with a page" },
	{ 1, 8, 1, 0, { 5, 3, 0, 5, 1, 1, 0, 1 }, { 3 }, { 18 }, 1,
	  "kinds that there are uses of" },
	{ 1, 8, 1, 0, GOOD, { 131 }, { 18 }, 1, "kinds that there" },
	/* Sums of the block. */
	{ 1, 8, 1, 0, { 3, 3, 0, 5, 2, 0, 0, 1 }, { 3 }, { 18 }, 1,
	  "all runs and accesses" },
	{ 1, 8, 1, 0, { 5, 3, 0, 4, 2, 0, 0, 1 }, { 3 }, { 18 }, 1,
	  "all runs and accesses" },
	{ 1, 8, 1, 0, GOOD, { 3 }, { 18, 0 }, 2, "no more" },
	{ 1, 9, 1, 0, { 5, 3, 0, 5, 2, 0, 0, 1, 0 }, { 3 }, { 18 }, 1,
	  "no more" },
};

/* In a block of three runs and seven accesses. */
static void test_bad_sections(void **state)
{
	const struct digest_block b = { .nr_runs = 3, .nr_accesses = 7 };

	for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
		u32 heads = sections[i].nr_heads, uses = sections[i].nr_uses;
		const char *expected;
		struct digests s = { 0 };
		size_t bytes = DIGEST_HEADER_BYTES;
		u8 *p = malloc(64);     /* ASan watches its end */
		int ret;

		put32(p, sections[i].nr);
		put32(p + 4, heads);
		put32(p + 8, uses);
		put32(p + 12, sections[i].zero);
		heads = heads < 16 ? heads : 8;
		uses = uses < 4 ? uses : 1;
		memcpy(p + bytes, sections[i].heads, heads);
		memcpy(p + bytes + heads, sections[i].uses, uses);
		memcpy(p + bytes + heads + uses, sections[i].pages,
		       sections[i].nr_pages);
		bytes += heads + uses + sections[i].nr_pages;
		p = realloc(p, bytes);
		ret = digests_load(&s, p, bytes, &b, &expected);
		if (ret != (sections[i].expected ? -EINVAL : 0))
			fail_msg("section %zu: %d, %s", i, ret, expected);
		if (ret)
			assert_contains(expected, sections[i].expected);
		else
			assert_int_equal(9 << 2, s.d[0].page[0]);
		digests_free(&s);
		free(p);
	}
	for (size_t bytes = 0; bytes < DIGEST_HEADER_BYTES; bytes++) {
		static const u8 zero[DIGEST_HEADER_BYTES];
		struct digests s = { 0 };
		const char *expected;

		assert_int_equal(-EINVAL, digests_load(&s, zero, bytes, &b,
						       &expected));
	}
}

/* A digest that goes beyond an event. */
static void test_across_event(void **state)
{
	static const u32 at[] = { 0, 2 };
	const struct digest_block b = {
		.nr_runs = 3, .nr_accesses = 7, .event_at = at, .nr_events = 2,
	};
	static const u8 p[] = { 1, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
				5, 3, 0, 5, 2, 0, 0, 1, 3, 18 };
	struct digests s = { 0 };
	const char *expected;

	assert_int_equal(-EINVAL, digests_load(&s, p, sizeof(p), &b,
					       &expected));
	assert_contains(expected, "within a part");
	digests_free(&s);
}

static u8 *slurp(const char *path, size_t *bytes)
{
	FILE *f = fopen(path, "r");
	u8 *p = malloc(1 << 20);

	assert_non_null(f);
	*bytes = fread(p, 1, 1 << 20, f);
	fclose(f);
	return p;
}

/* The only block of the trace at @p has its digests replaced by @section, every
 * checksum right. Return: bytes of the file. */
static size_t forge(u8 *p, const u8 *section, u32 raw)
{
	u8 *block = p + header_bytes(VERSION_DIGESTS);
	u8 *more = block + BLOCK_HEADER_BYTES;
	u32 before = get32(block + 8) + get32(block + 16) + get32(block + 28);
	u8 *at = more + MORE_BYTES + before;
	size_t n = ZSTD_compress(at, 1 << 16, section, raw, 1), file;

	put32(more, (u32)n);
	put32(more + 4, raw);
	put64(block + 40, block_sum(block, more, MORE_BYTES + before + n));
	file = (size_t)(at - p) + n;
	put64(p + 24, file);
	put64(p + 16, header_sum(p, header_bytes(VERSION_DIGESTS)));
	return file;
}

static void test_bad_file(void **state)
{
	const char *path = in_dir("bad.tlbt");
	u8 section[1 << 16], *p;
	struct trace_part part;
	struct trace *t;
	struct rng g;
	size_t bytes, raw;
	u8 *more;

	rng_init(&g, 1);
	write_random(&g, path, 3000, false);
	p = slurp(path, &bytes);
	assert_int_equal(3, get32(p + 8));
	more = p + header_bytes(3) + BLOCK_HEADER_BYTES;
	raw = get32(more + 4);
	assert_int_equal(raw, ZSTD_decompress(section, sizeof(section), p +
					      bytes - get32(more),
					      get32(more)));

	/* A use more: who asks for digests is told, others need not care. */
	section[8]++;
	check_write(path, p, forge(p, section, (u32)raw));
	OK(trace_open(&t, path, &err));
	OK(trace_next_part(t, &part, &err));
	OK(trace_rewind(t, &err));
	assert_int_equal(-EINVAL, trace_next_digests(t, &part, &err));
	assert_contains(err.text, "bad.tlbt: byte 384: block 0: digests: "
			"expected ");
	assert_int_equal(-EINVAL, trace_next_digests(t, &part, &err));
	assert_contains(err.text, "earlier error");
	trace_close(t);

	/* Well-formed, and not what the runs say: two uses the other way. */
	section[8]--;
	raw = DIGEST_HEADER_BYTES + get32(section + 4);
	for (; section[raw] == section[raw + 1]; raw++)
		;
	bytes = section[raw];
	section[raw] = section[raw + 1];
	section[raw + 1] = (u8)bytes;
	raw = get32(more + 4);
	check_write(path, p, forge(p, section, (u32)raw));
	OK(trace_open(&t, path, &err));
	OK(trace_next_digests(t, &part, &err));
	OK(trace_part_runs(t, &part, &err));
	assert_false(trace_part_check(&part));
	trace_close(t);
	free(p);
}

/* Whatever is damaged, it is refused or makes digests within their bounds. */
static void test_noise(void **state)
{
	u64 first = check_seed("noise");
	const char *path = in_dir("noise.tlbt");
	u8 section[1 << 16], was[1 << 16], *p;
	u32 refused = 0, raw;
	size_t bytes;
	struct digest_block b;
	struct rng g;

	rng_init(&g, first);
	write_random(&g, path, 3000, false);
	p = slurp(path, &bytes);
	raw = get32(p + header_bytes(3) + BLOCK_HEADER_BYTES + 4);
	ZSTD_decompress(was, sizeof(was), p + bytes -
			get32(p + header_bytes(3) + BLOCK_HEADER_BYTES),
			get32(p + header_bytes(3) + BLOCK_HEADER_BYTES));
	b = (struct digest_block){ .nr_runs = get32(p + header_bytes(3) + 20),
				   .nr_accesses = get64(p + 40) };
	for (seed = first; seed < first + 3000; seed++) {
		struct digests s = { 0 };
		const char *expected;
		u32 n = raw, runs = 0;

		memcpy(section, was, raw);
		for (u32 i = 0; i < 1 + seed % 4; i++)
			section[rng_below(&g, raw)] ^= (u8)(1 << rng_below(&g, 8));
		if (seed % 5 == 0)
			n = (u32)rng_below(&g, raw);
		refused += digests_load(&s, section, n, &b, &expected) != 0;
		for (u32 i = 0; i < s.nr; i++) {
			runs += digest_runs(&s.d[i]);
			assert_true(s.d[i].nr_pages <= s.d[i].nr_runs);
			for (u32 k = 0; k < s.d[i].nr_pages; k++)
				assert_true((s.d[i].page[k] & 3) < NR_RUN_USES);
		}
		assert_true(!s.nr || runs == b.nr_runs);
		digests_free(&s);
	}
	assert_true(refused > 1000);
	free(p);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_digests_are_sums),
	cmocka_unit_test(test_not_worth_it),
	cmocka_unit_test(test_shipped),
	cmocka_unit_test(test_bad_sections),
	cmocka_unit_test(test_across_event),
	cmocka_unit_test(test_bad_file),
	cmocka_unit_test(test_noise),
};

DIR_MAIN(tests)
