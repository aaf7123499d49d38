/* Run queues and time slices; see sched.h. */
#include "mm/sched.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/overlap.h"
#include "mm/kvm.h"
#include "mm/page_wait.h"
#include "mm/switch.h"

#define STACK_BYTES (128u << 10)

/* kernel/sched/fair.c of 6.1: 6 ms and 0.75 ms times 1 + log2 of the CPUs, of
 * which at most 8 count; a woken thread runs at once if it is behind by 1 ms
 * times that. */
#define LATENCY_NS 6000000ull
#define GRANULARITY_NS 750000ull
#define WAKEUP_NS 1000000ull

/* A CPU's side that others need no step for. */
struct rq_state {
	struct sched_task *curr;        /* NULL: idle                         */
	struct sched_task *first;       /* queued, by vruntime                */
	u32 nr_running;
	u32 nr_stuck;                   /* sleep here in the kernel's middle  */
	u64 min_vruntime;
	u64 next_tick;
	u64 next_timer;                 /* of who sleeps here; UINT64_MAX     */
	bool is_kicked;                 /* look again                         */
	struct thread idle;
	struct fiber idle_fiber;
};

static struct {
	struct rq *rq;                  /* [nr_cpus], arena                   */
	struct rq_state *state;         /* [nr_cpus]                          */
	struct sched_task *all, **last_of_all, *sleepers;
	u32 nr_cpus, nr_tasks, nr_live;
	u64 tick, latency, granularity, wakeup;
	bool is_on;
} S;

static struct rq_state *my_rq(void)
{
	return &S.state[this_cpu->id];
}

bool sched_is_on(void)
{
	return S.is_on;
}

struct sched_task *sched_current(void)
{
	return my_rq()->curr;
}

struct sched_task *sched_curr_of(u32 cpu)
{
	return S.state[cpu].curr;
}

struct sched_task *sched_first_of_all(void)
{
	return S.all;
}

u32 sched_nr_running(u32 cpu)
{
	return S.state[cpu].nr_running;
}

u32 sched_nr_running_on_node(u32 node)
{
	u32 n = 0;

	for (u32 i = 0; i < S.nr_cpus; i++)
		if (the_sys->cpu[i].node == node)
			n += S.state[i].nr_running;
	return n;
}

void rq_lock(u32 cpu)
{
	step(&S.rq[cpu].lock_word, true, cost_of(COST_LOCK));
}

/* ---- queues -------------------------------------------------------------------- */

static void enqueue(u32 cpu, struct sched_task *t)
{
	struct rq_state *q = &S.state[cpu];
	struct sched_task **p = &q->first;

	while (*p && (*p)->vruntime <= t->vruntime)
		p = &(*p)->next;
	t->next = *p;
	*p = t;
	t->cpu = cpu;
	t->state = TASK_QUEUED;
	q->nr_running++;
}

static void dequeue(struct sched_task *t)
{
	struct sched_task **p = &S.state[t->cpu].first;

	while (*p != t)
		p = &(*p)->next;
	*p = t->next;
	t->next = NULL;
	S.state[t->cpu].nr_running--;
}

/* Queues count virtual time from different beginnings. */
static void renormalise(struct sched_task *t, u32 from, u32 to)
{
	t->vruntime += S.state[to].min_vruntime - S.state[from].min_vruntime;
}

static void account(struct rq_state *q)
{
	struct sched_task *t = q->curr;
	u64 d;

	if (!t || this_cpu->now <= t->exec_from)
		return;
	d = this_cpu->now - t->exec_from;
	t->exec_from = this_cpu->now;
	t->sum_exec += d;
	t->vruntime += d;
	if (!q->first || q->first->vruntime >= t->vruntime)
		q->min_vruntime = t->vruntime;
	else if (q->first->vruntime > q->min_vruntime)
		q->min_vruntime = q->first->vruntime;
}

void sched_account(void)
{
	account(my_rq());
}

void sched_kick(u32 cpu)
{
	S.state[cpu].is_kicked = true;
	the_sys->drv.wake(&S.rq[cpu].lock_word);
}

/* @t, which nobody runs or has queued, is to run on @cpu. */
static void activate(u32 cpu, struct sched_task *t)
{
	struct sched_task *curr = S.state[cpu].curr;

	enqueue(cpu, t);
	if (!curr || t->vruntime + S.wakeup < curr->vruntime)
		sched_kick(cpu);
}

/* ---- going from one thread to another ------------------------------------------- */

/* On the new thread's stack, perhaps on another CPU than it last ran on. */
static void arrive(void)
{
	struct rq_state *q = my_rq();
	struct sched_task *t = q->curr;

	this_cpu->cat = CYC_KERNEL;
	if (!t || !t->t->mm) {
		enter_lazy_tlb();
		this_cpu->cat = t ? t->cat : CYC_IDLE;
		return;
	}
	if (t->t->kvm)
		kvm_load();
	else
		switch_mm(t->t->mm);
	this_cpu->cat = t->cat;
}

