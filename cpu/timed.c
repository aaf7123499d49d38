#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/calls.h"
#include "cpu/irq.h"
#include "cpu/lines.h"
#include "cpu/overlap.h"
#include "cpu/runq.h"
#include "cpu/step.h"
#include "cpu/timed.h"

#define WAITQ_BITS 10
#define NOINLINE __attribute__((noinline))

/* A line of the host for each turn, and one for an interrupt's. */
struct sched_cpu {
	struct cpu *cpu;
	struct strand *top;             /* goes on in place of its fiber      */
	bool (*ready)(const void *);    /* a wait's, what ends it; else NULL  */
	u64 lines_at;                   /* when what it asked for has arrived */
	u64 lookahead;                  /* T.lookahead; 0 with siblings       */
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
	struct sched_cpu *sibling;      /* ring of the core's CPUs that are on */
} __attribute__((aligned(64)));

/* Who waits for what is in this bucket, oldest first. */
struct waiters {
	struct sched_cpu *first, **end;
};

static struct timed {
	struct sys *sys;
	struct sched_cpu *sc;
	struct cpu *cpu;                /* sys->cpu                           */
	struct runq q;
	u32 nr_done, nr_tasks;
	u64 lookahead;
	struct fiber host;
	struct waiters waitq[1u << WAITQ_BITS];
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
} T;

static struct sched_cpu *sc_of(const struct cpu *c)
{
	return &T.sc[c->id];
}

/* @c may run from c->now on. */
static inline void queue(struct cpu *c)
{
	runq_put(&T.q, c->id, c->now);
}

/* Is @c, which runs, still the first? Then nobody is to act before it. So it is
 * before timed_run(), when nobody is in. */
static inline bool is_first(const struct cpu *c)
{
	u64 key = runq_key(&T.q, c->id, c->now);

	if (runq_first(&T.q) == key || !runq_has(&T.q, c->id))
		return true;
	runq_move(&T.q, c->id, key);
	return runq_first(&T.q) == key;
}

/* ---- switching -------------------------------------------------------------- */

/* How far @c may go before @key's CPU acts: on a tie the lower number is first. */
static u64 before(const struct cpu *c, u64 key)
{
	return runq_time(&T.q, key) + (runq_cpu(&T.q, key) > c->id);
}

/* A sibling has the same TLBs: nothing private may pass it, where it is or
 * where it may be woken. One that is done only takes interrupts, and those
 * arrive no sooner than the lookahead allows for. */
static u64 bound_by_siblings(const struct cpu *c, u64 first, u64 ahead)
{
	for (const struct sched_cpu *s = sc_of(c)->sibling; s->cpu != c;
	     s = s->sibling) {
		u64 at;

		if (!s->cpu->task || s->cpu->s->is_done)
			continue;
		at = s->is_waiting || !runq_has(&T.q, s->cpu->id)
			? before(c, first)
			: before(c, runq_key(&T.q, s->cpu->id, s->cpu->now));
		if (at < ahead)
			ahead = at;
	}
	return ahead;
}

/* What is to come to @c itself. */
static inline void bound_by_events(struct cpu *c, u64 ahead)
{
	c->run_until = ahead < c->irq_at ? ahead : c->irq_at;
	if (c->bcast_at < c->run_until)
		c->run_until = c->bcast_at;
	if (c->stop_at < c->run_until)
		c->run_until = c->stop_at;
}

static void look_far(struct cpu *c)
{
	u64 ahead = UINT64_MAX, first = runq_rival(&T.q, c->id);

	if (first != RUNQ_NONE) {
		ahead = runq_time(&T.q, first) + T.lookahead;
		/* Ties: without lookahead a later CPU must not touch its TLB
		 * before an earlier one of the same time. */
		if (!T.lookahead)
			ahead = before(c, first);
		else if (sc_of(c)->sibling != sc_of(c))
			ahead = bound_by_siblings(c, first, ahead);
	}
	bound_by_events(c, ahead);
}

/* @c is the first: private work may go at least so far, and asks for more when
 * it has come there. (With caches = full how far counts: a run that stops is
 * another access to its line.) */
static void set_horizon(struct cpu *c)
{
	u64 lookahead = sc_of(c)->lookahead, ahead = c->now + lookahead;

	if (unlikely(!lookahead)) {
		look_far(c);
		return;
	}
	bound_by_events(c, ahead);
}

