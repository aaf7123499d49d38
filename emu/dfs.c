#include "emu/dfs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- depth first ----------------------------------------------------------------- */

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

/* The machine is in a new state, which the trail has looked at: the top. */
static int push(struct dfs *d, u32 todo, u32 sleep, struct hash128 key,
		const struct frame *parent)
{
	struct frame *f;

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
	if (d->depth && trail_push(&d->trail))
		return -ENOMEM;
	f = &d->f[d->depth];
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

static struct explore_move move_at(const struct frame *f)
{
	struct explore_move m = { .cpu = (u8)(f->at / NR_X_KINDS),
				  .kind = (u8)(f->at % NR_X_KINDS),
				  .nr_picks = (u8)f->nr_told };

	memcpy(m.pick, f->pick, sizeof(m.pick));
	return m;
}

struct explore_move *dfs_path(const struct dfs *d, u32 depth)
{
	struct explore_move *m = calloc(d->nr_base + depth + 1, sizeof(*m));

	if (!m)
		return NULL;
	if (d->nr_base)
		memcpy(m, d->base, d->nr_base * sizeof(*m));
	for (u32 i = 0; i < depth; i++)
		m[d->nr_base + i] = move_at(&d->f[i]);
	return m;
}

static int keep_moves(struct dfs *d)
{
	struct explore_move *m = dfs_path(d, d->depth);

	if (!m)
		return -ENOMEM;
	free(d->r->moves);
	d->r->moves = m;
	d->r->nr_moves = d->nr_base + d->depth;
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
		if (cfg->save && host_now() > b->slice + (cfg->save_seconds > 0
				? cfg->save_seconds : 60))
			return LIMIT_SLICE;
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

/* The machine is where the move of frame @fi led, or at the start. */
static int look(struct dfs *d, u32 fi)
{
	return fi == UINT32_MAX ? trail_start(&d->trail)
		: trail_look(&d->trail, d->f[fi].at / NR_X_KINDS);
}

static enum visited_answer meet(struct dfs *d, struct hash128 key, u32 sleep,
				u32 *old)
{
	return d->shared ? shared_set_meet(d->shared, key, sleep, old)
			 : visited_meet(&d->seen, key, sleep, old);
}

/* Nothing is left to do here. That may touch the state, as ghosts: look again. */
static int arrive_final(struct dfs *d, u32 fi)
{
	d->r->finals++;
	moves_check_final(d->cfg);
	return explorer.is_violated ? 0 : look(d, fi);
}

/* What the move of @f leaves asleep. */
static u32 sleep_after(const struct dfs *d, const struct frame *f)
{
	u32 sleep = 0;

	if (!f || !d->cfg->use_sleep_sets)
		return 0;
	for (u32 m = f->sleep; m; m &= m - 1) {
		u32 u = (u32)__builtin_ctz(m);

		if (independent(f->rd[u], f->wr[u], explorer.rd, explorer.wr))
			sleep |= 1u << u;
	}
	return sleep;
}

/* Arrived in a new or known state by the move of frame @fi. */
static int arrive(struct dfs *d, u32 fi)
{
	struct frame *f = fi == UINT32_MAX ? NULL : &d->f[fi];
	u32 sleep, todo, old, on;
	struct hash128 key;

	if (look(d, fi))
		return -ENOMEM;
	key = f ? d->trail.now : d->trail.key;
	if (!d->shared)
		visited_prefetch(&d->seen, key);
	on = moves_enabled();
	sleep = sleep_after(d, f);
	switch (meet(d, key, sleep, &old)) {
	case VISITED_NEW:
		d->r->states++;
		todo = on & ~sleep;
		if (on == moves_idle(on)) {
			int rc = arrive_final(d, fi);

			if (rc || explorer.is_violated)
				return rc;
		}
		break;
	case VISITED_KNOWN:
		todo = on & old & ~sleep;
		sleep &= old;
		break;
	default:
		return d->shared ? -ENOSPC : -ENOMEM;
	}
	if (todo)
		return push(d, todo, sleep, key, f);
	if (f)
		trail_back(&d->trail);
	return 0;
}

int dfs_begin(struct dfs *d)
{
	return arrive(d, UINT32_MAX);
}

int dfs_run(struct dfs *d)
{
	int rc = 0;

	while (!rc && d->depth && !explorer.is_violated) {
		u32 fi = d->depth - 1;
		struct frame *f = &d->f[fi];
		const char *limit = d->poll ? d->poll(d, d->poll_arg)
			: out_of_budget(d->budget, d->r,
					visited_bytes(&d->seen));

		if (limit) {
			d->r->outcome = EXPLORE_NOT_FINISHED;
			d->r->limit = limit;
			return 0;
		}
		if (!frame_next(f)) {
			d->depth--;
			trail_pop(&d->trail);
			continue;
		}
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

void dfs_free(struct dfs *d)
{
	free(d->f);
	trail_free(&d->trail);
	free(d->base);
	visited_destroy(&d->seen);
}

/* ---- going on elsewhere ------------------------------------------------------------- */

static int make_move(const struct explore_move *m)
{
	u32 id = id_of(m->cpu, m->kind);

	if (m->cpu >= explorer.sys->nr_cpus || m->kind >= NR_X_KINDS ||
	    !(moves_enabled() >> id & 1))
		return -EINVAL;
	memcpy(explorer.pick, m->pick, sizeof(explorer.pick));
	explorer.nr_told = m->nr_picks;
	moves_run(id);
	return explorer.is_violated ? -EINVAL : 0;
}

/* The machine is where @from was, after a move of @cpu unless it is the first. */
static int push_loaded(struct dfs *d, const struct frame *from, u32 cpu)
{
	struct hash128 now;
	int rc = d->depth ? trail_look(&d->trail, cpu)
			  : trail_start(&d->trail);

	now = d->depth ? d->trail.now : d->trail.key;
	if (!rc && (now.lo != from->key.lo || now.hi != from->key.hi))
		rc = -EINVAL;
	if (!rc)
		rc = push(d, from->todo, 0, from->key, NULL);
	if (!rc)
		d->f[d->depth - 1] = *from;
	return rc;
}

int dfs_load(struct dfs *d, const struct snap *start, const struct stack *s)
{
	struct explore_move m = { .cpu = 0 };
	int rc = 0;

	d->depth = 0;
	free(d->base);
	d->base = malloc((s->nr_base + 1) * sizeof(*d->base));
	if (!d->base)
		return -ENOMEM;
	memcpy(d->base, s->base, s->nr_base * sizeof(*d->base));
	d->nr_base = s->nr_base;
	snap_restore(start);
	for (u32 i = 0; i < s->nr_base && !rc; i++)
		rc = make_move(&s->base[i]);
	for (u32 i = 0; i < s->nr_frames && !rc; i++) {
		rc = push_loaded(d, &s->f[i], m.cpu);
		m = move_at(&s->f[i]);
		if (!rc && i + 1 < s->nr_frames)
			rc = make_move(&m);
	}
	return rc;
}

int dfs_give(struct dfs *d, struct frontier *to)
{
	struct explore_move *path;
	struct frame rest;
	u32 i = 0;
	int rc;

	while (i < d->depth && !d->f[i].todo)
		i++;
	if (i == d->depth)
		return 0;
	path = dfs_path(d, i);
	if (!path)
		return -ENOMEM;
	/* The move under way there is not over: nothing may be left out for
	 * its sake. */
	rest = d->f[i];
	rest.at = NR_IDS;
	rest.nr_told = 0;
	rc = frontier_add(to, path, d->nr_base + i, &rest, 1);
	free(path);
	if (!rc)
		d->f[i].todo = 0;
	return rc ? rc : 1;
}
