/* Where a task should run: numa_migrate_preferred(), task_numa_migrate(), and what
 * the load balancer is told. A move is asked for here and done at the next tick of
 * the task (Linux's stopper thread does it at once). */
#include "mm/numa_balancing.h"

#define IMBALANCE_PCT 112
#define SMALL_GAIN 30
#define SMALL_IMBALANCE 2u      /* NUMA_IMBALANCE_MIN                         */
#define SMT_POWER 589u          /* of 1024, a thread with a sibling (3.13)    */

struct node_stats {
	s64 load, capacity;     /* tasks and CPUs, times 1024                 */
	u32 nr_running, nr_cpus;
	bool has_spare;
	int idle_cpu;
};

struct env {
	struct numa_task *t;
	u32 src_cpu, src_nid, dst_nid, dist;
	struct node_stats src, dst;
	struct sched_task *best_task;
	s64 best_gain;
	int best_cpu;
};

static bool is_3_13(void)
{
	return numa_rules()->move == NUMA_MOVE_3_13;
}

/* ---- nodes ------------------------------------------------------------------------- */

static bool has_sibling(u32 cpu)
{
	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		if (i != cpu && the_sys->m->cpu[i].core == the_sys->m->cpu[cpu].core)
			return true;
	return false;
}

static struct node_stats stats_of(const struct env *env, u32 node)
{
	struct node_stats s = { .idle_cpu = -1 };

	for (u32 i = 0; i < the_sys->nr_cpus; i++) {
		if (the_sys->cpu[i].node != node)
			continue;
		s.nr_cpus++;
		s.nr_running += sched_nr_running(i);
		s.capacity += is_3_13() && has_sibling(i) ? SMT_POWER : 1024;
		if (s.idle_cpu < 0 && !sched_nr_running(i) &&
		    !numab()->aimed_at[i] &&
		    cpuset_has(&env->t->t->sched->allowed, i))
			s.idle_cpu = (int)i;
	}
	s.load = (s64)s.nr_running * 1024;
	if (is_3_13())
		s.has_spare = s.nr_running < (u32)((s.capacity + 512) / 1024);
	else
		s.has_spare = s.nr_running < s.nr_cpus;
	return s;
}

static s64 distance_of(s64 a)
{
	return a < 0 ? -a : a;
}

/* Would this be worse than it is? */
static bool is_too_imbalanced(const struct env *env, s64 src, s64 dst)
{
	const struct node_stats *s = &env->src, *d = &env->dst;
	s64 large, small;

	if (is_3_13()) {
		src = src * 1024 / s->capacity;
		dst = dst * 1024 / d->capacity;
		large = src > dst ? src : dst;
		small = src > dst ? dst : src;
		return large * 100 > small * IMBALANCE_PCT;
	}
	return distance_of(dst * s->capacity - src * d->capacity) >
		distance_of(d->load * s->capacity - s->load * d->capacity);
}

/* ---- one CPU ----------------------------------------------------------------------- */

static void assign(struct env *env, u32 cpu, struct sched_task *task, s64 gain)
{
	if (env->best_cpu >= 0)
		numab()->aimed_at[env->best_cpu] = 0;
	numab()->aimed_at[cpu] = 1;
	env->best_cpu = (int)cpu;
	env->best_task = task;
	env->best_gain = gain;
}

static s64 weight_change(const struct env *env, const struct sched_task *cur,
			 bool by_group)
{
	const struct numa_task *c = numa_of(cur);

	if (by_group)
		return (s64)group_weight(c, env->src_nid, env->dist) -
			(s64)group_weight(c, env->dst_nid, env->dist);
	return (s64)task_weight(c, env->src_nid, env->dist) -
		(s64)task_weight(c, env->dst_nid, env->dist);
}

/* What both gain if they change places. */
static s64 swap_gain(const struct env *env, const struct sched_task *cur,
		     s64 task_gain, s64 group_gain)
{
	const struct numa_task *c = numa_of(cur);
	struct numa_group *mine = env->t->group, *theirs = c ? c->group : NULL;
	s64 gain;

	if (mine == theirs) {
		gain = task_gain + weight_change(env, cur, false);
		return theirs ? gain - gain / 16 : gain;
	}
	if (is_3_13())
		return (mine ? group_gain : task_gain) +
			weight_change(env, cur, theirs != NULL);
	return (mine ? group_gain : task_gain) +
		weight_change(env, cur, mine && theirs);
}

static bool may_go(const struct sched_task *t, u32 cpu)
{
	return cpuset_has(&t->allowed, cpu) && t->move_to < 0;
}

