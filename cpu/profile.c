/* profile.c - machines/NAME.ini: finding it and reading it, with the line of
 * every mistake.
 */
#include "cpu/profile.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/suggest.h"
#include "base/units.h"
#include "cpu/profile_builtin.h"

#define MAX_FILE_BYTES (1u << 20)
#define MAX_COST 1e9            /* in the cost's own unit                     */

/* ORDER tlb_index, ORDER tlb_repl */
static const char *const index_names[] = { "linear", "xor", NULL };
static const char *const repl_names[] = {
	"tree-plru", "mru1-3plru4", "lru", "fifo", "random", "nru",
	"lru-3plru4", NULL
};
_Static_assert(ARRAY_LEN(index_names) == NR_TLB_INDEX + 1, "ORDER tlb_index");
_Static_assert(ARRAY_LEN(repl_names) == NR_TLB_REPL + 1, "ORDER tlb_repl");

static const char *const cost_names[] = {
#define COST(id, name, unit, value, source) name,
#include "cpu/costs.def"
#undef COST
	NULL
};

static const char *const cost_units[] = {
#define COST(id, name, unit, value, source) unit,
#include "cpu/costs.def"
#undef COST
};

static const char *const sections[] = {
	"machine", "cost", "tlb.l1d_4k", "tlb.l1d_2m", "tlb.stlb", NULL
};
#define TLB_SECTION 2           /* the first of them, ORDER profile_tlb       */

enum machine_key { KEY_NAME, KEY_SUMMARY, KEY_TOPOLOGY, KEY_HZ,
		   NR_MACHINE_KEYS };
static const char *const machine_keys[] = {
	"name", "summary", "topology", "hz", NULL
};

enum tlb_key { KEY_ENTRIES, KEY_WAYS, KEY_SETS, KEY_SIZES, KEY_INDEX,
	       KEY_REPLACEMENT, KEY_SOURCE, NR_TLB_KEYS };
static const char *const tlb_keys[] = {
	"entries", "ways", "sets", "sizes", "index", "replacement", "source",
	NULL
};

const char *tlb_index_name(enum tlb_index index)
{
	return index_names[index];
}

const char *tlb_repl_name(enum tlb_repl repl)
{
	return repl_names[repl];
}

const char *machine_cost_name(enum cost cost)
{
	return cost_names[cost];
}

const char *machine_cost_unit(enum cost cost)
{
	return cost_units[cost];
}

/* --- reading ------------------------------------------------------------- */

struct parse {
	struct profile *p;
	const char *label;
	const char *text, *end; /* what is left to read                       */
	u32 line;               /* of the line read last, from 1              */
	bool is_indented;       /* it began with a blank                      */

	/* inih hands a continuation over as one more value of the same key;
	 * a value is complete only when the next key comes. */
	char section[64], key[64], value[1024];
	u32 key_line;           /* 0: nothing pending                         */

	/* Line that gave a key, 0: not given. */
	u32 machine_line[NR_MACHINE_KEYS];
	u32 tlb_line[NR_PROFILE_TLBS][NR_TLB_KEYS];
	u32 tlb_entries[NR_PROFILE_TLBS];

	int err;
	u32 err_line;
	struct err e;
};

#define FAIL(ps, at, ...) \
	((ps)->err_line = (at), (ps)->err = err_set(&(ps)->e, -EINVAL, __VA_ARGS__))

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
		FAIL(ps, ps->line, "the line has %zu bytes, at most %d are read; "
		     "continue it on an indented line", len, PROFILE_MAX_LINE);
		return NULL;
	}
	if (memchr(ps->text, '\0', len)) {
		FAIL(ps, ps->line, "a NUL byte: this is not a text file");
		return NULL;
	}
	ps->is_indented = len && isspace((unsigned char)*ps->text);
	memcpy(buf, ps->text, len);
	strcpy(buf + len, nl ? "\n" : "");
	ps->text += len + (nl != NULL);
	return buf;
}

