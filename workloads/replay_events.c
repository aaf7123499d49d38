/* replay_events - a recorded program's accesses and mm events, in the order of
 * the recording.
 *
 * Every thread of the recording has a modelled CPU; they take turns as the
 * recording says, so one plays and the others wait (their time is idle), with
 * the address space loaded: interrupts reach them. A thread's CPU loads it when
 * the thread first runs, and leaves it when the thread exits.
 *
 * What was there before the recording (the loader's mappings, the stack) is
 * not in it: pages that are touched without an event that maps them are mapped
 * from the start, other parts of what is changed when it is changed, both at no
 * cost. A page that is touched after it was unmapped, by something that is no
 * event, comes back at the price of a fault.
 */
#include "base/grow.h"
#include "workloads/replay_events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mm/oracle.h"
#include "mm/vma.h"
#include "workloads/footprint.h"
#include "workloads/page_set.h"
#include "workloads/trace_file.h"

#define MAX_TIDS (TRACE_TID_MAX + 1u)
#define MAX_CHILDREN 256u

/* Linux's numbers, as events have them. */
enum { ADVICE_DONTNEED = 4, ADVICE_FREE = 8, ADVICE_HUGEPAGE = 14,
       ADVICE_NOHUGEPAGE = 15 };

#define IMPLICIT_FLAGS (VM_READ | VM_WRITE | VM_MIGRATABLE)

/* Who may play; in the arena, since CPUs wait for it. */
struct turn {
	u32 slot;               /* of the player, + 1                         */
	u32 is_over;
	u32 pad[14];
	struct {
		u32 n;          /* times that it was its turn                 */
		u32 pad[15];
	} called[];             /* [slot], what a thread of the scheduler's
				 * sleeps on: others' turns do not wake it    */
};

struct player {
	struct trace *trace;
	const char *path;
	struct mm *mm;
	u32 first, nr;          /* threads of the run                         */
	u16 slot_of[MAX_TIDS];  /* + 1; 0: no such thread                     */
	struct turn *turn;
	u32 loops_left;
	struct footprint before;        /* pages that no event maps           */

	struct trace_part part; /* what is being played                       */
	size_t run, digest, event;

	struct {
		u32 pid;
		struct mm *mm;
	} child[MAX_CHILDREN];
};

struct replay_events {
	struct player *player;
	u32 nr;
};

int replay_has_events(const struct wl *w, struct err *e)
{
	bool has = false;

	for (u32 i = 0; i < w->nr_files; i++) {
		struct trace *t;
		int rc = trace_open(&t, w->files[i], e);

		if (rc)
			return rc;
		has |= trace_info(t)->nr_events > 0;
		trace_close(t);
	}
	return has;
}

/* ---- before the clock starts ------------------------------------------------- */

static int add_tid(struct player *p, u32 tid, u32 *nr_tids, struct err *e)
{
	if (tid >= MAX_TIDS)
		return err_set(e, -EINVAL, "%s: thread %u: expected numbers "
			       "below %u", p->path, tid, MAX_TIDS);
	if (!p->slot_of[tid])
		p->slot_of[tid] = (u16)++*nr_tids;
	return 0;
}

static int check_event(struct player *p, const struct trace_event *ev,
		       u32 *nr_tids, struct err *e)
{
	u64 last = ev->len ? ev->start + ev->len - 1 : ev->start;
	u64 new_last = ev->new_len ? ev->new_start + ev->new_len - 1
		: ev->new_start;

	if ((last | new_last) >> 47)
		return err_set(e, -EINVAL, "%s: %s of 0x%llx: not user "
			       "addresses (below 2^47)", p->path,
			       trace_event_name(ev->kind),
			       (unsigned long long)(last >> 47 ? last
						    : new_last));
	return ev->kind == TRACE_SWITCH ? add_tid(p, ev->tid, nr_tids, e) : 0;
}

/* What a look through a trace keeps. */
struct look {
	struct page_set seen;   /* touched so far                             */
	u32 nr_tids;
	size_t nr_ranges, room;
	struct range {
		u64 start, end; /* vpn, mapped by an event so far             */
	} *range;
};

