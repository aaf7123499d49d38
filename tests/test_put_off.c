/* Each rule of the strategies that put flushes off is needed: without it, on the
 * stage of R19 that it is for, something is lost. With all of them the rows of
 * R19 pass (test_race).
 */
#include "tests/check.h"

#include "emu/explore.h"
#include "emu/race_run.h"
#include "mm/flush.h"
#include "mm/oracle.h"
#include "workloads/race.h"

static struct machine *machine;

static const struct race_row *row_of(const struct race *race, const char *id)
{
	for (u32 i = 0; i < race->nr_rows; i++)
		if (!strcmp(race->rows[i].id, id))
			return &race->rows[i];
	fail_msg("no row %s", id);
	return NULL;
}

/* What the row's stage loses under @f; 0: nothing, all was searched. */
static u32 lost(const char *id, const struct flush_ops *f)
{
	const struct race *race = race_find("R19");
	const struct race_row *row = row_of(race, id);
	const struct race_options opt = {
		.is_reduced = true, .may_speculate = true, .may_evict = true,
		.flush = f,
	};
	struct explore_config cfg = {
		.use_sleep_sets = true, .skip_shortest = true,
		.on_final = race_on_final,
	};
	struct explore_result r;
	struct sys *sys;

	assert_int_equal(race_open(&sys, race, row, kernel_find(row->kernel),
				   machine, &opt), 0);
	cfg.final_arg = race_mm(sys);
	assert_int_equal(explore(sys, &cfg, &r), 0);
	race_close(sys);
	free(r.moves);
	if (r.outcome == EXPLORE_PROVED)
		return 0;
	assert_int_equal(r.outcome, EXPLORE_VIOLATION);
	printf("# %s under %s: %s %s\n", id, f->name, r.oracle, r.text);
	return oracle_by_name(r.oracle);
}

#define OTHERS (O1_LOST_STORE | O2_WRITE_AFTER_FREE | O3_STALE_READ | \
		O15_COW_LEAK)

/* A frame is flushed when it is given out, an address when it is mapped. */
static void test_reuse_needs_flush(void **state)
{
	struct flush_ops f = *flush_find("luf");

	f.given_out = NULL;
	assert_true(lost("luf", &f) & OTHERS);
	f = *flush_find("xen-filter");
	f.given_out = NULL;
	assert_true(lost("xen", &f) & OTHERS);
	f = *flush_find("xen-filter");
	f.claim = NULL;
	assert_true(lost("xen-mmap", &f) & OTHERS);
	f = *flush_find("latr");
	f.claim = NULL;
	assert_true(lost("latr-mmap", &f) & OTHERS);
}

/* Before somebody may write, all read the same frame. */
static void test_writing_needs_flush(void **state)
{
	struct flush_ops f = *flush_find("luf");

	f.writable = NULL;
	assert_true(lost("luf-write", &f) & O1_LOST_STORE);
}

/* A CPU that never sweeps is waited for: nothing is lost, only kept. */
static void test_kept_until_swept(void **state)
{
	struct flush_ops f = *flush_find("latr");

	f.leave = NULL;
	assert_int_equal(lost("latr", &f), 0);
	assert_int_equal(lost("latr-leave", &f), 0);
}

static void take_relaxed(struct flush_batch *b)
{
	enum flush_op op = b->op;

	b->op = FLUSH_PROTECT_UP;
	flush_find("relaxed")->finish(b);
	b->op = op;
}

/* What relaxed does for added rights is wrong for rights that are taken. */
static void test_taken_rights_need_flush(void **state)
{
	struct flush_ops f = *flush_find("relaxed");

	f.finish = take_relaxed;
	assert_int_equal(lost("relaxed-mprotect", &f), 0 + O4_PERM);
	assert_int_equal(lost("relaxed", &f), 0);
}

static void nobody(const struct flush_req *r, u64 *to)
{
	touch(to, true);
	memset(to, 0, (the_sys->nr_cpus + 63) / 64 * sizeof(*to));
}

/* Who may hold a translation must be told: the rows that the sets of RadixVM and
 * ABIS pass do not pass by themselves. */
static void test_holders_are_told(void **state)
{
	static const char *const name[] = { "radixvm", "numapte",
					    "abis" };

	for (size_t i = 0; i < ARRAY_LEN(name); i++) {
		struct flush_ops f = *flush_find(name[i]);

		f.narrow = nobody;
		assert_true(lost(name[i], &f));
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_reuse_needs_flush),
	cmocka_unit_test(test_writing_needs_flush),
	cmocka_unit_test(test_kept_until_swept),
	cmocka_unit_test(test_taken_rights_need_flush),
	cmocka_unit_test(test_holders_are_told),
};

TEST_MAIN_ON(machine, RACE_STAGE_TOPOLOGY, tests)
