/* The X86VM format's reader: name, keys and init block here, the program in
 * litmus_insn.c, the condition in litmus_prop.c. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/litmus_lex.h"

/* ---- name and info -------------------------------------------------------------- */

/* From here to the end of the line, without blanks around it. */
static char *rest_of_line(struct parser *p)
{
	const char *from = p->p, *to;
	size_t n;
	char *s;

	while (p->p < p->end && *p->p != '\n')
		p->p++;
	to = p->p;
	while (from < to && isspace((unsigned char)*from))
		from++;
	while (to > from && isspace((unsigned char)to[-1]))
		to--;
	n = (size_t)(to - from);
	s = malloc(n + 1);
	if (s) {
		memcpy(s, from, n);
		s[n] = 0;
	}
	return s;
}

static int header(struct parser *p)
{
	char *name;
	int rc = lit_next(p);

	if (rc)
		return rc;
	if (!lit_is(p, "X86VM"))
		return lit_expected(p, "'X86VM', the format's name");
	p->tok_column = (u32)(p->p - p->line_start) + 2;
	name = rest_of_line(p);
	if (!name)
		return -ENOMEM;
	if (!*name || strlen(name) >= LITMUS_NAME ||
	    name[strcspn(name, " \t")]) {
		free(name);
		return lit_fail_at(p, p->line, p->tok_column, "expected the test's "
			       "name, one word of fewer than 64 letters");
	}
	for (const char *c = name; *c; c++)
		if (!isgraph((unsigned char)*c)) {
			free(name);
			return lit_fail_at(p, p->line, p->tok_column,
				       "expected a printable name");
		}
	snprintf(p->t->name, sizeof(p->t->name), "%s", name);
	free(name);
	return lit_next(p);
}

static int variant(struct parser *p, const char *text, u32 line)
{
	char what[160];
	u32 n = 0, used = 0;

	if (!strcmp(text, "fatal")) {
		p->t->is_fatal = true;
		return 0;
	}
	if (sscanf(text, "retry,%u%n", &n, (int *)&used) == 1 && !text[used] &&
	    n <= 100) {
		p->t->retries = n;
		return 0;
	}
	snprintf(what, sizeof(what), "expected Variant=fatal or "
		 "Variant=retry,N with N up to 100, found '%.40s'", text);
	return lit_fail_at(p, line, 1, what);
}

static int known_info(struct parser *p, const struct litmus_info *i, u32 line)
{
	char what[160];

	if (!strcmp(i->key, "Variant"))
		return variant(p, i->text, line);
	if (!strcmp(i->key, "HW") && strcmp(i->text, "precet")) {
		snprintf(what, sizeof(what), "expected HW=precet, found "
			 "'%.40s'", i->text);
		return lit_fail_at(p, line, 1, what);
	}
	if (!strcmp(i->key, "HW"))
		p->t->is_precet = true;
	if (!strncmp(i->key, "Expect", 6) && strcmp(i->text, "Never") &&
	    strcmp(i->text, "Sometimes") && strcmp(i->text, "Always")) {
		snprintf(what, sizeof(what), "expected %.20s=Never, Sometimes "
			 "or Always, found '%.40s'", i->key, i->text);
		return lit_fail_at(p, line, 1, what);
	}
	return 0;
}