static int add_range(struct look *l, u64 start, u64 bytes)
{
	if (GROW(l->range, l->nr_ranges, l->room, 256))
		return -ENOMEM;
	l->range[l->nr_ranges++] = (struct range){
		start >> PAGE_SHIFT,
		(start + bytes + PAGE_BYTES - 1) >> PAGE_SHIFT,
	};
	return 0;
}

static int look_at_event(struct look *l, const struct trace_event *ev)
{
	if (ev->kind == TRACE_MMAP)
		return add_range(l, ev->start, ev->len);
	if (ev->kind == TRACE_MREMAP)
		return add_range(l, ev->new_start, ev->new_len);
	if (ev->kind == TRACE_BRK && ev->new_start > ev->start)
		return add_range(l, ev->start, ev->new_start - ev->start);
	return 0;
}

/* A page's first touch: had an event mapped it? */
static int look_at_run(struct look *l, struct player *p, const struct run *r)
{
	u64 vpn = r->va >> PAGE_SHIFT;
	int rc = page_set_add(&l->seen, vpn);

	if (rc <= 0)
		return rc;
	for (size_t i = l->nr_ranges; i-- > 0; )
		if (vpn >= l->range[i].start && vpn < l->range[i].end)
			return 0;
	return footprint_add(&p->before, vpn);
}

static int look_at_part(struct look *l, struct player *p,
			const struct trace_part *part, struct err *e)
{
	int rc = 0;

	/* Accesses before any switch are the first thread's. */
	if (part->nr_runs && !l->nr_tids)
		rc = add_tid(p, 1, &l->nr_tids, e);
	for (size_t i = 0; i < trace_part_nr_touches(part) && !rc; i++) {
		const struct run *r = trace_part_touch(part, i);

		if (r && r->va >> PAGE_SHIFT >= task_size())
			return footprint_refuse(p->path, r->va, task_size(), e);
		rc = r ? look_at_run(l, p, r) : 0;
		if (rc)
			return err_set(e, rc, "out of memory");
	}
	for (size_t i = 0; i < part->nr_events && !rc; i++) {
		rc = check_event(p, &part->events[i], &l->nr_tids, e);
		if (!rc && look_at_event(l, &part->events[i]))
			rc = err_set(e, -ENOMEM, "out of memory");
	}
	return rc;
}

/* Which threads there are, what was mapped before, and whether all addresses
 * are a user's. */
static int look_through(struct player *p, u32 *nr_tids, struct err *e)
{
	struct trace_part part;
	struct look l = { 0 };
	int rc = 0;

	while (!rc && !(rc = trace_next_digests(p->trace, &part, e)) &&
	       (part.nr_runs || part.nr_events))
		rc = look_at_part(&l, p, &part, e);
	*nr_tids = l.nr_tids;
	page_set_free(&l.seen);
	free(l.range);
	footprint_sort(&p->before);
	return rc ? rc : trace_rewind(p->trace, e);
}

static int open_player(struct player *p, const char *path, u32 max_threads,
		       u32 loops, struct err *e)
{
	u32 nr_tids;
	int rc;

	p->path = path;
	p->loops_left = loops;
	rc = trace_open(&p->trace, path, e);
	if (!rc)
		rc = look_through(p, &nr_tids, e);
	if (rc)
		return rc;
	p->nr = nr_tids < max_threads ? nr_tids : max_threads;
	if (!p->nr)
		p->nr = 1;
	for (u32 i = 0; i < MAX_TIDS; i++)
		if (p->slot_of[i])
			p->slot_of[i] = (u16)((p->slot_of[i] - 1) % p->nr + 1);
	return 0;
}

/* Neighbours are one VMA. */
static int map_before(struct mm *mm, const struct footprint *f)
{
	u64 start = 0, end = 0;

	for (u32 k = 0; k < f->nr; k++)
		for (u32 i = 0; i < PIECE_PAGES; i++) {
			u64 vpn = f->piece[k].vpn + i;

			if (!piece_has(&f->piece[k], i))
				continue;
			if (end != vpn) {
				if (end > start && !vma_add(mm, start, end -
							    start, IMPLICIT_FLAGS))
					return -ENOMEM;
				start = vpn;
			}
			end = vpn + 1;
		}
	return end > start && !vma_add(mm, start, end - start, IMPLICIT_FLAGS)
		? -ENOMEM : 0;
}