static void compare_3_13(struct env *env, u32 cpu, s64 task_gain, s64 group_gain)
{
	struct sched_task *cur = sched_curr_of(cpu);
	s64 gain = group_gain > 0 ? group_gain : task_gain;
	s64 moved = cur ? 0 : 1024;

	if (cur && !may_go(cur, env->src_cpu))
		return;
	if (cur)
		gain = swap_gain(env, cur, task_gain, group_gain);
	if (gain < env->best_gain)
		return;
	if (!cur && env->src.has_spare && !env->dst.has_spare)
		return;
	if (cur && sched_nr_running(env->src_cpu) == 1 &&
	    sched_nr_running(cpu) == 1) {
		assign(env, cpu, cur, gain);
		return;
	}
	if (!is_too_imbalanced(env, env->src.load - moved, env->dst.load + moved))
		assign(env, cpu, cur, gain);
}

/* Return: look no further. */
static bool compare(struct env *env, u32 cpu, s64 task_gain, s64 group_gain,
		    bool may_move)
{
	struct sched_task *cur = sched_curr_of(cpu);
	struct numa_task *c = numa_of(cur), *best = numa_of(env->best_task);
	s64 move_gain = env->t->group ? group_gain : task_gain, gain;
	bool is_going_home;

	if (!cur) {
		if (!may_move || move_gain < env->best_gain)
			return false;
		assign(env, cpu, NULL, move_gain);
		return true;
	}
	if (!may_go(cur, env->src_cpu) || !c)
		return false;
	is_going_home = c->preferred_nid == (int)env->src_nid;
	if (best && best->preferred_nid == (int)env->src_nid && !is_going_home)
		return false;
	if (c->group == env->t->group && env->dst.has_spare)
		return false;
	gain = swap_gain(env, cur, task_gain, group_gain);
	if (c->preferred_nid == (int)env->dst_nid)
		gain -= gain / 16;
	if (is_going_home)
		gain += gain / 8;
	if (may_move && move_gain > gain && move_gain > env->best_gain) {
		assign(env, cpu, NULL, move_gain);
		return false;
	}
	if (!(best && is_going_home &&
	      best->preferred_nid != (int)env->src_nid) &&
	    (gain < SMALL_GAIN || gain <= env->best_gain + SMALL_GAIN / 2))
		return false;
	/* All tasks weigh the same: an exchange changes no load. */
	assign(env, cpu, cur, gain);
	return !may_move && is_going_home;
}

/* ---- one node ---------------------------------------------------------------------- */

static bool may_move_there(struct env *env)
{
	u32 src = env->src.nr_running - 1, dst = env->dst.nr_running + 1;
	u32 tolerated = env->dst.nr_cpus / 4;   /* imb_numa_nr (assumed) */

	if (!env->dst.has_spare)
		return !is_too_imbalanced(env, env->src.load - 1024,
					  env->dst.load + 1024);
	return dst <= src || (dst <= tolerated && dst - src <= SMALL_IMBALANCE);
}

static void find_cpu(struct env *env, s64 task_gain, s64 group_gain)
{
	bool may_move = !is_3_13() && may_move_there(env);

	if (may_move && env->dst.has_spare && env->dst.idle_cpu >= 0) {
		assign(env, (u32)env->dst.idle_cpu, NULL, 0);
		return;
	}
	for (u32 i = 0; i < the_sys->nr_cpus; i++) {
		if (the_sys->cpu[i].node != env->dst_nid ||
		    numab()->aimed_at[i] || !may_go(env->t->t->sched, i))
			continue;
		if (is_3_13())
			compare_3_13(env, i, task_gain, group_gain);
		else if (compare(env, i, task_gain, group_gain, may_move))
			break;
	}
}

/* The gains of @node over where the task is. */
static void gains(const struct env *env, u32 node, s64 *task, s64 *group)
{
	*task = (s64)task_weight(env->t, node, env->dist) -
		(s64)task_weight(env->t, env->src_nid, env->dist);
	*group = (s64)group_weight(env->t, node, env->dist) -
		(s64)group_weight(env->t, env->src_nid, env->dist);
}

static void look_at(struct env *env, u32 node, bool only_if_better)
{
	s64 task, group;

	env->dist = machine_distance(the_sys->m, env->src_nid, node);
	gains(env, node, &task, &group);
	if (only_if_better && task < 0 && group < 0)
		return;
	env->dst_nid = node;
	env->dst = stats_of(env, node);
	if (is_3_13() && !only_if_better && !env->dst.has_spare)
		return;
	find_cpu(env, task, group);
}

