/* Every row of every race that is small enough says what the catalogue expects,
 * by the expected oracle; its counterexample can be replayed and is about that
 * schedule; the search repeats itself exactly. TEST_STATES is the size up to
 * which rows are searched here; `ninja races` does all.
 */
#include "tests/check.h"

#include <errno.h>

#include "emu/explore.h"
#include "emu/race_run.h"
#include "mm/oracle.h"
#include "workloads/race.h"

static struct machine *machine;

static struct sys *open_row(const struct race *race, const struct race_row *row,
			    struct explore_config *cfg, bool is_reduced)
{
	const struct race_options opt = {
		.is_reduced = is_reduced, .may_speculate = true,
		.may_evict = true,
	};
	struct sys *sys;

	assert_int_equal(race_open(&sys, race, row, kernel_find(row->kernel),
				   machine, &opt), 0);
	cfg->use_sleep_sets = is_reduced;
	cfg->on_final = race_on_final;
	cfg->final_arg = race_mm(sys);
	cfg->find_livelock = race->may_restart;
	return sys;
}

static void search(const struct race *race, const struct race_row *row,
		   struct explore_config *cfg, bool is_reduced,
		   struct explore_result *r)
{
	struct sys *sys = open_row(race, row, cfg, is_reduced);

	assert_int_equal(explore(sys, cfg, r), 0);
	race_close(sys);
}

static int replay(const struct race *race, const struct race_row *row,
		  const struct explore_move *moves, u32 n,
		  struct explore_result *r)
{
	struct explore_config cfg = { .use_sleep_sets = true };
	struct sys *sys = open_row(race, row, &cfg, true);
	int rc = explore_replay(sys, moves, n, &cfg, NULL, NULL, r);

	race_close(sys);
	return rc;
}

static u64 max_states(void)
{
	const char *text = getenv("TEST_STATES");

#ifdef __SANITIZE_ADDRESS__
	return text ? strtoull(text, NULL, 0) : 10000;
#else
	return text ? strtoull(text, NULL, 0) : 700000;
#endif
}

static u32 check_counterexample(const struct race *race,
				const struct race_row *row,
				const struct explore_result *r)
{
	struct explore_result a, b;
	char text[4096];
	struct explore_move *parsed;
	u32 n, bad = 0;

	/* Through the text that --replay takes. */
	assert_int_equal(explore_format(r->moves, r->nr_moves, text,
					sizeof(text)), 0);
	assert_int_equal(explore_parse(text, &parsed, &n), 0);
	assert_int_equal(n, r->nr_moves);
	bad += replay(race, row, parsed, n, &a) != 1;
	bad += replay(race, row, parsed, n, &b) != 1;
	bad += strcmp(r->oracle, a.oracle) || strcmp(a.oracle, b.oracle);
	bad += strcmp(r->text, a.text) || strcmp(a.text, b.text);
	/* The move that loses is the last one: without it nothing is lost. */
	bad += replay(race, row, parsed, n - 1, &a) == 1;
	free(parsed);
	return bad;
}

static void test_rows(void **state)
{
	u32 bad = 0, left = 0, done = 0;

	for (u32 i = 0; races[i]; i++)
		for (u32 j = 0; j < races[i]->nr_rows; j++) {
			const struct race *race = races[i];
			const struct race_row *row = &race->rows[j];
			struct explore_config cfg = {
				.skip_shortest = true,
				.max_states = max_states(),
			};
			struct explore_result r, again;
			bool ok;

			search(race, row, &cfg, true, &r);
			if (r.outcome == EXPLORE_NOT_FINISHED) {
				/* The budget is the only reason to stop. */
				assert_string_equal(r.limit, "states");
				printf("# left to `ninja races`: %s %s\n",
				       race->id, row->id);
				left++;
				continue;
			}
			done++;
			search(race, row, &cfg, true, &again);
			ok = r.states == again.states &&
			     r.transitions == again.transitions &&
			     r.outcome == again.outcome &&
			     r.nr_moves == again.nr_moves;
			if (!ok)
				print_error("# %s %s: not the same twice\n",
					    race->id, row->id);
			bad += !ok;
			ok = r.outcome == EXPLORE_PROVED
				? row->expected == VERDICT_PASS
				: row->expected == VERDICT_FAIL &&
				  (!row->expected_oracles ||
				   (oracle_by_name(r.oracle) &
				    row->expected_oracles));
			if (!ok)
				print_error("# %s %s: %s %s\n", race->id,
					    row->id, r.outcome == EXPLORE_PROVED
					    ? "proved" : r.oracle, r.text);
			bad += !ok;
			if (r.outcome == EXPLORE_VIOLATION &&
			    check_counterexample(race, row, &r)) {
				print_error("# %s %s: its replay differs\n",
					    race->id, row->id);
				bad++;
			}
			free(r.moves);
			free(again.moves);
		}
	printf("# %u rows searched, %u left\n", done, left);
	assert_int_equal(bad, 0);
	assert_true(done > 0);
}

