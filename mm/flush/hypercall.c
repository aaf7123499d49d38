#include "mm/flush/hypercall.h"

/* What one CPU has to do. */
struct work {
	const struct inval_op *op;
	u64 vpn, nr_pages, cycles;
	u32 order;
};

static struct work work_of(const struct flush_req *r, bool is_full)
{
	struct work w = { .op = inval_op_find("INVVPID 1"), .nr_pages = 1,
			  .cycles = cost_of(COST_CR3_FLUSH) };

	if (is_full)
		return w;
	w.op = inval_op_find("INVVPID 0");
	w.vpn = r->start;
	w.order = r->order;
	w.nr_pages = flush_pages(r);
	w.cycles = w.nr_pages * cost_of(COST_INVLPG);
	return w;
}

static void kick(u32 cpu, const struct work *w, u64 stall)
{
	u64 flight = machine_ipi_deliver(the_sys->m, this_cpu->id, cpu);

	if (!the_sys->is_explored)
		charge(cost_of(COST_ICR_WRITE));
	cpu_invalidate_at(cpu, w->op, 0, w->vpn, w->nr_pages, w->order, flight,
			  stall);
}

static void kick_or_leave(u32 cpu, const struct work *w)
{
	if (!the_sys->is_explored && vcpu_may_be_away(cpu) &&
	    vcpu_flush_later(cpu))
		return;
	kick(cpu, w, cost_of(COST_VM_EXIT) + w->cycles);
}

/* Its core is kicked, whoever runs there; who is away loses no time. */
static void kick_core(u32 cpu, const struct work *w)
{
	bool is_away = !the_sys->is_explored && vcpu_may_be_away(cpu);

	kick(cpu, w, is_away ? 0 : cost_of(COST_VM_EXIT) + w->cycles);
}

static void call(const struct work *w, const u64 *to,
		 void (*each)(u32 cpu, const struct work *w))
{
	COUNT(HYPERCALLS, 1);
	step(this_cpu->s, true, cost_of(COST_VM_EXIT));
	NOTE("hypercall: flush %s", w->op == inval_op_find("INVVPID 1") ? "all"
	     : "a list of pages");
	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		if (flush_has(to, i))
			each(i, w);
}

void hypercall_flush_by_tag(const struct flush_req *r, const u64 *to)
{
	const struct work w = work_of(r, r->is_full);

	call(&w, to, kick_core);
	cpu_actions_sync();
}

void hypercall_flush(const struct flush_req *r, bool is_full, const u64 *to,
		     bool is_here)
{
	const struct work w = work_of(r, is_full);

	call(&w, to, kick_or_leave);
	for (u64 k = 0; is_here && k < w.nr_pages; k++)
		cpu_invalidate(w.op, 0, w.vpn + (k << w.order));
	if (is_here)
		charge(w.cycles);
	cpu_actions_sync();
}
