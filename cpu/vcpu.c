#include "cpu/vcpu.h"

#include <errno.h>

#include "cpu/step.h"

static struct vcpu *vcpu_of(u32 cpu)
{
	return &the_sys->vcpu[cpu];
}

/* ---- timed: stolen time, stalls ------------------------------------------------ */

/* Where the window begins that @at is in, or the next one. */
static u64 window_from(const struct cpu *c, u64 at)
{
	const struct vcpu_config *v = &the_sys->vcpus;
	u64 from, nr;

	if (!v->steal)
		return UINT64_MAX;
	nr = at / v->steal_every;
	do {
		from = contend_window(CONTEND_STOLEN, c->id, nr++, v->steal,
				      v->steal_every);
	} while (at >= from + v->steal);
	return from;
}

u64 vcpu_back_at(const struct cpu *c, u64 at)
{
	u64 from = window_from(c, at);

	return at >= from ? from + the_sys->vcpus.steal : at;
}

static bool is_away(u32 cpu)
{
	return vcpu_back_at(&the_sys->cpu[cpu], this_cpu->now) != this_cpu->now;
}

static void pass(u64 cycles, enum cycle_cat cat)
{
	enum cycle_cat was = cat_enter(cat);

	charge(cycles);
	cat_leave(was);
}

static void know_next(struct cpu *c, u64 after)
{
	COUNT(VCPU_STOLEN, 1);
	c->steal_at = window_from(c, after);
	c->is_entering = true;
}

static void enter(struct cpu *c)
{
	struct vcpu *v = vcpu_of(c->id);

	c->is_entering = false;
	if (!v->must_flush)
		return;
	v->must_flush = 0;
	COUNT(VCPU_ENTRY_FLUSH, 1);
	c->serving = c->flush_from;
	cpu_invalidate(inval_op_find("INVVPID 1"), 0, 0);
	c->serving = NULL;
}

void vcpu_stop(struct cpu *c)
{
	if (c->stall) {
		pass(c->stall, CYC_RESPOND);
		PROBE(.what = PROBE_STALLED, .n = c->stall);
		c->stall = 0;
	} else if (c->now >= c->steal_at) {
		pass(the_sys->vcpus.steal, CYC_STOLEN);
		know_next(c, c->steal_at + the_sys->vcpus.steal);
	} else {
		enter(c);
	}
	c->stop_at = c->is_entering ? 0 : c->steal_at;
}

/* Who waits stands still anyway. */
static void stood_still(struct cpu *c)
{
	u64 left;

	if (c->bcast_at <= c->now)
		cpu_take_broadcasts(c);
	if (!c->stall)
		return;
	left = c->stall_until > c->now ? c->stall_until - c->now : 0;
	if (left < c->stall)
		c->stall = left;
	if (!left && !c->is_entering)
		c->stop_at = c->steal_at;
}

void vcpu_waited(struct cpu *c)
{
	u64 back;

	stood_still(c);
	if (c->now < c->steal_at)
		return;
	back = vcpu_back_at(c, c->now);
	pass(back - c->now, CYC_STOLEN);
	know_next(c, back);
	c->stop_at = 0;
}

int vcpu_create(struct sys *sys)
{
	if (!sys->vcpus.is_on)
		return 0;
	sys->vcpu = arena_alloc(&sys->arena,
				sys->nr_cpus * sizeof(*sys->vcpu));
	for (u32 i = 0; sys->vcpu && i < sys->nr_cpus; i++)
		sys->cpu[i].stop_at = sys->cpu[i].steal_at =
			window_from(&sys->cpu[i], 0);
	return sys->vcpu ? 0 : -ENOMEM;
}

/* ---- what the guest does ------------------------------------------------------- */

bool vcpu_may_be_away(u32 cpu)
{
	if (the_sys->is_explored)
		return true;
	step(vcpu_of(cpu), false, cost_of(COST_PTE_SCAN));
	return is_away(cpu);
}

/* Has it left the guest before its next step? Its stores are visible then. */
static bool pick_away(const struct cpu *c)
{
	const struct storebuf *sb = c->s->sb;

	touch(c->s, true);
	if (sb)
		touch(sb, false);
	return c->task && !(sb && sb->n) && the_sys->drv.choose(2);
}

static bool flush_explored(u32 cpu)
{
	struct cpu *c = &the_sys->cpu[cpu];

	cpu_serialise(vcpu_of(cpu));
	if (!pick_away(c))
		return false;
	NOTE("CPU %u is away, and flushes before it is back", cpu);
	cpu_invalidate_on(c, inval_op_find("INVVPID 1"), 0, 0);
	return true;
}

bool vcpu_flush_later(u32 cpu)
{
	bool will;

	if (the_sys->is_explored) {
		will = flush_explored(cpu);
		observe(will);
		return will;
	}
	step(vcpu_of(cpu), true, cost_of(COST_LOCK));
	if (!is_away(cpu))
		return false;
	vcpu_of(cpu)->must_flush = 1;
	the_sys->cpu[cpu].flush_from = this_cpu;
	COUNT(VCPU_FLUSH_LEFT, 1);
	return true;
}
