/* validate_rows.h - what `tlbemu validate` asks of this host and of its model:
 * points that calibration did not use.
 *
 * Calibration's chases are on a grid (calib_tlb_on_grid()) but for the search
 * within one interval of it, its calls have page counts of their own
 * (host_fit_uses()); tests/test_host.c holds the rows against both.
 */
#ifndef EMU_VALIDATE_ROWS_H
#define EMU_VALIDATE_ROWS_H

#include "calib/mut.h"

/* ORDER validate_suites */
enum suite { CHASES, PROGRAMS, ALONE, TOGETHER, NR_SUITES };

/* With the bands for median and 90th percentile. */
struct suite_info {
	const char *name, *what;
	double median, p90;             /* percent; 0: none                   */
};
extern const struct suite_info validate_suites[NR_SUITES];

/* ORDER mut_event, from MUT_SHOOTDOWNS on */
enum row_count { ROW_SHOOTDOWNS, ROW_FLUSHES_SENT, ROW_FLUSHES, NR_ROW_COUNTS };

enum row_kind { ROW_CHASE, ROW_PROGRAM, ROW_WORK };

struct row {
	enum suite suite;
	enum row_kind kind;
	char what[32];
	struct mut_chase chase;
	/* With a "less" the row is the difference. */
	const struct mut_program *program, *program_less;
	struct mut_work work, less;
	bool has_less;
	/* Cycles an access or call; NAN: not measured, see the note. */
	double native, lo, hi, emulated, error;
	double count[NR_ROW_COUNTS][2]; /* a call: native, emulated; NAN: not
					 * counted                            */
	char note[160];
};

struct rows {
	struct row *row;
	u32 n, room;
};

/* rows_list - those of @suite, of all when NR_SUITES, on @nr_cpus. -ENOMEM. */
int rows_list(struct rows *r, u32 suite, u32 nr_cpus, struct err *e);
void rows_free(struct rows *r);

u64 row_pages(const struct row *row);
u32 row_threads(const struct row *row);

/* row_measure - on both; what one of them cannot do is noted, what else failed
 * is returned. */
int row_measure(struct row *row, struct mut *host, struct mut *model,
		struct err *e);

#endif
