#include <assert.h>
#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>

#include "base/opt.h"
#include "base/suggest.h"
#include "base/units.h"

struct slot {
	const struct opt *o;
	void *field;
	enum opt_origin origin;
	char *owned;            /* what an OPT_STRING field points to         */
};

struct opt_set {
	struct slot *slots;
	size_t nr;
	const char **names;     /* NULL-terminated, for suggest()             */
};

/* --- names ----------------------------------------------------------- */

static bool same_name(const char *a, const char *b, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char x = a[i] == '_' ? '-' : a[i];
		char y = b[i] == '_' ? '-' : b[i];

		if (x != y || !x)
			return false;
	}
	return b[len] == '\0';
}

static struct slot *slot_named(const struct opt_set *s, const char *name,
			       size_t len)
{
	for (size_t i = 0; i < s->nr; i++) {
		if (same_name(name, s->slots[i].o->name, len))
			return &s->slots[i];
	}
	return NULL;
}

static struct slot *slot_lettered(const struct opt_set *s, char letter)
{
	for (size_t i = 0; i < s->nr; i++) {
		if (letter && s->slots[i].o->letter == letter)
			return &s->slots[i];
	}
	return NULL;
}

const struct opt *opt_find(const struct opt_set *s, const char *name)
{
	struct slot *slot = slot_named(s, name, strlen(name));

	return slot ? slot->o : NULL;
}

enum opt_origin opt_origin_of(const struct opt_set *s, const char *name)
{
	struct slot *slot = slot_named(s, name, strlen(name));

	return slot ? slot->origin : OPT_FROM_DEFAULT;
}

/* --- values ---------------------------------------------------------- */

static enum unit_kind unit_kind_of(enum opt_kind kind)
{
	switch (kind) {
	case OPT_SIZE:
		return UNIT_BYTES;
	case OPT_TIME_NS:
		return UNIT_NS;
	case OPT_HZ:
		return UNIT_HZ;
	default:
		return UNIT_COUNT;
	}
}

static u64 upper_limit(const struct opt *o)
{
	if (o->max)
		return o->max;
	return o->kind == OPT_U32 ? UINT32_MAX : UINT64_MAX;
}

static int parse_integer(const struct opt *o, const char *text, u64 *v,
			 struct err *e)
{
	enum unit_kind kind = unit_kind_of(o->kind);
	char buf[UNITS_MAX_TEXT];
	int ret = units_parse(kind, text, v, e);

	if (ret == -EINVAL && kind == UNIT_COUNT && o->unit && e) {
		struct err plain = *e;

		return err_set(e, ret, "%s, in %s", plain.text, o->unit);
	}
	if (ret)
		return ret;
	if (o->max || *v > upper_limit(o))
		return units_parse_in(kind, text, o->min, upper_limit(o), v, e);
	if (*v < o->min)
		return err_set(e, -ERANGE, "%s is less than %s", text,
			       units_format(kind, o->min, buf));
	return 0;
}

static int parse_real(const struct opt *o, const char *text, double *v,
		      struct err *e)
{
	char lo[UNITS_MAX_TEXT], hi[UNITS_MAX_TEXT];
	int ret = units_parse_double(text, v, e);

	if (ret || (o->dmin == 0 && o->dmax == 0))
		return ret;
	if (*v < o->dmin || *v > o->dmax)
		return err_set(e, -ERANGE, "%s is out of range %s..%s", text,
			       units_format_double(o->dmin, lo),
			       units_format_double(o->dmax, hi));
	return 0;
}

/* "a, b or c", cut when it does not fit. */
static const char *join_names(const char *const *names, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (size_t i = 0; names[i] && n < size; i++)
		n += (size_t)snprintf(buf + n, size - n, "%s%s",
				      i == 0 ? "" : names[i + 1] ? ", " : " or ",
				      names[i]);
	return buf;
}

static int parse_enum(const struct opt *o, const char *text, int *v,
		      struct err *e)
{
	char all[256], near[96];

	for (int i = 0; o->names[i]; i++) {
		if (same_name(text, o->names[i], strlen(text))) {
			*v = i;
			return 0;
		}
	}
	return err_set(e, -EINVAL, "'%s' is not %s%s%s%s%s%s%s", text,
		       join_names(o->names, all, sizeof(all)),
		       suggest_text(text, o->names, near, sizeof(near)),
		       o->see ? " ('" : "", o->see ? o->see : "",
		       o->see ? "' shows all)" : "",
		       o->instead ? "; " : "", o->instead ? o->instead : "");
}

