/* One search in other ways: by several processes, in pieces through a file, within
 * so many preemptions, at random. What is said is what one process says at once.
 */
#include "tests/check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "base/rng.h"
#include "emu/explore.h"
#include "emu/race_run.h"
#include "workloads/race.h"

static struct machine *machine;
static char dir[64];

static const struct {
	const char *race, *row;
	enum memory_model memory;
} small[] = {
	{ "R07", "V0", MEM_TSO }, { "R07", "V0-early", MEM_TSO },
	{ "R07", "V6", MEM_TSO }, { "R01", "HEAD", MEM_WEAK },
	{ "R01", "TAIL", MEM_WEAK }, { "R05", "R05d-fix", MEM_SC },
	{ "R10", "R10a", MEM_TSO }, { "R10", "R10a-fix", MEM_WEAK },
};

static struct race_row row_of(u32 i, const struct race **race)
{
	*race = race_find(small[i].race);
	for (u32 r = 0; r < (*race)->nr_rows; r++)
		if (!strcmp((*race)->rows[r].id, small[i].row)) {
			struct race_row row = (*race)->rows[r];

			row.memory = small[i].memory;
			return row;
		}
	fail_msg("no row %s", small[i].row);
	abort();
}

static int search(u32 i, struct explore_config *cfg, struct explore_result *r)
{
	const struct race_options opt = { .is_reduced = true,
					  .may_speculate = true,
					  .may_evict = true };
	const struct race *race;
	const struct race_row row = row_of(i, &race);
	struct sys *sys;
	int rc;

	assert_int_equal(race_open(&sys, race, &row, kernel_find(row.kernel),
				   machine, &opt), 0);
	cfg->use_sleep_sets = true;
	cfg->on_final = race_on_final;
	cfg->final_arg = race_mm(sys);
	cfg->program = cfg->program ? cfg->program : "test 1";
	rc = explore(sys, cfg, r);
	race_close(sys);
	return rc;
}

static void assert_same(const struct explore_result *a,
			const struct explore_result *b, u32 i)
{
	if (a->outcome != b->outcome || a->states != b->states ||
	    a->finals != b->finals || strcmp(a->oracle, b->oracle) ||
	    strcmp(a->text, b->text) || a->nr_moves != b->nr_moves ||
	    a->is_shortest != b->is_shortest || a->switches != b->switches)
		fail_msg("%s: %u %llu %s against %u %llu %s", small[i].row,
			 a->outcome, (unsigned long long)a->states, a->text,
			 b->outcome, (unsigned long long)b->states, b->text);
	if (a->nr_moves)
		assert_memory_equal(a->moves, b->moves,
				    a->nr_moves * sizeof(*a->moves));
}

/* The same verdict, as many states, the same shortest counterexample. */
static void test_workers(void **state)
{
	for (u32 i = 0; i < ARRAY_LEN(small); i++) {
		struct explore_config cfg = { .nr_workers = 1 };
		struct explore_result one, many;

		assert_int_equal(search(i, &cfg, &one), 0);
		for (u32 n = 2; n <= 3; n++) {
			cfg.nr_workers = n;
			assert_int_equal(search(i, &cfg, &many), 0);
			assert_same(&one, &many, i);
			free(many.moves);
		}
		free(one.moves);
	}
}

/* In pieces of some hundred states, through the file each time. */
static u32 in_pieces(u32 i, const char *path, u32 workers, u64 piece,
		     struct explore_result *r)
{
	struct explore_config cfg = { .nr_workers = workers, .save = path,
				      .max_states = piece };
	u32 pieces = 1;

	assert_int_equal(search(i, &cfg, r), 0);
	while (r->outcome == EXPLORE_NOT_FINISHED) {
		assert_string_equal(r->limit, "states");
		cfg.resume = path;
		cfg.max_states = r->states + piece;
		assert_int_equal(search(i, &cfg, r), 0);
		pieces++;
	}
	return pieces;
}

