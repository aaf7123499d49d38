#include "cpu/lines.h"

#include <errno.h>
#include <stdlib.h>

#include "cpu/cpu.h"

#define LINES_BITS 16
#define MORE_LINES_BITS 20      /* with a request for each pair of CPUs       */

struct line {
	u64 tag;                /* its number + 1; 0: none                    */
	u64 free_at;            /* contended: when it has arrived             */
	u64 readers;            /* bit per CPU number mod 64                  */
	u16 owner;
	u16 reader;             /* the last one to fetch a copy               */
};

struct lines {
	struct sys *sys;
	u64 mask;
	struct line line[];
};

int lines_create(struct lines **out, struct sys *sys)
{
	u64 n = 1ull << (sys->contend.has_lines ? MORE_LINES_BITS : LINES_BITS);
	struct lines *l = calloc(1, sizeof(*l) + n * sizeof(l->line[0]));

	if (!l)
		return -ENOMEM;
	l->sys = sys;
	l->mask = n - 1;
	*out = l;
	return 0;
}

void lines_destroy(struct lines *l)
{
	free(l);
}

static u64 transfer(struct sys *sys, u32 from, u32 to)
{
	sys->cost_used[COST_LINE_TRANSFER_SELF +
		       (u32)machine_hop(sys->m, from, to)] = true;
	return machine_line_transfer(sys->m, from, to);
}

static u64 bit(u32 cpu)
{
	return 1ull << cpu % 64;
}

/* The line or its last copy, whichever is farther. */
static u64 take(struct sys *sys, const struct line *l, u32 to)
{
	u64 cost = l->owner != to ? transfer(sys, l->owner, to) : 0, copy;

	if (!(l->readers & ~bit(l->owner) & ~bit(to)))
		return cost;
	copy = transfer(sys, l->reader, to);
	return copy > cost ? copy : cost;
}

u64 line_cycles(struct lines *t, const struct cpu *c, const void *obj,
		bool is_write)
{
	u64 tag = (arena_offset(&t->sys->arena, obj) >> 6) + 1;
	struct line *l = &t->line[tag & t->mask];
	u64 me = bit(c->id), cost = 0;
	bool is_unread = l->readers == bit(l->owner);

	if (likely(l->tag == tag && l->owner == c->id && l->readers == me)) {
		l->reader = is_write ? l->reader : (u16)c->id;
		return 0;
	}
	if (l->tag != tag) {
		*l = (struct line){ .tag = tag, .readers = me,
				    .owner = (u16)c->id, .reader = l->reader };
		return 0;
	}
	if (is_write)
		cost = take(t->sys, l, c->id);
	else if (!(l->readers & me))
		cost = transfer(t->sys, l->owner, c->id);
	if (t->sys->contend.has_lines && cost) {
		cost += l->free_at > c->now ? l->free_at - c->now : 0;
		if (is_write || is_unread)
			l->free_at = c->now + cost;
	}
	if (is_write) {
		l->owner = (u16)c->id;
		l->readers = me;
	} else {
		l->readers |= me;
		l->reader = (u16)c->id;
	}
	return cost;
}

bool line_is_read(const struct lines *t, const struct cpu *c, const void *obj)
{
	u64 tag = (arena_offset(&t->sys->arena, obj) >> 6) + 1;
	const struct line *l = &t->line[tag & t->mask];

	return l->tag == tag && l->reader == c->id && (l->readers & bit(c->id));
}
