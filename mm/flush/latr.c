/* LATR (F23): munmap flushes here, writes down what others still have to drop,
 * and returns. Each CPU has a ring of such states, which all CPUs read at their
 * tick and before they leave an address space; who is named drops the range and
 * takes its name off. Pages, and addresses, are kept until nobody is named and
 * two ticks have passed. NUMA hints are written down the same way, without pages:
 * until nobody is named the scan counts as pending (mm->nr_owed), so that movers
 * flush; a hint fault that would move its page has those who are still named drop
 * the range first, by interrupts, and so does mprotect. A full ring, a range of too
 * many pages and page tables that go are flushed by interrupts, at once; so is
 * everything else: mprotect, copy-on-write, migration, MADV_DONTNEED (but see
 * latr_discard.c) are seen by programs when they return.
 *
 * Assumed, as the paper's text was not at hand: a state that still names a CPU
 * after two ticks waits longer (ticks stop on idle CPUs; the published code
 * sends interrupts after a second), and keeps its place in the ring until its
 * pages go; addresses wanted again, by MAP_FIXED, brk or mremap, are flushed by
 * interrupts, as is all there is for who finds no memory otherwise. Who waits at a
 * lock does not tick. The paper delays marking for NUMA hints until every core has
 * passed a tick (by which flush, was not at hand); here entries are marked at once and
 * found by each core after its own tick. Kernels whose pending marks do not nest
 * (before 4.13) flush hints as usual.
 *
 * The published code frees at once where its default is left on (latr-early):
 * the frame has a new owner while some CPU still writes to it. There mprotect
 * flushes only when it is called for NUMA balancing.
 */
#include <errno.h>
#include <string.h>

#include "mm/flush/latr.h"
#include "mm/switch.h"

#define SLOTS 1024u             /* of a CPU; paper (memory) 64, published code
				 * 256, until they are swept                  */
#define PAGES (1u << 16)        /* kept by a CPU: 256 MiB                     */
#define TICKS 2u

struct slot {
	struct flush_req r;
	u64 is_active;
	u64 due;                /* cycles: not let go before                  */
	u64 first, nr_pages;    /* of the CPU's list of pages                 */
};

struct ring {
	u64 tail;               /* states so far: all that a sweep reads of it
				 * if it has seen them                        */
	u64 head;               /* the oldest that may be active; under .lock */
	struct spinlock lock;   /* who lets go: its CPU, or who claims        */
	u32 zero;
	u64 pages;              /* listed so far                              */
	u64 pad[4];
};

struct latr {
	u32 nr_slots, nr_pages, words;
	u32 abandons_tags;
	struct ring *ring;      /* [nr_cpus]                                  */
	struct slot *slot;      /* [nr_cpus][nr_slots]                        */
	u64 *mask;              /* [nr_cpus][nr_slots][words] who must drop it;
				 * each takes its own bit away, with interrupts
				 * off from the drop on                       */
	u32 *pfn;               /* [nr_cpus][nr_pages], a ring                */
	u64 *seen;              /* [by][ring] states swept                    */
};

static struct latr *latr(void)
{
	return mms()->flush_state;
}

static struct ring *ring_of(u32 cpu)
{
	return &latr()->ring[cpu];
}

/* State number @n of @cpu. */
static u64 index_of(u32 cpu, u64 n)
{
	return (u64)cpu * latr()->nr_slots + n % latr()->nr_slots;
}

static u64 *mask_at(u64 i)
{
	return &latr()->mask[i * latr()->words];
}

/* The pages of state @i. */
static u32 *pfn_at(u64 i)
{
	u64 cpu = i / latr()->nr_slots;

	return &latr()->pfn[cpu * latr()->nr_pages +
			    latr()->slot[i].first % latr()->nr_pages];
}

