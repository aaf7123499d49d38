#include "emu/race_show.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/outfile.h"

#define MOVE_US 10

/* Interrupts under way, to pair arrivals with sends. */
struct flows {
	u32 pending[EXPLORE_MAX_CPUS][EXPLORE_MAX_CPUS];        /* [to][from] */
	u32 id[EXPLORE_MAX_CPUS][EXPLORE_MAX_CPUS];
	u32 next_id;
};

static void add(json_t *events, json_t *e)
{
	json_array_append_new(events, e);
}

static void name_tracks(json_t *events, const json_t *run)
{
	json_t *c;
	size_t i;

	add(events, json_pack("{s:s,s:s,s:i,s:i,s:{s:s}}", "name",
			      "process_name", "ph", "M", "pid", 1, "tid", 0,
			      "args", "name", "tlbemu race"));
	json_array_foreach(json_object_get(run, "cpus"), i, c) {
		char name[80];
		int id = (int)json_integer_value(json_object_get(c, "id"));

		snprintf(name, sizeof(name), "CPU %d: %s", id,
			 json_string_value(json_object_get(c, "name")));
		add(events, json_pack("{s:s,s:s,s:i,s:i,s:{s:s}}", "name",
				      "thread_name", "ph", "M", "pid", 1, "tid",
				      id, "args", "name", name));
		add(events, json_pack("{s:s,s:s,s:i,s:i,s:{s:i}}", "name",
				      "thread_sort_index", "ph", "M", "pid", 1,
				      "tid", id, "args", "sort_index", id));
	}
}

static void flow(json_t *events, const char *phase, u32 id, int tid, u32 at)
{
	json_t *e = json_pack("{s:s,s:s,s:s,s:i,s:i,s:i,s:f}", "name",
			      "interrupt", "cat", "ipi", "ph", phase, "id",
			      (int)id, "pid", 1, "tid", tid, "ts",
			      (double)at * MOVE_US + 4);

	/* The arrow ends at the slice around it, not at the next one. */
	if (*phase == 'f')
		json_object_set_new(e, "bp", json_string("e"));
	add(events, e);
}

/* Requests that wait for the @i-th CPU, by who sent them. */
static void count_pending(const json_t *step, size_t i,
			  u32 n[EXPLORE_MAX_CPUS])
{
	json_t *cpu = json_array_get(json_object_get(
			json_object_get(step, "state"), "cpus"), i), *text;
	size_t k;

	memset(n, 0, EXPLORE_MAX_CPUS * sizeof(*n));
	json_array_foreach(json_object_get(cpu, "ipi"), k, text) {
		unsigned int from;

		if (sscanf(json_string_value(text), "from CPU %u", &from) == 1 &&
		    from < EXPLORE_MAX_CPUS)
			n[from]++;
	}
}

static void flows_of(json_t *events, struct flows *f, const json_t *run,
		     const json_t *step, u32 at)
{
	json_t *cpus = json_object_get(run, "cpus"), *c;
	size_t i;

	json_array_foreach(cpus, i, c) {
		u32 n[EXPLORE_MAX_CPUS];
		int to = (int)json_integer_value(json_object_get(c, "id"));

		count_pending(step, i, n);
		for (u32 from = 0; from < EXPLORE_MAX_CPUS; from++) {
			u32 *was = &f->pending[to][from];

			if (n[from] > *was)
				flow(events, "s", f->id[to][from] = ++f->next_id,
				     (int)from, at);
			else if (n[from] < *was)
				flow(events, "f", f->id[to][from], to, at);
			*was = n[from];
		}
	}
}

static void add_step(json_t *events, const json_t *step, u32 at)
{
	json_t *notes = json_object_get(step, "notes"),
	       *lost = json_object_get(step, "lost");
	const char *name = json_array_size(notes)
		? json_string_value(json_array_get(notes, 0))
		: json_string_value(json_object_get(step, "kind"));
	int tid = (int)json_integer_value(json_object_get(step, "cpu"));

	add(events, json_pack("{s:s,s:s,s:s,s:i,s:i,s:f,s:f,s:{s:O,s:i}}",
			      "name", name, "cat", lost ? "lost" : "move", "ph",
			      "X", "pid", 1, "tid", tid, "ts",
			      (double)at * MOVE_US, "dur", MOVE_US - 1.0,
			      "args", "notes", notes, "move", (int)at - 1));
	if (lost)
		add(events, json_pack("{s:s,s:s,s:s,s:i,s:i,s:f,s:s}", "name",
				      "this store is lost", "cat", "lost", "ph",
				      "i", "pid", 1, "tid", tid, "ts",
				      (double)at * MOVE_US + 2, "s", "g"));
}

static json_t *trace(const json_t *run, const struct race_show *s)
{
	json_t *events = json_array(), *step;
	struct flows f;
	size_t at;

	memset(&f, 0, sizeof(f));
	name_tracks(events, run);
	json_array_foreach(json_object_get(run, "steps"), at, step) {
		if (at)
			add_step(events, step, (u32)at);
		flows_of(events, &f, run, step, (u32)at);
	}
	return json_pack("{s:o,s:s,s:{s:s,s:s,s:s,s:s,s:s}}", "traceEvents",
			 events, "displayTimeUnit", "ns", "otherData", "race",
			 s->race->name, "row", s->row->id, "kernel", s->k->name,
			 "oracle", s->o->oracle, "text", s->o->text);
}

int race_timeline(const struct race_show *s, const char *path, struct err *e)
{
	struct outfile out;
	json_t *run, *t;
	int rc = race_record(&run, s->race, s->row, s->k, s->lim, s->o, false);

	if (rc)
		return err_set(e, rc, "%s: %s", path, strerror(-rc));
	t = trace(run, s);
	json_decref(run);
	rc = t ? outfile_open(&out, path, e) : err_set(e, -ENOMEM,
						       "out of memory");
	if (!rc) {
		json_dumpf(t, out.f, JSON_COMPACT | JSON_ENSURE_ASCII);
		fputc('\n', out.f);
		rc = outfile_commit(&out, e);
	}
	json_decref(t);
	return rc;
}
