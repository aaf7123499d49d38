/* This host under test: the kernel's work, and lines between CPUs. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/kernel_counts.h"
#include "host/native_impl.h"
#include "host/tracepoint.h"

#define STREAM_BYTES (64ull << 20)      /* beyond most last-level caches      */
#define HANDOVERS 200u
#define EMPTY_READS 64u

/* ---- other threads --------------------------------------------------------------- */

struct other {
	pthread_t thread;
	const struct native *n;
	u32 cpu;
	int rc;                         /* of pinning it                      */
	struct err e;
	atomic_int has_begun, *stop;
};

static void *keep_running(void *arg)
{
	struct other *o = arg;

	o->rc = native_pin(o->n, o->cpu, &o->e);
	atomic_store(&o->has_begun, 1);
	while (!o->rc && !atomic_load(o->stop))
		;
	return NULL;
}

static void end_others(struct other *o, u32 n, atomic_int *stop)
{
	atomic_store(stop, 1);
	for (u32 i = 0; i < n; i++)
		pthread_join(o[i].thread, NULL);
}

/* All run where they should, or none is left. */
static int start_others(const struct native *m, struct other *o, u32 n,
			atomic_int *stop, struct err *e)
{
	int rc = 0;

	for (u32 i = 0; i < n; i++) {
		o[i] = (struct other){ .n = m, .cpu = i + 1, .stop = stop };
		rc = pthread_create(&o[i].thread, NULL, keep_running, &o[i]);
		if (rc) {
			end_others(o, i, stop);
			return err_set(e, -rc, "pthread_create: %s",
				       strerror(rc));
		}
	}
	for (u32 i = 0; i < n; i++) {
		while (!atomic_load(&o[i].has_begun))
			usleep(100);
		if (o[i].rc && !rc)
			rc = err_set(e, o[i].rc, "%s", o[i].e.text);
	}
	if (rc)
		end_others(o, n, stop);
	return rc;
}

/* ---- one call ------------------------------------------------------------------------ */

static void touch(char *p, enum mut_page size, u64 pages)
{
	for (u64 i = 0; i < pages; i++)
		*(volatile char *)(p + i * mut_page_bytes(size)) = 1;
}

/* What reading the clock twice costs. */
static u64 empty_ticks(void)
{
	static u64 best;

	for (u32 i = 0; !best && i < EMPTY_READS; i++) {
		u64 t = clock_ticks();

		t = clock_ticks() - t;
		best = !i || t < best ? t : best;
	}
	return best;
}

/* Where the pages are, and where mremap moves them; who was forked. */
struct place {
	char *at, *to;
	pid_t child;
	enum mut_page size;
	u64 pages, bytes;
};