static void test_pieces(void **state)
{
	char path[96];
	u32 pieces = 0;

	snprintf(path, sizeof(path), "%s/pieces", dir);
	for (u32 i = 0; i < ARRAY_LEN(small); i++) {
		struct explore_config cfg = { .nr_workers = 1 };
		struct explore_result whole, r;

		assert_int_equal(search(i, &cfg, &whole), 0);
		pieces += in_pieces(i, path, 1, whole.states / 3 + 1, &r);
		assert_same(&whole, &r, i);
		assert_int_equal(whole.transitions, r.transitions);
		assert_int_equal(whole.max_depth, r.max_depth);
		free(r.moves);
		if (whole.outcome == EXPLORE_PROVED) {
			pieces += in_pieces(i, path, 3, whole.states / 3 + 1,
					    &r);
			assert_same(&whole, &r, i);
			free(r.moves);
		}
		free(whole.moves);
	}
	printf("# %u pieces\n", pieces);
	assert_true(pieces > 2 * ARRAY_LEN(small));
}

/* Saved by several, taken up by one, and the reverse. */
static void test_handed_over(void **state)
{
	const u32 i = 2;
	char path[96];
	struct explore_config cfg = { .nr_workers = 1 };
	struct explore_result whole, r;

	snprintf(path, sizeof(path), "%s/hand", dir);
	assert_int_equal(search(i, &cfg, &whole), 0);
	for (u32 from = 1; from <= 3; from += 2) {
		cfg = (struct explore_config){ .nr_workers = from, .save = path,
					       .max_states = whole.states / 2 };
		assert_int_equal(search(i, &cfg, &r), 0);
		assert_int_equal(r.outcome, EXPLORE_NOT_FINISHED);
		cfg = (struct explore_config){ .nr_workers = 4 - from,
					       .resume = path };
		assert_int_equal(search(i, &cfg, &r), 0);
		assert_same(&whole, &r, i);
	}
}

static void expect_refused(const char *path, const char *program, u64 config,
			   u32 row, const char *text)
{
	struct explore_config cfg = { .resume = path, .program = program,
				      .config = config };
	struct explore_result r;

	int rc = search(row, &cfg, &r);

	if (rc >= 0 || !r.text[0])
		fail_msg("taken, or no text: %d, wanted %s", rc, text);
	assert_contains(r.text, path);
	assert_contains(r.text, text);
	assert_null(strchr(r.text, '\n'));
}

/* Another program, row, configuration or format, a file cut short anywhere or
 * with any byte changed: refused with one line. */
static void test_refused(void **state)
{
	char path[96], bad[96], *bytes;
	struct explore_config cfg = { .max_states = 300, .program = "test 1",
				      .config = 7 };
	struct explore_result r;
	struct rng rng;
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "%s/good", dir);
	snprintf(bad, sizeof(bad), "%s/bad", dir);
	cfg.save = path;
	assert_int_equal(search(2, &cfg, &r), 0);
	assert_int_equal(r.outcome, EXPLORE_NOT_FINISHED);
	expect_refused(path, "test 2", 7, 2, "saved by test 1, this is test 2");
	expect_refused(path, "test 1", 8, 2, "another race, row or conf");
	expect_refused(path, "test 1", 7, 3, "another race, row or conf");
	/* The same stage, but not the same steps. */
	expect_refused(path, "test 1", 7, 1, "does not fit this race");
	expect_refused("/nonexistent/x", "test 1", 7, 2, "No such file");
	f = fopen(path, "rb");
	assert_non_null(f);
	bytes = malloc(1 << 20);
	n = fread(bytes, 1, 1 << 20, f);
	fclose(f);
	assert_true(n > 1000 && n < 1 << 20);
	rng_init(&rng, check_seed("damaged files"));
	check_write(bad, "hello", 5);
	expect_refused(bad, "test 1", 7, 2, "not a saved search");
	bytes[8]++;
	check_write(bad, bytes, n);
	expect_refused(bad, "test 1", 7, 2, "of format 2, this program reads 1");
	bytes[8]--;
	for (u32 k = 0; k < 60; k++) {
		size_t at = (size_t)rng_below(&rng, n);

		check_write(bad, bytes, at);
		expect_refused(bad, "test 1", 7, 2, "");
		bytes[at] ^= 0x10;
		check_write(bad, bytes, n);
		expect_refused(bad, "test 1", 7, 2, "");
		bytes[at] ^= 0x10;
	}
	free(bytes);
}

/* Killed at any time, the file is whole: it can be taken up, and the end is the
 * same. */
