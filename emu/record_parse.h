/* record_parse.h - what Valgrind's lackey says of a running program, into a
 * trace with events:
 *
 *	valgrind --tool=lackey --trace-mem=yes --trace-syscalls=yes
 *		--trace-sched=yes --child-silent-after-fork=yes ...
 *
 * One stream holds, in the order in which they happened: accesses as in
 * import.h; system calls, "SYSCALL[pid,tid](nr) sys_munmap ( 0x4000, 8192 )
 * [sync] --> Success(0x0)", whose result may come on a later line; and who
 * runs, "--pid--   SCHED[tid]:  acquired lock (...)". Valgrind runs one thread
 * at a time. Anything else is passed over.
 *
 * Of the calls these become events, if they succeed: mmap, munmap, mprotect,
 * madvise, mremap, brk, clone, fork, vfork, execve, exit, and a wait that
 * returns a forked child. Not seen, since they are no calls: what the loader
 * and the stack have mapped before the first instruction, and how the stack
 * grows. shmat and the kernel's own accesses to buffers are not followed.
 *
 * Source: Valgrind 3.19, output of the core's options --trace-syscalls and
 * --trace-sched and of lackey's --trace-mem; flags: Linux 6.1 uapi headers.
 */
#ifndef EMU_RECORD_PARSE_H
#define EMU_RECORD_PARSE_H

#include "base/err.h"
#include "base/types.h"
#include "workloads/trace_file.h"

struct record_cfg {
	const char *name;       /* of the input, for error texts              */
	bool with_fetch;        /* keep instruction fetches                   */
	u64 max_accesses;       /* 0: no limit                                */
	u64 max_bytes;          /* of the trace file; 0: no limit             */
};

struct record_stats {
	u64 nr_lines;
	u64 nr_accesses;        /* before page-crossing splits                */
	u64 nr_fetches_skipped;
	u32 nr_threads;         /* most at a time, by their highest number    */
	bool is_execed;         /* the program became another one             */
	bool is_full;           /* a limit was reached: feed no more          */
	char complaint[160];    /* what Valgrind itself said last, "" nothing */
};

struct record_parser;           /* opaque */

/* record_parser_create - accesses and events go to @w. @cfg is copied, its
 * strings are not. Return: 0, -ENOMEM. */
int record_parser_create(struct record_parser **out,
			 const struct record_cfg *cfg, struct trace_writer *w,
			 struct err *e);

/* record_room - where to put the next bytes, and for how many there is room
 * (at least one). */
u8 *record_room(struct record_parser *p, size_t *bytes);

/* record_feed - @bytes have been put there. Return: 0, -EINVAL (a line that
 * begins like an access and is none, or is longer than 1 MiB), or what the
 * writer gave. */
int record_feed(struct record_parser *p, size_t bytes, struct err *e);

/* record_end - the stream has ended. A line without end is dropped, as an
 * interrupted recording leaves it. */
int record_end(struct record_parser *p, struct err *e);

const struct record_stats *record_stats(const struct record_parser *p);
void record_parser_free(struct record_parser *p);

#endif
