/* One search by several processes: the machine is global to a process. They share
 * the set of visited states and a few slots for work; whoever has none takes from
 * a slot, whoever sees others wait puts there what is left in its lowest frame.
 *
 * Sleep sets do not mind: what a frame's later moves may leave out depends on the
 * moves tried before them in the same frame only, and these are tried by somebody.
 * All states are visited, once each; how many moves that takes depends on who met
 * a state first.
 */
#include "emu/dfs.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_WORKERS 64u
#define MAX_ITEMS 128u
#define ITEM_BYTES (1u << 20)

enum why { WHY_DONE, WHY_VIOLATION, WHY_LIMIT, WHY_LOADS, WHY_ERROR };

/* In the shared mapping; items follow. */
struct hall {
	pthread_mutex_t lock;
	pid_t parent;
	u32 nr_workers, idle, nr_items;
	u32 next_stack;
	volatile u32 stop;
	enum why why;
	int error;
	char limit[40];
	u64 states, transitions, finals;        /* of all, now and then       */
	u32 max_depth;
	u64 item_bytes[MAX_ITEMS];
};

struct worker {
	struct hall *hall;
	struct frontier *fr;            /* what there was at the beginning    */
	struct dfs *d;
	struct explore_result *r;
	struct explore_result told;     /* of @r, already added to the hall   */
	u32 own;                        /* stacks in @fr from here on: what
					 * found no room in the hall          */
	u32 ticks;
};

static u8 *item_at(struct hall *h, u32 i)
{
	return (u8 *)h + ((sizeof(*h) + 4095) & ~4095ull) +
	       (u64)i * ITEM_BYTES;
}

static u64 hall_bytes(void)
{
	return ((sizeof(struct hall) + 4095) & ~4095ull) +
	       (u64)MAX_ITEMS * ITEM_BYTES;
}

static void stop(struct hall *h, enum why why, const char *limit, int error)
{
	pthread_mutex_lock(&h->lock);
	if (!h->stop || why == WHY_VIOLATION) {
		h->why = why;
		h->error = error;
		snprintf(h->limit, sizeof(h->limit), "%s", limit ? limit : "");
	}
	h->stop = 1;
	pthread_mutex_unlock(&h->lock);
}

/* ---- work changes hands ------------------------------------------------------------ */

/* Put what is left at the bottom where an idle worker finds it. */
static int offer(struct worker *w)
{
	struct hall *h = w->hall;
	struct frontier one;
	u8 *bytes = NULL;
	u64 n = 0;
	int rc;

	memset(&one, 0, sizeof(one));
	rc = dfs_give(w->d, &one);
	if (rc == 1)
		rc = frontier_pack(&one, &bytes, &n) ? -ENOMEM : 1;
	if (rc == 1) {
		pthread_mutex_lock(&h->lock);
		if (h->nr_items < MAX_ITEMS && n <= ITEM_BYTES) {
			memcpy(item_at(h, h->nr_items), bytes, n);
			h->item_bytes[h->nr_items++] = n;
			frontier_free(&one);
		}
		pthread_mutex_unlock(&h->lock);
		/* No room: it comes after the rest. */
		if (one.nr_stacks)
			rc = frontier_add(w->fr, one.stack[0].base,
					  one.stack[0].nr_base, one.stack[0].f,
					  one.stack[0].nr_frames);
	}
	frontier_free(&one);
	free(bytes);
	return rc < 0 ? rc : 0;
}

/* Wait for an item. Return: 1 taken, 0 nobody has any work, or stop. */
static int take_item(struct worker *w, struct frontier *to)
{
	const struct timespec nap = { 0, 200000 };
	struct hall *h = w->hall;
	bool is_idle = false;

	for (;;) {
		int got = -1;

		pthread_mutex_lock(&h->lock);
		if (!is_idle)
			h->idle++;
		is_idle = true;
		if (h->stop || (!h->nr_items && h->idle == h->nr_workers)) {
			got = 0;
		} else if (h->nr_items) {
			u32 i = --h->nr_items;

			h->idle--;
			got = frontier_unpack(to, item_at(h, i),
					      h->item_bytes[i]) ? -ENOMEM : 1;
		}
		pthread_mutex_unlock(&h->lock);
		if (got == -ENOMEM)
			return -ENOMEM;
		if (got >= 0)
			return got;
		nanosleep(&nap, NULL);
	}
}

