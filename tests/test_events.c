/* test_events.c - events in traces come back where they were put, old traces are
 * read, and what is no event, or damaged, is refused. */
#include <errno.h>
#include <sys/stat.h>

#include "base/rng.h"
#include "tests/trace_seq.h"
#include "workloads/trace_format.h"

static u64 pages(struct rng *rng)
{
	return rng_between(rng, 1, 100) << PAGE_SHIFT;
}

static void random_event(struct rng *rng, struct trace_event *ev)
{
	bool has_range, has_new;

	*ev = (struct trace_event){
		.kind = (u8)rng_between(rng, 1, TRACE_NR_EVENT_KINDS - 1),
		.tid = (u32)rng_between(rng, 1, 500),
	};
	has_range = ev->kind <= TRACE_MREMAP;
	has_new = ev->kind == TRACE_MREMAP;
	if (has_range || ev->kind == TRACE_BRK)
		ev->start = rng_below(rng, 1ull << 35) << PAGE_SHIFT;
	if (has_new || ev->kind == TRACE_BRK)
		ev->new_start = rng_below(rng, 1ull << 35) << PAGE_SHIFT;
	if (has_range)
		ev->len = pages(rng);
	if (has_new)
		ev->new_len = pages(rng);
	if (ev->kind == TRACE_MMAP)
		ev->flags = (u16)rng_below(rng, 32);
	if (ev->kind == TRACE_MMAP || ev->kind == TRACE_MPROTECT)
		ev->prot = (u8)rng_below(rng, 8);
	if (ev->kind == TRACE_MADVISE || ev->kind == TRACE_CLONE ||
	    ev->kind == TRACE_EXIT)
		ev->arg = (u32)rng_u64(rng);
	if (ev->kind == TRACE_FORK) {
		ev->arg = 1 + (u32)rng_below(rng, 99999);
		ev->flags = rng_below(rng, 2) ? TRACE_VFORK : 0;
	}
}

/* Streaks of accesses and of events, some longer than a block holds. */
static void random_seq(struct rng *rng, struct seq *s)
{
	u32 nr_streaks = (u32)rng_between(rng, 1, 40);

	for (u32 i = 0; i < nr_streaks; i++) {
		bool is_event = rng_below(rng, 2);
		u64 n = rng_below(rng, 8) ? rng_below(rng, 50) :
			rng_below(rng, is_event ? 40000 : 150000);
		u64 va = rng_below(rng, 1ull << 40), step = rng_below(rng, 64);

		for (u64 k = 0; k < n; k++) {
			struct item *it = seq_add(s);

			if (is_event) {
				random_event(rng, &it->ev);
				continue;
			}
			if (!rng_below(rng, 10))
				va = rng_below(rng, 1ull << 40);
			/* Within a page: splits are test_trace.c's. */
			it->bytes = 1 + (u16)rng_below(rng, 8);
			it->va = (va += step) & ~7ull;
			it->op = (u8)rng_below(rng, TRACE_NR_OPS);
		}
	}
}

static void test_round_trip(void **state)
{
	u64 first = check_seed("round_trip");

	for (seed = first; seed < first + 25; seed++) {
		struct seq s = { 0 }, back = { 0 };
		const char *path = in_dir("a.tlbt");
		struct trace_info in;
		struct trace *t;
		const struct run *r;
		u64 nr_events = 0, nr_accesses = 0, seen = 0;
		struct rng rng;
		size_t n;

		rng_init(&rng, seed);
		random_seq(&rng, &s);
		seq_write(path, &s);
		OK(seq_read(path, &back, true, &err));
		assert_same(&s, &back);
		for (size_t i = 0; i < s.n; i++) {
			nr_events += s.v[i].ev.kind != 0;
			nr_accesses += s.v[i].ev.kind == 0;
		}
		OK(trace_open(&t, path, &err));
		in = *trace_info(t);
		assert_true(in.version == 3 ||
			    in.version == (nr_events ? 2u : 1u));
		assert_int_equal(nr_events, in.nr_events);
		assert_int_equal(nr_accesses, in.nr_accesses);
		/* Who does not ask for events gets every run. */
		while (!trace_next(t, &r, &n, &err) && n)
			for (size_t i = 0; i < n; i++)
				seen += r[i].count;
		assert_int_equal(nr_accesses, seen);
		trace_close(t);
		seq_free(&s);
		seq_free(&back);
	}
}

/* ---- versions ------------------------------------------------------------------- */

