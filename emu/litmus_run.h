/* litmus_run.h - a litmus test's final states, all of them. */
#ifndef EMU_LITMUS_RUN_H
#define EMU_LITMUS_RUN_H

#include "emu/explore.h"
#include "workloads/litmus.h"

struct litmus_limits {
	u64 max_states;         /* 0: 200 million                             */
	double max_seconds;     /* 0: none                                    */
	u64 max_bytes;          /* 0: 2 GiB                                   */
};

struct litmus_result {
	struct litmus_state *final;     /* distinct, sorted; malloced         */
	u32 nr_finals;
	u32 positive, negative;         /* that satisfy the condition, or not */
	u32 stuck;                      /* states where a thread waits for ever */
	enum explore_outcome outcome;   /* PROVED: complete                   */
	const char *limit;
	char bound[40];                 /* not complete: explore_bound()      */
	u64 states, transitions;
	u32 max_depth;
	double host_seconds;
};

/* litmus_run - Return: 0 (free r->final), -ENOMEM. */
int litmus_run(const struct litmus *t, const struct litmus_hw *hw,
	       const struct litmus_limits *lim, struct litmus_result *r);

/* "Never", "Sometimes", "Always". */
const char *litmus_observation(const struct litmus_result *r);

#endif
