/* profile.c - machines/NAME.ini: reading it, with the line of every mistake.
 */
#include "cpu/profile.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/suggest.h"
#include "base/units.h"
#include "cpu/profile_parse.h"

#define MAX_COST 1e9            /* in the cost's own unit                     */
#define MAX_KEYS 1024u          /* in one profile                             */

static const struct {
	const char *name, *unit, *source;
	double value;
} cost_info[NR_COSTS] = {
#define COST(id, name, unit, value, source) { name, unit, source, value },
#include "cpu/costs.def"
#undef COST
};

static const char *const cost_names[] = {
#define COST(id, name, unit, value, source) name,
#include "cpu/costs.def"
#undef COST
	NULL
};

enum machine_key { KEY_NAME, KEY_SUMMARY, KEY_TOPOLOGY, KEY_HZ, KEY_ARCH,
		   KEY_FEATURES };
/* The features follow, ORDER machine_feature. */
static const char *const machine_keys[] = {
	"name", "summary", "topology", "hz", "arch",
	"pcid", "invpcid", "invlpgb", "tce", "la57", "rar",
	"tlbi_range", "hafdbs", "bbml1", "bbml2",
	"svinval", "svnapot", "svadu", "svvptc", "sv57", NULL
};
_Static_assert(ARRAY_LEN(machine_keys) == KEY_FEATURES + NR_MACHINE_FEATURES + 1,
	       "ORDER machine_feature");

const char *machine_cost_name(enum cost cost)
{
	return cost_info[cost].name;
}

const char *machine_cost_unit(enum cost cost)
{
	return cost_info[cost].unit;
}

const char *machine_feature_name(enum machine_feature feature)
{
	return machine_keys[KEY_FEATURES + feature];
}

/* --- shared with the files of the sections --------------------------------- */

void parse_fail(struct parse *ps, u32 line, const char *fmt, ...)
{
	va_list ap;

	if (ps->err)
		return;
	ps->err = -EINVAL;
	ps->err_line = line;
	va_start(ap, fmt);
	vsnprintf(ps->e.text, sizeof(ps->e.text), fmt, ap);
	va_end(ap);
}

int parse_find(const char *const *names, const char *word)
{
	for (int i = 0; names[i]; i++)
		if (!strcmp(names[i], word))
			return i;
	return -1;
}

void parse_unknown_key(struct parse *ps, const char *const *names)
{
	char hint[128];

	parse_fail(ps, ps->key_line, "[%s] has no key '%s'%s", ps->section,
		   ps->key, suggest_text(ps->key, names, hint, sizeof(hint)));
}

u32 parse_line_of(const struct parse *ps, const char *section, const char *key)
{
	for (u32 i = 0; i < ps->nr_given; i++)
		if (!strcmp(ps->given[i].section, section) &&
		    !strcmp(ps->given[i].key, key))
			return ps->given[i].line;
	return 0;
}

u32 parse_last_line(const struct parse *ps, const char *section)
{
	u32 last = 0;

	for (u32 i = 0; i < ps->nr_given; i++)
		if (!strcmp(ps->given[i].section, section))
			last = ps->given[i].line;
	return last;
}

bool parse_u32(struct parse *ps, u32 min, u32 max, u32 *out)
{
	u64 v;

	if (units_parse_in(UNIT_COUNT, ps->value, min, max, &v, NULL)) {
		parse_fail(ps, ps->key_line, "%s: '%s' is not a whole number "
			   "from %u to %u", ps->key, ps->value, min, max);
		return false;
	}
	*out = (u32)v;
	return true;
}

bool parse_bool(struct parse *ps, bool *out)
{
	if (!units_parse_bool(ps->value, out, NULL))
		return true;
	parse_fail(ps, ps->key_line, "%s: '%s' is neither yes nor no", ps->key,
		   ps->value);
	return false;
}

static struct machine_value *new_value(struct parse *ps)
{
	struct profile *p = ps->p;
	struct machine_value *v;