static void test_old_version(void **state)
{
	struct seq s = { 0 };
	struct trace *t;
	struct trace_writer *w;

	OK(trace_open(&t, "tests/data/ls.tlbt", &err));
	assert_int_equal(1, trace_info(t)->version);
	assert_int_equal(0, trace_info(t)->nr_events);
	trace_close(t);
	OK(seq_read("tests/data/ls.tlbt", &s, false, &err));
	assert_int_equal(429778, s.n);
	seq_free(&s);

	/* And what has no events is still written as one. */
	OK(trace_writer_create(&w, in_dir("v1.tlbt"), &err));
	OK(trace_writer_append(w, 0x1000, 8, RUN_READ, &err));
	OK(trace_writer_close(w, &err));
	OK(trace_open(&t, in_dir("v1.tlbt"), &err));
	assert_int_equal(1, trace_info(t)->version);
	trace_close(t);
}

/* A first event behind the first block is where it belongs. */
static void test_late_event(void **state)
{
	static const struct trace_event ev = { .kind = TRACE_EXEC, .tid = 1 };
	const u64 before = BLOCK_RUNS + 10;
	struct trace_writer *w;
	struct trace_part p;
	struct trace *t;
	u64 runs = 0;

	OK(trace_writer_create(&w, in_dir("late.tlbt"), &err));
	for (u64 i = 0; i < before + 5; i++) {
		if (i == before)
			OK(trace_writer_event(w, &ev, &err));
		OK(trace_writer_append(w, i * i * 4096, 8, RUN_READ, &err));
	}
	OK(trace_writer_close(w, &err));
	OK(trace_open(&t, in_dir("late.tlbt"), &err));
	assert_int_equal(3, trace_info(t)->version);
	assert_int_equal(1, trace_info(t)->nr_by_kind[TRACE_EXEC]);
	do {
		OK(trace_next_part(t, &p, &err));
		runs += p.nr_runs;
	} while (!p.nr_events && p.nr_runs);
	assert_int_equal(before, runs);
	assert_int_equal(1, p.nr_events);
	assert_int_equal(TRACE_EXEC, p.events[0].kind);
	OK(trace_next_part(t, &p, &err));
	assert_int_equal(5, p.nr_runs);
	trace_close(t);
}

/* ---- what is no event ------------------------------------------------------------ */

static const struct {
	struct trace_event ev;
	const char *text;
} bad_events[] = {
	{ { .kind = 0, .tid = 1 }, "known kind" },
	{ { .kind = TRACE_NR_EVENT_KINDS, .tid = 1 }, "known kind" },
	{ { .kind = TRACE_SWITCH }, "thread number" },
	{ { .kind = TRACE_MUNMAP, .tid = 1, .start = 4096 }, "range" },
	{ { .kind = TRACE_MUNMAP, .tid = 1, .start = 4097, .len = 4096 },
	  "range" },
	{ { .kind = TRACE_MUNMAP, .tid = 1, .start = ~0xfffull, .len = 8192 },
	  "range" },
	{ { .kind = TRACE_MUNMAP, .tid = 1, .start = 4096, .len = 4096,
	    .prot = 1 }, "rights" },
	{ { .kind = TRACE_MPROTECT, .tid = 1, .start = 4096, .len = 4096,
	    .prot = 8 }, "rights" },
	{ { .kind = TRACE_MMAP, .tid = 1, .start = 4096, .len = 4096,
	    .flags = TRACE_VFORK }, "flags" },
	{ { .kind = TRACE_MMAP, .tid = 1, .start = 4096, .len = 4096,
	    .arg = 1 }, "argument" },
	{ { .kind = TRACE_MREMAP, .tid = 1, .start = 4096, .len = 4096 },
	  "new range" },
	{ { .kind = TRACE_FORK, .tid = 1 }, "argument" },
	{ { .kind = TRACE_BRK, .tid = 1, .start = 1, .new_len = 4 },
	  "no lengths" },
	{ { .kind = TRACE_EXEC, .tid = 1, .len = 4096 }, "range" },
};

static void test_writer_refuses(void **state)
{
	struct trace_writer *w;

	OK(trace_writer_create(&w, in_dir("refused.tlbt"), &err));
	for (size_t i = 0; i < ARRAY_LEN(bad_events); i++) {
		assert_int_equal(-EINVAL, trace_writer_event(w,
					&bad_events[i].ev, &err));
		assert_contains(err.text, bad_events[i].text);
	}
	assert_int_equal(0, trace_writer_info(w)->nr_events);
	trace_writer_abort(w);
}

