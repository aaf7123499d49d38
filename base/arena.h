/* arena.h - one block of memory, at one address, for all modelled state.
 *
 * Everything that a modelled CPU can see lives here: page tables, struct page,
 * locks, TLB envelopes, store buffers. So an explorer can save and restore the
 * machine by copying [base, base + used), and a state's key is a hash of those
 * bytes. Invariant for that: no padding or slack with accidental contents;
 * objects are born zeroed and structs are written field by field.
 *
 * The block is reserved, not committed: untouched parts cost no memory.
 * Errors: NULL when the reservation is full. Threads: none.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/types.h"

struct arena {
	u8 *base;
	size_t reserved;        /* bytes of address space                     */
	size_t used;            /* bytes handed out                           */
};

/* arena_create - reserve @bytes. The address is the same in every run where
 * the host allows it, so that what is derived from addresses repeats.
 * Return: 0 or -ENOMEM. */
int arena_create(struct arena *a, size_t bytes);
void arena_destroy(struct arena *a);

/* arena_alloc - @bytes of zeroes, aligned to 8 (64 from 64 bytes on). Never
 * freed singly: modelled allocators recycle their own objects. */
void *arena_alloc(struct arena *a, size_t bytes);

static inline bool arena_holds(const struct arena *a, const void *p)
{
	return (const u8 *)p >= a->base && (const u8 *)p < a->base + a->used;
}

/* arena_offset - a name for an object that does not depend on the host. */
static inline u64 arena_offset(const struct arena *a, const void *p)
{
	return (u64)((const u8 *)p - a->base);
}

#endif