	/* Grown by doubling: at 0, 1, 2, 4 ... */
	if (!(p->nr_values & (p->nr_values - 1))) {
		size_t n = p->nr_values ? 2 * (size_t)p->nr_values : 1;

		v = realloc(p->value, n * sizeof(*v));
		if (!v) {
			ps->err = -ENOMEM;
			return NULL;
		}
		p->value = v;
	}
	v = &p->value[p->nr_values++];
	memset(v, 0, sizeof(*v));
	return v;
}

static bool has_sections_name(const char *section)
{
	return strcmp(section, "machine") && strcmp(section, "cost");
}

void parse_keep(struct parse *ps, enum machine_part part, u32 index,
		const char *unit)
{
	struct machine_value *v = ps->err ? NULL : new_value(ps);

	if (!v)
		return;
	if (has_sections_name(ps->section))
		snprintf(v->key, sizeof(v->key), "%.28s.%.18s", ps->section,
			 ps->key);
	else
		snprintf(v->key, sizeof(v->key), "%.47s", ps->key);
	snprintf(v->text, sizeof(v->text), "%.255s", ps->value);
	v->part = part;
	v->index = index;
	v->unit = unit;
	if (!ps->source)
		return;
	v->source = strdup(ps->source);
	if (!v->source)
		ps->err = -ENOMEM;
}

void parse_default(struct parse *ps, enum machine_part part, u32 index,
		   const char *key, const char *text, const char *unit,
		   const char *source)
{
	struct machine_value *v = ps->err ? NULL : new_value(ps);

	if (!v)
		return;
	snprintf(v->key, sizeof(v->key), "%s", key);
	snprintf(v->text, sizeof(v->text), "%s", text);
	v->part = part;
	v->index = index;
	v->unit = unit;
	v->source = strdup(source);
	if (!v->source)
		ps->err = -ENOMEM;
}

const char *parse_source_of(const struct parse *ps, const char *section,
			    const char *key)
{
	const struct profile *p = ps->p;
	size_t len = strlen(section);

	for (u32 i = 0; i < p->nr_values; i++) {
		const struct machine_value *v = &p->value[i];

		if (!strncmp(v->key, section, len) && v->key[len] == '.' &&
		    !strcmp(v->key + len + 1, key))
			return v->source ? v->source : "";
	}
	return "";
}

/* --- reading ------------------------------------------------------------- */

static char *trim(char *s)
{
	char *end = s + strlen(s);

	while (isspace((unsigned char)*s))
		s++;
	while (end > s && isspace((unsigned char)end[-1]))
		*--end = '\0';
	return s;
}

/* One line for inih, which itself would split what is too long. */
static char *read_line(char *buf, int size, void *arg)
{
	struct parse *ps = arg;
	size_t left = (size_t)(ps->end - ps->text), len;
	const char *nl;

	if (ps->err || !left)
		return NULL;
	ps->line++;
	nl = memchr(ps->text, '\n', left);
	len = nl ? (size_t)(nl - ps->text) : left;
	if (len > PROFILE_MAX_LINE || len + 2 > (size_t)size) {
		parse_fail(ps, ps->line, "the line has %zu bytes, at most %d "
			   "are read; continue it on an indented line", len,
			   PROFILE_MAX_LINE);
		return NULL;
	}
	if (memchr(ps->text, '\0', len)) {
		parse_fail(ps, ps->line, "a NUL byte: this is not a text file");
		return NULL;
	}
	ps->is_indented = len && isspace((unsigned char)*ps->text);
	memcpy(buf, ps->text, len);
	strcpy(buf + len, nl ? "\n" : "");
	ps->text += len + (nl != NULL);
	return buf;
}

/* Remember that the key was given; false: it was already, or no memory. */
static bool is_first(struct parse *ps)
{
	u32 before = parse_line_of(ps, ps->section, ps->key);
	struct parse_given *g;

	if (before) {
		parse_fail(ps, ps->key_line, "'%s' was given in line %u already",
			   ps->key, before);
		return false;
	}
	if (ps->nr_given == MAX_KEYS) {
		parse_fail(ps, ps->key_line, "more than %u keys", MAX_KEYS);
		return false;
	}
	g = &ps->given[ps->nr_given++];
	memcpy(g->section, ps->section, sizeof(g->section));
	memcpy(g->key, ps->key, sizeof(g->key));
	g->line = ps->key_line;
	return true;
}

