#include "emu/sweep_db.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "emu/version.h"

enum { ST_STATE, ST_POINT, ST_RESULT, ST_SAMPLE, ST_METRIC, ST_ROW, ST_VALUES,
       NR_STATEMENTS };

static const char *const statements[NR_STATEMENTS] = {
	[ST_STATE] = "SELECT state FROM points WHERE hash = ?1",
	[ST_POINT] =
		"INSERT INTO points(hash, config, state, error, host_ns, ended, run) "
		"VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) "
		"ON CONFLICT(hash) DO UPDATE SET state = excluded.state, "
		"error = excluded.error, host_ns = excluded.host_ns, "
		"ended = excluded.ended, run = excluded.run, "
		"attempts = attempts + 1 WHERE state = 'failed' RETURNING id",
	[ST_RESULT] = "INSERT INTO results(point, metric, value) "
		"VALUES(?1, ?2, ?3)",
	[ST_SAMPLE] = "INSERT INTO samples(point, at_ns, metric, value) "
		"VALUES(?1, ?2, ?3, ?4)",
	[ST_METRIC] = "INSERT INTO metrics(name, unit) VALUES(?1, ?2)",
	[ST_ROW] = "SELECT id, hash, config, error, attempts, host_ns "
		"FROM points WHERE hash = ?1",
	[ST_VALUES] = "SELECT metric, value FROM results WHERE point = ?1",
};

static const char schema[] =
	"CREATE TABLE runs(id INTEGER PRIMARY KEY, began INTEGER NOT NULL, "
	"	program TEXT NOT NULL, host TEXT NOT NULL);"
	"CREATE TABLE points(id INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, "
	"	config TEXT NOT NULL, "
	"	state TEXT NOT NULL CHECK(state IN ('done', 'failed')), "
	"	error TEXT, attempts INTEGER NOT NULL DEFAULT 1, "
	"	host_ns INTEGER NOT NULL, ended INTEGER NOT NULL, "
	"	run INTEGER REFERENCES runs(id));"
	"CREATE TABLE metrics(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, "
	"	unit TEXT);"
	"CREATE TABLE results(point INTEGER NOT NULL REFERENCES points(id), "
	"	metric INTEGER NOT NULL REFERENCES metrics(id), "
	"	value NUMERIC NOT NULL, PRIMARY KEY(point, metric)) WITHOUT ROWID;"
	"CREATE TABLE samples(point INTEGER NOT NULL REFERENCES points(id), "
	"	at_ns INTEGER NOT NULL, "
	"	metric INTEGER NOT NULL REFERENCES metrics(id), "
	"	value NUMERIC NOT NULL, "
	"	PRIMARY KEY(point, metric, at_ns)) WITHOUT ROWID;"
	"CREATE VIEW numbers AS SELECT p.hash AS hash, m.name AS metric, "
	"	m.unit AS unit, r.value AS value FROM points p "
	"	JOIN results r ON r.point = p.id JOIN metrics m ON m.id = r.metric;";

struct metric {
	char *name, *unit;
	sqlite3_int64 id;
};

struct sweep_db {
	sqlite3 *sql;
	char *path;
	int lock_fd;            /* -1: only read                              */
	sqlite3_stmt *st[NR_STATEMENTS];
	struct metric *metric;
	u32 nr_metrics;
	u32 *metric_of;         /* of a record's value @i, by its names       */
	u32 nr_metric_of;
	double *value;          /* [nr_metrics], of the row being walked      */
	sqlite3_int64 run;      /* 0: not yet written                         */
};

/* ---- errors --------------------------------------------------------------------- */

static int errno_of(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_SCHEMA:
	case SQLITE_ERROR:
	case SQLITE_CONSTRAINT:
	case SQLITE_MISMATCH:
		return -EINVAL;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EACCES;
	}
	return -EIO;
}

static int sql_error(struct sweep_db *db, int rc, struct err *e)
{
	const char *why = sqlite3_errmsg(db->sql);
	int errnum = errno_of(rc);

	if ((rc & 0xff) == SQLITE_NOTADB)
		why = "not a database";
	else if (errnum == -EIO && sqlite3_system_errno(db->sql))
		why = strerror(sqlite3_system_errno(db->sql));
	return err_set(e, errnum, "%s: %s", db->path, why);
}