static void switch_to(struct sched_task *next)
{
	struct cpu *c = this_cpu;
	struct rq_state *q = my_rq();
	struct sched_task *prev = q->curr;
	struct fiber *save = prev ? &prev->fiber : &q->idle_fiber;

	if (prev)
		prev->cat = c->cat;
	q->curr = next;
	*save = c->fiber;
	if (next) {
		next->state = TASK_CURRENT;
		next->cpu = c->id;
		next->exec_from = c->now;
		next->slice_from = next->sum_exec;
		if (!next->stays)
			next->move_to = -1;
		c->fiber = next->fiber;
		c->task = &next->t->task;
	} else {
		c->fiber = q->idle_fiber;
		c->task = &q->idle.task;
	}
	fiber_switch(save, &c->fiber);
	arrive();
}

/* The queue's first. Where somebody sleeps who may hold locks, no other thread of the
 * program, which might wait for them and never give the CPU back. */
static struct sched_task *pick(const struct rq_state *q)
{
	struct sched_task *t = q->first;

	while (unlikely(q->nr_stuck) && t && !t->stays && !t->is_daemon)
		t = t->next;
	return t;
}

bool sched_is_stuck(u32 cpu)
{
	return S.state[cpu].nr_stuck;
}

/* The current one is queued, asleep or gone already. */
static void schedule(void)
{
	struct rq_state *q = my_rq();
	struct sched_task *next = pick(q);

	if (next) {
		dequeue(next);
		q->nr_running++;        /* still here, running */
	}
	if (next == q->curr) {          /* put back, and again the first */
		if (next) {
			next->state = TASK_CURRENT;
			next->slice_from = next->sum_exec;
		}
		return;
	}
	switch_to(next);
}

/* Leave the CPU, to be queued on @cpu or (-1) not at all. */
static void leave(int cpu)
{
	struct rq_state *q = my_rq();
	struct sched_task *t = q->curr;

	cpu_drain(this_cpu);
	account(q);
	t->last_ran = this_cpu->now;
	q->nr_running--;
	if (cpu >= 0) {
		if ((u32)cpu != this_cpu->id) {
			COUNT(CPU_MIGRATIONS, 1);
			rq_lock((u32)cpu);
			renormalise(t, this_cpu->id, (u32)cpu);
			activate((u32)cpu, t);
		} else {
			enqueue((u32)cpu, t);
		}
	}
	schedule();
}

void sched_move_current(u32 cpu)
{
	if (cpu != this_cpu->id)
		leave((int)cpu);
}

void sched_swap(struct sched_task *other)
{
	u32 cpu = other->cpu;

	other->move_to = (int)this_cpu->id;
	sched_kick(cpu);
	sched_move_current(cpu);
}

void sched_set_allowed(struct sched_task *t, const struct cpuset *allowed)
{
	u32 from;
	int to;

	do {                            /* until its queue is held */
		from = t->cpu;
		rq_lock(from);
	} while (t->cpu != from);
	if (t->state == TASK_DEAD)
		return;
	t->allowed = *allowed;
	if (t->move_to >= 0 && !cpuset_has(allowed, (u32)t->move_to))
		t->move_to = -1;
	if (cpuset_has(allowed, from))
		return;
	to = sched_idlest(allowed);
	if (t->state == TASK_CURRENT || t->stays) {
		t->move_to = to;
		sched_kick(from);
		return;
	}
	if (t->state == TASK_QUEUED)
		dequeue(t);
	renormalise(t, from, (u32)to);
	COUNT(CPU_MIGRATIONS, 1);
	if (t->state == TASK_QUEUED)
		activate((u32)to, t);
	else
		t->cpu = (u32)to;       /* where it last ran, to its waker */
}

void sched_steal(struct sched_task *t)
{
	u32 from = t->cpu;

	dequeue(t);
	renormalise(t, from, this_cpu->id);
	enqueue(this_cpu->id, t);
}

struct sched_task *sched_last_queued(u32 cpu,
				     bool (*may)(const struct sched_task *t,
						 void *arg), void *arg)
{
	struct sched_task *last = NULL;

	for (struct sched_task *t = S.state[cpu].first; t; t = t->next)
		if (may(t, arg))
			last = t;
	return last;
}

/* ---- sleeping ------------------------------------------------------------------------ */

static void fall_asleep(struct sched_task *t, const u32 *word, u32 value, u64 at)
{
	struct sched_task **p = &S.sleepers;

	t->sleeps_on = word;
	t->sleeps_while = value;
	t->wakes_at = at;
	t->state = TASK_SLEEPING;
	while (*p && (*p)->pid < t->pid)
		p = &(*p)->next;
	t->next = *p;
	*p = t;
}

