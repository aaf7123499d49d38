/* How fast the explorer is and how large its spaces. Prints "NAME VALUE UNIT"
 * lines. BENCH_SECONDS (default 20) bounds each row of the race; what did not
 * finish within it is counted as such. One core.
 *
 * The anchors are an independent Spin model of the same race with two fill and
 * evict pairs on top: 1,812 states to the first error, 18,977 in the whole
 * fixed space, no reduction. That model's steps are coarser or finer than ours
 * in places; the numbers are of one order, not equal.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "emu/explore.h"
#include "emu/race_run.h"
#include "workloads/race.h"

static struct machine *machine;

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static void search(const struct race *race, const struct race_row *row,
		   bool is_reduced, bool want_shortest, double seconds,
		   struct explore_result *r)
{
	const struct race_options opt = {
		.is_reduced = is_reduced, .may_speculate = true,
		.may_evict = true,
	};
	struct explore_config cfg = {
		.use_sleep_sets = is_reduced, .skip_shortest = !want_shortest,
		.max_seconds = seconds, .on_final = race_on_final,
	};
	struct sys *sys;

	if (race_open(&sys, race, row, kernel_find(row->kernel), machine, &opt)) {
		fprintf(stderr, "bench_explore: %s: cannot be staged\n", row->id);
		exit(1);
	}
	cfg.final_arg = race_mm(sys);
	if (explore(sys, &cfg, r)) {
		fprintf(stderr, "bench_explore: %s: out of memory\n", row->id);
		exit(1);
	}
	free(r->moves);
	r->moves = NULL;
	race_close(sys);
}

static const struct race_row *row_of(const struct race *race, const char *id)
{
	for (u32 i = 0; i < race->nr_rows; i++)
		if (!strcmp(race->rows[i].id, id))
			return &race->rows[i];
	fprintf(stderr, "bench_explore: no row %s\n", id);
	exit(1);
}

static void print_space(const char *name, const struct explore_result *r)
{
	printf("%s_states %llu states%s\n", name, (unsigned long long)r->states,
	       r->outcome == EXPLORE_NOT_FINISHED ? " (not finished)" : "");
	printf("%s_transitions %llu transitions\n", name,
	       (unsigned long long)r->transitions);
}

int main(void)
{
	const struct race *race = race_find("R07");
	const char *text = getenv("BENCH_SECONDS");
	double seconds = text ? atof(text) : 20, t;
	struct explore_result r;
	u32 unfinished = 0;
	struct err e;

	if (!race || machine_create(&machine, RACE_STAGE_TOPOLOGY, NULL, &e)) {
		fprintf(stderr, "bench_explore: %s\n", race ? e.text : "no R07");
		return 1;
	}
	search(race, row_of(race, "V7-2"), true, false, seconds, &r);
	printf("explorer_transitions %.0f per_s\n",
	       (double)r.transitions / r.host_seconds);
	printf("explorer_states %.0f per_s\n", (double)r.states / r.host_seconds);
	printf("explorer_state %zu bytes\n", r.state_bytes);

	t = now_s();
	search(race, row_of(race, "V0"), true, true, seconds, &r);
	printf("race_V0_seconds %.4f s\n", now_s() - t);
	search(race, row_of(race, "V0"), true, false, seconds, &r);
	print_space("race_V0_first_error_reduced", &r);
	search(race, row_of(race, "V0"), false, false, seconds, &r);
	print_space("race_V0_first_error_plain", &r);
	printf("spin_V0_first_error 1812 states\n");
	/* The same stage with the fix of 3.13: the whole space. */
	search(race, row_of(race, "V3"), true, false, seconds, &r);
	print_space("race_V3_fixed_space_reduced", &r);
	search(race, row_of(race, "V3"), false, false, seconds, &r);
	print_space("race_V3_fixed_space_plain", &r);
	printf("spin_V0_fixed_space 18977 states\n");

	t = now_s();
	for (u32 i = 0; i < race->nr_rows; i++) {
		search(race, &race->rows[i], true, false, seconds, &r);
		unfinished += r.outcome == EXPLORE_NOT_FINISHED;
	}
	printf("race_all_R07_seconds %.1f s\n", now_s() - t);
	printf("race_all_R07_unfinished %u of_%u_rows\n", unfinished,
	       race->nr_rows);
	machine_destroy(machine);
	return 0;
}
