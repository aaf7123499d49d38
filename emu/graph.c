#include "base/grow.h"
#include "emu/graph.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int graph_index(struct graph *g)
{
	struct edge *sorted = malloc((g->nr_edges + 1) * sizeof(*sorted));
	u64 *first = calloc(g->nr_states + 2ull, sizeof(*first));

	if (!sorted || !first) {
		free(sorted);
		free(first);
		return -ENOMEM;
	}
	/* first[s + 1] is where the next edge of s goes, so that at the end it
	 * is where those of s + 1 begin. */
	for (u64 i = 0; i < g->nr_edges; i++)
		first[g->edge[i].from + 2]++;
	for (u32 s = 0; s < g->nr_states; s++)
		first[s + 2] += first[s + 1];
	for (u64 i = 0; i < g->nr_edges; i++)
		sorted[first[g->edge[i].from + 1]++] = g->edge[i];
	free(g->edge);
	free(g->first);
	g->edge = sorted;
	g->first = first;
	return 0;
}

void graph_free(struct graph *g)
{
	free(g->edge);
	free(g->first);
	free(g->due);
	memset(g, 0, sizeof(*g));
}

/* ---- components ---------------------------------------------------------------- */

/* Tarjan's, without recursion. An edge counts when both its ends are in the same
 * component of the round before. */
struct scc {
	const struct graph *g;
	const u32 *old;         /* [nr_states] 0: left out                    */
	u32 *comp;              /* [nr_states] the result, from 1             */
	u32 *num, *low;         /* [nr_states] num 0: not met                 */
	u32 *stack, *call;
	u64 *at;                /* [nr_states] next edge                      */
	u32 nr, sp, nr_comps;
};

static bool counts(const struct scc *t, const struct edge *e)
{
	return t->old[e->from] && t->old[e->from] == t->old[e->to];
}

static void enter(struct scc *t, u32 s)
{
	t->num[s] = t->low[s] = ++t->nr;
	t->at[s] = t->g->first[s];
	t->stack[t->sp++] = s;
}

/* The component whose first state was @s is complete. */
static void complete(struct scc *t, u32 s)
{
	u32 x;

	t->nr_comps++;
	do {
		x = t->stack[--t->sp];
		t->comp[x] = t->nr_comps;
	} while (x != s);
}

static void search_from(struct scc *t, u32 root)
{
	u32 depth = 0;

	enter(t, root);
	t->call[depth++] = root;
	while (depth) {
		u32 s = t->call[depth - 1];

		if (t->at[s] < t->g->first[s + 1]) {
			const struct edge *e = &t->g->edge[t->at[s]++];

			if (!counts(t, e))
				continue;
			if (!t->num[e->to]) {
				enter(t, e->to);
				t->call[depth++] = e->to;
			} else if (!t->comp[e->to] &&
				   t->num[e->to] < t->low[s]) {
				t->low[s] = t->num[e->to];
			}
			continue;
		}
		depth--;
		if (t->low[s] == t->num[s])
			complete(t, s);
		if (depth && t->low[s] < t->low[t->call[depth - 1]])
			t->low[t->call[depth - 1]] = t->low[s];
	}
}

static int components(const struct graph *g, const u32 *old, u32 *comp,
		      u32 *nr_comps)
{
	u64 n = g->nr_states;
	struct scc t = { .g = g, .old = old, .comp = comp };
	u32 *block = malloc(4 * n * sizeof(u32));

	t.at = malloc(n * sizeof(u64));
	if (!block || !t.at) {
		free(block);
		free(t.at);
		return -ENOMEM;
	}
	t.num = block;
	t.low = block + n;
	t.stack = block + 2 * n;
	t.call = block + 3 * n;
	memset(t.num, 0, n * sizeof(u32));
	memset(comp, 0, n * sizeof(u32));
	for (u32 s = 0; s < n; s++)
		if (old[s] && !t.num[s])
			search_from(&t, s);
	*nr_comps = t.nr_comps;
	free(block);
	free(t.at);
	return 0;
}

/* ---- fair ones ------------------------------------------------------------------ */

/* Moves made within each component. */
static u32 *moves_within(const struct graph *g, const u32 *old, const u32 *comp,
			 u32 nr_comps)
{
	u32 *made = calloc(nr_comps + 1ull, sizeof(*made));

	for (u64 i = 0; made && i < g->nr_edges; i++) {
		const struct edge *e = &g->edge[i];

		if (old[e->from] && comp[e->from] == comp[e->to])
			made[comp[e->from]] |= 1u << e->id & ~g->idle;
	}
	return made;
}

/* A state in which a move is due that its component never makes cannot come up
 * for ever again: without such states, look for components again (Emerson and
 * Lei 1987). */
int graph_fair_cycles(const struct graph *g, u32 **out)
{
	u64 n = g->nr_states;
	u32 *old = malloc(n * sizeof(u32)), *comp = malloc(n * sizeof(u32));
	u32 nr_comps = 0, left = 0;
	bool is_settled = false;
	int rc = old && comp ? 0 : -ENOMEM;

	for (u32 s = 0; !rc && s < n; s++)
		old[s] = 1;
	while (!rc && !is_settled) {
		u32 *made, *swap;

		rc = components(g, old, comp, &nr_comps);
		made = rc ? NULL : moves_within(g, old, comp, nr_comps);
		if (!made) {
			rc = -ENOMEM;
			break;
		}
		is_settled = true;
		left = 0;
		for (u32 s = 0; s < n; s++) {
			u32 m = comp[s] ? made[comp[s]] : 0;

			if (comp[s] && (!m || (g->due[s] & ~m))) {
				/* Alone in it, or unfair to stay. */
				is_settled = is_settled && !m;
				comp[s] = 0;
			}
			left += comp[s] != 0;
		}
		free(made);
		swap = old;
		old = comp;
		comp = swap;
	}
	free(comp);
	if (rc) {
		free(old);
		return rc;
	}
	*out = old;
	return left ? (int)nr_comps : 0;
}

