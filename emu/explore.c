/* What is searched how: by one process or several, from the beginning or from a
 * file, and what is looked for afterwards. */
#include "emu/dfs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static size_t loads_bytes(const struct sys *sys)
{
	return sys->nr_cpus * (sys->arena.reserved >> 3);
}

/* What is left of @d and of the stacks from @next on becomes @fr. */
static int keep_frontier(struct dfs *d, struct frontier *fr, u32 next)
{
	struct frontier left;
	struct explore_move *base = dfs_path(d, 0);
	u64 n = 0;
	int rc;

	memset(&left, 0, sizeof(left));
	left.slot = malloc((d->seen.n + 1) * sizeof(*left.slot));
	rc = base && left.slot ? 0 : -ENOMEM;
	if (!rc && d->depth)
		rc = frontier_add(&left, base, d->nr_base, d->f, d->depth);
	for (u32 i = next; i < fr->nr_stacks && !rc; i++)
		rc = frontier_add(&left, fr->stack[i].base,
				  fr->stack[i].nr_base, fr->stack[i].f,
				  fr->stack[i].nr_frames);
	free(base);
	if (rc) {
		frontier_free(&left);
		return rc;
	}
	for (u64 i = 0; i < d->seen.nr_slots; i++)
		if (d->seen.slot[i].hi)
			left.slot[n++] = d->seen.slot[i];
	left.nr_slots = n;
	left.states = d->r->states;
	left.transitions = d->r->transitions;
	left.finals = d->r->finals;
	left.max_depth = d->r->max_depth;
	frontier_free(fr);
	*fr = left;
	return 0;
}

/* All of a search from @start on, by one process: what is in @fr, else from the
 * beginning. */
static int alone(struct dfs *d, const struct snap *start, struct frontier *fr)
{
	u32 next = 0;
	int rc;

	visited_destroy(&d->seen);
	rc = visited_create(&d->seen);
	for (u64 i = 0; i < fr->nr_slots && !rc; i++)
		rc = visited_put(&d->seen, &fr->slot[i]);
	d->depth = d->nr_base = 0;
	d->r->states = fr->states;
	d->r->transitions = fr->transitions;
	d->r->finals = fr->finals;
	d->r->max_depth = fr->max_depth;
	if (!rc && !fr->nr_stacks) {
		rc = dfs_begin(d);
		if (!rc)
			rc = dfs_run(d);
	}
	while (next < fr->nr_stacks && !rc && !d->depth &&
	       !explorer.is_violated) {
		rc = dfs_load(d, start, &fr->stack[next++]);
		if (!rc)
			rc = dfs_run(d);
	}
	if (!rc && d->r->outcome == EXPLORE_NOT_FINISHED)
		rc = keep_frontier(d, fr, next);
	return rc;
}

/* One search from @start on, whichever kind is asked for. */
static int search(struct dfs *d, const struct snap *start, struct frontier *fr)
{
	const struct explore_config *cfg = d->cfg;
	int rc;

	snap_restore(start);
	explorer.is_violated = false;
	if (cfg->mode != EXPLORE_ALL)
		return sample(d->budget, start, d->r);
	if (cfg->is_bounded)
		return bounded_search(d->budget, start, cfg->max_preemptions,
				      d->r);
	if (cfg->nr_workers < 2 || d->is_alone)
		return alone(d, start, fr);
	rc = parallel_search(d->budget, start, fr, cfg->nr_workers, d->r);
	if (rc != 1)
		return rc;
	/* Which violation is met first depends on who is fast. One process
	 * always meets the same. */
	frontier_free(fr);
	snap_restore(start);
	d->budget->start = host_now();
	d->is_alone = true;
	if (explorer.sys->loads)
		memset(explorer.sys->loads, 0, loads_bytes(explorer.sys));
	return alone(d, start, fr);
}

/* What is known only after the search: a livelock where nothing else is wrong,
 * the shortest way to what is. */
static int search_more(const struct explore_config *cfg, struct snap *start,
		       struct explore_result *r)
{
	int rc = 0;

	if (r->outcome == EXPLORE_PROVED && cfg->find_livelock)
		rc = livelock(cfg, start, r);
	else if (r->outcome == EXPLORE_VIOLATION && !cfg->skip_shortest &&
		 cfg->mode == EXPLORE_ALL) {
		memcpy(r->oracle, explorer.oracle, sizeof(r->oracle));
		memcpy(r->text, explorer.text, sizeof(r->text));
		rc = shortest(cfg, start, r);
	}
	if (r->outcome == EXPLORE_VIOLATION) {
		memcpy(r->oracle, explorer.oracle, sizeof(r->oracle));
		memcpy(r->text, explorer.text, sizeof(r->text));
	}
	return rc;
}

