#include "emu/sweep_grid.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"

/* ---- one value -------------------------------------------------------------- */

struct wanted {
	const struct opt *o;
	char **text;            /* a copy of the value, NULL: not seen        */
};

static void find_value(void *arg, const struct opt *o, const char *value,
		       enum opt_origin origin)
{
	struct wanted *w = arg;

	if (o == w->o)
		*w->text = strdup(value);
}

/* Through the option and back, so that one value has one spelling. */
static int add_value(struct sweep_axis *a, struct opt_set *s,
		     enum opt_origin origin, const char *text, struct err *e)
{
	char *spelled = NULL;
	char **more;
	int rc = opt_assign(s, a->o->name, text, origin, e);

	if (rc)
		return rc;
	opt_each(s, find_value, &(struct wanted){ a->o, &spelled });
	more = realloc(a->value, (a->nr + 1) * sizeof(*more));
	if (more)
		a->value = more;
	if (!spelled || !more) {
		free(spelled);
		return err_set(e, -ENOMEM, "out of memory");
	}
	for (u32 i = 0; i < a->nr; i++)
		if (!strcmp(a->value[i], spelled)) {
			free(spelled);
			return err_set(e, -EINVAL, "%s: the value %s is there "
				       "twice", a->o->name, a->value[i]);
		}
	if (a->nr == SWEEP_MAX_VALUES) {
		free(spelled);
		return err_set(e, -E2BIG, "%s: more than %u values",
			       a->o->name, a->nr);
	}
	a->value[a->nr++] = spelled;
	return 0;
}

/* ---- ranges ------------------------------------------------------------------- */

static bool unit_of(const struct opt *o, enum unit_kind *kind)
{
	switch (o->kind) {
	case OPT_U32:
	case OPT_U64:
		*kind = UNIT_COUNT;
		return true;
	case OPT_SIZE:
		*kind = UNIT_BYTES;
		return true;
	case OPT_TIME_NS:
		*kind = UNIT_NS;
		return true;
	case OPT_HZ:
		*kind = UNIT_HZ;
		return true;
	default:
		return false;
	}
}

struct range {
	u64 lo, hi, step;
	bool multiplies;
};

/* "LO..HI", "LO..HI:STEP" or "LO..HI*FACTOR", cut up in @text. */
static int parse_range(enum unit_kind kind, char *text, struct range *r,
		       struct err *e)
{
	char *hi = strstr(text, ".."), *step;
	int rc;

	*hi = '\0';
	hi += 2;
	step = hi + strcspn(hi, ":*");
	r->multiplies = *step == '*';
	r->step = 1;
	if (*step) {
		*step++ = '\0';
		rc = units_parse(r->multiplies ? UNIT_COUNT : kind, step,
				 &r->step, e);
		if (rc)
			return rc;
		if (r->step < (r->multiplies ? 2 : 1))
			return err_set(e, -EINVAL, "'%s': expected a step of 1 "
				       "or more, or a factor of 2 or more",
				       step);
	}
	rc = units_parse(kind, text, &r->lo, e);
	if (!rc)
		rc = units_parse(kind, hi, &r->hi, e);
	if (rc)
		return rc;
	if (r->lo > r->hi)
		return err_set(e, -EINVAL, "%s..%s: begins above its end", text,
			       hi);
	if (r->multiplies && !r->lo)
		return err_set(e, -EINVAL, "0..%s*%s: 0 multiplied stays 0",
			       hi, step);
	return 0;
}

static int add_range(struct sweep_axis *a, struct opt_set *s,
		     enum opt_origin origin, char *text, enum unit_kind kind,
		     struct err *e)
{
	struct range r;
	int rc = parse_range(kind, text, &r, e);

	if (rc)
		return err_prefix(e, rc, "%s: ", a->o->name);
	for (u64 v = r.lo; !rc; ) {
		char buf[UNITS_MAX_TEXT];

		rc = add_value(a, s, origin, units_format(kind, v, buf), e);
		if (r.multiplies ? v > r.hi / r.step : v > r.hi - r.step ||
		    r.hi < r.step)
			break;
		v = r.multiplies ? v * r.step : v + r.step;
	}
	return rc;
}

/* ---- lists ---------------------------------------------------------------------- */

/* The next item of *@rest, without blanks around it or its quotes; NULL: a
 * quote is not closed. *@rest becomes NULL after the last. */
static char *next_item(char **rest, bool *is_quoted)
{
	char *p = *rest + strspn(*rest, " \t"), *end;

	*is_quoted = *p == '"';
	if (*is_quoted) {
		end = strchr(++p, '"');
		if (!end)
			return NULL;
		*end++ = '\0';
		end += strspn(end, " \t");
		if (*end && *end != ',')
			return NULL;
		*rest = *end ? end + 1 : NULL;
		return p;
	}
	end = p + strcspn(p, ",");
	*rest = *end ? end + 1 : NULL;
	*end = '\0';
	while (end > p && strchr(" \t", end[-1]))
		*--end = '\0';
	return p;
}