/* ---- a way there, and once round ------------------------------------------------- */

struct bfs {
	const struct graph *g;
	const u32 *comp;
	u64 *by;                /* [nr_states] edge that met it first, + 1    */
	u32 *queue;
	u64 *path;              /* edges so far                               */
	u32 n, room;
};

static int append(struct bfs *b, u64 e)
{
	if (GROW(b->path, b->n, b->room, 64))
		return -ENOMEM;
	b->path[b->n++] = e;
	return 0;
}

/* Append the edges from @from to the end of @e, @e included. */
static int append_way(struct bfs *b, u32 from, u64 last)
{
	u32 begin = b->n;
	int rc = append(b, last);

	for (u32 s = b->g->edge[last].from; !rc && s != from; ) {
		u64 e = b->by[s] - 1;

		rc = append(b, e);
		s = b->g->edge[e].from;
	}
	for (u32 i = begin, j = b->n; i + 1 < j; i++) {
		u64 swap = b->path[--j];

		b->path[j] = b->path[i];
		b->path[i] = swap;
	}
	return rc;
}

/* The first edge, breadth first from @from, that ends in state @to (with @to
 * UINT32_MAX: in any fair component) or makes one of the moves @ids; within one
 * component when @inside. Return: the edge, or -1. */
static s64 nearest(struct bfs *b, u32 from, u32 to, u32 ids, bool inside)
{
	const struct graph *g = b->g;
	u32 head = 0, tail = 0;

	memset(b->by, 0, g->nr_states * sizeof(u64));
	b->queue[tail++] = from;
	while (head < tail) {
		u32 s = b->queue[head++];

		for (u64 i = g->first[s]; i < g->first[s + 1]; i++) {
			const struct edge *e = &g->edge[i];

			if (inside && b->comp[e->to] != b->comp[from])
				continue;
			if ((ids >> e->id & 1) || e->to == to ||
			    (to == UINT32_MAX && !ids && b->comp[e->to]))
				return (s64)i;
			if (b->by[e->to] || e->to == from)
				continue;
			b->by[e->to] = i + 1;
			b->queue[tail++] = e->to;
		}
	}
	return -1;
}

static int lasso(struct bfs *b, u32 *loop)
{
	const struct graph *g = b->g;
	u32 start = 0, at, due = 0;
	s64 e;
	int rc = 0;

	if (!b->comp[0]) {
		e = nearest(b, 0, UINT32_MAX, 0, false);
		if (e < 0)
			return -ENOENT;
		rc = append_way(b, 0, (u64)e);
		start = g->edge[e].to;
	}
	*loop = b->n;
	for (u32 s = 0; s < g->nr_states; s++)
		if (b->comp[s] == b->comp[start])
			due |= g->due[s];
	at = start;
	while (!rc && (due || at != start || b->n == *loop)) {
		u32 begin = b->n;

		e = nearest(b, at, due ? UINT32_MAX : start, due, true);
		if (e < 0)
			return -ENOENT;
		rc = append_way(b, at, (u64)e);
		for (u32 i = begin; !rc && i < b->n; i++)
			due &= ~(1u << g->edge[b->path[i]].id);
		at = g->edge[e].to;
	}
	return rc;
}

/* Edges [i, j) of the path lead back to where they began: all that is due on
 * the way is made? */
static bool is_fair_loop(const struct bfs *b, u32 i, u32 j)
{
	u32 made = 0, due = 0;

	if (b->g->edge[b->path[i]].from != b->g->edge[b->path[j - 1]].to)
		return false;
	for (; i < j; i++) {
		made |= 1u << b->g->edge[b->path[i]].id;
		due |= b->g->due[b->g->edge[b->path[i]].from];
	}
	return (made & ~b->g->idle) && !(due & ~made);
}

/* Going round for all moves of the component can contain a loop that is fair to
 * those it meets. */
static void trim(struct bfs *b, u32 *loop)
{
	for (u32 j = *loop + 1; j <= b->n; j++)
		for (u32 i = j; i-- > *loop; )
			if (is_fair_loop(b, i, j)) {
				*loop = i;
				b->n = j;
				return;
			}
}

int graph_lasso(const struct graph *g, const u32 *comp, u64 **edges, u32 *n,
		u32 *loop)
{
	struct bfs b = { .g = g, .comp = comp };
	int rc = -ENOMEM;

	b.by = malloc(g->nr_states * sizeof(u64));
	b.queue = malloc((g->nr_states + 1ull) * sizeof(u32));
	if (b.by && b.queue)
		rc = lasso(&b, loop);
	if (!rc)
		trim(&b, loop);
	free(b.by);
	free(b.queue);
	if (rc) {
		free(b.path);
		return rc;
	}
	*edges = b.path;
	*n = b.n;
	return 0;
}
