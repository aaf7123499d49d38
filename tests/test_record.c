/* test_record.c - a replay of events flushes as the same calls do, and a program
 * that is recorded is found again in its trace. */
#include <errno.h>
#include <pthread.h>

#include "emu/record.h"
#include "emu/timed_point.h"
#include "tests/trace_seq.h"

/* Last: its MADV_ numbers are not the model's. */
#include <sys/mman.h>

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
};

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "--child"))
		return child();
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, dir_set_up, dir_clean_up) ? 1 : 0;
}
