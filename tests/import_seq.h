/* import_seq.h - other tools' traces as text, and what they must be read as; each
 * test is a file of its own, with its folder in "dir".
 *
 *	DIR_MAIN(tests)
 */
#ifndef TESTS_IMPORT_SEQ_H
#define TESTS_IMPORT_SEQ_H

#include <fcntl.h>
#include <sys/wait.h>

#include "base/grow.h"
#include "base/rng.h"
#include "emu/import.h"
#include "tests/dir.h"
#include "workloads/trace_file.h"

struct seq {
	struct import_access *a;
	size_t nr, room;
};

struct text {
	u8 *p;
	size_t n, room;
};

static struct err err;

static inline void seq_add(struct seq *s, u64 va, u32 bytes, u8 op, u32 tid)
{
	assert_int_equal(0, GROW(s->a, s->nr, s->room, 1024));
	s->a[s->nr++] = (struct import_access){
		.va = va, .bytes = bytes, .tid = tid, .op = op,
	};
}

static inline void text_add(struct text *t, const void *p, size_t n)
{
	if (t->n + n > t->room) {
		t->room = 2 * (t->n + n) + 4096;
		t->p = realloc(t->p, t->room);
		assert_non_null(t->p);
	}
	memcpy(t->p + t->n, p, n);
	t->n += n;
}

static inline void text_printf(struct text *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static inline void text_printf(struct text *t, const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	assert_true(n > 0 && n < (int)sizeof(line));
	text_add(t, line, n);
}

/* ---- reading ---- */

static inline int drain(struct import *im, struct seq *s)
{
	const struct import_access *a;
	size_t n;
	int ret;

	while (!(ret = import_next(im, &a, &n, &err)) && n)
		for (size_t i = 0; i < n; i++) {
			assert_true(a[i].bytes && a[i].op <= RUN_MODIFY);
			assert_true(a[i].va + (a[i].bytes - 1) >= a[i].va);
			seq_add(s, a[i].va, a[i].bytes, a[i].op, a[i].tid);
		}
	return ret;
}

static inline int read_fd(int fd, struct import_cfg cfg, struct seq *s,
			  struct import_stats *stats, const char **format)
{
	struct import *im;
	int ret;

	if (!cfg.name)
		cfg.name = "input";
	ret = import_open(&im, fd, &cfg, &err);
	if (ret)
		return ret;
	if (format)
		*format = import_format(im)->name;
	ret = drain(im, s);
	if (stats)
		*stats = *import_stats(im);
	import_close(im);
	return ret;
}

static inline int read_bytes(const void *p, size_t n, struct import_cfg cfg,
			     struct seq *s, struct import_stats *stats,
			     const char **format)
{
	char path[128];
	int fd, ret;

	snprintf(path, sizeof(path), "%s/in", dir);
	check_write(path, p, n);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	ret = read_fd(fd, cfg, s, stats, format);
	close(fd);
	return ret;
}

/* Through a pipe, in pieces of at most @piece bytes. */
static inline int read_pipe(const u8 *p, size_t n, size_t piece, struct seq *s)
{
	int fds[2], ret;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (!pid) {
		close(fds[0]);
		while (n) {
			ssize_t got = write(fds[1], p, n < piece ? n : piece);

			if (got < 0)
				_exit(1);
			p += got;
			n -= got;
		}
		_exit(0);
	}
	close(fds[1]);
	ret = read_fd(fds[0], (struct import_cfg){ 0 }, s, NULL, NULL);
	close(fds[0]);
	waitpid(pid, NULL, 0);
	return ret;
}

static inline void expect_same(const struct seq *want, const struct seq *got,
			       const char *what)
{
	for (size_t i = 0; i < want->nr && i < got->nr; i++) {
		const struct import_access *a = &want->a[i], *b = &got->a[i];

		if (a->va != b->va || a->bytes != b->bytes || a->op != b->op ||
		    a->tid != b->tid)
			fail_msg("%s: access %zu: want %llx,%u op %u tid %u, "
				 "got %llx,%u op %u tid %u", what, i,
				 (unsigned long long)a->va, a->bytes, a->op,
				 a->tid, (unsigned long long)b->va, b->bytes,
				 b->op, b->tid);
	}
	if (want->nr != got->nr)
		fail_msg("%s: want %zu accesses, got %zu", what, want->nr,
			 got->nr);
}

#endif