/* Workers of one search see each other's. */
static int open_loads(struct sys *sys)
{
	void *p = mmap(NULL, loads_bytes(sys), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return -ENOMEM;
	sys->loads = p;
	return 0;
}

static void close_loads(struct sys *sys)
{
	if (sys->loads)
		munmap(sys->loads, loads_bytes(sys));
	sys->loads = NULL;
}

/* ---- saved and taken up again --------------------------------------------------------- */

static struct frontier_id id_of_search(const struct explore_config *cfg)
{
	return (struct frontier_id){ .program = cfg->program ? cfg->program : "",
				     .config = cfg->config,
				     .start = state_hash() };
}

/* In the start state. Errors are told in @r. */
static int resume(const struct explore_config *cfg, struct frontier *fr,
		  struct explore_result *r)
{
	const struct frontier_id id = id_of_search(cfg);
	struct err e;
	int rc = cfg->resume ? frontier_read(fr, &id, cfg->resume, &e) : 0;

	if (rc)
		snprintf(r->text, sizeof(r->text), "%.255s", e.text);
	else if (fr->loads && explorer.sys->loads &&
		 fr->loads_bytes == loads_bytes(explorer.sys))
		memcpy(explorer.sys->loads, fr->loads, fr->loads_bytes);
	return rc;
}

static int save(const struct explore_config *cfg, struct frontier *fr,
		const struct snap *start, struct explore_result *r)
{
	struct frontier_id id;
	struct err e;
	int rc;

	snap_restore(start);
	id = id_of_search(cfg);
	if (explorer.sys->loads && !fr->loads) {
		fr->loads_bytes = loads_bytes(explorer.sys);
		fr->loads = malloc(fr->loads_bytes);
		if (!fr->loads)
			return -ENOMEM;
	}
	if (fr->loads)
		memcpy(fr->loads, explorer.sys->loads, fr->loads_bytes);
	rc = frontier_write(fr, &id, cfg->save, &e);
	if (rc)
		snprintf(r->text, sizeof(r->text), "%.255s", e.text);
	return rc;
}

/* Nothing was dropped when it stopped: what is left is all that is left. */
static bool can_go_on(const struct explore_result *r)
{
	static const char *const limits[] = { "states", "memory", "time",
					      LIMIT_SLICE };

	for (size_t i = 0; i < ARRAY_LEN(limits); i++)
		if (!strcmp(r->limit, limits[i]))
			return true;
	return false;
}

/* The search, in slices where it is saved now and then. */
static int search_and_save(struct dfs *d, const struct snap *start,
			   struct frontier *fr)
{
	const struct explore_config *cfg = d->cfg;
	struct sys *sys = explorer.sys;
	bool again;
	int rc;

	do {
		/* Old values are kept of words that are loaded. Which those are
		 * is found out on the way: with a new one, the search begins
		 * again. */
		sys->loads_grew = false;
		d->r->outcome = 0;
		d->r->limit = NULL;
		d->budget->slice = host_now();
		rc = search(d, start, fr);
		if (sys->loads_grew)
			frontier_free(fr);
		again = sys->loads_grew;
		if (!rc && d->r->outcome == EXPLORE_NOT_FINISHED && cfg->save &&
		    !again && can_go_on(d->r)) {
			rc = save(cfg, fr, start, d->r);
			again = !strcmp(d->r->limit, LIMIT_SLICE);
		}
	} while (!rc && again);
	return rc;
}

int explore(struct sys *sys, const struct explore_config *cfg,
	    struct explore_result *r)
{
	struct budget budget = { .cfg = cfg, .start = host_now() };
	struct frontier fr;
	struct dfs d;
	struct snap *start;
	int rc = 0;

	memset(r, 0, sizeof(*r));
	memset(&d, 0, sizeof(d));
	memset(&fr, 0, sizeof(fr));
	moves_begin(sys);
	d.cfg = cfg;
	d.r = r;
	d.budget = &budget;
	r->state_bytes = sys->arena.used;
	start = snap_take();
	if (sys->memory_model == MEM_WEAK && cfg->mode == EXPLORE_ALL)
		rc = open_loads(sys);
	if (!start)
		rc = -ENOMEM;
	if (!rc)
		rc = resume(cfg, &fr, r);
	if (!rc)
		rc = search_and_save(&d, start, &fr);
	if (rc == -EINVAL && cfg->resume && !r->text[0])
		snprintf(r->text, sizeof(r->text), "%.200s: what is saved there "
			 "does not fit this race", cfg->resume);
	if (!rc)
		rc = search_more(cfg, start, r);
	r->host_seconds = host_now() - budget.start;
	dfs_free(&d);
	frontier_free(&fr);
	free(start);
	close_loads(sys);
	return rc;
}
