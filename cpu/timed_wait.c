/* The timed driver's waits: a CPU that waits for a word sleeps, out of the order of
 * turns, until somebody stores to it or an interrupt comes. */
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

	sc->from = c->now;
	sc->is_waiting = true;
	enqueue(sc, sc->obj);
	if (c->irq_at != UINT64_MAX && !c->s->irq_off) {
		/* Asleep until the interrupt, unless woken first. */
		if (c->irq_at > c->now)
			c->now = c->irq_at;
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
	if (sc->ready(sc->ready_arg))
		return false;
	if (sc->is_waiting)
		timed_woke(sc);
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

void timed_wait(const void *obj, bool (*ready)(const void *),
		       const void *arg, u64 cycles)
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
		timed_rest(c);
		sc->ready = NULL;
		if (sc->is_waiting) {
			timed_woke(sc);
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
void timed_delay(u64 until)
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

/* Who sleeps on @obj, or the first of them, may look from @t on. */
static void wake(const void *obj, bool is_one, u64 t)
{
	struct sched_cpu *sc, *next;

	if (unlikely(the_timed.sys->os.woken != NULL))
		the_timed.sys->os.woken(obj);

	for (sc = the_timed.waitq[bucket(obj)].first; sc; sc = next) {
		struct cpu *c = sc->cpu;

		next = sc->next;
		if (sc->waits_for != obj)
			continue;
		dequeue(sc);
		if (runq_has(&the_timed.q, sc->cpu->id)) {
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

void timed_wake(const void *obj)
{
	wake(obj, false, this_cpu->now);
}

void timed_wake_at(const void *obj, u64 at)
{
	wake(obj, false, at);
}

void timed_hand_over(const void *obj)
{
	wake(obj, the_timed.sys->contend.has_lines, this_cpu->now);
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