/* ---- a worker ------------------------------------------------------------------------ */

static void tell(struct worker *w)
{
	struct hall *h = w->hall;

#define TELL(field) do { \
		__atomic_add_fetch(&h->field, w->r->field - w->told.field, \
				   __ATOMIC_RELAXED); \
		w->told.field = w->r->field; \
	} while (0)
	TELL(states);
	TELL(transitions);
	TELL(finals);
#undef TELL
}

static const char *on_poll(struct dfs *d, void *arg)
{
	struct worker *w = arg;
	struct hall *h = w->hall;
	struct explore_result all = { .states = 0 };
	const char *limit;

	if (++w->ticks % 64)
		return NULL;
	if (h->stop)
		return "stop";
	tell(w);
	if (h->idle > h->nr_items && offer(w)) {
		stop(h, WHY_ERROR, NULL, -ENOMEM);
		return "stop";
	}
	all.states = h->states;
	/* The clock is looked at now and then only. */
	all.transitions = w->ticks % 1024 ? 1 : 0;
	limit = out_of_budget(d->budget, &all, shared_set_bytes(d->shared));
	if (limit)
		stop(h, WHY_LIMIT, limit, 0);
	return limit;
}

static int run_stack(struct worker *w, const struct snap *start,
		     const struct stack *s)
{
	int rc = s ? dfs_load(w->d, start, s) : dfs_begin(w->d);

	if (!rc)
		rc = dfs_run(w->d);
	tell(w);
	if (rc == -ENOSPC)
		stop(w->hall, WHY_LIMIT, "memory for the shared set", 0);
	else if (rc)
		stop(w->hall, WHY_ERROR, NULL, rc);
	else if (explorer.is_violated)
		stop(w->hall, WHY_VIOLATION, NULL, 0);
	else if (explorer.sys->loads_grew)
		stop(w->hall, WHY_LOADS, NULL, 0);
	else if (w->d->depth && !w->hall->stop)
		stop(w->hall, WHY_LIMIT, w->r->limit, 0);
	return w->hall->stop ? 1 : 0;
}

/* First what there was, then what others give away, then what found no room. */
static void work(struct worker *w, const struct snap *start, bool is_first)
{
	u32 begin = w->fr->nr_stacks;

	w->own = begin;
	snap_restore(start);
	if (!begin && is_first && run_stack(w, start, NULL))
		return;
	for (;;) {
		u32 i = __atomic_fetch_add(&w->hall->next_stack, 1,
					   __ATOMIC_RELAXED);
		struct frontier item;
		int got;

		if (i < begin) {
			if (run_stack(w, start, &w->fr->stack[i]))
				return;
			continue;
		}
		if (w->own < w->fr->nr_stacks) {
			if (run_stack(w, start, &w->fr->stack[w->own++]))
				return;
			continue;
		}
		memset(&item, 0, sizeof(item));
		got = take_item(w, &item);
		if (got == 1)
			got = run_stack(w, start, &item.stack[0]) ? 0 : 1;
		else if (got < 0)
			stop(w->hall, WHY_ERROR, NULL, got);
		frontier_free(&item);
		if (got != 1)
			return;
	}
}

static bool write_all(int fd, const void *from, u64 n)
{
	const u8 *p = from;

	while (n) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		p += done;
		n -= (u64)done;
	}
	return true;
}

/* What this worker leaves undone, to the parent. */
static bool leave(struct worker *w, int fd)
{
	struct frontier left;
	u8 *bytes = NULL;
	u64 n = 0;
	bool ok;

	memset(&left, 0, sizeof(left));
	if (w->hall->stop && w->d->depth) {
		struct explore_move *base = dfs_path(w->d, 0);

		if (!base || frontier_add(&left, base, w->d->nr_base, w->d->f,
					  w->d->depth))
			return false;
		free(base);
	}
	for (u32 i = w->own; w->hall->stop && i < w->fr->nr_stacks; i++)
		if (frontier_add(&left, w->fr->stack[i].base,
				 w->fr->stack[i].nr_base, w->fr->stack[i].f,
				 w->fr->stack[i].nr_frames))
			return false;
	ok = !frontier_pack(&left, &bytes, &n) && write_all(fd, bytes, n);
	free(bytes);
	frontier_free(&left);
	return ok;
}