static int run_sql(struct sweep_db *db, const char *text, struct err *e)
{
	int rc = sqlite3_exec(db->sql, text, NULL, NULL, NULL);

	return rc ? sql_error(db, rc, e) : 0;
}

static int ask_number(struct sweep_db *db, const char *text,
		      sqlite3_int64 *out, struct err *e)
{
	sqlite3_stmt *st;
	int rc = sqlite3_prepare_v2(db->sql, text, -1, &st, NULL);

	*out = 0;
	if (!rc) {
		rc = sqlite3_step(st);
		if (rc == SQLITE_ROW)
			*out = sqlite3_column_int64(st, 0);
		rc = sqlite3_finalize(st);
	}
	return rc ? sql_error(db, rc, e) : 0;
}

/* ---- opening ----------------------------------------------------------------------- */

static int check_whole(struct sweep_db *db, struct err *e)
{
	sqlite3_stmt *st;
	int rc = sqlite3_prepare_v2(db->sql, "PRAGMA quick_check(1)", -1, &st,
				    NULL);
	char said[128] = "";

	if (!rc && sqlite3_step(st) == SQLITE_ROW)
		snprintf(said, sizeof(said), "%s", sqlite3_column_text(st, 0));
	rc = rc ? rc : sqlite3_finalize(st);
	if (!rc && !strcmp(said, "ok"))
		return 0;
	return err_set(e, -EINVAL, "%s: damaged (%s)", db->path,
		       rc ? sqlite3_errmsg(db->sql) : said);
}

/* A new file becomes ours; any other must be. */
static int claim(struct sweep_db *db, enum sweep_db_mode mode, struct err *e)
{
	sqlite3_int64 app, version, tables;
	char text[128];
	int rc = ask_number(db, "PRAGMA application_id", &app, e);

	if (!rc)
		rc = ask_number(db, "PRAGMA user_version", &version, e);
	if (!rc)
		rc = ask_number(db, "SELECT count(*) FROM sqlite_master",
				&tables, e);
	if (rc)
		return rc;
	if (mode == SWEEP_DB_WRITE && !app && !tables) {
		snprintf(text, sizeof(text), "PRAGMA application_id = %d;"
			 "PRAGMA user_version = %d;", SWEEP_DB_APPLICATION,
			 SWEEP_DB_VERSION);
		rc = run_sql(db, "BEGIN IMMEDIATE", e);
		if (!rc)
			rc = run_sql(db, schema, e);
		if (!rc)
			rc = run_sql(db, text, e);
		return rc ? rc : run_sql(db, "COMMIT", e);
	}
	if (app != SWEEP_DB_APPLICATION)
		return err_set(e, -EINVAL, "%s: a database, but not one of a "
			       "sweep", db->path);
	if (version != SWEEP_DB_VERSION)
		return err_set(e, -EINVAL, "%s: layout %lld, this program "
			       "knows %d", db->path, (long long)version,
			       SWEEP_DB_VERSION);
	return check_whole(db, e);
}

/* Only one sweep writes, or two would run the same points. Whoever was killed
 * a moment ago may have workers that still hold it. */
static int take_lock(struct sweep_db *db, struct err *e)
{
	int fd = open(db->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);

	/* Never 0 to 2: whoever closed stderr would have us write messages
	 * into the database. */
	if (fd >= 0 && fd < 3) {
		db->lock_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		close(fd);
	} else {
		db->lock_fd = fd;
	}
	if (db->lock_fd < 0)
		return err_set(e, -errno, "%s: cannot open: %s", db->path,
			       strerror(errno));
	for (u32 i = 0; flock(db->lock_fd, LOCK_EX | LOCK_NB); i++) {
		if (errno != EWOULDBLOCK || i == 100)
			return err_set(e, -EBUSY, "%s: another sweep is "
				       "writing to it", db->path);
		usleep(10000);
	}
	return 0;
}

static int load_metrics(struct sweep_db *db, struct err *e);

static int open_sql(struct sweep_db *db, enum sweep_db_mode mode,
		    struct err *e)
{
	int flags = mode == SWEEP_DB_WRITE ? SQLITE_OPEN_READWRITE |
		SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
	int rc = sqlite3_open_v2(db->path, &db->sql, flags, NULL);

