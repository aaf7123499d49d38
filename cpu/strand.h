/* strand.h - a part of a CPU's program that goes from step to step and keeps
 * nothing on a stack in between, so that a driver may carry it out where it
 * stands: an interrupt's entry, acknowledgement and exit, the sends of a cross
 * call. What it does is written once, in its next(); how it is driven is not its
 * affair:
 *
 *	for (;;) {
 *		next() -> STRAND_STEP	take the step that ->obj, ->is_write and
 *					->cycles say, then go on
 *		       -> STRAND_CALL	call() needs a stack, then go on
 *		       -> STRAND_END	it is over
 *	}
 *
 * Between two steps it is as any code between two steps: this_cpu is its CPU, and
 * others see all of what it did, or nothing.
 */
#ifndef CPU_STRAND_H
#define CPU_STRAND_H

#include "base/types.h"

enum strand_next { STRAND_STEP, STRAND_CALL, STRAND_END };

struct strand {
	enum strand_next (*next)(struct strand *s);
	void (*call)(struct strand *s);
	const void *obj;        /* the step asked for: in the arena; timed, NULL:
				 * no line, only until others have caught up  */
	u64 cycles;
	bool is_write;
	bool is_posted;         /* what follows the step needs not wait for the
				 * line: it is seen when this_cpu->now says    */
	/* The driver's own. */
	bool has_line;          /* what it waited for to touch it has come    */
	bool wants_stack;
	bool is_fibers;         /* the CPU's own stack waits for its end      */
	struct strand *below;   /* what it interrupted                        */
};

/* strand_run - all of it, on this_cpu. */
void strand_run(struct strand *s);

/* For next(). */
static inline enum strand_next strand_step(struct strand *s, const void *obj,
					   bool is_write, u64 cycles)
{
	s->obj = obj;
	s->is_write = is_write;
	s->is_posted = false;
	s->cycles = cycles;
	return STRAND_STEP;
}

/* A store that nothing waits for: its CPU goes on at once, others see it when the
 * line has come. In order of asking for the line. */
static inline enum strand_next strand_post(struct strand *s, const void *obj,
					   u64 cycles)
{
	strand_step(s, obj, true, cycles);
	s->is_posted = true;
	return STRAND_STEP;
}

#endif