static void child(struct hall *h, struct budget *budget,
		  const struct snap *start, struct frontier *fr,
		  struct shared_set *set, bool is_first, int fd)
{
	struct explore_result r;
	struct dfs d;
	struct worker w = { .hall = h, .fr = fr, .d = &d, .r = &r };

	/* Not longer than the parent; it may be gone already. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != h->parent)
		_exit(1);
	memset(&r, 0, sizeof(r));
	memset(&d, 0, sizeof(d));
	d.budget = budget;
	d.cfg = budget->cfg;
	d.r = &r;
	d.shared = set;
	d.poll = on_poll;
	d.poll_arg = &w;
	work(&w, start, is_first);
	pthread_mutex_lock(&h->lock);
	if (r.max_depth > h->max_depth)
		h->max_depth = r.max_depth;
	pthread_mutex_unlock(&h->lock);
	_exit(leave(&w, fd) ? 0 : 1);
}

/* ---- the parent ------------------------------------------------------------------------ */

struct crew {
	pid_t pid[MAX_WORKERS];
	int fd[MAX_WORKERS];
	u8 *bytes[MAX_WORKERS];
	u64 n[MAX_WORKERS];
	u32 nr, open;
	bool has_died;
};

static int hire(struct crew *c, struct hall *h, struct budget *budget,
		const struct snap *start, struct frontier *fr,
		struct shared_set *set)
{
	int fd[2];

	if (pipe(fd))
		return -errno;
	c->pid[c->nr] = fork();
	if (c->pid[c->nr] < 0) {
		close(fd[0]);
		close(fd[1]);
		return -EAGAIN;
	}
	if (!c->pid[c->nr]) {
		close(fd[0]);
		child(h, budget, start, fr, set, !c->nr, fd[1]);
	}
	close(fd[1]);
	c->fd[c->nr++] = fd[0];
	c->open++;
	return 0;
}

static void collect(struct crew *c, u32 i)
{
	u8 buf[65536], *p;
	ssize_t n = read(c->fd[i], buf, sizeof(buf));
	int status;

	if (n < 0 && errno == EINTR)
		return;
	if (n > 0) {
		p = realloc(c->bytes[i], c->n[i] + (u64)n);
		if (p) {
			memcpy(p + c->n[i], buf, (size_t)n);
			c->bytes[i] = p;
			c->n[i] += (u64)n;
			return;
		}
	}
	close(c->fd[i]);
	c->fd[i] = -1;
	c->open--;
	while (waitpid(c->pid[i], &status, 0) < 0 && errno == EINTR)
		;
	c->has_died = c->has_died || n > 0 || status;
	c->pid[i] = 0;
}

static void fire(struct crew *c)
{
	for (u32 i = 0; i < c->nr; i++)
		if (c->pid[i] > 0) {
			kill(c->pid[i], SIGKILL);
			waitpid(c->pid[i], NULL, 0);
			close(c->fd[i]);
			c->pid[i] = 0;
			c->open--;
		}
}

static void serve(struct crew *c, struct hall *h, const struct budget *b)
{
	while (c->open && !c->has_died) {
		struct pollfd fd[MAX_WORKERS];
		u32 of[MAX_WORKERS];
		nfds_t n = 0;

		for (u32 i = 0; i < c->nr; i++)
			if (c->pid[i]) {
				fd[n] = (struct pollfd){ .fd = c->fd[i],
							 .events = POLLIN };
				of[n++] = i;
			}
		if (poll(fd, n, 200) < 0 && errno != EINTR)
			c->has_died = true;
		for (nfds_t i = 0; i < n && !c->has_died; i++)
			if (fd[i].revents)
				collect(c, of[i]);
		if (b->cfg->progress)
			b->cfg->progress(h->states, h->transitions,
					 b->cfg->progress_arg);
	}
	fire(c);
}

static int add_slot(const struct visited_slot *slot, void *arg)
{
	struct frontier *fr = arg;

	fr->slot[fr->nr_slots++] = *slot;
	return 0;
}

/* What is left: of the workers, in the slots, and what nobody took up. */
static int gather(struct frontier *fr, struct crew *c, struct hall *h,
		  struct shared_set *set)
{
	struct frontier left;
	int rc = 0;

