/* "Don't shoot down TLB shootdowns!" (EuroSys'20), F22: Linux's flush made faster
 * by techniques that can be had one by one: `eurosys20:concurrent+early-ack`,
 * `eurosys20:none`.
 *
 * concurrent   interrupts first, the own TLB while the others work
 * early-ack    acknowledged when the request has been read, unless page tables
 *              are freed: a responder runs no user code before it is through
 * lines        what the initiator asks of a CPU lies in the line of that CPU's
 *              queue, and the request in the call record: one line moves
 *              instead of two
 * pti          with page-table isolation each page of a partial flush costs an
 *              INVPCID for the user half besides, a full one nothing (CR3)
 * in-context   pti: the user half is put off to the return to user mode, where
 *              it is the current one, and INVLPG does
 * cow          copy-on-write of a 4K page tells the others only; once the copy
 *              is mapped an access for writing has the processor find that what
 *              it has cached allows none, drop it and walk again
 * batch        who is in munmap, msync or madvise is not interrupted, but for
 *              page tables that go: he flushes when the call ends, and before
 *              the kernel touches his memory
 *
 * Alone, `eurosys20` has the first three; in-context without pti is nothing.
 * assumed: the paper's text was not at hand beyond its abstract and a reading
 * note; what one return to user mode drops is not merged with what the next
 * flush asks. cow: the access costs a load of a table and a locked operation, and
 * the page is not executed (no flush of instructions is modelled). batch: that it
 * is the target who waits for the end of his call (the note says who flushes, when,
 * and that there are checks, not whose flush is put off); generations tell him
 * whether there was any, as they do a lazy CPU; MADV_PAGEOUT, which may sleep, is
 * left out. The initiator's own stores to a request move no line here, so that
 * `lines` saves little.
 * Sources: N. Amit, A. Tai, M. Wei, EuroSys 2020 (abstract); Linux series of 2019
 * ("Concurrent TLB flushes", v3). */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "mm/flush/eurosys20.h"
#include "mm/oracle.h"
#include "mm/switch.h"

enum {
	CONCURRENT = 1, EARLY_ACK = 2, LINES = 4, PTI = 8, IN_CONTEXT = 16,
	COW = 32, BATCH = 64, NR_MIXES = 128
};

static const char *const technique[] = {
	"concurrent", "early-ack", "lines", "pti", "in-context", "cow", "batch",
	NULL
};

static bool on(u32 which);

/* Of a CPU, a line. */
struct own {
	u64 call;               /* its program's mm: in a call that batches   */
	u64 is_away;            /* ghost: and not caught up after it          */
	u64 cow_gen;            /* of the flush that left this CPU out        */
	u64 pad[5];
};

static struct own *own_of(u32 cpu)
{
	return &((struct own *)mms()->flush_state)[cpu];
}

static int boot(struct sys *sys)
{
	mms()->flush_state = arena_alloc(&sys->arena, sys->nr_cpus *
					 sizeof(struct own));
	return mms()->flush_state ? 0 : -ENOMEM;
}

/* ---- batch --------------------------------------------------------------------------- */

void eurosys20_call_begin(struct mm *mm)
{
	struct own *me = own_of(this_cpu->id);

	if (!kern()->has_tlb_gen || current()->mm != mm)
		return;
	touch(me, true);
	me->is_away = 1;
	smp_wmb();              /* the program's own stores first */
	WRITE_ONCE(me->call, (uintptr_t)mm);
}

bool eurosys20_call_left(void)
{
	struct own *me = own_of(this_cpu->id);

	if (!READ_ONCE(me->call))
		return false;
	WRITE_ONCE(me->call, 0);
	return true;
}

void eurosys20_is_back(void)
{
	touch(own_of(this_cpu->id), true);
	own_of(this_cpu->id)->is_away = 0;
}

/* Who flushes increments tlb_gen and then looks who is in a call; one of us sees the
 * other. */