	if (rc)
		return db->sql ? sql_error(db, rc, e)
			       : err_set(e, -ENOMEM, "out of memory");
	sqlite3_extended_result_codes(db->sql, 1);
	sqlite3_busy_timeout(db->sql, 5000);
	/* FULL: what was committed is on the disk, even if power fails. */
	rc = mode == SWEEP_DB_WRITE ? run_sql(db, "PRAGMA journal_mode = WAL;"
		"PRAGMA synchronous = FULL", e) : 0;
	if (!rc)
		rc = claim(db, mode, e);
	for (u32 i = 0; i < NR_STATEMENTS && !rc; i++) {
		rc = sqlite3_prepare_v3(db->sql, statements[i], -1,
					SQLITE_PREPARE_PERSISTENT, &db->st[i],
					NULL);
		if (rc)
			rc = sql_error(db, rc, e);
	}
	return rc ? rc : load_metrics(db, e);
}

int sweep_db_open(struct sweep_db **out, const char *path,
		  enum sweep_db_mode mode, struct err *e)
{
	struct sweep_db *db = calloc(1, sizeof(*db));
	struct stat st;
	int rc = 0;

	if (!db || !(db->path = strdup(path))) {
		free(db);
		return err_set(e, -ENOMEM, "out of memory");
	}
	db->lock_fd = -1;
	if (!stat(path, &st) && !S_ISREG(st.st_mode))
		rc = err_set(e, -EINVAL, "%s: not a regular file", path);
	else if (mode == SWEEP_DB_WRITE)
		rc = take_lock(db, e);
	else if (access(path, R_OK))
		rc = err_set(e, errno == ENOENT ? -ENOENT : -EACCES,
			     "%s: cannot open: %s", path, strerror(errno));
	if (!rc)
		rc = open_sql(db, mode, e);
	if (rc) {
		sweep_db_close(db);
		return rc;
	}
	*out = db;
	return 0;
}

void sweep_db_close(struct sweep_db *db)
{
	if (!db)
		return;
	for (u32 i = 0; i < NR_STATEMENTS; i++)
		sqlite3_finalize(db->st[i]);
	sqlite3_close(db->sql);
	/* After it: closing any descriptor of the file drops SQLite's locks. */
	if (db->lock_fd >= 0)
		close(db->lock_fd);
	for (u32 i = 0; i < db->nr_metrics; i++) {
		free(db->metric[i].name);
		free(db->metric[i].unit);
	}
	free(db->metric);
	free(db->metric_of);
	free(db->value);
	free(db->path);
	free(db);
}

bool sweep_db_is_busy(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool is_busy = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) &&
		errno == EWOULDBLOCK;

	if (fd >= 0)
		close(fd);
	return is_busy;
}

void sweep_db_in_child(struct sweep_db *db)
{
	if (db->lock_fd >= 0)
		close(db->lock_fd);
	db->lock_fd = -1;
}

/* ---- names of metrics ------------------------------------------------------------------ */

static int add_metric(struct sweep_db *db, sqlite3_int64 id, const char *name,
		      const char *unit)
{
	struct metric *m = realloc(db->metric,
				   (db->nr_metrics + 1) * sizeof(*m));
	double *v;

	if (!m)
		return -ENOMEM;
	db->metric = m;
	v = realloc(db->value, (db->nr_metrics + 1) * sizeof(*v));
	if (!v)
		return -ENOMEM;
	db->value = v;
	m += db->nr_metrics;
	*m = (struct metric){ .id = id, .name = strdup(name),
			      .unit = unit ? strdup(unit) : NULL };
	if (!m->name || (unit && !m->unit))
		return -ENOMEM;
	db->nr_metrics++;
	return 0;
}

static int load_metrics(struct sweep_db *db, struct err *e)
{
	sqlite3_stmt *st;
	int rc = sqlite3_prepare_v2(db->sql, "SELECT id, name, unit FROM "
				    "metrics ORDER BY id", -1, &st, NULL);
	bool is_full = false;

	while (!rc && !is_full && sqlite3_step(st) == SQLITE_ROW)
		is_full = add_metric(db, sqlite3_column_int64(st, 0),
				     (const char *)sqlite3_column_text(st, 1),
				     (const char *)sqlite3_column_text(st, 2));
	rc = rc ? rc : sqlite3_finalize(st);
	if (is_full)
		return err_set(e, -ENOMEM, "out of memory");
	return rc ? sql_error(db, rc, e) : 0;
}

