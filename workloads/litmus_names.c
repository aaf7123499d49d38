/* Names, CPUs and page-table entries in the X86VM format. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/litmus_lex.h"

/* ---- names ------------------------------------------------------------------------ */

static const char *const reg_names[LITMUS_NR_REGS + 1] = {
	"EAX", "EBX", "ECX", "EDX", "ESI", "EDI", NULL
};

int lit_reg_index(const struct parser *p)
{
	for (int i = 0; i < LITMUS_NR_REGS; i++)
		if (lit_is(p, reg_names[i]))
			return i;
	return -1;
}

int lit_reg(struct parser *p, u8 *r)
{
	int i = lit_reg_index(p);

	if (i < 0)
		return lit_expected(p, "a register (EAX EBX ECX EDX ESI EDI)");
	*r = (u8)i;
	return lit_next(p);
}

static bool is_reserved(const struct parser *p)
{
	static const char *const words[] = {
		"PTE", "PDE", "PHY", "PA", "TLB", "CR3", "table", "oa", "none",
		"fault", "NOFLUSH", NULL
	};

	for (u32 i = 0; words[i]; i++)
		if (lit_is(p, words[i]))
			return true;
	return lit_reg_index(p) >= 0;
}

static u64 default_entry(u32 loc, u32 level)
{
	return pte_make(level ? litmus_table(loc) : litmus_frame(loc),
			PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D);
}

int lit_loc(struct parser *p, u8 *out)
{
	struct litmus *t = p->t;
	u32 i;

	if (p->tok != T_WORD || isdigit((unsigned char)p->word[0]) ||
	    is_reserved(p))
		return lit_expected(p, "a location");
	if (p->is_long)
		return lit_expected(p, "a location of fewer than 64 letters");
	for (i = 0; i < t->nr_locs; i++)
		if (!strcmp(t->loc[i], p->word))
			break;
	if (i == LITMUS_MAX_LOCS)
		return lit_expected(p, "no more than 16 locations");
	if (i == t->nr_locs) {
		snprintf(t->loc[i], sizeof(t->loc[i]), "%s", p->word);
		for (u32 level = 0; level < 2; level++)
			t->entry[level][i] = t->fallback[level][i] =
				default_entry(i, level);
		t->nr_locs++;
	}
	*out = (u8)i;
	return lit_next(p);
}

/* "(LOC)" */
int lit_loc_in_parens(struct parser *p, u8 *out)
{
	int rc = lit_want(p, "(");

	if (!rc)
		rc = lit_loc(p, out);
	return rc ? rc : lit_want(p, ")");
}

/* "P0" or "0" */
int lit_cpu_number(struct parser *p, u8 *out, bool is_declared)
{
	u64 v;

	if (p->tok == T_INT) {
		v = p->value;
	} else if (p->tok == T_WORD && !p->is_long && p->word[0] == 'P' &&
		   p->word[1] && strspn(p->word + 1, "0123456789") ==
		   strlen(p->word + 1)) {
		v = strtoull(p->word + 1, NULL, 10);
	} else {
		return lit_expected(p, "a CPU such as 0 or P0");
	}
	if (v >= (is_declared ? p->t->nr_cpus : LITMUS_MAX_CPUS))
		return lit_expected(p, is_declared
				? "a CPU that the program has"
				: "a CPU from 0 to 7");
	*out = (u8)v;
	return lit_next(p);
}

/* ---- entries ------------------------------------------------------------------------ */

static const struct {
	const char *name;
	u64 bit;
} fields[] = {
	{ "P", PTE_P }, { "RW", PTE_RW }, { "US", PTE_US }, { "A", PTE_A },
	{ "D", PTE_D }, { "G", PTE_G }, { "PS", PTE_PS },
};

u64 lit_field_bit(const struct parser *p)
{
	for (u32 i = 0; i < ARRAY_LEN(fields); i++)
		if (lit_is(p, fields[i].name))
			return fields[i].bit;
	return 0;
}

int lit_bit(struct parser *p, u64 *v)
{
	if (p->tok != T_INT || p->value > 1)
		return lit_expected(p, "0 or 1");
	*v = p->value;
	return lit_next(p);
}

int lit_pa(struct parser *p, u64 *v)
{
	u8 l;
	int rc = lit_want(p, "PA");

	if (!rc)
		rc = lit_loc_in_parens(p, &l);
	if (!rc)
		*v = pte_make(litmus_frame(l), 0);
	return rc;
}

static int field(struct parser *p, u8 of, u32 level, u64 *mask, u64 *value)
{
	u64 b = lit_field_bit(p), v = 0;
	int rc;

	if (lit_is(p, "table")) {
		if (!level)
			return lit_expected(p, "a field other than 'table', which "
					"only a PDE has");
		b = PTE_PFN_MASK | PTE_PS;
		v = p->t->fallback[1][of] & PTE_PFN_MASK;
		rc = lit_next(p);
	} else if (lit_is(p, "oa")) {
		b = PTE_PFN_MASK;
		rc = lit_next(p);
		if (!rc)
			rc = lit_want(p, ":");
		if (!rc)
			rc = lit_pa(p, &v);
	} else if (b) {
		rc = lit_next(p);
		if (!rc)
			rc = lit_want(p, ":");
		if (!rc)
			rc = lit_bit(p, &v);
		v = v ? b : 0;
	} else {
		return lit_expected(p, "a field (oa P RW US A D G PS, or table)");
	}
	if (rc)
		return rc;
	if (*mask & b)
		return lit_expected(p, "each field once");
	*mask |= b;
	*value |= v;
	return 0;
}

/* "(P:0,oa:PA(y))": which bits, and what they are. */
int lit_fields_of(struct parser *p, u8 of, u32 level, u64 *mask, u64 *value)
{
	int rc = lit_want(p, "(");

	*mask = *value = 0;
	if (!rc)
		rc = field(p, of, level, mask, value);
	while (!rc && lit_is(p, ",")) {
		rc = lit_next(p);
		if (!rc)
			rc = field(p, of, level, mask, value);
	}
	return rc ? rc : lit_want(p, ")");
}

/* A large page's frame is the location's unless it is named; an entry that maps
 * no page points to the location's table. */
void lit_settle_pde(u8 of, u64 mask, u64 *v)
{
	if (!(*v & PTE_PS))
		*v = (*v & ~PTE_PFN_MASK) | pte_make(litmus_table(of), 0);
	else if (!(mask & PTE_PFN_MASK))
		*v = (*v & ~PTE_PFN_MASK) | pte_make(litmus_frame(of), 0);
}

/* The same as a whole entry of @of. */
int lit_entry(struct parser *p, u8 of, u32 level, u64 *out)
{
	u64 mask, value, rest = p->t->fallback[level][of];
	int rc = lit_fields_of(p, of, level, &mask, &value);

	*out = (rest & ~mask) | value;
	if (!rc && level)
		lit_settle_pde(of, mask, out);
	return rc;
}

/* "PTE(x)]" or "PDE(x)]", after "[". */
int lit_entry_name(struct parser *p, u8 *l, u8 *level)
{
	int rc;

	*level = lit_is(p, "PDE");
	rc = lit_next(p);
	if (!rc)
		rc = lit_loc_in_parens(p, l);
	if (!rc)
		rc = lit_want(p, "]");
	if (!rc && *level)
		p->t->has_pde = true;
	return rc;
}

bool lit_is_entry(const struct parser *p)
{
	return lit_is(p, "PTE") || lit_is(p, "PDE");
}
