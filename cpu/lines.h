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

#include "base/types.h"

struct cpu;
struct sys;
struct lines;                   /* opaque                                     */

/* lines_create - Return: 0, -ENOMEM. */
int lines_create(struct lines **out, struct sys *sys);
void lines_destroy(struct lines *l);

/* line_cycles - until @c, at its own time, has the line of @obj (in the arena); it
 * has it from now on. */
u64 line_cycles(struct lines *l, const struct cpu *c, const void *obj,
		bool is_write);

/* line_is_read - a read by @c, the last who read it, would take nothing and change
 * nothing. */
bool line_is_read(const struct lines *l, const struct cpu *c, const void *obj);

#endif
