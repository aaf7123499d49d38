/* row.h - the order in which the ways of a set were used, as a word: up to 16 ways,
 * four bits each, the youngest lowest. @oldest_shift: of its last way.
 */
#ifndef TLB_ROW_H
#define TLB_ROW_H

#include "base/types.h"

#define ROW_WAYS 16u
#define ROW_NIBBLES 0x1111111111111111ull

static inline u32 row_oldest_shift(u32 nr_ways)
{
	return 4 * (nr_ways - 1);
}

/* Way 0 is the youngest. */
static inline u64 row_first(u32 nr_ways)
{
	u64 row = 0;

	for (u32 way = 0; way < nr_ways; way++)
		row |= (u64)way << 4 * way;
	return row;
}

/* Four times the age of @way: the first nibble that is it. Borrows of the
 * subtraction go upwards only. */
static inline u32 row_at(u64 row, u32 way)
{
	u64 x = row ^ way * ROW_NIBBLES;

	return (u32)__builtin_ctzll((x - ROW_NIBBLES) & ~x & 8 * ROW_NIBBLES) &
	       ~3u;
}

static inline u64 row_to_front(u64 row, u32 way)
{
	u32 at = row_at(row, way);
	u64 younger = row & ((1ull << at) - 1);
	u64 older = row >> at >> 4 << at << 4;

	return older | younger << 4 | way;
}

static inline u64 row_to_back(u64 row, u32 way, u32 oldest_shift)
{
	u32 at = row_at(row, way);
	u64 younger = row & ((1ull << at) - 1);

	return row >> at >> 4 << at | younger | (u64)way << oldest_shift;
}

static inline u32 row_oldest(u64 row, u32 oldest_shift)
{
	return row >> oldest_shift & 15;
}

/* The oldest way becomes the youngest: what is shifted out is where it was. */
static inline u64 row_renew(u64 row, u32 oldest_shift)
{
	return ((row << 4) & ((16ull << oldest_shift) - 1)) |
	       row_oldest(row, oldest_shift);
}

#endif