/* No steps here: the storing CPU is in the middle of its own. @p: where it is found
 * among the sleepers. */
static void wake_up(struct sched_task **p)
{
	struct sched_task *t = *p;
	u32 to = t->stays ? t->cpu : sched_select_cpu(t);

	*p = t->next;
	renormalise(t, t->cpu, to);
	COUNT(CPU_MIGRATIONS, to != t->cpu);
	/* Who slept long is not owed all of it. */
	if (t->vruntime + S.latency / 2 < S.state[to].min_vruntime)
		t->vruntime = S.state[to].min_vruntime - S.latency / 2;
	activate(to, t);
}

/* A store to @obj. */
static void task_woken(const void *obj)
{
	for (struct sched_task **p = &S.sleepers; *p; ) {
		struct sched_task *t = *p;

		if (t->sleeps_on != obj || *t->sleeps_on == t->sleeps_while)
			p = &t->next;
		else
			wake_up(p);
	}
}

/* This CPU's timer interrupt. */
static void run_timers(struct rq_state *q)
{
	q->next_timer = UINT64_MAX;
	charge(cost_of(COST_TIMER_TICK));
	for (struct sched_task **p = &S.sleepers; *p; ) {
		struct sched_task *t = *p;
		bool is_mine = t->cpu == this_cpu->id;

		if (is_mine && t->wakes_at <= this_cpu->now) {
			wake_up(p);
			continue;
		}
		if (is_mine && t->wakes_at < q->next_timer)
			q->next_timer = t->wakes_at;
		p = &t->next;
	}
}

static bool sleep_until(const u32 *word, u32 value, u64 at, bool stays)
{
	struct sched_task *t = sched_current();

	if (READ_ONCE(*word) != value)
		return true;
	if (at < my_rq()->next_timer)
		my_rq()->next_timer = at;
	t->stays = stays;
	my_rq()->nr_stuck += stays;
	fall_asleep(t, word, value, at);
	leave(-1);
	my_rq()->nr_stuck -= stays;
	t->stays = false;
	return READ_ONCE(*word) != value;
}

void sched_sleep(const u32 *word, u32 value)
{
	(void)sleep_until(word, value, UINT64_MAX, false);
}

bool sched_sleep_until(const u32 *word, u32 value, u64 at)
{
	return sleep_until(word, value, at, false);
}

void sched_throttle(const u32 *word, u32 value, u64 at)
{
	(void)sleep_until(word, value, at, true);
}

/* ---- ticks ------------------------------------------------------------------------ */

u64 sched_tick_cycles(void)
{
	return S.tick;
}

static bool slice_is_over(const struct rq_state *q)
{
	u64 slice = S.latency / q->nr_running;

	if (slice < S.granularity)
		slice = S.granularity;
	return q->first && q->curr->sum_exec - q->curr->slice_from >= slice;
}

static bool must_go(struct rq_state *q, int *to)
{
	struct sched_task *t = q->curr;
	bool is_kicked = q->is_kicked;

	q->is_kicked = false;
	*to = (int)this_cpu->id;
	if (t->move_to >= 0) {
		*to = t->move_to;
		t->move_to = -1;
		return *to != (int)this_cpu->id;
	}
	return slice_is_over(q) ||
	       (is_kicked && q->first &&
		q->first->vruntime + S.wakeup < t->vruntime);
}

bool sched_tick(void)
{
	struct rq_state *q = my_rq();
	bool is_due = this_cpu->now >= q->next_tick;
	int to;

	if (likely(!is_due && !q->is_kicked && this_cpu->now < q->next_timer))
		return false;
	if (this_cpu->now >= q->next_timer)
		run_timers(q);
	account(q);
	if (is_due) {
		/* Ticks missed in a long batch are not made up for. */
		q->next_tick += S.tick * ((this_cpu->now - q->next_tick) /
					  S.tick + 1);
		charge(cost_of(COST_TIMER_TICK));
		sched_rebalance();
	}
	if (must_go(q, &to))
		leave(to);
	return is_due;
}

/* ---- beginning and end ---------------------------------------------------------------- */

static void task_main(void *arg)
{
	struct sched_task *t = arg;

	arrive();
	t->t->task.fn(&t->t->task);
	cpu_drain(this_cpu);
	t->state = TASK_DEAD;
	S.nr_live -= !t->is_daemon;
	if (!S.nr_live)
		for (u32 i = 0; i < S.nr_cpus; i++)
			sched_kick(i);
	leave(-1);
	abort();                        /* a dead thread is not switched to */
}

static bool has_work(const void *arg)
{
	const struct rq_state *q = arg;

	return pick(q) || q->is_kicked;
}