static u32 find_metric(const struct sweep_db *db, const char *name)
{
	u32 i = 0;

	while (i < db->nr_metrics && strcmp(db->metric[i].name, name))
		i++;
	return i;
}

u32 sweep_db_metrics(struct sweep_db *db)
{
	return db->nr_metrics;
}

const char *sweep_db_metric(struct sweep_db *db, u32 i, const char **unit)
{
	if (unit)
		*unit = db->metric[i].unit;
	return db->metric[i].name;
}

/* ---- putting -------------------------------------------------------------------------- */

/* Step a statement that gives no row, and make it ready for the next time. */
static int step_once(sqlite3_stmt *st)
{
	int rc = sqlite3_step(st);
	int rc2 = sqlite3_reset(st);

	return rc == SQLITE_DONE || rc == SQLITE_ROW ? rc2 : rc;
}

/* A record's names, once, to ids: it is always the same list. */
static int map_metrics(struct sweep_db *db, const struct sweep_record *r)
{
	u32 *of;

	if (db->nr_metric_of >= r->nr_values)
		return 0;
	of = realloc(db->metric_of, r->nr_values * sizeof(*of));
	if (!of)
		return SQLITE_NOMEM;
	db->metric_of = of;
	for (u32 i = db->nr_metric_of; i < r->nr_values; i++) {
		const char *unit = NULL;
		char name[64];
		int rc;

		r->name(i, name, &unit);
		of[i] = find_metric(db, name);
		if (of[i] < db->nr_metrics)
			continue;
		sqlite3_bind_text(db->st[ST_METRIC], 1, name, -1, SQLITE_STATIC);
		sqlite3_bind_text(db->st[ST_METRIC], 2, unit, -1, SQLITE_STATIC);
		rc = step_once(db->st[ST_METRIC]);
		if (rc)
			return rc;
		if (add_metric(db, sqlite3_last_insert_rowid(db->sql), name,
			       unit))
			return SQLITE_NOMEM;
	}
	db->nr_metric_of = r->nr_values;
	return 0;
}

/* What has been rolled back is known no more. */
static void forget_metrics(struct sweep_db *db)
{
	db->nr_metric_of = 0;
	while (db->nr_metrics) {
		struct metric *m = &db->metric[--db->nr_metrics];

		free(m->name);
		free(m->unit);
	}
	load_metrics(db, NULL);
}

static void bind_number(sqlite3_stmt *st, int at, double v)
{
	if (v == floor(v) && fabs(v) < 9007199254740992.0)
		sqlite3_bind_int64(st, at, (sqlite3_int64)v);
	else
		sqlite3_bind_double(st, at, v);
}

static int put_values(struct sweep_db *db, sqlite3_int64 point,
		      const struct sweep_record *r)
{
	sqlite3_stmt *st = db->st[ST_RESULT];
	int rc = map_metrics(db, r);

	for (u32 i = 0; i < r->nr_values && !rc; i++) {
		if (!isfinite(r->value[i]))
			continue;
		sqlite3_bind_int64(st, 1, point);
		sqlite3_bind_int64(st, 2, db->metric[db->metric_of[i]].id);
		bind_number(st, 3, r->value[i]);
		rc = step_once(st);
	}
	st = db->st[ST_SAMPLE];
	for (u32 i = 0; i < r->nr_samples && !rc; i++) {
		const struct sweep_sample *s = &r->sample[i];

		if (!isfinite(s->value))
			continue;
		sqlite3_bind_int64(st, 1, point);
		sqlite3_bind_int64(st, 2, (sqlite3_int64)s->at_ns);
		sqlite3_bind_int64(st, 3,
				   db->metric[db->metric_of[s->metric]].id);
		bind_number(st, 4, s->value);
		rc = step_once(st);
	}
	return rc;
}

