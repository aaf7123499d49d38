/* Self-invalidating TLB entries (F25): what a TLB holds is gone some time after it
 * was walked for. The kernel knows of every entry until when it may be cached at the
 * latest; once that is over, a change of it tells nobody. Until then it interrupts,
 * as by deferred, or waits for it. Proposed; no machine has it: --proposal
 * tlb-expiry.
 *
 * `site:US` has a lifetime of so many microseconds in place of 100; `site:wait=US`
 * waits in place of interrupting.
 *
 * Assumed, as only the abstract was at hand: lifetimes end together, at multiples of
 * US (shorter ones than US for what is walked for late; the paper's entries have
 * each its own), of paging-structure caches and kernel entries as well; the walker
 * notes the time where the kernel finds it without a cost of its own, here by a hash
 * of the address, where two that fall together have the later one's; stores that
 * used an entry are visible by then. Page tables that go are told by interrupts, as
 * are the kernel's own ranges and what reclaim batches. tlb_gen goes up with every
 * flush, so that the next one by interrupts after one without drops everything.
 * Explored, whether the time is over is open each time.
 * Source: Awad, Basu, Blagodurov, Solihin, Loh, "Avoiding TLB Shootdowns Through
 * Self-Invalidating TLB Entries", PACT 2017 (abstract).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mm/flush.h"

#define DEFAULT_US 100u
#define MOST_US 10000000u
/* More pages than that are looked up as all of the address space. */
#define MOST_PAGES 512u
#define SLOTS (1u << 16)

/* ---- until when ---------------------------------------------------------------------- */

/* Cycles, when what was walked for last is gone. */
static u64 *slot_of(u32 root, u64 vpn, u32 order)
{
	u64 key = (vpn >> order) * 64 + order + 1 + ((u64)root << 40);

	key *= 0x9e3779b97f4a7c15ull;
	return (u64 *)mms()->flush_state + (key >> 48) % SLOTS;
}

/* All of an address space, as an order that no page has. */
#define ANYTHING 63u

/* Clocks of CPUs differ: the latest counts. */
static void note(u32 root, u64 vpn, u32 order)
{
	u64 *at = slot_of(root, vpn, order);

	if (*at < this_cpu->expire_at)
		*at = this_cpu->expire_at;
}

/* Pages of one size that an array may keep as one entry all count as walked for. */
static void filled(const struct tlb_entry *e)
{
	u32 root = this_cpu->s->root, leaf = tlb_entry_leaf(e, hpage_order());
	u64 n = e->contig > leaf ? 1ull << (e->contig - leaf) : 1;
	u64 first = e->vpn & ~((n << leaf) - 1);

	for (u64 i = 0; i < n; i++)
		note(root, first + (i << leaf), leaf);
	note(root, 0, ANYTHING);
}

static u64 latest(const struct flush_req *r)
{
	u64 at = 0, n = r->end - r->start, big = hpage_pages();
	u32 root = r->mm->root;

	if (r->is_full || n > MOST_PAGES)
		return *slot_of(root, 0, ANYTHING);
	for (u64 vpn = r->start; vpn < r->end; vpn++) {
		u64 v = *slot_of(root, vpn, 0);

		at = v > at ? v : at;
	}
	for (u64 vpn = r->start & ~(big - 1); vpn < r->end; vpn += big) {
		u64 v = *slot_of(root, vpn, hpage_order());

		at = v > at ? v : at;
	}
	return at;
}

/* ---- flushes ------------------------------------------------------------------------- */

static bool waits(void);

/* Nobody says when a CPU's entries go, but by then they have: what a broadcast and
 * its end mean in explored runs. */
static void expire_explored(const struct flush_req *r)
{
	smp_mb();
	if (r->is_full)
		cpu_broadcast(inval_op_find("INVLPGB ALL+G"), 0, 0, 1, 0);
	for (u64 vpn = r->start; !r->is_full && vpn < r->end;
	     vpn += 1ull << r->order)
		cpu_broadcast(inval_op_find("INVVPID 0"), 0, vpn, 1, r->order);
	cpu_broadcast_sync();
}

