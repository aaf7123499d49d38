#include "emu/race_record.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "emu/race_state.h"
#include "emu/race_table.h"

struct recording {
	json_t *steps;
	json_t *notes;          /* of the move under way                      */
	bool is_cut;
};

static const char *const kind_names[] = { "step", "interrupt",
					  "store becomes visible", "fill" };

static void on_event(const struct explore_event *e, void *arg)
{
	struct recording *rec = arg;

	if (strncmp(e->text, "***", 3))
		json_array_append_new(rec->notes, json_string(e->text));
}

static void add_step(struct recording *rec, const struct explore_move *m,
		     bool was_possible)
{
	json_t *s = json_object();

	json_object_set_new(s, "cpu", m ? json_integer(m->cpu) : json_null());
	json_object_set_new(s, "kind", json_string(m ? kind_names[m->kind]
						     : "stage"));
	json_object_set_new(s, "notes", rec->notes);
	json_object_set_new(s, "skipped", json_boolean(!was_possible));
	json_object_set_new(s, "state", race_state());
	json_array_append_new(rec->steps, s);
	rec->notes = json_array();
}

static void on_move(const struct explore_move *m, bool was_possible, void *arg)
{
	struct recording *rec = arg;

	rec->is_cut = rec->is_cut ||
		      json_array_size(rec->steps) > RACE_RECORD_MAX;
	if (rec->is_cut)
		json_array_clear(rec->notes);
	else
		add_step(rec, m, was_possible);
}

/* The last store to the oracle's frame. */
static void mark_victim(json_t *steps, const char *oracle_text)
{
	char frame[40];
	u64 pfn;

	if (!race_victim_frame(oracle_text, &pfn))
		return;
	snprintf(frame, sizeof(frame), "frame %llu", (unsigned long long)pfn);
	for (size_t i = json_array_size(steps); i-- > 0; ) {
		json_t *s = json_array_get(steps, i),
		       *notes = json_object_get(s, "notes");

		for (size_t n = json_array_size(notes); n-- > 0; ) {
			const char *text =
				json_string_value(json_array_get(notes, n));

			if (!strstr(text, "store") || !strstr(text, frame))
				continue;
			json_object_set_new(s, "lost", json_integer((json_int_t)n));
			return;
		}
	}
}

static json_t *names_of_cpus(const struct sys *sys)
{
	json_t *cpus = json_array();

	for (u32 i = 0; i < sys->nr_cpus; i++)
		if (sys->cpu[i].task)
			json_array_append_new(cpus, json_pack("{s:i, s:s}",
				"id", (int)i, "name", sys->cpu[i].task->name));
	return cpus;
}

static json_t *finish(struct recording *rec, const struct sys *sys,
		      const struct race_row *row, const struct kernel *k,
		      const struct race_outcome *o,
		      const struct explore_result *r)
{
	json_t *run = json_object(), *loop = json_null();

	for (u32 i = 0; i < o->nr_moves; i++)
		if (o->moves[i].is_loop)
			loop = json_integer((json_int_t)i);
	mark_victim(rec->steps, r->text);
	json_object_set_new(run, "row", json_string(row->id));
	json_object_set_new(run, "kernel", json_string(k->name));
	json_object_set_new(run, "commit", json_string(k->commit));
	json_object_set_new(run, "oracle", json_string(r->oracle));
	json_object_set_new(run, "text", json_string(r->text));
	json_object_set_new(run, "cut", json_boolean(rec->is_cut));
	json_object_set_new(run, "loop", loop);
	json_object_set_new(run, "cpus", names_of_cpus(sys));
	json_object_set_new(run, "steps", rec->steps);
	return run;
}

static json_t *follow(struct sys *sys, const struct race_row *row,
		      const struct kernel *k, const struct race_outcome *o,
		      bool is_other)
{
	struct recording rec = { .steps = json_array(), .notes = json_array() };
	const struct explore_watch w = { .on_event = on_event,
					 .on_move = on_move, .arg = &rec };
	struct explore_config cfg = { .on_final = race_on_final };
	struct explore_result r;
	json_t *run;

	cfg.final_arg = race_mm(sys);
	explore_follow(sys, o->moves, o->nr_moves,
		       is_other ? RACE_RECORD_MAX : 0, &cfg, &w, &r);
	/* A loop is not over: it is the explorer that saw it. */
	if (!r.oracle[0] && !is_other && !strcmp(o->oracle, "O14")) {
		memcpy(r.oracle, o->oracle, sizeof(r.oracle));
		memcpy(r.text, o->text, sizeof(r.text));
	}
	run = finish(&rec, sys, row, k, o, &r);
	json_decref(rec.notes);
	return run;
}

int race_record(json_t **out, const struct race *race,
		const struct race_row *row, const struct kernel *k,
		const struct race_limits *lim, const struct race_outcome *o,
		bool is_other)
{
	const struct race_options opt = {
		.is_reduced = !lim->is_plain,
		.may_speculate = !o->shown_demand_only,
		.may_evict = true,
		.flush = lim->flush,
	};
	struct race_row shown = *row;
	struct machine *m;
	struct sys *sys;
	int rc;

	shown.memory = o->shown_memory;
	rc = machine_create(&m, RACE_STAGE_TOPOLOGY, NULL, NULL);
	if (rc)
		return rc;
	rc = race_open(&sys, race, &shown, k, m, &opt);
	if (!rc) {
		*out = follow(sys, row, k, o, is_other);
		race_close(sys);
	}
	machine_destroy(m);
	return rc;
}

static bool same_stage(const struct race_row *a, const struct race_row *b)
{
	return (!a->stage && !b->stage) ||
	       (a->stage && b->stage && !strcmp(a->stage, b->stage));
}

const struct race_row *race_fixed_row(const struct race *race,
				      const struct race_row *row,
				      const char *id)
{
	const struct race_row *before = NULL;

	for (u32 i = 0; i < race->nr_rows; i++) {
		const struct race_row *r = &race->rows[i];

		if (id ? !strcmp(r->id, id)
		       : r->expected == VERDICT_PASS && !r->watch &&
			 strcmp(r->kernel, row->kernel) &&
			 same_stage(r, row) && r->changers == row->changers) {
			if (id || r > row)
				return r;
			before = before ? before : r;
		}
	}
	return before;
}
