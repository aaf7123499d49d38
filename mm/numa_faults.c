/* What hint faults teach a task: task_numa_fault(), task_numa_placement(),
 * update_task_scan_period(), weights. */
#include "mm/numa_balancing.h"

#define SLOTS 10u
#define THRESHOLD_3_13 3u
#define THRESHOLD 7u

u64 numa_sum(const struct numa_faults *f, u32 node)
{
	return f->n[node][0] + f->n[node][1];
}

/* ---- weights ----------------------------------------------------------------------- */

/* Where not all nodes are neighbours, what is near counts, too. */
static u64 nearby(const struct numa_faults *f, u32 node, u32 limit)
{
	const struct numa_state *s = numab();
	u64 score = 0;

	if (s->topology == NUMA_DIRECT || !numa_rules()->faults_cpu)
		return 0;
	for (u32 n = 0; n < s->nr_nodes; n++) {
		u32 d = machine_distance(the_sys->m, node, n);
		u64 faults = numa_sum(f, n);

		if (n == node || d >= s->max_distance ||
		    (s->topology == NUMA_BACKPLANE && d >= limit))
			continue;
		if (s->topology == NUMA_GLUELESS_MESH)
			faults = faults * (s->max_distance - d) /
				(s->max_distance - 10);
		score += faults;
	}
	return score;
}

u64 task_weight(const struct numa_task *t, u32 node, u32 dist)
{
	if (!t || !t->total_faults)
		return 0;
	return 1000 * (numa_sum(&t->f[NUMA_MEM], node) +
		       nearby(&t->f[NUMA_MEM], node, dist)) / t->total_faults;
}

u64 group_weight(const struct numa_task *t, u32 node, u32 dist)
{
	if (!t || !t->group || !t->group->total)
		return 0;
	return 1000 * (numa_sum(&t->group->mem, node) +
		       nearby(&t->group->mem, node, dist)) / t->group->total;
}

/* ---- how often to scan --------------------------------------------------------------- */

static u32 clamp_period(const struct numa_task *t, s64 ms)
{
	s64 min = numa_scan_min_ms(t), max = numa_scan_max_ms(t);

	return (u32)(ms < min ? min : ms > max ? max : ms);
}

static s64 slots_3_13(u64 local, u64 remote, u64 shared, u64 private, u32 slot)
{
	s64 ratio = (s64)(local * SLOTS / (local + remote));
	s64 diff;

	if (ratio >= THRESHOLD_3_13) {
		ratio -= THRESHOLD_3_13;
		return (ratio ? ratio : 1) * slot;
	}
	/* Faster, but shared faults are no reason to. */
	diff = -(THRESHOLD_3_13 - ratio) * slot;
	ratio = (s64)((private * SLOTS + private + shared - 1) /
		      (private + shared));
	return diff * ratio / (s64)SLOTS;
}

static s64 slots(u64 local, u64 remote, u64 shared, u64 private, u32 slot)
{
	s64 lr = (s64)(local * SLOTS / (local + remote));
	s64 ps = (s64)(private * SLOTS / (private + shared));
	s64 best = ps >= THRESHOLD || ps > lr ? ps : lr, over;

	if (best < THRESHOLD)
		return -(s64)(THRESHOLD - best) * slot;
	over = best - THRESHOLD;
	return (over ? over : 1) * slot;
}

void update_task_scan_period(struct numa_task *t, u64 shared, u64 private)
{
	u64 remote = t->locality[0], local = t->locality[1];
	bool is_old = numa_rules()->period == NUMA_PERIOD_3_OF_10;
	u32 slot = (t->scan_period_ms + SLOTS - 1) / SLOTS;
	s64 diff = 0;

	if (numa_rules()->period == NUMA_PERIOD_STEP)
		return;                 /* task_numa_fault() did */
	if (!(local + shared) ||
	    (numa_rules()->failed_slows && t->locality[2])) {
		t->scan_period_ms *= 2;
		if (t->scan_period_ms > t->scan_period_max_ms)
			t->scan_period_ms = t->scan_period_max_ms;
		WRITE_ONCE(t->t->mm->numa_next_scan, this_cpu->now +
			   t->scan_period_ms * numab()->ms);
		return;
	}
	if (local + remote && private + shared) {
		diff = is_old ? slots_3_13(local, remote, shared, private, slot)
			      : slots(local, remote, shared, private, slot);
		t->scan_period_ms = clamp_period(t, t->scan_period_ms + diff);
	}
	t->locality[0] = t->locality[1] = t->locality[2] = 0;
}

