/* Mach's shootdown (F16), the first that was published: a rendezvous. The initiator
 * turns interrupts off, leaves the set of active CPUs, queues what is to be dropped
 * for each CPU that uses the address space, interrupts those that do not idle, and
 * waits until each has left the active set. A responder leaves it (that is its
 * acknowledgement), stalls until nobody needs it to, drops what is queued, and
 * joins again. One that idles finds its queue when it goes busy. Two actions of one
 * initiator that it has not looked at stand for everything.
 *
 * The hardware it was made for wrote R and M bits back blindly, so that entries
 * were changed while all stood still. Here they are changed before, under the
 * page-table lock, and the rendezvous comes at its end: this kernel takes other
 * locks in between with interrupts on, whose holders would be stalled, and hardware
 * sets A and D by locked operations. So what is left of the stall is that the
 * first to arrive wait for the last.
 *
 * assumed: a queue is a place for each initiator, where Mach has a bounded list under
 * a lock; no tags, each switch flushes; the initiator also waits until its
 * interrupts have been taken, as the next one may be another's. Reclaim does not
 * batch.
 * Source: Black et al., "Translation Lookaside Buffer Consistency: A Software
 * Approach", ASPLOS 1989 (abstract, a reading note). */
#include <errno.h>

#include "mm/flush/signal.h"
#include "mm/switch.h"

/* What one CPU has queued for another one. */
enum { NO_ACTION, DROP_RANGE, DROP_ALL };

struct action {
	u64 what;
	u64 mm, start, end;
};

/* Of a CPU, on a line of its own. */
struct mach_cpu {
	u64 is_active;
	u64 held;               /* initiators that need it to stand still     */
	u64 pending;            /* actions queued since it looked             */
	u64 pad[5];
};

struct mach {
	struct mach_cpu *cpu;
	struct action *action;  /* [target][initiator]                        */
	struct signals taken;
};

static struct mach *mach(void)
{
	return mms()->flush_state;
}

static struct mach_cpu *state_of(u32 cpu)
{
	return &mach()->cpu[cpu];
}

