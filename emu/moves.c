#include "emu/moves.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct explorer explorer;

static mask128 bit_of(const void *obj)
{
	u64 word = arena_offset(&explorer.sys->arena, obj) >> 3;

	return (mask128)1 << (word * 0x9e3779b97f4a7c15ull >> 57);
}

static void x_touch(const void *obj, bool is_write)
{
	/* What lies elsewhere has another address in the next process. */
	assert(arena_offset(&explorer.sys->arena, obj) <
	       explorer.sys->arena.used);
	if (is_write)
		explorer.wr |= bit_of(obj);
	else
		explorer.rd |= bit_of(obj);
}

/* Stop here until the explorer picks this CPU; take interrupts it sends. */
static void park(struct cpu *c, bool (*ready)(const void *), const void *arg)
{
	for (;;) {
		c->ctx.ready = ready;
		c->ctx.ready_arg = arg;
		fiber_switch(&c->fiber, &explorer.host);
		if (!c->ctx.take_irq)
			return;
		c->ctx.take_irq = false;
		cpu_take_irqs();
	}
}

static void look_on(const void *obj, bool is_write, bool is_wait)
{
	if (unlikely(explorer.on_event != NULL))
		explorer.next[this_cpu->id] = (struct next_step){
			obj, is_write, is_wait };
}

static void x_step(const void *obj, bool is_write, u64 cycles)
{
	struct cpu *c = this_cpu;

	observe(arena_offset(&explorer.sys->arena, obj) << 1 | is_write);
	look_on(obj, is_write, false);
	if (c->ctx.glide)
		c->ctx.glide = false;
	else
		park(c, NULL, NULL);
	x_touch(obj, is_write);
}

static void x_wait(const void *obj, bool (*ready)(const void *),
		   const void *arg, u64 cycles)
{
	struct cpu *c = this_cpu;

	c->ctx.glide = false;
	if (obj)
		observe(arena_offset(&explorer.sys->arena, obj) << 1);
	look_on(obj, true, true);
	park(c, ready, arg);
	if (obj)
		x_touch(obj, true);
}

static void x_wake(const void *obj)
{
}

static void x_ipi_posted(struct cpu *target)
{
}

static u32 x_choose(u32 n)
{
	u32 i = explorer.nr_picks, pick;

	if (n <= 1)
		return 0;
	if (i == EXPLORE_MAX_PICKS) {
		explorer.is_broken = true;
		return 0;
	}
	explorer.options[i] = (u8)n;
	if (i >= explorer.nr_told)
		explorer.pick[i] = explorer.rng
			? (u8)rng_below(explorer.rng, n) : 0;
	explorer.nr_picks++;
	/* A schedule of another machine may tell more than there is. */
	pick = explorer.pick[i] < n ? explorer.pick[i] : 0;
	if (!explorer.is_draining)
		observe(pick);
	return pick;
}

static void x_violation(const char *oracle, const char *text)
{
	if (!explorer.is_violated) {
		explorer.is_violated = true;
		snprintf(explorer.oracle, sizeof(explorer.oracle), "%s", oracle);
		snprintf(explorer.text, sizeof(explorer.text), "%s", text);
	}
	if (explorer.sys->drv.note)
		cpu_note("*** %s: %s", oracle, text);
	/* The execution ends here: its fiber is never resumed, since the next
	 * state is restored over it. */
	if (!explorer.is_draining)
		for (;;)
			fiber_switch(&this_cpu->fiber, &explorer.host);
}

static const struct driver x_driver = {
	.step = x_step,
	.wait = x_wait,
	.wake = x_wake,
	.touch = x_touch,
	.choose = x_choose,
	.ipi_posted = x_ipi_posted,
	.violation = x_violation,
};

/* ---- transitions --------------------------------------------------------------- */