/* Check @text, and unless @dry store it. */
static int store(struct slot *slot, const char *text, bool dry, struct err *e)
{
	const struct opt *o = slot->o;
	union {
		bool b;
		u64 u;
		double d;
		int i;
		char *s;
	} v;
	int ret = 0;

	switch (o->kind) {
	case OPT_BOOL:
		ret = units_parse_bool(text, &v.b, e);
		if (!ret && !dry)
			*(bool *)slot->field = v.b;
		break;
	case OPT_U32:
		ret = parse_integer(o, text, &v.u, e);
		if (!ret && !dry)
			*(u32 *)slot->field = (u32)v.u;
		break;
	case OPT_U64:
	case OPT_SIZE:
	case OPT_TIME_NS:
	case OPT_HZ:
		ret = parse_integer(o, text, &v.u, e);
		if (!ret && !dry)
			*(u64 *)slot->field = v.u;
		break;
	case OPT_DOUBLE:
		ret = parse_real(o, text, &v.d, e);
		if (!ret && !dry)
			*(double *)slot->field = v.d;
		break;
	case OPT_ENUM:
		ret = parse_enum(o, text, &v.i, e);
		if (!ret && !dry)
			*(int *)slot->field = v.i;
		break;
	case OPT_STRING:
		if (dry)
			break;
		/* As if not given, where that is how it begins. */
		v.s = *text || o->def || o->no_echo ? strdup(text) : NULL;
		if (!v.s && (*text || o->def || o->no_echo))
			return err_set(e, -ENOMEM, "out of memory");
		free(slot->owned);
		slot->owned = v.s;
		*(const char **)slot->field = v.s;
		break;
	}
	return ret;
}

static void store_zero(struct slot *slot)
{
	switch (slot->o->kind) {
	case OPT_BOOL:
		*(bool *)slot->field = false;
		break;
	case OPT_U32:
		*(u32 *)slot->field = 0;
		break;
	case OPT_U64:
	case OPT_SIZE:
	case OPT_TIME_NS:
	case OPT_HZ:
		*(u64 *)slot->field = 0;
		break;
	case OPT_DOUBLE:
		*(double *)slot->field = 0;
		break;
	case OPT_ENUM:
		*(int *)slot->field = 0;
		break;
	case OPT_STRING:
		*(const char **)slot->field = NULL;
		break;
	}
}

/* A value of lower rank is checked and then not used. */
static int assign(struct slot *slot, const char *text, enum opt_origin origin,
		  struct err *e)
{
	int ret = store(slot, text, origin < slot->origin, e);

	if (!ret && origin > slot->origin)
		slot->origin = origin;
	return ret;
}

static int unknown(const struct opt_set *s, const char *dashes,
		   const char *name, size_t len, struct err *e)
{
	char word[64], near[96];

	snprintf(word, sizeof(word), "%.*s", (int)len, name);
	if (suggest(word, s->names))
		snprintf(near, sizeof(near), "; did you mean '%s%s'?", dashes,
			 suggest(word, s->names));
	else
		near[0] = '\0';
	return err_set(e, -ENOENT, "no option '%s%s'%s", dashes, word, near);
}

int opt_assign(struct opt_set *s, const char *name, const char *value,
	       enum opt_origin origin, struct err *e)
{
	struct slot *slot = slot_named(s, name, strlen(name));
	int ret;

	if (!slot)
		return unknown(s, "", name, strlen(name), e);
	ret = assign(slot, value, origin, e);
	return ret ? err_prefix(e, ret, "%s: ", slot->o->name) : 0;
}

/* --- creating -------------------------------------------------------- */

