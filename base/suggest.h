/* suggest.h - "did you mean": the nearest name, when one is near enough.
 *
 * Distance: insertions, deletions, substitutions and swaps of neighbours, each
 * 1, case ignored. Near enough: at most a third of the typed word (at least
 * one edit); a word that is a proper prefix of exactly one name also counts, and
 * one of four letters or more that is the end of exactly one, from a - or _ on:
 * scan_size_mb of numa_balancing_scan_size_mb; it goes before a name that is near.
 */
#ifndef BASE_SUGGEST_H
#define BASE_SUGGEST_H

#include <stddef.h>

/* suggest - the best of NULL-terminated @names for @word, the first one of
 * equals; NULL when none is near. */
const char *suggest(const char *word, const char *const *names);

/* suggest_text - "; did you mean 'batched'?" or "", to end an error line. */
const char *suggest_text(const char *word, const char *const *names,
			 char *buf, size_t size);

/* suggest_distance - edits between two words. */
unsigned int suggest_distance(const char *a, const char *b);

#endif
