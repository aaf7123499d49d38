#include "emu/moves.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "emu/visited.h"

/* ---- depth first ----------------------------------------------------------------- */

struct dfs {
	struct frame *f;
	u32 depth, capacity;
	struct visited seen;
	const struct budget *budget;
	const struct explore_config *cfg;
	struct explore_result *r;
};

double host_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static bool independent(mask128 rd1, mask128 wr1, mask128 rd2, mask128 wr2)
{
	return !(wr1 & (rd2 | wr2)) && !(wr2 & rd1);
}

static int push(struct dfs *d, u32 todo, u32 sleep, struct hash128 key,
		const struct frame *parent)
{
	struct frame *f;
	size_t n;

	if (d->depth == d->capacity) {
		u32 cap = d->capacity ? 2 * d->capacity : 256;
		struct frame *p = realloc(d->f, cap * sizeof(*p));

		if (!p)
			return -ENOMEM;
		memset(p + d->capacity, 0, (cap - d->capacity) * sizeof(*p));
		if (parent)
			parent = p + (parent - d->f);
		d->f = p;
		d->capacity = cap;
	}
	f = &d->f[d->depth];
	n = snap_size();
	if (n > f->snap_bytes) {
		free(f->snap);
		f->snap_bytes = n + 512;
		f->snap = malloc(f->snap_bytes);
		if (!f->snap) {
			f->snap_bytes = 0;
			return -ENOMEM;
		}
	}
	snap_save(f->snap);
	f->key = key;
	f->todo = todo;
	f->sleep = sleep;
	f->at = NR_IDS;
	for (u32 m = sleep; m; m &= m - 1) {
		u32 u = (u32)__builtin_ctz(m);

		f->rd[u] = parent->rd[u];
		f->wr[u] = parent->wr[u];
	}
	d->depth++;
	if (d->depth > d->r->max_depth)
		d->r->max_depth = d->depth;
	return 0;
}

