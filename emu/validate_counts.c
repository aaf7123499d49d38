/* Counts of flushes, native and emulated. */
#include "emu/validate_counts.h"

#include <math.h>
#include <unistd.h>

#include "host/kernel_counts.h"
#include "host/tracepoint.h"

#define BAND 5.0                /* percent                                    */

static const struct emit_col cols[] = {
	{ .name = "what", .type = EMIT_STRING },
	{ .name = "pages", .type = EMIT_U64 },
	{ .name = "threads", .type = EMIT_U64 },
	{ .name = "interrupts", .unit = "a call", .type = EMIT_DOUBLE,
	  .decimals = 2 },
	{ .name = "emulated", .unit = "a call", .type = EMIT_DOUBLE,
	  .decimals = 2 },
	{ .name = "flushes sent", .unit = "a call", .type = EMIT_DOUBLE,
	  .decimals = 2 },
	{ .name = "emulated sent", .unit = "a call", .type = EMIT_DOUBLE,
	  .decimals = 2 },
	{ .name = "flushes", .unit = "a call", .type = EMIT_DOUBLE,
	  .decimals = 2 },
	{ .name = "emulated flushes", .unit = "a call", .type = EMIT_DOUBLE,
	  .decimals = 2 },
};

/* Is it there to be read? Else why not. ORDER row_count */
static int can_count_interrupts(struct err *e)
{
	double per_call;

	return kernel_counts_shootdowns(&per_call, e);
}

static int can_trace(const char *what, struct err *e)
{
	int fd = tracepoint_open(what, e);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

static int can_count_sent(struct err *e)
{
	return can_trace(TRACEPOINT_FLUSH_SENT, e);
}

static int can_count_flushes(struct err *e)
{
	return can_trace(TRACEPOINT_FLUSHED, e);
}

static const struct {
	const char *what;
	int (*can)(struct err *e);
} kinds[NR_ROW_COUNTS] = {
	{ "interrupts (row TLB of /proc/interrupts)", can_count_interrupts },
	{ "flushes sent (" TRACEPOINT_FLUSH_SENT ")", can_count_sent },
	{ "flushes (" TRACEPOINT_FLUSHED ")", can_count_flushes },
};

/* Calls of the kernel whose count is of them alone. */
static bool is_counted(const struct row *row)
{
	return row->kind == ROW_WORK && !row->has_less;
}

static void put_row(struct emit *em, const struct row *row)
{
	emit_str(em, row->what);
	emit_u64(em, row_pages(row));
	emit_u64(em, row_threads(row));
	for (u32 k = 0; k < NR_ROW_COUNTS; k++)
		for (u32 i = 0; i < 2; i++)
			emit_double(em, row->count[k][i]);
	emit_row(em);
}

/* In percent of the larger; NAN: one of them is not there. */
static double difference(const struct row *row, enum row_count kind)
{
	double a = row->count[kind][0], b = row->count[kind][1];
	double most = a > b ? a : b;

	return 100 * fabs(a - b) / (most > 0 ? most : 1);
}

u32 counts_differ(const struct rows *r, enum row_count kind, double *diff,
		  double *median)
{
	u32 n = 0;

	for (u32 i = 0; i < r->n; i++) {
		double d = difference(&r->row[i], kind);

		if (is_counted(&r->row[i]) && !isnan(d))
			diff[n++] = d;
	}
	*median = stat_median(diff, n);         /* sorts */
	return n;
}

static bool put_verdict(struct emit *em, const struct rows *r,
			enum row_count kind, double *tmp)
{
	double median;
	struct err e;
	u32 n;

	if (kinds[kind].can(&e)) {
		emit_note(em, " %s cannot be compared here: %s",
			  kinds[kind].what, e.text);
		return true;
	}
	n = counts_differ(r, kind, tmp, &median);
	if (!n)
		return true;
	emit_note(em, " %s: of %u rows the median differs by %.1f %%, the worst "
		  "by %.1f %%; %s the band of %.0f %%", kinds[kind].what, n,
		  median, tmp[n - 1], tmp[n - 1] <= BAND ? "inside" : "OUTSIDE",
		  BAND);
	return tmp[n - 1] <= BAND;
}

bool put_counts(struct emit *em, const struct rows *r, double *tmp)
{
	bool is_inside = true, is_any = false;

	for (u32 i = 0; i < r->n; i++)
		is_any |= is_counted(&r->row[i]);
	if (!is_any)
		return true;
	emit_table(em, &(struct emit_table){
		.name = "flushes", .title = " flushes a call; beside each count "
		"of this kernel the model's", .cols = cols,
		.nr_cols = ARRAY_LEN(cols), .missing = "-" });
	for (u32 i = 0; i < r->n; i++)
		if (is_counted(&r->row[i]))
			put_row(em, &r->row[i]);
	for (u32 k = 0; k < NR_ROW_COUNTS; k++)
		is_inside &= put_verdict(em, r, (enum row_count)k, tmp);
	return is_inside;
}
