#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/emit.h"
#include "base/grow.h"
#include "base/outfile.h"
#include "base/units.h"

#define NOT_MODELLED "<not modelled>"

struct emit {
	enum emit_kind kind;
	struct outfile file;    /* .f is NULL when a stream is written        */
	FILE *f;
	int error;              /* first errno, positive; 0: none             */
	const char *csv_table;

	/* The table being written; nr_cols is 0 outside one. */
	struct emit_col *cols;
	size_t nr_cols;
	const char *missing;
	size_t at;              /* next cell of the row                       */
	bool bare;
	bool shown;             /* false: CSV leaves this table out           */
	bool csv_done;          /* CSV has its one table                      */
	const char *title;

	/* Text: cells of the table, row after row, until widths are known. */
	char **cells;
	size_t nr_cells, max_cells;
	bool started;           /* something was printed: blank line first    */

	/* JSON: the document, kept until close. */
	json_t *root, *notes, *tables, *rows, *row;
};

static void fail(struct emit *em, int errnum)
{
	if (!em->error)
		em->error = errnum ? errnum : EIO;
}

static void put(struct emit *em, const char *text, size_t bytes)
{
	errno = 0;
	if (bytes && fwrite(text, 1, bytes, em->f) != bytes)
		fail(em, errno);
}

static void put_str(struct emit *em, const char *text)
{
	put(em, text, strlen(text));
}

/* --- strings in each format ------------------------------------------ */

/* Bytes that are not UTF-8 would make the document invalid. */
static json_t *json_text(const char *s)
{
	json_t *j = json_string(s);
	char *copy;

	if (j)
		return j;
	copy = strdup(s);
	if (!copy)
		return NULL;
	for (char *p = copy; *p; p++) {
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	}
	j = json_string(copy);
	free(copy);
	return j;
}

/* JSON integers of most readers end at 2^63 - 1; above, a real is closest. */
static json_t *json_unsigned(u64 v)
{
	return v <= INT64_MAX ? json_integer((json_int_t)v) :
		json_real((double)v);
}

