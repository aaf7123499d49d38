/* Broadcast invalidations, timed and explored.
 *
 * Timed, each is a message to every CPU, performed when it arrives: that CPU's
 * own work is not disturbed, but its private accesses may not run past the
 * arrival (run_until). Explored, nothing says when a CPU performs it: what it
 * names stays usable until the initiator's sync, see envelope_call(). The sync
 * also waits for other CPUs' stores under way that used what it names. (Arm ARM
 * DDI 0487 D8.17, completion of TLBI; assumed of TLBSYNC. Their early loads,
 * weak model, are not waited for: any of them may still return an old value.)
 */
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "cpu/step.h"

struct bcast {
	u64 at;                 /* arrival, cycles                            */
	const struct inval_op *op;
	struct cpu *from;
	u64 vpn, nr_pages;
	u64 stall;              /* of the target, cycles                      */
	u16 asid;
	u8 order;
};

u64 cpu_broadcast_lookahead(const struct machine *m)
{
	u64 least = UINT64_MAX;

	for (u32 hop = HOP_SMT; hop < NR_HOPS; hop++)
		if (m->hops_present & 1u << hop &&
		    m->cost[COST_LINE_TRANSFER_SELF + hop] < least)
			least = m->cost[COST_LINE_TRANSFER_SELF + hop];
	return least;
}

static void perform(struct cpu *c, const struct bcast *b)
{
	struct cpu *serving = c->serving;

	c->serving = b->from;
	for (u64 i = 0; i < b->nr_pages; i++)
		cpu_invalidate_on(c, b->op, b->asid, b->vpn + (i << b->order));
	c->serving = serving;
	if (!b->stall)
		return;
	c->stall += b->stall;
	c->stall_until = (c->stall_until > b->at ? c->stall_until : b->at) +
			 b->stall;
	c->stop_at = 0;
	if (the_sys->probe)
		probe_tell(&(struct probe_event){
			.what = PROBE_STALL, .cpu = c, .other = b->from,
			.n = b->stall });
}

static void set_bcast_at(struct cpu *c)
{
	c->bcast_at = c->nr_bcasts ? c->bcast[0].at : UINT64_MAX;
	if (c->expire_at < c->bcast_at)
		c->bcast_at = c->expire_at;
}

/* Of a core's threads each drops its own part, or what they share. */
static void expire(struct cpu *c, u64 now)
{
	u64 every = the_sys->expire_every;

	c->count.v[CTR_TLB_EXPIRED] +=
		cpu_invalidate_on(c, the_sys->local_op[ARCH_DROP_ALL], 0, 0);
	c->expire_at = (now / every + 1) * every;
	set_bcast_at(c);
}

void cpu_expiry_begin(struct sys *sys, u64 every)
{
	sys->expire_every = every;
	for (u32 i = 0; i < sys->nr_cpus; i++) {
		sys->cpu[i].expire_at = every;
		set_bcast_at(&sys->cpu[i]);
	}
}

static void take_until(struct cpu *c, u64 now)
{
	u32 n = 0;

	if (c->expire_at <= now)
		expire(c, now);

	while (n < c->nr_bcasts && c->bcast[n].at <= now)
		perform(c, &c->bcast[n++]);
	if (!n)
		return;
	c->nr_bcasts -= n;
	memmove(c->bcast, c->bcast + n, c->nr_bcasts * sizeof(*c->bcast));
	set_bcast_at(c);
}

void cpu_expiry_wait(u64 until)
{
	struct cpu *me = this_cpu;
	enum cycle_cat cat = cat_enter(CYC_WAIT_ACK);

	if (me->now < until)
		step(me->s, true, until - me->now);
	/* CPUs that sleep or stand at their horizon have dropped them, too. */
	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		take_until(&the_sys->cpu[i], me->now);
	cat_leave(cat);
}

void cpu_take_broadcasts(struct cpu *c)
{
	take_until(c, c->now);
}

/* In order of arrival; equal arrivals in order of sending. */
static void post(struct cpu *to, const struct bcast *b)
{
	u32 at = to->nr_bcasts;

	if (GROW(to->bcast, to->nr_bcasts, to->room_bcasts, 16)) {
		/* Early is allowed: any entry may vanish. */
		perform(to, b);
		return;
	}
	for (; at && to->bcast[at - 1].at > b->at; at--)
		to->bcast[at] = to->bcast[at - 1];
	to->bcast[at] = *b;
	to->nr_bcasts++;
	set_bcast_at(to);
	the_sys->drv.broadcast_posted(to);
}

static u64 line_from_here(u32 to)
{
	the_sys->cost_used[COST_LINE_TRANSFER_SELF +
			   (u32)machine_hop(the_sys->m, this_cpu->id, to)] = true;
	return machine_line_transfer(the_sys->m, this_cpu->id, to);
}

static void send_to(struct cpu *to, struct bcast *b, u64 flight)
{
	struct cpu *me = this_cpu;
	u64 done;

	b->at = me->now + flight;
	done = b->at + b->stall + line_from_here(to->id);
	if (done > me->bcast_done_at)
		me->bcast_done_at = done;
	/* A CPU without a program looks at its TLB no more. */
	if (to->task)
		post(to, b);
}

static void send_all(const struct inval_op *op, u16 asid, u64 vpn, u64 nr_pages,
		     u32 order)
{
	struct cpu *me = this_cpu;
	struct bcast b = { .op = op, .from = me, .asid = asid, .vpn = vpn,
			   .nr_pages = nr_pages, .order = (u8)order };

	assert(the_sys->has_broadcasts);
	perform(me, &b);
	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		if (i != me->id)
			send_to(&the_sys->cpu[i], &b, line_from_here(i));
}