void eurosys20_call_end(void)
{
	if (!eurosys20_call_left())
		return;
	smp_mb();
	local_irq_disable();
	flush_catch_up();
	eurosys20_is_back();
	local_irq_enable();
}

static bool is_away(u32 cpu)
{
	touch(own_of(cpu), false);
	return own_of(cpu)->is_away;
}

/* Another thread may go on here, or nobody. */
static void leave(void)
{
	if (eurosys20_call_left())
		eurosys20_is_back();
}

/* Hardware walks, and caches sizes, whatever runs. */
#define NOT_BATCHED (FLUSH_BIT(FLUSH_EXIT) | FLUSH_BIT(FLUSH_MREMAP) | \
		     FLUSH_BIT(FLUSH_SPLIT) | FLUSH_BIT(FLUSH_COLLAPSE))

static void spare_calls(const struct flush_req *r, u64 *to)
{
	if (!on(BATCH) || r->freed_tables || FLUSH_BIT(r->op) & NOT_BATCHED)
		return;
	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		if (flush_has(to, i) &&
		    READ_ONCE(own_of(i)->call) == (uintptr_t)r->mm)
			to[i / 64] &= ~(1ull << i % 64);
}

/* ---- cow ------------------------------------------------------------------------------- */

/* The access, as what it makes the processor drop; and that it was the flush. */
static void cow_installed(struct mm *mm, u64 vpn)
{
	struct tlb_state *t = tlb_state_of(this_cpu->id);
	struct cpu_state *s = this_cpu->s;
	u64 *here = &t->ctx[t->slot].tlb_gen;
	struct own *me = own_of(this_cpu->id);

	step(s->env ? (const void *)s->env : (const void *)s, true,
	     cost_of(COST_WALK_LOAD) + cost_of(COST_LOCK));
	cpu_fault_drops(vpn);
	touch(me, true);
	touch(here, true);
	if (kern()->has_tlb_gen && *here + 1 == me->cow_gen) {
		*here = me->cow_gen;
		oracle_tlb_gen(this_cpu->id);
	}
	me->cow_gen = 0;
}

/* ---- the user half ------------------------------------------------------------------- */

static void user_half(const struct flush_req *r, u64 per_page)
{
	charge(flush_pages(r) * per_page);
}

/* Where the flush is done, and when the kernel is left again. */
static void user_half_now(const struct flush_req *r)
{
	if (on(PTI) && !on(IN_CONTEXT))
		user_half(r, cost_of(COST_INVPCID_USER));
}

static void user_half_on_return(const struct flush_req *r)
{
	if (on(PTI) && on(IN_CONTEXT))
		user_half(r, cost_of(COST_INVLPG));
}

/* ---- the flush ------------------------------------------------------------------------- */

static void local(void *arg)
{
	flush_func(arg);
	user_half_now(arg);
}

static void remote(void *arg)
{
	struct flush_req r = *(const struct flush_req *)arg;

	COUNT(REMOTE_FLUSH_RECEIVED, 1);
	if (on(EARLY_ACK) && !r.freed_tables)
		smp_ack();
	flush_func(&r);
	user_half_now(&r);
	user_half_on_return(&r);
}

/* Return: this CPU need not flush. */
static bool spares_own(const struct flush_req *r)
{
	if (!flush_spares_own(r->start, r->end, (enum flush_op)r->op))
		return false;
	touch(own_of(this_cpu->id), true);
	own_of(this_cpu->id)->cow_gen = r->new_gen;
	return true;
}

static void shoot(struct flush_req *r)
{
	u64 *to = flush_targets();
	bool is_here, is_spared = spares_own(r);

	this_cpu->ctx.call_is_inline = on(LINES);
	if (!flush_pick(r, to, &is_here)) {
		if (!is_spared)
			local(r);
	} else {
		is_here &= !is_spared;
		flush_count_sent(r);
		spare_calls(r, to);
		if (is_here && !on(CONCURRENT))
			local(r);
		smp_call(to, remote, r, is_here && on(CONCURRENT) ? local
								  : NULL);
	}
	this_cpu->ctx.call_is_inline = false;
	user_half_on_return(r);
	flush_targets_done();
}

