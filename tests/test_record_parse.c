/* test_record_parse.c - what Valgrind prints becomes the right accesses and
 * events, however it arrives; what only looks like it is refused. */
#include <errno.h>

#include "base/rng.h"
#include "emu/record.h"
#include "tests/trace_seq.h"

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

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_parse),
	cmocka_unit_test(test_parse_limits),
	cmocka_unit_test(test_parse_refuses),
	cmocka_unit_test(test_parse_noise),
};

DIR_MAIN(tests)
