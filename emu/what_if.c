/* what_if.c - the text of a sweep, as points. */
#include "emu/what_if.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/suggest.h"
#include "base/units.h"
#include "cpu/machine.h"

const char *const uses_names[] = { "data", "fetch", "all", NULL };
const char *const what_if_page_names[] = { "4k", "2m", "1g", NULL };
const u8 what_if_orders[NR_WHAT_IF_PAGES] = { 0, 9, 18 };

/* ORDER keys */
enum key { KEY_ENTRIES, KEY_WAYS, KEY_PAGE, KEY_INDEX, KEY_REPLACEMENT,
	   KEY_USES, KEY_BEHIND, NR_KEYS };
static const char *const key_names[] = {
	"entries", "ways", "page", "index", "replacement", "uses", "behind",
	NULL
};

static const char *const index_names[] = { "linear", "xor", NULL };
static const enum tlb_index index_of[] = { TLB_INDEX_LINEAR, TLB_INDEX_XOR };

#define MAX_VALUES 64u
#define FULL 0u                 /* ways                                       */

struct list {
	u64 v[MAX_VALUES];
	u32 n;
};

struct spec {
	struct list list[NR_KEYS];
	char *behind;
};

/* ---- values ----------------------------------------------------------------- */

static int add(struct list *l, enum key key, u64 value, struct err *e)
{
	for (u32 i = 0; i < l->n; i++)
		if (l->v[i] == value)
			return 0;
	if (l->n == MAX_VALUES)
		return err_set(e, -EINVAL, "%s: more than %u values",
			       key_names[key], MAX_VALUES);
	l->v[l->n++] = value;
	return 0;
}

static int add_range(struct list *l, enum key key, const char *text, u64 max,
		     struct err *e)
{
	u64 lo, hi;
	int rc = units_parse_range(UNIT_COUNT, text, &lo, &hi, e);

	if (rc)
		return err_prefix(e, rc, "%s: ", key_names[key]);
	if (lo < 1 || hi > max)
		return err_set(e, -EINVAL, "%s: '%s' is not within 1..%llu",
			       key_names[key], text, (unsigned long long)max);
	for (u64 v = lo; v < hi && !rc; v *= 2)
		rc = add(l, key, v, e);
	return rc ? rc : add(l, key, hi, e);
}

static int add_name(struct list *l, enum key key, const char *text,
		    const char *const *names, struct err *e)
{
	char hint[128];

	for (u32 i = 0; names[i]; i++)
		if (!strcmp(names[i], text))
			return add(l, key, i, e);
	suggest_text(text, names, hint, sizeof(hint));
	return err_set(e, -EINVAL, "%s: '%s' is none of its values%s",
		       key_names[key], text, hint);
}

static int add_repl(struct list *l, const char *text, struct err *e)
{
	const char *names[NR_TLB_REPL + 1] = { NULL };

	for (u32 i = 0; i < NR_TLB_REPL; i++)
		names[i] = tlb_repl_name((enum tlb_repl)i);
	return add_name(l, KEY_REPLACEMENT, text, names, e);
}

static int add_value(struct spec *s, enum key key, const char *text,
		     struct err *e)
{
	struct list *l = &s->list[key];

	switch (key) {
	case KEY_ENTRIES:
		return add_range(l, key, text,
				 (u64)TLB_MAX_SETS * TLB_MAX_WAYS, e);
	case KEY_WAYS:
		if (!strcmp(text, "full"))
			return add(l, key, FULL, e);
		return add_range(l, key, text, UINT32_MAX, e);
	case KEY_PAGE:
		return add_name(l, key, text, what_if_page_names, e);
	case KEY_INDEX:
		return add_name(l, key, text, index_names, e);
	case KEY_REPLACEMENT:
		return add_repl(l, text, e);
	case KEY_USES:
		return add_name(l, key, text, uses_names, e);
	default:
		if (s->behind)
			return err_set(e, -EINVAL, "behind: one design, found "
				       "'%s' and '%s'", s->behind, text);
		s->behind = strdup(text);
		return s->behind ? 0 : err_set(e, -ENOMEM, "out of memory");
	}
}

/* "key=a,b,key=c": a word without '=' is one more value of the key before. */
static int parse_word(struct spec *s, char *word, int *key, struct err *e)
{
	char *eq = strchr(word, '='), hint[128];

	if (eq) {
		*eq = '\0';
		for (*key = 0; *key < NR_KEYS; ++*key)
			if (!strcmp(key_names[*key], word))
				break;
		if (*key == NR_KEYS)
			return err_set(e, -EINVAL, "'%s': no such key%s; keys "
				       "are entries, ways, page, index, "
				       "replacement, uses, behind", word,
				       suggest_text(word, key_names, hint,
						    sizeof(hint)));
		word = eq + 1;
	}
	if (*key < 0)
		return err_set(e, -EINVAL, "'%s': expected key=value, as in "
			       "entries=16..4096,ways=4,full", word);
	if (!*word)
		return err_set(e, -EINVAL, "%s: a value is missing",
			       key_names[*key]);
	return add_value(s, (enum key)*key, word, e);
}