static void test_killed(void **state)
{
	const u32 i = 2;
	char path[96];
	struct explore_config cfg = { .nr_workers = 1 };
	struct explore_result whole, r;
	struct rng rng;
	u32 resumed = 0;

	snprintf(path, sizeof(path), "%s/killed", dir);
	rng_init(&rng, check_seed("when it is killed"));
	assert_int_equal(search(i, &cfg, &whole), 0);
	for (u32 k = 0; k < 12; k++) {
		struct timespec t = { 0, (long)rng_between(&rng, 1, 60) *
					 1000000 };
		pid_t pid = fork();

		if (!pid) {
			cfg = (struct explore_config){
				.save = path, .save_seconds = 0.001,
				.skip_shortest = true,
				.resume = access(path, R_OK) ? NULL : path,
				.nr_workers = 1 + k % 2,
			};
			_exit(search(i, &cfg, &r) ? 1 : 0);
		}
		nanosleep(&t, NULL);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		if (access(path, R_OK))
			continue;
		cfg = (struct explore_config){ .resume = path,
					       .nr_workers = 1 };
		assert_int_equal(search(i, &cfg, &r), 0);
		assert_int_equal(r.outcome, whole.outcome);
		assert_string_equal(r.oracle, whole.oracle);
		if (k % 2 == 0)
			assert_memory_equal(r.moves, whole.moves,
					    whole.nr_moves * sizeof(*r.moves));
		resumed++;
		free(r.moves);
	}
	printf("# taken up %u times\n", resumed);
	free(whole.moves);
}

/* With enough preemptions a bound bounds nothing; what is found within as many
 * as the shortest needs is not found within one less. */
static void test_bound(void **state)
{
	for (u32 i = 0; i < ARRAY_LEN(small); i++) {
		struct explore_config cfg = { .nr_workers = 1 };
		struct explore_result full, r;

		assert_int_equal(search(i, &cfg, &full), 0);
		cfg = (struct explore_config){ .is_bounded = true,
			.skip_shortest = true,
			.max_preemptions = full.outcome == EXPLORE_PROVED
				? 3 : full.switches };
		assert_int_equal(search(i, &cfg, &r), 0);
		assert_int_equal(r.outcome, full.outcome == EXPLORE_PROVED
				 ? EXPLORE_BOUNDED : EXPLORE_VIOLATION);
		free(r.moves);
		if (full.outcome == EXPLORE_VIOLATION && full.switches) {
			cfg.max_preemptions--;
			assert_int_equal(search(i, &cfg, &r), 0);
			assert_int_equal(r.outcome, EXPLORE_BOUNDED);
		}
		free(full.moves);
	}
}

/* Random schedules: the same seed, the same ones; a violation replays; a row that
 * cannot lose is never called proved. */
static void test_sample(void **state)
{
	struct explore_config cfg = { .mode = EXPLORE_PCT, .pct_depth = 3,
				      .runs = 20000, .seed = 5 };
	struct explore_result a, b;

	assert_int_equal(search(0, &cfg, &a), 0);
	assert_int_equal(search(0, &cfg, &b), 0);
	assert_int_equal(a.outcome, EXPLORE_VIOLATION);
	assert_false(a.is_shortest);
	assert_int_equal(a.runs, b.runs);
	assert_int_equal(a.nr_moves, b.nr_moves);
	assert_memory_equal(a.moves, b.moves, a.nr_moves * sizeof(*a.moves));
	free(a.moves);
	free(b.moves);
	cfg.runs = 500;
	for (u32 m = EXPLORE_RANDOM; m <= EXPLORE_PCT; m++) {
		cfg.mode = m;
		assert_int_equal(search(2, &cfg, &a), 0);
		assert_int_equal(a.outcome, EXPLORE_SAMPLED);
		assert_int_equal(a.runs, 500);
		assert_int_equal(a.finals, 500);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_workers),
	cmocka_unit_test(test_pieces),
	cmocka_unit_test(test_handed_over),
	cmocka_unit_test(test_refused),
	cmocka_unit_test(test_killed),
	cmocka_unit_test(test_bound),
	cmocka_unit_test(test_sample),
};

int main(int argc, char **argv)
{
	struct err e;
	int failed;

	if (machine_create(&machine, RACE_STAGE_TOPOLOGY, NULL, &e)) {
		fprintf(stderr, "%s\n", e.text);
		return 1;
	}
	check_tmpdir(dir);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	check_rmdir(dir);
	return failed ? 1 : 0;
}
