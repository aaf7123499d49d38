/* state_set.h - the states that a naive interpreter has met: values of one size,
 * compared byte by byte, as many as there is room for.
 *
 *	static struct state_set met = { .max = 1000, .slots = 4096 };
 *	state_set_begin(&met, sizeof(struct state));
 *	if (state_set_add(&met, &s)) ...
 */
#ifndef TESTS_STATE_SET_H
#define TESTS_STATE_SET_H

#include "tests/check.h"

struct state_set {
	u32 max, slots;         /* constants; a power of two above @max       */
	u8 *pool;               /* [max] of @size                             */
	u32 *slot;              /* [slots] place in the pool + 1; 0: none     */
	size_t size;
	u32 n;
	bool is_full;           /* something was left out                     */
};

static inline void state_set_begin(struct state_set *set, size_t size)
{
	if (!set->pool) {
		set->pool = malloc(set->max * size);
		set->slot = malloc(set->slots * sizeof(u32));
		assert_true(set->pool && set->slot);
	}
	memset(set->slot, 0, set->slots * sizeof(u32));
	set->size = size;
	set->n = 0;
	set->is_full = false;
}

/* Return: it was not there, and there is room for it. */
static inline bool state_set_add(struct state_set *set, const void *state)
{
	const u8 *b = state;
	u64 h = 1469598103934665603ull;
	u32 i;

	for (size_t j = 0; j < set->size; j++)
		h = (h ^ b[j]) * 1099511628211ull;
	for (i = (u32)(h >> 20) & (set->slots - 1); set->slot[i];
	     i = (i + 1) & (set->slots - 1))
		if (!memcmp(set->pool + (set->slot[i] - 1) * set->size, b,
			    set->size))
			return false;
	if (set->n == set->max) {
		set->is_full = true;
		return false;
	}
	memcpy(set->pool + set->n * set->size, b, set->size);
	set->slot[i] = ++set->n;
	return true;
}

#endif