/* ---- the task ---------------------------------------------------------------------- */

static void go(struct env *env)
{
	struct sched_task *me = env->t->t->sched;

	numab()->aimed_at[env->best_cpu] = 0;
	charge(cost_of(COST_CONTEXT_SWITCH));
	me->move_to = env->best_cpu;
	sched_kick(this_cpu->id);
	if (!env->best_task) {
		COUNT(NUMA_TASK_MIGRATED, 1);
		return;
	}
	COUNT(NUMA_TASK_SWAPPED, 1);
	env->best_task->move_to = (int)this_cpu->id;
	sched_kick((u32)env->best_cpu);
}

static void set_preferred_after(struct env *env)
{
	struct numa_task *t = env->t;
	int nid = env->best_cpu < 0 ? (int)env->src_nid
		: (int)the_sys->cpu[env->best_cpu].node;

	if (is_3_13()) {
		if (env->best_cpu < 0)
			return;
		/* Its quirk: the node looked at last. */
		t->preferred_nid = (int)env->dst_nid;
		t->scan_period_ms = numa_scan_min_ms(t);
	} else if (t->group) {
		t->preferred_nid = nid;
	}
}

static void task_numa_migrate(struct numa_task *t)
{
	struct env env = {
		.t = t, .src_cpu = this_cpu->id, .src_nid = this_cpu->node,
		.best_cpu = -1,
	};
	u32 preferred = (u32)t->preferred_nid;

	rq_lock(this_cpu->id);
	env.src = stats_of(&env, env.src_nid);
	look_at(&env, preferred, false);
	if (env.best_cpu < 0 ||
	    (!is_3_13() && t->group && t->group->active_nodes > 1))
		for (u32 n = 0; n < numab()->nr_nodes; n++)
			if (n != env.src_nid && n != preferred &&
			    numab()->node[n].has_cpus)
				look_at(&env, n, true);
	set_preferred_after(&env);
	if (env.best_cpu >= 0)
		go(&env);
	else
		COUNT(SCHED_STICK_NUMA, numa_rules()->counts_stuck);
}

void numa_migrate_preferred(struct numa_task *t)
{
	u64 interval = 1000;

	if (t->preferred_nid < 0 || numa_rules()->move == NUMA_MOVE_NONE)
		return;
	if (!is_3_13() && t->scan_period_ms / 16 < interval)
		interval = t->scan_period_ms / 16;
	t->migrate_retry = this_cpu->now + interval * numab()->ms;
	/* One move at a time. */
	if ((int)this_cpu->node != t->preferred_nid && t->t->sched->move_to < 0)
		task_numa_migrate(t);
}

/* ---- the load balancer -------------------------------------------------------------- */

/* All that wait there and run there want to be there. */
static bool all_prefer(u32 cpu, u32 node)
{
	for (struct sched_task *s = sched_first_of_all(); s; s = s->next_of_all) {
		const struct numa_task *t = numa_of(s);

		if (s->cpu == cpu && s->state <= TASK_CURRENT &&
		    (!t || t->preferred_nid != (int)node))
			return false;
	}
	return true;
}

/* migrate_degrades_locality() */
static bool resists(const struct sched_task *s, u32 to, bool is_idle)
{
	const struct numa_task *t = numa_of(s);
	u32 src = the_sys->cpu[s->cpu].node, dst = the_sys->cpu[to].node, dist;

	if (!t || t->preferred_nid < 0 || dst == (u32)t->preferred_nid)
		return false;
	/* 3.13: NUMA_RESIST_LOWER is off. */
	if (is_3_13())
		return false;
	if (src == (u32)t->preferred_nid)
		return !all_prefer(s->cpu, src);
	if (is_idle)
		return false;
	dist = machine_distance(the_sys->m, src, dst);
	if (t->group)
		return group_weight(t, dst, dist) < group_weight(t, src, dist);
	return task_weight(t, dst, dist) < task_weight(t, src, dist);
}

/* update_scan_period() */
static void moved(struct sched_task *s, u32 from, u32 to)
{
	struct numa_task *t = numa_of(s);
	int src = (int)the_sys->cpu[from].node, dst = (int)the_sys->cpu[to].node;

	if (!t || src == dst || !numa_rules()->lb_resets)
		return;
	if (t->scan_seq && (dst == t->preferred_nid ||
			    (t->preferred_nid >= 0 && src != t->preferred_nid)))
		return;
	t->scan_period_ms = numa_scan_start_ms(t);
}

void numa_move_boot(void)
{
	if (numa_rules()->lb_resists)
		sched_resists = resists;
	sched_moved = moved;
}
