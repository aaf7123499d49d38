/* The timed driver's waits: a CPU that waits for a word sleeps, out of the order of
 * turns, until somebody stores to it or an interrupt comes. */
#include <assert.h>

#include "cpu/calls.h"
#include "cpu/overlap.h"
#include "cpu/step.h"
#include "cpu/timed_cpu.h"

static u32 bucket(const void *obj)
{
	u64 x = arena_offset(&the_timed.sys->arena, obj) * 0x9e3779b97f4a7c15ull;

	return (u32)(x >> (64 - WAITQ_BITS));
}

static void enqueue(struct sched_cpu *sc, const void *obj)
{
	struct waiters *w = &the_timed.waitq[bucket(obj)];

	if (!w->first)
		w->end = &w->first;
	*w->end = sc;
	w->end = &sc->next;
	sc->next = NULL;
	sc->waits_for = obj;
}

static void dequeue(struct sched_cpu *sc)
{
	struct waiters *w = &the_timed.waitq[bucket(sc->waits_for)];
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
		the_timed.nr_done++;
		the_timed.look_at = 0;
		c->cat = CYC_IDLE;
		c->done_at = c->now;
	}
	if (c->irq_at != UINT64_MAX) {
		if (c->now < c->irq_at)
			charge(c->irq_at - c->now);
		queue(c);
	} else {
		runq_remove(&the_timed.q, c->id);
	}
	timed_rest(c);
	vcpu_waited(c);
	timed_take_due_irqs(c);
}

/* A wait begins, or goes on. */
static void sleep_on(struct sched_cpu *sc)
{
	struct cpu *c = sc->cpu;
	u64 at = sc->until;

	sc->from = c->now;
	sc->is_waiting = true;
	enqueue(sc, sc->obj);
	if (!c->s->irq_off && c->irq_at < at)
		at = c->irq_at;
	if (at != UINT64_MAX) {
		/* Asleep until then, unless woken first. */
		if (at > c->now)
			c->now = at;
		queue(c);
	} else {
		runq_remove(&the_timed.q, c->id);
	}
}

void timed_woke(struct sched_cpu *sc)
{
	struct cpu *c = sc->cpu;

	if (sc->waits_for)
		dequeue(sc);
	sc->is_waiting = false;
	c->cycles[sc->cat] += c->now - sc->from;
	PROBE(.what = PROBE_WAITED, .cat = sc->cat, .from = sc->from);
}

bool timed_looks_in_vain(struct sched_cpu *sc)
{
	if (sc->ready(sc->ready_arg) || sc->cpu->now >= sc->until)
		return false;
	if (sc->is_waiting)
		timed_woke(sc);
	sleep_on(sc);
	return true;
}

/* ---- queues of locks ---------------------------------------------------------- */

/* Contended, who comes to a lock takes his turn behind those that wait for it, be
 * it free or not, and keeps his place while he takes interrupts, as with Linux's
 * queued spinlocks (kernel/locking/qspinlock.c). */
static struct sched_cpu *first_in_turn(const void *lock)
{
	struct sched_cpu *sc = the_timed.turns[bucket(lock)];

	while (sc && sc->turn_for != lock)
		sc = sc->behind;
	return sc;
}

static bool has_turn(const struct sched_cpu *sc, const void *lock)
{
	const struct sched_cpu *first = first_in_turn(lock);

	return !first || first == sc;
}

static void join_turn(struct sched_cpu *sc, const void *lock)
{
	struct sched_cpu **p = &the_timed.turns[bucket(lock)];

	assert(!sc->turn_for);
	while (*p)
		p = &(*p)->behind;
	*p = sc;
	sc->behind = NULL;
	sc->turn_for = lock;
}

static void leave_turn(struct sched_cpu *sc)
{
	struct sched_cpu **p;

	if (!sc->turn_for)
		return;
	p = &the_timed.turns[bucket(sc->turn_for)];
	while (*p != sc)
		p = &(*p)->behind;
	*p = sc->behind;
	sc->turn_for = NULL;
}

/* ---- waits -------------------------------------------------------------------- */

/* Trying for it, and polling it while others have it; taking it is a store again. */
static void look_at_lock(struct cpu *c, const void *obj, bool is_write)
{
	u64 cycles = line_cost(c, obj, is_write);

	c->cycles[CYC_LOCK_WAIT] += cycles;
	c->now += cycles;
	catch_up(c);
}

static bool goes(const struct sched_cpu *sc, const void *obj,
		 bool (*ready)(const void *), const void *arg, bool in_turn)
{
	return ready(arg) && (!in_turn || has_turn(sc, obj));
}

