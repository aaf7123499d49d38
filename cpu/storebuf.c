#include <assert.h>
#include <string.h>

#include "cpu/mmu.h"
#include "cpu/step.h"

static bool may_pass(const struct sb_entry *later, const struct sb_entry *earlier)
{
	return later->kind != SB_RELEASE && later->off != earlier->off &&
	       !((later->epoch ^ earlier->epoch) & ~SB_BARRIER);
}

void sb_push(struct storebuf *sb, const struct sb_entry *e)
{
	u8 epoch = sb->n ? sb->e[sb->n - 1].epoch : 0;

	if (epoch & SB_BARRIER)
		epoch = (u8)((epoch & ~SB_BARRIER) + 1);
	sb->e[sb->n] = *e;
	sb->e[sb->n++].epoch = epoch;
}

/* On every entry: whichever is the last one when the next comes, says it. */
void sb_write_barrier(struct storebuf *sb)
{
	for (u32 i = 0; i < sb->n; i++)
		sb->e[i].epoch |= SB_BARRIER;
}

bool sb_holds(const struct storebuf *sb, u64 off)
{
	for (u32 i = 0; i < sb->n; i++)
		if (sb->e[i].off == off)
			return true;
	return false;
}

void sb_forget(struct storebuf *sb, u64 off)
{
	u32 n = 0;

	for (u32 i = 0; i < sb->nr_stale; i++)
		if (sb->stale[i].off != off)
			sb->stale[n++] = sb->stale[i];
	for (u32 i = n; i < sb->nr_stale; i++)
		memset(&sb->stale[i], 0, sizeof(sb->stale[i]));
	sb->nr_stale = n;
}

int sb_drainable(const struct storebuf *sb, bool is_weak, u32 nth)
{
	if (!is_weak)
		return nth == 0 && sb->n ? 0 : -1;
	for (u32 i = 0; i < sb->n; i++) {
		bool is_first = true;

		for (u32 j = 0; j < i && is_first; j++)
			is_first = may_pass(&sb->e[i], &sb->e[j]);
		if (is_first && nth-- == 0)
			return (int)i;
	}
	return -1;
}

static void remember(struct storebuf *sb, u64 off, u64 old)
{
	if (sb->nr_stale == STALE_MAX) {
		/* Forgetting the oldest only forbids a behaviour; the explorer
		 * is told through the envelope's flag. */
		memmove(&sb->stale[0], &sb->stale[1],
			sizeof(sb->stale) - sizeof(sb->stale[0]));
		sb->nr_stale--;
		this_cpu->s->env->overflowed = 1;
	}
	sb->stale[sb->nr_stale].off = off;
	sb->stale[sb->nr_stale].value = old;
	sb->nr_stale++;
}

void sb_word_became(const void *word, u64 old)
{
	u64 off = arena_offset(&the_sys->arena, word);

	for (u32 i = 0; i < the_sys->nr_cpus; i++) {
		struct cpu *c = &the_sys->cpu[i];

		if (c == this_cpu || !c->s->sb || c->s->is_done)
			continue;
		if (the_sys->loads && !*loads_of(i, off))
			continue;
		touch(&c->s->sb->nr_stale, false);
		remember(c->s->sb, off, old);
	}
}

static void make_visible(const struct sb_entry *e)
{
	u8 *p = the_sys->arena.base + e->off;
	u64 old = word_get(p, e->bytes), v = e->value;

	touch(p, true);
	if (e->kind == SB_ADD)
		v = old + e->value;
	if (e->kind == SB_PTE && the_sys->is_by_manual)
		mmu_retire(e->root, e->vpn, e->level, (u64 *)(void *)p, true);
	else if (e->kind == SB_PTE)
		pte_retire(e->root, pte_vpn(e->root, e->vpn, e->level,
				  (const u64 *)(const void *)p),
			   e->level, old);
	if (e->kind == SB_LINE) {
		u64 at = (u64 *)(void *)p - the_sys->mem.line;
		u32 per = the_sys->mem.lines_per_frame;

		the_sys->os.commit_store(this_cpu->id, e->vpn, at / per,
					 (u32)(at % per), v);
	}
	word_set(p, e->bytes, v);
	if (the_sys->memory_model == MEM_WEAK && e->kind != SB_LINE &&
	    e->kind != SB_RELEASE) {
		/* Its own CPU cannot read behind it any more. */
		sb_forget(this_cpu->s->sb, e->off);
		if (word_get(p, e->bytes) != old)
			sb_word_became(p, old);
	}
	the_sys->drv.wake(p);
}

void sb_drain(struct storebuf *sb, u32 i)
{
	struct sb_entry e = sb->e[i];

	touch(sb, true);
	memmove(&sb->e[i], &sb->e[i + 1], (sb->n - i - 1) * sizeof(sb->e[0]));
	sb->n--;
	memset(&sb->e[sb->n], 0, sizeof(sb->e[0]));
	if (!sb->n)
		the_sys->drv.wake(sb);
	make_visible(&e);
}

u64 sb_forward(const struct storebuf *sb, u64 off, u64 v)
{
	for (u32 i = 0; i < sb->n; i++)
		if (sb->e[i].off == off)
			v = sb->e[i].kind == SB_ADD ? v + sb->e[i].value
						    : sb->e[i].value;
	return v;
}