static int start_player(struct player *p, struct wl *w, struct err *e)
{
	int rc = 0;

	p->mm = mm_create();
	p->turn = arena_alloc(&the_sys->arena, sizeof(*p->turn) +
			      (p->nr + 1) * sizeof(*p->turn->called));
	if (!p->mm || !p->turn || map_before(p->mm, &p->before))
		return err_set(e, -ENOMEM, "out of memory");
	p->turn->slot = 1;
	p->turn->called[1].n = 1;
	for (u32 i = 0; i < p->nr && !rc; i++)
		rc = wl_start(w, p->first + i, p->mm, e);
	return rc;
}

int replay_events_setup(struct replay_events **out, struct wl *w, u32 loops,
			struct err *e)
{
	struct replay_events *r = calloc(1, sizeof(*r));
	u32 each = w->nr_threads / w->nr_files, nr_threads = 0;
	int rc = 0;

	*out = r;
	if (r)
		r->player = calloc(w->nr_files, sizeof(*r->player));
	if (!r || !r->player)
		return err_set(e, -ENOMEM, "out of memory");
	r->nr = w->nr_files;
	for (u32 i = 0; i < r->nr && !rc; i++) {
		rc = open_player(&r->player[i], w->files[i],
				 !w->nr_threads ? MAX_TIDS : each ? each : 1,
				 loops, e);
		r->player[i].first = nr_threads;
		nr_threads += r->player[i].nr;
	}
	if (rc)
		return rc;
	w->nr_threads = nr_threads;
	rc = wl_thread_count(w, nr_threads, e);
	if (rc < 0)
		return rc;
	rc = 0;
	for (u32 i = 0; i < r->nr && !rc; i++) {
		rc = start_player(&r->player[i], w, e);
		w->total += trace_info(r->player[i].trace)->nr_accesses * loops;
	}
	return rc;
}

/* ---- the address space --------------------------------------------------------- */

static u32 rights_of(u8 prot)
{
	return (prot & (TRACE_PROT_READ | TRACE_PROT_EXEC) ? VM_READ : 0u) |
	       (prot & TRACE_PROT_WRITE ? VM_READ | VM_WRITE : 0u);
}

/* The program had something in the holes of [start, end): it was there before
 * the recording began. */
static int map_implicitly(struct mm *mm, u64 start, u64 end)
{
	while (start < end) {
		struct vma *v = find_vma_above(mm, start);
		u64 to = v && v->start < end ? v->start : end;

		if (to > start && !vma_add(mm, start, to - start,
					   IMPLICIT_FLAGS))
			return -ENOMEM;
		start = v && v->start < end ? v->end : end;
	}
	return 0;
}

static int advise(struct mm *mm, const struct trace_event *ev)
{
	u64 start = ev->start >> PAGE_SHIFT, end = start + (ev->len >> PAGE_SHIFT);
	int rc = map_implicitly(mm, start, end);

	if (rc)
		return rc;
	if (ev->arg == ADVICE_DONTNEED)
		return do_madvise(mm, start, end - start, MADV_DONTNEED);
	if (ev->arg == ADVICE_FREE)
		return do_madvise(mm, start, end - start, MADV_FREE);
	if (ev->arg != ADVICE_HUGEPAGE && ev->arg != ADVICE_NOHUGEPAGE)
		return 0;
	charge_syscall();
	down_write(&mm->mmap_lock);
	rc = vma_isolate(mm, start, end);
	for (struct vma *v = find_vma_above(mm, start);
	     !rc && v && v->start < end; v = v->next) {
		touch(v, true);
		v->flags &= ~(u32)VM_HUGE;
		v->flags |= ev->arg == ADVICE_HUGEPAGE ? VM_HUGE : 0u;
	}
	up_write(&mm->mmap_lock);
	return rc;
}

/* More memory at [from, to), of the VMA that ends there if it is alike, as the
 * kernel does for a heap. */