static int find_name(const char *const *names, const char *word)
{
	for (int i = 0; names[i]; i++)
		if (!strcmp(names[i], word))
			return i;
	return -1;
}

static void unknown_key(struct parse *ps, const char *const *names)
{
	char hint[128];

	FAIL(ps, ps->key_line, "[%s] has no key '%s'%s", ps->section, ps->key,
	     suggest_text(ps->key, names, hint, sizeof(hint)));
}

static bool is_first(struct parse *ps, u32 *line)
{
	if (*line) {
		FAIL(ps, ps->key_line, "'%s' was given in line %u already",
		     ps->key, *line);
		return false;
	}
	*line = ps->key_line;
	return true;
}

static void copy_text(struct parse *ps, char *to, size_t size)
{
	size_t len = strlen(ps->value);

	if (!len)
		FAIL(ps, ps->key_line, "'%s' is empty", ps->key);
	else if (len >= size)
		FAIL(ps, ps->key_line, "'%s' has %zu bytes; at most %zu fit",
		     ps->key, len, size - 1);
	else
		memcpy(to, ps->value, len + 1);
}

/* "VALUE | source text": NULL when either is missing. */
static char *split_source(struct parse *ps, char **value)
{
	char *bar = strchr(ps->value, '|');
	char *source = NULL;

	if (bar) {
		*bar = '\0';
		source = trim(bar + 1);
	}
	*value = trim(ps->value);
	if (!source || !*source || !**value) {
		FAIL(ps, ps->key_line, "'%s' needs 'VALUE | where the value is "
		     "from', or '| assumed: why'", ps->key);
		return NULL;
	}
	return source;
}

static void set_machine(struct parse *ps)
{
	struct profile *p = ps->p;
	int key = find_name(machine_keys, ps->key);
	char *value, *source;

	if (key < 0) {
		unknown_key(ps, machine_keys);
		return;
	}
	if (!is_first(ps, &ps->machine_line[key]))
		return;
	switch ((enum machine_key)key) {
	case KEY_NAME:
		copy_text(ps, p->name, sizeof(p->name));
		break;
	case KEY_SUMMARY:
		copy_text(ps, p->summary, sizeof(p->summary));
		break;
	case KEY_TOPOLOGY:
		copy_text(ps, p->topology, sizeof(p->topology));
		break;
	case KEY_HZ:
		source = split_source(ps, &value);
		if (!source)
			return;
		if (units_parse_in(UNIT_HZ, value, 1000000, 100000000000,
				   &p->hz, NULL)) {
			FAIL(ps, ps->key_line, "hz: '%s' is not a frequency "
			     "from 1MHz to 100GHz", value);
			return;
		}
		p->hz_source = strdup(source);
		if (!p->hz_source)
			ps->err = -ENOMEM;
		break;
	case NR_MACHINE_KEYS:
		break;
	}
}

static void set_cost(struct parse *ps)
{
	int id = find_name(cost_names, ps->key);
	struct profile_cost *c;
	char *value, *source;

	if (id < 0) {
		unknown_key(ps, cost_names);
		return;
	}
	c = &ps->p->cost[id];
	if (c->source) {
		FAIL(ps, ps->key_line, "'%s' was given already", ps->key);
		return;
	}
	source = split_source(ps, &value);
	if (!source)
		return;
	if (units_parse_double(value, &c->value, NULL) ||
	    !(c->value >= 0 && c->value <= MAX_COST)) {
		FAIL(ps, ps->key_line, "%s: '%s' is not a number from 0 to %.0f "
		     "%s", ps->key, value, MAX_COST, cost_units[id]);
		return;
	}
	c->source = strdup(source);
	if (!c->source)
		ps->err = -ENOMEM;
}