static int put_run(struct sweep_db *db)
{
	sqlite3_stmt *st;
	char host[256] = "unknown";
	int rc = sqlite3_prepare_v2(db->sql, "INSERT INTO runs(began, program, "
				    "host) VALUES(?1, ?2, ?3)", -1, &st, NULL);

	if (rc)
		return rc;
	gethostname(host, sizeof(host) - 1);
	sqlite3_bind_int64(st, 1, time(NULL));
	sqlite3_bind_text(st, 2, tlbemu_revision, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 3, host, -1, SQLITE_STATIC);
	rc = step_once(st);
	sqlite3_finalize(st);
	if (!rc)
		db->run = sqlite3_last_insert_rowid(db->sql);
	return rc;
}

static int put_point(struct sweep_db *db, const struct sweep_record *r)
{
	sqlite3_stmt *st = db->st[ST_POINT];
	sqlite3_int64 point;
	int rc = db->run ? 0 : put_run(db);

	if (rc)
		return rc;
	sqlite3_bind_text(st, 1, r->hash, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 2, r->config, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 3, r->error ? "failed" : "done", -1,
			  SQLITE_STATIC);
	sqlite3_bind_text(st, 4, r->error, -1, SQLITE_STATIC);
	sqlite3_bind_int64(st, 5, (sqlite3_int64)r->host_ns);
	sqlite3_bind_int64(st, 6, time(NULL));
	sqlite3_bind_int64(st, 7, db->run);
	rc = sqlite3_step(st);
	point = rc == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
	if (rc == SQLITE_ROW || rc == SQLITE_DONE)
		rc = 0;
	if (!rc)
		rc = sqlite3_reset(st);
	else
		sqlite3_reset(st);
	/* No row: it was done already. */
	return rc || !point || r->error ? rc : put_values(db, point, r);
}

int sweep_db_put(struct sweep_db *db, const struct sweep_record *r,
		 struct err *e)
{
	sqlite3_int64 run = db->run;
	int rc = run_sql(db, "BEGIN IMMEDIATE", e);

	if (rc)
		return rc;
	rc = put_point(db, r);
	rc = rc ? sql_error(db, rc, e) : run_sql(db, "COMMIT", e);
	if (rc) {
		sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
		forget_metrics(db);
		db->run = run;
	}
	return rc;
}

/* ---- asking ------------------------------------------------------------------------------ */

int sweep_db_state(struct sweep_db *db, const char *hash, enum sweep_state *out,
		   struct err *e)
{
	sqlite3_stmt *st = db->st[ST_STATE];
	int rc;

	*out = SWEEP_MISSING;
	sqlite3_bind_text(st, 1, hash, -1, SQLITE_STATIC);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*out = strcmp((const char *)sqlite3_column_text(st, 0), "done")
			? SWEEP_FAILED : SWEEP_DONE;
	sqlite3_reset(st);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : sql_error(db, rc, e);
}

int sweep_db_count(struct sweep_db *db, u32 *done, u32 *failed,
		   struct err *error, struct err *e)
{
	sqlite3_stmt *st;
	int rc = sqlite3_prepare_v2(db->sql, "SELECT count(*) FILTER (WHERE "
		"state = 'done'), count(*) FILTER (WHERE state = 'failed'), "
		"min(error) FROM points", -1, &st, NULL);

	if (!rc && sqlite3_step(st) == SQLITE_ROW) {
		*done = (u32)sqlite3_column_int64(st, 0);
		*failed = (u32)sqlite3_column_int64(st, 1);
		if (error && sqlite3_column_text(st, 2))
			err_set(error, -1, "%s", sqlite3_column_text(st, 2));
	}
	rc = rc ? rc : sqlite3_finalize(st);
	return rc ? sql_error(db, rc, e) : 0;
}

/* ---- walking ------------------------------------------------------------------------------- */

static int read_values(struct sweep_db *db, sqlite3_int64 point)
{
	sqlite3_stmt *st = db->st[ST_VALUES];
	int rc;

	for (u32 i = 0; i < db->nr_metrics; i++)
		db->value[i] = NAN;
	sqlite3_bind_int64(st, 1, point);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		sqlite3_int64 id = sqlite3_column_int64(st, 0);

		/* Ids count up from 1; gaps are possible after a merge. */
		for (u32 i = id > 0 && id <= db->nr_metrics ? (u32)id - 1 : 0;
		     i < db->nr_metrics; i++)
			if (db->metric[i].id == id) {
				db->value[i] = sqlite3_column_double(st, 1);
				break;
			}
	}
	sqlite3_reset(st);
	return rc == SQLITE_DONE ? 0 : rc;
}

