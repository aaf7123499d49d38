#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/suggest.h"

#define MAX_WORD 63

static unsigned int min3(unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int m = a < b ? a : b;

	return m < c ? m : c;
}

static bool same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Optimal string alignment, three rows of the usual table. Words longer than
 * MAX_WORD are compared by their beginnings: nobody mistypes those. */
unsigned int suggest_distance(const char *a, const char *b)
{
	unsigned int row[3][MAX_WORD + 1];
	unsigned int *before = row[0], *above = row[1], *now = row[2];
	size_t na = strnlen(a, MAX_WORD), nb = strnlen(b, MAX_WORD);

	for (size_t j = 0; j <= nb; j++)
		above[j] = j;
	for (size_t i = 1; i <= na; i++) {
		unsigned int *spare = before;

		now[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			bool eq = same(a[i - 1], b[j - 1]);

			now[j] = min3(above[j] + 1, now[j - 1] + 1,
				      above[j - 1] + !eq);
			if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) &&
			    same(a[i - 2], b[j - 1]) && before[j - 2] + 1 < now[j])
				now[j] = before[j - 2] + 1;
		}
		before = above;
		above = now;
		now = spare;
	}
	return above[nb];
}

static bool is_end(const char *word, size_t len, const char *name)
{
	size_t n = strlen(name);

	return len >= 4 && n > len && strcasecmp(name + n - len, word) == 0 &&
		(name[n - len - 1] == '-' || name[n - len - 1] == '_');
}

const char *suggest(const char *word, const char *const *names)
{
	size_t len = strlen(word);
	unsigned int best = len / 3 ? len / 3 : 1;
	const char *found = NULL, *prefixed = NULL, *ending = NULL;
	unsigned int nr_prefixed = 0, nr_ending = 0;

	if (len == 0 || len > MAX_WORD)
		return NULL;
	best++;
	for (; *names; names++) {
		unsigned int d = suggest_distance(word, *names);

		/* One edit turns any single letter into any other. */
		if (d < best && d < len) {
			best = d;
			found = *names;
		}
		if (strncasecmp(word, *names, len) == 0) {
			nr_prefixed++;
			prefixed = *names;
		}
		if (is_end(word, len, *names)) {
			nr_ending++;
			ending = *names;
		}
	}
	/* A slip of one letter is nearer than a word left out. */
	if (nr_ending == 1 && best > 1)
		return ending;
	if (found)
		return found;
	return nr_prefixed == 1 ? prefixed : NULL;
}

const char *suggest_text(const char *word, const char *const *names,
			 char *buf, size_t size)
{
	const char *s = suggest(word, names);

	if (s)
		snprintf(buf, size, "; did you mean '%s'?", s);
	else
		snprintf(buf, size, "%s", "");
	return buf;
}