static void copy_text(struct parse *ps, char *to, size_t size)
{
	size_t len = strlen(ps->value);

	if (len >= size)
		parse_fail(ps, ps->key_line, "'%s' has %zu bytes; at most %zu "
			   "fit", ps->key, len, size - 1);
	else
		memcpy(to, ps->value, len + 1);
}

/* One source speaks for one value: "published: A; assumed: B" would hide B. */
static void check_source(struct parse *ps, const char *source)
{
	const char *more = strstr(source, "assumed:");

	if (more && more != source)
		parse_fail(ps, ps->key_line, "'%s': a source that holds "
			   "'assumed:' must begin with it; what is assumed "
			   "needs a '| assumed: why' of its own", ps->key);
}

/* "VALUE | source text", both parts in ps; the source may be left out. */
static void split_source(struct parse *ps)
{
	char *bar = strchr(ps->whole, '|');

	ps->source = NULL;
	if (bar) {
		*bar = '\0';
		ps->source = trim(bar + 1);
	}
	ps->value = trim(ps->whole);
	if (bar && (!*ps->source || !*ps->value))
		parse_fail(ps, ps->key_line, "'%s' needs 'VALUE | where the "
			   "value is from', or '| assumed: why'", ps->key);
	else if (bar)
		check_source(ps, ps->source);
}

static void need_source(struct parse *ps)
{
	if (!ps->source)
		parse_fail(ps, ps->key_line, "'%s' needs 'VALUE | where the "
			   "value is from', or '| assumed: why'", ps->key);
}

static void set_arch(struct parse *ps)
{
	for (u32 i = 0; i < NR_ARCHS; i++)
		if (!strcmp(ps->value, arch_rules[i].name)) {
			ps->p->arch = (enum arch)i;
			return;
		}
	parse_fail(ps, ps->key_line, "arch: '%s' is not one of x86, arm, riscv",
		   ps->value);
}

static void set_feature(struct parse *ps, enum machine_feature feature)
{
	bool yes = false;

	if (feature == FEATURE_INVLPGB)
		parse_u32(ps, 0, 65536, &ps->p->feature[feature]);
	else if (parse_bool(ps, &yes))
		ps->p->feature[feature] = yes;
	parse_keep(ps, PART_MACHINE, KEY_FEATURES + feature,
		   feature == FEATURE_INVLPGB ? "pages" : "");
}

static void set_machine(struct parse *ps)
{
	struct profile *p = ps->p;
	int key = parse_find(machine_keys, ps->key);

	if (key < 0) {
		parse_unknown_key(ps, machine_keys);
		return;
	}
	if (key == KEY_NAME || key == KEY_SUMMARY) {
		copy_text(ps, key == KEY_NAME ? p->name : p->summary,
			  key == KEY_NAME ? sizeof(p->name)
					  : sizeof(p->summary));
		return;
	}
	need_source(ps);
	if (ps->err)
		return;
	if (key >= KEY_FEATURES) {
		set_feature(ps, (enum machine_feature)(key - KEY_FEATURES));
		return;
	}
	if (key == KEY_TOPOLOGY)
		copy_text(ps, p->topology, sizeof(p->topology));
	else if (key == KEY_ARCH)
		set_arch(ps);
	else if (units_parse_in(UNIT_HZ, ps->value, 1000000, 100000000000,
				&p->hz, NULL))
		parse_fail(ps, ps->key_line, "hz: '%s' is not a frequency from "
			   "1MHz to 100GHz", ps->value);
	parse_keep(ps, PART_MACHINE, (u32)key, "");
}

static void set_cost(struct parse *ps)
{
	int id = parse_find(cost_names, ps->key);
	double *cost;

	if (id < 0) {
		parse_unknown_key(ps, cost_names);
		return;
	}
	need_source(ps);
	if (ps->err)
		return;
	cost = &ps->p->cost[id];
	if (units_parse_double(ps->value, cost, NULL) ||
	    !(*cost >= 0 && *cost <= MAX_COST))
		parse_fail(ps, ps->key_line, "%s: '%s' is not a number from 0 "
			   "to %.0f %s", ps->key, ps->value, MAX_COST,
			   cost_info[id].unit);
	ps->cost_source[id] = strdup(ps->source);
	if (!ps->cost_source[id])
		ps->err = -ENOMEM;
}