static void set_count(struct parse *ps, u32 max, u32 *out)
{
	u64 v;

	if (units_parse_in(UNIT_COUNT, ps->value, 1, max, &v, NULL))
		FAIL(ps, ps->key_line, "%s: '%s' is not a whole number from 1 to "
		     "%u", ps->key, ps->value, max);
	else
		*out = (u32)v;
}

static void set_sizes(struct parse *ps, u32 *mask)
{
	static const char *const names[] = { "4k", "2m", "1g", NULL };
	char *save, *word;

	for (word = strtok_r(ps->value, ", \t", &save); word;
	     word = strtok_r(NULL, ", \t", &save)) {
		int bit = find_name(names, word);

		if (bit < 0) {
			FAIL(ps, ps->key_line, "sizes: '%s' is not one of 4k, "
			     "2m, 1g", word);
			return;
		}
		*mask |= 1u << bit;
	}
	if (!*mask)
		FAIL(ps, ps->key_line, "sizes: expected some of 4k, 2m, 1g");
}

static void set_index(struct parse *ps, struct tlb_geometry *geo)
{
	u64 bits;

	if (!strcmp(ps->value, "linear")) {
		geo->index = TLB_INDEX_LINEAR;
	} else if (!strncmp(ps->value, "xor-", 4) &&
		   !units_parse_in(UNIT_COUNT, ps->value + 4, 1, 16, &bits,
				   NULL)) {
		geo->index = TLB_INDEX_XOR;
		geo->index_bits = (u32)bits;
	} else {
		FAIL(ps, ps->key_line, "index: '%s' is neither linear nor xor-N "
		     "with N from 1 to 16", ps->value);
	}
}

static void set_replacement(struct parse *ps, struct tlb_geometry *geo)
{
	int repl = find_name(repl_names, ps->value);
	char hint[128];

	if (repl < 0)
		FAIL(ps, ps->key_line, "replacement: '%s' is not one of "
		     "tree-plru, mru1-3plru4, lru, fifo, random, nru, "
		     "lru-3plru4%s",
		     ps->value,
		     suggest_text(ps->value, repl_names, hint, sizeof(hint)));
	else
		geo->replacement = (enum tlb_repl)repl;
}

static void set_tlb(struct parse *ps, enum profile_tlb which)
{
	struct tlb_geometry *geo = &ps->p->tlb[which];
	int key = find_name(tlb_keys, ps->key);

	if (key < 0) {
		unknown_key(ps, tlb_keys);
		return;
	}
	if (!is_first(ps, &ps->tlb_line[which][key]))
		return;
	switch ((enum tlb_key)key) {
	case KEY_ENTRIES:
		set_count(ps, TLB_MAX_ENTRIES,
			  &ps->tlb_entries[which]);
		break;
	case KEY_WAYS:
		set_count(ps, TLB_MAX_WAYS, &geo->nr_ways);
		break;
	case KEY_SETS:
		set_count(ps, TLB_MAX_SETS, &geo->nr_sets);
		break;
	case KEY_SIZES:
		set_sizes(ps, &geo->page_sizes);
		break;
	case KEY_INDEX:
		set_index(ps, geo);
		break;
	case KEY_REPLACEMENT:
		set_replacement(ps, geo);
		break;
	case KEY_SOURCE:
		copy_text(ps, geo->source, sizeof(geo->source));
		break;
	case NR_TLB_KEYS:
		break;
	}
}

/* The pending key has all of its text. */
static void finish_key(struct parse *ps)
{
	int section = find_name(sections, ps->section);
	char hint[128];

	if (!ps->key_line || ps->err)
		return;
	if (section < 0)
		FAIL(ps, ps->key_line, "no section [%s] in a machine profile%s",
		     ps->section,
		     suggest_text(ps->section, sections, hint, sizeof(hint)));
	else if (section >= TLB_SECTION)
		set_tlb(ps, (enum profile_tlb)(section - TLB_SECTION));
	else if (section == 0)
		set_machine(ps);
	else
		set_cost(ps);
	ps->key_line = 0;
}

