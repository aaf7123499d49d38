#include "cpu/contend.h"

#include <errno.h>

#include "cpu/cpu.h"

#define CLUSTER_CPUS 16u
#define HYPERCALL_CPUS 128u

int contend_create(struct sys *sys)
{
	u64 n = (u64)sys->nr_cpus * sys->nr_cpus;

	if (!sys->contend.has_lines)
		return 0;
	sys->call_line = arena_alloc(&sys->arena, n * sizeof(*sys->call_line));
	return sys->call_line ? 0 : -ENOMEM;
}

struct call_line *call_line_of(struct sys *sys, u32 from, u32 to)
{
	return &sys->call_line[(u64)from * sys->nr_cpus + to];
}

/* APIC ids begin anew with each package, whose CPUs have consecutive numbers. */
static u32 cluster_of(const struct machine *m, u32 cpu)
{
	u32 first = cpu;

	while (first && m->cpu[first - 1].package == m->cpu[cpu].package)
		first--;
	return (cpu - first) / CLUSTER_CPUS;
}

static bool is_same_write(u32 prev, u32 to)
{
	const struct machine *m = the_sys->m;

	if (prev == CONTEND_NONE || the_sys->contend.send == SEND_EACH)
		return false;
	return m->cpu[prev].package == m->cpu[to].package &&
	       cluster_of(m, prev) == cluster_of(m, to);
}

u64 contend_send_cycles(u32 prev, u32 to, u32 nr)
{
	enum guest guest = the_sys->contend.guest;

	if (guest == GUEST_HYPERCALL)
		return cost_of(COST_VM_KICK) +
		       (nr % HYPERCALL_CPUS ? 0 : cost_of(COST_VM_EXIT));
	if (guest == GUEST_EXITS)
		return cost_of(COST_VM_KICK) +
		       (is_same_write(prev, to) ? 0 : cost_of(COST_VM_EXIT));
	return is_same_write(prev, to) ? 0 : cost_of(COST_ICR_WRITE);
}

u64 contend_window(enum contend_what what, u32 cpu, u64 nr, u64 length,
		   u64 every)
{
	u64 x = the_sys->seed + ((u64)what << 40) +
		(nr << 10 | cpu) * 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 31) * 0xbf58476d1ce4e5b9ull;
	return nr * every + (x ^ x >> 29) % (every - length + 1);
}

static u64 irqs_on_at(const struct cpu *to, u64 at)
{
	const struct contend_config *c = &the_sys->contend;
	u64 from;

	if (!c->irqs_off)
		return at;
	from = contend_window(CONTEND_IRQS_OFF, to->id, at / c->irqs_every,
			      c->irqs_off, c->irqs_every);
	return at >= from && at < from + c->irqs_off ? from + c->irqs_off : at;
}

bool contend_delays_irqs(void)
{
	return the_sys->contend.irqs_off || the_sys->vcpus.steal;
}

u64 contend_arrival(const struct cpu *to, u64 at)
{
	at = irqs_on_at(to, at);
	return the_sys->vcpus.steal ? vcpu_back_at(to, at) : at;
}
