#include "emu/race_show.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/outfile.h"
#include "emu/chrome_trace.h"

/* Moves have no length: one every 10 us. */
#define MOVE_PS (10 * CHROME_PS_PER_US)

/* Interrupts under way, to pair arrivals with sends. */
struct flows {
	u32 pending[EXPLORE_MAX_CPUS][EXPLORE_MAX_CPUS];        /* [to][from] */
	u32 id[EXPLORE_MAX_CPUS][EXPLORE_MAX_CPUS];
	u32 next_id;
};

static void name_tracks(struct chrome *t, const json_t *run)
{
	json_t *c;
	size_t i;

	json_array_foreach(json_object_get(run, "cpus"), i, c) {
		char name[80];
		int id = (int)json_integer_value(json_object_get(c, "id"));

		snprintf(name, sizeof(name), "CPU %d: %s", id,
			 json_string_value(json_object_get(c, "name")));
		chrome_track(t, (u32)id, name);
	}
}

static void flow(struct chrome *t, bool is_end, u32 id, u32 cpu, u32 at)
{
	chrome_arrow(t, cpu, "interrupt", is_end, id,
		     at * MOVE_PS + 4 * CHROME_PS_PER_US);
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

static void flows_of(struct chrome *t, struct flows *f, const json_t *run,
		     const json_t *step, u32 at)
{
	json_t *cpus = json_object_get(run, "cpus"), *c;
	size_t i;

	json_array_foreach(cpus, i, c) {
		u32 n[EXPLORE_MAX_CPUS];
		u32 to = (u32)json_integer_value(json_object_get(c, "id"));

		count_pending(step, i, n);
		for (u32 from = 0; from < EXPLORE_MAX_CPUS; from++) {
			u32 *was = &f->pending[to][from];

			if (n[from] > *was)
				flow(t, false, f->id[to][from] = ++f->next_id,
				     from, at);
			else if (n[from] < *was)
				flow(t, true, f->id[to][from], to, at);
			*was = n[from];
		}
	}
}

static void add_step(struct chrome *t, const json_t *step, u32 at)
{
	json_t *notes = json_object_get(step, "notes"),
	       *lost = json_object_get(step, "lost");
	const char *name = json_array_size(notes)
		? json_string_value(json_array_get(notes, 0))
		: json_string_value(json_object_get(step, "kind"));
	u32 cpu = (u32)json_integer_value(json_object_get(step, "cpu"));

	chrome_slice(t, cpu, name, lost ? "lost" : "move", at * MOVE_PS,
		     (at + 1) * MOVE_PS - CHROME_PS_PER_US,
		     json_pack("{s:O,s:i}", "notes", notes, "move",
			       (int)at - 1));
	if (lost)
		chrome_mark(t, cpu, "this store is lost", "lost",
			    at * MOVE_PS + 2 * CHROME_PS_PER_US);
}

static void write_trace(FILE *out, const json_t *run, const struct race_show *s)
{
	struct chrome t;
	struct flows f;
	json_t *step;
	size_t at;

	memset(&f, 0, sizeof(f));
	chrome_begin(&t, out, "tlbemu race");
	name_tracks(&t, run);
	json_array_foreach(json_object_get(run, "steps"), at, step) {
		if (at)
			add_step(&t, step, (u32)at);
		flows_of(&t, &f, run, step, (u32)at);
	}
	chrome_end(&t, json_pack("{s:s,s:s,s:s,s:s,s:s}", "race", s->race->name,
				 "row", s->row->id, "kernel", s->k->name,
				 "oracle", s->o->oracle, "text", s->o->text));
}

int race_timeline(const struct race_show *s, const char *path, struct err *e)
{
	struct outfile out;
	json_t *run;
	int rc = race_record(&run, s->race, s->row, s->k, s->lim, s->o, false);

	if (rc)
		return err_set(e, rc, "%s: %s", path, strerror(-rc));
	rc = outfile_open(&out, path, e);
	if (!rc) {
		write_trace(out.f, run, s);
		rc = outfile_commit(&out, e);
	}
	json_decref(run);
	return rc;
}
