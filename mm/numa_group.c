/* Tasks that share memory belong together: task_numa_group(), active nodes, the
 * node of a group. */
#include <stdlib.h>

#include "mm/numa_balancing.h"

#define ACTIVE_FRACTION 3u

static struct numa_group *found(struct numa_task *t)
{
	struct numa_group *g = calloc(1, sizeof(*g));

	if (!g)
		abort();
	g->nr_tasks = 1;
	g->gid = t->t->sched->pid;
	g->active_nodes = 1;
	g->mem = t->f[NUMA_MEM];
	g->cpu = t->f[NUMA_CPU];
	g->total = t->total_faults;
	g->next = numab()->groups;
	numab()->groups = g;
	return g;
}

static void move_faults(struct numa_faults *from, struct numa_faults *to,
			const struct numa_faults *f)
{
	for (u32 n = 0; n < numab()->nr_nodes; n++)
		for (int p = 0; p < 2; p++) {
			u64 v = f->n[n][p];

			from->n[n][p] -= v < from->n[n][p] ? v : from->n[n][p];
			to->n[n][p] += v;
		}
}

static void join(struct numa_task *t, struct numa_group *g)
{
	struct numa_group *old = t->group;
	u64 v = t->total_faults;

	move_faults(&old->mem, &g->mem, &t->f[NUMA_MEM]);
	move_faults(&old->cpu, &g->cpu, &t->f[NUMA_CPU]);
	old->total -= v < old->total ? v : old->total;
	g->total += v;
	old->nr_tasks--;
	g->nr_tasks++;
	t->group = g;
}

/* The smaller group joins; of equals, the younger: Linux compares addresses. */
static bool is_ours_to_join(const struct numa_group *mine,
			    const struct numa_group *g)
{
	if (!g || g == mine || mine->nr_tasks > g->nr_tasks)
		return false;
	return mine->nr_tasks < g->nr_tasks || mine->gid > g->gid;
}

void task_numa_group(struct numa_task *t, u32 cpupid, bool is_shared_vma,
		     int *is_private)
{
	struct sched_task *s = sched_curr_of(cpupid_cpu(cpupid));
	struct numa_task *other = numa_of(s);

	if (!t->group)
		t->group = found(t);
	/* Who runs there now must be who it was. */
	if (!other || !cpupid_is_mine(cpupid, s->pid) ||
	    !is_ours_to_join(t->group, other->group))
		return;
	if (thread_mm(other->t) != t->t->mm && !is_shared_vma) {
		*is_private = 1;        /* the PID's 8 bits lied */
		return;
	}
	charge(2 * cost_of(COST_LOCK));
	join(t, other->group);
}

void numa_group_count_active(struct numa_group *g)
{
	u32 active = 0;

	g->max_faults_cpu = 0;
	for (u32 n = 0; n < numab()->nr_nodes; n++)
		if (numa_sum(&g->cpu, n) > g->max_faults_cpu)
			g->max_faults_cpu = numa_sum(&g->cpu, n);
	for (u32 n = 0; n < numab()->nr_nodes; n++)
		active += numa_is_active(g, n);
	g->active_nodes = active;
}

bool numa_is_active(const struct numa_group *g, u32 node)
{
	return numa_sum(&g->cpu, node) * ACTIVE_FRACTION > g->max_faults_cpu;
}

/* Of the nodes in @nodes that are nearer than @dist to each other, the half with
 * the most faults; *@nid one of them. */
static u64 best_half(const struct numa_group *g, u64 nodes, u32 dist, int *nid)
{
	u64 most = 0, best = 0;

	for (u64 left = nodes; left; ) {
		u32 a = (u32)__builtin_ctzll(left);
		u64 faults = 0, half = 0;

		for (u32 b = 0; b < numab()->nr_nodes; b++)
			if (left >> b & 1 &&
			    machine_distance(the_sys->m, a, b) < dist) {
				faults += numa_sum(&g->mem, b);
				half |= 1ull << b;
			}
		if (faults > most) {
			most = faults;
			best = half;
			*nid = (int)a;
		}
		left &= ~(half | 1ull << a);
	}
	return best;
}

static bool has_distance(u32 dist)
{
	u32 n = numab()->nr_nodes;

	for (u32 i = 0; i < n * n; i++)
		if (the_sys->m->distance[i] == dist)
			return true;
	return false;
}

int preferred_group_nid(const struct numa_task *t, int nid)
{
	const struct numa_state *s = numab();
	u64 most = 0, nodes = 0;

	if (s->topology == NUMA_DIRECT)
		return nid;
	for (u32 n = 0; n < s->nr_nodes; n++) {
		u64 w = s->node[n].has_cpus
			? group_weight(t, n, s->max_distance) : 0;

		nodes |= (u64)s->node[n].has_cpus << n;
		if (s->topology == NUMA_GLUELESS_MESH && w > most) {
			most = w;
			nid = (int)n;
		}
	}
	if (s->topology == NUMA_GLUELESS_MESH)
		return nid;
	for (u32 d = s->max_distance; d > 10; d--) {
		if (!has_distance(d))
			continue;
		nodes = best_half(t->group, nodes, d, &nid);
		if (!nodes)
			break;
	}
	return nid;
}
