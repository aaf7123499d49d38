/* Steps on words: loads, stores, read-modify-writes, and barriers (step.h). */
#include "cpu/order.h"

u64 word_get(const void *p, u32 bytes)
{
	switch (bytes) {
	case 1: return *(const u8 *)p;
	case 2: return *(const u16 *)p;
	case 4: return *(const u32 *)p;
	}
	return *(const u64 *)p;
}

void word_set(void *p, u32 bytes, u64 v)
{
	switch (bytes) {
	case 1: *(u8 *)p = (u8)v; break;
	case 2: *(u16 *)p = (u16)v; break;
	case 4: *(u32 *)p = (u32)v; break;
	default: *(u64 *)p = v;
	}
}

void word_store_now(void *p, u32 bytes, u64 v)
{
	u64 old = word_get(p, bytes);

	word_set(p, bytes, v);
	if (this_cpu->s->sb && is_weak() && word_get(p, bytes) != old)
		sb_word_became(p, old);
	the_sys->drv.wake(p);
}

/* The result of an increment under way is not known before it is made. */
static bool no_add_pending(const void *p)
{
	const struct storebuf *sb = this_cpu->s->sb;
	u64 off = arena_offset(&the_sys->arena, p);

	for (u32 i = 0; i < sb->n; i++)
		if (sb->e[i].off == off && sb->e[i].kind == SB_ADD)
			return false;
	return true;
}

u64 word_read(const void *p, u32 bytes, u64 cycles)
{
	struct storebuf *sb = this_cpu->s->sb;
	u64 off, v;

	step(p, false, cycles);
	if (sb && !no_add_pending(p))
		the_sys->drv.wait(p, no_add_pending, p, 0);
	v = word_get(p, bytes);
	if (sb) {
		u32 at[STALE_MAX], n = 0, pick;

		off = arena_offset(&the_sys->arena, p);
		if (the_sys->loads && *loads_of(this_cpu->id, off) != LOADED) {
			the_sys->loads_grew |= !*loads_of(this_cpu->id, off);
			*loads_of(this_cpu->id, off) = LOADED;
		}
		touch(sb, false);
		v = sb_forward(sb, off, v);
		touch(&sb->nr_stale, false);
		/* An own store under way has overtaken all others. */
		for (u32 i = 0; i < sb->nr_stale && !sb_holds(sb, off); i++)
			if (sb->stale[i].off == off)
				at[n++] = i;
		/* The newest first; what is older than the value taken has
		 * been overtaken. */
		pick = n ? the_sys->drv.choose(n + 1) : 0;
		if (pick) {
			u32 i = at[n - pick];

			v = sb->stale[i].value;
			NOTE("early load: %llu", (unsigned long long)v);
			n -= pick;
		}
		if (n)
			touch(&sb->nr_stale, true);
		while (n--) {
			memmove(&sb->stale[at[n]], &sb->stale[at[n] + 1],
				(sb->nr_stale - at[n] - 1) *
				sizeof(sb->stale[0]));
			sb->nr_stale--;
			memset(&sb->stale[sb->nr_stale], 0,
			       sizeof(sb->stale[0]));
		}
	}
	observe(v);
	return v;
}

void word_write(void *p, u32 bytes, u64 v, u64 cycles)
{
	struct sb_entry e;

	if (!this_cpu->s->sb) {
		step(p, true, cycles);
		word_set(p, bytes, v);
		the_sys->drv.wake(p);
		return;
	}
	e = entry(p, bytes, SB_STORE, v);
	buffer(&e);
}

u64 word_xchg(void *p, u32 bytes, u64 v, u64 cycles)
{
	u64 old;

	ordered_step(p, cycles);
	old = word_get(p, bytes);
	word_store_now(p, bytes, v);
	observe(old);
	return old;
}

bool word_cmpxchg(void *p, u32 bytes, u64 old, u64 v, u64 cycles)
{
	bool ok;

	ordered_step(p, cycles);
	ok = word_get(p, bytes) == old;
	if (ok)
		word_store_now(p, bytes, v);
	observe(ok);
	return ok;
}

u64 word_add(void *p, u32 bytes, u64 delta, u64 cycles)
{
	u64 v;

	ordered_step(p, cycles);
	word_store_now(p, bytes, word_get(p, bytes) + delta);
	v = word_get(p, bytes);
	observe(v);
	return v;
}

bool word_inc_not_zero(void *p, u32 bytes, u64 cycles)
{
	u64 v;

	ordered_step(p, cycles);
	v = word_get(p, bytes);
	if (v)
		word_store_now(p, bytes, v + 1);
	observe(v != 0);
	return v;
}

void word_add_relaxed(void *p, u32 bytes, u64 delta, u64 cycles)
{
	struct sb_entry e;

	if (this_cpu->s->sb && is_weak()) {
		e = entry(p, bytes, SB_ADD, delta);
		buffer(&e);
		return;
	}
	ordered_step(p, cycles);
	word_store_now(p, bytes, word_get(p, bytes) + delta);
}

void smp_mb(void)
{
	struct storebuf *sb = this_cpu->s->sb;

	if (!the_sys->is_explored)
		charge(cost_of(COST_LOCK));     /* a locked operation on x86 */
	if (!sb)
		return;
	if (sb->n)
		the_sys->drv.wait(sb, sb_is_empty, sb, 0);
	acquire();
}

void smp_wmb(void)
{
	struct storebuf *sb = this_cpu->s->sb;

	if (sb && is_weak() && sb->n)
		sb_write_barrier(sb);
}

void smp_rmb(void)
{
	acquire();
}

void cpu_serialise(const void *obj)
{
	ordered_step(obj, 0);
}

void step_timed(const void *obj, bool is_write, u64 cycles)
{
	if (!the_sys->is_explored)
		step(obj, is_write, cycles);
}

void local_irq_disable(void)
{
	if (the_sys->is_explored)
		step(&this_cpu->s->nr_ipis, true, 0);
	this_cpu->s->irq_off++;
}

void local_irq_enable(void)
{
	assert(this_cpu->s->irq_off);
	this_cpu->s->irq_off--;
}