static int grow(struct mm *mm, u64 from, u64 to, u32 flags)
{
	struct vma *v = find_vma(mm, from - 1);
	int rc;

	if (!v || v->end != from || v->flags != flags)
		return do_mmap_fixed(mm, from, to - from, flags);
	charge_syscall();
	down_write(&mm->mmap_lock);
	rc = munmap_locked(mm, from, to);
	if (!rc) {
		vma_adjust(v, v->start, to, v->pgoff);
		oracle_mapped(mm, from, to, flags);
	}
	up_write(&mm->mmap_lock);
	return rc;
}

/* What is one mapping to the program may be several VMAs here; the last one
 * takes what the mapping grows by. */
static int move_vmas(struct mm *mm, u64 old, u64 n, u64 new, u64 new_n)
{
	u64 end = old + (new_n < n ? new_n : n), at = old;
	int rc = 0;

	while (at < end && !rc) {
		struct vma *v = find_vma(mm, at);
		u64 to = v && v->end < end ? v->end : end;
		u64 grown = to == end && new_n > n ? new_n - n : 0;

		rc = do_mremap(mm, at, to - at, new + (at - old),
			       to - at + grown);
		at = to;
	}
	return rc || new_n >= n ? rc : do_munmap(mm, end, old + n - end);
}

/* In place the tail comes or goes; else the pages move. */
static int remap(struct mm *mm, const struct trace_event *ev)
{
	u64 old = ev->start >> PAGE_SHIFT, new = ev->new_start >> PAGE_SHIFT;
	u64 n = ev->len >> PAGE_SHIFT, new_n = ev->new_len >> PAGE_SHIFT;
	int rc = map_implicitly(mm, old, old + n);
	u32 flags;

	if (rc)
		return rc;
	flags = find_vma(mm, old + n - 1)->flags;
	if (old != new)
		rc = move_vmas(mm, old, n, new, new_n);
	else if (new_n < n)
		rc = do_munmap(mm, old + new_n, n - new_n);
	else if (new_n > n)
		rc = grow(mm, old + n, old + new_n, flags);
	if (!rc && (ev->flags & TRACE_KEEP))
		rc = vma_add(mm, old, n, flags) ? 0 : -ENOMEM;
	return rc;
}

static int move_brk(struct mm *mm, const struct trace_event *ev)
{
	u64 from = (ev->start + PAGE_BYTES - 1) >> PAGE_SHIFT;
	u64 to = (ev->new_start + PAGE_BYTES - 1) >> PAGE_SHIFT;

	if (to > from)
		return grow(mm, from, to, IMPLICIT_FLAGS | VM_HUGE);
	return to < from ? do_munmap(mm, to, from - to) : 0;
}

/* The child is not in the trace: it has its copy until it is waited for. */
static int fork_child(struct player *p, u32 pid)
{
	for (u32 i = 0; i < MAX_CHILDREN; i++)
		if (!p->child[i].mm) {
			p->child[i].mm = dup_mm(p->mm);
			p->child[i].pid = pid;
			return p->child[i].mm ? 0 : -ENOMEM;
		}
	return 0;
}

static void end_children(struct player *p, u32 pid)
{
	for (u32 i = 0; i < MAX_CHILDREN; i++)
		if (p->child[i].mm && (!pid || p->child[i].pid == pid)) {
			exit_mmap(p->child[i].mm);
			p->child[i].mm = NULL;
		}
}

static int apply(struct player *p, const struct trace_event *ev)
{
	struct mm *mm = p->mm;
	u64 start = ev->start >> PAGE_SHIFT, n = ev->len >> PAGE_SHIFT;
	int rc;

	switch (ev->kind) {
	case TRACE_MMAP:
		return do_mmap_fixed(mm, start, n, rights_of(ev->prot) |
				     VM_MIGRATABLE | ((ev->flags & TRACE_ANON) &&
				     !(ev->flags & TRACE_SHARED) ? VM_HUGE : 0u));
	case TRACE_MUNMAP:
		return do_munmap(mm, start, n);
	case TRACE_MPROTECT:
		rc = map_implicitly(mm, start, start + n);
		return rc ? rc : do_mprotect(mm, start, n, rights_of(ev->prot));
	case TRACE_MADVISE:
		return advise(mm, ev);
	case TRACE_MREMAP:
		return remap(mm, ev);
	case TRACE_BRK:
		return move_brk(mm, ev);
	case TRACE_FORK:
		return ev->flags & TRACE_VFORK ? 0 : fork_child(p, ev->arg);
	case TRACE_EXEC:
		return do_munmap(mm, 0, task_size());
	case TRACE_EXIT:
		if (ev->arg)
			end_children(p, ev->arg);
		else
			switch_mm(NULL);
		return 0;
	}
	return 0;
}

