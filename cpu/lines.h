/* lines.h - who had a cache line last, so that a line that moves between CPUs is
 * paid for: of the kernel's own accesses, in timed runs.
 *
 * A reader without a copy fetches one from the owner; a writer takes the line from
 * its owner, and waits for the farther one of it and of the last who fetched a copy,
 * which is invalidated. One transfer by hop (COST_LINE_TRANSFER_*) each.
 *
 * Contended (contend.h): who wants a line that is moving waits until it has
 * arrived. A line moves when it is written to by another CPU than the last writer,
 * and when the first reader fetches what that one wrote; further copies of a line
 * that has been read since hold nobody up (assumed: the last-level cache, or whoever
 * has one, answers readers side by side).
 *
 * Direct-mapped by address; a conflict forgets, and costs nothing.
 */
#ifndef CPU_LINES_H
#define CPU_LINES_H

#include "cpu/cpu.h"

struct line {
	u64 tag;                /* its number + 1; 0: none                    */
	u64 free_at;            /* contended: when it has arrived             */
	u64 readers;            /* bit per CPU number mod 64                  */
	u16 owner;
	u16 reader;             /* the last one to fetch a copy               */
};

struct lines {
	const u8 *base;         /* of the arena                               */
	u64 mask;
	bool is_contended;
	u32 nr_cpus;
	u64 cost[NR_HOPS];      /* a transfer's cycles, and whether there was */
	bool *is_used;          /* one (sys.cost_used)                        */
	u8 *hop;                /* [to * nr_cpus + from] enum hop             */
	struct line line[];
};

/* lines_create - Return: 0, -ENOMEM. */
int lines_create(struct lines **out, struct sys *sys);
void lines_destroy(struct lines *l);

/* line_cycles_moved - line_cycles() of a line that somebody else touched last. */
u64 line_cycles_moved(struct lines *t, struct line *l, u64 tag,
		      const struct cpu *c, bool is_write);

static inline u64 line_tag(const struct lines *t, const void *obj)
{
	return ((u64)((const u8 *)obj - t->base) >> 6) + 1;
}

/* line_cycles - until @c, at its own time, has the line of @obj (in the arena); it
 * has it from now on. */
static inline u64 line_cycles(struct lines *t, const struct cpu *c,
			      const void *obj, bool is_write)
{
	u64 tag = line_tag(t, obj), me = 1ull << c->id % 64;
	struct line *l = &t->line[tag & t->mask];
	u32 owner = l->owner;

	if (likely(l->tag == tag && l->readers == 1ull << owner % 64)) {
		if (owner == c->id)
			return 0;
		/* From whoever wrote it, and nobody has read it since. */
		if (is_write && !t->is_contended) {
			u32 hop = t->hop[(size_t)c->id * t->nr_cpus + owner];

			t->is_used[hop] = true;
			l->owner = (u16)c->id;
			l->readers = me;
			return t->cost[hop];
		}
	}
	return line_cycles_moved(t, l, tag, c, is_write);
}

/* line_is_read - a read by @c would take nothing and change nothing. */
bool line_is_read(const struct lines *l, const struct cpu *c, const void *obj);

#endif