static int handle_key(void *arg, const char *section, const char *key,
		      const char *value)
{
	struct parse *ps = arg;
	size_t len = strlen(ps->value);

	if (ps->err)
		return 1;
	if (ps->key_line && ps->is_indented && !strcmp(ps->section, section) &&
	    !strcmp(ps->key, key)) {
		if (len + strlen(value) + 2 > sizeof(ps->value))
			FAIL(ps, ps->line, "'%s' is longer than %zu bytes", key,
			     sizeof(ps->value) - 1);
		else
			snprintf(ps->value + len, sizeof(ps->value) - len,
				 " %s", value);
		return 1;
	}
	finish_key(ps);
	snprintf(ps->section, sizeof(ps->section), "%s", section);
	snprintf(ps->key, sizeof(ps->key), "%s", key);
	snprintf(ps->value, sizeof(ps->value), "%s", value);
	ps->key_line = ps->line;
	return 1;
}

/* --- checks on the whole ------------------------------------------------- */

static u32 log2_u32(u32 v)
{
	u32 bits = 0;

	while (v >>= 1)
		bits++;
	return bits;
}

static void check_tlb(struct parse *ps, enum profile_tlb which)
{
	static const enum tlb_key needed[] = {
		KEY_ENTRIES, KEY_WAYS, KEY_SIZES, KEY_REPLACEMENT, KEY_SOURCE
	};
	struct tlb_geometry *geo = &ps->p->tlb[which];
	const char *section = sections[TLB_SECTION + which];
	const u32 *line = ps->tlb_line[which];
	u32 entries = ps->tlb_entries[which], last = 0;

	for (u32 i = 0; i < NR_TLB_KEYS; i++)
		last = line[i] > last ? line[i] : last;
	if (!last)
		return;                 /* the machine has no such array */
	for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
		if (line[needed[i]])
			continue;
		FAIL(ps, last, "[%s] ends without '%s'", section,
		     tlb_keys[needed[i]]);
		return;
	}
	if (!line[KEY_SETS])
		geo->nr_sets = entries / geo->nr_ways;
	if ((u64)geo->nr_sets * geo->nr_ways != entries) {
		FAIL(ps, line[KEY_ENTRIES], "[%s] entries = %u is not sets * "
		     "ways (%u ways%s)", section, entries, geo->nr_ways,
		     line[KEY_SETS] ? ", and sets as given" : "");
		return;
	}
	if (geo->nr_sets > TLB_MAX_SETS || geo->nr_sets & (geo->nr_sets - 1)) {
		FAIL(ps, line[KEY_ENTRIES], "[%s] makes %u sets; expected a "
		     "power of two from 1 to %u", section, geo->nr_sets,
		     TLB_MAX_SETS);
		return;
	}
	if (geo->index == TLB_INDEX_XOR &&
	    geo->index_bits != log2_u32(geo->nr_sets)) {
		FAIL(ps, line[KEY_INDEX], "[%s] index = xor-%u does not fit %u "
		     "sets; expected xor-%u", section, geo->index_bits,
		     geo->nr_sets, log2_u32(geo->nr_sets));
		return;
	}
	geo->index_bits = log2_u32(geo->nr_sets);
	snprintf(geo->name, sizeof(geo->name), "%s", section + strlen("tlb."));
	if (!tlb_geometry_is_valid(geo))
		FAIL(ps, line[KEY_REPLACEMENT], "[%s] replacement = %s does not "
		     "work with %u ways; tree-plru takes a power of two, "
		     "mru1-3plru4 and lru-3plru4: each takes 12", section,
		     repl_names[geo->replacement], geo->nr_ways);
}