/* When to look around: at the next sample; at once, if somebody asks for it; and if
 * nobody is in, which is later than any time. */
static void plan_look(void)
{
	u64 never = runq_time(&T.q, RUNQ_NONE);

	T.look_at = T.sample_at < never ? T.sample_at : never;
}

/* Now and then, when everyone has reached @now. */
static NOINLINE void look_around(u64 now)
{
	if (!T.look_at) {
		if (T.on_progress)
			T.on_progress(now, T.progress_arg);
		if (T.stop && *T.stop) {
			T.result = -EINTR;
			return;
		}
	}
	if (now >= T.sample_at && T.on_sample)
		T.sample_at = T.on_sample(now, T.sample_arg);
	plan_look();
}

static bool is_due(const struct cpu *c)
{
	return c->bcast_at <= c->now || c->stop_at <= c->now ||
	       (c->irq_at <= c->now && !c->s->irq_off);
}

static inline u64 all_lines_cost(struct sched_cpu *sc, const void *obj,
				 bool is_write);

static bool looks_in_vain(struct sched_cpu *sc);
static void woke(struct sched_cpu *sc);

/* ---- strands ---------------------------------------------------------------- */

static void push(struct sched_cpu *sc, struct strand *s, bool is_fibers)
{
	s->has_line = s->wants_stack = false;
	s->is_fibers = is_fibers;
	s->below = sc->top;
	sc->top = s;
}

static bool irq_is_due(const struct cpu *c)
{
	return c->irq_at <= c->now && !c->s->irq_off;
}

static void step_begins(struct cpu *c, struct strand *s)
{
	/* The walker's loads overlap with other accesses. */
	if (c->cat != CYC_WALK)
		cpu_drain(c);
	charge(s->cycles);
	s->has_line = false;
}

static void irq_comes(struct sched_cpu *sc)
{
	cpu_drain(sc->cpu);
	irq_begin(&sc->irq);
	push(sc, &sc->irq.strand, false);
}

/* The top came to an end, or to a call. Return: as goes_on(). */
static NOINLINE bool goes_below(struct sched_cpu *sc, enum strand_next what)
{
	for (;;) {
		struct strand *s = sc->top;

		if (what == STRAND_STEP) {
			step_begins(sc->cpu, s);
			return false;
		}
		if (what == STRAND_CALL) {
			s->wants_stack = true;
			return true;
		}
		sc->top = s->below;
		if (s->is_fibers)
			return true;
		if (!irq_is_due(sc->cpu))
			return false;
		irq_comes(sc);
		what = sc->top->next(sc->top);
	}
}

/* The top of this_cpu's goes on until its next step, or its end. Return: nothing
 * is to be done before its fiber goes on. */
static inline bool goes_on(struct sched_cpu *sc)
{
	struct strand *s = sc->top;
	enum strand_next what = s->next(s);

	if (unlikely(what != STRAND_STEP))
		return goes_below(sc, what);
	step_begins(sc->cpu, s);
	return false;
}

/* The first is at a boundary between two steps, and something is due. Return: its
 * fiber must see to it. */
static NOINLINE bool takes_what_is_due(struct sched_cpu *sc)
{
	struct cpu *c = sc->cpu;

	if (!sc->top && (c->stop_at <= c->now || c->bcast_at <= c->now))
		return true;
	if (c->stop_at <= c->now) {
		vcpu_stop(c);
		return false;
	}
	if (c->bcast_at <= c->now) {
		cpu_take_broadcasts(c);
		return false;
	}
	if (!sc->top && sc->is_waiting) {
		if (!sc->ready || sc->is_lock)
			return true;
		woke(sc);
	}
	irq_comes(sc);
	return goes_on(sc);
}

static enum strand_next ends(struct strand *s)
{
	return STRAND_END;
}

/* What the top of the first asked for has its turn; it takes until c->now. */
static void touches_line(struct sched_cpu *sc, struct strand *s)
{
	s->has_line = true;
	if (s->obj)
		charge(all_lines_cost(sc, s->obj, s->is_write));
	else
		set_horizon(sc->cpu);
}

/* This_cpu is the first. Return: its fiber goes on. */
static inline bool acts(struct sched_cpu *sc)
{
	struct cpu *c = sc->cpu;
	struct strand *s = sc->top;
	u64 now = c->now;

	if (unlikely(is_due(c)))
		return takes_what_is_due(sc);
	if (!s)
		return !sc->ready || sc->is_lock || !looks_in_vain(sc);
	if (!s->has_line) {
		touches_line(sc, s);
		if (c->now != now && !s->is_posted)
			return false;
	}
	if (s->next == ends) {          /* a step of the fiber's own */
		sc->top = s->below;
		return true;
	}
	return goes_on(sc);
}

