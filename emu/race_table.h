/* race_table.h - a counterexample as people of the field write it: a row per
 * event, a column per CPU. */
#ifndef EMU_RACE_TABLE_H
#define EMU_RACE_TABLE_H

#include <stdio.h>

#include "emu/race_run.h"

/* race_table - replay @o's schedule and print it on @f. With @o as found by
 * race_run(). @command: how the user can replay it.
 * Return: 0, or negative errno when the replay does not end as found. */
int race_table(FILE *f, const struct race *race, const struct race_row *row,
	       const struct kernel *k, const struct race_limits *lim,
	       const struct race_outcome *o, const char *command);

/* The frame that an oracle's text calls the victim store's. Return: false when
 * it names none. */
bool race_victim_frame(const char *oracle_text, u64 *pfn);

#endif