int latr_boot(struct sys *sys)
{
	struct arena *a = &sys->arena;
	struct latr *l = arena_alloc(a, sizeof(*l));
	u64 n;

	if (!l)
		return -ENOMEM;
	l->nr_slots = sys->is_explored ? 1 : SLOTS;
	l->nr_pages = sys->is_explored ? 4 : PAGES;
	l->words = (sys->nr_cpus + 63) / 64;
	n = (u64)sys->nr_cpus * l->nr_slots;
	l->ring = arena_alloc(a, sys->nr_cpus * sizeof(*l->ring));
	l->slot = arena_alloc(a, n * sizeof(*l->slot));
	l->mask = arena_alloc(a, n * l->words * sizeof(u64));
	l->pfn = arena_alloc(a, (u64)sys->nr_cpus * l->nr_pages * sizeof(u32));
	l->seen = arena_alloc(a, (u64)sys->nr_cpus * sys->nr_cpus * sizeof(u64));
	mms()->flush_state = l;
	return l->ring && l->slot && l->mask && l->pfn && l->seen ? 0 : -ENOMEM;
}

void latr_abandon_tags(void)
{
	latr()->abandons_tags = 1;
}

/* ---- the initiator -------------------------------------------------------------- */

/* Of this CPU's ring, for a state of @n pages: where its list begins, in one
 * piece. */
static bool has_room(struct ring *r, u32 n, u64 *first)
{
	u32 most = latr()->nr_pages;
	u64 oldest;
	bool ok;

	spin_lock(&r->lock);
	touch(r, false);
	*first = r->pages % most + n > most ? (r->pages / most + 1) * most
					    : r->pages;
	oldest = r->head == r->tail ? *first : latr()->slot[
			index_of(this_cpu->id, r->head)].first;
	ok = n <= most && r->tail - r->head < latr()->nr_slots &&
	     *first + n - oldest <= most;
	spin_unlock(&r->lock);
	return ok;
}

/* Write down what @b changed. Return: false when there is no room. */
static bool save(struct flush_batch *b, const u32 *pfn, u32 n)
{
	struct ring *r = ring_of(this_cpu->id);
	struct slot *s;
	u64 i, first;

	if (!mm_has_other_cpus(b->mm) || !has_room(r, n, &first))
		return false;
	touch(r, true);
	i = index_of(this_cpu->id, r->tail);
	s = &latr()->slot[i];
	touch(s, true);
	flush_tlb_later(b, &s->r, mask_at(i));
	touch(s, true);
	s->due = the_sys->is_explored ? 0
		: this_cpu->now + TICKS * mms()->tick_cycles;
	s->first = first;
	s->nr_pages = n;
	touch(r, true);
	r->pages = first + n;
	touch(pfn_at(i), true);
	if (n)
		memcpy(pfn_at(i), pfn, n * sizeof(*pfn));
	s->is_active = 1;
	NOTE("written down: pages %llu to %llu", (unsigned long long)b->start,
	     (unsigned long long)b->end - 1);
	(void)xchg(&r->tail, r->tail + 1);
	return true;
}

/* Addresses that stay mapped: counted before somebody else may settle it. */
static bool owe(struct flush_batch *b, const u32 *pfn, u32 n)
{
	atomic_inc(&b->mm->nr_owed);
	if (save(b, pfn, n))
		return true;
	atomic_dec(&b->mm->nr_owed);
	return false;
}

bool latr_keep(struct flush_batch *b, const u32 *pfn, u32 n)
{
	if (b->op != FLUSH_MUNMAP)
		return owe(b, pfn, n);
	if (!save(b, pfn, n))
		return false;
	atomic_inc(&b->mm->nr_kept);
	return true;
}

void latr_finish(struct flush_batch *b)
{
	if (b->op == FLUSH_NUMA_HINT && b->nr_changed &&
	    kern()->pending == PENDING_COUNT && owe(b, NULL, 0)) {
		flush_batch_begin(b, b->mm, b->op);
		return;
	}
	flush_batch_end(b);
}

/* ---- everybody ---------------------------------------------------------------------- */

/* Interrupts are off. */
static void drop(u64 i)
{
	u64 *w = &mask_at(i)[this_cpu->id / 64];
	u64 bit = 1ull << this_cpu->id % 64;

	if (!(READ_ONCE(*w) & bit))
		return;
	smp_rmb();              /* tlb_gen after; as flush_tlb_later() writes */
	flush_here(&latr()->slot[i].r);
	(void)atomic_add_return(w, -bit);
}

static void drop_arg(void *slot)
{
	drop((u64)((struct slot *)slot - latr()->slot));
}

