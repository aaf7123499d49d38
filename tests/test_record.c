/* test_record.c - events in traces come back where they were put, damage is
 * refused, old traces are read; and what Valgrind prints becomes the right
 * events, however it arrives. */
#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>

#include "base/rng.h"
#include "emu/record.h"
#include "emu/timed_point.h"
#include "tests/check.h"
#include "workloads/trace_file.h"
#include "workloads/trace_format.h"

/* Last: its MADV_ numbers are not the model's. */
#include <sys/mman.h>

static char dir[64];
static struct err err;
static u64 seed;

#define OK(call) do { \
	int ret_ = (call); \
	if (ret_) \
		fail_msg("%s: %d: %s (seed %llu)", #call, ret_, err.text, \
			 (unsigned long long)seed); \
} while (0)

static const char *in_dir(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

/* ---- sequences ----------------------------------------------------------------- */

/* One access, or one event when .ev.kind. */
struct item {
	struct trace_event ev;
	u64 va;
	u16 bytes;
	u8 op;
};

struct seq {
	struct item *v;
	size_t n, room;
};

static struct item *seq_add(struct seq *s)
{
	if (s->n == s->room) {
		s->room = s->room ? 2 * s->room : 4096;
		s->v = realloc(s->v, s->room * sizeof(*s->v));
		assert_non_null(s->v);
	}
	s->v[s->n] = (struct item){ 0 };
	return &s->v[s->n++];
}

static void seq_free(struct seq *s)
{
	free(s->v);
	*s = (struct seq){ 0 };
}

static int seq_read(const char *path, struct seq *s, bool is_twice,
		    struct err *e)
{
	struct trace_part p;
	struct trace *t;
	int rc = trace_open(&t, path, e);

	if (rc)
		return rc;
	for (int turn = 0; !rc && turn <= is_twice; turn++) {
		s->n = 0;
		if (turn)
			rc = trace_rewind(t, e);
		while (!rc && !(rc = trace_next_part(t, &p, e)) &&
		       (p.nr_runs || p.nr_events)) {
			for (size_t i = 0; i < p.nr_runs; i++)
				for (u32 k = 0; k < p.runs[i].count; k++) {
					struct item *it = seq_add(s);

					it->va = p.runs[i].va +
						(u64)p.runs[i].stride * k;
					it->bytes = p.runs[i].bytes;
					it->op = p.runs[i].op;
				}
			for (size_t i = 0; i < p.nr_events; i++)
				seq_add(s)->ev = p.events[i];
		}
	}
	trace_close(t);
	return rc;
}

static void seq_write(const char *path, const struct seq *s)
{
	struct trace_writer *w;

	OK(trace_writer_create(&w, path, &err));
	for (size_t i = 0; i < s->n; i++) {
		const struct item *it = &s->v[i];

		if (it->ev.kind)
			OK(trace_writer_event(w, &it->ev, &err));
		else
			OK(trace_writer_append(w, it->va, it->bytes, it->op,
					       &err));
	}
	OK(trace_writer_close(w, &err));
}

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

static bool is_same(const struct item *a, const struct item *b)
{
	return a->va == b->va && a->bytes == b->bytes && a->op == b->op &&
	       a->ev.kind == b->ev.kind && a->ev.prot == b->ev.prot &&
	       a->ev.flags == b->ev.flags && a->ev.tid == b->ev.tid &&
	       a->ev.arg == b->ev.arg && a->ev.start == b->ev.start &&
	       a->ev.len == b->ev.len && a->ev.new_start == b->ev.new_start &&
	       a->ev.new_len == b->ev.new_len;
}

static void assert_same(const struct seq *want, const struct seq *got)
{
	assert_int_equal(want->n, got->n);
	for (size_t i = 0; i < want->n; i++)
		if (!is_same(&want->v[i], &got->v[i]))
			fail_msg("item %zu differs: kind %u and %u (seed %llu)",
				 i, want->v[i].ev.kind, got->v[i].ev.kind,
				 (unsigned long long)seed);
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
	check_write(path, (const char *)p, n);
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

/* ---- what Valgrind prints --------------------------------------------------------- */

static const char printed[] =
	"==7== Lackey, an example Valgrind tool\n"
	"--7--   SCHED[1]:  acquired lock (thread_wrapper(starting new thread))\n"
	"I  04001000,3\n"
	"SYSCALL[7,1](12) sys_brk ( 0x0 ) --> [pre-success] Success(0x4035000) \n"
	" S 1ffefff0,8\n"
	"SYSCALL[7,1](257) sys_openat ( 4294967196, 0x4034bb0(/a, 1)--> Success("
	"0x1)/x), 524288 ) --> [async] ... \n"
	"--7--   SCHED[1]: releasing lock (VG_(client_syscall)[async]) -> "
	"VgTs_WaitSys\n"
	"--7--   SCHED[1]:  acquired lock (VG_(client_syscall)[async])\n"
	"SYSCALL[7,1](257) ... [async] --> Success(0x3) \n"
	"SYSCALL[7,1](9) sys_mmap ( 0x0, 8192, 3, 34, 4294967295, 0 ) --> "
	"[pre-success] Success(0x4835000) \n"
	"SYSCALL[7,1](9) sys_mmap ( 0x4838000, 5, 5, 2066, 4, 4096 ) --> "
	"[pre-success] Success(0x4838000) \n"
	"SYSCALL[7,1](9) sys_mmap ( 0x0, 8192, 3, 34, 4294967295, 0 ) --> "
	"[pre-fail] Failure(0xc) \n"
	" L 04835000,8\n"
	"SYSCALL[7,1](10) sys_mprotect ( 0x4835000, 4096, 1 )[sync] --> "
	"Success(0x0) \n"
	"SYSCALL[7,1](334) unimplemented (by the kernel) syscall: 334! "
	"(ni_syscall)\n"
	" --> [pre-fail] Failure(0x26) \n"
	"SYSCALL[7,1](12) sys_brk ( 0x4056000 ) --> [pre-success] "
	"Success(0x4056000) \n"
	"SYSCALL[7,1](56) sys_clone ( 3d0f00, 0x522bf70, 0x522c990, 0x522c990, "
	"0x522c6c0 ) --> [pre-success] Success(0x2af5) --7--   SCHED[1]: "
	"releasing lock (VG_(vg_yield)) -> VgTs_Yielding\n"
	"--7--   SCHED[2]:  acquired lock (thread_wrapper(starting new thread))\n"
	"--7--   SCHED[2]: entering VG_(scheduler)\n"
	" M 04835008,4\n"
	"SYSCALL[7,2](28) sys_madvise ( 0x4835000, 8000, 4 ) --> [async] ... \n"
	"--7--   SCHED[2]: releasing lock (VG_(client_syscall)[async]) -> "
	"VgTs_WaitSys\n"
	"--7--   SCHED[1]:  acquired lock (VG_(vg_yield))\n"
	"\n"
	"SYSCALL[7,1](25) sys_mremap ( 0x4835000, 8192, 65536, 0x1 ) --> "
	"[pre-success] Success(0x5a2e000) \n"
	"SYSCALL[7,1](202) sys_futex ( 0x522c990, 265, 10997, 0x0, 0x0 ) --> "
	"[async] ... \n"
	"--7--   SCHED[2]:  acquired lock (VG_(client_syscall)[async])\n"
	"SYSCALL[7,2](28) ... [async] --> Success(0x0) \n"
	"SYSCALL[7,2](60) exit( 0 ) --> [pre-success] Success(0x0) \n"
	"--7--   SCHED[1]:  acquired lock (VG_(client_syscall)[async])\n"
	"SYSCALL[7,1](202) ... [async] --> Success(0x0) \n"
	"SYSCALL[7,1](11) sys_munmap ( 0x5a2e000, 65536 )[sync] --> "
	"Success(0x0) \n"
	"SYSCALL[7,1](56) sys_clone ( 4111, 0x4844ff0, 0x0, 0x0, 0x0 )   "
	"clone(fork): process 7 created child 986\n"
	" --> [pre-success] Success(0x3da) --7--   SCHED[1]: releasing lock "
	"(VG_(vg_yield)) -> VgTs_Yielding\n"
	"--7--   SCHED[1]:  acquired lock (VG_(vg_yield))\n"
	"SYSCALL[7,1](61) sys_wait4 ( 986, 0x0, 0, 0x0 ) --> [async] ... \n"
	"SYSCALL[7,1](61) ... [async] --> Success(0x3da) \n"
	"SYSCALL[7,1](59) sys_execve ( 0x1(/bin/no), 0x2, 0x3 ) --> [..] "
	"Failure(0x2) \n"
	"SYSCALL[7,1](59) sys_execve ( 0x10a004(/bin/true), 0x1fff000500, 0x1 )";

static const struct item parsed[] = {
	{ .ev = { .kind = TRACE_SWITCH, .tid = 1 } },
	{ .va = 0x4001000, .bytes = 3, .op = RUN_FETCH },
	{ .va = 0x1ffefff0, .bytes = 8, .op = RUN_WRITE },
	{ .ev = { .kind = TRACE_MMAP, .tid = 1, .start = 0x4835000,
		  .len = 0x2000, .prot = 3, .flags = TRACE_ANON } },
	{ .ev = { .kind = TRACE_MMAP, .tid = 1, .start = 0x4838000,
		  .len = 0x1000, .prot = 5, .flags = TRACE_FIXED } },
	{ .va = 0x4835000, .bytes = 8, .op = RUN_READ },
	{ .ev = { .kind = TRACE_MPROTECT, .tid = 1, .start = 0x4835000,
		  .len = 0x1000, .prot = 1 } },
	{ .ev = { .kind = TRACE_BRK, .tid = 1, .start = 0x4035000,
		  .new_start = 0x4056000 } },
	{ .ev = { .kind = TRACE_CLONE, .tid = 1, .arg = 0x2af5 } },
	{ .ev = { .kind = TRACE_SWITCH, .tid = 2 } },
	{ .va = 0x4835008, .bytes = 4, .op = RUN_MODIFY },
	{ .ev = { .kind = TRACE_SWITCH, .tid = 1 } },
	{ .ev = { .kind = TRACE_MREMAP, .tid = 1, .start = 0x4835000,
		  .len = 0x2000, .new_start = 0x5a2e000,
		  .new_len = 0x10000 } },
	{ .ev = { .kind = TRACE_SWITCH, .tid = 2 } },
	{ .ev = { .kind = TRACE_MADVISE, .tid = 2, .start = 0x4835000,
		  .len = 0x2000, .arg = 4 } },
	{ .ev = { .kind = TRACE_EXIT, .tid = 2 } },
	{ .ev = { .kind = TRACE_SWITCH, .tid = 1 } },
	{ .ev = { .kind = TRACE_MUNMAP, .tid = 1, .start = 0x5a2e000,
		  .len = 0x10000 } },
	{ .ev = { .kind = TRACE_FORK, .tid = 1, .arg = 986,
		  .flags = TRACE_VFORK } },
	{ .ev = { .kind = TRACE_EXIT, .tid = 1, .arg = 986 } },
	{ .ev = { .kind = TRACE_EXEC, .tid = 1 } },
};

/* @text through the parser in pieces of random size. */
static int parse(const char *text, size_t n, const struct record_cfg *cfg,
		 struct rng *rng, struct record_stats *stats)
{
	struct record_parser *p;
	struct trace_writer *w;
	int rc = 0;

	OK(trace_writer_create(&w, in_dir("parsed.tlbt"), &err));
	OK(record_parser_create(&p, cfg, w, &err));
	for (size_t at = 0; at < n && !rc && !record_stats(p)->is_full; ) {
		size_t room, k = 1 + rng_below(rng, 300);
		u8 *to = record_room(p, &room);

		k = k < room ? k : room;
		k = k < n - at ? k : n - at;
		memcpy(to, text + at, k);
		at += k;
		rc = record_feed(p, k, &err);
	}
	if (!rc)
		rc = record_end(p, &err);
	*stats = *record_stats(p);
	record_parser_free(p);
	if (rc)
		trace_writer_abort(w);
	else
		OK(trace_writer_close(w, &err));
	return rc;
}

static void test_parse(void **state)
{
	const struct record_cfg cfg = { .name = "text", .with_fetch = true };
	const struct seq want = { .v = (struct item *)parsed,
				  .n = ARRAY_LEN(parsed) };
	struct record_stats stats;
	struct seq got = { 0 };
	struct rng rng;

	seed = check_seed("parse");
	rng_init(&rng, seed);
	for (u32 i = 0; i < 50; i++) {
		OK(parse(printed, sizeof(printed) - 1, &cfg, &rng, &stats));
		OK(seq_read(in_dir("parsed.tlbt"), &got, false, &err));
		assert_same(&want, &got);
		assert_int_equal(2, stats.nr_threads);
		assert_int_equal(4, stats.nr_accesses);
		assert_true(stats.is_execed);
	}
	seq_free(&got);
}

static void test_parse_limits(void **state)
{
	struct record_cfg cfg = { .name = "text" };
	struct record_stats stats;
	struct rng rng;

	rng_init(&rng, 1);
	OK(parse(printed, sizeof(printed) - 1, &cfg, &rng, &stats));
	assert_int_equal(3, stats.nr_accesses);
	assert_int_equal(1, stats.nr_fetches_skipped);
	cfg.max_accesses = 2;
	OK(parse(printed, sizeof(printed) - 1, &cfg, &rng, &stats));
	assert_int_equal(2, stats.nr_accesses);
	assert_true(stats.is_full);
	assert_false(stats.is_execed);
}

/* Lines that begin like accesses must be some. */
static void test_parse_refuses(void **state)
{
	static const char *const bad[] = {
		" L 1000\n", " L ,8\n", " S 1000,0\n", " M 1000,8x\n",
		"I  12345678123456781,1\n", " L ffffffffffffffff,2\n",
		" S 1000,65536\n",
	};
	const struct record_cfg cfg = { .name = "text", .with_fetch = true };
	struct record_stats stats;
	struct rng rng;

	rng_init(&rng, 1);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(-EINVAL, parse(bad[i], strlen(bad[i]), &cfg,
						&rng, &stats));
		assert_contains(err.text, "text: line 1: expected");
	}
}

/* Random bytes, and random pieces of true output: an error or not, never more
 * than that. */
static void test_parse_noise(void **state)
{
	const struct record_cfg cfg = { .name = "noise", .with_fetch = true };
	static char text[20000];
	struct record_stats stats;
	struct rng rng;

	seed = check_seed("noise");
	rng_init(&rng, seed);
	for (u32 i = 0; i < 300; i++) {
		size_t n = 0;

		while (n < 3000) {
			size_t from = rng_below(&rng, sizeof(printed) - 1);
			size_t k = rng_below(&rng, 90);

			if (k > sizeof(printed) - 1 - from)
				k = sizeof(printed) - 1 - from;
			memcpy(text + n, printed + from, k);
			n += k;
			text[n++] = rng_below(&rng, 3) ? '\n'
				: (char)rng_u64(&rng);
		}
		(void)parse(text, n, &cfg, &rng, &stats);
	}
}

/* ---- replay ------------------------------------------------------------------------ */

#define ROUNDS 20u
#define PAGES 10u
#define AT 0x7000000ull

/* What the program does, told to the modelled kernel directly. */
static void by_hand(struct wl *w, u32 t)
{
	struct mm *mm = w->priv;

	for (u32 i = 0; i < ROUNDS; i++) {
		int rc = do_mmap_fixed(mm, AT >> PAGE_SHIFT, PAGES,
				       VM_READ | VM_WRITE | VM_MIGRATABLE);

		for (u32 k = 0; k < PAGES && !rc; k++)
			rc = wl_runs(&(struct run){
				.va = AT + k * PAGE_BYTES, .count = 1,
				.bytes = 8, .op = RUN_WRITE }, 1);
		if (!rc)
			rc = do_mprotect(mm, AT >> PAGE_SHIFT, PAGES - 1,
					 VM_READ);
		if (!rc)
			rc = do_munmap(mm, AT >> PAGE_SHIFT, PAGES);
		if (rc)
			wl_fail(w, rc, "by hand");
	}
}

static int by_hand_setup(struct wl *w, struct err *e)
{
	if (wl_thread_count(w, 1, e) < 0)
		return -EINVAL;
	w->priv = mm_create();
	return wl_start(w, 0, w->priv, e);
}

static const struct workload by_hand_workload = {
	.name = "by-hand", .setup = by_hand_setup, .body = by_hand,
};

static struct timed_result *run_point(const struct workload *wl,
				      const char *file, u32 threads,
				      const char *flush)
{
	struct timed_result *r = calloc(1, sizeof(*r));
	struct timed_cfg cfg = { 0 };
	void *wl_cfg = calloc(1, wl->cfg_bytes + 1);
	const struct opt_bind binds[] = {
		{ .table = timed_opts, .nr = nr_timed_opts, .base = &cfg },
		{ .table = wl->params, .nr = wl->nr_params, .base = wl_cfg },
	};
	struct timed_point p = {
		.cfg = &cfg, .workload = wl, .workload_cfg = wl_cfg,
		.kernel = kernel_find("v6.1"), .flush = flush_find(flush),
		.files = &file, .nr_files = file != NULL,
		.progress = PROGRESS_NEVER,
	};
	struct opt_set *set;

	assert_non_null(r);
	assert_int_equal(0, opt_set_create(&set, binds, wl->nr_params ? 2 : 1));
	cfg.threads = threads;
	cfg.check = true;
	cfg.thp = false;
	OK(timed_point_run(&p, r, &err));
	assert_int_equal(0, r->count.v[CTR_STALE_HITS]);
	opt_set_free(set);
	free(wl_cfg);
	return r;
}

static void append(struct seq *s, u8 kind, u32 tid, u64 pages_n, u8 prot)
{
	seq_add(s)->ev = (struct trace_event){
		.kind = kind, .tid = tid,
		.start = kind == TRACE_SWITCH ? 0 : AT,
		.len = pages_n << PAGE_SHIFT, .prot = prot,
		.flags = kind == TRACE_MMAP ? TRACE_ANON : 0,
	};
}

static void touch_pages(struct seq *s)
{
	for (u32 k = 0; k < PAGES; k++) {
		struct item *it = seq_add(s);

		it->va = AT + k * PAGE_BYTES;
		it->bytes = 8;
		it->op = RUN_WRITE;
	}
}

static const enum counter same_counts[] = {
	CTR_ACCESSES, CTR_TLB_FLUSH, CTR_REMOTE_FLUSH, CTR_LOCAL_FLUSH_ONE,
	CTR_LOCAL_FLUSH_ALL, CTR_PAGE_FAULTS, CTR_MPROTECT_CALLS,
	CTR_WALK_STORE,
};

/* A replay flushes as the same calls do. */
static void test_replay_as_by_hand(void **state)
{
	static const char *const flushes[] = { "deferred", "page", "full" };
	const char *path = in_dir("hand.tlbt");
	char copy[128];
	struct seq s = { 0 };

	snprintf(copy, sizeof(copy), "%s", path);
	for (u32 i = 0; i < ROUNDS; i++) {
		append(&s, TRACE_MMAP, 1, PAGES, 3);
		touch_pages(&s);
		append(&s, TRACE_MPROTECT, 1, PAGES - 1, 1);
		append(&s, TRACE_MUNMAP, 1, PAGES, 0);
	}
	seq_write(copy, &s);
	for (size_t f = 0; f < ARRAY_LEN(flushes); f++) {
		struct timed_result *a = run_point(workload_find("replay"),
						   copy, 0, flushes[f]);
		struct timed_result *b = run_point(&by_hand_workload, NULL, 0,
						   flushes[f]);

		for (size_t i = 0; i < ARRAY_LEN(same_counts); i++)
			assert_int_equal(b->count.v[same_counts[i]],
					 a->count.v[same_counts[i]]);
		assert_true(a->count.v[CTR_TLB_FLUSH] >= 2 * ROUNDS);
		assert_int_equal(ROUNDS * PAGES, a->count.v[CTR_PAGE_FAULTS]);
		free(a);
		free(b);
	}
	seq_free(&s);
}

/* What thread 2 unmaps, thread 1 has used: its CPU is interrupted, once it is
 * one of its own. */
static void test_replay_threads(void **state)
{
	char path[128];
	struct seq s = { 0 };
	struct timed_result *two, *one;

	snprintf(path, sizeof(path), "%s", in_dir("threads.tlbt"));
	for (u32 i = 0; i < ROUNDS; i++) {
		append(&s, TRACE_SWITCH, 1, 0, 0);
		append(&s, TRACE_MMAP, 1, PAGES, 3);
		touch_pages(&s);
		append(&s, TRACE_SWITCH, 2, 0, 0);
		touch_pages(&s);
		append(&s, TRACE_MUNMAP, 2, PAGES, 0);
	}
	append(&s, TRACE_EXIT, 2, 0, 0);
	s.v[s.n - 1].ev.start = 0;
	append(&s, TRACE_SWITCH, 1, 0, 0);
	append(&s, TRACE_MMAP, 1, PAGES, 3);
	touch_pages(&s);
	append(&s, TRACE_MUNMAP, 1, PAGES, 0);
	seq_write(path, &s);
	two = run_point(workload_find("replay"), path, 0, "deferred");
	assert_int_equal(2, two->nr_threads);
	assert_int_equal(ROUNDS + 1, two->count.v[CTR_TLB_FLUSH]);
	/* The last one meets nobody: thread 2 has gone. */
	assert_int_equal(ROUNDS, two->count.v[CTR_IPIS_SENT]);
	assert_int_equal(ROUNDS, two->count.v[CTR_REMOTE_FLUSH_RECEIVED]);
	one = run_point(workload_find("replay"), path, 1, "deferred");
	assert_int_equal(1, one->nr_threads);
	assert_int_equal(ROUNDS + 1, one->count.v[CTR_TLB_FLUSH]);
	assert_int_equal(0, one->count.v[CTR_IPIS_SENT]);
	assert_int_equal(two->count.v[CTR_ACCESSES],
			 one->count.v[CTR_ACCESSES]);
	free(one);
	free(two);
	seq_free(&s);
}

/* Every kind of event, and touches of what no event has mapped. */
static void test_replay_all_kinds(void **state)
{
	static const struct trace_event ev[] = {
		{ TRACE_MMAP, 3, TRACE_ANON, 1, 0, AT, 0x8000, 0, 0 },
		{ TRACE_MADVISE, 0, 0, 1, 4, AT, 0x2000, 0, 0 },
		{ TRACE_MADVISE, 0, 0, 1, 8, AT + 0x2000, 0x2000, 0, 0 },
		{ TRACE_MADVISE, 0, 0, 1, 14, AT, 0x8000, 0, 0 },
		{ TRACE_MREMAP, 0, 0, 1, 0, AT, 0x8000, AT, 0xc000 },
		{ TRACE_MREMAP, 0, 0, 1, 0, AT, 0xc000, AT, 0xa000 },
		{ TRACE_FORK, 0, 0, 1, 77, 0, 0, 0, 0 },
		{ TRACE_EXIT, 0, 0, 1, 77, 0, 0, 0, 0 },
		{ TRACE_FORK, 0, TRACE_VFORK, 1, 78, 0, 0, 0, 0 },
		{ TRACE_MPROTECT, 1, 0, 1, 0, 0x50000000, 0x3000, 0, 0 },
		{ TRACE_BRK, 0, 0, 1, 0, 0x60000010, 0, 0x60008010, 0 },
		{ TRACE_BRK, 0, 0, 1, 0, 0x60008010, 0, 0x60000010, 0 },
		{ TRACE_CLONE, 0, 0, 1, 99, 0, 0, 0, 0 },
		{ TRACE_MREMAP, 0, TRACE_KEEP, 1, 0, AT, 0xa000, 2 * AT,
		  0xb000 },
		{ TRACE_EXEC, 0, 0, 1, 0, 0, 0, 0, 0 },
	};
	char path[128];
	struct seq s = { 0 };
	struct timed_result *r;

	snprintf(path, sizeof(path), "%s", in_dir("kinds.tlbt"));
	touch_pages(&s);
	for (size_t i = 0; i < ARRAY_LEN(ev); i++) {
		assert_null(trace_event_check(&ev[i]));
		seq_add(&s)->ev = ev[i];
		touch_pages(&s);
	}
	seq_write(path, &s);
	r = run_point(workload_find("replay"), path, 0, "deferred");
	assert_int_equal((ARRAY_LEN(ev) + 1) * PAGES,
			 r->count.v[CTR_ACCESSES]);
	assert_true(r->count.v[CTR_TLB_FLUSH] >= 6);
	free(r);
	seq_free(&s);
}

/* ---- the whole way --------------------------------------------------------------- */

/* Run as `test_record --child`: what the recording below must find. */
static void *child_thread(void *p)
{
	*(volatile char *)p = 1;
	return NULL;
}

static int child(void)
{
	for (u32 i = 0; i < ROUNDS; i++) {
		pthread_t t;
		size_t n = PAGES << PAGE_SHIFT;
		char *p = mmap((void *)(AT * 16), n, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

		for (size_t k = 0; k < n; k += 4096)
			*(volatile char *)(p + k) = 1;
		if (!i && (pthread_create(&t, NULL, child_thread, p) ||
			   pthread_join(t, NULL)))
			return 1;
		if (mprotect(p, n - 4096, PROT_READ) || munmap(p, n))
			return 1;
	}
	return 7;
}

static inline size_t trace_events_in(const struct seq *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += s->v[i].ev.kind != 0;
	return n;
}

static void test_record_program(void **state)
{
#if defined(__SANITIZE_ADDRESS__)
	skip();         /* a sanitized program does not run under valgrind */
#else
	char valgrind[4096], self[] = "/proc/self/exe", exe[4096] = "";
	char flag[] = "--child", *argv[] = { exe, flag, NULL };
	struct record_job job = {
		.valgrind = valgrind, .argv = argv,
		.cfg = { .name = "valgrind", .with_fetch = true },
	};
	u32 mmaps = 0, mprotects = 0, munmaps = 0, touched = 0;
	struct record_result res;
	struct trace_writer *w;
	struct timed_result *r;
	struct seq s = { 0 };
	char path[128];

	if (record_find("valgrind", valgrind, sizeof(valgrind))) {
		print_message("# no valgrind here\n");
		skip();
	}
	assert_true(readlink(self, exe, sizeof(exe) - 1) > 0);
	snprintf(path, sizeof(path), "%s", in_dir("program.tlbt"));
	OK(trace_writer_create(&w, path, &err));
	OK(record_run(&job, w, &res, &err));
	OK(trace_writer_close(w, &err));
	assert_int_equal(RECORD_EXITED, res.ending);
	assert_int_equal(7, res.status);
	assert_int_equal(2, res.stats.nr_threads);
	OK(seq_read(path, &s, false, &err));
	for (size_t i = 0; i < s.n; i++) {
		const struct trace_event *ev = &s.v[i].ev;

		mmaps += ev->kind == TRACE_MMAP && ev->start == AT * 16 &&
			ev->len == PAGES << PAGE_SHIFT && ev->prot == 3 &&
			ev->flags == (TRACE_ANON | TRACE_FIXED);
		mprotects += ev->kind == TRACE_MPROTECT &&
			ev->start == AT * 16 &&
			ev->len == (PAGES - 1) << PAGE_SHIFT && ev->prot == 1;
		munmaps += ev->kind == TRACE_MUNMAP && ev->start == AT * 16 &&
			ev->len == PAGES << PAGE_SHIFT;
		touched += !ev->kind && s.v[i].op == RUN_WRITE &&
			s.v[i].va >= AT * 16 &&
			s.v[i].va < AT * 16 + (PAGES << PAGE_SHIFT);
	}
	assert_int_equal(ROUNDS, mmaps);
	assert_int_equal(ROUNDS, mprotects);
	assert_int_equal(ROUNDS, munmaps);
	assert_int_equal(ROUNDS * PAGES + 1, touched);
	r = run_point(workload_find("replay"), path, 0, "deferred");
	assert_int_equal(s.n - trace_events_in(&s), r->count.v[CTR_ACCESSES]);
	assert_true(r->count.v[CTR_TLB_FLUSH] >= 2 * ROUNDS);
	free(r);
	seq_free(&s);
#endif
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_replay_as_by_hand),
	cmocka_unit_test(test_replay_threads),
	cmocka_unit_test(test_replay_all_kinds),
	cmocka_unit_test(test_record_program),
	cmocka_unit_test(test_round_trip),
	cmocka_unit_test(test_old_version),
	cmocka_unit_test(test_late_event),
	cmocka_unit_test(test_writer_refuses),
	cmocka_unit_test(test_damage),
	cmocka_unit_test(test_forged),
	cmocka_unit_test(test_parse),
	cmocka_unit_test(test_parse_limits),
	cmocka_unit_test(test_parse_refuses),
	cmocka_unit_test(test_parse_noise),
};

static int set_up(void **state)
{
	check_tmpdir(dir);
	return 0;
}

static int clean_up(void **state)
{
	check_rmdir(dir);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "--child"))
		return child();
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, set_up, clean_up) ? 1 : 0;
}
