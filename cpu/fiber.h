/* fiber.h - a task's own stack, and the switch between two of them.
 *
 * A modelled task is ordinary C that stops in the middle. The switch saves the
 * callee-saved registers on the stack that is left, so a stopped fiber is its
 * stack contents plus one pointer: an explorer copies [sp, top) and has it all.
 *
 * x86-64 and AArch64 have a few lines of assembly; others use ucontext, whose
 * registers are not on the stack: there fiber_is_copyable() is false.
 */
#ifndef CPU_FIBER_H
#define CPU_FIBER_H

#include "base/types.h"

struct fiber {
	void *sp;               /* where it stopped                           */
	u8 *stack;              /* lowest byte                                */
	size_t stack_bytes;
	void *uctx;             /* ucontext builds only                       */
};

/* fiber_init - @entry(@arg) will run on @stack at the first switch; @entry
 * must never return. */
void fiber_init(struct fiber *f, void *stack, size_t bytes,
		void (*entry)(void *arg), void *arg);

/* fiber_switch - leave @from, go on in @to. @from may be the host's own stack
 * (a zeroed struct fiber). */
void fiber_switch(struct fiber *from, struct fiber *to);

/* fiber_live - the bytes of a stopped fiber that matter: [*lo, top). */
static inline size_t fiber_live(const struct fiber *f, u8 **lo)
{
	*lo = f->sp;
	return (size_t)(f->stack + f->stack_bytes - (u8 *)f->sp);
}

bool fiber_is_copyable(void);

#endif