static bool is_over(void)
{
	if (!T.result && T.nr_done != T.nr_tasks) {
		if (runq_first(&T.q) != RUNQ_NONE)
			return false;
		T.result = -EDEADLK;
	}
	return true;
}

static struct fiber *next_fiber(void)
{
	for (;;) {
		u64 first = runq_first(&T.q), now = runq_time(&T.q, first);
		u32 id = runq_cpu(&T.q, first);
		struct sched_cpu *sc;

		if (unlikely(now >= T.look_at)) {
			if (is_over())
				return &T.host;
			look_around(now);
		}
		sc = &T.sc[id];
		this_cpu = &T.cpu[id];
		if (acts(sc))
			return &sc->cpu->fiber;
		if (runq_has(&T.q, id))
			runq_move(&T.q, id, runq_key(&T.q, id, sc->cpu->now));
	}
}

static void go(struct fiber *from)
{
	struct fiber *to = next_fiber();

	if (unlikely(!(++T.switches & 0xfff)))
		T.look_at = 0;
	if (to != from)
		fiber_switch(from, to);
}

/* What takes a stack. */
static void call_here(struct sched_cpu *sc)
{
	struct strand *s = sc->top;

	s->wants_stack = false;
	sc->top = NULL;
	sc->ready = NULL;       /* whoever waits looks again */
	s->call(s);
	sc->top = s;
	goes_on(sc);
}

/* Until @c's fiber goes on for its own sake. */
static void rest(struct cpu *c)
{
	struct sched_cpu *sc = sc_of(c);

	is_first(c);
	go(&c->fiber);
	while (sc->top) {
		call_here(sc);
		if (sc->top && !sc->top->wants_stack) {
			is_first(c);
			go(&c->fiber);
		}
	}
}

static inline void catch_up(struct cpu *c);
static void touch_line(struct cpu *c, const void *obj, bool is_write);
static inline bool is_alone(const struct cpu *c);

static void timed_strand(struct strand *s)
{
	struct cpu *c = this_cpu;
	enum strand_next what;

	while ((what = s->next(s)) != STRAND_END) {
		if (what == STRAND_CALL) {
			s->call(s);
			continue;
		}
		step_begins(c, s);
		if (!is_alone(c) && runq_has(&T.q, c->id)) {
			push(sc_of(c), s, true);
			rest(c);
			/* Ahead of others by the line that it posted to? */
			if (is_first(c))
				set_horizon(c);
			else
				look_far(c);
			return;
		}
		catch_up(c);
		if (s->obj)
			touch_line(c, s->obj, s->is_write);
	}
}

static void take_due_irqs(struct cpu *c)
{
	while (irq_is_due(c)) {
		cpu_drain(c);
		irq_begin(&sc_of(c)->irq);
		timed_strand(&sc_of(c)->irq.strand);
	}
}

/* Nobody else can run, and nothing is due. */
static inline bool is_alone(const struct cpu *c)
{
	return T.q.nr_in <= 1 && !is_due(c);
}

/* Let everyone who is behind catch up. */
static NOINLINE void catch_up_slow(struct cpu *c)
{
	for (;;) {
		while (!is_first(c))
			rest(c);
		if (likely(!is_due(c)))
			break;
		if (c->stop_at <= c->now)
			vcpu_stop(c);
		else if (c->bcast_at <= c->now)
			cpu_take_broadcasts(c);
		else
			take_due_irqs(c);
	}
	set_horizon(c);
}

static inline void catch_up(struct cpu *c)
{
	if (unlikely(!is_alone(c)))
		catch_up_slow(c);
	else
		bound_by_events(c, UINT64_MAX);
}

/* ---- the driver's operations ------------------------------------------------ */

