#include "base/grow.h"
#include "emu/litmus_run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Up to eight threads on two nodes. */
#define TOPOLOGY "pack:2 [numa] core:4 pu:1"

struct collect {
	const struct litmus *t;
	struct litmus_result *r;
	u32 capacity;
	bool is_out_of_memory;
};

/* Sorted by bytes: which comes first does not depend on the search. Return:
 * where @s is or belongs. */
static u32 place(const struct litmus_result *r, const struct litmus_state *s,
		 bool *is_known)
{
	u32 lo = 0, hi = r->nr_finals;

	*is_known = false;
	while (lo < hi && !*is_known) {
		u32 mid = lo + (hi - lo) / 2;
		int c = memcmp(&r->final[mid], s, sizeof(*s));

		*is_known = !c;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return hi;
}

static void add(struct collect *c, const struct litmus_state *s, u32 at)
{
	struct litmus_result *r = c->r;

	if (GROW(r->final, r->nr_finals, c->capacity, 64)) {
		c->is_out_of_memory = true;
		return;
	}
	memmove(&r->final[at + 1], &r->final[at],
		(r->nr_finals - at) * sizeof(*s));
	r->final[at] = *s;
	r->nr_finals++;
	if (litmus_holds(c->t, s))
		r->positive++;
	else
		r->negative++;
}

static void on_final(void *arg)
{
	struct collect *c = arg;
	struct litmus_state s;
	bool is_known;
	u32 at;

	if (!litmus_state(c->t, &s)) {
		c->r->stuck++;
		return;
	}
	at = place(c->r, &s, &is_known);
	if (!is_known)
		add(c, &s, at);
}

int litmus_run(const struct litmus *t, const struct litmus_hw *hw,
	       const struct litmus_limits *lim, struct litmus_result *r)
{
	struct collect c = { .t = t, .r = r };
	const struct explore_config cfg = {
		.use_sleep_sets = hw->is_reduced,
		.max_states = lim->max_states,
		.max_seconds = lim->max_seconds,
		.max_bytes = lim->max_bytes,
		.skip_shortest = true,
		.on_final = on_final,
		.final_arg = &c,
		.deadlock_is_final = true,
	};
	struct explore_result x;
	struct machine *m;
	struct sys *sys;
	int rc = machine_create(&m, TOPOLOGY, NULL, NULL);

	memset(r, 0, sizeof(*r));
	if (rc)
		return rc;
	rc = litmus_open(&sys, t, m, hw);
	if (!rc) {
		rc = explore(sys, &cfg, &x);
		litmus_close(sys);
	}
	machine_destroy(m);
	if (!rc && c.is_out_of_memory)
		rc = -ENOMEM;
	if (rc) {
		free(r->final);
		return rc;
	}
	free(x.moves);
	r->outcome = x.outcome;
	r->limit = x.limit;
	if (x.outcome == EXPLORE_NOT_FINISHED)
		explore_bound(&cfg, &x, r->bound, sizeof(r->bound));
	r->states = x.states;
	r->transitions = x.transitions;
	r->max_depth = x.max_depth;
	r->host_seconds = x.host_seconds;
	return 0;
}

const char *litmus_observation(const struct litmus_result *r)
{
	return !r->positive ? "Never" : r->negative ? "Sometimes" : "Always";
}
