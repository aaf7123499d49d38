/* race_run.h - one row of a race, explored; shared by `race` and `mutate`. */
#ifndef EMU_RACE_RUN_H
#define EMU_RACE_RUN_H

#include "emu/explore.h"
#include "workloads/race.h"

#define RACE_MAX_MOVES 400

/* The stage's hardware: four CPUs, two nodes; no cost matters here. */
#define RACE_STAGE_TOPOLOGY "pack:2 [numa] core:2 pu:1"

/* explore_config.on_final for races; the argument is the stage's mm. */
void race_on_final(void *mm);

struct race_limits {
	u64 max_states;
	double max_seconds;
	u64 max_bytes;
	bool is_bounded;        /* see explore_config                         */
	u32 max_preemptions;
	enum explore_mode mode;
	u64 seed, runs;
	u32 pct_depth;
	u32 nr_workers;         /* of one row                                 */
	const char *resume, *save;      /* of one row; see explore_config     */
	double save_seconds;
	bool is_plain;          /* no reduction                               */
	bool is_demand_only;    /* no speculative fills                       */
	bool want_shortest;
	bool find_livelock;     /* also where the race has no .may_restart    */
	const struct flush_ops *flush;
};

/* Plain data: crosses a pipe. */
struct race_outcome {
	int error;                      /* negative errno of the stage        */
	enum explore_outcome outcome;
	char verdict[40];               /* "PASS", "PASS within 2 preemptions" */
	char remark[256];               /* what it does not say; an error's
					 * text; or empty                     */
	u64 states, transitions, finals;
	u32 max_depth;
	double host_seconds;
	char oracle[8];
	char text[256];
	/* The counterexample shown is that of the simplest hardware that loses:
	 * first without store buffers and speculative fills, then without
	 * store buffers, then the row's own. */
	enum memory_model shown_memory;
	bool shown_demand_only;         /* its oracle and frames: its table   */
	bool is_shortest;
	u32 switches;
	u32 nr_moves;
	struct explore_move moves[RACE_MAX_MOVES];
};

void race_run(const struct race *race, const struct race_row *row,
	      const struct kernel *k, const struct race_limits *lim,
	      struct race_outcome *out);

/* Does it agree with the catalogue? */
bool race_is_expected(const struct race_row *row, const struct race_outcome *o);

/* It should lose, and the part of the space that was searched does not. */
bool race_is_open(const struct race_row *row, const struct race_outcome *o);

extern const char *const memory_model_names[];  /* "sc" "tso" "weak", NULL    */

#endif
