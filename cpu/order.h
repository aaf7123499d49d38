/* order.h - what files that take steps (step.c, lock.c, pte.c) share, and nobody else:
 * a CPU's own stores that are still under way, and loads that were early.
 */
#ifndef CPU_ORDER_H
#define CPU_ORDER_H

#include <string.h>

#include "cpu/mmu.h"
#include "cpu/step.h"

static inline bool is_weak(void)
{
	return the_sys->memory_model == MEM_WEAK;
}

/* Loads after this are not early any more. */
static inline void acquire(void)
{
	struct storebuf *sb = this_cpu->s->sb;

	if (!sb || !is_weak())
		return;
	touch(&sb->nr_stale, true);
	memset(sb->stale, 0, sizeof(sb->stale));
	sb->nr_stale = 0;
}

static inline bool sb_is_empty(const void *arg)
{
	return ((const struct storebuf *)arg)->n == 0;
}

static inline bool sb_has_room(const void *arg)
{
	return ((const struct storebuf *)arg)->n < SB_MAX;
}

/* Before a fully ordered operation on @p: a choice point in any case. */
static inline void ordered_step(const void *p, u64 cycles)
{
	struct storebuf *sb = this_cpu->s->sb;

	/* Also with an empty buffer, if this is a choice point: an interrupt
	 * may store meanwhile. */
	if (sb && (sb->n || !this_cpu->ctx.glide))
		the_sys->drv.wait(p, sb_is_empty, sb, cycles);
	else
		step(p, true, cycles);
	touch(p, true);
	if (sb)
		touch(sb, false);
	acquire();
}

/* What comes after is not part of the step before: others may have seen the
 * store by then. */
static inline void push(const struct sb_entry *e)
{
	struct storebuf *sb = this_cpu->s->sb;

	this_cpu->ctx.glide = false;
	if (!sb_has_room(sb))
		the_sys->drv.wait(sb, sb_has_room, sb, 0);
	touch(sb, true);
	if (e->kind == SB_PTE && the_sys->is_by_manual)
		mmu_hold(e->root, e->vpn, e->level,
			 (u64 *)(void *)(the_sys->arena.base + e->off));
	sb_push(sb, e);
}

/* A store into the buffer concerns nobody else, but an interrupt may still
 * come before it, and be acknowledged while it is not yet made. */
static inline void buffer(const struct sb_entry *e)
{
	if (!the_sys->is_reduced || !this_cpu->s->irq_off ||
	    the_sys->is_by_manual)
		step(this_cpu->s->sb, true, 0);
	push(e);
}

static inline struct sb_entry entry(void *p, u32 bytes, enum sb_kind kind, u64 v)
{
	struct sb_entry e;

	memset(&e, 0, sizeof(e));
	e.off = arena_offset(&the_sys->arena, p);
	e.bytes = (u8)bytes;
	e.kind = (u8)kind;
	e.value = v;
	return e;
}

#endif