int opt_set_create(struct opt_set **out, const struct opt_bind *binds,
		   size_t nr_binds)
{
	struct opt_set *s = calloc(1, sizeof(*s));
	size_t nr = 0;

	for (size_t i = 0; i < nr_binds; i++)
		nr += binds[i].nr;
	if (!s)
		return -ENOMEM;
	s->slots = calloc(nr + 1, sizeof(*s->slots));
	s->names = calloc(nr + 1, sizeof(*s->names));
	if (!s->slots || !s->names)
		goto err_nomem;

	for (size_t i = 0; i < nr_binds; i++) {
		for (size_t k = 0; k < binds[i].nr; k++) {
			const struct opt *o = &binds[i].table[k];
			struct slot *slot = &s->slots[s->nr];
			struct err e = { "" };
			int ret = 0;

			assert(!slot_named(s, o->name, strlen(o->name)));
			assert(!slot_lettered(s, o->letter));
			assert(o->kind != OPT_ENUM || o->names);
			slot->o = o;
			slot->field = (char *)binds[i].base + o->offset;
			s->names[s->nr++] = o->name;
			store_zero(slot);
			if (o->def)
				ret = store(slot, o->def, false, &e);
			if (ret == -ENOMEM)
				goto err_nomem;
			assert(ret == 0 && "the default is no legal value");
		}
	}
	*out = s;
	return 0;

err_nomem:
	opt_set_free(s);
	return -ENOMEM;
}

void opt_set_free(struct opt_set *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->nr; i++)
		free(s->slots[i].owned);
	free(s->slots);
	free(s->names);
	free(s);
}

/* --- command line ---------------------------------------------------- */

struct args {
	struct opt_set *s;
	int argc;
	char **argv;
	int at;                 /* next to look at                            */
	int kept;               /* non-options so far, in argv[0 .. kept)     */
	bool keep_unknown;
};

static const char *metavar_of(const struct opt *o)
{
	static const char *const by_kind[] = {
		[OPT_BOOL] = "yes|no", [OPT_U32] = "N", [OPT_U64] = "N",
		[OPT_SIZE] = "SIZE", [OPT_TIME_NS] = "TIME", [OPT_HZ] = "FREQ",
		[OPT_DOUBLE] = "X", [OPT_STRING] = "TEXT", [OPT_ENUM] = "NAME",
	};

	return o->metavar ? o->metavar : by_kind[o->kind];
}

/* The word after an option that needs one. */
static int next_word(struct args *a, const char *as_typed, const char *metavar,
		     const char **value, struct err *e)
{
	if (a->at >= a->argc)
		return err_set(e, -EINVAL, "%s: needs a value (%s%s%s)", as_typed,
			       as_typed, as_typed[1] == '-' ? "=" : " ",
			       metavar);
	if (strncmp(a->argv[a->at], "--", 2) == 0)
		return err_set(e, -EINVAL, "%s: needs a value (%s%s%s), but '%s' follows",
			       as_typed, as_typed,
			       as_typed[1] == '-' ? "=" : " ", metavar,
			       a->argv[a->at]);
	*value = a->argv[a->at++];
	return 0;
}

/* "--thp no" is "--thp=no": a boolean takes the next word where that is exactly
 * yes or no, which is no workload and hardly a file. */
static const char *yes_or_no(struct args *a)
{
	const char *next = a->at < a->argc ? a->argv[a->at] : "";

	if (strcmp(next, "yes") && strcmp(next, "no"))
		return "yes";
	a->at++;
	return next;
}

static int parse_set(struct args *a, const char *value, int from, struct err *e)
{
	const char *eq;
	struct slot *slot;
	size_t len;
	int ret;

	if (!value) {
		ret = next_word(a, "--set", "KEY=VALUE", &value, e);
		if (ret)
			return ret;
	}
	eq = strchr(value, '=');
	if (!eq || eq == value)
		return err_set(e, -EINVAL, "--set: '%s' is not KEY=VALUE", value);
	len = (size_t)(eq - value);
	slot = slot_named(a->s, value, len);
	if (slot) {
		ret = assign(slot, eq + 1, OPT_FROM_CMDLINE, e);
		return ret ? err_prefix(e, ret, "--set %s: ", slot->o->name) : 0;
	}
	if (!a->keep_unknown)
		return err_prefix(e, unknown(a->s, "", value, len, e), "--set: ");
	while (from < a->at)
		a->argv[a->kept++] = a->argv[from++];
	return 0;
}