void latr_sweep(void)
{
	u64 *seen = &latr()->seen[(u64)this_cpu->id * the_sys->nr_cpus];

	for (u32 i = 0; i < the_sys->nr_cpus; i++) {
		u64 tail;

		if (i == this_cpu->id || !the_sys->cpu[i].task)
			continue;
		tail = READ_ONCE(ring_of(i)->tail);
		if (tail == seen[i])
			continue;
		if (tail - seen[i] > latr()->nr_slots)
			seen[i] = tail - latr()->nr_slots;
		local_irq_disable();
		for (; seen[i] < tail; seen[i]++)
			drop(index_of(i, seen[i]));
		local_irq_enable();
	}
}

bool latr_has_ended(u32 cpu)
{
	const struct cpu_state *s = the_sys->cpu[cpu].s;

	touch(s, false);
	if (s->sb)
		touch(s->sb, false);
	return s->is_done && !(s->sb && s->sb->n);
}

/* loaded_mm first, is_lazy after, as switch_mm writes the one after the other: on
 * its way back it compares generations, and finds that it is behind. */
static bool has_left(u32 cpu, const struct mm *mm)
{
	const struct tlb_state *t = tlb_state_of(cpu);
	u64 loaded = READ_ONCE(t->loaded_mm);

	if (loaded != MM_SWITCHING && loaded != (uintptr_t)mm)
		return true;
	smp_rmb();
	return READ_ONCE(t->is_lazy);
}

static bool names_nobody(u64 state)
{
	u64 *mask = mask_at(state);

	for (u32 i = 0; i < the_sys->nr_cpus; i++) {
		if (!(i % 64) && !READ_ONCE(mask[i / 64])) {
			i += 63;
			continue;
		}
		touch(&mask[i / 64], false);
		if (mask[i / 64] >> i % 64 & 1 && !latr_has_ended(i) &&
		    !(latr()->abandons_tags &&
		      has_left(i, latr()->slot[state].r.mm)))
			return false;
	}
	return true;
}

/* Under the ring's lock, as what follows. */
static void let_go(u64 i)
{
	struct slot *s = &latr()->slot[i];

	touch(s, true);
	touch(pfn_at(i), false);
	NOTE("let go: pages %llu to %llu", (unsigned long long)s->r.start,
	     (unsigned long long)s->r.end - 1);
	if (s->r.op == FLUSH_MUNMAP) {
		flush_let_go(s->r.mm, s->r.start, s->r.end, pfn_at(i),
			     (u32)s->nr_pages);
		atomic_dec(&s->r.mm->nr_kept);
	} else {
		flush_free_pages(pfn_at(i), (u32)s->nr_pages);
		atomic_dec(&s->r.mm->nr_owed);
	}
	touch(s, true);
	s->is_active = 0;
}

static bool is_active(u64 i)
{
	touch(&latr()->slot[i], false);
	return latr()->slot[i].is_active;
}

/* The oldest that are gone make room. */
static void advance(u32 cpu)
{
	struct ring *r = ring_of(cpu);

	touch(r, true);
	while (r->head < r->tail && !is_active(index_of(cpu, r->head)))
		r->head++;
}

static void let_go_of_old(u32 cpu, void (*go)(u64 i))
{
	struct ring *r = ring_of(cpu);

	spin_lock(&r->lock);
	touch(r, false);
	for (u64 n = r->head; n < r->tail; n++) {
		u64 i = index_of(cpu, n);

		if (!is_active(i))
			continue;
		if (this_cpu->now < latr()->slot[i].due || !names_nobody(i))
			break;
		go(i);
	}
	advance(cpu);
	spin_unlock(&r->lock);
}

void latr_tick(void)
{
	latr_sweep();
	let_go_of_old(this_cpu->id, let_go);
}

/* ---- addresses wanted again ---------------------------------------------------------- */

/* Each that is named drops it in an interrupt; this CPU, too, which may have swept
 * before it was written down. */
