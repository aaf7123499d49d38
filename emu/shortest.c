/* The shortest counterexample: fewest context switches, then fewest moves. */
#include "base/grow.h"
#include "emu/moves.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "emu/trail.h"
#include "emu/visited.h"

/* Breadth first over (state, CPU that moved last), by context switches and then
 * by moves: two queues, this number of switches and the next. No sleep sets:
 * they keep some schedule to each state, not the shortest. */
struct node {
	u32 parent;
	u32 switches;
	struct explore_move move;
	struct snap *snap;      /* NULL: expanded                             */
};

struct bfs {
	struct node *node;
	u32 n, capacity;
	u32 *queue[2];
	u32 len[2], cap[2];
	struct visited seen;
	u64 bytes;
	u32 bound;              /* no violation has more context switches     */
};

#define MAX_SWITCHES 64

#define BFS_MAX_BYTES (1ull << 30)

static int bfs_enqueue(struct bfs *b, u32 which, u32 i)
{
	if (GROW(b->queue[which], b->len[which], b->cap[which], 1024))
		return -ENOMEM;
	b->queue[which][b->len[which]++] = i;
	return 0;
}

static int bfs_node(struct bfs *b, u32 parent, u32 switches,
		    const struct explore_move *m, struct snap *snap, u32 *out)
{
	if (GROW(b->node, b->n, b->capacity, 1024))
		return -ENOMEM;
	b->node[b->n].parent = parent;
	b->node[b->n].switches = switches;
	b->node[b->n].move = *m;
	b->node[b->n].snap = snap;
	*out = b->n++;
	return 0;
}

