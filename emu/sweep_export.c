#include "emu/sweep_export.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/suggest.h"
#include "base/units.h"
#include "emu/metrics.h"

struct table {
	const struct sweep_export *x;
	struct emit *em;
	json_t *varies;                 /* setting -> first value, or true:
					 * it varies                          */
	struct emit_col *col;
	u32 nr_cols;
	u32 *metric;                    /* of the file, [nr_metrics] shown    */
	u32 nr_metrics;
	u32 point;                      /* the one being shown                */
	bool is_found;
};

/* ---- columns --------------------------------------------------------------------- */

static struct emit_col *add_col(struct table *t, const char *name,
				const char *unit, enum emit_type type)
{
	struct emit_col *c = &t->col[t->nr_cols++];

	*c = (struct emit_col){ .name = name, .unit = unit, .type = type,
				.decimals = 3 };
	return c;
}

static int add_metric(struct table *t, const char *name, size_t len,
		      struct err *e)
{
	u32 n = sweep_db_metrics(t->x->db);
	const char **names;
	char word[64], near[96];

	for (u32 i = 0; i < n; i++) {
		const char *have = sweep_db_metric(t->x->db, i, NULL);

		if (strlen(have) == len && !strncmp(have, name, len)) {
			t->metric[t->nr_metrics++] = i;
			return 0;
		}
	}
	names = calloc(n + 1, sizeof(*names));
	if (!names)
		return err_set(e, -ENOMEM, "out of memory");
	for (u32 i = 0; i < n; i++)
		names[i] = sweep_db_metric(t->x->db, i, NULL);
	snprintf(word, sizeof(word), "%.*s", (int)len, name);
	err_set(e, -EINVAL, "--columns: no number '%s'%s", word,
		suggest_text(word, names, near, sizeof(near)));
	free(names);
	return -EINVAL;
}

static int choose_metrics(struct table *t, struct err *e)
{
	u32 n = sweep_db_metrics(t->x->db);
	const char *p = t->x->columns;
	int rc = 0;

	for (u32 i = 0; !p && i < n; i++)
		t->metric[t->nr_metrics++] = i;
	while (p && *p && !rc) {
		size_t len = strcspn(p, ",");

		if (t->nr_metrics == n && len)
			return err_set(e, -EINVAL, "--columns: more names than "
				       "there are numbers (%u)", n);
		rc = len ? add_metric(t, p, len, e) : 0;
		p += len + (p[len] == ',');
	}
	return rc;
}

static void metric_cols(struct table *t)
{
	for (u32 i = 0; i < t->nr_metrics; i++) {
		const char *unit, *name = sweep_db_metric(t->x->db,
							  t->metric[i], &unit);
		u32 known = metric_find(name);

		add_col(t, name, unit, known < NR_METRICS &&
			metric_info(known).is_whole ? EMIT_U64 : EMIT_DOUBLE);
	}
}

static void metric_cells(struct table *t, const struct sweep_row *row)
{
	const struct emit_col *c = &t->col[t->nr_cols - 1 - t->nr_metrics];

	for (u32 i = 0; i < t->nr_metrics; i++, c++) {
		double v = row && t->metric[i] < row->nr_values
			? row->value[t->metric[i]] : NAN;

		if (!isfinite(v))
			emit_na(t->em);
		else if (c->type == EMIT_U64)
			emit_u64(t->em, (u64)v);
		else
			emit_double(t->em, v);
	}
}

static void row_end(struct table *t, const struct sweep_row *row)
{
	emit_str(t->em, !row ? "missing" : row->error ? "failed" : "done");
	metric_cells(t, row);
	emit_str(t->em, row ? row->error : NULL);
	emit_row(t->em);
}

static void begin(struct table *t)
{
	add_col(t, "state", NULL, EMIT_STRING);
	metric_cols(t);
	add_col(t, "error", NULL, EMIT_STRING);
	emit_table(t->em, &(struct emit_table){ .name = "sweep",
		   .cols = t->col, .nr_cols = t->nr_cols });
}

/* ---- of a grid --------------------------------------------------------------------- */

static enum emit_type type_of(const struct opt *o, enum unit_kind *kind,
			      const char **unit)
{
	*unit = o->unit;
	switch (o->kind) {
	case OPT_U32:
	case OPT_U64:
		*kind = UNIT_COUNT;
		return EMIT_U64;
	case OPT_SIZE:
		*kind = UNIT_BYTES;
		*unit = "bytes";
		return EMIT_U64;
	case OPT_TIME_NS:
		*kind = UNIT_NS;
		*unit = "ns";
		return EMIT_U64;
	case OPT_HZ:
		*kind = UNIT_HZ;
		*unit = "Hz";
		return EMIT_U64;
	default:
		return EMIT_STRING;
	}
}

