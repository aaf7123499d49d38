#include <assert.h>
#include <string.h>

#include "cpu/cpu.h"
#include "cpu/direct.h"

static void direct_step(const void *obj, bool is_write, u64 cycles)
{
}

static void direct_wait(const void *obj, bool (*ready)(const void *),
			const void *arg, u64 cycles)
{
	struct storebuf *sb = this_cpu->s->sb;

	while (sb && sb->n)
		sb_drain(sb, 0);
	assert(!ready || ready(arg));
}

static void direct_wake(const void *obj)
{
}

static void direct_touch(const void *obj, bool is_write)
{
}

static u32 direct_choose(u32 n)
{
	return 0;
}

static void direct_ipi_posted(struct cpu *target)
{
	struct cpu *from = this_cpu;

	this_cpu = target;
	cpu_take_irqs();
	this_cpu = from;
}

static void direct_violation(const char *oracle, const char *text)
{
	assert(!"an oracle fired while the stage was set");
}

void direct_install(struct sys *sys)
{
	sys->drv = (struct driver){
		.step = direct_step,
		.wait = direct_wait,
		.wake = direct_wake,
		.touch = direct_touch,
		.choose = direct_choose,
		.ipi_posted = direct_ipi_posted,
		.violation = direct_violation,
	};
}

void direct_settle(struct sys *sys)
{
	struct cpu *me = this_cpu;

	for (u32 i = 0; i < sys->nr_cpus; i++) {
		struct cpu_state *s = sys->cpu[i].s;

		this_cpu = &sys->cpu[i];
		while (s->sb && s->sb->n)
			sb_drain(s->sb, 0);
	}
	for (u32 i = 0; i < sys->nr_cpus; i++) {
		struct cpu_state *s = sys->cpu[i].s;

		s->obs = 0;
		if (s->sb)
			memset(s->sb, 0, sizeof(*s->sb));
		if (s->env)
			memset(s->env, 0, sizeof(*s->env));
	}
	this_cpu = me;
}