/* ---- accesses ------------------------------------------------------------------ */

/* @n runs. One that meets nothing mapped is given its page and goes on where
 * it was; one that lacks rights got a signal: it is left out. */
static int play_runs(struct wl *w, struct player *p, const struct run *r,
		     size_t n)
{
	u64 *count = this_cpu->count.v;

	while (n && !w->error) {
		u64 runs = count[CTR_RUNS], accesses = count[CTR_ACCESSES];
		u64 vpn, before = accesses;
		struct run rest;
		int rc = cpu_run_many(r, n);

		w->done += count[CTR_ACCESSES] - before;
		if (!rc)
			return 0;
		if (rc != -EFAULT)
			return rc;
		for (; runs < count[CTR_RUNS]; runs++, r++, n--)
			accesses += r->count;
		rest = *r++;
		n--;
		vpn = rest.va >> PAGE_SHIFT;
		if (find_vma(p->mm, vpn))
			continue;
		rest.va += (u64)rest.stride * (count[CTR_ACCESSES] - accesses);
		rest.count -= (u32)(count[CTR_ACCESSES] - accesses);
		rc = map_implicitly(p->mm, vpn, vpn + 1);
		if (!rc)
			rc = play_runs(w, p, &rest, 1);
		if (rc)
			return rc;
	}
	return 0;
}

static int fail(struct wl *w, const struct player *p, int rc, const char *what)
{
	if (rc == -ENOMEM)
		wl_fail(w, -E2BIG, "%s: %s: after %llu pages " WL_FULL, p->path,
			what,
			(unsigned long long)p->mm->rss);
	else
		wl_fail(w, rc, "%s: %s: %s", p->path, what, strerror(-rc));
	return rc;
}

/* The runs that @d sums up, the next of the part. */
static int play_digest(struct wl *w, struct player *p,
		       const struct run_digest *d)
{
	u64 *accesses = &this_cpu->count.v[CTR_ACCESSES], before;
	size_t first = p->run + (d->lead.count != 0);
	struct err e;
	int rc = 0;

	p->run += digest_runs(d);
	if (d->lead.count)
		rc = play_runs(w, p, &d->lead, 1);
	before = *accesses;
	if (rc || !d->nr_runs)
		return rc;
	if (cpu_run_digest(d)) {
		w->done += *accesses - before;
		return 0;
	}
	rc = trace_part_runs(p->trace, &p->part, &e);
	if (rc)
		wl_fail(w, rc, "%s", e.text);
	return rc ? rc : play_runs(w, p, p->part.runs + first, d->nr_runs);
}

/* Up to where the timer is looked at. */
static int play_batch(struct wl *w, struct player *p)
{
	size_t end = p->run + TRACE_BATCH - p->run % TRACE_BATCH, from = p->run;
	int rc = 0;

	if (end > p->part.nr_runs)
		end = p->part.nr_runs;
	if (!p->part.nr_digests) {
		rc = play_runs(w, p, p->part.runs + from, end - from);
		p->run = end;
	}
	while (p->run < end && !rc && !w->error)
		rc = play_digest(w, p, &p->part.digests[p->digest++]);
	the_sys->os.user_tick();
	return rc;
}

/* ---- turns --------------------------------------------------------------------- */

struct wish {
	const struct turn *turn;
	u32 slot;
};

static bool is_my_turn(const void *arg)
{
	const struct wish *wish = arg;

	return wish->turn->is_over || wish->turn->slot == wish->slot;
}

