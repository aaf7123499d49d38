/* Queues of sleepers on pages; see page_wait.h. */
#include "mm/page_wait.h"

#include "mm/sched.h"

/* Of a page that somebody sleeps on. */
struct queue {
	const struct page *page;
	u32 nr;                 /* came since there was nobody                */
	u32 left;               /* are not running again                      */
};

static struct {
	struct queue q[MACHINE_MAX_CPUS];       /* packed                     */
	u32 nr;
} W;

static struct queue *queue_of(const struct page *p)
{
	for (u32 i = 0; i < W.nr; i++)
		if (W.q[i].page == p)
			return &W.q[i];
	return NULL;
}

u32 page_wait_begin(struct page *p)
{
	struct queue *q = queue_of(p);

	if (!sched_is_on())
		return 0;
	if (!q) {
		q = &W.q[W.nr++];
		*q = (struct queue){ .page = p };
	}
	q->left++;
	return q->nr++;
}

/* try_to_wake_up() on another CPU: the thread is put on a list there and the CPU
 * is interrupted. */
static u64 wake_cycles(void)
{
	return cost_of(COST_LOCK) + cost_of(COST_LINE_TRANSFER_REMOTE) +
		cost_of(COST_ICR_WRITE);
}

void page_wait_end(struct page *p, u32 place)
{
	struct queue *q = queue_of(p);
	enum cycle_cat cat;
	u32 turn;

	if (!q)
		return;
	turn = kern()->page_wait_fifo ? place : q->nr - 1 - place;
	if (!--q->left)
		*q = W.q[--W.nr];
	cat = cat_enter(CYC_LOCK_WAIT);
	the_sys->drv.delay(this_cpu->now + (turn + 1) * wake_cycles() +
			   cost_of(COST_IPI_DELIVER_REMOTE) +
			   cost_of(COST_IRQ_ENTRY) +
			   cost_of(COST_CONTEXT_SWITCH));
	cat_leave(cat);
}

void page_wake(struct page *p)
{
	const struct queue *q = W.nr ? queue_of(p) : NULL;

	if (q)
		charge(q->left * wake_cycles());
}

void page_wait_reset(void)
{
	W.nr = 0;
}