static json_t *json_double(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

/* RFC 4180: quote what holds separators, double the quotes. */
static void put_csv(struct emit *em, const char *s)
{
	size_t len = strlen(s);

	if (!s[strcspn(s, ",\"\r\n")] &&
	    !(len && (s[0] == ' ' || s[len - 1] == ' '))) {
		put(em, s, len);
		return;
	}
	put(em, "\"", 1);
	for (; *s; s++) {
		if (*s == '"')
			put(em, "\"", 1);
		put(em, s, 1);
	}
	put(em, "\"", 1);
}

/* Columns a UTF-8 string takes, when each character takes one. */
static size_t width_of(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

/* --- creating -------------------------------------------------------- */

static int kind_of_path(const char *path, enum emit_kind *kind, struct err *e)
{
	const char *dot = strrchr(path, '.');
	struct stat st;

	if (dot && strcasecmp(dot, ".txt") == 0)
		*kind = EMIT_TABLE;
	else if (dot && strcasecmp(dot, ".csv") == 0)
		*kind = EMIT_CSV;
	else if (dot && strcasecmp(dot, ".json") == 0)
		*kind = EMIT_JSON;
	else if (strcmp(path, "-") == 0 ||
		 (stat(path, &st) == 0 && !S_ISREG(st.st_mode)))
		*kind = EMIT_TABLE;
	else
		return err_set(e, -EINVAL, "output '%s': the name must end in .txt, .csv or .json",
			       path);
	return 0;
}

static int create_json(struct emit *em)
{
	em->root = json_object();
	em->notes = json_array();
	em->tables = json_object();
	if (!em->root || !em->notes || !em->tables)
		return -ENOMEM;
	return json_object_set_new(em->root, "schema",
				   json_integer(EMIT_SCHEMA)) ? -ENOMEM : 0;
}

int emit_create(struct emit **out, const struct emit_cfg *cfg, struct err *e)
{
	struct emit *em = calloc(1, sizeof(*em));
	int ret = 0;

	if (!em)
		return err_set(e, -ENOMEM, "out of memory");
	em->kind = cfg->kind;
	em->csv_table = cfg->csv_table;
	if (em->kind == EMIT_BY_SUFFIX) {
		if (cfg->path)
			ret = kind_of_path(cfg->path, &em->kind, e);
		else
			em->kind = EMIT_TABLE;
	}
	if (!ret && em->kind == EMIT_JSON) {
		ret = create_json(em);
		if (ret)
			err_set(e, ret, "out of memory");
	}
	if (!ret && cfg->path)
		ret = outfile_open(&em->file, cfg->path, e);
	if (ret) {
		emit_discard(em);
		return ret;
	}
	em->f = cfg->path ? em->file.f : cfg->stream ? cfg->stream : stdout;
	*out = em;
	return 0;
}

enum emit_kind emit_kind_of(const struct emit *em)
{
	return em->kind;
}

/* --- header values and notes ----------------------------------------- */

static void meta(struct emit *em, const char *section, const char *key,
		 json_t *value)
{
	json_t *in = em->root;

	if (section) {
		in = json_object_get(em->root, section);
		if (!in) {
			json_object_set_new(em->root, section, json_object());
			in = json_object_get(em->root, section);
		}
	}
	if (json_object_set_new(in, key, value))
		fail(em, ENOMEM);
}

void emit_meta_str(struct emit *em, const char *section, const char *key,
		   const char *value)
{
	if (em->kind == EMIT_JSON)
		meta(em, section, key, value ? json_text(value) : json_null());
}

void emit_meta_u64(struct emit *em, const char *section, const char *key,
		   u64 value)
{
	if (em->kind == EMIT_JSON)
		meta(em, section, key, json_unsigned(value));
}

void emit_meta_double(struct emit *em, const char *section, const char *key,
		      double value)
{
	if (em->kind == EMIT_JSON)
		meta(em, section, key, json_double(value));
}

void emit_meta_bool(struct emit *em, const char *section, const char *key,
		    bool value)
{
	if (em->kind == EMIT_JSON)
		meta(em, section, key, json_boolean(value));
}

static void end_table(struct emit *em);

void emit_note(struct emit *em, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	int n;

	end_table(em);
	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0) {
		fail(em, ENOMEM);
		return;
	}
	if (em->kind == EMIT_TABLE) {
		put_str(em, text);
		put(em, "\n", 1);
		em->started = true;
	} else if (em->kind == EMIT_JSON) {
		if (json_array_append_new(em->notes, json_text(text)))
			fail(em, ENOMEM);
	}
	free(text);
}

/* --- text tables ----------------------------------------------------- */

static bool is_number(enum emit_type type)
{
	return type == EMIT_U64 || type == EMIT_S64 || type == EMIT_DOUBLE;
}

static void header_text(const struct emit_col *c, char *buf, size_t size)
{
	if (c->unit)
		snprintf(buf, size, "%s [%s]", c->name, c->unit);
	else
		snprintf(buf, size, "%s", c->name);
}

static void keep_cell(struct emit *em, const char *text)
{
	char *copy = strdup(text);

	if (!copy || GROW(em->cells, em->nr_cells, em->max_cells, 64)) {
		free(copy);
		fail(em, ENOMEM);
		return;
	}
	/* A table row is one line. */
	for (char *p = copy; *p; p++) {
		if ((unsigned char)*p < ' ')
			*p = ' ';
	}
	em->cells[em->nr_cells++] = copy;
}

static void pad(struct emit *em, size_t n)
{
	while (n--)
		put(em, " ", 1);
}

static void put_line(struct emit *em, char *const *cells, const size_t *width)
{
	for (size_t i = 0; i < em->nr_cols; i++) {
		size_t gap = width[i] - width_of(cells[i]);
		bool right = is_number(em->cols[i].type);

		pad(em, i || em->bare ? 2 : 0);
		if (right)
			pad(em, gap);
		put_str(em, cells[i]);
		if (!right && i + 1 < em->nr_cols)
			pad(em, gap);
	}
	put(em, "\n", 1);
}

static void print_text_table(struct emit *em)
{
	size_t n = em->nr_cols;
	size_t *width = calloc(n, sizeof(*width));
	char (*names)[128] = calloc(n, sizeof(*names));
	char **head = calloc(n, sizeof(*head));

	if (!width || !names || !head || em->error == ENOMEM) {
		fail(em, ENOMEM);
		goto out;
	}
	for (size_t i = 0; i < n; i++) {
		header_text(&em->cols[i], names[i], sizeof(names[i]));
		head[i] = names[i];
		width[i] = em->bare ? 0 : width_of(names[i]);
	}
	for (size_t i = 0; i < em->nr_cells; i++) {
		size_t w = width_of(em->cells[i]);

		if (w > width[i % n])
			width[i % n] = w;
	}
	if (em->started)
		put(em, "\n", 1);
	if (em->title) {
		put_str(em, em->title);
		put(em, "\n", 1);
	}
	if (!em->bare)
		put_line(em, head, width);
	for (size_t i = 0; i + n <= em->nr_cells; i += n)
		put_line(em, &em->cells[i], width);
	em->started = true;
out:
	free(width);
	free(names);
	free(head);
}

/* --- tables ---------------------------------------------------------- */

static void end_table(struct emit *em)
{
	if (!em->nr_cols)
		return;
	assert(em->at == 0 && "the last row has no emit_row()");
	if (em->kind == EMIT_TABLE)
		print_text_table(em);
	for (size_t i = 0; i < em->nr_cells; i++)
		free(em->cells[i]);
	em->nr_cells = 0;
	free(em->cols);
	em->cols = NULL;
	em->nr_cols = 0;
}

static void begin_csv(struct emit *em, const struct emit_table *t)
{
	char name[128];

	em->shown = !em->csv_done && (!em->csv_table ||
				      strcmp(em->csv_table, t->name) == 0);
	if (!em->shown)
		return;
	em->csv_done = true;
	for (size_t i = 0; i < t->nr_cols; i++) {
		header_text(&t->cols[i], name, sizeof(name));
		if (i)
			put(em, ",", 1);
		put_csv(em, name);
	}
	put(em, "\n", 1);
}

static void begin_json(struct emit *em, const struct emit_table *t)
{
	json_t *table = json_object(), *columns = json_array();
	int bad = 0;

	em->rows = json_array();
	for (size_t i = 0; i < t->nr_cols; i++) {
		const char *unit = t->cols[i].unit;
		json_t *c = json_object();

		bad |= json_object_set_new(c, "name", json_text(t->cols[i].name));
		bad |= json_object_set_new(c, "unit", unit ? json_text(unit) :
					   json_null());
		bad |= json_array_append_new(columns, c);
	}
	bad |= json_object_set_new(table, "title", t->title ?
				   json_text(t->title) : json_null());
	bad |= json_object_set_new(table, "columns", columns);
	bad |= json_object_set_new(table, "rows", em->rows);
	bad |= json_object_set_new(em->tables, t->name, table);
	if (bad)
		fail(em, ENOMEM);
	em->row = json_object();
}

void emit_table(struct emit *em, const struct emit_table *t)
{
	assert(t->nr_cols > 0);
	end_table(em);
	em->cols = malloc(t->nr_cols * sizeof(*t->cols));
	if (!em->cols) {
		fail(em, ENOMEM);
		return;
	}
	memcpy(em->cols, t->cols, t->nr_cols * sizeof(*t->cols));
	em->nr_cols = t->nr_cols;
	em->missing = t->missing ? t->missing : NOT_MODELLED;
	em->at = 0;
	em->bare = t->bare;
	em->title = t->title;
	if (em->kind == EMIT_CSV) {
		begin_csv(em, t);
	} else if (em->kind == EMIT_JSON) {
		assert(!json_object_get(em->tables, t->name));
		json_decref(em->row);
		begin_json(em, t);
	}
}

/* The column of the next cell; NULL after memory ran out. */
static const struct emit_col *next_col(struct emit *em)
{
	if (!em->nr_cols && em->error)
		return NULL;
	assert(em->at < em->nr_cols && "more cells than columns");
	return &em->cols[em->at++];
}

/* One cell: @text for tables and CSV, @value (owned here) for JSON. */
static void cell(struct emit *em, const struct emit_col *c, const char *text,
		 json_t *value)
{
	if (em->kind == EMIT_TABLE) {
		keep_cell(em, text ? text : em->missing);
	} else if (em->kind == EMIT_CSV && em->shown) {
		if (em->at > 1)
			put(em, ",", 1);
		if (text)
			put_csv(em, text);
	} else if (em->kind == EMIT_JSON) {
		if (json_object_set_new(em->row, c->name, value))
			fail(em, ENOMEM);
	}
}

void emit_u64(struct emit *em, u64 value)
{
	const struct emit_col *c = next_col(em);
	char buf[UNITS_MAX_TEXT];

	if (!c)
		return;
	assert(c->type == EMIT_U64);
	if (em->kind == EMIT_TABLE)
		units_format_grouped(value, buf);
	else
		units_format(UNIT_COUNT, value, buf);
	cell(em, c, buf, em->kind == EMIT_JSON ? json_unsigned(value) : NULL);
}

void emit_s64(struct emit *em, s64 value)
{
	const struct emit_col *c = next_col(em);
	u64 size = value < 0 ? -(u64)value : (u64)value;
	char digits[UNITS_MAX_TEXT], buf[UNITS_MAX_TEXT + 1];

	if (!c)
		return;
	assert(c->type == EMIT_S64);
	if (em->kind == EMIT_TABLE)
		units_format_grouped(size, digits);
	else
		units_format(UNIT_COUNT, size, digits);
	snprintf(buf, sizeof(buf), "%s%s", value < 0 ? "-" : "", digits);
	cell(em, c, buf, em->kind == EMIT_JSON ? json_integer(value) : NULL);
}

void emit_double(struct emit *em, double value)
{
	const struct emit_col *c = next_col(em);
	char buf[512];

	if (!c)
		return;
	assert(c->type == EMIT_DOUBLE);
	if (!isfinite(value)) {
		cell(em, c, NULL, em->kind == EMIT_JSON ? json_null() : NULL);
		return;
	}
	if (em->kind == EMIT_TABLE)
		units_format_fixed(value, c->decimals, buf, sizeof(buf));
	else
		units_format_double(value, buf);
	cell(em, c, buf, em->kind == EMIT_JSON ? json_real(value) : NULL);
}

void emit_str(struct emit *em, const char *value)
{
	const struct emit_col *c;

	if (!value) {
		emit_na(em);
		return;
	}
	c = next_col(em);
	if (!c)
		return;
	assert(c->type == EMIT_STRING);
	cell(em, c, value, em->kind == EMIT_JSON ? json_text(value) : NULL);
}

void emit_bool(struct emit *em, bool value)
{
	const struct emit_col *c = next_col(em);

	if (!c)
		return;
	assert(c->type == EMIT_BOOL);
	cell(em, c, value ? "yes" : "no",
	     em->kind == EMIT_JSON ? json_boolean(value) : NULL);
}

void emit_na(struct emit *em)
{
	const struct emit_col *c = next_col(em);

	if (c)
		cell(em, c, NULL, em->kind == EMIT_JSON ? json_null() : NULL);
}

void emit_row(struct emit *em)
{
	if (!em->nr_cols && em->error)
		return;
	assert(em->at == em->nr_cols && "fewer cells than columns");
	em->at = 0;
	if (em->kind == EMIT_CSV && em->shown) {
		put(em, "\n", 1);
	} else if (em->kind == EMIT_JSON) {
		if (json_array_append_new(em->rows, em->row))
			fail(em, ENOMEM);
		em->row = json_object();
	}
}

/* --- closing --------------------------------------------------------- */

static int dump_some(const char *text, size_t bytes, void *arg)
{
	put(arg, text, bytes);
	return 0;
}

static void print_json(struct emit *em)
{
	if (json_object_set(em->root, "notes", em->notes) ||
	    json_object_set(em->root, "tables", em->tables) ||
	    json_dump_callback(em->root, dump_some, em,
			       JSON_INDENT(1) | JSON_PRESERVE_ORDER))
		fail(em, ENOMEM);
	put(em, "\n", 1);
}

int emit_close(struct emit *em, struct err *e)
{
	int ret = 0;

	end_table(em);
	if (em->kind == EMIT_JSON)
		print_json(em);
	if (em->file.f) {
		em->file.write_errno = em->error;
		ret = outfile_commit(&em->file, e);
	} else {
		errno = 0;
		if (fflush(em->f) != 0 || ferror(em->f))
			fail(em, errno);
		if (em->error)
			ret = err_set(e, -em->error, "cannot write %s: %s",
				      em->f == stdout ? "standard output" :
				      "the results", strerror(em->error));
	}
	emit_discard(em);
	return ret;
}

void emit_discard(struct emit *em)
{
	if (!em)
		return;
	outfile_discard(&em->file);
	for (size_t i = 0; i < em->nr_cells; i++)
		free(em->cells[i]);
	free(em->cells);
	free(em->cols);
	json_decref(em->row);
	json_decref(em->root);
	json_decref(em->notes);
	json_decref(em->tables);
	free(em);
}