u32 moves_enabled(void)
{
	mask128 rd = explorer.rd, wr = explorer.wr;
	struct mmu_fill f[MMU_MAX_FILLS];
	u32 mask = 0;

	for (u32 i = 0; i < explorer.sys->nr_cpus; i++) {
		struct cpu *c = &explorer.sys->cpu[i];
		const struct storebuf *sb = c->s->sb;

		if (!c->task)
			continue;
		this_cpu = c;
		if (!c->ctx.ready || c->ctx.ready(c->ctx.ready_arg))
			mask |= 1u << id_of(i, X_STEP);
		if (cpu_irq_is_due(c) && (!sb || !sb->n))
			mask |= 1u << id_of(i, X_IRQ);
		if (sb && sb->n)
			mask |= 1u << id_of(i, X_DRAIN);
		if (explorer.sys->is_by_manual && explorer.sys->may_speculate &&
		    mmu_fills(c, f))
			mask |= 1u << id_of(i, X_FILL);
	}
	/* Looking is not what the move did. */
	explorer.rd = rd;
	explorer.wr = wr;
	return mask;
}

static void drain(struct cpu *c)
{
	struct storebuf *sb = c->s->sb;
	bool is_weak = explorer.sys->memory_model == MEM_WEAK;
	u32 n = 0;

	explorer.is_draining = true;
	while (sb_drainable(sb, is_weak, n) >= 0)
		n++;
	if (explorer.sys->drv.note) {
		int i = sb_drainable(sb, is_weak, 0);

		(void)i;
		cpu_note("buffered store becomes visible");
	}
	sb_drain(sb, (u32)sb_drainable(sb, is_weak, x_choose(n)));
	/* A release that nobody may try only lets others go on. */
	while (explorer.sys->is_reduced && sb->n && sb->e[0].kind == SB_RELEASE &&
	       !sb->e[0].level && !explorer.is_violated)
		sb_drain(sb, 0);
	explorer.is_draining = false;
}

static void fill(struct cpu *c)
{
	struct mmu_fill f[MMU_MAX_FILLS];
	u32 n;

	explorer.is_draining = true;
	n = mmu_fills(c, f);
	mmu_fill(c, &f[x_choose(n)]);
	explorer.is_draining = false;
}

void moves_run(u32 id)
{
	struct cpu *c = &explorer.sys->cpu[id / NR_X_KINDS];

	this_cpu = c;
	explorer.rd = explorer.wr = 0;
	explorer.nr_picks = 0;
	switch (id % NR_X_KINDS) {
	case X_DRAIN:
		drain(c);
		return;
	case X_FILL:
		fill(c);
		return;
	case X_IRQ:
		c->ctx.take_irq = true;
		x_touch(&c->s->nr_ipis, true);
		break;
	}
	/* One fiber: its next step and the interrupt before it are never
	 * independent, even where their words differ. After the interrupt's
	 * first step, X_STEP is the handler's. */
	x_touch(c->s, true);
	if (c->s->sb)
		x_touch(c->s->sb, false);
	fiber_switch(&explorer.host, &c->fiber);
}

static bool all_done(void)
{
	for (u32 i = 0; i < explorer.sys->nr_cpus; i++)
		if (explorer.sys->cpu[i].task && !explorer.sys->cpu[i].s->is_done)
			return false;
	return true;
}

/* ---- snapshots ------------------------------------------------------------------ */

size_t snap_size(void)
{
	size_t n = sizeof(struct snap) + explorer.sys->arena.used;
	u8 *lo;

	for (u32 i = 0; i < explorer.sys->nr_cpus; i++)
		if (explorer.sys->cpu[i].task)
			n += fiber_live(&explorer.sys->cpu[i].fiber, &lo);
	return n;
}

void snap_save(struct snap *s)
{
	u8 *p = (u8 *)(s + 1), *lo;

	s->arena_used = (u32)explorer.sys->arena.used;
	memcpy(p, explorer.sys->arena.base, s->arena_used);
	p += s->arena_used;
	for (u32 i = 0; i < explorer.sys->nr_cpus; i++) {
		struct cpu *c = &explorer.sys->cpu[i];

		s->live[i] = 0;
		if (!c->task)
			continue;
		s->ctx[i] = c->ctx;
		s->ctx[i].sp = c->fiber.sp;
		s->live[i] = (u32)fiber_live(&c->fiber, &lo);
		memcpy(p, lo, s->live[i]);
		p += s->live[i];
	}
	s->bytes = (u32)(p - (u8 *)s);
}