/* What a CPU does not have it need not hear of. Those that have it drop it here
 * and now, earlier than the message arrives, as any entry may vanish; the
 * initiator waits for the message and its answer. */
u32 cpu_invalidate_sharers(const struct inval_op *op, u16 asid, u64 vpn,
			   u64 nr_pages, u32 order)
{
	struct cpu *me = this_cpu;
	u32 told = 0;

	for (u32 i = 0; i < the_sys->nr_cpus; i++) {
		u32 dropped = 0, hop = (u32)machine_hop(the_sys->m, me->id, i);
		u64 done;

		for (u64 k = 0; k < nr_pages; k++)
			dropped += cpu_invalidate_on(&the_sys->cpu[i], op, asid,
						     vpn + (k << order));
		if (!dropped || i == me->id)
			continue;
		told++;
		the_sys->cost_used[COST_LINE_TRANSFER_SELF + hop] = true;
		done = me->now + 2 * machine_line_transfer(the_sys->m, me->id, i);
		if (done > me->bcast_done_at)
			me->bcast_done_at = done;
	}
	COUNT(TLB_SHARERS_TOLD, told);
	return told;
}

void cpu_sharers_sync(void)
{
	struct cpu *me = this_cpu;
	enum cycle_cat cat = cat_enter(CYC_WAIT_ACK);

	if (me->now < me->bcast_done_at)
		step(me->s, true, me->bcast_done_at - me->now);
	cat_leave(cat);
}

static void touch_one(struct cpu_state *s)
{
	touch(s->env, true);
	if (s->sb)
		touch(s->sb, true);
}

/* Every CPU's envelope and buffer, in one step. */
static void touch_all(void)
{
	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		touch_one(the_sys->cpu[i].s);
}

/* The stores of @sb through translations that are called from now on. */
static void call_stores(struct storebuf *sb, const struct inval_op *op,
			u16 asid, u64 vpn)
{
	for (u32 i = 0; sb && i < sb->n; i++) {
		const struct tlb_entry e = { .vpn = sb->e[i].vpn,
					     .pcid = asid };

		if (sb->e[i].kind == SB_LINE &&
		    inval_drops(op->scope, asid, vpn, &e))
			sb->e[i].called |= 1u << this_cpu->id;
	}
}

static void call(struct cpu_state *s, const struct inval_op *op, u16 asid,
		 u64 vpn, u64 nr_pages, u32 order)
{
	for (u64 k = 0; k < nr_pages; k++) {
		envelope_call(s->env, op, asid, vpn + (k << order),
			      this_cpu->id);
		call_stores(s->sb, op, asid, vpn + (k << order));
	}
}

/* No store under way that used what this CPU's broadcasts name. */
static bool stores_are_done(const void *arg)
{
	const struct cpu *me = arg;

	for (u32 i = 0; i < the_sys->nr_cpus; i++) {
		const struct storebuf *sb = the_sys->cpu[i].s->sb;

		for (u32 k = 0; sb && k < sb->n; k++)
			if (sb->e[k].kind == SB_LINE &&
			    sb->e[k].called >> me->id & 1)
				return false;
	}
	return true;
}

void cpu_broadcast(const struct inval_op *op, u16 asid, u64 vpn, u64 nr_pages,
		   u32 order)
{
	if (!inval_names_page(op->scope))
		nr_pages = 1;
	step(this_cpu->s, true, cost_of(COST_BROADCAST));
	COUNT(TLB_BROADCASTS, 1);
	if (!the_sys->is_explored) {
		send_all(op, asid, vpn, nr_pages, order);
		return;
	}
	touch_all();
	NOTE("%s, page %llu", op->name, (unsigned long long)vpn);
	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		call(the_sys->cpu[i].s, op, asid, vpn, nr_pages, order);
}

void cpu_invalidate_at(u32 to, const struct inval_op *op, u16 asid, u64 vpn,
		       u64 nr_pages, u32 order, u64 flight, u64 stall)
{
	struct bcast b = { .op = op, .from = this_cpu, .asid = asid, .vpn = vpn,
			   .nr_pages = nr_pages, .order = (u8)order,
			   .stall = stall };

	COUNT(TLB_ACTIONS, 1);
	if (the_sys->is_explored) {
		touch_one(the_sys->cpu[to].s);
		call(the_sys->cpu[to].s, op, asid, vpn, nr_pages, order);
	} else {
		send_to(&the_sys->cpu[to], &b, flight);
	}
}

static void sync_explored(struct cpu *me)
{
	the_sys->drv.wait(me->s, stores_are_done, me, 0);
	touch_all();
	NOTE("broadcasts are complete");
	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		envelope_complete(the_sys->cpu[i].s->env, me->id);
}

static void sync(u64 cycles)
{
	struct cpu *me = this_cpu;
	enum cycle_cat cat;

	if (the_sys->is_explored) {
		sync_explored(me);
		return;
	}
	cat = cat_enter(CYC_WAIT_ACK);
	step(me->s, true, cycles);
	/* Others catch up with the time spent waiting. */
	if (me->now < me->bcast_done_at)
		step(me->s, true, me->bcast_done_at - me->now);
	/* CPUs that sleep or stand at their horizon have performed them, too. */
	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		take_until(&the_sys->cpu[i], me->now);
	cat_leave(cat);
}

void cpu_broadcast_sync(void)
{
	COUNT(TLB_BROADCAST_SYNCS, 1);
	sync(the_sys->is_explored ? 0 : cost_of(COST_BROADCAST_SYNC));
}

void cpu_actions_sync(void)
{
	sync(0);
}
