/* The X86VM format's program: columns, labels, instructions. */
#include <stdlib.h>
#include <string.h>

#include "workloads/litmus_lex.h"

/* ---- the program --------------------------------------------------------------------- */

static int add_insn(struct parser *p, u32 cpu, const struct litmus_insn *i)
{
	u32 n = p->t->nr_insns[cpu];

	if (n == LITMUS_MAX_INSNS)
		return lit_expected(p, "no more than 63 instructions a thread");
	p->t->insn[cpu][n] = *i;
	p->t->nr_insns[cpu]++;
	return 0;
}

/* "$k" or, where it may be, a register. */
static int operand(struct parser *p, struct litmus_insn *i)
{
	int rc;

	if (lit_reg_index(p) >= 0) {
		i->from_reg = true;
		return lit_reg(p, &i->reg);
	}
	if (!lit_is(p, "$"))
		return lit_expected(p, "$ and an integer, or a register");
	rc = lit_next(p);
	return rc ? rc : lit_integer(p, &i->value);
}

static int immediate(struct parser *p, u64 *v)
{
	int rc = lit_want(p, "$");

	return rc ? rc : lit_integer(p, v);
}

/* "[PHY(x)]" */
static int phy(struct parser *p, u8 *l)
{
	int rc = lit_want_all(p, "[ PHY");

	if (!rc)
		rc = lit_loc_in_parens(p, l);
	return rc ? rc : lit_want(p, "]");
}

/* "[x]" */
static int plain(struct parser *p, u8 *l)
{
	int rc = lit_want(p, "[");

	if (!rc)
		rc = lit_loc(p, l);
	return rc ? rc : lit_want(p, "]");
}

/* "[PTE(x)],pte" */
static int entry_pair(struct parser *p, struct litmus_insn *i)
{
	int rc = lit_want(p, "[");

	if (rc)
		return rc;
	if (!lit_is_entry(p))
		return lit_expected(p, "PTE(x) or PDE(x)");
	rc = lit_entry_name(p, &i->loc, &i->level);
	if (!rc)
		rc = lit_want(p, ",");
	return rc;
}

static int mov_to_memory(struct parser *p, struct litmus_insn *i)
{
	int rc = lit_next(p);

	if (rc)
		return rc;
	if (lit_is_entry(p)) {
		i->op = LIT_STORE_PTE;
		rc = lit_entry_name(p, &i->loc, &i->level);
		if (!rc)
			rc = lit_want(p, ",");
		return rc ? rc : lit_entry(p, i->loc, i->level, &i->value);
	}
	if (lit_is(p, "PHY")) {
		i->op = LIT_STORE_PHY;
		rc = lit_next(p);
		if (!rc)
			rc = lit_loc_in_parens(p, &i->loc);
	} else {
		i->op = LIT_STORE;
		rc = lit_loc(p, &i->loc);
	}
	if (!rc)
		rc = lit_want_all(p, "] ,");
	return rc ? rc : operand(p, i);
}

static int mov_to_reg(struct parser *p, struct litmus_insn *i)
{
	int rc = lit_reg(p, &i->reg);

	if (!rc)
		rc = lit_want(p, ",");
	if (rc)
		return rc;
	if (lit_is(p, "$")) {
		i->op = LIT_SET;
		return immediate(p, &i->value);
	}
	if (!lit_is(p, "["))
		return lit_expected(p, "[x], [PHY(x)], [PTE(x)] or $ and an "
				"integer");
	rc = lit_next(p);
	if (rc)
		return rc;
	if (lit_is_entry(p)) {
		i->op = LIT_LOAD_PTE;
		return lit_entry_name(p, &i->loc, &i->level);
	}
	if (lit_is(p, "PHY")) {
		i->op = LIT_LOAD_PHY;
		rc = lit_next(p);
		if (!rc)
			rc = lit_loc_in_parens(p, &i->loc);
	} else {
		i->op = LIT_LOAD;
		rc = lit_loc(p, &i->loc);
	}
	return rc ? rc : lit_want(p, "]");
}