static int parse_long(struct args *a, struct err *e)
{
	char *arg = a->argv[a->at++], *name = arg + 2;
	size_t len = strcspn(name, "=");
	const char *value = name[len] ? name + len + 1 : NULL;
	struct slot *slot = slot_named(a->s, name, len);
	char typed[80];
	int ret;

	if (!slot && len == 3 && strncmp(name, "set", 3) == 0)
		return parse_set(a, value, a->at - 1, e);
	if (!slot && len > 3 &&
	    (strncmp(name, "no-", 3) == 0 || strncmp(name, "no_", 3) == 0)) {
		slot = slot_named(a->s, name + 3, len - 3);
		if (slot && slot->o->kind != OPT_BOOL)
			slot = NULL;
		if (slot && value)
			return err_set(e, -EINVAL, "--no-%s takes no value, got '%s'",
				       slot->o->name, value);
		if (slot)
			return assign(slot, "no", OPT_FROM_CMDLINE, e);
	}
	if (!slot && a->keep_unknown) {
		a->argv[a->kept++] = arg;
		return 0;
	}
	if (!slot)
		return unknown(a->s, "--", name, len, e);

	snprintf(typed, sizeof(typed), "--%s", slot->o->name);
	if (!value && slot->o->kind == OPT_BOOL)
		value = yes_or_no(a);
	if (!value) {
		ret = next_word(a, typed, metavar_of(slot->o), &value, e);
		if (ret)
			return ret;
	}
	ret = assign(slot, value, OPT_FROM_CMDLINE, e);
	return ret ? err_prefix(e, ret, "%s: ", typed) : 0;
}

/* -o v, -ov; several letters in one word are not taken apart. */
static int parse_letter(struct args *a, struct err *e)
{
	char *arg = a->argv[a->at++];
	struct slot *slot = slot_lettered(a->s, arg[1]);
	char typed[3] = { '-', arg[1], '\0' };
	const char *value = arg[2] ? arg + 2 : NULL;
	int ret;

	if (!slot && a->keep_unknown) {
		a->argv[a->kept++] = arg;
		return 0;
	}
	if (!slot || (slot->o->kind == OPT_BOOL && value))
		return err_set(e, -ENOENT, "no option '%s'", arg);
	if (slot->o->kind == OPT_BOOL)
		value = yes_or_no(a);
	if (!value) {
		ret = next_word(a, typed, metavar_of(slot->o), &value, e);
		if (ret)
			return ret;
	}
	ret = assign(slot, value, OPT_FROM_CMDLINE, e);
	return ret ? err_prefix(e, ret, "%s: ", typed) : 0;
}

static int parse_args(struct opt_set *s, int argc, char **argv,
		      bool keep_unknown, struct err *e)
{
	struct args a = { .s = s, .argc = argc, .argv = argv,
			  .keep_unknown = keep_unknown };

	while (a.at < argc) {
		char *arg = argv[a.at];
		int ret = 0;

		if (strcmp(arg, "--") == 0) {
			if (!keep_unknown)
				a.at++;
			while (a.at < argc)
				argv[a.kept++] = argv[a.at++];
		} else if (arg[0] == '-' && arg[1] == '-') {
			ret = parse_long(&a, e);
		} else if (arg[0] == '-' && arg[1]) {
			ret = parse_letter(&a, e);
		} else {
			argv[a.kept++] = argv[a.at++];
		}
		if (ret)
			return ret;
	}
	return a.kept;
}

int opt_parse_args(struct opt_set *s, int argc, char **argv, struct err *e)
{
	return parse_args(s, argc, argv, false, e);
}

int opt_parse_known(struct opt_set *s, int argc, char **argv, struct err *e)
{
	return parse_args(s, argc, argv, true, e);
}

/* --- files ----------------------------------------------------------- */

struct reading {
	struct opt_set *s;
	const struct opt_ini *how;
	FILE *f;
	u32 line;
	int ret;                /* first error, then nothing more is read     */
	struct err *e;
};

/* One line for inih, which counts none for its handlers and cuts long ones in
 * silence. Leading blanks go: inih would take an indented "b = 2" for more of
 * the value above it. */
static char *read_line(char *buf, int size, void *arg)
{
	struct reading *r = arg;
	int n = 0, c;

	if (r->ret)
		return NULL;
	r->line++;
	for (;;) {
		c = getc(r->f);
		if (c == EOF || c == '\n')
			break;
		if (n == 0 && (c == ' ' || c == '\t'))
			continue;
		if (c == '\0') {
			r->ret = err_set(r->e, -EINVAL, "not a text file (NUL byte)");
			return NULL;
		}
		if (n >= size - 2) {
			r->ret = err_set(r->e, -EINVAL, "line longer than %d characters",
					 size - 2);
			return NULL;
		}
		buf[n++] = (char)c;
	}
	if (ferror(r->f)) {
		r->ret = err_set(r->e, -EIO, "cannot read: %s", strerror(errno));
		return NULL;
	}
	if (c == EOF && n == 0)
		return NULL;
	buf[n++] = '\n';
	buf[n] = '\0';
	return buf;
}

