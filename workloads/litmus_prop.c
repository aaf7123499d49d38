/* The X86VM format's condition and `locations`. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/mmu.h"
#include "workloads/litmus_lex.h"

#define MAX_PROPS 4096
#define MAX_DEPTH 200

/* ---- the condition ----------------------------------------------------------------------- */

static int add_prop(struct parser *p, const struct litmus_prop *x, u16 *out)
{
	struct litmus_prop *more;
	u32 n = p->t->nr_props;

	if (n == MAX_PROPS)
		return lit_expected(p, "a shorter condition");
	more = realloc(p->t->prop, (n + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	p->t->prop = more;
	more[n] = *x;
	p->t->nr_props++;
	*out = (u16)n;
	return 0;
}

static int show(struct parser *p, const struct litmus_subject *s)
{
	struct litmus_subject *more;
	u32 n = p->t->nr_shown;

	for (u32 i = 0; i < n; i++)
		if (!memcmp(&p->t->shown[i], s, sizeof(*s)))
			return 0;
	more = realloc(p->t->shown, (n + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	p->t->shown = more;
	more[n] = *s;
	p->t->nr_shown++;
	return 0;
}

/* "=INT", ".P=1", ".oa=PA(x)" after a register or an entry. */
static int value_of(struct parser *p, struct litmus_prop *x, bool may_be_int)
{
	u64 v = 0;
	int rc;

	if (may_be_int && lit_is(p, "=")) {
		rc = lit_next(p);
		x->mask = ~0ull;
		return rc ? rc : lit_integer(p, &x->value);
	}
	if (!lit_is(p, "."))
		return lit_expected(p, may_be_int ? "'=' or '.' and a field"
					      : "'.' and a field");
	rc = lit_next(p);
	if (rc)
		return rc;
	if (lit_is(p, "oa")) {
		x->mask = PTE_PFN_MASK;
		rc = lit_next(p);
		if (!rc)
			rc = lit_want(p, "=");
		return rc ? rc : lit_pa(p, &x->value);
	}
	x->mask = lit_field_bit(p);
	if (!x->mask)
		return lit_expected(p, "a field (oa P RW US A D G PS)");
	rc = lit_next(p);
	if (!rc)
		rc = lit_want(p, "=");
	if (!rc)
		rc = lit_bit(p, &v);
	x->value = v ? x->mask : 0;
	return rc;
}

static int fault_class(struct parser *p, u8 *out)
{
	static const struct {
		const char *name;
		u8 class;
	} names[] = {
		{ "PDE", MMU_FAULT_PDE }, { "PTE", MMU_FAULT_PTE },
		{ "RW", MMU_FAULT_RW }, { "US", MMU_FAULT_US },
	};

	for (u32 i = 0; i < ARRAY_LEN(names); i++)
		if (lit_is(p, names[i].name)) {
			*out = names[i].class;
			return lit_next(p);
		}
	return lit_expected(p, "PDE, PTE, RW or US");
}

/* "fault(P0:L0,x,RW)", at "(". */
static int fault_atom(struct parser *p, struct litmus_subject *s)
{
	const struct litmus *t = p->t;
	bool is_there = false;
	int rc = lit_want(p, "(");

	s->kind = LIT_SUBJ_FAULT;
	if (!rc)
		rc = lit_cpu_number(p, &s->cpu, true);
	if (!rc)
		rc = lit_want(p, ":");
	if (rc)
		return rc;
	if (!lit_is_label(p))
		return lit_expected(p, "a label such as L0");
	s->label = (int16_t)(atoi(p->word + 1) % 32768);
	for (u32 i = 0; i < t->nr_insns[s->cpu]; i++)
		is_there |= t->insn[s->cpu][i].label == s->label;
	if (!is_there)
		return lit_expected(p, "a label of that thread");
	rc = lit_next(p);
	if (!rc)
		rc = lit_want(p, ",");
	if (!rc)
		rc = lit_loc(p, &s->loc);
	if (!rc && lit_is(p, ",")) {
		rc = lit_next(p);
		if (!rc)
			rc = fault_class(p, &s->classes);
	}
	return rc ? rc : lit_want(p, ")");
}

/* What an atom or a `locations` entry names. */
static int subject(struct parser *p, struct litmus_subject *s)
{
	int rc;

	memset(s, 0, sizeof(*s));
	s->label = -1;
	if (lit_is(p, "[")) {
		rc = lit_next(p);
		if (rc)
			return rc;
		if (!lit_is_entry(p))
			return lit_expected(p, "PTE(x) or PDE(x)");
		s->kind = LIT_SUBJ_ENTRY;
		return lit_entry_name(p, &s->loc, &s->level);
	}
	if (lit_is(p, "fault")) {
		rc = lit_next(p);
		return rc ? rc : fault_atom(p, s);
	}
	if (p->tok == T_INT || (p->tok == T_WORD && p->word[0] == 'P' &&
				isdigit((unsigned char)p->word[1]))) {
		s->kind = LIT_SUBJ_REG;
		rc = lit_cpu_number(p, &s->cpu, true);
		if (!rc)
			rc = lit_want(p, ":");
		return rc ? rc : lit_reg(p, &s->reg);
	}
	if (p->tok != T_WORD)
		return lit_expected(p, "an atom such as 0:EAX=1, x=1, "
				"[PTE(x)].D=1 or fault(P0:L0,x)");
	s->kind = LIT_SUBJ_FRAME;
	return lit_loc(p, &s->loc);
}

static int atom(struct parser *p, u16 *out)
{
	struct litmus_prop x;
	int rc;

	memset(&x, 0, sizeof(x));
	x.kind = LIT_ATOM;
	rc = subject(p, &x.s);
	if (rc)
		return rc;
	if (x.s.kind == LIT_SUBJ_FRAME) {
		rc = lit_want(p, "=");
		x.mask = ~0ull;
		if (!rc)
			rc = lit_integer(p, &x.value);
	} else if (x.s.kind != LIT_SUBJ_FAULT) {
		rc = value_of(p, &x, x.s.kind == LIT_SUBJ_REG);
	}
	if (!rc)
		rc = show(p, &x.s);
	return rc ? rc : add_prop(p, &x, out);
}

static int prop(struct parser *p, u16 *out);

static int factor(struct parser *p, u16 *out)
{
	struct litmus_prop x = { .kind = LIT_NOT };
	int rc;

	if (p->depth++ > MAX_DEPTH)
		return lit_expected(p, "a condition that is nested less");
	if (lit_is(p, "(")) {
		rc = lit_next(p);
		if (!rc)
			rc = prop(p, out);
		if (!rc)
			rc = lit_want(p, ")");
	} else if (lit_is(p, "~")) {
		rc = lit_next(p);
		if (!rc)
			rc = factor(p, &x.a);
		if (!rc)
			rc = add_prop(p, &x, out);
	} else {
		rc = atom(p, out);
	}
	p->depth--;
	return rc;
}

static int conjunction(struct parser *p, u16 *out)
{
	struct litmus_prop x = { .kind = LIT_AND };
	int rc = factor(p, out);

	while (!rc && lit_is(p, "/\\")) {
		x.a = *out;
		rc = lit_next(p);
		if (!rc)
			rc = factor(p, &x.b);
		if (!rc)
			rc = add_prop(p, &x, out);
	}
	return rc;
}

static int prop(struct parser *p, u16 *out)
{
	struct litmus_prop x = { .kind = LIT_OR };
	int rc = conjunction(p, out);

	while (!rc && lit_is(p, "\\/")) {
		x.a = *out;
		rc = lit_next(p);
		if (!rc)
			rc = conjunction(p, &x.b);
		if (!rc)
			rc = add_prop(p, &x, out);
	}
	return rc;
}

/* Source text with runs of blanks as one. */
static char *squeeze(const char *from, const char *to)
{
	char *s = malloc((size_t)(to - from) + 1), *at = s;

	if (!s)
		return NULL;
	for (; from < to; from++) {
		if (!isspace((unsigned char)*from))
			*at++ = *from;
		else if (at > s && at[-1] != ' ')
			*at++ = ' ';
	}
	*at = 0;
	return s;
}

static int locations(struct parser *p)
{
	int rc = lit_next(p);

	if (!rc)
		rc = lit_want(p, "[");
	while (!rc && !lit_is(p, "]")) {
		struct litmus_subject s;

		rc = subject(p, &s);
		if (!rc)
			rc = show(p, &s);
		if (!rc && !lit_is(p, "]"))
			rc = lit_want(p, ";");
	}
	return rc ? rc : lit_next(p);
}

int lit_condition(struct parser *p)
{
	const char *from, *to;
	u16 root;
	int rc;

	if (lit_is(p, "locations")) {       /* where herd7 has it */
		rc = locations(p);
		if (rc)
			return rc;
		if (!lit_is(p, "exists") && !lit_is(p, "forall") && !lit_is(p, "~"))
			return lit_expected(p, "'exists', '~exists' or 'forall'");
	}
	p->t->quantifier = lit_is(p, "forall") ? LIT_FORALL : LIT_EXISTS;
	if (lit_is(p, "~")) {
		p->t->quantifier = LIT_NOT_EXISTS;
		rc = lit_next(p);
		if (rc)
			return rc;
		if (!lit_is(p, "exists"))
			return lit_expected(p, "'exists'");
	}
	rc = lit_next(p);
	from = p->tok_start;
	if (!rc)
		rc = lit_want(p, "(");
	if (!rc)
		rc = prop(p, &root);
	if (!rc && !lit_is(p, ")"))
		rc = lit_expected(p, "')', '/\\' or '\\/'");
	if (rc)
		return rc;
	to = p->p;
	p->t->condition = squeeze(from, to);
	if (!p->t->condition)
		return -ENOMEM;
	rc = lit_next(p);
	if (!rc && lit_is(p, "locations"))
		rc = locations(p);
	if (!rc && p->tok != T_EOF)
		return lit_expected(p, "'locations' or the end of the file");
	return rc;
}
