/* record.c - what Valgrind says of a program that is being recorded, in pieces
 * as a pipe may hand them out. */
#include "emu/record_parse.h"
#include "tests/fuzz/fuzz.h"

const char *const fuzz_seeds[] = {
	"==9== Lackey\nI  04001000,3\n L 1ffefff0,8\n"
	"SYSCALL[9,1](9) sys_mmap ( 0x0, 8192, 3, 34, 4294967295, 0 ) --> "
	"[pre-success] Success(0x4025000)\n S 04025000,8\n"
	"SYSCALL[9,1](56) sys_clone ( 3d0f00, 0x1, 0x2, 0x3, 0x4 )[async] ... \n"
	"SYSCALL[9,1](56) ... [async] --> Success(0xa)\n"
	"--9--   SCHED[2]:  acquired lock (VG_(client_syscall))\n M 04025008,4\n"
	"SYSCALL[9,2](11) sys_munmap ( 0x4025000, 8192 )[sync] --> "
	"Success(0x0)\n",
	"SYSCALL[9,1](12) sys_brk ( 0x0 ) --> [pre-success] Success(0x4022000)\n"
	"SYSCALL[9,1](12) sys_brk ( 0x4043000 ) --> [pre-success] "
	"Success(0x4043000)\n"
	"SYSCALL[9,1](57) sys_fork ( )[sync] --> Success(0x20)\n"
	"SYSCALL[9,1](25) sys_mremap ( 0x4025000, 4096, 8192, 0x1, 0x0 )[sync]"
	" --> Success(0x4025000)\n"
	"SYSCALL[9,1](28) sys_madvise ( 0x4025000, 8192, 4 )[sync] --> "
	"Failure(0xc)\n"
	"SYSCALL[9,1](61) sys_wait4 ( -1, 0x0, 0, 0x0 )[async] ... \n"
	"SYSCALL[9,1](61) ... [async] --> Success(0x20)\n"
	"SYSCALL[9,1](59) sys_execve ( 0x4025000(/bin/x), 0x1, 0x2 )",
	NULL,
};

static int feed(struct record_parser *p, const u8 *data, size_t bytes,
		struct err *e)
{
	size_t piece = 1 + bytes % 97, room;
	int ret = 0;

	for (size_t at = 0; at < bytes && !ret; at += piece) {
		u8 *to = record_room(p, &room);

		FUZZ_CHECK(room);
		if (piece > bytes - at)
			piece = bytes - at;
		if (piece > room)
			piece = room;
		memcpy(to, data + at, piece);
		ret = record_feed(p, piece, e);
	}
	return ret ? ret : record_end(p, e);
}

/* What it wrote is a trace that its reader takes. */
static void check_trace(const char *path)
{
	struct trace_part part;
	struct err e = { "" };
	struct trace *t;

	FUZZ_CHECK(!trace_open(&t, path, &e));
	do {
		FUZZ_CHECK(!trace_next_part(t, &part, &e));
		for (size_t i = 0; i < part.nr_events; i++)
			FUZZ_CHECK(!trace_event_check(&part.events[i]));
	} while (part.nr_runs || part.nr_events);
	trace_close(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	const struct record_cfg cfg = { .name = "input",
					.with_fetch = bytes & 1 };
	struct trace_writer *w;
	struct record_parser *p;
	struct err e = { "" };
	char path[64];
	int ret;

	/* In memory, where syncing a file costs nothing. */
	snprintf(path, sizeof(path), "%s/fuzz-%d.tlbt",
		 access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm", getpid());
	FUZZ_CHECK(!trace_writer_create(&w, path, &e));
	FUZZ_CHECK(!record_parser_create(&p, &cfg, w, &e));
	ret = feed(p, data, bytes, &e);
	FUZZ_CHECK(record_stats(p)->nr_threads <= TRACE_TID_MAX);
	record_parser_free(p);
	if (ret) {
		FUZZ_CHECK_REFUSAL(ret, e);
		trace_writer_abort(w);
		return 0;
	}
	FUZZ_CHECK(!trace_writer_close(w, &e));
	check_trace(path);
	unlink(path);
	return 0;
}