static bool is_option_section(const struct opt_ini *how, const char *section)
{
	if (!*section || !how || !how->sections)
		return true;
	for (size_t i = 0; how->sections[i]; i++) {
		if (strcmp(how->sections[i], section) == 0)
			return true;
	}
	return false;
}

/* "a b" is a b: as in lists, where a value with a comma must be quoted. */
static int assign_unquoted(struct reading *r, const char *key,
			   const char *value)
{
	size_t n = strlen(value);
	char *inner;
	int ret;

	if (n < 2 || value[0] != '"' || strchr(value + 1, '"') != value + n - 1)
		return opt_assign(r->s, key, value, OPT_FROM_FILE, r->e);
	inner = strndup(value + 1, n - 2);
	if (!inner)
		return err_set(r->e, -ENOMEM, "out of memory");
	ret = opt_assign(r->s, key, inner, OPT_FROM_FILE, r->e);
	free(inner);
	return ret;
}

static int take_pair(void *arg, const char *section, const char *key,
		     const char *value)
{
	struct reading *r = arg;
	char near[96];

	if (r->ret)
		return 1;
	if (is_option_section(r->how, section))
		r->ret = assign_unquoted(r, key, value);
	else if (r->how->other)
		r->ret = r->how->other(r->how->arg, section, key, value,
				       r->line, r->e);
	else
		r->ret = err_set(r->e, -EINVAL, "no section [%s] here%s", section,
				 suggest_text(section, r->how->sections, near,
					      sizeof(near)));
	return 1;
}

int opt_parse_ini(struct opt_set *s, const char *path,
		  const struct opt_ini *how, struct err *e)
{
	bool is_stdin = strcmp(path, "-") == 0;
	struct reading r = { .s = s, .how = how, .e = e };
	int bad_line;

	r.f = is_stdin ? stdin : fopen(path, "re");
	if (!r.f) {
		int errnum = -errno;

		return err_set(e, errnum, "cannot read '%s': %s", path,
			       strerror(-errnum));
	}
	bad_line = ini_parse_stream(read_line, &r, take_pair, &r);
	if (!is_stdin)
		fclose(r.f);
	/* Whichever came first in the file: inih's complaint or ours. */
	if (bad_line > 0 && (!r.ret || (u32)bad_line < r.line)) {
		r.line = (u32)bad_line;
		r.ret = err_set(e, -EINVAL, "expected '[section]' or 'name = value'");
	} else if (bad_line < 0 && !r.ret) {
		r.ret = err_set(e, -ENOMEM, "out of memory");
	}
	if (r.ret)
		return err_prefix(e, r.ret, "%s:%u: ",
				  is_stdin ? "standard input" : path, r.line);
	return 0;
}

/* --- text out -------------------------------------------------------- */

static const char *value_text(const struct slot *slot,
			      char buf[UNITS_MAX_TEXT])
{
	const struct opt *o = slot->o;
	const char *text;

	switch (o->kind) {
	case OPT_BOOL:
		return *(bool *)slot->field ? "yes" : "no";
	case OPT_U32:
		return units_format(UNIT_COUNT, *(u32 *)slot->field, buf);
	case OPT_U64:
	case OPT_SIZE:
	case OPT_TIME_NS:
	case OPT_HZ:
		return units_format(unit_kind_of(o->kind), *(u64 *)slot->field,
				    buf);
	case OPT_DOUBLE:
		return units_format_double(*(double *)slot->field, buf);
	case OPT_ENUM:
		return o->names[*(int *)slot->field];
	case OPT_STRING:
		text = *(const char **)slot->field;
		return text ? text : "";
	}
	return "";
}

void opt_each(const struct opt_set *s, opt_each_fn *fn, void *arg)
{
	char buf[UNITS_MAX_TEXT];

	for (size_t i = 0; i < s->nr; i++) {
		const struct slot *slot = &s->slots[i];

		if (!slot->o->no_echo)
			fn(arg, slot->o, value_text(slot, buf), slot->origin);
	}
}