/* Plain enumeration, which merges and skips nothing, agrees. */
static void test_plain_agrees(void **state)
{
	static const char *const id[] = { "V0", "V0-early", "V1", "R07c",
					  "R07e", "R07e-fix", "R07f" };
	const struct race *race = race_find("R07");
	u32 found = 0;

	for (u32 j = 0; j < race->nr_rows; j++)
		for (u32 i = 0; i < ARRAY_LEN(id); i++) {
			const struct race_row *row = &race->rows[j];
			struct explore_config cfg = { .skip_shortest = true,
						      .max_states = 2000000 };
			struct explore_result r;

			if (strcmp(row->id, id[i]))
				continue;
			found++;
			search(race, row, &cfg, false, &r);
			assert_int_equal(r.outcome, row->expected == VERDICT_FAIL
					 ? EXPLORE_VIOLATION : EXPLORE_PROVED);
			free(r.moves);
		}
	assert_true(found >= 5);
}

static void drop_cpu(const struct explore_result *r, u32 cpu,
		     struct explore_move *out, u32 *n)
{
	*n = 0;
	for (u32 i = 0; i < r->nr_moves; i++)
		if (r->moves[i].cpu != cpu)
			out[(*n)++] = r->moves[i];
}

/* A counterexample is about its schedule. With one move left out most often it
 * does not fit any more; where it still loses (fewest switches come before
 * fewest moves) that is one in three at most. Without all moves of any one CPU
 * that takes part, the same loss never comes. */
static void test_schedule_matters(void **state)
{
	const struct race *race = race_find("R07");
	const struct race_row *row = &race->rows[0];
	struct explore_config cfg = { 0 };
	struct explore_move m[RACE_MAX_MOVES];
	struct explore_result r, r2;
	u32 same = 0, misfit = 0, cpus = 0, n;

	search(race, row, &cfg, true, &r);
	assert_int_equal(r.outcome, EXPLORE_VIOLATION);
	assert_true(r.is_shortest);
	for (u32 i = 0; i < r.nr_moves; i++) {
		int rc;

		memcpy(m, r.moves, i * sizeof(*m));
		memcpy(m + i, r.moves + i + 1, (r.nr_moves - i - 1) * sizeof(*m));
		rc = replay(race, row, m, r.nr_moves - 1, &r2);
		misfit += rc == -EINVAL;
		same += rc == 1 && !strcmp(r.text, r2.text);
	}
	printf("# %u moves: without one, %u misfits, %u lose all the same\n",
	       r.nr_moves, misfit, same);
	assert_true(misfit > 0 && 3 * same <= r.nr_moves);
	for (u32 c = 0; c < race->nr_cpus; c++) {
		drop_cpu(&r, c, m, &n);
		if (n == r.nr_moves)
			continue;
		cpus++;
		assert_false(replay(race, row, m, n, &r2) == 1 &&
			     !strcmp(r.text, r2.text));
	}
	assert_true(cpus >= 3);
	free(r.moves);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_rows),
	cmocka_unit_test(test_plain_agrees),
	cmocka_unit_test(test_schedule_matters),
};

TEST_MAIN_ON(machine, RACE_STAGE_TOPOLOGY, tests)