static void idle_main(struct task *unused)
{
	while (S.nr_live) {
		struct rq_state *q = my_rq();

		q->is_kicked = false;
		if (this_cpu->now >= q->next_timer)
			run_timers(q);
		if (pick(q)) {
			schedule();
		} else if (q->nr_stuck || !sched_newly_idle()) {
			this_cpu->cat = CYC_IDLE;
			the_sys->drv.wait_until(&S.rq[this_cpu->id].lock_word,
						has_work, q, q->next_timer);
		}
	}
}

static u64 ns(u64 n)
{
	return machine_ns_to_cycles(the_sys->m, n);
}

int sched_boot(const struct sched_config *cfg)
{
	u32 n = the_sys->nr_cpus, scale = 1;

	memset(&S, 0, sizeof(S));
	page_wait_reset();
	S.nr_cpus = n;
	S.last_of_all = &S.all;
	for (u32 k = n < 8 ? n : 8; k > 1; k >>= 1)
		scale++;
	S.latency = scale * ns(LATENCY_NS);
	S.granularity = scale * ns(GRANULARITY_NS);
	S.wakeup = scale * ns(WAKEUP_NS);
	S.tick = ns(cfg->tick_ns);
	S.rq = arena_alloc(&the_sys->arena, n * sizeof(*S.rq));
	S.state = calloc(n, sizeof(*S.state));
	if (!S.rq || !S.state || sched_balance_boot()) {
		sched_shutdown();
		return -ENOMEM;
	}
	/* Ticks of different CPUs do not coincide. */
	for (u32 i = 0; i < n; i++) {
		S.state[i].next_tick = S.tick + S.tick * i / n;
		S.state[i].next_timer = UINT64_MAX;
	}
	S.is_on = true;
	the_sys->os.woken = task_woken;
	return 0;
}

/* Of all threads; queued on the idlest CPU of @allowed, or asleep. */
static int add(struct thread *t, const struct cpuset *allowed, const u32 *word)
{
	struct sched_task *s = calloc(1, sizeof(*s));
	void *stack = aligned_alloc(64, STACK_BYTES);
	int cpu = -1;

	if (s && allowed)
		s->allowed = *allowed;
	else if (s)
		memset(&s->allowed, 0xff, sizeof(s->allowed));
	if (s && stack)
		cpu = sched_idlest(&s->allowed);
	if (cpu < 0) {
		free(stack);
		free(s);
		return s && stack ? -EINVAL : -ENOMEM;
	}
	s->t = t;
	s->pid = ++S.nr_tasks;
	s->move_to = -1;
	s->cat = CYC_USER;
	t->task.cpu = (u32)cpu;
	t->sched = s;
	*S.last_of_all = s;
	S.last_of_all = &s->next_of_all;
	fiber_init(&s->fiber, stack, STACK_BYTES, task_main, s);
	if (!word) {
		S.nr_live++;
		enqueue((u32)cpu, s);
		return 0;
	}
	s->is_daemon = true;
	s->cpu = (u32)cpu;
	s->cat = CYC_KERNEL;
	fall_asleep(s, word, 0, UINT64_MAX);
	return 0;
}

int sched_add(struct thread *t, const struct cpuset *allowed)
{
	return add(t, allowed, NULL);
}

int sched_add_daemon(struct thread *t, const struct cpuset *allowed,
		     const u32 *word)
{
	return add(t, allowed, word);
}

bool sched_has_threads(void)
{
	return S.nr_live;
}

void sched_visit(struct thread *t)
{
	this_cpu = &the_sys->cpu[t->task.cpu];
	this_cpu->task = &t->task;
	t->mm->cpumask[this_cpu->id / 64] |= 1ull << this_cpu->id % 64;
	tlb_state_begin(t->mm);
}

int sched_begin(void)
{
	for (u32 i = 0; i < S.nr_cpus; i++) {
		struct rq_state *q = &S.state[i];

		q->idle.task.name = "idle";
		q->idle.task.fn = idle_main;
		q->idle.task.cpu = i;
		if (sys_start(&q->idle.task))
			return -ENOMEM;
		/* What set-up loaded, the idle task borrows. */
		tlb_state_of(i)->is_lazy = tlb_state_of(i)->loaded_mm != 0;
	}
	return 0;
}

void sched_shutdown(void)
{
	/* Of a run that was given up: each CPU's own stack is its idle task's. */
	for (u32 i = 0; S.state && i < S.nr_cpus; i++)
		if (S.state[i].curr)
			the_sys->cpu[i].fiber = S.state[i].idle_fiber;
	while (S.all) {
		struct sched_task *t = S.all;

		S.all = t->next_of_all;
		t->t->sched = NULL;
		free(t->fiber.stack);
		free(t);
	}
	sched_balance_shutdown();
	free(S.state);
	memset(&S, 0, sizeof(S));
}