static int mov_cr3(struct parser *p, struct litmus_insn *i)
{
	int rc = lit_next(p);

	i->op = LIT_CR3;
	if (!rc)
		rc = lit_want_all(p, ", $");
	if (rc)
		return rc;
	if (p->tok != T_INT || p->value > 4094)
		return lit_expected(p, "a PCID from 0 to 4094");
	rc = lit_integer(p, &i->value);
	if (rc || !lit_is(p, ","))
		return rc;
	rc = lit_next(p);
	i->noflush = true;
	return rc ? rc : lit_want(p, "NOFLUSH");
}

static int mov(struct parser *p, struct litmus_insn *i)
{
	if (lit_is(p, "["))
		return mov_to_memory(p, i);
	if (lit_is(p, "CR3"))
		return mov_cr3(p, i);
	if (lit_reg_index(p) >= 0)
		return mov_to_reg(p, i);
	return lit_expected(p, "[x], [PHY(x)], [PTE(x)], CR3 or a register");
}

static int xchg(struct parser *p, struct litmus_insn *i)
{
	int rc;

	if (lit_is(p, "[")) {
		i->op = LIT_XCHG_PHY;
		rc = phy(p, &i->loc);
		if (!rc)
			rc = lit_want(p, ",");
		return rc ? rc : lit_reg(p, &i->reg);
	}
	i->op = LIT_XCHG_PTE;
	if (lit_reg_index(p) < 0)
		return lit_expected(p, "[PHY(x)] or a register");
	rc = lit_reg(p, &i->reg);
	if (!rc)
		rc = lit_want(p, ",");
	if (!rc)
		rc = entry_pair(p, i);
	return rc ? rc : lit_entry(p, i->loc, i->level, &i->value);
}

static int lock(struct parser *p, struct litmus_insn *i)
{
	u32 line, column;
	int rc;

	if (lit_is(p, "ADD")) {
		i->op = LIT_ADD_PHY;
		rc = lit_next(p);
		if (!rc)
			rc = phy(p, &i->loc);
		if (!rc)
			rc = lit_want(p, ",");
		return rc ? rc : immediate(p, &i->value);
	}
	if (!lit_is(p, "FLD"))
		return lit_expected(p, "ADD or FLD");
	i->op = LIT_FLD;
	rc = lit_next(p);
	if (!rc)
		rc = lit_reg(p, &i->reg);
	if (!rc)
		rc = lit_want(p, ",");
	if (!rc)
		rc = entry_pair(p, i);
	line = p->tok_line;
	column = p->tok_column;
	if (!rc)
		rc = lit_fields_of(p, i->loc, i->level, &i->clear, &i->value);
	if (rc || !i->level)
		return rc;
	if ((i->clear & PTE_PFN_MASK) && !(i->clear & PTE_PS))
		return lit_fail_at(p, line, column, "expected PS:1 beside oa: "
			       "without it a PDE points to a table");
	if (i->clear & PTE_PS) {
		lit_settle_pde(i->loc, i->clear, &i->value);
		i->clear |= PTE_PFN_MASK;
	}
	return 0;
}

/* "{P1,P2},[x]" */
static int targets(struct parser *p, struct litmus_insn *i)
{
	int rc = lit_want(p, "{");
	u8 cpu;

	do {
		if (i->mask && !rc)
			rc = lit_next(p);
		if (!rc)
			rc = lit_cpu_number(p, &cpu, true);
		if (!rc)
			i->mask |= (u8)(1u << cpu);
	} while (!rc && lit_is(p, ","));
	if (!rc)
		rc = lit_want_all(p, "} ,");
	return rc ? rc : plain(p, &i->loc);
}

static int shoot(struct parser *p, u32 cpu, struct litmus_insn *i)
{
	int rc = targets(p, i);

	i->op = LIT_INVLPG;
	if (!rc)
		rc = add_insn(p, cpu, i);
	i->label = -1;
	i->op = LIT_IPI;
	if (!rc)
		rc = add_insn(p, cpu, i);
	i->op = LIT_WAIT;
	return rc ? rc : add_insn(p, cpu, i);
}

