#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/overlap.h"
#include "cpu/step.h"
#include "cpu/timed.h"
#include "cpu/timed_cpu.h"

#define NOINLINE __attribute__((noinline))

struct timed the_timed;

/* Is @c, which runs, still the first? Then nobody is to act before it. So it is
 * before timed_run(), when nobody is in. */
static inline bool is_first(const struct cpu *c)
{
	u64 key = runq_key(&the_timed.q, c->id, c->now);

	if (runq_first(&the_timed.q) == key || !runq_has(&the_timed.q, c->id))
		return true;
	runq_move(&the_timed.q, c->id, key);
	return runq_first(&the_timed.q) == key;
}

/* ---- switching -------------------------------------------------------------- */

/* How far @c may go before @key's CPU acts: on a tie the lower number is first. */
static u64 before(const struct cpu *c, u64 key)
{
	return runq_time(&the_timed.q, key) +
	       (runq_cpu(&the_timed.q, key) > c->id);
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
		at = s->is_waiting || !runq_has(&the_timed.q, s->cpu->id)
			? before(c, first)
			: before(c, runq_key(&the_timed.q, s->cpu->id,
					     s->cpu->now));
		if (at < ahead)
			ahead = at;
	}
	return ahead;
}

void timed_look_far(struct cpu *c)
{
	u64 ahead = UINT64_MAX, first = runq_rival(&the_timed.q, c->id);

	if (first != RUNQ_NONE) {
		ahead = runq_time(&the_timed.q, first) + the_timed.lookahead;
		/* Ties: without lookahead a later CPU must not touch its TLB
		 * before an earlier one of the same time. */
		if (!the_timed.lookahead)
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
		timed_look_far(c);
		return;
	}
	bound_by_events(c, ahead);
}

/* When to look around: at the next sample; at once, if somebody asks for it; and if
 * nobody is in, which is later than any time. */
static void plan_look(void)
{
	u64 never = runq_time(&the_timed.q, RUNQ_NONE);

	the_timed.look_at = the_timed.sample_at < never ? the_timed.sample_at
							: never;
}

/* Now and then, when everyone has reached @now. */
static NOINLINE void look_around(u64 now)
{
	if (!the_timed.look_at) {
		if (the_timed.on_progress)
			the_timed.on_progress(now, the_timed.progress_arg);
		if (the_timed.stop && *the_timed.stop) {
			the_timed.result = -EINTR;
			return;
		}
	}
	if (now >= the_timed.sample_at && the_timed.on_sample)
		the_timed.sample_at =
			the_timed.on_sample(now, the_timed.sample_arg);
	plan_look();
}

/* ---- strands ---------------------------------------------------------------- */

static void push(struct sched_cpu *sc, struct strand *s, bool is_fibers)
{
	s->has_line = s->wants_stack = false;
	s->is_fibers = is_fibers;
	s->below = sc->top;
	sc->top = s;
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
		timed_woke(sc);
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
		return !sc->ready || sc->is_lock || !timed_looks_in_vain(sc);
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
	if (!the_timed.result && the_timed.nr_done != the_timed.nr_tasks) {
		if (runq_first(&the_timed.q) != RUNQ_NONE)
			return false;
		the_timed.result = -EDEADLK;
	}
	return true;
}

static struct fiber *next_fiber(void)
{
	for (;;) {
		u64 first = runq_first(&the_timed.q);
		u64 now = runq_time(&the_timed.q, first);
		u32 id = runq_cpu(&the_timed.q, first);
		struct sched_cpu *sc;

		if (unlikely(now >= the_timed.look_at)) {
			if (is_over())
				return &the_timed.host;
			look_around(now);
		}
		sc = &the_timed.sc[id];
		this_cpu = &the_timed.cpu[id];
		if (acts(sc))
			return &sc->cpu->fiber;
		if (runq_has(&the_timed.q, id))
			runq_move(&the_timed.q, id,
				  runq_key(&the_timed.q, id, sc->cpu->now));
	}
}

static void go(struct fiber *from)
{
	struct fiber *to = next_fiber();

	if (unlikely(!(++the_timed.switches & 0xfff)))
		the_timed.look_at = 0;
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
void timed_rest(struct cpu *c)
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

static void touch_line(struct cpu *c, const void *obj, bool is_write);

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
		if (!is_alone(c) && runq_has(&the_timed.q, c->id)) {
			push(sc_of(c), s, true);
			timed_rest(c);
			/* Ahead of others by the line that it posted to? */
			if (is_first(c))
				set_horizon(c);
			else
				timed_look_far(c);
			return;
		}
		catch_up(c);
		if (s->obj)
			touch_line(c, s->obj, s->is_write);
	}
}