/* ---- once a pass --------------------------------------------------------------------- */

/* CPU time in the wall time since the last placement. */
static u64 run_share(struct numa_task *t)
{
	u64 now = this_cpu->now, exec, ran, passed;

	sched_account();
	exec = t->t->sched->sum_exec;
	ran = exec - t->last_exec;
	passed = now - t->last_placement;
	t->last_exec = exec;
	t->last_placement = now;
	return (ran << 16) / (passed + 1);
}

static void add(u64 *f, s64 diff)
{
	*f = diff < 0 && *f < (u64)-diff ? 0 : *f + (u64)diff;
}

/* Half of what was, and what came since; the group gets the difference. */
static u64 decay(struct numa_task *t, u32 node, int priv, u64 share, u64 total)
{
	struct numa_faults *f = t->f;
	u64 fresh = f[NUMA_MEMBUF].n[node][priv];
	s64 mem = (s64)fresh - (s64)(f[NUMA_MEM].n[node][priv] / 2);
	s64 cpu = 0;

	if (numa_rules()->faults_cpu)
		cpu = (s64)(share * f[NUMA_CPUBUF].n[node][priv] / (total + 1)) -
			(s64)(f[NUMA_CPU].n[node][priv] / 2);
	f[NUMA_MEMBUF].n[node][priv] = 0;
	f[NUMA_CPUBUF].n[node][priv] = 0;
	add(&f[NUMA_MEM].n[node][priv], mem);
	add(&f[NUMA_CPU].n[node][priv], cpu);
	add(&t->total_faults, mem);
	if (t->group) {
		add(&t->group->mem.n[node][priv], mem);
		add(&t->group->cpu.n[node][priv], cpu);
		add(&t->group->total, mem);
	}
	return fresh;
}

static int best_node(const struct numa_faults *f, u64 *most)
{
	int best = -1;

	*most = 0;
	for (u32 n = 0; n < numab()->nr_nodes; n++)
		if (numa_sum(f, n) > *most) {
			*most = numa_sum(f, n);
			best = (int)n;
		}
	return best;
}

/* 3.13: where task and group disagree, the larger sum of weights. */
static int best_of_both(const struct numa_task *t, int own, int groups)
{
	u64 most = 0;
	int best = own;

	if (groups < 0 || own == groups)
		return own;
	for (u32 n = 0; n < numab()->nr_nodes; n++) {
		u64 w = task_weight(t, n, 0) + group_weight(t, n, 0);

		if (w > most) {
			most = w;
			best = (int)n;
		}
	}
	return best;
}

static u64 nodes_with_cpus(void)
{
	u64 set = 0;

	for (u32 n = 0; n < numab()->nr_nodes; n++)
		set |= (u64)numab()->node[n].has_cpus << n;
	return set;
}

static int choose_node(struct numa_task *t)
{
	u64 own_most, group_most = 0;
	int own = best_node(&t->f[NUMA_MEM], &own_most), group = -1;

	if (t->group)
		group = best_node(&t->group->mem, &group_most);
	if (!numa_rules()->faults_cpu)
		return t->group ? best_of_both(t, own, group) : own;
	if (t->group)
		own = group;
	if (own >= 0 && !numab()->node[own].has_cpus)
		own = nearest_node((u32)own, nodes_with_cpus());
	if (t->group && own >= 0) {
		numa_group_count_active(t->group);
		own = preferred_group_nid(t, own);
	}
	return own;
}

