/* What workloads share. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "mm/cpuset.h"
#include "mm/file.h"
#include "workloads/workload.h"

static void task(struct task *t)
{
	struct wl_thread *th = (struct wl_thread *)(void *)t;

	th->w->workload->body(th->w, th->index);
	th->t.has_ended = true;
}

int wl_start(struct wl *w, u32 i, struct mm *mm, struct err *e)
{
	struct wl_thread *th = &w->thread[i];
	u64 period = mms()->scan_period_cycles, tick = mms()->tick_cycles;
	const struct cpuset *allowed;
	struct cpuset own = { 0 };

	th->w = w;
	th->index = i;
	th->t.task.name = w->workload->name;
	th->t.task.fn = task;
	th->t.task.cpu = w->cpu_of[i];
	th->t.mm = mm;
	/* Threads' ticks do not coincide. */
	th->t.scan_stamp = period + period * i / the_sys->nr_cpus;
	th->t.tick_stamp = tick + tick * i / the_sys->nr_cpus;
	th->t.mpol = w->mpol;
	allowed = cpuset_attach(&th->t, i);
	if (sched_is_on()) {
		cpuset_add(&own, w->cpu_of[i]);
		if (sched_add(&th->t, w->is_pinned ? &own : allowed))
			return err_set(e, -ENOMEM, "out of memory");
		mm->nr_threads++;
		w->cpu_of[i] = th->t.task.cpu;
		return 0;
	}
	if (sys_start(&th->t.task))
		return err_set(e, -ENOMEM, "out of memory");
	mm_load(mm, th->t.task.cpu);
	return 0;
}

int wl_start_all(struct wl *w, struct mm *mm, struct err *e)
{
	int rc = mm ? 0 : err_set(e, -ENOMEM, "out of memory");

	for (u32 i = 0; i < w->nr_threads && !rc; i++)
		rc = wl_start(w, i, mm, e);
	return rc;
}

int wl_thread_count(struct wl *w, u32 otherwise, struct err *e)
{
	if (!w->nr_threads)
		w->nr_threads = otherwise;
	if (w->nr_threads > w->max_threads && sched_is_on() && !w->is_pinned)
		return err_set(e, -EINVAL, "%u threads, at most %u are modelled "
			       "(--threads)", w->nr_threads, w->max_threads);
	if (w->nr_threads > w->max_threads)
		return err_set(e, -EINVAL, "%u threads, but the machine has %u "
			       "CPU%s and each runs one thread; try --threads "
			       "%u, --sched fair, or a larger --machine",
			       w->nr_threads, the_sys->nr_cpus,
			       the_sys->nr_cpus > 1 ? "s" : "", w->max_threads);
	return (int)w->nr_threads;
}

/* A hole behind it, so that neighbours never share a page table. */
static u64 find_room(struct mm *mm, u64 nr_pages)
{
	u64 align = hpage_pages(), start = (mm->mmap_base + align - 1) & ~(align - 1);

	mm->mmap_base = start + ((nr_pages + align - 1) & ~(align - 1)) + align;
	return start;
}

u64 wl_map(struct mm *mm, u64 nr_pages, u32 flags)
{
	u64 start = find_room(mm, nr_pages);

	return vma_add(mm, start, nr_pages, flags) ? start : 0;
}

u64 wl_map_file(struct mm *mm, u64 nr_pages, u32 flags, struct address_space *f)
{
	u64 start = find_room(mm, nr_pages);

	return vma_add_file(mm, start, nr_pages, flags, f, 0) ? start : 0;
}

int wl_populate(struct wl *w, u32 i, u64 vpn, u64 nr_pages, struct err *e)
{
	int rc = 0;

	this_cpu = &the_sys->cpu[w->cpu_of[i]];
	if (sched_is_on())
		sched_visit(&w->thread[i].t);
	for (u64 p = 0; p < nr_pages && !rc; p++) {
		struct run r = {
			.va = (vpn + p) << page_shift, .count = 1, .bytes = 8,
			.op = RUN_WRITE,
		};

		rc = cpu_run_many(&r, 1);
	}
	if (rc)
		return err_set(e, -E2BIG, "%s: after %llu pages " WL_FULL,
			       w->workload->name,
			       (unsigned long long)w->thread[i].t.mm->rss);
	return 0;
}

int wl_read_file(struct wl *w, u32 i, struct address_space *f, struct err *e)
{
	int rc;

	this_cpu = &the_sys->cpu[w->cpu_of[i]];
	if (sched_is_on())
		sched_visit(&w->thread[i].t);
	for (u64 k = 0; k < f->nr_pages; k++) {
		struct page *page = find_lock_page(f, k, &rc);

		if (!page)
			return err_set(e, -E2BIG, "%s: after %llu pages of a file "
				       WL_FULL, w->workload->name,
				       (unsigned long long)k);
		unlock_page(page);
		put_page(page);
	}
	return 0;
}

#define WORK_RUN 256u           /* accesses to a page before the next one     */

int wl_work(u64 vpn, u32 nr_pages, u64 cycles)
{
	u64 per = cost_of(COST_ACCESS), left = per ? cycles / per : 0;
	int rc = 0;

	for (u32 k = 0; left && !rc; k = (k + 1) % nr_pages) {
		struct run r = { .va = (vpn + k) << page_shift, .bytes = 8,
				 .op = RUN_READ };

		r.count = (u32)(left < WORK_RUN ? left : WORK_RUN);
		left -= r.count;
		rc = wl_runs(&r, 1);
	}
	return rc;
}

/* A delay ends when it ends; what came in between is of another category. */
void wl_compute(u64 cycles)
{
	u64 *own = &this_cpu->cycles[this_cpu->cat], end = *own + cycles;

	while (*own < end)
		the_sys->drv.delay(this_cpu->now + (end - *own));
	the_sys->os.user_tick();
}

int wl_runs(const struct run *runs, size_t n)
{
	int rc = cpu_run_many(runs, n);

	the_sys->os.user_tick();
	return rc;
}

void wl_fail(struct wl *w, int errnum, const char *fmt, ...)
{
	va_list ap;

	if (w->error)
		return;
	w->error = errnum;
	va_start(ap, fmt);
	vsnprintf(w->err.text, sizeof(w->err.text), fmt, ap);
	va_end(ap);
}

bool wl_failed(struct wl *w, int rc)
{
	if (rc == -ENOMEM)
		wl_fail(w, -E2BIG, "%s: " WL_FULL, w->workload->name);
	else if (rc)
		wl_fail(w, rc, "%s: %s", w->workload->name, strerror(-rc));
	return rc;
}
