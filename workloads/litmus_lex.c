/* Tokens of the X86VM format. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/litmus_lex.h"

/* ---- tokens ---------------------------------------------------------------------- */

int lit_fail_at(struct parser *p, u32 line, u32 column, const char *what)
{
	return err_set(p->e, -EINVAL, "%s:%u:%u: %s", p->t->path, line, column,
		       what);
}

static const char *seen(const struct parser *p, char *buf, size_t size)
{
	if (p->tok == T_EOF)
		snprintf(buf, size, "the end of the file");
	else if (p->tok == T_BAD && !isprint((unsigned char)p->word[0]))
		snprintf(buf, size, "a byte of value %u",
			 (unsigned)(unsigned char)p->word[0]);
	else
		snprintf(buf, size, "'%s%s'", p->word, p->is_long ? "..." : "");
	return buf;
}

int lit_expected(struct parser *p, const char *what)
{
	char text[400], buf[WORD + 16];

	snprintf(text, sizeof(text), "expected %s, found %s", what,
		 seen(p, buf, sizeof(buf)));
	return lit_fail_at(p, p->tok_line, p->tok_column, text);
}

static void newline(struct parser *p)
{
	p->line++;
	p->line_start = p->p;
}

static int skip_space(struct parser *p)
{
	u32 depth = 0, line = 0, column = 0;

	while (p->p < p->end) {
		if (p->end - p->p > 1 && p->p[0] == '(' && p->p[1] == '*') {
			if (!depth++) {
				line = p->line;
				column = (u32)(p->p - p->line_start) + 1;
			}
			p->p += 2;
		} else if (depth && p->end - p->p > 1 && p->p[0] == '*' &&
			   p->p[1] == ')') {
			depth--;
			p->p += 2;
		} else if (*p->p == '\n') {
			p->p++;
			newline(p);
		} else if (depth || isspace((unsigned char)*p->p)) {
			p->p++;
		} else {
			break;
		}
	}
	return depth ? lit_fail_at(p, line, column, "this comment never ends") : 0;
}

bool lit_is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

static void take_text(struct parser *p, const char *from)
{
	size_t n = (size_t)(p->p - from);

	p->is_long = n >= WORD;
	if (p->is_long)
		n = WORD - 1;
	memcpy(p->word, from, n);
	p->word[n] = 0;
}

static int take_int(struct parser *p)
{
	const char *from = p->p;
	char digits[WORD], *rest;
	size_t n;

	if (*p->p == '-')
		p->p++;
	while (p->p < p->end && lit_is_word(*p->p))
		p->p++;
	take_text(p, from);
	p->tok = T_INT;
	n = (size_t)(p->p - from);
	if (n >= sizeof(digits))
		return lit_expected(p, "an integer of at most 64 bits");
	memcpy(digits, from, n);
	digits[n] = 0;
	errno = 0;
	p->value = digits[0] == '-' ? (u64)strtoll(digits, &rest, 0)
				    : strtoull(digits, &rest, 0);
	if (errno || *rest)
		return lit_expected(p, "an integer of at most 64 bits");
	return 0;
}

/* The next token becomes the one ahead. */
int lit_next(struct parser *p)
{
	const char *from;
	int rc = skip_space(p);

	if (rc)
		return rc;
	from = p->tok_start = p->p;
	p->tok_line = p->line;
	p->tok_column = (u32)(p->p - p->line_start) + 1;
	p->is_long = false;
	if (p->p == p->end) {
		p->tok = T_EOF;
		p->word[0] = 0;
		return 0;
	}
	if (isdigit((unsigned char)*p->p) ||
	    (*p->p == '-' && p->p + 1 < p->end &&
	     isdigit((unsigned char)p->p[1])))
		return take_int(p);
	if (lit_is_word(*p->p)) {
		while (p->p < p->end && lit_is_word(*p->p))
			p->p++;
		p->tok = T_WORD;
	} else if (p->end - p->p > 1 && (!memcmp(p->p, "/\\", 2) ||
					 !memcmp(p->p, "\\/", 2))) {
		p->p += 2;
		p->tok = T_PUNCT;
	} else {
		p->tok = strchr("{}()[],;:=|$.~", *p->p) && *p->p ? T_PUNCT
								  : T_BAD;
		p->p++;
	}
	take_text(p, from);
	return 0;
}

bool lit_is(const struct parser *p, const char *text)
{
	return (p->tok == T_PUNCT || p->tok == T_WORD) && !p->is_long &&
	       !strcmp(p->word, text);
}

int lit_want(struct parser *p, const char *text)
{
	char what[WORD + 2];

	if (lit_is(p, text))
		return lit_next(p);
	snprintf(what, sizeof(what), "'%s'", text);
	return lit_expected(p, what);
}

/* A sequence of punctuation and words, given as one string with spaces. */
int lit_want_all(struct parser *p, const char *seq)
{
	char word[WORD];
	int n;

	while (sscanf(seq, " %63s%n", word, &n) == 1) {
		int rc = lit_want(p, word);

		if (rc)
			return rc;
		seq += n;
	}
	return 0;
}

int lit_integer(struct parser *p, u64 *v)
{
	if (p->tok != T_INT)
		return lit_expected(p, "an integer");
	*v = p->value;
	return lit_next(p);
}
