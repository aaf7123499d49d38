/* sweep_db.h - results of sweeps in one SQLite file, safe against a stop at any
 * moment: a point is written in one transaction when it has ended, so it is
 * there whole or not at all.
 *
 *	runs     each time a sweep wrote here: when, which program, which host
 *	points   one row a configuration: hash (its key), config (all settings and
 *	         the program's version as JSON), state 'done' or 'failed', error,
 *	         attempts, host_ns, ended (Unix time), run
 *	metrics  names and units of numbers
 *	results  (point, metric) -> value; not modelled: no row
 *	samples  (point, at_ns, metric) -> value so far, at that modelled time
 *	numbers  a view: hash, metric, unit, value
 *
 * docs/sweep.md has the table layout and queries. The file is in WAL mode: it
 * can be read while a sweep writes. One sweep at a time writes (flock).
 *
 * Errors: negative errno, the text names the file. -EINVAL: damaged, or not a
 * sweep's; -ENOENT; -EBUSY: another sweep writes here; -ENOSPC, -EIO, -EACCES,
 * -EROFS: what the host refused. What was put before stays.
 */
#ifndef EMU_SWEEP_DB_H
#define EMU_SWEEP_DB_H

#include "base/err.h"
#include "base/types.h"

#define SWEEP_HASH_TEXT 33

/* sqlite3's application_id and user_version of our files. */
#define SWEEP_DB_APPLICATION 0x746c6245 /* "tlbE" */
#define SWEEP_DB_VERSION 1

struct sweep_db;                /* opaque, in sweep_db.c */

enum sweep_db_mode { SWEEP_DB_READ, SWEEP_DB_WRITE /* made if not there */ };

int sweep_db_open(struct sweep_db **out, const char *path,
		  enum sweep_db_mode mode, struct err *e);
void sweep_db_close(struct sweep_db *db);

/* In a forked worker: lets go of what a parent killed meanwhile would leave
 * locked. The worker must not use @db otherwise. */
void sweep_db_in_child(struct sweep_db *db);

/* sweep_db_is_busy - is a sweep writing to @path just now? */
bool sweep_db_is_busy(const char *path);

enum sweep_state { SWEEP_MISSING, SWEEP_DONE, SWEEP_FAILED };

struct sweep_sample {
	u64 at_ns;
	u32 metric;             /* index into the names of the record         */
	double value;
};

/* A point that has ended. */
struct sweep_record {
	const char *hash, *config;
	const char *error;      /* NULL: done                                 */
	u64 host_ns;
	u32 nr_values;
	const double *value;    /* NAN: absent                                */
	/* Name and unit (may be NULL) of value @i. */
	void (*name)(u32 i, char name[64], const char **unit);
	u32 nr_samples;
	const struct sweep_sample *sample;
};

/* sweep_db_put - one transaction. A failed point may be put again; a point that
 * is done is not changed. */
int sweep_db_put(struct sweep_db *db, const struct sweep_record *r,
		 struct err *e);

int sweep_db_state(struct sweep_db *db, const char *hash, enum sweep_state *out,
		   struct err *e);

/* How many points are done and failed; with @error the text of a failed one. */
int sweep_db_count(struct sweep_db *db, u32 *done, u32 *failed,
		   struct err *error, struct err *e);

/* A point as it is stored, to be walked over. */
struct sweep_row {
	const char *hash, *config, *error;      /* error NULL: done           */
	u32 attempts;
	u64 host_ns;
	u32 nr_values;                          /* metrics of the file        */
	const double *value;                    /* [nr_values], NAN: absent   */
};
typedef int sweep_row_fn(void *arg, const struct sweep_row *row, struct err *e);

/* sweep_db_read - the point @hash, if it is there. */
int sweep_db_read(struct sweep_db *db, const char *hash, sweep_row_fn *fn,
		  void *arg, struct err *e);

/* sweep_db_each - all points, in order of their configuration's text. */
int sweep_db_each(struct sweep_db *db, sweep_row_fn *fn, void *arg,
		  struct err *e);

/* Names of the metrics of the file, in order of their ids; sweep_row.value is
 * in the same order. Valid until something is put. */
u32 sweep_db_metrics(struct sweep_db *db);
const char *sweep_db_metric(struct sweep_db *db, u32 i, const char **unit);

/* sweep_db_samples - of point @hash, metric @name, in order of time. */
typedef void sweep_sample_fn(void *arg, u64 at_ns, double value);
int sweep_db_samples(struct sweep_db *db, const char *hash, const char *name,
		     sweep_sample_fn *fn, void *arg, struct err *e);

struct sweep_merge {
	u32 added, known;
	u32 differ;             /* known with other results: must not be      */
};

/* sweep_db_merge - the points of the file @path, in one transaction. */
int sweep_db_merge(struct sweep_db *db, const char *path,
		   struct sweep_merge *m, struct err *e);

#endif
