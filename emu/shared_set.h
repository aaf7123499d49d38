/* shared_set.h - the set of visited states (visited.h) shared by processes.
 *
 * Parts of it, by hash, each with a lock and a table of its own that grows, in one
 * shared mapping. The order in which processes meet a state does not matter: what
 * it was left with is the intersection of all sleep sets it was met with.
 */
#ifndef EMU_SHARED_SET_H
#define EMU_SHARED_SET_H

#include "emu/visited.h"

struct shared_set;              /* opaque, in shared_set.c */

/* shared_set_create - may grow until its tables take @max_bytes. Before fork().
 * Return: 0 or -ENOMEM. */
int shared_set_create(struct shared_set **out, u64 max_bytes);
void shared_set_destroy(struct shared_set *s);

/* As visited_meet(); VISITED_NO_MEMORY: it is full. */
enum visited_answer shared_set_meet(struct shared_set *s, struct hash128 h,
				    u32 sleep, u32 *old);
u64 shared_set_bytes(const struct shared_set *s);

/* With nobody else at work: put a slot in; hand every slot to @fn until it
 * returns nonzero. */
int shared_set_put(struct shared_set *s, const struct visited_slot *slot);
int shared_set_each(struct shared_set *s,
		    int (*fn)(const struct visited_slot *slot, void *arg),
		    void *arg);

#endif