static int insn(struct parser *p, u32 cpu, int16_t label)
{
	static const struct {
		const char *name;
		enum litmus_op op;
	} bare[] = {
		{ "MFENCE", LIT_MFENCE }, { "WAIT", LIT_WAIT },
		{ "SERVICE", LIT_SERVICE }, { "CLI", LIT_CLI },
		{ "STI", LIT_STI },
	};
	struct litmus_insn i = { .label = label };
	char name[WORD];
	int rc;

	for (u32 b = 0; b < ARRAY_LEN(bare); b++)
		if (lit_is(p, bare[b].name)) {
			i.op = (u8)bare[b].op;
			rc = lit_next(p);
			return rc ? rc : add_insn(p, cpu, &i);
		}
	snprintf(name, sizeof(name), "%s", p->tok == T_WORD ? p->word : "");
	if (strcmp(name, "MOV") && strcmp(name, "XCHG") &&
	    strcmp(name, "LOCK") && strcmp(name, "INVLPG") &&
	    strcmp(name, "IPI") && strcmp(name, "SHOOT") &&
	    strcmp(name, "SPIN_LOCK") && strcmp(name, "SPIN_UNLOCK"))
		return lit_expected(p, "an instruction (MOV XCHG LOCK MFENCE "
				"INVLPG IPI WAIT SHOOT SERVICE CLI STI "
				"SPIN_LOCK SPIN_UNLOCK)");
	rc = lit_next(p);
	if (rc)
		return rc;
	if (!strcmp(name, "SHOOT"))
		return shoot(p, cpu, &i);
	if (!strcmp(name, "MOV")) {
		rc = mov(p, &i);
	} else if (!strcmp(name, "XCHG")) {
		rc = xchg(p, &i);
	} else if (!strcmp(name, "LOCK")) {
		rc = lock(p, &i);
	} else if (!strcmp(name, "INVLPG")) {
		i.op = LIT_INVLPG;
		rc = plain(p, &i.loc);
	} else if (!strcmp(name, "IPI")) {
		i.op = LIT_IPI;
		rc = targets(p, &i);
	} else {
		i.op = !strcmp(name, "SPIN_LOCK") ? LIT_LOCK : LIT_UNLOCK;
		rc = phy(p, &i.loc);
	}
	return rc ? rc : add_insn(p, cpu, &i);
}

bool lit_is_label(const struct parser *p)
{
	return p->tok == T_WORD && !p->is_long && p->word[0] == 'L' &&
	       p->word[1] && strlen(p->word) < 6 &&
	       strspn(p->word + 1, "0123456789") == strlen(p->word + 1);
}

static int cell(struct parser *p, u32 cpu)
{
	int16_t label = -1;
	int rc;

	if (lit_is(p, "|") || lit_is(p, ";"))
		return 0;
	if (lit_is_label(p)) {
		label = (int16_t)(atoi(p->word + 1) % 32768);
		for (u32 i = 0; i < p->t->nr_insns[cpu]; i++)
			if (p->t->insn[cpu][i].label == label)
				return lit_expected(p, "each label once a thread");
		rc = lit_next(p);
		if (!rc)
			rc = lit_want(p, ":");
		if (rc)
			return rc;
	}
	return insn(p, cpu, label);
}

static int columns(struct parser *p)
{
	u32 n = 0;
	int rc = 0;

	do {
		char name[16];

		if (n)
			rc = lit_next(p);
		if (n == LITMUS_MAX_CPUS)
			return lit_expected(p, "no more than 8 threads");
		snprintf(name, sizeof(name), "P%u", n);
		if (!rc)
			rc = lit_want(p, name);
		n++;
	} while (!rc && lit_is(p, "|"));
	p->t->nr_cpus = n;
	return rc ? rc : lit_want(p, ";");
}

int lit_program(struct parser *p)
{
	bool is_first = true;
	int rc = columns(p);

	while (!rc && (is_first || !(lit_is(p, "exists") || lit_is(p, "forall") ||
				     lit_is(p, "~") || lit_is(p, "locations")))) {
		for (u32 cpu = 0; !rc && cpu < p->t->nr_cpus; cpu++) {
			if (cpu)
				rc = lit_want(p, "|");
			if (!rc)
				rc = cell(p, cpu);
		}
		if (!rc)
			rc = lit_want(p, ";");
		is_first = false;
	}
	return rc;
}