/* Columns: id, hash, config, error, attempts, host_ns. */
static int give_row(struct sweep_db *db, sqlite3_stmt *st, sweep_row_fn *fn,
		    void *arg, struct err *e)
{
	int rc = read_values(db, sqlite3_column_int64(st, 0));

	if (rc)
		return sql_error(db, rc, e);
	return fn(arg, &(struct sweep_row){
		.hash = (const char *)sqlite3_column_text(st, 1),
		.config = (const char *)sqlite3_column_text(st, 2),
		.error = (const char *)sqlite3_column_text(st, 3),
		.attempts = (u32)sqlite3_column_int64(st, 4),
		.host_ns = (u64)sqlite3_column_int64(st, 5),
		.nr_values = db->nr_metrics,
		.value = db->value,
	}, e);
}

int sweep_db_read(struct sweep_db *db, const char *hash, sweep_row_fn *fn,
		  void *arg, struct err *e)
{
	sqlite3_stmt *st = db->st[ST_ROW];
	int step, rc = 0;

	sqlite3_bind_text(st, 1, hash, -1, SQLITE_STATIC);
	step = sqlite3_step(st);
	if (step == SQLITE_ROW)
		rc = give_row(db, st, fn, arg, e);
	else if (step != SQLITE_DONE)
		rc = sql_error(db, step, e);
	sqlite3_reset(st);
	return rc;
}

int sweep_db_each(struct sweep_db *db, sweep_row_fn *fn, void *arg,
		  struct err *e)
{
	sqlite3_stmt *st;
	int step, rc = sqlite3_prepare_v2(db->sql, "SELECT id, hash, config, "
		"error, attempts, host_ns FROM points ORDER BY config", -1, &st,
		NULL);

	if (rc)
		return sql_error(db, rc, e);
	while (!rc && (step = sqlite3_step(st)) == SQLITE_ROW)
		rc = give_row(db, st, fn, arg, e);
	if (!rc && step != SQLITE_DONE)
		rc = sql_error(db, step, e);
	sqlite3_finalize(st);
	return rc;
}

int sweep_db_samples(struct sweep_db *db, const char *hash, const char *name,
		     sweep_sample_fn *fn, void *arg, struct err *e)
{
	sqlite3_stmt *st;
	int step, rc = sqlite3_prepare_v2(db->sql, "SELECT s.at_ns, s.value "
		"FROM samples s JOIN points p ON p.id = s.point "
		"JOIN metrics m ON m.id = s.metric "
		"WHERE p.hash = ?1 AND m.name = ?2 ORDER BY s.at_ns", -1, &st,
		NULL);

	if (rc)
		return sql_error(db, rc, e);
	sqlite3_bind_text(st, 1, hash, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 2, name, -1, SQLITE_STATIC);
	while ((step = sqlite3_step(st)) == SQLITE_ROW)
		fn(arg, (u64)sqlite3_column_int64(st, 0),
		   sqlite3_column_double(st, 1));
	sqlite3_finalize(st);
	return step == SQLITE_DONE ? 0 : sql_error(db, step, e);
}

/* ---- merging --------------------------------------------------------------------------------- */