static void check_whole(struct parse *ps)
{
	const struct tlb_geometry *tlb = ps->p->tlb;

	for (int i = 0; i < NR_MACHINE_KEYS && !ps->err; i++)
		if (!ps->machine_line[i])
			FAIL(ps, ps->line, "the file ends and [machine] has no "
			     "'%s'", machine_keys[i]);
	for (int i = 0; i < NR_PROFILE_TLBS && !ps->err; i++)
		check_tlb(ps, (enum profile_tlb)i);
	if (ps->err)
		return;
	if (!(tlb[PROFILE_L1D_4K].page_sizes & TLB_HOLDS_4K))
		FAIL(ps, ps->line, "the file ends without a [tlb.l1d_4k] that "
		     "holds 4k pages");
	else if (!((tlb[PROFILE_L1D_4K].page_sizes |
		    tlb[PROFILE_L1D_2M].page_sizes) & TLB_HOLDS_2M))
		FAIL(ps, ps->line, "the file ends and neither [tlb.l1d_2m] nor "
		     "[tlb.l1d_4k] holds 2m pages");
	else if (!tlb[PROFILE_STLB].nr_ways)
		FAIL(ps, ps->line, "the file ends without a [tlb.stlb]");
}

int profile_parse(struct profile **out, const char *label, const char *text,
		  size_t len, struct err *e)
{
	struct parse *ps = calloc(1, sizeof(*ps));
	int syntax, err;

	if (ps)
		ps->p = calloc(1, sizeof(*ps->p));
	if (!ps || !ps->p) {
		free(ps);
		return err_set(e, -ENOMEM, "%s: out of memory", label);
	}
	ps->text = text;
	ps->end = text + len;
	syntax = ini_parse_stream(read_line, ps, handle_key, ps);
	finish_key(ps);
	if (syntax > 0 && (!ps->err || (u32)syntax < ps->err_line))
		FAIL(ps, (u32)syntax, "expected '[section]' or 'KEY = VALUE'");
	else if (syntax < 0 && !ps->err)
		ps->err = -ENOMEM;
	if (!ps->err)
		check_whole(ps);

	err = ps->err;
	if (err == -ENOMEM)
		err_set(e, err, "%s: out of memory", label);
	else if (err)
		err_set(e, err, "%s:%u: %s", label, ps->err_line, ps->e.text);
	if (err)
		profile_free(ps->p);
	else
		*out = ps->p;
	free(ps);
	return err;
}

void profile_free(struct profile *p)
{
	if (!p)
		return;
	for (u32 i = 0; i < NR_COSTS; i++)
		free(p->cost[i].source);
	free(p->hz_source);
	free(p);
}

/* --- finding ------------------------------------------------------------- */

static bool is_path(const char *name)
{
	size_t len = strlen(name);

	return strchr(name, '/') ||
	       (len > 4 && !strcmp(name + len - 4, ".ini"));
}

#define NR_DIRS 4

/* The @i-th folder to look in, "" when it does not apply. */
static const char *search_dir(u32 i, char *buf, size_t size)
{
	const char *env = getenv("TLBEMU_MACHINES");
	ssize_t len;

	buf[0] = '\0';
	switch (i) {
	case 0:
		snprintf(buf, size, "%s", env ? env : "");
		break;
	case 1:
		snprintf(buf, size, "machines");
		break;
	default:
		len = readlink("/proc/self/exe", buf, size - 1);
		if (len <= 0)
			break;
		buf[len] = '\0';
		/* build/tlbemu: build/machines, then machines. */
		for (u32 up = 1; up < i; up++) {
			char *slash = strrchr(buf, '/');

			*(slash ? slash : buf) = '\0';
		}
		len = (ssize_t)strlen(buf);
		snprintf(buf + len, size - (size_t)len, "/machines");
	}
	return buf;
}

