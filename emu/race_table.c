#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "emu/race_table.h"
#include "mm/oracle.h"

#define MAX_COLUMNS 4
#define COLUMN 27       /* characters */

struct event_list {
	struct explore_event *e;
	u32 n, capacity;
};

static void add_event(const struct explore_event *e, void *arg)
{
	struct event_list *l = arg;

	if (GROW(l->e, l->n, l->capacity, 64))
		return;                 /* a shorter table, not a lost one */
	l->e[l->n++] = *e;
}

/* Where to break @text so that at most @width characters come first. */
static size_t break_at(const char *text, size_t width)
{
	size_t n = strlen(text);

	if (n <= width)
		return n;
	for (n = width; n && text[n] != ' '; n--)
		;
	return n ? n : width;
}

static void rule(FILE *f, u32 nr_columns)
{
	fputs("----", f);
	for (u32 i = 0; i < nr_columns; i++) {
		fputc('+', f);
		for (u32 c = 0; c < COLUMN + 1; c++)
			fputc('-', f);
	}
	fputc('\n', f);
}

/* The first event of a livelock's loop, if @l's event @i is it. */
static bool begins_loop(const struct event_list *l, u32 i,
			const struct race_outcome *o)
{
	for (u32 m = 0; m < o->nr_moves; m++)
		if (o->moves[m].is_loop)
			return l->e[i].move >= m &&
			       (!i || l->e[i - 1].move < m);
	return false;
}

static void print_event(FILE *f, u32 t, u32 column, u32 nr_columns,
			const char *text)
{
	bool is_first = true;

	while (*text || is_first) {
		size_t n = break_at(text, COLUMN - 1);

		if (is_first)
			fprintf(f, "%3u ", t);
		else
			fputs("    ", f);
		for (u32 c = 0; c < nr_columns; c++)
			fprintf(f, "| %-*.*s", COLUMN, c == column ? (int)n : 0,
				c == column ? text : "");
		fputc('\n', f);
		text += n;
		while (*text == ' ')
			text++;
		is_first = false;
	}
}

bool race_victim_frame(const char *oracle_text, u64 *pfn)
{
	unsigned long long n;

	if (sscanf(oracle_text, "a store to frame %llu", &n) != 1 &&
	    sscanf(oracle_text, "store to frame %llu", &n) != 1 &&
	    sscanf(oracle_text, "the device's frame %llu", &n) != 1)
		return false;
	*pfn = n;
	return true;
}

/* The oracle names the frame; the last store to it is the victim. */
static void mark_victim(struct event_list *l, const char *oracle_text)
{
	char frame[32];
	u64 pfn;

	if (!race_victim_frame(oracle_text, &pfn))
		return;
	snprintf(frame, sizeof(frame), "frame %llu", (unsigned long long)pfn);
	for (u32 i = l->n; i-- > 0; ) {
		char *text = l->e[i].text;
		size_t n = strlen(text);

		if (!strncmp(text, "***", 3) || !strstr(text, "store") ||
		    !strstr(text, frame))
			continue;
		snprintf(text + n, sizeof(l->e[i].text) - n, " *** lost");
		return;
	}
}

int race_table(FILE *f, const struct race *race, const struct race_row *row,
	       const struct kernel *k, const struct race_limits *lim,
	       const struct race_outcome *o, const char *command)
{
	const struct race_options opt = {
		.is_reduced = !lim->is_plain,
		.may_speculate = !o->shown_demand_only,
		.may_evict = true,
		.flush = lim->flush,
	};
	struct explore_config cfg = { .on_final = race_on_final };
	struct race_row shown = *row;
	struct event_list l = { NULL, 0, 0 };
	struct explore_result r;
	struct machine *m;
	struct sys *sys;
	u32 column[EXPLORE_MAX_CPUS], nr_columns = 0;
	int rc;

	shown.memory = o->shown_memory;
	rc = machine_create(&m, RACE_STAGE_TOPOLOGY, NULL, NULL);
	if (rc)
		return rc;
	rc = race_open(&sys, race, &shown, k, m, &opt);
	if (rc)
		goto out;
	cfg.final_arg = race_mm(sys);
	rc = explore_replay(sys, o->moves, o->nr_moves, &cfg, add_event, &l,
			    &r) == 1 ? 0 : -EINVAL;
	fprintf(f, "\n%s %s, kernel %s (%s), memory model %s, %s:\n\n",
		race->name, row->id, k->name, k->commit,
		memory_model_names[shown.memory], o->shown_demand_only
		? "TLBs filled on demand only" : "speculative TLB fills");
	fputs("  t ", f);
	for (u32 i = 0; i < sys->nr_cpus; i++) {
		if (!sys->cpu[i].task)
			continue;
		fprintf(f, "| CPU %u, %-*s", i, COLUMN - 7,
			sys->cpu[i].task->name);
		column[i] = nr_columns++;
	}
	fputc('\n', f);
	rule(f, nr_columns);
	mark_victim(&l, r.text);
	for (u32 i = 0; i < l.n; i++) {
		const char *text = l.e[i].text;

		if (!strncmp(text, "***", 3))
			continue;
		if (begins_loop(&l, i, o))
			fputs("    again and again from here:\n", f);
		print_event(f, l.e[i].move, column[l.e[i].cpu], nr_columns,
			    text);
	}
	rule(f, nr_columns);
	if (rc)
		fprintf(f, "the schedule does not lead to a violation here\n");
	else
		fprintf(f, "%s: %s\n", r.oracle, r.text);
	if (command)
		fprintf(f, "replay: %s\n", command);
	race_close(sys);
out:
	machine_destroy(m);
	free(l.e);
	return rc;
}