/* Points of the attached file that are new here, or failed here only. */
static const char merge[] =
	"CREATE TEMP TABLE fresh AS SELECT o.id AS oid, o.hash AS hash, "
	"	o.run AS run FROM other.points o LEFT JOIN main.points p USING(hash) "
	"	WHERE p.id IS NULL OR (p.state = 'failed' AND o.state = 'done');"
	"CREATE TEMP TABLE first AS SELECT coalesce(max(id), 0) AS run "
	"	FROM main.runs;"
	"INSERT INTO main.runs SELECT id + (SELECT run FROM first), began, "
	"	program, host FROM other.runs WHERE id IN (SELECT run FROM fresh);"
	"INSERT OR IGNORE INTO main.metrics(name, unit) SELECT name, unit "
	"	FROM other.metrics ORDER BY id;"
	"INSERT INTO main.points(hash, config, state, error, attempts, host_ns, "
	"	ended, run) SELECT hash, config, state, error, attempts, host_ns, "
	"	ended, run + (SELECT run FROM first) FROM other.points "
	"	WHERE id IN (SELECT oid FROM fresh) "
	"	ON CONFLICT(hash) DO UPDATE SET state = excluded.state, "
	"	error = excluded.error, host_ns = excluded.host_ns, "
	"	ended = excluded.ended, run = excluded.run, "
	"	attempts = attempts + excluded.attempts;"
	"INSERT INTO main.results SELECT p.id, m.id, r.value FROM fresh f "
	"	JOIN main.points p USING(hash) "
	"	JOIN other.results r ON r.point = f.oid "
	"	JOIN other.metrics o ON o.id = r.metric "
	"	JOIN main.metrics m ON m.name = o.name;"
	"INSERT INTO main.samples SELECT p.id, s.at_ns, m.id, s.value "
	"	FROM fresh f JOIN main.points p USING(hash) "
	"	JOIN other.samples s ON s.point = f.oid "
	"	JOIN other.metrics o ON o.id = s.metric "
	"	JOIN main.metrics m ON m.name = o.name;";

/* The same point has the same results, whoever ran it. */
static const char differ[] =
	"SELECT count(*) FROM main.points p JOIN other.points o USING(hash) "
	"WHERE p.state = 'done' AND o.state = 'done' AND ("
	"EXISTS (SELECT m.name, r.value FROM main.results r "
	"	JOIN main.metrics m ON m.id = r.metric WHERE r.point = p.id "
	"	EXCEPT SELECT m.name, r.value FROM other.results r "
	"	JOIN other.metrics m ON m.id = r.metric WHERE r.point = o.id) "
	"OR EXISTS (SELECT m.name, r.value FROM other.results r "
	"	JOIN other.metrics m ON m.id = r.metric WHERE r.point = o.id "
	"	EXCEPT SELECT m.name, r.value FROM main.results r "
	"	JOIN main.metrics m ON m.id = r.metric WHERE r.point = p.id))";

static int attach(struct sweep_db *db, const char *path, struct err *e)
{
	sqlite3_stmt *st;
	int rc = sqlite3_prepare_v2(db->sql, "ATTACH ?1 AS other", -1, &st,
				    NULL);

	if (rc)
		return sql_error(db, rc, e);
	sqlite3_bind_text(st, 1, path, -1, SQLITE_STATIC);
	rc = step_once(st);
	sqlite3_finalize(st);
	return rc ? sql_error(db, rc, e) : 0;
}

static int merge_attached(struct sweep_db *db, struct sweep_merge *m,
			  struct err *e)
{
	sqlite3_int64 n = 0, all = 0, unlike = 0;
	int rc = run_sql(db, "BEGIN IMMEDIATE", e);

	if (rc)
		return rc;
	rc = ask_number(db, differ, &unlike, e);
	if (!rc)
		rc = run_sql(db, merge, e);
	if (!rc)
		rc = ask_number(db, "SELECT count(*) FROM fresh", &n, e);
	if (!rc)
		rc = ask_number(db, "SELECT count(*) FROM other.points", &all,
				e);
	if (!rc)
		rc = run_sql(db, "DROP TABLE fresh; DROP TABLE first; COMMIT",
			     e);
	if (rc)
		sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
	*m = (struct sweep_merge){ .added = (u32)n, .known = (u32)(all - n),
				   .differ = (u32)unlike };
	return rc;
}

int sweep_db_merge(struct sweep_db *db, const char *path,
		   struct sweep_merge *m, struct err *e)
{
	struct sweep_db *other;
	int rc = sweep_db_open(&other, path, SWEEP_DB_READ, e);

	if (rc)
		return rc;
	sweep_db_close(other);
	rc = attach(db, path, e);
	if (rc)
		return rc;
	rc = merge_attached(db, m, e);
	if (rc)
		err_prefix(e, rc, "merging %s: ", path);
	sqlite3_exec(db->sql, "DETACH other", NULL, NULL, NULL);
	forget_metrics(db);
	return rc;
}