/* The child waits for its end, which is not timed, see undo(). */
static int fork_once(struct place *p)
{
	p->child = fork();
	if (!p->child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return p->child < 0 ? -1 : 0;
}

static int call(enum mut_op op, struct place *p)
{
	switch (op) {
	case MUT_MPROTECT:
		return mprotect(p->at, p->bytes, PROT_READ);
	case MUT_MUNMAP:
		return munmap(p->at, p->bytes);
	case MUT_DONTNEED:
		return madvise(p->at, p->bytes, MADV_DONTNEED);
	case MUT_MREMAP:
		return mremap(p->at, p->bytes, p->bytes,
			      MREMAP_MAYMOVE | MREMAP_FIXED, p->to) ==
			MAP_FAILED ? -1 : 0;
	case MUT_FAULT:
		touch(p->at, p->size, p->pages);
		return 0;
	case MUT_FORK:
		return fork_once(p);
	default:
		return 0;
	}
}

static void map_again(const struct place *p)
{
	char *q = mmap(p->at, p->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		       MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);

	if (q != MAP_FAILED)
		madvise(q, p->bytes, p->size == MUT_2M ? MADV_HUGEPAGE
							: MADV_NOHUGEPAGE);
}

/* All as before the call. */
static void undo(enum mut_op op, struct place *p)
{
	switch (op) {
	case MUT_MPROTECT:
		mprotect(p->at, p->bytes, PROT_READ | PROT_WRITE);
		break;
	case MUT_MUNMAP:
	case MUT_FAULT:
		map_again(p);
		break;
	case MUT_MREMAP:
		if (mremap(p->to, p->bytes, p->bytes,
			   MREMAP_MAYMOVE | MREMAP_FIXED, p->at) == MAP_FAILED)
			map_again(p);
		break;
	case MUT_FORK:
		if (p->child > 0) {
			kill(p->child, SIGKILL);
			waitpid(p->child, NULL, 0);
		}
		p->child = 0;
		break;
	default:
		break;
	}
	if (op != MUT_FAULT)
		touch(p->at, p->size, p->pages);
}

/* Several calls a repetition, as short ones are no longer than an
 * interruption of the hypervisor; the shortest half of them counts. */
#define CALLS 8u

static int by_ticks(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return (x > y) - (x < y);
}

#define COUNTED 16u

/* The kernel's own counts, where it has them: of the whole system, of this
 * thread, and of it again. */
struct counts {
	bool has_row;
	int fd[2];                      /* below 0: none                      */
	u64 v[3];
};

static void counts_begin(struct counts *c)
{
	u64 v;

	*c = (struct counts){
		.has_row = !kernel_interrupts("TLB", &v, NULL),
		.fd = { tracepoint_open(TRACEPOINT_FLUSH_SENT, NULL),
			tracepoint_open(TRACEPOINT_FLUSHED, NULL) },
	};
}

static void read_row(const struct counts *c, u64 v[3])
{
	v[0] = 0;
	if (c->has_row)
		kernel_interrupts("TLB", &v[0], NULL);
}

static void read_events(const struct counts *c, u64 v[3])
{
	for (u32 i = 0; i < ARRAY_LEN(c->fd); i++)
		v[1 + i] = c->fd[i] < 0 ? 0 : tracepoint_read(c->fd[i]);
}

/* ORDER mut_event. Alone nothing is sent but to a CPU where the process was before
 * and whose bit in mm_cpumask is still set, which is chance. */
static void counts_end(struct counts *c, bool is_alone, struct mut_sample *s)
{
	bool has[] = { c->has_row && !is_alone, c->fd[0] >= 0 && !is_alone,
		       c->fd[1] >= 0 };

	for (u32 i = 0; i < ARRAY_LEN(has); i++)
		if (has[i])
			s->ev[MUT_SHOOTDOWNS + i] = (double)c->v[i] / COUNTED;
	for (u32 i = 0; i < ARRAY_LEN(c->fd); i++)
		if (c->fd[i] >= 0)
			close(c->fd[i]);
}

static int count_flushes(const struct mut_work *w, struct place *p,
			 struct mut_sample *s, struct err *e)
{
	struct counts c;
	int rc = 0;

	counts_begin(&c);
	for (u32 i = 0; i < COUNTED && !rc; i++) {
		u64 before[3], after[3];

		/* Reading the row takes memory, and may flush: not between. */
		read_row(&c, before);
		read_events(&c, before);
		if (call(w->op, p))
			rc = err_set(e, -errno, "%s: %s", mut_op_name(w->op),
				     strerror(errno));
		read_events(&c, after);
		read_row(&c, after);
		undo(w->op, p);
		for (u32 k = 0; k < ARRAY_LEN(c.v); k++)
			c.v[k] += after[k] - before[k];
	}
	counts_end(&c, !w->others, s);
	return rc;
}

static int calls(struct native *n, const struct mut_work *w,
		 struct place *p, struct mut_sample *s, struct err *e)
{
	double per = w->op == MUT_FAULT ? (double)p->pages : 1;
	struct reps r;

	undo(w->op, p);
	reps_begin(&r, n->cfg.request_ns);
	while (reps_go_on(&r)) {
		u64 t[CALLS];

		r.hz = clock_core_hz();
		for (u32 i = 0; i < CALLS; i++) {
			u64 from = clock_ticks();

			if (call(w->op, p))
				return err_set(e, -errno, "%s: %s",
					       mut_op_name(w->op),
					       strerror(errno));
			t[i] = clock_ticks() - from - empty_ticks();
			undo(w->op, p);
		}
		qsort(t, CALLS, sizeof(*t), by_ticks);
		reps_add(&r, (double)(t[CALLS / 2 - 1] + t[CALLS / 2]) / 2, per);
	}
	reps_end(&r, s);
	return count_flushes(w, p, s, e);
}

/* ---- streams, system calls ---------------------------------------------------------- */

/* Half of it is copied to the other half; as much as --memory leaves. */
static int stream_bytes(const struct native *n, u64 least, u64 *out,
			struct err *e)
{
	u64 bytes = n->cfg.max_bytes < STREAM_BYTES ? n->cfg.max_bytes
						    : STREAM_BYTES;

	*out = bytes / least * least;
	if (*out)
		return 0;
	return err_set(e, -E2BIG, "a stream of %llu bytes is more than the "
		       "%llu that may be used here",
		       (unsigned long long)least,
		       (unsigned long long)n->cfg.max_bytes);
}

static void stream_once(enum mut_op op, char *buf, u64 bytes, u64 at, u64 n)
{
	if (op == MUT_ZERO)
		memset(buf + at, 0, n);
	else
		memcpy(buf + at, buf + (at + bytes / 2) % bytes, n);
	__asm__ volatile("" ::: "memory");
}

static int stream(struct native *n, const struct mut_work *w,
		  struct mut_sample *s, struct err *e)
{
	u64 page = mut_page_bytes(w->size), at = 0, bytes;
	u64 batch = w->size == MUT_2M ? 1 : 64;
	char *buf;
	struct reps r;
	int rc = stream_bytes(n, 2 * batch * page, &bytes, e);

	if (!rc)
		rc = native_map(n, w->size, bytes, &buf, e);
	if (rc)
		return rc;
	memset(buf, 1, bytes);
	reps_begin(&r, n->cfg.request_ns);
	while (reps_go_on(&r)) {
		u64 t;

		r.hz = clock_core_hz();
		t = clock_ticks();
		for (u64 i = 0; i < batch; i++, at = (at + page) % bytes)
			stream_once(w->op, buf, bytes, at, page);
		t = clock_ticks() - t;
		reps_add(&r, (double)t, (double)batch);
	}
	reps_end(&r, s);
	return 0;
}

static void system_calls(struct native *n, struct mut_sample *s)
{
	struct reps r;

	reps_begin(&r, n->cfg.request_ns);
	while (reps_go_on(&r)) {
		u64 t;

		r.hz = clock_core_hz();
		t = clock_ticks();
		for (u32 i = 0; i < 100; i++)
			syscall(SYS_getppid);
		t = clock_ticks() - t;
		reps_add(&r, (double)t, 100);
	}
	reps_end(&r, s);
}

static int on_pages(struct native *n, const struct mut_work *w,
		    struct mut_sample *s, struct err *e)
{
	struct place p = { .size = w->size, .pages = mut_or_1(w->pages) };
	int rc;

	p.bytes = p.pages * mut_page_bytes(w->size);
	if (p.bytes > n->cfg.max_bytes)
		return err_set(e, -E2BIG, "%llu bytes are more than the %llu "
			       "that may be used here",
			       (unsigned long long)p.bytes,
			       (unsigned long long)n->cfg.max_bytes);
	/* A gap, so that nothing is merged. */
	rc = native_map(n, w->size, 2 * p.bytes + (4u << 20), &p.at, e);
	if (rc)
		return rc;
	p.to = p.at + ((p.bytes + (4u << 20) - 1) & ~((2ull << 20) - 1));
	return calls(n, w, &p, s, e);
}

int native_work(struct mut *m, const struct mut_work *w, struct mut_sample *s,
		struct err *e)
{
	struct native *n = (struct native *)m;
	struct other other[MUT_MAX_OTHERS];
	atomic_int stop = 0;
	int rc = native_pin(n, 0, e);

	if (w->others > MUT_MAX_OTHERS)
		return err_set(e, -ENOTSUP, "more than %u other threads",
			       MUT_MAX_OTHERS);
	if (!rc)
		rc = start_others(n, other, w->others, &stop, e);
	if (rc)
		return rc;
	if (w->op == MUT_SYSCALL)
		system_calls(n, s);
	else if (w->op == MUT_ZERO || w->op == MUT_COPY)
		rc = stream(n, w, s, e);
	else
		rc = on_pages(n, w, s, e);
	end_others(other, w->others, &stop);
	native_unmap(n);
	return rc;
}

/* ---- lines between CPUs --------------------------------------------------------------- */

struct table {
	_Alignas(128) volatile u32 turn;
	_Alignas(128) const struct native *n;
	u32 cpu;
	int rc;                         /* of pinning the other thread        */
	struct err e;
	atomic_int has_begun, stop;
};

static void *answer(void *arg)
{
	struct table *t = arg;

	t->rc = native_pin(t->n, t->cpu, &t->e);
	atomic_store(&t->has_begun, 1);
	while (!t->rc && !atomic_load(&t->stop))
		if (__atomic_load_n(&t->turn, __ATOMIC_ACQUIRE) == 1)
			__atomic_store_n(&t->turn, 0, __ATOMIC_RELEASE);
	return NULL;
}

int native_transfer(struct mut *m, u32 a, u32 b, struct mut_sample *s,
		    struct err *e)
{
	struct native *n = (struct native *)m;
	struct table table = { .n = n, .cpu = b };
	pthread_t thread;
	struct reps r;
	int rc = native_pin(n, a, e);

	if (rc)
		return rc;
	rc = pthread_create(&thread, NULL, answer, &table);
	if (rc)
		return err_set(e, -rc, "pthread_create: %s", strerror(rc));
	while (!atomic_load(&table.has_begun))
		usleep(100);
	if (table.rc) {
		pthread_join(thread, NULL);
		return err_set(e, table.rc, "%s", table.e.text);
	}
	reps_begin(&r, 4 * n->cfg.request_ns);
	while (reps_go_on(&r)) {
		u64 t;

		r.hz = clock_core_hz();
		t = clock_ticks();
		for (u32 i = 0; i < HANDOVERS; i++) {
			__atomic_store_n(&table.turn, 1, __ATOMIC_RELEASE);
			while (__atomic_load_n(&table.turn, __ATOMIC_ACQUIRE))
				;
		}
		t = clock_ticks() - t;
		reps_add(&r, (double)t, 2 * HANDOVERS);
	}
	atomic_store(&table.stop, 1);
	pthread_join(thread, NULL);
	reps_end(&r, s);
	return 0;
}
