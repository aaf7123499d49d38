#include "mm/deferred_split.h"

#include <errno.h>

#include "mm/pieces.h"
#include "mm/reclaim.h"

/* ->queued.next, besides a pfn. */
#define NOT_QUEUED 0u
#define END UINT32_MAX
#define TAKEN (UINT32_MAX - 1)  /* by somebody who is about to split it       */

#define SHRINK_BATCH 128u
#define DEF_PRIORITY 12u
#define DEFAULT_SEEKS 2u

struct split_queue {
	struct spinlock lock;
	u32 first, last;        /* pfns; END: none                            */
	u32 len;
	u32 nr_taken;
	u32 pad[11];
};

int split_queue_boot(void)
{
	u32 nr_nodes = the_sys->m->nr_nodes;
	struct split_queue *q = arena_alloc(&the_sys->arena,
					    nr_nodes * sizeof(*q));

	if (!q)
		return -ENOMEM;
	for (u32 i = 0; i < nr_nodes; i++)
		q[i].first = q[i].last = END;
	mms()->split_queue = q;
	return kern()->split_batches ? batch_boot() : 0;
}

static struct split_queue *queue_of(const struct page *head)
{
	return &mms()->split_queue[head->node];
}

/* ---- under the queue's lock ---------------------------------------------------------- */

static void add_tail(struct split_queue *q, struct page *head)
{
	u32 pfn = (u32)pfn_of(head);

	touch(&head[1], true);
	head[1].queued.prev = q->last;
	head[1].queued.next = END;
	if (q->last == END)
		q->first = pfn;
	else
		page_of(q->last)[1].queued.next = pfn;
	q->last = pfn;
	q->len++;
}

static void unlink_from(struct split_queue *q, struct page *head)
{
	u32 prev = head[1].queued.prev, next = head[1].queued.next;

	touch(&head[1], true);
	if (prev == END)
		q->first = next;
	else
		page_of(prev)[1].queued.next = next;
	if (next == END)
		q->last = prev;
	else
		page_of(next)[1].queued.prev = prev;
	q->len--;
}

static void lock(struct split_queue *q)
{
	spin_lock(&q->lock);
	charge(cost_of(COST_LRU_PAGE));
}

/* ---- joining and leaving ------------------------------------------------------------- */

void deferred_split_huge_page(struct page *head)
{
	struct split_queue *q;

	if (!mms()->split_queue)
		return;
	q = queue_of(head);
	if (READ_ONCE(head[1].queued.next) != NOT_QUEUED)
		return;
	lock(q);
	if (head[1].queued.next == NOT_QUEUED) {
		add_tail(q, head);
		COUNT(THP_DEFERRED_SPLIT_PAGE, head->order >= hpage_order());
		NOTE("frame %llu is to be split one day",
		     (unsigned long long)pfn_of(head));
	}
	spin_unlock(&q->lock);
}

void split_queue_del(struct page *head)
{
	struct split_queue *q;

	if (!mms()->split_queue)
		return;
	q = queue_of(head);
	lock(q);
	if (head[1].queued.next != NOT_QUEUED && head[1].queued.next != TAKEN)
		unlink_from(q, head);
	head[1].queued.next = NOT_QUEUED;
	spin_unlock(&q->lock);
}

/* ---- the shrinker --------------------------------------------------------------------- */

/* do_shrink_slab(): a share of what is there, by the cost of having it back. */
static u32 nr_to_scan(const struct split_queue *q)
{
	u32 n = (4 / DEFAULT_SEEKS) * q->len >> DEF_PRIORITY;

	n = n ? n : 1;
	return n < SHRINK_BATCH ? n : SHRINK_BATCH;
}

/* From the head of the queue, each with a reference. Return: how many. */
static u32 take(struct split_queue *q, struct page *page[SHRINK_BATCH])
{
	u32 n = 0;

	lock(q);
	for (u32 left = nr_to_scan(q); left && q->first != END; left--) {
		struct page *head = page_of(q->first);

		unlink_from(q, head);
		head[1].queued.next = TAKEN;
		if (get_page_unless_zero(head))
			page[n++] = head;
		else            /* who frees it comes here next */
			head[1].queued.next = NOT_QUEUED;
	}
	q->nr_taken += n;
	spin_unlock(&q->lock);
	return n;
}

/* Whether split or not; if not, it is still huge. */
static void give_back(struct split_queue *q, struct page *head, bool is_split)
{
	lock(q);
	q->nr_taken--;
	if (!is_split && head[1].queued.next == TAKEN)
		add_tail(q, head);
	spin_unlock(&q->lock);
}

u32 shrink_split_queue(u32 node)
{
	struct split_queue *q = mms()->split_queue;
	struct page *page[SHRINK_BATCH];
	u32 n, freed = 0;

	if (!q || q[node].first == END)
		return 0;
	n = take(&q[node], page);
	for (u32 i = 0; i < n; i++) {
		int rc = -EBUSY;

		if (trylock_page(page[i])) {
			rc = split_huge_page_locked(page[i]);
			unlock_page(page[i]);
		}
		give_back(&q[node], page[i], rc >= 0);
		freed += rc > 0 ? (u32)rc : 0;
		put_page(page[i]);
	}
	return freed;
}

bool split_queue_wait(void)
{
	struct split_queue *q = mms()->split_queue;
	u32 n = 0;

	for (u32 i = 0; q && i < the_sys->m->nr_nodes; i++)
		n += q[i].nr_taken;
	if (n) {
		enum cycle_cat cat = cat_enter(CYC_LOCK_WAIT);

		step(q, false, machine_ns_to_cycles(the_sys->m, 1000));
		cat_leave(cat);
	}
	return n;
}
