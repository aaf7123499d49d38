/* O14: the graph of all states and moves, and a fair cycle in it (graph.h).
 *
 * Moves merged in cpu/step.c (with is_reduced) lose no livelock: a run that never
 * ends, reordered so that merged steps follow each other, is one of the same
 * steps of each task, since whoever can go on for ever fairly does. */
#include "base/grow.h"
#include "emu/trail.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu/graph.h"

struct build {
	struct graph g;
	struct visited seen;
	struct trail trail;
	struct place {
		struct frame f;
		u32 state;
	} *at;                  /* [depth] from the start to here             */
	u32 depth, capacity;
};

static int add_state(struct graph *g)
{
	if (GROW(g->due, g->nr_states, g->room_states, 1024))
		return -ENOMEM;
	g->due[g->nr_states++] = moves_enabled() & ~g->idle;
	return 0;
}

static int add_edge(struct graph *g, u32 from, u32 to, u32 id)
{
	struct edge *e;

	if (GROW(g->edge, g->nr_edges, g->room, 4096))
		return -ENOMEM;
	e = &g->edge[g->nr_edges++];
	*e = (struct edge){ .from = from, .to = to, .id = (u8)id,
			    .nr_picks = (u8)explorer.nr_picks };
	memcpy(e->pick, explorer.pick, sizeof(e->pick));
	return 0;
}

static int push(struct build *b, u32 state)
{
	struct frame *f;

	if (GROW(b->at, b->depth, b->capacity, 256))
		return -ENOMEM;
	f = &b->at[b->depth].f;
	memset(f, 0, offsetof(struct frame, rd));
	if (b->depth ? trail_push(&b->trail) : trail_start(&b->trail))
		return -ENOMEM;
	f->todo = moves_enabled();
	f->at = NR_IDS;
	b->at[b->depth++].state = state;
	return 0;
}

/* The machine is in the state that the top frame's move led to. */
static int arrive(struct build *b)
{
	u32 id = b->at[b->depth - 1].f.at, to;
	enum visited_answer a;
	int rc = trail_look(&b->trail, id / NR_X_KINDS);

	if (rc)
		return rc;
	a = visited_number(&b->seen, b->trail.now, &to);
	if (a == VISITED_NO_MEMORY)
		return -ENOMEM;
	rc = add_edge(&b->g, b->at[b->depth - 1].state, to, id);
	if (a == VISITED_KNOWN)
		trail_back(&b->trail);
	if (rc || a == VISITED_KNOWN)
		return rc;
	rc = add_state(&b->g);
	return rc ? rc : push(b, to);
}

static bool is_too_big(const struct build *b, u64 max_bytes)
{
	return visited_bytes(&b->seen) + b->g.room * sizeof(struct edge) * 2 +
	       b->g.room_states * 40ull > max_bytes;
}

/* All moves from all states. Return: 0, 1 when it does not fit, -ENOMEM. */
static int build(struct build *b, const struct explore_config *cfg,
		 const struct snap *start)
{
	u64 max_bytes = cfg->max_bytes ? cfg->max_bytes : 2ull << 30;
	u32 root;
	int rc;

	snap_restore(start);
	b->g.idle = moves_idle(~0u);
	rc = visited_create(&b->seen);
	if (!rc && visited_number(&b->seen, state_hash(), &root) != VISITED_NEW)
		rc = -ENOMEM;
	if (!rc)
		rc = add_state(&b->g);
	if (!rc)
		rc = push(b, 0);
	while (!rc && b->depth) {
		struct frame *f = &b->at[b->depth - 1].f;

		if (!frame_next(f)) {
			b->depth--;
			trail_pop(&b->trail);
			continue;
		}
		memcpy(explorer.pick, f->pick, sizeof(explorer.pick));
		explorer.nr_told = f->nr_told;
		moves_run(f->at);
		f->nr_told = explorer.nr_picks;
		memcpy(f->pick, explorer.pick, sizeof(f->pick));
		memcpy(f->options, explorer.options, sizeof(f->options));
		/* The search before this one went wherever this one goes. */
		assert(!explorer.is_violated && !explorer.sys->loads_grew);
		rc = arrive(b);
		if (!rc && is_too_big(b, max_bytes))
			rc = 1;
	}
	return rc;
}

static struct explore_move move_of(const struct edge *e)
{
	struct explore_move m = { .cpu = (u8)(e->id / NR_X_KINDS),
				  .kind = (u8)(e->id % NR_X_KINDS),
				  .nr_picks = e->nr_picks };

	memcpy(m.pick, e->pick, sizeof(m.pick));
	return m;
}

void livelock_check(const struct explore_move *moves, u32 n, u32 loop, u32 due)
{
	u32 made = 0, cpus = 0, at = 0;
	char who[64] = "";

	for (u32 i = loop; i < n; i++)
		made |= 1u << id_of(moves[i].cpu, moves[i].kind);
	if (n == loop || (due & ~made))
		return;
	for (u32 i = 0; i < EXPLORE_MAX_CPUS; i++)
		if (made >> id_of(i, X_STEP) & 1) {
			at += (u32)snprintf(who + at, sizeof(who) - at, "%s%u",
					    cpus ? ", " : "", i);
			cpus++;
		}
	explorer.is_violated = true;
	snprintf(explorer.oracle, sizeof(explorer.oracle), "O14");
	snprintf(explorer.text, sizeof(explorer.text),
		 "moves %u to %u lead back to where they began: CPU%s %s can "
		 "start over for ever", loop, n - 1, cpus == 1 ? "" : "s", who);
}

static int keep_lasso(const struct graph *g, const u32 *comp,
		      struct explore_result *r)
{
	struct explore_move *m;
	u64 *edges;
	u32 n, loop, due = 0;
	int rc = graph_lasso(g, comp, &edges, &n, &loop);

	if (rc)
		return rc;
	m = calloc(n, sizeof(*m));
	if (!m) {
		free(edges);
		return -ENOMEM;
	}
	for (u32 i = 0; i < n; i++) {
		m[i] = move_of(&g->edge[edges[i]]);
		if (i >= loop)
			due |= g->due[g->edge[edges[i]].from];
	}
	m[loop].is_loop = 1;
	free(edges);
	free(r->moves);
	r->moves = m;
	r->nr_moves = n;
	r->outcome = EXPLORE_VIOLATION;
	livelock_check(m, n, loop, due);
	assert(explorer.is_violated);
	return 0;
}

int livelock(const struct explore_config *cfg, const struct snap *start,
	     struct explore_result *r)
{
	struct build b;
	u32 *comp = NULL;
	int rc;

	memset(&b, 0, sizeof(b));
	rc = build(&b, cfg, start);
	trail_free(&b.trail);
	free(b.at);
	visited_destroy(&b.seen);
	if (rc == 1) {
		r->outcome = EXPLORE_NOT_FINISHED;
		r->limit = "memory, looking for a livelock";
	} else if (!rc) {
		rc = graph_index(&b.g);
		if (!rc)
			rc = graph_fair_cycles(&b.g, &comp);
		if (rc > 0)
			rc = keep_lasso(&b.g, comp, r);
	}
	free(comp);
	graph_free(&b.g);
	return rc < 0 ? rc : 0;
}