static void grid_cols(struct table *t)
{
	const struct sweep_grid *g = t->x->s->grid;

	for (u32 i = 0; i < g->nr_axes; i++) {
		enum unit_kind kind;
		const char *unit;
		enum emit_type type = type_of(g->axis[i].o, &kind, &unit);

		add_col(t, g->axis[i].o->name, unit, type);
	}
}

static void grid_cells(struct table *t)
{
	const struct sweep_grid *g = t->x->s->grid;

	for (u32 i = 0; i < g->nr_axes; i++) {
		const char *text = g->axis[i].value[sweep_grid_index(g,
							t->point, i)];
		enum unit_kind kind;
		const char *unit;
		u64 v = 0;

		if (type_of(g->axis[i].o, &kind, &unit) == EMIT_U64) {
			units_parse(kind, text, &v, NULL);
			emit_u64(t->em, v);
		} else {
			emit_str(t->em, text);
		}
	}
}

static int show_point(void *arg, const struct sweep_row *row, struct err *e)
{
	struct table *t = arg;

	t->is_found = true;
	row_end(t, row);
	return 0;
}

static int grid_rows(struct table *t, struct err *e)
{
	int rc = 0;

	for (u32 i = 0; i < t->x->nr_points && !rc; i++) {
		struct sweep_key k;

		t->point = t->x->point[i];
		t->is_found = false;
		rc = sweep_point_key(t->x->s, t->point, &k, e);
		if (rc)
			return rc;
		grid_cells(t);
		rc = sweep_db_read(t->x->db, k.hash, show_point, t, e);
		free(k.config);
		if (!rc && !t->is_found)
			row_end(t, NULL);
	}
	return rc;
}

/* ---- of a whole file ------------------------------------------------------------------ */

static int parse_config(const struct sweep_row *row, json_t **out,
			struct err *e)
{
	json_error_t je;

	*out = json_loads(row->config, 0, &je);
	return *out ? 0 : err_set(e, -EINVAL, "point %s: its configuration is "
				  "damaged: %s", row->hash, je.text);
}

/* A setting that some points have and others have not varies as well. */
static int note_settings(void *arg, const struct sweep_row *row, struct err *e)
{
	struct table *t = arg;
	bool is_first = !json_object_size(t->varies);
	json_t *config, *v;
	const char *key;
	int rc = parse_config(row, &config, e);

	if (rc)
		return rc;
	json_object_foreach(config, key, v) {
		json_t *had = json_object_get(t->varies, key);

		if (!had)
			json_object_set_new(t->varies, key, is_first
				? json_pack("[O]", v) : json_true());
		else if (json_is_array(had) &&
			 !json_equal(json_array_get(had, 0), v))
			json_object_set_new(t->varies, key, json_true());
	}
	json_object_foreach(t->varies, key, v)
		if (!json_object_get(config, key))
			json_object_set_new(t->varies, key, json_true());
	json_decref(config);
	return 0;
}

static void config_cols(struct table *t)
{
	const char *key;
	json_t *v;

	json_object_foreach(t->varies, key, v)
		if (json_is_true(v))
			add_col(t, key, NULL, EMIT_STRING);
}

static void config_cell(struct table *t, const json_t *v)
{
	char *text;

	if (!v || json_is_null(v)) {
		emit_na(t->em);
	} else if (json_is_string(v)) {
		emit_str(t->em, json_string_value(v));
	} else {
		text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
		emit_str(t->em, text);
		free(text);
	}
}

static int config_row(void *arg, const struct sweep_row *row, struct err *e)
{
	struct table *t = arg;
	json_t *config, *v;
	const char *key;
	int rc = parse_config(row, &config, e);

	if (rc)
		return rc;
	json_object_foreach(t->varies, key, v)
		if (json_is_true(v))
			config_cell(t, json_object_get(config, key));
	row_end(t, row);
	json_decref(config);
	return 0;
}

/* ---- both ------------------------------------------------------------------------------- */

static int export_to(struct table *t, struct err *e)
{
	const struct sweep_export *x = t->x;
	u32 n = sweep_db_metrics(x->db);
	size_t nr;
	int rc = x->s ? 0 : sweep_db_each(x->db, note_settings, t, e);

	if (rc)
		return rc;
	nr = x->s ? x->s->grid->nr_axes : json_object_size(t->varies);
	t->col = calloc(nr + n + 2, sizeof(*t->col));
	t->metric = calloc(n + 1, sizeof(*t->metric));
	if (!t->col || !t->metric)
		return err_set(e, -ENOMEM, "out of memory");
	rc = choose_metrics(t, e);
	if (rc)
		return rc;
	if (x->s)
		grid_cols(t);
	else
		config_cols(t);
	begin(t);
	return x->s ? grid_rows(t, e) : sweep_db_each(x->db, config_row, t, e);
}

int sweep_export(const struct sweep_export *x, struct emit *em, struct err *e)
{
	struct table t = { .x = x, .em = em, .varies = json_object() };
	int rc = export_to(&t, e);

	json_decref(t.varies);
	free(t.col);
	free(t.metric);
	return rc;
}
