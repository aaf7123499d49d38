/* grow.h - arrays that double when they are full.
 *
 *	struct edge *e;         (NULL at first; free() it in the end)
 *	u32 nr, room;           (0 at first)
 *
 *	if (GROW(e, nr, room, 64))
 *		return -ENOMEM;
 *	e[nr++] = ...;
 *
 * Afterwards there is room for one more: it begins with @first, which is a
 * constant. -ENOMEM leaves everything as it was. New elements have no contents.
 */
#ifndef BASE_GROW_H
#define BASE_GROW_H

#include <errno.h>
#include <stdlib.h>

#define GROW(array, nr, room, first) __extension__({ \
	int grow_rc_ = 0; \
	if ((nr) == (room)) { \
		__typeof__(room) grow_to_ = (room) ? 2 * (room) : (first); \
		void *grow_p_ = reallocarray((array), grow_to_, \
					     sizeof(*(array))); \
		if (grow_p_) { \
			(array) = grow_p_; \
			(room) = grow_to_; \
		} else { \
			grow_rc_ = -ENOMEM; \
		} \
	} \
	grow_rc_; \
})

#endif