/* KEY may have dashes in it, so it is read by hand. */
static int info_line(struct parser *p)
{
	const char *from = p->tok_start, *c = from;
	struct litmus_info *more;
	u32 line = p->tok_line, n = p->t->nr_info;
	int rc;

	while (c < p->end && (lit_is_word(*c) || *c == '-'))
		c++;
	if (c == from || c == p->end || *c != '=')
		return lit_expected(p, "a line KEY=text, or '{'");
	more = realloc(p->t->info, (n + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	p->t->info = more;
	more += n;
	more->key = strndup(from, (size_t)(c - from));
	p->p = c + 1;
	more->text = rest_of_line(p);
	p->t->nr_info++;
	if (!more->key || !more->text)
		return -ENOMEM;
	rc = known_info(p, more, line);
	return rc ? rc : lit_next(p);
}

/* ---- the init block ---------------------------------------------------------------- */

static int init_tlb(struct parser *p, u8 cpu)
{
	struct litmus_tlb x = { .cpu = cpu }, *more;
	u32 line, column;
	int rc = lit_next(p);

	if (!rc)
		rc = lit_loc_in_parens(p, &x.loc);
	if (!rc)
		rc = lit_want(p, "=");
	line = p->tok_line;
	column = p->tok_column;
	if (!rc)
		rc = lit_entry(p, x.loc, 0, &x.value);
	if (rc)
		return rc;
	if (!(x.value & PTE_P))
		return lit_fail_at(p, line, column, "expected an entry with P:1: "
			       "no TLB holds another");
	x.level = x.value & PTE_PS ? 1 : 0;
	more = realloc(p->t->tlb, (p->t->nr_tlb + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	p->t->tlb = more;
	more[p->t->nr_tlb++] = x;
	return 0;
}

/* After "CPU:". */
static int init_cpu(struct parser *p, u8 cpu)
{
	u64 v = 0;
	u8 r;
	int rc;

	if (lit_is(p, "TLB"))
		return init_tlb(p, cpu);
	if (lit_is(p, "CR3")) {
		rc = lit_next(p);
		if (!rc)
			rc = lit_want(p, "=");
		if (rc)
			return rc;
		if (lit_is(p, "none")) {
			p->t->cr3[cpu] = -1;
			return lit_next(p);
		}
		if (p->tok != T_INT || p->value > 4094)
			return lit_expected(p, "a PCID from 0 to 4094, or 'none'");
		p->t->cr3[cpu] = (int32_t)p->value;
		return lit_next(p);
	}
	if (lit_reg_index(p) < 0)
		return lit_expected(p, "CR3, TLB(x) or a register");
	rc = lit_reg(p, &r);
	if (!rc)
		rc = lit_want(p, "=");
	if (!rc)
		rc = lit_integer(p, &v);
	if (!rc)
		p->t->reg[cpu][r] = v;
	return rc;
}

static int init_item(struct parser *p)
{
	u8 l, level, cpu;
	u64 v = 0;
	int rc;

	if (lit_is(p, "[")) {
		rc = lit_next(p);
		if (rc)
			return rc;
		if (!lit_is_entry(p))
			return lit_expected(p, "PTE(x) or PDE(x)");
		rc = lit_entry_name(p, &l, &level);
		if (!rc)
			rc = lit_want(p, "=");
		return rc ? rc : lit_entry(p, l, level, &p->t->entry[level][l]);
	}
	if (p->tok == T_INT || (p->tok == T_WORD && p->word[0] == 'P' &&
				isdigit((unsigned char)p->word[1]))) {
		rc = lit_cpu_number(p, &cpu, false);
		if (!rc)
			rc = lit_want(p, ":");
		return rc ? rc : init_cpu(p, cpu);
	}
	if (p->tok != T_WORD)
		return lit_expected(p, "an item such as x=0, [PTE(x)]=(P:0), "
				"0:EAX=1, 0:CR3=1, 0:TLB(x)=(RW:0), or '}'");
	rc = lit_loc(p, &l);
	if (!rc)
		rc = lit_want(p, "=");
	if (!rc)
		rc = lit_integer(p, &v);
	if (!rc)
		p->t->frame[l] = v;
	return rc;
}

static int init_block(struct parser *p)
{
	int rc = lit_want(p, "{");

	while (!rc && !lit_is(p, "}")) {
		rc = init_item(p);
		if (!rc)
			rc = lit_want(p, ";");
	}
	return rc ? rc : lit_next(p);
}

/* CPUs of the init block that the program turned out not to have. */
static int check_cpus(struct parser *p)
{
	struct litmus *t = p->t;
	bool bad = false;
	char what[96];
	u32 cpu = 0;

	for (u32 i = t->nr_cpus; i < LITMUS_MAX_CPUS && !bad; i++) {
		cpu = i;
		bad = t->cr3[i] != 0;
		for (u32 r = 0; r < LITMUS_NR_REGS; r++)
			bad |= t->reg[i][r] != 0;
	}
	for (u32 i = 0; i < t->nr_tlb && !bad; i++) {
		cpu = t->tlb[i].cpu;
		bad = cpu >= t->nr_cpus;
	}
	if (!bad)
		return 0;
	snprintf(what, sizeof(what), "the init block sets up CPU %u; the "
		 "program has %u", cpu, t->nr_cpus);
	return lit_fail_at(p, p->tok_line, p->tok_column, what);
}

/* ---- entry points -------------------------------------------------------------------------- */

static int parse(struct parser *p)
{
	int rc = header(p);

	while (!rc && !lit_is(p, "{"))
		rc = info_line(p);
	if (!rc)
		rc = init_block(p);
	if (!rc)
		rc = lit_program(p);
	if (!rc)
		rc = lit_condition(p);
	if (!rc)
		rc = check_cpus(p);
	return rc;
}

int litmus_parse(struct litmus **out, const char *path, const char *text,
		 size_t bytes, struct err *e)
{
	struct litmus *t = calloc(1, sizeof(*t));
	struct parser p = {
		.t = t, .end = text + bytes, .p = text,
		.line = 1, .line_start = text, .e = e,
	};
	int rc = -ENOMEM;

	if (t)
		t->path = strdup(path);
	if (t && t->path)
		rc = parse(&p);
	if (rc) {
		litmus_free(t);
		return rc == -ENOMEM ? err_set(e, rc, "%s: out of memory", path)
				     : rc;
	}
	*out = t;
	return 0;
}

int litmus_read(struct litmus **out, const char *path, struct err *e)
{
	FILE *f = strcmp(path, "-") ? fopen(path, "rb") : stdin;
	size_t size = 1 << 20, n;
	char *text = f ? malloc(size) : NULL;
	int rc;

	if (!f)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	if (!text) {
		rc = err_set(e, -ENOMEM, "%s: out of memory", path);
	} else {
		n = fread(text, 1, size, f);
		if (ferror(f))
			rc = err_set(e, -EIO, "%s: %s", path, strerror(errno));
		else if (n == size)
			rc = err_set(e, -EINVAL, "%s: expected a litmus test, "
				     "less than 1 MiB", path);
		else
			rc = litmus_parse(out, path, text, n, e);
	}
	free(text);
	if (f != stdin)
		fclose(f);
	return rc;
}

void litmus_free(struct litmus *t)
{
	if (!t)
		return;
	for (u32 i = 0; i < t->nr_info; i++) {
		free(t->info[i].key);
		free(t->info[i].text);
	}
	free(t->info);
	free(t->tlb);
	free(t->prop);
	free(t->shown);
	free(t->condition);
	free(t->path);
	free(t);
}

const char *litmus_info(const struct litmus *t, const char *key)
{
	for (u32 i = t->nr_info; i-- > 0; )
		if (!strcmp(t->info[i].key, key))
			return t->info[i].text;
	return NULL;
}
