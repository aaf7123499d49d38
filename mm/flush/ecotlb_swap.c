/* ecoTLB's swap-out (F23): pages that reclaim has unmapped wait for all CPUs that may
 * still write to them, and are written out then, by whoever reclaims next.
 *
 * What is to be dropped is written down nowhere: unmapping was a generation of its
 * address space. A CPU brings what it has loaded up to date at each tick, and counts;
 * other address spaces it finds behind when it comes back, as do CPUs that idle. A
 * catch-up that was under way when the pages were unmapped may have read the old
 * generation: of a CPU that goes on running, two must have ended since.
 *
 * Assumed, since only the abstract was at hand ("improves the performance of ... page
 * swap operations", "asynchronous", "improved policy decisions"): all of the above; one
 * queue, whose oldest batch comes first; when it is full, or for who needs memory
 * himself, flushes are interrupts, at once; a page that is used in between stays in
 * memory, at the price of a flush of its address, by interrupts.
 */
#include <errno.h>
#include <string.h>

#include "mm/flush/ecotlb.h"
#include "mm/flush/latr.h"
#include "mm/reclaim.h"
#include "mm/switch.h"

#define SLOTS 256u
#define TICKS 2u

struct batch {
	u32 nr;
	u32 ticks;              /* that running CPUs must end                 */
	u32 pfn[RECLAIM_BATCH];
};

struct ticks {
	u64 n;
	u64 pad[7];
};

/* Batches .head to .tail - 1 wait. */
struct ecotlb_swap {
	struct spinlock lock;
	u32 nr_slots, words, is_used;
	u64 head, tail;
	struct batch *batch;    /* [nr_slots]                                 */
	u64 *mask;              /* [nr_slots][words] who may hold entries     */
	u64 *then;              /* [nr_slots][nr_cpus] their counters         */
	struct ticks *ticks;  /* [nr_cpus] catch-ups that have ended        */
};

static struct ecotlb_swap *queue(void)
{
	return mms()->swap_flush_state;
}

int ecotlb_swap_boot(struct sys *sys)
{
	struct arena *a = &sys->arena;
	struct ecotlb_swap *q = arena_alloc(a, sizeof(*q));
	u32 n = sys->is_explored ? 1 : SLOTS;

	if (!q)
		return -ENOMEM;
	q->nr_slots = n;
	q->is_used = sys->is_explored;  /* a catch-up may be under way        */
	q->words = (sys->nr_cpus + 63) / 64;
	q->batch = arena_alloc(a, n * sizeof(*q->batch));
	q->mask = arena_alloc(a, n * q->words * sizeof(u64));
	q->then = arena_alloc(a, (u64)n * sys->nr_cpus * sizeof(u64));
	q->ticks = arena_alloc(a, sys->nr_cpus * sizeof(*q->ticks));
	mms()->swap_flush_state = q;
	return q->batch && q->mask && q->then && q->ticks ? 0 : -ENOMEM;
}

void ecotlb_swap_tick(void)
{
	struct ecotlb_swap *q = queue();

	if (!READ_ONCE(q->is_used))
		return;
	local_irq_disable();
	flush_catch_up();
	local_irq_enable();
	(void)atomic_add_return(&q->ticks[this_cpu->id].n, 1);
}

/* ---- under the lock ------------------------------------------------------------- */

static u64 *mask_of(const struct ecotlb_swap *q, u64 i)
{
	return &q->mask[i % q->nr_slots * q->words];
}

static u64 *then_of(const struct ecotlb_swap *q, u64 i)
{
	return &q->then[i % q->nr_slots * the_sys->nr_cpus];
}

static void append(struct ecotlb_swap *q, struct page *const *page, u32 n,
		   const u64 *to, u32 ticks)
{
	struct batch *b = &q->batch[q->tail % q->nr_slots];
	u64 *mask = mask_of(q, q->tail), *then = then_of(q, q->tail);

	touch(b, true);
	touch(mask, true);
	b->nr = n;
	b->ticks = ticks;
	for (u32 i = 0; i < n; i++)
		b->pfn[i] = (u32)pfn_of(page[i]);
	memcpy(mask, to, q->words * sizeof(*mask));
	mask[this_cpu->id / 64] &= ~(1ull << this_cpu->id % 64);
	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		if (flush_has(mask, i)) {
			touch(&then[i], true);
			then[i] = READ_ONCE(q->ticks[i].n);
		}
	touch(q, true);
	q->tail++;
}

/* Who idles, or has nothing loaded, finds that it is behind before it uses anything
 * again. */
static bool has_dropped(const struct ecotlb_swap *q, u64 batch, u32 cpu)
{
	const struct tlb_state *t = tlb_state_of(cpu);

	return READ_ONCE(q->ticks[cpu].n) - then_of(q, batch)[cpu] >=
		       q->batch[batch % q->nr_slots].ticks ||
	       READ_ONCE(t->is_lazy) || !READ_ONCE(t->loaded_mm) ||
	       latr_has_ended(cpu);
}

static bool all_have(const struct ecotlb_swap *q, u64 batch)
{
	const u64 *mask = mask_of(q, batch);

	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		if (flush_has(mask, i) && !has_dropped(q, batch, i))
			return false;
	return true;
}

static u32 take_first(struct ecotlb_swap *q, struct page **page)
{
	const struct batch *b = &q->batch[q->head % q->nr_slots];

	touch(b, false);
	for (u32 i = 0; i < b->nr; i++)
		page[i] = page_of(b->pfn[i]);
	observe(b->nr | (u64)b->pfn[0] << 32);
	touch(q, true);
	q->head++;
	return b->nr;
}

/* ---- what reclaim calls ----------------------------------------------------------- */

bool ecotlb_swap_out_after(struct page *const *page, u32 n, const u64 *to,
			   u32 ticks)
{
	struct ecotlb_swap *q = queue();
	bool has_room;

	WRITE_ONCE(q->is_used, 1);
	flush_catch_up();
	spin_lock(&q->lock);
	touch(q, false);
	has_room = q->tail - q->head < q->nr_slots;
	observe(has_room);
	if (has_room)
		append(q, page, n, to, ticks);
	spin_unlock(&q->lock);
	return has_room;
}

bool ecotlb_swap_out(struct page *const *page, u32 n, const u64 *to)
{
	return ecotlb_swap_out_after(page, n, to, TICKS);
}

u32 ecotlb_swapped(struct page **page, bool is_urgent)
{
	struct ecotlb_swap *q = queue();
	u32 n = 0;

	if (!READ_ONCE(q->is_used))
		return 0;
	spin_lock(&q->lock);
	touch(q, false);
	observe(q->head != q->tail);
	if (q->head != q->tail) {
		bool is_done = all_have(q, q->head);

		if (!is_done && is_urgent) {
			flush_tlb_batch(mask_of(q, q->head));
			is_done = true;
		}
		if (is_done)
			n = take_first(q, page);
	}
	spin_unlock(&q->lock);
	return n;
}
