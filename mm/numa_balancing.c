/* What is known of machine, tasks and address spaces; see numa_balancing.h. */
#include "mm/kswapd.h"
#include "mm/numa_balancing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct numa_task *numa_of(const struct sched_task *t)
{
	return t ? t->t->numa : NULL;
}

struct numa_task *numa_current(void)
{
	struct thread *t = current();
	struct numa_task *n = t->numa;

	if (n)
		return n;
	n = calloc(1, sizeof(*n));
	if (!n)
		abort();                /* as the host's own allocator would */
	n->t = t;
	n->preferred_nid = -1;
	n->scan_period_ms = numab()->knobs.scan_delay_ms;
	/* Since 6.1: threads of a process do not begin in step. */
	if (numa_rules()->lb_resets && t->sched->pid > 1)
		n->node_stamp = 2 * sched_tick_cycles();
	if (!t->mm->numa_next_scan)
		t->mm->numa_next_scan = this_cpu->now +
			numab()->knobs.scan_delay_ms * numab()->ms;
	n->next = numab()->tasks;
	numab()->tasks = n;
	t->numa = n;
	return n;
}

/* ---- the machine ------------------------------------------------------------------ */

static bool are_between(const struct machine *m, u32 a, u32 b)
{
	u32 far = machine_distance(m, a, b);

	for (u32 c = 0; c < m->nr_nodes; c++)
		if (machine_distance(m, a, c) < far &&
		    machine_distance(m, b, c) < far)
			return true;
	return false;
}

/* Two distances at most: direct. Else it depends on whether a node lies between
 * the two that are farthest apart. */
static enum numa_topology topology_of(const struct machine *m, u32 *max)
{
	u32 n = m->nr_nodes, second = 0;
	bool seen[256] = { false };

	*max = 0;
	for (u32 i = 0; i < n * n; i++) {
		u32 d = m->distance[i] < 255 ? m->distance[i] : 255;

		second += !seen[d];
		seen[d] = true;
		if (m->distance[i] > *max)
			*max = m->distance[i];
	}
	if (second <= 2)
		return NUMA_DIRECT;
	for (u32 a = 0; a < n; a++)
		for (u32 b = 0; b < n; b++)
			if (machine_distance(m, a, b) == *max)
				return are_between(m, a, b)
					? NUMA_GLUELESS_MESH : NUMA_BACKPLANE;
	return NUMA_DIRECT;
}

static void set_nodes(struct numa_state *s)
{
	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		s->node[the_sys->cpu[i].node].nr_cpus++;
	for (u32 n = 0; n < s->nr_nodes; n++) {
		s->node[n].has_cpus = s->node[n].nr_cpus > 0;
		/* Memory without CPUs is the slow tier. */
		s->node[n].is_toptier = s->node[n].has_cpus;
	}
}

int numa_boot(const struct numa_knobs *knobs)
{
	const struct numa_rules *r = numa_rules();
	struct numa_state *s;

	if (the_sys->m->nr_nodes > NUMA_MAX_NODES)
		return -EINVAL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->aimed_at = calloc(the_sys->nr_cpus, 1);
	if (!s->aimed_at) {
		free(s);
		return -ENOMEM;
	}
	s->knobs = *knobs;
	if (!s->knobs.scan_period_min_ms)
		s->knobs.scan_period_min_ms = r->period_min_ms;
	if (!s->knobs.scan_period_max_ms)
		s->knobs.scan_period_max_ms = r->period_max_ms;
	s->ms = machine_ns_to_cycles(the_sys->m, 1000000);
	s->nr_nodes = the_sys->m->nr_nodes;
	s->topology = topology_of(the_sys->m, &s->max_distance);
	set_nodes(s);
	mms()->numa = s;
	numa_move_boot();
	return kswapd_boot();
}

#define FREE_LIST(list) \
	while (list) { \
		void *first_ = (list); \
		(list) = (list)->next; \
		free(first_); \
	}

void numa_shutdown(void)
{
	struct numa_state *s = mms() ? mms()->numa : NULL;

	if (!s)
		return;
	for (struct numa_task *t = s->tasks; t; t = t->next)
		t->t->numa = NULL;
	FREE_LIST(s->tasks);
	FREE_LIST(s->groups);
	FREE_LIST(s->mms);
	FREE_LIST(s->vmas);
	free(s->aimed_at);
	free(s);
	mms()->numa = NULL;
}
