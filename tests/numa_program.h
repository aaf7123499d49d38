/* numa_program.h - a program for tests of NUMA balancing: one address space, one
 * function that each thread runs, and the rules of a kernel, which a test may
 * change.
 *
 *	by("v3.13")->period = ...;
 *	free(run(fn, PAIRS(TWO_NODES)));        (looks at P.seen afterwards)
 */
#ifndef TESTS_NUMA_PROGRAM_H
#define TESTS_NUMA_PROGRAM_H

#include "mm/numa_balancing.h"
#include "tests/point.h"

static struct {
	void (*body)(struct wl *w, u32 i);
	struct kernel k;
	u32 threads;
	struct mm *mm;
	u64 vpn, pages;
	u32 flags;
	u64 seen[16];
} P;

static inline int setup(struct wl *w, struct err *e)
{
	int n = wl_thread_count(w, P.threads, e);

	if (n < 0)
		return n;
	P.mm = mm_create();
	P.vpn = wl_map(P.mm, P.pages, P.flags);
	for (u32 i = 0; i < w->nr_threads; i++)
		OK(wl_start(w, i, P.mm, e));
	return 0;
}

static inline void body(struct wl *w, u32 i)
{
	P.body(w, i);
}

static const struct workload program = {
	.name = "program", .setup = setup, .body = body,
};

/* The rules to run by; a test may change them before it runs. */
static inline struct numa_rules *by(const char *kernel)
{
	memset(&P, 0, sizeof(P));
	P.k = *kernel_find(kernel);
	P.threads = 1;
	P.pages = 64;
	P.flags = VM_READ | VM_WRITE | VM_MIGRATABLE;
	return &P.k.numa;
}

static inline struct timed_result *run(void (*fn)(struct wl *, u32),
				const char *const *pairs)
{
	struct timed_result *r;
	struct setup s;

	P.body = fn;
	point_make(&s, &program, pairs);
	s.p.kernel = &P.k;
	r = point_run(&s);
	point_free(&s);
	return r;
}

#define TWO_NODES "machine", "pack:2 core:2 pu:1", "numa_balancing", "1"

static inline struct numa_task *me(void)
{
	struct numa_task *t = numa_current();

	memset(t->f, 0, sizeof(t->f));
	memset(t->locality, 0, sizeof(t->locality));
	t->total_faults = 0;
	return t;
}

static inline void touch_page(u64 page)
{
	struct run r = {
		.va = (P.vpn + page) << PAGE_SHIFT, .count = 1, .bytes = 8,
		.op = RUN_WRITE,
	};

	OK(cpu_run_many(&r, 1));
}

/* Fault page @page's NUMA hint by hand: mark it, touch it. */
static inline void hint(u64 page)
{
	struct vma *v = find_vma(P.mm, P.vpn + page);

	touch_page(page);
	change_prot_numa(v, P.vpn + page, P.vpn + page + 1);
	touch_page(page);
}

/* Go on at that time of the machine, in numab()'s milliseconds. */
static inline void at_ms(u64 ms, u64 and_us)
{
	the_sys->drv.delay((ms * 1000 + and_us) * numab()->ms / 1000);
}

#endif