static void wait_for(const void *obj, bool (*ready)(const void *),
		     const void *arg, u64 cycles, bool in_turn, u64 until)
{
	struct cpu *c = this_cpu;
	struct sched_cpu *sc = sc_of(c);
	u64 from;
	enum cycle_cat cat, was;
	bool is_lock;

	if (!obj && !ready) {           /* private work came to its horizon */
		catch_up(c);
		timed_look_far(c);
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
	is_lock = the_timed.sys->contend.has_lines && cat == CYC_LOCK_WAIT;
	/* Who finds a lock taken has fetched its line for that. */
	if (is_lock && !goes(sc, obj, ready, arg, in_turn))
		look_at_lock(c, obj, true);
	if (in_turn && !goes(sc, obj, ready, arg, in_turn))
		join_turn(sc, obj);
	while (!goes(sc, obj, ready, arg, in_turn) && c->now < until) {
		/* Each time: an interrupt's handler may wait, too. */
		sc->obj = obj;
		sc->ready = ready;
		sc->ready_arg = arg;
		sc->is_lock = is_lock;
		sc->until = until;
		sc->cat = cat;
		sleep_on(sc);
		timed_rest(c);
		sc->ready = NULL;
		if (sc->is_waiting) {
			timed_woke(sc);
			vcpu_waited(c);
		}
		catch_up(c);
		if (is_lock && (!in_turn || has_turn(sc, obj)))
			look_at_lock(c, obj, false);
	}
	leave_turn(sc);
	from = all_lines_cost(sc, obj, true);
	if (from)
		charge(from);
	c->cat = was;
}

void timed_wait(const void *obj, bool (*ready)(const void *),
		const void *arg, u64 cycles)
{
	wait_for(obj, ready, arg, cycles, false, UINT64_MAX);
}

void timed_wait_turn(const void *obj, bool (*ready)(const void *),
		     const void *arg, u64 cycles)
{
	wait_for(obj, ready, arg, cycles, the_timed.sys->contend.has_lines,
		 UINT64_MAX);
}

void timed_wait_until(const void *obj, bool (*ready)(const void *),
		      const void *arg, u64 until)
{
	wait_for(obj, ready, arg, 0, false, until);
}

/* Interrupts that come wake it earlier, as one that waits (timed_ipi_posted). */
void timed_delay(u64 until)
{
	struct cpu *c = this_cpu;
	struct sched_cpu *sc = sc_of(c);

	/* Before timed_run() nobody is in, and no time goes by. */
	while (c->now < until && the_timed.q.nr_in) {
		u64 from = c->now, at = c->s->irq_off ? UINT64_MAX : c->irq_at;

		if (c->bcast_at < at)
			at = c->bcast_at;
		sc->is_waiting = true;
		c->now = at < until ? at > from ? at : from : until;
		queue(c);
		timed_rest(c);
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
		timed_look_far(c);
	else if (ahead < c->run_until)
		c->run_until = ahead;
}

/* @sc, which sleeps, may look from @t on. */
static void wake_one(struct sched_cpu *sc, u64 t)
{
	struct cpu *c = sc->cpu;

	dequeue(sc);
	if (runq_has(&the_timed.q, c->id)) {
		/* It sleeps towards an interrupt at c->now. */
		if (c->now <= t)
			return;
		c->now = t;
	} else if (c->now < t) {
		c->now = t;
	}
	queue(c);
}

static void tell_tasks(const void *obj)
{
	if (unlikely(the_timed.sys->os.woken != NULL))
		the_timed.sys->os.woken(obj);
}

/* All who sleep on @obj. */
static void wake(const void *obj, u64 t)
{
	struct sched_cpu *sc, *next;

	tell_tasks(obj);
	for (sc = the_timed.waitq[bucket(obj)].first; sc; sc = next) {
		next = sc->next;
		if (sc->waits_for == obj)
			wake_one(sc, t);
	}
	cap_horizon(this_cpu);
}

void timed_wake(const void *obj)
{
	wake(obj, this_cpu->now);
}

void timed_wake_at(const void *obj, u64 at)
{
	wake(obj, at);
}

/* A first who takes an interrupt meanwhile looks after it. */
void timed_hand_over(const void *obj)
{
	struct sched_cpu *first;

	if (!the_timed.sys->contend.has_lines) {
		wake(obj, this_cpu->now);
		return;
	}
	tell_tasks(obj);
	first = first_in_turn(obj);
	if (first && first->waits_for == obj)
		wake_one(first, this_cpu->now);
	cap_horizon(this_cpu);
}

void timed_ipi_posted(struct cpu *to)
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
	if (runq_has(&the_timed.q, sc->cpu->id)) {
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