/* A thread of the scheduler's sleeps, and others have its CPU. @n: its turns so far. */
static void sleep_until_turn(struct turn *turn, u32 slot, u32 n)
{
	u32 *called = &turn->called[slot].n;

	while (READ_ONCE(*called) == n)
		thread_sleep(called, n);
}

/* Return: false when all has been played. */
static bool wait_turn(struct turn *turn, u32 slot, u32 n)
{
	const struct wish wish = { turn, slot };
	u64 *cycles = this_cpu->cycles, before = cycles[CYC_LOCK_WAIT], waited;

	if (sched_is_on()) {
		sleep_until_turn(turn, slot, n);
		return !turn->is_over;
	}
	the_sys->drv.wait(turn, is_my_turn, &wish, 0);
	/* No lock: it has nothing to do. */
	waited = cycles[CYC_LOCK_WAIT] - before;
	cycles[CYC_LOCK_WAIT] -= waited;
	cycles[CYC_IDLE] += waited;
	return !turn->is_over;
}

static void pass_turn(struct player *p, u32 slot)
{
	struct turn *turn = p->turn;

	step(turn, true, 0);
	turn->slot = slot;
	turn->is_over = !slot;
	the_sys->drv.wake(turn);
	for (u32 i = 1; i <= p->nr && sched_is_on(); i++)
		if (i == slot || !slot)
			WRITE_ONCE(turn->called[i].n, turn->called[i].n + 1);
}

/* The program is over, or begins once more. */
static bool play_again(struct wl *w, struct player *p)
{
	struct err e;
	int rc;

	end_children(p, 0);
	if (!--p->loops_left)
		return false;
	rc = do_munmap(p->mm, 0, task_size());
	if (!rc)
		rc = map_before(p->mm, &p->before);
	if (!rc)
		rc = trace_rewind(p->trace, &e);
	if (rc)
		wl_fail(w, rc, "%s: cannot begin again", p->path);
	return !rc;
}

/* Play until it is another's turn. Return: its slot, 0 at the end. */
static u32 play_turn(struct wl *w, struct player *p, u32 slot)
{
	struct err e;
	int rc;

	for (;;) {
		while (p->run < p->part.nr_runs && !w->error) {
			rc = play_batch(w, p);
			if (rc)
				fail(w, p, rc, "access");
		}
		while (p->event < p->part.nr_events && !w->error) {
			const struct trace_event *ev =
				&p->part.events[p->event++];

			if (ev->kind == TRACE_SWITCH) {
				if (p->slot_of[ev->tid] != slot)
					return p->slot_of[ev->tid];
				/* Another thread on this CPU; the last one may
				 * have exited. */
				if (current()->mm != p->mm)
					switch_mm(p->mm);
				continue;
			}
			rc = apply(p, ev);
			if (rc)
				fail(w, p, rc, trace_event_name(ev->kind));
		}
		if (w->error)
			return 0;
		p->run = p->digest = p->event = 0;
		rc = cpu_takes_digests()
			? trace_next_digests(p->trace, &p->part, &e)
			: trace_next_part(p->trace, &p->part, &e);
		if (rc) {
			wl_fail(w, rc, "%s", e.text);
			return 0;
		}
		if (!p->part.nr_runs && !p->part.nr_events &&
		    !play_again(w, p))
			return 0;
	}
}

void replay_events_body(struct replay_events *r, struct wl *w, u32 thread)
{
	struct player *p = r->player;
	u32 slot, n = 0;

	while (thread >= p->first + p->nr)
		p++;
	slot = thread - p->first + 1;
	/* Nothing is there to flush before the thread has begun. */
	if (slot > 1 && !sched_is_on())
		switch_mm(NULL);
	for (; wait_turn(p->turn, slot, n); n++) {
		u32 next;

		if (current()->mm != p->mm)
			switch_mm(p->mm);
		next = play_turn(w, p, slot);
		pass_turn(p, next);
	}
}

void replay_events_free(struct replay_events *r)
{
	if (!r)
		return;
	for (u32 i = 0; r->player && i < r->nr; i++) {
		trace_close(r->player[i].trace);
		footprint_release(&r->player[i].before);
	}
	free(r->player);
	free(r);
}
