/* timed_cpu.h - what the files of the timed driver share, and nobody else: timed.c
 * (whose turn it is, steps, strands) and timed_wait.c (who waits, and is woken).
 */
#ifndef CPU_TIMED_CPU_H
#define CPU_TIMED_CPU_H

#include "cpu/irq.h"
#include "cpu/lines.h"
#include "cpu/runq.h"

#define WAITQ_BITS 10

/* A line of the host for each turn, and one for an interrupt's. */
struct sched_cpu {
	struct cpu *cpu;
	struct strand *top;             /* goes on in place of its fiber      */
	bool (*ready)(const void *);    /* a wait's, what ends it; else NULL  */
	u64 lines_at;                   /* when what it asked for has arrived */
	u64 lookahead;                  /* the driver's; 0 with siblings      */
	const void *waits_for;          /* in the waitq; NULL: it is not      */
	struct sched_cpu *next;         /* same waitq bucket, oldest first    */
	bool is_lock;                   /* whose line is fetched at each look */
	bool is_waiting;
	bool is_idle;                   /* its program has ended              */
	enum cycle_cat cat;             /* what the wait is booked on         */

	struct irq irq;
	const void *ready_arg;
	const void *obj;                /* what the wait is for               */
	u64 from;                       /* the wait's beginning, once booked  */
	u64 until;                      /* its end at the latest; or never    */
	struct sched_cpu *sibling;      /* ring of the core's CPUs that are on */
	const void *turn_for;           /* in the queue for it; NULL: in none */
	struct sched_cpu *behind;       /* same bucket of queues, oldest first */
} __attribute__((aligned(64)));

/* Who waits for what is in this bucket, oldest first. */
struct waiters {
	struct sched_cpu *first, **end;
};

/* The driver: there is one. */
extern struct timed {
	struct sys *sys;
	struct sched_cpu *sc;
	struct cpu *cpu;                /* sys->cpu                           */
	struct runq q;
	u32 nr_done, nr_tasks;
	u64 lookahead;
	struct fiber host;
	struct waiters waitq[1u << WAITQ_BITS];
	struct sched_cpu *turns[1u << WAITQ_BITS];      /* locks' queues      */
	struct lines *lines;
	int result;
	u64 switches;
	void (*on_progress)(u64 cycles, void *arg);
	void *progress_arg;
	const volatile bool *stop;
	u64 look_at;                    /* look_around() then                 */
	u64 sample_at;                  /* without a sampler: never           */
	u64 (*on_sample)(u64 cycles, void *arg);
	void *sample_arg;
} the_timed;

static inline struct sched_cpu *sc_of(const struct cpu *c)
{
	return &the_timed.sc[c->id];
}

/* @c may run from c->now on. */
static inline void queue(struct cpu *c)
{
	runq_put(&the_timed.q, c->id, c->now);
}

/* ---- whose turn it is (timed.c) --------------------------------------------------- */

/* timed_rest - others go on, until @c's fiber does for its own sake. */
void timed_rest(struct cpu *c);
/* timed_look_far - set c->run_until as far as others allow, which are looked at. */
void timed_look_far(struct cpu *c);
/* What catch_up() does where others can run or something is due. */
void timed_catch_up_slow(struct cpu *c);
void timed_take_due_irqs(struct cpu *c);

/* What is to come to @c itself. */
static inline void bound_by_events(struct cpu *c, u64 ahead)
{
	c->run_until = ahead < c->irq_at ? ahead : c->irq_at;
	if (c->bcast_at < c->run_until)
		c->run_until = c->bcast_at;
	if (c->stop_at < c->run_until)
		c->run_until = c->stop_at;
}

static inline bool is_due(const struct cpu *c)
{
	return c->bcast_at <= c->now || c->stop_at <= c->now ||
	       (c->irq_at <= c->now && !c->s->irq_off);
}

static inline bool irq_is_due(const struct cpu *c)
{
	return c->irq_at <= c->now && !c->s->irq_off;
}

/* Nobody else can run, and nothing is due. */
static inline bool is_alone(const struct cpu *c)
{
	return the_timed.q.nr_in <= 1 && !is_due(c);
}

/* Let everyone who is behind catch up. */
static inline void catch_up(struct cpu *c)
{
	if (unlikely(!is_alone(c)))
		timed_catch_up_slow(c);
	else
		bound_by_events(c, UINT64_MAX);
}

static inline u64 line_cost(struct cpu *c, const void *obj, bool is_write)
{
	return line_cycles(the_timed.lines, c, obj, is_write);
}

/* A step's line has come, and what was asked for before it. */
static inline u64 all_lines_cost(struct sched_cpu *sc, const void *obj,
				 bool is_write)
{
	u64 cycles = line_cost(sc->cpu, obj, is_write), now = sc->cpu->now, at;

	if (likely(!sc->lines_at))
		return cycles;
	at = sc->lines_at;
	sc->lines_at = 0;
	return at > now + cycles ? at - now : cycles;
}

/* ---- waiting (timed_wait.c) -------------------------------------------------------- */

/* timed_looks_in_vain - this_cpu, which waits, is the first. Return: does it sleep
 * again at once? That takes no stack. timed_woke - it does not wait any more. */
bool timed_looks_in_vain(struct sched_cpu *sc);
void timed_woke(struct sched_cpu *sc);

/* The driver's operations (struct driver). */
void timed_wait(const void *obj, bool (*ready)(const void *), const void *arg,
		u64 cycles);
void timed_wait_turn(const void *obj, bool (*ready)(const void *),
		     const void *arg, u64 cycles);
void timed_wait_until(const void *obj, bool (*ready)(const void *),
		      const void *arg, u64 until);
void timed_delay(u64 until);
void timed_wake(const void *obj);
void timed_wake_at(const void *obj, u64 at);
void timed_hand_over(const void *obj);
void timed_ipi_posted(struct cpu *to);

#endif
