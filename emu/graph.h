/* graph.h - states and moves of a small enough search, all of them, and the
 * cycles among them in which everybody runs and nobody gets on.
 *
 * A cycle of states is one in which nothing was achieved: whoever moves in it
 * comes back to where it was. That takes code that starts over (obs_restore()
 * at the place where it does: step.h); all else observes more with each step and
 * never meets its own state again. The cycle is a livelock when a fair scheduler
 * allows it: whatever move of a task, a store buffer or an interrupt is possible
 * at some point of it is made at some point of it (strong fairness, as a queued
 * lock, a bus or an interrupt controller gives it). What hardware picks on the
 * way (struct explore_move) need not be fair, nor need fills nobody asked for.
 */
#ifndef EMU_GRAPH_H
#define EMU_GRAPH_H

#include "emu/explore.h"
#include "emu/visited.h"

struct edge {
	u32 from, to;
	u8 id;                  /* id_of(cpu, kind)                           */
	u8 nr_picks;
	u8 pick[EXPLORE_MAX_PICKS];
};

struct graph {
	struct edge *edge;      /* by @from, in the order they were found     */
	u64 nr_edges, room;
	u64 *first;             /* [nr_states + 1] into @edge                 */
	u32 *due;               /* [nr_states] moves that fairness asks for   */
	u32 nr_states, room_states;
	u32 idle;               /* moves that achieve nothing: fills          */
};

/* graph_index - sort the edges and fill in @first. Return: 0 or -ENOMEM. */
int graph_index(struct graph *g);
void graph_free(struct graph *g);

/* graph_fair_cycle - the states of each component in which a fair scheduler can
 * stay for ever: *@comp[state] is its number, 0 where there is none.
 * Return: components found, or -ENOMEM. Free *@comp. */
int graph_fair_cycles(const struct graph *g, u32 **comp);

/* graph_lasso - the shortest way from state 0 to such a component, then once
 * round in it, with all moves that are due on the way. Return: 0 or -ENOMEM; *@edges
 * (free it) are indices of @edge, the loop begins at *@loop. */
int graph_lasso(const struct graph *g, const u32 *comp, u64 **edges, u32 *n,
		u32 *loop);

#endif
