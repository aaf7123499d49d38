/* timed.h - the driver in which virtual time decides.
 *
 * Every CPU has a clock in cycles. Before a shared step at time t every CPU
 * that could still act before t has reached it (ties go to the lower CPU
 * number), so steps happen in one global order that depends on nothing else.
 * Private work (accesses that hit the CPU's own TLBs) may run ahead of the
 * others by the shortest flight of an interrupt: nothing sent from now on can
 * arrive sooner. With the oracles on there is no running ahead, since they
 * compare private state with shared.
 */
#ifndef CPU_TIMED_H
#define CPU_TIMED_H

#include "cpu/cpu.h"

/* timed_install - make virtual time the driver of the_sys.
 * Return: 0 or -ENOMEM. */
int timed_install(struct sys *sys);
void timed_remove(struct sys *sys);

/* timed_set_lookahead - after install: private work may run ahead by @cycles,
 * 0 for not at all. Less than the machine's is slower and gives the same
 * result; more is wrong. */
void timed_set_lookahead(u64 cycles);

/* timed_run - run all started tasks to their end.
 * @on_progress: called now and then with the slowest clock; may be NULL.
 * Return: 0; -EDEADLK when all wait for each other; -EINTR when *@stop became
 * true (may be NULL). */
int timed_run(struct sys *sys, void (*on_progress)(u64 cycles, void *arg),
	      void *arg, const volatile bool *stop);

/* timed_set_sampler - before timed_run: @fn whenever the slowest clock has passed
 * a time, first at @at; it returns the next one. Other CPUs may be ahead by the
 * lookahead, and further while what they do is private. */
void timed_set_sampler(u64 at, u64 (*fn)(u64 cycles, void *arg), void *arg);

/* The machine's clock: that of the CPU that finished last. */
u64 timed_elapsed(const struct sys *sys);

#endif