/* The source of all keys of the section that have none of their own. */
static void set_section_source(struct parse *ps)
{
	ps->value = trim(ps->whole);
	if (!*ps->value) {
		parse_fail(ps, ps->key_line, "'source' is empty");
		return;
	}
	check_source(ps, ps->value);
	ps->given[ps->nr_given - 1].source = strdup(ps->value);
	if (!ps->given[ps->nr_given - 1].source)
		ps->err = -ENOMEM;
}

static void (*section_of(const char *name))(struct parse *)
{
	static const struct {
		const char *name;
		void (*set)(struct parse *);
	} sections[] = {
		{ "machine", set_machine }, { "cost", set_cost },
		{ "tlb", parse_tlb_design }, { "psc", parse_psc },
		{ "memory", parse_memory },
		{ "walker", parse_walker }, { "cache.l1d", parse_cache },
		{ "cache.l2", parse_cache }, { "cache.llc", parse_cache },
	};

	if (!strncmp(name, "tlb.", 4))
		return parse_tlb_array;
	for (size_t i = 0; i < ARRAY_LEN(sections); i++)
		if (!strcmp(name, sections[i].name))
			return sections[i].set;
	return NULL;
}

static void unknown_section(struct parse *ps)
{
	static const char *const names[] = {
		"machine", "cost", "tlb", "tlb.NAME", "psc", "walker",
		"memory",
		"cache.l1d", "cache.l2", "cache.llc", NULL
	};
	char hint[128];

	parse_fail(ps, ps->key_line, "no section [%s] in a machine profile%s",
		   ps->section,
		   suggest_text(ps->section, names, hint, sizeof(hint)));
}

static void set_value(struct parse *ps, void (*set)(struct parse *))
{
	/* The one text that may hold anything. */
	if (!strcmp(ps->section, "machine") && !strcmp(ps->key, "summary"))
		ps->value = trim(ps->whole);
	else
		split_source(ps);
	if (!*ps->value)
		parse_fail(ps, ps->key_line, "'%s' is empty", ps->key);
	if (!ps->err)
		set(ps);
}

/* The pending key has all of its text. */
static void finish_key(struct parse *ps)
{
	void (*set)(struct parse *) = section_of(ps->section);

	if (!ps->key_line || ps->err)
		return;
	if (!set)
		unknown_section(ps);
	else if (is_first(ps) && has_sections_name(ps->section) &&
		 !strcmp(ps->key, "source"))
		set_section_source(ps);
	else if (!ps->err)
		set_value(ps, set);
	ps->key_line = 0;
}

static int handle_key(void *arg, const char *section, const char *key,
		      const char *value)
{
	struct parse *ps = arg;
	size_t len = strlen(ps->whole);

	if (ps->err)
		return 1;
	if (ps->key_line && ps->is_indented && !strcmp(ps->section, section) &&
	    !strcmp(ps->key, key)) {
		if (len + strlen(value) + 2 > sizeof(ps->whole))
			parse_fail(ps, ps->line, "'%s' is longer than %zu bytes",
				   key, sizeof(ps->whole) - 1);
		else
			snprintf(ps->whole + len, sizeof(ps->whole) - len,
				 " %s", value);
		return 1;
	}
	finish_key(ps);
	snprintf(ps->section, sizeof(ps->section), "%s", section);
	snprintf(ps->key, sizeof(ps->key), "%s", key);
	snprintf(ps->whole, sizeof(ps->whole), "%s", value);
	ps->key_line = ps->line;
	return 1;
}

/* --- checks on the whole ------------------------------------------------- */

/* [SECTION] of "SECTION.KEY", and its key "source". */
static const char *section_source(const struct parse *ps, const char *key)
{
	size_t len = (size_t)(strrchr(key, '.') - key);

	for (u32 i = 0; i < ps->nr_given; i++)
		if (ps->given[i].source && !strncmp(ps->given[i].section, key, len) &&
		    !ps->given[i].section[len])
			return ps->given[i].source;
	return NULL;
}

