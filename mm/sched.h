/* sched.h - which thread a CPU runs, in timed runs with more to choose from than
 * one thread a CPU: a run queue per CPU, time slices, sleeping and waking, and
 * moves between CPUs. Reads beside kernel/sched/fair.c and core.c.
 *
 * Fair: the queued thread that has had the least CPU time (vruntime) is next; it
 * runs until its share of the latency period is over. All threads weigh the same.
 * A thread is taken off its CPU between two batches of accesses (sched_tick) or
 * where it sleeps; while it waits for a kernel lock it keeps its CPU.
 *
 * Without sched_boot() none of this is there: one thread a CPU, for good.
 *
 * Units: cycles of virtual time unless a name says otherwise.
 * Threads: state changes between two steps only, so that other CPUs see it whole;
 * who touches another CPU's queue takes a step there first (rq_lock).
 */
#ifndef MM_SCHED_H
#define MM_SCHED_H

#include "cpu/fiber.h"
#include "mm/mm.h"

#define CPUSET_WORDS (MACHINE_MAX_CPUS / 64)

/* Which CPUs a thread may run on. */
struct cpuset {
	u64 word[CPUSET_WORDS];
};

static inline bool cpuset_has(const struct cpuset *s, u32 cpu)
{
	return s->word[cpu / 64] >> cpu % 64 & 1;
}

static inline void cpuset_add(struct cpuset *s, u32 cpu)
{
	s->word[cpu / 64] |= 1ull << cpu % 64;
}

enum task_state { TASK_QUEUED, TASK_CURRENT, TASK_SLEEPING, TASK_DEAD };

struct sched_task {
	struct thread *t;
	struct fiber fiber;             /* while it does not run              */
	struct sched_task *next;        /* in its queue, by vruntime; of those
					 * that sleep, by pid                 */
	struct sched_task *next_of_all;
	enum task_state state;
	enum cycle_cat cat;
	u32 pid;                        /* from 1                             */
	u32 cpu;                        /* runs there, or is queued there     */
	int move_to;                    /* CPU to go to at its next tick, -1  */
	const u32 *sleeps_on;
	u32 sleeps_while;
	u64 wakes_at;                   /* at the latest; UINT64_MAX: never   */
	bool stays;                     /* sleeps within the kernel, and goes on
					 * on the same CPU                    */
	bool is_daemon;                 /* the program is over without it     */
	u64 vruntime;
	u64 sum_exec;                   /* CPU time consumed                  */
	u64 exec_from;                  /* accounted up to here               */
	u64 slice_from;                 /* sum_exec when it was picked        */
	u64 last_ran;
	struct cpuset allowed;
};

/* One per CPU. Its first word is what others step on and idle CPUs wait for. */
struct rq {
	u64 lock_word;                  /* in the arena: see sched.c          */
	u64 pad[7];
};

struct sched_config {
	u64 tick_ns;                    /* between two timer ticks            */
};

/* sched_boot - after mm_boot(). Return: 0, -ENOMEM. */
int sched_boot(const struct sched_config *cfg);
void sched_shutdown(void);
bool sched_is_on(void);

/* sched_add - in set-up: @t will run on one of @allowed (NULL: any), first on the
 * idlest of them. Return: 0, -ENOMEM; -EINVAL: @allowed has no CPU that is on. */
int sched_add(struct thread *t, const struct cpuset *allowed);

/* sched_add_daemon - the same of a kernel thread, which has no address space: it
 * borrows what its CPU has loaded. It sleeps until *@word is not 0, and the program is
 * over without it. */
int sched_add_daemon(struct thread *t, const struct cpuset *allowed,
		     const u32 *word);

/* Does some thread of the program still live? */
bool sched_has_threads(void);

/* sched_visit - in set-up: this_cpu is @t's and has its address space loaded. */
void sched_visit(struct thread *t);

/* sched_begin - set-up is over: CPUs are idle, timed_run() comes next.
 * Return: 0, -ENOMEM. */
int sched_begin(void);

/* Between two batches of accesses of this CPU's thread: the timer tick when it
 * is due, and whatever came up meanwhile. Return: a tick was due. */
bool sched_tick(void);

/* From one timer tick of a CPU to the next. */
u64 sched_tick_cycles(void);

/* This CPU's thread sleeps while *@word is @value (thread_sleep()). */
void sched_sleep(const u32 *word, u32 value);

/* The same, until @at at the latest: the timer is its CPU's. Return: it was woken before. */
bool sched_sleep_until(const u32 *word, u32 value, u64 at);

/* In the middle of the kernel's work for this thread, which goes on on this CPU; until
 * then that runs kernel threads alone. */
void sched_throttle(const u32 *word, u32 value, u64 at);

/* Threads, for balancing (sched_balance.c, numa_move.c). */
struct sched_task *sched_current(void);         /* NULL: idle                 */
struct sched_task *sched_curr_of(u32 cpu);
struct sched_task *sched_first_of_all(void);
u32 sched_nr_running(u32 cpu);                  /* the current one included   */
u32 sched_nr_running_on_node(u32 node);

/* Somebody sleeps there in the middle of the kernel. */
bool sched_is_stuck(u32 cpu);

/* @cpu looks whether there is something else to do. */
void sched_kick(u32 cpu);

/* A step on @cpu's queue: what is read of it then is true until the next step. */
void rq_lock(u32 cpu);

/* sched_move_current - this CPU's thread goes on on @cpu, at once. */
void sched_move_current(u32 cpu);

/* sched_swap - it and @other, which runs on another CPU, change places: at once,
 * and at @other's next tick. */
void sched_swap(struct sched_task *other);

/* sched_set_allowed - @t may run on these CPUs only, and goes to one: at once, or
 * if it runs, at its next tick. */
void sched_set_allowed(struct sched_task *t, const struct cpuset *allowed);

/* sched_steal - @t, queued elsewhere, is queued here. */
void sched_steal(struct sched_task *t);

/* The last queued (not current) thread of @cpu that @may says yes to; NULL. */
struct sched_task *sched_last_queued(u32 cpu,
				     bool (*may)(const struct sched_task *t,
						 void *arg), void *arg);

/* The latest time at which everything is accounted. */
void sched_account(void);

/* ---- moves (sched_balance.c) ---- */

int sched_balance_boot(void);
void sched_balance_shutdown(void);
/* A CPU without work looks for some. Return: it has some now. */
bool sched_newly_idle(void);
/* At a tick: what is due of balancing among this CPU's domains. */
void sched_rebalance(void);
/* Where @t, just woken by this CPU, is queued. */
u32 sched_select_cpu(const struct sched_task *t);
/* The idlest CPU of @allowed, as for a new thread: node, core, thread. -1: none. */
int sched_idlest(const struct cpuset *allowed);

/* Asked before a queued thread is moved to another node; NULL: nobody minds.
 * @is_idle: the destination has nothing to do. (numa_move.c) */
extern bool (*sched_resists)(const struct sched_task *t, u32 to, bool is_idle);
/* Told after the load balancer moved it there. */
extern void (*sched_moved)(struct sched_task *t, u32 from, u32 to);

#endif