void snap_restore(const struct snap *s)
{
	const u8 *p = (const u8 *)(s + 1);

	/* What was allocated since is born zeroed when it is again. */
	if (explorer.sys->arena.used > s->arena_used)
		memset(explorer.sys->arena.base + s->arena_used, 0,
		       explorer.sys->arena.used - s->arena_used);
	explorer.sys->arena.used = s->arena_used;
	memcpy(explorer.sys->arena.base, p, s->arena_used);
	p += s->arena_used;
	for (u32 i = 0; i < explorer.sys->nr_cpus; i++) {
		struct cpu *c = &explorer.sys->cpu[i];

		if (!c->task)
			continue;
		c->ctx = s->ctx[i];
		c->fiber.sp = s->ctx[i].sp;
		memcpy(c->fiber.sp, p, s->live[i]);
		p += s->live[i];
	}
}

struct snap *snap_take(void)
{
	size_t n = snap_size();
	struct snap *s = malloc(n);

	if (s)
		snap_save(s);
	return s;
}

struct hash128 state_hash(void)
{
	const struct arena *a = &explorer.sys->arena;
	struct hash128 sum = { a->used, 0 };

	/* The last one is read to its end: what is not used is zero. */
	for (size_t i = 0; i * STATE_BLOCK < a->used; i++) {
		struct hash128 h = state_block_hash(a->base, i);

		sum.lo += h.lo;
		sum.hi += h.hi;
	}
	return sum;
}

/* ---- beginning and end ----------------------------------------------------------- */

/* Start every task: run its own code up to its first step. */
static void start_all(void)
{
	for (u32 i = 0; i < explorer.sys->nr_cpus; i++)
		if (explorer.sys->cpu[i].task) {
			this_cpu = &explorer.sys->cpu[i];
			fiber_switch(&explorer.host, &this_cpu->fiber);
			/* Never called again, and a key holds no addresses of
			 * code: they differ from run to run. */
			if (arena_holds(&explorer.sys->arena, this_cpu->task))
				this_cpu->task->fn = NULL;
		}
}

void moves_begin(struct sys *sys)
{
	memset(&explorer, 0, sizeof(explorer));
	explorer.sys = sys;
	sys->drv = x_driver;
	for (u32 i = 0; i < sys->nr_cpus; i++)
		memset(&sys->cpu[i].ctx, 0, sizeof(sys->cpu[i].ctx));
	start_all();
}

void moves_check_final(const struct explore_config *cfg)
{
	explorer.is_draining = true;           /* on the host's stack */
	this_cpu = &explorer.sys->cpu[0];
	if (!all_done() && !cfg->deadlock_is_final)
		x_violation("O13", "every CPU waits for another");
	else if (cfg->on_final)
		cfg->on_final(cfg->final_arg);
	explorer.is_draining = false;
}

bool moves_lost_precision(void)
{
	for (u32 i = 0; i < explorer.sys->nr_cpus; i++)
		if (explorer.sys->cpu[i].s->env && explorer.sys->cpu[i].s->env->overflowed)
			return true;
	return explorer.is_broken;
}

/* The next outcome of the frame's transition, odometer-wise; or the next
 * transition. Return: false when the frame is exhausted. */
bool frame_next(struct frame *f)
{
	if (f->at != NR_IDS) {
		while (f->nr_told) {
			u32 i = f->nr_told - 1;

			if (++f->pick[i] < f->options[i])
				return true;
			f->nr_told--;
		}
		f->sleep |= 1u << f->at;
		f->rd[f->at] = f->at_rd;
		f->wr[f->at] = f->at_wr;
		f->at = NR_IDS;
	}
	if (!f->todo)
		return false;
	f->at = (u32)__builtin_ctz(f->todo);
	f->todo &= f->todo - 1;
	f->nr_told = 0;
	f->at_rd = f->at_wr = 0;
	return true;
}
