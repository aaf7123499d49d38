#include "cpu/lines.h"

#include <errno.h>
#include <stdlib.h>

#define LINES_BITS 16
#define MORE_LINES_BITS 20      /* with a request for each pair of CPUs       */

int lines_create(struct lines **out, struct sys *sys)
{
	u64 n = 1ull << (sys->contend.has_lines ? MORE_LINES_BITS : LINES_BITS);
	struct lines *l = calloc(1, sizeof(*l) + n * sizeof(l->line[0]));

	if (!l)
		return -ENOMEM;
	l->sys = sys;
	l->base = sys->arena.base;
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
	u32 cost = COST_LINE_TRANSFER_SELF + (u32)sys_hop(sys, from, to);

	sys->cost_used[cost] = true;
	return sys->m->cost[cost];
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

u64 line_cycles_moved(struct lines *t, struct line *l, u64 tag,
		      const struct cpu *c, bool is_write)
{
	u64 me = bit(c->id), cost = 0;
	bool is_unread = l->readers == bit(l->owner);

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
	u64 tag = line_tag(t, obj);
	const struct line *l = &t->line[tag & t->mask];

	return l->tag == tag && l->reader == c->id && (l->readers & bit(c->id));
}