static int bfs_keep(struct bfs *b, u32 last, const struct explore_move *final,
		    u32 switches, struct explore_result *r)
{
	struct explore_move *m;
	u32 n = final ? 1 : 0;

	for (u32 i = last; i; i = b->node[i].parent)
		n++;
	m = calloc(n ? n : 1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	r->nr_moves = n;
	if (final)
		m[--n] = *final;
	for (u32 i = last; i; i = b->node[i].parent)
		m[--n] = b->node[i].move;
	free(r->moves);
	r->moves = m;
	r->switches = switches;
	r->is_shortest = true;
	return 0;
}

/* Leaving a CPU that could have gone on. Others are free: it is done, or waits. */
static u32 preempts(u32 on, u32 last, u32 cpu)
{
	return cpu != last && (on >> id_of(last, X_STEP) & 1);
}

static struct hash128 with_cpu(struct hash128 h, u32 cpu)
{
	h.lo ^= (cpu + 1) * 0x9e3779b97f4a7c15ull;
	return h;
}

/* Expand node @i. Return: 1 when a violation was found and kept. */
static int bfs_expand(struct bfs *b, u32 i, u32 now, u32 switches,
		      const struct explore_config *cfg,
		      struct explore_result *r)
{
	struct snap *snap = b->node[i].snap;
	u32 last = b->node[i].move.cpu, on;
	int rc;

	snap_restore(snap);
	on = moves_enabled();
	if (on == moves_idle(on)) {
		moves_check_final(cfg);
		if (explorer.is_violated)
			return bfs_keep(b, i, NULL, switches, r) ? -ENOMEM : 1;
	}
	/* The CPU that moved last first: going on is not a switch. */
	for (u32 m = on; m; m &= m - 1) {
		u32 id = (u32)__builtin_ctz(m), cpu = id / NR_X_KINDS;
		struct explore_move move = { .cpu = (u8)cpu,
					     .kind = (u8)(id % NR_X_KINDS) };
		u32 cost = i ? preempts(on, last, cpu) : 0;

		if (switches + cost > b->bound)
			continue;
		explorer.nr_told = 0;
		for (;;) {
			u32 child;
			struct snap *s;

			snap_restore(snap);
			moves_run(id);
			move.nr_picks = (u8)explorer.nr_picks;
			memcpy(move.pick, explorer.pick, sizeof(move.pick));
			if (explorer.is_violated)
				return bfs_keep(b, i, &move, switches + cost,
						r) ? -ENOMEM : 1;
			if (visited_lower(&b->seen, with_cpu(state_hash(), cpu),
					  switches + cost) == VISITED_NEW) {
				s = snap_take();
				if (!s)
					return -ENOMEM;
				b->bytes += s->bytes;
				rc = bfs_node(b, i, switches + cost, &move, s,
					      &child);
				if (!rc)
					rc = bfs_enqueue(b, now ^ cost, child);
				if (rc)
					return rc;
			}
			/* next outcome */
			explorer.nr_told = explorer.nr_picks;
			while (explorer.nr_told &&
			       ++explorer.pick[explorer.nr_told - 1] >=
			       explorer.options[explorer.nr_told - 1])
				explorer.nr_told--;
			if (!explorer.nr_told)
				break;
		}
	}
	return 0;
}

/* How many switches are needed: depth first within 0, 1, 2 ... of them. Needs
 * no frontier, so it tells the breadth-first search where to stop looking. */
struct bounded {
	struct trail trail;
	struct place {
		struct frame f;
		u32 used;       /* switches up to here                        */
		u32 last;       /* CPU that moved last                        */
	} *at;                  /* [depth] from the start to here             */
	u32 depth, capacity;
	struct visited seen;
};

static int bounded_push(struct bounded *b, u32 last, u32 used)
{
	struct place *at;
	struct frame *f;

	if (GROW(b->at, b->depth, b->capacity, 256))
		return -ENOMEM;
	at = &b->at[b->depth];
	f = &at->f;
	memset(f, 0, offsetof(struct frame, rd));
	if (b->depth ? trail_push(&b->trail) : trail_start(&b->trail))
		return -ENOMEM;
	f->todo = moves_enabled();
	f->sleep = f->todo;     /* here: all that was enabled */
	f->at = NR_IDS;
	at->used = used;
	at->last = last;
	b->depth++;
	return 0;
}

static int bounded_keep(const struct bounded *b, struct explore_result *r)
{
	struct explore_move *m = calloc(b->depth ? b->depth : 1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	for (u32 i = 0; i < b->depth; i++) {
		const struct frame *f = &b->at[i].f;

		m[i].cpu = (u8)(f->at / NR_X_KINDS);
		m[i].kind = (u8)(f->at % NR_X_KINDS);
		m[i].nr_picks = (u8)f->nr_told;
		memcpy(m[i].pick, f->pick, sizeof(m[i].pick));
	}
	free(r->moves);
	r->moves = m;
	r->nr_moves = b->depth;
	return 0;
}

/* The machine made the top frame's move. */
static int bounded_arrive(struct bounded *b, const struct budget *budget,
			  u32 cpu, u32 used, struct explore_result *r)
{
	struct trail *t = &b->trail;
	u32 on;

	if (trail_look(t, cpu))
		return -ENOMEM;
	if (visited_lower(&b->seen, with_cpu(t->now, cpu), used) !=
	    VISITED_NEW) {
		trail_back(t);
		return 0;
	}
	r->states = b->seen.n;
	on = moves_enabled();
	if (on == moves_idle(on)) {
		r->finals++;
		moves_check_final(budget->cfg);
		if (explorer.is_violated)
			return 0;
		if (trail_look(t, cpu))         /* ghosts may have changed */
			return -ENOMEM;
	}
	if (on)
		return bounded_push(b, cpu, used);
	trail_back(t);
	return 0;
}

int bounded_search(const struct budget *budget, const struct snap *start,
		   u32 bound, struct explore_result *r)
{
	struct bounded b;
	const char *limit = NULL;
	int rc;

	memset(&b, 0, sizeof(b));
	snap_restore(start);
	explorer.is_violated = false;
	r->states = r->transitions = r->finals = 0;
	rc = visited_create(&b.seen);
	if (!rc)
		rc = bounded_push(&b, UINT32_MAX, 0);
	while (!rc && b.depth && !explorer.is_violated) {
		struct place *top = &b.at[b.depth - 1];
		struct frame *f = &top->f;
		u32 used = top->used, last = top->last, cpu;

		if (!frame_next(f)) {
			b.depth--;
			trail_pop(&b.trail);
			continue;
		}
		cpu = f->at / NR_X_KINDS;
		used += last == UINT32_MAX ? 0 : preempts(f->sleep, last, cpu);
		if (used > bound) {
			f->nr_told = 0;
			continue;
		}
		limit = out_of_budget(budget, r, visited_bytes(&b.seen));
		if (!limit && moves_lost_precision())
			limit = "envelope or choice capacity";
		if (limit)
			break;
		memcpy(explorer.pick, f->pick, sizeof(explorer.pick));
		explorer.nr_told = f->nr_told;
		moves_run(f->at);
		r->transitions++;
		f->nr_told = explorer.nr_picks;
		memcpy(f->pick, explorer.pick, sizeof(f->pick));
		memcpy(f->options, explorer.options, sizeof(f->options));
		if (b.depth > r->max_depth)
			r->max_depth = b.depth;
		if (explorer.is_violated || explorer.sys->loads_grew)
			break;
		rc = bounded_arrive(&b, budget, cpu, used, r);
	}
	r->outcome = explorer.is_violated ? EXPLORE_VIOLATION
		   : limit ? EXPLORE_NOT_FINISHED : EXPLORE_BOUNDED;
	r->limit = limit;
	if (!rc && explorer.is_violated)
		rc = bounded_keep(&b, r);
	trail_free(&b.trail);
	free(b.at);
	visited_destroy(&b.seen);
	return rc;
}

/* Return: 1 when a violation needs at most @bound switches, 0 when not, or
 * -ENOMEM. */
static int within(const struct explore_config *cfg, const struct snap *start,
		  u32 bound)
{
	const struct explore_config all = { .on_final = cfg->on_final,
					    .final_arg = cfg->final_arg,
					    .deadlock_is_final =
						cfg->deadlock_is_final,
					    .max_states = UINT64_MAX,
					    .max_bytes = UINT64_MAX };
	const struct budget none = { .cfg = &all };
	struct explore_result r;
	int rc;

	memset(&r, 0, sizeof(r));
	rc = bounded_search(&none, start, bound, &r);
	free(r.moves);
	return rc ? rc : r.outcome == EXPLORE_VIOLATION;
}

int shortest(const struct explore_config *cfg, struct snap *start,
		    struct explore_result *r)
{
	struct bfs b;
	struct explore_move none = { 0 };
	u32 root, now = 0, switches = 0, head[2] = { 0, 0 };
	int rc;

	memset(&b, 0, sizeof(b));
	b.bound = 0;
	while ((rc = within(cfg, start, b.bound)) == 0 && b.bound < MAX_SWITCHES)
		b.bound++;
	if (rc < 0)
		return rc;
	explorer.is_violated = false;
	snap_restore(start);
	rc = visited_create(&b.seen);
	if (!rc)
		rc = bfs_node(&b, 0, 0, &none, start, &root);
	if (!rc)
		rc = bfs_enqueue(&b, 0, root);
	while (!rc) {
		u32 i;

		if (head[now] == b.len[now]) {
			b.len[now] = head[now] = 0;
			now ^= 1;
			switches++;
			if (head[now] == b.len[now])
				break;          /* cannot be: one exists */
			continue;
		}
		if (b.bytes > BFS_MAX_BYTES)
			break;                  /* keep the first one found */
		i = b.queue[now][head[now]++];
		rc = bfs_expand(&b, i, now, switches, cfg, r);
		if (i) {
			b.bytes -= b.node[i].snap->bytes;
			free(b.node[i].snap);
			b.node[i].snap = NULL;
		}
	}
	for (u32 i = 1; i < b.n; i++)
		free(b.node[i].snap);
	free(b.node);
	free(b.queue[0]);
	free(b.queue[1]);
	visited_destroy(&b.seen);
	explorer.is_violated = true;
	return rc < 0 ? rc : 0;
}
