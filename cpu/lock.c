/* Locks as words that CPUs store to (step.h): spinlocks, locks that may be tried,
 * rwsems. */
#include "cpu/order.h"

static bool lock_is_free(const void *arg)
{
	const struct storebuf *sb = this_cpu->s->sb;

	/* A locked operation waits for this CPU's own stores, except that a
	 * weak acquire does not. */
	return !*(const u32 *)arg && (!sb || !sb->n || is_weak());
}

static void taken(u32 *owner)
{
	touch(owner, true);
	*owner = this_cpu->id + 1;
	acquire();
}

static void take(u32 *owner)
{
	the_sys->drv.wait(owner, lock_is_free, owner, cost_of(COST_LOCK));
	taken(owner);
}

static void take_in_turn(u32 *owner)
{
	if (!the_sys->drv.wait_turn) {
		take(owner);
		return;
	}
	the_sys->drv.wait_turn(owner, lock_is_free, owner, cost_of(COST_LOCK));
	taken(owner);
}

/* Unlocking is a plain store that everything before precedes. It only lets
 * others go on, so with nothing before it in the buffer it may as well happen
 * at once (a left mover). */
static void release(u32 *owner, bool may_be_tried)
{
	struct storebuf *sb = this_cpu->s->sb;
	struct sb_entry e;

	assert(*owner == this_cpu->id + 1);
	if (!the_sys->is_explored)
		step(owner, true, cost_of(COST_PTE_SCAN));
	else if (may_be_tried || !the_sys->is_reduced)
		step(owner, true, 0);
	if (sb && sb->n) {
		e = entry(owner, sizeof(*owner), SB_RELEASE, 0);
		e.level = may_be_tried;
		push(&e);
		return;
	}
	touch(owner, true);
	*owner = 0;
	if (!may_be_tried && the_sys->drv.hand_over)
		the_sys->drv.hand_over(owner);
	else
		the_sys->drv.wake(owner);
}

/* Taking a lock nobody may try is a right mover: the next step may follow at
 * once, unless it may block. Not so under the weak model, where taking it also
 * forbids early loads: the later that is, the more of them.
 * Interrupt handlers take no locks (else this would hide a deadlock). */
static bool is_right_mover(void)
{
	assert(!the_sys->is_explored || !this_cpu->ctx.in_irq);
	return the_sys->is_reduced && !is_weak();
}

void spin_lock(struct spinlock *l)
{
	take_in_turn(&l->owner);
	this_cpu->ctx.glide = is_right_mover();
}

void spin_unlock(struct spinlock *l)
{
	this_cpu->ctx.glide = false;
	release(&l->owner, false);
}

static bool word_is_free(const void *arg)
{
	const struct storebuf *sb = this_cpu->s->sb;

	return !*(const u64 *)arg && (!sb || !sb->n || is_weak());
}

void word_lock(u64 *p)
{
	the_sys->drv.wait(p, word_is_free, p, cost_of(COST_LOCK));
	if (this_cpu->s->sb)
		touch(this_cpu->s->sb, false);
	acquire();
	word_store_now(p, sizeof(*p), 1);
}

void word_unlock(u64 *p)
{
	struct sb_entry e;

	if (!this_cpu->s->sb) {
		word_write(p, sizeof(*p), 0, 0);
		return;
	}
	e = entry(p, sizeof(*p), SB_RELEASE, 0);
	e.level = 1;            /* others may read it: a step of its own */
	buffer(&e);
}

bool bit_trylock(u32 *owner)
{
	bool ok;

	ordered_step(owner, cost_of(COST_LOCK));
	ok = !*owner;
	if (ok)
		*owner = this_cpu->id + 1;
	observe(ok);
	return ok;
}

void bit_lock(u32 *owner)
{
	take(owner);
}

void bit_unlock(u32 *owner)
{
	release(owner, true);
}

static bool bit_is_free(const void *arg)
{
	return !*(const u32 *)arg;
}

void bit_wait(u32 *owner)
{
	the_sys->drv.wait(owner, bit_is_free, owner, cost_of(COST_LOCK));
	acquire();
}

static bool no_writer(const void *arg)
{
	const struct storebuf *sb = this_cpu->s->sb;

	return !((const struct rwsem *)arg)->writer &&
	       (!sb || !sb->n || is_weak());
}

static bool no_holder(const void *arg)
{
	return no_writer(arg) && !((const struct rwsem *)arg)->readers;
}

/* rwsem_set_reader_owned, rwsem_set_owner: readers read first what was there. */
static void set_owner(struct rwsem *s)
{
	if (s->has_owner)
		step_timed(&s->has_owner, true, 0);
}

void down_read(struct rwsem *s)
{
	the_sys->drv.wait(s, no_writer, s, cost_of(COST_LOCK));
	touch(s, true);
	s->readers++;
	set_owner(s);
	acquire();
	this_cpu->ctx.glide = is_right_mover() && !s->is_tried;
}

bool down_read_trylock(struct rwsem *s)
{
	bool ok;

	assert(s->is_tried);
	ordered_step(s, cost_of(COST_LOCK));
	ok = !s->writer && !s->waiting;
	s->readers += ok;
	observe(ok);
	return ok;
}

/* The kernel's are atomic decrements with release: after this CPU's stores. */
static void up(struct rwsem *s)
{
	struct storebuf *sb = this_cpu->s->sb;

	this_cpu->ctx.glide = false;
	if (sb && (sb->n || !the_sys->is_reduced))
		the_sys->drv.wait(sb, sb_is_empty, sb, cost_of(COST_LOCK));
	else if (!the_sys->is_explored)
		step(s, true, cost_of(COST_LOCK));
	else if (!the_sys->is_reduced || s->is_tried)
		step(s, true, 0);
	touch(s, true);
}

void up_read(struct rwsem *s)
{
	up(s);
	s->readers--;
	the_sys->drv.wake(s);
}

/* Without a queue: readers that wait may overtake. */
static void wait_tried(struct rwsem *s)
{
	ordered_step(s, 0);
	s->waiting++;
	the_sys->drv.wait(s, no_holder, s, cost_of(COST_LOCK));
	touch(s, true);
	s->waiting--;
}

void down_write(struct rwsem *s)
{
	if (s->is_tried)
		wait_tried(s);
	else
		the_sys->drv.wait(s, no_holder, s, cost_of(COST_LOCK));
	touch(s, true);
	s->writer = this_cpu->id + 1;
	set_owner(s);
	acquire();
	this_cpu->ctx.glide = is_right_mover() && !s->is_tried;
}

void up_write(struct rwsem *s)
{
	up(s);
	s->writer = 0;
	the_sys->drv.wake(s);
}

void downgrade_write(struct rwsem *s)
{
	assert(s->writer == this_cpu->id + 1);
	up(s);
	s->writer = 0;
	s->readers++;
	set_owner(s);
	the_sys->drv.wake(s);
}
