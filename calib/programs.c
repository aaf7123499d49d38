/* Search, tree, hash. */
#include "calib/programs.h"

#include <string.h>

#define ALWAYS __attribute__((always_inline)) static inline

/* A load of the program, written down. */
ALWAYS u64 load(const char *arena, u64 offset, struct mut_visits *v)
{
	if (v && v->n < v->room)
		v->offset[v->n++] = offset;
	return *(const volatile u64 *)(const void *)(arena + offset);
}

static void store(char *arena, u64 offset, u64 value)
{
	memcpy(arena + offset, &value, sizeof(value));
}

/* splitmix64's finaliser: the next key from what was found. */
ALWAYS u64 mix(u64 v)
{
	v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9ull;
	v = (v ^ v >> 27) * 0x94d049bb133111ebull;
	return v ^ v >> 31;
}

/* Each program twice: as it is, and with its loads written down. */
#define BOTH(name) \
	static u64 name(const char *arena, u64 bytes, u64 nr, u64 seed, \
			struct mut_visits *v) \
	{ \
		return v ? name##_run(arena, bytes, nr, seed, v) \
			 : name##_run(arena, bytes, nr, seed, NULL); \
	}

/* ---- search: 3 * i for i in turn ------------------------------------------- */

static void search_build(char *arena, u64 bytes)
{
	for (u64 i = 0; i < bytes / 8; i++)
		store(arena, i * 8, 3 * i);
}

ALWAYS u64 search_run(const char *arena, u64 bytes, u64 nr, u64 seed,
		      struct mut_visits *v)
{
	for (u64 i = 0; i < nr; i++) {
		u64 key = mix(seed) % (bytes / 8 * 3), at = 0;

		for (u64 half = bytes / 16; half; half /= 2)
			at += half & -(u64)(load(arena, (at + half) * 8, v) <=
					    key);
		seed += load(arena, at * 8, v) + 1;
	}
	return seed;
}
BOTH(search)

/* ---- tree: key, child[2] in a line; a heap's shape, its nodes shuffled -------- */

/* An odd multiplier permutes what is below a power of two. */
static u64 node_at(u64 i, u64 n)
{
	return (i * 0x9e3779b1u & (n - 1)) * 64;
}

static void tree_build(char *arena, u64 bytes)
{
	u64 n = bytes / 64;

	memset(arena, 0, bytes);
	/* Node i has 2 i and 2 i + 1 below it; node 0 is nobody's. */
	for (u64 i = 1; i < n; i++) {
		u64 at = node_at(i, n);
		u32 depth = 63 - (u32)__builtin_clzll(i);
		u64 left = i - (1ull << depth), width = n >> depth;

		store(arena, at, left * width + width / 2);
		store(arena, at + 8, 2 * i < n ? node_at(2 * i, n) : 0);
		store(arena, at + 16, 2 * i + 1 < n ? node_at(2 * i + 1, n) : 0);
	}
}

ALWAYS u64 tree_run(const char *arena, u64 bytes, u64 nr, u64 seed,
		    struct mut_visits *v)
{
	u64 n = bytes / 64;

	for (u64 i = 0; i < nr; i++) {
		u64 key = mix(seed) & (n - 1), at = node_at(1, n);

		/* A heap's paths are all as long, so that the end is no guess. */
		for (u64 left = n / 2; left; left /= 2)
			at = load(arena, at + 8 + 8 *
				  (load(arena, at, v) <= key), v);
		seed += key + at + 1;
	}
	return seed;
}
BOTH(tree)

/* ---- hash: heads, then entries of key and next --------------------------------- */

#define CHAIN 4u                /* entries of each chain                      */

static void hash_build(char *arena, u64 bytes)
{
	u64 heads = bytes / 8 / 16, n = bytes / 2 / 16;

	memset(arena, 0, bytes);
	for (u64 i = 0; i < n; i++) {
		u64 at = bytes / 2 + (i * 0x9e3779b1u & (n - 1)) * 16;
		u64 head = i / CHAIN % heads * 8, first;

		memcpy(&first, arena + head, sizeof(first));
		store(arena, at, i);
		store(arena, at + 8, first);
		store(arena, head, at);
	}
}

ALWAYS u64 hash_run(const char *arena, u64 bytes, u64 nr, u64 seed,
		    struct mut_visits *v)
{
	u64 heads = bytes / 8 / 16;

	for (u64 i = 0; i < nr; i++) {
		u64 at = load(arena, mix(seed) % heads * 8, v);

		for (u32 k = 0; k + 1 < CHAIN; k++)
			at = load(arena, at + 8, v);
		seed += load(arena, at, v) + 1;
	}
	return seed;
}
BOTH(hash)

#define PROGRAM(n, text, size) \
	{ .name = #n, .what = text, .bytes = size, .build = n##_build, .run = n }
#define SIZES(n, text) \
	PROGRAM(n, text, PROGRAM_SMALL), PROGRAM(n, text, 256u << 10), \
	PROGRAM(n, text, 1u << 20), PROGRAM(n, text, 8u << 20)

const struct mut_program programs[] = {
	SIZES(search, "binary search"),
	SIZES(tree, "lookup in a binary tree"),
	SIZES(hash, "lookup in chains of a table"),
};
const u32 nr_programs = ARRAY_LEN(programs);
