/* ref_litmus.h - the litmus format's machine as its text says it, one event at
 * a time: fills, evictions, drains and deliveries are steps of their own, and
 * every state is kept. Shares no code with cpu/ and tlb/ but the entries' bits.
 */
#ifndef TESTS_REF_LITMUS_H
#define TESTS_REF_LITMUS_H

#include "workloads/litmus.h"

struct ref_finals {
	struct litmus_state *s;         /* distinct; malloced                 */
	u32 n;
	u64 states;
	bool is_unfinished;             /* more than @max_states, or a table
					 * was full                           */
};

/* ref_litmus - all final states of @t; @is_tso: store buffers. */
void ref_litmus(const struct litmus *t, bool is_tso, u64 max_states,
		struct ref_finals *out);

#endif
