/* record_parse.c - lines of accesses, system calls and thread switches. */
#include "emu/record_parse.h"

#include <errno.h>
#include <linux/mman.h>
#include <linux/sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define BUF_BYTES (1u << 20)    /* also the longest line accepted             */
#define BUF_PAD 8
#define MAX_THREADS (TRACE_TID_MAX + 1)
#define MAX_ARGS 6
#define MAX_CHILDREN 256

/* What a call's success means. */
enum call {
	CALL_OTHER, CALL_MMAP, CALL_MUNMAP, CALL_MPROTECT, CALL_MADVISE,
	CALL_MREMAP, CALL_BRK, CALL_CLONE, CALL_FORK, CALL_EXEC, CALL_EXIT,
	CALL_WAIT,
};

static const struct {
	const char *name;
	enum call call;
} calls[] = {
	{ "sys_mmap", CALL_MMAP }, { "sys_munmap", CALL_MUNMAP },
	{ "sys_mprotect", CALL_MPROTECT }, { "sys_madvise", CALL_MADVISE },
	{ "sys_mremap", CALL_MREMAP }, { "sys_brk", CALL_BRK },
	{ "sys_clone", CALL_CLONE }, { "sys_fork", CALL_FORK },
	{ "sys_vfork", CALL_FORK }, { "sys_execve", CALL_EXEC },
	{ "sys_execveat", CALL_EXEC }, { "exit", CALL_EXIT },
	{ "sys_wait4", CALL_WAIT },
};

/* A call that has begun. */
struct pending {
	enum call call;
	u32 tid;
	u64 arg[MAX_ARGS];
};

struct record_parser {
	struct record_cfg cfg;
	struct trace_writer *w;
	struct record_stats stats;
	struct err *e;
	u8 *buf;
	size_t fill;

	u32 running, written;   /* thread; the last one the trace knows of    */
	u64 brk;                /* 0: not known                               */
	struct pending *last;   /* whose result a line may bring; NULL: none  */
	struct pending pending[MAX_THREADS];    /* by thread                  */
	u32 children[MAX_CHILDREN];     /* forked, not waited for; 0: free    */
};

