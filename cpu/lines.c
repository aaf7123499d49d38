#include "cpu/lines.h"

#include <errno.h>
#include <stdlib.h>

#define LINES_BITS 16
#define MORE_LINES_BITS 20      /* with a request for each pair of CPUs       */

int lines_create(struct lines **out, struct sys *sys)
{
	u32 n = sys->nr_cpus;
	u64 nr = 1ull << (sys->contend.has_lines ? MORE_LINES_BITS : LINES_BITS);
	struct lines *l = calloc(1, sizeof(*l) + nr * sizeof(l->line[0]));

	if (!l)
		return -ENOMEM;
	l->base = sys->arena.base;
	l->mask = nr - 1;
	l->is_contended = sys->contend.has_lines;
	l->nr_cpus = n;
	for (u32 h = 0; h < NR_HOPS; h++)
		l->cost[h] = sys->m->cost[COST_LINE_TRANSFER_SELF + h];
	l->is_used = &sys->cost_used[COST_LINE_TRANSFER_SELF];
	l->hop = malloc((size_t)n * n);
	if (!l->hop) {
		free(l);
		return -ENOMEM;
	}
	for (u32 from = 0; from < n; from++)
		for (u32 to = 0; to < n; to++)
			l->hop[(size_t)to * n + from] =
				(u8)sys_hop(sys, from, to);
	*out = l;
	return 0;
}

void lines_destroy(struct lines *l)
{
	if (l)
		free(l->hop);
	free(l);
}

static inline u64 transfer(const struct lines *t, const u8 *hop_from, u32 from)
{
	t->is_used[hop_from[from]] = true;
	return t->cost[hop_from[from]];
}

static inline u64 bit(u32 cpu)
{
	return 1ull << cpu % 64;
}

/* The line or its last copy, whichever is farther. */
static inline u64 take(const struct lines *t, const struct line *l, u32 to,
		       const u8 *hop_from)
{
	u64 cost = l->owner != to ? transfer(t, hop_from, l->owner) : 0, copy;

	if (!(l->readers & ~bit(l->owner) & ~bit(to)))
		return cost;
	copy = transfer(t, hop_from, l->reader);
	return copy > cost ? copy : cost;
}

/* Who comes next waits until it has arrived. */
static u64 after_others(struct line *l, u64 now, u64 cost, bool is_moving)
{
	cost += l->free_at > now ? l->free_at - now : 0;
	if (is_moving)
		l->free_at = now + cost;
	return cost;
}

u64 line_cycles_moved(struct lines *t, struct line *l, u64 tag,
		      const struct cpu *c, bool is_write)
{
	const u8 *hop_from = t->hop + (size_t)c->id * t->nr_cpus;
	u64 me = bit(c->id), cost = 0;

	if (unlikely(l->tag != tag)) {
		*l = (struct line){ .tag = tag, .readers = me,
				    .owner = (u16)c->id, .reader = l->reader };
		return 0;
	}
	if (is_write)
		cost = take(t, l, c->id, hop_from);
	else if (!(l->readers & me))
		cost = transfer(t, hop_from, l->owner);
	if (unlikely(t->is_contended) && cost)
		cost = after_others(l, c->now, cost, is_write ||
				    l->readers == bit(l->owner));
	if (is_write) {
		l->owner = (u16)c->id;
		l->readers = me;
	} else if (!(l->readers & me)) {
		l->readers |= me;
		l->reader = (u16)c->id;
	}
	return cost;
}

bool line_is_read(const struct lines *t, const struct cpu *c, const void *obj)
{
	u64 tag = line_tag(t, obj);
	const struct line *l = &t->line[tag & t->mask];

	return l->tag == tag && (l->readers & bit(c->id));
}
