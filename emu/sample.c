/* Schedules at random, where the space is too large: what is not found this way
 * may be there all the same. */
#include "emu/moves.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A run that is still going after so many moves is given up. */
#define MAX_MOVES 20000u
#define MAX_DEPTH 64u

struct sampler {
	struct rng rng;
	u32 priority[NR_IDS];   /* PCT: the highest that can, runs            */
	u32 change[MAX_DEPTH];  /* [d - 1] before which move one falls        */
	u32 nr_changes;
	u32 longest;            /* run so far, in moves                       */
	struct explore_move *move;
	u32 n;
};

static u32 nth_bit(u32 mask, u32 n)
{
	while (n--)
		mask &= mask - 1;
	return (u32)__builtin_ctz(mask);
}

static u32 highest(const struct sampler *s, u32 on)
{
	u32 best = (u32)__builtin_ctz(on);

	for (u32 m = on; m; m &= m - 1) {
		u32 id = (u32)__builtin_ctz(m);

		if (s->priority[id] > s->priority[best])
			best = id;
	}
	return best;
}

/* Priorities above those that change points hand out, in random order. */
static void draw_priorities(struct sampler *s, u32 depth)
{
	for (u32 i = 0; i < NR_IDS; i++)
		s->priority[i] = depth + i;
	rng_shuffle(&s->rng, s->priority, NR_IDS, sizeof(s->priority[0]));
	s->nr_changes = depth - 1;
	for (u32 i = 0; i < s->nr_changes; i++)
		s->change[i] = (u32)rng_below(&s->rng, s->longest);
}

static u32 pick_move(struct sampler *s, enum explore_mode mode, u32 on)
{
	u32 id;

	if (mode == EXPLORE_RANDOM)
		return nth_bit(on, (u32)rng_below(&s->rng, (u32)
						  __builtin_popcount(on)));
	id = highest(s, on);
	for (u32 i = 0; i < s->nr_changes; i++)
		if (s->change[i] == s->n) {
			s->priority[id] = i + 1;
			id = highest(s, on);
		}
	return id;
}

/* One schedule. */
static void run(struct sampler *s, const struct explore_config *cfg,
		const struct snap *start, struct explore_result *r)
{
	/* How long a run is has to be known to place changes in it. */
	enum explore_mode mode = s->longest ? cfg->mode : EXPLORE_RANDOM;

	if (mode == EXPLORE_PCT)
		draw_priorities(s, cfg->pct_depth);
	snap_restore(start);
	for (s->n = 0; s->n < MAX_MOVES && !explorer.is_violated; ) {
		struct explore_move *m = &s->move[s->n];
		u32 on = moves_enabled(), id;

		if (on == moves_idle(on)) {
			r->finals++;
			moves_check_final(cfg);
			break;
		}
		id = pick_move(s, mode, on);
		explorer.nr_told = 0;
		moves_run(id);
		r->transitions++;
		*m = (struct explore_move){ .cpu = (u8)(id / NR_X_KINDS),
					    .kind = (u8)(id % NR_X_KINDS),
					    .nr_picks = (u8)explorer.nr_picks };
		memcpy(m->pick, explorer.pick, sizeof(m->pick));
		s->n++;
	}
	if (s->n > s->longest)
		s->longest = s->n;
}

static int keep(const struct sampler *s, struct explore_result *r)
{
	r->moves = malloc((s->n ? s->n : 1) * sizeof(*s->move));
	if (!r->moves)
		return -ENOMEM;
	memcpy(r->moves, s->move, s->n * sizeof(*s->move));
	r->nr_moves = s->n;
	return 0;
}

int sample(const struct budget *budget, const struct snap *start,
	   struct explore_result *r)
{
	const struct explore_config *cfg = budget->cfg;
	struct sampler s;
	const char *limit = NULL;
	int rc = 0;

	if (cfg->mode == EXPLORE_PCT &&
	    (!cfg->pct_depth || cfg->pct_depth > MAX_DEPTH))
		return -EINVAL;
	memset(&s, 0, sizeof(s));
	rng_init(&s.rng, cfg->seed);
	s.move = calloc(MAX_MOVES, sizeof(*s.move));
	if (!s.move)
		return -ENOMEM;
	explorer.rng = &s.rng;
	while (r->runs < cfg->runs && !explorer.is_violated) {
		run(&s, cfg, start, r);
		r->runs++;
		if (s.n > r->max_depth)
			r->max_depth = s.n;
		if (cfg->max_seconds > 0 &&
		    host_now() > budget->start + cfg->max_seconds) {
			limit = r->runs < cfg->runs ? "time" : NULL;
			break;
		}
		if (cfg->progress)
			cfg->progress(r->runs, r->transitions,
				      cfg->progress_arg);
	}
	explorer.rng = NULL;
	r->outcome = explorer.is_violated ? EXPLORE_VIOLATION
		   : limit ? EXPLORE_NOT_FINISHED : EXPLORE_SAMPLED;
	r->limit = limit;
	if (explorer.is_violated)
		rc = keep(&s, r);
	free(s.move);
	return rc;
}