/* An unset string has no spelling in a file: it is left out by a comment. */
static void echo_one(void *arg, const struct opt *o, const char *value,
		     enum opt_origin origin)
{
	if (o->kind == OPT_STRING && !*value)
		fprintf(arg, "# %s is not set\n", o->name);
	else
		fprintf(arg, "%s = %s\n", o->name, value);
}

void opt_echo(const struct opt_set *s, FILE *f)
{
	opt_each(s, echo_one, f);
}

#define HELP_COL 30             /* where explanations begin                   */
#define HELP_WIDTH 80

/* Print @text from column @col on, broken at blanks. */
static void print_wrapped(FILE *f, const char *text, int col)
{
	while (*text) {
		int len = (int)strcspn(text, " ");

		if (col > HELP_COL && col + 1 + len > HELP_WIDTH) {
			fprintf(f, "\n%*s", HELP_COL, "");
			col = HELP_COL;
		} else if (col > HELP_COL) {
			putc(' ', f);
			col++;
		}
		fprintf(f, "%.*s", len, text);
		col += len;
		text += len;
		text += strspn(text, " ");
	}
	putc('\n', f);
}

static void spell(const struct opt *o, char *buf, size_t size)
{
	char letter[8] = "";

	if (o->letter)
		snprintf(letter, sizeof(letter), "-%c, ", o->letter);
	if (o->kind == OPT_BOOL)
		snprintf(buf, size, "%s--%s", letter, o->name);
	else
		snprintf(buf, size, "%s--%s=%s", letter, o->name,
			 metavar_of(o));
}

static void explain(const struct opt *o, char *buf, size_t size)
{
	char lo[UNITS_MAX_TEXT], hi[UNITS_MAX_TEXT], names[256];
	enum unit_kind kind = unit_kind_of(o->kind);
	size_t n = (size_t)snprintf(buf, size, "%s", o->help ? o->help : "");

#define ADD(...) \
	do { \
		if (n < size) \
			n += (size_t)snprintf(buf + n, size - n, __VA_ARGS__); \
	} while (0)
	if (o->kind == OPT_ENUM)
		ADD(": %s", join_names(o->names, names, sizeof(names)));
	if (o->unit)
		ADD(", in %s", o->unit);
	if (o->kind == OPT_DOUBLE && (o->dmin != 0 || o->dmax != 0))
		ADD(", %s..%s", units_format_double(o->dmin, lo),
		    units_format_double(o->dmax, hi));
	else if (o->max)
		ADD(", %s..%s", units_format(kind, o->min, lo),
		    units_format(kind, o->max, hi));
	else if (o->min)
		ADD(", at least %s", units_format(kind, o->min, lo));
	if (o->kind == OPT_BOOL) {
		bool on = false;

		if (o->def)
			units_parse_bool(o->def, &on, NULL);
		if (on)
			ADD(" [yes; --no-%s]", o->name);
	} else if (o->def && *o->def) {
		ADD(" [%s]", o->def);
	}
	if (o->see)
		ADD(" (%s)", o->see);
#undef ADD
}

static const char *group_of(const struct slot *slot)
{
	return slot->o->group ? slot->o->group : "options";
}

static void help_group(const struct opt_set *s, size_t first, FILE *f)
{
	const char *group = group_of(&s->slots[first]);
	char word[96], text[768];

	fprintf(f, "%s:\n", group);
	for (size_t i = first; i < s->nr; i++) {
		const struct opt *o = s->slots[i].o;
		int col;

		if (strcmp(group_of(&s->slots[i]), group) != 0)
			continue;
		spell(o, word, sizeof(word));
		/* Options without a letter line up with those that have one. */
		col = fprintf(f, "  %s%s", o->letter ? "" : "    ", word);
		if (col >= HELP_COL - 1) {
			putc('\n', f);
			col = 0;
		}
		fprintf(f, "%*s", HELP_COL - col, "");
		explain(o, text, sizeof(text));
		print_wrapped(f, text, HELP_COL);
	}
}

void opt_help(const struct opt_set *s, FILE *f)
{
	for (size_t i = 0; i < s->nr; i++) {
		size_t k = 0;

		while (strcmp(group_of(&s->slots[k]), group_of(&s->slots[i])))
			k++;
		if (k == i)
			help_group(s, i, f);
	}
}