static int boot(struct sys *sys)
{
	struct mach *m = arena_alloc(&sys->arena, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->cpu = arena_alloc(&sys->arena, sys->nr_cpus * sizeof(*m->cpu));
	m->action = arena_alloc(&sys->arena, (u64)sys->nr_cpus * sys->nr_cpus *
				sizeof(*m->action));
	for (u32 i = 0; m->cpu && i < sys->nr_cpus; i++)
		m->cpu[i].is_active = 1;
	mms()->flush_state = m;
	return m->cpu && m->action ? signals_create(&m->taken, sys) : -ENOMEM;
}

/* ---- queues ------------------------------------------------------------------------- */

static struct action *action_of(u32 target, u32 initiator)
{
	return &mach()->action[(u64)target * the_sys->nr_cpus + initiator];
}

static void queue(u32 cpu, const struct flush_req *r)
{
	struct action *a = action_of(cpu, this_cpu->id);

	if (r->is_full || READ_ONCE(a->what)) {
		(void)xchg(&a->what, DROP_ALL);
	} else {
		WRITE_ONCE(a->mm, (uintptr_t)r->mm);
		WRITE_ONCE(a->start, r->start);
		WRITE_ONCE(a->end, r->end);
		(void)xchg(&a->what, DROP_RANGE);
	}
	(void)atomic_add_return(&state_of(cpu)->pending, 1);
}

static void drop(u64 mm, u64 start, u64 end, bool is_full)
{
	struct flush_req r = { .start = start, .end = end,
			       .is_full = is_full };
	struct mm *loaded = my_loaded_mm();

	if (loaded && (is_full || (uintptr_t)loaded == mm))
		flush_own(&r);
}

static void process_queue(void)
{
	if (!READ_ONCE(state_of(this_cpu->id)->pending) ||
	    !xchg(&state_of(this_cpu->id)->pending, 0))
		return;
	for (u32 i = 0; i < the_sys->nr_cpus; i++) {
		struct action *a = action_of(this_cpu->id, i);
		u64 what = READ_ONCE(a->what);

		if (what)
			what = xchg(&a->what, NO_ACTION);
		if (what == DROP_ALL)
			drop(0, 0, UINT64_MAX, true);
		else if (what)
			drop(READ_ONCE(a->mm), READ_ONCE(a->start),
			     READ_ONCE(a->end), false);
	}
}

/* ---- the active set ------------------------------------------------------------------ */

static bool is_let_go(const void *arg)
{
	return !((const struct mach_cpu *)arg)->held;
}

static void leave_active_set(void)
{
	struct mach_cpu *c = state_of(this_cpu->id);

	(void)xchg(&c->is_active, 0);
	the_sys->drv.wake(&c->is_active);
}

/* Who holds this CPU from now on sees it active, or is seen here. */
static void join_active_set(void)
{
	struct mach_cpu *c = state_of(this_cpu->id);

	do {
		leave_active_set();
		the_sys->drv.wait(&c->held, is_let_go, c, 0);
		process_queue();
		(void)xchg(&c->is_active, 1);
	} while (READ_ONCE(c->held) || READ_ONCE(c->pending));
}

static void update(void *arg)
{
	COUNT(REMOTE_FLUSH_RECEIVED, 1);
	leave_active_set();
	signals_answer(&mach()->taken);
	NOTE("left the active set");
	join_active_set();
}

/* No tags. A CPU that comes back from idling looks at its queue, after it has said
 * so. */
static u16 load(struct mm *mm, bool is_back, bool *flush)
{
	struct mach_cpu *c = state_of(this_cpu->id);

	*flush = true;
	if (is_back) {
		smp_mb();
		*flush = READ_ONCE(c->pending);
	}
	if (*flush && is_back)
		process_queue();
	return 1;
}

/* ---- the initiator ------------------------------------------------------------------- */

static bool has_left(const void *arg)
{
	return !*(const u64 *)arg;
}

/* Queue for all of @to, and hold them; those that idle stay out of it.
 * Return: some are to be interrupted. */
static bool hold(u64 *to, const struct flush_req *r)
{
	bool any = false;

	for (u32 i = 0; i < the_sys->nr_cpus; i++) {
		if (!flush_has(to, i))
			continue;
		/* The queue before is_lazy; pairs with load(). */
		queue(i, r);
		touch(to, true);
		if (READ_ONCE(tlb_state_of(i)->is_lazy)) {
			to[i / 64] &= ~(1ull << i % 64);
			continue;
		}
		(void)atomic_add_return(&state_of(i)->held, 1);
		any = true;
	}
	return any;
}

static void let_go(const u64 *to)
{
	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		if (flush_has(to, i)) {
			(void)atomic_add_return(&state_of(i)->held, -1);
			the_sys->drv.wake(&state_of(i)->held);
		}
}

static void wait_for(const u64 *to)
{
	enum cycle_cat cat = cat_enter(CYC_WAIT_ACK);

	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		if (flush_has(to, i)) {
			const u64 *active = &state_of(i)->is_active;

			the_sys->drv.wait(active, has_left, active, 0);
		}
	cat_leave(cat);
}

static void shoot(struct flush_req *r)
{
	u64 *to = flush_targets();
	bool any;

	local_irq_disable();
	leave_active_set();
	any = flush_others(r->mm, to) && hold(to, r);
	if (any) {
		flush_count_sent(r);
		signals_send(&mach()->taken, to, update, r);
	}
	if (my_loaded_mm() == r->mm)
		flush_own(r);
	if (any) {
		wait_for(to);
		NOTE("all have left the active set");
		let_go(to);
	}
	join_active_set();
	local_irq_enable();
	if (any)
		signals_wait(&mach()->taken, to);
	flush_targets_done();
}

static void flush(struct flush_batch *b)
{
	flush_batch_flush(b, false);
}

extern const struct flush_ops flush_mach;
const struct flush_ops flush_mach = {
	.name = "mach",
	.summary = "Mach: all users of an address space stand still, then drop what is queued",
	.source = "Black et al., ASPLOS 1989",
	.defers = "responders drop after the initiator has gone on, before any user access; idle CPUs when they go busy",
	/* Who has left the active set has dropped nothing yet. */
	.legal = FLUSH_ALL_OPS & ~FLUSH_WALKED_OPS,
	.changed = flush_batch_add,
	.unlock = flush,
	.finish = flush,
	.boot = boot,
	.load = load,
	.shoot = shoot,
};
