/* matrix.h - a small stage for every operation that flushes (mm/flush_op.def),
 * in the explorer: what `tlbemu matrix` runs each strategy on. One CPU does the
 * operation, another one uses the page, and it is the same race three times:
 *   matrix-stay   the user runs in the address space all the time
 *   matrix-back   it goes away and comes back meanwhile: what its TLB kept under
 *                 the old tag counts
 *   matrix-idle   its CPU idles, lazily, and comes back
 * They are not in races[], but race_find() knows them: `tlbemu race matrix-back
 * --row cow-break --flush NAME` shows how a cell is lost.
 */
#ifndef WORKLOADS_MATRIX_H
#define WORKLOADS_MATRIX_H

#include "mm/flush_op.h"
#include "workloads/race.h"

enum matrix_user { MATRIX_STAY, MATRIX_BACK, MATRIX_IDLE, NR_MATRIX_USERS };

extern const struct race *const matrix_races[]; /* [NR_MATRIX_USERS], NULL    */
extern const char *const matrix_user_names[];

/* The row of @race for @op. NULL: it cannot meet such a user. */
const struct race_row *matrix_row(const struct race *race, enum flush_op op);

/* Section 3.1's reading of an operation: until when a flush may wait. */
const char *matrix_due(enum flush_op op);

#endif