static void shoot_explored(struct flush_req *r)
{
	if (waits() || the_sys->drv.choose(2))
		expire_explored(r);
	else
		flush_by_ipi(r);
}

/* The entries were changed before the times are read: who walks from now on finds
 * what is there now. */
static void shoot(struct flush_req *r)
{
	u64 at;

	if (!kern()->has_tlb_gen)
		smp_mb();
	if (r->freed_tables) {
		flush_by_ipi(r);
		return;
	}
	if (the_sys->is_explored) {
		shoot_explored(r);
		return;
	}
	step(slot_of(r->mm->root, r->start, 0), false, cost_of(COST_PTE_SCAN));
	at = latest(r);
	if (at > this_cpu->now && !waits()) {
		flush_by_ipi(r);
		return;
	}
	COUNT(FLUSHES_SPARED, at <= this_cpu->now);
	COUNT(FLUSHES_WAITED, at > this_cpu->now);
	cpu_expiry_wait(at);
}

/* ---- lifetimes ----------------------------------------------------------------------- */

#define MAX_VARIANTS 64u

/* As many different ones as a process may name. */
static struct given {
	struct flush_ops ops;   /* the first, so that it tells which          */
	char name[32];
	u64 us;
	bool waits;
} given[MAX_VARIANTS];

extern const struct flush_ops flush_site;

static const struct given *mine(void)
{
	return flusher() == &flush_site ? NULL
		: (const struct given *)(const void *)flusher();
}

static bool waits(void)
{
	return mine() && mine()->waits;
}

static int boot(struct sys *sys)
{
	u64 us = mine() ? mine()->us : DEFAULT_US;

	if (sys->is_explored)
		return 0;
	mms()->flush_state = arena_alloc(&sys->arena, SLOTS * sizeof(u64));
	if (!mms()->flush_state)
		return -ENOMEM;
	sys->os.filled = filled;
	cpu_expiry_begin(sys, machine_ns_to_cycles(sys->m, us * 1000));
	return 0;
}

static bool can_run(const struct machine *m, struct err *e)
{
	if (m->has_tlb_expiry)
		return true;
	err_set(e, -EINVAL, "flush site: no machine's TLB entries expire; it is "
		"a proposal: add --proposal tlb-expiry, or try --flush deferred");
	return false;
}

static const struct flush_ops *variant(const char *text)
{
	bool waits = !strncmp(text, "wait=", 5);
	const char *number = waits ? text + 5 : text;
	unsigned long us;
	char *end;
	u32 i = 0;

	errno = 0;
	us = strtoul(number, &end, 10);
	if (*number < '0' || *number > '9' || *end || errno || !us ||
	    us > MOST_US)
		return NULL;
	while (i < MAX_VARIANTS && given[i].us &&
	       (given[i].us != us || given[i].waits != waits))
		i++;
	if (i == MAX_VARIANTS)
		return NULL;
	given[i].ops = flush_site;
	given[i].us = us;
	given[i].waits = waits;
	snprintf(given[i].name, sizeof(given[i].name), "site:%s%lu",
		 waits ? "wait=" : "", us);
	given[i].ops.name = given[i].name;
	return &given[i].ops;
}

const struct flush_ops flush_site = {
	.name = "site",
	.summary = "proposed: TLB entries expire; nobody is told of what has",
	.source = "Awad et al., Self-Invalidating TLB Entries, PACT 2017 (abstract)",
	.defers = "old rights stay usable until the end of the range",
	.needs = "a proposal: --proposal tlb-expiry",
	.legal = FLUSH_ALL_OPS,
	FLUSH_AT_THE_END,
	.boot = boot,
	.shoot = shoot,
	.has_broadcasts = true,
	.can_run = can_run,
	.variant = variant,
};