/* The value of a hexadecimal digit, plus one; 0 for anything else. */
static const u8 hex_digit[256] = {
	['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5, ['5'] = 6,
	['6'] = 7, ['7'] = 8, ['8'] = 9, ['9'] = 10,
	['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
};

/* ---- into the trace ---------------------------------------------------------- */

static int emit(struct record_parser *p, const struct trace_event *ev)
{
	int rc;

	if (p->running != p->written) {
		p->written = p->running;
		rc = trace_writer_event(p->w, &(struct trace_event){
			.kind = TRACE_SWITCH, .tid = p->running }, p->e);
		if (rc)
			return rc;
	}
	return ev ? trace_writer_event(p->w, ev, p->e) : 0;
}

static u64 whole_pages(u64 bytes)
{
	return (bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
}

static u16 map_flags(u64 flags)
{
	return (flags & MAP_ANONYMOUS ? TRACE_ANON : 0) |
	       ((flags & MAP_TYPE) != MAP_PRIVATE ? TRACE_SHARED : 0) |
	       (flags & MAP_FIXED ? TRACE_FIXED : 0) |
	       (flags & MAP_HUGETLB ? TRACE_HUGETLB : 0) |
	       (flags & (MAP_STACK | MAP_GROWSDOWN) ? TRACE_STACK : 0);
}

static int on_mremap(struct record_parser *p, const u64 *arg, u64 result,
		     struct trace_event *ev)
{
	if (!arg[1]) {          /* a second mapping of a shared range */
		ev->kind = TRACE_MMAP;
		ev->start = result;
		ev->len = whole_pages(arg[2]);
		ev->prot = TRACE_PROT_READ | TRACE_PROT_WRITE;
		ev->flags = TRACE_SHARED;
		return emit(p, ev);
	}
	ev->kind = TRACE_MREMAP;
	ev->new_start = result;
	ev->new_len = whole_pages(arg[2]);
	ev->flags = arg[3] & MREMAP_DONTUNMAP ? TRACE_KEEP : 0;
	return emit(p, ev);
}

static int on_brk(struct record_parser *p, u64 result, struct trace_event *ev)
{
	u64 old = p->brk;

	p->brk = result;
	if (!old || old == result)
		return 0;
	ev->kind = TRACE_BRK;
	ev->start = old;
	ev->len = 0;
	ev->new_start = result;
	return emit(p, ev);
}

static int on_fork(struct record_parser *p, bool is_vfork, u64 pid,
		   struct trace_event *ev)
{
	if (!pid)
		return 0;       /* the child's side */
	for (u32 i = 0; i < MAX_CHILDREN; i++)
		if (!p->children[i]) {
			p->children[i] = (u32)pid;
			break;
		}
	ev->kind = TRACE_FORK;
	ev->flags = is_vfork ? TRACE_VFORK : 0;
	ev->arg = (u32)pid;
	return emit(p, ev);
}

static int on_wait(struct record_parser *p, u64 pid, struct trace_event *ev)
{
	for (u32 i = 0; pid && i < MAX_CHILDREN; i++)
		if (p->children[i] == pid) {
			p->children[i] = 0;
			ev->kind = TRACE_EXIT;
			ev->arg = (u32)pid;
			return emit(p, ev);
		}
	return 0;
}

static int on_success(struct record_parser *p, const struct pending *c,
		      u64 result)
{
	struct trace_event range = {
		.tid = c->tid, .start = c->arg[0], .len = whole_pages(c->arg[1]),
	};
	struct trace_event ev = { .tid = c->tid };

	switch (c->call) {
	case CALL_MMAP:
		range.kind = TRACE_MMAP;
		range.start = result;
		range.prot = c->arg[2] & 7;
		range.flags = map_flags(c->arg[3]);
		return emit(p, &range);
	case CALL_MUNMAP:
		range.kind = TRACE_MUNMAP;
		return range.len ? emit(p, &range) : 0;
	case CALL_MPROTECT:
		range.kind = TRACE_MPROTECT;
		range.prot = c->arg[2] & 7;
		return range.len ? emit(p, &range) : 0;
	case CALL_MADVISE:
		range.kind = TRACE_MADVISE;
		range.arg = (u32)c->arg[2];
		return range.len ? emit(p, &range) : 0;
	case CALL_MREMAP:
		return on_mremap(p, c->arg, result, &range);
	case CALL_BRK:
		return on_brk(p, result, &ev);
	case CALL_CLONE:
		if (!(c->arg[0] & CLONE_THREAD))
			return on_fork(p, c->arg[0] & CLONE_VFORK, result, &ev);
		ev.kind = TRACE_CLONE;
		ev.arg = (u32)result;
		return emit(p, &ev);
	case CALL_FORK:
		return on_fork(p, false, result, &ev);
	case CALL_EXIT:
		ev.kind = TRACE_EXIT;
		return emit(p, &ev);
	case CALL_WAIT:
		return on_wait(p, result, &ev);
	case CALL_EXEC:         /* succeeds by not coming back: record_end() */
	case CALL_OTHER:
		break;
	}
	return 0;
}

/* ---- lines ------------------------------------------------------------------- */

static int bad_line(struct record_parser *p, const u8 *line,
		    const char *expected)
{
	char shown[61];
	size_t n = 0;

	for (; n < sizeof(shown) - 1 && line[n] != '\n'; n++)
		shown[n] = line[n] >= ' ' && line[n] < 127 ? (char)line[n] : '?';
	shown[n] = '\0';
	return err_set(p->e, -EINVAL, "%s: line %llu: expected %s, found '%s'",
		       p->cfg.name, (unsigned long long)p->stats.nr_lines,
		       expected, shown);
}

/* "ADDR,SIZE" up to the line's end. */
static int access_line(struct record_parser *p, const u8 *line, enum run_op op)
{
	const u8 *s = line + 3, *digits = s;
	u64 va = 0;
	u32 bytes = 0;
	int rc;

	for (; hex_digit[*s]; s++)
		va = va << 4 | (hex_digit[*s] - 1u);
	if (s == digits || s - digits > 16 || *s != ',')
		return bad_line(p, line, "ADDR,SIZE after the access's letter");
	for (digits = ++s; *s >= '0' && *s <= '9' && s - digits < 6; s++)
		bytes = bytes * 10 + (*s - '0');
	if (!bytes || bytes > UINT16_MAX || *s != '\n' || va + bytes - 1 < va)
		return bad_line(p, line, "a size of 1 to 65535 bytes");
	if (op == RUN_FETCH && !p->cfg.with_fetch) {
		p->stats.nr_fetches_skipped++;
		return 0;
	}
	if (unlikely(p->running != p->written)) {
		rc = emit(p, NULL);
		if (rc)
			return rc;
	}
	p->stats.nr_accesses++;
	return trace_writer_append(p->w, va, bytes, op, p->e);
}

/* Text of a line: bounded, and searchable with the usual functions. */
struct text {
	const char *s, *end;
};

/* Behind @what, if @t holds it. */
static bool skip_to(struct text *t, const char *what)
{
	size_t n = strlen(what);
	const char *at = memmem(t->s, (size_t)(t->end - t->s), what, n);

	if (at)
		t->s = at + n;
	return at;
}

/* A number as C writes it, hexadecimal without 0x when @is_hex. The line ends
 * in a byte that no number holds. */
static u64 take_number(struct text *t, bool is_hex)
{
	char *end;
	u64 v;

	if (t->s >= t->end)
		return 0;
	v = strtoull(t->s, &end, is_hex ? 16 : 0);
	t->s = end > t->end ? t->end : end;
	return v;
}

static void take_args(struct text t, struct pending *c)
{
	bool is_hex = c->call == CALL_CLONE;

	if (!skip_to(&t, "( "))
		return;
	for (u32 i = 0; i < MAX_ARGS && t.s < t.end && *t.s != ')'; i++) {
		c->arg[i] = take_number(&t, is_hex && !i);
		/* "(name)" behind a pointer to a string may hold anything:
		 * calls with strings before numbers are not among ours. */
		if (!skip_to(&t, ", "))
			break;
	}
}

static enum call call_named(const struct text *t)
{
	size_t n = strcspn(t->s, " (\n");

	for (size_t i = 0; i < ARRAY_LEN(calls); i++)
		if (strlen(calls[i].name) == n &&
		    !memcmp(calls[i].name, t->s, n))
			return calls[i].call;
	return CALL_OTHER;
}

/* "--> [..] Success(0x..)" or Failure, if it is on this line. */
static int take_result(struct record_parser *p, struct text t)
{
	struct pending done;
	bool is_success;

	if (!p->last || !skip_to(&t, "--> "))
		return 0;
	is_success = skip_to(&t, "Success(");
	if (!is_success && !skip_to(&t, "Failure("))
		return 0;               /* [async] ... */
	done = *p->last;
	*p->last = (struct pending){ 0 };
	p->last = NULL;
	return is_success ? on_success(p, &done, take_number(&t, true)) : 0;
}

static void now_runs(struct record_parser *p, u32 tid)
{
	if (!tid || tid >= MAX_THREADS)
		return;
	p->running = tid;
	if (tid > p->stats.nr_threads)
		p->stats.nr_threads = tid;
}

/* "SYSCALL[pid,tid](nr) name ( args ) ..." or "(nr) ... [async] --> ..." */
static int syscall_line(struct record_parser *p, struct text t)
{
	struct pending *c;
	u32 tid;

	if (!skip_to(&t, ","))
		return 0;
	tid = (u32)take_number(&t, false);
	if (!tid || tid >= MAX_THREADS || !skip_to(&t, ") "))
		return 0;
	now_runs(p, tid);
	c = p->last = &p->pending[tid];
	if (t.end - t.s < 4 || memcmp(t.s, "... ", 4)) {
		*c = (struct pending){ .call = call_named(&t), .tid = tid };
		take_args(t, c);
	}
	return take_result(p, t);
}

/* "--pid--   SCHED[tid]:  acquired lock (...)" */
static void sched_line(struct record_parser *p, struct text t)
{
	u32 tid;

	if (!skip_to(&t, "-- ") || !skip_to(&t, "SCHED["))
		return;
	tid = (u32)take_number(&t, false);
	if (skip_to(&t, "acquired lock"))
		now_runs(p, tid);
}

/* Of what it says for itself, keep the last line that is not decoration. */
static void note_complaint(struct record_parser *p, struct text t)
{
	size_t n;

	t.s += 2;
	if (!skip_to(&t, "== ") || t.s >= t.end)
		return;
	n = (size_t)(t.end - t.s);
	if (n >= sizeof(p->stats.complaint))
		n = sizeof(p->stats.complaint) - 1;
	memcpy(p->stats.complaint, t.s, n);
	p->stats.complaint[n] = '\0';
}

static int other_line(struct record_parser *p, const u8 *line, const u8 *end)
{
	static const char call[] = "SYSCALL[";
	struct text t = { (const char *)line, (const char *)end };

	if (!strncmp(t.s, call, sizeof(call) - 1))
		return syscall_line(p, t);
	if (line[0] == '-' && line[1] == '-')
		sched_line(p, t);
	else if (line[0] == '=' && line[1] == '=')
		note_complaint(p, t);
	else if (!strncmp(t.s, " --> ", 5))
		return take_result(p, t);
	return 0;
}

/* The line at @s ends in the buffer; a few bytes behind it are readable. */
static int parse_line(struct record_parser *p, const u8 *s, const u8 *end)
{
	p->stats.nr_lines++;
	if (s[0] == ' ' && s[1] == 'L' && s[2] == ' ')
		return access_line(p, s, RUN_READ);
	if (s[0] == 'I' && s[1] == ' ' && s[2] == ' ')
		return access_line(p, s, RUN_FETCH);
	if (s[0] == ' ' && s[1] == 'S' && s[2] == ' ')
		return access_line(p, s, RUN_WRITE);
	if (s[0] == ' ' && s[1] == 'M' && s[2] == ' ')
		return access_line(p, s, RUN_MODIFY);
	return other_line(p, s, end);
}

static void check_limits(struct record_parser *p)
{
	const struct record_cfg *c = &p->cfg;

	if ((c->max_accesses && p->stats.nr_accesses >= c->max_accesses) ||
	    (c->max_bytes && trace_writer_bytes(p->w) >= c->max_bytes))
		p->stats.is_full = true;
}

/* ---- the stream -------------------------------------------------------------- */

int record_parser_create(struct record_parser **out,
			 const struct record_cfg *cfg, struct trace_writer *w,
			 struct err *e)
{
	struct record_parser *p = calloc(1, sizeof(*p));

	if (p)
		p->buf = calloc(1, BUF_BYTES + BUF_PAD);
	if (!p || !p->buf) {
		free(p);
		return err_set(e, -ENOMEM, "%s: out of memory", cfg->name);
	}
	p->cfg = *cfg;
	p->w = w;
	p->running = 1;
	*out = p;
	return 0;
}

u8 *record_room(struct record_parser *p, size_t *bytes)
{
	*bytes = BUF_BYTES - p->fill;
	return p->buf + p->fill;
}

int record_feed(struct record_parser *p, size_t bytes, struct err *e)
{
	const u8 *s = p->buf, *from = p->buf + p->fill, *end;
	int rc = 0;

	p->e = e;
	p->fill += bytes;
	while (!rc && !p->stats.is_full) {
		end = memchr(from, '\n', (size_t)(p->buf + p->fill - from));
		if (!end)
			break;
		rc = parse_line(p, s, end);
		from = s = end + 1;
		check_limits(p);
	}
	p->fill -= (size_t)(s - p->buf);
	memmove(p->buf, s, p->fill);
	if (!rc && p->fill == BUF_BYTES) {
		p->stats.nr_lines++;
		p->buf[BUF_BYTES] = '\n';
		rc = bad_line(p, p->buf, "a line of at most 1 MiB");
	}
	return rc;
}

int record_end(struct record_parser *p, struct err *e)
{
	static const char call[] = "SYSCALL[";
	struct pending *c;
	int rc = 0;

	p->e = e;
	/* A call that became another program never has its line ended. */
	if (p->fill > sizeof(call) && p->fill < BUF_BYTES &&
	    !memcmp(p->buf, call, sizeof(call) - 1)) {
		p->buf[p->fill] = '\n';
		rc = syscall_line(p, (struct text){ (char *)p->buf,
				  (char *)p->buf + p->fill });
	}
	p->fill = 0;
	c = &p->pending[p->running];
	if (rc || p->stats.is_full || c->call != CALL_EXEC)
		return rc;
	p->stats.is_execed = true;
	return emit(p, &(struct trace_event){ .kind = TRACE_EXEC,
					      .tid = c->tid });
}

const struct record_stats *record_stats(const struct record_parser *p)
{
	return &p->stats;
}

void record_parser_free(struct record_parser *p)
{
	if (!p)
		return;
	free(p->buf);
	free(p);
}
