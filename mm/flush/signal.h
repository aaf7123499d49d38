/* signal.h - interrupts without acknowledgements of their own, for protocols whose
 * responders answer in memory: a word for each pair of CPUs says that an interrupt
 * is under way, and the sender may call nobody else until it is 0 again.
 */
#ifndef MM_FLUSH_SIGNAL_H
#define MM_FLUSH_SIGNAL_H

#include "mm/flush.h"

/* One word, in a line of its target's. */
struct signals {
	u64 *word;              /* [target][stride] by sender                 */
	u64 stride;
};

/* Return: 0, -ENOMEM. */
int signals_create(struct signals *s, struct sys *sys);

/* signals_send - interrupt those of @to, there are some; @fn begins by
 * signals_answer(). */
void signals_send(const struct signals *s, const u64 *to, void (*fn)(void *arg),
		  struct flush_req *r);
/* In the handler: the sender may go on. */
void signals_answer(const struct signals *s);
/* Until all of @to have answered. */
void signals_wait(const struct signals *s, const u64 *to);

#endif