/* A processor that keeps what a fault was about would fault again. */
static bool can_run(const struct machine *m, struct err *e)
{
	if (m->rules.fault_drops_page)
		return true;
	err_set(e, -EINVAL, "flush eurosys20: cow: faults of %s drop nothing; "
		"leave it out, or try --profile skylake-sp", m->name);
	return false;
}

/* ---- the mixes ------------------------------------------------------------------------- */

extern const struct flush_ops flush_eurosys20;

static const struct flush_ops *variant(const char *names);

#define OPS(mix) { \
	.name = "eurosys20", \
	.summary = "Linux's flush with EuroSys'20's techniques, or :some+of+them", \
	.source = "Amit, Tai, Wei, EuroSys 2020", \
	.defers = (mix) & BATCH \
		? "as deferred; responders drop after they acknowledged, before " \
		  "any user access; who is in munmap, msync or madvise when it " \
		  "ends, or before the kernel touches user memory" \
		: "as deferred; responders drop after they acknowledged, before " \
		  "any user access", \
	.legal = FLUSH_ALL_OPS, \
	FLUSH_AT_THE_END, \
	.boot = (mix) & (COW | BATCH) ? boot : NULL, \
	.shoot = shoot, \
	.leave = (mix) & BATCH ? leave : NULL, \
	.call_begin = (mix) & BATCH ? eurosys20_call_begin : NULL, \
	.call_end = (mix) & BATCH ? eurosys20_call_end : NULL, \
	.uaccess_begin = (mix) & BATCH ? eurosys20_call_end : NULL, \
	.uaccess_end = (mix) & BATCH ? eurosys20_call_begin : NULL, \
	.is_away = (mix) & BATCH ? is_away : NULL, \
	.cow_installed = (mix) & COW ? cow_installed : NULL, \
	.can_run = (mix) & COW ? can_run : NULL, \
	.packs_lines = !!((mix) & LINES), \
	.variant = variant, \
}
const struct flush_ops flush_eurosys20 = OPS(LINES);

static struct mix {
	struct flush_ops ops;
	char name[96];
} mixes[NR_MIXES];

static bool on(u32 which)
{
	const char *name = flusher()->name;

	if (name == flush_eurosys20.name)
		return (CONCURRENT | EARLY_ACK | LINES) & which;
	name -= offsetof(struct mix, name);
	return (u32)((const struct mix *)(const void *)name - mixes) & which;
}

/* "a+b" or "none". Return: NR_MIXES for anything else. */
static u32 parse(const char *names)
{
	u32 mix = 0;

	if (!strcmp(names, "none"))
		return 0;
	for (;;) {
		size_t n = strcspn(names, "+");
		u32 i = 0;

		while (technique[i] && (strlen(technique[i]) != n ||
					strncmp(technique[i], names, n)))
			i++;
		if (!technique[i])
			return NR_MIXES;
		mix |= 1u << i;
		if (!names[n])
			return mix;
		names += n + 1;
	}
}

static const struct flush_ops *variant(const char *names)
{
	u32 mix = parse(names);
	struct mix *m = &mixes[mix % NR_MIXES];
	size_t n;

	if (mix == NR_MIXES)
		return NULL;
	m->ops = (struct flush_ops)OPS(mix);
	n = (size_t)snprintf(m->name, sizeof(m->name), "eurosys20:%s",
			     mix ? "" : "none");
	for (u32 i = 0, k = 0; technique[i]; i++)
		if (mix >> i & 1)
			n += (size_t)snprintf(m->name + n, sizeof(m->name) - n,
					      "%s%s", k++ ? "+" : "",
					      technique[i]);
	m->ops.name = m->name;
	return &m->ops;
}
