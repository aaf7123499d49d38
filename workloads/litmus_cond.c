/* Conditions of litmus tests, and states in herd7's words. */
#include <stdarg.h>
#include <string.h>

#include "workloads/litmus.h"

static const char *const reg_names[LITMUS_NR_REGS] = {
	"EAX", "EBX", "ECX", "EDX", "ESI", "EDI"
};

/* The fault classes under @subject's label, 0 = none. */
static u8 faults(const struct litmus *t, const struct litmus_state *s,
		 const struct litmus_subject *x)
{
	for (u32 i = 0; i < t->nr_insns[x->cpu]; i++) {
		const struct litmus_insn *insn = &t->insn[x->cpu][i];

		if (insn->label == x->label)
			return insn->loc == x->loc ? s->fault[x->cpu][i] : 0;
	}
	return 0;
}

static bool atom_holds(const struct litmus *t, const struct litmus_state *s,
		       const struct litmus_prop *p)
{
	const struct litmus_subject *x = &p->s;

	switch (x->kind) {
	case LIT_SUBJ_REG:
		return (s->reg[x->cpu][x->reg] & p->mask) == p->value;
	case LIT_SUBJ_FRAME:
		return s->frame[x->loc] == p->value;
	case LIT_SUBJ_ENTRY:
		return (s->entry[x->level][x->loc] & p->mask) == p->value;
	case LIT_SUBJ_FAULT:
		return x->classes ? (faults(t, s, x) & x->classes) != 0
				  : faults(t, s, x) != 0;
	}
	return false;
}

static bool holds(const struct litmus *t, const struct litmus_state *s, u32 i)
{
	const struct litmus_prop *p = &t->prop[i];

	switch (p->kind) {
	case LIT_NOT:
		return !holds(t, s, p->a);
	case LIT_AND:
		return holds(t, s, p->a) && holds(t, s, p->b);
	case LIT_OR:
		return holds(t, s, p->a) || holds(t, s, p->b);
	}
	return atom_holds(t, s, p);
}

bool litmus_holds(const struct litmus *t, const struct litmus_state *s)
{
	return holds(t, s, t->nr_props - 1);
}

/* ---- printing -------------------------------------------------------------------------- */

struct text {
	char *out;
	size_t size, at;
};

static void put(struct text *x, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void put(struct text *x, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(x->out + x->at, x->size - x->at, fmt, ap);
	va_end(ap);
	if (n > 0)
		x->at += (size_t)n < x->size - x->at ? (size_t)n
						     : x->size - x->at - 1;
}

static void put_entry(struct text *x, const struct litmus *t, u64 v)
{
	u64 pfn = pte_pfn(v);

	if (pfn >= 1 && pfn <= t->nr_locs)
		put(x, "(oa:PA(%s),", t->loc[pfn - 1]);
	else
		put(x, "(table,");
	put(x, "P:%d,RW:%d,US:%d,A:%d,D:%d,G:%d", !!(v & PTE_P), !!(v & PTE_RW),
	    !!(v & PTE_US), !!(v & PTE_A), !!(v & PTE_D), !!(v & PTE_G));
	put(x, "%s)", v & PTE_PS ? ",PS:1" : "");
}

static void put_fault(struct text *x, const struct litmus *t,
		      const struct litmus_state *s,
		      const struct litmus_subject *f)
{
	static const char *const names[] = { "PDE", "PTE", "RW", "US" };
	u8 classes = faults(t, s, f);

	put(x, "%sfault(P%u:L%d,%s", (f->classes ? classes & f->classes
					       : classes) ? "" : "~",
	    f->cpu, f->label, t->loc[f->loc]);
	for (u32 i = 0; i < ARRAY_LEN(names); i++)
		if (f->classes >> i & 1)
			put(x, ",%s", names[i]);
	put(x, ");");
}

static void put_subject(struct text *x, const struct litmus *t,
			const struct litmus_state *s,
			const struct litmus_subject *y)
{
	switch (y->kind) {
	case LIT_SUBJ_REG:
		put(x, "%u:%s=", y->cpu, reg_names[y->reg]);
		if (s->is_entry[y->cpu] >> y->reg & 1)
			put_entry(x, t, s->reg[y->cpu][y->reg]);
		else
			put(x, "%lld", (long long)s->reg[y->cpu][y->reg]);
		put(x, ";");
		break;
	case LIT_SUBJ_FRAME:
		put(x, "%s=%lld;", t->loc[y->loc], (long long)s->frame[y->loc]);
		break;
	case LIT_SUBJ_ENTRY:
		put(x, "[%s(%s)]=", y->level ? "PDE" : "PTE", t->loc[y->loc]);
		put_entry(x, t, s->entry[y->level][y->loc]);
		put(x, ";");
		break;
	case LIT_SUBJ_FAULT:
		put_fault(x, t, s, y);
		break;
	}
}

void litmus_print(const struct litmus *t, const struct litmus_state *s,
		  char *out, size_t size)
{
	struct text x = { out, size, 0 };

	out[0] = 0;
	for (u32 i = 0; i < t->nr_shown; i++) {
		if (i)
			put(&x, " ");
		put_subject(&x, t, s, &t->shown[i]);
	}
}
