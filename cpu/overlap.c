#include "cpu/overlap.h"

static u32 first_done(const struct cpu *c)
{
	u32 first = 0;

	for (u32 i = 1; i < c->nr_pending; i++)
		if (c->pending[i].done < c->pending[first].done)
			first = i;
	return first;
}

/* Those that are done by now give their slots back. */
static void retire(struct cpu *c)
{
	u32 n = 0;

	for (u32 i = 0; i < c->nr_pending; i++)
		if (c->pending[i].done > c->now)
			c->pending[n++] = c->pending[i];
	c->nr_pending = n;
}

static void wait_for_first(struct cpu *c)
{
	const struct pending *p = &c->pending[first_done(c)];

	cpu_wait_until(c, p->done, p->cat);
	retire(c);
}

void cpu_drain_slow(struct cpu *c)
{
	while (c->nr_pending)
		wait_for_first(c);
}

void cpu_issued(struct cpu *c, const struct pending *p)
{
	if (p->done <= c->now)
		return;
	retire(c);
	c->pending[c->nr_pending++] = *p;
	if (c->nr_pending == c->mlp)
		wait_for_first(c);
}
