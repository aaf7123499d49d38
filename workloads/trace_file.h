/* trace_file.h - real programs' memory traces, kept as runs in a compact file
 * (suffix .tlbt).
 *
 * A trace is a sequence of accesses (va, bytes, op). The file keeps it as
 * runs: expanding the runs in order, each access by access, gives back the
 * exact sequence that was appended, with one exception: an access that
 * crosses a 4 KiB page boundary is kept as two (or more) accesses, one for
 * each page, lowest address first. They count as accesses of their own and
 * trace_info.nr_splits says how many were added that way. Every run stays
 * inside one page.
 *
 * Consecutive accesses of one size and op with constant distance are one run;
 * accesses are never reordered to make longer runs. Taking the longest run
 * each time gives the fewest runs possible; an event between two accesses
 * ends the run.
 *
 * Between accesses stand events: what the program did to its address space,
 * and which of its threads goes on. A program's accesses and events are one
 * sequence, in the order in which they happened.
 *
 * Units:   bytes and counts; va are virtual addresses of the traced program.
 * Errors:  0 or negative errno, with the text in struct err: it names the
 *          file and, for bad contents, the byte offset and what was expected.
 *          Bad contents are -EINVAL.
 * Threads: none; a reader or writer belongs to one thread. Any number of
 *          readers may have the same file open.
 * Format:  described at the top of trace_format.h.
 */
#ifndef WORKLOADS_TRACE_FILE_H
#define WORKLOADS_TRACE_FILE_H

#include "base/err.h"
#include "base/types.h"

#define TRACE_NAME_MAX 128      /* bytes of program name, NUL included        */
#define TRACE_NR_OPS 4          /* enum run_op                                */
#define TRACE_TID_MAX 511       /* threads are numbered from 1 (Valgrind has
				 * at most 500)                               */

struct trace;                   /* a reader, opaque                           */
struct trace_writer;            /* opaque                                     */

/* Numbers of the file format. In brackets what a kind uses besides tid. */
enum trace_event_kind {
	TRACE_MMAP = 1,         /* [start, len, prot, flags]                  */
	TRACE_MUNMAP,           /* [start, len]                               */
	TRACE_MPROTECT,         /* [start, len, prot]                         */
	TRACE_MADVISE,          /* [start, len, arg: Linux's MADV_ number]    */
	TRACE_MREMAP,           /* [start, len, new_start, new_len, flags];
				 * with TRACE_KEEP the old range stays mapped,
				 * empty (MREMAP_DONTUNMAP)                   */
	TRACE_BRK,              /* [start: old break, new_start: new break]   */
	TRACE_FORK,             /* [arg: the child's pid, flags]; the child is
				 * not in the trace                           */
	TRACE_EXEC,             /* all mappings are gone                      */
	TRACE_CLONE,            /* [arg: kernel's number] of a new thread     */
	TRACE_EXIT,             /* [arg] 0: the thread ends, else the forked
				 * child of that pid has                      */
	TRACE_SWITCH,           /* from here on thread tid                    */
	TRACE_NR_EVENT_KINDS
};

/* prot */
enum { TRACE_PROT_READ = 1, TRACE_PROT_WRITE = 2, TRACE_PROT_EXEC = 4 };

/* flags, of the kinds named */
enum {
	TRACE_ANON = 1,         /* mmap: no file behind it                    */
	TRACE_SHARED = 2,       /* mmap                                       */
	TRACE_FIXED = 4,        /* mmap: replaces what was there              */
	TRACE_HUGETLB = 8,      /* mmap                                       */
	TRACE_STACK = 16,       /* mmap                                       */
	TRACE_KEEP = 32,        /* mremap                                     */
	TRACE_VFORK = 64,       /* fork: the child borrows the address space  */
};

/* Addresses and lengths in bytes, whole pages but for brk. What a kind does
 * not use is 0. */
struct trace_event {
	u8 kind;
	u8 prot;
	u16 flags;
	u32 tid;                /* of the thread that did it, from 1          */
	u32 arg;
	u64 start, len;
	u64 new_start, new_len;
};

struct trace_info {
	char program[TRACE_NAME_MAX];
	u32 version;            /* of the file format                         */
	u64 nr_runs;
	u64 nr_accesses;
	u64 nr_by_op[TRACE_NR_OPS];     /* accesses, by enum run_op           */
	u64 nr_pages;           /* distinct 4 KiB pages touched               */
	u64 nr_splits;          /* accesses added by page-crossing splits     */
	u64 nr_events;
	u64 nr_by_kind[TRACE_NR_EVENT_KINDS];   /* events                     */
	u64 nr_blocks;
	u64 va_min, va_last;    /* lowest and highest byte touched            */
	u64 file_bytes;
};