/* Values without a source take that of their section. */
static void fill_sources(struct parse *ps)
{
	for (u32 i = 0; i < ps->p->nr_values && !ps->err; i++) {
		struct machine_value *v = &ps->p->value[i];
		const char *dot = strrchr(v->key, '.'), *source;
		char section[48];

		if (v->source)
			continue;
		source = section_source(ps, v->key);
		snprintf(section, sizeof(section), "%.*s", (int)(dot - v->key),
			 v->key);
		if (!source) {
			parse_fail(ps, parse_line_of(ps, section, dot + 1),
				   "[%s] ends without 'source', and '%s' has no "
				   "'| where the value is from'", section,
				   dot + 1);
			return;
		}
		v->source = strdup(source);
		if (!v->source)
			ps->err = -ENOMEM;
	}
}

/* A default was published of some machine, but hardly of this one. */
static void default_cost(struct parse *ps, u32 id)
{
	const char *source = cost_info[id].source;
	char text[512];

	ps->p->cost[id] = cost_info[id].value;
	snprintf(text, sizeof(text), "%s%s", machine_is_assumed(source) ? "" :
		 "assumed: not given for this machine; ", source);
	ps->cost_source[id] = strdup(text);
	if (!ps->cost_source[id])
		ps->err = -ENOMEM;
}

/* The costs come last, and all of them. */
static void fill_costs(struct parse *ps)
{
	for (u32 i = 0; i < NR_COSTS && !ps->err; i++) {
		char number[UNITS_MAX_TEXT];

		if (!ps->cost_source[i])
			default_cost(ps, i);
		if (ps->err)
			return;
		units_format_double(ps->p->cost[i], number);
		parse_default(ps, PART_COST, i, cost_names[i], number,
			      cost_info[i].unit, ps->cost_source[i]);
	}
}

static void check_whole(struct parse *ps)
{
	for (int i = 0; i < KEY_FEATURES && !ps->err; i++)
		if (!parse_line_of(ps, "machine", machine_keys[i]))
			parse_missing(ps, ps->line, "machine",
				      machine_keys[i]);
	if (!ps->err)
		fill_sources(ps);
	if (!ps->err)
		parse_check_tlbs(ps);
	if (!ps->err)
		parse_check_walks(ps);
	if (!ps->err)
		fill_costs(ps);
}

static void parse_free(struct parse *ps)
{
	for (u32 i = 0; i < ps->nr_given; i++)
		free(ps->given[i].source);
	for (u32 i = 0; i < NR_COSTS; i++)
		free(ps->cost_source[i]);
	free(ps->given);
	free(ps);
}

static void parse_all(struct parse *ps)
{
	int syntax = ini_parse_stream(read_line, ps, handle_key, ps);

	finish_key(ps);
	if (syntax > 0 && (!ps->err || (u32)syntax < ps->err_line)) {
		ps->err = 0;
		parse_fail(ps, (u32)syntax, "expected '[section]' or "
			   "'KEY = VALUE'");
	} else if (syntax < 0 && !ps->err) {
		ps->err = -ENOMEM;
	}
	if (!ps->err)
		check_whole(ps);
}

int profile_parse(struct profile **out, const char *label, const char *text,
		  size_t len, struct err *e)
{
	struct parse *ps = calloc(1, sizeof(*ps));
	struct profile *p = calloc(1, sizeof(*p));
	struct parse_given *given = calloc(MAX_KEYS, sizeof(*given));
	int err;

	if (!ps || !p || !given) {
		free(ps);
		free(p);
		free(given);
		return err_set(e, -ENOMEM, "%s: out of memory", label);
	}
	ps->p = p;
	ps->given = given;
	ps->text = text;
	ps->end = text + len;
	parse_all(ps);
	err = ps->err;
	if (err == -ENOMEM)
		err_set(e, err, "%s: out of memory", label);
	else if (err)
		err_set(e, err, "%s:%u: %s", label, ps->err_line, ps->e.text);
	if (err)
		profile_free(p);
	else
		*out = p;
	parse_free(ps);
	return err;
}

void profile_free(struct profile *p)
{
	if (!p)
		return;
	for (u32 i = 0; i < p->nr_values; i++)
		free(p->value[i].source);
	free(p->value);
	free(p);
}