/* A trace of one block: 3 runs, 3 events. */
static u8 *small_trace(size_t *bytes)
{
	static const struct trace_event ev[] = {
		{ .kind = TRACE_MMAP, .tid = 1, .start = 0x10000,
		  .len = 0x4000, .prot = 3, .flags = TRACE_ANON },
		{ .kind = TRACE_MPROTECT, .tid = 1, .start = 0x10000,
		  .len = 0x1000, .prot = 1 },
		{ .kind = TRACE_MUNMAP, .tid = 2, .start = 0x10000,
		  .len = 0x4000 },
	};
	const char *path = in_dir("small.tlbt");
	struct trace_writer *w;
	struct stat st;
	FILE *f;
	u8 *p;

	OK(trace_writer_create(&w, path, &err));
	for (u32 i = 0; i < 3; i++) {
		OK(trace_writer_event(w, &ev[i], &err));
		OK(trace_writer_append(w, 0x10000 + i * 0x1000, 8, RUN_WRITE,
				       &err));
	}
	OK(trace_writer_close(w, &err));
	assert_int_equal(0, stat(path, &st));
	*bytes = (size_t)st.st_size;
	p = malloc(*bytes + 4096);
	f = fopen(path, "r");
	assert_int_equal(*bytes, fread(p, 1, *bytes, f));
	fclose(f);
	return p;
}

static int read_bytes(const u8 *p, size_t n, struct seq *s)
{
	const char *path = in_dir("bytes.tlbt");
	int rc;

	s->n = 0;
	check_write(path, p, n);
	rc = seq_read(path, s, false, &err);
	return rc;
}

/* Any byte wrong, any byte missing: refused, with where it was found. */
static void test_damage(void **state)
{
	struct seq s = { 0 };
	size_t n;
	u8 *p = small_trace(&n);

	OK(read_bytes(p, n, &s));
	assert_int_equal(6, s.n);
	for (size_t i = 0; i < n; i++) {
		p[i] ^= 0x10;
		assert_int_equal(-EINVAL, read_bytes(p, n, &s));
		assert_contains(err.text, "byte ");
		p[i] ^= 0x10;
	}
	for (size_t i = 0; i < n; i++)
		assert_int_equal(-EINVAL, read_bytes(p, i, &s));
	free(p);
	seq_free(&s);
}

/* The small trace with its events replaced and every checksum right: what is
 * left to object to is their contents. */
static size_t forge(u8 *p, const u8 *records, u32 nr)
{
	u8 *block = p + HEADER_BYTES + EVENT_KINDS_BYTES;
	u32 before = get32(block + 8) + get32(block + 16);
	u8 *section = block + BLOCK_HEADER_BYTES + before;
	size_t bytes = EVENTS_HEADER_BYTES, file;

	put32(section, nr);
	put32(section + 4, 0);
	bytes += ZSTD_compress(section + bytes, 2048, records,
			       (size_t)nr * EVENT_BYTES, 1);
	put32(block + 28, (u32)bytes);
	put64(block + 40, block_sum(block, block + BLOCK_HEADER_BYTES,
				    before + bytes));
	file = (size_t)(section - p) + bytes;
	put64(p + 24, file);
	put64(p + 16, header_sum(p, HEADER_BYTES + EVENT_KINDS_BYTES));
	return file;
}

static void record_of(u8 *p, u32 at, const struct trace_event *ev)
{
	put32(p, at);
	p[4] = ev->kind;
	p[5] = ev->prot;
	put16(p + 6, ev->flags);
	put32(p + 8, ev->tid);
	put32(p + 12, ev->arg);
	put64(p + 16, ev->start);
	put64(p + 24, ev->len);
	put64(p + 32, ev->new_start);
	put64(p + 40, ev->new_len);
}

static void test_forged(void **state)
{
	static const struct trace_event exec = { .kind = TRACE_EXEC, .tid = 1 };
	struct seq s = { 0 };
	u8 rec[3 * EVENT_BYTES];
	size_t n;
	u8 *p = small_trace(&n);

	for (size_t i = 0; i < ARRAY_LEN(bad_events); i++) {
		record_of(rec, 0, &bad_events[i].ev);
		n = forge(p, rec, 1);
		assert_int_equal(-EINVAL, read_bytes(p, n, &s));
		assert_contains(err.text, bad_events[i].text);
		assert_contains(err.text, "event 0: expected");
	}
	/* Behind the block's runs; before the event before. */
	record_of(rec, 4, &exec);
	n = forge(p, rec, 1);
	assert_int_equal(-EINVAL, read_bytes(p, n, &s));
	assert_contains(err.text, "a place among the runs");
	record_of(rec, 2, &exec);
	record_of(rec + EVENT_BYTES, 1, &exec);
	n = forge(p, rec, 2);
	assert_int_equal(-EINVAL, read_bytes(p, n, &s));
	assert_contains(err.text, "event 1: expected a place");
	/* Other kinds than the header counts. */
	record_of(rec, 3, &exec);
	n = forge(p, rec, 1);
	assert_int_equal(-EINVAL, read_bytes(p, n, &s));
	assert_contains(err.text, "events of kind");
	free(p);
	seq_free(&s);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_round_trip),
	cmocka_unit_test(test_old_version),
	cmocka_unit_test(test_late_event),
	cmocka_unit_test(test_writer_refuses),
	cmocka_unit_test(test_damage),
	cmocka_unit_test(test_forged),
};

DIR_MAIN(tests)