void task_numa_placement(struct numa_task *t)
{
	u32 seq = READ_ONCE(t->t->mm->numa_scan_seq);
	u64 total = t->locality[0] + t->locality[1], fresh[2] = { 0 }, share;
	int nid;

	if (t->scan_seq == seq || numa_rules()->period == NUMA_PERIOD_STEP)
		return;
	t->scan_seq = seq;
	t->scan_period_max_ms = numa_scan_max_ms(t);
	share = run_share(t);
	for (u32 n = 0; n < numab()->nr_nodes; n++)
		for (int p = 0; p < 2; p++)
			fresh[p] += decay(t, n, p, share, total);
	nid = choose_node(t);
	update_task_scan_period(t, fresh[0], fresh[1]);
	if (nid < 0 || nid == t->preferred_nid)
		return;
	t->preferred_nid = nid;
	/* 3.13 goes at once, 6.x when it is time. */
	if (numa_rules()->move == NUMA_MOVE_3_13)
		numa_migrate_preferred(t);
}

/* ---- one fault ------------------------------------------------------------------------ */

bool numa_hint_moved(bool is_moved, int node)
{
	struct numa_task *t = numab() ? current()->numa : NULL;
	const struct numa_node *n = numab() ? numab()->node : NULL;

	if (!t || !t->hint.is_set)
		return is_moved;
	if (!is_moved) {
		t->hint.is_failed = true;
		return false;
	}
	COUNT(PGPROMOTE_SUCCESS, !n[t->hint.node].is_toptier &&
	      n[node].is_toptier ? t->hint.pages : 0);
	t->hint.is_migrated = true;
	t->hint.node = (u32)node;
	return true;
}

void numa_hint_forget(void)
{
	struct numa_task *t = numab() ? current()->numa : NULL;

	if (t)
		t->hint.is_set = false;
}

/* Until 3.12: only how often to scan. */
static void fault_3_12(struct numa_task *t, const struct numa_hint *h)
{
	u32 max = numab()->knobs.scan_period_max_ms;

	if (h->is_migrated)
		return;
	t->scan_period_ms += 10;
	if (t->scan_period_ms > max)
		t->scan_period_ms = max;
}

static void task_numa_fault(struct numa_task *t, const struct numa_hint *h)
{
	const struct numa_rules *r = numa_rules();
	u32 here = this_cpu->node;
	int is_local = h->is_local, is_private = 1;

	if (r->period == NUMA_PERIOD_STEP) {
		fault_3_12(t, h);
		return;
	}
	/* Of slow tiers there are no statistics. */
	if (numa_tiers() && !numab()->node[h->node].is_toptier)
		return;
	if (h->last_cpupid) {
		is_private = cpupid_is_mine(h->last_cpupid,
					    t->t->sched->pid);
		if (!is_private && r->has_groups && !h->is_read_only)
			task_numa_group(t, h->last_cpupid, h->is_shared_vma,
					&is_private);
	}
	if (r->active_is_local && !is_private && !is_local && t->group &&
	    t->group->active_nodes > 1 && numa_is_active(t->group, here) &&
	    numa_is_active(t->group, h->node))
		is_local = 1;
	if (!r->placement_waits)
		task_numa_placement(t);
	if (this_cpu->now > t->migrate_retry) {
		if (r->placement_waits)
			task_numa_placement(t);
		numa_migrate_preferred(t);
	}
	if (h->is_migrated)
		t->pages_migrated += h->pages;
	if (h->is_failed)
		t->locality[2] += h->pages;
	t->f[NUMA_MEMBUF].n[h->node][is_private] += h->pages;
	t->f[NUMA_CPUBUF].n[here][is_private] += h->pages;
	t->locality[is_local] += h->pages;
}

void numa_fault_done(void)
{
	struct numa_task *t = current()->numa;
	struct numa_hint h;

	if (!t || !t->hint.is_set)
		return;
	h = t->hint;
	t->hint.is_set = false;
	task_numa_fault(t, &h);
}