static int keep_moves(struct dfs *d)
{
	struct explore_move *m = calloc(d->depth ? d->depth : 1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	for (u32 i = 0; i < d->depth; i++) {
		const struct frame *f = &d->f[i];

		m[i].cpu = (u8)(f->at / NR_X_KINDS);
		m[i].kind = (u8)(f->at % NR_X_KINDS);
		m[i].nr_picks = (u8)f->nr_told;
		memcpy(m[i].pick, f->pick, sizeof(m[i].pick));
	}
	free(d->r->moves);
	d->r->moves = m;
	d->r->nr_moves = d->depth;
	return 0;
}

static u64 max_states(const struct explore_config *cfg)
{
	return cfg->max_states ? cfg->max_states : 200000000;
}

static u64 max_bytes(const struct explore_config *cfg)
{
	return cfg->max_bytes ? cfg->max_bytes : 2ull << 30;
}

const char *out_of_budget(const struct budget *b, const struct explore_result *r,
			  u64 bytes)
{
	const struct explore_config *cfg = b->cfg;

	if (r->states >= max_states(cfg))
		return "states";
	if (bytes > max_bytes(cfg))
		return "memory";
	if ((r->transitions & 0xfff) == 0) {
		if (cfg->progress)
			cfg->progress(r->states, r->transitions,
				      cfg->progress_arg);
		if (cfg->max_seconds > 0 &&
		    host_now() > b->start + cfg->max_seconds)
			return "time";
	}
	return NULL;
}

const char *explore_bound(const struct explore_config *cfg,
			  const struct explore_result *r, char *buf,
			  size_t size)
{
	if (!strcmp(r->limit, "states"))
		snprintf(buf, size, "%llu states",
			 (unsigned long long)max_states(cfg));
	else if (!strcmp(r->limit, "memory"))
		snprintf(buf, size, "%llu KiB",
			 (unsigned long long)(max_bytes(cfg) >> 10));
	else if (!strcmp(r->limit, "time"))
		snprintf(buf, size, "%g s", cfg->max_seconds);
	else
		snprintf(buf, size, "%s", r->limit);
	return buf;
}

/* Arrived in a new or known state by the move of @f. */
static int arrive(struct dfs *d, u32 fi)
{
	struct frame *f = fi == UINT32_MAX ? NULL : &d->f[fi];
	u32 sleep = 0, todo, old;
	u32 on = moves_enabled();
	struct hash128 key;

	if (f)
		for (u32 m = f->sleep; m; m &= m - 1) {
			u32 u = (u32)__builtin_ctz(m);

			if (independent(f->rd[u], f->wr[u], explorer.rd, explorer.wr))
				sleep |= 1u << u;
		}
	if (!d->cfg->use_sleep_sets)
		sleep = 0;
	key = f ? next_hash(f->key, f->snap) : state_hash();
	switch (visited_meet(&d->seen, key, sleep, &old)) {
	case VISITED_NEW:
		d->r->states++;
		todo = on & ~sleep;
		if (on == moves_idle(on)) {
			d->r->finals++;
			moves_check_final(d->cfg);
			if (explorer.is_violated)
				return 0;
		}
		break;
	case VISITED_KNOWN:
		todo = on & old & ~sleep;
		sleep &= old;
		break;
	default:
		return -ENOMEM;
	}
	if (!todo)
		return 0;
	return push(d, todo, sleep, key, f);
}

static int dfs_run(struct dfs *d)
{
	int rc = arrive(d, UINT32_MAX);

	while (!rc && d->depth && !explorer.is_violated) {
		u32 fi = d->depth - 1;
		struct frame *f = &d->f[fi];
		const char *limit;

		if (!frame_next(f)) {
			d->depth--;
			continue;
		}
		limit = out_of_budget(d->budget, d->r, visited_bytes(&d->seen));
		if (limit) {
			d->r->outcome = EXPLORE_NOT_FINISHED;
			d->r->limit = limit;
			return 0;
		}
		snap_restore(f->snap);
		memcpy(explorer.pick, f->pick, sizeof(explorer.pick));
		explorer.nr_told = f->nr_told;
		moves_run(f->at);
		d->r->transitions++;
		f->nr_told = explorer.nr_picks;
		memcpy(f->pick, explorer.pick, sizeof(f->pick));
		memcpy(f->options, explorer.options, sizeof(f->options));
		f->at_rd |= explorer.rd;
		f->at_wr |= explorer.wr;
		if (explorer.sys->loads_grew)
			return 0;       /* from the beginning */
		if (explorer.is_violated)
			break;
		if (moves_lost_precision()) {
			d->r->outcome = EXPLORE_NOT_FINISHED;
			d->r->limit = "envelope or choice capacity";
			return 0;
		}
		rc = arrive(d, fi);
	}
	if (rc)
		return rc;
	if (explorer.is_violated) {
		d->r->outcome = EXPLORE_VIOLATION;
		return keep_moves(d);
	}
	d->r->outcome = EXPLORE_PROVED;
	return 0;
}

/* ---- entry points ------------------------------------------------------------------- */

/* One search from @start on, whichever kind is asked for. */
static int search(struct dfs *d, const struct snap *start)
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
	visited_destroy(&d->seen);
	d->depth = 0;
	d->r->states = d->r->transitions = d->r->finals = 0;
	d->r->max_depth = 0;
	rc = visited_create(&d->seen);
	return rc ? rc : dfs_run(d);
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

int explore(struct sys *sys, const struct explore_config *cfg,
	    struct explore_result *r)
{
	const struct budget budget = { cfg, host_now() };
	struct dfs d;
	struct snap *start;
	int rc = 0;

	memset(r, 0, sizeof(*r));
	memset(&d, 0, sizeof(d));
	moves_begin(sys);
	d.cfg = cfg;
	d.r = r;
	d.budget = &budget;
	r->state_bytes = sys->arena.used;
	start = snap_take();
	if (sys->memory_model == MEM_WEAK && cfg->mode == EXPLORE_ALL) {
		sys->loads = calloc(sys->nr_cpus, sys->arena.reserved >> 3);
		if (!sys->loads)
			rc = -ENOMEM;
	}
	if (!start)
		rc = -ENOMEM;
	/* Old values are kept of words that are loaded. Which those are is
	 * found out on the way: with a new one, the search begins again. */
	do {
		sys->loads_grew = false;
		if (!rc)
			rc = search(&d, start);
	} while (!rc && sys->loads_grew);
	if (!rc)
		rc = search_more(cfg, start, r);
	r->host_seconds = host_now() - budget.start;
	for (u32 i = 0; i < d.capacity; i++)
		free(d.f[i].snap);
	free(d.f);
	visited_destroy(&d.seen);
	free(start);
	free(sys->loads);
	sys->loads = NULL;
	return rc;
}