static int parse(struct spec *s, const char *text, struct err *e)
{
	char *copy = strdup(text), *rest = copy, *word;
	int rc = copy ? 0 : err_set(e, -ENOMEM, "out of memory"), key = -1;

	while (!rc && (word = strsep(&rest, ",")))
		rc = parse_word(s, word, &key, e);
	free(copy);
	return rc;
}

static int by_value(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static int defaults(struct spec *s, struct err *e)
{
	static const u64 otherwise[NR_KEYS] = {
		[KEY_WAYS] = FULL, [KEY_PAGE] = WHAT_IF_4K, [KEY_INDEX] = 0,
		[KEY_REPLACEMENT] = TLB_REPL_LRU, [KEY_USES] = USES_DATA,
	};

	if (!s->list[KEY_ENTRIES].n)
		return err_set(e, -EINVAL, "entries are missing, as in "
			       "entries=16..4096");
	for (u32 k = KEY_WAYS; k < KEY_BEHIND; k++)
		if (!s->list[k].n)
			s->list[k].v[s->list[k].n++] = otherwise[k];
	qsort(s->list[KEY_ENTRIES].v, s->list[KEY_ENTRIES].n, sizeof(u64),
	      by_value);
	return 0;
}

/* ---- points --------------------------------------------------------------------- */

/* An array of this shape, as a profile would state it. */
static bool is_array_shape(const struct what_if_point *p)
{
	const struct tlb_geometry geo = {
		.nr_sets = p->sets,
		.nr_ways = p->ways,
		.page_sizes = 1u << p->page,
		.index = p->index,
		.index_bits = (u32)__builtin_ctz(p->sets),
		.replacement = p->replacement,
		.level = 1,
		.serves = TLB_SERVES_DATA | TLB_SERVES_FETCH,
	};

	return tlb_geometry_is_valid(&geo);
}

static bool is_shape(const struct what_if_point *p)
{
	if (p->entries % p->ways || p->entries / p->ways > TLB_MAX_SETS)
		return false;
	if (p->index == TLB_INDEX_XOR && (p->sets & (p->sets - 1)))
		return false;
	return p->is_stack || is_array_shape(p);
}

static void leave_out(struct what_if *w, const struct what_if_point *p)
{
	if (!w->nr_left_out++)
		snprintf(w->left_out, sizeof(w->left_out),
			 "%llu entries in %u ways, %s, %s",
			 (unsigned long long)p->entries, p->ways,
			 index_names[p->index == TLB_INDEX_XOR],
			 tlb_repl_name(p->replacement));
}

static int add_point(struct what_if *w, struct what_if_point p, struct err *e)
{
	if (p.ways <= p.entries)
		p.sets = (u32)(p.entries / p.ways);
	p.is_stack = p.replacement == TLB_REPL_LRU;
	if (!p.sets || !is_shape(&p)) {
		leave_out(w, &p);
		return 0;
	}
	if (w->nr == WHAT_IF_MAX_POINTS)
		return err_set(e, -EINVAL, "more than %u points",
			       WHAT_IF_MAX_POINTS);
	w->point[w->nr++] = p;
	return 0;
}

/* The one that varies fastest comes last: a curve is a block of rows. */
static int make_points(struct what_if *w, const struct spec *s, struct err *e)
{
	const struct list *l = s->list;
	u64 all = 1;
	int rc = 0;

	for (u32 k = 0; k < KEY_BEHIND; k++)
		all *= l[k].n;
	for (u64 i = 0; i < all && !rc; i++) {
		u64 rest = i, v[KEY_BEHIND];
		static const enum key order[] = {
			KEY_ENTRIES, KEY_WAYS, KEY_INDEX, KEY_REPLACEMENT,
			KEY_USES, KEY_PAGE,
		};

		for (u32 k = 0; k < ARRAY_LEN(order); k++) {
			v[order[k]] = l[order[k]].v[rest % l[order[k]].n];
			rest /= l[order[k]].n;
		}
		rc = add_point(w, (struct what_if_point){
			.entries = v[KEY_ENTRIES],
			.ways = (u32)(v[KEY_WAYS] == FULL ? v[KEY_ENTRIES]
							  : v[KEY_WAYS]),
			.index = index_of[v[KEY_INDEX]],
			.replacement = (enum tlb_repl)v[KEY_REPLACEMENT],
			.uses = (enum uses)v[KEY_USES],
			.page = (u32)v[KEY_PAGE],
		}, e);
	}
	if (!rc && !w->nr)
		rc = err_set(e, -EINVAL, "no combination is a TLB (the first "
			     "is %s)", w->left_out);
	return rc;
}

int what_if_parse(struct what_if *w, const char *spec, struct err *e)
{
	struct spec s = { 0 };
	int rc = parse(&s, spec, e);

	memset(w, 0, sizeof(*w));
	w->behind = s.behind;
	if (!rc)
		rc = defaults(&s, e);
	if (!rc) {
		w->point = calloc(WHAT_IF_MAX_POINTS, sizeof(*w->point));
		rc = w->point ? make_points(w, &s, e)
			      : err_set(e, -ENOMEM, "out of memory");
	}
	return rc;
}

void what_if_release(struct what_if *w)
{
	free(w->point);
	free(w->behind);
	memset(w, 0, sizeof(*w));
}

bool uses_has(enum uses uses, const struct run *r)
{
	return uses == USES_ALL ||
		(r->op == RUN_FETCH) == (uses == USES_FETCH);
}