/* trace_open - open @path and check its header; runs are checked as they are
 * read. A pipe can be read too, but not rewound. */
int trace_open(struct trace **out, const char *path, struct err *e);

const struct trace_info *trace_info(const struct trace *t);

/* The next part of a trace: first the runs, then the events. */
struct trace_part {
	const struct run *runs; /* NULL: only in digests                      */
	size_t nr_runs;
	const struct run_digest *digests;       /* of all the runs, in order  */
	size_t nr_digests;      /* 0: there are none                          */
	const struct trace_event *events;
	size_t nr_events;
};

#define TRACE_PART_RUNS 4096u   /* a part has no more                         */

/* Replay looks at the timer each time it has played so many runs of a part: a
 * digest does not go beyond. */
#define TRACE_BATCH 256u

/* trace_next_part - the next runs up to an event, and the events up to the
 * next run; either may be missing, both at the end of the trace. Stays valid
 * until the next call on @t. After an error every further call fails until
 * trace_rewind(). */
int trace_next_part(struct trace *t, struct trace_part *p, struct err *e);

/* trace_next_digests - the same parts, with digests in place of runs where the
 * file has them. Their runs are not read, nor checked against them.
 * trace_part_runs - the runs of the part that the last call returned, after all;
 * the part stays as it is otherwise. */
int trace_next_digests(struct trace *t, struct trace_part *p, struct err *e);
int trace_part_runs(struct trace *t, struct trace_part *p, struct err *e);

/* For who only wants to know which pages a trace touches, in order of their first
 * touches: that many runs of the part are enough, some NULL; all of them, or the
 * leads of the digests. */
static inline size_t trace_part_nr_touches(const struct trace_part *p)
{
	return p->nr_digests ? p->nr_digests : p->nr_runs;
}

static inline const struct run *trace_part_touch(const struct trace_part *p,
						 size_t i)
{
	if (!p->nr_digests)
		return &p->runs[i];
	return p->digests[i].lead.count ? &p->digests[i].lead : NULL;
}

/* trace_part_check - do the digests of @p, which has its runs too, say what the
 * runs are? */
bool trace_part_check(const struct trace_part *p);

/* trace_next - the next runs alone, at least one, or *@n = 0 at the end: for
 * who does not care for events. */
int trace_next(struct trace *t, const struct run **runs, size_t *n,
	       struct err *e);

/* trace_rewind - start again from the first run. -ESPIPE on a pipe. */
int trace_rewind(struct trace *t, struct err *e);

void trace_close(struct trace *t);

/* trace_writer_create - start a trace that will appear as @path.
 * It is written beside @path and takes that name in trace_writer_close(), so
 * @path is never a half-written trace; an existing file there is replaced.
 * Memory is bounded but for the set of touched pages: 16 to 32 bytes for each
 * 256 KiB region touched. */
int trace_writer_create(struct trace_writer **out, const char *path,
			struct err *e);

/* The traced program's name, cut to TRACE_NAME_MAX - 1 bytes; may be set at
 * any time before close. */
void trace_writer_set_program(struct trace_writer *w, const char *program);

/* trace_writer_append - one access. @bytes at least 1 and the last byte's
 * address must fit in 64 bits, else -EINVAL. After any other error (a full
 * disk) the writer can only be aborted. */
int trace_writer_append(struct trace_writer *w, u64 va, u32 bytes,
			enum run_op op, struct err *e);

/* trace_writer_append_run - the accesses of @r, which may cross pages. */
int trace_writer_append_run(struct trace_writer *w, const struct run *r,
			    struct err *e);

/* trace_writer_event - @ev happened after what was appended so far. -EINVAL
 * when it is none: an unknown kind, a range that is empty or not of whole
 * pages, something in a field that its kind does not use. */
int trace_writer_event(struct trace_writer *w, const struct trace_event *ev,
		       struct err *e);

/* trace_event_check - is @ev as struct trace_event says? NULL when it is, else
 * what is wrong with it. */
const char *trace_event_check(const struct trace_event *ev);

/* "mmap", "munmap" ...; NULL for no such kind. */
const char *trace_event_name(u32 kind);

/* Bytes written so far: what the file will have at least. */
u64 trace_writer_bytes(const struct trace_writer *w);

/* What was appended so far, complete but for nr_blocks and file_bytes. */
const struct trace_info *trace_writer_info(struct trace_writer *w);

/* trace_writer_close - finish the file and give it its name. Frees @w, also
 * on error, when nothing is left behind. */
int trace_writer_close(struct trace_writer *w, struct err *e);

/* trace_writer_abort - forget the trace; nothing is left behind. NULL is
 * fine. */
void trace_writer_abort(struct trace_writer *w);

#endif