	memset(&left, 0, sizeof(left));
	for (u32 i = 0; i < c->nr && !rc; i++)
		rc = frontier_unpack(&left, c->bytes[i], c->n[i]);
	for (u32 i = 0; i < h->nr_items && !rc; i++)
		rc = frontier_unpack(&left, item_at(h, i), h->item_bytes[i]);
	for (u32 i = h->next_stack; i < fr->nr_stacks && !rc; i++)
		rc = frontier_add(&left, fr->stack[i].base,
				  fr->stack[i].nr_base, fr->stack[i].f,
				  fr->stack[i].nr_frames);
	left.slot = malloc((h->states + 1) * sizeof(*left.slot));
	if (!left.slot)
		rc = -ENOMEM;
	else
		shared_set_each(set, add_slot, &left);
	left.states = h->states;
	left.transitions = h->transitions;
	left.finals = h->finals;
	left.max_depth = h->max_depth;
	frontier_free(fr);
	*fr = left;
	return rc;
}

static int judge(struct hall *h, struct crew *c, struct frontier *fr,
		 struct shared_set *set, struct explore_result *r)
{
	static char limit[40];

	if (c->has_died)
		return -ECHILD;
	r->states = h->states;
	r->transitions = h->transitions;
	r->finals = h->finals;
	r->max_depth = h->max_depth;
	switch (h->why) {
	case WHY_DONE:
		r->outcome = EXPLORE_PROVED;
		return 0;
	case WHY_VIOLATION:
		return 1;
	case WHY_LOADS:
		explorer.sys->loads_grew = true;
		return 0;
	case WHY_ERROR:
		return h->error;
	case WHY_LIMIT:
		break;
	}
	snprintf(limit, sizeof(limit), "%s", h->limit);
	r->outcome = EXPLORE_NOT_FINISHED;
	r->limit = limit;
	return gather(fr, c, h, set);
}

static struct hall *open_hall(u32 nr_workers, const struct frontier *fr)
{
	struct hall *h = mmap(NULL, hall_bytes(), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1,
			      0);
	pthread_mutexattr_t attr;

	if (h == MAP_FAILED)
		return NULL;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&h->lock, &attr);
	pthread_mutexattr_destroy(&attr);
	h->parent = getpid();
	h->nr_workers = nr_workers;
	h->states = fr->states;
	h->transitions = fr->transitions;
	h->finals = fr->finals;
	h->max_depth = fr->max_depth;
	return h;
}

int parallel_search(struct budget *budget, const struct snap *start,
		    struct frontier *fr, u32 nr_workers,
		    struct explore_result *r)
{
	const struct explore_config *cfg = budget->cfg;
	struct shared_set *set = NULL;
	struct hall *h;
	struct crew c;
	int rc;

	memset(&c, 0, sizeof(c));
	if (nr_workers > MAX_WORKERS)
		nr_workers = MAX_WORKERS;
	h = open_hall(nr_workers, fr);
	rc = h ? shared_set_create(&set, cfg->max_bytes ? cfg->max_bytes
							: 2ull << 30) : -ENOMEM;
	for (u64 i = 0; i < fr->nr_slots && !rc; i++)
		rc = shared_set_put(set, &fr->slot[i]);
	fflush(NULL);
	for (u32 i = 0; i < nr_workers && !rc; i++)
		rc = hire(&c, h, budget, start, fr, set);
	if (rc)
		fire(&c);
	else
		serve(&c, h, budget);
	if (!rc)
		rc = judge(h, &c, fr, set, r);
	for (u32 i = 0; i < c.nr; i++)
		free(c.bytes[i]);
	shared_set_destroy(set);
	if (h)
		munmap(h, hall_bytes());
	return rc;
}
