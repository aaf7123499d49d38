/* litmus_lex.h - inside the X86VM format's reader: tokens, and what several
 * parts of the grammar are made of.
 *
 * One token of look-ahead. Every function takes its words from there, returns 0
 * or -EINVAL with "path:line:column: expected ..., found ...", or -ENOMEM.
 */
#ifndef WORKLOADS_LITMUS_LEX_H
#define WORKLOADS_LITMUS_LEX_H

#include "workloads/litmus.h"

#define WORD 64

enum tok { T_EOF, T_WORD, T_INT, T_PUNCT, T_BAD };

struct parser {
	struct litmus *t;
	const char *end, *p;
	u32 line;
	const char *line_start;
	/* the token ahead */
	enum tok tok;
	char word[WORD];        /* its text, as far as it fits                */
	bool is_long;           /* ... and it does not                        */
	u64 value;
	u32 tok_line, tok_column;
	const char *tok_start;
	u32 depth;              /* of the condition                           */
	struct err *e;
};

/* The next token becomes the one ahead. */
int lit_next(struct parser *p);
bool lit_is(const struct parser *p, const char *text);
bool lit_is_word(char c);
/* This word or mark; several, with spaces between. */
int lit_want(struct parser *p, const char *text);
int lit_want_all(struct parser *p, const char *seq);
int lit_integer(struct parser *p, u64 *v);

int lit_fail_at(struct parser *p, u32 line, u32 column, const char *what);
int lit_expected(struct parser *p, const char *what);

/* ---- names ------------------------------------------------------------------- */

int lit_reg_index(const struct parser *p);      /* -1: not a register         */
int lit_reg(struct parser *p, u8 *r);
int lit_loc(struct parser *p, u8 *out);
int lit_loc_in_parens(struct parser *p, u8 *out);
/* "P0" or "0"; @is_declared: of the program. */
int lit_cpu_number(struct parser *p, u8 *out, bool is_declared);
bool lit_is_label(const struct parser *p);

/* ---- entries ------------------------------------------------------------------ */

u64 lit_field_bit(const struct parser *p);      /* 0: not a field             */
int lit_bit(struct parser *p, u64 *v);
/* "PA(x)", as an entry's bits. */
int lit_pa(struct parser *p, u64 *v);
/* "(P:0,oa:PA(y))": which bits, and what they are. */
int lit_fields_of(struct parser *p, u8 of, u32 level, u64 *mask, u64 *value);
/* The same as a whole entry of @of. */
int lit_entry(struct parser *p, u8 of, u32 level, u64 *out);
/* What a PDE points to, if @mask does not say so. */
void lit_settle_pde(u8 of, u64 mask, u64 *v);
bool lit_is_entry(const struct parser *p);
/* "PTE(x)]" or "PDE(x)]", after "[". */
int lit_entry_name(struct parser *p, u8 *l, u8 *level);

/* ---- the parts ------------------------------------------------------------------ */

int lit_program(struct parser *p);
int lit_condition(struct parser *p);

#endif
