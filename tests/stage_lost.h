/* stage_lost.h - what a stage of a race loses under a flush strategy, for tests
 * that take strategies apart. */
#ifndef TESTS_STAGE_LOST_H
#define TESTS_STAGE_LOST_H

#include "tests/check.h"

#include "emu/explore.h"
#include "emu/race_run.h"
#include "mm/flush.h"
#include "mm/oracle.h"
#include "workloads/race.h"

/* Of RACE_STAGE_TOPOLOGY; the test's main() makes it. */
static struct machine *machine;

/* Return: the oracle that fired; 0: none, and all was searched. */
static inline u32 lost_on(const char *race_name, const char *id,
			  const struct flush_ops *f, const struct kernel *k)
{
	const struct race *race = race_find(race_name);
	const struct race_row *row = NULL;
	const struct race_options opt = {
		.is_reduced = true, .may_speculate = true, .may_evict = true,
		.flush = f,
	};
	struct explore_config cfg = {
		.use_sleep_sets = true, .skip_shortest = true,
		.on_final = race_on_final,
	};
	struct explore_result r;
	struct sys *sys;

	for (u32 i = 0; i < race->nr_rows; i++)
		if (!strcmp(race->rows[i].id, id))
			row = &race->rows[i];
	assert_non_null(row);
	if (!k)
		k = kernel_find(row->kernel);
	assert_int_equal(race_open(&sys, race, row, k, machine, &opt), 0);
	cfg.final_arg = race_mm(sys);
	assert_int_equal(explore(sys, &cfg, &r), 0);
	race_close(sys);
	free(r.moves);
	if (r.outcome == EXPLORE_PROVED)
		return 0;
	assert_int_equal(r.outcome, EXPLORE_VIOLATION);
	printf("# %s, %s under %s: %s %s\n", race_name, id, f->name, r.oracle,
	       r.text);
	return oracle_by_name(r.oracle);
}

/* On the row's kernel. */
static inline u32 lost(const char *race_name, const char *id,
		       const struct flush_ops *f)
{
	return lost_on(race_name, id, f, NULL);
}

#endif