static void drop_now(u64 i)
{
	u32 words = latr()->words;
	u64 *to = &mms()->targets[this_cpu->id * words];

	local_irq_disable();
	drop(i);
	local_irq_enable();
	touch(to, true);
	step(mask_at(i), false, cost_of(COST_PTE_SCAN));
	memcpy(to, mask_at(i), words * sizeof(*to));
	smp_call(to, drop_arg, &latr()->slot[i], NULL);
	touch(to, true);
	memset(to, 0, words * sizeof(*to));
}

/* Of @mm, or NULL: all that keeps pages. Return: pages that came free. */
static u64 claim_of(u32 cpu, const struct mm *mm, u64 start, u64 end)
{
	struct ring *r = ring_of(cpu);
	u64 nr_pages = 0;

	spin_lock(&r->lock);
	touch(r, false);
	for (u64 n = r->head; n < r->tail; n++) {
		u64 i = index_of(cpu, n);
		const struct slot *s = &latr()->slot[i];

		if (!is_active(i) || (mm ? s->r.mm != mm : !s->nr_pages) ||
		    s->r.start >= end || s->r.end <= start)
			continue;
		nr_pages += s->nr_pages;
		drop_now(i);
		let_go(i);
	}
	advance(cpu);
	spin_unlock(&r->lock);
	return nr_pages;
}

void latr_claim(struct mm *mm, u64 start, u64 end)
{
	if (!READ_ONCE(mm->nr_kept) && !READ_ONCE(mm->nr_owed))
		return;
	latr_sweep();
	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		if (READ_ONCE(ring_of(i)->tail))
			(void)claim_of(i, mm, start, end);
}

u64 latr_reclaim(void)
{
	u64 nr_pages = 0;

	latr_sweep();
	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		if (READ_ONCE(ring_of(i)->tail) != READ_ONCE(ring_of(i)->head))
			nr_pages += claim_of(i, NULL, 0, UINT64_MAX);
	return nr_pages;
}

/* ---- as published -------------------------------------------------------------------- */

static bool free_early(struct flush_batch *b, const u32 *pfn, u32 n)
{
	if (!save(b, NULL, 0))
		return false;
	flush_let_go(b->mm, b->start, b->end, pfn, n);
	return true;
}

static void forget(u64 i)
{
	touch(&latr()->slot[i], true);
	latr()->slot[i].is_active = 0;
}

static void tick_early(void)
{
	latr_sweep();
	let_go_of_old(this_cpu->id, forget);
}

/* Only the scanner's changes of rights are flushed. */
static void finish_early(struct flush_batch *b)
{
	bool is_mprotect = b->op == FLUSH_PROTECT_DOWN ||
			   b->op == FLUSH_PROTECT_UP;

	if (is_mprotect && b->nr_changed) {
		flush_tlb_alone(b);
		flush_batch_begin(b, b->mm, b->op);
	}
	flush_batch_end(b);
}

extern const struct flush_ops flush_latr, flush_latr_early;
const struct flush_ops flush_latr = {
	.name = "latr",
	.summary = "munmap and NUMA hints write down what others drop at their next tick",
	.source = "Kumar et al., LATR, ASPLOS 2018; its published patch",
	.defers = "what munmap took stays usable, and its frames and addresses are kept, until all CPUs have ticked; pages marked for NUMA hints do not fault until then, or until one moves; else as deferred",
	.legal = FLUSH_ALL_OPS,
	LATR_HOOKS,
	.tick = latr_tick,
	.leave = latr_sweep,
	.boot = latr_boot,
};

const struct flush_ops flush_latr_early = {
	.name = "latr-early",
	.summary = "LATR as published: nothing is kept, mprotect tells nobody. Unsound",
	.source = "LATR's published patch, lazy freeing off by default",
	.defers = "what munmap took stays usable, even by its frames' next owners, until all CPUs have ticked; what mprotect took, for good",
	.flaw = "frames have new owners while others still use them, and mprotect tells nobody",
	.legal = FLUSH_ALL_OPS & ~(FLUSH_BIT(FLUSH_MUNMAP) |
				   FLUSH_BIT(FLUSH_PROTECT_DOWN) |
				   FLUSH_BIT(FLUSH_DEBT)),
	.changed = flush_batch_add,
	.unlock = flush_batch_wait,
	.finish = finish_early,
	.boot = latr_boot,
	.tick = tick_early,
	.leave = latr_sweep,
	.keep = free_early,
};
