#include "mm/flush/clock.h"

#include <errno.h>
#include <string.h>

/* A line each. */
struct line {
	u64 v, pad[7];
};

struct flush_clock {
	struct line now;
	struct line *cpu;       /* [nr_cpus] when its last flush began        */
	u64 *mask;              /* CPUs that somebody ever owed a flush       */
	u64 *to;                /* [nr_cpus] masks: whom a CPU flushes now    */
	void *own;              /* the strategy's                             */
};

static struct flush_clock *clock(void)
{
	return mms()->flush_state;
}

static u32 words(void)
{
	return (the_sys->nr_cpus + 63) / 64;
}

int flush_clock_boot(struct sys *sys)
{
	struct arena *a = &sys->arena;
	struct flush_clock *c = arena_alloc(a, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->cpu = arena_alloc(a, sys->nr_cpus * sizeof(*c->cpu));
	c->mask = arena_alloc(a, words() * sizeof(*c->mask));
	c->to = arena_alloc(a, sys->nr_cpus * words() * sizeof(*c->to));
	mms()->flush_state = c;
	c->now.v = 1;
	return c->cpu && c->mask && c->to ? 0 : -ENOMEM;
}

/* A word of it that changes is an exchange: bits come and never go. */
static void join(const struct mm *mm)
{
	for (u32 w = 0; w < words(); w++) {
		u64 more = READ_ONCE(mm->cpumask[w]);

		for (u64 had = READ_ONCE(clock()->mask[w]); more & ~had;
		     had = READ_ONCE(clock()->mask[w]))
			if (cmpxchg_ok(&clock()->mask[w], had, had | more))
				break;
	}
}

void flush_clock_owe(struct page *p, struct mm *mm)
{
	p = compound_head(p);
	join(mm);
	touch_flags(p, true);
	p->is_unflushed = 1;
	if (!READ_ONCE(mm->nr_kept))
		WRITE_ONCE(mm->nr_kept, 1);
	NOTE("frame %llu: its flush waits until it is used again",
	     (unsigned long long)pfn_of(p));
}

bool flush_clock_freed(struct page *p)
{
	if (!p->is_unflushed)
		return false;
	p->index = flush_clock_now();
	return true;
}

u64 flush_clock_now(void)
{
	touch(&clock()->now, false);
	return clock()->now.v;
}

void **flush_clock_own(void)
{
	return &clock()->own;
}

static u64 begin(void)
{
	return atomic_add_return(&clock()->now.v, 1);
}

u64 flush_clock_catching_up(void)
{
	return READ_ONCE(clock()->mask[this_cpu->id / 64]) ? begin() : 0;
}

/* Only this CPU notes what it did; or who waited for it, while it waits. */
static void note(u32 cpu, u64 was)
{
	u64 *v = &clock()->cpu[cpu].v;

	if (READ_ONCE(*v) < was)
		WRITE_ONCE(*v, was);
}

void flush_clock_caught_up(u64 was)
{
	if (was)
		note(this_cpu->id, was);
}

/* Those that have not flushed since @stamp bring what they have loaded up to
 * date. */
void flush_clock_older(u64 stamp)
{
	u64 *to = clock()->to + this_cpu->id * words(), was = 0, any = 0;

	smp_rmb();              /* the mask after what was found owed */
	memset(to, 0, words() * sizeof(*to));
	for (u32 i = 0; i < the_sys->nr_cpus; i++) {
		if (!(i % 64) && !READ_ONCE(clock()->mask[i / 64])) {
			i += 63;
			continue;
		}
		touch(&clock()->mask[i / 64], false);
		if (clock()->mask[i / 64] >> i % 64 & 1 &&
		    READ_ONCE(clock()->cpu[i].v) <= stamp) {
			to[i / 64] |= 1ull << i % 64;
			any = 1;
		}
	}
	if (!any)
		return;
	was = begin();
	flush_tlb_batch(to);
	for (u32 i = 0; i < the_sys->nr_cpus; i++)
		if (to[i / 64] >> i % 64 & 1)
			note(i, was);
}

void flush_clock_given_out(struct page *p, u64 vpn)
{
	touch_flags(p, true);
	touch(&p->index, false);
	observe(p->is_unflushed);
	if (!p->is_unflushed)
		return;
	p->is_unflushed = 0;
	flush_clock_older(p->index);
}

void flush_clock_pay(void)
{
	flush_clock_older(READ_ONCE(clock()->now.v));
}

void flush_clock_claim(struct mm *mm, u64 start, u64 end)
{
	if (!READ_ONCE(mm->nr_kept))
		return;
	WRITE_ONCE(mm->nr_kept, 0);
	flush_clock_pay();
}
