/* wis.c - set-up and loop of the will-it-scale test cases. */
#include "workloads/will_it_scale/wis.h"

#include <errno.h>
#include <stdlib.h>

#define BATCH 64u

enum { AS_THREADS, AS_PROCESSES };
const char *const wis_as_names[] = { "threads", "processes", NULL };

static int start_one(struct wl *w, struct wis_task *t, u32 i, u32 flags,
		     struct err *e)
{
	const struct wis_cfg *cfg = w->cfg;
	int rc;

	t->w = w;
	t->pages = (cfg->bytes + PAGE_BYTES - 1) >> PAGE_SHIFT;
	if (i && cfg->as == AS_THREADS)
		t->mm = ((struct wis_task *)w->priv)->mm;
	else
		t->mm = mm_create();
	if (!t->mm)
		return err_set(e, -ENOMEM, "out of memory");
	rc = wl_start(w, i, t->mm, e);
	if (!rc && (flags & WIS_FILE)) {
		this_cpu = &the_sys->cpu[w->cpu_of[i]];
		t->file = file_create(t->pages, 0);
		if (!t->file)
			return err_set(e, -ENOMEM, "out of memory");
	}
	flags &= ~WIS_FILE;
	t->flags = flags;
	if (rc || !flags || cfg->remaps)
		return rc;
	t->vpn = t->file ? wl_map_file(t->mm, t->pages, flags, t->file)
			 : wl_map(t->mm, t->pages, flags);
	return t->vpn ? 0 : err_set(e, -ENOMEM, "out of memory");
}

int wis_setup(struct wl *w, u32 flags, struct err *e)
{
	int n = wl_thread_count(w, the_sys->nr_cpus, e), rc = 0;
	struct wis_task *task;

	if (n < 0)
		return n;
	task = w->priv = calloc((size_t)n, sizeof(*task));
	if (!task)
		return err_set(e, -ENOMEM, "out of memory");
	for (u32 i = 0; i < w->nr_threads && !rc; i++)
		rc = start_one(w, &task[i], i, flags, e);
	return rc;
}

void wis_body(struct wl *w, u32 thread, wis_round round)
{
	const struct wis_cfg *cfg = w->cfg;
	struct wis_task *t = (struct wis_task *)w->priv + thread;
	int rc = 0;

	for (u64 n = 0; n < cfg->rounds && !rc && !w->error; n++)
		rc = round(t);
	wl_failed(w, rc);
}

void wis_teardown(struct wl *w)
{
	free(w->priv);
	w->priv = NULL;
}

int wis_touch(u64 vpn, u64 n, u8 op)
{
	struct run run[BATCH];
	int rc = 0;

	for (u64 p = 0; p < n && !rc; ) {
		u32 k = 0;

		for (; k < BATCH && p < n; k++, p++)
			run[k] = (struct run){ .va = (vpn + p) << PAGE_SHIFT,
					       .count = 1, .bytes = 1, .op = op };
		rc = wl_runs(run, k);
	}
	return rc;
}

static int map_anew(struct wis_task *t)
{
	t->vpn = t->file ? do_mmap_file(t->mm, t->pages, t->flags, t->file, 0)
			 : do_mmap(t->mm, t->pages, t->flags);
	return t->vpn ? 0 : -ENOMEM;
}

int wis_flush_pages(struct wis_task *t)
{
	const struct wis_cfg *cfg = t->w->cfg;
	int rc = cfg->remaps ? map_anew(t) : 0;

	for (u64 p = 0; p < t->pages && !rc; p++) {
		rc = wis_touch(t->vpn + p, 1, RUN_WRITE);
		if (!rc)
			rc = do_madvise(t->mm, t->vpn + p, 1, MADV_DONTNEED);
		if (!rc)
			rc = wis_touch(t->vpn + p, 1, RUN_READ);
		t->w->done++;
	}
	if (!rc && cfg->remaps)
		rc = do_munmap(t->mm, t->vpn, t->pages);
	return rc;
}

int wis_fill_file(struct wis_task *t, u32 flags)
{
	u64 vpn = do_mmap_file(t->mm, t->pages, flags, t->file, 0);
	int rc = vpn ? wis_touch(vpn, t->pages, RUN_WRITE) : -ENOMEM;

	t->w->done += t->pages;
	return rc ? rc : do_munmap(t->mm, vpn, t->pages);
}
