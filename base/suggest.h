/* suggest.h - "did you mean": the nearest name, when one is near enough.
 *
 * Distance: insertions, deletions, substitutions and swaps of neighbours, each
 * 1, case ignored. Near enough: at most a third of the typed word (at least
 * one edit); a word that is a proper prefix of exactly one name also counts.
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