static inline u64 line_cost(struct cpu *c, const void *obj, bool is_write)
{
	return line_cycles(T.lines, c, obj, is_write);
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

/* The access itself comes when the line has. */
static void touch_line(struct cpu *c, const void *obj, bool is_write)
{
	u64 cycles = all_lines_cost(sc_of(c), obj, is_write);

	if (cycles) {
		charge(cycles);
		catch_up(c);
	}
}

static NOINLINE void step_among_others(struct cpu *c, const void *obj,
				       bool is_write)
{
	struct strand s = { .next = ends, .obj = obj, .is_write = is_write };

	if (unlikely(!runq_has(&T.q, c->id))) {
		catch_up_slow(c);
		touch_line(c, obj, is_write);
		return;
	}
	push(sc_of(c), &s, true);
	rest(c);
	set_horizon(c);
}

static void timed_step(const void *obj, bool is_write, u64 cycles)
{
	struct cpu *c = this_cpu;

	/* The walker's loads overlap with other accesses. */
	if (c->cat != CYC_WALK)
		cpu_drain(c);
	charge(cycles);
	if (unlikely(!is_alone(c))) {
		step_among_others(c, obj, is_write);
		return;
	}
	catch_up(c);
	touch_line(c, obj, is_write);
}

static u64 timed_alone_until(const void *obj)
{
	const struct cpu *c = this_cpu;

	if (T.q.nr_in > 1 || !line_is_read(T.lines, c, obj))
		return 0;
	return c->irq_at < c->bcast_at ? c->irq_at : c->bcast_at;
}

static void timed_ask(const void *obj, bool is_write)
{
	struct cpu *c = this_cpu;
	u64 at;

	catch_up(c);
	at = c->now + line_cost(c, obj, is_write);
	if (at > sc_of(c)->lines_at)
		sc_of(c)->lines_at = at;
}

static u32 bucket(const void *obj)
{
	u64 x = arena_offset(&T.sys->arena, obj) * 0x9e3779b97f4a7c15ull;

	return (u32)(x >> (64 - WAITQ_BITS));
}

static void enqueue(struct sched_cpu *sc, const void *obj)
{
	struct waiters *w = &T.waitq[bucket(obj)];

	if (!w->first)
		w->end = &w->first;
	*w->end = sc;
	w->end = &sc->next;
	sc->next = NULL;
	sc->waits_for = obj;
}

static void dequeue(struct sched_cpu *sc)
{
	struct waiters *w = &T.waitq[bucket(sc->waits_for)];
	struct sched_cpu **p = &w->first;

	while (*p != sc)
		p = &(*p)->next;
	*p = sc->next;
	if (!*p)
		w->end = p;
	sc->next = NULL;
	sc->waits_for = NULL;
}

/* Waiting with nothing to wake for: idle, only interrupts. */
static void idle(struct cpu *c)
{
	/* A handler that came here may have waited. */
	sc_of(c)->is_waiting = true;
	if (!sc_of(c)->is_idle) {
		sc_of(c)->is_idle = true;
		T.nr_done++;
		T.look_at = 0;
		c->cat = CYC_IDLE;
		c->done_at = c->now;
	}
	if (c->irq_at != UINT64_MAX) {
		if (c->now < c->irq_at)
			charge(c->irq_at - c->now);
		queue(c);
	} else {
		runq_remove(&T.q, c->id);
	}
	rest(c);
	vcpu_waited(c);
	take_due_irqs(c);
}

/* A wait begins, or goes on. */
static void sleep_on(struct sched_cpu *sc)
{
	struct cpu *c = sc->cpu;

	sc->from = c->now;
	sc->is_waiting = true;
	enqueue(sc, sc->obj);
	if (c->irq_at != UINT64_MAX && !c->s->irq_off) {
		/* Asleep until the interrupt, unless woken first. */
		if (c->irq_at > c->now)
			c->now = c->irq_at;
		queue(c);
	} else {
		runq_remove(&T.q, c->id);
	}
}

static void woke(struct sched_cpu *sc)
{
	struct cpu *c = sc->cpu;

	if (sc->waits_for)
		dequeue(sc);
	sc->is_waiting = false;
	c->cycles[sc->cat] += c->now - sc->from;
	PROBE(.what = PROBE_WAITED, .cat = sc->cat, .from = sc->from);
}

/* this_cpu, which waits, is the first. Return: does it sleep again at once? That
 * takes no stack. */
static bool looks_in_vain(struct sched_cpu *sc)
{
	if (sc->ready(sc->ready_arg))
		return false;
	if (sc->is_waiting)
		woke(sc);
	sleep_on(sc);
	return true;
}

/* Trying for it, and polling it while others have it; taking it is a store again. */
static void look_at_lock(struct cpu *c, const void *obj, bool is_write)
{
	u64 cycles = line_cost(c, obj, is_write);

	c->cycles[CYC_LOCK_WAIT] += cycles;
	c->now += cycles;
	catch_up(c);
}

static void timed_wait(const void *obj, bool (*ready)(const void *),
		       const void *arg, u64 cycles)
{
	struct cpu *c = this_cpu;
	struct sched_cpu *sc = sc_of(c);
	u64 from;
	enum cycle_cat cat, was;
	bool is_lock;

	if (!obj && !ready) {           /* private work came to its horizon */
		catch_up(c);
		look_far(c);
		return;
	}
	cpu_drain(c);
	if (!obj) {
		idle(c);
		return;
	}
	charge(cycles);
	catch_up(c);
	was = c->cat;
	cat = was == CYC_WAIT_ACK || was == CYC_IDLE ? was : CYC_LOCK_WAIT;
	/* A task that sleeps: idle time, though this CPU is not done. */
	if (was == CYC_IDLE)
		c->cat = CYC_KERNEL;
	is_lock = T.sys->contend.has_lines && cat == CYC_LOCK_WAIT;
	/* Who finds a lock taken has fetched its line for that. */
	if (is_lock && !ready(arg))
		look_at_lock(c, obj, true);
	while (!ready(arg)) {
		/* Each time: an interrupt's handler may wait, too. */
		sc->obj = obj;
		sc->ready = ready;
		sc->ready_arg = arg;
		sc->is_lock = is_lock;
		sc->cat = cat;
		sleep_on(sc);
		rest(c);
		sc->ready = NULL;
		if (sc->is_waiting) {
			woke(sc);
			vcpu_waited(c);
		}
		catch_up(c);
		if (is_lock)
			look_at_lock(c, obj, false);
	}
	from = all_lines_cost(sc, obj, true);
	if (from)
		charge(from);
	c->cat = was;
}

/* Interrupts that come wake it earlier, as one that waits (timed_ipi_posted). */
static void timed_delay(u64 until)
{
	struct cpu *c = this_cpu;
	struct sched_cpu *sc = sc_of(c);

	while (c->now < until) {
		u64 from = c->now, at = c->s->irq_off ? UINT64_MAX : c->irq_at;

		if (c->bcast_at < at)
			at = c->bcast_at;
		sc->is_waiting = true;
		c->now = at < until ? at > from ? at : from : until;
		queue(c);
		rest(c);
		sc->is_waiting = false;
		c->cycles[c->cat] += c->now - from;
		vcpu_waited(c);
		catch_up(c);
	}
}

/* Others may act from now on. */
static void cap_horizon(struct cpu *c)
{
	u64 lookahead = sc_of(c)->lookahead, ahead = c->now + lookahead;

	if (unlikely(!lookahead))
		look_far(c);
	else if (ahead < c->run_until)
		c->run_until = ahead;
}

/* Who sleeps on @obj, or the first of them, may look from @t on. */
static void wake(const void *obj, bool is_one, u64 t)
{
	struct sched_cpu *sc, *next;

	if (unlikely(T.sys->os.woken != NULL))
		T.sys->os.woken(obj);

	for (sc = T.waitq[bucket(obj)].first; sc; sc = next) {
		struct cpu *c = sc->cpu;

		next = sc->next;
		if (sc->waits_for != obj)
			continue;
		dequeue(sc);
		if (runq_has(&T.q, sc->cpu->id)) {
			/* It sleeps towards an interrupt at c->now > t: it may
			 * look again at t. */
			if (c->now > t) {
				c->now = t;
				queue(c);
			}
		} else {
			if (c->now < t)
				c->now = t;
			queue(c);
		}
		if (is_one)
			break;
	}
	cap_horizon(this_cpu);
}

static void timed_wake(const void *obj)
{
	wake(obj, false, this_cpu->now);
}

static void timed_wake_at(const void *obj, u64 at)
{
	wake(obj, false, at);
}

static void timed_hand_over(const void *obj)
{
	wake(obj, T.sys->contend.has_lines, this_cpu->now);
}

static void timed_ipi_posted(struct cpu *to)
{
	struct sched_cpu *sc = sc_of(to);
	u64 at = calls_irq_at(to);

	if (at >= to->irq_at)
		return;
	to->irq_at = at;
	if (at < to->run_until)
		to->run_until = at;
	if (!sc->is_waiting || to->s->irq_off)
		return;
	/* Asleep or idle: it wakes for this, and counts the time as what it was
	 * sleeping for. */
	if (runq_has(&T.q, sc->cpu->id)) {
		if (to->now > at) {
			if (to->cat == CYC_IDLE)
				to->cycles[CYC_IDLE] -= to->now - at;
			to->now = at;
			queue(to);
		}
		return;
	}
	if (to->now < at) {
		if (to->cat == CYC_IDLE)
			to->cycles[CYC_IDLE] += at - to->now;
		to->now = at;
	}
	queue(to);
}

static void timed_broadcast_posted(struct cpu *to)
{
	if (to->bcast_at < to->run_until)
		to->run_until = to->bcast_at;
}

static void timed_touch(const void *obj, bool is_write)
{
}

static u32 timed_choose(u32 n)
{
	return 0;
}

static void timed_violation(const char *oracle, const char *text)
{
}

static void link_siblings(struct sys *sys)
{
	const struct machine *m = sys->m;

	for (u32 i = 0; i < sys->nr_cpus; i++) {
		struct sched_cpu *s = &T.sc[i];

		s->sibling = s;
		for (u32 k = i; k-- > 0; )
			if (m->cpu[k].core == m->cpu[i].core) {
				s->sibling = T.sc[k].sibling;
				T.sc[k].sibling = s;
				break;
			}
	}
}

int timed_install(struct sys *sys)
{
	memset(&T, 0, sizeof(T));
	T.sys = sys;
	T.cpu = sys->cpu;
	T.sample_at = UINT64_MAX;
	T.sc = aligned_alloc(_Alignof(struct sched_cpu),
			     sys->nr_cpus * sizeof(*T.sc));
	if (T.sc)
		memset(T.sc, 0, sys->nr_cpus * sizeof(*T.sc));
	if (runq_create(&T.q, sys->nr_cpus) || !T.sc ||
	    lines_create(&T.lines, sys)) {
		timed_remove(sys);
		return -ENOMEM;
	}
	for (u32 i = 0; i < sys->nr_cpus; i++) {
		T.sc[i].cpu = &sys->cpu[i];
	}
	link_siblings(sys);
	/* With caches = full a store anywhere may take a line away. */
	T.lookahead = sys->is_checked || sys->walk.caches == CACHES_FULL
		? 0 : machine_lookahead_cycles(sys->m);
	if (sys->has_broadcasts && cpu_broadcast_lookahead(sys->m) < T.lookahead)
		T.lookahead = cpu_broadcast_lookahead(sys->m);
	timed_set_lookahead(T.lookahead);
	sys->drv = (struct driver){
		.step = timed_step,
		.wait = timed_wait,
		.delay = timed_delay,
		.wake = timed_wake,
		.wake_at = timed_wake_at,
		.hand_over = timed_hand_over,
		.ask = timed_ask,
		.touch = timed_touch,
		.strand = timed_strand,
		.alone_until = timed_alone_until,
		.choose = timed_choose,
		.ipi_posted = timed_ipi_posted,
		.broadcast_posted = timed_broadcast_posted,
		.violation = timed_violation,
	};
	return 0;
}

void timed_remove(struct sys *sys)
{
	free(T.sc);
	runq_free(&T.q);
	lines_destroy(T.lines);
	memset(&T, 0, sizeof(T));
}

void timed_set_lookahead(u64 cycles)
{
	T.lookahead = cycles;
	for (u32 i = 0; i < T.sys->nr_cpus; i++)
		T.sc[i].lookahead = T.sc[i].sibling == &T.sc[i] ? cycles : 0;
}

void timed_set_sampler(u64 at, u64 (*fn)(u64 cycles, void *arg), void *arg)
{
	T.sample_at = at;
	T.on_sample = fn;
	T.sample_arg = arg;
}

int timed_run(struct sys *sys, void (*on_progress)(u64 cycles, void *arg),
	      void *arg, const volatile bool *stop)
{
	T.on_progress = on_progress;
	T.progress_arg = arg;
	T.stop = stop;
	for (u32 i = 0; i < sys->nr_cpus; i++)
		if (sys->cpu[i].task) {
			T.nr_tasks++;
			queue(&sys->cpu[i]);
		}
	if (T.nr_tasks)
		go(&T.host);
	return T.result;
}

u64 timed_elapsed(const struct sys *sys)
{
	u64 t = 0;

	for (u32 i = 0; i < sys->nr_cpus; i++)
		if (sys->cpu[i].done_at > t)
			t = sys->cpu[i].done_at;
	return t;
}
