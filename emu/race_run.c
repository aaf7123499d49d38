#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "emu/race_run.h"
#include "emu/version.h"
#include "mm/flush.h"
#include "mm/oracle.h"

const char *const memory_model_names[] = { "sc", "tso", "weak", NULL };

void race_on_final(void *unused)
{
	oracle_quiescent();
}

static struct explore_config config_of(const struct race *race,
				       const struct race_limits *lim)
{
	return (struct explore_config){
		.use_sleep_sets = !lim->is_plain,
		.max_states = lim->max_states,
		.max_seconds = lim->max_seconds,
		.max_bytes = lim->max_bytes,
		.skip_shortest = !lim->want_shortest,
		.on_final = race_on_final,
		.find_livelock = race->may_restart || lim->find_livelock,
		.is_bounded = lim->is_bounded,
		.max_preemptions = lim->max_preemptions,
		.mode = lim->mode,
		.seed = lim->seed,
		.runs = lim->runs,
		.pct_depth = lim->pct_depth,
		.nr_workers = lim->nr_workers,
		.resume = lim->resume,
		.save = lim->save,
		.save_seconds = lim->save_seconds,
	};
}

/* All that decides about a search besides its stage. */
static u64 hash_of(const struct race *race, const struct race_row *row,
		   const struct kernel *k, const struct race_limits *lim)
{
	char text[256];
	int n = snprintf(text, sizeof(text), "%s/%s/%s/%d/%u/%d%d/%s/%d",
			 race->name, row->id, k->name, row->memory,
			 row->changers, lim->is_plain, lim->is_demand_only,
			 lim->flush ? lim->flush->name : "",
			 (int)row->watch);

	return XXH64(text, (size_t)n, 0);
}

static int explore_row(const struct race *race, const struct race_row *row,
		       const struct kernel *k, const struct race_limits *lim,
		       struct explore_result *r)
{
	const struct race_options opt = {
		.is_reduced = !lim->is_plain,
		.may_speculate = !lim->is_demand_only,
		.may_evict = true,
		.flush = lim->flush,
	};
	struct explore_config cfg = config_of(race, lim);
	char program[96];
	struct machine *m;
	struct sys *sys;
	int rc = machine_create(&m, RACE_STAGE_TOPOLOGY, NULL, NULL);

	if (rc)
		return rc;
	rc = race_open(&sys, race, row, k, m, &opt);
	if (!rc) {
		snprintf(program, sizeof(program), "tlbemu %s %s",
			 TLBEMU_VERSION, tlbemu_revision);
		cfg.program = program;
		cfg.config = hash_of(race, row, k, lim);
		cfg.final_arg = race_mm(sys);
		rc = explore(sys, &cfg, r);
		race_close(sys);
	}
	machine_destroy(m);
	return rc;
}

static void keep(struct race_outcome *out, const struct explore_result *r,
		 enum memory_model memory, bool is_demand_only)
{
	out->shown_memory = memory;
	out->shown_demand_only = is_demand_only;
	out->is_shortest = r->is_shortest;
	out->switches = r->switches;
	out->nr_moves = 0;
	if (r->nr_moves && r->nr_moves <= RACE_MAX_MOVES) {
		out->nr_moves = r->nr_moves;
		memcpy(out->moves, r->moves, r->nr_moves * sizeof(*r->moves));
	}
}

/* The shortest loss on the simplest hardware that loses in the same way: other
 * oracles look away. */
static void find_shown(const struct race *race, const struct race_row *row,
		       const struct kernel *k, const struct race_limits *lim,
		       struct race_outcome *out)
{
	const struct {
		enum memory_model memory;
		bool is_demand_only;
	} hw[] = {
		{ MEM_SC, true }, { MEM_SC, false },
		{ row->memory, lim->is_demand_only },
	};
	u32 oracle = oracle_by_name(out->oracle);

