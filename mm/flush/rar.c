/* Intel's remote action requests (F14b): the initiator writes what is to be
 * dropped into one of 64 entries of a table in memory, marks each target's action
 * word for it, and sends one message to all; the targets' microcode does it,
 * interrupts on or off, and marks the word done; the initiator polls them.
 *
 * An address space has one PCID on all CPUs, kept up to date on those of its mask
 * alone: who leaves stays in it and is told, and who comes without being in it
 * flushes that PCID first. Nobody is ever taken out of the mask (assumed: the
 * posted series trims it now and then). Reclaim does not batch.
 *
 * Assumed, as the series was unstable and no figure is published: the microcode
 * costs rar_serve and then what the instructions do; a store that used what is
 * dropped is visible before the word says done; answers travel as lines.
 * Sources: Intel white paper 341431, "Remote Action Request" (2021); R. van Riel,
 * "Intel RAR TLB invalidation", linux-kernel, May and June 2025. */
#include <errno.h>

#include "mm/flush.h"
#include "mm/switch.h"

#define ENTRIES 64u

/* A line each: of the table; of a target, its action words. */
struct payload {
	u64 start, nr_pages, pcid;
	u64 pad[5];
};

struct actions {
	u64 asked;              /* entries, a bit each                        */
	u64 pad[7];
};

struct rar {
	u64 used;               /* entries, a bit each                        */
	u64 all;                /* entries there are                          */
	struct payload *payload;
	struct actions *actions;        /* [nr_cpus]                          */
	u64 pad[4];
};

static struct rar *rar(void)
{
	return mms()->flush_state;
}

static int boot(struct sys *sys)
{
	u32 entries = sys->is_explored ? 2 : ENTRIES;
	struct arena *a = &sys->arena;
	struct rar *s = arena_alloc(a, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->all = UINT64_MAX >> (64 - entries);
	s->payload = arena_alloc(a, entries * sizeof(*s->payload));
	s->actions = arena_alloc(a, sys->nr_cpus * sizeof(*s->actions));
	mms()->flush_state = s;
	return s->payload && s->actions ? 0 : -ENOMEM;
}

/* In the mask by now. The word says that it was before. */
static u16 load(struct mm *mm, bool is_back, bool *flush)
{
	u64 *was_in = &mm->cpu_word[this_cpu->id];

	*flush = !the_sys->m->has_pcid;
	if (is_back)
		return this_cpu->s->pcid;
	touch(was_in, true);
	*flush |= !*was_in;
	*was_in = 1;
	return (u16)mm->asid;
}

/* ---- requests ------------------------------------------------------------------------ */

static bool has_room(const void *arg)
{
	const struct rar *s = arg;

	return s->used != s->all;
}

static u32 take_entry(void)
{
	struct rar *s = rar();
	u32 i;

	the_sys->drv.wait(&s->used, has_room, s, cost_of(COST_LOCK));
	i = (u32)__builtin_ctzll(~s->used);
	s->used |= 1ull << i;
	observe(i);
	return i;
}

static void give_entry(u32 i)
{
	struct rar *s = rar();

	step(&s->used, true, cost_of(COST_LOCK));
	s->used &= ~(1ull << i);
	the_sys->drv.wake(&s->used);
}

static void fill(u32 entry, const struct flush_req *r)
{
	struct payload *p = &rar()->payload[entry];

	step(p, true, cost_of(COST_PTE_SCAN));
	p->start = r->start;
	p->nr_pages = flush_pages(r);   /* 0: all                            */
	p->pcid = r->mm->asid;
}

static void ask(u32 cpu, u32 entry, const struct flush_req *r)
{
	const struct payload *p = &rar()->payload[entry];
	u64 n = p->nr_pages, cycles = cost_of(COST_RAR_SERVE);

	/* It reads the entry first. */
	cycles += cost_of(COST_LINE_TRANSFER_SELF +
			  machine_hop(the_sys->m, this_cpu->id, cpu));
	cycles += n ? n * cost_of(COST_INVLPG) : cost_of(COST_CR3_FLUSH);
	cpu_invalidate_at(cpu, inval_op_find(n ? "INVPCID 0" : "INVPCID 1"),
			  (u16)p->pcid, p->start, n ? n : 1, r->order,
			  machine_ipi_deliver(the_sys->m, this_cpu->id, cpu),
			  cycles);
}

/* All words are marked before the message is sent. */
static void send(u32 entry, const struct flush_req *r, const u64 *to)
{
	u32 prev = CONTEND_NONE, nr = 0;

	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		if (flush_has(to, i)) {
			step(&rar()->actions[i], true, cost_of(COST_PTE_SCAN));
			rar()->actions[i].asked |= 1ull << entry;
		}
	step(this_cpu->s, true, 0);
	for (u32 i = 0; i < the_sys->nr_cpus; i++) {
		if (!flush_has(to, i))
			continue;
		if (!the_sys->is_explored)
			charge(contend_send_cycles(prev, i, nr++));
		prev = i;
		ask(i, entry, r);
	}
	NOTE("remote action request");
}

/* What the answers leave in the words. */
static void answered(u32 entry, const u64 *to)
{
	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		if (flush_has(to, i)) {
			touch(&rar()->actions[i], true);
			rar()->actions[i].asked &= ~(1ull << entry);
		}
}

static void shoot(struct flush_req *r)
{
	u64 *to = flush_targets();
	u32 entry = 0;
	bool any;

	smp_mb();       /* entries before the mask; pairs with mask_set() */
	any = flush_others(r->mm, to);
	if (any) {
		flush_count_sent(r);
		entry = take_entry();
		fill(entry, r);
		send(entry, r, to);
	}
	if (my_loaded_mm() == r->mm)
		flush_own(r);
	if (any) {
		cpu_actions_sync();
		answered(entry, to);
		give_entry(entry);
	}
	flush_targets_done();
}

static bool can_run(const struct machine *m, struct err *e)
{
	return flush_needs(m, FEATURE_RAR, "rar", "--profile sapphire-rapids",
			   e);
}

extern const struct flush_ops flush_rar;
const struct flush_ops flush_rar = {
	.name = "rar",
	.summary = "Intel: remote action requests, done by the targets' microcode",
	.source = "Intel 341431 (2021); Intel RAR TLB invalidation, lkml 2025",
	.defers = "old rights stay usable until the end of the range",
	.needs = "Intel with RAR; page tables freed by RCU (R14b)",
	.legal = FLUSH_ALL_OPS,
	FLUSH_AT_THE_END,
	.boot = boot,
	.load = load,
	.shoot = shoot,
	.keeps_mask = true,
	.has_global_asids = true,
	.has_broadcasts = true,
	.can_run = can_run,
};