static int add_items(struct sweep_axis *a, struct opt_set *s,
		     enum opt_origin origin, char *text, struct err *e)
{
	enum unit_kind kind;
	int rc = 0;

	while (text && !rc) {
		bool is_quoted;
		char *item = next_item(&text, &is_quoted);

		if (!item)
			return err_set(e, -EINVAL, "%s: expected '\"' and then "
				       "',' or nothing", a->o->name);
		if (!*item && !is_quoted)
			return err_set(e, -EINVAL, "%s: expected values, such "
				       "as 1, 2, 4 or 1..25, and found nothing "
				       "where one should be", a->o->name);
		if (!is_quoted && unit_of(a->o, &kind) && strstr(item, ".."))
			rc = add_range(a, s, origin, item, kind, e);
		else
			rc = add_value(a, s, origin, item, e);
	}
	return rc;
}

/* ---- the grid ---------------------------------------------------------------------- */

static struct sweep_axis *axis_of(struct sweep_grid *g, const struct opt *o)
{
	struct sweep_axis *more;

	for (u32 i = 0; i < g->nr_axes; i++)
		if (g->axis[i].o == o)
			return &g->axis[i];
	more = realloc(g->axis, (g->nr_axes + 1) * sizeof(*more));
	if (!more)
		return NULL;
	g->axis = more;
	g->axis[g->nr_axes] = (struct sweep_axis){ .o = o };
	return &g->axis[g->nr_axes++];
}

int sweep_grid_add(struct sweep_grid *g, struct opt_set *s, const char *name,
		   const char *text, struct err *e)
{
	const struct opt *o = opt_find(s, name);
	struct sweep_axis *a;
	char *copy;
	u64 n = 1;
	int rc;

	if (!o)         /* says which one is near */
		return opt_assign(s, name, text, OPT_FROM_FILE, e);
	if (o->no_echo || !strcmp(o->name, "workload"))
		return err_set(e, -EINVAL, "%s: not a setting that can take "
			       "several values", o->name);
	a = axis_of(g, o);
	copy = strdup(text);
	if (!a || !copy) {
		free(copy);
		return err_set(e, -ENOMEM, "out of memory");
	}
	rc = add_items(a, s, g->is_after_args ? OPT_FROM_CMDLINE
		       : OPT_FROM_FILE, copy, e);
	free(copy);
	for (u32 i = 0; i < g->nr_axes && n <= SWEEP_MAX_POINTS; i++)
		n *= g->axis[i].nr;
	if (!rc && n > SWEEP_MAX_POINTS)
		return err_set(e, -E2BIG, "%s: more than %u points", o->name,
			       SWEEP_MAX_POINTS);
	return rc;
}

static void free_axis(struct sweep_axis *a)
{
	for (u32 i = 0; i < a->nr; i++)
		free(a->value[i]);
	free(a->value);
}

void sweep_grid_drop(struct sweep_grid *g, const char *name)
{
	for (u32 i = 0; i < g->nr_axes; i++) {
		if (strcmp(g->axis[i].o->name, name))
			continue;
		free_axis(&g->axis[i]);
		g->nr_axes--;
		memmove(&g->axis[i], &g->axis[i + 1],
			(g->nr_axes - i) * sizeof(*g->axis));
		return;
	}
}

u32 sweep_grid_points(const struct sweep_grid *g)
{
	u32 n = 1;

	for (u32 i = 0; i < g->nr_axes; i++)
		n *= g->axis[i].nr;
	return n;
}

u32 sweep_grid_index(const struct sweep_grid *g, u32 point, u32 a)
{
	for (u32 i = g->nr_axes - 1; i > a; i--)
		point /= g->axis[i].nr;
	return point % g->axis[a].nr;
}

int sweep_grid_apply(const struct sweep_grid *g, u32 point, struct opt_set *s,
		     struct err *e)
{
	int rc = 0;

	for (u32 i = 0; i < g->nr_axes && !rc; i++)
		rc = opt_assign(s, g->axis[i].o->name,
				g->axis[i].value[sweep_grid_index(g, point, i)],
				OPT_FROM_CMDLINE, e);
	return rc;
}

void sweep_grid_free(struct sweep_grid *g)
{
	for (u32 i = 0; i < g->nr_axes; i++)
		free_axis(&g->axis[i]);
	free(g->axis);
	*g = (struct sweep_grid){ .is_after_args = g->is_after_args };
}