	for (size_t i = 0; i < ARRAY_LEN(hw); i++) {
		struct race_limits l = *lim;
		struct race_row simple = *row;
		struct explore_result r;
		bool is_found;

		simple.memory = hw[i].memory;
		if (row->expected_oracles & oracle)
			simple.watch = row->expected_oracles;
		l.is_demand_only = hw[i].is_demand_only;
		l.resume = l.save = NULL;
		l.nr_workers = 1;
		out->error = explore_row(race, &simple, k, &l, &r);
		if (out->error)
			return;
		out->host_seconds += r.host_seconds;
		is_found = r.outcome == EXPLORE_VIOLATION &&
			   (i + 1 == ARRAY_LEN(hw) ||
			    (oracle_by_name(r.oracle) &
			     (row->expected_oracles ? row->expected_oracles
						    : oracle)));
		if (is_found)
			keep(out, &r, hw[i].memory, hw[i].is_demand_only);
		free(r.moves);
		if (is_found)
			return;
	}
}

static void say(const struct race *race, const struct race_limits *lim,
		const struct explore_result *r, struct race_outcome *o)
{
	const struct explore_config cfg = config_of(race, lim);
	char bound[40];

	switch (r->outcome) {
	case EXPLORE_PROVED:
	case EXPLORE_VIOLATION:
		snprintf(o->verdict, sizeof(o->verdict), "%s",
			 r->outcome == EXPLORE_PROVED ? "PASS" : "FAIL");
		return;
	case EXPLORE_NOT_FINISHED:
		snprintf(o->verdict, sizeof(o->verdict), "not finished");
		snprintf(o->remark, sizeof(o->remark), "not finished: %llu %s, "
			 "bound %s", (unsigned long long)
			 (lim->mode ? r->runs : r->states), lim->mode
			 ? "schedules" : "states",
			 explore_bound(&cfg, r, bound, sizeof(bound)));
		return;
	case EXPLORE_BOUNDED:
		snprintf(o->verdict, sizeof(o->verdict), "PASS within %u "
			 "preemption%s", lim->max_preemptions,
			 lim->max_preemptions == 1 ? "" : "s");
		snprintf(o->remark, sizeof(o->remark), "schedules with more "
			 "than %u preemptions were not tried",
			 lim->max_preemptions);
		return;
	case EXPLORE_SAMPLED:
		snprintf(o->verdict, sizeof(o->verdict), "none found");
		snprintf(o->remark, sizeof(o->remark), "%llu schedules tried "
			 "(%s, seed %llu), none loses: that is no proof",
			 (unsigned long long)r->runs, lim->mode == EXPLORE_PCT
			 ? "pct" : "random", (unsigned long long)lim->seed);
		return;
	}
}

void race_run(const struct race *race, const struct race_row *row,
	      const struct kernel *k, const struct race_limits *lim,
	      struct race_outcome *out)
{
	struct race_limits first = *lim;
	struct explore_result r = { .text = "" };

	memset(out, 0, sizeof(*out));
	first.want_shortest = false;
	out->error = explore_row(race, row, k, &first, &r);
	if (out->error) {
		snprintf(out->verdict, sizeof(out->verdict), "error");
		snprintf(out->remark, sizeof(out->remark), "%s", r.text);
		return;
	}
	out->outcome = r.outcome;
	say(race, lim, &r, out);
	out->states = r.states;
	out->transitions = r.transitions;
	out->finals = r.finals;
	out->max_depth = r.max_depth;
	out->host_seconds = r.host_seconds;
	memcpy(out->oracle, r.oracle, sizeof(out->oracle));
	memcpy(out->text, r.text, sizeof(out->text));
	keep(out, &r, row->memory, lim->is_demand_only);
	free(r.moves);
	if (r.outcome == EXPLORE_VIOLATION && lim->want_shortest && !lim->mode)
		find_shown(race, row, k, lim, out);
}

bool race_is_expected(const struct race_row *row, const struct race_outcome *o)
{
	if (o->error)
		return false;
	if (o->outcome == EXPLORE_PROVED || o->outcome == EXPLORE_BOUNDED ||
	    o->outcome == EXPLORE_SAMPLED)
		return row->expected == VERDICT_PASS;
	return o->outcome == EXPLORE_VIOLATION && row->expected == VERDICT_FAIL &&
	       (!row->expected_oracles ||
		(oracle_by_name(o->oracle) & row->expected_oracles));
}

bool race_is_open(const struct race_row *row, const struct race_outcome *o)
{
	return !o->error && row->expected == VERDICT_FAIL &&
	       (o->outcome == EXPLORE_BOUNDED || o->outcome == EXPLORE_SAMPLED);
}
