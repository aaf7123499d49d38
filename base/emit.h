/* emit.h - results as text table, CSV or JSON, from the same calls.
 *
 *	emit_create(&em, &(struct emit_cfg){ .path = cfg.out }, &e);
 *	emit_meta_u64(em, NULL, "seed", 1);
 *	emit_meta_str(em, "config", "cpus", "8");
 *	emit_table(em, &(struct emit_table){ .name = "compare", ... });
 *	emit_str(em, "ipi"); emit_u64(em, 12); emit_na(em); emit_row(em);
 *	return emit_close(em, &e);
 *
 * Text: tables one after the other, notes between them, digits grouped.
 * CSV:  RFC 4180, header line "name [unit]", one table only (emit_cfg.csv_table).
 * JSON: { "schema", meta..., "notes": [], "tables": { NAME: { "title",
 *       "columns": [{name, unit}], "rows": [{name: value}] } } }.
 * A cell without a value is "<not modelled>", empty, or null. A double that is
 * not finite counts as without a value.
 *
 * Output is the same in every locale. A file appears by rename (outfile.h).
 * Errors: calls between create and close never fail; the first problem is kept
 * and emit_close() reports it: -ENOSPC, -EIO, -ENOMEM ... Too few or many
 * cells, or a cell of the wrong type, is a bug and asserts.
 */
#ifndef BASE_EMIT_H
#define BASE_EMIT_H

#include <stdio.h>

#include "base/err.h"
#include "base/types.h"

#define EMIT_SCHEMA 1           /* raised when JSON consumers would break     */

enum emit_kind { EMIT_BY_SUFFIX, EMIT_TABLE, EMIT_CSV, EMIT_JSON };

enum emit_type { EMIT_U64, EMIT_S64, EMIT_DOUBLE, EMIT_STRING, EMIT_BOOL };

struct emit_col {
	const char *name;
	const char *unit;       /* NULL: none                                 */
	enum emit_type type;
	u32 decimals;           /* EMIT_DOUBLE in text tables                 */
};

struct emit_table {
	const char *name;       /* key in JSON                                */
	const char *title;      /* line above it in text; NULL: none          */
	const struct emit_col *cols;    /* copied; the strings are not        */
	size_t nr_cols;
	bool bare;              /* text without header line, as perf stat     */
	const char *missing;    /* text for a cell without a value; NULL:
				 * "<not modelled>"; the string is not copied */
};

struct emit_cfg {
	const char *path;       /* -o FILE; NULL: write to @stream            */
	FILE *stream;           /* NULL: stdout                               */
	enum emit_kind kind;    /* BY_SUFFIX: .txt .csv .json; a stream: text */
	const char *csv_table;  /* the table CSV shows; NULL: the first       */
};

struct emit;                    /* opaque, in emit.c */

/* emit_create - -EINVAL: unknown suffix; else what opening gave. */
int emit_create(struct emit **out, const struct emit_cfg *cfg, struct err *e);

enum emit_kind emit_kind_of(const struct emit *em);

/* emit_meta_* - header values. @section groups them ("config"), NULL: top
 * level. JSON only; keys given twice: the last wins. */
void emit_meta_str(struct emit *em, const char *section, const char *key,
		   const char *value);  /* NULL: null */
void emit_meta_u64(struct emit *em, const char *section, const char *key,
		   u64 value);
void emit_meta_double(struct emit *em, const char *section, const char *key,
		      double value);
void emit_meta_bool(struct emit *em, const char *section, const char *key,
		    bool value);

/* emit_note - a line of prose: text prints it where it stands, JSON keeps it
 * in "notes", CSV leaves it out. May hold line breaks. */
void emit_note(struct emit *em, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* emit_table - begin a table; the one before ends. */
void emit_table(struct emit *em, const struct emit_table *t);

/* Cells, left to right, then emit_row() to end the row. */
void emit_u64(struct emit *em, u64 value);
void emit_s64(struct emit *em, s64 value);
void emit_double(struct emit *em, double value);
void emit_str(struct emit *em, const char *value);      /* NULL: emit_na()    */
void emit_bool(struct emit *em, bool value);
void emit_na(struct emit *em);
void emit_row(struct emit *em);

/* emit_close - write what is left, make the file appear, free @em.
 * Return: 0, or the first error; then no file has appeared or changed. */
int emit_close(struct emit *em, struct err *e);

/* emit_discard - free @em and leave no file. NULL is fine. */
void emit_discard(struct emit *em);

#endif