static int parse_file(struct profile **out, const char *path, struct err *e)
{
	char *text;
	size_t len;
	FILE *f = fopen(path, "r");
	int err;

	if (!f)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	text = malloc(MAX_FILE_BYTES + 1);
	if (!text) {
		fclose(f);
		return err_set(e, -ENOMEM, "%s: out of memory", path);
	}
	errno = 0;
	len = fread(text, 1, MAX_FILE_BYTES + 1, f);
	if (ferror(f))
		err = err_set(e, errno ? -errno : -EIO, "%s: %s", path,
			      strerror(errno ? errno : EIO));
	else if (len > MAX_FILE_BYTES)
		err = err_set(e, -EINVAL, "%s: larger than 1 MiB: not a machine "
			      "profile", path);
	else
		err = profile_parse(out, path, text, len, e);
	fclose(f);
	free(text);
	return err;
}

/* The file that @name stands for, or "". */
static const char *find_file(const char *name, char *path, size_t size)
{
	char dir[3000];

	for (u32 i = 0; i < NR_DIRS; i++) {
		if (!*search_dir(i, dir, sizeof(dir)))
			continue;
		if ((size_t)snprintf(path, size, "%s/%s.ini", dir, name) < size &&
		    access(path, F_OK) == 0)
			return path;
	}
	path[0] = '\0';
	return path;
}

static const struct profile_builtin *find_builtin(const char *name)
{
	for (size_t i = 0; i < nr_profile_builtin; i++)
		if (!strcmp(profile_builtin[i].name, name))
			return &profile_builtin[i];
	return NULL;
}

bool profile_exists(const char *name)
{
	char path[4096];

	if (!*name || strchr(name, '/'))
		return false;
	return *find_file(name, path, sizeof(path)) || find_builtin(name);
}

int profile_load(struct profile **out, const char *name, struct err *e)
{
	const struct profile_builtin *b;
	char path[4096], hint[128];
	char **names;

	if (is_path(name))
		return parse_file(out, name, e);
	if (*find_file(name, path, sizeof(path)))
		return parse_file(out, path, e);
	b = find_builtin(name);
	if (b) {
		snprintf(path, sizeof(path), "built-in %s.ini", name);
		return profile_parse(out, path, b->start,
				     (size_t)(b->end - b->start), e);
	}
	names = profile_names();
	err_set(e, -ENOENT, "no machine profile '%s'%s", name,
		names ? suggest_text(name, (const char *const *)names, hint,
				     sizeof(hint)) : "");
	free(names);
	return -ENOENT;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

#define MAX_NAMES 256
#define MAX_NAME 64

static void add_name(char **names, u32 *nr, const char *name, size_t len)
{
	char *to;

	if (!len || len >= MAX_NAME || *nr == MAX_NAMES)
		return;
	for (u32 i = 0; i < *nr; i++)
		if (strlen(names[i]) == len && !memcmp(names[i], name, len))
			return;
	to = (char *)(names + MAX_NAMES + 1) + (size_t)*nr * MAX_NAME;
	memcpy(to, name, len);
	to[len] = '\0';
	names[(*nr)++] = to;
}

char **profile_names(void)
{
	char **names = calloc(1, (MAX_NAMES + 1) * sizeof(*names) +
				 MAX_NAMES * MAX_NAME);
	char path[4096];
	u32 nr = 0;

	if (!names)
		return NULL;
	for (size_t i = 0; i < nr_profile_builtin; i++)
		add_name(names, &nr, profile_builtin[i].name,
			 strlen(profile_builtin[i].name));
	for (u32 i = 0; i < NR_DIRS; i++) {
		struct dirent *d;
		DIR *dir = opendir(search_dir(i, path, sizeof(path)));

		while (dir && (d = readdir(dir))) {
			size_t len = strlen(d->d_name);

			if (len > 4 && !strcmp(d->d_name + len - 4, ".ini"))
				add_name(names, &nr, d->d_name, len - 4);
		}
		if (dir)
			closedir(dir);
	}
	qsort(names, nr, sizeof(*names), compare_names);
	return names;
}