void timed_take_due_irqs(struct cpu *c)
{
	while (irq_is_due(c)) {
		cpu_drain(c);
		irq_begin(&sc_of(c)->irq);
		timed_strand(&sc_of(c)->irq.strand);
	}
}

/* Let everyone who is behind catch up. */
NOINLINE void timed_catch_up_slow(struct cpu *c)
{
	for (;;) {
		while (!is_first(c))
			timed_rest(c);
		if (likely(!is_due(c)))
			break;
		if (c->stop_at <= c->now)
			vcpu_stop(c);
		else if (c->bcast_at <= c->now)
			cpu_take_broadcasts(c);
		else
			timed_take_due_irqs(c);
	}
	set_horizon(c);
}

/* ---- the driver's operations ------------------------------------------------ */

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

	if (unlikely(!runq_has(&the_timed.q, c->id))) {
		timed_catch_up_slow(c);
		touch_line(c, obj, is_write);
		return;
	}
	push(sc_of(c), &s, true);
	timed_rest(c);
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

	if (the_timed.q.nr_in > 1 || !line_is_read(the_timed.lines, c, obj))
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
		struct sched_cpu *s = &the_timed.sc[i];

		s->sibling = s;
		for (u32 k = i; k-- > 0; )
			if (m->cpu[k].core == m->cpu[i].core) {
				s->sibling = the_timed.sc[k].sibling;
				the_timed.sc[k].sibling = s;
				break;
			}
	}
}

int timed_install(struct sys *sys)
{
	memset(&the_timed, 0, sizeof(the_timed));
	the_timed.sys = sys;
	the_timed.cpu = sys->cpu;
	the_timed.sample_at = UINT64_MAX;
	the_timed.sc = aligned_alloc(_Alignof(struct sched_cpu),
			     sys->nr_cpus * sizeof(*the_timed.sc));
	if (the_timed.sc)
		memset(the_timed.sc, 0, sys->nr_cpus * sizeof(*the_timed.sc));
	if (runq_create(&the_timed.q, sys->nr_cpus) || !the_timed.sc ||
	    lines_create(&the_timed.lines, sys)) {
		timed_remove(sys);
		return -ENOMEM;
	}
	for (u32 i = 0; i < sys->nr_cpus; i++) {
		the_timed.sc[i].cpu = &sys->cpu[i];
	}
	link_siblings(sys);
	/* With caches = full a store anywhere may take a line away. */
	the_timed.lookahead = sys->is_checked || sys->walk.caches == CACHES_FULL
		? 0 : machine_lookahead_cycles(sys->m);
	if (sys->has_broadcasts &&
	    cpu_broadcast_lookahead(sys->m) < the_timed.lookahead)
		the_timed.lookahead = cpu_broadcast_lookahead(sys->m);
	timed_set_lookahead(the_timed.lookahead);
	sys->drv = (struct driver){
		.step = timed_step,
		.wait = timed_wait,
		.wait_until = timed_wait_until,
		.delay = timed_delay,
		.wake = timed_wake,
		.wake_at = timed_wake_at,
		.wait_turn = timed_wait_turn,
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
	free(the_timed.sc);
	runq_free(&the_timed.q);
	lines_destroy(the_timed.lines);
	memset(&the_timed, 0, sizeof(the_timed));
}

void timed_set_lookahead(u64 cycles)
{
	the_timed.lookahead = cycles;
	for (u32 i = 0; i < the_timed.sys->nr_cpus; i++) {
		struct sched_cpu *sc = &the_timed.sc[i];

		sc->lookahead = sc->sibling == sc ? cycles : 0;
	}
}

void timed_set_sampler(u64 at, u64 (*fn)(u64 cycles, void *arg), void *arg)
{
	the_timed.sample_at = at;
	the_timed.on_sample = fn;
	the_timed.sample_arg = arg;
}

int timed_run(struct sys *sys, void (*on_progress)(u64 cycles, void *arg),
	      void *arg, const volatile bool *stop)
{
	the_timed.on_progress = on_progress;
	the_timed.progress_arg = arg;
	the_timed.stop = stop;
	for (u32 i = 0; i < sys->nr_cpus; i++)
		if (sys->cpu[i].task) {
			the_timed.nr_tasks++;
			queue(&sys->cpu[i]);
		}
	if (the_timed.nr_tasks)
		go(&the_timed.host);
	return the_timed.result;
}

u64 timed_elapsed(const struct sys *sys)
{
	u64 t = 0;

	for (u32 i = 0; i < sys->nr_cpus; i++)
		if (sys->cpu[i].done_at > t)
			t = sys->cpu[i].done_at;
	return t;
}
