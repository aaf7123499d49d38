/* hash.h - XXH3 (libxxhash) under the two names we use.
 *
 * Values are the same on every host for the same bytes; they are not for
 * keeping out enemies. A file whose hot loop hashes short keys of constant
 * length may define XXH_INLINE_ALL before including this.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <xxhash.h>

#include "base/types.h"

struct hash128 {
	u64 lo;
	u64 hi;
};

static inline u64 hash64(const void *data, size_t bytes)
{
	return XXH3_64bits(data, bytes);
}

static inline u64 hash64_seeded(const void *data, size_t bytes, u64 seed)
{
	return XXH3_64bits_withSeed(data, bytes, seed);
}

static inline struct hash128 hash128(const void *data, size_t bytes)
{
	XXH128_hash_t h = XXH3_128bits(data, bytes);

	return (struct hash128){ .lo = h.low64, .hi = h.high64 };
}

static inline struct hash128 hash128_seeded(const void *data, size_t bytes,
					    u64 seed)
{
	XXH128_hash_t h = XXH3_128bits_withSeed(data, bytes, seed);

	return (struct hash128){ .lo = h.low64, .hi = h.high64 };
}

#endif
