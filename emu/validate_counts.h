/* validate_counts.h - the kernel's own counts of flushes, a call, against the
 * model's. */
#ifndef EMU_VALIDATE_COUNTS_H
#define EMU_VALIDATE_COUNTS_H

#include "base/emit.h"
#include "emu/validate_rows.h"

/* counts_differ - by how much the model's count of @kind is off, in percent of the
 * larger, sorted, to @diff (r->n numbers), and their median. Return: of how many
 * rows; those that have no such count on both sides are left out. */
u32 counts_differ(const struct rows *r, enum row_count kind, double *diff,
		  double *median);

/* put_counts - a table of @r's calls alone and beside threads, and for each kind
 * of count whether all rows are within the band, or why this host has none.
 * @tmp: r->n numbers. Return: is every kind that can be counted inside? */
bool put_counts(struct emit *em, const struct rows *r, double *tmp);

#endif
