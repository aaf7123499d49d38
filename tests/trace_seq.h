/* trace_seq.h - traces as sequences of accesses and events, for tests that write
 * one and compare what comes back; each test is a file of its own, with its
 * folder in "dir" and its seed in "seed".
 *
 *	DIR_MAIN(tests)
 */
#ifndef TESTS_TRACE_SEQ_H
#define TESTS_TRACE_SEQ_H

#include "base/grow.h"
#include "tests/dir.h"
#include "workloads/trace_file.h"

static struct err err;
static u64 seed;

#define OK(call) do { \
	int ret_ = (call); \
	if (ret_) \
		fail_msg("%s: %d: %s (seed %llu)", #call, ret_, err.text, \
			 (unsigned long long)seed); \
} while (0)

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

static inline struct item *seq_add(struct seq *s)
{
	assert_int_equal(0, GROW(s->v, s->n, s->room, 4096));
	s->v[s->n] = (struct item){ 0 };
	return &s->v[s->n++];
}

static inline void seq_free(struct seq *s)
{
	free(s->v);
	*s = (struct seq){ 0 };
}

static inline int seq_read(const char *path, struct seq *s, bool is_twice,
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

static inline void seq_write(const char *path, const struct seq *s)
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

static inline bool is_same(const struct item *a, const struct item *b)
{
	return a->va == b->va && a->bytes == b->bytes && a->op == b->op &&
	       a->ev.kind == b->ev.kind && a->ev.prot == b->ev.prot &&
	       a->ev.flags == b->ev.flags && a->ev.tid == b->ev.tid &&
	       a->ev.arg == b->ev.arg && a->ev.start == b->ev.start &&
	       a->ev.len == b->ev.len && a->ev.new_start == b->ev.new_start &&
	       a->ev.new_len == b->ev.new_len;
}

static inline void assert_same(const struct seq *want, const struct seq *got)
{
	assert_int_equal(want->n, got->n);
	for (size_t i = 0; i < want->n; i++)
		if (!is_same(&want->v[i], &got->v[i]))
			fail_msg("item %zu differs: kind %u and %u (seed %llu)",
				 i, want->v[i].ev.kind, got->v[i].ev.kind,
				 (unsigned long long)seed);
}

#endif
